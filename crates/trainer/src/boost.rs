//! Gradient-boosted trees that order lists: LambdaMART.
//!
//! The gradient is that of LambdaRank with the change of NDCG as a pair's weight
//! (Burges, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82), the step
//! is Newton's, trees grow leaf by leaf over histograms of at most 255 bins (Ke et
//! al., "LightGBM", NIPS 2017). One seed, the same trees: sums run in a fixed
//! order, and threads share features, never rows.

use std::thread;

use crate::rng::Rng;

/// Lists of rows to be ordered.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Features of a row.
    pub width: usize,
    /// `rows x width`, row by row; finite.
    pub features: Vec<f32>,
    /// What it is worth to rank a row high, a row: 0 for nothing. Finite, not
    /// negative.
    pub gains: Vec<f32>,
    /// The row after each list's last; ascending, the last is the number of rows.
    pub ends: Vec<usize>,
}

impl Lists {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.gains.len()
    }

    /// The middle value of each feature.
    pub fn medians(&self) -> Vec<f32> {
        (0..self.width)
            .map(|feature| {
                let rows = self.features.iter().skip(feature);
                let mut values: Vec<f32> = rows.step_by(self.width).copied().collect();
                let middle = values.len() / 2;
                *values.select_nth_unstable_by(middle, f32::total_cmp).1
            })
            .collect()
    }

    /// The rows of each list.
    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| start..*end)
    }
}

/// How to learn.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Trees, at most.
    pub trees: usize,
    /// Leaves of a tree, at most.
    pub leaves: usize,
    /// Share of a tree's step that is taken.
    pub rate: f64,
    /// Rows of a leaf, at least.
    pub min_rows: usize,
    /// Added to a leaf's curvature.
    pub ridge: f64,
    /// Share of the features that a tree sees.
    pub features: f64,
    /// Share of the lists that a tree sees.
    pub lists: f64,
    /// Places of a list that count.
    pub places: usize,
    /// Trees without a better score on the lists that stop the learning, until
    /// it stops.
    pub patience: usize,
    /// Fixes which features and lists a tree sees.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trees: 200,
            leaves: 15,
            rate: 0.06,
            min_rows: 200,
            ridge: 0.0,
            features: 0.7,
            lists: 0.7,
            places: 20,
            patience: 30,
            seed: 1,
        }
    }
}

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Left if `row[feature] <= threshold`, else right. Children come after.
    Branch {
        /// Which feature.
        feature: u32,
        /// A value that occurs in the data.
        threshold: f32,
        /// The node for what is not larger.
        left: u32,
        /// The node for the rest.
        right: u32,
    },
    /// A leaf with its score.
    Leaf(f32),
}

/// Trees whose scores add up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    /// Each with its root first.
    pub trees: Vec<Vec<Node>>,
    /// Reduction of the loss that splits on a feature brought, a feature.
    pub gain: Vec<f64>,
}

impl Forest {
    /// The score of a row.
    pub fn score(&self, row: &[f32]) -> f32 {
        self.trees.iter().map(|tree| leaf(tree, row)).sum()
    }
}

fn leaf(tree: &[Node], row: &[f32]) -> f32 {
    let mut at = 0;
    loop {
        match tree[at] {
            Node::Leaf(score) => return score,
            Node::Branch {
                feature,
                threshold,
                left,
                right,
            } => {
                at = if row[feature as usize] <= threshold {
                    left
                } else {
                    right
                } as usize;
            }
        }
    }
}

/// NDCG at `places`, mean over the lists that have something to find.
pub fn ndcg(lists: &Lists, scores: &[f32], places: usize) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    for rows in lists.ranges() {
        let gains = &lists.gains[rows.clone()];
        let best = ideal(gains, places);
        if best > 0.0 {
            let found: f64 = order(&scores[rows])
                .into_iter()
                .take(places)
                .enumerate()
                .map(|(place, row)| f64::from(gains[row]) * discount(place))
                .sum();
            sum += found / best;
            count += 1;
        }
    }
    if count == 0 { 0.0 } else { sum / count as f64 }
}

fn discount(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

/// DCG of the best order.
fn ideal(gains: &[f32], places: usize) -> f64 {
    let mut sorted = gains.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted
        .iter()
        .take(places)
        .enumerate()
        .map(|(place, gain)| f64::from(*gain) * discount(place))
        .sum()
}

/// Rows by falling score; equal scores keep their order.
fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order
}

/// First and second derivative of the loss by a row's score.
#[derive(Clone, Copy, Debug, Default)]
struct Slope {
    first: f32,
    second: f32,
}

