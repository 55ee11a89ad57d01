//! The shop's vocabulary: events, catalogue, customers, orders, money, time,
//! consent, and the records that say what was shown and what came of it.
//! Every type here is validated when it is made, and validation reports every
//! fault at once, each with a stable code, a path, a cause and an action.
//!
//! What this crate does **not** do: it reads no JSON, Parquet or CSV (that is
//! `wire` and `trainer`), computes no feature, knows no clock, locale database,
//! file, network or JavaScript, converts no currency into another, and depends
//! on nothing but the standard library.

pub mod assign;
pub mod catalogue;
pub mod codes;
pub mod consent;
pub mod customer;
pub mod event;
pub mod exposure;
pub mod fault;
pub mod id;
pub mod money;
pub mod order;
pub mod rng;
pub mod sort;
pub mod time;

pub use catalogue::{Catalogue, Product};
pub use consent::Consent;
pub use customer::Customer;
pub use event::{Event, EventItem, EventKind};
pub use exposure::{EXPOSURE_VERSION, Exposure, ExposureEntry, Outcome, OutcomeKind, join};
pub use fault::{Fault, Faults, Invalid};
pub use id::{EventId, ExposureId, ListId, OrderId, ProductId, SessionId, ShopperId};
pub use money::{Currency, Money};
pub use order::{Order, OrderLine};
pub use time::Timestamp;
