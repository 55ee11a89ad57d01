//! N-grams of a text as rows of a table with weights: what linear models, bags and
//! networks over text see.
//!
//! Runs of tokens, and parts of them (characters of a word, with its ends; longer runs of
//! Chinese characters with the marks between them). A gram is known by 32 bits of its
//! hash. Weights are (1 + ln n) idf for a gram that a text holds n times (Salton and
//! Buckley, 1988), of all known grams of a text together of length 1.

use core::ops::RangeInclusive;

use shelfedge_engine::math::ln;

use super::{Kind, Text, Token};
use crate::flat::{self, Cut};
use crate::hash::Hash;
use crate::tables::TableError;

const RUN_SEED: u32 = 0x7275_6e73;
const PART_SEED: u32 = 0x7061_7274;
const VERSION: u32 = 1;
/// An idf in a byte, in steps of one over this.
const IDF_STEPS: f32 = 20.0;
/// Most characters of a part, and tokens of a run.
const LONGEST: u8 = 8;

/// Which grams a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grams {
    /// Runs of 1 to so many tokens, at most 8.
    pub words: u8,
    /// Runs of 2 to so many Chinese characters with the marks between them, at most 8.
    pub han: u8,
    /// Parts of a word of so many characters, at most 8; its ends count as one each.
    pub chars: (u8, u8),
}

impl Grams {
    /// Whether every length is one that is read.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.words <= LONGEST && self.han <= LONGEST && self.chars.1 <= LONGEST && self.chars.0 > 0
    }

    /// Calls with each gram of a text, as often as it occurs.
    pub fn each(&self, text: &Text, mut of: impl FnMut(u32)) {
        let tokens = text.tokens();
        let counts = |token: &&Token| token.kind != Kind::Mark;
        let plain: Vec<&Token> = tokens.iter().filter(counts).collect();
        let mut parts = Parts::default();
        for i in 0..plain.len() {
            let mut run = Hash::new(RUN_SEED);
            for token in plain[i..].iter().take(self.words.into()) {
                run = add(run, text, token);
                of(key(run));
            }
            let token = plain[i];
            if token.kind == Kind::Number {
                let whole = Hash::new(PART_SEED).bytes(text.normal(token).as_bytes());
                of(key(whole));
            } else if matches!(token.kind, Kind::Word | Kind::Code) {
                let (from, to) = self.chars;
                parts.each(text.normal(token), from..=to, &mut of);
            }
        }
        for i in 0..tokens.len() {
            let mut run = Hash::new(PART_SEED).bytes(&[0]);
            let (mut marks, mut han) = (false, false);
            for (n, token) in (1u8..=self.han).zip(&tokens[i..]) {
                match token.kind {
                    Kind::Han => han = true,
                    Kind::Mark => marks = true,
                    Kind::Word | Kind::Number | Kind::Code | Kind::Emoji => break,
                }
                run = add(run, text, token);
                // Shorter ones without marks are among the runs.
                if han && n > 1 && (marks || n > self.words) {
                    of(key(run));
                }
            }
        }
    }
}

/// A number is what it looks like: how many digits it has.
fn add(run: Hash, text: &Text, token: &Token) -> Hash {
    let run = run.bytes(&[0xff]);
    match token.kind {
        Kind::Number => run.bytes(b"#").number(token.end - token.start),
        _ => run.bytes(text.normal(token).as_bytes()),
    }
}

/// Words with a blank at both ends, and where their characters begin and end.
#[derive(Default)]
struct Parts {
    padded: String,
    ends: Vec<usize>,
}

impl Parts {
    fn each(&mut self, word: &str, sizes: RangeInclusive<u8>, of: &mut impl FnMut(u32)) {
        self.padded.clear();
        self.padded.extend([" ", word, " "]);
        self.ends.clear();
        self.ends
            .extend(self.padded.char_indices().map(|(at, _)| at));
        self.ends.push(self.padded.len());
        for size in sizes {
            for ends in self.ends.windows(usize::from(size) + 1) {
                let part = &self.padded.as_bytes()[ends[0]..ends[usize::from(size)]];
                of(key(Hash::new(PART_SEED).bytes(&[1]).bytes(part)));
            }
        }
    }
}

fn key(hash: Hash) -> u32 {
    (hash.finish() >> 32) as u32
}

/// The grams that a model knows, as a section of its compiled form, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    grams: Grams,
    /// Four bytes each, rising.
    keys: &'a [u8],
    idf: &'a [u8],
}

/// How much of a text is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Different grams of the text that the model knows.
    pub known: u32,
    /// All different grams of the text.
    pub all: u32,
}

/// Buffers for encoding texts, used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    keys: Vec<u32>,
    found: Vec<(u32, f32)>,
}

impl<'a> Vocabulary<'a> {
    /// The section's name in a compiled model.
    pub const SECTION: &'static str = "grams";