/// The slopes of one list.
fn lambdas(gains: &[f32], scores: &[f32], best: f64, places: usize, out: &mut [Slope]) {
    out.fill(Slope::default());
    if best <= 0.0 || gains.len() < 2 {
        return;
    }
    let order = order(scores);
    let spread = scores[order[0]] != scores[order[order.len() - 1]];
    let mut slopes = vec![(0.0f64, 0.0f64); gains.len()];
    let mut total = 0.0;
    for (above, &i) in order.iter().enumerate().take(places) {
        for (below, &j) in order.iter().enumerate().skip(above + 1) {
            if gains[i] == gains[j] {
                continue;
            }
            let (high, low) = if gains[i] > gains[j] { (i, j) } else { (j, i) };
            let distance = f64::from(scores[high]) - f64::from(scores[low]);
            let mut change = f64::from(gains[high] - gains[low])
                * (discount_at(above) - discount_at(below)).abs()
                / best;
            if spread {
                change /= 0.01 + distance.abs();
            }
            let p = 1.0 / (1.0 + distance.exp());
            let first = p * change;
            let second = p * (1.0 - p) * change;
            slopes[high].0 -= first;
            slopes[high].1 += second;
            slopes[low].0 += first;
            slopes[low].1 += second;
            total += 2.0 * first;
        }
    }
    // A list with many pairs must not outweigh the others.
    let scale = if total > 0.0 {
        (1.0 + total).log2() / total
    } else {
        1.0
    };
    for (out, (first, second)) in out.iter_mut().zip(slopes) {
        *out = Slope {
            first: (first * scale) as f32,
            second: (second * scale) as f32,
        };
    }
}

/// Discounts are asked for millions of times.
fn discount_at(place: usize) -> f64 {
    use std::sync::OnceLock;
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (0..4096).map(discount).collect());
    table.get(place).copied().unwrap_or_else(|| discount(place))
}

const BINS: usize = 255;

/// Features as bins.
struct Binned {
    /// `width x rows`, feature by feature.
    bins: Vec<u8>,
    /// The largest value of each bin, a feature; the last is larger than all.
    bounds: Vec<Vec<f32>>,
    rows: usize,
}

impl Binned {
    fn of(lists: &Lists) -> Self {
        let rows = lists.rows();
        let mut bins = vec![0u8; rows * lists.width];
        let mut bounds = vec![Vec::new(); lists.width];
        if rows > 0 {
            shared(
                bins.chunks_mut(rows).zip(&mut bounds).enumerate().collect(),
                |(feature, (bins, bounds))| {
                    let value = |row: usize| lists.features[row * lists.width + feature];
                    *bounds = cut((0..rows).map(value).collect());
                    for (row, bin) in bins.iter_mut().enumerate() {
                        *bin = bounds.partition_point(|bound| *bound < value(row)) as u8;
                    }
                },
            );
        }
        Self { bins, bounds, rows }
    }

    fn column(&self, feature: usize) -> &[u8] {
        &self.bins[feature * self.rows..(feature + 1) * self.rows]
    }
}

/// The upper bounds of at most [`BINS`] bins with about as many values in each;
/// a value that occurs often has a bin to itself.
fn cut(mut values: Vec<f32>) -> Vec<f32> {
    values.sort_by(f32::total_cmp);
    let mut bounds = Vec::new();
    let mut distinct = 1;
    for pair in values.windows(2) {
        distinct += usize::from(pair[0] != pair[1]);
    }
    if distinct <= BINS {
        values.dedup();
        return values;
    }
    let (mut at, n) = (0, values.len());
    while at < n && bounds.len() < BINS - 1 {
        let target = at + (n - at).div_ceil(BINS - bounds.len());
        let bound = values[target.min(n) - 1];
        bounds.push(bound);
        at = values.partition_point(|v| *v <= bound);
    }
    if at < n {
        bounds.push(values[n - 1]);
    }
    bounds
}

/// Runs `work` on every item, on two threads or as many as there are; which
/// thread takes which item has no influence on the result.
pub(crate) fn shared<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    if threads == 1 || items.len() < 2 {
        return items.into_iter().for_each(work);
    }
    let mut parts: Vec<Vec<T>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, item) in items.into_iter().enumerate() {
        parts[i % threads].push(item);
    }
    thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| part.into_iter().for_each(&work));
        }
    });
}

/// Sums over the rows of a leaf that fall into a bin.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    first: f64,
    second: f64,
    rows: u32,
}

