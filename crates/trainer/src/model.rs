//! The network that is learnt: Wide & Deep over a candidate, the shopper's
//! context and the session.
//!
//! Written with burn tensors; weights come in and go out as plain arrays, so
//! that initial values, rounding and export don't depend on the backend.

use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::Serialize;
use shelfedge_features::{Encoded, Spec};

use crate::rng::Rng;

/// Sizes of a model's inputs and layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dims {
    /// Width of the context.
    pub context: usize,
    /// Width of a candidate's features.
    pub candidate: usize,
    /// Rows of the product table, the zero row included.
    pub products: usize,
    /// Title tokens of a candidate.
    pub title: usize,
    /// Rows of the token table, the zero row included.
    pub tokens: usize,
    /// Crosses of a candidate.
    pub wide: usize,
    /// Rows of the table of crosses.
    pub slots: usize,
    /// Products of the session.
    pub session: usize,
    /// Width of a product's embedding.
    pub product_width: usize,
    /// Width of a token's embedding.
    pub token_width: usize,
    /// Units of the hidden layers.
    pub hidden: [usize; 2],
}

impl Dims {
    /// The sizes that a feature spec demands, with the usual layers.
    pub fn of(spec: &Spec) -> Self {
        Self {
            context: spec.context.len(),
            candidate: spec.candidate.len(),
            products: spec.product_slots as usize + 1,
            title: spec.title_tokens as usize,
            tokens: spec.title_buckets as usize + 1,
            wide: spec.wide.len(),
            slots: spec.wide_buckets as usize + 1,
            session: spec.session_products as usize,
            product_width: 16,
            token_width: 8,
            hidden: [64, 32],
        }
    }

    /// Inputs of the first layer: context, session, candidate, product, title,
    /// product times session.
    pub fn inputs(&self) -> usize {
        self.context + self.candidate + 3 * self.product_width + self.token_width
    }
}

/// All weights as plain arrays, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[products, product_width]`; row 0 is zero.
    pub products: Vec<f32>,
    /// `[tokens, token_width]`; row 0 is zero.
    pub tokens: Vec<f32>,
    /// `[slots]`.
    pub slots: Vec<f32>,
    /// `[inputs, hidden[0]]`.
    pub w1: Vec<f32>,
    /// `[hidden[0]]`.
    pub b1: Vec<f32>,
    /// `[hidden[0], hidden[1]]`.
    pub w2: Vec<f32>,
    /// `[hidden[1]]`.
    pub b2: Vec<f32>,
    /// `[hidden[1]]`.
    pub w3: Vec<f32>,
    /// One number.
    pub b3: Vec<f32>,
}

impl Weights {
    /// Initial weights. `seen` says which products occur in the examples:
    /// others keep a zero embedding, so that they count as unknown instead of
    /// as noise.
    pub fn new(dims: &Dims, seen: &[bool], seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0x1217);
        let mut table = |rows: usize, width: usize, used: &dyn Fn(usize) -> bool| {
            let mut data = vec![0.0; rows * width];
            for (row, values) in data.chunks_mut(width).enumerate() {
                for value in values {
                    // Drawn for every row, so that which products are seen
                    // doesn't shift the others' values.
                    let x = 0.1 * rng.normal();
                    if row > 0 && used(row) {
                        *value = x;
                    }
                }
            }
            data
        };
        let products = table(dims.products, dims.product_width, &|row| {
            seen.get(row).copied().unwrap_or(false)
        });
        let tokens = table(dims.tokens, dims.token_width, &|_| true);
        let mut layer = |inputs: usize, outputs: usize, gain: f32| -> Vec<f32> {
            let scale = (gain / inputs as f32).sqrt();
            (0..inputs * outputs)
                .map(|_| scale * rng.normal())
                .collect()
        };
        let [h1, h2] = dims.hidden;
        Self {
            products,
            tokens,
            slots: vec![0.0; dims.slots],
            w1: layer(dims.inputs(), h1, 2.0),
            b1: vec![0.0; h1],
            w2: layer(h1, h2, 2.0),
            b2: vec![0.0; h2],
            w3: layer(h2, 1, 1.0),
            b3: vec![0.0],
        }
    }
}

