//! Taggers of turns: slots and entities. A linear-chain CRF is learnt, its weak features
//! are left out until it fits, and it is compiled.

mod command;
mod crf;
mod measure;
pub(crate) mod read;
mod texts;

pub use command::{Outcome, Settings, run};
pub use measure::{Confusion, Count, Figures, OfSlot, Sure};

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_assistant::{MOST_TAGS, OUTSIDE, TagBuffers, Tagger, Tags};
use shelfedge_engine::{Best, viterbi};
use shelfedge_features::hash::Hash;
use shelfedge_features::text::{Features, MOST_FEATURES, Window};
use shelfedge_onnx::build::{Dim, Graph, Kind, Pool};
use shelfedge_onnx::{Options, Precision, lower};

use crate::error::{Error, Result};
use crate::export::internal;
use crate::import::turns::Turn;
use crate::round::Int8;
use crate::watch::Watch;
use crf::{Field, Recipe, Rows};

/// One conversation in so many is held back to choose by.
const HELD_BACK: u64 = 8;
const FOLD_SEED: u32 = 0x736c_6f74;
/// How much less a token without a tag scores, as tried.
const OFFSETS: [f64; 9] = [-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3];
/// Costs of weights, absolute and square, as tried.
const COSTS: [(f64, f64); 3] = [(0.15, 0.02), (0.3, 0.3), (0.3, 1.0)];
const STEPS: usize = 70;
/// Steps after the weak features are left out.
const AGAIN: usize = 15;
/// Bytes of a compiled model besides its features.
const REST: usize = 12_000;

/// A compiled tagger.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The reference.
    pub onnx: Vec<u8>,
    /// The compiled model.
    pub shelf: Vec<u8>,
    /// Micro F1 of exact spans, of conversations that were held back.
    pub f1: f64,
    /// How much less a token without a tag scores.
    pub offset: f64,
}

/// What the same person wrote last in the conversation.
pub fn before(turns: &[Turn], at: usize) -> &[String] {
    let last = at.checked_sub(1).and_then(|last| turns.get(last));
    let same = last
        .filter(|last| (&last.cluster, &last.domain) == (&turns[at].cluster, &turns[at].domain));
    same.map_or(&[], |last| &last.tokens)
}

struct Learnt {
    field: Field,
    keys: Vec<u32>,
}

struct Task<'a> {
    turns: &'a [Turn],
    names: Vec<&'a str>,
    window: Window,
    max_bytes: usize,
    /// Whether a turn sees the one before it.
    follows: bool,
}

/// Learns a tagger and compiles it. A turn sees what the same person wrote last.
pub fn build(turns: &[Turn], max_bytes: usize, watch: &mut dyn Watch) -> Result<Bundle> {
    let task = Task::new(turns, max_bytes, true)?;
    let choice = task.choose(watch)?;
    task.finish(choice, watch)
}

/// What is chosen by turns that are held back.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// Costs of weights, absolute and square.
    costs: (f64, f64),
    offset: f64,
    f1: f64,
}

impl<'a> Task<'a> {
    fn new(turns: &'a [Turn], max_bytes: usize, follows: bool) -> Result<Self> {
        let names: BTreeSet<&str> = (turns.iter().flat_map(|turn| &turn.tags))
            .map(String::as_str)
            .collect();
        if !(2..=MOST_TAGS).contains(&names.len()) {
            return Err(Error::fault(
                "tags_unfit",
                "tags",
                format!("there are {} different tags", names.len()),
                format!("give turns with two to {MOST_TAGS} different tags, O for none"),
            ));
        }
        let tokens = turns.iter().flat_map(|turn| &turn.tokens);
        Ok(Self {
            turns,
            names: names.into_iter().collect(),
            window: Window::of(tokens.map(String::as_str)),
            max_bytes,
            follows,
        })
    }

