//! Hand-overs into a desk that speaks the application API of Chatwoot, version 1: a contact
//! for the conversation, a conversation in an inbox, opened for people, with the packet as a
//! private note, labels, and a priority where the customer isn't satisfied.
//!
//! | call below `/api/v1/accounts/{account}` | when |
//! |---|---|
//! | `GET /contacts/search` | first: whether a contact was made before |
//! | `POST /contacts` | there is none |
//! | `GET /contacts/{id}/conversations` | there is one: whether it was handed over |
//! | `POST /conversations` | it wasn't; the note goes with it, so there is both or neither |
//! | `POST /conversations/{id}/labels` | it has none: `shelfedge`, and the reason |
//! | `POST /conversations/{id}/toggle_priority` | it was labelled, and the customer is dissatisfied |
//!
//! An errand that is begun again, in another request or after an answer got lost, finds what
//! it made and makes nothing twice: contact and conversation bear the hand-over's ids.

use shelfedge_assistant::dialogue::{Packet, Who};

use crate::codes;
use crate::handover::{Call, Errand, Failure, Reply, Target, Unsent};
use crate::json::{Kind, Malformed, Reader, What, Writer};
use crate::manifest::hex;
use crate::seal::Conversation;

/// Longest token, in bytes.
const MAX_TOKEN: usize = 500;
/// Longest note, in characters; a desk takes half as many again.
const MAX_NOTE: usize = 100_000;
/// Lists and objects within one another in an answer.
const MAX_DEPTH: u32 = 64;
/// Below this satisfaction the conversation is urgent, below the other one high.
const URGENT: f32 = 0.25;
const HIGH: f32 = 0.5;

