//! Learning the network: batches of sequences of nearly one length, AdamW, a
//! softmax over a sample of the products, early stopping.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use serde::Serialize;
use shelfedge_features::trails::fit::Sequences;

use super::Settings;
use super::net::{Answers, Batch, Dims, Dropout};
use crate::error::{Error, Result};
use crate::model::values;
use crate::next::Question;
use crate::rng::Rng;
use crate::watch::Watch;

/// Questions that stop the learning, at most; of more, every n-th is asked.
const MOST_ASKED: usize = 3_000;
/// Questions that are scored together.
const TOGETHER: usize = 128;

/// A network that says what follows, and its weights as plain arrays.
pub(crate) trait Network: Module {
    type Weights: Clone + std::fmt::Debug;

    /// What is learnt one after the other.
    const PARTS: &'static [Part];

    /// Initial weights around an embedding of the products (row 0 left out).
    fn first(dims: &Dims, embedding: &[f32], seed: u64) -> Self::Weights;

    /// Puts weights on a device.
    fn new(dims: &Dims, weights: &Self::Weights, device: &Device) -> Self;

    /// Takes the weights back.
    fn weights(&self) -> Self::Weights;

    /// How badly it says what follows the places that are asked.
    fn loss(
        &self,
        dims: &Dims,
        batch: &Batch,
        answers: &Answers,
        part: Part,
        dropout: Option<Dropout<'_>>,
        device: &Device,
    ) -> Tensor<1>;

    /// Scores of all products for the places that are asked, row 0 included:
    /// `[asked, products]`.
    fn scores(&self, dims: &Dims, batch: &Batch, part: Part, device: &Device) -> Vec<f32>;

    /// Puts the weights on the numbers that a compiled model holds.
    fn round(dims: &Dims, weights: &mut Self::Weights);

    /// Writes the ONNX file: the newest products of a sequence, oldest first and with
    /// zeros before them, and a product in each row, to the product's score.
    fn onnx(dims: &Dims, weights: &Self::Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>>;
}

/// A part of a network that learns, while the others say nothing or stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything.
    All,
    /// What shoppers like in the long run; the session says nothing.
    LongTerm,
    /// What they are after now; the rest stays as it is.
    Session,
}

/// One pass over a log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss over the batches.
    pub train_loss: f64,
    /// NDCG at 10 of what follows, among all products.
    pub valid_ndcg10: f64,
}

/// Questions that stop the learning, and whether a product may come again.
pub(crate) struct Stop<'q, 'a> {
    pub(super) questions: &'q [Question<'a>],
    pub(super) repeats: bool,
}

/// Products of one sequence that teach, the newest.
const MOST_OF_ONE: usize = 500;

/// A part of a sequence that fits into the network's places, as places of the
/// log; the last product is only what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    start: usize,
    end: usize,
    /// The first place that is asked what follows it.
    asked: usize,
}

/// All steps of a log, each asked once; of one sequence the newest [`MOST_OF_ONE`]. What is longer than the network looks
/// back is cut into windows that overlap by half, so that every step has what
/// stands before it.
fn windows(log: &Sequences, places: usize) -> Vec<Window> {
    let mut out = Vec::new();
    let mut first = 0;
    for after in log.ends.iter().map(|end| *end as usize) {
        // Who looks at thousands is a program, and would be what is learnt.
        first = first.max(after.saturating_sub(MOST_OF_ONE));
        let mut end = after;
        while end > first + 1 {
            let start = first.max((end - 1).saturating_sub(places));
            let asked = match start == first {
                true => start,
                false => start + places / 2,
            };
            out.push(Window { start, end, asked });
            end = asked + 1;
        }
        first = after;
    }
    out
}

/// Learns from a log with one optimiser.
pub(crate) struct Pass<'a, N> {
    dims: &'a Dims,
    settings: &'a Settings,
    device: Device,
    net: Option<N>,
    part: Part,
    optimiser: ModuleOptimizer,
    log: &'a Sequences,
    windows: Vec<Window>,
    /// Products of the log, each once: what a sample is drawn from.
    known: Vec<u32>,
    /// Which stage of a course it is: selects the streams of random numbers.
    stage: u64,
}

