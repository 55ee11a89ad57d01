//! Random numbers of our own, so that a seed means the same on every machine, in
//! a browser, and in every version of a library.

/// What is added to the state before each value: 2^64 over the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast and good enough for
/// shuffling, initial weights, resampling and exploration; never for secrets.
/// Its nth value depends on the seed, the purpose and n alone, so a stream can
/// be entered anywhere: [`Rng::at`].
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// From a seed and a purpose; different purposes give unrelated streams.
    #[must_use]
    pub const fn new(seed: u64, purpose: u64) -> Self {
        Self::at(seed, purpose, 0)
    }

    /// The stream of a seed and a purpose, after so many values.
    #[must_use]
    pub const fn at(seed: u64, purpose: u64, values: u64) -> Self {
        let start = seed ^ purpose.wrapping_mul(0xA076_1D64_78BD_642F);
        Self(start.wrapping_add(STEP.wrapping_mul(values.wrapping_add(1))))
    }

    /// 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 when n is 0. Takes one value, whatever the machine's width.
    pub const fn below(&mut self, n: usize) -> usize {
        // The high half of a 64 x 64 product is uniform up to 2^-32 for any
        // length that fits in memory.
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// In [0, 1), a multiple of 2^-24.
    pub const fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 24) as f32
    }

    /// In [0, 1), a multiple of 2^-53.
    pub const fn unit64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Approximately normal with mean 0 and variance 1: the sum of twelve
    /// uniforms, which uses no transcendental function and so has the same bits
    /// everywhere.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }

    /// Shuffles in place.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_differ_by_purpose() {
        // The first value of the reference implementation for seed 1234567 is
        // 6457827717110365317, the second 3203168211198807973; a stream of ours
        // begins with the second.
        let mut rng = Rng(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(Rng::new(1_234_567, 0).next_u64(), 3_203_168_211_198_807_973);
        assert_ne!(Rng::new(1, 1).next_u64(), Rng::new(1, 2).next_u64());
    }

    #[test]
    fn a_stream_can_be_entered_anywhere() {
        let mut rng = Rng::new(7, 9);
        for values in 0..100 {
            assert_eq!(rng.clone().next_u64(), Rng::at(7, 9, values).next_u64());
            rng.next_u64();
        }
    }

    #[test]
    fn units_are_even() {
        let mut rng = Rng::new(5, 0);
        let (mut sum, mut squares) = (0.0, 0.0);
        const N: u32 = 100_000;
        for _ in 0..N {
            let u = rng.unit64();
            assert!((0.0..1.0).contains(&u));
            sum += u;
            squares += u * u;
        }
        // Four standard errors of the mean (0.2887 / sqrt(N)) and of the mean
        // square (0.2981 / sqrt(N)).
        assert!((sum / f64::from(N) - 0.5).abs() < 0.0037);
        assert!((squares / f64::from(N) - 1.0 / 3.0).abs() < 0.0038);
    }

    #[test]
    fn shuffles_are_permutations() {
        let mut list: Vec<u32> = (0..100).collect();
        Rng::new(3, 0).shuffle(&mut list);
        assert_ne!(list, (0..100).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<_>>());
    }
}
