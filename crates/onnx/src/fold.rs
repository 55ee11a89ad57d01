//! Arithmetic between constants, done while lowering: what exporters leave in
//! the graph around weights and shapes. Whatever isn't folded here is computed
//! once a call, as any other shared value.

use tract_onnx::pb::tensor_proto::DataType;

use crate::constant::{Constant, volume};
use crate::elementwise::cast_target;
use crate::error::{LowerError, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{self, Item, Lowering, Size, inner};
use crate::shapes::{self, Blocks, from_sizes};
use crate::tables;

/// The node's results, if all its operands are known and it is worth folding.
pub(crate) fn node(l: &Lowering<'_>, node: &Node) -> Result<Option<Vec<Item>>, LowerError> {
    let mut constants = Vec::new();
    let mut computed = false;
    for index in 0..node.inputs.len() {
        if !node.has(index) {
            constants.push(None);
            continue;
        }
        match l.input(node, index)? {
            Item::View(_) => return Ok(None),
            Item::Sizes { .. } => computed = true,
            Item::Constant(c) => constants.push(Some(c)),
        }
    }
    if computed {
        return on_sizes(l, node).map(|item| item.map(|i| vec![i]));
    }
    Ok(match constants.as_slice() {
        [Some(x), rest @ ..] => on_constants(l, node, x, rest)?
            .map(|items| items.into_iter().map(Item::Constant).collect()),
        _ => None,
    })
}

/// A list of sizes with N in it.
fn on_sizes(l: &Lowering<'_>, node: &Node) -> Result<Option<Item>, LowerError> {
    let list = |index: usize| -> Result<Vec<Size>, LowerError> { shapes::sizes(l, node, index) };
    let is_scalar = |index: usize| -> Result<bool, LowerError> {
        Ok(match l.input(node, index)? {
            Item::Constant(c) => c.dims.is_empty(),
            Item::Sizes { scalar, .. } => scalar,
            Item::View(_) => false,
        })
    };
    Ok(Some(match node.operator.as_str() {
        "Identity" => l.input(node, 0)?,
        "Cast" => match cast_target(node)? {
            DataType::Int64 | DataType::Int32 => l.input(node, 0)?,
            _ => refuse!(
                UnsupportedUse,
                "the number of rows is used as a number; only shapes may contain it"
            ),
        },
        "Concat" => {
            let mut all = Vec::new();
            for index in 0..node.inputs.len() {
                all.extend(list(index)?);
            }
            from_sizes(all, false)
        }
        "Gather" => {
            let (data, at) = (list(0)?, l.constant(node, 1)?);
            let Some(at) = at else { return Ok(None) };
            let size = data.len() as i64;
            let picked = at
                .integers()?
                .iter()
                .map(|i| {
                    let i = if *i < 0 { i.saturating_add(size) } else { *i };
                    usize::try_from(i).ok().and_then(|i| data.get(i).copied())
                })
                .collect::<Option<Vec<_>>>();
            match picked {
                Some(picked) => from_sizes(picked, at.dims.is_empty()),
                None => refuse!(Shape, "an index lies outside a shape of {size} dimensions"),
            }
        }
        "Slice" => {
            let data = list(0)?;
            let dims = [Dim::Fixed(data.len())];
            let mut picked = data.clone();
            for range in shapes::ranges(l, node, &dims)? {
                picked = data[range.start..range.start + range.count].to_vec();
            }
            from_sizes(picked, false)
        }
        "Squeeze" | "Reshape" | "Unsqueeze" => {
            let data = list(0)?;
            let dims: Vec<Dim> = if is_scalar(0)? {
                vec![]
            } else {
                vec![Dim::Fixed(data.len())]
            };
            let dims = match node.operator.as_str() {
                "Squeeze" => shapes::squeezed(l, node, &dims)?,
                "Reshape" => shapes::reshaped(l, node, &dims)?,
                _ => shapes::unsqueezed(l, node, &dims)?,
            };
            if dims.len() > 1 {
                refuse!(UnsupportedUse, "a list of sizes must have one dimension");
            }
            from_sizes(data, dims.is_empty())
        }
        // These read sizes beside data, or only their number.
        "Shape" | "Expand" | "ConstantOfShape" => return Ok(None),
        _ => refuse!(
            UnsupportedUse,
            "the number of rows is used in arithmetic; it may only be copied into shapes"
        ),
    }))
}

fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i];
    }
    strides
}

