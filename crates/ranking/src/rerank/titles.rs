//! How alike titles are, cheaply: an index of their hashed tokens.

use shelfedge_features::hash::Hash;
use shelfedge_features::text;

const SEED: u32 = 0x616c_696b;

/// The distinct tokens of titles, and which titles have each.
pub(super) struct Titles {
    /// The titles of the first token, then those of the second, and so on.
    holders: Vec<u32>,
    /// Where each token's end.
    ends: Vec<usize>,
    /// The tokens of the first title, then those of the second, and so on.
    tokens: Vec<u32>,
    /// Where each title's end.
    title_ends: Vec<usize>,
    /// How many tokens of a title each other has; all 0 between calls.
    common: Vec<u32>,
}

impl Titles {
    pub(super) fn new<'a>(titles: impl Iterator<Item = &'a str> + Clone) -> Self {
        // Between two tokens of a title there is a byte, or they have three each, so
        // the table of hashes is never more than half full.
        let most: usize = titles.clone().map(|title| title.len() / 2 + 1).sum();
        let mut table = vec![0u32; (2 * most).next_power_of_two()];
        let mask = table.len() - 1;
        // Of each token its hash, how many titles have it, and the last that has.
        let mut known: Vec<(u64, usize, usize)> = Vec::new();
        let (mut tokens, mut title_ends) = (Vec::new(), Vec::new());
        for (title, text) in titles.enumerate() {
            text::tokens(text, |token| {
                let hash = Hash::new(SEED).bytes(token.as_bytes()).finish();
                let mut at = hash as usize & mask;
                // 0 is an empty place, and `n` the token `n - 1`.
                let token = loop {
                    match table[at] {
                        0 => {
                            known.push((hash, 0, usize::MAX));
                            table[at] = known.len() as u32;
                            break known.len() - 1;
                        }
                        found if known[found as usize - 1].0 == hash => break found as usize - 1,
                        _ => at = (at + 1) & mask,
                    }
                };
                let (_, count, last) = &mut known[token];
                if *last != title {
                    (*count, *last) = (*count + 1, title);
                    tokens.push(token as u32);
                }
            });
            title_ends.push(tokens.len());
        }
        // Where each token's titles begin; filling them moves it to their end.
        let mut ends = Vec::with_capacity(known.len());
        let mut begin = 0;
        for (_, count, _) in &known {
            ends.push(begin);
            begin += count;
        }
        let mut holders = vec![0; tokens.len()];
        for title in 0..title_ends.len() {
            for token in &tokens[Self::range(&title_ends, title)] {
                let at = &mut ends[*token as usize];
                holders[*at] = title as u32;
                *at += 1;
            }
        }
        Self {
            holders,
            ends,
            tokens,
            common: vec![0; title_ends.len()],
            title_ends,
        }
    }

    fn range(ends: &[usize], at: usize) -> core::ops::Range<usize> {
        at.checked_sub(1).map_or(0, |before| ends[before])..ends[at]
    }

    /// Calls `visit` with each title that has a token of this one, and the cosine
    /// of the two sets of tokens, above 0 and at most 1.
    pub(super) fn like(&mut self, title: usize, mut visit: impl FnMut(usize, f64)) {
        let own = Self::range(&self.title_ends, title);
        let size = own.len();
        let holders = |token: &u32| Self::range(&self.ends, *token as usize);
        for token in &self.tokens[own.clone()] {
            for other in &self.holders[holders(token)] {
                self.common[*other as usize] += 1;
            }
        }
        for token in &self.tokens[own] {
            for other in &self.holders[holders(token)] {
                let other = *other as usize;
                let common = core::mem::take(&mut self.common[other]);
                if common > 0 {
                    let sizes = size * Self::range(&self.title_ends, other).len();
                    visit(other, f64::from(common) / (sizes as f64).sqrt());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_by_hand() {
        let titles = [
            "Red mug",
            "mug, RED mug",
            "red plate",
            "A red mug with a lid",
            "",
            "绿茶",
            "红茶",
        ];
        let mut titles = Titles::new(titles.into_iter());
        let mut like = |title| {
            let mut found = Vec::new();
            titles.like(title, |other, cosine| found.push((other, cosine)));
            found.sort_by_key(|(other, _)| *other);
            found
        };
        // Two common of two and five distinct ones.
        let two_of_five = 2.0 / 10f64.sqrt();
        let mugs = [(0, 1.0), (1, 1.0), (2, 0.5), (3, two_of_five)];
        assert_eq!(like(0), mugs);
        assert_eq!(like(1), mugs);
        assert_eq!(like(3)[0], (0, two_of_five));
        assert_eq!(like(4), []);
        assert_eq!(like(5), [(5, 1.0), (6, 0.5)]);
        assert!(Titles::new(core::iter::empty()).tokens.is_empty());
    }
}
