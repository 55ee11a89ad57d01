//! A ranking model of six products, small enough to check by hand: the score is
//! a weighted sum of five features.

use shelfedge_commerce::{Currency, Timestamp};
use shelfedge_engine::program::{
    Data, Kind, Op, Port, Program, Rows, Shape, Step, Tensor, TensorId, Unary, Value, ValueId,
};
use shelfedge_features::attributes::{self, AttributeRow};
use shelfedge_features::questions::{self, Answer, Band, Question};
use shelfedge_features::tables::{self, ProductRow, Stats};
use shelfedge_features::{
    Meta,
    spec::{Numeric, Source, Spec},
};
use shelfedge_ranking::Ranker;

/// What responses call the model.
pub(crate) const DIGEST: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";

const WEIGHTS: [(Source, f32); 5] = [
    (Source::TimesBought, 1.0),
    (Source::SessionBest, 2.0),
    (Source::HistoryBest, 0.5),
    (Source::Buyers30, 0.25),
    (Source::Price, -0.1),
];

/// Id, title, pence, buyers in 30 days, and the most similar product.
pub(crate) const PRODUCTS: [(&str, &str, u32, u32, u32); 6] = [
    ("20725", "LUNCH BAG RED RETROSPOT", 165, 132, 1),
    ("20727", "LUNCH BAG BLACK SKULL", 165, 90, 0),
    ("22423", "REGENCY CAKESTAND 3 TIER", 1_275, 60, 4),
    ("71053", "WHITE METAL LANTERN", 375, 1, 5),
    ("84879", "ASSORTED COLOUR BIRD ORNAMENT", 169, 75, 2),
    (
        "85123A",
        "WHITE HANGING HEART \"T-LIGHT\" HOLDER",
        295,
        0,
        3,
    ),
];

/// The category and brand of each product; who sells it isn't known of any.
const ATTRIBUTES: [(&str, &str); 6] = [
    ("bags", "Retrospot"),
    ("bags", "Skull"),
    ("cake", ""),
    ("lights", "Retrospot"),
    ("", ""),
    ("lights", ""),
];

/// The section of the attributes.
pub(crate) fn attributes() -> Vec<u8> {
    let rows = ATTRIBUTES.map(|(category, brand)| AttributeRow {
        category: Some(category.to_owned()),
        brand: Some(brand.to_owned()),
        seller: None,
    });
    attributes::write(&rows)
}

/// The section of the questions: what is looked for, and at what price.
pub(crate) fn questions() -> Vec<u8> {
    let answer = |name: &str, band, exemplars: &[(u32, f32)]| Answer {
        name: name.to_owned(),
        band,
        exemplars: exemplars.to_vec(),
    };
    let words = [
        ("lunch bag", &[(0, 1.0), (1, 0.5)]),
        ("lantern", &[(3, 1.0), (5, 0.25)]),
    ];
    let prices = [(0, Some(200)), (200, Some(1_000)), (1_000, None)];
    let of_price = |((from, to), product): ((u64, Option<u64>), u32)| {
        let name = format!(
            "{from}-{}",
            to.map_or(String::new(), |to: u64| to.to_string())
        );
        answer(&name, Some(Band { from, to }), &[(product, 1.0)])
    };
    let questions = [
        Question {
            kind: questions::Kind::Title,
            number: 1,
            answers: words
                .map(|(name, products)| answer(name, None, products))
                .to_vec(),
        },
        Question {
            kind: questions::Kind::Price,
            number: 1,
            answers: prices.into_iter().zip([4, 5, 2]).map(of_price).collect(),
        },
    ];
    questions::write(&questions, PRODUCTS.len())
}

/// The compiled model.
pub(crate) fn bytes() -> Vec<u8> {
    with(Some(attributes()), Some(questions()))
}

/// The compiled model with some sections of attributes and questions, or none.
pub(crate) fn with(attributes: Option<Vec<u8>>, questions: Option<Vec<u8>>) -> Vec<u8> {
    of(&PRODUCTS, attributes, questions)
}

/// The compiled model of some products, in the form of [`PRODUCTS`].
pub(crate) fn of(
    products: &[(&str, &str, u32, u32, u32)],
    attributes: Option<Vec<u8>>,
    questions: Option<Vec<u8>>,
) -> Vec<u8> {
    let numeric = |(source, _): (Source, f32)| Numeric {
        source,
        mean: 0.0,
        scale: 1.0,
        limit: 1_000.0,
    };
    let spec = Spec {
        context: Vec::new(),
        candidate: WEIGHTS.map(numeric).to_vec(),
        wide: Vec::new(),
        wide_buckets: 1,
        title_tokens: 1,
        title_buckets: 1,
        session_products: 1,
        product_slots: 1,
    };
    let rows: Vec<ProductRow> = products
        .iter()
        .map(|&(id, title, price, buyers, similar)| ProductRow {
            id: id.to_owned(),
            title: title.to_owned(),
            stats: Stats {
                slot: 0,
                price: price.into(),
                buyers: [buyers / 2, buyers, 3 * buyers, 9 * buyers],
                first_day: 14_944,
                last_day: 15_317,
                repeat: 0,
            },
            similar: vec![(similar, 0.5)],
        })
        .collect();
    let written = tables::write(&rows, 1, &[0, 1, 4, 2, 3, 5]);
    let meta = Meta {
        spec: [1; 32],
        onnx: [2; 32],
        data: [3; 32],
        as_of: Timestamp::parse_rfc3339("2011-12-09T12:50:00Z").expect("a time"),
        currency: Currency::GBP,
    };
    let mut sections = vec![
        ("meta", meta.write()),
        ("spec", spec.write()),
        ("products", written.products),
        ("similar", written.similar),
        ("popular", written.popular),
    ];
    sections.extend(attributes.map(|section| (attributes::SECTION, section)));
    sections.extend(questions.map(|section| (questions::SECTION, section)));
    let weights = WEIGHTS.map(|(_, weight)| weight).to_vec();
    dense(("candidate", "score"), weights, None, &sections)
}

/// A compiled model of one matrix, a row for each output, and what is added to each.
pub(crate) fn dense(
    (input, output): (&str, &str),
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    sections: &[(&str, Vec<u8>)],
) -> Vec<u8> {
    let outputs = bias.as_ref().map_or(1, Vec::len);
    let inputs = weights.len() / outputs;
    let value = |width: usize| Value {
        shape: Shape {
            rows: Rows::PerRow,
            len: 1,
            width: width as u32,
        },
        kind: Kind::F32,
    };
    let port = |name: &str, value| Port {
        name: name.to_owned(),
        value: ValueId(value),
    };
    let tensor = |rows: usize, cols: usize, data| Tensor {
        rows: rows as u32,
        cols: cols as u32,
        data: Data::F32(data),
    };
    let has_bias = bias.is_some();
    let matrix = tensor(outputs, inputs, weights);
    let bias = bias.map(|bias| tensor(1, outputs, bias));
    let program = Program {
        values: vec![value(inputs), value(outputs)],
        inputs: vec![port(input, 0)],
        outputs: vec![port(output, 1)],
        steps: vec![Step {
            op: Op::Dense {
                x: ValueId(0),
                weight: TensorId(0),
                bias: has_bias.then_some(TensorId(1)),
                addend: None,
                activation: Unary::Identity,
            },
            result: ValueId(1),
        }],
        tensors: [matrix].into_iter().chain(bias).collect(),
        forests: Vec::new(),
    };
    program.compile(sections).expect("a model")
}

/// The opened model.
pub(crate) fn ranker() -> Ranker<Vec<u8>> {
    Ranker::open(bytes()).expect("a ranker")
}
