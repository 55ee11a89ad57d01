//! The shape of an operation's result. Compiling and opening both use it, so a
//! file can't hold a program that the compiler would have refused.

use crate::program::{Axis, Kind, Op, Rows, Shape, Value, ValueId};

/// What inference must know about a constant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TensorInfo {
    pub(crate) rows: u32,
    pub(crate) cols: u32,
    pub(crate) is_f32: bool,
}

/// What inference must know about a tree ensemble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForestInfo {
    pub(crate) features: u32,
    pub(crate) targets: u32,
}

pub(crate) struct Context<'a> {
    pub(crate) values: &'a [Value],
    /// Whether each value has been defined yet.
    pub(crate) defined: &'a [bool],
    pub(crate) tensors: &'a [TensorInfo],
    pub(crate) forests: &'a [ForestInfo],
}

type Inferred = Result<Value, &'static str>;

fn f32_value(rows: Rows, len: u32, width: u32) -> Inferred {
    Ok(Value {
        shape: Shape { rows, len, width },
        kind: Kind::F32,
    })
}

fn broadcast(a: u32, b: u32) -> Result<u32, &'static str> {
    match (a, b) {
        (a, b) if a == b => Ok(a),
        (1, n) | (n, 1) => Ok(n),
        _ => Err("the operands' shapes don't broadcast"),
    }
}

