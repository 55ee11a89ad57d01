//! Whether a candidate policy may take the place of the current one.

use std::fmt;

use shelfedge_commerce::fault::{Fault, Faults};

use crate::bootstrap::{Clusters, Estimate};
use crate::codes;
use crate::policy::{Options, Terms, ratio};

/// What a candidate has to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// How much less reward per decision is put up with; 0 or more.
    pub margin: f64,
    /// [`Terms::effective_rows`] that either policy needs.
    pub effective_rows: f64,
    /// [`Terms::rewarded_rows`] that either policy needs: without rewards every
    /// draw of the bootstrap is alike, and its interval says nothing.
    pub rewarded_rows: usize,
    /// Clusters that the log needs: they are what the bootstrap draws.
    pub clusters: usize,
}

/// Draws of the bootstrap below which its interval says nothing.
const FEWEST_DRAWS: u32 = 100;

/// Refuses a bootstrap whose interval says nothing.
pub(crate) fn check_draws(options: &Options) -> Result<(), Faults> {
    if options.draws >= FEWEST_DRAWS {
        return Ok(());
    }
    let cause = format!("{} draws make no interval", options.draws);
    Err(Fault::new(&codes::DRAWS_TOO_FEW, "draws", cause).into())
}

impl Rule {
    /// A margin with 1,000 effective rows, 30 rewarded ones and 30 clusters.
    #[must_use]
    pub const fn with_margin(margin: f64) -> Self {
        Self {
            margin,
            effective_rows: 1_000.0,
            rewarded_rows: 30,
            clusters: 30,
        }
    }
}

/// The answer. Only [`Answer::Ship`] lets a candidate ship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No part of either interval lies below the margin.
    Ship,
    /// A part of an interval lies below the margin, and none lies there as a
    /// whole: the candidate may be as good, and the log can't tell.
    Unproven,
    /// An interval lies below the margin as a whole.
    Worse,
    /// Too few effective or rewarded rows or clusters to ask at all, or a log that
    /// doesn't cover what one of the two does; the intervals are no evidence.
    NotEnoughData,
}

/// The answer with the numbers that it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// What was asked for.
    pub rule: Rule,
    /// Candidate less current, doubly robust, in reward per decision; of sequences
    /// per trajectory.
    pub dr: Estimate,
    /// Candidate less current, self-normalised, in the same unit.
    pub snips: Estimate,
    /// Of the policy that has fewer.
    pub effective_rows: f64,
    /// Of the policy that has fewer.
    pub rewarded_rows: usize,
    /// Of the log.
    pub clusters: usize,
    /// Whether the log did, now and then, all that the two policies would do: the mean
    /// of their weights is 1 then, but for chance (Kallus and Uehara 2020 call it
    /// overlap). If it isn't, or the propensities are wrong, no estimate holds.
    pub covered: bool,
}

/// Whether a mean weight may be 1: within twice the width of a 95 % interval, so that
/// it seldom says no by chance.
pub(crate) fn may_be_one(weight: Estimate) -> bool {
    (weight.value - 1.0).abs() <= (weight.high - weight.low) + 0.01
}

