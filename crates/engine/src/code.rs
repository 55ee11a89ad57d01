//! The program as 32-bit words: what the section `program` holds.
//!
//! Constants lie in the section `weights`. A matrix that a dense layer
//! multiplies by is stored in panels of four outputs (`[outputs / 4][inputs][4]`,
//! the last panel filled up with zeros), everything else row by row.

use crate::error::{BuildError, LoadError, LoadErrorKind};
use crate::infer::{Context, ForestInfo, TensorInfo};
use crate::program::{
    Aggregate, Axis, Binary, Data, Forest, ForestId, Kind, Mode, Node, Op, Port, PostTransform,
    Program, Rows, Shape, Step, Tensor, TensorId, Test, Unary, Value, ValueId,
};

/// Outputs in a panel.
pub(crate) const PANEL: usize = 4;
/// Elements of all shared values together, at most: 8 MiB.
const MAX_SHARED: u64 = 1 << 21;
/// Elements of all other values together, per row, at most: 12 MiB for the smallest block.
const MAX_PER_ROW: u64 = 1 << 18;
const MAX_COUNT: u32 = 1 << 13;
const NONE: u32 = u32::MAX;
const MAX_NAME: usize = 256;

/// Element type of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    F32,
    F16,
    I8,
}

/// A tensor in the file: where it lies and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredTensor {
    pub(crate) stored: Stored,
    pub(crate) panels: bool,
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    /// Byte offset in the weights section.
    pub(crate) at: usize,
    /// Byte offset of the scales (i8 only).
    pub(crate) scale: usize,
}

impl StoredTensor {
    fn stored_rows(rows: u32, panels: bool) -> u64 {
        if panels {
            u64::from(rows).next_multiple_of(PANEL as u64)
        } else {
            u64::from(rows)
        }
    }
}

/// A tree ensemble in the file.
#[derive(Clone, Debug)]
pub(crate) struct StoredForest {
    pub(crate) features: u32,
    pub(crate) targets: u32,
    pub(crate) aggregate: Aggregate,
    pub(crate) post: PostTransform,
    pub(crate) base: Vec<f32>,
    /// Byte offset of the tree's first node numbers, `trees` u32.
    pub(crate) roots: usize,
    pub(crate) trees: u32,
    /// Byte offset of the nodes, 16 bytes each.
    pub(crate) nodes: usize,
    pub(crate) node_count: u32,
    /// Byte offset of (target u32, weight f32) pairs.
    pub(crate) leaves: usize,
    pub(crate) leaf_count: u32,
}

/// Bits of a stored node's first word above the feature's number.
pub(crate) const TEST_SHIFT: u32 = 24;
pub(crate) const MISSING_BIT: u32 = 1 << 27;
pub(crate) const LEAF_BIT: u32 = 1 << 28;

/// A program as it is executed: as compiled, with constants by reference.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) values: Vec<Value>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) steps: Vec<Step>,
    pub(crate) tensors: Vec<StoredTensor>,
    pub(crate) forests: Vec<StoredForest>,
}

// ---------------------------------------------------------------- names of codes

const UNARY: [Unary; 11] = [
    Unary::Identity,
    Unary::Relu,
    Unary::Sigmoid,
    Unary::Tanh,
    Unary::Exp,
    Unary::Ln,
    Unary::Sqrt,
    Unary::Reciprocal,
    Unary::Abs,
    Unary::Neg,
    Unary::Erf,
];
const LEAKY_RELU: u32 = 100;
const CLIP: u32 = 101;
const BINARY: [Binary; 7] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::Pow,
];
const MODE: [Mode; 3] = [Mode::Sum, Mode::Mean, Mode::Max];
const AXIS: [Axis; 2] = [Axis::Len, Axis::Width];
const KIND: [Kind; 2] = [Kind::F32, Kind::I32];
const ROWS: [Rows; 2] = [Rows::Shared, Rows::PerRow];
const STORED: [Stored; 3] = [Stored::F32, Stored::F16, Stored::I8];
const AGGREGATE: [Aggregate; 4] = [
    Aggregate::Sum,
    Aggregate::Average,
    Aggregate::Min,
    Aggregate::Max,
];
const POST: [PostTransform; 5] = [
    PostTransform::None,
    PostTransform::Softmax,
    PostTransform::SoftmaxZero,
    PostTransform::Logistic,
    PostTransform::Probit,
];
pub(crate) const TEST: [Test; 6] = [
    Test::Leq,
    Test::Lt,
    Test::Gte,
    Test::Gt,
    Test::Eq,
    Test::Neq,
];

