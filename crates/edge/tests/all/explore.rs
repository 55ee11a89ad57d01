//! Exploration through the handler: it learns from events what shoppers choose, its
//! propensities are true, and nothing that goes wrong with it costs a list.

use crate::common::{NOW_MS, Shop, code, json, show};
use serde_json::{Value, json};
use shelfedge_commerce::exposure::{Outcome, join};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{
    EXPOSURE_VERSION, Exposure, ExposureEntry, OutcomeKind, ProductId, Timestamp,
};
use shelfedge_insight::{Log, Options, Rates, Terms};
use shelfedge_ranking::explore::{Learner, MAX_LEARNER_BYTES, WINDOW_MS};

/// Twice a minute, one shopper after another.
const STEP_MS: i64 = 30_000;
const LISTS: i64 = 3_000;
const LIMIT: usize = 6;
/// From 1, and how much of what stands there is looked at.
const PLACES: [(usize, f64); 2] = [(2, 1.0), (5, 0.7)];
/// How often the products are chosen that the list would not show; a seed deals them
/// to these products.
const RATES: [f64; 12] = [
    0.06, 0.1, 0.05, 0.08, 0.02, 0.12, 0.25, 0.04, 0.07, 0.03, 0.09, 0.01,
];

/// A policy of these, its settings as JSON; and how shoppers choose.
struct World {
    explore: Value,
    /// All candidates, best-scored first.
    products: Vec<String>,
    rates: Vec<f64>,
}

/// What came of it.
#[derive(Default, PartialEq, Debug)]
struct Run {
    /// What was lost against always showing the best, in choices.
    regret: f64,
    /// The same of the last third.
    late: f64,
    exposures: Vec<Exposure>,
    outcomes: Vec<Outcome>,
    answers: Vec<Vec<u8>>,
    stored: Vec<u8>,
}

/// Products that the model knows, best-scored first.
fn products(shop: &mut Shop) -> Vec<String> {
    let count = LIMIT - PLACES.len() + RATES.len();
    let answer = shop.post(
        "/v1/rank",
        &json!({"limit": count, "now": Timestamp(NOW_MS).to_string()}).to_string(),
    );
    let answer = json(&answer);
    let ids = answer["items"].as_array().unwrap().iter();
    ids.map(|it| it["item_id"].as_str().unwrap().to_owned())
        .collect()
}

impl World {
    fn new(products: &[String], explore: Value, seed: u64) -> Self {
        let mut rates = RATES.to_vec();
        let mut rng = Rng::new(seed, 0xDEA1);
        for at in (1..rates.len()).rev() {
            rates.swap(at, rng.below(at + 1));
        }
        Self {
            explore,
            products: products.to_vec(),
            rates,
        }
    }

    /// The rate of a product that the list would not show.
    fn rate(&self, product: &str) -> f64 {
        let at = self.products.iter().position(|it| it == product).unwrap();
        self.rates[at - (LIMIT - PLACES.len())]
    }

    /// What the best products earn at the places.
    fn best(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(|a, b| b.total_cmp(a));
        PLACES
            .iter()
            .zip(rates)
            .map(|((_, seen), rate)| seen * rate)
            .sum()
    }

    fn ask(&self, shop: &mut Shop, shopper: &str) -> Vec<u8> {
        let request = json!({
            // The model's order is that of this time, however late it gets.
            "now": Timestamp(NOW_MS).to_string(),
            "shopper": shopper, "list_id": "home", "limit": LIMIT,
            "candidates": self.products, "explore": self.explore,
        });
        let response = shop.post("/v1/rank", &request.to_string());
        assert_eq!(response.status, 200, "{}", show(&response));
        response.body.into_owned()
    }

    /// What products at the places earn that are drawn evenly.
    fn even(&self) -> f64 {
        let mean = self.rates.iter().sum::<f64>() / self.rates.len() as f64;
        PLACES.iter().map(|(_, seen)| seen * mean).sum()
    }

