//! Reads sequences of products, such as the looks of sessions, from Parquet or
//! CSV, a row for each product of a sequence, or from streams of events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use shelfedge_commerce::id::{ProductId, ShopperId};
use shelfedge_commerce::money::Currency;
use shelfedge_commerce::{EventKind, Fault};
use shelfedge_features::trails::fit::Sequences;

use super::mapping::{Mapping, Reader};
use super::row::Cell;
use super::table::{Head, LeftOut, Rows};
use super::{MOST_ROWS, Place, Source, open_all, product_code};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// The events that are places of a sequence, unless the mapping says otherwise.
const VIEW: &str = "view_item";

/// What a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A visit of somebody unknown; the sequences stand in the order of time,
    /// and the next one begins with nothing.
    Sessions,
    /// All that a shopper did; what comes next continues it.
    Shoppers,
}

/// A validated mapping file of sequences.
#[derive(Clone, Debug)]
pub struct SequenceMapping {
    /// The text it was read from, which the data's digest covers.
    text: String,
    /// What a sequence is.
    pub of: Kind,
    /// The shop's currency.
    pub currency: Currency,
    /// What separates fields in CSV files.
    csv_delimiter: u8,
    /// The events that are places of a sequence, where the files hold events.
    event: String,
    /// Whether places are times.
    timed: bool,
    /// Columns of the sequence, the product, and the place in the sequence.
    sequence: String,
    product: String,
    position: Option<String>,
    /// Of events, what the file says of times and product codes for orders, too.
    orders: Option<Arc<Mapping>>,
}

impl SequenceMapping {
    /// Checks the text of a mapping file; `file` names it in faults.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let (mut r, root) = Reader::open(text, file)?;
        let top = ["format", "currency", "csv_delimiter", "events", "sequences"];
        // One file maps events for orders, too, and is checked as a whole below.
        let of_orders = ["titles", "photos", "time", "rules"];
        let of_orders = match root.contains_key("events") {
            true => &of_orders[..],
            false => &[],
        };
        r.known("", &root, &[&top, of_orders].concat());
        let (currency, csv_delimiter) = r.head(&root);
        let mut section = r.table(&root, "sequences", true);
        let p = "sequences.";
        let mut event = VIEW.to_owned();
        let timed = r.events(&root, "columns").is_some();
        if timed {
            r.known("sequences", &section, &["of", "event"]);
            let name = r.text(p, &section, "event").unwrap_or(event);
            event = name;
            if EventKind::parse(&event).is_err() {
                r.fault(
                    "sequences.event",
                    format!("{event:?} is not an e-commerce event of GA4"),
                    "write \"view_item\", \"add_to_cart\" or \"purchase\"",
                );
            }
            let shoppers = section.get("of").and_then(toml::Value::as_str) == Some("shoppers");
            let sequence = if shoppers { "customer" } else { "session" };
            for (key, column) in [
                ("sequence", sequence),
                ("product", "product"),
                ("position", "time"),
            ] {
                section.insert(key.to_owned(), column.into());
            }
        } else {
            let known = ["of", "sequence", "product", "position"];
            r.known("sequences", &section, &known);
        }
        let of = r.required(p, &section, "of", "kind: \"sessions\" or \"shoppers\"");
        let what = "column that says which sequence a row belongs to";
        let sequence = r.required(p, &section, "sequence", what);
        let what = "column that holds the product";
        let product = r.required(p, &section, "product", what);
        let position = r.text(p, &section, "position");
        let kind = match of.as_str() {
            "sessions" => Some(Kind::Sessions),
            "shoppers" => Some(Kind::Shoppers),
            "" => None,
            other => {
                r.fault(
                    "sequences.of",
                    format!("{other:?} is neither"),
                    "write \"sessions\" (of nobody known, in the order of time) or \"shoppers\"",
                );
                None
            }
        };
        let orders = match timed.then(|| Mapping::parse(text, file)) {
            Some(Ok(orders)) => Some(Arc::new(orders)),
            Some(Err(Error::Invalid(found))) => {
                let is_new = |fault: &Fault| r.faults.iter().all(|known| known.path != fault.path);
                let new: Vec<Fault> = found.into_iter().filter(is_new).collect();
                r.faults.extend(new);
                None
            }
            Some(Err(other)) => return Err(other),
            None => None,
        };
        match (currency, kind) {
            (Some(currency), Some(of)) if r.faults.is_empty() => Ok(Self {
                text: text.to_owned(),
                of,
                currency,
                csv_delimiter,
                event,
                timed,
                sequence,
                product,
                position,
                orders,
            }),
            _ => Err(Error::Invalid(r.faults)),
        }
    }

    fn wanted(&self) -> [Option<&str>; 3] {
        [
            Some(&self.sequence),
            Some(&self.product),
            self.position.as_deref(),
        ]
    }
}

