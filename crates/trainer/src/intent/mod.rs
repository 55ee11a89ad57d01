//! Classifiers of texts: intents, sentiment. Learnt from texts with labels; the smallest
//! that is good enough is compiled.
//!
//! Linear scores, and a bag of embeddings with a hidden layer, are learnt from nine tenths
//! of the texts and asked for the rest; of few texts, from four fifths, five times. What is
//! written is learnt again from all of them.

mod command;
mod export;
mod linear;
mod network;
mod rows;

pub use command::{Outcome, run};
use serde::Serialize;
use shelfedge_assistant::{Buffers, Classifier, MOST_LABELS};
use shelfedge_engine::math::ln;
use shelfedge_features::hash::Hash;
use shelfedge_features::text::Grams;

use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::texts::Texts;
use crate::watch::Watch;
use linear::Score;
use network::{Network, Recipe, softmax};
use rows::{Classes, Lexicon, Sparse};

/// The label of texts that belong to no class.
pub const OUT_OF_SCOPE: &str = "oos";
/// One text in so many is held back to choose by; of few texts, each fifth in turn.
const HELD_BACK: u64 = 10;
const FOLDS_OF_FEW: u64 = 5;
/// As many texts aren't few.
const MANY: usize = 2_000;
/// Texts that anything can be learnt from.
const LEAST_TEXTS: usize = 10;
const FOLD_SEED: u32 = 0x666f_6c64;
/// Share of what customers write that is taken to be out of scope, for the threshold.
const SHARE_OUT_OF_SCOPE: f64 = 0.2;
/// Costs of a mistake that are tried.
const COSTS: [f64; 3] = [0.5, 1.0, 2.0];
/// How much sharper than a score a probability is, as tried.
const SHARPNESS: [f32; 7] = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0];
/// Shares of the network that are tried.
const SHARES: [f32; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// Grams that are looked at before the weakest are left out.
const MOST_GRAMS: usize = 1_500_000;
/// Most grams of a text that are read.
const MOST_PLACES: usize = 2048;

/// What decides what is learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Fixes all sampling.
    pub seed: u64,
    /// Bytes of the compiled model, at most.
    pub max_bytes: usize,
    /// Share of right answers that a smaller model may lose against the best; 0 to 1.
    pub loss: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            max_bytes: 5_000_000,
            loss: 0.001,
        }
    }
}

/// What was learnt.
#[derive(Clone, Debug)]
pub(crate) struct Learnt {
    names: Vec<String>,
    lexicon: Lexicon,
    places: usize,
    scores: Option<Vec<Score>>,
    sharpness: f32,
    network: Option<Network>,
    /// The network's share of a probability.
    share: f32,
    threshold: f32,
}

/// A compiled classifier.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The labels, in the order of the probabilities.
    pub names: Vec<String>,
    /// The reference.
    pub onnx: Vec<u8>,
    /// The compiled model.
    pub shelf: Vec<u8>,
    /// What the texts that were held back said.
    pub trials: Vec<Trial>,
    /// The trial that was chosen.
    pub chosen: usize,
    /// The probability below which a text is out of scope.
    pub threshold: f32,
    /// What turns a text into numbers.
    spec: Vec<u8>,
}

/// A way to learn, by what it is worth on texts that were held back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// The cost of a mistake, of the linear scores.
    pub cost: f64,
    /// How much sharper than a score a probability is.
    pub sharpness: f32,
    /// The network's share.
    pub share: f32,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean negative logarithm of the right class's probability.
    pub loss: f64,
}