impl<'a, N: Network> Pass<'a, N> {
    pub(super) fn new(
        dims: &'a Dims,
        weights: &N::Weights,
        part: Part,
        log: &'a Sequences,
        stage: u64,
        settings: &'a Settings,
    ) -> Self {
        let device = Device::flex().autodiff();
        let mut known = log.products.clone();
        known.sort_unstable();
        known.dedup();
        Self {
            dims,
            settings,
            net: Some(N::new(dims, weights, &device)),
            part,
            device,
            optimiser: AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(settings.weight_decay)
                .init(),
            log,
            windows: windows(log, dims.places),
            known,
            stage,
        }
    }

    /// The weights as they are now.
    pub(super) fn weights(&self) -> Option<N::Weights> {
        self.net.as_ref().map(N::weights)
    }

    /// Batches of one pass: windows of nearly one length together, in a random
    /// order.
    fn batches(&self, rng: &mut Rng) -> Vec<Vec<Window>> {
        let mut order = self.windows.clone();
        rng.shuffle(&mut order);
        order.sort_by_key(|window| window.end - window.start);
        let mut batches: Vec<Vec<Window>> = Vec::new();
        let mut asked = usize::MAX;
        for window in order {
            let more = window.end - 1 - window.asked;
            if asked.saturating_add(more) > self.settings.batch {
                batches.push(Vec::new());
                asked = 0;
            }
            asked += more;
            if let Some(batch) = batches.last_mut() {
                batch.push(window);
            }
        }
        rng.shuffle(&mut batches);
        batches
    }

    /// The products of a batch, what follows each that is asked, and a sample of
    /// the others.
    fn batch(&self, windows: &[Window], rng: &mut Rng) -> (Batch, Answers) {
        let products = &self.log.products;
        let longest = windows.iter().map(|w| w.end - 1 - w.start).max();
        let mut batch = Batch::new(longest.unwrap_or(0));
        let mut right = Vec::new();
        for window in windows {
            let known = &products[window.start..window.end - 1];
            batch.push(known, window.asked - window.start);
            let follow = &products[window.asked + 1..window.end];
            right.extend(follow.iter().map(|p| *p as i32 + 1));
        }
        let count = self.settings.negatives.min(self.known.len());
        let others = (0..count)
            .map(|_| self.known[rng.below(self.known.len())] as i32 + 1)
            .collect();
        let answers = Answers {
            right,
            others,
            of: self.known.len(),
        };
        (batch, answers)
    }

    /// One pass; the mean loss of its batches.
    pub(super) fn run(&mut self, epoch: usize, rate: f64, watch: &mut dyn Watch) -> Result<f64> {
        let stream = self.stage << 32 | epoch as u64;
        let mut rng = Rng::new(self.settings.seed ^ stream << 20, 0xA5E9);
        let batches = self.batches(&mut rng);
        let (mut sum, all) = (0.0, batches.len());
        for (done, windows) in (1u64..).zip(batches) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            let (batch, answers) = self.batch(&windows, &mut rng);
            let Some(net) = self.net.take() else {
                break;
            };
            let dropout = (self.settings.dropout > 0.0).then_some(Dropout {
                rate: self.settings.dropout,
                rng: &mut rng,
            });
            let loss = net.loss(
                self.dims,
                &batch,
                &answers,
                self.part,
                dropout,
                &self.device,
            );
            let gradients = loss.backward();
            let loss = values(loss.without_autodiff())[0];
            if !loss.is_finite() {
                return Err(Error::fault(
                    "learning_diverged",
                    "attention.rate",
                    format!("the loss of pass {epoch} is no number"),
                    "choose a smaller rate, or a smaller weight_decay",
                ));
            }
            sum += f64::from(loss);
            let gradients = GradientsParams::from_grads(gradients, &net);
            self.net = Some(self.optimiser.step(rate, net, gradients));
            let note = format!("epoch {epoch}: loss {:.4}", sum / done as f64);
            watch.step("attention", done, all as u64, &note);
        }
        Ok(sum / all.max(1) as f64)
    }
}

