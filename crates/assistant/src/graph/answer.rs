//! Sentences in English and Chinese, made of nothing but facts of the graph, which are
//! given back with them.

use super::{
    Bounds, Entity, Found, Graph, Hit, Path, Query, QueryError, Relation, Triple, Value, ValueKind,
};

/// Values in one sentence, at most.
const MOST_VALUES: usize = 10;
/// Facts of which an entity is told, at most.
const MOST_FACTS: usize = 30;

/// In what an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese, in simplified characters.
    Zh,
}

impl Language {
    const fn pick(self, [en, zh]: [&str; 2]) -> &str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Question<'a> {
    /// A relation of an entity: what something costs, what fits it.
    Of(Entity, Relation),
    /// What is known of an entity: of each relation, up to 30 facts in all.
    About(Entity),
    /// What there is under constraints.
    Which(Query<'a>),
    /// What two entities have to do with each other.
    Between(Entity, Entity, Bounds),
}

/// An answer, and what it says it from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// For the customer.
    pub text: String,
    /// What it says, in its order: for each entity that is found, its name and what makes
    /// it one. Empty where it doesn't know, or found by type alone what has no name.
    pub facts: Vec<Triple<'a>>,
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// Answers a question.
    ///
    /// # Errors
    /// A query that can't be answered, see [`QueryError`].
    pub fn answer<'a>(
        &'a self,
        question: &Question<'_>,
        language: Language,
    ) -> Result<Answer<'a>, QueryError> {
        let teller = Teller {
            graph: self,
            language,
        };
        Ok(match question {
            Question::Of(entity, relation) => teller.of(*entity, *relation),
            Question::About(entity) => teller.about(*entity),
            Question::Which(query) => teller.which(self.find(query)?),
            Question::Between(from, to, bounds) => {
                let (paths, _) = self.paths(*from, *to, &[], *bounds);
                teller.between(*from, *to, paths.into_iter().next())
            }
        })
    }
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// One that was found, by its name and the literals that make it one.
    pub fn told(&self, hit: &Hit<'_>, language: Language) -> String {
        let name = self.name(hit.entity);
        // What was asked for exactly need not be told.
        let told = (hit.facts.iter())
            .filter(|it| it.subject == hit.entity && it.object.kind() != ValueKind::Entity)
            .map(|it| self.show(&it.object, language));
        let told: Vec<String> = told.collect();
        match (told.is_empty(), language) {
            (true, _) => name,
            (false, Language::En) => format!("{name} ({})", told.join(", ")),
            (false, Language::Zh) => format!("{name}（{}）", told.join("，")),
        }
    }

    /// A value for a customer: an entity by its name.
    pub fn show(&self, value: &Value<'_>, language: Language) -> String {
        match value {
            Value::Entity(entity) => self.name(*entity),
            Value::Text(text) => (*text).to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Money(money) => money.to_string(),
            Value::Availability(it) => language.pick(it.label()).to_owned(),
        }
    }
}

struct Teller<'a, B> {
    graph: &'a Graph<B>,
    language: Language,
}

