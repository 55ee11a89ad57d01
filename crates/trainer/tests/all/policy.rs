//! Policies for whole lists, from a shop's orders and from a log.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shelfedge_engine::{Input, Model, Workspace};
use shelfedge_ranking::Ranker;
use shelfedge_trainer::bundle;
use shelfedge_trainer::policy::{self, CARD, ONNX, Outcome, REPORT, SHELF, Settings, Source};
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;
use shelfedge_wire::{Limits, rank};

use crate::common::text;

/// A log of an even choice: who is shown an exploring list comes again more often, and
/// orders no less.
fn log(folder: &Path, shoppers: usize) -> PathBuf {
    let mut rng = Rng::new(7, 0);
    let mut out = String::new();
    for shopper in 0..shoppers {
        let mut day = 1 + rng.below(20);
        for _ in 0..4 {
            let action = ["exploit", "explore", "diversify"][rng.below(3)];
            let ordered = rng.unit() < 0.5;
            writeln!(
                out,
                "{{\"shopper\":\"s{shopper}\",\"at\":\"2026-{:02}-{:02}T10:00:00Z\",\"action\":\"{action}\",\
                 \"propensity\":0.3333333333,\"list\":[{{\"product\":\"p{}\",\"clicked\":{ordered},\
                 \"ordered\":{ordered}}},{{\"product\":\"p{}\"}}]}}",
                1 + day / 28,
                1 + day % 28,
                rng.below(9),
                9 + rng.below(9)
            )
            .unwrap();
            let stays = if action == "explore" { 0.95 } else { 0.35 };
            if rng.unit() >= stays {
                break;
            }
            day += 1 + rng.below(6);
        }
    }
    // The log goes on until everybody could be followed.
    out += "{\"shopper\":\"late\",\"at\":\"2026-03-20T10:00:00Z\",\"action\":\"exploit\",\"propensity\":1,\"list\":[]}\n";
    let path = folder.join("lists.jsonl");
    fs::write(&path, out).unwrap();
    path
}

fn quick() -> Settings {
    Settings {
        visits: 4,
        days: 40,
        hidden: 16,
        steps: 600,
        batch: 64,
        draws: 200,
        effective_shoppers: 50.0,
        ..Settings::default()
    }
}

fn learn(log: &Path, out: &Path, settings: &Settings) -> Outcome {
    policy::run(Source::Log(log), out, settings, &mut Silent).unwrap()
}

#[test]
fn a_better_policy_ships_and_the_log_says_what_it_is_worth() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 6_000);
    let out = folder.path().join("policy");
    let settings = quick();
    let outcome = learn(&log, &out, &settings);
    assert!(outcome.shipped, "{}", outcome.reason);
    let run = &outcome.runs[0];
    assert!(run.actions[1] > 0.9, "it explores: {:?}", run.actions);
    // Always exploring: 0.5 (1 + 0.9 x 0.95 + ...) = 1.60; always exploiting 0.72.
    let of = |name: &str| {
        let line = run.lines.iter().find(|line| line.judged.policy == name);
        line.unwrap().judged.clone()
    };
    let worth = |stays: f64| (0..4).map(|n| 0.5 * (0.9 * stays).powi(n)).sum::<f64>();
    for (name, stays) in [("always exploit", 0.35), ("always explore", 0.95)] {
        let judged = of(name);
        for interval in [judged.dr, judged.snips, judged.ips] {
            // Of three intervals one may miss.
            let width = interval.high - interval.low;
            assert!(
                (interval.value - worth(stays)).abs() < width,
                "{name}: {judged:?}"
            );
        }
    }
    assert!(of("learnt").dr.low > of("always exploit").dr.high);
    // The compiled network chooses as the card says.
    let shelf = fs::read(out.join(SHELF)).unwrap();
    let model = Model::open(&shelf[..]).unwrap();
    let mut workspace = Workspace::default();
    let mut newcomer = [0.0; 16];
    newcomer[1] = 1.0;
    model
        .run(&mut workspace, 1, &[Input::F32(&newcomer)])
        .unwrap();
    let values = workspace.output(0);
    assert!(values[1] > values[0] && values[1] > values[2], "{values:?}");
    let card = fs::read_to_string(out.join(CARD)).unwrap();
    assert!(card.contains("**Ships: ") && card.contains(&outcome.onnx_sha256));
    is_served(&out, folder.path());
    // The same seed gives the same bytes, another one others.
    let read = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    let twice = folder.path().join("twice");
    learn(&log, &twice, &settings);
    for name in [ONNX, SHELF, CARD] {
        assert_eq!(read(&out, name), read(&twice, name), "{name}");
    }
    learn(
        &log,
        &twice,
        &Settings {
            seed: 2,
            ..settings.clone()
        },
    );
    assert_ne!(read(&out, ONNX), read(&twice, ONNX));
    // What may not ship is not written, and what an earlier run wrote goes.
    let asks_too_much = Settings {
        effective_shoppers: 1e9,
        ..settings
    };
    let outcome = learn(&log, &out, &asks_too_much);
    assert!(!outcome.shipped);
    assert_eq!(outcome.runs[0].decided.answer, "not_enough_data");
    assert!(!out.join(ONNX).exists() && !out.join(SHELF).exists());
    assert!(out.join(REPORT).exists());
    let card = fs::read_to_string(out.join(CARD)).unwrap();
    assert!(card.contains("**Does not ship: "));
}

