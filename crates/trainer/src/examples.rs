//! From a shop's history to rankings with answers.
//!
//! The tables of a window are made from the orders before it begins, and a
//! shopper's history ends where the order begins: no feature sees its own
//! future.

use std::collections::BTreeMap;

use shelfedge_commerce::event::{Event, EventItem, EventKind};
use shelfedge_commerce::id::{OrderId, ProductId, ShopperId};
use shelfedge_commerce::money::Money;
use shelfedge_commerce::order::{Order, OrderLine};
use shelfedge_commerce::time::{MINUTE, Timestamp};
use shelfedge_features::fit::{self, FittedTables, Fitter, Named, Sale, TableOptions};
use shelfedge_features::tables::{self, Meta, Written};
use shelfedge_features::{Affinity, Device, Encoded, Moment, Shopper, Spec, Tables, encode};
use shelfedge_ranking::MAX_EVENTS;
use shelfedge_ranking::recall::recall;

use crate::error::{Error, Result, fault};
use crate::export::internal;
use crate::learn::Query;
use crate::protocol::{Case, Window, cases};
use crate::rng::Rng;
use crate::shop::{Shop, ShopProduct, attributes};
use crate::watch::Watch;

/// A product needs this many orders to have an embedding of its own; rarer ones
/// share the one for "unknown" and are known by their title and numbers.
pub const ENOUGH_ORDERS: usize = 3;
/// Candidates of an order that are kept for learning.
const KEPT: usize = 128;
/// Most products that a session in learning shows.
const LONGEST_SESSION: usize = 5;
/// Rankings of one customer in a window, at most: whoever orders more is a till or a
/// script, whose history would cost the square of its length.
const ORDERS_OF_ONE: u32 = 200;

/// A shop's history in the vocabulary of the other crates, made of what is asked
/// for: all of it at once would be many times the shop.
#[derive(Debug)]
pub struct History {
    products: Vec<ProductId>,
    numbers: Vec<OrderId>,
    /// Indices of the shop's orders, customer by customer, by time.
    orders: Vec<u32>,
    /// Where each customer's orders end.
    ends: Vec<u32>,
}

