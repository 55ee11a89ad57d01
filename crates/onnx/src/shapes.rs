//! Operators that move elements or change shapes.

use shelfedge_engine::program::{Axis, Kind, Op};

use crate::constant::{Constant, MAX_RANK, volume};
use crate::draft::shape;
use crate::error::{LowerError, fault, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{self, Item, Lowering, Size, View, broadcast, inner, per_row, positive, show};

type Lowered = Result<Vec<Item>, LowerError>;

fn one(view: View) -> Lowered {
    Ok(vec![Item::View(view)])
}

/// The number of elements before, in and after a range of axes, without the
/// rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocks {
    pub(crate) outer: usize,
    pub(crate) middle: usize,
    pub(crate) after: usize,
}

impl Blocks {
    pub(crate) fn of(dims: &[usize], axis: usize) -> Self {
        Self {
            outer: dims[..axis].iter().product(),
            middle: dims[axis],
            after: dims[axis + 1..].iter().product(),
        }
    }

    pub(crate) fn range(dims: &[Dim], first: usize, last: usize) -> Self {
        let product = |dims: &[Dim]| inner(dims).iter().product();
        Self {
            outer: product(&dims[..first]),
            middle: product(&dims[first..=last]),
            after: product(&dims[last + 1..]),
        }
    }
}

/// A list of sizes: a constant, or computed with N in it.
pub(crate) fn sizes(l: &Lowering<'_>, node: &Node, index: usize) -> Result<Vec<Size>, LowerError> {
    let sizes: Vec<Size> = match l.input(node, index)? {
        Item::Constant(c) => c.integers()?.iter().map(|s| Size::Fixed(*s)).collect(),
        Item::Sizes { sizes, .. } => sizes,
        Item::View(_) => refuse!(
            UnsupportedUse,
            "the shape is computed from the data; it must be known"
        ),
    };
    if sizes.len() > MAX_RANK {
        refuse!(
            TooLarge,
            "a shape of {} dimensions, the limit is {MAX_RANK}",
            sizes.len()
        );
    }
    Ok(sizes)
}

/// The axes of Squeeze and Unsqueeze, from an attribute or an input.
fn axes(l: &Lowering<'_>, node: &Node) -> Result<Option<Vec<i64>>, LowerError> {
    Ok(match (node.ints("axes")?, l.constant(node, 1)?) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, Some(axes)) => Some(axes.integers()?.to_vec()),
        (None, None) => None,
    })
}

pub(crate) fn reshaped(
    l: &Lowering<'_>,
    node: &Node,
    dims: &[Dim],
) -> Result<Vec<Dim>, LowerError> {
    let target = sizes(l, node, 1)?;
    let zero_is_zero = node.int("allowzero")?.unwrap_or(0) != 0;
    let mut unknown = None;
    let mut result = Vec::with_capacity(target.len());
    for (i, size) in target.iter().enumerate() {
        result.push(match size {
            Size::Rows => Dim::Rows,
            Size::Fixed(0) if !zero_is_zero => match dims.get(i) {
                Some(dim) => *dim,
                None => refuse!(
                    Shape,
                    "size {i} is to be kept, but {} has no such dimension",
                    show(dims)
                ),
            },
            Size::Fixed(-1) if unknown.is_none() => {
                unknown = Some(i);
                Dim::Fixed(1)
            }
            Size::Fixed(size) => Dim::Fixed(positive(*size)?),
        });
    }
    let count = |dims: &[Dim]| inner(dims).iter().fold(1usize, |v, d| v.saturating_mul(*d));
    let rows = dims.contains(&Dim::Rows);
    if let Some(i) = unknown {
        let (have, want) = (count(dims), count(&result));
        if want == 0 || !have.is_multiple_of(want) {
            refuse!(Shape, "{} can't be reshaped to {target:?}", show(dims));
        }
        result[i] = if rows && !result.contains(&Dim::Rows) {
            // What is left over is N times a constant, and only N itself is a
            // dimension of a compiled model.
            if have != want {
                refuse!(
                    UnsupportedUse,
                    "reshaping {} to {target:?} would mix rows",
                    show(dims)
                );
            }
            Dim::Rows
        } else {
            Dim::Fixed(have / want)
        };
    }
    if count(&result) != count(dims) || rows != result.contains(&Dim::Rows) {
        refuse!(
            Shape,
            "{} can't be reshaped to {}",
            show(dims),
            show(&result)
        );
    }
    if result.iter().skip(1).any(|d| *d == Dim::Rows) {
        refuse!(
            UnsupportedUse,
            "reshaping to {} would move the rows from the first dimension",
            show(&result)
        );
    }
    Ok(result)
}

