//! The `bench` commands: they map the columns of a prepared folder and call the
//! product's own learning and prediction. Nothing here learns or ranks by
//! itself.

mod bandit;
mod cold;
mod corrections;
mod images;
mod label_next;
mod levels;
mod new_products;
mod slots;
mod texts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{ArrayRef, Int16Array, Int32Array, RecordBatch, StringArray};
use serde::Serialize;
use shelfedge_commerce::time::{DAY, Timestamp};

use crate::basket;
use crate::bundle::Staging;
use crate::error::{Error, Result};
use crate::examples::History;
use crate::export::internal;
use crate::import::sequences::{self, Log, SequenceMapping};
use crate::import::{Mapping, import_tables};
use crate::next;
use crate::protocol::{Window, customers};
use crate::watch::Watch;

pub use bandit::{Scored, bandit};
pub use cold::cold_start;
pub use corrections::{Corrected, Weighed, corrections};
pub use images::{Labels, Retrieval, images};
pub use label_next::{Curves, Rounds, Way, label_next};
pub use levels::{Levels, Near, levels};
pub use new_products::new_products;
pub use slots::slots;
pub use texts::{intent, sentiment};

/// Which part of a prepared folder is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `valid`, from `train` alone: the way to tune.
    Valid,
    /// `test`, from `train` and `valid`.
    Test,
}

/// The line that a bench command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which task.
    pub task: &'static str,
    /// Its seed.
    pub seed: u64,
    /// CPU seconds of this process, all threads.
    pub cpu_s: f64,
    /// Largest resident memory.
    pub peak_bytes: u64,
    /// Bytes of the compiled model with its tables.
    pub shipped_bytes: usize,
}

/// A prepared next-basket folder as the product's own mapping: with this file
/// as `mapping.toml` beside the same tables, `shelfedge-train basket --no-test`
/// writes the same bundle.
pub const NEXT_BASKET: &str = r#"format = 1
currency = "GBP"

[columns]
order = "invoice"
product = "item"
quantity = "quantity"
time = "date"
unit_price = "price"
customer = "customer"

[time]
format = "%Y-%m-%d %H:%M:%S"

[titles]
table = "items.parquet"
product = "item"
title = "description"
"#;

/// What a bench command writes.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// The prediction file.
    pub predictions: &'a Path,
    /// A folder for the bundle that the predictions come from, if it is wanted.
    pub bundle: Option<&'a Path>,
}

impl Outputs<'_> {
    /// Before the work: whether they can be written.
    fn check(&self) -> Result<()> {
        if let Some(bundle) = self.bundle {
            drop(Staging::begin(bundle)?);
        }
        crate::bundle::check_writable(self.predictions)
    }
}

/// Next basket: learns from the history and writes 20 products for each of its
/// customers, in the lists "all" and "new". The predicted part itself is never
/// read: its customers are among those of the history.
pub fn next_basket(
    data: &Path,
    outputs: Outputs<'_>,
    target: Target,
    settings: &basket::Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    outputs.check()?;
    let mut mapping = Mapping::parse(NEXT_BASKET, "bench next-basket")?;
    // Titles make the ranking better, but it can be learnt without.
    mapping.titles = mapping.titles.filter(|t| data.join(&t.table).exists());
    let mut files = vec![data.join("train.parquet")];
    if target == Target::Test && data.join("test.parquet").exists() {
        files.push(data.join("valid.parquet"));
    }
    let imported = import_tables(&files, data, &mapping, watch)?;
    let shop = &imported.shop;
    let history = History::of(shop)?;
    let bundle = basket::build(&imported, &history, false, settings, watch)?;

    // The part to be predicted begins with the day after the history's last.
    let start = (Timestamp(shop.end()).day() + 1) * DAY;
    let window = Window {
        from: start,
        to: start,
    };
    let queries = customers(shop, start);
    let lists = basket::lists(shop, &history, &bundle, window, &queries, watch)?;
    let mut rows = Predictions::default();
    for (name, ranked) in [("all", &lists.all), ("new", &lists.new)] {
        for (case, products) in queries.iter().zip(ranked) {
            let items = products
                .iter()
                .map(|p| shop.products[*p as usize].code.as_str());
            rows.add(&shop.customers[case.customer as usize].id, name, items)?;
        }
    }
    finish(
        "next-basket",
        settings.seed,
        bundle.shelf().len(),
        &rows,
        outputs,
        watch,
        |out| bundle.write(out).map(drop),
    )
}

