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
    let nodes = weights
        .get(forest.nodes..forest.nodes + forest.node_count as usize * 16)?
        .as_chunks::<16>()
        .0;
    let leaves = weights
        .get(forest.leaves..forest.leaves + forest.leaf_count as usize * 8)?
        .as_chunks::<8>()
        .0;
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

/// Rows whose way through a small tree is found at once.
const SWATH: usize = 16;
/// Nodes of a small tree, at most.
const SMALL: usize = 127;

/// The frequent case of one target, tree by tree instead of row by row: a tree
/// that is at hand for all rows is read once. A row's sum has the same order.
fn add_up(
    forest: &StoredForest,
    weights: &[u8],
    nodes: &[[u8; 16]],
    leaves: &[[u8; 8]],
    x: View<'_>,
    out: &mut [f32],
    scratch: &mut Vec<f32>,
) -> Option<()> {
    scratch.resize((SMALL * SWATH).max(scratch.len()), 0.0);
    for tree in 0..forest.trees as usize {
        let root = u32_at(weights, forest.roots + tree * 4)?;
        let end = match tree + 1 < forest.trees as usize {
            true => u32_at(weights, forest.roots + tree * 4 + 4)?,
            false => forest.node_count,
        };
        let own = nodes.get(root as usize..end as usize).unwrap_or(&[]);
        if sweep(own, root, leaves, x, out, scratch).is_some() {
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

/// Adds a small tree's scores to many rows at once, without following any: every
/// node's score is that of one child or the other, from the last node to the
/// root. `None` before anything is added, where the tree is not small and plain.
fn sweep(
    nodes: &[[u8; 16]],
    root: u32,
    leaves: &[[u8; 8]],
    x: View<'_>,
    out: &mut [f32],
    scratch: &mut [f32],
) -> Option<()> {
    if nodes.is_empty() || nodes.len() > SMALL || x.lanes < SWATH {
        return None;
    }
    let (scores, _) = scratch.as_chunks_mut::<SWATH>();
    let scores = scores.get_mut(..nodes.len())?;
    let mut done = 0;
    while done < out.len() {
        // The last rows are looked at together with some that are done.
        let start = done.min(x.lanes - SWATH);
        for (i, node) in nodes.iter().enumerate().rev() {
            let [head, threshold, first, second] = words(node);
            let (before, after) = scores.split_at_mut(i + 1);
            let score = before.last_mut()?;
            if head & LEAF_BIT != 0 {
                let [leaf] = reach(leaves, (first, second))? else {
                    return None;
                };
                let (target, weight) = weighs(leaf);
                (target == 0).then_some(())?;
                *score = [weight; SWATH];
                continue;
            }
            // A missing value is not less and not equal, so it goes where the
            // comparison alone sends it.
            if head & MISSING_BIT != 0 || TEST.get((head >> TEST_SHIFT & 7) as usize)? != &Test::Leq
            {
                return None;
            }
            let feature = (head & ((1 << TEST_SHIFT) - 1)) as usize;
            let values = x.data.get(feature * x.lanes + start..)?;
            let values = values.first_chunk::<SWATH>()?;
            let child =
                |number: u32| after.get((number.checked_sub(root)? as usize).checked_sub(i + 1)?);
            let (yes, no) = (child(first)?, child(second)?);
            let threshold = f32::from_bits(threshold);
            for lane in 0..SWATH {
                // By masks: a choice becomes a jump, or loads by address.
                let mask = 0u32.wrapping_sub(u32::from(values[lane] <= threshold));
                let bits = yes[lane].to_bits() & mask | no[lane].to_bits() & !mask;
                score[lane] = f32::from_bits(bits);
            }
        }
        let found = &scores.first()?[done - start..];
        for (sum, score) in out[done..].iter_mut().zip(found) {
            *sum += score;
        }
        done = start + SWATH;
    }
    Some(())
}

fn words(node: &[u8; 16]) -> [u32; 4] {
    let word = |i: usize| u32::from_le_bytes([node[i], node[i + 1], node[i + 2], node[i + 3]]);
    [word(0), word(4), word(8), word(12)]
}

/// A leaf's weights.
fn reach(leaves: &[[u8; 8]], (first, count): (u32, u32)) -> Option<&[[u8; 8]]> {
    leaves.get(first as usize..)?.get(..count as usize)
}

/// A weight's target and the weight.
fn weighs(leaf: &[u8; 8]) -> (usize, f32) {
    let [a, b, c, d, e, f, g, h] = *leaf;
    (
        u32::from_le_bytes([a, b, c, d]) as usize,
        f32::from_le_bytes([e, f, g, h]),
    )
}

/// The leaf that a row reaches: its first weight and how many.
fn descend(nodes: &[[u8; 16]], root: u32, x: View<'_>, lane: usize) -> Option<(u32, u32)> {
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
        let threshold = f32::from_bits(threshold);
        let test = if value.is_nan() {
            head & MISSING_BIT != 0
        } else {
            match TEST.get((head >> TEST_SHIFT & 7) as usize)? {
                Test::Leq => value <= threshold,
                Test::Lt => value < threshold,
                Test::Gte => value >= threshold,
                Test::Gt => value > threshold,
                // Equality of floats is what the model asks for.
                Test::Eq => value == threshold,
                Test::Neq => value != threshold,
            }
        };
        let next = if test { first } else { second };
        // Children come after their parent, so the walk ends.
        if next <= at {
            return None;
        }
        at = next;
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
