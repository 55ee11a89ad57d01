//! What a customer says, from compiled models: no I/O, no clock, no ONNX.

mod assistant;
mod classify;
pub mod dialogue;
pub mod entities;
pub mod flow;
pub mod graph;
mod language;
mod marginal;
#[cfg(feature = "simulate")]
pub mod simulate;
mod tag;

pub use assistant::{
    Assistant, Buffers as TurnBuffers, Happened, Known, LEVELS, OpenError as AssistantError, Part,
    SECTIONS, Shop, Turn, country, unfit_tags,
};
pub use classify::{Answer, Buffers, Classifier, Labels, MOST_LABELS, OpenError};
pub use language::language;
pub use tag::{MOST_TAGS, OUTSIDE, Span, TagBuffers, Tagger, Tags};
