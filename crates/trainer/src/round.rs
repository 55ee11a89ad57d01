//! Rounding weights to what the compiled model stores, so that the learner and
//! the shop compute with the same numbers.

use crate::model::{Dims, Weights};

/// A table in 8 bits: `value = q * scale` with a scale for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8 {
    /// The elements, -127..=127.
    pub q: Vec<i8>,
    /// One scale a row; 0 for a row of zeros.
    pub scale: Vec<f32>,
}

impl Int8 {
    /// Rounds a table to its nearest grid values.
    pub fn from_table(data: &[f32], width: usize) -> Self {
        let mut out = Self {
            q: Vec::with_capacity(data.len()),
            scale: Vec::new(),
        };
        for row in data.chunks(width) {
            let max = row.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
            let scale = grid(max);
            out.scale.push(scale);
            out.q.extend(row.iter().map(|x| {
                if scale > 0.0 {
                    (x / scale).round().clamp(-127.0, 127.0) as i8
                } else {
                    0
                }
            }));
        }
        out
    }

    /// The values that the grid stands for.
    pub fn values(&self) -> Vec<f32> {
        let width = self.q.len() / self.scale.len().max(1);
        self.q
            .iter()
            .enumerate()
            .map(|(i, &q)| f32::from(q) * self.scale[i / width])
            .collect()
    }
}

/// The grid's step for a largest magnitude: `max / 127` rounded up to 17
/// significant bits. Then every `q * scale` is exact in f32, and whoever gets
/// only the values finds the same scale again as their largest over 127.
fn grid(max: f32) -> f32 {
    let scale = max / 127.0;
    if scale < 1e-30 {
        return 0.0;
    }
    f32::from_bits((scale.to_bits() + 0x7F) & !0x7F)
}

/// Puts the embedding tables on their 8-bit grids and the crosses on half
/// precision.
pub fn round_tables(dims: &Dims, weights: &mut Weights) {
    weights.products = Int8::from_table(&weights.products, dims.product_width).values();
    weights.tokens = Int8::from_table(&weights.tokens, dims.token_width).values();
    halve(&mut weights.slots);
}

/// Puts the dense layers' matrices on half precision. Biases stay as they are.
pub fn round_dense(weights: &mut Weights) {
    halve(&mut weights.w1);
    halve(&mut weights.w2);
    halve(&mut weights.w3);
}

/// Puts numbers on half precision.
pub(crate) fn halve(data: &mut [f32]) {
    for x in data {
        *x = half::f16::from_f32(*x).to_f32();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn rounding_twice_changes_nothing() {
        let mut rng = Rng::new(5, 0);
        let mut data: Vec<f32> = (0..400).map(|_| rng.normal()).collect();
        data[..16].fill(0.0);
        let first = Int8::from_table(&data, 16);
        let second = Int8::from_table(&first.values(), 16);
        assert_eq!(first, second);
        assert_eq!(first.values(), second.values());
        assert_eq!(&first.values()[..16], &[0.0; 16]);
        for (row, chunk) in data.chunks(16).enumerate() {
            for (x, y) in chunk.iter().zip(&first.values()[row * 16..]) {
                assert!((x - y).abs() <= first.scale[row] * 0.5001);
            }
        }
    }
}
