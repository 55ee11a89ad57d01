//! Linear algebra that learners share: orthogonal blocks, eigenvectors of small
//! symmetric matrices, principal components, and k-means.

use crate::boost::shared;
use crate::rng::Rng;

/// The products of a block's columns with each other, `width x width`.
pub(crate) fn gram(block: &[f32], width: usize) -> Vec<f64> {
    let mut gram = vec![0.0f64; width * width];
    for row in block.chunks_exact(width) {
        for (i, a) in row.iter().enumerate() {
            let a = f64::from(*a);
            for (sum, b) in gram[i * width..(i + 1) * width].iter_mut().zip(row) {
                *sum += a * f64::from(*b);
            }
        }
    }
    gram
}

/// Makes a block's columns orthogonal and of length 1, by the Cholesky factor of
/// their products; twice, since once leaves errors where they are nearly
/// parallel.
pub(crate) fn orthogonal(block: &mut [f32], width: usize) {
    for _ in 0..2 {
        let mut factor = gram(block, width);
        let trace: f64 = (0..width).map(|i| factor[i * width + i]).sum();
        for i in 0..width {
            factor[i * width + i] += 1e-9 * trace;
            for j in 0..=i {
                let mut sum = factor[i * width + j];
                for k in 0..j {
                    sum -= factor[i * width + k] * factor[j * width + k];
                }
                factor[i * width + j] = if i == j {
                    sum.max(1e-30).sqrt()
                } else {
                    sum / factor[j * width + j]
                };
            }
        }
        // Each row times the inverse of the factor's transpose.
        let mut solved = vec![0.0f64; width];
        for row in block.chunks_exact_mut(width) {
            for i in 0..width {
                let mut sum = f64::from(row[i]);
                for k in 0..i {
                    sum -= factor[i * width + k] * solved[k];
                }
                solved[i] = sum / factor[i * width + i];
            }
            for (x, solved) in row.iter_mut().zip(&solved) {
                *x = *solved as f32;
            }
        }
    }
}

/// Eigenvalues and eigenvectors (in columns) of a symmetric matrix, by Jacobi's
/// rotations.
pub(crate) fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j] * a[i * n + j])
            .sum();
        let size: f64 = (0..n).map(|i| a[i * n + i] * a[i * n + i]).sum();
        if off <= 1e-22 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                let turn = |m: &mut [f64], one: usize, other: usize| {
                    let (x, y) = (m[one], m[other]);
                    m[one] = c * x - s * y;
                    m[other] = s * x + c * y;
                };
                for k in 0..n {
                    turn(&mut a, k * n + p, k * n + q);
                }
                for k in 0..n {
                    turn(&mut a, p * n + k, q * n + k);
                }
                for k in 0..n {
                    turn(&mut v, k * n + p, k * n + q);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), v)
}

