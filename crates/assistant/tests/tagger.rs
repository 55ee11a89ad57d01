//! A compiled tagger: its spans, damage of its bytes, and what a dialogue makes of it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../fuzz/src/tagger.rs"]
mod body;

use std::collections::BTreeMap;

use shelfedge_assistant::{TagBuffers, Tagger, Tags};
use shelfedge_commerce::rng::Rng;
use shelfedge_engine::program::{
    Data, Kind, Mode, Op, Port, Program, Rows, Shape, Step, Tensor, TensorId, Value, ValueId,
};
use shelfedge_features::text::{Features, MOST_FEATURES, Text, Window};

/// Made up: what customers say who saw a lower price. Blanks are between tokens.
const SAID: [(&str, &str); 10] = [
    (
        "the steel kettle for £19.99 at Northgate",
        "O B I O O O O S",
    ),
    (
        "a garden lantern for £11.99 at Home Corner",
        "O B I O O O O S T",
    ),
    (
        "the red lunch bag for £4.50 at Kettle World",
        "O B I I O O O O S T",
    ),
    ("Home Corner has the cake stand for £8", "S T O O B I O O O"),
    ("Northgate has a hand warmer for £2", "S O O B I O O O"),
    (
        "I saw a garden lantern at Penny Lane , it was £5",
        "O O O B I O S T O O O O O",
    ),
    ("can you match £5 at Kettle World ?", "O O O O O O S T O"),
    ("no thank you , I have them at home", "O O O O O O O O O"),
    ("it is the steel kettle , thanks", "O O O B I O O"),
    (
        "where is my parcel , I ordered it at noon",
        "O O O O O O O O O O",
    ),
];

fn names([product, seller]: [&str; 2]) -> Vec<String> {
    let inner = [product, seller].map(|it| [["B-", it].concat(), ["I-", it].concat()]);
    let outer = ["O".to_owned()].into_iter();
    outer.chain(inner.into_iter().flatten()).collect()
}

fn words(text: &str) -> Vec<String> {
    let text = Text::new(text);
    let tokens = text.tokens().iter();
    tokens.map(|token| text.normal(token).to_owned()).collect()
}

/// A tagger that scores each feature by how often it goes with a tag.
fn tagger(kinds: [&str; 2]) -> Vec<u8> {
    const TAGS: usize = 5;
    let mut counts: BTreeMap<u32, [f32; TAGS]> = BTreeMap::new();
    for (text, tags) in SAID {
        let tokens = words(text);
        let tags: Vec<usize> = (tags.split(' '))
            .map(|tag| "OBIST".find(tag).unwrap())
            .collect();
        assert_eq!(tokens.len(), tags.len(), "{tokens:?}");
        Window::Words.each(&[], &tokens, |at, keys| {
            for key in keys {
                counts.entry(*key).or_default()[tags[at]] += 1.0;
            }
        });
    }
    let keys: Vec<u32> = counts.keys().copied().collect();
    let mut table = vec![0.0; TAGS];
    for row in counts.values() {
        let all: f32 = row.iter().sum();
        table.extend(row.iter().map(|count| count / all - 0.2));
    }
    let value = |len: u32, width: u32, kind| Value {
        shape: Shape {
            rows: Rows::PerRow,
            len,
            width,
        },
        kind,
    };
    let port = |name: &str, value| Port {
        name: name.to_owned(),
        value: ValueId(value),
    };
    let program = Program {
        values: vec![
            value(MOST_FEATURES as u32, 1, Kind::I32),
            value(1, TAGS as u32, Kind::F32),
        ],
        inputs: vec![port("feature", 0)],
        outputs: vec![port("emission", 1)],
        steps: vec![Step {
            op: Op::Bag {
                table: TensorId(0),
                ids: ValueId(0),
                weights: None,
                mode: Mode::Sum,
                padding: None,
            },
            result: ValueId(1),
        }],
        tensors: vec![Tensor {
            rows: keys.len() as u32 + 1,
            cols: TAGS as u32,
            data: Data::F32(table),
        }],
        forests: vec![],
    };
    let tags = Tags {
        names: names(kinds),
        transitions: vec![0.0; (TAGS + 1) * TAGS],
    };
    let sections = [
        (Features::SECTION, Features::write(Window::Words, &keys)),
        (Tags::SECTION, tags.write()),
    ];
    program.compile(&sections).unwrap()
}

