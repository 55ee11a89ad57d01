//! The ranking learner's graph: what it lowers to, and that it gives what tract
//! gives.

mod common;

use common::{Rng, agree, engine, f32s, i64s, show, worst};
use shelfedge_engine::program::{Data, Mode, Op, Program, Rows};
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind, Pool};
use shelfedge_onnx::reference::Tensor;
use shelfedge_onnx::{Options, Precision, lower};

const CONTEXT: usize = 11;
const CANDIDATE: usize = 23;
const TITLE: usize = 12;
const WIDE: usize = 6;
const SESSION: usize = 10;
const PRODUCTS: usize = 40;
const TOKENS: usize = 60;
const SLOTS: usize = 64;
const D: usize = 16;
const H: usize = 32;

fn table(rng: &mut Rng, rows: usize, cols: usize) -> Vec<f32> {
    let mut data = rng.floats(rows * cols);
    data[..cols].fill(0.0);
    data
}

fn onnx() -> Vec<u8> {
    let mut rng = Rng(1);
    let mut g = Graph::new("ranking");
    g.metadata("shelfedge.spec", "{}");
    let rows = |size| [Dim::Rows, Dim::Fixed(size)];
    let context = g.input("context", Kind::F32, &[Dim::Fixed(1), Dim::Fixed(CONTEXT)]);
    let candidate = g.input("candidate", Kind::F32, &rows(CANDIDATE));
    let product = g.input("product", Kind::I64, &rows(1));
    let title = g.input("title", Kind::I64, &rows(TITLE));
    let wide = g.input("wide", Kind::I64, &rows(WIDE));
    let session = g.input("session", Kind::I64, &[Dim::Fixed(1), Dim::Fixed(SESSION)]);
    let products = g.f32(
        "product_table",
        &[PRODUCTS, D],
        table(&mut rng, PRODUCTS, D),
    );
    let words = g.f32("title_table", &[TOKENS, D], table(&mut rng, TOKENS, D));
    let slots = g.f32("wide_table", &[SLOTS, 1], rng.floats(SLOTS));
    let e = g.embed(products, product);
    let t = g.bag(words, title, Pool::Sum);
    let s = g.bag_padded(products, session, Pool::Mean);
    let p = g.mul(e, s);
    let context = g.expand(context, candidate);
    let s = g.expand(s, candidate);
    let x = g.concat(&[context, candidate, e, t, s, p]);
    let inputs = CONTEXT + CANDIDATE + 4 * D;
    let (w1, b1) = (
        g.f32("w1", &[inputs, H], rng.floats(inputs * H)),
        g.f32("b1", &[H], rng.floats(H)),
    );
    let (w2, b2) = (
        g.f32("w2", &[H, H], rng.floats(H * H)),
        g.f32("b2", &[H], rng.floats(H)),
    );
    let (w3, b3) = (
        g.f32("w3", &[H, 1], rng.floats(H)),
        g.f32("b3", &[1], rng.floats(1)),
    );
    let x = g.dense(x, w1, Some(b1), Activation::Relu);
    let x = g.dense(x, w2, Some(b2), Activation::Relu);
    let deep = g.dense(x, w3, Some(b3), Activation::None);
    let linear = g.bag(slots, wide, Pool::Sum);
    let score = g.add(deep, linear);
    g.output("score", score);
    g.finish().expect("the graph is sound")
}

fn inputs(rows: usize, session: &[i64]) -> Vec<(&'static str, Tensor)> {
    let mut rng = Rng(7);
    let mut session = session.to_vec();
    session.resize(SESSION, 0);
    vec![
        ("context", f32s(&[1, CONTEXT], rng.floats(CONTEXT))),
        (
            "candidate",
            f32s(&[rows, CANDIDATE], rng.floats(rows * CANDIDATE)),
        ),
        ("product", i64s(&[rows, 1], rng.ids(rows, PRODUCTS))),
        ("title", i64s(&[rows, TITLE], rng.ids(rows * TITLE, TOKENS))),
        ("wide", i64s(&[rows, WIDE], rng.ids(rows * WIDE, SLOTS))),
        ("session", i64s(&[1, SESSION], session)),
    ]
}

fn count(program: &Program, rows: Rows, wanted: impl Fn(&Op) -> bool) -> usize {
    program
        .steps
        .iter()
        .filter(|s| program.values[s.result.0 as usize].shape.rows == rows && wanted(&s.op))
        .count()
}

