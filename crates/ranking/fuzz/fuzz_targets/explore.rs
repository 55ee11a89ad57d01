//! Any bytes as a state of exploration, and choices from it.
#![no_main]

#[path = "../src/body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::state(bytes);
});
