//! The mapping file: which column means what, and what makes a row unusable.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use shelfedge_commerce::Fault;
use shelfedge_commerce::money::Currency;
use shelfedge_commerce::time::{HOUR, Timestamp};

use crate::error::{Error, Result, fault, line};
use crate::images;

/// How long what is done counts for a list, unless the mapping says otherwise, and
/// at most.
const WINDOW_HOURS: i64 = 24;
const MOST_HOURS: i64 = 720;

/// Version of the mapping file's format.
pub const MAPPING_FORMAT: i64 = 1;

/// What every row of a stream of events has, or may have.
pub(super) const COLUMNS: [&str; 19] = [
    "time",
    "customer",
    "session",
    "order",
    "product",
    "title",
    "quantity",
    "unit_price",
    "currency",
    "country",
    "category",
    "brand",
    // Who looked: the device, where the stream knows it.
    "viewer",
    // What was shown: in which list, where, and by what.
    "list",
    "position",
    "exposure",
    "model",
    "arm",
    "propensity",
];
/// What order lines have, or may have. Events don't name a seller.
const OF_ORDERS: [&str; 12] = [
    "order",
    "product",
    "title",
    "quantity",
    "time",
    "unit_price",
    "customer",
    "country",
    "currency",
    "category",
    "brand",
    "seller",
];

/// The section of a mapping file that names the columns of orders, for events, with
/// the column of titles or without.
fn event_columns(titles: bool) -> toml::Table {
    let both = OF_ORDERS.iter().filter(|name| COLUMNS.contains(name));
    let all = both.filter(|name| titles || **name != "title");
    all.map(|name| ((*name).to_owned(), toml::Value::from(*name)))
        .collect()
}

/// A validated mapping file.
#[derive(Debug)]
pub struct Mapping {
    /// The text it was read from, which the data's digest covers.
    pub(super) text: String,
    /// Currency of all prices.
    pub currency: Currency,
    /// What separates fields in CSV files; a comma unless said otherwise.
    pub csv_delimiter: u8,
    /// Where the files hold events: how long after a list was shown what is done
    /// counts for it, in milliseconds.
    pub window: Option<i64>,
    /// Whether the file has a section for sequences, too.
    pub(super) sequences: bool,
    /// Columns.
    pub columns: Columns,
    /// Where the products' titles are, if they have a table of their own.
    pub titles: Option<Titles>,
    /// Where the products' photos are, if there are any.
    pub photos: Option<Photos>,
    /// How times are written.
    pub time: TimeRule,
    /// What makes a row unusable.
    pub rules: Rules,
}

/// Names of the columns.
#[derive(Debug)]
pub struct Columns {
    /// Order (invoice) number.
    pub order: String,
    /// Product code.
    pub product: String,
    /// Title of the product.
    pub title: Option<String>,
    /// Pieces.
    pub quantity: String,
    /// Time of the order.
    pub time: String,
    /// Price of one piece.
    pub unit_price: String,
    /// Customer number.
    pub customer: String,
    /// Country of the customer.
    pub country: Option<String>,
    /// Currency of the row.
    pub currency: Option<String>,
    /// Category, brand and seller of the product.
    pub attributes: [Option<String>; 3],
}

/// The columns of a product's attributes.
const ATTRIBUTES: [&str; 3] = ["category", "brand", "seller"];

/// A table with one row for each product, for shops whose order lines name
/// only its code.
#[derive(Debug)]
pub struct Titles {
    /// The file, in the folder of the order lines. It holds none itself.
    pub table: String,
    /// The column of the product's code.
    pub product: String,
    /// The column of its title.
    pub title: String,
    /// Whether a product that was never sold is one of the shop's, too.
    pub new_products: bool,
}

/// A folder of photos of products.
#[derive(Debug)]
pub struct Photos {
    /// The folder, beside the order lines or anywhere.
    pub folder: String,
    /// An encoder as ONNX; without it one is learnt.
    pub encoder: Option<String>,
    /// What the encoder expects.
    pub settings: images::Settings,
}

