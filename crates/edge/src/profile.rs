//! What is stored of a shopper: the newest events, in one value.
//!
//! One value per shopper, written whole, so that a batch costs one write. Its
//! form is [`StoredProfile`], the same that the shopper is shown. Its size is
//! bounded twice: by the number of events and by their encoded bytes, which
//! stay below what key-value stores at the edge take (1 MB). Past a bound the
//! oldest events go, since they matter least to a ranking; orders keep half of the
//! room, so that looks never push them out. An event is known by its source and its id, as CloudEvents says: the same batch
//! twice is the same profile, and costs no second write.
//!
//! There is no transaction over read and write at the edge: of two batches for
//! one shopper at the very same time, the later write wins and the other's
//! events are lost, unless their sender sends them again with a later batch.

use shelfedge_commerce::event::{Event, EventKind};
use shelfedge_commerce::id::{EventId, ShopperId};
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::Limits;
use shelfedge_wire::stored::{StoredEvent, StoredProfile};
use std::collections::BTreeSet;
use std::fmt;

/// The largest stored value; key-value stores at the edge take 1 MB.
pub const MAX_PROFILE_BYTES: usize = 900_000;

/// The key under which a shopper's profile is stored.
#[must_use]
pub fn key(shopper: &ShopperId) -> String {
    format!("profile/{}", shopper.as_str())
}

/// A shopper's stored events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile(StoredProfile);

/// A stored value that is no profile, or another shopper's.
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
    /// Events whose source and id were known.
    pub known: usize,
    /// Whether the profile differs: not when what was new is older than all of
    /// a full profile, and goes at once.
    pub is_changed: bool,
}

/// Whether an event tells of an order. A shopper looks hundreds of times as often,
/// and what was ordered says what is wanted for far longer.
fn is_order(stored: &StoredEvent) -> bool {
    matches!(stored.event.kind, EventKind::Purchase | EventKind::Refund)
}

/// What an event is known by. One without an id is new every time.
fn identity(stored: &StoredEvent) -> Option<(&str, &EventId)> {
    Some((&stored.source, stored.event.id.as_ref()?))
}

impl Profile {
    /// Of a shopper of whom nothing is stored.
    #[must_use]
    pub fn new(shopper: ShopperId) -> Self {
        Profile(StoredProfile {
            shopper,
            written: Timestamp(0),
            events: Vec::new(),
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// When it is not one that [`Profile::encode`] wrote for this shopper.
    pub fn decode(bytes: &[u8], shopper: &ShopperId) -> Result<Self, BadProfile> {
        let profile = StoredProfile::parse(bytes, &Limits::default())
            .map_err(|faults| BadProfile(faults.to_string()))?;
        if profile.shopper != *shopper {
            return Err(BadProfile("it is another shopper's".to_owned()));
        }
        Ok(Profile(profile))
    }

    /// The value to store, and to show.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_json()
    }

    /// When it was last written, in milliseconds since 1970; 0 if never.
    #[must_use]
    pub fn written_ms(&self) -> i64 {
        self.0.written.0
    }

    /// Notes when it is written.
    pub fn set_written_ms(&mut self, now: i64) {
        self.0.written = Timestamp(now);
    }

    /// The events, oldest first.
    #[must_use]
    pub fn events(&self) -> &[StoredEvent] {
        &self.0.events
    }

    /// The events for a ranking, oldest first. A ranking knows an event by its
    /// id alone; of events with one id from several sources only the first
    /// keeps it, so that all of them count.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        let mut ids = BTreeSet::new();
        let unique = |mut event: Event| {
            event.id = event.id.filter(|id| ids.insert(id.clone()));
            event
        };
        self.0
            .events
            .into_iter()
            .map(|it| it.event)
            .map(unique)
            .collect()
    }

    /// Adds events, skips known ones, and lets the oldest go past `most`: of orders
    /// and of the others, each of which has half of the room at least.
    pub fn add(&mut self, events: Vec<StoredEvent>, most: usize) -> Added {
        let owned = |stored: &StoredEvent| {
            identity(stored).map(|(source, id)| (source.to_owned(), id.clone()))
        };
        let mut added = Added::default();
        let before: BTreeSet<_> = self.0.events.iter().filter_map(owned).collect();
        let mut known = before.clone();
        for stored in events {
            if owned(&stored).is_none_or(|identity| known.insert(identity)) {
                added.new += 1;
                self.0.events.push(stored);
            } else {
                added.known += 1;
            }
        }
        fn place(stored: &StoredEvent) -> impl Ord + '_ {
            (stored.event.time, &stored.event.id, &stored.source)
        }
        self.0.events.sort_by(|a, b| place(a).cmp(&place(b)));
        self.keep_newest(most);
        added.is_changed = added.new > 0
            && self
                .0
                .events
                .iter()
                .any(|stored| owned(stored).is_none_or(|identity| !before.contains(&identity)));
        added
    }

    /// Encodes within `most` bytes, letting the oldest events go until they fit.
    #[must_use]
    pub fn encode_within(&mut self, most: usize) -> Vec<u8> {
        loop {
            let bytes = self.encode();
            if bytes.len() <= most || self.0.events.is_empty() {
                return bytes;
            }
            // An eighth at a time: few rounds, and not much lost too much.
            let count = self.0.events.len();
            self.keep_newest(count - count.div_ceil(8));
        }
    }

