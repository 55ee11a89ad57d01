//! The learner: what is seen in photos, from the photos alone.
//!
//! Two kinds of centres are found by k-means: of colours (a palette), and of small
//! patches after their brightness, contrast and correlations are taken away
//! (whitening). A patch is told by how much nearer than the mean each centre is, the
//! "triangle" of Coates, Ng and Lee, "An analysis of single-layer networks in
//! unsupervised feature learning", AISTATS 2011, averaged over the photo's quadrants,
//! of which the root is taken; that is a convolutional network of one layer. A colour is shared among the palette
//! by a softmax of its distances, whose means make a histogram. Principal components
//! of both over the shop's photos make an embedding of them.
//!
//! Pure: pixels and a seed in, weights out; [`super::export`] writes them as ONNX.

use crate::boost::shared;
use crate::linear::{components, dot, eigen, gram, means, unit};
use crate::rng::Rng;

/// Pixels of a photo's side.
pub(super) const SIDE: usize = 64;
/// A patch's side and numbers, and steps from one to the next.
pub(super) const PATCH: usize = 6;
pub(super) const OF_PATCH: usize = 3 * PATCH * PATCH;
pub(super) const STRIDE: usize = 2;
/// Patches of a side.
pub(super) const PLACES: usize = (SIDE - PATCH) / STRIDE + 1;
/// Quadrants, and patches of one's side.
const QUADRANTS: usize = 4;
pub(super) const QUADRANT: usize = PLACES / 2;
/// What is added to a patch's variance, and to the variances that whitening divides by.
pub(super) const CONTRAST: f32 = 1e-3;
const WHITEN: f64 = 0.1;
/// What is added to a share of the palette, and to a filter's mean, before the root.
pub(super) const SHARE: f32 = 1e-3;
pub(super) const TRIANGLE: f32 = 1e-4;

/// Width of an embedding, at most.
pub(super) const WIDTH: usize = 64;
/// Colours of the palette, and filters; directions of a patch that are kept.
const COLOURS: usize = 32;
const FILTERS: usize = 96;
const DIRECTIONS: usize = 64;
/// What the palette counts beside the filters, whose numbers differ far less from photo
/// to photo.
pub(super) const PALETTE: f32 = 1.0 / 16.0;
/// Pixels and patches that teach, and passes over them.
const TAUGHT_PIXELS: usize = 20_000;
const TAUGHT_PATCHES: usize = 20_000;
const PASSES: usize = 12;

/// The network's weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Network {
    /// Colours of the palette, three numbers each.
    pub(super) colours: Vec<f32>,
    /// Square of the distance of which a share of the palette falls to 1/e.
    pub(super) spread: f32,
    /// Rows of [`OF_PATCH`] numbers, which take a patch's mean away, too.
    pub(super) whitening: Vec<f32>,
    /// What is taken away after them.
    pub(super) offset: Vec<f32>,
    /// Centres of whitened patches.
    pub(super) centres: Vec<f32>,
    /// Means of what is pooled, and the directions of the embedding; none of an
    /// untrained network, whose embedding is what is pooled.
    pub(super) mean: Vec<f32>,
    pub(super) directions: Vec<f32>,
}

/// Pixels in 8 bits as numbers from 0 to 1.
pub(super) fn floats(pixels: &[u8]) -> Vec<f32> {
    pixels.iter().map(|x| f32::from(*x) / 255.0).collect()
}