impl Context<'_> {
    fn value(&self, id: ValueId) -> Inferred {
        let i = id.0 as usize;
        if !self.defined.get(i).copied().unwrap_or(false) {
            return Err("an operand isn't defined before it is used");
        }
        Ok(self.values[i])
    }

    fn f32(&self, id: ValueId) -> Result<Shape, &'static str> {
        let value = self.value(id)?;
        if value.kind == Kind::F32 {
            Ok(value.shape)
        } else {
            Err("an operand must be f32")
        }
    }

    fn ids(&self, id: ValueId) -> Result<Shape, &'static str> {
        let value = self.value(id)?;
        if value.kind == Kind::I32 && value.shape.width == 1 {
            Ok(value.shape)
        } else {
            Err("indices must be i32 of width 1")
        }
    }

    fn tensor(&self, id: crate::program::TensorId) -> Result<TensorInfo, &'static str> {
        self.tensors
            .get(id.0 as usize)
            .copied()
            .ok_or("there is no such tensor")
    }

    fn row_tensor(&self, id: crate::program::TensorId, cols: u32) -> Result<(), &'static str> {
        let t = self.tensor(id)?;
        if t.is_f32 && t.rows == 1 && t.cols == cols {
            Ok(())
        } else {
            Err("a bias, gamma or beta must be f32 of shape [1, width]")
        }
    }

    fn mask(&self, mask: Option<ValueId>, len: u32) -> Result<Rows, &'static str> {
        match mask {
            None => Ok(Rows::Shared),
            Some(id) => {
                let m = self.f32(id)?;
                if m.width == 1 && (m.len == len || m.len == 1) {
                    Ok(m.rows)
                } else {
                    Err("a mask must have the shape [rows, len, 1]")
                }
            }
        }
    }

    /// The result of an operation.
    pub(crate) fn infer(&self, op: &Op) -> Inferred {
        match op {
            Op::Constant { tensor } => {
                let t = self.tensor(*tensor)?;
                f32_value(Rows::Shared, t.rows, t.cols)
            }
            Op::Gather { table, ids } => {
                let (t, s) = (self.tensor(*table)?, self.ids(*ids)?);
                f32_value(s.rows, s.len, t.cols)
            }
            Op::Bag {
                table,
                ids,
                weights,
                mode,
                ..
            } => {
                let (t, s) = (self.tensor(*table)?, self.ids(*ids)?);
                let mut rows = s.rows;
                if let Some(w) = weights {
                    let w = self.f32(*w)?;
                    if w.width != 1 || w.len != s.len {
                        return Err("a bag's weights must have the shape of its indices");
                    }
                    if *mode == crate::program::Mode::Max {
                        return Err("a bag with weights can't take the maximum");
                    }
                    rows = rows.max(w.rows);
                }
                f32_value(rows, 1, t.cols)
            }
            Op::Dense {
                x,
                weight,
                bias,
                addend,
                ..
            } => {
                let (s, w) = (self.f32(*x)?, self.tensor(*weight)?);
                if s.width != w.cols {
                    return Err("a dense layer's weight has another number of inputs");
                }
                if let Some(b) = bias {
                    self.row_tensor(*b, w.rows)?;
                }
                let mut rows = s.rows;
                if let Some(a) = addend {
                    let a = self.f32(*a)?;
                    if a.width != w.rows || (a.len != s.len && a.len != 1) {
                        return Err("a dense layer's addend doesn't fit its result");
                    }
                    rows = rows.max(a.rows);
                }
                if rows != s.rows {
                    return Err(
                        "a dense layer's addend is per row while its input is shared: add it apart",
                    );
                }
                f32_value(rows, s.len, w.rows)
            }
            Op::MatMul { a, b, transpose_b } => {
                let (a, b) = (self.f32(*a)?, self.f32(*b)?);
                let (k, m) = if *transpose_b {
                    (b.width, b.len)
                } else {
                    (b.len, b.width)
                };
                if a.width != k {
                    return Err("the inner sizes of a product differ");
                }
                f32_value(a.rows.max(b.rows), a.len, m)
            }
            Op::Attention {
                query,
                keys,
                values,
                mask,
                ..
            } => {
                let (q, k, v) = (self.f32(*query)?, self.f32(*keys)?, self.f32(*values)?);
                if q.width != k.width || k.len != v.len {
                    return Err("query, keys and values of an attention don't fit");
                }
                let rows = self.mask(*mask, k.len)?;
                f32_value(q.rows.max(k.rows).max(v.rows).max(rows), q.len, v.width)
            }
            Op::LayerNorm { x, gamma, beta, .. } => {
                let s = self.f32(*x)?;
                self.row_tensor(*gamma, s.width)?;
                self.row_tensor(*beta, s.width)?;
                f32_value(s.rows, s.len, s.width)
            }
            Op::Softmax { x, .. } | Op::Unary { x, .. } => {
                let s = self.f32(*x)?;
                f32_value(s.rows, s.len, s.width)
            }
            Op::Binary { a, b, .. } => {
                let (a, b) = (self.f32(*a)?, self.f32(*b)?);
                f32_value(
                    a.rows.max(b.rows),
                    broadcast(a.len, b.len)?,
                    broadcast(a.width, b.width)?,
                )
            }
            Op::Concat { parts, axis } => {
                let mut shape: Option<Shape> = None;
                let mut kind = Kind::F32;
                for part in parts {
                    let value = self.value(*part)?;
                    let s = value.shape;
                    shape = Some(match shape {
                        None => {
                            kind = value.kind;
                            s
                        }
                        Some(sum) => {
                            if value.kind != kind {
                                return Err("the parts of a concatenation differ in kind");
                            }
                            let rows = sum.rows.max(s.rows);
                            let (fixed, len, width) = match axis {
                                Axis::Len => (
                                    sum.width == s.width,
                                    sum.len.checked_add(s.len),
                                    Some(sum.width),
                                ),
                                Axis::Width => (
                                    sum.len == s.len,
                                    Some(sum.len),
                                    sum.width.checked_add(s.width),
                                ),
                            };
                            match (fixed, len, width) {
                                (true, Some(len), Some(width)) => Shape { rows, len, width },
                                _ => return Err("the parts of a concatenation don't fit"),
                            }
                        }
                    });
                }
                let shape = shape.ok_or("a concatenation has no part")?;
                Ok(Value { shape, kind })
            }
            Op::Slice {
                x,
                axis,
                start,
                size,
            } => {
                let Value { shape: s, kind } = self.value(*x)?;
                let extent = match axis {
                    Axis::Len => s.len,
                    Axis::Width => s.width,
                };
                if *size == 0 || start.checked_add(*size).is_none_or(|end| end > extent) {
                    return Err("a slice lies outside its operand");
                }
                let (len, width) = match axis {
                    Axis::Len => (*size, s.width),
                    Axis::Width => (s.len, *size),
                };
                Ok(Value {
                    shape: Shape {
                        rows: s.rows,
                        len,
                        width,
                    },
                    kind,
                })
            }
            Op::Reduce { x, axis, mask, .. } => {
                let s = self.f32(*x)?;
                match axis {
                    Axis::Len => {
                        let rows = self.mask(*mask, s.len)?;
                        f32_value(s.rows.max(rows), 1, s.width)
                    }
                    Axis::Width if mask.is_none() => f32_value(s.rows, s.len, 1),
                    Axis::Width => Err("a reduction over the width takes no mask"),
                }
            }
            Op::Transpose { x } => {
                let Value { shape: s, kind } = self.value(*x)?;
                Ok(Value {
                    shape: Shape {
                        rows: s.rows,
                        len: s.width,
                        width: s.len,
                    },
                    kind,
                })
            }
            Op::Reshape { x, len, width } => {
                let Value { shape: s, kind } = self.value(*x)?;
                if *len == 0
                    || u64::from(*len) * u64::from(*width) != u64::from(s.len) * u64::from(s.width)
                {
                    return Err("a reshape changes the number of elements");
                }
                Ok(Value {
                    shape: Shape {
                        rows: s.rows,
                        len: *len,
                        width: *width,
                    },
                    kind,
                })
            }
            Op::Expand { x } => {
                let Value { shape: s, kind } = self.value(*x)?;
                Ok(Value {
                    shape: Shape {
                        rows: Rows::PerRow,
                        ..s
                    },
                    kind,
                })
            }
            Op::Trees { x, forest } => {
                let s = self.f32(*x)?;
                let f = self
                    .forests
                    .get(forest.0 as usize)
                    .ok_or("there is no such tree ensemble")?;
                if s.len != 1 || s.width != f.features {
                    return Err("a tree ensemble's input has another width");
                }
                f32_value(s.rows, 1, f.targets)
            }
            Op::ArgMax { x } => {
                let s = self.f32(*x)?;
                Ok(Value {
                    shape: Shape {
                        rows: s.rows,
                        len: s.len,
                        width: 1,
                    },
                    kind: Kind::I32,
                })
            }
            Op::Cast { x, to } => {
                let value = self.value(*x)?;
                if value.kind == *to {
                    return Err("a cast to the same kind does nothing");
                }
                Ok(Value { kind: *to, ..value })
            }
        }
    }
}