    /// Opens the section: checks its sizes.
    ///
    /// # Errors
    /// [`TableError`] if it isn't one.
    pub fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        Self::read(bytes).ok_or(TableError {
            section: Self::SECTION,
            missing: false,
        })
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, _) = bytes.as_chunks::<4>();
        let [version, lengths, count, ..] = *head else {
            return None;
        };
        let [words, han, from, to] = lengths;
        let grams = Grams {
            words,
            han,
            chars: (from, to),
        };
        let count = u32::from_le_bytes(count) as usize;
        let mut cut = Cut::new(bytes, 12);
        let vocabulary = Self {
            grams,
            keys: cut.take(4, count)?,
            idf: cut.take(1, count)?,
        };
        let sound = u32::from_le_bytes(version) == VERSION && grams.is_sound() && cut.is_done();
        sound.then_some(vocabulary)
    }

    /// Whether its keys rise, which opening it leaves out, because it is done for every
    /// text. In others some grams aren't found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let (keys, _) = self.keys.as_chunks::<4>();
        let keys = keys.iter().map(|key| u32::from_le_bytes(*key));
        keys.is_sorted_by(|a, b| a < b)
    }

    /// Writes the section. Keys rise; an idf is at least 0 and below 12.75.
    #[must_use]
    pub fn write(grams: Grams, idf: &[(u32, f32)]) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        out.extend([grams.words, grams.han, grams.chars.0, grams.chars.1]);
        out.extend((idf.len() as u32).to_le_bytes());
        flat::add(&mut out, idf.iter().flat_map(|(key, _)| key.to_le_bytes()));
        let step = |idf: f32| (idf * IDF_STEPS + 0.5) as u8;
        flat::add(&mut out, idf.iter().map(|(_, idf)| step(*idf)));
        out
    }

    /// How many grams it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.idf.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.idf.is_empty()
    }

    /// Calls with the row (from 1; 0 is for padding) and the weight of each gram of a text
    /// that is known, at most `most` of them, in rising order of rows. Of more, those of the
    /// largest weight stay.
    pub fn encode(
        &self,
        text: &Text,
        most: usize,
        buffers: &mut Buffers,
        mut of: impl FnMut(u32, f32),
    ) -> Known {
        let Buffers { keys, found } = buffers;
        keys.clear();
        found.clear();
        self.grams.each(text, |key| keys.push(key));
        keys.sort_unstable();
        let (all_keys, _) = self.keys.as_chunks::<4>();
        let mut known = Known::default();
        for same in keys.chunk_by(|a, b| a == b) {
            known.all += 1;
            let Ok(row) = all_keys.binary_search_by_key(&same[0], |key| u32::from_le_bytes(*key))
            else {
                continue;
            };
            known.known += 1;
            let idf = f32::from(self.idf[row]) / IDF_STEPS;
            let weight = (1.0 + ln(same.len() as f32)) * idf;
            found.push((row as u32 + 1, weight));
        }
        if found.len() > most {
            found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            found.truncate(most);
            found.sort_unstable_by_key(|(row, _)| *row);
        }
        let square: f32 = found.iter().map(|(_, weight)| weight * weight).sum();
        let length = square.sqrt().max(1e-9);
        for (row, weight) in found.iter() {
            of(*row, weight / length);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAMS: Grams = Grams {
        words: 2,
        han: 4,
        chars: (3, 4),
    };

    fn keys(text: &str) -> Vec<u32> {
        let mut keys = Vec::new();
        GRAMS.each(&Text::new(text), |key| keys.push(key));
        keys
    }

    #[test]
    fn grams_are_runs_and_parts() {
        // 2 words, 1 pair; " ab", "ab ", " ab ", and 4 + 3 of "cde".
        assert_eq!(keys("ab cdef").len(), 3 + 3 + 4 + 3);
        // 4 characters and 3 pairs; 2 triples, 1 of four, each longer than a run.
        assert_eq!(keys("我要退款").len(), 4 + 3 + 2 + 1);
        // With a mark: it is in no run, but in the longer parts.
        assert_eq!(keys("好,差").len(), 2 + 1 + 2 + 1);
        assert_eq!(keys("12").len(), 2);
        assert_eq!(keys("12")[0], keys("99")[0], "both look the same");
        assert_ne!(keys("12")[1], keys("99")[1]);
        assert!(keys("").is_empty());
        assert_ne!(keys("a bc"), keys("ab c"));
    }

    #[test]
    fn keys_are_fixed_for_good() {
        // Changing these numbers breaks every trained model.
        assert_eq!(
            keys("ab")[..],
            [4_197_749_474, 1_890_927_647, 1_456_727_950, 1_018_793_023]
        );
    }

    #[test]
    fn a_text_becomes_rows_with_weights_of_length_one() {
        let mut idf: Vec<(u32, f32)> = keys("refund my order order")
            .iter()
            .map(|k| (*k, 2.0))
            .collect();
        idf.sort_by_key(|(key, _)| *key);
        idf.dedup();
        let bytes = Vocabulary::write(GRAMS, &idf);
        let vocabulary = Vocabulary::open(&bytes).expect("a section");
        assert_eq!(vocabulary.len(), idf.len());
        let mut rows = Vec::new();
        let mut buffers = Buffers::default();
        let text = Text::new("Refund order, order please");
        let known = vocabulary.encode(&text, 1000, &mut buffers, |row, weight| {
            rows.push((row, weight))
        });
        assert_eq!(known.known as usize, rows.len());
        assert!(known.all > known.known);
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
        let square: f32 = rows.iter().map(|(_, weight)| weight * weight).sum();
        assert!((square - 1.0).abs() < 1e-5, "{square}");
        let mut few = Vec::new();
        vocabulary.encode(&text, 3, &mut buffers, |row, weight| {
            few.push((row, weight))
        });
        assert_eq!(few.len(), 3);
        for cut in 0..bytes.len() {
            assert!(Vocabulary::open(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut twice = bytes.clone();
        twice.copy_within(12..16, 16);
        assert!(vocabulary.is_sound() && Vocabulary::open(&twice).is_ok_and(|v| !v.is_sound()));
    }
}
