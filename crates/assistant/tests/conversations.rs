//! Conversations with the assistant that ships, from the text to the reply: what ordinary
//! customers write, beside what they get. `models/chat` hears them; the shop's answers are
//! fixed.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use shelfedge_assistant::dialogue::{Call, Item, Outcome};
use shelfedge_assistant::{Assistant, Happened, TurnBuffers as Buffers};

const CONVERSATIONS: &str = include_str!("conversations/texts.txt");
const NOW: i64 = 1_772_647_200_000;
const ORDERS: [[&str; 2]; 3] = [
    ["100437", "100437: a tea towel and two mugs, not sent yet"],
    ["100421", "100421: a night light, on its way"],
    ["100398", "100398: a cake stand, delivered"],
];

type Items = Vec<[String; 3]>;

/// What the shop answers: the outcome, its facts and items.
fn shop(assistant: &Assistant<Vec<u8>>, call: &Call) -> (&'static str, Items) {
    let input = |name: &str| {
        let found = call.inputs.iter().find(|(input, _)| input == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let known = ORDERS.iter().any(|[number, _]| *number == input("order"));
    let outcome = match call.action.as_str() {
        "recent_orders" => {
            let orders = ORDERS.iter();
            let item =
                |[value, label]: &[&str; 2]| ["order_number", value, label].map(str::to_owned);
            return ("found", orders.map(item).collect());
        }
        "find_products" => {
            let known = assistant.ask(input("wanted"));
            let products = known.map_or(Vec::new(), |it| it.products).into_iter();
            let items: Items = products
                .map(|[_, name, shown]| ["product".to_owned(), name, shown])
                .collect();
            return (if items.is_empty() { "none" } else { "found" }, items);
        }
        "answer_question" => "answered",
        _ if call.inputs.iter().any(|(name, _)| name == "order") && !known => "not_found",
        "order_status" => "preparing",
        "check_return" | "check_address_change" | "check_cancel" => "allowed",
        "create_return" => "created",
        "change_address" => "changed",
        "match_price" => "review",
        "cancel_order" => "cancelled",
        "file_complaint" => "filed",
        _ => "open",
    };
    (outcome, Vec::new())
}

const FACTS: [(&str, &str); 12] = [
    ("ships_on", "Thursday"),
    ("return_by", "20 December"),
    ("return_code", "R-5521"),
    ("next_step", "Print the label."),
    ("current_address", "1 Example Street, London"),
    ("arrives_on", "Friday"),
    ("answer", "It costs 2.08 GBP."),
    ("reply_by", "Wednesday"),
    ("total", "23.40 GBP"),
    ("refund_by", "Friday"),
    ("case_number", "C-309"),
    ("opens", "at 9"),
];

fn converse(assistant: &Assistant<Vec<u8>>, texts: &str, out: &mut String) {
    let (mut state, mut buffers) = (Vec::new(), Buffers::default());
    for (turn, text) in (0..).zip(texts.lines()) {
        let _ = writeln!(out, "customer: {text}");
        let now = NOW + turn * 20_000;
        let mut turn = assistant
            .turn(&state, now, &Happened::Said(text), &mut buffers)
            .unwrap();
        loop {
            state.clone_from(&turn.output.state);
            for reply in &turn.output.replies {
                let _ = writeln!(out, "assistant: {}", reply.replace('\n', "\n  "));
            }
            if let Some(why) = &turn.output.person {
                let _ = writeln!(out, "  a person: {why}");
            }
            let Some(call) = turn.output.call.take() else {
                break;
            };
            let inputs: Vec<String> = (call.inputs.iter())
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let mark = if call.commits { "!" } else { "" };
            let _ = writeln!(out, "  {}{mark}({})", call.action, inputs.join("; "));
            let (name, items) = shop(assistant, &call);
            let items: Vec<Item<'_>> = (items.iter())
                .map(|[kind, value, label]| Item { kind, value, label })
                .collect();
            let outcome = Outcome {
                call: call.id,
                name,
                facts: &FACTS,
                items: &items,
            };
            let done = Happened::Done(outcome);
            turn = assistant.turn(&state, now, &done, &mut buffers).unwrap();
        }
    }
}

#[test]
fn customers_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../../models/chat/model.shelf");
    let assistant = Assistant::open(std::fs::read(file).unwrap()).unwrap();
    let mut out = String::new();
    for texts in CONVERSATIONS.trim().split("\n\n") {
        let (title, texts) = texts.split_once('\n').unwrap();
        let _ = writeln!(out, "{title}");
        converse(&assistant, texts, &mut out);
        out.push('\n');
    }
    expect_file![root.join("tests/conversations/replies.txt")].assert_eq(&out);
}
