//! Runs any ONNX, through tract: the reference for compiled models, and the
//! way to serve a model that can't be compiled.
//!
//! tract 0.23 knows no `TreeEnsembleRegressor`, and its `TreeEnsembleClassifier`
//! treats `BRANCH_GTE` as a leaf and starts minima and maxima at 0, so both are
//! registered here.

mod trees;

use core::fmt;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::tract_core::prelude::{
    DatumType, Framework, Graph, IntoRunnable, RunnableModel, TValue, TVec, TypedFact, TypedOp,
};
use tract_onnx::tract_hir::internal as tract;

use crate::error::{LowerError, printable};
use crate::{Limits, graph};

/// A tensor that goes in or comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Floats.
    F32 {
        /// Shape.
        dims: Vec<usize>,
        /// Elements, row-major.
        data: Vec<f32>,
    },
    /// Integers: also passed to inputs of 32-bit integers.
    I64 {
        /// Shape.
        dims: Vec<usize>,
        /// Elements, row-major.
        data: Vec<i64>,
    },
}

impl Tensor {
    /// The shape.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        match self {
            Self::F32 { dims, .. } | Self::I64 { dims, .. } => dims,
        }
    }
}

/// Why the reference can't load or run a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The bytes aren't an ONNX within the limits.
    File(LowerError),
    /// tract can't load it.
    Load(String),
    /// The call's inputs don't fit the model's.
    Input(String),
    /// tract can't run it.
    Run(String),
}

impl ReferenceError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Load(_) => "reference_load",
            Self::Input(_) => "reference_input",
            Self::Run(_) => "reference_run",
        }
    }
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Load(cause) => {
                write!(
                    f,
                    "tract can't load the model: {cause}; use operators that tract supports"
                )
            }
            Self::Input(cause) => write!(f, "the inputs don't fit the model: {cause}"),
            Self::Run(cause) => write!(
                f,
                "tract can't run the model: {cause}; check the inputs' values and shapes"
            ),
        }
    }
}

impl core::error::Error for ReferenceError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            _ => None,
        }
    }
}

type Plan = Arc<RunnableModel<TypedFact, Box<dyn TypedOp>>>;

/// A model in tract.
pub struct Reference {
    model: tract::InferenceModel,
    inputs: Vec<String>,
    outputs: Vec<String>,
    integers: Vec<Option<DatumType>>,
    /// The inputs' sizes, where they are floats of a known rank.
    shapes: Vec<Option<Vec<Option<usize>>>>,
    /// The plan for any number of rows, where tract can make one.
    symbolic: Option<Plan>,
    /// Plans for the shapes that were used, where it can't.
    plans: Mutex<BTreeMap<Vec<Vec<usize>>, Plan>>,
}

/// More shapes than this aren't kept.
const MAX_PLANS: usize = 16;

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// tract panics on some malformed models; a panic is turned into an error.
fn guarded<T>(
    wrap: fn(String) -> ReferenceError,
    f: impl FnOnce() -> tract::TractResult<T>,
) -> Result<T, ReferenceError> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(wrap(format!("{error:#}"))),
        Err(_) => Err(wrap("it panicked".to_owned())),
    }
}

impl Reference {
    /// Loads an ONNX.
    ///
    /// # Errors
    ///
    /// When the bytes aren't an ONNX within the default [`Limits`], or use an
    /// operator that tract doesn't know.
    pub fn load(bytes: &[u8]) -> Result<Self, ReferenceError> {
        let proto = graph::decode(bytes, Limits::default()).map_err(ReferenceError::File)?;
        let names = |list: &[tract_onnx::pb::ValueInfoProto]| -> Vec<String> {
            list.iter().map(|i| i.name.clone()).collect()
        };
        let (inputs, outputs) = match &proto.graph {
            Some(graph) => {
                let weights: Vec<&str> =
                    graph.initializer.iter().map(|t| t.name.as_str()).collect();
                let mut inputs = names(&graph.input);
                inputs.retain(|name| !weights.contains(&name.as_str()));
                (inputs, names(&graph.output))
            }
            None => (Vec::new(), Vec::new()),
        };
        // What the file says of values inside is for any shapes, and would contradict the given ones.
        let mut framework = tract_onnx::onnx()
            .with_ignore_value_info(true)
            .with_ignore_output_shapes(true);
        trees::register(&mut framework);
        let model = guarded(ReferenceError::Load, || {
            framework.model_for_proto_model(&proto)
        })?;
        if model.inputs.len() != inputs.len() {
            return Err(ReferenceError::Load(
                "its inputs aren't those that the file declares".to_owned(),
            ));
        }
        let integers = guarded(ReferenceError::Load, || {
            (0..inputs.len())
                .map(|i| Ok(tract::Factoid::concretize(&model.input_fact(i)?.datum_type)))
                .collect()
        })?;
        let shapes = guarded(ReferenceError::Load, || {
            (0..inputs.len())
                .map(|i| Ok(sizes(model.input_fact(i)?)))
                .collect()
        })?;
        let symbolic = guarded(ReferenceError::Load, || plan(model.clone())).ok();
        let this = Self {
            model,
            inputs,
            outputs,
            integers,
            shapes,
            symbolic,
            plans: Mutex::default(),
        };
        if this.symbolic.is_none() {
            // Say at once what can't work for any number of rows either.
            this.unsupported()?;
        }
        Ok(this)
    }