impl<'a, B: AsRef<[u8]>> Teller<'a, B> {
    fn label(&self, relation: Relation) -> &'a str {
        let [en, zh] = self.graph.about(relation).map_or(["", ""], |about| {
            [about.labels[0].as_str(), about.labels[1].as_str()]
        });
        self.language.pick([en, zh])
    }

    fn value(&self, value: &Value<'_>) -> String {
        self.graph.show(value, self.language)
    }

    fn list(&self, values: impl Iterator<Item = String>, more: usize) -> String {
        let values: Vec<String> = values.collect();
        let list = values.join(self.language.pick([", ", "、"]));
        match (more, self.language) {
            (0, _) => list,
            (_, Language::En) => format!("{list} and {more} more"),
            (_, Language::Zh) => format!("{list}，另有 {more} 个"),
        }
    }

    /// One sentence of an entity's values by one relation.
    fn sentence(&self, name: &str, facts: &[Triple<'a>], more: usize) -> String {
        let Some(fact) = facts.first() else {
            return String::new();
        };
        let about = self.graph.about(fact.relation);
        let label = self.label(fact.relation);
        let values = self.list(facts.iter().map(|it| self.value(&it.object)), more);
        let is_price = about.is_some_and(|it| it.name == "price");
        match (fact.object.kind(), self.language) {
            (ValueKind::Availability, Language::En) => format!("{name} is {values}."),
            (ValueKind::Availability, Language::Zh) => format!("{name}：{values}。"),
            (ValueKind::Money, Language::En) if is_price => format!("{name} costs {values}."),
            (_, Language::En) if facts.len() + more == 1 => {
                format!("The {label} of {name} is {values}.")
            }
            (_, Language::En) => format!("{name}, {label}: {values}."),
            (_, Language::Zh) => format!("{name}的{label}是{values}。"),
        }
    }

    fn of(&self, entity: Entity, relation: Relation) -> Answer<'a> {
        let mut values = self.graph.values(entity, relation);
        let fact = |object| Triple {
            subject: entity,
            relation,
            object,
        };
        let facts: Vec<Triple<'a>> = values.by_ref().take(MOST_VALUES).map(fact).collect();
        let (name, label) = (self.graph.name(entity), self.label(relation));
        let text = match (facts.is_empty(), self.language) {
            (false, _) => self.sentence(&name, &facts, values.count()),
            (true, Language::En) => format!("I don't know the {label} of {name}."),
            (true, Language::Zh) => format!("我不知道{name}的{label}。"),
        };
        Answer { text, facts }
    }

    fn about(&self, entity: Entity) -> Answer<'a> {
        let name = self.graph.name(entity);
        let (mut sentences, mut facts) = (Vec::new(), Vec::new());
        for (relation, about) in self.graph.relations() {
            if about.name == super::NAME || facts.len() == MOST_FACTS {
                continue;
            }
            let mut one = self.of(entity, relation);
            if !one.facts.is_empty() && facts.len() + one.facts.len() <= MOST_FACTS {
                sentences.push(one.text);
                facts.append(&mut one.facts);
            }
        }
        let text = match (facts.is_empty(), self.language) {
            (false, _) => sentences.join(self.language.pick([" ", ""])),
            (true, Language::En) => format!("I know nothing more of {name}."),
            (true, Language::Zh) => format!("关于{name}，我没有更多信息。"),
        };
        Answer { text, facts }
    }

    fn which(&self, found: Found<'a>) -> Answer<'a> {
        let more = found.all - found.hits.len();
        let hits = found.hits.iter();
        let hits = hits.map(|hit| self.graph.told(hit, self.language));
        let list = self.list(hits, more);
        let text = match (found.hits.is_empty(), self.language) {
            (true, Language::En) => "I know of nothing like that.".to_owned(),
            (true, Language::Zh) => "没有找到符合条件的结果。".to_owned(),
            (false, Language::En) => format!("I found {}: {list}.", found.all),
            (false, Language::Zh) => format!("找到 {} 个：{list}。", found.all),
        };
        let facts = found.hits.into_iter().flat_map(|hit| {
            let named = self.graph.head.name.and_then(|relation| {
                let object = self.graph.values(hit.entity, relation).next()?;
                Some(Triple {
                    subject: hit.entity,
                    relation,
                    object,
                })
            });
            named.into_iter().chain(hit.facts)
        });
        Answer {
            text,
            facts: facts.collect(),
        }
    }

    fn between(&self, from: Entity, to: Entity, path: Option<Path<'a>>) -> Answer<'a> {
        let facts = path.map_or_else(Vec::new, |path| path.facts);
        let hops = facts.iter().map(|fact| {
            let name = self.graph.name(fact.subject);
            self.sentence(&name, core::slice::from_ref(fact), 0)
        });
        let hops: Vec<String> = hops.collect();
        let (one, other) = (self.graph.name(from), self.graph.name(to));
        let text = match (facts.is_empty(), self.language) {
            (false, _) => hops.join(self.language.pick([" ", ""])),
            (true, Language::En) => format!("I know of nothing between {one} and {other}."),
            (true, Language::Zh) => format!("我不知道{one}与{other}有什么关系。"),
        };
        Answer { text, facts }
    }
}
