//! Queries with constraints: entities of a type that stand in relations, with literals in
//! ranges, in an order.

use core::fmt;
use core::iter::Peekable;
use core::ops::Bound;

use super::lists::Rising;
use super::{Entity, Graph, Relation, Step, Triple, Type, Value, ValueKind};

/// Most constraints of a query.
pub const MOST_CONSTRAINTS: usize = 32;
/// Most words of names.
const MOST_NAMED: usize = 64;
/// Most hits that are given back.
pub const MOST_HITS: usize = 1000;

/// What must be true of an entity.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint<'a> {
    /// A relation leads from it to another entity.
    To(Relation, Entity),
    /// A relation leads to it from another entity.
    From(Relation, Entity),
    /// It has a value in a range: numbers, or money of one currency. Both bounds are of
    /// the relation's kind.
    Within(Relation, Bound<Value<'a>>, Bound<Value<'a>>),
    /// It has one of these values.
    AnyOf(Relation, Vec<Value<'a>>),
}

impl Constraint<'_> {
    const fn is_literal(&self) -> bool {
        matches!(self, Self::Within(..) | Self::AnyOf(..))
    }

    const fn relation(&self) -> Relation {
        match self {
            Self::To(relation, _)
            | Self::From(relation, _)
            | Self::Within(relation, ..)
            | Self::AnyOf(relation, _) => *relation,
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Query<'a> {
    /// Entities of this type alone.
    pub kind: Option<Type>,
    /// Products with all of these words in their names, each as [`Graph::word_of_names`]
    /// gives it.
    pub named: Vec<String>,
    /// All of these must hold.
    pub constraints: Vec<Constraint<'a>>,
    /// Ordered by the first value of this relation, or the one for which a constraint on
    /// it holds; falling if so. Who has none comes last, equals by number. Without it, by
    /// number.
    pub order: Option<(Relation, bool)>,
    /// Most hits; at most 1,000.
    pub limit: usize,
}

impl Default for Query<'_> {
    fn default() -> Self {
        Self {
            kind: None,
            named: Vec::new(),
            constraints: Vec::new(),
            order: None,
            limit: 10,
        }
    }
}

/// An entity that a query finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// It.
    pub entity: Entity,
    /// A fact for each constraint, in their order; then that of the order, if it is
    /// another one.
    pub facts: Vec<Triple<'a>>,
}

/// What a query finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found<'a> {
    /// The first ones.
    pub hits: Vec<Hit<'a>>,
    /// How many there are in all.
    pub all: usize,
}

/// A query that can't be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// There is nothing to look for: neither a type nor a constraint.
    Empty,
    /// It has more than 32 constraints.
    TooMany,
    /// A constraint, by its place, names a relation or an entity that there isn't.
    Unknown(usize),
    /// A constraint, by its place, isn't one for its relation's kind.
    Kind(usize),
    /// It is ordered by a relation that there isn't or whose objects are entities.
    Order,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the query has neither a type nor a constraint: add one"),
            Self::TooMany => write!(
                f,
                "the query has more than {MOST_CONSTRAINTS} constraints: leave some out"
            ),
            Self::Unknown(at) => write!(
                f,
                "constraints[{at}] names a relation or an entity that the graph hasn't: look it up in this graph"
            ),
            Self::Kind(at) => write!(
                f,
                "constraints[{at}] isn't one for the kind of its relation: compare it with the relation's kind"
            ),
            Self::Order => f.write_str(
                "the query's order isn't a relation with literals: order by a number, a price or a text",
            ),
        }
    }
}

impl core::error::Error for QueryError {}

