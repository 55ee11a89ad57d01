//! Ranking requests and responses.

use expect_test::{Expect, expect};
use shelfedge_commerce::Faults;
use shelfedge_ranking::{MAX_EVENTS, Workspace};
use shelfedge_wire::{Limits, Problem, rank};

use crate::model::{DIGEST, ranker};

/// The request of the documentation.
pub(crate) const REQUEST: &str = r#"{
  "now": "2011-12-10T10:00:00Z", "shopper": "c17850", "list_id": "home", "limit": 3,
  "explain": true, "seed": 7,
  "context": {"device": "mobile", "utc_offset_minutes": 0},
  "candidates": ["85123A", "71053", "20725", "XYZ", "20725"],
  "events": [
    {"name": "purchase", "time": "2011-11-01T10:00:00Z", "id": "e1",
     "params": {"transaction_id": "536365", "currency": "GBP",
                "items": [{"item_id": "85123A", "quantity": 6, "price": 2.55, "index": 0},
                          {"item_id": "GONE", "quantity": 1, "price": 1}]}},
    {"name": "view_item", "timestamp_micros": 1323510900000000, "unheard_of": [1, {"a": null}],
     "params": {"items": [{"item_id": "20727", "item_name": "whatever"}]}}
  ]
}"#;

pub(crate) fn faults(text: &str) -> String {
    short(&rank::parse(text.as_bytes(), &Limits::default()).expect_err("faults"))
}

/// Faults by path (`-` for the whole) and code, with the cause.
pub(crate) fn short(faults: &Faults) -> String {
    let mut text = String::new();
    for fault in faults {
        let path = if fault.path.is_empty() {
            "-"
        } else {
            &fault.path
        };
        text += &format!("{path} {}: {}\n", fault.code, fault.cause);
    }
    text
}

pub(crate) fn answer(text: &str) -> Result<String, Problem> {
    let request = rank::parse(text.as_bytes(), &Limits::default())?;
    let bytes = rank::respond(&ranker(), &request, DIGEST, &mut Workspace::default())?;
    Ok(String::from_utf8(bytes).expect("UTF-8"))
}

pub(crate) fn check(text: &str, expected: &Expect) {
    let json = answer(text).expect("an answer");
    // Broken into lines for the eye; the bytes are otherwise as they are sent.
    expected.assert_eq(&json.replace("{\"", "\n{\""));
}

