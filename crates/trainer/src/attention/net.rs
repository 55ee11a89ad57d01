//! The network: one block of self-attention over a sequence's products.
//!
//! Written with burn tensors; weights come in and go out as plain arrays, so
//! that initial values, rounding and export don't depend on the backend.

use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::{Device, Int, Tensor};
use serde::Serialize;

use super::export;
use super::learn::{Network, Part};
use crate::error::Result;
use crate::model::{floats, ints, learnt, values, weight};
use crate::rng::Rng;

/// Added to variances.
pub(super) const EPSILON: f32 = 1e-5;
/// What a step back takes from a product's score before anything is learnt.
const FADING: f32 = 0.2;
/// What is added to the score of what doesn't count.
pub(super) const NEVER: f32 = -1e9;

/// Sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Dims {
    /// Rows of the product table; row 0 means "nothing".
    pub products: usize,
    /// Width of an embedding and of a state.
    pub width: usize,
    /// Products of a sequence that are looked at, the newest ones.
    pub places: usize,
    /// Those of them that a candidate attends to, where candidates do.
    pub session: usize,
    /// Units of the hidden layer.
    pub hidden: usize,
}

/// All weights as plain arrays, row-major; matrices as `[inputs, outputs]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    /// `[products, width]`; row 0 is zero.
    pub products: Vec<f32>,
    /// `[places]`: what is added to the attention to a product, by the steps back
    /// to it.
    pub ages: Vec<f32>,
    /// `[width, width]`.
    pub query: Vec<f32>,
    /// `[width, width]`.
    pub keys: Vec<f32>,
    /// `[width, width]`.
    pub values: Vec<f32>,
    /// `[width, width]`, after the attention.
    pub mixed: Vec<f32>,
    /// `[width, hidden]`.
    pub w1: Vec<f32>,
    /// `[hidden]`.
    pub b1: Vec<f32>,
    /// `[hidden, width]`.
    pub w2: Vec<f32>,
    /// `[width]`.
    pub b2: Vec<f32>,
    /// `[width]`: scale of the state.
    pub gamma: Vec<f32>,
    /// `[width]`: shift of the state.
    pub beta: Vec<f32>,
}

/// An initial layer, whose outputs vary as `gain` says where its inputs vary as 1.
pub(super) fn chance(rng: &mut Rng, inputs: usize, outputs: usize, gain: f32) -> Vec<f32> {
    let scale = gain / (inputs as f32).sqrt();
    let weights = (0..inputs * outputs).map(|_| scale * rng.normal());
    weights.collect()
}

/// An embedding of the products behind row 0, which stands for none.
pub(super) fn with_none(dims: &Dims, embedding: &[f32]) -> Vec<f32> {
    let mut products = vec![0.0; dims.width];
    products.extend_from_slice(embedding);
    products.resize(dims.products * dims.width, 0.0);
    products
}

impl Weights {
    /// Initial weights around an embedding of the products (row 0 left out).
    /// The first state is nearly the last product's own embedding.
    pub(crate) fn new(dims: &Dims, embedding: &[f32], seed: u64) -> Self {
        let rng = &mut Rng::new(seed, 0xA77E);
        let mut layer = |inputs, outputs, gain| chance(rng, inputs, outputs, gain);
        let (d, h) = (dims.width, dims.hidden);
        Self {
            products: with_none(dims, embedding),
            ages: (0..dims.places).map(|age| -FADING * age as f32).collect(),
            query: layer(d, d, 1.0),
            keys: layer(d, d, 1.0),
            values: layer(d, d, 1.0),
            mixed: layer(d, d, 0.25),
            w1: layer(d, h, 1.4),
            b1: vec![0.0; h],
            w2: layer(h, d, 0.25),
            b2: vec![0.0; d],
            gamma: vec![1.0; d],
            beta: vec![0.0; d],
        }
    }

    /// The dense matrices.
    pub(super) fn dense(&mut self) -> [&mut Vec<f32>; 6] {
        [
            &mut self.query,
            &mut self.keys,
            &mut self.values,
            &mut self.mixed,
            &mut self.w1,
            &mut self.w2,
        ]
    }
}

/// Beginnings of sequences, padded at their ends to the same length.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(super) sequences: usize,
    /// Places of each.
    pub(super) length: usize,
    /// Rows of the product table, oldest first.
    pub(super) items: Vec<i32>,
    /// Which places, of all, are asked what follows.
    pub(super) asked: Vec<i32>,
}

impl Batch {
    /// An empty batch of sequences of at most `length` products.
    pub(super) fn new(length: usize) -> Self {
        Self {
            length,
            ..Self::default()
        }
    }