pub(crate) fn reshape(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let dims = reshaped(l, node, &x.dims)?;
    one(View {
        value: x.value,
        dims,
    })
}

pub(crate) fn flattened(node: &Node, dims: &[Dim]) -> Result<Vec<Dim>, LowerError> {
    let axis = node.int("axis")?.unwrap_or(1);
    let axis = if axis == dims.len() as i64 {
        dims.len()
    } else {
        lower::axis(axis, dims.len())?
    };
    let fixed = |dims: &[Dim]| inner(dims).iter().product::<usize>();
    let head = fixed(&dims[..axis]);
    if !per_row(dims) {
        return Ok(vec![Dim::Fixed(head), Dim::Fixed(fixed(&dims[axis..]))]);
    }
    if axis == 0 || head != 1 {
        refuse!(
            UnsupportedUse,
            "flattening {} at axis {axis} would mix rows",
            show(dims)
        );
    }
    Ok(vec![Dim::Rows, Dim::Fixed(fixed(&dims[axis..]))])
}

pub(crate) fn flatten(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let dims = flattened(node, &x.dims)?;
    one(View {
        value: x.value,
        dims,
    })
}

pub(crate) fn squeezed(
    l: &Lowering<'_>,
    node: &Node,
    dims: &[Dim],
) -> Result<Vec<Dim>, LowerError> {
    let axes = match axes(l, node)? {
        None => (0..dims.len())
            .filter(|i| dims[*i] == Dim::Fixed(1))
            .collect(),
        Some(axes) => axes
            .iter()
            .map(|a| lower::axis(*a, dims.len()))
            .collect::<Result<Vec<_>, _>>()?,
    };
    if let Some(wrong) = axes.iter().find(|a| dims[**a] != Dim::Fixed(1)) {
        refuse!(Shape, "dimension {wrong} of {} isn't 1", show(dims));
    }
    Ok(dims
        .iter()
        .enumerate()
        .filter(|(i, _)| !axes.contains(i))
        .map(|(_, d)| *d)
        .collect())
}

pub(crate) fn squeeze(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let dims = squeezed(l, node, &x.dims)?;
    if dims.iter().skip(1).any(|d| *d == Dim::Rows) {
        refuse!(UnsupportedUse, "the rows must be the first dimension");
    }
    one(View {
        value: x.value,
        dims,
    })
}

pub(crate) fn unsqueezed(
    l: &Lowering<'_>,
    node: &Node,
    dims: &[Dim],
) -> Result<Vec<Dim>, LowerError> {
    let Some(axes) = axes(l, node)? else {
        refuse!(Malformed, "the axes are missing")
    };
    let rank = dims.len() + axes.len();
    if rank > MAX_RANK {
        refuse!(
            TooLarge,
            "a result of {rank} dimensions, the limit is {MAX_RANK}"
        );
    }
    let mut new = vec![false; rank];
    for axis in axes {
        let axis = lower::axis(axis, rank)?;
        if std::mem::replace(&mut new[axis], true) {
            refuse!(Malformed, "axis {axis} is given twice");
        }
    }
    let mut old = dims.iter();
    Ok(new
        .iter()
        .filter_map(|n| {
            if *n {
                Some(Dim::Fixed(1))
            } else {
                old.next().copied()
            }
        })
        .collect())
}

