//! A look at the raw protobuf before it is decoded.
//!
//! A protobuf message of two bytes decodes into a structure of hundreds of
//! bytes, so a file within the size limit could still ask for a hundred times
//! its size in memory. This pass walks the wire format without allocating, adds
//! up what decoding will need, and refuses what is beyond the limits.

use std::mem::size_of;

use tract_onnx::pb;

use crate::Limits;
use crate::error::{LowerError, refuse};

/// Which message the bytes hold; the field numbers are those of `onnx.proto`.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    /// Anything small: it isn't entered, but charged for the worst it could
    /// decode into.
    Small,
}

impl Message {
    /// What a length-delimited field holds; `None` for bytes, strings and
    /// packed numbers.
    const fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Model, 8 | 14 | 20 | 25)
            | (Self::Graph, 11..=15)
            | (Self::Attribute, 14 | 15 | 22 | 23)
            | (Self::Tensor, 3 | 13) => Some(Self::Small),
            _ => None,
        }
    }

    /// Bytes of the decoded structure, with room for a growing list's reserve.
    const fn size(self) -> usize {
        2 * match self {
            Self::Model => size_of::<pb::ModelProto>(),
            Self::Graph => size_of::<pb::GraphProto>(),
            Self::Node => size_of::<pb::NodeProto>(),
            Self::Attribute => size_of::<pb::AttributeProto>(),
            Self::Tensor => size_of::<pb::TensorProto>(),
            Self::Small => 256,
        }
    }
}

const MAX_DEPTH: usize = 16;
/// Nothing in ONNX that isn't a message of its own decodes into more than this
/// many times its bytes: an empty string of two bytes becomes 24 bytes, in a
/// list that may have grown to twice its length.
const SCALAR_GROWTH: usize = 24;
/// The same for the small messages: a dimension of two bytes becomes some 56.
const SMALL_GROWTH: usize = 64;

struct Scan {
    nodes: usize,
    memory: usize,
    limits: Limits,
}

/// Refuses bytes that decode into more than the limits allow.
pub(crate) fn scan(bytes: &[u8], limits: Limits) -> Result<(), LowerError> {
    if bytes.len() > limits.bytes {
        refuse!(
            TooLarge,
            "the file has {} bytes, the limit is {}",
            bytes.len(),
            limits.bytes
        );
    }
    if bytes.is_empty() {
        refuse!(NotOnnx, "the file is empty");
    }
    Scan {
        nodes: 0,
        memory: 0,
        limits,
    }
    .message(bytes, Message::Model, 0)
}

impl Scan {
    fn message(&mut self, mut bytes: &[u8], kind: Message, depth: usize) -> Result<(), LowerError> {
        self.charge(kind.size())?;
        if matches!(kind, Message::Node) {
            self.nodes += 1;
            if self.nodes > self.limits.nodes {
                refuse!(
                    TooLarge,
                    "the graph has more than {} nodes",
                    self.limits.nodes
                );
            }
        }
        if matches!(kind, Message::Small) {
            return self.charge(bytes.len().saturating_mul(SMALL_GROWTH));
        }
        if depth > MAX_DEPTH {
            refuse!(TooLarge, "the file nests deeper than {MAX_DEPTH} messages");
        }
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            match tag & 7 {
                0 => {
                    varint(&mut bytes)?;
                    self.charge(16)?;
                }
                1 => {
                    take(&mut bytes, 8)?;
                    self.charge(16)?;
                }
                5 => {
                    take(&mut bytes, 4)?;
                    self.charge(8)?;
                }
                2 => {
                    let length = varint(&mut bytes)?;
                    let body = take(&mut bytes, usize::try_from(length).unwrap_or(usize::MAX))?;
                    match kind.child(tag >> 3) {
                        Some(child) => self.message(body, child, depth + 1)?,
                        None => self.scalars(body, kind, tag >> 3)?,
                    }
                }
                other => refuse!(
                    NotOnnx,
                    "a field of wire type {other} doesn't occur in ONNX"
                ),
            }
        }
        Ok(())
    }

    /// Bytes, a string, or packed numbers.
    fn scalars(&mut self, body: &[u8], kind: Message, field: u64) -> Result<(), LowerError> {
        let growth = match (kind, field) {
            // Raw data, floats and doubles stay as large as they are.
            (Message::Tensor, 4 | 9 | 10) | (Message::Attribute, 7) => 1,
            // Numbers of one byte become eight.
            (Message::Tensor, 1 | 5 | 7 | 11) | (Message::Attribute, 8) => 8,
            _ => 1,
        };
        self.charge(
            body.len()
                .saturating_mul(growth)
                .saturating_add(2 * SCALAR_GROWTH),
        )
    }

    fn charge(&mut self, bytes: usize) -> Result<(), LowerError> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.limits.memory {
            refuse!(
                TooLarge,
                "decoding the file would need more than {} bytes of memory",
                self.limits.memory
            );
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], LowerError> {
    match bytes.split_at_checked(count) {
        Some((head, rest)) => {
            *bytes = rest;
            Ok(head)
        }
        None => refuse!(
            NotOnnx,
            "the file is cut off or isn't ONNX: a part reaches past the end"
        ),
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, LowerError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    refuse!(NotOnnx, "a number in the file has more than 64 bits")
}
