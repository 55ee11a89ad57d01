//! `cargo xtask bench`: runs the benchmarks and rewrites the figures in
//! BENCHMARKS.md.
//!
//! The benchmarks themselves lie with what they measure (`tests/package/bench`
//! and `shelfedge bench-edge`); peers run interleaved in the same run, and what
//! counts is the ratio. Only the text between the marks is rewritten.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::context::{Context, capture, run as run_command, run_kept, step, write_whole};
use crate::{demo, npm, setup, size, wasm};

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print the figures and leave BENCHMARKS.md as it is.
    #[arg(long)]
    dry_run: bool,
    /// Rounds of the edge benchmark.
    #[arg(long, default_value_t = 300)]
    rounds: u32,
}

const FILE: &str = "BENCHMARKS.md";
const BEGIN: &str = "<!-- figures: written by `cargo xtask bench` -->";
const END: &str = "<!-- end of figures -->";

/// The host with all optimisation, which the tests' one is built without.
fn optimised_host(context: &Context) -> Result<std::path::PathBuf> {
    step("optimised host", || {
        run_command(
            context
                .cargo()
                .args(["build", "--release", "--bin", "shelfedge"])
                .args(demo::NATIVE),
        )
    })?;
    let name = format!("shelfedge{}", std::env::consts::EXE_SUFFIX);
    Ok(context.target.join("release").join(name))
}

pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    demo::prepare(context)?;
    let host = optimised_host(context)?;
    wasm::guests(context)?;
    npm::install(context, npm::TESTS)?;
    let chromium = setup::chromium(context)?;

    let edge = step("edge benchmark", || {
        let golden: Value =
            serde_json::from_slice(&fs::read(context.path("models/ranking/golden.json"))?)?;
        let body = context.stamps().join("bench-rank.json");
        write_whole(&body, golden["cases"][0]["request"].to_string().as_bytes())?;
        last_json(run_kept(
            std::process::Command::new(&host)
                .current_dir(&context.root)
                .arg("bench-edge")
                .arg("--component")
                .arg(context.edge_wasm())
                .arg("--echo")
                .arg(wasm::guest(context, "echo"))
                .args(["--rounds", &options.rounds.to_string()])
                .arg("--rank")
                .arg(&body)
                .arg("--json"),
        ))
    })?;
    let browser = step("browser benchmark", || {
        last_json(run_kept(
            context
                .tool("npm", npm::TESTS)
                .args(["run", "--silent", "bench"])
                .env("CHROMIUM", &chromium),
        ))
    })?;
    let sizes = size::rows(context)?;
    let figures = figures(&machine(context), &sizes, &browser, &edge)?;
    println!("{figures}");
    if options.dry_run {
        return Ok(());
    }
    let path = context.path(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
    write_whole(&path, replace(&text, &figures)?.as_bytes())
}

/// The last line that is a JSON object.
fn last_json((said, outcome): (String, Result<()>)) -> Result<Value> {
    outcome?;
    said.lines()
        .rev()
        .find_map(|line| {
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(Value::is_object)
        })
        .context("the benchmark printed no JSON object")
}

/// Where the figures were measured.
fn machine(context: &Context) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
                .map(|(_, name)| name.to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let said = |tool: &str, arguments: &[&str]| {
        capture(context.tool(tool, ".").args(arguments))
            .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
    };
    format!(
        "{cpu}, {cores} cores, {}; {}; Node {}; measured {}.",
        std::env::consts::OS,
        said("rustc", &["--version"]),
        said("node", &["--version"]),
        said("date", &["-u", "+%Y-%m-%d"]),
    )
}

/// A number at a path; a benchmark that stops saying it is a fault here.
fn number(value: &Value, path: &str) -> Result<f64> {
    value
        .pointer(path)
        .and_then(Value::as_f64)
        .with_context(|| format!("the benchmark says no {path}"))
}

/// A ratio, and whether the promise holds.
fn verdict(value: f64, promise: f64, at_least: bool) -> &'static str {
    let kept = if at_least {
        value >= promise
    } else {
        value <= promise
    };
    if kept { "reached" } else { "**missed**" }
}

