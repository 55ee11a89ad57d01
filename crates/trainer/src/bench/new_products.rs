//! `bench new-products`: how well products that nobody bought yet are ranked.

use serde::Serialize;
use shelfedge_commerce::id::ProductId;
use shelfedge_commerce::time::Timestamp;
use shelfedge_features::basket::{PHOTO_LIKENESS, TITLE_LIKENESS, WIDTH};
use shelfedge_features::hash::Hash;
use shelfedge_ranking::{Context, MAX_CANDIDATES, MAX_LIMIT, Query, Ranker, Workspace};

use crate::basket;
use crate::error::{Error, Result};
use crate::examples::History;
use crate::export::internal;
use crate::import::Imported;
use crate::metrics::{self, Estimate, Row};
use crate::protocol::{Case, Window, cases_among};
use crate::shop::Shop;
use crate::watch::Watch;

/// Which products are held out, and the order of equals.
const HELD: u32 = 0x6865_6c64;
const EQUAL: u32 = 0x6571_756c;
/// Customers and held-out products that something can be said of.
const FEWEST: usize = 20;

/// What is printed.
#[derive(Clone, Debug, Serialize)]
pub struct NewProducts {
    /// Of the intervals, and of which products are held out.
    pub seed: u64,
    /// From when to when what was bought counts.
    pub window: [String; 2],
    /// Products of which the model knows nothing but the title.
    pub held_out: usize,
    /// Customers with a past who bought one of them in the window.
    pub customers: usize,
    /// How good the lists of the held-out products are.
    pub lists: Vec<Scored>,
}

/// The lists of one way to make them.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    /// Who makes them.
    by: &'static str,
    ndcg10: Estimate,
    hit10: Estimate,
    /// NDCG at 10 above that of chance, paired.
    over_chance: Estimate,
    /// NDCG at 10 of the model above that of these lists, paired.
    model_over: Estimate,
}

/// Who makes a list: the model, chance, or the likeness of the title to those of
/// everything that the customer bought or of the most alike; of photos, where there are
/// some, the same.
const MAKERS: [&str; 7] = [
    "model",
    "model, new to the customer",
    "chance",
    "titles, all",
    "titles, most alike",
    "photos, all",
    "photos, most alike",
];

/// Takes the orders of a share of the products out of a shop's history, leaves their
/// titles, learns from what came before the newest 30 days, and ranks these products
/// for the customers who bought one of them in those days.
///
/// # Errors
/// Too few products or customers, or too little to learn from.
pub fn new_products(
    imported: &Imported,
    share: f64,
    settings: &basket::Settings,
    watch: &mut dyn Watch,
) -> Result<NewProducts> {
    let shop = &imported.shop;
    let window = basket::held_back(shop, 0);
    let held: Vec<bool> = shop
        .products
        .iter()
        .zip(shop.sold(i64::MAX))
        .map(|(product, sold)| sold && place(product.code.as_bytes(), HELD, settings.seed) < share)
        .collect();
    let cases: Vec<Case> = cases_among(shop, window, &held);
    let rest = without(shop, &held);
    let history = History::of(&rest)?;
    // Of whom something is known without these products.
    let asked: Vec<(&Case, Vec<_>)> = cases
        .iter()
        .map(|case| (case, history.before(&rest, case.customer, window.from)))
        .filter(|(_, events)| !events.is_empty())
        .collect();
    let candidates: Vec<ProductId> = shop
        .products
        .iter()
        .zip(&held)
        .filter(|(_, held)| **held)
        .filter_map(|(product, _)| ProductId::new(&product.code).ok())
        .collect();
    if candidates.len() > MAX_CANDIDATES {
        return Err(Error::fault(
            "too_many_candidates",
            "share",
            format!(
                "{} products are held out; at most {MAX_CANDIDATES} can be ranked",
                candidates.len()
            ),
            "hold out a smaller share",
        ));
    }
    if asked.len() < FEWEST || candidates.len() < FEWEST {
        return Err(too_few(window, candidates.len(), asked.len()));
    }
    let compiled = basket::until(&rest, window.from, settings, watch)?;
    let ranker = Ranker::open(compiled.shelf);
    let ranker = ranker.map_err(|e| internal("model.shelf", e.to_string()))?;
    let mut rows: [Vec<Row>; MAKERS.len()] = Default::default();
    let mut workspace = Workspace::default();
    for (case, events) in &asked {
        let query = Query {
            now: Timestamp(window.from),
            events,
            candidates: Some(&candidates),
            exclude: &[],
            limit: MAX_LIMIT,
            new_only: false,
            context: Context::default(),
            explain: false,
            answered: &[],
        };
        let truth: Vec<&str> = case
            .truth
            .iter()
            .map(|product| shop.products[*product as usize].code.as_str())
            .collect();
        for (list, rows) in lists(&ranker, &query, settings.seed, &mut workspace)?
            .iter()
            .zip(&mut rows)
        {
            let codes: Vec<&str> = list
                .iter()
                .filter_map(|product| ranker.product(*product))
                .map(|product| product.id)
                .collect();
            rows.push(metrics::score(&codes, &truth));
        }
    }
    let [model, _, chance, ..] = &rows;
    let less = |a: &[Row], b: &[Row]| {
        let pairs = a.iter().zip(b).map(|(a, b)| Row {
            ndcg10: a.ndcg10 - b.ndcg10,
            ..Row::default()
        });
        let pairs: Vec<Row> = pairs.collect();
        metrics::summarise(&pairs, settings.seed).metrics.ndcg10
    };
    let made = MAKERS
        .iter()
        .zip(&rows)
        .filter(|(_, rows)| !rows.is_empty());
    let scored = made.map(|(by, rows)| {
        let means = metrics::summarise(rows, settings.seed).metrics;
        Scored {
            by,
            ndcg10: means.ndcg10,
            hit10: means.hit10,
            over_chance: less(rows, chance),
            model_over: less(model, rows),
        }
    });
    Ok(NewProducts {
        seed: settings.seed,
        window: [window.from, window.to].map(|at| Timestamp(at).to_string()),
        held_out: candidates.len(),
        customers: asked.len(),
        lists: scored.collect(),
    })
}

