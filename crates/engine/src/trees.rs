//! Tree ensembles, with the meaning of ONNX-ML's operators.

use crate::code::{LEAF_BIT, MISSING_BIT, StoredForest, TEST, TEST_SHIFT};
use crate::file::u32_at;
use crate::kernels::View;
use crate::math;
use crate::program::{Aggregate, PostTransform, Test};

/// Evaluates a block. `None` when a node points nowhere.
pub(crate) fn run(
    forest: &StoredForest,
    weights: &[u8],
    x: View<'_>,
    out: &mut [f32],
    lanes: usize,
    count: usize,
    scratch: &mut Vec<f32>,
) -> Option<()> {
    let targets = forest.targets as usize;
    let (nodes, leaves) = parts(forest, weights)?;
    // Lanes beyond the rows hold zeros.
    out.fill(0.0);
    if targets == 1 && matches!(forest.aggregate, Aggregate::Sum | Aggregate::Average) {
        return add_up(
            forest,
            weights,
            nodes,
            leaves,
            x,
            &mut out[..count],
            scratch,
        );
    }
    // Scores, then for Min and Max whether a target has been reached.
    scratch.resize((2 * targets).max(scratch.len()), 0.0);
    for lane in 0..count {
        let (score, seen) = scratch.split_at_mut(targets);
        score.fill(0.0);
        seen[..targets].fill(0.0);
        for tree in 0..forest.trees as usize {
            let root = u32_at(weights, forest.roots + tree * 4)?;
            for leaf in reach(leaves, descend(nodes, root, x, lane)?)? {
                let (target, weight) = weighs(leaf);
                let (s, seen) = (score.get_mut(target)?, seen.get_mut(target)?);
                *s = match forest.aggregate {
                    Aggregate::Sum | Aggregate::Average => *s + weight,
                    Aggregate::Min if *seen != 0.0 && *s < weight => *s,
                    Aggregate::Max if *seen != 0.0 && *s > weight => *s,
                    Aggregate::Min | Aggregate::Max => weight,
                };
                *seen = 1.0;
            }
        }
        let trees = forest.trees as f32;
        for (t, s) in score.iter_mut().enumerate() {
            if forest.aggregate == Aggregate::Average && forest.trees > 0 {
                *s /= trees;
            }
            *s += forest.base.get(t).copied().unwrap_or(0.0);
        }
        post(forest.post, score);
        for (t, s) in score.iter().enumerate() {
            out[t * lanes + lane] = *s;
        }
    }
    Some(())
}

/// As they are stored.
type Node = [u8; 16];
type Leaf = [u8; 8];

/// A forest's nodes, and the weights of its leaves.
fn parts<'a>(forest: &StoredForest, weights: &'a [u8]) -> Option<(&'a [Node], &'a [Leaf])> {
    let of = |at: usize, count: u32, size: usize| weights.get(at..at + count as usize * size);
    let (nodes, _) = of(forest.nodes, forest.node_count, 16)?.as_chunks();
    let (leaves, _) = of(forest.leaves, forest.leaf_count, 8)?.as_chunks();
    Some((nodes, leaves))
}

/// Whether small trees are evaluated for many rows at once.
const SWIFT: bool = cfg!(feature = "swift-trees");
/// Rows whose way through a small tree is found at once.
const SWATH: usize = 16;
/// Nodes of a small tree, at most.
const SMALL: usize = 127;

/// The frequent case of one target, tree by tree instead of row by row: a tree
/// that is at hand for all rows is read once. A row's sum has the same order.
fn add_up(
    forest: &StoredForest,
    weights: &[u8],
    nodes: &[Node],
    leaves: &[Leaf],
    x: View<'_>,
    out: &mut [f32],
    scratch: &mut Vec<f32>,
) -> Option<()> {
    let width = if SWIFT {
        x.data.len() / x.lanes.max(1)
    } else {
        0
    };
    let room = if SWIFT { SMALL * SWATH } else { 0 };
    scratch.resize((room + width).max(scratch.len()), 0.0);
    let (scores, varies) = scratch.split_at_mut(room);
    let varies = &mut varies[..width];
    for (varies, values) in varies.iter_mut().zip(x.data.chunks_exact(x.lanes.max(1))) {
        let mut rows = values.iter().take(out.len()).map(|value| value.to_bits());
        let first = rows.next();
        *varies = f32::from(u8::from(rows.any(|row| Some(row) != first)));
    }
    let mut way = Way {
        from: [0; SMALL],
        choices: [Choice::default(); SMALL],
    };
    for tree in 0..forest.trees as usize {
        let root = u32_at(weights, forest.roots + tree * 4)?;
        let end = match tree + 1 < forest.trees as usize {
            true => u32_at(weights, forest.roots + tree * 4 + 4)?,
            false => forest.node_count,
        };
        let own = nodes.get(root as usize..end as usize).unwrap_or(&[]);
        if SWIFT && sweep(own, root, leaves, x, varies, out, scores, &mut way).is_some() {
            continue;
        }
        for (lane, score) in out.iter_mut().enumerate() {
            for leaf in reach(leaves, descend(nodes, root, x, lane)?)? {
                let (target, weight) = weighs(leaf);
                // There is but one target.
                (target == 0).then_some(())?;
                *score += weight;
            }
        }
    }
    let base = forest.base.first().copied().unwrap_or(0.0);
    for score in out {
        if forest.aggregate == Aggregate::Average && forest.trees > 0 {
            *score /= forest.trees as f32;
        }
        *score += base;
        post(forest.post, core::slice::from_mut(score));
    }
    Some(())
}

