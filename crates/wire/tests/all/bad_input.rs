//! What a ranking answers to input that is wrong, or right and out of the
//! ordinary, by the committed bundle of each kind of model. The table in the
//! README of `shelfedge-ranking` names these tests.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use shelfedge_commerce::{Timestamp, time};
use shelfedge_ranking::{MAX_EVENTS, MAX_EXCLUDED, Ranker, Workspace};
use shelfedge_wire::{Limits, Problem, rank};

use crate::model::{DIGEST, PRODUCTS, of};
use crate::rank::short;

/// Wide & Deep over the shop's tables; a log of orders; a log of sequences.
const BUNDLES: [&str; 3] = [
    "models/ranking",
    "tests/data/bundles/basket",
    "tests/data/bundles/next",
];

struct Shop {
    name: &'static str,
    ranker: Ranker<Vec<u8>>,
    ids: Vec<String>,
    /// An hour after the model's data.
    now: Timestamp,
}

impl Shop {
    fn new(name: &'static str, shelf: Vec<u8>) -> Self {
        let ranker = Ranker::open(shelf).expect("a model");
        let ids = (0..ranker.product_count()).filter_map(|product| ranker.product(product));
        Self {
            name,
            ids: ids.map(|product| product.id.to_owned()).collect(),
            now: ranker.info().as_of.plus(time::HOUR),
            ranker,
        }
    }

    /// The bytes of the answer to some fields, at `now` unless they name another.
    fn respond(&self, fields: &Value) -> Result<Vec<u8>, Problem> {
        let mut request = json!({"now": self.now.to_string(), "explain": true});
        for (name, value) in fields.as_object().expect("fields") {
            request[name] = value.clone();
        }
        let bytes = request.to_string().into_bytes();
        let request = rank::parse(&bytes, &Limits::default())?;
        rank::respond(&self.ranker, &request, DIGEST, &mut Workspace::default())
    }

    fn bytes(&self, fields: &Value) -> Vec<u8> {
        let bytes = self.respond(fields);
        bytes.unwrap_or_else(|problem| panic!("{}: {fields}: {problem:?}", self.name))
    }

    fn answer(&self, fields: &Value) -> Value {
        serde_json::from_slice(&self.bytes(fields)).expect("JSON")
    }

    fn faults(&self, fields: &Value) -> String {
        let problem = self.respond(fields).expect_err("faults");
        assert_eq!((problem.status, problem.code), (422, "invalid_request"));
        short(&problem.faults)
    }

    /// What was done with a product, so many minutes before `now`.
    fn event(&self, name: &str, minutes: i64, product: &str) -> Value {
        json!({
            "name": name,
            "id": format!("{name} {minutes}"),
            "time": self.now.plus(-minutes * time::MINUTE).to_string(),
            "params": {"items": [{"item_id": product}]},
        })
    }

    /// An order of some days ago, and a visit.
    fn history(&self) -> Vec<Value> {
        vec![
            self.event("purchase", 5_000, &self.ids[0]),
            self.event("view_item", 10, &self.ids[1]),
            self.event("add_to_cart", 5, &self.ids[2]),
        ]
    }
}

/// One for each kind of model.
fn shops() -> impl Iterator<Item = Shop> {
    BUNDLES.into_iter().map(|name| Shop::new(name, shelf(name)))
}

fn shelf(bundle: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shelf = std::fs::read(root.join(bundle).join("model.shelf"));
    shelf.expect("the bundle is in the repository")
}

/// The products of a list, in its order.
fn ids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().expect("items");
    let ids = items.iter().map(|item| item["item_id"].as_str());
    ids.map(|id| id.expect("an id")).collect()
}

