//! `shelfedge chat` over the bundled assistant: what it prints, what it asks of whoever plays
//! the shop, and what it makes of bad input.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn chat(input: &str, arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut child = Command::new(env!("CARGO_BIN_EXE_shelfedge"))
        .arg("chat")
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // A command that refuses its arguments doesn't read.
    let writes = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap();
    output
}

fn said(input: &str, arguments: &[&str]) -> String {
    let output = chat(input, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = chat("hello\n", arguments);
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("panicked"), "{error}");
    error
}

#[test]
fn a_customer_is_answered_from_the_file_and_from_the_graph() {
    let told = said(
        "where is my order?\nthe second one\nHow much is the rabbit night light?\n\
         I want a person, I'm anna@example.com\n:handover\n:quit\nnever read\n",
        &[],
    );
    for part in [
        "you> where is my order?\n",
        "2. 100421: a night light, on its way\n",
        "[100437] [100421] [100398]\n",
        "order_status(order: 100421)\n",
        "bot> Good news: order 100421 is on its way with the post",
        "-> answered (the graph)\nbot> Rabbit night light costs 2.08 GBP.\n",
        "a person is needed: asked\n",
        "customer: I want a person, I'm [email]\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!told.contains("never read"));
}

#[test]
fn dates_are_meant_at_the_time_that_is_named() {
    let line = r#"{"text":"hello"}"#;
    let now = ["--json", "--now", "2026-03-04T10:00:00+00:00"];
    assert_eq!(said(line, &now), said(line, &now));
    let later = ["--json", "--now", "2026-03-05T10:00:00+00:00"];
    assert_ne!(said(line, &now), said(line, &later));
}

#[test]
fn a_chinese_customer_is_answered_in_chinese() {
    let told = said("我要退货\n100398\n坏了\n退款\n是的\n", &[]);
    assert!(
        told.contains("create_return(order: 100398, reason: damaged, remedy: refund)"),
        "{told}"
    );
    assert!(told.contains("R-5521"), "{told}");
}

#[test]
fn whoever_sits_there_plays_the_shop() {
    let told = said(
        "where is my order 100422?\n2\nthe post\nFriday\n\
         where is my order\nnone\nis it 100500\nnot_found\n100421\nshipped\nthe post\n\n",
        &["--operator"],
    );
    for part in [
        "2. shipped carrier, arrives_on\n",
        "order 100422 is on its way with the post and should arrive on Friday.",
        "I can't find that order.",
        // A fact that is missing is told, and never made up.
        "outcome.facts.arrives_on: field_missing",
        "a person is needed: orders_unreachable\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!told.contains("100421 is on its way"), "{told}");
}

#[test]
fn lines_of_json_are_answered_as_the_edge_does() {
    let lines = [
        r#"{"text":"Please cancel my order 100437"}"#,
        r#"{"outcome":{"call":1,"name":"gone"}}"#,
        "no json",
        r#"{"outcome":{"call":1,"name":"allowed","facts":{"total":"12.50 GBP"}}}"#,
        r#"{"handover":[{"who":"customer","text":"call 020 7946 0018"}]}"#,
        r#"{"ask":"how much is the rabbit night light"}"#,
        r#"{"text":"yes"}"#,
    ];
    let told = said(&lines.join("\n"), &["--json"]);
    let told: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), lines.len());
    assert_eq!(told[0]["call"]["action"], "check_cancel");
    assert_eq!(told[1]["faults"][0]["code"], "outcome_unknown");
    assert_eq!(told[2]["status"], 400);
    assert_eq!(told[3]["expects"]["kind"], "yes_no");
    assert_eq!(told[4]["packet"]["flows"][0]["flow"], "cancel_order");
    assert!(!told[4].to_string().contains("7946"), "{}", told[4]);
    assert_eq!(told[5]["answer"], "Rabbit night light costs 2.08 GBP.");
    assert_eq!(told[6]["call"]["action"], "cancel_order");
}

#[test]
fn hostile_lines_are_answered() {
    let long = "where is my order? ".repeat(6_000);
    let emoji = "🙂".repeat(20_000);
    let lines = [
        "",
        "\u{202e}你好 hello مرحبا",
        "<script>alert(1)</script>",
        &long,
        &emoji,
        ":no",
    ];
    let told = said(&lines.join("\n"), &[]);
    assert!(told.matches("bot>").count() >= 3, "{}", told.len());
}

#[test]
fn what_is_no_assistant_no_shop_or_no_time_is_refused_with_its_reason() {
    for (arguments, reason) in [
        (&["--model", "nowhere"][..], "nowhere/manifest.json"),
        (&["--model", "models/ranking"], "isn't an assistant"),
        (&["--shop", "nowhere.toml"], "nowhere.toml"),
        (&["--shop", "Cargo.toml"], "Cargo.toml"),
        (
            &["--operator", "--shop", "models/assistant/shop.toml"],
            "cannot be used with",
        ),
        (&["--now", "noon"], "time_malformed"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}
