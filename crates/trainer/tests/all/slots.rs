//! Texts with marked slots to a tagger, and the tagger in an assistant, by the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use shelfedge_assistant::dialogue::Expects;
use shelfedge_assistant::{Assistant, Happened, TagBuffers, Tagger, TurnBuffers};

use crate::common::text;

const PRODUCTS: [&str; 12] = [
    "steel kettle",
    "red lunch bag",
    "garden lantern",
    "doormat",
    "cake stand",
    "hand warmer",
    "jam making set",
    "alarm clock",
    "paper chain kit",
    "wicker heart",
    "tea towel",
    "egg cup",
];
const SELLERS: [&str; 10] = [
    "Northgate",
    "Home Corner",
    "Milton and Sons",
    "Kettle World",
    "Brightwell",
    "Oakfield Market",
    "Penny Lane",
    "Fairhaven",
    "The Gift Shed",
    "Larkspur",
];

/// Made up for this test: what customers say who saw a lower price.
fn said() -> String {
    let of = |at: usize| {
        let product = PRODUCTS[at * 5 % PRODUCTS.len()];
        let seller = SELLERS[at * 7 % SELLERS.len()];
        let price = 5 + at * 3 % 17;
        match at % 6 {
            0 => format!("the [{product}](product) for £{price}.99 at [{seller}](seller)"),
            1 => format!("[{seller}](seller) has the [{product}](product) for {price} pounds"),
            2 => format!("I saw a [{product}](product) at [{seller}](seller), it was £{price}"),
            3 => format!("can you match £{price} at [{seller}](seller)?"),
            4 => format!("it's the [{product}](product), thanks, order {price}{at:04}"),
            _ => format!("no thank you, I have {price} of them from you at home"),
        }
    };
    let rows = (0..180).map(|at| format!("\"{}\"\n", of(at)));
    ["text\n".to_owned()].into_iter().chain(rows).collect()
}

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeeded(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn slots(folder: &Path, texts: &Path, name: &str) -> (PathBuf, Value) {
    let out = folder.join(name);
    let arguments = [
        "slots",
        "--json",
        "--max-bytes",
        "30000",
        "--texts",
        text(texts),
    ];
    let output = train(&[&arguments[..], &["--out", text(&out)]].concat());
    let outcome = serde_json::from_str(&succeeded(&output)).unwrap();
    (out, outcome)
}

#[test]
fn texts_become_a_tagger_that_repeats_its_golden_cases() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("said.csv");
    fs::write(&texts, said()).unwrap();
    let (out, outcome) = slots(folder.path(), &texts, "slots");
    assert_eq!(outcome["texts"], 180);
    let all = &outcome["figures"]["slots"][0];
    let right = |who: &str| all[who]["right"].as_u64().unwrap();
    let marked = all["tagger"]["marked"].as_u64().unwrap();
    assert!(20 * right("tagger") >= 19 * marked, "{all}");

    let shelf = fs::read(out.join("model.shelf")).unwrap();
    assert_eq!(outcome["shelf_bytes"], shelf.len());
    let tagger = Tagger::open(&shelf[..]).unwrap();
    assert_eq!(tagger.kinds().collect::<Vec<_>>(), ["product", "seller"]);
    let golden = fs::read(out.join("golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    let mut buffers = TagBuffers::default();
    let mut spans = 0;
    for case in cases {
        let found = tagger.spans("", case["text"].as_str().unwrap(), &mut buffers);
        let found: Vec<Value> = (found.iter())
            .map(|it| {
                serde_json::json!({
                    "slot": it.tag,
                    "start": it.bytes.start,
                    "end": it.bytes.end,
                    "confidence": it.confidence,
                })
            })
            .collect();
        spans += found.len();
        assert_eq!(case["spans"], Value::Array(found), "{case}");
    }
    assert!(spans >= 20, "{spans}");
    let card = fs::read_to_string(out.join("CARD.md")).unwrap();
    assert!(
        card.contains("| seller | ") && card.contains("dictionary"),
        "{card}"
    );
}

#[test]
fn every_wrong_text_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("said.csv");
    let wrong = "text,conversation\n\"a [b\",1\n\n\"two\nlines\",1\n[c](2) [](d),2\nx\n";
    fs::write(&texts, wrong).unwrap();
    let turned = folder.path().join("turned.csv");
    fs::write(&turned, "text\r\nx\r\nx [\r\n").unwrap();
    let lines = folder.path().join("said.conll");
    fs::write(&lines, "a O\nb\n\nc B-x\n").unwrap();
    let out = folder.path().join("slots");
    let told = refused(&train(&[
        "slots",
        "--texts",
        text(&texts),
        "--texts",
        text(&lines),
        "--texts",
        text(&turned),
        "--out",
        text(&out),
    ]));
    for place in [
        "mark_unreadable at said.csv line 2, character 3",
        "mark_unreadable at said.csv line 6, character 4",
        "mark_unreadable at said.csv line 6, character 8",
        "row_unreadable at said.csv line 7",
        "tag_unreadable at said.conll line 2",
        "mark_unreadable at turned.csv line 3, character 3",
    ] {
        assert!(told.contains(place), "{place}: {told}");
    }
    assert_eq!(told.matches("action:").count(), 6, "{told}");
    assert!(!out.exists());
    fs::write(&texts, "text\nnothing\n").unwrap();
    let told = refused(&train(&[
        "slots",
        "--texts",
        text(&texts),
        "--out",
        text(&out),
    ]));
    assert!(told.contains("texts_few"), "{told}");
}

/// Marked texts as lines of tokens and tags.
fn as_lines(marked: &str) -> String {
    let mut out = String::new();
    for row in marked.lines().skip(1) {
        let mut rest = row.trim_matches('"');
        while !rest.is_empty() {
            let (plain, after) = rest.split_once('[').unwrap_or((rest, ""));
            out.extend(plain.split_whitespace().map(|word| format!("{word}\tO\n")));
            let Some((words, after)) = after.split_once("](") else {
                break;
            };
            let (slot, after) = after.split_once(')').unwrap();
            for (at, word) in words.split_whitespace().enumerate() {
                let prefix = if at == 0 { 'B' } else { 'I' };
                out.push_str(&format!("{word}\t{prefix}-{slot}\n"));
            }
            rest = after;
        }
        out.push('\n');
    }
    out
}

#[test]
fn lines_of_tokens_teach_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("said.conll");
    fs::write(&texts, as_lines(&said())).unwrap();
    let (_, outcome) = slots(folder.path(), &texts, "slots");
    let all = &outcome["figures"]["slots"][0]["tagger"];
    let [marked, right] = ["marked", "right"].map(|it| all[it].as_u64().unwrap());
    assert!(20 * right >= 19 * marked, "{all}");
}

