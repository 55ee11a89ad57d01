//! Reads texts with their labels from Parquet or CSV, and those that people judged also
//! from JSON lines.

use std::path::Path;

use serde::Deserialize;

use super::row::Cell;
use super::table::{Input, Rows, Table, columns};
use crate::error::{Error, Result, fault};
use crate::watch::Watch;

/// Bytes of a file of judged texts, at most.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Faults told in full.
const TOLD: usize = 100;

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
    name: String,
    into: &'a mut Texts,
    place: u64,
    is_line: bool,
    faults: &'a mut Vec<shelfedge_commerce::Fault>,
}

impl Intake<'_> {
    fn refuse(&mut self, why: String, action: &str) {
        if self.faults.len() < TOLD {
            let unit = if self.is_line { "line" } else { "row" };
            let place = format!("{} {unit} {}", self.name, self.place);
            self.faults
                .push(fault("row_unreadable", place, why, action));
        }
    }
}

impl Rows<2> for Intake<'_> {
    fn at(&mut self, line: u64) {
        (self.place, self.is_line) = (line.saturating_sub(1), true);
    }

    fn row(&mut self, [text, label]: [Cell<'_>; 2]) {
        self.place += 1;
        if [&text, &label].iter().any(|it| matches!(it, Cell::Odd(_))) {
            return self.refuse(
                "it is not UTF-8".to_owned(),
                "save the table as UTF-8 (in Excel: \"CSV UTF-8\")",
            );
        }
        match (&text, label.id()) {
            (Cell::Missing, _) | (_, None) => self.into.left_out += 1,
            (_, Some(label)) => {
                self.into.texts.push(text.text().into_owned());
                self.into.labels.push(label.into_owned());
            }
        }
    }

    fn broken(&mut self, why: String) {
        self.place += 1;
        self.refuse(
            why,
            "give every row the header's fields; put text with a comma in quotes",
        );
    }
}

/// Reads the columns `text` and `label` of tables, one after the other. What is wrong with
/// any of them is told at once.
pub fn import(
    files: &[impl AsRef<Path>],
    columns: [&str; 2],
    watch: &mut dyn Watch,
) -> Result<Texts> {
    let (mut texts, mut faults) = (Texts::default(), Vec::new());
    for file in files {
        let (mut of_file, mut of_rows) = (Texts::default(), Vec::new());
        let mut read = || -> Result<()> {
            let input = Input::of(file.as_ref(), b',')?;
            let wanted = columns.map(Some);
            let table = Table::open(&input, "", &wanted)?;
            let mut rows = Intake {
                name: file.as_ref().display().to_string(),
                into: &mut of_file,
                place: 0,
                is_line: false,
                faults: &mut of_rows,
            };
            table.read(wanted, &mut rows, watch)
        };
        match read() {
            Err(Error::Invalid(of_table)) => faults.extend(of_table),
            read => read?,
        }
        faults.append(&mut of_rows);
        texts.texts.append(&mut of_file.texts);
        texts.labels.append(&mut of_file.labels);
        texts.left_out += of_file.left_out;
    }
    match faults.is_empty() {
        true => Ok(texts),
        false => Err(Error::Invalid(faults)),
    }
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

/// A text that somebody judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The file and the row, for people.
    pub(crate) place: String,
    pub(crate) text: String,
    /// None where nobody has judged it yet.
    pub(crate) label: Option<String>,
    /// What the engine had understood.
    pub(crate) was: Option<String>,
}

#[derive(Deserialize)]
struct JudgedLine {
    text: String,
    label: Option<String>,
    was: Option<String>,
}

struct Intaken {
    name: String,
    count: usize,
    rows: Vec<Judged>,
    faults: Vec<shelfedge_commerce::Fault>,
}

impl Intaken {
    fn place(&self) -> String {
        format!("{} row {}", self.name, self.count)
    }

    fn refuse(&mut self, why: String) {
        if self.faults.len() < TOLD {
            let action = "correct the row; a JSON line has text and label, a line of CSV a field for each column";
            self.faults
                .push(fault("row_unreadable", self.place(), why, action));
        }
    }

    fn push(&mut self, text: String, label: Option<String>, was: Option<String>) {
        let given = |it: Option<String>| {
            it.map(|it| it.trim().to_owned())
                .filter(|it| !it.is_empty())
        };
        self.rows.push(Judged {
            place: self.place(),
            text,
            label: given(label),
            was: given(was),
        });
    }
}

impl Rows<3> for Intaken {
    fn row(&mut self, [text, label, was]: [Cell<'_>; 3]) {
        self.count += 1;
        if [&text, &label, &was]
            .iter()
            .any(|cell| matches!(cell, Cell::Odd(_)))
        {
            self.refuse("it isn't UTF-8".to_owned());
            return;
        }
        let of = |cell: &Cell<'_>| Some(cell.text().into_owned());
        self.push(text.text().into_owned(), of(&label), of(&was));
    }

    fn broken(&mut self, why: String) {
        self.count += 1;
        self.refuse(why);
    }
}

/// Reads `text`, `label` and, where there is one, `was`; without `with_labels` the text
/// alone. Other columns are passed over. Every row that can't be read is a fault.
pub(crate) fn judged(file: &Path, with_labels: bool, watch: &mut dyn Watch) -> Result<Vec<Judged>> {
    let bytes = std::fs::metadata(file).map_err(|e| Error::io("read", file, e))?;
    let shown = file.display().to_string();
    if bytes.len() > MOST_BYTES {
        return Err(Error::fault(
            "file_too_large",
            shown,
            format!("{} bytes, of at most {MOST_BYTES}", bytes.len()),
            "give the newest texts, or several files",
        ));
    }
    let mut into = Intaken {
        name: (file.file_name().unwrap_or_default())
            .to_string_lossy()
            .into_owned(),
        count: 0,
        rows: Vec::new(),
        faults: Vec::new(),
    };
    let extension = file.extension().and_then(|it| it.to_str()).unwrap_or("");
    if matches!(extension.to_ascii_lowercase().as_str(), "jsonl" | "ndjson") {
        let bytes = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
        for line in bytes.split(|byte| *byte == b'\n') {
            into.count += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<JudgedLine>(line) {
                Ok(JudgedLine { text, label, was }) => into.push(text, label, was),
                Err(e) => into.refuse(e.to_string()),
            }
        }
    } else {
        let input = Input::of(file, b',')?;
        let was = (columns(&input)?.iter().any(|it| it.name == "was")).then_some("was");
        let wanted = [
            Some("text"),
            with_labels.then_some("label"),
            was.filter(|_| with_labels),
        ];
        let table = Table::open(&input, "", &wanted)?;
        table.read(wanted, &mut into, watch)?;
    }
    match into.faults.is_empty() {
        true => Ok(into.rows),
        false => Err(Error::Invalid(into.faults)),
    }
}
