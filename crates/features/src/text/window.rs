//! What a sequence tagger sees of a token: itself, its parts, its neighbours and the turn
//! before, as rows of a table. A feature is known by 32 bits of its hash.

use super::stands_alone;
use crate::flat::{self, Cut};
use crate::hash::Hash;
use crate::tables::TableError;

/// Most features of a token.
pub const MOST_FEATURES: usize = 56;
const SEED: u32 = 0x7769_6e64;
const VERSION: u32 = 1;
/// Tokens of the turn before, from its end, that are seen.
const BEFORE: usize = 4;
/// Tokens of a turn that is seen as a whole.
const WHOLE: usize = 5;
/// How far away a token is seen, wherever it stands.
const AROUND: usize = 8;

/// Which features a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Of languages that write blanks between words.
    Words,
    /// Of those that don't: tokens are characters, and their runs count.
    Characters,
}

impl Window {
    /// The one that fits most of these tokens.
    pub fn of<'t>(tokens: impl Iterator<Item = &'t str>) -> Self {
        let (mut alone, mut all) = (0u64, 0u64);
        for token in tokens {
            all += 1;
            alone += u64::from(token.chars().next().is_some_and(stands_alone));
        }
        match 2 * alone > all {
            true => Self::Characters,
            false => Self::Words,
        }
    }

    /// Calls with the number of each token and the keys of its features, which are at most
    /// [`MOST_FEATURES`]. `before` is what the same person wrote last.
    pub fn each<S: AsRef<str>>(
        self,
        before: &[S],
        tokens: &[S],
        mut of: impl FnMut(usize, &[u32]),
    ) {
        let lower = |tokens: &[S]| -> Vec<String> {
            tokens.iter().map(|t| t.as_ref().to_lowercase()).collect()
        };
        let before = lower(&before[before.len().saturating_sub(BEFORE)..]);
        let tokens = lower(tokens);
        let shapes: Vec<u64> = tokens.iter().map(|token| shape(token)).collect();
        let turn = Turn {
            before: &before,
            tokens: &tokens,
            shapes: &shapes,
        };
        let mut keys = Keys::default();
        for at in 0..tokens.len() {
            keys.0.clear();
            match self {
                Self::Words => turn.word(at, &mut keys),
                Self::Characters => turn.character(at, &mut keys),
            }
            keys.0.truncate(MOST_FEATURES);
            of(at, &keys.0);
        }
    }
}

struct Turn<'a> {
    before: &'a [String],
    tokens: &'a [String],
    shapes: &'a [u64],
}

#[derive(Default)]
struct Keys(Vec<u32>);

impl Keys {
    fn add(&mut self, kind: u8, parts: &[&[u8]]) {
        let mut hash = Hash::new(SEED).bytes(&[kind]);
        for part in parts {
            hash = hash.bytes(part).bytes(&[0xff]);
        }
        self.0.push((hash.finish() >> 32) as u32);
    }
}