impl Verdict {
    /// Compares a candidate with the current policy on the same log. Both
    /// estimates share the draws of the bootstrap, so what both policies do alike
    /// doesn't widen the interval of their difference.
    ///
    /// # Errors
    /// When the two were not made of the same decisions, or the bootstrap has fewer
    /// than 100 draws.
    pub fn new(
        candidate: &Terms,
        current: &Terms,
        rule: Rule,
        options: &Options,
    ) -> Result<Self, Faults> {
        check_draws(options)?;
        let pairs = || candidate.rows().iter().zip(current.rows());
        let differ = pairs().position(|(a, b)| (a.cluster, a.reward) != (b.cluster, b.reward));
        if candidate.rows().len() != current.rows().len() || differ.is_some() {
            let row = differ.unwrap_or(pairs().count());
            let cause = "the two policies were judged on different decisions";
            let path = format!("current[{row}]");
            return Err(Fault::new(&codes::LOGS_DIFFER, path, cause).into());
        }
        let rows = pairs().map(|(a, b)| {
            let surplus = a.direct + a.weight * (a.reward - a.predicted)
                - (b.direct + b.weight * (b.reward - b.predicted));
            let of_a = [a.weight, a.weight * a.reward];
            let of_b = [b.weight, b.weight * b.reward];
            (
                a.cluster,
                [1.0, surplus, of_a[0], of_a[1], of_b[0], of_b[1]],
            )
        });
        let log = Clusters::new(rows);
        let [dr, snips, weight_a, weight_b] = log.estimates(
            options.draws,
            options.seed,
            |[n, surplus, weight_a, sum_a, weight_b, sum_b]| {
                let snips = ratio(*sum_a, *weight_a) - ratio(*sum_b, *weight_b);
                [surplus / n, snips, weight_a / n, weight_b / n]
            },
        );
        let effective_rows = candidate.effective_rows().min(current.effective_rows());
        let rewarded_rows = candidate.rewarded_rows().min(current.rewarded_rows());
        Ok(Self::decide(Self {
            answer: Answer::NotEnoughData,
            rule,
            dr,
            snips,
            effective_rows,
            rewarded_rows,
            clusters: log.len(),
            covered: options.cap.is_some() || [weight_a, weight_b].into_iter().all(may_be_one),
        }))
    }

    /// With the answer that the numbers give.
    pub(crate) fn decide(mut self) -> Self {
        let Self {
            rule, dr, snips, ..
        } = self;
        let below = -rule.margin;
        let is_enough = self.effective_rows >= rule.effective_rows
            && self.rewarded_rows >= rule.rewarded_rows
            && self.clusters >= rule.clusters
            && self.covered;
        self.answer = if !is_enough {
            Answer::NotEnoughData
        } else if dr.high < below || snips.high < below {
            Answer::Worse
        } else if dr.low >= below && snips.low >= below {
            Answer::Ship
        } else {
            Answer::Unproven
        };
        self
    }

