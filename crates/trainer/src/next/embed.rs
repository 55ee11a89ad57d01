//! An embedding of products from who stands near whom in the sequences: the
//! leading singular vectors of the co-occurrence matrix, scaled by its row and
//! column sums (a spectral embedding of the bipartite graph), found by
//! randomised subspace iteration (Halko, Martinsson and Tropp, "Finding
//! structure with randomness", SIAM Review 2011).

use shelfedge_features::trails::fit::Sequences;

use crate::linear::{eigen, gram, orthogonal};
use crate::rng::Rng;

/// Steps between two products that still count as near.
const REACH: usize = 5;
/// What standing before counts, of standing after.
const BACKWARDS: f32 = 0.5;
/// Directions beside the wanted ones, for accuracy.
const SPARE: usize = 16;
const ITERATIONS: usize = 4;

/// A sparse square matrix, row by row.
struct Sparse {
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Sparse {
    /// How near products stand, scaled: each entry over the root of the sums of
    /// its row and column.
    fn nearness(log: &Sequences, products: usize) -> Self {
        let mut cells: Vec<(u64, f32)> = Vec::new();
        for sequence in log.iter() {
            for (at, &one) in sequence.iter().enumerate() {
                for (steps, &other) in (1u8..).zip(&sequence[at + 1..]).take(REACH) {
                    if one != other {
                        let near = 1.0 / f32::from(steps);
                        cells.push((u64::from(one) << 32 | u64::from(other), near));
                        cells.push((u64::from(other) << 32 | u64::from(one), near * BACKWARDS));
                    }
                }
            }
        }
        // Stable, so that sums run in one order.
        cells.sort_by_key(|(place, _)| *place);
        let mut matrix = Self {
            ends: vec![0; products],
            columns: Vec::new(),
            values: Vec::new(),
        };
        let (mut rows, mut sums) = (vec![0.0f32; products], vec![0.0f32; products]);
        let mut previous = None;
        for (place, value) in cells {
            let (row, column) = ((place >> 32) as usize, place as u32);
            if previous == Some(place) {
                if let Some(last) = matrix.values.last_mut() {
                    *last += value;
                }
            } else {
                matrix.columns.push(column);
                matrix.values.push(value);
                previous = Some(place);
            }
            matrix.ends[row] = matrix.values.len();
            rows[row] += value;
            sums[column as usize] += value;
        }
        for row in 1..products {
            matrix.ends[row] = matrix.ends[row].max(matrix.ends[row - 1]);
        }
        for (row, row_sum) in rows.iter().enumerate() {
            for cell in matrix.row(row) {
                let column = matrix.columns[cell] as usize;
                matrix.values[cell] /= (row_sum * sums[column]).sqrt();
            }
        }
        matrix
    }

    fn row(&self, row: usize) -> std::ops::Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start..self.ends[row]
    }

    /// `self x block`, of `width` columns.
    fn times(&self, block: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0.0; block.len()];
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for cell in self.row(row) {
                let from = self.columns[cell] as usize * width;
                let value = self.values[cell];
                for (out, x) in out.iter_mut().zip(&block[from..from + width]) {
                    *out += value * x;
                }
            }
        }
        out
    }

    /// `self transposed x block`.
    fn transposed_times(&self, block: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![0.0; block.len()];
        for (row, x) in block.chunks_exact(width).enumerate() {
            for cell in self.row(row) {
                let to = self.columns[cell] as usize * width;
                let value = self.values[cell];
                for (out, x) in out[to..to + width].iter_mut().zip(x) {
                    *out += value * x;
                }
            }
        }
        out
    }
}

