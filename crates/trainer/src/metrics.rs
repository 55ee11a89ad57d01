//! How good a ranking is: NDCG, recall, hit rate and their intervals.
//!
//! The definitions are those of next-basket evaluation with binary gains: the
//! ideal list holds `min(k, |truth|)` hits; recall divides by `|truth|`.

use serde::Serialize;
use shelfedge_insight::bootstrap::{self, Clusters, DRAWS};

/// How many metrics there are.
pub(crate) const METRICS: usize = 6;

/// Metrics of one ranked list, or estimates of their means over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metrics<T> {
    /// NDCG at 10.
    pub ndcg10: T,
    /// Hits among the first 10, over the truth's size.
    pub recall10: T,
    /// Hits among the first 20, over the truth's size.
    pub recall20: T,
    /// Hits among the first 10, over the truth's size and 10 at most.
    pub capped10: T,
    /// Whether there is a hit among the first 10.
    pub hit10: T,
    /// One over the place of the first hit; 0 beyond 20.
    pub mrr20: T,
}

impl<T> Metrics<T> {
    /// What their values are called, in order.
    pub(crate) const NAMES: [&str; METRICS] = [
        "NDCG@10",
        "Recall@10",
        "Recall@20",
        "Capped recall@10",
        "Hit rate@10",
        "MRR@20",
    ];

    pub(crate) fn of([ndcg10, recall10, recall20, capped10, hit10, mrr20]: [T; METRICS]) -> Self {
        Self {
            ndcg10,
            recall10,
            recall20,
            capped10,
            hit10,
            mrr20,
        }
    }

    pub(crate) fn values(self) -> [T; METRICS] {
        let Self {
            ndcg10,
            recall10,
            recall20,
            capped10,
            hit10,
            mrr20,
        } = self;
        [ndcg10, recall10, recall20, capped10, hit10, mrr20]
    }
}

/// Metrics of one ranked list.
pub type Row = Metrics<f64>;

/// Scores a list against the truth, which must be sorted.
pub fn score<T: Ord>(ranked: &[T], truth: &[T]) -> Row {
    let mut row = Row::default();
    if truth.is_empty() {
        return row;
    }
    let mut gain = 0.0;
    let (mut hits10, mut hits20) = (0_u32, 0_u32);
    for (i, item) in ranked.iter().take(20).enumerate() {
        if truth.binary_search(item).is_ok() {
            if hits20 == 0 {
                row.mrr20 = 1.0 / (i + 1) as f64;
            }
            hits20 += 1;
            if i < 10 {
                hits10 += 1;
                gain += discount(i);
            }
        }
    }
    let ideal: f64 = (0..truth.len().min(10)).map(discount).sum();
    row.ndcg10 = gain / ideal;
    row.recall10 = f64::from(hits10) / truth.len() as f64;
    row.recall20 = f64::from(hits20) / truth.len() as f64;
    row.capped10 = f64::from(hits10) / truth.len().min(10) as f64;
    row.hit10 = f64::from(u8::from(hits10 > 0));
    row
}

fn discount(place: usize) -> f64 {
    1.0 / ((place + 2) as f64).log2()
}

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Mean over the queries.
    pub value: f64,
    /// 2.5th percentile of the bootstrap.
    pub low: f64,
    /// 97.5th percentile of the bootstrap.
    pub high: f64,
}

/// To five decimals.
impl From<bootstrap::Estimate> for Estimate {
    fn from(found: bootstrap::Estimate) -> Self {
        Self {
            value: round(found.value),
            low: round(found.low),
            high: round(found.high),
        }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} [{:.3}, {:.3}]", self.value, self.low, self.high)
    }
}

/// All metrics of a set of queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many queries.
    pub queries: usize,
    /// Means over them.
    #[serde(flatten)]
    pub metrics: Metrics<Estimate>,
}

/// Means with percentile bootstrap intervals; each row is a customer, the unit
/// that is resampled.
pub fn summarise(rows: &[Row], seed: u64) -> Summary {
    let n = rows.len().max(1) as f64;
    let of_rows = (0..).zip(rows.iter().map(|row| row.values()));
    let means = Clusters::new(of_rows).estimates(DRAWS, seed, |sums| sums.map(|sum| sum / n));
    Summary {
        queries: rows.len(),
        metrics: Metrics::of(means.map(Estimate::from)),
    }
}

pub(crate) fn round(x: f64) -> f64 {
    (x * 1e5).round() / 1e5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_scored_by_hand() {
        // Hits at places 1 and 3 of a truth of 3:
        // (1 + 1/2) / (1 + 1/log2(3) + 1/2) = 1.5 / 2.13093
        let row = score(&[5, 9, 7, 8], &[2, 5, 7]);
        assert!((row.ndcg10 - 0.703_918_089).abs() < 1e-8, "{row:?}");
        assert!((row.recall10 - 2.0 / 3.0).abs() < 1e-12);
        assert!((row.capped10 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(row.hit10, 1.0);
        assert_eq!(row.mrr20, 1.0);
        // Nothing among ten, the first hit at place 12.
        let ranked: Vec<u32> = (100..111).chain([7]).collect();
        let row = score(&ranked, &[2, 5, 7]);
        assert_eq!((row.ndcg10, row.hit10, row.recall10), (0.0, 0.0, 0.0));
        assert!((row.recall20 - 1.0 / 3.0).abs() < 1e-12);
        assert!((row.mrr20 - 1.0 / 12.0).abs() < 1e-12);
    }

    #[test]
    fn a_large_truth_is_capped() {
        let truth: Vec<u32> = (0..40).collect();
        let ranked: Vec<u32> = (0..20).collect();
        let row = score(&ranked, &truth);
        assert_eq!(row.ndcg10, 1.0);
        assert_eq!(row.capped10, 1.0);
        assert_eq!((row.recall10, row.recall20), (0.25, 0.5));
    }

    #[test]
    fn intervals_hold_the_mean_and_are_repeatable() {
        let rows: Vec<Row> = (0..200)
            .map(|i| Row {
                ndcg10: f64::from(i % 10) / 10.0,
                ..Row::default()
            })
            .collect();
        let a = summarise(&rows, 1).metrics;
        assert_eq!(a, summarise(&rows, 1).metrics);
        assert_eq!(a.ndcg10.value, 0.45);
        assert!(a.ndcg10.low < 0.45 && 0.45 < a.ndcg10.high);
        // The standard error is 0.287 / sqrt(200) = 0.0203.
        assert!((a.ndcg10.high - a.ndcg10.low - 4.0 * 0.0203).abs() < 0.02);
    }
}
