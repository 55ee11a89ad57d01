//! Flows from file to bytes: the bundled ones, every fault of a bad file, hostile bytes.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use expect_test::{Expect, expect};
use shelfedge_assistant::dialogue::{Dialogue, Event, Heard, Input, StateError};
use shelfedge_assistant::flow::{Drawing, Flows, OpenError, compile};
use shelfedge_commerce::rng::Rng;

#[path = "../fuzz/src/flows.rs"]
mod body;

const BUNDLED: &str = include_str!("../../../models/assistant/flows.toml");

fn bundled() -> Vec<u8> {
    compile::compile(BUNDLED, &[]).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A file with the dialogue's own replies, one slot and one action, and these flows.
fn file(rest: &str) -> String {
    let start = BUNDLED.find("[replies]").unwrap();
    let end = BUNDLED.find("[slots.order]").unwrap();
    format!("version = 1\n{}{rest}", &BUNDLED[start..end])
}

fn check(source: &str, wanted: &Expect) {
    // Lines are counted from where the file differs from the others.
    let head = file("").lines().count() as u32;
    let faults = compile::compile(source, &["go", "buy"]).unwrap_err();
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let line = i64::from(fault.line) - i64::from(head);
            format!("{line}:{} {} [{}]", fault.column, fault.cause, fault.code)
        })
        .collect();
    wanted.assert_eq(&lines.join("\n"));
}

const SLOT: &str = r#"
slots.order = { entity = "order_number", label = { en = "o", zh = "订" }, prompt = { en = "o?", zh = "订？" } }
actions.look = { inputs = ["order"], outcomes = { found = ["day"], failed = [] } }
actions.buy = { inputs = ["order"], commits = true, outcomes = { bought = [], failed = [] } }
"#;

fn with(flow: &str) -> String {
    // Dotted keys at the root must come before any table.
    let rest = file(&format!(
        "\n[flows.f]\ntitle = {{ en = \"t\", zh = \"题\" }}\nintents = [\"go\"]\nstart = \"a\"\n[flows.f.states]\n{flow}"
    ));
    rest.replacen("version = 1\n", &format!("version = 1\n{SLOT}"), 1)
}

#[test]
fn the_bundled_flows_are_sound() {
    let bytes = bundled();
    let flows = Flows::open(&bytes[..]).unwrap();
    let names: Vec<&str> = (0..flows.len()).map(|i| flows.flow(i).name).collect();
    let wanted = [
        "order_status",
        "return_refund",
        "change_address",
        "product_question",
        "price_match",
        "cancel_order",
        "complaint",
        "human",
    ];
    assert_eq!(names, wanted);
    assert!(wanted.iter().all(|name| flows.flow_of(name).is_some()));
    assert!(bytes.len() < 64 * 1024, "{}", bytes.len());
}