pub(crate) fn unsqueeze(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let dims = unsqueezed(l, node, &x.dims)?;
    if dims.iter().skip(1).any(|d| *d == Dim::Rows) {
        refuse!(
            UnsupportedUse,
            "an axis before the rows: the rows must be the first dimension"
        );
    }
    one(View {
        value: x.value,
        dims,
    })
}

pub(crate) fn permutation(node: &Node, rank: usize) -> Result<Vec<usize>, LowerError> {
    let Some(perm) = node.ints("perm")? else {
        return Ok((0..rank).rev().collect());
    };
    let perm = perm
        .iter()
        .map(|a| lower::axis(*a, rank))
        .collect::<Result<Vec<_>, _>>()?;
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        refuse!(Malformed, "{perm:?} isn't a permutation of {rank} axes");
    }
    Ok(perm)
}

/// The most slices that a transposition is made of.
const MAX_PIECES: usize = 64;

pub(crate) fn transpose(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let perm = permutation(node, x.dims.len())?;
    let dims: Vec<Dim> = perm.iter().map(|i| x.dims[*i]).collect();
    if dims.iter().skip(1).any(|d| *d == Dim::Rows) {
        refuse!(
            UnsupportedUse,
            "the transposition of {} moves the rows from the first dimension",
            show(&x.dims)
        );
    }
    // Groups of axes that stay together, without those of size 1: `order[i]` is
    // the old place of the group that comes i-th.
    let moved: Vec<usize> = perm
        .iter()
        .copied()
        .filter(|i| matches!(x.dims[*i], Dim::Fixed(size) if size > 1))
        .collect();
    let mut ranked = moved.clone();
    ranked.sort_unstable();
    let places: Vec<usize> = moved
        .iter()
        .filter_map(|m| ranked.iter().position(|r| r == m))
        .collect();
    let size = |place: usize| inner(&x.dims[ranked[place]..=ranked[place]])[0];
    let mut groups: Vec<(usize, usize, usize)> = Vec::new();
    for place in places {
        match groups.last_mut() {
            Some((_, last, total)) if *last + 1 == place => {
                *last = place;
                *total *= size(place);
            }
            _ => groups.push((place, place, size(place))),
        }
    }
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_unstable_by_key(|i| groups[*i].0);
    // `order` lists the new places in the old order; its inverse is wanted.
    let mut old = vec![0; groups.len()];
    for (place, new) in order.iter().enumerate() {
        old[*new] = place;
    }
    let old_size = |place: usize| groups[order[place]].2;
    let kind = l.draft.kind(x.value);
    let rows = l.draft.shape(x.value).rows;
    let value = match old.as_slice() {
        [] | [0] => x.value,
        [1, 0] => {
            let (a, b) = (old_size(0), old_size(1));
            let value = l.shaped(&x, a, b);
            l.draft.push(
                Op::Transpose { x: value },
                shape(rows, b as u32, a as u32),
                kind,
            )
        }
        // [a, b, c] to [b, a, c]: as from [len, heads, d] to [heads, len, d].
        [1, 0, 2] if old_size(1) <= MAX_PIECES => {
            let (a, b, c) = (old_size(0), old_size(1), old_size(2));
            let value = l.shaped(&x, a, b * c);
            let parts = (0..b)
                .map(|i| {
                    let op = Op::Slice {
                        x: value,
                        axis: Axis::Width,
                        start: (i * c) as u32,
                        size: c as u32,
                    };
                    l.draft.push(op, shape(rows, a as u32, c as u32), kind)
                })
                .collect();
            l.draft.push(
                Op::Concat {
                    parts,
                    axis: Axis::Len,
                },
                shape(rows, (a * b) as u32, c as u32),
                kind,
            )
        }
        // [a, b, c] to [a, c, b]: as of the keys of every head.
        [0, 2, 1] if old_size(0) <= MAX_PIECES => {
            let (a, b, c) = (old_size(0), old_size(1), old_size(2));
            let value = l.shaped(&x, a * b, c);
            let parts = (0..a)
                .map(|i| {
                    let op = Op::Slice {
                        x: value,
                        axis: Axis::Len,
                        start: (i * b) as u32,
                        size: b as u32,
                    };
                    let part = l.draft.push(op, shape(rows, b as u32, c as u32), kind);
                    l.draft.push(
                        Op::Transpose { x: part },
                        shape(rows, c as u32, b as u32),
                        kind,
                    )
                })
                .collect();
            l.draft.push(
                Op::Concat {
                    parts,
                    axis: Axis::Len,
                },
                shape(rows, (a * c) as u32, b as u32),
                kind,
            )
        }
        _ => refuse!(
            UnsupportedUse,
            "the transposition of {} by {perm:?} has no form in the engine",
            show(&x.dims)
        ),
    };
    one(View { value, dims })
}

