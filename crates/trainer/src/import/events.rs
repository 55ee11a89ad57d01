//! Events as a table: what GA4 exports to BigQuery, as JSON lines, and the
//! project's own stream of CloudEvents. Every item of every event of the wanted
//! kind is a row with the columns that mapping files know.
//!
//! An event that came before counts once: by its source and id in the own stream,
//! by its line in GA4's, and a purchase by its transaction, because a reloaded
//! page sends it again. Without consent no event counts as the first. What GA4 recorded without consent to analytics is left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shelfedge_commerce::EventKind;
use shelfedge_commerce::id::MAX_ID_BYTES;
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::Limits;
use shelfedge_wire::events::parse;
use shelfedge_wire::manifest::hex;

use super::mapping::COLUMNS;
use super::row::Cell;
use super::table::{Head, LeftOut, Rows};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Bytes of a line, at most.
const LONGEST: u64 = 1 << 20;
/// What some editors put before the first byte of a text.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A row; what isn't known is empty.
#[derive(Debug, Default)]
struct Row {
    time: Option<i64>,
    texts: [String; COLUMNS.len()],
}

impl Row {
    fn set(&mut self, column: &str, text: impl Into<String>) {
        if let Some(at) = COLUMNS.iter().position(|name| *name == column) {
            self.texts[at] = text.into();
        }
    }

    fn cell(&self, at: Option<usize>) -> Cell<'_> {
        match (at, self.time) {
            (Some(0), Some(time)) => Cell::Time(time, true),
            (Some(at), _) => Cell::of_text(&self.texts[at]),
            (None, _) => Cell::Missing,
        }
    }
}

/// An event's rows.
struct Event {
    kind: EventKind,
    /// What tells it from others.
    key: Vec<u8>,
    consent: bool,
    rows: Vec<Row>,
}

pub(super) fn read<const N: usize>(
    path: &Path,
    kind: &str,
    wanted: [Option<&str>; N],
    rows: &mut dyn Rows<N>,
    watch: &mut dyn Watch,
) -> Result<()> {
    let at = wanted.map(|name| COLUMNS.iter().position(|column| Some(*column) == name));
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let total = file.metadata().map_or(0, |m| m.len());
    let mut reader = BufReader::new(file);
    let (mut line, mut done, mut number) = (Vec::new(), 0u64, 0u64);
    loop {
        if number.is_multiple_of(4_096) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            watch.step("reading", done, total, "");
        }
        number += 1;
        line.clear();
        let read = (&mut reader)
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io("read", path, e))?;
        if read == 0 {
            return Ok(());
        }
        done += read as u64;
        if number == 1 && line.starts_with(MARK) {
            line.drain(..MARK.len());
        }
        if read as u64 > LONGEST && line.last() != Some(&b'\n') {
            return Err(Error::fault(
                "event_too_long",
                format!("{} line {number}", path.display()),
                format!("the line has more than {LONGEST} bytes"),
                "write one event a line (JSON lines)",
            ));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        rows.line(number);
        let event = match event(&line, kind) {
            // An event without products is no row, and none that came before.
            Ok(event) => event.filter(|event| !event.rows.is_empty()),
            Err(why) => {
                rows.broken(why);
                None
            }
        };
        let Some(event) = event else { continue };
        let kind = event.kind.name();
        let key = short(&event.key);
        let new = event.consent && rows.event(Head { kind, key });
        for row in &event.rows {
            match (event.consent, new) {
                (false, _) => rows.left_out(LeftOut::WithoutConsent, kind),
                (_, false) => rows.left_out(LeftOut::Again, kind),
                _ => rows.row(at.map(|place| row.cell(place))),
            }
        }
    }
}

