//! Questions to a compiled graph, which is mapped into memory and read in place: of a graph of
//! any size only what is looked at is held.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use memmap2::Mmap;
use serde_json::{Value, json};
use shelfedge_assistant::dialogue;
use shelfedge_assistant::graph::{Graph, Language};
use shelfedge_assistant::language;
use shelfedge_commerce::Currency;
use shelfedge_engine::file::Directory;

/// How much a name must have in common with the question to be offered.
const LIKE: f32 = 0.35;
/// Names that are offered.
const MOST_LIKE: usize = 3;

/// Maps a file: a compiled graph, or an assistant with one inside.
///
/// # Errors
/// A file that can't be read.
#[allow(
    unsafe_code,
    reason = "a file that another program changes while it is mapped may read as anything; all of \
              it was checked when it was opened, and every read checks its bounds again"
)]
pub fn map(file: &Path) -> anyhow::Result<Mmap> {
    let name = || file.display().to_string();
    let opened = File::open(file).with_context(name)?;
    if !opened.metadata().with_context(name)?.is_file() {
        bail!("{} isn't a file", name());
    }
    // SAFETY: see the reason above.
    unsafe { Mmap::map(&opened) }.with_context(name)
}

/// The graph in a file.
///
/// # Errors
/// Bytes that are no graph, or an assistant that has none.
pub fn graph<'a>(bytes: &'a [u8], file: &Path) -> anyhow::Result<Graph<&'a [u8]>> {
    let name = || {
        format!(
            "{}: `shelfedge-train graph` compiles catalogues",
            file.display()
        )
    };
    let directory = Directory::read(bytes).with_context(name)?;
    // A graph begins with a section of its name, an assistant has one with a graph inside.
    let inside = directory.find("graph").and_then(|range| bytes.get(range));
    let is_assistant = directory.find("flows").is_some();
    match inside {
        Some(inside) if is_assistant => Graph::open(inside),
        _ => Graph::open(bytes),
    }
    .with_context(name)
}

/// What is answered, for people and for machines.
#[derive(Debug)]
pub struct Answer {
    /// A sentence, the facts it is made of, or names that are alike.
    pub text: String,
    /// `answer`, `facts` as subject, relation and object, and `like`.
    pub json: Value,
}

/// Answers a question in its own language, with the facts used; where it names nothing that the
/// graph knows, with what it may mean.
///
/// # Errors
/// A question that the graph can't answer, with why.
pub fn answer(graph: &Graph<&[u8]>, question: &str, currency: Currency) -> anyhow::Result<Answer> {
    let spoken = match language(question) {
        Some(dialogue::Language::Chinese) => Language::Zh,
        _ => Language::En,
    };
    let sought = || graph.seek(question, currency);
    let Some(reading) = graph.read(question, currency).or_else(sought) else {
        let like = graph.like(question, MOST_LIKE).into_iter();
        let like: Vec<_> = like.filter(|it| it.score >= LIKE).collect();
        let mut text = "It names nothing that the graph knows.".to_owned();
        for it in &like {
            let _ = write!(text, "\n  {:.2}  {}", it.score, graph.name(it.entity));
        }
        let like: Vec<Value> = (like.iter())
            .map(|it| json!({ "key": graph.key(it.entity), "name": graph.name(it.entity), "score": it.score }))
            .collect();
        return Ok(Answer {
            text,
            json: json!({ "answer": null, "facts": [], "like": like }),
        });
    };
    let answer = graph.answer(&reading.question, spoken)?;
    let facts: Vec<[String; 3]> = (answer.facts.iter())
        .map(|fact| {
            let relation = graph.about(fact.relation).map(|about| about.name.clone());
            let subject = graph.key(fact.subject);
            [
                subject,
                relation.unwrap_or_default(),
                graph.show(&fact.object, spoken),
            ]
        })
        .collect();
    let widths = [0, 1].map(|i| facts.iter().map(|it| it[i].chars().count()).max());
    let [subject, relation] = widths.map(Option::unwrap_or_default);
    let mut text = answer.text.clone();
    for fact in &facts {
        let _ = write!(
            text,
            "\n  {:subject$}  {:relation$}  {}",
            fact[0], fact[1], fact[2]
        );
    }
    Ok(Answer {
        text,
        json: json!({ "answer": answer.text, "facts": facts, "like": [] }),
    })
}
