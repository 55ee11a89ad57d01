//! Elementary functions, written out so that every target computes the same
//! bits. Platform libraries differ in the last place; these do not.
//!
//! Only additions, multiplications, divisions, comparisons and bit operations
//! are used, all of which IEEE 754 defines exactly, and the square root, which
//! it defines exactly too. Errors are at most a few units in the last place of
//! f32 over the ranges that models use; tests compare with f64.

const LOG2_E: f32 = core::f32::consts::LOG2_E;
// ln 2 in two parts: the first has few bits, so that n * LN2_HI is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// e to the power of x. Underflows to 0 below -87.3 and overflows to infinity
/// above 88.7; NaN stays NaN.
#[inline]
#[must_use]
pub fn exp(x: f32) -> f32 {
    // min and max would turn NaN into a number: restore it at the end.
    let y = x.clamp(-104.0, 89.0);
    let n = (y * LOG2_E + ROUND) - ROUND;
    let r = (y - n * LN2_HI) - n * LN2_LO;
    // Taylor coefficients; |r| <= ln(2) / 2, so the rest is below 1e-8.
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    // 2^n in two factors, so that the ends of the range are reached without a
    // special case.
    let n = n as i32;
    let half = n >> 1;
    let result = p * pow2(half) * pow2(n - half);
    if x > 88.722_84 {
        f32::INFINITY
    } else if x < -103.98 {
        0.0
    } else if x.is_nan() {
        x
    } else {
        result
    }
}

#[inline]
fn pow2(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23).cast_unsigned())
}

/// Natural logarithm. `-inf` for 0, NaN below.
#[inline]
#[must_use]
pub fn ln(x: f32) -> f32 {
    if x.is_nan() || x < 0.0 {
        return f32::NAN;
    }
    if x == 0.0 {
        return f32::NEG_INFINITY;
    }
    if x.is_infinite() {
        return x;
    }
    // Bring subnormals into the normal range first.
    let (x, shift) = if x < f32::MIN_POSITIVE {
        (x * 8_388_608.0, -23)
    } else {
        (x, 0)
    };
    let bits = x.to_bits();
    let mut e = ((bits >> 23) as i32) - 127 + shift;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    if m > core::f32::consts::SQRT_2 {
        m *= 0.5;
        e += 1;
    }
    // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| <= 0.1716.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = 2.0 / 9.0;
    p = p * z + 2.0 / 7.0;
    p = p * z + 2.0 / 5.0;
    p = p * z + 2.0 / 3.0;
    let e = e as f32;
    let tail = s * z * p + e * LN2_LO;
    (tail + 2.0 * s) + e * LN2_HI
}

/// ln(1 + x) for x >= 0, accurate near 0.
#[inline]
#[must_use]
pub fn ln_1p(x: f32) -> f32 {
    if x.abs() < 1e-4 {
        return x - x * x * 0.5;
    }
    ln(1.0 + x)
}

/// Hyperbolic tangent.
#[inline]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    if a < 0.25 {
        let z = x * x;
        let mut p = 62.0 / 2835.0;
        p = p * z - 17.0 / 315.0;
        p = p * z + 2.0 / 15.0;
        p = p * z - 1.0 / 3.0;
        return x + x * z * p;
    }
    let e = exp(-2.0 * a);
    let t = (1.0 - e) / (1.0 + e);
    if x < 0.0 {
        -t
    } else if x.is_nan() {
        x
    } else {
        t
    }
}

/// Logistic function.
#[inline]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Error function, by formula 7.1.26 of Abramowitz and Stegun (absolute error
/// below 2e-7).
#[inline]
#[must_use]
pub fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    let y = 1.0 - p * t * exp(-a * a);
    if x < 0.0 {
        -y
    } else if x.is_nan() {
        x
    } else {
        y
    }
}

/// a to the power of b. Integer powers by multiplication, 0.5 by the square
/// root, otherwise exp(b ln a).
#[inline]
#[must_use]
pub fn pow(a: f32, b: f32) -> f32 {
    if b.to_bits() == 0.5f32.to_bits() {
        return a.sqrt();
    }
    let n = (b + ROUND) - ROUND;
    if n.to_bits() == b.to_bits() && b.abs() <= 64.0 {
        let mut r = 1.0f32;
        let mut base = a;
        let mut k = b.abs() as u32;
        while k > 0 {
            if k & 1 == 1 {
                r *= base;
            }
            base *= base;
            k >>= 1;
        }
        return if b < 0.0 { 1.0 / r } else { r };
    }
    exp(b * ln(a))
}