/// The mapping of a prepared folder of sessions.
pub const SESSION: &str = r#"format = 1
currency = "EUR"

[sequences]
of = "sessions"
sequence = "session"
product = "item"
position = "pos"
"#;

/// The queries of such a folder: the beginnings of sessions.
const SESSION_QUERIES: &str = r#"format = 1
currency = "EUR"

[sequences]
of = "sessions"
sequence = "query"
product = "item"
position = "pos"
"#;

/// The mapping of a prepared folder of shoppers' sequences. Later tables go on
/// with the sequences of earlier ones, row by row.
pub const SEQUENCE: &str = r#"format = 1
currency = "EUR"

[sequences]
of = "shoppers"
sequence = "user"
product = "item"
"#;

/// Share of the sessions before those that are predicted as `valid`, where the
/// folder's own `meta.json` doesn't say.
const VALID_CUT: f64 = 0.95;
/// Places of a list in a prediction file.
const PLACES: usize = 20;

/// Sessions: learns from whole sessions and writes 20 products for each
/// beginning of another. Its answers are never read.
pub fn session(
    data: &Path,
    outputs: Outputs<'_>,
    target: Target,
    settings: &next::Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    let mapping = SequenceMapping::parse(SESSION, "bench session")?;
    let queries = SequenceMapping::parse(SESSION_QUERIES, "bench session")?;
    let mut log = sequences::import_tables(&[data.join("train.parquet")], &mapping, watch)?;
    let test = data.join("test.parquet");
    let asked = if target == Target::Test && test.exists() {
        test
    } else {
        log.cut(valid_cut(data, log.sequences.len()));
        data.join("valid.parquet")
    };
    let asked = sequences::import_tables(&[asked], &queries, watch)?;
    next_product("session", &log, &mapping, &asked, outputs, settings, watch)
}

/// Sequences: learns from what shoppers did and writes 20 products that each of
/// them may come to next. The predicted part itself is never read.
pub fn sequence(
    data: &Path,
    outputs: Outputs<'_>,
    target: Target,
    settings: &next::Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    let mapping = SequenceMapping::parse(SEQUENCE, "bench sequence")?;
    let mut files = vec![data.join("train.parquet")];
    if target == Target::Test && data.join("test.parquet").exists() {
        files.push(data.join("valid.parquet"));
    }
    let log = sequences::import_tables(&files, &mapping, watch)?;
    next_product("sequence", &log, &mapping, &log, outputs, settings, watch)
}

