//! Rankings of small shops, seen from outside. One program, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "logs")]
mod basket;
#[cfg(feature = "explore")]
#[path = "../../fuzz/src/body.rs"]
mod body;
#[cfg(feature = "logs")]
mod common;
#[cfg(feature = "explore")]
mod explore;
#[cfg(feature = "explore")]
mod learn;
mod ranking;
#[cfg(feature = "explore")]
mod rerank;
#[cfg(feature = "logs")]
mod trails;
