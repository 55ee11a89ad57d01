//! The head of a graph, and the check of everything that it leads to.

use core::fmt;
use core::ops::Range;

use shelfedge_commerce::Currency;
use shelfedge_commerce::rng::Rng;
use shelfedge_engine::file::Directory;

use super::lists::{Cursor, Lists, Place, Rising, count};
use super::{
    Graph, Head, MOST_ENTITIES, MOST_RELATIONS, NAME, Relation, RelationInfo, VERSION, ValueKind,
    Values, keys, section,
};

/// Most bytes of the name of a type or a relation, and of a label.
pub(super) const MOST_NAME_BYTES: usize = 200;

/// A file that is no graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no compiled file.
    File(String),
    /// A section is missing or damaged.
    Section(&'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => f.write_str(why),
            Self::Section(name) => write!(
                f,
                "the section {name:?} is missing or damaged: compile the graph again"
            ),
        }
    }
}

impl core::error::Error for OpenError {}

/// Names of types and relations, each its own.
fn is_name(name: &str) -> bool {
    (1..=MOST_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let version = cursor.u32()?;
        let entities = cursor.u32()?;
        if version != VERSION || entities > MOST_ENTITIES {
            return None;
        }
        let mut types: Vec<(String, Range<u32>)> = Vec::new();
        let mut first = 0_u32;
        for _ in 0..few(&mut cursor)? {
            let name = cursor.text().filter(|it| is_name(it))?;
            let end = first.checked_add(cursor.u32()?)?;
            if types.iter().any(|it| it.0 == name) {
                return None;
            }
            types.push((name.to_owned(), first..end));
            first = end;
        }
        let mut currencies = Vec::new();
        for _ in 0..few(&mut cursor)? {
            currencies.push(Currency::parse(cursor.text()?).ok()?);
        }
        let (mut relations, mut places): (Vec<RelationInfo>, Vec<_>) = (Vec::new(), Vec::new());
        let mut at = 0;
        for _ in 0..few(&mut cursor)? {
            let mut text = || cursor.text().filter(|it| is_name(it)).map(str::to_owned);
            let (name, labels) = (text()?, [text()?, text()?]);
            let kind = *ValueKind::ALL.get(cursor.u32()? as usize)?;
            let facts = cursor.u64()?;
            let mut place = || {
                let place = Place {
                    rows: cursor.u32()?,
                    base: cursor.u32()?,
                    bytes: cursor.u32()?,
                    at,
                };
                at = place.end()?;
                Some(place)
            };
            let by_subject = place()?;
            let by_object = match kind {
                ValueKind::Entity => Some(place()?),
                _ => None,
            };
            if relations.iter().any(|it| it.name == name) {
                return None;
            }
            places.push((by_subject, by_object));
            relations.push(RelationInfo {
                name,
                labels,
                kind,
                facts,
            });
        }
        let is_label = |it: &RelationInfo| it.name == NAME && it.kind == ValueKind::Text;
        let name = relations.iter().position(is_label);
        let sound = first == entities && cursor.is_done();
        sound.then_some(Self {
            entities,
            types,
            relations,
            places,
            currencies,
            name: name.map(|at| Relation(at as u16)),
        })
    }
}

fn few(cursor: &mut Cursor<'_>) -> Option<usize> {
    let count = cursor.u32()? as usize;
    (count <= MOST_RELATIONS).then_some(count)
}

/// A fact as a number, such that the sum over many says whether they are the same.
const fn mark(subject: u32, object: u32) -> u64 {
    let fact = (subject as u64) << 32 | object as u64;
    Rng::new(fact, 0).next_u64()
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// Opens a compiled graph: checks every offset, every key, every list and every value,
    /// and that the facts by object are those by subject.
    ///
    /// # Errors
    /// A file that isn't one, or a section that is missing or damaged.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let directory =
            Directory::read(bytes.as_ref()).map_err(|why| OpenError::File(why.to_string()))?;
        let find = |name| directory.find(name).ok_or(OpenError::Section(name));
        let head = find(section::HEAD)?;
        let head = bytes.as_ref().get(head).and_then(Head::read);
        let graph = Self {
            head: head.ok_or(OpenError::Section(section::HEAD))?,
            blocks: find(section::BLOCKS)?,
            keys: find(section::KEYS)?,
            names: find(section::NAMES)?,
            lists: find(section::LISTS)?,
            words: directory.find(section::WORDS),
            bytes,
        };
        let checks = [
            (section::KEYS, graph.keys_are_sound()),
            (section::NAMES, graph.names_are_sound()),
            (section::LISTS, graph.lists_are_sound()),
            (section::WORDS, graph.words_are_sound()),
        ];
        match checks.iter().find(|(_, sound)| !sound) {
            Some((name, _)) => Err(OpenError::Section(name)),
            None => Ok(graph),
        }
    }

    fn keys_are_sound(&self) -> bool {
        let mut firsts = self.head.types.iter().map(|it| it.1.start).peekable();
        self.key_table().is_sound(|at| {
            let mut is_first = false;
            while firsts.next_if(|first| *first <= at).is_some() {
                is_first = true;
            }
            is_first
        })
    }

    fn names_are_sound(&self) -> bool {
        keys::Names(self.part(&self.names)).is_sound(self.head.entities)
    }

    fn lists_are_sound(&self) -> bool {
        let section = self.part(&self.lists);
        let places = &self.head.places;
        let last = places.last().map(|(one, other)| other.unwrap_or(*one));
        if last.map_or(Some(0), |place| place.end()) != Some(section.len()) {
            return false;
        }
        let entities = self.head.entities;
        (self.head.relations.iter().zip(places)).all(|(relation, (by_subject, by_object))| {
            let lists = Lists::new(section, by_subject);
            let (mut facts, mut sum) = (0, 0_u64);
            let sound = lists.is_sound(entities, |row, list| match by_object {
                Some(_) => {
                    facts += u64::from(count(list));
                    for object in Rising::new(list, lists.base) {
                        sum = sum.wrapping_add(mark(row, object));
                    }
                    lists.is_rising(list, entities)
                }
                None => {
                    let values = Values::new(relation.kind, list, 0, &self.head.currencies);
                    let checked = values.checked();
                    facts += u64::from(checked.unwrap_or(0));
                    checked.is_some()
                }
            });
            let Some(by_object) = by_object else {
                return sound && facts == relation.facts;
            };
            let lists = Lists::new(section, by_object);
            let (mut back, mut back_sum) = (0, 0_u64);
            sound
                && lists.is_sound(entities, |row, list| {
                    back += u64::from(count(list));
                    for subject in Rising::new(list, lists.base) {
                        back_sum = back_sum.wrapping_add(mark(subject, row));
                    }
                    lists.is_rising(list, entities)
                })
                && (facts, facts, sum) == (back, relation.facts, back_sum)
        })
    }
}
