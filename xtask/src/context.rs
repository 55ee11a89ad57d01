//! Where things are, and how a tool is run.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The repository and cargo's target directory.
#[derive(Debug)]
pub(crate) struct Context {
    /// The repository's top folder.
    pub(crate) root: PathBuf,
    /// Cargo's target directory (`CARGO_TARGET_DIR` and cargo's own
    /// configuration are honoured).
    pub(crate) target: PathBuf,
    /// `<root>/target`: where our own artefacts lie, whatever cargo's target
    /// directory is, because the package's build and the host name them there.
    pub(crate) artefacts: PathBuf,
    cargo: OsString,
}

impl Context {
    /// Asks cargo where the workspace is.
    pub(crate) fn find() -> Result<Self> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = cargo_metadata::MetadataCommand::new();
        command.cargo_path(&cargo).no_deps();
        // What cargo says when it runs this, not what it said when it compiled
        // it: two checkouts that share a target directory share the program.
        // Called by hand, the current folder counts.
        if let Some(folder) = env::var_os("CARGO_MANIFEST_DIR") {
            command.manifest_path(PathBuf::from(folder).join("Cargo.toml"));
        }
        let metadata = command
            .exec()
            .context("`cargo metadata` failed: is a Cargo.toml broken?")?;
        let root = metadata.workspace_root.into_std_path_buf();
        Ok(Self {
            artefacts: root.join("target"),
            target: metadata.target_directory.into_std_path_buf(),
            root,
            cargo,
        })
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The edge component, as `cargo xtask edge` leaves it.
    pub(crate) fn edge_wasm(&self) -> PathBuf {
        self.artefacts.join("edge.wasm")
    }

    /// The edge component with a bundle of the tests in it.
    pub(crate) fn edge_of(&self, bundle: &str) -> PathBuf {
        let name = bundle.rsplit('/').next().unwrap_or(bundle);
        self.artefacts.join(format!("edge-{name}.wasm"))
    }

    /// wasm-bindgen's output, as `cargo xtask wasm` leaves it.
    pub(crate) fn bindgen(&self) -> PathBuf {
        self.artefacts.join("bindgen")
    }

    /// Where digests of finished steps are remembered.
    pub(crate) fn stamps(&self) -> PathBuf {
        self.artefacts.join("xtask")
    }

    /// The native `shelfedge` command in cargo's target directory.
    pub(crate) fn native(&self, name: &str) -> PathBuf {
        self.target
            .join("debug")
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// A cargo command in the repository.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        // These describe xtask itself; a build script that watches them would
        // run again for nothing.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_")
                || text.starts_with("CARGO_MANIFEST_")
                || text == "CARGO_CRATE_NAME"
                || text == "CARGO_BIN_NAME"
                || text == "CARGO_PRIMARY_PACKAGE"
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// Any other tool, in a folder of the repository.
    pub(crate) fn tool(&self, name: &str, folder: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.root.join(folder));
        command
    }
}

/// Runs a command with its output shown, and fails with the command line.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command with its standard output shown and kept.
pub(crate) fn run_kept(command: &mut Command) -> (String, Result<()>) {
    let line = command_line(command);
    let mut kept = String::new();
    let outcome = (|| {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{line}` could not be started"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut terminal = std::io::stdout();
        for text in BufReader::new(stdout).split(b'\n') {
            let text = text.with_context(|| format!("reading what `{line}` says"))?;
            let text = String::from_utf8_lossy(&text);
            writeln!(terminal, "{text}")?;
            kept.push_str(&text);
            kept.push('\n');
        }
        let status = child
            .wait()
            .with_context(|| format!("waiting for `{line}`"))?;
        if !status.success() {
            bail!("`{line}` failed ({status})");
        }
        Ok(())
    })();
    (kept, outcome)
}

/// Runs a command quietly and returns its standard output; its standard error
/// becomes part of the error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{line}` could not be started"))?;
    if !output.status.success() {
        bail!(
            "`{line}` failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it.
fn command_line(command: &Command) -> String {
    let mut line = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Announces a step, runs it and says how long it took.
pub(crate) fn step<T>(name: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("-- {name}");
    let start = Instant::now();
    let result = body().with_context(|| name.to_owned());
    let seconds = start.elapsed().as_secs_f64();
    match &result {
        Ok(_) => eprintln!("-- {name}: done in {seconds:.1} s"),
        Err(_) => eprintln!("-- {name}: failed after {seconds:.1} s"),
    }
    result
}

/// Finds a program on the search path.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Writes a file whole or not at all, so that an interrupted step leaves no
/// half of one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).with_context(|| format!("writing {}", partial.display()))?;
    fs::rename(&partial, path).with_context(|| format!("writing {}", path.display()))
}