/// Whether a value is in a range; money of another currency isn't.
fn within(value: &Value<'_>, low: &Bound<Value<'_>>, high: &Bound<Value<'_>>) -> bool {
    let comparable = |bound: &Value<'_>| match (value, bound) {
        (Value::Money(a), Value::Money(b)) => a.currency == b.currency,
        _ => true,
    };
    let above = match low {
        Bound::Included(low) => comparable(low) && value >= low,
        Bound::Excluded(low) => comparable(low) && value > low,
        Bound::Unbounded => true,
    };
    let below = match high {
        Bound::Included(high) => comparable(high) && value <= high,
        Bound::Excluded(high) => comparable(high) && value < high,
        Bound::Unbounded => true,
    };
    above && below
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// Finds what fulfils a query.
    ///
    /// # Errors
    /// A query that can't be answered, see [`QueryError`].
    pub fn find<'a>(&'a self, query: &Query<'_>) -> Result<Found<'a>, QueryError> {
        self.check(query)?;
        let named = self.products_named(&query.named);
        let mut candidates = match named.iter().min_by_key(|products| products.len()) {
            Some(fewest) if query.constraints.iter().all(Constraint::is_literal) => {
                let of_type = query
                    .kind
                    .map_or(0..self.entities(), |kind| self.of_type(kind));
                let fewest = fewest.iter().filter(|it| of_type.contains(it));
                fewest.copied().map(Entity).collect()
            }
            _ => self.candidates(query),
        };
        candidates.retain(|it| named.iter().all(|of| of.binary_search(&it.0).is_ok()));
        let bounded = query.order.and_then(|(relation, _)| {
            let mut constraints = query.constraints.iter();
            constraints.find(|it| it.relation() == relation)
        });
        let mut found: Vec<(Entity, Option<Value<'_>>)> = Vec::new();
        for entity in candidates {
            let all = query.constraints.iter().all(|constraint| {
                // Candidates are what the others leave.
                matches!(constraint, Constraint::To(..) | Constraint::From(..))
                    || self.fact_of(entity, constraint).is_some()
            });
            if all {
                let key = query.order.and_then(|it| match bounded {
                    Some(constraint) => self.fact_of(entity, constraint).map(|it| it.object),
                    None => self.values(entity, it.0).next(),
                });
                found.push((entity, key));
            }
        }
        let limit = query.limit.min(MOST_HITS);
        let all = found.len();
        if let Some((_, falling)) = query.order {
            let order = |a: &(Entity, Option<Value<'_>>), b: &(Entity, Option<Value<'_>>)| {
                let missing = a.1.is_none().cmp(&b.1.is_none());
                let values = match falling {
                    true => b.1.cmp(&a.1),
                    false => a.1.cmp(&b.1),
                };
                missing.then(values).then(a.0.cmp(&b.0))
            };
            if limit > 0 && limit < found.len() {
                found.select_nth_unstable_by(limit - 1, order);
                found.truncate(limit);
            }
            found.sort_unstable_by(order);
        }
        found.truncate(limit);
        let hits = found.into_iter().map(|(entity, key)| {
            let constraints = query.constraints.iter();
            let mut facts: Vec<Triple<'a>> = constraints
                .filter_map(|it| self.fact_of(entity, it))
                .collect();
            let key = query.order.zip(key).map(|((relation, _), object)| Triple {
                subject: entity,
                relation,
                object,
            });
            facts.extend(key.filter(|key| !facts.contains(key)));
            Hit { entity, facts }
        });
        Ok(Found {
            hits: hits.collect(),
            all,
        })
    }

    fn check(&self, query: &Query<'_>) -> Result<(), QueryError> {
        if query.kind.is_none() && query.constraints.is_empty() && query.named.is_empty() {
            return Err(QueryError::Empty);
        }
        if query.constraints.len() + query.named.len() > MOST_CONSTRAINTS + MOST_NAMED {
            return Err(QueryError::TooMany);
        }
        for (at, constraint) in query.constraints.iter().enumerate() {
            let about = self.about(constraint.relation());
            let kind = about.ok_or(QueryError::Unknown(at))?.kind;
            let fits = match constraint {
                Constraint::To(_, entity) | Constraint::From(_, entity) => {
                    if entity.0 >= self.entities() {
                        return Err(QueryError::Unknown(at));
                    }
                    kind == ValueKind::Entity
                }
                Constraint::Within(_, low, high) => {
                    let is = |bound: &Bound<Value<'_>>| match bound {
                        Bound::Included(value) | Bound::Excluded(value) => value.kind() == kind,
                        Bound::Unbounded => true,
                    };
                    matches!(kind, ValueKind::Number | ValueKind::Money) && is(low) && is(high)
                }
                Constraint::AnyOf(_, values) => values.iter().all(|it| it.kind() == kind),
            };
            if !fits {
                return Err(QueryError::Kind(at));
            }
        }
        let is_literal = |relation| {
            self.about(relation)
                .is_some_and(|it| it.kind != ValueKind::Entity)
        };
        match query.order.is_none_or(|it| is_literal(it.0)) {
            true => Ok(()),
            false => Err(QueryError::Order),
        }
    }

    /// The fact by which a constraint holds of an entity.
    fn fact_of<'a>(&'a self, entity: Entity, constraint: &Constraint<'_>) -> Option<Triple<'a>> {
        let relation = constraint.relation();
        let fact = |subject, object| Triple {
            subject,
            relation,
            object,
        };
        let mut values = self.values(entity, relation);
        let value = match constraint {
            Constraint::To(_, object) => {
                let holds = self.holds(entity, relation, *object);
                return holds.then(|| fact(entity, Value::Entity(*object)));
            }
            Constraint::From(_, subject) => {
                let holds = self.holds(*subject, relation, entity);
                return holds.then(|| fact(*subject, Value::Entity(entity)));
            }
            Constraint::Within(_, low, high) => values.find(|it| within(it, low, high)),
            Constraint::AnyOf(_, any) => values.find(|it| any.contains(it)),
        };
        Some(fact(entity, value?))
    }

    /// Those of the type for which the constraints on entities hold, rising; where there
    /// are none, those who have any fact of the first constraint's relation.
    fn candidates(&self, query: &Query<'_>) -> Vec<Entity> {
        let of_type = match query.kind {
            Some(kind) => self.of_type(kind),
            None => 0..self.entities(),
        };
        let mut lists: Vec<(&[u8], u32)> = (query.constraints.iter())
            .filter_map(|constraint| match constraint {
                Constraint::To(relation, object) => Some(self.list(*object, Step::back(*relation))),
                Constraint::From(relation, subject) => {
                    Some(self.list(*subject, (*relation).into()))
                }
                Constraint::Within(..) | Constraint::AnyOf(..) => None,
            })
            .collect();
        lists.sort_by_key(|(list, _)| list.len());
        let Some(((first, base), others)) = lists.split_first() else {
            let first = query.constraints.first().map(Constraint::relation);
            let table = first.and_then(|relation| self.by_subject(relation));
            return match table {
                Some((_, lists)) => (lists.all().map(|it| it.0))
                    .filter(|it| of_type.contains(it))
                    .map(Entity)
                    .collect(),
                None => of_type.map(Entity).collect(),
            };
        };
        let mut others: Vec<Peekable<Rising<'_>>> = others
            .iter()
            .map(|(list, base)| Rising::new(list, *base).peekable())
            .collect();
        Rising::new(first, *base)
            .filter(|it| of_type.contains(it))
            .filter(|it| {
                others.iter_mut().all(|other| {
                    while other.next_if(|other| other < it).is_some() {}
                    other.peek() == Some(it)
                })
            })
            .map(Entity)
            .collect()
    }
}
