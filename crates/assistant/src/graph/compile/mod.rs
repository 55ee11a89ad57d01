//! Compiles graphs, from triples and from what a shop sells: data in, data out.

pub mod catalogue;
pub mod triples;

use std::collections::BTreeMap;

use shelfedge_commerce::codes::Code;
use shelfedge_commerce::fault::quote;
use shelfedge_commerce::{Currency, Faults, Invalid, Money};
use shelfedge_engine::file;
use shelfedge_features::text::Text;

use super::lists::write;
use super::{
    Availability, MOST_ENTITIES, MOST_KEY_BYTES, MOST_RELATIONS, MOST_TEXT_BYTES, NAME, Number,
    VERSION, Value, ValueKind, keys, open, read::PRODUCT, section, words,
};

/// Most facts of a graph.
pub const MOST_FACTS: usize = 1 << 29;

macro_rules! codes {
    ($($name:ident = $id:literal, $meaning:literal, $action:literal;)*) => {
        $(#[doc = $meaning] pub static $name: Code = Code { id: $id, action: $action };)*
    };
}

codes! {
    KEY = "graph_key", "An entity's key is empty, too long or has control characters.", "Give a key of 1 to 512 bytes without tabs and line breaks.";
    NAMED = "graph_name", "The name of a type, a relation or a label can't be one.", "Give a name of 1 to 200 bytes without control characters.";
    RELATION_UNKNOWN = "graph_relation_unknown", "A fact has a relation that wasn't declared.", "Declare it with its kind: @relation, its name, its kind.";
    RELATION_KIND = "graph_relation_kind", "A relation is declared twice with different kinds.", "Keep one kind, or give the other one a name of its own.";
    VALUE = "graph_value", "A value isn't of its relation's kind.", "Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock.";
    LINE = "graph_line", "A line isn't a fact.", "Write subject, relation and object with a tab between each.";
    TOO_LARGE = "graph_too_large", "The graph is larger than its format holds.", "Leave facts out, or make several graphs.";
}

fn invalid(code: &'static Code, cause: impl Into<String>) -> Invalid {
    Invalid {
        code,
        cause: cause.into(),
    }
}

/// An entity of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(u32);

/// A relation of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(usize);

/// The object of a fact that is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// Another entity.
    Entity(Node),
    /// A text.
    Text(&'a str),
    /// A number.
    Number(Number),
    /// Money.
    Money(Money),
    /// Whether it can be had.
    Availability(Availability),
}

impl Object<'_> {
    const fn kind(&self) -> ValueKind {
        match self {
            Self::Entity(_) => ValueKind::Entity,
            Self::Text(_) => ValueKind::Text,
            Self::Number(_) => ValueKind::Number,
            Self::Money(_) => ValueKind::Money,
            Self::Availability(_) => ValueKind::Availability,
        }
    }
}

#[derive(Clone, Debug)]
enum Literal {
    Text(Box<str>),
    Number(Number),
    Money(Money),
    Availability(Availability),
}

impl Literal {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Number(number) => Value::Number(*number),
            Self::Money(money) => Value::Money(*money),
            Self::Availability(it) => Value::Availability(*it),
        }
    }
}

#[derive(Clone, Debug)]
struct Facts {
    name: String,
    labels: [String; 2],
    kind: ValueKind,
    entities: Vec<(u32, u32)>,
    literals: Vec<(u32, Literal)>,
}

/// A graph that is being put together. What is added twice is there once.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    types: Vec<(String, BTreeMap<Box<str>, u32>)>,
    nodes: u32,
    relations: Vec<Facts>,
    facts: usize,
}

fn check(name: &str, most: usize, code: &'static Code, what: &str) -> Result<(), Invalid> {
    if (1..=most).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(invalid(code, format!("{what} is {}", quote(name))))
}