    /// Shoppers who come one after another, see a list, and choose or don't.
    fn run(&self, seed: u64, lists: i64) -> Run {
        let mut shop = Shop::new();
        let mut rng = Rng::new(seed, 0xED6E);
        let mut run = Run::default();
        for number in 0..lists {
            shop.clock.unix_ms.set(NOW_MS + number * STEP_MS);
            let shopper = format!("s{seed}-{number}");
            let bytes = self.ask(&mut shop, &shopper);
            let answer: Value = serde_json::from_slice(&bytes).unwrap();
            let exposure = exposure(&answer, shop.clock.unix_ms.get());
            let mut batch = vec![impression(&answer, &shopper, exposure.time)];
            let mut earned = 0.0;
            for (place, seen) in PLACES {
                let product = &exposure.entries[place - 1].product;
                let rate = seen * self.rate(product.as_str());
                earned += rate;
                if rng.unit64() < rate {
                    batch.push(choice(&answer, &shopper, exposure.time, place));
                    run.outcomes.push(outcome(&exposure, place));
                }
            }
            let response = shop.post("/v1/events", &Value::Array(batch).to_string());
            assert_eq!(response.status, 202, "{}", show(&response));
            run.regret += self.best() - earned;
            if number >= lists * 2 / 3 {
                run.late += self.best() - earned;
            }
            run.exposures.push(exposure);
            run.answers.push(bytes);
        }
        run.stored = shop.store.values["explore/home"].clone();
        run
    }
}

/// The record of what was shown, from the answer alone.
fn exposure(answer: &Value, time: i64) -> Exposure {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |item: &Value| ExposureEntry {
        product: ProductId::new(text(&item["item_id"])).unwrap(),
        position: item["index"].as_u64().unwrap() as u32,
        propensity: item["propensity"].as_f64().unwrap() as f32,
        score: Some(item["score"].as_f64().unwrap() as f32),
    };
    let exposure = Exposure {
        version: EXPOSURE_VERSION,
        id: text(&answer["exposure_id"]).parse().unwrap(),
        time: Timestamp(time),
        list: text(&answer["list_id"]).parse().unwrap(),
        shopper: None,
        session: None,
        model: text(&answer["model"]),
        arm: text(&answer["arm"]),
        entries: answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(entry)
            .collect(),
    };
    assert_eq!(exposure.check(), Ok(()));
    exposure
}

fn envelope(shopper: &str, id: &str, time: Timestamp, name: &str, params: Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/web", "type": "shelfedge.event.v1",
        "time": time.to_string(), "subject": shopper, "data": {"name": name, "params": params},
    })
}

/// What a page sends when the list is seen: the answer's items, as they came.
fn impression(answer: &Value, shopper: &str, time: Timestamp) -> Value {
    let items: Vec<Value> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| json!({"item_id": it["item_id"], "index": it["index"], "tried": it["tried"]}))
        .collect();
    let params = json!({
        "item_list_id": answer["list_id"], "exposure_id": answer["exposure_id"], "items": items,
    });
    envelope(shopper, "list", time, "view_item_list", params)
}

fn choice(answer: &Value, shopper: &str, time: Timestamp, place: usize) -> Value {
    let params = json!({
        "item_list_id": answer["list_id"], "exposure_id": answer["exposure_id"],
        "items": [{"item_id": answer["items"][place - 1]["item_id"]}],
    });
    envelope(
        shopper,
        &format!("choice{place}"),
        time,
        "select_item",
        params,
    )
}

fn outcome(exposure: &Exposure, place: usize) -> Outcome {
    Outcome {
        version: EXPOSURE_VERSION,
        event: format!("{}-{place}", exposure.id).parse().unwrap(),
        kind: OutcomeKind::Click,
        time: exposure.time,
        product: exposure.entries[place - 1].product.clone(),
        shopper: None,
        session: None,
        exposure: Some(exposure.id.clone()),
        list: None,
        value: None,
    }
}