    /// What it costs, by turns that are held back.
    fn choose(&self, watch: &mut dyn Watch) -> Result<Choice> {
        let is_held = |turn: &Turn| {
            let hash = Hash::new(FOLD_SEED).bytes(turn.cluster.as_bytes());
            hash.finish().is_multiple_of(HELD_BACK)
        };
        let (held, rest): (Vec<usize>, Vec<usize>) =
            (0..self.turns.len()).partition(|at| is_held(&self.turns[*at]));
        let mut choice = Choice {
            costs: COSTS[0],
            offset: 0.0,
            f1: 0.0,
        };
        if !held.is_empty() && !rest.is_empty() {
            for costs in COSTS {
                let learnt = self.learn(&rest, costs, watch)?;
                for offset in OFFSETS {
                    let f1 = self.f1(&learnt, &held, offset);
                    if f1 > choice.f1 {
                        choice = Choice { costs, offset, f1 };
                    }
                }
            }
        }
        Ok(choice)
    }

    /// Learns from all turns, and compiles it.
    fn finish(&self, choice: Choice, watch: &mut dyn Watch) -> Result<Bundle> {
        let all: Vec<usize> = (0..self.turns.len()).collect();
        let learnt = self.learn(&all, choice.costs, watch)?;
        let (onnx, shelf) = self.compile(&learnt, choice.offset)?;
        Ok(Bundle {
            onnx,
            shelf,
            f1: choice.f1,
            offset: choice.offset,
        })
    }

    fn before(&self, at: usize) -> &[String] {
        match self.follows {
            true => before(self.turns, at),
            false => &[],
        }
    }

    fn encode(&self, which: &[usize], keys: &[u32]) -> Vec<Rows> {
        let tag = |name: &String| self.names.binary_search(&name.as_str()).unwrap_or(0) as u32;
        let of = |at: &usize| {
            let turn = &self.turns[*at];
            let mut rows = Rows::default();
            self.window.each(self.before(*at), &turn.tokens, |_, seen| {
                let known = seen.iter().filter_map(|key| keys.binary_search(key).ok());
                rows.rows.extend(known.map(|row| row as u32));
                rows.ends.push(rows.rows.len() as u32);
            });
            rows.tags = turn.tags.iter().map(tag).collect();
            rows
        };
        which.iter().map(of).collect()
    }

    fn learn(
        &self,
        which: &[usize],
        (absolute, square): (f64, f64),
        watch: &mut dyn Watch,
    ) -> Result<Learnt> {
        let recipe = Recipe {
            absolute,
            square,
            steps: STEPS,
        };
        let mut seen = Vec::new();
        for at in which {
            let turn = &self.turns[*at];
            self.window.each(self.before(*at), &turn.tokens, |_, keys| {
                seen.extend_from_slice(keys);
            });
        }
        seen.sort_unstable();
        let least = if which.len() < 2_000 { 1 } else { 2 };
        let kept = seen
            .chunk_by(|a, b| a == b)
            .filter(|same| same.len() >= least);
        let keys: Vec<u32> = kept.map(|same| same[0]).collect();
        let n = self.names.len();
        let mut field = Field::zero(keys.len(), n);
        field.learn(&self.encode(which, &keys), recipe, watch)?;

        let room = self.max_bytes.saturating_sub(REST) / (n + 8);
        let strength = field.weights.chunks_exact(n).take(keys.len());
        let mut strong: Vec<(f64, usize)> = strength
            .map(|row| row.iter().map(|w| w.abs()).sum())
            .zip(0..)
            .filter(|(sum, _)| *sum > 0.0)
            .collect();
        let cut = strong.len() > room;
        strong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        strong.truncate(room);
        let mut strong: Vec<usize> = strong.into_iter().map(|(_, row)| row).collect();
        strong.sort_unstable();
        let mut small = Field::zero(strong.len(), n);
        small.weights.clear();
        for row in &strong {
            small.weights.extend(&field.weights[row * n..(row + 1) * n]);
        }
        small.weights.extend(field.transitions());
        let keys: Vec<u32> = strong.iter().map(|row| keys[*row]).collect();
        if cut {
            let recipe = Recipe {
                steps: AGAIN,
                ..recipe
            };
            small.learn(&self.encode(which, &keys), recipe, watch)?;
        }
        Ok(Learnt { field: small, keys })
    }