fn short(key: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The event of a line, if it is of the wanted kind.
fn event(line: &[u8], kind: &str) -> core::result::Result<Option<Event>, String> {
    let value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let wanted = |event: &Event| kind.is_empty() || event.kind.name() == kind;
    let event = if value.get("specversion").is_some() {
        cloud_event(&value, line)?
    } else if value.get("event_name").is_some() {
        ga4(&value, line)
    } else {
        return Err("neither a CloudEvent (specversion) nor an event of GA4 (event_name)".into());
    };
    Ok(event.filter(wanted))
}

/// An event of the project's own stream.
fn cloud_event(value: &Value, line: &[u8]) -> core::result::Result<Option<Event>, String> {
    let received = parse(line, None, &Limits::default()).map_err(|faults| faults.to_string())?;
    let Some(received) = received.into_iter().next() else {
        return Ok(None);
    };
    let event = &received.event;
    let order = event.transaction.as_deref();
    let purchase = event.kind == EventKind::Purchase;
    let key = match order.filter(|_| purchase) {
        Some(order) => format!("order {order}"),
        None => {
            let id = event.id.as_ref().map_or("", |id| id.as_str());
            // A source of that name must not pass for an order, which holds no
            // line's end.
            let apart = match received.source.starts_with("order") {
                true => "event\n",
                false => "",
            };
            format!("{apart}{} {id}", received.source)
        }
    };
    let customer = received.shopper.as_ref().map_or("", |id| id.as_str());
    let session = received.session.as_ref().map_or("", |id| id.as_str());
    let exposure = received.exposure.as_ref().map_or("", |id| id.as_str());
    let list = event.list.as_ref().map_or("", |id| id.as_str());
    // What the ranking's answer said of itself, which no other reader needs.
    let parameters = value.pointer("/data/params");
    let parameter = |name: &str| text(parameters.and_then(|p| p.get(name)));
    let items = parameters.and_then(|p| p.get("items"));
    let items = items.and_then(Value::as_array).into_iter().flatten();
    let items = items.filter(|item| !item.is_null());
    let rows = event.items.iter().zip(items).zip(0..);
    let rows = rows.map(|((item, said), place): (_, u32)| {
        let mut row = Row {
            time: Some(event.time.millis()),
            ..Row::default()
        };
        row.set("customer", customer);
        row.set("session", session);
        row.set("order", order.unwrap_or_default());
        row.set("product", item.product.as_str());
        row.set("quantity", item.quantity.to_string());
        if let Some(price) = item.price {
            row.set("unit_price", price.to_decimal());
        }
        if let Some(currency) = event.currency {
            row.set("currency", currency.code());
        }
        row.set("viewer", customer);
        row.set("list", list);
        row.set("position", item.index.unwrap_or(place).to_string());
        row.set("exposure", exposure);
        row.set("model", parameter("model"));
        row.set("arm", parameter("arm"));
        row.set("propensity", text(said.get("propensity")));
        row
    });
    Ok(Some(Event {
        kind: event.kind,
        key: key.into_bytes(),
        consent: true,
        rows: rows.collect(),
    }))
}

/// An event of GA4's export; none of those that are no e-commerce.
fn ga4(value: &Value, line: &[u8]) -> Option<Event> {
    let kind = EventKind::parse(&text(value.get("event_name"))).ok()?;
    let parameters = value.get("event_params");
    let parameter = |key: &str| named(parameters, key);
    let first = |a: String, b: String| if a.is_empty() { b } else { a };
    let device = text(value.get("user_pseudo_id"));
    let customer = first(text(value.get("user_id")), device.clone());
    let viewer = first(device, customer.clone());
    let session = parameter("ga_session_id");
    let order = first(
        text(value.pointer("/ecommerce/transaction_id")),
        parameter("transaction_id"),
    );
    let currency = parameter("currency");
    let country = text(value.pointer("/geo/country"));
    let said = ["exposure_id", "model", "arm"].map(parameter);
    let list = first(parameter("item_list_id"), parameter("item_list_name"));
    let time = text(value.get("event_timestamp")).parse::<i64>();
    let time = time.ok().map(|micros| Timestamp(micros.div_euclid(1_000)));
    let items = value.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().zip(0..);
    let rows = rows.map(|(item, place): (_, u32)| {
        let field = |name: &str| text(item.get(name));
        let mut row = Row {
            time: time.map(|t| t.millis()),
            ..Row::default()
        };
        row.set("customer", customer.as_str());
        if !session.is_empty() {
            row.set("session", one_id(format!("{viewer}.{session}")));
        }
        row.set("order", order.as_str());
        row.set("product", field("item_id"));
        row.set("title", field("item_name"));
        // A look has no quantity; a purchase without one is of one piece.
        row.set("quantity", first(field("quantity"), "1".to_owned()));
        row.set("unit_price", field("price"));
        row.set("currency", currency.as_str());
        row.set("country", country.as_str());
        row.set("category", field("item_category"));
        row.set("brand", field("item_brand"));
        row.set("viewer", viewer.as_str());
        let of_item = first(field("item_list_id"), field("item_list_name"));
        row.set("list", first(of_item, list.clone()));
        let position = first(field("item_list_index"), field("index"));
        row.set("position", first(position, place.to_string()));
        let [exposure, model, arm] = &said;
        row.set("exposure", exposure.as_str());
        row.set("model", model.as_str());
        row.set("arm", arm.as_str());
        row.set("propensity", named(item.get("item_params"), "propensity"));
        row
    });
    let refused = text(value.pointer("/privacy_info/analytics_storage"));
    let purchase = kind == EventKind::Purchase;
    Some(Event {
        kind,
        key: match purchase && !order.is_empty() {
            true => format!("order {order}").into_bytes(),
            false => line.trim_ascii().to_vec(),
        },
        consent: !refused.eq_ignore_ascii_case("no"),
        rows: rows.collect(),
    })
}

/// An id of two, which may be longer than an id can be.
fn one_id(id: String) -> String {
    match id.len() <= MAX_ID_BYTES {
        true => id,
        false => hex(&Sha256::digest(&id)),
    }
}

/// The value of a parameter in a list of GA4's.
fn named(parameters: Option<&Value>, key: &str) -> String {
    let all = parameters.and_then(Value::as_array);
    let found = all
        .into_iter()
        .flatten()
        .find(|p| text(p.get("key")) == key);
    let value = found.and_then(|p| p.get("value"));
    ["string_value", "int_value", "double_value", "float_value"]
        .into_iter()
        .map(|name| text(value.and_then(|v| v.get(name))))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// A text or a number, which the export writes as text where it is whole.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) if text != "(not set)" => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
