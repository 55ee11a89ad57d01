//! Double deep Q-learning (van Hasselt, Guez and Silver 2016) from logged
//! trajectories alone.
//!
//! The value of what follows is that of the action which the network finds best, as a
//! second network says that trails the first. Offline nobody tries what the network
//! only believes in; so the loss has a part that grows with the value of actions which
//! weren't taken (conservative Q-learning: Kumar, Zhou, Tucker and Levine 2020).

use shelfedge_features::visits::{ACTIONS, Action, WIDTH};

use super::Settings;
use super::log::Trajectory;
use super::net::{Adam, Weights};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::watch::Watch;

/// Share of the way that the second network goes to the first with each step.
const TRAIL: f32 = 0.01;

/// A decision, and the state that came after it, if there was one.
struct Transition {
    state: [f32; WIDTH],
    action: usize,
    reward: f32,
    next: Option<[f32; WIDTH]>,
}

/// Learns the values of actions, in a unit in which a usual reward is about 1. What comes after the last
/// decision of a trajectory counts for nothing, as in the estimates that judge it.
pub(super) fn learn(
    log: &[&Trajectory],
    settings: &Settings,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Weights> {
    let unit = unit(log);
    let transitions: Vec<Transition> = log
        .iter()
        .flat_map(|trajectory| {
            let decisions = &trajectory.decisions;
            decisions.iter().enumerate().map(|(at, d)| Transition {
                state: d.state,
                action: d.action as usize,
                reward: (d.reward / unit) as f32,
                next: decisions.get(at + 1).map(|next| next.state),
            })
        })
        .collect();
    let mut weights = Weights::new(settings.hidden, seed);
    let mut trailing = weights.clone();
    let mut adam = Adam::new(&weights);
    let mut rng = Rng::new(seed, 0xD0E2);
    let discount = settings.discount as f32;
    let scale = 1.0 / settings.batch as f32;
    let (mut loss, mut told) = (0.0f64, 0.0f64);
    for step in 0..settings.steps {
        let mut gradient = weights.zeros();
        for _ in 0..settings.batch {
            let t = &transitions[rng.below(transitions.len())];
            let after = t.next.as_ref().map_or(0.0, |next| {
                let chosen = Action::best(&weights.values(next));
                trailing.values(next)[chosen as usize]
            });
            let target = t.reward + discount * after;
            weights.backward(&t.state, &mut gradient, |values| {
                let miss = values[t.action] - target;
                loss += f64::from(huber(miss));
                let most = values.iter().fold(f32::MIN, |a, b| a.max(*b));
                let exponents = values.map(|v| (v - most).exp());
                let sum: f32 = exponents.iter().sum();
                let mut out = [0.0; ACTIONS];
                for (out, exponent) in out.iter_mut().zip(exponents) {
                    *out = scale * settings.conservative * exponent / sum;
                }
                // The slope of Huber's loss.
                out[t.action] += scale * (miss.clamp(-1.0, 1.0) - settings.conservative);
                out
            });
            told += 1.0;
        }
        // From the whole rate down to a tenth of it.
        let done = step as f32 / settings.steps as f32;
        let rate = settings.rate * (1.0 - 0.9 * done);
        adam.step(&mut weights, &gradient, rate);
        for (trail, w) in trailing.numbers_mut().zip(weights.numbers()) {
            *trail += TRAIL * (w - *trail);
        }
        if step % 100 == 0 {
            if !loss.is_finite() || !weights.numbers().all(|w| w.is_finite()) {
                return Err(Error::fault(
                    "learning_diverged",
                    "rate",
                    format!("the loss of step {step} is no number"),
                    "choose a smaller rate",
                ));
            }
            let note = format!("loss {:.4}", loss / told);
            watch.step("learning", step as u64, settings.steps as u64, &note);
            (loss, told) = (0.0, 0.0);
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    // The mean of the last steps, in effect.
    Ok(trailing.shipped())
}

/// The mean size of a reward: values are of about one a decision, so that one learning
/// rate does for every shop.
fn unit(log: &[&Trajectory]) -> f64 {
    let rewards = || log.iter().flat_map(|t| &t.decisions).map(|d| d.reward);
    let size: f64 = rewards().map(f64::abs).sum();
    match size > 0.0 {
        true => size / rewards().count().max(1) as f64,
        false => 1.0,
    }
}

fn huber(miss: f32) -> f32 {
    let size = miss.abs();
    if size <= 1.0 {
        0.5 * miss * miss
    } else {
        size - 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::log::Decision;
    use crate::policy::rules::Policy;
    use crate::watch::Silent;

    /// Two states. In the first, `Explore` earns nothing and leads to the second, where
    /// `Exploit` earns 3; `Exploit` earns 1 and ends. Greed for the next reward is wrong.
    #[test]
    fn what_pays_later_is_learnt() {
        let state = |at: usize| {
            let mut state = [0.0; WIDTH];
            state[at] = 1.0;
            state
        };
        let mut rng = Rng::new(9, 0);
        let log: Vec<Trajectory> = (0..600)
            .map(|_| {
                let mut decisions = Vec::new();
                let mut push = |state, action, reward| {
                    decisions.push(Decision {
                        state,
                        action,
                        propensity: 1.0 / 3.0,
                        reward,
                    });
                };
                let first = Action::ALL[rng.below(3)];
                push(
                    state(1),
                    first,
                    f64::from(u8::from(first == Action::Exploit)),
                );
                if first == Action::Explore {
                    let second = Action::ALL[rng.below(3)];
                    let earned = if second == Action::Exploit { 3.0 } else { 0.0 };
                    push(state(2), second, earned);
                }
                Trajectory { decisions }
            })
            .collect();
        let settings = Settings {
            hidden: 16,
            steps: 1_500,
            batch: 32,
            rate: 3e-3,
            discount: 0.9,
            ..Settings::default()
        };
        let log: Vec<&Trajectory> = log.iter().collect();
        let weights = learn(&log, &settings, 1, &mut Silent).expect("weights");
        let again = learn(&log, &settings, 1, &mut Silent).expect("weights");
        assert_eq!(weights, again, "one seed, the same bytes");
        let values = weights.values(&state(1));
        // 1, 0.9 x 3 and 0.
        let unit = unit(&log) as f32;
        for (value, right) in values
            .map(|value| unit * value)
            .into_iter()
            .zip([1.0, 2.7, 0.0])
        {
            assert!((value - right).abs() < 0.35, "{values:?}");
        }
        let policy = Policy::Learnt { weights, even: 0.3 };
        let chances = policy.probabilities(&state(1));
        assert!((chances[1] - 0.8).abs() < 1e-9 && (chances[0] - 0.1).abs() < 1e-9);
        assert!(policy.probabilities(&state(2))[0] > 0.79);
    }
}