impl Draft {
    /// Declares a relation, or finds it: its name, what its objects are, and what a
    /// customer reads in English and in Chinese.
    ///
    /// # Errors
    /// A name or a label that can't be one; another kind than before; too many.
    pub fn relation(
        &mut self,
        name: &str,
        kind: ValueKind,
        labels: [&str; 2],
    ) -> Result<Link, Invalid> {
        for text in [name, labels[0], labels[1]] {
            check(
                text,
                open::MOST_NAME_BYTES,
                &NAMED,
                "a relation's name or label",
            )?;
        }
        if let Some(Link(at)) = self.link(name) {
            let before = self.relations[at].kind;
            return match before == kind {
                true => Ok(Link(at)),
                false => Err(invalid(
                    &RELATION_KIND,
                    format!(
                        "{} was {} and is {}",
                        quote(name),
                        before.name(),
                        kind.name()
                    ),
                )),
            };
        }
        if self.relations.len() == MOST_RELATIONS {
            return Err(invalid(&TOO_LARGE, "there are more than 1,000 relations"));
        }
        self.relations.push(Facts {
            name: name.to_owned(),
            labels: labels.map(str::to_owned),
            kind,
            entities: Vec::new(),
            literals: Vec::new(),
        });
        Ok(Link(self.relations.len() - 1))
    }

