//! `bench next-basket` on a small made-up folder: what it prints and writes,
//! what it may not read, and that the product's own command makes the same
//! bundle of the same data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::{predictions, text, write};
use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use shelfedge_commerce::time::{DAY, HOUR, Timestamp};
use shelfedge_trainer::bench::NEXT_BASKET;
use shelfedge_trainer::rng::Rng;

/// Settings that learn little, quickly.
const QUICK: &str = "trees = 20\nmin_rows = 20\n";
const ITEMS: i32 = 60;
const CUSTOMERS: usize = 30;

/// A line of an order.
struct Line {
    time: i64,
    order: i64,
    customer: i64,
    item: i32,
    quantity: i64,
    price: f64,
}

fn at(text: &str) -> i64 {
    Timestamp::parse_rfc3339(text).unwrap().millis()
}

/// Seven months of a shop whose customers have two favourite shelves each.
fn lines() -> Vec<Line> {
    let mut rng = Rng::new(7, 0);
    let mut list = Vec::new();
    let (from, to) = (at("2020-01-01T00:00:00Z"), at("2020-08-01T00:00:00Z"));
    let mut order = 100;
    for day in 0..(to - from) / DAY {
        for _ in 0..3 {
            order += 1;
            let customer = rng.below(CUSTOMERS);
            let time = from + day * DAY + (8 + rng.below(10) as i64) * HOUR;
            let basket: BTreeSet<i32> = (0..3 + rng.below(4))
                .map(|_| {
                    let shelf = if rng.unit() < 0.5 {
                        customer % 6
                    } else {
                        customer / 5
                    };
                    (shelf * 10 + rng.below(10)) as i32
                })
                .collect();
            for item in basket {
                list.push(Line {
                    time,
                    order,
                    customer: 12_000 + customer as i64,
                    item,
                    quantity: 1 + rng.below(4) as i64,
                    // As a table from a data frame holds it: a quotient.
                    price: f64::from(1 + item % 9) / 3.0,
                });
            }
        }
    }
    list
}

/// The prepared folder: January to May, June, July.
fn prepare(folder: &Path) {
    let lines = lines();
    let mut from = i64::MIN;
    for (name, to) in [
        ("train", at("2020-06-01T00:00:00Z")),
        ("valid", at("2020-07-01T00:00:00Z")),
        ("test", at("2020-08-01T00:00:00Z")),
    ] {
        let part: Vec<&Line> = lines
            .iter()
            .filter(|l| (from..to).contains(&l.time))
            .collect();
        from = to;
        let integers = |f: fn(&Line) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(part.iter().map(|l| f(l))))
        };
        let orders = part.iter().map(|l| l.order.to_string());
        write(
            &folder.join(format!("{name}.parquet")),
            vec![
                ("customer", integers(|l| l.customer)),
                ("invoice", Arc::new(StringArray::from_iter_values(orders))),
                (
                    "item",
                    Arc::new(Int32Array::from_iter_values(part.iter().map(|l| l.item))),
                ),
                (
                    "date",
                    Arc::new(TimestampMicrosecondArray::from_iter_values(
                        part.iter().map(|l| l.time * 1_000),
                    )),
                ),
                ("quantity", integers(|l| l.quantity)),
                (
                    "price",
                    Arc::new(Float64Array::from_iter_values(part.iter().map(|l| l.price))),
                ),
            ],
        );
    }
    let shelves = ["red", "blue", "green", "brown", "white", "black"];
    let titles = (0..ITEMS)
        .map(|i| (i % 7 != 3).then(|| format!("A {} cup, number {i}", shelves[i as usize / 10])));
    write(
        &folder.join("items.parquet"),
        vec![
            (
                "item",
                Arc::new(Int64Array::from_iter_values(0..i64::from(ITEMS))),
            ),
            ("description", Arc::new(StringArray::from_iter(titles))),
        ],
    );
}

