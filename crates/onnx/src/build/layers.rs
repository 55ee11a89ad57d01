//! The layers.

use super::{Activation, Attribute, Dim, Graph, Kind, Pool, Var};
use crate::lower::{broadcast, show};

impl Graph {
    /// The dimensions of an operand of at least `rank`; a fault and a stand-in
    /// when it has fewer.
    fn at_least(&mut self, x: Var, rank: usize, layer: &str) -> Vec<Dim> {
        let dims = self.dims(x).to_vec();
        if dims.len() >= rank {
            return dims;
        }
        self.fault(format!(
            "{layer}: an operand of shape {} needs at least {rank} dimensions",
            show(&dims)
        ));
        vec![Dim::Fixed(1); rank]
    }

    fn scalar(&mut self, value: f32) -> Var {
        let name = self.fresh("scalar");
        self.f32(&name, &[], vec![value])
    }

    fn list(&mut self, values: Vec<i64>) -> Var {
        let name = self.fresh("list");
        self.i64(&name, &[values.len()], values)
    }

    fn function(&mut self, op: &str, x: Var, attributes: Vec<Attribute>) -> Var {
        let dims = self.dims(x).to_vec();
        self.node(op, &[x], attributes, Kind::F32, &dims)
    }

    /// `activation(x * weight + bias)`, with the weight as `[inputs, outputs]`
    /// and the bias as `[outputs]`.
    pub fn dense(&mut self, x: Var, weight: Var, bias: Option<Var>, activation: Activation) -> Var {
        let mut dims = self.at_least(x, 1, "dense");
        let weights = self.at_least(weight, 2, "dense");
        let rank = dims.len();
        if dims[rank - 1] != weights[0] {
            self.fault(format!(
                "dense: {} and a weight of {} don't fit",
                show(&dims),
                show(&weights)
            ));
        }
        dims[rank - 1] = weights[1];
        let mut y = self.node("MatMul", &[x, weight], Vec::new(), Kind::F32, &dims);
        if let Some(bias) = bias {
            if self.dims(bias) != [weights[1]] {
                let shape = show(self.dims(bias));
                self.fault(format!(
                    "dense: a bias of {shape} for a weight of {}",
                    show(&weights)
                ));
            }
            y = self.node("Add", &[y, bias], Vec::new(), Kind::F32, &dims);
        }
        self.activate(y, activation)
    }

    /// The same for `x` of two dimensions, with the weight as `[outputs,
    /// inputs]`.
    pub fn dense_transposed(
        &mut self,
        x: Var,
        weight: Var,
        bias: Option<Var>,
        activation: Activation,
    ) -> Var {
        let dims = self.at_least(x, 2, "dense_transposed");
        let weights = self.at_least(weight, 2, "dense_transposed");
        if dims.len() != 2 || dims[1] != weights[1] {
            self.fault(format!(
                "dense_transposed: {} and a weight of {} don't fit",
                show(&dims),
                show(&weights)
            ));
        }
        let mut inputs = vec![x, weight];
        inputs.extend(bias);
        let y = self.node(
            "Gemm",
            &inputs,
            vec![Attribute::int("transB", 1)],
            Kind::F32,
            &[dims[0], weights[0]],
        );
        self.activate(y, activation)
    }

    /// A function of every element.
    pub fn activate(&mut self, x: Var, activation: Activation) -> Var {
        match activation {
            Activation::None => x,
            Activation::Relu => self.function("Relu", x, Vec::new()),
            Activation::LeakyRelu(alpha) => {
                self.function("LeakyRelu", x, vec![Attribute::float("alpha", alpha)])
            }
            Activation::Sigmoid => self.function("Sigmoid", x, Vec::new()),
            Activation::Tanh => self.function("Tanh", x, Vec::new()),
            Activation::Gelu => {
                // Gelu is an operator of its own only since operator set 20.
                let scaled = self.scale(x, std::f32::consts::FRAC_1_SQRT_2);
                let erf = self.function("Erf", scaled, Vec::new());
                let one = self.scalar(1.0);
                let erf = self.add(erf, one);
                let product = self.mul(x, erf);
                self.scale(product, 0.5)
            }
        }
    }

    /// Rows of a table `[entries, cols]` by index: `[r, l]` to `[r, l, cols]`.
    pub fn gather(&mut self, table: Var, ids: Var) -> Var {
        let tables = self.at_least(table, 2, "gather");
        let mut dims = self.dims(ids).to_vec();
        if self.kind(ids) != Kind::I64 {
            self.fault("gather: the indices must be integers".to_owned());
        }
        dims.extend_from_slice(&tables[1..]);
        self.node(
            "Gather",
            &[table, ids],
            vec![Attribute::int("axis", 0)],
            Kind::F32,
            &dims,
        )
    }