    /// Transitions, with what a token without a tag scores less.
    fn transitions(&self, learnt: &Learnt, offset: f64) -> Vec<f32> {
        let names = self.names.iter().cycle();
        let moves = learnt.field.transitions().iter().zip(names);
        moves
            .map(|(w, name)| (if *name == OUTSIDE { w - offset } else { *w }) as f32)
            .collect()
    }

    fn f1(&self, learnt: &Learnt, held: &[usize], offset: f64) -> f64 {
        let moves = self.transitions(learnt, offset);
        let (mut best, mut emissions) = (Best::default(), Vec::new());
        let (mut hits, mut all) = (0usize, 0usize);
        for turn in self.encode(held, &learnt.keys) {
            learnt.field.emissions(&turn, &mut emissions);
            let scores: Vec<f32> = emissions.iter().map(|x| *x as f32).collect();
            viterbi(&scores, &moves, self.names.len(), &mut best);
            let [own, found] = [&turn.tags, &best.path].map(|tags| self.spans(tags));
            hits += own.intersection(&found).count();
            all += own.len() + found.len();
        }
        2.0 * hits as f64 / (all as f64).max(1.0)
    }

    fn spans(&self, tags: &[u32]) -> BTreeSet<(&str, usize, usize)> {
        let bio = self.names.iter().any(|name| name.starts_with("B-"));
        let mut spans = BTreeSet::new();
        let mut open: Option<(&str, usize)> = None;
        for at in 0..=tags.len() {
            let name = tags
                .get(at)
                .map_or(OUTSIDE, |tag| self.names[*tag as usize]);
            let kind = if bio && name != OUTSIDE {
                name.get(2..).unwrap_or(name)
            } else {
                name
            };
            let goes_on =
                open.is_some_and(|(of, _)| of == kind) && !(bio && name.starts_with("B-"));
            if !goes_on {
                if let Some((of, start)) = open.filter(|(of, _)| *of != OUTSIDE) {
                    spans.insert((of, start, at));
                }
                open = Some((kind, at));
            }
        }
        spans
    }

    fn compile(&self, learnt: &Learnt, offset: f64) -> Result<(Vec<u8>, Vec<u8>)> {
        let n = self.names.len();
        let rows = learnt.keys.len();
        let mut table = vec![0.0f32; n];
        table.extend(learnt.field.weights[..rows * n].iter().map(|w| *w as f32));
        let table = Int8::from_table(&table, n);
        let mut g = Graph::new("slots");
        g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
        g.metadata("shelfedge.task", "slots");
        let ids = g.input(
            "feature",
            Kind::I64,
            &[Dim::Rows, Dim::Fixed(MOST_FEATURES)],
        );
        let table = g.int8("weights", [rows + 1, n], table.q, table.scale);
        let seen = g.gather(table, ids);
        let sum = g.reduce(seen, 1, Pool::Sum, false);
        g.output("emission", sum);
        let onnx = g.finish().map_err(|e| internal("onnx", e.to_string()))?;
        let options = Options {
            tables: Precision::I8,
            ..Options::default()
        };
        let tags = Tags {
            names: self.names.iter().map(|name| (*name).to_owned()).collect(),
            transitions: self.transitions(learnt, offset),
        };
        let shelf = lower(&onnx, &options)
            .map_err(|e| internal("lowering", e.to_string()))?
            .compile(&[
                (
                    Features::SECTION,
                    Features::write(self.window, &learnt.keys),
                ),
                (Tags::SECTION, tags.write()),
            ])
            .map_err(|e| internal("compile", e.to_string()))?;
        Ok((onnx, shelf))
    }
}

