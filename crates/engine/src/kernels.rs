//! The arithmetic, on blocks of rows.
//!
//! A value of a block lies feature by feature: element `e` of lane (row) `r`
//! stands at `e * lanes + r`, so that every loop runs over neighbouring lanes
//! and vectorises without a gather. Sums run over features in ascending order
//! for each lane by itself: the number of lanes doesn't change a bit.

use crate::math;
use crate::program::{Axis, Binary, Mode, Shape, Unary};

/// A value as an operand: a block's value, or a shared one that every lane
/// reads.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) shape: Shape,
    /// 1 for a shared value.
    pub(crate) lanes: usize,
}

impl<'a> View<'a> {
    /// The lanes of element `e`: as many as the block has, or one.
    #[inline]
    pub(crate) fn at(&self, e: usize) -> &'a [f32] {
        &self.data[e * self.lanes..(e + 1) * self.lanes]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.shape.len as usize
    }

    #[inline]
    pub(crate) fn width(&self) -> usize {
        self.shape.width as usize
    }
}

/// `out[i] = f(a[i])`, where a single `a` stands for all.
#[inline]
fn map(out: &mut [f32], a: &[f32], f: impl Fn(f32) -> f32) {
    if let [a] = a {
        let x = f(*a);
        out.fill(x);
    } else {
        for (o, a) in out.iter_mut().zip(a) {
            *o = f(*a);
        }
    }
}

/// `out[i] = f(out[i], a[i])`, where a single `a` stands for all.
#[inline]
fn fold(out: &mut [f32], a: &[f32], f: impl Fn(f32, f32) -> f32) {
    if let [a] = a {
        for o in out {
            *o = f(*o, *a);
        }
    } else {
        for (o, a) in out.iter_mut().zip(a) {
            *o = f(*o, *a);
        }
    }
}

pub(crate) fn unary(f: Unary, x: &mut [f32]) {
    fn each(x: &mut [f32], f: impl Fn(f32) -> f32) {
        for x in x {
            *x = f(*x);
        }
    }
    match f {
        Unary::Identity => {}
        // A comparison, not `max`: NaN must stay NaN.
        Unary::Relu => each(x, |x| if x < 0.0 { 0.0 } else { x }),
        Unary::LeakyRelu(alpha) => each(x, |x| if x < 0.0 { alpha * x } else { x }),
        Unary::Sigmoid => each(x, math::sigmoid),
        Unary::Tanh => each(x, math::tanh),
        Unary::Exp => each(x, math::exp),
        Unary::Ln => each(x, math::ln),
        Unary::Sqrt => each(x, f32::sqrt),
        Unary::Reciprocal => each(x, |x| 1.0 / x),
        Unary::Abs => each(x, f32::abs),
        Unary::Neg => each(x, |x| -x),
        Unary::Erf => each(x, math::erf),
        Unary::Clip(low, high) => each(x, |x| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        }),
    }
}

pub(crate) fn binary(
    f: Binary,
    out: &mut [f32],
    shape: Shape,
    lanes: usize,
    a: View<'_>,
    b: View<'_>,
) {
    let (len, width) = (shape.len as usize, shape.width as usize);
    for l in 0..len {
        for w in 0..width {
            let element = |v: &View<'_>| {
                let l = if v.len() == 1 { 0 } else { l };
                let w = if v.width() == 1 { 0 } else { w };
                l * v.width() + w
            };
            let (x, y) = (a.at(element(&a)), b.at(element(&b)));
            let e = l * width + w;
            let o = &mut out[e * lanes..(e + 1) * lanes];
            map(o, x, |x| x);
            match f {
                Binary::Add => fold(o, y, |x, y| x + y),
                Binary::Sub => fold(o, y, |x, y| x - y),
                Binary::Mul => fold(o, y, |x, y| x * y),
                Binary::Div => fold(o, y, |x, y| x / y),
                Binary::Max => fold(o, y, |x, y| if x > y || x.is_nan() { x } else { y }),
                Binary::Min => fold(o, y, |x, y| if x < y || x.is_nan() { x } else { y }),
                Binary::Pow => fold(o, y, math::pow),
            }
        }
    }
}

/// Four outputs of `V` vectors of four lanes: `acc += panel * x`.
#[inline(always)]
fn tile<const V: usize>(
    panel: &[[f32; 4]],
    x: &[f32],
    lanes: usize,
    first: usize,
    mut acc: [[[f32; 4]; V]; 4],
) -> [[[f32; 4]; V]; 4] {
    for (w, x) in panel.iter().zip(x.chunks_exact(lanes)) {
        let x = &x[first..first + 4 * V];
        for j in 0..4 {
            for v in 0..V {
                for i in 0..4 {
                    acc[j][v][i] += w[j] * x[4 * v + i];
                }
            }
        }
    }
    acc
}

/// What a dense layer starts its sums from.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    /// Per output; empty for none.
    pub(crate) bias: &'a [f32],
    /// `[1 or len, outputs]`.
    pub(crate) addend: Option<View<'a>>,
}

