//! Events into the store: idempotent, bounded, at most one write per shopper.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

mod common;

use common::{NOW_MS, Shop, code, event, json, show};
use shelfedge_edge::profile::{MAX_PROFILE_BYTES, Profile};

const TIME: &str = "2011-12-10T09:00:00Z";

fn profile(shop: &Shop, shopper: &str) -> Profile {
    Profile::decode(&shop.store.values[&format!("profile/{shopper}")]).unwrap()
}

fn batch(events: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", events.into_iter().collect::<Vec<_>>().join(","))
}

#[test]
fn a_batch_is_one_write_per_shopper() {
    let mut shop = Shop::new();
    let body = batch([
        event("a", "1", TIME, "view_item", "p"),
        event("b", "2", TIME, "view_item", "p"),
        event("a", "3", TIME, "add_to_cart", "p"),
        event("a", "3", TIME, "add_to_cart", "p"),
    ]);
    let response = shop.post("/v1/events", &body);
    assert_eq!(response.status, 202, "{}", show(&response));
    assert_eq!(
        String::from_utf8_lossy(&response.body),
        r#"{"accepted":3,"repeated":1}"#
    );
    assert_eq!((shop.store.reads, shop.store.writes), (2, 2));
    let ids: Vec<_> = profile(&shop, "a")
        .events
        .iter()
        .map(|e| e.id.as_ref().unwrap().as_str().to_owned())
        .collect();
    assert_eq!(ids, ["1", "3"]);
    assert_eq!(profile(&shop, "b").events.len(), 1);
}

#[test]
fn the_same_batch_again_writes_nothing() {
    let mut shop = Shop::new();
    let body = event("a", "1", TIME, "view_item", "p");
    assert_eq!(shop.post("/v1/events", &body).status, 202);
    let before = shop.store.values.clone();
    // At once, and so within the interval: known events are never shed.
    let again = shop.post("/v1/events", &body);
    assert_eq!(again.status, 202, "{}", show(&again));
    assert_eq!(json(&again)["repeated"], 1);
    assert_eq!(shop.store.values, before);
    assert_eq!(shop.store.writes, 1);
}