/// The embedding of all products, `products x dims`, each row of length 1; zeros
/// for a product that stands near none. Tells `step` how far it is, in 0..=1,
/// and stops with nothing when that answers `false`.
pub fn embedding(
    log: &Sequences,
    products: usize,
    dims: usize,
    seed: u64,
    mut step: impl FnMut(f64) -> bool,
) -> Option<Vec<f32>> {
    let dims = dims.min(products);
    let width = (dims + SPARE).min(products);
    let matrix = Sparse::nearness(log, products);
    let mut rng = Rng::new(seed, 0xE3BE);
    let mut block: Vec<f32> = (0..products * width).map(|_| rng.normal()).collect();
    for iteration in 0..ITERATIONS {
        if !step(iteration as f64 / (ITERATIONS + 1) as f64) {
            return None;
        }
        orthogonal(&mut block, width);
        block = matrix.transposed_times(&matrix.times(&block, width), width);
    }
    orthogonal(&mut block, width);
    let (values, vectors) = eigen(gram(&matrix.times(&block, width), width), width);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let mut out = Vec::with_capacity(products * dims);
    for row in block.chunks_exact(width) {
        let start = out.len();
        for &column in &order[..dims] {
            let dot: f64 = row
                .iter()
                .enumerate()
                .map(|(i, x)| f64::from(*x) * vectors[i * width + column])
                .sum();
            // The root of the singular value, which is the eigenvalue's root.
            out.push((dot * values[column].max(0.0).sqrt().sqrt()) as f32);
        }
        let length = out[start..].iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 1e-9 {
            out[start..].iter_mut().for_each(|x| *x /= length);
        }
    }
    step(1.0).then_some(out)
}

/// A place for each product on a line, so that what follows stands to the right:
/// least squares over pairs that stand one or two steps apart, with a ridge, by
/// conjugate gradients.
pub fn order(log: &Sequences, products: usize) -> Vec<f32> {
    let mut pairs: Vec<(u32, u32, f64)> = Vec::new();
    for sequence in log.iter() {
        for steps in 1..=2 {
            for (one, other) in sequence.iter().zip(sequence.iter().skip(steps)) {
                pairs.push((*one, *other, 1.0 / steps as f64));
            }
        }
    }
    let mut diagonal = vec![1.0f64; products];
    let mut rest = vec![0.0f64; products];
    for &(one, other, weight) in &pairs {
        let (one, other) = (one as usize, other as usize);
        diagonal[one] += weight;
        diagonal[other] += weight;
        rest[other] += weight;
        rest[one] -= weight;
    }
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let mut x = vec![0.0f64; products];
    let mut scaled: Vec<f64> = rest.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
    let mut direction = scaled.clone();
    let mut size = dot(&rest, &scaled);
    for _ in 0..30 {
        if size <= 1e-12 {
            break;
        }
        let mut image: Vec<f64> = direction
            .iter()
            .zip(&diagonal)
            .map(|(p, d)| p * d)
            .collect();
        for &(one, other, weight) in &pairs {
            let (one, other) = (one as usize, other as usize);
            image[one] -= weight * direction[other];
            image[other] -= weight * direction[one];
        }
        let alpha = size / dot(&direction, &image);
        for i in 0..products {
            x[i] += alpha * direction[i];
            rest[i] -= alpha * image[i];
            scaled[i] = rest[i] / diagonal[i];
        }
        let next = dot(&rest, &scaled);
        for (p, z) in direction.iter_mut().zip(&scaled) {
            *p = z + next / size * *p;
        }
        size = next;
    }
    x.into_iter().map(|x| x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_one_shelf_stand_together() {
        // Two shelves of eight, which sequences never mix.
        let mut rng = Rng::new(1, 1);
        let mut log = Sequences::default();
        for n in 0..400 {
            let shelf = n % 2 * 8;
            let sequence: Vec<u32> = (0..5).map(|_| shelf + rng.below(8) as u32).collect();
            log.push(&sequence);
        }
        let rows = embedding(&log, 17, 4, 1, |_| true).expect("not stopped");
        let row = |p: usize| &rows[p * 4..(p + 1) * 4];
        let cosine =
            |a: usize, b: usize| -> f32 { row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum() };
        for p in 0..16 {
            assert!((cosine(p, p) - 1.0).abs() < 1e-5);
            let mean = |shelf: usize| (0..8).map(|o| cosine(p, shelf * 8 + o)).sum::<f32>() / 8.0;
            assert!(mean(p / 8) > mean(1 - p / 8) + 0.3, "{p}");
        }
        assert_eq!(row(16), [0.0; 4], "never seen");
        assert_eq!(Some(rows), embedding(&log, 17, 4, 1, |_| true));
        assert_eq!(embedding(&log, 17, 4, 1, |_| false), None);
    }

    #[test]
    fn what_follows_stands_to_the_right() {
        let mut log = Sequences::default();
        for start in 0..5 {
            log.push(&[start, start + 1, start + 2, start + 3]);
        }
        let places = order(&log, 9);
        assert!(places[..8].is_sorted(), "{places:?}");
        assert_eq!(places[8], 0.0);
    }
}
