//! Requests for what a text is about, and the answers.

use shelfedge_wire::Limits;
use shelfedge_wire::intent::{DEFAULT_TOP, MAX_TEXT_BYTES, parse};

pub(crate) const INTENT: &str = r#"{"text":"where is my parcel?","top":2}"#;

/// Code and path of every fault.
fn faults(body: &str) -> Vec<(&'static str, String)> {
    let faults = parse(body.as_bytes(), &Limits::DEFAULT).expect_err(body);
    let told = faults.iter().map(|fault| (fault.code, fault.path.clone()));
    told.collect()
}

#[test]
fn a_request_is_read() {
    let request = parse(INTENT.as_bytes(), &Limits::DEFAULT).expect("a request");
    assert_eq!((&*request.text, request.top), ("where is my parcel?", 2));
    let longest = format!(r#"{{"text":"{}","new":[1]}}"#, "x".repeat(MAX_TEXT_BYTES));
    let request = parse(longest.as_bytes(), &Limits::DEFAULT).expect("a request");
    assert_eq!(
        (request.text.len(), request.top),
        (MAX_TEXT_BYTES, DEFAULT_TOP)
    );
}

#[test]
fn what_is_wrong_is_told_all_at_once() {
    let text = "text".to_owned();
    assert_eq!(faults("{}"), [("field_missing", text.clone())]);
    assert_eq!(
        faults(r#"{"text":" \u3000\t"}"#),
        [("text_empty", text.clone())]
    );
    assert_eq!(
        faults(r#"{"text":7,"top":21}"#),
        [
            ("wrong_type", text.clone()),
            ("out_of_range", "top".to_owned())
        ]
    );
    let long = format!(r#"{{"text":"{}"}}"#, "é".repeat(MAX_TEXT_BYTES / 2 + 1));
    assert_eq!(faults(&long), [("text_too_long", text)]);
    assert_eq!(faults("[]"), [("wrong_type", String::new())]);
}

#[cfg(feature = "assistant")]
mod with_a_model {
    use shelfedge_assistant::{Buffers, Classifier};
    use shelfedge_wire::Limits;
    use shelfedge_wire::intent::{parse, respond};

    use crate::model::DIGEST;

    /// The shop's own model of intents.
    pub(crate) fn answer(body: &str) -> Vec<u8> {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../models/intent/model.shelf"
        );
        let shelf = std::fs::read(path).expect("the committed bundle");
        let classifier = Classifier::open(shelf).expect("a classifier");
        let request = parse(body.as_bytes(), &Limits::DEFAULT).expect("a request");
        respond(&classifier, &request, DIGEST, &mut Buffers::default())
    }

    #[test]
    fn the_label_is_the_most_probable_or_none() {
        let json = |body| serde_json::from_slice::<serde_json::Value>(&answer(body)).expect("JSON");
        let told = json(super::INTENT);
        assert_eq!(told["label"], "order_status");
        assert_eq!(told["labels"].as_array().map(Vec::len), Some(2));
        assert_eq!(told["labels"][0]["label"], "order_status");
        let probability = |i: usize| told["labels"][i]["probability"].as_f64().unwrap_or(-1.0);
        assert!(probability(0) >= probability(1) && probability(1) >= 0.0);
        let told = json(r#"{"text":"退货怎么退"}"#);
        assert_eq!(told["label"], "return_refund");
        let told = json(r#"{"text":"🙈🙈🙈"}"#);
        assert_eq!(told["label"], serde_json::Value::Null);
    }
}
#[cfg(feature = "assistant")]
pub(crate) use with_a_model::answer;
