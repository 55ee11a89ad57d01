//! Catalogues as text: tables with a header, and JSON-LD of schema.org.

use std::path::Path;

use serde_json::Value;
use shelfedge_assistant::graph::compile::catalogue::{Item, RELATED};

use crate::error::{Error, Result};
use crate::import::{ends_quoted, quote_open};

/// Names of columns and fields for an id, the first that is there; then for a name.
const IDS: [&str; 7] = [
    "sku",
    "productID",
    "id",
    "item_id",
    "product_id",
    "gtin",
    "@id",
];
const NAMES: [&str; 3] = ["name", "title", "item_name"];
const BRANDS: [&str; 2] = ["brand", "item_brand"];
const CATEGORIES: [&str; 3] = ["category", "product_type", "item_category"];
const CURRENCIES: [&str; 2] = ["currency", "priceCurrency"];
/// Fields of a product at schema.org that say what it is like.
const FIELDS: [&str; 7] = [
    "color",
    "size",
    "material",
    "pattern",
    "model",
    "mpn",
    "itemCondition",
];

/// Adds a catalogue's products to others. How many of its entries are none.
pub(super) fn catalogue(path: &Path, text: &str, items: &mut Vec<Item>) -> Result<usize> {
    let kind = path
        .extension()
        .and_then(|it| it.to_str())
        .unwrap_or_default();
    match kind.to_ascii_lowercase().as_str() {
        "csv" => table(path, text, items).map(|()| 0),
        "json" | "jsonld" => linked(path, text, items),
        _ => Err(Error::fault(
            "catalogue_format",
            path.display().to_string(),
            "it is neither .csv nor .json nor .jsonld",
            "export the catalogue as CSV with a header, or as JSON-LD",
        )),
    }
}

/// A category's path: `Phones > Cases`.
fn levels(text: &str) -> Vec<String> {
    let levels = text.split('>').map(str::trim).filter(|it| !it.is_empty());
    levels.map(str::to_owned).collect()
}

fn table(path: &Path, text: &str, items: &mut Vec<Item>) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let at = |line: u64| format!("{} line {line}", path.display());
    let broken = |why: &csv::Error| {
        let line = why.position().map_or(1, csv::Position::line);
        Error::fault(
            "csv_broken",
            at(line),
            why.to_string(),
            "export the table again as CSV in UTF-8",
        )
    };
    let header = reader.headers().map_err(|e| broken(&e))?.clone();
    let column = |names: &[&str]| {
        let same = |name: &&str| {
            header
                .iter()
                .position(|it| it.trim().eq_ignore_ascii_case(name))
        };
        names.iter().find_map(same)
    };
    let (id, name) = (column(&IDS), column(&NAMES));
    let (Some(id), Some(name)) = (id, name) else {
        return Err(Error::fault(
            "catalogue_columns",
            at(1),
            "the header has no column for the product's id or for its name",
            format!(
                "name them {} and {}",
                IDS[..5].join(" or "),
                NAMES.join(" or ")
            ),
        ));
    };
    let [brand, category, currency] = [&BRANDS[..], &CATEGORIES, &CURRENCIES].map(column);
    let (price, availability) = (column(&["price"]), column(&["availability"]));
    let own = [
        Some(id),
        Some(name),
        brand,
        category,
        currency,
        price,
        availability,
    ];
    let mut faults = Vec::new();
    for (place, name) in header.iter().enumerate() {
        let mut before = header.iter().take(place);
        if before.any(|it| it.trim().eq_ignore_ascii_case(name.trim())) {
            faults.push(crate::error::fault(
                "column_twice",
                at(1),
                format!("two columns are called {:?}", name.trim()),
                "leave one of them out, or call it something else",
            ));
        }
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| broken(&e))? {
        let line = record.position().map_or(1, csv::Position::line);
        if reader.position().byte() as usize >= text.len() {
            let start = record.position().map_or(0, |it| it.byte() as usize);
            let last = text.as_bytes().get(start..).unwrap_or_default();
            if ends_quoted(last, b',') {
                let lines = last.iter().filter(|byte| **byte == b'\n').count();
                return Err(quote_open(at(line), lines.max(1) as u64));
            }
        }
        if record.len() != header.len() {
            faults.push(crate::error::fault(
                "csv_fields",
                at(line),
                format!(
                    "it has {} fields, the header {}",
                    record.len(),
                    header.len()
                ),
                "give every row the header's columns",
            ));
            continue;
        }
        let get = |column: Option<usize>| {
            let text = record.get(column?)?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let (mut amount, mut code) = (get(price), get(currency));
        // As in feeds: 19.99 GBP.
        if let Some((number, unit)) = amount.clone().as_deref().and_then(|it| it.split_once(' ')) {
            amount = Some(number.to_owned());
            code = code.or(Some(unit.to_owned()));
        }
        let mut item = Item {
            at: at(line),
            id: get(Some(id)).unwrap_or_default(),
            name: get(Some(name)).unwrap_or_default(),
            brand: get(brand),
            categories: get(category).map_or_else(Vec::new, |it| levels(&it)),
            price: amount,
            currency: code,
            availability: get(availability),
            ..Item::default()
        };
        for (at, field) in header.iter().enumerate() {
            let Some(text) = get(Some(at)).filter(|_| !own.contains(&Some(at))) else {
                continue;
            };
            let field = field.trim().to_owned();
            if RELATED.iter().any(|it| it.0 == field) {
                let others = text.split('|').map(str::trim).filter(|it| !it.is_empty());
                item.related
                    .extend(others.map(|it| (field.clone(), it.to_owned())));
            } else {
                item.properties.push((field, text));
            }
        }
        items.push(item);
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(faults)),
    }
}

