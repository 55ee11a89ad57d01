//! Random graphs of the supported operators: the generator of the agreement
//! tests' fixtures.
//!
//! A graph grows by operators on randomly chosen values, each kept in a range
//! in which f32 errors stay small, so that a difference means a defect and not
//! bad luck.
#![allow(
    dead_code,
    reason = "every test binary uses its own part of this module"
)]

use shelfedge_engine::program::{Aggregate, Forest, Node, PostTransform, Test};
use shelfedge_onnx::build::{Activation, Attribute, Dim, Graph, Kind, Pool, Var};
use shelfedge_onnx::reference::Tensor;

use super::common::{Rng, f32s, i64s};

pub(crate) struct Case {
    pub(crate) onnx: Vec<u8>,
    pub(crate) rows: usize,
    pub(crate) inputs: Vec<(String, Tensor)>,
    /// The operators that were drawn.
    pub(crate) operators: Vec<&'static str>,
}

struct Builder {
    rng: Rng,
    g: Graph,
    rows: usize,
    inputs: Vec<(String, Tensor)>,
    /// Values of floats, of two or three dimensions.
    floats: Vec<Var>,
    /// Lists of indices below the number.
    ids: Vec<(Var, usize)>,
    /// Features of trees, which hold NaN.
    features: Var,
    weights: usize,
    operators: Vec<&'static str>,
    labels: Vec<Var>,
}

const FEATURES: usize = 6;

/// The graph of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut rng = Rng(seed.wrapping_mul(0x51_7cc1_b727_220b).wrapping_add(17));
    let rows = [1, 2, 7, 48, 53][rng.below(5)];
    let mut g = Graph::new("random");
    let features = g.input("features", Kind::F32, &[Dim::Rows, Dim::Fixed(FEATURES)]);
    let mut data = rng.floats(rows * FEATURES);
    for value in &mut data {
        if rng.chance(15) {
            *value = f32::NAN;
        } else if rng.chance(30) {
            // Meets thresholds exactly.
            *value = rng.below(5) as f32 / 4.0;
        }
    }
    let inputs = vec![("features".to_owned(), f32s(&[rows, FEATURES], data))];
    let mut b = Builder {
        rng,
        g,
        rows,
        inputs,
        floats: Vec::new(),
        ids: Vec::new(),
        features,
        weights: 0,
        operators: Vec::new(),
        labels: Vec::new(),
    };
    b.declare();
    for _ in 0..b.rng.between(4, 14) {
        b.grow();
    }
    b.finish()
}

impl Builder {
    fn declare(&mut self) {
        for (i, (per_row, rank)) in [(true, 2), (false, 2), (true, 3), (false, 3)]
            .into_iter()
            .enumerate()
        {
            if i > 0 && self.rng.chance(30) {
                continue;
            }
            let mut dims = vec![if per_row { self.rows } else { 1 }];
            dims.extend((1..rank).map(|_| self.rng.between(1, 9)));
            let mut shape: Vec<Dim> = dims.iter().map(|d| Dim::Fixed(*d)).collect();
            if per_row {
                shape[0] = Dim::Rows;
            }
            let name = format!("x{i}");
            let var = self.g.input(&name, Kind::F32, &shape);
            let data = self.rng.floats(dims.iter().product());
            self.inputs.push((name, f32s(&dims, data)));
            self.floats.push(var);
        }
        for (i, per_row) in [true, false].into_iter().enumerate() {
            let (len, end) = (self.rng.between(1, 7), self.rng.between(2, 30));
            let rows = if per_row { self.rows } else { 1 };
            let shape = [
                if per_row { Dim::Rows } else { Dim::Fixed(1) },
                Dim::Fixed(len),
            ];
            let name = format!("ids{i}");
            let var = self.g.input(&name, Kind::I64, &shape);
            let mut data = self.rng.ids(rows * len, end);
            if self.rng.chance(25) {
                data[..len].fill(0);
            }
            self.inputs.push((name, i64s(&[rows, len], data)));
            self.ids.push((var, end));
        }
    }

    fn pick(&mut self) -> Var {
        // The newest values are the likeliest, so that graphs grow deep.
        let n = self.floats.len();
        let back = self.rng.below(n).min(self.rng.below(n));
        self.floats[n - 1 - back]
    }

