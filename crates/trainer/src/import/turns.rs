//! Reads turns with a tag for each token from Parquet.

use std::path::Path;

use arrow_array::{Array, ArrayRef, LargeListArray, ListArray};

use super::parquet;
use super::table::unreadable;
use crate::error::{Error, Result};
use crate::watch::Watch;

/// A turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Its number in the table; -1 where there is none.
    pub row: i64,
    /// What it is about; empty where the table doesn't say.
    pub domain: String,
    /// The conversation; turns of one stand in order.
    pub cluster: String,
    /// What was written.
    pub tokens: Vec<String>,
    /// One for each token; empty where they are not read.
    pub tags: Vec<String>,
    /// What is wanted; empty where the table doesn't say, or where it is not read.
    pub intent: String,
}

/// Reads turns; what is to be predicted (tags and intent) only if it is `taught`.
pub fn import(
    files: &[impl AsRef<Path>],
    taught: bool,
    watch: &mut dyn Watch,
) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    for file in files {
        let path = file.as_ref();
        let names = ["row", "domain", "cluster", "tokens"].into_iter();
        let names = names.chain(["tags", "intent"].into_iter().filter(|_| taught));
        let (mut missing, mut uneven) = (None, None);
        parquet::batches(path, names, watch, |batch| {
            for name in ["tokens", "tags"].into_iter().take(1 + usize::from(taught)) {
                if batch
                    .column_by_name(name)
                    .and_then(|column| texts(column, 0))
                    .is_none()
                    && batch.num_rows() > 0
                {
                    missing = Some(name);
                }
            }
            for row in 0..batch.num_rows() {
                let cell = |name: &str| batch.column_by_name(name).map(|c| parquet::cell(c, row));
                let text = |name: &str| cell(name).map_or(String::new(), |c| c.text().into_owned());
                let list = |name: &str| batch.column_by_name(name).and_then(|c| texts(c, row));
                let turn = Turn {
                    row: cell("row").and_then(|c| c.int()).unwrap_or(-1),
                    domain: text("domain"),
                    cluster: text("cluster"),
                    tokens: list("tokens").unwrap_or_default(),
                    tags: list("tags").unwrap_or_default(),
                    intent: text("intent"),
                };
                if taught && turn.tags.len() != turn.tokens.len() {
                    uneven = uneven.or(Some(turns.len()));
                }
                turns.push(turn);
            }
        })?;
        if let Some(name) = missing {
            return Err(unreadable(
                path,
                format!("there is no column {name:?} of lists of texts"),
                "give a table with tokens and tags, a list of texts each",
            ));
        }
        if let Some(turn) = uneven {
            return Err(Error::fault(
                "tags_uneven",
                format!("{}, turn {turn}", path.display()),
                "there are not as many tags as tokens",
                "give each token a tag, O where it has none",
            ));
        }
    }
    Ok(turns)
}

/// A cell that is a list of texts.
fn texts(column: &ArrayRef, row: usize) -> Option<Vec<String>> {
    let any = column.as_any();
    let list = match any.downcast_ref::<ListArray>() {
        Some(list) => list.value(row),
        None => any.downcast_ref::<LargeListArray>()?.value(row),
    };
    let cells = 0..list.len();
    Some(
        cells
            .map(|at| parquet::cell(&list, at).text().into_owned())
            .collect(),
    )
}
