//! Linear support vector machines with squared hinge loss, one class against the
//! others, by dual coordinate descent (Hsieh, Chang, Lin, Keerthi and Sundararajan, 2008).

use super::rows::Sparse;
use crate::rng::Rng;

const MOST_PASSES: usize = 60;
/// A pass that corrects no example by more than this is the last.
const CLOSE: f64 = 0.02;
const PURPOSE: u64 = 0x51_1EA2;

/// Weights of one score: what it adds for each gram, and for every text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Score {
    pub(super) weights: Vec<f32>,
    pub(super) bias: f32,
}

impl Score {
    pub(super) fn of(&self, row: &[(u32, f32)]) -> f32 {
        let sum: f32 = row
            .iter()
            .map(|(at, x)| self.weights[*at as usize] * x)
            .sum();
        sum + self.bias
    }
}

/// Learns scores: one for each class, or a single one for two classes, which is above 0
/// for the second.
pub(super) fn learn(
    rows: &Sparse,
    classes: &[u32],
    count: usize,
    cost: f64,
    seed: u64,
) -> Vec<Score> {
    let positives: Vec<u32> = match count {
        2 => vec![1],
        _ => (0..count as u32).collect(),
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let share = positives.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let shares = positives.chunks(share);
        let running: Vec<_> = shares
            .map(|positives| {
                scope.spawn(|| {
                    let learn = |positive: &u32| one(rows, classes, *positive, cost, seed);
                    positives.iter().map(learn).collect::<Vec<Score>>()
                })
            })
            .collect();
        let done = running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        done.flatten().collect()
    })
}

fn one(rows: &Sparse, classes: &[u32], positive: u32, cost: f64, seed: u64) -> Score {
    let diagonal = 0.5 / cost;
    let mut weights = vec![0.0f32; rows.width];
    let mut bias = 0.0f64;
    let mut alpha = vec![0.0f64; rows.len()];
    let square = |row: &[(u32, f32)]| row.iter().map(|(_, x)| f64::from(x * x)).sum::<f64>();
    let squares: Vec<f64> = (0..rows.len())
        .map(|i| square(rows.row(i)) + 1.0 + diagonal)
        .collect();
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let mut rng = Rng::new(seed ^ u64::from(positive) << 32, PURPOSE);
    for _ in 0..MOST_PASSES {
        rng.shuffle(&mut order);
        let mut largest = 0.0f64;
        for &i in &order {
            let i = i as usize;
            let row = rows.row(i);
            let y = if classes[i] == positive { 1.0 } else { -1.0 };
            let dot: f32 = row.iter().map(|(at, x)| weights[*at as usize] * x).sum();
            let gradient = y * (f64::from(dot) + bias) - 1.0 + diagonal * alpha[i];
            let projected = if alpha[i] == 0.0 {
                gradient.min(0.0)
            } else {
                gradient
            };
            if projected.abs() < 1e-10 {
                continue;
            }
            largest = largest.max(projected.abs());
            let before = alpha[i];
            alpha[i] = (before - gradient / squares[i]).max(0.0);
            let change = (alpha[i] - before) * y;
            bias += change;
            for (at, x) in row {
                weights[*at as usize] += change as f32 * x;
            }
        }
        if largest < CLOSE {
            break;
        }
    }
    Score {
        weights,
        bias: bias as f32,
    }
}
