//! The network of interest, in two stages: what a shopper likes in the long run, then
//! what of the session a candidate attends to, in the manner of DIN (Zhou et al., "Deep
//! interest network for click-through rate prediction", KDD 2018) with softmax and dot
//! products, so that a list of hundreds costs little.
//!
//! The mean of a sequence's embeddings goes through a tower of one hidden layer; its dot
//! product with a candidate's embedding is the interest in the long run, which is learnt
//! first. Then it stays as it is, and attention is learnt: each candidate asks the newest
//! products, and the dot product of what they tell with its embedding is added. Of a log
//! that has grown everything learns together.

use burn::module::{Module, Param};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor};
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind, Pool};

use super::learn::{Network, Part};
use super::net::{
    Answers, Batch, Dims, Dropout, EPSILON, NEVER, chance, normalised, sampled_loss, with_none,
};
use crate::error::Result;
use crate::export::internal;
use crate::model::{floats, ints, learnt, values, weight};
use crate::rng::Rng;
use crate::round::{Int8, halve};

/// What a step back takes from a product's score before anything is learnt.
const FADING: f32 = 0.2;

/// All weights as plain arrays, row-major; matrices as `[inputs, outputs]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    /// `[products, width]`; row 0 is zero.
    products: Vec<f32>,
    /// `[width, hidden]`.
    w1: Vec<f32>,
    /// `[hidden]`.
    b1: Vec<f32>,
    /// `[hidden, width]`.
    w2: Vec<f32>,
    /// `[width]`.
    b2: Vec<f32>,
    /// `[width]`: scale of the interest in the long run.
    gamma: Vec<f32>,
    /// `[width]`: its shift.
    beta: Vec<f32>,
    /// `[width, width]`, of candidates.
    query: Vec<f32>,
    /// `[width, width]`, of the session's products.
    keys: Vec<f32>,
    /// `[width, width]`, of the session's products.
    values: Vec<f32>,
    /// `[session]`: what is added to the attention to a product, by the steps back.
    ages: Vec<f32>,
}

/// The network on a device.
#[derive(Module, Debug)]
pub(crate) struct Net {
    products: Param<Tensor<2>>,
    w1: Param<Tensor<2>>,
    b1: Param<Tensor<1>>,
    w2: Param<Tensor<2>>,
    b2: Param<Tensor<1>>,
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    query: Param<Tensor<2>>,
    keys: Param<Tensor<2>>,
    values: Param<Tensor<2>>,
    ages: Param<Tensor<1>>,
}

/// What a batch says of each place that is asked.
struct Interests {
    /// `[asked, width]`.
    long_term: Tensor<2>,
    /// `[asked, session, width]`: keys, and what they tell.
    keys: Tensor<3>,
    told: Tensor<3>,
    /// `[asked, session, 1]`: what is added to the attention.
    bias: Tensor<3>,
}

/// The newest products up to each place that is asked, as rows of the product table,
/// oldest first and with zeros before them.
fn newest(batch: &Batch, places: usize) -> Vec<i32> {
    let mut out = Vec::with_capacity(batch.asked.len() * places);
    for asked in &batch.asked {
        let (sequence, place) = (
            *asked as usize / batch.length * batch.length,
            *asked as usize,
        );
        let known = &batch.items[sequence.max((place + 1).saturating_sub(places))..=place];
        out.extend(std::iter::repeat_n(0, places - known.len()));
        out.extend_from_slice(known);
    }
    out
}

impl Net {
    fn rows(&self, rows: &[i32], device: &Device) -> Tensor<2> {
        let picked: Tensor<1, Int> = ints(rows, [rows.len()], device);
        self.products.val().select(0, picked)
    }

