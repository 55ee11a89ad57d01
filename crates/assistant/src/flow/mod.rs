//! Flows: what the assistant asks, says and calls, as states in a declarative file.
//!
//! `compile` (feature `compile`) checks a file and writes it in a flat form, in which
//! [`Flows::open`] checks every offset once and reads in place. What the states mean is the
//! [`dialogue`](crate::dialogue)'s matter.

#[cfg(feature = "compile")]
pub mod compile;
mod draw;
mod format;

pub use draw::Drawing;
pub use format::{
    Condition, Flow, Flows, List, MAX_BYTES, OpenError, Part, Rule, Setting, Slot, Special, Step,
    System,
};
#[cfg(feature = "compile")]
pub(crate) use format::{MAGIC, NONE, Table, VERSION};

/// Kinds of entities that fill slots. `choice` is one of a slot's own choices, `text` is
/// what the customer wrote as a whole.
pub const ENTITY_KINDS: &[&str] = &[
    "order_number",
    "sku",
    "product",
    "money",
    "date",
    "time",
    "phone",
    "email",
    "address",
    "name",
    "number",
    "choice",
    "text",
];

/// Intents that the dialogue itself answers; all others belong to flows.
pub const ACTS: &[&str] = &[
    "greet", "thanks", "bye", "affirm", "deny", "stop", "restart", "repeat", "correct", "help",
    "inform", "oos",
];