#[test]
fn unknown_products_and_shoppers_are_passed_over_and_told() {
    for shop in shops() {
        let (one, other) = (&shop.ids[3], &shop.ids[4]);
        let answer = shop.answer(&json!({"candidates": ["gone", one, "never", other, "gone"]}));
        let listed: BTreeSet<_> = ids(&answer).into_iter().collect();
        assert_eq!(listed, [one.as_str(), other].into(), "{}", shop.name);
        assert_eq!(answer["unknown"], json!(["gone", "never"]));
        let answer = shop.answer(&json!({"candidates": ["gone"]}));
        assert_eq!(ids(&answer), [""; 0]);
        assert_eq!(answer["candidates"], 0);

        let nobody = shop.answer(&json!({}));
        let looks = ["gone", "never"].map(|product| shop.event("view_item", 3, product));
        // One id, one event.
        let answer = shop.answer(&json!({"events": looks}));
        assert_eq!(answer["ignored_events"], 1);
        assert_eq!(answer["items"], nobody["items"], "{}", shop.name);
        let answer = shop.answer(&json!({"shopper": "nobody knows"}));
        assert_eq!(answer["items"], nobody["items"]);
    }
}

#[test]
fn without_a_history_the_list_is_what_is_popular() {
    for shop in shops() {
        let answer = shop.answer(&json!({"limit": 20}));
        assert_eq!(ids(&answer).len(), 20);
        for item in answer["items"].as_array().expect("items") {
            assert_eq!(item["sources"], json!(["popular"]), "{}", shop.name);
            let reasons = item["reasons"].as_array().expect("reasons");
            for of_shopper in ["session", "history", "bought_before"] {
                assert!(reasons.iter().all(|reason| reason["code"] != of_shopper));
            }
        }
        assert_eq!(
            shop.bytes(&json!({"events": []})),
            shop.bytes(&json!({"events": null}))
        );
    }
}

#[test]
fn a_candidate_named_twice_counts_once() {
    for shop in shops() {
        let some = &shop.ids[..9];
        let once = shop.answer(&json!({"candidates": some, "events": shop.history()}));
        let twice = [some, some].concat();
        let twice = shop.answer(&json!({"candidates": twice, "events": shop.history()}));
        assert_eq!(ids(&once).len(), 9);
        assert_eq!(twice["candidates"], 9);
        assert_eq!(twice["items"], once["items"], "{}", shop.name);
    }
}

#[test]
fn equal_prices_say_nothing() {
    let equal = PRODUCTS.map(|(id, title, _, buyers, similar)| (id, title, 250, buyers, similar));
    let shop = Shop::new("equal prices", of(&equal, None, None));
    let answer = shop.answer(&json!({"events": shop.history()}));
    assert_eq!(ids(&answer).len(), PRODUCTS.len());
    let prices: BTreeSet<String> = answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .flat_map(|item| item["reasons"].as_array().expect("reasons"))
        .filter(|reason| reason["code"] == "price")
        .map(|reason| format!("{:.4}", reason["contribution"].as_f64().expect("a number")))
        .collect();
    assert_eq!(prices.len(), 1, "the same for each: {prices:?}");

    // The demo's shop, its prices written over in the table of products.
    let mut shelf = shelf(BUNDLES[0]);
    let name = shelf.windows(8).position(|window| window == b"products");
    let entry = name.expect("the section") + 24;
    let offset = u64::from_le_bytes(shelf[entry..entry + 8].try_into().expect("8 bytes")) as usize;
    let whole = Shop::new(BUNDLES[0], shelf.clone());
    let count = whole.ids.len();
    // After the header and the ends of ids and titles.
    let column = offset + 16 + 2 * 4 * count;
    for cell in shelf[column..column + 4 * count].chunks_exact_mut(4) {
        cell.copy_from_slice(&250u32.to_le_bytes());
    }
    let equal = Shop::new("the demo's shop with equal prices", shelf);
    for product in 0..equal.ranker.product_count() {
        assert_eq!(
            equal.ranker.product(product).map(|it| it.price_minor),
            Some(250)
        );
    }
    let asked = json!({"events": equal.history(), "limit": 50});
    let answer = equal.answer(&asked);
    assert_eq!(ids(&answer).len(), 50);
    assert_ne!(answer["items"], whole.answer(&asked)["items"]);
}

