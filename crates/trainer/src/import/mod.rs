//! Reads a shop's order lines from Parquet, CSV or streams of events, refuses what can't be used
//! and says how much of it there was.
//!
//! Tables are read batch by batch; what stays in memory is one compact record
//! for each accepted row.

mod check;
mod csv;
pub(crate) use csv::{ends_quoted, quote_open};
mod events;
pub mod feedback;
mod impressions;
mod mapping;
pub(crate) mod marked;
mod parquet;
mod report;
mod row;
pub mod sequences;
mod store;
mod table;
pub mod texts;
pub mod turns;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shelfedge_commerce::Fault;
use shelfedge_commerce::id::{OrderId, ProductId, ShopperId};
use shelfedge_commerce::time::{MINUTE, SECOND, Timestamp};
use shelfedge_wire::manifest::hex;

pub use check::{Check, Finding, check};
pub use impressions::{Done, ImpressionReport, Orphans, impressions, outside};
pub use mapping::{Columns, MAPPING_FORMAT, Mapping, Repeated, Rules, TimeRule, Titles};
pub use report::{EXAMPLES, Example, Report, Rule, RuleCount, Titled};
use row::{Cell, minor_units};
use store::Store;
pub use store::{Asked, STORE, Update, update};
use table::{Format, Head, Input, LeftOut, Rows, Table};

use crate::error::{Error, Result};
use crate::images::Named;
use crate::shop::{Line, Shop, ShopCustomer, ShopOrder, ShopProduct};
use crate::watch::Watch;

/// The events that are orders.
const PURCHASE: &str = "purchase";
/// Rows of one customer, places of one sequence or events of one viewer, at most:
/// who has more is a program, or an account that many share, and is left out as a
/// whole.
pub const MOST_ROWS: u64 = 100_000;

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
    /// The photos that the mapping names; nobody has looked at them yet.
    pub photos: Option<Named>,
    /// Whether the mapping puts codes in upper case.
    pub upper_case: bool,
}

/// Where a shop's rows are: a folder of tables, one table, or a store.
struct Place {
    path: PathBuf,
    is_folder: bool,
    store: Option<Store>,
}

/// What is to be read: tables in their order, and what goes with them.
#[derive(Default)]
struct Source {
    files: Vec<Input>,
    titles: Option<Input>,
    attribution: Option<String>,
    /// Keeps a store as it is while it is read; none of anything else.
    store: Option<Arc<File>>,
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        Ok(Self {
            path: path.to_path_buf(),
            is_folder: found.is_dir(),
            store: match found.is_dir() {
                true => Store::open(path)?,
                false => None,
            },
        })
    }

    fn is_store(&self) -> bool {
        self.store.is_some()
    }

    fn beside(&self, name: &str) -> PathBuf {
        match self.is_folder {
            true => self.path.join(name),
            false => self.path.with_file_name(name),
        }
    }

    /// The text of the mapping file, and what to call that in faults: the given
    /// one, else a store's own, else `mapping.toml` beside the tables.
    fn mapping(&self, given: Option<&Path>, of: &str) -> Result<(String, String)> {
        match (given, &self.store) {
            (None, Some(store)) => {
                let file = self.path.join(STORE).display().to_string();
                Ok((store.mapping().to_owned(), file))
            }
            _ => {
                let path = given.map_or_else(|| self.beside("mapping.toml"), Path::to_path_buf);
                Ok((mapping::load(&path, of)?, path.display().to_string()))
            }
        }
    }

    fn source(&self, delimiter: u8, titles: Option<&Titles>) -> Result<Source> {
        if let Some(store) = &self.store {
            return store.source(delimiter);
        }
        let titles = titles.map(|titles| self.beside(&titles.table));
        let files = match self.is_folder {
            true => tables(&self.path, titles.as_deref())?,
            false => vec![self.path.clone()],
        };
        Source::of(&files, titles, &self.beside(""), delimiter)
    }
}

impl Source {
    /// The given tables; an attribution lies in a folder.
    fn of(
        files: &[PathBuf],
        titles: Option<PathBuf>,
        folder: &Path,
        delimiter: u8,
    ) -> Result<Self> {
        let input = |path: &PathBuf| Input::of(path, delimiter);
        Ok(Self {
            files: files.iter().map(input).collect::<Result<_>>()?,
            titles: titles.as_ref().map(input).transpose()?,
            attribution: std::fs::read_to_string(folder.join("ATTRIBUTION.md")).ok(),
            store: None,
        })
    }

