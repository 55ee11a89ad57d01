//! Texts as sparse rows, by the vocabulary that the compiled model has.

use std::collections::BTreeMap;

use shelfedge_engine::math::ln;
use shelfedge_features::text::{Buffers, Grams, Text, Vocabulary};

use super::teacher::Embedded;

/// A row for each text: places in the vocabulary, from 0, and weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse {
    ends: Vec<usize>,
    cells: Vec<(u32, f32)>,
    /// One more than the largest place.
    pub(super) width: usize,
}

impl Sparse {
    /// Rows that have a number in every place.
    pub(super) fn dense(vectors: &Embedded, which: &[usize]) -> Self {
        let rows = which.iter().map(|i| vectors.of(*i));
        Self {
            ends: (1..=which.len()).map(|n| n * vectors.width).collect(),
            cells: rows
                .flat_map(|row| (0..).zip(row.iter().copied()))
                .collect(),
            width: vectors.width,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn row(&self, i: usize) -> &[(u32, f32)] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[start..self.ends[i]]
    }
}

/// A vocabulary: the section, and how many grams a text has that it knows, at most.
#[derive(Clone, Debug)]
pub(super) struct Lexicon {
    pub(super) section: Vec<u8>,
    pub(super) size: usize,
    pub(super) keys: Vec<u32>,
}

impl Lexicon {
    /// The grams of at least so many texts, of those that are wanted.
    pub(super) fn of<'t>(
        texts: impl Iterator<Item = &'t str>,
        grams: Grams,
        least: u32,
        wanted: impl Fn(u32) -> bool,
    ) -> Self {
        let mut all: Vec<u32> = Vec::new();
        let mut of_one: Vec<u32> = Vec::new();
        let mut text = Text::default();
        let mut count = 0u32;
        for written in texts {
            text.read(written);
            of_one.clear();
            grams.each(&text, |key| of_one.push(key));
            of_one.sort_unstable();
            of_one.dedup();
            all.extend(of_one.iter().filter(|key| wanted(**key)));
            count += 1;
        }
        all.sort_unstable();
        let kept = all.chunk_by(|a, b| a == b);
        let kept = kept.filter(|same| same.len() >= least as usize);
        // Smoothed: as if one more text held every gram.
        let idf = |texts: usize| ln((1 + count) as f32 / (1 + texts) as f32) + 1.0;
        let idf: Vec<(u32, f32)> = kept
            .map(|same| (same[0], idf(same.len()).min(12.7)))
            .collect();
        Self {
            section: Vocabulary::write(grams, &idf),
            size: idf.len(),
            keys: idf.iter().map(|(key, _)| *key).collect(),
        }
    }

    /// Texts as rows of at most so many grams.
    pub(super) fn encode<'t>(&self, texts: impl Iterator<Item = &'t str>, most: usize) -> Sparse {
        let vocabulary = Vocabulary::open(&self.section).expect("written above");
        let (mut text, mut buffers) = (Text::default(), Buffers::default());
        let mut rows = Sparse {
            width: self.size,
            ..Sparse::default()
        };
        for written in texts {
            text.read(written);
            vocabulary.encode(&text, most, &mut buffers, |row, weight| {
                rows.cells.push((row - 1, weight));
            });
            rows.ends.push(rows.cells.len());
        }
        rows
    }
}

/// Labels by name, and each text's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) names: Vec<String>,
    pub(super) of: Vec<u32>,
}

impl Classes {
    pub(super) fn of(labels: &[String]) -> Self {
        let mut numbers: BTreeMap<&str, u32> = labels.iter().map(|l| (l.as_str(), 0)).collect();
        for (n, number) in (0..).zip(numbers.values_mut()) {
            *number = n;
        }
        Self {
            of: labels.iter().map(|label| numbers[label.as_str()]).collect(),
            names: numbers.into_keys().map(str::to_owned).collect(),
        }
    }
}
