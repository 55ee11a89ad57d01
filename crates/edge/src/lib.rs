//! The shop's ranking at the CDN edge, as a Spin application: one WebAssembly
//! component that ranks, takes events into the key-value store and describes
//! itself.
//!
//! The handlers are ordinary Rust over four small traits (key-value store,
//! variables, clock, calls) and run in native tests. The Spin boundary, compiled for
//! wasm32 alone, connects them to WASI and the Spin SDK. The model is embedded
//! when the component is built, its digest checked then and baked in, and used
//! in place: a fresh instance per request pays microseconds for it.
//!
//! What this crate does not do: it computes no feature and no score
//! (`shelfedge-ranking` does) and writes no JSON of its own but for the lists
//! of models and the receipts of events (`shelfedge-wire` does the rest, the
//! same code as in the browser); it makes no outgoing request but to who is told
//! of hand-overs, reads no file, and keeps nothing in memory between requests.

pub mod access;
pub mod handler;
pub mod handover;
pub mod http;
pub mod learn;
pub mod model;
pub mod profile;
pub mod settings;

#[cfg(target_arch = "wasm32")]
mod spin;