    /// SHA-256 over a mapping's text and the tables.
    fn digest(&self, mapping: &str) -> Result<[u8; 32]> {
        let mut digest = Sha256::new();
        digest.update(mapping);
        for input in self.files.iter().chain(&self.titles) {
            hash_file(&input.path, &mut digest)?;
        }
        Ok(digest.finalize().into())
    }
}

/// Opens tables; all that can't be read are faults at once.
fn open_all<'a>(
    files: &'a [Input],
    event: &'a str,
    wanted: &[Option<&str>],
    faults: &mut Vec<Fault>,
) -> Result<Vec<Table<'a>>> {
    let mut tables = Vec::new();
    for input in files {
        match Table::open(input, event, wanted) {
            Ok(table) => tables.push(table),
            Err(Error::Invalid(found)) => faults.extend(found),
            Err(other) => return Err(other),
        }
    }
    Ok(tables)
}

/// Reads a table, all `.parquet`, `.csv` and `.jsonl` tables of a folder in the
/// order of their names, or a store. Without a mapping file, the store's own or
/// `mapping.toml` of the folder is used.
pub fn import(shop: &Path, mapping: Option<&Path>, watch: &mut dyn Watch) -> Result<Imported> {
    let place = Place::of(shop)?;
    let (mapping, source) = open(&place, mapping)?;
    let imported = read(&source, &mapping, watch)?.with_orders()?;
    Ok(imported.with_photos(&mapping, |name| place.beside(name)))
}

/// The data report of what [`import`] reads, also where no order is left.
pub fn report(shop: &Path, mapping: Option<&Path>, watch: &mut dyn Watch) -> Result<Report> {
    let (mapping, source) = open(&Place::of(shop)?, mapping)?;
    Ok(read(&source, &mapping, watch)?.report)
}

/// The mapping of order lines, and what it maps.
fn open(place: &Place, mapping: Option<&Path>) -> Result<(Mapping, Source)> {
    let (text, file) = place.mapping(mapping, "order lines")?;
    let mapping = Mapping::parse(&text, &file)?;
    let source = place.source(mapping.csv_delimiter, mapping.titles.as_ref())?;
    Ok((mapping, source))
}

/// Reads the given tables, in their order; what goes with them (the titles, the
/// attribution) lies in a folder.
pub fn import_tables(
    files: &[PathBuf],
    folder: &Path,
    mapping: &Mapping,
    watch: &mut dyn Watch,
) -> Result<Imported> {
    let titles = mapping.titles.as_ref().map(|t| folder.join(&t.table));
    let source = Source::of(files, titles, folder, mapping.csv_delimiter)?;
    let imported = read(&source, mapping, watch)?.with_orders()?;
    Ok(imported.with_photos(mapping, |name| folder.join(name)))
}

/// Reads tables, of which nothing may be left.
fn read(source: &Source, mapping: &Mapping, watch: &mut dyn Watch) -> Result<Imported> {
    let wanted = mapping.columns.wanted();
    // All files are checked before the first is read.
    let mut faults = Vec::new();
    let tables = open_all(&source.files, PURCHASE, &wanted, &mut faults)?;
    let titles = match (&mapping.titles, &source.titles) {
        (Some(named), Some(input)) => {
            let wanted = [Some(named.product.as_str()), Some(named.title.as_str())];
            let opened = open_all(std::slice::from_ref(input), "", &wanted, &mut faults)?;
            let table = opened.into_iter().next();
            table.map(|table| (table, wanted, named.new_products))
        }
        _ => None,
    };
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }

    let mut intake = Intake::new(mapping);
    for table in &tables {
        intake.begin(table.input.name.clone());
        table.read(wanted, &mut intake, watch)?;
    }
    let mut imported = intake.finish(source.digest(&mapping.text)?);
    if let Some((table, wanted, new_products)) = titles {
        let mut list = TitleList {
            upper_case: mapping.rules.upper_case_products,
            ..TitleList::default()
        };
        table.read(wanted, &mut list, watch)?;
        // What a store's titles are of may have been erased.
        let may_differ = source.store.is_some();
        let mut titled = list.give(&table, &mut imported.shop, may_differ)?;
        if new_products {
            let codes = mapping.rules.product_code.as_ref();
            list.titles
                .retain(|code, _| codes.is_none_or(|codes| codes.is_match(code)));
            let before = list.titles.len();
            // What learning, the tables and every request accept as an id.
            list.titles
                .retain(|code, _| ProductId::new(code.as_str()).is_ok());
            titled.unusable += (before - list.titles.len()) as u64;
            titled.new_products = list.titles.len() as u64;
            imported.shop.add(list.titles);
        }
        imported.report.titles = Some(titled);
    }
    imported.attribution.clone_from(&source.attribution);
    Ok(imported)
}

