//! A help desk for tests: it keeps what it is told, and holds each call to the contract of
//! `chatwoot.json`.

use serde_json::{Map, Value, json};

/// What an access token has to be.
pub(crate) const TOKEN: &str = "desk-token-1234567890";

/// A conversation as the desk keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub contact: u64,
    pub status: String,
    pub attributes: Value,
    pub notes: Vec<Value>,
    pub labels: Vec<String>,
    pub priority: Option<String>,
}

/// The desk. Contacts' ids are from 100, conversations' from 1.
pub(crate) struct Desk {
    contract: Value,
    pub contacts: Vec<(String, String)>,
    pub conversations: Vec<Kept>,
    /// Names of the routes that were called, in turn.
    pub called: Vec<String>,
}

fn filled(template: &Value, values: &Map<String, Value>) -> Value {
    match template {
        Value::String(text) => {
            let name = text
                .strip_prefix('{')
                .and_then(|text| text.strip_suffix('}'));
            name.map_or_else(|| template.clone(), |name| values[name].clone())
        }
        Value::Array(list) => list.iter().map(|it| filled(it, values)).collect(),
        Value::Object(fields) => (fields.iter())
            .map(|(name, value)| (name.clone(), filled(value, values)))
            .collect(),
        other => other.clone(),
    }
}

fn values<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_u64(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        other => panic!("the contract has no type {other}"),
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            contract: serde_json::from_str(include_str!("chatwoot.json")).unwrap(),
            contacts: Vec::new(),
            conversations: Vec::new(),
            called: Vec::new(),
        }
    }
}

impl Desk {
    fn contact(&self, at: usize) -> Value {
        let (identifier, name) = &self.contacts[at];
        let values = values([
            ("id", json!(100 + at)),
            ("identifier", json!(identifier)),
            ("name", json!(name)),
        ]);
        filled(&self.contract["contact"], &values)
    }

    fn conversation(&self, at: usize) -> Value {
        let kept = &self.conversations[at];
        let content = kept.notes.last().map(|note| note["content"].clone());
        let values = values([
            ("id", json!(1 + at)),
            ("contact_id", json!(kept.contact)),
            ("content", json!(content)),
            ("custom_attributes", kept.attributes.clone()),
            ("labels", json!(kept.labels)),
            ("status", json!(kept.status)),
            ("priority", json!(kept.priority)),
        ]);
        filled(&self.contract["conversation"], &values)
    }

    fn fault(&self, name: &str) -> (u16, String) {
        let fault = &self.contract["faults"][name];
        (
            fault["status"].as_u64().unwrap() as u16,
            fault["body"].to_string(),
        )
    }

    /// The status and the body of an answer to a call.
    ///
    /// # Panics
    /// When the call isn't the contract's.
    pub(crate) fn answer(
        &mut self,
        method: &str,
        path: &str,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> (u16, String) {
        if header(self.contract["header"].as_str().unwrap()).as_deref() != Some(TOKEN) {
            return self.fault("unauthorised");
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut number = 0;
        let mut matches = |template: &str| {
            let (theirs, ours): (Vec<&str>, Vec<&str>) =
                (path.split('/').collect(), template.split('/').collect());
            theirs.len() == ours.len()
                && theirs
                    .iter()
                    .zip(ours)
                    .all(|(theirs, ours)| match ours.starts_with('{') {
                        true => theirs.parse().map(|id: u64| number = id).is_ok(),
                        false => *theirs == ours,
                    })
        };
        let routes = self.contract["routes"].as_array().unwrap().clone();
        let found = routes
            .iter()
            .find(|route| route["method"] == method && matches(route["path"].as_str().unwrap()));
        let Some(route) = found else {
            return self.fault("missing");
        };
        let name = route["name"].as_str().unwrap();
        self.called.push(name.to_owned());
        let takes = route["takes"].as_object();
        let said: Value = match takes {
            None => {
                assert!(body.is_empty(), "{name} takes no body");
                Value::Null
            }
            Some(takes) => {
                assert_eq!(header("content-type").as_deref(), Some("application/json"));
                let said: Value = serde_json::from_slice(body).unwrap();
                for (field, kind) in takes {
                    let kind = kind.as_str().unwrap();
                    match said.get(field) {
                        None => assert!(kind.ends_with('?'), "{name} lacks {field}"),
                        Some(value) => {
                            assert!(is_of(value, kind.trim_end_matches('?')), "{name}: {field}");
                        }
                    }
                }
                for field in said.as_object().unwrap().keys() {
                    assert!(takes.contains_key(field), "{name} doesn't take {field}");
                }
                said
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let known = (number as usize).wrapping_sub(1);
        let values = match name {
            "search" => {
                let q = query.strip_prefix("q=").expect("a search names q");
                let found: Vec<Value> = (0..self.contacts.len())
                    .filter(|&at| {
                        self.contacts[at].0.contains(q) || self.contacts[at].1.contains(q)
                    })
                    .map(|at| self.contact(at))
                    .collect();
                values([("count", json!(found.len())), ("contacts", json!(found))])
            }
            "introduce" => {
                let identifier = text(&said["identifier"]);
                if said["inbox_id"] != 7 {
                    return self.fault("missing");
                }
                if self.contacts.iter().any(|(known, _)| *known == identifier) {
                    return self.fault("taken");
                }
                self.contacts.push((identifier, text(&said["name"])));
                let contact = self.contact(self.contacts.len() - 1);
                values([
                    ("contact", contact),
                    ("source_id", said["source_id"].clone()),
                ])
            }
            "look" => {
                let theirs: Vec<Value> = (0..self.conversations.len())
                    .filter(|&at| self.conversations[at].contact == number)
                    .map(|at| self.conversation(at))
                    .collect();
                values([("conversations", json!(theirs))])
            }
            "open" => {
                let contact = said["contact_id"].as_u64().unwrap();
                let is_there = (100..100 + self.contacts.len() as u64).contains(&contact);
                if said["inbox_id"] != 7 || !is_there {
                    return self.fault("missing");
                }
                let message = &said["message"];
                let length = text(&message["content"]).chars().count();
                if !(1..=150_000).contains(&length) {
                    return self.fault("invalid");
                }
                self.conversations.push(Kept {
                    contact,
                    status: text(&said["status"]),
                    attributes: said["custom_attributes"].clone(),
                    notes: vec![message.clone()],
                    ..Kept::default()
                });
                values([(
                    "conversation",
                    self.conversation(self.conversations.len() - 1),
                )])
            }
            "label" | "prioritise" => {
                let Some(kept) = self.conversations.get_mut(known) else {
                    return self.fault("missing");
                };
                if name == "label" {
                    kept.labels = (said["labels"].as_array().unwrap().iter())
                        .map(text)
                        .collect();
                } else {
                    kept.priority = Some(text(&said["priority"]));
                }
                values([("labels", json!(kept.labels))])
            }
            other => panic!("the desk has no {other}"),
        };
        let gives = &route["gives"];
        let body = match &gives["body"] {
            Value::Null => String::new(),
            body => filled(body, &values).to_string(),
        };
        (gives["status"].as_u64().unwrap() as u16, body)
    }
}