/// What was found while reading sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SequenceReport {
    /// Rows of the tables.
    pub rows: u64,
    /// Rows that became a place of a sequence.
    pub kept: u64,
    /// Rows that could not be split into fields.
    pub broken: u64,
    /// Rows whose sequence is missing or no id.
    pub without_sequence: u64,
    /// Rows whose product is missing, no id that a request could name, or no code
    /// of a product by the mapping's rules.
    pub without_product: u64,
    /// Rows whose place in the sequence is missing or no whole number.
    pub without_position: u64,
    /// Rows of events outside the mapping's range of times.
    pub out_of_range: u64,
    /// Rows of events without consent, and of events that came before.
    pub left_out: u64,
    /// Rows of sequences with more places than a visit or a shopper has, which are
    /// left out as a whole.
    pub flooded: u64,
    /// Sequences.
    pub sequences: usize,
    /// Products.
    pub products: usize,
}

/// Sequences of a shop.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The ids of products, sorted.
    pub products: Vec<String>,
    /// The ids of sequences, in the order of their first rows.
    pub ids: Vec<String>,
    /// The sequences, as indices of products.
    pub sequences: Sequences,
    /// What was found.
    pub report: SequenceReport,
    /// SHA-256 over the mapping file and the tables.
    pub digest: [u8; 32],
}

impl Log {
    /// Keeps the first sequences only. Products stay, known or not.
    pub fn cut(&mut self, sequences: usize) {
        self.ids.truncate(sequences);
        self.sequences.ends.truncate(sequences);
        let places = self.sequences.ends.last().map_or(0, |end| *end as usize);
        self.sequences.products.truncate(places);
        self.report.sequences = self.ids.len();
        self.report.kept = places as u64;
        let mut digest = Sha256::new();
        digest.update(self.digest);
        digest.update((self.ids.len() as u64).to_le_bytes());
        self.digest = digest.finalize().into();
    }
}

/// Reads a table, all tables of a folder in the order of their names, or a store
/// of events. Without a mapping file, the store's own or `mapping.toml` of the
/// folder is used.
pub fn import(
    shop: &Path,
    mapping: Option<&Path>,
    watch: &mut dyn Watch,
) -> Result<(SequenceMapping, Log)> {
    let place = Place::of(shop)?;
    let (text, file) = place.mapping(mapping, "sequences")?;
    let mapping = SequenceMapping::parse(&text, &file)?;
    // A table of titles holds no sequences.
    let titles = mapping
        .orders
        .as_ref()
        .and_then(|orders| orders.titles.as_ref());
    let mut source = place.source(mapping.csv_delimiter, titles)?;
    source.titles = None;
    let log = read(&source, &mapping, watch)?;
    Ok((mapping, log))
}

/// Reads the given tables, in their order.
pub fn import_tables(
    files: &[PathBuf],
    mapping: &SequenceMapping,
    watch: &mut dyn Watch,
) -> Result<Log> {
    let source = Source::of(files, None, Path::new(""), mapping.csv_delimiter)?;
    read(&source, mapping, watch)
}

pub(super) fn read(
    source: &Source,
    mapping: &SequenceMapping,
    watch: &mut dyn Watch,
) -> Result<Log> {
    let wanted = mapping.wanted();
    let mut faults = Vec::new();
    let tables = open_all(&source.files, &mapping.event, &wanted, &mut faults)?;
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let mut intake = Intake {
        positions: mapping.position.is_some(),
        timed: mapping.timed,
        orders: mapping.orders.clone(),
        ..Intake::default()
    };
    for table in tables {
        table.read(wanted, &mut intake, watch)?;
    }
    Ok(intake.finish(source.digest(&mapping.text)?))
}

#[derive(Default)]
struct Intake {
    /// Whether rows say their place in the sequence.
    positions: bool,
    /// Whether that place is a time, by which the sequences stand in order, too.
    timed: bool,
    orders: Option<Arc<Mapping>>,
    sequences: BTreeMap<String, u32>,
    products: BTreeMap<String, u32>,
    /// Sequence, place, product.
    rows: Vec<(u32, i64, u32)>,
    /// Rows of each sequence.
    of_sequence: Vec<u64>,
    /// Keys of events.
    seen: BTreeSet<u64>,
    report: SequenceReport,
}

/// Forgets the ids whose numbers don't occur any more; what the others' are now.
fn only(ids: &mut BTreeMap<String, u32>, used: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers = vec![u32::MAX; ids.len()];
    used.for_each(|number| numbers[number as usize] = 0);
    let kept = numbers.iter_mut().filter(|number| **number == 0);
    for (new, number) in (0u32..).zip(kept) {
        *number = new;
    }
    ids.retain(|_, number| {
        *number = numbers[*number as usize];
        *number != u32::MAX
    });
    numbers
}