/// Where conversations are opened, and in whose name.
#[derive(Clone)]
pub struct Inbox {
    /// Up to and with the account's number.
    account: String,
    inbox: u64,
    token: String,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

impl Inbox {
    /// An inbox by its address, `https://{host}/api/v1/accounts/{account}/inboxes/{inbox}`;
    /// a desk may stand below a path of its own.
    ///
    /// # Errors
    /// Why the address is none of an inbox.
    pub fn parse(target: &Target, token: &str) -> Result<Self, &'static str> {
        let path = target.path.trim_end_matches('/');
        let whole = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_plain.then(|| text.parse::<u64>().ok()).flatten()
        };
        let found = path.rsplit_once("/inboxes/").and_then(|(account, inbox)| {
            let (api, number) = account.rsplit_once('/')?;
            whole(number)?;
            let is_ours = api.ends_with("/api/v1/accounts") && !api.contains('?');
            is_ours.then_some((account, whole(inbox)?))
        });
        let (account, inbox) =
            found.ok_or("must end with /api/v1/accounts/{account}/inboxes/{inbox}")?;
        Ok(Self {
            account: account.to_owned(),
            inbox,
            token: token.to_owned(),
        })
    }

    /// Whether a text may be an access token, and why not.
    ///
    /// # Errors
    /// One that is empty, too long, or not of printable ASCII.
    pub fn check_token(token: &str) -> Result<(), &'static str> {
        match token.len() {
            1..=MAX_TOKEN if token.bytes().all(|b| b.is_ascii_graphic()) => Ok(()),
            _ => Err("must be an access token, 1 to 500 printable characters"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Search,
    Introduce,
    Look { contact: u64 },
    Open { contact: u64 },
    Label { conversation: u64 },
    Prioritise { conversation: u64, to: &'static str },
    Done,
}

/// The way of one hand-over into an inbox.
pub struct Opening<'a> {
    inbox: &'a Inbox,
    packet: &'a Packet,
    /// The conversation's id, in hexadecimal digits.
    conversation: String,
    /// The hand-over's.
    id: &'a str,
    step: Step,
    /// Whether the desk said that the contact that it didn't find is there.
    is_known: bool,
}

impl<'a> Opening<'a> {
    /// A hand-over from its first call.
    pub fn new(
        inbox: &'a Inbox,
        conversation: &Conversation,
        packet: &'a Packet,
        id: &'a str,
    ) -> Self {
        Self {
            inbox,
            packet,
            conversation: hex(&conversation.id),
            id,
            step: Step::Search,
            is_known: false,
        }
    }

    /// What the contact is known by.
    fn identifier(&self) -> String {
        ["shelfedge-", &self.conversation].concat()
    }

    fn get(&self, path: &str) -> Call {
        self.request("GET", path, Vec::new())
    }

    fn post(&self, path: &str, body: impl FnOnce(&mut Writer)) -> Call {
        let mut json = Writer::with_capacity(4096);
        json.open(b'{');
        body(&mut json);
        json.close(b'}');
        self.request("POST", path, json.finish())
    }

    fn request(&self, method: &'static str, path: &str, body: Vec<u8>) -> Call {
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("api_access_token", self.inbox.token.clone()),
        ];
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Call {
            method,
            path: [&self.inbox.account, path].concat(),
            headers,
            body,
        }
    }

    fn introduce(&self) -> Call {
        self.post("/contacts", |json| {
            let name = ["Customer ", &self.conversation[..6]].concat();
            let identifier = self.identifier();
            json.key("inbox_id");
            json.unsigned(self.inbox.inbox);
            for (key, text) in [
                ("name", &name),
                ("identifier", &identifier),
                ("source_id", &identifier),
            ] {
                json.key(key);
                json.string(text);
            }
        })
    }

    fn open(&self, contact: u64) -> Call {
        self.post("/conversations", |json| {
            let packet = self.packet;
            json.key("source_id");
            json.string(&self.identifier());
            for (key, number) in [("inbox_id", self.inbox.inbox), ("contact_id", contact)] {
                json.key(key);
                json.unsigned(number);
            }
            json.key("status");
            json.string("open");
            json.key("custom_attributes");
            json.open(b'{');
            for (key, text) in [
                ("handover", self.id),
                ("reason", &packet.reason),
                ("language", packet.language),
            ] {
                json.key(key);
                json.string(text);
            }
            json.close(b'}');
            json.key("message");
            json.open(b'{');
            json.key("content");
            json.string(&note(packet, self.id));
            json.key("message_type");
            json.string("outgoing");
            json.key("private");
            json.boolean(true);
            json.close(b'}');
        })
    }

    fn label(&self, conversation: u64) -> Call {
        let path = format!("/conversations/{conversation}/labels");
        self.post(&path, |json| {
            json.key("labels");
            json.open(b'[');
            json.string("shelfedge");
            let of_label = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
            let reason: String = self.packet.reason.chars().filter(of_label).collect();
            if !reason.is_empty() {
                json.string(&reason);
            }
            json.close(b']');
        })
    }

    fn after_label(&self, conversation: u64) -> Step {
        let to = match self.packet.satisfaction {
            it if it < URGENT => "urgent",
            it if it < HIGH => "high",
            _ => return Step::Done,
        };
        Step::Prioritise { conversation, to }
    }

    /// What a reply leads to.
    fn after(&self, body: &[u8]) -> Result<Step, Malformed> {
        let mut reader = Reader::new(body, MAX_DEPTH)?;
        let reader = &mut reader;
        Ok(match self.step {
            Step::Search => {
                let identifier = self.identifier();
                let found = found_in(reader, |reader, name, seen| {
                    if name != "identifier" {
                        return Ok(false);
                    }
                    seen.is_it = text(reader)?.is_some_and(|it| it == identifier);
                    Ok(true)
                })?;
                found.map_or(Step::Introduce, |found| Step::Look { contact: found.id })
            }
            Step::Introduce => {
                let mut contact = None;
                fields(reader, |reader, name| match name {
                    "payload" => fields(reader, |reader, name| match name {
                        "contact" => {
                            contact = id(reader)?;
                            Ok(true)
                        }
                        _ => Ok(false),
                    }),
                    _ => Ok(false),
                })?;
                let contact = contact.ok_or(EXPECTED_ID)?;
                Step::Open { contact }
            }
            Step::Look { contact } => {
                let found = found_in(reader, |reader, name, seen| match name {
                    "custom_attributes" => fields(reader, |reader, name| {
                        if name != "handover" {
                            return Ok(false);
                        }
                        seen.is_it = text(reader)?.is_some_and(|it| it == self.id);
                        Ok(true)
                    }),
                    "labels" => {
                        items(reader, |reader| {
                            seen.is_labelled = true;
                            reader.skip()
                        })?;
                        Ok(true)
                    }
                    _ => Ok(false),
                })?;
                match found {
                    None => Step::Open { contact },
                    // People's own labels stay.
                    Some(found) if found.is_labelled => Step::Done,
                    Some(found) => Step::Label {
                        conversation: found.id,
                    },
                }
            }
            Step::Open { .. } => {
                let conversation = id(reader)?.ok_or(EXPECTED_ID)?;
                Step::Label { conversation }
            }
            Step::Label { conversation } => self.after_label(conversation),
            Step::Prioritise { .. } | Step::Done => Step::Done,
        })
    }

    fn doing(&self) -> &'static str {
        match self.step {
            Step::Search => "looking for the contact",
            Step::Introduce => "making the contact",
            Step::Look { .. } => "looking for the conversation",
            Step::Open { .. } => "opening the conversation",
            Step::Label { .. } => "labelling the conversation",
            Step::Prioritise { .. } | Step::Done => "setting the priority",
        }
    }
}

