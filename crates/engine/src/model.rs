//! A compiled model, opened and executed.

use core::ops::Range;

use crate::code::{Code, PANEL, Stored, StoredTensor, decode};
use crate::error::{LoadError, LoadErrorKind, RunError};
use crate::file::Directory;
use crate::kernels::{self, Start, View};
use crate::math;
use crate::program::{Kind, Mode, Op, Rows, Shape, TensorId, ValueId};
use crate::{infer, trees};

/// Rows of a call at most.
pub const MAX_ROWS: usize = 1 << 20;

/// Rows computed together, at most and at least: enough to amortise reading the
/// weights. Multiples of the dense kernel's widest tile.
const LARGEST_BLOCK: usize = 252;
const SMALLEST_BLOCK: usize = 12;
/// Elements of a block's values together, so that they stay in the second-level
/// cache (256 KiB).
const BLOCK_ELEMENTS: usize = 1 << 16;

/// One input of a call: row-major `[rows, len, width]`, rows 1 for a shared
/// input.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// For a port of kind F32.
    F32(&'a [f32]),
    /// For a port of kind I32.
    I32(&'a [i32]),
}

/// What a port is called and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortInfo<'a> {
    /// As in the ONNX graph.
    pub name: &'a str,
    /// Element kind.
    pub kind: Kind,
    /// Shape.
    pub shape: Shape,
}

/// A compiled model in its file's bytes, which may be owned or borrowed.
///
/// Opening checks the container, every offset and every step once; running
/// needs no check but those on indices.
#[derive(Clone, Debug)]
pub struct Model<B> {
    bytes: B,
    directory: Directory,
    weights: Range<usize>,
    code: Code,
    plan: Plan,
}

/// Which buffer each value lives in while a call runs.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// Per value: index into the workspace's float or integer buffers.
    slot: Vec<usize>,
    /// Rows of a block.
    block: usize,
    /// Per buffer: elements of its largest value, for one lane.
    floats: Vec<usize>,
    integers: Vec<usize>,
    /// Per buffer: whether it holds a block's values.
    float_blocks: Vec<bool>,
    integer_blocks: Vec<bool>,
    /// Steps whose result is shared, then those of a block.
    shared: Vec<usize>,
    per_row: Vec<usize>,
}

/// The buffers of a call, kept between calls so that none allocates after the
/// first of its size. One workspace may serve several models in turn.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    floats: Vec<Vec<f32>>,
    integers: Vec<Vec<i32>>,
    outputs: Vec<Vec<f32>>,
    labels: Vec<Vec<i32>>,
    panel: Vec<[f32; PANEL]>,
    scores: Vec<f32>,
    row: Vec<f32>,
}

impl Workspace {
    /// The n-th output of the last call, row-major `[rows, len, width]`; empty
    /// if it is an integer output or there is none.
    #[must_use]
    pub fn output(&self, n: usize) -> &[f32] {
        self.outputs.get(n).map_or(&[], Vec::as_slice)
    }

    /// The n-th output of the last call, if it has kind I32.
    #[must_use]
    pub fn labels(&self, n: usize) -> &[i32] {
        self.labels.get(n).map_or(&[], Vec::as_slice)
    }
}

