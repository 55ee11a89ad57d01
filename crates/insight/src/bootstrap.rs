//! Intervals by resampling clusters: what was shown together comes again together
//! or not at all.

use std::fmt;

use shelfedge_commerce::rng::Rng;

/// Draws of the bootstrap, unless others are asked for.
pub const DRAWS: u32 = 1_000;

/// Keeps these draws apart from everything else that a seed fixes.
const PURPOSE: u64 = 0xB007;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Of what was seen.
    pub value: f64,
    /// 2.5th percentile of the bootstrap.
    pub low: f64,
    /// 97.5th percentile of the bootstrap.
    pub high: f64,
}

/// Five decimals, because rates of clicks are small.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5} [{:.5}, {:.5}]", self.value, self.low, self.high)
    }
}

/// The sums of some columns in each cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters<const K: usize> {
    sums: Vec<[f64; K]>,
}

impl<const K: usize> Clusters<K> {
    /// Adds up the rows of each cluster. The order of the rows decides the last
    /// bits of the sums and nothing else.
    pub fn new(rows: impl Iterator<Item = (u32, [f64; K])>) -> Self {
        let mut rows: Vec<(u32, [f64; K])> = rows.collect();
        rows.sort_by_key(|(cluster, _)| *cluster);
        let sums = rows.chunk_by(|a, b| a.0 == b.0);
        let sums = sums.map(|rows| {
            let mut sum = [0.0; K];
            rows.iter().for_each(|(_, row)| add(&mut sum, row));
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// How many clusters there are.
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Statistics of the columns' sums, with percentile intervals: as many
    /// clusters as there are, drawn with replacement, make one draw. All
    /// statistics share the draws, so a difference of two is a statistic too.
    ///
    /// The same seed gives the same draws; draw `n` begins at a place of its own
    /// in the random stream, whatever was drawn before it.
    pub fn estimates<const N: usize>(
        &self,
        draws: u32,
        seed: u64,
        statistics: impl Fn(&[f64; K]) -> [f64; N],
    ) -> [Estimate; N] {
        let mut drawn: [Vec<f64>; N] = core::array::from_fn(|_| Vec::new());
        let clusters = self.sums.len();
        for draw in 0..u64::from(draws) {
            let mut rng = Rng::at(seed, PURPOSE, draw.wrapping_mul(clusters as u64));
            let mut sum = [0.0; K];
            for _ in 0..clusters {
                add(&mut sum, &self.sums[rng.below(clusters)]);
            }
            for (list, value) in drawn.iter_mut().zip(statistics(&sum)) {
                list.push(value);
            }
        }
        let mut sum = [0.0; K];
        self.sums.iter().for_each(|row| add(&mut sum, row));
        let values = statistics(&sum);
        let mut n = 0;
        drawn.map(|mut list| {
            list.sort_by(f64::total_cmp);
            n += 1;
            Estimate {
                value: values[n - 1],
                low: percentile(&list, 0.025),
                high: percentile(&list, 0.975),
            }
        })
    }
}

fn add<const K: usize>(sum: &mut [f64; K], row: &[f64; K]) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

/// The value below which a share `p` (from 0 to 1) of a sorted list lies, with
/// linear interpolation; 0 for an empty list.
pub fn percentile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = p * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_interpolated() {
        assert_eq!(percentile(&[], 0.5), 0.0);
        assert_eq!(percentile(&[3.0], 0.975), 3.0);
        assert_eq!(percentile(&[0.0, 1.0, 2.0, 3.0], 0.5), 1.5);
        assert_eq!(percentile(&[0.0, 10.0], 0.25), 2.5);
    }

    #[test]
    fn a_mean_has_the_interval_of_its_standard_error() {
        let rows = (0..400u32).map(|i| (i, [1.0, f64::from(i % 10) / 10.0]));
        let clusters = Clusters::new(rows);
        let mean = |sum: &[f64; 2]| [sum[1] / sum[0]];
        let [estimate] = clusters.estimates(DRAWS, 1, mean);
        assert_eq!([estimate], clusters.estimates(DRAWS, 1, mean));
        assert_ne!([estimate], clusters.estimates(DRAWS, 2, mean));
        assert!((estimate.value - 0.45).abs() < 1e-12);
        // 2 x 1.96 x 0.2872 / sqrt(400) = 0.0563.
        assert!((estimate.high - estimate.low - 0.0563).abs() < 0.006);
    }

    #[test]
    fn what_comes_together_makes_the_interval_wider() {
        let width = |cluster: fn(u32) -> u32| {
            let rows = (0..400u32).map(|i| (cluster(i), [1.0, f64::from(u8::from(i % 40 < 20))]));
            let [of] = Clusters::new(rows).estimates(DRAWS, 1, |sum| [sum[1] / sum[0]]);
            of.high - of.low
        };
        // Twenty equal rows are worth one: sqrt(20) = 4.5 times as wide.
        let ratio = width(|i| i / 20) / width(|i| i);
        assert!((3.6..5.4).contains(&ratio), "{ratio}");
    }
}