#[test]
fn the_documented_request() {
    check(
        REQUEST,
        &expect![[r#"

            {"version":1,"exposure_id":"3cc7b60db7456075fec46592d2316527","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"home","arm":"default","candidates":3,"items":[
            {"item_id":"20725","index":0,"score":2.1251311,"propensity":1.0,"sources":["given"],"reasons":[
            {"code":"popularity","contribution":1.2225871,"en":"132 customers bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 132 位顾客购买"},
            {"code":"session","contribution":0.9999999,"en":"Goes with LUNCH BAG BLACK SKULL, which you looked at","zh":"与您看过的“LUNCH BAG BLACK SKULL”相配"},
            {"code":"price","contribution":-0.09745598,"en":"Its price speaks against it","zh":"价格减分"}]},
            {"item_id":"85123A","index":1,"score":0.55577564,"propensity":1.0,"sources":["given"],"reasons":[
            {"code":"bought_before","contribution":0.6931472,"en":"You bought this once","zh":"您买过 1 次"},
            {"code":"price","contribution":-0.13737154,"en":"Its price speaks against it","zh":"价格减分"}]},
            {"item_id":"71053","index":2,"score":0.26747233,"propensity":1.0,"sources":["given"],"reasons":[
            {"code":"history","contribution":0.24999999,"en":"Goes with WHITE HANGING HEART \"T-LIGHT\" HOLDER, which you bought","zh":"与您买过的“WHITE HANGING HEART \"T-LIGHT\" HOLDER”相配"},
            {"code":"popularity","contribution":0.17328678,"en":"One customer bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 1 位顾客购买"},
            {"code":"price","contribution":-0.15581447,"en":"Its price speaks against it","zh":"价格减分"}]}],"unknown":["XYZ"],"ignored_events":1}"#]],
    );
}

#[test]
fn the_smallest_request() {
    check(
        r#"{"now":"2011-12-10T10:00:00Z"}"#,
        &expect![[r#"

        {"version":1,"exposure_id":"7da1e128088e0e428f0ffac7bdd879d7","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"default","arm":"default","candidates":6,"items":[
        {"item_id":"20725","index":0,"score":1.1251312,"propensity":1.0,"sources":["popular"]},
        {"item_id":"20727","index":1,"score":1.0302589,"propensity":1.0,"sources":["popular"]},
        {"item_id":"84879","index":2,"score":0.9837292,"propensity":1.0,"sources":["popular"]},
        {"item_id":"22423","index":3,"score":0.7656145,"propensity":1.0,"sources":["popular"]},
        {"item_id":"71053","index":4,"score":0.017472342,"propensity":1.0,"sources":["popular"]},
        {"item_id":"85123A","index":5,"score":-0.13737157,"propensity":1.0,"sources":["popular"]}],"unknown":[],"ignored_events":0}"#]],
    );
}

#[test]
fn nothing_to_rank() {
    check(
        r#"{"now":"2011-12-10T10:00:00Z","candidates":[],"limit":null,"list_id":null}"#,
        &expect![[r#"

            {"version":1,"exposure_id":"8be1985a86a0811bd67760ee4d12eecd","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"default","arm":"default","candidates":0,"items":[],"unknown":[],"ignored_events":0}"#]],
    );
}

#[test]
fn the_response_is_json_and_scores_descend() {
    let value: serde_json::Value =
        serde_json::from_str(&answer(REQUEST).expect("an answer")).expect("JSON");
    let scores: Vec<f64> = value["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["score"].as_f64().expect("a score"))
        .collect();
    assert_eq!(scores.len(), 3);
    assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
}

#[test]
fn every_fault_at_once() {
    let text = r#"{
      "now": "yesterday", "shopper": "", "session_id": 7, "list_id": "a\u0000b",
      "limit": 0, "explain": "yes", "seed": -1, "seed": 2,
      "context": {"device": "fridge", "utc_offset_minutes": 1e9},
      "candidates": ["ok", 5, null, "", {"id": "x"}],
      "events": [
        {"name": "Purchase", "params": {"items": []}},
        {"time": "2011-02-30T00:00:00Z", "params": []},
        7,
        {"name": "add_to_cart", "time": "2011-11-01T10:00:00Z", "timestamp_micros": 5,
         "params": {"items": [
            {"quantity": -1, "price": 2.555, "currency": "GBP"},
            {"item_id": "a", "quantity": 1.5, "price": "2.55", "index": -1},
            {"item_id": "b", "price": -2},
            {"item_id": "c", "price": NaN},
            {"item_id": "d", "price": -Infinity},
            {"item_id": "e", "price": 1e300, "currency": "EUR"},
            "f"
         ]}},
        {"name": "purchase", "time": "2011-11-01T10:00:00Z", "params":
          {"currency": "gbp", "transaction_id": "", "items": [{"item_id": "a", "price": 2.555}]}},
        {"name": "view_item", "time": "2011-11-01T10:00:00Z", "params":
          {"items": [{"item_id": "a", "price": 2.5}, {"item_id": "b", "price": NaN}]}},
        {"name": "refund", "time": "2011-11-01T10:00:00Z", "params": null},
        {"name": "view_item", "time": "2011-11-01T10:00:00Z", "params": {"items": {}}}
      ]
    }"#;
    expect![[r#"
        now time_malformed: "yesterday" is not an RFC 3339 time
        shopper id_empty: the id is empty
        session_id wrong_type: text was expected and a number found
        list_id id_control_character: the id contains a control character
        limit out_of_range: 0 isn't a whole number from 1 to 200
        explain wrong_type: true or false was expected and text found
        seed out_of_range: -1 isn't a whole number from 0 to 9007199254740991
        seed field_repeated: the field occurs twice
        context.device device_unknown: "fridge" is not a device
        context.utc_offset_minutes out_of_range: 1e9 isn't a whole number from -1080 to 1080
        candidates[1] wrong_type: text was expected and a number found
        candidates[2] wrong_type: null stands for an element
        candidates[3] id_empty: the id is empty
        candidates[4] wrong_type: text was expected and an object found
        events[0].name event_name_unknown: "Purchase" is not an e-commerce event of GA4
        events[0].time field_missing: the field is missing
        events[1].time time_out_of_range: "2011-02-30T00:00:00Z" doesn't exist or is out of range
        events[1].params wrong_type: an object was expected and a list found
        events[1].name field_missing: the field is missing
        events[2] wrong_type: an object was expected and a number found
        events[3].params.items[0].quantity quantity_out_of_range: -1 isn't a whole number from 1 to 4294967295
        events[3].params.items[0].item_id field_missing: the field is missing
        events[3].params.items[1].quantity quantity_out_of_range: 1.5 isn't a whole number from 1 to 4294967295
        events[3].params.items[1].price wrong_type: a number was expected and text found
        events[3].params.items[1].index out_of_range: -1 isn't a whole number from 0 to 4294967295
        events[3].params.items[6] wrong_type: an object was expected and text found
        events[3].timestamp_micros fields_contradict: time and timestamp_micros differ
        events[3].params.items[0].price money_surplus_digits: 2.555 has more than the 2 decimals of GBP
        events[3].params.items[2].price money_negative: the price is -2.00 GBP
        events[3].params.items[3].price money_not_finite: "NaN" is not a finite amount
        events[3].params.items[4].price money_not_finite: "-Infinity" is not a finite amount
        events[3].params.items[5].currency currency_mixed: the event is in GBP and the item in EUR
        events[3].params.items[5].price money_out_of_range: 1e300 GBP doesn't fit
        events[4].params.currency currency_unknown: "gbp" is not a currency of ISO 4217
        events[4].params.transaction_id id_empty: the id is empty
        events[5].params.items[0].price currency_missing: the event names no currency
        events[5].params.items[1].price money_not_finite: NaN is not a finite amount
        events[5].params.items[1].price currency_missing: the event names no currency
        events[7].params.items wrong_type: a list was expected and an object found
    "#]].assert_eq(&faults(text));
}

#[test]
fn what_is_not_json() {
    let mut all = String::new();
    for text in [
        "",
        "{",
        "{\"now\":}",
        "{\"limit\":01}",
        "{\"limit\":5,}",
        "{\"now\":\"\\ud800\"}",
        "{\"anything\":NaN}",
        "{\n  \"limit\": 5\n  \"seed\": 1}",
        "{\"茶\": x}",
        "{} {}",
        "\u{feff}{}",
    ] {
        all += &faults(text);
    }
    all += &short(&rank::parse(b"{\"now\":\"\xff\"}", &Limits::default()).expect_err("UTF-8"));
    all += &faults(&format!("{}1{}", "[".repeat(40), "]".repeat(40)));
    all += &faults(&format!("{{\"x\":{}", "[".repeat(1_000_000)));
    expect![[r#"
        - malformed_json: a value was expected at line 1, column 1
        - malformed_json: a field's name in quotes was expected at line 1, column 2
        - malformed_json: a value was expected at line 1, column 8
        - malformed_json: a comma or } was expected at line 1, column 11
        - malformed_json: a field's name in quotes was expected at line 1, column 12
        - malformed_json: a pair of surrogates was expected at line 1, column 11
        - malformed_json: a value was expected at line 1, column 13
        - malformed_json: a comma or } was expected at line 3, column 3
        - malformed_json: a value was expected at line 1, column 7
        - malformed_json: the end was expected at line 1, column 4
        - malformed_json: a value was expected at line 1, column 1
        - malformed_json: the text isn't UTF-8 at line 1, column 9
        - too_deep: lists and objects are nested too deeply at line 1, column 33
        - too_deep: lists and objects are nested too deeply at line 1, column 37
    "#]]
    .assert_eq(&all);
}

#[test]
fn other_types_than_an_object() {
    let mut all = String::new();
    for text in ["[]", "7", "\"now\"", "null", "true", "NaN"] {
        all += &match rank::parse(text.as_bytes(), &Limits::default()) {
            Ok(request) => format!("{request:?}\n"),
            Err(faults) => short(&faults),
        };
    }
    expect![[r#"
        - wrong_type: an object was expected and a list found
        - wrong_type: an object was expected and a number found
        - wrong_type: an object was expected and text found
        - wrong_type: null stands for the whole input
        - wrong_type: an object was expected and true or false found
        - wrong_type: an object was expected and NaN or an infinity found
    "#]]
    .assert_eq(&all);
}

#[test]
fn caps_hold_before_anything_is_stored() {
    let limits = Limits::default();
    let ids = |count: usize| vec!["\"a\""; count].join(",");
    let exactly = format!("{{\"candidates\":[{}]}}", ids(limits.candidates));
    let request = rank::parse(exactly.as_bytes(), &limits).expect("as many as allowed");
    assert_eq!(
        request.candidates.map(|list| list.len()),
        Some(limits.candidates)
    );

    let view = r#"{"name":"search","time":"2011-11-01T10:00:00Z"}"#;
    let item = r#"{"item_id":"a"}"#;
    let text = format!(
        r#"{{"candidates":[{}],"events":[{},{{"name":"view_item","time":"2011-11-01T10:00:00Z","params":{{"items":[{}]}}}}]}}"#,
        ids(10_000),
        [view; 10].join(","),
        [item; 201].join(","),
    );
    let few = Limits {
        events: 11,
        ..limits
    };
    let faults = rank::parse(text.as_bytes(), &few).expect_err("too many");
    expect![[r#"
        candidates too_many: there are 10000 entries, and at most 2000 are read
        events[10].params.items too_many: there are 201 entries, and at most 200 are read
    "#]]
    .assert_eq(&short(&faults));
    let fewer = Limits {
        events: 3,
        ..limits
    };
    let faults = rank::parse(text.as_bytes(), &fewer).expect_err("too many");
    expect![[r#"
        candidates too_many: there are 10000 entries, and at most 2000 are read
        events too_many: there are 11 entries, and at most 3 are read
    "#]]
    .assert_eq(&short(&faults));
}

#[test]
fn a_body_of_five_megabytes() {
    let text = format!("{{\"x\":\"{}\"}}", "a".repeat(5_000_000));
    let problem =
        Problem::from(rank::parse(text.as_bytes(), &Limits::default()).expect_err("too large"));
    assert_eq!((problem.status, problem.code), (413, "body_too_large"));
    expect!["the body has 5000008 bytes, and at most 2097152 are read"].assert_eq(&problem.detail);
}

#[test]
fn a_hostile_list_makes_a_short_answer() {
    let bad = vec!["{\"name\":1}"; 5_000].join(",");
    let faults = rank::parse(
        format!("{{\"events\":[{bad}]}}").as_bytes(),
        &Limits::default(),
    )
    .expect_err("faults");
    assert_eq!(faults.len(), 10_000);
    let problem = Problem::from(faults);
    assert!(problem.to_json().len() < 40_000);
    assert_eq!(problem.status, 422);
}

#[test]
fn a_request_without_a_time_is_parsed_and_not_answered() {
    let problem = answer("{}").expect_err("no time");
    assert_eq!((problem.status, problem.code), (422, "invalid_request"));
    assert_eq!(
        short(&problem.faults),
        "now now_missing: the field is missing\n"
    );
}

#[test]
fn what_a_boundary_adds_is_capped_too() {
    let mut request = rank::parse(REQUEST.as_bytes(), &Limits::default()).expect("a request");
    let event = request.events[0].clone();
    request.events = vec![event; MAX_EVENTS + 1];
    let respond = |request: &rank::Request| {
        rank::respond(&ranker(), request, DIGEST, &mut Workspace::default())
    };
    let problem = respond(&request).expect_err("too many events");
    expect!["events too_many: there are 5001 entries, and at most 5000 are read\n"]
        .assert_eq(&short(&problem.faults));
    request.events.clear();
    request.limit = 0;
    let problem = respond(&request).expect_err("no limit");
    expect!["limit out_of_range: 0 isn't a whole number from 1 to 200\n"]
        .assert_eq(&short(&problem.faults));
}

#[test]
fn the_same_request_has_the_same_exposure_however_it_is_spelled() {
    let parse = |text: &str| rank::parse(text.as_bytes(), &Limits::default()).expect("a request");
    let request = parse(REQUEST);
    let id = request.exposure_id(DIGEST);
    // Fixed for ever: stored exposures are joined by it.
    expect!["3cc7b60db7456075fec46592d2316527"].assert_eq(&id);
    let spelled = REQUEST
        .replace(' ', "  ")
        .replace("2.55", "255e-2")
        .replace("2011-12-10T10:00:00Z", "2011-12-10T11:00:00.000+01:00")
        .replace("\"home\"", "\"\\u0068ome\"");
    assert_eq!(parse(&spelled).exposure_id(DIGEST), id);
    for (from, to) in [
        ("\"home\"", "\"cart\""),
        ("\"quantity\": 6", "\"quantity\": 7"),
        ("2.55", "2.56"),
        ("\"seed\": 7", "\"seed\": 8"),
        ("mobile", "tablet"),
        ("\"seed\"", "\"new_only\": true, \"seed\""),
        ("\"71053\", \"20725\"", "\"20725\", \"71053\""),
    ] {
        assert!(REQUEST.contains(from), "{from}");
        let other = parse(&REQUEST.replacen(from, to, 1)).exposure_id(DIGEST);
        assert_ne!(other, id, "{from} -> {to}");
    }
    assert_ne!(request.exposure_id("sha256:11"), id);
}

#[test]
fn a_request_is_written_and_read_back() {
    let request = rank::parse(REQUEST.as_bytes(), &Limits::default()).expect("a request");
    let written = rank::write_request(&request);
    assert_eq!(
        rank::parse(&written, &Limits::default()),
        Ok(request.clone())
    );
    assert_eq!(
        answer(std::str::from_utf8(&written).expect("UTF-8")),
        answer(REQUEST)
    );
    let fewer = rank::Request {
        new_only: true,
        exclude: vec!["20725".parse().expect("an id")],
        ..request
    };
    let written = rank::write_request(&fewer);
    assert_eq!(rank::parse(&written, &Limits::default()), Ok(fewer));
    let smallest = rank::Request::default();
    let written = rank::write_request(&smallest);
    assert_eq!(rank::parse(&written, &Limits::default()), Ok(smallest));
    expect![[r#"{"limit":12,"explain":false,"context":{"device":"unknown","utc_offset_minutes":0},"events":[]}"#]].assert_eq(&String::from_utf8_lossy(&written));
}

#[test]
fn the_exposure_record_says_what_the_response_says() {
    let ranker = ranker();
    let request = rank::parse(REQUEST.as_bytes(), &Limits::default()).expect("a request");
    let ranked = rank::rank(&ranker, &request, &mut Workspace::default()).expect("a ranking");
    let exposure = rank::exposure(&ranker, &request, DIGEST, &ranked).expect("an exposure");
    assert_eq!(exposure.check(), Ok(()));
    let response: serde_json::Value =
        serde_json::from_slice(&rank::write_response(&ranker, &request, DIGEST, &ranked))
            .expect("JSON");
    assert_eq!(response["exposure_id"], exposure.id.as_str());
    assert_eq!(response["list_id"], exposure.list.as_str());
    let items = response["items"].as_array().expect("items");
    assert_eq!(items.len(), exposure.entries.len());
    for (item, entry) in items.iter().zip(&exposure.entries) {
        assert_eq!(item["item_id"], entry.product.as_str());
        assert_eq!(item["index"], entry.position);
    }
    assert_eq!(
        exposure.shopper.as_ref().map(|id| id.as_str()),
        Some("c17850")
    );
}
