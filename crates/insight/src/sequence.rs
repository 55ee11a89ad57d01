//! Off-policy estimates for sequences of decisions: what a policy would have earned
//! of shoppers who come again, where what was shown changes whether they do.
//!
//! A trajectory is what one shopper was shown, in order, each decision with its
//! propensity and what it earned; the value of a policy is the expected sum of what
//! the decisions of a trajectory earn, each worth `discount` times the one before.
//! Per-decision importance sampling (Precup, Sutton and Singh 2000), the same
//! self-normalised at each step, and the sequentially doubly robust estimate (Jiang
//! and Li 2016). A trajectory that ends early earns nothing from there on and keeps
//! its weight.
//!
//! Weights multiply along a trajectory: of `n` trajectories under an even choice of
//! three actions, some `n / 3^steps` speak of what a fixed policy earns at the last
//! step. So horizons are short: [`MAX_STEPS`].

use shelfedge_commerce::codes::PROPENSITY_OUT_OF_RANGE;
use shelfedge_commerce::fault::{Fault, Faults};

use crate::bootstrap::{Clusters, Estimate};
use crate::codes;
use crate::policy::{Options, SMALLEST_PROPENSITY, check_distribution, ratio};
use crate::verdict::{Rule, Verdict, may_be_one};

/// Decisions of a trajectory, at most.
pub const MAX_STEPS: usize = 12;
/// A propensity from here on is that of a decision that was always taken, and what a
/// policy does otherwise with less than this chance doesn't count.
const ALWAYS: f64 = 1e-6;
/// Share of uncovered decisions that is put up with, such as a few that were logged by
/// another program.
const MOST_UNCOVERED: f64 = 0.001;
/// Groups that the bootstrap draws, at most. Trajectories are independent, so sums of
/// equally many are as good to draw as single ones; fewer draw faster.
const MOST_GROUPS: usize = 2_000;

/// One logged decision of a trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What was chosen, from 0.
    pub action: u32,
    /// What it earned.
    pub reward: f64,
    /// With what probability it was chosen; above 0, at most 1.
    pub propensity: f64,
}

/// Logged trajectories, at least one, none empty, all checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    steps: Vec<Step>,
    /// The row after each trajectory's last.
    ends: Vec<usize>,
    actions: u32,
}

impl Log {
    /// From trajectories, each of one shopper, and the number of actions there were
    /// to choose from.
    ///
    /// # Errors
    /// Every decision whose action, propensity or reward can't be used, such as
    /// `trajectories[3][0].propensity`; trajectories without a decision or with more
    /// than [`MAX_STEPS`]; no trajectory.
    pub fn new<'a>(
        trajectories: impl Iterator<Item = &'a [Step]>,
        actions: u32,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let (mut steps, mut ends) = (Vec::new(), Vec::new());
        for (number, trajectory) in trajectories.enumerate() {
            let path = |row: usize, of: &str| format!("trajectories[{number}][{row}].{of}");
            if trajectory.is_empty() || trajectory.len() > MAX_STEPS {
                let cause = format!("it has {} decisions", trajectory.len());
                let path = format!("trajectories[{number}]");
                faults.push(Fault::new(&codes::TRAJECTORY_LENGTH, path, cause));
            }
            for (row, step) in trajectory.iter().enumerate() {
                if step.action >= actions {
                    let cause = format!("it is {}, and there are {actions}", step.action);
                    let path = path(row, "action");
                    faults.push(Fault::new(&codes::ACTION_UNKNOWN, path, cause));
                }
                // The comparison is false for NaN, which is what we want.
                if !(step.propensity > 0.0 && step.propensity <= 1.0) {
                    let cause = format!("the propensity is {}", step.propensity);
                    let path = path(row, "propensity");
                    faults.push(Fault::new(&PROPENSITY_OUT_OF_RANGE, path, cause));
                } else if step.propensity < SMALLEST_PROPENSITY {
                    let cause = format!("the propensity is {:e}", step.propensity);
                    let path = path(row, "propensity");
                    faults.push(Fault::new(&codes::PROPENSITY_TINY, path, cause));
                }
                if !step.reward.is_finite() {
                    let cause = format!("the reward is {}", step.reward);
                    let path = path(row, "reward");
                    faults.push(Fault::new(&codes::REWARD_NOT_FINITE, path, cause));
                }
            }
            steps.extend_from_slice(trajectory);
            ends.push(steps.len());
        }
        if ends.is_empty() {
            let cause = "the log has no trajectory";
            faults.push(Fault::new(&codes::LOG_EMPTY, "trajectories", cause));
        }
        faults.into_result(Self {
            steps,
            ends,
            actions,
        })
    }

    /// How many trajectories there are.
    pub fn trajectories(&self) -> usize {
        self.ends.len()
    }

    /// All decisions, trajectory by trajectory.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The rows of each trajectory.
    fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }
}

