//! Off-policy estimates: what a policy would have earned on decisions that
//! another one took and logged with their propensities.
//!
//! A decision is one entry of one list that was shown. Each is judged by itself,
//! as if what stands above and below it made no difference (Li, Abbasi-Yadkori,
//! Kveton, Muthukrishnan, Vinay and Wen 2018, item-position model); entries that
//! were shown together are one cluster of the bootstrap.

use shelfedge_commerce::codes::PROPENSITY_OUT_OF_RANGE;
use shelfedge_commerce::exposure::{Exposure, ExposureEntry, Joined};
use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::{OutcomeKind, ProductId};

use crate::bootstrap::{Clusters, DRAWS, Estimate};
use crate::codes;

/// Cells of a table of rates (actions times positions), at most: 100 MB while it
/// is fitted.
pub const MAX_CELLS: usize = 1 << 22;
/// A policy's probabilities may miss 1 by so much, because files hold them in
/// 32 bits.
pub const TOLERANCE: f64 = 1e-3;

/// One logged decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What was shown together has one number.
    pub cluster: u32,
    /// What was chosen, from 0.
    pub action: u32,
    /// Where it stood.
    pub position: u32,
    /// What it earned, such as 1 for a click and 0 for none.
    pub reward: f64,
    /// With what probability it was chosen; above 0, at most 1.
    pub propensity: f64,
}

/// Logged decisions, at least one, all checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    decisions: Vec<Decision>,
    actions: u32,
    /// The positions that occur, ascending.
    positions: Vec<u32>,
}

/// A smaller propensity makes a weight beside which no other counts.
pub const SMALLEST_PROPENSITY: f64 = 1e-12;

impl Log {
    /// From decisions and the number of actions there were to choose from.
    ///
    /// # Errors
    /// Every decision whose action, propensity or reward can't be used, such as
    /// `decisions[3].propensity`; no decisions; or more than [`MAX_CELLS`] cells.
    pub fn new(decisions: Vec<Decision>, actions: u32) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        if decisions.is_empty() {
            let cause = "the log has no decision";
            faults.push(Fault::new(&codes::LOG_EMPTY, "decisions", cause));
        }
        for (row, decision) in decisions.iter().enumerate() {
            if decision.action >= actions {
                let cause = format!("it is {}, and there are {actions}", decision.action);
                let path = format!("decisions[{row}].action");
                faults.push(Fault::new(&codes::ACTION_UNKNOWN, path, cause));
            }
            // The comparison is false for NaN, which is what we want.
            if !(decision.propensity > 0.0 && decision.propensity <= 1.0) {
                let cause = format!("the propensity is {}", decision.propensity);
                let path = format!("decisions[{row}].propensity");
                faults.push(Fault::new(&PROPENSITY_OUT_OF_RANGE, path, cause));
            } else if decision.propensity < SMALLEST_PROPENSITY {
                let cause = format!("the propensity is {:e}", decision.propensity);
                let path = format!("decisions[{row}].propensity");
                faults.push(Fault::new(&codes::PROPENSITY_TINY, path, cause));
            }
            if !decision.reward.is_finite() {
                let cause = format!("the reward is {}", decision.reward);
                let path = format!("decisions[{row}].reward");
                faults.push(Fault::new(&codes::REWARD_NOT_FINITE, path, cause));
            }
        }
        let mut positions: Vec<u32> = decisions.iter().map(|d| d.position).collect();
        positions.sort_unstable();
        positions.dedup();
        let cells = positions.len().saturating_mul(actions as usize);
        if cells > MAX_CELLS {
            let cause = format!("there are {cells} cells, and at most {MAX_CELLS} are kept");
            faults.push(Fault::new(&codes::TABLE_TOO_LARGE, "decisions", cause));
        }
        faults.into_result(Self {
            decisions,
            actions,
            positions,
        })
    }

    /// From exposures joined with outcomes: every entry that counts is a decision,
    /// every exposure a cluster, and the reward is 1 where an outcome of the given
    /// kind is credited to the entry. The products are the actions, in the order of
    /// their ids.
    ///
    /// Entries where chance had no part, such as those of propensity 1, say nothing
    /// of other policies and should not count. Exposures whose window is still open
    /// should not either: their rewards are yet to come.
    ///
    /// # Errors
    /// The same as [`Log::new`].
    pub fn of_joined<'a>(
        joined: &Joined<'a>,
        kind: OutcomeKind,
        counts: impl Fn(&Exposure, &ExposureEntry) -> bool,
    ) -> Result<(Self, Vec<&'a ProductId>), Faults> {
        let entries = joined.exposures.iter().flat_map(|&exposure| {
            let entries = exposure.entries.iter();
            entries.map(move |entry| (exposure, entry))
        });
        let entries: Vec<(&Exposure, &ExposureEntry)> = entries
            .filter(|(exposure, entry)| counts(exposure, entry))
            .collect();
        let mut products: Vec<&ProductId> = entries.iter().map(|(_, e)| &e.product).collect();
        products.sort_unstable();
        products.dedup();
        let rewarded = joined.rewarded(kind);
        let (mut cluster, mut last) = (0, None);
        let decisions = entries.into_iter().map(|(exposure, entry)| {
            cluster += u32::from(last.is_some_and(|last| last != &exposure.id));
            last = Some(&exposure.id);
            let action = products.binary_search(&&entry.product);
            let rewarded = rewarded.contains(&(&exposure.id, &entry.product));
            Decision {
                cluster,
                action: action.unwrap_or(usize::MAX).try_into().unwrap_or(u32::MAX),
                position: entry.position,
                reward: f64::from(u8::from(rewarded)),
                propensity: entry.propensity.into(),
            }
        });
        let actions = u32::try_from(products.len()).unwrap_or(u32::MAX);
        Ok((Self::new(decisions.collect(), actions)?, products))
    }

    /// The decisions, in the order given.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// How many actions there were to choose from.
    pub fn actions(&self) -> u32 {
        self.actions
    }
}

