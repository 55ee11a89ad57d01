//! `cargo xtask size`: what a shopper downloads and an edge instantiates.
//!
//! Sizes are compared with `tests/ratchet/sizes.json`: nothing may grow past
//! what is recorded there, nor past the caps. It measures what is built; it
//! builds nothing by itself.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::context::{Context, capture, write_whole};
use crate::npm;

/// Options of `cargo xtask size`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Print JSON only.
    #[arg(long)]
    json: bool,
    /// Record sizes that shrank, and new ones.
    #[arg(long)]
    update: bool,
    /// With --update: record sizes that grew as well.
    #[arg(long, requires = "update")]
    grow: bool,
}

/// The committed results.
const RATCHET: &str = "tests/ratchet/sizes.json";
/// The compiled model.
const MODEL: &str = "models/ranking/model.shelf";
/// The compiled model of intents.
const INTENT: &str = "models/intent/model.shelf";
/// The assistant that converses: intents, sentiment, flows and the catalogue.
const CHAT: &str = "models/chat/model.shelf";

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    raw: u64,
    /// Brotli quality 11, window 24, each file by itself.
    brotli: u64,
}

/// A size that may never be passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cap {
    of: String,
    measure: Measure,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Measure {
    Raw,
    Brotli,
}

/// `tests/ratchet/sizes.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    note: String,
    caps: Vec<Cap>,
    sizes: BTreeMap<String, Size>,
}

fn recorded(context: &Context) -> Result<Ratchet> {
    let text = fs::read(context.path(RATCHET)).with_context(|| format!("reading {RATCHET}"))?;
    serde_json::from_slice(&text).with_context(|| format!("{RATCHET} is not as expected"))
}

/// What has a cap: its name, its size and the cap.
pub(crate) fn rows(context: &Context) -> Result<Vec<(String, u64, u64)>> {
    let sizes = measure(context)?;
    recorded(context)?
        .caps
        .iter()
        .map(|cap| {
            let size = sizes
                .get(&cap.of)
                .with_context(|| format!("{} has a cap but was not measured", cap.of))?;
            let name = format!("{} ({})", cap.of, name(cap.measure));
            Ok((name, pick(*size, cap.measure), cap.bytes))
        })
        .collect()
}

