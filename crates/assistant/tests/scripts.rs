//! Dialogues as data: what is said and what the shop answers in `scripts/*.toml`, what
//! comes of it in the transcript beside it, which `UPDATE_EXPECT=1` writes anew.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use expect_test::expect_file;
use shelfedge_assistant::dialogue::{
    Dialogue, Entity, Event, Expects, Heard, Input, Item, Language, Outcome, Output, Sentiment,
};
use shelfedge_assistant::flow::{Flows, compile};
use toml::{Table, Value};

const BUNDLED: &str = include_str!("../../../models/assistant/flows.toml");

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key)?.as_str()
}

fn rows<'a>(table: &'a Table, key: &str) -> Vec<&'a [Value]> {
    let rows = table.get(key).and_then(Value::as_array);
    let rows = rows.into_iter().flatten();
    rows.map(|row| row.as_array().unwrap().as_slice()).collect()
}

fn replay(dialogue: &Dialogue<Vec<u8>>, script: &Table, out: &mut String) {
    writeln!(out, "# {}", text(script, "name").unwrap()).unwrap();
    let (mut state, mut now, mut call) = (Vec::new(), 1_000_000, 0);
    for turn in script["turns"].as_array().unwrap() {
        let turn = turn.as_table().unwrap();
        const KEYS: [&str; 11] = [
            "said",
            "intent",
            "intents",
            "chance",
            "language",
            "entities",
            "sentiment",
            "done",
            "facts",
            "items",
            "after_ms",
        ];
        let known = |key: &String| KEYS.contains(&key.as_str()) || key == "silence";
        assert!(turn.keys().all(known), "{turn:?}");
        now += turn
            .get("after_ms")
            .map_or(1000, |ms| ms.as_integer().unwrap());
        let chance = turn
            .get("chance")
            .map_or(0.95, |c| c.as_float().unwrap() as f32);
        let several = rows(turn, "intents").into_iter();
        let several =
            several.map(|row| (row[0].as_str().unwrap(), row[1].as_float().unwrap() as f32));
        let one = text(turn, "intent").into_iter();
        let intents: Vec<(&str, f32)> = one.map(|it| (it, chance)).chain(several).collect();
        let entities: Vec<Entity<'_>> = (rows(turn, "entities").into_iter())
            .map(|row| Entity {
                kind: row[0].as_str().unwrap(),
                value: row[1].as_str().unwrap(),
                confidence: row.get(2).map_or(0.95, |c| c.as_float().unwrap() as f32),
                span: (0, 0),
            })
            .collect();
        let facts: Vec<(&str, &str)> = (turn.get("facts").and_then(Value::as_table).into_iter())
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let items: Vec<Item<'_>> = (rows(turn, "items").into_iter())
            .map(|row| Item {
                kind: row[0].as_str().unwrap(),
                value: row[1].as_str().unwrap(),
                label: row[2].as_str().unwrap(),
            })
            .collect();
        let event = if let Some(said) = text(turn, "said") {
            writeln!(out, "customer: {said}").unwrap();
            Event::Said(Heard {
                also: None,
                text: said,
                language: match text(turn, "language") {
                    Some("zh") => Language::Chinese,
                    Some("other") => Language::Other,
                    _ => Language::English,
                },
                intents: &intents,
                entities: &entities,
                sentiment: turn.get("sentiment").map(|level| Sentiment {
                    level: level.as_integer().unwrap() as i8,
                    confidence: 1.0,
                }),
            })
        } else if let Some(name) = text(turn, "done") {
            writeln!(out, "shop: {name} {facts:?}").unwrap();
            Event::Done(Outcome {
                call,
                name,
                facts: &facts,
                items: &items,
            })
        } else {
            writeln!(out, "(silence)").unwrap();
            Event::Silence
        };
        let output = dialogue.turn(&state, &Input { now, event }).unwrap();
        write(&output, out);
        call = output.call.map_or(call, |call| call.id);
        state = output.state;
    }
    out.push('\n');
}

fn write(output: &Output, out: &mut String) {
    for reply in &output.replies {
        writeln!(out, "assistant: {}", reply.replace('\n', "\n    ")).unwrap();
    }
    let place = output.place.as_ref();
    let place = place.map_or("-".to_owned(), |(flow, state)| format!("{flow}.{state}"));
    write!(out, "  [{place}]").unwrap();
    match &output.expects {
        Expects::Anything => {}
        Expects::Slot { slot, entity } => write!(out, " wants {slot} ({entity})").unwrap(),
        other => write!(out, " wants {other:?}").unwrap(),
    }
    if let Some(call) = &output.call {
        let inputs: Vec<String> = call
            .inputs
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let commits = if call.commits { "!" } else { "" };
        write!(out, " call {}{commits}({})", call.action, inputs.join(", ")).unwrap();
    }
    if let Some(person) = &output.person {
        write!(out, " person: {person}").unwrap();
    }
    let titles = output.place.is_none() && output.quick.len() > 2;
    if !output.quick.is_empty() && !titles {
        write!(out, " offers: {}", output.quick.join(" | ")).unwrap();
    }
    out.push('\n');
}

#[test]
fn scripts() {
    let bytes = compile::compile(BUNDLED, &[]).unwrap();
    let dialogue = Dialogue::new(Flows::open(bytes).unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut count = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            continue;
        }
        let scripts: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let mut out = String::new();
        for script in scripts["script"].as_array().unwrap() {
            replay(&dialogue, script.as_table().unwrap(), &mut out);
            count += 1;
        }
        expect_file![path.with_extension("txt")].assert_eq(&out);
    }
    assert!(count >= 20, "{count}");
}
