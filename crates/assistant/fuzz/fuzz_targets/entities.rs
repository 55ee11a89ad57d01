//! Any bytes as a text that names things.
#![no_main]

#[path = "../src/entities.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::entities(bytes);
});
