//! Tables from product to product, learnt from sets of products: a customer's
//! purchases, or an order.

use burn::tensor::{Device, Tensor, TensorData};
use shelfedge_features::basket::fit::Sources;
use shelfedge_features::trails::fit::Sequences;

use crate::boost::shared;
use crate::error::{Error, Result};
use crate::export::internal;

/// Products that a thread takes at a time.
const CHUNK: usize = 64;
/// Products between which EASE finds weights, at most: the inverse of their
/// matrix takes time with the third power.
const MOST_WEIGHED: usize = 6_000;
/// Rows that are eliminated at once.
const BLOCK: usize = 256;

/// Which sets hold each product.
fn holders(sets: &Sequences, products: usize) -> Vec<Vec<u32>> {
    let mut holders = vec![Vec::new(); products];
    for (number, set) in (0u32..).zip(sets.iter()) {
        for product in set {
            holders[*product as usize].push(number);
        }
    }
    holders
}

/// Counts, for one of the `wanted` products after the other, the sets that hold
/// it and each other one, and gives them to `of` in no order.
fn together<T: Send + Clone>(
    sets: &Sequences,
    products: usize,
    wanted: impl Fn(u32) -> bool + Sync,
    none: T,
    of: impl Fn(u32, &[(u32, f32)]) -> T + Sync,
) -> Vec<T> {
    let holders = holders(sets, products);
    let mut out = vec![none; products];
    let starts = (0u32..).step_by(CHUNK);
    shared(
        starts.zip(out.chunks_mut(CHUNK)).collect(),
        |(start, out)| {
            let mut counts = vec![0.0f32; products];
            let mut met: Vec<u32> = Vec::new();
            for (product, out) in (start..).zip(out).filter(|(p, _)| wanted(*p)) {
                for set in &holders[product as usize] {
                    for other in sets.get(*set as usize) {
                        let count = &mut counts[*other as usize];
                        if *count == 0.0 {
                            met.push(*other);
                        }
                        *count += 1.0;
                    }
                }
                let row: Vec<(u32, f32)> = met
                    .drain(..)
                    .map(|other| (other, std::mem::take(&mut counts[other as usize])))
                    .collect();
                *out = of(product, &row);
            }
        },
    );
    out
}

/// The largest weights, whatever their sign, by product.
pub(super) fn strongest(mut weights: Vec<(u32, f32)>, keep: usize) -> Vec<(u32, f32)> {
    weights.retain(|(_, weight)| *weight != 0.0);
    if weights.len() > keep {
        let stronger =
            |a: &(u32, f32), b: &(u32, f32)| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0));
        weights.select_nth_unstable_by(keep, stronger);
        weights.truncate(keep);
    }
    // Of a hundred thousand few stay; so many lists would take all memory.
    weights.shrink_to_fit();
    weights.sort_unstable_by_key(|(product, _)| *product);
    weights
}

/// Cosines of the sets that hold two products, drawn to 0 by `shrink`; the
/// `keep` largest for each product.
pub(crate) fn cosines(sets: &Sequences, products: usize, shrink: f32, keep: usize) -> Sources {
    if keep == 0 {
        return vec![Vec::new(); products];
    }
    let mut held = vec![0.0f32; products];
    for product in &sets.products {
        held[*product as usize] += 1.0;
    }
    together(
        sets,
        products,
        |_| true,
        Vec::new(),
        |product, row| {
            let own = held[product as usize];
            let weights = row
                .iter()
                .filter(|(other, _)| *other != product)
                .map(|(other, both)| {
                    let norm = (own * held[*other as usize]).sqrt();
                    (*other, both / (norm + shrink))
                });
            strongest(weights.collect(), keep)
        },
    )
}

