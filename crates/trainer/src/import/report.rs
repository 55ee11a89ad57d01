//! What the import found, rule by rule.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// How many rows are shown for a rule.
pub const EXAMPLES: usize = 3;

/// Why a row was refused, or what was noticed about a row that was kept.
///
/// Refusing rules are tried in this order and the first that applies counts the
/// row, so that the counts add up to the rows read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// An event recorded without consent to analytics.
    Consent,
    /// An event that came before.
    Again,
    /// A field that is needed is missing or can't be read.
    Unparsable,
    /// The time lies outside the range of the mapping file.
    OutOfRange,
    /// The row's currency is not the shop's.
    MixedCurrency,
    /// No customer: nobody's history. Such rows are used for nothing.
    MissingCustomer,
    /// A cancelled order.
    Cancellation,
    /// Zero or fewer pieces.
    Quantity,
    /// A price of zero or less.
    Price,
    /// Postage, fees, vouchers: not a product.
    NotAProduct,
    /// An id of an order, a product or a customer that no request could name.
    Id,
    /// A customer with more rows than a shopper has.
    Flood,
    /// A further line of a product within an order, where the mapping refuses
    /// these.
    Repeated,
    /// Kept: a further line of a product within an order, added to the first.
    Merged,
    /// Kept: earlier than the row before it. Orders are sorted afterwards.
    OutOfOrder,
    /// Kept: the price had more digits than the currency and was rounded.
    Rounded,
    /// Kept: a title or a country that is not UTF-8 and was repaired.
    NotText,
    /// A list that was shown with one product, or one position, twice, or with a
    /// propensity out of its range: of impressions, not of orders.
    Exposure,
}

impl Rule {
    /// All rules of order lines, in order.
    pub const ALL: [Self; 17] = [
        Self::Consent,
        Self::Again,
        Self::Unparsable,
        Self::OutOfRange,
        Self::MixedCurrency,
        Self::MissingCustomer,
        Self::Cancellation,
        Self::Quantity,
        Self::Price,
        Self::NotAProduct,
        Self::Id,
        Self::Flood,
        Self::Repeated,
        Self::Merged,
        Self::OutOfOrder,
        Self::Rounded,
        Self::NotText,
    ];

    /// Whether a row under this rule is kept.
    pub fn keeps(self) -> bool {
        matches!(
            self,
            Self::Merged | Self::OutOfOrder | Self::Rounded | Self::NotText
        )
    }

    /// For the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Consent => "an event without consent",
            Self::Again => "an event that came before",
            Self::Unparsable => "a field is missing or unreadable",
            Self::OutOfRange => "time out of range",
            Self::MixedCurrency => "another currency",
            Self::MissingCustomer => "no customer",
            Self::Cancellation => "cancellation",
            Self::Quantity => "quantity zero or negative",
            Self::Price => "price zero or negative",
            Self::NotAProduct => "not a product code",
            Self::Id => "an id of more than 64 bytes or with control characters",
            Self::Flood => "a customer with more than 100,000 rows",
            Self::Repeated => "repeated line in an order",
            Self::Merged => "repeated line in an order, added to the first",
            Self::OutOfOrder => "earlier than the row before, sorted",
            Self::Rounded => "price rounded to the currency's digits",
            Self::NotText => "text that is not UTF-8, repaired",
            Self::Exposure => "a list that can't have been shown so",
        }
    }
}

/// A row that a rule applied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Which file.
    pub file: String,
    /// 1 is the first row after the header; in a stream of events, the line.
    pub row: u64,
    /// The fields concerned, as `column=value`.
    pub fields: Vec<String>,
}

