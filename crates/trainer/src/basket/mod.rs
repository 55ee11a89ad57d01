//! What a customer orders next: a ranking learnt from order history alone, with
//! a list for everything and one for what is new to the customer.
//!
//! What is shipped is tables from product to product, what customers like the
//! shopper bought, and trees that order the candidates (LambdaMART), some for
//! the one list and some for the other. They learn from the windows before the
//! present, each asked of a state that ends where it begins.

mod card;
mod newcomers;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};
use shelfedge_commerce::time::{DAY, SECOND, Timestamp};
use shelfedge_engine::math::ln_1p;
use shelfedge_features::Past;
use shelfedge_features::basket::fit::{Learnt, Line, Order, write};
use shelfedge_features::basket::{self, Basket, Index, PHOTO_LIKENESS, Reading, Signals, WIDTH};
use shelfedge_features::questions::MAX_QUESTIONS;
use shelfedge_features::trails::fit::Sequences;
use shelfedge_ranking::{MAX_EVENTS, Ranker};

use crate::boost::{self, Forest, Lists, Node, shared};
use crate::bundle::Staging;
use crate::card::Comparison;
use crate::error::{Error, Result};
use crate::examples::{History, fitted};
use crate::export::internal;
use crate::images;
use crate::import::{Imported, import};
use crate::logged::{Compiled, Content, Parts};
use crate::protocol::{self, Case, Lists as Ranked, Window, cases, cases_among, evaluate};
use crate::questions;
use crate::ranking;
use crate::rng::Rng;
use crate::settings;
use crate::shop::{Shop, attributes};
use crate::watch::Watch;

pub(crate) use tables::cosines;

/// Bytes that a compiled model aims to stay below; many products may need more.
const BUDGET: usize = 5_000_000;
/// What the file takes for a product beside tables, and for all else.
const A_PRODUCT: usize = 160;
const REST: usize = 16_384;
/// Weights of a product in a table, at most, and at least.
const MOST_WEIGHTS: usize = 50;
const FEWEST_WEIGHTS: usize = 8;
/// Bytes of what customers bought that are kept at least.
const FEWEST_BYTES: usize = 100_000;
/// Days of a window.
const WINDOW: i64 = 30;
/// Windows whose tables are made at once, and the orders from which it is one.
const AT_ONCE: usize = 2;
const MANY_ORDERS: usize = 1_000_000;
/// Customers of all windows together who teach, and of a window who are asked for,
/// at most; of more, every n-th is.
const MOST_TAUGHT: usize = 32_000;
const MOST_QUERIES: usize = 10_000;
/// Of how many customers one is also asked for as if nobody knew them.
const STRANGERS: usize = 20;
/// Days of orders before the first window.
const WARM_UP: i64 = 45;
/// Days of orders that the first window needs, and lists that must teach.
pub(crate) const FEWEST_DAYS: i64 = WARM_UP + WINDOW;
pub(crate) const FEWEST_LISTS: usize = 20;
/// Days whose orders make the table of the newest weeks.
const NEWEST: f32 = 60.0;
/// Sets by which cosines are drawn to 0.
const SHRINK: f32 = 10.0;
const SHRINK_NEWEST: f32 = 5.0;
/// What is added to the diagonal for EASE.
const RIDGE: f32 = 300.0;
/// Products of a customer, the newest, and of an order, that teach the tables, at
/// most: all pairs of them are counted. A larger order goes with nothing.
const MOST_OF_CUSTOMER: usize = 1_000;
/// The number that says which list a row is of: the last but for photos.
const WHICH: u32 = WIDTH as u32 - 1;

/// What a model can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ingredient {
    /// Cosines of customers.
    Similar,
    /// EASE.
    Ease,
    /// Cosines of the newest customers.
    Recent,
    /// Cosines of orders.
    SameOrder,
    /// The customers most alike.
    Neighbours,
    /// Titles.
    Titles,
    /// Photos, where the mapping names some.
    Photos,
}

