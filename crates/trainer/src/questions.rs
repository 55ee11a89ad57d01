//! The questions of a bundle: what to ask a shopper of whom nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_features::questions::fit::{Fitted, Product, SHORTEST, fit};
use shelfedge_features::questions::{Question, SECTION, write};

use crate::shop::Shop;

/// Orders of one customer that say what is wanted, at most.
const ORDERS_OF_ONE: usize = 50;

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
    let mut orders: Vec<(u32, Vec<u32>)> = Vec::new();
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
            let found = std::mem::take(found).into_iter().collect();
            orders.push((order.customer, found));
        }
    }
    fit(&products, &newest_of_each(orders), most)
}

/// The orders without all but the newest [`ORDERS_OF_ONE`] of each customer: nobody's
/// taste is everybody's.
fn newest_of_each(mut orders: Vec<(u32, Vec<u32>)>) -> Vec<Vec<u32>> {
    let mut kept: BTreeMap<u32, usize> = BTreeMap::new();
    orders.reverse();
    orders.retain(|(customer, _)| {
        let kept = kept.entry(*customer).or_default();
        *kept += 1;
        *kept <= ORDERS_OF_ONE
    });
    orders.reverse();
    orders.into_iter().map(|(_, order)| order).collect()
}

/// The same as a section of a compiled model whose products are the shop's; none
/// where there is nothing to ask.
pub(crate) fn section(shop: &Shop, most: usize) -> Option<(&'static str, Vec<u8>)> {
    let fitted = questions(shop, most).into_iter();
    let questions: Vec<Question> = fitted.map(|fitted| fitted.question).collect();
    (!questions.is_empty()).then(|| (SECTION, write(&questions, shop.products.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{Line, ShopCustomer, ShopOrder, ShopProduct};
    use shelfedge_commerce::money::Currency;
    use shelfedge_features::questions::{Kind, read};

    /// Twenty customers who order two products at a time, of one kind each.
    fn shop() -> Shop {
        let what = |i: u32| ["mug", "scarf"][i as usize / 10];
        let product = |i| ShopProduct {
            code: format!("p{i:02}"),
            title: format!("{} {i}", what(i)),
            attributes: Default::default(),
            photo: Vec::new(),
        };
        let order = |i: u32| ShopOrder {
            id: i.to_string(),
            customer: i % 20,
            time: i64::from(i),
            lines: [0, 1]
                .map(|line| Line {
                    product: i % 2 * 10 + (i / 20 * 2 + line + i % 20 / 2) % 10,
                    quantity: 1,
                    unit_price: 250,
                })
                .to_vec(),
        };
        Shop {
            currency: Currency::EUR,
            products: (0..20).map(product).collect(),
            customers: (0..20)
                .map(|i| ShopCustomer {
                    id: i.to_string(),
                    country: String::new(),
                })
                .collect(),
            orders: (0..200).map(order).collect(),
        }
    }

    #[test]
    fn short_orders_of_a_customer_are_told_together() {
        let shop = shop();
        let (name, section) = section(&shop, 5).expect("questions");
        assert_eq!(name, SECTION);
        let questions = read(&section, shop.products.len()).expect("sound");
        assert_eq!(questions.len(), 1);
        assert_eq!(questions[0].kind, Kind::Title);
        let mut answers: Vec<&str> = questions[0].answers.iter().map(|a| &*a.name).collect();
        answers.sort_unstable();
        assert_eq!(answers, ["mug", "scarf"]);
        // One order each is too short.
        let few = Shop {
            orders: shop.orders[..20].to_vec(),
            ..shop.clone()
        };
        assert_eq!(super::section(&few, 5), None);
        assert_eq!(super::section(&shop, 0), None);
    }

    #[test]
    fn one_customer_is_not_everybody() {
        let orders = (0..300u32).map(|i| (u32::from(i % 3 == 0), vec![i]));
        let kept = newest_of_each(orders.collect());
        let (one, other): (Vec<u32>, Vec<u32>) = kept.concat().iter().partition(|it| *it % 3 == 0);
        assert_eq!((one.len(), other.len()), (50, 50));
        assert_eq!((one[0], other[0]), (150, 226), "the newest of each");
        assert!(kept.is_sorted(), "the oldest first, as before");
    }
}
