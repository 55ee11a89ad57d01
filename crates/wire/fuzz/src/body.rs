//! What the fuzz targets run on any bytes: a parser answers with a value that
//! can be used, or with faults that can be sent. The tests of the crate include
//! this file and run it on mutated texts.

use shelfedge_wire::manifest::Manifest;
use shelfedge_wire::profile::Profile;
use shelfedge_wire::stored::StoredProfile;
use shelfedge_wire::{Limits, Problem, events, rank};

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

/// A ranking request; what was accepted can be written and read back.
pub(crate) fn rank(bytes: &[u8]) -> Option<rank::Request> {
    let limits = Limits::default();
    match rank::parse(bytes, &limits) {
        Ok(request) => {
            let written = rank::write_request(&request);
            assert_eq!(rank::parse(&written, &limits).as_ref(), Ok(&request));
            Some(request)
        }
        Err(faults) => {
            usable(faults);
            None
        }
    }
}

/// CloudEvents, by what they are and by what they are said to be, and a list of
/// events.
pub(crate) fn events(bytes: &[u8]) {
    let limits = Limits::default();
    for content_type in [
        None,
        Some("application/cloudevents+json"),
        Some("application/cloudevents-batch+json"),
    ] {
        match events::parse(bytes, content_type, &limits) {
            Ok(received) => assert!(received.iter().all(|it| it.event.id.is_some()
                && (1..=events::MAX_SOURCE_BYTES).contains(&it.source.len()))),
            Err(faults) => usable(faults),
        }
    }
    match events::decode(bytes, &limits) {
        Ok(list) => assert_eq!(events::decode(&events::encode(&list), &limits), Ok(list)),
        Err(faults) => usable(faults),
    }
}

/// The value that an edge stores.
pub(crate) fn stored(bytes: &[u8]) {
    let limits = Limits::default();
    match StoredProfile::parse(bytes, &limits) {
        Ok(profile) => {
            let back = StoredProfile::parse(&profile.to_json(), &limits);
            assert_eq!(back, Ok(profile));
        }
        Err(faults) => usable(faults),
    }
}

/// The file that a shopper takes home.
pub(crate) fn profile(bytes: &[u8]) {
    let limits = Limits::default();
    match Profile::parse(bytes, &limits) {
        Ok(profile) => assert_eq!(Profile::parse(&profile.to_json(), &limits), Ok(profile)),
        Err(faults) => usable(faults),
    }
}

/// The manifest of a bundle.
pub(crate) fn manifest(bytes: &[u8]) {
    match Manifest::parse(bytes) {
        Ok(manifest) => assert_eq!(Manifest::parse(&manifest.to_json()), Ok(manifest)),
        Err(faults) => usable(faults),
    }
}
