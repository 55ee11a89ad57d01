//! `softmax(scale * query * keysᵀ) * values` becomes one operation.

use shelfedge_engine::program::{Axis, Binary, Kind, Op, ValueId};

use super::{Facts, both_ways};
use crate::draft::{Draft, shape};

struct Found {
    query: ValueId,
    keys: ValueId,
    values: ValueId,
    mask: Option<ValueId>,
    scale: f32,
}

pub(super) fn fuse(draft: &mut Draft) {
    let mut i = 0;
    while i < draft.program.steps.len() {
        let found = match draft.program.steps[i].op {
            Op::MatMul {
                a,
                b,
                transpose_b: false,
            } => find(&Facts::new(draft), a, b),
            _ => None,
        };
        if let Some(Found {
            query,
            keys,
            values,
            mask,
            scale,
        }) = found
        {
            let entries = draft.shape(keys).len;
            let mask = mask.map(|m| {
                let s = draft.shape(m);
                if (s.len, s.width) == (entries, 1) {
                    return m;
                }
                // The step is pushed at the end, and moved before its user.
                let op = Op::Reshape {
                    x: m,
                    len: entries,
                    width: 1,
                };
                let m = draft.push(op, shape(s.rows, entries, 1), Kind::F32);
                if let Some(step) = draft.program.steps.pop() {
                    draft.program.steps.insert(i, step);
                    i += 1;
                }
                m
            });
            draft.program.steps[i].op = Op::Attention {
                query,
                keys,
                values,
                mask,
                scale,
            };
        }
        i += 1;
    }
}

fn find(facts: &Facts<'_>, weights: ValueId, values: ValueId) -> Option<Found> {
    if let Op::Softmax {
        x,
        axis: Axis::Width,
    } = facts.only(weights)?
    {
        let (query, keys, scale) = scores(facts, *x)?;
        return Some(Found {
            query,
            keys,
            values,
            mask: None,
            scale,
        });
    }
    // softmax(scores + (mask - 1) * large) * mask: an entry that is masked out
    // weighs exactly 0, and if all are, so does every one.
    both_ways(facts.only(weights)?, Binary::Mul)?
        .into_iter()
        .find_map(|(soft, mask)| {
            let Op::Softmax {
                x,
                axis: Axis::Width,
            } = facts.only(soft)?
            else {
                return None;
            };
            both_ways(facts.only(*x)?, Binary::Add)?
                .into_iter()
                .find_map(|(plain, penalty)| {
                    let masked = masked_by(facts, penalty)?;
                    if facts.base(masked) != facts.base(mask) {
                        return None;
                    }
                    let (query, keys, scale) = scores(facts, plain)?;
                    let (m, k) = (facts.draft.shape(facts.base(mask)), facts.draft.shape(keys));
                    (m.len * m.width == k.len).then_some(Found {
                        query,
                        keys,
                        values,
                        mask: Some(facts.base(mask)),
                        scale,
                    })
                })
        })
}

/// `(mask - 1) * large`
fn masked_by(facts: &Facts<'_>, penalty: ValueId) -> Option<ValueId> {
    both_ways(facts.op(facts.base(penalty))?, Binary::Mul)?
        .into_iter()
        .find_map(|(less, large)| {
            if facts.scalar(large)? < 1e8 {
                return None;
            }
            match facts.op(facts.base(less))? {
                Op::Binary {
                    a,
                    b,
                    f: Binary::Sub,
                } if facts.scalar(*b) == Some(1.0) => Some(*a),
                _ => None,
            }
        })
}

/// `query * keysᵀ`, times a constant or not.
fn scores(facts: &Facts<'_>, value: ValueId) -> Option<(ValueId, ValueId, f32)> {
    let op = facts.only(value)?;
    match op {
        Op::MatMul {
            a,
            b,
            transpose_b: true,
        } => Some((*a, *b, 1.0)),
        Op::Binary {
            a,
            b,
            f: Binary::Div,
        } => {
            let (query, keys, scale) = scores(facts, *a)?;
            Some((query, keys, scale / facts.scalar(*b)?))
        }
        _ => both_ways(op, Binary::Mul)?
            .into_iter()
            .find_map(|(inner, factor)| {
                let factor = facts.scalar(factor)?;
                let (query, keys, scale) = scores(facts, inner)?;
                Some((query, keys, scale * factor))
            }),
    }
}
