//! The program: what a model computes, as a list of operations over small
//! matrices.
//!
//! Every value has the shape `[rows, len, width]`. `rows` is either 1 (the
//! value is the same for every candidate) or N, the number of rows of the call;
//! rows never mix, so they can be computed in blocks of any size with the same
//! bits. `len` (tokens, session events) and `width` (features) are constants of
//! the model.

/// Whether a value exists once a call or once a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rows {
    /// One row, whatever the number of candidates.
    Shared,
    /// One row for each candidate.
    PerRow,
}

/// What a value's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floating point.
    F32,
    /// 32-bit signed integers: indices into tables, class labels.
    I32,
}

/// The shape of a value: `[rows, len, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 1 or N.
    pub rows: Rows,
    /// Constant, at least 1.
    pub len: u32,
    /// Constant, at least 1.
    pub width: u32,
}

/// A value of the program: an input or the result of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Shape.
    pub shape: Shape,
    /// Element kind.
    pub kind: Kind,
}

/// Index into [`Program::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// Index into [`Program::tensors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TensorId(pub u32);

/// Index into [`Program::forests`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForestId(pub u32);

/// A constant matrix `[rows, cols]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Table rows, or outputs of a dense layer.
    pub rows: u32,
    /// Width of a table, or inputs of a dense layer.
    pub cols: u32,
    /// The elements.
    pub data: Data,
}

/// The elements of a [`Tensor`], in the precision in which they are stored.
/// Arithmetic is always f32.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// As they are.
    F32(Vec<f32>),
    /// IEEE 754 binary16 bit patterns.
    F16(Vec<u16>),
    /// `value = q * scale[row]`, with q in -127..=127.
    I8 {
        /// The quantised elements.
        q: Vec<i8>,
        /// One scale a row.
        scale: Vec<f32>,
    },
}

/// How a pool or bag reduces a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sum; 0 for an empty list.
    Sum,
    /// Arithmetic mean over the entries that count; 0 for an empty list.
    Mean,
    /// Maximum over the entries that count; 0 for an empty list.
    Max,
}

/// Which axis an operation works along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The middle axis.
    Len,
    /// The last axis.
    Width,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// x for x >= 0, else alpha * x
    LeakyRelu(f32),
    /// 1 / (1 + exp(-x))
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Exponential.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// 1 / x
    Reciprocal,
    /// |x|
    Abs,
    /// -x
    Neg,
    /// Error function, as in exact GELU.
    Erf,
    /// min(max(x, low), high)
    Clip(f32, f32),
}

/// A function of two numbers, broadcast over each axis of size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// max(a, b)
    Max,
    /// min(a, b)
    Min,
    /// a to the power of b, for b = 2 or b = 0.5 given as a constant, or any b
    /// with a > 0.
    Pow,
}

/// One operation. The result's shape follows from the operands'
/// ([`Program::infer`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A constant `[1, len, width]`: the tensor's rows become `len`, its
    /// columns `width`.
    Constant {
        /// The constant.
        tensor: TensorId,
    },
    /// Table rows by index: ids `[r, l, 1]` (I32) to `[r, l, cols]`. An index
    /// outside the table is an error of the call.
    Gather {
        /// `[entries, cols]`.
        table: TensorId,
        /// I32.
        ids: ValueId,
    },
    /// Embedding bag: gather and reduce over `len`, ids `[r, l, 1]` to
    /// `[r, 1, cols]`.
    Bag {
        /// `[entries, cols]`.
        table: TensorId,
        /// I32.
        ids: ValueId,
        /// Factors `[r, l, 1]` before the reduction (Sum and Mean only).
        weights: Option<ValueId>,
        /// The reduction.
        mode: Mode,
        /// An index that doesn't count.
        padding: Option<i32>,
    },
    /// `activation(x * weightᵀ + bias + addend)`, `[r, l, cols]` to `[r, l, weight.rows]`.
    Dense {
        /// Input.
        x: ValueId,
        /// `[outputs, inputs]`.
        weight: TensorId,
        /// `[1, outputs]`, F32 data.
        bias: Option<TensorId>,
        /// A value of the result's shape, or one that broadcasts to it by rows
        /// and len, added before the activation. The lowering uses it to
        /// compute once a call what is the same for all rows.
        addend: Option<ValueId>,
        /// Applied last.
        activation: Unary,
    },
    /// Product of two values: a `[r, l, k]` by b `[r', k, m]` (or `[r', m, k]`
    /// when transposed) to `[r, l, m]`.
    MatMul {
        /// Left.
        a: ValueId,
        /// Right.
        b: ValueId,
        /// Whether b holds its columns as rows.
        transpose_b: bool,
    },
    /// `softmax(scale * query * keysᵀ) * values`; entries whose mask is 0 do
    /// not count, and a row without any entry gives zeros. With one query a row
    /// and shared keys this is the target attention of DIN in its dot-product
    /// form; with as many queries as keys it is self-attention.
    Attention {
        /// `[r, q, d]`.
        query: ValueId,
        /// `[r', l, d]`.
        keys: ValueId,
        /// `[r', l, e]`.
        values: ValueId,
        /// `[r'', l, 1]`, F32, 0 or 1.
        mask: Option<ValueId>,
        /// Usually `1 / sqrt(d)`.
        scale: f32,
    },
    /// Layer normalisation over the width.
    LayerNorm {
        /// Input.
        x: ValueId,
        /// `[1, width]`, F32 data.
        gamma: TensorId,
        /// `[1, width]`, F32 data.
        beta: TensorId,
        /// Added to the variance.
        epsilon: f32,
    },
    /// Softmax along an axis, stabilised by the maximum.
    Softmax {
        /// Input.
        x: ValueId,
        /// Along which.
        axis: Axis,
    },
    /// Element by element.
    Unary {
        /// Input.
        x: ValueId,
        /// What.
        f: Unary,
    },
    /// Element by element over two values.
    Binary {
        /// Left.
        a: ValueId,
        /// Right.
        b: ValueId,
        /// What.
        f: Binary,
    },
    /// Side by side along an axis. Shared parts are repeated where another part
    /// is per row.
    Concat {
        /// At least one.
        parts: Vec<ValueId>,
        /// Along which.
        axis: Axis,
    },
    /// A range of an axis.
    Slice {
        /// Input.
        x: ValueId,
        /// Along which.
        axis: Axis,
        /// First index.
        start: u32,
        /// How many, at least 1.
        size: u32,
    },
    /// Reduction along an axis to size 1.
    Reduce {
        /// Input.
        x: ValueId,
        /// Along which.
        axis: Axis,
        /// How.
        mode: Mode,
        /// Entries that count, `[r', l, 1]` of 0 or 1 (along Len only).
        mask: Option<ValueId>,
    },
    /// Swaps len and width.
    Transpose {
        /// Input.
        x: ValueId,
    },
    /// The same elements, row-major, with another len and width.
    Reshape {
        /// Input.
        x: ValueId,
        /// New len.
        len: u32,
        /// New width.
        width: u32,
    },
    /// Repeats a shared value for every row; a per-row value passes unchanged.
    Expand {
        /// Input.
        x: ValueId,
    },
    /// A tree ensemble: `[r, 1, features]` to `[r, 1, targets]`.
    Trees {
        /// Input.
        x: ValueId,
        /// The ensemble.
        forest: ForestId,
    },
    /// Index of the largest entry along the width (the first of equals) to
    /// `[r, l, 1]`, I32.
    ArgMax {
        /// Input.
        x: ValueId,
    },
    /// F32 to I32 (truncating; values outside the range are an error of the
    /// call) or back.
    Cast {
        /// Input.
        x: ValueId,
        /// Result.
        to: Kind,
    },
}