/// The flat positions of a view of a tensor in row-major order of the view.
fn positions(dims: Vec<usize>, strides: Vec<usize>) -> impl Iterator<Item = usize> {
    let count = dims.iter().product::<usize>();
    (0..count).map(move |flat| {
        let (mut rest, mut at) = (flat, 0);
        for (dim, stride) in dims.iter().zip(&strides).rev() {
            at += rest % dim * stride;
            rest /= dim;
        }
        at
    })
}

/// The strides with which a tensor is read as another, larger shape.
fn spread(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    (0..to.len())
        .map(|i| match (i + from.len()).checked_sub(to.len()) {
            Some(j) if from[j] == to[i] => own[j],
            _ => 0,
        })
        .collect()
}

fn fixed(dims: &[usize]) -> Vec<Dim> {
    dims.iter().map(|d| Dim::Fixed(*d)).collect()
}

fn on_constants(
    l: &Lowering<'_>,
    node: &Node,
    x: &Constant,
    rest: &[Option<Constant>],
) -> Result<Option<Vec<Constant>>, LowerError> {
    let second = rest.first().and_then(Option::as_ref);
    let dims = fixed(&x.dims);
    Ok(Some(vec![match (node.operator.as_str(), second) {
        ("Identity", _) => x.clone(),
        ("Reshape", Some(_)) => {
            let dims = inner(&shapes::reshaped(l, node, &dims)?);
            x.clone().with_dims(dims)
        }
        ("Flatten", _) => x.clone().with_dims(inner(&shapes::flattened(node, &dims)?)),
        ("Squeeze", _) => x
            .clone()
            .with_dims(inner(&shapes::squeezed(l, node, &dims)?)),
        ("Unsqueeze", _) => x
            .clone()
            .with_dims(inner(&shapes::unsqueezed(l, node, &dims)?)),
        ("Transpose", _) => {
            let perm = shapes::permutation(node, x.dims.len())?;
            let own = strides(&x.dims);
            let dims: Vec<usize> = perm.iter().map(|i| x.dims[*i]).collect();
            let strides = perm.iter().map(|i| own[*i]).collect();
            Constant {
                name: x.name.clone(),
                ..x.pick(dims.clone(), positions(dims, strides))
            }
        }
        ("Expand", Some(_)) => {
            let dims = shapes::expanded(l, node, &dims)?;
            if lower::per_row(&dims) {
                return Ok(None);
            }
            let dims = inner(&dims);
            volume(&dims, l.limits)?;
            x.pick(
                dims.clone(),
                positions(dims.clone(), spread(&x.dims, &dims)),
            )
        }
        ("Gather", Some(at)) => tables::gathered(l, x, at, node.int("axis")?.unwrap_or(0))?,
        ("Slice", Some(_)) => {
            let mut x = x.clone();
            for range in shapes::ranges(l, node, &dims)? {
                let b = Blocks::of(&x.dims, range.axis);
                if range.start + range.count > b.middle {
                    refuse!(Malformed, "axis {} is given twice", range.axis);
                }
                let mut dims = x.dims.clone();
                dims[range.axis] = range.count;
                let at = (0..b.outer).flat_map(|o| {
                    let start = (o * b.middle + range.start) * b.after;
                    start..start + range.count * b.after
                });
                x = x.pick(dims, at);
            }
            x
        }
        ("Concat", _) => {
            let parts: Vec<&Constant> = std::iter::once(x).chain(rest.iter().flatten()).collect();
            return concat(l, node, &parts).map(|c| c.map(|c| vec![c]));
        }
        ("Cast", _) => match cast_target(node)? {
            DataType::Float if !tables::is_integer(x) => x.clone(),
            DataType::Float => {
                Constant::f32(&x.dims, x.integers()?.iter().map(|i| *i as f32).collect())
            }
            DataType::Int64 | DataType::Int32 if tables::is_integer(x) => x.clone(),
            // `as` saturates, which is as good as anything ONNX leaves open.
            DataType::Int64 | DataType::Int32 => {
                Constant::i64(&x.dims, x.floats()?.iter().map(|f| *f as i64).collect())
            }
            other => refuse!(UnsupportedUse, "a cast to {}", other.as_str_name()),
        },
        ("DequantizeLinear", Some(scale)) => {
            tables::dequantized(l, node, x, scale, rest.get(1).and_then(Option::as_ref))?
        }
        ("Add" | "Sub" | "Mul" | "Div", Some(y)) => {
            return arithmetic(l, node, x, y).map(|c| Some(vec![c]));
        }
        ("Neg" | "Abs" | "Sqrt" | "Reciprocal" | "Relu", _) if !tables::is_integer(x) => {
            let f = match node.operator.as_str() {
                "Neg" => |v: &f32| -v,
                "Abs" => |v: &f32| v.abs(),
                "Sqrt" => |v: &f32| v.sqrt(),
                "Reciprocal" => |v: &f32| 1.0 / v,
                _ => |v: &f32| v.max(0.0),
            };
            Constant::f32(&x.dims, x.floats()?.iter().map(f).collect())
        }
        _ => return Ok(None),
    }]))
}