/// Several rankings padded to the same number of candidates.
#[derive(Debug, Default)]
pub struct Batch {
    lists: usize,
    rows: usize,
    context: Vec<f32>,
    session: Vec<i32>,
    candidate: Vec<f32>,
    product: Vec<i32>,
    title: Vec<i32>,
    wide: Vec<i32>,
    /// 0, or a large negative number for padding.
    mask: Vec<f32>,
    /// Share of the list's label mass.
    target: Vec<f32>,
}

impl Batch {
    /// An empty batch of lists of `rows` candidates.
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            ..Self::default()
        }
    }

    /// Adds a list: the chosen rows of an encoded ranking and whether each is
    /// relevant.
    pub fn push(&mut self, dims: &Dims, list: &Encoded, chosen: &[usize], relevant: &[bool]) {
        self.lists += 1;
        self.context.extend_from_slice(&list.context);
        self.session.extend_from_slice(&list.session);
        let chosen = &chosen[..chosen.len().min(self.rows)];
        let positives = chosen.iter().filter(|&&i| relevant[i]).count().max(1) as f32;
        for &i in chosen {
            let part = |width: usize| i * width..(i + 1) * width;
            self.candidate
                .extend_from_slice(&list.candidate[part(dims.candidate)]);
            self.product.push(list.product[i]);
            self.title.extend_from_slice(&list.title[part(dims.title)]);
            self.wide.extend_from_slice(&list.wide[part(dims.wide)]);
            self.mask.push(0.0);
            self.target
                .push(if relevant[i] { 1.0 / positives } else { 0.0 });
        }
        let rows = self.lists * self.rows;
        self.candidate.resize(rows * dims.candidate, 0.0);
        self.product.resize(rows, 0);
        self.title.resize(rows * dims.title, 0);
        self.wide.resize(rows * dims.wide, 0);
        self.mask.resize(rows, -1e9);
        self.target.resize(rows, 0.0);
    }

    /// Number of lists.
    pub fn lists(&self) -> usize {
        self.lists
    }
}

/// The network on a device.
#[derive(Module, Debug)]
pub struct Net {
    products: Param<Tensor<2>>,
    tokens: Param<Tensor<2>>,
    slots: Param<Tensor<2>>,
    w1: Param<Tensor<2>>,
    b1: Param<Tensor<1>>,
    w2: Param<Tensor<2>>,
    b2: Param<Tensor<1>>,
    w3: Param<Tensor<2>>,
    b3: Param<Tensor<1>>,
}

/// Floats as a tensor.
pub(crate) fn floats<const D: usize>(
    data: &[f32],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// Whole numbers as a tensor.
pub(crate) fn ints<const D: usize>(
    data: &[i32],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(data.to_vec(), shape), device)
}

/// Numbers that are learnt.
pub(crate) fn weight<const D: usize>(
    data: &[f32],
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_tensor(floats(data, shape, device))
}

/// What they have become.
pub(crate) fn learnt<const D: usize>(weight: &Param<Tensor<D>>) -> Vec<f32> {
    values(weight.val())
}

impl Net {
    /// Puts weights on a device. Frozen tables get no gradients.
    pub fn new(dims: &Dims, w: &Weights, frozen: bool, device: &Device) -> Self {
        let matrix = |data: &[f32], shape: [usize; 2]| weight(data, shape, device);
        let vector = |data: &[f32]| weight(data, [data.len()], device);
        let table = |data: &[f32], shape: [usize; 2]| matrix(data, shape).set_require_grad(!frozen);
        let [h1, h2] = dims.hidden;
        Self {
            products: table(&w.products, [dims.products, dims.product_width]),
            tokens: table(&w.tokens, [dims.tokens, dims.token_width]),
            slots: table(&w.slots, [dims.slots, 1]),
            w1: matrix(&w.w1, [dims.inputs(), h1]),
            b1: vector(&w.b1),
            w2: matrix(&w.w2, [h1, h2]),
            b2: vector(&w.b2),
            w3: matrix(&w.w3, [h2, 1]),
            b3: vector(&w.b3),
        }
    }

    /// Takes the weights back.
    pub fn weights(&self) -> Weights {
        Weights {
            products: learnt(&self.products),
            tokens: learnt(&self.tokens),
            slots: learnt(&self.slots),
            w1: learnt(&self.w1),
            b1: learnt(&self.b1),
            w2: learnt(&self.w2),
            b2: learnt(&self.b2),
            w3: learnt(&self.w3),
            b3: learnt(&self.b3),
        }
    }

