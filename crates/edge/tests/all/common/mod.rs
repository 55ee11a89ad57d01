//! A shop's edge with a store, settings and a clock that tests set.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use shelfedge_edge::handler::{Clock, Edge, Profiles, StoreFault};
use shelfedge_edge::handover::Outbound;
use shelfedge_edge::http::{Body, BodyBroken, Head, Response};
use shelfedge_edge::model::{EMBEDDED, Models};
use shelfedge_edge::settings::Variables;
use shelfedge_wire::handover::{Call, Reply, Target, Unsent};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

#[path = "../../../../../tests/contracts/desk.rs"]
pub mod desk;
use desk::Desk;

/// 2011-12-10T10:00:00Z, a day after the demo shop's data ends.
pub const NOW_MS: i64 = 1_323_511_200_000;

#[derive(Default)]
pub struct Store {
    pub values: BTreeMap<String, Vec<u8>>,
    pub reads: usize,
    pub writes: usize,
    pub deletions: usize,
    pub broken: bool,
    /// How many writes there are before it breaks.
    pub break_after: Option<usize>,
    /// Whether the write that breaks is done nevertheless.
    pub break_late: bool,
}

impl Profiles for Store {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        self.reads += 1;
        if self.broken {
            return Err(StoreFault("the store is away".to_owned()));
        }
        Ok(self.values.get(key).cloned())
    }

    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), StoreFault> {
        if self.broken {
            return Err(StoreFault("the store is away".to_owned()));
        }
        if self.break_after.is_some_and(|most| self.writes >= most) {
            if self.break_late {
                self.values.insert(key.to_owned(), value.to_vec());
            }
            return Err(StoreFault("the store went away".to_owned()));
        }
        self.writes += 1;
        self.values.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &str) -> Result<(), StoreFault> {
        if self.broken {
            return Err(StoreFault("the store is away".to_owned()));
        }
        self.deletions += 1;
        self.values.remove(key);
        Ok(())
    }
}

#[derive(Default)]
pub struct Settings(BTreeMap<String, String>);

impl Variables for Settings {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.0.get(name).cloned())
    }
}

/// Who is told of hand-overs: what it got, and what it answers in turn; a success at last,
/// or what a desk says, where there is one.
#[derive(Default)]
pub struct Receiver {
    pub got: RefCell<Vec<(Target, Call)>>,
    pub answers: RefCell<Vec<Result<Reply, Unsent>>>,
    pub log: RefCell<Vec<String>>,
    pub desk: RefCell<Option<Desk>>,
    /// Calls, counted from 0, whose answer gets lost after the desk did what they say.
    pub lost: Vec<usize>,
}

struct Way<'a>(&'a Receiver, &'a TestClock);

impl Outbound for Way<'_> {
    fn call(&self, target: &Target, call: &Call, _within_ms: u64) -> Result<Reply, Unsent> {
        let at = self.0.got.borrow().len();
        self.0.got.borrow_mut().push((target.clone(), call.clone()));
        if let Some(desk) = self.0.desk.borrow_mut().as_mut() {
            let header = |name: &str| {
                let found = call.headers.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.clone())
            };
            let (status, body) = desk.answer(call.method, &call.path, header, &call.body);
            if self.0.lost.contains(&at) {
                return Err(Unsent::Timeout);
            }
            return Ok(Reply {
                status,
                retry_after: None,
                body: body.into_bytes(),
            });
        }
        let mut answers = self.0.answers.borrow_mut();
        match answers.is_empty() {
            true => Ok(Reply {
                status: 204,
                ..Reply::default()
            }),
            false => answers.remove(0),
        }
    }

    fn wait(&self, ms: u64) {
        self.1.elapsed_us.set(self.1.elapsed_us.get() + ms * 1_000);
        self.1.unix_ms.set(self.1.unix_ms.get() + ms as i64);
    }

    fn log(&self, line: &str) {
        self.0.log.borrow_mut().push(line.to_owned());
    }
}

/// Every look at the clock costs `step_us`.
pub struct TestClock {
    pub unix_ms: Cell<i64>,
    pub elapsed_us: Cell<u64>,
    pub step_us: u64,
    pub drawn: Cell<u128>,
}

impl Clock for TestClock {
    fn unix_ms(&self) -> i64 {
        self.unix_ms.get()
    }

    fn elapsed_us(&self) -> u64 {
        let now = self.elapsed_us.get();
        self.elapsed_us.set(now + self.step_us);
        now
    }