fn linked(path: &Path, text: &str, items: &mut Vec<Item>) -> Result<usize> {
    let all: Value = serde_json::from_str(text).map_err(|why| {
        Error::fault(
            "json_malformed",
            format!(
                "{} line {} column {}",
                path.display(),
                why.line(),
                why.column()
            ),
            why.to_string(),
            "export the catalogue again as JSON-LD",
        )
    })?;
    let mut left_out = 0;
    walk(
        &all,
        &path.display().to_string(),
        &mut |at, node| match is_product(node) {
            true => items.push(product(at, node)),
            false => left_out += 1,
        },
    );
    Ok(left_out)
}

/// The nodes of a document: itself, those of a list, of `@graph`, of an ItemList.
fn walk(value: &Value, at: &str, of: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Array(list) => {
            for (i, one) in list.iter().enumerate() {
                walk(one, &format!("{at}[{i}]"), of);
            }
        }
        Value::Object(map) => {
            let inner = ["@graph", "itemListElement", "item"];
            match inner.iter().find(|it| map.contains_key(**it)) {
                Some(key) => walk(&map[*key], &format!("{at} {key}"), of),
                None => of(at, value),
            }
        }
        _ => of(at, value),
    }
}

fn is_product(node: &Value) -> bool {
    let is = |it: &Value| {
        let name = it.as_str().and_then(|it| it.rsplit(['/', ':']).next());
        name == Some("Product")
    };
    match &node["@type"] {
        Value::Array(list) => list.iter().any(is),
        one => is(one),
    }
}

/// A text, a number, or the name of a thing.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|it| !it.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(map) => ["name", "@value", "value"]
            .iter()
            .find_map(|it| plain(map.get(*it)?)),
        Value::Array(list) => plain(list.first()?),
        Value::Null | Value::Bool(_) => None,
    }
}

fn several(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => core::slice::from_ref(one),
    }
}

