//! Conversations that are handed over to people, with a receiver in the test's hands.

use serde_json::{Value, json};
use shelfedge_wire::handover::{Reply, Unsent};
use shelfedge_wire::webhook::{Received, Secret, verify};

use crate::common::desk::{Desk, TOKEN};
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
        ("handover_kind", "mail"),
        // A secret of webhooks is a token, too; the address is none of an inbox.
        ("handover_kind", "chatwoot"),
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

fn with_a_desk() -> Shop {
    let shop = Shop::new()
        .set("state_key", "a key of thirty-two characters.....")
        .set("handover_kind", "chatwoot")
        .set(
            "handover_url",
            "https://desk.example/api/v1/accounts/3/inboxes/7",
        )
        .set("handover_secret", TOKEN);
    shop.receiver.desk.replace(Some(Desk::default()));
    shop
}

/// What the desk was asked for since the last time, and what it keeps.
fn kept(shop: &Shop) -> (Vec<String>, usize, usize) {
    let mut desk = shop.receiver.desk.borrow_mut();
    let desk = desk.as_mut().unwrap();
    shop.receiver.got.take();
    (
        std::mem::take(&mut desk.called),
        desk.contacts.len(),
        desk.conversations.len(),
    )
}

#[test]
fn a_desk_gets_a_conversation_with_a_note() {
    let mut shop = with_a_desk();
    let mut request = wanted(&mut shop);
    request["handover"][0]["text"] = json!("Look: ![x](https://evil.example/p.png) *now*\n# me");
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["status"], "delivered", "{told}");
    assert_eq!(told["delivery"]["attempts"], 1);
    let target = shop.receiver.got.borrow()[0].0.clone();
    assert_eq!(target.authority, "desk.example");
    assert_eq!(
        kept(&shop),
        (
            ["search", "introduce", "open", "label"]
                .map(str::to_owned)
                .into(),
            1,
            1
        )
    );
    let desk = shop.receiver.desk.borrow();
    let one = &desk.as_ref().unwrap().conversations[0];
    assert_eq!((&one.status[..], one.contact), ("open", 100));
    assert_eq!(one.attributes["handover"], told["delivery"]["id"]);
    assert_eq!(one.attributes["reason"], told["packet"]["reason"]);
    let reason = told["packet"]["reason"].as_str().unwrap();
    assert_eq!(one.labels, ["shelfedge", reason]);
    let [note] = &one.notes[..] else {
        panic!("{:?}", one.notes);
    };
    assert_eq!(note["private"], true);
    let note = note["content"].as_str().unwrap();
    // What the customer wrote is shown as it is, and does nothing.
    let shown = r"- Customer: Look\: \!\[x\]\(https\:\/\/evil\.example\/p\.png\) \*now\* \# me";
    assert!(note.contains(shown), "{note}");
    for part in [
        "**What was said**",
        "**Replies to begin with**",
        "satisfaction",
    ] {
        assert!(note.contains(part), "{part}: {note}");
    }
    drop(desk);

    let second = asked(&mut shop, &request);
    assert_eq!(second["delivery"]["status"], "already_delivered");
    // Asked to tell it again, it finds that the desk knows.
    let mut again = request.clone();
    again["again"] = json!(true);
    let third = asked(&mut shop, &again);
    assert_eq!(third["delivery"]["status"], "delivered");
    assert_eq!(
        kept(&shop),
        (["search", "look"].map(str::to_owned).into(), 1, 1)
    );
}

#[test]
fn an_answer_that_gets_lost_makes_nothing_twice() {
    for lost in 0..4 {
        let mut shop = with_a_desk();
        shop.receiver.lost = vec![lost];
        let request = wanted(&mut shop);
        let told = asked(&mut shop, &request);
        assert_eq!(told["delivery"]["status"], "delivered", "{lost}: {told}");
        assert_eq!(told["delivery"]["attempts"], 2);
        let (_, contacts, conversations) = kept(&shop);
        assert_eq!((contacts, conversations), (1, 1), "{lost}");
        let labels = {
            let desk = shop.receiver.desk.borrow();
            desk.as_ref().unwrap().conversations[0].labels.clone()
        };
        assert_eq!(labels[0], "shelfedge", "{lost}");
        // And if all of it is lost, the next request goes on where this one was.
        let mut shop = with_a_desk();
        shop.receiver.lost = (lost..lost + 40).collect();
        let request = wanted(&mut shop);
        let told = asked(&mut shop, &request);
        // Without its labels the conversation is with people all the same.
        let is_open = lost == 3;
        match is_open {
            true => assert_eq!(told["delivery"]["status"], "delivered", "{told}"),
            false => assert_eq!(told["delivery"]["code"], "handover_unreachable", "{told}"),
        }
        assert!(shop.receiver.log.borrow()[0].contains("handover_unreachable"));
        shop.receiver.lost.clear();
        let told = asked(&mut shop, &request);
        let status = if is_open {
            "already_delivered"
        } else {
            "delivered"
        };
        assert_eq!(told["delivery"]["status"], status, "{lost}: {told}");
        let (_, contacts, conversations) = kept(&shop);
        assert_eq!((contacts, conversations), (1, 1), "{lost}");
    }
}

#[test]
fn a_desk_that_refuses_says_so() {
    let mut shop = with_a_desk().set("handover_secret", "another-token");
    let request = wanted(&mut shop);
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["code"], "handover_refused", "{told}");
    let cause = told["delivery"]["cause"].as_str().unwrap();
    assert_eq!(cause, "looking for the contact: answered with status 401");
    assert!(!told.to_string().contains("another-token"));

    let inbox = "https://desk.example/api/v1/accounts/3/inboxes/8";
    let mut shop = with_a_desk().set("handover_url", inbox);
    let request = wanted(&mut shop);
    let told = asked(&mut shop, &request);
    let cause = told["delivery"]["cause"].as_str().unwrap();
    assert_eq!(cause, "making the contact: answered with status 404");

    // A page of another server is no answer.
    let mut shop = with_a_desk();
    shop.receiver.desk.take();
    shop.receiver.answers = vec![Ok(Reply {
        status: 200,
        retry_after: None,
        body: b"<!doctype html>".to_vec(),
    })]
    .into();
    let request = wanted(&mut shop);
    let told = asked(&mut shop, &request);
    assert_eq!(told["delivery"]["code"], "handover_refused", "{told}");
}
