//! Any bytes as triples as text.
#![no_main]

#[path = "../src/graph.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::triples(bytes);
});
