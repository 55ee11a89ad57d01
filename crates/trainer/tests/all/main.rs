//! The command, run as its users run it. One program, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::disallowed_methods,
    reason = "the environment tells which Python has pandas, and a test to write"
)]

mod attention;
mod bandit;
mod bench;
mod best;
mod bundle;
mod common;
mod evaluate;
mod import;
mod intent;
mod mishaps;
mod next;
mod photos;
mod policy;
mod slots;
mod small;
