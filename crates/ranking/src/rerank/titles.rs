//! How alike titles are, cheaply: sets of hashed tokens.

use shelfedge_commerce::sort;
use shelfedge_features::hash::Hash;
use shelfedge_features::text;

const SEED: u32 = 0x616c_696b;

/// The distinct tokens of titles.
pub(super) struct Titles {
    /// Hashes, sorted within each title.
    tokens: Vec<u64>,
    /// Where each title's end.
    ends: Vec<usize>,
    /// A bit for each token: titles without a common bit have no common token.
    signatures: Vec<u64>,
}

impl Titles {
    pub(super) fn new<'a>(titles: impl Iterator<Item = &'a str>) -> Self {
        let mut this = Self {
            tokens: Vec::new(),
            ends: Vec::new(),
            signatures: Vec::new(),
        };
        let mut own: Vec<u64> = Vec::new();
        for title in titles {
            own.clear();
            text::tokens(title, |token| {
                own.push(Hash::new(SEED).bytes(token.as_bytes()).finish());
            });
            sort::by(&mut own, Ord::cmp);
            own.dedup();
            let signature = own.iter().fold(0, |bits, token| bits | 1 << (token >> 58));
            this.signatures.push(signature);
            this.tokens.extend_from_slice(&own);
            this.ends.push(this.tokens.len());
        }
        this
    }

    fn of(&self, title: usize) -> &[u64] {
        let start = title.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.tokens[start..self.ends[title]]
    }

    /// The cosine of two titles' token sets, 0 to 1; 0 where one has none.
    pub(super) fn cosine(&self, one: usize, other: usize) -> f64 {
        if self.signatures[one] & self.signatures[other] == 0 {
            return 0.0;
        }
        let (mut a, mut b) = (self.of(one), self.of(other));
        let sizes = a.len() * b.len();
        let mut common = 0usize;
        while let ([x, after_x @ ..], [y, after_y @ ..]) = (a, b) {
            common += usize::from(x == y);
            (a, b) = match x.cmp(y) {
                core::cmp::Ordering::Less => (after_x, b),
                core::cmp::Ordering::Greater => (a, after_y),
                core::cmp::Ordering::Equal => (after_x, after_y),
            };
        }
        common as f64 / (sizes as f64).sqrt()
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
        let titles = Titles::new(titles.into_iter());
        assert_eq!(titles.cosine(0, 1), 1.0);
        assert_eq!(titles.cosine(0, 2), 0.5);
        // Two common of two and five distinct ones.
        assert_eq!(titles.cosine(0, 3), 2.0 / 10f64.sqrt());
        assert_eq!(titles.cosine(3, 0), titles.cosine(0, 3));
        assert_eq!(titles.cosine(0, 4), 0.0);
        assert_eq!(titles.cosine(4, 4), 0.0);
        assert_eq!(titles.cosine(5, 6), 0.5);
        assert_eq!(titles.cosine(0, 5), 0.0);
    }
}
