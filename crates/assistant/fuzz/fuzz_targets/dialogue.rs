//! Any bytes as the state of a dialogue that follows the bundled flows.
#![no_main]

use std::sync::LazyLock;

#[path = "../src/flows.rs"]
#[allow(dead_code, reason = "every target runs its own part")]
mod body;

static FLOWS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = include_str!("../../../../models/assistant/flows.toml");
    shelfedge_assistant::flow::compile::compile(source, &[]).expect("the bundled flows are sound")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::state(&FLOWS, bytes);
});
