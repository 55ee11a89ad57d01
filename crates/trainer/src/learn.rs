//! Learning the network: batches of lists, AdamW, early stopping on the valid
//! window, rounding of the tables and a last tuning of the dense layers on the
//! rounded tables.

use std::path::Path;

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shelfedge_features::Encoded;
use shelfedge_features::questions::MAX_QUESTIONS;

use crate::error::{Error, Result, fault, line};
use crate::metrics;
use crate::model::{Batch, Dims, Net, Weights, values};
use crate::rng::Rng;
use crate::round::{round_dense, round_tables};
use crate::watch::Watch;

/// A ranking with its answer.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Inputs of the model for all candidates.
    pub encoded: Encoded,
    /// Whether a candidate was bought.
    pub relevant: Vec<bool>,
    /// How many products were bought in all, candidates or not.
    pub truth: usize,
}

/// How to learn.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Fixes initial weights, order and sampling.
    pub seed: u64,
    /// At most this many passes.
    pub epochs: usize,
    /// Passes without a better valid NDCG before learning stops.
    pub patience: usize,
    /// Passes over the dense layers after the tables are rounded.
    pub tuning: usize,
    /// Lists in a batch.
    pub batch: usize,
    /// Candidates of a list in a batch: the relevant ones and a sample of the
    /// others.
    pub rows: usize,
    /// First learning rate.
    pub rate: f64,
    /// Factor on the learning rate after each pass.
    pub decay: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f32,
    /// Questions for shoppers of whom nothing is known, at most.
    pub questions: usize,
}

impl Settings {
    /// Reads a settings file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads settings from TOML; what it doesn't name keeps its default.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let settings: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(text, span.start));
            Error::fault(
                "settings_invalid",
                format!("{file}: line {line}"),
                e.message().to_owned(),
                "correct the settings; the README lists them",
            )
        })?;
        let mut faults = Vec::new();
        let mut check = |wrong: bool, key: &str, cause: &str| {
            if wrong {
                faults.push(fault(
                    "settings_invalid",
                    format!("{file}: {key}"),
                    cause,
                    "choose another value",
                ));
            }
        };
        check(settings.epochs == 0, "epochs", "there must be a pass");
        check(
            settings.batch == 0,
            "batch",
            "a batch holds at least one list",
        );
        check(settings.rows < 2, "rows", "a list needs two candidates");
        let positive = |x: f64| x.is_finite() && x > 0.0;
        check(!positive(settings.rate), "rate", "must be positive");
        check(!positive(settings.decay), "decay", "must be positive");
        check(
            !settings.weight_decay.is_finite() || settings.weight_decay < 0.0,
            "weight_decay",
            "must be zero or positive",
        );
        check(
            settings.questions > MAX_QUESTIONS,
            "questions",
            "a model has 5 at most",
        );
        if faults.is_empty() {
            Ok(settings)
        } else {
            Err(Error::Invalid(faults))
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 12,
            patience: 2,
            tuning: 2,
            batch: 16,
            rows: 96,
            rate: 7e-4,
            decay: 0.8,
            weight_decay: 0.5,
            questions: 0,
        }
    }
}

/// One pass over the examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Whether the tables were already rounded and fixed.
    pub tuning: bool,
    /// Mean loss over the batches.
    pub train_loss: f64,
    /// Loss on the valid queries.
    pub valid_loss: f64,
    /// NDCG at 10 on the valid queries.
    pub valid_ndcg10: f64,
}

/// What was learnt.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// Rounded weights.
    pub weights: Weights,
    /// The validation curve.
    pub curve: Vec<Epoch>,
    /// The pass whose tables were kept.
    pub best: usize,
}

