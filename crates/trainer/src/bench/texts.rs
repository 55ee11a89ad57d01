//! Intents and sentiment of texts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, StringArray};

use super::{Line, Target, cpu_seconds, parquet, peak_bytes};
use crate::error::{Error, Result};
use crate::import::texts::{self, Texts};
use crate::intent::{self, OUT_OF_SCOPE, Settings, Teacher};
use crate::watch::Watch;

/// The columns of a prepared folder of texts.
pub(super) const COLUMNS: [&str; 2] = ["text", "label"];

/// What a folder teaches, and the table that is to be predicted.
pub(super) fn folder(data: &Path, target: Target) -> (Vec<PathBuf>, PathBuf) {
    let test = data.join("test.parquet");
    let [train, valid] = ["train.parquet", "valid.parquet"].map(|name| data.join(name));
    if target == Target::Test && test.exists() {
        (vec![train, valid], test)
    } else {
        (vec![train], valid)
    }
}

/// What is predicted of a table.
struct Predicted {
    rows: Vec<i64>,
    labels: Vec<Option<String>>,
    /// Of the most probable label, and of the last.
    probabilities: Vec<[f32; 2]>,
    names: Vec<String>,
    bytes: usize,
}

fn predicted(
    data: &Path,
    out: &Path,
    target: Target,
    teacher: Option<&Teacher>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Predicted> {
    crate::bundle::check_writable(out)?;
    let (teach, ask) = folder(data, target);
    let known: Texts = texts::import(&teach, COLUMNS, watch)?;
    let (rows, asked) = texts::asked(&ask, watch)?;
    let bundle = intent::build(&known, &[], teacher, settings, watch)?;
    let mut predicted = Predicted {
        rows,
        labels: Vec::new(),
        probabilities: Vec::new(),
        names: bundle.names,
        bytes: bundle.shelf.len(),
    };
    intent::predict(
        &bundle.shelf,
        asked.iter().map(String::as_str),
        |label, p| {
            predicted.labels.push(label.map(str::to_owned));
            let largest = p.iter().fold(0.0f32, |a, b| a.max(*b));
            predicted
                .probabilities
                .push([largest, p.last().copied().unwrap_or(0.0)]);
        },
    )?;
    Ok(predicted)
}

fn finish(
    task: &'static str,
    of: &Predicted,
    out: &Path,
    label: ArrayRef,
    score: Vec<f32>,
    seed: u64,
    watch: &dyn Watch,
) -> Result<Line> {
    let row: ArrayRef = Arc::new(Int64Array::from(of.rows.clone()));
    let score: ArrayRef = Arc::new(Float32Array::from(score));
    let bytes = parquet([("row", row), ("label", label), ("score", score)])?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    crate::bundle::write_file(out, &bytes)?;
    Ok(Line {
        task,
        seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        shipped_bytes: of.bytes,
    })
}

/// Intents: writes `row`, `label` ("oos" where the text is out of scope) and `score`, the
/// probability of the most probable label. Labels of what is predicted are never read.
pub fn intent(
    data: &Path,
    out: &Path,
    target: Target,
    teacher: Option<&Teacher>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    let of = predicted(data, out, target, teacher, settings, watch)?;
    let labels = of
        .labels
        .iter()
        .map(|l| l.as_deref().unwrap_or(OUT_OF_SCOPE));
    let label: ArrayRef = Arc::new(StringArray::from_iter_values(labels));
    let score = of
        .probabilities
        .iter()
        .map(|[largest, _]| *largest)
        .collect();
    finish("intent", &of, out, label, score, settings.seed, watch)
}

/// Sentiment, of two labels that are whole numbers: writes `row`, `label` and `score`, the
/// probability of the larger one.
pub fn sentiment(
    data: &Path,
    out: &Path,
    target: Target,
    teacher: Option<&Teacher>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    let of = predicted(data, out, target, teacher, settings, watch)?;
    let number = |label: &str| -> Result<i64> {
        label.parse().map_err(|_| {
            Error::fault(
                "label_not_a_number",
                format!("label {label:?}"),
                "prediction files of sentiment hold whole numbers",
                "label the texts 0 and 1",
            )
        })
    };
    for name in &of.names {
        number(name)?;
    }
    let labels = of
        .labels
        .iter()
        .map(|l| number(l.as_deref().unwrap_or(&of.names[0])));
    let label: ArrayRef = Arc::new(Int64Array::from(labels.collect::<Result<Vec<i64>>>()?));
    let score = of.probabilities.iter().map(|[_, last]| *last).collect();
    finish("sentiment", &of, out, label, score, settings.seed, watch)
}

/// Which texts get the right answer.
pub(super) fn right(shelf: &[u8], of: &Texts) -> Result<Vec<bool>> {
    let mut right = Vec::with_capacity(of.texts.len());
    let mut labels = of.labels.iter();
    intent::predict(shelf, of.texts.iter().map(String::as_str), |label, _| {
        right.push(labels.next().map(String::as_str) == Some(label.unwrap_or(OUT_OF_SCOPE)));
    })?;
    Ok(right)
}

pub(super) fn share(right: &[bool]) -> f64 {
    right.iter().filter(|it| **it).count() as f64 / right.len().max(1) as f64
}
