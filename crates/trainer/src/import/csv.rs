//! Comma-separated values, read record by record.

use std::fs::File;
use std::path::Path;

use super::mapping::Mapping;
use super::row::{Cell, Fields};
use super::{Intake, missing_columns};
use crate::error::{Error, Result};
use crate::watch::Watch;

fn open(path: &Path, mapping: &Mapping) -> Result<(csv::Reader<File>, Vec<String>)> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mapping.csv_delimiter)
        // Rows of another length are counted, not a reason to stop.
        .flexible(true)
        .from_reader(file);
    let header = reader
        .byte_headers()
        .map_err(|e| unreadable(path, &e))?
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    Ok((reader, header))
}

fn unreadable(path: &Path, e: &csv::Error) -> Error {
    Error::fault(
        "table_unreadable",
        path.display().to_string(),
        e.to_string(),
        "export the table again as CSV in UTF-8",
    )
}

pub(super) fn check(path: &Path, mapping: &Mapping) -> Result<()> {
    let (_, header) = open(path, mapping)?;
    missing_columns(path, mapping, &header)
}

pub(super) fn read(
    path: &Path,
    mapping: &Mapping,
    intake: &mut Intake<'_>,
    watch: &mut dyn Watch,
) -> Result<()> {
    let (mut reader, header) = open(path, mapping)?;
    let place = |name: &str| header.iter().position(|h| h == name);
    let maybe = |name: &Option<String>| name.as_deref().and_then(place);
    let c = &mapping.columns;
    let at = [
        place(&c.order),
        place(&c.product),
        maybe(&c.title),
        place(&c.quantity),
        place(&c.time),
        place(&c.unit_price),
        place(&c.customer),
        maybe(&c.country),
        maybe(&c.currency),
    ];
    let total = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut record = csv::ByteRecord::new();
    let mut count = 0_u64;
    loop {
        if count.is_multiple_of(4_096) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            watch.step("reading", reader.position().byte(), total, "");
        }
        count += 1;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(e) if e.is_io_error() => return Err(unreadable(path, &e)),
            Err(e) => {
                intake.broken(e.to_string());
                continue;
            }
        }
        if record.len() != header.len() {
            intake.broken(format!(
                "{} fields instead of {}",
                record.len(),
                header.len()
            ));
            continue;
        }
        let [
            order,
            product,
            title,
            quantity,
            time,
            price,
            customer,
            country,
            currency,
        ] = at.map(|place| cell(&record, place));
        intake.row(&Fields {
            order,
            product,
            title,
            quantity,
            time,
            unit_price: price,
            customer,
            country,
            currency,
        });
    }
}

fn cell(record: &csv::ByteRecord, place: Option<usize>) -> Cell<'_> {
    let Some(bytes) = place.and_then(|p| record.get(p)) else {
        return Cell::Missing;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => Cell::Missing,
        Ok(text) => Cell::Text(text),
        Err(_) => Cell::Odd(String::from_utf8_lossy(bytes).into_owned()),
    }
}