/// Learns a classifier and compiles it.
pub fn build(texts: &Texts, settings: &Settings, watch: &mut dyn Watch) -> Result<Bundle> {
    let in_scope: Vec<bool> = texts
        .labels
        .iter()
        .map(|label| label != OUT_OF_SCOPE)
        .collect();
    let known: Vec<String> = (texts.labels.iter().zip(&in_scope))
        .filter(|(_, in_scope)| **in_scope)
        .map(|(label, _)| label.clone())
        .collect();
    let classes = Classes::of(&known);
    let count = classes.names.len();
    if count < 2 {
        return Err(Error::fault(
            "too_few_labels",
            "label",
            format!(
                "texts in scope with a label: {}; labels: {count}",
                known.len()
            ),
            "give texts of at least two labels",
        ));
    }
    if count > MOST_LABELS {
        return Err(Error::fault(
            "too_many_labels",
            "label",
            format!("there are {count} labels, and {MOST_LABELS} are the most"),
            "name the column of labels, not one of numbers or texts",
        ));
    }
    if known.len() < LEAST_TEXTS {
        return Err(Error::fault(
            "too_few_texts",
            "text",
            format!("there are {} texts in scope", known.len()),
            "give at least ten, better ten for each label",
        ));
    }
    // A class for every text; one behind the last for those of none.
    let none = classes.names.len() as u32;
    let mut of = classes.of.iter();
    let of: Vec<u32> = in_scope
        .iter()
        .map(|in_scope| match in_scope {
            true => *of.next().unwrap_or(&none),
            false => none,
        })
        .collect();
    let task = Task {
        texts: &texts.texts,
        of: &of,
        names: &classes.names,
        settings,
    };
    let (trials, chosen, threshold) = task.choose(watch)?;
    let all: Vec<usize> = (0..of.len()).collect();
    let learnt = task.learn(&all, &trials[chosen], threshold, watch)?;
    let onnx = export::onnx(&learnt, &[("shelfedge.task", "intent".to_owned())])?;
    let shelf = export::compile(&onnx, &learnt)?;
    Ok(Bundle {
        names: classes.names.clone(),
        onnx,
        shelf,
        trials,
        chosen,
        threshold,
        spec: learnt.lexicon.section,
    })
}

/// Says what texts are about, by the compiled model: a label, none where out of scope, and
/// the probability of the last label.
pub fn predict<'t>(
    shelf: &[u8],
    texts: impl Iterator<Item = &'t str>,
    mut of: impl FnMut(Option<&str>, &[f32]),
) -> Result<()> {
    let classifier = Classifier::open(shelf).map_err(|e| internal("open", e.to_string()))?;
    let mut buffers = Buffers::default();
    for text in texts {
        let answer = classifier.classify(text, &mut buffers);
        of(answer.label, answer.probabilities);
    }
    Ok(())
}

/// Which part of so many a text is in; equal texts are in one.
fn part_of(text: &str, parts: u64) -> u64 {
    Hash::new(FOLD_SEED).bytes(text.as_bytes()).finish() % parts
}

struct Task<'a> {
    texts: &'a [String],
    of: &'a [u32],
    names: &'a [String],
    settings: &'a Settings,
}

