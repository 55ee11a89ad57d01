//! Events as a table: what GA4 exports to BigQuery, as JSON lines, and the
//! project's own stream of CloudEvents. Every item of every event of the wanted
//! kind is a row with the columns that mapping files know.
//!
//! An event that came before counts once: by its source and id in the own stream,
//! by its line in GA4's, and a purchase by its transaction, because a reloaded
//! page sends it again. What GA4 recorded without consent to analytics is left out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::Limits;
use shelfedge_wire::events::parse;

use super::mapping::COLUMNS;
use super::row::Cell;
use super::table::{LeftOut, Rows};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Bytes of a line, at most.
const LONGEST: u64 = 1 << 20;

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
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io("read", path, e))?;
        if read == 0 {
            return Ok(());
        }
        done += read as u64;
        if read as u64 == LONGEST && line.last() != Some(&b'\n') {
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
        let event = match event(&line, kind) {
            Ok(Some(event)) => event,
            Ok(None) => continue,
            Err(why) => {
                rows.broken(format!("line {number}: {why}"));
                continue;
            }
        };
        let again = !rows.is_new(short(&event.key));
        for row in &event.rows {
            match (event.consent, again) {
                (false, _) => rows.left_out(LeftOut::WithoutConsent),
                (_, true) => rows.left_out(LeftOut::Again),
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
    if value.get("specversion").is_some() {
        cloud_event(line, kind)
    } else if value.get("event_name").is_some() {
        Ok(ga4(&value, line, kind))
    } else {
        Err("neither a CloudEvent (specversion) nor an event of GA4 (event_name)".to_owned())
    }
}

/// An event of the project's own stream.
fn cloud_event(line: &[u8], kind: &str) -> core::result::Result<Option<Event>, String> {
    let received = parse(line, None, &Limits::default()).map_err(|faults| faults.to_string())?;
    let Some(received) = received.into_iter().next() else {
        return Ok(None);
    };
    let event = &received.event;
    if event.kind.name() != kind {
        return Ok(None);
    }
    let order = event.transaction.as_deref();
    let key = match order {
        Some(order) => format!("order {order}"),
        None => {
            let id = event.id.as_ref().map_or("", |id| id.as_str());
            format!("{} {id}", received.source)
        }
    };
    let customer = received.shopper.as_ref().map_or("", |id| id.as_str());
    let session = received.session.as_ref().map_or("", |id| id.as_str());
    let rows = event.items.iter().map(|item| {
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
        row
    });
    Ok(Some(Event {
        key: key.into_bytes(),
        consent: true,
        rows: rows.collect(),
    }))
}

/// An event of GA4's export.
fn ga4(value: &Value, line: &[u8], kind: &str) -> Option<Event> {
    if text(value.get("event_name")) != kind {
        return None;
    }
    let parameter = |key: &str| {
        let all = value.get("event_params").and_then(Value::as_array);
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
    };
    let first = |a: String, b: String| if a.is_empty() { b } else { a };
    let customer = first(
        text(value.get("user_id")),
        text(value.get("user_pseudo_id")),
    );
    let session = parameter("ga_session_id");
    let order = first(
        text(value.pointer("/ecommerce/transaction_id")),
        parameter("transaction_id"),
    );
    let currency = parameter("currency");
    let country = text(value.pointer("/geo/country"));
    let time = text(value.get("event_timestamp")).parse::<i64>();
    let time = time.ok().map(|micros| Timestamp(micros.div_euclid(1_000)));
    let items = value.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().map(|item| {
        let field = |name: &str| text(item.get(name));
        let mut row = Row {
            time: time.map(|t| t.millis()),
            ..Row::default()
        };
        row.set("customer", customer.as_str());
        if !session.is_empty() {
            row.set("session", format!("{customer}.{session}"));
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
        row
    });
    let refused = text(value.pointer("/privacy_info/analytics_storage"));
    Some(Event {
        key: match order.is_empty() {
            true => line.trim_ascii().to_vec(),
            false => format!("order {order}").into_bytes(),
        },
        consent: !refused.eq_ignore_ascii_case("no"),
        rows: rows.collect(),
    })
}

/// A text or a number, which the export writes as text where it is whole.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) if text != "(not set)" => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}
