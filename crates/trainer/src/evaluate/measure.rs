//! Four rankings of the same questions side by side: means, paired differences,
//! and how much of the catalogue they show.

use std::collections::BTreeSet;

use serde::Serialize;
use shelfedge_insight::bootstrap::{Clusters, DRAWS};

use crate::metrics::{self, Estimate, METRICS, Metrics, round};

/// The model, and the baselines.
pub(crate) const RANKINGS: usize = 4;
/// What is added up: the metrics of each ranking, and the questions.
const COLUMNS: usize = RANKINGS * METRICS + 1;
/// What is estimated: the metrics of each ranking, and the model's less those.
const ESTIMATES: usize = 2 * RANKINGS * METRICS;
/// Places of a list that are seen.
pub(crate) const PLACES: usize = 10;

/// A question with everybody's answer to it.
#[derive(Clone, Debug)]
pub(crate) struct Answered<'a> {
    /// Who asks: all questions of one shopper are resampled together.
    pub(crate) shopper: u32,
    /// What is wanted, sorted; not empty.
    pub(crate) truth: Vec<u32>,
    /// Each ranking's list, best first; the model's is the first.
    pub(crate) lists: [&'a [u32]; RANKINGS],
}

/// A ranking's part of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// Which.
    pub name: &'static str,
    /// Its metrics.
    pub metrics: Metrics<Estimate>,
    /// The model's less its, over the same resampled shoppers; none of the model.
    pub model_less_this: Option<Metrics<Estimate>>,
}

/// Rankings of the same questions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// How many questions.
    pub questions: usize,
    /// Of how many shoppers; of `next`, sequences.
    pub shoppers: usize,
    /// The model, then the baselines.
    pub rankings: Vec<Ranking>,
}