    fn random(&self) -> [u8; 16] {
        self.drawn.set(self.drawn.get() + 1);
        self.drawn.get().to_le_bytes()
    }
}

struct Pieces(Vec<Vec<u8>>);

impl Body for Pieces {
    fn read(&mut self) -> Result<Option<Vec<u8>>, BodyBroken> {
        Ok(self.0.pop())
    }
}

pub struct Shop {
    pub receiver: Receiver,
    pub models: Models,
    pub store: Store,
    pub settings: Settings,
    pub clock: TestClock,
}

impl Shop {
    pub fn new() -> Self {
        Shop {
            models: EMBEDDED,
            store: Store::default(),
            settings: Settings::default(),
            receiver: Receiver::default(),
            clock: TestClock {
                unix_ms: Cell::new(NOW_MS),
                elapsed_us: Cell::new(0),
                step_us: 125,
                drawn: Cell::new(0),
            },
        }
    }

    /// None, with a message, when no model was embedded.
    pub fn with_model() -> Option<Self> {
        let shop = Shop::new();
        if shop.models.ranking.is_none() {
            println!(
                "SKIPPED: no model is embedded; models/ranking must hold a bundle when this is \
                 built (train it with `shelfedge-train ranking`)"
            );
            return None;
        }
        Some(shop)
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.0.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.clock.elapsed_us.set(0);
        let head = Head {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
        };
        let mut pieces: Vec<Vec<u8>> = body.chunks(50_000).map(<[u8]>::to_vec).collect();
        pieces.reverse();
        let edge = Edge {
            models: self.models,
            variables: &self.settings,
            clock: &self.clock,
            outbound: &Way(&self.receiver, &self.clock),
        };
        let response = edge.answer(&head, &mut Pieces(pieces), &mut self.store);
        documented(method, path, &response);
        response
    }

    pub fn post(&mut self, path: &str, body: &str) -> Response {
        let kind = [("content-type", "application/json")];
        self.send("POST", path, &kind, body.as_bytes())
    }
}

/// Every answer of a described route is one that the description lists, with
/// its media type.
fn documented(method: &str, path: &str, response: &Response) {
    static DESCRIPTION: OnceLock<serde_json::Value> = OnceLock::new();
    let description =
        DESCRIPTION.get_or_init(|| serde_json::from_str(shelfedge_wire::openapi()).unwrap());
    let method = match method {
        "HEAD" | "OPTIONS" => return,
        // Documented with the methods that there are.
        _ if response.status == 405 => return,
        method => method.to_ascii_lowercase(),
    };
    let is_of = |prefix| {
        let part: Option<&str> = path.strip_prefix(prefix);
        part.is_some_and(|part| !part.is_empty() && !part.contains('/'))
    };
    let described = match path {
        _ if is_of("/v1/profiles/") => "/v1/profiles/{shopper}",
        _ if is_of("/v1/explore/") => "/v1/explore/{list}",
        path => path,
    };
    let operation = &description["paths"][described][&method];
    if operation.is_null() {
        assert_eq!(response.status, 404, "{method} {path} is not described");
        return;
    }
    let answer = &operation["responses"][response.status.to_string()];
    assert!(
        answer.is_object(),
        "{method} {path} answers {} and does not describe it",
        response.status
    );
    // The description may keep an answer in its components.
    let answer = match answer["$ref"].as_str() {
        Some(reference) => description
            .pointer(reference.trim_start_matches('#'))
            .unwrap(),
        None => answer,
    };
    if response.status == 204 {
        assert!(response.body.is_empty() && answer["content"].is_null());
        return;
    }
    let media_type = response.header("content-type").unwrap();
    assert!(
        answer["content"][media_type].is_object(),
        "{method} {path} {}: {media_type} is not described",
        response.status
    );
}

/// A response as text, for golden exchanges.
pub fn show(response: &Response) -> String {
    let mut text = format!("{}\n", response.status);
    for (name, value) in &response.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = write!(text, "\n{}", String::from_utf8_lossy(&response.body));
    text
}

pub fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&response.body)))
}

pub fn code(response: &Response) -> String {
    json(response)["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// One event in a CloudEvents envelope, from `/web`.
pub fn event(shopper: &str, id: &str, time: &str, name: &str, product: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/web","type":"shelfedge.event.v1","time":"{time}","subject":"{shopper}","data":{{"name":"{name}","params":{{"items":[{{"item_id":"{product}"}}]}}}}}}"#
    )
}
