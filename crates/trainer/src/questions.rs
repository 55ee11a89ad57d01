//! The questions of a bundle: what to ask a shopper of whom nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_features::questions::fit::{Fitted, Product, SHORTEST, fit};
use shelfedge_features::questions::{Question, SECTION, write};

use crate::shop::Shop;

/// The questions that split what a shop's customers order best, at most so many.
pub(crate) fn questions(shop: &Shop, most: usize) -> Vec<Fitted> {
    if most == 0 {
        return Vec::new();
    }
    let mut products: Vec<Product<'_>> = shop
        .products
        .iter()
        .map(|product| {
            let [category, brand, _] = &product.attributes;
            Product {
                title: &product.title,
                category,
                brand,
                price: 0,
            }
        })
        .collect();
    // An order that is too short to be halved waits for the customer's next.
    let mut waiting: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut orders = Vec::new();
    for order in &shop.orders {
        let found = waiting.entry(order.customer).or_default();
        for line in &order.lines {
            found.insert(line.product);
            if line.unit_price > 0 {
                // The price last paid: what the shop asks now.
                products[line.product as usize].price = line.unit_price.unsigned_abs();
            }
        }
        if found.len() >= SHORTEST {
            orders.push(std::mem::take(found).into_iter().collect());
        }
    }
    fit(&products, &orders, most)
}

/// The same as a section of a compiled model whose products are the shop's; none
/// where there is nothing to ask.
pub(crate) fn section(shop: &Shop, most: usize) -> Option<(&'static str, Vec<u8>)> {
    let fitted = questions(shop, most).into_iter();
    let questions: Vec<Question> = fitted.map(|fitted| fitted.question).collect();
    (!questions.is_empty()).then(|| (SECTION, write(&questions, shop.products.len())))
}
