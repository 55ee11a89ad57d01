//! What is stored of a shopper, shown and erased.

use crate::common::{NOW_MS, Shop, code, event, json, show};
use expect_test::expect;

const TIME: &str = "2011-12-10T09:00:00Z";

/// A shop that stores one event of a shopper.
fn shop_with(shopper: &str) -> Shop {
    let mut shop = Shop::new();
    let body = event(shopper, "1", TIME, "view_item", "85123A");
    let response = shop.post("/v1/events", &body);
    assert_eq!(response.status, 202, "{}", show(&response));
    (shop.store.reads, shop.store.writes) = (0, 0);
    shop
}

#[test]
fn what_is_stored_is_shown_as_it_is_stored() {
    let mut shop = shop_with("c17850");
    let response = shop.send("GET", "/v1/profiles/c17850", &[], b"");
    expect![[r#"
        200
        content-type: application/json
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: store;dur=0.125, total;dur=0.375

        {"kind":"shelfedge.stored_profile","version":1,"shopper":"c17850","written":"2011-12-10T10:00:00Z","events":[{"source":"/web","name":"view_item","time":"2011-12-10T09:00:00Z","id":"1","params":{"items":[{"item_id":"85123A","quantity":1}]}}]}"#]]
    .assert_eq(&show(&response));
    assert_eq!(response.body, shop.store.values["profile/c17850"]);
    // One read, and nothing else.
    let store = &shop.store;
    assert_eq!((store.reads, store.writes, store.deletions), (1, 0, 0));
    let head = shop.send("HEAD", "/v1/profiles/c17850", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn nothing_stored_is_said() {
    let mut shop = shop_with("c17850");
    let response = shop.send("GET", "/v1/profiles/c17851", &[], b"");
    expect![[r#"
        404
        content-type: application/problem+json
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: store;dur=0.125, total;dur=0.375

        {"type":"urn:shelfedge:problem:profile_not_found","title":"Nothing is stored of this shopper.","status":404,"detail":"Nothing is stored of this shopper.","code":"profile_not_found","action":"Nothing has to be done; the shopper's next events begin a profile."}"#]]
    .assert_eq(&show(&response));
}

#[test]
fn erasing_forgets_and_may_be_repeated() {
    let mut shop = shop_with("a");
    shop.clock.unix_ms.set(NOW_MS + 1_000);
    let other = event("b", "1", TIME, "view_item", "85123A");
    assert_eq!(shop.post("/v1/events", &other).status, 202);
    (shop.store.reads, shop.store.writes) = (0, 0);
    for _ in 0..2 {
        let response = shop.send("DELETE", "/v1/profiles/a", &[], b"");
        expect![[r#"
            204
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: store;dur=0.125, total;dur=0.375

        "#]]
        .assert_eq(&show(&response));
        let gone = shop.send("GET", "/v1/profiles/a", &[], b"");
        assert_eq!(gone.status, 404);
    }
    // One deletion each, without a look at what was there; the reads are GET's.
    let store = &shop.store;
    assert_eq!((store.reads, store.writes, store.deletions), (2, 0, 2));
    assert_eq!(store.values.keys().collect::<Vec<_>>(), ["profile/b"]);
    // The same event is new again, and isn't shed for the pace of before.
    let again = event("a", "1", TIME, "view_item", "85123A");
    let response = shop.post("/v1/events", &again);
    assert_eq!(json(&response)["accepted"], 1);
}

#[test]
fn an_erased_shopper_is_ranked_like_a_new_one() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let rank = |shop: &mut Shop| {
        let response = shop.post("/v1/rank", r#"{"shopper":"a","limit":10}"#);
        assert_eq!(response.status, 200, "{}", show(&response));
        json(&response)["items"].clone()
    };
    let fresh = rank(&mut shop);
    let body = event("a", "1", "2011-12-10T09:59:00Z", "view_item", "85123A");
    assert_eq!(shop.post("/v1/events", &body).status, 202);
    assert_ne!(rank(&mut shop), fresh);
    assert_eq!(shop.send("DELETE", "/v1/profiles/a", &[], b"").status, 204);
    assert_eq!(rank(&mut shop), fresh);
}

#[test]
fn the_id_is_decoded_and_checked() {
    // What is sent as a subject is found again by its encoded form.
    for (shopper, part) in [
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("茶", "%E8%8C%B6"),
        ("a?b#c", "a%3fb%23c"),
    ] {
        let mut shop = shop_with(shopper);
        let path = format!("/v1/profiles/{part}");
        let response = shop.send("GET", &path, &[], b"");
        assert_eq!(response.status, 200, "{shopper}: {}", show(&response));
        assert_eq!(json(&response)["shopper"], shopper);
        assert_eq!(shop.send("DELETE", &path, &[], b"").status, 204);
        assert!(shop.store.values.is_empty(), "{shopper}");
    }
    let long = "a".repeat(65);
    for (part, fault) in [
        ("%", "path_malformed"),
        ("%2", "path_malformed"),
        ("a%zz", "path_malformed"),
        ("%ff", "path_malformed"),
        ("%00", "id_control_character"),
        ("a%0Ab", "id_control_character"),
        (&long, "id_too_long"),
    ] {
        for method in ["GET", "DELETE"] {
            let mut shop = Shop::new();
            let response = shop.send(method, &format!("/v1/profiles/{part}"), &[], b"");
            assert_eq!(
                (response.status, code(&response).as_str()),
                (422, "invalid_request"),
                "{part}"
            );
            let found = &json(&response)["faults"][0];
            assert_eq!(
                (&found["code"], &found["path"]),
                (&fault.into(), &"shopper".into())
            );
            assert_eq!((shop.store.reads, shop.store.deletions), (0, 0));
        }
    }
    // What isn't one part of the path is no profile's path.
    for path in [
        "/v1/profiles",
        "/v1/profiles/",
        "/v1/profiles/a/",
        "/v1/profiles/a/b",
    ] {
        let response = Shop::new().send("GET", path, &[], b"");
        assert_eq!(
            (response.status, code(&response).as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
}

#[test]
fn who_may_not_send_events_may_not_see_or_erase() {
    let mut shop = shop_with("a").set("api_token", "secret");
    for method in ["GET", "HEAD", "DELETE"] {
        for headers in [&[][..], &[("authorization", "Bearer secre")]] {
            let response = shop.send(method, "/v1/profiles/a", headers, b"");
            assert_eq!(response.status, 401, "{method}");
        }
    }
    // Not even whether there is one, or whether an id is an id.
    assert_eq!(shop.send("GET", "/v1/profiles/b", &[], b"").status, 401);
    assert_eq!(shop.send("GET", "/v1/profiles/%", &[], b"").status, 401);
    assert_eq!((shop.store.reads, shop.store.deletions), (0, 0));
    let token = [("authorization", "Bearer secret")];
    assert_eq!(shop.send("GET", "/v1/profiles/a", &token, b"").status, 200);
    assert_eq!(
        shop.send("DELETE", "/v1/profiles/a", &token, b"").status,
        204
    );
    assert!(shop.store.values.is_empty());
}

#[test]
fn methods_and_origins() {
    let mut shop = shop_with("a").set("cors_origins", "https://shop.example");
    let response = shop.send("POST", "/v1/profiles/a", &[], b"{}");
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET, HEAD, DELETE, OPTIONS"));
    let preflight = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "DELETE"),
    ];
    let response = shop.send("OPTIONS", "/v1/profiles/a", &preflight, b"");
    assert_eq!(response.status, 204);
    assert_eq!(
        response.header("access-control-allow-methods"),
        Some("GET, HEAD, DELETE, OPTIONS")
    );
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    let refused = [
        ("origin", "https://other.example"),
        ("access-control-request-method", "DELETE"),
    ];
    let response = shop.send("OPTIONS", "/v1/profiles/a", &refused, b"");
    assert_eq!(response.status, 403);
    assert_eq!(shop.store.values.len(), 1);
}

#[test]
fn what_was_stored_before_profiles_were_off_is_shown_and_erased() {
    let mut shop = shop_with("a").set("store_profiles", "false");
    assert_eq!(shop.send("GET", "/v1/profiles/a", &[], b"").status, 200);
    assert_eq!(shop.send("DELETE", "/v1/profiles/a", &[], b"").status, 204);
    assert!(shop.store.values.is_empty());
}

#[test]
fn what_cannot_be_read_is_said_and_can_be_erased() {
    let mut shop = shop_with("a");
    // Also another shopper's value under this key is not shown.
    for value in [&b"garbage"[..], &shop.store.values["profile/a"].clone()] {
        shop.store
            .values
            .insert("profile/b".to_owned(), value.to_vec());
        let response = shop.send("GET", "/v1/profiles/b", &[], b"");
        assert_eq!(
            (response.status, code(&response).as_str()),
            (500, "profile_unreadable")
        );
        assert_eq!(shop.send("DELETE", "/v1/profiles/b", &[], b"").status, 204);
        assert!(!shop.store.values.contains_key("profile/b"));
    }
}

#[test]
fn a_broken_store_does_not_pretend() {
    let mut shop = shop_with("a");
    shop.store.broken = true;
    for (method, detail) in [
        ("GET", "the store is away"),
        (
            "DELETE",
            "the store is away; the value may be erased or not",
        ),
    ] {
        let response = shop.send(method, "/v1/profiles/a", &[], b"");
        assert_eq!(
            (response.status, code(&response).as_str()),
            (503, "store_unavailable")
        );
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(json(&response)["detail"], detail);
    }
}
