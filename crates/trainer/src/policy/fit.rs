//! What the simulated shoppers are fitted to: groups of products that are bought by
//! the same customers, customers' tastes, when they come again, and what they buy
//! again, from a shop's orders.

use shelfedge_commerce::time::DAY;
use shelfedge_features::trails::fit::Sequences;

use super::simulate::{Known, List, Ranker};
use crate::error::{Error, Result};
use crate::next::embed::embedding;
use crate::rng::Rng;
use crate::shop::Shop;
use crate::watch::Watch;

/// Groups of products, at most.
pub(super) const GROUPS: usize = 24;
/// Products of a group, on average, at least.
const OF_A_GROUP: usize = 8;
/// Width of the products' embedding, and passes of k-means over it.
const WIDTH: usize = 16;
const PASSES: usize = 20;
/// Customers whose tastes shoppers are drawn from, at most; of more every n-th is.
const MOST_CUSTOMERS: usize = 20_000;
/// Customers below which nothing is fitted.
pub(super) const FEWEST_CUSTOMERS: usize = 100;
/// Lines by which a customer's taste is shrunk to the shop's: a Dirichlet prior.
pub(super) const PRIOR: f32 = 10.0;
/// Lines of one visit, at most.
const MOST_LINES: f32 = 60.0;
/// Visits that a return curve rests on, at least; else it is that of all.
const FEWEST_VISITS: usize = 30;

/// A group of products, the most bought first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) products: Vec<u32>,
    /// The share of the group's lines that each has, and the running sum of it.
    pub(super) appeal: Vec<f32>,
    pub(super) running: Vec<f32>,
}

/// What is for sale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Catalogue {
    pub(super) groups: Vec<Group>,
    /// Each product's group, and its place in it; none for what was never sold.
    pub(super) place: Vec<Option<(u32, u32)>>,
    /// Each group's share of all lines.
    pub(super) share: Vec<f32>,
}

/// A customer as a pattern for shoppers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    /// The share of each group in what is bought.
    pub(super) taste: Vec<f32>,
    /// Lines of a visit, on average.
    pub(super) lines: f32,
    /// The day of the first visit.
    pub(super) first_day: i64,
}

/// Days to the next visit: the product-limit estimate (Kaplan and Meier 1958), which
/// counts who was last seen shortly before the data ends as not yet decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curve {
    /// Days, ascending, and the share that hasn't come again after them.
    steps: Vec<(u32, f64)>,
}

impl Curve {
    /// From days and whether a visit ended them.
    fn fit(mut seen: Vec<(u32, bool)>) -> Self {
        // Visits go before what was cut off on the same day.
        seen.sort_unstable_by_key(|(days, came)| (*days, !came));
        let mut at_risk = seen.len() as f64;
        let mut left = 1.0;
        let mut steps = Vec::new();
        for days in seen.chunk_by(|a, b| a.0 == b.0) {
            let came = days.iter().filter(|(_, came)| *came).count();
            if came > 0 {
                left *= 1.0 - came as f64 / at_risk;
                steps.push((days[0].0, left));
            }
            at_risk -= days.len() as f64;
        }
        Self { steps }
    }

    /// Days to the next visit, or none, for a uniform draw and a factor on the hazard.
    pub(super) fn draw(&self, uniform: f64, hazard: f64) -> Option<u32> {
        // left^hazard <= uniform.
        let threshold = uniform.max(f64::MIN_POSITIVE).powf(1.0 / hazard);
        let at = self.steps.partition_point(|(_, left)| *left > threshold);
        self.steps.get(at).map(|(days, _)| *days)
    }
}

/// When shoppers come again, by how often they came and how long their pauses were.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Returns {
    curves: Vec<Curve>,
    /// The quartiles of the mean pause, of each stage.
    quartiles: [[f64; 3]; STAGES],
}

/// Stages of a shopper: after 1, 2, 3 or 4, 5 to 8, 9 to 16, 17 to 32, more visits.
pub(super) const STAGES: usize = 7;
/// Parts of a stage, by the mean pause.
const PARTS: usize = 4;

