//! Tables of any format: the columns that are wanted of them, and their rows.

use std::path::Path;

use super::mapping::COLUMNS;
use super::row::Cell;
use super::{csv, events, parquet};
use crate::error::{Error, Result, fault};
use crate::watch::Watch;

/// Why an event's row is left out before any rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It was recorded without consent to analytics.
    WithoutConsent,
    /// The event came before.
    Again,
}

/// Takes the rows of a table, of which `N` columns are read.
pub(super) trait Rows<const N: usize> {
    /// One row: a cell for each wanted column, missing where none was named.
    fn row(&mut self, cells: [Cell<'_>; N]);

    /// A row that could not even be split into fields.
    fn broken(&mut self, why: String);

    /// A row of an event that doesn't count; there are none but in streams.
    fn left_out(&mut self, _: LeftOut) {}

    /// Whether this is the first event with a key, in all tables.
    fn is_new(&mut self, _: u64) -> bool {
        true
    }
}

/// A table that can be read.
pub(super) struct Table<'a> {
    pub(super) path: &'a Path,
    format: Format,
    /// The kind of the wanted events, where the table holds events.
    event: &'a str,
}

/// How a table is stored.
pub(super) enum Format {
    Parquet,
    Csv {
        /// What separates fields.
        delimiter: u8,
    },
    /// Events as JSON lines.
    Events,
}

impl Format {
    /// By the file's extension.
    pub(super) fn of(path: &Path, delimiter: u8) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv { delimiter }),
            "jsonl" | "ndjson" => Some(Self::Events),
            _ => None,
        }
    }
}

/// A column of a table, as its header or schema says.
pub(super) struct Column {
    pub(super) name: String,
    /// The type, where cells of it can't be read.
    pub(super) unreadable: Option<String>,
}

impl Column {
    fn readable(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            unreadable: None,
        }
    }
}

impl<'a> Table<'a> {
    /// The table in a file, with all the wanted columns that are named; each
    /// that is missing or can't be read is a fault.
    pub(super) fn open(
        path: &'a Path,
        delimiter: u8,
        event: &'a str,
        wanted: &[Option<&str>],
    ) -> Result<Self> {
        let format = Format::of(path, delimiter).ok_or_else(|| {
            Error::fault(
                "table_format",
                path.display().to_string(),
                "none of .parquet, .csv and .jsonl",
                "convert the table to Parquet or CSV, or export events as JSON lines",
            )
        })?;
        let columns = match format {
            Format::Parquet => parquet::columns(path)?,
            Format::Csv { delimiter } => csv::columns(path, delimiter)?,
            Format::Events => COLUMNS.map(Column::readable).into(),
        };
        let mut faults = Vec::new();
        for name in wanted.iter().flatten() {
            let place = format!("{}: {name}", path.display());
            match columns.iter().find(|c| c.name == *name) {
                None => {
                    let there: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                    faults.push(fault(
                        "column_missing",
                        place,
                        format!(
                            "there is no such column; the columns are {}",
                            there.join(", ")
                        ),
                        "correct the name in the mapping file",
                    ));
                }
                Some(Column {
                    unreadable: Some(kind),
                    ..
                }) => faults.push(fault(
                    "column_type",
                    place,
                    format!("the column's type is {kind}"),
                    "store text, numbers, dates or timestamps",
                )),
                Some(_) => {}
            }
        }
        if faults.is_empty() {
            Ok(Self {
                path,
                format,
                event,
            })
        } else {
            Err(Error::Invalid(faults))
        }
    }

    /// The file's name.
    pub(super) fn name(&self) -> String {
        self.path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }

    /// Reads all rows.
    pub(super) fn read<const N: usize>(
        &self,
        wanted: [Option<&str>; N],
        rows: &mut dyn Rows<N>,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        match self.format {
            Format::Parquet => parquet::read(self.path, wanted, rows, watch),
            Format::Csv { delimiter } => csv::read(self.path, delimiter, wanted, rows, watch),
            Format::Events => events::read(self.path, self.event, wanted, rows, watch),
        }
    }
}

/// A file whose contents are not what its name says.
pub(super) fn unreadable(path: &Path, cause: impl ToString, action: &str) -> Error {
    Error::fault(
        "table_unreadable",
        path.display().to_string(),
        cause.to_string(),
        action,
    )
}
