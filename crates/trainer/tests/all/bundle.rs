//! The whole command on a small made-up shop: the same seed gives the same
//! bytes, the parts belong together, and a stopped run leaves the old bundle.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shelfedge_commerce::time::Timestamp;
use shelfedge_engine::Input;
use shelfedge_ranking::{Ranker, Workspace};
use shelfedge_trainer::learn::Settings;
use shelfedge_trainer::plan::LastMonth;
use shelfedge_trainer::ranking;
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;
use shelfedge_wire::manifest::{Digests, Manifest, Part};

/// Nine months of a shop whose customers have two favourite shelves each.
pub(crate) fn write_shop(folder: &Path) {
    let mut rng = Rng::new(42, 0);
    let mut csv = String::from("order,sku,title,pieces,at,price,customer,country\n");
    let mut number = 0;
    for day in 0..270 {
        for _ in 0..3 {
            number += 1;
            let customer = rng.below(40);
            let month = 1 + day / 30;
            let date = format!(
                "2020-{month:02}-{:02} {:02}:15:00",
                1 + day % 28,
                8 + rng.below(10)
            );
            let mut basket: Vec<usize> = (0..3 + rng.below(5))
                .map(|_| {
                    let shelf = if rng.unit() < 0.5 {
                        customer % 6
                    } else {
                        (customer / 6) % 6
                    };
                    shelf * 8 + rng.below(8)
                })
                .collect();
            basket.sort_unstable();
            basket.dedup();
            for product in basket {
                let _ = writeln!(
                    csv,
                    "{number},P{product:02},Cup number {product} of shelf {},{},{date},{}.{:02},{},GB",
                    product / 8,
                    1 + rng.below(4),
                    1 + product % 9,
                    product,
                    100 + customer
                );
            }
        }
    }
    fs::write(folder.join("lines.csv"), csv).expect("the table");
    fs::write(
        folder.join("mapping.toml"),
        r#"
format = 1
currency = "EUR"
[columns]
order = "order"
product = "sku"
title = "title"
quantity = "pieces"
time = "at"
unit_price = "price"
customer = "customer"
country = "country"
[time]
format = "%Y-%m-%d %H:%M:%S"
"#,
    )
    .expect("the mapping");
}

fn settings() -> Settings {
    Settings {
        epochs: 3,
        tuning: 1,
        ..Settings::default()
    }
}

const PARTS: [&str; 5] = [
    "CARD.md",
    "golden.json",
    "manifest.json",
    "model.onnx",
    "model.shelf",
];

