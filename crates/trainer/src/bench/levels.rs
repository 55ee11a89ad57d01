//! How near a model of sentiment comes to the levels that people gave.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_assistant::LEVELS;

use super::texts::COLUMNS;
use crate::error::{Error, Result, fault};
use crate::import::texts;
use crate::watch::Watch;
use crate::{bundle, intent};

/// What answers on a scale of five are worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    /// Who answers.
    pub name: String,
    /// Share of right answers.
    pub accuracy: f64,
    /// Share of answers that are at most one level off.
    pub within_one: f64,
    /// Mean of the levels' F1.
    pub macro_f1: f64,
    /// Levels that an answer is off, in the mean.
    pub mean_error: f64,
}

/// Answers of models, and of one that always says neutral.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Levels {
    /// Texts that were asked for.
    pub asked: usize,
    /// Each one's score.
    pub answers: Vec<Near>,
}

impl Levels {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let wide = self.answers.iter().map(|it| it.name.chars().count()).max();
        let wide = wide.unwrap_or(0);
        let mut out = format!(
            "{} texts\n{:<wide$}  accuracy  within one  macro-F1  mean error",
            self.asked, ""
        );
        for it in &self.answers {
            let _ = write!(
                out,
                "\n{:<wide$}  {:>8.3}  {:>10.3}  {:>8.3}  {:>10.3}",
                it.name, it.accuracy, it.within_one, it.macro_f1, it.mean_error
            );
        }
        out
    }
}

fn near(name: &str, wanted: &[usize], given: &[usize]) -> Near {
    let pairs = || wanted.iter().zip(given);
    let mean = |of: &dyn Fn(usize, usize) -> f64| {
        pairs().map(|(a, b)| of(*a, *b)).sum::<f64>() / wanted.len().max(1) as f64
    };
    let f1 = |level: usize| {
        let both = pairs()
            .filter(|(a, b)| **a == level && **b == level)
            .count();
        let either = pairs().map(|(a, b)| usize::from(*a == level) + usize::from(*b == level));
        2.0 * both as f64 / either.sum::<usize>().max(1) as f64
    };
    Near {
        name: name.to_owned(),
        accuracy: mean(&|a, b| f64::from(u8::from(a == b))),
        within_one: mean(&|a, b| f64::from(u8::from(a.abs_diff(b) <= 1))),
        macro_f1: (0..LEVELS.len()).map(f1).sum::<f64>() / LEVELS.len() as f64,
        mean_error: mean(&|a, b| a.abs_diff(b) as f64),
    }
}

/// Asks models of sentiment for texts with levels.
pub fn levels(models: &[PathBuf], data: &Path, watch: &mut dyn Watch) -> Result<Levels> {
    let asked = texts::import(&[data], COLUMNS, watch)?;
    let level = |name: &str| LEVELS.iter().position(|it| *it == name);
    let refused = |place: String, name: &str| {
        let levels = LEVELS.join(", ");
        let action = format!("the levels are {levels}");
        fault(
            "level_unknown",
            place,
            format!("{name:?} is no level"),
            action,
        )
    };
    let (mut wanted, mut faults) = (Vec::new(), Vec::new());
    for (n, label) in (1..).zip(&asked.labels) {
        match level(label) {
            Some(level) => wanted.push(level),
            None => faults.push(refused(format!("{} text {n}", data.display()), label)),
        }
    }
    let mut answers = vec![near("always neutral", &wanted, &vec![2; wanted.len()])];
    for model in models {
        let shelf = bundle::open(model)?.shelf;
        let mut given = Vec::with_capacity(wanted.len());
        intent::predict(
            &shelf,
            asked.texts.iter().map(String::as_str),
            |label, _| {
                let label = label.unwrap_or(LEVELS[2]);
                match level(label) {
                    Some(level) => given.push(level),
                    None => faults.push(refused(model.display().to_string(), label)),
                }
            },
        )?;
        answers.push(near(&model.display().to_string(), &wanted, &given));
    }
    faults.truncate(100);
    match faults.is_empty() {
        true => Ok(Levels {
            asked: wanted.len(),
            answers,
        }),
        false => Err(Error::Invalid(faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_on_a_scale_are_scored_by_how_far_they_are_off() {
        let found = near("", &[0, 1, 2, 3, 4, 4], &[0, 2, 2, 1, 4, 3]);
        let sixth = |n: f64| n / 6.0;
        assert!((found.accuracy - sixth(3.0)).abs() < 1e-9);
        assert!((found.within_one - sixth(5.0)).abs() < 1e-9);
        assert!((found.mean_error - sixth(4.0)).abs() < 1e-9);
        // 1 of the lowest, 2/3 of the third and of the highest, 0 of the others.
        assert!((found.macro_f1 - (1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 5.0).abs() < 1e-9);
    }
}
