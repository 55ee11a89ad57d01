//! Classifiers of texts: intents, sentiment. Learnt from texts with labels; the smallest
//! that is good enough is compiled.
//!
//! Linear scores, and a bag of embeddings with a hidden layer, are learnt from nine tenths
//! of the texts and asked for the rest; of few texts, from four fifths, five times. What is
//! written is learnt again from all of them. A teacher, if there is one, labels the texts and
//! ones made up from them for the network.

mod alike;
mod command;
mod export;
mod feedback;
mod label_next;
mod linear;
mod made_up;
mod network;
mod rows;
mod taught;
mod teacher;

pub use command::{Heard, Outcome, Sources, run};
pub use feedback::{Asked, Correction, Dispute, Effect, Feedback};
use serde::Serialize;
use shelfedge_assistant::{Buffers, Classifier, MOST_LABELS};
use shelfedge_engine::math::ln;
use shelfedge_features::text::{Grams, Text};

use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::texts::Texts;
use crate::watch::Watch;
pub use label_next::{Asking, Listed, MOST_WANTED, Wanted, label_next, pick};
use linear::Score;
use network::{Network, Recipe, softmax};
use rows::{Classes, Lexicon, Sparse};
use taught::Taught;
use teacher::Embedded;
pub use teacher::Teacher;

/// The label of texts that belong to no class.
pub const OUT_OF_SCOPE: &str = "oos";
/// Texts that anything can be learnt from.
const LEAST_TEXTS: usize = 10;
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
/// Texts made up from each one, and how many texts the network sees in all its passes.
const MADE_UP: usize = 3;
const STEPS_TAUGHT: usize = 320_000;
/// The cost of a mistake, of scores over the teacher's vectors.
const HEAD_COST: f64 = 4.0;
/// How much sharper than a score a teacher's probability is.
const HEAD_SHARPNESS: f32 = 6.0;
const SCORE_SHARPNESS: f32 = 6.0;
/// How many times its own weight a correction has, of a text of the data.
const WEIGHT: usize = 1;
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
    /// How many texts of the data a correction counts for.
    pub weight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            max_bytes: 5_000_000,
            loss: 0.001,
            weight: WEIGHT,
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
    /// SHA-256 of the teacher, where there was one.
    pub teacher: Option<String>,
    /// What corrections made of it, where there were some.
    pub effect: Option<Effect>,
    /// What turns a text into numbers.
    spec: Vec<u8>,
}

impl Learnt {
    /// The class of a text; one behind the last for none.
    fn answer(&self, row: &[(u32, f32)]) -> u32 {
        let mut all = vec![0.0; self.names.len()];
        let mut add = |mut logits: Vec<f32>, share: f32| {
            softmax(&mut logits);
            (all.iter_mut().zip(logits)).for_each(|(sum, p)| *sum += share * p);
        };
        if let Some(scores) = &self.scores {
            let mut logits = logits(scores, row);
            logits.iter_mut().for_each(|x| *x *= self.sharpness);
            add(logits, 1.0 - self.share);
        }
        if let Some(network) = &self.network {
            add(network.score(row), self.share);
        }
        let best = best(&all);
        match all[best] < self.threshold {
            true => all.len() as u32,
            false => best as u32,
        }
    }
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
    /// Expected calibration error: how far the probability of what is said is from the share
    /// of what is right, in ten bins of equal width (Guo, Pleiss, Sun and Weinberger, 2017).
    pub calibration: f64,
}

