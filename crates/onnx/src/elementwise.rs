//! Operators that work element by element.

use shelfedge_engine::program::{Binary, Kind, Op, Unary};
use tract_onnx::pb::tensor_proto::DataType;

use crate::constant::Constant;
use crate::error::{LowerError, fault, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{Item, Lowering, View};

type Lowered = Result<Vec<Item>, LowerError>;

fn one(view: View) -> Lowered {
    Ok(vec![Item::View(view)])
}

pub(crate) fn identity(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    if node.operator == "Dropout"
        && let Some(training) = l.constant(node, 2)?
        && training.scalar()? != 0.0
    {
        refuse!(
            UnsupportedUse,
            "the model is in training mode: export it for inference"
        );
    }
    Ok(vec![l.input(node, 0)?])
}

pub(crate) fn unary(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let f = match node.operator.as_str() {
        "Abs" => Unary::Abs,
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "LeakyRelu" => Unary::LeakyRelu(node.float("alpha")?.unwrap_or(0.01)),
        "Log" => Unary::Ln,
        "Neg" => Unary::Neg,
        "Reciprocal" => Unary::Reciprocal,
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        "Sqrt" => Unary::Sqrt,
        "Tanh" => Unary::Tanh,
        other => refuse!(
            UnsupportedOperator,
            "{other} isn't a function of one number"
        ),
    };
    let x = l.floats(node, 0)?;
    one(l.unary(&x, f))
}

pub(crate) fn binary(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let f = match node.operator.as_str() {
        "Add" => Binary::Add,
        "Div" => Binary::Div,
        "Mul" => Binary::Mul,
        "Pow" => Binary::Pow,
        "Sub" => Binary::Sub,
        other => refuse!(
            UnsupportedOperator,
            "{other} isn't a function of two numbers"
        ),
    };
    let (a, b) = if f == Binary::Pow && node.has(1) {
        // An integer exponent is a float to us.
        let a = l.floats(node, 0)?;
        match l.input(node, 1)? {
            Item::Constant(c) => {
                let floats = match c.integers() {
                    Ok(integers) => {
                        Constant::f32(&c.dims, integers.iter().map(|i| *i as f32).collect())
                    }
                    Err(_) => c,
                };
                (a, l.view(&Item::Constant(floats))?)
            }
            _ => (a, l.floats(node, 1)?),
        }
    } else {
        (l.floats(node, 0)?, l.floats(node, 1)?)
    };
    one(l.binary(f, &a, &b)?)
}

pub(crate) fn variadic(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let f = match node.operator.as_str() {
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        _ => Binary::Add,
    };
    let mut sum = l.floats(node, 0)?;
    for index in 1..node.inputs.len() {
        let next = l.floats(node, index)?;
        sum = l.binary(f, &sum, &next)?;
    }
    one(sum)
}

pub(crate) fn clip(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let x = l.floats(node, 0)?;
    let bound = |name: &str, index: usize, default: f32| -> Result<f32, LowerError> {
        match (node.float(name)?, l.constant(node, index)?) {
            (Some(bound), _) => Ok(bound),
            (None, Some(bound)) => bound.scalar(),
            (None, None) => Ok(default),
        }
    };
    let low = bound("min", 1, f32::MIN)?;
    let high = bound("max", 2, f32::MAX)?;
    if low.is_nan() || high.is_nan() || low > high {
        refuse!(
            UnsupportedUse,
            "the bounds {low} and {high} leave no number"
        );
    }
    one(l.unary(&x, Unary::Clip(low, high)))
}

/// x * (1 + erf(x / sqrt 2)) / 2
pub(crate) fn gelu(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    if node.text("approximate")?.unwrap_or("none") != "none" {
        refuse!(
            UnsupportedUse,
            "only the exact form of Gelu is supported, not the approximation by tanh"
        );
    }
    let x = l.floats(node, 0)?;
    let factor = l.scalar(std::f32::consts::FRAC_1_SQRT_2);
    let scaled = l.binary(Binary::Mul, &x, &factor)?;
    let erf = l.unary(&scaled, Unary::Erf);
    let unit = l.scalar(1.0);
    let erf = l.binary(Binary::Add, &erf, &unit)?;
    let product = l.binary(Binary::Mul, &x, &erf)?;
    let half = l.scalar(0.5);
    one(l.binary(Binary::Mul, &product, &half)?)
}

/// Per channel: x * scale / sqrt(var + epsilon) + (bias - mean * that factor).
pub(crate) fn batch_norm(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    if node.int("training_mode")?.unwrap_or(0) != 0 {
        refuse!(
            UnsupportedUse,
            "the model is in training mode: export it for inference"
        );
    }
    let x = l.floats(node, 0)?;
    let Some(Dim::Fixed(channels)) = x.dims.get(1).copied() else {
        refuse!(
            Shape,
            "the operand needs a constant second dimension, the channels"
        )
    };
    let mut parts = Vec::new();
    for index in 1..5 {
        let Some(part) = l.constant(node, index)? else {
            refuse!(Malformed, "input {index} is left out")
        };
        if part.dims != [channels] {
            refuse!(
                Shape,
                "input {index} has shape {:?}, the operand {channels} channels",
                part.dims
            );
        }
        parts.push(part);
    }
    let (scale, bias, mean, var) = (
        parts[0].floats()?,
        parts[1].floats()?,
        parts[2].floats()?,
        parts[3].floats()?,
    );
    let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
    let factor: Vec<f32> = scale
        .iter()
        .zip(var)
        .map(|(s, v)| s / (v + epsilon).sqrt())
        .collect();
    let offset: Vec<f32> = bias
        .iter()
        .zip(mean)
        .zip(&factor)
        .map(|((b, m), f)| b - m * f)
        .collect();
    // The channels stand second, so the factors get a 1 for every later axis.
    let mut dims = vec![1; x.dims.len() - 1];
    dims[0] = channels;
    let factor = l.view(&Item::Constant(Constant::f32(&dims, factor)))?;
    let offset = l.view(&Item::Constant(Constant::f32(&dims, offset)))?;
    let x = l.binary(Binary::Mul, &x, &factor)?;
    one(l.binary(Binary::Add, &x, &offset)?)
}

pub(crate) fn cast(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let to = cast_target(node)?;
    let x = l.operand(node, 0)?;
    let to = match to {
        DataType::Float => Kind::F32,
        DataType::Int64 | DataType::Int32 => Kind::I32,
        other => refuse!(
            UnsupportedUse,
            "a cast to {}; FLOAT, INT64 and INT32 are supported",
            other.as_str_name()
        ),
    };
    if l.draft.kind(x.value) == to {
        return one(x);
    }
    let value = l
        .draft
        .push(Op::Cast { x: x.value, to }, l.draft.shape(x.value), to);
    one(View {
        value,
        dims: x.dims,
    })
}

pub(crate) fn cast_target(node: &Node) -> Result<DataType, LowerError> {
    let to = node
        .int("to")?
        .ok_or_else(|| fault!(Malformed, "the attribute `to` is missing"))?;
    i32::try_from(to)
        .ok()
        .and_then(|t| DataType::try_from(t).ok())
        .ok_or_else(|| fault!(Malformed, "{to} isn't an element type"))
}