impl Turn<'_> {
    fn at(&self, at: usize, step: isize) -> &[u8] {
        let token = at
            .checked_add_signed(step)
            .and_then(|at| self.tokens.get(at));
        token.map_or(b"<>", |token| token.as_bytes())
    }

    fn shape(&self, at: usize, step: isize) -> [u8; 8] {
        let shape = at
            .checked_add_signed(step)
            .and_then(|at| self.shapes.get(at));
        shape.map_or([0xff; 8], |shape| shape.to_le_bytes())
    }

    fn word(&self, at: usize, keys: &mut Keys) {
        let word = &self.tokens[at];
        let w = word.as_bytes();
        keys.add(0, &[]);
        keys.add(1, &[w]);
        let ends: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
        for n in 1..=4 {
            if n < ends.len() {
                keys.add(2, &[&w[..ends[n]]]);
                keys.add(3, &[&w[ends[ends.len() - n]..]]);
            }
        }
        keys.add(4, &[&self.shape(at, 0)]);
        keys.add(5, &[&[ends.len().min(12) as u8]]);
        for (kind, step) in [(6, -1), (7, 1), (8, -2), (9, 2), (10, -3), (11, 3)] {
            keys.add(kind, &[self.at(at, step)]);
        }
        keys.add(12, &[self.at(at, -1), w]);
        keys.add(13, &[w, self.at(at, 1)]);
        keys.add(14, &[self.at(at, -2), self.at(at, -1)]);
        keys.add(15, &[self.at(at, 1), self.at(at, 2)]);
        keys.add(16, &[self.at(at, -1), self.at(at, 1)]);
        keys.add(17, &[self.at(at, -1), w, self.at(at, 1)]);
        keys.add(18, &[&self.shape(at, -1)]);
        keys.add(19, &[&self.shape(at, 1)]);
        keys.add(
            20,
            &[&self.shape(at, -1), &self.shape(at, 0), &self.shape(at, 1)],
        );
        let around = at.saturating_sub(AROUND)..self.tokens.len().min(at + AROUND + 1);
        for other in around.filter(|other| other.abs_diff(at) > 1) {
            keys.add(31, &[self.tokens[other].as_bytes()]);
        }
        let place = [at.min(4) as u8, (self.tokens.len() - at).min(4) as u8];
        keys.add(21, &[&place[..1]]);
        keys.add(22, &[&place[1..]]);
        let count = [self.tokens.len().min(8) as u8];
        keys.add(23, &[&count]);
        keys.add(24, &[&count, &place[..1], &self.shape(at, 0)]);
        if self.tokens.len() <= WHOLE {
            let mut parts: Vec<&[u8]> = vec![&place[..1]];
            parts.extend(self.tokens.iter().map(|token| token.as_bytes()));
            keys.add(25, &parts);
        }
        let first = self.tokens[0].as_bytes();
        keys.add(26, &[first]);
        if let Some(last) = self.before.last() {
            keys.add(27, &[last.as_bytes()]);
            keys.add(28, &[last.as_bytes(), &self.shape(at, 0)]);
        } else {
            keys.add(29, &[]);
        }
        for token in self.before {
            keys.add(30, &[token.as_bytes()]);
        }
    }

    fn character(&self, at: usize, keys: &mut Keys) {
        keys.add(64, &[]);
        for size in 1..=5u8 {
            // Single characters three to each side; longer runs that touch this one.
            let (from, to) = match size {
                1 => (-3, 3),
                _ => (-isize::from(size), 1),
            };
            for step in from..=to {
                let mut parts: Vec<&[u8]> = Vec::with_capacity(6);
                let place = [size, (step + 8) as u8];
                parts.push(&place);
                for next in 0..isize::from(size) {
                    parts.push(self.at(at, step + next));
                }
                keys.add(65, &parts);
            }
        }
        for step in -1..=1 {
            keys.add(66, &[&[(step + 8) as u8], &self.shape(at, step)]);
        }
        keys.add(
            67,
            &[&self.shape(at, -1), &self.shape(at, 0), &self.shape(at, 1)],
        );
        keys.add(68, &[&[at.min(4) as u8]]);
    }
}

/// What a token looks like: letters, digits and others, up to seven in a row.
fn shape(token: &str) -> u64 {
    let mut code = 0;
    for c in token.chars().take(7) {
        let kind = if c.is_numeric() {
            1
        } else if stands_alone(c) {
            2
        } else if c.is_alphabetic() {
            3
        } else {
            4 + u64::from(u32::from(c).min(0x3f))
        };
        code = (code << 8) | kind;
    }
    code
}

/// The features that a model knows, as a section of its compiled form, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    window: Window,
    /// Four bytes each, rising.
    keys: &'a [u8],
}

