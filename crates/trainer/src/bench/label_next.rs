//! What it is worth to choose which texts are labelled next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Target;
use super::texts::{COLUMNS, folder, right, share};
use crate::error::{Error, Result};
use crate::import::texts::{self, Texts};
use crate::intent::{self, Settings};
use crate::rng::Rng;
use crate::watch::{Quiet, Watch};

const PURPOSE: u64 = 0x1A_BE15;

/// A way to choose, and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Way {
    /// `random` or `label-next`.
    pub name: &'static str,
    /// Share of right answers, by round and seed.
    pub right: Vec<Vec<f64>>,
}

/// Accuracy by number of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// Labels that each round had.
    pub labels: Vec<usize>,
    /// Texts that were asked for.
    pub asked: usize,
    /// The ways to choose.
    pub ways: Vec<Way>,
}

impl Curves {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!(
            "right answers to {} texts, by labels\n{:<12}",
            self.asked, ""
        );
        for labels in &self.labels {
            let _ = write!(out, "{labels:>8}");
        }
        for way in &self.ways {
            let _ = write!(out, "\n{:<12}", way.name);
            for right in &way.right {
                let mean = right.iter().sum::<f64>() / right.len().max(1) as f64;
                let _ = write!(out, "{mean:>8.4}");
            }
        }
        out
    }
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Texts of each label to begin with.
    pub first: usize,
    /// Rounds after that.
    pub rounds: usize,
    /// Texts that are labelled in each.
    pub each: usize,
    /// How many seeds, from the settings' own on.
    pub seeds: u64,
}

/// Learns from a few texts of each label of a folder's `train`, then has more of them
/// labelled, by chance and as `label-next` lists them, and asks for `valid` each time.
pub fn label_next(
    data: &Path,
    rounds: Rounds,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Curves> {
    let (teach, ask) = folder(data, Target::Valid);
    let all = texts::import(&teach, COLUMNS, watch)?;
    let asked = texts::import(&[ask], COLUMNS, watch)?;
    if rounds.first == 0 || rounds.each == 0 || rounds.each > intent::MOST_WANTED {
        return Err(Error::fault(
            "rounds_out_of_range",
            "--first, --each",
            format!(
                "{} texts of each label, {} a round",
                rounds.first, rounds.each
            ),
            format!(
                "begin with one text or more, and ask for 1 to {}",
                intent::MOST_WANTED
            ),
        ));
    }
    let names = ["random", "label-next"];
    let mut out = Curves {
        labels: Vec::new(),
        asked: asked.texts.len(),
        ways: names
            .map(|name| Way {
                name,
                right: vec![Vec::new(); rounds.rounds + 1],
            })
            .into(),
    };
    let steps = rounds.seeds * names.len() as u64 * (rounds.rounds as u64 + 1);
    let mut done = 0;
    for seed in settings.seed..settings.seed + rounds.seeds {
        for way in &mut out.ways {
            let mut rng = Rng::new(seed, PURPOSE);
            let mut order: Vec<usize> = (0..all.texts.len()).collect();
            rng.shuffle(&mut order);
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            let (mut labelled, mut rest): (Vec<usize>, Vec<usize>) = order.iter().partition(|i| {
                let count = counts.entry(&all.labels[**i]).or_default();
                *count += 1;
                *count <= rounds.first
            });
            out.labels.clear();
            for (round, found) in way.right.iter_mut().enumerate() {
                watch.step("learning", done, steps, way.name);
                done += 1;
                let taught = Texts {
                    texts: labelled.iter().map(|i| all.texts[*i].clone()).collect(),
                    labels: labelled.iter().map(|i| all.labels[*i].clone()).collect(),
                    left_out: 0,
                };
                let settings = Settings {
                    seed,
                    ..settings.clone()
                };
                let quiet = &mut Quiet(watch);
                let bundle = intent::build(&taught, &[], None, &settings, quiet)?;
                found.push(share(&right(&bundle.shelf, &asked)?));
                out.labels.push(labelled.len());
                if round == rounds.rounds {
                    continue;
                }
                let pool: Vec<String> = rest.iter().map(|i| all.texts[*i].clone()).collect();
                let mut chosen: Vec<usize> = match way.name {
                    "random" => (0..pool.len().min(rounds.each)).collect(),
                    _ => {
                        let known = &taught.texts;
                        let picked = intent::pick(&bundle.shelf, &pool, known, rounds.each, quiet)?;
                        picked.iter().map(|it| it.at).collect()
                    }
                };
                labelled.extend(chosen.iter().map(|at| rest[*at]));
                chosen.sort_unstable();
                let mut at = 0;
                rest.retain(|_| {
                    at += 1;
                    chosen.binary_search(&(at - 1)).is_err()
                });
            }
        }
    }
    Ok(out)
}
