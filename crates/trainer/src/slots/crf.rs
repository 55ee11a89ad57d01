//! Linear-chain conditional random fields (Lafferty, McCallum and Pereira, 2001): the
//! likelihood by forward and backward sums, its optimum with absolute and square costs of
//! weights by OWL-QN (Andrew and Gao, 2007).

use shelfedge_engine::math::exp;

use crate::error::{Error, Result};
use crate::watch::Watch;

/// Steps that the direction remembers.
const MEMORY: usize = 7;
/// Parts of the turns, whatever the number of cores: their sums are added in this order.
const PARTS: usize = 2;

/// A turn as rows of the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    /// Where each token's rows end.
    pub(super) ends: Vec<u32>,
    pub(super) rows: Vec<u32>,
    pub(super) tags: Vec<u32>,
}

/// Costs of weights, and how long to learn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    pub(super) absolute: f64,
    pub(super) square: f64,
    pub(super) steps: usize,
}

/// Weights: `[rows, tags]`, then transitions `[tags + 1, tags]`, the last from the
/// beginning.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) rows: usize,
    pub(super) tags: usize,
    pub(super) weights: Vec<f64>,
}

impl Field {
    pub(super) fn zero(rows: usize, tags: usize) -> Self {
        Self {
            rows,
            tags,
            weights: vec![0.0; (rows + tags + 1) * tags],
        }
    }

    pub(super) fn transitions(&self) -> &[f64] {
        &self.weights[self.rows * self.tags..]
    }

    /// `[tokens, tags]`
    pub(super) fn emissions(&self, turn: &Rows, out: &mut Vec<f64>) {
        out.clear();
        let mut start = 0;
        for end in &turn.ends {
            let base = out.len();
            out.resize(base + self.tags, 0.0);
            for row in &turn.rows[start..*end as usize] {
                let weights = &self.weights[*row as usize * self.tags..];
                for (sum, w) in out[base..].iter_mut().zip(weights) {
                    *sum += w;
                }
            }
            start = *end as usize;
        }
    }

    /// Adds the gradient of the turns' negative log-likelihood, which it returns.
    fn add(&self, turns: &[Rows], gradient: &mut [f64]) -> f64 {
        let n = self.tags;
        let moves: Vec<f64> = self.transitions().iter().map(|w| e(*w)).collect();
        let (table, of_moves) = gradient.split_at_mut(self.rows * n);
        let (mut emissions, mut forward, mut backward) = (Vec::new(), Vec::new(), Vec::new());
        let mut scales = Vec::new();
        let mut loss = 0.0;
        for turn in turns {
            let tokens = turn.tags.len();
            if tokens == 0 {
                continue;
            }
            self.emissions(turn, &mut emissions);
            let mut last = n;
            for (at, tag) in turn.tags.iter().enumerate() {
                let tag = *tag as usize;
                loss -= emissions[at * n + tag] + self.transitions()[last * n + tag];
                of_moves[last * n + tag] -= 1.0;
                last = tag;
            }
            for row in emissions.chunks_exact_mut(n) {
                let most = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
                loss += most;
                row.iter_mut().for_each(|x| *x = e(*x - most));
            }
            forward.clear();
            forward.resize(tokens * n, 0.0);
            scales.clear();
            for at in 0..tokens {
                let (done, now) = forward.split_at_mut(at * n);
                let now = &mut now[..n];
                match at {
                    0 => now.copy_from_slice(&moves[n * n..]),
                    _ => {
                        let before = &done[(at - 1) * n..];
                        for (p, row) in before.iter().zip(moves.chunks_exact(n)) {
                            for (sum, m) in now.iter_mut().zip(row) {
                                *sum += p * m;
                            }
                        }
                    }
                }
                let own = &emissions[at * n..(at + 1) * n];
                now.iter_mut().zip(own).for_each(|(p, x)| *p *= x);
                let sum: f64 = now.iter().sum();
                now.iter_mut().for_each(|p| *p /= sum);
                loss += f64::from(shelfedge_engine::math::ln(sum as f32));
                scales.push(sum);
            }
            backward.clear();
            backward.resize(tokens * n, 1.0);
            for at in (0..tokens - 1).rev() {
                let (now, after) = backward.split_at_mut((at + 1) * n);
                let now = &mut now[at * n..];
                let own = &emissions[(at + 1) * n..(at + 2) * n];
                for ((sum, row), p) in now
                    .iter_mut()
                    .zip(moves.chunks_exact(n))
                    .zip(&forward[at * n..])
                    .enumerate()
                    .map(|(i, ((sum, row), p))| ((sum, (i, row)), p))
                {
                    let (i, row) = row;
                    *sum = 0.0;
                    for (to, ((m, x), b)) in row.iter().zip(own).zip(&after[..n]).enumerate() {
                        let part = m * x * b / scales[at + 1];
                        *sum += part;
                        of_moves[i * n + to] += p * part;
                    }
                }
            }
            let mut start = 0;
            for (at, end) in turn.ends.iter().enumerate() {
                let cells = at * n..(at + 1) * n;
                for (f, b) in forward[cells.clone()]
                    .iter_mut()
                    .zip(&backward[cells.clone()])
                {
                    *f *= b;
                }
                let p = &mut forward[cells];
                if at == 0 {
                    for (sum, p) in of_moves[n * n..].iter_mut().zip(&*p) {
                        *sum += p;
                    }
                }
                p[turn.tags[at] as usize] -= 1.0;
                for row in &turn.rows[start..*end as usize] {
                    let cells = &mut table[*row as usize * n..(*row as usize + 1) * n];
                    for (sum, p) in cells.iter_mut().zip(&*p) {
                        *sum += p;
                    }
                }
                start = *end as usize;
            }
        }
        loss
    }