#[test]
fn the_products_command_makes_the_bundle_that_bench_predicts_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    fs::create_dir(&data).unwrap();
    prepare(&data);
    // What is to be predicted can't have been read if it can't be read.
    fs::write(data.join("test.parquet"), b"nobody may look here").unwrap();

    let output = crate::common::run(
        folder.path(),
        QUICK,
        &[
            "bench",
            "next-basket",
            "--data",
            text(&data),
            "--out",
            text(&path("test.parquet")),
            "--bundle",
            text(&path("benched")),
        ],
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    let line: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let shelf = fs::read(path("benched").join("model.shelf")).unwrap();
    let keys: Vec<&str> = line
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        BTreeSet::from_iter(keys),
        BTreeSet::from(["task", "seed", "cpu_s", "peak_bytes", "shipped_bytes"])
    );
    assert_eq!(line["task"], "next-basket");
    assert_eq!(line["seed"], 1);
    assert_eq!(line["shipped_bytes"], shelf.len());
    if cfg!(target_os = "linux") {
        assert!(line["cpu_s"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["peak_bytes"].as_u64().unwrap() > 1 << 20, "{line}");
    }
    let stderr = String::from_utf8(output.stderr).unwrap();
    for stage in ["reading", "windows", "trees", "scoring"] {
        assert!(
            stderr.contains(&format!("{stage} 100 %")),
            "progress of {stage}:\n{stderr}"
        );
    }

    // The same tables in a folder of the product's own.
    let shop = path("shop");
    fs::create_dir(&shop).unwrap();
    for name in ["train.parquet", "valid.parquet", "items.parquet"] {
        fs::copy(data.join(name), shop.join(name)).unwrap();
    }
    fs::write(shop.join("mapping.toml"), NEXT_BASKET).unwrap();
    crate::common::run(
        folder.path(),
        QUICK,
        &[
            "basket",
            "--no-test",
            "--shop",
            text(&shop),
            "--out",
            text(&path("learnt")),
        ],
    );
    let parts = |folder: &str| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path(folder))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        parts("learnt"),
        [
            "CARD.md",
            "golden.json",
            "manifest.json",
            "model.onnx",
            "model.shelf"
        ]
    );
    assert_eq!(parts("benched"), parts("learnt"));
    for part in parts("learnt") {
        let read = |folder: &str| fs::read(path(folder).join(&part)).unwrap();
        assert!(read("benched") == read("learnt"), "{part} differs");
    }

    // Both lists for every customer of the history, up to 20 products each.
    let mut bought: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for line in lines() {
        if line.time < at("2020-07-01T00:00:00Z") {
            bought
                .entry(line.customer as i32)
                .or_default()
                .insert(line.item);
        }
    }
    let lists = predictions(&path("test.parquet"));
    assert_eq!(lists.len(), 2 * bought.len());
    for ((list, customer), items) in &lists {
        let owned = &bought[customer];
        let distinct: BTreeSet<&i32> = items.iter().collect();
        assert_eq!(distinct.len(), items.len());
        let possible = match list.as_str() {
            "all" => ITEMS as usize,
            "new" => {
                assert!(items.iter().all(|i| !owned.contains(i)), "{customer}");
                ITEMS as usize - owned.len()
            }
            other => panic!("a list {other}"),
        };
        assert_eq!(items.len(), possible.min(20), "{list} of {customer}");
    }
}

#[test]
fn a_folder_without_a_test_predicts_valid_without_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    fs::create_dir(&data).unwrap();
    prepare(&data);
    let bench = |out: &str, more: &[&str]| -> Vec<u8> {
        let out = path(out);
        let mut arguments = vec!["bench", "next-basket", "--data", text(&data), "--out"];
        arguments.push(text(&out));
        arguments.extend(more);
        crate::common::run(folder.path(), QUICK, &arguments);
        fs::read(out).unwrap()
    };
    let test = bench("test.parquet", &[]);
    fs::write(data.join("valid.parquet"), b"nobody may look here").unwrap();
    let valid = bench("valid.parquet", &["--window", "valid"]);
    fs::remove_file(data.join("test.parquet")).unwrap();
    let without = bench("without.parquet", &[]);
    assert!(valid == without, "both predict valid from train");
    assert!(valid != test, "from another history");
    fs::remove_file(data.join("items.parquet")).unwrap();
    let untitled = bench("untitled.parquet", &[]);
    assert!(untitled != valid, "titles are learnt from");
}

#[test]
fn what_customers_like_is_found_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    fs::create_dir(&data).unwrap();
    prepare(&data);
    fs::write(data.join("mapping.toml"), NEXT_BASKET).unwrap();
    let learn = |out: &str| {
        let out = path(out);
        let arguments = [
            "basket",
            "--json",
            "--shop",
            text(&data),
            "--out",
            text(&out),
        ];
        crate::common::run(folder.path(), QUICK, &arguments).stdout
    };
    let outcome: serde_json::Value = serde_json::from_slice(&learn("learnt")).unwrap();
    let ndcg = |ranking: &str, list: &str| {
        let value = &outcome["measured"][ranking][list]["ndcg10"]["value"];
        value.as_f64().unwrap_or_else(|| panic!("{outcome}"))
    };
    for list in ["all", "new"] {
        let (model, popular) = (ndcg("model", list), ndcg("popularity", list));
        assert!(model > 1.2 * popular, "{list}: {model} {popular}");
    }
    let card = fs::read_to_string(path("learnt").join("CARD.md")).unwrap();
    assert!(
        card.contains("| new to the customer | this model |"),
        "{card}"
    );
    assert!(card.contains("what each customer bought"), "{card}");
    // The same again, byte for byte.
    learn("again");
    let shelf = |name: &str| fs::read(path(name).join("model.shelf")).unwrap();
    assert!(shelf("learnt") == shelf("again"));
}

