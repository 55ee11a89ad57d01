//! The command: texts with marked slots to a bundle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_assistant::{TagBuffers, Tagger, Tags};
use shelfedge_engine::Model;
use shelfedge_features::text::Features;

use super::measure::{Dictionary, Figures, Found, figures};
use super::texts::{is_aside, turns};
use super::{Bundle, Task};
use crate::bundle::{self, Staging};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::marked::{self, Example, Examples};
use crate::import::turns::Turn;
use crate::watch::Watch;

/// Texts that any target can be asked for the compiled model's own spans.
const CASES: usize = 32;
/// Fewest texts that can teach and be measured.
const FEWEST: usize = 20;

/// How to learn.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Says which texts are kept aside.
    pub seed: u64,
    /// Bytes of the compiled model, at most.
    pub max_bytes: usize,
}

/// What the command did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The bundle's folder.
    pub out: String,
    /// Texts that taught.
    pub texts: usize,
    /// Rows without a text.
    pub left_out: u64,
    /// Marks of slots in them.
    pub marks: usize,
    /// Marks that end within a word, which is taken as a whole.
    pub widened: usize,
    /// Marks without a word, or with one that another mark has.
    pub lost: usize,
    /// Costs of weights that were chosen, absolute and square.
    pub costs: (f64, f64),
    /// How much less a token outside of slots scores, as was chosen.
    pub offset: f64,
    /// On texts that were kept aside, by a model that learnt from the others.
    pub figures: Figures,
    /// Bytes of the compiled model, which learnt from all texts.
    pub shelf_bytes: usize,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{} texts with {} marks", self.texts, self.marks);
        if self.left_out > 0 {
            let _ = writeln!(out, "{} rows without a text", self.left_out);
        }
        if self.widened > 0 {
            let _ = writeln!(
                out,
                "{} marks end within a word; the whole word is taken",
                self.widened
            );
        }
        if self.lost > 0 {
            let _ = writeln!(
                out,
                "{} marks are on no word, or on one that is marked already: left out",
                self.lost
            );
        }
        let _ = writeln!(
            out,
            "on {} texts that were kept aside, learnt from the others:",
            self.figures.texts
        );
        self.figures.table(&mut out);
        if self.figures.dictionary_wins() {
            let _ = writeln!(out, "{WINS}");
        }
        let _ = write!(out, "{}: {} bytes", self.out, self.shelf_bytes);
        out
    }
}

const WINS: &str = "A dictionary of the marked words does as well: give more texts that say the same in other words, or leave the tagger out.";

/// Names what is done.
struct Stage<'a>(&'a mut dyn Watch, &'static str);

impl Watch for Stage<'_> {
    fn step(&mut self, _: &'static str, done: u64, total: u64, note: &str) {
        self.0.step(self.1, done, total, note);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

#[derive(Serialize)]
struct Case<'a> {
    text: &'a str,
    spans: Vec<Of>,
}

/// Bytes of the text, and what they are.
#[derive(Serialize)]
struct Of {
    slot: String,
    start: usize,
    end: usize,
    confidence: f32,
}

fn open(bundle: &Bundle) -> Result<Tagger<&[u8]>> {
    Tagger::open(&bundle.shelf[..]).map_err(|e| internal("open", e.to_string()))
}

/// What is wrong with the texts as a whole.
fn check(examples: &[Example]) -> Result<()> {
    let few =
        |cause: String, action: &str| Err(Error::fault("texts_few", "--texts", cause, action));
    let marked = examples.iter().filter(|it| !it.marks.is_empty()).count();
    if marked == 0 {
        let action = "mark slots as [words](slot), or give a tag for each token";
        return few("nothing is marked in any text".to_owned(), action);
    }
    if marked < FEWEST {
        let cause = format!("slots are marked in {marked} texts");
        return few(
            cause,
            &format!("mark at least {FEWEST}; some hundreds are good"),
        );
    }
    Ok(())
}

/// Reads texts, learns, and writes the bundle.
///
/// # Errors
/// Everything that is wrong in the files, each fault with its line; texts that can't teach;
/// a folder that can't be written.
pub fn run(
    files: &[PathBuf],
    out: &Path,
    settings: Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    drop(Staging::begin(out)?);
    let Examples { examples, left_out } = marked::import(files, watch)?;
    check(&examples)?;
    let all = turns(&examples);
    let (mut asked, mut taught, mut others): (Vec<&Example>, Vec<&Example>, Vec<Turn>) =
        Default::default();
    for (turn, example) in all.turns.iter().zip(&examples) {
        match is_aside(turn, settings.seed) {
            true => asked.push(example),
            false => {
                taught.push(example);
                others.push(turn.clone());
            }
        }
    }
    if asked.is_empty() || taught.iter().all(|it| it.marks.is_empty()) {
        return Err(Error::fault(
            "texts_few",
            "--texts",
            "no text is left to teach, or to measure with",
            "give more texts or conversations, or another --seed",
        ));
    }
    let task = Task::new(&others, settings.max_bytes, false)?;
    let choice = task.choose(&mut Stage(watch, "choosing"))?;
    let measured = task.finish(choice, &mut Stage(watch, "measuring"))?;
    let figures = of_aside(&measured, &asked, &taught)?;
    let task = Task::new(&all.turns, settings.max_bytes, false)?;
    let bundle = task.finish(choice, &mut Stage(watch, "all texts"))?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let outcome = Outcome {
        out: out.display().to_string(),
        texts: examples.len(),
        left_out,
        marks: examples.iter().map(|it| it.marks.len()).sum(),
        widened: all.widened,
        lost: all.lost,
        costs: choice.costs,
        offset: choice.offset,
        figures,
        shelf_bytes: bundle.shelf.len(),
    };
    write(&bundle, &outcome, &examples, out)?;
    Ok(outcome)
}

