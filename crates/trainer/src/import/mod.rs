//! Reads a shop's order lines from Parquet, CSV or streams of events, refuses what can't be used
//! and says how much of it there was.
//!
//! Tables are read batch by batch; what stays in memory is one compact record
//! for each accepted row.

mod csv;
mod events;
pub mod feedback;
mod mapping;
mod parquet;
mod report;
mod row;
pub mod sequences;
mod table;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use shelfedge_commerce::id::{OrderId, ProductId, ShopperId};
use shelfedge_commerce::time::{MINUTE, SECOND, Timestamp};
use shelfedge_wire::manifest::hex;

pub use mapping::{Columns, MAPPING_FORMAT, Mapping, Repeated, Rules, TimeRule, Titles};
pub use report::{EXAMPLES, Example, Report, Rule, RuleCount, Titled};
use row::{Cell, minor_units};
use table::{Format, LeftOut, Rows, Table};

use crate::error::{Error, Result};
use crate::shop::{Line, Shop, ShopCustomer, ShopOrder, ShopProduct};
use crate::watch::Watch;

/// The events that are orders.
const PURCHASE: &str = "purchase";

/// A shop and what was found while reading it.
#[derive(Debug)]
pub struct Imported {
    /// The accepted history.
    pub shop: Shop,
    /// The data report.
    pub report: Report,
    /// SHA-256 over the mapping file and the tables.
    pub digest: [u8; 32],
    /// The text of `ATTRIBUTION.md` beside the tables, if there is one: whose
    /// data it is.
    pub attribution: Option<String>,
}

/// Reads a table, or all `.parquet` and `.csv` tables of a folder in the order
/// of their names. Without a mapping file, `mapping.toml` of the folder is
/// used.
pub fn import(shop: &Path, mapping: Option<&Path>, watch: &mut dyn Watch) -> Result<Imported> {
    let folder = std::fs::metadata(shop)
        .map_err(|e| Error::io("read", shop, e))?
        .is_dir();
    let beside = |name: &str| {
        if folder {
            shop.join(name)
        } else {
            shop.with_file_name(name)
        }
    };
    let mapping = Mapping::load(mapping.unwrap_or(&beside("mapping.toml")))?;
    let titles = mapping.titles.as_ref().map(|t| beside(&t.table));
    let files = if folder {
        tables(shop, titles.as_deref())?
    } else {
        vec![shop.to_path_buf()]
    };
    import_tables(&files, &beside(""), &mapping, watch)
}

/// Reads the given tables, in their order; what goes with them (the titles, the
/// attribution) lies in a folder.
pub fn import_tables(
    files: &[PathBuf],
    folder: &Path,
    mapping: &Mapping,
    watch: &mut dyn Watch,
) -> Result<Imported> {
    let delimiter = mapping.csv_delimiter;
    let wanted = mapping.columns.wanted();
    let titles_path = mapping.titles.as_ref().map(|t| folder.join(&t.table));

    // All files are checked before the first is read.
    let mut faults = Vec::new();
    let mut open =
        |path, wanted: &[Option<&str>]| match Table::open(path, delimiter, PURCHASE, wanted) {
            Ok(table) => Ok(Some(table)),
            Err(Error::Invalid(found)) => {
                faults.extend(found);
                Ok(None)
            }
            Err(other) => Err(other),
        };
    let mut tables = Vec::new();
    for path in files {
        tables.extend(open(path, &wanted)?);
    }
    let titles = match (&mapping.titles, &titles_path) {
        (Some(named), Some(path)) => {
            let wanted = [Some(named.product.as_str()), Some(named.title.as_str())];
            open(path, &wanted)?.map(|table| (table, wanted))
        }
        _ => None,
    };
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }

    let mut digest = Sha256::new();
    digest.update(&mapping.text);
    for path in files.iter().chain(&titles_path) {
        hash_file(path, &mut digest)?;
    }
    let mut intake = Intake::new(mapping);
    for table in &tables {
        intake.begin(table.name());
        table.read(wanted, &mut intake, watch)?;
    }
    let mut imported = intake.finish(digest.finalize().into())?;
    if let Some((table, wanted)) = titles {
        let mut list = TitleList {
            upper_case: mapping.rules.upper_case_products,
            ..TitleList::default()
        };
        table.read(wanted, &mut list, watch)?;
        imported.report.titles = Some(list.give(&table, &mut imported.shop)?);
    }
    imported.attribution = std::fs::read_to_string(folder.join("ATTRIBUTION.md")).ok();
    Ok(imported)
}