/// Learns from the train queries, stops by the valid queries.
pub fn learn(
    dims: &Dims,
    mut train: Vec<Query>,
    valid: &[Query],
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Learnt> {
    // A list without a relevant candidate teaches nothing.
    train.retain(|q| q.relevant.iter().any(|&r| r) && !q.relevant.iter().all(|&r| r));
    if train.is_empty() {
        return Err(Error::fault(
            "too_little_history",
            "orders",
            "no order could have been predicted from an earlier one",
            "give a longer history, of customers who come back; an order dated far in the future hides it (time.before in the mapping file refuses such rows)",
        ));
    }
    let mut seen = vec![false; dims.products];
    for query in &train {
        for (&product, _) in query.encoded.product.iter().zip(&query.relevant) {
            seen[product as usize] = true;
        }
        for &product in &query.encoded.session {
            seen[product as usize] = true;
        }
    }

    let mut weights = Weights::new(dims, &seen, settings.seed);
    let mut curve = Vec::new();
    let mut rate = settings.rate;
    let total = (settings.epochs + settings.tuning) * train.len();

    // First everything together.
    let mut best: Option<(f64, Weights, usize)> = None;
    {
        let mut pass = Pass::new(dims, &weights, false, settings, total);
        for epoch in 1..=settings.epochs {
            let train_loss = pass.run(&train, epoch, rate, watch)?;
            let current = pass.weights();
            let (valid_loss, ndcg) = assess(dims, &current, valid);
            curve.push(Epoch {
                epoch,
                tuning: false,
                train_loss,
                valid_loss,
                valid_ndcg10: ndcg,
            });
            pass.note = format!("epoch {epoch}: valid loss {valid_loss:.4}, NDCG@10 {ndcg:.4}");
            if best.as_ref().is_none_or(|(b, _, _)| ndcg > *b) {
                best = Some((ndcg, current, epoch));
            } else if best
                .as_ref()
                .is_some_and(|(_, _, at)| epoch - at >= settings.patience)
            {
                break;
            }
            rate *= settings.decay;
        }
    }
    let kept = match best {
        Some((_, found, epoch)) => {
            weights = found;
            epoch
        }
        None => 0,
    };

    // Then the tables get the values that they will have in the shop, and the
    // dense layers adapt to them.
    round_tables(dims, &mut weights);
    let (_, ndcg) = assess(dims, &weights, valid);
    let mut best = (ndcg, weights.clone());
    let mut pass = Pass::new(dims, &weights, true, settings, total);
    pass.done = settings.epochs * train.len();
    rate = settings.rate * settings.decay.powi(kept as i32) * 0.5;
    for tuning in 1..=settings.tuning {
        let epoch = kept + tuning;
        let train_loss = pass.run(&train, 1_000 + tuning, rate, watch)?;
        let current = pass.weights();
        let (valid_loss, ndcg) = assess(dims, &current, valid);
        curve.push(Epoch {
            epoch,
            tuning: true,
            train_loss,
            valid_loss,
            valid_ndcg10: ndcg,
        });
        pass.note = format!("tuning {tuning}: valid loss {valid_loss:.4}, NDCG@10 {ndcg:.4}");
        if ndcg > best.0 {
            best = (ndcg, current);
        }
        rate *= 0.5;
    }
    let mut weights = best.1;
    round_dense(&mut weights);
    watch.step("learning", total as u64, total as u64, "done");
    Ok(Learnt {
        weights,
        curve,
        best: kept,
    })
}

/// Passes over the examples with one optimiser.
struct Pass<'a> {
    dims: &'a Dims,
    settings: &'a Settings,
    device: Device,
    net: Option<Net>,
    optimiser: ModuleOptimizer,
    done: usize,
    total: usize,
    note: String,
}

impl<'a> Pass<'a> {
    fn new(
        dims: &'a Dims,
        weights: &Weights,
        frozen: bool,
        settings: &'a Settings,
        total: usize,
    ) -> Self {
        let device = Device::flex().autodiff();
        Self {
            dims,
            settings,
            net: Some(Net::new(dims, weights, frozen, &device)),
            device,
            optimiser: AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(settings.weight_decay)
                .init(),
            done: 0,
            total,
            note: String::new(),
        }
    }

