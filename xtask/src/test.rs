//! `cargo xtask test`: every test, or the parts that are named.
//!
//! Parts run in order and the first that fails ends the run. Each leaves one
//! line in the summary, and the last line is the plain `N passed, N failed`.

use std::env;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::context::{Context, run as run_command, run_kept};
use crate::demo::NATIVE;
use crate::{demo, fuzz, npm, setup, size, tidy, wasm};

mod readme;

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The parts to run; all of them when none is named.
    parts: Vec<Part>,
}

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Who may know whom, folders, manifests, licences.
    Tidy,
    /// rustfmt.
    Format,
    /// clippy, also of most fuzz targets, and rustdoc, with warnings as errors.
    Lint,
    /// The browser wasm, the npm package and the edge component are built.
    Wasm,
    /// Unit and property tests of every crate, natively, and of xtask.
    Unit,
    /// Golden cases and bad input: native, tract, and the edge component over HTTP.
    Parity,
    /// The npm package as it is packed: Node, a bundler, workerd, its types.
    Package,
    /// The npm package and the storefront in Chromium.
    Browser,
    /// Golden cases replayed by onnxruntime.
    Onnxruntime,
    /// `cargo xtask demo --check` on what is built.
    Demo,
    /// The commands that the README names.
    Readme,
    /// Sizes against tests/ratchet/sizes.json.
    Size,
}

const ALL: &[Part] = &[
    Part::Tidy,
    Part::Format,
    Part::Lint,
    Part::Wasm,
    Part::Unit,
    Part::Parity,
    Part::Package,
    Part::Browser,
    Part::Onnxruntime,
    Part::Demo,
    Part::Readme,
    Part::Size,
];

/// How many tests ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// A part that is one check.
    const ONE: Self = Self {
        passed: 1,
        failed: 0,
    };

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    let parts = if options.parts.is_empty() {
        ALL
    } else {
        &options.parts
    };
    let start = Instant::now();
    let mut summary = Vec::new();
    let mut total = Tally::default();
    let mut outcome = Ok(());
    for part in parts {
        let name = part
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default();
        eprintln!("== {name}");
        let part_start = Instant::now();
        let mut tally = Tally::default();
        let result = part.run(context, &mut tally);
        // A part that failed as a whole (a build, a missing tool) counts as
        // one failure; one that counted its failures keeps its count.
        if result.is_err() && tally.failed == 0 {
            tally.failed = 1;
        }
        summary.push(format!(
            "{name:<12} {:>5} passed {:>3} failed {:>7.1} s",
            tally.passed,
            tally.failed,
            part_start.elapsed().as_secs_f64()
        ));
        total.add(tally);
        if let Err(error) = result {
            outcome = Err(error.context(format!("the part `{name}` failed")));
            break;
        }
    }
    println!();
    for line in &summary {
        println!("{line}");
    }
    let skipped: Vec<_> = parts[summary.len()..]
        .iter()
        .filter_map(|part| part.to_possible_value())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !skipped.is_empty() {
        println!("not run: {}", skipped.join(", "));
    }
    println!("in all: {:.0} s", start.elapsed().as_secs_f64());
    if let Err(error) = &outcome {
        println!("cause: {error:#}");
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if outcome.is_err() {
        // The line above stays the last one.
        std::process::exit(1);
    }
    Ok(())
}

impl Part {
    fn run(self, context: &Context, tally: &mut Tally) -> Result<()> {
        match self {
            Self::Tidy => {
                tidy::run(context)?;
                tally.add(Tally::ONE);
            }
            Self::Format => {
                setup::rust_components(context)?;
                run_command(context.cargo().args(["fmt", "--all", "--", "--check"]))
                    .context("`cargo fmt --all` mends this")?;
                tally.add(Tally::ONE);
            }
            Self::Lint => lint(context, tally)?,
            Self::Unit => unit(context, tally)?,
            Self::Wasm => {
                artefacts(context)?;
                tally.add(Tally::ONE);
            }
            Self::Parity => parity(context, tally)?,
            Self::Package => node_tests(context, "test:package", tally)?,
            Self::Browser => node_tests(context, "test:browser", tally)?,
            Self::Onnxruntime => onnxruntime(context, tally)?,
            Self::Demo => {
                demo::prepare(context)?;
                demo::check(context, &native_host(context)?)?;
                tally.add(Tally::ONE);
            }
            Self::Readme => readme::check(context, tally)?,
            Self::Size => {
                artefacts(context)?;
                size::run(context, &size::Options::default())?;
                tally.add(Tally::ONE);
            }
        }
        Ok(())
    }
}