#[test]
fn spans_are_bytes_of_the_text_with_a_probability() {
    let shelf = tagger(["product", "seller"]);
    let tagger = Tagger::open(&shelf[..]).unwrap();
    assert_eq!(tagger.kinds().collect::<Vec<_>>(), ["product", "seller"]);
    let mut buffers = TagBuffers::default();
    let text = "The STEEL kettle for £21.50 at Kettle World";
    let spans = tagger.spans("", text, &mut buffers);
    let found: Vec<(&str, &str)> = (spans.iter())
        .map(|span| (span.tag, &text[span.bytes.clone()]))
        .collect();
    assert_eq!(
        found,
        [("product", "STEEL kettle"), ("seller", "Kettle World")]
    );
    let sure = |text: &str, buffers: &mut TagBuffers| {
        let spans = tagger.spans("", text, buffers);
        spans.iter().map(|span| span.confidence).fold(1.0, f32::min)
    };
    assert!(spans.iter().all(|span| span.confidence > 0.8), "{spans:?}");
    // Names that were never said so.
    let (whole, mixed) = (
        sure(text, &mut buffers),
        sure("at Kettle Lane", &mut buffers),
    );
    assert!(0.5 < mixed && mixed < whole, "{mixed} {whole}");
    assert!(tagger.spans("", "", &mut buffers).is_empty());
}

#[test]
fn damaged_files_are_an_error_or_a_tagger_but_never_a_panic() {
    let seed = tagger(["product", "seller"]);
    assert!(body::tagger(&seed));
    for cut in (0..seed.len()).step_by(7) {
        assert!(!body::tagger(&seed[..cut]), "{cut}");
    }
    let mut rng = Rng::new(5, 0);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..3000 {
        // The first 2 KiB say how the rest is to be read.
        let most = if round % 2 == 0 { seed.len() } else { 2048 };
        let mut bad = seed.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(most.min(bad.len()));
            bad[at] = rng.next_u64() as u8;
        }
        match body::tagger(&bad) {
            true => opened += 1,
            false => refused += 1,
        }
    }
    assert!(opened > 100 && refused > 100, "{opened} {refused}");
}

#[cfg(feature = "compile")]
mod in_an_assistant {
    use shelfedge_assistant::dialogue::{Expects, Output};
    use shelfedge_assistant::flow::compile;
    use shelfedge_assistant::{Assistant, AssistantError, Happened, SECTIONS, Shop, TurnBuffers};
    use shelfedge_commerce::Currency;
    use shelfedge_engine::file;

    const FLOWS: &str = include_str!("../../../models/assistant/flows.toml");
    const INTENT: &[u8] = include_bytes!("../../../models/intent/model.shelf");

    fn file(slots: Option<&[u8]>) -> Vec<u8> {
        let shop = Shop {
            currency: Some(Currency::GBP),
            orders: vec!["######".to_owned()],
            ..Shop::default()
        };
        let (shop, flows) = (shop.write(), compile::compile(FLOWS, &[]).unwrap());
        let parts = [
            Some(&shop[..]),
            Some(&flows),
            Some(INTENT),
            None,
            None,
            slots,
        ];
        let sections: Vec<(&str, &[u8])> = (SECTIONS.into_iter().zip(parts))
            .filter_map(|(name, bytes)| Some((name, bytes?)))
            .collect();
        file::write(&sections).unwrap()
    }

    fn hears(file: &[u8], said: &[&str]) -> Output {
        let assistant = Assistant::open(file).unwrap();
        let mut buffers = TurnBuffers::default();
        let mut last = Output::default();
        for said in said {
            let said = Happened::Said(said);
            let turn = assistant.turn(&last.state, 1_768_467_600_000, &said, &mut buffers);
            last = turn.unwrap().output;
        }
        last
    }

    const ASKS: [&str; 2] = [
        "Match a lower price",
        "the garden lantern for £11.99 at Home Corner",
    ];

    #[test]
    fn it_fills_slots_for_text_and_products_out_of_the_middle_of_a_text() {
        let without = hears(&file(None), &ASKS);
        assert!(
            !without.replies.concat().contains("(Home Corner)"),
            "{without:?}"
        );
        let tagger = super::tagger(["product", "seller"]);
        let with = hears(&file(Some(&tagger)), &ASKS);
        assert_eq!(with.expects, Expects::YesNo, "{with:?}");
        let said = with.replies.concat();
        for value in ["garden lantern for", "(Home Corner)", "11.99"] {
            assert!(said.contains(value), "{value}: {said}");
        }
    }

    #[test]
    fn what_recognisers_find_isnt_the_taggers() {
        // The same spans as sums, in which no recogniser finds one, and as names, which
        // this flow has no slot for.
        let tagger = super::tagger(["money", "name"]);
        let heard = hears(&file(Some(&tagger)), &ASKS);
        assert_eq!(heard, hears(&file(None), &ASKS));
    }

    #[test]
    fn a_tag_that_the_flows_have_no_use_for_is_refused() {
        for kinds in [
            ["product", "shop_front"],
            ["text", "seller"],
            ["order", "seller"],
        ] {
            let refused = Assistant::open(&file(Some(&super::tagger(kinds)))[..]).map(|_| ());
            let Err(AssistantError { section, cause }) = refused else {
                panic!("{kinds:?}");
            };
            assert_eq!(section, "slots");
            assert!(kinds.iter().any(|kind| cause.contains(kind)), "{cause}");
        }
        assert!(Assistant::open(&file(Some(INTENT))[..]).is_err());
    }
}