    /// One row of a table for each row: `[r, 1]` to `[r, cols]`.
    pub fn embed(&mut self, table: Var, ids: Var) -> Var {
        let dims = self.at_least(ids, 2, "embed");
        if dims.len() != 2 || dims[1] != Dim::Fixed(1) {
            self.fault(format!(
                "embed: the indices must have the shape [r, 1], they have {}",
                show(&dims)
            ));
        }
        let rows = self.gather(table, ids);
        let dims = self.at_least(rows, 3, "embed");
        let axes = self.list(vec![1]);
        self.node(
            "Squeeze",
            &[rows, axes],
            Vec::new(),
            Kind::F32,
            &[dims[0], dims[2]],
        )
    }

    /// The rows of a table for a list of indices, reduced to one: `[r, l]` to
    /// `[r, cols]`. Every entry counts; a table whose row 0 is zero makes 0 a
    /// padding for sums.
    pub fn bag(&mut self, table: Var, ids: Var, pool: Pool) -> Var {
        let rows = self.gather(table, ids);
        self.reduce(rows, 1, pool, false)
    }

    /// The same, where index 0 doesn't count and an empty list gives 0. Sum and
    /// mean only.
    pub fn bag_padded(&mut self, table: Var, ids: Var, pool: Pool) -> Var {
        let mask = self.mask(ids);
        let rows = self.gather(table, ids);
        let rows = self.mul(rows, mask);
        let sum = self.reduce(rows, 1, Pool::Sum, false);
        match pool {
            Pool::Sum => sum,
            Pool::Mean => {
                let count = self.reduce(mask, 1, Pool::Sum, false);
                let one = self.scalar(1.0);
                let count = self.max(count, one);
                self.div(sum, count)
            }
            Pool::Max => {
                self.fault("bag_padded: only sum and mean have a padding".to_owned());
                sum
            }
        }
    }

    /// Which indices count: `[r, l]` to `[r, l, 1]`, 0 where the index is 0 and
    /// 1 where it is greater.
    pub fn mask(&mut self, ids: Var) -> Var {
        let mut dims = self.at_least(ids, 2, "mask");
        let floats = self.node(
            "Cast",
            &[ids],
            vec![Attribute::int("to", 1)],
            Kind::F32,
            &dims.clone(),
        );
        let (low, high) = (self.scalar(0.0), self.scalar(1.0));
        let mask = self.node(
            "Clip",
            &[floats, low, high],
            Vec::new(),
            Kind::F32,
            &dims.clone(),
        );
        let axes = self.list(vec![dims.len() as i64]);
        dims.push(Dim::Fixed(1));
        self.node("Unsqueeze", &[mask, axes], Vec::new(), Kind::F32, &dims)
    }

    /// Side by side along the last axis.
    pub fn concat(&mut self, parts: &[Var]) -> Var {
        let Some(first) = parts.first() else {
            self.fault("concat: there is no part".to_owned());
            return self.scalar(0.0);
        };
        let mut dims = self.at_least(*first, 1, "concat");
        let head = dims[..dims.len() - 1].to_vec();
        let mut width = 0;
        for part in parts {
            match self.dims(*part) {
                [start @ .., Dim::Fixed(size)] if *start == head => width += size,
                other => {
                    let other = show(other);
                    self.fault(format!(
                        "concat: {} and {other} don't fit; expand shared parts first",
                        show(&dims)
                    ));
                }
            }
        }
        if let Some(last) = dims.last_mut() {
            *last = Dim::Fixed(width);
        }
        self.node(
            "Concat",
            parts,
            vec![Attribute::int("axis", -1)],
            Kind::F32,
            &dims,
        )
    }

    /// Repeats a shared value `[1, ...]` for every row; the number of rows is
    /// that of `like`.
    pub fn expand(&mut self, x: Var, like: Var) -> Var {
        let mut dims = self.at_least(x, 1, "expand");
        let rows = self.at_least(like, 1, "expand");
        if dims[0] != Dim::Fixed(1) || rows[0] != Dim::Rows {
            self.fault(format!(
                "expand: {} can't be repeated like {}",
                show(&dims),
                show(&rows)
            ));
        }
        let shape = self.node(
            "Shape",
            &[like],
            Vec::new(),
            Kind::I64,
            &[Dim::Fixed(rows.len())],
        );
        let (start, end) = (self.list(vec![0]), self.list(vec![1]));
        let count = self.node(
            "Slice",
            &[shape, start, end],
            Vec::new(),
            Kind::I64,
            &[Dim::Fixed(1)],
        );
        let ones = self.list(vec![1; dims.len() - 1]);
        let parts = [count, ones];
        let used = if dims.len() == 1 {
            &parts[..1]
        } else {
            &parts[..]
        };
        let target = self.node(
            "Concat",
            used,
            vec![Attribute::int("axis", 0)],
            Kind::I64,
            &[Dim::Fixed(dims.len())],
        );
        dims[0] = Dim::Rows;
        let kind = self.kind(x);
        self.node("Expand", &[x, target], Vec::new(), kind, &dims)
    }

