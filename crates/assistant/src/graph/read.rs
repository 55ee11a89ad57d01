//! What a customer writes, as a question to the graph: names that it knows, and a few
//! words of English and Chinese for price, stock and order. What isn't among these is
//! passed over; a text with none of them is no question to the graph.

use core::ops::{Bound, Range};

use shelfedge_commerce::{Currency, Money};
use shelfedge_features::text::{Kind, Text};

use super::{
    Availability, Bounds, Constraint, Entity, Graph, Query, Question, Relation, Step, Type, Value,
    ValueKind,
};

/// The type of what the shop sells, as at schema.org.
pub(super) const PRODUCT: &str = "Product";
/// The relation to what a product fits, as at schema.org.
const FITS: &str = "isAccessoryOrSparePartFor";
/// Words of a text that are read, and of a name.
const MOST_WORDS: usize = 64;
const MOST_NAME_WORDS: usize = 12;

const BELOW: &[&str] = &[
    "under",
    "below",
    "less than",
    "cheaper than",
    "低于",
    "少于",
    "小于",
    "不到",
];
const AT_MOST: &[&str] = &[
    "at most",
    "up to",
    "no more than",
    "max",
    "不超过",
    "最多",
    "不高于",
];
const ABOVE: &[&str] = &["over", "above", "more than", "高于", "超过", "多于", "大于"];
const AT_LEAST: &[&str] = &["at least", "starting at", "min", "至少", "不低于", "不少于"];
/// Behind the number.
const OR_BELOW: &[&str] = &["or less", "以下", "以内", "之内"];
const OR_ABOVE: &[&str] = &["or more", "以上", "起"];
/// What looks for something.
const SEEKS: &[&str] = &[
    "do you have",
    "do you sell",
    "do you stock",
    "have you got",
    "you got any",
    "got any",
    "are there any",
    "show me",
    "looking for",
    "look for",
    "search for",
    "find me",
    "i need a",
    "i need some",
    "want to buy",
    "recommend",
    "有没有",
    "有卖",
    "卖不卖",
    "想买",
    "找一个",
    "找一下",
    "推荐",
];
/// Products that a search gives.
const MOST_SOUGHT: usize = 5;
/// Between a number and what says how it bounds.
const UNITS: &[&str] = &[
    "pounds", "pound", "dollars", "dollar", "euros", "euro", "yuan", "gbp", "usd", "eur", "cny",
    "元", "块", "英镑", "美元", "欧元",
];
const CHEAPEST: &[&str] = &[
    "cheapest",
    "lowest price",
    "least expensive",
    "最便宜",
    "价格最低",
];
const DEAREST: &[&str] = &[
    "most expensive",
    "highest price",
    "dearest",
    "最贵",
    "价格最高",
];
const STOCK: &[&str] = &[
    "in stock",
    "available",
    "availability",
    "有货",
    "现货",
    "库存",
];
const PRICE: &[&str] = &[
    "how much",
    "price",
    "cost",
    "costs",
    "多少钱",
    "价格",
    "价钱",
];
const FOR: &[&str] = &[
    "for",
    "fit",
    "fits",
    "compatible with",
    "适用",
    "适合",
    "兼容",
];
/// One word that names nothing.
const NO_NAMES: &[&str] = &[
    "a", "an", "the", "i", "it", "me", "my", "you", "your", "we", "is", "are", "do", "does",
    "have", "has", "in", "on", "of", "by", "for", "to", "from", "at", "and", "or", "with", "any",
    "some", "one", "how", "much", "many", "what", "which", "who", "when", "where", "why", "can",
    "show", "find", "want", "need", "unknown",
];

/// Whether a word is in many questions and in no name that it would tell of.
pub(super) fn names_nothing(word: &str) -> bool {
    NO_NAMES.contains(&word)
}

/// A text as a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is asked.
    pub question: Question<'static>,
    /// The parts of the text that it was read from, in bytes, in their order.
    pub understood: Vec<Range<usize>>,
}

struct Word {
    normal: String,
    kind: Kind,
    span: Range<usize>,
    used: bool,
}