    /// Adds a sequence, and asks what follows each of its places from `first` on.
    pub(super) fn push(&mut self, products: &[u32], first: usize) {
        let start = self.items.len();
        let asked = first..products.len();
        self.asked.extend(asked.map(|place| (start + place) as i32));
        self.items.extend(products.iter().map(|p| *p as i32 + 1));
        self.sequences += 1;
        self.items.resize(self.sequences * self.length, 0);
    }
}

/// What every place of a batch is asked, and against what.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Rows of what follows.
    pub(super) right: Vec<i32>,
    /// Rows of a sample of the others, the same for all places.
    pub(super) others: Vec<i32>,
    /// Of how many products they are a sample.
    pub(super) of: usize,
}

/// Leaves numbers out at random, and scales the rest up.
#[derive(Debug)]
pub(crate) struct Dropout<'r> {
    pub(super) rate: f32,
    pub(super) rng: &'r mut Rng,
}

impl Dropout<'_> {
    pub(super) fn apply(&mut self, x: Tensor<2>, device: &Device) -> Tensor<2> {
        let shape = x.dims();
        let kept = 1.0 / (1.0 - self.rate);
        let mut draw = |_| {
            if self.rng.unit() < self.rate {
                0.0
            } else {
                kept
            }
        };
        let mask: Vec<f32> = (0..shape[0] * shape[1]).map(&mut draw).collect();
        x.mul(floats(&mask, shape, device))
    }
}

/// The network on a device.
#[derive(Module, Debug)]
pub(crate) struct Net {
    products: Param<Tensor<2>>,
    ages: Param<Tensor<1>>,
    query: Param<Tensor<2>>,
    keys: Param<Tensor<2>>,
    values: Param<Tensor<2>>,
    mixed: Param<Tensor<2>>,
    w1: Param<Tensor<2>>,
    b1: Param<Tensor<1>>,
    w2: Param<Tensor<2>>,
    b2: Param<Tensor<1>>,
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

/// Mean cross entropy of what follows (`right`, `[asked, 1]`) among a sample of the
/// others (`[asked, others]`), each of which stands for as many as it was drawn from.
pub(super) fn sampled_loss(
    right: Tensor<2>,
    others: Tensor<2>,
    answers: &Answers,
    device: &Device,
) -> Tensor<1> {
    let shape = others.dims();
    let stands_for = (answers.of as f32 / shape[1].max(1) as f32).ln();
    let weights: Vec<f32> = answers
        .right
        .iter()
        .flat_map(|right| {
            let weight = move |other: &i32| match other == right {
                true => NEVER,
                false => stands_for,
            };
            answers.others.iter().map(weight)
        })
        .collect();
    let others = others + floats(&weights, shape, device);
    let all = log_softmax(Tensor::cat(vec![right, others], 1), 1);
    all.slice([0..shape[0], 0..1]).mean().neg()
}

/// Each row less its mean, over its deviation.
pub(super) fn normalised(x: Tensor<2>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().mul(centred.clone()).mean_dim(1);
    centred / (variance + EPSILON).sqrt()
}

impl Net {
    /// Rows of the product table.
    fn rows(&self, rows: &[i32], device: &Device) -> Tensor<2> {
        let picked: Tensor<1, Int> = ints(rows, [rows.len()], device);
        self.products.val().select(0, picked)
    }

    /// What is added to the attention of each place to each: by their distance,
    /// and nothing of what comes later.
    fn distances(&self, length: usize, device: &Device) -> Tensor<3> {
        let pairs = || (0..length).flat_map(|to| (0..length).map(move |from| (to, from)));
        let ages: Vec<i32> = pairs()
            .map(|(to, from)| to.saturating_sub(from) as i32)
            .collect();
        let later: Vec<f32> = pairs()
            .map(|(to, from)| if from > to { NEVER } else { 0.0 })
            .collect();
        let picked: Tensor<1, Int> = ints(&ages, [ages.len()], device);
        self.ages
            .val()
            .select(0, picked)
            .add(floats(&later, [later.len()], device))
            .reshape([1, length, length])
    }