/// Learns until the questions are answered no better, at most `settings.epochs`
/// passes: the best weights and the curve.
pub(super) fn until_best<N: Network>(
    mut pass: Pass<'_, N>,
    stop: &Stop<'_, '_>,
    watch: &mut dyn Watch,
) -> Result<(N::Weights, Vec<Epoch>, usize)> {
    let settings = pass.settings;
    let mut curve = Vec::new();
    let mut best: Option<(f64, N::Weights, usize)> = None;
    let mut rate = settings.rate;
    for epoch in 1..=settings.epochs {
        let train_loss = pass.run(epoch, rate, watch)?;
        let Some(weights) = pass.weights() else {
            break;
        };
        let valid_ndcg10 = assess::<N>(pass.dims, &weights, pass.part, stop);
        curve.push(Epoch {
            epoch,
            train_loss,
            valid_ndcg10,
        });
        if best.as_ref().is_none_or(|(b, ..)| valid_ndcg10 > *b) {
            best = Some((valid_ndcg10, weights, epoch));
        } else if best
            .as_ref()
            .is_some_and(|(.., at)| epoch - at >= settings.patience)
        {
            break;
        }
        rate *= settings.decay;
    }
    // There is always an epoch: settings ask for one at least.
    let (_, weights, at) = best.ok_or(Error::Cancelled)?;
    Ok((weights, curve, at))
}

/// NDCG at 10 of what follows, among all products that may come.
fn assess<N: Network>(dims: &Dims, weights: &N::Weights, part: Part, stop: &Stop<'_, '_>) -> f64 {
    let device = Device::flex();
    let net = N::new(dims, weights, &device);
    let every = stop.questions.len().div_ceil(MOST_ASKED).max(1);
    let asked: Vec<&Question<'_>> = stop.questions.iter().step_by(every).collect();
    let mut sum = 0.0;
    for chunk in asked.chunks(TOGETHER) {
        let newest = |q: &&Question<'_>| q.begins.len().min(dims.places);
        let mut batch = Batch::new(chunk.iter().map(newest).max().unwrap_or(0));
        for question in chunk {
            let products = &question.begins[question.begins.len() - newest(question)..];
            batch.push(products, products.len() - 1);
        }
        let scores = net.scores(dims, &batch, part, &device);
        for (question, scores) in chunk.iter().zip(scores.chunks_exact(dims.products)) {
            let place = place(&scores[1..], question, stop.repeats);
            if place < 10 {
                sum += 1.0 / (place as f64 + 2.0).log2();
            }
        }
    }
    sum / asked.len().max(1) as f64
}

/// How many products that may come stand before the one that did.
fn place(scores: &[f32], question: &Question<'_>, repeats: bool) -> usize {
    let right = question.follows as usize;
    if scores[right].is_nan() {
        return usize::MAX;
    }
    let before = |product: usize| {
        let (own, other) = (scores[right], scores[product]);
        other > own || other == own && product < right
    };
    let all = (0..scores.len()).filter(|p| before(*p)).count();
    if repeats {
        return all;
    }
    let mut barred = question.begins.to_vec();
    barred.sort_unstable();
    barred.dedup();
    let barred = barred.into_iter().map(|p| p as usize);
    all - barred.filter(|p| *p != right && before(*p)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_asked_once() {
        let mut log = Sequences::default();
        log.push(&[1, 2]);
        log.push(&[7]);
        log.push(&(10..35).collect::<Vec<u32>>());
        for places in [2, 5, 8, 24, 40] {
            let windows = windows(&log, places);
            let mut steps: Vec<usize> = windows
                .iter()
                .flat_map(|window| window.asked..window.end - 1)
                .collect();
            steps.sort_unstable();
            // All but the last place of each sequence.
            let expected: Vec<usize> = (0..28).filter(|at| ![1, 2, 27].contains(at)).collect();
            assert_eq!(steps, expected, "{places}");
            for window in windows {
                assert!(window.end - 1 - window.start <= places);
                assert!(window.start <= window.asked);
            }
        }
    }

    #[test]
    fn places_count_what_stands_before() {
        let question = Question {
            begins: &[0, 3, 3],
            follows: 2,
        };
        let scores = [9.0, 5.0, 4.0, 8.0, 4.0, 1.0];
        assert_eq!(place(&scores, &question, true), 3);
        assert_eq!(place(&scores, &question, false), 1);
    }
}
