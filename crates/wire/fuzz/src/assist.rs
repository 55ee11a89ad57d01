//! Any bytes as a request to converse, as the text of a state and as what is inside it: the
//! answer is JSON, or faults that can be sent. The tests of the crate include this file.

use std::sync::OnceLock;

use shelfedge_assistant::{Assistant, TurnBuffers};
use shelfedge_commerce::Faults;
use shelfedge_wire::assist::{self, Around, Asked, Done, Request};
use shelfedge_wire::seal::{Conversation, Seal};
use shelfedge_wire::{Limits, Problem};

const MODEL: &[u8] = include_bytes!("../../../../models/chat/model.shelf");
const KEY: &[u8] = b"a key of more than thirty-two bytes";

fn usable(faults: Faults) {
    assert!(!faults.is_empty());
    let problem = Problem::from(faults);
    let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
    assert!((400..500).contains(&problem.status), "{json}");
}

fn answered(request: &Request, conversation: &Conversation, seal: Seal<'_>) {
    static ASSISTANT: OnceLock<Assistant<&[u8]>> = OnceLock::new();
    let assistant = ASSISTANT.get_or_init(|| Assistant::open(MODEL).expect("a bundle of ours"));
    let around = Around {
        model: "sha256:0",
        seal,
        now: 1_700_000_000_000,
    };
    let buffers = &mut TurnBuffers::default();
    match assist::respond(assistant, request, conversation, &around, buffers) {
        Ok(answer) => {
            let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
            if let Some(state) = answer["state"].as_str() {
                let back = Conversation::unseal(state, seal, around.now).expect("ours");
                assert_eq!(
                    (back.id, back.turn),
                    (conversation.id, conversation.turn.saturating_add(1))
                );
            }
        }
        Err(faults) => usable(faults),
    }
}

/// A request, under both seals.
pub(crate) fn request(bytes: &[u8]) {
    let request = match assist::parse(bytes, &Limits::default()) {
        Ok(request) => request,
        Err(faults) => return usable(faults),
    };
    for seal in [Seal::Plain, Seal::Signed(KEY)] {
        let around = Around {
            model: "",
            seal,
            now: 0,
        };
        match request.conversation(&around, [7; 16]) {
            Ok(conversation) => answered(&request, &conversation, seal),
            Err(faults) => usable(faults),
        }
    }
}

/// A state: its text, and what is inside it.
pub(crate) fn state(bytes: &[u8]) {
    if let Ok(text) = core::str::from_utf8(bytes) {
        assert!(
            Conversation::unseal(text, Seal::Signed(KEY), 0).is_err(),
            "a forged state"
        );
        let _ = Conversation::unseal(text, Seal::Plain, 0);
    }
    let conversation = Conversation {
        state: bytes.to_vec(),
        ..Conversation::default()
    };
    let done = Done {
        call: 1,
        name: "found".to_owned(),
        ..Done::default()
    };
    for asked in [
        Asked::Said("yes, order 123456".to_owned()),
        Asked::Done(done),
        Asked::Silence,
        Asked::Handover(Vec::new()),
    ] {
        let request = Request {
            now: None,
            state: None,
            again: false,
            asked,
        };
        answered(&request, &conversation, Seal::Plain);
    }
}
