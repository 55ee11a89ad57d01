//! The edge component's HTTP interface, from outside: what it answers, and
//! that bad input is a problem document that says where and what, never a
//! broken connection.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use serde_json::{Value, json};
use shelfedge_tests::{RANKING, Response, Shop, cases};

fn golden() -> Option<Value> {
    let Some(cases) = cases(RANKING) else {
        shelfedge_tests::skip("models/ranking holds no bundle");
        return None;
    };
    Some(serde_json::from_slice(&cases[0].request).unwrap())
}

/// Checks the form that every problem shares and returns it.
fn problem(answer: &Response, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(
        answer.header("content-type").split(';').next(),
        Some("application/problem+json")
    );
    let problem = answer.json();
    for field in ["type", "title", "code"] {
        assert!(
            problem[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {problem}"
        );
    }
    assert_eq!(problem["status"], status);
    problem
}

/// A problem of input names the place, the cause and what to do.
fn faults(answer: &Response) -> Vec<(String, String)> {
    let problem = problem(answer, answer.status);
    let faults = problem["faults"]
        .as_array()
        .unwrap_or_else(|| panic!("{problem}"));
    assert!(!faults.is_empty(), "{problem}");
    faults
        .iter()
        .map(|fault| {
            for field in ["code", "path", "cause", "action"] {
                assert!(fault[field].is_string(), "{field}: {fault}");
            }
            (
                fault["code"].as_str().unwrap().to_owned(),
                fault["path"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn paths(answer: &Response) -> Vec<String> {
    faults(answer).into_iter().map(|(_, path)| path).collect()
}

#[test]
fn bad_rankings_are_problems_with_their_place() {
    let Some(good) = golden() else { return };
    let Some(shop) = Shop::start(&[]) else { return };

    // Malformed JSON.
    for body in [
        &b"{"[..],
        b"",
        b"[]",
        b"null",
        b"{\"limit\":}",
        b"\xff\xfe",
        b"{} {}",
    ] {
        let answer = shop.rank(body);
        assert!(
            (400..500).contains(&answer.status),
            "{body:?}: {}",
            answer.text()
        );
        problem(&answer, answer.status);
    }

    // 10,000 candidates: refused, not cut.
    let mut many = good.clone();
    many["candidates"] = (0..10_000).map(|index| format!("P{index}")).collect();
    let answer = shop.rank(many.to_string().as_bytes());
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(
        paths(&answer)
            .iter()
            .any(|path| path.contains("candidates"))
    );

    // An unknown product is told, not a failure.
    let mut unknown = good.clone();
    unknown["candidates"] = json!(["no such product"]);
    let answer = shop.rank(unknown.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["unknown"], json!(["no such product"]));
    assert_eq!(answer.json()["items"], json!([]));

    // Prices that are no numbers; JSON itself has no NaN.
    let price = |text: &str| {
        format!(
            r#"{{"now":"2011-12-01T10:00:00Z","events":[{{"name":"add_to_cart","time":"2011-11-30T10:00:00Z","params":{{"currency":"GBP","items":[{{"item_id":"85123A","quantity":1,"price":{text}}}]}}}}]}}"#
        )
    };
    assert_eq!(shop.rank(price("2.55").as_bytes()).status, 200);
    for text in [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "\"NaN\"",
        "2.555",
        "99999999999999999999",
    ] {
        let answer = shop.rank(price(text).as_bytes());
        assert!(
            (400..500).contains(&answer.status),
            "{text}: {}",
            answer.text()
        );
        problem(&answer, answer.status);
    }

    // Mixed currencies in one event.
    let mixed = r#"{"now":"2011-12-01T10:00:00Z","events":[{"name":"add_to_cart","time":"2011-11-30T10:00:00Z","params":{"currency":"USD","items":[{"item_id":"85123A","quantity":1,"price":2.55,"currency":"GBP"}]}}]}"#;
    let answer = shop.rank(mixed.as_bytes());
    problem(&answer, 422);
    assert!(
        faults(&answer)
            .iter()
            .any(|(code, _)| code == "currency_mixed"),
        "{}",
        answer.text()
    );

    // Every fault at once, each with its place.
    let bad = r#"{"now":"yesterday","limit":0,"candidates":["", "ok"],"events":[{"name":"purchase","time":"2011-11-30T10:00:00Z","params":{"items":[{"item_id":"A","quantity":-1}]}},{"name":"view_item","time":"never","params":{"items":[{"item_id":"A"}]}}]}"#;
    let answer = shop.rank(bad.as_bytes());
    let paths = paths(&answer);
    assert!(paths.len() >= 4, "all faults at once: {paths:?}");
    for place in ["now", "limit", "candidates[0]", "events[1].time"] {
        assert!(
            paths
                .iter()
                .any(|path| path.trim_start_matches("$.").starts_with(place)),
            "{place} is not among {paths:?}"
        );
    }
}

#[test]
fn a_body_of_5_mb_is_refused() {
    let Some(shop) = Shop::start(&[]) else { return };
    let body = vec![b' '; 5_000_000];
    for path in ["/v1/rank", "/v1/events"] {
        let answer = shop.ask("POST", path, &body);
        problem(&answer, 413);
    }
    // The shop is none the worse for it.
    assert_eq!(shop.ask("GET", "/healthz", b"").status, 200);
}

#[test]
fn wrong_methods_and_paths_are_problems() {
    let Some(shop) = Shop::start(&[]) else { return };
    problem(&shop.ask("GET", "/v1/rank", b""), 405);
    problem(&shop.ask("POST", "/v1/nothing", b"{}"), 404);
}

#[test]
fn it_says_what_it_is() {
    let Some(shop) = Shop::start(&[]) else { return };
    let health = shop.ask("GET", "/healthz", b"");
    assert_eq!(health.status, 200, "{}", health.text());
    let openapi = shop.ask("GET", "/openapi.json", b"").json();
    assert_eq!(
        openapi["openapi"].as_str().map(|text| &text[..3]),
        Some("3.1")
    );
    for path in [
        "/v1/rank",
        "/v1/events",
        "/v1/profiles/{shopper}",
        "/v1/explore/{list}",
        "/v1/models",
        "/v1/questions",
        "/healthz",
    ] {
        assert!(openapi["paths"][path].is_object(), "{path} is documented");
    }
    let models = shop.ask("GET", "/v1/models", b"").json();
    let digest = models["models"][0]["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{models}");
}

#[test]
fn a_ranking_is_timed_and_names_its_model() {
    let Some(good) = golden() else { return };
    let Some(shop) = Shop::start(&[]) else { return };
    let answer = shop.rank(good.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.header("server-timing").contains("dur="),
        "{:?}",
        answer.headers
    );
    let models = shop.ask("GET", "/v1/models", b"").json();
    assert_eq!(answer.json()["model"], models["models"][0]["digest"]);
}

#[test]
fn events_are_kept_for_their_shopper() {
    let Some(good) = golden() else { return };
    let Some(shop) = Shop::start(&[]) else { return };
    let bought = good["events"][0]["params"]["items"][0]["item_id"]
        .as_str()
        .unwrap_or("85123A")
        .to_owned();
    let event = json!({
        "specversion": "1.0", "id": "e1", "source": "/web", "type": "shelfedge.event.v1",
        // Minutes before the ranking: part of the visit.
        "time": "2011-12-01T09:55:00Z", "subject": "shopper-of-this-test",
        "data": {"name": "view_item", "params": {"items": [{"item_id": bought}]}},
    });
    let send = |body: &Value| {
        shelfedge_tests::request(
            &shop.authority,
            "POST",
            "/v1/events",
            &[("content-type", "application/cloudevents+json")],
            body.to_string().as_bytes(),
        )
    };
    let rank = |shopper: &str| {
        let body = json!({"now": "2011-12-01T10:00:00Z", "shopper": shopper, "limit": 20});
        let answer = shop.rank(body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].clone()
    };
    let before = rank("shopper-of-this-test");
    let answer = send(&event);
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let after = rank("shopper-of-this-test");
    assert_ne!(before, after, "the look at a product counts");
    assert_eq!(before, rank("another shopper"), "and for nobody else");
    // The same event again changes nothing.
    let answer = send(&event);
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert_eq!(after, rank("shopper-of-this-test"));

    // A bad batch names the place.
    let mut bad = event.clone();
    bad["specversion"] = json!("0.3");
    let answer = send(&bad);
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert!(
        paths(&answer)
            .iter()
            .any(|path| path.contains("specversion"))
    );
}

#[test]
fn what_is_stored_is_shown_and_erased() {
    let Some(shop) = Shop::start(&[]) else { return };
    // An id that a path can't hold as it is.
    let (shopper, path) = ("ann / 茶", "/v1/profiles/ann%20%2F%20%E8%8C%B6");
    let event = |source: &str| {
        json!({
            "specversion": "1.0", "id": "e1", "source": source, "type": "shelfedge.event.v1",
            "time": "2011-12-01T09:55:00Z", "subject": shopper,
            "data": {"name": "view_item", "params": {"items": [{"item_id": "85123A"}]}},
        })
    };
    problem(&shop.ask("GET", path, b""), 404);
    // One id from two sources: two events, once each.
    let batch = json!([event("/web"), event("/app"), event("/web")]);
    let answer = shop.ask("POST", "/v1/events", batch.to_string().as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json(), json!({"accepted": 2, "repeated": 1}));
    let shown = shop.ask("GET", path, b"");
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert_eq!(shown.header("cache-control"), "no-store");
    let profile = shown.json();
    assert_eq!(profile["shopper"], shopper);
    let sources: Vec<_> = profile["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["source"].clone(), event["id"].clone()))
        .collect();
    assert_eq!(
        sources,
        [(json!("/app"), json!("e1")), (json!("/web"), json!("e1"))]
    );
    // What is shown can be sent with a ranking and counts the same; without ids,
    // since a ranking knows an event by its id alone.
    let rank = |body: Value| {
        let answer = shop.rank(body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["items"].clone()
    };
    let now = "2011-12-01T10:00:00Z";
    let known = rank(json!({"now": now, "shopper": shopper, "limit": 20}));
    let stranger = rank(json!({"now": now, "limit": 20}));
    assert_ne!(known, stranger);
    let mut events = profile["events"].clone();
    for event in events.as_array_mut().unwrap() {
        event.as_object_mut().unwrap().remove("id");
    }
    assert_eq!(
        rank(json!({"now": now, "limit": 20, "events": events})),
        known
    );

    // Erased, and again; nothing is left, for anyone to see or to rank by.
    for _ in 0..2 {
        let erased = shop.ask("DELETE", path, b"");
        assert_eq!((erased.status, erased.text().as_str()), (204, ""));
        problem(&shop.ask("GET", path, b""), 404);
    }
    assert_eq!(
        rank(json!({"now": now, "shopper": shopper, "limit": 20})),
        stranger
    );

    // Bad ids are faults, and nothing else is done there.
    for bad in ["%", "%ff", "%0A"] {
        let answer = shop.ask("DELETE", &format!("/v1/profiles/{bad}"), b"");
        assert_eq!(paths(&answer), ["shopper"]);
    }
    problem(&shop.ask("POST", path, b"{}"), 405);
    problem(&shop.ask("GET", "/v1/profiles/a/b", b""), 404);
}

#[test]
fn what_is_stored_is_the_shops_own() {
    let Some(shop) = Shop::start(&["--variable", "api_token=secret"]) else {
        return;
    };
    for method in ["GET", "DELETE"] {
        problem(&shop.ask(method, "/v1/profiles/ann", b""), 401);
    }
    let ask = |method: &str| {
        let token = [("authorization", "Bearer secret")];
        shelfedge_tests::request(&shop.authority, method, "/v1/profiles/ann", &token, b"")
    };
    problem(&ask("GET"), 404);
    assert_eq!(ask("DELETE").status, 204);
}