impl Errand for Opening<'_> {
    fn call(&mut self, _now: i64) -> Option<Call> {
        Some(match self.step {
            Step::Search => {
                let query = ["/contacts/search?q=", &self.identifier()].concat();
                self.get(&query)
            }
            Step::Introduce => self.introduce(),
            Step::Look { contact } => self.get(&format!("/contacts/{contact}/conversations")),
            Step::Open { contact } => self.open(contact),
            Step::Label { conversation } => self.label(conversation),
            Step::Prioritise { conversation, to } => {
                let path = format!("/conversations/{conversation}/toggle_priority");
                self.post(&path, |json| {
                    json.key("priority");
                    json.string(to);
                })
            }
            Step::Done => return None,
        })
    }

    fn has_told(&self) -> bool {
        matches!(
            self.step,
            Step::Label { .. } | Step::Prioritise { .. } | Step::Done
        )
    }

    fn hear(&mut self, answer: Result<&Reply, Unsent>) -> Result<(), Failure> {
        let doing = self.doing();
        let told = answer.map_err(Failure::from).and_then(|reply| {
            // Made meanwhile, or before an answer got lost.
            if self.step == Step::Introduce && reply.status == 422 && !self.is_known {
                self.is_known = true;
                return Ok(Step::Search);
            }
            reply.success()?;
            // The last two say nothing that is of use.
            match self.step {
                Step::Label { conversation } => Ok(self.after_label(conversation)),
                Step::Prioritise { .. } | Step::Done => Ok(Step::Done),
                _ => self.after(&reply.body).map_err(|at| Failure {
                    code: &codes::HANDOVER_REFUSED,
                    cause: format!("the answer isn't this API's, at byte {}", at.at),
                    passes: false,
                    retry_after: None,
                }),
            }
        });
        match told {
            Ok(step) => {
                self.step = step;
                Ok(())
            }
            Err(mut failure) => {
                failure.cause = format!("{doing}: {}", failure.cause);
                // Whether it was opened nobody knows.
                if let Step::Open { contact } = self.step {
                    self.step = Step::Look { contact };
                }
                Err(failure)
            }
        }
    }
}

const EXPECTED_ID: Malformed = Malformed {
    at: 0,
    what: What::Expected("an id"),
};

type Read<T> = Result<T, Malformed>;

/// An object's fields; those that `field` doesn't take, and what is no object, are passed over.
fn fields(
    reader: &mut Reader<'_>,
    mut field: impl FnMut(&mut Reader<'_>, &str) -> Read<bool>,
) -> Read<bool> {
    if reader.kind()? != Kind::Object {
        reader.skip()?;
        return Ok(true);
    }
    reader.open(b'{')?;
    let mut first = true;
    while reader.more(first, b'}')? {
        first = false;
        let name = reader.key()?;
        if !field(reader, &name)? {
            reader.skip()?;
        }
    }
    Ok(true)
}

/// A text, passing over anything else.
fn text(reader: &mut Reader<'_>) -> Read<Option<String>> {
    if reader.kind()? == Kind::String {
        return Ok(Some(reader.string()?.into_owned()));
    }
    reader.skip()?;
    Ok(None)
}

fn number(reader: &mut Reader<'_>) -> Read<Option<u64>> {
    if reader.kind()? == Kind::Number {
        return Ok(reader.number()?.parse().ok());
    }
    reader.skip()?;
    Ok(None)
}

/// The `id` of an object.
fn id(reader: &mut Reader<'_>) -> Read<Option<u64>> {
    let mut found = None;
    fields(reader, |reader, name| {
        if name == "id" {
            found = number(reader)?;
        }
        Ok(name == "id")
    })?;
    Ok(found)
}

/// A list's values; what is no list is passed over. Whether it was one.
fn items<'a>(
    reader: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>) -> Read<()>,
) -> Read<bool> {
    if reader.kind()? != Kind::Array {
        reader.skip()?;
        return Ok(false);
    }
    reader.open(b'[')?;
    let mut first = true;
    while reader.more(first, b']')? {
        first = false;
        item(reader)?;
    }
    Ok(true)
}

/// What is known of an object of a list.
#[derive(Default)]
struct Seen {
    id: u64,
    is_it: bool,
    is_labelled: bool,
}