/// How times are written.
#[derive(Debug)]
pub struct TimeRule {
    /// `strftime` pattern for times given as text; without it text must be
    /// RFC 3339.
    pub format: Option<String>,
    /// Minutes east of UTC of times without a zone.
    pub utc_offset_minutes: i32,
    /// Rows before this are refused.
    pub earliest: Option<Timestamp>,
    /// Rows at or after this are refused.
    pub before: Option<Timestamp>,
}

impl TimeRule {
    /// Whether a time, in Unix milliseconds, lies in the range, and can be written.
    pub(super) fn holds(&self, time: i64) -> bool {
        self.earliest.is_none_or(|t| time >= t.millis())
            && self.before.is_none_or(|t| time < t.millis())
            && Timestamp(time).is_writable()
    }
}

/// What to do with lines of the same product in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// Quantities are added.
    Sum,
    /// Lines after the first are refused.
    Refuse,
}

/// What makes a row unusable.
#[derive(Debug)]
pub struct Rules {
    /// An order whose number begins with one of these is a cancellation.
    pub cancellation_prefixes: Vec<String>,
    /// What a product code looks like; others (postage, fees) are refused.
    pub product_code: Option<Regex>,
    /// Whether product codes are put in upper case first.
    pub upper_case_products: bool,
    /// Lines of one product in one order.
    pub repeated_lines: Repeated,
}

/// The text of a mapping file, which names the columns of something.
pub(super) fn load(path: &Path, something: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::fault(
            "mapping_missing",
            path.display().to_string(),
            format!("there is no such file; it names the columns of the {something}"),
            "write it as the README of shelfedge-train shows, or name another with --mapping",
        ),
        _ => Error::io("read", path, e),
    })
}

/// Reads a mapping file of any kind, and keeps what is wrong with it.
pub(super) struct Reader<'a> {
    pub(super) faults: Vec<Fault>,
    file: &'a str,
}

