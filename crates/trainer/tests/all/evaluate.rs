//! `evaluate`: its figures are those of the commands that made the bundle and of the
//! published protocol, it says what a bundle had to do with what it is asked, and its
//! page needs nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::text;
use serde_json::Value;
use shelfedge_commerce::time::{DAY, HOUR, Timestamp};
use shelfedge_trainer::bench::NEXT_BASKET;
use shelfedge_trainer::rng::Rng;

const ORDERS: &str = "format = 1\ncurrency = \"EUR\"\n[columns]\norder = \"order\"\nproduct = \"sku\"\n\
    title = \"title\"\nquantity = \"pieces\"\ntime = \"at\"\nunit_price = \"price\"\ncustomer = \"customer\"\n\
    category = \"shelf\"\n";
const SESSIONS: &str = "format = 1\ncurrency = \"EUR\"\n[sequences]\nof = \"sessions\"\nsequence = \"order\"\nproduct = \"sku\"\n";
/// Settings that learn little, quickly.
const TREES: &str = "trees = 20\nmin_rows = 20\n";
const PASSES: &str = "epochs = 2\ntuning = 1\n";

/// Nine months of a shop whose customers have two favourite shelves each; new ones
/// come all the time.
fn orders() -> String {
    let mut rng = Rng::new(11, 0);
    let start = Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap().0;
    let mut csv = "order,sku,title,pieces,at,price,customer,shelf\n".to_owned();
    for number in 0..1_100 {
        let day = number / 4;
        let customer = rng.below(30 + day as usize / 9);
        let time = Timestamp(start + day * DAY + (8 + rng.below(10) as i64) * HOUR);
        let basket: BTreeSet<usize> = (0..3 + rng.below(5))
            .map(|_| {
                let shelf = match rng.unit() < 0.5 {
                    true => customer % 6,
                    false => customer / 6 % 6,
                };
                shelf * 8 + rng.below(8)
            })
            .collect();
        for product in basket {
            writeln!(
                csv,
                "{number},P{product:02},Cup number {product},{},{time},{}.50,c{customer},s{}",
                1 + rng.below(4),
                1 + product % 9,
                product / 8,
            )
            .unwrap();
        }
    }
    csv
}

/// A folder with a shop, and bundles made of it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, mapping) in [("shop", ORDERS), ("sessions", SESSIONS)] {
            fs::create_dir(folder.at(name)).unwrap();
            fs::write(folder.at(name).join("orders.csv"), orders()).unwrap();
            fs::write(folder.at(name).join("mapping.toml"), mapping).unwrap();
        }
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Trains a bundle of the name of the command, and gives what is printed.
    fn learn(&self, command: &str, settings: &str, more: &[&str]) -> Value {
        let (shop, out) = (self.at(shop_of(command)), self.at(command));
        let mut arguments = vec![
            command,
            "--json",
            "--shop",
            text(&shop),
            "--out",
            text(&out),
        ];
        arguments.extend(more);
        let output = crate::common::run(self.0.path(), settings, &arguments);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn evaluate(&self, command: &str, more: &[&str]) -> Output {
        evaluate(
            &self.at(command),
            &self.at(shop_of(command)),
            &self.at("report"),
            more,
        )
    }

    fn report(&self, command: &str, more: &[&str]) -> Value {
        let arguments: Vec<&str> = ["--json"].into_iter().chain(more.iter().copied()).collect();
        let output = self.evaluate(command, &arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let written = fs::read(self.at("report").join("report.json")).unwrap();
        assert_eq!(report, serde_json::from_slice::<Value>(&written).unwrap());
        report
    }
}

fn shop_of(command: &str) -> &'static str {
    match command {
        "next" => "sessions",
        _ => "shop",
    }
}

fn evaluate(model: &Path, shop: &Path, out: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .args(["evaluate", "--model", text(model), "--shop", text(shop)])
        .args(["--out", text(out)])
        .args(more)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A ranking's metrics in a report's lists.
fn metrics<'v>(lists: &'v Value, list: &str, name: &str) -> &'v Value {
    let of = |value: &'v Value, key: &str, name: &str| {
        let mut all = value.as_array().unwrap().iter();
        all.find(|it| it[key] == name)
            .unwrap_or_else(|| panic!("{name} in {value}"))
    };
    &of(&of(lists, "list", list)["rankings"], "name", name)["metrics"]
}

