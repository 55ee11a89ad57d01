//! The shopper's profile.

use expect_test::expect;
use proptest::prelude::*;
use shelfedge_commerce::{Consent, Timestamp};
use shelfedge_wire::Limits;
use shelfedge_wire::profile::Profile;

use crate::events::event;
use crate::rank::short;

#[test]
fn an_empty_profile() {
    let profile = Profile {
        shopper: None,
        consent: Consent::NONE,
        exported: None,
        events: Vec::new(),
    };
    let json = profile.to_json();
    expect![[r#"{"kind":"shelfedge.profile","version":1,"shopper":null,"consent":{"personalisation":false,"storage":false,"analytics":false},"exported":null,"events":[]}"#]].assert_eq(&String::from_utf8_lossy(&json));
    assert_eq!(Profile::parse(&json, &Limits::default()), Ok(profile));
}

#[test]
fn every_fault_at_once() {
    let faults = |text: &str| {
        short(&Profile::parse(text.as_bytes(), &Limits::default()).expect_err("faults"))
    };
    expect![[r#"
        kind format_unknown: the file isn't a profile of this program
        version format_unknown: 2 was found and 1 expected
        shopper id_empty: the id is empty
        consent.storage wrong_type: true or false was expected and a number found
        consent field_unknown: there is no field "all"
        exported time_malformed: "x" is not an RFC 3339 time
        events[0].name field_missing: the field is missing
        events[0].time field_missing: the field is missing
        - field_unknown: there is no field "more"
    "#]].assert_eq(&faults(
        r#"{"kind":"shelfedge.order","version":2,"shopper":"","consent":{"storage":1,"all":true},"exported":"x","events":[{}],"more":0}"#,
    ));
    expect![[r#"
        kind field_missing: the field is missing
        version field_missing: the field is missing
        events field_missing: the field is missing
    "#]]
    .assert_eq(&faults("{}"));
    expect![[r#"
        - wrong_type: an object was expected and a list found
    "#]]
    .assert_eq(&faults("[]"));
}

proptest! {
    #[test]
    fn written_and_read_back(
        events in prop::collection::vec(event(), 0..4),
        consent in any::<[bool; 3]>(),
        shopper in prop::option::of("[a-z0-9]{1,64}"),
        exported in prop::option::of(0..4_000_000_000_000i64),
    ) {
        let profile = Profile {
            shopper: shopper.map(|id| id.parse().expect("an id")),
            consent: Consent {
                personalisation: consent[0],
                storage: consent[1],
                analytics: consent[2],
            },
            exported: exported.map(Timestamp),
            events,
        };
        prop_assert_eq!(Profile::parse(&profile.to_json(), &Limits::default()), Ok(profile));
    }
}
