//! Following relations over several hops, within bounds.

use std::collections::BTreeMap;

use super::{Entity, Graph, Relation, Triple, Value};

/// Most hops of a path, and steps of a walk.
pub const MOST_HOPS: usize = 6;

/// A relation, followed from subject to object or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// What is followed.
    pub relation: Relation,
    /// Whether from object to subject.
    pub back: bool,
}

impl Step {
    /// From object to subject.
    #[must_use]
    pub const fn back(relation: Relation) -> Self {
        Self {
            relation,
            back: true,
        }
    }

    const fn fact<'a>(self, from: Entity, to: Entity) -> Triple<'a> {
        let (subject, object) = if self.back { (to, from) } else { (from, to) };
        Triple {
            subject,
            relation: self.relation,
            object: Value::Entity(object),
        }
    }
}

impl From<Relation> for Step {
    fn from(relation: Relation) -> Self {
        Self {
            relation,
            back: false,
        }
    }
}

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most hops of a path; at most 6 are searched.
    pub hops: usize,
    /// Most entities that are followed from one entity by one step; those beyond, in the
    /// order of their numbers, are left out.
    pub breadth: usize,
    /// Most entities that are visited.
    pub visits: usize,
    /// Most paths that are found.
    pub paths: usize,
    /// Most entities that a walk gives back.
    pub ends: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            hops: 3,
            breadth: 1000,
            visits: 50_000,
            paths: 10,
            ends: 100,
        }
    }
}

/// Where a walk ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The first entities, and in how many ways each is reached; most ways first, then by
    /// number.
    pub entities: Vec<(Entity, u32)>,
    /// How many there are in all.
    pub all: usize,
    /// Whether no bound on the way left anything out.
    pub complete: bool,
}

/// Facts that lead from one entity to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// The entities, from the first to the last.
    pub entities: Vec<Entity>,
    /// The fact of each hop.
    pub facts: Vec<Triple<'a>>,
}

/// How an entity was come to: after so many hops, from whom and by what.
struct Visit {
    hops: usize,
    from: Vec<(Entity, Step)>,
}

impl<B: AsRef<[u8]>> Graph<B> {
    /// Where a sequence of steps leads from an entity, such as what was also bought with
    /// what was also bought. At most 6 steps; within the bounds' breadth and visits.
    #[must_use]
    pub fn reach(&self, from: Entity, steps: &[Step], bounds: Bounds) -> Reached {
        let mut complete = steps.len() <= MOST_HOPS;
        let mut front = vec![(from, 1_u32)];
        let mut next: Vec<(Entity, u32)> = Vec::new();
        for step in steps.iter().take(MOST_HOPS) {
            next.clear();
            for (entity, ways) in &front {
                let mut found = self.step(*entity, *step);
                let room = bounds.visits.saturating_sub(next.len());
                let room = room.min(bounds.breadth);
                next.extend(found.by_ref().take(room).map(|it| (it, *ways)));
                complete &= found.next().is_none();
            }
            add_up(&mut next, &mut front);
        }
        let all = front.len();
        let order = |it: &(Entity, u32)| (core::cmp::Reverse(it.1), it.0);
        if bounds.ends > 0 && bounds.ends < all {
            front.select_nth_unstable_by_key(bounds.ends - 1, order);
        }
        front.truncate(bounds.ends);
        front.sort_unstable_by_key(order);
        Reached {
            entities: front,
            all,
            complete,
        }
    }

