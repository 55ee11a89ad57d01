//! A shop's history in memory: compact, sorted, and the same whatever order the
//! rows were read in.

use shelfedge_commerce::money::Currency;
use shelfedge_features::attributes::{AttributeRow, SECTION, write};

/// A product that was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopProduct {
    /// The shop's code.
    pub code: String,
    /// The latest title that was not empty.
    pub title: String,
    /// The latest category, brand and seller that were not empty; all empty where the
    /// shop's tables don't say.
    pub attributes: [String; 3],
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

    /// The shop as it was at a time: its orders before, and what was sold in them.
    pub fn until(&self, time: i64) -> Self {
        let orders = self.before(time);
        let mut index = vec![u32::MAX; self.products.len()];
        for line in orders.iter().flat_map(|order| &order.lines) {
            index[line.product as usize] = 0;
        }
        let mut products = Vec::new();
        for (product, index) in self.products.iter().zip(&mut index) {
            if *index == 0 {
                *index = products.len() as u32;
                products.push(product.clone());
            }
        }
        let mut orders = orders.to_vec();
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

    /// Time of the last order.
    pub fn end(&self) -> i64 {
        self.orders.last().map_or(0, |o| o.time)
    }
}