#[test]
fn gives_what_tract_gives() {
    for (rows, session) in [
        (1, &[][..]),
        (3, &[5]),
        (61, &[1, 2, 3, 0, 9]),
        (200, &[39; SESSION]),
    ] {
        agree(&onnx(), rows, &inputs(rows, session));
    }
}

#[test]
fn lowers_to_few_steps_and_computes_the_shared_part_once() {
    let program = lower(&onnx(), &Options::default()).expect("it lowers");
    let text = show(&program);
    assert!(
        program.steps.len() <= 12,
        "{} steps\n{text}",
        program.steps.len()
    );
    let dense = |op: &Op| matches!(op, Op::Dense { .. });
    assert_eq!(count(&program, Rows::Shared, dense), 1, "{text}");
    assert_eq!(count(&program, Rows::PerRow, dense), 3, "{text}");
    let session = |op: &Op| {
        matches!(
            op,
            Op::Bag {
                mode: Mode::Mean,
                padding: Some(0),
                ..
            }
        )
    };
    assert_eq!(count(&program, Rows::Shared, session), 1, "{text}");
    // Nothing moves elements about, and the shopper's values are never repeated.
    let moves = |op: &Op| {
        matches!(
            op,
            Op::Reshape { .. }
                | Op::Expand { .. }
                | Op::Transpose { .. }
                | Op::Slice { .. }
                | Op::Unary { .. }
        )
    };
    assert_eq!(
        count(&program, Rows::PerRow, moves) + count(&program, Rows::Shared, moves),
        0,
        "{text}"
    );
    // The product table serves both the candidate and the session.
    assert_eq!(
        program
            .tensors
            .iter()
            .filter(|t| t.rows == PRODUCTS as u32)
            .count(),
        1,
        "{text}"
    );
}

#[test]
fn weights_are_stored_as_asked() {
    let options = Options {
        dense: Precision::F16,
        tables: Precision::I8,
        overrides: [("wide_table".to_owned(), Precision::F32)].into(),
        ..Options::default()
    };
    let program = lower(&onnx(), &options).expect("it lowers");
    let data = |rows: usize, cols: usize| {
        let found = program
            .tensors
            .iter()
            .find(|t| (t.rows, t.cols) == (rows as u32, cols as u32));
        &found.expect("the tensor is there").data
    };
    assert!(matches!(data(PRODUCTS, D), Data::I8 { .. }));
    assert!(matches!(data(TOKENS, D), Data::I8 { .. }));
    assert!(matches!(data(SLOTS, 1), Data::F32(_)));
    assert!(matches!(data(H, H), Data::F16(_)));
    let last = |t: &&shelfedge_engine::program::Tensor| (t.rows, t.cols) == (1, H as u32);
    let kinds: Vec<bool> = program
        .tensors
        .iter()
        .filter(last)
        .map(|t| matches!(t.data, Data::F16(_)))
        .collect();
    assert!(
        kinds.contains(&true) && kinds.contains(&false),
        "the last layer's weight is f16, biases stay f32"
    );

    // Stored smaller, the model still ranks nearly alike.
    let exact = lower(&onnx(), &Options::default()).expect("it lowers");
    let inputs = inputs(50, &[1, 2, 3]);
    let (a, b) = (engine(&exact, 50, &inputs), engine(&program, 50, &inputs));
    let difference = worst(&a[0].1, &b[0].1);
    assert!(difference > 0.0 && difference < 0.05, "{difference}");
}

#[test]
fn an_override_for_a_weight_that_is_not_there_is_an_error() {
    let options = Options {
        overrides: [("wide_tabel".to_owned(), Precision::I8)].into(),
        ..Options::default()
    };
    let error = lower(&onnx(), &options).expect_err("a typing mistake is no option");
    assert_eq!(error.code(), "onnx_precision");
    assert!(error.to_string().contains("wide_tabel"), "{error}");
}

#[test]
fn the_same_calls_give_the_same_bytes() {
    assert_eq!(onnx(), onnx());
    assert_eq!(
        shelfedge_onnx::metadata(&onnx()).expect("it is an ONNX"),
        [("shelfedge.spec".to_owned(), "{}".to_owned())]
    );
}
