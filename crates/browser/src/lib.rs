//! The WebAssembly boundary of the npm package: a class over the same path that the
//! edge takes, fed with JSON texts and typed arrays. `Shop` ranks (`wire::rank`);
//! `Assistant`, in an engine of its own, understands texts (`wire::intent`) and converses
//! (`wire::assist`).
//!
//! What it does: opens a bundle after checking its digests, keeps the shopper's
//! events, ranks, runs the raw model, and hands every error over as the JSON of
//! a problem (RFC 9457), which the package's JavaScript makes a
//! `ShelfedgeError`.
//!
//! What it does not do: it knows no page, worker, clock, network, storage or
//! random number; those are the JavaScript's in `www/package`. It holds no
//! feature, model or wire format of its own.

#[cfg(any(feature = "assistant", not(target_arch = "wasm32")))]
mod assistant;
mod bundle;
#[cfg(any(feature = "shop", not(target_arch = "wasm32")))]
mod profile;
#[cfg(any(feature = "shop", not(target_arch = "wasm32")))]
mod session;
#[cfg(any(feature = "shop", not(target_arch = "wasm32")))]
mod shop;

use shelfedge_wire::problem::Problem;
use wasm_bindgen::prelude::*;

/// An open classifier of what customers write.
#[cfg(any(feature = "assistant", not(target_arch = "wasm32")))]
#[wasm_bindgen]
pub struct Assistant(assistant::Reader);

#[cfg(any(feature = "assistant", not(target_arch = "wasm32")))]
#[wasm_bindgen]
impl Assistant {
    /// Opens a bundle from its manifest and its compiled model. `digest` is the
    /// model's SHA-256 where the page has computed it; without it, it is computed here.
    ///
    /// # Errors
    /// Throws a problem's JSON when the manifest can't be read, when a digest
    /// differs, or when the compiled model is no classifier.
    #[wasm_bindgen(constructor)]
    pub fn new(
        manifest: &[u8],
        shelf: Vec<u8>,
        digest: Option<Vec<u8>>,
    ) -> Result<Assistant, JsValue> {
        assistant::Reader::open(manifest, shelf, digest.as_deref())
            .map(Assistant)
            .map_err(|problem| thrown(&problem))
    }

    /// The model and the labels that it knows, as JSON.
    pub fn labels(&self) -> String {
        text(self.0.labels())
    }

    /// Says what a text is about: a request's JSON in, the response's JSON out.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    pub fn classify(&mut self, request: &str) -> Result<String, JsValue> {
        self.0
            .classify(request.as_bytes())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// A turn of a conversation: a request's JSON in, the response's JSON out.
    ///
    /// # Errors
    /// Throws a problem's JSON; also where the bundle is a model of intents alone.
    pub fn turn(&mut self, request: &str) -> Result<String, JsValue> {
        self.0
            .turn(request.as_bytes())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }
}

/// JSON of our own writers, which is UTF-8.
fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_default()
}

fn thrown(problem: &Problem) -> JsValue {
    JsValue::from_str(&text(problem.to_json()))
}