fn code_of<T: PartialEq>(list: &[T], item: &T) -> u32 {
    // Every variant stands in its list; the tests walk through all of them.
    list.iter()
        .position(|x| x == item)
        .map_or(NONE, |i| i as u32)
}

// ---------------------------------------------------------------- writing

#[derive(Default)]
struct Writer {
    words: Vec<u32>,
    weights: Vec<u8>,
}

impl Writer {
    fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    fn count(&mut self, n: usize, at: &str) -> Result<(), BuildError> {
        match u32::try_from(n) {
            Ok(n) if n <= MAX_COUNT => {
                self.word(n);
                Ok(())
            }
            _ => Err(BuildError::new(at, "there are too many of them")),
        }
    }

    fn optional(&mut self, id: Option<u32>) {
        self.word(id.unwrap_or(NONE));
    }

    fn name(&mut self, name: &str) -> Result<(), BuildError> {
        if name.len() > MAX_NAME {
            return Err(BuildError::new(name, "a name has at most 256 bytes"));
        }
        self.count(name.len(), name)?;
        for chunk in name.as_bytes().chunks(4) {
            let mut word = [0u8; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u32::from_le_bytes(word));
        }
        Ok(())
    }

    /// Aligns the weights and returns the offset in units of 16 bytes.
    fn align(&mut self) -> Result<u32, BuildError> {
        self.weights
            .resize(self.weights.len().next_multiple_of(16), 0);
        u32::try_from(self.weights.len() / 16)
            .map_err(|_| BuildError::new("weights", "the model is too large"))
    }

    fn unary(&mut self, f: Unary) {
        match f {
            Unary::LeakyRelu(alpha) => self.words.extend([LEAKY_RELU, alpha.to_bits(), 0]),
            Unary::Clip(low, high) => self.words.extend([CLIP, low.to_bits(), high.to_bits()]),
            f => self.words.extend([code_of(&UNARY, &f), 0, 0]),
        }
    }

    fn tensor(&mut self, tensor: &Tensor, panels: bool, at: &str) -> Result<(), BuildError> {
        let (rows, cols) = (tensor.rows as usize, tensor.cols as usize);
        let elements = rows * cols;
        let stored_rows = if panels {
            rows.next_multiple_of(PANEL)
        } else {
            rows
        };
        // The element of row r and column c stands at this place.
        let order: Vec<usize> = (0..stored_rows * cols)
            .map(|i| {
                if panels {
                    let (panel, rest) = (i / (cols * PANEL), i % (cols * PANEL));
                    let (c, r) = (rest / PANEL, panel * PANEL + rest % PANEL);
                    if r < rows { r * cols + c } else { usize::MAX }
                } else {
                    i
                }
            })
            .collect();
        let size = |n: usize| {
            if n == elements && n > 0 {
                Ok(())
            } else {
                Err(BuildError::new(at, "the data doesn't fit the shape"))
            }
        };
        let finite = |x: &f32| x.is_finite();
        let offset = self.align()?;
        let (stored, scale) = match &tensor.data {
            Data::F32(data) => {
                size(data.len())?;
                if !data.iter().all(finite) {
                    return Err(BuildError::new(at, "a weight is not a finite number"));
                }
                for i in order {
                    let x = data.get(i).copied().unwrap_or(0.0);
                    self.weights.extend_from_slice(&x.to_le_bytes());
                }
                (Stored::F32, 0)
            }
            Data::F16(data) => {
                size(data.len())?;
                if data.iter().any(|h| h & 0x7c00 == 0x7c00) {
                    return Err(BuildError::new(at, "a weight is not a finite number"));
                }
                for i in order {
                    let x = data.get(i).copied().unwrap_or(0);
                    self.weights.extend_from_slice(&x.to_le_bytes());
                }
                (Stored::F16, 0)
            }
            Data::I8 { q, scale } => {
                size(q.len())?;
                if scale.len() != rows || !scale.iter().all(finite) {
                    return Err(BuildError::new(at, "there must be one finite scale a row"));
                }
                for i in order {
                    let x = q.get(i).copied().unwrap_or(0);
                    self.weights.extend_from_slice(&x.to_le_bytes());
                }
                let scales = self.align()?;
                for i in 0..stored_rows {
                    let x = scale.get(i).copied().unwrap_or(0.0);
                    self.weights.extend_from_slice(&x.to_le_bytes());
                }
                (Stored::I8, scales)
            }
        };
        self.words.extend([
            code_of(&STORED, &stored),
            u32::from(panels),
            tensor.rows,
            tensor.cols,
            offset,
            scale,
        ]);
        Ok(())
    }

