//! What people's corrections are worth, and how much each should count.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;
use shelfedge_assistant::entities::{Context, mask};

use super::texts::{COLUMNS, right, share};
use crate::error::Result;
use crate::import::texts::{self, Texts};
use crate::intent::{self, Correction, Settings};
use crate::rng::Rng;
use crate::watch::{Quiet, Watch};

/// Share of the texts that teach at first, and of those that customers write then; the rest
/// is held back.
const TAUGHT: f64 = 0.5;
const WRITTEN: f64 = 0.3;
/// How often a correction counts, as tried; 0 for not at all.
const WEIGHTS: [usize; 6] = [0, 1, 2, 3, 5, 10];
const PURPOSE: u64 = 0xC0_44EC;

/// A weight of corrections, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weighed {
    /// How many texts of the data a correction counts for.
    pub weight: usize,
    /// Share of right answers on what was held back, out of scope counted, by seed.
    pub right: Vec<f64>,
    /// The same of the corrections themselves.
    pub put_right: Vec<f64>,
}

/// What corrections are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Corrected {
    /// Texts that taught at first, that customers wrote, and that were held back.
    pub texts: [usize; 3],
    /// Corrections, by seed: what was understood wrongly of what customers wrote.
    pub corrections: Vec<usize>,
    /// By weight.
    pub weights: Vec<Weighed>,
}

impl Corrected {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let [taught, written, asked] = self.texts;
        let mut out = format!(
            "{taught} texts taught, {written} were written, {asked} asked for; corrections {:?}\nweight   put right   held back   by seed\n",
            self.corrections
        );
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len().max(1) as f64;
        for of in &self.weights {
            let (put_right, right) = (mean(&of.put_right), mean(&of.right));
            let each: Vec<String> = of.right.iter().map(|it| format!("{it:.4}")).collect();
            let _ = writeln!(
                out,
                "{:>6} {put_right:>11.4} {right:>11.4}   {}",
                of.weight,
                each.join(" ")
            );
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// Learns from half of the texts, takes the wrong answers to others as corrections (masked,
/// as people see them), and says what they are worth on the rest, for each seed below the
/// settings' own and that one.
pub fn corrections(
    files: &[PathBuf],
    seeds: u64,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Corrected> {
    let all = texts::import(files, COLUMNS, watch)?;
    let of = |which: &[usize]| Texts {
        texts: which.iter().map(|i| all.texts[*i].clone()).collect(),
        labels: which.iter().map(|i| all.labels[*i].clone()).collect(),
        left_out: 0,
    };
    let count = all.texts.len();
    let ends = [TAUGHT, TAUGHT + WRITTEN].map(|share| (count as f64 * share) as usize);
    let mut out = Corrected {
        texts: [ends[0], ends[1] - ends[0], count - ends[1]],
        corrections: Vec::new(),
        weights: WEIGHTS
            .map(|weight| Weighed {
                weight,
                right: Vec::new(),
                put_right: Vec::new(),
            })
            .into(),
    };
    let steps = seeds * WEIGHTS.len() as u64;
    for seed in settings.seed..settings.seed + seeds {
        let mut order: Vec<usize> = (0..count).collect();
        Rng::new(seed, PURPOSE).shuffle(&mut order);
        let [taught, written, asked] =
            [0..ends[0], ends[0]..ends[1], ends[1]..count].map(|part| of(&order[part]));
        let (mut found, mut put_right) = (Vec::new(), Texts::default());
        for (done, weighed) in (0..).zip(&mut out.weights) {
            let at = (seed - settings.seed) * WEIGHTS.len() as u64 + done;
            watch.step("learning", at, steps, &format!("weight {}", weighed.weight));
            let settings = Settings {
                seed,
                weight: weighed.weight,
                ..settings.clone()
            };
            let bundle = intent::build(&taught, &found, None, &settings, &mut Quiet(watch))?;
            weighed.right.push(share(&right(&bundle.shelf, &asked)?));
            if weighed.weight == 0 {
                let right = right(&bundle.shelf, &written)?;
                let wrong: Vec<usize> = (0..right.len()).filter(|i| !right[*i]).collect();
                let saw = |i: &usize| mask(&written.texts[*i], &Context::default());
                found = (wrong.iter())
                    .map(|i| Correction::of(&saw(i), &written.labels[*i]))
                    .collect();
                put_right = Texts {
                    texts: wrong.iter().map(|i| written.texts[*i].clone()).collect(),
                    labels: wrong.iter().map(|i| written.labels[*i].clone()).collect(),
                    left_out: 0,
                };
                out.corrections.push(found.len());
            }
            let right = right(&bundle.shelf, &put_right)?;
            weighed.put_right.push(share(&right));
        }
    }
    Ok(out)
}