/// A reward model: a rate for each action and position, for few rewards.
///
/// An action's rate is shrunk to the rate of all by so many pseudo-impressions
/// (`prior`), and a cell's to its action's by twice as many: the posterior means
/// of Beta priors with those strengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    actions: Vec<f64>,
    /// The positions that were seen, ascending.
    positions: Vec<u32>,
    /// The rates of all actions at the first position, then at the second.
    cells: Vec<f64>,
}

impl Rates {
    /// Fits the rates of a log. Estimates on the same log would count its
    /// accidents twice: fit on another one, or on another part of it. `prior`
    /// is above 0, in decisions; 200 is what our figures were made with.
    pub fn fit(log: &Log, prior: f64) -> Self {
        Self::fit_where(log, prior, |_| true)
    }

    /// The rates of the rows that count, of which there should be one at least:
    /// else all are 0.
    pub(crate) fn fit_where(log: &Log, prior: f64, counts: impl Fn(usize) -> bool) -> Self {
        let (width, depth) = (log.actions as usize, log.positions.len());
        let mut of_actions = vec![(0.0, 0.0); width];
        let mut of_cells = vec![(0.0, 0.0); width * depth];
        let (mut count, mut sum) = (0.0_f64, 0.0);
        for (row, decision) in log.decisions.iter().enumerate() {
            if !counts(row) {
                continue;
            }
            let action = decision.action as usize;
            let position = log.positions.binary_search(&decision.position);
            let cell = position.map_or(0, |position| position * width + action);
            for (n, s) in [&mut of_actions[action], &mut of_cells[cell]] {
                *n += 1.0;
                *s += decision.reward;
            }
            count += 1.0;
            sum += decision.reward;
        }
        let shrunk = |(n, s): (f64, f64), to: f64, prior: f64| (s + prior * to) / (n + prior);
        let global = sum / count.max(1.0);
        let actions: Vec<f64> = of_actions
            .into_iter()
            .map(|action| shrunk(action, global, prior))
            .collect();
        let to = actions.iter().cycle();
        let cells = of_cells
            .into_iter()
            .zip(to)
            .map(|(cell, to)| shrunk(cell, *to, 2.0 * prior))
            .collect();
        Self {
            actions,
            positions: log.positions.clone(),
            cells,
        }
    }

    /// How many rates of an action at a position there are.
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// The rates of all actions at a position; at one that was never seen, their
    /// rates over all positions.
    pub fn at(&self, position: u32) -> &[f64] {
        let width = self.actions.len();
        match self.positions.binary_search(&position) {
            Ok(at) => &self.cells[at * width..(at + 1) * width],
            Err(_) => &self.actions,
        }
    }
}