/// A test of a small tree that rows may answer differently: a node's score is that
/// of one node or of another, which come after it.
#[derive(Clone, Copy, Default)]
struct Choice {
    node: u8,
    yes: u8,
    no: u8,
    feature: u32,
    threshold: f32,
}

/// The way through a small tree.
struct Way {
    /// What a node has its score from: itself, unless all rows go on to the same
    /// child.
    from: [u8; SMALL],
    /// From the last node to the root.
    choices: [Choice; SMALL],
}

/// Adds a small tree's scores to many rows at once, without following any: every
/// node's score is that of one child or the other, from the last node to the
/// root. What all rows answer alike (what is known of the shopper, which of two
/// lists is wanted) is answered once. `None` before anything is added, where the
/// tree is not small and plain.
#[expect(clippy::too_many_arguments, reason = "the parts of one loop")]
fn sweep(
    nodes: &[Node],
    root: u32,
    leaves: &[Leaf],
    x: View<'_>,
    varies: &[f32],
    out: &mut [f32],
    scores: &mut [f32],
    way: &mut Way,
) -> Option<()> {
    if nodes.is_empty() || nodes.len() > SMALL || x.lanes < SWATH {
        return None;
    }
    let scores = scores
        .as_chunks_mut::<SWATH>()
        .0
        .first_chunk_mut::<SMALL>()?;
    let count = plan(nodes, root, leaves, x, varies, scores, way)?;
    let choices = &way.choices[..count];
    let found = usize::from(way.from[0]);
    let mut done = 0;
    while done < out.len() {
        // The last rows are looked at together with some that are done.
        let start = done.min(x.lanes - SWATH);
        for choice in choices {
            let values = x.data.get(choice.feature as usize * x.lanes + start..)?;
            let values = values.first_chunk::<SWATH>()?;
            let (yes, no) = (
                &scores[usize::from(choice.yes)],
                &scores[usize::from(choice.no)],
            );
            let mut chosen = [0.0f32; SWATH];
            for lane in 0..SWATH {
                // By masks: a choice becomes a jump, or loads by address.
                let mask = 0u32.wrapping_sub(u32::from(values[lane] <= choice.threshold));
                let bits = yes[lane].to_bits() & mask | no[lane].to_bits() & !mask;
                chosen[lane] = f32::from_bits(bits);
            }
            scores[usize::from(choice.node)] = chosen;
        }
        let found = &scores[found][done - start..];
        for (sum, score) in out[done..].iter_mut().zip(found) {
            *sum += score;
        }
        done = start + SWATH;
    }
    Some(())
}