    fn forest(&mut self, forest: &Forest, at: &str) -> Result<(), BuildError> {
        let bad = |cause: &str| Err(BuildError::new(at, cause));
        if forest.features == 0 || forest.features >= 1 << TEST_SHIFT || forest.targets == 0 {
            return bad("an ensemble needs between 1 and 2^24 features and at least one target");
        }
        if !(forest.base.is_empty() || forest.base.len() == forest.targets as usize)
            || !forest.base.iter().all(|b| b.is_finite())
        {
            return bad("there must be one finite base value a target, or none");
        }
        let mut roots = Vec::new();
        let mut nodes = Vec::new();
        for tree in &forest.trees {
            let first = u32::try_from(nodes.len() / 16)
                .map_err(|_| BuildError::new(at, "too many nodes"))?;
            roots.extend_from_slice(&first.to_le_bytes());
            let count =
                u32::try_from(tree.len()).map_err(|_| BuildError::new(at, "too many nodes"))?;
            if count == 0 {
                return bad("a tree has no node");
            }
            for (i, node) in (0u32..).zip(tree) {
                let words = match *node {
                    Node::Branch {
                        feature,
                        test,
                        threshold,
                        if_true,
                        if_false,
                        missing_is_true,
                    } => {
                        if feature >= forest.features {
                            return bad("a node tests a feature that isn't there");
                        }
                        if if_true <= i || if_false <= i || if_true >= count || if_false >= count {
                            return bad("a node's children must come after it, in the same tree");
                        }
                        if threshold.is_nan() {
                            return bad("a threshold is not a number");
                        }
                        let missing = if missing_is_true { MISSING_BIT } else { 0 };
                        let test = code_of(&TEST, &test) << TEST_SHIFT;
                        [
                            feature | test | missing,
                            threshold.to_bits(),
                            first + if_true,
                            first + if_false,
                        ]
                    }
                    Node::Leaf { first, count } => {
                        let end = first as usize + count as usize;
                        let weights = forest.leaf_weights.get(first as usize..end);
                        match weights {
                            Some(w)
                                if w.iter().all(|(t, x)| *t < forest.targets && x.is_finite()) => {}
                            _ => {
                                return bad(
                                    "a leaf's weights aren't there, not finite, or of no target",
                                );
                            }
                        }
                        [LEAF_BIT, 0, first, count]
                    }
                };
                for word in words {
                    nodes.extend_from_slice(&word.to_le_bytes());
                }
            }
        }
        let node_count =
            u32::try_from(nodes.len() / 16).map_err(|_| BuildError::new(at, "too many nodes"))?;
        let leaf_count = u32::try_from(forest.leaf_weights.len())
            .map_err(|_| BuildError::new(at, "too many leaves"))?;
        self.words.extend([
            forest.features,
            forest.targets,
            code_of(&AGGREGATE, &forest.aggregate),
            code_of(&POST, &forest.post),
        ]);
        self.count(forest.base.len(), at)?;
        self.words.extend(forest.base.iter().map(|b| b.to_bits()));
        let place = self.align()?;
        self.weights.extend_from_slice(&roots);
        self.word(place);
        self.word(
            u32::try_from(forest.trees.len()).map_err(|_| BuildError::new(at, "too many trees"))?,
        );
        let place = self.align()?;
        self.weights.extend_from_slice(&nodes);
        self.word(place);
        self.word(node_count);
        let place = self.align()?;
        for (target, weight) in &forest.leaf_weights {
            self.weights.extend_from_slice(&target.to_le_bytes());
            self.weights.extend_from_slice(&weight.to_le_bytes());
        }
        self.word(place);
        self.word(leaf_count);
        Ok(())
    }