    /// Whether the candidate may ship.
    #[must_use]
    pub fn may_ship(&self) -> bool {
        self.answer == Answer::Ship
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.answer {
            Answer::Ship => "may ship",
            Answer::Unproven => "not shown to be as good",
            Answer::Worse => "worse",
            Answer::NotEnoughData => "not enough data",
        };
        let Rule {
            margin,
            effective_rows,
            rewarded_rows,
            clusters,
        } = self.rule;
        if !self.covered {
            f.write_str("the log does not cover what one of the two does; ")?;
        }
        write!(
            f,
            "{answer}: candidate less current {} (doubly robust), {} (self-normalised), margin \
             {margin}; {:.0} effective rows of {effective_rows:.0} needed, {} rewarded of \
             {rewarded_rows}, {} clusters of {clusters}",
            self.dr, self.snips, self.effective_rows, self.rewarded_rows, self.clusters
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Decision, Log, Rates};
    use expect_test::expect;
    use shelfedge_commerce::rng::Rng;

    /// Three actions of rates 0.1, 0.2 and 0.3, chosen evenly.
    fn log(rows: u32) -> Log {
        let mut rng = Rng::new(11, 0);
        let decisions = (0..rows).map(|row| {
            let action = rng.below(3) as u32;
            let clicked = rng.unit64() < 0.1 * f64::from(action + 1);
            Decision {
                cluster: row,
                action,
                position: 0,
                reward: f64::from(u8::from(clicked)),
                propensity: 1.0 / 3.0,
            }
        });
        Log::new(decisions.collect(), 3).unwrap()
    }

    fn terms(log: &Log, policy: [f64; 3]) -> Terms {
        let rates = Rates::fit(log, 200.0);
        Terms::new(
            log,
            |_, _, out| out.copy_from_slice(&policy),
            |_, decision, out| out.copy_from_slice(rates.at(decision.position)),
        )
        .unwrap()
    }

    fn answer(rows: u32, candidate: [f64; 3], margin: f64) -> Verdict {
        let log = log(rows);
        let current = Terms::as_logged(&log);
        let rule = Rule::with_margin(margin);
        Verdict::new(&terms(&log, candidate), &current, rule, &Options::default()).unwrap()
    }

    #[test]
    fn a_better_policy_ships_and_a_worse_one_does_not() {
        assert_eq!(answer(6_000, [0.1, 0.2, 0.7], 0.0).answer, Answer::Ship);
        assert_eq!(answer(6_000, [0.7, 0.2, 0.1], 0.0).answer, Answer::Worse);
        // Worse by 0.06, which is put up with.
        assert!(answer(6_000, [0.7, 0.2, 0.1], 0.1).may_ship());
    }

    #[test]
    fn the_current_policy_itself_ships_with_no_margin() {
        let log = log(3_000);
        let current = terms(&log, [0.2, 0.3, 0.5]);
        let rule = Rule::with_margin(0.0);
        let verdict = Verdict::new(&current, &current, rule, &Options::default()).unwrap();
        assert_eq!(verdict.answer, Answer::Ship);
        assert_eq!(verdict.dr, Estimate::default());
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        // As good: the interval holds 0 whatever the log.
        let verdict = answer(2_000, [0.3, 0.4, 0.3], 0.001);
        assert_eq!(verdict.answer, Answer::Unproven);
        assert!(!verdict.may_ship());
    }

    #[test]
    fn too_few_rows_are_no_evidence() {
        let verdict = answer(900, [0.1, 0.2, 0.7], 0.0);
        assert_eq!(verdict.answer, Answer::NotEnoughData);
        expect!["not enough data: candidate less current 0.06521 [0.04456, 0.08695] (doubly robust), 0.06332 [0.04182, 0.08543] (self-normalised), margin 0; 547 effective rows of 1000 needed, 186 rewarded of 30, 900 clusters of 30"].assert_eq(&verdict.to_string());
        // Many rows of one shopper, of whom the interval is a point too.
        let log = log(6_000);
        let decisions = log.decisions().iter().map(|decision| Decision {
            cluster: 0,
            ..*decision
        });
        let of_one = Log::new(decisions.collect(), 3).unwrap();
        let (worse, logged) = (terms(&of_one, [0.7, 0.2, 0.1]), Terms::as_logged(&of_one));
        let rule = Rule::with_margin(0.0);
        let verdict = Verdict::new(&worse, &logged, rule, &Options::default()).unwrap();
        assert_eq!(verdict.answer, Answer::NotEnoughData);
        // Many rows, no rewards: the interval is a point, and means nothing.
        let decisions = (0..5_000).map(|cluster| Decision {
            cluster,
            action: 0,
            position: 0,
            reward: 0.0,
            propensity: 1.0,
        });
        let log = Log::new(decisions.collect(), 1).unwrap();
        let current = Terms::as_logged(&log);
        let rule = Rule::with_margin(0.1);
        let verdict = Verdict::new(&current, &current, rule, &Options::default()).unwrap();
        assert_eq!(verdict.answer, Answer::NotEnoughData);
    }

    #[test]
    fn an_interval_of_few_draws_is_refused() {
        let current = Terms::as_logged(&log(2_000));
        let options = Options {
            draws: 99,
            ..Options::default()
        };
        let faults = Verdict::new(&current, &current, Rule::with_margin(0.0), &options);
        let faults = faults.expect_err("too few");
        expect!["draws: 99 draws make no interval [draws_too_few]. Ask for at least 100 draws; 1,000 are usual."].assert_eq(&faults.to_string());
    }

    #[test]
    fn different_logs_are_refused() {
        let (one, other) = (Terms::as_logged(&log(10)), Terms::as_logged(&log(11)));
        let rule = Rule::with_margin(0.0);
        let faults = Verdict::new(&one, &other, rule, &Options::default()).expect_err("differ");
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["current[10]"]);
    }
}
