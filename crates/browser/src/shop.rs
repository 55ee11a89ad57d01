//! The class of a shop's ranking.

use wasm_bindgen::prelude::*;

use crate::session::{Raw, Session};
use crate::{text, thrown};

/// An open model and one shopper's profile.
#[wasm_bindgen]
pub struct Shop(Session);

#[wasm_bindgen]
impl Shop {
    /// Opens a bundle from its manifest and its compiled model. `digest` is the
    /// model's SHA-256 where the page has computed it, natively and in parallel;
    /// without it, it is computed here.
    ///
    /// # Errors
    /// Throws a problem's JSON when the manifest can't be read, when a digest
    /// differs, or when the compiled model can't be opened.
    #[wasm_bindgen(constructor)]
    pub fn new(manifest: &[u8], shelf: Vec<u8>, digest: Option<Vec<u8>>) -> Result<Shop, JsValue> {
        Session::open(manifest, shelf, digest.as_deref())
            .map(Shop)
            .map_err(|problem| thrown(&problem))
    }

    /// What was opened, as JSON.
    pub fn info(&self) -> String {
        text(self.0.info())
    }

    /// Adds events, a JSON array; returns JSON with the events `added`, as they
    /// are kept, and the ids `evicted` to make room.
    ///
    /// # Errors
    /// Throws a problem's JSON with every fault; nothing is added then.
    pub fn observe(&mut self, events: &str) -> Result<String, JsValue> {
        self.0
            .observe(events.as_bytes())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// The profile's events, a JSON array.
    pub fn events(&self) -> String {
        text(self.0.events())
    }

    /// Forgets the profile.
    pub fn erase(&mut self) {
        self.0.erase();
    }

    /// Ranks for the profile: a request's JSON without events in, the response's
    /// JSON out. `candidates` are indices of products.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    pub fn rank(&mut self, request: &str, candidates: Option<Vec<u32>>) -> Result<String, JsValue> {
        self.0
            .rank(request.as_bytes(), candidates.as_deref())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// The same ranking as numbers: the products' indices, then as many scores
    /// as the bits of their f32, so that one array crosses.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    #[wasm_bindgen(js_name = rankBulk)]
    pub fn rank_bulk(
        &mut self,
        request: &str,
        candidates: Option<Vec<u32>>,
    ) -> Result<Vec<u32>, JsValue> {
        self.0
            .rank_bulk(request.as_bytes(), candidates.as_deref())
            .map_err(|problem| thrown(&problem))
    }

    /// The request with the profile's events in it, as JSON.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    pub fn request(
        &mut self,
        request: &str,
        candidates: Option<Vec<u32>>,
    ) -> Result<String, JsValue> {
        self.0
            .request(request.as_bytes(), candidates.as_deref())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// Answers a whole request, without the profile.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    pub fn answer(&mut self, request: &str) -> Result<String, JsValue> {
        self.0
            .answer(request.as_bytes())
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// The products that the model knows, as JSON.
    pub fn products(&self) -> String {
        text(self.0.products())
    }

    /// What to ask a shopper of whom nothing is known, as JSON.
    ///
    /// # Errors
    /// Throws a problem's JSON in an engine without questions.
    pub fn questions(&self) -> Result<String, JsValue> {
        self.0
            .questions()
            .map(text)
            .map_err(|problem| thrown(&problem))
    }

    /// The model's raw inputs, as JSON.
    pub fn inputs(&self) -> String {
        text(self.0.inputs())
    }

    /// Puts an f32 input of the next [`Shop::score`] into the engine's memory.
    #[wasm_bindgen(js_name = inputF32)]
    pub fn input_f32(&mut self, name: String, values: Vec<f32>) {
        self.0.stage(name, Raw::F32(values));
    }

    /// Puts an i32 input of the next [`Shop::score`] into the engine's memory.
    #[wasm_bindgen(js_name = inputI32)]
    pub fn input_i32(&mut self, name: String, values: Vec<i32>) {
        self.0.stage(name, Raw::I32(values));
    }

    /// Runs the model on the inputs that were put there, and forgets them.
    ///
    /// # Errors
    /// Throws a problem's JSON.
    pub fn score(&mut self, rows: f64) -> Result<Vec<f32>, JsValue> {
        self.0.score(rows).map_err(|problem| thrown(&problem))
    }
}
