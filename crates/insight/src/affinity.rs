//! A reward model for shoppers of whom it is known which products they like, and
//! the policy that it makes.
//!
//! Few shoppers like anything that is known, and they click several times as often,
//! whatever they see; most often on what they like. Two factors on the rates say
//! so, and can be counted from some tens of clicks.

use crate::policy::{Log, Rates};

/// The strength of the belief that a factor is 1, in rewards.
const STRENGTH: f64 = 1.0;

/// Rates of actions and positions, for shoppers who like nothing that is known, and
/// factors for the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    rates: Rates,
    /// For all actions, when a shopper likes any.
    any: f64,
    /// Besides, for the actions that the shopper likes.
    own: f64,
}

impl Affine {
    /// Fits a log. `likes` gives the actions that a row's shopper likes, `prior` is
    /// that of [`Rates::fit`]. The factors are rewards over what the rates expect,
    /// each with one reward more on both sides: posterior means of Gamma priors.
    pub fn fit<'a>(log: &Log, likes: impl Fn(usize) -> &'a [u32], prior: f64) -> Self {
        let rows = 0..log.decisions().len();
        let plain = |row| likes(row).is_empty();
        // Where all shoppers like something, the factor for that says nothing.
        let rates = match rows.clone().any(plain) {
            true => Rates::fit_where(log, prior, plain),
            false => Rates::fit(log, prior),
        };
        let (mut of_any, mut of_own) = ((STRENGTH, STRENGTH), (0.0, 0.0));
        for (row, decision) in log.decisions().iter().enumerate() {
            let expected = rates.at(decision.position)[decision.action as usize];
            let likes = likes(row);
            let (rewards, of) = if likes.contains(&decision.action) {
                &mut of_own
            } else if likes.is_empty() {
                continue;
            } else {
                &mut of_any
            };
            *rewards += decision.reward;
            *of += expected;
        }
        let any = of_any.0 / of_any.1;
        let own = (of_own.0 + STRENGTH) / (any * of_own.1 + STRENGTH);
        Self { rates, any, own }
    }

    /// How many numbers it is made of: the rates, and two factors.
    pub fn numbers(&self) -> usize {
        self.rates.cells() + 2
    }

    /// The factors: for all actions when a shopper likes any, and besides for
    /// those.
    pub fn factors(&self) -> (f64, f64) {
        (self.any, self.own)
    }

    /// The expected reward of each action at a position, for a shopper who likes
    /// these: at most 1.
    pub fn fill(&self, position: u32, likes: &[u32], out: &mut [f64]) {
        let any = if likes.is_empty() { 1.0 } else { self.any };
        for (out, rate) in out.iter_mut().zip(self.rates.at(position)) {
            *out = (any * rate).min(1.0);
        }
        for action in likes {
            if let Some(out) = out.get_mut(*action as usize) {
                *out = (*out * self.own).min(1.0);
            }
        }
    }
}

/// Turns expected rewards into a policy: each to a whole power, over their sum, and
/// a share `epsilon` (0 to 1) spread evenly. The softmax of so many times the
/// logarithms, without one.
pub fn soften(rewards: &mut [f64], power: u32, epsilon: f64) {
    let largest = rewards.iter().fold(0.0_f64, |a, b| a.max(*b));
    let mut sum = 0.0;
    for reward in rewards.iter_mut() {
        let relative = if largest > 0.0 {
            *reward / largest
        } else {
            1.0
        };
        *reward = (0..power).fold(1.0, |product, _| product * relative);
        sum += *reward;
    }
    let even = epsilon / rewards.len() as f64;
    for reward in rewards {
        *reward = (1.0 - epsilon) * *reward / sum + even;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Decision;
    use shelfedge_commerce::rng::Rng;

    #[test]
    fn factors_are_found_and_few_rewards_leave_them_near_one() {
        // Nine in ten like nothing; the others like one of four products. They
        // click three times as often, and twice as often again on that one.
        let log = |rows: u32| {
            let mut rng = Rng::new(3, 3);
            let mut likes = Vec::new();
            let decisions = (0..rows).map(|cluster| {
                let liked = (rng.below(10) == 0).then(|| rng.below(4) as u32);
                likes.push(Vec::from_iter(liked));
                let action = rng.below(4) as u32;
                let factor = match liked {
                    None => 1.0,
                    Some(liked) if liked == action => 6.0,
                    Some(_) => 3.0,
                };
                Decision {
                    cluster,
                    action,
                    position: 0,
                    reward: f64::from(u8::from(rng.unit64() < 0.05 * factor)),
                    propensity: 0.25,
                }
            });
            let log = Log::new(decisions.collect(), 4).unwrap();
            (log, likes)
        };
        let (many, likes) = log(40_000);
        let fitted = Affine::fit(&many, |row| &likes[row], 200.0);
        let (any, own) = fitted.factors();
        assert!(
            (any - 3.0).abs() < 0.4 && (own - 2.0).abs() < 0.4,
            "{any} {own}"
        );
        let (few, likes) = log(30);
        let (any, own) = Affine::fit(&few, |row| &likes[row], 200.0).factors();
        assert!(
            (0.5..2.0).contains(&any) && (0.5..2.0).contains(&own),
            "{any} {own}"
        );

        let mut rewards = [0.0; 4];
        fitted.fill(0, &[2], &mut rewards);
        assert!(rewards[2] > 1.5 * rewards[1] && rewards[1] > 0.1);
        fitted.fill(7, &[], &mut rewards);
        assert!(
            rewards.iter().all(|r| (0.03..0.07).contains(r)),
            "{rewards:?}"
        );
    }

    #[test]
    fn where_all_like_something_rates_come_from_all() {
        let decision = Decision {
            cluster: 0,
            action: 0,
            position: 0,
            reward: 1.0,
            propensity: 1.0,
        };
        let log = Log::new(vec![decision; 10], 2).unwrap();
        let fitted = Affine::fit(&log, |_| &[0], 10.0);
        let mut rewards = [0.0; 2];
        fitted.fill(0, &[0], &mut rewards);
        assert!(rewards.iter().all(|r| r.is_finite() && *r <= 1.0));
    }

    #[test]
    fn policies_by_hand() {
        let mut policy = [0.1, 0.2, 0.0];
        soften(&mut policy, 3, 0.1);
        let expected = [0.9 / 9.0 + 0.1 / 3.0, 0.8 + 0.1 / 3.0, 0.1 / 3.0];
        for (found, expected) in policy.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{policy:?}");
        }
        let mut nothing = [0.0; 4];
        soften(&mut nothing, 3, 0.1);
        assert_eq!(nothing, [0.25; 4]);
    }
}
