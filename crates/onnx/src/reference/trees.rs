//! Tree ensembles as operators of tract, evaluated in the plainest way: node by
//! node, row by row, in f32 as onnxruntime does.

use std::sync::Arc;

use shelfedge_engine::program::{Aggregate, Node as TreeNode, PostTransform, Test};
use tract_onnx::model::ParsingContext;
use tract_onnx::pb;
use tract_onnx::tract_core;
use tract_onnx::tract_hir::internal::*;

use crate::forest::{Ensemble, TwoClasses};
use crate::graph;

pub(super) fn register(onnx: &mut tract_onnx::Onnx) {
    onnx.op_register.insert("TreeEnsembleRegressor", regressor);
    onnx.op_register
        .insert("TreeEnsembleClassifier", classifier);
}

type Parsed = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

fn parse(proto: &pb::NodeProto, classifier: bool) -> Parsed {
    let node = graph::node(0, proto.clone()).map_err(|e| format_err!("{e}"))?;
    let ensemble = Ensemble::parse(&node, classifier).map_err(|e| format_err!("{e}"))?;
    let sound = if classifier {
        ensemble.check_classifier()
    } else {
        ensemble.check_regressor()
    };
    sound.map_err(|e| format_err!("{e}"))?;
    if classifier && ensemble.labels.is_empty() {
        bail!("the labels are texts; use integers");
    }
    Ok((
        expand(Trees {
            ensemble: Arc::new(ensemble),
            classifier,
        }),
        vec![],
    ))
}

fn regressor(_: &ParsingContext, proto: &pb::NodeProto) -> Parsed {
    parse(proto, false)
}

fn classifier(_: &ParsingContext, proto: &pb::NodeProto) -> Parsed {
    parse(proto, true)
}

/// Both operators: a regressor has one result, a classifier a label and scores.
#[derive(Clone, Debug)]
struct Trees {
    ensemble: Arc<Ensemble>,
    classifier: bool,
}

impl PartialEq for Trees {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ensemble, &other.ensemble) && self.classifier == other.classifier
    }
}

impl Eq for Trees {}

impl Trees {
    fn title(&self) -> StaticName {
        if self.classifier {
            "TreeEnsembleClassifier".into()
        } else {
            "TreeEnsembleRegressor".into()
        }
    }
}

impl Expansion for Trees {
    fn name(&self) -> StaticName {
        self.title()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(if self.classifier { 2 } else { 1 })
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, self.nboutputs()?)?;
        s.equals(&inputs[0].rank, 2)?;
        let scores = &outputs[outputs.len() - 1];
        s.equals(&scores.datum_type, f32::datum_type())?;
        s.equals(&scores.rank, 2)?;
        s.equals(&scores.shape[0], &inputs[0].shape[0])?;
        s.equals(&scores.shape[1], (self.ensemble.targets as i64).to_dim())?;
        if self.classifier {
            s.equals(&outputs[0].datum_type, i64::datum_type())?;
            s.equals(&outputs[0].rank, 1)?;
            s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        }
        Ok(())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let floats = model.wire_node(
            format!("{prefix}.f32"),
            tract_core::ops::cast::cast(f32::datum_type()),
            inputs,
        )?;
        model.wire_node(prefix, self.clone(), &floats)
    }
}

impl Op for Trees {
    fn name(&self) -> StaticName {
        self.title()
    }

    op_as_typed_op!();
}

impl EvalOp for Trees {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (rows, width) = match *input.shape() {
            [rows, width] => (rows, width),
            ref other => bail!(
                "the features must have two dimensions, they have {}",
                other.len()
            ),
        };
        let features = input.try_as_plain_ram()?;
        let features = features.as_slice::<f32>()?;
        if self.ensemble.features > width {
            bail!(
                "a node reads feature {} of {width}",
                self.ensemble.features - 1
            );
        }
        let mut scores = Vec::with_capacity(rows * self.ensemble.targets);
        let mut labels = Vec::with_capacity(rows);
        for row in features.chunks(width.max(1)).take(rows) {
            let raw = self.ensemble.raw(row);
            if !self.classifier {
                scores.extend(self.ensemble.finished(raw));
                continue;
            }
            let (label, own) = self.ensemble.classified(raw);
            labels.push(label);
            scores.extend(own);
        }
        let scores = Tensor::from_shape(&[rows, self.ensemble.targets], &scores)?.into_tvalue();
        if self.classifier {
            let labels = Tensor::from_shape(&[rows], &labels)?.into_tvalue();
            return Ok(tvec!(labels, scores));
        }
        Ok(tvec!(scores))
    }
}

