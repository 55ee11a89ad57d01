//! Golden HTTP exchanges: what a client sends, and all that it gets back.

use crate::common::{Shop, code, event, json, show};
use expect_test::{Expect, expect};

fn check(response: &shelfedge_edge::http::Response, expected: Expect) {
    expected.assert_eq(&show(response));
}

#[test]
fn nothing_there() {
    check(
        &Shop::new().send("GET", "/v1/rang", &[], b""),
        expect![[r#"
            404
            content-type: application/problem+json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.000

            {"type":"urn:shelfedge:problem:not_found","title":"There is nothing at this path.","status":404,"detail":"there is nothing at \"/v1/rang\"","code":"not_found","action":"See /openapi.json for the paths."}"#]],
    );
}

#[test]
fn wrong_method() {
    check(
        &Shop::new().send("GET", "/v1/rank", &[], b""),
        expect![[r#"
            405
            content-type: application/problem+json
            allow: POST, OPTIONS
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.000

            {"type":"urn:shelfedge:problem:method_not_allowed","title":"This path doesn't answer this method.","status":405,"detail":"/v1/rank does not take \"GET\"","code":"method_not_allowed","action":"Use a method that the Allow header names."}"#]],
    );
    let response = Shop::new().send("DELETE", "/healthz", &[], b"");
    assert_eq!(response.status, 405);
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn wrong_media_type() {
    let kind = [("content-type", "text/plain")];
    check(
        &Shop::new().send("POST", "/v1/rank", &kind, b"{}"),
        expect![[r#"
            415
            content-type: application/problem+json
            accept-post: application/json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.000

            {"type":"urn:shelfedge:problem:unsupported_media_type","title":"The body has a media type that isn't read here.","status":415,"detail":"the content-type is \"text/plain\" and must be one of these, in UTF-8: application/json","code":"unsupported_media_type","action":"Set Content-Type to the type that /openapi.json names."}"#]],
    );
    let none = Shop::new().send("POST", "/v1/events", &[], b"{}");
    assert_eq!(none.status, 415);
    let coded = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    assert_eq!(
        Shop::new().send("POST", "/v1/rank", &coded, b"{}").status,
        415
    );
    // Parameters and case don't matter.
    let kind = [("Content-Type", "Application/JSON; charset=utf-8")];
    assert_eq!(
        Shop::new().send("POST", "/v1/rank", &kind, b"{").status,
        400
    );
}

#[test]
fn bad_token() {
    let mut shop = Shop::new().set("api_token", "secret");
    check(
        &shop.post("/v1/rank", "{}"),
        expect![[r#"
        401
        content-type: application/problem+json
        www-authenticate: Bearer realm="shelfedge"
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: total;dur=0.000

        {"type":"urn:shelfedge:problem:unauthorized","title":"The request carries no valid key.","status":401,"detail":"the request has no valid bearer token","code":"unauthorized","action":"Send the shop's key in the Authorization header."}"#]],
    );
    for bad in ["Bearer", "Bearer secre", "Bearer secrets", "Basic secret"] {
        let headers = [("authorization", bad)];
        let response = shop.send("GET", "/v1/models", &headers, b"");
        assert_eq!(response.status, 401, "{bad}");
    }
    let good = [
        ("authorization", "Bearer secret"),
        ("content-type", "application/json"),
    ];
    assert_eq!(shop.send("POST", "/v1/rank", &good, b"{").status, 400);
    // What says nothing of the shop is open.
    assert_eq!(shop.send("GET", "/openapi.json", &[], b"").status, 200);
}

#[test]
fn a_body_past_the_cap() {
    let mut shop = Shop::new();
    let body = " ".repeat(5 << 20);
    check(
        &shop.post("/v1/rank", &body),
        expect![[r#"
        413
        content-type: application/problem+json
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: total;dur=0.000

        {"type":"urn:shelfedge:problem:body_too_large","title":"The body is larger than the limit.","status":413,"detail":"the body may have at most 1048576 bytes","code":"body_too_large","action":"Send fewer events or candidates in one request."}"#]],
    );
    // Refused by its announcement, without reading.
    let headers = [
        ("content-type", "application/json"),
        ("content-length", "5242880"),
    ];
    assert_eq!(shop.send("POST", "/v1/rank", &headers, b"").status, 413);
    // The cap is a variable.
    let mut shop = Shop::new().set("max_body_bytes", "10");
    assert_eq!(shop.post("/v1/rank", "{         }").status, 413);
}

#[test]
fn malformed_json() {
    check(
        &Shop::new().post("/v1/rank", "{\"limit\": 3,"),
        expect![[r#"
            400
            content-type: application/problem+json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.250

            {"type":"urn:shelfedge:problem:malformed_json","title":"The body isn't JSON in UTF-8.","status":400,"detail":"a field's name in quotes was expected at line 1, column 13","code":"malformed_json","action":"Build the body with a JSON library.","faults":[{"code":"malformed_json","path":"","cause":"a field's name in quotes was expected at line 1, column 13","action":"Build the text with a JSON library and send it as UTF-8."}],"more_faults":0}"#]],
    );
    for bad in [
        "",
        "nope",
        "[]",
        "{\"limit\":1}{",
        "\u{feff}{}",
        "{\"limit\":}",
    ] {
        let response = Shop::new().post("/v1/rank", bad);
        assert!(
            (400..500).contains(&response.status),
            "{bad}: {}",
            show(&response)
        );
    }
    let kind = [("content-type", "application/json")];
    let response = Shop::new().send("POST", "/v1/rank", &kind, b"{\"list_id\":\"\xff\"}");
    assert_eq!(response.status, 400, "{}", show(&response));
}

#[test]
fn every_fault_of_a_request_at_once() {
    let response = Shop::new().post(
        "/v1/rank",
        r#"{"now":"yesterday","limit":-1,"candidates":["a",5],
            "events":[{"name":"view_item","time":"2011-12-09T10:00:00Z","id":"e1",
                       "params":{"currency":"GBP","items":[{"item_id":"","price":1.234}]}},
                      {"name":"stare","time":"2011-12-09T10:00:00Z","id":"e2","params":{}}]}"#,
    );
    assert_eq!(response.status, 422);
    let faults: Vec<_> = json(&response)["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            format!(
                "{}: {}",
                f["path"].as_str().unwrap(),
                f["code"].as_str().unwrap()
            )
        })
        .collect();
    expect![[r#"
        now: time_malformed
        limit: out_of_range
        candidates[1]: wrong_type
        events[0].params.items[0].item_id: id_empty
        events[0].params.items[0].price: money_surplus_digits
        events[1].name: event_name_unknown"#]]
    .assert_eq(&faults.join("\n"));
}

#[test]
fn prices_that_are_no_prices() {
    for price in [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "\"NaN\"",
        "-1",
        "1.005",
    ] {
        let body = format!(
            r#"{{"events":[{{"name":"purchase","time":"2011-12-09T10:00:00Z","id":"e","params":{{"transaction_id":"1","currency":"GBP","items":[{{"item_id":"85123A","price":{price}}}]}}}}]}}"#
        );
        let response = Shop::new().post("/v1/rank", &body);
        assert!(
            [400, 422].contains(&response.status),
            "{price}: {}",
            show(&response)
        );
    }
}

#[test]
fn mixed_currencies() {
    check(
        &Shop::new().post(
            "/v1/rank",
            r#"{"events":[{"name":"purchase","time":"2011-12-09T10:00:00Z","id":"e",
                "params":{"transaction_id":"1","currency":"GBP","items":[
                  {"item_id":"85123A","price":2.55,"currency":"EUR"}]}}]}"#,
        ),
        expect![[r#"
            422
            content-type: application/problem+json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.250

            {"type":"urn:shelfedge:problem:invalid_request","title":"The request has faults.","status":422,"detail":"the event is in GBP and the item in EUR","code":"invalid_request","action":"Correct every fault in the list.","faults":[{"code":"currency_mixed","path":"events[0].params.items[0].currency","cause":"the event is in GBP and the item in EUR","action":"Send one event for each currency, or convert the prices first."}],"more_faults":0}"#]],
    );
}

#[test]
fn ten_thousand_candidates() {
    let list: Vec<String> = (0..10_000).map(|n| format!("\"p{n}\"")).collect();
    let body = format!("{{\"candidates\":[{}]}}", list.join(","));
    check(
        &Shop::new().post("/v1/rank", &body),
        expect![[r#"
        422
        content-type: application/problem+json
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: total;dur=0.250

        {"type":"urn:shelfedge:problem:invalid_request","title":"The request has faults.","status":422,"detail":"there are 10000 entries, and at most 2000 are read","code":"invalid_request","action":"Correct every fault in the list.","faults":[{"code":"too_many","path":"candidates","cause":"there are 10000 entries, and at most 2000 are read","action":"Split the list over several requests, or send the most recent entries."}],"more_faults":0}"#]],
    );
}

#[test]
fn the_deadline_is_checked_between_phases() {
    let mut shop = Shop::new().set("deadline_ms", "3");
    shop.clock.step_us = 4_000;
    check(
        &shop.post("/v1/rank", "{}"),
        expect![[r#"
        503
        content-type: application/problem+json
        retry-after: 1
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: parse;dur=4.000, total;dur=16.000

        {"type":"urn:shelfedge:problem:deadline_exceeded","title":"The answer took longer than allowed.","status":503,"detail":"the deadline of 3 ms passed before: ranking","code":"deadline_exceeded","action":"Send a smaller request, or raise the deadline."}"#]],
    );
}

#[test]
fn a_bad_variable_is_named() {
    check(
        &Shop::new()
            .set("max_body_bytes", "1 MB")
            .post("/v1/rank", "{}"),
        expect![[r#"
            500
            content-type: application/problem+json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.000

            {"type":"urn:shelfedge:problem:misconfigured","title":"A setting of the service can't be used.","status":500,"detail":"the variable max_body_bytes is `1 MB` and must be a whole number from 1 to 16777216","code":"misconfigured","action":"Correct the setting that the detail names."}"#]],
    );
}

#[test]
fn preflights() {
    let ask = [
        ("origin", "https://shop.example"),
        ("access-control-request-method", "POST"),
    ];
    let mut shop = Shop::new().set("cors_origins", "https://shop.example");
    check(
        &shop.send("OPTIONS", "/v1/rank", &ask, b""),
        expect![[r#"
        204
        access-control-allow-methods: POST, OPTIONS
        access-control-allow-headers: authorization, content-type, traceparent
        access-control-max-age: 600
        access-control-allow-origin: https://shop.example
        access-control-expose-headers: server-timing, traceparent, retry-after
        timing-allow-origin: https://shop.example
        cache-control: no-store
        vary: origin
        x-content-type-options: nosniff
        server-timing: total;dur=0.000

    "#]],
    );
    // No token is asked for: a browser sends none with a preflight.
    let mut shop = shop.set("api_token", "secret");
    assert_eq!(shop.send("OPTIONS", "/v1/rank", &ask, b"").status, 204);
    check(
        &Shop::new().send("OPTIONS", "/v1/rank", &ask, b""),
        expect![[r#"
            403
            content-type: application/problem+json
            cache-control: no-store
            vary: origin
            x-content-type-options: nosniff
            server-timing: total;dur=0.000

            {"type":"urn:shelfedge:problem:origin_not_allowed","title":"The page's origin may not call this shop.","status":403,"detail":"the variable cors_origins does not name this origin","code":"origin_not_allowed","action":"Add the origin to the application's allowed origins."}"#]],
    );
}

#[test]
fn origins_of_answers() {
    let mut shop = Shop::new().set("cors_origins", "https://shop.example");
    let from = |origin| [("origin", origin)];
    let good = shop.send("GET", "/openapi.json", &from("https://shop.example"), b"");
    assert_eq!(
        good.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
    let bad = shop.send("GET", "/openapi.json", &from("https://other.example"), b"");
    assert_eq!(bad.status, 200);
    assert_eq!(bad.header("access-control-allow-origin"), None);
    // Problems too can be read by the page that caused them.
    let problem = shop.send("GET", "/v1/rank", &from("https://shop.example"), b"");
    assert!(problem.header("access-control-allow-origin").is_some());
}

#[test]
fn traces_are_echoed_when_valid() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut shop = Shop::new();
    let response = shop.send("GET", "/openapi.json", &[("traceparent", good)], b"");
    assert_eq!(response.header("traceparent"), Some(good));
    let response = shop.send("GET", "/openapi.json", &[("traceparent", "evil")], b"");
    assert_eq!(response.header("traceparent"), None);
}

#[test]
fn the_description_names_every_route() {
    let response = Shop::new().send("GET", "/openapi.json", &[], b"");
    assert_eq!(response.status, 200);
    let document = json(&response);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/v1/rank",
        "/v1/events",
        "/v1/profiles/{shopper}",
        "/v1/models",
        "/v1/questions",
        "/healthz",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let head = Shop::new().send("HEAD", "/openapi.json", &[], b"");
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
}

// From here on with the embedded model.

#[test]
fn healthy_means_that_the_model_opens() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let response = shop.send("GET", "/healthz", &[], b"");
    assert_eq!(response.status, 200, "{}", show(&response));
    let digest = json(&response)["model"].as_str().unwrap().to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71);
    let models = json(&shop.send("GET", "/v1/models", &[], b""));
    assert_eq!(models["models"][0]["digest"], digest);
    assert!(models["models"][0]["products"].as_u64().unwrap() > 1_000);
    assert_eq!(models["models"][1]["task"], "assistant");
    let chat = json(&shop.post("/v1/assist", r#"{"text":"hello"}"#));
    assert_eq!(chat["code"], "misconfigured", "no key is set: {chat}");
    let mut talking = shop.set("state_key", "a key of thirty-two characters.....");
    let chat = json(&talking.post("/v1/assist", r#"{"text":"hello"}"#));
    assert_eq!(models["models"][1]["digest"], chat["model"], "{chat}");
    let mut shop = talking;

    shop.models.ranking = None;
    let response = shop.send("GET", "/healthz", &[], b"");
    assert_eq!(
        (response.status, code(&response).as_str()),
        (500, "model_unusable")
    );
}

#[test]
fn a_ranking() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let response = shop.post(
        "/v1/rank",
        r#"{"list_id":"home","limit":5,"candidates":["85123A","71053","no such product"]}"#,
    );
    assert_eq!(response.status, 200, "{}", show(&response));
    let timing = response.header("server-timing").unwrap();
    for phase in ["parse;dur=", "rank;dur=", "total;dur="] {
        assert!(timing.contains(phase), "{timing}");
    }
    let answer = json(&response);
    let ids: Vec<_> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["item_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&"85123A") && ids.contains(&"71053"));
    assert_eq!(answer["unknown"], serde_json::json!(["no such product"]));
    // The same request is the same bytes; the clock fills a missing `now`.
    let again = shop.post(
        "/v1/rank",
        r#"{ "candidates":["85123A","71053","no such product"], "limit":5, "list_id":"home",
             "now":"2011-12-10T10:00:00Z" }"#,
    );
    assert_eq!(again.body, response.body);
}

#[test]
fn stored_events_count_like_sent_ones() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let sent = shop.post(
        "/v1/rank",
        r#"{"shopper":"s1","limit":10,"explain":true,"events":[
             {"name":"purchase","time":"2011-12-01T10:00:00Z","id":"e1","params":{"items":[{"item_id":"85123A"}]}},
             {"name":"view_item","time":"2011-12-10T09:59:00Z","id":"e2","params":{"items":[{"item_id":"71053"}]}}]}"#,
    );
    let fresh = shop.post("/v1/rank", r#"{"shopper":"s1","limit":10,"explain":true}"#);
    let items = |r| json(r)["items"].clone();
    assert_ne!(items(&sent), items(&fresh));
    let batch = format!(
        "[{},{}]",
        event("s1", "e2", "2011-12-10T09:59:00Z", "view_item", "71053"),
        event("s1", "e1", "2011-12-01T10:00:00Z", "purchase", "85123A"),
    );
    let receipt = shop.post("/v1/events", &batch);
    assert_eq!(receipt.status, 202, "{}", show(&receipt));
    let stored = shop.post("/v1/rank", r#"{"shopper":"s1","limit":10,"explain":true}"#);
    assert_eq!(stored.body, sent.body);
    // Sent and stored are the same events, not twice as many.
    let both = shop.post(
        "/v1/rank",
        r#"{"shopper":"s1","limit":10,"explain":true,"events":[
             {"name":"purchase","time":"2011-12-01T10:00:00Z","id":"e1","params":{"items":[{"item_id":"85123A"}]}}]}"#,
    );
    assert_eq!(both.body, sent.body);
    // Another shopper has nothing of it, nor anyone when profiles are off.
    let other = shop.post("/v1/rank", r#"{"shopper":"s2","limit":10,"explain":true}"#);
    assert_eq!(items(&other), items(&fresh));
    let mut shop = shop.set("store_profiles", "false");
    let off = shop.post("/v1/rank", r#"{"shopper":"s1","limit":10,"explain":true}"#);
    assert_eq!(items(&off), items(&fresh));
}

#[test]
fn new_only_leaves_out_what_a_stored_profile_bought() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let bought = event("s1", "e1", "2011-12-01T10:00:00Z", "purchase", "85123A");
    assert_eq!(shop.post("/v1/events", &format!("[{bought}]")).status, 202);
    let mut holds = |more: &str| {
        let response = shop.post(
            "/v1/rank",
            &format!(r#"{{"shopper":"s1","candidates":["85123A","71053"]{more}}}"#),
        );
        let items = json(&response)["items"].clone();
        let items = items.as_array().expect("items").clone();
        items.iter().any(|item| item["item_id"] == "85123A")
    };
    assert!(holds(""));
    assert!(holds(r#","new_only":false"#));
    assert!(!holds(r#","new_only":true"#));
}

#[test]
fn a_list_holds_the_shops_rules_and_labels_what_is_sold() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let plain = json(&shop.post("/v1/rank", r#"{"limit":3}"#));
    assert!(plain.get("shortfalls").is_none());
    let second = plain["items"][1]["item_id"].as_str().expect("an id");
    let response = shop.post(
        "/v1/rank",
        &format!(
            r#"{{"limit":12,"diversity":{{"trade_off":0.3}},
                "sponsored":{{"currency":"GBP","places":[3],"reserve":0.05,"bids":[{{"item_id":"{second}","bid":0.4}}]}}}}"#
        ),
    );
    assert_eq!(response.status, 200, "{}", show(&response));
    let answer = json(&response);
    assert_eq!(answer["shortfalls"], serde_json::json!([]));
    assert_eq!(answer["bids_left_out"], serde_json::json!([]));
    let items = answer["items"].as_array().expect("items");
    assert_eq!(items.len(), 12);
    for (index, item) in items.iter().enumerate() {
        assert_eq!(item["item_id"] == second, index == 2);
        assert_eq!(item.get("sponsored").is_some(), index == 2);
    }
    assert_eq!(items[2]["sponsored"]["label"]["zh"], "广告");
    assert_eq!(items[2]["sponsored"]["price"], 0.05);
    // The demo's model knows no brands.
    let response = shop.post("/v1/rank", r#"{"diversity":{"caps":{"brand":1}}}"#);
    assert_eq!(response.status, 422, "{}", show(&response));
    assert_eq!(json(&response)["faults"][0]["code"], "attribute_unknown");
}

#[test]
fn a_stored_value_that_is_no_profile_is_ignored() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    shop.store
        .values
        .insert("profile/s1".to_owned(), b"garbage".to_vec());
    let response = shop.post("/v1/rank", r#"{"shopper":"s1","limit":3}"#);
    assert_eq!(response.status, 200, "{}", show(&response));
}

#[test]
fn the_bundles_golden_cases() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../models/ranking/golden.json"
    );
    let Ok(bytes) = std::fs::read(path) else {
        println!("SKIPPED: there is no {path}");
        return;
    };
    let golden: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let response = shop.post("/v1/rank", &case["request"].to_string());
        assert_eq!(response.status, 200, "{}", case["name"]);
        assert_eq!(
            String::from_utf8_lossy(&response.body),
            case["response"].as_str().unwrap(),
            "{}",
            case["name"]
        );
    }
}
