//! Where what is asked comes from: a shop's orders, or sequences of products.

use shelfedge_commerce::time::{DAY, SECOND, Timestamp};
use shelfedge_commerce::{Event, ProductId};
use shelfedge_features::trails::fit::Sequences;
use shelfedge_ranking::{MAX_EVENTS, MAX_LIMIT, Ranker};

use super::measure::{Catalogue, RANKINGS};
use super::{Footing, Options, Task, nothing_unseen};
use crate::bundle::Opened;
use crate::card;
use crate::error::{Error, Result};
use crate::examples::History;
use crate::export::internal;
use crate::import::sequences::{self, Kind, Log, SequenceMapping};
use crate::import::{self, Imported};
use crate::learn::{self, Epoch};
use crate::plan::{LastMonth, Plan};
use crate::protocol::{self, Case, Lists, Window, cases, strangers};
use crate::watch::Watch;
use crate::{basket, images, next, ranking, settings};

/// A compiled model, what it is asked, and everybody's answers.
pub(crate) struct Scene<'a> {
    pub(crate) task: Task,
    /// What is asked, for a title.
    pub(crate) title: String,
    pub(crate) window: Option<Window>,
    pub(crate) footing: Footing,
    pub(crate) shelf: Vec<u8>,
    pub(crate) onnx: Vec<u8>,
    /// The passes of its learning, where it had some.
    pub(crate) passes: Vec<Epoch>,
    /// The model, and the baselines.
    pub(crate) names: [&'static str; RANKINGS],
    /// Questions: `known` of somebody of whom something is known, then others.
    pub(crate) cases: Vec<Case>,
    pub(crate) known: usize,
    pub(crate) lists: [Lists; RANKINGS],
    pub(crate) catalogue: Catalogue,
    /// The products' ids, sorted: a question's products are indices of these.
    pub(crate) ids: Vec<&'a str>,
    /// What a request of a case tells, and when.
    pub(crate) request: Box<Request<'a>>,
}

type Request<'a> = dyn Fn(&Case) -> (Timestamp, Vec<Event>) + 'a;

/// What a model can be asked.
pub(crate) trait Source {
    /// The bundle, asked about what it did not learn from if that can be told.
    fn bundle(&self, options: &Options<'_>, watch: &mut dyn Watch) -> Result<Scene<'_>>;

    /// A model that is trained again, as the bundle's command does it, from what came
    /// before the newest part, or `earlier` parts before it, and asked about that.
    fn split(&self, earlier: usize, watch: &mut dyn Watch) -> Result<Scene<'_>>;
}

/// Reads what a bundle of a task is asked.
pub(crate) fn read(
    options: &Options<'_>,
    bundle: Opened,
    task: Task,
    watch: &mut dyn Watch,
) -> Result<Box<dyn Source>> {
    let (path, seed) = (options.settings, options.seed);
    if task == Task::Next {
        let (mapping, log) = sequences::import(options.shop, options.mapping, watch)?;
        return Ok(Box::new(Logged {
            settings: settings::chosen(path, seed, next::Settings::load, |s| &mut s.seed)?,
            bundle,
            mapping,
            log,
        }));
    }
    let learning = match task {
        Task::Basket => {
            Learning::Basket(settings::chosen(path, seed, basket::Settings::load, |s| {
                &mut s.seed
            })?)
        }
        _ => Learning::Ranking(settings::chosen(path, seed, learn::Settings::load, |s| {
            &mut s.seed
        })?),
    };
    let mut imported = import::import(options.shop, options.mapping, watch)?;
    // What is trained again looks at photos.
    if let Learning::Basket(settings) = &learning
        && options.splits > 0
    {
        images::give(&mut imported, settings.seed, watch)?;
    }
    Ok(Box::new(Ordered {
        history: History::of(&imported.shop)?,
        bundle,
        imported,
        learning,
    }))
}

enum Learning {
    Ranking(learn::Settings),
    Basket(basket::Settings),
}

/// Orders of a shop.
struct Ordered {
    bundle: Opened,
    imported: Imported,
    history: History,
    learning: Learning,
}

impl Ordered {
    fn task(&self) -> Task {
        match self.learning {
            Learning::Ranking(_) => Task::Ranking,
            Learning::Basket(_) => Task::Basket,
        }
    }

    fn ids(&self) -> Vec<&str> {
        let products = self.imported.shop.products.iter();
        products.map(|product| product.code.as_str()).collect()
    }