/// Compares rankings by a bootstrap over shoppers, in which they share the draws.
pub(crate) fn compare(
    names: [&'static str; RANKINGS],
    answered: &[Answered<'_>],
    seed: u64,
) -> Comparison {
    let rows = answered.iter().map(|question| {
        let mut columns = [1.0; COLUMNS];
        for (columns, list) in columns.chunks_mut(METRICS).zip(question.lists) {
            columns.copy_from_slice(&metrics::score(list, &question.truth).values());
        }
        (question.shopper, columns)
    });
    let estimates: [_; ESTIMATES] = Clusters::new(rows).estimates(DRAWS, seed, |sums| {
        let mean = |column: usize| sums[column] / sums[COLUMNS - 1].max(1.0);
        core::array::from_fn(|at| match at.checked_sub(COLUMNS - 1) {
            None => mean(at),
            Some(at) => mean(at % METRICS) - mean(at),
        })
    });
    let of = |at: usize| Metrics::of(core::array::from_fn(|i| estimates[at * METRICS + i].into()));
    let shoppers: BTreeSet<u32> = answered.iter().map(|it| it.shopper).collect();
    Comparison {
        questions: answered.len(),
        shoppers: shoppers.len(),
        rankings: (0..)
            .zip(names)
            .map(|(at, name)| Ranking {
                name,
                metrics: of(at),
                model_less_this: (at > 0).then(|| of(RANKINGS + at)),
            })
            .collect(),
    }
}

/// What can be shown, and how many bought it before the window.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    /// Products by falling number of buyers, equal ones by number; without those
    /// that nobody bought.
    order: Vec<u32>,
    /// The place of each product in that order.
    place: Vec<Option<usize>>,
}

impl Catalogue {
    pub(crate) fn new(buyers: &[u32]) -> Self {
        let mut order: Vec<u32> = (0..buyers.len() as u32)
            .filter(|p| buyers[*p as usize] > 0)
            .collect();
        order.sort_by_key(|p| (std::cmp::Reverse(buyers[*p as usize]), *p));
        let mut place = vec![None; buyers.len()];
        for (at, product) in order.iter().enumerate() {
            place[*product as usize] = Some(at);
        }
        Self { order, place }
    }

    fn place(&self, product: u32) -> Option<usize> {
        self.place.get(product as usize).copied().flatten()
    }

    /// Whether a product isn't among the fifth that is bought most.
    fn is_tail(&self, product: u32) -> bool {
        self.place(product)
            .is_none_or(|at| at >= self.order.len() / 5)
    }

    /// Which third of the catalogue a product is in: 0 is bought most.
    pub(crate) fn third(&self, product: u32) -> Option<usize> {
        Some(3 * self.place(product)? / self.order.len())
    }

    /// How much of it lists show at their first places, and how evenly.
    pub(crate) fn exposure<'a>(
        &self,
        lists: impl Iterator<Item = (u32, &'a [u32])>,
        seed: u64,
    ) -> Exposure {
        let mut shown = vec![0_u32; self.order.len()];
        let rows: Vec<(u32, [f64; 2])> = lists
            .map(|(shopper, list)| {
                let list = &list[..list.len().min(PLACES)];
                for at in list.iter().filter_map(|p| self.place(*p)) {
                    shown[at] += 1;
                }
                let tail = list.iter().filter(|p| self.is_tail(**p)).count();
                (shopper, [tail as f64, list.len() as f64])
            })
            .collect();
        let [long_tail10] =
            Clusters::new(rows.into_iter())
                .estimates(DRAWS, seed, |[tail, all]| [tail / all.max(1.0)]);
        shown.sort_unstable();
        let seen = shown.iter().filter(|count| **count > 0).count();
        Exposure {
            coverage10: round(seen as f64 / shown.len().max(1) as f64),
            gini10: round(gini(&shown)),
            long_tail10: long_tail10.into(),
        }
    }
}

/// The Gini coefficient of sorted counts: 0 when all are equal, near 1 when one has
/// them all.
fn gini(sorted: &[u32]) -> f64 {
    let n = sorted.len() as f64;
    let sum: f64 = sorted.iter().map(|count| f64::from(*count)).sum();
    let weighted = (1..).zip(sorted).map(|(rank, count)| {
        let rank: u32 = rank;
        (2.0 * f64::from(rank) - n - 1.0) * f64::from(*count)
    });
    match sum > 0.0 {
        true => weighted.sum::<f64>() / (n * sum),
        false => 0.0,
    }
}

/// What of the catalogue the first 10 places of all lists show together.
///
/// Coverage and Gini have no interval: fewer shoppers see fewer products, and a
/// resample is always of fewer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exposure {
    /// Share of the catalogue that is shown to anybody.
    pub coverage10: f64,
    /// Gini coefficient of how often each product is shown.
    pub gini10: f64,
    /// Share of the places that show none of the fifth that is bought most.
    pub long_tail10: Estimate,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; RANKINGS] = ["model", "a", "b", "c"];

    #[test]
    fn rankings_are_compared_on_the_same_shoppers() {
        // The model finds what each of 40 shoppers wants at place 1, "a" at place 2,
        // "b" does for every other one, "c" never.
        let found = [7, 1];
        let (second, never) = ([1, 7], [1, 2]);
        let answered: Vec<Answered<'_>> = (0..40)
            .map(|shopper| Answered {
                shopper,
                truth: vec![7],
                lists: [
                    &found,
                    &second,
                    if shopper % 2 == 0 { &found } else { &never },
                    &never,
                ],
            })
            .collect();
        let compared = compare(NAMES, &answered, 1);
        assert_eq!(compared.questions, 40);
        let of = |at: usize| &compared.rankings[at];
        let exactly = |value| Estimate {
            value,
            low: value,
            high: value,
        };
        assert_eq!(of(0).metrics.ndcg10, exactly(1.0));
        assert_eq!(of(0).model_less_this, None);
        // 1 / log2(3) = 0.63093.
        assert_eq!(of(1).metrics.ndcg10, exactly(0.63093));
        assert_eq!(of(1).metrics.mrr20, exactly(0.5));
        let less = of(1).model_less_this.expect("a baseline");
        assert_eq!(less.ndcg10, exactly(0.36907));
        assert_eq!(less.hit10, exactly(0.0));
        let half = of(2).metrics.hit10;
        assert_eq!(half.value, 0.5);
        // Two standard errors of a share of one half of 40 are 0.158.
        assert!((0.25..0.45).contains(&half.low), "{half:?}");
        assert!((0.55..0.75).contains(&half.high), "{half:?}");
        let less = of(2).model_less_this.expect("a baseline").hit10;
        assert_eq!(less.value, 0.5);
        // The model's is always 1, so the difference is as far from 1.
        assert!((less.low - (1.0 - half.high)).abs() < 2e-5, "{less:?}");
        assert_eq!(of(3).metrics.recall20, exactly(0.0));
    }

    #[test]
    fn exposure_by_hand() {
        // Ten products; the last was never bought. The fifth that is bought most is
        // one of nine.
        let catalogue = Catalogue::new(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let thirds: Vec<Option<usize>> = (0..11).map(|p| catalogue.third(p)).collect();
        let (most, middle, least) = (Some(0), Some(1), Some(2));
        assert_eq!(
            thirds,
            [
                most, most, most, middle, middle, middle, least, least, least, None, None
            ]
        );
        let lists: [&[u32]; 2] = [&[0, 1, 2], &[0]];
        let shown = catalogue.exposure((0..).zip(lists), 1);
        // Shown 2, 1, 1 times of 9 products.
        assert_eq!(shown.coverage10, 0.33333);
        // ((2 * 7 - 10) * 1 + (2 * 8 - 10) * 1 + (2 * 9 - 10) * 2) / (9 * 4)
        assert_eq!(shown.gini10, 0.72222);
        assert_eq!(shown.long_tail10.value, 0.5);
        assert_eq!(gini(&[3, 3, 3]), 0.0);
        assert_eq!(gini(&[0, 0]), 0.0);
    }
}