/// The number of an id, by first appearance.
fn intern(ids: &mut BTreeMap<String, u32>, id: &str) -> u32 {
    if let Some(number) = ids.get(id) {
        return *number;
    }
    let number = ids.len() as u32;
    ids.insert(id.to_owned(), number);
    number
}

impl Rows<3> for Intake {
    fn row(&mut self, [sequence, product, position]: [Cell<'_>; 3]) {
        self.report.rows += 1;
        let id = sequence
            .id()
            .filter(|id| ShopperId::new(id.as_ref()).is_ok());
        let Some(sequence) = id else {
            self.report.without_sequence += 1;
            return;
        };
        let orders = self.orders.as_deref();
        let code = product
            .id()
            .map(|id| product_code(id, orders.is_some_and(|it| it.rules.upper_case_products)));
        let code = code.filter(|code| {
            let rule = orders.and_then(|it| it.rules.product_code.as_ref());
            rule.is_none_or(|rule| rule.is_match(code)) && ProductId::new(code.as_str()).is_ok()
        });
        let Some(product) = code else {
            self.report.without_product += 1;
            return;
        };
        let place = match self.positions {
            true => position.int(),
            false => Some(0),
        };
        let Some(place) = place else {
            self.report.without_position += 1;
            return;
        };
        if orders.is_some_and(|orders| !orders.time.holds(place)) {
            self.report.out_of_range += 1;
            return;
        }
        let sequence = intern(&mut self.sequences, &sequence);
        if self.of_sequence.len() <= sequence as usize {
            self.of_sequence.push(0);
        }
        let rows = &mut self.of_sequence[sequence as usize];
        *rows += 1;
        if *rows > MOST_ROWS {
            self.report.flooded += 1;
            return;
        }
        let product = intern(&mut self.products, &product);
        self.rows.push((sequence, place, product));
    }

    fn broken(&mut self, _: String) {
        self.report.rows += 1;
        self.report.broken += 1;
    }

    fn left_out(&mut self, _: LeftOut, _: &str) {
        self.report.rows += 1;
        self.report.left_out += 1;
    }

    fn event(&mut self, head: Head<'_>) -> bool {
        self.seen.insert(head.key)
    }
}

impl Intake {
    /// Numbers the sequences by the times of their first places.
    fn in_order_of_time(&mut self) {
        let mut first = vec![i64::MAX; self.sequences.len()];
        for (sequence, time, _) in &self.rows {
            let first = &mut first[*sequence as usize];
            *first = (*first).min(*time);
        }
        let mut order: Vec<usize> = (0..first.len()).collect();
        order.sort_by_key(|sequence| (first[*sequence], *sequence));
        let mut number = vec![0u32; order.len()];
        for (new, old) in (0u32..).zip(order) {
            number[old] = new;
        }
        for sequence in self.sequences.values_mut() {
            *sequence = number[*sequence as usize];
        }
        for (sequence, ..) in &mut self.rows {
            *sequence = number[*sequence as usize];
        }
    }

    fn drain_floods(&mut self) {
        if self.report.flooded > 0 {
            let kept = self.rows.len();
            let of_sequence = &self.of_sequence;
            self.rows
                .retain(|(sequence, ..)| of_sequence[*sequence as usize] <= MOST_ROWS);
            self.report.flooded += (kept - self.rows.len()) as u64;
            let sequences = only(&mut self.sequences, self.rows.iter().map(|row| row.0));
            let products = only(&mut self.products, self.rows.iter().map(|row| row.2));
            for (sequence, _, product) in &mut self.rows {
                *sequence = sequences[*sequence as usize];
                *product = products[*product as usize];
            }
        }
    }