fn product(at: &str, node: &Value) -> Item {
    let first = |names: &[&str]| names.iter().find_map(|it| plain(&node[*it]));
    let offer = several(&node["offers"]).first().unwrap_or(&Value::Null);
    let of_offer = |names: &[&str]| names.iter().find_map(|it| plain(&offer[*it]));
    let mut item = Item {
        at: at.to_owned(),
        id: first(&IDS).unwrap_or_default(),
        name: first(&NAMES).unwrap_or_default(),
        brand: plain(&node["brand"]),
        categories: plain(&node["category"]).map_or_else(Vec::new, |it| levels(&it)),
        price: of_offer(&["price", "lowPrice"]),
        currency: of_offer(&["priceCurrency"]),
        availability: of_offer(&["availability"]),
        ..Item::default()
    };
    for field in FIELDS {
        item.properties
            .extend(plain(&node[field]).map(|it| (field.to_owned(), it)));
    }
    for property in several(&node["additionalProperty"]) {
        let value = plain(&property["value"]);
        item.properties.extend(plain(&property["name"]).zip(value));
    }
    for (field, _) in RELATED {
        for other in several(&node[field]) {
            let id = IDS.iter().chain(&NAMES).find_map(|it| plain(&other[*it]));
            let other = id.or_else(|| plain(other));
            item.related.extend(other.map(|it| (field.to_owned(), it)));
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn check(name: &str, text: &str) -> String {
        let mut items = Vec::new();
        match catalogue(Path::new(name), text, &mut items) {
            Ok(left_out) => format!("{items:#?}\n{left_out} left out"),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn tables_and_linked_data_say_the_same() {
        let csv = "sku,title,brand,category,price,availability,color,isAccessoryOrSparePartFor\n\
            a1,Leather Case,Acme,Phones > Cases,19.99 GBP,in stock,red,iPhone 5|iPhone 6\n";
        let json = r#"{"@context": "https://schema.org", "@graph": [
            {"@type": "Organization", "name": "Shop"},
            {"@type": ["Product", "x"], "sku": "a1", "name": "Leather Case", "brand": {"@type": "Brand", "name": "Acme"},
             "category": "Phones > Cases", "color": "red",
             "offers": [{"@type": "Offer", "price": 19.99, "priceCurrency": "GBP", "availability": "in stock"}],
             "isAccessoryOrSparePartFor": [{"@type": "Product", "name": "iPhone 5"}, "iPhone 6"]}]}"#;
        let (mut one, mut other) = (Vec::new(), Vec::new());
        assert_eq!(
            catalogue(Path::new("a.csv"), csv, &mut one).expect("a table"),
            0
        );
        assert_eq!(
            catalogue(Path::new("a.json"), json, &mut other).expect("products"),
            1
        );
        assert_eq!(
            (one[0].at.as_str(), other[0].at.as_str()),
            ("a.csv line 2", "a.json @graph[1]")
        );
        assert_eq!(one[0].currency.as_deref(), Some("GBP"));
        other[0].at = one[0].at.clone();
        assert_eq!(one, other);
    }

    #[test]
    fn what_is_broken_is_said_with_its_line() {
        let broken = [
            check("a.csv", "id,name\n1,a\n2\n3,c,d\n"),
            check("a.csv", "code,name\n1,a\n"),
            check("a.json", "{\n  \"@type\": Product\n}"),
            check("a.xml", ""),
        ];
        expect![[r#"
            csv_fields at a.csv line 3
              cause:  it has 1 fields, the header 2
              action: give every row the header's columns
            csv_fields at a.csv line 4
              cause:  it has 3 fields, the header 2
              action: give every row the header's columns
            catalogue_columns at a.csv line 1
              cause:  the header has no column for the product's id or for its name
              action: name them sku or productID or id or item_id or product_id and name or title or item_name
            json_malformed at a.json line 2 column 12
              cause:  expected value at line 2 column 12
              action: export the catalogue again as JSON-LD
            catalogue_format at a.xml
              cause:  it is neither .csv nor .json nor .jsonld
              action: export the catalogue as CSV with a header, or as JSON-LD"#]].assert_eq(&broken.join("\n"));
    }
}
