//! What a model is worth on the newest part of a log, which it has not seen; and
//! whether it is better with a sequence model.

use std::fmt;

use serde::Serialize;

use super::{Question, Settings, TOO_FEW, baselines, held_back, predict, until};
use crate::attention::Wanted;
use crate::error::Result;
use crate::import::sequences::{Log, SequenceMapping};
use crate::watch::Watch;
use shelfedge_features::trails::fit::Sequences;

/// How well what follows is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Share of questions whose answer is among the first 20.
    pub hit20: f64,
    /// Share among the first 10.
    pub hit10: f64,
    /// Mean of one over the answer's place; 0 beyond 20.
    pub mrr20: f64,
    /// NDCG at 10, with one answer a question.
    pub ndcg10: f64,
    /// Questions.
    pub questions: usize,
}

impl Score {
    pub(crate) fn of<'q>(
        lists: &[Vec<u32>],
        questions: impl IntoIterator<Item = &'q Question<'q>>,
    ) -> Self {
        let mut score = Self::default();
        for (list, question) in lists.iter().zip(questions) {
            score.questions += 1;
            let Some(at) = list.iter().take(20).position(|p| *p == question.follows) else {
                continue;
            };
            let place = at as f64 + 1.0;
            score.hit20 += 1.0;
            score.mrr20 += 1.0 / place;
            if at < 10 {
                score.hit10 += 1.0;
                score.ndcg10 += 1.0 / (place + 1.0).log2();
            }
        }
        let all = score.questions.max(1) as f64;
        for sum in [
            &mut score.hit20,
            &mut score.hit10,
            &mut score.mrr20,
            &mut score.ndcg10,
        ] {
            *sum /= all;
        }
        score
    }
}

/// The model beside what is popular and what came next most often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The compiled model in the engine.
    pub model: Score,
    /// The popular list.
    pub popularity: Score,
    /// What came directly after the last product most often, then what is
    /// popular.
    pub transitions: Score,
}

impl Comparison {
    /// Each ranking with its name.
    pub(crate) fn rows(&self) -> [(&'static str, Score); 3] {
        [
            ("this model", self.model),
            ("what came next most often", self.transitions),
            ("popularity", self.popularity),
        ]
    }
}

/// Measures by what a model that has seen less of the log would have said of its
/// newest part.
pub(super) fn measure(
    log: &Log,
    mapping: &SequenceMapping,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Comparison> {
    Ok(asked(&log.sequences, log, mapping, settings, watch)?.0)
}

/// The same of any log of the shop; also each question's NDCG at 10.
fn asked(
    known: &Sequences,
    log: &Log,
    mapping: &SequenceMapping,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<(Comparison, Vec<f64>)> {
    let lesson = held_back(known, mapping.of);
    let (compiled, repeats) = until(&lesson.log, log, mapping, settings, watch)?;
    let beginnings = lesson.questions.iter().map(|question| question.begins);
    let lists = predict(&compiled.shelf, &log.products, beginnings, 20, watch)?;
    let (questions, products) = (&lesson.questions, log.products.len());
    let [popularity, transitions] =
        baselines(&lesson.log, questions, mapping.of, products, repeats);
    let each = lists.iter().zip(questions);
    let each =
        each.map(|(list, question)| Score::of(std::slice::from_ref(list), [question]).ndcg10);
    let comparison = Comparison {
        model: Score::of(&lists, questions),
        popularity: Score::of(&popularity, questions),
        transitions: Score::of(&transitions, questions),
    };
    Ok((comparison, each.collect()))
}

/// Standard errors by which a sequence model must be better to be kept.
const SURE: f64 = 2.0;

/// A ranking with a sequence model and one without, asked the same questions about
/// what neither has seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// With it.
    pub with: Comparison,
    /// Without it.
    pub without: Comparison,
    /// Mean of a question's NDCG at 10 with it less that without.
    pub gain: f64,
    /// The standard error of that mean.
    pub error: f64,
    /// Whether the gain is more than noise, so that the ranking has it.
    pub kept: bool,
}

impl Trial {
    /// The one that is kept.
    pub(super) fn chosen(&self) -> (Wanted, Comparison) {
        match self.kept {
            true => (Wanted::On, self.with),
            false => (Wanted::Off, self.without),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (with, without) = (self.with.model, self.without.model);
        write!(
            f,
            "a sequence model is {}: NDCG@10 {:.4} with it and {:.4} without, hit rate@10 {:.4} \
             and {:.4}; of NDCG@10 a question gains {:+.5}, give or take {:.5} (standard error), \
             and {SURE} of these are asked for",
            if self.kept { "kept" } else { "left out" },
            with.ndcg10,
            without.ndcg10,
            with.hit10,
            without.hit10,
            self.gain,
            self.error,
        )
    }
}

/// What was found out of a sequence model that is to be kept where it is better.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    Tried(Box<Trial>),
    /// The log is too small to ask both, so it is left out: why.
    Untried(String),
}

impl Decision {
    pub(super) fn wanted(&self) -> Wanted {
        match self {
            Self::Tried(trial) => trial.chosen().0,
            Self::Untried(_) => Wanted::Off,
        }
    }
}

/// Tries both on the newest part of a log, where that is enough to learn from what
/// came before it.
pub(super) fn decide(
    known: &Sequences,
    log: &Log,
    mapping: &SequenceMapping,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Decision> {
    match try_both(known, log, mapping, settings, watch) {
        Ok(trial) => Ok(Decision::Tried(Box::new(trial))),
        Err(error) => match error.faults() {
            [fault] if fault.code == TOO_FEW => Ok(Decision::Untried(fault.cause.clone())),
            _ => Err(error),
        },
    }
}

fn try_both(
    known: &Sequences,
    log: &Log,
    mapping: &SequenceMapping,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Trial> {
    let mut of = |wanted| {
        let settings = settings.with(wanted);
        asked(known, log, mapping, &settings, watch)
    };
    let (without, before) = of(Wanted::Off)?;
    let (with, after) = of(Wanted::On)?;
    let gains: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
    let (gain, error) = mean(&gains);
    Ok(Trial {
        with,
        without,
        gain,
        error,
        kept: gain > SURE * error && gain > 0.0,
    })
}

/// The mean and its standard error; of fewer than two numbers the error is not
/// known, and infinite.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count.max(1.0);
    if numbers.len() < 2 {
        return (mean, f64::INFINITY);
    }
    let squares: f64 = numbers.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_an_error() {
        let (gain, error) = mean(&[1.0, 0.0, 0.5, 0.5]);
        assert!((gain - 0.5).abs() < 1e-12);
        // The variance is 1/6, a quarter of it that of the mean.
        assert!((error - (1.0f64 / 24.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean(&[1.0]).1, f64::INFINITY);
        assert_eq!(mean(&[]), (0.0, f64::INFINITY));
    }
}