/// How an ensemble joins its trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of the leaves' weights.
    Sum,
    /// Mean over the trees.
    Average,
    /// Smallest.
    Min,
    /// Largest.
    Max,
}

/// What happens to an ensemble's scores, as in ONNX `post_transform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostTransform {
    /// Nothing.
    None,
    /// Softmax over the targets.
    Softmax,
    /// Softmax over the targets that aren't 0.
    SoftmaxZero,
    /// Logistic function.
    Logistic,
    /// Inverse of the normal distribution function times sqrt(2), as in
    /// onnxruntime.
    Probit,
}

/// How a node compares `x[feature]` with its threshold; true goes to
/// `if_true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// x <= threshold
    Leq,
    /// x < threshold
    Lt,
    /// x >= threshold
    Gte,
    /// x > threshold
    Gt,
    /// x == threshold
    Eq,
    /// x != threshold
    Neq,
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// An inner node.
    Branch {
        /// Column of the input.
        feature: u32,
        /// Comparison.
        test: Test,
        /// Right-hand side.
        threshold: f32,
        /// Node index within the tree.
        if_true: u32,
        /// Node index within the tree.
        if_false: u32,
        /// Where a missing value (NaN) goes.
        missing_is_true: bool,
    },
    /// A leaf: `count` weights from `first` in [`Forest::leaf_weights`].
    Leaf {
        /// First weight.
        first: u32,
        /// Number of weights.
        count: u32,
    },
}

/// A tree ensemble with the meaning of ONNX-ML `TreeEnsembleRegressor` and
/// `TreeEnsembleClassifier` (whose label is an [`Op::ArgMax`] over its scores).
/// A classifier of two classes whose leaves weigh one alone is a forest with one
/// target; what makes two scores of it are operations of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// Width of the input.
    pub features: u32,
    /// Width of the output.
    pub targets: u32,
    /// One base value a target, or none.
    pub base: Vec<f32>,
    /// How trees join.
    pub aggregate: Aggregate,
    /// Applied to the joined scores.
    pub post: PostTransform,
    /// Every tree's nodes; the first is its root, and children come after their
    /// parent.
    pub trees: Vec<Vec<Node>>,
    /// (target, weight).
    pub leaf_weights: Vec<(u32, f32)>,
}

/// An operation and the value it defines.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What.
    pub op: Op,
    /// The result.
    pub result: ValueId,
}

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// As in the ONNX graph.
    pub name: String,
    /// Which value.
    pub value: ValueId,
}

/// A whole model. Steps stand in the order of execution: an operand is an input
/// or the result of an earlier step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// All values.
    pub values: Vec<Value>,
    /// Inputs, in the order in which a caller passes them.
    pub inputs: Vec<Port>,
    /// Outputs.
    pub outputs: Vec<Port>,
    /// Operations.
    pub steps: Vec<Step>,
    /// Constants.
    pub tensors: Vec<Tensor>,
    /// Tree ensembles.
    pub forests: Vec<Forest>,
}