/// The weights with which a set's products tell each other best, in closed form
/// (EASE; Steck 2019): minus the inverse of the products' common counts with
/// `ridge` added to the diagonal, each column over its diagonal. Only among the
/// most common products where there are many. With `biases`, of what is left of a
/// purchase after how often everything, this product and by this customer is bought
/// (r - mu - b_u - b_i; Koren, "Factorization meets the neighborhood", KDD 2008).
pub(super) fn ease(
    sets: &Sequences,
    products: usize,
    ridge: f32,
    biases: bool,
    keep: usize,
) -> Result<Sources> {
    let mut held = vec![0u32; products];
    for product in &sets.products {
        held[*product as usize] += 1;
    }
    let mut chosen: Vec<u32> = (0..products as u32)
        .filter(|product| held[*product as usize] > 0)
        .collect();
    chosen.sort_by_key(|product| (std::cmp::Reverse(held[*product as usize]), *product));
    chosen.truncate(MOST_WEIGHED);
    chosen.sort_unstable();
    let size = chosen.len();
    let mut sources = vec![Vec::new(); products];
    if size < 2 || keep == 0 {
        return Ok(sources);
    }
    let mut place = vec![usize::MAX; products];
    for (i, product) in chosen.iter().enumerate() {
        place[*product as usize] = i;
    }
    let is_chosen = |product: u32| place[product as usize] != usize::MAX;
    let rows = together(sets, products, is_chosen, Vec::new(), |_, row| {
        let mut dense = vec![0.0f32; size];
        for (other, both) in row {
            if let Some(cell) = dense.get_mut(place[*other as usize]) {
                *cell = *both;
            }
        }
        dense
    });
    let mut matrix = Vec::with_capacity(size * size);
    for product in &chosen {
        matrix.extend_from_slice(&rows[*product as usize]);
    }
    drop(rows);
    if biases {
        Biases::of(sets, &place, size).take_from(&mut matrix);
    }
    (0..size).for_each(|i| matrix[i * size + i] += ridge);
    let inverse = inverse(matrix, size)?;
    let mut columns = vec![Vec::new(); size];
    let numbered = columns.iter_mut().enumerate().collect::<Vec<_>>();
    shared(numbered, |(to, out)| {
        // Symmetric: a row is a column, and lies together in memory.
        let row = &inverse[to * size..(to + 1) * size];
        let weights = row.iter().zip(&chosen).enumerate();
        let weights = weights
            .filter(|(from, _)| *from != to)
            .map(|(_, (cell, product))| (*product, -cell / row[to]));
        *out = strongest(weights.collect(), keep);
    });
    for (product, column) in chosen.iter().zip(columns) {
        sources[*product as usize] = column;
    }
    Ok(sources)
}

/// Imaginary customers, and products, that buy and are bought as the mean is.
const SHRINK_BIAS: f64 = 25.0;

/// What is bought whatever it goes with: of each product and each customer.
struct Biases {
    /// Sets that hold each product.
    held: Vec<f64>,
    /// mu + b_i of each product.
    products: Vec<f64>,
    /// b_u of each set, summed over those that hold each product.
    holders: Vec<f64>,
    sets: f64,
    /// b_u and its square, summed over all sets.
    sums: (f64, f64),
}

impl Biases {
    fn of(sets: &Sequences, place: &[usize], size: usize) -> Self {
        let places = |set: &[u32]| -> Vec<usize> {
            let places = set.iter().map(|product| place[*product as usize]);
            places.filter(|place| *place != usize::MAX).collect()
        };
        let mut held = vec![0.0; size];
        for set in sets.iter() {
            places(set).into_iter().for_each(|i| held[i] += 1.0);
        }
        let (all, width) = (sets.len() as f64, size as f64);
        let mean = held.iter().sum::<f64>() / (all * width);
        let of_product = |held: &f64| mean + (held - all * mean) / (all + SHRINK_BIAS);
        let products = held.iter().map(of_product).collect();
        let (mut holders, mut sums) = (vec![0.0; size], (0.0, 0.0));
        for set in sets.iter() {
            let places = places(set);
            let bias = (places.len() as f64 - width * mean) / (width + SHRINK_BIAS);
            places.into_iter().for_each(|i| holders[i] += bias);
            sums = (sums.0 + bias, sums.1 + bias * bias);
        }
        Self {
            held,
            products,
            holders,
            sets: all,
            sums,
        }
    }

    /// From common counts those of what is left without biases.
    fn take_from(&self, matrix: &mut [f32]) {
        let size = self.held.len();
        for i in 0..size {
            for j in 0..size {
                let (a, b) = (self.products[i], self.products[j]);
                let less = self.held[i] * b + self.held[j] * a + self.holders[i] + self.holders[j];
                let more = self.sets * a * b + (a + b) * self.sums.0 + self.sums.1;
                let cell = &mut matrix[i * size + j];
                *cell = (f64::from(*cell) - less + more) as f32;
            }
        }
    }
}

/// The inverse of a symmetric positive definite matrix, row by row, by Gauss and
/// Jordan's elimination in blocks: one product of matrices a block.
fn inverse(matrix: Vec<f32>, size: usize) -> Result<Vec<f32>> {
    let device = Device::flex();
    let tensor = |values: Vec<f32>, rows: usize, columns: usize| {
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device)
    };
    let values = |tensor: Tensor<2>| {
        tensor
            .into_data()
            .try_to_vec::<f32>()
            .map_err(|e| internal("ease", format!("{e:?}")))
    };
    let mut whole = tensor(matrix, size, size);
    for start in (0..size).step_by(BLOCK) {
        let end = (start + BLOCK).min(size);
        let width = end - start;
        let rows = whole.clone().slice([start..end, 0..size]);
        let columns = whole.clone().slice([0..size, start..end]);
        let pivot = values(rows.clone().slice([0..width, start..end]))?;
        let pivot = tensor(small_inverse(&pivot, width)?, width, width);
        let rows = pivot.clone().matmul(rows);
        whole = whole - columns.clone().matmul(rows.clone());
        whole = whole.slice_assign([start..end, 0..size], rows);
        let columns = columns.matmul(pivot.clone()).neg();
        whole = whole.slice_assign([0..size, start..end], columns);
        whole = whole.slice_assign([start..end, start..end], pivot);
    }
    values(whole)
}