    fn interests(
        &self,
        dims: &Dims,
        batch: &Batch,
        part: Part,
        mut dropout: Option<Dropout<'_>>,
        device: &Device,
    ) -> Interests {
        let (asked, d) = (batch.asked.len(), dims.width);
        let places = dims.places.min(batch.length).max(dims.session);
        let root = (d as f32).sqrt();
        let mut drop = |x: Tensor<2>| match &mut dropout {
            Some(dropout) => dropout.apply(x, device),
            None => x,
        };
        let items = newest(batch, places);
        let known = |item: &i32| f32::from(u8::from(*item > 0));
        let mask: Vec<f32> = items.iter().map(known).collect();
        let counts: Vec<f32> = mask.chunks(places).map(|of| of.iter().sum()).collect();
        let mask = floats(&mask, [asked * places, 1], device);
        let x = drop(self.rows(&items, device).mul(mask.clone()) * root);
        let x: Tensor<3> = x.reshape([asked, places, d]);

        let sums: Tensor<2> = x.clone().sum_dim(1).reshape([asked, d]);
        let mean = sums / floats(&counts, [asked, 1], device);
        let hidden = normalised(mean.clone()).matmul(self.w1.val()) + self.b1.val().unsqueeze();
        let more = relu(hidden).matmul(self.w2.val()) + self.b2.val().unsqueeze();
        let long_term = normalised(mean + drop(more)) * self.gamma.val().unsqueeze()
            + self.beta.val().unsqueeze();

        let first = places - dims.session;
        let session = x.slice([0..asked, first..places, 0..d]);
        let session = normalised(session.reshape([asked * dims.session, d]));
        let (session, long_term) = match part {
            // What was learnt first stays as it is.
            Part::Session => (session.detach(), long_term.detach()),
            _ => (session, long_term),
        };
        let three = |x: Tensor<2>| -> Tensor<3> { x.reshape([asked, dims.session, d]) };
        let back: Vec<i32> = (0..dims.session as i32).rev().collect();
        let back: Tensor<1, Int> = ints(&back, [dims.session], device);
        let ages: Tensor<3> = self
            .ages
            .val()
            .select(0, back)
            .reshape([1, dims.session, 1]);
        let mask: Tensor<3> = mask.reshape([asked, places, 1]);
        let mask = mask.slice([0..asked, first..places, 0..1]);
        Interests {
            long_term,
            keys: three(session.clone().matmul(self.keys.val())),
            told: three(session.matmul(self.values.val())),
            bias: (mask - 1.0) * -NEVER + ages,
        }
    }

    /// Embeddings of candidates, as they take part.
    fn candidates(&self, rows: &[i32], part: Part, device: &Device) -> Tensor<2> {
        match part {
            Part::Session => self.rows(rows, device).detach(),
            _ => self.rows(rows, device),
        }
    }

    fn queries(&self, candidates: Tensor<2>, width: usize) -> Tensor<2> {
        (candidates * (width as f32).sqrt()).matmul(self.query.val())
    }

    /// The scores of the same candidates after each place that is asked.
    fn of_all(&self, of: &Interests, candidates: Tensor<2>, part: Part) -> Tensor<2> {
        let scores = of.long_term.clone().matmul(candidates.clone().transpose());
        if part == Part::LongTerm {
            return scores;
        }
        let [asked, session, d] = of.keys.dims();
        let count = candidates.dims()[0];
        let queries = self.queries(candidates.clone(), d);
        let dots = |of: &Tensor<3>, with: Tensor<2>| -> Tensor<3> {
            let of: Tensor<2> = of.clone().reshape([asked * session, d]);
            of.matmul(with.transpose()).reshape([asked, session, count])
        };
        let weights = dots(&of.keys, queries) / (d as f32).sqrt() + of.bias.clone();
        let told = softmax(weights, 1).mul(dots(&of.told, candidates));
        let told: Tensor<2> = told.sum_dim(1).reshape([asked, count]);
        scores + told
    }

    /// The score of one candidate after each place that is asked: `[asked, 1]`.
    fn of_each(&self, of: &Interests, candidates: Tensor<2>, part: Part) -> Tensor<2> {
        let scores = of.long_term.clone().mul(candidates.clone()).sum_dim(1);
        if part == Part::LongTerm {
            return scores;
        }
        let [asked, _, d] = of.keys.dims();
        let three = |x: Tensor<2>| -> Tensor<3> { x.reshape([asked, 1, d]) };
        let queries = three(self.queries(candidates.clone(), d));
        let weights = of.keys.clone().mul(queries).sum_dim(2) / (d as f32).sqrt();
        let weights = softmax(weights + of.bias.clone(), 1);
        let told = of.told.clone().mul(three(candidates)).sum_dim(2);
        let told: Tensor<2> = weights.mul(told).sum_dim(1).reshape([asked, 1]);
        scores + told
    }
}