/// Lists the choices that lead to a tree's scores, and puts the leaves' scores in
/// their places. Says how many choices there are.
fn plan(
    nodes: &[Node],
    root: u32,
    leaves: &[Leaf],
    x: View<'_>,
    varies: &[f32],
    scores: &mut [[f32; SWATH]; SMALL],
    Way { from, choices }: &mut Way,
) -> Option<usize> {
    let mut reached = [false; SMALL];
    reached[0] = true;
    let mut last = 0;
    for (i, node) in nodes.iter().enumerate() {
        if i > last {
            break;
        }
        from[i] = i as u8;
        if !reached[i] {
            continue;
        }
        let [head, threshold, first, second] = words(node);
        if head & LEAF_BIT != 0 {
            let [leaf] = reach(leaves, (first, second))? else {
                return None;
            };
            let (target, weight) = weighs(leaf);
            (target == 0).then_some(())?;
            scores[i] = [weight; SWATH];
            continue;
        }
        // A missing value is not less and not equal, so it goes where the
        // comparison alone sends it.
        if head & MISSING_BIT != 0 || TEST.get((head >> TEST_SHIFT & 7) as usize)? != &Test::Leq {
            return None;
        }
        let feature = (head & ((1 << TEST_SHIFT) - 1)) as usize;
        let child = |number: u32| {
            let child = number.checked_sub(root)? as usize;
            (child > i && child < nodes.len()).then_some(child)
        };
        let (yes, no) = (child(first)?, child(second)?);
        if *varies.get(feature)? == 0.0 {
            let value = *x.data.get(feature * x.lanes)?;
            let next = if value <= f32::from_bits(threshold) {
                yes
            } else {
                no
            };
            reached[next] = true;
            from[i] = next as u8;
            last = last.max(next);
        } else {
            (reached[yes], reached[no]) = (true, true);
            last = last.max(yes).max(no);
        }
    }
    let mut count = 0;
    for (i, node) in nodes[..=last].iter().enumerate().rev() {
        let [head, threshold, first, second] = words(node);
        if !reached[i] || head & LEAF_BIT != 0 {
            continue;
        }
        if usize::from(from[i]) != i {
            from[i] = from[usize::from(from[i])];
            continue;
        }
        choices[count] = Choice {
            node: i as u8,
            yes: from[first.checked_sub(root)? as usize],
            no: from[second.checked_sub(root)? as usize],
            feature: head & ((1 << TEST_SHIFT) - 1),
            threshold: f32::from_bits(threshold),
        };
        count += 1;
    }
    Some(count)
}

fn words(node: &Node) -> [u32; 4] {
    let word = |i: usize| u32::from_le_bytes([node[i], node[i + 1], node[i + 2], node[i + 3]]);
    [word(0), word(4), word(8), word(12)]
}

/// A leaf's weights.
fn reach(leaves: &[Leaf], (first, count): (u32, u32)) -> Option<&[Leaf]> {
    leaves.get(first as usize..)?.get(..count as usize)
}

/// A weight's target and the weight.
fn weighs(leaf: &Leaf) -> (usize, f32) {
    let [a, b, c, d, e, f, g, h] = *leaf;
    (
        u32::from_le_bytes([a, b, c, d]) as usize,
        f32::from_le_bytes([e, f, g, h]),
    )
}

/// The leaf that a row reaches: its first weight and how many.
fn descend(nodes: &[Node], root: u32, x: View<'_>, lane: usize) -> Option<(u32, u32)> {
    let mut at = root;
    loop {
        let node = nodes.get(at as usize)?;
        let [head, threshold, first, second] = words(node);
        if head & LEAF_BIT != 0 {
            return Some((first, second));
        }
        let feature = (head & ((1 << TEST_SHIFT) - 1)) as usize;
        let value = *x
            .data
            .get(feature * x.lanes + if x.lanes == 1 { 0 } else { lane })?;
        let test = passes(head, f32::from_bits(threshold), value)?;
        let next = if test { first } else { second };
        // Children come after their parent, so the walk ends.
        if next <= at {
            return None;
        }
        at = next;
    }
}

/// Whether a value goes to a node's first child.
fn passes(head: u32, threshold: f32, value: f32) -> Option<bool> {
    if value.is_nan() {
        return Some(head & MISSING_BIT != 0);
    }
    Some(match TEST.get((head >> TEST_SHIFT & 7) as usize)? {
        Test::Leq => value <= threshold,
        Test::Lt => value < threshold,
        Test::Gte => value >= threshold,
        Test::Gt => value > threshold,
        // Equality of floats is what the model asks for.
        Test::Eq => value == threshold,
        Test::Neq => value != threshold,
    })
}

/// Adds to `out` what each number of a row contributes to the ensemble's sum, the
/// numbers of `reference` standing for those that are left out: Shapley values
/// (Shapley, "A value for n-person games", 1953), exact, in one walk of each tree
/// (interventional TreeSHAP: Lundberg et al., "From local explanations to global
/// understanding with explainable AI for trees", Nature Machine Intelligence 2,
/// 2020). They add up to the row's sum less the reference's.
///
/// `None` where a node points nowhere, a tree's branches meet again, or there is
/// more than a plain sum for one target.
pub(crate) fn contribute(
    forest: &StoredForest,
    weights: &[u8],
    row: &[f32],
    reference: &[f32],
    out: &mut [f64],
) -> Option<()> {
    let plain = forest.targets == 1
        && forest.aggregate == Aggregate::Sum
        && forest.post == PostTransform::None;
    plain.then_some(())?;
    let (nodes, leaves) = parts(forest, weights)?;
    let mut walk = Walk {
        sides: vec![None; out.len()],
        path: Vec::new(),
        ahead: Vec::new(),
    };
    for tree in 0..forest.trees as usize {
        let root = u32_at(weights, forest.roots + tree * 4)?;
        walk.tree(nodes, leaves, root, row, reference, out)?;
    }
    Some(())
}

