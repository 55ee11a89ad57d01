//! Whatever the bytes, a parser answers: with a value that can be used, or with
//! faults that can be sent.

use proptest::prelude::*;
use shelfedge_ranking::Workspace;
use shelfedge_wire::manifest::Manifest;
use shelfedge_wire::profile::Profile;
use shelfedge_wire::{Limits, Problem, events, rank};

use crate::events::CLOUDEVENT;
use crate::model::{DIGEST, ranker};
use crate::rank::REQUEST;

/// Pieces that change the meaning of JSON.
const PIECES: &[&str] = &[
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

fn mutate(text: &str, changes: &[(prop::sample::Index, usize, usize)]) -> Vec<u8> {
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

fn usable(faults: shelfedge_commerce::Faults) {
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|fault| !fault.code.is_empty()
        && !fault.cause.is_empty()
        && !fault.action.is_empty()));
    let problem = Problem::from(faults);
    let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).expect("JSON");
    assert_eq!(json["status"], problem.status);
    assert!((400..500).contains(&problem.status));
}

fn read_all(bytes: &[u8]) {
    let limits = Limits::default();
    match rank::parse(bytes, &limits) {
        Ok(request) => {
            // What was accepted can be written, read back and answered.
            let written = rank::write_request(&request);
            assert_eq!(rank::parse(&written, &limits).as_ref(), Ok(&request));
            let answer = rank::respond(&ranker(), &request, DIGEST, &mut Workspace::default());
            match answer {
                Ok(answer) => {
                    drop(serde_json::from_slice::<serde_json::Value>(&answer).expect("JSON"))
                }
                Err(problem) => assert!(request.now.is_none(), "{problem}"),
            }
        }
        Err(faults) => usable(faults),
    }
    if let Err(faults) = events::parse(bytes, None, &limits) {
        usable(faults);
    }
    match events::decode(bytes, &limits) {
        Ok(list) => assert_eq!(events::decode(&events::encode(&list), &limits), Ok(list)),
        Err(faults) => usable(faults),
    }
    if let Err(faults) = Manifest::parse(bytes) {
        usable(faults);
    }
    if let Err(faults) = Profile::parse(bytes, &limits) {
        usable(faults);
    }
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
    for text in [REQUEST, CLOUDEVENT] {
        for end in 0..text.len() {
            read_all(&text.as_bytes()[..end]);
        }
    }
}
