//! Tree ensembles: from the flat lists of ONNX-ML to the engine's trees.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_engine::program::{
    Aggregate, Axis, Binary, Forest, Kind, Node as TreeNode, Op, PostTransform, Test, Unary,
};

use crate::constant::Constant;
use crate::draft::shape;
use crate::error::{LowerError, fault, refuse};
use crate::graph::{Dim, Node};
use crate::lower::{Item, Lowering, View, show};

type Lowered = Result<Vec<Item>, LowerError>;

/// An ensemble as the file describes it.
#[derive(Clone, Debug)]
pub(crate) struct Ensemble {
    pub(crate) trees: Vec<Vec<TreeNode>>,
    /// (target or class, weight)
    pub(crate) leaf_weights: Vec<(u32, f32)>,
    /// Targets or classes.
    pub(crate) targets: usize,
    pub(crate) base: Vec<f32>,
    pub(crate) aggregate: Aggregate,
    pub(crate) post: PostTransform,
    /// Of a classifier; empty where the labels are texts.
    pub(crate) labels: Vec<i64>,
    /// One more than the largest feature that a node reads.
    pub(crate) features: usize,
}

/// Beyond this the engine's offsets would not fit.
const MAX_TARGETS: usize = 1 << 16;

fn same_length(name: &str, found: usize, expected: usize) -> Result<(), LowerError> {
    if found != expected {
        refuse!(
            Malformed,
            "`{name}` has {found} entries, the others have {expected}"
        );
    }
    Ok(())
}

