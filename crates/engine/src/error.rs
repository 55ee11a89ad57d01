//! What can go wrong, where, and what to do.

use core::fmt;

/// Why a program can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// Which part: a step, tensor, forest or section.
    pub at: String,
    /// What is wrong with it.
    pub cause: String,
}

impl BuildError {
    pub(crate) fn new(at: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            cause: cause.into(),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.cause)
    }
}

impl core::error::Error for BuildError {}

/// What is wrong with a compiled file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// It doesn't begin like a compiled model.
    NotACompiledModel,
    /// Its format is newer or older than this engine.
    Version,
    /// It is shorter or longer than it says, or a part lies outside it.
    Truncated,
    /// A part that must be there is missing.
    MissingSection,
    /// A part's content contradicts itself.
    Malformed,
    /// It asks for more memory than a model may have.
    TooLarge,
}

/// Why a compiled file was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// What kind of fault.
    pub kind: LoadErrorKind,
    /// The part in which it lies.
    pub at: &'static str,
}

impl LoadError {
    pub(crate) const fn new(kind: LoadErrorKind, at: &'static str) -> Self {
        Self { kind, at }
    }

    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            LoadErrorKind::NotACompiledModel => "not_a_compiled_model",
            LoadErrorKind::Version => "model_version",
            LoadErrorKind::Truncated => "model_truncated",
            LoadErrorKind::MissingSection => "model_section_missing",
            LoadErrorKind::Malformed => "model_malformed",
            LoadErrorKind::TooLarge => "model_too_large",
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LoadErrorKind::NotACompiledModel => "this is not a compiled model",
            LoadErrorKind::Version => {
                "the compiled model's format is of another version: compile it again"
            }
            LoadErrorKind::Truncated => "the compiled model is cut off or was changed",
            LoadErrorKind::MissingSection => "the compiled model lacks a part",
            LoadErrorKind::Malformed => "the compiled model contradicts itself",
            LoadErrorKind::TooLarge => "the compiled model asks for too much memory",
        })?;
        f.write_str(" (")?;
        f.write_str(self.at)?;
        f.write_str(")")
    }
}

impl core::error::Error for LoadError {}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The call has another number of inputs than the model.
    InputCount {
        /// The model's.
        expected: usize,
        /// The call's.
        found: usize,
    },
    /// An input has the other element kind.
    InputKind {
        /// Which input.
        input: usize,
    },
    /// An input has another number of elements than its shape and the number of
    /// rows give.
    InputLength {
        /// Which input.
        input: usize,
        /// By the model.
        expected: usize,
        /// In the call.
        found: usize,
    },
    /// More rows than [`crate::MAX_ROWS`].
    TooManyRows {
        /// In the call.
        rows: usize,
    },
    /// An index lies outside its table.
    Index {
        /// Which step.
        step: usize,
        /// The index.
        index: i32,
        /// The table's rows.
        entries: usize,
    },
    /// A number can't be an integer (NaN, or out of range).
    Cast {
        /// Which step.
        step: usize,
    },
    /// A tree's node points nowhere; only a corrupted file does that.
    Tree {
        /// Which step.
        step: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::InputCount { expected, found } => {
                write!(f, "the model has {expected} inputs, the call {found}")
            }
            Self::InputKind { input } => write!(f, "input {input} has the wrong element kind"),
            Self::InputLength {
                input,
                expected,
                found,
            } => {
                write!(f, "input {input} needs {expected} elements and has {found}")
            }
            Self::TooManyRows { rows } => write!(f, "{rows} rows are too many for one call"),
            Self::Index {
                step,
                index,
                entries,
            } => {
                write!(
                    f,
                    "step {step}: index {index} lies outside a table of {entries}"
                )
            }
            Self::Cast { step } => write!(f, "step {step}: a number can't be an integer"),
            Self::Tree { step } => write!(f, "step {step}: a tree's node points nowhere"),
        }
    }
}

impl core::error::Error for RunError {}
