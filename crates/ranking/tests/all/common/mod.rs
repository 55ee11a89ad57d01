//! A small compiled model with a log.

use shelfedge_commerce::{Currency, Event, EventItem, EventKind, ProductId, Timestamp};
use shelfedge_engine::program::{
    Aggregate, Forest, Kind, Node, Op, PostTransform, Program, Rows, Test,
};
use shelfedge_features::tables::{self, ProductRow};
use shelfedge_features::{Meta, Spec, Stats};

pub(crate) const PRODUCTS: u32 = 12;
/// What every number of the reference row is.
pub(crate) const REFERENCE: f32 = 0.1;

pub(crate) fn id(product: u32) -> ProductId {
    ProductId::new(format!("p{product:02}")).unwrap()
}

/// What a stump looks at, up to which value, and its scores up to there and
/// above.
pub(crate) type Stump = (u32, f32, f32, f32);

/// A model of so many products: stumps over rows of `width` numbers, with sections for its log;
/// what is newest is popular.
pub(crate) fn model(
    products: u32,
    port: &str,
    width: u32,
    stumps: &[Stump],
    logs: &[(&'static str, Vec<u8>)],
    digest: u8,
) -> Vec<u8> {
    let mut forest = Forest {
        features: width,
        targets: 1,
        base: Vec::new(),
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees: Vec::new(),
        leaf_weights: Vec::new(),
    };
    for &(feature, threshold, low, high) in stumps {
        let first = forest.leaf_weights.len() as u32;
        forest.leaf_weights.extend([(0, low), (0, high)]);
        forest.trees.push(vec![
            Node::Branch {
                feature,
                test: Test::Leq,
                threshold,
                if_true: 1,
                if_false: 2,
                missing_is_true: false,
            },
            Node::Leaf { first, count: 1 },
            Node::Leaf {
                first: first + 1,
                count: 1,
            },
        ]);
    }
    let mut program = Program::default();
    let x = program.input(port, Kind::F32, Rows::PerRow, 1, width);
    let forest = program.forest(forest);
    let score = program.push(Op::Trees { x, forest }).unwrap();
    program.output("score", score);
    let rows: Vec<ProductRow> = (0..products)
        .map(|product| ProductRow {
            id: id(product).as_str().to_owned(),
            title: String::new(),
            stats: Stats::default(),
            similar: Vec::new(),
        })
        .collect();
    let written = tables::write(&rows, 0, &(0..products).rev().collect::<Vec<_>>());
    let meta = Meta {
        spec: [1; 32],
        onnx: [2; 32],
        data: [digest; 32],
        as_of: Timestamp(0),
        currency: Currency::parse("EUR").unwrap(),
    };
    // One for each list.
    let reference = (0..2 * width)
        .flat_map(|_| REFERENCE.to_le_bytes())
        .collect();
    let mut sections = vec![
        ("meta", meta.write()),
        ("spec", Spec::empty().write()),
        ("products", written.products),
        ("similar", written.similar),
        ("popular", written.popular),
        ("reference", reference),
    ];
    sections.extend_from_slice(logs);
    program.compile(&sections).unwrap()
}

/// An event in a minute.
pub(crate) fn event(kind: EventKind, minute: i64, products: &[u32]) -> Event {
    Event {
        id: None,
        time: Timestamp(minute * 60_000),
        kind,
        transaction: None,
        currency: None,
        list: None,
        items: products
            .iter()
            .map(|product| EventItem {
                product: id(*product),
                quantity: 1,
                price: None,
                index: None,
            })
            .collect(),
    }
}
