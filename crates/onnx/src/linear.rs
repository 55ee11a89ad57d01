//! Products of matrices.

use shelfedge_engine::program::{Axis, Binary, Kind, Op, Rows, Unary};

use crate::constant::Constant;
use crate::draft::shape;
use crate::error::{LowerError, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{Item, Lowering, View, broadcast, inner, per_row, show};

type Lowered = Result<Vec<Item>, LowerError>;

/// The largest number of products that a batch is unrolled into.
const MAX_BATCH: usize = 64;

/// `[rows, cols]` to `[cols, rows]`.
pub(crate) fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for col in 0..cols {
        for row in 0..rows {
            out.push(data[row * cols + col]);
        }
    }
    out
}

/// `x * weightᵀ` for a constant weight `[outputs, inputs]`.
fn dense(
    l: &mut Lowering<'_>,
    x: &View,
    (outputs, inputs): (usize, usize),
    weight: Vec<f32>,
    name: Option<&str>,
) -> Result<View, LowerError> {
    let Some(Dim::Fixed(k)) = x.dims.last().copied() else {
        refuse!(
            UnsupportedUse,
            "a product over the rows of a call: rows never mix in a compiled model"
        )
    };
    if k != inputs {
        refuse!(
            Shape,
            "the left operand {} and a weight of {inputs} inputs don't fit",
            show(&x.dims)
        );
    }
    let len = l.volume(&inner(&x.dims))? / k;
    l.volume(&[len, outputs])?;
    let value = l.shaped(x, len, k);
    let weight = l.draft.tensor(outputs as u32, inputs as u32, weight, name);
    let op = Op::Dense {
        x: value,
        weight,
        bias: None,
        addend: None,
        activation: Unary::Identity,
    };
    let rows = l.draft.shape(value).rows;
    let value = l
        .draft
        .push(op, shape(rows, len as u32, outputs as u32), Kind::F32);
    let mut dims = x.dims.clone();
    if let Some(last) = dims.last_mut() {
        *last = Dim::Fixed(outputs);
    }
    Ok(View { value, dims })
}

pub(crate) fn gemm(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    if node.int("transA")?.unwrap_or(0) != 0 {
        refuse!(UnsupportedUse, "transA = 1 would mix the rows");
    }
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    let beta = node.float("beta")?.unwrap_or(1.0);
    let transposed_b = node.int("transB")?.unwrap_or(0) != 0;
    let x = l.floats(node, 0)?;
    let Item::Constant(b) = l.input(node, 1)? else {
        refuse!(
            UnsupportedUse,
            "the second operand must be a constant: use MatMul for two computed operands"
        )
    };
    let (&[rows, cols], 2) = (b.dims.as_slice(), x.dims.len()) else {
        refuse!(
            Shape,
            "both operands must have two dimensions, they have {} and {}",
            x.dims.len(),
            b.dims.len()
        )
    };
    let data = b.floats()?;
    let (size, mut weight) = match transposed_b {
        true => ((rows, cols), data.to_vec()),
        false => ((cols, rows), transposed(data, rows, cols)),
    };
    weight.iter_mut().for_each(|w| *w *= alpha);
    let mut y = dense(l, &x, size, weight, b.name.as_deref())?;
    if node.has(2) && beta != 0.0 {
        let mut c = match l.input(node, 2)? {
            Item::Constant(c) => {
                let scaled = c.floats()?.iter().map(|v| v * beta).collect();
                l.view(&Item::Constant(Constant::f32(&c.dims, scaled)))?
            }
            _ => {
                let c = l.floats(node, 2)?;
                if beta == 1.0 {
                    c
                } else {
                    let factor = l.scalar(beta);
                    l.binary(Binary::Mul, &c, &factor)?
                }
            }
        };
        if broadcast(&y.dims, &c.dims)? != y.dims {
            refuse!(
                Shape,
                "the third operand {} doesn't broadcast to {}",
                show(&c.dims),
                show(&y.dims)
            );
        }
        c = l.binary(Binary::Add, &y, &c)?;
        y = c;
    }
    Ok(vec![Item::View(y)])
}