    fn pick_rank(&mut self, rank: usize) -> Option<Var> {
        let fitting: Vec<Var> = self
            .floats
            .iter()
            .copied()
            .filter(|v| self.g.dims(*v).len() == rank)
            .collect();
        (!fitting.is_empty()).then(|| fitting[fitting.len() - 1 - self.rng.below(fitting.len())])
    }

    fn width(&self, x: Var) -> usize {
        match self.g.dims(x).last() {
            Some(Dim::Fixed(width)) => *width,
            _ => 1,
        }
    }

    fn name(&mut self) -> String {
        self.weights += 1;
        format!("w{}", self.weights)
    }

    fn weight(&mut self, dims: &[usize]) -> Var {
        let name = self.name();
        let data = self.rng.floats(dims.iter().product());
        self.g.f32(&name, dims, data)
    }

    fn scalar(&mut self, value: f32) -> Var {
        let name = self.name();
        self.g.f32(&name, &[], vec![value])
    }

    fn same(&mut self, op: &'static str, inputs: &[Var], attributes: Vec<Attribute>) -> Var {
        let dims = self.g.dims(inputs[0]).to_vec();
        self.operators.push(op);
        self.g.node(op, inputs, attributes, Kind::F32, &dims)
    }

    /// |x| + offset
    fn positive(&mut self, x: Var, offset: f32) -> Var {
        let abs = self.same("Abs", &[x], vec![]);
        let offset = self.scalar(offset);
        self.g.add(abs, offset)
    }

    fn activation(&mut self) -> Activation {
        match self.rng.below(6) {
            0 => Activation::None,
            1 => Activation::Relu,
            2 => Activation::LeakyRelu(0.1),
            3 => Activation::Sigmoid,
            4 => Activation::Tanh,
            _ => Activation::Gelu,
        }
    }

    fn grow(&mut self) {
        let value = match self.rng.below(20) {
            0 | 1 => Some(self.unary()),
            2 | 3 => Some(self.binary()),
            4..=6 => Some(self.dense()),
            7 | 8 => Some(self.lookup()),
            9 => Some(self.concat()),
            10 => self.slice(),
            11 => Some(self.reduce()),
            12 => self.move_axes(),
            13 => Some(self.normalise()),
            14 => self.attention(),
            15 => Some(self.trees()),
            16 => self.heads(),
            17 => self.select(),
            18 => self.constants(),
            _ => self.batch_norm(),
        };
        if let Some(value) = value {
            self.floats.push(value);
        }
    }

    fn unary(&mut self) -> Var {
        let x = self.pick();
        match self.rng.below(14) {
            0 => self.same("Relu", &[x], vec![]),
            1 => self.same("LeakyRelu", &[x], vec![Attribute::float("alpha", 0.2)]),
            2 => self.same("Sigmoid", &[x], vec![]),
            3 => self.same("Tanh", &[x], vec![]),
            4 => {
                let x = self.same("Tanh", &[x], vec![]);
                self.same("Exp", &[x], vec![])
            }
            5 => {
                let x = self.positive(x, 0.5);
                self.same("Log", &[x], vec![])
            }
            6 => {
                let x = self.positive(x, 0.1);
                self.same("Sqrt", &[x], vec![])
            }
            7 => {
                let x = self.positive(x, 1.0);
                self.same("Reciprocal", &[x], vec![])
            }
            8 => self.same("Neg", &[x], vec![]),
            9 => self.same("Erf", &[x], vec![]),
            10 => {
                let (low, high) = (self.scalar(-0.5), self.scalar(0.75));
                self.same("Clip", &[x, low, high], vec![])
            }
            11 => self.same("Identity", &[x], vec![]),
            12 => self.same("Dropout", &[x], vec![]),
            _ => {
                let activation = self.activation();
                self.g.activate(x, activation)
            }
        }
    }

