//! What comes next: a ranking learnt from sequences of products alone, such as
//! the looks of sessions or the orders of customers.
//!
//! What is shipped is the log of sequences, an embedding of the products, and
//! trees that order the candidates (LambdaMART). Training lists come from a log
//! that ends before what they ask for, and in which every sequence ends at the
//! same "now": others' later products would tell the answer.

mod attend;
mod card;
pub mod embed;
mod lists;
mod measure;

use std::collections::BTreeSet;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};
use shelfedge_commerce::time::Timestamp;
use shelfedge_commerce::{Event, EventItem, EventKind, ProductId};
use shelfedge_features::Stats;
use shelfedge_features::tables::ProductRow;
use shelfedge_features::trails::fit::{Learnt, Sequences, write};
use shelfedge_features::trails::{self, Origin, Part, Reading, Sum};
use shelfedge_ranking::attention as network;
use shelfedge_ranking::{Context, MAX_EVENTS, Query as RankQuery, Ranker, Workspace};

use crate::attention::{self, Wanted};
use crate::boost::{self, Forest, Lists};
use crate::bundle::Staging;
use crate::error::{Error, Result};
use crate::export::internal;
use crate::golden;
use crate::import::sequences::{Kind, Log, SequenceMapping, SequenceReport, import};
use crate::logged::{Compiled, Content, Parts};
use crate::settings;
use crate::watch::Watch;

use lists::{Source, lists};
pub use measure::{Comparison, Score, Trial};
use measure::{Decision, decide, measure};

/// The code of a log from which nothing can be learnt.
const TOO_FEW: &str = "too_few_sequences";

/// Questions about one sequence, at most.
const MOST_OF_ONE: usize = 500;
/// Largest compiled model, in bytes: the embedding is made as wide as fits.
const BUDGET: usize = 5_000_000;
/// What the rest of the file takes beside the log, the products and the trees.
const REST: usize = 16_384;
/// Widest embedding, and the narrowest, which may go beyond the budget.
const DIMS: usize = 64;
const FEWEST_DIMS: usize = 16;
/// Share of the sessions, the newest ones, whose products are asked for.
const ASKED: f64 = 0.05;
/// How many of a shopper's last products are asked for, one after the other.
const FOLDS: usize = 3;
/// Training lists, at most; of more, every n-th is taken.
const MOST_LISTS: usize = 60_000;
/// Leaves of a tree, for sessions.
const SESSION_LEAVES: usize = 31;
/// Products of the popular list.
const POPULAR: usize = 200;
/// The time between two events of a made-up request.
const SECOND: i64 = 1_000;

/// What a model can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ingredient {
    /// What came before and after a product of the query.
    Transitions,
    /// What stood in sequences with it.
    Together,
    /// The sequences most similar to the query.
    Sequences,
    /// Nearness by the embedding.
    Embedding,
    /// When products were seen; of shoppers, how late in their sequences.
    Time,
}

impl Ingredient {
    /// Which one a number that a model sees belongs to.
    fn of(origin: Origin) -> Option<Self> {
        Some(match origin {
            Origin::Sum(sum) => Self::of_sum(sum),
            Origin::Embedding => Self::Embedding,
            Origin::Clock | Origin::Ends | Origin::Order => Self::Time,
            Origin::Found
            | Origin::Popularity
            | Origin::Query
            | Origin::Repeats
            | Origin::Attention => return None,
        })
    }

    fn of_sum(sum: Sum) -> Self {
        match sum {
            Sum::Together
            | Sum::TogetherSecond
            | Sum::Walk
            | Sum::Cosine
            | Sum::Linked
            | Sum::CosineBest => Self::Together,
            Sum::Votes | Sum::VotesRecent | Sum::VotesNear | Sum::VotesBoth | Sum::VoteBest => {
                Self::Sequences
            }
            Sum::Latest => Self::Time,
            Sum::Next
            | Sum::After
            | Sum::Previous
            | Sum::Before
            | Sum::AfterSecond
            | Sum::BeforeSecond
            | Sum::AllAfter
            | Sum::AllBefore
            | Sum::AfterRecent
            | Sum::Recent
            | Sum::AfterThird
            | Sum::AfterBest
            | Sum::AfterLog => Self::Transitions,
        }
    }
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Fixes the embedding's start and all sampling.
    pub seed: u64,
    /// Trees.
    pub trees: usize,
    /// Leaves of a tree; 31 for sessions and 15 for shoppers when 0.
    pub leaves: usize,
    /// Share of a tree's step that is taken.
    pub rate: f64,
    /// Rows of a leaf, at least.
    pub min_rows: usize,
    /// Candidates of a query.
    pub candidates: u32,
    /// Candidates that aren't the answer which a training list keeps, on
    /// average.
    pub negatives: u32,
    /// What is left out, to see what it is worth.
    pub without: Vec<Ingredient>,
    /// The sequence model.
    #[serde(skip_serializing_if = "attention::Settings::is_off")]
    pub attention: attention::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            trees: 200,
            leaves: 0,
            rate: 0.08,
            min_rows: 100,
            candidates: 150,
            negatives: 48,
            without: Vec::new(),
            attention: attention::Settings::default(),
        }
    }
}

