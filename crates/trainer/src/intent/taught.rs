//! What teaches, and what of it is held back.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_features::hash::Hash;
use shelfedge_features::text::Text;

use super::{Correction, alike};
use crate::import::texts::Texts;

/// One text in so many is held back to choose by; of few texts, each fifth in turn.
const HELD_BACK: u64 = 10;
const FOLDS_OF_FEW: u64 = 5;
/// As many texts aren't few.
const MANY: usize = 5_000;
const FOLD_SEED: u32 = 0x666f_6c64;

/// What teaches: the data's texts, then the corrections.
pub(super) struct Taught {
    pub(super) texts: Vec<String>,
    /// Each one's class, with what corrections changed; one behind the last out of scope.
    pub(super) of: Vec<u32>,
    /// The same by the data alone.
    pub(super) own: Vec<u32>,
    /// How many are the data's.
    pub(super) data: usize,
    /// The turn in which each is held back, if there are so many turns.
    pub(super) parts: Vec<u64>,
    /// What two texts have in common that tell nothing new; none without corrections.
    shapes: Vec<String>,
}

impl Taught {
    pub(super) fn of(data: &Texts, corrections: &[Correction], names: &[String]) -> Self {
        let mut buffer = Text::default();
        let none = names.len() as u32;
        let class = |label: &String| names.binary_search(label).map_or(none, |at| at as u32);
        let many = data.texts.len() >= MANY;
        let part = |text: &String| match many {
            true => part_of(text, HELD_BACK),
            false => part_of(text, FOLDS_OF_FEW),
        };
        let mut taught = Self {
            texts: data.texts.clone(),
            of: data.labels.iter().map(class).collect(),
            own: data.labels.iter().map(class).collect(),
            data: data.texts.len(),
            parts: data.texts.iter().map(part).collect(),
            shapes: Vec::new(),
        };
        if corrections.is_empty() {
            return taught;
        }
        let mut by_normal: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut by_shape: BTreeMap<String, u64> = BTreeMap::new();
        for (i, text) in data.texts.iter().enumerate() {
            let normal = alike::normal(text, &mut buffer);
            by_normal.entry(normal).or_default().push(i);
            let shape = alike::shape(text, &mut buffer);
            by_shape.entry(shape.clone()).or_insert(taught.parts[i]);
            taught.shapes.push(shape);
        }
        for Correction { text, label } in corrections {
            let class = class(label);
            let normal = alike::normal(text, &mut buffer);
            for i in by_normal.get(&normal).into_iter().flatten() {
                taught.of[*i] = class;
            }
            let shape = alike::shape(text, &mut buffer);
            let alone = || part_of(&shape, FOLDS_OF_FEW);
            let part = by_shape.get(&shape).copied().unwrap_or_else(alone);
            taught.texts.push(text.clone());
            taught.of.push(class);
            taught.own.push(class);
            taught.parts.push(part);
            taught.shapes.push(shape);
        }
        taught
    }

    /// How many turns there are.
    pub(super) fn turns(&self) -> u64 {
        if self.few() { FOLDS_OF_FEW } else { 1 }
    }

    pub(super) fn few(&self) -> bool {
        self.data < MANY
    }

    /// Which texts are asked for in a turn, and which teach: none that is but for its
    /// numbers a correction that is asked for, and no correction that is such a text.
    pub(super) fn split(&self, turn: u64) -> (Vec<usize>, Vec<usize>) {
        let (ask, mut teach): (Vec<usize>, Vec<usize>) =
            (0..self.of.len()).partition(|i| self.parts[*i] == turn);
        if !self.shapes.is_empty() {
            let shapes = |which: &[usize]| -> BTreeSet<&str> {
                which.iter().map(|i| self.shapes[*i].as_str()).collect()
            };
            let first = ask.partition_point(|i| *i < self.data);
            let (asked, corrected) = (shapes(&ask), shapes(&ask[first..]));
            teach.retain(|i| match *i < self.data {
                true => !corrected.contains(self.shapes[*i].as_str()),
                false => !asked.contains(self.shapes[*i].as_str()),
            });
        }
        (ask, teach)
    }
}

/// Which part of so many a text is in; equal texts are in one.
fn part_of(text: &str, parts: u64) -> u64 {
    Hash::new(FOLD_SEED).bytes(text.as_bytes()).finish() % parts
}
