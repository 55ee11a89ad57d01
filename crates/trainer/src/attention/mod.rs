//! Networks that say what follows a sequence.
//!
//! `net`: self-attention over a shopper's newest products, in the manner of SASRec
//! (Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018), with one
//! block and one head. `interest`: what a shopper likes in the long run, and what of
//! the session a candidate attends to. Both have the same inputs and output.
//!
//! A product's embedding serves twice, as what was looked at and as what may
//! follow: the score is its dot product with the state after the last product.
//! Instead of positions, each step back has a number of its own that is added to
//! the attention, so that a state doesn't depend on where in a sequence it
//! stands. Embeddings begin with the spectral ones ([`crate::next::embed`]).

mod command;
mod export;
mod interest;
mod learn;
mod net;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use shelfedge_features::trails::fit::Sequences;

pub use command::{Outcome, run};
pub use learn::Epoch;

use crate::error::Result;
use crate::next::Question;
use crate::rng::Rng;
use crate::watch::Watch;
pub(crate) use interest::Net as Interest;
pub(crate) use learn::Network;
use learn::{Part, Pass};
use net::Dims;
pub(crate) use net::Net as SelfAttention;

/// Steps of a batch times products that they are told from, at most: 64 MiB a matrix.
const MOST_CELLS: usize = 1 << 24;
/// How far from zero what chance begins with is.
const CHANCE: f32 = 0.1;

/// Whether a ranking has a sequence model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// None.
    #[default]
    Off,
    /// It has one.
    On,
    /// If it answers the held-back questions better, by more than noise.
    Auto,
}

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Self-attention.
    #[default]
    SelfAttention,
    /// Interest in the long run and now.
    Interest,
}

/// How to learn: the section `[attention]` of a settings file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a ranking has it.
    #[serde(rename = "use")]
    pub wanted: Wanted,
    /// Fixes initial weights, order and sampling; that of the ranking when 0.
    #[serde(skip)]
    pub seed: u64,
    /// Which network.
    #[serde(skip_serializing_if = "is_default")]
    pub network: Kind,
    /// Width of an embedding and of a state.
    pub width: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Newest products of a sequence that are looked at.
    pub places: usize,
    /// Those of them that a candidate attends to, of the network of interest.
    pub session: usize,
    /// Passes over the oldest log, at most.
    pub epochs: usize,
    /// Passes without a better NDCG@10 before learning stops.
    pub patience: usize,
    /// Passes over each log that has grown.
    pub again: usize,
    /// Steps in a batch.
    pub batch: usize,
    /// Products that what follows is told from.
    pub negatives: usize,
    /// First learning rate.
    pub rate: f64,
    /// Factor on the learning rate after each pass.
    pub decay: f64,
    /// Share of the numbers that are left out while learning.
    pub dropout: f32,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wanted: Wanted::Off,
            seed: 1,
            network: Kind::SelfAttention,
            width: 48,
            hidden: 96,
            places: 30,
            session: 10,
            epochs: 15,
            patience: 2,
            again: 2,
            batch: 1_024,
            negatives: 1_024,
            rate: 1e-3,
            decay: 0.92,
            dropout: 0.3,
            weight_decay: 0.0,
        }
    }
}

fn is_default(kind: &Kind) -> bool {
    *kind == Kind::default()
}

impl Settings {
    /// Whether it is certain that there is none.
    pub(crate) fn is_off(&self) -> bool {
        self.wanted == Wanted::Off
    }

    /// Checks every value.
    pub(crate) fn check(&self, check: &mut dyn FnMut(&str, bool, &str)) {
        let mut within = |key: &str, x: usize, low: usize, high: usize| {
            let key = format!("attention.{key}");
            check(
                &key,
                (low..=high).contains(&x),
                &format!("in {low} to {high}"),
            );
        };
        within("width", self.width, 4, 64);
        within("hidden", self.hidden, 4, 512);
        within("places", self.places, 2, 255);
        within("session", self.session, 1, 255);
        within("epochs", self.epochs, 1, 1_000);
        within("patience", self.patience, 1, 1_000);
        within("again", self.again, 0, 100);
        within("batch", self.batch, 1, 65_536);
        within("negatives", self.negatives, 1, 65_536);
        check(
            "attention.negatives",
            self.batch.saturating_mul(self.negatives) <= MOST_CELLS,
            "at most 16777216 over batch: every step of a batch is told from all of them",
        );
        let open = |x: f64| x > 0.0 && x <= 1.0;
        check("attention.rate", open(self.rate), "above 0, at most 1");
        check("attention.decay", open(self.decay), "above 0, at most 1");
        let dropout = (0.0..0.95).contains(&self.dropout);
        check("attention.dropout", dropout, "0 or more, below 0.95");
        let decay = (0.0..=10.0).contains(&self.weight_decay);
        check("attention.weight_decay", decay, "in 0 to 10");
    }
}

