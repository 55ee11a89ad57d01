//! What the tests of the commands share.
#![allow(dead_code, reason = "every test uses a part of it")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Writes a table as Parquet.
pub(crate) fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Runs the command with settings that learn little, quickly.
pub(crate) fn run(folder: &Path, settings: &str, arguments: &[&str]) -> Output {
    let file = folder.join("quick.toml");
    fs::write(&file, settings).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shelfedge-train"))
        .args(arguments)
        .arg("--settings")
        .arg(file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Items by list and query, in the order of their ranks.
pub(crate) fn predictions(path: &Path) -> BTreeMap<(String, i32), Vec<i32>> {
    let mut lists: BTreeMap<(String, i32), Vec<i32>> = BTreeMap::new();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap();
    for batch in reader {
        let batch = batch.unwrap();
        let query = batch["query"].as_primitive::<Int32Type>();
        let list = batch["list"].as_string::<i32>();
        let rank = batch["rank"].as_primitive::<Int16Type>();
        let item = batch["item"].as_primitive::<Int32Type>();
        for row in 0..batch.num_rows() {
            let items = lists
                .entry((list.value(row).to_owned(), query.value(row)))
                .or_default();
            items.push(item.value(row));
            assert_eq!(usize::from(rank.value(row) as u16), items.len());
        }
    }
    lists
}
