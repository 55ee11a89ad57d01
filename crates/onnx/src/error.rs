//! What is wrong with an ONNX file, where, and what to do.

use core::fmt;

/// What kind of fault makes an ONNX unusable for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LowerErrorKind {
    /// The bytes aren't an ONNX protobuf.
    NotOnnx,
    /// A limit of [`crate::Limits`] is exceeded.
    TooLarge,
    /// The graph contradicts itself: a name without definition or with two, a
    /// tensor whose data doesn't fit its shape, an attribute of another type.
    Malformed,
    /// Nodes depend on each other in a circle, or a tree's nodes do.
    Cycle,
    /// Weights lie outside the file.
    ExternalData,
    /// The operator, or the domain or operator set that it comes from, is
    /// unknown to the lowering.
    UnsupportedOperator,
    /// The operator is known but is used in a way that has no place in a
    /// compiled model.
    UnsupportedUse,
    /// The shapes of a node's operands don't fit each other.
    Shape,
    /// A weight can't be stored in the precision asked for.
    Precision,
}

impl LowerErrorKind {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotOnnx => "onnx_not_onnx",
            Self::TooLarge => "onnx_too_large",
            Self::Malformed => "onnx_malformed",
            Self::Cycle => "onnx_cycle",
            Self::ExternalData => "onnx_external_data",
            Self::UnsupportedOperator => "onnx_unsupported_operator",
            Self::UnsupportedUse => "onnx_unsupported_use",
            Self::Shape => "onnx_shape",
            Self::Precision => "onnx_precision",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::NotOnnx => "pass the bytes of an .onnx file",
            Self::TooLarge => "make the model smaller or raise the limit in the options",
            Self::Malformed => "check the file with the exporter that wrote it and export it again",
            Self::Cycle => "a graph must be free of cycles: correct the exporter",
            Self::ExternalData => "save the model as a single file, with its weights inside",
            Self::UnsupportedOperator => {
                "replace the operator by supported ones (see the crate's README) or serve the model with the reference engine"
            }
            Self::UnsupportedUse => {
                "rewrite this part of the model as the cause says, or serve it with the reference engine"
            }
            Self::Shape => "correct the shapes in the exporter",
            Self::Precision => "keep this tensor in f32 by an override in the options",
        }
    }
}

/// Why an ONNX was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerError {
    kind: LowerErrorKind,
    node: Option<String>,
    operator: Option<String>,
    cause: String,
}

impl LowerError {
    pub(crate) fn new(kind: LowerErrorKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            node: None,
            operator: None,
            cause: cause.into(),
        }
    }

    /// Says where, unless an inner part has said so more precisely.
    pub(crate) fn at(mut self, node: &str, operator: &str) -> Self {
        if self.node.is_none() {
            self.node = Some(printable(node));
            self.operator = Some(printable(operator));
        }
        self
    }

    /// What kind of fault.
    #[must_use]
    pub const fn kind(&self) -> LowerErrorKind {
        self.kind
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The node at which it was found, where there is one.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// That node's operator.
    #[must_use]
    pub fn operator(&self) -> Option<&str> {
        self.operator.as_deref()
    }

    /// What is wrong.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do about it.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        self.kind.action()
    }
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(node), Some(operator)) = (&self.node, &self.operator) {
            write!(f, "node `{node}` ({operator}): ")?;
        }
        write!(f, "{} [{}]; {}", self.cause, self.code(), self.action())
    }
}

impl core::error::Error for LowerError {}

/// A name from the file, shortened and without control characters, so that a
/// hostile one can't flood or forge a log.
pub(crate) fn printable(name: &str) -> String {
    name.chars()
        .take(80)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

macro_rules! fault {
    ($kind:ident, $($message:tt)+) => {
        $crate::error::LowerError::new($crate::error::LowerErrorKind::$kind, format!($($message)+))
    };
}
pub(crate) use fault;

macro_rules! refuse {
    ($kind:ident, $($message:tt)+) => {
        return Err($crate::error::fault!($kind, $($message)+))
    };
}
pub(crate) use refuse;