    /// The states after the places that are asked, `[asked, width]`.
    pub(super) fn states(
        &self,
        dims: &Dims,
        batch: &Batch,
        mut dropout: Option<Dropout<'_>>,
        device: &Device,
    ) -> Tensor<2> {
        let (b, t, d) = (batch.sequences, batch.length, dims.width);
        let root = (d as f32).sqrt();
        let mut drop = |x: Tensor<2>| match &mut dropout {
            Some(dropout) => dropout.apply(x, device),
            None => x,
        };
        let x = drop(self.rows(&batch.items, device) * root);
        let n = normalised(x.clone());
        let three = |x: Tensor<2>| -> Tensor<3> { x.reshape([b, t, d]) };
        let query = three(n.clone().matmul(self.query.val()));
        let keys = three(n.clone().matmul(self.keys.val()));
        let told = three(n.matmul(self.values.val()));
        let scores = query.matmul(keys.swap_dims(1, 2)) / root + self.distances(t, device);
        let mixed = softmax(scores, 2).matmul(told).reshape([b * t, d]);
        // From here on only what is asked.
        let asked: Tensor<1, Int> = ints(&batch.asked, [batch.asked.len()], device);
        let mixed = mixed.select(0, asked.clone()).matmul(self.mixed.val());
        let y = x.select(0, asked) + drop(mixed);
        let hidden = normalised(y.clone()).matmul(self.w1.val()) + self.b1.val().unsqueeze();
        let more = relu(hidden).matmul(self.w2.val()) + self.b2.val().unsqueeze();
        let z = y + drop(more);
        normalised(z) * self.gamma.val().unsqueeze() + self.beta.val().unsqueeze()
    }
}

impl Network for Net {
    type Weights = Weights;

    const PARTS: &'static [Part] = &[Part::All];

    fn first(dims: &Dims, embedding: &[f32], seed: u64) -> Weights {
        Weights::new(dims, embedding, seed)
    }

    fn new(dims: &Dims, w: &Weights, device: &Device) -> Self {
        let matrix = |data: &[f32], shape: [usize; 2]| weight(data, shape, device);
        let vector = |data: &[f32]| weight(data, [data.len()], device);
        let (d, h) = (dims.width, dims.hidden);
        Self {
            products: matrix(&w.products, [dims.products, d]),
            ages: vector(&w.ages),
            query: matrix(&w.query, [d, d]),
            keys: matrix(&w.keys, [d, d]),
            values: matrix(&w.values, [d, d]),
            mixed: matrix(&w.mixed, [d, d]),
            w1: matrix(&w.w1, [d, h]),
            b1: vector(&w.b1),
            w2: matrix(&w.w2, [h, d]),
            b2: vector(&w.b2),
            gamma: vector(&w.gamma),
            beta: vector(&w.beta),
        }
    }

    fn weights(&self) -> Weights {
        Weights {
            products: learnt(&self.products),
            ages: learnt(&self.ages),
            query: learnt(&self.query),
            keys: learnt(&self.keys),
            values: learnt(&self.values),
            mixed: learnt(&self.mixed),
            w1: learnt(&self.w1),
            b1: learnt(&self.b1),
            w2: learnt(&self.w2),
            b2: learnt(&self.b2),
            gamma: learnt(&self.gamma),
            beta: learnt(&self.beta),
        }
    }

    fn loss(
        &self,
        dims: &Dims,
        batch: &Batch,
        answers: &Answers,
        _: Part,
        dropout: Option<Dropout<'_>>,
        device: &Device,
    ) -> Tensor<1> {
        let states = self.states(dims, batch, dropout, device);
        let right = self.rows(&answers.right, device);
        let right = right.mul(states.clone()).sum_dim(1);
        let others = states.matmul(self.rows(&answers.others, device).transpose());
        sampled_loss(right, others, answers, device)
    }

    fn scores(&self, dims: &Dims, batch: &Batch, _: Part, device: &Device) -> Vec<f32> {
        let states = self.states(dims, batch, None, device);
        values(states.matmul(self.products.val().transpose()))
    }

    fn round(dims: &Dims, weights: &mut Weights) {
        export::round(dims, weights);
    }