    /// The smooth part of what is minimised, and its gradient.
    fn loss(&self, turns: &[Rows], square: f64, gradient: &mut [f64]) -> f64 {
        let chunk = turns.len().div_ceil(PARTS).max(1);
        let parts: Vec<(f64, Vec<f64>)> = std::thread::scope(|scope| {
            let of = |part| {
                scope.spawn(move || {
                    let mut gradient = vec![0.0; self.weights.len()];
                    (self.add(part, &mut gradient), gradient)
                })
            };
            let running: Vec<_> = turns.chunks(chunk).map(of).collect();
            let done = running.into_iter().map(|part| part.join());
            done.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut loss = 0.0;
        for (g, w) in gradient.iter_mut().zip(&self.weights) {
            loss += square * w * w;
            *g = 2.0 * square * w;
        }
        for (part, of_part) in &parts {
            loss += part;
            gradient.iter_mut().zip(of_part).for_each(|(g, p)| *g += p);
        }
        loss
    }

    /// Goes on learning.
    pub(super) fn learn(
        &mut self,
        turns: &[Rows],
        recipe: Recipe,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let size = self.weights.len();
        let cost = |w: &[f64]| recipe.absolute * w.iter().map(|w| w.abs()).sum::<f64>();
        let mut gradient = vec![0.0; size];
        let mut loss = self.loss(turns, recipe.square, &mut gradient) + cost(&self.weights);
        let mut steps: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
        for step in 0..recipe.steps {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            let slope: Vec<f64> = (self.weights.iter().zip(&gradient))
                .map(|(w, g)| match *w {
                    w if w > 0.0 => g + recipe.absolute,
                    w if w < 0.0 => g - recipe.absolute,
                    _ if g + recipe.absolute < 0.0 => g + recipe.absolute,
                    _ if g - recipe.absolute > 0.0 => g - recipe.absolute,
                    _ => 0.0,
                })
                .collect();
            let mut way: Vec<f64> = slope.iter().map(|g| -g).collect();
            let mut shares = Vec::new();
            for (s, y, curve) in steps.iter().rev() {
                let share = dot(s, &way) / curve;
                way.iter_mut().zip(y).for_each(|(d, y)| *d -= share * y);
                shares.push(share);
            }
            if let Some((_, y, curve)) = steps.last() {
                let scale = curve / dot(y, y);
                way.iter_mut().for_each(|d| *d *= scale);
            }
            for ((s, y, curve), share) in steps.iter().zip(shares.iter().rev()) {
                let back = dot(y, &way) / curve;
                way.iter_mut()
                    .zip(s)
                    .for_each(|(d, s)| *d += (share - back) * s);
            }
            for (d, g) in way.iter_mut().zip(&slope) {
                if *d * g >= 0.0 {
                    *d = 0.0;
                }
            }
            let mut length = match steps.is_empty() {
                true => 1.0 / dot(&slope, &slope).sqrt().max(1e-9),
                false => 1.0,
            };
            let old = self.weights.clone();
            let mut next = vec![0.0; size];
            let mut found = false;
            for _ in 0..20 {
                for (((w, old), d), g) in self.weights.iter_mut().zip(&old).zip(&way).zip(&slope) {
                    let side = if *old != 0.0 { *old } else { -g };
                    let new = old + length * d;
                    *w = if new * side > 0.0 || recipe.absolute <= 0.0 {
                        new
                    } else {
                        0.0
                    };
                }
                let after = self.loss(turns, recipe.square, &mut next) + cost(&self.weights);
                let gain: f64 = (self.weights.iter().zip(&old).zip(&slope))
                    .map(|((w, old), g)| (w - old) * g)
                    .sum();
                if after <= loss + 1e-4 * gain {
                    found = loss - after > 1e-6 * loss.abs();
                    loss = after;
                    break;
                }
                length *= 0.5;
            }
            let note = format!("loss {loss:.0}");
            watch.step("tags", step as u64 + 1, recipe.steps as u64, &note);
            if !found {
                break;
            }
            let s: Vec<f64> = self.weights.iter().zip(&old).map(|(a, b)| a - b).collect();
            let y: Vec<f64> = next.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            let curve = dot(&s, &y);
            if curve > 1e-12 {
                if steps.len() == MEMORY {
                    steps.remove(0);
                }
                steps.push((s, y, curve));
            }
            gradient.copy_from_slice(&next);
        }
        Ok(())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn e(x: f64) -> f64 {
    f64::from(exp((x as f32).clamp(-80.0, 80.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let turns = [
            Rows {
                ends: vec![2, 3, 5],
                rows: vec![0, 1, 2, 1, 3],
                tags: vec![0, 2, 1],
            },
            Rows {
                ends: vec![1],
                rows: vec![3],
                tags: vec![1],
            },
        ];
        let mut field = Field::zero(4, 3);
        for (i, w) in field.weights.iter_mut().enumerate() {
            *w = ((i * 7 % 11) as f64 - 5.0) / 6.0;
        }
        let mut gradient = vec![0.0; field.weights.len()];
        let mut other = gradient.clone();
        field.loss(&turns, 0.1, &mut gradient);
        for (at, own) in gradient.iter().enumerate() {
            let old = field.weights[at];
            field.weights[at] = old + 0.01;
            let more = field.loss(&turns, 0.1, &mut other);
            field.weights[at] = old - 0.01;
            let less = field.loss(&turns, 0.1, &mut other);
            field.weights[at] = old;
            let slope = (more - less) / 0.02;
            assert!((slope - own).abs() < 2e-3, "{at}: {slope} {own}");
        }
    }
}