    /// The first moment that the network of a `ranking` bundle had no part in: the
    /// month that was held back, where the bundle says that one was, and else when
    /// its tables end.
    fn learnt_until(&self, as_of: i64) -> Result<i64> {
        let Imported { shop, digest, .. } = &self.imported;
        let metadata = shelfedge_onnx::metadata(&self.bundle.onnx)
            .map_err(|e| internal("model.onnx", e.to_string()))?;
        let metrics = metadata.iter().find(|(key, _)| key == ranking::METRICS);
        let held_back = metrics
            .and_then(|(_, json)| serde_json::from_str::<serde_json::Value>(json).ok())
            .is_some_and(|metrics| metrics["test"].is_object());
        if self.task() == Task::Basket || !held_back || self.bundle.manifest.digests.data != *digest
        {
            return Ok(as_of);
        }
        let test = Plan::of(shop, LastMonth::Scored)?.test;
        Ok(test.map_or(as_of, |test| test.from))
    }

    fn scene(
        &self,
        (shelf, onnx): (Vec<u8>, Vec<u8>),
        passes: Vec<Epoch>,
        window: Window,
        footing: Footing,
        watch: &mut dyn Watch,
    ) -> Result<Scene<'_>> {
        let (shop, history, task) = (&self.imported.shop, &self.history, self.task());
        let mut queries = basket::some(cases(shop, window));
        let known = queries.len();
        queries.extend(basket::some(strangers(shop, window)));
        if known == 0 {
            return Err(Error::fault(
                "nothing_asked",
                format!("orders from {} on", Timestamp(window.from)),
                "no customer with earlier orders bought a product that had been sold before",
                "choose another window with --from and --until, or give later orders",
            ));
        }
        let model = match task {
            Task::Basket => basket::predict(shop, history, &shelf, window, &queries, watch)?.0,
            _ => ranking::predict(shop, history, &shelf, window, &queries, false, watch)?.lists,
        };
        let mut bought = Sequences::default();
        for customer in protocol::customers(shop, window.from) {
            bought.push(&customer.owned);
        }
        let popular = protocol::popular(shop, window.from, 14);
        Ok(Scene {
            task,
            title: card::span(&window),
            window: Some(window),
            footing,
            shelf,
            onnx,
            passes,
            names: [
                "this model",
                "personal frequency",
                "item to item",
                "popularity, 14 days",
            ],
            lists: [
                model,
                protocol::personal_frequency(shop, &queries, window),
                protocol::item_to_item(&queries, &bought, &popular),
                protocol::popularity(shop, &queries, window),
            ],
            cases: queries,
            known,
            catalogue: Catalogue::new(&protocol::buyers(
                shop,
                window.from,
                // Ever.
                i64::MAX / DAY,
            )),
            ids: self.ids(),
            request: Box::new(move |case| {
                let events = history.before(shop, case.customer, window.from);
                let newest = &events[events.len().saturating_sub(MAX_EVENTS)..];
                (Timestamp(window.from), newest.to_vec())
            }),
        })
    }
}

impl Source for Ordered {
    fn bundle(&self, options: &Options<'_>, watch: &mut dyn Watch) -> Result<Scene<'_>> {
        let (shop, bundle) = (&self.imported.shop, &self.bundle);
        let ranker = open(&bundle.shelf)?;
        own_products(&ranker, &self.ids())?;
        let as_of = ranker.info().as_of.millis();
        let learnt_until = self.learnt_until(as_of)?;
        let from = match options.from {
            Some(from) => from.millis(),
            None if shop.end() >= as_of => as_of,
            None if learnt_until < as_of => learnt_until,
            None => {
                return Err(nothing_unseen(format!(
                    "it knows the orders up to {}, and the newest one is of {}",
                    Timestamp(as_of),
                    Timestamp(shop.end())
                )));
            }
        };
        let to = options.until.map_or(shop.end() + SECOND, Timestamp::millis);
        if to <= from {
            return Err(Error::fault(
                "window_empty",
                "--until",
                format!(
                    "the window ends at {}, and begins at {}",
                    Timestamp(to),
                    Timestamp(from)
                ),
                "give a later --until, or an earlier --from: the report will say what the bundle learnt from",
            ));
        }
        let window = Window { from, to };
        let footing = if from >= as_of {
            Footing::Unseen
        } else if from >= learnt_until {
            Footing::TablesAgain
        } else {
            Footing::Seen
        };
        let mut shelf = bundle.shelf.clone();
        if self.task() == Task::Ranking && from < as_of {
            shelf = ranking::as_of(shop, &shelf, &bundle.onnx, from)?;
        }
        let passes = card::curve(&bundle.card);
        self.scene((shelf, bundle.onnx.clone()), passes, window, footing, watch)
    }

    fn split(&self, earlier: usize, watch: &mut dyn Watch) -> Result<Scene<'_>> {
        let (shop, history) = (&self.imported.shop, &self.history);
        let footing = Footing::Retrained;
        match &self.learning {
            Learning::Basket(settings) => {
                let window = basket::held_back(shop, earlier);
                let made = basket::until(shop, window.from, settings, watch)?;
                let model = (made.shelf, made.onnx);
                self.scene(model, Vec::new(), window, footing, watch)
            }
            Learning::Ranking(settings) => {
                let mut plan = Plan::of(shop, LastMonth::Scored)?;
                for _ in 0..earlier {
                    let before = shop.until(plan.valid.to);
                    plan = Plan::of(&before, LastMonth::Scored)?;
                }
                let Plan { train, valid, test } = plan;
                let window = test.unwrap_or(valid);
                let model = ranking::train(shop, history, &train, valid, settings, watch)?;
                let made = ranking::compile(shop, &model, window.from, [0; 32], None)?;
                let parts = (made.shelf, made.onnx);
                self.scene(parts, model.curve, window, footing, watch)
            }
        }
    }
}