/// A rule's count.
#[derive(Clone, Debug, Serialize)]
pub struct RuleCount {
    /// Which rule.
    pub rule: Rule,
    /// Whether the rows were kept.
    pub kept: bool,
    /// How many rows.
    pub rows: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// What a table of titles held.
#[derive(Clone, Debug, Serialize)]
pub struct Titled {
    /// Its file.
    pub file: String,
    /// Its rows.
    pub rows: u64,
    /// Rows without a product's code or without a title, and new products whose codes no
    /// request accepts.
    pub unusable: u64,
    /// Products of the order lines that got a title.
    pub products: u64,
    /// Products that were never sold and are the shop's, too.
    pub new_products: u64,
}

/// What the import found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Files, in the order of reading.
    pub files: Vec<String>,
    /// Rows read.
    pub rows: u64,
    /// Rows that became (part of) an order line.
    pub kept: u64,
    /// Rows refused by any rule.
    pub refused: u64,
    /// Every rule, in order.
    pub rules: Vec<RuleCount>,
    /// What the table of titles held, if the mapping names one.
    pub titles: Option<Titled>,
    /// Order lines after repeated lines were joined.
    pub lines: u64,
    /// Orders.
    pub orders: u64,
    /// Customers.
    pub customers: u64,
    /// Products.
    pub products: u64,
    /// Time of the first order.
    pub first: Option<String>,
    /// Time of the last order.
    pub last: Option<String>,
    /// SHA-256 over the mapping and the files' bytes.
    pub digest: String,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            files: Vec::new(),
            rows: 0,
            kept: 0,
            refused: 0,
            rules: counts(&Rule::ALL),
            titles: None,
            lines: 0,
            orders: 0,
            customers: 0,
            products: 0,
            first: None,
            last: None,
            digest: String::new(),
        }
    }

    pub(crate) fn count(&mut self, rule: Rule, example: impl FnOnce() -> Example) {
        count(&mut self.rules, rule, 1, example);
    }

    /// Rows counted under a rule.
    pub fn rows_of(&self, rule: Rule) -> u64 {
        self.rules[rule as usize].rows
    }

    /// As an aligned table for a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["rows", "", "what", "examples"]);
        table.add_row([
            thousands(self.rows),
            "read".into(),
            self.files.join(", "),
            String::new(),
        ]);
        for entry in &self.rules {
            let examples: Vec<String> = entry.examples.iter().map(example).collect();
            table.add_row([
                thousands(entry.rows),
                if entry.kept { "kept" } else { "refused" }.into(),
                entry.rule.title().into(),
                examples.join("\n"),
            ]);
        }
        table.add_row([
            thousands(self.refused),
            "refused".into(),
            "in all".into(),
            "used neither for learning nor for popularity".into(),
        ]);
        table.add_row([
            thousands(self.kept),
            "kept".into(),
            "in all".into(),
            format!(
                "{} lines of {} orders, {} customers, {} products",
                thousands(self.lines),
                thousands(self.orders),
                thousands(self.customers),
                thousands(self.products)
            ),
        ]);
        if let Some(titles) = &self.titles {
            table.add_row([
                thousands(titles.rows),
                "read".into(),
                format!("titles, {}", titles.file),
                format!(
                    "for {} of {} products, and {} that were never sold; {} rows without a code or a title",
                    thousands(titles.products),
                    thousands(self.products),
                    thousands(titles.new_products),
                    thousands(titles.unusable)
                ),
            ]);
        }
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            table.add_row([
                String::new(),
                String::new(),
                "orders from and to".into(),
                format!("{first} and {last}"),
            ]);
        }
        if let Some(column) = table.column_mut(0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// These rules, without a row.
pub(super) fn counts(rules: &[Rule]) -> Vec<RuleCount> {
    let count = |rule: &Rule| RuleCount {
        rule: *rule,
        kept: rule.keeps(),
        rows: 0,
        examples: Vec::new(),
    };
    rules.iter().map(count).collect()
}

/// Counts rows under one of the rules.
pub(super) fn count(
    rules: &mut [RuleCount],
    rule: Rule,
    rows: u64,
    example: impl FnOnce() -> Example,
) {
    let Some(count) = rules.iter_mut().find(|count| count.rule == rule) else {
        return;
    };
    count.rows += rows;
    if count.examples.len() < EXAMPLES {
        count.examples.push(example());
    }
}

pub(super) fn example(example: &Example) -> String {
    format!(
        "{} row {}: {}",
        example.file,
        example.row,
        example.fields.join(", ")
    )
}

pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
