//! Points in time: milliseconds since 1970-01-01T00:00:00Z, and RFC 3339.
//!
//! There is no time-zone database: a local hour or weekday is computed from an
//! offset that the caller knows. Days are civil days of the proleptic Gregorian
//! calendar, and every day has 86,400 seconds, as in POSIX.

use std::fmt;
use std::str::FromStr;

use crate::codes;
use crate::fault::{Invalid, quote};

/// Milliseconds in a second.
pub const SECOND: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// 0000-01-01T00:00:00Z, the first moment that RFC 3339 can write.
const FIRST: i64 = days_from_civil(0, 1, 1) * DAY;
/// 9999-12-31T23:59:59.999Z, the last one.
const LAST: i64 = days_from_civil(10_000, 1, 1) * DAY - 1;

/// A point in time: milliseconds since the Unix epoch, UTC.
///
/// ```
/// use shelfedge_commerce::Timestamp;
/// let time = Timestamp::parse_rfc3339("2011-12-09T12:50:00+01:00")?;
/// assert_eq!(time.to_string(), "2011-12-09T11:50:00Z");
/// assert_eq!(time.weekday(0), 4); // a Friday
/// # Ok::<(), shelfedge_commerce::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From microseconds since the epoch (GA4 `timestamp_micros`), rounded down
    /// to the millisecond.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.div_euclid(1_000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Midnight UTC at the start of a civil date, or `None` when there is no
    /// such date in the years 0 to 9999.
    pub fn from_civil(year: i64, month: u32, day: u32) -> Option<Self> {
        let exists = (0..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        exists.then(|| Self(days_from_civil(year, month, day) * DAY))
    }

    /// True when RFC 3339 can write this time, that is, in the years 0000 to
    /// 9999. Input from outside should be held to it.
    pub const fn is_writable(self) -> bool {
        self.0 >= FIRST && self.0 <= LAST
    }

    /// Reads RFC 3339, such as `2011-12-09T12:50:00.25+01:00`. Fractions finer
    /// than a millisecond are cut off. A leap second (`23:59:60` UTC) is the
    /// first moment of the next day.
    ///
    /// # Errors
    /// When the text has another form, names a date or time that doesn't exist,
    /// or lies outside the years 0000 to 9999 in UTC.
    pub fn parse_rfc3339(text: &str) -> Result<Self, Invalid> {
        parse(text)
    }

    /// The UTC day: whole days since the epoch, negative before it.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// The day at a place whose clocks are `offset_minutes` ahead of UTC.
    pub const fn local_day(self, offset_minutes: i32) -> i64 {
        self.local(offset_minutes).div_euclid(DAY)
    }

    /// The hour of the day, 0 to 23, at a place `offset_minutes` ahead of UTC.
    pub const fn hour(self, offset_minutes: i32) -> u32 {
        (self.local(offset_minutes).rem_euclid(DAY) / HOUR) as u32
    }

    /// The day of the week, 0 (Monday) to 6 (Sunday), at a place
    /// `offset_minutes` ahead of UTC.
    pub const fn weekday(self, offset_minutes: i32) -> u32 {
        // 1970-01-01 was a Thursday, which is 3 when Monday is 0.
        (self.local_day(offset_minutes) + 3).rem_euclid(7) as u32
    }

    /// The civil date in UTC: year, month (1 to 12), day (1 to 31).
    pub const fn date(self) -> (i64, u32, u32) {
        civil_from_days(self.day())
    }

    /// Milliseconds from an earlier time to this one; negative when `earlier`
    /// is later. Saturates instead of overflowing.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by some milliseconds, saturating.
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    const fn local(self, offset_minutes: i32) -> i64 {
        self.0.saturating_add(offset_minutes as i64 * MINUTE)
    }
}

/// RFC 3339 in UTC with `Z`; milliseconds only when there are any. Years beyond
/// 9999 or before 0 are written with a sign, which RFC 3339 can't read back.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        let rest = self.0.rem_euclid(DAY);
        if !(0..=9999).contains(&year) {
            write!(f, "{year:+}")?;
        } else {
            write!(f, "{year:04}")?;
        }
        write!(
            f,
            "-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            rest / HOUR,
            rest % HOUR / MINUTE,
            rest % MINUTE / SECOND
        )?;
        let millis = rest % SECOND;
        if millis != 0 {
            write!(f, ".{millis:03}")?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse_rfc3339(text)
    }
}

/// Days since 1970-01-01 of a civil date. The year is made to begin in March,
/// so that the leap day is its last; then months follow a linear rule, and 400
/// years always have 146,097 days.
const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month as u32, day)
}

const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads exactly `count` digits at `at`.
fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let mut value = 0;
    for byte in bytes.get(at..at + count)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    Some(value)
}

