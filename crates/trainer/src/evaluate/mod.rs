//! What a bundle is worth: its compiled model, in the engine that the shop runs,
//! asked about what it did not learn from, beside three baselines.
//!
//! It can also train again at earlier cut-offs, to see how much the figures vary
//! from one window to the next. It changes no bundle.

mod charts;
mod look;
mod measure;
mod page;
mod source;

use std::path::Path;

use serde::Serialize;
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::manifest::hex;

use crate::bundle::{self, write_file};
use crate::error::{Error, Result};
use crate::metrics::{Estimate, Metrics, round};
use crate::protocol::{Case, Lists};
use crate::watch::Watch;

pub use look::{Bin, Importance, Look, Setting, Stage};
pub(crate) use measure::{Answered, compare};
pub use measure::{Comparison, Exposure, Ranking};
use source::Scene;

/// What is evaluated, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The bundle's folder.
    pub model: &'a Path,
    /// The data, as the command takes them that made the bundle.
    pub shop: &'a Path,
    /// Its mapping file, if it isn't the one beside the data.
    pub mapping: Option<&'a Path>,
    /// First moment of the window; what the bundle did not learn from, without.
    pub from: Option<Timestamp>,
    /// First moment after the window; all that there is, without.
    pub until: Option<Timestamp>,
    /// How many times to train again, at earlier and earlier cut-offs.
    pub splits: usize,
    /// How to train again; the defaults of the bundle's command, without.
    pub settings: Option<&'a Path>,
    /// Fixes the bootstrap (1, without), and the learning before the settings.
    pub seed: Option<u64>,
}

/// A moment as an argument: a day in UTC, or a time of RFC 3339.
///
/// # Errors
/// Text that is neither.
pub fn moment(text: &str) -> core::result::Result<Timestamp, String> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&whole)
        .map_err(|_| "write a day as 2011-11-01, or a time as 2011-11-01T12:00:00Z".to_owned())
}

/// Which command made a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// `ranking`.
    Ranking,
    /// `basket`.
    Basket,
    /// `next`.
    Next,
}

/// What the model had to do with what it is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Footing {
    /// Nothing of it is in the bundle.
    Unseen,
    /// The network learnt from nothing of it; the bundle's tables would know it, so
    /// they were made again.
    TablesAgain,
    /// The bundle learnt from it.
    Seen,
    /// It can't be told.
    Unknown,
    /// A model that was trained again learnt from what came before.
    Retrained,
}

impl Footing {
    /// Whether the figures may flatter.
    const fn is_doubtful(self) -> bool {
        matches!(self, Self::Seen | Self::Unknown)
    }

    /// For a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unseen => {
                "The bundle as it is served. The window begins after the newest order that it knows."
            }
            Self::TablesAgain => {
                "The bundle's network, which had no part in this window. The bundle's tables know its orders, so they \
                 were made again from the orders before it."
            }
            Self::Seen => {
                "WARNING: the bundle learnt from this window. These figures flatter it, and say nothing about other \
                 orders."
            }
            Self::Unknown => {
                "The bundle as it is served. Its log has no times, so nothing tells whether it learnt from what is \
                 asked; if it did, these figures flatter it."
            }
            Self::Retrained => {
                "Not the bundle, which learnt from all that there is: a model that was trained again, the way the \
                 bundle's command does it, from what came before."
            }
        }
    }
}

/// The bundle.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// The command that makes such bundles.
    pub task: Task,
    /// SHA-256 of its compiled model.
    pub digest: String,
    /// SHA-256 of what it learnt from.
    pub data: String,
    /// What made it.
    pub producer: String,
    /// The end of its tables; none where they have no clock.
    pub as_of: Option<String>,
}

/// A list that is asked for, with everybody's answers.
#[derive(Clone, Debug, Serialize)]
pub struct List {
    /// `all`, or `new` to the shopper.
    pub list: &'static str,
    /// How good the answers are.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What each ranking shows, in the order of the rankings.
    pub exposure: Vec<Exposure>,
}