impl Ensemble {
    pub(crate) fn parse(node: &Node, classifier: bool) -> Result<Self, LowerError> {
        let need = |name: &str| fault!(Malformed, "the attribute `{name}` is missing");
        let ints = |name: &str| node.ints(name)?.ok_or_else(|| need(name));
        let nodeids = ints("nodes_nodeids")?;
        let count = nodeids.len();
        let list = |name: &str| -> Result<&[i64], LowerError> {
            let list = ints(name)?;
            same_length(name, list.len(), count)?;
            Ok(list)
        };
        let (treeids, featureids) = (list("nodes_treeids")?, list("nodes_featureids")?);
        let (if_true, if_false) = (list("nodes_truenodeids")?, list("nodes_falsenodeids")?);
        let modes = node
            .texts("nodes_modes")?
            .ok_or_else(|| need("nodes_modes"))?;
        same_length("nodes_modes", modes.len(), count)?;
        let values = node
            .floats("nodes_values")?
            .ok_or_else(|| need("nodes_values"))?;
        same_length("nodes_values", values.len(), count)?;
        let missing = match node.ints("nodes_missing_value_tracks_true")? {
            None | Some([]) => None,
            Some(list) => {
                same_length("nodes_missing_value_tracks_true", list.len(), count)?;
                Some(list)
            }
        };
        let (labels, targets) = if classifier {
            match (
                node.ints("classlabels_int64s")?,
                node.texts("classlabels_strings")?,
            ) {
                (Some(labels), None | Some(_)) if !labels.is_empty() => {
                    (labels.to_vec(), labels.len())
                }
                (_, Some(labels)) if !labels.is_empty() => (Vec::new(), labels.len()),
                _ => refuse!(Malformed, "the class labels are missing"),
            }
        } else {
            let targets = node.int("n_targets")?.ok_or_else(|| need("n_targets"))?;
            (Vec::new(), usize::try_from(targets).unwrap_or(0))
        };
        if targets == 0 || targets > MAX_TARGETS {
            refuse!(
                TooLarge,
                "{targets} targets or classes; 1 to {MAX_TARGETS} are possible"
            );
        }

        // What each leaf adds.
        let prefix = if classifier { "class" } else { "target" };
        let (ids, of_node, of_tree) = (
            ints(&format!("{prefix}_ids"))?,
            ints(&format!("{prefix}_nodeids"))?,
            ints(&format!("{prefix}_treeids"))?,
        );
        let weights_name = format!("{prefix}_weights");
        let weights = node
            .floats(&weights_name)?
            .ok_or_else(|| need(&weights_name))?;
        same_length(&format!("{prefix}_nodeids"), of_node.len(), ids.len())?;
        same_length(&format!("{prefix}_treeids"), of_tree.len(), ids.len())?;
        same_length(&weights_name, weights.len(), ids.len())?;
        let mut leaves: BTreeMap<(i64, i64), Vec<(u32, f32)>> = BTreeMap::new();
        for (i, id) in ids.iter().enumerate() {
            let target = usize::try_from(*id).ok().filter(|t| *t < targets);
            let Some(target) = target else {
                refuse!(Malformed, "target or class {id} of {targets}")
            };
            leaves
                .entry((of_tree[i], of_node[i]))
                .or_default()
                .push((target as u32, weights[i]));
        }

        let mut order: Vec<i64> = Vec::new();
        let mut members: BTreeMap<i64, BTreeMap<i64, usize>> = BTreeMap::new();
        for i in 0..count {
            let tree = members.entry(treeids[i]).or_insert_with(|| {
                order.push(treeids[i]);
                BTreeMap::new()
            });
            if tree.insert(nodeids[i], i).is_some() {
                refuse!(
                    Malformed,
                    "tree {} has two nodes numbered {}",
                    treeids[i],
                    nodeids[i]
                );
            }
        }
        if order.is_empty() {
            refuse!(Malformed, "the ensemble has no tree");
        }
        for (tree, leaf) in leaves.keys() {
            let at = members.get(tree).and_then(|t| t.get(leaf));
            if at.is_none_or(|i| modes[*i] != "LEAF") {
                refuse!(
                    Malformed,
                    "a weight is given for node {leaf} of tree {tree}, which isn't a leaf"
                );
            }
        }

        let mut this = Self {
            trees: Vec::with_capacity(order.len()),
            leaf_weights: Vec::with_capacity(ids.len()),
            targets,
            base: node.floats("base_values")?.unwrap_or_default().to_vec(),
            aggregate: aggregate(node)?,
            post: post(node)?,
            labels,
            features: 0,
        };
        if this.base.iter().chain(weights).any(|v| !v.is_finite()) {
            refuse!(
                UnsupportedUse,
                "a weight or a base value isn't a finite number"
            );
        }
        for tree in order {
            let nodes = &members[&tree];
            let sorted = sort(tree, nodes, |i| match modes[i] {
                "LEAF" => None,
                _ => Some((if_true[i], if_false[i])),
            })?;
            let place: BTreeMap<i64, u32> = sorted
                .iter()
                .enumerate()
                .map(|(at, id)| (*id, at as u32))
                .collect();
            let mut out = Vec::with_capacity(sorted.len());
            for id in &sorted {
                let i = nodes[id];
                if modes[i] == "LEAF" {
                    let own = leaves.get(&(tree, *id)).map_or(&[][..], Vec::as_slice);
                    out.push(TreeNode::Leaf {
                        first: this.leaf_weights.len() as u32,
                        count: own.len() as u32,
                    });
                    this.leaf_weights.extend_from_slice(own);
                    continue;
                }
                let Ok(feature) = u32::try_from(featureids[i]) else {
                    refuse!(
                        Malformed,
                        "node {id} of tree {tree} reads feature {}",
                        featureids[i]
                    )
                };
                if values[i].is_nan() {
                    refuse!(
                        UnsupportedUse,
                        "the threshold of node {id} of tree {tree} isn't a number"
                    );
                }
                this.features = this.features.max(feature as usize + 1);
                out.push(TreeNode::Branch {
                    feature,
                    test: test(modes[i])?,
                    threshold: values[i],
                    // `sort` has seen that both exist.
                    if_true: place[&if_true[i]],
                    if_false: place[&if_false[i]],
                    // NaN differs from every threshold, whatever the file says
                    // about missing values.
                    missing_is_true: modes[i] == "BRANCH_NEQ" || missing.is_some_and(|m| m[i] != 0),
                });
            }
            this.trees.push(out);
        }
        Ok(this)
    }
}

fn test(mode: &str) -> Result<Test, LowerError> {
    Ok(match mode {
        "BRANCH_LEQ" => Test::Leq,
        "BRANCH_LT" => Test::Lt,
        "BRANCH_GTE" => Test::Gte,
        "BRANCH_GT" => Test::Gt,
        "BRANCH_EQ" => Test::Eq,
        "BRANCH_NEQ" => Test::Neq,
        other => refuse!(
            UnsupportedUse,
            "the node mode {} is unknown",
            crate::error::printable(other)
        ),
    })
}

fn aggregate(node: &Node) -> Result<Aggregate, LowerError> {
    Ok(match node.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => refuse!(
            UnsupportedUse,
            "the aggregate function {} is unknown",
            crate::error::printable(other)
        ),
    })
}

fn post(node: &Node) -> Result<PostTransform, LowerError> {
    Ok(match node.text("post_transform")?.unwrap_or("NONE") {
        "NONE" => PostTransform::None,
        "SOFTMAX" => PostTransform::Softmax,
        "SOFTMAX_ZERO" => PostTransform::SoftmaxZero,
        "LOGISTIC" => PostTransform::Logistic,
        "PROBIT" => PostTransform::Probit,
        other => refuse!(
            UnsupportedUse,
            "the post transform {} is unknown",
            crate::error::printable(other)
        ),
    })
}

