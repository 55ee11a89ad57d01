//! JSON (RFC 8259), read and written by hand.
//!
//! Why not serde: a request's validation has to name every fault with its path,
//! tell a repeated field from a single one, keep a number's text, know `NaN`
//! from nonsense, and count past a cap without storing; and the same code is
//! shipped to every shopper, where it must be small. The reader pulls values
//! off the text without building a tree. Property tests hold it to serde_json's
//! verdict and values.

mod decode;
mod float;
mod read;
mod write;

pub(crate) use decode::{Decoder, Path, Unknown};
pub(crate) use read::{Kind, Malformed};
#[cfg(feature = "assistant")]
pub(crate) use read::{Reader, What};
pub use write::Writer;