pub(super) fn stage(visits: usize) -> usize {
    match visits {
        0 | 1 => 0,
        2 => 1,
        3 | 4 => 2,
        5..=8 => 3,
        9..=16 => 4,
        17..=32 => 5,
        _ => 6,
    }
}

impl Returns {
    fn fit(visits: &[Vec<Visit>], end: i64) -> Self {
        let mean = |days: &[Visit], n: usize| match n {
            0 | 1 => 0.0,
            _ => (days[n - 1].day - days[0].day) as f64 / (n - 1) as f64,
        };
        let mut pauses: [Vec<f64>; STAGES] = Default::default();
        for days in visits {
            for n in 2..=days.len() {
                pauses[stage(n)].push(mean(days, n));
            }
        }
        let quartiles = pauses.map(|mut pauses| {
            pauses.sort_by(f64::total_cmp);
            [1, 2, 3].map(|q| pauses.get(q * pauses.len() / 4).copied().unwrap_or(0.0))
        });
        let mut seen: Vec<Vec<(u32, bool)>> = vec![Vec::new(); PARTS * STAGES];
        for days in visits {
            for (n, visit) in (1..).zip(days) {
                let next = days.get(n).map(|next| (next.day - visit.day) as u32);
                let cut = (end - visit.day).max(0) as u32;
                let one = (next.unwrap_or(cut), next.is_some());
                seen[part(&quartiles, n, mean(days, n))].push(one);
            }
        }
        let of_all = Curve::fit(seen.concat());
        let curves = seen.chunks_exact(PARTS).flat_map(|parts| {
            let whole = parts.concat();
            let of_stage = match whole.len() {
                FEWEST_VISITS.. => Curve::fit(whole),
                _ => of_all.clone(),
            };
            let curves = parts.iter().map(move |part| match part.len() {
                FEWEST_VISITS.. => Curve::fit(part.clone()),
                _ => of_stage.clone(),
            });
            curves.collect::<Vec<Curve>>()
        });
        Self {
            curves: curves.collect(),
            quartiles,
        }
    }

    /// The curve of who has come so often, with such a pause on average.
    pub(super) fn curve(&self, visits: usize, pause: f64) -> &Curve {
        &self.curves[part(&self.quartiles, visits, pause)]
    }
}

fn part(quartiles: &[[f64; 3]; STAGES], visits: usize, pause: f64) -> usize {
    let stage = stage(visits);
    let above = quartiles[stage].iter().filter(|q| pause > **q).count();
    // Before the second visit there was no pause.
    PARTS * stage + if stage == 0 { 0 } else { above }
}

/// What a customer bought on one day.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Visit {
    pub(super) day: i64,
    /// Ascending, each once.
    pub(super) products: Vec<u32>,
}

/// Everything that is fitted, and what was counted of the shop to hold the simulated
/// shoppers against.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fitted {
    pub(super) catalogue: Catalogue,
    pub(super) patterns: Vec<Pattern>,
    pub(super) returns: Returns,
    pub(super) last_day: i64,
    /// Lines of a visit, on average.
    pub(super) lines: f32,
    /// With what probability a visit's order holds a product that was ordered at one
    /// earlier visit, or at more.
    pub(super) again: [f32; 2],
    pub(super) counted: Counted,
}

/// Statistics of visits that the simulated shoppers must agree with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    /// Days between two visits, on average.
    pub(super) pause: f64,
    /// Visits of a shopper, on average.
    pub(super) visits: f64,
    /// Share of shoppers with one visit.
    pub(super) once: f64,
    /// Share that was ordered of the places of an exploiting list with what the
    /// shopper hadn't ordered before, and with what they had.
    pub(super) taken: [f64; 2],
    /// Share of the visits of each stage after which another was seen.
    pub(super) back: [f64; STAGES],
}

