//! Tables of any format: the columns that are wanted of them, and their rows.

use std::path::{Path, PathBuf};

use super::mapping::COLUMNS;
use super::report::Rule;
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

impl LeftOut {
    pub(super) fn rule(self) -> Rule {
        match self {
            Self::WithoutConsent => Rule::Consent,
            Self::Again => Rule::Again,
        }
    }
}

/// An event of a stream, whose rows follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// Its name, as GA4 has it.
    pub(super) kind: &'a str,
    /// What tells it from others.
    pub(super) key: u64,
}

/// Takes the rows of a table, of which `N` columns are read.
pub(super) trait Rows<const N: usize> {
    /// One row: a cell for each wanted column, missing where none was named.
    fn row(&mut self, cells: [Cell<'_>; N]);

    /// A row that could not even be split into fields.
    fn broken(&mut self, why: String);

    /// The line of a text file that the next row begins in, from 1.
    fn at(&mut self, _: u64) {}

    /// The line of the stream that what follows stands in, from 1.
    fn line(&mut self, _: u64) {}

    /// An event of a stream begins; false where it came before, in any table.
    fn event(&mut self, _: Head<'_>) -> bool {
        true
    }

    /// A row of an event that doesn't count; there are none but in streams.
    fn left_out(&mut self, _: LeftOut, _kind: &str) {}
}

/// A file that holds a table.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// What it is called in reports.
    pub(super) name: String,
    pub(super) format: Format,
}

impl Input {
    /// A file whose extension says what it holds.
    pub(super) fn of(path: &Path, delimiter: u8) -> Result<Self> {
        let format = Format::of(path, delimiter).ok_or_else(|| {
            Error::fault(
                "table_format",
                path.display().to_string(),
                "none of .parquet, .csv and .jsonl",
                "convert the table to Parquet or CSV, or export events as JSON lines",
            )
        })?;
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            path: path.to_path_buf(),
            name: name.to_string_lossy().into_owned(),
            format,
        })
    }
}

/// How a table is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv {
        /// What separates fields.
        delimiter: u8,
    },
    /// Events as JSON lines.
    Events,
    /// Events as a store keeps them, in Parquet.
    KeptEvents,
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

/// A table that can be read.
pub(super) struct Table<'a> {
    pub(super) input: &'a Input,
    /// The kind of the wanted events, where the table holds events; empty for all.
    event: &'a str,
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

/// The columns of a file.
pub(super) fn columns(input: &Input) -> Result<Vec<Column>> {
    let path = &input.path;
    Ok(match input.format {
        Format::Parquet => parquet::columns(path)?,
        Format::Csv { delimiter } => csv::columns(path, delimiter)?,
        Format::Events | Format::KeptEvents => COLUMNS.map(Column::readable).into(),
    })
}

impl<'a> Table<'a> {
    /// The table in a file, with all the wanted columns that are named; each
    /// that is missing or can't be read is a fault.
    pub(super) fn open(input: &'a Input, event: &'a str, wanted: &[Option<&str>]) -> Result<Self> {
        let path = &input.path;
        let columns = columns(input)?;
        let mut faults = Vec::new();
        for name in wanted.iter().flatten() {
            let place = format!("{}: {name}", path.display());
            if columns.iter().filter(|c| c.name == *name).count() > 1 {
                faults.push(fault(
                    "column_twice",
                    place.clone(),
                    "two columns have this name",
                    "leave one of them out, or call it something else",
                ));
            }
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
                        "name the column that has it, in the mapping file or by the command's option; a table in CSV begins with the names, divided by commas, in UTF-8",
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
            Ok(Self { input, event })
        } else {
            Err(Error::Invalid(faults))
        }
    }

    /// Reads all rows.
    pub(super) fn read<const N: usize>(
        &self,
        wanted: [Option<&str>; N],
        rows: &mut dyn Rows<N>,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let path = &self.input.path;
        match self.input.format {
            Format::Parquet => parquet::read(path, wanted, rows, watch),
            Format::Csv { delimiter } => csv::read(path, delimiter, wanted, rows, watch),
            Format::Events => events::read(path, self.event, wanted, rows, watch),
            Format::KeptEvents => parquet::read_events(path, self.event, wanted, rows, watch),
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
