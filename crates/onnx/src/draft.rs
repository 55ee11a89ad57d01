//! A program that is being written or rewritten.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_engine::program::{
    Data, Forest, ForestId, Kind, Op, Program, Rows, Shape, Step, Tensor, TensorId, Value, ValueId,
};

/// A program, with the names of the initializers from which its tensors come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) program: Program,
    pub(crate) names: BTreeMap<TensorId, String>,
    /// Tensors that must stay f32, whatever the options say.
    pub(crate) exact: BTreeSet<TensorId>,
    /// Elements of all tensors.
    pub(crate) elements: usize,
}

pub(crate) const fn shape(rows: Rows, len: u32, width: u32) -> Shape {
    Shape { rows, len, width }
}

impl Draft {
    pub(crate) fn value(&mut self, shape: Shape, kind: Kind) -> ValueId {
        let id = ValueId(self.program.values.len() as u32);
        self.program.values.push(Value { shape, kind });
        id
    }

    pub(crate) fn push(&mut self, op: Op, shape: Shape, kind: Kind) -> ValueId {
        let result = self.value(shape, kind);
        self.program.steps.push(Step { op, result });
        result
    }

    pub(crate) fn tensor(
        &mut self,
        rows: u32,
        cols: u32,
        data: Vec<f32>,
        name: Option<&str>,
    ) -> TensorId {
        let id = TensorId(self.program.tensors.len() as u32);
        self.elements = self.elements.saturating_add(data.len());
        self.program.tensors.push(Tensor {
            rows,
            cols,
            data: Data::F32(data),
        });
        if let Some(name) = name {
            self.names.insert(id, name.to_owned());
        }
        id
    }

    pub(crate) fn forest(&mut self, forest: Forest) -> ForestId {
        let id = ForestId(self.program.forests.len() as u32);
        self.program.forests.push(forest);
        id
    }

    pub(crate) fn shape(&self, value: ValueId) -> Shape {
        self.program.values[value.0 as usize].shape
    }

    pub(crate) fn kind(&self, value: ValueId) -> Kind {
        self.program.values[value.0 as usize].kind
    }

    /// The elements of a tensor; everything is f32 until the last pass.
    pub(crate) fn floats(&self, tensor: TensorId) -> &[f32] {
        match &self.program.tensors[tensor.0 as usize].data {
            Data::F32(data) => data,
            Data::F16(_) | Data::I8 { .. } => &[],
        }
    }

    /// Which step defines each value.
    pub(crate) fn definitions(&self) -> BTreeMap<ValueId, usize> {
        self.program
            .steps
            .iter()
            .enumerate()
            .map(|(i, s)| (s.result, i))
            .collect()
    }

    /// How often each value is used, by steps and as an output.
    pub(crate) fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.program.values.len()];
        for step in &self.program.steps {
            visit(&step.op, |v| uses[v.0 as usize] += 1);
        }
        for output in &self.program.outputs {
            uses[output.value.0 as usize] += 1;
        }
        uses
    }

    /// Lets every user of one value use another.
    pub(crate) fn replace(&mut self, from: ValueId, to: ValueId) {
        let swap = |v: &mut ValueId| {
            if *v == from {
                *v = to;
            }
        };
        for step in &mut self.program.steps {
            visit_mut(&mut step.op, swap);
        }
        for output in &mut self.program.outputs {
            swap(&mut output.value);
        }
    }
}

/// Visits the operands of an operation.
pub(crate) fn visit(op: &Op, mut f: impl FnMut(ValueId)) {
    // One list of operands an operation is enough; the copy is a few bytes but
    // for a long concatenation.
    visit_mut(&mut op.clone(), |v| f(*v));
}

/// Visits the operands of an operation so that they can be changed.
pub(crate) fn visit_mut(op: &mut Op, mut f: impl FnMut(&mut ValueId)) {
    match op {
        Op::Constant { .. } => {}
        Op::Gather { ids, .. } => f(ids),
        Op::Bag { ids, weights, .. } => {
            f(ids);
            weights.iter_mut().for_each(f);
        }
        Op::Dense { x, addend, .. } => {
            f(x);
            addend.iter_mut().for_each(f);
        }
        Op::MatMul { a, b, .. } | Op::Binary { a, b, .. } => {
            f(a);
            f(b);
        }
        Op::Attention {
            query,
            keys,
            values,
            mask,
            ..
        } => {
            f(query);
            f(keys);
            f(values);
            mask.iter_mut().for_each(f);
        }
        Op::Concat { parts, .. } => parts.iter_mut().for_each(f),
        Op::Reduce { x, mask, .. } => {
            f(x);
            mask.iter_mut().for_each(f);
        }
        Op::LayerNorm { x, .. }
        | Op::Softmax { x, .. }
        | Op::Unary { x, .. }
        | Op::Slice { x, .. }
        | Op::Transpose { x }
        | Op::Reshape { x, .. }
        | Op::Expand { x }
        | Op::Trees { x, .. }
        | Op::ArgMax { x }
        | Op::Cast { x, .. } => f(x),
    }
}

/// Visits the tensors of an operation so that they can be changed.
pub(crate) fn visit_tensors(op: &mut Op, mut f: impl FnMut(&mut TensorId)) {
    match op {
        Op::Constant { tensor } => f(tensor),
        Op::Gather { table, .. } | Op::Bag { table, .. } => f(table),
        Op::Dense { weight, bias, .. } => {
            f(weight);
            bias.iter_mut().for_each(f);
        }
        Op::LayerNorm { gamma, beta, .. } => {
            f(gamma);
            f(beta);
        }
        _ => {}
    }
}