/// A model whose log grows: it learns from the oldest part until it gets no
/// better, and goes on from there with each newer one.
pub(crate) struct Course<N: Network> {
    settings: Settings,
    dims: Dims,
    weights: N::Weights,
    /// The validation curve of the first stage, part by part.
    pub(crate) curve: Vec<Epoch>,
    /// The pass whose weights were kept.
    pub(crate) best: usize,
    /// Passes of the last part up to that one.
    passes: usize,
    stage: u64,
}

/// An embedding to begin with: by chance where no product of the log stands near
/// another, since nothing is learnt from zeros alone.
fn directed(embedding: &[f32], seed: u64) -> Cow<'_, [f32]> {
    if embedding.iter().any(|x| *x != 0.0) {
        return Cow::Borrowed(embedding);
    }
    let mut rng = Rng::new(seed, 0xD12E);
    embedding.iter().map(|_| CHANCE * rng.normal()).collect()
}

impl<N: Network> Course<N> {
    /// Learns from the oldest log, beginning with an embedding of `width` numbers
    /// a product; questions about what comes after it say when to stop.
    pub(crate) fn begin(
        log: &Sequences,
        products: usize,
        embedding: &[f32],
        stop: &[Question<'_>],
        repeats: bool,
        settings: &Settings,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let dims = Dims {
            products: products + 1,
            width: settings.width.min(products),
            places: settings.places,
            session: settings.session.min(settings.places),
            hidden: settings.hidden,
        };
        let stop = learn::Stop {
            questions: stop,
            repeats,
        };
        let mut course = Self {
            settings: *settings,
            dims,
            weights: N::first(&dims, &directed(embedding, settings.seed), settings.seed),
            curve: Vec::new(),
            best: 0,
            passes: 0,
            stage: 0,
        };
        for (number, part) in (0u64..).zip(N::PARTS) {
            let stage = number << 16;
            let pass = Pass::<N>::new(&dims, &course.weights, *part, log, stage, settings);
            let (weights, curve, best) = learn::until_best(pass, &stop, watch)?;
            let before = course.curve.len();
            let reached = course
                .best
                .checked_sub(1)
                .map(|at| course.curve[at].valid_ndcg10);
            let is_better = reached.is_none_or(|reached| curve[best - 1].valid_ndcg10 > reached);
            course.curve.extend(curve.into_iter().map(|epoch| Epoch {
                epoch: before + epoch.epoch,
                ..epoch
            }));
            // A part that makes it no better leaves it as it was.
            if is_better {
                (course.weights, course.best, course.passes) = (weights, before + best, best);
            }
        }
        Ok(course)
    }

    /// Goes on with a log that has grown.
    pub(crate) fn go_on(&mut self, log: &Sequences, watch: &mut dyn Watch) -> Result<()> {
        self.stage += 1;
        let settings = &self.settings;
        let mut pass = Pass::<N>::new(
            &self.dims,
            &self.weights,
            Part::All,
            log,
            self.stage,
            settings,
        );
        let mut rate = settings.rate * settings.decay.powi(self.passes as i32) * 0.5;
        for epoch in 1..=self.settings.again {
            pass.run(epoch, rate, watch)?;
            rate *= self.settings.decay;
        }
        if let Some(weights) = pass.weights() {
            self.weights = weights;
        }
        Ok(())
    }

    /// The ONNX file of the model as it is now, and its compiled form.
    pub(crate) fn export(&self, metadata: &[(&str, String)]) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut weights = self.weights.clone();
        N::round(&self.dims, &mut weights);
        let onnx = N::onnx(&self.dims, &weights, metadata)?;
        let shelf = crate::export::compile(&onnx, &[])?;
        Ok((onnx, shelf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_at_zeros_alone() {
        let known = [0.0, 1.0];
        assert_eq!(*directed(&known, 1), known);
        let chance = directed(&[0.0; 6], 1);
        assert!(
            chance.iter().all(|x| *x != 0.0 && x.abs() < 1.0),
            "{chance:?}"
        );
        assert_eq!(chance, directed(&[0.0; 6], 1));
        assert_ne!(chance, directed(&[0.0; 6], 2));
    }
}
