//! The operators that the lowering knows. This table is what it dispatches on
//! and what the README lists; a test compares the two.

use crate::error::LowerError;
use crate::graph::Node;
use crate::lower::{Item, Lowering};
use crate::{elementwise, forest, linear, reduce, shapes, tables};

/// How an operator is translated.
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    /// Least and most inputs.
    pub(crate) inputs: (usize, usize),
    /// Attributes that are understood; any other is refused, because to ignore
    /// one could change the meaning.
    pub(crate) attributes: &'static [&'static str],
    /// What is asked beyond the ONNX specification, for the README.
    pub(crate) note: &'static str,
    pub(crate) lower: fn(&mut Lowering<'_>, &Node) -> Result<Vec<Item>, LowerError>,
}

const ANY: usize = usize::MAX;

const fn op(
    name: &'static str,
    inputs: (usize, usize),
    attributes: &'static [&'static str],
    note: &'static str,
    lower: fn(&mut Lowering<'_>, &Node) -> Result<Vec<Item>, LowerError>,
) -> Operator {
    Operator {
        name,
        inputs,
        attributes,
        note,
        lower,
    }
}

const REDUCE: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];
const REDUCED: &str = "neighbouring constant axes, not the rows";

/// In alphabetical order.
pub(crate) const OPERATORS: &[Operator] = &[
    op("Abs", (1, 1), &[], "", elementwise::unary),
    op("Add", (2, 2), &[], "", elementwise::binary),
    op(
        "ArgMax",
        (1, 1),
        &["axis", "keepdims", "select_last_index"],
        "last axis, first of equals",
        reduce::arg_max,
    ),
    op(
        "BatchNormalization",
        (5, 5),
        &["epsilon", "momentum", "training_mode", "spatial"],
        "inference, constant statistics",
        elementwise::batch_norm,
    ),
    op(
        "Cast",
        (1, 1),
        &["to", "saturate"],
        "between FLOAT and INT64 or INT32",
        elementwise::cast,
    ),
    op(
        "Clip",
        (1, 3),
        &["min", "max"],
        "constant bounds",
        elementwise::clip,
    ),
    op(
        "Concat",
        (1, ANY),
        &["axis"],
        "not along the rows",
        shapes::concat,
    ),
    op(
        "Constant",
        (0, 0),
        &[
            "value",
            "value_float",
            "value_floats",
            "value_int",
            "value_ints",
        ],
        "",
        shapes::constant,
    ),
    op(
        "ConstantOfShape",
        (1, 1),
        &["value"],
        "",
        shapes::constant_of_shape,
    ),
    op(
        "DequantizeLinear",
        (2, 3),
        &["axis"],
        "of a constant, per tensor or per axis",
        tables::dequantize,
    ),
    op("Div", (2, 2), &[], "", elementwise::binary),
    op(
        "Dropout",
        (1, 3),
        &["ratio", "seed"],
        "inference: does nothing",
        elementwise::identity,
    ),
    op("Erf", (1, 1), &[], "", elementwise::unary),
    op("Exp", (1, 1), &[], "", elementwise::unary),
    op("Expand", (2, 2), &[], "", shapes::expand),
    op(
        "Flatten",
        (1, 1),
        &["axis"],
        "axis 1 where there are rows",
        shapes::flatten,
    ),
    op(
        "Gather",
        (2, 2),
        &["axis"],
        "axis 0 of a constant table, or constant indices",
        tables::gather,
    ),
    op(
        "Gelu",
        (1, 1),
        &["approximate"],
        "exact form",
        elementwise::gelu,
    ),
    op(
        "Gemm",
        (2, 3),
        &["alpha", "beta", "transA", "transB"],
        "transA = 0, constant B",
        linear::gemm,
    ),
    op("Identity", (1, 1), &[], "", elementwise::identity),
    op(
        "LayerNormalization",
        (2, 3),
        &["axis", "epsilon", "stash_type"],
        "constant scale and bias, first output",
        reduce::layer_norm,
    ),
    op("LeakyRelu", (1, 1), &["alpha"], "", elementwise::unary),
    op("Log", (1, 1), &[], "", elementwise::unary),
    op("MatMul", (2, 2), &[], "", linear::mat_mul),
    op("Max", (1, ANY), &[], "", elementwise::variadic),
    op("Min", (1, ANY), &[], "", elementwise::variadic),
    op("Mul", (2, 2), &[], "", elementwise::binary),
    op("Neg", (1, 1), &[], "", elementwise::unary),
    op(
        "Pow",
        (2, 2),
        &[],
        "constant exponent 2 or 0.5, or any with a positive base",
        elementwise::binary,
    ),
    op("Reciprocal", (1, 1), &[], "", elementwise::unary),
    op("ReduceL2", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("ReduceMax", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("ReduceMean", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("ReduceMin", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("ReduceSum", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("ReduceSumSquare", (1, 2), REDUCE, REDUCED, reduce::reduce),
    op("Relu", (1, 1), &[], "", elementwise::unary),
    op(
        "Reshape",
        (2, 2),
        &["allowzero"],
        "rows stay rows",
        shapes::reshape,
    ),
    op(
        "Shape",
        (1, 1),
        &["start", "end"],
        "feeding a shape",
        shapes::shape_of,
    ),
    op("Sigmoid", (1, 1), &[], "", elementwise::unary),
    op(
        "Slice",
        (3, 5),
        &[],
        "constant range, step 1, not along the rows",
        shapes::slice,
    ),
    op(
        "Softmax",
        (1, 1),
        &["axis"],
        "first or last axis after the rows",
        reduce::softmax,
    ),
    op(
        "Split",
        (1, 2),
        &["axis", "split", "num_outputs"],
        "constant sizes, not along the rows",
        shapes::split,
    ),
    op("Sqrt", (1, 1), &[], "", elementwise::unary),
    op(
        "Squeeze",
        (1, 2),
        &["axes"],
        "not the rows",
        shapes::squeeze,
    ),
    op("Sub", (2, 2), &[], "", elementwise::binary),
    op("Sum", (1, ANY), &[], "", elementwise::variadic),
    op("Tanh", (1, 1), &[], "", elementwise::unary),
    op(
        "Transpose",
        (1, 1),
        &["perm"],
        "rows stay first; swaps two neighbouring groups of axes",
        shapes::transpose,
    ),
    op(
        "TreeEnsembleClassifier",
        (1, 1),
        &[
            "base_values",
            "class_ids",
            "class_nodeids",
            "class_treeids",
            "class_weights",
            "classlabels_int64s",
            "classlabels_strings",
            "nodes_falsenodeids",
            "nodes_featureids",
            "nodes_hitrates",
            "nodes_missing_value_tracks_true",
            "nodes_modes",
            "nodes_nodeids",
            "nodes_treeids",
            "nodes_truenodeids",
            "nodes_values",
            "post_transform",
        ],
        "labels as integers, or scores only",
        forest::classifier,
    ),
    op(
        "TreeEnsembleRegressor",
        (1, 1),
        &[
            "aggregate_function",
            "base_values",
            "n_targets",
            "nodes_falsenodeids",
            "nodes_featureids",
            "nodes_hitrates",
            "nodes_missing_value_tracks_true",
            "nodes_modes",
            "nodes_nodeids",
            "nodes_treeids",
            "nodes_truenodeids",
            "nodes_values",
            "post_transform",
            "target_ids",
            "target_nodeids",
            "target_treeids",
            "target_weights",
        ],
        "",
        forest::regressor,
    ),
    op(
        "Unsqueeze",
        (1, 2),
        &["axes"],
        "not before the rows",
        shapes::unsqueeze,
    ),
];

/// The supported operators as a plain text table, one line an operator: its
/// name and what is asked beyond the ONNX specification.
#[must_use]
pub fn supported_operators() -> String {
    let mut text = String::new();
    for operator in OPERATORS {
        let line = format!("{:<24}{}", operator.name, operator.note);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_free_of_duplicates() {
        for pair in OPERATORS.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} before {}",
                pair[0].name,
                pair[1].name
            );
        }
    }
}