/// The tables of a folder, but for one of titles.
fn tables(folder: &Path, titles: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        let path = entry.map_err(|e| Error::io("read", folder, e))?.path();
        if Format::of(&path, b',').is_some() && Some(path.as_path()) != titles {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::fault(
            "no_tables",
            folder.display().to_string(),
            "the folder holds no .parquet, .csv or .jsonl file",
            "put the tables there, or name the file itself",
        ));
    }
    Ok(files)
}

fn hash_file(path: &Path, digest: &mut Sha256) -> Result<()> {
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file
            .read(&mut buffer)
            .map_err(|e| Error::io("read", path, e))?;
        if n == 0 {
            return Ok(());
        }
        digest.update(&buffer[..n]);
    }
}

/// The rows of a table of titles.
#[derive(Default)]
struct TitleList {
    upper_case: bool,
    titles: BTreeMap<String, String>,
    rows: u64,
    unusable: u64,
}

impl Rows<2> for TitleList {
    fn row(&mut self, [product, title]: [Cell<'_>; 2]) {
        self.rows += 1;
        let (product, title) = (product.id(), title.text());
        match product {
            Some(product) if !product.is_empty() && !title.is_empty() => {
                let product = product_code(product, self.upper_case);
                self.titles.insert(product, title.into_owned());
            }
            _ => self.unusable += 1,
        }
    }

    fn broken(&mut self, _: String) {
        self.rows += 1;
        self.unusable += 1;
    }
}

impl TitleList {
    /// Gives a shop's products their titles.
    fn give(mut self, table: &Table<'_>, shop: &mut Shop) -> Result<Titled> {
        let mut products = 0;
        for product in &mut shop.products {
            if let Some(title) = self.titles.remove(&product.code) {
                product.title = title;
                products += 1;
            }
        }
        if products == 0 {
            return Err(Error::fault(
                "titles_unmatched",
                table.path.display().to_string(),
                format!(
                    "none of its {} rows names a product that was sold",
                    self.rows
                ),
                "check titles.product in the mapping file: its codes must be those of the order lines",
            ));
        }
        Ok(Titled {
            file: table.name(),
            rows: self.rows,
            unusable: self.unusable,
            products,
        })
    }
}

/// A product's code as the shop's products are known by.
fn product_code(code: Cow<'_, str>, upper_case: bool) -> String {
    if upper_case {
        code.to_uppercase()
    } else {
        code.into_owned()
    }
}

#[derive(Default)]
struct Names {
    index: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn intern(&mut self, name: &str) -> u32 {
        if let Some(&i) = self.index.get(name) {
            return i;
        }
        let i = self.names.len() as u32;
        self.index.insert(name.to_owned(), i);
        self.names.push(name.to_owned());
        i
    }

    /// For each interned index its rank by name.
    fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.names.len()];
        for (rank, &i) in self.index.values().enumerate() {
            ranks[i as usize] = rank as u32;
        }
        ranks
    }
}

/// An accepted row.
#[derive(Clone, Copy)]
struct Row {
    order: u32,
    customer: u32,
    product: u32,
    quantity: u32,
    time: i64,
    price: i64,
    number: u64,
    file: u32,
}

/// A row's fields; columns that the mapping doesn't name are missing.
struct Fields<'a> {
    order: Cell<'a>,
    product: Cell<'a>,
    title: Cell<'a>,
    quantity: Cell<'a>,
    time: Cell<'a>,
    unit_price: Cell<'a>,
    customer: Cell<'a>,
    country: Cell<'a>,
    currency: Cell<'a>,
    attributes: [Cell<'a>; 3],
}

/// Takes rows, applies the rules and keeps what passes.
struct Intake<'a> {
    mapping: &'a Mapping,
    report: Report,
    orders: Names,
    products: Names,
    customers: Names,
    /// Latest title of each product, with its time.
    titles: Vec<(i64, String)>,
    /// Latest category, brand and seller of each product, with their times.
    attributes: [Vec<(i64, String)>; 3],
    /// Latest country of each customer, with its time.
    countries: Vec<(i64, String)>,
    rows: Vec<Row>,
    number: u64,
    previous: Option<i64>,
    /// Keys of events.
    seen: BTreeSet<u64>,
}

impl<'a> Intake<'a> {
    fn new(mapping: &'a Mapping) -> Self {
        Self {
            mapping,
            report: Report::new(),
            orders: Names::default(),
            products: Names::default(),
            customers: Names::default(),
            titles: Vec::new(),
            attributes: Default::default(),
            countries: Vec::new(),
            rows: Vec::new(),
            number: 0,
            previous: None,
            seen: BTreeSet::new(),
        }
    }