/// A name in the text, and whom it may mean.
struct Mention {
    at: usize,
    span: Range<usize>,
    entities: Vec<Entity>,
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// Reads a question: its first 64 words; prices are in this currency. `None` where it
    /// names nothing that the graph knows.
    ///
    /// "cases for iPhone 5 under 20 by Acme" is a query; "how much is Leather Case" asks
    /// for one relation, by `price`, stock, or a relation's label; a product's name alone
    /// asks what is known of it; two of them, what they have to do with each other.
    #[must_use]
    pub fn read(&self, text: &str, currency: Currency) -> Option<Reading> {
        let mut words = words(text);
        let mentions = self.mentions(text, &mut words);
        if mentions.is_empty() {
            return None;
        }
        let product = self.type_named(PRODUCT)?;
        let (mut products, mut constraints) = (Vec::new(), Vec::new());
        for mention in mentions {
            let fits = mention.at > 0 && before(&mut words, mention.at, FOR);
            let is_product = |it: &Entity| self.type_of(*it) == Some(product);
            let wanted = self.relation(FITS).filter(|_| fits);
            match mention.entities.iter().copied().find(is_product) {
                // A name said twice is one product.
                Some(entity) if wanted.is_none() && products.contains(&entity) => {}
                Some(entity) if wanted.is_none() => products.push(entity),
                _ => constraints.extend(self.constraint(&mention.entities, product, wanted)),
            }
        }
        let price = self.relation_of("price", ValueKind::Money);
        let stock = self.relation_of("availability", ValueKind::Availability);
        let range = bounds(&mut words, currency);
        let falling = match (has(&mut words, CHEAPEST), has(&mut words, DEAREST)) {
            (false, false) => None,
            (_, falling) => Some(falling),
        };
        let asks_stock = has(&mut words, STOCK);
        let asks_price = has(&mut words, PRICE);
        let question = match *products.as_slice() {
            [one, other, ..] => Question::Between(one, other, Bounds::default()),
            [one] => {
                let asked = [price.filter(|_| asks_price), stock.filter(|_| asks_stock)];
                match asked
                    .into_iter()
                    .flatten()
                    .next()
                    .or_else(|| self.label_in(&mut words))
                {
                    Some(relation) => Question::Of(one, relation),
                    None => Question::About(one),
                }
            }
            [] if constraints.is_empty() => return None,
            [] => {
                if let (Some(relation), Some((low, high))) = (price, range) {
                    constraints.push(Constraint::Within(relation, low, high));
                }
                constraints.extend(stock.filter(|_| asks_stock).map(can_be_ordered));
                Question::Which(Query {
                    kind: Some(product),
                    constraints,
                    order: price.map(|it| (it, falling.unwrap_or(false))),
                    ..Query::default()
                })
            }
        };
        let understood = words.into_iter().filter(|it| it.used).map(|it| it.span);
        Some(Reading {
            question,
            understood: understood.collect(),
        })
    }

    /// Reads a text that looks for products by words of their names, as "do you have blue
    /// mugs under 10 pounds" and "cheapest cake stand" do, where [`Self::read`] reads no
    /// name. The products that have all of the words, or else the last of them; the least
    /// price first. `None` where it looks for nothing, or no name has its words.
    #[must_use]
    pub fn seek(&self, text: &str, currency: Currency) -> Option<Reading> {
        let mut words = words(text);
        let range = bounds(&mut words, currency);
        let falling = match (has(&mut words, CHEAPEST), has(&mut words, DEAREST)) {
            (false, false) => None,
            (_, falling) => Some(falling),
        };
        let seeks = has(&mut words, SEEKS);
        if range.is_none() && falling.is_none() && !seeks {
            return None;
        }
        let asks_stock = has(&mut words, STOCK);
        let mut named: Vec<String> = Vec::new();
        for word in &mut words {
            let is_name = word.kind == Kind::Word || word.kind == Kind::Code;
            if word.used || !is_name || names_nothing(&word.normal) {
                continue;
            }
            if let Some(found) = self.word_of_names(&word.normal) {
                word.used = true;
                named.push(found);
            }
        }
        let last = named.last()?.clone();
        let product = self.type_named(PRODUCT)?;
        let price = self.relation_of("price", ValueKind::Money);
        let mut constraints = Vec::new();
        if let (Some(relation), Some((low, high))) = (price, range) {
            constraints.push(Constraint::Within(relation, low, high));
        }
        if let Some(relation) = self
            .relation_of("availability", ValueKind::Availability)
            .filter(|_| asks_stock)
        {
            constraints.push(can_be_ordered(relation));
        }
        let query = |named: Vec<String>| Query {
            kind: Some(product),
            named,
            constraints: constraints.clone(),
            order: price.map(|it| (it, falling.unwrap_or(false))),
            limit: MOST_SOUGHT,
        };
        let whole = query(named);
        let any = self.find(&whole).is_ok_and(|found| found.all > 0);
        let understood = words.into_iter().filter(|it| it.used).map(|it| it.span);
        Some(Reading {
            question: Question::Which(if any { whole } else { query(vec![last]) }),
            understood: understood.collect(),
        })
    }

