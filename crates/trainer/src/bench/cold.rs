//! `bench cold-start`: what questions are worth to shoppers whom nobody knows.

use std::collections::BTreeSet;

use serde::Serialize;
use shelfedge_commerce::event::{Event, EventItem, EventKind};
use shelfedge_commerce::id::ProductId;
use shelfedge_commerce::time::Timestamp;
use shelfedge_features::hash::Hash;
use shelfedge_features::questions::fit::Fitted;
use shelfedge_features::questions::{MAX_QUESTIONS, exemplars};
use shelfedge_ranking::{Context, MAX_LIMIT, Query, Ranker, Workspace};

use crate::basket;
use crate::error::Result;
use crate::examples::History;
use crate::export::internal;
use crate::import::Imported;
use crate::learn::Settings;
use crate::metrics::{self, Estimate, Row};
use crate::plan::{LastMonth, Plan};
use crate::protocol;
use crate::questions::questions;
use crate::ranking;
use crate::shop::Shop;
use crate::watch::Watch;

/// Products of a first order that can be halved.
const SHORTEST: usize = 4;
/// Which half a product of a first order is in.
const SEED: u32 = 0x636f_6c64;

/// What is printed.
#[derive(Clone, Debug, Serialize)]
pub struct ColdStart {
    /// Fixes what is learnt and the intervals.
    pub seed: u64,
    /// First and last instant of the orders that are scored.
    pub window: [String; 2],
    /// First-time customers who ordered at least four known products in it.
    pub shoppers: usize,
    /// What was asked.
    pub questions: Vec<Asked>,
    /// How good the lists are.
    pub lists: Vec<Scored>,
}

/// A question and how many shoppers had an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    id: String,
    answers: Vec<String>,
    /// Share of the shoppers.
    answered: f64,
}

/// The lists of one way to make them.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    model: &'static str,
    /// What is known of a shopper.
    known: &'static str,
    ndcg10: Estimate,
    hit10: Estimate,
    /// NDCG at 10 above that of what most customers bought in 14 days, paired.
    over_popular: Estimate,
    /// Above that of the same model when nothing is known, paired.
    over_nothing: Estimate,
}

/// Somebody's first order in two halves.
struct Newcomer {
    time: i64,
    told: Vec<u32>,
    /// Sorted.
    next: Vec<u32>,
}

/// What a list is made from.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    Answers,
    Looks,
}