    fn begin(&mut self, file: String) {
        self.report.files.push(file);
        self.number = 0;
    }

    fn file(&self) -> String {
        self.report.files.last().cloned().unwrap_or_default()
    }

    fn note(&mut self, rule: Rule, fields: impl FnOnce() -> Vec<String>) {
        let (file, row) = (self.file(), self.number);
        self.report.count(rule, || Example {
            file,
            row,
            fields: fields(),
        });
    }

    fn refuse(&mut self, rule: Rule, fields: impl FnOnce() -> Vec<String>) {
        self.report.refused += 1;
        self.note(rule, fields);
    }

    /// Applies the rules to a row.
    fn take(&mut self, f: &Fields<'_>) {
        let mapping = self.mapping;
        let (columns, rules) = (&mapping.columns, &mapping.rules);
        self.report.rows += 1;
        self.number += 1;
        let show = |name: &str, cell: &Cell<'_>| format!("{name}={}", cell.text());

        let order = f.order.id().filter(|t| !t.is_empty());
        let product = f.product.id().filter(|t| !t.is_empty());
        let quantity = f.quantity.int();
        let time = instant(&f.time, &mapping.time);
        let exponent = mapping.currency.exponent();
        let price = f
            .unit_price
            .decimal()
            .and_then(|t| minor_units(&t, exponent).map(|p| (p, positive(&t))));
        let customer = f.customer.id();
        let odd_customer = customer.is_none() && f.customer != Cell::Missing;
        let (
            Some(order),
            Some(product),
            Some(quantity),
            Some(time),
            Some(((price, rounded), price_positive)),
            false,
        ) = (order, product, quantity, time, price, odd_customer)
        else {
            self.refuse(Rule::Unparsable, || {
                let mut fields = Vec::new();
                let mut bad = |wrong: bool, name: &str, cell: &Cell<'_>| {
                    if wrong {
                        fields.push(show(name, cell));
                    }
                };
                bad(
                    f.order.id().is_none_or(|t| t.is_empty()),
                    &columns.order,
                    &f.order,
                );
                bad(
                    f.product.id().is_none_or(|t| t.is_empty()),
                    &columns.product,
                    &f.product,
                );
                bad(quantity.is_none(), &columns.quantity, &f.quantity);
                bad(time.is_none(), &columns.time, &f.time);
                bad(price.is_none(), &columns.unit_price, &f.unit_price);
                bad(odd_customer, &columns.customer, &f.customer);
                fields
            });
            return;
        };
        let too_early = mapping.time.earliest.is_some_and(|t| time < t.millis());
        let too_late = mapping.time.before.is_some_and(|t| time >= t.millis());
        if too_early || too_late {
            return self.refuse(Rule::OutOfRange, || vec![show(&columns.time, &f.time)]);
        }
        if f.currency != Cell::Missing
            && !f
                .currency
                .text()
                .eq_ignore_ascii_case(mapping.currency.code())
        {
            let name = columns.currency.as_deref().unwrap_or_default();
            return self.refuse(Rule::MixedCurrency, || vec![show(name, &f.currency)]);
        }
        let Some(customer) = customer.filter(|c| !c.is_empty()) else {
            return self.refuse(Rule::MissingCustomer, || {
                vec![show(&columns.order, &f.order)]
            });
        };
        if rules
            .cancellation_prefixes
            .iter()
            .any(|p| order.starts_with(p.as_str()))
        {
            return self.refuse(Rule::Cancellation, || {
                vec![
                    show(&columns.order, &f.order),
                    show(&columns.quantity, &f.quantity),
                ]
            });
        }
        if quantity <= 0 {
            return self.refuse(Rule::Quantity, || {
                vec![show(&columns.quantity, &f.quantity)]
            });
        }
        if !price_positive {
            return self.refuse(Rule::Price, || {
                vec![show(&columns.unit_price, &f.unit_price)]
            });
        }
        let product = product_code(product, rules.upper_case_products);
        if rules
            .product_code
            .as_ref()
            .is_some_and(|code| !code.is_match(&product))
        {
            return self.refuse(Rule::NotAProduct, || {
                vec![
                    show(&columns.product, &f.product),
                    f.title.text().into_owned(),
                ]
            });
        }
        // What learning, the tables and every request accept as an id.
        let unnameable = [
            (OrderId::new(&*order).is_err(), &columns.order, &f.order),
            (
                ProductId::new(product.as_str()).is_err(),
                &columns.product,
                &f.product,
            ),
            (
                ShopperId::new(&*customer).is_err(),
                &columns.customer,
                &f.customer,
            ),
        ];
        if unnameable.iter().any(|(is, ..)| *is) {
            return self.refuse(Rule::Id, || {
                unnameable
                    .iter()
                    .filter(|(is, ..)| *is)
                    .map(|(_, name, cell)| show(name, cell))
                    .collect()
            });
        }
        let Ok(quantity) = u32::try_from(quantity) else {
            return self.refuse(Rule::Unparsable, || {
                vec![show(&columns.quantity, &f.quantity)]
            });
        };

