//! `shelfedge ask`: the graph of the demo shop, in a file of its own and in an assistant.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn ask(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shelfedge"));
    command.arg("ask").args(arguments).current_dir(root);
    command.output().unwrap()
}

fn told(arguments: &[&str]) -> String {
    let output = ask(arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn prices_are_told_with_their_facts_in_both_languages() {
    let english = told(&["how much is the rabbit night light"]);
    assert!(
        english.starts_with("Rabbit night light costs 2.08 GBP.\n"),
        "{english}"
    );
    assert!(english.contains("price  2.08 GBP"), "{english}");
    assert!(told(&["Rabbit night light多少钱？"]).contains("2.08 GBP"));
    let json: Value = serde_json::from_str(&told(&["rabbit night light price", "--json"])).unwrap();
    assert_eq!(json["facts"][0][1], "price");
}

#[test]
fn products_are_found_by_words_of_their_names() {
    let json: Value =
        serde_json::from_str(&told(&["blue mugs under 10 pounds", "--json"])).unwrap();
    let facts = json["facts"].as_array().unwrap();
    let mut names = facts.iter().filter(|fact| fact[1] == "name");
    let is_blue_mug = |name: &str| name.contains("mug") && name.to_lowercase().contains("blue");
    assert!(facts.len() > 4);
    assert!(
        names.all(|fact| fact[2].as_str().is_some_and(is_blue_mug)),
        "{json}"
    );
}

#[test]
fn names_that_are_written_wrongly_are_offered() {
    let json: Value = serde_json::from_str(&told(&["grovy cactus inflatble", "--json"])).unwrap();
    assert_eq!(json["answer"], Value::Null);
    assert_eq!(json["like"][0]["name"], "Groovy cactus inflatable");
    let nothing = told(&["what is the meaning of life"]);
    assert!(nothing.starts_with("It names nothing"), "{nothing}");
}

#[test]
fn what_is_no_graph_is_refused_with_its_reason() {
    for (arguments, reason) in [
        (&["x", "--graph", "nowhere"][..], "nowhere"),
        (&["x", "--graph", "models"], "isn't a file"),
        (&["x", "--graph", "Cargo.toml"], "Cargo.toml"),
        (
            &["x", "--graph", "models/ranking/model.shelf"],
            "shelfedge-train graph",
        ),
        (&["x", "--currency", "QQQ"], "QQQ"),
    ] {
        let output = ask(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(reason),
            "{arguments:?}: {error}"
        );
        assert!(!error.contains("panicked"), "{error}");
    }
}
