//! The two wasm artefacts, each from its own crate and for its own target.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::context::{Context, run, step};
use crate::digest::{self, Stamp};

/// The stem of wasm-bindgen's files: `shelfedge.js`, `shelfedge_bg.wasm`.
pub(crate) const STEM: &str = "shelfedge";

/// Bumped when what this module does with the same input changes.
const VERSION: &str = "1";

/// Builds `crates/browser` and runs wasm-bindgen on it (target web) into
/// `target/bindgen`.
pub(crate) fn browser(context: &Context) -> Result<()> {
    step("browser wasm", || {
        // wasm-bindgen reads the section in which the compiler lists the
        // features it used; `strip = true` would remove it, so names are
        // removed by wasm-bindgen instead.
        let mut command = build(context, "shelfedge-browser", "wasm32-unknown-unknown");
        command
            .arg("--lib")
            .args(["--config", "profile.wasm.strip=\"debuginfo\""]);
        run(&mut command)?;
        let built = context
            .target
            .join("wasm32-unknown-unknown/wasm/shelfedge_browser.wasm");
        let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
        let folder = context.bindgen();
        let stamp = Stamp::new(
            context,
            "bindgen",
            format!("{VERSION} {}", digest::sha256(&bytes)),
        );
        let outputs = [
            format!("{STEM}.js"),
            format!("{STEM}_bg.wasm"),
            format!("{STEM}.d.ts"),
        ];
        if stamp.is_fresh() && outputs.iter().all(|name| folder.join(name).is_file()) {
            return Ok(());
        }
        stamp.forget();
        fs::create_dir_all(&folder)?;
        Bindgen::new()
            .input_bytes(STEM, bytes)
            .web(true)
            .context("choosing target web")?
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .omit_default_module_path(true)
            .generate(&folder)
            .context("wasm-bindgen failed")?;
        stamp.remember()
    })
}

/// Builds `crates/edge` as a WASI 0.2 component into `target/edge.wasm`.
pub(crate) fn edge(context: &Context) -> Result<()> {
    step("edge component", || {
        run(build(context, "shelfedge-edge", "wasm32-wasip2").arg("--lib"))?;
        let built = context
            .target
            .join("wasm32-wasip2/wasm/shelfedge_edge.wasm");
        let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
        let destination = context.edge_wasm();
        // An unchanged file keeps its time, so that a running host that watches
        // it, and the host's compilation cache, see nothing new.
        if fs::read(&destination).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        crate::context::write_whole(&destination, &bytes)
    })
}

/// Builds the guests that the host's tests and the benchmark run beside the
/// component: one that only echoes, one that misbehaves.
pub(crate) fn guests(context: &Context) -> Result<()> {
    step("test guests", || {
        run(build(context, "shelfedge-edge", "wasm32-wasip2").arg("--examples"))
    })
}

/// Where a test guest lies.
pub(crate) fn guest(context: &Context, name: &str) -> std::path::PathBuf {
    context
        .target
        .join("wasm32-wasip2/wasm/examples")
        .join(format!("{name}.wasm"))
}

fn build(context: &Context, package: &str, target: &str) -> Command {
    let mut command = context.cargo();
    command.args([
        "build",
        "--locked",
        "--profile",
        "wasm",
        "--package",
        package,
        "--target",
        target,
    ]);
    // Flags from the environment would replace those of .cargo/config.toml,
    // and with them simd128: the two targets would no longer agree bit by bit.
    command.env_remove("RUSTFLAGS");
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}