    fn onnx(dims: &Dims, weights: &Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
        export::onnx(dims, weights, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn tiny() -> (Dims, Weights) {
        let dims = Dims {
            products: 7,
            width: 4,
            places: 5,
            session: 5,
            hidden: 6,
        };
        let mut rng = Rng::new(3, 0);
        let embedding: Vec<f32> = (0..24).map(|_| rng.normal()).collect();
        let mut w = Weights::new(&dims, &embedding, 5);
        w.gamma = vec![1.0, 0.5, 2.0, 1.5];
        w.beta = vec![0.1, -0.2, 0.3, 0.0];
        (dims, w)
    }

    /// The last state of one sequence with loops, to hold the tensor program
    /// against.
    fn by_hand(dims: &Dims, w: &Weights, products: &[u32]) -> Vec<f32> {
        let d = dims.width;
        let dense = |x: &[f32], m: &[f32], outputs: usize| -> Vec<f32> {
            (0..outputs)
                .map(|o| {
                    x.iter()
                        .enumerate()
                        .map(|(i, v)| v * m[i * outputs + o])
                        .sum()
                })
                .collect()
        };
        let plain = |x: &[f32]| -> Vec<f32> {
            let mean = x.iter().sum::<f32>() / x.len() as f32;
            let square = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
            let deviation = (square / x.len() as f32 + EPSILON).sqrt();
            x.iter().map(|v| (v - mean) / deviation).collect()
        };
        let root = (d as f32).sqrt();
        let rows: Vec<Vec<f32>> = products
            .iter()
            .map(|p| {
                let row = &w.products[(*p as usize + 1) * d..(*p as usize + 2) * d];
                row.iter().map(|v| v * root).collect()
            })
            .collect();
        let last = rows.last().expect("a product");
        let query = dense(&plain(last), &w.query, d);
        let weights: Vec<f32> = rows
            .iter()
            .rev()
            .zip(&w.ages)
            .map(|(row, age)| {
                let key = dense(&plain(row), &w.keys, d);
                let dot: f32 = key.iter().zip(&query).map(|(a, b)| a * b).sum();
                (dot / root + age).exp()
            })
            .collect();
        let all: f32 = weights.iter().sum();
        let mut mixed = vec![0.0; d];
        for (row, weight) in rows.iter().rev().zip(&weights) {
            let told = dense(&plain(row), &w.values, d);
            mixed
                .iter_mut()
                .zip(told)
                .for_each(|(m, v)| *m += weight / all * v);
        }
        let mixed = dense(&mixed, &w.mixed, d);
        let y: Vec<f32> = last.iter().zip(mixed).map(|(a, b)| a + b).collect();
        let hidden: Vec<f32> = dense(&plain(&y), &w.w1, dims.hidden)
            .iter()
            .zip(&w.b1)
            .map(|(x, b)| (x + b).max(0.0))
            .collect();
        let more = dense(&hidden, &w.w2, d);
        let z: Vec<f32> = (0..d).map(|i| y[i] + more[i] + w.b2[i]).collect();
        let z = plain(&z);
        (0..d).map(|i| z[i] * w.gamma[i] + w.beta[i]).collect()
    }

    #[test]
    fn the_tensor_program_equals_the_loops() {
        let (dims, w) = tiny();
        let device = Device::flex();
        let net = Net::new(&dims, &w, &device);
        assert_eq!(net.weights(), w);
        let sequences: [&[u32]; 3] = [&[1, 4, 2, 0], &[5], &[3, 3, 1]];
        let mut batch = Batch::new(4);
        sequences.iter().for_each(|s| batch.push(s, 0));
        let states = values(net.states(&dims, &batch, None, &device));
        let mut rows = states.chunks_exact(dims.width);
        for sequence in sequences {
            for end in 1..=sequence.len() {
                let found = rows.next().expect("a state");
                for (a, b) in found.iter().zip(by_hand(&dims, &w, &sequence[..end])) {
                    assert!((a - b).abs() < 1e-4, "{a} {b}");
                }
            }
        }
        assert!(rows.next().is_none());
    }

    #[test]
    fn gradients_agree_with_differences() {
        let (dims, w) = tiny();
        let device = Device::flex().autodiff();
        let mut batch = Batch::new(3);
        batch.push(&[1, 4, 2], 0);
        batch.push(&[5, 0], 1);
        let answers = Answers {
            right: vec![5, 3, 4, 1],
            others: vec![2, 6, 5],
            of: 6,
        };
        let loss = |w: &Weights| -> f32 {
            let net = Net::new(&dims, w, &device);
            values(net.loss(&dims, &batch, &answers, Part::All, None, &device))[0]
        };
        let net = Net::new(&dims, &w, &device);
        let gradients = net
            .loss(&dims, &batch, &answers, Part::All, None, &device)
            .backward();
        let of = |p: &Param<Tensor<2>>| values(p.val().grad(&gradients).expect("a gradient"));
        let ages = values(net.ages.val().grad(&gradients).expect("ages"));
        type Which = fn(&mut Weights) -> &mut Vec<f32>;
        let parts: [(Vec<f32>, Which); 5] = [
            (of(&net.products), |w| &mut w.products),
            (of(&net.keys), |w| &mut w.keys),
            (of(&net.values), |w| &mut w.values),
            (of(&net.w2), |w| &mut w.w2),
            (ages, |w| &mut w.ages),
        ];
        for (number, (gradient, part)) in parts.into_iter().enumerate() {
            for (k, gradient) in gradient.iter().enumerate() {
                let nudge = |by: f32| {
                    let mut w = w.clone();
                    part(&mut w)[k] += by;
                    loss(&w)
                };
                let difference = (nudge(2e-3) - nudge(-2e-3)) / 4e-3;
                assert!(
                    (gradient - difference).abs() < 5e-3,
                    "{number} {k}: {gradient} {difference}"
                );
                if number == 0 && k < dims.width {
                    assert_eq!(*gradient, 0.0, "row 0 is not learnt");
                }
            }
        }
    }
}