impl<'a> Reader<'a> {
    /// Begins with the text of a file; `file` names it in faults.
    pub(super) fn open(text: &str, file: &'a str) -> Result<(Self, toml::Table)> {
        let root: toml::Table = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| line(text, span.start));
            Error::fault(
                "mapping_not_toml",
                format!("{file}: line {line}"),
                e.message().to_owned(),
                "correct the TOML",
            )
        })?;
        let faults = Vec::new();
        Ok((Self { faults, file }, root))
    }

    /// What every mapping file begins with: the format, the currency, and what
    /// separates fields in CSV files.
    pub(super) fn head(&mut self, root: &toml::Table) -> (Option<Currency>, u8) {
        if root.get("format").and_then(toml::Value::as_integer) != Some(MAPPING_FORMAT) {
            self.fault(
                "format",
                "missing or not a version that this program reads",
                "write format = 1",
            );
        }
        let currency = match root.get("currency") {
            None => {
                self.fault(
                    "currency",
                    "missing",
                    "give the prices' currency, as \"GBP\"",
                );
                None
            }
            Some(_) => self.text("", root, "currency").and_then(|code| {
                let currency = Currency::parse(&code).ok();
                if currency.is_none() {
                    self.fault(
                        "currency",
                        format!("{code:?} is not an ISO 4217 code"),
                        "use three capital letters, as \"GBP\"",
                    );
                }
                currency
            }),
        };

        let csv_delimiter = match self.text("", root, "csv_delimiter").as_deref() {
            None => b',',
            Some(text) if text.len() == 1 && text != "\"" => text.as_bytes()[0],
            Some(text) => {
                self.fault(
                    "csv_delimiter",
                    format!("{text:?} is not one ASCII character"),
                    "write \",\", \";\" or \"\\t\"",
                );
                b','
            }
        };
        (currency, csv_delimiter)
    }

    /// Whether the files hold events, whose columns are known: a section `[events]`
    /// stands for the one that would name them. Then how long after a list was shown
    /// what is done counts for it, in milliseconds.
    pub(super) fn events(&mut self, root: &toml::Table, instead_of: &str) -> Option<i64> {
        if !root.contains_key("events") {
            return None;
        }
        let section = self.table(root, "events", false);
        self.known("events", &section, &["window_hours"]);
        if root.contains_key(instead_of) {
            self.fault(
                "events",
                format!("[{instead_of}] names columns, and events have their own"),
                "keep one of the two sections",
            );
        }
        let hours = section.get("window_hours").map(toml::Value::as_integer);
        match hours.unwrap_or(Some(WINDOW_HOURS)) {
            Some(hours) if (1..=MOST_HOURS).contains(&hours) => Some(hours * HOUR),
            _ => {
                self.fault(
                    "events.window_hours",
                    "is no whole number of hours",
                    "give 1 to 720; 24 is usual",
                );
                Some(HOUR)
            }
        }
    }

    pub(super) fn fault(&mut self, path: &str, cause: impl Into<String>, action: &str) {
        self.faults.push(fault(
            "mapping_invalid",
            format!("{}: {path}", self.file),
            cause,
            action,
        ));
    }

    pub(super) fn known(&mut self, path: &str, table: &toml::Table, keys: &[&str]) {
        for key in table.keys() {
            if !keys.contains(&key.as_str()) {
                let place = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                self.fault(
                    &place,
                    "unknown key",
                    &format!("use one of: {}", keys.join(", ")),
                );
            }
        }
    }

    pub(super) fn table(&mut self, root: &toml::Table, key: &str, required: bool) -> toml::Table {
        match root.get(key) {
            Some(toml::Value::Table(table)) => table.clone(),
            Some(other) => {
                self.fault(
                    key,
                    format!("is {}, not a table", other.type_str()),
                    &format!("write a section [{key}]"),
                );
                toml::Table::new()
            }
            None => {
                if required {
                    self.fault(key, "missing", &format!("add a section [{key}]"));
                }
                toml::Table::new()
            }
        }
    }

    pub(super) fn text(&mut self, path: &str, table: &toml::Table, key: &str) -> Option<String> {
        let value = table.get(key)?;
        match value.as_str() {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            Some(_) => {
                self.fault(&format!("{path}{key}"), "is empty", "give a value");
                None
            }
            None => {
                self.fault(
                    &format!("{path}{key}"),
                    format!("is {}, not text", value.type_str()),
                    "put it in quotes",
                );
                None
            }
        }
    }

    pub(super) fn required(
        &mut self,
        path: &str,
        table: &toml::Table,
        key: &str,
        what: &str,
    ) -> String {
        if !table.contains_key(key) {
            self.fault(
                &format!("{path}{key}"),
                "missing",
                &format!("name the {what}"),
            );
        }
        self.text(path, table, key).unwrap_or_default()
    }

    fn flag(&mut self, path: &str, table: &toml::Table, key: &str) -> bool {
        match table.get(key) {
            None => false,
            Some(toml::Value::Boolean(flag)) => *flag,
            Some(other) => {
                self.fault(
                    &format!("{path}{key}"),
                    format!("is {}", other.type_str()),
                    "write true or false",
                );
                false
            }
        }
    }

    fn instant(&mut self, path: &str, table: &toml::Table, key: &str) -> Option<Timestamp> {
        let value = table.get(key)?;
        let text = match value {
            toml::Value::Datetime(time) => time.to_string(),
            toml::Value::String(text) => text.clone(),
            other => other.type_str().to_owned(),
        };
        let parsed = Timestamp::parse_rfc3339(&text).ok();
        if parsed.is_none() {
            self.fault(
                &format!("{path}{key}"),
                format!("{text:?} is not a time"),
                "write RFC 3339, as 2011-12-10T00:00:00Z",
            );
        }
        parsed
    }
}

