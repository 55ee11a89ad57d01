//! What a shop stores of a shopper at the edge. The stored value and what
//! `GET /v1/profiles/{shopper}` shows are the same bytes, so that nothing is
//! stored that isn't shown.

use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::{Event, ShopperId, Timestamp};

use crate::codes;
use crate::events;
use crate::json::{Decoder, Kind, Malformed, Path, Unknown, Writer};
use crate::limits::Limits;
use crate::problem::check_size;

/// The version of the stored form.
pub const VERSION: u32 = 1;

/// Says what the value is.
const KIND: &str = "shelfedge.stored_profile";

/// A shopper's stored profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProfile {
    /// Whose it is.
    pub shopper: ShopperId,
    /// When it was last written.
    pub written: Timestamp,
    /// The newest events, in the order in which they are kept.
    pub events: Vec<StoredEvent>,
}

/// An event with where it came from: two sources may use the same id for two
/// events, as CloudEvents says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The CloudEvent's `source`; 1 to [`events::MAX_SOURCE_BYTES`] bytes.
    pub source: String,
    /// What happened.
    pub event: Event,
}

const FIELDS: [&str; 5] = ["kind", "version", "shopper", "written", "events"];

impl StoredProfile {
    /// The profile's JSON, always the same bytes. Its events have the form of a
    /// ranking request's, with their `source` before it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Writer::with_capacity(160 + 192 * self.events.len());
        json.open(b'{');
        json.key("kind");
        json.string(KIND);
        json.key("version");
        json.unsigned(VERSION.into());
        json.key("shopper");
        json.string(self.shopper.as_str());
        json.key("written");
        json.string(&self.written.to_string());
        json.key("events");
        json.open(b'[');
        for stored in &self.events {
            json.open(b'{');
            json.key("source");
            json.string(&stored.source);
            events::write_fields(&mut json, &stored.event);
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
        json.finish()
    }

    /// Reads what [`StoredProfile::to_json`] wrote.
    ///
    /// # Errors
    /// Every fault, with its path.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Faults> {
        check_size(bytes, limits)?;
        let profile = Decoder::run(bytes, limits.depth, |decoder| read(decoder, limits))?;
        profile
            .ok_or_else(|| Fault::new(&codes::WRONG_TYPE, "", "the profile isn't an object").into())
    }
}

/// `None` when something is missing, which then is among the faults.
fn read(decoder: &mut Decoder<'_>, limits: &Limits) -> Result<Option<StoredProfile>, Malformed> {
    let (mut shopper, mut written, mut list) = (None, None, Vec::new());
    let mut present = [false; FIELDS.len()];
    let is_object = decoder.object(
        &Path::Root,
        &FIELDS,
        Unknown::Refuse,
        &mut |decoder, field, path| {
            present[field] = decoder.kind()? != Kind::Null;
            match field {
                0 => {
                    if decoder.string(path)?.is_some_and(|kind| kind != KIND) {
                        let cause = "the value isn't a stored profile";
                        decoder.fault(&codes::FORMAT_UNKNOWN, path, cause);
                    }
                }
                1 => {
                    let version = VERSION.into();
                    decoder.whole(path, &codes::FORMAT_UNKNOWN, version, version)?;
                }
                2 => shopper = decoder.parsed(path, ShopperId::new)?,
                3 => written = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?,
                _ => {
                    decoder.array(path, limits.events, &mut |decoder, _, path| {
                        let event = events::sourced(decoder, path, limits)?;
                        list.extend(event.map(|(source, event)| StoredEvent { source, event }));
                        Ok(())
                    })?;
                }
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    for (name, is_present) in FIELDS.into_iter().zip(present) {
        if !is_present {
            decoder.missing(&Path::Field(&Path::Root, name));
        }
    }
    Ok(shopper
        .zip(written)
        .map(|(shopper, written)| StoredProfile {
            shopper,
            written,
            events: list,
        }))
}
