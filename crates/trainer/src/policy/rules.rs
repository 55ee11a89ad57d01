//! Policies for whole lists: the learnt one, and those that it has to be better than.

use shelfedge_features::visits::{ACTIONS, Action, WIDTH};

use super::net::Weights;

/// A policy: from a state to the probabilities of the actions.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Policy {
    /// The same action, whatever the state.
    Always(Action),
    /// All actions alike.
    Uniform,
    /// Explores at the first visits, then exploits.
    ExploreFirst {
        /// Visits that explore.
        visits: u32,
    },
    /// The action of the largest value, and all alike with the share `even`, so that
    /// what is logged under it says something of the others, too.
    Learnt {
        /// What says the values.
        weights: Weights,
        /// From 0 to 1.
        even: f64,
    },
}

impl Policy {
    pub(super) fn probabilities(&self, state: &[f32; WIDTH]) -> [f64; ACTIONS] {
        let only = |action: Action| {
            let mut out = [0.0; ACTIONS];
            out[action as usize] = 1.0;
            out
        };
        match self {
            Self::Always(action) => only(*action),
            Self::Uniform => [1.0 / ACTIONS as f64; ACTIONS],
            Self::ExploreFirst { visits } => {
                // The state has n / (n + 3) for n visits.
                let count = *visits as f32 - 0.5;
                only(match state[0] < count / (count + 3.0) {
                    true => Action::Explore,
                    false => Action::Exploit,
                })
            }
            Self::Learnt { weights, even } => {
                let best = only(Action::best(&weights.values(state)));
                best.map(|p| (1.0 - even) * p + even / ACTIONS as f64)
            }
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Always(action) => format!("always {}", action.name()),
            Self::Uniform => "uniform".to_owned(),
            Self::ExploreFirst { visits: 1 } => "explore the first visit".to_owned(),
            Self::ExploreFirst { visits } => format!("explore the first {visits} visits"),
            Self::Learnt { .. } => "learnt".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_commerce::Timestamp;
    use shelfedge_features::visits::Visits;

    #[test]
    fn a_rule_counts_visits() {
        let rule = Policy::ExploreFirst { visits: 2 };
        let mut visits = Visits::default();
        let mut chosen = Vec::new();
        for visit in 0..4 {
            let chances = rule.probabilities(&visits.state(Timestamp(visit)));
            chosen.push(chances[Action::Explore as usize]);
            visits.push(Timestamp(visit), Action::Explore, &[]);
        }
        assert_eq!(chosen, [1.0, 1.0, 0.0, 0.0]);
    }
}
