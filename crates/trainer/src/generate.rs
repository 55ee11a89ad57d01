//! A made-up shop as large as one likes, to the statistics of a real one: to see
//! what time and memory a shop of that size takes, before it has it.
//!
//! A smoothed bootstrap (Efron and Tibshirani, "An introduction to the bootstrap",
//! 1993, section 16.5) of customers. Each made-up customer follows a real one, drawn
//! with replacement, with days that differ a little; some lines come from orders of
//! other customers at about the same time. The catalogue is repeated as often as the
//! wanted number of products asks for, and a customer stays with one copy of it, but
//! for a few lines. So orders a customer, lines an order, repeats, seasons, prices and
//! how unequal the products sell are those of the real shop; that a list is good here
//! says nothing, because customers who follow the same one foretell each other.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::WriterProperties;
use arrow_array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use serde::Serialize;
use shelfedge_commerce::time::DAY;

use crate::bundle::remove_partial;
use crate::bundle::write_file;
use crate::error::{Error, Result};
use crate::export::internal;
use crate::rng::Rng;
use crate::shop::{Line, Shop};
use crate::watch::Watch;

/// Days by which a customer's orders are moved, at most, to either side.
const DAYS: usize = 3;
/// Share of the lines that come from other customers' orders.
const FROM_OTHERS: f32 = 0.2;
/// Share of the lines that are of another copy of the catalogue.
const ELSEWHERE: f32 = 0.05;
/// How many orders away, before or after, a line from another customer is drawn.
const NEAR: usize = 200;
/// Rows that are written at once, at most.
const BATCH: usize = 1 << 16;
/// Bytes of titles after which they are written: a column of a batch has less than
/// 2 GiB.
const TITLE_BYTES: usize = 1 << 24;
/// The files of a shop that is made up.
const ORDERS: &str = "orders.parquet";
const TITLES: &str = "titles.parquet";
const MAPPING: &str = "mapping.toml";

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Customers.
    pub customers: u32,
    /// Products, at least: whole copies of the catalogue.
    pub products: u32,
    /// Fixes all that is drawn.
    pub seed: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Who ordered.
    pub customers: u32,
    /// Products of the catalogue, sold or not.
    pub products: u32,
    /// Orders.
    pub orders: u64,
    /// Their lines.
    pub lines: u64,
}

/// An order before its lines are drawn.
struct Draft {
    time: i64,
    customer: u32,
    /// The order that it follows.
    follows: u32,
    copy: u32,
}

/// Writes `orders.parquet`, `titles.parquet` and `mapping.toml` into a new folder,
/// which is there when all of them are.
pub fn generate(like: &Shop, size: Size, out: &Path, watch: &mut dyn Watch) -> Result<Made> {
    if out.exists() {
        return Err(Error::fault(
            "out_exists",
            out.display().to_string(),
            "there is something of this name",
            "name a new folder",
        ));
    }
    let Some(name) = out.file_name() else {
        return Err(Error::fault(
            "out_invalid",
            out.display().to_string(),
            "not a folder name",
            "name a new folder, as big",
        ));
    };
    let mut partial = name.to_owned();
    partial.push(".partial");
    let partial = out.with_file_name(partial);
    let ours = [ORDERS, TITLES, MAPPING, ".mapping.toml.partial"];
    remove_partial(&partial, &ours)?;
    std::fs::create_dir_all(&partial).map_err(|e| Error::io("create", &partial, e))?;
    let made = write(like, size, &partial, watch).and_then(|made| {
        let renamed = std::fs::rename(&partial, out);
        renamed.map_err(|e| Error::io("write", out, e))?;
        Ok(made)
    });
    if made.is_err() {
        // What can't be removed the next run removes.
        let _ = std::fs::remove_dir_all(&partial);
    }
    made
}