    fn binary(&mut self, op: &str, a: Var, b: Var) -> Var {
        let dims = match broadcast(self.dims(a), self.dims(b)) {
            Ok(dims) => dims,
            Err(error) => {
                self.fault(format!("{}: {}", op.to_lowercase(), error.cause()));
                self.dims(a).to_vec()
            }
        };
        self.node(op, &[a, b], Vec::new(), Kind::F32, &dims)
    }

    /// a + b
    pub fn add(&mut self, a: Var, b: Var) -> Var {
        self.binary("Add", a, b)
    }

    /// a - b
    pub fn sub(&mut self, a: Var, b: Var) -> Var {
        self.binary("Sub", a, b)
    }

    /// a * b
    pub fn mul(&mut self, a: Var, b: Var) -> Var {
        self.binary("Mul", a, b)
    }

    /// a / b
    pub fn div(&mut self, a: Var, b: Var) -> Var {
        self.binary("Div", a, b)
    }

    /// max(a, b)
    pub fn max(&mut self, a: Var, b: Var) -> Var {
        self.binary("Max", a, b)
    }

    /// min(a, b)
    pub fn min(&mut self, a: Var, b: Var) -> Var {
        self.binary("Min", a, b)
    }

    /// x times a number.
    pub fn scale(&mut self, x: Var, factor: f32) -> Var {
        let factor = self.scalar(factor);
        self.mul(x, factor)
    }

    /// Layer normalisation over the last axis.
    pub fn layer_norm(&mut self, x: Var, gamma: Var, beta: Var, epsilon: f32) -> Var {
        let dims = self.at_least(x, 1, "layer_norm");
        let width = dims[dims.len() - 1];
        if self.dims(gamma) != [width] || self.dims(beta) != [width] {
            self.fault(format!(
                "layer_norm: gamma and beta must have the shape [{}]",
                show(&[width])
            ));
        }
        let attributes = vec![
            Attribute::int("axis", -1),
            Attribute::float("epsilon", epsilon),
        ];
        self.node(
            "LayerNormalization",
            &[x, gamma, beta],
            attributes,
            Kind::F32,
            &dims,
        )
    }

    /// Softmax over the last axis.
    pub fn softmax(&mut self, x: Var) -> Var {
        self.function("Softmax", x, vec![Attribute::int("axis", -1)])
    }

    /// `softmax(scale * query * keysᵀ) * values` for query `[r, q, d]`, keys
    /// `[r', l, d]`, values `[r', l, e]` and mask `[r'', l, 1]`. Where the mask
    /// is 0 an entry doesn't count; if none counts, the result is 0.
    pub fn attention(
        &mut self,
        query: Var,
        keys: Var,
        values: Var,
        mask: Option<Var>,
        scale: f32,
    ) -> Var {
        let transposed = self.transpose(keys);
        let scores = self.matmul(query, transposed);
        let mut scores = self.scale(scores, scale);
        let mask = mask.map(|m| self.transpose(m));
        if let Some(mask) = mask {
            let one = self.scalar(1.0);
            let less = self.sub(mask, one);
            let penalty = self.scale(less, 1e9);
            scores = self.add(scores, penalty);
        }
        let mut weights = self.softmax(scores);
        if let Some(mask) = mask {
            weights = self.mul(weights, mask);
        }
        self.matmul(weights, values)
    }

    /// A product of two computed values, of two or three dimensions each.
    pub fn matmul(&mut self, a: Var, b: Var) -> Var {
        let (left, right) = (self.at_least(a, 2, "matmul"), self.at_least(b, 2, "matmul"));
        let (n, m) = (left.len(), right.len());
        if left[n - 1] != right[m - 2] {
            self.fault(format!(
                "matmul: {} and {} don't fit",
                show(&left),
                show(&right)
            ));
        }
        let mut dims = match broadcast(&left[..n - 2], &right[..m - 2]) {
            Ok(dims) => dims,
            Err(error) => {
                self.fault(format!("matmul: {}", error.cause()));
                left[..n - 2].to_vec()
            }
        };
        dims.extend([left[n - 2], right[m - 1]]);
        self.node("MatMul", &[a, b], Vec::new(), Kind::F32, &dims)
    }

