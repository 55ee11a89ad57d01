//! `next`, `bench session` and `bench sequence` on made-up sequences: what they
//! find, what they may not read, and that the product's own command makes the
//! same bundle of the same data.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::common::{predictions, run, text, write};
use arrow_array::{ArrayRef, Int32Array};
use shelfedge_trainer::bench::{SEQUENCE, SESSION};
use shelfedge_trainer::next;
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;

/// Settings that learn little, quickly.
const QUICK: &str = "trees = 30\nmin_rows = 20\n";
const SHELVES: usize = 20;
const SHELF: usize = 10;

/// A sequence that stays on one shelf and mostly moves on to the next product of
/// it, and the product that comes after.
fn walk(rng: &mut Rng, length: usize) -> (Vec<i32>, i32) {
    let shelf = rng.below(SHELVES);
    let mut at = rng.below(SHELF);
    let mut products: Vec<i32> = (0..=length)
        .map(|_| {
            at = match rng.unit() {
                x if x < 0.8 => (at + 1) % SHELF,
                _ => rng.below(SHELF),
            };
            // Numbers that don't sort as texts do.
            (shelf * SHELF + at) as i32 * 7
        })
        .collect();
    let next = products.pop().unwrap();
    (products, next)
}

/// A table of sequences, numbered from `first`.
fn table(path: &Path, id: &str, first: i32, sequences: &[Vec<i32>], positions: bool) {
    let column = |of: &dyn Fn(i32, i32, i32) -> i32| -> ArrayRef {
        let cells = (first..).zip(sequences).flat_map(|(number, sequence)| {
            (0..)
                .zip(sequence)
                .map(move |(place, product)| of(number, place, *product))
        });
        Arc::new(Int32Array::from_iter_values(cells))
    };
    let mut columns = vec![(id, column(&|number, _, _| number))];
    if positions {
        columns.push(("pos", column(&|_, place, _| place)));
    }
    columns.push(("item", column(&|_, _, product| product)));
    write(path, columns);
}

/// Share of lists that hold the answer.
fn hits(path: &Path, first: i32, answers: &[i32]) -> f64 {
    let lists = predictions(path);
    assert_eq!(lists.len(), answers.len());
    let found = (first..)
        .zip(answers)
        .filter(|(query, answer)| lists[&("all".to_owned(), *query)].contains(answer))
        .count();
    found as f64 / answers.len() as f64
}

#[test]
fn sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, shop) = (path("data"), path("shop"));
    fs::create_dir(&data).unwrap();
    fs::create_dir(&shop).unwrap();
    let mut rng = Rng::new(5, 0);
    let train: Vec<Vec<i32>> = (0..2_000).map(|n| walk(&mut rng, 2 + n % 4).0).collect();
    let (asked, answers): (Vec<_>, Vec<_>) = (0..200).map(|n| walk(&mut rng, 1 + n % 4)).unzip();
    table(&data.join("train.parquet"), "session", 0, &train, true);
    table(&data.join("test.parquet"), "query", 0, &asked, true);
    // Nobody may look here.
    fs::write(data.join("test_target.parquet"), b"no table").unwrap();
    fs::write(data.join("valid.parquet"), b"no table").unwrap();

    let out = path("predictions.parquet");
    let output = run(
        folder.path(),
        QUICK,
        &[
            "bench",
            "session",
            "--data",
            text(&data),
            "--out",
            text(&out),
            "--bundle",
            text(&path("benched")),
        ],
    );
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["task"], "session");
    let shelf = fs::read(path("benched").join("model.shelf")).unwrap();
    assert_eq!(line["shipped_bytes"], shelf.len());
    // A list is a tenth of the catalogue, and knows the shelf.
    let found = hits(&out, 0, &answers);
    assert!(found > 0.97, "{found}");
    let first = predictions(&out);
    let next = asked.iter().zip(0..).filter(|(begins, query)| {
        let last = begins.last().unwrap() / 7;
        let after = (last / 10 * 10 + (last + 1) % 10) * 7;
        first[&("all".to_owned(), *query)][..2].contains(&after)
    });
    let next = next.count();
    assert!(
        next > 180,
        "what mostly comes next is near the top: {next} of 200"
    );

    fs::copy(data.join("train.parquet"), shop.join("train.parquet")).unwrap();
    fs::write(shop.join("mapping.toml"), SESSION).unwrap();
    run(
        folder.path(),
        QUICK,
        &[
            "next",
            "--no-test",
            "--shop",
            text(&shop),
            "--out",
            text(&path("learnt")),
        ],
    );
    for part in ["model.shelf", "model.onnx", "manifest.json", "CARD.md"] {
        let read = |folder: &str| fs::read(path(folder).join(part)).unwrap();
        assert!(read("benched") == read("learnt"), "{part} differs");
    }
}

