//! The two wasm artefacts, each from its own crate and for its own target.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::context::{Context, run, step};
use crate::digest::{self, Stamp};

/// The browser's engines: the stem of wasm-bindgen's files (`shelfedge.js`,
/// `shelfedge_bg.wasm`), the profile and the features: two that rank, one that
/// understands texts. Each has a profile, and so a
/// folder, of its own, because cargo gives all the same file name.
const ENGINES: [(&str, &str, &[&str]); 3] = [
    ("shelfedge", "wasm-small", &[]),
    ("shelfedge_full", "wasm", &["--features", "full"]),
    (
        "shelfedge_assistant",
        "wasm-assistant",
        &["--no-default-features", "--features", "assistant"],
    ),
];

/// What wasm-bindgen writes, after the stem.
const OUTPUTS: [&str; 3] = [".js", "_bg.wasm", ".d.ts"];

/// Bumped when what this module does with the same input changes.
const VERSION: &str = "5";

/// Builds `crates/browser` and runs wasm-bindgen on it (target web) into
/// `target/bindgen`, each of [`ENGINES`].
pub(crate) fn browser(context: &Context) -> Result<()> {
    step("browser wasm", || {
        let mut built = Vec::new();
        for (_, profile, features) in ENGINES {
            // wasm-bindgen reads the section in which the compiler lists the
            // features it used; `strip = true` would remove it, so names are
            // removed by wasm-bindgen instead.
            let target = "wasm32-unknown-unknown";
            let mut command = build(context, "shelfedge-browser", target, profile);
            command
                .arg("--lib")
                .args(features)
                .args(["--config", "profile.wasm-small.strip=\"debuginfo\""])
                // Where a panic comes from, in files and lines of the machine that
                // built it: 2 KB for nobody, since a trap in a page has no message.
                .args([
                    "--config",
                    &format!("target.{target}.rustflags=[\"-Zlocation-detail=none\"]"),
                ]);
            run(&mut command)?;
            let file = context
                .target
                .join(target)
                .join(profile)
                .join("shelfedge_browser.wasm");
            built.push(fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
        }
        let folder = context.bindgen();
        let digests: Vec<String> = built.iter().map(|bytes| digest::sha256(bytes)).collect();
        let stamp = Stamp::new(
            context,
            "bindgen",
            format!("{VERSION} {}", digests.join(" ")),
        );
        let mut outputs = ENGINES
            .iter()
            .flat_map(|(stem, ..)| OUTPUTS.map(|end| folder.join(format!("{stem}{end}"))));
        if stamp.is_fresh() && outputs.all(|file| file.is_file()) {
            return Ok(());
        }
        stamp.forget();
        fs::create_dir_all(&folder)?;
        for ((stem, ..), bytes) in ENGINES.into_iter().zip(built) {
            // Under the same name for all, which the module and its script repeat: one
            // script then serves all that rank.
            let name = ENGINES[0].0;
            let own = folder.join(stem);
            Bindgen::new()
                .input_bytes(name, bytes)
                .web(true)
                .context("choosing target web")?
                .typescript(true)
                .remove_name_section(true)
                .remove_producers_section(true)
                .omit_default_module_path(true)
                .generate(&own)
                .context("wasm-bindgen failed")?;
            for end in OUTPUTS {
                let from = own.join(format!("{name}{end}"));
                fs::rename(&from, folder.join(format!("{stem}{end}")))
                    .with_context(|| format!("moving {}", from.display()))?;
            }
            fs::remove_dir_all(&own)?;
        }
        stamp.remember()
    })
}

/// Builds `crates/edge` as a WASI 0.2 component into `target/edge.wasm`.
pub(crate) fn edge(context: &Context) -> Result<()> {
    edge_of(context, None, &context.edge_wasm())
}

/// Builds the component with each of these bundles in place of the shop's model,
/// into [`Context::edge_of`].
pub(crate) fn edges(context: &Context, bundles: &[&str]) -> Result<()> {
    bundles
        .iter()
        .try_for_each(|bundle| edge_of(context, Some(bundle), &context.edge_of(bundle)))
}

fn edge_of(context: &Context, bundle: Option<&str>, destination: &Path) -> Result<()> {
    let name = bundle.map_or_else(String::new, |bundle| format!(" of {bundle}"));
    step(&format!("edge component{name}"), || {
        let mut command = build(context, "shelfedge-edge", "wasm32-wasip2", "wasm");
        if let Some(bundle) = bundle {
            command.env("SHELFEDGE_MODEL_DIR", context.path(bundle));
        }
        run(command.arg("--lib"))?;
        let built = context
            .target
            .join("wasm32-wasip2/wasm/shelfedge_edge.wasm");
        let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
        // An unchanged file keeps its time, so that a running host that watches
        // it, and the host's compilation cache, see nothing new.
        if fs::read(destination).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        crate::context::write_whole(destination, &bytes)
    })
}

/// Builds the guests that the host's tests and the benchmark run beside the
/// component: one that only echoes, one that misbehaves.
pub(crate) fn guests(context: &Context) -> Result<()> {
    step("test guests", || {
        run(build(context, "shelfedge-edge", "wasm32-wasip2", "wasm").arg("--examples"))
    })
}

/// Where a test guest lies.
pub(crate) fn guest(context: &Context, name: &str) -> std::path::PathBuf {
    context
        .target
        .join("wasm32-wasip2/wasm/examples")
        .join(format!("{name}.wasm"))
}

/// Lets the pinned compiler take a flag that isn't stable yet. For all commands of
/// the wasm profiles: macros are built again where this differs.
pub(crate) fn unlocked(command: &mut Command) -> &mut Command {
    command.env("RUSTC_BOOTSTRAP", "1")
}

fn build(context: &Context, package: &str, target: &str, profile: &str) -> Command {
    let mut command = context.cargo();
    command.args([
        "build",
        "--locked",
        "--profile",
        profile,
        "--package",
        package,
        "--target",
        target,
    ]);
    unlocked(&mut command);
    // Flags from the environment would replace those of .cargo/config.toml,
    // and with them simd128: the two targets would no longer agree bit by bit.
    command.env_remove("RUSTFLAGS");
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}
