//! What the bundled models of intents and sentiment make of texts that they weren't learnt
//! from (`models/assistant/data/*held_out.csv`).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use expect_test::expect_file;
use shelfedge_assistant::{Assistant, Buffers, Classifier, Happened, SECTIONS, TurnBuffers};
use shelfedge_engine::file::{self, Directory};

mod rows;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/");
const UNKNOWN: &str = "oos";

struct Told {
    label: String,
    language: String,
    /// `oos` where the text is out of scope.
    said: String,
}

fn told(model: &str, texts: &str) -> Vec<Told> {
    let bytes = fs::read(format!("{MODELS}{model}/model.shelf")).unwrap();
    let classifier = Classifier::open(&bytes[..]).unwrap();
    let mut buffers = Buffers::default();
    let texts = fs::read_to_string(format!("{MODELS}assistant/data/{texts}.csv")).unwrap();
    let told = texts.lines().skip(1).map(|line| {
        let row = rows::fields(line);
        let said = classifier.classify(&row[0], &mut buffers).label;
        Told {
            said: said.unwrap_or(UNKNOWN).to_owned(),
            label: row[1].clone(),
            language: row[2].clone(),
        }
    });
    told.collect()
}

/// A share of texts, by language and of all.
fn shares(
    out: &mut String,
    name: &str,
    told: &[Told],
    of: impl Fn(&Told) -> bool,
    right: impl Fn(&Told) -> bool,
) {
    write!(out, "{name:<28}").unwrap();
    for language in ["en", "zh", ""] {
        let of: Vec<&Told> = (told.iter())
            .filter(|it| of(it) && it.language.contains(language))
            .collect();
        let hits = of.iter().filter(|it| right(it)).count();
        let share = hits as f64 / of.len() as f64;
        write!(out, "{hits:>6} /{:>4} {share:.3}", of.len()).unwrap();
    }
    out.push('\n');
}

fn header(out: &mut String, name: &str) {
    writeln!(
        out,
        "{name:<28}{:>18}{:>18}{:>18}",
        "English", "Chinese", "both"
    )
    .unwrap();
}

#[test]
fn held_out_texts() {
    let told_of = told("intent", "held_out");
    let mut out = String::new();
    header(&mut out, "intents");
    let known = |it: &Told| it.label != UNKNOWN;
    shares(&mut out, "in scope, right", &told_of, known, |it| {
        it.said == it.label
    });
    shares(
        &mut out,
        "out of scope, called so",
        &told_of,
        |it| !known(it),
        |it| it.said == UNKNOWN,
    );
    shares(
        &mut out,
        "called out of scope, rightly",
        &told_of,
        |it| it.said == UNKNOWN,
        |it| !known(it),
    );
    let mut labels: BTreeMap<&str, ()> = BTreeMap::new();
    labels.extend(
        told_of
            .iter()
            .filter(|it| known(it))
            .map(|it| (&it.label[..], ())),
    );
    for label in labels.keys() {
        shares(
            &mut out,
            label,
            &told_of,
            |it| it.label == *label,
            |it| it.said == it.label,
        );
    }
    let told_of = told("sentiment", "sentiment_held_out");
    let level = |label: &str| {
        shelfedge_assistant::LEVELS
            .iter()
            .position(|it| *it == label)
    };
    out.push('\n');
    header(&mut out, "sentiment");
    shares(
        &mut out,
        "right",
        &told_of,
        |_| true,
        |it| it.said == it.label,
    );
    shares(
        &mut out,
        "a level off at most",
        &told_of,
        |_| true,
        |it| {
            let levels = level(&it.said).zip(level(&it.label));
            levels.is_some_and(|(said, label)| said.abs_diff(label) <= 1)
        },
    );
    expect_file!["../../../tests/ratchet/understanding.txt"].assert_eq(&out);
}

/// What the bundled assistant does with each text where nothing was said before: by its policy,
/// and by the rules alone.
#[test]
fn first_turns() {
    let bytes = fs::read(format!("{MODELS}chat/model.shelf")).unwrap();
    let directory = Directory::read(&bytes).unwrap();
    let parts = SECTIONS.into_iter().filter(|name| *name != "policy");
    let parts: Vec<(&str, &[u8])> = parts
        .filter_map(|name| Some((name, &bytes[directory.find(name)?])))
        .collect();
    let ruled = file::write(&parts).unwrap();
    let texts = fs::read_to_string(format!("{MODELS}assistant/data/held_out.csv")).unwrap();
    let mut out = String::new();
    for (name, bytes) in [("policy", &bytes[..]), ("rules", &ruled)] {
        let assistant = Assistant::open(bytes).unwrap();
        let flows = assistant.flows();
        let mut buffers = TurnBuffers::default();
        let mut counts: BTreeMap<String, [u32; 4]> = BTreeMap::new();
        for line in texts.lines().skip(1) {
            let row = rows::fields(line);
            let said = Happened::Said(&row[0]);
            let output = assistant.turn(&[], 0, &said, &mut buffers).unwrap().output;
            let wanted = flows.flow_of(&row[1]);
            let begun = output.place.and_then(|(flow, _)| flows.flow_named(&flow));
            let place = match begun {
                Some(flow) if Some(flow) == wanted => 0,
                Some(_) => 2,
                // Which of two is meant.
                None if output.quick.len() == 2 => 1,
                None => 3,
            };
            let of = match wanted {
                Some(_) => "texts that a flow is for",
                None if row[1] == UNKNOWN => "texts out of scope",
                None => "greetings, answers and the like",
            };
            counts.entry(of.to_owned()).or_default()[place] += 1;
        }
        let heads = ["its flow", "asks which", "another", "no flow"];
        write!(out, "{name:<34}").unwrap();
        for head in heads {
            write!(out, "{head:>12}").unwrap();
        }
        out.push('\n');
        for (of, counts) in counts {
            write!(out, "  {of:<32}").unwrap();
            for count in counts {
                write!(out, "{count:>12}").unwrap();
            }
            out.push('\n');
        }
    }
    expect_file!["../../../tests/ratchet/first_turns.txt"].assert_eq(&out);
}