#[test]
fn shoppers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let data = path("data");
    fs::create_dir(&data).unwrap();
    let mut rng = Rng::new(6, 0);
    // Nobody comes back to a product: what a shopper has is no answer.
    let mut train = Vec::new();
    let (mut valid, mut answers) = (Vec::new(), Vec::new());
    while train.len() < 1_200 {
        let (mut products, next) = walk(&mut rng, 5);
        let distinct: BTreeSet<&i32> = products.iter().chain([&next]).collect();
        if distinct.len() == 6 {
            valid.push(vec![products.pop().unwrap()]);
            train.push(products);
            answers.push(next);
        }
    }
    table(&data.join("train.parquet"), "user", 1, &train, true);
    table(&data.join("valid.parquet"), "user", 1, &valid, false);
    fs::write(data.join("test.parquet"), b"no table").unwrap();
    let bench = |out: &str, more: &[&str]| {
        let out = path(out);
        let mut arguments = vec![
            "bench",
            "sequence",
            "--data",
            text(&data),
            "--out",
            text(&out),
        ];
        arguments.extend(more);
        run(folder.path(), QUICK, &arguments);
        out
    };
    let benched = path("benched");
    let test = bench("test.parquet", &["--bundle", text(&benched)]);
    let found = hits(&test, 1, &answers);
    assert!(found > 0.9, "{found}");
    let lists = predictions(&test);
    for (user, (bought, last)) in (1..).zip(train.iter().zip(&valid)) {
        let list = &lists[&("all".to_owned(), user)];
        assert!(
            list.iter()
                .all(|item| !bought.contains(item) && !last.contains(item))
        );
    }

    let shop = path("shop");
    fs::create_dir(&shop).unwrap();
    for name in ["train.parquet", "valid.parquet"] {
        fs::copy(data.join(name), shop.join(name)).unwrap();
    }
    fs::write(shop.join("mapping.toml"), SEQUENCE).unwrap();
    let learnt = path("learnt");
    let mut arguments = vec!["next", "--shop", text(&shop), "--out", text(&learnt)];
    let told = run(
        folder.path(),
        QUICK,
        &[&arguments[..], &["--json"]].concat(),
    );
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let (model, popular) = (&told["measured"]["model"], &told["measured"]["popularity"]);
    assert!(
        model["ndcg10"].as_f64().unwrap() > 2.0 * popular["ndcg10"].as_f64().unwrap(),
        "{told}"
    );
    let card = fs::read_to_string(learnt.join("CARD.md")).unwrap();
    assert!(card.contains("| what came next most often |"), "{card}");
    // Measuring changes nothing of what is learnt.
    let measured = fs::read(learnt.join("model.shelf")).unwrap();
    arguments.push("--no-test");
    run(folder.path(), QUICK, &arguments);
    assert!(fs::read(learnt.join("model.shelf")).unwrap() == measured);
    assert!(fs::read(benched.join("model.shelf")).unwrap() == measured);

    let valid_of = bench("valid.parquet", &["--window", "valid"]);
    fs::write(data.join("valid.parquet"), b"no table").unwrap();
    fs::remove_file(data.join("test.parquet")).unwrap();
    let without = bench("without.parquet", &[]);
    assert!(fs::read(valid_of).unwrap() == fs::read(without).unwrap());
}

#[test]
fn what_can_not_be_learnt_from_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, out) = (folder.path().join("shop"), folder.path().join("out"));
    fs::create_dir(&shop).unwrap();
    let mapping = "format = 1\ncurrency = \"EUR\"\n[sequences]\nof = \"sessions\"\n\
                   sequence = \"visit\"\nproduct = \"sku\"\n";
    fs::write(shop.join("mapping.toml"), mapping).unwrap();
    let fault = |rows: &str| {
        fs::write(shop.join("visits.csv"), format!("visit,sku\n{rows}")).unwrap();
        let error = next::run(
            &shop,
            None,
            &out,
            true,
            &next::Settings::default(),
            &mut Silent,
        )
        .expect_err("a fault");
        let fault = error.faults()[0].clone();
        (fault.code, fault.cause)
    };
    let (code, cause) = fault(",A\nv1,\n");
    assert_eq!(code, "no_sequences");
    assert!(cause.contains("of 2 rows"), "{cause}");
    assert_eq!(fault("").0, "no_sequences");
    assert_eq!(fault("v1,A\nv2,A\n").0, "too_few_sequences");
    assert_eq!(fault("v1,A\nv1,A\nv2,A\n").0, "too_few_sequences");
    assert!(!out.exists());

    let settings = folder.path().join("settings.toml");
    fs::write(&settings, "trees = 0\nnegatives = 500\n").unwrap();
    let error = next::Settings::load(&settings).expect_err("faults");
    let places: Vec<&str> = error.faults().iter().map(|f| f.path.as_str()).collect();
    assert!(
        places[0].ends_with(": trees") && places[1].ends_with(": negatives"),
        "{places:?}"
    );
}
