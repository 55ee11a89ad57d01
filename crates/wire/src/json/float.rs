//! `f32` to the shortest decimal text that reads back as the same `f32`.
//!
//! The interval method of Raffaello Giulietti's Schubfach, for single precision:
//! scale the value and the ends of its rounding interval by a power of ten, so
//! that the shortest candidates are the whole numbers inside. 77 scaled powers
//! of ten suffice; they are computed exactly when this crate is compiled. A
//! library for both precisions would bring ten kilobytes of tables to every
//! shopper for digits that are never printed.
//!
//! The text has the form that serde_json gives it, so that anyone can check our
//! bytes: fixed notation for exponents from -6 to 12, scientific otherwise.

use super::write::decimal;

const MIN_POWER: i32 = -31;
const MAX_POWER: i32 = 45;

/// For each power `k`: the least `g` with `g * 2^e >= 10^k`, where `e` makes `g`
/// fill 64 bits.
static POWERS: [u64; (MAX_POWER - MIN_POWER + 1) as usize] = powers();

const fn powers() -> [u64; (MAX_POWER - MIN_POWER + 1) as usize] {
    let mut table = [0; (MAX_POWER - MIN_POWER + 1) as usize];
    let mut index = 0;
    while index < table.len() {
        table[index] = scaled_power(index as i32 + MIN_POWER);
        index += 1;
    }
    table
}

/// The top 64 bits of `10^k`, rounded up. Twos don't matter, so it is enough to
/// look at `5^k`; `5^45` has 105 bits.
const fn scaled_power(k: i32) -> u64 {
    let five = 5u128.pow(k.unsigned_abs());
    if k >= 0 {
        let bits = 128 - five.leading_zeros();
        if bits <= 64 {
            (five as u64) << (64 - bits)
        } else {
            let shift = bits - 64;
            let exact = five.trailing_zeros() >= shift;
            (five >> shift) as u64 + if exact { 0 } else { 1 }
        }
    } else {
        // 1 / five in binary, digit by digit: skip the zeros, keep 64 bits.
        let mut rest: u128 = 1;
        let mut quotient: u64 = 0;
        while quotient >> 63 == 0 {
            rest <<= 1;
            quotient <<= 1;
            if rest >= five {
                rest -= five;
                quotient |= 1;
            }
        }
        quotient + if rest == 0 { 0 } else { 1 }
    }
}

/// floor(log10(2^q)), and floor(log10(3/4 * 2^q)) for the lopsided intervals at
/// powers of two; exact for the exponents of `f32`.
const fn log10_pow2(q: i32, lopsided: bool) -> i32 {
    (q * 1_262_611 - if lopsided { 524_031 } else { 0 }) >> 22
}

/// floor(log2(10^k)).
const fn log2_pow10(k: i32) -> i32 {
    (k * 1_741_647) >> 19
}

/// The top bits of a product, with a last bit that says whether anything was cut
/// off, which is all that the comparisons need.
fn scaled(g: u64, value: u32) -> u32 {
    let product = u128::from(g) * u128::from(value);
    let cut = (product >> 32) as u32;
    (product >> 64) as u32 | u32::from(cut > 1)
}

/// The shortest digits and power of ten of a positive finite value: `(digits,
/// power)` stands for `digits * 10^power`, the nearest to the value among the
/// shortest.
fn shortest(bits: u32) -> (u32, i32) {
    let fraction = bits & 0x7f_ffff;
    let exponent = (bits >> 23) as i32;
    let (significand, q) = if exponent == 0 {
        (fraction, -149)
    } else {
        (fraction | 0x80_0000, exponent - 150)
    };
    // Below a power of two the neighbours are twice as near.
    let lopsided = fraction == 0 && exponent > 1;
    let odd = significand & 1;

    // Four times the value and the two ends of its interval.
    let value = significand << 2;
    let upper = value + 2;
    let lower = value - if lopsided { 1 } else { 2 };

    let k = log10_pow2(q, lopsided);
    let h = q + log2_pow10(-k) + 1;
    let g = POWERS[(-k - MIN_POWER) as usize];
    let lower = scaled(g, lower << h) + odd;
    let value = scaled(g, value << h);
    let upper = scaled(g, upper << h) - odd;

    let below = value >> 2;
    if below >= 10 {
        // A digit fewer, if exactly one such number lies inside.
        let tens = below / 10;
        let low_inside = lower <= 40 * tens;
        let high_inside = 40 * (tens + 1) <= upper;
        if low_inside != high_inside {
            return (tens + u32::from(high_inside), k + 1);
        }
    }
    let low_inside = lower <= 4 * below;
    let high_inside = 4 * (below + 1) <= upper;
    let up = if low_inside == high_inside {
        // Both or neither inside: the nearer one, the even one of a tie.
        let middle = 4 * below + 2;
        value > middle || value == middle && below % 2 == 1
    } else {
        high_inside
    };
    (below + u32::from(up), k)
}