pub(crate) fn expanded(
    l: &Lowering<'_>,
    node: &Node,
    dims: &[Dim],
) -> Result<Vec<Dim>, LowerError> {
    let target = sizes(l, node, 1)?
        .into_iter()
        .map(|s| match s {
            Size::Rows => Ok(Dim::Rows),
            // Some exporters write -1 for "as it is".
            Size::Fixed(-1) => Ok(Dim::Fixed(1)),
            Size::Fixed(size) => Ok(Dim::Fixed(positive(size)?)),
        })
        .collect::<Result<Vec<_>, LowerError>>()?;
    broadcast(dims, &target)
}

pub(crate) fn expand(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let dims = expanded(l, node, &x.dims)?;
    one(l.spread(&x, dims)?)
}

/// A range of an axis.
pub(crate) fn cut(
    l: &mut Lowering<'_>,
    x: &View,
    axis: usize,
    start: usize,
    count: usize,
) -> Result<View, LowerError> {
    let blocks = Blocks::range(&x.dims, axis, axis);
    let mut dims = x.dims.clone();
    dims[axis] = Dim::Fixed(count);
    if count == blocks.middle {
        return Ok(View {
            value: x.value,
            dims,
        });
    }
    let s = l.draft.shape(x.value);
    let (along, len, width, unit) = match (blocks.outer, blocks.after) {
        (1, 1) if s.width == 1 => (Axis::Len, blocks.middle, 1, 1),
        (1, after) if after > 1 => (Axis::Len, blocks.middle, after, 1),
        (outer, after) => (Axis::Width, outer, blocks.middle * after, after),
    };
    let value = l.shaped(x, len, width);
    let s = l.draft.shape(value);
    let (start, size) = ((start * unit) as u32, (count * unit) as u32);
    let (len, width) = match along {
        Axis::Len => (size, s.width),
        Axis::Width => (s.len, size),
    };
    let kind = l.draft.kind(value);
    let value = l.draft.push(
        Op::Slice {
            x: value,
            axis: along,
            start,
            size,
        },
        shape(s.rows, len, width),
        kind,
    );
    Ok(View { value, dims })
}

pub(crate) struct Range {
    pub(crate) axis: usize,
    pub(crate) start: usize,
    pub(crate) count: usize,
}

/// The ranges that a Slice takes; those that take everything are left out.
pub(crate) fn ranges(
    l: &Lowering<'_>,
    node: &Node,
    dims: &[Dim],
) -> Result<Vec<Range>, LowerError> {
    let list = |index: usize| -> Result<Option<Vec<i64>>, LowerError> {
        l.constant(node, index)?
            .map(|c| c.integers().map(<[i64]>::to_vec))
            .transpose()
    };
    let (Some(starts), Some(ends)) = (list(1)?, list(2)?) else {
        refuse!(Malformed, "starts or ends are missing")
    };
    let axes = match list(3)? {
        Some(axes) => axes
            .iter()
            .map(|a| lower::axis(*a, dims.len()))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || starts.len() > dims.len() {
        refuse!(Malformed, "starts, ends, axes and steps differ in number");
    }
    let mut ranges = Vec::new();
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        if step != 1 {
            refuse!(UnsupportedUse, "a step of {step}: only 1 is supported");
        }
        let Dim::Fixed(size) = dims[axis] else {
            if start == 0 && end >= i64::from(i32::MAX) {
                continue;
            }
            refuse!(
                UnsupportedUse,
                "rows can't be selected: every row of a call is computed"
            )
        };
        let signed = size as i64;
        let clamp = |i: i64| (if i < 0 { i.saturating_add(signed) } else { i }).clamp(0, signed);
        let (start, end) = (clamp(start), clamp(end));
        let count = positive(end - start)?;
        ranges.push(Range {
            axis,
            start: start as usize,
            count,
        });
    }
    Ok(ranges)
}

