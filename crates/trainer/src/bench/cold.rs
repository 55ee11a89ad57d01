//! `bench cold-start`: what questions are worth to shoppers whom nobody knows.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use shelfedge_commerce::event::{Event, EventItem, EventKind};
use shelfedge_commerce::id::ProductId;
use shelfedge_commerce::time::{DAY, Timestamp};
use shelfedge_features::hash::Hash;
use shelfedge_features::questions::fit::Fitted;
use shelfedge_features::questions::{MAX_QUESTIONS, exemplars};
use shelfedge_ranking::{Context, MAX_LIMIT, Query, Ranker, Workspace};

use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::Imported;
use crate::metrics::{self, Estimate, Row};
use crate::protocol;
use crate::questions::questions;
use crate::shop::{Line, Shop};

/// Days after the end of a model's data in which somebody's first order counts.
const DAYS: i64 = 31;
/// Products of a first order that can be halved.
const SHORTEST: usize = 4;
/// Which half a product of a first order is in.
const SEED: u32 = 0x636f_6c64;

/// What is printed.
#[derive(Clone, Debug, Serialize)]
pub struct ColdStart {
    /// Of the intervals.
    pub seed: u64,
    /// The end of the model's data, and of the first orders that are scored.
    pub window: [String; 2],
    /// Customers whose first order is among these, with at least four products that
    /// the model knows.
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
    /// Who makes them.
    by: &'static str,
    /// What is known of a shopper.
    known: &'static str,
    ndcg10: Estimate,
    hit10: Estimate,
    /// NDCG at 10 above that of what most customers bought in 14 days, paired.
    over_popular: Estimate,
    /// Above that of the model when nothing is known, paired.
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

/// Asks the shoppers who first order in the month after a model's data: their
/// answers are those of somebody who is after one half of that order, and their
/// lists are scored on the other half, without the first. The questions are those
/// that the shop's orders up to the end of the model's data lead to, whether the
/// model has questions or not.
///
/// # Errors
/// A model that can't be read or that knows other products than the shop sold up to
/// the end of its data.
pub fn cold_start(imported: &Imported, model: &Path, seed: u64) -> Result<ColdStart> {
    let path = model.join("model.shelf");
    let shelf = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    let unfit = |cause: String| {
        let place = path.display().to_string();
        let action = "name a bundle that was learnt from the beginning of this shop's history";
        Error::fault("model_unfit", place, cause, action)
    };
    let ranker = Ranker::open(shelf).map_err(|e| unfit(e.to_string()))?;
    let from = ranker.info().as_of.millis();
    let to = from + DAYS * DAY;
    // Products are numbered as the model numbers them.
    let known = &imported.shop.until(from);
    let is_known = |(number, code): (u32, &String)| ranker.find(code) == Some(number);
    let codes = known.products.iter().map(|product| &product.code);
    if ranker.product_count() as usize != known.products.len() || !(0..).zip(codes).all(is_known) {
        let at = Timestamp(from);
        return Err(unfit(format!(
            "it doesn't know what the shop sold up to {at}"
        )));
    }

    let newcomers = newcomers(&imported.shop, known, from, to);
    if newcomers.is_empty() {
        return Err(Error::fault(
            "nothing_asked",
            path.display().to_string(),
            format!(
                "nobody first ordered {SHORTEST} known products in the {DAYS} days after {}",
                Timestamp(from)
            ),
            "name a bundle whose data ends earlier: time.before in a copy of the mapping file",
        ));
    }
    let fitted = questions(known, MAX_QUESTIONS);
    let popular = protocol::popular(known, from, 14);
    let popular: Vec<Row> = newcomers.iter().map(|n| scored(n, &popular)).collect();
    let nothing = ranked(&ranker, &newcomers, &fitted, Known::Nothing)?;
    let mut lists = vec![
        compared(
            "popularity",
            Known::Nothing,
            &popular,
            &popular,
            &nothing,
            seed,
        ),
        compared("model", Known::Nothing, &nothing, &popular, &nothing, seed),
    ];
    for known in [Known::Answers, Known::Looks] {
        let rows = ranked(&ranker, &newcomers, &fitted, known)?;
        lists.push(compared("model", known, &rows, &popular, &nothing, seed));
    }
    let asked = |fitted: &Fitted| {
        let answered = newcomers
            .iter()
            .filter(|n| fitted.answer(&n.told).is_some());
        let answers = fitted.question.answers.iter();
        Asked {
            id: fitted.question.id(),
            answers: answers.map(|answer| answer.name.clone()).collect(),
            answered: answered.count() as f64 / newcomers.len().max(1) as f64,
        }
    };
    Ok(ColdStart {
        seed,
        window: [from, to].map(|at| Timestamp(at).to_string()),
        shoppers: newcomers.len(),
        questions: fitted.iter().map(asked).collect(),
        lists,
    })
}

/// Who ordered first in a window, with what `known` knows of that order.
fn newcomers(shop: &Shop, known: &Shop, from: i64, to: i64) -> Vec<Newcomer> {
    let mut seen: BTreeSet<u32> = shop.before(from).iter().map(|o| o.customer).collect();
    let mut newcomers = Vec::new();
    for order in shop.between(from, to) {
        if !seen.insert(order.customer) {
            continue;
        }
        let code = |line: &Line| &shop.products[line.product as usize].code;
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
    ranker: &Ranker<Vec<u8>>,
    newcomers: &[Newcomer],
    fitted: &[Fitted],
    known: Known,
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
            exclude: &[],
            limit: MAX_LIMIT,
            new_only: false,
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

fn look(ranker: &Ranker<Vec<u8>>, product: u32, time: i64) -> Option<Event> {
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
    by: &'static str,
    known: Known,
    rows: &[Row],
    popular: &[Row],
    nothing: &[Row],
    seed: u64,
) -> Scored {
    let means = metrics::summarise(rows, seed).metrics;
    let over = |others: &[Row]| {
        let pairs = rows.iter().zip(others);
        let pairs = pairs.map(|(row, other)| Row {
            ndcg10: row.ndcg10 - other.ndcg10,
            ..Row::default()
        });
        metrics::summarise(&pairs.collect::<Vec<_>>(), seed)
            .metrics
            .ndcg10
    };
    Scored {
        by,
        known: match known {
            Known::Nothing => "nothing",
            Known::Answers => "answers",
            Known::Looks => "looks at the first half",
        },
        ndcg10: means.ndcg10,
        hit10: means.hit10,
        over_popular: over(popular),
        over_nothing: over(nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{ShopOrder, ShopProduct};
    use shelfedge_commerce::money::Currency;

    #[test]
    fn newcomers_order_first_in_the_window_what_is_known() {
        let order = |time: i64, customer, products: &[u32]| ShopOrder {
            id: time.to_string(),
            customer,
            time,
            lines: products
                .iter()
                .map(|product| Line {
                    product: *product,
                    quantity: 1,
                    unit_price: 1,
                })
                .collect(),
        };
        let all: Vec<u32> = (0..8).collect();
        let shop = Shop {
            currency: Currency::EUR,
            products: all
                .iter()
                .map(|i| ShopProduct {
                    code: format!("p{i}"),
                    title: String::new(),
                    attributes: Default::default(),
                    photo: Vec::new(),
                })
                .collect(),
            customers: Vec::new(),
            orders: vec![
                order(1, 0, &[0, 2, 4, 5, 6, 7]),
                // Nobody new, too little that is known, somebody new, and again.
                order(10, 0, &all),
                order(11, 1, &[0, 1, 2, 3, 4]),
                order(12, 2, &all),
                order(13, 2, &all),
                order(20, 3, &all),
            ],
        };
        let found = newcomers(&shop, &shop.until(10), 10, 20);
        assert_eq!(found.len(), 1);
        let Newcomer { time, told, next } = &found[0];
        assert_eq!((*time, told.len(), next.len()), (12, 3, 3));
        // Six of the eight were sold before; they are numbered as of then.
        let mut both = [&told[..], next].concat();
        both.sort_unstable();
        assert_eq!(both, [0, 1, 2, 3, 4, 5]);
        assert!(next.is_sorted());
        // What the list begins with is told, and left out.
        let list: Vec<u32> = told.iter().chain(next).copied().collect();
        assert_eq!(scored(&found[0], &list).ndcg10, 1.0);
        assert_eq!(scored(&found[0], told).hit10, 0.0);
    }
}