impl Reader<'_> {
    /// The section of photos: what an encoder expects are the keys of a settings file.
    fn photos(&mut self, root: &toml::Table) -> Photos {
        let mut table = self.table(root, "photos", false);
        let p = "photos.";
        self.known(
            "photos",
            &table,
            &["folder", "encoder", "side", "mean", "std"],
        );
        let folder = self.required(p, &table, "folder", "folder of the photos");
        let encoder = self.text(p, &table, "encoder");
        table.retain(|key, _| ["side", "mean", "std"].contains(&key));
        if encoder.is_none()
            && let Some(key) = table.keys().next()
        {
            let cause = "what is learnt expects nothing";
            self.fault(&format!("{p}{key}"), cause, "remove it, or name an encoder");
        }
        let settings = toml::Value::Table(table).try_into::<images::Settings>();
        let settings = settings.unwrap_or_else(|e| {
            let action = "write side = 224, mean = [0.5, 0.5, 0.5] and std as mean";
            self.fault("photos", e.message(), action);
            images::Settings::default()
        });
        settings.check(&mut |key, right, range| {
            if !right {
                self.fault(
                    &format!("photos.{key}"),
                    format!("must be {range}"),
                    "correct it",
                );
            }
        });
        Photos {
            folder,
            encoder,
            settings,
        }
    }
}

impl Mapping {
    /// Checks the text of a mapping file; `file` names it in faults.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let (mut r, root) = Reader::open(text, file)?;
        r.known(
            "",
            &root,
            &[
                "format",
                "currency",
                "csv_delimiter",
                "columns",
                "events",
                "titles",
                "photos",
                "time",
                "rules",
                // Of events alone, which one file maps for orders and for sequences.
                "sequences",
            ],
        );
        let (currency, csv_delimiter) = r.head(&root);

        let window = r.events(&root, "columns");
        if window.is_none() && root.contains_key("sequences") {
            r.fault(
                "sequences",
                "sequences of tables have no orders",
                "keep one of the sections [columns] and [sequences], or map [events]",
            );
        }
        let c = match window {
            Some(_) => event_columns(!root.contains_key("titles")),
            None => r.table(&root, "columns", true),
        };
        r.known("columns", &c, &OF_ORDERS);
        let p = "columns.";
        let columns = Columns {
            order: r.required(p, &c, "order", "column that holds the order number"),
            product: r.required(p, &c, "product", "column that holds the product code"),
            title: r.text(p, &c, "title"),
            quantity: r.required(p, &c, "quantity", "column that holds the quantity"),
            time: r.required(p, &c, "time", "column that holds the time of the order"),
            unit_price: r.required(
                p,
                &c,
                "unit_price",
                "column that holds the price of one piece",
            ),
            customer: r.required(p, &c, "customer", "column that holds the customer number"),
            country: r.text(p, &c, "country"),
            currency: r.text(p, &c, "currency"),
            attributes: ATTRIBUTES.map(|name| r.text(p, &c, name)),
        };
        let mut seen = BTreeSet::new();
        for name in columns.wanted().into_iter().flatten() {
            if !name.is_empty() && !seen.insert(name) {
                r.fault(
                    "columns",
                    format!("column {name:?} is named twice"),
                    "give each meaning a column of its own",
                );
            }
        }

        let titles = root.contains_key("titles").then(|| {
            let t = r.table(&root, "titles", false);
            r.known("titles", &t, &["table", "product", "title", "new_products"]);
            let p = "titles.";
            Titles {
                table: r.required(p, &t, "table", "file that holds the titles"),
                product: r.required(p, &t, "product", "column that holds the product code"),
                title: r.required(p, &t, "title", "column that holds the title"),
                new_products: r.flag(p, &t, "new_products"),
            }
        });
        if titles.is_some() && columns.title.is_some() {
            r.fault(
                "titles",
                "the titles come from columns.title already",
                "keep one of the two",
            );
        }

        let photos = root.contains_key("photos").then(|| r.photos(&root));