impl Plan {
    /// Gives each value a buffer, and a buffer to the next value once its last
    /// reader has run.
    fn new(code: &Code) -> Self {
        let n = code.values.len();
        let mut plan = Plan {
            slot: vec![usize::MAX; n],
            ..Plan::default()
        };
        for (i, step) in code.steps.iter().enumerate() {
            match code.values[step.result.0 as usize].shape.rows {
                Rows::Shared => plan.shared.push(i),
                Rows::PerRow => plan.per_row.push(i),
            }
        }
        let order: Vec<usize> = plan.shared.iter().chain(&plan.per_row).copied().collect();
        // Shared values and outputs stay: blocks read them again and again.
        let mut last = vec![0usize; n];
        for (time, i) in order.iter().enumerate() {
            infer::operands(&code.steps[*i].op, |v| last[v.0 as usize] = time);
        }
        let mut stays = vec![false; n];
        for port in &code.outputs {
            stays[port.value.0 as usize] = true;
        }
        for (v, value) in code.values.iter().enumerate() {
            stays[v] |= value.shape.rows == Rows::Shared;
        }
        // Inputs of a block are loaded before its first step: they never share
        // a buffer with a result that is still to come.
        for port in &code.inputs {
            plan.place(code, port.value, None);
            stays[port.value.0 as usize] = true;
        }
        let mut free: Vec<usize> = Vec::new();
        for (time, i) in order.iter().enumerate() {
            let result = code.steps[*i].result;
            let kept = stays[result.0 as usize];
            let v = code.values[result.0 as usize];
            let reuse = if kept || v.kind == Kind::I32 {
                None
            } else {
                free.pop()
            };
            plan.place(code, result, reuse);
            infer::operands(&code.steps[*i].op, |operand| {
                let o = operand.0 as usize;
                let slot = plan.slot[o];
                if last[o] == time
                    && !stays[o]
                    && code.values[o].kind == Kind::F32
                    && !free.contains(&slot)
                {
                    free.push(slot);
                }
            });
        }
        let of_block = |sizes: &[usize], blocks: &[bool]| -> usize {
            let pairs = sizes.iter().zip(blocks);
            pairs.filter(|(_, b)| **b).map(|(n, _)| *n).sum()
        };
        let row = of_block(&plan.floats, &plan.float_blocks)
            + of_block(&plan.integers, &plan.integer_blocks);
        let fitting = BLOCK_ELEMENTS / row.max(1) / SMALLEST_BLOCK * SMALLEST_BLOCK;
        plan.block = fitting.clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
        plan
    }

    /// A buffer never holds both shared and a block's values: only a block's
    /// are ever placed in one that became free.
    fn place(&mut self, code: &Code, id: ValueId, reuse: Option<usize>) {
        let value = code.values[id.0 as usize];
        let (sizes, blocks) = match value.kind {
            Kind::F32 => (&mut self.floats, &mut self.float_blocks),
            Kind::I32 => (&mut self.integers, &mut self.integer_blocks),
        };
        let slot = reuse.unwrap_or_else(|| {
            sizes.push(0);
            blocks.push(value.shape.rows == Rows::PerRow);
            sizes.len() - 1
        });
        sizes[slot] = sizes[slot].max(elements(value.shape));
        self.slot[id.0 as usize] = slot;
    }
}

fn elements(shape: Shape) -> usize {
    shape.len as usize * shape.width as usize
}

/// A tensor's bytes in the file.
struct Bytes<'a> {
    weights: &'a [u8],
    info: StoredTensor,
}