/// Sequences of products.
struct Logged {
    bundle: Opened,
    mapping: SequenceMapping,
    log: Log,
    settings: next::Settings,
}

impl Logged {
    fn scene(
        &self,
        (shelf, onnx): (Vec<u8>, Vec<u8>),
        repeats: bool,
        lesson: &next::Lesson<'_>,
        footing: Footing,
        watch: &mut dyn Watch,
    ) -> Result<Scene<'_>> {
        let (kind, products) = (self.mapping.of, self.log.products.len());
        let every = lesson.questions.len().div_ceil(MOST_QUESTIONS).max(1);
        let asked: Vec<next::Question<'_>> =
            lesson.questions.iter().copied().step_by(every).collect();
        if asked.is_empty() {
            return Err(Error::fault(
                "nothing_asked",
                "sequences",
                "the newest part has no sequence of two products",
                "give more sequences",
            ));
        }
        // Questions of one sequence begin at the same place of the log.
        let starts = |a: &next::Question<'_>, b: &next::Question<'_>| {
            std::ptr::eq(a.begins.as_ptr(), b.begins.as_ptr())
        };
        let cases: Vec<Case> = (0u32..)
            .zip(asked.chunk_by(starts))
            .flat_map(|(sequence, of_one)| of_one.iter().map(move |q| case(sequence, q)))
            .collect();
        let ids: Vec<&str> = self.log.products.iter().map(String::as_str).collect();
        let products_of: Vec<ProductId> = ids
            .iter()
            .map(|id| ProductId::new(*id).map_err(|e| internal("product", e.to_string())))
            .collect::<Result<_>>()?;
        let own = own_products(&open(&shelf)?, &ids)?;
        let mut ask = |places| -> Result<Lists> {
            let beginnings = asked.iter().map(|question| question.begins);
            let ranked = next::predict(&shelf, &self.log.products, beginnings, places, watch)?;
            let mut ranked = ranked.into_iter();
            Ok(protocol::lists(&cases, |_| {
                let list = ranked.next().unwrap_or_default();
                list.iter().map(|p| own[*p as usize]).collect()
            }))
        };
        // Only where a product may come again something of a list isn't new.
        let mut model = ask(PLACES)?;
        if repeats {
            model.new = ask(MAX_LIMIT)?.new;
        }
        let [popular, next] = next::baselines(&lesson.log, &asked, kind, products, repeats);
        let listed = |lists: Vec<Vec<u32>>| {
            let mut lists = lists.into_iter();
            protocol::lists(&cases, |_| lists.next().unwrap_or_default())
        };
        let mut buyers = vec![0; products];
        let mut sets = Sequences::default();
        for sequence in lesson.log.iter() {
            let mut set = sequence.to_vec();
            set.sort_unstable();
            set.dedup();
            set.iter().for_each(|p| buyers[*p as usize] += 1);
            sets.push(&set);
        }
        let mut order: Vec<u32> = (0..products as u32).collect();
        order.sort_by_key(|p| (std::cmp::Reverse(buyers[*p as usize]), *p));
        let mut together = protocol::item_to_item(&cases, &sets, &order);
        if !repeats {
            together.all.clone_from(&together.new);
        }
        let known = lesson.log.len();
        Ok(Scene {
            task: Task::Next,
            title: match kind {
                Kind::Sessions => format!("the sessions after the first {known}"),
                Kind::Shoppers => format!("the next product of {known} sequences"),
            },
            window: None,
            footing,
            shelf,
            onnx,
            passes: Vec::new(),
            names: [
                "this model",
                "came next most often",
                "item to item",
                "popularity",
            ],
            lists: [model, listed(next), together, listed(popular)],
            known: cases.len(),
            cases,
            catalogue: Catalogue::new(&buyers),
            ids,
            request: Box::new(move |case| {
                let newest = &case.history[case.history.len().saturating_sub(MAX_EVENTS)..];
                next::looks(newest.iter().map(|product| &products_of[*product]))
            }),
        })
    }
}