/// What a log says of a policy, trajectory by trajectory.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    discount: f64,
    trajectories: Vec<Trajectory>,
    /// Decisions that the policy may come to and may take otherwise, where the log
    /// always took the one.
    uncovered: usize,
}

/// What one trajectory says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trajectory {
    /// How much more often the policy would have done the same up to each step; from
    /// the end on the last weight.
    weights: [f64; MAX_STEPS],
    /// What each step earned, discounted; nothing from the end on.
    rewards: [f64; MAX_STEPS],
    /// How many there were.
    steps: usize,
    /// What the model says of the policy from the first step.
    direct: f64,
    /// The same, corrected step by step.
    dr: f64,
}

impl Terms {
    /// Asks a policy and a model about every decision. Both fill a slice with a
    /// number for each action: the policy's probability, and the expected discounted
    /// sum of what this decision and those after it earn under the policy. They are
    /// given the decision's row, so that they can look up its state.
    ///
    /// # Errors
    /// A discount that isn't in 0 to 1; every row whose probabilities are no
    /// distribution, within [`TOLERANCE`](crate::policy::TOLERANCE), or whose predictions aren't finite, such
    /// as `policy[3]` and `model[3]`.
    pub fn new(
        log: &Log,
        discount: f64,
        mut policy: impl FnMut(usize, &mut [f64]),
        mut model: impl FnMut(usize, &mut [f64]),
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        check_discount(discount, &mut faults);
        let mut probabilities = vec![0.0; log.actions as usize];
        let mut predicted = vec![0.0; log.actions as usize];
        let mut trajectories = Vec::with_capacity(log.ends.len());
        let mut uncovered = 0;
        for rows in log.rows() {
            let mut weight = 1.0;
            let mut factor = 1.0;
            let mut out = Trajectory {
                weights: [0.0; MAX_STEPS],
                rewards: [0.0; MAX_STEPS],
                steps: rows.len(),
                direct: 0.0,
                dr: 0.0,
            };
            // Of each step: its own weight, what the model says of what was done and
            // of the policy.
            let mut told = [(0.0, 0.0, 0.0); MAX_STEPS];
            let first = rows.start;
            for row in rows.clone() {
                let step = &log.steps[row];
                policy(row, &mut probabilities);
                model(row, &mut predicted);
                check_row(row, &probabilities, &predicted, &mut faults);
                let action = step.action as usize;
                let ratio = probabilities[action] / step.propensity;
                let is_always = step.propensity > 1.0 - ALWAYS;
                if weight > 0.0 && is_always && probabilities[action] < 1.0 - ALWAYS {
                    uncovered += 1;
                }
                weight *= ratio;
                let at = row - first;
                out.weights[at] = weight;
                out.rewards[at] = factor * step.reward;
                factor *= discount;
                let of_policy = probabilities.iter().zip(&predicted).map(|(p, q)| p * q);
                told[at] = (ratio, predicted[action], of_policy.sum());
            }
            out.weights[rows.len()..].fill(weight);
            out.direct = told[0].2;
            for row in rows.rev() {
                let (ratio, of_action, of_policy) = told[row - first];
                let step = &log.steps[row];
                out.dr = of_policy + ratio * (step.reward + discount * out.dr - of_action);
            }
            trajectories.push(out);
        }
        faults.into_result(Self {
            discount,
            trajectories,
            uncovered,
        })
    }