    fn op(&mut self, op: &Op) -> Result<(), BuildError> {
        match op {
            Op::Constant { tensor } => self.words.extend([0, tensor.0]),
            Op::Gather { table, ids } => self.words.extend([1, table.0, ids.0]),
            Op::Bag {
                table,
                ids,
                weights,
                mode,
                padding,
            } => {
                self.words.extend([2, table.0, ids.0]);
                self.optional(weights.map(|w| w.0));
                self.word(code_of(&MODE, mode));
                self.words.extend([
                    u32::from(padding.is_some()),
                    padding.unwrap_or(0).cast_unsigned(),
                ]);
            }
            Op::Dense {
                x,
                weight,
                bias,
                addend,
                activation,
            } => {
                self.words.extend([3, x.0, weight.0]);
                self.optional(bias.map(|b| b.0));
                self.optional(addend.map(|a| a.0));
                self.unary(*activation);
            }
            Op::MatMul { a, b, transpose_b } => {
                self.words.extend([4, a.0, b.0, u32::from(*transpose_b)])
            }
            Op::Attention {
                query,
                keys,
                values,
                mask,
                scale,
            } => {
                self.words.extend([5, query.0, keys.0, values.0]);
                self.optional(mask.map(|m| m.0));
                self.word(scale.to_bits());
            }
            Op::LayerNorm {
                x,
                gamma,
                beta,
                epsilon,
            } => {
                self.words
                    .extend([6, x.0, gamma.0, beta.0, epsilon.to_bits()]);
            }
            Op::Softmax { x, axis } => self.words.extend([7, x.0, code_of(&AXIS, axis)]),
            Op::Unary { x, f } => {
                self.words.extend([8, x.0]);
                self.unary(*f);
            }
            Op::Binary { a, b, f } => self.words.extend([9, a.0, b.0, code_of(&BINARY, f)]),
            Op::Concat { parts, axis } => {
                self.words.extend([10, code_of(&AXIS, axis)]);
                self.count(parts.len(), "concatenation")?;
                self.words.extend(parts.iter().map(|p| p.0));
            }
            Op::Slice {
                x,
                axis,
                start,
                size,
            } => {
                self.words
                    .extend([11, x.0, code_of(&AXIS, axis), *start, *size]);
            }
            Op::Reduce {
                x,
                axis,
                mode,
                mask,
            } => {
                self.words
                    .extend([12, x.0, code_of(&AXIS, axis), code_of(&MODE, mode)]);
                self.optional(mask.map(|m| m.0));
            }
            Op::Transpose { x } => self.words.extend([13, x.0]),
            Op::Reshape { x, len, width } => self.words.extend([14, x.0, *len, *width]),
            Op::Expand { x } => self.words.extend([15, x.0]),
            Op::Trees { x, forest } => self.words.extend([16, x.0, forest.0]),
            Op::ArgMax { x } => self.words.extend([17, x.0]),
            Op::Cast { x, to } => self.words.extend([18, x.0, code_of(&KIND, to)]),
        }
        Ok(())
    }
}

/// Checks a program and writes its two sections: words and weights.
pub(crate) fn encode(program: &Program) -> Result<(Vec<u8>, Vec<u8>), BuildError> {
    // A matrix that serves both a dense layer and another operation is stored
    // twice, once in each order.
    let mut program = program.clone();
    let mut panels = vec![false; program.tensors.len()];
    let mut rows_used = vec![false; program.tensors.len()];
    let missing = |step: usize| BuildError::new(format!("step {step}"), "there is no such tensor");
    for (i, step) in program.steps.iter().enumerate() {
        let mut row_major = |id: TensorId| match rows_used.get_mut(id.0 as usize) {
            Some(used) => {
                *used = true;
                Ok(())
            }
            None => Err(missing(i)),
        };
        match &step.op {
            Op::Constant { tensor } => row_major(*tensor)?,
            Op::Gather { table, .. } | Op::Bag { table, .. } => row_major(*table)?,
            Op::LayerNorm { gamma, beta, .. } => {
                row_major(*gamma)?;
                row_major(*beta)?;
            }
            Op::Dense { weight, bias, .. } => {
                if let Some(bias) = bias {
                    row_major(*bias)?;
                }
                *panels
                    .get_mut(weight.0 as usize)
                    .ok_or_else(|| missing(i))? = true;
            }
            _ => {}
        }
    }
    for t in 0..program.tensors.len() {
        if panels[t] && rows_used[t] {
            let copy = TensorId(u32::try_from(program.tensors.len()).unwrap_or(NONE));
            program.tensors.push(program.tensors[t].clone());
            panels.push(true);
            panels[t] = false;
            for step in &mut program.steps {
                if let Op::Dense { weight, .. } = &mut step.op
                    && weight.0 as usize == t
                {
                    *weight = copy;
                }
            }
        }
    }
    check(&program)?;
    let mut writer = Writer::default();
    writer.count(program.values.len(), "values")?;
    for value in &program.values {
        let Shape { rows, len, width } = value.shape;
        writer.words.extend([
            code_of(&ROWS, &rows),
            len,
            width,
            code_of(&KIND, &value.kind),
        ]);
    }
    for ports in [&program.inputs, &program.outputs] {
        writer.count(ports.len(), "ports")?;
        for port in ports {
            writer.word(port.value.0);
            writer.name(&port.name)?;
        }
    }
    writer.count(program.tensors.len(), "tensors")?;
    for (i, tensor) in program.tensors.iter().enumerate() {
        writer.tensor(tensor, panels[i], &format!("tensor {i}"))?;
    }
    writer.count(program.forests.len(), "forests")?;
    for (i, forest) in program.forests.iter().enumerate() {
        writer.forest(forest, &format!("forest {i}"))?;
    }
    writer.count(program.steps.len(), "steps")?;
    for step in &program.steps {
        writer.word(step.result.0);
        writer.op(&step.op)?;
    }
    let words = writer.words.iter().flat_map(|w| w.to_le_bytes()).collect();
    Ok((words, writer.weights))
}

