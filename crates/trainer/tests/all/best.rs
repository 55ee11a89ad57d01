//! The command that learns both rankings and writes the better one.

use std::fs;
use std::path::Path;

use crate::bundle::write_shop;
use shelfedge_trainer::best::{self, Kind, Outcome};
use shelfedge_trainer::error::{Error, Result};
use shelfedge_trainer::plan::LastMonth;
use shelfedge_trainer::watch::Silent;
use shelfedge_trainer::{basket, learn, ranking};

fn run(shop: &Path, out: &str, seed: u64) -> Result<(Outcome, String, Vec<u8>)> {
    let out = shop.parent().unwrap().join(out);
    let outcome = best::run(shop, None, &out, seed, &mut Silent)?;
    let card = fs::read_to_string(out.join("CARD.md")).unwrap();
    Ok((outcome, card, fs::read(out.join("model.shelf")).unwrap()))
}

/// What the chosen one's own command makes of the shop.
fn alone(shop: &Path, kind: Kind) -> Vec<u8> {
    let out = shop.parent().unwrap().join("alone");
    match kind {
        Kind::Basket => {
            let settings = basket::Settings::default();
            basket::run(shop, None, &out, false, &settings, &mut Silent).unwrap();
        }
        Kind::Ranking => {
            let (last, settings) = (LastMonth::StopsLearning, learn::Settings::default());
            ranking::run(shop, None, &out, last, &settings, &mut Silent).unwrap();
        }
    }
    fs::read(out.join("model.shelf")).unwrap()
}

#[test]
fn the_better_one_is_written_and_its_card_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    fs::create_dir(&shop).unwrap();
    write_shop(&shop);
    let (outcome, card, shelf) = run(&shop, "out", 1).unwrap();
    let names: Vec<&str> = outcome.lists.iter().map(|asked| asked.list).collect();
    assert_eq!(names, ["all", "new"]);
    for asked in &outcome.lists {
        let rankings = &asked.comparison.rankings;
        let ndcg = |at: usize| rankings[at].metrics.ndcg10.value;
        let less = rankings[1].model_less_this.as_ref().unwrap().ndcg10;
        assert!((ndcg(0) - ndcg(1) - less.value).abs() < 2e-5, "{asked:?}");
        // Favourite shelves are easy to learn: popularity can't know them.
        assert!(ndcg(0).max(ndcg(1)) > ndcg(3) + 0.05, "{asked:?}");
    }
    let gain = outcome.lists[0].comparison.rankings[1]
        .model_less_this
        .as_ref();
    let is_better = gain.unwrap().ndcg10.low > 0.0;
    assert_eq!(outcome.chosen == Kind::Basket, is_better, "{outcome:?}");
    assert!(card.contains("## Why this ranking"), "{card}");
    assert!(card.contains(&outcome.why[1..]), "{card}");
    assert!(outcome.table().contains(&outcome.why));
    assert!(
        shelf == alone(&shop, outcome.chosen),
        "as its own command makes it"
    );
    assert_eq!(outcome.shelf_bytes, shelf.len());
    let (_, again_card, again) = run(&shop, "again", 1).unwrap();
    assert!(
        again == shelf && again_card == card,
        "the same seed, the same bytes"
    );
}

#[test]
fn where_one_cannot_be_learnt_it_is_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    fs::create_dir(&shop).unwrap();
    write_shop(&shop);
    let mapping = fs::read_to_string(shop.join("mapping.toml")).unwrap();
    let from = |day: &str| {
        let text = format!("{mapping}earliest = \"{day}T00:00:00Z\"\n");
        fs::write(shop.join("mapping.toml"), text).unwrap();
    };
    from("2020-06-01");
    let (outcome, card, shelf) = run(&shop, "out", 1).unwrap();
    assert_eq!(outcome.chosen, Kind::Basket);
    assert!(outcome.lists.is_empty());
    assert!(
        outcome
            .why
            .starts_with("ranking can't be learnt: the orders go from 2020-06-01")
    );
    assert!(card.contains(&outcome.why[1..]), "{card}");
    assert!(shelf == alone(&shop, Kind::Basket));
    from("2020-09-20");
    let Err(Error::Invalid(faults)) = run(&shop, "out", 1) else {
        panic!("too short for both");
    };
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["too_little_history"; 2]);
    let kept = fs::read(folder.path().join("out/model.shelf")).unwrap();
    assert!(kept == shelf, "the old bundle stays");
}
