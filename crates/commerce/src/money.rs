//! Money: integer minor units with their currency.
//!
//! An amount is read from the decimal text as it was sent, by its currency's
//! exponent, and never passes through a float: `2.55` GBP is 255 pence exactly.
//! Digits that the currency doesn't have are a fault unless they are zeros,
//! because `2.550` is the same price and `2.555` isn't a price.

use std::fmt;
use std::str::FromStr;

use crate::codes;
use crate::fault::{Invalid, quote};

/// The codes of ISO 4217 that have minor units, with their exponents, sorted by
/// code. Funds codes (BOV, CLF, COU, MXV, USN, UYI, UYW, CHE, CHW) are active
/// codes and are listed. Codes without minor units (gold, SDR, testing, "no
/// currency": XAU, XDR, XTS, XXX and the like) can't price a product and are
/// not. ANG, BGN, CUC, HRK, SLL and ZWL were withdrawn between 2021 and 2026;
/// they stay, because a shop's order history still uses them.
///
/// Packed in one text, three letters and a digit each, because a list of pairs
/// with pointers would be five times as large in wasm.
static TABLE: &str = "\
    AED2AFN2ALL2AMD2ANG2AOA2ARS2AUD2AWG2AZN2BAM2BBD2BDT2BGN2BHD3\
    BIF0BMD2BND2BOB2BOV2BRL2BSD2BTN2BWP2BYN2BZD2CAD2CDF2CHE2CHF2\
    CHW2CLF4CLP0CNY2COP2COU2CRC2CUC2CUP2CVE2CZK2DJF0DKK2DOP2DZD2\
    EGP2ERN2ETB2EUR2FJD2FKP2GBP2GEL2GHS2GIP2GMD2GNF0GTQ2GYD2HKD2\
    HNL2HRK2HTG2HUF2IDR2ILS2INR2IQD3IRR2ISK0JMD2JOD3JPY0KES2KGS2\
    KHR2KMF0KPW2KRW0KWD3KYD2KZT2LAK2LBP2LKR2LRD2LSL2LYD3MAD2MDL2\
    MGA2MKD2MMK2MNT2MOP2MRU2MUR2MVR2MWK2MXN2MXV2MYR2MZN2NAD2NGN2\
    NIO2NOK2NPR2NZD2OMR3PAB2PEN2PGK2PHP2PKR2PLN2PYG0QAR2RON2RSD2\
    RUB2RWF0SAR2SBD2SCR2SDG2SEK2SGD2SHP2SLE2SLL2SOS2SRD2SSP2STN2\
    SVC2SYP2SZL2THB2TJS2TMT2TND3TOP2TRY2TTD2TWD2TZS2UAH2UGX0USD2\
    USN2UYI0UYU2UYW4UZS2VED2VES2VND0VUV0WST2XAD2XAF0XCD2XCG2XOF0\
    XPF0YER2ZAR2ZMW2ZWG2ZWL2";

/// The number of rows.
const COUNT: usize = TABLE.len() / 4;

/// A row of the table: code and exponent.
fn row(index: usize) -> (&'static str, u8) {
    let code = TABLE.get(4 * index..4 * index + 3).unwrap_or_default();
    (code, TABLE.as_bytes()[4 * index + 3] - b'0')
}

/// A currency of ISO 4217.
///
/// Ordered by code. It is an index into the table of this version, so that
/// the exponent costs nothing to look up; store the code, never the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u8);

impl Currency {
    /// Pound sterling.
    pub const GBP: Self = Self::known("GBP");
    /// Euro.
    pub const EUR: Self = Self::known("EUR");
    /// United States dollar.
    pub const USD: Self = Self::known("USD");
    /// Renminbi.
    pub const CNY: Self = Self::known("CNY");
    /// Yen, which has no minor unit.
    pub const JPY: Self = Self::known("JPY");