#[test]
fn one_product_alone_is_a_list() {
    let one = Shop::new("one product", of(&PRODUCTS[..1], None, None));
    let history = json!({"events": [one.event("purchase", 5_000, &one.ids[0])]});
    for asked in [json!({}), history] {
        assert_eq!(ids(&one.answer(&asked)), [PRODUCTS[0].0]);
    }
    for shop in shops() {
        let only = json!({"candidates": [shop.ids[7]], "events": shop.history(), "limit": 200});
        let answer = shop.answer(&only);
        assert_eq!(ids(&answer), [&shop.ids[7]], "{}", shop.name);
        assert!(answer["items"][0]["score"].is_f64());
    }
}

#[test]
fn what_is_excluded_is_never_in_the_list() {
    for shop in shops() {
        let events = shop.history();
        let all = json!({"events": events, "limit": 12});
        let whole = shop.answer(&all);
        let first: Vec<&str> = ids(&whole)[..6].to_vec();
        let exclude = |products: &Value| {
            let mut asked = all.clone();
            asked["exclude"] = products.clone();
            asked
        };
        let answer = shop.answer(&exclude(&json!(first)));
        assert_eq!(ids(&answer).len(), 12, "{}: others move up", shop.name);
        assert!(ids(&answer).iter().all(|id| !first.contains(id)));
        assert_ne!(answer["exposure_id"], whole["exposure_id"]);
        // In whatever order and how often; what isn't known excludes nothing.
        let again: Vec<&str> = first.iter().rev().chain(&first).copied().collect();
        let again = shop.bytes(&exclude(&json!(again)));
        assert_eq!(again, shop.bytes(&exclude(&json!(first))));
        let unknown = shop.answer(&exclude(&json!(["gone"])));
        assert_eq!(unknown["items"], whole["items"]);
        for nothing in [json!([]), json!(null)] {
            assert_eq!(shop.bytes(&exclude(&nothing)), shop.bytes(&all));
        }
        // All of them: by recall, and of candidates.
        let mut none = exclude(&json!(shop.ids));
        for candidates in [json!(null), json!(shop.ids[..50])] {
            none["candidates"] = candidates;
            let answer = shop.answer(&none);
            assert_eq!(ids(&answer), [""; 0], "{}", shop.name);
            assert_eq!(answer["candidates"], 0);
        }
    }
}

#[test]
fn an_exclusion_that_cannot_be_read_is_a_fault() {
    let shop = shops().next().expect("a shop");
    let many = vec!["a"; MAX_EXCLUDED + 1];
    for (exclude, expected) in [
        (
            json!(many),
            "exclude too_many: there are 5001 entries, and at most 5000 are read\n",
        ),
        (
            json!("a"),
            "exclude wrong_type: a list was expected and text found\n",
        ),
        (
            json!(["a", 7, ""]),
            "exclude[1] wrong_type: text was expected and a number found\n\
             exclude[2] id_empty: the id is empty\n",
        ),
    ] {
        assert_eq!(shop.faults(&json!({"exclude": exclude})), expected);
    }
    // What a boundary adds is capped, too.
    let request = rank::Request {
        now: Some(shop.now),
        exclude: vec!["a".parse().expect("an id"); MAX_EXCLUDED + 1],
        ..rank::Request::default()
    };
    let answer = rank::respond(&shop.ranker, &request, DIGEST, &mut Workspace::default());
    let faults = answer.expect_err("too many").faults;
    assert_eq!(
        short(&faults),
        "exclude too_many: there are 5001 entries, and at most 5000 are read\n"
    );
}