/// What one decision says of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// The decision's cluster.
    pub cluster: u32,
    /// What it earned.
    pub reward: f64,
    /// How much more often the policy would have done the same: its probability
    /// over the propensity.
    pub weight: f64,
    /// What the reward model predicts of what was done.
    pub predicted: f64,
    /// What the reward model predicts of the policy: its rewards, weighed by the
    /// policy's probabilities.
    pub direct: f64,
}

/// What a log says of a policy, decision by decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    rows: Vec<Term>,
}

impl Terms {
    /// Asks a policy and a reward model about every decision. Both fill a slice
    /// with a number for each action: the policy's probability, the predicted
    /// reward. They are given the decision's row, so that they can look up its
    /// context; what was chosen and what it earned is not theirs to look at.
    ///
    /// # Errors
    /// Every row whose probabilities are no distribution, within [`TOLERANCE`],
    /// or whose predictions aren't finite, such as `policy[3]` and `model[3]`.
    pub fn new(
        log: &Log,
        mut policy: impl FnMut(usize, &Decision, &mut [f64]),
        mut model: impl FnMut(usize, &Decision, &mut [f64]),
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let mut probabilities = vec![0.0; log.actions as usize];
        let mut rewards = vec![0.0; log.actions as usize];
        let mut rows = Vec::with_capacity(log.decisions.len());
        for (row, decision) in log.decisions.iter().enumerate() {
            policy(row, decision, &mut probabilities);
            model(row, decision, &mut rewards);
            check_distribution(row, &probabilities, &mut faults);
            let direct = probabilities.iter().zip(&rewards).map(|(p, r)| p * r).sum();
            let action = decision.action as usize;
            if !rewards.iter().all(|reward| reward.is_finite()) {
                let cause = "a predicted reward is not finite";
                let path = format!("model[{row}]");
                faults.push(Fault::new(&codes::REWARD_NOT_FINITE, path, cause));
            }
            rows.push(Term {
                cluster: decision.cluster,
                reward: decision.reward,
                weight: probabilities[action] / decision.propensity,
                predicted: rewards[action],
                direct,
            });
        }
        faults.into_result(Self { rows })
    }

    /// The policy that made the log: every estimate is the mean reward.
    pub fn as_logged(log: &Log) -> Self {
        let rows = log.decisions.iter().map(|decision| Term {
            cluster: decision.cluster,
            reward: decision.reward,
            weight: 1.0,
            predicted: decision.reward,
            direct: decision.reward,
        });
        Self {
            rows: rows.collect(),
        }
    }

    /// Row by row, in the order of the log.
    pub fn rows(&self) -> &[Term] {
        &self.rows
    }

    /// Rows that count as much as ours with their unequal weights (Kish 1965):
    /// from 0, when the policy does nothing that was logged, to the number of
    /// rows.
    pub fn effective_rows(&self) -> f64 {
        let sum: f64 = self.rows.iter().map(|row| row.weight).sum();
        let squares: f64 = self.rows.iter().map(|row| row.weight * row.weight).sum();
        if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        }
    }

    /// The share of all weight that the ten rows of the largest weight hold, from
    /// 0 to 1: near 1, ten accidents decide.
    pub fn top10_share(&self) -> f64 {
        let mut weights: Vec<f64> = self.rows.iter().map(|row| row.weight).collect();
        weights.sort_by(f64::total_cmp);
        let sum: f64 = weights.iter().sum();
        let top: f64 = weights.iter().rev().take(10).sum();
        if sum > 0.0 { top / sum } else { 0.0 }
    }

    /// Rows that the policy might have made too and that were rewarded.
    pub fn rewarded_rows(&self) -> usize {
        let counts = |row: &&Term| row.weight > 0.0 && row.reward != 0.0;
        self.rows.iter().filter(counts).count()
    }

    /// All estimates of the policy's mean reward per decision.
    pub fn evaluate(&self, options: &Options) -> Evaluation {
        let cap = options.cap.unwrap_or((self.rows.len() as f64).sqrt());
        let rows = self.rows.iter().map(|row| {
            let surprise = row.reward - row.predicted;
            let kept = if row.weight <= cap { row.weight } else { 0.0 };
            let columns = [
                1.0,
                row.weight,
                row.weight * row.reward,
                row.weight.min(cap) * row.reward,
                row.direct,
                row.direct + row.weight * surprise,
                row.direct + kept * surprise,
            ];
            (row.cluster, columns)
        });
        let clusters = Clusters::new(rows);
        let [ips, clipped, snips, direct, dr, switch] = clusters.estimates(
            options.draws,
            options.seed,
            |[n, weight, ips, clipped, direct, dr, switch]| {
                let snips = ratio(*ips, *weight);
                [ips / n, clipped / n, snips, direct / n, dr / n, switch / n]
            },
        );
        Evaluation {
            rows: self.rows.len(),
            clusters: clusters.len(),
            ips,
            clipped,
            snips,
            direct,
            dr,
            switch,
            cap,
            effective_rows: self.effective_rows(),
            top10_share: self.top10_share(),
        }
    }
}

