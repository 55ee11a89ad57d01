//! A shopper's profile as the shopper gets it: everything that the device
//! remembers, in one file that can be read, kept and carried elsewhere.

use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::{Consent, Event, ShopperId, Timestamp};

use crate::codes;
use crate::events;
use crate::json::{Decoder, Malformed, Path, Unknown, Writer};
use crate::limits::Limits;
use crate::problem::check_size;

/// The version of the profile's form.
pub const VERSION: u32 = 1;

/// Says what the file is.
const KIND: &str = "shelfedge.profile";

/// What a device remembers of its shopper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who, when the shop told.
    pub shopper: Option<ShopperId>,
    /// What the shopper has agreed to.
    pub consent: Consent,
    /// When the file was made, when the caller has a clock.
    pub exported: Option<Timestamp>,
    /// What the shopper did, in the order in which it is remembered.
    pub events: Vec<Event>,
}

const FIELDS: [&str; 6] = [
    "kind", "version", "shopper", "consent", "exported", "events",
];
const CONSENTS: [&str; 3] = ["personalisation", "storage", "analytics"];

impl Profile {
    /// The profile's JSON, always the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Writer::with_capacity(256 + 160 * self.events.len());
        json.open(b'{');
        json.key("kind");
        json.string(KIND);
        json.key("version");
        json.unsigned(VERSION.into());
        json.key("shopper");
        match &self.shopper {
            Some(shopper) => json.string(shopper.as_str()),
            None => json.null(),
        }
        json.key("consent");
        json.open(b'{');
        let consent = &self.consent;
        for (name, given) in
            CONSENTS
                .into_iter()
                .zip([consent.personalisation, consent.storage, consent.analytics])
        {
            json.key(name);
            json.boolean(given);
        }
        json.close(b'}');
        json.key("exported");
        match self.exported {
            Some(time) => json.string(&time.to_string()),
            None => json.null(),
        }
        json.key("events");
        events::write(&mut json, &self.events);
        json.close(b'}');
        json.finish()
    }

    /// Reads a profile that was exported. A consent that isn't there isn't
    /// given.
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

fn read(decoder: &mut Decoder<'_>, limits: &Limits) -> Result<Option<Profile>, Malformed> {
    let mut profile = Profile {
        shopper: None,
        consent: Consent::NONE,
        exported: None,
        events: Vec::new(),
    };
    let mut present = [false; FIELDS.len()];
    let is_object = decoder.object(
        &Path::Root,
        &FIELDS,
        Unknown::Refuse,
        &mut |decoder, field, path| {
            present[field] = true;
            match field {
                0 => {
                    if decoder.string(path)?.is_some_and(|kind| kind != KIND) {
                        let cause = "the file isn't a profile of this program";
                        decoder.fault(&codes::FORMAT_UNKNOWN, path, cause);
                    }
                }
                1 => {
                    let version = VERSION.into();
                    decoder.whole(path, &codes::FORMAT_UNKNOWN, version, version)?;
                }
                2 => profile.shopper = decoder.parsed(path, ShopperId::new)?,
                3 => {
                    let consent = &mut profile.consent;
                    decoder.object(
                        path,
                        &CONSENTS,
                        Unknown::Refuse,
                        &mut |decoder, field, path| {
                            let given = decoder.boolean(path)?.unwrap_or_default();
                            match field {
                                0 => consent.personalisation = given,
                                1 => consent.storage = given,
                                _ => consent.analytics = given,
                            }
                            Ok(())
                        },
                    )?;
                }
                4 => {
                    profile.exported =
                        decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?;
                }
                _ => profile.events = events::list(decoder, path, limits)?,
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    for required in [0, 1, 5] {
        if !present[required] {
            decoder.missing(&Path::Field(&Path::Root, FIELDS[required]));
        }
    }
    Ok(Some(profile))
}