    /// The policy that made the log: every estimate is the mean of what the
    /// trajectories earned.
    ///
    /// # Errors
    /// A discount that isn't in 0 to 1.
    pub fn as_logged(log: &Log, discount: f64) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        check_discount(discount, &mut faults);
        let trajectories = log.rows().map(|rows| {
            let mut out = Trajectory {
                weights: [1.0; MAX_STEPS],
                rewards: [0.0; MAX_STEPS],
                steps: rows.len(),
                direct: 0.0,
                dr: 0.0,
            };
            let mut factor = 1.0;
            for (earned, step) in out.rewards.iter_mut().zip(&log.steps[rows]) {
                *earned = factor * step.reward;
                factor *= discount;
            }
            out.dr = out.rewards.iter().sum();
            out.direct = out.dr;
            out
        });
        let trajectories = trajectories.collect();
        faults.into_result(Self {
            discount,
            trajectories,
            uncovered: 0,
        })
    }

    /// Trajectories that count as much as ours with their unequal last weights (Kish
    /// 1965): from 0, when the policy does nothing that was logged, to their number.
    pub fn effective_trajectories(&self) -> f64 {
        let last = |t: &Trajectory| t.weights[MAX_STEPS - 1];
        let sum: f64 = self.trajectories.iter().map(last).sum();
        let squares: f64 = self.trajectories.iter().map(|t| last(t) * last(t)).sum();
        if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        }
    }

    /// Decisions that the policy may come to and may take otherwise, where the log
    /// always took the one: nothing tells what would have come of it.
    #[must_use]
    pub fn uncovered_steps(&self) -> usize {
        self.uncovered
    }

    /// Decisions that the policy might have come to and taken, too, and that were
    /// rewarded.
    pub fn rewarded_steps(&self) -> usize {
        let of = |t: &Trajectory| {
            let steps = t.weights.iter().zip(&t.rewards);
            steps.filter(|(w, r)| **w > 0.0 && **r != 0.0).count()
        };
        self.trajectories.iter().map(of).sum()
    }

    /// All estimates of the policy's value, per trajectory.
    pub fn evaluate(&self, options: &Options) -> Evaluation {
        const COLUMNS: usize = 2 * MAX_STEPS + 3;
        let rows = self.trajectories.iter().map(|t| {
            let mut columns = [0.0; COLUMNS];
            t.sums(&mut columns[..2 * MAX_STEPS]);
            columns[2 * MAX_STEPS..].copy_from_slice(&[1.0, t.direct, t.dr]);
            columns
        });
        let groups = grouped(rows, self.trajectories.len());
        let [ips, snips, direct, dr] = groups.estimates(options.draws, options.seed, |sums| {
            let n = sums[2 * MAX_STEPS];
            let [ips, snips] = weighed(&sums[..2 * MAX_STEPS], n);
            [
                ips,
                snips,
                sums[2 * MAX_STEPS + 1] / n,
                sums[2 * MAX_STEPS + 2] / n,
            ]
        });
        Evaluation {
            trajectories: self.trajectories.len(),
            ips,
            snips,
            direct,
            dr,
            effective_trajectories: self.effective_trajectories(),
        }
    }
}

impl Trajectory {
    /// The weights of all steps, then what they earned, weighed.
    fn sums(&self, out: &mut [f64]) {
        let (weights, earned) = out.split_at_mut(MAX_STEPS);
        weights.copy_from_slice(&self.weights);
        let steps = self.weights.iter().zip(&self.rewards);
        for (out, (weight, reward)) in earned.iter_mut().zip(steps) {
            *out = weight * reward;
        }
    }
}

/// The value by plain and by self-normalised weights, of the sums of
/// [`Trajectory::sums`] over `n` trajectories.
fn weighed(sums: &[f64], n: f64) -> [f64; 2] {
    let (weights, earned) = sums.split_at(MAX_STEPS);
    let plain = earned.iter().sum::<f64>() / n;
    let steps = weights.iter().zip(earned);
    [plain, steps.map(|(w, e)| ratio(*e, *w)).sum()]
}

/// Every n-th trajectory is in the same group.
fn grouped<const K: usize>(rows: impl Iterator<Item = [f64; K]>, count: usize) -> Clusters<K> {
    let groups = count.clamp(1, MOST_GROUPS) as u32;
    Clusters::new((0u32..).map(|row| row % groups).zip(rows))
}

fn check_discount(discount: f64, faults: &mut Faults) {
    if !(0.0..=1.0).contains(&discount) {
        let cause = format!("it is {discount}");
        faults.push(Fault::new(&codes::DISCOUNT, "discount", cause));
    }
}