    /// Finds a code in the table while compiling.
    const fn known(code: &str) -> Self {
        let (code, table) = (code.as_bytes(), TABLE.as_bytes());
        let mut index = 0;
        while index < COUNT {
            let at = 4 * index;
            if table[at] == code[0] && table[at + 1] == code[1] && table[at + 2] == code[2] {
                return Self(index as u8);
            }
            index += 1;
        }
        panic!("not in the table")
    }

    /// The currency of a code such as `GBP`, in capitals.
    ///
    /// # Errors
    /// When there is no such currency with minor units.
    pub fn parse(code: &str) -> Result<Self, Invalid> {
        match Self::all().find(|currency| currency.code() == code) {
            Some(currency) => Ok(currency),
            None => Err(Invalid::new(
                &codes::CURRENCY_UNKNOWN,
                format!("{} is not a currency of ISO 4217", quote(code)),
            )),
        }
    }

    /// The three letters.
    pub fn code(self) -> &'static str {
        row(usize::from(self.0)).0
    }

    /// How many decimals the major unit has: 2 for GBP, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        u32::from(row(usize::from(self.0)).1)
    }

    /// Every currency known, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(|index| Self(index as u8))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = Invalid;
    fn from_str(code: &str) -> Result<Self, Invalid> {
        Self::parse(code)
    }
}

/// An amount: minor units (pence, cents, yen) and their currency.
///
/// Arithmetic is checked, and two currencies never meet in it.
///
/// ```
/// use shelfedge_commerce::{Currency, Money};
/// let price = Money::parse_decimal("2.55", Currency::GBP)?;
/// assert_eq!(price.minor, 255);
/// assert_eq!(price.times(6)?.to_string(), "15.30 GBP");
/// assert!(Money::parse_decimal("2.555", Currency::GBP).is_err());
/// # Ok::<(), shelfedge_commerce::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// The amount in the smallest unit of the currency.
    pub minor: i64,
    /// Whose unit it is.
    pub currency: Currency,
}

impl Money {
    /// An amount of minor units.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in some currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// Reads the decimal text of a JSON number (`-2.55`, `2`, `2.5e1`) as an
    /// amount of the currency. Leading zeros and a bare point are refused as in
    /// JSON; blanks, thousands separators and currency signs are too.
    ///
    /// # Errors
    /// When the text isn't such a number, names NaN or an infinity, has digits
    /// other than zero beyond the currency's decimals, or is too large.
    pub fn parse_decimal(text: &str, currency: Currency) -> Result<Self, Invalid> {
        let minor = parse_minor(text, currency)?;
        Ok(Self { minor, currency })
    }