/// Sums that make [`Counted`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) pauses: u64,
    pub(super) days: u64,
    pub(super) shoppers: u64,
    pub(super) visits: u64,
    pub(super) once: u64,
    /// Shown and ordered: new, again.
    pub(super) shown: [u64; 2],
    pub(super) taken: [u64; 2],
    /// Of each stage: visits, and those after which another was seen.
    pub(super) back: [[u64; 2]; STAGES],
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.pauses += other.pauses;
        self.days += other.days;
        self.shoppers += other.shoppers;
        self.visits += other.visits;
        self.once += other.once;
        for at in 0..2 {
            self.shown[at] += other.shown[at];
            self.taken[at] += other.taken[at];
        }
        for (own, other) in self.back.iter_mut().zip(other.back) {
            own[0] += other[0];
            own[1] += other[1];
        }
    }

    pub(super) fn counted(&self) -> Counted {
        let ratio = |a: u64, b: u64| a as f64 / b.max(1) as f64;
        Counted {
            pause: ratio(self.days, self.pauses),
            visits: ratio(self.visits, self.shoppers),
            once: ratio(self.once, self.shoppers),
            taken: [0, 1].map(|at| ratio(self.taken[at], self.shown[at])),
            back: self.back.map(|[visits, back]| ratio(back, visits)),
        }
    }
}