    /// Products that a text names, each with its bytes in the text, in their order. Where a
    /// name is that of several, the first of them.
    #[must_use]
    pub fn products(&self, text: &str) -> Vec<(Range<usize>, Entity)> {
        let product = self.type_named(PRODUCT);
        let is_product = |it: &Entity| product.is_some() && self.type_of(*it) == product;
        let mentions = self.mentions(text, &mut words(text)).into_iter();
        let named = mentions.filter_map(|it| {
            let entity = it.entities.into_iter().find(is_product)?;
            Some((it.span, entity))
        });
        named.collect()
    }

    /// What the shop sells, which have consecutive numbers.
    pub(super) fn products_of(&self) -> Option<Range<u32>> {
        Some(self.of_type(self.type_named(PRODUCT)?))
    }

    fn relation_of(&self, name: &str, kind: ValueKind) -> Option<Relation> {
        let found = self.relation(name)?;
        (self.about(found)?.kind == kind).then_some(found)
    }

    /// Names in the text, the longest first; none overlaps another.
    fn mentions(&self, text: &str, words: &mut [Word]) -> Vec<Mention> {
        let mut mentions = Vec::new();
        for length in (1..=MOST_NAME_WORDS.min(words.len())).rev() {
            for at in 0..=words.len() - length {
                let part = &words[at..at + length];
                let span = part[0].span.start..part[length - 1].span.end;
                let nothing = match part {
                    [one] => {
                        one.kind != Kind::Word && one.kind != Kind::Code
                            || NO_NAMES.contains(&one.normal.as_str())
                    }
                    _ => false,
                };
                if nothing || part.iter().any(|it| it.used) {
                    continue;
                }
                let Some(name) = text.get(span.clone()) else {
                    continue;
                };
                let entities = self.named_in_any_number(name);
                if entities.is_empty() {
                    continue;
                }
                for word in &mut words[at..at + length] {
                    word.used = true;
                }
                mentions.push(Mention { at, span, entities });
            }
        }
        mentions.sort_by_key(|it| it.at);
        mentions
    }

    /// Also where one is in the plural and the other isn't.
    fn named_in_any_number(&self, name: &str) -> Vec<Entity> {
        let found = self.named(name);
        if !found.is_empty() || !name.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return found;
        }
        match name.strip_suffix('s') {
            Some(one) => self.named(one),
            None => self.named(&format!("{name}s")),
        }
    }

    /// By the wanted relation, or that which leads from the most products to them.
    fn constraint(
        &self,
        entities: &[Entity],
        product: Type,
        wanted: Option<Relation>,
    ) -> Option<Constraint<'static>> {
        let of_type = self.of_type(product);
        let leads = |relation: Relation, entity: Entity| -> bool {
            let mut subjects = self.subjects(entity, relation);
            subjects.any(|it| of_type.contains(&it.0))
        };
        let degree = |relation: &Relation| -> u32 {
            let led = entities.iter().filter(|it| leads(*relation, **it));
            led.map(|it| self.degree(*it, Step::back(*relation))).sum()
        };
        let wanted = wanted.filter(|it| degree(it) > 0);
        let most = self
            .relations()
            .map(|it| it.0)
            .max_by_key(|it| (degree(it), it.0));
        let relation = wanted.or(most).filter(|it| degree(it) > 0)?;
        let entities: Vec<Entity> = (entities.iter().copied())
            .filter(|it| leads(relation, *it))
            .collect();
        Some(match *entities.as_slice() {
            [one] => Constraint::To(relation, one),
            _ => Constraint::AnyOf(relation, entities.into_iter().map(Value::Entity).collect()),
        })
    }

    /// A relation whose label the text has; the longest.
    fn label_in(&self, words: &mut [Word]) -> Option<Relation> {
        let mut labels: Vec<(&str, Relation)> = (self.relations())
            .flat_map(|(relation, about)| {
                about
                    .labels
                    .iter()
                    .map(move |label| (label.as_str(), relation))
            })
            .collect();
        labels.sort_by_key(|(label, relation)| (core::cmp::Reverse(label.len()), *relation));
        labels
            .into_iter()
            .find(|(label, _)| has(words, &[label]))
            .map(|it| it.1)
    }
}

fn can_be_ordered(stock: Relation) -> Constraint<'static> {
    let can = Availability::ALL.iter().filter(|it| it.can_be_ordered());
    Constraint::AnyOf(stock, can.map(|it| Value::Availability(*it)).collect())
}

/// A text with blanks in place of what bounds a price, as long as it was: the number there is
/// of no product's name.
pub(crate) fn without_prices(text: &str, currency: Currency) -> String {
    let mut words = words(text);
    let _ = bounds(&mut words, currency);
    let mut without = text.to_owned();
    for word in words.iter().filter(|it| it.used) {
        without.replace_range(word.span.clone(), &" ".repeat(word.span.len()));
    }
    without
}