/// Whether a setting is off, so that a card need not name it.
fn is_off(setting: &bool) -> bool {
    !setting
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Fixes all sampling.
    pub seed: u64,
    /// Windows of 30 days that teach, the newest.
    pub windows: usize,
    /// Days from one of them to the next.
    pub stride: u32,
    /// Trees of each list.
    pub trees: usize,
    /// Leaves of a tree.
    pub leaves: usize,
    /// Share of a tree's step that is taken.
    pub rate: f64,
    /// Rows of a leaf, at least.
    pub min_rows: usize,
    /// Candidates of a query.
    pub candidates: u32,
    /// Customers most alike that a query looks at.
    pub neighbours: u32,
    /// Share of the candidates that weren't bought which a training list keeps.
    pub keep: f64,
    /// Whether EASE weighs what is left of purchases after how often everything, a
    /// product and a customer buys.
    #[serde(skip_serializing_if = "is_off")]
    pub biases: bool,
    /// What is left out, to see what it is worth.
    pub without: Vec<Ingredient>,
    /// Questions for shoppers of whom nothing is known, at most.
    #[serde(skip_serializing_if = "settings::is_none")]
    pub questions: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            windows: 8,
            stride: 30,
            trees: 300,
            leaves: 7,
            rate: 0.06,
            min_rows: 200,
            candidates: 200,
            neighbours: 300,
            keep: 0.4,
            biases: false,
            without: Vec::new(),
            questions: 0,
        }
    }
}

impl Settings {
    /// Reads a settings file; what it doesn't name keeps its default.
    pub fn load(path: &Path) -> Result<Self> {
        settings::load(path, |s: &Self, check| {
            check("windows", (1..=96).contains(&s.windows), "in 1 to 96");
            check("stride", (1..=90).contains(&s.stride), "in 1 to 90");
            check("trees", (1..=10_000).contains(&s.trees), "in 1 to 10000");
            check("leaves", (2..=1_024).contains(&s.leaves), "in 2 to 1024");
            check("rate", s.rate > 0.0 && s.rate <= 1.0, "above 0, at most 1");
            check("min_rows", s.min_rows >= 1, "1 or more");
            check(
                "candidates",
                (1..=1_000).contains(&s.candidates),
                "in 1 to 1000",
            );
            check(
                "neighbours",
                (1..=1_000).contains(&s.neighbours),
                "in 1 to 1000",
            );
            check("keep", s.keep > 0.0 && s.keep <= 1.0, "above 0, at most 1");
            check("questions", s.questions <= MAX_QUESTIONS, "at most 5");
        })
    }
}

/// How much there is room for in a compiled model.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// Weights of a product in each table.
    weights: usize,
    /// Bytes of what customers bought.
    customers: usize,
    /// Numbers of an embedding of a photo; 0 without photos.
    photo: usize,
}

impl Room {
    fn of(shop: &Shop, settings: &Settings) -> Self {
        let products = shop.products.len();
        let titles: usize = shop
            .products
            .iter()
            .map(|p| p.title.len() + p.code.len())
            .sum();
        let photo = match settings.without.contains(&Ingredient::Photos) {
            true => None,
            false => shop.products.iter().map(|p| p.photo.len()).max(),
        };
        let photo = photo.unwrap_or(0);
        let trees = 2 * settings.trees * settings.leaves * (8 + 2 * 16);
        let fixed = REST + trees + titles + products * (A_PRODUCT + photo);
        let left = BUDGET.saturating_sub(fixed);
        let cell = if products > 65_536 { 5 } else { 3 };
        let row = basket::TABLES * cell * products.max(1);
        // The tables may have two thirds of it.
        let weights = (left / 3 * 2 / row).clamp(FEWEST_WEIGHTS, MOST_WEIGHTS);
        let customers = left.saturating_sub(weights * row).max(FEWEST_BYTES);
        Self {
            weights,
            customers,
            photo,
        }
    }

    /// How many numbers a candidate has.
    fn width(&self) -> usize {
        match self.photo {
            0 => WIDTH,
            _ => WIDTH + PHOTO_LIKENESS.len(),
        }
    }
}

/// The orders before a moment, as features see them.
fn orders(shop: &Shop, as_of: i64) -> Vec<Order> {
    shop.before(as_of)
        .iter()
        .map(|order| Order {
            customer: order.customer,
            age: days(as_of - order.time),
            lines: order
                .lines
                .iter()
                .map(|line| Line {
                    product: line.product,
                    pieces: ln_1p(line.quantity as f32),
                    price: line.unit_price as f32,
                })
                .collect(),
        })
        .collect()
}

fn days(milliseconds: i64) -> f32 {
    (milliseconds as f64 / DAY as f64) as f32
}