#[test]
fn a_clock_that_goes_backwards_changes_no_list() {
    for shop in shops() {
        let past = shop.history();
        let known = shop.answer(&json!({"events": past}));
        // Told from a clock that is ahead, twice.
        let ahead = [
            shop.event("purchase", -1, &shop.ids[5]),
            shop.event("view_item", -9_000, &shop.ids[6]),
        ];
        let told = [past.clone(), ahead.to_vec(), ahead.to_vec()].concat();
        let answer = shop.answer(&json!({"events": told}));
        assert_eq!(answer["items"], known["items"], "{}", shop.name);
        assert_eq!(answer["ignored_events"], 2);
        // A clock that is behind all that happened knows of nothing.
        let behind = shop.now.plus(-9_000 * time::MINUTE).to_string();
        let answer = shop.answer(&json!({"now": behind, "events": past}));
        assert_eq!(answer["ignored_events"], 3);
        let nobody = shop.answer(&json!({"now": behind}));
        assert_eq!(answer["items"], nobody["items"]);
        // Before there was a shop, too, there is a list.
        let early = shop.answer(&json!({"now": "1900-01-01T00:00:00Z"}));
        assert_eq!(ids(&early).len(), 12);
    }
}

#[test]
fn events_told_again_or_in_another_order_are_the_same_bytes() {
    for shop in shops() {
        let mut events = shop.history();
        // An order without an id is known by its number.
        let mut order = shop.event("purchase", 4_000, &shop.ids[8]);
        order["id"] = Value::Null;
        order["params"]["transaction_id"] = json!("o-1");
        events.push(order);
        let once = shop.bytes(&json!({"events": events}));
        let mut again = [events.clone(), events.clone()].concat();
        assert_eq!(shop.bytes(&json!({"events": again})), once, "{}", shop.name);
        again.reverse();
        assert_eq!(shop.bytes(&json!({"events": again})), once, "{}", shop.name);
        // Without an id or a number, every telling counts.
        events[0]["id"] = Value::Null;
        let once = shop.answer(&json!({"events": events}));
        events.push(events[0].clone());
        let twice = shop.answer(&json!({"events": events}));
        assert_ne!(once["exposure_id"], twice["exposure_id"]);
    }
}