fn of_aside(bundle: &Bundle, asked: &[&Example], taught: &[&Example]) -> Result<Figures> {
    let tagger = open(bundle)?;
    let mut buffers = TagBuffers::default();
    let find = |text: &str| {
        let spans = tagger.spans("", text, &mut buffers).into_iter();
        let of = |span: shelfedge_assistant::Span<'_>| Found {
            slot: span.tag.to_owned(),
            bytes: span.bytes,
            confidence: span.confidence,
        };
        spans.map(of).collect()
    };
    Ok(figures(asked, find, &Dictionary::learn(taught)))
}

fn write(bundle: &Bundle, outcome: &Outcome, examples: &[Example], out: &Path) -> Result<()> {
    let tagger = open(bundle)?;
    let mut buffers = TagBuffers::default();
    let step = examples.len().div_ceil(CASES).max(1);
    let cases: Vec<Case<'_>> = (examples.iter().step_by(step))
        .map(|Example { text, .. }| {
            let spans = tagger.spans("", text, &mut buffers).into_iter();
            let of = |span: shelfedge_assistant::Span<'_>| Of {
                slot: span.tag.to_owned(),
                start: span.bytes.start,
                end: span.bytes.end,
                confidence: span.confidence,
            };
            Case {
                text,
                spans: spans.map(of).collect(),
            }
        })
        .collect();
    let golden = serde_json::to_vec_pretty(&serde_json::json!({ "format": 1, "cases": cases }))
        .map_err(|e| internal("golden", e.to_string()))?;
    let model = Model::open(&bundle.shelf[..]).map_err(|e| internal("open", e.to_string()))?;
    let sections = [Features::SECTION, Tags::SECTION];
    let spec = sections.map(|name| model.section(name).unwrap_or(&[]));
    let card = outcome.card(&tagger);
    let of_texts = bundle::OfTexts {
        task: "slots",
        shelf: &bundle.shelf,
        onnx: &bundle.onnx,
        spec: &spec.concat(),
        golden: &golden,
        card: &card,
    };
    let data: Vec<String> = (examples.iter())
        .flat_map(|it| {
            let marks = it.marks.iter();
            let marks = marks.map(|m| format!("{} {} {}", m.bytes.start, m.bytes.end, m.slot));
            core::iter::once(it.text.clone()).chain(marks)
        })
        .collect();
    of_texts.write(data.iter().map(String::as_str), out)
}

impl Outcome {
    fn card(&self, tagger: &Tagger<&[u8]>) -> String {
        let mut out = String::from("# Slots in what customers write\n\n");
        let kinds: Vec<String> = tagger.kinds().map(|kind| format!("`{kind}`")).collect();
        let _ = writeln!(
            out,
            "A linear-chain conditional random field that finds {}, learnt from {} texts with {} marked slots by \
             `shelfedge-train slots`. The compiled model has {} bytes.\n",
            kinds.join(", "),
            self.texts,
            self.marks,
            self.shelf_bytes
        );
        let _ = writeln!(
            out,
            "Costs of weights: {} absolute, {} square; a token outside of slots scores {} less. They were chosen by an eighth of \
             the texts that taught. Then {} texts were kept aside, a fifth, by conversation where the data names them, and never \
             one text on both sides; the model that is measured here learnt from the others, and the one in this bundle from all. \
             A span is right if it has the slot and the bounds that were marked. The dictionary finds what was marked, wherever it \
             stands, if it was marked at least every other time.\n",
            self.costs.0, self.costs.1, self.offset, self.figures.texts
        );
        self.figures.markdown(&mut out);
        if self.figures.dictionary_wins() {
            let _ = writeln!(out, "\n{WINS}");
        }
        if self.widened + self.lost > 0 {
            let _ = writeln!(
                out,
                "\n{} marks end within a word, which was taken as a whole; {} are on no word, or on one that is marked already, \
                 and were left out. Both count as they were marked.",
                self.widened, self.lost
            );
        }
        crate::card::licence(&mut out, None);
        out
    }
}
