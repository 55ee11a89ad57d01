//! Writes ONNX.
//!
//! A [`Graph`] grows by inputs, weights and layers, and [`Graph::finish`] gives
//! the file's bytes: the same calls give the same bytes. Every value's shape is
//! tracked, so that a layer that doesn't fit is a fault, and `finish` reports
//! all faults at once.
//!
//! The layers are written in operators that tract, onnxruntime and
//! [`crate::lower()`] read alike: operator set 17, ai.onnx.ml 3, IR version 8.

mod layers;
mod trees;

use core::fmt;
use std::collections::BTreeSet;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};

pub use crate::graph::Dim;
use crate::lower::show;

/// What both tract 0.23 and onnxruntime 1.2x read.
const OPSET: i64 = 17;
const ML_OPSET: i64 = 3;
const IR_VERSION: i64 = 8;
/// The symbolic dimension.
const ROWS: &str = "N";

/// A value of a graph that is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// What a value's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32-bit floats.
    F32,
    /// 64-bit integers: indices and labels.
    I64,
}

/// How a list is reduced to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Maximum.
    Max,
}

/// A function after a dense layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// None.
    None,
    /// max(x, 0)
    Relu,
    /// x for x >= 0, else the factor times x.
    LeakyRelu(f32),
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Exact Gaussian error linear unit.
    Gelu,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    name: String,
    value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq)]
enum AttributeValue {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Texts(Vec<String>),
}

impl Attribute {
    fn new(name: &str, value: AttributeValue) -> Self {
        Self {
            name: name.to_owned(),
            value,
        }
    }

    /// An integer.
    #[must_use]
    pub fn int(name: &str, value: i64) -> Self {
        Self::new(name, AttributeValue::Int(value))
    }

    /// A float.
    #[must_use]
    pub fn float(name: &str, value: f32) -> Self {
        Self::new(name, AttributeValue::Float(value))
    }

    /// A text.
    #[must_use]
    pub fn text(name: &str, value: &str) -> Self {
        Self::new(name, AttributeValue::Text(value.to_owned()))
    }

    /// A list of integers.
    #[must_use]
    pub fn ints(name: &str, value: Vec<i64>) -> Self {
        Self::new(name, AttributeValue::Ints(value))
    }

    /// A list of floats.
    #[must_use]
    pub fn floats(name: &str, value: Vec<f32>) -> Self {
        Self::new(name, AttributeValue::Floats(value))
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(name: &str, value: Vec<String>) -> Self {
        Self::new(name, AttributeValue::Texts(value))
    }

    fn proto(&self) -> pb::AttributeProto {
        let mut proto = pb::AttributeProto {
            name: self.name.clone(),
            ..Default::default()
        };
        let kind = match &self.value {
            AttributeValue::Int(v) => {
                proto.i = *v;
                AttributeType::Int
            }
            AttributeValue::Float(v) => {
                proto.f = *v;
                AttributeType::Float
            }
            AttributeValue::Text(v) => {
                proto.s = v.as_bytes().to_vec();
                AttributeType::String
            }
            AttributeValue::Ints(v) => {
                proto.ints = v.clone();
                AttributeType::Ints
            }
            AttributeValue::Floats(v) => {
                proto.floats = v.clone();
                AttributeType::Floats
            }
            AttributeValue::Texts(v) => {
                proto.strings = v.iter().map(|s| s.as_bytes().to_vec()).collect();
                AttributeType::Strings
            }
        };
        proto.r#type = kind as i32;
        proto
    }
}

/// Everything that is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// One sentence a fault, in the order of the calls.
    pub faults: Vec<String>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the graph can't be built: {}", self.faults.join("; "))
    }
}

impl core::error::Error for BuildError {}

#[derive(Clone, Debug)]
struct Value {
    name: String,
    kind: Kind,
    dims: Vec<Dim>,
}

/// An ONNX graph that is being built.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    producer: (String, String),
    values: Vec<Value>,
    names: BTreeSet<String>,
    inputs: Vec<Var>,
    outputs: Vec<(String, Var)>,
    initializers: Vec<pb::TensorProto>,
    nodes: Vec<pb::NodeProto>,
    metadata: Vec<(String, String)>,
    faults: Vec<String>,
}

impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            producer: ("shelfedge".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            values: Vec::new(),
            names: BTreeSet::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            initializers: Vec::new(),
            nodes: Vec::new(),
            metadata: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Names the program that makes the file.
    pub fn producer(&mut self, name: &str, version: &str) {
        self.producer = (name.to_owned(), version.to_owned());
    }

    /// Adds an entry to the file's metadata.
    pub fn metadata(&mut self, key: &str, value: &str) {
        if self.metadata.iter().any(|(k, _)| k == key) {
            self.fault(format!("the metadata `{key}` is given twice"));
        }
        self.metadata.push((key.to_owned(), value.to_owned()));
    }

    /// Declares an input.
    pub fn input(&mut self, name: &str, kind: Kind, dims: &[Dim]) -> Var {
        if dims.iter().skip(1).any(|d| *d == Dim::Rows) {
            self.fault(format!(
                "input `{name}`: only the first dimension may be the rows"
            ));
        }
        let var = self.declare(name, kind, dims.to_vec());
        self.inputs.push(var);
        var
    }

    /// Adds a constant of floats.
    pub fn f32(&mut self, name: &str, dims: &[usize], data: Vec<f32>) -> Var {
        let raw = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, Kind::F32, DataType::Float, dims, data.len(), raw)
    }

    /// Adds a constant of integers.
    pub fn i64(&mut self, name: &str, dims: &[usize], data: Vec<i64>) -> Var {
        let raw = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, Kind::I64, DataType::Int64, dims, data.len(), raw)
    }

    /// Adds a matrix stored in 8 bits, with a scale for each of its rows.
    pub fn int8(&mut self, name: &str, dims: [usize; 2], q: Vec<i8>, row_scale: Vec<f32>) -> Var {
        let raw = q.iter().map(|v| v.to_le_bytes()[0]).collect();
        let quantised = self.initializer(name, Kind::I64, DataType::Int8, &dims, q.len(), raw);
        if row_scale.len() != dims[0] {
            self.fault(format!(
                "`{name}`: {} scales for {} rows",
                row_scale.len(),
                dims[0]
            ));
        }
        let scale = self.f32(&format!("{name}.scale"), &[row_scale.len()], row_scale);
        let shape = [Dim::Fixed(dims[0]), Dim::Fixed(dims[1])];
        self.node(
            "DequantizeLinear",
            &[quantised, scale],
            vec![Attribute::int("axis", 0)],
            Kind::F32,
            &shape,
        )
    }

    /// Gives a value out under a name.
    pub fn output(&mut self, name: &str, value: Var) {
        let (kind, dims) = (self.kind(value), self.dims(value).to_vec());
        let named = self.declare(name, kind, dims);
        self.push("Identity", &[value], Vec::new(), &[named]);
        self.outputs.push((name.to_owned(), named));
    }

    /// The shape of a value.
    #[must_use]
    pub fn dims(&self, value: Var) -> &[Dim] {
        self.values.get(value.0).map_or(&[], |v| &v.dims)
    }

    fn kind(&self, value: Var) -> Kind {
        self.values.get(value.0).map_or(Kind::F32, |v| v.kind)
    }

    fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    fn declare(&mut self, name: &str, kind: Kind, dims: Vec<Dim>) -> Var {
        if name.is_empty() {
            self.fault("a value has an empty name".to_owned());
        }
        if !self.names.insert(name.to_owned()) {
            self.fault(format!("the name `{name}` is given twice"));
        }
        if dims.contains(&Dim::Fixed(0)) {
            self.fault(format!(
                "`{name}` has the shape {}, with no element",
                show(&dims)
            ));
        }
        self.values.push(Value {
            name: name.to_owned(),
            kind,
            dims,
        });
        Var(self.values.len() - 1)
    }

    fn initializer(
        &mut self,
        name: &str,
        kind: Kind,
        element: DataType,
        dims: &[usize],
        count: usize,
        raw_data: Vec<u8>,
    ) -> Var {
        let volume = dims.iter().fold(1usize, |v, d| v.saturating_mul(*d));
        if volume != count {
            self.fault(format!(
                "`{name}` of shape {dims:?} needs {volume} elements and gets {count}"
            ));
        }
        self.initializers.push(pb::TensorProto {
            dims: dims.iter().map(|d| *d as i64).collect(),
            data_type: element as i32,
            name: name.to_owned(),
            raw_data,
            ..Default::default()
        });
        self.declare(name, kind, dims.iter().map(|d| Dim::Fixed(*d)).collect())
    }

    fn fresh(&self, op: &str) -> String {
        // A layer's values are numbered through, so a name is taken only if the
        // caller chose one like it.
        let mut n = self.values.len();
        loop {
            let name = format!("{}_{n}", op.to_lowercase());
            if !self.names.contains(&name) {
                return name;
            }
            n += 1;
        }
    }

    /// Adds a node of any operator, whose result has the given kind and shape.
    pub fn node(
        &mut self,
        op: &str,
        inputs: &[Var],
        attributes: Vec<Attribute>,
        kind: Kind,
        dims: &[Dim],
    ) -> Var {
        let name = self.fresh(op);
        let output = self.declare(&name, kind, dims.to_vec());
        self.push(op, inputs, attributes, &[output]);
        output
    }

    fn push(&mut self, op: &str, inputs: &[Var], attributes: Vec<Attribute>, outputs: &[Var]) {
        let name = |v: &Var| {
            self.values
                .get(v.0)
                .map(|v| v.name.clone())
                .unwrap_or_default()
        };
        let domain = if op.starts_with("TreeEnsemble") {
            "ai.onnx.ml"
        } else {
            ""
        };
        self.nodes.push(pb::NodeProto {
            input: inputs.iter().map(name).collect(),
            output: outputs.iter().map(name).collect(),
            name: format!("{op}_{}", self.nodes.len()),
            op_type: op.to_owned(),
            domain: domain.to_owned(),
            attribute: attributes.iter().map(Attribute::proto).collect(),
            doc_string: String::new(),
        });
    }

    /// The file's bytes.
    ///
    /// # Errors
    ///
    /// Every misuse of the builder, all at once.
    pub fn finish(&self) -> Result<Vec<u8>, BuildError> {
        let mut faults = self.faults.clone();
        if self.outputs.is_empty() {
            faults.push("the graph has no output".to_owned());
        }
        if !faults.is_empty() {
            return Err(BuildError { faults });
        }
        let opset = |domain: &str, version| pb::OperatorSetIdProto {
            domain: domain.to_owned(),
            version,
        };
        let mut opset_import = vec![opset("", OPSET)];
        if self.nodes.iter().any(|n| !n.domain.is_empty()) {
            opset_import.push(opset("ai.onnx.ml", ML_OPSET));
        }
        let model = pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import,
            producer_name: self.producer.0.clone(),
            producer_version: self.producer.1.clone(),
            graph: Some(pb::GraphProto {
                node: self.nodes.clone(),
                name: self.name.clone(),
                initializer: self.initializers.clone(),
                input: self.inputs.iter().map(|v| self.info(*v)).collect(),
                output: self.outputs.iter().map(|(_, v)| self.info(*v)).collect(),
                ..Default::default()
            }),
            metadata_props: self
                .metadata
                .iter()
                .map(|(key, value)| pb::StringStringEntryProto {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
            ..Default::default()
        };
        Ok(model.encode_to_vec())
    }

    fn info(&self, var: Var) -> pb::ValueInfoProto {
        let value = &self.values[var.0];
        let dim = value
            .dims
            .iter()
            .map(|d| Dimension {
                denotation: String::new(),
                value: Some(match d {
                    Dim::Fixed(size) => dimension::Value::DimValue(*size as i64),
                    Dim::Rows => dimension::Value::DimParam(ROWS.to_owned()),
                }),
            })
            .collect();
        let element = match value.kind {
            Kind::F32 => DataType::Float,
            Kind::I64 => DataType::Int64,
        };
        pb::ValueInfoProto {
            name: value.name.clone(),
            r#type: Some(pb::TypeProto {
                denotation: String::new(),
                value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                    elem_type: element as i32,
                    shape: Some(pb::TensorShapeProto { dim }),
                })),
            }),
            doc_string: String::new(),
        }
    }
}
