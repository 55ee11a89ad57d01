//! Hand-overs of the real component through the host's only way out, to a receiver over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

mod common;
#[path = "../../../tests/contracts/desk.rs"]
mod desk;

use common::{Running, edge, post, start};
use desk::{Desk, TOKEN};
use serde_json::{Value, json};
use shelfedge_host::guest::Limits;
use shelfedge_wire::webhook::{Received, Secret, verify};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came in: the head's lines and the body.
struct Came {
    head: Vec<String>,
    body: Vec<u8>,
}

impl Came {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Answers each connection with the next text, the last one for ever; an empty one answers
/// nothing and keeps the connection.
fn receiver(answers: Vec<Vec<u8>>) -> (SocketAddr, Receiver<Came>) {
    let mut at = 0;
    listen(move |_| {
        at += 1;
        answers[(at - 1).min(answers.len() - 1)].clone()
    })
}

/// Answers each connection with what it is told to.
fn listen(
    mut answer: impl FnMut(&Came) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, Receiver<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            let mut bytes = Vec::new();
            let mut piece = [0; 4096];
            let came = loop {
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                if let Some(end) = end {
                    let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
                    let head: Vec<String> = text.lines().map(str::to_owned).collect();
                    let body = bytes[end + 4..].to_vec();
                    let came = Came { head, body };
                    let length = came.header("content-length").unwrap_or("0");
                    let length: usize = length.parse().unwrap();
                    if came.body.len() >= length {
                        break came;
                    }
                }
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "the request broke off");
                bytes.extend_from_slice(&piece[..read]);
            };
            let answer = answer(&came);
            if tell.send(came).is_err() {
                return;
            }
            // Who refuses a long answer closes while it is written.
            let _ = stream.write_all(&answer);
            if answer.is_empty() {
                kept.push(stream);
            }
        }
    });
    (address, told)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn shop(folder: &Path, variables: &[&str]) -> Option<Running> {
    let mut all = vec!["state_key=a key of thirty-two characters....."];
    all.extend_from_slice(variables);
    let limits = Limits {
        deadline: Duration::from_secs(20),
        ..Limits::default()
    };
    Some(start(&edge()?, folder, limits, &all))
}