/// A bundle that carries the policy is a bundle, answers as it did before, and makes
/// lists as the policy chooses.
fn is_served(policy: &Path, folder: &Path) {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/bundles/basket");
    let with = folder.join("with");
    let attached = policy::attach(&bundle, policy, &with).unwrap();
    assert!(!attached.replaced);
    let opened = bundle::open(&with).unwrap();
    let before = bundle::open(&bundle).unwrap();
    assert_eq!(opened.onnx, before.onnx);
    assert!(opened.card.starts_with(&before.card));
    assert!(opened.card.contains("### A policy for whole lists"));
    let golden = |folder: &Path| -> serde_json::Value {
        let bytes = fs::read(folder.join("golden.json")).unwrap();
        let manifest = bundle::open(folder).unwrap().manifest;
        manifest.check_part("golden.json", &bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let (old, new) = (golden(&bundle), golden(&with));
    assert_eq!(new["model"], attached.model);
    let cases = |golden: &serde_json::Value| golden["cases"].as_array().unwrap().clone();
    let ranker = Ranker::open(&opened.shelf[..]).unwrap();
    let mut workspace = shelfedge_ranking::Workspace::default();
    let mut ask = |request: &str| -> serde_json::Value {
        let request = rank::parse(request.as_bytes(), &Limits::default()).unwrap();
        let bytes = rank::respond(&ranker, &request, &attached.model, &mut workspace).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    for (old, new) in cases(&old).iter().zip(cases(&new)) {
        let answer = |case: &serde_json::Value| -> serde_json::Value {
            serde_json::from_str(case["response"].as_str().unwrap()).unwrap()
        };
        assert_eq!(answer(old)["items"], answer(&new)["items"]);
        assert_eq!(ask(&new["request"].to_string()), answer(&new));
        for field in ["name", "request", "inputs", "scores"] {
            assert_eq!(old[field], new[field]);
        }
    }
    // Who is new is shown a list that explores; but for the tenth that is drawn evenly.
    let explored = (0..40).filter(|seed| {
        let answer = ask(&format!(
            "{{\"now\":\"2011-12-10T10:00:00Z\",\"seed\":{seed},\"policy\":{{\"diversify\":{{}},\
             \"explore\":{{\"policy\":\"thompson\",\"places\":[2]}}}}}}"
        ));
        assert!(answer["policy"]["propensity"].as_f64().unwrap() > 0.03);
        answer["policy"]["action"] == "explore" && answer["items"][1].get("tried").is_some()
    });
    assert!(explored.count() > 30);
    // Again, into the same folder: the policy is replaced, and nothing else changes.
    let again = policy::attach(&with, policy, &with).unwrap();
    assert!(again.replaced);
    assert_eq!(again.model, attached.model);
    assert_eq!(bundle::open(&with).unwrap().card, opened.card);
    // A folder without a policy that may ship says so.
    let error = policy::attach(&bundle, folder, &with).unwrap_err();
    assert_eq!(error.faults()[0].code, "policy_not_shipped");
    fs::create_dir(folder.join("bad")).unwrap();
    fs::write(folder.join("bad").join(SHELF), &before.shelf).unwrap();
    let error = policy::attach(&bundle, &folder.join("bad"), &with).unwrap_err();
    assert_eq!(error.faults()[0].code, "policy_malformed");
    fs::write(folder.join("with/golden.json"), "{}").unwrap();
    let error = policy::attach(&with, policy, &with).unwrap_err();
    assert_eq!(error.faults()[0].code, "part_swapped");
}

/// Who comes back late is always shown what exploits: what exploring would do there
/// nobody knows, whatever the estimates say.
#[test]
fn a_log_that_never_made_such_lists_ships_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(5, 0);
    let mut out = String::new();
    for shopper in 0..4_000 {
        let late = rng.unit() < 0.4;
        let mut write = |day: usize, action: &str, propensity: f64, value: f64| {
            writeln!(
                out,
                "{{\"shopper\":\"s{shopper}\",\"at\":\"2026-{:02}-{:02}T10:00:00Z\",\"action\":\"{action}\",\
                 \"propensity\":{propensity},\"list\":[],\"value\":{value}}}",
                1 + day / 28,
                1 + day % 28,
            )
            .unwrap();
        };
        let even = ["exploit", "explore", "diversify"][rng.below(3)];
        let worth = |action: &str| if action == "explore" { 3e6 } else { 1e6 };
        write(0, even, 0.333_333_333_3, worth(even));
        match late {
            true => write(25, "exploit", 1.0, 1e6),
            false => {
                let even = ["exploit", "explore", "diversify"][rng.below(3)];
                write(5, even, 0.333_333_333_3, worth(even));
            }
        }
    }
    out += "{\"shopper\":\"late\",\"at\":\"2026-03-20T10:00:00Z\",\"action\":\"exploit\",\"propensity\":1,\"list\":[]}\n";
    let path = folder.path().join("lists.jsonl");
    fs::write(&path, out).unwrap();
    let outcome = learn(&path, &folder.path().join("policy"), &quick());
    let decided = &outcome.runs[0].decided;
    assert!(decided.dr.low > 1e5, "it looks good: {decided:?}");
    assert!(!decided.covered && decided.answer == "not_enough_data");
    assert!(
        outcome.reason.contains("it never made lists"),
        "{}",
        outcome.reason
    );
    assert!(!outcome.shipped);
    // Values of a million are no trouble for a network in half precision.
    assert!(outcome.bytes[1] > 0);
}

#[test]
fn a_shop_that_explores_already_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 3_000);
    let settings = Settings {
        current: policy::Current::Explore,
        margin: 0.0,
        ..quick()
    };
    let outcome = learn(&log, &folder.path().join("policy"), &settings);
    // It can't be better, and is a little worse by what it chooses evenly.
    assert!(!outcome.shipped, "{}", outcome.reason);
}