/// The sum of products of two vectors.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums, which are taken at once.
    let (mut sums, (a8, b8)) = ([0.0f32; 8], (a.as_chunks::<8>(), b.as_chunks::<8>()));
    for (a, b) in a8.0.iter().zip(b8.0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = a8.1.iter().zip(b8.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// Makes a vector's length 1; one that is next to nothing stays.
pub(crate) fn unit(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt();
    if length > 1e-9 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// The leading directions of rows of `width` numbers (principal components), as rows of
/// their own, the strongest first, each of length 1: by randomised subspace iteration
/// (Halko, Martinsson and Tropp, SIAM Review 2011). `rows` are to be centred.
pub(crate) fn principal(rows: &[f32], width: usize, dims: usize, seed: u64) -> Vec<f32> {
    const SPARE: usize = 16;
    const ITERATIONS: usize = 6;
    let dims = dims.min(width);
    let block_width = (dims + SPARE).min(width);
    let mut rng = Rng::new(seed, 0x9CA);
    let mut block: Vec<f32> = (0..width * block_width).map(|_| rng.normal()).collect();
    let forth = |block: &[f32]| {
        let mut out = vec![0.0f32; rows.len() / width * block_width];
        for (row, out) in rows
            .chunks_exact(width)
            .zip(out.chunks_exact_mut(block_width))
        {
            for (value, from) in row.iter().zip(block.chunks_exact(block_width)) {
                for (out, x) in out.iter_mut().zip(from) {
                    *out += value * x;
                }
            }
        }
        out
    };
    for _ in 0..ITERATIONS {
        orthogonal(&mut block, block_width);
        let image = forth(&block);
        block.fill(0.0);
        for (row, x) in rows
            .chunks_exact(width)
            .zip(image.chunks_exact(block_width))
        {
            for (value, to) in row.iter().zip(block.chunks_exact_mut(block_width)) {
                for (to, x) in to.iter_mut().zip(x) {
                    *to += value * x;
                }
            }
        }
    }
    orthogonal(&mut block, block_width);
    let (values, vectors) = eigen(gram(&forth(&block), block_width), block_width);
    let mut order: Vec<usize> = (0..block_width).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
    let mut out = vec![0.0f32; dims * width];
    for (row, column) in out.chunks_exact_mut(width).zip(order) {
        for (x, from) in row.iter_mut().zip(block.chunks_exact(block_width)) {
            let sum: f64 = from
                .iter()
                .enumerate()
                .map(|(i, x)| f64::from(*x) * vectors[i * block_width + column])
                .sum();
            *x = sum as f32;
        }
        unit(row);
    }
    out
}

/// Rows whose sums are one part of a pass of [`means`].
const PART: usize = 1_024;

/// The centres of `count` clusters of rows of `width` numbers: k-means (Lloyd 1982), from
/// rows that are drawn, farther ones more probably (k-means++, Arthur and Vassilvitskii
/// 2007). Fewer where there are fewer rows that differ.
pub(crate) fn means(
    rows: &[f32],
    width: usize,
    count: usize,
    passes: usize,
    rng: &mut Rng,
) -> Vec<f32> {
    let all = rows.len() / width;
    let row = |i: usize| &rows[i * width..(i + 1) * width];
    let mut centres: Vec<f32> = Vec::with_capacity(count * width);
    if all == 0 || count == 0 {
        return centres;
    }
    let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    centres.extend_from_slice(row(rng.below(all)));
    let mut nearest = vec![f32::INFINITY; all];
    while centres.len() < count * width {
        let newest = &centres[centres.len() - width..];
        let mut sum = 0.0f64;
        for (row, nearest) in rows.chunks_exact(width).zip(&mut nearest) {
            *nearest = nearest.min(far(row, newest));
            sum += f64::from(*nearest);
        }
        if sum <= 0.0 {
            break;
        }
        let mut left = rng.unit64() * sum;
        let drawn = nearest.iter().position(|square| {
            left -= f64::from(*square);
            left < 0.0 && *square > 0.0
        });
        let drawn = drawn.or_else(|| nearest.iter().rposition(|square| *square > 0.0));
        centres.extend_from_slice(row(drawn.unwrap_or(0)));
    }
    let count = centres.len() / width;
    for _ in 0..passes {
        let halves: Vec<f32> = centres
            .chunks_exact(width)
            .map(|centre| 0.5 * dot(centre, centre))
            .collect();
        let parts: Vec<&[f32]> = rows.chunks(PART * width).collect();
        let mut found: Vec<(Vec<f32>, Vec<u32>)> = vec![Default::default(); parts.len()];
        shared(
            parts.into_iter().zip(&mut found).collect(),
            |(part, out)| {
                let (mut sums, mut counts) = (vec![0.0f32; count * width], vec![0u32; count]);
                for row in part.chunks_exact(width) {
                    let mut best = (f32::NEG_INFINITY, 0);
                    for (i, centre) in centres.chunks_exact(width).enumerate() {
                        // Less half of the row's own square, it is less half of the distance's.
                        let near = dot(row, centre) - halves[i];
                        if near > best.0 {
                            best = (near, i);
                        }
                    }
                    counts[best.1] += 1;
                    let sum = &mut sums[best.1 * width..(best.1 + 1) * width];
                    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                *out = (sums, counts);
            },
        );
        let (mut sums, mut counts) = (vec![0.0f32; count * width], vec![0u32; count]);
        for (of_sums, of_counts) in found {
            sums.iter_mut().zip(of_sums).for_each(|(a, b)| *a += b);
            counts.iter_mut().zip(of_counts).for_each(|(a, b)| *a += b);
        }
        let all = centres.chunks_exact_mut(width);
        for ((centre, sum), count) in all.zip(sums.chunks_exact(width)).zip(counts) {
            // One that nothing is near stays where it is.
            if count > 0 {
                centre
                    .iter_mut()
                    .zip(sum)
                    .for_each(|(x, sum)| *x = sum / count as f32);
            }
        }
    }
    centres
}

/// The mean of some rows, and their principal components, at most `most`: as many rows
/// have one direction less between them.
pub(crate) fn components(rows: &[Vec<f32>], most: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let width = rows.first().map_or(1, Vec::len);
    let mut mean = vec![0.0f32; width];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.len() as f32);
    let centred: Vec<f32> = rows
        .iter()
        .flat_map(|row| row.iter().zip(&mean).map(|(x, mean)| x - mean))
        .collect();
    let dims = most.min(rows.len().saturating_sub(1)).max(1);
    let directions = principal(&centred, width, dims, seed);
    (mean, directions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_are_what_they_say() {
        let n = 5;
        let mut rng = Rng::new(2, 1);
        let block: Vec<f32> = (0..n * 9).map(|_| rng.normal()).collect();
        let a = gram(&block, n);
        let (values, vectors) = eigen(a.clone(), n);
        for column in 0..n {
            for row in 0..n {
                let image: f64 = (0..n)
                    .map(|k| a[row * n + k] * vectors[k * n + column])
                    .sum();
                assert!((image - values[column] * vectors[row * n + column]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn principal_directions_of_an_ellipsoid() {
        let mut rng = Rng::new(3, 1);
        // Long along (3, 4, 0) / 5, less so along (0, 0, 1).
        let rows: Vec<f32> = (0..500)
            .flat_map(|_| {
                let (a, b, c) = (9.0 * rng.normal(), 3.0 * rng.normal(), 0.1 * rng.normal());
                [0.6 * a - 0.8 * c, 0.8 * a + 0.6 * c, b]
            })
            .collect();
        let found = principal(&rows, 3, 2, 1);
        assert!((0.6 * found[0] + 0.8 * found[1]).abs() > 0.999, "{found:?}");
        assert!(found[5].abs() > 0.999, "{found:?}");
        assert_eq!(found, principal(&rows, 3, 2, 1));
    }

    #[test]
    fn clusters_that_stand_apart_are_found() {
        let mut rng = Rng::new(4, 1);
        let at = [[0.0f32, 0.0], [10.0, 0.0], [0.0, 10.0]];
        let rows: Vec<f32> = (0..900)
            .flat_map(|i| at[i % 3].map(|x| x + 0.5 * rng.normal()))
            .collect();
        let found = means(&rows, 2, 3, 10, &mut rng);
        for centre in at {
            let near = found
                .chunks_exact(2)
                .any(|c| (c[0] - centre[0]).abs() < 0.2 && (c[1] - centre[1]).abs() < 0.2);
            assert!(near, "{centre:?} {found:?}");
        }
        let same = means(&[1.0; 20], 2, 4, 3, &mut rng);
        assert_eq!(same, [1.0, 1.0], "rows that are all equal are one cluster");
    }

    #[test]
    fn a_product_of_vectors_whatever_their_length() {
        for n in [0usize, 3, 8, 21] {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }
}