    fn unsupported(&self) -> Result<(), ReferenceError> {
        let unknown = self
            .model
            .nodes
            .iter()
            .find(|n| n.op_is::<tract_onnx::tract_hir::ops::unimpl::UnimplementedOp>());
        match unknown {
            Some(node) => Err(ReferenceError::Load(format!(
                "node `{}` has the operator {}, which tract doesn't know",
                printable(&node.name),
                printable(&node.op.name())
            ))),
            None => Ok(()),
        }
    }

    /// The names of the inputs.
    #[must_use]
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The sizes of an input of floats, none where one is free; nothing where it is no
    /// such input, or of a rank that the file doesn't tell.
    #[must_use]
    pub fn shape(&self, input: &str) -> Option<&[Option<usize>]> {
        let at = self.inputs.iter().position(|name| name == input)?;
        self.shapes.get(at)?.as_deref()
    }

    /// The names of the outputs.
    #[must_use]
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Computes the outputs for inputs given by name, in any order.
    ///
    /// # Errors
    ///
    /// When an input is missing, unknown, of another kind or shape, or when
    /// tract fails.
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>, ReferenceError> {
        if let Some((unknown, _)) = inputs
            .iter()
            .find(|(name, _)| !self.inputs.iter().any(|i| i == name))
        {
            return Err(ReferenceError::Input(format!(
                "there is no input `{}`",
                printable(unknown)
            )));
        }
        let mut ordered = Vec::new();
        for name in &self.inputs {
            match inputs.iter().find(|(given, _)| given == name) {
                Some((_, tensor)) => ordered.push(tensor),
                None => {
                    return Err(ReferenceError::Input(format!(
                        "the input `{}` is missing",
                        printable(name)
                    )));
                }
            }
        }
        let mut values: TVec<TValue> = TVec::new();
        for ((tensor, name), kind) in ordered.iter().zip(&self.inputs).zip(&self.integers) {
            values.push(value(tensor, name, *kind)?);
        }
        let run = |plan: &Plan| guarded(ReferenceError::Run, || plan.run(values.clone()));
        let by_symbols = self.symbolic.as_ref().map(run);
        // A plan for any number of rows may fail where one for these shapes doesn't.
        let results = match by_symbols {
            Some(Ok(results)) => results,
            None | Some(Err(_)) => run(&self.concrete(&ordered)?)?,
        };
        results
            .iter()
            .zip(&self.outputs)
            .map(|(value, name)| Ok((name.clone(), tensor(value)?)))
            .collect()
    }

    /// A plan for exactly these shapes.
    fn concrete(&self, inputs: &[&Tensor]) -> Result<Plan, ReferenceError> {
        let key: Vec<Vec<usize>> = inputs.iter().map(|t| t.dims().to_vec()).collect();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&key) {
            return Ok(Arc::clone(plan));
        }
        let made = guarded(ReferenceError::Run, || {
            let mut model = self.model.clone();
            for (i, dims) in key.iter().enumerate() {
                let fact = model
                    .input_fact(i)?
                    .clone()
                    .with_shape(dims.iter().copied());
                model.set_input_fact(i, fact)?;
            }
            plan(model)
        })?;
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// The sizes of a value, if it is one of floats with a known rank.
fn sizes(fact: &tract::InferenceFact) -> Option<Vec<Option<usize>>> {
    let kind = tract::Factoid::concretize(&fact.datum_type);
    let rank = tract::Factoid::concretize(&fact.shape.rank())?;
    let floats = kind.is_some_and(|kind| kind.is_float());
    let size = |at: usize| {
        use tract::DimLike as _;
        let dim = tract::Factoid::concretize(&fact.shape.dim(at)?)?;
        dim.to_usize().ok()
    };
    floats.then(|| (0..rank as usize).map(size).collect())
}

fn plan(model: tract::InferenceModel) -> tract::TractResult<Plan> {
    use tract::InferenceModelExt as _;
    let typed: Graph<TypedFact, Box<dyn TypedOp>> = model.into_optimized()?;
    typed.into_runnable()
}

fn value(tensor: &Tensor, name: &str, kind: Option<DatumType>) -> Result<TValue, ReferenceError> {
    let volume = tensor
        .dims()
        .iter()
        .fold(1usize, |v, d| v.saturating_mul(*d));
    let (count, floats) = match tensor {
        Tensor::F32 { data, .. } => (data.len(), true),
        Tensor::I64 { data, .. } => (data.len(), false),
    };
    if volume != count {
        return Err(ReferenceError::Input(format!(
            "`{}` of shape {:?} needs {volume} elements and has {count}",
            printable(name),
            tensor.dims()
        )));
    }
    if kind.is_some_and(|k| k.is_float() != floats) {
        return Err(ReferenceError::Input(format!(
            "`{}` has the wrong element type",
            printable(name)
        )));
    }
    guarded(ReferenceError::Input, || {
        let made = match tensor {
            Tensor::F32 { dims, data } => tract::Tensor::from_shape(dims, data)?,
            Tensor::I64 { dims, data } => tract::Tensor::from_shape(dims, data)?,
        };
        let made = match kind {
            Some(kind) => made.cast_to_dt(kind)?.into_owned(),
            None => made,
        };
        Ok(TValue::from(made))
    })
}

fn tensor(value: &TValue) -> Result<Tensor, ReferenceError> {
    guarded(ReferenceError::Run, || {
        let dims = value.shape().to_vec();
        if value.datum_type().is_float() {
            let floats = value.cast_to::<f32>()?;
            let data = floats.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
            return Ok(Tensor::F32 { dims, data });
        }
        let integers = value.cast_to::<i64>()?;
        let data = integers.try_as_plain_ram()?.as_slice::<i64>()?.to_vec();
        Ok(Tensor::I64 { dims, data })
    })
}
