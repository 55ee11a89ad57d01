//! Runs the shop's edge component on one machine: a Wasmtime host with limits,
//! a file-backed key-value store, and the static files of the shop beside it.
//!
//! Every request gets a fresh instance from a pre-instantiated component, as
//! the CDN hosts of WASI 0.2 components do: a guest keeps nothing between
//! requests but what it wrote to the key-value store. A guest that loops,
//! allocates too much or panics costs its own request a problem with a code,
//! never the host.
//!
//! What this crate does not do: it does not rank, parse events or know the
//! model (the component does); it does not read `spin.toml`; it gives a guest
//! no file system, no environment and no network; it does not speak TLS or
//! HTTP/2 (put a proxy before it). It is not Spin: `README.md` beside this
//! file says what running here proves about Spin and what it does not.

pub mod ask;
pub mod bench;
pub mod bundles;
pub mod chat;
pub mod flows;
pub mod guest;
pub mod key_value;
mod outbound;
pub mod problem;
pub mod server;
pub mod start;
pub mod static_files;
pub mod variables;

mod bindings;