impl Settings {
    /// The same, with another decision on the sequence model.
    fn with(&self, wanted: Wanted) -> Self {
        let mut settings = self.clone();
        settings.attention.wanted = wanted;
        settings
    }

    /// Reads a settings file; what it doesn't name keeps its default.
    pub fn load(path: &Path) -> Result<Self> {
        settings::load(path, |s: &Self, check| {
            check("trees", (1..=10_000).contains(&s.trees), "in 1 to 10000");
            check(
                "leaves",
                s.leaves == 0 || (2..=1_024).contains(&s.leaves),
                "0, or in 2 to 1024",
            );
            check("rate", s.rate > 0.0 && s.rate <= 1.0, "above 0, at most 1");
            check("min_rows", s.min_rows >= 1, "1 or more");
            check(
                "candidates",
                (1..=1_000).contains(&s.candidates),
                "in 1 to 1000",
            );
            check(
                "negatives",
                (1..=s.candidates).contains(&s.negatives),
                "1 or more, and not more than candidates",
            );
            s.attention.check(check);
        })
    }
}

/// How a log of this kind is read.
fn reading(kind: Kind, repeats: bool, settings: &Settings) -> Reading {
    let part = |sum, weight, quarters| Part {
        sum,
        weight,
        quarters,
    };
    let with = |ingredient| !settings.without.contains(&ingredient);
    let (mut parts, most, near_decay) = match kind {
        Kind::Sessions => (
            vec![
                part(Sum::Votes, 1.0, 1),
                part(Sum::VotesNear, 0.5, 1),
                part(Sum::Recent, 0.3, 1),
            ],
            1_000,
            0.6,
        ),
        Kind::Shoppers => (
            vec![
                part(Sum::AllAfter, 1.0, 0),
                part(Sum::VotesNear, 1.0, 0),
                part(Sum::Recent, 1.0, 0),
            ],
            100_000,
            0.8,
        ),
    };
    parts.retain(|part| with(Ingredient::of_sum(part.sum)));
    Reading {
        clock: kind == Kind::Sessions,
        session: kind == Kind::Sessions,
        repeats,
        decay: 0.6,
        half_lives: [0.6, 0.15],
        most,
        candidates: settings.candidates,
        parts,
        near: if with(Ingredient::Embedding) { 100 } else { 0 },
        near_weight: 0.5,
        near_decay,
        attention: settings.attention.wanted == Wanted::On,
    }
}

/// How often, of all steps, a sequence comes back to a product that it holds.
pub(crate) fn repeat_share(log: &Sequences) -> f64 {
    let (mut again, mut all) = (0usize, 0usize);
    for sequence in log.iter() {
        let distinct: BTreeSet<&u32> = sequence.iter().collect();
        all += sequence.len().saturating_sub(1);
        again += sequence.len() - distinct.len();
    }
    again as f64 / all.max(1) as f64
}

/// What is asked of a log: what follows a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The beginning, oldest first.
    pub begins: &'a [u32],
    /// What follows.
    pub follows: u32,
}

/// A log that ends somewhere, and questions of what follows.
pub(crate) struct Lesson<'a> {
    pub(crate) log: Sequences,
    pub(crate) questions: Vec<Question<'a>>,
}

/// What a model is asked that is measured: about the newest part of a log.
pub(crate) fn held_back(log: &Sequences, kind: Kind) -> Lesson<'_> {
    match kind {
        Kind::Sessions => newest_sessions(log, ASKED),
        Kind::Shoppers => last_products(log, 1),
    }
}

