//! How long work reports progress and learns that the user wants it to stop.
//!
//! The library knows no terminal: the command passes a [`Watch`].

/// Receives progress.
pub trait Watch {
    /// `done` of `total` units of `stage` are done; `note` is a short remark
    /// such as the current loss. A total of 0 means that it is not known.
    fn step(&mut self, stage: &'static str, done: u64, total: u64, note: &str);

    /// Whether the user asked to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Reports nothing and never stops.
#[derive(Debug, Default)]
pub struct Silent;

impl Watch for Silent {
    fn step(&mut self, _: &'static str, _: u64, _: u64, _: &str) {}
}

/// Reports nothing and stops when another does: for many short steps of one long
/// one.
pub(crate) struct Quiet<'a>(pub(crate) &'a dyn Watch);

impl Watch for Quiet<'_> {
    fn step(&mut self, _: &'static str, _: u64, _: u64, _: &str) {}

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
