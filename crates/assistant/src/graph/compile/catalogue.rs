//! What a shop sells as facts, with the names of schema.org's Product and Offer.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_commerce::fault::quote;
use shelfedge_commerce::{Currency, Faults, Invalid, Money, Product, codes};

use super::super::{NAME, Number, ValueKind};
use super::{Draft, Link, Node, Object, RELATION_KIND, RELATION_UNKNOWN, VALUE, invalid};

/// A product with its offer, as a boundary found it in JSON-LD or in a table: text that
/// isn't checked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Where it stood, such as `shop.csv line 4` or `@graph[3]`.
    pub at: String,
    /// `sku`, `productID` or `@id`.
    pub id: String,
    /// `name`.
    pub name: String,
    /// `brand`, by name.
    pub brand: Option<String>,
    /// `category`, from the widest to the narrowest.
    pub categories: Vec<String>,
    /// `offers.price`, as a decimal number.
    pub price: Option<String>,
    /// `offers.priceCurrency`, of ISO 4217.
    pub currency: Option<String>,
    /// `offers.availability`, with or without the address of schema.org.
    pub availability: Option<String>,
    /// Further properties by name (`color`, `additionalProperty`): numbers where all
    /// products' are, texts where not.
    pub properties: Vec<(String, String)>,
    /// Relations to other products, as [`RELATED`] names them, with the other's id; what
    /// it fits may be anything by its name.
    pub related: Vec<(String, String)>,
}

impl From<&Product> for Item {
    fn from(product: &Product) -> Self {
        let variant = product.variant.iter();
        Self {
            at: format!("product {}", quote(product.id.as_str())),
            id: product.id.as_str().to_owned(),
            name: product.title.clone(),
            brand: product.brand.clone(),
            categories: product.categories.clone(),
            price: Some(product.price.to_decimal()),
            currency: Some(product.price.currency.code().to_owned()),
            properties: (variant.map(|it| ("variant".to_owned(), it.clone()))).collect(),
            ..Self::default()
        }
    }
}

/// The relation to what a product fits, which needn't be a product of the shop.
pub const FITS: &str = "isAccessoryOrSparePartFor";

/// Relations between products: their names at schema.org, and for customers.
pub const RELATED: [(&str, [&str; 2]); 5] = [
    (FITS, ["compatible device", "适用机型"]),
    ("isConsumableFor", ["device that uses it up", "适用设备"]),
    ("isRelatedTo", ["related product", "相关商品"]),
    ("isSimilarTo", ["similar product", "类似商品"]),
    ("isVariantOf", ["product group", "所属款式"]),
];

/// The types of a catalogue's entities: products, brands, categories, and what products
/// fit without being one.
pub const TYPES: [&str; 4] = ["Product", "Brand", "Category", "Thing"];

const OWN: [(&str, ValueKind, [&str; 2]); 6] = [
    (NAME, ValueKind::Text, ["name", "名称"]),
    ("brand", ValueKind::Entity, ["brand", "品牌"]),
    ("category", ValueKind::Entity, ["category", "类别"]),
    ("broader", ValueKind::Entity, ["wider category", "上级类别"]),
    ("price", ValueKind::Money, ["price", "价格"]),
    (
        "availability",
        ValueKind::Availability,
        ["availability", "供货情况"],
    ),
];