/// The page needs nothing from elsewhere and no script, and tells what it shows.
fn check_page(folder: &Path, charts: usize) {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for absent in [
        "<script",
        "href=\"http",
        "src=",
        "style=\"",
        "@import",
        "url(",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
    assert!(
        page.contains("default-src 'none'; style-src 'sha256-"),
        "{page}"
    );
    let count = |what: &str| page.matches(what).count();
    assert_eq!(count("<svg "), charts);
    assert_eq!(count("role=\"img\""), charts);
    assert_eq!(count("<desc "), charts);
    assert!(count("<table>") >= 6);
    assert_eq!(count("<table>"), count("<caption>"));
    assert!(count("<th scope=\"row\">") > count("<table>"));
    for broken in ["NaN", "inf,", "undefined"] {
        assert!(!page.contains(broken), "{broken}");
    }
}

#[test]
fn a_network_is_worth_what_its_training_found() {
    let folder = Folder::new();
    let learnt = folder.learn("ranking", PASSES, &[]);
    let quick = folder.at("quick.toml");
    let report = folder.report("ranking", &["--splits", "2", "--settings", text(&quick)]);
    let evaluation = &report["evaluation"];
    // Its tables know the month that was held back, and are made again.
    assert_eq!(evaluation["footing"], "tables_again");
    for (name, trained) in [
        ("this model", "model"),
        ("personal frequency", "personal_frequency"),
        ("popularity, 14 days", "popularity"),
    ] {
        for list in ["all", "new"] {
            let (found, trained) = (
                metrics(&evaluation["lists"], list, name),
                &learnt["test"][trained][list],
            );
            for metric in ["ndcg10", "recall10", "recall20", "capped10", "hit10"] {
                assert_eq!(found[metric], trained[metric], "{name}, {list}, {metric}");
            }
        }
    }
    let passes = evaluation["passes"].as_array().unwrap();
    assert_eq!(passes.len(), learnt["curve"].as_array().unwrap().len());
    for (told, trained) in passes.iter().zip(learnt["curve"].as_array().unwrap()) {
        assert_eq!(
            (&told["epoch"], &told["tuning"]),
            (&trained["epoch"], &trained["tuning"])
        );
        let of = |pass: &Value| pass["valid_ndcg10"].as_f64().unwrap();
        assert!(
            (of(told) - of(trained)).abs() <= 0.00005,
            "{told} {trained}"
        );
    }
    // The newest split is trained as the bundle was.
    let newest = &report["splits"][0];
    assert_eq!(newest["lists"], evaluation["lists"]);
    assert_ne!(report["splits"][1]["lists"], newest["lists"]);
    let spread = &report["spread"][0];
    let of = |split: usize| {
        let value =
            &metrics(&report["splits"][split]["lists"], "all", "this model")["ndcg10"]["value"];
        value.as_f64().unwrap()
    };
    let mean = spread["ndcg10"]["mean"].as_f64().unwrap();
    assert!((mean - (of(0) + of(1)) / 2.0).abs() < 1.1e-5, "{spread}");
    // Strangers are asked too, and everybody is in one segment.
    let segments = evaluation["shoppers"].as_array().unwrap();
    assert_eq!(segments[0]["segment"], "nobody known");
    let known = segments[1..].iter().filter(|s| s["list"] == "all");
    let asked: u64 = known.map(|s| s["questions"].as_u64().unwrap()).sum();
    assert_eq!(evaluation["lists"][0]["questions"], asked);
    // A cap on the shelf shows that lists were of one shelf.
    let rules = evaluation["diversity"].as_array().unwrap();
    assert_eq!(rules[0]["cost"]["value"], 0.0);
    assert!(
        rules
            .iter()
            .any(|rule| rule["rule"] == "caps.category" && rule["value"] == 1.0)
    );
    let shares = evaluation["importance"].as_array().unwrap();
    let sum: f64 = shares
        .iter()
        .map(|i| i["share"]["value"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    // Two of quality, calibration, importance, two of passes, two of rules, two of splits.
    check_page(&folder.at("report"), 10);
    // The same again.
    let page = fs::read(folder.at("report").join("report.html")).unwrap();
    folder.report("ranking", &["--splits", "2", "--settings", text(&quick)]);
    assert!(fs::read(folder.at("report").join("report.html")).unwrap() == page);
}

#[test]
fn a_bundle_is_asked_about_what_it_did_not_learn_from() {
    let folder = Folder::new();
    let learnt = folder.learn("basket", TREES, &[]);
    let refused = folder.evaluate("basket", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("nothing_unseen at --model"),
        "{}",
        stderr(&refused)
    );
    assert!(!folder.at("report").exists());
    let quick = folder.at("quick.toml");

    // Trained again, it is what the command measured.
    let report = folder.report("basket", &["--splits", "1", "--settings", text(&quick)]);
    assert_eq!(report["evaluation"]["footing"], "retrained");
    assert_eq!(report["splits"][0]["lists"], report["evaluation"]["lists"]);
    for list in ["all", "new"] {
        let found = metrics(&report["evaluation"]["lists"], list, "this model");
        assert_eq!(
            found["ndcg10"], learnt["measured"]["model"][list]["ndcg10"],
            "{list}"
        );
    }
    // The last part of the trees is all of them.
    let stages = report["evaluation"]["stages"].as_array().unwrap();
    assert_eq!(stages.last().unwrap()["trees"], 20);
    let whole = &metrics(&report["evaluation"]["lists"], "all", "this model")["ndcg10"]["value"];
    assert_eq!(&stages.last().unwrap()["all"], whole);
    check_page(&folder.at("report"), 7);

    // A window that it knows is possible, and labelled.
    let known = folder.report("basket", &["--from", "2020-08-01", "--until", "2020-09-01"]);
    assert_eq!(known["evaluation"]["footing"], "seen");
    assert_eq!(known["evaluation"]["until"], "2020-09-01T00:00:00Z");

    // What comes after the bundle is asked as a matter of course.
    let mapping = folder.at("shop").join("mapping.toml");
    fs::write(
        &mapping,
        format!("{ORDERS}[time]\nbefore = \"2020-09-01T00:00:00Z\"\n"),
    )
    .unwrap();
    folder.learn("basket", TREES, &["--no-test"]);
    fs::write(&mapping, ORDERS).unwrap();
    let newer = folder.report("basket", &[]);
    assert_eq!(newer["evaluation"]["footing"], "unseen");
    assert_eq!(newer["evaluation"]["from"], newer["bundle"]["as_of"]);
    let value = |name: &str| {
        let value = &metrics(&newer["evaluation"]["lists"], "all", name)["ndcg10"]["value"];
        value.as_f64().unwrap()
    };
    assert!(
        value("this model") > 1.2 * value("popularity, 14 days"),
        "{newer}"
    );

    let faults = |more: &[&str]| {
        let output = folder.evaluate("basket", more);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let said = faults(&["--from", "2031-01-01", "--until", "2032-01-01"]);
    assert!(said.contains("nothing_asked"), "{said}");
    let said = faults(&["--splits", "24", "--settings", text(&quick)]);
    assert!(said.contains("too_many_splits at --splits"), "{said}");
    fs::write(folder.at("basket").join("model.shelf"), "another").unwrap();
    let said = faults(&[]);
    assert!(said.contains("part_swapped at model.shelf"), "{said}");
}

#[test]
fn sequences_are_asked_for_what_follows() {
    let folder = Folder::new();
    let learnt = folder.learn("next", TREES, &[]);
    let quick = folder.at("quick.toml");
    let report = folder.report("next", &["--splits", "2", "--settings", text(&quick)]);
    assert_eq!(report["evaluation"]["footing"], "retrained");
    for (name, measured) in [
        ("this model", "model"),
        ("came next most often", "transitions"),
        ("popularity", "popularity"),
    ] {
        let found = metrics(&report["evaluation"]["lists"], "all", name);
        for (metric, measured_as) in [
            ("ndcg10", "ndcg10"),
            ("hit10", "hit10"),
            ("recall20", "hit20"),
            ("mrr20", "mrr20"),
        ] {
            let found = found[metric]["value"].as_f64().unwrap();
            let measured = learnt["measured"][measured][measured_as].as_f64().unwrap();
            assert!(
                (found - measured).abs() < 1e-5,
                "{name} {metric}: {found} {measured}"
            );
        }
    }
    check_page(&folder.at("report"), 9);
    for (more, code) in [
        (&[][..], "nothing_unseen at --model"),
        (
            &["--from", "2020-08-01"][..],
            "window_without_times at --from",
        ),
    ] {
        let output = folder.evaluate("next", more);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(code), "{}", stderr(&output));
    }
    // Of other sequences nothing tells whether they are in its log.
    let table = folder.at("sessions").join("orders.csv");
    let csv = fs::read_to_string(&table).unwrap();
    fs::write(
        &table,
        format!("{csv}9999,P01,x,1,x,1,x,x\n9999,UNHEARD-OF,x,1,x,1,x,x\n"),
    )
    .unwrap();
    let report = folder.report("next", &[]);
    assert_eq!(report["evaluation"]["footing"], "unknown");
    // A bundle with a network, too, has its learning curve.
    let network = "[attention]\nuse = \"on\"\nepochs = 1\nagain = 1\nwidth = 8\nhidden = 8\n";
    folder.learn("next", &format!("{TREES}{network}"), &["--no-test"]);
    folder.report("next", &["--splits", "2", "--settings", text(&quick)]);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    for more in [
        &["--from", "yesterday"][..],
        &["--settings", "quick.toml"],
        &["--splits", "99"],
    ] {
        let output = folder.evaluate("none", more);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{more:?}: {}",
            stderr(&output)
        );
    }
    // A bundle of another shop, of years before.
    let other = root().join("tests/data/bundles/basket");
    let output = evaluate(&other, &folder.at("shop"), &folder.at("report"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("another_shop at --shop"),
        "{}",
        stderr(&output)
    );
    let output = folder.evaluate("none", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("manifest.json"),
        "{}",
        stderr(&output)
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_committed_bundle_is_worth_what_its_card_says() {
    let folder = tempfile::tempdir().unwrap();
    let (model, shop) = (
        root().join("models/ranking"),
        root().join("tests/data/online-retail"),
    );
    let output = evaluate(&model, &shop, folder.path(), &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["evaluation"]["asked"], "2011-11-01 to 2011-12-09");
    let card = fs::read_to_string(model.join("CARD.md")).unwrap();
    for (list, name_of_list) in [("all", "all products"), ("new", "new to the customer")] {
        for name in ["this model", "personal frequency", "popularity, 14 days"] {
            let of = metrics(&report["evaluation"]["lists"], list, name);
            let cells = ["ndcg10", "recall10", "recall20", "hit10"].map(|metric| {
                let number = |part: &str| of[metric][part].as_f64().unwrap();
                format!(
                    "{:.3} [{:.3}, {:.3}]",
                    number("value"),
                    number("low"),
                    number("high")
                )
            });
            let row = format!("| {name_of_list} | {name} | {} |", cells.join(" | "));
            assert!(card.contains(&row), "{row}");
        }
    }
}

#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn skip(text: &str) {
    println!("SKIPPED: {text}");
}

/// The figures of the published protocol's own script, on the same lists: those that
/// `bench next-basket` predicts for October, which only tunes.
#[test]
fn figures_are_those_of_the_published_protocol() {
    let data = root().join("../shared/data/storefront/a");
    let script = root().join("../shared/bench/storefront/a_next_basket.py");
    if !data.exists() || !script.exists() {
        return skip("the benchmark's folder isn't beside the repository");
    }
    let python = std::env::var_os("SHELFEDGE_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let has = Command::new(&python)
        .args(["-c", "import pandas, pyarrow, scipy"])
        .output();
    if !has.is_ok_and(|output| output.status.success()) {
        return skip(
            "no Python with pandas, pyarrow and scipy; name one in SHELFEDGE_BENCH_PYTHON",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = "trees = 20\nwindows = 1\nwithout = [\"ease\"]\n";
    let arguments = [
        "bench",
        "next-basket",
        "--window",
        "valid",
        "--data",
        text(&data),
    ];
    let (predictions, bundle) = (at("predictions.parquet"), at("bundle"));
    let outputs = ["--out", text(&predictions), "--bundle", text(&bundle)];
    crate::common::run(
        folder.path(),
        settings,
        &[&arguments[..], &outputs[..]].concat(),
    );

    fs::create_dir(at("shop")).unwrap();
    for table in ["train.parquet", "valid.parquet", "items.parquet"] {
        fs::copy(data.join(table), at("shop").join(table)).unwrap();
    }
    fs::write(at("shop/mapping.toml"), NEXT_BASKET).unwrap();
    let window = ["--json", "--from", "2011-10-01", "--until", "2011-11-01"];
    let output = evaluate(&bundle, &at("shop"), &at("report"), &window);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["evaluation"]["footing"], "unseen");

    let output = Command::new(&python)
        .arg(script)
        .args(["evaluate", "--window", "valid", "--data", text(&data)])
        .args(["--pred", text(&predictions)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (number, list) in ["all", "new"].into_iter().enumerate() {
        let ours = &report["evaluation"]["lists"][number];
        let theirs = &theirs[list];
        assert_eq!(ours["questions"], theirs["queries"]);
        let near = |what: &str, ours: &Value, theirs: &Value, by: f64| {
            let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
            assert!(
                (ours - theirs).abs() <= by,
                "{list} {what}: {ours} {theirs}"
            );
        };
        for (own, name) in [
            ("ndcg10", "ndcg@10"),
            ("recall10", "recall@10"),
            ("recall20", "recall@20"),
            ("capped10", "capped@10"),
            ("hit10", "hit@10"),
        ] {
            let of = &metrics(&report["evaluation"]["lists"], list, "this model")[own];
            near(name, &of["value"], &theirs[name]["value"], 1.1e-5);
            // The ends of intervals come from other draws.
            near(name, &of["low"], &theirs[name]["lo"], 0.003);
            near(name, &of["high"], &theirs[name]["hi"], 0.003);
        }
        let shown = &ours["exposure"][0];
        near("coverage", &shown["coverage10"], &theirs["coverage"], 6e-5);
        near("Gini", &shown["gini10"], &theirs["gini"], 6e-5);
        // Which of the products with equally many buyers are in the head differs.
        near(
            "tail",
            &shown["long_tail10"]["value"],
            &theirs["long_tail_share"],
            0.01,
        );
    }
}
