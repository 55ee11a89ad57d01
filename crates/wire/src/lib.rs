//! What crosses the boundaries of the shop's browser, edge and host: requests,
//! responses, events, problems, the bundle's manifest, and what a device or the
//! edge knows of a shopper, as versioned JSON; the one path from a request's
//! bytes to a response's; and the description of the HTTP interface.
//!
//! What this crate does **not** do: it opens no socket or file, knows no clock
//! (a request without `now` can't be answered here), holds no state between two
//! calls, computes no feature or score (that is `ranking`), and names no HTTP
//! library, JavaScript or WIT. It reads and writes JSON by itself: see
//! `src/json/mod.rs` for the reasons.

#[cfg_attr(not(feature = "answers"), path = "answers_off.rs")]
pub mod answers;
#[cfg(feature = "assistant")]
pub mod assist;
#[cfg(feature = "assistant")]
pub mod chatwoot;
pub mod codes;
pub mod events;
pub mod explain;
#[cfg_attr(not(feature = "explore"), path = "explore_off.rs")]
pub mod explore;
#[cfg(feature = "assistant")]
pub mod handover;
mod hash;
pub mod intent;
pub mod json;
pub mod limits;
pub mod manifest;
pub mod models;
#[cfg_attr(not(feature = "explore"), path = "policy_off.rs")]
pub mod policy;
pub mod problem;
pub mod profile;
pub mod rank;
#[cfg_attr(not(feature = "rerank"), path = "rerank_off.rs")]
pub mod rerank;
#[cfg(feature = "assistant")]
pub mod seal;
pub mod stored;
#[cfg(feature = "assistant")]
pub mod webhook;

pub use limits::Limits;
pub use problem::Problem;

/// The OpenAPI 3.1 description of the edge's HTTP interface, in JSON.
///
/// The file is written by the test `openapi`, which also holds it to the real
/// codes, requests and responses.
pub const fn openapi() -> &'static str {
    include_str!("../openapi.json")
}