fn thompson(share: f64) -> Value {
    json!({"policy": "thompson", "places": PLACES.map(|it| it.0), "share": share, "pool": 12,
           "prior_rate": 0.05, "prior_strength": 20})
}

/// What is lost by always showing the products of the best rates so far, with the same
/// belief of those that were never shown, and told of every choice at once.
fn greedy(world: &World, seed: u64) -> f64 {
    let mut rng = Rng::new(seed, 0x6EED);
    let mut counts = vec![(1.0_f64, 20.0); world.rates.len()];
    let mut regret = 0.0;
    for _ in 0..LISTS {
        let mut order: Vec<usize> = (0..counts.len()).collect();
        let mean = |at: usize| counts[at].0 / counts[at].1;
        order.sort_by(|a, b| mean(*b).total_cmp(&mean(*a)).then(a.cmp(b)));
        regret += world.best();
        for ((_, seen), at) in PLACES.iter().zip(order) {
            let rate = seen * world.rates[at];
            regret -= rate;
            counts[at].1 += 1.0;
            counts[at].0 += f64::from(u8::from(rng.unit64() < rate));
        }
    }
    regret
}

#[test]
fn it_finds_what_shoppers_choose_and_loses_less_than_chance_and_greed() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let products = products(&mut shop);
    let seeds = 1..=3;
    let world = |seed| World::new(&products, thompson(0.1), seed);
    let runs: Vec<(World, Run)> = seeds
        .map(|seed| (world(seed), world(seed).run(seed, LISTS)))
        .collect();
    let mean =
        |of: fn(&Run) -> f64| runs.iter().map(|(_, run)| of(run)).sum::<f64>() / runs.len() as f64;
    let (own, late) = (mean(|run| run.regret), mean(|run| run.late));
    // Evenly from the pool: its loss is known without a run.
    let chance = LISTS as f64 * (world(1).best() - world(1).even());
    let uniform = World::new(&products, thompson(1.0), 1).run(1, 300).regret;
    let uniform = uniform * LISTS as f64 / 300.0;
    assert!((uniform / chance - 1.0).abs() < 0.1, "{uniform} {chance}");
    // Its loss varies much from seed to seed, so here are many.
    let greed = (1..=200)
        .map(|seed| greedy(&world(seed), seed))
        .sum::<f64>()
        / 200.0;
    println!("regret {own:.0}, late {late:.0}, chance {chance:.0}, greed {greed:.0}");
    assert!(own < 0.3 * chance, "{own} {chance}");
    assert!(own < 0.9 * greed, "{own} {greed}");
    // What is lost later is mostly by the tenth that is filled evenly.
    assert!(late < 0.25 * chance / 3.0, "{late} {chance}");
    for (world, run) in &runs {
        judged(world, run);
        let learner = Learner::from_bytes(&run.stored).unwrap();
        let pool = products[LIMIT - PLACES.len()..].iter();
        let most = pool.max_by_key(|it| learner.state().of(it).tried).unwrap();
        assert_eq!(world.rate(most), 0.25, "the best was tried most");
        assert!(run.stored.len() <= MAX_LEARNER_BYTES);
    }
}

