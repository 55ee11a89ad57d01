//! The models that were embedded when the component was built.

/// A compiled model and its digest.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedModel {
    /// The compiled model, used in place.
    pub bytes: &'static [u8],
    /// `sha256:` and the digest of the bytes, computed when they were embedded.
    pub digest: &'static str,
}

/// What a component answers with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Models {
    /// Ranks; none when there was no bundle at build time, which the build for wasm
    /// refuses.
    pub ranking: Option<EmbeddedModel>,
    /// Converses, and says what texts are about; none in a component of a shop without an
    /// assistant.
    pub assistant: Option<EmbeddedModel>,
}

/// The compiled format is laid out for aligned reads.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

include!(concat!(env!("OUT_DIR"), "/models.rs"));
