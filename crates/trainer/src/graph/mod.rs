//! The command `graph`: catalogues and triples to one compiled file of facts.

mod read;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_assistant::graph::Graph;
use shelfedge_assistant::graph::compile::{Draft, catalogue, triples};
use shelfedge_commerce::Faults;

use crate::bundle;
use crate::error::{Error, Result};
use crate::export::internal;
use crate::watch::Watch;

/// Bytes of an input, at most.
const MOST_BYTES: u64 = 1 << 30;

/// What the command did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The file.
    pub out: String,
    /// Its bytes.
    pub bytes: usize,
    /// Entities in all.
    pub entities: u32,
    /// Facts in all.
    pub facts: u64,
    /// Entries of catalogues that aren't products.
    pub left_out: usize,
    /// How many entities there are of each type.
    pub types: Vec<Count>,
    /// How many facts there are of each relation.
    pub relations: Vec<Count>,
}

/// How many there are of something.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (what, counts) in [("entities", &self.types), ("facts", &self.relations)] {
            let _ = writeln!(out, "{what}");
            for Count { name, count } in counts {
                let _ = writeln!(out, "  {name:<28}{count:>12}");
            }
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "{} entries that aren't products", self.left_out);
        }
        let _ = write!(
            out,
            "{}: {} entities, {} facts, {} bytes",
            self.out, self.entities, self.facts, self.bytes
        );
        out
    }
}

fn invalid(faults: &Faults) -> Error {
    let mut all: Vec<_> = faults.iter().cloned().collect();
    if faults.more() > 0 {
        all.push(crate::error::fault(
            "more_faults",
            "",
            format!("there are {} more", faults.more()),
            "mend these first",
        ));
    }
    Error::Invalid(all)
}

fn text(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
    if size.len() > MOST_BYTES {
        return Err(Error::fault(
            "file_too_large",
            path.display().to_string(),
            format!("it has {} bytes, more than 1 GiB", size.len()),
            "split it",
        ));
    }
    let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
    String::from_utf8(bytes).map_err(|e| {
        let whole = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + whole.iter().filter(|byte| **byte == b'\n').count();
        Error::fault(
            "not_utf8",
            format!("{} line {line}", path.display()),
            "it is not UTF-8",
            "save the file as UTF-8 (in Excel: \"CSV UTF-8\")",
        )
    })
}

/// Refuses to write over something that is no compiled graph.
fn check_out(out: &Path) -> Result<()> {
    bundle::check_writable(out)?;
    let Ok(old) = fs::read(out) else {
        return Ok(());
    };
    if old.is_empty() || Graph::open(&old[..]).is_ok() {
        return Ok(());
    }
    Err(Error::fault(
        "out_is_no_graph",
        out.display().to_string(),
        "the file that is there is no compiled graph, and would be lost",
        "name another file, or move that one away",
    ))
}

/// The files themselves, and those of folders that end with `.tsv`, by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).map_err(|e| Error::io("read", path, e))?;
        let mut found = Vec::new();
        for entry in entries {
            let file = entry.map_err(|e| Error::io("read", path, e))?.path();
            if file.extension().is_some_and(|it| it == "tsv") {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(Error::fault(
                "graph_no_triples",
                path.display().to_string(),
                "the folder has no file that ends with .tsv",
                "name a folder with triples, or the files",
            ));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// Compiles catalogues and triples into a file.
///
/// # Errors
/// A file that can't be read or written; every fault of a catalogue, or of all triples.
pub fn run(
    catalogues: &[PathBuf],
    paths: &[PathBuf],
    out: &Path,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    check_out(out)?;
    let mut draft = Draft::default();
    let files = files(paths)?;
    let total = (catalogues.len() + files.len()) as u64;
    let (mut items, mut left_out) = (Vec::new(), 0);
    for (done, path) in (0..).zip(catalogues) {
        watch.step("reading", done, total, "");
        left_out += read::catalogue(path, &text(path)?, &mut items)?;
    }
    if !catalogues.is_empty() {
        catalogue::add(&mut draft, &items).map_err(|faults| invalid(&faults))?;
    }
    let mut read = Vec::new();
    for (done, path) in (catalogues.len() as u64..).zip(&files) {
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        watch.step("reading", done, total, "");
        read.push((path.display().to_string(), text(path)?));
    }
    let read: Vec<(&str, &str)> = read
        .iter()
        .map(|it| (it.0.as_str(), it.1.as_str()))
        .collect();
    triples::read(&mut draft, &read).map_err(|faults| invalid(&faults))?;
    watch.step("compiling", 0, 0, "");
    let bytes = draft.compile().map_err(|faults| invalid(&faults))?;
    let graph = Graph::open(&bytes[..]).map_err(|why| internal("graph", why.to_string()))?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    // Whole or not at all.
    let partial = out.with_added_extension("partial");
    fs::write(&partial, &bytes).map_err(|e| Error::io("write", &partial, e))?;
    fs::rename(&partial, out).map_err(|e| Error::io("write", out, e))?;
    let types = graph.types().map(|(kind, name)| Count {
        name: name.to_owned(),
        count: graph.of_type(kind).len() as u64,
    });
    let relations = graph.relations().map(|(_, about)| Count {
        name: about.name.clone(),
        count: about.facts,
    });
    Ok(Outcome {
        out: out.display().to_string(),
        bytes: bytes.len(),
        entities: graph.entities(),
        facts: graph.facts_in_all(),
        left_out,
        types: types.collect(),
        relations: relations.collect(),
    })
}