/// A part of the questions, or of what is wanted.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// Which.
    pub segment: &'static str,
    /// In which list.
    pub list: &'static str,
    /// How good the answers are.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// A model and what it was found to be worth.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// What was asked.
    pub asked: String,
    /// First moment of the window, where there are times.
    pub from: Option<String>,
    /// First moment after it.
    pub until: Option<String>,
    /// What the model had to do with it.
    pub footing: Footing,
    /// Both lists.
    pub lists: Vec<List>,
    /// By how much is known of the shopper.
    pub shoppers: Vec<Segment>,
    /// By what is wanted, in the list of everything.
    pub products: Vec<Segment>,
    /// How it comes to its lists.
    #[serde(flatten)]
    pub look: Look,
}

/// A model that was trained again.
#[derive(Clone, Debug, Serialize)]
pub struct Split {
    /// What it was asked.
    pub asked: String,
    /// Both lists.
    pub lists: Vec<List>,
}

/// A metric over splits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanAndDeviation {
    /// The mean.
    pub mean: f64,
    /// The standard deviation from one split to another.
    pub deviation: f64,
}

/// A ranking over splits.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Which list.
    pub list: &'static str,
    /// Which ranking.
    pub name: &'static str,
    /// NDCG at 10.
    pub ndcg10: MeanAndDeviation,
    /// Recall at 20.
    pub recall20: MeanAndDeviation,
    /// Hit rate at 10.
    pub hit10: MeanAndDeviation,
}

/// What is written.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of its form.
    pub format: u32,
    /// Of the bootstrap.
    pub seed: u64,
    /// The bundle.
    pub bundle: Facts,
    /// What it is worth; or the newest split, where the bundle knows all that there
    /// is.
    pub evaluation: Evaluation,
    /// Models that were trained again, the newest window first.
    pub splits: Vec<Split>,
    /// How they vary; empty for fewer than two.
    pub spread: Vec<Spread>,
}

/// The files of a report.
const JSON: &str = "report.json";
const HTML: &str = "report.html";

/// Makes sure that a report can be written to a folder, before there is one.
///
/// # Errors
/// A folder that can't be made or written to, and a bundle's: with other files in it
/// the bundle could not be replaced any more.
pub fn check_out(folder: &Path) -> Result<()> {
    bundle::check_files(folder, &[JSON, HTML], "a report")
}

const NOTHING_UNSEEN: &str = "nothing_unseen";

/// Why a bundle isn't asked.
fn nothing_unseen(cause: String) -> Error {
    Error::fault(
        NOTHING_UNSEEN,
        "--model",
        cause,
        "give data that are newer than the bundle, train again at earlier cut-offs with --splits 3, or, where the data \
         have times, name a window with --from: the report will say that the bundle learnt from it",
    )
}

/// Evaluates a bundle.
///
/// # Errors
/// Data, a bundle or settings that can't be read; nothing that the bundle did not
/// learn from; a window in which nobody buys again; more splits than the data allow.
pub fn run(options: &Options<'_>, watch: &mut dyn Watch) -> Result<Report> {
    let seed = options.seed.unwrap_or(1);
    let opened = bundle::open(options.model)?;
    let facts = facts(&opened)?;
    let task = facts.task;
    let source = source::read(options, opened, task, watch)?;
    let mut evaluation = match source.bundle(options, watch) {
        Err(Error::Invalid(faults))
            if options.splits > 0 && faults.iter().any(|f| f.code == NOTHING_UNSEEN) =>
        {
            None
        }
        scene => Some(evaluate(&scene?, seed, watch)?),
    };
    let mut splits = Vec::new();
    for earlier in 0..options.splits {
        let scene = source
            .split(earlier, watch)
            .map_err(|error| too_many(error, earlier))?;
        splits.push(Split {
            asked: scene.title.clone(),
            lists: lists(&scene, seed),
        });
        if evaluation.is_none() {
            evaluation = Some(evaluate(&scene, seed, watch)?);
        }
    }
    let Some(evaluation) = evaluation else {
        unreachable!("without splits the bundle is evaluated, or it is an error");
    };
    Ok(Report {
        format: 1,
        seed,
        bundle: facts,
        evaluation,
        spread: spread(&splits),
        splits,
    })
}

