//! Both rankings that orders allow, asked the same questions, and the better one as a
//! bundle: `ranking`, which is small and follows a session, and `basket`, which knows
//! what other customers order.

use std::fmt::Write;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;
use shelfedge_commerce::Fault;

use crate::basket;
use crate::bundle::Staging;
use crate::card::span;
use crate::error::{Error, Result};
use crate::evaluate::{Answered, Comparison, compare};
use crate::examples::History;
use crate::export::INTERNAL;
use crate::images;
use crate::import::{Imported, import};
use crate::learn;
use crate::metrics::Estimate;
use crate::plan::{LastMonth, Plan};
use crate::protocol::{self, Case, Lists, Window, cases};
use crate::ranking;
use crate::watch::Watch;

/// The rankings, by the command that makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Trees over tables and what customers bought.
    Basket,
    /// Wide & Deep over what the shopper does.
    Ranking,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Basket => "basket",
            Self::Ranking => "ranking",
        }
    }
}

/// Both, and what they are compared with: the order of [`Comparison`]'s rankings.
const NAMES: [&str; 4] = [
    "basket",
    "ranking",
    "personal frequency",
    "popularity, 14 days",
];

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the bundle was written.
    pub out: String,
    /// Which it is.
    pub chosen: Kind,
    /// Why.
    pub why: String,
    /// First and last day of what both were asked.
    pub asked: String,
    /// The list of everything, and that of what is new to the customer; empty where
    /// only one can be learnt.
    pub lists: Vec<Asked>,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
}

/// A list that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// `all`, or `new` to the customer.
    pub list: &'static str,
    /// How good the answers are.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Outcome {
    /// For a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["list", "ranking", "NDCG@10", "basket less it"]);
        for (list, name, ndcg, less) in rows(&self.lists) {
            let less = less.map_or_else(String::new, |less| less.to_string());
            table.add_row([list.to_owned(), name.to_owned(), ndcg.to_string(), less]);
        }
        let what = format!(
            "{}: {}; {} bytes\n{}",
            self.out,
            self.chosen.name(),
            self.shelf_bytes,
            self.why
        );
        match self.lists.first() {
            None => what,
            Some(asked) => format!(
                "{table}\n{} customers of {}, which neither had seen\n{what}",
                asked.comparison.questions, self.asked
            ),
        }
    }
}

/// List, ranking, its NDCG at 10, and `basket`'s less that.
fn rows(
    lists: &[Asked],
) -> impl Iterator<Item = (&'static str, &'static str, Estimate, Option<Estimate>)> {
    lists.iter().flat_map(|asked| {
        asked.comparison.rankings.iter().map(|ranking| {
            let less = ranking.model_less_this.as_ref();
            let less = less.map(|less| less.ndcg10);
            (asked.list, ranking.name, ranking.metrics.ndcg10, less)
        })
    })
}

/// What was found for all questions, and the share of what is wanted that its candidates
/// hold.
type Found = (Lists, f64);

/// What both are learnt from and asked.
struct Trial<'a> {
    imported: &'a Imported,
    history: &'a History,
    window: Window,
    queries: Vec<Case>,
    basket: basket::Settings,
    ranking: learn::Settings,
}