/// What was logged says of other policies what they are worth.
fn judged(world: &World, run: &Run) {
    let joined = join(&run.exposures, &run.outcomes, WINDOW_MS);
    let places = PLACES.map(|it| it.0 as u32 - 1);
    let explored = |_: &Exposure, entry: &ExposureEntry| places.contains(&entry.position);
    let (log, products) = Log::of_joined(&joined, OutcomeKind::Click, explored).unwrap();
    assert_eq!(products.len(), RATES.len());
    let rates = Rates::fit(&log, 200.0);
    let even = vec![1.0 / RATES.len() as f64; RATES.len()];
    // Three products in nine lists of ten, the others in the tenth.
    let mut fixed = vec![0.1 / 9.0; RATES.len()];
    for product in &world.products[LIMIT - PLACES.len() + 5..][..3] {
        let at = products
            .iter()
            .position(|it| it.as_str() == product)
            .unwrap();
        fixed[at] = 0.3;
    }
    for policy in [even, fixed] {
        let truth = PLACES.map(|(_, seen)| {
            let chances = products.iter().zip(&policy);
            chances
                .map(|(it, p)| p * seen * world.rate(it.as_str()))
                .sum::<f64>()
        });
        let truth = (truth[0] + truth[1]) / 2.0;
        let terms = Terms::new(
            &log,
            |_, _, out| out.copy_from_slice(&policy),
            |_, decision, out| out.copy_from_slice(rates.at(decision.position)),
        );
        let found = terms.unwrap().evaluate(&Options::default());
        for estimate in [found.ips, found.snips, found.dr] {
            // 95 % of intervals hold the truth, and so many are asked: four standard
            // errors.
            let width = estimate.high - estimate.low;
            let off = (estimate.value - truth).abs();
            assert!(off < width, "{estimate} {truth} {found:?}");
            assert!(width < 0.08, "{estimate}");
        }
    }
}

#[test]
fn linucb_learns_what_standing_says() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let products = products(&mut shop);
    let explore = json!({"policy": "linucb", "places": PLACES.map(|it| it.0), "share": 0.1,
                         "pool": 12});
    // What fits worse is chosen more: the model is wrong about these.
    let rates = (0..RATES.len()).map(|at| 0.02 + 0.02 * at as f64).collect();
    let world = World {
        rates,
        ..World::new(&products, explore, 1)
    };
    let run = world.run(1, 1_000);
    let chance = 1_000.0 * (world.best() - world.even());
    println!(
        "regret {:.0}, late {:.0}, chance {chance:.0}",
        run.regret, run.late
    );
    assert!(run.regret < 0.6 * chance, "{} {chance}", run.regret);
    assert!(run.exposures.iter().all(|it| it.arm == "linucb"));
}

#[test]
fn the_same_shoppers_have_the_same_bytes() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let world = World::new(&products(&mut shop), thompson(0.1), 1);
    let run = world.run(4, 150);
    assert_eq!(world.run(4, 150), run);
    assert_ne!(world.run(5, 150).answers, run.answers);
    // What the edge knows may as well come with the request.
    let mut shop = Shop::new();
    shop.clock.unix_ms.set(NOW_MS + 150 * STEP_MS);
    shop.store
        .values
        .insert("explore/home".to_owned(), run.stored);
    let known = world.ask(&mut shop, "ann");
    let shown = json(&shop.send("GET", "/v1/explore/home", &[], b""));
    let mut explore = world.explore.clone();
    explore["state"] = shown["state"].clone();
    let with = World { explore, ..world };
    shop.store = Default::default();
    assert_eq!(with.ask(&mut shop, "ann"), known);
    assert_eq!(shop.store.reads, 1, "the shopper's profile alone");
}

/// A shop with a list, what a page sends of it, and the list.
fn seen(shop: &mut Shop) -> (World, Value, Value) {
    let world = World::new(&products(shop), thompson(0.1), 1);
    let answer: Value = serde_json::from_slice(&world.ask(shop, "ann")).unwrap();
    let time = Timestamp(NOW_MS);
    let batch = json!([
        impression(&answer, "ann", time),
        choice(&answer, "ann", time, PLACES[0].0),
    ]);
    (world, batch, answer)
}

fn learnt(shop: &Shop) -> Option<Learner> {
    let value = shop.store.values.get("explore/home")?;
    Some(Learner::from_bytes(value).unwrap())
}

#[test]
fn a_batch_that_comes_again_teaches_nothing() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let (_, batch, answer) = seen(&mut shop);
    let product = answer["items"][PLACES[0].0 - 1]["item_id"]
        .as_str()
        .unwrap();
    // While the window is open, after it has closed, and when it is long past.
    for (after, counts) in [
        (0, (0, 0)),
        (1_000, (0, 0)),
        (WINDOW_MS, (1, 1)),
        (9 * WINDOW_MS, (1, 1)),
    ] {
        shop.clock.unix_ms.set(NOW_MS + after);
        assert_eq!(shop.post("/v1/events", &batch.to_string()).status, 202);
        let count = learnt(&shop).unwrap().state().of(product);
        assert_eq!((count.tried, count.rewarded), counts, "{after}");
    }
    // Two writes in all: what was seen, and what was counted. And the profile's.
    assert_eq!(shop.store.writes, 3);
}