impl<'a> Start<'a> {
    /// The bias of an output and the lanes to add to it: all, one for all, or
    /// none.
    #[inline]
    fn of(&self, l: usize, output: usize) -> (f32, &'a [f32]) {
        let bias = self.bias.get(output).copied().unwrap_or(0.0);
        let addend = self.addend.map_or(&[][..], |a| {
            let l = if a.len() == 1 { 0 } else { l };
            a.at(l * a.width() + output)
        });
        (bias, addend)
    }
}

#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one tile's place in three matrices"
)]
fn tile_at<const V: usize>(
    panel: &[[f32; 4]],
    x: &[f32],
    out: &mut [f32],
    lanes: usize,
    first: usize,
    start: Start<'_>,
    l: usize,
    output: usize,
    outputs: usize,
) {
    let mut acc = [[[0.0f32; 4]; V]; 4];
    for (j, acc) in acc.iter_mut().enumerate() {
        if output + j < outputs {
            let acc = acc.as_flattened_mut();
            match start.of(l, output + j) {
                (bias, []) => acc.fill(bias),
                (bias, [one]) => acc.fill(bias + one),
                (bias, many) => {
                    for (acc, x) in acc.iter_mut().zip(&many[first..first + 4 * V]) {
                        *acc = bias + x;
                    }
                }
            }
        }
    }
    let acc = tile::<V>(panel, x, lanes, first, acc);
    for (j, acc) in acc.iter().enumerate() {
        if output + j < outputs {
            let o = &mut out[(output + j) * lanes + first..][..4 * V];
            for (v, acc) in acc.iter().enumerate() {
                o[4 * v..4 * v + 4].copy_from_slice(acc);
            }
        }
    }
}

/// One panel (outputs `output..output + 4`) of a dense layer for one entry `l`:
/// `x` is `[inputs][lanes]`, `out` is `[outputs][lanes]`.
#[expect(
    clippy::too_many_arguments,
    reason = "one panel's place in three matrices"
)]
pub(crate) fn dense_panel(
    panel: &[[f32; 4]],
    x: &[f32],
    out: &mut [f32],
    lanes: usize,
    start: Start<'_>,
    l: usize,
    output: usize,
    outputs: usize,
) {
    if lanes == 1 {
        // A shared value: vectorise over the four outputs instead. The sums run
        // in the same order.
        let mut acc = [0.0f32; 4];
        for (j, acc) in acc.iter_mut().enumerate() {
            if output + j < outputs {
                let (bias, addend) = start.of(l, output + j);
                *acc = addend.first().map_or(bias, |x| bias + x);
            }
        }
        for (w, x) in panel.iter().zip(x) {
            for j in 0..4 {
                acc[j] += w[j] * x;
            }
        }
        for (j, acc) in acc.iter().enumerate() {
            if output + j < outputs {
                out[output + j] = *acc;
            }
        }
        return;
    }
    let mut first = 0;
    while first + 12 <= lanes {
        tile_at::<3>(panel, x, out, lanes, first, start, l, output, outputs);
        first += 12;
    }
    while first + 8 <= lanes {
        tile_at::<2>(panel, x, out, lanes, first, start, l, output, outputs);
        first += 8;
    }
    while first + 4 <= lanes {
        tile_at::<1>(panel, x, out, lanes, first, start, l, output, outputs);
        first += 4;
    }
}

pub(crate) fn matmul(
    out: &mut [f32],
    shape: Shape,
    lanes: usize,
    a: View<'_>,
    b: View<'_>,
    transpose_b: bool,
) {
    let (len, width, inner) = (shape.len as usize, shape.width as usize, a.width());
    out.fill(0.0);
    for l in 0..len {
        for m in 0..width {
            let e = l * width + m;
            let o = &mut out[e * lanes..(e + 1) * lanes];
            for k in 0..inner {
                let x = a.at(l * inner + k);
                let y = b.at(if transpose_b {
                    m * b.width() + k
                } else {
                    k * b.width() + m
                });
                multiply_add(o, x, y);
            }
        }
    }
}

/// `out += x * y`, where a single x or y stands for all lanes.
#[inline]
fn multiply_add(out: &mut [f32], x: &[f32], y: &[f32]) {
    match (x, y) {
        ([x], [y]) => {
            let p = x * y;
            for o in out {
                *o += p;
            }
        }
        (many, [one]) | ([one], many) => {
            for (o, m) in out.iter_mut().zip(many) {
                *o += m * one;
            }
        }
        (x, y) => {
            for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
                *o += x * y;
            }
        }
    }
}

/// Softmax over `count` elements, `stride` elements apart.
fn softmax_over(x: &mut [f32], lanes: usize, count: usize, stride: usize) {
    let at = |i: usize| i * stride * lanes;
    for lane in 0..lanes {
        let mut max = f32::NEG_INFINITY;
        for i in 0..count {
            let v = x[at(i) + lane];
            if v > max || v.is_nan() {
                max = v;
            }
        }
        let mut sum = 0.0;
        for i in 0..count {
            let v = &mut x[at(i) + lane];
            *v = math::exp(*v - max);
            sum += *v;
        }
        let factor = 1.0 / sum;
        for i in 0..count {
            x[at(i) + lane] *= factor;
        }
    }
}

