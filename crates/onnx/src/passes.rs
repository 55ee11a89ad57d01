//! Rewrites a program into a faster one with the same results. Each pass is a
//! function of the whole draft, small enough to read at once, and leaves what
//! became useless to [`clean`].

mod absorb;
mod attention;
mod bag;
mod clean;
mod dense;
mod hoist;

use std::collections::BTreeMap;

use shelfedge_engine::program::{Binary, Op, TensorId, Unary, ValueId};

use crate::draft::Draft;

/// Runs every pass, in the order in which each finds what the ones before it
/// have left.
pub(crate) fn run(draft: &mut Draft) {
    let passes: [fn(&mut Draft); 13] = [
        clean::clean,
        absorb::reshapes,
        absorb::transposes,
        clean::clean,
        bag::sums,
        bag::means,
        attention::fuse,
        clean::clean,
        dense::fuse,
        clean::clean,
        hoist::hoist,
        absorb::inputs,
        clean::clean,
    ];
    for pass in passes {
        pass(draft);
    }
}

/// What a pass asks about the program before it changes it.
struct Facts<'a> {
    draft: &'a Draft,
    definitions: BTreeMap<ValueId, usize>,
    uses: Vec<usize>,
}

impl<'a> Facts<'a> {
    fn new(draft: &'a Draft) -> Self {
        Self {
            draft,
            definitions: draft.definitions(),
            uses: draft.uses(),
        }
    }

    /// The operation that computes a value; an input has none.
    fn op(&self, value: ValueId) -> Option<&'a Op> {
        self.definitions
            .get(&value)
            .map(|i| &self.draft.program.steps[*i].op)
    }

    /// The operation, if nothing else uses its result.
    fn only(&self, value: ValueId) -> Option<&'a Op> {
        self.op(value).filter(|_| self.uses[value.0 as usize] == 1)
    }

    fn constant(&self, value: ValueId) -> Option<TensorId> {
        match self.op(value)? {
            Op::Constant { tensor } => Some(*tensor),
            _ => None,
        }
    }

    /// The only element of a constant.
    fn scalar(&self, value: ValueId) -> Option<f32> {
        match self.draft.floats(self.constant(value)?) {
            [single] => Some(*single),
            _ => None,
        }
    }

    /// The value whose elements these are, under whatever len and width.
    fn base(&self, value: ValueId) -> ValueId {
        match self.op(value) {
            Some(Op::Reshape { x, .. }) => self.base(*x),
            _ => value,
        }
    }

    /// The indices of which this is the mask: 0 where the index is 0, else 1.
    /// Indices are never negative, so that is what clipping them gives.
    fn masked_ids(&self, value: ValueId) -> Option<ValueId> {
        match self.op(self.base(value))? {
            Op::Unary {
                x,
                f: Unary::Clip(low, high),
            } if (*low, *high) == (0.0, 1.0) => match self.op(self.base(*x))? {
                Op::Cast { x, .. } => Some(self.base(*x)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The operands of an operation that doesn't mind their order, both ways.
fn both_ways(op: &Op, f: Binary) -> Option<[(ValueId, ValueId); 2]> {
    match op {
        Op::Binary { a, b, f: found } if *found == f => Some([(*a, *b), (*b, *a)]),
        _ => None,
    }
}
