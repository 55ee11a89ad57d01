//! Texts to a classifier of them, by the command.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use shelfedge_assistant::{Buffers, Classifier, OpenError};
use shelfedge_onnx::build::{Dim, Graph, Kind};
use shelfedge_onnx::reference::{Reference, Tensor};

/// Written for this test: what customers say, in two languages.
const SAID: [(&str, [&str; 16]); 5] = [
    (
        "where_is_my_order",
        [
            "Where is my order?",
            "my parcel still hasn't arrived",
            "Can you track order AB-1042 for me",
            "when will my package be delivered",
            "it says shipped but nothing came",
            "has my order left the warehouse yet",
            "the tracking number does not work",
            "still waiting for my delivery since monday",
            "我的快递到哪里了",
            "订单什么时候发货",
            "包裹怎么还没到",
            "帮我查一下物流",
            "快递单号查不到信息",
            "显示已发货但是没收到",
            "我的订单到哪了",
            "还要等多久才能送到",
        ],
    ),
    (
        "refund",
        [
            "I want my money back",
            "how do I get a refund",
            "please refund order 20931",
            "when will the refund be on my card",
            "I'd like to return this and be refunded",
            "the refund is less than what I paid",
            "you still owe me the money for the kettle",
            "can I get a refund without the receipt",
            "我要退款",
            "怎么申请退钱",
            "退款什么时候到账",
            "退款金额不对",
            "没有小票可以退款吗",
            "请把钱退给我",
            "我想退货退款",
            "退的钱还没收到",
        ],
    ),
    (
        "cancel",
        [
            "cancel my order please",
            "I ordered by mistake, can you cancel it",
            "is it too late to cancel",
            "stop the order before it ships",
            "I don't want it any more, cancel",
            "please cancel number 5512",
            "how can I cancel what I just bought",
            "cancel one item of my order",
            "帮我取消订单",
            "我下错单了想取消",
            "现在还能取消吗",
            "不想要了请取消",
            "怎么取消刚才的订单",
            "取消其中一件商品",
            "发货前能取消吗",
            "取消五五一二号订单",
        ],
    ),
    (
        "person",
        [
            "let me talk to a person",
            "I want to speak with somebody real",
            "get me a human",
            "is there an agent I can chat with",
            "connect me to customer service",
            "this bot is useless, give me a human",
            "can someone call me",
            "I need to talk to your manager",
            "转人工",
            "我要找真人客服",
            "接人工服务",
            "有没有人工客服",
            "别用机器人回复我",
            "请让经理联系我",
            "我想和人说话",
            "能给我打电话吗",
        ],
    ),
    (
        "oos",
        [
            "what is the capital of France",
            "tell me a joke",
            "how tall is mount everest",
            "play some music",
            "who won the match last night",
            "translate hello to German",
            "set an alarm for seven",
            "what's two plus two",
            "今天天气怎么样",
            "讲个笑话",
            "珠穆朗玛峰有多高",
            "放一首歌",
            "昨晚谁赢了比赛",
            "一加一等于几",
            "写一首诗",
            "明天几点日出",
        ],
    ),
];

fn table() -> String {
    let mut csv = String::from("text,label\n");
    for (label, texts) in SAID {
        for text in texts {
            csv += &format!("\"{text}\",{label}\n");
        }
    }
    csv
}

fn train(folder: &Path, out: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .current_dir(folder)
        .args(["intent", "--data", "said.csv", "--json", "--out", out])
        .output()
        .unwrap()
}

fn shelf(folder: &Path, out: &str) -> Vec<u8> {
    let output = train(folder, out);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    fs::read(folder.join(out).join("model.shelf")).unwrap()
}