/// A model that knows a log, and nothing else, with the products of `whole`.
pub(crate) fn until(
    log: &Sequences,
    whole: &Log,
    mapping: &SequenceMapping,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<(Compiled, bool)> {
    let decided;
    let settings = match settings.attention.wanted {
        Wanted::Auto => {
            let decision = decide(log, whole, mapping, settings, watch)?;
            decided = settings.with(decision.wanted());
            &decided
        }
        _ => settings,
    };
    let (dims, products) = (dims(whole, settings), whole.products.len());
    let model = learn(log, products, mapping.of, dims, settings, watch)?;
    let (ids, seed) = (&whole.products, settings.seed);
    let compiled = compile(&model, log, ids, mapping, [0; 32], seed, watch)?;
    Ok((compiled, model.reading.repeats))
}

/// The popular list, and what came directly after the last product most often,
/// for each question; `repeats` says whether a product may come again.
pub(crate) fn baselines(
    log: &Sequences,
    questions: &[Question<'_>],
    kind: Kind,
    products: usize,
    repeats: bool,
) -> [Vec<Vec<u32>>; 2] {
    let popular = popular(log, products, kind == Kind::Sessions);
    let next = transitions(log, products);
    let filled = |first: &[u32], without: &[u32]| -> Vec<u32> {
        let mut list: Vec<u32> = Vec::with_capacity(20);
        for product in first.iter().chain(&popular) {
            if list.len() < 20 && !list.contains(product) && !without.contains(product) {
                list.push(*product);
            }
        }
        list
    };
    let mut lists = [Vec::new(), Vec::new()];
    for question in questions {
        let without = match repeats {
            true => &[][..],
            false => question.begins,
        };
        let last = question.begins.last().map_or(0, |p| *p as usize);
        lists[0].push(filled(&[], without));
        lists[1].push(filled(&next[last], without));
    }
    lists
}

/// The sessions before a time, and the steps of those after it, at most
/// [`MOST_OF_ONE`] of each.
fn newest_sessions(log: &Sequences, asked: f64) -> Lesson<'_> {
    let cut = ((1.0 - asked) * log.len() as f64) as usize;
    let mut lesson = Lesson {
        log: Sequences::default(),
        questions: Vec::new(),
    };
    for (number, sequence) in log.iter().enumerate() {
        if number < cut {
            lesson.log.push(sequence);
        } else {
            // Who looks at thousands is a program, and would be the measurement.
            let every = sequence.len().div_ceil(MOST_OF_ONE).max(1);
            let steps = (1..sequence.len()).step_by(every);
            lesson.questions.extend(steps.map(|at| Question {
                begins: &sequence[..at],
                follows: sequence[at],
            }));
        }
    }
    lesson
}

/// All sequences without their last products, and the first of those.
fn last_products(log: &Sequences, cut: usize) -> Lesson<'_> {
    let mut lesson = Lesson {
        log: Sequences::default(),
        questions: Vec::new(),
    };
    for sequence in log.iter().filter(|sequence| sequence.len() > cut) {
        let at = sequence.len() - cut;
        lesson.log.push(&sequence[..at]);
        lesson.questions.push(Question {
            begins: &sequence[..at],
            follows: sequence[at],
        });
    }
    lesson
}

/// How wide an embedding may be, so that the compiled model stays within its
/// budget.
fn dims(log: &Log, settings: &Settings) -> usize {
    let products = log.products.len();
    let ids: usize = log.products.iter().map(|id| id.len() + 4).sum();
    let place = if products > 65_536 { 4 } else { 2 };
    // Cells of 16 bits: popularity and the embedding's length, and four more.
    let columns = 2 * products * 6;
    let cut: usize = log
        .sequences
        .iter()
        .map(|s| s.len().min(trails::LONGEST))
        .sum();
    // A leaf has a weight and a node, and but for one another node above it.
    let leaves = match settings.leaves {
        0 => SESSION_LEAVES,
        leaves => leaves,
    };
    let trees = settings.trees * (leaves * (8 + 2 * 16) + 4);
    let attention = match settings.attention.wanted {
        Wanted::On => REST + products * (settings.attention.width + 4),
        _ => 0,
    };
    let fixed = REST + trees + ids + columns + log.sequences.len() + place * cut + attention;
    let left = BUDGET.saturating_sub(fixed) / products.max(1);
    (left / 8 * 8).clamp(FEWEST_DIMS, DIMS).min(products)
}

