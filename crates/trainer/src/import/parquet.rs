//! Parquet, read record batch by record batch.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use shelfedge_commerce::time::DAY;

use super::row::Cell;
use super::table::{Column, Rows};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Rows held decoded at a time.
const BATCH: usize = 8_192;

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(path, e))
}

fn unreadable(path: &Path, cause: impl ToString) -> Error {
    super::table::unreadable(path, cause, "write the Parquet file again")
}

/// The columns of the schema.
pub(super) fn columns(path: &Path) -> Result<Vec<Column>> {
    let builder = open(path)?;
    Ok(builder
        .schema()
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            unreadable: (!readable(field.data_type())).then(|| field.data_type().to_string()),
        })
        .collect())
}

pub(super) fn read<const N: usize>(
    path: &Path,
    wanted: [Option<&str>; N],
    rows: &mut dyn Rows<N>,
    watch: &mut dyn Watch,
) -> Result<()> {
    let builder = open(path)?;
    let total = builder.metadata().file_metadata().num_rows().max(0) as u64;
    let schema = builder.schema().clone();
    let places = wanted
        .iter()
        .flatten()
        .filter_map(|name| schema.index_of(name).ok());
    let mask = ProjectionMask::roots(builder.parquet_schema(), places);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(|e| unreadable(path, e))?;
    let mut done = 0;
    for batch in reader {
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = batch.map_err(|e| unreadable(path, e))?;
        let columns = wanted.map(|name| name.and_then(|name| batch.column_by_name(name)));
        for row in 0..batch.num_rows() {
            rows.row(columns.map(|array| array.map_or(Cell::Missing, |array| cell(array, row))));
        }
        done += batch.num_rows() as u64;
        watch.step("reading", done, total, "");
    }
    Ok(())
}

fn readable(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => readable(values),
        DataType::Decimal128(_, scale) => *scale >= 0,
        DataType::Null
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(_, _) => true,
        _ => false,
    }
}

fn cell(array: &ArrayRef, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Missing;
    }
    match array.data_type() {
        DataType::Utf8 => Cell::of_text(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Cell::of_text(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Cell::of_text(array.as_string_view().value(row)),
        DataType::Int8 => Cell::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            i64::try_from(value).map_or_else(|_| Cell::Odd(value.to_string()), Cell::Int)
        }
        // A float's own shortest text is what was meant: 2.55f32 is 2.55.
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            match value.to_string().parse() {
                Ok(value) => float(value),
                Err(_) => Cell::Odd(value.to_string()),
            }
        }
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => Cell::Decimal(decimal(
            array.as_primitive::<Decimal128Type>().value(row),
            *scale as usize,
        )),
        DataType::Date32 => Cell::Time(
            i64::from(array.as_primitive::<Date32Type>().value(row)) * DAY,
            false,
        ),
        DataType::Date64 => Cell::Time(array.as_primitive::<Date64Type>().value(row), false),
        DataType::Timestamp(unit, zone) => {
            let ms = match unit {
                TimeUnit::Second => array
                    .as_primitive::<TimestampSecondType>()
                    .value(row)
                    .saturating_mul(1_000),
                TimeUnit::Millisecond => {
                    array.as_primitive::<TimestampMillisecondType>().value(row)
                }
                TimeUnit::Microsecond => array
                    .as_primitive::<TimestampMicrosecondType>()
                    .value(row)
                    .div_euclid(1_000),
                TimeUnit::Nanosecond => array
                    .as_primitive::<TimestampNanosecondType>()
                    .value(row)
                    .div_euclid(1_000_000),
            };
            // Arrow timestamps with a zone are stored in UTC.
            Cell::Time(ms, zone.is_some())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.keys();
            let key = match keys.data_type() {
                DataType::Int8 => keys.as_primitive::<Int8Type>().value(row) as usize,
                DataType::Int16 => keys.as_primitive::<Int16Type>().value(row) as usize,
                DataType::Int32 => keys.as_primitive::<Int32Type>().value(row) as usize,
                DataType::Int64 => keys.as_primitive::<Int64Type>().value(row) as usize,
                DataType::UInt8 => keys.as_primitive::<UInt8Type>().value(row) as usize,
                DataType::UInt16 => keys.as_primitive::<UInt16Type>().value(row) as usize,
                DataType::UInt32 => keys.as_primitive::<UInt32Type>().value(row) as usize,
                DataType::UInt64 => keys.as_primitive::<UInt64Type>().value(row) as usize,
                _ => return Cell::Missing,
            };
            cell(dictionary.values(), key)
        }
        _ => Cell::Missing,
    }
}

fn float(value: f64) -> Cell<'static> {
    if value.is_nan() {
        // Tables from data frames hold missing numbers as NaN.
        Cell::Missing
    } else {
        Cell::Float(value)
    }
}

fn decimal(value: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}