fn facts(opened: &bundle::Opened) -> Result<Facts> {
    let ranker = source::open(&opened.shelf)?;
    let meta = ranker.info();
    opened
        .manifest
        .check_shelf(&meta)
        .map_err(|error| Error::Invalid(vec![error.to_fault()]))?;
    Ok(Facts {
        task: match (ranker.basket(), ranker.trails()) {
            (Some(_), _) => Task::Basket,
            (None, Some(_)) => Task::Next,
            (None, None) => Task::Ranking,
        },
        digest: opened.manifest.model_digest(),
        data: hex(&meta.data),
        producer: opened.manifest.producer.clone(),
        as_of: (meta.as_of.0 > 0).then(|| meta.as_of.to_string()),
    })
}

/// Says how many splits there can be, where the data end.
fn too_many(error: Error, possible: usize) -> Error {
    let short = ["too_little_history", "too_few_sequences", "nothing_asked"];
    match error {
        Error::Invalid(faults)
            if possible > 0 && faults.iter().all(|f| short.contains(&f.code)) =>
        {
            Error::fault(
                "too_many_splits",
                "--splits",
                faults
                    .into_iter()
                    .map(|fault| fault.cause)
                    .collect::<Vec<_>>()
                    .join("; "),
                format!("ask for {possible}"),
            )
        }
        other => other,
    }
}

/// The lists that are asked for.
const LISTS: [&str; 2] = ["all", "new"];

/// One of both lists of every question.
fn part<'s>(lists: &'s Lists, list: &str) -> &'s [Vec<u32>] {
    match list {
        "new" => &lists.new,
        _ => &lists.all,
    }
}

/// Everybody's answers to some questions, as far as something is wanted.
fn answered<'s>(
    scene: &'s Scene<'_>,
    list: &str,
    asked: impl Fn(usize, &Case) -> bool,
    wanted: impl Fn(&Case) -> Vec<u32>,
) -> Vec<Answered<'s>> {
    let lists = scene.lists.each_ref().map(|lists| part(lists, list));
    let cases = scene.cases.iter().enumerate();
    cases
        .filter(|(at, case)| asked(*at, case))
        .map(|(at, case)| Answered {
            shopper: case.customer,
            truth: wanted(case),
            lists: lists.map(|lists| lists[at].as_slice()),
        })
        .filter(|answered| !answered.truth.is_empty())
        .collect()
}

/// What is wanted of a list.
fn truth(list: &str) -> fn(&Case) -> Vec<u32> {
    match list {
        "new" => |case: &Case| case.fresh.clone(),
        _ => |case: &Case| case.truth.clone(),
    }
}

/// Both lists, of those of whom something is known.
fn lists(scene: &Scene<'_>, seed: u64) -> Vec<List> {
    let of = |list| {
        let known = answered(scene, list, |at, _| at < scene.known, truth(list));
        let shoppers = scene.cases[..scene.known].iter().map(|case| case.customer);
        let exposure = scene.lists.each_ref().map(|lists| {
            let shown = part(lists, list).iter().map(Vec::as_slice);
            scene.catalogue.exposure(shoppers.clone().zip(shown), seed)
        });
        List {
            list,
            comparison: compare(scene.names, &known, seed),
            exposure: exposure.to_vec(),
        }
    };
    LISTS.map(of).to_vec()
}

/// By how many orders, or products of a sequence, are known of the shopper.
const KNOWN: [(&str, &str, std::ops::RangeInclusive<usize>); 4] = [
    ("nobody known", "", 0..=0),
    ("one order", "after one product", 1..=1),
    ("2 to 4 orders", "after 2 to 4 products", 2..=4),
    (
        "5 orders and more",
        "after 5 products and more",
        5..=usize::MAX,
    ),
];