fn words(text: &str) -> Vec<Word> {
    let read = Text::new(text);
    let tokens = read.tokens().iter().filter(|it| it.kind != Kind::Mark);
    tokens
        .take(MOST_WORDS)
        .map(|token| Word {
            normal: read.normal(token).to_owned(),
            kind: token.kind,
            span: token.start as usize..token.end as usize,
            used: false,
        })
        .collect()
}

/// How many words a phrase has that begins at one and was not read yet.
fn phrase(words: &[Word], at: usize, phrase: &str) -> Option<usize> {
    let wanted = self::words(phrase);
    let found = words.get(at..at + wanted.len())?;
    let same = found
        .iter()
        .zip(&wanted)
        .all(|(a, b)| !a.used && a.normal == b.normal);
    (same && !wanted.is_empty()).then_some(wanted.len())
}

/// Where one of some phrases begins and ends, the first of the text.
fn find(words: &[Word], phrases: &[&str]) -> Option<Range<usize>> {
    (0..words.len()).find_map(|at| {
        let lengths = phrases.iter().filter_map(|it| phrase(words, at, it));
        lengths.max().map(|length| at..at + length)
    })
}

fn take(words: &mut [Word], range: Range<usize>) {
    for word in words.get_mut(range).unwrap_or_default() {
        word.used = true;
    }
}

fn has(words: &mut [Word], phrases: &[&str]) -> bool {
    match find(words, phrases) {
        Some(range) => {
            take(words, range);
            true
        }
        None => false,
    }
}

/// Whether one of some phrases ends where a mention begins, with an article between.
fn before(words: &mut [Word], at: usize, phrases: &[&str]) -> bool {
    let article = ["a", "an", "the", "my"].contains(&words[at - 1].normal.as_str());
    let end = at - usize::from(article);
    let starts = (0..end).rev().take(3);
    let found = starts.into_iter().find_map(|start| {
        let mut lengths = phrases.iter().filter_map(|it| phrase(words, start, it));
        lengths
            .any(|length| start + length == end)
            .then_some(start..end)
    });
    if let Some(range) = found.clone() {
        take(words, range);
    }
    found.is_some()
}

/// The amount that a word is, if it isn't read yet.
fn amount(words: &[Word], at: usize, currency: Currency) -> Option<Money> {
    let word = words
        .get(at)
        .filter(|it| it.kind == Kind::Number && !it.used)?;
    Money::parse_decimal(&word.normal.replace(',', ""), currency).ok()
}

type Limits = (Bound<Value<'static>>, Bound<Value<'static>>);

/// The bounds of a price, and how it is said: before its number or behind.
fn bounds(words: &mut [Word], currency: Currency) -> Option<Limits> {
    let (mut low, mut high) = (Bound::Unbounded, Bound::Unbounded);
    for at in 0..words.len() {
        let Some(money) = amount(words, at, currency) else {
            continue;
        };
        let value = Value::Money(money);
        let unit = UNITS
            .iter()
            .find_map(|it| phrase(words, at + 1, it))
            .unwrap_or(0);
        let behind = at + 1 + unit;
        let ends = |phrases: &[&str]| {
            let lengths = phrases.iter().filter_map(|it| phrase(words, behind, it));
            lengths.max().map(|length| at..behind + length)
        };
        let starts = |phrases: &[&str]| {
            (at.saturating_sub(4)..at).find_map(|start| {
                let mut lengths = phrases.iter().filter_map(|it| phrase(words, start, it));
                lengths
                    .any(|length| start + length == at)
                    .then_some(start..behind)
            })
        };
        let to = |text: &str| ["and", "to", "到", "至"].contains(&text);
        let joined = words.get(behind).is_some_and(|it| to(&it.normal));
        let other = amount(words, behind + 1, currency).filter(|_| joined);
        let range = if let Some(other) = other {
            (low, high) = (Bound::Included(value), Bound::Included(Value::Money(other)));
            let unit = UNITS.iter().find_map(|it| phrase(words, behind + 2, it));
            at..behind + 2 + unit.unwrap_or(0)
        } else if let Some(range) = ends(OR_BELOW) {
            high = Bound::Included(value);
            range
        } else if let Some(range) = ends(OR_ABOVE) {
            low = Bound::Included(value);
            range
        } else if let Some(range) = starts(AT_MOST) {
            high = Bound::Included(value);
            range
        } else if let Some(range) = starts(AT_LEAST) {
            low = Bound::Included(value);
            range
        } else if let Some(range) = starts(BELOW) {
            high = Bound::Excluded(value);
            range
        } else if let Some(range) = starts(ABOVE) {
            low = Bound::Excluded(value);
            range
        } else {
            continue;
        };
        take(words, range);
    }
    let any = low != Bound::Unbounded || high != Bound::Unbounded;
    any.then_some((low, high))
}
