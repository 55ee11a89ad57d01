//! The same request gives the same bytes, natively and through the edge
//! component over HTTP, and the learner's scores within 1e-4.

use std::collections::BTreeMap;

use shelfedge_ranking::{Ranker, Workspace};
use shelfedge_tests::{BUNDLES, Case, RANKING, Shop, cases, model, skip};
use shelfedge_wire::manifest::Manifest;
use shelfedge_wire::rank;

/// How far an f32 score may lie from the learner's own.
const TOLERANCE: f32 = 1e-4;

struct Bundle {
    ranker: Ranker<Vec<u8>>,
    digest: String,
    cases: Vec<Case>,
}

fn bundle(folder: &str) -> Option<Bundle> {
    let part = |name| model(folder, name);
    let (Some(shelf), Some(manifest), Some(cases)) =
        (part("model.shelf"), part("manifest.json"), cases(folder))
    else {
        skip(&format!("{folder} holds no bundle"));
        return None;
    };
    let manifest = Manifest::parse(&manifest).expect("a manifest");
    manifest
        .check_part("model.shelf", &shelf)
        .expect("the model belongs to the manifest");
    Some(Bundle {
        digest: manifest.model_digest(),
        ranker: Ranker::open(shelf).expect("the model opens"),
        cases,
    })
}

/// Every kind of model.
fn bundles() -> Vec<Bundle> {
    BUNDLES.into_iter().filter_map(bundle).collect()
}

fn native(bundle: &Bundle, case: &Case, workspace: &mut Workspace) -> String {
    let request = rank::parse(&case.request, &shelfedge_wire::Limits::default())
        .unwrap_or_else(|faults| panic!("{}: {faults}", case.name));
    let bytes = rank::respond(&bundle.ranker, &request, &bundle.digest, workspace)
        .unwrap_or_else(|problem| panic!("{}: {problem:?}", case.name));
    String::from_utf8(bytes).expect("JSON is text")
}

#[test]
fn there_are_32_golden_cases_and_every_one_ranks_something() {
    for bundle in bundles() {
        assert_eq!(bundle.cases.len(), 32);
        for case in &bundle.cases {
            assert!(case.rows > 0, "{}", case.name);
            assert_eq!(case.scores.len(), case.rows, "{}", case.name);
            assert_eq!(case.products.len(), case.rows, "{}", case.name);
            let response: serde_json::Value = serde_json::from_str(&case.response).unwrap();
            assert!(
                !response["items"].as_array().unwrap().is_empty(),
                "{}: an empty ranking proves nothing",
                case.name
            );
        }
    }
}

#[test]
fn every_rule_for_a_list_is_in_a_golden_case() {
    let Some(bundle) = bundle("tests/data/bundles/basket") else {
        return;
    };
    for (rule, shown) in [
        ("diversity", "\"items\""),
        ("sponsored", "\"sponsored\":{"),
        ("explore", "\"tried\":{"),
        ("exclude", "\"items\""),
    ] {
        let with = |case: &&Case| {
            let request: serde_json::Value = serde_json::from_slice(&case.request).unwrap();
            !request[rule].is_null() && case.response.contains(shown)
        };
        assert!(bundle.cases.iter().any(|case| with(&case)), "{rule}");
    }
}

#[test]
fn native_gives_the_recorded_bytes() {
    for bundle in bundles() {
        let mut workspace = Workspace::default();
        for case in &bundle.cases {
            assert_eq!(
                native(&bundle, case, &mut workspace),
                case.response,
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn native_scores_are_the_learners() {
    for bundle in bundles() {
        let mut workspace = Workspace::default();
        for case in &bundle.cases {
            let learner: BTreeMap<&str, f32> = case
                .products
                .iter()
                .map(String::as_str)
                .zip(case.scores.iter().copied())
                .collect();
            let said = native(&bundle, case, &mut workspace);
            let response: serde_json::Value = serde_json::from_str(&said).unwrap();
            let request: serde_json::Value = serde_json::from_slice(&case.request).unwrap();
            // Rules for a list move products from where their scores put them.
            let ruled = ["diversity", "sponsored", "explore"];
            let ruled = ruled.iter().any(|rule| !request[*rule].is_null());
            let mut last = f64::INFINITY;
            for item in response["items"].as_array().unwrap() {
                let id = item["item_id"].as_str().unwrap();
                let score = item["score"].as_f64().unwrap();
                let expected = f64::from(learner[id]);
                assert!(
                    (score - expected).abs() <= f64::from(TOLERANCE),
                    "{}: {id} scores {score}, the learner said {expected}",
                    case.name
                );
                let in_order = ruled || score <= last;
                assert!(in_order, "{}: {id} is out of order", case.name);
                last = score;
            }
        }
    }
}

#[test]
fn the_edge_gives_the_recorded_bytes_over_http() {
    for folder in BUNDLES {
        let (Some(bundle), Some(shop)) = (bundle(folder), Shop::of(folder)) else {
            continue;
        };
        for case in &bundle.cases {
            let answer = shop.rank(&case.request);
            assert_eq!(answer.status, 200, "{}: {}", case.name, answer.text());
            assert_eq!(answer.text(), case.response, "{}", case.name);
        }
    }
}

#[test]
fn the_edge_repeats_itself_whatever_came_between() {
    let Some(bundle) = bundle(RANKING) else {
        return;
    };
    let Some(shop) = Shop::start(&[]) else { return };
    let (first, second) = (&bundle.cases[0], &bundle.cases[1]);
    let before = shop.rank(&first.request).text();
    assert_ne!(before, shop.rank(&second.request).text());
    shop.rank(b"{");
    assert_eq!(before, shop.rank(&first.request).text());
}

#[test]
fn whitespace_and_unknown_fields_change_nothing() {
    let Some(bundle) = bundle(RANKING) else {
        return;
    };
    let Some(shop) = Shop::start(&[]) else { return };
    let case = &bundle.cases[0];
    let mut request: serde_json::Value = serde_json::from_slice(&case.request).unwrap();
    request["a_field_of_tomorrow"] = serde_json::json!({"x": [1, 2, 3]});
    let pretty = serde_json::to_vec_pretty(&request).unwrap();
    assert_eq!(shop.rank(&pretty).text(), case.response);
}

#[test]
fn a_swapped_part_is_refused_by_name() {
    let Some(manifest) = model(RANKING, "manifest.json") else {
        skip("models/ranking holds no bundle");
        return;
    };
    let manifest = Manifest::parse(&manifest).unwrap();
    let mut shelf = model(RANKING, "model.shelf").unwrap();
    let onnx = model(RANKING, "model.onnx").unwrap();
    let swapped = manifest.check_part("model.shelf", &onnx).unwrap_err();
    assert_eq!(swapped.part(), "model.shelf");
    let last = shelf.len() - 1;
    shelf[last] ^= 1;
    assert!(manifest.check_part("model.shelf", &shelf).is_err());
    assert!(manifest.check_part("no.such.part", &shelf).is_err());
}
