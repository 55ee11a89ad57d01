//! What must be there before anything can be built or tested.
//!
//! What may be installed without asking is installed (Rust targets through
//! rustup, locked npm packages, a Python environment below the target
//! directory, and Debian packages where we are root on a machine that has
//! apt-get). For the rest it says what to install. It never uses sudo.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::context::{Context, capture, run as run_command, step, which};
use crate::digest;
use crate::npm;

/// The Rust targets that are built for.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];
/// The oldest Node that has what the package and its tests use.
const NODE: u32 = 20;
/// Where the pins of what compares with onnxruntime are: one environment
/// serves them all, so that pip refuses pins that disagree.
const REQUIREMENTS: [&str; 2] = [
    "tests/onnxruntime/requirements.txt",
    "crates/onnx/tests/requirements.txt",
];

/// Sets up everything and lists everything that is missing.
pub(crate) fn run(context: &Context) -> Result<()> {
    let mut faults = Vec::new();
    let mut note = |name: &str, result: Result<String>| match result {
        Ok(found) => println!("{name}: {found}"),
        Err(error) => {
            println!("{name}: {error:#}");
            faults.push(name.to_owned());
        }
    };
    note("rust", rust(context).map(|()| "ready".to_owned()));
    let node_found = node(context);
    let node_ready = node_found.is_ok();
    note("node", node_found);
    if node_ready {
        for folder in [npm::PACKAGE, npm::TESTS] {
            note(
                folder,
                npm::install(context, folder).map(|()| "ready".to_owned()),
            );
        }
    }
    let show = |path: PathBuf| path.display().to_string();
    note("chromium", chromium(context).map(show));
    note("onnxruntime", onnxruntime(context).map(show));
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("missing: {}", faults.join(", "))
    }
}

/// The wasm targets, and the formatter and linter of the pinned toolchain.
pub(crate) fn rust(context: &Context) -> Result<()> {
    let sysroot = capture(context.tool("rustc", ".").args(["--print", "sysroot"]))
        .context("asking rustc for its folder")?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> = TARGETS
        .into_iter()
        .filter(|target| !library.join(target).join("lib").is_dir())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if which("rustup").is_none() {
        bail!(
            "the Rust targets {list} are missing and there is no rustup: install them with the tool that installed Rust"
        );
    }
    // Named, because rustup may be told not to install by itself, and because
    // another toolchain may be the default.
    let toolchain = toolchain(context)?;
    step(&format!("rustup target add {list}"), || {
        run_command(
            context
                .tool("rustup", ".")
                .args(["target", "add", "--toolchain", &toolchain])
                .args(&missing),
        )
    })
}

/// The linter and the formatter, which only the tests need.
pub(crate) fn rust_components(context: &Context) -> Result<()> {
    for (component, arguments) in [
        ("rustfmt", ["fmt", "--version"]),
        ("clippy", ["clippy", "--version"]),
    ] {
        if capture(context.cargo().args(arguments)).is_ok() {
            continue;
        }
        if which("rustup").is_none() {
            bail!("{component} is missing and there is no rustup: install it for this toolchain");
        }
        let toolchain = toolchain(context)?;
        run_command(context.tool("rustup", ".").args([
            "component",
            "add",
            "--toolchain",
            &toolchain,
            component,
        ]))?;
    }
    Ok(())
}

/// The toolchain that runs this, which rustup says in the environment of every
/// tool it starts; else the one that rust-toolchain.toml pins.
fn toolchain(context: &Context) -> Result<String> {
    if let Ok(active) = env::var("RUSTUP_TOOLCHAIN") {
        return Ok(active);
    }
    let text = fs::read_to_string(context.path("rust-toolchain.toml"))
        .context("reading rust-toolchain.toml")?;
    channel(&text).context("rust-toolchain.toml names no channel")
}

fn channel(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.trim().strip_prefix("channel"))?
        .split('"')
        .nth(1)
        .map(str::to_owned)
}

