//! What is added to a dense layer's result, multiplied with it, or applied to
//! it, becomes part of the layer.

use shelfedge_engine::program::{Binary, Op, Rows, Unary, ValueId};

use super::{Facts, both_ways};
use crate::draft::Draft;

pub(super) fn fuse(draft: &mut Draft) {
    for i in 0..draft.program.steps.len() {
        let step = draft.program.steps[i].clone();
        let op = match step.op {
            Op::Binary {
                a,
                b,
                f: Binary::Mul,
            } => scaled(draft, a, b, step.result).or_else(|| scaled(draft, b, a, step.result)),
            Op::Binary {
                a,
                b,
                f: Binary::Add,
            } => biased(draft, a, b, step.result)
                .or_else(|| biased(draft, b, a, step.result))
                .or_else(|| added(draft, a, b, step.result)),
            Op::Unary { x, f } => activated(draft, x, f),
            _ => None,
        };
        if let Some(op) = op {
            draft.program.steps[i].op = op;
        }
    }
}

/// A linear layer that only this step uses.
fn linear(facts: &Facts<'_>, value: ValueId) -> Option<Op> {
    match facts.only(value)? {
        op @ Op::Dense {
            activation: Unary::Identity,
            ..
        } => Some(op.clone()),
        _ => None,
    }
}

/// A constant of one number an output, or of one for all.
fn per_output(facts: &Facts<'_>, value: ValueId, outputs: u32) -> Option<Vec<f32>> {
    let s = facts.draft.shape(value);
    let data = facts.draft.floats(facts.constant(value)?);
    match data {
        [single] => Some(vec![*single; outputs as usize]),
        data if s.len == 1 && s.width == outputs => Some(data.to_vec()),
        _ => None,
    }
}

fn biased(draft: &mut Draft, layer: ValueId, constant: ValueId, result: ValueId) -> Option<Op> {
    let facts = Facts::new(draft);
    let Op::Dense {
        x,
        weight,
        bias,
        addend,
        activation,
    } = linear(&facts, layer)?
    else {
        return None;
    };
    if draft.shape(layer) != draft.shape(result) {
        return None;
    }
    let outputs = draft.shape(layer).width;
    let mut sum = per_output(&facts, constant, outputs)?;
    if let Some(bias) = bias {
        sum.iter_mut()
            .zip(draft.floats(bias))
            .for_each(|(s, b)| *s += b);
    }
    let bias = Some(draft.tensor(1, outputs, sum, None));
    Some(Op::Dense {
        x,
        weight,
        bias,
        addend,
        activation,
    })
}

/// A factor an output, as an inference-time batch normalisation leaves it,
/// scales the weights.
fn scaled(draft: &mut Draft, layer: ValueId, constant: ValueId, result: ValueId) -> Option<Op> {
    let facts = Facts::new(draft);
    let Op::Dense {
        x,
        weight,
        bias,
        addend: None,
        activation,
    } = linear(&facts, layer)?
    else {
        return None;
    };
    if draft.shape(layer) != draft.shape(result) {
        return None;
    }
    let outputs = draft.shape(layer).width;
    let factors = per_output(&facts, constant, outputs)?;
    let cols = draft.program.tensors[weight.0 as usize].cols;
    let scaled = |data: &[f32], cols: usize| -> Vec<f32> {
        data.chunks(cols)
            .zip(&factors)
            .flat_map(|(row, f)| row.iter().map(move |w| w * f))
            .collect()
    };
    let name = draft.names.get(&weight).cloned();
    let data = scaled(draft.floats(weight), cols as usize);
    let bias = bias.map(|b| scaled(draft.floats(b), 1));
    let weight = draft.tensor(outputs, cols, data, name.as_deref());
    let bias = bias.map(|b| draft.tensor(1, outputs, b, None));
    Some(Op::Dense {
        x,
        weight,
        bias,
        addend: None,
        activation,
    })
}

/// Another value is added before the activation.
fn added(draft: &Draft, a: ValueId, b: ValueId, result: ValueId) -> Option<Op> {
    let facts = Facts::new(draft);
    let op = draft.program.steps[*facts.definitions.get(&result)?]
        .op
        .clone();
    let fits = |(layer, other): (ValueId, ValueId)| {
        let Op::Dense {
            x,
            weight,
            bias,
            addend: None,
            activation,
        } = linear(&facts, layer)?
        else {
            return None;
        };
        let (s, o) = (draft.shape(layer), draft.shape(other));
        let same = s == draft.shape(result)
            && o.width == s.width
            && (o.len == s.len || o.len == 1)
            && o.rows <= s.rows;
        same.then_some((
            layer,
            Op::Dense {
                x,
                weight,
                bias,
                addend: Some(other),
                activation,
            },
        ))
    };
    let mut layers: Vec<(ValueId, Op)> = both_ways(&op, Binary::Add)?
        .into_iter()
        .filter_map(fits)
        .collect();
    debug_assert!([a, b].iter().all(|v| draft.shape(*v).rows <= Rows::PerRow));
    // Of two layers the later takes the earlier one's result, so that neither
    // has to wait.
    layers.sort_by_key(|(layer, _)| facts.definitions.get(layer).copied());
    layers.pop().map(|(_, op)| op)
}

fn activated(draft: &Draft, value: ValueId, f: Unary) -> Option<Op> {
    let Op::Dense {
        x,
        weight,
        bias,
        addend,
        ..
    } = linear(&Facts::new(draft), value)?
    else {
        return None;
    };
    Some(Op::Dense {
        x,
        weight,
        bias,
        addend,
        activation: f,
    })
}
