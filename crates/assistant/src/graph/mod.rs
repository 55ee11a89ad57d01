//! What the shop knows, as a graph of facts (subject, relation, object), compiled into
//! one file that is read in place.
//!
//! An entity has a type and a key that is its own within the type; a relation's objects
//! are all entities or all literals of one kind. A relation's facts lie in rows by
//! subject, and once more by object where that is an entity. Opening a graph reads all
//! of it once; what it looks up afterwards allocates nothing but names.
//!
//! [`Graph::find`] answers queries with constraints, [`Graph::reach`] and
//! [`Graph::paths`] follow relations, [`Graph::answer`] makes sentences, each with the
//! facts that it is made of; [`Graph::read`] makes questions of what a customer writes. The feature `compile` has what writes graphs.

mod answer;
#[cfg(feature = "compile")]
pub mod compile;
mod keys;
mod lists;
mod open;
mod path;
mod query;
mod read;
mod value;
mod words;

use core::ops::Range;

pub use answer::{Answer, Language, Question};
pub use keys::MOST_KEY_BYTES;
pub use open::OpenError;
pub use path::{Bounds, MOST_HOPS, Path, Reached, Step};
pub use query::{Constraint, Found, Hit, MOST_CONSTRAINTS, MOST_HITS, Query, QueryError};
pub use read::Reading;
pub(crate) use read::without_prices;
pub use value::{
    Availability, Entity, MOST_TEXT_BYTES, Number, Relation, Triple, Type, Value, ValueKind, Values,
};

pub use words::Like;

use keys::{Keys, Names};
use lists::{Lists, Place, Rising};
use shelfedge_commerce::Currency;
use shelfedge_features::text::Text;

/// Most entities of a graph.
pub const MOST_ENTITIES: u32 = 1 << 27;
/// Most relations, and most types.
pub const MOST_RELATIONS: usize = 1000;
/// The relation whose text is what a customer calls the entity.
pub const NAME: &str = "name";
/// Most entities of one name that are found by it.
const MOST_NAMESAKES: usize = 100;

const VERSION: u32 = 1;

/// The sections of a file.
mod section {
    pub(super) const HEAD: &str = "graph";
    pub(super) const BLOCKS: &str = "graph.keys.blocks";
    pub(super) const KEYS: &str = "graph.keys";
    pub(super) const NAMES: &str = "graph.names";
    pub(super) const LISTS: &str = "graph.lists";
    /// May be missing.
    pub(super) const WORDS: &str = "graph.words";
}

/// What is known of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationInfo {
    /// Its name, such as `brand`.
    pub name: String,
    /// What a customer reads, in English and in Chinese: a noun, such as `brand`.
    pub labels: [String; 2],
    /// What its objects are.
    pub kind: ValueKind,
    /// How many facts there are.
    pub facts: u64,
}

#[derive(Clone, Debug)]
struct Head {
    entities: u32,
    /// Their names, and where the entities of each begin and end.
    types: Vec<(String, Range<u32>)>,
    relations: Vec<RelationInfo>,
    /// By subject, and by object where that is an entity.
    places: Vec<(Place, Option<Place>)>,
    currencies: Vec<Currency>,
    name: Option<Relation>,
}

/// A compiled graph, read in place.
#[derive(Clone, Debug)]
pub struct Graph<B> {
    bytes: B,
    head: Head,
    blocks: Range<usize>,
    keys: Range<usize>,
    names: Range<usize>,
    lists: Range<usize>,
    words: Option<Range<usize>>,
}

impl<B: AsRef<[u8]>> Graph<B> {
    fn part(&self, range: &Range<usize>) -> &[u8] {
        let bytes = self.bytes.as_ref();
        bytes.get(range.clone()).unwrap_or_default()
    }