#[test]
fn what_customers_say_is_told_apart_and_the_same_bytes_come_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("said.csv"), table()).unwrap();
    let bytes = shelf(folder.path(), "model");
    assert!(
        bytes == shelf(folder.path(), "again"),
        "one seed, one model"
    );
    let classifier = Classifier::open(&bytes[..]).unwrap();
    let names = ["cancel", "person", "refund", "where_is_my_order"];
    assert_eq!(classifier.labels().names, names, "oos is no label");
    let mut buffers = Buffers::default();
    let (mut right, mut all) = (0, 0);
    for (label, texts) in SAID {
        for text in texts {
            let answer = classifier.classify(text, &mut buffers);
            let sum: f32 = answer.probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
            if label != "oos" {
                all += 1;
                right += usize::from(names[answer.best] == label);
            }
        }
    }
    assert!(right * 100 >= 95 * all, "{right} of {all}");
    // Nobody said it that way.
    for (text, label) in [
        ("REFUND ME NOW!!!", "refund"),
        ("ｗｈｅｒｅ is  my parcel", "where_is_my_order"),
        ("请帮我取消这个订单", "cancel"),
        ("我要人工客服", "person"),
    ] {
        let answer = classifier.classify(text, &mut buffers);
        assert_eq!(names[answer.best], label, "{text}");
    }
    // What says nothing has an answer, too: even odds, and nothing known.
    for text in ["", "\u{200b}", "🤖🤖🤖", "zzzzqqqq"] {
        let answer = classifier.classify(text, &mut buffers);
        assert_eq!(answer.known.known, 0, "{text:?}");
        assert!(answer.probabilities.iter().all(|p| p.is_finite()));
    }
    let long = "where is my order ".repeat(20_000);
    assert_eq!(
        names[classifier.classify(&long, &mut buffers).best],
        "where_is_my_order"
    );
}

#[test]
fn the_reference_says_what_the_compiled_model_says() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("said.csv"), table()).unwrap();
    let bytes = shelf(folder.path(), "model");
    let classifier = Classifier::open(&bytes[..]).unwrap();
    let onnx = fs::read(folder.path().join("model/model.onnx")).unwrap();
    let reference = Reference::load(&onnx).unwrap();
    let places = classifier.labels().places as usize;
    let model = shelfedge_engine::Model::open(&bytes[..]).unwrap();
    let section = model
        .section(shelfedge_features::text::Vocabulary::SECTION)
        .unwrap();
    let vocabulary = shelfedge_features::text::Vocabulary::open(section).unwrap();
    let mut buffers = Buffers::default();
    for (_, texts) in SAID {
        let text = texts[3];
        let (mut grams, mut weights) = (Vec::new(), Vec::new());
        let read = shelfedge_features::text::Text::new(text);
        vocabulary.encode(&read, places, &mut Default::default(), |row, weight| {
            grams.push(i64::from(row));
            weights.push(weight);
        });
        grams.resize(places, 0);
        weights.resize(places, 0.0);
        let expected = reference
            .run(&[
                (
                    "gram",
                    Tensor::I64 {
                        dims: vec![1, places],
                        data: grams,
                    },
                ),
                (
                    "weight",
                    Tensor::F32 {
                        dims: vec![1, places],
                        data: weights,
                    },
                ),
            ])
            .unwrap();
        let answer = classifier.classify(text, &mut buffers);
        let Tensor::F32 { data: expected, .. } = &expected[0].1 else {
            panic!("floats");
        };
        for (a, b) in answer.probabilities.iter().zip(expected) {
            assert!((a - b).abs() < 2e-3, "{text}: {a} {b}");
        }
    }
}

#[test]
fn what_is_no_classifier_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("said.csv"), table()).unwrap();
    let bytes = shelf(folder.path(), "model");
    for cut in (0..bytes.len()).step_by(997) {
        assert!(Classifier::open(&bytes[..cut]).is_err(), "{cut}");
    }
    let ranking = fs::read("../../models/ranking/model.shelf").unwrap();
    let error = Classifier::open(&ranking[..]).unwrap_err();
    assert_eq!(error, OpenError::Section("labels"));
    for (csv, code) in [
        ("text,label\n", "too_few_labels"),
        ("text,label\nhello,a\nbye,a\n", "too_few_labels"),
        ("text,name\nhello,a\n", "column_missing"),
        (
            "text,label\nhello there,a\nbye now,b\n,b\n",
            "too_few_texts",
        ),
    ] {
        fs::write(folder.path().join("said.csv"), csv).unwrap();
        let output = train(folder.path(), "refused");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(code), "{told}");
        assert!(!folder.path().join("refused").exists());
    }
}