impl History {
    /// Checks a shop's ids. Every one that the vocabulary refuses is a fault.
    pub fn of(shop: &Shop) -> Result<Self> {
        let mut faults = Vec::new();
        let mut checked = |what: &str, id: &str, cause: String| {
            faults.push(fault(
                "id_invalid",
                format!("{what} {id:?}"),
                cause,
                "use ids of 1 to 64 bytes without control characters",
            ));
        };
        let mut products = Vec::with_capacity(shop.products.len());
        for product in &shop.products {
            match ProductId::new(product.code.as_str()) {
                Ok(id) => products.push(id),
                Err(e) => checked("product", &product.code, e.to_string()),
            }
        }
        for customer in &shop.customers {
            if let Err(e) = ShopperId::new(customer.id.as_str()) {
                checked("customer", &customer.id, e.to_string());
            }
        }
        let mut numbers = Vec::with_capacity(shop.orders.len());
        for order in &shop.orders {
            match OrderId::new(order.id.as_str()) {
                Ok(id) => numbers.push(id),
                Err(e) => checked("order", &order.id, e.to_string()),
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let mut ends = vec![0u32; shop.customers.len() + 1];
        for order in &shop.orders {
            ends[order.customer as usize + 1] += 1;
        }
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut orders = vec![0u32; shop.orders.len()];
        for (number, order) in (0u32..).zip(&shop.orders) {
            let end = &mut ends[order.customer as usize];
            orders[*end as usize] = number;
            *end += 1;
        }
        Ok(Self {
            products,
            numbers,
            orders,
            ends,
        })
    }

    /// A customer's purchases before a time, as events, the oldest first: the newest
    /// that a request may carry. The shop is the one that this is of.
    pub fn before(&self, shop: &Shop, customer: u32, time: i64) -> Vec<Event> {
        let end = |i: usize| self.ends.get(i).map_or(0, |end| *end as usize);
        let i = customer as usize;
        let own = &self.orders[i.checked_sub(1).map_or(0, end)..end(i)];
        let own = &own[..own.partition_point(|number| shop.orders[*number as usize].time < time)];
        own[own.len().saturating_sub(MAX_EVENTS)..]
            .iter()
            .map(|number| {
                let order = &shop.orders[*number as usize];
                let id = &self.numbers[*number as usize];
                let lines = order.lines.iter().map(|line| OrderLine {
                    product: self.products[line.product as usize].clone(),
                    quantity: line.quantity,
                    unit_price: Money::new(line.unit_price, shop.currency),
                });
                let order = Order {
                    id: id.clone(),
                    customer: None,
                    time: Timestamp(order.time),
                    lines: lines.collect(),
                };
                order.to_event()
            })
            .collect()
    }
}

/// The tables of a shop's orders before a moment.
pub fn fitted(shop: &Shop, slots: &BTreeMap<String, u32>, as_of: i64) -> FittedTables {
    let products: Vec<Named<'_>> = shop
        .products
        .iter()
        .zip(shop.sold(i64::MAX))
        .map(|(product, sold)| Named {
            id: &product.code,
            title: match product.title.as_str() {
                "" => &product.code,
                title => title,
            },
            slot: slots.get(&product.code).copied().unwrap_or(0),
            is_new: !sold,
        })
        .collect();
    let sales = shop.before(as_of).iter().map(|order| Sale {
        customer: Some(order.customer),
        time: Timestamp(order.time),
        lines: order
            .lines
            .iter()
            .map(|line| (line.product, line.unit_price)),
    });
    fit::tables(sales, &products, Timestamp(as_of), TableOptions::default())
}

/// Embedding slots, from 1, by product id: for products with enough orders
/// before a time.
pub fn slots(shop: &Shop, before: i64) -> BTreeMap<String, u32> {
    let mut orders = vec![0_usize; shop.products.len()];
    for order in shop.before(before) {
        for line in &order.lines {
            orders[line.product as usize] += 1;
        }
    }
    shop.products
        .iter()
        .zip(orders)
        .filter(|(_, n)| *n >= ENOUGH_ORDERS)
        .zip(1..)
        .map(|((product, _), slot)| (product.code.clone(), slot))
        .collect()
}

/// A shop's tables as of a moment, as the sections of a compiled model.
#[derive(Debug)]
pub struct Snapshot {
    /// When, and digests.
    pub meta: Vec<u8>,
    /// Products, neighbours, popular list.
    pub written: Written,
    /// What the products have in common, where that is known.
    pub attributes: Option<(&'static str, Vec<u8>)>,
    /// Product id to index in the shop.
    pub as_of: i64,
}

impl Snapshot {
    /// Makes the tables from the orders before a moment.
    pub fn fit(
        shop: &Shop,
        slots: &BTreeMap<String, u32>,
        as_of: i64,
        digests: [[u8; 32]; 3],
    ) -> Self {
        let fitted = fitted(shop, slots, as_of);
        let [spec, onnx, data] = digests;
        let product = |id: &String| shop.products.binary_search_by_key(&id, |p| &p.code).ok();
        let products: Vec<&ShopProduct> = fitted
            .rows
            .iter()
            .filter_map(|row| product(&row.id).map(|at| &shop.products[at]))
            .collect();
        Self {
            // A product that the shop doesn't name has no place among the others.
            attributes: attributes(&products).filter(|_| products.len() == fitted.rows.len()),
            meta: Meta {
                spec,
                onnx,
                data,
                as_of: Timestamp(as_of),
                currency: shop.currency,
            }
            .write(),
            written: tables::write(&fitted.rows, fitted.neighbours, &fitted.popular),
            as_of,
        }
    }

    /// The tables, read in place.
    pub fn tables(&self) -> Result<Tables<'_>> {
        Tables::open(|name| match name {
            "meta" => Some(&self.meta),
            "products" => Some(&self.written.products),
            "similar" => Some(&self.written.similar),
            "popular" => Some(&self.written.popular),
            _ => None,
        })
        .map_err(|e| internal("tables", e.to_string()))
    }

    /// The index of each of the shop's products in these tables.
    pub fn indices(&self, shop: &Shop) -> Result<Vec<Option<u32>>> {
        let tables = self.tables()?;
        Ok(shop.products.iter().map(|p| tables.find(&p.code)).collect())
    }
}

/// One ranking before it is encoded.
struct Draft {
    customer: u32,
    now: i64,
    /// Products of the session, oldest first; true for those in the cart.
    session: Vec<(u32, bool)>,
    /// What is the answer, sorted; without the session's products.
    truth: Vec<u32>,
}

/// The rankings of a window: each order of it, [`ORDERS_OF_ONE`] of a customer at
/// most, and each returning customer at its start with everything that they buy in it.
fn drafts(shop: &Shop, window: Window, rng: &mut Rng) -> Vec<Draft> {
    let mut list = Vec::new();
    let popular: Vec<u32> = {
        let counts = crate::protocol::buyers(shop, window.from, 90);
        let mut order: Vec<u32> = (0..counts.len() as u32).collect();
        order.sort_by_key(|&p| (std::cmp::Reverse(counts[p as usize]), p));
        order.truncate(500);
        order
    };
    let mut orders = vec![0; shop.customers.len()];
    for order in shop.between(window.from, window.to) {
        let orders = &mut orders[order.customer as usize];
        *orders += 1;
        if *orders > ORDERS_OF_ONE {
            continue;
        }
        let mut basket: Vec<u32> = order.lines.iter().map(|l| l.product).collect();
        basket.sort_unstable();
        let mut shuffled = basket.clone();
        rng.shuffle(&mut shuffled);
        let most = LONGEST_SESSION.min(basket.len() / 2);
        // Two in five without a session: a shopper who has just come.
        let length = if rng.unit() < 0.4 || most == 0 {
            0
        } else {
            1 + rng.below(most)
        };
        let mut session: Vec<(u32, bool)> = Vec::new();
        for &product in &shuffled[..length] {
            // One look in three leads nowhere, as some do in every shop.
            let shown = if rng.unit() < 1.0 / 3.0 && !popular.is_empty() {
                popular[rng.below(popular.len())]
            } else {
                product
            };
            let carted = shown == product && rng.unit() < 0.4;
            if !session.iter().any(|(p, _)| *p == shown) {
                session.push((shown, carted));
            }
        }
        // A look says nothing yet about the product itself: there are no real
        // looks to learn that from.
        let truth: Vec<u32> = basket
            .into_iter()
            .filter(|p| !session.iter().any(|(s, _)| s == p))
            .collect();
        if !truth.is_empty() {
            list.push(Draft {
                customer: order.customer,
                now: order.time,
                session,
                truth,
            });
        }
    }
    for case in cases(shop, window) {
        list.push(Draft {
            customer: case.customer,
            now: window.from,
            session: Vec::new(),
            truth: case.truth,
        });
    }
    list
}

/// Encodes rankings against one snapshot.
struct Encoder<'a> {
    shop: &'a Shop,
    history: &'a History,
    tables: Tables<'a>,
    indices: &'a [Option<u32>],
    affinity: Affinity,
}

impl Encoder<'_> {
    fn events(&self, draft: &Draft) -> Vec<Event> {
        let mut events = self.history.before(self.shop, draft.customer, draft.now);
        let n = draft.session.len() as i64;
        for (place, &(product, carted)) in draft.session.iter().enumerate() {
            let kind = if carted {
                EventKind::AddToCart
            } else {
                EventKind::ViewItem
            };
            events.push(Event {
                id: None,
                time: Timestamp(draft.now - (n - place as i64) * MINUTE),
                kind,
                transaction: None,
                currency: None,
                list: None,
                items: vec![EventItem {
                    product: self.history.products[product as usize].clone(),
                    quantity: 1,
                    price: None,
                    index: None,
                }],
            });
        }
        events
    }