    /// The facts of one way from an entity to another by a sequence of steps, the one by
    /// the entities of the lowest numbers; `None` where the bounds hold none.
    #[must_use]
    pub fn along(
        &self,
        from: Entity,
        steps: &[Step],
        to: Entity,
        bounds: Bounds,
    ) -> Option<Path<'_>> {
        let (last, before) = steps.split_last().filter(|_| steps.len() <= MOST_HOPS)?;
        let mut visits = bounds.visits;
        let mut entities = vec![from];
        self.walk(
            before,
            *last,
            to,
            bounds.breadth,
            &mut visits,
            &mut entities,
        )
        .then(|| {
            let hops = entities.windows(2).zip(steps);
            let facts = hops.map(|(ends, step)| step.fact(ends[0], ends[1]));
            Path {
                facts: facts.collect(),
                entities,
            }
        })
    }

    fn walk(
        &self,
        before: &[Step],
        last: Step,
        to: Entity,
        breadth: usize,
        visits: &mut usize,
        entities: &mut Vec<Entity>,
    ) -> bool {
        let Some(at) = entities.last().copied() else {
            return false;
        };
        let Some((step, rest)) = before.split_first() else {
            let there = match last.back {
                false => self.holds(at, last.relation, to),
                true => self.holds(to, last.relation, at),
            };
            if there {
                entities.push(to);
            }
            return there;
        };
        for entity in self.step(at, *step).take(breadth) {
            let Some(left) = visits.checked_sub(1) else {
                return false;
            };
            *visits = left;
            entities.push(entity);
            if self.walk(rest, last, to, breadth, visits, entities) {
                return true;
            }
            entities.pop();
        }
        false
    }

    /// The shortest paths between two entities, over these relations in both directions
    /// (all of them where none is named): by their entities' numbers, then by relation.
    /// And whether no bound left anything out.
    #[must_use]
    pub fn paths(
        &self,
        from: Entity,
        to: Entity,
        over: &[Relation],
        bounds: Bounds,
    ) -> (Vec<Path<'_>>, bool) {
        let all: Vec<Relation> = match over.is_empty() {
            true => self.relations().map(|it| it.0).collect(),
            false => over.to_vec(),
        };
        let mut steps: Vec<Step> = (all.into_iter())
            .flat_map(|relation| [relation.into(), Step::back(relation)])
            .collect();
        steps.sort_unstable();
        steps.dedup();
        let (visited, complete) = self.spread(from, to, &steps, bounds);
        let mut paths = Vec::new();
        if from != to && visited.contains_key(&to) {
            let mut entities = vec![to];
            back(
                &visited,
                from,
                bounds.paths,
                &mut entities,
                &mut Vec::new(),
                &mut paths,
            );
        }
        let cut = paths.len() > bounds.paths;
        paths.truncate(bounds.paths);
        (paths, complete && !cut)
    }

    /// Breadth-first search, up to the hop at which the target is found.
    fn spread(
        &self,
        from: Entity,
        to: Entity,
        steps: &[Step],
        bounds: Bounds,
    ) -> (BTreeMap<Entity, Visit>, bool) {
        let mut complete = true;
        let start = Visit {
            hops: 0,
            from: Vec::new(),
        };
        let mut visited = BTreeMap::from([(from, start)]);
        let mut front = vec![from];
        for hops in 1..=bounds.hops.min(MOST_HOPS) {
            let mut next = Vec::new();
            for entity in &front {
                for step in steps {
                    let mut found = self.step(*entity, *step);
                    for other in found.by_ref().take(bounds.breadth) {
                        let room = visited.len() < bounds.visits;
                        match visited.get_mut(&other) {
                            Some(visit) if visit.hops == hops => {
                                // No path needs more ways than there may be paths.
                                if visit.from.len() <= bounds.paths {
                                    visit.from.push((*entity, *step));
                                }
                            }
                            Some(_) => {}
                            None if room => {
                                let from = vec![(*entity, *step)];
                                visited.insert(other, Visit { hops, from });
                                next.push(other);
                            }
                            None => complete = false,
                        }
                    }
                    complete &= found.next().is_none();
                }
            }
            if visited.contains_key(&to) {
                break;
            }
            front = next;
            front.sort_unstable();
        }
        (visited, complete)
    }
}

/// The sum of each entity's ways, in the order of their numbers: counted where entities
/// are as close together as many that come from one type, sorted where not.
fn add_up(found: &mut [(Entity, u32)], sums: &mut Vec<(Entity, u32)>) {
    sums.clear();
    let least = found.iter().map(|it| it.0.0).min().unwrap_or(0);
    let most = found.iter().map(|it| it.0.0).max().unwrap_or(0);
    let span = (most - least) as usize + 1;
    if span <= 4 * found.len() {
        let mut counts = vec![0_u32; span];
        for (entity, ways) in found {
            let count = &mut counts[(entity.0 - least) as usize];
            *count = count.saturating_add(*ways);
        }
        let counted = (least..).map(Entity).zip(counts);
        sums.extend(counted.filter(|it| it.1 > 0));
        return;
    }
    found.sort_unstable_by_key(|it| it.0);
    for same in found.chunk_by(|a, b| a.0 == b.0) {
        let ways = same.iter().fold(0, |sum: u32, it| sum.saturating_add(it.1));
        sums.push((same[0].0, ways));
    }
}

/// Goes back from the last of the entities to the first, and notes each path; one more
/// than there may be, to know that there are more.
fn back<'a>(
    visited: &BTreeMap<Entity, Visit>,
    from: Entity,
    most: usize,
    entities: &mut Vec<Entity>,
    steps: &mut Vec<Step>,
    paths: &mut Vec<Path<'a>>,
) {
    let Some((at, visit)) = (entities.last()).and_then(|at| Some((*at, visited.get(at)?))) else {
        return;
    };
    if at == from {
        let entities: Vec<Entity> = entities.iter().rev().copied().collect();
        let hops = entities.windows(2).zip(steps.iter().rev());
        let facts = hops
            .map(|(ends, step)| step.fact(ends[0], ends[1]))
            .collect();
        paths.push(Path { entities, facts });
        return;
    }
    for (before, step) in &visit.from {
        if paths.len() > most {
            return;
        }
        entities.push(*before);
        steps.push(*step);
        back(visited, from, most, entities, steps, paths);
        entities.pop();
        steps.pop();
    }
}