impl TypedOp for Trees {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs[0].shape[0].clone();
        let scores = f32::fact(&[rows.clone(), self.ensemble.targets.to_dim()]);
        if self.classifier {
            return Ok(tvec!(i64::fact(&[rows]), scores));
        }
        Ok(tvec!(scores))
    }

    as_op!();
}

fn holds(test: Test, x: f32, threshold: f32) -> bool {
    match test {
        Test::Leq => x <= threshold,
        Test::Lt => x < threshold,
        Test::Gte => x >= threshold,
        Test::Gt => x > threshold,
        Test::Eq => x == threshold,
        Test::Neq => x != threshold,
    }
}

impl Ensemble {
    /// The joined leaves of every target, base values included.
    fn raw(&self, row: &[f32]) -> Vec<f32> {
        let mut joined: Vec<Option<f32>> = vec![None; self.targets];
        for tree in &self.trees {
            let mut at = 0;
            let (first, count) = loop {
                match tree[at] {
                    TreeNode::Leaf { first, count } => break (first as usize, count as usize),
                    TreeNode::Branch {
                        feature,
                        test,
                        threshold,
                        if_true,
                        if_false,
                        missing_is_true,
                    } => {
                        let x = row[feature as usize];
                        let yes = holds(test, x, threshold) || (x.is_nan() && missing_is_true);
                        at = if yes { if_true } else { if_false } as usize;
                    }
                }
            };
            for (target, weight) in &self.leaf_weights[first..first + count] {
                let slot = &mut joined[*target as usize];
                *slot = Some(match (*slot, self.aggregate) {
                    (None, _) => *weight,
                    (Some(sum), Aggregate::Sum | Aggregate::Average) => sum + weight,
                    (Some(least), Aggregate::Min) => least.min(*weight),
                    (Some(most), Aggregate::Max) => most.max(*weight),
                });
            }
        }
        let share = match self.aggregate {
            Aggregate::Average => self.trees.len() as f32,
            _ => 1.0,
        };
        joined
            .into_iter()
            .enumerate()
            .map(|(t, sum)| sum.unwrap_or(0.0) / share + self.base.get(t).copied().unwrap_or(0.0))
            .collect()
    }

    fn finished(&self, raw: Vec<f32>) -> Vec<f32> {
        let logistic = |x: f32| 1.0 / (1.0 + (-x).exp());
        match self.post {
            PostTransform::None => raw,
            PostTransform::Logistic => raw.into_iter().map(logistic).collect(),
            PostTransform::Softmax => softmax(raw, |_| true),
            PostTransform::SoftmaxZero => softmax(raw, |x| x != 0.0),
            PostTransform::Probit => raw
                .into_iter()
                .map(shelfedge_engine::math::probit)
                .collect(),
        }
    }

    fn classified(&self, raw: Vec<f32>) -> (i64, Vec<f32>) {
        let logistic = |x: f32| {
            if self.post == PostTransform::Logistic {
                1.0 / (1.0 + (-x).exp())
            } else {
                x
            }
        };
        let rule =
            |s: f32, positive: bool| self.labels[usize::from(s > if positive { 0.5 } else { 0.0 })];
        match self.two_classes() {
            Some(TwoClasses::First { positive }) => {
                let s = raw[0];
                let scores = match self.post {
                    PostTransform::None if positive => vec![1.0 - s, s],
                    _ => vec![logistic(-s), logistic(s)],
                };
                (rule(s, positive), scores)
            }
            Some(TwoClasses::Second { positive }) => {
                let s = raw[1];
                (rule(s, positive), vec![logistic(0.0), logistic(s)])
            }
            Some(TwoClasses::Both) | None => {
                let mut best = 0;
                for (i, x) in raw.iter().enumerate() {
                    if *x > raw[best] {
                        best = i;
                    }
                }
                (self.labels[best], self.finished(raw))
            }
        }
    }
}

/// Softmax over the scores that count; the others are 0.
fn softmax(raw: Vec<f32>, counts: impl Fn(f32) -> bool) -> Vec<f32> {
    let most = raw.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f32> = raw
        .iter()
        .map(|x| if counts(*x) { (x - most).exp() } else { 0.0 })
        .collect();
    let sum: f32 = exps.iter().sum();
    if sum == 0.0 {
        return exps;
    }
    exps.into_iter().map(|e| e / sum).collect()
}
