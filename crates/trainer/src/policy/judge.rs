//! What policies are worth on a log: a model of values for each (fitted Q evaluation:
//! Le, Voloshin and Yue 2019, with one ridge regression for each action and step), and
//! with it the off-policy estimates of `shelfedge_insight::sequence`.

use serde::Serialize;
use shelfedge_features::visits::{ACTIONS, WIDTH};
use shelfedge_insight::sequence::{self, Step};
use shelfedge_insight::{Answer, Estimate, Options, Rule, Verdict};

use super::Settings;
use super::log::Trajectory;
use super::rules::Policy;
use crate::error::{Error, Result};

/// Numbers of a row of a regression: one, and the state.
const COLUMNS: usize = WIDTH + 1;
/// What is added to the diagonal: so many rows that say nothing.
const RIDGE: f64 = 1.0;

/// Values of actions by step, linear in the state.
#[derive(Clone, Debug, PartialEq)]
struct Values {
    /// Of each step, of each action.
    steps: Vec<[[f64; COLUMNS]; ACTIONS]>,
}

fn row(state: &[f32; WIDTH]) -> [f64; COLUMNS] {
    let mut out = [1.0; COLUMNS];
    for (out, x) in out[1..].iter_mut().zip(state) {
        *out = f64::from(*x);
    }
    out
}

impl Values {
    /// Fits the values of a policy, from the last step to the first.
    fn fit(log: &[&Trajectory], policy: &Policy, discount: f64, steps: usize) -> Self {
        let mut of_steps = vec![[[0.0; COLUMNS]; ACTIONS]; steps];
        for step in (0..steps).rev() {
            let mut sums = [[[0.0; COLUMNS + 1]; COLUMNS]; ACTIONS];
            for decisions in log.iter().map(|t| &t.decisions) {
                let Some(decision) = decisions.get(step) else {
                    continue;
                };
                let after = decisions.get(step + 1).map_or(0.0, |next| {
                    let values = of(&of_steps[step + 1], &next.state);
                    let chances = policy.probabilities(&next.state);
                    values.iter().zip(chances).map(|(v, p)| v * p).sum()
                });
                let target = decision.reward + discount * after;
                let x = row(&decision.state);
                let sums = &mut sums[decision.action as usize];
                for (line, a) in sums.iter_mut().zip(x) {
                    if a != 0.0 {
                        for (sum, b) in line.iter_mut().zip(x) {
                            *sum += a * b;
                        }
                        line[COLUMNS] += a * target;
                    }
                }
            }
            of_steps[step] = sums.map(solved);
        }
        Self { steps: of_steps }
    }

    fn at(&self, step: usize, state: &[f32; WIDTH]) -> [f64; ACTIONS] {
        of(&self.steps[step], state)
    }
}

fn of(weights: &[[f64; COLUMNS]; ACTIONS], state: &[f32; WIDTH]) -> [f64; ACTIONS] {
    let x = row(state);
    weights.map(|weights| weights.iter().zip(x).map(|(w, x)| w * x).sum())
}

/// Ridge regression from its sums, by Gaussian elimination: the matrix is positive
/// definite, so no row has to be exchanged.
fn solved(mut sums: [[f64; COLUMNS + 1]; COLUMNS]) -> [f64; COLUMNS] {
    for (at, line) in sums.iter_mut().enumerate() {
        line[at] += RIDGE;
    }
    for at in 0..COLUMNS {
        let pivot = sums[at];
        for line in &mut sums[at + 1..] {
            let factor = line[at] / pivot[at];
            for (x, p) in line[at..].iter_mut().zip(&pivot[at..]) {
                *x -= factor * p;
            }
        }
    }
    let mut out = [0.0; COLUMNS];
    for at in (0..COLUMNS).rev() {
        let line = &sums[at];
        let known: f64 = (at + 1..COLUMNS).map(|n| line[n] * out[n]).sum();
        out[at] = (line[COLUMNS] - known) / line[at];
    }
    out
}

/// A value with its interval, as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

impl From<Estimate> for Interval {
    fn from(e: Estimate) -> Self {
        Self {
            value: e.value,
            low: e.low,
            high: e.high,
        }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Three decimals, and more where they would all be noughts.
        let largest = self.low.abs().max(self.high.abs());
        let more = match largest > 0.0 && largest < 0.01 {
            true => (-largest.log10()).ceil() as usize,
            false => 0,
        };
        let d = 3 + more;
        write!(
            f,
            "{:.d$} [{:.d$}, {:.d$}]",
            self.value, self.low, self.high
        )
    }
}

/// Estimates of one policy's value a shopper.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The policy.
    pub policy: String,
    /// Per-decision importance sampling.
    pub ips: Interval,
    /// The same, self-normalised.
    pub snips: Interval,
    /// What the value model says.
    pub direct: Interval,
    /// Sequentially doubly robust.
    pub dr: Interval,
    /// Shoppers that count as much as those of the log with their unequal weights.
    pub effective_shoppers: f64,
}

/// The answer on a candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// `ship`, `unproven`, `worse` or `not_enough_data`.
    pub answer: &'static str,
    /// Candidate less what runs, doubly robust.
    pub dr: Interval,
    /// Candidate less what runs, self-normalised.
    pub snips: Interval,
    /// How much less is put up with.
    pub margin: f64,
    /// Of the policy that has fewer.
    pub effective_shoppers: f64,
    /// How many are needed.
    pub needed: f64,
    /// Lists that earned something and that either policy might have made, and how many
    /// are needed.
    pub rewarded: [usize; 2],
    /// Shoppers who judge, and how many are needed.
    pub shoppers: [usize; 2],
    /// Whether the log made, now and then, every list that either policy makes.
    pub covered: bool,
}

