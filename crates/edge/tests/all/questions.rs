//! What a new shopper is asked, and what becomes of the answers.

use crate::common::{Shop, code, json};
use crate::model;
use shelfedge_edge::model::{EmbeddedModel, Models};

fn shop() -> Shop {
    Shop {
        models: Models {
            ranking: Some(EmbeddedModel {
                bytes: model::bytes().leak(),
                digest: model::DIGEST,
            }),
            assistant: None,
        },
        ..Shop::new()
    }
}

/// The products of a list for a shopper who gives one of a question's answers.
fn list(shop: &mut Shop, answer: Option<(&str, &str)>) -> Vec<String> {
    let answers = answer
        .map(|(question, answer)| serde_json::json!([{ "question": question, "answer": answer }]));
    let body = serde_json::json!({ "answers": answers }).to_string();
    let response = shop.post("/v1/rank", &body);
    assert_eq!(response.status, 200);
    let items = json(&response)["items"].as_array().unwrap().clone();
    let id = |item: &serde_json::Value| item["item_id"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}

#[test]
fn every_answer_that_is_offered_is_taken() {
    let mut shop = shop();
    let offered = shop.send("GET", "/v1/questions", &[], b"");
    assert_eq!(offered.status, 200);
    let offered = json(&offered);
    let mut lists = vec![list(&mut shop, None)];
    for question in offered["questions"].as_array().unwrap() {
        for answer in question["answers"].as_array().unwrap() {
            let [question, answer] = [question, answer].map(|it| it["id"].as_str().unwrap());
            lists.push(list(&mut shop, Some((question, answer))));
        }
    }
    assert_eq!(lists.len(), 6);
    assert!(lists[1..].iter().any(|list| *list != lists[0]));
}

#[test]
fn who_may_ask_and_what_is_refused() {
    let mut guarded = shop().set("api_token", "secret");
    assert_eq!(guarded.send("GET", "/v1/questions", &[], b"").status, 401);
    let mut shop = shop();
    assert_eq!(shop.send("HEAD", "/v1/questions", &[], b"").status, 200);
    let response = shop.post("/v1/questions", "{}");
    assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
    let body = r#"{"answers":[{"question":"title-1","answer":"hat"}]}"#;
    let response = shop.post("/v1/rank", body);
    assert_eq!(
        (response.status, &*code(&response)),
        (422, "invalid_request")
    );
    assert_eq!(json(&response)["faults"][0]["path"], "answers[0].answer");
    shop.models.ranking = None;
    let response = shop.send("GET", "/v1/questions", &[], b"");
    assert_eq!(
        (response.status, &*code(&response)),
        (500, "model_unusable")
    );
}

/// The shop's bundle may have questions or not; asking is no fault.
#[test]
fn the_embedded_model_says_what_it_asks() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let response = shop.send("GET", "/v1/questions", &[], b"");
    assert_eq!(response.status, 200);
    assert!(json(&response)["questions"].is_array());
}