/// A teacher that knows of each word which labels it goes with, and its tokenizer.
fn teacher(folder: &Path) {
    let mut words = std::collections::BTreeMap::<String, [f32; 5]>::new();
    for (class, (_, texts)) in SAID.iter().enumerate() {
        for word in texts.iter().flat_map(|text| text.split_whitespace()) {
            words.entry(word.to_lowercase()).or_insert([0.01; 5])[class] += 1.0;
        }
    }
    let mut vocabulary = serde_json::json!({ "[UNK]": 0 });
    let mut table = vec![0.01; 5];
    for (id, (word, vector)) in (1..).zip(&words) {
        vocabulary[word] = id.into();
        table.extend(vector);
    }
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "Lowercase" }, "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" },
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let mut g = Graph::new("teacher");
    let places = [Dim::Rows, Dim::Fixed(8)];
    let ids = g.input("input_ids", Kind::I64, &places);
    let mask = g.input("attention_mask", Kind::I64, &places);
    let table = g.f32("words", &[words.len() + 1, 5], table);
    let vectors = g.gather(table, ids);
    let mask = g.mask(mask);
    let vectors = g.mul(vectors, mask);
    g.output("last_hidden_state", vectors);
    fs::write(folder.join("teacher.onnx"), g.finish().unwrap()).unwrap();
}

#[test]
fn a_teacher_helps_and_is_named_and_one_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("said.csv"), table()).unwrap();
    teacher(folder.path());
    let learn = |out: &str, more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
            .current_dir(folder.path())
            .args(["intent", "--data", "said.csv", "--json", "--out", out])
            .args(more)
            .output()
            .unwrap()
    };
    let outcome = |output: &Output| -> serde_json::Value {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let alone = outcome(&learn("alone", &[]));
    let taught = outcome(&learn("taught", &["--teacher", "teacher.onnx"]));
    assert!(alone["teacher"].is_null());
    assert_eq!(taught["teacher"].as_str().unwrap().len(), 64);
    let network = |outcome: &serde_json::Value| {
        let trials = outcome["trials"].as_array().unwrap().iter();
        let mut network = trials.filter(|t| t["share"] == 1.0);
        network.next().unwrap()["accuracy"].as_f64().unwrap()
    };
    assert!(
        network(&taught) > network(&alone),
        "{} {}",
        network(&taught),
        network(&alone)
    );
    let card = fs::read_to_string(folder.path().join("taught/CARD.md")).unwrap();
    assert!(card.contains(taught["teacher"].as_str().unwrap()));
    let again = outcome(&learn("again", &["--teacher", "teacher.onnx"]));
    assert_eq!(taught["trials"], again["trials"]);
    let [a, b] = ["taught", "again"]
        .map(|out| fs::read(folder.path().join(out).join("model.shelf")).unwrap());
    assert!(a == b, "one seed, one model");

    fs::write(folder.path().join("broken.onnx"), b"no model").unwrap();
    for (model, tokenizer) in [
        ("broken.onnx", "tokenizer.json"),
        ("missing.onnx", "tokenizer.json"),
        ("alone/model.onnx", "tokenizer.json"),
        ("teacher.onnx", "said.csv"),
    ] {
        let output = learn("refused", &["--teacher", model, "--tokenizer", tokenizer]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("teacher_unusable"), "{told}");
        assert!(!folder.path().join("refused").exists());
    }
}

fn learn(folder: &Path, out: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .current_dir(folder)
        .args(["intent", "--data", "said.csv", "--json", "--out", out])
        .args(more)
        .output()
        .unwrap()
}

fn label(shelf: &[u8], text: &str) -> String {
    let classifier = Classifier::open(shelf).unwrap();
    let mut buffers = Buffers::default();
    let answer = classifier.classify(text, &mut buffers);
    answer.label.unwrap_or("oos").to_owned()
}

