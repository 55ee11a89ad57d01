//! Computes once a call what a dense layer would compute for every row.
//!
//! A ranking model's first layer reads the shopper's features beside the
//! candidate's. `W * [shared, candidate]` is `Ws * shared + Wc * candidate`:
//! the first product is the same for every row, and becomes the addend of the
//! second.

use shelfedge_engine::program::{Axis, Binary, Kind, Op, Rows, Step, TensorId, Unary, ValueId};

use super::Facts;
use crate::draft::{Draft, shape};

pub(super) fn hoist(draft: &mut Draft) {
    let mut i = 0;
    while i < draft.program.steps.len() {
        if let Some((steps, layer)) = split(draft, i) {
            draft.program.steps[i].op = layer;
            let count = steps.len();
            draft.program.steps.splice(i..i, steps);
            i += count;
        }
        i += 1;
    }
}

/// The parts of a concatenation, those of concatenated parts included.
fn flat(facts: &Facts<'_>, parts: &[ValueId], out: &mut Vec<ValueId>) {
    for part in parts {
        match facts.op(*part) {
            Some(Op::Concat {
                parts,
                axis: Axis::Width,
            }) => flat(facts, parts, out),
            _ => out.push(*part),
        }
    }
}

/// The steps to put before step `at`, and what becomes of the step itself.
fn split(draft: &mut Draft, at: usize) -> Option<(Vec<Step>, Op)> {
    let Op::Dense {
        x,
        weight,
        bias,
        addend,
        activation,
    } = draft.program.steps[at].op.clone()
    else {
        return None;
    };
    let facts = Facts::new(draft);
    let Some(Op::Concat {
        parts,
        axis: Axis::Width,
    }) = facts.op(x)
    else {
        return None;
    };
    let mut all = Vec::new();
    flat(&facts, parts, &mut all);
    let shared: Vec<bool> = all
        .iter()
        .map(|p| draft.shape(*p).rows == Rows::Shared)
        .collect();
    if !shared.contains(&true) || !shared.contains(&false) {
        return None;
    }
    let (len, outputs) = (
        draft.shape(x).len,
        draft.program.tensors[weight.0 as usize].rows,
    );

    let mut steps = Vec::new();
    let mut side = |draft: &mut Draft, wanted: bool| -> (ValueId, TensorId) {
        let mine: Vec<ValueId> = all
            .iter()
            .zip(&shared)
            .filter(|(_, s)| **s == wanted)
            .map(|(p, _)| *p)
            .collect();
        let weight = columns(draft, weight, &all, &shared, wanted);
        let x = match mine.as_slice() {
            [single] => *single,
            _ => {
                let rows = if wanted { Rows::Shared } else { Rows::PerRow };
                let width = draft.program.tensors[weight.0 as usize].cols;
                let result = draft.value(shape(rows, len, width), Kind::F32);
                steps.push(Step {
                    op: Op::Concat {
                        parts: mine,
                        axis: Axis::Width,
                    },
                    result,
                });
                result
            }
        };
        (x, weight)
    };
    let (shared_x, shared_weight) = side(draft, true);
    let (row_x, row_weight) = side(draft, false);

    // What was added before stays added: with the shared part where it is
    // shared itself.
    let (shared_addend, row_addend) = match addend {
        Some(a) if draft.shape(a).rows == Rows::Shared => (Some(a), None),
        other => (None, other),
    };
    let s = shape(Rows::Shared, len, outputs);
    let once = draft.value(s, Kind::F32);
    steps.push(Step {
        op: Op::Dense {
            x: shared_x,
            weight: shared_weight,
            bias,
            addend: shared_addend,
            activation: Unary::Identity,
        },
        result: once,
    });
    let addend = match row_addend {
        None => once,
        Some(a) => {
            let result = draft.value(shape(Rows::PerRow, len, outputs), Kind::F32);
            steps.push(Step {
                op: Op::Binary {
                    a,
                    b: once,
                    f: Binary::Add,
                },
                result,
            });
            result
        }
    };
    let layer = Op::Dense {
        x: row_x,
        weight: row_weight,
        bias: None,
        addend: Some(addend),
        activation,
    };
    Some((steps, layer))
}

/// The weight's columns for the parts that are shared, or for those that are
/// not.
fn columns(
    draft: &mut Draft,
    weight: TensorId,
    parts: &[ValueId],
    shared: &[bool],
    wanted: bool,
) -> TensorId {
    let (rows, cols) = {
        let t = &draft.program.tensors[weight.0 as usize];
        (t.rows, t.cols as usize)
    };
    let mut ranges = Vec::new();
    let mut start = 0;
    for (part, shared) in parts.iter().zip(shared) {
        let end = start + draft.shape(*part).width as usize;
        if *shared == wanted {
            ranges.push(start..end);
        }
        start = end;
    }
    let data = draft.floats(weight);
    let mut picked = Vec::new();
    for row in data.chunks(cols) {
        for range in &ranges {
            picked.extend_from_slice(&row[range.clone()]);
        }
    }
    let width = ranges.iter().map(|r| r.len()).sum::<usize>();
    let name = draft.names.get(&weight).cloned();
    draft.tensor(rows, width as u32, picked, name.as_deref())
}
