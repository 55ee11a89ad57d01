//! Builds ONNX, checks it, lowers it to a compiled model, and runs any ONNX as
//! the reference.
//!
//! - [`build`] writes ONNX: a small typed builder with the layers that our
//!   learners need.
//! - [`lower()`] turns an ONNX into a [`Program`] of the engine, or says which
//!   node can't be.
//! - [`mod@reference`] runs any ONNX through tract.
//! - [`metadata`] and [`check`] read what a file holds.
//!
//! This is the only crate that names tract. It runs natively, when a model is
//! built, and never at the shopper's. It does not learn, does not know products
//! or shoppers, and does no I/O: bytes come in, bytes or programs go out. The
//! lowering takes files from strangers: whatever the bytes are, the answer is a
//! program or an error, never a panic, and memory stays within [`Limits`].
#![forbid(unsafe_code)]

pub mod build;
mod constant;
mod draft;
mod elementwise;
mod error;
mod fold;
mod forest;
pub mod fuzz;
mod graph;
mod linear;
mod lower;
mod operators;
mod passes;
mod precision;
mod reduce;
pub mod reference;
mod scan;
mod shapes;
mod tables;

use std::collections::BTreeMap;

use shelfedge_engine::program::Program;

pub use error::{LowerError, LowerErrorKind};
pub use operators::supported_operators;

/// How weights are stored. Arithmetic is f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Half the size; 11 significant bits.
    F16,
    /// A quarter of the size; 127 steps to each side, scaled by row.
    I8,
}

/// What an ONNX may ask for before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Bytes of memory to decode it.
    pub memory: usize,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Elements of a tensor, and of all weights together.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            memory: 1 << 30,
            nodes: 5_000,
            elements: 64 << 20,
        }
    }
}

/// How to lower.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Precision of the weights of dense layers.
    pub dense: Precision,
    /// Precision of the tables of gathers and bags.
    pub tables: Precision,
    /// Precision of single weights, by the name of their initializer.
    pub overrides: BTreeMap<String, Precision>,
    /// What a file may ask for.
    pub limits: Limits,
}

/// Translates an ONNX into a program of the engine, optimised.
///
/// # Errors
///
/// When the bytes aren't a sound ONNX within the limits, or when it uses
/// something that a compiled model doesn't have; the error names the node, its
/// operator, and what to do.
pub fn lower(bytes: &[u8], options: &Options) -> Result<Program, LowerError> {
    let graph = graph::Graph::parse(bytes, options.limits)?;
    let mut draft = lower::Lowering::run(&graph, options.limits)?;
    drop(graph);
    passes::run(&mut draft);
    precision::store(&mut draft, options)?;
    // The engine has limits of its own, on the size of a value for instance; who
    // lowers a model wants to know at once.
    if let Err(error) = draft.program.compile(&[]) {
        return Err(error::fault!(
            UnsupportedUse,
            "the engine can't take the model: {error}"
        ));
    }
    Ok(draft.program)
}

/// What an ONNX holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Version of the main operator set.
    pub opset: i64,
    /// The inputs: name, and shape as in `[N, 4]`.
    pub inputs: Vec<(String, String)>,
    /// The outputs' names.
    pub outputs: Vec<String>,
    /// How often each operator occurs.
    pub operators: BTreeMap<String, usize>,
    /// Elements of all weights.
    pub weights: usize,
    /// The metadata.
    pub metadata: Vec<(String, String)>,
}

/// Checks an ONNX's structure: its size, its names, its tensors, the absence of
/// cycles. It doesn't check that it can be lowered; [`lower()`] does.
///
/// # Errors
///
/// When the structure is unsound.
pub fn check(bytes: &[u8]) -> Result<Summary, LowerError> {
    let graph = graph::Graph::parse(bytes, Limits::default())?;
    let mut operators = BTreeMap::new();
    for node in &graph.nodes {
        *operators.entry(node.operator.clone()).or_insert(0) += 1;
    }
    Ok(Summary {
        opset: graph.opset,
        inputs: graph
            .inputs
            .iter()
            .map(|i| (i.name.clone(), lower::show(&i.dims)))
            .collect(),
        outputs: graph.outputs.clone(),
        operators,
        weights: graph.constants.values().map(constant::Constant::len).sum(),
        metadata: graph.metadata,
    })
}

/// The metadata of an ONNX, in the file's order.
///
/// # Errors
///
/// When the bytes aren't an ONNX, or when a key occurs twice.
pub fn metadata(bytes: &[u8]) -> Result<Vec<(String, String)>, LowerError> {
    graph::metadata(&graph::decode(bytes, Limits::default())?)
}
