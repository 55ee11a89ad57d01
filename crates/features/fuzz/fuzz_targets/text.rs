//! Any bytes as what a customer writes, and as the grams that a model knows.
#![no_main]

#[path = "../src/body.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::text(bytes);
});
