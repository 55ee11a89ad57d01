//! The `bench` commands: they map the columns of a prepared folder and call the
//! product's own learning and prediction. Nothing here learns or ranks by
//! itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{ArrayRef, Int16Array, Int32Array, RecordBatch, StringArray};
use serde::Serialize;
use shelfedge_commerce::time::{DAY, Timestamp};

use crate::bundle::Staging;
use crate::error::{Error, Result};
use crate::examples::History;
use crate::export::internal;
use crate::import::{Mapping, import_tables};
use crate::learn::Settings;
use crate::plan::{LastMonth, Plan};
use crate::protocol::{Case, Window, customers};
use crate::ranking::{build, predict};
use crate::shop::Shop;
use crate::watch::Watch;

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
/// as `mapping.toml` beside the same tables, `shelfedge-train ranking --no-test`
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

/// Next basket: learns from the history and writes 20 products for each of its
/// customers, in the lists "all" and "new". The predicted part itself is never
/// read: its customers are among those of the history.
pub fn next_basket(
    data: &Path,
    outputs: Outputs<'_>,
    target: Target,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    if let Some(bundle) = outputs.bundle {
        drop(Staging::begin(bundle)?);
    }
    let mut mapping = Mapping::parse(NEXT_BASKET, "bench next-basket")?;
    // Titles make the ranking better, but it can be learnt without.
    mapping.titles = mapping.titles.filter(|t| data.join(&t.table).exists());
    let mut files = vec![data.join("train.parquet")];
    if target == Target::Test && data.join("test.parquet").exists() {
        files.push(data.join("valid.parquet"));
    }
    let imported = import_tables(&files, data, &mapping, watch)?;
    let shop = &imported.shop;
    let plan = Plan::of(shop, LastMonth::StopsLearning)?;
    let history = History::of(shop)?;
    let bundle = build(&imported, &history, &plan, settings, watch)?;

    // The part to be predicted begins with the day after the history's last.
    let start = (Timestamp(shop.end()).day() + 1) * DAY;
    let window = Window {
        from: start,
        to: start,
    };
    let queries = customers(shop, start);
    let lists = predict(shop, &history, bundle.shelf(), window, &queries, watch)?.lists;
    let predictions = parquet(shop, &queries, &[("all", &lists.all), ("new", &lists.new)])?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let shipped_bytes = bundle.shelf().len();
    if let Some(folder) = outputs.bundle {
        bundle.write(folder)?;
    }
    crate::bundle::write_file(outputs.predictions, &predictions)?;
    Ok(Line {
        task: "next-basket",
        seed: settings.seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        shipped_bytes,
    })
}

/// A prediction file: the columns `query`, `list`, `rank` (from 1) and `item`.
fn parquet(shop: &Shop, queries: &[Case], lists: &[(&str, &Vec<Vec<u32>>)]) -> Result<Vec<u8>> {
    let number = |what: &str, text: &str| -> Result<i32> {
        text.parse().map_err(|_| {
            Error::fault(
                "id_not_a_number",
                format!("{what} {text:?}"),
                "prediction files hold whole numbers of 32 bits",
                "number the prepared folder's customers and items",
            )
        })
    };
    let (mut query, mut list, mut rank, mut item) = (vec![], vec![], vec![], vec![]);
    for (name, ranked) in lists {
        for (case, products) in queries.iter().zip(*ranked) {
            let customer = number("customer", &shop.customers[case.customer as usize].id)?;
            for (place, product) in (1_i16..).zip(products) {
                query.push(customer);
                list.push(*name);
                rank.push(place);
                item.push(number("item", &shop.products[*product as usize].code)?);
            }
        }
    }
    let columns: [(&str, ArrayRef); 4] = [
        ("query", Arc::new(Int32Array::from(query))),
        ("list", Arc::new(StringArray::from(list))),
        ("rank", Arc::new(Int16Array::from(rank))),
        ("item", Arc::new(Int32Array::from(item))),
    ];
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
