//! What the shop sells.

use std::collections::BTreeMap;

use crate::codes;
use crate::fault::{Fault, Faults, quote};
use crate::id::ProductId;
use crate::money::{Currency, Money};

/// A product, with the optional fields of a GA4 item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// GA4 `item_id`.
    pub id: ProductId,
    /// GA4 `item_name`.
    pub title: String,
    /// The price of one.
    pub price: Money,
    /// GA4 `item_brand`.
    pub brand: Option<String>,
    /// GA4 `item_category` to `item_category5`, from the widest to the
    /// narrowest; at most five.
    pub categories: Vec<String>,
    /// GA4 `item_variant`.
    pub variant: Option<String>,
}

impl Product {
    /// A product without the optional fields.
    pub fn new(id: ProductId, title: impl Into<String>, price: Money) -> Self {
        Self {
            id,
            title: title.into(),
            price,
            brand: None,
            categories: Vec::new(),
            variant: None,
        }
    }
}

/// GA4 has `item_category` and `item_category2` to `item_category5`.
pub const MAX_CATEGORIES: usize = 5;

/// All products of a shop: at least one, no id twice, one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    products: Vec<Product>,
    by_id: BTreeMap<ProductId, usize>,
}

impl Catalogue {
    /// Checks the products and keeps their order.
    ///
    /// # Errors
    /// All of: no product, an id that occurred before, an empty title, a
    /// negative price, a price in another currency than the first, more than
    /// five categories. Paths are such as `products[3].id`.
    pub fn new(products: Vec<Product>) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        if products.is_empty() {
            faults.push(Fault::new(
                &codes::CATALOGUE_EMPTY,
                "products",
                "there is no product",
            ));
        }
        let mut by_id = BTreeMap::new();
        for (index, product) in products.iter().enumerate() {
            let path = |field: &str| format!("products[{index}].{field}");
            if let Some(first) = by_id.get(&product.id) {
                faults.push(Fault::new(
                    &codes::DUPLICATE_ID,
                    path("id"),
                    format!("{} is also products[{first}]", quote(product.id.as_str())),
                ));
            } else {
                by_id.insert(product.id.clone(), index);
            }
            if product.title.trim().is_empty() {
                faults.push(Fault::new(
                    &codes::TEXT_EMPTY,
                    path("title"),
                    "the title is empty",
                ));
            }
            if product.price.minor < 0 {
                faults.push(Fault::new(
                    &codes::MONEY_NEGATIVE,
                    path("price"),
                    format!("the price is {}", product.price),
                ));
            }
            let currency = products[0].price.currency;
            if product.price.currency != currency {
                faults.push(Fault::new(
                    &codes::CURRENCY_MIXED,
                    path("price"),
                    format!(
                        "the catalogue began in {currency} and goes on in {}",
                        product.price.currency
                    ),
                ));
            }
            if product.categories.len() > MAX_CATEGORIES {
                faults.push(Fault::new(
                    &codes::CATEGORIES_TOO_MANY,
                    path("categories"),
                    format!("there are {} categories", product.categories.len()),
                ));
            }
        }
        faults.into_result(Self { products, by_id })
    }

    /// The products in their order.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// A product by its id.
    pub fn get(&self, id: &str) -> Option<&Product> {
        self.index(id).map(|index| &self.products[index])
    }

    /// The place of a product in [`Catalogue::products`].
    pub fn index(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// How many products; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a catalogue is never empty")]
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// The currency of every price.
    pub fn currency(&self) -> Currency {
        self.products[0].price.currency
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn product(id: &str, title: &str, minor: i64, currency: Currency) -> Product {
        Product::new(
            ProductId::new(id).expect("an id"),
            title,
            Money::new(minor, currency),
        )
    }

    #[test]
    fn every_fault_at_once() {
        let mut wide = product("c", "Candle", 100, Currency::GBP);
        wide.categories = vec!["x".to_owned(); 6];
        let faults = Catalogue::new(vec![
            product("a", "Lantern", 255, Currency::GBP),
            product("a", " ", -5, Currency::EUR),
            wide,
        ])
        .expect_err("faults");
        let short: Vec<_> = faults
            .iter()
            .map(|fault| format!("{} {}", fault.path, fault.code))
            .collect();
        expect![[r#"
            products[1].id duplicate_id
            products[1].title text_empty
            products[1].price money_negative
            products[1].price currency_mixed
            products[2].categories categories_too_many"#]]
        .assert_eq(&short.join("\n"));
        assert_eq!(Catalogue::new(vec![]).expect_err("empty").len(), 1);
    }

    #[test]
    fn finds_by_id() {
        let catalogue = Catalogue::new(vec![
            product("b", "Lantern", 255, Currency::GBP),
            product("a", "Candle", 100, Currency::GBP),
        ])
        .expect("a catalogue");
        assert_eq!(catalogue.len(), 2);
        assert_eq!(catalogue.index("a"), Some(1));
        assert_eq!(
            catalogue.get("b").map(|it| it.title.as_str()),
            Some("Lantern")
        );
        assert_eq!(catalogue.get("z"), None);
        assert_eq!(catalogue.currency(), Currency::GBP);
    }
}