impl Bytes<'_> {
    /// Row `r` of a row-major tensor, into `out`.
    fn row(&self, r: usize, out: &mut [f32]) {
        let cols = self.info.cols as usize;
        match self.info.stored {
            Stored::F32 => {
                let bytes = &self.weights[self.info.at + r * cols * 4..][..cols * 4];
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*b);
                }
            }
            Stored::F16 => {
                let bytes = &self.weights[self.info.at + r * cols * 2..][..cols * 2];
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = math::f16_to_f32(u16::from_le_bytes(*b));
                }
            }
            Stored::I8 => {
                let bytes = &self.weights[self.info.at + r * cols..][..cols];
                let scale = self.scale(r);
                for (o, b) in out.iter_mut().zip(bytes) {
                    *o = f32::from(b.cast_signed()) * scale;
                }
            }
        }
    }

    /// Adds row `r` to `sum`: the bits of [`Bytes::row`], without a copy between.
    #[inline]
    fn add_row(&self, r: usize, sum: &mut [f32]) {
        let cols = self.info.cols as usize;
        match self.info.stored {
            Stored::F32 => {
                let bytes = &self.weights[self.info.at + r * cols * 4..][..cols * 4];
                for (s, b) in sum.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *s += f32::from_le_bytes(*b);
                }
            }
            Stored::F16 => {
                let bytes = &self.weights[self.info.at + r * cols * 2..][..cols * 2];
                for (s, b) in sum.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *s += math::f16_to_f32(u16::from_le_bytes(*b));
                }
            }
            Stored::I8 => {
                let bytes = &self.weights[self.info.at + r * cols..][..cols];
                let scale = self.scale(r);
                for (s, b) in sum.iter_mut().zip(bytes) {
                    *s += f32::from(b.cast_signed()) * scale;
                }
            }
        }
    }

    fn scale(&self, r: usize) -> f32 {
        let at = self.info.scale + r * 4;
        self.weights[at..at + 4]
            .try_into()
            .map_or(0.0, f32::from_le_bytes)
    }

    /// Panel `p` of a matrix, into `out`.
    fn panel(&self, p: usize, out: &mut Vec<[f32; PANEL]>) {
        let cols = self.info.cols as usize;
        out.clear();
        match self.info.stored {
            Stored::F32 => {
                let bytes =
                    &self.weights[self.info.at + p * cols * PANEL * 4..][..cols * PANEL * 4];
                out.extend(bytes.as_chunks::<16>().0.iter().map(|b| {
                    let f = |i: usize| f32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
                    [f(0), f(4), f(8), f(12)]
                }));
            }
            Stored::F16 => {
                let bytes =
                    &self.weights[self.info.at + p * cols * PANEL * 2..][..cols * PANEL * 2];
                out.extend(bytes.as_chunks::<8>().0.iter().map(|b| {
                    let f = |i: usize| math::f16_to_f32(u16::from_le_bytes([b[i], b[i + 1]]));
                    [f(0), f(2), f(4), f(6)]
                }));
            }
            Stored::I8 => {
                let bytes = &self.weights[self.info.at + p * cols * PANEL..][..cols * PANEL];
                let s: [f32; PANEL] = core::array::from_fn(|j| self.scale(p * PANEL + j));
                out.extend(
                    bytes
                        .as_chunks::<PANEL>()
                        .0
                        .iter()
                        .map(|b| core::array::from_fn(|j| f32::from(b[j].cast_signed()) * s[j])),
                );
            }
        }
    }
}

impl<B: AsRef<[u8]>> Model<B> {
    /// Opens a compiled model.
    ///
    /// # Errors
    /// Anything but a file that this version of the compiler wrote: another
    /// format, a truncated or changed file. What can only be seen while running
    /// (a tree's node that points nowhere) is an error of the call.
    pub fn open(bytes: B) -> Result<Self, LoadError> {
        let file = bytes.as_ref();
        let directory = Directory::read(file)?;
        let missing = |at| LoadError::new(LoadErrorKind::MissingSection, at);
        let program = directory.find("program").ok_or(missing("program"))?;
        let weights = directory.find("weights").ok_or(missing("weights"))?;
        let code = decode(&file[program], weights.len())?;
        let plan = Plan::new(&code);
        Ok(Self {
            directory,
            weights,
            code,
            plan,
            bytes,
        })
    }