#[test]
fn writes_past_the_budget_are_shed_whole() {
    let mut shop = Shop::new().set("max_writes_per_batch", "2");
    let body = batch(["a", "b", "c"].map(|s| event(s, "1", TIME, "view_item", "p")));
    let response = shop.post("/v1/events", &body);
    assert_eq!(response.status, 422);
    assert_eq!(json(&response)["faults"][0]["code"], "too_many");
    assert_eq!((shop.store.reads, shop.store.writes), (0, 0));

    // A shopper who was written a moment ago: nothing of the batch is written.
    assert_eq!(
        shop.post("/v1/events", &event("b", "1", TIME, "view_item", "p"))
            .status,
        202
    );
    let body = batch(["a", "b"].map(|s| event(s, "2", TIME, "view_item", "p")));
    let response = shop.post("/v1/events", &body);
    assert_eq!(
        (response.status, code(&response).as_str()),
        (503, "write_budget_exceeded")
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(shop.store.writes, 1);
    // Later the same batch goes through.
    shop.clock.unix_ms.set(NOW_MS + 500);
    assert_eq!(shop.post("/v1/events", &body).status, 202);
    assert_eq!(shop.store.writes, 3);
    // A clock that went back shuts nobody out.
    shop.clock.unix_ms.set(NOW_MS - 86_400_000);
    let body = event("b", "3", TIME, "view_item", "p");
    assert_eq!(shop.post("/v1/events", &body).status, 202);
}

#[test]
fn the_oldest_events_go_first() {
    let mut shop = Shop::new()
        .set("max_stored_events", "10")
        .set("min_write_interval_ms", "0");
    // Sent in no order; kept by time.
    let minutes = [7, 3, 14, 0, 9, 1, 12, 5, 10, 2, 13, 4, 8, 6, 11];
    for chunk in minutes.chunks(4) {
        let body = batch(chunk.iter().map(|m| {
            event(
                "a",
                &format!("e{m}"),
                &format!("2011-12-10T09:{m:02}:00Z"),
                "view_item",
                "p",
            )
        }));
        assert_eq!(shop.post("/v1/events", &body).status, 202);
    }
    let kept: Vec<_> = profile(&shop, "a")
        .events
        .iter()
        .map(|e| e.id.as_ref().unwrap().as_str().to_owned())
        .collect();
    let expected: Vec<_> = (5..15).map(|m| format!("e{m}")).collect();
    assert_eq!(kept, expected);
    // One that had to go stays gone when it is sent again.
    let body = event("a", "e0", "2011-12-10T09:00:00Z", "view_item", "p");
    assert_eq!(shop.post("/v1/events", &body).status, 202);
    let kept = profile(&shop, "a").events;
    assert_eq!(kept.len(), 10);
    assert!(kept.iter().all(|e| e.id.as_ref().unwrap().as_str() != "e0"));
}

#[test]
fn a_profile_never_outgrows_its_value() {
    let mut shop = Shop::new()
        .set("max_stored_events", "5000")
        .set("min_write_interval_ms", "0")
        .set("max_body_bytes", "8000000");
    let items: Vec<_> = (0..100)
        .map(|n| format!(r#"{{"item_id":"product-with-a-long-identifier-{n:030}"}}"#))
        .collect();
    let items = items.join(",");
    for round in 0..5 {
        let body = batch((0..40).map(|n| {
            format!(
                r#"{{"specversion":"1.0","id":"r{round}-{n}","source":"/web","type":"shelfedge.event.v1","time":"2011-12-10T0{round}:{n:02}:00Z","subject":"a","data":{{"name":"view_item_list","params":{{"items":[{items}]}}}}}}"#
            )
        }));
        let response = shop.post("/v1/events", &body);
        assert_eq!(response.status, 202, "{}", show(&response));
        assert!(shop.store.values["profile/a"].len() <= MAX_PROFILE_BYTES);
    }
    let profile = profile(&shop, "a");
    assert!(profile.events.len() > 50 && profile.events.len() < 200);
    // The newest is still there.
    let last = profile.events.last().unwrap();
    assert_eq!(last.id.as_ref().unwrap().as_str(), "r4-39");
}

#[test]
fn bad_batches_store_nothing() {
    let mut shop = Shop::new();
    let good = event("a", "1", TIME, "view_item", "p");
    for bad in [
        good.replace("1.0", "0.3"),
        good.replace("shelfedge.event.v1", "other"),
        good.replace(TIME, "soon"),
        good.replace(TIME, "2011-12-11T10:00:01Z"),
        good.replace("view_item", "stare"),
        good.replace(r#""subject":"a","#, ""),
        good.replace(r#""id":"1","#, ""),
        format!("[{good},{}]", good.replace(TIME, "soon")),
        "[".to_owned(),
        "3".to_owned(),
    ] {
        let response = shop.post("/v1/events", &bad);
        assert!(
            [400, 422].contains(&response.status),
            "{bad}: {}",
            show(&response)
        );
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert!(shop.store.values.is_empty());
    let mut shop = shop.set("store_profiles", "false");
    let response = shop.post("/v1/events", &good);
    assert_eq!(
        (response.status, code(&response).as_str()),
        (403, "profiles_off")
    );
}

#[test]
fn faults_have_their_place_in_a_batch_and_alone() {
    let late = event("a", "1", "2012-12-10T09:00:00Z", "view_item", "p");
    let late = late.replace(r#""subject":"a","#, "");
    for (body, places) in [
        (late.clone(), ["time", "subject"]),
        (format!(" [{late}]"), ["[0].time", "[0].subject"]),
    ] {
        let response = Shop::new().post("/v1/events", &body);
        assert_eq!(response.status, 422);
        let problem = json(&response);
        let found: Vec<_> = problem["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| fault["path"].as_str().unwrap())
            .collect();
        assert_eq!(found, places);
    }
}

#[test]
fn a_store_that_breaks_in_the_middle_says_how_far_it_came() {
    let mut shop = Shop::new();
    shop.store.break_after = Some(1);
    let body = batch(["a", "b", "c"].map(|s| event(s, "1", TIME, "view_item", "p")));
    let response = shop.post("/v1/events", &body);
    assert_eq!(response.status, 503);
    let detail = json(&response)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1 of 3 profiles were written"), "{detail}");
    // Sent again, it is as if it had gone through at once.
    shop.store.break_after = None;
    let response = shop.post("/v1/events", &body);
    assert_eq!(
        String::from_utf8_lossy(&response.body),
        r#"{"accepted":2,"repeated":1}"#
    );
    assert_eq!(shop.store.values.len(), 3);
}

#[test]
fn a_broken_store_is_a_problem_that_passes() {
    let mut shop = Shop::new();
    shop.store.broken = true;
    let response = shop.post("/v1/events", &event("a", "1", TIME, "view_item", "p"));
    assert_eq!(
        (response.status, code(&response).as_str()),
        (503, "store_unavailable")
    );
    assert_eq!(response.header("retry-after"), Some("1"));
    // A ranking does without, and says so.
    if shop.model.is_some() {
        let response = shop.post("/v1/rank", r#"{"shopper":"a","limit":1}"#);
        assert_eq!(response.status, 200, "{}", show(&response));
        let timing = response.header("server-timing").unwrap();
        assert!(timing.contains(";desc=\"unavailable\""), "{timing}");
    }
}