pub(crate) fn softmax(x: &mut [f32], shape: Shape, lanes: usize, axis: Axis) {
    let (len, width) = (shape.len as usize, shape.width as usize);
    match axis {
        Axis::Width => {
            for row in x.chunks_exact_mut(width * lanes) {
                softmax_over(row, lanes, width, 1);
            }
        }
        Axis::Len => {
            for w in 0..width {
                softmax_over(&mut x[w * lanes..], lanes, len, width);
            }
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "an attention has that many operands"
)]
pub(crate) fn attention(
    out: &mut [f32],
    shape: Shape,
    lanes: usize,
    query: View<'_>,
    keys: View<'_>,
    values: View<'_>,
    mask: Option<View<'_>>,
    scale: f32,
    scores: &mut Vec<f32>,
) {
    let (queries, entries, d, width) = (
        shape.len as usize,
        keys.len(),
        keys.width(),
        shape.width as usize,
    );
    scores.clear();
    scores.resize(entries * lanes, 0.0);
    for q in 0..queries {
        scores.fill(0.0);
        for (entry, s) in scores.chunks_exact_mut(lanes).enumerate() {
            for k in 0..d {
                multiply_add(s, query.at(q * d + k), keys.at(entry * d + k));
            }
            for s in s.iter_mut() {
                *s *= scale;
            }
            if let Some(mask) = &mask {
                let m = mask.at(if mask.len() == 1 { 0 } else { entry });
                fold(s, m, |s, m| if m == 0.0 { f32::NEG_INFINITY } else { s });
            }
        }
        if mask.is_some() {
            // A lane in which nothing counts gets zeros, not NaN.
            for lane in 0..lanes {
                if (0..entries).all(|e| scores[e * lanes + lane] == f32::NEG_INFINITY) {
                    for e in 0..entries {
                        scores[e * lanes + lane] = f32::NAN;
                    }
                }
            }
        }
        softmax_over(scores, lanes, entries, 1);
        if mask.is_some() {
            for s in scores.iter_mut() {
                if s.is_nan() {
                    *s = 0.0;
                }
            }
        }
        for w in 0..width {
            let e = q * width + w;
            let o = &mut out[e * lanes..(e + 1) * lanes];
            o.fill(0.0);
            for (entry, s) in scores.chunks_exact(lanes).enumerate() {
                multiply_add(o, s, values.at(entry * width + w));
            }
        }
    }
}

pub(crate) fn layer_norm(
    x: &mut [f32],
    shape: Shape,
    lanes: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) {
    let width = shape.width as usize;
    let n = 1.0 / width as f32;
    for row in x.chunks_exact_mut(width * lanes) {
        for lane in 0..lanes {
            let mut mean = 0.0;
            for w in 0..width {
                mean += row[w * lanes + lane];
            }
            mean *= n;
            let mut variance = 0.0;
            for w in 0..width {
                let d = row[w * lanes + lane] - mean;
                variance += d * d;
            }
            let factor = 1.0 / (variance * n + epsilon).sqrt();
            for w in 0..width {
                let v = &mut row[w * lanes + lane];
                *v = (*v - mean) * factor * gamma[w] + beta[w];
            }
        }
    }
}

pub(crate) fn reduce(
    out: &mut [f32],
    lanes: usize,
    x: View<'_>,
    axis: Axis,
    mode: Mode,
    mask: Option<View<'_>>,
) {
    let (len, width) = (x.len(), x.width());
    let (outer, count) = match axis {
        Axis::Len => (width, len),
        Axis::Width => (len, width),
    };
    for o in 0..outer {
        let target = &mut out[o * lanes..(o + 1) * lanes];
        for (lane, target) in target.iter_mut().enumerate() {
            let pick = |v: &[f32]| if v.len() == 1 { v[0] } else { v[lane] };
            let mut sum = 0.0;
            let mut max = f32::NEG_INFINITY;
            let mut counted = 0usize;
            for i in 0..count {
                let e = match axis {
                    Axis::Len => i * width + o,
                    Axis::Width => o * width + i,
                };
                if mask.is_none_or(|m| pick(m.at(if m.len() == 1 { 0 } else { i })) != 0.0) {
                    let v = pick(x.at(e));
                    sum += v;
                    if v > max || v.is_nan() {
                        max = v;
                    }
                    counted += 1;
                }
            }
            *target = finish(mode, sum, max, counted as f32);
        }
    }
}

/// The result of a reduction over what counted; 0 when nothing did.
#[inline]
pub(crate) fn finish(mode: Mode, sum: f32, max: f32, counted: f32) -> f32 {
    match mode {
        Mode::Sum => sum,
        Mode::Mean if counted > 0.0 => sum / counted,
        Mode::Max if counted > 0.0 => max,
        Mode::Mean | Mode::Max => 0.0,
    }
}
