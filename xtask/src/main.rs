//! Everything a contributor runs: `cargo xtask demo`, `test`, `tidy`, `setup`,
//! `wasm`, `npm`, `edge`, `size`, `bench` and `fuzz`.
//!
//! It calls the tools a step needs (cargo, npm, node, python) and says which
//! step failed and what to do about it. It links none of the product's crates,
//! so that it builds quickly and can judge a tree that does not compile. It
//! does not decide what is fresh where cargo can: it skips only the steps that
//! cargo knows nothing about, by digests of what they read.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command: printing is its job"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "this is a command: it reads the environment and times its steps"
)]

mod bench;
mod context;
mod demo;
mod digest;
mod fuzz;
mod npm;
mod server;
mod setup;
mod size;
mod test;
mod tidy;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::context::Context;

/// Everything a contributor runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sets up what is missing, builds, starts the demo shop and prints its address.
    Demo(demo::Options),
    /// Sets up what is missing and runs every test, or the parts that are named.
    Test(test::Options),
    /// Checks who may know whom, the folders, the manifests and the licences.
    Tidy,
    /// Installs what may be installed and says what else is missing.
    Setup,
    /// Builds both wasm artefacts: the browser's (target/bindgen) and the edge component.
    Wasm,
    /// Builds the npm package into www/package/dist.
    Npm,
    /// Builds the edge component into target/edge.wasm.
    Edge,
    /// Measures what is shipped and compares it with tests/ratchet/sizes.json.
    Size(size::Options),
    /// Runs the benchmarks and rewrites the figures in BENCHMARKS.md.
    Bench(bench::Options),
    /// Runs every parser at a boundary on arbitrary bytes, for a minute each.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = Context::find().and_then(|context| match cli.command {
        Command::Demo(options) => demo::run(&context, &options),
        Command::Test(options) => test::run(&context, &options),
        Command::Tidy => tidy::run(&context),
        Command::Setup => setup::run(&context),
        Command::Wasm => wasm::browser(&context).and_then(|()| wasm::edge(&context)),
        Command::Npm => wasm::browser(&context).and_then(|()| npm::build(&context)),
        Command::Edge => wasm::edge(&context),
        Command::Size(options) => size::run(&context, &options),
        Command::Bench(options) => bench::run(&context, &options),
        Command::Fuzz(options) => fuzz::run(&context, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
