//! Answers of a help desk, mutated; the addresses of its inboxes.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use shelfedge_wire::chatwoot::{Inbox, fuzz};
use shelfedge_wire::handover::Target;

use crate::mutations::{PIECES, mutate};

const ANSWERS: [&str; 4] = [
    r#"{"meta":{"count":1},"payload":[{"id":7,"email":null,"identifier":"shelfedge-00000000000000000000000000000000","contact_inboxes":[{"source_id":"a","inbox":{"id":7}}]}]}"#,
    r#"{"payload":{"contact":{"id":7,"identifier":"a"},"contact_inbox":{"source_id":"a","inbox":{"id":7}}}}"#,
    r#"{"payload":[{"meta":{"sender":{"id":1}},"id":4,"custom_attributes":{"handover":"msg_1"},"labels":["a"]}]}"#,
    r#"{"meta":{},"id":4,"messages":[{"id":1}],"status":"open"}"#,
];

#[test]
fn an_inbox_has_an_address() {
    let inbox = |url: &str| Inbox::parse(&Target::parse(url).unwrap(), "token");
    for good in [
        "https://desk.example/api/v1/accounts/3/inboxes/7",
        "https://desk.example/api/v1/accounts/3/inboxes/7/",
        "https://desk.example/help/api/v1/accounts/3/inboxes/70000",
    ] {
        assert!(inbox(good).is_ok(), "{good}");
        assert!(!format!("{:?}", inbox(good)).contains("token"));
    }
    for bad in [
        "https://desk.example/",
        "https://desk.example/api/v1/accounts/3",
        "https://desk.example/api/v1/accounts/a/inboxes/7",
        "https://desk.example/api/v1/accounts/3/inboxes/+7",
        "https://desk.example/api/v1/accounts/3/inboxes/",
        "https://desk.example/api/v1/accounts/3/inboxes/99999999999999999999",
        "https://desk.example/x?/api/v1/accounts/3/inboxes/7",
        "https://desk.example/accounts/3/inboxes/7",
    ] {
        assert!(inbox(bad).is_err(), "{bad}");
    }
    assert!(Inbox::check_token("abc-123").is_ok());
    for bad in ["", "two words", "new\nline", &"x".repeat(501)] {
        assert!(Inbox::check_token(bad).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_answers(
        which in 0..ANSWERS.len(),
        step in any::<u8>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..PIECES.len() + 4, 0..12_usize), 0..4),
    ) {
        let mut bytes = vec![step];
        bytes.extend(mutate(ANSWERS[which], &changes));
        fuzz(&bytes);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }
}
