//! Next-basket evaluation: for every customer with a history before a window,
//! rank the products that they will buy in it.
//!
//! A query is a customer with at least one order before the window and at
//! least one catalogue product bought in it; the catalogue is what was sold at
//! least once before. The list "all" ranks the whole catalogue, the list "new"
//! only what the customer never bought.

use std::collections::BTreeMap;

use serde::Serialize;
use shelfedge_commerce::time::DAY;
use shelfedge_features::trails::fit::Sequences;

use crate::basket::cosines;
use crate::metrics::{self, Row, Summary};
use crate::shop::Shop;

/// A span of time, its end excluded, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub from: i64,
    /// First instant after it.
    pub to: i64,
}

/// One customer's query.
#[derive(Clone, Debug)]
pub struct Case {
    /// Index into the shop's customers.
    pub customer: u32,
    /// Indices of the customer's orders before the window, by time.
    pub history: Vec<usize>,
    /// Catalogue products bought in the window, sorted.
    pub truth: Vec<u32>,
    /// Those of them that the customer never bought before, sorted.
    pub fresh: Vec<u32>,
    /// Products bought before, sorted.
    pub owned: Vec<u32>,
}

/// Every customer with an order before a time, by customer, and what they
/// bought; the answer isn't known.
pub fn customers(shop: &Shop, before: i64) -> Vec<Case> {
    let mut histories: BTreeMap<u32, Case> = BTreeMap::new();
    for (index, order) in shop.before(before).iter().enumerate() {
        let case = histories.entry(order.customer).or_insert_with(|| Case {
            customer: order.customer,
            history: Vec::new(),
            truth: Vec::new(),
            fresh: Vec::new(),
            owned: Vec::new(),
        });
        case.history.push(index);
        case.owned.extend(order.lines.iter().map(|l| l.product));
    }
    let mut list: Vec<Case> = histories.into_values().collect();
    for case in &mut list {
        case.owned.sort_unstable();
        case.owned.dedup();
    }
    list
}

/// The queries of a window, by customer.
pub fn cases(shop: &Shop, window: Window) -> Vec<Case> {
    cases_among(shop, window, &shop.sold(window.from))
}

/// The queries of a window, by customer, of a catalogue that holds these products.
pub fn cases_among(shop: &Shop, window: Window, catalogue: &[bool]) -> Vec<Case> {
    let mut list = customers(shop, window.from);
    for order in shop.between(window.from, window.to) {
        if let Ok(at) = list.binary_search_by_key(&order.customer, |case| case.customer) {
            list[at].truth.extend(
                order
                    .lines
                    .iter()
                    .map(|l| l.product)
                    .filter(|&p| catalogue[p as usize]),
            );
        }
    }
    list.retain(|case| !case.truth.is_empty());
    for case in &mut list {
        case.truth.sort_unstable();
        case.truth.dedup();
        case.fresh = case
            .truth
            .iter()
            .copied()
            .filter(|p| case.owned.binary_search(p).is_err())
            .collect();
    }
    list
}

/// Who buys in a window for the first time, by customer: queries of somebody whom
/// nobody knows.
pub fn strangers(shop: &Shop, window: Window) -> Vec<Case> {
    let known = customers(shop, window.from);
    let mut sold = vec![false; shop.products.len()];
    for product in known.iter().flat_map(|case| &case.owned) {
        sold[*product as usize] = true;
    }
    let mut truths: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for order in shop.between(window.from, window.to) {
        if known
            .binary_search_by_key(&order.customer, |case| case.customer)
            .is_err()
        {
            let bought = order.lines.iter().map(|l| l.product);
            let truth = truths.entry(order.customer).or_default();
            truth.extend(bought.filter(|p| sold[*p as usize]));
        }
    }
    truths.retain(|_, truth| !truth.is_empty());
    truths
        .into_iter()
        .map(|(customer, mut truth)| {
            truth.sort_unstable();
            truth.dedup();
            Case {
                customer,
                history: Vec::new(),
                fresh: truth.clone(),
                truth,
                owned: Vec::new(),
            }
        })
        .collect()
}

/// Two ranked lists for each case, best first.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Over the whole catalogue.
    pub all: Vec<Vec<u32>>,
    /// Without what the customer already bought.
    pub new: Vec<Vec<u32>>,
}

