//! Any bytes as a conversation's state.
#![no_main]

#[path = "../src/assist.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod assist;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assist::state(bytes));