/// Fits everything but what only simulating tells. `visits` is how many visits of a
/// shopper the lists are compared on.
pub(super) fn fit(
    shop: &Shop,
    ranker: Ranker,
    visits: usize,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Fitted> {
    let all = by_customer(shop);
    let came_again = all.iter().filter(|days| days.len() > 1).count();
    if all.len() < FEWEST_CUSTOMERS || came_again == 0 {
        return Err(Error::fault(
            "too_little_history",
            "orders",
            format!(
                "{} customers ordered, {came_again} of them on more than one day; shoppers are fitted to at \
                 least {FEWEST_CUSTOMERS}, of whom some come again",
                all.len()
            ),
            "give a longer history, or a log of lists with --log",
        ));
    }
    let catalogue = catalogue(shop, &all, seed, watch)?;
    let last_day = shop.end().div_euclid(DAY);
    let every = all.len().div_ceil(MOST_CUSTOMERS);
    let patterns: Vec<Pattern> = all
        .iter()
        .step_by(every)
        .map(|days| pattern(&catalogue, days))
        .collect();
    let lines: usize = all.iter().flatten().map(|visit| visit.products.len()).sum();
    let days = all.iter().map(Vec::len).sum::<usize>();
    let mut fitted = Fitted {
        patterns,
        returns: Returns::fit(&all, last_day),
        last_day,
        lines: lines as f32 / days.max(1) as f32,
        again: again(&all),
        catalogue,
        counted: Counted::default(),
    };
    let mut tally = Tally::default();
    let mut known = Known::new(&fitted.catalogue);
    let mut list = List::default();
    for (number, days) in all.iter().enumerate() {
        if number % 1_024 == 0 {
            watch.step("fitting", number as u64, all.len() as u64, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        tally.shoppers += 1;
        tally.visits += days.len() as u64;
        tally.once += u64::from(days.len() == 1);
        tally.pauses += days.len() as u64 - 1;
        for n in 1..=days.len() {
            tally.back[stage(n)][0] += 1;
            tally.back[stage(n)][1] += u64::from(n < days.len());
        }
        tally.days += (days[days.len() - 1].day - days[0].day) as u64;
        known.clear();
        for visit in days.iter().take(visits) {
            ranker.exploit(&fitted, &known, &mut list);
            for product in &list.products {
                let at = usize::from(known.times(*product) > 0);
                tally.shown[at] += 1;
                let taken = visit.products.binary_search(product).is_ok();
                tally.taken[at] += u64::from(taken);
            }
            for product in &visit.products {
                known.bought(&fitted.catalogue, *product);
            }
        }
    }
    fitted.counted = tally.counted();
    Ok(fitted)
}

/// Each customer's visits: the orders of one day are one.
fn by_customer(shop: &Shop) -> Vec<Vec<Visit>> {
    let mut all: Vec<Vec<Visit>> = vec![Vec::new(); shop.customers.len()];
    // Orders stand in the order of time.
    for order in &shop.orders {
        let day = order.time.div_euclid(DAY);
        let days = &mut all[order.customer as usize];
        if days.last().is_none_or(|visit| visit.day != day) {
            let products = Vec::new();
            days.push(Visit { day, products });
        }
        if let Some(visit) = days.last_mut() {
            let products = order.lines.iter().map(|line| line.product);
            visit.products.extend(products);
        }
    }
    for visit in all.iter_mut().flatten() {
        visit.products.sort_unstable();
        visit.products.dedup();
    }
    all.retain(|days| !days.is_empty());
    all
}

/// Groups of products by k-means over an embedding of who bought what together.
fn catalogue(
    shop: &Shop,
    all: &[Vec<Visit>],
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Catalogue> {
    let products = shop.products.len();
    let mut counts = vec![0u32; products];
    let mut log = Sequences::default();
    let mut rng = Rng::new(seed, 0xF17);
    let mut row = Vec::new();
    for days in all {
        row.clear();
        for visit in days {
            // An order's lines have no order of their own.
            let start = row.len();
            row.extend_from_slice(&visit.products);
            rng.shuffle(&mut row[start..]);
        }
        row.iter().for_each(|p: &u32| counts[*p as usize] += 1);
        log.push(&row);
    }
    let mut step = |share: f64| {
        watch.step("embedding", (share * 10.0) as u64, 10, "");
        !watch.cancelled()
    };
    let width = WIDTH.min(products);
    let rows = embedding(&log, products, width, seed, &mut step).ok_or(Error::Cancelled)?;
    let sold: Vec<u32> = (0..products as u32)
        .filter(|p| counts[*p as usize] > 0)
        .collect();
    let count = (sold.len() / OF_A_GROUP).clamp(1, GROUPS);
    let of = k_means(&rows, width, &sold, count, seed);
    let mut groups = vec![Group::default(); count];
    for (product, group) in sold.iter().zip(of) {
        groups[group].products.push(*product);
    }
    groups.retain(|group| !group.products.is_empty());
    let all_lines: f32 = counts.iter().map(|n| *n as f32).sum();
    let mut place = vec![None; products];
    let mut share = Vec::new();
    for (number, group) in (0u32..).zip(&mut groups) {
        group
            .products
            .sort_by_key(|p| (std::cmp::Reverse(counts[*p as usize]), *p));
        let of = |p: &u32| counts[*p as usize] as f32;
        let lines: f32 = group.products.iter().map(of).sum();
        group.appeal = group.products.iter().map(|p| of(p) / lines).collect();
        let mut sum = 0.0;
        group.running.extend(group.appeal.iter().map(|appeal| {
            sum += appeal;
            sum
        }));
        for (at, product) in (0u32..).zip(&group.products) {
            place[*product as usize] = Some((number, at));
        }
        share.push(lines / all_lines);
    }
    Ok(Catalogue {
        groups,
        place,
        share,
    })
}

/// Lloyd's algorithm over rows of length one, begun by k-means++ (Arthur and
/// Vassilvitskii 2007): the group of each product.
fn k_means(rows: &[f32], width: usize, products: &[u32], count: usize, seed: u64) -> Vec<usize> {
    let unit = |product: &u32| -> Vec<f32> {
        let row = &rows[*product as usize * width..][..width];
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter().map(|x| x / length.max(1e-12)).collect()
    };
    let points: Vec<Vec<f32>> = products.iter().map(unit).collect();
    let distance = |a: &[f32], b: &[f32]| -> f32 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let mut rng = Rng::new(seed, 0x4EA5);
    let mut centres = vec![points[rng.below(points.len())].clone()];
    let mut nearest: Vec<f32> = points.iter().map(|p| distance(p, &centres[0])).collect();
    while centres.len() < count {
        let sum: f64 = nearest.iter().map(|d| f64::from(*d)).sum();
        let mut left = rng.unit64() * sum;
        let drawn = nearest.iter().position(|d| {
            left -= f64::from(*d);
            left < 0.0
        });
        let centre = points[drawn.unwrap_or(points.len() - 1)].clone();
        for (near, point) in nearest.iter_mut().zip(&points) {
            *near = near.min(distance(point, &centre));
        }
        centres.push(centre);
    }
    let mut of = vec![0; points.len()];
    for _ in 0..PASSES {
        for (of, point) in of.iter_mut().zip(&points) {
            let near = centres.iter().map(|centre| distance(point, centre));
            let near = near.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            *of = near.map_or(0, |(group, _)| group);
        }
        for (group, centre) in centres.iter_mut().enumerate() {
            let members = of.iter().zip(&points).filter(|(of, _)| **of == group);
            let (mut sum, mut n) = (vec![0.0f32; width], 0.0f32);
            for (_, point) in members {
                sum.iter_mut().zip(point).for_each(|(s, x)| *s += x);
                n += 1.0;
            }
            if n > 0.0 {
                *centre = sum.into_iter().map(|s| s / n).collect();
            }
        }
    }
    of
}

fn pattern(catalogue: &Catalogue, days: &[Visit]) -> Pattern {
    let mut counts = vec![0.0f32; catalogue.groups.len()];
    let products = days.iter().flat_map(|visit| &visit.products);
    let mut lines = 0.0;
    for product in products {
        if let Some((group, _)) = catalogue.place[*product as usize] {
            counts[group as usize] += 1.0;
            lines += 1.0;
        }
    }
    let both = counts.iter().zip(&catalogue.share);
    Pattern {
        taste: both
            .map(|(n, share)| (n + PRIOR * share) / (lines + PRIOR))
            .collect(),
        lines: (lines / days.len() as f32).clamp(1.0, MOST_LINES),
        first_day: days[0].day,
    }
}

/// With what probability a product that was ordered before, once or more often, is in
/// a later order.
fn again(all: &[Vec<Visit>]) -> [f32; 2] {
    let (mut could, mut did) = ([0u64; 2], [0u64; 2]);
    for days in all {
        let mut before: std::collections::BTreeMap<u32, u32> = Default::default();
        for visit in days {
            for (product, times) in &before {
                let at = usize::from(*times > 1);
                could[at] += 1;
                did[at] += u64::from(visit.products.binary_search(product).is_ok());
            }
            for product in &visit.products {
                *before.entry(*product).or_default() += 1;
            }
        }
    }
    [0, 1].map(|at| did[at] as f32 / could[at].max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_limit_by_hand() {
        // Ten visitors: two come after 3 days, one is cut off then; three come after 5;
        // the rest is cut off at 9.
        let mut seen = vec![(3, true), (3, true), (3, false)];
        seen.extend([(5, true); 3]);
        seen.extend([(9, false); 4]);
        let curve = Curve::fit(seen);
        let left = 0.8 * (1.0 - 3.0 / 7.0);
        assert_eq!(curve.steps.len(), 2);
        assert!((curve.steps[0].1 - 0.8).abs() < 1e-12 && curve.steps[0].0 == 3);
        assert!((curve.steps[1].1 - left).abs() < 1e-12 && curve.steps[1].0 == 5);
        assert_eq!(curve.draw(0.9, 1.0), Some(3));
        assert_eq!(curve.draw(0.7, 1.0), Some(5));
        assert_eq!(curve.draw(0.4, 1.0), None);
        // Twice the hazard: 0.457^2 = 0.209 stay away.
        assert_eq!(curve.draw(0.3, 2.0), Some(5));
        assert_eq!(curve.draw(0.2, 2.0), None);
        assert_eq!(curve.draw(0.0, 0.5), None);
    }

    #[test]
    fn k_means_finds_what_is_apart() {
        let mut rng = Rng::new(2, 0);
        let rows: Vec<f32> = (0..60)
            .flat_map(|n| {
                let mut row = [0.0f32; 3];
                row[n % 3] = 3.0;
                row.map(|x| x + 0.1 * rng.normal())
            })
            .collect();
        let products: Vec<u32> = (0..60).collect();
        let of = k_means(&rows, 3, &products, 3, 1);
        for n in 3..60 {
            assert_eq!(of[n], of[n % 3]);
        }
        let mut three = of[..3].to_vec();
        three.sort_unstable();
        assert_eq!(three, [0, 1, 2]);
    }
}