        let t = r.table(&root, "time", false);
        r.known(
            "time",
            &t,
            &["format", "utc_offset_minutes", "earliest", "before"],
        );
        let offset = match t.get("utc_offset_minutes") {
            None => 0,
            Some(value) => match value.as_integer() {
                Some(minutes) if (-14 * 60..=14 * 60).contains(&minutes) => minutes as i32,
                _ => {
                    r.fault(
                        "time.utc_offset_minutes",
                        format!("{value} is not an offset"),
                        "give whole minutes east of UTC, -840 to 840",
                    );
                    0
                }
            },
        };
        let format = r.text("time.", &t, "format");
        if let Some(format) = &format
            && chrono::format::StrftimeItems::new(format)
                .any(|item| matches!(item, chrono::format::Item::Error))
        {
            r.fault(
                "time.format",
                format!("{format:?} is not a time pattern"),
                "use strftime fields, as \"%d/%m/%Y %H:%M\"",
            );
        }
        let time = TimeRule {
            format,
            utc_offset_minutes: offset,
            earliest: r.instant("time.", &t, "earliest"),
            before: r.instant("time.", &t, "before"),
        };
        if let (Some(earliest), Some(before)) = (time.earliest, time.before)
            && earliest >= before
        {
            r.fault(
                "time.before",
                "is not after time.earliest",
                "widen the range",
            );
        }

        let u = r.table(&root, "rules", false);
        r.known(
            "rules",
            &u,
            &[
                "cancellation_prefixes",
                "product_code",
                "upper_case_products",
                "repeated_lines",
            ],
        );
        let mut cancellation_prefixes = Vec::new();
        if let Some(value) = u.get("cancellation_prefixes") {
            match value.as_array() {
                Some(list) => {
                    for (i, item) in list.iter().enumerate() {
                        match item.as_str() {
                            Some(prefix) if !prefix.is_empty() => {
                                cancellation_prefixes.push(prefix.to_owned());
                            }
                            _ => r.fault(
                                &format!("rules.cancellation_prefixes[{i}]"),
                                "is not a non-empty text",
                                "write prefixes in quotes, as [\"C\"]",
                            ),
                        }
                    }
                }
                None => r.fault(
                    "rules.cancellation_prefixes",
                    format!("is {}, not a list", value.type_str()),
                    "write a list, as [\"C\"]",
                ),
            }
        }
        let product_code = r.text("rules.", &u, "product_code").and_then(|pattern| {
            // The whole code must match, whether or not the author anchored it.
            match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => Some(regex),
                Err(e) => {
                    r.fault(
                        "rules.product_code",
                        format!("not a regular expression: {e}"),
                        "correct the pattern",
                    );
                    None
                }
            }
        });
        let upper_case_products = r.flag("rules.", &u, "upper_case_products");
        let repeated_lines = match r.text("rules.", &u, "repeated_lines").as_deref() {
            None | Some("sum") => Repeated::Sum,
            Some("refuse") => Repeated::Refuse,
            Some(other) => {
                r.fault(
                    "rules.repeated_lines",
                    format!("{other:?} is not a rule"),
                    "write \"sum\" or \"refuse\"",
                );
                Repeated::Sum
            }
        };
        match currency {
            Some(currency) if r.faults.is_empty() => Ok(Self {
                text: text.to_owned(),
                currency,
                csv_delimiter,
                window,
                sequences: root.contains_key("sequences"),
                columns,
                titles,
                photos,
                time,
                rules: Rules {
                    cancellation_prefixes,
                    product_code,
                    upper_case_products,
                    repeated_lines,
                },
            }),
            _ => Err(Error::Invalid(r.faults)),
        }
    }
}

impl Columns {
    /// The columns in the order in which they are declared; none for an
    /// optional one that isn't named.
    pub fn wanted(&self) -> [Option<&str>; 12] {
        let [category, brand, seller] = &self.attributes;
        [
            Some(&self.order),
            Some(&self.product),
            self.title.as_ref(),
            Some(&self.quantity),
            Some(&self.time),
            Some(&self.unit_price),
            Some(&self.customer),
            self.country.as_ref(),
            self.currency.as_ref(),
            category.as_ref(),
            brand.as_ref(),
            seller.as_ref(),
        ]
        .map(|name| name.map(String::as_str))
    }
}