    fn weights(&self) -> Weights {
        self.net
            .as_ref()
            .map(Net::weights)
            .unwrap_or_else(|| Weights::new(self.dims, &[], 0))
    }

    /// One pass; `epoch` selects the stream of random numbers.
    fn run(
        &mut self,
        train: &[Query],
        epoch: usize,
        rate: f64,
        watch: &mut dyn Watch,
    ) -> Result<f64> {
        let mut rng = Rng::new(self.settings.seed, 0x5417 + epoch as u64);
        let mut order: Vec<usize> = (0..train.len()).collect();
        rng.shuffle(&mut order);
        let (mut sum, mut batches) = (0.0, 0_u32);
        for chunk in order.chunks(self.settings.batch) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut batch = Batch::new(self.settings.rows);
            for &i in chunk {
                let query = &train[i];
                let chosen = sample(&query.relevant, self.settings.rows, &mut rng);
                batch.push(self.dims, &query.encoded, &chosen, &query.relevant);
            }
            let Some(net) = self.net.take() else {
                break;
            };
            let loss = net.loss(self.dims, &batch, &self.device);
            let gradients = loss.backward();
            sum += f64::from(values(loss.without_autodiff())[0]);
            batches += 1;
            let gradients = GradientsParams::from_grads(gradients, &net);
            self.net = Some(self.optimiser.step(rate, net, gradients));
            self.done += chunk.len();
            let mut note = format!("loss {:.4}", sum / f64::from(batches));
            if !self.note.is_empty() {
                note = format!("{note} | {}", self.note);
            }
            watch.step("learning", self.done as u64, self.total as u64, &note);
        }
        Ok(sum / f64::from(batches.max(1)))
    }
}

/// The relevant candidates (at most half of the places) and a random sample of
/// the others.
fn sample(relevant: &[bool], rows: usize, rng: &mut Rng) -> Vec<usize> {
    let (mut yes, mut no): (Vec<usize>, Vec<usize>) =
        (0..relevant.len()).partition(|&i| relevant[i]);
    rng.shuffle(&mut yes);
    rng.shuffle(&mut no);
    yes.truncate(rows / 2);
    no.truncate(rows - yes.len());
    yes.extend(no);
    yes
}

/// Loss and NDCG at 10 over whole candidate lists.
fn assess(dims: &Dims, weights: &Weights, queries: &[Query]) -> (f64, f64) {
    let device = Device::flex();
    let net = Net::new(dims, weights, true, &device);
    let (mut loss, mut ndcg, mut counted) = (0.0, 0.0, 0_u32);
    for query in queries {
        let scores = net.score(dims, &query.encoded, &device);
        ndcg += ndcg10(&scores, query);
        let positives = query.relevant.iter().filter(|&&r| r).count();
        if positives > 0 {
            let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f64 = scores.iter().map(|s| f64::from(s - max).exp()).sum();
            let picked: f64 = scores
                .iter()
                .zip(&query.relevant)
                .filter(|(_, r)| **r)
                .map(|(s, _)| f64::from(s - max) - total.ln())
                .sum();
            loss -= picked / positives as f64;
            counted += 1;
        }
    }
    (
        loss / f64::from(counted.max(1)),
        ndcg / queries.len().max(1) as f64,
    )
}

/// NDCG at 10 of a query's candidates in the order of their scores.
pub fn ndcg10(scores: &[f32], query: &Query) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    // Candidates keep their index; bought products that are no candidates get
    // indices past the end, so that they count in the ideal list only.
    let mut truth: Vec<usize> = (0..scores.len()).filter(|&i| query.relevant[i]).collect();
    let missing = query.truth.saturating_sub(truth.len());
    truth.extend(scores.len()..scores.len() + missing);
    metrics::score(&order, &truth).ndcg10
}