    /// Another operand that broadcasts with x without moving its rows.
    fn partner(&mut self, x: Var) -> Var {
        let dims = self.g.dims(x).to_vec();
        let fits = |other: &[Dim]| {
            other.len() == dims.len()
                && other
                    .iter()
                    .zip(&dims)
                    .all(|(o, d)| o == d || *o == Dim::Fixed(1) || *d == Dim::Fixed(1))
        };
        let others: Vec<Var> = self
            .floats
            .iter()
            .copied()
            .filter(|v| fits(self.g.dims(*v)))
            .collect();
        if !others.is_empty() && self.rng.chance(60) {
            return others[self.rng.below(others.len())];
        }
        let width = self.width(x);
        match (self.rng.below(3), dims.len()) {
            (0, _) => {
                let value = self.rng.float();
                self.scalar(value)
            }
            (1, 3) => match dims[1] {
                Dim::Fixed(len) => self.weight(&[len, 1]),
                Dim::Rows => self.weight(&[width]),
            },
            _ => self.weight(&[width]),
        }
    }

    fn binary(&mut self) -> Var {
        let x = self.pick();
        let y = self.partner(x);
        let (x, y) = if self.rng.chance(30) && self.g.dims(y).len() == self.g.dims(x).len() {
            (y, x)
        } else {
            (x, y)
        };
        match self.rng.below(8) {
            0 | 1 => self.g.add(x, y),
            2 => self.g.sub(x, y),
            3 => self.g.mul(x, y),
            4 => {
                let y = self.positive(y, 1.0);
                self.g.div(x, y)
            }
            5 => self.g.max(x, y),
            6 => self.g.min(x, y),
            _ => {
                let exponent = [2.0, 0.5, 1.5][self.rng.below(3)];
                let x = if exponent == 2.0 {
                    x
                } else {
                    self.positive(x, 0.1)
                };
                let exponent = self.scalar(exponent);
                self.same("Pow", &[x, exponent], vec![])
            }
        }
    }

    fn dense(&mut self) -> Var {
        let x = self.pick();
        let (k, m) = (self.width(x), self.rng.between(1, 12));
        let activation = self.activation();
        // Keeps the results about as large as the inputs.
        let shrink = 1.0 / (k as f32).sqrt();
        let mut data = self.rng.floats(k * m);
        data.iter_mut().for_each(|w| *w *= shrink);
        let bias = self.rng.chance(70).then(|| self.weight(&[m]));
        let name = self.name();
        match self.rng.below(4) {
            0 if self.g.dims(x).len() == 2 => {
                let weight = self.g.f32(&name, &[m, k], data);
                self.g.dense_transposed(x, weight, bias, activation)
            }
            1 if self.g.dims(x).len() == 2 => {
                let weight = self.g.f32(&name, &[k, m], data);
                let rows = self.g.dims(x)[0];
                let mut inputs = vec![x, weight];
                inputs.extend(bias);
                let attributes = vec![
                    Attribute::float("alpha", 0.5),
                    Attribute::float("beta", 1.5),
                ];
                self.operators.push("Gemm");
                self.g.node(
                    "Gemm",
                    &inputs,
                    attributes,
                    Kind::F32,
                    &[rows, Dim::Fixed(m)],
                )
            }
            2 => {
                let q = (0..k * m).map(|_| self.rng.below(255) as i8).collect();
                let weight = self.g.int8(&name, [k, m], q, vec![shrink / 127.0; k]);
                self.g.dense(x, weight, bias, activation)
            }
            _ => {
                let weight = self.g.f32(&name, &[k, m], data);
                self.g.dense(x, weight, bias, activation)
            }
        }
    }

    fn lookup(&mut self) -> Var {
        let (ids, end) = self.ids[self.rng.below(self.ids.len())];
        let cols = self.rng.between(1, 8);
        let table = self.weight(&[end, cols]);
        match self.rng.below(6) {
            0 => self.g.gather(table, ids),
            1 if self.g.dims(ids)[1] == Dim::Fixed(1) => self.g.embed(table, ids),
            2 => self.g.bag(table, ids, Pool::Mean),
            3 => self.g.bag(table, ids, Pool::Max),
            4 => {
                let pool = if self.rng.chance(50) {
                    Pool::Sum
                } else {
                    Pool::Mean
                };
                self.g.bag_padded(table, ids, pool)
            }
            _ => self.g.bag(table, ids, Pool::Sum),
        }
    }

