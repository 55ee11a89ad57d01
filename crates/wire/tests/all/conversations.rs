//! Requests to converse and states, mutated.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

#[path = "../../fuzz/src/assist.rs"]
mod body;

use crate::mutations::{PIECES, mutate};

const REQUESTS: [&str; 4] = [
    include_str!("../../fuzz/seeds/assist.json"),
    include_str!("../../fuzz/seeds/said.json"),
    r#"{"handover":[{"who":"customer","text":"I'm anna@example.com"},{"who":"assistant","text":"Hello"}]}"#,
    r#"{"ask":"how much is the rabbit night light","state":"AAAA"}"#,
];

/// What is inside a state that waits for an order's number, once a call has listed some.
fn inside() -> Vec<u8> {
    use shelfedge_assistant::dialogue::{Item, Outcome};
    use shelfedge_assistant::{Assistant, Happened, TurnBuffers};
    let model = include_bytes!("../../../../models/chat/model.shelf");
    let assistant = Assistant::open(&model[..]).unwrap();
    let buffers = &mut TurnBuffers::default();
    let said = Happened::Said("where is my order?");
    let turn = assistant.turn(&[], 1_000, &said, buffers).unwrap();
    let items = [Item {
        kind: "order_number",
        value: "123456",
        label: "123456: a lamp",
    }];
    let listed = Happened::Done(Outcome {
        call: turn.output.call.unwrap().id,
        name: "found",
        facts: &[],
        items: &items,
    });
    let turn = assistant.turn(&turn.output.state, 2_000, &listed, buffers);
    turn.unwrap().output.state
}

#[test]
fn a_whole_state_goes_on() {
    body::state(&inside());
    for request in REQUESTS {
        body::request(request.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_requests(
        which in 0..REQUESTS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..PIECES.len() + 4, 0..12_usize), 0..4),
    ) {
        body::request(&mutate(REQUESTS[which], &changes));
    }

    #[test]
    fn mutated_states(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut state = inside();
        for (at, byte) in changes {
            let at = at.index(state.len());
            state[at] = byte;
        }
        if is_cut {
            state.truncate(cut.index(state.len()));
        }
        body::state(&state);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        body::request(&bytes);
        body::state(&bytes);
    }
}