    fn key_table(&self) -> Keys<'_> {
        Keys {
            blocks: self.part(&self.blocks),
            data: self.part(&self.keys),
            count: self.head.entities,
        }
    }

    fn by_subject(&self, relation: Relation) -> Option<(ValueKind, Lists<'_>)> {
        let at = usize::from(relation.0);
        let kind = self.head.relations.get(at)?.kind;
        let (place, _) = self.head.places.get(at)?;
        Some((kind, Lists::new(self.part(&self.lists), place)))
    }

    fn by_object(&self, relation: Relation) -> Option<Lists<'_>> {
        let (_, place) = self.head.places.get(usize::from(relation.0))?;
        Some(Lists::new(self.part(&self.lists), place.as_ref()?))
    }

    /// How many entities it has.
    #[must_use]
    pub const fn entities(&self) -> u32 {
        self.head.entities
    }

    /// How many facts it has.
    #[must_use]
    pub fn facts_in_all(&self) -> u64 {
        self.head.relations.iter().map(|it| it.facts).sum()
    }

    /// The names of the types, in the order of their numbers.
    pub fn types(&self) -> impl Iterator<Item = (Type, &str)> {
        (0..)
            .map(Type)
            .zip(self.head.types.iter().map(|it| it.0.as_str()))
    }

    /// The type of a name.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<Type> {
        self.types().find(|it| it.1 == name).map(|it| it.0)
    }

    /// The entities of a type, which have consecutive numbers.
    #[must_use]
    pub fn of_type(&self, kind: Type) -> Range<u32> {
        let found = self.head.types.get(usize::from(kind.0));
        found.map_or(0..0, |(_, range)| range.clone())
    }

    /// The type of an entity; `None` where there is no such entity.
    #[must_use]
    pub fn type_of(&self, entity: Entity) -> Option<Type> {
        let at = (self.head.types).partition_point(|(_, range)| range.end <= entity.0);
        let (_, range) = self.head.types.get(at)?;
        range.contains(&entity.0).then_some(Type(at as u16))
    }

    /// The relations, in the order of their numbers.
    pub fn relations(&self) -> impl Iterator<Item = (Relation, &RelationInfo)> {
        (0..).map(Relation).zip(&self.head.relations)
    }

    /// The relation of a name.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<Relation> {
        let mut all = self.relations();
        all.find(|it| it.1.name == name).map(|it| it.0)
    }

    /// What is known of a relation.
    #[must_use]
    pub fn about(&self, relation: Relation) -> Option<&RelationInfo> {
        self.head.relations.get(usize::from(relation.0))
    }

    /// The entity of a type with a key.
    #[must_use]
    pub fn entity(&self, kind: Type, key: &str) -> Option<Entity> {
        let among = self.of_type(kind);
        let found = match among.is_empty() {
            true => None,
            false => self.key_table().find(&among, key),
        };
        found.map(Entity)
    }

    /// An entity's key; empty where there is no such entity.
    #[must_use]
    pub fn key(&self, entity: Entity) -> String {
        let known = entity.0 < self.head.entities;
        let key = known.then(|| self.key_table().key(entity.0));
        key.flatten().unwrap_or_default()
    }

    /// What an entity is called: its first `name`, or else its key.
    #[must_use]
    pub fn name(&self, entity: Entity) -> String {
        match self.given_name(entity) {
            Some(name) => name.to_owned(),
            None => self.key(entity),
        }
    }

    fn given_name(&self, entity: Entity) -> Option<&str> {
        match self.values(entity, self.head.name?).next()? {
            Value::Text(name) => Some(name),
            _ => None,
        }
    }

    /// The entities that are called so or have this key, whatever the case and the marks,
    /// in rising order; at most 100.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<Entity> {
        let (mut wanted, mut other) = (Text::default(), Text::default());
        let Some(hash) = keys::name_hash(&mut wanted, name) else {
            return Vec::new();
        };
        let mut is = |found: &str| {
            other.read(found);
            keys::same_name(&wanted, &other)
        };
        let found = Names(self.part(&self.names)).of(hash).map(Entity);
        let found =
            found.filter(|it| self.given_name(*it).is_some_and(&mut is) || is(&self.key(*it)));
        found.take(MOST_NAMESAKES).collect()
    }

    /// The values that an entity has by a relation, in rising order.
    pub fn values(&self, entity: Entity, relation: Relation) -> Values<'_> {
        let found = self.by_subject(relation);
        let (kind, list, base) = found.map_or((ValueKind::Entity, None, 0), |(kind, lists)| {
            (kind, lists.row(entity.0), lists.base)
        });
        let list = list.unwrap_or_default();
        Values::new(kind, list, base, &self.head.currencies)
    }

    /// The entities that a relation leads to from an entity, in rising order.
    pub fn objects(&self, entity: Entity, relation: Relation) -> impl Iterator<Item = Entity> {
        self.step(entity, relation.into())
    }

    /// The entities from which a relation leads to an entity, in rising order.
    pub fn subjects(&self, entity: Entity, relation: Relation) -> impl Iterator<Item = Entity> {
        self.step(entity, Step::back(relation))
    }

    fn list(&self, entity: Entity, step: Step) -> (&[u8], u32) {
        let lists = match step.back {
            true => self.by_object(step.relation),
            false => match self.by_subject(step.relation) {
                Some((ValueKind::Entity, lists)) => Some(lists),
                _ => None,
            },
        };
        let found = lists.and_then(|lists| Some((lists.row(entity.0)?, lists.base)));
        found.unwrap_or_default()
    }

    fn step(&self, entity: Entity, step: Step) -> impl Iterator<Item = Entity> + use<'_, B> {
        let (list, base) = self.list(entity, step);
        Rising::new(list, base).map(Entity)
    }

    /// How many entities a step leads to.
    #[must_use]
    pub fn degree(&self, entity: Entity, step: Step) -> u32 {
        lists::count(self.list(entity, step).0)
    }

    /// Whether it holds a fact between two entities.
    #[must_use]
    pub fn holds(&self, subject: Entity, relation: Relation, object: Entity) -> bool {
        let mut objects = self.objects(subject, relation);
        objects.find(|it| *it >= object) == Some(object)
    }

    /// All facts of an entity, by relation.
    pub fn facts(&self, subject: Entity) -> impl Iterator<Item = Triple<'_>> {
        self.relations().flat_map(move |(relation, _)| {
            let values = self.values(subject, relation);
            values.map(move |object| Triple {
                subject,
                relation,
                object,
            })
        })
    }

    /// All facts of which an entity is the object, by relation.
    pub fn facts_to(&self, object: Entity) -> impl Iterator<Item = Triple<'_>> {
        self.relations().flat_map(move |(relation, _)| {
            let subjects = self.subjects(object, relation);
            subjects.map(move |subject| Triple {
                subject,
                relation,
                object: Value::Entity(object),
            })
        })
    }
}