/// The nodes' numbers with the root first and children after all their parents,
/// whatever the file's order.
fn sort(
    tree: i64,
    nodes: &BTreeMap<i64, usize>,
    children: impl Fn(usize) -> Option<(i64, i64)>,
) -> Result<Vec<i64>, LowerError> {
    let mut parents: BTreeMap<i64, usize> = nodes.keys().map(|id| (*id, 0)).collect();
    for (id, i) in nodes {
        let Some((a, b)) = children(*i) else { continue };
        for child in [a, b] {
            match parents.get_mut(&child) {
                Some(count) => *count += 1,
                None => refuse!(
                    Malformed,
                    "node {id} of tree {tree} has the child {child}, which doesn't exist"
                ),
            }
        }
    }
    let mut roots = parents
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(id, _)| *id);
    let (root, second) = (roots.next(), roots.next());
    let Some(root) = root else {
        refuse!(Cycle, "tree {tree} has no root: its nodes form a cycle")
    };
    if second.is_some() {
        refuse!(Malformed, "tree {tree} has more than one root");
    }
    // A node comes once all its parents have, the true branch first.
    let mut ready = vec![root];
    let mut sorted = Vec::with_capacity(nodes.len());
    while let Some(id) = ready.pop() {
        sorted.push(id);
        let Some((a, b)) = children(nodes[&id]) else {
            continue;
        };
        for child in [b, a] {
            if let Some(count) = parents.get_mut(&child) {
                *count -= 1;
                if *count == 0 {
                    ready.push(child);
                }
            }
        }
    }
    if sorted.len() != nodes.len() {
        refuse!(Cycle, "the nodes of tree {tree} form a cycle");
    }
    Ok(sorted)
}

fn input(
    l: &mut Lowering<'_>,
    node: &Node,
    ensemble: &Ensemble,
) -> Result<(View, u32), LowerError> {
    let x = l.floats(node, 0)?;
    let (&[_, Dim::Fixed(width)] | &[Dim::Fixed(width)]) = x.dims.as_slice() else {
        refuse!(
            Shape,
            "the features {} must be a row of numbers for each row",
            show(&x.dims)
        )
    };
    if matches!(x.dims.as_slice(), [Dim::Fixed(rows), _] if *rows != 1) {
        refuse!(
            UnsupportedUse,
            "an ensemble over {} constant rows",
            show(&x.dims)
        );
    }
    if ensemble.features > width {
        refuse!(
            Shape,
            "a node reads feature {} of {width}",
            ensemble.features - 1
        );
    }
    let value = l.shaped(&x, 1, width);
    Ok((
        View {
            value,
            dims: x.dims,
        },
        width as u32,
    ))
}

fn result_dims(x: &View, targets: usize) -> Vec<Dim> {
    let rows = if x.dims.len() == 2 {
        x.dims[0]
    } else {
        Dim::Fixed(1)
    };
    vec![rows, Dim::Fixed(targets)]
}

fn trees(l: &mut Lowering<'_>, x: &View, forest: Forest) -> View {
    let targets = forest.targets as usize;
    let rows = l.draft.shape(x.value).rows;
    let forest = l.draft.forest(forest);
    let op = Op::Trees { x: x.value, forest };
    let value = l.draft.push(op, shape(rows, 1, targets as u32), Kind::F32);
    View {
        value,
        dims: result_dims(x, targets),
    }
}

pub(crate) fn regressor(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let ensemble = Ensemble::parse(node, false)?;
    ensemble.check_regressor()?;
    let (x, features) = input(l, node, &ensemble)?;
    let forest = Forest {
        features,
        targets: ensemble.targets as u32,
        base: ensemble.base,
        aggregate: ensemble.aggregate,
        post: ensemble.post,
        trees: ensemble.trees,
        leaf_weights: ensemble.leaf_weights,
    };
    Ok(vec![Item::View(trees(l, &x, forest))])
}

/// Two classes, which onnxruntime reads in ways of their own; the ONNX
/// specification leaves them open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TwoClasses {
    /// The leaves weigh the first class alone, which gives a score s for the
    /// second. If all weights are positive they are probabilities: the scores
    /// are `[1 - s, s]`, and the second label wins above one half. Else they
    /// are margins: `[-s, s]`, and it wins above zero. With LOGISTIC the scores
    /// are the logistic function of `[-s, s]` in any case.
    First {
        /// Whether all weights are positive.
        positive: bool,
    },
    /// The leaves weigh the second class alone: `[0, s]`, with the same rule for
    /// the label.
    Second {
        /// Whether all weights are positive.
        positive: bool,
    },
    /// The leaves weigh both. onnxruntime then answers 0 or 1 whatever the
    /// labels are.
    Both,
}