impl Decided {
    fn of(verdict: &Verdict) -> Self {
        Self {
            answer: match verdict.answer {
                Answer::Ship => "ship",
                Answer::Unproven => "unproven",
                Answer::Worse => "worse",
                Answer::NotEnoughData => "not_enough_data",
            },
            dr: verdict.dr.into(),
            snips: verdict.snips.into(),
            margin: verdict.rule.margin,
            effective_shoppers: verdict.effective_rows,
            needed: verdict.rule.effective_rows,
            rewarded: [verdict.rewarded_rows, verdict.rule.rewarded_rows],
            shoppers: [verdict.clusters, verdict.rule.clusters],
            covered: verdict.covered,
        }
    }

    /// Whether the candidate may ship.
    #[must_use]
    pub fn may_ship(&self) -> bool {
        self.answer == "ship"
    }
}

/// A log that judges, and the part that the value models are fitted on.
pub(super) struct Judge<'a> {
    learnt: &'a [&'a Trajectory],
    rows: Vec<(usize, [f32; WIDTH])>,
    log: sequence::Log,
    settings: &'a Settings,
    seed: u64,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        learnt: &'a [&'a Trajectory],
        judging: &[&Trajectory],
        settings: &'a Settings,
        seed: u64,
    ) -> Result<Self> {
        let steps: Vec<Vec<Step>> = judging
            .iter()
            .map(|t| {
                let step = t.decisions.iter().map(|d| Step {
                    action: d.action as u32,
                    reward: d.reward,
                    propensity: d.propensity,
                });
                step.collect()
            })
            .collect();
        let log = sequence::Log::new(steps.iter().map(Vec::as_slice), ACTIONS as u32);
        let rows = judging.iter().flat_map(|t| {
            let decisions = t.decisions.iter().enumerate();
            decisions.map(|(step, d)| (step, d.state))
        });
        Ok(Self {
            learnt,
            rows: rows.collect(),
            log: log.map_err(invalid)?,
            settings,
            seed,
        })
    }

    fn options(&self) -> Options {
        Options {
            draws: self.settings.draws,
            seed: self.seed,
            cap: None,
        }
    }

    /// What the log says of a policy.
    pub(super) fn terms(&self, policy: &Policy) -> Result<sequence::Terms> {
        let settings = self.settings;
        let values = Values::fit(self.learnt, policy, settings.discount, settings.visits);
        sequence::Terms::new(
            &self.log,
            settings.discount,
            |at, out| out.copy_from_slice(&policy.probabilities(&self.rows[at].1)),
            |at, out| {
                let (step, state) = &self.rows[at];
                out.copy_from_slice(&values.at(*step, state));
            },
        )
        .map_err(invalid)
    }

    pub(super) fn judged(&self, policy: &Policy, terms: &sequence::Terms) -> Judged {
        let found = terms.evaluate(&self.options());
        Judged {
            policy: policy.name(),
            ips: found.ips.into(),
            snips: found.snips.into(),
            direct: found.direct.into(),
            dr: found.dr.into(),
            effective_shoppers: found.effective_trajectories,
        }
    }

    /// Whether a candidate may take the place of what runs: it may be worse by a share
    /// of what that is worth, and no more.
    pub(super) fn decided(
        &self,
        candidate: &sequence::Terms,
        current: &sequence::Terms,
    ) -> Result<Decided> {
        let options = self.options();
        let worth = current.evaluate(&options).dr.value.abs();
        let rule = Rule {
            margin: self.settings.margin * worth,
            effective_rows: self.settings.effective_shoppers,
            ..Rule::with_margin(0.0)
        };
        let verdict = sequence::verdict(candidate, current, rule, &options).map_err(invalid)?;
        Ok(Decided::of(&verdict))
    }
}

fn invalid(faults: shelfedge_commerce::fault::Faults) -> Error {
    Error::Invalid(faults.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::log::Decision;
    use crate::rng::Rng;
    use shelfedge_features::visits::Action;

    #[test]
    fn linear_values_are_found_again() {
        // Rewards 1 + 2 x at the first step and x at the second, whatever the action;
        // everybody stays. Then the first is worth 1 + 2 x + 0.5 y, y unknown: mean 0.25.
        let mut rng = Rng::new(1, 1);
        let log: Vec<Trajectory> = (0..6_000)
            .map(|_| {
                let decision = |first: bool, rng: &mut Rng| {
                    let x = rng.unit();
                    let mut state = [0.0; WIDTH];
                    state[3] = x;
                    Decision {
                        state,
                        action: Action::ALL[rng.below(3)],
                        propensity: 1.0 / 3.0,
                        reward: match first {
                            true => 1.0 + 2.0 * f64::from(x),
                            false => f64::from(x),
                        },
                    }
                };
                let decisions = vec![decision(true, &mut rng), decision(false, &mut rng)];
                Trajectory { decisions }
            })
            .collect();
        let log: Vec<&Trajectory> = log.iter().collect();
        let values = Values::fit(&log, &Policy::Uniform, 0.5, 3);
        let mut state = [0.0; WIDTH];
        state[3] = 0.4;
        for value in values.at(0, &state) {
            assert!((value - (1.8 + 0.25)).abs() < 0.02, "{value}");
        }
        for value in values.at(1, &state) {
            assert!((value - 0.4).abs() < 0.01, "{value}");
        }
        assert_eq!(values.at(2, &state), [0.0; ACTIONS], "nobody got there");
    }
}