fn tensor_info(t: &Tensor) -> TensorInfo {
    TensorInfo {
        rows: t.rows,
        cols: t.cols,
        is_f32: matches!(t.data, Data::F32(_)),
    }
}

fn check(program: &Program) -> Result<(), BuildError> {
    let tensors: Vec<_> = program.tensors.iter().map(tensor_info).collect();
    let forests: Vec<_> = program
        .forests
        .iter()
        .map(|f| ForestInfo {
            features: f.features,
            targets: f.targets,
        })
        .collect();
    walk(
        &program.values,
        &program.inputs,
        &program.outputs,
        &program.steps,
        &tensors,
        &forests,
    )
    .map_err(|(at, cause)| BuildError::new(at, cause))
}

/// Checks that no value is empty and that all together fit into a call's memory.
fn bounded(values: &[Value]) -> Result<(), ()> {
    let (mut shared, mut per_row) = (0u64, 0u64);
    for Value {
        shape: Shape { rows, len, width },
        ..
    } in values
    {
        let elements = u64::from(*len) * u64::from(*width);
        let sum = match rows {
            Rows::Shared => &mut shared,
            Rows::PerRow => &mut per_row,
        };
        *sum = sum.saturating_add(elements);
        if elements == 0 {
            return Err(());
        }
    }
    if shared <= MAX_SHARED && per_row <= MAX_PER_ROW {
        Ok(())
    } else {
        Err(())
    }
}

/// Checks that every step's operands are defined and that its result has the
/// declared shape.
fn walk(
    values: &[Value],
    inputs: &[Port],
    outputs: &[Port],
    steps: &[Step],
    tensors: &[TensorInfo],
    forests: &[ForestInfo],
) -> Result<(), (String, &'static str)> {
    bounded(values).map_err(|()| {
        let cause = "a value is empty, or all together take too much memory";
        ("values".to_owned(), cause)
    })?;
    fn define(defined: &mut [bool], id: ValueId) -> Result<(), &'static str> {
        match defined.get_mut(id.0 as usize) {
            Some(d) if !*d => {
                *d = true;
                Ok(())
            }
            Some(_) => Err("a value is defined twice"),
            None => Err("there is no such value"),
        }
    }
    let mut defined = vec![false; values.len()];
    for port in inputs {
        define(&mut defined, port.value)
            .map_err(|cause| (format!("input {}", port.name), cause))?;
    }
    for (i, step) in steps.iter().enumerate() {
        let at = |cause| (format!("step {i}"), cause);
        let inferred = Context {
            values,
            defined: &defined,
            tensors,
            forests,
        }
        .infer(&step.op)
        .map_err(at)?;
        define(&mut defined, step.result).map_err(at)?;
        if values[step.result.0 as usize] != inferred {
            return Err(at("the result's declared shape or kind is another"));
        }
    }
    if outputs.is_empty() {
        return Err(("outputs".into(), "a model has at least one output"));
    }
    for port in outputs {
        if !defined.get(port.value.0 as usize).copied().unwrap_or(false) {
            return Err((
                format!("output {}", port.name),
                "nothing defines this output",
            ));
        }
    }
    Ok(())
}

fn flags(count: usize, inputs: &[Port], steps: &[Step]) -> Vec<bool> {
    let mut known = vec![false; count];
    for id in inputs
        .iter()
        .map(|p| p.value)
        .chain(steps.iter().map(|s| s.result))
    {
        if let Some(k) = known.get_mut(id.0 as usize) {
            *k = true;
        }
    }
    known
}

