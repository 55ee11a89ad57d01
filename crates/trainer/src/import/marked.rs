//! Reads texts in which slots are marked: from CSV or Parquet, from tokens with tags in
//! Parquet, and from lines of tokens with tags.

use std::path::Path;

use shelfedge_commerce::Fault;
use shelfedge_features::text::MAX_TEXT_BYTES;

use super::row::Cell;
use super::table::{Input, Rows, Table, columns};
use super::turns;
use crate::error::{Error, Result, fault};
use crate::slots::read::{self, Mark, Marked, TOLD};
use crate::watch::Watch;

/// Bytes of a file of lines, at most.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// A text that teaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
    /// What it belongs to, where the table says so.
    pub(crate) conversation: Option<String>,
}

/// Texts, in the order of the files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    pub(crate) examples: Vec<Example>,
    /// Rows without a text.
    pub(crate) left_out: u64,
}

struct Intake<'a> {
    name: &'a str,
    into: &'a mut Examples,
    faults: Vec<Fault>,
    more: usize,
    /// The line, or without lines the row.
    line: Option<u64>,
    row: u64,
}

impl Intake<'_> {
    fn refuse(&mut self, code: &'static str, part: &str, cause: String, action: &str) {
        if self.faults.len() >= TOLD {
            self.more += 1;
            return;
        }
        let place = match self.line {
            Some(line) => format!("{} line {line}{part}", self.name),
            None => format!("{} row {}{part}", self.name, self.row),
        };
        self.faults.push(fault(code, place, cause, action));
    }

    fn push(&mut self, read: Marked, conversation: Option<String>) {
        if read.text.len() > MAX_TEXT_BYTES {
            let cause = format!("{} bytes, of at most {MAX_TEXT_BYTES}", read.text.len());
            self.refuse("text_too_long", "", cause, "cut it into several texts");
            return;
        }
        self.into.examples.push(Example {
            text: read.text,
            marks: read.marks,
            conversation,
        });
    }

    fn end(mut self) -> Vec<Fault> {
        if self.more > 0 {
            let cause = format!("{} more faults", self.more);
            let action = "correct those above, and run the command again";
            let more = fault("slots_unreadable", self.name, cause, action);
            self.faults.push(more);
        }
        self.faults
    }
}

impl Rows<2> for Intake<'_> {
    fn row(&mut self, [text, conversation]: [Cell<'_>; 2]) {
        self.row += 1;
        match &text {
            Cell::Missing => self.into.left_out += 1,
            Cell::Odd(_) => {
                let cause = "the text isn't UTF-8".to_owned();
                self.refuse("text_not_utf8", "", cause, "save the table as UTF-8");
            }
            _ => match read::marked(&text.text()) {
                Ok(read) => self.push(read, conversation.id().map(Into::into)),
                Err(wrongs) => {
                    for wrong in wrongs {
                        let part = format!(", character {}", wrong.at);
                        self.refuse("mark_unreadable", &part, wrong.cause, wrong.action);
                    }
                }
            },
        }
    }

    fn broken(&mut self, why: String) {
        self.row += 1;
        let action =
            "give the row a field for each column; a comma within a text needs quotes around it";
        self.refuse("row_unreadable", "", why, action);
    }

    fn at(&mut self, line: u64) {
        self.line = Some(line);
    }
}

/// Reads all files.
///
/// # Errors
/// A file that can't be read; or everything that is wrong in all of them.
pub(crate) fn import(files: &[impl AsRef<Path>], watch: &mut dyn Watch) -> Result<Examples> {
    let mut into = Examples::default();
    let mut faults = Vec::new();
    for file in files {
        let file = file.as_ref();
        let shown = file.file_name().unwrap_or_default().to_string_lossy();
        let mut intake = Intake {
            name: &shown,
            into: &mut into,
            faults: Vec::new(),
            more: 0,
            line: None,
            row: 0,
        };
        let extension = file.extension().and_then(|it| it.to_str()).unwrap_or("");
        if ["conll", "bio"].contains(&extension.to_ascii_lowercase().as_str()) {
            match read::conll(&lines(file)?, &shown) {
                Ok(texts) => {
                    let single = read::are_single(texts.iter().flat_map(|it| &it.tokens));
                    for text in texts {
                        intake.line = Some(text.line as u64);
                        intake.push(read::joined(&text.tokens, &text.tags, single), None);
                    }
                }
                Err(wrong) => intake.faults = wrong,
            }
        } else {
            let input = Input::of(file, b',')?;
            let there = columns(&input)?;
            let has = |name| there.iter().any(|it| it.name == name);
            if has("tokens") && has("tags") {
                let turns = turns::import(&[file], true, watch)?;
                let single = read::are_single(turns.iter().flat_map(|it| &it.tokens));
                for turn in turns {
                    intake.row += 1;
                    let cluster = Some(turn.cluster).filter(|it| !it.is_empty());
                    intake.push(read::joined(&turn.tokens, &turn.tags, single), cluster);
                }
            } else {
                let wanted = [Some("text"), has("conversation").then_some("conversation")];
                let table = Table::open(&input, "", &wanted)?;
                table.read(wanted, &mut intake, watch)?;
            }
        }
        faults.extend(intake.end());
    }
    match faults.is_empty() {
        true => Ok(into),
        false => Err(Error::Invalid(faults)),
    }
}

fn lines(file: &Path) -> Result<String> {
    let bytes = std::fs::metadata(file).map_err(|e| Error::io("read", file, e))?;
    if bytes.len() > MOST_BYTES {
        return Err(Error::fault(
            "file_too_large",
            file.display().to_string(),
            format!("{} bytes, of at most {MOST_BYTES}", bytes.len()),
            "give several files",
        ));
    }
    let bytes = std::fs::read(file).map_err(|e| Error::io("read", file, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let good = String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]);
        let line = 1 + good.matches('\n').count();
        Error::fault(
            "file_not_utf8",
            format!("{} line {line}", file.display()),
            "it isn't UTF-8",
            "save it as UTF-8",
        )
    })
}