impl Network for Net {
    type Weights = Weights;

    const PARTS: &'static [Part] = &[Part::LongTerm, Part::Session];

    fn first(dims: &Dims, embedding: &[f32], seed: u64) -> Weights {
        let rng = &mut Rng::new(seed, 0x1D1D);
        let mut layer = |inputs, outputs, gain| chance(rng, inputs, outputs, gain);
        let (d, h) = (dims.width, dims.hidden);
        Weights {
            products: with_none(dims, embedding),
            w1: layer(d, h, 1.4),
            b1: vec![0.0; h],
            w2: layer(h, d, 0.25),
            b2: vec![0.0; d],
            gamma: vec![1.0; d],
            beta: vec![0.0; d],
            query: layer(d, d, 1.0),
            keys: layer(d, d, 1.0),
            // The session says nothing at first, so that the long run is where it begins.
            values: vec![0.0; d * d],
            ages: (0..dims.session).map(|age| -FADING * age as f32).collect(),
        }
    }

    fn new(dims: &Dims, w: &Weights, device: &Device) -> Self {
        let matrix = |data: &[f32], shape: [usize; 2]| weight(data, shape, device);
        let vector = |data: &[f32]| weight(data, [data.len()], device);
        let (d, h) = (dims.width, dims.hidden);
        Self {
            products: matrix(&w.products, [dims.products, d]),
            w1: matrix(&w.w1, [d, h]),
            b1: vector(&w.b1),
            w2: matrix(&w.w2, [h, d]),
            b2: vector(&w.b2),
            gamma: vector(&w.gamma),
            beta: vector(&w.beta),
            query: matrix(&w.query, [d, d]),
            keys: matrix(&w.keys, [d, d]),
            values: matrix(&w.values, [d, d]),
            ages: vector(&w.ages),
        }
    }

    fn weights(&self) -> Weights {
        Weights {
            products: learnt(&self.products),
            w1: learnt(&self.w1),
            b1: learnt(&self.b1),
            w2: learnt(&self.w2),
            b2: learnt(&self.b2),
            gamma: learnt(&self.gamma),
            beta: learnt(&self.beta),
            query: learnt(&self.query),
            keys: learnt(&self.keys),
            values: learnt(&self.values),
            ages: learnt(&self.ages),
        }
    }

    fn loss(
        &self,
        dims: &Dims,
        batch: &Batch,
        answers: &Answers,
        part: Part,
        dropout: Option<Dropout<'_>>,
        device: &Device,
    ) -> Tensor<1> {
        let interests = self.interests(dims, batch, part, dropout, device);
        let right = self.candidates(&answers.right, part, device);
        let others = self.candidates(&answers.others, part, device);
        let right = self.of_each(&interests, right, part);
        let others = self.of_all(&interests, others, part);
        sampled_loss(right, others, answers, device)
    }

    fn scores(&self, dims: &Dims, batch: &Batch, part: Part, device: &Device) -> Vec<f32> {
        let interests = self.interests(dims, batch, part, None, device);
        values(self.of_all(&interests, self.products.val(), part))
    }

    fn round(dims: &Dims, w: &mut Weights) {
        w.products = Int8::from_table(&w.products, dims.width).values();
        for matrix in [
            &mut w.w1,
            &mut w.w2,
            &mut w.query,
            &mut w.keys,
            &mut w.values,
        ] {
            halve(matrix);
        }
    }

