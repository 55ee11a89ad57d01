//! What the edge stores of a shopper.

use expect_test::expect;
use proptest::prelude::*;
use shelfedge_commerce::Timestamp;
use shelfedge_wire::Limits;
use shelfedge_wire::stored::{StoredEvent, StoredProfile};

use crate::events::event;
use crate::rank::short;

pub(crate) const STORED: &str = r#"{"kind":"shelfedge.stored_profile","version":1,"shopper":"c17850","written":"2011-12-10T10:00:00.250Z","events":[{"source":"/web","name":"view_item","time":"2011-12-10T09:00:00Z","id":"e1","params":{"currency":"GBP","items":[{"item_id":"85123A","quantity":1,"price":2.55}]}}]}"#;

#[test]
fn the_form_is_the_one_that_is_written() {
    let profile = StoredProfile::parse(STORED.as_bytes(), &Limits::default()).expect("a profile");
    assert_eq!(String::from_utf8_lossy(&profile.to_json()), STORED);
}

#[test]
fn every_fault_at_once() {
    let faults = |text: &str| {
        short(&StoredProfile::parse(text.as_bytes(), &Limits::default()).expect_err("faults"))
    };
    expect![[r#"
        kind format_unknown: the value isn't a stored profile
        version format_unknown: 2 was found and 1 expected
        shopper id_empty: the id is empty
        written time_malformed: "x" is not an RFC 3339 time
        events[0].source text_empty: the source is empty
        events[0].name field_missing: the field is missing
        events[0].time field_missing: the field is missing
        events[1].source field_missing: the field is missing
        events[2].source field_missing: the field is missing
        events[3] wrong_type: an object was expected and a number found
        - field_unknown: there is no field "more"
    "#]]
    .assert_eq(&faults(
        r#"{"kind":"shelfedge.profile","version":2,"shopper":"","written":"x","events":[{"source":""},{"name":"search","time":"2011-12-10T09:00:00Z"},{"source":null,"name":"search","time":"2011-12-10T09:00:00Z"},5],"more":0}"#,
    ));
    expect![[r#"
        kind field_missing: the field is missing
        version field_missing: the field is missing
        shopper field_missing: the field is missing
        written field_missing: the field is missing
        events field_missing: the field is missing
    "#]]
    .assert_eq(&faults("{}"));
    expect![[r#"
        kind field_missing: the field is missing
        version field_missing: the field is missing
        shopper field_missing: the field is missing
        written field_missing: the field is missing
        events field_missing: the field is missing
    "#]]
    .assert_eq(&faults(
        r#"{"kind":null,"version":null,"shopper":null,"written":null,"events":null}"#,
    ));
    expect![[r#"
        - wrong_type: an object was expected and a list found
    "#]]
    .assert_eq(&faults("[]"));
}

proptest! {
    #[test]
    fn written_and_read_back(
        events in prop::collection::vec(("\\PC{1,40}", event()), 0..4),
        shopper in "[a-z0-9]{1,64}",
        written in 0..4_000_000_000_000i64,
    ) {
        let profile = StoredProfile {
            shopper: shopper.parse().expect("an id"),
            written: Timestamp(written),
            events: events
                .into_iter()
                .map(|(source, event)| StoredEvent { source, event })
                .collect(),
        };
        prop_assert_eq!(
            StoredProfile::parse(&profile.to_json(), &Limits::default()),
            Ok(profile)
        );
    }
}