#[test]
fn what_people_put_right_is_learnt_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("said.csv", &table());
    let before = shelf(folder.path(), "before");
    let new = "the blimp on my screen is stuck";
    let disputed = "Is there an agent I can chat with?";
    write(
        "desk.csv",
        &format!(
            "when,text,label,language,was\n\
             9:00,{new},where_is_my_order,en,oos\n\
             9:10,HAS MY ORDER LEFT THE WAREHOUSE YET?,cancel,en,where_is_my_order\n\
             9:20,{disputed},refund,en,person\n9:30,{disputed},refund,en,person\n9:40,{disputed},person,en,person\n\
             9:50,play some music,refund,en,\n9:51,play some music,oos,en,oos\n10:00,not yet,,en,oos\n"
        ),
    );
    write(
        "desk.jsonl",
        "{\"text\":\"my refund to [phone]\",\"label\":\"refund\",\"who\":\"Ann\"}\n\n{\"text\":\"hm\",\"label\":null}\n",
    );
    let files = ["--feedback", "desk.csv", "--feedback", "desk.jsonl"];
    let output = learn(folder.path(), "after", &files);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let feedback = &outcome["feedback"];
    assert_eq!(
        ["corrections", "rows", "unlabelled", "confirmed"].map(|name| &feedback[name]),
        [4, 8, 2, 2]
    );
    assert_eq!(
        feedback["disputes"],
        serde_json::json!([
            {
                "text": disputed,
                "votes": [["person", ["desk.csv row 5"]], ["refund", ["desk.csv row 3", "desk.csv row 4"]]],
                "taken": "refund",
            },
            {
                "text": "play some music",
                "votes": [["oos", ["desk.csv row 7"]], ["refund", ["desk.csv row 6"]]],
                "taken": null,
            },
        ])
    );
    assert_eq!(feedback["effect"]["changed"], 2);
    assert_eq!(feedback["effect"]["texts"]["count"], 80);
    assert_eq!(feedback["effect"]["corrections"]["count"], 4);

    let after = fs::read(folder.path().join("after/model.shelf")).unwrap();
    assert_ne!(label(&before, new), "where_is_my_order");
    assert_eq!(label(&after, new), "where_is_my_order");
    let moved = "has my order left the warehouse yet";
    assert_eq!(label(&before, moved), "where_is_my_order");
    assert_eq!(label(&after, moved), "cancel");
    assert_eq!(label(&after, "play some music"), "oos", "nobody won");
    let card = fs::read_to_string(folder.path().join("after/CARD.md")).unwrap();
    assert!(
        card.contains("People put 4 texts right, in 8 rows, 2 of"),
        "{card}"
    );
    assert!(
        card.contains("\n2 texts of the data got another label"),
        "{card}"
    );
    assert!(card.contains("\n| corrections | 4 |"), "{card}");

    let again = learn(folder.path(), "again", &files);
    assert_eq!(
        outcome["trials"],
        serde_json::from_slice::<serde_json::Value>(&again.stdout).unwrap()["trials"]
    );
    assert!(after == fs::read(folder.path().join("again/model.shelf")).unwrap());
}