pub(crate) fn mat_mul(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let a = l.floats(node, 0)?;
    if let Item::Constant(b) = l.input(node, 1)? {
        let weight = match *b.dims.as_slice() {
            [k] => Some((k, 1)),
            [k, m] => Some((k, m)),
            _ => None,
        };
        if let Some((k, m)) = weight {
            let mut y = dense(
                l,
                &a,
                (m, k),
                transposed(b.floats()?, k, m),
                b.name.as_deref(),
            )?;
            if b.dims.len() == 1 {
                y.dims.pop();
            }
            return Ok(vec![Item::View(y)]);
        }
    }
    let b = l.floats(node, 1)?;
    Ok(vec![Item::View(product(l, &a, &b)?)])
}

/// A product of two computed values.
fn product(l: &mut Lowering<'_>, a: &View, b: &View) -> Result<View, LowerError> {
    let (mut left, mut right) = (a.dims.clone(), b.dims.clone());
    let (vector_a, vector_b) = (left.len() == 1, right.len() == 1);
    if vector_a {
        left.insert(0, Dim::Fixed(1));
    }
    if vector_b {
        right.push(Dim::Fixed(1));
    }
    let (&[.., n, k], &[.., kb, m]) = (left.as_slice(), right.as_slice()) else {
        refuse!(Shape, "a product needs operands of at least one dimension")
    };
    let (Dim::Fixed(k), Dim::Fixed(kb), Dim::Fixed(m)) = (k, kb, m) else {
        refuse!(
            UnsupportedUse,
            "a product over the rows of a call: rows never mix in a compiled model"
        )
    };
    if k != kb {
        refuse!(
            Shape,
            "the operands {} and {} don't fit",
            show(&a.dims),
            show(&b.dims)
        );
    }
    // Rows as the left operand's second last dimension are a batch to us.
    let (batch_a, n) = match n {
        Dim::Fixed(n) => (left[..left.len() - 2].to_vec(), n),
        Dim::Rows => (vec![Dim::Rows], 1),
    };
    let batch_b = right[..right.len() - 2].to_vec();
    let rows_as_matrix = left[left.len() - 2] == Dim::Rows;
    if rows_as_matrix && (!batch_b.is_empty() || right[0] == Dim::Rows) {
        refuse!(
            UnsupportedUse,
            "the product of {} and {} would mix the rows",
            show(&a.dims),
            show(&b.dims)
        );
    }
    let batch = broadcast(&batch_a, &batch_b)?;
    let fixed = |dims: &[Dim]| inner(dims).iter().product::<usize>();
    let (ha, hb, h) = (fixed(&batch_a), fixed(&batch_b), fixed(&batch));
    if (ha != h && ha != 1) || (hb != h && hb != 1) || h > MAX_BATCH {
        refuse!(
            UnsupportedUse,
            "a batch of {h} products of {} and {} is too much",
            show(&a.dims),
            show(&b.dims)
        );
    }
    l.volume(&[h, n, m])?;
    let (va, vb) = (l.shaped(a, ha * n, k), l.shaped(b, hb * k, m));
    let rows = l.rows(&[va, vb]);
    let mut parts = Vec::with_capacity(h);
    for i in 0..h {
        let mut part = |value, count: usize, size: usize, width: usize| {
            if count == 1 {
                return value;
            }
            let op = Op::Slice {
                x: value,
                axis: Axis::Len,
                start: (i * size) as u32,
                size: size as u32,
            };
            let rows = l.draft.shape(value).rows;
            l.draft
                .push(op, shape(rows, size as u32, width as u32), Kind::F32)
        };
        let (x, y) = (part(va, ha, n, k), part(vb, hb, k, m));
        let op = Op::MatMul {
            a: x,
            b: y,
            transpose_b: false,
        };
        parts.push(l.draft.push(op, shape(rows, n as u32, m as u32), Kind::F32));
    }
    let value = match parts.as_slice() {
        [single] => *single,
        _ => l.draft.push(
            Op::Concat {
                parts,
                axis: Axis::Len,
            },
            shape(rows, (h * n) as u32, m as u32),
            Kind::F32,
        ),
    };
    let mut dims = batch;
    if !rows_as_matrix && !vector_a {
        dims.push(Dim::Fixed(n));
    }
    if !vector_b {
        dims.push(Dim::Fixed(m));
    }
    debug_assert!(rows == Rows::Shared || per_row(&dims));
    Ok(View { value, dims })
}