impl Network {
    /// Learns from photos of [`SIDE`] pixels a side: red, green, blue, each row by row.
    pub(super) fn learn(photos: &[Vec<u8>], seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0x9407);
        let colours = sample_colours(photos, &mut rng);
        let palette = means(&colours, 3, COLOURS, PASSES, &mut rng);
        let spread = nearest(&colours, &palette);
        let patches = sample_patches(photos, &mut rng);
        let (whitening, offset) = whitening(&patches);
        let kept = offset.len();
        let white: Vec<f32> = patches
            .chunks_exact(OF_PATCH)
            .flat_map(|patch| {
                let rows = whitening.chunks_exact(OF_PATCH).zip(&offset);
                rows.map(|(row, offset)| dot(row, patch) - offset)
            })
            .collect();
        let centres = means(&white, kept, FILTERS, PASSES, &mut rng);
        let mut network = Self {
            colours: palette,
            spread,
            whitening,
            offset,
            centres,
            mean: Vec::new(),
            directions: Vec::new(),
        };
        network.compress(photos, seed);
        network
    }

    /// The same network with weights that are drawn.
    pub(super) fn untrained(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 0x0075);
        let mut whitening: Vec<f32> = (0..DIRECTIONS * OF_PATCH).map(|_| rng.normal()).collect();
        for row in whitening.chunks_exact_mut(OF_PATCH) {
            centre(row);
            unit(row);
        }
        Self {
            colours: (0..COLOURS * 3).map(|_| rng.unit()).collect(),
            spread: 0.05,
            whitening,
            offset: vec![0.0; DIRECTIONS],
            centres: (0..FILTERS * DIRECTIONS).map(|_| rng.normal()).collect(),
            mean: Vec::new(),
            directions: Vec::new(),
        }
    }

    pub(super) fn palette(&self) -> usize {
        self.colours.len() / 3
    }

    pub(super) fn filters(&self) -> usize {
        self.centres.len() / self.offset.len().max(1)
    }

    /// Numbers that are pooled: a share of each colour, and each filter's sum in each
    /// quadrant.
    pub(super) fn pooled_width(&self) -> usize {
        self.palette() + QUADRANTS * self.filters()
    }

    /// Numbers of an embedding.
    pub(super) fn width(&self) -> usize {
        match self.mean.is_empty() {
            true => self.pooled_width(),
            false => self.directions.len() / self.mean.len(),
        }
    }

    /// Finds the principal components of what is pooled.
    fn compress(&mut self, photos: &[Vec<u8>], seed: u64) {
        let mut rows: Vec<Vec<f32>> = vec![Vec::new(); photos.len()];
        shared(photos.iter().zip(&mut rows).collect(), |(photo, row)| {
            *row = self.pool(&floats(photo));
        });
        (self.mean, self.directions) = components(&rows, WIDTH, seed);
    }

    /// What is pooled of a photo.
    fn pool(&self, pixels: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0f32; self.palette()];
        let mut shares = out.clone();
        let plane = SIDE * SIDE;
        for at in 0..plane {
            let colour = [0, 1, 2].map(|channel| pixels[channel * plane + at]);
            let mut largest = f32::NEG_INFINITY;
            for (share, centre) in shares.iter_mut().zip(self.colours.chunks_exact(3)) {
                let square: f32 = centre
                    .iter()
                    .zip(colour)
                    .map(|(c, x)| (c - x) * (c - x))
                    .sum();
                *share = -square / self.spread;
                largest = largest.max(*share);
            }
            let mut sum = 0.0;
            for share in &mut shares {
                *share = (*share - largest).exp();
                sum += *share;
            }
            for (out, share) in out.iter_mut().zip(&shares) {
                *out += share / sum / plane as f32;
            }
        }
        for share in &mut out {
            *share = PALETTE * (*share + SHARE).sqrt();
        }
        let mut told = self.triangles(pixels);
        told.iter_mut().for_each(|x| *x = (*x + TRIANGLE).sqrt());
        unit(&mut told);
        out.extend(told);
        out
    }

    /// The means of each filter's triangles in each quadrant, filter by filter.
    fn triangles(&self, pixels: &[f32]) -> Vec<f32> {
        let (filters, kept) = (self.filters(), self.offset.len());
        let mut out = vec![0.0f32; filters * QUADRANTS];
        let squares: Vec<f32> = self
            .centres
            .chunks_exact(kept)
            .map(|centre| dot(centre, centre))
            .collect();
        let (mut patch, mut white) = (vec![0.0f32; OF_PATCH], vec![0.0f32; kept]);
        let mut distances = vec![0.0f32; filters];
        for y in 0..PLACES {
            for x in 0..PLACES {
                take(pixels, x * STRIDE, y * STRIDE, &mut patch);
                normalise(&mut patch);
                let rows = self.whitening.chunks_exact(OF_PATCH).zip(&self.offset);
                for (white, (row, offset)) in white.iter_mut().zip(rows) {
                    *white = dot(row, &patch) - offset;
                }
                let square = dot(&white, &white);
                let centres = self.centres.chunks_exact(kept).zip(&squares);
                let mut mean = 0.0;
                for (distance, (centre, own)) in distances.iter_mut().zip(centres) {
                    *distance = (square + own - 2.0 * dot(centre, &white)).max(0.0).sqrt();
                    mean += *distance / filters as f32;
                }
                let quadrant = y / QUADRANT * 2 + x / QUADRANT;
                for (i, distance) in distances.iter().enumerate() {
                    let triangle = (mean - distance).max(0.0);
                    out[i * QUADRANTS + quadrant] += triangle / (QUADRANT * QUADRANT) as f32;
                }
            }
        }
        out
    }

    /// The embedding of a photo, of length 1: what the exported network must give, too.
    #[cfg(test)]
    pub(super) fn embed(&self, pixels: &[f32]) -> Vec<f32> {
        let mut pooled = self.pool(pixels);
        if !self.mean.is_empty() {
            pooled.iter_mut().zip(&self.mean).for_each(|(x, m)| *x -= m);
            let directions = self.directions.chunks_exact(self.mean.len());
            pooled = directions.map(|row| dot(row, &pooled)).collect();
        }
        unit(&mut pooled);
        pooled
    }
}

