//! Parquet, read and written record batch by record batch.

use std::fs::File;
use std::path::{Path, PathBuf};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::arrow::{ArrowWriter, ProjectionMask};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use shelfedge_commerce::time::DAY;

use super::row::Cell;
use super::table::{Column, Head, LeftOut, Rows};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Rows held decoded at a time.
pub(super) const BATCH: usize = 8_192;
/// What an event that is kept has besides its columns: its line, its kind (none
/// where the line can't be read), and its key (none without consent).
pub(super) const HEAD: [&str; 3] = ["line", "event", "key"];

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

/// Decodes the named columns of a table, a batch at a time.
pub(super) fn batches<'n>(
    path: &Path,
    names: impl Iterator<Item = &'n str>,
    watch: &mut dyn Watch,
    mut take: impl FnMut(&RecordBatch),
) -> Result<()> {
    let builder = open(path)?;
    let total = builder.metadata().file_metadata().num_rows().max(0) as u64;
    let schema = builder.schema().clone();
    let places = names.filter_map(|name| schema.index_of(name).ok());
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
        take(&batch);
        done += batch.num_rows() as u64;
        watch.step("reading", done, total, "");
    }
    Ok(())
}

pub(super) fn read<const N: usize>(
    path: &Path,
    wanted: [Option<&str>; N],
    rows: &mut dyn Rows<N>,
    watch: &mut dyn Watch,
) -> Result<()> {
    batches(path, wanted.into_iter().flatten(), watch, |batch| {
        let columns = wanted.map(|name| name.and_then(|name| batch.column_by_name(name)));
        for row in 0..batch.num_rows() {
            rows.row(columns.map(|array| array.map_or(Cell::Missing, |array| cell(array, row))));
        }
    })
}

/// Reads events that a store keeps ([`HEAD`]), as they are read from where they
/// came from.
pub(super) fn read_events<const N: usize>(
    path: &Path,
    kind: &str,
    wanted: [Option<&str>; N],
    rows: &mut dyn Rows<N>,
    watch: &mut dyn Watch,
) -> Result<()> {
    // The line of the last event, and whether it was new.
    let mut last = (0, false);
    let names = wanted.into_iter().flatten().chain(HEAD);
    batches(path, names, watch, |batch| {
        let column = |name| batch.column_by_name(name);
        let columns = wanted.map(|name| name.and_then(column));
        let [line, event, key] = HEAD.map(column);
        let at = |array: Option<&ArrayRef>, row| array.and_then(|array| cell(array, row).int());
        for row in 0..batch.num_rows() {
            let number = at(line, row).unwrap_or_default() as u64;
            let event = event.map_or(Cell::Missing, |array| cell(array, row));
            let found = event.text();
            if found.is_empty() {
                rows.line(number);
                rows.broken(String::new());
            }
            if found.is_empty() || (found != kind && !kind.is_empty()) {
                continue;
            }
            rows.line(number);
            let Some(key) = at(key, row) else {
                rows.left_out(LeftOut::WithoutConsent, &found);
                continue;
            };
            if last.0 != number {
                let (kind, key) = (&*found, key.cast_unsigned());
                last = (number, rows.event(Head { kind, key }));
            }
            match last.1 {
                false => rows.left_out(LeftOut::Again, &found),
                true => rows.row(
                    columns.map(|array| array.map_or(Cell::Missing, |array| cell(array, row))),
                ),
            }
        }
    })
}

/// What is written as Parquet, batch by batch, beside where it will stand: a
/// file that isn't finished is removed.
pub(super) struct Writer {
    partial: PathBuf,
    schema: SchemaRef,
    inner: ArrowWriter<File>,
}

impl Writer {
    pub(super) fn create(partial: PathBuf, fields: Vec<Field>) -> Result<Self> {
        let file = File::create(&partial).map_err(|e| Error::io("write", &partial, e))?;
        let schema = SchemaRef::new(Schema::new(fields));
        let how = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(16 * BATCH))
            .build();
        let inner = ArrowWriter::try_new(file, schema.clone(), Some(how));
        let inner = inner.map_err(|e| unwritten(&partial, e))?;
        Ok(Self {
            partial,
            schema,
            inner,
        })
    }

    pub(super) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        RecordBatch::try_new(self.schema.clone(), columns)
            .map_err(Into::into)
            .and_then(|batch| self.inner.write(&batch))
            .map_err(|e| unwritten(&self.partial, e))
    }

    /// Completes the file on the disk, and says where it is until it is renamed.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        self.inner
            .finish()
            .map_err(|e| unwritten(&self.partial, e))?;
        let file = self.inner.inner();
        file.sync_all()
            .map_err(|e| Error::io("write", &self.partial, e))?;
        Ok(std::mem::take(&mut self.partial))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.partial.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn unwritten(path: &Path, e: ParquetError) -> Error {
    Error::io("write", path, std::io::Error::other(e))
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

pub(super) fn cell(array: &ArrayRef, row: usize) -> Cell<'_> {
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