        if rounded {
            self.note(Rule::Rounded, || {
                vec![show(&columns.unit_price, &f.unit_price)]
            });
        }
        if matches!(f.title, Cell::Odd(_)) || matches!(f.country, Cell::Odd(_)) {
            self.note(Rule::NotText, || {
                [&f.title, &f.country]
                    .into_iter()
                    .filter(|cell| matches!(cell, Cell::Odd(_)))
                    .map(|cell| cell.text().into_owned())
                    .collect()
            });
        }
        if self.previous.is_some_and(|previous| time < previous) {
            self.note(Rule::OutOfOrder, || vec![show(&columns.time, &f.time)]);
        }
        self.previous = Some(time);

        let order = self.orders.intern(&order);
        let product = self.products.intern(&product);
        let customer = self.customers.intern(&customer);
        latest(&mut self.titles, product, time, &f.title);
        for (list, cell) in self.attributes.iter_mut().zip(&f.attributes) {
            latest(list, product, time, cell);
        }
        latest(&mut self.countries, customer, time, &f.country);
        self.rows.push(Row {
            order,
            customer,
            product,
            quantity,
            time,
            price,
            number: self.number,
            file: self.report.files.len() as u32 - 1,
        });
    }

    fn finish(self, digest: [u8; 32]) -> Result<Imported> {
        let Self {
            mapping,
            mut report,
            orders,
            products,
            customers,
            titles,
            attributes,
            countries,
            mut rows,
            ..
        } = self;
        let (order_rank, product_rank, customer_rank) =
            (orders.ranks(), products.ranks(), customers.ranks());
        for row in &mut rows {
            row.order = order_rank[row.order as usize];
            row.product = product_rank[row.product as usize];
            row.customer = customer_rank[row.customer as usize];
        }
        // Rows of one order and product come together, in the order of reading.
        rows.sort_by_key(|r| (r.order, r.customer, r.product, r.file, r.number));
        let order_names: Vec<&String> = orders.index.keys().collect();
        let product_names: Vec<&String> = products.index.keys().collect();

        let mut list: Vec<ShopOrder> = Vec::new();
        let mut repeats: Vec<Row> = Vec::new();
        let mut lines = 0;
        for group in rows.chunk_by(|a, b| (a.order, a.customer) == (b.order, b.customer)) {
            let mut order = ShopOrder {
                id: order_names[group[0].order as usize].clone(),
                customer: group[0].customer,
                time: group.iter().map(|r| r.time).min().unwrap_or_default(),
                lines: Vec::new(),
            };
            for same in group.chunk_by(|a, b| a.product == b.product) {
                repeats.extend_from_slice(&same[1..]);
                let counted = match mapping.rules.repeated_lines {
                    Repeated::Sum => same,
                    Repeated::Refuse => &same[..1],
                };
                let pieces: i128 = counted.iter().map(|r| i128::from(r.quantity)).sum();
                let value: i128 = counted
                    .iter()
                    .map(|r| i128::from(r.quantity) * i128::from(r.price))
                    .sum();
                order.lines.push(Line {
                    product: same[0].product,
                    quantity: u32::try_from(pieces).unwrap_or(u32::MAX),
                    unit_price: ((value + pieces / 2) / pieces) as i64,
                });
            }
            lines += order.lines.len() as u64;
            list.push(order);
        }
        list.sort_by(|a, b| (a.time, &a.id, a.customer).cmp(&(b.time, &b.id, b.customer)));

        let rule = match mapping.rules.repeated_lines {
            Repeated::Sum => Rule::Merged,
            Repeated::Refuse => Rule::Repeated,
        };
        repeats.sort_by_key(|r| (r.file, r.number));
        for row in &repeats {
            if rule == Rule::Repeated {
                report.refused += 1;
            }
            let file = report.files[row.file as usize].clone();
            report.count(rule, || Example {
                file,
                row: row.number,
                fields: vec![
                    format!(
                        "{}={}",
                        mapping.columns.order, order_names[row.order as usize]
                    ),
                    format!(
                        "{}={}",
                        mapping.columns.product, product_names[row.product as usize]
                    ),
                    format!("{}={}", mapping.columns.quantity, row.quantity),
                ],
            });
        }
        if list.is_empty() {
            return Err(Error::fault(
                "no_orders",
                report.files.join(", "),
                format!(
                    "no order is left of {} rows:\n{}",
                    report.rows,
                    report.table()
                ),
                "check the mapping file against the table",
            ));
        }

        let mut shop = Shop {
            currency: mapping.currency,
            products: Vec::with_capacity(product_names.len()),
            customers: Vec::with_capacity(customers.names.len()),
            orders: list,
        };
        for (code, &i) in &products.index {
            shop.products.push(ShopProduct {
                code: code.clone(),
                title: titles[i as usize].1.clone(),
                attributes: attributes.each_ref().map(|list| list[i as usize].1.clone()),
            });
        }
        for (id, &i) in &customers.index {
            shop.customers.push(ShopCustomer {
                id: id.clone(),
                country: countries[i as usize].1.clone(),
            });
        }
        report.kept = report.rows - report.refused;
        report.lines = lines;
        report.orders = shop.orders.len() as u64;
        report.customers = shop.customers.len() as u64;
        report.products = shop.products.len() as u64;
        report.first = shop.orders.first().map(|o| Timestamp(o.time).to_string());
        report.last = shop.orders.last().map(|o| Timestamp(o.time).to_string());
        report.digest = hex(&digest);
        Ok(Imported {
            shop,
            report,
            digest,
            attribution: None,
        })
    }
}