pub(crate) fn slice(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let mut x = l.operand(node, 0)?;
    for range in ranges(l, node, &x.dims)? {
        // The same axis may be given twice only by mistake.
        if x.dims[range.axis] != Dim::Rows
            && range.start + range.count > Blocks::range(&x.dims, range.axis, range.axis).middle
        {
            refuse!(Malformed, "axis {} is given twice", range.axis);
        }
        x = cut(l, &x, range.axis, range.start, range.count)?;
    }
    one(x)
}

pub(crate) fn split(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.operand(node, 0)?;
    let axis = lower::axis(node.int("axis")?.unwrap_or(0), x.dims.len())?;
    let Dim::Fixed(size) = x.dims[axis] else {
        refuse!(
            UnsupportedUse,
            "rows can't be split: every row of a call is computed"
        )
    };
    let sizes = match (node.ints("split")?, l.constant(node, 1)?) {
        (Some(sizes), _) => sizes.to_vec(),
        (None, Some(sizes)) => sizes.integers()?.to_vec(),
        (None, None) => {
            let count = node.outputs.len().max(1);
            // The last part takes what is left.
            let part = size.div_ceil(count);
            (0..count)
                .map(|i| part.min(size.saturating_sub(i * part)) as i64)
                .collect()
        }
    };
    let sizes = sizes
        .into_iter()
        .map(positive)
        .collect::<Result<Vec<_>, _>>()?;
    if sizes.len() != node.outputs.len()
        || sizes.iter().fold(0usize, |t, s| t.saturating_add(*s)) != size
    {
        refuse!(
            Shape,
            "parts of {sizes:?} for {} outputs and an axis of {size}",
            node.outputs.len()
        );
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for count in sizes {
        parts.push(Item::View(cut(l, &x, axis, start, count)?));
        start += count;
    }
    Ok(parts)
}

/// Side by side along an axis.
pub(crate) fn join(l: &mut Lowering<'_>, parts: &[View], axis: usize) -> Result<View, LowerError> {
    let kind = l.draft.kind(parts[0].value);
    let mut dims = parts[0].dims.clone();
    let mut total = 0usize;
    for part in parts {
        let fits = part.dims.len() == dims.len()
            && (0..dims.len()).all(|i| i == axis || part.dims[i] == dims[i]);
        if !fits {
            refuse!(
                Shape,
                "the parts {} and {} don't fit along axis {axis}",
                show(&dims),
                show(&part.dims)
            );
        }
        if l.draft.kind(part.value) != kind {
            refuse!(Shape, "the parts differ in element type");
        }
        let Dim::Fixed(size) = part.dims[axis] else {
            refuse!(
                UnsupportedUse,
                "rows can't be put together: every row of a call is computed"
            )
        };
        total = total.saturating_add(size);
    }
    dims[axis] = Dim::Fixed(total);
    l.volume(&inner(&dims))?;
    let whole = Blocks::range(&dims, axis, axis);
    // Integers stay one a position where they can.
    let along = match (whole.outer, whole.after) {
        (1, 1) if kind == Kind::I32 => Axis::Len,
        (1, after) if after > 1 => Axis::Len,
        _ => Axis::Width,
    };
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let b = Blocks::range(&part.dims, axis, axis);
        values.push(match along {
            Axis::Len => l.shaped(part, b.middle, b.after),
            Axis::Width => l.shaped(part, b.outer, b.middle * b.after),
        });
    }
    let rows = l.rows(&values);
    let (len, width) = match along {
        Axis::Len => (total, whole.after),
        Axis::Width => (whole.outer, total * whole.after),
    };
    let op = Op::Concat {
        parts: values,
        axis: along,
    };
    let value = l
        .draft
        .push(op, shape(rows, len as u32, width as u32), kind);
    Ok(View { value, dims })
}