fn too_few(window: Window, held: usize, customers: usize) -> Error {
    Error::fault(
        "too_few",
        "orders",
        format!(
            "{held} products are held out, and {customers} customers with a past bought one of them \
             between {} and {}",
            Timestamp(window.from),
            Timestamp(window.to)
        ),
        "hold out a larger share, or give more orders: both must be 20 at least",
    )
}

/// A number in 0 to 1 that the seed draws for some bytes.
fn place(bytes: &[u8], of: u32, seed: u64) -> f64 {
    let hash = Hash::new(of ^ seed as u32).bytes(bytes).finish();
    (hash >> 32) as f64 / 4_294_967_296.0
}

/// A shop that never sold the products that are held out, and has them.
fn without(shop: &Shop, held: &[bool]) -> Shop {
    let mut rest = shop.clone();
    for order in &mut rest.orders {
        order.lines.retain(|line| !held[line.product as usize]);
    }
    rest.orders.retain(|order| !order.lines.is_empty());
    rest
}

/// The candidates as each of [`MAKERS`] lists them.
fn lists(
    ranker: &Ranker<Vec<u8>>,
    query: &Query<'_>,
    seed: u64,
    workspace: &mut Workspace,
) -> Result<Vec<Vec<u32>>> {
    let failed = |cause: String| internal("rank", cause);
    let ranked = ranker
        .rank(query, workspace)
        .map_err(|e| failed(e.to_string()))?;
    let model = ranked.items.iter().map(|item| item.product).collect();
    let prepared = ranker
        .prepare(query, workspace)
        .map_err(|e| failed(e.to_string()))?;
    let products: Vec<u32> = prepared.candidates.iter().map(|c| c.product).collect();
    let has_photos = ranker.basket().is_some_and(|basket| basket.has_photos());
    let width = ranker.basket().map_or(WIDTH, |basket| basket.width());
    let encoded = &ranker.encoded(workspace).logged;
    let by = |column: Option<usize>| {
        let rows = encoded.chunks_exact(width).zip(&products);
        let mut list: Vec<(f32, f64, u32)> = rows
            .map(|(row, product)| {
                let id = ranker.product(*product).map_or("", |product| product.id);
                let value = column.map_or(0.0, |column| row[column]);
                (value, place(id.as_bytes(), EQUAL, seed), *product)
            })
            .collect();
        list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        list.into_iter().map(|(_, _, product)| product).collect()
    };
    let photos = PHOTO_LIKENESS.into_iter().filter(|_| has_photos);
    let likenesses = TITLE_LIKENESS.into_iter().chain(photos).map(Some);
    let likely: Vec<Vec<u32>> = [None].into_iter().chain(likenesses).map(by).collect();
    let query = Query {
        new_only: true,
        ..*query
    };
    let ranked = ranker
        .rank(&query, workspace)
        .map_err(|e| failed(e.to_string()))?;
    let new = ranked.items.iter().map(|item| item.product).collect();
    Ok([vec![model, new], likely].concat())
}
