//! Any bytes as a compiled tagger, and texts for it.
#![no_main]

#[path = "../src/tagger.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::tagger(bytes);
});
