//! Tree ensembles, written as the flat lists of ONNX-ML.

use shelfedge_engine::program::{Aggregate, Forest, Node, PostTransform, Test};

use super::{Attribute, Dim, Graph, Kind, Var};
use crate::lower::show;

/// The columns of an ensemble's lists.
#[derive(Default)]
struct Lists {
    treeids: Vec<i64>,
    nodeids: Vec<i64>,
    featureids: Vec<i64>,
    modes: Vec<String>,
    values: Vec<f32>,
    if_true: Vec<i64>,
    if_false: Vec<i64>,
    missing: Vec<i64>,
    leaf_treeids: Vec<i64>,
    leaf_nodeids: Vec<i64>,
    leaf_ids: Vec<i64>,
    leaf_weights: Vec<f32>,
}

impl Graph {
    /// A tree ensemble's targets for each row of features `[r, features]`:
    /// `[r, targets]`.
    pub fn trees(&mut self, x: Var, forest: &Forest) -> Var {
        let rows = self.features(x, forest);
        let mut attributes = self.ensemble(forest, "target");
        attributes.push(Attribute::int("n_targets", i64::from(forest.targets)));
        attributes.push(Attribute::text(
            "aggregate_function",
            match forest.aggregate {
                Aggregate::Sum => "SUM",
                Aggregate::Average => "AVERAGE",
                Aggregate::Min => "MIN",
                Aggregate::Max => "MAX",
            },
        ));
        let dims = [rows, Dim::Fixed(forest.targets as usize)];
        self.node("TreeEnsembleRegressor", &[x], attributes, Kind::F32, &dims)
    }

    /// A tree ensemble's label for each row, `[r]`, and its scores, `[r,
    /// classes]`. There are as many labels as targets, or two labels and one
    /// target, the score of the second label.
    pub fn classify(&mut self, x: Var, forest: &Forest, labels: &[i64]) -> (Var, Var) {
        let rows = self.features(x, forest);
        let binary = labels.len() == 2 && forest.targets == 1;
        if !binary && labels.len() != forest.targets as usize {
            self.fault(format!(
                "classify: {} labels for {} targets",
                labels.len(),
                forest.targets
            ));
        }
        if forest.aggregate != Aggregate::Sum {
            self.fault("classify: a classifier always sums its trees".to_owned());
        }
        let mut attributes = self.ensemble(forest, "class");
        attributes.push(Attribute::ints("classlabels_int64s", labels.to_vec()));
        let names = (self.fresh("label"), self.fresh("scores"));
        let label = self.declare(&names.0, Kind::I64, vec![rows]);
        let scores = self.declare(&names.1, Kind::F32, vec![rows, Dim::Fixed(labels.len())]);
        self.push("TreeEnsembleClassifier", &[x], attributes, &[label, scores]);
        (label, scores)
    }

    fn features(&mut self, x: Var, forest: &Forest) -> Dim {
        match self.dims(x) {
            [rows, Dim::Fixed(width)] if *width == forest.features as usize => *rows,
            other => {
                let other = show(other);
                self.fault(format!(
                    "a tree ensemble of {} features gets {other}",
                    forest.features
                ));
                Dim::Rows
            }
        }
    }

    fn ensemble(&mut self, forest: &Forest, prefix: &str) -> Vec<Attribute> {
        let mut lists = Lists::default();
        for (tree, nodes) in forest.trees.iter().enumerate() {
            for (at, node) in nodes.iter().enumerate() {
                lists.treeids.push(tree as i64);
                lists.nodeids.push(at as i64);
                let (feature, mode, value, if_true, if_false, missing) = match node {
                    Node::Branch {
                        feature,
                        test,
                        threshold,
                        if_true,
                        if_false,
                        missing_is_true,
                    } => {
                        let mode = match test {
                            Test::Leq => "BRANCH_LEQ",
                            Test::Lt => "BRANCH_LT",
                            Test::Gte => "BRANCH_GTE",
                            Test::Gt => "BRANCH_GT",
                            Test::Eq => "BRANCH_EQ",
                            Test::Neq => "BRANCH_NEQ",
                        };
                        (
                            *feature,
                            mode,
                            *threshold,
                            *if_true,
                            *if_false,
                            *missing_is_true,
                        )
                    }
                    Node::Leaf { first, count } => {
                        let own = forest
                            .leaf_weights
                            .get(*first as usize..)
                            .and_then(|w| w.get(..*count as usize));
                        match own {
                            Some(own) => {
                                for (target, weight) in own {
                                    lists.leaf_treeids.push(tree as i64);
                                    lists.leaf_nodeids.push(at as i64);
                                    lists.leaf_ids.push(i64::from(*target));
                                    lists.leaf_weights.push(*weight);
                                }
                            }
                            None => self.fault(format!(
                                "a leaf of tree {tree} has weights that don't exist"
                            )),
                        }
                        (0, "LEAF", 0.0, 0, 0, false)
                    }
                };
                lists.featureids.push(i64::from(feature));
                lists.modes.push(mode.to_owned());
                lists.values.push(value);
                lists.if_true.push(i64::from(if_true));
                lists.if_false.push(i64::from(if_false));
                lists.missing.push(i64::from(missing));
            }
        }
        let post = match forest.post {
            PostTransform::None => "NONE",
            PostTransform::Softmax => "SOFTMAX",
            PostTransform::SoftmaxZero => "SOFTMAX_ZERO",
            PostTransform::Logistic => "LOGISTIC",
            PostTransform::Probit => "PROBIT",
        };
        let mut attributes = vec![
            Attribute::ints("nodes_treeids", lists.treeids),
            Attribute::ints("nodes_nodeids", lists.nodeids),
            Attribute::ints("nodes_featureids", lists.featureids),
            Attribute::texts("nodes_modes", lists.modes),
            Attribute::floats("nodes_values", lists.values),
            Attribute::ints("nodes_truenodeids", lists.if_true),
            Attribute::ints("nodes_falsenodeids", lists.if_false),
            Attribute::ints("nodes_missing_value_tracks_true", lists.missing),
            Attribute::ints(&format!("{prefix}_treeids"), lists.leaf_treeids),
            Attribute::ints(&format!("{prefix}_nodeids"), lists.leaf_nodeids),
            Attribute::ints(&format!("{prefix}_ids"), lists.leaf_ids),
            Attribute::floats(&format!("{prefix}_weights"), lists.leaf_weights),
            Attribute::text("post_transform", post),
        ];
        if !forest.base.is_empty() {
            attributes.push(Attribute::floats("base_values", forest.base.clone()));
        }
        attributes
    }
}