#[test]
fn the_same_seed_gives_the_same_bytes_and_the_parts_belong_together() {
    let folder = tempfile::tempdir().expect("a folder");
    write_shop(folder.path());
    let out = |name: &str| folder.path().join(name);
    for name in ["first", "second"] {
        ranking::run(
            folder.path(),
            None,
            &out(name),
            LastMonth::Scored,
            &settings(),
            &mut Silent,
        )
        .expect("learnt");
    }
    for part in PARTS {
        let read = |name: &str| fs::read(out(name).join(part)).expect("a part");
        assert!(read("first") == read("second"), "{part} differs");
    }
    let other = Settings {
        seed: 2,
        ..settings()
    };
    let outcome = ranking::run(
        folder.path(),
        None,
        &out("other"),
        LastMonth::Scored,
        &other,
        &mut Silent,
    )
    .expect("learnt");
    assert_ne!(
        fs::read(out("first").join("model.shelf")).expect("a part"),
        fs::read(out("other").join("model.shelf")).expect("a part"),
        "another seed gives another model"
    );
    // Favourite shelves are easy to learn: popularity can't know them.
    let test = outcome.test.expect("a month was held back");
    assert!(
        test.model.all.metrics.ndcg10.value > test.popularity.all.metrics.ndcg10.value + 0.1,
        "{outcome:?}"
    );

    // The parts are those that the manifest names, and the compiled model says
    // the same of itself.
    let read = |part: &str| fs::read(out("first").join(part)).expect("a part");
    let manifest = Manifest::parse(&read("manifest.json")).expect("a manifest");
    for part in ["model.shelf", "model.onnx", "golden.json"] {
        manifest
            .check_part(part, &read(part))
            .expect("the right part");
    }
    assert!(
        manifest
            .check_part("model.shelf", &read("model.onnx"))
            .is_err()
    );
    let shelf = read("model.shelf");
    let ranker = Ranker::open(shelf.as_slice()).expect("a model");
    manifest
        .check_shelf(&ranker.info())
        .expect("the right digests");

    // The golden cases, read back from the file, give the learner's scores.
    let golden: serde_json::Value = serde_json::from_slice(&read("golden.json")).expect("JSON");
    let cases = golden["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 32);
    let mut workspace = Workspace::default();
    for case in cases {
        let floats = |v: &serde_json::Value| -> Vec<f32> {
            v.as_array()
                .expect("a list")
                .iter()
                .map(|x| x.as_f64().expect("a number") as f32)
                .collect()
        };
        let integers = |v: &serde_json::Value| -> Vec<i32> {
            v.as_array()
                .expect("a list")
                .iter()
                .map(|x| x.as_i64().expect("an integer") as i32)
                .collect()
        };
        let inputs = &case["inputs"];
        let (context, candidate) = (floats(&inputs["context"]), floats(&inputs["candidate"]));
        let [product, title, wide, session] =
            ["product", "title", "wide", "session"].map(|name| integers(&inputs[name]));
        let feeds: Vec<Input<'_>> = ranker
            .inputs()
            .map(|port| match port.name {
                "context" => Input::F32(&context),
                "candidate" => Input::F32(&candidate),
                "product" => Input::I32(&product),
                "title" => Input::I32(&title),
                "wide" => Input::I32(&wide),
                _ => Input::I32(&session),
            })
            .collect();
        let rows = case["rows"].as_u64().expect("rows") as usize;
        let scores = ranker.score(rows, &feeds, &mut workspace).expect("scores");
        for (ours, learner) in scores.iter().zip(floats(&case["scores"])) {
            assert!((ours - learner).abs() < 1e-4, "{ours} {learner}");
        }
    }
}

/// A bundle's manifest, of another bundle than any that is learnt here.
fn old_manifest() -> Vec<u8> {
    let digests = Digests {
        spec: [1; 32],
        onnx: [2; 32],
        data: [3; 32],
    };
    Manifest {
        task: "ranking".to_owned(),
        producer: "a test".to_owned(),
        created: Timestamp(0),
        parts: [("model.shelf".to_owned(), Part::of(b"old"))]
            .into_iter()
            .collect(),
        digests,
        shelf: digests,
    }
    .to_json()
}

fn command(shop: &Path, out: &Path) -> Command {
    // Long enough to be stopped.
    let endless = shop.join("settings.toml");
    fs::write(&endless, "epochs = 1000000\npatience = 1000000\n").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"));
    command
        .arg("ranking")
        .arg("--settings")
        .arg(endless)
        .arg("--shop")
        .arg(shop)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
#[cfg(unix)]
fn a_stopped_run_leaves_the_old_bundle() {
    let folder = tempfile::tempdir().expect("a folder");
    write_shop(folder.path());
    let models = tempfile::tempdir().expect("a folder");
    let out = models.path().join("ranking");
    fs::create_dir(&out).expect("made");
    let old = old_manifest();
    fs::write(out.join("manifest.json"), &old).expect("written");
    let entries = || -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(models.path())
            .expect("a folder")
            .map(|e| {
                e.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    };

    // Ctrl-C: the command says so, cleans up, and its exit code is 130.
    let child = command(folder.path(), &out).spawn().expect("started");
    std::thread::sleep(Duration::from_secs(3));
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill");
    assert!(sent.success(), "the command was still running");
    let ended = child.wait_with_output().expect("ended");
    assert_eq!(ended.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("nothing was written"));
    assert_eq!(entries(), ["ranking"]);

    // Killed: the same, without a chance to clean up.
    let mut child = command(folder.path(), &out).spawn().expect("started");
    std::thread::sleep(Duration::from_secs(2));
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(
        fs::read(out.join("manifest.json")).expect("still there"),
        old
    );
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 1);
}
