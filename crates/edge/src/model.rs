//! The model that was embedded when the component was built.

/// A compiled model and its digest.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedModel {
    /// The compiled model, used in place.
    pub bytes: &'static [u8],
    /// `sha256:` and the digest of the bytes, computed when they were embedded.
    pub digest: &'static str,
}

/// The compiled format is laid out for aligned reads.
#[cfg(embedded_model)]
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

#[cfg(embedded_model)]
include!(concat!(env!("OUT_DIR"), "/model.rs"));

/// The ranking model; none when there was no bundle at build time, which the
/// build for wasm refuses.
#[cfg(embedded_model)]
pub const EMBEDDED: Option<EmbeddedModel> = Some(EmbeddedModel {
    bytes: &BYTES.0,
    digest: DIGEST,
});

/// The ranking model; none when there was no bundle at build time, which the
/// build for wasm refuses.
#[cfg(not(embedded_model))]
pub const EMBEDDED: Option<EmbeddedModel> = None;