/// Takes the mean away.
fn centre(values: &mut [f32]) {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|x| *x -= mean);
}

/// Takes a patch's brightness and contrast away.
fn normalise(patch: &mut [f32]) {
    centre(patch);
    let variance = dot(patch, patch) / patch.len() as f32;
    let scale = 1.0 / (variance + CONTRAST).sqrt();
    patch.iter_mut().for_each(|x| *x *= scale);
}

/// Copies the patch whose corner is there, as a convolution reads it.
fn take<T: Copy>(pixels: &[T], x: usize, y: usize, patch: &mut [T]) {
    for (line, out) in patch.chunks_exact_mut(PATCH).enumerate() {
        let (channel, dy) = (line / PATCH, line % PATCH);
        let from = (channel * SIDE + y + dy) * SIDE + x;
        out.copy_from_slice(&pixels[from..from + PATCH]);
    }
}

fn sample_colours(photos: &[Vec<u8>], rng: &mut Rng) -> Vec<f32> {
    let plane = SIDE * SIDE;
    (0..TAUGHT_PIXELS)
        .flat_map(|_| {
            let (photo, at) = (&photos[rng.below(photos.len())], rng.below(plane));
            [0, 1, 2].map(|channel| f32::from(photo[channel * plane + at]) / 255.0)
        })
        .collect()
}

/// Patches that show something, without brightness and contrast.
fn sample_patches(photos: &[Vec<u8>], rng: &mut Rng) -> Vec<f32> {
    let mut out = Vec::with_capacity(TAUGHT_PATCHES * OF_PATCH);
    let (mut bytes, mut patch) = ([0u8; OF_PATCH], vec![0.0f32; OF_PATCH]);
    for _ in 0..TAUGHT_PATCHES {
        let photo = &photos[rng.below(photos.len())];
        let corner = [(); 2].map(|()| rng.below(SIDE - PATCH + 1));
        take(photo, corner[0], corner[1], &mut bytes);
        patch.copy_from_slice(&floats(&bytes));
        normalise(&mut patch);
        out.extend_from_slice(&patch);
    }
    out
}

/// Mean square of the distance to the nearest centre.
fn nearest(colours: &[f32], palette: &[f32]) -> f32 {
    let of = |colour: &[f32]| {
        let squares = palette.chunks_exact(3).map(|centre| {
            let both = centre.iter().zip(colour);
            both.map(|(c, x)| (c - x) * (c - x)).sum::<f32>()
        });
        squares.fold(f32::INFINITY, f32::min)
    };
    let sum: f32 = colours.chunks_exact(3).map(of).sum();
    // A shop whose photos are all of one colour still has a scale.
    (sum / (colours.len() / 3) as f32).max(1e-3)
}

/// The matrix that makes patches' strongest directions of equal size and unrelated, and
/// what the patches' mean comes to by it.
fn whitening(patches: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let count = (patches.len() / OF_PATCH) as f64;
    let mut mean = vec![0.0f32; OF_PATCH];
    for patch in patches.chunks_exact(OF_PATCH) {
        mean.iter_mut().zip(patch).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= count as f32);
    let mut covariance = gram(patches, OF_PATCH);
    for (i, row) in covariance.chunks_exact_mut(OF_PATCH).enumerate() {
        for (x, other) in row.iter_mut().zip(&mean) {
            *x = *x / count - f64::from(mean[i]) * f64::from(*other);
        }
    }
    let (values, vectors) = eigen(covariance, OF_PATCH);
    let mut order: Vec<usize> = (0..OF_PATCH).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
    let mut matrix = Vec::with_capacity(DIRECTIONS * OF_PATCH);
    for column in &order[..DIRECTIONS] {
        let scale = 1.0 / (values[*column].max(0.0) + WHITEN).sqrt();
        let start = matrix.len();
        matrix.extend((0..OF_PATCH).map(|k| (vectors[k * OF_PATCH + column] * scale) as f32));
        // Patches have no mean, and what is not theirs is no part of a direction.
        centre(&mut matrix[start..]);
    }
    let offset = matrix.chunks_exact(OF_PATCH).map(|row| dot(row, &mean));
    let offset = offset.collect();
    (matrix, offset)
}
