//! Comma-separated values, read record by record.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::row::Cell;
use super::table::{Column, Rows};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// Lines of a record, at most: one that is longer has swallowed its neighbours.
const LONGEST: u64 = 100;
/// Bytes of the last record that are looked at for a quote that is never closed.
const LONGEST_RECORD: u64 = 1 << 20;

fn open(path: &Path, delimiter: u8) -> Result<(csv::Reader<File>, Vec<String>)> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
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
    super::table::unreadable(path, e, "export the table again as CSV in UTF-8")
}

/// Whether a record ends within quotes that were never closed.
pub(crate) fn ends_quoted(record: &[u8], delimiter: u8) -> bool {
    let (mut begins, mut quoted) = (true, false);
    let mut at = 0;
    while let Some(&byte) = record.get(at) {
        at += 1;
        match byte {
            b'"' if quoted && record.get(at) == Some(&b'"') => at += 1,
            b'"' if quoted => quoted = false,
            b'"' if begins => quoted = true,
            _ => {}
        }
        begins = !quoted && (byte == delimiter || byte == b'\n' || byte == b'\r');
    }
    quoted
}

pub(crate) fn quote_open(place: String, lines: u64) -> Error {
    Error::fault(
        "csv_quote_open",
        place,
        format!("one record goes on for {lines} lines: a quote in it is never closed"),
        "write a quote inside a field twice, or export the table again",
    )
}

/// The bytes of a file from one on.
fn rest(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_RECORD).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The columns that the header names; every cell is text.
pub(super) fn columns(path: &Path, delimiter: u8) -> Result<Vec<Column>> {
    let (_, header) = open(path, delimiter)?;
    Ok(header
        .into_iter()
        .map(|name| Column {
            name,
            unreadable: None,
        })
        .collect())
}

pub(super) fn read<const N: usize>(
    path: &Path,
    delimiter: u8,
    wanted: [Option<&str>; N],
    rows: &mut dyn Rows<N>,
    watch: &mut dyn Watch,
) -> Result<()> {
    let (mut reader, header) = open(path, delimiter)?;
    let at = wanted.map(|name| header.iter().position(|h| Some(h.as_str()) == name));
    let total = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut record = csv::ByteRecord::new();
    let mut count = 0_u64;
    // Where lines end with two characters, the second one is read with the next record.
    let behind = u64::from(reader.position().line() == 1);
    loop {
        if count.is_multiple_of(4_096) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            watch.step("reading", reader.position().byte(), total, "");
        }
        count += 1;
        let (line, start) = (reader.position().line(), reader.position().byte());
        let found = reader.read_byte_record(&mut record);
        let lines = reader.position().line() - line;
        let place = || format!("{} line {}", path.display(), line + behind);
        if lines > LONGEST {
            return Err(quote_open(place(), lines));
        }
        if reader.position().byte() >= total && matches!(found, Ok(true)) {
            let last = rest(path, start).map_err(|e| Error::io("read", path, e))?;
            if ends_quoted(&last, delimiter) {
                return Err(quote_open(place(), lines.max(1)));
            }
        }
        rows.at(line + behind);
        match found {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(e) if e.is_io_error() => return Err(unreadable(path, &e)),
            Err(e) => {
                rows.broken(e.to_string());
                continue;
            }
        }
        if record.len() != header.len() {
            rows.broken(format!(
                "{} fields instead of {}",
                record.len(),
                header.len()
            ));
            continue;
        }
        rows.row(at.map(|place| cell(&record, place)));
    }
}

fn cell(record: &csv::ByteRecord, place: Option<usize>) -> Cell<'_> {
    let Some(bytes) = place.and_then(|p| record.get(p)) else {
        return Cell::Missing;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Cell::of_text(text),
        Err(_) => Cell::Odd(String::from_utf8_lossy(bytes).into_owned()),
    }
}