#[test]
fn no_correction_is_asked_for_what_it_taught() {
    // Each label's texts say nothing of it, so only what was taught can be right.
    let folder = tempfile::tempdir().unwrap();
    let mixed = |i: u32| (i + 7).wrapping_mul(2_654_435_761).rotate_left(15);
    let word = |i: u32| -> String {
        let parts = (0..8).map(|at| b'a' + (mixed(i) >> (4 * at) & 15) as u8);
        parts.map(char::from).collect()
    };
    let label = |i: u32, other: u32| ["a", "b"][((mixed(mixed(i)) >> 9) + other) as usize % 2];
    let mut csv = String::from("text,label\n");
    let mut desk = csv.clone();
    for i in 0..120 {
        csv += &format!("{} order {i},{}\n", word(i), label(i, 0));
        desk += &format!("{} Order [order]!,{}\n", word(i), label(i, 1));
    }
    fs::write(folder.path().join("said.csv"), csv).unwrap();
    fs::write(folder.path().join("desk.csv"), desk).unwrap();
    let output = learn(folder.path(), "model", &["--feedback", "desk.csv"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let effect = &outcome["feedback"]["effect"];
    for asked in ["texts", "corrections"] {
        assert_eq!(effect[asked]["count"], 120, "{effect}");
        for way in ["with", "without"] {
            let share = effect[asked][way].as_f64().unwrap();
            assert!((0.25..0.75).contains(&share), "{effect}");
        }
    }
}

#[test]
fn feedback_that_cannot_be_read_is_refused_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("said.csv"), table()).unwrap();
    for (name, bytes, wanted) in [
        (
            "a.csv",
            &b"text,label\nhi,refnud\n,cancel\n"[..],
            &[
                "label_unknown at a.csv row 1",
                "cancel, oos, person, refund",
                "text_missing at a.csv row 2",
            ][..],
        ),
        (
            "b.csv",
            b"text,was\nhi,refund\n",
            &["column_missing", "b.csv: label"],
        ),
        (
            "c.csv",
            b"text,label\na,b,c\n\xff\xfe,refund\n",
            &["c.csv row 1", "c.csv row 2"],
        ),
        (
            "d.jsonl",
            b"{\"text\":\"hi\",\"label\":\"refund\"}\n{\"text\":1}\nno json\n\xff\n",
            &[
                "row_unreadable at d.jsonl row 2",
                "d.jsonl row 3",
                "d.jsonl row 4",
            ],
        ),
        ("e.txt", b"", &["table_format"]),
        ("f.csv", b"", &["column_missing"]),
        ("g.parquet", b"PAR1PAR1", &["g.parquet"]),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let output = learn(folder.path(), "refused", &["--feedback", name]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {told}");
        for part in wanted {
            assert!(told.contains(part), "{name}: {part} isn't in {told}");
        }
        assert!(!folder.path().join("refused").exists());
    }
    let output = learn(folder.path(), "refused", &["--feedback", "missing.csv"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("file_failed at missing.csv"));
    // All left out is nothing put right, and no fault.
    fs::write(folder.path().join("none.csv"), "text,label\nhi,\n").unwrap();
    let output = learn(folder.path(), "plain", &["--feedback", "none.csv"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["feedback"]["corrections"], 0);
    assert!(outcome["feedback"]["effect"].is_null());
    let [a, b] = [
        shelf(folder.path(), "model"),
        fs::read(folder.path().join("plain/model.shelf")).unwrap(),
    ];
    assert!(a == b);
}

fn label_next(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .current_dir(folder)
        .args(["label-next", "--model", "model", "--json"])
        .args(more)
        .output()
        .unwrap()
}

/// The table's rows, without the header.
fn listed(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    let header = [
        "text",
        "label",
        "was",
        "probability",
        "margin",
        "count",
        "covers",
    ];
    assert_eq!(reader.headers().unwrap(), header.as_slice());
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| row.iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn the_texts_that_are_worth_a_label_are_listed_and_masked_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("said.csv", &table());
    shelf(folder.path(), "model");
    // What is known, then what is new: often, once, and all but the same.
    let mut said = String::from("who,text\n");
    for (_, texts) in SAID {
        for text in texts {
            said += &format!("a,\"{text}\"\n");
        }
    }
    let voucher = "does the voucher for AB-1042 work twice";
    for (text, times) in [
        (voucher, 5),
        ("DOES the voucher for AB-2210 work twice???", 2),
        ("does the gift card work twice in one basket", 1),
        ("=does the gift card work twice in one basket!", 1),
        ("=2+2 ring me on 07700 900123 or a.b@example.com", 1),
        (" ", 3),
    ] {
        for _ in 0..times {
            said += &format!("a,\"{text}\"\n");
        }
    }
    write("new.csv", &said);
    write(
        "more.jsonl",
        "{\"text\":\"does the voucher for ab-9000 work twice\",\"id\":7}\n",
    );
    let arguments = [
        ["--unlabelled", "new.csv"],
        ["--unlabelled", "more.jsonl"],
        ["--labelled", "said.csv"],
        ["--orders", "AB-####"],
        ["--country", "GB"],
        ["--count", "20"],
        ["--out", "next.csv"],
    ];
    let output = label_next(folder.path(), arguments.as_flattened());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let rows = listed(folder.path(), "next.csv");
    let texts: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let [first, ..] = &rows[..] else {
        panic!("nothing is listed");
    };
    assert_eq!(
        first[0], "does the voucher for [order] work twice",
        "{texts:?}"
    );
    assert_eq!(
        first[5], "8",
        "as often as it was written, whatever the order"
    );
    assert_eq!(
        rows.len(),
        3,
        "no near duplicates, nothing that is labelled: {texts:?}"
    );
    assert!(
        texts.contains(&"'=2+2 ring me on [phone] or [email]"),
        "{texts:?}"
    );
    assert!(
        rows.iter()
            .all(|row| row[1].is_empty() && !row[2].is_empty())
    );
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&outcome["texts"], &outcome["picked"]),
        (&94.into(), &3.into())
    );
    let before = fs::read(folder.path().join("next.csv")).unwrap();
    assert!(
        label_next(folder.path(), arguments.as_flattened())
            .status
            .success()
    );
    assert!(before == fs::read(folder.path().join("next.csv")).unwrap());

    // A person fills in a label and leaves the rest; what is learnt then knows it.
    let filled = String::from_utf8(before).unwrap();
    let filled = filled.replacen("work twice\",,", "work twice\",refund,", 1);
    write("next.csv", &filled);
    let output = learn(folder.path(), "after", &["--feedback", "next.csv"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["feedback"]["corrections"], 1);
    assert_eq!(outcome["feedback"]["unlabelled"], 2);
    let after = fs::read(folder.path().join("after/model.shelf")).unwrap();
    assert_eq!(label(&after, voucher), "refund");
}

#[test]
fn what_cannot_be_listed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    write("said.csv", table().as_bytes());
    shelf(folder.path(), "model");
    write("new.csv", b"text\nhello\n");
    write("none.csv", b"text\n");
    write("odd.csv", b"words\nhello\n");
    write("odd.jsonl", b"{\"words\":1}\n");
    write(
        "long.csv",
        format!("text\n{}\n", "long ".repeat(4000)).as_bytes(),
    );
    for (arguments, wanted) in [
        (
            ["new.csv", "--count=0", "--country=GB"],
            "count_out_of_range",
        ),
        (
            ["new.csv", "--count=1001", "--country=GB"],
            "count_out_of_range",
        ),
        (
            ["new.csv", "--orders=A*", "--country=GB"],
            "pattern_invalid",
        ),
        (
            ["new.csv", "--orders=###-###", "--country=XX"],
            "country_unknown",
        ),
        (["odd.csv", "--count=5", "--country=GB"], "column_missing"),
        (["odd.jsonl", "--count=5", "--country=GB"], "row_unreadable"),
        (
            ["long.csv", "--count=5", "--country=GB"],
            "text_too_long at long.csv row 1",
        ),
        (["missing.csv", "--count=5", "--country=GB"], "file_failed"),
    ] {
        let mut all = vec!["--out", "refused.csv", "--unlabelled"];
        all.extend(arguments);
        let output = label_next(folder.path(), &all);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(told.contains(wanted), "{arguments:?}: {told}");
        assert!(!folder.path().join("refused.csv").exists());
    }
    // A bundle of another task.
    let model = Path::new("../../models/ranking").canonicalize().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .current_dir(folder.path())
        .args([
            "label-next",
            "--unlabelled",
            "new.csv",
            "--out",
            "refused.csv",
            "--model",
        ])
        .arg(model)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("not_a_classifier"), "{told}");
    // Nothing to ask is an empty list.
    let output = label_next(
        folder.path(),
        &["--unlabelled", "none.csv", "--out", "empty.csv"],
    );
    assert!(output.status.success());
    assert!(listed(folder.path(), "empty.csv").is_empty());
}

