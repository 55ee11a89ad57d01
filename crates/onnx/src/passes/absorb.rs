//! Lets operations take their operands as they are, instead of moving or
//! renaming elements first.

use std::collections::BTreeMap;

use shelfedge_engine::program::{Op, Rows, Tensor, TensorId, ValueId};

use super::Facts;
use crate::draft::{Draft, visit};

/// A reshape of a reshape is one reshape, one that changes nothing is none, and
/// a constant has whatever shape is asked for.
pub(super) fn reshapes(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let step = &draft.program.steps[i];
        let (result, Op::Reshape { x, len, width }) = (step.result, step.op.clone()) else {
            continue;
        };
        let facts = Facts::new(draft);
        let base = facts.base(x);
        let constant = facts.constant(base);
        let same = {
            let s = draft.shape(base);
            (s.len, s.width) == (len, width)
        };
        if same {
            draft.replace(result, base);
        } else if let Some(tensor) = constant {
            let data = draft.program.tensors[tensor.0 as usize].data.clone();
            let id = TensorId(draft.program.tensors.len() as u32);
            draft.program.tensors.push(Tensor {
                rows: len,
                cols: width,
                data,
            });
            draft.program.steps[i].op = Op::Constant { tensor: id };
        } else {
            draft.program.steps[i].op = Op::Reshape {
                x: base,
                len,
                width,
            };
        }
    }
}

/// A product with a transposed right operand takes it as it was.
pub(super) fn transposes(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let Op::MatMul { a, b, transpose_b } = draft.program.steps[i].op else {
            continue;
        };
        if let Some(Op::Transpose { x }) = Facts::new(draft).op(b) {
            draft.program.steps[i].op = Op::MatMul {
                a,
                b: *x,
                transpose_b: !transpose_b,
            };
        }
    }
}

/// An input that every user reshapes in the same way is taken in that shape
/// from the caller, to whom it is a list of numbers in any case.
pub(super) fn inputs(draft: &mut Draft) {
    let mut wanted: BTreeMap<ValueId, Option<(u32, u32)>> = BTreeMap::new();
    for step in &draft.program.steps {
        let shape = match step.op {
            Op::Reshape { len, width, .. } => Some((len, width)),
            _ => None,
        };
        visit(&step.op, |v| {
            wanted
                .entry(v)
                .and_modify(|w| *w = w.filter(|w| Some(*w) == shape))
                .or_insert(shape);
        });
    }
    for output in &draft.program.outputs {
        wanted.insert(output.value, None);
    }
    for port in draft.program.inputs.clone() {
        let Some(Some((len, width))) = wanted.get(&port.value).copied() else {
            continue;
        };
        let value = &mut draft.program.values[port.value.0 as usize];
        (value.shape.len, value.shape.width) = (len, width);
        let same: Vec<ValueId> = draft
            .program
            .steps
            .iter()
            .filter(|s| matches!(s.op, Op::Reshape { x, .. } if x == port.value))
            .map(|s| s.result)
            .collect();
        for result in same {
            draft.replace(result, port.value);
        }
    }
    expansions(draft);
}

/// An output that is per row already needs no expansion.
fn expansions(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let step = &draft.program.steps[i];
        if let Op::Expand { x } = step.op
            && draft.shape(x).rows == Rows::PerRow
        {
            let result = step.result;
            draft.replace(result, x);
        }
    }
}