/// Metrics of both lists.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Whole catalogue.
    pub all: Summary,
    /// New to the customer.
    pub new: Summary,
}

/// Scores lists against the truth.
pub fn evaluate(cases: &[Case], lists: &Lists, seed: u64) -> Scores {
    let all: Vec<Row> = cases
        .iter()
        .zip(&lists.all)
        .map(|(case, list)| metrics::score(list, &case.truth))
        .collect();
    let new: Vec<Row> = cases
        .iter()
        .zip(&lists.new)
        .filter(|(case, _)| !case.fresh.is_empty())
        .map(|(case, list)| metrics::score(list, &case.fresh))
        .collect();
    Scores {
        all: metrics::summarise(&all, seed),
        new: metrics::summarise(&new, seed),
    }
}

/// Distinct buyers of each product in the last `days` before a time.
pub fn buyers(shop: &Shop, before: i64, days: i64) -> Vec<u32> {
    let mut pairs: Vec<(u32, u32)> = shop
        .between(before.saturating_sub(days.saturating_mul(DAY)), before)
        .iter()
        .flat_map(|o| o.lines.iter().map(|l| (l.product, o.customer)))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut counts = vec![0; shop.products.len()];
    for (product, _) in pairs {
        counts[product as usize] += 1;
    }
    counts
}

/// The first baseline: what most customers bought in the last 14 days, then in
/// the last 60.
pub fn popularity(shop: &Shop, cases: &[Case], window: Window) -> Lists {
    let order = popular(shop, window.from, 14);
    lists(cases, |_| order.clone())
}

/// The second baseline: how many of the customer's orders held the product,
/// then what most customers bought in the last 30 and 60 days.
pub fn personal_frequency(shop: &Shop, cases: &[Case], window: Window) -> Lists {
    let recent = buyers(shop, window.from, 30);
    let longer = buyers(shop, window.from, 60);
    lists(cases, |case| {
        let mut times = vec![0_u32; shop.products.len()];
        for &index in &case.history {
            for line in &shop.orders[index].lines {
                times[line.product as usize] += 1;
            }
        }
        // Two lists of 20, one of them without what was bought.
        by_score(shop, MOST + case.owned.len(), |p| {
            times[p] as f32 + recent[p] as f32 / 1e5 + longer[p] as f32 / 1e7
        })
    })
}

/// Neighbours of a product that count, and what draws rare pairs to 0.
const NEIGHBOURS: usize = 100;
const SHRINK: f32 = 10.0;

/// The third baseline: what goes with the products that a case holds, by the
/// cosines of the `sets` (customers, or sequences) that hold two products; then
/// what is `popular`, a ranking of all products.
pub fn item_to_item(cases: &[Case], sets: &Sequences, popular: &[u32]) -> Lists {
    let neighbours = cosines(sets, popular.len(), SHRINK, NEIGHBOURS);
    let mut place = vec![0; popular.len()];
    for (at, product) in popular.iter().enumerate() {
        place[*product as usize] = at;
    }
    let mut scores = vec![0.0_f32; popular.len()];
    lists(cases, |case| {
        let mut found = Vec::new();
        for (product, weight) in case.owned.iter().flat_map(|p| &neighbours[*p as usize]) {
            if scores[*product as usize] == 0.0 {
                found.push(*product);
            }
            scores[*product as usize] += weight;
        }
        found.sort_unstable_by(|a, b| {
            let score = |p: &u32| scores[*p as usize];
            let places = place[*a as usize].cmp(&place[*b as usize]);
            score(b).total_cmp(&score(a)).then(places)
        });
        let others = popular.iter().filter(|p| scores[**p as usize] == 0.0);
        let order = found.iter().chain(others).copied().collect();
        for product in &found {
            scores[*product as usize] = 0.0;
        }
        order
    })
}

/// All products by their buyers in the last `days`, then in the last 60.
pub(crate) fn popular(shop: &Shop, before: i64, days: i64) -> Vec<u32> {
    let (recent, longer) = (buyers(shop, before, days), buyers(shop, before, 60));
    by_score(shop, shop.products.len(), |p| {
        recent[p] as f32 + longer[p] as f32 / 1e7
    })
}

