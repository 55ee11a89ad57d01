//! Any bytes as the headers and the body of a signed webhook.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    shelfedge_wire::webhook::fuzz(bytes);
});