    fn finish(mut self, digest: [u8; 32]) -> Log {
        self.drain_floods();
        if self.timed {
            self.in_order_of_time();
        }
        // Stable: rows without places, or with equal ones, keep their order.
        self.rows
            .sort_by_key(|(sequence, place, _)| (*sequence, *place));
        // The map is sorted by id, and so is a model's table.
        let mut sorted = vec![0u32; self.products.len()];
        for (at, number) in (0u32..).zip(self.products.values()) {
            sorted[*number as usize] = at;
        }
        let mut log = Log {
            products: self.products.into_keys().collect(),
            ids: vec![String::new(); self.sequences.len()],
            digest,
            ..Log::default()
        };
        for (id, number) in self.sequences {
            log.ids[number as usize] = id;
        }
        for sequence in self.rows.chunk_by(|a, b| a.0 == b.0) {
            let products: Vec<u32> = sequence
                .iter()
                .map(|(_, _, product)| sorted[*product as usize])
                .collect();
            log.sequences.push(&products);
        }
        self.report.kept = self.rows.len() as u64;
        self.report.sequences = log.ids.len();
        self.report.products = log.products.len();
        log.report = self.report;
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Silent;

    const MAPPING: &str = "format = 1\ncurrency = \"EUR\"\n[sequences]\nof = \"sessions\"\n\
                           sequence = \"visit\"\nproduct = \"sku\"\nposition = \"n\"\n";

    #[test]
    fn rows_become_sequences_and_bad_ones_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("mapping.toml", MAPPING);
        write(
            "1.csv",
            "visit,n,sku\nv9,2,B\nv9,1,A\nv2,1,C\n,1,A\nv2,x,A\nv2,2,\n",
        );
        write("2.csv", "visit,n,sku\nv2,3,A\n");
        let (mapping, log) = import(folder.path(), None, &mut Silent).expect("read");
        assert_eq!(mapping.of, Kind::Sessions);
        assert_eq!(log.products, ["A", "B", "C"]);
        assert_eq!(log.ids, ["v9", "v2"]);
        assert_eq!(log.sequences.iter().collect::<Vec<_>>(), [[0, 1], [2, 0]]);
        assert_eq!(
            log.report,
            SequenceReport {
                rows: 7,
                kept: 4,
                without_sequence: 1,
                without_product: 1,
                without_position: 1,
                sequences: 2,
                products: 3,
                ..SequenceReport::default()
            }
        );
    }

    #[test]
    fn looks_of_an_export_become_sessions_in_the_order_of_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let look = |user: &str, session: u32, second: u32, product: &str| {
            format!(
                r#"{{"event_name":"view_item","event_timestamp":"17000000{second}000000","user_pseudo_id":"{user}","event_params":[{{"key":"ga_session_id","value":{{"int_value":"{session}"}}}}],"items":[{{"item_id":"{product}"}}]}}"#
            )
        };
        let lines = [
            look("u.1", 7, 30, "B"),
            look("u.2", 9, 20, "A"),
            look("u.1", 7, 10, "C"),
            look("u.2", 9, 20, "A"),
            look("u.2", 9, 20, "B"),
            look("u.2", 9, 40, "(not set)"),
            r#"{"event_name":"page_view","event_timestamp":"1700000050000000"}"#.to_owned(),
            r#"{"neither":1}"#.to_owned(),
        ];
        std::fs::write(folder.path().join("events.jsonl"), lines.join("\n")).expect("written");
        let mapping = "format = 1\ncurrency = \"EUR\"\n[events]\n[sequences]\nof = \"sessions\"\n";
        std::fs::write(folder.path().join("mapping.toml"), mapping).expect("written");
        let (_, log) = import(folder.path(), None, &mut Silent).expect("read");
        assert_eq!(log.ids, ["u.1.7", "u.2.9"]);
        assert_eq!(log.sequences.iter().collect::<Vec<_>>(), [[2, 1], [0, 1]]);
        let report = SequenceReport {
            rows: 7,
            kept: 4,
            broken: 1,
            without_product: 1,
            left_out: 1,
            sequences: 2,
            products: 3,
            ..SequenceReport::default()
        };
        assert_eq!(log.report, report);
        let both = mapping.replace("[events]", "[events]\n[columns]\norder = \"x\"");
        let error = SequenceMapping::parse(&both, "m").expect_err("faults");
        assert!(!error.faults().is_empty());
    }

    #[test]
    fn a_sequence_with_too_many_places_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("mapping.toml", MAPPING);
        let flood: String = (0..=MOST_ROWS).map(|n| format!("bot,{n},Z\n")).collect();
        write("1.csv", &format!("visit,n,sku\n{flood}v2,1,B\nv2,2,A\n"));
        let (_, log) = import(folder.path(), None, &mut Silent).expect("the other one");
        assert_eq!(
            (log.ids, log.products),
            (vec!["v2".into()], vec!["A".into(), "B".into()])
        );
        assert_eq!(log.sequences.products, [1, 0]);
        assert_eq!((log.report.flooded, log.report.kept), (MOST_ROWS + 1, 2));
    }

    #[test]
    fn a_mapping_tells_all_its_faults() {
        let error = SequenceMapping::parse(
            "currency = \"euro\"\nextra = 1\n[sequences]\nof = \"visits\"\nproduct = 3\n",
            "mapping.toml",
        )
        .expect_err("faults");
        let places: Vec<&str> = error.faults().iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "mapping.toml: extra",
                "mapping.toml: format",
                "mapping.toml: currency",
                "mapping.toml: sequences.sequence",
                "mapping.toml: sequences.product",
                "mapping.toml: sequences.of"
            ]
        );
        SequenceMapping::parse(MAPPING, "mapping.toml").expect("a mapping");
    }
}
