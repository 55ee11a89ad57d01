//! Slots, entities and intents of turns.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, StringArray};

use super::texts::folder;
use super::{Line, Target, cpu_seconds, parquet, peak_bytes};
use crate::error::{Error, Result};
use crate::import::texts::Texts;
use crate::import::turns::{self, Turn};
use crate::intent::{self, Settings};
use crate::slots;
use crate::watch::Watch;

/// Writes `row`, `tags` and, where the folder teaches intents, `intent`; a tagger and a
/// classifier for each domain. Tags and intents of what is predicted are never read.
pub fn slots(
    data: &Path,
    out: &Path,
    target: Target,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    crate::bundle::check_writable(out)?;
    let (teach, ask) = folder(data, target);
    let taught = slots::by_domain(turns::import(&teach, true, watch)?);
    let asked = slots::by_domain(turns::import(&[ask], false, watch)?);
    let with_intents = taught
        .values()
        .flatten()
        .any(|turn| !turn.intent.is_empty());
    let of_one = settings.max_bytes / taught.len().max(1) / (1 + usize::from(with_intents));
    let mut bytes = 0;
    let (mut rows, mut tags, mut intents) = (
        Vec::new(),
        ListBuilder::new(StringBuilder::new()),
        Vec::new(),
    );
    for (domain, asked) in &asked {
        let taught = taught.get(domain).ok_or_else(|| {
            Error::fault(
                "domain_unknown",
                format!("domain {domain:?}"),
                "no turn teaches it",
                "teach each domain that is asked for",
            )
        })?;
        let bundle = slots::build(taught, of_one, watch)?;
        bytes += bundle.shelf.len();
        for (turn, of_turn) in asked.iter().zip(slots::predict(&bundle.shelf, asked)?) {
            rows.push(turn.row);
            tags.append_value(of_turn.iter().map(Some));
        }
        if with_intents {
            let text = |turn: &Turn| turn.tokens.join(" ");
            let texts = Texts {
                texts: taught.iter().map(text).collect(),
                labels: taught.iter().map(|turn| turn.intent.clone()).collect(),
                left_out: 0,
            };
            let settings = Settings {
                max_bytes: of_one,
                ..settings.clone()
            };
            let bundle = intent::build(&texts, &[], None, &settings, watch)?;
            bytes += bundle.shelf.len();
            let texts: Vec<String> = asked.iter().map(text).collect();
            let texts = texts.iter().map(String::as_str);
            intent::predict(&bundle.shelf, texts, |label, _| {
                intents.push(label.unwrap_or(intent::OUT_OF_SCOPE).to_owned());
            })?;
        }
    }
    let row: ArrayRef = Arc::new(Int64Array::from(rows));
    let tags: ArrayRef = Arc::new(tags.finish());
    let mut columns = vec![("row", row), ("tags", tags)];
    if with_intents {
        let intent: ArrayRef = Arc::new(StringArray::from(intents));
        columns.push(("intent", intent));
    }
    let table = parquet(columns)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    crate::bundle::write_file(out, &table)?;
    Ok(Line {
        task: "slots",
        seed: settings.seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        shipped_bytes: bytes,
    })
}
