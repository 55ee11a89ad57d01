//! What the fuzz target runs: a state of any bytes, and choices from it. A test of
//! the crate includes this file and runs it on mutated states.

use shelfedge_ranking::explore::{
    Belief, Counts, Learner, Linear, MAX_DIMENSIONS, MAX_LEARNER_BYTES, Plan, Policy, State,
    Thompson, chances, choose,
};

/// Any bytes as counts, as a linear model, as both, or as what a list learns. Whether
/// they are one.
pub(crate) fn state(bytes: &[u8]) -> bool {
    if let Ok(learner) = Learner::from_bytes(bytes) {
        assert_eq!(learner.to_bytes(), bytes);
        assert!(bytes.len() <= MAX_LEARNER_BYTES);
        assert_eq!(Learner::read_state(bytes).as_ref(), Ok(learner.state()));
        return state(&learner.state().to_bytes());
    }
    if let Ok(both) = State::from_bytes(bytes) {
        assert_eq!(both.to_bytes(), bytes);
        return true;
    }
    let Ok(counts) = Counts::from_bytes(bytes) else {
        return (1..=MAX_DIMENSIONS).any(|dimensions| linear(bytes, dimensions));
    };
    assert_eq!(counts.to_bytes(), bytes);
    if let Ok(prior) = Belief::prior(0.01, 100.0) {
        let beliefs = counts
            .iter()
            .map(|(product, _)| counts.belief(product, prior));
        try_out(&Thompson::new(&beliefs.take(5).collect::<Vec<_>>()));
    }
    true
}

fn linear(bytes: &[u8], dimensions: usize) -> bool {
    let Ok(linear) = Linear::from_bytes(bytes, dimensions) else {
        return false;
    };
    assert_eq!(linear.to_bytes(), bytes);
    // A state that is nearly singular may be refused here.
    let contexts = [[0.5; MAX_DIMENSIONS], [-1.0; MAX_DIMENSIONS]];
    let contexts: Vec<f64> = contexts
        .iter()
        .flat_map(|c| &c[..dimensions])
        .copied()
        .collect();
    if let Ok(bounds) = linear.bounds(&contexts, 1.0) {
        try_out(&bounds);
    }
    true
}

fn try_out(policy: &impl Policy) {
    let Ok(plan) = Plan::new(vec![0, 2], 0.1) else {
        return;
    };
    let members = policy.members();
    for (rank, choice) in choose(policy, &plan, 7).iter().enumerate() {
        let chances = chances(policy, &plan, rank);
        assert_eq!(choice.propensity, chances[choice.member] as f32);
        assert!(f64::from(choice.propensity) > 0.999 * plan.floor(members));
        assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
