//! What recognisers find in texts written by hand (`models/assistant/data/entities.csv`),
//! half of which name nothing: a third was written before the recognisers and kept apart.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use expect_test::expect_file;
use shelfedge_assistant::country;
use shelfedge_assistant::entities::{Buffers, Clock, Context, Pattern, Value, recognise};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{Currency, Timestamp};

#[path = "../fuzz/src/entities.rs"]
mod body;
mod rows;

use rows::fields;

const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../models/assistant/data/entities.csv"
);

/// Kind, value, and the words of the text.
type Named = (String, String, String);

fn found(text: &str, code: &str) -> Vec<Named> {
    let orders = [Pattern::new("SE-#####").unwrap()];
    let skus = [Pattern::new("KT-###-??").unwrap()];
    let chinese = code == "CN";
    let currency = match code {
        "CN" => Currency::CNY,
        "US" => Currency::USD,
        _ => Currency::GBP,
    };
    let context = Context {
        country: country(code),
        orders: &orders,
        skus: &skus,
        // A Wednesday.
        clock: Some(Clock {
            now: Timestamp::parse_rfc3339("2026-03-04T10:00:00Z").unwrap(),
            zone: if chinese { 480 } else { 0 },
        }),
        currency: Some(currency),
    };
    let mut buffers = Buffers::default();
    let found = recognise(text, &context, &mut buffers).iter();
    found
        .map(|it| {
            let (kind, value) = match &it.value {
                Value::Order(number, _) => ("order", number.clone()),
                Value::Sku(number, _) => ("sku", number.clone()),
                Value::Money(money) => (
                    "money",
                    format!("{} {}", money.to_decimal(), money.currency.code()),
                ),
                Value::Quantity(count, unit) => {
                    ("quantity", format!("{count} {unit}").trim_end().to_owned())
                }
                Value::When(when) if when.date().is_none() && when.time().is_some() => {
                    ("time", when.to_string())
                }
                Value::When(when) => ("date", when.to_string()),
                Value::Email(address) => ("email", address.clone()),
                Value::Phone(number) => ("phone", number.clone()),
                Value::Address(_) => ("address", String::new()),
                Value::Card => ("card", String::new()),
                Value::Identity => ("identity", String::new()),
                other => ("other", format!("{other:?}")),
            };
            (kind.to_owned(), value, text[it.start..it.end].to_owned())
        })
        .collect()
}

fn expected(entities: &str) -> Vec<Named> {
    let each = entities.split('|').filter(|it| !it.is_empty());
    each.map(|it| {
        let (kind, rest) = it.split_once('=').unwrap();
        let at = if kind == "email" {
            rest.find('@')
                .map(|at| at + 1 + rest[at + 1..].find('@').unwrap())
        } else {
            rest.find('@')
        };
        let at = at.unwrap();
        (
            kind.to_owned(),
            rest[..at].to_owned(),
            rest[at + 1..].to_owned(),
        )
    })
    .collect()
}

#[derive(Default)]
struct Score {
    hits: u32,
    found: u32,
    wanted: u32,
}

#[test]
fn texts_written_by_hand_name_what_they_name() {
    let data = fs::read_to_string(DATA).unwrap();
    let mut scores: BTreeMap<(String, String), Score> = BTreeMap::new();
    let mut clean: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = String::new();
    for line in data.lines().skip(1) {
        let row = fields(line);
        let [part, country, text, entities] = &row[..] else {
            panic!("{line}")
        };
        let (wanted, found) = (expected(entities), found(text, country));
        if wanted != found {
            writeln!(
                wrong,
                "{part} {country} {text}\n  wanted {wanted:?}\n  found  {found:?}"
            )
            .unwrap();
        }
        if wanted.is_empty() {
            let clean = clean.entry(part.clone()).or_default();
            clean.0 += u32::from(found.is_empty());
            clean.1 += 1;
        }
        let mut count = |kind: &str, of: fn(&mut Score)| {
            for kind in [kind, "~all"] {
                of(scores.entry((part.clone(), kind.to_owned())).or_default());
            }
        };
        for it in &wanted {
            count(&it.0, |score| score.wanted += 1);
            if found.contains(it) {
                count(&it.0, |score| score.hits += 1);
            }
        }
        for it in &found {
            count(&it.0, |score| score.found += 1);
        }
    }
    let mut out = format!(
        "{:<10}{:<10}{:>8}{:>8}{:>11}{:>8}{:>8}\n",
        "part", "kind", "named", "found", "precision", "recall", "F1"
    );
    for ((part, kind), it) in &scores {
        let share = |of: u32| {
            if of == 0 {
                1.0
            } else {
                f64::from(it.hits) / f64::from(of)
            }
        };
        let f1 = 2.0 * f64::from(it.hits) / f64::from(it.found + it.wanted);
        let kind = kind.trim_start_matches('~');
        let (precision, recall) = (share(it.found), share(it.wanted));
        writeln!(
            out,
            "{part:<10}{kind:<10}{:>8}{:>8}{precision:>11.3}{recall:>8.3}{f1:>8.3}",
            it.wanted, it.found
        )
        .unwrap();
    }
    for (part, (clean, all)) in &clean {
        writeln!(
            out,
            "{part:<10}texts that name nothing, and nothing found: {clean} of {all}"
        )
        .unwrap();
    }
    if std::env::var_os("SHOW_WRONG").is_some() {
        panic!("{wrong}");
    }
    expect_file!["../../../tests/ratchet/entities.txt"].assert_eq(&out);
}

#[test]
fn mutated_texts_have_sound_spans_and_are_masked_once() {
    let data = fs::read_to_string(DATA).unwrap();
    let texts: Vec<String> = data
        .lines()
        .skip(1)
        .map(|line| fields(line)[2].clone())
        .collect();
    let mut rng = Rng::new(11, 0);
    let mut count = 0;
    for round in 0..6 {
        for text in &texts {
            let other = &texts[rng.below(texts.len())];
            let mut chars: Vec<char> = text
                .chars()
                .chain(" ".chars())
                .chain(other.chars())
                .collect();
            for _ in 0..round {
                let at = rng.below(chars.len());
                let from = rng.below(chars.len());
                let c = chars[from];
                match rng.below(3) {
                    0 => chars[at] = c,
                    1 => chars.insert(at, c),
                    _ => drop(chars.remove(at)),
                }
            }
            let text: String = chars.into_iter().collect();
            count += body::entities(text.as_bytes());
        }
    }
    assert!(count > 4 * texts.len(), "{count}");
}