#[test]
fn a_shopper_with_a_million_events_is_refused_or_ranked_by_the_newest() {
    let event = r#"{"name":"search","time":"2011-11-01T10:00:00Z"}"#;
    let million = format!(r#"{{"events":[{}]}}"#, vec![event; 1_000_000].join(","));
    let refused = |limits: &Limits| {
        let faults = rank::parse(million.as_bytes(), limits).expect_err("too many");
        let problem = Problem::from(faults);
        (problem.status, problem.code, problem.faults.to_string())
    };
    let (status, code, _) = refused(&Limits::default());
    assert_eq!((status, code), (413, "body_too_large"));
    // Where a boundary has another cap on bodies, as the edge component does.
    let (status, _, faults) = refused(&Limits {
        body_bytes: usize::MAX,
        ..Limits::default()
    });
    assert_eq!(status, 422);
    assert!(faults.contains("events: there are 1000000 entries, and at most 5000 are read"));

    // As many as are read, of as many products as there are.
    for shop in shops() {
        let names = ["purchase", "view_item", "add_to_cart", "remove_from_cart"];
        let events: Vec<Value> = (0..MAX_EVENTS)
            .map(|n| {
                let product = &shop.ids[n * 7 % shop.ids.len()];
                shop.event(names[n % names.len()], n as i64, product)
            })
            .collect();
        let answer = shop.answer(&json!({"events": events}));
        assert_eq!(ids(&answer).len(), 12, "{}", shop.name);
        assert_eq!(answer["ignored_events"], 0);
    }
}

#[cfg(feature = "rerank")]
mod rules {
    use shelfedge_ranking::rerank::Attribute;

    use super::*;

    fn category(shop: &Shop, id: &str) -> Option<u32> {
        let product = shop.ranker.find(id)?;
        shop.ranker.attributes()?.of(Attribute::Category, product)
    }

    /// The rules that a list misses, with the first place and how many products.
    fn missed(answer: &Value) -> Vec<(&str, u64, u64)> {
        let number = |value: &Value| value.as_u64().expect("a number");
        let shortfalls = answer["shortfalls"].as_array().expect("shortfalls");
        let missed = shortfalls.iter().map(|it| {
            let rule = it["rule"].as_str().expect("a rule");
            (rule, number(&it["place"]), number(&it["missing"]))
        });
        missed.collect()
    }

    #[test]
    fn a_cap_that_leaves_too_few_ends_the_list_and_says_so() {
        for shop in shops() {
            let asked = json!({"limit": 60, "diversity": {"caps": {"category": 1}}});
            if shop.ranker.attributes().is_none() {
                assert_eq!(
                    shop.faults(&asked),
                    "diversity.caps.category attribute_unknown: \
                     the model knows the category of no product\n",
                    "{}",
                    shop.name
                );
                continue;
            }
            let answer = shop.answer(&asked);
            let listed = ids(&answer);
            let categories = listed.iter().map(|id| category(&shop, id));
            let categories: BTreeSet<_> = categories.collect();
            assert_eq!(categories.len(), listed.len(), "each once");
            let length = listed.len() as u64;
            assert!((1..60).contains(&length));
            assert_eq!(missed(&answer), [("category_cap", length + 1, 60 - length)]);
        }
    }

    #[test]
    fn a_floor_above_what_there_is_gives_way_and_says_so() {
        for shop in shops() {
            let asked = json!({"limit": 5, "diversity": {"long_tail": 1, "trade_off": 0.5}});
            if shop.name == "tests/data/bundles/next" {
                // A model of sequences counts no buyers and has no titles.
                let problem = shop.respond(&asked).expect_err("refused");
                let faults: Vec<_> = problem
                    .faults
                    .iter()
                    .map(|it| (it.path.as_str(), it.code))
                    .collect();
                let code = "attribute_unknown";
                assert_eq!(
                    faults,
                    [("diversity.trade_off", code), ("diversity.long_tail", code)]
                );
                continue;
            }
            let answer = shop.answer(&asked);
            assert_eq!(ids(&answer).len(), 5, "{}", shop.name);
            let expected: &[_] = match shop.name {
                "models/ranking" => &[("long_tail", 1, 5)],
                _ => &[],
            };
            assert_eq!(missed(&answer), expected, "{}", shop.name);
        }
    }

    #[test]
    fn a_place_that_the_caps_or_an_exclusion_forbid_is_not_sold() {
        for shop in shops() {
            // Of one category, where there are any.
            let mut pairs = shop.ids[..20].windows(2);
            let alike = pairs.find(|pair| category(&shop, &pair[0]) == category(&shop, &pair[1]));
            let [bid, other] = alike.expect("two alike") else {
                unreachable!("windows of two")
            };
            let sponsored = json!({
                "currency": "GBP",
                "places": [1, 2],
                "bids": [{"item_id": bid, "bid": 2}, {"item_id": other, "bid": 1}],
            });
            let candidates = json!(shop.ids[..20]);
            let asked =
                json!({"candidates": candidates, "sponsored": sponsored, "exclude": [other]});
            let answer = shop.answer(&asked);
            assert_eq!(ids(&answer)[0], bid);
            assert!(answer["items"][1]["sponsored"].is_null());
            assert_eq!(
                answer["bids_left_out"],
                json!([{"item_id": other, "reason": "not_a_candidate"}]),
                "{}",
                shop.name
            );
            if shop.ranker.attributes().is_none() {
                continue;
            }
            let asked = json!({"candidates": candidates, "sponsored": sponsored,
                "diversity": {"caps": {"category": 1}}});
            let answer = shop.answer(&asked);
            assert_eq!(ids(&answer)[0], bid);
            assert_eq!(
                answer["bids_left_out"],
                json!([{"item_id": other, "reason": "capped"}])
            );
        }
    }
}
