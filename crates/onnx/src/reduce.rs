//! Operators that reduce or normalise along axes.

use shelfedge_engine::program::{Axis, Binary, Kind, Mode, Op, Unary};

use crate::constant::Constant;
use crate::draft::shape;
use crate::error::{LowerError, fault, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{self, Item, Lowering, View, inner, per_row, show};
use crate::shapes::Blocks;
use crate::tables::engine_axis;

type Lowered = Result<Vec<Item>, LowerError>;

/// The axes of a reduction, from an attribute or an input, sorted.
fn axes(l: &Lowering<'_>, node: &Node, rank: usize) -> Result<Vec<usize>, LowerError> {
    let given = match (node.ints("axes")?, l.constant(node, 1)?) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(axes)) => axes.integers()?.to_vec(),
        (None, None) => Vec::new(),
    };
    let mut axes = given
        .iter()
        .map(|a| lower::axis(*a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    if axes.is_empty() && node.int("noop_with_empty_axes")?.unwrap_or(0) == 0 {
        axes = (0..rank).collect();
    }
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

pub(crate) fn reduce(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.floats(node, 0)?;
    let axes = axes(l, node, x.dims.len())?;
    if axes.is_empty() {
        return Ok(vec![Item::View(x)]);
    }
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    if axes.iter().any(|a| x.dims[*a] == Dim::Rows) {
        refuse!(
            UnsupportedUse,
            "a reduction of {} over the rows: rows never mix in a compiled model",
            show(&x.dims)
        );
    }
    let (first, last) = (axes[0], axes[axes.len() - 1]);
    // Axes of size 1 between don't matter.
    if (first..=last).any(|a| !axes.contains(&a) && x.dims[a] != Dim::Fixed(1)) {
        refuse!(
            UnsupportedUse,
            "the axes {axes:?} of {} aren't neighbours",
            show(&x.dims)
        );
    }
    let blocks = Blocks::range(&x.dims, first, last);
    let Some((axis, len, width)) = engine_axis(l, &x, blocks) else {
        refuse!(
            UnsupportedUse,
            "axes {axes:?} of {} have others on both sides",
            show(&x.dims)
        )
    };
    let source = View {
        value: l.shaped(&x, len, width),
        dims: vec![],
    };
    let before = |l: &mut Lowering<'_>, f: Unary| l.unary(&source, f);
    let (source, mode) = match node.operator.as_str() {
        "ReduceSum" => (source, Mode::Sum),
        "ReduceMean" => (source, Mode::Mean),
        "ReduceMax" => (source, Mode::Max),
        // The smallest is the largest of the opposites.
        "ReduceMin" => (before(l, Unary::Neg), Mode::Max),
        _ => {
            let s = l.draft.shape(source.value);
            let op = Op::Binary {
                a: source.value,
                b: source.value,
                f: Binary::Mul,
            };
            (
                View {
                    value: l.draft.push(op, s, Kind::F32),
                    dims: vec![],
                },
                Mode::Sum,
            )
        }
    };
    let s = l.draft.shape(source.value);
    let (len, width) = match axis {
        Axis::Len => (1, s.width),
        Axis::Width => (s.len, 1),
    };
    let op = Op::Reduce {
        x: source.value,
        axis,
        mode,
        mask: None,
    };
    let mut value = l.draft.push(op, shape(s.rows, len, width), Kind::F32);
    let after = match node.operator.as_str() {
        "ReduceMin" => Unary::Neg,
        "ReduceL2" => Unary::Sqrt,
        _ => Unary::Identity,
    };
    value = l
        .unary(
            &View {
                value,
                dims: vec![],
            },
            after,
        )
        .value;
    let dims = x
        .dims
        .iter()
        .enumerate()
        .filter_map(|(i, d)| match axes.contains(&i) {
            true => keep.then_some(Dim::Fixed(1)),
            false => Some(*d),
        })
        .collect();
    Ok(vec![Item::View(View { value, dims })])
}

pub(crate) fn softmax(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.floats(node, 0)?;
    let rank = x.dims.len();
    // Up to operator set 12 everything from the axis on was one vector.
    let flat = l.graph.opset < 13;
    let axis = lower::axis(node.int("axis")?.unwrap_or(if flat { 1 } else { -1 }), rank)?;
    let last = if flat { rank - 1 } else { axis };
    if x.dims[axis] == Dim::Rows {
        refuse!(
            UnsupportedUse,
            "a softmax over the rows: rows never mix in a compiled model"
        );
    }
    let Some((along, len, width)) = engine_axis(l, &x, Blocks::range(&x.dims, axis, last)) else {
        refuse!(
            UnsupportedUse,
            "axis {axis} of {} has others on both sides",
            show(&x.dims)
        )
    };
    let value = l.shaped(&x, len, width);
    let s = l.draft.shape(value);
    let value = l.draft.push(
        Op::Softmax {
            x: value,
            axis: along,
        },
        s,
        Kind::F32,
    );
    Ok(vec![Item::View(View {
        value,
        dims: x.dims,
    })])
}

pub(crate) fn layer_norm(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.floats(node, 0)?;
    let axis = lower::axis(node.int("axis")?.unwrap_or(-1), x.dims.len())?;
    if axis == 0 && per_row(&x.dims) {
        refuse!(
            UnsupportedUse,
            "a normalisation over the rows: rows never mix in a compiled model"
        );
    }
    let width = l.volume(&inner(&x.dims[axis..]))?;
    let len = l.volume(&inner(&x.dims))? / width;
    let fit = |c: Constant| -> Result<Vec<f32>, LowerError> {
        match c.floats()? {
            [single] => Ok(vec![*single; width]),
            data if data.len() == width => Ok(data.to_vec()),
            data => refuse!(
                Shape,
                "a scale or bias of {} elements for {width}",
                data.len()
            ),
        }
    };
    let gamma = l
        .constant(node, 1)?
        .ok_or_else(|| fault!(Malformed, "the scale is left out"))?;
    let gamma = fit(gamma)?;
    let beta = l
        .constant(node, 2)?
        .map(fit)
        .transpose()?
        .unwrap_or_else(|| vec![0.0; width]);
    let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
    let value = l.shaped(&x, len, width);
    let gamma = l.draft.tensor(1, width as u32, gamma, None);
    let beta = l.draft.tensor(1, width as u32, beta, None);
    let s = l.draft.shape(value);
    let value = l.draft.push(
        Op::LayerNorm {
            x: value,
            gamma,
            beta,
            epsilon,
        },
        s,
        Kind::F32,
    );
    Ok(vec![Item::View(View {
        value,
        dims: x.dims,
    })])
}

pub(crate) fn arg_max(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.floats(node, 0)?;
    if node.int("select_last_index")?.unwrap_or(0) != 0 {
        refuse!(
            UnsupportedUse,
            "select_last_index = 1: only the first of equals is supported"
        );
    }
    let axis = lower::axis(node.int("axis")?.unwrap_or(0), x.dims.len())?;
    let blocks = Blocks::range(&x.dims, axis, axis);
    if x.dims[axis] == Dim::Rows || blocks.after != 1 {
        refuse!(
            UnsupportedUse,
            "only the last axis is supported, and not the rows"
        );
    }
    let value = l.shaped(&x, blocks.outer, blocks.middle);
    let s = l.draft.shape(value);
    let value = l
        .draft
        .push(Op::ArgMax { x: value }, shape(s.rows, s.len, 1), Kind::I32);
    let mut dims = x.dims;
    match node.int("keepdims")?.unwrap_or(1) {
        0 => {
            dims.remove(axis);
        }
        _ => dims[axis] = Dim::Fixed(1),
    }
    Ok(vec![Item::View(View { value, dims })])
}