    /// Reduction along an axis, which is kept as 1 or removed.
    pub fn reduce(&mut self, x: Var, axis: i64, pool: Pool, keep: bool) -> Var {
        let mut dims = self.at_least(x, 1, "reduce");
        let at = match crate::lower::axis(axis, dims.len()) {
            Ok(at) if dims[at] != Dim::Rows => at,
            _ => {
                self.fault(format!(
                    "reduce: {} has no constant axis {axis}",
                    show(&dims)
                ));
                dims.len() - 1
            }
        };
        if keep {
            dims[at] = Dim::Fixed(1);
        } else {
            dims.remove(at);
        }
        let keep = Attribute::int("keepdims", i64::from(keep));
        // In operator set 17 the axes are an input for sums and an attribute for
        // the others.
        match pool {
            Pool::Sum => {
                let axes = self.list(vec![at as i64]);
                self.node("ReduceSum", &[x, axes], vec![keep], Kind::F32, &dims)
            }
            Pool::Mean | Pool::Max => {
                let op = if pool == Pool::Mean {
                    "ReduceMean"
                } else {
                    "ReduceMax"
                };
                self.node(
                    op,
                    &[x],
                    vec![Attribute::ints("axes", vec![at as i64]), keep],
                    Kind::F32,
                    &dims,
                )
            }
        }
    }

    /// The same elements under another shape; rows stay rows.
    pub fn reshape(&mut self, x: Var, dims: &[Dim]) -> Var {
        let old = self.dims(x).to_vec();
        let count = |dims: &[Dim]| crate::lower::inner(dims).iter().product::<usize>();
        let rows = |dims: &[Dim]| dims.iter().position(|d| *d == Dim::Rows);
        if count(&old) != count(dims) || rows(&old) != rows(dims) {
            self.fault(format!(
                "reshape: {} can't become {}",
                show(&old),
                show(dims)
            ));
        }
        // 0 keeps the first dimension as it is.
        let target = dims
            .iter()
            .map(|d| match d {
                Dim::Rows => 0,
                Dim::Fixed(size) => *size as i64,
            })
            .collect();
        let target = self.list(target);
        let kind = self.kind(x);
        self.node("Reshape", &[x, target], Vec::new(), kind, dims)
    }

    /// A range of an axis.
    pub fn slice(&mut self, x: Var, axis: i64, start: usize, size: usize) -> Var {
        let mut dims = self.at_least(x, 1, "slice");
        let at = crate::lower::axis(axis, dims.len()).unwrap_or(dims.len());
        match dims.get_mut(at) {
            Some(Dim::Fixed(extent)) if size > 0 && start.saturating_add(size) <= *extent => {
                *extent = size
            }
            _ => self.fault(format!(
                "slice: {start} and {size} of axis {axis} of {}",
                show(&dims)
            )),
        }
        let starts = self.list(vec![start as i64]);
        let ends = self.list(vec![start.saturating_add(size) as i64]);
        let axes = self.list(vec![axis]);
        let kind = self.kind(x);
        self.node("Slice", &[x, starts, ends, axes], Vec::new(), kind, &dims)
    }

    /// Consecutive ranges of an axis, of the given sizes.
    pub fn split(&mut self, x: Var, axis: i64, sizes: &[usize]) -> Vec<Var> {
        let dims = self.at_least(x, 1, "split");
        let at = crate::lower::axis(axis, dims.len()).unwrap_or(0);
        if dims[at] != Dim::Fixed(sizes.iter().sum()) {
            self.fault(format!(
                "split: parts of {sizes:?} of axis {axis} of {}",
                show(&dims)
            ));
        }
        let kind = self.kind(x);
        let list = self.list(sizes.iter().map(|s| *s as i64).collect());
        let parts: Vec<Var> = sizes
            .iter()
            .map(|size| {
                let mut dims = dims.clone();
                dims[at] = Dim::Fixed(*size);
                let name = self.fresh("split");
                self.declare(&name, kind, dims)
            })
            .collect();
        self.push(
            "Split",
            &[x, list],
            vec![Attribute::int("axis", axis)],
            &parts,
        );
        parts
    }

    /// Swaps the last two axes.
    pub fn transpose(&mut self, x: Var) -> Var {
        let mut dims = self.at_least(x, 2, "transpose");
        let rank = dims.len();
        let mut perm: Vec<i64> = (0..rank as i64).collect();
        perm.swap(rank - 2, rank - 1);
        dims.swap(rank - 2, rank - 1);
        let kind = self.kind(x);
        self.node(
            "Transpose",
            &[x],
            vec![Attribute::ints("perm", perm)],
            kind,
            &dims,
        )
    }
}