    /// `keep` limits the candidates to the relevant ones and a sample.
    fn query(&mut self, spec: &Spec, draft: &Draft, keep: Option<(usize, &mut Rng)>) -> Query {
        let now = Timestamp(draft.now);
        let shopper = Shopper::fold(&self.tables, &self.events(draft), now);
        self.affinity.fill(&self.tables, &shopper);
        let mut truth: Vec<u32> = draft
            .truth
            .iter()
            .filter_map(|&p| self.indices[p as usize])
            .collect();
        truth.sort_unstable();
        let mut candidates: Vec<u32> =
            recall(&self.tables, &shopper, &self.affinity, CANDIDATES, |_| true)
                .into_iter()
                .map(|c| c.product)
                .filter(|p| !shopper.session.contains(p))
                .collect();
        if let Some((limit, rng)) = keep {
            let (mut yes, mut no): (Vec<u32>, Vec<u32>) = candidates
                .iter()
                .partition(|p| truth.binary_search(p).is_ok());
            rng.shuffle(&mut yes);
            rng.shuffle(&mut no);
            yes.truncate(limit / 2);
            no.truncate(limit - yes.len());
            yes.extend(no);
            yes.sort_unstable();
            candidates = yes;
        }
        let relevant: Vec<bool> = candidates
            .iter()
            .map(|p| truth.binary_search(p).is_ok())
            .collect();
        let mut encoded = Encoded::default();
        let moment = Moment {
            now,
            utc_offset_minutes: 0,
            device: Device::Unknown,
        };
        encode(
            spec,
            &self.tables,
            &shopper,
            &self.affinity,
            moment,
            &candidates,
            &mut encoded,
        );
        Query {
            encoded,
            relevant,
            truth: truth.len(),
        }
    }
}