impl Task<'_> {
    fn grams(&self) -> Grams {
        Grams {
            words: 2,
            han: 4,
            chars: (3, 5),
        }
    }

    fn of(&self, which: &[usize]) -> Vec<u32> {
        which.iter().map(|i| self.of[*i]).collect()
    }

    fn texts<'t>(&'t self, which: &'t [usize]) -> impl Iterator<Item = &'t str> {
        which.iter().map(|i| self.texts[*i].as_str())
    }

    /// Bytes of the compiled model for each gram.
    fn bytes_a_gram(&self, share: f32, hidden: usize) -> usize {
        let linear = match self.names.len() {
            2 => 2,
            classes => classes + 4,
        };
        let with = |wanted: bool, bytes: usize| if wanted { bytes } else { 0 };
        5 + with(share < 1.0, linear) + with(share > 0.0, hidden + 4)
    }

    fn recipe(&self, rows: usize) -> Recipe {
        let binary = self.names.len() == 2;
        // About as many steps whatever the number of texts.
        let passes = (240_000 / rows.max(1)).clamp(3, 40);
        Recipe {
            hidden: if binary { 16 } else { 128 },
            passes,
            drop_grams: 0.3,
            drop_hidden: 0.4,
            smooth: 0.1,
            rate: 0.004,
        }
    }

    /// The grams that fit into the model: those by which the linear scores differ most.
    fn lexicon(&self, which: &[usize], room: usize, cost: f64) -> Lexicon {
        let least = if which.len() < 2_000 { 1 } else { 2 };
        let grams = self.grams();
        let mut all = Lexicon::of(self.texts(which), grams, least, |_| true);
        let mut least = least;
        while all.size > MOST_GRAMS {
            least += 1;
            all = Lexicon::of(self.texts(which), grams, least, |_| true);
        }
        if all.size <= room {
            return all;
        }
        let rows = all.encode(self.texts(which), MOST_PLACES);
        let scores = linear::learn(
            &rows,
            &self.of(which),
            self.names.len(),
            cost,
            self.settings.seed,
        );
        let mut strength: Vec<(f32, u32)> = all
            .keys
            .iter()
            .enumerate()
            .map(|(at, key)| {
                let largest = scores.iter().map(|score| score.weights[at].abs());
                (largest.fold(0.0, f32::max), *key)
            })
            .collect();
        strength.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        strength.truncate(room);
        let mut kept: Vec<u32> = strength.into_iter().map(|(_, key)| key).collect();
        kept.sort_unstable();
        Lexicon::of(self.texts(which), grams, least, |key| {
            kept.binary_search(&key).is_ok()
        })
    }

    fn room(&self, share: f32, rows: usize) -> usize {
        let hidden = self.recipe(rows).hidden;
        let rest = self
            .settings
            .max_bytes
            .saturating_sub(64_000 + hidden * self.names.len() * 2);
        rest / self.bytes_a_gram(share, hidden)
    }

    fn network(&self, rows: &Sparse, of: &[u32], watch: &mut dyn Watch) -> Result<Network> {
        let classes = self.names.len();
        let mut targets = vec![0.0; of.len() * classes];
        for (row, class) in targets.chunks_exact_mut(classes).zip(of) {
            match row.get_mut(*class as usize) {
                Some(cell) => *cell = 1.0,
                // Out of scope: every class alike.
                None => row.fill(1.0 / classes as f32),
            }
        }
        let recipe = self.recipe(of.len());
        network::learn(rows, &targets, classes, &recipe, self.settings.seed, watch)
    }

    /// Tries what there is on texts that were held back.
    fn choose(&self, watch: &mut dyn Watch) -> Result<(Vec<Trial>, usize, f32)> {
        let classes = self.names.len();
        let few = self.of.len() < MANY;
        let (parts, turns) = if few {
            (FOLDS_OF_FEW, FOLDS_OF_FEW)
        } else {
            (HELD_BACK, 1)
        };
        let mut asked: Vec<u32> = Vec::new();
        let mut by_net: Vec<f32> = Vec::new();
        let mut scored: [Vec<f32>; COSTS.len()] = Default::default();
        for turn in 0..turns {
            let held_back = |i: &usize| part_of(&self.texts[*i], parts) == turn;
            let (ask, teach): (Vec<usize>, Vec<usize>) = (0..self.of.len()).partition(held_back);
            let of = self.of(&teach);
            asked.extend(self.of(&ask));
            let both = |lexicon: &Lexicon| {
                [&teach, &ask].map(|which| lexicon.encode(self.texts(which), MOST_PLACES))
            };
            let lexicon = self.lexicon(&teach, self.room(0.5, teach.len()), 1.0);
            let [rows, ask_rows] = both(&lexicon);
            let net = self.network(&rows, &of, watch)?;
            for i in 0..ask.len() {
                let mut logits = net.score(ask_rows.row(i));
                softmax(&mut logits);
                by_net.extend(logits);
            }
            for (cost, scored) in COSTS.into_iter().zip(&mut scored) {
                let lexicon = self.lexicon(&teach, self.room(0.0, teach.len()), cost);
                let [rows, ask_rows] = both(&lexicon);
                let scores = linear::learn(&rows, &of, classes, cost, self.settings.seed);
                for i in 0..ask.len() {
                    scored.extend(logits(&scores, ask_rows.row(i)));
                }
                watch.step("linear", turn + 1, turns, &format!("cost {cost}"));
                if watch.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
        }
        let mut trials: Vec<(Trial, Vec<f32>)> = Vec::new();
        for (cost, scored) in COSTS.into_iter().zip(&scored) {
            let sharpened = SHARPNESS.map(|sharpness| {
                let mut all: Vec<f32> = scored.iter().map(|score| score * sharpness).collect();
                all.chunks_exact_mut(classes).for_each(softmax);
                let (_, loss) = measure(&all, &asked, classes);
                (loss, sharpness, all)
            });
            let best = sharpened.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, sharpness, by_scores)) = best else {
                continue;
            };
            for share in SHARES {
                let blend = (by_scores.iter().zip(&by_net))
                    .map(|(a, b)| a * (1.0 - share) + b * share)
                    .collect::<Vec<f32>>();
                let (accuracy, loss) = measure(&blend, &asked, classes);
                let trial = Trial {
                    cost,
                    sharpness,
                    share,
                    accuracy,
                    loss,
                };
                trials.push((trial, blend));
            }
        }
        // Of those that lose little against the best, the smallest; of equals, the one
        // that knows best how sure it is.
        let best = trials.iter().map(|(t, _)| t.accuracy).fold(0.0, f64::max);
        let parts = |t: &Trial| u8::from(t.share > 0.0);
        let chosen = (0..trials.len())
            .filter(|i| trials[*i].0.accuracy >= best - self.settings.loss)
            .min_by(|a, b| {
                let (a, b) = (&trials[*a].0, &trials[*b].0);
                (parts(a).cmp(&parts(b)))
                    .then(b.accuracy.total_cmp(&a.accuracy))
                    .then(a.loss.total_cmp(&b.loss))
            })
            .unwrap_or(0);
        let threshold = threshold(&trials[chosen].1, &asked, classes);
        Ok((
            trials.into_iter().map(|(t, _)| t).collect(),
            chosen,
            threshold,
        ))
    }

    fn learn(
        &self,
        which: &[usize],
        trial: &Trial,
        threshold: f32,
        watch: &mut dyn Watch,
    ) -> Result<Learnt> {
        let of = self.of(which);
        let lexicon = self.lexicon(which, self.room(trial.share, which.len()), trial.cost);
        let rows = lexicon.encode(self.texts(which), MOST_PLACES);
        let mut lengths: Vec<usize> = (0..rows.len()).map(|i| rows.row(i).len()).collect();
        lengths.sort_unstable();
        let long = lengths
            .get(lengths.len() * 999 / 1000)
            .copied()
            .unwrap_or(0);
        let scores = (trial.share < 1.0)
            .then(|| linear::learn(&rows, &of, self.names.len(), trial.cost, self.settings.seed));
        let network = match trial.share > 0.0 {
            true => Some(self.network(&rows, &of, watch)?),
            false => None,
        };
        Ok(Learnt {
            names: self.names.to_vec(),
            places: (long + 32).next_multiple_of(64).min(MOST_PLACES),
            lexicon,
            scores,
            sharpness: trial.sharpness,
            network,
            share: trial.share,
            threshold,
        })
    }
}

