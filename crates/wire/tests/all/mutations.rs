//! Whatever the bytes, a parser answers: with a value that can be used, or with
//! faults that can be sent.

use proptest::prelude::*;
use shelfedge_ranking::Workspace;
use shelfedge_wire::rank;

#[path = "../../fuzz/src/body.rs"]
mod body;

use crate::answers::ANSWERS;
use crate::events::CLOUDEVENT;
use crate::explore::EXPLORE;
use crate::model::{DIGEST, ranker};
use crate::policy::POLICY;
use crate::rank::REQUEST;
use crate::rerank::RERANK;
use crate::stored::STORED;

/// Pieces that change the meaning of JSON.
pub(crate) const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "0.5",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\\",
    "\"items\":",
    "\"price\":",
    "\u{0}",
    "茶",
    "\"currency\":\"JPY\",",
    "\"now\":\"9999-12-31T23:59:59Z\",",
];

pub(crate) fn mutate(text: &str, changes: &[(prop::sample::Index, usize, usize)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, piece, cut) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + cut).min(bytes.len());
        let piece = PIECES
            .get(*piece)
            .map_or(&b""[..], |piece| piece.as_bytes());
        bytes.splice(at..end, piece.iter().copied());
    }
    bytes
}

fn read_all(bytes: &[u8]) {
    if let Some(request) = body::rank(bytes) {
        // What was accepted can be answered.
        let answer = rank::respond(&ranker(), &request, DIGEST, &mut Workspace::default());
        match answer {
            Ok(answer) => drop(serde_json::from_slice::<serde_json::Value>(&answer).expect("JSON")),
            // But for what this model doesn't know: of its products, and to ask.
            Err(problem) => {
                let unknown = [
                    "attribute_unknown",
                    "question_unknown",
                    "answer_unknown",
                    "policy_missing",
                ];
                let mut faults = problem.faults.iter();
                assert!(
                    request.now.is_none() || faults.all(|it| unknown.contains(&it.code)),
                    "{problem}"
                );
            }
        }
    }
    body::events(bytes);
    body::stored(bytes);
    body::profile(bytes);
    body::manifest(bytes);
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, usize)>> {
    // One piece number too many stands for a deletion.
    let change = (any::<prop::sample::Index>(), 0..=PIECES.len(), 0..12usize);
    prop::collection::vec(change, 1..5)
}

proptest! {
    #[test]
    fn mutated_requests(changes in changes()) {
        read_all(&mutate(REQUEST, &changes));
    }

    #[test]
    fn mutated_requests_for_reranking(changes in changes()) {
        read_all(&mutate(RERANK, &changes));
        read_all(&mutate(ANSWERS, &changes));
    }

    #[test]
    fn mutated_requests_for_exploration(changes in changes()) {
        read_all(&mutate(EXPLORE, &changes));
        read_all(&mutate(POLICY, &changes));
    }

    #[test]
    fn mutated_stored_profiles(changes in changes()) {
        read_all(&mutate(STORED, &changes));
    }

    #[test]
    fn mutated_events(changes in changes(), batch in any::<bool>()) {
        let text = if batch { format!("[{CLOUDEVENT},{CLOUDEVENT}]") } else { CLOUDEVENT.to_owned() };
        read_all(&mutate(&text, &changes));
    }

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_pieces(pieces in prop::collection::vec(0..PIECES.len(), 0..30)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        read_all(text.as_bytes());
    }
}

#[test]
fn every_prefix() {
    for text in [REQUEST, RERANK, EXPLORE, ANSWERS, CLOUDEVENT, STORED] {
        for end in 0..text.len() {
            read_all(&text.as_bytes()[..end]);
        }
    }
}
