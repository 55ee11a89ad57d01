//! The `bench` commands: they map the columns of a prepared folder and call the
//! product's own learning and prediction. Nothing here learns or ranks by
//! itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int16Array, Int32Array, RecordBatch, StringArray};
use serde::Serialize;
use shelfedge_commerce::time::Timestamp;

use crate::error::{Error, Result};
use crate::examples::History;
use crate::import::{Imported, Mapping, import_tables};
use crate::learn::Settings;
use crate::plan::Plan;
use crate::protocol::{Case, Window};
use crate::ranking::{compile, predict, train};
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

/// The columns of a prepared next-basket folder.
const MAPPING: &str = r#"
format = 1
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
"#;

/// Next basket: learns from the history and writes 20 products for each of its
/// customers, in the lists "all" and "new". The predicted part itself is never
/// read: its customers are among those of the history.
pub fn next_basket(
    data: &Path,
    out: &Path,
    target: Target,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Line> {
    let mapping = Mapping::parse(MAPPING, "bench next-basket")?;
    let mut files = vec![data.join("train.parquet")];
    let valid = data.join("valid.parquet");
    if target == Target::Test && data.join("test.parquet").exists() {
        files.push(valid);
    }
    let Imported { mut shop, .. } = import_tables(&files, &mapping, [0; 32], watch)?;
    for (item, title) in titles(&data.join("items.parquet"))? {
        if let Ok(i) = shop
            .products
            .binary_search_by(|p| p.code.as_str().cmp(&item))
        {
            shop.products[i].title = title;
        }
    }
    let history = History::of(&shop)?;
    let (windows, stop) = Plan::without_test(&shop)?;
    let model = train(&shop, &history, &windows, stop, settings, watch)?;

    // The part to be predicted begins with the day after the history's last.
    let start = Timestamp(shop.end()).day() * 86_400_000 + 86_400_000;
    let window = Window {
        from: start,
        to: start,
    };
    let compiled = compile(&shop, &history, &model, start, [0; 32], None)?;
    let queries = everyone(&shop);
    let lists = predict(&shop, &history, &compiled.shelf, window, &queries, watch)?;
    write(
        out,
        &shop,
        &queries,
        &[("all", &lists.all), ("new", &lists.new)],
    )?;
    Ok(Line {
        task: "next-basket",
        seed: settings.seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        shipped_bytes: compiled.shelf.len(),
    })
}

/// Every customer of the history as a query without an answer.
fn everyone(shop: &Shop) -> Vec<Case> {
    let mut list: Vec<Case> = (0..shop.customers.len() as u32)
        .map(|customer| Case {
            customer,
            history: Vec::new(),
            truth: Vec::new(),
            fresh: Vec::new(),
            owned: Vec::new(),
        })
        .collect();
    for (index, order) in shop.orders.iter().enumerate() {
        let case = &mut list[order.customer as usize];
        case.history.push(index);
        case.owned.extend(order.lines.iter().map(|l| l.product));
    }
    for case in &mut list {
        case.owned.sort_unstable();
        case.owned.dedup();
    }
    list
}

fn unreadable(path: &Path, cause: impl ToString) -> Error {
    Error::fault(
        "table_unreadable",
        path.display().to_string(),
        cause.to_string(),
        "prepare the folder again",
    )
}

/// Item numbers, as text, with their descriptions.
fn titles(path: &Path) -> Result<Vec<(String, String)>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|b| b.build())
        .map_err(|e| unreadable(path, e))?;
    let mut list = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|e| unreadable(path, e))?;
        let (Some(items), Some(texts)) = (
            batch.column_by_name("item"),
            batch.column_by_name("description"),
        ) else {
            return Err(unreadable(path, "there is no column item or description"));
        };
        for row in 0..batch.num_rows() {
            let item = if let Some(a) = items.as_primitive_opt::<Int64Type>() {
                a.value(row)
            } else if let Some(a) = items.as_primitive_opt::<Int32Type>() {
                i64::from(a.value(row))
            } else {
                return Err(unreadable(path, "item is not an integer"));
            };
            if texts.is_null(row) {
                continue;
            }
            let text = if let Some(a) = texts.as_string_opt::<i32>() {
                a.value(row)
            } else if let Some(a) = texts.as_string_opt::<i64>() {
                a.value(row)
            } else {
                return Err(unreadable(path, "description is not text"));
            };
            list.push((item.to_string(), text.trim().to_owned()));
        }
    }
    Ok(list)
}

/// Writes `query`, `list`, `rank` and `item`.
fn write(
    out: &Path,
    shop: &Shop,
    queries: &[Case],
    lists: &[(&str, &Vec<Vec<u32>>)],
) -> Result<()> {
    let number = |text: &str| -> Result<i32> {
        text.parse()
            .map_err(|_| unreadable(out, format!("{text:?} is not a number")))
    };
    let (mut query, mut list, mut rank, mut item) = (vec![], vec![], vec![], vec![]);
    for (name, ranked) in lists {
        for (case, products) in queries.iter().zip(*ranked) {
            let customer = number(&shop.customers[case.customer as usize].id)?;
            for (place, product) in (1_i16..).zip(products) {
                query.push(customer);
                list.push(*name);
                rank.push(place);
                item.push(number(&shop.products[*product as usize].code)?);
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
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| unreadable(out, e))?;
    ArrowWriter::try_new(&mut bytes, batch.schema(), None)
        .and_then(|mut writer| {
            writer.write(&batch)?;
            writer.close()
        })
        .map_err(|e| unreadable(out, e))?;
    crate::bundle::write_file(out, &bytes)
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
