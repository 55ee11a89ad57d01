//! Reads texts with their labels from Parquet or CSV.

use std::path::Path;

use super::row::Cell;
use super::table::{Input, Rows, Table};
use crate::error::Result;
use crate::watch::Watch;

/// Texts, in the order of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// What was written.
    pub texts: Vec<String>,
    /// Each one's label.
    pub labels: Vec<String>,
    /// Rows that were left out, because they have no text or no label.
    pub left_out: u64,
}

struct Intake<'a> {
    into: &'a mut Texts,
}

impl Rows<2> for Intake<'_> {
    fn row(&mut self, [text, label]: [Cell<'_>; 2]) {
        match (&text, label.id()) {
            (Cell::Missing, _) | (_, None) => self.into.left_out += 1,
            (_, Some(label)) => {
                self.into.texts.push(text.text().into_owned());
                self.into.labels.push(label.into_owned());
            }
        }
    }

    fn broken(&mut self, _: String) {
        self.into.left_out += 1;
    }
}

/// Reads the columns `text` and `label` of tables, one after the other.
pub fn import(
    files: &[impl AsRef<Path>],
    columns: [&str; 2],
    watch: &mut dyn Watch,
) -> Result<Texts> {
    let mut texts = Texts::default();
    for file in files {
        let input = Input::of(file.as_ref(), b',')?;
        let wanted = columns.map(Some);
        let table = Table::open(&input, "", &wanted)?;
        table.read(wanted, &mut Intake { into: &mut texts }, watch)?;
    }
    Ok(texts)
}

struct Asked<'a> {
    numbers: &'a mut Vec<i64>,
    texts: &'a mut Vec<String>,
}

impl Rows<2> for Asked<'_> {
    fn row(&mut self, [number, text]: [Cell<'_>; 2]) {
        self.numbers.push(number.int().unwrap_or(-1));
        self.texts.push(text.text().into_owned());
    }

    fn broken(&mut self, _: String) {}
}

/// Reads the rows' numbers and texts of a table, and nothing else of it.
pub(crate) fn asked(file: &Path, watch: &mut dyn Watch) -> Result<(Vec<i64>, Vec<String>)> {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    let input = Input::of(file, b',')?;
    let wanted = [Some("row"), Some("text")];
    let table = Table::open(&input, "", &wanted)?;
    let mut rows = Asked {
        numbers: &mut numbers,
        texts: &mut texts,
    };
    table.read(wanted, &mut rows, watch)?;
    Ok((numbers, texts))
}