    fn concat(&mut self) -> Var {
        let first = self.pick();
        let dims = self.g.dims(first).to_vec();
        let head = |dims: &[Dim]| dims[..dims.len() - 1].to_vec();
        // Shared ones are expanded where the first is per row.
        let others: Vec<Var> = self
            .floats
            .iter()
            .copied()
            .filter(|v| {
                let other = self.g.dims(*v);
                other.len() == dims.len()
                    && (head(other) == head(&dims)
                        || (other[0] == Dim::Fixed(1)
                            && dims[0] == Dim::Rows
                            && head(other)[1..] == head(&dims)[1..]))
            })
            .collect();
        let mut parts = vec![first];
        for _ in 0..self.rng.between(1, 3) {
            let part = others[self.rng.below(others.len())];
            let shared = self.g.dims(part)[0] != dims[0];
            parts.push(if shared {
                self.g.expand(part, first)
            } else {
                part
            });
        }
        self.g.concat(&parts)
    }

    fn slice(&mut self) -> Option<Var> {
        let x = self.pick();
        let dims = self.g.dims(x).to_vec();
        let axis = self.rng.between(1, dims.len() - 1);
        let Dim::Fixed(size) = dims[axis] else {
            return None;
        };
        let start = self.rng.below(size);
        let count = self.rng.between(1, size - start);
        Some(self.g.slice(x, axis as i64, start, count))
    }

    fn reduce(&mut self) -> Var {
        let x = self.pick();
        let rank = self.g.dims(x).len();
        // A value keeps at least two dimensions.
        let axis = self.rng.between(1, rank - 1) as i64;
        let keep = rank == 2 || self.rng.chance(40);
        match self.rng.below(5) {
            0 => self.g.reduce(x, axis, Pool::Sum, keep),
            1 => self.g.reduce(x, axis, Pool::Mean, keep),
            2 => self.g.reduce(x, axis, Pool::Max, keep),
            other => {
                let mut dims = self.g.dims(x).to_vec();
                if keep {
                    dims[axis as usize] = Dim::Fixed(1);
                } else {
                    dims.remove(axis as usize);
                }
                let attributes = vec![
                    Attribute::ints("axes", vec![axis]),
                    Attribute::int("keepdims", i64::from(keep)),
                ];
                let op = if other == 3 {
                    "ReduceMin"
                } else {
                    "ReduceSumSquare"
                };
                self.operators.push(op);
                self.g.node(op, &[x], attributes, Kind::F32, &dims)
            }
        }
    }

    fn move_axes(&mut self) -> Option<Var> {
        match self.rng.below(3) {
            0 => {
                let x = self.pick_rank(3)?;
                Some(self.g.transpose(x))
            }
            1 => {
                let x = self.pick_rank(3)?;
                let dims = self.g.dims(x).to_vec();
                let (Dim::Fixed(l), Dim::Fixed(w)) = (dims[1], dims[2]) else {
                    return None;
                };
                self.operators.push("Flatten");
                let flat = [dims[0], Dim::Fixed(l * w)];
                Some(self.g.node(
                    "Flatten",
                    &[x],
                    vec![Attribute::int("axis", 1)],
                    Kind::F32,
                    &flat,
                ))
            }
            _ => {
                let x = self.pick_rank(2)?;
                let width = self.width(x);
                let len = (1..=width)
                    .filter(|l| width.is_multiple_of(*l))
                    .nth(self.rng.below(2))
                    .unwrap_or(1);
                let rows = self.g.dims(x)[0];
                Some(
                    self.g
                        .reshape(x, &[rows, Dim::Fixed(len), Dim::Fixed(width / len)]),
                )
            }
        }
    }

    fn normalise(&mut self) -> Var {
        let x = self.pick();
        let width = self.width(x);
        match self.rng.below(3) {
            0 => {
                let (gamma, beta) = (self.weight(&[width]), self.weight(&[width]));
                // A large epsilon keeps a vector of nearly equal numbers tame.
                self.g.layer_norm(x, gamma, beta, 0.1)
            }
            1 if self.g.dims(x).len() == 3 => {
                self.same("Softmax", &[x], vec![Attribute::int("axis", 1)])
            }
            _ => self.g.softmax(x),
        }
    }