/// The first object of `payload` that `field` says is it.
fn found_in(
    reader: &mut Reader<'_>,
    mut field: impl FnMut(&mut Reader<'_>, &str, &mut Seen) -> Read<bool>,
) -> Read<Option<Seen>> {
    let (mut found, mut is_list) = (None, false);
    fields(reader, |reader, name| {
        if name != "payload" {
            return Ok(false);
        }
        is_list = items(reader, |reader| {
            let (mut seen, mut id) = (Seen::default(), None);
            fields(reader, |reader, name| {
                if name == "id" {
                    id = number(reader)?;
                    return Ok(true);
                }
                field(reader, name, &mut seen)
            })?;
            if let (Some(id), true, None) = (id, seen.is_it, &found) {
                found = Some(Seen { id, ..seen });
            }
            Ok(())
        })?;
        Ok(true)
    })?;
    match is_list {
        true => Ok(found),
        false => Err(Malformed {
            at: 0,
            what: What::Expected("a list named payload"),
        }),
    }
}

/// A text as itself in Markdown: what a customer writes makes no link, image or mention in
/// the eyes of whoever reads it.
fn plain(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '\n' | '\r' => into.push(' '),
            c if c.is_ascii_punctuation() && !matches!(c, ',' | '\'' | '?' | ';' | '%') => {
                into.push('\\');
                into.push(c);
            }
            c => into.push(c),
        }
    }
}

/// The packet for whoever answers.
fn note(packet: &Packet, id: &str) -> String {
    let mut note = String::with_capacity(4096);
    let percent = |share: f32| format!("{:.0} %", f64::from(share) * 100.0);
    note.push_str("**Handed over by the assistant**: ");
    plain(&packet.reason, &mut note);
    note.push_str(&format!(
        "\nLanguage: {} · satisfaction: {}\n\n",
        packet.language,
        percent(packet.satisfaction)
    ));
    plain(&packet.summary, &mut note);
    let mut list = |title: &str, lines: &mut dyn Iterator<Item = (String, &str, String)>| {
        let mut is_first = true;
        for (name, text, rest) in lines {
            if std::mem::take(&mut is_first) {
                note.push_str(&format!("\n\n**{title}**\n"));
            }
            note.push_str("\n- ");
            plain(&name, &mut note);
            note.push_str(if name.is_empty() { "" } else { ": " });
            plain(text, &mut note);
            note.push_str(&rest);
        }
    };
    let mut slots = packet.slots.iter().map(|slot| {
        let sure = match slot.confirmed {
            true => " (confirmed)".to_owned(),
            false => format!(" ({})", percent(slot.belief)),
        };
        (
            format!("{}, {}", slot.flow, slot.slot),
            &slot.value[..],
            sure,
        )
    });
    list("What the customer named", &mut slots);
    let bare = |name: &str, text| (name.to_owned(), text, String::new());
    let mut facts = (packet.facts.iter()).map(|(name, value)| bare(name, &value[..]));
    list("What the shop said", &mut facts);
    let mut suggested = packet.suggested.iter().map(|it| bare("", &it[..]));
    list("Replies to begin with", &mut suggested);
    let mut said = packet.transcript.iter().map(|(who, said)| match who {
        Who::Customer => bare("Customer", &said[..]),
        Who::Assistant => bare("Assistant", &said[..]),
    });
    list("What was said", &mut said);
    if let Some((end, _)) = note.char_indices().nth(MAX_NOTE) {
        note.truncate(end);
        note.push('…');
    }
    note.push_str("\n\n");
    plain(id, &mut note);
    note
}

/// For fuzzing and for tests with changed bytes: the first byte says at which step the rest
/// is the answer's body. An errand ends after a few answers, whatever they are.
pub fn fuzz(bytes: &[u8]) {
    let Some((&first, body)) = bytes.split_first() else {
        return;
    };
    let inbox = Inbox {
        account: "/api/v1/accounts/1".to_owned(),
        inbox: 1,
        token: "token".to_owned(),
    };
    let packet = Packet {
        reason: String::from_utf8_lossy(body).into_owned(),
        summary: String::new(),
        language: "en",
        satisfaction: 0.0,
        flows: Vec::new(),
        slots: Vec::new(),
        facts: Vec::new(),
        transcript: Vec::new(),
        suggested: Vec::new(),
    };
    let mut errand = Opening::new(&inbox, &Conversation::default(), &packet, "msg_1");
    errand.step = match first % 5 {
        0 => Step::Search,
        1 => Step::Introduce,
        2 => Step::Look { contact: 1 },
        3 => Step::Open { contact: 1 },
        _ => Step::Label { conversation: 1 },
    };
    let reply = Reply {
        status: if first < 128 { 200 } else { 422 },
        retry_after: None,
        body: body.to_vec(),
    };
    for _ in 0..16 {
        if errand.call(0).is_none() || errand.hear(Ok(&reply)).is_err() {
            return;
        }
    }
    assert!(errand.call(0).is_none(), "an errand without an end");
}
