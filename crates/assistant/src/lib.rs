//! What a customer says, from compiled models: no I/O, no clock, no ONNX.

mod classify;

pub use classify::{Answer, Buffers, Classifier, Labels, MOST_LABELS, OpenError};