/// Learns a classifier and compiles it. Corrections have the last word on a text that is in
/// the data as well; their labels must be those of the data, or out of scope.
pub fn build(
    texts: &Texts,
    corrections: &[Correction],
    teacher: Option<&Teacher>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Bundle> {
    let known: Vec<String> = (texts.labels.iter())
        .filter(|label| *label != OUT_OF_SCOPE)
        .cloned()
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
    let taught = Taught::of(texts, corrections, &classes.names);
    let lessons = match teacher {
        Some(teacher) => Some(Lessons::of(&taught, teacher, settings, watch)?),
        None => None,
    };
    let task = Task {
        lessons: lessons.as_ref(),
        taught: &taught,
        of: &taught.of,
        names: &classes.names,
        settings,
    };
    let (trials, chosen, threshold) = task.choose(watch)?;
    let effect = match corrections.is_empty() {
        true => None,
        false => Some(task.effect(&trials[chosen], threshold, watch)?),
    };
    let all: Vec<usize> = (0..taught.of.len()).collect();
    let all = task.weighted(&all);
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
        teacher: teacher.map(|teacher| teacher.digest.clone()),
        effect,
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

/// What a teacher makes of the texts, and of texts made up from them.
struct Lessons {
    /// Of the texts, then of those made up.
    vectors: Embedded,
    made_up: Vec<String>,
    /// The text that each began as.
    sources: Vec<usize>,
}

impl Lessons {
    fn of(
        taught: &Taught,
        teacher: &Teacher,
        settings: &Settings,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let mut buffer = Text::default();
        // Nothing is made up from corrections: what is held back stays apart.
        let data = ..taught.data;
        let tokens: Vec<_> = (taught.texts[data].iter())
            .map(|text| made_up::tokens(text, &mut buffer))
            .collect();
        let words = made_up::words(&tokens);
        let near = made_up::Near::of(words.clone(), &teacher.embed(&words, watch)?);
        let part = |part: &u64| if taught.few() { *part } else { (*part).min(1) };
        let part: Vec<u64> = taught.parts[data].iter().map(part).collect();
        let of = &taught.of[data];
        let (made_up, sources) =
            made_up::make_up(&tokens, of, &part, Some(&near), MADE_UP, settings.seed);
        let all: Vec<String> = taught.texts.iter().chain(&made_up).cloned().collect();
        Ok(Self {
            vectors: teacher.embed(&all, watch)?,
            made_up,
            sources,
        })
    }
}

struct Task<'a> {
    lessons: Option<&'a Lessons>,
    taught: &'a Taught,
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
        which.iter().map(|i| self.taught.texts[*i].as_str())
    }

    /// Corrections as often as they count.
    fn weighted(&self, which: &[usize]) -> Vec<usize> {
        let times = |i: &usize| match *i < self.taught.data {
            true => 1,
            false => self.settings.weight,
        };
        let each = which.iter().map(|i| std::iter::repeat_n(*i, times(i)));
        each.flatten().collect()
    }

    /// Linear scores of the classes.
    fn scores(&self, rows: &Sparse, of: &[u32], cost: f64) -> Vec<Score> {
        linear::learn(rows, of, self.names.len(), cost, self.settings.seed)
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
        let scores = self.scores(&rows, &self.of(which), cost);
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

    fn network(
        &self,
        which: &[usize],
        lexicon: &Lexicon,
        rows: &Sparse,
        watch: &mut dyn Watch,
    ) -> Result<Network> {
        let classes = self.names.len();
        let mut targets = vec![0.0; which.len() * classes];
        for (row, i) in targets.chunks_exact_mut(classes).zip(which) {
            match row.get_mut(self.of[*i] as usize) {
                Some(cell) => *cell = 1.0,
                // Out of scope: every class alike.
                None => row.fill(1.0 / classes as f32),
            }
        }
        let seed = self.settings.seed;
        let Some(lessons) = self.lessons else {
            let recipe = self.recipe(which.len());
            return network::learn(rows, &targets, classes, &recipe, seed, watch);
        };
        let made: Vec<usize> = (0..lessons.made_up.len())
            .filter(|i| which.binary_search(&lessons.sources[*i]).is_ok())
            .collect();
        let made_up = made.iter().map(|i| lessons.made_up[*i].as_str());
        let all = lexicon.encode(self.texts(which).chain(made_up), MOST_PLACES);
        let seen: Vec<usize> = (which.iter().copied())
            .chain(made.iter().map(|i| self.taught.texts.len() + i))
            .collect();
        let of = self.of(which);
        let by_teacher = Sparse::dense(&lessons.vectors, &seen[..which.len()]);
        let head = linear::learn(&by_teacher, &of, classes, HEAD_COST, seed);
        let by_teacher = Sparse::dense(&lessons.vectors, &seen);
        let scores = self.scores(rows, &of, 1.0);
        let mut opinions = Vec::with_capacity(seen.len() * classes);
        for i in 0..seen.len() {
            let [mut a, mut b] = [
                logits(&head, by_teacher.row(i)),
                logits(&scores, all.row(i)),
            ];
            for (part, k) in [(&mut a, HEAD_SHARPNESS), (&mut b, SCORE_SHARPNESS)] {
                part.iter_mut().for_each(|x| *x *= k);
                softmax(part);
            }
            opinions.extend(a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0));
        }
        for (opinion, own) in opinions.iter_mut().zip(&targets) {
            *opinion = (*opinion + own) / 2.0;
        }
        let recipe = Recipe {
            passes: (STEPS_TAUGHT / seen.len().max(1)).clamp(3, 40),
            drop_grams: 0.1,
            drop_hidden: 0.3,
            smooth: 0.0,
            ..self.recipe(which.len())
        };
        network::learn(&all, &opinions, classes, &recipe, seed, watch)
    }

    /// What corrections make of it: the same texts are asked for after learning from the
    /// data alone, and with corrections.
    fn effect(&self, trial: &Trial, threshold: f32, watch: &mut dyn Watch) -> Result<Effect> {
        let Taught { of, own, data, .. } = self.taught;
        let without = Task { of: own, ..*self };
        let mut answers: Vec<(usize, [bool; 2])> = Vec::new();
        for turn in 0..self.taught.turns() {
            let (ask, teach) = self.taught.split(turn);
            let own = &teach[..teach.partition_point(|i| *i < *data)];
            let ways = [
                without.learn(own, trial, threshold, watch)?,
                self.learn(&self.weighted(&teach), trial, threshold, watch)?,
            ];
            let right = ways.map(|learnt| {
                let rows = learnt.lexicon.encode(self.texts(&ask), MOST_PLACES);
                let answer = |at: usize| learnt.answer(rows.row(at)) == of[ask[at]];
                (0..ask.len()).map(answer).collect::<Vec<bool>>()
            });
            answers.extend(
                (ask.iter().enumerate())
                    .map(|(at, i)| (*i, [0, 1].map(|way: usize| right[way][at]))),
            );
        }
        let (texts, corrections): (Vec<_>, Vec<_>) = answers.iter().partition(|(i, _)| i < data);
        let asked = |of: Vec<(usize, [bool; 2])>| Asked::of(of.into_iter().map(|(_, right)| right));
        Ok(Effect {
            changed: (0..*data).filter(|i| of[*i] != own[*i]).count(),
            texts: asked(texts),
            corrections: asked(corrections),
        })
    }

    /// Tries what there is on texts that were held back.
    fn choose(&self, watch: &mut dyn Watch) -> Result<(Vec<Trial>, usize, f32)> {
        let classes = self.names.len();
        let turns = self.taught.turns();
        let mut asked: Vec<u32> = Vec::new();
        let mut by_net: Vec<f32> = Vec::new();
        let mut scored: [Vec<f32>; COSTS.len()] = Default::default();
        for turn in 0..turns {
            let (ask, teach) = self.taught.split(turn);
            let teach = self.weighted(&teach);
            let of = self.of(&teach);
            asked.extend(self.of(&ask));
            let both = |lexicon: &Lexicon| {
                [&teach, &ask].map(|which| lexicon.encode(self.texts(which), MOST_PLACES))
            };
            let lexicon = self.lexicon(&teach, self.room(0.5, teach.len()), 1.0);
            let [rows, ask_rows] = both(&lexicon);
            let net = self.network(&teach, &lexicon, &rows, watch)?;
            for i in 0..ask.len() {
                let mut logits = net.score(ask_rows.row(i));
                softmax(&mut logits);
                by_net.extend(logits);
            }
            for (cost, scored) in COSTS.into_iter().zip(&mut scored) {
                let lexicon = self.lexicon(&teach, self.room(0.0, teach.len()), cost);
                let [rows, ask_rows] = both(&lexicon);
                let scores = self.scores(&rows, &of, cost);
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
                let loss = Measured::of(&all, &asked, classes).loss;
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
                let measured = Measured::of(&blend, &asked, classes);
                let trial = Trial {
                    cost,
                    sharpness,
                    share,
                    accuracy: measured.accuracy,
                    loss: measured.loss,
                    calibration: measured.calibration,
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
        let scores = (trial.share < 1.0).then(|| self.scores(&rows, &of, trial.cost));
        let network = match trial.share > 0.0 {
            true => Some(self.network(which, &lexicon, &rows, watch)?),
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

/// What probabilities are worth, of the texts in scope.
struct Measured {
    accuracy: f64,
    loss: f64,
    calibration: f64,
}

impl Measured {
    fn of(probabilities: &[f32], of: &[u32], classes: usize) -> Self {
        let mut all = 0.0_f64;
        let mut loss = 0.0;
        // Right answers, and what they were expected to be.
        let mut bins = [(0.0, 0.0); 10];
        for (row, class) in probabilities.chunks_exact(classes).zip(of) {
            let Some(own) = row.get(*class as usize) else {
                continue;
            };
            all += 1.0;
            loss -= f64::from(ln(own.max(1e-9)));
            let best = best(row);
            let (right, sure) = &mut bins[((row[best] * 10.0) as usize).min(9)];
            *right += f64::from(u8::from(best == *class as usize));
            *sure += f64::from(row[best]);
        }
        let all = all.max(1.0);
        Self {
            accuracy: bins.iter().map(|(right, _)| right).sum::<f64>() / all,
            loss: loss / all,
            calibration: bins
                .iter()
                .map(|(right, sure)| (right - sure).abs())
                .sum::<f64>()
                / all,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_measured_in_bins() {
        // Three answers of .95, of which two are right, one of .6 that is, and one out of
        // scope, which counts for nothing.
        let rows = [0.95, 0.05, 0.95, 0.05, 0.05, 0.95, 0.4, 0.6, 0.5, 0.5];
        let found = Measured::of(&rows, &[0, 1, 1, 1, 2], 2);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(found.accuracy, 0.75), "{}", found.accuracy);
        let calibration = ((2.85 - 2.0) + (1.0 - 0.6)) / 4.0;
        assert!(
            close(found.calibration, calibration),
            "{}",
            found.calibration
        );
        let loss = -(0.95_f64.ln() * 2.0 + 0.05_f64.ln() + 0.6_f64.ln()) / 4.0;
        assert!(close(found.loss, loss), "{}", found.loss);
    }
}
