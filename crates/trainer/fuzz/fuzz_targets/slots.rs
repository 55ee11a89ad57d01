//! Any text as one with marked slots, and as lines of tokens with tags: spans that lie
//! within their texts, or faults with all that they need.
#![no_main]

#[path = "../../src/error.rs"]
#[allow(dead_code, reason = "the reader needs a part of it")]
mod error;
#[path = "../../src/slots/read.rs"]
#[allow(dead_code, reason = "the command needs more of it")]
mod read;

libfuzzer_sys::fuzz_target!(|text: &str| {
    read::any(text);
});