/// A self-normalised mean; 0 where there is no weight at all.
pub(crate) fn ratio(sum: f64, weight: f64) -> f64 {
    sum / weight.max(1e-9)
}

/// How estimates are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Draws of the bootstrap.
    pub draws: u32,
    /// Fixes them.
    pub seed: u64,
    /// The largest weight that `clipped` and `switch` trust; the square root of
    /// the number of rows (Ionides 2008) unless another is given.
    pub cap: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            draws: DRAWS,
            seed: 1,
            cap: None,
        }
    }
}

/// Estimates of a policy's mean reward per decision, each with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Decisions.
    pub rows: usize,
    /// What was shown together: impressions.
    pub clusters: usize,
    /// Rewards weighed by how much more often the policy would have done the same
    /// (Horvitz and Thompson 1952): unbiased, of large variance.
    pub ips: Estimate,
    /// The same with weights capped (Ionides 2008): too low for rewards of 0 or
    /// more, of less variance.
    pub clipped: Estimate,
    /// Over the sum of the weights (Swaminathan and Joachims 2015): a weighted
    /// mean of rewards, so adding a number to all rewards adds it to the estimate.
    pub snips: Estimate,
    /// What the reward model says of the policy: as wrong as the model is, and its
    /// interval doesn't know how wrong that is.
    pub direct: Estimate,
    /// The same, corrected by the weighed surprises of the log (Dudik, Langford
    /// and Li 2011): unbiased whatever the model, of less variance if it is good.
    pub dr: Estimate,
    /// Corrected only where the weight isn't above the cap (Wang, Agarwal and
    /// Dudik 2017).
    pub switch: Estimate,
    /// The cap.
    pub cap: f64,
    /// [`Terms::effective_rows`].
    pub effective_rows: f64,
    /// [`Terms::top10_share`].
    pub top10_share: f64,
}