/// What each customer bought in the newest days, each product once, the newest
/// purchases first.
fn bought(orders: &[Order], newest: f32) -> Sequences {
    // By counting: a large shop has a hundred million lines.
    let counted = || orders.iter().rev().filter(|order| order.age < newest);
    let mut ends: Vec<usize> = Vec::new();
    let mut products = 0;
    for order in counted() {
        let customer = order.customer as usize;
        ends.resize(ends.len().max(customer + 1), 0);
        ends[customer] += order.lines.len();
        let largest = order.lines.iter().map(|line| line.product as usize + 1);
        products = largest.fold(products, usize::max);
    }
    let mut begin = 0;
    for end in &mut ends {
        // Where the customer's begin, until they are filled in.
        begin += std::mem::replace(end, begin);
    }
    let mut lines = vec![0u32; begin];
    for order in counted() {
        let end = &mut ends[order.customer as usize];
        for line in &order.lines {
            lines[*end] = line.product;
            *end += 1;
        }
    }
    let mut sets = Sequences::default();
    let mut seen_by = vec![0u32; products];
    let (mut begin, mut list) = (0, Vec::new());
    for (customer, end) in (1u32..).zip(ends) {
        list.clear();
        for product in &lines[begin..end] {
            let seen = std::mem::replace(&mut seen_by[*product as usize], customer);
            if seen != customer && list.len() < MOST_OF_CUSTOMER {
                list.push(*product);
            }
        }
        if !list.is_empty() {
            sets.push(&list);
        }
        begin = end;
    }
    sets
}

/// A shop's orders before a moment as the section of a compiled model. What leads to
/// `newcomers`, which nobody bought yet, comes from their titles and photos.
fn section(
    shop: &Shop,
    as_of: i64,
    newcomers: &[bool],
    room: Room,
    settings: &Settings,
) -> Result<Vec<u8>> {
    let products = shop.products.len();
    let orders = orders(shop, as_of);
    let ever = bought(&orders, f32::INFINITY);
    let mut together = Sequences::default();
    for order in &orders {
        let lines: Vec<u32> = order.lines.iter().map(|line| line.product).collect();
        if lines.len() <= MOST_OF_CUSTOMER {
            together.push(&lines);
        }
    }
    // No weight is kept of what is left out.
    let with = |ingredient| !settings.without.contains(&ingredient);
    let keep = |ingredient| match with(ingredient) {
        true => room.weights,
        false => 0,
    };
    let cosines = |sets: &Sequences, shrink, ingredient| {
        tables::cosines(sets, products, shrink, keep(ingredient))
    };
    let newest = bought(&orders, NEWEST);
    // In the order of `Table`.
    let mut tables = [
        cosines(&ever, SHRINK, Ingredient::Similar),
        tables::ease(
            &ever,
            products,
            RIDGE,
            settings.biases,
            keep(Ingredient::Ease),
        )?,
        cosines(&newest, SHRINK_NEWEST, Ingredient::Recent),
        cosines(&together, SHRINK, Ingredient::SameOrder),
    ];
    let mut known = newcomers.to_vec();
    for product in &ever.products {
        known[*product as usize] = true;
    }
    let titles: Vec<Option<&str>> = shop
        .products
        .iter()
        .zip(&known)
        .map(|(product, known)| {
            (*known && with(Ingredient::Titles)).then_some(product.title.as_str())
        })
        .collect();
    let photos: Vec<&[i8]> = match room.photo {
        0 => Vec::new(),
        _ => shop
            .products
            .iter()
            .zip(&known)
            .map(|(product, known)| if *known { &product.photo[..] } else { &[] })
            .collect(),
    };
    let newcomers = newcomers::stand_ins(&titles, &photos, newcomers);
    newcomers::introduce(&mut tables, &newcomers, room.weights);
    Ok(write(&Learnt {
        reading: Reading {
            neighbours: match with(Ingredient::Neighbours) {
                true => settings.neighbours,
                false => 0,
            },
            places: 60,
            candidates: settings.candidates,
        },
        products,
        orders: &orders,
        tables,
        titles: &titles,
        photos: &photos,
        newcomers: &newcomers,
        customers_bytes: room.customers,
    }))
}

