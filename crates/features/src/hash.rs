//! A stable hash for feature buckets: FNV-1a with 64 bits and a final mix.
//!
//! FNV-1a is by Fowler, Noll and Vo; the finaliser is that of Stafford's
//! variant 13 of MurmurHash3's. Both are fixed here for good: a bucket's number
//! is part of every trained model.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A running hash.
#[derive(Clone, Copy, Debug)]
pub struct Hash(u64);

impl Hash {
    /// A hash for one purpose; other seeds give unrelated buckets.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(OFFSET).bytes(&seed.to_le_bytes())
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(PRIME);
        }
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, n: u32) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    /// The hash as a number.
    #[must_use]
    pub fn finish(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A bucket in `1..=buckets`; 0 is kept for padding.
    #[must_use]
    pub fn bucket(self, buckets: u32) -> i32 {
        let bucket = self.finish() % u64::from(buckets.max(1)) + 1;
        i32::try_from(bucket).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_fixed_for_good() {
        // Changing these numbers breaks every trained model.
        assert_eq!(Hash::new(1).bytes(b"heart").finish(), 0xc7b9_0f10_5a6c_d911);
        assert_eq!(Hash::new(1).bytes(b"heart").bucket(2048), 274);
        assert_eq!(Hash::new(2).number(7).bucket(1), 1);
    }

    #[test]
    fn buckets_are_even() {
        let mut counts = [0u32; 64];
        for n in 0..64_000 {
            counts[Hash::new(3).number(n).bucket(64) as usize - 1] += 1;
        }
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
    }
}
