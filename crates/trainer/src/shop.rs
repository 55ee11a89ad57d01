//! A shop's history in memory: compact, sorted, and the same whatever order the
//! rows were read in.

use std::collections::BTreeMap;

use shelfedge_commerce::Fault;
use shelfedge_commerce::money::Currency;
use shelfedge_commerce::time::{DAY, Timestamp};
use shelfedge_features::attributes::{AttributeRow, SECTION, write};

use crate::error::fault;

/// After so much time without an order (eight months, which teach) the few that follow
/// were dated wrongly.
const AHEAD: i64 = 240 * DAY;

/// A product that was sold, or that the shop has and nobody bought yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopProduct {
    /// The shop's code.
    pub code: String,
    /// The latest title that was not empty.
    pub title: String,
    /// The latest category, brand and seller that were not empty; all empty where the
    /// shop's tables don't say.
    pub attributes: [String; 3],
    /// Embedding of its photo in 8 bits, as wide as all are; empty without a photo, and
    /// where no photos were looked at.
    pub photo: Vec<i8>,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopCustomer {
    /// The shop's number.
    pub id: String,
    /// The country of the latest order.
    pub country: String,
}

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into [`Shop::products`].
    pub product: u32,
    /// Pieces.
    pub quantity: u32,
    /// Mean price of a piece in minor units of the shop's currency.
    pub unit_price: i64,
}

/// An order of one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopOrder {
    /// The shop's number.
    pub id: String,
    /// Index into [`Shop::customers`].
    pub customer: u32,
    /// Milliseconds since 1970 UTC, of its first line.
    pub time: i64,
    /// By product.
    pub lines: Vec<Line>,
}

/// Categories, brands and sellers of products, as a section of a compiled model;
/// none where no product has any.
pub(crate) fn attributes(products: &[&ShopProduct]) -> Option<(&'static str, Vec<u8>)> {
    let known = |name: &String| !name.is_empty();
    let any = products.iter().any(|p| p.attributes.iter().any(known));
    any.then(|| {
        let rows: Vec<AttributeRow> = products
            .iter()
            .map(|product| {
                let [category, brand, seller] = product.attributes.clone().map(Some);
                AttributeRow {
                    category,
                    brand,
                    seller,
                }
            })
            .collect();
        (SECTION, write(&rows))
    })
}

/// A shop's history.
#[derive(Clone, Debug)]
pub struct Shop {
    /// Currency of all prices.
    pub currency: Currency,
    /// By code.
    pub products: Vec<ShopProduct>,
    /// By id.
    pub customers: Vec<ShopCustomer>,
    /// By time, then id, then customer.
    pub orders: Vec<ShopOrder>,
}

impl Shop {
    /// The orders before a time.
    pub fn before(&self, time: i64) -> &[ShopOrder] {
        &self.orders[..self.orders.partition_point(|o| o.time < time)]
    }

    /// The orders in a window, its end excluded.
    pub fn between(&self, from: i64, to: i64) -> &[ShopOrder] {
        let start = self.orders.partition_point(|o| o.time < from);
        let end = self.orders.partition_point(|o| o.time < to);
        &self.orders[start..end.max(start)]
    }

    /// Whether each product was ever sold before a time.
    pub fn sold(&self, before: i64) -> Vec<bool> {
        let mut sold = vec![false; self.products.len()];
        for line in self.before(before).iter().flat_map(|order| &order.lines) {
            sold[line.product as usize] = true;
        }
        sold
    }

    /// The shop as it was at a time: its orders before, what was sold in them, and
    /// what was never sold, then or later.
    pub fn until(&self, time: i64) -> Self {
        let (before, ever) = (self.sold(time), self.sold(i64::MAX));
        let mut index = vec![u32::MAX; self.products.len()];
        let mut products = Vec::new();
        for (number, product) in self.products.iter().enumerate() {
            if before[number] || !ever[number] {
                index[number] = products.len() as u32;
                products.push(product.clone());
            }
        }
        let mut orders = self.before(time).to_vec();
        for line in orders.iter_mut().flat_map(|order| &mut order.lines) {
            line.product = index[line.product as usize];
        }
        Self {
            currency: self.currency,
            products,
            customers: self.customers.clone(),
            orders,
        }
    }

    /// A fault where a few orders (one in a hundred at most) are dated so long after all
    /// others that the newest weeks hold nothing else: a clock or a date was wrong.
    pub(crate) fn dated_ahead(&self) -> Option<Fault> {
        let times = |at: usize| self.orders[at].time;
        let few = self.orders.len().div_ceil(100);
        let begin = self.orders.len().saturating_sub(few).max(1);
        let jump = (begin..self.orders.len()).find(|at| times(*at) - times(at - 1) > AHEAD)?;
        let (last, newest) = (times(jump - 1), times(self.orders.len() - 1));
        Some(fault(
            "dates_ahead",
            "orders",
            format!(
                "{} of {} orders are dated {} days or more after all others, which end at {}; the newest at {}",
                self.orders.len() - jump,
                self.orders.len(),
                (times(jump) - last) / DAY,
                Timestamp(last),
                Timestamp(newest),
            ),
            "correct their dates, or leave them out by `before` under [time] of the mapping: a model learns from the newest months and is measured on \
             the newest days",
        ))
    }

    /// Adds products that were never sold, by their codes, with titles. None of them
    /// may be known.
    pub(crate) fn add(&mut self, new: BTreeMap<String, String>) {
        let known = std::mem::take(&mut self.products);
        let known = (0u32..)
            .zip(known)
            .map(|(old, product)| (Some(old), product));
        let new = new.into_iter().map(|(code, title)| {
            let attributes = Default::default();
            (
                None,
                ShopProduct {
                    code,
                    title,
                    attributes,
                    photo: Vec::new(),
                },
            )
        });
        let mut all: Vec<(Option<u32>, ShopProduct)> = known.chain(new).collect();
        all.sort_by(|(_, a), (_, b)| a.code.cmp(&b.code));
        let mut index = vec![0; all.len()];
        for (number, (old, product)) in (0u32..).zip(all) {
            if let Some(old) = old {
                index[old as usize] = number;
            }
            self.products.push(product);
        }
        for line in self.orders.iter_mut().flat_map(|order| &mut order.lines) {
            line.product = index[line.product as usize];
        }
    }

    /// Time of the last order.
    pub fn end(&self) -> i64 {
        self.orders.last().map_or(0, |o| o.time)
    }
}
