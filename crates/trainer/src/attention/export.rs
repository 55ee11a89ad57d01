//! The network as ONNX, and as a compiled program.

use shelfedge_onnx::build::{Activation, Dim, Graph, Kind, Pool};

use super::net::{Dims, EPSILON, Weights};
use crate::error::Result;
use crate::export::internal;
use crate::round::{Int8, halve};

/// Puts the product table on its 8-bit grid and the matrices on half precision:
/// the numbers that a compiled model holds.
pub(super) fn round(dims: &Dims, weights: &mut Weights) {
    weights.products = Int8::from_table(&weights.products, dims.width).values();
    weights.dense().into_iter().for_each(|m| halve(m));
}

/// Writes the ONNX file: the newest products of a sequence, oldest first and
/// with zeros before them, and a product in each row, to the product's score.
pub(super) fn onnx(dims: &Dims, w: &Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut g = Graph::new("attention");
    g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        g.metadata(key, value);
    }
    let (d, h, places) = (dims.width, dims.hidden, dims.places);
    let items = g.input("items", Kind::I64, &[Dim::Fixed(1), Dim::Fixed(places)]);
    let product = g.input("product", Kind::I64, &[Dim::Rows, Dim::Fixed(1)]);
    let table = Int8::from_table(&w.products, d);
    let table = g.int8("products", [dims.products, d], table.q, table.scale);
    let root = (d as f32).sqrt();

    let mask = g.mask(items);
    let x = g.gather(table, items);
    let x = g.scale(x, root);
    let ones = g.f32("ones", &[d], vec![1.0; d]);
    let zeros = g.f32("zeros", &[d], vec![0.0; d]);
    let n = g.layer_norm(x, ones, zeros, EPSILON);
    let last = g.slice(x, 1, places - 1, 1);
    let newest = g.slice(n, 1, places - 1, 1);
    let matrix = |g: &mut Graph, name: &str, shape: [usize; 2], data: &[f32]| {
        g.f32(name, &shape, data.to_vec())
    };
    let wq = matrix(&mut g, "query", [d, d], &w.query);
    let wk = matrix(&mut g, "keys", [d, d], &w.keys);
    let wv = matrix(&mut g, "values", [d, d], &w.values);
    let query = g.dense(newest, wq, None, Activation::None);
    let keys = g.dense(n, wk, None, Activation::None);
    let told = g.dense(n, wv, None, Activation::None);
    // What the age adds is one more number of each key, times one.
    let ages = w.ages.iter().rev().map(|age| age * root).collect();
    let ages = g.f32("ages", &[1, places, 1], ages);
    let one = g.f32("one", &[1, 1, 1], vec![1.0]);
    let query = g.concat(&[query, one]);
    let keys = g.concat(&[keys, ages]);
    let mixed = g.attention(query, keys, told, Some(mask), 1.0 / root);
    let wm = matrix(&mut g, "mixed", [d, d], &w.mixed);
    let mixed = g.dense(mixed, wm, None, Activation::None);
    let y = g.add(last, mixed);
    let m = g.layer_norm(y, ones, zeros, EPSILON);
    let (w1, w2) = (
        matrix(&mut g, "w1", [d, h], &w.w1),
        matrix(&mut g, "w2", [h, d], &w.w2),
    );
    let b1 = g.f32("b1", &[h], w.b1.clone());
    let b2 = g.f32("b2", &[d], w.b2.clone());
    let hidden = g.dense(m, w1, Some(b1), Activation::Relu);
    let more = g.dense(hidden, w2, Some(b2), Activation::None);
    let z = g.add(y, more);
    let gamma = g.f32("gamma", &[d], w.gamma.clone());
    let beta = g.f32("beta", &[d], w.beta.clone());
    let state = g.layer_norm(z, gamma, beta, EPSILON);
    let state = g.reshape(state, &[Dim::Fixed(1), Dim::Fixed(d)]);
    let own = g.embed(table, product);
    let both = g.mul(own, state);
    let score = g.reduce(both, 1, Pool::Sum, true);
    g.output("score", score);
    g.finish().map_err(|e| internal("onnx", e.to_string()))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use shelfedge_onnx::reference::{Reference, Tensor};
    use shelfedge_onnx::{Options, lower};
    use shelfedge_ranking::attention::{Attention, Buffers};

    use super::*;
    use crate::attention::learn::{Network, Part};
    use crate::attention::net::{Batch, Net};
    use crate::export::compile;
    use crate::rng::Rng;

    /// Small, with weights of every size.
    fn model() -> (Dims, Weights) {
        let dims = Dims {
            products: 41,
            width: 12,
            places: 6,
            session: 6,
            hidden: 10,
        };
        let mut rng = Rng::new(8, 0);
        let embedding: Vec<f32> = (0..40 * 12).map(|_| 0.4 * rng.normal()).collect();
        let mut w = Weights::new(&dims, &embedding, 3);
        for part in [&mut w.ages, &mut w.b1, &mut w.b2, &mut w.gamma, &mut w.beta] {
            part.iter_mut().for_each(|x| *x += 0.3 * rng.normal());
        }
        w.mixed.iter_mut().for_each(|x| *x *= 4.0);
        w.w2.iter_mut().for_each(|x| *x *= 4.0);
        (dims, w)
    }

    #[test]
    fn learner_reference_and_engine_agree() {
        let (dims, mut w) = model();
        round(&dims, &mut w);
        let mut twice = w.clone();
        round(&dims, &mut twice);
        assert_eq!(twice, w, "rounding twice changes nothing");
        let file = onnx(&dims, &w, &[]).expect("an ONNX file");
        let shelf = compile(&file, &[]).expect("a compiled model");
        let engine = Attention::open(&shelf).expect("a network");
        let reference = Reference::load(&file).expect("a reference");
        let device = Device::flex();
        let net = Net::new(&dims, &w, &device);
        let sequences: [&[u32]; 4] = [
            &[3],
            &[7, 7, 39],
            &[1, 2, 3, 4, 5, 6],
            &[0, 9, 8, 7, 6, 5, 11, 30],
        ];
        let (mut buffers, mut furthest) = (Buffers::default(), 0.0f32);
        for sequence in sequences {
            let newest = &sequence[sequence.len().saturating_sub(dims.places)..];
            let mut batch = Batch::new(newest.len());
            batch.push(newest, newest.len() - 1);
            let learner = net.scores(&dims, &batch, Part::All, &device);
            engine.score(sequence, 0..40, &mut buffers).expect("scores");
            let mut items = vec![0i64; dims.places - newest.len()];
            items.extend(newest.iter().map(|p| i64::from(*p) + 1));
            let inputs = [
                (
                    "items",
                    Tensor::I64 {
                        dims: vec![1, dims.places],
                        data: items,
                    },
                ),
                (
                    "product",
                    Tensor::I64 {
                        dims: vec![40, 1],
                        data: (1..=40).collect(),
                    },
                ),
            ];
            let outputs = reference.run(&inputs).expect("the reference runs");
            let Tensor::F32 { data: told, .. } = &outputs[0].1 else {
                panic!("scores are floats");
            };
            assert_eq!(buffers.scores().len(), 40);
            for ((a, b), c) in learner[1..].iter().zip(told).zip(buffers.scores()) {
                furthest = furthest.max((a - b).abs()).max((a - c).abs());
            }
        }
        assert!(furthest < 2e-4, "{furthest}");
        // Nothing is said after nothing.
        engine.score(&[], 0..40, &mut buffers).expect("no scores");
        assert!(buffers.scores().is_empty());
        engine
            .score(&[1], 0..41, &mut buffers)
            .expect_err("a product beyond the table");
    }

    #[test]
    fn attention_is_one_operation() {
        let (dims, mut w) = model();
        round(&dims, &mut w);
        let file = onnx(&dims, &w, &[]).expect("an ONNX file");
        let program = lower(&file, &Options::default()).expect("a program");
        let attentions = program.steps.iter();
        let attentions = attentions
            .filter(|step| matches!(step.op, shelfedge_engine::program::Op::Attention { .. }));
        assert_eq!(attentions.count(), 1);
    }
}