#[test]
fn an_assistant_hears_the_slots() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("said.csv");
    fs::write(&texts, said()).unwrap();
    let (tagger, _) = slots(folder.path(), &texts, "slots");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let assistant = |name: &str, tagger: Option<&Path>| {
        let out = folder.path().join(name);
        let [intent, flows] =
            ["models/intent", "models/assistant/flows.toml"].map(|it| root.join(it));
        let mut arguments = vec![
            "assistant",
            "--intent",
            text(&intent),
            "--flows",
            text(&flows),
        ];
        arguments.extend([
            "--orders",
            "######",
            "--currency",
            "GBP",
            "--out",
            text(&out),
        ]);
        if let Some(tagger) = tagger {
            arguments.extend(["--slots", text(tagger)]);
        }
        (out.join("model.shelf"), train(&arguments))
    };
    let expected = |shelf: PathBuf| {
        let shelf = fs::read(shelf).unwrap();
        let assistant = Assistant::open(&shelf[..]).unwrap();
        let mut buffers = TurnBuffers::default();
        let mut state = Vec::new();
        let mut output = None;
        for said in [
            "Match a lower price",
            "the garden lantern for £11.99 at Home Corner",
        ] {
            let turn = assistant
                .turn(
                    &state,
                    1_768_467_600_000,
                    &Happened::Said(said),
                    &mut buffers,
                )
                .unwrap();
            state.clone_from(&turn.output.state);
            output = Some(turn.output);
        }
        output.unwrap()
    };
    let (shelf, output) = assistant("without", None);
    succeeded(&output);
    // Without it the whole text passes for the product.
    let guessed = expected(shelf);
    let said = guessed.replies.concat();
    assert!(
        said.contains("the product is") && said.contains("at Home Corner,"),
        "{said}"
    );
    let (shelf, output) = assistant("with", Some(&tagger));
    succeeded(&output);
    let heard = expected(shelf);
    assert_eq!(heard.expects, Expects::YesNo, "{heard:?}");
    assert_ne!(heard.place, guessed.place);
    let said = heard.replies.concat();
    assert!(
        said.contains("garden lantern") && said.contains("(Home Corner)"),
        "{said}"
    );

    let strange = said_of("shop_front", "topic");
    fs::write(&texts, strange).unwrap();
    let (strange, _) = slots(folder.path(), &texts, "strange");
    let (shelf, output) = assistant("strange_one", Some(&strange));
    let told = refused(&output);
    assert!(
        told.contains("tag_unknown") && told.contains("shop_front"),
        "{told}"
    );
    assert!(
        told.contains("seller, ") && told.contains("order_number, "),
        "{told}"
    );
    assert_eq!(told.matches("tag_unknown").count(), 1, "{told}");
    assert!(!shelf.exists());
}

/// The same texts with other slots.
fn said_of(seller: &str, product: &str) -> String {
    let [seller, product] = [seller, product].map(|it| ["](", it, ")"].concat());
    said()
        .replace("](seller)", &seller)
        .replace("](product)", &product)
}
