//! Conversations that are handed over to people, with a receiver in the test's hands.

use serde_json::{Value, json};
use shelfedge_wire::handover::{Reply, Unsent};
use shelfedge_wire::webhook::{Received, Secret, verify};

use crate::common::{Shop, code, json as body_of};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn shop() -> Shop {
    Shop::new()
        .set("state_key", "a key of thirty-two characters.....")
        .set("handover_url", "https://help.example/in/7?x=1")
        .set("handover_secret", SECRET)
}

fn asked(shop: &mut Shop, request: &Value) -> Value {
    let response = shop.post("/v1/assist", &request.to_string());
    let told = body_of(&response);
    assert_eq!(response.status, 200, "{told}");
    told
}

/// A customer who asked for a person, and the request that hands over.
fn wanted(shop: &mut Shop) -> Value {
    let told = asked(shop, &json!({ "text": "I want to talk to a person" }));
    let open = json!({ "call": told["call"]["id"], "name": "open" });
    let told = asked(shop, &json!({ "state": told["state"], "outcome": open }));
    assert_eq!(told["expects"]["kind"], "person", "{told}");
    json!({ "state": told["state"], "handover": [
        { "who": "customer", "text": "I want to talk to a person, I'm anna@example.com" },
    ] })
}

fn status(status: u16, retry_after: Option<u64>) -> Result<Reply, Unsent> {
    Ok(Reply {
        status,
        retry_after,
        body: Vec::new(),
    })
}

#[test]
fn people_are_told_once_and_can_verify_it() {
    let mut shop = shop();
    let request = wanted(&mut shop);
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["status"], "delivered", "{told}");
    let got = shop.receiver.got.take();
    let [(target, call)] = &got[..] else {
        panic!("{} calls", got.len());
    };
    assert_eq!(
        (&target.authority[..], &call.path[..], call.method),
        ("help.example", "/in/7?x=1", "POST")
    );
    let header = |name| {
        let found = call.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    };
    let received = Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
    };
    let secret = Secret::parse(SECRET).unwrap();
    let now = shop.clock.unix_ms.get() / 1000;
    let id = verify(&[secret], &received, &call.body, now).unwrap();
    assert_eq!(told["delivery"]["id"], id);
    let event: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(event["type"], "handover.requested");
    assert_eq!(event["data"]["packet"], told["packet"]);
    assert_eq!(event["data"]["place"]["flow"], "human");
    assert!(!event.to_string().contains("anna@"), "{event}");

    let second = asked(&mut shop, &request);
    assert_eq!(second["delivery"]["status"], "already_delivered");
    assert!(shop.receiver.got.borrow().is_empty());
    let mut again = request.clone();
    again["again"] = json!(true);
    let third = asked(&mut shop, &again);
    assert_eq!(third["delivery"]["status"], "delivered");
    assert_eq!(third["delivery"]["id"], told["delivery"]["id"]);
    assert_eq!(shop.receiver.got.borrow().len(), 1);
}

#[test]
fn nobody_is_told_of_a_conversation_that_needs_nobody() {
    let mut shop = shop();
    let told = asked(&mut shop, &json!({ "text": "hello" }));
    let request = json!({ "state": told["state"], "handover": [] });
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["status"], "not_needed", "{told}");
    let told = asked(&mut shop, &json!({ "handover": [] }));
    assert_eq!(told["delivery"]["status"], "not_needed", "{told}");
    assert!(shop.receiver.got.borrow().is_empty());
}

#[test]
fn what_passes_is_tried_again_under_the_same_id() {
    let mut shop = shop();
    let request = wanted(&mut shop);
    shop.receiver.answers = vec![status(503, None), Err(Unsent::Unreachable)].into();
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["status"], "delivered", "{told}");
    assert_eq!(told["delivery"]["attempts"], 3);
    let got = shop.receiver.got.take();
    assert!(got.iter().all(|(_, call)| call.body == got[0].1.body));
    assert!(
        got.iter()
            .all(|(_, call)| call.headers[1] == got[0].1.headers[1])
    );
    // Each attempt is signed at its own time.
    assert_ne!(got[0].1.headers[3], got[2].1.headers[3]);
}

#[test]
fn a_failure_is_told_and_the_packet_is_not_lost() {
    let cases = [
        (vec![status(401, None)], "handover_refused", 1),
        (vec![status(302, None)], "handover_refused", 1),
        (vec![Err(Unsent::Denied)], "handover_denied", 1),
        (vec![Err(Unsent::TooLarge)], "handover_refused", 1),
        (vec![status(503, None); 4], "handover_unreachable", 3),
        // Longer than the request may last.
        (vec![status(429, Some(60))], "handover_unreachable", 1),
        (vec![status(429, Some(u64::MAX))], "handover_unreachable", 1),
    ];
    for (answers, code, attempts) in cases {
        let mut shop = shop();
        let request = wanted(&mut shop);
        shop.receiver.answers = answers.into();
        let told = asked(&mut shop, &request);
        let delivery = &told["delivery"];
        assert_eq!(delivery["status"], "failed", "{told}");
        assert_eq!(
            (&delivery["code"], &delivery["attempts"]),
            (&json!(code), &json!(attempts))
        );
        assert_eq!(told["packet"]["flows"][0]["flow"], "human");
        let log = shop.receiver.log.take();
        assert_eq!(log.len(), 1);
        assert!(log[0].contains(code) && !log[0].contains("whsec") && !log[0].contains("anna"));
        assert!(!log[0].contains("/in/7"), "{log:?}");
        // The next one may do better, without being asked to send again.
        shop.receiver.answers.take();
        let told = asked(&mut shop, &request);
        assert_eq!(told["delivery"]["status"], "delivered");
    }
}

#[test]
fn without_a_store_people_are_told_nevertheless() {
    let mut shop = shop().set("refuse_replays", "false");
    shop.store.broken = true;
    let request = wanted(&mut shop);
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["status"], "delivered", "{told}");
}

#[test]
fn a_bad_setting_is_an_error_and_not_silence() {
    for (name, value) in [
        ("handover_url", "http://help.example/"),
        ("handover_secret", "whsec_short"),
        ("handover_secret", ""),
        ("handover_deadline_ms", "0"),
    ] {
        let mut shop = shop();
        let request = wanted(&mut shop);
        let mut shop = shop.set(name, value);
        let response = shop.post("/v1/assist", &request.to_string());
        assert_eq!(
            (response.status, &*code(&response)),
            (500, "misconfigured"),
            "{name}"
        );
    }
}