    /// A further section of the file, such as a table.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        self.directory
            .find(name)
            .map(|range| &self.bytes.as_ref()[range])
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// The inputs, in the order in which [`Model::run`] takes them.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = PortInfo<'_>> {
        self.code.inputs.iter().map(|p| self.port(p))
    }

    /// The outputs.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = PortInfo<'_>> {
        self.code.outputs.iter().map(|p| self.port(p))
    }

    fn port<'a>(&self, port: &'a crate::program::Port) -> PortInfo<'a> {
        let value = self.code.values[port.value.0 as usize];
        PortInfo {
            name: &port.name,
            kind: value.kind,
            shape: value.shape,
        }
    }

    /// Computes the outputs for `rows` rows; they are then read from the
    /// workspace. No rows give empty per-row outputs.
    ///
    /// # Errors
    /// Inputs that don't fit the ports, an index outside its table, a number
    /// that can't be cast. The workspace's outputs are then undefined.
    pub fn run(
        &self,
        workspace: &mut Workspace,
        rows: usize,
        inputs: &[Input<'_>],
    ) -> Result<(), RunError> {
        self.check(rows, inputs)?;
        self.prepare(workspace, rows);
        self.load(workspace, inputs, Rows::Shared, 0, 1, 1);
        for step in &self.plan.shared {
            self.step(workspace, *step, 1, 1)?;
        }
        self.store(workspace, Rows::Shared, 0, 1, 1);
        let mut first = 0;
        while first < rows {
            let count = self.plan.block.min(rows - first);
            // Whole vectors of four; the lanes beyond `count` hold zeros.
            let lanes = count.next_multiple_of(4);
            self.load(workspace, inputs, Rows::PerRow, first, count, lanes);
            for step in &self.plan.per_row {
                self.step(workspace, *step, lanes, count)?;
            }
            self.store(workspace, Rows::PerRow, first, count, lanes);
            first += count;
        }
        Ok(())
    }

    /// What each number of a row contributes to its score, against a reference row
    /// whose numbers stand for those that are left out: exact Shapley values, which
    /// add up to the score less the reference's. `row` and `reference` are as wide as
    /// the model's only input.
    ///
    /// `None` for a model that is anything but a sum of trees over one input.
    #[must_use]
    pub fn contributions(&self, row: &[f32], reference: &[f32]) -> Option<Vec<f64>> {
        let ([step], [input], [output]) = (
            self.code.steps.as_slice(),
            self.code.inputs.as_slice(),
            self.code.outputs.as_slice(),
        ) else {
            return None;
        };
        let Op::Trees { x, forest } = &step.op else {
            return None;
        };
        let width = elements(self.code.values[input.value.0 as usize].shape);
        if *x != input.value
            || output.value != step.result
            || row.len() != width
            || reference.len() != width
        {
            return None;
        }
        let forest = self.code.forests.get(forest.0 as usize)?;
        let weights = &self.bytes.as_ref()[self.weights.clone()];
        let mut out = vec![0.0; width];
        trees::contribute(forest, weights, row, reference, &mut out)?;
        Some(out)
    }

    fn check(&self, rows: usize, inputs: &[Input<'_>]) -> Result<(), RunError> {
        if rows > MAX_ROWS {
            return Err(RunError::TooManyRows { rows });
        }
        if inputs.len() != self.code.inputs.len() {
            return Err(RunError::InputCount {
                expected: self.code.inputs.len(),
                found: inputs.len(),
            });
        }
        for (i, (port, input)) in self.inputs().zip(inputs).enumerate() {
            let found = match (port.kind, input) {
                (Kind::F32, Input::F32(x)) => x.len(),
                (Kind::I32, Input::I32(x)) => x.len(),
                _ => return Err(RunError::InputKind { input: i }),
            };
            let rows = if port.shape.rows == Rows::PerRow {
                rows
            } else {
                1
            };
            let expected = rows * elements(port.shape);
            if found != expected {
                return Err(RunError::InputLength {
                    input: i,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }

    fn prepare(&self, workspace: &mut Workspace, rows: usize) {
        fn grow<T: Clone + Default>(
            buffers: &mut Vec<Vec<T>>,
            sizes: &[usize],
            blocks: &[bool],
            lanes: usize,
        ) {
            if buffers.len() < sizes.len() {
                buffers.resize_with(sizes.len(), Vec::new);
            }
            for ((buffer, size), block) in buffers.iter_mut().zip(sizes).zip(blocks) {
                let size = if *block { size * lanes } else { *size };
                if buffer.len() < size {
                    buffer.resize(size, T::default());
                }
            }
        }
        let lanes = self.plan.block.min(rows.next_multiple_of(4));
        let plan = &self.plan;
        grow(
            &mut workspace.floats,
            &plan.floats,
            &plan.float_blocks,
            lanes,
        );
        grow(
            &mut workspace.integers,
            &plan.integers,
            &plan.integer_blocks,
            lanes,
        );
        workspace
            .outputs
            .resize_with(self.code.outputs.len(), Vec::new);
        workspace
            .labels
            .resize_with(self.code.outputs.len(), Vec::new);
        for (n, port) in self.code.outputs.iter().enumerate() {
            let value = self.code.values[port.value.0 as usize];
            let rows = if value.shape.rows == Rows::PerRow {
                rows
            } else {
                1
            };
            let size = rows * elements(value.shape);
            workspace.outputs[n].clear();
            workspace.labels[n].clear();
            match value.kind {
                Kind::F32 => workspace.outputs[n].resize(size, 0.0),
                Kind::I32 => workspace.labels[n].resize(size, 0),
            }
        }
    }

    /// Copies the inputs of one kind of rows into their buffers, turned so that
    /// lanes are neighbours.
    fn load(
        &self,
        workspace: &mut Workspace,
        inputs: &[Input<'_>],
        rows: Rows,
        first: usize,
        count: usize,
        lanes: usize,
    ) {
        fn turn<T: Copy + Default>(
            out: &mut [T],
            data: &[T],
            n: usize,
            count: usize,
            lanes: usize,
        ) {
            for (r, row) in data.chunks_exact(n).take(count).enumerate() {
                for (e, x) in row.iter().enumerate() {
                    out[e * lanes + r] = *x;
                }
            }
            if count < lanes {
                for e in 0..n {
                    out[e * lanes + count..(e + 1) * lanes].fill(T::default());
                }
            }
        }
        for (port, input) in self.code.inputs.iter().zip(inputs) {
            let shape = self.code.values[port.value.0 as usize].shape;
            if shape.rows != rows {
                continue;
            }
            let n = elements(shape);
            let slot = self.plan.slot[port.value.0 as usize];
            match input {
                Input::F32(data) => turn(
                    &mut workspace.floats[slot],
                    &data[first * n..],
                    n,
                    count,
                    lanes,
                ),
                Input::I32(data) => turn(
                    &mut workspace.integers[slot],
                    &data[first * n..],
                    n,
                    count,
                    lanes,
                ),
            }
        }
    }

    fn store(
        &self,
        workspace: &mut Workspace,
        rows: Rows,
        first: usize,
        count: usize,
        lanes: usize,
    ) {
        fn turn<T: Copy>(out: &mut [T], data: &[T], n: usize, count: usize, lanes: usize) {
            for (r, row) in out.chunks_exact_mut(n).take(count).enumerate() {
                for (e, x) in row.iter_mut().enumerate() {
                    *x = data[e * lanes + r];
                }
            }
        }
        for (o, port) in self.code.outputs.iter().enumerate() {
            let value = self.code.values[port.value.0 as usize];
            if value.shape.rows != rows {
                continue;
            }
            let n = elements(value.shape);
            let slot = self.plan.slot[port.value.0 as usize];
            match value.kind {
                Kind::F32 => {
                    turn(
                        &mut workspace.outputs[o][first * n..],
                        &workspace.floats[slot],
                        n,
                        count,
                        lanes,
                    );
                }
                Kind::I32 => {
                    turn(
                        &mut workspace.labels[o][first * n..],
                        &workspace.integers[slot],
                        n,
                        count,
                        lanes,
                    );
                }
            }
        }
    }

    fn tensor(&self, id: TensorId) -> Bytes<'_> {
        Bytes {
            weights: &self.bytes.as_ref()[self.weights.clone()],
            info: self.code.tensors[id.0 as usize],
        }
    }

    /// Runs one step. `lanes` is the block's, `count` how many of them are rows
    /// of the call; both are 1 for a shared step.
    fn step(
        &self,
        workspace: &mut Workspace,
        n: usize,
        lanes: usize,
        count: usize,
    ) -> Result<(), RunError> {
        let step = &self.code.steps[n];
        let result = self.code.values[step.result.0 as usize];
        let shape = result.shape;
        let slot = self.plan.slot[step.result.0 as usize];
        let size = elements(shape) * lanes;
        // Taking the result's buffer out lets the operands be borrowed; it never
        // is one of theirs.
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        match result.kind {
            Kind::F32 => floats = core::mem::take(&mut workspace.floats[slot]),
            Kind::I32 => integers = core::mem::take(&mut workspace.integers[slot]),
        }
        let mut panel = core::mem::take(&mut workspace.panel);
        let mut scores = core::mem::take(&mut workspace.scores);
        let mut row = core::mem::take(&mut workspace.row);
        let outcome = {
            let shape_of = |id: ValueId| self.code.values[id.0 as usize].shape;
            let lanes_of = |s: Shape| if s.rows == Rows::PerRow { lanes } else { 1 };
            let view = |id: ValueId| {
                let shape = shape_of(id);
                let lanes = lanes_of(shape);
                let data =
                    &workspace.floats[self.plan.slot[id.0 as usize]][..elements(shape) * lanes];
                View { data, shape, lanes }
            };
            let ids = |id: ValueId| {
                let shape = shape_of(id);
                let lanes = lanes_of(shape);
                (
                    &workspace.integers[self.plan.slot[id.0 as usize]][..elements(shape) * lanes],
                    lanes,
                )
            };
            // Whether the elements are f32 or i32, moving them is the same.
            macro_rules! moving {
                (|$out:ident, $of:ident| $body:expr) => {
                    match result.kind {
                        Kind::F32 => {
                            let $out = &mut floats[..size];
                            let $of = |id: ValueId| {
                                let v = view(id);
                                (v.data, v.shape, v.lanes)
                            };
                            $body
                        }
                        Kind::I32 => {
                            let $out = &mut integers[..size];
                            let $of = |id: ValueId| {
                                let (data, lanes) = ids(id);
                                (data, shape_of(id), lanes)
                            };
                            $body
                        }
                    }
                };
            }
            match &step.op {
                Op::Constant { tensor } => {
                    let t = self.tensor(*tensor);
                    let cols = t.info.cols as usize;
                    for (r, out) in floats[..size].chunks_exact_mut(cols).enumerate() {
                        t.row(r, out);
                    }
                    Ok(())
                }
                Op::Gather {
                    table,
                    ids: indices,
                } => {
                    let t = self.tensor(*table);
                    let (cols, entries) = (t.info.cols as usize, t.info.rows as usize);
                    let (indices, _) = ids(*indices);
                    row.resize(cols.max(row.len()), 0.0);
                    let mut outcome = Ok(());
                    for (i, index) in indices.iter().enumerate() {
                        let (l, lane) = (i / lanes, i % lanes);
                        match usize::try_from(*index) {
                            Ok(r) if r < entries => t.row(r, &mut row[..cols]),
                            // The lanes that fill the last vector hold no row.
                            _ if lane >= count => row[..cols].fill(0.0),
                            _ => {
                                outcome = Err(RunError::Index {
                                    step: n,
                                    index: *index,
                                    entries,
                                });
                                break;
                            }
                        }
                        for (w, x) in row[..cols].iter().enumerate() {
                            floats[(l * cols + w) * lanes + lane] = *x;
                        }
                    }
                    outcome
                }
                Op::Bag {
                    table,
                    ids: indices,
                    weights,
                    mode,
                    padding,
                } => self.bag(
                    n,
                    &self.tensor(*table),
                    ids(*indices),
                    weights.map(view),
                    *mode,
                    *padding,
                    &mut floats[..size],
                    &mut row,
                    (lanes, count),
                ),
                Op::Dense {
                    x,
                    weight,
                    bias,
                    addend,
                    activation,
                } => {
                    let t = self.tensor(*weight);
                    let (inputs, outputs) = (t.info.cols as usize, t.info.rows as usize);
                    row.clear();
                    if let Some(bias) = bias {
                        row.resize(outputs, 0.0);
                        self.tensor(*bias).row(0, &mut row);
                    }
                    let x = view(*x);
                    let start = Start {
                        bias: &row,
                        addend: addend.map(view),
                    };
                    let out = &mut floats[..size];
                    for p in 0..outputs.div_ceil(PANEL) {
                        t.panel(p, &mut panel);
                        for (l, out) in out.chunks_exact_mut(outputs * lanes).enumerate() {
                            let x = &x.data[l * inputs * lanes..(l + 1) * inputs * lanes];
                            kernels::dense_panel(
                                &panel,
                                x,
                                out,
                                lanes,
                                start,
                                l,
                                p * PANEL,
                                outputs,
                            );
                        }
                    }
                    kernels::unary(*activation, out);
                    Ok(())
                }
                Op::MatMul { a, b, transpose_b } => {
                    kernels::matmul(
                        &mut floats[..size],
                        shape,
                        lanes,
                        view(*a),
                        view(*b),
                        *transpose_b,
                    );
                    Ok(())
                }
                Op::Attention {
                    query,
                    keys,
                    values,
                    mask,
                    scale,
                } => {
                    kernels::attention(
                        &mut floats[..size],
                        shape,
                        lanes,
                        view(*query),
                        view(*keys),
                        view(*values),
                        mask.map(view),
                        *scale,
                        &mut scores,
                    );
                    Ok(())
                }
                Op::LayerNorm {
                    x,
                    gamma,
                    beta,
                    epsilon,
                } => {
                    let width = shape.width as usize;
                    row.resize((2 * width).max(row.len()), 0.0);
                    let (g, b) = row.split_at_mut(width);
                    self.tensor(*gamma).row(0, g);
                    self.tensor(*beta).row(0, &mut b[..width]);
                    floats[..size].copy_from_slice(view(*x).data);
                    kernels::layer_norm(&mut floats[..size], shape, lanes, g, b, *epsilon);
                    Ok(())
                }
                Op::Softmax { x, axis } => {
                    floats[..size].copy_from_slice(view(*x).data);
                    kernels::softmax(&mut floats[..size], shape, lanes, *axis);
                    Ok(())
                }
                Op::Unary { x, f } => {
                    floats[..size].copy_from_slice(view(*x).data);
                    kernels::unary(*f, &mut floats[..size]);
                    Ok(())
                }
                Op::Binary { a, b, f } => {
                    kernels::binary(*f, &mut floats[..size], shape, lanes, view(*a), view(*b));
                    Ok(())
                }
                Op::Concat { parts, axis } => {
                    moving!(|out, of| {
                        let width = shape.width as usize;
                        let mut at = 0;
                        for part in parts {
                            let (data, s, part_lanes) = of(*part);
                            let (len, w) = (s.len as usize, s.width as usize);
                            for l in 0..len {
                                let from = &data[l * w * part_lanes..(l + 1) * w * part_lanes];
                                let first = match axis {
                                    crate::program::Axis::Width => l * width + at,
                                    crate::program::Axis::Len => (at + l) * width,
                                };
                                spread(
                                    &mut out[first * lanes..(first + w) * lanes],
                                    from,
                                    lanes,
                                    part_lanes,
                                );
                            }
                            at += match axis {
                                crate::program::Axis::Width => w,
                                crate::program::Axis::Len => len,
                            };
                        }
                    });
                    Ok(())
                }
                Op::Slice {
                    x,
                    axis,
                    start,
                    size: extent,
                } => {
                    moving!(|out, of| {
                        let (data, s, _) = of(*x);
                        let (start, extent, width) =
                            (*start as usize, *extent as usize, s.width as usize);
                        match axis {
                            crate::program::Axis::Len => {
                                out.copy_from_slice(
                                    &data[start * width * lanes..][..extent * width * lanes],
                                );
                            }
                            crate::program::Axis::Width => {
                                for (l, out) in out.chunks_exact_mut(extent * lanes).enumerate() {
                                    out.copy_from_slice(
                                        &data[(l * width + start) * lanes..][..extent * lanes],
                                    );
                                }
                            }
                        }
                    });
                    Ok(())
                }
                Op::Reduce {
                    x,
                    axis,
                    mode,
                    mask,
                } => {
                    kernels::reduce(
                        &mut floats[..size],
                        lanes,
                        view(*x),
                        *axis,
                        *mode,
                        mask.map(view),
                    );
                    Ok(())
                }
                Op::Transpose { x } => {
                    moving!(|out, of| {
                        let (data, s, _) = of(*x);
                        let (len, width) = (s.len as usize, s.width as usize);
                        for l in 0..len {
                            for w in 0..width {
                                out[(w * len + l) * lanes..][..lanes]
                                    .copy_from_slice(&data[(l * width + w) * lanes..][..lanes]);
                            }
                        }
                    });
                    Ok(())
                }
                Op::Reshape { x, .. } => {
                    moving!(|out, of| out.copy_from_slice(of(*x).0));
                    Ok(())
                }
                Op::Expand { x } => {
                    moving!(|out, of| {
                        let (data, _, from) = of(*x);
                        spread(out, data, lanes, from);
                    });
                    Ok(())
                }
                Op::Trees { x, forest } => trees::run(
                    &self.code.forests[forest.0 as usize],
                    &self.bytes.as_ref()[self.weights.clone()],
                    view(*x),
                    &mut floats[..size],
                    lanes,
                    count,
                    &mut row,
                )
                .ok_or(RunError::Tree { step: n }),
                Op::ArgMax { x } => {
                    let x = view(*x);
                    let width = x.width();
                    for (l, out) in integers[..size].chunks_exact_mut(lanes).enumerate() {
                        for (lane, out) in out.iter_mut().enumerate() {
                            let mut best = 0usize;
                            for w in 1..width {
                                if x.data[(l * width + w) * lanes + lane]
                                    > x.data[(l * width + best) * lanes + lane]
                                {
                                    best = w;
                                }
                            }
                            *out = i32::try_from(best).unwrap_or(i32::MAX);
                        }
                    }
                    Ok(())
                }
                Op::Cast { x, to: Kind::I32 } => {
                    let x = view(*x);
                    let mut outcome = Ok(());
                    for (i, (o, x)) in integers[..size].iter_mut().zip(x.data).enumerate() {
                        // 2^31 is the first f32 that no i32 holds.
                        if x.abs() < 2_147_483_648.0 {
                            let whole = *x as i32;
                            *o = whole;
                        } else if i % lanes < count {
                            outcome = Err(RunError::Cast { step: n });
                            break;
                        }
                    }
                    outcome
                }
                Op::Cast { x, to: Kind::F32 } => {
                    let (x, _) = ids(*x);
                    for (o, x) in floats[..size].iter_mut().zip(x) {
                        let nearest = *x as f32;
                        *o = nearest;
                    }
                    Ok(())
                }
            }
        };
        match result.kind {
            Kind::F32 => workspace.floats[slot] = floats,
            Kind::I32 => workspace.integers[slot] = integers,
        }
        workspace.panel = panel;
        workspace.scores = scores;
        workspace.row = row;
        outcome
    }

    #[expect(clippy::too_many_arguments, reason = "a bag has that many parts")]
    fn bag(
        &self,
        n: usize,
        table: &Bytes<'_>,
        (indices, index_lanes): (&[i32], usize),
        weights: Option<View<'_>>,
        mode: Mode,
        padding: Option<i32>,
        out: &mut [f32],
        row: &mut Vec<f32>,
        (lanes, count): (usize, usize),
    ) -> Result<(), RunError> {
        let (cols, entries) = (table.info.cols as usize, table.info.rows as usize);
        let len = indices.len() / index_lanes;
        row.resize((2 * cols).max(row.len()), 0.0);
        let (sum, entry) = row.split_at_mut(cols);
        let entry = &mut entry[..cols];
        for lane in 0..lanes.min(count) {
            sum.fill(if mode == Mode::Max {
                f32::NEG_INFINITY
            } else {
                0.0
            });
            let mut counted = 0.0f32;
            for l in 0..len {
                let index = indices[l * index_lanes + if index_lanes == 1 { 0 } else { lane }];
                if Some(index) == padding {
                    continue;
                }
                let r = match usize::try_from(index) {
                    Ok(r) if r < entries => r,
                    _ => {
                        return Err(RunError::Index {
                            step: n,
                            index,
                            entries,
                        });
                    }
                };
                counted += 1.0;
                match (mode, &weights) {
                    (Mode::Max, _) => {
                        table.row(r, entry);
                        for (s, x) in sum.iter_mut().zip(&*entry) {
                            if *x > *s {
                                *s = *x;
                            }
                        }
                    }
                    (_, None) => table.add_row(r, sum),
                    (_, Some(w)) => {
                        table.row(r, entry);
                        let w = w.at(l);
                        let w = if w.len() == 1 { w[0] } else { w[lane] };
                        for (s, x) in sum.iter_mut().zip(&*entry) {
                            *s += x * w;
                        }
                    }
                }
            }
            for (w, s) in sum.iter().enumerate() {
                out[w * lanes + lane] = kernels::finish(mode, *s, *s, counted);
            }
        }
        Ok(())
    }
}

/// Copies elements, each to all lanes when the source is shared.
fn spread<T: Copy>(out: &mut [T], from: &[T], lanes: usize, from_lanes: usize) {
    if from_lanes == lanes {
        out.copy_from_slice(from);
    } else {
        for (o, x) in out.chunks_exact_mut(lanes).zip(from) {
            o.fill(*x);
        }
    }
}
