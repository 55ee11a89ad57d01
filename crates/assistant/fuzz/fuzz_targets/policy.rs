//! Any bytes as a learnt policy of a dialogue.
#![no_main]

#[path = "../src/policy.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::policy(bytes);
});