pub(crate) fn run(context: &Context, options: &Options) -> Result<()> {
    let sizes = measure(context)?;
    println!("{}", serde_json::to_string_pretty(&sizes)?);
    let mut ratchet = recorded(context)?;
    let over = past_caps(&ratchet, &sizes);
    if options.update {
        if !over.is_empty() {
            bail!("{}", over.join("; "));
        }
        let kept = update(&mut ratchet, &sizes, options.grow);
        let mut text = serde_json::to_string_pretty(&ratchet)?;
        text.push('\n');
        write_whole(&context.path(RATCHET), text.as_bytes())?;
        for name in kept {
            eprintln!("{name} grew: kept as it was (record it with --update --grow)");
        }
        return Ok(());
    }
    let mut faults = over;
    faults.extend(grown(&ratchet, &sizes));
    if !options.json {
        for cap in &ratchet.caps {
            if let Some(size) = sizes.get(&cap.of) {
                let bytes = pick(*size, cap.measure);
                eprintln!(
                    "{}: {bytes} bytes {}, {:.0} % of its cap",
                    cap.of,
                    name(cap.measure),
                    bytes as f64 * 100.0 / cap.bytes as f64
                );
            }
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("{}", faults.join("; "))
    }
}

/// Measures what is built, file by file and in the sums that are promised.
fn measure(context: &Context) -> Result<BTreeMap<String, Size>> {
    let mut sizes = BTreeMap::new();
    let mut bundle = Size { raw: 0, brotli: 0 };
    for file in bundle_files(context)? {
        let path = format!("{}/dist/{file}", npm::PACKAGE);
        let size = of_file(context, &path, "cargo xtask npm")?;
        bundle.raw += size.raw;
        bundle.brotli += size.brotli;
        sizes.insert(format!("browser/{file}"), size);
    }
    sizes.insert("browser bundle".to_owned(), bundle);
    for file in [
        "shelfedge_full_bg.wasm",
        "assistant.js",
        "shelfedge_assistant_bg.wasm",
        "chat.js",
    ] {
        let path = format!("{}/dist/{file}", npm::PACKAGE);
        sizes.insert(
            format!("browser/{file}"),
            of_file(context, &path, "cargo xtask npm")?,
        );
    }
    let intent = of_file(context, INTENT, "shelfedge-train intent")?;
    sizes.insert("models/intent".to_owned(), intent);
    let mut assistant = of_file(context, CHAT, "shelfedge-train assistant")?;
    sizes.insert("models/chat".to_owned(), assistant);
    for file in ["assistant.js", "shelfedge_assistant_bg.wasm", "chat.js"] {
        let part = sizes[&format!("browser/{file}")];
        assistant.raw += part.raw;
        assistant.brotli += part.brotli;
    }
    sizes.insert("assistant with model".to_owned(), assistant);
    let model = of_file(context, MODEL, "cargo xtask demo")?;
    sizes.insert("model.shelf".to_owned(), model);
    sizes.insert(
        "browser bundle with model".to_owned(),
        Size {
            raw: bundle.raw + model.raw,
            brotli: bundle.brotli + model.brotli,
        },
    );
    let edge = of_file(context, "target/edge.wasm", "cargo xtask edge")?;
    sizes.insert("edge component".to_owned(), edge);
    let conversing = sizes["models/chat"];
    sizes.insert(
        "edge component without the assistant's model".to_owned(),
        Size {
            raw: edge.raw - conversing.raw,
            brotli: edge.brotli - conversing.brotli,
        },
    );
    Ok(sizes)
}

/// The files that a page with the default settings loads; the package's build
/// script is the one place that lists them.
fn bundle_files(context: &Context) -> Result<Vec<String>> {
    let text = capture(
        context
            .tool("node", npm::PACKAGE)
            .args(["build.mjs", "--size"]),
    )
    .context("asking the package which files a page loads")?;
    let listed: serde_json::Value =
        serde_json::from_str(&text).context("`node build.mjs --size` printed no JSON")?;
    let files = listed["files"]
        .as_object()
        .context("`node build.mjs --size` lists no files")?;
    Ok(files.keys().cloned().collect())
}

/// Compresses with Node's zlib: it holds the reference encoder, and everything
/// that is measured here needs Node to be built anyway.
const COMPRESS: &str = "
const { brotliCompressSync, constants } = require('node:zlib');
const bytes = require('node:fs').readFileSync(process.argv[1]);
const params = {
  [constants.BROTLI_PARAM_QUALITY]: 11,
  [constants.BROTLI_PARAM_LGWIN]: 24,
  [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
};
console.log(brotliCompressSync(bytes, { params }).length);
";

fn of_file(context: &Context, path: &str, maker: &str) -> Result<Size> {
    let file = context.path(path);
    let raw = fs::metadata(&file)
        .with_context(|| format!("{path} is not there: `{maker}` makes it"))?
        .len();
    let said = capture(
        context
            .tool("node", ".")
            .args(["--eval", COMPRESS])
            .arg(&file),
    )?;
    Ok(Size {
        raw,
        brotli: said
            .trim()
            .parse()
            .with_context(|| format!("compressing {path}: node said {said:?}"))?,
    })
}

fn pick(size: Size, measure: Measure) -> u64 {
    match measure {
        Measure::Raw => size.raw,
        Measure::Brotli => size.brotli,
    }
}

fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::Raw => "raw",
        Measure::Brotli => "brotli",
    }
}

/// Caps that are passed, or whose subject was not measured.
fn past_caps(ratchet: &Ratchet, sizes: &BTreeMap<String, Size>) -> Vec<String> {
    let mut faults = Vec::new();
    for cap in &ratchet.caps {
        match sizes.get(&cap.of) {
            None => faults.push(format!("{} has a cap but was not measured", cap.of)),
            Some(size) if pick(*size, cap.measure) > cap.bytes => faults.push(format!(
                "{} is {} bytes {}, past its cap of {}",
                cap.of,
                pick(*size, cap.measure),
                name(cap.measure),
                cap.bytes
            )),
            Some(_) => {}
        }
    }
    faults
}