    /// The amount as decimal text with all the currency's decimals, such as
    /// `2.50`. [`Money::parse_decimal`] reads it back.
    pub fn to_decimal(self) -> String {
        let exponent = self.currency.exponent();
        let unit = 10u64.pow(exponent);
        let (whole, part) = (
            self.minor.unsigned_abs() / unit,
            self.minor.unsigned_abs() % unit,
        );
        let sign = if self.minor < 0 { "-" } else { "" };
        if exponent == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{part:0width$}", width = exponent as usize)
        }
    }

    /// The sum.
    ///
    /// # Errors
    /// When the currencies differ or the sum doesn't fit.
    pub fn plus(self, other: Self) -> Result<Self, Invalid> {
        self.same(other)?;
        self.fits(self.minor.checked_add(other.minor), "the sum")
    }

    /// The difference.
    ///
    /// # Errors
    /// When the currencies differ or the difference doesn't fit.
    pub fn minus(self, other: Self) -> Result<Self, Invalid> {
        self.same(other)?;
        self.fits(self.minor.checked_sub(other.minor), "the difference")
    }

    /// The amount of several.
    ///
    /// # Errors
    /// When the product doesn't fit.
    pub fn times(self, count: u32) -> Result<Self, Invalid> {
        self.fits(self.minor.checked_mul(i64::from(count)), "the product")
    }

    /// The sum of many amounts, zero when there are none.
    ///
    /// # Errors
    /// When a currency differs from `currency` or the sum doesn't fit.
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, Invalid> {
        amounts
            .into_iter()
            .try_fold(Self::zero(currency), Self::plus)
    }

    fn same(self, other: Self) -> Result<(), Invalid> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(Invalid::new(
                &codes::CURRENCY_MIXED,
                format!("{} and {} don't add up", self.currency, other.currency),
            ))
        }
    }

    fn fits(self, minor: Option<i64>, what: &str) -> Result<Self, Invalid> {
        match minor {
            Some(minor) => Ok(Self { minor, ..self }),
            None => Err(Invalid::new(
                &codes::MONEY_OUT_OF_RANGE,
                format!("{what} doesn't fit"),
            )),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}

/// Takes digits off the front; `None` when there are none. Works on bytes,
/// because a `str` that is cut at a wrong place panics, and the text of that
/// panic costs several kilobytes of wasm.
fn take_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let end = end.unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Sign, whole digits, fraction digits, decimal exponent; by JSON's grammar.
fn split(text: &[u8]) -> Option<(bool, &[u8], &[u8], i64)> {
    let (negative, rest) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, mut rest) = take_digits(rest)?;
    if whole.len() > 1 && whole[0] == b'0' {
        return None;
    }
    let mut fraction = &b""[..];
    if let [b'.', after @ ..] = rest {
        (fraction, rest) = take_digits(after)?;
    }
    let mut shift = 0;
    if let [b'e' | b'E', after @ ..] = rest {
        let (sign, after) = match after {
            [b'-', after @ ..] => (-1, after),
            [b'+', after @ ..] => (1, after),
            _ => (1, after),
        };
        let (power, end) = take_digits(after)?;
        rest = end;
        // A power beyond this bound is as good as the bound: nothing fits.
        let power = power.iter().fold(0, |power: i64, digit| {
            (power * 10 + i64::from(digit - b'0')).min(1 << 48)
        });
        shift = sign * power;
    }
    rest.is_empty()
        .then_some((negative, whole, fraction, shift))
}

/// Reads the decimal text of a JSON number as a whole number: `6`, `6.0` and
/// `60e-1` are six, because JSON doesn't tell whole numbers apart. `None` when
/// the text isn't a whole number or doesn't fit.
pub fn parse_whole(text: &str) -> Option<i64> {
    // A yen has no decimals, so an amount of yen is a whole number.
    parse_minor(text, Currency::JPY).ok()
}

/// Reads the decimal text of a JSON number as basis points: `0.25` is 2,500. `None`
/// when the text isn't a number, has other digits than zeros beyond the fourth
/// decimal, or doesn't fit.
pub fn parse_basis_points(text: &str) -> Option<i64> {
    // A unidad de fomento has four decimals.
    const FOUR_DECIMALS: Currency = Currency::known("CLF");
    parse_minor(text, FOUR_DECIMALS).ok()
}

