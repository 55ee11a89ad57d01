//! The small bundles in `tests/data/bundles`, on which every target is tested with
//! models that have a log: they are what the commands make of a part of the demo
//! shop. `UPDATE_EXPECT=1` makes them again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{run, text};
use shelfedge_commerce::money::Money;
use shelfedge_commerce::time::Timestamp;
use shelfedge_trainer::import::import;
use shelfedge_trainer::shop::Shop;
use shelfedge_trainer::watch::Silent;

/// How much of the shop: what and who occurs in the most orders.
const PRODUCTS: usize = 120;
const CUSTOMERS: usize = 160;

const ORDERS: &str = "format = 1\ncurrency = \"GBP\"\n[columns]\norder = \"order\"\nproduct = \"product\"\n\
    title = \"title\"\nquantity = \"quantity\"\ntime = \"time\"\nunit_price = \"price\"\ncustomer = \"customer\"\n\
    category = \"category\"\n";
const SESSIONS: &str = "format = 1\ncurrency = \"GBP\"\n[sequences]\nof = \"sessions\"\n\
    sequence = \"order\"\nproduct = \"product\"\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The most frequent of many.
fn most(all: impl Iterator<Item = u32>, keep: usize) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let mut order: Vec<(u32, usize)> = counts.into_iter().collect();
    order.sort_by_key(|(one, count)| (std::cmp::Reverse(*count), *one));
    order.into_iter().take(keep).map(|(one, _)| one).collect()
}

/// A part of the shop as a table.
fn part(shop: &Shop) -> String {
    let customers = most(shop.orders.iter().map(|order| order.customer), CUSTOMERS);
    let orders = || {
        let orders = shop.orders.iter();
        orders.filter(|order| customers.contains(&order.customer))
    };
    let lines = orders().flat_map(|order| &order.lines);
    let products = most(lines.map(|line| line.product), PRODUCTS);
    let mut csv = "order,product,title,quantity,time,price,customer,category\n".to_owned();
    for order in orders() {
        for line in &order.lines {
            if products.contains(&line.product) {
                let product = &shop.products[line.product as usize];
                writeln!(
                    csv,
                    "{},{},\"{}\",{},{},{},{},{}",
                    order.id,
                    product.code,
                    product.title.replace('"', "\"\""),
                    line.quantity,
                    Timestamp(order.time),
                    Money::new(line.unit_price, shop.currency).to_decimal(),
                    shop.customers[order.customer as usize].id,
                    // The shop has no categories; its codes begin with a range.
                    &product.code[..2],
                )
                .unwrap();
            }
        }
    }
    csv
}

#[test]
fn the_committed_bundles_are_what_the_commands_make() {
    let imported = import(&root().join("tests/data/online-retail"), None, &mut Silent).unwrap();
    let csv = part(&imported.shop);
    let folder = tempfile::tempdir().unwrap();
    for (command, mapping, settings) in [
        (
            "basket",
            ORDERS,
            "trees = 40\nmin_rows = 40\nwindows = 3\ncandidates = 60\n",
        ),
        (
            "next",
            SESSIONS,
            "trees = 40\nmin_rows = 40\ncandidates = 40\nnegatives = 20\n",
        ),
    ] {
        let shop = folder.path().join(command);
        fs::create_dir(&shop).unwrap();
        fs::write(shop.join("orders.csv"), &csv).unwrap();
        fs::write(shop.join("mapping.toml"), mapping).unwrap();
        let attribution = root().join("tests/data/online-retail/ATTRIBUTION.md");
        fs::copy(attribution, shop.join("ATTRIBUTION.md")).unwrap();
        let committed = root().join("tests/data/bundles").join(command);
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        let out = match update {
            true => committed.clone(),
            false => folder.path().join("out"),
        };
        let arguments = [
            command,
            "--no-test",
            "--shop",
            text(&shop),
            "--out",
            text(&out),
        ];
        run(folder.path(), settings, &arguments);
        for part in [
            "model.shelf",
            "model.onnx",
            "golden.json",
            "manifest.json",
            "CARD.md",
        ] {
            let read = |folder: &Path| fs::read(folder.join(part)).unwrap();
            assert!(read(&out) == read(&committed), "{command}: {part} differs");
        }
    }
}