fn concat(
    l: &Lowering<'_>,
    node: &Node,
    parts: &[&Constant],
) -> Result<Option<Constant>, LowerError> {
    let first = parts[0];
    let Some(axis) = node.int("axis")? else {
        refuse!(Malformed, "the attribute `axis` is missing")
    };
    let axis = lower::axis(axis, first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for part in parts {
        let fits = part.dims.len() == dims.len()
            && (0..dims.len()).all(|i| i == axis || part.dims[i] == first.dims[i]);
        if !fits || tables::is_integer(part) != tables::is_integer(first) {
            refuse!(
                Shape,
                "the parts {:?} and {:?} don't fit along axis {axis}",
                first.dims,
                part.dims
            );
        }
        dims[axis] = dims[axis].saturating_add(part.dims[axis]);
    }
    volume(&dims, l.limits)?;
    let outer = Blocks::of(&dims, axis).outer;
    if tables::is_integer(first) {
        let mut data = Vec::new();
        for o in 0..outer {
            for part in parts {
                let b = Blocks::of(&part.dims, axis);
                let size = b.middle * b.after;
                data.extend_from_slice(&part.integers()?[o * size..(o + 1) * size]);
            }
        }
        return Ok(Some(Constant::i64(&dims, data)));
    }
    let mut data = Vec::new();
    for o in 0..outer {
        for part in parts {
            let b = Blocks::of(&part.dims, axis);
            let size = b.middle * b.after;
            data.extend_from_slice(&part.floats()?[o * size..(o + 1) * size]);
        }
    }
    Ok(Some(Constant::f32(&dims, data)))
}

fn arithmetic(
    l: &Lowering<'_>,
    node: &Node,
    x: &Constant,
    y: &Constant,
) -> Result<Constant, LowerError> {
    let dims = inner(&lower::broadcast(&fixed(&x.dims), &fixed(&y.dims))?);
    volume(&dims, l.limits)?;
    let at = |c: &Constant| positions(dims.clone(), spread(&c.dims, &dims));
    let pairs = at(x).zip(at(y));
    if tables::is_integer(x) != tables::is_integer(y) {
        refuse!(Shape, "the operands differ in element type");
    }
    if tables::is_integer(x) {
        let (a, b) = (x.integers()?, y.integers()?);
        let f = match node.operator.as_str() {
            "Add" => i64::checked_add,
            "Sub" => i64::checked_sub,
            "Mul" => i64::checked_mul,
            _ => i64::checked_div,
        };
        return match pairs.map(|(i, j)| f(a[i], b[j])).collect() {
            Some(data) => Ok(Constant::i64(&dims, data)),
            None => refuse!(
                Malformed,
                "an overflow or a division by zero between constants"
            ),
        };
    }
    let (a, b) = (x.floats()?, y.floats()?);
    let f = match node.operator.as_str() {
        "Add" => |a: f32, b: f32| a + b,
        "Sub" => |a: f32, b: f32| a - b,
        "Mul" => |a: f32, b: f32| a * b,
        _ => |a: f32, b: f32| a / b,
    };
    Ok(Constant::f32(
        &dims,
        pairs.map(|(i, j)| f(a[i], b[j])).collect(),
    ))
}