impl Program {
    /// The result of an operation on values defined so far, or why it can't be.
    ///
    /// # Errors
    /// An operand that doesn't exist or whose shape or kind doesn't fit.
    pub fn infer(&self, op: &Op) -> Result<Value, BuildError> {
        let tensors: Vec<_> = self.tensors.iter().map(tensor_info).collect();
        let forests: Vec<_> = self
            .forests
            .iter()
            .map(|f| ForestInfo {
                features: f.features,
                targets: f.targets,
            })
            .collect();
        let defined = flags(self.values.len(), &self.inputs, &self.steps);
        Context {
            values: &self.values,
            defined: &defined,
            tensors: &tensors,
            forests: &forests,
        }
        .infer(op)
        .map_err(|cause| BuildError::new(format!("step {}", self.steps.len()), cause))
    }

    /// Appends an operation and returns its result.
    ///
    /// # Errors
    /// As [`Program::infer`].
    pub fn push(&mut self, op: Op) -> Result<ValueId, BuildError> {
        let value = self.infer(&op)?;
        let result = self.add_value(value);
        self.steps.push(Step { op, result });
        Ok(result)
    }

    /// Declares an input.
    pub fn input(&mut self, name: &str, kind: Kind, rows: Rows, len: u32, width: u32) -> ValueId {
        let value = self.add_value(Value {
            shape: Shape { rows, len, width },
            kind,
        });
        self.inputs.push(Port {
            name: name.to_owned(),
            value,
        });
        value
    }

    /// Declares an output.
    pub fn output(&mut self, name: &str, value: ValueId) {
        self.outputs.push(Port {
            name: name.to_owned(),
            value,
        });
    }

    /// Adds a constant.
    pub fn tensor(&mut self, rows: u32, cols: u32, data: Data) -> TensorId {
        self.tensors.push(Tensor { rows, cols, data });
        TensorId(u32::try_from(self.tensors.len() - 1).unwrap_or(NONE))
    }

    /// Adds a tree ensemble.
    pub fn forest(&mut self, forest: Forest) -> ForestId {
        self.forests.push(forest);
        ForestId(u32::try_from(self.forests.len() - 1).unwrap_or(NONE))
    }

    fn add_value(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        ValueId(u32::try_from(self.values.len() - 1).unwrap_or(NONE))
    }

    /// Checks the program and writes a compiled model: the program, its weights
    /// and further sections by name (`program` and `weights` are taken).
    ///
    /// # Errors
    /// A part that contradicts another; its place and cause.
    pub fn compile(&self, extra: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, BuildError> {
        let (words, weights) = encode(self)?;
        let mut sections = vec![
            ("program", words.as_slice()),
            ("weights", weights.as_slice()),
        ];
        sections.extend(extra.iter().map(|(name, data)| (*name, data.as_slice())));
        crate::file::write(&sections)
    }
}

// ---------------------------------------------------------------- reading

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    weights: usize,
}

const MALFORMED: LoadError = LoadError::new(LoadErrorKind::Malformed, "program");
const TOO_LARGE: LoadError = LoadError::new(LoadErrorKind::TooLarge, "program");
const TRUNCATED_WEIGHTS: LoadError = LoadError::new(LoadErrorKind::Truncated, "weights");

type Loaded<T> = Result<T, LoadError>;

