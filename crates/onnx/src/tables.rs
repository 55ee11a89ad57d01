//! Tables: gather, and weights that are stored quantised.

use shelfedge_engine::program::{Axis, Kind, Op};

use crate::constant::{Constant, Elements, volume};
use crate::draft::shape;
use crate::error::{LowerError, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{self, Item, Lowering, View, inner};
use crate::shapes::{self, Blocks};

type Lowered = Result<Vec<Item>, LowerError>;

/// The most ranges that a gather with constant indices is cut into.
const MAX_PIECES: usize = 256;

pub(crate) fn gather(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let data = l.input(node, 0)?;
    let indices = l.input(node, 1)?;
    let axis = node.int("axis")?.unwrap_or(0);
    match (&data, &indices) {
        (Item::Constant(table), Item::View(ids)) => lookup(l, table, ids, axis),
        (Item::View(x), Item::Constant(at)) => select(l, x, at, axis),
        (Item::View(_), Item::View(_)) => {
            refuse!(
                UnsupportedUse,
                "both operands are computed; the table or the indices must be constant"
            )
        }
        _ => refuse!(
            UnsupportedUse,
            "the number of rows is used as an index or a table"
        ),
    }
}

fn lookup(l: &mut Lowering<'_>, table: &Constant, ids: &View, axis: i64) -> Lowered {
    if table.dims.is_empty() || lower::axis(axis, table.dims.len())? != 0 {
        refuse!(
            UnsupportedUse,
            "the table {:?} is looked up along axis {axis}; only axis 0 is supported",
            table.dims
        );
    }
    if l.draft.kind(ids.value) != Kind::I32 {
        refuse!(UnsupportedUse, "the indices must be integers");
    }
    let cols = l.volume(&table.dims[1..])?;
    let len = l.volume(&inner(&ids.dims))?;
    l.volume(&[len, cols])?;
    let value = l.shaped(ids, len, 1);
    let id = l.table(table, cols as u32)?;
    let rows = l.draft.shape(value).rows;
    let value = l.draft.push(
        Op::Gather {
            table: id,
            ids: value,
        },
        shape(rows, len as u32, cols as u32),
        Kind::F32,
    );
    let mut dims = ids.dims.clone();
    dims.extend(table.dims[1..].iter().map(|d| Dim::Fixed(*d)));
    Ok(vec![Item::View(View { value, dims })])
}

/// Constant positions of a computed value: slices, put together.
fn select(l: &mut Lowering<'_>, x: &View, at: &Constant, axis: i64) -> Lowered {
    let axis = lower::axis(axis, x.dims.len())?;
    let Dim::Fixed(size) = x.dims[axis] else {
        refuse!(
            UnsupportedUse,
            "rows can't be selected: every row of a call is computed"
        )
    };
    let mut positions = Vec::new();
    for index in at.integers()? {
        let signed = size as i64;
        if *index < -signed || *index >= signed {
            refuse!(Shape, "index {index} lies outside an axis of {size}");
        }
        positions.push(index.rem_euclid(signed) as usize);
    }
    // Neighbours are taken together.
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for position in &positions {
        match ranges.last_mut() {
            Some((start, count)) if *start + *count == *position => *count += 1,
            _ => ranges.push((*position, 1)),
        }
    }
    if ranges.len() > MAX_PIECES {
        refuse!(
            UnsupportedUse,
            "a selection of {} separate ranges is too much",
            ranges.len()
        );
    }
    let parts = ranges
        .into_iter()
        .map(|(start, count)| shapes::cut(l, x, axis, start, count))
        .collect::<Result<Vec<_>, _>>()?;
    let picked = match parts.as_slice() {
        [] => refuse!(UnsupportedUse, "the selection is empty"),
        [single] => single.clone(),
        _ => shapes::join(l, &parts, axis)?,
    };
    let mut dims = x.dims.clone();
    dims.splice(axis..=axis, at.dims.iter().map(|d| Dim::Fixed(*d)));
    Ok(vec![Item::View(View {
        value: picked.value,
        dims,
    })])
}

/// Folded on constants; nothing else is supported.
pub(crate) fn dequantize(_: &mut Lowering<'_>, _: &Node) -> Lowered {
    refuse!(
        UnsupportedUse,
        "only constants may be dequantised: a compiled model chooses the precision of its weights, and computes in f32"
    )
}

/// `(x - zero) * scale`, per tensor or along an axis.
pub(crate) fn dequantized(
    l: &Lowering<'_>,
    node: &Node,
    x: &Constant,
    scale: &Constant,
    zero: Option<&Constant>,
) -> Result<Constant, LowerError> {
    let (q, scales) = (x.integers()?, scale.floats()?);
    volume(&x.dims, l.limits)?;
    let zeros = zero.map(Constant::integers).transpose()?;
    if zeros.is_some_and(|z| z.len() != scales.len()) {
        refuse!(Shape, "scale and zero point differ in size");
    }
    let inner = if scales.len() == 1 {
        x.len()
    } else {
        let axis = lower::axis(node.int("axis")?.unwrap_or(1), x.dims.len())?;
        if scale.dims != [x.dims[axis]] {
            refuse!(
                Shape,
                "{} scales for an axis of {}",
                scales.len(),
                x.dims[axis]
            );
        }
        x.dims[axis + 1..].iter().product()
    };
    let data = q
        .iter()
        .enumerate()
        .map(|(i, q)| {
            let channel = if scales.len() == 1 {
                0
            } else {
                i / inner.max(1) % scales.len()
            };
            q.saturating_sub(zeros.map_or(0, |z| z[channel])) as f32 * scales[channel]
        })
        .collect();
    Ok(Constant {
        name: x.name.clone(),
        ..Constant::f32(&x.dims, data)
    })
}

/// A gather between constants.
pub(crate) fn gathered(
    l: &Lowering<'_>,
    data: &Constant,
    at: &Constant,
    axis: i64,
) -> Result<Constant, LowerError> {
    let axis = lower::axis(axis, data.dims.len())?;
    let blocks = Blocks::of(&data.dims, axis);
    let mut positions = Vec::new();
    for index in at.integers()? {
        let size = blocks.middle as i64;
        if *index < -size || *index >= size {
            refuse!(Shape, "index {index} lies outside an axis of {size}");
        }
        positions.push(index.rem_euclid(size) as usize);
    }
    let mut dims = data.dims.clone();
    dims.splice(axis..=axis, at.dims.iter().copied());
    volume(&dims, l.limits)?;
    let positions = &positions;
    let at = (0..blocks.outer).flat_map(move |o| {
        positions.iter().flat_map(move |p| {
            let start = (o * blocks.middle + p) * blocks.after;
            start..start + blocks.after
        })
    });
    Ok(data.pick(dims, at))
}

/// Whether a constant holds integers.
pub(crate) fn is_integer(constant: &Constant) -> bool {
    matches!(constant.elements, Elements::I64(_))
}

/// Which axis of the program an ONNX axis can be worked on with, and the len
/// and width that make it so.
pub(crate) fn engine_axis(
    l: &Lowering<'_>,
    x: &View,
    blocks: Blocks,
) -> Option<(Axis, usize, usize)> {
    let s = l.draft.shape(x.value);
    match (blocks.outer, blocks.after) {
        // A list of numbers: whichever it is now.
        (1, 1) if s.width == 1 => Some((Axis::Len, blocks.middle, 1)),
        (outer, 1) => Some((Axis::Width, outer, blocks.middle)),
        (1, after) => Some((Axis::Len, blocks.middle, after)),
        _ => None,
    }
}