    fn attention(&mut self) -> Option<Var> {
        let keys = self.pick_rank(3)?;
        let dims = self.g.dims(keys).to_vec();
        let width = self.width(keys);
        let fits: Vec<Var> = self
            .floats
            .iter()
            .copied()
            .filter(|v| self.g.dims(*v).len() == 3 && self.width(*v) == width)
            .collect();
        let query = fits[self.rng.below(fits.len())];
        let own: Vec<(Var, usize)> = self
            .ids
            .iter()
            .copied()
            .filter(|(v, _)| self.g.dims(*v)[1] == dims[1] && self.g.dims(*v)[0] == dims[0])
            .collect();
        let mask = if own.is_empty() {
            None
        } else {
            Some(self.g.mask(own[0].0))
        };
        let scale = 1.0 / (width as f32).sqrt();
        Some(self.g.attention(query, keys, keys, mask, scale))
    }

    /// Self-attention with two heads, as exporters write it: reshape to four
    /// dimensions, transpose, batched products.
    fn heads(&mut self) -> Option<Var> {
        let x = self.pick_rank(3)?;
        let dims = self.g.dims(x).to_vec();
        let (Dim::Fixed(len), width) = (dims[1], self.width(x)) else {
            return None;
        };
        let (heads, d) = (2, self.rng.between(1, 4));
        let project = |b: &mut Self| {
            let weight = b.weight(&[width, heads * d]);
            let y = b.g.dense(x, weight, None, Activation::None);
            b.g.reshape(
                y,
                &[dims[0], Dim::Fixed(len), Dim::Fixed(heads), Dim::Fixed(d)],
            )
        };
        let permuted = |b: &mut Self, y: Var, perm: [i64; 4], shape: [usize; 3]| {
            let dims = [
                dims[0],
                Dim::Fixed(shape[0]),
                Dim::Fixed(shape[1]),
                Dim::Fixed(shape[2]),
            ];
            b.g.node(
                "Transpose",
                &[y],
                vec![Attribute::ints("perm", perm.to_vec())],
                Kind::F32,
                &dims,
            )
        };
        let (q, k) = (project(self), project(self));
        let q = permuted(self, q, [0, 2, 1, 3], [heads, len, d]);
        let v = permuted(self, k, [0, 2, 1, 3], [heads, len, d]);
        let k = permuted(self, v, [0, 1, 3, 2], [heads, d, len]);
        let scores = self.g.matmul(q, k);
        let weights = self.g.softmax(scores);
        let y = self.g.matmul(weights, v);
        let y = permuted(self, y, [0, 2, 1, 3], [len, heads, d]);
        self.operators.push("Transpose");
        Some(
            self.g
                .reshape(y, &[dims[0], Dim::Fixed(len), Dim::Fixed(heads * d)]),
        )
    }

    /// Constant positions along an axis.
    fn select(&mut self) -> Option<Var> {
        let x = self.pick();
        let mut dims = self.g.dims(x).to_vec();
        let axis = self.rng.between(1, dims.len() - 1);
        let Dim::Fixed(size) = dims[axis] else {
            return None;
        };
        let count = self.rng.between(1, 4);
        let at = self.rng.ids(count, size);
        let name = self.name();
        let at = self.g.i64(&name, &[count], at);
        dims[axis] = Dim::Fixed(count);
        self.operators.push("Gather");
        Some(self.g.node(
            "Gather",
            &[x, at],
            vec![Attribute::int("axis", axis as i64)],
            Kind::F32,
            &dims,
        ))
    }

    /// A constant that the graph itself computes, added to a column. A constant
    /// that is only expanded wouldn't do: tract 0.23.9 loses its rows.
    fn constants(&mut self) -> Option<Var> {
        let x = self.pick_rank(2)?;
        let (a, b) = (self.weight(&[3, 4]), self.weight(&[4]));
        let sum = self.g.add(a, b);
        let flipped = self.g.transpose(sum);
        let flat = self.g.reshape(flipped, &[Dim::Fixed(1), Dim::Fixed(12)]);
        let part = self.g.slice(flat, 1, 2, 5);
        let doubled = self.g.scale(part, 2.0);
        let column = self.g.slice(x, 1, 0, 1);
        Some(self.g.add(column, doubled))
    }

