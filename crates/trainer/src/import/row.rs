//! One row of a table, whatever the file format.

use std::borrow::Cow;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Null, or empty text.
    Missing,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A number with its exact decimal text.
    Decimal(String),
    /// Milliseconds since 1970; true when the zone was known.
    Time(i64, bool),
    /// A value that exists but doesn't fit what the program can hold.
    Odd(String),
}

impl<'a> Cell<'a> {
    /// Text, or missing where there is nothing but white space.
    pub(crate) fn of_text(text: &'a str) -> Self {
        if text.trim().is_empty() {
            Self::Missing
        } else {
            Self::Text(text)
        }
    }
}

impl Cell<'_> {
    /// As it would be written; whole floats without a fraction, because tables
    /// from spreadsheets hold customer numbers as 17850.0.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Missing => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text.trim()),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(value.to_string()),
            Self::Decimal(text) | Self::Odd(text) => Cow::Borrowed(text),
            Self::Time(ms, _) => Cow::Owned(shelfedge_commerce::time::Timestamp(*ms).to_string()),
        }
    }

    /// As an identifier: text or a whole number.
    pub(crate) fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(_) | Self::Int(_) => Some(self.text()),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(self.text()),
            Self::Decimal(text) => {
                let whole = match text.split_once('.') {
                    Some((whole, fraction)) if fraction.bytes().all(|b| b == b'0') => whole,
                    None => text,
                    _ => return None,
                };
                Some(Cow::Borrowed(whole))
            }
            _ => None,
        }
    }

    /// As a whole number; a time in milliseconds.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) | Self::Time(value, _) => Some(*value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
            Self::Text(text) => {
                let text = text.trim();
                // 3.0 is 3, as it is in a column of floats.
                let whole = || Self::Float(text.parse().ok()?).int();
                text.parse().ok().or_else(whole)
            }
            Self::Decimal(_) => self.id()?.parse().ok(),
            _ => None,
        }
    }

    /// As a decimal number's text.
    pub(crate) fn decimal(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Int(_) | Self::Decimal(_) => Some(self.text()),
            Self::Float(value) if value.is_finite() => Some(self.text()),
            Self::Text(text) => {
                let text = text.trim();
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                let plain = !digits.is_empty()
                    && digits.bytes().any(|b| b.is_ascii_digit())
                    && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
                    && digits.bytes().filter(|&b| b == b'.').count() <= 1;
                plain.then_some(Cow::Borrowed(text))
            }
            _ => None,
        }
    }
}

/// Parses a decimal's text into minor units, rounding half away from zero;
/// true when digits were lost.
pub(crate) fn minor_units(text: &str, exponent: u32) -> Option<(i64, bool)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let exponent = exponent as usize;
    for i in 0..exponent {
        let digit = fraction
            .as_bytes()
            .get(i)
            .map_or(0, |b| b.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let rest = fraction.as_bytes().get(exponent..).unwrap_or(&[]);
    if rest.iter().any(|b| !b.is_ascii_digit()) {
        return None;
    }
    let rounded = rest.iter().any(|&b| b != b'0');
    if rest.first().is_some_and(|&b| b >= b'5') {
        value += 1;
    }
    let value = i64::try_from(value).ok()?;
    Some((if negative { -value } else { value }, rounded))
}
