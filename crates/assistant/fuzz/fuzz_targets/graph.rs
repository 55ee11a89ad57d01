//! Any bytes as a compiled graph, and questions of it.
#![no_main]

#[path = "../src/graph.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::graph(bytes);
});