    /// Scores `[lists, rows]`.
    fn forward(&self, dims: &Dims, batch: &Batch, device: &Device) -> Tensor<2> {
        let (b, n) = (batch.lists, batch.rows);
        let d = dims.product_width;
        let [h1, _] = dims.hidden;

        // Row 0 means "nothing": it must neither count nor be learnt.
        let rows_of = |rows: usize| {
            let mut mask = vec![1.0; rows];
            mask[0] = 0.0;
            floats(&mask, [rows, 1], device)
        };
        let products = self.products.val().mul(rows_of(dims.products));
        let tokens = self.tokens.val().mul(rows_of(dims.tokens));
        let session_ids = ints(&batch.session, [b * dims.session], device);
        let counts: Vec<f32> = batch
            .session
            .chunks(dims.session)
            .map(|s| 1.0 / (s.iter().filter(|&&i| i != 0).count().max(1) as f32))
            .collect();
        // The padding row is zero, so that a sum over all places is a sum over
        // the filled ones.
        let session = products
            .clone()
            .select(0, session_ids)
            .reshape([b, dims.session, d])
            .sum_dim(1)
            .reshape([b, d])
            .mul(floats(&counts, [b, 1], device));
        let product = products.select(0, ints(&batch.product, [b * n], device));
        let title = tokens
            .select(0, ints(&batch.title, [b * n * dims.title], device))
            .reshape([b * n, dims.title, dims.token_width])
            .sum_dim(1)
            .reshape([b * n, dims.token_width]);
        let linear = self
            .slots
            .val()
            .select(0, ints(&batch.wide, [b * n * dims.wide], device))
            .reshape([b * n, dims.wide])
            .sum_dim(1);
        let both = product
            .clone()
            .reshape([b, n, d])
            .mul(session.clone().reshape([b, 1, d]))
            .reshape([b * n, d]);

        // What is the same for all rows of a list goes through its part of the
        // first layer once.
        let w1 = self.w1.val();
        let shared_width = dims.context + d;
        let shared = Tensor::cat(
            vec![floats(&batch.context, [b, dims.context], device), session],
            1,
        )
        .matmul(w1.clone().slice([0..shared_width, 0..h1]))
        .reshape([b, 1, h1]);
        let rows = Tensor::cat(
            vec![
                floats(&batch.candidate, [b * n, dims.candidate], device),
                product,
                title,
                both,
            ],
            1,
        )
        .matmul(w1.slice([shared_width..dims.inputs(), 0..h1]))
        .reshape([b, n, h1]);
        let x = relu(rows.add(shared).reshape([b * n, h1]) + self.b1.val().unsqueeze());
        let x = relu(x.matmul(self.w2.val()) + self.b2.val().unsqueeze());
        let deep = x.matmul(self.w3.val()) + self.b3.val().unsqueeze();
        deep.add(linear).reshape([b, n])
    }

    /// Listwise softmax loss: the cross entropy between the scores' softmax and
    /// the uniform distribution over the relevant candidates.
    pub fn loss(&self, dims: &Dims, batch: &Batch, device: &Device) -> Tensor<1> {
        let shape = [batch.lists, batch.rows];
        let scores = self.forward(dims, batch, device) + floats(&batch.mask, shape, device);
        let target = floats(&batch.target, shape, device);
        (log_softmax(scores, 1) * target).sum().neg() / batch.lists as f32
    }

    /// Scores of all rows of one ranking.
    pub fn score(&self, dims: &Dims, list: &Encoded, device: &Device) -> Vec<f32> {
        if list.rows == 0 {
            return Vec::new();
        }
        let mut batch = Batch::new(list.rows);
        let all: Vec<usize> = (0..list.rows).collect();
        batch.push(dims, list, &all, &vec![false; list.rows]);
        values(self.forward(dims, &batch, device))
    }
}