impl Ensemble {
    /// Whether every row reaches a weight for the target in some tree.
    fn always_scored(&self, target: usize) -> bool {
        self.trees.iter().any(|tree| {
            tree.iter().all(|node| match node {
                TreeNode::Branch { .. } => true,
                TreeNode::Leaf { first, count } => {
                    let own = &self.leaf_weights[*first as usize..(*first + *count) as usize];
                    own.iter().any(|(t, _)| *t as usize == target)
                }
            })
        })
    }

    /// What can't be read in one way only.
    pub(crate) fn check_regressor(&self) -> Result<(), LowerError> {
        if !self.base.is_empty() && self.base.len() != self.targets {
            refuse!(
                Malformed,
                "{} base values for {} targets",
                self.base.len(),
                self.targets
            );
        }
        if self.targets == 1 && !matches!(self.post, PostTransform::None | PostTransform::Probit) {
            refuse!(
                UnsupportedUse,
                "onnxruntime ignores the post transform {:?} for a single target; leave it out, and add a node of its own",
                self.post
            );
        }
        let partly = (0..self.targets)
            .find(|t| self.base.get(*t).is_some_and(|b| *b != 0.0) && !self.always_scored(*t));
        if let Some(target) = partly {
            refuse!(
                UnsupportedUse,
                "some rows reach no weight for target {target}; onnxruntime then leaves out its base value"
            );
        }
        Ok(())
    }

    pub(crate) fn two_classes(&self) -> Option<TwoClasses> {
        if self.targets != 2 {
            return None;
        }
        let weighed: BTreeSet<u32> = self
            .leaf_weights
            .iter()
            .map(|(target, _)| *target)
            .collect();
        let positive = self.leaf_weights.iter().all(|(_, w)| *w >= 0.0);
        Some(match (weighed.contains(&0), weighed.contains(&1)) {
            (true, false) => TwoClasses::First { positive },
            (false, true) => TwoClasses::Second { positive },
            _ => TwoClasses::Both,
        })
    }

    /// What can't be read in one way only.
    pub(crate) fn check_classifier(&self) -> Result<(), LowerError> {
        let plain = matches!(self.post, PostTransform::None | PostTransform::Logistic);
        match self.two_classes() {
            Some(TwoClasses::First { .. }) if self.base.len() <= 1 && plain => Ok(()),
            Some(TwoClasses::Second { .. }) if self.base.is_empty() && plain => Ok(()),
            Some(TwoClasses::Both)
                if self.base.is_empty() && self.post != PostTransform::Probit =>
            {
                Ok(())
            }
            Some(_) => refuse!(
                UnsupportedUse,
                "two classes with the base values {:?} and {:?}: implementations differ; weigh the first class alone, \
                 with one base value or none, and NONE or LOGISTIC",
                self.base,
                self.post
            ),
            None if !self.base.is_empty() && self.base.len() != self.targets => {
                refuse!(
                    Malformed,
                    "{} base values for {} classes",
                    self.base.len(),
                    self.targets
                )
            }
            None => Ok(()),
        }
    }

    /// Whether the label can be read in one way only.
    fn check_label(&self) -> Result<(), LowerError> {
        if self.labels.is_empty() {
            refuse!(
                UnsupportedUse,
                "the labels are texts; use the scores, or integers as labels"
            );
        }
        if self.two_classes() == Some(TwoClasses::Both) {
            refuse!(
                UnsupportedUse,
                "the label of two classes that are both weighed: onnxruntime answers 0 or 1 whatever the labels are; \
                 use the scores"
            );
        }
        let negative = self.leaf_weights.iter().any(|(_, w)| *w < 0.0);
        if self.targets > 2
            && self.base.is_empty()
            && negative
            && !(0..self.targets).all(|t| self.always_scored(t))
        {
            refuse!(
                UnsupportedUse,
                "the label where a row reaches no weight for some class: implementations differ; use the scores"
            );
        }
        Ok(())
    }
}

/// A score and what stands for the first class, side by side.
fn pair(l: &mut Lowering<'_>, first: &View, second: &View) -> View {
    let rows = l.draft.shape(second.value).rows;
    let op = Op::Concat {
        parts: vec![first.value, second.value],
        axis: Axis::Width,
    };
    let value = l.draft.push(op, shape(rows, 1, 2), Kind::F32);
    View {
        value,
        dims: vec![second.dims[0], Dim::Fixed(2)],
    }
}