fn lint(context: &Context, tally: &mut Tally) -> Result<()> {
    setup::rust(context)?;
    setup::rust_components(context)?;
    let deny = ["--", "-D", "warnings"];
    run_command(
        context
            .cargo()
            .args(["clippy", "--locked", "--workspace", "--all-targets"])
            .args(deny),
    )?;
    tally.add(Tally::ONE);
    // The boundaries have code that exists only for their target; in the profile
    // that they are built with, so that no macro is compiled twice.
    for (package, target) in [
        ("shelfedge-browser", "wasm32-unknown-unknown"),
        ("shelfedge-edge", "wasm32-wasip2"),
    ] {
        run_command(
            wasm::unlocked(&mut context.cargo())
                .args(["clippy", "--locked", "--lib", "--package", package])
                .args(["--target", target, "--profile", "wasm"])
                .args(deny),
        )?;
        tally.add(Tally::ONE);
    }
    tally.passed += fuzz::check_light(context)?;
    run_command(
        context
            .cargo()
            .args([
                "doc",
                "--locked",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            // Examples ask for the features of development, which are those that
            // all else here is checked with: without, tract is checked again.
            .args(["--lib", "--bins", "--examples"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    tally.add(Tally::ONE);
    Ok(())
}

fn unit(context: &Context, tally: &mut Tally) -> Result<()> {
    let host = native_host(context)?;
    // The host's own tests run the component and two guests made for them.
    wasm::edge(context)?;
    wasm::guests(context)?;
    let mut command = context.cargo();
    command.args(["test", "--no-fail-fast"]).args(NATIVE);
    // These start the built component: part `parity` runs them.
    command.args(["--exclude", "shelfedge-tests"]);
    environment(context, &mut command, &host);
    // Random graphs are run in onnxruntime too.
    command.env("SHELFEDGE_PYTHON", setup::onnxruntime(context)?);
    cargo_test(&mut command, tally)?;
    // Alone it is built without the features that the edge turns on: as the page's
    // default engine has it.
    for package in ["shelfedge-wire", "xtask"] {
        let mut command = context.cargo();
        command.args(["test", "--locked", "--package", package]);
        cargo_test(&mut command, tally)?;
    }
    Ok(())
}

/// Builds every native test and command.
fn build_native(context: &Context) -> Result<()> {
    setup::rust(context)?;
    run_command(
        context
            .cargo()
            .args(["build", "--bins", "--tests"])
            .args(NATIVE),
    )
}

/// The native host as a test run builds it.
pub(crate) fn native_host(context: &Context) -> Result<std::path::PathBuf> {
    build_native(context)?;
    Ok(context.native("shelfedge"))
}

/// What is shipped: the browser wasm, the package and the component.
fn artefacts(context: &Context) -> Result<()> {
    demo::prepare(context)
}

fn parity(context: &Context, tally: &mut Tally) -> Result<()> {
    let host = native_host(context)?;
    setup::rust(context)?;
    // The shop's own model last: what follows finds the component built.
    wasm::edges(context, &SMALL_BUNDLES)?;
    wasm::edge(context)?;
    let mut command = context.cargo();
    for bundle in SMALL_BUNDLES {
        let variable = format!("SHELFEDGE_EDGE_WASM_{}", bundle.replace('/', "_"));
        command.env(variable, context.edge_of(bundle));
    }
    command.args(["test", "--no-fail-fast"]).args(NATIVE).args([
        "--test",
        "parity",
        "--test",
        "edge",
        "--test",
        "reference",
    ]);
    environment(context, &mut command, &host);
    cargo_test(&mut command, tally)
}

fn node_tests(context: &Context, script: &str, tally: &mut Tally) -> Result<()> {
    let host = native_host(context)?;
    artefacts(context)?;
    npm::install(context, npm::TESTS)?;
    let chromium = setup::chromium(context)?;
    let mut command = context.tool("npm", npm::TESTS);
    command
        .args(["run", "--silent", script])
        .env("CHROMIUM", chromium);
    environment(context, &mut command, &host);
    let (said, outcome) = run_kept(&mut command);
    let counted = count_node(&said);
    tally.add(counted);
    outcome?;
    some_ran(counted)
}

/// Small bundles with golden cases, of models with a log.
const SMALL_BUNDLES: [&str; 2] = ["tests/data/bundles/basket", "tests/data/bundles/next"];

fn onnxruntime(context: &Context, tally: &mut Tally) -> Result<()> {
    let python = setup::onnxruntime(context)?;
    for bundle in ["models/ranking"].into_iter().chain(SMALL_BUNDLES) {
        let (said, outcome) = run_kept(
            context
                .tool(&python.to_string_lossy(), ".")
                .arg("tests/onnxruntime/replay.py")
                .arg(bundle),
        );
        let counted = count_plain(&said);
        tally.add(counted);
        outcome?;
        some_ran(counted)?;
    }
    Ok(())
}

/// Tells tests where the artefacts are, and that absent ones are a fault.
fn environment(context: &Context, command: &mut std::process::Command, host: &std::path::Path) {
    command
        .env("SHELFEDGE_ROOT", &context.root)
        .env("SHELFEDGE_BIN", host)
        .env("SHELFEDGE_EDGE_WASM", context.edge_wasm())
        .env("SHELFEDGE_ECHO_WASM", wasm::guest(context, "echo"))
        .env("SHELFEDGE_UNRULY_WASM", wasm::guest(context, "unruly"))
        .env("SHELFEDGE_REQUIRED", "1");
    // Node's test runner prints its plain report for a reader of logs.
    if env::var_os("NO_COLOR").is_none() {
        command.env("NO_COLOR", "1");
    }
}

fn cargo_test(command: &mut std::process::Command, tally: &mut Tally) -> Result<()> {
    let (said, outcome) = run_kept(command);
    let counted = count_cargo(&said);
    tally.add(counted);
    outcome?;
    some_ran(counted)
}

/// A green run of nothing is not a pass.
fn some_ran(tally: Tally) -> Result<()> {
    if tally.failed > 0 {
        bail!("{} tests failed", tally.failed);
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// `test result: ok. 12 passed; 0 failed; ...`, summed.
fn count_cargo(said: &str) -> Tally {
    let mut tally = Tally::default();
    for line in said.lines() {
        let Some(rest) = line.trim().strip_prefix("test result:") else {
            continue;
        };
        tally.passed += number_before(rest, " passed");
        tally.failed += number_before(rest, " failed");
    }
    tally
}

/// Node's `# pass 12` or `ℹ pass 12`, summed.
fn count_node(said: &str) -> Tally {
    let mut tally = Tally::default();
    for line in said.lines() {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("#" | "ℹ")) {
            continue;
        }
        let (Some(word), Some(Ok(count)), None) = (
            words.next(),
            words.next().map(str::parse::<u64>),
            words.next(),
        ) else {
            continue;
        };
        match word {
            "pass" => tally.passed += count,
            "fail" | "cancelled" => tally.failed += count,
            _ => {}
        }
    }
    tally
}

/// `N passed, N failed` alone on a line.
fn count_plain(said: &str) -> Tally {
    let mut tally = Tally::default();
    for line in said.lines() {
        let Some((passed, failed)) = line.trim().split_once(" passed, ") else {
            continue;
        };
        if let (Ok(passed), Some(Ok(failed))) = (
            passed.parse::<u64>(),
            failed.strip_suffix(" failed").map(str::parse::<u64>),
        ) {
            tally.add(Tally { passed, failed });
        }
    }
    tally
}

fn number_before(text: &str, after: &str) -> u64 {
    text.find(after)
        .and_then(|at| text[..at].rsplit([' ', ';']).next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed }
    }

    #[test]
    fn counts_cargo_test() {
        let said = "running 2 tests\ntest a ... ok\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\ntest result: FAILED. 3 passed; 2 failed; 0 ignored\n";
        assert_eq!(count_cargo(said), tally(15, 2));
        assert_eq!(count_cargo("nothing"), tally(0, 0));
    }

    #[test]
    fn counts_node_test() {
        assert_eq!(
            count_node("# tests 5\n# pass 4\n# fail 1\n# cancelled 1\n# skipped 0\n"),
            tally(4, 2)
        );
        assert_eq!(count_node("ℹ pass 7\nℹ fail 0\n"), tally(7, 0));
        assert_eq!(count_node("# pass the salt\n"), tally(0, 0));
    }

    #[test]
    fn counts_plain_lines() {
        assert_eq!(count_plain("case 1\n32 passed, 0 failed\n"), tally(32, 0));
        assert_eq!(count_plain("some passed, none failed\n"), tally(0, 0));
    }

    #[test]
    fn a_run_of_nothing_fails() {
        assert!(some_ran(tally(0, 0)).is_err());
        assert!(some_ran(tally(1, 1)).is_err());
        assert!(some_ran(tally(1, 0)).is_ok());
    }

    #[test]
    fn every_part_is_in_the_whole() {
        assert_eq!(ALL, Part::value_variants());
    }
}