/// sqrt(2) times the inverse error function of 2p - 1, by Winitzki's
/// approximation, which is what onnxruntime computes for PROBIT.
#[must_use]
pub fn probit(p: f32) -> f32 {
    const A: f32 = 0.147;
    // The rounded constant is part of what onnxruntime computes.
    const PI: f32 = 314_159.0 / 100_000.0;
    let x = 2.0 * p - 1.0;
    let l = ln((1.0 - x) * (1.0 + x));
    let v = 2.0 / (PI * A) + 0.5 * l;
    let r = (-v + (v * v - l / A).sqrt()).sqrt();
    core::f32::consts::SQRT_2 * if x < 0.0 { -r } else { r }
}

/// A binary16 bit pattern as f32.
#[inline]
#[must_use]
pub fn f16_to_f32(h: u16) -> f32 {
    let sign = u32::from(h & 0x8000) << 16;
    let magnitude = u32::from(h & 0x7fff);
    let value = if magnitude >= 0x7c00 {
        f32::from_bits(0x7f80_0000 | ((magnitude & 0x3ff) << 13))
    } else {
        // The exponent's bias differs by 112; multiplying handles subnormals
        // as well.
        f32::from_bits(magnitude << 13) * 5.192_297e33
    };
    f32::from_bits(value.to_bits() | sign)
}

/// The nearest binary16 bit pattern, ties to even.
#[must_use]
pub fn f32_to_f16(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let a = f32::from_bits(bits & 0x7fff_ffff);
    if a.is_nan() {
        return sign | 0x7e00;
    }
    if a >= 65_520.0 {
        return sign | 0x7c00;
    }
    let magnitude = if a < 6.103_515_6e-5 {
        // Subnormal: the nearest multiple of 2^-24. Adding 0.5 makes the unit
        // in the last place exactly that.
        (a + 0.5).to_bits() - 0.5f32.to_bits()
    } else {
        let b = a.to_bits();
        let odd = (b >> 13) & 1;
        ((b + 0xfff + odd) >> 13) - (112 << 10)
    };
    let magnitude = magnitude as u16;
    sign | magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f32, want: f64, tolerance: f64) {
        let error = (f64::from(got) - want).abs() / want.abs().max(1e-30);
        assert!(
            error <= tolerance,
            "got {got}, want {want}, relative error {error:e}"
        );
    }

    #[test]
    fn exp_is_accurate_and_its_ends_are_defined() {
        let mut x = -87.0f32;
        while x < 88.0 {
            close(exp(x), f64::from(x).exp(), 3e-7);
            x += 0.0371;
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(100.0), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_is_accurate_and_its_ends_are_defined() {
        let mut x = 1e-38f32;
        while x < 1e38 {
            let want = f64::from(x).ln();
            assert!(
                (f64::from(ln(x)) - want).abs() <= 2e-7 * want.abs().max(1.0),
                "{x}"
            );
            x *= 1.037;
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(ln(0.0), f32::NEG_INFINITY);
        assert!(ln(-1.0).is_nan());
        assert!((ln(1e-42) - 1e-42f64.ln() as f32).abs() < 1e-2);
        close(ln_1p(1e-6), 1e-6f64.ln_1p(), 1e-6);
    }

    #[test]
    fn tanh_sigmoid_and_erf_are_accurate() {
        let mut x = -12.0f32;
        while x < 12.0 {
            close(tanh(x), f64::from(x).tanh(), 6e-7);
            close(sigmoid(x), 1.0 / (1.0 + (-f64::from(x)).exp()), 6e-7);
            x += 0.0137;
        }
        // Reference values of erf from Abramowitz and Stegun, table 7.1.
        for (x, want) in [
            (0.0f32, 0.0f64),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
        ] {
            assert!((f64::from(erf(x)) - want).abs() < 3e-7);
            assert!((f64::from(erf(-x)) + want).abs() < 3e-7);
        }
        assert!(tanh(f32::NAN).is_nan() && erf(f32::NAN).is_nan());
    }

    #[test]
    fn half_precision_round_trips_every_pattern() {
        for h in 0..=u16::MAX {
            let x = f16_to_f32(h);
            if x.is_nan() {
                assert!(f16_to_f32(f32_to_f16(x)).is_nan());
            } else {
                assert_eq!(f32_to_f16(x), h, "{h:#06x} {x}");
            }
        }
        assert_eq!(f32_to_f16(65_519.0), 0x7bff);
        assert_eq!(f32_to_f16(65_520.0), 0x7c00);
        assert_eq!(f32_to_f16(1.0 + 1.0 / 2048.0), 0x3c00, "ties go to even");
        assert_eq!(f32_to_f16(1.0 + 3.0 / 2048.0), 0x3c02);
    }

    #[test]
    fn powers() {
        assert_eq!(pow(-3.0, 2.0), 9.0);
        assert_eq!(pow(9.0, 0.5), 3.0);
        assert_eq!(pow(2.0, -2.0), 0.25);
        close(pow(2.5, 1.7), 2.5f64.powf(1.7), 1e-6);
    }
}