pub(crate) fn classifier(l: &mut Lowering<'_>, node: &Node) -> Lowered {
    let ensemble = Ensemble::parse(node, true)?;
    ensemble.check_classifier()?;
    let labelled = node
        .outputs
        .first()
        .is_some_and(|o| !o.is_empty() && l.is_used(o));
    if labelled {
        ensemble.check_label()?;
    }
    let (x, features) = input(l, node, &ensemble)?;
    let mut forest = Forest {
        features,
        targets: ensemble.targets as u32,
        base: ensemble.base.clone(),
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees: ensemble.trees.clone(),
        leaf_weights: ensemble.leaf_weights.clone(),
    };
    // What decides the label, and what is given out.
    let (raw, scores) = match ensemble.two_classes() {
        Some(TwoClasses::First { positive } | TwoClasses::Second { positive }) => {
            let first = matches!(ensemble.two_classes(), Some(TwoClasses::First { .. }));
            forest.targets = 1;
            forest.leaf_weights.iter_mut().for_each(|w| w.0 = 0);
            let s = trees(l, &x, forest);
            let rest = {
                let unit = l.scalar(1.0);
                l.binary(Binary::Sub, &unit, &s)?
            };
            let (rest, opposite) = (pair(l, &rest, &s), l.unary(&s, Unary::Neg));
            let opposite = pair(l, &opposite, &s);
            let raw = if positive {
                rest.clone()
            } else {
                opposite.clone()
            };
            let logistic = ensemble.post == PostTransform::Logistic;
            let plain = match (first, logistic) {
                (true, false) => raw.clone(),
                (true, true) => opposite,
                (false, _) => {
                    // A zero of the score's own rows.
                    let zero = l.scalar(0.0);
                    let zero = l.binary(Binary::Mul, &s, &zero)?;
                    pair(l, &zero, &s)
                }
            };
            let scores = if logistic {
                l.unary(&plain, Unary::Sigmoid)
            } else {
                plain
            };
            (raw, scores)
        }
        Some(TwoClasses::Both) | None => match ensemble.post {
            PostTransform::None => {
                let raw = trees(l, &x, forest);
                (raw.clone(), raw)
            }
            PostTransform::Logistic => {
                let raw = trees(l, &x, forest);
                let scores = l.unary(&raw, Unary::Sigmoid);
                (raw, scores)
            }
            PostTransform::Softmax => {
                let raw = trees(l, &x, forest);
                let s = l.draft.shape(raw.value);
                let value = l.draft.push(
                    Op::Softmax {
                        x: raw.value,
                        axis: Axis::Width,
                    },
                    s,
                    Kind::F32,
                );
                (
                    raw.clone(),
                    View {
                        value,
                        dims: raw.dims,
                    },
                )
            }
            // The label is that of the raw scores; whichever isn't used is
            // removed afterwards.
            post => {
                let raw = trees(l, &x, forest.clone());
                (raw, trees(l, &x, Forest { post, ..forest }))
            }
        },
    };
    let label = if labelled {
        label(l, &raw, &ensemble.labels)?
    } else {
        raw
    };
    Ok(vec![Item::View(label), Item::View(scores)])
}

/// The label of the largest score.
fn label(l: &mut Lowering<'_>, raw: &View, labels: &[i64]) -> Result<View, LowerError> {
    let rows = l.draft.shape(raw.value).rows;
    let index = l
        .draft
        .push(Op::ArgMax { x: raw.value }, shape(rows, 1, 1), Kind::I32);
    let dims = vec![raw.dims[0]];
    if labels.iter().copied().eq(0..labels.len() as i64) {
        return Ok(View { value: index, dims });
    }
    // Other labels come from a table, which holds whole numbers up to 2^24
    // exactly.
    if labels.iter().any(|l| l.unsigned_abs() > 1 << 24) {
        refuse!(UnsupportedUse, "a label beyond 16777216");
    }
    let table = Constant::f32(
        &[labels.len(), 1],
        labels.iter().map(|l| *l as f32).collect(),
    );
    let table = l
        .draft
        .tensor(labels.len() as u32, 1, table.floats()?.to_vec(), None);
    l.draft.exact.insert(table);
    let found = l.draft.push(
        Op::Gather { table, ids: index },
        shape(rows, 1, 1),
        Kind::F32,
    );
    let value = l.draft.push(
        Op::Cast {
            x: found,
            to: Kind::I32,
        },
        shape(rows, 1, 1),
        Kind::I32,
    );
    Ok(View { value, dims })
}
