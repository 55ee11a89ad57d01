//! Gather and reduce become a bag, which never writes the gathered rows down.

use shelfedge_engine::program::{Axis, Binary, Mode, Op, Unary, ValueId};

use super::{Facts, both_ways};
use crate::draft::Draft;

/// Reductions over gathered rows, weighted or not.
pub(super) fn sums(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let Op::Reduce {
            x,
            axis: Axis::Len,
            mode,
            mask: None,
        } = draft.program.steps[i].op
        else {
            continue;
        };
        let found = sum(&Facts::new(draft), x, mode);
        if let Some(op) = found {
            draft.program.steps[i].op = op;
        }
    }
}

fn sum(facts: &Facts<'_>, x: ValueId, mode: Mode) -> Option<Op> {
    let op = facts.only(x)?;
    if let Op::Gather { table, ids } = op {
        return Some(Op::Bag {
            table: *table,
            ids: *ids,
            weights: None,
            mode,
            padding: None,
        });
    }
    if mode != Mode::Sum {
        return None;
    }
    both_ways(op, Binary::Mul)?
        .into_iter()
        .find_map(|(rows, weights)| {
            let Op::Gather { table, ids } = facts.only(rows)? else {
                return None;
            };
            let (s, w) = (facts.draft.shape(*ids), facts.draft.shape(weights));
            if w.width != 1 || w.len != s.len {
                return None;
            }
            let padded = facts.masked_ids(weights) == Some(facts.base(*ids));
            let (weights, padding) = if padded {
                (None, Some(0))
            } else {
                (Some(weights), None)
            };
            Some(Op::Bag {
                table: *table,
                ids: *ids,
                weights,
                mode,
                padding,
            })
        })
}

/// A sum over the indices that count, divided by their number, is a mean.
pub(super) fn means(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let Op::Binary {
            a,
            b,
            f: Binary::Div,
        } = draft.program.steps[i].op
        else {
            continue;
        };
        let facts = Facts::new(draft);
        let Some(Op::Bag {
            table,
            ids,
            weights: None,
            mode: Mode::Sum,
            padding: Some(0),
        }) = facts.only(a)
        else {
            continue;
        };
        if counts(&facts, b) == Some(facts.base(*ids)) {
            let (table, ids) = (*table, *ids);
            draft.program.steps[i].op = Op::Bag {
                table,
                ids,
                weights: None,
                mode: Mode::Mean,
                padding: Some(0),
            };
        }
    }
}

/// The indices whose number, or 1 if there are none, this is.
fn counts(facts: &Facts<'_>, value: ValueId) -> Option<ValueId> {
    let op = facts.op(facts.base(value))?;
    let count = match op {
        Op::Unary {
            x,
            f: Unary::Clip(low, high),
        } if *low == 1.0 && *high >= f32::MAX => *x,
        _ => {
            both_ways(op, Binary::Max)?
                .into_iter()
                .find(|(_, one)| facts.scalar(*one) == Some(1.0))?
                .0
        }
    };
    match facts.op(facts.base(count))? {
        Op::Reduce {
            x,
            axis: Axis::Len,
            mode: Mode::Sum,
            mask: None,
        } => facts.masked_ids(*x),
        _ => None,
    }
}