/// Places of a list that are scored.
const PLACES: usize = 20;
/// Questions about a log, at most; of more, every n-th is asked.
const MOST_QUESTIONS: usize = 20_000;

/// A question as a case: its history is the beginning, its customer the sequence.
fn case(sequence: u32, question: &next::Question<'_>) -> Case {
    let mut owned = question.begins.to_vec();
    owned.sort_unstable();
    owned.dedup();
    let truth = vec![question.follows];
    let known = owned.binary_search(&question.follows).is_ok();
    Case {
        customer: sequence,
        // As many as a request may carry.
        history: question.begins[question.begins.len().saturating_sub(MAX_EVENTS)..]
            .iter()
            .map(|p| *p as usize)
            .collect(),
        fresh: if known { Vec::new() } else { truth.clone() },
        truth,
        owned,
    }
}

impl Source for Logged {
    fn bundle(&self, options: &Options<'_>, watch: &mut dyn Watch) -> Result<Scene<'_>> {
        for (flag, given) in [("--from", options.from), ("--until", options.until)] {
            if given.is_some() {
                return Err(Error::fault(
                    "window_without_times",
                    flag,
                    "a bundle of sequences knows no times",
                    "leave it out: the newest part of the sequences is asked for",
                ));
            }
        }
        if self.bundle.manifest.digests.data == self.log.digest {
            return Err(nothing_unseen(
                "it learnt from exactly these sequences".to_owned(),
            ));
        }
        let lesson = next::held_back(&self.log.sequences, self.mapping.of);
        let parts = (self.bundle.shelf.clone(), self.bundle.onnx.clone());
        let ranker = open(&parts.0)?;
        let repeats = ranker
            .trails()
            .is_some_and(|trails| trails.barred(&[0]).is_empty());
        self.scene(parts, repeats, &lesson, Footing::Unknown, watch)
    }

    fn split(&self, earlier: usize, watch: &mut dyn Watch) -> Result<Scene<'_>> {
        let kind = self.mapping.of;
        let mut log = self.log.sequences.clone();
        for _ in 0..earlier {
            log = next::held_back(&log, kind).log;
        }
        let lesson = next::held_back(&log, kind);
        let (made, repeats) =
            next::until(&lesson.log, &self.log, &self.mapping, &self.settings, watch)?;
        self.scene(
            (made.shelf, made.onnx),
            repeats,
            &lesson,
            Footing::Retrained,
            watch,
        )
    }
}

pub(crate) fn open(shelf: &[u8]) -> Result<Ranker<&[u8]>> {
    Ranker::open(shelf).map_err(|e| {
        Error::fault(
            e.code(),
            "model.shelf",
            e.to_string(),
            "train the bundle again with this version",
        )
    })
}

/// The index among `ids` of each product of a model. One that isn't among them has a
/// number of its own, which nobody wants.
///
/// # Errors
/// A model of which no product is among them.
pub(crate) fn own_products(ranker: &Ranker<&[u8]>, ids: &[&str]) -> Result<Vec<u32>> {
    let own: Vec<u32> = (0..ranker.product_count())
        .map(|at| {
            let id = ranker.product(at).map_or("", |product| product.id);
            let found = ids.binary_search(&id);
            found.map_or(ids.len() as u32 + at, |found| found as u32)
        })
        .collect();
    match own.iter().any(|product| (*product as usize) < ids.len()) {
        true => Ok(own),
        false => Err(Error::fault(
            "another_shop",
            "--shop",
            "none of the bundle's products is in these data",
            "give the data of the shop that the bundle was made for",
        )),
    }
}
