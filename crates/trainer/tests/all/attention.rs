//! The sequence model by itself, and in a ranking of what comes next.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use shelfedge_engine::Model;
use shelfedge_ranking::attention::{Attention, SECTION};
use shelfedge_trainer::attention::{self, Kind, Wanted};
use shelfedge_trainer::next::{self, Outcome};
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;

const SHELF: usize = 30;

/// A shop whose shoppers go along two shelves in turns: the last product doesn't
/// tell what comes next, the one before it does.
fn shop(folder: &Path, shoppers: usize) -> PathBuf {
    let shop = folder.join("shop");
    fs::create_dir(&shop).unwrap();
    let mut rng = Rng::new(4, 0);
    let mut csv = "shopper,sku\n".to_owned();
    for shopper in 0..shoppers {
        let mut at = [rng.below(SHELF), rng.below(SHELF)];
        for turn in 0..5 + rng.below(4) {
            let place = &mut at[turn % 2];
            writeln!(csv, "s{shopper},p{:02}", SHELF * (turn % 2) + *place).unwrap();
            *place = (*place + 1) % SHELF;
        }
    }
    fs::write(shop.join("steps.csv"), csv).unwrap();
    let mapping = "format = 1\ncurrency = \"EUR\"\n[sequences]\nof = \"shoppers\"\n\
                   sequence = \"shopper\"\nproduct = \"sku\"\n";
    fs::write(shop.join("mapping.toml"), mapping).unwrap();
    shop
}

/// Small, and soon learnt.
fn quick(seed: u64) -> attention::Settings {
    attention::Settings {
        seed,
        width: 16,
        hidden: 32,
        places: 6,
        epochs: 12,
        patience: 5,
        batch: 256,
        negatives: 40,
        rate: 5e-3,
        decay: 0.97,
        dropout: 0.1,
        ..attention::Settings::default()
    }
}

#[test]
fn self_attention_learns_what_counts_do_not_know() {
    learns_what_counts_do_not_know(Kind::SelfAttention, 800);
}

#[test]
fn interest_learns_what_counts_do_not_know() {
    learns_what_counts_do_not_know(Kind::Interest, 400);
}

fn learns_what_counts_do_not_know(network: Kind, shoppers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path(), shoppers);
    let learn = |out: &str, seed: u64| {
        let out = folder.path().join(out);
        let settings = attention::Settings {
            network,
            ..quick(seed)
        };
        let outcome = attention::run(&shop, None, &out, &settings, &mut Silent).unwrap();
        let read = |name: &str| fs::read(out.join(name)).unwrap();
        (outcome, read("attention.onnx"), read("attention.shelf"))
    };
    let (outcome, onnx, shelf) = learn("one", 1);
    let (model, after_last) = (outcome.measured.model, outcome.measured.transitions);
    assert!(
        model.ndcg10 > 2.0 * after_last.ndcg10,
        "it looks further back than the last product: {model:?} {after_last:?}"
    );
    assert_eq!(
        (outcome.onnx_bytes, outcome.shelf_bytes),
        (onnx.len(), shelf.len())
    );
    assert!((1..=outcome.curve.len()).contains(&outcome.best));
    Attention::open(&shelf).unwrap();
    let (_, again_onnx, again) = learn("again", 1);
    assert!(
        again == shelf && again_onnx == onnx,
        "the same seed, the same bytes"
    );
    assert!(learn("other", 2).2 != shelf);
}

