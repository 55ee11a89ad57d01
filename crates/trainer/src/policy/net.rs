//! The network: two hidden layers with ReLU, from a state to a value for each action.
//!
//! Small enough that its own few loops are faster than a tensor library's calls, and
//! add in one order whatever the machine's threads.

use shelfedge_features::visits::{ACTIONS, WIDTH};

use crate::rng::Rng;
use crate::round::halve;

/// Units of a hidden layer, at most.
pub(super) const MOST_HIDDEN: usize = 128;

/// A layer's matrix, `[inputs, outputs]` row by row, and its bias.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) matrix: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Layer {
    fn new(inputs: usize, outputs: usize, gain: f32, rng: &mut Rng) -> Self {
        let scale = (gain / inputs as f32).sqrt();
        Self {
            matrix: (0..inputs * outputs)
                .map(|_| scale * rng.normal())
                .collect(),
            bias: vec![0.0; outputs],
        }
    }

    fn zeros(&self) -> Self {
        Self {
            matrix: vec![0.0; self.matrix.len()],
            bias: vec![0.0; self.bias.len()],
        }
    }

    fn forward(&self, x: &[f32], out: &mut [f32]) {
        out.copy_from_slice(&self.bias);
        for (x, row) in x.iter().zip(self.matrix.chunks_exact(self.bias.len())) {
            if *x != 0.0 {
                out.iter_mut().zip(row).for_each(|(y, w)| *y += x * w);
            }
        }
    }

    /// Adds to the gradient, and fills that of the inputs.
    fn backward(&self, x: &[f32], of_out: &[f32], gradient: &mut Self, of_x: Option<&mut [f32]>) {
        let width = self.bias.len();
        for (x, row) in x.iter().zip(gradient.matrix.chunks_exact_mut(width)) {
            if *x != 0.0 {
                row.iter_mut().zip(of_out).for_each(|(g, d)| *g += x * d);
            }
        }
        let bias = gradient.bias.iter_mut();
        bias.zip(of_out).for_each(|(g, d)| *g += d);
        if let Some(of_x) = of_x {
            for (of_x, row) in of_x.iter_mut().zip(self.matrix.chunks_exact(width)) {
                *of_x = row.iter().zip(of_out).map(|(w, d)| w * d).sum();
            }
        }
    }
}

/// All weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) layers: [Layer; 3],
}

impl Weights {
    /// Initial weights (He, Zhang, Ren and Sun 2015); the last layer small, so that at
    /// first all actions are worth nearly the same.
    pub(super) fn new(hidden: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0xD0E1);
        Self {
            layers: [
                Layer::new(WIDTH, hidden, 2.0, &mut rng),
                Layer::new(hidden, hidden, 2.0, &mut rng),
                Layer::new(hidden, ACTIONS, 0.01, &mut rng),
            ],
        }
    }

    /// The value of each action.
    pub(super) fn values(&self, state: &[f32; WIDTH]) -> [f32; ACTIONS] {
        let (mut one, mut two) = ([0.0; MOST_HIDDEN], [0.0; MOST_HIDDEN]);
        self.forward(state, &mut one, &mut two)
    }

    fn hidden(&self) -> usize {
        self.layers[0].bias.len()
    }

    fn forward(
        &self,
        state: &[f32; WIDTH],
        one: &mut [f32; MOST_HIDDEN],
        two: &mut [f32; MOST_HIDDEN],
    ) -> [f32; ACTIONS] {
        let hidden = self.hidden();
        let [a, b, c] = &self.layers;
        let (one, two) = (&mut one[..hidden], &mut two[..hidden]);
        a.forward(state, one);
        one.iter_mut().for_each(|x| *x = x.max(0.0));
        b.forward(one, two);
        two.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut out = [0.0; ACTIONS];
        c.forward(two, &mut out);
        out
    }

    /// Adds the gradient of one row, whose values' gradient `of_values` tells from the
    /// values.
    pub(super) fn backward(
        &self,
        state: &[f32; WIDTH],
        gradient: &mut Self,
        of_values: impl FnOnce(&[f32; ACTIONS]) -> [f32; ACTIONS],
    ) {
        let hidden = self.hidden();
        let (mut one, mut two) = ([0.0; MOST_HIDDEN], [0.0; MOST_HIDDEN]);
        let values = self.forward(state, &mut one, &mut two);
        let of_values = of_values(&values);
        let (one, two) = (&one[..hidden], &two[..hidden]);
        let (mut of_one, mut of_two) = ([0.0; MOST_HIDDEN], [0.0; MOST_HIDDEN]);
        let (of_one, of_two) = (&mut of_one[..hidden], &mut of_two[..hidden]);
        let [a, b, c] = &self.layers;
        let [ga, gb, gc] = &mut gradient.layers;
        c.backward(two, &of_values, gc, Some(&mut *of_two));
        let off = |(d, x): (&mut f32, &f32)| {
            if *x <= 0.0 {
                *d = 0.0;
            }
        };
        of_two.iter_mut().zip(two).for_each(off);
        b.backward(one, of_two, gb, Some(&mut *of_one));
        of_one.iter_mut().zip(one).for_each(off);
        a.backward(state, of_one, ga, None);
    }

    pub(super) fn zeros(&self) -> Self {
        Self {
            layers: [0, 1, 2].map(|at| self.layers[at].zeros()),
        }
    }

    /// All numbers, in one order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &f32> {
        self.layers
            .iter()
            .flat_map(|layer| layer.matrix.iter().chain(&layer.bias))
    }

    pub(super) fn numbers_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.layers
            .iter_mut()
            .flat_map(|layer| layer.matrix.iter_mut().chain(&mut layer.bias))
    }

    /// With the matrices in half precision: the numbers that a compiled model holds.
    pub(super) fn shipped(mut self) -> Self {
        for layer in &mut self.layers {
            halve(&mut layer.matrix);
        }
        self
    }
}