fn asked(shop: &Running, request: &Value) -> Value {
    let reply = post(shop.address, "/v1/assist", request.to_string().as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// A customer asks for a person, and the page hands over; the answer.
fn handed_over(shop: &Running) -> (Value, Value) {
    let told = asked(shop, &json!({ "text": "I want to talk to a person" }));
    let open = json!({ "call": told["call"]["id"], "name": "open" });
    let told = asked(shop, &json!({ "state": told["state"], "outcome": open }));
    let request = json!({ "state": told["state"], "handover": [
        { "who": "customer", "text": "I want to talk to a person, I'm anna@example.com" },
    ] });
    (asked(shop, &request), request)
}

/// A shop and its receiver; none, with a message, without a component.
fn with(
    folder: &Path,
    answers: Vec<Vec<u8>>,
    variables: &[&str],
) -> Option<(Running, Receiver<Came>)> {
    let (address, told) = receiver(answers);
    let url = format!("handover_url=http://{address}/in/7");
    let secret = format!("handover_secret={SECRET}");
    let mut all = vec!["deadline_ms=20000", &url[..], &secret[..]];
    all.extend_from_slice(variables);
    Some((shop(folder, &all)?, told))
}

fn verified(came: &Came) -> String {
    let received = Received {
        id: came.header("webhook-id"),
        timestamp: came.header("webhook-timestamp"),
        signature: came.header("webhook-signature"),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the shop's clock is this machine's"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let secret = Secret::parse(SECRET).unwrap();
    verify(&[secret], &received, &came.body, now.as_secs() as i64)
        .unwrap()
        .to_owned()
}

#[test]
fn people_are_told_again_after_a_failure_under_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let answers = vec![
        answer("503 Service Unavailable", "", ""),
        answer("200 OK", "", "thanks"),
    ];
    let Some((shop, told)) = with(folder.path(), answers, &[]) else {
        return;
    };
    let (answer, request) = handed_over(&shop);
    assert_eq!(answer["delivery"]["status"], "delivered", "{answer}");
    assert_eq!(answer["delivery"]["attempts"], 2);
    let (first, second) = (told.recv().unwrap(), told.recv().unwrap());
    assert_eq!(first.head[0], "POST /in/7 HTTP/1.1");
    assert_eq!(verified(&first), verified(&second));
    assert_eq!(answer["delivery"]["id"], verified(&second));
    let event: Value = serde_json::from_slice(&second.body).unwrap();
    assert_eq!(event["type"], "handover.requested");
    assert_eq!(event["data"]["packet"], answer["packet"]);
    assert!(!event.to_string().contains("anna@"));
    let again = asked(&shop, &request);
    assert_eq!(again["delivery"]["status"], "already_delivered");
    assert!(told.try_recv().is_err());
}

#[test]
fn a_redirect_is_not_followed() {
    let (elsewhere, other) = receiver(vec![answer("200 OK", "", "")]);
    let folder = tempfile::tempdir().unwrap();
    let to = format!("location: http://{elsewhere}/\r\n");
    let answers = vec![answer("307 Temporary Redirect", &to, "")];
    let Some((shop, told)) = with(folder.path(), answers, &[]) else {
        return;
    };
    let (answer, _) = handed_over(&shop);
    assert_eq!(answer["delivery"]["code"], "handover_refused", "{answer}");
    assert_eq!(answer["packet"]["flows"][0]["flow"], "human");
    assert!(told.recv().is_ok() && other.try_recv().is_err());
}

#[test]
fn a_receiver_that_does_not_answer_costs_its_time_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let variables = ["handover_deadline_ms=500"];
    let Some((shop, _told)) = with(folder.path(), vec![Vec::new()], &variables) else {
        return;
    };
    let (answer, _) = handed_over(&shop);
    assert_eq!(
        answer["delivery"]["code"], "handover_unreachable",
        "{answer}"
    );
}

#[test]
fn an_answer_that_is_too_long_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let answers = vec![answer("200 OK", "", &"x".repeat(1 << 20))];
    let Some((shop, _told)) = with(folder.path(), answers, &[]) else {
        return;
    };
    let (answer, _) = handed_over(&shop);
    assert_eq!(answer["delivery"]["status"], "failed", "{answer}");
}

#[test]
fn without_an_address_nothing_is_sent_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(folder.path(), &["deadline_ms=20000"]) else {
        return;
    };
    let (answer, _) = handed_over(&shop);
    assert!(answer.get("delivery").is_none(), "{answer}");
    assert_eq!(answer["packet"]["flows"][0]["flow"], "human");
}

#[test]
fn a_desk_gets_the_conversation_by_its_own_interface() {
    let desk = Arc::new(Mutex::new(Desk::default()));
    let kept = desk.clone();
    let mut calls = 0;
    let (address, _told) = listen(move |came| {
        let mut words = came.head[0].split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let header = |name: &str| came.header(name).map(str::to_owned);
        let mut desk = desk.lock().unwrap();
        let (status, body) = desk.answer(method, path, header, &came.body);
        calls += 1;
        match calls {
            // The third, which opens the conversation, is done and its answer gets lost.
            3 => answer("502 Bad Gateway", "", ""),
            _ => answer(
                &format!("{status} Answer"),
                "content-type: application/json\r\n",
                &body,
            ),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let url = format!("handover_url=http://{address}/api/v1/accounts/3/inboxes/7");
    let token = format!("handover_secret={TOKEN}");
    let variables = ["handover_kind=chatwoot", "deadline_ms=20000", &url, &token];
    let Some(shop) = shop(folder.path(), &variables) else {
        return;
    };
    let (answer, _) = handed_over(&shop);
    assert_eq!(answer["delivery"]["status"], "delivered", "{answer}");
    assert_eq!(answer["delivery"]["attempts"], 2);
    let desk = kept.lock().unwrap();
    assert_eq!((desk.contacts.len(), desk.conversations.len()), (1, 1));
    let one = &desk.conversations[0];
    assert_eq!(one.attributes["handover"], answer["delivery"]["id"]);
    let note = one.notes[0]["content"].as_str().unwrap();
    assert!(
        note.contains("talk to a person") && !note.contains("anna"),
        "{note}"
    );
    assert_eq!(
        desk.called,
        ["search", "introduce", "open", "look", "label"]
    );
}