/// Node, new enough.
pub(crate) fn node(context: &Context) -> Result<String> {
    let version = capture(context.tool("node", ".").arg("--version"))
        .with_context(|| format!("Node is missing: install Node {NODE} or newer, with npm"))?;
    let version = version.trim().to_owned();
    let major: u32 = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|text| text.parse().ok())
        .with_context(|| format!("`node --version` says {version}"))?;
    if major < NODE {
        bail!("Node {version} is too old: install Node {NODE} or newer");
    }
    if which("npm").is_none() {
        bail!("npm is missing: install the one that belongs to Node {version}");
    }
    Ok(version)
}

/// A Chromium for the browser tests: `CHROMIUM`, or the system's, or Debian's
/// package where it may be installed.
pub(crate) fn chromium(context: &Context) -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM") {
        let path = PathBuf::from(named);
        if path.is_file() {
            return Ok(path);
        }
        bail!("CHROMIUM names {}, which is no file", path.display());
    }
    if let Some(path) = find_chromium() {
        return Ok(path);
    }
    if may_apt(context) {
        apt(context, &["chromium"])?;
        if let Some(path) = find_chromium() {
            return Ok(path);
        }
    }
    bail!(
        "no Chromium found: install it (Debian: `apt-get install chromium`) or set CHROMIUM to its path"
    )
}

fn find_chromium() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let applications = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ];
    names.into_iter().find_map(which).or_else(|| {
        applications
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    })
}

/// A Python environment with the pinned onnxruntime; returns its interpreter.
pub(crate) fn onnxruntime(context: &Context) -> Result<PathBuf> {
    let pins = digest::of(&context.root, &REQUIREMENTS.map(Path::new), &[])?;
    // Beside cargo's artefacts, so that a build cache keeps it too.
    let folder = context.target.join("onnxruntime-venv");
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let mark = folder.join("shelfedge-pins");
    if python.exists() && fs::read_to_string(&mark).is_ok_and(|text| text == pins) {
        return Ok(python);
    }
    step("Python environment for onnxruntime", || {
        let system = python3(context)?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        run_command(context.tool(&system, ".").args(["-m", "venv"]).arg(&folder))?;
        let mut pip = context.tool(&python.to_string_lossy(), ".");
        pip.args(["-m", "pip", "install", "--quiet"]);
        for requirements in REQUIREMENTS {
            pip.args(["--requirement", requirements]);
        }
        run_command(&mut pip)?;
        fs::write(&mark, &pins)?;
        Ok(())
    })?;
    Ok(python)
}

/// A Python that can make environments.
fn python3(context: &Context) -> Result<String> {
    let able = |name: &str| {
        capture(
            context
                .tool(name, ".")
                .args(["-c", "import venv, ensurepip"]),
        )
        .is_ok()
    };
    if able("python3") {
        return Ok("python3".to_owned());
    }
    if may_apt(context) {
        apt(context, &["python3", "python3-venv"])?;
        for name in ["python3", "/usr/bin/python3"] {
            if able(name) {
                return Ok(name.to_owned());
            }
        }
    }
    bail!("no python3 with venv found: install it (Debian: `apt-get install python3-venv`)")
}

/// Whether Debian packages may be installed: root, and apt-get is there.
fn may_apt(context: &Context) -> bool {
    which("apt-get").is_some()
        && capture(context.tool("id", ".").arg("-u")).is_ok_and(|user| user.trim() == "0")
}

fn apt(context: &Context, packages: &[&str]) -> Result<()> {
    step(&format!("apt-get install {}", packages.join(" ")), || {
        let apt = || {
            let mut command = context.tool("apt-get", ".");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        run_command(apt().args(["update", "--quiet", "--quiet"]))?;
        run_command(
            apt()
                .args([
                    "install",
                    "--quiet",
                    "--quiet",
                    "--yes",
                    "--no-install-recommends",
                ])
                .args(packages),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_pinned_channel() {
        let text = "[toolchain]\nchannel = \"1.95.0\"\ncomponents = [\"clippy\"]\n";
        assert_eq!(channel(text).as_deref(), Some("1.95.0"));
        assert_eq!(channel("[toolchain]\n"), None);
    }
}
