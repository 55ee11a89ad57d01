//! `cargo xtask fuzz`: every parser at a boundary against arbitrary bytes; and
//! `cargo xtask fuzz --check`, whether the targets compile, which for most of
//! them is a part of `cargo xtask test`.
//!
//! The targets are cargo-fuzz crates in `crates/*/fuzz`, workspaces of their
//! own, because they are compiled with the sanitizers' flags and link libFuzzer,
//! which is C++. What they run on the bytes are plain functions that the crates'
//! tests run too, so that a run without libFuzzer isn't without them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::context::{Context, run as run_command, step};

/// Options of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The targets to run; all of them when none is named.
    targets: Vec<String>,
    /// Only compile the targets, without libFuzzer.
    #[arg(long)]
    check: bool,
    /// For how long each target runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

/// The crate whose check compiles tract once more, which takes minutes and is
/// left out of `cargo xtask test`: its target is one line, around a function that
/// the tests run.
const SLOW: &str = "crates/onnx/fuzz";

/// A program that writes seeds, among the targets of its crate.
const SEEDS: &str = "seeds";

/// A fuzz crate.
struct FuzzCrate {
    folder: PathBuf,
    targets: Vec<String>,
}

/// All fuzz crates, in the order of their names.
fn crates(context: &Context) -> Result<Vec<FuzzCrate>> {
    let mut found = Vec::new();
    for folder in entries(&context.path("crates"))? {
        let folder = folder.join("fuzz");
        if !folder.join("Cargo.toml").is_file() {
            continue;
        }
        let targets = entries(&folder.join("fuzz_targets"))?
            .iter()
            .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
            .collect();
        found.push(FuzzCrate { folder, targets });
    }
    if found.is_empty() {
        bail!("there is no fuzz crate in crates/*/fuzz");
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("reading {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

/// Begins from the workspace's lock file, so that what is fuzzed is what ships;
/// cargo adds libFuzzer's crates and drops the rest.
fn lock(context: &Context, fuzz: &FuzzCrate) -> Result<()> {
    let from = context.path("Cargo.lock");
    let to = fuzz.folder.join("Cargo.lock");
    let age = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    if age(&to).is_ok_and(|own| age(&from).is_ok_and(|ours| own >= ours)) {
        return Ok(());
    }
    fs::copy(&from, &to).with_context(|| format!("writing {}", to.display()))?;
    Ok(())
}

/// Whether the targets compile that take seconds. Says how many crates were
/// checked.
pub(crate) fn check_light(context: &Context) -> Result<u64> {
    let mut light = crates(context)?;
    light.retain(|fuzz| fuzz.folder != context.path(SLOW));
    check(context, &light)?;
    Ok(light.len() as u64)
}

/// Whether targets compile, by the Rust compiler alone: without libFuzzer, and so
/// without a C++ compiler.
fn check(context: &Context, these: &[FuzzCrate]) -> Result<()> {
    for fuzz in these {
        lock(context, fuzz)?;
        run_command(
            context
                .cargo()
                .args([
                    "clippy",
                    "--bins",
                    "--no-default-features",
                    "--manifest-path",
                ])
                .arg(fuzz.folder.join("Cargo.toml"))
                .args(["--", "-D", "warnings"]),
        )
        .context("a fuzz target doesn't compile")?;
    }
    Ok(())
}

pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    let all = crates(context)?;
    if options.check {
        return check(context, &all);
    }
    let known: Vec<&str> = all
        .iter()
        .flat_map(|fuzz| &fuzz.targets)
        .map(String::as_str)
        .filter(|name| *name != SEEDS)
        .collect();
    if let Some(unknown) = options
        .targets
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!(
            "there is no fuzz target {unknown}; there are {}",
            known.join(", ")
        );
    }
    let mut version = context.cargo();
    if !version
        .args(["fuzz", "--version"])
        .output()
        .is_ok_and(|said| said.status.success())
    {
        bail!("cargo-fuzz is missing: `cargo install cargo-fuzz --locked` installs it");
    }
    let wanted = |name: &String| {
        name != SEEDS && (options.targets.is_empty() || options.targets.contains(name))
    };
    for fuzz in &all {
        for target in fuzz.targets.iter().filter(|name| wanted(name)) {
            lock(context, fuzz)?;
            step(&format!("fuzz {target}"), || {
                one(context, fuzz, target, options.seconds)
            })?;
        }
    }
    Ok(())
}

fn one(context: &Context, fuzz: &FuzzCrate, target: &str, seconds: u32) -> Result<()> {
    let corpus = fuzz.folder.join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
    let mut command = context.cargo();
    // The instrumented build is another one, and must not evict the usual.
    // The flags are a nightly compiler's, which the pinned one has as well.
    command
        .env("CARGO_TARGET_DIR", context.target.join("fuzz"))
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--fuzz-dir"])
        .arg(&fuzz.folder)
        .arg(target)
        .arg(&corpus);
    match target {
        "compiled" | "onnx" => seeds(context, target, &corpus)?,
        "mapping" => {
            let from = context.path("tests/data/online-retail/mapping.toml");
            fs::copy(&from, corpus.join("online-retail.toml"))
                .with_context(|| format!("copying {}", from.display()))?;
        }
        _ => {
            let seeds = fuzz.folder.join("seeds");
            if seeds.is_dir() {
                command.arg(seeds);
            }
        }
    }
    command.args([
        "--",
        "-print_final_stats=1",
        "-rss_limit_mb=1024",
        "-timeout=20",
    ]);
    command.arg(format!("-max_total_time={seconds}"));
    run_command(&mut command).context(
        "a defect, or no C++ compiler for libFuzzer; what led to a defect lies in the crate's \
         folder fuzz/artifacts",
    )
}

/// Random models: bytes that are none come to an end at the first check.
fn seeds(context: &Context, target: &str, corpus: &Path) -> Result<()> {
    let other = context.target.join("fuzz/seeds");
    let (onnx, compiled) = match target {
        "onnx" => (corpus, other.as_path()),
        _ => (other.as_path(), corpus),
    };
    run_command(
        context
            .cargo()
            .args([
                "run",
                "--quiet",
                "--no-default-features",
                "--bin",
                SEEDS,
                "--manifest-path",
            ])
            .arg(context.path("crates/onnx/fuzz/Cargo.toml"))
            .arg("--")
            .args([onnx, compiled]),
    )
}
