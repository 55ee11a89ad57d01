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
#[rustfmt::skip]
static TABLE: &[(&str, u8)] = &[
    ("AED", 2), ("AFN", 2), ("ALL", 2), ("AMD", 2), ("ANG", 2),
    ("AOA", 2), ("ARS", 2), ("AUD", 2), ("AWG", 2), ("AZN", 2),
    ("BAM", 2), ("BBD", 2), ("BDT", 2), ("BGN", 2), ("BHD", 3),
    ("BIF", 0), ("BMD", 2), ("BND", 2), ("BOB", 2), ("BOV", 2),
    ("BRL", 2), ("BSD", 2), ("BTN", 2), ("BWP", 2), ("BYN", 2),
    ("BZD", 2), ("CAD", 2), ("CDF", 2), ("CHE", 2), ("CHF", 2),
    ("CHW", 2), ("CLF", 4), ("CLP", 0), ("CNY", 2), ("COP", 2),
    ("COU", 2), ("CRC", 2), ("CUC", 2), ("CUP", 2), ("CVE", 2),
    ("CZK", 2), ("DJF", 0), ("DKK", 2), ("DOP", 2), ("DZD", 2),
    ("EGP", 2), ("ERN", 2), ("ETB", 2), ("EUR", 2), ("FJD", 2),
    ("FKP", 2), ("GBP", 2), ("GEL", 2), ("GHS", 2), ("GIP", 2),
    ("GMD", 2), ("GNF", 0), ("GTQ", 2), ("GYD", 2), ("HKD", 2),
    ("HNL", 2), ("HRK", 2), ("HTG", 2), ("HUF", 2), ("IDR", 2),
    ("ILS", 2), ("INR", 2), ("IQD", 3), ("IRR", 2), ("ISK", 0),
    ("JMD", 2), ("JOD", 3), ("JPY", 0), ("KES", 2), ("KGS", 2),
    ("KHR", 2), ("KMF", 0), ("KPW", 2), ("KRW", 0), ("KWD", 3),
    ("KYD", 2), ("KZT", 2), ("LAK", 2), ("LBP", 2), ("LKR", 2),
    ("LRD", 2), ("LSL", 2), ("LYD", 3), ("MAD", 2), ("MDL", 2),
    ("MGA", 2), ("MKD", 2), ("MMK", 2), ("MNT", 2), ("MOP", 2),
    ("MRU", 2), ("MUR", 2), ("MVR", 2), ("MWK", 2), ("MXN", 2),
    ("MXV", 2), ("MYR", 2), ("MZN", 2), ("NAD", 2), ("NGN", 2),
    ("NIO", 2), ("NOK", 2), ("NPR", 2), ("NZD", 2), ("OMR", 3),
    ("PAB", 2), ("PEN", 2), ("PGK", 2), ("PHP", 2), ("PKR", 2),
    ("PLN", 2), ("PYG", 0), ("QAR", 2), ("RON", 2), ("RSD", 2),
    ("RUB", 2), ("RWF", 0), ("SAR", 2), ("SBD", 2), ("SCR", 2),
    ("SDG", 2), ("SEK", 2), ("SGD", 2), ("SHP", 2), ("SLE", 2),
    ("SLL", 2), ("SOS", 2), ("SRD", 2), ("SSP", 2), ("STN", 2),
    ("SVC", 2), ("SYP", 2), ("SZL", 2), ("THB", 2), ("TJS", 2),
    ("TMT", 2), ("TND", 3), ("TOP", 2), ("TRY", 2), ("TTD", 2),
    ("TWD", 2), ("TZS", 2), ("UAH", 2), ("UGX", 0), ("USD", 2),
    ("USN", 2), ("UYI", 0), ("UYU", 2), ("UYW", 4), ("UZS", 2),
    ("VED", 2), ("VES", 2), ("VND", 0), ("VUV", 0), ("WST", 2),
    ("XAD", 2), ("XAF", 0), ("XCD", 2), ("XCG", 2), ("XOF", 0),
    ("XPF", 0), ("YER", 2), ("ZAR", 2), ("ZMW", 2), ("ZWG", 2),
    ("ZWL", 2),
];

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
        let code = code.as_bytes();
        let mut index = 0;
        while index < TABLE.len() {
            let row = TABLE[index].0.as_bytes();
            if row[0] == code[0] && row[1] == code[1] && row[2] == code[2] {
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
        match TABLE.binary_search_by(|(row, _)| (*row).cmp(code)) {
            Ok(index) => Ok(Self(index as u8)),
            Err(_) => Err(Invalid::new(
                &codes::CURRENCY_UNKNOWN,
                format!("{} is not a currency of ISO 4217", quote(code)),
            )),
        }
    }

    /// The three letters.
    pub fn code(self) -> &'static str {
        TABLE[usize::from(self.0)].0
    }

    /// How many decimals the major unit has: 2 for GBP, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        u32::from(TABLE[usize::from(self.0)].1)
    }

    /// Every currency known, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.len()).map(|index| Self(index as u8))
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

/// Takes digits off the front; `None` when there are none.
fn take_digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Sign, whole digits, fraction digits, decimal exponent; by JSON's grammar.
fn split(text: &str) -> Option<(bool, &str, &str, i64)> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, mut rest) = take_digits(rest)?;
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = take_digits(after)?;
    }
    let mut shift = 0;
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let (sign, after) = match after.as_bytes().first() {
            Some(b'-') => (-1, &after[1..]),
            Some(b'+') => (1, &after[1..]),
            _ => (1, after),
        };
        let (power, end) = take_digits(after)?;
        rest = end;
        // A power that doesn't fit is as good as a very large one.
        shift = sign
            * power
                .parse::<i64>()
                .unwrap_or(i64::MAX / 4)
                .min(i64::MAX / 4);
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

fn parse_minor(text: &str, currency: Currency) -> Result<i64, Invalid> {
    let shown = || text.chars().take(40).collect::<String>();
    let Some((negative, whole, fraction, shift)) = split(text) else {
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
    for (position, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
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
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(TABLE.len() < usize::from(u8::MAX));
        for (code, exponent) in TABLE {
            assert!(code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
            assert!(*exponent <= 4);
        }
        // ISO 4217, list one: counts of the codes by exponent.
        let count = |wanted| {
            TABLE
                .iter()
                .filter(|(_, exponent)| *exponent == wanted)
                .count()
        };
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
        fn round_trip(minor in any::<i64>(), index in 0..TABLE.len()) {
            let money = Money::new(minor, Currency(index as u8));
            prop_assert_eq!(Money::parse_decimal(&money.to_decimal(), money.currency), Ok(money));
        }

        #[test]
        fn scientific_form_is_the_same_amount(minor in any::<i64>(), index in 0..TABLE.len()) {
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
