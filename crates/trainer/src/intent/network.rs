//! A bag of embeddings with one hidden layer: sum, rectifier, classes. Learnt by Adam
//! (Kingma and Ba, 2015), of which each gram's embedding takes part only when a text of
//! the batch holds it, with dropout of grams and of hidden numbers.

use shelfedge_engine::math::{exp, ln};

use super::rows::Sparse;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::watch::Watch;

const BATCH: usize = 64;
const PURPOSE: u64 = 0xBA_66ED;

/// How it is learnt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe {
    pub(super) hidden: usize,
    pub(super) passes: usize,
    /// Share of a text's grams that are left out.
    pub(super) drop_grams: f32,
    /// Share of the hidden numbers that are left out.
    pub(super) drop_hidden: f32,
    /// Share of the probability that is spread over all classes.
    pub(super) smooth: f32,
    /// The largest step.
    pub(super) rate: f32,
}

/// Row-major matrices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    pub(super) hidden: usize,
    pub(super) classes: usize,
    /// `[grams, hidden]`
    pub(super) table: Vec<f32>,
    pub(super) hidden_bias: Vec<f32>,
    /// `[hidden, classes]`
    pub(super) out: Vec<f32>,
    pub(super) out_bias: Vec<f32>,
}

impl Network {
    /// Hidden numbers before the rectifier.
    fn bag(&self, row: &[(u32, f32)], sum: &mut [f32]) {
        sum.copy_from_slice(&self.hidden_bias);
        for (at, x) in row {
            let start = *at as usize * self.hidden;
            for (sum, w) in sum.iter_mut().zip(&self.table[start..start + self.hidden]) {
                *sum += w * x;
            }
        }
    }

    fn logits(&self, hidden: &[f32], logits: &mut [f32]) {
        logits.copy_from_slice(&self.out_bias);
        for (h, out) in hidden.iter().zip(self.out.chunks_exact(self.classes)) {
            if *h != 0.0 {
                for (logit, w) in logits.iter_mut().zip(out) {
                    *logit += h * w;
                }
            }
        }
    }

    /// The logits of a text.
    pub(super) fn score(&self, row: &[(u32, f32)]) -> Vec<f32> {
        let (mut hidden, mut logits) = (vec![0.0; self.hidden], vec![0.0; self.classes]);
        self.bag(row, &mut hidden);
        hidden.iter_mut().for_each(|h| *h = h.max(0.0));
        self.logits(&hidden, &mut logits);
        logits
    }
}

/// In place.
pub(super) fn softmax(logits: &mut [f32]) {
    let most = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = exp(*logit - most);
        sum += *logit;
    }
    logits.iter_mut().for_each(|logit| *logit /= sum);
}

/// Adam's two moments of a matrix.
struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Moments {
    fn of(size: usize) -> Self {
        Self {
            first: vec![0.0; size],
            second: vec![0.0; size],
        }
    }

    fn step(&mut self, start: usize, weights: &mut [f32], gradient: &[f32], rate: f32) {
        let end = start + gradient.len();
        let moments = self.first[start..end]
            .iter_mut()
            .zip(&mut self.second[start..end]);
        for ((w, g), (first, second)) in weights[start..end].iter_mut().zip(gradient).zip(moments) {
            *first += 0.1 * (g - *first);
            *second += 0.001 * (g * g - *second);
            *w -= rate * *first / (second.sqrt() + 1e-8);
        }
    }
}

