//! The learnt policy's file: damage, and weights beyond all bounds.

#[path = "../fuzz/src/policy.rs"]
mod body;

use shelfedge_assistant::dialogue::policy::Policy;
use shelfedge_commerce::rng::Rng;

#[test]
fn damaged_files_are_none_or_a_policy_that_chooses_what_is_allowed() {
    let seed = include_bytes!("../../../models/assistant/policy.bin");
    assert!(body::policy(seed));
    for cut in (0..seed.len()).step_by(3) {
        assert!(!body::policy(&seed[..cut]), "{cut}");
    }
    let mut rng = Rng::new(7, 0);
    let (mut read, mut refused) = (0, 0);
    for round in 0..4000 {
        let most = if round % 2 == 0 { seed.len() } else { 24 };
        let mut bad = seed.to_vec();
        for _ in 0..=rng.below(6) {
            bad[rng.below(most)] = rng.next_u64() as u8;
        }
        match body::policy(&bad) {
            true => read += 1,
            false => refused += 1,
        }
    }
    assert!(read > 100 && refused > 100, "{read} {refused}");
}

#[test]
fn weights_beyond_all_bounds_leave_it_to_the_rules_or_choose_what_is_allowed() {
    for weight in [f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
        let weights: Vec<f32> = (0..Policy::size(5))
            .map(|i| if i % 2 == 0 { weight } else { -weight })
            .collect();
        let policy = Policy::new(0.0, 5, weights).expect("a policy");
        assert!(body::policy(&policy.write()));
    }
}

#[cfg(all(feature = "compile", feature = "simulate"))]
#[path = "judge/mod.rs"]
mod judge;

/// Two lines of the table that the example `policy` writes, of the policy that is committed:
/// a change of flows, dialogue, texts or models that moves them asks for it to be learnt anew.
#[cfg(all(feature = "compile", feature = "simulate"))]
#[test]
fn the_committed_policy_is_worth_what_the_table_says() {
    use judge::{LEAST, Way, Words, dialogue, intent, models, texts};
    use std::cell::RefCell;

    let dialogue = dialogue();
    let heard = intent(&models("intent"));
    let words = Words {
        said: texts(&models("assistant/data/held_out.csv")),
        flows: dialogue.flows(),
        intent: &heard,
        heard: RefCell::default(),
    };
    let bytes = std::fs::read(models("assistant/policy.bin")).expect("a policy");
    let policy = Policy::read(&bytes).expect("a policy");
    assert_eq!(policy.least.to_bits(), LEAST.to_bits());
    let table = std::fs::read_to_string(models("../tests/ratchet/dialogue_policy.txt"));
    let table = table.expect("a table");
    let mut rules = Vec::new();
    for (name, chooser) in [("rules", None), ("network .5", Some(&policy))] {
        let way = Way {
            name,
            begins: 2.0,
            chooser,
        };
        let found = way.judged(&dialogue, &words, &mut rules);
        assert!(
            table.contains(&found),
            "found, which the table doesn't have (learn it again: crates/assistant/README.md):\n{found}{table}"
        );
    }
}
