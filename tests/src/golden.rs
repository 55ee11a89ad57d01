//! The bundle's golden cases.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

/// A golden case: a real request, what was encoded from it, and what came out
/// when the bundle was made.
#[derive(Debug)]
pub struct Case {
    /// Its name, for messages.
    pub name: String,
    /// The request's body.
    pub request: Vec<u8>,
    /// Candidates, which are the rows of the inputs.
    pub rows: usize,
    /// Flat, row-major, by the model's input names.
    pub inputs: BTreeMap<String, Vec<f64>>,
    /// The learner's own score of each row.
    pub scores: Vec<f32>,
    /// The product of each row.
    pub products: Vec<String>,
    /// The exact response.
    pub response: String,
}

/// The bundle that the edge component embeds.
pub const RANKING: &str = "models/ranking";
/// All bundles with golden cases: of each kind of model.
pub const BUNDLES: [&str; 3] = [
    RANKING,
    "tests/data/bundles/basket",
    "tests/data/bundles/next",
];

/// A file of a bundle, or `None` when it is not there.
pub fn model(bundle: &str, part: &str) -> Option<Vec<u8>> {
    fs::read(crate::root().join(bundle).join(part)).ok()
}

/// All golden cases; `None` when the bundle is not there.
///
/// # Panics
///
/// When the file is there but not as documented.
pub fn cases(bundle: &str) -> Option<Vec<Case>> {
    let bytes = model(bundle, "golden.json")?;
    let golden: Value = serde_json::from_slice(&bytes).expect("golden.json is JSON");
    let cases = golden["cases"].as_array().expect("golden.json has cases");
    Some(cases.iter().map(case).collect())
}

fn case(value: &Value) -> Case {
    let name = value["name"]
        .as_str()
        .expect("a case has a name")
        .to_owned();
    let texts = |key: &str| -> Vec<String> {
        value[key]
            .as_array()
            .unwrap_or_else(|| panic!("{name}: {key}"))
            .iter()
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    };
    let numbers = |list: &Value| -> Vec<f64> {
        list.as_array()
            .unwrap_or_else(|| panic!("{name}: a list of numbers"))
            .iter()
            .map(|number| number.as_f64().expect("a number"))
            .collect()
    };
    Case {
        request: serde_json::to_vec(&value["request"]).expect("a request"),
        rows: usize::try_from(value["rows"].as_u64().expect("rows")).expect("a count"),
        inputs: value["inputs"]
            .as_object()
            .expect("inputs")
            .iter()
            .map(|(input, list)| (input.clone(), numbers(list)))
            .collect(),
        scores: numbers(&value["scores"])
            .into_iter()
            .map(|score| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the file holds f32 values; the cast gives them back exactly"
                )]
                let score = score as f32;
                score
            })
            .collect(),
        products: texts("products"),
        response: value["response"].as_str().expect("a response").to_owned(),
        name,
    }
}