impl Rows<12> for Intake<'_> {
    fn row(&mut self, cells: [Cell<'_>; 12]) {
        // In the order of `Columns::wanted`.
        let [
            order,
            product,
            title,
            quantity,
            time,
            unit_price,
            customer,
            country,
            currency,
            category,
            brand,
            seller,
        ] = cells;
        self.take(&Fields {
            order,
            product,
            title,
            quantity,
            time,
            unit_price,
            customer,
            country,
            currency,
            attributes: [category, brand, seller],
        });
    }

    fn broken(&mut self, why: String) {
        self.report.rows += 1;
        self.number += 1;
        self.refuse(Rule::Unparsable, || vec![why]);
    }

    fn left_out(&mut self, why: LeftOut) {
        self.report.rows += 1;
        self.number += 1;
        let rule = match why {
            LeftOut::WithoutConsent => Rule::Consent,
            LeftOut::Again => Rule::Again,
        };
        self.refuse(rule, Vec::new);
    }

    fn is_new(&mut self, key: u64) -> bool {
        self.seen.insert(key)
    }
}

/// Keeps the text with the latest time; later rows win at equal times.
fn latest(list: &mut Vec<(i64, String)>, index: u32, time: i64, cell: &Cell<'_>) {
    let index = index as usize;
    if list.len() <= index {
        list.resize_with(index + 1, || (i64::MIN, String::new()));
    }
    let text = cell.text();
    let entry = &mut list[index];
    if !text.is_empty() && time >= entry.0 {
        entry.0 = time;
        if entry.1 != text {
            entry.1 = text.into_owned();
        }
    }
}

fn positive(decimal: &str) -> bool {
    !decimal.starts_with('-') && decimal.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

fn instant(cell: &Cell<'_>, rule: &TimeRule) -> Option<i64> {
    let shift = i64::from(rule.utc_offset_minutes) * MINUTE;
    match cell {
        Cell::Time(ms, true) => Some(*ms),
        Cell::Time(ms, false) => ms.checked_sub(shift),
        Cell::Int(value) => match rule.format.as_deref() {
            Some("unix_seconds") => value.checked_mul(SECOND),
            Some("unix_millis") => Some(*value),
            _ => None,
        },
        Cell::Text(text) => {
            let text = text.trim();
            let Some(format) = rule.format.as_deref() else {
                return Timestamp::parse_rfc3339(text).ok().map(Timestamp::millis);
            };
            match format {
                "unix_seconds" => text.parse::<i64>().ok()?.checked_mul(SECOND),
                "unix_millis" => text.parse().ok(),
                _ => {
                    if let Ok(time) = chrono::DateTime::parse_from_str(text, format) {
                        return Some(time.timestamp_millis());
                    }
                    let local = chrono::NaiveDateTime::parse_from_str(text, format)
                        .ok()
                        .or_else(|| {
                            chrono::NaiveDate::parse_from_str(text, format)
                                .ok()?
                                .and_hms_opt(0, 0, 0)
                        })?;
                    local.and_utc().timestamp_millis().checked_sub(shift)
                }
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