    /// Keeps the newest of what was ordered, in half of the room or what the others
    /// leave of it, and the newest of the others in the rest.
    fn keep_newest(&mut self, most: usize) {
        let events = &mut self.0.events;
        let ordered = events.iter().filter(|it| is_order(it)).count();
        let others = events.len() - ordered;
        let room = (most / 2).max(most.saturating_sub(others)).min(ordered);
        let mut excess = [others.saturating_sub(most - room), ordered - room];
        events.retain(|stored| {
            let left = &mut excess[usize::from(is_order(stored))];
            let goes = *left > 0;
            *left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_commerce::{EventItem, ProductId};

    fn shopper() -> ShopperId {
        ShopperId::new("s").unwrap()
    }

    fn event(source: &str, id: &str, time: i64) -> StoredEvent {
        StoredEvent {
            source: source.to_owned(),
            event: Event {
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
            },
        }
    }

    fn kept(profile: &Profile) -> Vec<String> {
        let name = |it: &StoredEvent| format!("{}{}", it.source, it.event.id.as_ref().unwrap());
        profile.events().iter().map(name).collect()
    }

    #[test]
    fn a_profile_reads_back_as_it_was() {
        let mut profile = Profile::new(shopper());
        profile.set_written_ms(1_323_511_200_123);
        let read = |profile: &Profile| Profile::decode(&profile.encode(), &shopper()).unwrap();
        assert_eq!(read(&profile), profile);
        profile.add(vec![event("/a", "2", 2_000), event("/a", "1", 1_000)], 10);
        assert_eq!(read(&profile), profile);
        assert_eq!(kept(&read(&profile)), ["/a1", "/a2"]);
        let other = ShopperId::new("t").unwrap();
        assert!(Profile::decode(&profile.encode(), &other).is_err());
    }

    #[test]
    fn what_is_no_profile_is_an_error() {
        let mut profile = Profile::new(shopper());
        profile.add(vec![event("/a", "1", 1_000)], 10);
        let good = profile.encode();
        // Every field is needed, and nothing may follow.
        for end in 0..good.len() {
            assert!(Profile::decode(&good[..end], &shopper()).is_err(), "{end}");
        }
        let text = String::from_utf8(good).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("stored_profile", "profile"),
            ("\"source\":\"/a\",", ""),
            ("view_item", "stare"),
            ("}]}", "}]}{}"),
        ] {
            assert!(text.contains(from), "{from} in {text}");
            let bad = text.replacen(from, to, 1);
            assert!(
                Profile::decode(bad.as_bytes(), &shopper()).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_event_is_known_by_its_source_and_its_id() {
        let mut profile = Profile::new(shopper());
        let counts = |added: Added| (added.new, added.known, added.is_changed);
        let first = vec![
            event("/web", "1", 1),
            event("/app", "1", 1),
            event("/web", "1", 1),
        ];
        assert_eq!(counts(profile.add(first.clone(), 10)), (2, 1, true));
        assert_eq!(kept(&profile), ["/app1", "/web1"]);
        assert_eq!(counts(profile.add(first, 10)), (0, 3, false));
        // Both count in a ranking, which asks for ids alone.
        let ids = profile.into_events().into_iter().map(|event| event.id);
        assert_eq!(ids.collect::<Vec<_>>(), [EventId::new("1").ok(), None]);
    }

    #[test]
    fn what_is_too_old_for_a_full_profile_changes_nothing() {
        let mut profile = Profile::new(shopper());
        profile.add(vec![event("/a", "1", 1), event("/a", "2", 2)], 2);
        let before = profile.clone();
        let added = profile.add(vec![event("/a", "0", 0)], 2);
        assert_eq!((added.new, added.is_changed), (1, false));
        assert_eq!(profile, before);
        let added = profile.add(vec![event("/a", "0", 0), event("/a", "3", 3)], 2);
        assert!(added.is_changed);
        assert_eq!(kept(&profile), ["/a2", "/a3"]);
    }

    #[test]
    fn looks_do_not_push_orders_out() {
        let of = |kind, id: &str, time| {
            let mut stored = event("", id, time);
            stored.event.kind = kind;
            stored
        };
        let order = |id: &str, time| of(EventKind::Purchase, id, time);
        let look = |id: &str, time| of(EventKind::ViewItem, id, time);
        let mut profile = Profile::new(shopper());
        profile.add(
            vec![order("a", 1), order("b", 2), look("c", 3), look("d", 4)],
            4,
        );
        assert_eq!(kept(&profile), ["a", "b", "c", "d"]);
        profile.add(vec![look("e", 5), look("f", 6)], 4);
        assert_eq!(kept(&profile), ["a", "b", "e", "f"]);
        // Nor do orders push looks out, beyond their half.
        profile.add(vec![order("g", 7), order("h", 8)], 4);
        assert_eq!(kept(&profile), ["e", "f", "g", "h"]);
        // What the one leaves the other takes.
        let mut profile = Profile::new(shopper());
        profile.add((0..6).map(|n| order(&format!("{n}"), n)).collect(), 4);
        assert_eq!(kept(&profile), ["2", "3", "4", "5"]);
        profile.add(vec![look("l", 9)], 4);
        assert_eq!(kept(&profile), ["3", "4", "5", "l"]);
        profile.add(vec![look("m", 10)], 1);
        assert_eq!(kept(&profile), ["m"]);
        profile.add(vec![look("n", 11)], 0);
        assert!(profile.events().is_empty());
    }

    #[test]
    fn too_large_a_profile_keeps_its_newest() {
        let mut profile = Profile::new(shopper());
        profile.add(
            (0..100).map(|n| event("/a", &format!("e{n}"), n)).collect(),
            100,
        );
        let whole = profile.encode().len();
        let bytes = profile.encode_within(whole / 2);
        assert!(bytes.len() <= whole / 2);
        assert!(profile.events().len() > 30);
        assert_eq!(profile.events().last().unwrap().event.time, Timestamp(99));
        // Not even one fits: an empty profile, and no endless loop.
        let bytes = profile.encode_within(10);
        assert!(profile.events().is_empty());
        assert!(Profile::decode(&bytes, &shopper()).is_ok());
    }
}
