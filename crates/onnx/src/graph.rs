//! The ONNX graph as the lowering reads it: checked, sorted, with decoded
//! constants, and free of protobuf.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;

use crate::Limits;
use crate::constant::{Constant, MAX_RANK};
use crate::error::{LowerError, fault, printable, refuse};
use crate::scan::scan;

/// A dimension of an ONNX shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Known when the model is built.
    Fixed(usize),
    /// The number of rows of a call, the symbolic dimension "N".
    Rows,
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

/// What the elements of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    Integer,
}

#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) dims: Vec<Dim>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) operator: String,
    /// Empty names are inputs that are left out.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: BTreeMap<String, pb::AttributeProto>,
}

#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) opset: i64,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<String>,
    pub(crate) constants: BTreeMap<String, Constant>,
    /// In an order in which every node comes after those it needs.
    pub(crate) nodes: Vec<Node>,
    pub(crate) metadata: Vec<(String, String)>,
}

/// The oldest and newest operator set whose meaning the lowering knows.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=22;

/// Decodes within the limits.
pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<pb::ModelProto, LowerError> {
    scan(bytes, limits)?;
    pb::ModelProto::decode(bytes).map_err(|e| fault!(NotOnnx, "{}", printable(&e.to_string())))
}

impl Graph {
    pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Self, LowerError> {
        let model = decode(bytes, limits)?;
        let opset = opset(&model)?;
        if !model.functions.is_empty() {
            refuse!(
                UnsupportedUse,
                "the model defines functions of its own: inline them"
            );
        }
        let metadata = metadata(&model)?;
        let Some(proto) = model.graph else {
            refuse!(NotOnnx, "the model has no graph")
        };
        if !proto.sparse_initializer.is_empty() {
            refuse!(
                UnsupportedUse,
                "the model has sparse initializers: store them dense"
            );
        }
        let mut constants = BTreeMap::new();
        let mut total = 0usize;
        for tensor in &proto.initializer {
            let constant = Constant::parse(tensor, limits)?;
            total = total.saturating_add(constant.len());
            if total > limits.elements {
                refuse!(
                    TooLarge,
                    "the weights have more than {} elements together",
                    limits.elements
                );
            }
            if tensor.name.is_empty() {
                refuse!(Malformed, "an initializer has no name");
            }
            if constants.insert(tensor.name.clone(), constant).is_some() {
                refuse!(
                    Malformed,
                    "two initializers are named `{}`",
                    printable(&tensor.name)
                );
            }
        }
        let inputs = inputs(&proto.input, &constants)?;
        let mut defined: BTreeSet<&str> = constants.keys().map(String::as_str).collect();
        for input in &inputs {
            if !defined.insert(&input.name) {
                refuse!(
                    Malformed,
                    "two inputs are named `{}`",
                    printable(&input.name)
                );
            }
        }
        let nodes = proto
            .node
            .into_iter()
            .enumerate()
            .map(|(index, node)| self::node(index, node))
            .collect::<Result<Vec<_>, _>>()?;
        let nodes = sort(nodes, &defined)?;
        let mut outputs = Vec::new();
        let produced: BTreeSet<&str> = nodes
            .iter()
            .flat_map(|n| &n.outputs)
            .map(String::as_str)
            .collect();
        for output in &proto.output {
            let name = output.name.as_str();
            if !defined.contains(name) && !produced.contains(name) {
                refuse!(
                    Malformed,
                    "the output `{}` is computed by no node",
                    printable(name)
                );
            }
            if outputs.iter().any(|o| o == name) {
                refuse!(Malformed, "two outputs are named `{}`", printable(name));
            }
            outputs.push(output.name.clone());
        }
        if outputs.is_empty() {
            refuse!(Malformed, "the graph has no output");
        }
        drop(defined);
        Ok(Self {
            opset,
            inputs,
            outputs,
            constants,
            nodes,
            metadata,
        })
    }
}

fn opset(model: &pb::ModelProto) -> Result<i64, LowerError> {
    let of = |domains: &[&str]| {
        model
            .opset_import
            .iter()
            .find(|o| domains.contains(&o.domain.as_str()))
            .map(|o| o.version)
    };
    if let Some(ml) = of(&["ai.onnx.ml"])
        && !(1..=4).contains(&ml)
    {
        refuse!(
            UnsupportedOperator,
            "the model uses version {ml} of ai.onnx.ml; versions 1 to 4 are known"
        );
    }
    match of(&["", "ai.onnx"]) {
        Some(version) if OPSETS.contains(&version) => Ok(version),
        Some(version) => refuse!(
            UnsupportedOperator,
            "the model uses operator set {version}; {} to {} are known",
            OPSETS.start(),
            OPSETS.end()
        ),
        // A model of ai.onnx.ml operators alone may leave the main set out.
        None if of(&["ai.onnx.ml"]).is_some() => Ok(*OPSETS.end()),
        None => refuse!(NotOnnx, "the model names no operator set"),
    }
}