impl Trial<'_> {
    fn basket(&self, watch: &mut dyn Watch) -> Result<Found> {
        let (shop, window) = (&self.imported.shop, self.window);
        let made = basket::until(shop, window.from, &self.basket, watch)?;
        let (history, queries) = (self.history, &self.queries);
        basket::predict(shop, history, &made.shelf, window, queries, watch)
    }

    fn ranking(&self, watch: &mut dyn Watch) -> Result<Found> {
        let (shop, history, window) = (&self.imported.shop, self.history, self.window);
        let plan = Plan::of(&shop.until(window.from), LastMonth::StopsLearning)?;
        let settings = &self.ranking;
        let model = ranking::train(shop, history, &plan.train, plan.valid, settings, watch)?;
        let shelf = ranking::compile(shop, &model, window.from, [0; 32], None)?.shelf;
        let queries = &self.queries;
        let found = ranking::predict(shop, history, &shelf, window, queries, false, watch)?;
        Ok((found.lists, found.candidates_hold))
    }

    /// Everybody's answers, in the order of [`NAMES`].
    fn compare(&self, basket: &Found, ranking: &Found) -> Vec<Asked> {
        let (shop, queries) = (&self.imported.shop, &self.queries);
        let usual = protocol::personal_frequency(shop, queries, self.window);
        let popular = protocol::popularity(shop, queries, self.window);
        let all = [&basket.0, &ranking.0, &usual, &popular];
        let of = |list, wanted: fn(&Case) -> &Vec<u32>, part: fn(&Lists) -> &[Vec<u32>]| {
            let answered = queries.iter().enumerate().map(|(at, case)| Answered {
                shopper: case.customer,
                truth: wanted(case).clone(),
                lists: all.map(|lists| part(lists)[at].as_slice()),
            });
            let answered: Vec<_> = answered.filter(|it| !it.truth.is_empty()).collect();
            Asked {
                list,
                comparison: compare(NAMES, &answered, self.basket.seed),
            }
        };
        vec![
            of("all", |case| &case.truth, |lists| &lists.all),
            of("new", |case| &case.fresh, |lists| &lists.new),
        ]
    }

    /// Learns the chosen one again from all that there is, and writes it.
    fn write(
        &self,
        chosen: Kind,
        found: Option<&Found>,
        told: &str,
        out: &Path,
        watch: &mut dyn Watch,
    ) -> Result<usize> {
        let (imported, window) = (self.imported, self.window);
        match chosen {
            Kind::Basket => {
                let measured = found.map(|found| {
                    let seed = self.basket.seed;
                    let compared =
                        basket::compared(&imported.shop, window, &self.queries, found, seed);
                    (window, compared)
                });
                let mut bundle = basket::finish(imported, measured, &self.basket, watch)?;
                bundle.tell(told);
                cancelled(watch)?;
                Ok(bundle.write(out)?.shelf_bytes)
            }
            Kind::Ranking => {
                let plan = Plan::of(&imported.shop, LastMonth::StopsLearning)?;
                let settings = &self.ranking;
                let mut bundle = ranking::build(imported, self.history, &plan, settings, watch)?;
                bundle.tell(told);
                let bytes = bundle.shelf().len();
                cancelled(watch)?;
                bundle.write(out)?;
                Ok(bytes)
            }
        }
    }
}

fn cancelled(watch: &mut dyn Watch) -> Result<()> {
    match watch.cancelled() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}

/// Customers who tell one ranking from the other, at least: of fewer the bootstrap's
/// interval is too narrow.
const FEWEST: usize = 30;

/// The better one: `ranking`, which is smaller and follows a session, unless `basket`'s
/// lists of everything are better by more than chance, or nothing else ranks the shop's
/// `new_products`, which nobody bought yet.
fn choose(lists: &[Asked], new_products: usize) -> (Kind, String) {
    if new_products > 0 {
        let why = format!(
            "{new_products} products were never sold, and basket alone ranks such ones, whatever either is worth"
        );
        return (Kind::Basket, why);
    }
    let asked = lists.first().map_or(0, |asked| asked.comparison.shoppers);
    if asked < FEWEST {
        let why = format!(
            "{asked} customers are too few to tell one from the other ({FEWEST} are asked for), and ranking is \
             smaller and follows a session"
        );
        return (Kind::Ranking, why);
    }
    let gain = rows(lists).find_map(|(_, name, _, less)| less.filter(|_| name == "ranking"));
    let gain = gain.unwrap_or_default();
    let of = "in NDCG@10 of the list of everything, paired over customers";
    if gain.low > 0.0 {
        let why = format!("basket less ranking is {gain} {of}: more than chance");
        return (Kind::Basket, why);
    }
    let why = format!(
        "basket less ranking is {gain} {of}: it may be chance, and ranking is smaller and follows a session"
    );
    (Kind::Ranking, why)
}