/// A customer's orders before a moment, as a request would tell them.
fn past(shop: &Shop, history: &[usize], as_of: i64) -> Past {
    let mut past = Past::default();
    let history = &history[history.len().saturating_sub(MAX_EVENTS)..];
    for order in history.iter().map(|index| &shop.orders[*index]) {
        let lines = order.lines.iter();
        past.add(
            as_of - order.time,
            lines.map(|l| (l.product, u64::from(l.quantity))).collect(),
        );
    }
    past
}

/// As many of a window's queries as are asked for.
pub(crate) fn some(queries: Vec<Case>) -> Vec<Case> {
    every_nth(queries, MOST_QUERIES)
}

fn every_nth(queries: Vec<Case>, most: usize) -> Vec<Case> {
    let every = queries.len().div_ceil(most).max(1);
    queries.into_iter().step_by(every).collect()
}

/// The two lists that are learnt, in the order of their forests.
const KINDS: [bool; 2] = [false, true];

/// Encodes the candidates of every customer of a window who bought one of them,
/// and of the others a sample, each with the same chance.
fn teach(
    shop: &Shop,
    section: &[u8],
    window: Window,
    newcomers: &[bool],
    settings: &Settings,
    lists: &mut [Lists; 2],
) -> Result<()> {
    let basket = Basket::open(section, shop.products.len())
        .map_err(|e| internal("basket", e.to_string()))?;
    let index = Index::new(&basket);
    let mut catalogue = shop.sold(window.from);
    for (known, new) in catalogue.iter_mut().zip(newcomers) {
        *known |= new;
    }
    let queries = cases_among(shop, window, &catalogue);
    let queries = every_nth(queries, MOST_TAUGHT / settings.windows);
    let chunks: Vec<&[Case]> = queries.chunks(32).collect();
    let mut made: Vec<[Lists; 2]> = vec![Default::default(); chunks.len()];
    shared(
        (0u64..).zip(chunks).zip(&mut made).collect(),
        |((number, chunk), out)| {
            let (mut signals, mut encoded) = (Signals::default(), Vec::new());
            let stream = (number << 32) ^ window.from.cast_unsigned();
            let mut rng = Rng::new(settings.seed, stream);
            let pasts = chunk.iter().enumerate().flat_map(|(at, case)| {
                let known = past(shop, &case.history, window.from);
                let stranger = (at % STRANGERS == 0).then(Past::default);
                std::iter::once(known)
                    .chain(stranger)
                    .map(move |past| (case, past))
            });
            for (case, past) in pasts {
                signals.fill(&basket, Some(&index), &past);
                for (new, out) in KINDS.into_iter().zip(out.iter_mut()) {
                    // To who has no past everything is new.
                    let truth = match new && !past.orders.is_empty() {
                        true => &case.fresh,
                        false => &case.truth,
                    };
                    let mut found = signals.candidates(&basket, Some(&index), new);
                    // As a ranking has them.
                    found.sort_unstable();
                    if !found.iter().any(|p| truth.binary_search(p).is_ok()) {
                        continue;
                    }
                    signals.encode(&basket, &past, new, &found, &mut encoded);
                    for (product, row) in found.iter().zip(encoded.chunks_exact(basket.width())) {
                        let right = truth.binary_search(product).is_ok();
                        if right || f64::from(rng.unit()) < settings.keep {
                            out.features.extend_from_slice(row);
                            out.gains.push(if right { 1.0 } else { 0.0 });
                        }
                    }
                    out.ends.push(out.gains.len());
                }
            }
        },
    );
    for (kind, lists) in lists.iter_mut().enumerate() {
        lists.width = basket.width();
        for part in made.iter().map(|parts| &parts[kind]) {
            let start = lists.gains.len();
            lists.features.extend_from_slice(&part.features);
            lists.gains.extend_from_slice(&part.gains);
            lists.ends.extend(part.ends.iter().map(|end| start + end));
        }
    }
    Ok(())
}

/// What was learnt, before it is bound to a shop's orders.
struct Model {
    forest: Forest,
    /// Medians over the candidates that taught, of each list.
    reference: [Vec<f32>; 2],
    room: Room,
    windows: usize,
    lists: [usize; 2],
    rows: usize,
}

