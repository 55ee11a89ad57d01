//! `cargo xtask demo`: the shop, from a fresh clone to an address.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::context::{Context, run as run_command, step};
use crate::server::{self, Server};
use crate::{digest, npm, setup, wasm};

/// Options of `cargo xtask demo`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Exercise the shop and stop, instead of serving it.
    #[arg(long)]
    check: bool,
    /// Where to serve it.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: String,
}

/// The packages that every native build selects: features unify the same way
/// each time, and nothing (Wasmtime least of all) is built twice. Which of their
/// targets are built is said apart. xtask runs, and is no part of it.
pub(crate) const NATIVE: &[&str] = &["--locked", "--workspace", "--exclude", "xtask"];

/// The bundle that the shop serves.
const BUNDLE: &str = "models/ranking";

pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    prepare(context)?;
    let host = host(context)?;
    if options.check {
        return check(context, &host);
    }
    let state = context.path(".shelfedge");
    let mut command = server::command(context, &host, &options.addr, &state)?;
    println!("the shop: http://{}/ (Ctrl-C stops it)", options.addr);
    serve(&mut command)
}

/// Becomes the host, so that Ctrl-C and signals reach it and nothing stays
/// behind.
#[cfg(unix)]
fn serve(command: &mut std::process::Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec()).context("starting the host")
}

#[cfg(not(unix))]
fn serve(command: &mut std::process::Command) -> Result<()> {
    run_command(command)
}

/// Everything that the host serves: the bundle, the package and the component.
pub(crate) fn prepare(context: &Context) -> Result<()> {
    setup::rust(context)?;
    setup::node(context)?;
    bundle(context)?;
    wasm::browser(context)?;
    npm::build(context)?;
    wasm::edge(context)
}

/// Builds the native host by itself: neither the trainer nor tract.
fn host(context: &Context) -> Result<PathBuf> {
    step("host", || {
        run_command(
            context
                .cargo()
                .args(["build", "--bin", "shelfedge"])
                .args(NATIVE),
        )
    })?;
    Ok(context.native("shelfedge"))
}

/// Trains the model when the bundle is not there; a bundle whose parts do not
/// belong together is a fault, not a reason to replace it.
fn bundle(context: &Context) -> Result<()> {
    let folder = context.path(BUNDLE);
    if !folder.join("manifest.json").is_file() {
        return step("training (no bundle in models/ranking)", || {
            run_command(
                context
                    .cargo()
                    .args(["build", "--bin", "shelfedge-train"])
                    .args(NATIVE),
            )?;
            run_command(
                context
                    .tool(&context.native("shelfedge-train").to_string_lossy(), ".")
                    .args(["ranking", "--shop", "tests/data/online-retail"])
                    .args(["--out", BUNDLE]),
            )
        });
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)
            .with_context(|| format!("{BUNDLE}/manifest.json is not JSON"))?;
    let parts = manifest["parts"]
        .as_object()
        .with_context(|| format!("{BUNDLE}/manifest.json lists no parts"))?;
    let mut faults = Vec::new();
    for (name, part) in parts {
        match fs::read(folder.join(name)) {
            Err(error) => faults.push(format!("{name}: {error}")),
            Ok(bytes) => {
                let found = digest::sha256(&bytes);
                let expected = part["sha256"].as_str().unwrap_or_default();
                if found != expected {
                    faults.push(format!(
                        "{name}: sha256 is {found}, the manifest says {expected}"
                    ));
                }
            }
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{BUNDLE} does not hold together: {}; restore it from git, or delete the folder to train anew",
        faults.join("; ")
    )
}

/// Starts the shop on a free port and exercises it from outside.
pub(crate) fn check(context: &Context, host: &std::path::Path) -> Result<()> {
    let server = step("starting the shop", || Server::start(context, host))?;
    step("exercising the shop", || {
        run_command(
            context
                .tool("node", ".")
                .arg("xtask/check.mjs")
                .arg(&server.url),
        )
    })?;
    println!(
        "demo --check: the shop at {} answers as it should",
        server.url
    );
    Ok(())
}
