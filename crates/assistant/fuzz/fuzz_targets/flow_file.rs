//! Any bytes as a file of flows.
#![no_main]

#[path = "../src/flows.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::source(bytes);
});
