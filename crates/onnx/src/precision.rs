//! The last pass: weights in the precision in which they are stored.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_engine::math::f32_to_f16;
use shelfedge_engine::program::{Data, Op, Tensor, TensorId};

use crate::draft::{Draft, visit_tensors};
use crate::error::{LowerError, printable, refuse};
use crate::{Options, Precision};

/// Stores each weight as the options say. Biases, layer norms and constants
/// stay f32: they are small and what the engine asks for.
pub(crate) fn store(draft: &mut Draft, options: &Options) -> Result<(), LowerError> {
    let named: BTreeSet<&str> = draft.names.values().map(String::as_str).collect();
    if let Some(unknown) = options
        .overrides
        .keys()
        .find(|name| !named.contains(name.as_str()))
    {
        refuse!(
            Precision,
            "a precision is given for `{}`, but no weight of that name is left",
            printable(unknown)
        );
    }
    // A tensor may be used in two ways, so there is a copy for each precision.
    let mut copies: BTreeMap<(TensorId, u8), TensorId> = BTreeMap::new();
    let mut tensors: Vec<Tensor> = Vec::new();
    let mut steps = std::mem::take(&mut draft.program.steps);
    for step in &mut steps {
        let main = match step.op {
            Op::Gather { table, .. } | Op::Bag { table, .. } => Some((table, options.tables)),
            Op::Dense { weight, .. } => Some((weight, options.dense)),
            _ => None,
        };
        // The main tensor is the first that is visited.
        let mut first = true;
        let mut fault = None;
        let mut unusable = None;
        visit_tensors(&mut step.op, |t| {
            let precision = match main {
                Some((id, precision))
                    if std::mem::take(&mut first) && id == *t && !draft.exact.contains(&id) =>
                {
                    let name = draft.names.get(&id);
                    name.and_then(|n| options.overrides.get(n))
                        .copied()
                        .unwrap_or(precision)
                }
                _ => Precision::F32,
            };
            if let Some(copy) = copies.get(&(*t, precision as u8)) {
                *t = *copy;
                return;
            }
            let source = &draft.program.tensors[t.0 as usize];
            if draft.floats(*t).iter().any(|v| !v.is_finite()) {
                unusable = Some(draft.names.get(t).cloned().unwrap_or_default());
            }
            match stored(source, draft.floats(*t), precision) {
                Ok(data) => {
                    let copy = TensorId(tensors.len() as u32);
                    tensors.push(Tensor { data, ..*source });
                    copies.insert((*t, precision as u8), copy);
                    *t = copy;
                }
                Err(cause) => {
                    let name = draft
                        .names
                        .get(t)
                        .map_or("a weight without a name", String::as_str);
                    fault = Some(format!("`{}`: {cause}", printable(name)));
                }
            }
        });
        if let Some(name) = unusable {
            refuse!(
                UnsupportedUse,
                "the constant `{}`, or one computed from constants, holds a number that isn't finite",
                printable(&name)
            );
        }
        if let Some(fault) = fault {
            refuse!(Precision, "{fault}");
        }
    }
    draft.program.steps = steps;
    draft.program.tensors = tensors;
    Ok(())
}

fn stored(tensor: &Tensor, data: &[f32], precision: Precision) -> Result<Data, &'static str> {
    match precision {
        Precision::F32 => Ok(Data::F32(data.to_vec())),
        Precision::F16 => {
            let half: Vec<u16> = data.iter().map(|v| f32_to_f16(*v)).collect();
            let overflows = data
                .iter()
                .zip(&half)
                .any(|(v, h)| v.is_finite() && h & 0x7fff >= 0x7c00);
            if overflows {
                return Err("a weight is too large for f16");
            }
            Ok(Data::F16(half))
        }
        Precision::I8 => {
            let mut q = Vec::with_capacity(data.len());
            let mut scale = Vec::with_capacity(tensor.rows as usize);
            for row in data.chunks(tensor.cols.max(1) as usize) {
                let largest = row.iter().fold(0f32, |m, v| m.max(v.abs()));
                // A row of zeros, or of numbers too small to scale, is zeros.
                let step = if largest / 127.0 >= f32::MIN_POSITIVE {
                    largest / 127.0
                } else {
                    1.0
                };
                q.extend(
                    row.iter()
                        .map(|v| (v / step).round().clamp(-127.0, 127.0) as i8),
                );
                scale.push(step);
            }
            Ok(Data::I8 { q, scale })
        }
    }
}