fn check_row(row: usize, probabilities: &[f64], predicted: &[f64], faults: &mut Faults) {
    check_distribution(row, probabilities, faults);
    if !predicted.iter().all(|value| value.is_finite()) {
        let path = format!("model[{row}]");
        let cause = "a predicted value is not finite";
        faults.push(Fault::new(&codes::REWARD_NOT_FINITE, path, cause));
    }
}

/// Estimates of a policy's value per trajectory, each with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Trajectories: shoppers.
    pub trajectories: usize,
    /// What each step earned, weighed by how much more often the policy would have
    /// done the same up to it (Precup, Sutton and Singh 2000): unbiased, of large
    /// variance.
    pub ips: Estimate,
    /// Each step over the sum of its weights: biased in small logs, steadier.
    pub snips: Estimate,
    /// What the model says of the policy: as wrong as the model is, and its interval
    /// doesn't know how wrong that is.
    pub direct: Estimate,
    /// The same, corrected at each step by the weighed surprise (Jiang and Li 2016):
    /// unbiased whatever the model, of less variance if it is good.
    pub dr: Estimate,
    /// [`Terms::effective_trajectories`].
    pub effective_trajectories: f64,
}

/// Compares a candidate with the current policy on the same trajectories, in value
/// per trajectory: the rule's margin is of that unit, its effective rows are
/// trajectories, its clusters too. Both estimates share the draws of the bootstrap.
///
/// # Errors
/// When the two were not made of the same trajectories or with the same discount, or
/// the bootstrap has fewer than 100 draws.
pub fn verdict(
    candidate: &Terms,
    current: &Terms,
    rule: Rule,
    options: &Options,
) -> Result<Verdict, Faults> {
    const SUMS: usize = 2 * MAX_STEPS;
    const COLUMNS: usize = 2 * SUMS + 2;
    crate::verdict::check_draws(options)?;
    let pairs = || candidate.trajectories.iter().zip(&current.trajectories);
    let differ = pairs().position(|(a, b)| a.rewards != b.rewards);
    let counts = [candidate, current].map(|terms| terms.trajectories.len());
    if counts[0] != counts[1] || differ.is_some() || candidate.discount != current.discount {
        let row = differ.unwrap_or(counts[0].min(counts[1]));
        let cause = "the two policies were judged on different trajectories";
        let path = format!("current[{row}]");
        return Err(Fault::new(&codes::LOGS_DIFFER, path, cause).into());
    }
    let rows = pairs().map(|(a, b)| {
        let mut columns = [0.0; COLUMNS];
        a.sums(&mut columns[..SUMS]);
        b.sums(&mut columns[SUMS..2 * SUMS]);
        columns[2 * SUMS..].copy_from_slice(&[1.0, a.dr - b.dr]);
        columns
    });
    let estimates = grouped(rows, counts[0]).estimates(options.draws, options.seed, |sums| {
        let n = sums[2 * SUMS];
        let [_, a] = weighed(&sums[..SUMS], n);
        let [_, b] = weighed(&sums[SUMS..2 * SUMS], n);
        let mut out = [0.0; 2 + 2 * MAX_STEPS];
        out[..2].copy_from_slice(&[sums[2 * SUMS + 1] / n, a - b]);
        let weights = sums[..MAX_STEPS]
            .iter()
            .chain(&sums[SUMS..SUMS + MAX_STEPS]);
        for (out, sum) in out[2..].iter_mut().zip(weights) {
            *out = sum / n;
        }
        out
    });
    let [dr, snips, weights @ ..] = estimates;
    let decisions: f64 = pairs().map(|(a, _)| a.steps as f64).sum();
    let uncovered = candidate.uncovered.max(current.uncovered) as f64;
    let covered = uncovered <= MOST_UNCOVERED * decisions && weights.into_iter().all(may_be_one);
    let effective = candidate.effective_trajectories();
    Ok(Verdict::decide(Verdict {
        answer: crate::Answer::NotEnoughData,
        rule,
        dr,
        snips,
        effective_rows: effective.min(current.effective_trajectories()),
        rewarded_rows: candidate.rewarded_steps().min(current.rewarded_steps()),
        clusters: counts[0],
        covered,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Answer;
    use expect_test::expect;
    use shelfedge_commerce::rng::Rng;

    const HORIZON: usize = 4;
    const DISCOUNT: f64 = 0.9;
    /// What action 0 and 1 earn in state 0 and 1, with what probability.
    const REWARDS: [[f64; 2]; 2] = [[0.3, 0.1], [0.5, 0.7]];
    /// With what probability the next state is 1, by state and action.
    const NEXT: [[f64; 2]; 2] = [[0.1, 0.6], [0.4, 0.8]];
    /// With what probability there is no next decision.
    const LEAVES: [[f64; 2]; 2] = [[0.3, 0.1], [0.1, 0.05]];
    /// What made the log, and what is asked about: the probability of action 1.
    const LOGGED: [f64; 2] = [0.4, 0.5];
    const ASKED: [f64; 2] = [0.8, 0.7];

    fn chances(policy: [f64; 2], state: usize) -> [f64; 2] {
        [1.0 - policy[state], policy[state]]
    }

    /// Values of both actions in both states with so many steps left, by dynamic
    /// programming.
    fn values(policy: [f64; 2]) -> Vec<[[f64; 2]; 2]> {
        let mut out = vec![[[0.0; 2]; 2]];
        for left in 1..=HORIZON {
            let after = out[left - 1];
            let mean = |s: usize| -> f64 {
                let chances = chances(policy, s);
                chances[0] * after[s][0] + chances[1] * after[s][1]
            };
            out.push(std::array::from_fn(|s| {
                std::array::from_fn(|a| {
                    let next = NEXT[s][a] * mean(1) + (1.0 - NEXT[s][a]) * mean(0);
                    REWARDS[s][a] + DISCOUNT * (1.0 - LEAVES[s][a]) * next
                })
            }));
        }
        out
    }

    /// Everybody begins in state 0.
    fn truth(policy: [f64; 2]) -> f64 {
        let [q, _] = values(policy)[HORIZON];
        let [a, b] = chances(policy, 0);
        a * q[0] + b * q[1]
    }

    /// A log with the state and the steps left of each row.
    fn log(trajectories: usize, seed: u64) -> (Log, Vec<(usize, usize)>) {
        let mut rng = Rng::new(seed, 78);
        let (mut all, mut states) = (Vec::new(), Vec::new());
        for _ in 0..trajectories {
            let (mut state, mut steps) = (0, Vec::new());
            for left in (1..=HORIZON).rev() {
                let action = usize::from(rng.unit64() < LOGGED[state]);
                steps.push(Step {
                    action: action as u32,
                    reward: f64::from(u8::from(rng.unit64() < REWARDS[state][action])),
                    propensity: chances(LOGGED, state)[action],
                });
                states.push((state, left));
                if rng.unit64() < LEAVES[state][action] {
                    break;
                }
                state = usize::from(rng.unit64() < NEXT[state][action]);
            }
            all.push(steps);
        }
        let log = Log::new(all.iter().map(Vec::as_slice), 2).unwrap();
        (log, states)
    }

    /// What the log says of a policy, with a model that is right times `model`.
    fn terms(log: &Log, states: &[(usize, usize)], policy: [f64; 2], model: f64) -> Terms {
        let values = values(policy);
        Terms::new(
            log,
            DISCOUNT,
            |row, out| out.copy_from_slice(&chances(policy, states[row].0)),
            |row, out| {
                let (state, left) = states[row];
                let q = values[left][state].map(|q| model * q);
                out.copy_from_slice(&q);
            },
        )
        .unwrap()
    }

    #[test]
    fn estimates_are_unbiased_and_their_intervals_hold_the_exact_value() {
        const LOGS: u64 = 200;
        let truth = truth(ASKED);
        let options = Options {
            draws: 200,
            ..Options::default()
        };
        // Plain, self-normalised, and doubly robust with no, a wrong and the right model.
        let mut sums = [[0.0; 3]; 5];
        for seed in 0..LOGS {
            let (log, states) = log(400, seed);
            let [none, wrong, right] =
                [0.0, 0.7, 1.0].map(|model| terms(&log, &states, ASKED, model).evaluate(&options));
            // Without a model.
            assert!((none.dr.value - none.ips.value).abs() < 1e-12);
            let found = [none.ips, none.snips, none.dr, wrong.dr, right.dr];
            for (sums, found) in sums.iter_mut().zip(found) {
                let miss = found.value - truth;
                sums[0] += miss;
                sums[1] += miss * miss;
                sums[2] += f64::from(u8::from(found.low <= truth && truth <= found.high));
            }
        }
        let n = LOGS as f64;
        for (name, [miss, square, covered]) in ["ips", "snips", "none", "wrong", "right"]
            .into_iter()
            .zip(sums)
        {
            let deviation = (square / n).sqrt();
            let bias = miss / n;
            assert!(
                bias.abs() < 4.0 * deviation / n.sqrt(),
                "{name}: {bias} of {truth}, {deviation}"
            );
            // Of 200 intervals that hold in 19 of 20 cases, 179 or fewer have a
            // chance of one in a thousand.
            assert!(covered >= 180.0, "{name}: {covered} of {n}");
        }
        let squares = sums.map(|sums| sums[1]);
        assert!(squares[1] < squares[0], "self-normalising steadies");
        assert!(squares[3] < squares[2], "a wrong model helps");
        assert!(squares[4] < squares[3], "and the right one more");
    }

    #[test]
    fn direct_is_the_models_word() {
        let (log, states) = log(50, 1);
        let found = terms(&log, &states, ASKED, 1.0).evaluate(&Options::default());
        assert!((found.direct.value - truth(ASKED)).abs() < 1e-12);
        assert_eq!(found.trajectories, 50);
    }

    #[test]
    fn the_logged_policy_is_worth_what_was_earned() {
        let (log, states) = log(300, 2);
        let logged = Terms::as_logged(&log, DISCOUNT).unwrap();
        let found = logged.evaluate(&Options::default());
        for estimate in [found.snips, found.dr, found.direct] {
            assert!((estimate.value - found.ips.value).abs() < 1e-12);
        }
        assert_eq!(logged.effective_trajectories(), 300.0);
        let same = terms(&log, &states, LOGGED, 1.0).evaluate(&Options::default());
        assert!((same.ips.value - found.ips.value).abs() < 1e-12);
        assert!((same.effective_trajectories - 300.0).abs() < 1e-6);
    }

    #[test]
    fn by_hand() {
        let step = |action, reward, propensity| Step {
            action,
            reward,
            propensity,
        };
        let one = [step(0, 1.0, 0.5), step(1, 2.0, 0.25)];
        let two = [step(1, 4.0, 0.5)];
        let log = Log::new([&one[..], &two[..]].into_iter(), 2).unwrap();
        let terms = Terms::new(
            &log,
            0.5,
            |_, out| out.copy_from_slice(&[0.25, 0.75]),
            |_, out| out.copy_from_slice(&[1.0, 3.0]),
        )
        .unwrap();
        let found = terms.evaluate(&Options::default());
        // Weights 0.5, 0.5 x 3 = 1.5 and 1.5.
        let ips = (0.5 * 1.0 + 1.5 * 0.5 * 2.0 + 1.5 * 4.0) / 2.0;
        assert!((found.ips.value - ips).abs() < 1e-12);
        // First step (0.5 + 6) / 2, second 1.5 / (1.5 + 1.5).
        assert!((found.snips.value - (3.25 + 0.5)).abs() < 1e-12);
        // The model says 2.5 everywhere. First: the second step 2.5 + 3 (2 - 3) = -0.5,
        // the first 2.5 + 0.5 (1 + 0.5 x -0.5 - 1) = 2.375; second 2.5 + 1.5 (4 - 3) = 4.
        assert!((found.dr.value - (2.375 + 4.0) / 2.0).abs() < 1e-12);
        assert!((found.direct.value - 2.5).abs() < 1e-12);
        // (1.5 + 1.5)^2 / (2 x 1.5^2)
        assert!((found.effective_trajectories - 2.0).abs() < 1e-12);
        assert_eq!(terms.rewarded_steps(), 3);
    }

    #[test]
    fn a_better_policy_ships_and_a_worse_one_does_not() {
        let (log, states) = log(6_000, 3);
        let judged = |policy| terms(&log, &states, policy, 0.8);
        let (best, worst) = (judged([0.9, 0.9]), judged([0.1, 0.1]));
        assert!(truth([0.9, 0.9]) > truth([0.1, 0.1]) + 0.2);
        let rule = Rule {
            effective_rows: 100.0,
            ..Rule::with_margin(0.0)
        };
        let answer = |a: &Terms, b: &Terms, rule| {
            let verdict = verdict(a, b, rule, &Options::default()).unwrap();
            let truth = truth([0.9, 0.9]) - truth([0.1, 0.1]);
            assert!(verdict.dr.value.abs() < 2.0 * truth);
            verdict.answer
        };
        assert_eq!(answer(&best, &worst, rule), Answer::Ship);
        assert_eq!(answer(&worst, &best, rule), Answer::Worse);
        assert_eq!(answer(&best, &best, rule), Answer::Ship);
        let asks_more = Rule {
            effective_rows: 5_000.0,
            ..rule
        };
        assert_eq!(answer(&best, &worst, asks_more), Answer::NotEnoughData);
    }

    /// Whatever the estimates say of it.
    #[test]
    fn what_the_log_does_not_cover_does_not_ship() {
        let (log, states) = log(6_000, 3);
        let rule = Rule {
            effective_rows: 100.0,
            ..Rule::with_margin(0.5)
        };
        let asked = |log: &Log| {
            let [a, b] = [[0.9, 0.9], [0.5, 0.5]].map(|p| terms(log, &states, p, 0.8));
            let verdict = verdict(&a, &b, rule, &Options::default()).unwrap();
            (verdict.answer, verdict.covered, a.uncovered_steps())
        };
        assert_eq!(asked(&log), (Answer::Ship, true, 0));
        // What was done in state 1 is said to have been done always.
        let mut always = log.clone();
        for (step, (state, _)) in always.steps.iter_mut().zip(&states) {
            if *state == 1 {
                step.propensity = 1.0;
            }
        }
        let (answer, covered, uncovered) = asked(&always);
        assert_eq!((answer, covered), (Answer::NotEnoughData, false));
        assert!(uncovered > 1_000);
        // Propensities of another policy than that which chose.
        let mut wrong = log.clone();
        for step in &mut wrong.steps {
            step.propensity = (step.propensity + 0.25).min(0.99);
        }
        assert_eq!(asked(&wrong), (Answer::NotEnoughData, false, 0));
    }

    #[test]
    fn every_fault_is_told() {
        let bad = |action, reward, propensity| Step {
            action,
            reward,
            propensity,
        };
        let fine = bad(0, 1.0, 0.5);
        let one = [fine, bad(2, f64::NAN, 0.0)];
        let long = [fine; MAX_STEPS + 1];
        let all = [&one[..], &[], &long[..], &[bad(0, 0.0, 1e-13)]];
        let faults = Log::new(all.into_iter(), 2).expect_err("faults");
        let paths: Vec<_> = faults.iter().map(|f| (f.code, f.path.as_str())).collect();
        expect![[r#"
            [
                (
                    "action_unknown",
                    "trajectories[0][1].action",
                ),
                (
                    "propensity_out_of_range",
                    "trajectories[0][1].propensity",
                ),
                (
                    "reward_not_finite",
                    "trajectories[0][1].reward",
                ),
                (
                    "trajectory_length",
                    "trajectories[1]",
                ),
                (
                    "trajectory_length",
                    "trajectories[2]",
                ),
                (
                    "propensity_tiny",
                    "trajectories[3][0].propensity",
                ),
            ]
        "#]]
        .assert_debug_eq(&paths);
        assert!(Log::new(std::iter::empty(), 2).is_err());
        let log = Log::new([&one[..1]].into_iter(), 2).unwrap();
        let judged = |discount: f64, p: f64, q: f64| {
            let terms = Terms::new(&log, discount, |_, out| out.fill(p), |_, out| out.fill(q));
            terms.expect_err("a fault").iter().next().map(|f| f.code)
        };
        assert_eq!(judged(1.5, 0.5, 1.0), Some("discount"));
        assert_eq!(judged(0.9, 0.6, 1.0), Some("not_a_distribution"));
        assert_eq!(judged(0.9, 0.5, f64::INFINITY), Some("reward_not_finite"));
        assert!(Terms::as_logged(&log, f64::NAN).is_err());
        let one = Terms::as_logged(&log, 1.0).unwrap();
        let other = Terms::as_logged(&log, 0.5).unwrap();
        let rule = Rule::with_margin(0.0);
        let differ = verdict(&one, &other, rule, &Options::default()).expect_err("differ");
        assert_eq!(differ.iter().next().map(|f| f.code), Some("logs_differ"));
    }
}