/// Learns from rows and the probability of each class for each of them,
/// `[rows, classes]`.
pub(super) fn learn(
    rows: &Sparse,
    targets: &[f32],
    classes: usize,
    recipe: &Recipe,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Network> {
    let hidden = recipe.hidden;
    let mut rng = Rng::new(seed, PURPOSE);
    let mut net = Network {
        hidden,
        classes,
        table: (0..rows.width * hidden)
            .map(|_| 0.1 * rng.normal())
            .collect(),
        hidden_bias: vec![0.0; hidden],
        out: (0..hidden * classes)
            .map(|_| rng.normal() / (hidden as f32).sqrt())
            .collect(),
        out_bias: vec![0.0; classes],
    };
    let mut of_table = Moments::of(net.table.len());
    let mut of_hidden_bias = Moments::of(hidden);
    let mut of_out = Moments::of(net.out.len());
    let mut of_out_bias = Moments::of(classes);

    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let batches = rows.len().div_ceil(BATCH);
    let steps = (recipe.passes * batches).max(1);
    let mut step = 0usize;
    // A slot in `gradients` for each gram of a batch.
    let mut slots = vec![0u32; rows.width];
    let mut touched: Vec<u32> = Vec::new();
    let mut gradients: Vec<f32> = Vec::new();
    let mut kept: Vec<(u32, f32)> = Vec::new();
    let (mut sum, mut mask, mut back) = (
        vec![0.0; hidden],
        vec![0.0f32; hidden],
        vec![0.0f32; hidden],
    );
    let mut logits = vec![0.0; classes];
    for pass in 0..recipe.passes {
        rng.shuffle(&mut order);
        let mut loss = 0.0f64;
        for batch in order.chunks(BATCH) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            gradients.clear();
            let mut d_hidden_bias = vec![0.0f32; hidden];
            let mut d_out = vec![0.0f32; hidden * classes];
            let mut d_out_bias = vec![0.0f32; classes];
            for &i in batch {
                let i = i as usize;
                kept.clear();
                let keep = 1.0 - recipe.drop_grams;
                let row = rows.row(i).iter();
                kept.extend(
                    row.filter(|_| rng.unit() < keep)
                        .map(|(at, x)| (*at, x / keep)),
                );
                net.bag(&kept, &mut sum);
                let keep = 1.0 - recipe.drop_hidden;
                for (mask, h) in mask.iter_mut().zip(&mut sum) {
                    *mask = if rng.unit() < keep && *h > 0.0 {
                        1.0 / keep
                    } else {
                        0.0
                    };
                    *h *= *mask;
                }
                net.logits(&sum, &mut logits);
                softmax(&mut logits);
                let target = &targets[i * classes..(i + 1) * classes];
                let even = recipe.smooth / classes as f32;
                let scale = 1.0 / batch.len() as f32;
                for (p, t) in logits.iter_mut().zip(target) {
                    let t = t * (1.0 - recipe.smooth) + even;
                    loss -= f64::from(t * ln(p.max(1e-12)));
                    *p = (*p - t) * scale;
                }
                for (sum, d) in d_out_bias.iter_mut().zip(&logits) {
                    *sum += d;
                }
                let outs = net
                    .out
                    .chunks_exact(classes)
                    .zip(d_out.chunks_exact_mut(classes));
                for (((h, mask), back), (out, d_out)) in
                    sum.iter().zip(&mask).zip(&mut back).zip(outs)
                {
                    *back = 0.0;
                    if *mask > 0.0 {
                        for ((w, dw), d) in out.iter().zip(d_out).zip(&logits) {
                            *back += w * d;
                            *dw += h * d;
                        }
                        *back *= mask;
                    }
                }
                for (sum, d) in d_hidden_bias.iter_mut().zip(&back) {
                    *sum += d;
                }
                for (at, x) in &kept {
                    let slot = &mut slots[*at as usize];
                    if *slot == 0 {
                        touched.push(*at);
                        *slot = touched.len() as u32;
                        gradients.resize(gradients.len() + hidden, 0.0);
                    }
                    let start = (*slot as usize - 1) * hidden;
                    for (g, d) in gradients[start..start + hidden].iter_mut().zip(&back) {
                        *g += d * x;
                    }
                }
            }
            step += 1;
            // Up over the first tenth, then down to nothing.
            let done = step as f32 / steps as f32;
            let rate = recipe.rate * (done / 0.1).min((1.0 - done) / 0.9).max(0.0);
            // Moments begin at 0, which the first steps make up for.
            let t = step.min(10_000) as i32;
            let rate = rate * (1.0 - 0.999f32.powi(t)).sqrt() / (1.0 - 0.9f32.powi(t));
            for (gradient, at) in gradients.chunks_exact(hidden).zip(touched.drain(..)) {
                slots[at as usize] = 0;
                of_table.step(at as usize * hidden, &mut net.table, gradient, rate);
            }
            of_hidden_bias.step(0, &mut net.hidden_bias, &d_hidden_bias, rate);
            of_out.step(0, &mut net.out, &d_out, rate);
            of_out_bias.step(0, &mut net.out_bias, &d_out_bias, rate);
        }
        let note = format!("loss {:.3}", loss / rows.len().max(1) as f64);
        watch.step("network", pass as u64 + 1, recipe.passes as u64, &note);
    }
    Ok(net)
}