fn told(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), told)
}

#[test]
fn tables_that_would_teach_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "hello there,greet\ngood morning,greet\nhi you,greet\nevening all,greet\n\
        hey everyone,greet\nwhere is it,status\nis it here yet,status\nwhen will it come,status\n\
        has it left,status\nstill waiting for it,status\n";
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let table = |rest: &[u8]| [b"text,label\n", rows.as_bytes(), rest].concat();
    // 你好 in GBK.
    write("gbk.csv", &table(b"\xc4\xe3\xba\xc3,greet\n"));
    write("fields.csv", &table(b"well, hello,greet\n"));
    write("quote.csv", &table(b"\"who is,greet\nwhere,status\n"));
    write("twice.csv", b"text,label,text\na,b,c\n");
    write("empty.csv", b"");
    write(
        "good.csv",
        &table(b"\"a, \"\"b\"\"\",greet\n5\" pipe,status"),
    );
    for (names, wanted) in [
        (&["gbk.csv"][..], &["row_unreadable at gbk.csv line 12"][..]),
        (&["fields.csv"], &["row_unreadable at fields.csv line 12"]),
        (&["quote.csv"], &["csv_quote_open at quote.csv line 12"]),
        (&["twice.csv"], &["column_twice"]),
        (&["empty.csv"], &["column_missing"]),
        (
            &["twice.csv", "gbk.csv", "fields.csv"],
            &["column_twice", "gbk.csv line 12", "fields.csv line 12"],
        ),
    ] {
        let mut arguments = vec!["intent", "--out", "model"];
        arguments.extend(names.iter().flat_map(|name| ["--data", name]));
        let (done, said) = told(folder.path(), &arguments);
        assert!(!done, "{names:?}");
        for wanted in wanted {
            assert!(said.contains(wanted), "{names:?}: {said}");
        }
        assert!(!folder.path().join("model").exists());
    }
    let (done, said) = told(
        folder.path(),
        &[
            "intent",
            "--data",
            "good.csv",
            "--out",
            "model",
            "--max-bytes",
            "10",
        ],
    );
    assert!(!done && said.contains("model_too_large"), "{said}");
    let (done, said) = told(
        folder.path(),
        &["intent", "--data", "good.csv", "--out", "model"],
    );
    assert!(done, "{said}");
    // What is read isn't written over.
    write("said.csv", b"text\nhello you\n");
    for input in ["--unlabelled", "--labelled"] {
        let mut arguments = vec!["label-next", "--model", "model", "--out", "said.csv"];
        arguments.extend(["--unlabelled", "good.csv", input, "said.csv"]);
        let (done, said) = told(folder.path(), &arguments);
        assert!(!done && said.contains("out_is_an_input"), "{said}");
    }
    assert_eq!(
        std::fs::read(folder.path().join("said.csv")).unwrap(),
        b"text\nhello you\n"
    );
}

#[test]
fn catalogues_that_would_lose_products_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("quote.csv", b"sku,name\n1,\"A\n2,B\n3,C");
    write("gbk.csv", b"sku,name\n1,\xc4\xe3\xba\xc3\n");
    write("twice.csv", b"sku,sku,name\n1,2,A\n");
    write("good.csv", b"sku,name\n1,A\n2,\"B, \"\"C\"\"\"");
    for (name, wanted) in [
        ("quote.csv", "csv_quote_open at quote.csv line 2"),
        ("gbk.csv", "not_utf8 at gbk.csv line 2"),
        ("twice.csv", "column_twice"),
    ] {
        let (done, said) = told(
            folder.path(),
            &["graph", "--catalogue", name, "--out", "g.shelf"],
        );
        assert!(!done && said.contains(wanted), "{name}: {said}");
    }
    let graph = |out: &str| {
        told(
            folder.path(),
            &["graph", "--catalogue", "good.csv", "--out", out],
        )
    };
    let (done, said) = graph("twice.csv");
    assert!(!done && said.contains("out_is_no_graph"), "{said}");
    // A graph is replaced by a newer one.
    assert!(graph("g.shelf").0 && graph("g.shelf").0);
}