/// Year, month, day, hour, minute, second, millisecond, offset in minutes; as
/// written, not yet known to exist.
fn fields(bytes: &[u8]) -> Option<[i64; 8]> {
    let separators =
        |marks: &[(usize, u8)]| marks.iter().all(|&(at, mark)| bytes.get(at) == Some(&mark));
    if !separators(&[(4, b'-'), (7, b'-'), (13, b':'), (16, b':')])
        || !matches!(bytes.get(10), Some(b'T' | b't'))
    {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let start = at;
        let mut unit = 100;
        while let Some(byte) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            millis += i64::from(byte - b'0') * unit;
            unit /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && bytes[at + 3] == b':' => {
            let (hours, minutes) = (digits(bytes, at + 1, 2)?, digits(bytes, at + 4, 2)?);
            // An offset of 24 hours or 60 minutes is put out of range on purpose.
            let minutes = if hours > 23 || minutes > 59 {
                i64::MAX
            } else {
                hours * 60 + minutes
            };
            if *sign == b'-' && minutes != i64::MAX {
                -minutes
            } else {
                minutes
            }
        }
        _ => return None,
    };
    Some([
        digits(bytes, 0, 4)?,
        digits(bytes, 5, 2)?,
        digits(bytes, 8, 2)?,
        digits(bytes, 11, 2)?,
        digits(bytes, 14, 2)?,
        digits(bytes, 17, 2)?,
        millis,
        offset,
    ])
}

fn parse(text: &str) -> Result<Timestamp, Invalid> {
    let Some([year, month, day, hour, minute, second, millis, offset]) = fields(text.as_bytes())
    else {
        return Err(Invalid::new(
            &codes::TIME_MALFORMED,
            format!("{} is not an RFC 3339 time", quote(text)),
        ));
    };
    let nonexistent = || {
        Invalid::new(
            &codes::TIME_OUT_OF_RANGE,
            format!("{} doesn't exist or is out of range", quote(text)),
        )
    };
    let midnight = Timestamp::from_civil(year, month as u32, day as u32).ok_or_else(nonexistent)?;
    if hour > 23 || minute > 59 || second > 60 || offset == i64::MAX {
        return Err(nonexistent());
    }
    let whole = midnight.0 + hour * HOUR + minute * MINUTE + second * SECOND - offset * MINUTE;
    if second == 60 && whole.rem_euclid(DAY) != 0 {
        return Err(nonexistent());
    }
    // The fraction of a leap second has no place of its own.
    let time = Timestamp(if second == 60 { whole } else { whole + millis });
    if time.is_writable() {
        Ok(time)
    } else {
        Err(nonexistent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(text: &str) -> Result<String, &'static str> {
        Timestamp::parse_rfc3339(text)
            .map(|time| time.to_string())
            .map_err(|invalid| invalid.code.id)
    }

    #[test]
    fn reads_and_writes() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2011-12-09T12:50:00+01:00", "2011-12-09T11:50:00Z"),
            ("2011-12-09t12:50:00.5z", "2011-12-09T12:50:00.500Z"),
            ("2012-02-29T23:30:00-01:00", "2012-03-01T00:30:00Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("2017-01-01T08:59:60.7+09:00", "2017-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(code(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "2011-12-09",
            "2011-12-09T12:50:00",
            "2011-12-09 12:50:00Z",
            "2011-12-09T12:50Z",
            "2011-12-09T12:50:00.Z",
            "2011-12-09T12:50:00+0100",
            "2011-12-09T12:50:00Zz",
            "+011-12-09T12:50:00Z",
            "２011-12-09T12:50:00Z",
        ] {
            assert_eq!(code(text), Err("time_malformed"), "{text}");
        }
        for text in [
            "2011-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2011-13-01T00:00:00Z",
            "2011-00-01T00:00:00Z",
            "2011-04-31T00:00:00Z",
            "2011-12-09T24:00:00Z",
            "2011-12-09T12:60:00Z",
            "2011-12-09T12:50:60Z",
            "2011-12-09T12:50:00+24:00",
            "2011-12-09T12:50:00-01:60",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(code(text), Err("time_out_of_range"), "{text}");
        }
    }

    #[test]
    fn local_hours_and_weekdays() {
        let time: Timestamp = "2011-12-09T23:30:00Z".parse().expect("a time");
        assert_eq!((time.hour(0), time.weekday(0)), (23, 4));
        assert_eq!((time.hour(60), time.weekday(60)), (0, 5));
        assert_eq!((time.hour(-24 * 60), time.weekday(-24 * 60)), (23, 3));
        let before: Timestamp = "1969-12-31T23:59:59Z".parse().expect("a time");
        assert_eq!(
            (before.day(), before.weekday(0), before.hour(0)),
            (-1, 2, 23)
        );
        // No overflow at the ends of the number line.
        let _ = (
            Timestamp(i64::MAX).hour(i32::MAX),
            Timestamp(i64::MIN).weekday(i32::MIN),
        );
        let _ = (
            Timestamp(i64::MAX).to_string(),
            Timestamp(i64::MIN).to_string(),
        );
    }

    proptest! {
        #[test]
        fn round_trip(millis in FIRST..=LAST) {
            let time = Timestamp(millis);
            prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Ok(time));
            let (year, month, day) = time.date();
            let midnight = Timestamp::from_civil(year, month, day).expect("a date");
            prop_assert_eq!(midnight.day(), time.day());
        }

        #[test]
        fn consecutive_days_have_consecutive_dates(day in -800_000i64..2_900_000) {
            let (year, month, date) = civil_from_days(day);
            let next = civil_from_days(day + 1);
            let expected = if date < days_in_month(year, month) {
                (year, month, date + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn never_panics(text in "\\PC*", digits in "[0-9TZ:.+-]{0,40}") {
            let _ = Timestamp::parse_rfc3339(&text);
            let _ = Timestamp::parse_rfc3339(&digits);
        }
    }
}
