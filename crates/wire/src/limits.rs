//! How much of an input is read.

/// Caps that hold before anything is stored. Exceeding one is a fault, never a
/// silent cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Lists and objects within one another.
    pub depth: u32,
    /// Products to be ranked.
    pub candidates: usize,
    /// Events in a ranking request or a stored profile.
    pub events: usize,
    /// Items of one event; GA4's own limit.
    pub items: usize,
    /// Events in a batch of CloudEvents.
    pub batch: usize,
}

impl Limits {
    /// What the public interface accepts.
    pub const DEFAULT: Self = Self {
        body_bytes: 2 * 1024 * 1024,
        depth: 32,
        candidates: shelfedge_ranking::MAX_CANDIDATES,
        events: shelfedge_ranking::MAX_EVENTS,
        items: 200,
        batch: 500,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