    /// A relation that was declared.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<Link> {
        self.relations
            .iter()
            .position(|it| it.name == name)
            .map(Link)
    }

    /// What a relation's objects are.
    #[must_use]
    pub fn kind(&self, link: Link) -> ValueKind {
        self.relations[link.0].kind
    }

    /// An entity of a type with a key; it is made when it is first named.
    ///
    /// # Errors
    /// A type or a key that can't be one; too many.
    pub fn entity(&mut self, kind: &str, key: &str) -> Result<Node, Invalid> {
        let at = match self.types.iter().position(|it| it.0 == kind) {
            Some(at) => at,
            None => {
                check(kind, open::MOST_NAME_BYTES, &NAMED, "a type's name")?;
                if self.types.len() == MOST_RELATIONS {
                    return Err(invalid(&TOO_LARGE, "there are more than 1,000 types"));
                }
                self.types.push((kind.to_owned(), BTreeMap::new()));
                self.types.len() - 1
            }
        };
        let keys = &mut self.types[at].1;
        if let Some(node) = keys.get(key) {
            return Ok(Node(*node));
        }
        check(key, MOST_KEY_BYTES, &KEY, "a key")?;
        if self.nodes == MOST_ENTITIES {
            return Err(invalid(
                &TOO_LARGE,
                "there are more than 134,217,728 entities",
            ));
        }
        keys.insert(key.into(), self.nodes);
        self.nodes += 1;
        Ok(Node(self.nodes - 1))
    }

    /// Adds a fact.
    ///
    /// # Errors
    /// An object of another kind than the relation's; a text that is empty or longer than
    /// 16 KiB; too many.
    pub fn add(&mut self, subject: Node, link: Link, object: Object<'_>) -> Result<(), Invalid> {
        let relation = &mut self.relations[link.0];
        if relation.kind != object.kind() {
            let (wanted, found) = (relation.kind.name(), object.kind().name());
            return Err(invalid(
                &VALUE,
                format!(
                    "{} is a relation of {wanted}, not of {found}",
                    quote(&relation.name)
                ),
            ));
        }
        if self.facts == MOST_FACTS {
            return Err(invalid(&TOO_LARGE, "there are more than 536,870,912 facts"));
        }
        self.facts += 1;
        let literal = match object {
            Object::Entity(object) => {
                relation.entities.push((subject.0, object.0));
                return Ok(());
            }
            Object::Text(text) => {
                if !(1..=MOST_TEXT_BYTES).contains(&text.len()) {
                    let cause = format!("a text has {} bytes, not 1 to 16,384", text.len());
                    return Err(invalid(&VALUE, cause));
                }
                Literal::Text(text.into())
            }
            Object::Number(number) => Literal::Number(number),
            Object::Money(money) => Literal::Money(money),
            Object::Availability(it) => Literal::Availability(it),
        };
        relation.literals.push((subject.0, literal));
        Ok(())
    }

    /// Reads the object of a relation from text, as in a file of triples, and adds the
    /// fact.
    ///
    /// # Errors
    /// A text that isn't of the relation's kind, and as for [`Draft::add`].
    pub fn add_text(&mut self, subject: Node, link: Link, text: &str) -> Result<(), Invalid> {
        let bad = || {
            let kind = self.relations[link.0].kind.name();
            invalid(&VALUE, format!("{} is no {kind}", quote(text)))
        };
        let object = match self.relations[link.0].kind {
            ValueKind::Entity => {
                let (kind, key) = text.split_once(':').ok_or_else(bad)?;
                Object::Entity(self.entity(kind, key)?)
            }
            ValueKind::Text => Object::Text(text),
            ValueKind::Number => Object::Number(Number::parse(text).ok_or_else(bad)?),
            ValueKind::Money => {
                let (amount, currency) = text.split_once(' ').ok_or_else(bad)?;
                Object::Money(Money::parse_decimal(amount, Currency::parse(currency)?)?)
            }
            ValueKind::Availability => {
                Object::Availability(Availability::parse(text).ok_or_else(bad)?)
            }
        };
        self.add(subject, link, object)
    }

    /// How many entities and facts there are, those added twice counted twice.
    #[must_use]
    pub const fn size(&self) -> (u32, usize) {
        (self.nodes, self.facts)
    }

    /// Compiles it. The same facts are the same bytes, in whatever order they came.
    ///
    /// # Errors
    /// A graph that is larger than the format holds.
    pub fn compile(mut self) -> Result<Vec<u8>, Faults> {
        self.types.sort_by(|a, b| a.0.cmp(&b.0));
        self.relations.sort_by(|a, b| a.name.cmp(&b.name));
        let mut new = vec![0_u32; self.nodes as usize];
        let sorted = self.types.iter().flat_map(|it| it.1.values());
        for (to, from) in (0_u32..).zip(sorted) {
            new[*from as usize] = to;
        }
        for relation in &mut self.relations {
            for (subject, object) in &mut relation.entities {
                (*subject, *object) = (new[*subject as usize], new[*object as usize]);
            }
            relation.entities.sort_unstable();
            relation.entities.dedup();
            let literals = &mut relation.literals;
            for (subject, _) in literals.iter_mut() {
                *subject = new[*subject as usize];
            }
            literals.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.value().cmp(&b.1.value())));
            literals.dedup_by(|a, b| a.0 == b.0 && a.1.value() == b.1.value());
        }
        drop(new);
        self.write().ok_or_else(|| {
            invalid(&TOO_LARGE, "a part of it has more than 4 GiB")
                .at("")
                .into()
        })
    }

    fn write(self) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        write::u64(&mut head, u64::from(VERSION));
        write::u64(&mut head, u64::from(self.nodes));
        write::u64(&mut head, self.types.len() as u64);
        for (name, keys) in &self.types {
            write::sized(&mut head, name.as_bytes());
            write::u64(&mut head, keys.len() as u64);
        }
        let currencies = self.currencies();
        write::u64(&mut head, currencies.len() as u64);
        for currency in &currencies {
            write::sized(&mut head, currency.code().as_bytes());
        }
        let names = self.names();
        let words = self.words();
        let keys = self.types.iter().flat_map(|it| it.1.keys());
        let (blocks, keys) = keys::write::keys(keys.map(|key| &**key))?;
        let Self {
            types, relations, ..
        } = self;
        drop(types);
        let mut lists = Vec::new();
        write::u64(&mut head, relations.len() as u64);
        for relation in relations {
            write::sized(&mut head, relation.name.as_bytes());
            for label in &relation.labels {
                write::sized(&mut head, label.as_bytes());
            }
            write::u64(&mut head, relation.kind as u64);
            let facts = relation.entities.len() + relation.literals.len();
            write::u64(&mut head, facts as u64);
            let mut place = |place: super::Place| {
                for number in [place.rows, place.base, place.bytes] {
                    write::u64(&mut head, number.into());
                }
            };
            if relation.kind != ValueKind::Entity {
                place(write::lists(
                    &mut lists,
                    0,
                    &relation.literals,
                    |out, list| {
                        for (_, literal) in list {
                            add(out, literal, &currencies);
                        }
                    },
                )?);
                continue;
            }
            let mut pairs = relation.entities;
            place(table(&mut lists, &pairs)?);
            for (subject, object) in &mut pairs {
                core::mem::swap(subject, object);
            }
            pairs.sort_unstable();
            place(table(&mut lists, &pairs)?);
        }
        let sections = [
            (section::HEAD, head.as_slice()),
            (section::BLOCKS, &blocks),
            (section::KEYS, &keys),
            (section::NAMES, &names),
            (section::LISTS, &lists),
        ];
        let words = (!words.is_empty()).then_some((section::WORDS, words.as_slice()));
        let sections: Vec<(&str, &[u8])> = sections.into_iter().chain(words).collect();
        file::write(&sections).ok()
    }

    fn currencies(&self) -> Vec<Currency> {
        let literals = self.relations.iter().flat_map(|it| &it.literals);
        let mut currencies: Vec<Currency> = literals
            .filter_map(|(_, literal)| match literal {
                Literal::Money(money) => Some(money.currency),
                _ => None,
            })
            .collect();
        currencies.sort_unstable();
        currencies.dedup();
        currencies
    }

    /// What entities are called: their first names.
    fn given(&self) -> impl Iterator<Item = (u32, &str)> {
        let is_name = |it: &&Facts| it.name == NAME;
        let given = self.relations.iter().filter(is_name);
        let given = given
            .flat_map(|it| &it.literals)
            .filter_map(|(node, it)| match it {
                Literal::Text(text) => Some((*node, &**text)),
                _ => None,
            });
        let mut last = None;
        given.filter(move |(node, _)| last.replace(*node) != Some(*node))
    }

    /// The words of what products are called.
    fn words(&self) -> Vec<u8> {
        let mut first = 0;
        let mut products = 0..0;
        for (name, keys) in &self.types {
            let end = first + keys.len() as u32;
            if name == PRODUCT {
                products = first..end;
            }
            first = end;
        }
        words::write::words(self.given().filter(|(node, _)| products.contains(node)))
    }

    /// The hashes of keys and of names, with their entities.
    fn names(&self) -> Vec<u8> {
        let keys = self.types.iter().flat_map(|it| it.1.keys());
        let keys = (0..).zip(keys.map(|key| &**key));
        let given = self.given();
        let mut text = Text::default();
        let mut names: Vec<(u32, u32)> = keys
            .chain(given)
            .filter_map(|(node, name)| Some((keys::name_hash(&mut text, name)?, node)))
            .collect();
        names.sort_unstable();
        names.dedup();
        let bytes = names.iter().flat_map(|(hash, node)| [*hash, *node]);
        bytes.flat_map(u32::to_le_bytes).collect()
    }
}

fn table(lists: &mut Vec<u8>, pairs: &[(u32, u32)]) -> Option<super::Place> {
    let base = pairs.iter().map(|it| it.1).min().unwrap_or(0);
    write::lists(lists, base, pairs, |out, list| {
        write::rising(out, base, list.iter().map(|it| it.1));
    })
}

fn add(out: &mut Vec<u8>, literal: &Literal, currencies: &[Currency]) {
    match literal {
        Literal::Text(text) => write::sized(out, text.as_bytes()),
        Literal::Number(number) => write::i64(out, number.0),
        Literal::Money(money) => {
            let at = currencies.partition_point(|it| *it < money.currency);
            write::u64(out, at as u64);
            write::i64(out, money.minor);
        }
        Literal::Availability(it) => write::u64(out, *it as u64),
    }
}