/// Adam (Kingma and Ba 2015).
#[derive(Clone, Debug)]
pub(super) struct Adam {
    first: Weights,
    second: Weights,
    steps: i32,
}

impl Adam {
    pub(super) fn new(weights: &Weights) -> Self {
        Self {
            first: weights.zeros(),
            second: weights.zeros(),
            steps: 0,
        }
    }

    pub(super) fn step(&mut self, weights: &mut Weights, gradient: &Weights, rate: f32) {
        const DECAY: [f32; 2] = [0.9, 0.999];
        self.steps += 1;
        let corrected = DECAY.map(|decay| 1.0 - decay.powi(self.steps));
        let all = weights.numbers_mut().zip(gradient.numbers());
        let moments = self.first.numbers_mut().zip(self.second.numbers_mut());
        for ((w, g), (first, second)) in all.zip(moments) {
            *first = DECAY[0] * *first + (1.0 - DECAY[0]) * g;
            *second = DECAY[1] * *second + (1.0 - DECAY[1]) * g * g;
            *w -= rate * (*first / corrected[0]) / ((*second / corrected[1]).sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut weights = Weights::new(6, 3);
        let mut rng = Rng::new(5, 1);
        weights.numbers_mut().for_each(|w| *w += 0.3 * rng.normal());
        let states: Vec<[f32; WIDTH]> = (0..4)
            .map(|_| std::array::from_fn(|_| rng.unit()))
            .collect();
        let pull = [0.7f32, -1.1, 0.4];
        let loss = |w: &Weights| -> f64 {
            let of = |state: &[f32; WIDTH]| -> f64 {
                let values = w.values(state);
                let squares = values.iter().zip(pull);
                squares.map(|(v, p)| f64::from(v - p).powi(2) / 2.0).sum()
            };
            states.iter().map(of).sum()
        };
        let mut gradient = weights.zeros();
        for state in &states {
            weights.backward(state, &mut gradient, |values| {
                std::array::from_fn(|a| values[a] - pull[a])
            });
        }
        let count = weights.numbers().count();
        assert_eq!(count, WIDTH * 6 + 6 + 36 + 6 + 18 + 3);
        let gradient: Vec<f32> = gradient.numbers().copied().collect();
        for (at, gradient) in gradient.into_iter().enumerate() {
            let nudged = |by: f32| {
                let mut w = weights.clone();
                if let Some(number) = w.numbers_mut().nth(at) {
                    *number += by;
                }
                loss(&w)
            };
            let difference = (nudged(1e-3) - nudged(-1e-3)) / 2e-3;
            assert!(
                (f64::from(gradient) - difference).abs() < 1e-2 * difference.abs().max(1.0),
                "{at}: {gradient} {difference}"
            );
        }
    }

    #[test]
    fn the_optimiser_finds_a_minimum() {
        let mut weights = Weights::new(8, 1);
        let mut adam = Adam::new(&weights);
        let state = [0.5; WIDTH];
        for _ in 0..500 {
            let mut gradient = weights.zeros();
            weights.backward(&state, &mut gradient, |values| {
                std::array::from_fn(|a| values[a] - a as f32)
            });
            adam.step(&mut weights, &gradient, 0.01);
        }
        for (a, value) in weights.values(&state).into_iter().enumerate() {
            assert!((value - a as f32).abs() < 0.02, "{a}: {value}");
        }
    }
}