fn write(like: &Shop, size: Size, out: &Path, watch: &mut dyn Watch) -> Result<Made> {
    let catalogue = like.products.len() as u32;
    let copies = size.products.div_ceil(catalogue).max(1);
    let drafts = drafts(like, size, copies);
    let mut made = Made {
        customers: size.customers,
        products: catalogue * copies,
        orders: drafts.len() as u64,
        lines: 0,
    };
    let mut table = Table::create(&out.join(ORDERS), like.currency.exponent())?;
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for (number, draft) in (0i64..).zip(&drafts) {
        if number % 4_096 == 0 {
            watch.step("orders", number as u64, made.orders, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        let mut rng = Rng::new(size.seed, (1 << 63) | number as u64);
        seen.clear();
        for own in &like.orders[draft.follows as usize].lines {
            let mut line = match rng.unit() < FROM_OTHERS {
                true => from_others(like, draft.follows as usize, &mut rng),
                false => *own,
            };
            let copy = match rng.unit() < ELSEWHERE {
                true => rng.below(copies as usize) as u32,
                false => draft.copy,
            };
            line.product += copy * catalogue;
            if seen.insert(line.product) {
                table.add(number, draft, line)?;
                made.lines += 1;
            }
        }
    }
    table.close()?;
    let mut of_titles = "";
    if like
        .products
        .iter()
        .any(|product| !product.title.is_empty())
    {
        titles(like, made.products, &out.join(TITLES))?;
        of_titles =
            "\n[titles]\ntable = \"titles.parquet\"\nproduct = \"product\"\ntitle = \"title\"\n";
    }
    let mapping = format!(
        "# Made up by shelfedge-train generate, to the statistics of a real shop.\n\
         format = 1\ncurrency = \"{}\"\n\n[columns]\norder = \"order\"\nproduct = \"product\"\n\
         quantity = \"quantity\"\ntime = \"time\"\nunit_price = \"unit_price\"\ncustomer = \"customer\"\n\n\
         [time]\nformat = \"unix_millis\"\n{of_titles}",
        like.currency.code()
    );
    write_file(&out.join(MAPPING), mapping.as_bytes())?;
    Ok(made)
}

/// Every order of every customer, by time.
fn drafts(like: &Shop, size: Size, copies: u32) -> Vec<Draft> {
    let mut of: Vec<Vec<u32>> = vec![Vec::new(); like.customers.len()];
    for (number, order) in (0u32..).zip(&like.orders) {
        of[order.customer as usize].push(number);
    }
    of.retain(|orders| !orders.is_empty());
    let (first, last) = (like.orders.first().map_or(0, |o| o.time), like.end());
    let mut drafts = Vec::new();
    for customer in 0..size.customers {
        let mut rng = Rng::new(size.seed, customer.into());
        let follows = &of[rng.below(of.len())];
        let copy = rng.below(copies as usize) as u32;
        let days = rng.below(2 * DAYS + 1) as i64 - DAYS as i64;
        drafts.extend(follows.iter().map(|order| {
            let time = like.orders[*order as usize].time;
            let moved = time + days * DAY;
            Draft {
                time: match (first..=last).contains(&moved) {
                    true => moved,
                    false => time,
                },
                customer,
                follows: *order,
                copy,
            }
        }));
    }
    drafts.sort_unstable_by_key(|draft| (draft.time, draft.customer, draft.follows));
    drafts
}

/// A line of some order at about the same time.
fn from_others(like: &Shop, order: usize, rng: &mut Rng) -> Line {
    let first = order.saturating_sub(NEAR);
    let near = &like.orders[first..(order + NEAR).min(like.orders.len())];
    let lines = &near[rng.below(near.len())].lines;
    lines[rng.below(lines.len())]
}

fn titles(like: &Shop, products: u32, path: &Path) -> Result<()> {
    let titles = like.products.iter().map(|product| product.title.as_str());
    let mut all = (0..products as i32).zip(titles.cycle());
    let mut writer = writer(path, &title_batch(&[])?)?;
    loop {
        let rows = next_titles(&mut all);
        if rows.is_empty() {
            break;
        }
        writer.write(&title_batch(&rows)?).map_err(|e| failed(&e))?;
    }
    writer.close().map(drop).map_err(|e| failed(&e))
}

/// The products and titles that are written at once.
fn next_titles<'a>(all: &mut impl Iterator<Item = (i32, &'a str)>) -> Vec<(i32, &'a str)> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < BATCH
        && bytes < TITLE_BYTES
        && let Some((product, title)) = all.next()
    {
        bytes += title.len();
        rows.push((product, title));
    }
    rows
}

fn title_batch(rows: &[(i32, &str)]) -> Result<RecordBatch> {
    let products = rows.iter().map(|(product, _)| *product);
    let titles = rows.iter().map(|(_, title)| *title);
    let columns: [(&str, ArrayRef); 2] = [
        ("product", Arc::new(Int32Array::from_iter_values(products))),
        ("title", Arc::new(StringArray::from_iter_values(titles))),
    ];
    RecordBatch::try_from_iter(columns).map_err(|e| failed(&e))
}

fn writer(path: &Path, like: &RecordBatch) -> Result<ArrowWriter<File>> {
    let file = File::create(path).map_err(|e| Error::io("write", path, e))?;
    let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY);
    ArrowWriter::try_new(file, like.schema(), Some(snappy.build())).map_err(|e| failed(&e))
}

fn failed(cause: &dyn std::fmt::Display) -> Error {
    internal("generate", cause.to_string())
}

/// Order lines on their way to a file.
struct Table {
    writer: ArrowWriter<File>,
    exponent: u32,
    rows: Rows,
}

#[derive(Default)]
struct Rows {
    order: Vec<i64>,
    customer: Vec<i32>,
    product: Vec<i32>,
    quantity: Vec<i64>,
    time: Vec<i64>,
    unit_price: Vec<i128>,
}

