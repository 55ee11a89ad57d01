//! A turn of a conversation with the assistant: from the bytes of a request to the bytes of
//! its answer, the same in the browser and at the edge.

use shelfedge_assistant::dialogue::{Expects, Item, Language, Line, Misfit, Outcome, Packet, Who};
use shelfedge_assistant::entities::Clock;
use shelfedge_assistant::flow::ENTITY_KINDS;
use shelfedge_assistant::{Assistant, Happened, Turn, TurnBuffers};
use shelfedge_commerce::Timestamp;
use shelfedge_commerce::codes::TEXT_EMPTY;
use shelfedge_commerce::fault::{Fault, Faults, Invalid};

use crate::codes;
use crate::handover::Delivery;
use crate::intent::MAX_TEXT_BYTES;
use crate::json::{Decoder, Malformed, Path, Unknown, Writer};
use crate::limits::Limits;
use crate::problem::check_size;
use crate::seal::{Conversation, MAX_SEALED, Seal};

/// The version of the response's form.
pub const VERSION: u32 = 1;
/// Facts of an outcome, at most.
pub const MAX_FACTS: usize = 50;
/// Things that an outcome lists, at most; the first ten are shown.
pub const MAX_ITEMS: usize = 50;
/// Longest name, fact or label of an outcome, in bytes.
pub const MAX_FACT_BYTES: usize = 2000;
/// Lines of a transcript, at most.
pub const MAX_LINES: usize = 500;

/// What a call brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The call's number.
    pub call: u32,
    /// Which of the action's outcomes.
    pub name: String,
    /// The facts that it brings.
    pub facts: Vec<(String, String)>,
    /// What it lists: kind, value, label.
    pub items: Vec<[String; 3]>,
}

/// What happened, or what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The customer wrote.
    Said(String),
    /// A call brought something.
    Done(Done),
    /// Nobody wrote for a while.
    Silence,
    /// What a person who takes over should see, with the transcript.
    Handover(Vec<(Who, String)>),
    /// A question to what the shop knows. No part of the conversation.
    Ask(String),
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The time and the customer's zone, by its offset; the boundary's clock and UTC where
    /// it is missing.
    pub now: Option<Clock>,
    /// What the last answer gave out; none begins a conversation.
    pub state: Option<String>,
    /// What happened.
    pub asked: Asked,
    /// Whether a conversation that was handed over is to be handed over again.
    pub again: bool,
}

/// Reads a request. Fields that aren't known are passed over.
///
/// # Errors
/// Every fault, with its path; or, when the text isn't JSON, that alone.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Request, Faults> {
    check_size(bytes, limits)?;
    let request = Decoder::run(bytes, limits.depth, read)?;
    // Without faults nothing can be missing.
    request.ok_or_else(|| Fault::new(&codes::WRONG_TYPE, "", "the body isn't an object").into())
}

fn read(decoder: &mut Decoder<'_>) -> Result<Option<Request>, Malformed> {
    const FIELDS: [&str; 8] = [
        "now", "state", "again", "text", "outcome", "silence", "handover", "ask",
    ];
    let (mut now, mut state, mut again, mut asked) = (None, None, false, None);
    let mut count = 0;
    let is_object = decoder.object(
        &Path::Root,
        &FIELDS,
        Unknown::Pass,
        &mut |decoder, field, path| {
            count += u32::from(field > 2);
            match field {
                0 => now = decoder.parsed(path, |text| clock(&text))?,
                1 => state = text(decoder, path, MAX_SEALED)?,
                2 => again = decoder.boolean(path)?.unwrap_or_default(),
                3 => asked = written(decoder, path)?.map(Asked::Said),
                4 => asked = done(decoder, path)?.map(Asked::Done),
                5 => {
                    if decoder.boolean(path)? == Some(false) {
                        let cause = "it is true, or not there";
                        decoder.fault(&codes::WRONG_TYPE, path, cause);
                    }
                    asked = Some(Asked::Silence);
                }
                6 => asked = Some(Asked::Handover(transcript(decoder, path)?)),
                _ => asked = written(decoder, path)?.map(Asked::Ask),
            }
            Ok(())
        },
    )?;
    if is_object && count == 0 {
        decoder.missing(&Path::Field(&Path::Root, "text"));
    } else if count > 1 {
        let cause = "of text, outcome, silence, handover and ask, a request has one";
        decoder.fault(&codes::FIELDS_CONTRADICT, &Path::Root, cause);
    }
    Ok(asked.map(|asked| Request {
        now,
        state,
        asked,
        again,
    }))
}

