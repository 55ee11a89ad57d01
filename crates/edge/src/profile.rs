//! What is stored of a shopper: the newest events, in one value.
//!
//! One value per shopper, written whole, so that a batch costs one write. Its
//! size is bounded twice: by the number of events and by their encoded bytes,
//! which stay below what key-value stores at the edge take (1 MB). Past a
//! bound the oldest events go; those are the ones that matter least to a
//! ranking. An event is known by its id: the same batch twice is the same
//! profile, and costs no second write.
//!
//! There is no transaction over read and write at the edge: of two batches for
//! one shopper at the very same time, the later write wins and the other's
//! events are lost, unless their sender sends them again with a later batch.

use shelfedge_commerce::event::Event;
use shelfedge_commerce::id::ShopperId;
use shelfedge_wire::{Limits, events};
use std::collections::BTreeSet;
use std::fmt;

/// The largest stored value; key-value stores at the edge take 1 MB.
pub const MAX_PROFILE_BYTES: usize = 900_000;

/// First line of a stored profile: format and version.
const MAGIC: &str = "shelfedge-profile 1";

/// The key under which a shopper's profile is stored.
#[must_use]
pub fn key(shopper: &ShopperId) -> String {
    format!("profile/{}", shopper.as_str())
}

/// A shopper's stored events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// When it was last written, in milliseconds since 1970; 0 if never.
    pub written_ms: i64,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// A stored value that is no profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadProfile(pub String);

impl fmt::Display for BadProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored profile can't be read: {}", self.0)
    }
}

impl std::error::Error for BadProfile {}

/// What adding events did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    /// Events that were not known.
    pub new: usize,
    /// Events whose id was known.
    pub known: usize,
}

impl Profile {
    /// Reads a stored value.
    ///
    /// # Errors
    /// When it is not one that [`Profile::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadProfile> {
        let bad = |why: &str| BadProfile(why.to_owned());
        let end = bytes
            .iter()
            .position(|&b| b == b'\n')
            .ok_or_else(|| bad("it has no first line"))?;
        let line =
            std::str::from_utf8(&bytes[..end]).map_err(|_| bad("its first line is no text"))?;
        let written_ms = line
            .strip_prefix(MAGIC)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| bad("its first line names another format"))?
            .parse()
            .map_err(|_| bad("its first line has no time"))?;
        let events = events::decode(&bytes[end + 1..], &Limits::default())
            .map_err(|faults| BadProfile(faults.to_string()))?;
        Ok(Profile { written_ms, events })
    }

    /// The value to store: a line with format and time, and the events as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{MAGIC} {}\n", self.written_ms).into_bytes();
        bytes.extend_from_slice(&events::encode(&self.events));
        bytes
    }

    /// Adds events, skips known ones, and lets the oldest go past `most`.
    pub fn add(&mut self, events: Vec<Event>, most: usize) -> Added {
        let mut added = Added::default();
        let mut known: BTreeSet<_> = self.events.iter().filter_map(|e| e.id.clone()).collect();
        for event in events {
            let is_new = event.id.as_ref().is_none_or(|id| known.insert(id.clone()));
            if is_new {
                added.new += 1;
                self.events.push(event);
            } else {
                added.known += 1;
            }
        }
        self.events
            .sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        self.keep_newest(most);
        added
    }

    /// Encodes within `most` bytes, letting the oldest events go until they fit.
    #[must_use]
    pub fn encode_within(&mut self, most: usize) -> Vec<u8> {
        loop {
            let bytes = self.encode();
            if bytes.len() <= most || self.events.is_empty() {
                return bytes;
            }
            // An eighth at a time: few rounds, and not much lost too much.
            self.keep_newest(self.events.len() - self.events.len().div_ceil(8));
        }
    }

    fn keep_newest(&mut self, most: usize) {
        let excess = self.events.len().saturating_sub(most);
        self.events.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_commerce::{EventId, EventItem, EventKind, ProductId, Timestamp};

    fn event(id: &str, time: i64) -> Event {
        Event {
            id: Some(EventId::new(id).unwrap()),
            time: Timestamp(time),
            kind: EventKind::ViewItem,
            transaction: None,
            currency: None,
            list: None,
            items: vec![EventItem {
                product: ProductId::new("p").unwrap(),
                quantity: 1,
                price: None,
                index: None,
            }],
        }
    }

    #[test]
    fn a_profile_reads_back_as_it_was() {
        let mut profile = Profile {
            written_ms: 1_323_511_200_123,
            events: Vec::new(),
        };
        assert_eq!(Profile::decode(&profile.encode()).unwrap(), profile);
        profile.add(vec![event("b", 2_000), event("a", 1_000)], 10);
        let back = Profile::decode(&profile.encode()).unwrap();
        assert_eq!(back, profile);
        assert_eq!(back.events[0].id.as_ref().unwrap().as_str(), "a");
    }

    #[test]
    fn what_is_no_profile_is_an_error() {
        let good = Profile::default().encode();
        for bad in [
            &b""[..],
            b"\n",
            b"shelfedge-profile 1",
            b"shelfedge-profile 1\n[]",
            b"shelfedge-profile 2 5\n[]",
            b"shelfedge-profile 1 x\n[]",
            b"shelfedge-profile 1 5\n[",
            b"shelfedge-profile 1 5\n[1]",
            b"\xff\xff 1 5\n[]",
            &good[..good.len() - 1],
        ] {
            assert!(Profile::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn too_large_a_profile_keeps_its_newest() {
        let mut profile = Profile::default();
        profile.add((0..100).map(|n| event(&format!("e{n}"), n)).collect(), 100);
        let whole = profile.encode().len();
        let bytes = profile.encode_within(whole / 2);
        assert!(bytes.len() <= whole / 2);
        assert!(profile.events.len() > 30);
        assert_eq!(profile.events.last().unwrap().time, Timestamp(99));
        // Not even one fits: an empty profile, and no endless loop.
        let bytes = profile.encode_within(10);
        assert!(profile.events.is_empty());
        assert!(Profile::decode(&bytes).is_ok());
    }
}