impl Rows {
    fn batch(self, exponent: u32) -> Result<RecordBatch> {
        let price = Decimal128Array::from(self.unit_price)
            .with_precision_and_scale(18, exponent as i8)
            .map_err(|e| failed(&e))?;
        let columns: [(&str, ArrayRef); 6] = [
            ("order", Arc::new(Int64Array::from(self.order))),
            ("customer", Arc::new(Int32Array::from(self.customer))),
            ("product", Arc::new(Int32Array::from(self.product))),
            ("quantity", Arc::new(Int64Array::from(self.quantity))),
            ("time", Arc::new(Int64Array::from(self.time))),
            ("unit_price", Arc::new(price)),
        ];
        RecordBatch::try_from_iter(columns).map_err(|e| failed(&e))
    }
}

impl Table {
    fn create(path: &Path, exponent: u32) -> Result<Self> {
        Ok(Self {
            writer: writer(path, &Rows::default().batch(exponent)?)?,
            exponent,
            rows: Rows::default(),
        })
    }

    fn add(&mut self, order: i64, draft: &Draft, line: Line) -> Result<()> {
        self.rows.order.push(order);
        self.rows.customer.push(draft.customer as i32);
        self.rows.product.push(line.product as i32);
        self.rows.quantity.push(line.quantity.into());
        self.rows.time.push(draft.time);
        self.rows.unit_price.push(line.unit_price.into());
        if self.rows.order.len() == BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.rows).batch(self.exponent)?;
        self.writer.write(&batch).map_err(|e| failed(&e))
    }

    fn close(mut self) -> Result<()> {
        self.flush()?;
        self.writer.close().map(drop).map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::import;
    use crate::watch::Silent;

    #[test]
    fn long_titles_are_written_in_parts() {
        let sizes = |title: &str, count| {
            let mut all = (0..count).map(|product| (product, title));
            let parts = std::iter::from_fn(|| Some(next_titles(&mut all)));
            let parts = parts.take_while(|rows| !rows.is_empty());
            parts.map(|rows| rows.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes("Cup", 70_000), [BATCH, 70_000 - BATCH]);
        assert_eq!(sizes(&"x".repeat(9_000_000), 5), [2, 2, 1]);
        assert_eq!(sizes("Cup", 0), [0; 0]);
    }

    #[test]
    fn a_made_up_shop_has_the_statistics_of_the_one_it_follows() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail");
        let like = import(&demo, None, &mut Silent).expect("a shop").shop;
        let folder = tempfile::tempdir().expect("a folder");
        let size = Size {
            customers: 1_500,
            products: 7_000,
            seed: 3,
        };
        let make = |name: &str, size| {
            let out = folder.path().join(name);
            let made = generate(&like, size, &out, &mut Silent).expect("made");
            (made, out)
        };
        let (made, out) = make("shop", size);
        assert_eq!(made.products as usize, 2 * like.products.len());
        let found = import(&out, None, &mut Silent).expect("a shop");
        assert_eq!((found.report.refused, found.report.lines), (0, made.lines));
        let shop = found.shop;
        assert_eq!(shop.orders.len() as u64, made.orders);
        assert_eq!(shop.currency, like.currency);
        assert!(shop.end() <= like.end());
        // Titles came along.
        assert!(shop.products.iter().all(|p| p.title != p.code));
        let per_customer = |shop: &Shop| shop.orders.len() as f64 / shop.customers.len() as f64;
        let per_order = |shop: &Shop| {
            let lines: usize = shop.orders.iter().map(|o| o.lines.len()).sum();
            lines as f64 / shop.orders.len() as f64
        };
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.15, "{a} {b}");
        near(per_customer(&shop), per_customer(&like));
        near(per_order(&shop), per_order(&like));
        // The share of the sales that the most sold fifth has.
        let head = |shop: &Shop| {
            let mut sold = vec![0u32; shop.products.len()];
            for line in shop.orders.iter().flat_map(|o| &o.lines) {
                sold[line.product as usize] += 1;
            }
            sold.sort_unstable_by_key(|n| std::cmp::Reverse(*n));
            let all: u32 = sold.iter().sum();
            f64::from(sold[..sold.len() / 5].iter().sum::<u32>()) / f64::from(all)
        };
        near(head(&shop), head(&like));

        // The same seed gives the same bytes, another one other orders; what is there
        // stays.
        let bytes = |out: &Path| std::fs::read(out.join("orders.parquet")).expect("a file");
        assert!(bytes(&make("again", size).1) == bytes(&out));
        assert!(bytes(&make("other", Size { seed: 4, ..size }).1) != bytes(&out));
        let refused = generate(&like, size, &out, &mut Silent).expect_err("refused");
        assert!(refused.to_string().contains("out_exists"), "{refused}");
    }
}
