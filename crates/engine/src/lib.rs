//! Runs a compiled model.
//!
//! A compiled model is a flat, little-endian file. It is checked once when it
//! is opened and then executed in place: nothing is parsed or copied again.
//!
//! This crate has no dependency and no `unsafe`. It does not read ONNX, does
//! not know products or shoppers, does no I/O, and knows no clock, thread,
//! environment or JavaScript. The same model and input give the same bits on
//! every target: sums run in a fixed order, there is no fused multiply-add, and
//! exp, ln and tanh are our own.
#![forbid(unsafe_code)]

mod code;
mod error;
pub mod file;
mod infer;
mod kernels;
pub mod math;
mod model;
pub mod program;
mod trees;
mod viterbi;

pub use error::{BuildError, LoadError, LoadErrorKind, RunError};
pub use model::{Input, MAX_ROWS, Model, PortInfo, Workspace};
pub use viterbi::{Best, viterbi};