/// Learns from the windows before a moment.
fn learn(shop: &Shop, as_of: i64, settings: &Settings, watch: &mut dyn Watch) -> Result<Model> {
    let room = Room::of(shop, settings);
    let first = shop.orders.first().map_or(as_of, |order| order.time);
    let windows: Vec<Window> = (0..settings.windows as i64)
        .map(|number| as_of - number * i64::from(settings.stride) * DAY)
        .map(|to| Window {
            from: to - WINDOW * DAY,
            to,
        })
        .take_while(|window| window.from >= first + WARM_UP * DAY)
        .collect();
    let mut lists: [Lists; 2] = Default::default();
    let mut done = 0;
    let at_once = match shop.orders.len() < MANY_ORDERS {
        true => AT_ONCE,
        false => 1,
    };
    for together in windows.chunks(at_once) {
        watch.step("windows", done, windows.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let newcomers: Vec<Vec<bool>> = together
            .iter()
            .map(|window| newcomers::of_window(shop, *window))
            .collect();
        let mut sections: Vec<Result<Vec<u8>>> = together.iter().map(|_| Ok(Vec::new())).collect();
        shared(
            together.iter().zip(&newcomers).zip(&mut sections).collect(),
            |((window, new), out)| *out = section(shop, window.from, new, room, settings),
        );
        for ((window, new), section) in together.iter().zip(&newcomers).zip(sections) {
            teach(shop, &section?, *window, new, settings, &mut lists)?;
            done += 1;
        }
    }
    watch.step("windows", windows.len() as u64, windows.len() as u64, "");
    if lists.iter().any(|lists| lists.ends.len() < FEWEST_LISTS) {
        return Err(too_short(shop, windows.len(), &lists));
    }
    let mut forest = Forest {
        trees: Vec::new(),
        gain: vec![0.0; room.width()],
    };
    for (new, lists) in KINDS.into_iter().zip(&lists) {
        let how = boost::Settings {
            trees: settings.trees,
            leaves: settings.leaves,
            rate: settings.rate,
            min_rows: settings.min_rows.min(lists.rows() / 20).max(1),
            features: 0.5,
            lists: 0.7,
            places: 20,
            patience: usize::MAX,
            seed: settings.seed,
            ..boost::Settings::default()
        };
        let stage = if new { "trees (new)" } else { "trees" };
        let grown = boost::fit(lists, None, &how, |trees, _| {
            watch.step(stage, trees as u64, settings.trees as u64, "");
            !watch.cancelled()
        });
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let trees = grown.trees.into_iter().map(|tree| only_for(new, tree));
        forest.trees.extend(trees);
        for (sum, gain) in forest.gain.iter_mut().zip(grown.gain) {
            *sum += gain;
        }
    }
    Ok(Model {
        forest,
        reference: lists.each_ref().map(Lists::medians),
        room,
        windows: windows.len(),
        lists: lists.each_ref().map(|lists| lists.ends.len()),
        rows: lists.iter().map(Lists::rows).sum(),
    })
}

fn too_short(shop: &Shop, windows: usize, lists: &[Lists; 2]) -> Error {
    Error::fault(
        "too_little_history",
        "orders",
        match shop.orders.first() {
            None => "there is no order before the newest days, which are held back".to_owned(),
            Some(first) => format!(
                "the orders that teach go from {} to {}: {windows} windows of {WINDOW} days teach {} lists, \
                 and {} of products new to the customer",
                Timestamp(first.time),
                Timestamp(shop.end()),
                lists[0].ends.len(),
                lists[1].ends.len(),
            ),
        },
        "give at least three months of orders, at least 20 customers who come back, and 30 days more to \
         measure it (--no-test holds none back)",
    )
}

/// A tree that gives 0 for the other list.
fn only_for(new: bool, tree: Vec<Node>) -> Vec<Node> {
    let (left, right) = if new { (1, 2) } else { (2, 1) };
    let mut out = vec![
        Node::Branch {
            feature: WHICH,
            threshold: 0.5,
            left,
            right,
        },
        Node::Leaf(0.0),
    ];
    out.extend(tree.into_iter().map(|node| match node {
        Node::Leaf(score) => Node::Leaf(score),
        Node::Branch {
            feature,
            threshold,
            left,
            right,
        } => Node::Branch {
            feature,
            threshold,
            left: left + 2,
            right: right + 2,
        },
    }));
    out
}

/// Binds a model to the orders before a moment.
fn compile(
    model: &Model,
    shop: &Shop,
    as_of: i64,
    data: [u8; 32],
    settings: &Settings,
) -> Result<Compiled> {
    let shop = &shop.until(as_of);
    let newcomers = newcomers::never_sold(shop);
    let section = section(shop, as_of, &newcomers, model.room, settings)?;
    let fitted = fitted(shop, &BTreeMap::new(), as_of);
    let ids = fitted.rows.iter().map(|row| &row.id);
    if !ids.eq(shop.products.iter().map(|product| &product.code)) {
        return Err(internal("products", "two parts number the products unlike"));
    }
    let reference = model.reference.iter().flatten();
    Content {
        input: ("basket", model.room.width()),
        forest: &model.forest,
        section: (basket::SECTION, section),
        reference: reference.flat_map(|x| x.to_le_bytes()).collect(),
        products: &fitted.rows,
        neighbours: fitted.neighbours,
        popular: &fitted.popular,
        attributes: attributes(&shop.products.iter().collect::<Vec<_>>()),
        questions: questions::section(shop, settings.questions),
        attention: None,
        as_of: Some(Timestamp(as_of)),
        currency: shop.currency,
        data,
    }
    .compile()
}

/// Both lists for the queries of a window, and the share of what was bought that
/// the candidates hold.
pub(crate) fn predict(
    shop: &Shop,
    history: &History,
    shelf: &[u8],
    window: Window,
    queries: &[Case],
    watch: &mut dyn Watch,
) -> Result<(Ranked, f64)> {
    let mut ask = |new| ranking::predict(shop, history, shelf, window, queries, new, &mut *watch);
    let (all, new) = (ask(false)?, ask(true)?);
    let lists = Ranked {
        all: all.lists.all,
        new: new.lists.new,
    };
    Ok((lists, all.candidates_hold))
}

/// Ranks both lists for customers as of a window's first moment.
pub fn lists(
    shop: &Shop,
    history: &History,
    bundle: &Bundle,
    window: Window,
    queries: &[Case],
    watch: &mut dyn Watch,
) -> Result<Ranked> {
    predict(shop, history, bundle.shelf(), window, queries, watch).map(|(lists, _)| lists)
}

/// The newest window that may be held back, or an earlier one.
pub(crate) fn held_back(shop: &Shop, earlier: usize) -> Window {
    let to = shop.end() + SECOND - earlier as i64 * WINDOW * DAY;
    Window {
        from: to - WINDOW * DAY,
        to,
    }
}

/// A model that knows what was ordered before a moment, and nothing else.
pub(crate) fn until(
    shop: &Shop,
    as_of: i64,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Compiled> {
    let model = learn(&shop.until(as_of), as_of, settings, watch)?;
    compile(&model, shop, as_of, [0; 32], settings)
}

/// Measures by what a model that ends a window ago would have said of it.
fn measure(
    shop: &Shop,
    history: &History,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<(Window, Comparison)> {
    let window = held_back(shop, 0);
    let compiled = until(shop, window.from, settings, watch)?;
    let queries = some(cases(shop, window));
    let found = predict(shop, history, &compiled.shelf, window, &queries, watch)?;
    let seed = settings.seed;
    Ok((window, compared(shop, window, &queries, &found, seed)))
}

/// What [`predict`] found for the queries of a window, beside the baselines.
pub(crate) fn compared(
    shop: &Shop,
    window: Window,
    queries: &[Case],
    (lists, candidates_hold): &(Ranked, f64),
    seed: u64,
) -> Comparison {
    let score = |lists: &Ranked| evaluate(queries, lists, seed);
    Comparison {
        model: score(lists),
        popularity: score(&protocol::popularity(shop, queries, window)),
        personal_frequency: score(&protocol::personal_frequency(shop, queries, window)),
        candidates_hold: *candidates_hold,
    }
}

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the bundle was written.
    pub out: String,
    /// Windows that taught.
    pub windows: usize,
    /// Lists that taught: of everything, and of what was new.
    pub lists: [usize; 2],
    /// Their rows.
    pub rows: usize,
    /// The newest window, by a model that had not seen it, if it was asked for.
    pub measured: Option<Comparison>,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
    /// Products in it, and those of them that were never sold.
    pub products: [usize; 2],
    /// Questions that it asks new shoppers; fewer than wanted where no more split what
    /// customers order.
    pub questions: usize,
}

impl Outcome {
    /// For a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["list", "ranking", "NDCG@10", "recall@20", "hit rate@10"]);
        for (list, name, score) in self.measured.iter().flat_map(Comparison::rows) {
            let numbers = [&score.ndcg10, &score.recall20, &score.hit10];
            let mut row = vec![list.to_owned(), name.to_owned()];
            row.extend(numbers.map(ToString::to_string));
            table.add_row(row);
        }
        let mut what = format!(
            "{}: {} windows of {WINDOW} days taught, with {} lists and {} of new products; {} questions; {} bytes",
            self.out, self.windows, self.lists[0], self.lists[1], self.questions, self.shelf_bytes
        );
        if self.shelf_bytes > BUDGET {
            let [products, unsold] = self.products;
            what += &format!(
                ", more than the {BUDGET} that a model aims for: it has {products} products, of which {unsold} \
                 were never sold"
            );
        }
        match &self.measured {
            None => what,
            Some(measured) => format!(
                "{table}\n{} customers in the newest {WINDOW} days, which the measured model had not seen; \
                 its candidates hold {:.1} % of what they bought\n{what}",
                measured.model.all.queries,
                100.0 * measured.candidates_hold
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

    /// Adds to what its card tells.
    pub(crate) fn tell(&mut self, text: &str) {
        self.parts.tell(text);
    }

    /// Puts the bundle in the place of what is at `out`.
    pub fn write(mut self, out: &Path) -> Result<Outcome> {
        self.parts.write(out)?;
        self.outcome.out = out.display().to_string();
        Ok(self.outcome)
    }
}

/// Learns from a shop and makes the bundle that knows all its orders.
pub fn build(
    imported: &Imported,
    history: &History,
    measured: bool,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Bundle> {
    let measured = match measured {
        true => Some(measure(&imported.shop, history, settings, watch)?),
        false => None,
    };
    finish(imported, measured, settings, watch)
}

/// The same, where it has been measured already, or is not to be.
pub(crate) fn finish(
    imported: &Imported,
    measured: Option<(Window, Comparison)>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Bundle> {
    let shop = &imported.shop;
    let as_of = shop.end() + SECOND;
    let model = learn(shop, as_of, settings, watch)?;
    let compiled = compile(&model, shop, as_of, imported.digest, settings)?;
    let never_sold = newcomers::never_sold(shop);
    let ranker = Ranker::open(&compiled.shelf[..]).map_err(|e| internal("model", e.to_string()))?;
    let outcome = Outcome {
        products: [
            shop.products.len(),
            never_sold.iter().filter(|unsold| **unsold).count(),
        ],
        questions: ranker.questions().len(),
        out: String::new(),
        windows: model.windows,
        lists: model.lists,
        rows: model.rows,
        measured: measured.map(|(_, comparison)| comparison),
        shelf_bytes: compiled.shelf.len(),
    };
    let window = measured.map(|(window, _)| window);
    let card = card::card(imported, &model, settings, window, &outcome);
    Ok(Bundle {
        parts: compiled.bundle(Timestamp(shop.end()), &model.forest, "purchase", card)?,
        outcome,
    })
}

/// Reads a shop, learns, measures if it is asked to, and writes the bundle.
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
    let mut imported = import(shop, mapping, watch)?;
    if let Some(fault) = imported.shop.dated_ahead() {
        return Err(Error::Invalid(vec![fault]));
    }
    if !settings.without.contains(&Ingredient::Photos) {
        images::give(&mut imported, settings.seed, watch)?;
    }
    let history = History::of(&imported.shop)?;
    let bundle = build(&imported, &history, measured, settings, watch)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    bundle.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{Line as ShopLine, ShopCustomer, ShopOrder, ShopProduct};
    use shelfedge_commerce::ProductId;
    use shelfedge_commerce::money::Currency;

    const NONE_NEW: [bool; 8] = [false; 8];

    /// Customers who buy three of eight products every ten days; the product whose
    /// code comes first is sold only at the end.
    fn shop() -> Shop {
        let orders = (0..200u32).map(|number| {
            let products = match number {
                180.. => [0, 1 + number % 7, 1 + (number + 2) % 7],
                _ => [1 + number % 7, 1 + (number + 1) % 7, 1 + (number + 3) % 7],
            };
            let mut products = products.to_vec();
            products.sort_unstable();
            products.dedup();
            ShopOrder {
                id: number.to_string(),
                customer: number % 9,
                time: i64::from(number) * DAY,
                lines: products
                    .into_iter()
                    .map(|product| ShopLine {
                        product,
                        quantity: 1 + number % 3,
                        unit_price: 100 + i64::from(product),
                    })
                    .collect(),
            }
        });
        Shop {
            currency: Currency::parse("EUR").expect("a currency"),
            products: (0..8)
                .map(|product| ShopProduct {
                    code: format!("p{product}"),
                    title: format!("cup {product}"),
                    attributes: Default::default(),
                    photo: Vec::new(),
                })
                .collect(),
            customers: (0..9)
                .map(|customer| ShopCustomer {
                    id: format!("c{customer}"),
                    country: String::new(),
                })
                .collect(),
            orders: orders.collect(),
        }
    }

    #[test]
    fn a_shop_until_a_time_numbers_what_was_sold() {
        let shop = shop();
        let before = shop.until(150 * DAY);
        assert_eq!(before.orders.len(), 150);
        let codes: Vec<&str> = before.products.iter().map(|p| p.code.as_str()).collect();
        assert_eq!(codes, ["p1", "p2", "p3", "p4", "p5", "p6", "p7"]);
        for (cut, whole) in before.orders.iter().zip(&shop.orders) {
            for (cut, whole) in cut.lines.iter().zip(&whole.lines) {
                let code = &before.products[cut.product as usize].code;
                assert_eq!(*code, shop.products[whole.product as usize].code);
            }
        }
        assert_eq!(shop.until(200 * DAY).products.len(), 8);
    }

    #[test]
    fn what_comes_after_a_moment_changes_nothing_of_its_section() {
        let shop = shop();
        let settings = Settings::default();
        let room = Room::of(&shop, &settings);
        let whole = section(&shop, 120 * DAY, &NONE_NEW, room, &settings).expect("a section");
        let mut other = shop.clone();
        other.orders.retain(|order| order.time < 120 * DAY);
        let cut = section(&other, 120 * DAY, &NONE_NEW, room, &settings).expect("a section");
        assert!(whole == cut);
        for order in other.orders.iter_mut().take(3) {
            order.lines.truncate(1);
        }
        let other = section(&other, 120 * DAY, &NONE_NEW, room, &settings).expect("a section");
        assert!(other != whole);
    }

    #[test]
    fn what_teaches_is_what_a_request_tells() {
        let shop = shop();
        let history = History::of(&shop).expect("a history");
        let as_of = 160 * DAY;
        let settings = Settings::default();
        let model = Model {
            forest: Forest {
                trees: vec![vec![Node::Leaf(1.0)]],
                gain: vec![0.0; WIDTH],
            },
            reference: [vec![0.0; WIDTH], vec![0.0; WIDTH]],
            room: Room::of(&shop, &settings),
            windows: 1,
            lists: [1, 1],
            rows: 1,
        };
        let compiled = compile(&model, &shop, as_of, [7; 32], &settings).expect("a model");
        let ranker = shelfedge_ranking::Ranker::open(compiled.shelf).expect("a ranker");
        let mut workspace = shelfedge_ranking::Workspace::default();
        let cut = shop.until(as_of);
        let section = section(&cut, as_of, &NONE_NEW[1..], model.room, &settings);
        let section = section.expect("a section");
        let basket = Basket::open(&section, cut.products.len()).expect("a log");
        let (mut signals, mut encoded) = (Signals::default(), Vec::new());
        for case in protocol::customers(&cut, as_of) {
            let past = past(&cut, &case.history, as_of);
            signals.fill(&basket, None, &past);
            for new in KINDS {
                let mut found = signals.candidates(&basket, None, new);
                found.sort_unstable();
                signals.encode(&basket, &past, new, &found, &mut encoded);
                let code = |product: &u32| cut.products[*product as usize].code.as_str();
                let given: Vec<ProductId> = found
                    .iter()
                    .map(|product| ProductId::new(code(product)).expect("an id"))
                    .collect();
                let query = shelfedge_ranking::Query {
                    now: Timestamp(as_of),
                    events: &history.before(&shop, case.customer, as_of),
                    candidates: Some(&given),
                    exclude: &[],
                    limit: 1,
                    new_only: new,
                    context: shelfedge_ranking::Context::default(),
                    explain: false,
                    answered: &[],
                };
                ranker.prepare(&query, &mut workspace).expect("a request");
                assert_eq!(ranker.encoded(&workspace).logged, encoded);
            }
        }
    }
}
