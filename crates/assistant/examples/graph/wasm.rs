//! The work of the benchmark for wasm32-unknown-unknown; `graph/run.mjs` runs it.
#![allow(unsafe_code, reason = "functions that are exported by name")]
#![allow(missing_docs, reason = "it is a program")]

mod work;

use std::cell::RefCell;

use shelfedge_assistant::graph::Graph;

thread_local! {
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ASKED: RefCell<Option<work::Asked<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Where to write so many bytes of a graph.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    BYTES.with_borrow_mut(|bytes| {
        bytes.resize(length, 0);
        bytes.as_mut_ptr()
    })
}

/// Opens what was written: how many entities it has, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn open() -> u32 {
    let Ok(graph) = Graph::open(BYTES.take()) else {
        return 0;
    };
    let entities = graph.entities();
    ASKED.set(Some(work::Asked::new(graph)));
    entities
}

/// Works for each of some numbers. How much was found.
#[unsafe(no_mangle)]
pub extern "C" fn work(which: usize, from: u32, to: u32) -> u32 {
    ASKED.with_borrow(|asked| {
        let asked = asked.as_ref().expect("an open graph");
        (from..to).fold(0, |sum: u32, at| sum.wrapping_add(asked.work(which, at)))
    })
}
