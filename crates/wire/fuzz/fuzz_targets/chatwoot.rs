//! Any bytes as the answers of a help desk, at any step of a hand-over.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    shelfedge_wire::chatwoot::fuzz(bytes);
});