/// How many candidates recall is asked for, in learning as in the shop.
pub const CANDIDATES: usize = shelfedge_ranking::recall::RECALL;

/// What there is to learn from.
#[derive(Debug)]
pub struct Examples {
    /// The scaled feature spec.
    pub spec: Spec,
    /// Embedding slots.
    pub slots: BTreeMap<String, u32>,
    /// Rankings that teach.
    pub train: Vec<Query>,
    /// Rankings that stop the learning: returning customers at the start of
    /// the valid window.
    pub valid: Vec<Query>,
}

/// Makes the examples of the train windows and the valid window.
pub fn examples(
    shop: &Shop,
    history: &History,
    train: &[Window],
    valid: Window,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Examples> {
    let slots = slots(shop, valid.from);
    let mut rng = Rng::new(seed, 0xE7A);
    let raw = Spec::unfitted(slots.len() as u32);
    let mut fitter = Fitter::new(raw.clone());
    let mut work = Vec::new();
    for &window in train {
        let snapshot = Snapshot::fit(shop, &slots, window.from, [[0; 32]; 3]);
        let drafts = drafts(shop, window, &mut rng);
        work.push((snapshot, drafts));
    }
    let total: u64 = work.iter().map(|(_, d)| d.len() as u64).sum();

    // The scaling is fitted on a tenth of the rankings.
    for (snapshot, drafts) in &work {
        let indices = snapshot.indices(shop)?;
        let mut encoder = Encoder {
            shop,
            history,
            tables: snapshot.tables()?,
            indices: &indices,
            affinity: Affinity::default(),
        };
        for draft in drafts.iter().step_by(10) {
            let query = encoder.query(&raw, draft, Some((KEPT, &mut rng)));
            if query.encoded.rows > 0 {
                fitter.add(&query.encoded);
            }
        }
    }
    let spec = fitter.finish();

    let mut queries = Vec::new();
    let mut done = 0;
    for (snapshot, drafts) in &work {
        let indices = snapshot.indices(shop)?;
        let mut encoder = Encoder {
            shop,
            history,
            tables: snapshot.tables()?,
            indices: &indices,
            affinity: Affinity::default(),
        };
        for draft in drafts {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            queries.push(encoder.query(&spec, draft, Some((KEPT, &mut rng))));
            done += 1;
            if done % 64 == 0 || done == total {
                watch.step("examples", done, total, "");
            }
        }
    }

    let snapshot = Snapshot::fit(shop, &slots, valid.from, [[0; 32]; 3]);
    let indices = snapshot.indices(shop)?;
    let mut encoder = Encoder {
        shop,
        history,
        tables: snapshot.tables()?,
        indices: &indices,
        affinity: Affinity::default(),
    };
    let valid = cases(shop, valid)
        .iter()
        .map(|case: &Case| {
            let draft = Draft {
                customer: case.customer,
                now: valid.from,
                session: Vec::new(),
                truth: case.truth.clone(),
            };
            encoder.query(&spec, &draft, None)
        })
        .collect();
    Ok(Examples {
        spec,
        slots,
        train: queries,
        valid,
    })
}