/// How many sessions stand before those that are predicted as `valid`.
fn valid_cut(data: &Path, sessions: usize) -> usize {
    let told = std::fs::read(data.join("meta.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|meta| meta.get("valid_cut")?.as_u64());
    told.map_or((VALID_CUT * sessions as f64) as usize, |cut| cut as usize)
}

fn next_product(
    task: &'static str,
    log: &Log,
    mapping: &SequenceMapping,
    asked: &Log,
    outputs: Outputs<'_>,
    settings: &next::Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    outputs.check()?;
    let bundle = next::build(log, mapping, false, settings, watch)?;
    // What the log doesn't know says nothing of what follows.
    let known: Vec<Option<u32>> = asked
        .products
        .iter()
        .map(|id| log.products.binary_search(id).ok().map(|at| at as u32))
        .collect();
    let beginnings: Vec<Vec<u32>> = asked
        .sequences
        .iter()
        .map(|begins| begins.iter().filter_map(|p| known[*p as usize]).collect())
        .collect();
    let ranked = next::predict(
        bundle.shelf(),
        &log.products,
        beginnings.iter().map(Vec::as_slice),
        PLACES,
        watch,
    )?;
    let mut rows = Predictions::default();
    for (id, list) in asked.ids.iter().zip(ranked) {
        rows.add(
            id,
            "all",
            list.iter().map(|p| log.products[*p as usize].as_str()),
        )?;
    }
    finish(
        task,
        settings.seed,
        bundle.shelf().len(),
        &rows,
        outputs,
        watch,
        |out| bundle.write(out).map(drop),
    )
}

/// Writes what a task gives, unless it was stopped.
fn finish(
    task: &'static str,
    seed: u64,
    shipped_bytes: usize,
    predictions: &Predictions,
    outputs: Outputs<'_>,
    watch: &dyn Watch,
    write_bundle: impl FnOnce(&Path) -> Result<()>,
) -> Result<Line> {
    let predictions = predictions.parquet()?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    if let Some(folder) = outputs.bundle {
        write_bundle(folder)?;
    }
    crate::bundle::write_file(outputs.predictions, &predictions)?;
    Ok(Line {
        task,
        seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        shipped_bytes,
    })
}

/// A prediction file: the columns `query`, `list`, `rank` (from 1) and `item`.
#[derive(Default)]
struct Predictions {
    query: Vec<i32>,
    list: Vec<&'static str>,
    rank: Vec<i16>,
    item: Vec<i32>,
}

impl Predictions {
    /// Adds a list, best first.
    fn add<'i>(
        &mut self,
        query: &str,
        list: &'static str,
        items: impl Iterator<Item = &'i str>,
    ) -> Result<()> {
        let number = |what: &str, text: &str| -> Result<i32> {
            text.parse().map_err(|_| {
                Error::fault(
                    "id_not_a_number",
                    format!("{what} {text:?}"),
                    "prediction files hold whole numbers of 32 bits",
                    "number the prepared folder's customers, sessions and items",
                )
            })
        };
        let query = number("query", query)?;
        for (place, item) in (1i16..).zip(items) {
            self.query.push(query);
            self.list.push(list);
            self.rank.push(place);
            self.item.push(number("item", item)?);
        }
        Ok(())
    }

    fn parquet(&self) -> Result<Vec<u8>> {
        let columns: [(&str, ArrayRef); 4] = [
            ("query", Arc::new(Int32Array::from(self.query.clone()))),
            ("list", Arc::new(StringArray::from(self.list.clone()))),
            ("rank", Arc::new(Int16Array::from(self.rank.clone()))),
            ("item", Arc::new(Int32Array::from(self.item.clone()))),
        ];
        parquet(columns)
    }
}

/// A table of these columns.
fn parquet<N: AsRef<str>>(columns: impl IntoIterator<Item = (N, ArrayRef)>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = |cause: String| internal("predictions", cause);
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| failed(e.to_string()))?;
    ArrowWriter::try_new(&mut bytes, batch.schema(), None)
        .and_then(|mut writer| {
            writer.write(&batch)?;
            writer.close()
        })
        .map_err(|e| failed(e.to_string()))?;
    Ok(bytes)
}

/// CPU seconds of this process; 0 where the system doesn't tell.
fn cpu_seconds() -> f64 {
    let read = || -> Option<f64> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The fields after the command's name, which may hold spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks: f64 =
            fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        // Linux counts these in hundredths of a second on every platform that
        // Rust's standard library knows.
        Some(ticks / 100.0)
    };
    read().unwrap_or(0.0)
}

/// Largest resident memory; 0 where the system doesn't tell.
fn peak_bytes() -> u64 {
    let read = || -> Option<u64> {
        let status = std::fs::read_to_string(PathBuf::from("/proc/self/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    };
    read().unwrap_or(0)
}