#[test]
fn names_that_nothing_has_are_found_all_at_once() {
    check(
        &with(
            r#"a = { ask = "ordr", next = "b" }
b = { call = "lok", on = { found = "c", failed = "c" } }
c = { call = "look", on = { found = "nowhere", lost = "d" } }
d = { choose = [{ fact = "dai", is = "x", to = "e" }], other = "e", colour = 1 }
e = { end = { en = "{order} {day}" } }
f = { end = true, forget = ["thing"] }
G = { end = true }
"#,
        ),
        &expect![[r#"
            11:13 there is no slot "ordr" [flow_unknown_slot]
            12:14 there is no action "lok" [flow_unknown_action]
            13:29 nothing follows the outcome `failed` of "look" [flow_unhandled_outcome]
            13:37 the flow has no state "nowhere" [flow_unknown_state]
            13:48 the action has no outcome "lost" [flow_unknown_outcome]
            14:26 no action returns a fact "dai" [flow_unknown_fact]
            14:69 the key "colour" is none of `ask`, `say`, `call`, `confirm`, `choose`, `end`, `person`, `forget`, `other` [flow_unknown_key]
            15:13 the text isn't there in `zh` [flow_missing_translation]
            16:29 there is no slot "thing" [flow_unknown_slot]
            17:1 "G" is no name [flow_name]"#]],
    );
}

#[test]
fn ways_that_go_wrong_are_found() {
    check(
        &with(
            r#"a = { ask = "order", next = "b" }
b = { call = "buy", on = { bought = "c", failed = "b" } }
c = { say = { en = "{day} <b>", zh = "好" }, next = "d" }
d = { say = { en = "x", zh = "好" }, next = "c" }
e = { end = true }
g = { ask = "order" }
"#,
        ),
        &expect![[r#"
            13:20 a reply holds signs of markup or of control [flow_markup]
            16:1 this state leads nowhere: it has no `next` [flow_dead_end]"#]],
    );
    check(
        &with(
            r#"a = { call = "buy", on = { bought = "c", failed = "x" } }
c = { say = { en = "{day} {order}", zh = "好" }, next = "d" }
d = { say = { en = "x", zh = "好" }, next = "c" }
e = { end = true }
x = { choose = [{ slot = "order", known = true, to = "a" }], other = "y" }
y = { end = true }
"#,
        ),
        &expect![[r#"
            -25:7 no state asks for the slot "order" [flow_slot_never_asked]
            -24:9 no state calls the action "look" [flow_action_never_called]
            11:1 the state "a" can come back without asking anything new [flow_loop]
            11:14 the slot "order" may be empty at this call [flow_slot_not_filled]
            12:1 no way from the state "c" ends or fetches a person [flow_dead_end]
            12:13 nothing fills the placeholder {day} here [flow_unfilled_placeholder]
            12:13 nothing fills the placeholder {order} here [flow_unfilled_placeholder]
            13:1 no way from the state "d" ends or fetches a person [flow_dead_end]
            14:1 no way leads to the state "e" [flow_unreachable_state]
            15:1 the state "x" can come back without asking anything new [flow_loop]"#]],
    );
}

#[test]
fn a_call_that_changes_something_needs_a_yes_on_every_way() {
    let flow = |first: &str| {
        let rest = r#"
b = { choose = [{ slot = "order", is = "1", to = "c" }], other = "d" }
c = { confirm = { en = "{order}?", zh = "{order}？" }, slots = ["order"], yes = "d", no = "z" }
d = { call = "buy", on = { bought = "l", failed = "z" } }
l = { call = "look", on = { found = "z", failed = "z" } }
z = { end = true }
"#;
        with(&format!(
            "a = {{ ask = \"order\", next = \"{first}\" }}{rest}"
        ))
    };
    check(
        &flow("b"),
        &expect![[
            r#"14:14 the call changes something, and "order" may be unconfirmed [flow_not_confirmed]"#
        ]],
    );
    let right = flow("c").replace(
        "b = { choose = [{ slot = \"order\", is = \"1\", to = \"c\" }], other = \"d\" }\n",
        "",
    );
    assert!(compile::compile(&right, &[]).is_ok());
    // The model must know the intents that begin flows.
    let faults = compile::compile(&right, &["other"]).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().code, "flow_unknown_intent");
}

#[test]
fn what_is_no_file_of_flows_is_refused() {
    for (source, wanted) in [
        (
            "",
            expect![[r#"
            1:1 the key `version` is missing [flow_missing]
            1:1 the key `replies` is missing [flow_missing]
            1:1 the key `flows` is missing [flow_missing]
            1:1 there is no flow that could be read [flow_missing]"#]],
        ),
        (
            "version = 2\nflows = 3\nreplies = [",
            expect![[r#"
            1:1 there is no flow that could be read [flow_missing]
            1:11 the version isn't 1 [flow_range]
            2:9 a table belongs here, and this is of the type integer [flow_type]
            3:11 a table belongs here, and this is of the type array [flow_type]
            3:12 unclosed array, expected `]` [flow_syntax]"#]],
        ),
        (
            "version = 1\nversion = 1",
            expect![[r#"
            1:1 the key `replies` is missing [flow_missing]
            1:1 the key `flows` is missing [flow_missing]
            1:1 there is no flow that could be read [flow_missing]
            2:1 duplicate key [flow_duplicate_name]"#]],
        ),
    ] {
        let faults = compile::compile(source, &[]).unwrap_err();
        let codes: Vec<String> = (faults.iter().take(6))
            .map(|f| format!("{}:{} {} [{}]", f.line, f.column, f.cause, f.code))
            .collect();
        wanted.assert_eq(&codes.join("\n"));
    }
    let large = "#".repeat(compile::MAX_SOURCE + 1);
    let faults = compile::compile(&large, &[]).unwrap_err();
    assert_eq!(faults.iter().next().unwrap().code, "flow_too_large");
}

#[test]
fn changed_files_and_bytes_are_an_error_and_never_a_crash() {
    let bytes = bundled();
    assert!(body::flows(&bytes) && body::source(BUNDLED.as_bytes()));
    assert_eq!(Flows::open(&[][..]).unwrap_err(), OpenError::Version);
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(Flows::open(cut).unwrap_err(), OpenError::Length);
    let mut rng = Rng::new(1, 0);
    let (mut sound, mut refused) = (0, 0);
    for _ in 0..1200 {
        let mut changed = bytes.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(changed.len());
            changed[at] = match rng.below(3) {
                0 => changed[at] ^ (1 << rng.below(8)),
                1 => rng.below(256) as u8,
                _ => changed[rng.below(bytes.len())],
            };
        }
        match body::flows(&changed) {
            true => sound += 1,
            false => refused += 1,
        }
    }
    assert!(sound > 50 && refused > 50, "{sound} {refused}");
    for _ in 0..150 {
        let mut changed = BUNDLED.as_bytes().to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(changed.len());
            match rng.below(3) {
                0 => drop(changed.remove(at)),
                1 => changed.insert(at, b"{}[]\"=,\n"[rng.below(8)]),
                _ => changed[at] = rng.below(256) as u8,
            }
        }
        body::source(&changed);
    }
}

#[test]
fn a_forged_state_is_refused_by_a_typed_error() {
    let bytes = bundled();
    let dialogue = Dialogue::new(Flows::open(&bytes[..]).unwrap());
    let mut state = Vec::new();
    for (text, intent) in [
        ("cancel order 10042", "cancel_order"),
        ("talk about a kettle", "product_question"),
        ("yes", "affirm"),
    ] {
        let heard = Heard {
            text,
            intents: &[(intent, 0.9)],
            ..Heard::default()
        };
        let input = Input {
            now: 5,
            event: Event::Said(heard),
        };
        state = dialogue.turn(&state, &input).unwrap().state;
    }
    let silent = Input {
        now: 9,
        event: Event::Silence,
    };
    let refused = |state: &[u8]| dialogue.turn(state, &silent).unwrap_err();
    assert_eq!(refused(&state[..state.len() - 1]), StateError::Damaged);
    assert_eq!(refused(&vec![1; 20_000]), StateError::TooLarge);
    let mut older = state.clone();
    older[0] = 0;
    assert_eq!(refused(&older), StateError::Version);
    let mut other = state.clone();
    other[3] ^= 1;
    assert_eq!(refused(&other), StateError::OtherFlows);
    assert!(body::state(&bytes, &state));
    let mut rng = Rng::new(2, 0);
    let mut sound = 0;
    for _ in 0..4000 {
        let mut changed = state.clone();
        for _ in 0..=rng.below(3) {
            let at = 9 + rng.below(changed.len() - 9);
            changed[at] = rng.below(256) as u8;
        }
        sound += u32::from(body::state(&bytes, &changed));
    }
    assert!((100..3900).contains(&sound), "{sound}");
}

#[test]
fn a_flow_is_drawn() {
    let bytes = bundled();
    let flows = Flows::open(&bytes[..]).unwrap();
    let drawing = Drawing::of(&flows, flows.flow_named("complaint").unwrap());
    expect![[r#"
        digraph "complaint" {
          rankdir=LR;
          start [shape=point];
          start -> s0;
          s0 [label="what\nask details", shape=box];
          s1 [label="wish\nask wish", shape=box];
          s2 [label="sure\nconfirm details, wish", shape=box];
          s3 [label="file\ncall file_complaint", shape=component];
          s4 [label="filed\nend", shape=doublecircle];
          s5 [label="kept\nend", shape=doublecircle];
          s6 [label="unreachable\nperson: complaint", shape=house];
          s0 -> s1;
          s1 -> s2;
          s2 -> s3 [label="yes"];
          s2 -> s5 [label="no"];
          s3 -> s4 [label="filed"];
          s3 -> s6 [label="failed"];
        }
    "#]]
    .assert_eq(&drawing.dot());
    expect![[r#"
        flowchart LR
          start(( )) --> s0
          s0["what<br>ask details"]
          s1["wish<br>ask wish"]
          s2["sure<br>confirm details, wish"]
          s3[["file<br>call file_complaint"]]
          s4((("filed<br>end")))
          s5((("kept<br>end")))
          s6{{"unreachable<br>person: complaint"}}
          s0 --> s1
          s1 --> s2
          s2 -->|"yes"| s3
          s2 -->|"no"| s5
          s3 -->|"filed"| s4
          s3 -->|"failed"| s6
    "#]]
    .assert_eq(&drawing.mermaid());
}