pub(crate) fn metadata(model: &pb::ModelProto) -> Result<Vec<(String, String)>, LowerError> {
    let mut seen = BTreeSet::new();
    for entry in &model.metadata_props {
        if !seen.insert(&entry.key) {
            refuse!(
                Malformed,
                "the metadata has two entries named `{}`",
                printable(&entry.key)
            );
        }
    }
    Ok(model
        .metadata_props
        .iter()
        .map(|e| (e.key.clone(), e.value.clone()))
        .collect())
}

fn inputs(
    protos: &[pb::ValueInfoProto],
    constants: &BTreeMap<String, Constant>,
) -> Result<Vec<Input>, LowerError> {
    let mut symbol: Option<String> = None;
    let mut inputs = Vec::new();
    for proto in protos {
        // Up to IR version 3 initializers were listed among the inputs.
        if constants.contains_key(&proto.name) {
            continue;
        }
        let name = printable(&proto.name);
        if proto.name.is_empty() {
            refuse!(Malformed, "an input has no name");
        }
        let Some(pb::type_proto::Value::TensorType(kind)) =
            proto.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            refuse!(UnsupportedUse, "input `{name}` isn't a tensor");
        };
        let element = match DataType::try_from(kind.elem_type) {
            Ok(DataType::Float) => Element::F32,
            Ok(DataType::Int64 | DataType::Int32) => Element::Integer,
            Ok(other) => refuse!(
                UnsupportedUse,
                "input `{name}` holds elements of type {}; FLOAT, INT64 and INT32 are supported",
                other.as_str_name()
            ),
            Err(_) => refuse!(
                Malformed,
                "input `{name}` has the unknown element type {}",
                kind.elem_type
            ),
        };
        let Some(shape) = &kind.shape else {
            refuse!(UnsupportedUse, "input `{name}` has no shape")
        };
        if shape.dim.len() > MAX_RANK {
            refuse!(
                TooLarge,
                "input `{name}` has {} dimensions, the limit is {MAX_RANK}",
                shape.dim.len()
            );
        }
        let mut dims = Vec::new();
        for (axis, dim) in shape.dim.iter().enumerate() {
            use pb::tensor_shape_proto::dimension::Value;
            dims.push(match &dim.value {
                Some(Value::DimValue(size)) => match usize::try_from(*size) {
                    Ok(size) if size > 0 => Dim::Fixed(size),
                    _ => refuse!(Malformed, "input `{name}` has the dimension {size}"),
                },
                _ if axis > 0 => refuse!(
                    UnsupportedUse,
                    "dimension {axis} of input `{name}` is symbolic; only the first, the number of rows, may be"
                ),
                other => {
                    if let Some(Value::DimParam(found)) = other
                        && !found.is_empty()
                    {
                        match &symbol {
                            Some(known) if known != found => refuse!(
                                UnsupportedUse,
                                "the inputs have two symbolic dimensions, `{}` and `{}`; only one, the number of rows, may be",
                                printable(known),
                                printable(found)
                            ),
                            _ => symbol = Some(found.clone()),
                        }
                    }
                    Dim::Rows
                }
            });
        }
        inputs.push(Input {
            name: proto.name.clone(),
            element,
            dims,
        });
    }
    Ok(inputs)
}

pub(crate) fn node(index: usize, proto: pb::NodeProto) -> Result<Node, LowerError> {
    let name = match proto.name.is_empty() {
        false => proto.name,
        true => proto
            .output
            .iter()
            .find(|o| !o.is_empty())
            .cloned()
            .unwrap_or_else(|| format!("#{index}")),
    };
    let operator = match proto.domain.as_str() {
        "" | "ai.onnx" | "ai.onnx.ml" => proto.op_type,
        domain => format!("{domain}.{}", proto.op_type),
    };
    let mut attributes = BTreeMap::new();
    for attribute in proto.attribute {
        let key = attribute.name.clone();
        if attributes.insert(key.clone(), attribute).is_some() {
            return Err(fault!(
                Malformed,
                "the attribute `{}` is given twice",
                printable(&key)
            )
            .at(&name, &operator));
        }
    }
    Ok(Node {
        name,
        operator,
        inputs: proto.input,
        outputs: proto.output,
        attributes,
    })
}

