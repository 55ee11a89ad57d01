//! What was learnt, as ONNX, and compiled.

use std::collections::BTreeMap;

use shelfedge_assistant::Labels;
use shelfedge_features::text::Vocabulary;
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind, Pool, Var};
use shelfedge_onnx::{Options, Precision, lower};

use super::Learnt;
use super::linear::Score;
use crate::error::Result;
use crate::export::internal;
use crate::round::Int8;

/// Scores of a table in two bytes a weight, where a scale a row would take more.
const HALVES: &str = "scores";

/// Writes the ONNX file: `gram` and `weight`, both `[1, places]`, to `probability`,
/// `[1, classes]`. Row 0 of the tables is for places without a gram.
pub(super) fn onnx(learnt: &Learnt, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut g = Graph::new("intent");
    g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        g.metadata(key, value);
    }
    let places = learnt.places;
    let ids = g.input("gram", Kind::I64, &[Dim::Fixed(1), Dim::Fixed(places)]);
    let weights = g.input("weight", Kind::F32, &[Dim::Fixed(1), Dim::Fixed(places)]);
    let weights = g.reshape(weights, &[Dim::Fixed(1), Dim::Fixed(places), Dim::Fixed(1)]);
    let grams = learnt.lexicon.size + 1;
    let bag = |g: &mut Graph, table: Var| {
        let rows = g.gather(table, ids);
        let rows = g.mul(rows, weights);
        g.reduce(rows, 1, Pool::Sum, false)
    };
    let share = learnt.share;
    let mut parts = Vec::new();
    if let Some(scores) = &learnt.scores {
        let width = scores.len();
        let table = by_gram(scores, grams);
        let table = match width {
            1 => g.f32(HALVES, &[grams, 1], table),
            _ => {
                let table = Int8::from_table(&table, width);
                g.int8("score_table", [grams, width], table.q, table.scale)
            }
        };
        let sum = bag(&mut g, table);
        let bias = scores.iter().map(|score| score.bias).collect();
        let bias = g.f32("score_bias", &[1, width], bias);
        let mut sum = g.add(sum, bias);
        let k = learnt.sharpness;
        if width == 1 {
            let w = g.f32("two_sides", &[1, 2], vec![-k / 2.0, k / 2.0]);
            sum = g.dense(sum, w, None, Activation::None);
        } else {
            sum = g.scale(sum, k);
        }
        let p = g.softmax(sum);
        parts.push(if share > 0.0 {
            g.scale(p, 1.0 - share)
        } else {
            p
        });
    }
    if let Some(net) = learnt.network.as_ref().filter(|_| share > 0.0) {
        let (hidden, classes) = (net.hidden, net.classes);
        let mut table = vec![0.0; hidden];
        table.extend(&net.table);
        let table = Int8::from_table(&table, hidden);
        let table = g.int8("hidden_table", [grams, hidden], table.q, table.scale);
        let sum = bag(&mut g, table);
        let bias = g.f32("hidden_bias", &[1, hidden], net.hidden_bias.clone());
        let sum = g.add(sum, bias);
        let x = g.activate(sum, Activation::Relu);
        let w = g.f32("out", &[hidden, classes], net.out.clone());
        let b = g.f32("out_bias", &[classes], net.out_bias.clone());
        let logits = g.dense(x, w, Some(b), Activation::None);
        let p = g.softmax(logits);
        parts.push(if share < 1.0 { g.scale(p, share) } else { p });
    }
    let sum = match parts[..] {
        [one] => one,
        [a, b] => g.add(a, b),
        _ => return Err(internal("onnx", "nothing was learnt".to_owned())),
    };
    g.output("probability", sum);
    g.finish().map_err(|e| internal("onnx", e.to_string()))
}

/// `[grams, scores]`, the first row for no gram.
fn by_gram(scores: &[Score], grams: usize) -> Vec<f32> {
    let mut table = vec![0.0; grams * scores.len()];
    for (column, score) in scores.iter().enumerate() {
        for (row, weight) in score.weights.iter().enumerate() {
            table[(row + 1) * scores.len() + column] = *weight;
        }
    }
    table
}

/// Compiles it.
pub(super) fn compile(onnx: &[u8], learnt: &Learnt) -> Result<Vec<u8>> {
    let one = learnt
        .scores
        .as_ref()
        .is_some_and(|scores| scores.len() == 1);
    let halves = one.then(|| (HALVES.to_owned(), Precision::F16));
    let options = Options {
        dense: Precision::F16,
        tables: Precision::I8,
        overrides: BTreeMap::from_iter(halves),
        ..Options::default()
    };
    let labels = Labels {
        names: learnt.names.clone(),
        threshold: learnt.threshold,
        places: learnt.places as u32,
    };
    lower(onnx, &options)
        .map_err(|e| internal("lowering", e.to_string()))?
        .compile(&[
            (Vocabulary::SECTION, learnt.lexicon.section.clone()),
            (Labels::SECTION, labels.write()),
        ])
        .map_err(|e| internal("compile", e.to_string()))
}