#[test]
fn products_that_nobody_bought_are_ranked_by_their_titles() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    prepare(&data);
    fs::write(data.join("mapping.toml"), NEXT_BASKET).unwrap();
    let measure = |share: &str| {
        let arguments = [
            "bench",
            "new-products",
            "--share",
            share,
            "--shop",
            text(&data),
        ];
        crate::common::run(folder.path(), QUICK, &arguments).stdout
    };
    let found: serde_json::Value = serde_json::from_slice(&measure("0.5")).unwrap();
    let held = found["held_out"].as_u64().unwrap();
    assert!((20..ITEMS as u64 - 20).contains(&held), "{found}");
    let by = |name: &str| {
        let lists = found["lists"].as_array().unwrap();
        lists.iter().find(|list| list["by"] == name).unwrap()
    };
    // Customers have favourite shelves, which the titles name.
    let over = by("model")["over_chance"]["low"].as_f64().unwrap();
    assert!(over > 0.05, "{found}");
    assert_eq!(by("chance")["over_chance"]["value"], 0.0);
    assert_eq!(by("model")["model_over"]["value"], 0.0);
    assert!(measure("0.5") == measure("0.5"));

    let few = std::process::Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .args([
            "bench",
            "new-products",
            "--share",
            "0.01",
            "--shop",
            text(&data),
        ])
        .output()
        .unwrap();
    assert_eq!(few.status.code(), Some(1));
    assert!(String::from_utf8(few.stderr).unwrap().contains("too_few"));
}

#[test]
fn a_new_product_of_the_shop_is_recalled_by_its_title() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    prepare(&data);
    let titles = ["A green cup, number 900", "Nothing like it"];
    write(
        &data.join("more.parquet"),
        vec![
            ("item", Arc::new(Int64Array::from(vec![900, 901, 25]))),
            (
                "description",
                Arc::new(StringArray::from_iter_values(
                    titles.into_iter().chain(["A green cup, number 25"]),
                )),
            ),
        ],
    );
    fs::rename(
        data.join("items.parquet"),
        folder.path().join("items.parquet"),
    )
    .unwrap();
    let learn = |out: &str, mapping: &str| {
        fs::write(data.join("mapping.toml"), mapping).unwrap();
        let out = folder.path().join(out);
        let arguments = [
            "basket",
            "--no-test",
            "--shop",
            text(&data),
            "--out",
            text(&out),
        ];
        crate::common::run(folder.path(), QUICK, &arguments);
        shelfedge_ranking::Ranker::open(fs::read(out.join("model.shelf")).unwrap()).unwrap()
    };
    let mapping = NEXT_BASKET.replace("items.parquet", "more.parquet");
    let without = learn("without", &mapping);
    assert_eq!(without.find("900"), None);
    let ranker = learn("with", &format!("{mapping}new_products = true\n"));
    assert_eq!(ranker.product_count(), without.product_count() + 2);
    let [like, unlike] = ["900", "901"].map(|id| ranker.find(id).unwrap());

    // What leads to number 25 leads to its like; nothing leads to the other.
    let line = |item: i32| shelfedge_commerce::EventItem {
        product: shelfedge_commerce::ProductId::new(item.to_string()).unwrap(),
        quantity: 1,
        price: None,
        index: None,
    };
    let now = at("2020-08-02T00:00:00Z");
    let order = shelfedge_commerce::Event {
        id: None,
        time: Timestamp(now - DAY),
        kind: shelfedge_commerce::EventKind::Purchase,
        transaction: None,
        currency: None,
        list: None,
        items: (20..30).map(line).collect(),
    };
    let ranked = ranker
        .rank(
            &shelfedge_ranking::Query {
                now: Timestamp(now),
                events: &[order],
                candidates: None,
                exclude: &[],
                limit: shelfedge_ranking::MAX_LIMIT,
                new_only: true,
                context: shelfedge_ranking::Context::default(),
                explain: false,
                answered: &[],
            },
            &mut shelfedge_ranking::Workspace::default(),
        )
        .unwrap();
    let listed = |product| ranked.items.iter().any(|item| item.product == product);
    assert!(listed(like), "{ranked:?}");
    assert!(!listed(unlike), "{ranked:?}");
}

#[test]
fn too_little_history_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let lines = "order,product,quantity,time,unit_price,customer\n\
                 1,a,1,2020-01-01 10:00:00,1.00,x\n2,b,1,2020-01-20 10:00:00,1.00,x\n";
    fs::write(data.join("lines.csv"), lines).unwrap();
    fs::write(
        data.join("mapping.toml"),
        "format = 1\ncurrency = \"GBP\"\n[columns]\norder = \"order\"\nproduct = \"product\"\n\
         quantity = \"quantity\"\ntime = \"time\"\nunit_price = \"unit_price\"\ncustomer = \"customer\"\n\
         [time]\nformat = \"%Y-%m-%d %H:%M:%S\"\n",
    )
    .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .args(["basket", "--shop", text(&data), "--out"])
        .arg(folder.path().join("out"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("too_little_history"), "{stderr}");
    assert!(stderr.contains("three months"), "{stderr}");
    assert!(!folder.path().join("out").exists());
}