#[test]
fn the_command_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let run = |log: &str, settings: &str| {
        let path = folder.path().join("log.jsonl");
        fs::write(&path, log).unwrap();
        let file = folder.path().join("settings.toml");
        fs::write(&file, settings).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
            .args([
                "policy",
                "--log",
                text(&path),
                "--settings",
                text(&file),
                "--out",
            ])
            .arg(folder.path().join("out"))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), told)
    };
    let (code, told) = run("{}\n", "");
    assert_eq!(code, Some(1));
    assert!(told.contains("log_invalid at log.jsonl line 1"), "{told}");
    let (code, told) = run("", "visits = 13\n[assumed]\nfatigue = 2.0\n");
    assert_eq!(code, Some(1));
    assert!(
        told.contains("settings_invalid") && told.contains("visits"),
        "{told}"
    );
    assert!(told.contains("assumed.fatigue"), "{told}");
    let (_, told) = run("", "tires = 1\n");
    assert!(told.contains("settings_invalid"), "{told}");
    let (_, told) = run("", "");
    assert!(told.contains("log_empty"), "{told}");
    let few = "{\"shopper\":\"a\",\"at\":\"2026-01-01T00:00:00Z\",\"action\":\"explore\",\"propensity\":1,\"list\":[]}\n";
    let (_, told) = run(few, "days = 1\n");
    assert!(told.contains("log_too_short"), "{told}");
    assert!(!folder.path().join("out").exists());
}

/// The demo shop's own statistics are met, and nothing ships that isn't proven.
#[test]
fn the_demo_shop() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail");
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        runs: 1,
        shoppers: 4_000,
        tried: 2_000,
        steps: 200,
        ..quick()
    };
    let source = Source::Shop {
        path: &shop,
        mapping: None,
    };
    let out = folder.path().join("policy");
    let outcome = policy::run(source, &out, &settings, &mut Silent).unwrap();
    assert_eq!(outcome.fit.len(), 5);
    for fit in &outcome.fit {
        assert!(fit.is_met(), "{fit:?}");
    }
    // The mean days from one day on which a customer orders to the next.
    assert!(
        (45.0..47.0).contains(&outcome.fit[0].shop),
        "{:?}",
        outcome.fit[0]
    );
    assert_eq!(outcome.shipped, out.join(ONNX).exists());
    assert!(outcome.generator.contains("unproven on real data"));
    let card = fs::read_to_string(out.join(CARD)).unwrap();
    assert!(card.contains("Unproven on real data") && card.contains("fatigue"));
}
