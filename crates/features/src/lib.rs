//! The only place where a feature is computed.
//!
//! From a shop's tables (products with their statistics, neighbours, the popular
//! list), a shopper's events and a moment, this crate computes the numbers that
//! a model sees: the same code for training and for serving, so that the two
//! can't drift apart. It also fits the tables and the scaling, for the trainer.
//!
//! It does not score, rank or explain, does not know ONNX or JSON requests, does
//! no I/O, and knows no clock: the time of a request is an argument.

pub mod attributes;
pub mod basket;
pub mod encode;
pub mod fit;
mod flat;
pub mod hash;
#[cfg(feature = "json")]
pub mod json;
pub mod questions;
pub mod shopper;
pub mod spec;
pub mod tables;
pub mod text;
pub mod trails;
pub mod visits;

pub use attributes::{Attribute, AttributeRow, Attributes};
pub use encode::{Affinity, Device, Encoded, Moment, encode};
pub use shopper::{Past, Shopper, Trail, distinct};
pub use spec::{Cross, Domain, Group, Numeric, Source, Spec};
pub use tables::{Meta, ProductRef, Stats, TableError, Tables};
