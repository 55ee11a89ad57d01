//! Days and times, as civil values of the request's zone: what a clock on the wall there
//! would show. ISO 8601 writes them.

use core::fmt;

use shelfedge_commerce::Timestamp;
use shelfedge_commerce::time::{DAY, MINUTE};

/// When a text was written, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// Minutes that the place is ahead of UTC.
    pub zone: i32,
}

impl Clock {
    /// The day there.
    #[must_use]
    pub const fn today(self) -> Date {
        Date(self.now.local_day(self.zone))
    }

    /// The day and time there, some minutes later.
    pub(super) fn later(self, minutes: i64) -> Option<When> {
        let local = (self
            .now
            .millis()
            .checked_add(i64::from(self.zone) * MINUTE)?)
        .div_euclid(MINUTE)
        .checked_add(minutes)?;
        let time = Time(local.rem_euclid(1440) as u16);
        Some(When::Moment(Date::at(local.div_euclid(1440))?, time))
    }
}

impl From<i64> for Clock {
    /// Milliseconds since 1970, in UTC.
    fn from(millis: i64) -> Self {
        Self {
            now: Timestamp(millis),
            zone: 0,
        }
    }
}

/// A day of the proleptic Gregorian calendar, in the years 0 to 9999: the days since
/// 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// `None` where there is no such day.
    #[must_use]
    pub fn new(year: i64, month: u32, day: u32) -> Option<Self> {
        Timestamp::from_civil(year, month, day).map(|at| Self(at.day()))
    }

    /// The year, the month from 1, the day from 1.
    #[must_use]
    pub const fn parts(self) -> (i64, u32, u32) {
        Timestamp(self.0 * DAY).date()
    }

    /// From 0, Monday.
    #[must_use]
    pub const fn weekday(self) -> u32 {
        (self.0 + 3).rem_euclid(7) as u32
    }

    fn at(days: i64) -> Option<Self> {
        Timestamp(days.checked_mul(DAY)?)
            .is_writable()
            .then_some(Self(days))
    }

    pub(super) fn plus(self, days: i64) -> Option<Self> {
        Self::at(self.0.checked_add(days)?)
    }

    /// The same day of another month, or that month's last.
    pub(super) fn plus_months(self, months: i64) -> Option<Self> {
        let (year, month, day) = self.parts();
        let month = (year * 12 + i64::from(month) - 1).checked_add(months)?;
        let of = |day| Self::new(month.div_euclid(12), month.rem_euclid(12) as u32 + 1, day);
        (28..=day.max(28)).rev().find_map(|last| of(day.min(last)))
    }

    /// The Monday of its week, some weeks later.
    pub(super) fn monday(self, weeks: i64) -> Option<Self> {
        self.plus(weeks.checked_mul(7)? - i64::from(self.weekday()))
    }

    /// The month that is some months later, from its first day to its last.
    pub(super) fn month(self, months: i64) -> Option<When> {
        let (year, month, _) = self.parts();
        let first = Self::new(year, month, 1)?.plus_months(months)?;
        Some(When::Days(first, first.plus_months(1)?.plus(-1)?))
    }

    /// Of some days the nearest; of two that are as near, the later.
    pub(super) fn nearest(self, days: impl Iterator<Item = Self>) -> Option<Self> {
        days.min_by_key(|day| ((day.0 - self.0).abs(), -day.0))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A time of the day: minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u16);

impl Time {
    /// `None` where no clock shows it.
    #[must_use]
    pub fn new(hour: u32, minute: u32) -> Option<Self> {
        (hour < 24 && minute < 60).then_some(Self((hour * 60 + minute) as u16))
    }

    /// The hour and the minute.
    #[must_use]
    pub const fn parts(self) -> (u32, u32) {
        (self.0 as u32 / 60, self.0 as u32 % 60)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute) = self.parts();
        write!(f, "{hour:02}:{minute:02}")
    }
}

/// What a text says of days and times, as fine as it says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day.
    Day(Date),
    /// A week, a weekend, a month or a year: the first day and the last, which belongs to it.
    Days(Date, Date),
    /// A time of no certain day.
    Time(Time),
    /// A time of a day.
    Moment(Date, Time),
}

impl When {
    /// Its day, where it is one.
    #[must_use]
    pub const fn date(self) -> Option<Date> {
        match self {
            Self::Day(date) | Self::Moment(date, _) => Some(date),
            Self::Days(..) | Self::Time(_) => None,
        }
    }

    /// Its time of the day.
    #[must_use]
    pub const fn time(self) -> Option<Time> {
        match self {
            Self::Time(time) | Self::Moment(_, time) => Some(time),
            Self::Day(_) | Self::Days(..) => None,
        }
    }
}

impl fmt::Display for When {
    /// ISO 8601: `2026-03-05`, `2026-03-02/2026-03-08`, `17:30`, `2026-03-05T17:30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => date.fmt(f),
            Self::Days(first, last) => write!(f, "{first}/{last}"),
            Self::Time(time) => time.fmt(f),
            Self::Moment(date, time) => write!(f, "{date}T{time}"),
        }
    }
}