/// How much a recorded size may be exceeded, in percent: another machine's
/// linker orders a few bytes differently.
const SLACK_PERCENT: u64 = 1;

/// Sizes that grew past what is recorded, or were never recorded.
fn grown(ratchet: &Ratchet, sizes: &BTreeMap<String, Size>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, size) in sizes {
        let Some(recorded) = ratchet.sizes.get(name) else {
            faults.push(format!(
                "{name} is not recorded in {RATCHET} (`cargo xtask size --update`)"
            ));
            continue;
        };
        if size.brotli * 100 > recorded.brotli * (100 + SLACK_PERCENT) {
            faults.push(format!(
                "{name} grew from {} to {} bytes brotli",
                recorded.brotli, size.brotli
            ));
        }
        if size.raw * 100 > recorded.raw * (100 + SLACK_PERCENT) {
            faults.push(format!(
                "{name} grew from {} to {} bytes raw",
                recorded.raw, size.raw
            ));
        }
    }
    for name in ratchet.sizes.keys() {
        if !sizes.contains_key(name) {
            faults.push(format!(
                "{name} is recorded in {RATCHET} but no longer shipped (`cargo xtask size --update`)"
            ));
        }
    }
    faults
}

/// Records what shrank or is new, forgets what is gone, and returns what grew
/// and was kept.
fn update(ratchet: &mut Ratchet, sizes: &BTreeMap<String, Size>, grow: bool) -> Vec<String> {
    let mut kept = Vec::new();
    ratchet.sizes.retain(|name, _| sizes.contains_key(name));
    for (name, size) in sizes {
        match ratchet.sizes.get_mut(name) {
            None => {
                ratchet.sizes.insert(name.clone(), *size);
            }
            Some(recorded) => {
                if !grow && (size.raw > recorded.raw || size.brotli > recorded.brotli) {
                    kept.push(name.clone());
                } else {
                    *recorded = *size;
                }
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratchet() -> Ratchet {
        Ratchet {
            note: String::new(),
            caps: vec![Cap {
                of: "bundle".to_owned(),
                measure: Measure::Brotli,
                bytes: 100,
            }],
            sizes: BTreeMap::from([(
                "bundle".to_owned(),
                Size {
                    raw: 1000,
                    brotli: 90,
                },
            )]),
        }
    }

    fn sizes(raw: u64, brotli: u64) -> BTreeMap<String, Size> {
        BTreeMap::from([("bundle".to_owned(), Size { raw, brotli })])
    }

    #[test]
    fn holds_while_nothing_grows() {
        assert!(past_caps(&ratchet(), &sizes(1000, 90)).is_empty());
        assert!(grown(&ratchet(), &sizes(1000, 90)).is_empty());
        assert!(grown(&ratchet(), &sizes(10, 9)).is_empty());
    }

    #[test]
    fn fails_past_the_record_and_past_the_cap() {
        assert_eq!(grown(&ratchet(), &sizes(1000, 92)).len(), 1);
        assert_eq!(grown(&ratchet(), &sizes(1020, 90)).len(), 1);
        assert_eq!(past_caps(&ratchet(), &sizes(1000, 101)).len(), 1);
        assert_eq!(past_caps(&ratchet(), &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn fails_for_what_is_not_recorded_or_no_longer_shipped() {
        let other = BTreeMap::from([("other".to_owned(), Size { raw: 1, brotli: 1 })]);
        assert_eq!(grown(&ratchet(), &other).len(), 2);
    }

    #[test]
    fn update_records_improvements_only_unless_told() {
        let mut recorded = ratchet();
        assert_eq!(update(&mut recorded, &sizes(900, 95), false), ["bundle"]);
        assert_eq!(recorded, ratchet());
        assert!(update(&mut recorded, &sizes(900, 80), false).is_empty());
        assert_eq!(recorded.sizes, sizes(900, 80));
        assert!(update(&mut recorded, &sizes(950, 85), true).is_empty());
        assert_eq!(recorded.sizes, sizes(950, 85));
    }
}