pub(crate) fn concat(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let parts = (0..node.inputs.len())
        .map(|i| l.operand(node, i))
        .collect::<Result<Vec<_>, _>>()?;
    let axis = node
        .int("axis")?
        .ok_or_else(|| fault!(Malformed, "the attribute `axis` is missing"))?;
    let axis = lower::axis(axis, parts[0].dims.len())?;
    one(join(l, &parts, axis)?)
}

pub(crate) fn shape_of(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let dims = match l.input(node, 0)? {
        Item::View(view) => view.dims,
        Item::Constant(c) => c.dims.iter().map(|d| Dim::Fixed(*d)).collect(),
        Item::Sizes {
            sizes,
            scalar: false,
        } => vec![Dim::Fixed(sizes.len())],
        Item::Sizes { .. } => Vec::new(),
    };
    let rank = dims.len() as i64;
    let clamp = |i: i64| (if i < 0 { i.saturating_add(rank) } else { i }).clamp(0, rank) as usize;
    let (start, end) = (
        clamp(node.int("start")?.unwrap_or(0)),
        clamp(node.int("end")?.unwrap_or(rank)),
    );
    let dims = dims.get(start..end).unwrap_or_default();
    Ok(vec![from_sizes(
        dims.iter()
            .map(|d| match d {
                Dim::Fixed(size) => Size::Fixed(*size as i64),
                Dim::Rows => Size::Rows,
            })
            .collect(),
        false,
    )])
}

/// Sizes without N are a constant.
pub(crate) fn from_sizes(sizes: Vec<Size>, scalar: bool) -> Item {
    let known: Option<Vec<i64>> = sizes
        .iter()
        .map(|s| match s {
            Size::Fixed(size) => Some(*size),
            Size::Rows => None,
        })
        .collect();
    match known {
        Some(known) if scalar => Item::Constant(Constant::i64(&[], known)),
        Some(known) => Item::Constant(Constant::i64(&[known.len()], known)),
        None => Item::Sizes { sizes, scalar },
    }
}

pub(crate) fn constant(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let constant = if let Some(tensor) = node.tensor("value", l.limits)? {
        tensor
    } else if let Some(value) = node.float("value_float")? {
        Constant::f32(&[], vec![value])
    } else if let Some(value) = node.int("value_int")? {
        Constant::i64(&[], vec![value])
    } else if let Some(values) = node.floats("value_floats")? {
        Constant::f32(&[values.len()], values.to_vec())
    } else if let Some(values) = node.ints("value_ints")? {
        Constant::i64(&[values.len()], values.to_vec())
    } else {
        refuse!(Malformed, "the node holds no value")
    };
    Ok(vec![Item::Constant(constant)])
}

pub(crate) fn constant_of_shape(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let fill = node
        .tensor("value", l.limits)?
        .unwrap_or_else(|| Constant::f32(&[1], vec![0.0]));
    if fill.len() != 1 {
        refuse!(Malformed, "the value must have one element");
    }
    let dims = sizes(l, node, 0)?
        .into_iter()
        .map(|s| match s {
            Size::Rows => Ok(Dim::Rows),
            Size::Fixed(size) => positive(size).map(Dim::Fixed),
        })
        .collect::<Result<Vec<_>, _>>()?;
    if dims.iter().skip(1).any(|d| *d == Dim::Rows) {
        refuse!(UnsupportedUse, "the rows must be the first dimension");
    }
    let fixed = inner(&dims);
    let count = volume(&fixed, l.limits)?;
    let filled = fill.pick(fixed, std::iter::repeat_n(0, count));
    if dims.len() == filled.dims.len() {
        return Ok(vec![Item::Constant(filled)]);
    }
    let view = l.view(&Item::Constant(filled))?;
    one(View {
        value: view.value,
        dims,
    })
}