fn figures(
    machine: &str,
    sizes: &[(String, u64, u64)],
    browser: &Value,
    edge: &Value,
) -> Result<String> {
    let mut out = format!("{machine}\n\n");
    writeln!(out, "| size | bytes | promised at most | |")?;
    writeln!(out, "|---|---:|---:|---|")?;
    for (name, bytes, cap) in sizes {
        let kept = verdict(*bytes as f64, *cap as f64, false);
        writeln!(out, "| {name} | {bytes} | {cap} | {kept} |")?;
    }
    writeln!(out)?;

    let version = browser["browser"].as_str().unwrap_or("unknown");
    let peer = browser["onnxruntime_web"].as_str().unwrap_or("unknown");
    writeln!(
        out,
        "Chromium {version}, onnxruntime-web {peer} (wasm, one thread), the same ONNX and inputs:\n"
    )?;
    writeln!(
        out,
        "| | shelfedge | onnxruntime-web | ratio | promised at least | |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---|")?;
    for (clock, since) in [
        ("from_script", "from the page's first line of script"),
        ("from_navigation", "from the navigation"),
    ] {
        for (place, ours, ratio) in [
            ("worker", "shelfedge_worker_ms", "ratio"),
            (
                "page's own thread",
                "shelfedge_main_thread_ms",
                "ratio_main_thread",
            ),
        ] {
            let at = |name: &str| number(browser, &format!("/cold_start/{clock}/{name}"));
            let ratio = at(ratio)?;
            writeln!(
                out,
                "| cold start {since} to the first ranking of 200, {place} | {:.1} ms | {:.1} ms | {ratio:.2} | 5 | {} |",
                at(ours)?,
                at("onnxruntime_web_ms")?,
                verdict(ratio, 5.0, true)
            )?;
        }
    }
    for rows in ["200", "1000"] {
        let at = |name: &str| number(browser, &format!("/steady_state/sizes/{rows}/{name}"));
        let ratio = at("ratio")?;
        writeln!(
            out,
            "| steady state, {rows} candidates | {:.3} ms | {:.3} ms | {ratio:.2} | 1.5 | {} |",
            at("shelfedge_ms")?,
            at("onnxruntime_web_ms")?,
            verdict(ratio, 1.5, true)
        )?;
        writeln!(
            out,
            "| largest difference of a score, {rows} candidates | {:.1e} | | | 1e-4 at most | {} |",
            at("largest_difference")?,
            verdict(at("largest_difference")?, 1e-4, false)
        )?;
    }
    writeln!(out)?;

    let ratio = number(edge, "/ratio")?;
    let total = number(edge, "/edge/total_us")?;
    let echo = number(edge, "/echo/total_us")?;
    writeln!(
        out,
        "The edge component under Wasmtime, a fresh instance a request, medians of {} rounds:\n",
        number(edge, "/rounds")?
    )?;
    writeln!(out, "| | edge | only echoes | ratio | promised at most | |")?;
    writeln!(out, "|---|---:|---:|---:|---:|---|")?;
    writeln!(
        out,
        "| instantiation and access to the model | {total:.0} us | {echo:.0} us | {ratio:.2} | 2 | {} |",
        verdict(ratio, 2.0, false)
    )?;
    writeln!(
        out,
        "| a whole ranking of {} candidates, fresh instance | {:.0} us | | | | |",
        number(edge, "/rank_candidates")?,
        number(edge, "/rank/total_us")?
    )?;
    writeln!(
        out,
        "| of which ranking | {:.0} us | | | | |",
        number(edge, "/rank_compute_us")?
    )?;
    Ok(out)
}

/// Puts the figures between the marks.
fn replace(text: &str, figures: &str) -> Result<String> {
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        bail!("{FILE} has lost its marks `{BEGIN}` and `{END}`");
    };
    let begin = begin + BEGIN.len();
    if begin > end {
        bail!("{FILE}: the marks are in the wrong order");
    }
    Ok(format!(
        "{}\n\n{}\n{}",
        &text[..begin],
        figures.trim_end(),
        &text[end..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_marks_changes() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace(&text, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\n\nnew\n{END}\nafter\n"));
        assert_eq!(replace(&new, "new\n").unwrap(), new);
        assert!(replace("no marks", "new").is_err());
        assert!(replace(&format!("{END}{BEGIN}"), "new").is_err());
    }

    #[test]
    fn the_last_object_counts() {
        let said = "noise\n{\"a\":1}\n[2]\n".to_owned();
        assert_eq!(last_json((said, Ok(()))).unwrap()["a"], 1);
        assert!(last_json(("noise\n".to_owned(), Ok(()))).is_err());
    }

    #[test]
    fn a_missed_promise_is_called_so() {
        assert_eq!(verdict(1.4, 1.5, true), "**missed**");
        assert_eq!(verdict(1.5, 1.5, true), "reached");
        assert_eq!(verdict(2.1, 2.0, false), "**missed**");
    }

    #[test]
    fn figures_need_every_number() {
        let steady = serde_json::json!({"shelfedge_ms": 0.4, "onnxruntime_web_ms": 0.8, "ratio": 2.0, "largest_difference": 1e-6});
        let cold = serde_json::json!({"onnxruntime_web_ms": 900.0, "shelfedge_worker_ms": 90.0, "shelfedge_main_thread_ms": 80.0, "ratio": 10.0, "ratio_main_thread": 11.0});
        let browser = serde_json::json!({
            "browser": "1", "onnxruntime_web": "2",
            "cold_start": {"from_script": cold, "from_navigation": cold},
            "steady_state": {"sizes": {"200": steady, "1000": steady}},
        });
        let edge = serde_json::json!({
            "rounds": 300, "ratio": 1.5, "edge": {"total_us": 300.0}, "echo": {"total_us": 200.0},
            "rank": {"total_us": 900.0}, "rank_compute_us": 500.0, "rank_candidates": 200,
        });
        let sizes = [("bundle (brotli)".to_owned(), 90, 100)];
        let text = figures("a machine", &sizes, &browser, &edge).unwrap();
        assert!(
            text.contains("| bundle (brotli) | 90 | 100 | reached |"),
            "{text}"
        );
        let mut less = browser.clone();
        less["steady_state"]["sizes"]["1000"] = Value::Null;
        assert!(figures("a machine", &sizes, &less, &edge).is_err());
    }
}