    fn batch_norm(&mut self) -> Option<Var> {
        let x = self.pick_rank(2)?;
        let width = self.width(x);
        let (scale, bias, mean) = (
            self.weight(&[width]),
            self.weight(&[width]),
            self.weight(&[width]),
        );
        let name = self.name();
        let var: Vec<f32> = self
            .rng
            .floats(width)
            .iter()
            .map(|v| v.abs() + 0.5)
            .collect();
        let var = self.g.f32(&name, &[width], var);
        Some(self.same(
            "BatchNormalization",
            &[x, scale, bias, mean, var],
            vec![Attribute::float("epsilon", 1e-3)],
        ))
    }

    fn trees(&mut self) -> Var {
        let targets = self.rng.between(1, 3);
        let mut forest = forest(&mut self.rng, FEATURES, targets);
        if self.rng.chance(50) || targets < 3 {
            self.operators.push("TreeEnsembleRegressor");
            let x = self.features;
            return self.g.trees(x, &forest);
        }
        self.operators.push("TreeEnsembleClassifier");
        forest.aggregate = Aggregate::Sum;
        forest.post = [
            PostTransform::None,
            PostTransform::Softmax,
            PostTransform::Logistic,
        ][self.rng.below(3)];
        let (label, scores) = self.g.classify(self.features, &forest, &[3, 1, 7]);
        self.labels.push(label);
        scores
    }

    fn finish(mut self) -> Case {
        let mut given = Vec::new();
        for name in ["y", "z"] {
            let value = if given.is_empty() {
                *self.floats.last().expect("there is a value")
            } else {
                self.pick()
            };
            if given.contains(&value) {
                continue;
            }
            given.push(value);
            self.g.output(name, value);
        }
        if let Some(label) = self.labels.first() {
            self.g.output("label", *label);
        }
        // Every input is used, because onnxruntime drops those that aren't.
        let onnx = self.g.finish().expect("the generator makes sound graphs");
        Case {
            onnx,
            rows: self.rows,
            inputs: self.inputs,
            operators: self.operators,
        }
    }
}

/// A random ensemble over features that may be missing.
pub(crate) fn forest(rng: &mut Rng, features: usize, targets: usize) -> Forest {
    let mut forest = Forest {
        features: features as u32,
        targets: targets as u32,
        base: if rng.chance(50) {
            rng.floats(targets)
        } else {
            Vec::new()
        },
        aggregate: [
            Aggregate::Sum,
            Aggregate::Average,
            Aggregate::Min,
            Aggregate::Max,
        ][rng.below(4)],
        post: PostTransform::None,
        trees: Vec::new(),
        leaf_weights: Vec::new(),
    };
    for _ in 0..rng.between(1, 5) {
        let mut nodes = Vec::new();
        grow(rng, &mut forest, &mut nodes, 4);
        forest.trees.push(nodes);
    }
    forest
}

fn grow(rng: &mut Rng, forest: &mut Forest, nodes: &mut Vec<Node>, depth: usize) -> u32 {
    let at = nodes.len();
    if depth == 0 || rng.chance(20) {
        let first = forest.leaf_weights.len() as u32;
        for target in 0..forest.targets {
            forest.leaf_weights.push((target, rng.float()));
        }
        nodes.push(Node::Leaf {
            first,
            count: forest.targets,
        });
        return at as u32;
    }
    nodes.push(Node::Leaf { first: 0, count: 0 });
    let test = [
        Test::Leq,
        Test::Lt,
        Test::Gte,
        Test::Gt,
        Test::Eq,
        Test::Neq,
    ][rng.below(6)];
    let feature = rng.below(forest.features as usize) as u32;
    let (threshold, missing_is_true) = (rng.below(5) as f32 / 4.0, rng.chance(50));
    let if_true = grow(rng, forest, nodes, depth - 1);
    let if_false = grow(rng, forest, nodes, depth - 1);
    nodes[at] = Node::Branch {
        feature,
        test,
        threshold,
        if_true,
        if_false,
        missing_is_true,
    };
    at as u32
}