/// What the card says of the choice.
fn told(asked: &str, lists: &[Asked], why: &str) -> String {
    let mut out = "\n## Why this ranking\n\n".to_owned();
    if let Some(first) = lists.first() {
        let _ = write!(
            out,
            "Both rankings that orders allow were learnt from what came before, and asked for what \
             {} customers bought, {asked}. In brackets 95 % bootstrap intervals over customers. The better of two on these \
             questions looks a little better there than it is.\n\n\
             | list | ranking | NDCG@10 | basket less it |\n|---|---|---|---|\n",
            first.comparison.questions
        );
        for (list, name, ndcg, less) in rows(lists) {
            let less = less.map_or_else(String::new, |less| less.to_string());
            let _ = writeln!(out, "| {list} | {name} | {ndcg} | {less} |");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}{}.", why[..1].to_uppercase(), &why[1..]);
    out
}

/// Reads a shop, learns both rankings from all but the newest days, asks both for those,
/// and writes the better one's bundle, learnt again from everything.
///
/// # Errors
/// Data that can't be read, or from which neither can be learnt; a folder that can't be
/// written.
pub fn run(
    shop: &Path,
    mapping: Option<&Path>,
    out: &Path,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    drop(Staging::begin(out)?);
    let mut imported = import(shop, mapping, watch)?;
    if let Some(fault) = imported.shop.dated_ahead() {
        return Err(Error::Invalid(vec![fault]));
    }
    images::give(&mut imported, seed, watch)?;
    let imported = &imported;
    let window = basket::held_back(&imported.shop, 0);
    let trial = Trial {
        imported,
        history: &History::of(&imported.shop)?,
        window,
        queries: basket::some(cases(&imported.shop, window)),
        basket: basket::Settings {
            seed,
            ..basket::Settings::default()
        },
        ranking: learn::Settings {
            seed,
            ..learn::Settings::default()
        },
    };
    let learnt = |found: Result<Found>| match found {
        // What one can't learn from, the other may.
        Err(Error::Invalid(faults)) if faults.iter().all(|fault| fault.code != INTERNAL) => {
            Ok(Err(faults))
        }
        found => found.map(Ok),
    };
    let unsold = imported.shop.sold(i64::MAX).into_iter();
    let new_products = unsold.filter(|sold| !sold).count();
    let basket = learnt(trial.basket(watch))?;
    let ranking = learnt(trial.ranking(watch))?;
    let cannot = |what: Kind, faults: &[Fault]| {
        let causes: Vec<&str> = faults.iter().map(|fault| fault.cause.as_str()).collect();
        format!("{} can't be learnt: {}", what.name(), causes.join("; "))
    };
    let (lists, chosen, why) = match (&basket, &ranking) {
        (Ok(basket), Ok(ranking)) => {
            let lists = trial.compare(basket, ranking);
            let (chosen, why) = choose(&lists, new_products);
            (lists, chosen, why)
        }
        (Ok(_), Err(faults)) => (Vec::new(), Kind::Basket, cannot(Kind::Ranking, faults)),
        (Err(faults), Ok(_)) => (Vec::new(), Kind::Ranking, cannot(Kind::Basket, faults)),
        (Err(one), Err(other)) => {
            return Err(Error::Invalid([one.as_slice(), other].concat()));
        }
    };
    let asked = span(&window);
    let told = told(&asked, &lists, &why);
    let shelf_bytes = trial.write(chosen, basket.as_ref().ok(), &told, out, watch)?;
    Ok(Outcome {
        out: out.display().to_string(),
        chosen,
        why,
        asked,
        lists,
        shelf_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_customers_say_nothing_and_new_products_need_the_one_that_ranks_them() {
        let everybody = |shoppers| Asked {
            list: "all",
            comparison: Comparison {
                questions: shoppers,
                shoppers,
                rankings: Vec::new(),
            },
        };
        let (kind, why) = choose(&[everybody(FEWEST - 1)], 0);
        assert_eq!(kind, Kind::Ranking);
        assert!(why.starts_with("29 customers are too few"), "{why}");
        let (kind, why) = choose(&[everybody(FEWEST)], 0);
        assert_eq!(kind, Kind::Ranking, "no gain is known");
        assert!(why.contains("it may be chance"), "{why}");
        let (kind, why) = choose(&[everybody(FEWEST)], 2);
        assert_eq!(kind, Kind::Basket);
        assert!(why.starts_with("2 products were never sold"), "{why}");
    }
}
