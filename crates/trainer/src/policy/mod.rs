//! A policy for whole lists: whether a shopper's next list exploits what is known,
//! explores what isn't, or is spread over many groups of products, for what the shopper
//! orders over the next visits and not at the next one alone.
//!
//! Learnt by double deep Q-learning from logged lists (`learn`): a shop's own log, or
//! one that simulated shoppers make (`simulate`), who are fitted to the shop's orders
//! (`fit`). Half of the shoppers teach, the other half judges (`judge`); the policy
//! is written only if the verdict says that it is no worse than what runs.

mod attach;
mod card;
mod command;
mod export;
mod fit;
mod judge;
mod learn;
mod log;
mod net;
mod rules;
mod simulate;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::{Deserialize, Serialize};
use shelfedge_features::visits::Action;
use shelfedge_insight::sequence::MAX_STEPS;

pub use attach::{Attached, attach};
pub use command::{CARD, Fit, Line, ONNX, Outcome, REPORT, Run, SHELF, Source, Truth, run};
pub use judge::{Decided, Interval, Judged};
pub use log::LogReport;
pub use simulate::Assumed;

use crate::error::Result;
use crate::settings;

/// What runs now: what a policy has to be no worse than.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Current {
    /// Every list exploits.
    #[default]
    Exploit,
    /// Every list explores.
    Explore,
    /// Every list is diversified.
    Diversify,
    /// One of the three, evenly.
    Uniform,
}

impl Current {
    /// The action that runs, unless all do alike.
    pub(crate) const fn action(self) -> Option<Action> {
        match self {
            Self::Exploit => Some(Action::Exploit),
            Self::Explore => Some(Action::Explore),
            Self::Diversify => Some(Action::Diversify),
            Self::Uniform => None,
        }
    }
}

/// How to learn and to judge: a settings file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Fixes all that is drawn.
    pub seed: u64,
    /// What runs now.
    pub current: Current,
    /// First visits of a shopper whose lists count.
    pub visits: usize,
    /// Days after the first visit in which they count.
    pub days: i64,
    /// What a visit is worth of the one before.
    pub discount: f64,
    /// Share of what runs by which a policy may be worse.
    pub margin: f64,
    /// Shoppers that must speak of either policy (Kish's effective number).
    pub effective_shoppers: f64,
    /// Share of the lists for which the learnt policy chooses evenly.
    pub even: f64,
    /// Units of each of the two hidden layers.
    pub hidden: usize,
    /// Steps of learning.
    pub steps: usize,
    /// Decisions of a step.
    pub batch: usize,
    /// First learning rate.
    pub rate: f32,
    /// Weight of the conservative part of the loss.
    pub conservative: f32,
    /// Draws of the bootstrap.
    pub draws: u32,
    /// Runs with a seed of their own, in the simulator; the first may ship.
    pub runs: usize,
    /// Shoppers of a simulated log.
    pub shoppers: usize,
    /// Shoppers that a policy is tried on in the simulator, for its true value.
    pub tried: usize,
    /// Places of a simulated list, those of them that explore when it does, and products
    /// of one group at most when it is diversified.
    pub places: usize,
    /// Places that explore.
    pub tries: usize,
    /// Products of one group, at most.
    pub of_one_group: usize,
    /// What no order tells of shoppers.
    pub assumed: Assumed,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            current: Current::Exploit,
            visits: 5,
            days: 180,
            discount: 0.9,
            margin: 0.02,
            effective_shoppers: 100.0,
            even: 0.1,
            hidden: 32,
            steps: 4_000,
            batch: 256,
            rate: 2e-3,
            conservative: 0.02,
            draws: 1_000,
            runs: 5,
            shoppers: 200_000,
            tried: 40_000,
            places: 12,
            tries: 4,
            of_one_group: 1,
            assumed: Assumed::default(),
        }
    }
}

impl Settings {
    /// Reads settings and checks every value.
    pub fn load(path: &Path) -> Result<Self> {
        settings::load(path, |s: &Self, check| {
            check(
                "visits",
                (1..=MAX_STEPS).contains(&s.visits),
                &format!("in 1 to {MAX_STEPS}"),
            );
            check("days", (1..=3_650).contains(&s.days), "in 1 to 3650");
            let share = |x: f64| (0.0..=1.0).contains(&x);
            check("discount", share(s.discount), "in 0 to 1");
            check("margin", share(s.margin), "in 0 to 1");
            check(
                "effective_shoppers",
                (1.0..=1e9).contains(&s.effective_shoppers),
                "in 1 to 1e9",
            );
            check("even", share(s.even), "in 0 to 1");
            check(
                "hidden",
                (1..=net::MOST_HIDDEN).contains(&s.hidden),
                &format!("in 1 to {}", net::MOST_HIDDEN),
            );
            check(
                "steps",
                (1..=1_000_000).contains(&s.steps),
                "in 1 to 1000000",
            );
            check("batch", (1..=65_536).contains(&s.batch), "in 1 to 65536");
            check("rate", s.rate > 0.0 && s.rate <= 1.0, "above 0, at most 1");
            check(
                "conservative",
                (0.0..=10.0).contains(&s.conservative),
                "in 0 to 10",
            );
            check(
                "draws",
                (100..=100_000).contains(&s.draws),
                "in 100 to 100000",
            );
            check("runs", (1..=100).contains(&s.runs), "in 1 to 100");
            let many = |x: usize| (100..=2_000_000).contains(&x);
            check("shoppers", many(s.shoppers), "in 100 to 2000000");
            check("tried", many(s.tried), "in 100 to 2000000");
            check("places", (1..=100).contains(&s.places), "in 1 to 100");
            check(
                "tries",
                (1..=s.places).contains(&s.tries),
                "1 or more, and at most the places",
            );
            check(
                "of_one_group",
                (1..=100).contains(&s.of_one_group),
                "in 1 to 100",
            );
            s.assumed.check(check);
        })
    }
}