/// The inverse of a small one; no exchange of rows is needed.
fn small_inverse(matrix: &[f32], size: usize) -> Result<Vec<f32>> {
    let mut a: Vec<f64> = matrix.iter().map(|x| f64::from(*x)).collect();
    for k in 0..size {
        let pivot = a[k * size + k];
        if pivot.is_nan() || pivot <= 0.0 {
            return Err(Error::fault(
                "ease_singular",
                "orders",
                "the closed form of EASE needs more digits than there are",
                "leave it out: without = [\"ease\"] in a settings file",
            ));
        }
        a[k * size + k] = 1.0;
        for j in 0..size {
            a[k * size + j] /= pivot;
        }
        let row = a[k * size..(k + 1) * size].to_vec();
        for i in (0..size).filter(|i| *i != k) {
            let factor = std::mem::take(&mut a[i * size + k]);
            for (cell, x) in a[i * size..(i + 1) * size].iter_mut().zip(&row) {
                *cell -= factor * x;
            }
        }
    }
    Ok(a.into_iter().map(|x| x as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn an_inverse_times_its_matrix_is_one() {
        for size in [1, 2, BLOCK, BLOCK + 1, 300] {
            let mut rng = Rng::new(3, size as u64);
            let b: Vec<f32> = (0..size * size).map(|_| rng.unit() - 0.5).collect();
            let mut matrix = vec![0.0f32; size * size];
            for i in 0..size {
                for j in 0..size {
                    let dot: f32 = (0..size).map(|k| b[i * size + k] * b[j * size + k]).sum();
                    matrix[i * size + j] = dot + if i == j { 5.0 } else { 0.0 };
                }
            }
            let inverse = inverse(matrix.clone(), size).expect("an inverse");
            for i in 0..size {
                for j in 0..size {
                    let cell: f32 = (0..size)
                        .map(|k| inverse[i * size + k] * matrix[k * size + j])
                        .sum();
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((cell - expected).abs() < 1e-3, "{size} {i} {j} {cell}");
                }
            }
        }
        assert!(inverse(vec![0.0; 4], 2).is_err());
    }

    /// The counts less the biases are those of the whole matrix of what is left.
    #[test]
    fn biases_are_taken_from_every_cell() {
        let (sets, size) = (sets(), 5);
        let place: Vec<usize> = (0..size).collect();
        let biases = Biases::of(&sets, &place, size);
        let bought = |set: &[u32], i: usize| f64::from(u8::from(set.contains(&(i as u32))));
        let mean = 10.0 / 25.0;
        let left = |set: &[u32], i: usize| {
            let own = (set.len() as f64 - 5.0 * mean) / (5.0 + SHRINK_BIAS);
            bought(set, i) - biases.products[i] - own
        };
        assert!((biases.products[1] - (mean + (4.0 - 5.0 * mean) / 30.0)).abs() < 1e-12);
        let sum = |of: &dyn Fn(&[u32], usize) -> f64, i: usize, j: usize| {
            sets.iter().map(|set| of(set, i) * of(set, j)).sum::<f64>()
        };
        let cells = (0..size * size).map(|cell| (cell / size, cell % size));
        let mut matrix: Vec<f32> = cells
            .clone()
            .map(|(i, j)| sum(&bought, i, j) as f32)
            .collect();
        biases.take_from(&mut matrix);
        for ((i, j), cell) in cells.zip(matrix) {
            let expected = sum(&left, i, j);
            assert!(
                (f64::from(cell) - expected).abs() < 1e-5,
                "{i} {j} {cell} {expected}"
            );
        }
    }

    fn sets() -> Sequences {
        let mut sets = Sequences::default();
        for set in [&[0, 1, 2][..], &[0, 1], &[1, 2], &[3], &[1, 3]] {
            sets.push(set);
        }
        sets
    }

    /// The numbers come from another implementation, in Python.
    #[test]
    fn cosines_and_weights_of_a_few_sets() {
        let near = |found: &Sources, expected: &[&[(u32, f32)]]| {
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
                for (found, expected) in found.iter().zip(*expected) {
                    assert_eq!(found.0, expected.0);
                    assert!(
                        (found.1 - expected.1).abs() < 1e-4,
                        "{found:?} {expected:?}"
                    );
                }
            }
        };
        let cosines = cosines(&sets(), 5, 1.0, 2);
        near(
            &cosines,
            &[
                &[(1, 0.522_408), (2, 0.333_333)],
                &[(0, 0.522_408), (2, 0.522_408)],
                &[(0, 0.333_333), (1, 0.522_408)],
                &[(1, 0.261_204)],
                &[],
            ],
        );
        let weights = ease(&sets(), 5, 2.0, false, 2).expect("weights");
        near(
            &weights,
            &[
                &[(1, 0.315_789), (2, 0.092_105)],
                &[(0, 0.4), (2, 0.4)],
                &[(0, 0.092_105), (1, 0.315_789)],
                &[(0, -0.090_909), (1, 0.227_273)],
                &[],
            ],
        );
    }
}