impl Cell {
    fn plus(self, other: Self) -> Self {
        Self {
            first: self.first + other.first,
            second: self.second + other.second,
            rows: self.rows + other.rows,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            first: self.first - other.first,
            second: self.second - other.second,
            rows: self.rows - other.rows,
        }
    }

    /// Reduction of the loss by Newton's step.
    fn gain(&self, ridge: f64) -> f64 {
        self.first * self.first / (self.second + ridge + 1e-12)
    }
}

#[derive(Clone, Copy, Debug)]
struct Split {
    gain: f64,
    feature: usize,
    bin: u8,
    left: Cell,
}

/// A leaf while its tree grows.
struct Growing {
    node: usize,
    rows: Vec<u32>,
    sum: Cell,
    /// [`BINS`] cells a feature that the tree sees.
    cells: Vec<Cell>,
    split: Option<Split>,
}

/// Rows below which a second thread costs more than it brings.
const SHARED: usize = 8_192;

fn histogram(binned: &Binned, seen: &[usize], rows: &[u32], slopes: &[Slope]) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); seen.len() * BINS];
    // Side by side once, instead of scattered for every feature.
    let slopes: Vec<Slope> = rows.iter().map(|row| slopes[*row as usize]).collect();
    let fill = |(cells, feature): (&mut [Cell], &usize)| {
        let column = binned.column(*feature);
        for (row, slope) in rows.iter().zip(&slopes) {
            let cell = &mut cells[usize::from(column[*row as usize])];
            cell.first += f64::from(slope.first);
            cell.second += f64::from(slope.second);
            cell.rows += 1;
        }
    };
    let parts = cells.chunks_mut(BINS).zip(seen);
    if rows.len() < SHARED {
        parts.for_each(fill);
    } else {
        shared(parts.collect(), fill);
    }
    cells
}

fn best_split(
    binned: &Binned,
    seen: &[usize],
    cells: &[Cell],
    sum: Cell,
    settings: &Settings,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    let whole = sum.gain(settings.ridge);
    let least = settings.min_rows.max(1) as u32;
    for (cells, feature) in cells.chunks(BINS).zip(seen) {
        let mut left = Cell::default();
        let last = binned.bounds[*feature].len().saturating_sub(1);
        for (bin, cell) in cells.iter().enumerate().take(last) {
            left = left.plus(*cell);
            let right = sum.minus(left);
            if left.rows < least || cell.rows == 0 {
                continue;
            }
            if right.rows < least {
                break;
            }
            if left.second < 1e-3 || right.second < 1e-3 {
                continue;
            }
            let gain = left.gain(settings.ridge) + right.gain(settings.ridge) - whole;
            if gain > best.map_or(1e-9, |b| b.gain) {
                best = Some(Split {
                    gain,
                    feature: *feature,
                    bin: bin as u8,
                    left,
                });
            }
        }
    }
    best
}

/// One tree for the slopes of the rows.
fn grow(
    binned: &Binned,
    seen: &[usize],
    rows: Vec<u32>,
    slopes: &[Slope],
    settings: &Settings,
    gains: &mut [f64],
) -> Vec<Node> {
    let value =
        |sum: &Cell| (-settings.rate * sum.first / (sum.second + settings.ridge + 1e-12)) as f32;
    let cells = histogram(binned, seen, &rows, slopes);
    let sum = cells
        .chunks(BINS)
        .next()
        .map(|cells| cells.iter().fold(Cell::default(), |a, b| a.plus(*b)))
        .unwrap_or_default();
    let split = best_split(binned, seen, &cells, sum, settings);
    let mut nodes = vec![Node::Leaf(value(&sum))];
    let mut leaves = vec![Growing {
        node: 0,
        rows,
        sum,
        cells,
        split,
    }];
    while leaves.len() < settings.leaves {
        // The first of the best: leaves stand in the order of their making.
        let Some((at, split)) = leaves
            .iter()
            .enumerate()
            .filter_map(|(at, leaf)| Some((at, leaf.split?)))
            .reduce(|best, next| {
                if next.1.gain > best.1.gain {
                    next
                } else {
                    best
                }
            })
        else {
            break;
        };
        let leaf = leaves.swap_remove(at);
        gains[split.feature] += split.gain;
        let column = binned.column(split.feature);
        let (left, right): (Vec<u32>, Vec<u32>) = leaf
            .rows
            .into_iter()
            .partition(|row| column[*row as usize] <= split.bin);
        let right_sum = leaf.sum.minus(split.left);
        let next = nodes.len();
        nodes[leaf.node] = Node::Branch {
            feature: split.feature as u32,
            threshold: binned.bounds[split.feature][usize::from(split.bin)],
            left: next as u32,
            right: next as u32 + 1,
        };
        nodes.push(Node::Leaf(value(&split.left)));
        nodes.push(Node::Leaf(value(&right_sum)));
        // The smaller side is counted; the other is what remains.
        let mut cells = leaf.cells;
        let small_is_left = left.len() <= right.len();
        let small = if small_is_left { &left } else { &right };
        let counted = histogram(binned, seen, small, slopes);
        for (cell, counted) in cells.iter_mut().zip(&counted) {
            *cell = cell.minus(*counted);
        }
        let (left_cells, right_cells) = if small_is_left {
            (counted, cells)
        } else {
            (cells, counted)
        };
        for (node, rows, sum, cells) in [
            (next, left, split.left, left_cells),
            (next + 1, right, right_sum, right_cells),
        ] {
            let split = best_split(binned, seen, &cells, sum, settings);
            leaves.push(Growing {
                node,
                rows,
                sum,
                cells,
                split,
            });
        }
    }
    nodes
}