/// Where a number that is tested on the way to a leaf comes from: the row, or the
/// reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Row,
    Reference,
}

/// What is still to be done: to go on at a node, perhaps with one more number's
/// side decided, or to forget the last decision.
#[derive(Clone, Copy)]
enum Turn {
    Go(u32, Option<(usize, Side)>),
    Back,
}

struct Walk {
    sides: Vec<Option<Side>>,
    /// The numbers whose sides are decided.
    path: Vec<usize>,
    ahead: Vec<Turn>,
}

impl Walk {
    fn tree(
        &mut self,
        nodes: &[Node],
        leaves: &[Leaf],
        root: u32,
        row: &[f32],
        reference: &[f32],
        out: &mut [f64],
    ) -> Option<()> {
        // Each node is met once, unless branches meet again.
        let mut left = nodes.len();
        self.ahead.push(Turn::Go(root, None));
        while let Some(turn) = self.ahead.pop() {
            let Turn::Go(mut at, decided) = turn else {
                let number = self.path.pop()?;
                self.sides[number] = None;
                continue;
            };
            if let Some((number, side)) = decided {
                self.sides[number] = Some(side);
                self.path.push(number);
            }
            loop {
                left = left.checked_sub(1)?;
                let [head, threshold, first, second] = words(nodes.get(at as usize)?);
                if head & LEAF_BIT != 0 {
                    for leaf in reach(leaves, (first, second))? {
                        self.share(f64::from(weighs(leaf).1), out);
                    }
                    break;
                }
                let number = (head & ((1 << TEST_SHIFT) - 1)) as usize;
                let threshold = f32::from_bits(threshold);
                let goes = |values: &[f32]| {
                    let test = passes(head, threshold, *values.get(number)?)?;
                    let next = if test { first } else { second };
                    (next > at).then_some(next)
                };
                let (of_row, of_reference) = (goes(row)?, goes(reference)?);
                at = match self.sides.get(number)? {
                    Some(Side::Row) => of_row,
                    Some(Side::Reference) => of_reference,
                    None if of_row == of_reference => of_row,
                    None => {
                        let with = |side| Some((number, side));
                        self.ahead.extend([
                            Turn::Back,
                            Turn::Go(of_reference, with(Side::Reference)),
                            Turn::Back,
                            Turn::Go(of_row, with(Side::Row)),
                        ]);
                        break;
                    }
                };
            }
        }
        Some(())
    }

    /// Shares a leaf's weight among the numbers that decide whether it is reached.
    fn share(&self, weight: f64, out: &mut [f64]) {
        let all = self.path.len();
        let is_row = |number: &&usize| self.sides[**number] == Some(Side::Row);
        let of_row = self.path.iter().filter(is_row).count();
        // One over: `all` times the number of ways to choose who comes before.
        let part = |before: usize| {
            let mut ways = all as f64;
            for i in 0..before {
                ways *= (all - 1 - i) as f64 / (i + 1) as f64;
            }
            weight / ways
        };
        for number in &self.path {
            out[*number] += match self.sides[*number] {
                Some(Side::Row) => part(of_row - 1),
                _ => -part(of_row),
            };
        }
    }
}

fn post(transform: PostTransform, scores: &mut [f32]) {
    match transform {
        PostTransform::None => {}
        PostTransform::Logistic => {
            for s in scores {
                *s = math::sigmoid(*s);
            }
        }
        PostTransform::Probit => {
            for s in scores {
                *s = math::probit(*s);
            }
        }
        PostTransform::Softmax | PostTransform::SoftmaxZero => {
            let zero = transform == PostTransform::SoftmaxZero;
            // onnxruntime leaves out only scores within 1e-7 of 0.
            let counts = |s: f32| !zero || s.abs() > 1e-7;
            let max = scores
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, |m, s| if s > m { s } else { m });
            let mut sum = 0.0;
            for s in scores.iter_mut() {
                if counts(*s) {
                    *s = math::exp(*s - max);
                    sum += *s;
                } else {
                    *s *= math::exp(-max);
                }
            }
            if sum > 0.0 {
                for s in scores.iter_mut() {
                    *s /= sum;
                }
            }
        }
    }
}