/// A log as the section of a compiled model.
fn section(
    log: &Sequences,
    products: usize,
    reading: &Reading,
    dims: usize,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Vec<u8>> {
    let mut step = |share: f64| {
        watch.step("embedding", (share * 10.0) as u64, 10, "");
        !watch.cancelled()
    };
    let embedding =
        embed::embedding(log, products, dims, seed, &mut step).ok_or(Error::Cancelled)?;
    let learnt = Learnt {
        dims,
        embedding,
        order: if reading.clock {
            Vec::new()
        } else {
            embed::order(log, products)
        },
    };
    Ok(write(reading, log, products, &learnt))
}

/// What was learnt, before it is bound to a log.
struct Model {
    forest: Forest,
    /// Medians over the candidates that taught.
    reference: Vec<f32>,
    reading: Reading,
    /// The sequence model that knows the whole log, compiled, and how it was learnt.
    attention: Option<(Vec<u8>, attend::Curve)>,
    dims: usize,
    lists: usize,
    rows: usize,
}

/// Learns to order what follows, from a log's own newest parts.
fn learn(
    log: &Sequences,
    products: usize,
    kind: Kind,
    dims: usize,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Model> {
    let repeats = repeat_share(log) > 0.005;
    let reading = reading(kind, repeats, settings);
    let lessons = match kind {
        Kind::Sessions => vec![newest_sessions(log, ASKED)],
        Kind::Shoppers => (1..=FOLDS).map(|cut| last_products(log, cut)).collect(),
    };
    let all: usize = lessons.iter().map(|lesson| lesson.questions.len()).sum();
    let every = all.div_ceil(MOST_LISTS).max(1);
    let networks = match reading.attention {
        true => Some(attend::networks(
            log,
            &lessons,
            products,
            (kind, repeats),
            settings,
            watch,
        )?),
        false => None,
    };
    let mut made = Lists::default();
    for (number, lesson) in lessons.into_iter().enumerate() {
        let section = section(&lesson.log, products, &reading, dims, settings.seed, watch)?;
        let attention = networks.as_ref().map(|all| all.lessons[number].as_slice());
        let popular = popular(&lesson.log, products, reading.clock);
        let source = Source::open(&section, attention, popular, products, settings)?;
        let questions: Vec<Question<'_>> = lesson.questions.into_iter().step_by(every).collect();
        lists(&source, &questions, settings, &mut made, watch)?;
    }
    if made.ends.len() < 20 {
        return Err(Error::fault(
            TOO_FEW,
            "sequences",
            format!("only {} steps can teach what follows", made.ends.len()),
            "give more sequences, or longer ones: 20 steps at least, of which what came before says something",
        ));
    }
    let default_leaves = match kind {
        Kind::Sessions => SESSION_LEAVES,
        Kind::Shoppers => 15,
    };
    let how = boost::Settings {
        trees: settings.trees,
        leaves: match settings.leaves {
            0 => default_leaves,
            leaves => leaves,
        },
        rate: settings.rate,
        min_rows: settings.min_rows.min(made.rows() / 20).max(1),
        features: 0.5,
        lists: 1.0,
        places: 20,
        patience: usize::MAX,
        seed: settings.seed,
        ..boost::Settings::default()
    };
    let forest = boost::fit(&made, None, &how, |trees, _| {
        watch.step("trees", trees as u64, settings.trees as u64, "");
        !watch.cancelled()
    });
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    Ok(Model {
        reference: made.medians(),
        lists: made.ends.len(),
        rows: made.rows(),
        forest,
        reading,
        attention: networks.map(|all| (all.whole, all.curve)),
        dims,
    })
}

/// Binds a model to a log.
fn compile(
    model: &Model,
    log: &Sequences,
    ids: &[String],
    mapping: &SequenceMapping,
    data: [u8; 32],
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Compiled> {
    let products = ids.len();
    let section = section(log, products, &model.reading, model.dims, seed, watch)?;
    let rows: Vec<ProductRow> = ids
        .iter()
        .map(|id| ProductRow {
            id: id.clone(),
            title: String::new(),
            stats: Stats::default(),
            similar: Vec::new(),
        })
        .collect();
    let reference = model.reference.iter();
    Content {
        input: ("trail", model.reference.len()),
        forest: &model.forest,
        section: (trails::SECTION, section),
        reference: reference.flat_map(|x| x.to_le_bytes()).collect(),
        products: &rows,
        neighbours: 0,
        popular: &popular(log, products, model.reading.clock),
        attributes: None,
        questions: None,
        attention: model
            .attention
            .as_ref()
            .map(|(shelf, _)| (network::SECTION, shelf.clone())),
        as_of: None,
        currency: mapping.currency,
        data,
    }
    .compile()
}

/// Products by how often they occur; in sessions, first by the newest tenth.
fn popular(log: &Sequences, products: usize, newest: bool) -> Vec<u32> {
    let from = if newest { log.len() / 10 * 9 } else { 0 };
    let mut counts = vec![(0usize, 0usize); products];
    for (number, sequence) in log.iter().enumerate() {
        for &product in sequence {
            let count = &mut counts[product as usize];
            count.0 += usize::from(number >= from);
            count.1 += 1;
        }
    }
    let mut order: Vec<u32> = (0..products as u32).collect();
    order.sort_by_key(|p| (std::cmp::Reverse(counts[*p as usize]), *p));
    order.truncate(POPULAR);
    order
}

/// Ranks what follows each beginning, with a compiled model in the engine that
/// the shop will run: indices of products, best first.
pub fn predict<'q>(
    shelf: &[u8],
    ids: &[String],
    beginnings: impl ExactSizeIterator<Item = &'q [u32]>,
    places: usize,
    watch: &mut dyn Watch,
) -> Result<Vec<Vec<u32>>> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    let ids: Vec<ProductId> = ids
        .iter()
        .map(|id| ProductId::new(id.as_str()).map_err(|e| internal("product", e.to_string())))
        .collect::<Result<_>>()?;
    let all = beginnings.len() as u64;
    let mut workspace = Workspace::default();
    let mut out = Vec::new();
    for (done, begins) in (1u64..).zip(beginnings) {
        let newest = &begins[begins.len().saturating_sub(MAX_EVENTS)..];
        let (now, events) = looks(newest.iter().map(|product| &ids[*product as usize]));
        let query = RankQuery {
            now,
            events: &events,
            candidates: None,
            exclude: &[],
            limit: places,
            new_only: false,
            context: Context::default(),
            explain: false,
            answered: &[],
        };
        let ranked = ranker
            .rank(&query, &mut workspace)
            .map_err(|e| internal("rank", e.to_string()))?;
        out.push(ranked.items.iter().map(|item| item.product).collect());
        if done.is_multiple_of(256) || done == all {
            watch.step("scoring", done, all, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(out)
}

/// What a request tells of a beginning, and when: looks, a second apart.
pub(crate) fn looks<'p>(
    begins: impl ExactSizeIterator<Item = &'p ProductId>,
) -> (Timestamp, Vec<Event>) {
    let now = Timestamp((begins.len() as i64 + 1) * SECOND);
    let looked = (1i64..).zip(begins);
    let events = looked.map(|(at, product)| look(at * SECOND, product));
    (now, events.collect())
}

/// A look at a product.
fn look(time: i64, product: &ProductId) -> Event {
    Event {
        id: None,
        time: Timestamp(time),
        kind: EventKind::ViewItem,
        transaction: None,
        currency: None,
        list: None,
        items: vec![EventItem {
            product: product.clone(),
            quantity: 1,
            price: None,
            index: None,
        }],
    }
}

/// What came directly after each product, most often first, at most 50 each.
fn transitions(log: &Sequences, products: usize) -> Vec<Vec<u32>> {
    let mut pairs: Vec<(u32, u32)> = log
        .iter()
        .flat_map(|sequence| sequence.windows(2).map(|pair| (pair[0], pair[1])))
        .collect();
    pairs.sort_unstable();
    let mut counted: Vec<Vec<(usize, u32)>> = vec![Vec::new(); products];
    for same in pairs.chunk_by(|a, b| a == b) {
        counted[same[0].0 as usize].push((same.len(), same[0].1));
    }
    counted
        .into_iter()
        .map(|mut after| {
            after.sort_by_key(|(count, product)| (std::cmp::Reverse(*count), *product));
            after.truncate(50);
            after.into_iter().map(|(_, product)| product).collect()
        })
        .collect()
}

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the bundle was written.
    pub out: String,
    /// What was read, and what of it could not be used.
    pub report: SequenceReport,
    /// Lists that taught, and their rows.
    pub lists: usize,
    /// Rows.
    pub rows: usize,
    /// Width of the embedding.
    pub dims: usize,
    /// The newest part, by a model that had not seen it, if it was asked for.
    pub measured: Option<Comparison>,
    /// What it is worth with a sequence model and without, if it was to be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<Trial>,
    /// Why that could not be found out, so that it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_untried: Option<String>,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
}

impl Outcome {
    /// For a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["ranking", "hit rate@20", "MRR@20", "hit rate@10", "NDCG@10"]);
        for (name, score) in self.measured.iter().flat_map(Comparison::rows) {
            let numbers = [score.hit20, score.mrr20, score.hit10, score.ndcg10];
            let mut row = vec![name.to_owned()];
            row.extend(numbers.map(|x| format!("{x:.4}")));
            table.add_row(row);
        }
        let what = format!(
            "{} of {} rows were usable: {} sequences of {} products\n\
             {}: {} lists taught; embedding of {} dimensions; {} bytes",
            self.report.kept,
            self.report.rows,
            self.report.sequences,
            self.report.products,
            self.out,
            self.lists,
            self.dims,
            self.shelf_bytes
        );
        let what = match (&self.attention, &self.attention_untried) {
            (Some(trial), _) => format!("{what}\n{trial}"),
            (None, Some(why)) => format!(
                "{what}\na sequence model was not tried, and is left out: of what came before the \
                 newest part, {why}"
            ),
            (None, None) => what,
        };
        match &self.measured {
            None => what,
            Some(measured) => format!(
                "{table}\n{} questions about the newest part, which the measured model had not seen\n{what}",
                measured.model.questions
            ),
        }
    }
}

/// A bundle that isn't written yet.
#[derive(Debug)]
pub struct Bundle {
    parts: Parts,
    outcome: Outcome,
}

impl Bundle {
    /// The compiled model.
    pub fn shelf(&self) -> &[u8] {
        self.parts.shelf()
    }

    /// Puts the bundle in the place of what is at `out`.
    pub fn write(mut self, out: &Path) -> Result<Outcome> {
        self.parts.write(out)?;
        self.outcome.out = out.display().to_string();
        Ok(self.outcome)
    }
}

/// Learns from a log and makes the bundle that knows all of it.
pub fn build(
    log: &Log,
    mapping: &SequenceMapping,
    measured: bool,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Bundle> {
    if log.sequences.products.is_empty() {
        let report = &log.report;
        return Err(Error::fault(
            "no_sequences",
            "sequences",
            format!(
                "of {} rows none is usable: {} can't be split into fields, {} name no sequence, \
                 {} no product, {} no place",
                report.rows,
                report.broken,
                report.without_sequence,
                report.without_product,
                report.without_position
            ),
            "correct the table, or the columns in the mapping file",
        ));
    }
    let told = settings;
    let decision = match settings.attention.wanted {
        Wanted::Auto => Some(decide(&log.sequences, log, mapping, settings, watch)?),
        _ => None,
    };
    let settings = &match &decision {
        None => settings.clone(),
        Some(decision) => settings.with(decision.wanted()),
    };
    let (trial, attention_untried) = match decision {
        None => (None, None),
        Some(Decision::Tried(trial)) => (Some(*trial), None),
        Some(Decision::Untried(why)) => (None, Some(why)),
    };
    let measured = match (measured, &trial) {
        (false, _) => None,
        (true, Some(trial)) => Some(trial.chosen().1),
        (true, None) => Some(measure(log, mapping, settings, watch)?),
    };
    let dims = dims(log, settings);
    let products = log.products.len();
    let model = learn(&log.sequences, products, mapping.of, dims, settings, watch)?;
    let compiled = compile(
        &model,
        &log.sequences,
        &log.products,
        mapping,
        log.digest,
        settings.seed,
        watch,
    )?;
    let outcome = Outcome {
        out: String::new(),
        report: log.report.clone(),
        lists: model.lists,
        rows: model.rows,
        dims,
        measured,
        attention: trial,
        attention_untried,
        shelf_bytes: compiled.shelf.len(),
    };
    let card = card::card(mapping, &model, told, &outcome);
    Ok(Bundle {
        parts: compiled.bundle(Timestamp(0), &model.forest, golden::LOOK, card)?,
        outcome,
    })
}

/// Reads sequences, learns, measures if it is asked to, and writes the bundle.
pub fn run(
    shop: &Path,
    mapping: Option<&Path>,
    out: &Path,
    measured: bool,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    drop(Staging::begin(out)?);
    let (mapping, log) = import(shop, mapping, watch)?;
    let bundle = build(&log, &mapping, measured, settings, watch)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    bundle.write(out)
}