/// A time with the offset that it is written with.
///
/// # Errors
/// A text that isn't RFC 3339.
pub fn clock(text: &str) -> Result<Clock, Invalid> {
    let now = Timestamp::parse_rfc3339(text)?;
    let offset = text.len().checked_sub(6).and_then(|at| text.get(at..));
    let zone = offset.and_then(|offset| {
        let (hours, minutes) = offset[1..].split_once(':')?;
        let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
        match offset.as_bytes()[0] {
            b'+' => Some(minutes),
            b'-' => Some(-minutes),
            _ => None,
        }
    });
    Ok(Clock {
        now,
        zone: zone.unwrap_or(0),
    })
}

/// A text that isn't too long.
fn text(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    most: usize,
) -> Result<Option<String>, Malformed> {
    let text = decoder.string(path)?;
    if let Some(text) = text.as_ref().filter(|text| text.len() > most) {
        let cause = format!("{} bytes, of at most {most}", text.len());
        decoder.fault(&codes::TEXT_TOO_LONG, path, cause);
    }
    Ok(text.map(|text| text.into_owned()))
}

/// What somebody wrote.
fn written(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<String>, Malformed> {
    let text = text(decoder, path, MAX_TEXT_BYTES)?;
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        decoder.fault(&TEXT_EMPTY, path, "nothing is written in it");
    }
    Ok(text)
}