impl Reader<'_> {
    fn word(&mut self) -> Loaded<u32> {
        let word = crate::file::u32_at(self.bytes, self.at).ok_or(MALFORMED)?;
        self.at += 4;
        Ok(word)
    }

    fn float(&mut self) -> Loaded<f32> {
        let x = f32::from_bits(self.word()?);
        if x.is_nan() { Err(MALFORMED) } else { Ok(x) }
    }

    /// A count, which can't exceed the words that are left.
    fn count(&mut self) -> Loaded<usize> {
        let n = self.word()?;
        if n > MAX_COUNT || n as usize > (self.bytes.len() - self.at) / 4 + 1 {
            return Err(MALFORMED);
        }
        Ok(n as usize)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> Loaded<T> {
        let i = self.word()? as usize;
        list.get(i).copied().ok_or(MALFORMED)
    }

    fn flag(&mut self) -> Loaded<bool> {
        self.pick(&[false, true])
    }

    fn value(&mut self) -> Loaded<ValueId> {
        Ok(ValueId(self.word()?))
    }

    fn optional(&mut self) -> Loaded<Option<u32>> {
        let word = self.word()?;
        Ok((word != NONE).then_some(word))
    }

    fn name(&mut self) -> Loaded<String> {
        let n = self.count()?;
        if n > MAX_NAME {
            return Err(MALFORMED);
        }
        let mut bytes = Vec::with_capacity(n.next_multiple_of(4));
        for _ in 0..n.div_ceil(4) {
            bytes.extend_from_slice(&self.word()?.to_le_bytes());
        }
        bytes.truncate(n);
        String::from_utf8(bytes).map_err(|_| MALFORMED)
    }

    /// A place in the weights with room for `size` bytes.
    fn place(&mut self, size: u64) -> Loaded<usize> {
        let at = u64::from(self.word()?) * 16;
        if at
            .checked_add(size)
            .is_none_or(|end| end > self.weights as u64)
        {
            return Err(TRUNCATED_WEIGHTS);
        }
        usize::try_from(at).map_err(|_| TRUNCATED_WEIGHTS)
    }

    fn unary(&mut self) -> Loaded<Unary> {
        let code = self.word()?;
        let (a, b) = (self.float()?, self.float()?);
        match code {
            LEAKY_RELU => Ok(Unary::LeakyRelu(a)),
            CLIP => Ok(Unary::Clip(a, b)),
            code => UNARY.get(code as usize).copied().ok_or(MALFORMED),
        }
    }

    fn ports(&mut self) -> Loaded<Vec<Port>> {
        let n = self.count()?;
        (0..n)
            .map(|_| {
                Ok(Port {
                    value: self.value()?,
                    name: self.name()?,
                })
            })
            .collect()
    }

    fn tensor(&mut self) -> Loaded<StoredTensor> {
        let stored = self.pick(&STORED)?;
        let panels = self.flag()?;
        let (rows, cols) = (self.word()?, self.word()?);
        if rows == 0 || cols == 0 {
            return Err(MALFORMED);
        }
        let stored_rows = StoredTensor::stored_rows(rows, panels);
        let elements = stored_rows.checked_mul(u64::from(cols)).ok_or(MALFORMED)?;
        let size = match stored {
            Stored::F32 => 4,
            Stored::F16 => 2,
            Stored::I8 => 1,
        };
        let at = self.place(elements.checked_mul(size).ok_or(MALFORMED)?)?;
        let scale = self.place(if stored == Stored::I8 {
            stored_rows * 4
        } else {
            0
        })?;
        Ok(StoredTensor {
            stored,
            panels,
            rows,
            cols,
            at,
            scale,
        })
    }

    fn forest(&mut self) -> Loaded<StoredForest> {
        let (features, targets) = (self.word()?, self.word()?);
        let aggregate = self.pick(&AGGREGATE)?;
        let post = self.pick(&POST)?;
        let base = (0..self.count()?)
            .map(|_| self.float())
            .collect::<Loaded<Vec<f32>>>()?;
        if features == 0 || targets == 0 || u64::from(targets) > MAX_PER_ROW {
            return Err(MALFORMED);
        }
        if !base.is_empty() && base.len() != targets as usize {
            return Err(MALFORMED);
        }
        // A list's length follows its place.
        let mut list = |size: u64| -> Loaded<(usize, u32)> {
            let length = crate::file::u32_at(self.bytes, self.at + 4).ok_or(MALFORMED)?;
            let at = self.place(u64::from(length) * size)?;
            self.word()?;
            Ok((at, length))
        };
        let (roots, trees) = list(4)?;
        let (nodes, node_count) = list(16)?;
        let (leaves, leaf_count) = list(8)?;
        Ok(StoredForest {
            features,
            targets,
            aggregate,
            post,
            base,
            roots,
            trees,
            nodes,
            node_count,
            leaves,
            leaf_count,
        })
    }

    fn op(&mut self) -> Loaded<Op> {
        Ok(match self.word()? {
            0 => Op::Constant {
                tensor: TensorId(self.word()?),
            },
            1 => Op::Gather {
                table: TensorId(self.word()?),
                ids: self.value()?,
            },
            2 => {
                let (table, ids) = (TensorId(self.word()?), self.value()?);
                let weights = self.optional()?.map(ValueId);
                let mode = self.pick(&MODE)?;
                let (has, padding) = (self.flag()?, self.word()?.cast_signed());
                Op::Bag {
                    table,
                    ids,
                    weights,
                    mode,
                    padding: has.then_some(padding),
                }
            }
            3 => Op::Dense {
                x: self.value()?,
                weight: TensorId(self.word()?),
                bias: self.optional()?.map(TensorId),
                addend: self.optional()?.map(ValueId),
                activation: self.unary()?,
            },
            4 => Op::MatMul {
                a: self.value()?,
                b: self.value()?,
                transpose_b: self.flag()?,
            },
            5 => Op::Attention {
                query: self.value()?,
                keys: self.value()?,
                values: self.value()?,
                mask: self.optional()?.map(ValueId),
                scale: self.float()?,
            },
            6 => Op::LayerNorm {
                x: self.value()?,
                gamma: TensorId(self.word()?),
                beta: TensorId(self.word()?),
                epsilon: self.float()?,
            },
            7 => Op::Softmax {
                x: self.value()?,
                axis: self.pick(&AXIS)?,
            },
            8 => Op::Unary {
                x: self.value()?,
                f: self.unary()?,
            },
            9 => Op::Binary {
                a: self.value()?,
                b: self.value()?,
                f: self.pick(&BINARY)?,
            },
            10 => {
                let axis = self.pick(&AXIS)?;
                let n = self.count()?;
                Op::Concat {
                    parts: (0..n).map(|_| self.value()).collect::<Loaded<_>>()?,
                    axis,
                }
            }
            11 => Op::Slice {
                x: self.value()?,
                axis: self.pick(&AXIS)?,
                start: self.word()?,
                size: self.word()?,
            },
            12 => Op::Reduce {
                x: self.value()?,
                axis: self.pick(&AXIS)?,
                mode: self.pick(&MODE)?,
                mask: self.optional()?.map(ValueId),
            },
            13 => Op::Transpose { x: self.value()? },
            14 => Op::Reshape {
                x: self.value()?,
                len: self.word()?,
                width: self.word()?,
            },
            15 => Op::Expand { x: self.value()? },
            16 => Op::Trees {
                x: self.value()?,
                forest: ForestId(self.word()?),
            },
            17 => Op::ArgMax { x: self.value()? },
            18 => Op::Cast {
                x: self.value()?,
                to: self.pick(&KIND)?,
            },
            _ => return Err(MALFORMED),
        })
    }
}

