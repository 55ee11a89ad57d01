//! What the fuzz targets run: a compiled graph of any bytes, and questions of it. A test
//! of the crate includes this file and runs it on mutated files.

use shelfedge_assistant::graph::compile::{Draft, triples};
use shelfedge_assistant::graph::{
    Bounds, Constraint, Entity, Graph, Language, Query, Question, Relation, Step, Value,
};
use shelfedge_commerce::Currency;

/// Entities of a graph that are asked about.
const ASKED: u32 = 8;

/// Any bytes as a compiled graph. Whether they are one.
pub(crate) fn graph(bytes: &[u8]) -> bool {
    let Ok(graph) = Graph::open(bytes) else {
        return false;
    };
    let bounds = Bounds {
        breadth: 20,
        visits: 200,
        ..Bounds::default()
    };
    let relations: Vec<Relation> = graph.relations().map(|it| it.0).take(8).collect();
    // One more than there are.
    for entity in (0..=graph.entities()).take(ASKED as usize).map(Entity) {
        let key = graph.key(entity);
        if let Some(kind) = graph.type_of(entity) {
            assert_eq!(graph.entity(kind, &key), Some(entity));
        }
        let name = graph.name(entity);
        let _ = graph.named(&name);
        for like in graph.like(&name, 3) {
            assert!(name.get(like.span).is_some() && (0.0..=1.0).contains(&like.score));
        }
        for fact in graph.facts(entity) {
            if let Value::Entity(object) = fact.object {
                assert!(graph.holds(entity, fact.relation, object));
                let mut subjects = graph.subjects(object, fact.relation);
                assert!(subjects.any(|it| it == entity));
            }
        }
        for fact in graph.facts_to(entity) {
            assert!(graph.holds(fact.subject, fact.relation, entity));
        }
        for relation in &relations {
            let steps = [Step::from(*relation), Step::back(*relation)];
            let reached = graph.reach(entity, &steps, bounds);
            for (to, _) in reached.entities.iter().take(2) {
                let path = graph.along(entity, &steps, *to, bounds);
                assert!(path.is_none_or(|path| path.facts.len() == 2));
            }
            let query = Query {
                constraints: vec![Constraint::To(*relation, entity)],
                ..Query::default()
            };
            let found = graph.find(&query).map_or(0, |found| found.all);
            let first = Query {
                order: Some((*relation, true)),
                kind: graph.type_of(entity),
                ..Query::default()
            };
            for language in [Language::En, Language::Zh] {
                let _ = graph.answer(&Question::Of(entity, *relation), language);
                let _ = graph.answer(&Question::About(entity), language);
                let answer = graph.answer(&Question::Which(query.clone()), language);
                assert!(
                    answer.is_err() || found == 0 || answer.is_ok_and(|it| !it.facts.is_empty())
                );
                let _ = graph.answer(&Question::Which(first.clone()), language);
                let _ = graph.answer(&Question::Between(Entity(0), entity, bounds), language);
            }
        }
    }
    true
}

/// Any bytes as triples; what can be read is a graph. Whether all can.
pub(crate) fn triples(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut draft = Draft::default();
    let read = triples::read(&mut draft, &[("fuzzed", &text)]);
    assert!(read.is_ok() || read.is_err_and(|faults| !faults.is_empty()));
    let read = draft.clone();
    let compiled = draft.compile().expect("a small graph");
    let graph = Graph::open(&compiled[..]).expect("what was compiled opens");
    assert_eq!(graph.entities(), read.size().0);
    for line in text.lines().rev().take(3) {
        if let Some(reading) = graph.read(line, Currency::GBP) {
            assert!(
                reading
                    .understood
                    .iter()
                    .all(|it| line.get(it.clone()).is_some())
            );
            let answer = graph.answer(&reading.question, Language::Zh);
            assert!(
                !answer
                    .expect("a question that can be answered")
                    .text
                    .is_empty()
            );
        }
    }
    assert!(graph.facts_in_all() <= read.size().1 as u64);
    self::graph(&compiled)
}
