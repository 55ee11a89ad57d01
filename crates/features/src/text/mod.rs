//! Texts to numbers. Of what customers write: [`Text`], [`Grams`], [`Vocabulary`].
//!
//! Titles to tokens: lower case, split at everything that is neither letter nor
//! digit; a Chinese, Japanese or Korean character is a token of its own.

mod grams;
mod normal;
mod window;

pub use grams::{Buffers, Grams, Known, Vocabulary};
pub use normal::{Kind, MAX_TEXT_BYTES, MAX_TOKENS, Text, Token, fold, is_unseen};
pub use window::{Features, MOST_FEATURES, Window};

use crate::hash::Hash;

const TITLE_SEED: u32 = 0x7469_746c;

/// Whether a character is written without blanks between words.
pub(crate) fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Calls `visit` with each token of the text, in order.
pub fn tokens(text: &str, mut visit: impl FnMut(&str)) {
    let mut token = String::new();
    for c in text.chars() {
        if stands_alone(c) {
            if !token.is_empty() {
                visit(&token);
                token.clear();
            }
            token.push(c);
            visit(&token);
            token.clear();
        } else if c.is_alphanumeric() {
            token.extend(c.to_lowercase());
        } else if !token.is_empty() && c != '\'' {
            visit(&token);
            token.clear();
        }
    }
    if !token.is_empty() {
        visit(&token);
    }
}

/// Writes the buckets of a title's first distinct tokens; unused places are 0.
pub fn title_buckets(title: &str, buckets: u32, out: &mut [i32]) {
    out.fill(0);
    let mut n = 0;
    tokens(title, |token| {
        if n < out.len() {
            let bucket = Hash::new(TITLE_SEED)
                .bytes(token.as_bytes())
                .bucket(buckets);
            if !out[..n].contains(&bucket) {
                out[n] = bucket;
                n += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut list = Vec::new();
        tokens(text, |t| list.push(t.to_owned()));
        list
    }

    #[test]
    fn titles_split_as_a_reader_would() {
        assert_eq!(
            all("WHITE HANGING HEART T-LIGHT HOLDER"),
            ["white", "hanging", "heart", "t", "light", "holder"]
        );
        assert_eq!(
            all("CHILD'S GARDEN  SPADE, 6\"x2"),
            ["childs", "garden", "spade", "6", "x2"]
        );
        assert_eq!(all("红色Mug 12只"), ["红", "色", "mug", "12", "只"]);
        assert!(all(" -- ").is_empty());
    }

    #[test]
    fn buckets_are_distinct_and_padded() {
        let mut out = [9; 6];
        title_buckets("red red mug", 1000, &mut out);
        assert!(out[0] > 0 && out[1] > 0 && out[0] != out[1]);
        assert_eq!(&out[2..], &[0; 4]);
    }
}
