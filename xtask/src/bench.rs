//! `cargo xtask bench`: runs the benchmarks and rewrites BENCHMARKS.md.

use anyhow::{Result, bail};
use clap::Args;

use crate::context::Context;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {}

pub(crate) fn run(_context: &Context, _options: &Options) -> Result<()> {
    bail!("unfinished")
}