#[test]
fn a_ranking_keeps_it_only_when_it_is_better() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path(), 600);
    let learn = |wanted: Wanted, network: Kind| -> (Outcome, Vec<u8>, String) {
        let settings = next::Settings {
            trees: 20,
            min_rows: 20,
            attention: attention::Settings {
                wanted,
                network,
                epochs: 8,
                ..quick(0)
            },
            ..next::Settings::default()
        };
        let out = folder.path().join("out");
        let outcome = next::run(&shop, None, &out, true, &settings, &mut Silent).unwrap();
        let card = fs::read_to_string(out.join("CARD.md")).unwrap();
        (outcome, fs::read(out.join("model.shelf")).unwrap(), card)
    };
    let own = Kind::SelfAttention;
    let (off, without, plain) = learn(Wanted::Off, own);
    let (on, with, told) = learn(Wanted::On, own);
    let (auto, chosen, reasons) = learn(Wanted::Auto, own);
    assert!(Model::open(&without).unwrap().section(SECTION).is_none());
    assert!(Model::open(&with).unwrap().section(SECTION).is_some());
    assert!(!plain.contains("equence model"), "{plain}");
    assert!(told.contains("Self-attention over"), "{told}");
    let (_, other, told) = learn(Wanted::On, Kind::Interest);
    assert!(Model::open(&other).unwrap().section(SECTION).is_some() && other != with);
    assert!(told.contains("interest in the long run"), "{told}");

    let trial = auto.attention.unwrap();
    assert_eq!(Some(trial.without), off.measured);
    assert_eq!(Some(trial.with), on.measured);
    let gain = trial.with.model.ndcg10 - trial.without.model.ndcg10;
    assert!((trial.gain - gain).abs() < 1e-9, "{trial:?}");
    assert_eq!(trial.kept, trial.gain > 2.0 * trial.error);
    let (expected, measured) = match trial.kept {
        true => (with, trial.with),
        false => (without, trial.without),
    };
    assert!(chosen == expected, "what was chosen is what each is alone");
    assert_eq!(auto.measured, Some(measured));
    let decision = if trial.kept { "is kept" } else { "is left out" };
    assert!(reasons.contains(decision), "{reasons}");
}

#[test]
fn what_is_too_little_to_try_it_on_has_none_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path(), 1);
    // Three steps each: without the last there is next to nothing to learn from.
    let steps = (0..90).map(|step| format!("s{},p{}\n", step / 3, (step / 3 + step % 3) % 7));
    let csv = "shopper,sku\n".to_owned() + &steps.collect::<String>();
    fs::write(shop.join("steps.csv"), csv).unwrap();
    let learn = |wanted: Wanted| {
        let out = folder.path().join("out");
        let settings = next::Settings {
            trees: 5,
            attention: attention::Settings { wanted, ..quick(0) },
            ..next::Settings::default()
        };
        let outcome = next::run(&shop, None, &out, false, &settings, &mut Silent).unwrap();
        let card = fs::read_to_string(out.join("CARD.md")).unwrap();
        (outcome, fs::read(out.join("model.shelf")).unwrap(), card)
    };
    let (off, without, plain) = learn(Wanted::Off);
    let (auto, chosen, told) = learn(Wanted::Auto);
    assert!(chosen == without);
    assert_eq!((off.attention_untried, auto.attention), (None, None));
    let why = auto.attention_untried.unwrap();
    assert!(why.contains("steps can teach"), "{why}");
    assert!(
        told.contains(&why) && !plain.contains("was tried"),
        "{told}"
    );
}

#[test]
fn learning_that_diverges_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let shop = shop(folder.path(), 100);
    let settings = attention::Settings {
        rate: 1.0,
        weight_decay: 10.0,
        epochs: 40,
        patience: 40,
        ..quick(1)
    };
    let out = folder.path().join("out");
    let error = attention::run(&shop, None, &out, &settings, &mut Silent).unwrap_err();
    assert_eq!(error.faults()[0].code, "learning_diverged", "{error}");
    assert!(!out.exists());
}

#[test]
fn every_setting_has_its_range() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let faults = |text: &str| -> Vec<String> {
        fs::write(&file, text).unwrap();
        let error = next::Settings::load(&file).expect_err("faults");
        let places = error.faults().iter();
        places
            .map(|f| f.path.rsplit(": ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        faults("trees = 0\n[attention]\nwidth = 2\nplaces = 300\nrate = nan\ndropout = 1.0\n"),
        [
            "trees",
            "attention.width",
            "attention.places",
            "attention.rate",
            "attention.dropout"
        ]
    );
    assert_eq!(faults("[attention]\nuse = \"maybe\"\n"), ["line 2"]);
    assert_eq!(faults("[attention]\nwidht = 32\n"), ["line 2"]);
    fs::write(&file, "[attention]\nuse = \"auto\"\nwidth = 32\n").unwrap();
    let settings = next::Settings::load(&file).unwrap();
    assert_eq!(
        (settings.attention.wanted, settings.attention.width),
        (Wanted::Auto, 32)
    );
    assert_eq!(next::Settings::default().attention.wanted, Wanted::Off);
}