/// A score for each class.
fn logits(scores: &[Score], row: &[(u32, f32)]) -> Vec<f32> {
    match scores {
        [one] => {
            let score = one.of(row);
            vec![-score / 2.0, score / 2.0]
        }
        _ => scores.iter().map(|score| score.of(row)).collect(),
    }
}

/// Share of right answers and mean loss, of the texts in scope.
fn measure(probabilities: &[f32], of: &[u32], classes: usize) -> (f64, f64) {
    let (mut right, mut loss, mut all) = (0.0, 0.0, 0.0);
    for (row, class) in probabilities.chunks_exact(classes).zip(of) {
        if let Some(own) = row.get(*class as usize) {
            all += 1.0;
            loss -= f64::from(ln(own.max(1e-9)));
            right += f64::from(u8::from(best(row) == *class as usize));
        }
    }
    (right / f64::max(all, 1.0), loss / f64::max(all, 1.0))
}

fn best(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// The probability below which a text is taken to be out of scope: that which is right
/// most often, if a fifth of all texts are; 0 where no text of the kind is known.
fn threshold(probabilities: &[f32], of: &[u32], classes: usize) -> f32 {
    let rows = probabilities.chunks_exact(classes).zip(of);
    let mut asked: Vec<(f32, bool, bool)> = rows
        .map(|(row, class)| {
            let best = best(row);
            (
                row[best],
                *class as usize == best,
                *class as usize >= classes,
            )
        })
        .collect();
    asked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let outside = asked.iter().filter(|(.., outside)| *outside).count();
    let inside = asked.len() - outside;
    if outside == 0 || inside == 0 {
        return 0.0;
    }
    let of_outside = SHARE_OUT_OF_SCOPE / outside as f64;
    let of_inside = (1.0 - SHARE_OUT_OF_SCOPE) / inside as f64;
    let (mut gain, mut best_gain, mut found) = (0.0, 0.0, 0.0);
    for (i, (probability, right, outside)) in asked.iter().enumerate() {
        gain += match (outside, right) {
            (true, _) => of_outside,
            (false, true) => -of_inside,
            (false, false) => 0.0,
        };
        if gain > best_gain {
            best_gain = gain;
            let next = asked.get(i + 1).map_or(*probability, |next| next.0);
            found = (probability + next) / 2.0;
        }
    }
    found
}