/// Texts of an object's fields, all of which must be there.
fn texts<const N: usize>(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    names: &[&'static str; N],
    most: usize,
) -> Result<[String; N], Malformed> {
    let mut found = [const { None }; N];
    let is_object = decoder.object(path, names, Unknown::Pass, &mut |decoder, i, path| {
        found[i] = text(decoder, path, most)?;
        Ok(())
    })?;
    for (name, found) in names.iter().zip(&found) {
        if is_object && found.is_none() {
            decoder.missing(&Path::Field(path, name));
        }
    }
    Ok(found.map(Option::unwrap_or_default))
}

fn done(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<Done>, Malformed> {
    let mut done = Done::default();
    let (mut call, mut name) = (None, None);
    let fields = ["call", "name", "facts", "items"];
    let is_object = decoder.object(path, &fields, Unknown::Pass, &mut |decoder, field, path| {
        match field {
            0 => {
                call = decoder.whole(path, &codes::OUT_OF_RANGE, 0, u32::MAX.into())?;
            }
            1 => name = text(decoder, path, MAX_FACT_BYTES)?,
            2 => {
                decoder.map(path, MAX_FACTS, &mut |decoder, name, path| {
                    if let Some(value) = text(decoder, path, MAX_FACT_BYTES)? {
                        done.facts.push((name.to_owned(), value));
                    }
                    Ok(())
                })?;
            }
            _ => {
                decoder.array(path, MAX_ITEMS, &mut |decoder, _, path| {
                    let names = ["kind", "value", "label"];
                    done.items
                        .push(texts(decoder, path, &names, MAX_FACT_BYTES)?);
                    Ok(())
                })?;
            }
        }
        Ok(())
    })?;
    for (field, found) in fields.iter().zip([call.is_some(), name.is_some()]) {
        if is_object && !found {
            decoder.missing(&Path::Field(path, field));
        }
    }
    done.call = call.unwrap_or_default() as u32;
    done.name = name.unwrap_or_default();
    Ok(is_object.then_some(done))
}

fn transcript(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Vec<(Who, String)>, Malformed> {
    let mut lines = Vec::new();
    decoder.array(path, MAX_LINES, &mut |decoder, _, path| {
        let [who, said] = texts(decoder, path, &["who", "text"], MAX_TEXT_BYTES)?;
        match who.as_str() {
            "customer" => lines.push((Who::Customer, said)),
            "assistant" => lines.push((Who::Assistant, said)),
            "" => {}
            _ => {
                let path = Path::Field(path, "who");
                decoder.fault(
                    &codes::WHO_UNKNOWN,
                    &path,
                    "nobody of that name speaks here",
                );
            }
        }
        Ok(())
    })?;
    Ok(lines)
}

/// What a boundary adds to a request.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The digest by which the assistant is named.
    pub model: &'a str,
    /// How states are sealed.
    pub seal: Seal<'a>,
    /// Milliseconds since 1970, of the boundary's clock.
    pub now: i64,
}

impl Request {
    /// The conversation that the request goes on with, or a new one with this id.
    ///
    /// # Errors
    /// A state that wasn't given out, or too long ago.
    pub fn conversation(&self, around: &Around<'_>, id: [u8; 16]) -> Result<Conversation, Faults> {
        match &self.state {
            Some(text) => Ok(Conversation::unseal(text, around.seal, around.now)?),
            None => Ok(Conversation {
                id,
                ..Conversation::default()
            }),
        }
    }
}

/// What is wrong with an outcome, by its path in the request.
#[must_use]
pub fn misfit(misfit: &Misfit) -> Fault {
    let missing = |path: String| {
        let cause = "the flows' outcome brings it, and it is missing or empty";
        Fault::new(&codes::FIELD_MISSING, path, cause)
    };
    match misfit {
        Misfit::Name { action, outcomes } => {
            let cause = [action, " has the outcomes ", &outcomes.join(", ")].concat();
            Fault::new(&codes::OUTCOME_UNKNOWN, "outcome.name", cause)
        }
        Misfit::Fact(name) => missing(["outcome.facts.", name].concat()),
        Misfit::Items => missing("outcome.items".to_owned()),
        Misfit::Kind(place) => {
            let path = ["outcome.items[", &place.to_string(), "].kind"].concat();
            let cause = ["the kinds are ", &ENTITY_KINDS.join(", ")].concat();
            Fault::new(&codes::KIND_UNKNOWN, path, cause)
        }
    }
}

fn refused(error: shelfedge_assistant::dialogue::StateError) -> Faults {
    Fault::new(&codes::STATE_INVALID, "state", error.to_string()).into()
}

/// What a person who takes a conversation over should see.
///
/// # Errors
/// A state that is no state of a dialogue over the assistant's flows.
pub fn packet<B: AsRef<[u8]>>(
    assistant: &Assistant<B>,
    conversation: &Conversation,
    lines: &[(Who, String)],
) -> Result<Packet, Faults> {
    let lines: Vec<Line<'_>> = (lines.iter())
        .map(|(who, text)| Line { who: *who, text })
        .collect();
    (assistant.packet(&conversation.state, &lines)).map_err(refused)
}

/// The answer to a hand-over that was sent, or tried to: the packet, and what became of it.
pub fn handed_over(model: &str, packet: &Packet, delivery: &Delivery, id: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(2048);
    json.open(b'{');
    json.key("version");
    json.unsigned(VERSION.into());
    json.key("model");
    json.string(model);
    json.key("packet");
    write_packet(&mut json, packet);
    delivery.write(&mut json, id);
    json.close(b'}');
    json.finish()
}

/// Answers a request that goes on with a conversation.
///
/// # Errors
/// A state that is no state of a dialogue over the assistant's flows; an outcome that is
/// none of those that the flows give the action, each of its faults.
pub fn respond<B: AsRef<[u8]>>(
    assistant: &Assistant<B>,
    request: &Request,
    conversation: &Conversation,
    around: &Around<'_>,
    buffers: &mut TurnBuffers,
) -> Result<Vec<u8>, Faults> {
    let mut json = Writer::with_capacity(2048);
    json.open(b'{');
    json.key("version");
    json.unsigned(VERSION.into());
    json.key("model");
    json.string(around.model);
    let items: Vec<Item<'_>>;
    let facts: Vec<(&str, &str)>;
    let happened = match &request.asked {
        Asked::Said(text) => Happened::Said(text),
        Asked::Silence => Happened::Silence,
        Asked::Done(done) => {
            facts = (done.facts.iter()).map(|(n, v)| (&n[..], &v[..])).collect();
            items = (done.items.iter())
                .map(|[kind, value, label]| Item { kind, value, label })
                .collect();
            let outcome = Outcome {
                call: done.call,
                name: &done.name,
                facts: &facts,
                items: &items,
            };
            let mut faults = Faults::default();
            for it in assistant
                .misfits(&conversation.state, &outcome)
                .map_err(refused)?
            {
                faults.push(misfit(&it));
            }
            faults.into_result(())?;
            Happened::Done(outcome)
        }
        Asked::Handover(lines) => {
            let packet = packet(assistant, conversation, lines)?;
            json.key("packet");
            write_packet(&mut json, &packet);
            json.close(b'}');
            return Ok(json.finish());
        }
        Asked::Ask(text) => {
            write_answer(&mut json, assistant, text);
            json.close(b'}');
            return Ok(json.finish());
        }
    };
    let now = request.now.unwrap_or_else(|| around.now.into());
    let turn = assistant
        .turn(&conversation.state, now, &happened, buffers)
        .map_err(refused)?;
    let next = Conversation {
        id: conversation.id,
        turn: conversation.turn.saturating_add(1),
        state: turn.output.state.clone(),
    };
    write_turn(&mut json, &turn);
    json.key("state");
    json.string(&next.seal(around.seal, around.now));
    json.close(b'}');
    Ok(json.finish())
}

fn pair(json: &mut Writer, name: &str, fields: [(&str, &str); 2]) {
    json.key(name);
    json.open(b'{');
    for (name, value) in fields {
        json.key(name);
        json.string(value);
    }
    json.close(b'}');
}

fn list<'a>(json: &mut Writer, name: &str, texts: impl IntoIterator<Item = &'a String>) {
    json.key(name);
    json.open(b'[');
    for text in texts {
        json.string(text);
    }
    json.close(b']');
}

fn or_null(json: &mut Writer, name: &str, is_there: bool) -> bool {
    json.key(name);
    if !is_there {
        json.null();
    }
    is_there
}

fn write_turn(json: &mut Writer, turn: &Turn) {
    let out = &turn.output;
    if or_null(json, "intent", turn.intent.is_some())
        && let Some((label, probability)) = &turn.intent
    {
        json.open(b'{');
        json.key("label");
        json.string(label);
        json.key("probability");
        json.float(*probability);
        json.close(b'}');
    }
    if or_null(json, "sentiment", turn.sentiment.is_some())
        && let Some(sentiment) = &turn.sentiment
    {
        json.open(b'{');
        json.key("level");
        json.signed(sentiment.level.into());
        json.key("confidence");
        json.float(sentiment.confidence);
        json.close(b'}');
    }
    list(json, "replies", &out.replies);
    json.key("language");
    json.string(match out.language {
        Language::Chinese => "zh",
        _ => "en",
    });
    if or_null(json, "call", out.call.is_some())
        && let Some(call) = &out.call
    {
        json.open(b'{');
        json.key("id");
        json.unsigned(call.id.into());
        json.key("action");
        json.string(&call.action);
        json.key("inputs");
        json.open(b'{');
        for (name, value) in &call.inputs {
            json.key(name);
            json.string(value);
        }
        json.close(b'}');
        json.key("commits");
        json.boolean(call.commits);
        json.close(b'}');
    }
    json.key("expects");
    json.open(b'{');
    json.key("kind");
    json.string(match &out.expects {
        Expects::Anything => "anything",
        Expects::Slot { .. } => "slot",
        Expects::YesNo => "yes_no",
        Expects::Outcome => "outcome",
        Expects::Person => "person",
    });
    if let Expects::Slot { slot, entity } = &out.expects {
        json.key("slot");
        json.string(slot);
        json.key("entity");
        json.string(entity);
    }
    json.close(b'}');
    list(json, "quick", &out.quick);
    if or_null(json, "person", out.person.is_some())
        && let Some(reason) = &out.person
    {
        json.string(reason);
    }
    match &out.place {
        Some((flow, state)) => pair(json, "place", [("flow", flow), ("state", state)]),
        None => {
            or_null(json, "place", false);
        }
    }
    json.key("satisfaction");
    json.float(out.satisfaction);
    json.key("ended");
    json.boolean(out.ended);
    if or_null(json, "nudge_ms", out.nudge_ms.is_some())
        && let Some(ms) = out.nudge_ms
    {
        json.unsigned(ms.into());
    }
}

pub(crate) fn write_packet(json: &mut Writer, packet: &Packet) {
    json.open(b'{');
    for (name, text) in [
        ("reason", &packet.reason[..]),
        ("summary", &packet.summary),
        ("language", packet.language),
    ] {
        json.key(name);
        json.string(text);
    }
    json.key("satisfaction");
    json.float(packet.satisfaction);
    json.key("flows");
    json.open(b'[');
    for (flow, state) in &packet.flows {
        json.open(b'{');
        for (name, text) in [("flow", flow), ("state", state)] {
            json.key(name);
            json.string(text);
        }
        json.close(b'}');
    }
    json.close(b']');
    json.key("slots");
    json.open(b'[');
    for slot in &packet.slots {
        json.open(b'{');
        for (name, text) in [
            ("flow", &slot.flow),
            ("slot", &slot.slot),
            ("value", &slot.value),
        ] {
            json.key(name);
            json.string(text);
        }
        json.key("belief");
        json.float(slot.belief);
        json.key("confirmed");
        json.boolean(slot.confirmed);
        json.close(b'}');
    }
    json.close(b']');
    json.key("facts");
    json.open(b'[');
    for (name, value) in &packet.facts {
        json.open(b'{');
        for (key, text) in [("name", name), ("value", value)] {
            json.key(key);
            json.string(text);
        }
        json.close(b'}');
    }
    json.close(b']');
    json.key("transcript");
    json.open(b'[');
    for (who, text) in &packet.transcript {
        json.open(b'{');
        json.key("who");
        json.string(match who {
            Who::Customer => "customer",
            Who::Assistant => "assistant",
        });
        json.key("text");
        json.string(text);
        json.close(b'}');
    }
    json.close(b']');
    list(json, "suggested", &packet.suggested);
    json.close(b'}');
}

/// `answer`, null where what the shop knows says nothing, the facts that it is made of, and
/// the products that it found.
fn write_answer<B: AsRef<[u8]>>(json: &mut Writer, assistant: &Assistant<B>, text: &str) {
    let answer = assistant.ask(text);
    if or_null(json, "answer", answer.is_some())
        && let Some(answer) = &answer
    {
        json.string(&answer.text);
    }
    json.key("facts");
    json.open(b'[');
    for [subject, relation, object] in answer.iter().flat_map(|answer| &answer.facts) {
        json.open(b'{');
        for (name, value) in [
            ("subject", subject),
            ("relation", relation),
            ("object", object),
        ] {
            json.key(name);
            json.string(value);
        }
        json.close(b'}');
    }
    json.close(b']');
    json.key("products");
    json.open(b'[');
    for [id, name, label] in answer.iter().flat_map(|answer| &answer.products) {
        json.open(b'{');
        for (key, value) in [("item_id", id), ("name", name), ("label", label)] {
            json.key(key);
            json.string(value);
        }
        json.close(b'}');
    }
    json.close(b']');
}