fn parse_minor(text: &str, currency: Currency) -> Result<i64, Invalid> {
    // What a number's grammar accepts is ASCII; only its length can be hostile.
    let shown = || text.get(..40).unwrap_or(text);
    let Some((negative, whole, fraction, shift)) = split(text.as_bytes()) else {
        let bare = text.trim_start_matches(['-', '+']).to_ascii_lowercase();
        return Err(if matches!(bare.as_str(), "nan" | "inf" | "infinity") {
            Invalid::new(
                &codes::MONEY_NOT_FINITE,
                format!("{} is not a finite amount", quote(text)),
            )
        } else {
            Invalid::new(
                &codes::MONEY_MALFORMED,
                format!("{} is not a decimal number", quote(text)),
            )
        });
    };
    let too_large = || {
        Invalid::new(
            &codes::MONEY_OUT_OF_RANGE,
            format!("{} {currency} doesn't fit", shown()),
        )
    };
    // The digits with the decimal point moved to the end of the minor units:
    // the first `kept` digits make the amount, the rest must be zeros.
    let kept = whole.len() as i64 + shift + i64::from(currency.exponent());
    let mut minor: i64 = 0;
    for (position, byte) in whole.iter().chain(fraction).enumerate() {
        let digit = i64::from(byte - b'0');
        if (position as i64) < kept {
            minor = minor
                .checked_mul(10)
                .and_then(|value| {
                    if negative {
                        value.checked_sub(digit)
                    } else {
                        value.checked_add(digit)
                    }
                })
                .ok_or_else(too_large)?;
        } else if digit != 0 {
            return Err(Invalid::new(
                &codes::MONEY_SURPLUS_DIGITS,
                format!(
                    "{} has more than the {} decimals of {currency}",
                    shown(),
                    currency.exponent()
                ),
            ));
        }
    }
    let written = (whole.len() + fraction.len()) as i64;
    // A power of ten beyond the digits appends zeros; zero stays zero.
    let mut missing = kept.saturating_sub(written);
    while missing > 0 && minor != 0 {
        minor = minor.checked_mul(10).ok_or_else(too_large)?;
        missing -= 1;
    }
    Ok(minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(text: &str, code: &str) -> Result<i64, &'static str> {
        let currency = Currency::parse(code).map_err(|invalid| invalid.code.id)?;
        Money::parse_decimal(text, currency)
            .map(|money| money.minor)
            .map_err(|invalid| invalid.code.id)
    }

    #[test]
    fn the_table_is_sorted_and_well_formed() {
        assert!(TABLE.is_ascii() && TABLE.len() == 4 * COUNT && COUNT < usize::from(u8::MAX));
        let rows: Vec<_> = (0..COUNT).map(row).collect();
        assert!(rows.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (code, exponent) in &rows {
            assert!(code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
            assert!(*exponent <= 4);
        }
        // ISO 4217, list one: counts of the codes by exponent.
        let count = |wanted| rows.iter().filter(|(_, it)| *it == wanted).count();
        assert_eq!((count(0), count(1), count(3), count(4)), (17, 0, 7, 2));
    }

    #[test]
    fn exponents() {
        for (code, exponent) in [("GBP", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("MRU", 2)] {
            assert_eq!(Currency::parse(code).expect(code).exponent(), exponent);
        }
        for code in ["", "gbp", "GB", "GBPX", "XXX", "XAU", "DEM", "£"] {
            assert_eq!(minor("1", code), Err("currency_unknown"), "{code}");
        }
        for currency in Currency::all() {
            assert_eq!(Currency::parse(currency.code()), Ok(currency));
        }
        assert_eq!(Currency::JPY.code(), "JPY");
    }

    #[test]
    fn basis_points() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.25", Some(2_500)),
            ("1.0000", Some(10_000)),
            ("25e-2", Some(2_500)),
            ("-0.0001", Some(-1)),
            ("0.00010", Some(1)),
            ("0.00001", None),
            ("NaN", None),
            ("Infinity", None),
            ("1e300", None),
        ] {
            assert_eq!(parse_basis_points(text), expected, "{text}");
        }
    }

    #[test]
    fn decimals_by_exponent() {
        for (text, code, expected) in [
            ("2.55", "GBP", Ok(255)),
            ("2.5", "GBP", Ok(250)),
            ("2", "GBP", Ok(200)),
            ("-0", "GBP", Ok(0)),
            ("-0.01", "GBP", Ok(-1)),
            ("2.550", "GBP", Ok(255)),
            ("2.555", "GBP", Err("money_surplus_digits")),
            ("0.001", "GBP", Err("money_surplus_digits")),
            ("100.0", "JPY", Ok(100)),
            ("100.5", "JPY", Err("money_surplus_digits")),
            ("1.234", "KWD", Ok(1_234)),
            ("1.2345", "KWD", Err("money_surplus_digits")),
            ("2.5e1", "GBP", Ok(2_500)),
            ("255e-2", "GBP", Ok(255)),
            ("2555E-3", "GBP", Err("money_surplus_digits")),
            ("1e-3", "GBP", Err("money_surplus_digits")),
            ("1E+2", "JPY", Ok(100)),
            ("0e999999999999999999999", "GBP", Ok(0)),
            ("0e-999999999999999999999", "GBP", Ok(0)),
            (
                "1e-999999999999999999999",
                "GBP",
                Err("money_surplus_digits"),
            ),
            ("1e999999999999999999999", "GBP", Err("money_out_of_range")),
            ("1e19", "GBP", Err("money_out_of_range")),
            ("92233720368547758.07", "GBP", Ok(i64::MAX)),
            ("-92233720368547758.08", "GBP", Ok(i64::MIN)),
            ("92233720368547758.08", "GBP", Err("money_out_of_range")),
            ("NaN", "GBP", Err("money_not_finite")),
            ("-Infinity", "GBP", Err("money_not_finite")),
            ("inf", "GBP", Err("money_not_finite")),
            ("", "GBP", Err("money_malformed")),
            ("-", "GBP", Err("money_malformed")),
            (".5", "GBP", Err("money_malformed")),
            ("5.", "GBP", Err("money_malformed")),
            ("05", "GBP", Err("money_malformed")),
            ("+5", "GBP", Err("money_malformed")),
            (" 5", "GBP", Err("money_malformed")),
            ("1,000", "GBP", Err("money_malformed")),
            ("1e", "GBP", Err("money_malformed")),
            ("0x10", "GBP", Err("money_malformed")),
            ("٥", "GBP", Err("money_malformed")),
        ] {
            assert_eq!(minor(text, code), expected, "{text} {code}");
        }
    }

    #[test]
    fn whole_numbers() {
        for (text, expected) in [
            ("6", Some(6)),
            ("6.0", Some(6)),
            ("60e-1", Some(6)),
            ("-6", Some(-6)),
            ("6.5", None),
            ("1e30", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(parse_whole(text), expected, "{text}");
        }
    }

    #[test]
    fn arithmetic_is_checked() {
        let pound = Money::new(100, Currency::GBP);
        let euro = Money::new(100, Currency::EUR);
        assert_eq!(pound.plus(pound), Ok(Money::new(200, Currency::GBP)));
        assert_eq!(pound.minus(pound), Ok(Money::zero(Currency::GBP)));
        let code = |result: Result<Money, Invalid>| result.map_err(|invalid| invalid.code.id);
        assert_eq!(code(pound.plus(euro)), Err("currency_mixed"));
        assert_eq!(code(pound.minus(euro)), Err("currency_mixed"));
        let huge = Money::new(i64::MAX, Currency::GBP);
        assert_eq!(code(huge.plus(pound)), Err("money_out_of_range"));
        assert_eq!(code(huge.times(2)), Err("money_out_of_range"));
        assert_eq!(
            code(Money::sum(Currency::GBP, [pound, euro])),
            Err("currency_mixed")
        );
        assert_eq!(
            Money::sum(Currency::GBP, []),
            Ok(Money::zero(Currency::GBP))
        );
    }

    proptest! {
        #[test]
        fn round_trip(minor in any::<i64>(), index in 0..COUNT) {
            let money = Money::new(minor, Currency(index as u8));
            prop_assert_eq!(Money::parse_decimal(&money.to_decimal(), money.currency), Ok(money));
        }

        #[test]
        fn scientific_form_is_the_same_amount(minor in any::<i64>(), index in 0..COUNT) {
            let currency = Currency(index as u8);
            let text = format!("{minor}e-{}", currency.exponent());
            prop_assert_eq!(Money::parse_decimal(&text, currency), Ok(Money::new(minor, currency)));
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE]{0,30}", other in any::<String>()) {
            for currency in [Currency::GBP, Currency::JPY] {
                let _ = Money::parse_decimal(&text, currency);
                let _ = Money::parse_decimal(&other, currency);
            }
        }
    }
}