/// The tags of turns, by the compiled model.
pub fn predict(shelf: &[u8], turns: &[Turn]) -> Result<Vec<Vec<String>>> {
    let tagger = Tagger::open(shelf).map_err(|e| internal("open", e.to_string()))?;
    let mut buffers = TagBuffers::default();
    let of = |at: usize| {
        let mut tags = Vec::with_capacity(turns[at].tokens.len());
        tagger.tag(before(turns, at), &turns[at].tokens, &mut buffers, |tag| {
            tags.push(tag.to_owned());
        });
        tags
    };
    Ok((0..turns.len()).map(of).collect())
}

/// Turns by what they are about, in order.
pub fn by_domain(turns: Vec<Turn>) -> BTreeMap<String, Vec<Turn>> {
    let mut domains: BTreeMap<String, Vec<Turn>> = BTreeMap::new();
    for turn in turns {
        domains.entry(turn.domain.clone()).or_default().push(turn);
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Silent;

    /// Orders of food that a rule tags: a number is a quantity, what follows "large" a
    /// food, unless the turn is about an address.
    fn turns(count: usize) -> Vec<Turn> {
        let foods = ["pizza", "salad", "soda", "burger", "pasta", "soup"];
        let numbers = ["one", "two", "3", "four"];
        let of = |at: usize| {
            let (food, number) = (foods[at * 7 % 6], numbers[at / 3 % 4]);
            let (words, tags): (Vec<&str>, Vec<&str>) = match at % 4 {
                0 => (
                    vec!["i", "want", number, food],
                    vec!["O", "O", "quantity", "food"],
                ),
                1 => (
                    vec!["a", "large", food, "please"],
                    vec!["O", "size", "food", "O"],
                ),
                2 => (
                    vec![number, "high", "street"],
                    vec!["address", "address", "address"],
                ),
                _ => (vec!["thanks", "bye"], vec!["O", "O"]),
            };
            let texts = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
            Turn {
                row: at as i64,
                domain: "food".to_owned(),
                cluster: (at / 4).to_string(),
                tokens: texts(words),
                tags: texts(tags),
                intent: String::new(),
            }
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn a_tagger_learns_a_rule_and_is_the_same_each_time() {
        let taught = turns(240);
        let bundle = build(&taught, 200_000, &mut Silent).expect("a tagger");
        assert!(bundle.f1 > 0.99, "{}", bundle.f1);
        assert!(bundle.shelf.len() <= 200_000);
        let again = build(&taught, 200_000, &mut Silent).expect("a tagger");
        assert_eq!(bundle.shelf, again.shelf);
        let asked = turns(40);
        let found = predict(&bundle.shelf, &asked).expect("tags");
        let own: Vec<Vec<String>> = asked.into_iter().map(|turn| turn.tags).collect();
        assert_eq!(found, own);
    }

    #[test]
    fn a_tagger_fits_into_what_it_is_given() {
        let bundle = build(&turns(240), 14_000, &mut Silent).expect("a tagger");
        assert!(bundle.shelf.len() <= 14_000, "{}", bundle.shelf.len());
    }

    #[test]
    fn one_tag_alone_is_refused() {
        let mut taught = turns(40);
        for tag in taught.iter_mut().flat_map(|turn| &mut turn.tags) {
            OUTSIDE.clone_into(tag);
        }
        let refused = build(&taught, 200_000, &mut Silent).expect_err("no tags");
        assert!(refused.to_string().contains("tags"), "{refused}");
    }

    #[test]
    fn a_span_is_a_run_of_one_tag_or_bio() {
        let names = ["B-food", "I-food", "O"];
        let turns = [];
        let task = Task {
            turns: &turns,
            names: names.into(),
            window: Window::Words,
            max_bytes: 0,
            follows: true,
        };
        let spans = task.spans(&[0, 1, 0, 2, 1]);
        assert_eq!(
            Vec::from_iter(spans),
            [("food", 0, 2), ("food", 2, 3), ("food", 4, 5)]
        );
        let task = Task {
            names: ["O", "food", "size"].into(),
            ..task
        };
        let spans = task.spans(&[1, 1, 2, 0, 1]);
        assert_eq!(
            Vec::from_iter(spans),
            [("food", 0, 2), ("food", 4, 5), ("size", 2, 3)]
        );
    }
}