/// Adds products to a draft. A category is keyed by all that it is in, such as
/// `Phones > Cases`, and called by its own name; a product is in each of them.
///
/// # Errors
/// Every fault of every item, such as `shop.csv line 4: price`; the draft is then of no
/// use.
pub fn add(draft: &mut Draft, items: &[Item]) -> Result<(), Faults> {
    let mut faults = Faults::default();
    let ids = ids(items, &mut faults);
    let mut declare = |draft: &mut Draft, name: &str, kind, labels| {
        faults.take(draft.relation(name, kind, labels), || {
            format!("relation {name}")
        })
    };
    let own = OWN.map(|(name, kind, labels)| declare(draft, name, kind, labels));
    let related = RELATED.map(|(name, labels)| declare(draft, name, ValueKind::Entity, labels));
    let mut properties = BTreeMap::new();
    for (name, kind) in kinds(items) {
        let reserved = OWN.iter().any(|it| it.0 == name) || RELATED.iter().any(|it| it.0 == name);
        if !reserved {
            properties.insert(name, declare(draft, name, kind, [name, name]));
        }
    }
    let [
        Some(name),
        Some(brand),
        Some(category),
        Some(broader),
        Some(price),
        Some(availability),
    ] = own
    else {
        return faults.into_result(());
    };
    for item in items {
        let mut put = |result: Result<(), Invalid>, field: &str| {
            faults.take(result, || format!("{}: {field}", item.at));
        };
        let product = match draft.entity(TYPES[0], item.id.trim()) {
            Ok(product) => product,
            Err(why) => {
                put(Err(why), "id");
                continue;
            }
        };
        put(draft.add_text(product, name, item.name.trim()), "name");
        if let Some(text) = &item.brand {
            put(link(draft, product, brand, TYPES[1], text.trim()), "brand");
        }
        put(
            categories(draft, product, [category, broader, name], item),
            "category",
        );
        if let Some(text) = &item.price {
            put(
                priced(draft, product, price, text, item.currency.as_deref()),
                "price",
            );
        }
        if let Some(text) = &item.availability {
            put(
                draft.add_text(product, availability, text.trim()),
                "availability",
            );
        }
        for (field, text) in &item.properties {
            let result = match properties.get(field.as_str()) {
                Some(Some(property)) => draft.add_text(product, *property, text.trim()),
                // It was noted when it was declared.
                Some(None) => Ok(()),
                None => Err(invalid(
                    &RELATION_KIND,
                    "its name is one of the catalogue's own",
                )),
            };
            put(result, field);
        }
        for (field, other) in &item.related {
            let other = other.trim();
            let known = RELATED.iter().zip(related).find(|it| it.0.0 == field);
            let result = match known {
                Some((_, Some(relation))) if ids.contains(other) => {
                    link(draft, product, relation, TYPES[0], other)
                }
                Some(((FITS, _), Some(relation))) => {
                    link(draft, product, relation, TYPES[3], other)
                }
                Some((_, Some(_))) => Err(invalid(
                    &VALUE,
                    format!("there is no product {}", quote(other)),
                )),
                Some((_, None)) => Ok(()),
                None => Err(invalid(
                    &RELATION_UNKNOWN,
                    format!("{} isn't a relation between products", quote(field)),
                )),
            };
            put(result, field);
        }
    }
    faults.into_result(())
}

fn ids<'a>(items: &'a [Item], faults: &mut Faults) -> BTreeSet<&'a str> {
    let mut ids = BTreeSet::new();
    for item in items {
        if !ids.insert(item.id.trim()) {
            let cause = format!("{} was there before", quote(&item.id));
            faults.push(invalid(&codes::DUPLICATE_ID, cause).at(format!("{}: id", item.at)));
        }
    }
    if items.is_empty() {
        faults.push(invalid(&codes::CATALOGUE_EMPTY, "there is no product").at(""));
    }
    ids
}

/// A property is a number where it is one for all.
fn kinds(items: &[Item]) -> BTreeMap<&str, ValueKind> {
    let mut kinds = BTreeMap::new();
    for (name, text) in items.iter().flat_map(|it| &it.properties) {
        let kind = kinds.entry(name.as_str()).or_insert(ValueKind::Number);
        if Number::parse(text.trim()).is_none() {
            *kind = ValueKind::Text;
        }
    }
    kinds
}

fn link(
    draft: &mut Draft,
    product: Node,
    relation: Link,
    kind: &str,
    key: &str,
) -> Result<(), Invalid> {
    let other = draft.entity(kind, key)?;
    draft.add(product, relation, Object::Entity(other))
}

fn categories(
    draft: &mut Draft,
    product: Node,
    [category, broader, name]: [Link; 3],
    item: &Item,
) -> Result<(), Invalid> {
    let mut path = String::new();
    let mut wider = None;
    for text in item.categories.iter().map(|it| it.trim()) {
        if !path.is_empty() {
            path.push_str(" > ");
        }
        path.push_str(text);
        let node = draft.entity(TYPES[2], &path)?;
        draft.add(node, name, Object::Text(text))?;
        draft.add(product, category, Object::Entity(node))?;
        if let Some(wider) = wider.replace(node) {
            draft.add(node, broader, Object::Entity(wider))?;
        }
    }
    Ok(())
}

fn priced(
    draft: &mut Draft,
    product: Node,
    relation: Link,
    text: &str,
    currency: Option<&str>,
) -> Result<(), Invalid> {
    let currency =
        currency.ok_or_else(|| invalid(&codes::CURRENCY_MISSING, "a price has no currency"))?;
    let money = Money::parse_decimal(text.trim(), Currency::parse(currency.trim())?)?;
    match money.minor {
        0.. => draft.add(product, relation, Object::Money(money)),
        _ => Err(invalid(
            &codes::MONEY_NEGATIVE,
            format!("the price is {money}"),
        )),
    }
}