    fn onnx(dims: &Dims, w: &Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
        let mut g = Graph::new("interest");
        g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
        for (key, value) in metadata {
            g.metadata(key, value);
        }
        let (d, h, places) = (dims.width, dims.hidden, dims.places);
        let root = (d as f32).sqrt();
        let items = g.input("items", Kind::I64, &[Dim::Fixed(1), Dim::Fixed(places)]);
        let product = g.input("product", Kind::I64, &[Dim::Rows, Dim::Fixed(1)]);
        let table = Int8::from_table(&w.products, d);
        let table = g.int8("products", [dims.products, d], table.q, table.scale);
        let ones = g.f32("ones", &[d], vec![1.0; d]);
        let zeros = g.f32("zeros", &[d], vec![0.0; d]);
        let matrix = |g: &mut Graph, name: &str, shape: [usize; 2], data: &[f32]| {
            g.f32(name, &shape, data.to_vec())
        };

        let mean = g.bag_padded(table, items, Pool::Mean);
        let mean = g.scale(mean, root);
        let n = g.layer_norm(mean, ones, zeros, EPSILON);
        let (w1, w2) = (
            matrix(&mut g, "w1", [d, h], &w.w1),
            matrix(&mut g, "w2", [h, d], &w.w2),
        );
        let b1 = g.f32("b1", &[h], w.b1.clone());
        let b2 = g.f32("b2", &[d], w.b2.clone());
        let hidden = g.dense(n, w1, Some(b1), Activation::Relu);
        let more = g.dense(hidden, w2, Some(b2), Activation::None);
        let z = g.add(mean, more);
        let gamma = g.f32("gamma", &[d], w.gamma.clone());
        let beta = g.f32("beta", &[d], w.beta.clone());
        let long_term = g.layer_norm(z, gamma, beta, EPSILON);

        let session = g.slice(items, 1, places - dims.session, dims.session);
        let mask = g.mask(session);
        let x = g.gather(table, session);
        let x = g.scale(x, root);
        let x = g.layer_norm(x, ones, zeros, EPSILON);
        let wk = matrix(&mut g, "keys", [d, d], &w.keys);
        let wv = matrix(&mut g, "values", [d, d], &w.values);
        let keys = g.dense(x, wk, None, Activation::None);
        let told = g.dense(x, wv, None, Activation::None);
        // What the age adds is one more number of each key, times one.
        let ages = w.ages.iter().rev().map(|age| age * root).collect();
        let ages = g.f32("ages", &[1, dims.session, 1], ages);
        let keys = g.concat(&[keys, ages]);
        let own = g.embed(table, product);
        let query = w
            .query
            .chunks(d)
            .flat_map(|row| row.iter().copied().chain([0.0]));
        let query = query.collect();
        let wq = g.f32("query", &[d, d + 1], query);
        let one = (0..=d).map(|i| if i == d { 1.0 } else { 0.0 }).collect();
        let one = g.f32("one", &[d + 1], one);
        let asking = g.scale(own, root);
        let query = g.dense(asking, wq, Some(one), Activation::None);
        let query = g.reshape(query, &[Dim::Rows, Dim::Fixed(1), Dim::Fixed(d + 1)]);
        let mixed = g.attention(query, keys, told, Some(mask), 1.0 / root);
        let mixed = g.reshape(mixed, &[Dim::Rows, Dim::Fixed(d)]);

        let interest = g.add(mixed, long_term);
        let both = g.mul(own, interest);
        let score = g.reduce(both, 1, Pool::Sum, true);
        g.output("score", score);
        g.finish().map_err(|e| internal("onnx", e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use shelfedge_onnx::reference::{Reference, Tensor as Told};
    use shelfedge_ranking::attention::{Attention, Buffers};

    use super::*;
    use crate::export::compile;

    /// Small, with weights of every size.
    fn model() -> (Dims, Weights) {
        let dims = Dims {
            products: 41,
            width: 6,
            places: 5,
            session: 3,
            hidden: 4,
        };
        let mut rng = Rng::new(8, 0);
        let embedding: Vec<f32> = (0..40 * 6).map(|_| 0.4 * rng.normal()).collect();
        let mut w = Net::first(&dims, &embedding, 3);
        for part in [&mut w.ages, &mut w.b1, &mut w.b2, &mut w.gamma, &mut w.beta] {
            part.iter_mut().for_each(|x| *x += 0.3 * rng.normal());
        }
        for part in [&mut w.values, &mut w.w2] {
            part.iter_mut().for_each(|x| *x *= 4.0);
        }
        (dims, w)
    }

    const SEQUENCES: [&[u32]; 4] = [
        &[3],
        &[7, 7, 39],
        &[1, 2, 3, 4, 5],
        &[9, 8, 7, 6, 5, 11, 30],
    ];

    /// The score of a product with loops, to hold the tensor program against.
    fn by_hand(dims: &Dims, w: &Weights, part: Part, newest: &[u32], product: u32) -> f32 {
        let (d, root) = (dims.width, (dims.width as f32).sqrt());
        let row = |p: u32| &w.products[(p as usize + 1) * d..(p as usize + 2) * d];
        let dense = |x: &[f32], m: &[f32]| -> Vec<f32> {
            let outputs = m.len() / x.len();
            let dot = |o| {
                x.iter()
                    .enumerate()
                    .map(|(i, v)| v * m[i * outputs + o])
                    .sum()
            };
            (0..outputs).map(dot).collect()
        };
        let plain = |x: &[f32]| -> Vec<f32> {
            let mean = x.iter().sum::<f32>() / x.len() as f32;
            let square = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
            let deviation = (square / x.len() as f32 + EPSILON).sqrt();
            x.iter().map(|v| (v - mean) / deviation).collect()
        };
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let mean: Vec<f32> = (0..d)
            .map(|i| newest.iter().map(|p| row(*p)[i]).sum::<f32>() * root / newest.len() as f32)
            .collect();
        let hidden: Vec<f32> = dense(&plain(&mean), &w.w1)
            .iter()
            .zip(&w.b1)
            .map(|(x, b)| (x + b).max(0.0))
            .collect();
        let more = dense(&hidden, &w.w2);
        let z: Vec<f32> = (0..d).map(|i| mean[i] + more[i] + w.b2[i]).collect();
        let long: Vec<f32> = (0..d)
            .map(|i| plain(&z)[i] * w.gamma[i] + w.beta[i])
            .collect();
        let own = row(product);
        let score = dot(&long, own);
        if part == Part::LongTerm {
            return score;
        }
        let asking: Vec<f32> = own.iter().map(|x| x * root).collect();
        let query = dense(&asking, &w.query);
        let (mut all, mut told) = (0.0, 0.0);
        for (other, age) in newest.iter().rev().zip(&w.ages) {
            let x: Vec<f32> = row(*other).iter().map(|x| x * root).collect();
            let x = plain(&x);
            let weight = (dot(&query, &dense(&x, &w.keys)) / root + age).exp();
            all += weight;
            told += weight * dot(&dense(&x, &w.values), own);
        }
        score + told / all
    }

    fn newest_of<'s>(dims: &Dims, sequence: &'s [u32]) -> &'s [u32] {
        &sequence[sequence.len().saturating_sub(dims.places)..]
    }

    #[test]
    fn the_tensor_program_equals_the_loops() {
        let (dims, w) = model();
        let device = Device::flex();
        let net = Net::new(&dims, &w, &device);
        assert_eq!(net.weights(), w);
        let mut batch = Batch::new(dims.places);
        for sequence in SEQUENCES {
            let newest = newest_of(&dims, sequence);
            batch.push(newest, newest.len() - 1);
        }
        for part in [Part::All, Part::LongTerm, Part::Session] {
            let scores = net.scores(&dims, &batch, part, &device);
            let interests = net.interests(&dims, &batch, part, None, &device);
            let rights = net.rows(&[6, 7, 8, 9], &device);
            let rights = values(net.of_each(&interests, rights, part));
            let lists = scores.chunks_exact(dims.products);
            for (number, (list, sequence)) in lists.zip(SEQUENCES).enumerate() {
                let newest = newest_of(&dims, sequence);
                for (product, found) in (0u32..).zip(&list[1..]) {
                    let expected = by_hand(&dims, &w, part, newest, product);
                    assert!(
                        (found - expected).abs() < 1e-4,
                        "{part:?} {found} {expected}"
                    );
                }
                assert!((rights[number] - list[6 + number]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_place_in_the_middle_sees_nothing_later() {
        let (dims, w) = model();
        let device = Device::flex();
        let net = Net::new(&dims, &w, &device);
        let mut all = Batch::new(4);
        all.push(&[5], 0);
        all.push(&[1, 2, 3, 4], 0);
        let found = net.scores(&dims, &all, Part::All, &device);
        let asked: [&[u32]; 5] = [&[5], &[1], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]];
        for (list, newest) in found.chunks_exact(dims.products).zip(asked) {
            let expected = by_hand(&dims, &w, Part::All, newest, 17);
            assert!((list[18] - expected).abs() < 1e-4, "{newest:?}");
        }
    }

    #[test]
    fn gradients_agree_with_differences_and_parts_learn_alone() {
        let (dims, w) = model();
        let device = Device::flex().autodiff();
        let mut batch = Batch::new(3);
        batch.push(&[1, 4, 2], 0);
        batch.push(&[5, 0], 1);
        let answers = Answers {
            right: vec![5, 3, 4, 1],
            others: vec![2, 6, 5],
            of: 6,
        };
        let loss = |w: &Weights, part| -> f32 {
            let net = Net::new(&dims, w, &device);
            values(net.loss(&dims, &batch, &answers, part, None, &device))[0]
        };
        type Of = fn(&Net) -> Tensor<2>;
        type Which = fn(&mut Weights) -> &mut Vec<f32>;
        let matrices: [(Of, Which, &[Part]); 5] = [
            (
                |n| n.products.val(),
                |w| &mut w.products,
                &[Part::All, Part::LongTerm],
            ),
            (|n| n.w2.val(), |w| &mut w.w2, &[Part::All, Part::LongTerm]),
            (
                |n| n.query.val(),
                |w| &mut w.query,
                &[Part::All, Part::Session],
            ),
            (
                |n| n.keys.val(),
                |w| &mut w.keys,
                &[Part::All, Part::Session],
            ),
            (
                |n| n.values.val(),
                |w| &mut w.values,
                &[Part::All, Part::Session],
            ),
        ];
        for part in [Part::All, Part::LongTerm, Part::Session] {
            let net = Net::new(&dims, &w, &device);
            let told = net.loss(&dims, &batch, &answers, part, None, &device);
            let gradients = told.backward();
            for (number, (of, weights, learn)) in matrices.iter().enumerate() {
                let gradient = of(&net).grad(&gradients);
                assert_eq!(
                    gradient.is_some(),
                    learn.contains(&part),
                    "{number} {part:?}"
                );
                let gradient = gradient.map(values).unwrap_or_default();
                for (k, gradient) in gradient.iter().enumerate().step_by(3) {
                    let nudge = |by: f32| {
                        let mut w = w.clone();
                        weights(&mut w)[k] += by;
                        loss(&w, part)
                    };
                    let difference = (nudge(2e-3) - nudge(-2e-3)) / 4e-3;
                    assert!(
                        (gradient - difference).abs() < 5e-3,
                        "{number} {part:?} {k}: {gradient} {difference}"
                    );
                    if number == 0 && k < dims.width {
                        assert_eq!(*gradient, 0.0, "row 0 is not learnt");
                    }
                }
            }
        }
    }

    #[test]
    fn learner_reference_and_engine_agree() {
        let (dims, mut w) = model();
        Net::round(&dims, &mut w);
        let mut twice = w.clone();
        Net::round(&dims, &mut twice);
        assert_eq!(twice, w, "rounding twice changes nothing");
        let file = Net::onnx(&dims, &w, &[]).expect("an ONNX file");
        let shelf = compile(&file, &[]).expect("a compiled model");
        let engine = Attention::open(&shelf).expect("a network");
        let reference = Reference::load(&file).expect("a reference");
        let (mut buffers, mut furthest) = (Buffers::default(), 0.0f32);
        for sequence in SEQUENCES {
            let newest = newest_of(&dims, sequence);
            engine.score(sequence, 0..40, &mut buffers).expect("scores");
            let mut items = vec![0i64; dims.places - newest.len()];
            items.extend(newest.iter().map(|p| i64::from(*p) + 1));
            let input = |name, dims: [usize; 2], data| {
                let dims = dims.to_vec();
                (name, Told::I64 { dims, data })
            };
            let outputs = reference
                .run(&[
                    input("items", [1, dims.places], items),
                    input("product", [40, 1], (1..=40).collect()),
                ])
                .expect("the reference runs");
            let Told::F32 { data: told, .. } = &outputs[0].1 else {
                panic!("scores are floats");
            };
            assert_eq!(buffers.scores().len(), 40);
            for (product, (b, c)) in (0u32..).zip(told.iter().zip(buffers.scores())) {
                let a = by_hand(&dims, &w, Part::All, newest, product);
                furthest = furthest.max((a - b).abs()).max((a - c).abs());
            }
        }
        assert!(furthest < 2e-4, "{furthest}");
    }
}