/// Reads and checks a program.
pub(crate) fn decode(bytes: &[u8], weights: usize) -> Loaded<Code> {
    let mut r = Reader {
        bytes,
        at: 0,
        weights,
    };
    let n = r.count()?;
    let values = (0..n)
        .map(|_| {
            let shape = Shape {
                rows: r.pick(&ROWS)?,
                len: r.word()?,
                width: r.word()?,
            };
            Ok(Value {
                shape,
                kind: r.pick(&KIND)?,
            })
        })
        .collect::<Loaded<Vec<_>>>()?;
    // The memory of a call is bounded here, before anything is allocated.
    bounded(&values).map_err(|()| TOO_LARGE)?;
    let inputs = r.ports()?;
    let outputs = r.ports()?;
    let n = r.count()?;
    let tensors = (0..n).map(|_| r.tensor()).collect::<Loaded<Vec<_>>>()?;
    let n = r.count()?;
    let forests = (0..n).map(|_| r.forest()).collect::<Loaded<Vec<_>>>()?;
    let n = r.count()?;
    let steps = (0..n)
        .map(|_| {
            Ok(Step {
                result: r.value()?,
                op: r.op()?,
            })
        })
        .collect::<Loaded<Vec<_>>>()?;
    if r.at != bytes.len() {
        return Err(MALFORMED);
    }
    let infos: Vec<_> = tensors
        .iter()
        .map(|t| TensorInfo {
            rows: t.rows,
            cols: t.cols,
            is_f32: t.stored == Stored::F32 && !t.panels,
        })
        .collect();
    let forest_infos: Vec<_> = forests
        .iter()
        .map(|f| ForestInfo {
            features: f.features,
            targets: f.targets,
        })
        .collect();
    walk(&values, &inputs, &outputs, &steps, &infos, &forest_infos).map_err(|_| MALFORMED)?;
    // Each constant is stored in the order in which its operation reads it.
    for step in &steps {
        let fits = match &step.op {
            Op::Constant { tensor: t } | Op::Gather { table: t, .. } | Op::Bag { table: t, .. } => {
                !tensors[t.0 as usize].panels
            }
            Op::Dense { weight, .. } => tensors[weight.0 as usize].panels,
            _ => true,
        };
        if !fits {
            return Err(MALFORMED);
        }
    }
    Ok(Code {
        values,
        inputs,
        outputs,
        steps,
        tensors,
        forests,
    })
}