impl Imported {
    /// Nothing can be learnt from a shop without orders.
    fn with_orders(self) -> Result<Self> {
        match self.shop.orders.is_empty() {
            true => Err(no_orders(&self.report)),
            false => Ok(self),
        }
    }

    /// Says where the photos are, whose place in the mapping `beside` completes.
    fn with_photos(mut self, mapping: &Mapping, beside: impl Fn(&str) -> PathBuf) -> Self {
        self.upper_case = mapping.rules.upper_case_products;
        self.photos = mapping.photos.as_ref().map(|photos| Named {
            folder: beside(&photos.folder),
            encoder: photos.encoder.as_deref().map(beside),
            settings: photos.settings.clone(),
        });
        self
    }
}

fn no_orders(report: &Report) -> Error {
    Error::fault(
        "no_orders",
        report.files.join(", "),
        format!(
            "no order is left of {} rows:\n{}",
            report.rows,
            report.table()
        ),
        "check the mapping file against the table",
    )
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
    /// Gives a shop's products their titles, and keeps those of others.
    fn give(&mut self, table: &Table<'_>, shop: &mut Shop, may_differ: bool) -> Result<Titled> {
        let mut products = 0;
        for product in &mut shop.products {
            if let Some(title) = self.titles.remove(&product.code) {
                product.title = title;
                products += 1;
            }
        }
        if products == 0 && !shop.products.is_empty() && !may_differ {
            return Err(Error::fault(
                "titles_unmatched",
                table.input.path.display().to_string(),
                format!(
                    "none of its {} rows names a product that was sold",
                    self.rows
                ),
                "check titles.product in the mapping file: its codes must be those of the order lines",
            ));
        }
        Ok(Titled {
            file: table.input.name.clone(),
            rows: self.rows,
            unusable: self.unusable,
            products,
            new_products: 0,
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

    /// Forgets the names of all other indices; those stay as they are.
    fn only(&mut self, used: impl Iterator<Item = u32>) {
        let mut keep = vec![false; self.names.len()];
        for index in used {
            keep[index as usize] = true;
        }
        self.index.retain(|_, index| keep[*index as usize]);
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
    /// The row, and how far the next one is: nowhere in a stream, which says its
    /// lines.
    number: u64,
    step: u64,
    previous: Option<i64>,
    /// Keys of events.
    seen: BTreeSet<u64>,
    /// Rows of each customer.
    of_customer: Vec<u64>,
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
            step: 1,
            previous: None,
            seen: BTreeSet::new(),
            of_customer: Vec::new(),
        }
    }

    fn begin(&mut self, file: String) {
        self.report.files.push(file);
        (self.number, self.step) = (0, 1);
    }

    fn next(&mut self) {
        self.report.rows += 1;
        self.number += self.step;
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
        self.next();
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
        if !mapping.time.holds(time) {
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

        // Nothing is kept of a row beyond what a shopper does, nor is what was kept.
        let customer = self.customers.intern(&customer);
        if self.of_customer.len() <= customer as usize {
            self.of_customer.resize(customer as usize + 1, 0);
        }
        self.of_customer[customer as usize] += 1;
        if self.of_customer[customer as usize] > MOST_ROWS {
            return self.refuse(Rule::Flood, || vec![show(&columns.customer, &f.customer)]);
        }

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

    /// Leaves out the customers with more rows than a shopper has, and what nobody
    /// else bought.
    fn drain_floods(&mut self) {
        let flooded = |row: &Row| self.of_customer[row.customer as usize] > MOST_ROWS;
        let kept = self.rows.len();
        self.rows.retain(|row| !flooded(row));
        let gone = (kept - self.rows.len()) as u64;
        if gone > 0 {
            self.report.refused += gone;
            self.report.rules[Rule::Flood as usize].rows += gone;
            self.orders.only(self.rows.iter().map(|row| row.order));
            self.products.only(self.rows.iter().map(|row| row.product));
            self.customers
                .only(self.rows.iter().map(|row| row.customer));
        }
    }

    fn finish(mut self, digest: [u8; 32]) -> Imported {
        self.drain_floods();
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
                photo: Vec::new(),
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
        Imported {
            shop,
            report,
            digest,
            attribution: None,
            photos: None,
            upper_case: mapping.rules.upper_case_products,
        }
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
        self.next();
        self.refuse(Rule::Unparsable, || vec![why]);
    }

    fn left_out(&mut self, why: LeftOut, _: &str) {
        self.next();
        self.refuse(why.rule(), Vec::new);
    }

    fn line(&mut self, number: u64) {
        (self.number, self.step) = (number, 0);
    }

    fn event(&mut self, head: Head<'_>) -> bool {
        self.seen.insert(head.key)
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