/// Puts the nodes into an order in which they can be computed, keeping the
/// file's order where it is one.
fn sort(nodes: Vec<Node>, defined: &BTreeSet<&str>) -> Result<Vec<Node>, LowerError> {
    let mut producer: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if defined.contains(output.as_str()) || producer.insert(output, index).is_some() {
                return Err(
                    fault!(Malformed, "`{}` is defined twice", printable(output))
                        .at(&node.name, &node.operator),
                );
            }
        }
    }
    let mut needs: Vec<BTreeSet<usize>> = Vec::with_capacity(nodes.len());
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let mut set = BTreeSet::new();
        for input in node
            .inputs
            .iter()
            .filter(|i| !i.is_empty() && !defined.contains(i.as_str()))
        {
            match producer.get(input.as_str()) {
                Some(from) => {
                    if set.insert(*from) {
                        users[*from].push(index);
                    }
                }
                None => {
                    return Err(fault!(
                        Malformed,
                        "the input `{}` is defined nowhere",
                        printable(input)
                    )
                    .at(&node.name, &node.operator));
                }
            }
        }
        needs.push(set);
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|i| needs[*i].is_empty()).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for user in &users[index] {
            needs[*user].remove(&index);
            if needs[*user].is_empty() {
                ready.insert(*user);
            }
        }
    }
    if let Some(start) = needs.iter().position(|n| !n.is_empty()) {
        // Every node that is left needs another that is left, so following the
        // needs runs into the cycle.
        let mut path = vec![start];
        let cycle = loop {
            let last = path[path.len() - 1];
            let Some(next) = needs[last].first().copied() else {
                break path;
            };
            if let Some(at) = path.iter().position(|i| *i == next) {
                break path.split_off(at);
            }
            path.push(next);
        };
        let names: Vec<String> = cycle
            .iter()
            .take(8)
            .map(|i| printable(&nodes[*i].name))
            .collect();
        let first = &nodes[cycle[0]];
        return Err(fault!(
            Cycle,
            "these nodes need each other's results: {}",
            names.join(", ")
        )
        .at(&first.name, &first.operator));
    }
    let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|i| slots[i].take()).collect())
}

impl Node {
    fn attribute(
        &self,
        name: &str,
        kind: AttributeType,
    ) -> Result<Option<&pb::AttributeProto>, LowerError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(found) if !found.ref_attr_name.is_empty() => {
                refuse!(
                    UnsupportedUse,
                    "the attribute `{name}` refers to a function's attribute"
                )
            }
            Some(found) if found.r#type == kind as i32 => Ok(Some(found)),
            Some(found) => refuse!(
                Malformed,
                "the attribute `{name}` must be of type {}, it is {}",
                kind.as_str_name(),
                AttributeType::try_from(found.r#type).map_or("unknown", |t| t.as_str_name())
            ),
        }
    }

    pub(crate) fn int(&self, name: &str) -> Result<Option<i64>, LowerError> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|a| a.i))
    }

    pub(crate) fn float(&self, name: &str) -> Result<Option<f32>, LowerError> {
        Ok(self.attribute(name, AttributeType::Float)?.map(|a| a.f))
    }

    pub(crate) fn ints(&self, name: &str) -> Result<Option<&[i64]>, LowerError> {
        Ok(self
            .attribute(name, AttributeType::Ints)?
            .map(|a| a.ints.as_slice()))
    }

    pub(crate) fn floats(&self, name: &str) -> Result<Option<&[f32]>, LowerError> {
        Ok(self
            .attribute(name, AttributeType::Floats)?
            .map(|a| a.floats.as_slice()))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, LowerError> {
        self.attribute(name, AttributeType::String)?
            .map(|a| utf8(name, &a.s))
            .transpose()
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, LowerError> {
        self.attribute(name, AttributeType::Strings)?
            .map(|a| a.strings.iter().map(|s| utf8(name, s)).collect())
            .transpose()
    }

    pub(crate) fn tensor(
        &self,
        name: &str,
        limits: Limits,
    ) -> Result<Option<Constant>, LowerError> {
        match self.attribute(name, AttributeType::Tensor)? {
            None => Ok(None),
            Some(found) => match &found.t {
                Some(proto) => {
                    Constant::parse(proto, limits).map(|c| Some(Constant { name: None, ..c }))
                }
                None => refuse!(Malformed, "the attribute `{name}` holds no tensor"),
            },
        }
    }

    /// Whether an input is given.
    pub(crate) fn has(&self, input: usize) -> bool {
        self.inputs.get(input).is_some_and(|i| !i.is_empty())
    }
}

fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, LowerError> {
    std::str::from_utf8(bytes).map_err(|_| fault!(Malformed, "the attribute `{name}` isn't UTF-8"))
}