/// Learns from all before the plan's valid window, and asks the shoppers who first
/// order in it: their answers are those of somebody who is after the first half of
/// that order, and their lists are scored on the second half, without the first.
/// What comes after that window is never looked at.
///
/// # Errors
/// A history too short for [`Plan`], or what learning says.
pub fn cold_start(
    imported: Imported,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<ColdStart> {
    let window = Plan::of(&imported.shop, LastMonth::Scored)?.valid;
    let before = imported.shop.until(window.from);
    let shop = &imported.shop.until(window.to);
    let history = History::of(shop)?;
    let plan = Plan::of(&before, LastMonth::StopsLearning)?;
    let model = ranking::train(shop, &history, &plan.train, plan.valid, settings, watch)?;
    let deep = ranking::compile(shop, &history, &model, window.from, [0; 32], None)?.shelf;
    let known = Imported {
        shop: before,
        ..imported
    };
    let trees = basket::Settings {
        seed: settings.seed,
        ..basket::Settings::default()
    };
    let known_history = History::of(&known.shop)?;
    let trees = basket::build(&known, &known_history, false, &trees, watch)?;

    // Products are numbered as the models number them.
    let shop_of = &known.shop;
    let newcomers = newcomers(shop, shop_of, window.from);
    let fitted = questions(shop_of, MAX_QUESTIONS);
    let popular = protocol::popular(shop_of, window.from, 14);
    let popular: Vec<Row> = newcomers.iter().map(|n| scored(n, &popular)).collect();
    let mut lists = vec![compared(
        "popular",
        Known::Nothing,
        &popular,
        &popular,
        &popular,
        settings.seed,
    )];
    for (name, shelf, new_only) in [
        ("ranking", &deep[..], false),
        ("basket", trees.shelf(), false),
        ("basket, new", trees.shelf(), true),
    ] {
        let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
        let mut nothing = Vec::new();
        for known in [Known::Nothing, Known::Answers, Known::Looks] {
            // A model of orders sees no looks.
            if known == Known::Looks && ranker.basket().is_some() {
                continue;
            }
            let rows = ranked(&ranker, &newcomers, &fitted, known, new_only)?;
            if known == Known::Nothing {
                nothing.clone_from(&rows);
            }
            lists.push(compared(
                name,
                known,
                &rows,
                &popular,
                &nothing,
                settings.seed,
            ));
        }
    }
    let answered = |fitted: &Fitted| {
        let of = newcomers
            .iter()
            .filter(|n| fitted.answer(&n.told).is_some());
        of.count() as f64 / newcomers.len().max(1) as f64
    };
    Ok(ColdStart {
        seed: settings.seed,
        window: [window.from, window.to - 1].map(|at| Timestamp(at).to_string()),
        shoppers: newcomers.len(),
        questions: fitted
            .iter()
            .map(|fitted| Asked {
                id: fitted.question.id(),
                answers: fitted
                    .question
                    .answers
                    .iter()
                    .map(|a| a.name.clone())
                    .collect(),
                answered: answered(fitted),
            })
            .collect(),
        lists,
    })
}

/// Who ordered first at or after a moment, with what `known` knows of it.
fn newcomers(shop: &Shop, known: &Shop, from: i64) -> Vec<Newcomer> {
    let mut seen: BTreeSet<u32> = shop.before(from).iter().map(|o| o.customer).collect();
    let mut newcomers = Vec::new();
    for order in &shop.orders[shop.before(from).len()..] {
        if !seen.insert(order.customer) {
            continue;
        }
        let code = |line: &crate::shop::Line| &shop.products[line.product as usize].code;
        let find = |code: &String| known.products.binary_search_by_key(&code, |p| &p.code);
        let found = order.lines.iter().filter_map(|line| find(code(line)).ok());
        let mut told: Vec<u32> = found.map(|at| at as u32).collect();
        let hash = Hash::new(SEED).bytes(order.id.as_bytes());
        told.sort_by_key(|product| hash.number(*product).finish());
        if told.len() >= SHORTEST {
            let mut next = told.split_off(told.len() / 2);
            next.sort_unstable();
            newcomers.push(Newcomer {
                time: order.time,
                told,
                next,
            });
        }
    }
    newcomers
}

fn scored(newcomer: &Newcomer, list: &[u32]) -> Row {
    let left = list.iter().filter(|p| !newcomer.told.contains(p));
    let left: Vec<u32> = left.copied().take(20).collect();
    metrics::score(&left, &newcomer.next)
}

/// The lists of a model, scored.
fn ranked(
    ranker: &Ranker<&[u8]>,
    newcomers: &[Newcomer],
    fitted: &[Fitted],
    known: Known,
    new_only: bool,
) -> Result<Vec<Row>> {
    let mut workspace = Workspace::default();
    let row = |newcomer: &Newcomer| {
        let answers = fitted.iter().filter_map(|fitted| {
            let answer = fitted.answer(&newcomer.told)?;
            fitted.question.answers.get(answer)
        });
        let answered = exemplars(answers.filter(|_| known == Known::Answers));
        let looks = newcomer.told.iter().filter(|_| known == Known::Looks);
        let events: Vec<Event> = looks
            .filter_map(|p| look(ranker, *p, newcomer.time))
            .collect();
        let query = Query {
            now: Timestamp(newcomer.time),
            events: &events,
            candidates: None,
            limit: MAX_LIMIT,
            new_only,
            context: Context::default(),
            explain: false,
            answered: &answered,
        };
        let ranked = ranker.rank(&query, &mut workspace);
        let ranked = ranked.map_err(|e| internal("rank", e.to_string()))?;
        let list: Vec<u32> = ranked.items.iter().map(|item| item.product).collect();
        Ok(scored(newcomer, &list))
    };
    newcomers.iter().map(row).collect()
}

fn look(ranker: &Ranker<&[u8]>, product: u32, time: i64) -> Option<Event> {
    Some(Event {
        id: None,
        time: Timestamp(time),
        kind: EventKind::ViewItem,
        transaction: None,
        currency: None,
        list: None,
        items: vec![EventItem {
            product: ProductId::new(ranker.product(product)?.id).ok()?,
            quantity: 1,
            price: None,
            index: None,
        }],
    })
}

fn compared(
    model: &'static str,
    known: Known,
    rows: &[Row],
    popular: &[Row],
    nothing: &[Row],
    seed: u64,
) -> Scored {
    let summary = metrics::summarise(rows, seed);
    let over = |others: &[Row]| {
        let pairs = rows.iter().zip(others);
        let pairs = pairs.map(|(row, other)| Row {
            ndcg10: row.ndcg10 - other.ndcg10,
            ..Row::default()
        });
        metrics::summarise(&pairs.collect::<Vec<_>>(), seed).ndcg10
    };
    Scored {
        model,
        known: match known {
            Known::Nothing => "nothing",
            Known::Answers => "answers",
            Known::Looks => "looks at the first half",
        },
        ndcg10: summary.ndcg10,
        hit10: summary.hit10,
        over_popular: over(popular),
        over_nothing: over(nothing),
    }
}
