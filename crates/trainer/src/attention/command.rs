//! `shelfedge-train attention`: the sequence model by itself.

use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;
use shelfedge_features::trails::fit::Sequences;
use shelfedge_ranking::attention::{Attention, Buffers};

use super::{Course, Epoch, Interest, Kind, Network, SelfAttention, Settings};
use crate::boost::shared;
use crate::bundle::{check_files, write_files};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::sequences::{SequenceMapping, SequenceReport, import};
use crate::next::{Comparison, Lesson, Question, Score, baselines, embed, held_back, repeat_share};
use crate::watch::Watch;

/// Questions that measure, at most; of more, every n-th is asked.
const MOST_ASKED: usize = 6_000;
/// Products of a list.
const PLACES: usize = 20;

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the ONNX file was written.
    pub onnx: String,
    /// Where the compiled model was written.
    pub shelf: String,
    /// What was read, and what of it could not be used.
    pub report: SequenceReport,
    /// How to learn.
    pub settings: Settings,
    /// The validation curve of the oldest log.
    pub curve: Vec<Epoch>,
    /// The pass whose weights were kept.
    pub best: usize,
    /// The newest part, by a model that had not seen it.
    pub measured: Comparison,
    /// Bytes of the ONNX file.
    pub onnx_bytes: usize,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
}

impl Outcome {
    /// For a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "among all products",
            "hit rate@20",
            "MRR@20",
            "hit rate@10",
            "NDCG@10",
        ]);
        for (name, score) in self.measured.rows() {
            let numbers = [score.hit20, score.mrr20, score.hit10, score.ndcg10];
            let mut row = vec![name.to_owned()];
            row.extend(numbers.map(|x| format!("{x:.4}")));
            table.add_row(row);
        }
        format!(
            "{table}\n{} questions about the newest part, which the measured model had not seen\n\
             {} of {} rows were usable: {} sequences of {} products\n\
             {}: {} bytes; {}: {} bytes; pass {} of {} was the best",
            self.measured.model.questions,
            self.report.kept,
            self.report.rows,
            self.report.sequences,
            self.report.products,
            self.onnx,
            self.onnx_bytes,
            self.shelf,
            self.shelf_bytes,
            self.best,
            self.curve.len(),
        )
    }
}

/// The best products after each beginning, by a compiled model in the engine.
fn lists(
    shelf: &[u8],
    products: usize,
    questions: &[Question<'_>],
    repeats: bool,
    watch: &mut dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let model = Attention::open(shelf).map_err(|e| internal("attention", e.to_string()))?;
    let mut out = Vec::new();
    for chunk in questions.chunks(512) {
        let parts = chunk.chunks(64);
        let mut made: Vec<Result<Vec<Vec<u32>>>> = parts.clone().map(|_| Ok(Vec::new())).collect();
        shared(parts.zip(&mut made).collect(), |(part, made)| {
            let mut buffers = Buffers::default();
            *made = part
                .iter()
                .map(|question| {
                    model
                        .score(question.begins, 0..products as u32, &mut buffers)
                        .map_err(|e| internal("attention", e.to_string()))?;
                    Ok(best(buffers.scores(), question.begins, repeats))
                })
                .collect();
        });
        for part in made {
            out.extend(part?);
        }
        watch.step("scoring", out.len() as u64, questions.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(out)
}

/// The best products that may come, best first.
fn best(scores: &[f32], begins: &[u32], repeats: bool) -> Vec<u32> {
    let may_come = |product: &u32| repeats || !begins.contains(product);
    let mut order: Vec<u32> = (0..scores.len() as u32).filter(may_come).collect();
    let by_score = |a: &u32, b: &u32| {
        scores[*b as usize]
            .total_cmp(&scores[*a as usize])
            .then(a.cmp(b))
    };
    if order.len() > PLACES {
        order.select_nth_unstable_by(PLACES, by_score);
        order.truncate(PLACES);
    }
    order.sort_by(by_score);
    order
}

/// Reads sequences, learns and measures a model, goes on with what measured it, and
/// writes it beside each other as ONNX and compiled.
pub fn run(
    shop: &Path,
    mapping: Option<&Path>,
    out: &Path,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    match settings.network {
        Kind::SelfAttention => learn::<SelfAttention>(shop, mapping, out, settings, watch),
        Kind::Interest => learn::<Interest>(shop, mapping, out, settings, watch),
    }
}

fn learn<N: Network>(
    shop: &Path,
    mapping: Option<&Path>,
    out: &Path,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    check_files(
        out,
        &["attention.onnx", "attention.shelf"],
        "a network by itself",
    )?;
    let [onnx_path, shelf_path] = ["attention.onnx", "attention.shelf"].map(|name| out.join(name));
    let (mapping, log) = import(shop, mapping, watch)?;
    let products = log.products.len();
    let lesson = held_back(&log.sequences, mapping.of);
    let repeats = repeat_share(&lesson.log) > 0.005;
    let mut course = begin::<N>(&lesson.log, &mapping, products, repeats, settings, watch)?;
    course.go_on(&lesson.log, watch)?;
    let (_, shelf) = course.export(&[])?;
    let every = lesson.questions.len().div_ceil(MOST_ASKED).max(1);
    let questions: Vec<Question<'_>> = lesson.questions.into_iter().step_by(every).collect();
    let model = lists(&shelf, products, &questions, repeats, watch)?;
    let [popularity, transitions] =
        baselines(&lesson.log, &questions, mapping.of, products, repeats);
    let measured = Comparison {
        model: Score::of(&model, &questions),
        popularity: Score::of(&popularity, &questions),
        transitions: Score::of(&transitions, &questions),
    };
    course.go_on(&log.sequences, watch)?;
    let (onnx, shelf) = course.export(&[
        ("shelfedge.task", "attention".to_owned()),
        ("shelfedge.version", env!("CARGO_PKG_VERSION").to_owned()),
    ])?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    write_files(&[(&onnx_path, Some(&onnx)), (&shelf_path, Some(&shelf))])?;
    Ok(Outcome {
        onnx: onnx_path.display().to_string(),
        shelf: shelf_path.display().to_string(),
        report: log.report,
        settings: *settings,
        curve: course.curve,
        best: course.best,
        measured,
        onnx_bytes: onnx.len(),
        shelf_bytes: shelf.len(),
    })
}

/// Begins with a log that ends earlier, whose newest part stops the learning.
fn begin<N: Network>(
    known: &Sequences,
    mapping: &SequenceMapping,
    products: usize,
    repeats: bool,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Course<N>> {
    let Lesson { log, questions } = held_back(known, mapping.of);
    if questions.is_empty() {
        return Err(Error::fault(
            "too_few_sequences",
            "sequences",
            "none is long enough to teach, to stop the learning and to measure",
            "give longer sequences, or more of them",
        ));
    }
    let mut step = |share: f64| {
        watch.step("embedding", (share * 10.0) as u64, 10, "");
        !watch.cancelled()
    };
    let width = settings.width.min(products);
    let embedding = embed::embedding(&log, products, width, settings.seed, &mut step)
        .ok_or(Error::Cancelled)?;
    Course::begin(
        &log, products, &embedding, &questions, repeats, settings, watch,
    )
}