/// Whether what a policy gives for a row adds up to 1.
pub(crate) fn check_distribution(row: usize, probabilities: &[f64], faults: &mut Faults) {
    let sum: f64 = probabilities.iter().sum();
    let negative = probabilities.iter().any(|p| *p < 0.0);
    // The comparison is false for NaN, which is what we want.
    let adds_up = (sum - 1.0).abs() <= TOLERANCE;
    if negative || !adds_up {
        let cause = match negative {
            true => "a probability is negative".to_owned(),
            false => format!("the probabilities add up to {sum}"),
        };
        let path = format!("policy[{row}]");
        faults.push(Fault::new(&codes::NOT_A_DISTRIBUTION, path, cause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use shelfedge_commerce::exposure::{Outcome, join};
    use shelfedge_commerce::rng::Rng;
    use shelfedge_commerce::{EXPOSURE_VERSION, Timestamp};

    const ACTIONS: usize = 5;
    /// Click rates of actions at the first position; half of them at the second.
    const RATES: [f64; ACTIONS] = [0.05, 0.1, 0.15, 0.2, 0.3];
    /// What made the log.
    const LOGGED: [f64; ACTIONS] = [0.4, 0.25, 0.15, 0.1, 0.1];
    /// What is asked about.
    const ASKED: [f64; ACTIONS] = [0.05, 0.1, 0.15, 0.3, 0.4];

    fn rate(action: usize, position: u32) -> f64 {
        RATES[action] / f64::from(1 + position)
    }

    /// A made-up log: impressions of two entries each. A shopper in a good mood
    /// clicks on both more often, so that impressions are clusters.
    fn log(impressions: u32, seed: u64) -> Log {
        let mut rng = Rng::new(seed, 77);
        let mut decisions = Vec::new();
        for cluster in 0..impressions {
            let mood = if rng.unit64() < 0.5 { 0.5 } else { 1.5 };
            for position in 0..2 {
                let mut u = rng.unit64();
                let action = LOGGED.iter().position(|p| {
                    u -= p;
                    u < 0.0
                });
                let action = action.unwrap_or(ACTIONS - 1);
                let clicked = rng.unit64() < mood * rate(action, position);
                decisions.push(Decision {
                    cluster,
                    action: action as u32,
                    position,
                    reward: f64::from(u8::from(clicked)),
                    propensity: LOGGED[action],
                });
            }
        }
        Log::new(decisions, ACTIONS as u32).unwrap()
    }

    fn asked(_: usize, _: &Decision, out: &mut [f64]) {
        out.copy_from_slice(&ASKED);
    }

    fn terms(log: &Log, model: &Rates) -> Terms {
        let fill =
            |_: usize, d: &Decision, out: &mut [f64]| out.copy_from_slice(model.at(d.position));
        Terms::new(log, asked, fill).unwrap()
    }

    /// What the policy earns: mean over both positions.
    fn truth() -> f64 {
        let of = |position| -> f64 { (0..ACTIONS).map(|a| ASKED[a] * rate(a, position)).sum() };
        (of(0) + of(1)) / 2.0
    }

    #[test]
    fn intervals_cover_the_truth_and_estimates_are_unbiased() {
        const LOGS: u32 = 300;
        let options = Options {
            draws: 300,
            ..Options::default()
        };
        // The reward model comes from a log of its own.
        let model = Rates::fit(&log(500, 9_999), 200.0);
        let truth = truth();
        let mut covered = [0u32; 4];
        let mut sums = [0.0; 4];
        let mut squares = [0.0; 4];
        for seed in 0..LOGS {
            let terms = terms(&log(600, seed.into()), &model);
            let found = terms.evaluate(&options);
            let all = [found.ips, found.snips, found.dr, found.switch];
            for (at, estimate) in all.iter().enumerate() {
                covered[at] += u32::from((estimate.low..=estimate.high).contains(&truth));
                sums[at] += estimate.value - truth;
                squares[at] += (estimate.value - truth).powi(2);
            }
        }
        for at in 0..4 {
            let share = f64::from(covered[at]) / f64::from(LOGS);
            assert!((0.90..=0.99).contains(&share), "{covered:?}");
            // No bias beyond four standard errors.
            let bias = sums[at] / f64::from(LOGS);
            let error = (squares[at]).sqrt() / f64::from(LOGS);
            assert!(bias.abs() < 4.0 * error, "{at}: {bias} {error}");
        }
    }

    #[test]
    fn a_good_model_makes_doubly_robust_precise_and_a_bad_one_does_no_harm() {
        let options = Options {
            draws: 1,
            ..Options::default()
        };
        // With rewards that are their expectations, only chance in the choice is
        // left, and a perfect model takes that away too.
        let spread = |model: &dyn Fn(usize, u32) -> f64| {
            let mut squares = [0.0; 2];
            for seed in 0..60 {
                let mut log = log(300, seed);
                for decision in &mut log.decisions {
                    decision.reward = rate(decision.action as usize, decision.position);
                }
                let fill = |_: usize, d: &Decision, out: &mut [f64]| {
                    for (action, out) in out.iter_mut().enumerate() {
                        *out = model(action, d.position);
                    }
                };
                let found = Terms::new(&log, asked, fill).unwrap().evaluate(&options);
                squares[0] += (found.ips.value - truth()).powi(2);
                squares[1] += (found.dr.value - truth()).powi(2);
            }
            squares
        };
        let [ips, perfect] = spread(&rate);
        assert!(perfect < 1e-20 * ips, "{perfect} {ips}");
        let [ips, close] = spread(&|action, position| 0.9 * rate(action, position));
        assert!(close < 0.02 * ips, "{close} {ips}");
        // A model that knows nothing is inverse propensity weighting.
        let [ips, nothing] = spread(&|_, _| 0.0);
        assert_eq!(nothing, ips);
    }

    #[test]
    fn a_constant_added_to_rewards_is_added_to_snips() {
        let plain = log(400, 3);
        let mut shifted = plain.clone();
        for decision in &mut shifted.decisions {
            decision.reward += 2.0;
        }
        let model = Rates::fit(&plain, 200.0);
        let options = Options::default();
        let (a, b) = (
            terms(&plain, &model).evaluate(&options),
            terms(&shifted, &model).evaluate(&options),
        );
        for (a, b) in [
            (a.snips.value, b.snips.value),
            (a.snips.low, b.snips.low),
            (a.snips.high, b.snips.high),
        ] {
            assert!((b - a - 2.0).abs() < 1e-9, "{a} {b}");
        }
        assert!((b.ips.value - a.ips.value - 2.0).abs() > 1e-3);
    }

    #[test]
    fn the_logged_policy_is_worth_the_mean_reward() {
        let log = log(200, 5);
        let found = Terms::as_logged(&log).evaluate(&Options::default());
        let mean = log.decisions.iter().map(|d| d.reward).sum::<f64>() / 400.0;
        for estimate in [
            found.ips,
            found.clipped,
            found.snips,
            found.direct,
            found.dr,
            found.switch,
        ] {
            assert!((estimate.value - mean).abs() < 1e-12);
        }
        assert_eq!((found.rows, found.clusters), (400, 200));
        assert_eq!(found.effective_rows, 400.0);
        assert!((found.top10_share - 0.025).abs() < 1e-12);
    }

    #[test]
    fn by_hand() {
        let decision = |cluster, action, reward, propensity| Decision {
            cluster,
            action,
            position: 1,
            reward,
            propensity,
        };
        let decisions = vec![
            decision(0, 0, 1.0, 0.5),
            decision(0, 1, 0.0, 0.25),
            decision(1, 0, 0.0, 0.5),
            decision(2, 1, 1.0, 0.25),
        ];
        let log = Log::new(decisions, 2).unwrap();
        // Weights 0.4, 3.2, 0.4, 3.2; the model says 0.5 and 0.25, so directly
        // 0.2 x 0.5 + 0.8 x 0.25 = 0.3.
        let terms = Terms::new(
            &log,
            |_, _, out| out.copy_from_slice(&[0.2, 0.8]),
            |_, _, out| out.copy_from_slice(&[0.5, 0.25]),
        )
        .unwrap();
        let found = terms.evaluate(&Options {
            cap: Some(2.0),
            ..Options::default()
        });
        let check = |estimate: Estimate, expected: f64| {
            assert!(
                (estimate.value - expected).abs() < 1e-12,
                "{estimate} {expected}"
            );
        };
        check(found.ips, 3.6 / 4.0);
        check(found.clipped, 2.4 / 4.0);
        check(found.snips, 3.6 / 7.2);
        check(found.direct, 0.3);
        // Surprises: 0.5, -0.25, -0.5, 0.75.
        check(found.dr, 0.3 + (0.2 - 0.8 - 0.2 + 2.4) / 4.0);
        check(found.switch, 0.3 + (0.2 - 0.2) / 4.0);
        assert!((found.effective_rows - 7.2 * 7.2 / 20.8).abs() < 1e-12);
        assert!((found.top10_share - 1.0).abs() < 1e-12);
        assert_eq!(found.clusters, 3);
        assert_eq!(terms.rewarded_rows(), 2);
    }

    #[test]
    fn rates_are_shrunk_twice() {
        let decision = |action, position, reward| Decision {
            cluster: 0,
            action,
            position,
            reward,
            propensity: 1.0,
        };
        let decisions = vec![
            decision(0, 1, 1.0),
            decision(0, 1, 0.0),
            decision(0, 3, 0.0),
            decision(1, 1, 0.0),
        ];
        let rates = Rates::fit(&Log::new(decisions, 3).unwrap(), 10.0);
        let first = (1.0 + 10.0 * 0.25) / 13.0;
        let second = 10.0 * 0.25 / 11.0;
        let close = |found: &[f64], expected: [f64; 3]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        };
        close(rates.at(2), [first, second, 0.25]);
        close(
            rates.at(1),
            [(1.0 + 20.0 * first) / 22.0, 20.0 * second / 21.0, 0.25],
        );
        close(rates.at(3), [20.0 * first / 21.0, second, 0.25]);
    }

    #[test]
    fn every_fault_at_once() {
        let decision = |action, reward, propensity| Decision {
            cluster: 0,
            action,
            position: 0,
            reward,
            propensity,
        };
        let bad = vec![
            decision(2, 0.0, 0.0),
            decision(0, f64::NAN, 1.5),
            decision(1, 0.0, f64::NAN),
            decision(1, 0.0, 1e-200),
        ];
        let faults = Log::new(bad, 2).expect_err("faults");
        expect![[r#"
            decisions[0].action: it is 2, and there are 2 [action_unknown]. Number the actions from 0, and count all that either policy can choose.
            decisions[0].propensity: the propensity is 0 [propensity_out_of_range]. Record the probability with which the entry was shown at its position.
            decisions[1].propensity: the propensity is 1.5 [propensity_out_of_range]. Record the probability with which the entry was shown at its position.
            decisions[1].reward: the reward is NaN [reward_not_finite]. Find the division that made it; send 0 for what wasn't rewarded.
            decisions[2].propensity: the propensity is NaN [propensity_out_of_range]. Record the probability with which the entry was shown at its position.
            decisions[3].propensity: the propensity is 1e-200 [propensity_tiny]. Leave out what is shown once in a million million times; let every choice keep a larger chance."#]]
        .assert_eq(&faults.to_string());
        assert_eq!(Log::new(Vec::new(), 2).expect_err("empty").len(), 1);
        let far = vec![decision(0, 0.0, 1.0)];
        assert_eq!(Log::new(far, u32::MAX).expect_err("large").len(), 1);

        let log = Log::new(vec![decision(0, 0.0, 0.5); 4], 2).unwrap();
        let faults = Terms::new(
            &log,
            |row, _, out| {
                let first = [0.5, 0.7, -0.5, f64::NAN][row];
                out.copy_from_slice(&[first, if row == 2 { 1.5 } else { 0.5 }]);
            },
            |_, _, out| out.fill(0.0),
        )
        .expect_err("no distributions");
        let paths: Vec<_> = faults.iter().map(|f| (f.path.as_str(), f.code)).collect();
        expect![[r#"
            [
                (
                    "policy[1]",
                    "not_a_distribution",
                ),
                (
                    "policy[2]",
                    "not_a_distribution",
                ),
                (
                    "policy[3]",
                    "not_a_distribution",
                ),
            ]
        "#]]
        .assert_debug_eq(&paths);
    }

    #[test]
    fn exposures_joined_with_outcomes_are_a_log() {
        let exposure = |id: &str, products: &[&str]| Exposure {
            version: EXPOSURE_VERSION,
            id: id.parse().expect(id),
            time: Timestamp(1_000),
            list: "home".parse().expect("a list"),
            shopper: None,
            session: None,
            model: String::new(),
            arm: String::new(),
            entries: (0..)
                .zip(products)
                .map(|(position, product)| ExposureEntry {
                    product: product.parse().expect(product),
                    position,
                    propensity: 0.5,
                    score: None,
                })
                .collect(),
        };
        let outcome = |event: &str, exposure: &str, product: &str| Outcome {
            version: EXPOSURE_VERSION,
            event: event.parse().expect(event),
            kind: OutcomeKind::Click,
            time: Timestamp(1_500),
            product: product.parse().expect(product),
            shopper: None,
            session: None,
            exposure: Some(exposure.parse().expect(exposure)),
            list: None,
            value: None,
        };
        let exposures = [exposure("x1", &["b", "a"]), exposure("x2", &["c", "b"])];
        let outcomes = [
            outcome("e1", "x2", "b"),
            outcome("e2", "x2", "b"),
            outcome("e3", "x1", "c"),
        ];
        let joined = join(&exposures, &outcomes, 1_000);
        let (log, products) = Log::of_joined(&joined, OutcomeKind::Click, |_, _| true).unwrap();
        let ids: Vec<_> = products.iter().map(|p| p.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let short: Vec<_> = log
            .decisions()
            .iter()
            .map(|d| (d.cluster, d.action, d.position, d.reward))
            .collect();
        assert_eq!(
            short,
            [
                (0, 1, 0, 0.0),
                (0, 0, 1, 0.0),
                (1, 2, 0, 0.0),
                (1, 1, 1, 1.0)
            ]
        );
    }
}
