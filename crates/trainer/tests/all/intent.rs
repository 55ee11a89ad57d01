//! Texts to a classifier of them, by the command.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use shelfedge_assistant::{Buffers, Classifier, OpenError};
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
