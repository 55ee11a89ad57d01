//! A stable 128-bit hash of a request, which names the exposure it leads to.
//!
//! It is fast rather than cryptographic: whoever may send requests may also
//! invent ids, so a collision made on purpose gains nothing. Changing it changes
//! every exposure id; a golden test holds it.

/// Two lanes of 64 bits, eight bytes at a time.
pub(crate) struct Hash128 {
    lanes: [u64; 2],
}

/// Odd constants with well spread bits: the fractions of the golden ratio and of
/// the square root of 3.
const MULTIPLIERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbb67_ae85_84ca_a73b];

impl Hash128 {
    pub(crate) fn new() -> Self {
        Self { lanes: MULTIPLIERS }
    }

    pub(crate) fn word(&mut self, word: u64) {
        let [one, other] = &mut self.lanes;
        *one = (*one ^ word).wrapping_mul(MULTIPLIERS[0]);
        *one ^= *one >> 32;
        *other = (other.rotate_left(23) ^ word).wrapping_mul(MULTIPLIERS[1]);
        *other ^= *other >> 29;
    }

    /// Text with its length, so that two texts never run together.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Whole numbers with their count.
    #[cfg(feature = "rerank")]
    pub(crate) fn wholes(&mut self, values: &[u32]) {
        self.word(values.len() as u64);
        for value in values {
            self.word((*value).into());
        }
    }

    /// Text that may be missing; missing differs from empty.
    pub(crate) fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.word(u64::MAX),
        }
    }

    pub(crate) fn finish(self) -> [u8; 16] {
        let [one, other] = self.lanes;
        // Each half depends on both lanes and is stirred once more.
        let stir = |value: u64| {
            let value = (value ^ value >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
            let value = (value ^ value >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            value ^ value >> 33
        };
        let high = stir(one.wrapping_add(other.rotate_left(32)));
        let low = stir(other.wrapping_add(high));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_be_bytes());
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(parts: &[&str]) -> [u8; 16] {
        let mut hash = Hash128::new();
        for part in parts {
            hash.text(part);
        }
        hash.finish()
    }

    #[test]
    fn parts_never_run_together() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", ""]), hash(&["a"]));
        assert_ne!(hash(&["a\0"]), hash(&["a"]));
    }

    #[test]
    fn single_bits_spread() {
        // Flipping any bit of a short text flips about half of the 128 bits.
        let text = [0x41u8; 24];
        let base = u128::from_be_bytes(hash(&[std::str::from_utf8(&text).expect("ASCII")]));
        for bit in 0..24 * 7 {
            let mut other = text;
            other[bit / 7] ^= 1 << (bit % 7);
            let other = u128::from_be_bytes(hash(&[std::str::from_utf8(&other).expect("ASCII")]));
            let flipped = (base ^ other).count_ones();
            assert!((34..=94).contains(&flipped), "bit {bit}: {flipped}");
        }
    }

    #[test]
    fn no_collisions_among_many() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100_000 {
            let bytes = hash(&[&format!("c{number}")]);
            // Even each half alone has none, by the birthday bound.
            assert!(seen.insert(<[u8; 8]>::try_from(&bytes[..8]).expect("eight bytes")));
        }
    }

    proptest! {
        #[test]
        fn different_texts_differ(one in ".*", other in ".*") {
            prop_assert_eq!(one == other, hash(&[&one]) == hash(&[&other]));
        }
    }
}