#[test]
fn overload_stops_the_learning_and_nothing_else() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let (world, batch, _) = seen(&mut shop);
    assert_eq!(shop.post("/v1/events", &batch.to_string()).status, 202);
    let before = learnt(&shop);
    // Another shopper a moment later: the events are stored, the lesson is passed over.
    shop.clock.unix_ms.set(NOW_MS + 499);
    let answer: Value = serde_json::from_slice(&world.ask(&mut shop, "bob")).unwrap();
    let of_bob = json!([impression(&answer, "bob", Timestamp(NOW_MS + 499))]);
    assert_eq!(shop.post("/v1/events", &of_bob.to_string()).status, 202);
    assert!(shop.store.values.contains_key("profile/bob"));
    assert_eq!(learnt(&shop), before);
    shop.clock.unix_ms.set(NOW_MS + 500);
    assert_eq!(shop.post("/v1/events", &of_bob.to_string()).status, 202);
    assert_ne!(learnt(&shop), before);

    // Nobody teaches: not even a read.
    let mut shop = Shop::new().set("explore_learners", "0");
    assert_eq!(shop.post("/v1/events", &batch.to_string()).status, 202);
    assert_eq!((shop.store.reads, shop.store.writes), (1, 1));
    // Ids that no ranking had, and events without a word of a list.
    let mut shop = Shop::new();
    let text = batch.to_string().replace("\"item_list_id\":\"home\",", "");
    let id = batch[0]["data"]["params"]["exposure_id"].as_str().unwrap();
    let text = text.replace(id, "+0000000000000000000000000000000");
    assert_eq!(shop.post("/v1/events", &text).status, 202);
    assert_eq!((shop.store.reads, shop.store.writes), (1, 1));
    let mut shop = Shop::new().set("explore_learners", "101");
    let response = shop.post("/v1/events", &batch.to_string());
    assert_eq!(
        (response.status, code(&response).as_str()),
        (500, "misconfigured")
    );
    assert!(shop.store.values.is_empty());
}

#[test]
fn a_list_that_never_explored_costs_no_write() {
    let mut shop = Shop::new();
    let add = |id: &str, list: &str| {
        let params = json!({"item_list_id": list, "items": [{"item_id": "p1"}]});
        let one = envelope("ann", id, Timestamp(NOW_MS), "select_item", params);
        Value::Array(vec![one]).to_string()
    };
    assert_eq!(shop.post("/v1/events", &add("one", "plain")).status, 202);
    assert_eq!((shop.store.reads, shop.store.writes), (2, 1));
    let keys: Vec<&str> = shop.store.values.keys().map(String::as_str).collect();
    assert_eq!(keys, ["profile/ann"]);
    // Of a list of which something is stored, it is kept: its list may come later.
    shop.clock.unix_ms.set(NOW_MS + 1_000);
    let known = Learner::default().to_bytes();
    shop.store.values.insert("explore/home".to_owned(), known);
    let before = learnt(&shop);
    assert_eq!(shop.post("/v1/events", &add("two", "home")).status, 202);
    assert_ne!(learnt(&shop), before);
}