/// The operands of an operation, for life times.
pub(crate) fn operands(op: &Op, mut visit: impl FnMut(ValueId)) {
    match op {
        Op::Constant { .. } => {}
        Op::Gather { ids, .. } => visit(*ids),
        Op::Bag { ids, weights, .. } => {
            visit(*ids);
            if let Some(w) = weights {
                visit(*w);
            }
        }
        Op::Dense { x, addend, .. } => {
            visit(*x);
            if let Some(a) = addend {
                visit(*a);
            }
        }
        Op::MatMul { a, b, .. } | Op::Binary { a, b, .. } => {
            visit(*a);
            visit(*b);
        }
        Op::Attention {
            query,
            keys,
            values,
            mask,
            ..
        } => {
            visit(*query);
            visit(*keys);
            visit(*values);
            if let Some(m) = mask {
                visit(*m);
            }
        }
        Op::Concat { parts, .. } => parts.iter().for_each(|p| visit(*p)),
        Op::Reduce { x, mask, .. } => {
            visit(*x);
            if let Some(m) = mask {
                visit(*m);
            }
        }
        Op::LayerNorm { x, .. }
        | Op::Softmax { x, .. }
        | Op::Unary { x, .. }
        | Op::Slice { x, .. }
        | Op::Transpose { x }
        | Op::Reshape { x, .. }
        | Op::Expand { x }
        | Op::Trees { x, .. }
        | Op::ArgMax { x }
        | Op::Cast { x, .. } => visit(*x),
    }
}
