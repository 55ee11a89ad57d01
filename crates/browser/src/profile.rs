//! What the shopper did, as far as this device knows.

use shelfedge_commerce::{Event, EventId};
use shelfedge_ranking::MAX_EVENTS;

/// Events in the order of their times, each id once, at most [`MAX_EVENTS`]:
/// the oldest leave first.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    events: Vec<Event>,
    /// Sorted. A sorted list is far less code to download than a tree.
    ids: Vec<EventId>,
}

/// What adding events changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Those that are in the profile now and weren't before.
    pub(crate) added: Vec<Event>,
    /// Those that left to make room.
    pub(crate) evicted: Vec<EventId>,
}

impl Profile {
    /// Adds events; one without an id counts every time.
    pub(crate) fn add(&mut self, events: Vec<Event>) -> Change {
        let mut change = Change::default();
        for event in events {
            if let Some(id) = &event.id {
                let Err(at) = self.ids.binary_search(id) else {
                    continue;
                };
                self.ids.insert(at, id.clone());
            }
            change.added.push(event.clone());
            // Events mostly come in the order in which they happened, so that
            // this is the end.
            let at = self
                .events
                .partition_point(|other| (other.time, &other.id) <= (event.time, &event.id));
            self.events.insert(at, event);
        }
        let surplus = self.events.len().saturating_sub(MAX_EVENTS);
        change
            .evicted
            .extend(self.events.drain(..surplus).filter_map(|event| event.id));
        let ids = &mut self.ids;
        for id in &change.evicted {
            if let Ok(at) = ids.binary_search(id) {
                ids.remove(at);
            }
        }
        // An event older than a full profile comes and goes at once.
        change.added.retain(|event| {
            event
                .id
                .as_ref()
                .is_none_or(|id| ids.binary_search(id).is_ok())
        });
        change
    }

    /// All of them, oldest first.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Lends the events to a request, so that a ranking copies none of them.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Takes back what [`Profile::take`] lent.
    pub(crate) fn put_back(&mut self, events: Vec<Event>) {
        self.events = events;
    }

    /// Forgets everything.
    pub(crate) fn erase(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_commerce::event::EventKind;
    use shelfedge_commerce::time::Timestamp;

    fn event(id: &str, time: i64) -> Event {
        Event {
            id: Some(EventId::new(id).expect("an id")),
            time: Timestamp(time),
            kind: EventKind::Search,
            transaction: None,
            currency: None,
            list: None,
            items: Vec::new(),
        }
    }

    fn ids(events: &[Event]) -> Vec<&str> {
        events
            .iter()
            .filter_map(|e| e.id.as_ref())
            .map(EventId::as_str)
            .collect()
    }

    #[test]
    fn an_id_counts_once_and_times_order() {
        let mut profile = Profile::default();
        let change = profile.add(vec![event("b", 2), event("a", 1), event("b", 3)]);
        assert_eq!(ids(&change.added), ["b", "a"]);
        assert_eq!(ids(profile.events()), ["a", "b"]);
        assert_eq!(profile.add(vec![event("a", 9)]), Change::default());
        profile.erase();
        assert_eq!(ids(&profile.add(vec![event("a", 9)]).added), ["a"]);
    }

    #[test]
    fn the_oldest_leave_a_full_profile() {
        let mut profile = Profile::default();
        let many = (0..MAX_EVENTS)
            .map(|i| event(&format!("e{i}"), i as i64 + 10))
            .collect();
        assert_eq!(profile.add(many).evicted, []);
        let change = profile.add(vec![event("new", 1 << 40), event("ancient", 0)]);
        assert_eq!(ids(&change.added), ["new"]);
        assert_eq!(
            change
                .evicted
                .iter()
                .map(EventId::as_str)
                .collect::<Vec<_>>(),
            ["ancient", "e0"]
        );
        assert_eq!(profile.events().len(), MAX_EVENTS);
        // Having left, the id is new again; the profile is full of younger ones.
        assert_eq!(ids(&profile.add(vec![event("e0", 10)]).added), [""; 0]);
    }
}