/// Learns to order lists. Stops when the lists in `stop` are ordered no better
/// for [`Settings::patience`] trees, and keeps the trees up to the best.
/// `progress` is told the number of trees and NDCG@10 on `stop` after each, and
/// ends the learning by answering `false`.
pub fn fit(
    lists: &Lists,
    stop: Option<&Lists>,
    settings: &Settings,
    mut progress: impl FnMut(usize, f64) -> bool,
) -> Forest {
    let binned = Binned::of(lists);
    let rows = lists.rows();
    let ranges: Vec<_> = lists.ranges().collect();
    let best: Vec<f64> = ranges
        .iter()
        .map(|rows| ideal(&lists.gains[rows.clone()], settings.places))
        .collect();
    let mut rng = Rng::new(settings.seed, 0xB005);
    let mut scores = vec![0.0f32; rows];
    let mut stop_scores = vec![0.0f32; stop.map_or(0, Lists::rows)];
    let mut slopes = vec![Slope::default(); rows];
    let mut forest = Forest {
        trees: Vec::new(),
        gain: vec![0.0; lists.width],
    };
    let (mut best_score, mut best_trees) = (f64::NEG_INFINITY, 0);
    let pick = |rng: &mut Rng, n: usize, share: f64| -> Vec<usize> {
        let take = ((n as f64 * share).ceil() as usize).clamp(1, n.max(1));
        let mut all: Vec<usize> = (0..n).collect();
        if take < n {
            rng.shuffle(&mut all);
            all.truncate(take);
            all.sort_unstable();
        }
        all
    };
    while forest.trees.len() < settings.trees && rows > 0 {
        {
            let mut rest = &mut slopes[..];
            let mut work = Vec::with_capacity(ranges.len());
            for (rows, best) in ranges.iter().zip(&best) {
                let (mine, others) = rest.split_at_mut(rows.len());
                rest = others;
                work.push((rows.clone(), *best, mine));
            }
            let scores = &scores;
            shared(work, |(rows, best, out)| {
                lambdas(
                    &lists.gains[rows.clone()],
                    &scores[rows],
                    best,
                    settings.places,
                    out,
                );
            });
        }
        let seen = pick(&mut rng, lists.width, settings.features);
        let chosen: Vec<u32> = pick(&mut rng, ranges.len(), settings.lists)
            .into_iter()
            .flat_map(|list| ranges[list].clone())
            .map(|row| row as u32)
            .collect();
        let tree = grow(&binned, &seen, chosen, &slopes, settings, &mut forest.gain);
        let add = |scores: &mut [f32], lists: &Lists| {
            let part = scores.len().div_ceil(64).max(1);
            let rows = lists.features.chunks(part * lists.width);
            shared(
                scores.chunks_mut(part).zip(rows).collect(),
                |(scores, rows)| {
                    for (score, row) in scores.iter_mut().zip(rows.chunks_exact(lists.width)) {
                        *score += leaf(&tree, row);
                    }
                },
            );
        };
        add(&mut scores, lists);
        let mut reached = 0.0;
        if let Some(stop) = stop {
            add(&mut stop_scores, stop);
            reached = ndcg(stop, &stop_scores, 10);
        }
        forest.trees.push(tree);
        let trees = forest.trees.len();
        if stop.is_none() || reached > best_score {
            (best_score, best_trees) = (reached, trees);
        }
        if !progress(trees, reached) || trees - best_trees >= settings.patience {
            break;
        }
    }
    forest.trees.truncate(best_trees);
    forest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists whose gain follows the first feature, with noise beside it.
    fn lists(seed: u64, count: usize) -> Lists {
        let mut rng = Rng::new(seed, 7);
        let mut lists = Lists {
            width: 3,
            ..Lists::default()
        };
        for _ in 0..count {
            for _ in 0..20 {
                let (a, b, c) = (rng.unit(), rng.unit(), rng.unit());
                lists.features.extend([a, b, c]);
                let wanted = a * 2.0 + b * b > 2.0 + 0.3 * c;
                lists.gains.push(if wanted { 1.0 } else { 0.0 });
            }
            lists.ends.push(lists.gains.len());
        }
        lists
    }

    fn quick() -> Settings {
        Settings {
            trees: 40,
            min_rows: 20,
            ..Settings::default()
        }
    }

    fn scores(forest: &Forest, lists: &Lists) -> Vec<f32> {
        lists
            .features
            .chunks(lists.width)
            .map(|row| forest.score(row))
            .collect()
    }

    #[test]
    fn learns_an_order_that_no_single_feature_gives() {
        let (train, test) = (lists(1, 300), lists(2, 100));
        let forest = fit(&train, None, &quick(), |_, _| true);
        let learnt = ndcg(&test, &scores(&forest, &test), 10);
        let first: Vec<f32> = test.features.chunks(3).map(|row| row[0]).collect();
        assert!(learnt > 0.97, "{learnt}");
        assert!(learnt > ndcg(&test, &first, 10) + 0.01);
        // The noise brings least.
        assert!(forest.gain[2] < forest.gain[1] && forest.gain[1] < forest.gain[0]);
    }

    #[test]
    fn one_seed_one_forest() {
        let train = lists(1, 100);
        let forest = fit(&train, None, &quick(), |_, _| true);
        assert_eq!(forest, fit(&train, None, &quick(), |_, _| true));
        let other = Settings { seed: 2, ..quick() };
        assert_ne!(forest, fit(&train, None, &other, |_, _| true));
    }

    #[test]
    fn thresholds_are_values_of_the_data_and_children_come_after() {
        let train = lists(1, 100);
        let forest = fit(&train, None, &quick(), |_, _| true);
        for tree in &forest.trees {
            assert!(tree.len() < 2 * quick().leaves);
            for (at, node) in tree.iter().enumerate() {
                if let Node::Branch {
                    feature,
                    threshold,
                    left,
                    right,
                } = *node
                {
                    assert!(left as usize > at && right as usize > at);
                    let mut column = train.features.chunks(3).map(|row| row[feature as usize]);
                    assert!(column.any(|x| x == threshold));
                }
            }
        }
    }

    #[test]
    fn stops_when_it_gets_no_better_and_keeps_the_best() {
        let (train, stop) = (lists(1, 30), lists(2, 30));
        let settings = Settings {
            trees: 500,
            patience: 10,
            min_rows: 5,
            ..quick()
        };
        let mut curve = Vec::new();
        let forest = fit(&train, Some(&stop), &settings, |_, reached| {
            curve.push(reached);
            true
        });
        let best = curve.iter().copied().fold(0.0, f64::max);
        assert_eq!(curve[forest.trees.len() - 1], best);
        assert_eq!(curve.len(), forest.trees.len() + 10);
        let kept = ndcg(&stop, &scores(&forest, &stop), 10);
        assert!((kept - best).abs() < 1e-9);
    }

    #[test]
    fn nothing_to_learn_from_is_no_fault() {
        let empty = fit(&Lists::default(), None, &quick(), |_, _| true);
        assert!(empty.trees.is_empty());
        // Lists without a gain, of one row, of equal rows.
        let flat = Lists {
            width: 1,
            features: vec![1.0; 5],
            gains: vec![0.0, 0.0, 1.0, 1.0, 0.0],
            ends: vec![2, 3, 5],
        };
        let forest = fit(&flat, Some(&flat), &quick(), |_, _| true);
        assert!(scores(&forest, &flat).iter().all(|s| s.is_finite()));
    }

    #[test]
    fn frequent_values_have_bins_of_their_own() {
        let mut values = vec![0.0; 10_000];
        values.extend((0..1_000).map(|i| 1.0 + i as f32));
        let bounds = cut(values.clone());
        assert!(bounds.len() <= BINS && bounds.is_sorted());
        assert_eq!(bounds[0], 0.0);
        assert_eq!(bounds.last(), Some(&1_000.0));
        assert!(bounds.len() > 200);
        assert_eq!(cut(vec![2.0, 1.0, 2.0]), [1.0, 2.0]);
    }
}