#[test]
fn a_list_is_shown_whatever_is_known() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let (world, batch, answer) = seen(&mut shop);
    // A value that isn't one is replaced by the next lesson.
    let garbage = b"garbage".to_vec();
    shop.store.values.insert("explore/home".to_owned(), garbage);
    let again: Value = serde_json::from_slice(&world.ask(&mut shop, "ann")).unwrap();
    assert_eq!(again, answer);
    assert_eq!(shop.post("/v1/events", &batch.to_string()).status, 202);
    assert!(learnt(&shop).is_some());

    // The store goes away after the profile is written.
    let mut shop = Shop::new();
    shop.store.break_after = Some(1);
    let response = shop.post("/v1/events", &batch.to_string());
    assert_eq!(response.status, 202, "{}", show(&response));
    let timing = response.header("server-timing").unwrap();
    assert!(
        timing.contains("explore;dur=0.250;desc=\"unavailable\""),
        "{timing}"
    );
    shop.store.broken = true;
    let again: Value = serde_json::from_slice(&world.ask(&mut shop, "ann")).unwrap();
    assert_eq!(again, answer);
}

#[test]
fn sold_places_stay_sold() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let products = products(&mut shop);
    let ask = |shop: &mut Shop, seed: u32| {
        let request = json!({
            "limit": LIMIT, "candidates": products, "seed": seed, "explore": thompson(0.1),
            "sponsored": {"currency": "GBP", "places": [2], "bids": [{"item_id": products[9], "bid": 1}]},
        });
        let response = shop.post("/v1/rank", &request.to_string());
        assert_eq!(response.status, 200, "{}", show(&response));
        json(&response)
    };
    for seed in 0..50 {
        let answer = ask(&mut shop, seed);
        let sold = &answer["items"][1];
        assert_eq!(sold["item_id"], products[9].as_str());
        assert!(sold["sponsored"].is_object() && sold["tried"].is_null());
        assert!(answer["items"][4]["tried"].is_object());
        assert_ne!(answer["items"][4]["item_id"], products[9].as_str());
        assert_eq!(answer["items"][0]["item_id"], products[0].as_str());
    }
}

#[test]
fn what_is_known_is_shown_and_forgotten() {
    let mut shop = Shop::new();
    let unknown = shop.send("GET", "/v1/explore/caf%C3%A9", &[], b"");
    assert_eq!(unknown.status, 200);
    assert_eq!(json(&unknown)["list_id"], "café");
    assert_eq!(json(&unknown)["products"], json!([]));
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let (_, batch, _) = seen(&mut shop);
    for after in [0, WINDOW_MS] {
        shop.clock.unix_ms.set(NOW_MS + after);
        shop.post("/v1/events", &batch.to_string());
    }
    let shown = json(&shop.send("GET", "/v1/explore/home", &[], b""));
    let tried = shown["products"].as_array().unwrap();
    assert_eq!(tried.len(), PLACES.len());
    assert!(tried.iter().any(|it| it["rewarded"] == 1));
    assert_eq!(
        shop.send("DELETE", "/v1/explore/home", &[], b"").status,
        204
    );
    assert_eq!(learnt(&shop), None);
    let long = format!("/v1/explore/{}", "a".repeat(65));
    let response = shop.send("GET", &long, &[], b"");
    assert_eq!(json(&response)["faults"][0]["path"], "list");
    let mut shop = shop.set("api_token", "secret");
    for method in ["GET", "DELETE"] {
        assert_eq!(shop.send(method, "/v1/explore/home", &[], b"").status, 401);
    }
    shop.store.broken = true;
    let token = [("authorization", "Bearer secret")];
    let response = shop.send("GET", "/v1/explore/home", &token, b"");
    assert_eq!(
        (response.status, code(&response).as_str()),
        (503, "store_unavailable")
    );
}

/// What is known of the list is read for a policy too, which may choose to explore.
#[test]
fn a_policy_needs_a_model_that_carries_one() {
    let Some(mut shop) = Shop::with_model() else {
        return;
    };
    let request = json!({
        "now": "2011-12-10T10:00:00Z", "list_id": "home",
        "policy": {"explore": {"policy": "thompson", "places": [1]}, "diversify": {}},
    });
    let response = shop.post("/v1/rank", &request.to_string());
    assert_eq!(response.status, 422);
    assert_eq!(json(&response)["faults"][0]["code"], "policy_missing");
    assert_eq!(shop.store.reads, 1);
}
