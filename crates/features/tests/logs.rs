//! Logs, attributes and questions with bytes that were changed: what the fuzz targets run, a
//! fixed number of times.

#[path = "../fuzz/src/body.rs"]
mod body;

use std::path::Path;

use proptest::prelude::*;
use shelfedge_features::attributes::{self, AttributeRow};
use shelfedge_features::basket::fit::{Learnt as Orders, Line, Order, write as orders};
use shelfedge_features::basket::{self, TABLES};
use shelfedge_features::questions::{self, Answer, Band, Kind, Question};
use shelfedge_features::text::{Grams, Text, Vocabulary};
use shelfedge_features::trails::fit::{Learnt, Sequences, write as sequences};
use shelfedge_features::trails::{self, Part, Sum};

const PRODUCTS: u8 = 6;
const QUERY: [u8; 8] = [1, 2, 3, 9, 2, 0, 5, 4];

fn with_head(section: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![PRODUCTS];
    bytes.extend(QUERY);
    assert_eq!(bytes.len(), body::HEAD);
    bytes.extend(section);
    bytes
}

fn log_of_sequences() -> Vec<u8> {
    let mut log = Sequences::default();
    for sequence in [&[1, 2, 3][..], &[2, 3, 1, 4], &[4, 2], &[3, 5]] {
        log.push(sequence);
    }
    let reading = trails::Reading {
        clock: true,
        repeats: true,
        session: false,
        decay: 0.6,
        half_lives: [0.6, 0.15],
        most: 100,
        candidates: 5,
        parts: vec![Part {
            sum: Sum::Votes,
            weight: 1.0,
            quarters: 1,
        }],
        near: 3,
        near_weight: 0.5,
        near_decay: 0.6,
        attention: false,
    };
    let learnt = Learnt {
        dims: 4,
        embedding: vec![0.5; 24],
        order: vec![0.25; 6],
    };
    with_head(sequences(&reading, &log, PRODUCTS.into(), &learnt))
}

fn log_of_orders() -> Vec<u8> {
    log_with(&[])
}

fn log_with_photos() -> Vec<u8> {
    log_with(&[&[1, -128], &[3, 4], &[], &[127, 0], &[0, -5], &[-7, 7]])
}

fn log_with(photos: &[&[i8]]) -> Vec<u8> {
    let list: Vec<Order> = (0..8u32)
        .map(|number| Order {
            customer: number % 4,
            age: 90.0 - 11.0 * number as f32,
            lines: [number % 6, (number * 5 + 1) % 6]
                .map(|product| Line {
                    product,
                    pieces: 1.0,
                    price: 199.0,
                })
                .to_vec(),
        })
        .collect();
    let table: basket::fit::Sources = (0..6u32)
        .map(|to| vec![((to + 1) % 6, 0.5), ((to + 2) % 6, -0.1)])
        .collect();
    with_head(orders(&Orders {
        reading: basket::Reading {
            neighbours: 9,
            places: 3,
            candidates: 5,
        },
        products: PRODUCTS.into(),
        orders: &list,
        tables: [(); TABLES].map(|()| table.clone()),
        newcomers: &[],
        photos,
        titles: &[Some("blue cup"), Some("red cup"), None, None, None, None],
        customers_bytes: 1_000,
    }))
}

fn table_of_attributes() -> Vec<u8> {
    let rows: Vec<AttributeRow> = (0..PRODUCTS)
        .map(|product| AttributeRow {
            category: Some(["mugs", "茶", ""][usize::from(product % 3)].to_owned()),
            brand: (product != 2).then(|| "Acme".to_owned()),
            seller: None,
        })
        .collect();
    with_head(attributes::write(&rows))
}

fn few_questions() -> Vec<u8> {
    let answer = |name: &str, band, product| Answer {
        name: name.to_owned(),
        band,
        exemplars: vec![(product, 1.0), ((product + 1) % 6, 0.25)],
    };
    let band = |from, to| Some(Band { from, to });
    let (cheap, dear) = (band(0, Some(250)), band(250, None));
    let questions = [
        (Kind::Title, [("mug", None), ("茶", None)]),
        (Kind::Price, [("0-250", cheap), ("250-", dear)]),
    ]
    .map(|(kind, answers)| Question {
        kind,
        number: 1,
        answers: (0..)
            .zip(answers)
            .map(|(i, (name, band))| answer(name, band, i))
            .collect(),
    });
    with_head(questions::write(&questions, PRODUCTS.into()))
}

#[test]
fn unchanged_they_open() {
    assert!(body::questions(&few_questions()));
    assert!(body::text(&text_with_vocabulary()));
    assert!(body::trails(&log_of_sequences()));
    assert!(body::basket(&log_of_orders()));
    assert!(body::basket(&log_with_photos()));
    assert!(body::attributes(&table_of_attributes()));
}

#[test]
fn attributes_and_questions_cut_anywhere_are_an_error() {
    for (bytes, opens) in [
        (table_of_attributes(), body::attributes as fn(&[u8]) -> bool),
        (few_questions(), body::questions),
    ] {
        for end in 0..bytes.len() {
            assert!(!opens(&bytes[..end]), "{end}");
        }
        assert!(!opens(&[bytes, vec![0]].concat()));
    }
}

#[test]
fn attributes_and_questions_with_any_bit_flipped_are_an_error_or_harmless() {
    for (bytes, opens) in [
        (table_of_attributes(), body::attributes as fn(&[u8]) -> bool),
        (few_questions(), body::questions),
    ] {
        for at in body::HEAD..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                opens(&changed);
            }
        }
    }
}

/// A vocabulary of two grams of a text, and the text.
fn text_with_vocabulary() -> Vec<u8> {
    let grams = Grams {
        words: 2,
        han: 4,
        chars: (3, 5),
    };
    let written = "Where's my order AB-1234? 我要退款！👍";
    let mut keys = Vec::new();
    grams.each(&Text::new(written), |key| keys.push((key, 2.5)));
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys.dedup();
    let section = Vocabulary::write(grams, &keys);
    let mut bytes = (section.len() as u16).to_le_bytes().to_vec();
    bytes.extend(section);
    bytes.extend(written.as_bytes());
    bytes
}

/// The fuzz targets begin with them; `UPDATE_EXPECT=1` writes them again.
#[test]
fn the_committed_seeds_are_these() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, bytes) in [
        ("trails", log_of_sequences()),
        ("basket", log_of_orders()),
        ("basket_photos", log_with_photos()),
        ("attributes", table_of_attributes()),
        ("questions", few_questions()),
        ("text", text_with_vocabulary()),
    ] {
        let file = folder.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &bytes).expect("a file");
        }
        assert!(std::fs::read(file).expect("a seed") == bytes, "{name}");
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_is_an_error_or_harmless(
        changes in prop::collection::vec((0usize..8_192, any::<u8>()), 1..6),
        cut in 0usize..64,
    ) {
        let change = |mut bytes: Vec<u8>| {
            for (at, byte) in &changes {
                let at = at % bytes.len();
                bytes[at] = *byte;
            }
            let kept = bytes.len() - if cut < 8 { cut } else { 0 };
            bytes.truncate(kept);
            bytes
        };
        body::trails(&change(log_of_sequences()));
        body::basket(&change(log_of_orders()));
        body::basket(&change(log_with_photos()));
        body::attributes(&change(table_of_attributes()));
        body::questions(&change(few_questions()));
        body::text(&change(text_with_vocabulary()));
    }
}