/// A tensor's elements.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn tiny() -> Dims {
        Dims {
            context: 2,
            candidate: 3,
            products: 5,
            title: 2,
            tokens: 4,
            wide: 2,
            slots: 6,
            session: 3,
            product_width: 4,
            token_width: 2,
            hidden: [5, 3],
        }
    }

    fn example() -> Encoded {
        Encoded {
            rows: 2,
            context: vec![0.5, -1.0],
            session: vec![2, 4, 0],
            candidate: vec![0.1, 0.2, 0.3, -0.4, 0.5, 0.6],
            product: vec![1, 3],
            title: vec![1, 2, 3, 0],
            wide: vec![0, 5, 2, 2],
            logged: Vec::new(),
        }
    }

    /// The same arithmetic with loops, to hold the tensor program against.
    fn by_hand(dims: &Dims, w: &Weights, list: &Encoded) -> Vec<f32> {
        let d = dims.product_width;
        let row = |i: i32| &w.products[i as usize * d..(i as usize + 1) * d];
        let filled: Vec<i32> = list.session.iter().copied().filter(|&i| i != 0).collect();
        let session: Vec<f32> = (0..d)
            .map(|k| filled.iter().map(|&i| row(i)[k]).sum::<f32>() / filled.len().max(1) as f32)
            .collect();
        (0..list.rows)
            .map(|r| {
                let mut x = list.context.clone();
                x.extend(&session);
                x.extend(&list.candidate[r * dims.candidate..(r + 1) * dims.candidate]);
                let e = row(list.product[r]);
                x.extend(e);
                x.extend((0..dims.token_width).map(|k| {
                    list.title[r * dims.title..(r + 1) * dims.title]
                        .iter()
                        .map(|&t| w.tokens[t as usize * dims.token_width + k])
                        .sum::<f32>()
                }));
                x.extend(e.iter().zip(&session).map(|(a, b)| a * b));
                let dense = |x: &[f32], w: &[f32], b: &[f32]| -> Vec<f32> {
                    (0..b.len())
                        .map(|o| {
                            b[o] + x
                                .iter()
                                .enumerate()
                                .map(|(i, v)| v * w[i * b.len() + o])
                                .sum::<f32>()
                        })
                        .collect()
                };
                let relu = |x: Vec<f32>| x.into_iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
                let x = relu(dense(&x, &w.w1, &w.b1));
                let x = relu(dense(&x, &w.w2, &w.b2));
                let linear: f32 = list.wide[r * dims.wide..(r + 1) * dims.wide]
                    .iter()
                    .map(|&s| w.slots[s as usize])
                    .sum();
                dense(&x, &w.w3, &w.b3)[0] + linear
            })
            .collect()
    }

    #[test]
    fn the_tensor_program_equals_the_loops() {
        let dims = tiny();
        let mut w = Weights::new(&dims, &[false, true, true, true, true], 7);
        for (i, s) in w.slots.iter_mut().enumerate() {
            *s = i as f32 / 10.0;
        }
        w.b1 = vec![0.1, -0.2, 0.3, 0.4, -0.5];
        w.b3 = vec![0.25];
        let device = Device::flex();
        let net = Net::new(&dims, &w, false, &device);
        assert_eq!(net.weights(), w);
        let scores = net.score(&dims, &example(), &device);
        for (a, b) in scores.iter().zip(by_hand(&dims, &w, &example())) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        let dims = tiny();
        let w = Weights::new(&dims, &[false, true, true, true, true], 7);
        let device = Device::flex().autodiff();
        let mut batch = Batch::new(3);
        batch.push(&dims, &example(), &[0, 1], &[true, false]);
        batch.push(&dims, &example(), &[1], &[true, true]);
        let loss = |w: &Weights| -> f32 {
            let net = Net::new(&dims, w, false, &device);
            values(net.loss(&dims, &batch, &device))[0]
        };
        let net = Net::new(&dims, &w, false, &device);
        let gradients = net.loss(&dims, &batch, &device).backward();
        let products = values(net.products.val().grad(&gradients).expect("products"));
        let w1 = values(net.w1.val().grad(&gradients).expect("w1"));
        for (k, gradient) in products.iter().enumerate() {
            let nudge = |by: f32| {
                let mut w = w.clone();
                w.products[k] += by;
                loss(&w)
            };
            let difference = (nudge(1e-3) - nudge(-1e-3)) / 2e-3;
            assert!(
                (gradient - difference).abs() < 2e-3,
                "{k}: {gradient} {difference}"
            );
            if k < dims.product_width {
                assert_eq!(*gradient, 0.0, "the padding row is not learnt");
            }
        }
        for (k, gradient) in w1.iter().enumerate() {
            let nudge = |by: f32| {
                let mut w = w.clone();
                w.w1[k] += by;
                loss(&w)
            };
            let difference = (nudge(1e-3) - nudge(-1e-3)) / 2e-3;
            assert!(
                (gradient - difference).abs() < 2e-3,
                "{k}: {gradient} {difference}"
            );
        }
    }
}
