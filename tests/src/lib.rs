//! What the end-to-end tests share: the golden cases, a running shop and a
//! small HTTP client.
//!
//! It knows how to start and ask, and judges nothing by itself; the tests do.
//! It does not build the artefacts it runs (`cargo xtask` does).

mod golden;
mod http;
mod shop;

pub use golden::{BUNDLES, Case, RANKING, cases, model};
pub use http::{Response, request};
pub use shop::Shop;

use std::path::PathBuf;

/// The repository's top folder: what cargo says when it runs the tests, since
/// checkouts that share a target directory share the compiled tests.
pub fn root() -> PathBuf {
    let folder = variable("CARGO_MANIFEST_DIR").unwrap_or_else(|| "tests".to_owned());
    PathBuf::from(folder).join("..")
}

/// Says why a test is skipped, or fails where nothing may be skipped.
///
/// # Panics
///
/// When `SHELFEDGE_REQUIRED` is set: `cargo xtask test` builds everything, so
/// that something missing there is a fault.
#[expect(
    clippy::print_stderr,
    reason = "a skipped test that says nothing would pass for a test"
)]
pub fn skip(why: &str) {
    assert!(
        variable("SHELFEDGE_REQUIRED").is_none(),
        "{why}, and SHELFEDGE_REQUIRED is set"
    );
    eprintln!("skipped: {why}; `cargo xtask test` builds it");
}

/// An environment variable.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where the artefacts are"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