/// Appends the text of a number, or `null` when it isn't finite.
pub(crate) fn push_f32(bytes: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        bytes.extend_from_slice(b"null");
        return;
    }
    if value.is_sign_negative() {
        bytes.push(b'-');
    }
    if value == 0.0 {
        bytes.extend_from_slice(b"0.0");
        return;
    }
    let (mut digits, mut power) = shortest(value.to_bits() & 0x7fff_ffff);
    while digits.is_multiple_of(10) {
        digits /= 10;
        power += 1;
    }
    let mut buffer = [0; 20];
    let digits = decimal(&mut buffer, digits.into());
    // The exponent of scientific notation: where the first digit stands.
    let leading = power + digits.len() as i32 - 1;
    if !(-6..=12).contains(&leading) {
        let (first, rest) = digits.split_at(1);
        bytes.extend_from_slice(first);
        if !rest.is_empty() {
            bytes.push(b'.');
            bytes.extend_from_slice(rest);
        }
        bytes.extend_from_slice(if leading < 0 { b"e-" } else { b"e+" });
        bytes.extend_from_slice(decimal(&mut [0; 20], leading.unsigned_abs().into()));
    } else if leading < 0 {
        bytes.extend_from_slice(b"0.");
        zeros(bytes, -leading - 1);
        bytes.extend_from_slice(digits);
    } else if power < 0 {
        let (whole, fraction) = digits.split_at(leading as usize + 1);
        bytes.extend_from_slice(whole);
        bytes.push(b'.');
        bytes.extend_from_slice(fraction);
    } else {
        bytes.extend_from_slice(digits);
        zeros(bytes, power);
        bytes.extend_from_slice(b".0");
    }
}

fn zeros(bytes: &mut Vec<u8>, count: i32) {
    for _ in 0..count {
        bytes.push(b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f32) -> String {
        let mut bytes = Vec::new();
        push_f32(&mut bytes, value);
        String::from_utf8(bytes).expect("ASCII")
    }

    #[track_caller]
    fn check(value: f32) {
        let ours = text(value);
        assert_eq!(
            ours,
            serde_json::to_string(&value).expect("a number"),
            "{value:e}"
        );
        if value.is_finite() {
            assert_eq!(ours.parse::<f32>().map(f32::to_bits), Ok(value.to_bits()));
        }
    }

    #[test]
    fn corner_cases() {
        for value in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            0.3,
            1.2345678,
            1e-6,
            9.999999e-7,
            1e12,
            1e13,
            12_345_678.0,
            16_777_216.0,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            f32::from_bits(0x7f_ffff),
            f32::MAX,
            f32::EPSILON,
            f32::NAN,
            f32::INFINITY,
        ] {
            check(value);
        }
    }

    #[test]
    fn every_power_of_two_and_its_neighbours() {
        for exponent in 0..255u32 {
            for bits in [
                exponent << 23,
                (exponent << 23) + 1,
                (exponent << 23 | 0x7f_ffff),
            ] {
                check(f32::from_bits(bits));
            }
        }
    }

    #[test]
    fn a_stride_through_all_values() {
        // A prime stride visits every exponent with changing fractions.
        for bits in (0..0x7f80_0000u32).step_by(20_011) {
            check(f32::from_bits(bits));
        }
    }

    proptest! {
        #[test]
        fn any_bits(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assert_eq!(text(value), serde_json::to_string(&value).expect("a number"));
        }
    }
}