/// The first products by score, equal ones by code. Tie-breaks are
/// small terms of an f32 score, as in the protocol's own script: where they
/// drown, they drown there too, and both give the same lists.
fn by_score(shop: &Shop, keep: usize, score: impl Fn(usize) -> f32) -> Vec<u32> {
    let scores: Vec<f32> = (0..shop.products.len()).map(score).collect();
    let mut order: Vec<u32> = (0..shop.products.len() as u32).collect();
    let first = |a: &u32, b: &u32| {
        scores[*b as usize]
            .total_cmp(&scores[*a as usize])
            .then(a.cmp(b))
    };
    if (1..order.len()).contains(&keep) {
        order.select_nth_unstable_by(keep - 1, first);
        order.truncate(keep);
    }
    order.sort_unstable_by(first);
    order
}

/// Products of a list.
const MOST: usize = 20;

/// Cuts a ranking of products to the two lists.
pub fn lists(cases: &[Case], mut rank: impl FnMut(&Case) -> Vec<u32>) -> Lists {
    let mut out = Lists::default();
    for case in cases {
        let order = rank(case);
        out.new.push(
            order
                .iter()
                .copied()
                .filter(|p| case.owned.binary_search(p).is_err())
                .take(MOST)
                .collect(),
        );
        out.all.push(order.into_iter().take(MOST).collect());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::import;
    use crate::watch::Silent;
    use shelfedge_commerce::time::Timestamp;

    fn at(text: &str) -> i64 {
        Timestamp::parse_rfc3339(text).expect("a time").millis()
    }

    #[test]
    fn what_goes_with_what_is_held_comes_first() {
        let mut sets = Sequences::default();
        for set in [&[0, 1][..], &[0, 1], &[0, 2], &[3]] {
            sets.push(set);
        }
        let case = |owned: &[u32]| Case {
            customer: 0,
            history: Vec::new(),
            truth: Vec::new(),
            fresh: Vec::new(),
            owned: owned.to_vec(),
        };
        let lists = item_to_item(&[case(&[0]), case(&[])], &sets, &[3, 2, 1, 0]);
        // 2 / (sqrt(3 * 2) + 10) beside 1 / (sqrt(3 * 1) + 10), then what is popular.
        assert_eq!(lists.all, [[1, 2, 3, 0], [3, 2, 1, 0]]);
        assert_eq!(lists.new, [vec![1, 2, 3], vec![3, 2, 1, 0]]);
    }

    #[test]
    fn queries_and_baselines_agree_with_the_published_protocol() {
        let demo =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail");
        let shop = import(&demo, None, &mut Silent).expect("readable").shop;
        let valid = Window {
            from: at("2011-10-01T00:00:00Z"),
            to: at("2011-11-01T00:00:00Z"),
        };
        let test = Window {
            from: at("2011-11-01T00:00:00Z"),
            to: at("2011-12-10T00:00:00Z"),
        };
        // Counts from the independent preparation with pandas.
        let v = cases(&shop, valid);
        assert_eq!(v.len(), 1_002);
        let truths: usize = v.iter().map(|c| c.truth.len()).sum();
        assert_eq!((truths as f64 / 1_002.0 * 100.0).round(), 3_193.0);
        let t = cases(&shop, test);
        assert_eq!(t.len(), 1_538);
        let truths: usize = t.iter().map(|c| c.truth.len()).sum();
        assert_eq!((truths as f64 / 1_538.0 * 100.0).round(), 3_575.0);
        // Both baselines on the test window, as the protocol's own script
        // published them, to four digits.
        let near = |found: f64, published: f64| {
            assert!((found - published).abs() < 1.5e-4, "{found} {published}");
        };
        let frequency = evaluate(&t, &personal_frequency(&shop, &t, test), 1);
        near(frequency.all.metrics.ndcg10.value, 0.361_5);
        near(frequency.all.metrics.recall20.value, 0.248_2);
        near(frequency.new.metrics.ndcg10.value, 0.078_5);
        let popular = evaluate(&t, &popularity(&shop, &t, test), 1);
        near(popular.all.metrics.ndcg10.value, 0.132_8);
        near(popular.all.metrics.hit10.value, 0.593_6);
        near(popular.new.metrics.ndcg10.value, 0.083_4);
    }
}
