//! Events into the store: idempotent, bounded, at most one write per shopper.

use crate::common::{NOW_MS, Shop, code, event, json, show};
use shelfedge_commerce::Timestamp;
use shelfedge_commerce::id::ShopperId;
use shelfedge_edge::profile::{MAX_PROFILE_BYTES, Profile};

const TIME: &str = "2011-12-10T09:00:00Z";

fn profile(shop: &Shop, shopper: &str) -> Profile {
    let value = &shop.store.values[&format!("profile/{shopper}")];
    Profile::decode(value, &ShopperId::new(shopper).unwrap()).unwrap()
}

fn ids(profile: &Profile) -> Vec<&str> {
    profile
        .events()
        .iter()
        .map(|stored| stored.event.id.as_ref().unwrap().as_str())
        .collect()
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
    assert_eq!(ids(&profile(&shop, "a")), ["1", "3"]);
    assert_eq!(ids(&profile(&shop, "b")), ["2"]);
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
fn events_in_any_order_and_again_are_the_same_profile() {
    let events: Vec<_> = [7, 3, 14, 0, 9]
        .map(|m| {
            let time = format!("2011-12-10T09:{m:02}:00Z");
            event("a", &format!("e{m}"), &time, "view_item", "p")
        })
        .into();
    let stored = |batches: &[Vec<String>]| {
        let mut shop = Shop::new().set("min_write_interval_ms", "0");
        for events in batches {
            let response = shop.post("/v1/events", &batch(events.clone()));
            assert_eq!(response.status, 202, "{}", show(&response));
        }
        shop.store.values["profile/a"].clone()
    };
    let once = stored(std::slice::from_ref(&events));
    let mut reversed = events.clone();
    reversed.reverse();
    let [first, rest] = [events[..2].to_vec(), events[1..].to_vec()];
    let twice = [events.clone(), events.clone()].concat();
    for batches in [vec![reversed], vec![rest, first, events], vec![twice]] {
        assert_eq!(stored(&batches), once);
    }
}

#[test]
fn a_shopper_with_more_events_than_are_kept_is_bounded_by_the_newest() {
    let mut shop = Shop::new().set("min_write_interval_ms", "0");
    let most = 500;
    let one = |n: usize| {
        let time = Timestamp(NOW_MS - 60_000 * (5 * most - n) as i64).to_string();
        event("a", &format!("e{n}"), &time, "view_item", "85123A")
    };
    // A batch has at most so many events, a body at most so many bytes.
    let response = shop.post("/v1/events", &batch((0..most + 1).map(one)));
    assert_eq!(response.status, 422, "{}", show(&response));
    assert_eq!(json(&response)["faults"][0]["code"], "too_many");
    let response = shop.post(
        "/v1/events",
        &batch((0..5 * most).cycle().take(20 * most).map(one)),
    );
    assert_eq!(
        (response.status, code(&response).as_str()),
        (413, "body_too_large")
    );
    assert!(shop.store.values.is_empty());
    // In whatever order they come.
    for round in [2, 4, 0, 3, 1] {
        let body = batch((round * most..(round + 1) * most).map(one));
        let response = shop.post("/v1/events", &body);
        assert_eq!(response.status, 202, "{}", show(&response));
        assert_eq!(profile(&shop, "a").events().len(), most);
    }
    let newest: Vec<_> = (4 * most..5 * most).map(|n| format!("e{n}")).collect();
    assert_eq!(ids(&profile(&shop, "a")), newest);
    if shop.models.ranking.is_some() {
        let response = shop.post("/v1/rank", r#"{"shopper":"a","limit":3}"#);
        assert_eq!(response.status, 200, "{}", show(&response));
    }
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
    let expected: Vec<_> = (5..15).map(|m| format!("e{m}")).collect();
    assert_eq!(ids(&profile(&shop, "a")), expected);
    // One that had to go stays gone when it is sent again, and costs no write.
    let writes = shop.store.writes;
    let body = event("a", "e0", "2011-12-10T09:00:00Z", "view_item", "p");
    assert_eq!(shop.post("/v1/events", &body).status, 202);
    assert_eq!(ids(&profile(&shop, "a")), expected);
    assert_eq!(shop.store.writes, writes);
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
    let kept = ids(&profile);
    assert!(kept.len() > 50 && kept.len() < 200);
    // The newest is still there.
    assert_eq!(kept.last(), Some(&"r4-39"));
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
        good.replace("/web", ""),
        good.replace("/web", &"w".repeat(257)),
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
fn the_same_id_from_two_sources_is_two_events() {
    let mut shop = Shop::new();
    let web = event("a", "1", TIME, "view_item", "p");
    let app = web.replace("/web", "/app");
    let response = shop.post("/v1/events", &batch([web.clone(), app.clone()]));
    assert_eq!(
        String::from_utf8_lossy(&response.body),
        r#"{"accepted":2,"repeated":0}"#
    );
    let again = shop.post("/v1/events", &batch([app, web]));
    assert_eq!(
        String::from_utf8_lossy(&again.body),
        r#"{"accepted":0,"repeated":2}"#
    );
    assert_eq!(shop.store.writes, 1);
    let profile = profile(&shop, "a");
    let sources: Vec<_> = profile.events().iter().map(|it| &it.source).collect();
    assert_eq!(sources, ["/app", "/web"]);
}

#[test]
fn both_events_of_an_id_count_in_a_ranking() {
    // Within the visit, where what was looked at counts.
    const MINUTES_AGO: &str = "2011-12-10T09:58:00Z";
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let rank = |shop: &mut Shop, shopper: &str| {
        let body = format!(r#"{{"shopper":"{shopper}","limit":10}}"#);
        json(&shop.post("/v1/rank", &body))["items"].clone()
    };
    let first = event("one", "1", MINUTES_AGO, "view_item", "85123A");
    let second = event("one", "1", MINUTES_AGO, "view_item", "71053").replace("/web", "/app");
    // The same two events with an id each.
    let both = batch(
        [&first, &second.replace(r#""id":"1""#, r#""id":"2""#)].map(|it| it.replace("one", "two")),
    );
    assert_eq!(shop.post("/v1/events", &both).status, 202);
    assert_eq!(shop.post("/v1/events", &first).status, 202);
    let expected = rank(&mut shop, "two");
    assert_ne!(rank(&mut shop, "one"), expected);
    shop.clock.unix_ms.set(NOW_MS + 500);
    assert_eq!(shop.post("/v1/events", &second).status, 202);
    shop.clock.unix_ms.set(NOW_MS);
    assert_eq!(rank(&mut shop, "one"), expected);
}

#[test]
fn a_store_that_breaks_in_the_middle_says_how_far_it_came() {
    for break_late in [false, true] {
        let mut shop = Shop::new();
        // Known before, so that nothing is left to write for this shopper.
        let known = event("d", "1", TIME, "view_item", "p");
        assert_eq!(shop.post("/v1/events", &known).status, 202);
        shop.store.break_after = Some(2);
        shop.store.break_late = break_late;
        let body = batch(["a", "b", "c", "d"].map(|s| event(s, "1", TIME, "view_item", "p")));
        let response = shop.post("/v1/events", &body);
        assert_eq!(
            (response.status, code(&response).as_str()),
            (503, "store_unavailable")
        );
        assert_eq!(response.header("retry-after"), Some("1"));
        let problem = json(&response);
        assert_eq!(
            problem["progress"],
            serde_json::json!({"stored": ["a", "d"], "unsure": ["b"], "not_stored": ["c"]})
        );
        assert_eq!(
            problem["detail"],
            "the store went away; the events of 2 shoppers are stored, of 1 perhaps, of 1 not"
        );
        // What it says is so.
        assert_eq!(ids(&profile(&shop, "a")), ["1"]);
        assert_eq!(ids(&profile(&shop, "d")), ["1"]);
        assert_eq!(shop.store.values.contains_key("profile/b"), break_late);
        assert!(!shop.store.values.contains_key("profile/c"));
        // Sent again at once, it is as if it had gone through the first time.
        shop.store.break_after = None;
        let response = shop.post("/v1/events", &body);
        let new = if break_late { 1 } else { 2 };
        assert_eq!(
            json(&response),
            serde_json::json!({"accepted": new, "repeated": 4 - new})
        );
        for shopper in ["a", "b", "c", "d"] {
            assert_eq!(ids(&profile(&shop, shopper)), ["1"]);
        }
    }
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
    assert_eq!(
        json(&response)["progress"],
        serde_json::json!({"stored": [], "unsure": [], "not_stored": ["a"]})
    );
    // A ranking does without, and says so.
    if shop.models.ranking.is_some() {
        let response = shop.post("/v1/rank", r#"{"shopper":"a","limit":1}"#);
        assert_eq!(response.status, 200, "{}", show(&response));
        let timing = response.header("server-timing").unwrap();
        assert!(timing.contains(";desc=\"unavailable\""), "{timing}");
    }
}
