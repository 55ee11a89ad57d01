//! What is wrong with a file of flows, and where.

use core::fmt;

/// A kind of fault: its code, and what to do.
pub(super) type Code = (&'static str, &'static str);

macro_rules! codes {
    ($($name:ident = $code:literal, $action:literal;)*) => {
        $(pub(super) const $name: Code = ($code, $action);)*
    };
}

codes! {
    SYNTAX = "flow_syntax", "Correct the TOML here.";
    TOO_LARGE = "flow_too_large", "Shorten it, or split it into several files.";
    TYPE = "flow_type", "Write it as the README of shelfedge-assistant shows.";
    UNKNOWN_KEY = "flow_unknown_key", "Correct the key, or delete it.";
    MISSING = "flow_missing", "Add it.";
    NAME = "flow_name", "Use 1 to 40 lower-case letters, digits and underscores.";
    RANGE = "flow_range", "Give a number in the range.";
    DUPLICATE = "flow_duplicate_name", "Rename or delete one of the two.";
    UNKNOWN_STATE = "flow_unknown_state", "Correct the name, or add the state to the flow.";
    UNKNOWN_SLOT = "flow_unknown_slot", "Correct the name, or add the slot to [slots].";
    UNKNOWN_ACTION = "flow_unknown_action", "Correct the name, or add the action to [actions].";
    UNKNOWN_OUTCOME = "flow_unknown_outcome", "Correct the name, or add it to the action's outcomes.";
    UNHANDLED = "flow_unhandled_outcome", "Say in `on` which state follows.";
    UNKNOWN_INTENT = "flow_unknown_intent", "Leave it to the dialogue, or name another intent.";
    UNKNOWN_ENTITY = "flow_unknown_entity", "Use one of the kinds of entities.";
    UNKNOWN_FACT = "flow_unknown_fact", "Correct the name, or add it to an outcome's facts.";
    UNREACHABLE = "flow_unreachable_state", "Lead another state to it, or delete it.";
    DEAD_END = "flow_dead_end", "Lead it to a state that ends or fetches a person.";
    LOOP = "flow_loop", "Let the loop ask the customer something new (`forget`), or lead out of it.";
    NEVER_ASKED = "flow_slot_never_asked", "Ask for it in a state, or delete the slot.";
    NEVER_CALLED = "flow_action_never_called", "Call it in a state, or delete the action.";
    NOT_FILLED = "flow_slot_not_filled", "Ask for the slot on every way to this state.";
    NOT_CONFIRMED = "flow_not_confirmed", "Confirm the slot on every way to this call, or say `commits = false`.";
    TRANSLATION = "flow_missing_translation", "Write it in `en` and in `zh`.";
    PLACEHOLDER = "flow_unfilled_placeholder", "Fill it on every way to this state, or delete it.";
    MARKUP = "flow_markup", "Replies are plain text: delete the signs < and > and what controls.";
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line, from 1.
    pub line: u32,
    /// Its column in characters, from 1.
    pub column: u32,
    /// Stable, for machines.
    pub code: &'static str,
    /// What was found, and why it can't be used.
    pub cause: String,
    /// What to do about it.
    pub action: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = (self.line, self.column);
        write!(
            f,
            "{line}:{column}: {} [{}]. {}",
            self.cause, self.code, self.action
        )
    }
}

/// Most faults that are kept; the rest is counted.
const MOST: usize = 200;

/// Everything that is wrong with a file, from its first line to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    lines: Vec<u32>,
    source: String,
    kept: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(super) fn new(source: &str) -> Self {
        let ends = source.match_indices('\n').map(|(at, _)| at as u32 + 1);
        Self {
            lines: core::iter::once(0).chain(ends).collect(),
            source: source.to_owned(),
            kept: Vec::new(),
            more: 0,
        }
    }

    pub(super) fn add(&mut self, code: Code, at: usize, cause: impl Into<String>) {
        if self.kept.len() >= MOST {
            self.more += 1;
            return;
        }
        let line = self.lines.partition_point(|start| *start as usize <= at);
        let start = self.lines.get(line - 1).copied().unwrap_or(0) as usize;
        let before = self.source.get(start..at).map_or(0, |s| s.chars().count());
        self.kept.push(Fault {
            line: line as u32,
            column: before as u32 + 1,
            code: code.0,
            cause: cause.into(),
            action: code.1,
        });
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many there are, with those that weren't kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    /// The first 200, by line and column.
    pub fn iter(&self) -> core::slice::Iter<'_, Fault> {
        self.kept.iter()
    }

    pub(super) fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(value);
        }
        self.kept
            .sort_by_key(|fault| (fault.line, fault.column, fault.code));
        self.kept.dedup();
        Err(self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.kept.iter().enumerate() {
            write!(f, "{}{fault}", if i > 0 { "\n" } else { "" })?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl core::error::Error for Faults {}

/// A name from the file, fit to be shown.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    if text.chars().count() > 40 {
        shown.push('\u{2026}');
    }
    format!("\"{shown}\"")
}
