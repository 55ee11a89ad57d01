//! What the fuzz target runs: any bytes as a learnt policy, and moments made of the same
//! bytes. A test of the crate includes this file and runs it on mutated files.

use shelfedge_assistant::dialogue::policy::{Action, FEATURES, Moment, Policy};

/// Any bytes as a policy. Whether they are one.
pub(crate) fn policy(bytes: &[u8]) -> bool {
    let Some(policy) = Policy::read(bytes) else {
        return false;
    };
    assert_eq!(policy.write(), bytes, "another policy was read");
    for which in 1..1 << Action::ALL.len() {
        let moment = Moment {
            features: std::array::from_fn::<f32, { FEATURES.len() }, _>(|i| {
                f32::from(bytes[(i + which) % bytes.len()]) / 255.0
            }),
            allowed: std::array::from_fn(|i| which & (1 << i) != 0),
            rule: Action::Follow,
        };
        if let Some(action) = policy.choose(&moment) {
            let at = Action::ALL.iter().position(|it| *it == action);
            assert!(moment.allowed[at.unwrap_or(0)], "{action:?} isn't allowed");
        }
    }
    true
}
