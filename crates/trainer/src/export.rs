//! What was learnt, a network or trees, as ONNX; the network as a compiled program.

use std::collections::BTreeMap;

use shelfedge_engine::program::{
    Aggregate, Forest as Trees, Node as TreeNode, PostTransform, Program, Test,
};
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind, Pool};
use shelfedge_onnx::{Options, Precision, lower};

use crate::boost::{Forest, Node};
use crate::error::{Error, Result};
use crate::model::{Dims, Weights};
use crate::round::Int8;

/// Writes the ONNX file. The metadata stands in it in the given order.
pub fn onnx(dims: &Dims, weights: &Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut g = Graph::new("ranking");
    g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        g.metadata(key, value);
    }
    let per_row = |width: usize| [Dim::Rows, Dim::Fixed(width)];
    let shared = |width: usize| [Dim::Fixed(1), Dim::Fixed(width)];
    let context = g.input("context", Kind::F32, &shared(dims.context));
    let candidate = g.input("candidate", Kind::F32, &per_row(dims.candidate));
    let product = g.input("product", Kind::I64, &per_row(1));
    let title = g.input("title", Kind::I64, &per_row(dims.title));
    let wide = g.input("wide", Kind::I64, &per_row(dims.wide));
    let session = g.input("session", Kind::I64, &shared(dims.session));

    let (d, dw) = (dims.product_width, dims.token_width);
    let products = Int8::from_table(&weights.products, d);
    let tokens = Int8::from_table(&weights.tokens, dw);
    let products = g.int8(
        "product_table",
        [dims.products, d],
        products.q,
        products.scale,
    );
    let tokens = g.int8("token_table", [dims.tokens, dw], tokens.q, tokens.scale);
    let slots = g.f32("wide_table", &[dims.slots, 1], weights.slots.clone());

    let e = g.embed(products, product);
    let t = g.bag(tokens, title, Pool::Sum);
    let s = g.bag_padded(products, session, Pool::Mean);
    let both = g.mul(e, s);
    let context = g.expand(context, candidate);
    let s = g.expand(s, candidate);
    // The order of `Dims::inputs`.
    let x = g.concat(&[context, s, candidate, e, t, both]);
    let [h1, h2] = dims.hidden;
    let w1 = g.f32("w1", &[dims.inputs(), h1], weights.w1.clone());
    let b1 = g.f32("b1", &[h1], weights.b1.clone());
    let x = g.dense(x, w1, Some(b1), Activation::Relu);
    let w2 = g.f32("w2", &[h1, h2], weights.w2.clone());
    let b2 = g.f32("b2", &[h2], weights.b2.clone());
    let x = g.dense(x, w2, Some(b2), Activation::Relu);
    let w3 = g.f32("w3", &[h2, 1], weights.w3.clone());
    let b3 = g.f32("b3", &[1], weights.b3.clone());
    let deep = g.dense(x, w3, Some(b3), Activation::None);
    let linear = g.bag(slots, wide, Pool::Sum);
    let score = g.add(deep, linear);
    g.output("score", score);
    g.finish().map_err(|e| internal("onnx", e.to_string()))
}

/// Writes trees over rows of `width` numbers, named `input`, as an ONNX file.
pub fn forest(
    input: &str,
    forest: &Forest,
    width: usize,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>> {
    let mut leaf_weights = Vec::new();
    let trees = forest
        .trees
        .iter()
        .map(|tree| {
            tree.iter()
                .map(|node| match *node {
                    Node::Branch {
                        feature,
                        threshold,
                        left,
                        right,
                    } => TreeNode::Branch {
                        feature,
                        test: Test::Leq,
                        threshold,
                        if_true: left,
                        if_false: right,
                        missing_is_true: false,
                    },
                    Node::Leaf(score) => {
                        leaf_weights.push((0, score));
                        TreeNode::Leaf {
                            first: leaf_weights.len() as u32 - 1,
                            count: 1,
                        }
                    }
                })
                .collect()
        })
        .collect();
    let trees = Trees {
        features: width as u32,
        targets: 1,
        base: Vec::new(),
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees,
        leaf_weights,
    };
    let mut graph = Graph::new(input);
    graph.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        graph.metadata(key, value);
    }
    let rows = graph.input(input, Kind::F32, &[Dim::Rows, Dim::Fixed(width)]);
    let score = graph.trees(rows, &trees);
    graph.output("score", score);
    graph.finish().map_err(|e| internal("onnx", e.to_string()))
}

/// Lowers the ONNX file to the program that the engine runs, in the precisions
/// to which the weights were rounded.
pub fn program(onnx: &[u8]) -> Result<Program> {
    let options = Options {
        dense: Precision::F16,
        tables: Precision::I8,
        overrides: BTreeMap::from([("wide_table".to_owned(), Precision::F16)]),
        ..Options::default()
    };
    lower(onnx, &options).map_err(|e| internal("lowering", e.to_string()))
}

/// Compiles the ONNX file of a network by itself, in the precisions to which its weights
/// were rounded.
pub(crate) fn compile(onnx: &[u8], sections: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let options = Options {
        dense: Precision::F16,
        tables: Precision::I8,
        ..Options::default()
    };
    lower(onnx, &options)
        .map_err(|e| internal("lowering", e.to_string()))?
        .compile(sections)
        .map_err(|e| internal("compile", e.to_string()))
}

/// The code of a defect of our own.
pub(crate) const INTERNAL: &str = "internal";

/// Something that our own parts should never do to each other.
pub(crate) fn internal(path: &str, cause: impl Into<String>) -> Error {
    Error::fault(
        INTERNAL,
        path,
        cause,
        "this is a defect of the program; please report it with the data report",
    )
}