impl<'a> Features<'a> {
    /// The section's name in a compiled model.
    pub const SECTION: &'static str = "window";

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
        let [version, window, count, ..] = *head else {
            return None;
        };
        let window = match u32::from_le_bytes(window) {
            0 => Window::Words,
            1 => Window::Characters,
            _ => return None,
        };
        let mut cut = Cut::new(bytes, 12);
        let keys = cut.take(4, u32::from_le_bytes(count) as usize)?;
        (u32::from_le_bytes(version) == VERSION && cut.is_done()).then_some(Self { window, keys })
    }

    /// Whether its keys rise, which opening it leaves out, because it is done for every
    /// text. In others some features aren't found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let (keys, _) = self.keys.as_chunks::<4>();
        let keys = keys.iter().map(|key| u32::from_le_bytes(*key));
        keys.is_sorted_by(|a, b| a < b)
    }

    /// Writes the section. Keys rise.
    #[must_use]
    pub fn write(window: Window, keys: &[u32]) -> Vec<u8> {
        let window = u32::from(window == Window::Characters);
        let mut out: Vec<u8> = [VERSION, window, keys.len() as u32]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        flat::add(&mut out, keys.iter().flat_map(|key| key.to_le_bytes()));
        out
    }

    /// How many features it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len() / 4
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes [`MOST_FEATURES`] rows (from 1; 0 is for none) for each token, one token
    /// after the other.
    pub fn encode<S: AsRef<str>>(&self, before: &[S], tokens: &[S], rows: &mut Vec<i32>) {
        let (keys, _) = self.keys.as_chunks::<4>();
        rows.clear();
        rows.resize(tokens.len() * MOST_FEATURES, 0);
        self.window.each(before, tokens, |at, of_token| {
            let mut places = rows[at * MOST_FEATURES..].iter_mut();
            for key in of_token {
                if let Ok(row) = keys.binary_search_by_key(key, |key| u32::from_le_bytes(*key))
                    && let Some(place) = places.next()
                {
                    *place = row as i32 + 1;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(window: Window, before: &[&str], tokens: &[&str]) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        window.each(before, tokens, |_, keys| all.push(keys.to_vec()));
        all
    }

    #[test]
    fn a_token_is_seen_with_its_neighbours_and_the_turn_before() {
        let alone = keys(Window::Words, &[], &["one", "large", "pizza"]);
        assert_eq!(alone.len(), 3);
        assert!(alone.iter().all(|keys| keys.len() <= MOST_FEATURES));
        let upper = keys(Window::Words, &[], &["ONE", "Large", "pizza"]);
        assert_eq!(alone, upper);
        assert_ne!(
            alone,
            keys(Window::Words, &["size"], &["one", "large", "pizza"])
        );
        let signs = ["双", "肩", "包", "男"];
        let signs = keys(Window::Characters, &[], &signs);
        assert!(
            signs
                .iter()
                .all(|keys| keys.len() <= MOST_FEATURES && keys.len() > 30)
        );
        assert_eq!(
            Window::of(["双", "肩", "a"].into_iter()),
            Window::Characters
        );
        assert_eq!(Window::of(["hi", "there"].into_iter()), Window::Words);
    }

    #[test]
    fn known_features_become_rows_and_a_damaged_section_is_refused() {
        let mut known: Vec<u32> = keys(Window::Words, &[], &["large"]).concat();
        known.sort_unstable();
        known.dedup();
        let bytes = Features::write(Window::Words, &known);
        let features = Features::open(&bytes).expect("a section");
        let mut rows = Vec::new();
        features.encode(&[], &["large"], &mut rows);
        assert_eq!(rows.len(), MOST_FEATURES);
        assert_eq!(rows.iter().filter(|row| **row > 0).count(), known.len());
        assert!(rows.iter().all(|row| *row as usize <= features.len()));
        for cut in 0..bytes.len() {
            assert!(Features::open(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut twice = bytes.clone();
        twice.copy_within(12..16, 16);
        assert!(features.is_sound() && Features::open(&twice).is_ok_and(|f| !f.is_sound()));
    }
}