fn evaluate(scene: &Scene<'_>, seed: u64, watch: &mut dyn Watch) -> Result<Evaluation> {
    let segment = |segment, list, answered: Vec<Answered<'_>>| Segment {
        segment,
        list,
        comparison: compare(scene.names, &answered, seed),
    };
    let mut shoppers = Vec::new();
    for (orders, products, known) in KNOWN {
        let name = match scene.task {
            Task::Next => products,
            _ => orders,
        };
        for list in LISTS {
            let asked = |_, case: &Case| known.contains(&case.history.len());
            let asked = answered(scene, list, asked, truth(list));
            // To who has no past everything is new.
            let is_same = list == "new" && known.contains(&0);
            if !is_same && !asked.is_empty() {
                shoppers.push(segment(name, list, asked));
            }
        }
    }
    let wanted = |name, of: &dyn Fn(&Case, u32) -> bool| {
        let wanted = |case: &Case| {
            let truth = case.truth.iter().copied();
            truth.filter(|product| of(case, *product)).collect()
        };
        let asked = answered(scene, "all", |at, _| at < scene.known, wanted);
        segment(name, "all", asked)
    };
    let is_known = |case: &Case, product: u32| case.owned.binary_search(&product).is_ok();
    let third = |third| move |_: &Case, product| scene.catalogue.third(product) == Some(third);
    let mut products = vec![
        wanted("known to the shopper", &is_known),
        wanted("new to the shopper", &|case, p| !is_known(case, p)),
        wanted("third that is bought most", &third(0)),
        wanted("middle third", &third(1)),
        wanted("third that is bought least", &third(2)),
    ];
    products.retain(|segment| segment.comparison.questions > 0);
    Ok(Evaluation {
        asked: scene.title.clone(),
        from: scene
            .window
            .map(|window| Timestamp(window.from).to_string()),
        until: scene.window.map(|window| Timestamp(window.to).to_string()),
        footing: scene.footing,
        lists: lists(scene, seed),
        shoppers,
        products,
        look: look::look(scene, seed, watch)?,
    })
}

fn spread(splits: &[Split]) -> Vec<Spread> {
    let Some(first) = splits.first().filter(|_| splits.len() > 1) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (number, list) in first.lists.iter().enumerate() {
        for (at, ranking) in list.comparison.rankings.iter().enumerate() {
            let over = |metric: fn(&Metrics<Estimate>) -> Estimate| {
                let of = |split: &Split| {
                    let ranking = &split.lists[number].comparison.rankings[at];
                    metric(&ranking.metrics).value
                };
                mean_and_deviation(&splits.iter().map(of).collect::<Vec<f64>>())
            };
            out.push(Spread {
                list: list.list,
                name: ranking.name,
                ndcg10: over(|metrics| metrics.ndcg10),
                recall20: over(|metrics| metrics.recall20),
                hit10: over(|metrics| metrics.hit10),
            });
        }
    }
    out
}

/// Of two values and more: the deviation is the sample's.
fn mean_and_deviation(values: &[f64]) -> MeanAndDeviation {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    MeanAndDeviation {
        mean: round(mean),
        deviation: round((squares / (n - 1.0)).sqrt()),
    }
}

impl Report {
    /// As JSON.
    ///
    /// # Errors
    /// None that a report can cause.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|e| crate::export::internal("report.json", e.to_string()))
    }

    /// Writes `report.html`, which needs nothing else, and `report.json` into a
    /// folder.
    ///
    /// # Errors
    /// A folder that can't be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let html = page::html(self)?;
        write_file(&folder.join(JSON), self.json()?.as_bytes())?;
        write_file(&folder.join(HTML), html.as_bytes())
    }

    /// For a terminal: what the model is worth, in short.
    #[must_use]
    pub fn table(&self) -> String {
        page::terminal(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_moments() {
        let day = moment("2011-11-01").expect("a day");
        assert_eq!(day, moment("2011-11-01T00:00:00Z").expect("a time"));
        assert_eq!(day.0 % shelfedge_commerce::time::DAY, 0);
        for wrong in ["2011-13-01", "1 November", "2011-11-01T25:00:00Z", ""] {
            moment(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn splits_have_a_mean_and_a_deviation() {
        let found = mean_and_deviation(&[0.3, 0.4, 0.5]);
        assert_eq!((found.mean, found.deviation), (0.4, 0.1));
    }
}
