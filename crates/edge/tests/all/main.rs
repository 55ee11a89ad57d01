//! The component's handler, asked as over HTTP. One program, so that it is linked once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

mod assist;
mod common;
mod events;
mod exchanges;
mod explore;
mod handover;
mod intent;
mod manifest;
#[allow(dead_code, reason = "it serves the tests of wire, too")]
#[path = "../../../wire/tests/all/model.rs"]
mod model;
mod profiles;
mod questions;
