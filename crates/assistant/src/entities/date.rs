//! Days, in English and Chinese, against the clock of the request.
//!
//! What people mean by it is a convention: a weekday alone is today or the next such day;
//! `next Friday` is that of the next week, a week begins on Monday, `last Friday` is the
//! latest before today, 上周五 that of the last week; a day without its year, or the 3rd of
//! no month, is the nearest to today. Which of 3/4 is the month, the country says; without
//! one it is no date.

use super::number::han_digit;
use super::when::{Clock, Date, When};
use super::{Buffers, Context, Country, Value};

const NEAR: &[(&str, i64)] = &[
    ("today", 0),
    ("tonight", 0),
    ("tomorrow", 1),
    ("yesterday", -1),
    ("the day after tomorrow", 2),
    ("day after tomorrow", 2),
    ("the day before yesterday", -2),
    ("day before yesterday", -2),
];
const NEAR_CHINESE: &[(&str, i64)] = &[
    ("今天", 0),
    ("今日", 0),
    ("今晚", 0),
    ("今早", 0),
    ("明天", 1),
    ("明日", 1),
    ("明晚", 1),
    ("明早", 1),
    ("后天", 2),
    ("後天", 2),
    ("大后天", 3),
    ("昨天", -1),
    ("昨日", -1),
    ("昨晚", -1),
    ("前天", -2),
    ("前晚", -2),
    ("大前天", -3),
];
const WEEKDAYS: &[(&str, i64)] = &[
    ("monday", 0),
    ("tuesday", 1),
    ("wednesday", 2),
    ("thursday", 3),
    ("friday", 4),
    ("saturday", 5),
    ("sunday", 6),
];
/// Only behind a word that wants a day.
const SHORT_WEEKDAYS: &[(&str, i64)] = &[
    ("mon", 0),
    ("tue", 1),
    ("tues", 1),
    ("wed", 2),
    ("thu", 3),
    ("thur", 3),
    ("thurs", 3),
    ("fri", 4),
    ("sat", 5),
    ("sun", 6),
];
pub(super) const MONTHS: &[(&str, u32)] = &[
    ("january", 1),
    ("jan", 1),
    ("february", 2),
    ("feb", 2),
    ("march", 3),
    ("mar", 3),
    ("april", 4),
    ("apr", 4),
    ("may", 5),
    ("june", 6),
    ("jun", 6),
    ("july", 7),
    ("jul", 7),
    ("august", 8),
    ("aug", 8),
    ("september", 9),
    ("sept", 9),
    ("sep", 9),
    ("october", 10),
    ("oct", 10),
    ("november", 11),
    ("nov", 11),
    ("december", 12),
    ("dec", 12),
];
const WHICH: &[(&str, i64)] = &[("next", 1), ("last", -1), ("this", 0)];
const WHICH_CHINESE: &[(&str, i64)] = &[
    ("上上", -2),
    ("上", -1),
    ("这", 0),
    ("這", 0),
    ("本", 0),
    ("下", 1),
    ("下下", 2),
];
const WEEK_CHINESE: &[(&str, ())] = &[("周", ()), ("週", ()), ("星期", ()), ("礼拜", ())];

#[derive(Clone, Copy, PartialEq)]
enum Unit {
    Minutes(i64),
    Days(i64),
    Months(i64),
}

const UNITS: &[(&str, Unit)] = &[
    ("minute", Unit::Minutes(1)),
    ("minutes", Unit::Minutes(1)),
    ("mins", Unit::Minutes(1)),
    ("hour", Unit::Minutes(60)),
    ("hours", Unit::Minutes(60)),
    ("day", Unit::Days(1)),
    ("days", Unit::Days(1)),
    ("week", Unit::Days(7)),
    ("weeks", Unit::Days(7)),
    ("fortnight", Unit::Days(14)),
    ("month", Unit::Months(1)),
    ("months", Unit::Months(1)),
    ("year", Unit::Months(12)),
    ("years", Unit::Months(12)),
];
const UNITS_CHINESE: &[(&str, Unit)] = &[
    ("分钟", Unit::Minutes(1)),
    ("小时", Unit::Minutes(60)),
    ("个小时", Unit::Minutes(60)),
    ("个钟头", Unit::Minutes(60)),
    ("天", Unit::Days(1)),
    ("日", Unit::Days(1)),
    ("周", Unit::Days(7)),
    ("星期", Unit::Days(7)),
    ("个星期", Unit::Days(7)),
    ("礼拜", Unit::Days(7)),
    ("个礼拜", Unit::Days(7)),
    ("个月", Unit::Months(1)),
    ("年", Unit::Months(12)),
];
/// Words before a date.
const BEFORE_DATE: &str = " on by before until till til since after from ";
/// Words before a number that is no date and no time.
pub(super) const NO_DATE: &str = " version v model build part size no number page ratio ";

type Found = Option<(usize, When)>;

impl Buffers {
    /// Days and times, a day with its time as one.
    pub(super) fn dates(&mut self, context: &Context<'_>) {
        let mut i = 0;
        while i < self.places.len() {
            match self.when(i, context) {
                Some((to, when)) => {
                    self.take(i, to, Value::When(when));
                    i = to;
                }
                None => i += 1,
            }
        }
    }

    fn when(&self, i: usize, context: &Context<'_>) -> Found {
        let c = self.at(i);
        if c.is_ascii_alphanumeric() {
            let word = c.is_ascii_alphabetic();
            if self.before(i).is_ascii_alphanumeric()
                || matches!(self.before(i), '.' | '/' | ':' | '_' | '#')
                || !word && contains_word(NO_DATE, &self.last_word(i))
            {
                return None;
            }
        } else if !('\u{3007}'..='\u{9fff}').contains(&c) {
            return None;
        }
        let Some((to, day)) = self.day(i, context) else {
            let (to, time) = self.time(i)?;
            const ON: &[(&str, ())] = &[("on", ()), (",", ())];
            let on = self.one_of(self.skip(to), ON).map_or(to, |it| it.0);
            let at = self.skip(on);
            return Some(match self.day(at, context).filter(|_| at > to) {
                Some((end, When::Day(date))) => (end, When::Moment(date, time)),
                _ => (to, When::Time(time)),
            });
        };
        let When::Day(date) = day else {
            return Some((to, day));
        };
        // 今晚8点: the evening belongs to the time.
        if matches!(self.at(to - 1), '晚' | '早')
            && let Some((end, time)) = self.time(to - 1)
        {
            return Some((end, When::Moment(date, time)));
        }
        const AT: &[(&str, ())] = &[
            ("at", ()),
            ("around", ()),
            ("about", ()),
            (",", ()),
            ("t", ()),
            ("的", ()),
        ];
        let at = self.skip(self.one_of(self.skip(to), AT).map_or(to, |it| it.0));
        let iso = matches!(self.at(to), 'T' | 't') && self.at(to + 1).is_ascii_digit();
        let time = self.time(if iso { to + 1 } else { at });
        Some(match time {
            Some((end, time)) => (end, When::Moment(date, time)),
            None => (to, day),
        })
    }

    fn day(&self, i: usize, context: &Context<'_>) -> Found {
        let c = self.at(i);
        if c.is_ascii_digit()
            && let Some(found) = self.numeric(i, context)
        {
            return Some(found);
        }
        let clock = context.clock;
        if c.is_ascii_alphabetic() {
            return clock
                .and_then(|clock| self.near(i, clock))
                .or_else(|| self.month_first(i, clock))
                .or_else(|| self.distance(i, clock?));
        }
        if c.is_ascii_digit()
            && let Some(found) = self.day_first(i, clock)
        {
            return Some(found);
        }
        self.in_chinese(i, clock)
            .or_else(|| self.distance(i, clock?))
    }

    /// `2026-03-05`, `5/3/2026`, `on 5/3`.
    fn numeric(&self, i: usize, context: &Context<'_>) -> Found {
        if matches!(self.before(i), '-' | '/' | '.') || self.before(i).is_ascii_alphanumeric() {
            return None;
        }
        let part = |i: usize| {
            let count = (0..5)
                .take_while(|n| self.at(i + n).is_ascii_digit())
                .count();
            let digits = (0..count).filter_map(|n| self.at(i + n).to_digit(10));
            (
                i + count,
                count,
                digits.fold(0, |sum, digit| sum * 10 + digit),
            )
        };
        let (to, long, first) = part(i);
        let mark = self.at(to);
        if !matches!(mark, '-' | '/' | '.') {
            return None;
        }
        let (to, second_long, second) = part(to + 1);
        let (mut to, (mut third_long, mut third)) = (to, (0, 0));
        if self.at(to) == mark && self.at(to + 1).is_ascii_digit() {
            (to, third_long, third) = part(to + 1);
        }
        let after = self.at(to);
        let ended = !after.is_ascii_alphanumeric()
            || matches!(after, 'T' | 't') && self.at(to + 1).is_ascii_digit();
        if !ended
            || matches!(after, '-' | '/' | '%' | '_')
            || after == '.' && self.at(to + 1).is_ascii_digit()
            || !(1..=2).contains(&second_long)
        {
            return None;
        }
        if long == 4 {
            let date =
                Date::new(first.into(), second, third).filter(|_| (1..=2).contains(&third_long))?;
            return (1900..2200)
                .contains(&first)
                .then_some((to, When::Day(date)));
        }
        let months = |year: i64| {
            let by = |month, day| Date::new(year, month, day);
            let (day_first, month_first) = (by(second, first), by(first, second));
            match context.country {
                Some(Country::Gb) => day_first.or(month_first),
                Some(_) => month_first.or(day_first),
                None if day_first == month_first => day_first,
                None => day_first.xor(month_first),
            }
        };
        let date = match third_long {
            4 if (1900..2200).contains(&third) => months(third.into()),
            2 if mark == '/' => months(2000 + i64::from(third)),
            0 if mark == '/' && contains_word(BEFORE_DATE, &self.last_word(i)) => {
                let today = context.clock?.today();
                today.nearest(years(today).filter_map(months))
            }
            _ => None,
        };
        Some((to, When::Day(date?)))
    }

    /// `tomorrow`, `next Friday`, `last week`, `the 3rd`, `in March`.
    fn near(&self, i: usize, clock: Clock) -> Found {
        let today = clock.today();
        if let Some((to, days)) = self.one_of(i, NEAR) {
            return Some((to, When::Day(today.plus(days)?)));
        }
        let last = self.last_word(i);
        let wants = contains_word(BEFORE_DATE, &last);
        if let Some((to, which)) = self.one_of(i, WHICH).filter(|it| self.at(it.0) == ' ') {
            let at = to + 1;
            let days = self
                .one_of(at, WEEKDAYS)
                .or_else(|| self.one_of(at, SHORT_WEEKDAYS));
            if let Some((to, weekday)) = days {
                let day = match which {
                    -1 => {
                        today.plus(-1 - (i64::from(today.weekday()) - 1 - weekday).rem_euclid(7))?
                    }
                    _ => today.monday(which)?.plus(weekday)?,
                };
                return Some((to, When::Day(day)));
            }
            if let Some((to, month)) = self.one_of(at, MONTHS) {
                let (_, now, _) = today.parts();
                let ahead = (i64::from(month) - i64::from(now)).rem_euclid(12);
                let months = match which {
                    1 if ahead == 0 => 12,
                    -1 => ahead - 12,
                    _ => ahead,
                };
                return Some((to, today.month(months)?));
            }
            const SPANS: &[(&str, u8)] = &[("week", 0), ("weekend", 1), ("month", 2), ("year", 3)];
            let (to, span) = self.one_of(at, SPANS)?;
            return Some((to, spanning(today, which, span)?));
        }
        let days = self.one_of(i, WEEKDAYS);
        let days = days.or_else(|| self.one_of(i, SHORT_WEEKDAYS).filter(|_| wants));
        if let Some((to, weekday)) = days {
            // Every Friday, Black Friday, Monday to Friday.
            const TO: &[(&str, ())] = &[
                ("to", ()),
                ("through", ()),
                ("till", ()),
                ("until", ()),
                ("-", ()),
            ];
            let until = self.one_of(self.skip(to), TO);
            let until = until.and_then(|(to, ())| self.one_of(self.skip(to), WEEKDAYS));
            let from = i >= 1 && self.before(i) == '-' || matches!(last.as_str(), "to" | "through");
            if until.is_some() || from || contains_word("every each black good cyber", &last) {
                return None;
            }
            let ahead = (weekday - i64::from(today.weekday())).rem_euclid(7);
            return Some((to, When::Day(today.plus(ahead)?)));
        }
        if let Some((to, ())) = self.one_of(i, &[("the ", ())]) {
            let (end, day) = self.ordinal(to)?;
            let next = self.skip(end);
            let ends = !self.at(next).is_alphabetic()
                || self.next_is(
                    next,
                    " at and or to please but if is was thanks you i we it ",
                );
            let of = self.one_of(next, &[("of ", ())]);
            if let Some((end, month)) = of.and_then(|(to, ())| self.one_of(to, MONTHS)) {
                return self.dated(end, month, day, Some(clock));
            }
            let months = [-1, 0, 1].into_iter().filter_map(|months| {
                let When::Days(first, _) = today.month(months)? else {
                    return None;
                };
                let (year, month, _) = first.parts();
                Date::new(year, month, day)
            });
            let day = today.nearest(months).filter(|_| ends && wants)?;
            return Some((end, When::Day(day)));
        }
        let (to, month) = self.one_of(i, MONTHS)?;
        let (day, year) = (self.two(self.skip(to)), self.year(self.skip(to)));
        // 31 February 2026.
        let (from, _) = self.word_before(i);
        if self.before(from).is_ascii_digit() || last == "of" {
            return None;
        }
        if let Some((to, year)) = year {
            return Some((to, Date::new(year, month, 1)?.month(0)?));
        }
        let alone = contains_word("in since until by during", &last) && day.is_none();
        let first = years(today).filter_map(|year| Date::new(year, month, 1));
        alone
            .then(|| Some((to, today.nearest(first)?.month(0)?)))
            .flatten()
    }

    /// `3rd`, where the suffix is the right one.
    fn ordinal(&self, i: usize) -> Option<(usize, u32)> {
        let (to, day) = self.two(i)?;
        let suffix = match (day % 10, day / 10) {
            (_, 1) => "th",
            (1, _) => "st",
            (2, _) => "nd",
            (3, _) => "rd",
            _ => "th",
        };
        let (to, ()) = self.one_of(to, &[(suffix, ())])?;
        Some((to, day))
    }

    fn year(&self, i: usize) -> Option<(usize, i64)> {
        let digits = (0..4).map_while(|n| self.at(i + n).to_digit(10));
        let (count, year) = digits.fold((0, 0), |(n, sum), digit| {
            (n + 1, sum * 10 + i64::from(digit))
        });
        let ends = !self.at(i + 4).is_ascii_alphanumeric() && self.at(i + 4) != ':';
        (count == 4 && (1900..2200).contains(&year) && ends).then_some((i + 4, year))
    }

    /// A month and a day, with the year behind them or the nearest.
    fn dated(&self, to: usize, month: u32, day: u32, clock: Option<Clock>) -> Found {
        let at = self.skip(to + usize::from(self.at(to) == ','));
        if let Some((end, year)) = self.year(at) {
            return Some((end, When::Day(Date::new(year, month, day)?)));
        }
        let today = clock?.today();
        let day = today.nearest(years(today).filter_map(|year| Date::new(year, month, day)))?;
        Some((to, When::Day(day)))
    }

    /// `3 March`, `3rd of March 2026`.
    fn day_first(&self, i: usize, clock: Option<Clock>) -> Found {
        let ordinal = self.ordinal(i);
        let (to, day) = ordinal.or_else(|| self.two(i))?;
        if self.before(i) == '-' {
            return None;
        }
        let of = self.one_of(self.skip(to), &[("of ", ())]);
        let at = of.map_or(self.skip(to), |it| it.0);
        let (to, month) = self.one_of(at, MONTHS)?;
        // "The 5 may be lost".
        let modal = month == 5 && self.at(at) == 'm' && ordinal.is_none();
        if modal && self.year(self.skip(to)).is_none() {
            return None;
        }
        self.dated(to, month, day, clock)
    }

    /// `March 3`, `March 3rd, 2026`.
    fn month_first(&self, i: usize, clock: Option<Clock>) -> Found {
        let (to, month) = self.one_of(i, MONTHS)?;
        let at = self.skip(to + usize::from(self.at(to) == '.'));
        let ordinal = self.ordinal(at);
        let (end, day) = ordinal.or_else(|| self.two(at))?;
        let ends =
            !self.at(end).is_alphanumeric() && !matches!(self.at(end), ':' | '-' | '/' | '%');
        let modal = month == 5 && self.at(i) == 'm' && ordinal.is_none();
        if !ends || modal || at == to {
            return None;
        }
        self.dated(end, month, day, clock)
    }

    /// `in two weeks`, `three days ago`, `三天后`, `两周前`.
    fn distance(&self, i: usize, clock: Clock) -> Found {
        let ahead = self.one_of(i, &[("in ", ())]);
        let at = ahead.map_or(i, |it| it.0);
        const HALVES: &[(&str, i64)] = &[("half an hour", 30), ("半小时", 30), ("半个小时", 30)];
        let (to, count, unit) = if let Some((to, minutes)) = self.one_of(at, HALVES) {
            (to, minutes, Unit::Minutes(1))
        } else {
            let article = self.one_of(at, &[("a ", 1), ("an ", 1), ("a couple of ", 2)]);
            let (to, count) = article.or_else(|| self.whole(at))?;
            let han = han_digit(self.before(at)).is_some()
                || matches!(self.before(at), '第' | '十' | '百');
            let table = if self.at(self.skip(to)).is_ascii() {
                UNITS
            } else {
                UNITS_CHINESE
            };
            let (to, unit) = self.one_of(self.skip(to), table).filter(|_| !han)?;
            (to, count as i64, unit)
        };
        let sign = if ahead.is_some() {
            Some((to, 1))
        } else {
            const SIGNS: &[(&str, i64)] = &[
                (" ago", -1),
                (" from now", 1),
                ("后", 1),
                ("後", 1),
                ("之后", 1),
                ("以后", 1),
                ("前", -1),
                ("之前", -1),
                ("以前", -1),
            ];
            let sign = self.one_of(to, SIGNS);
            // 台 and 面: 前台, 后面.
            sign.filter(|(to, _)| !matches!(self.at(*to), '台' | '面'))
        };
        let (to, sign) = sign?;
        let count = count.checked_mul(sign)?;
        let today = clock.today();
        let when = match unit {
            Unit::Minutes(of) => clock.later(count.checked_mul(of)?)?,
            Unit::Days(of) => When::Day(today.plus(count.checked_mul(of)?)?),
            Unit::Months(of) => When::Day(today.plus_months(count.checked_mul(of)?)?),
        };
        Some((to, when))
    }
}

pub(super) fn contains_word(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split_ascii_whitespace().any(|it| it == word)
}

/// Years in which the nearest day may lie.
fn years(today: Date) -> impl Iterator<Item = i64> {
    let (year, ..) = today.parts();
    year - 1..=year + 1
}

/// A week, its end, a month or a year.
fn spanning(today: Date, which: i64, span: u8) -> Option<When> {
    Some(match span {
        0 | 1 => {
            let monday = today.monday(which)?;
            let first = if span == 0 { 0 } else { 5 };
            When::Days(monday.plus(first)?, monday.plus(6)?)
        }
        2 => return today.month(which),
        _ => {
            let year = today.parts().0 + which;
            When::Days(Date::new(year, 1, 1)?, Date::new(year, 12, 31)?)
        }
    })
}

impl Buffers {
    /// `明天`, `下周三`, `上个月`, `3月5日`, `二〇二六年三月`.
    fn in_chinese(&self, i: usize, clock: Option<Clock>) -> Found {
        let before = self.before(i);
        if let Some(clock) = clock {
            let today = clock.today();
            if let Some((to, days)) = self.one_of(i, NEAR_CHINESE) {
                return Some((to, When::Day(today.plus(days)?)));
            }
            const YEARS: &[(&str, i64)] = &[
                ("前年", -2),
                ("去年", -1),
                ("今年", 0),
                ("明年", 1),
                ("后年", 2),
            ];
            if let Some((to, which)) = self.one_of(i, YEARS) {
                let year = today.parts().0 + which;
                let month = self.month_chinese(to, Some(year), Some(today));
                return Some(month.unwrap_or((to, spanning(today, which, 3)?)));
            }
            let which = self.one_of(i, WHICH_CHINESE);
            let at = which.map_or(i, |(to, _)| {
                to + usize::from(matches!(self.at(to), '个' | '個'))
            });
            if let Some((to, ())) = self.one_of(at, WEEK_CHINESE) {
                let weeks = which.map_or(0, |it| it.1);
                let last = matches!(self.at(to), '末');
                let day = match self.at(to) {
                    '日' | '天' => Some(6),
                    c => han_digit(c)
                        .filter(|it| (1..=6).contains(it))
                        .map(|it| it as i64 - 1),
                };
                let counted = which.is_none()
                    && (han_digit(before).is_some()
                        || before.is_ascii_digit()
                        || "每第几半各整到至-个满过".contains(before));
                let until = matches!(self.at(to + 1), '到' | '至' | '-')
                    && self.one_of(to + 2, WEEK_CHINESE).is_some();
                return match day {
                    _ if counted => None,
                    Some(_) if until => None,
                    Some(day) if which.is_none() => {
                        let ahead = (day - i64::from(today.weekday())).rem_euclid(7);
                        Some((to + 1, When::Day(today.plus(ahead)?)))
                    }
                    Some(day) => Some((to + 1, When::Day(today.monday(weeks)?.plus(day)?))),
                    None if last => Some((to + 1, spanning(today, weeks, 1)?)),
                    None if "期围边年岁".contains(self.at(to)) => None,
                    None => which
                        .is_some()
                        .then(|| Some((to, spanning(today, weeks, 0)?)))
                        .flatten(),
                };
            }
            if let Some((_, months)) = which
                && self.at(at) == '月'
                && !"亮球饼光".contains(self.at(at + 1))
            {
                let When::Days(first, last) = today.month(months)? else {
                    return None;
                };
                let (year, month, _) = first.parts();
                let day = self
                    .whole(at + 1)
                    .filter(|(to, _)| matches!(self.at(*to), '日' | '号' | '號'));
                return match day {
                    Some((to, day)) => {
                        Some((to + 1, When::Day(Date::new(year, month, day as u32)?)))
                    }
                    None => Some((at + 1, When::Days(first, last))),
                };
            }
        }
        if han_digit(before).is_some()
            || before.is_ascii_digit()
            || matches!(before, '十' | '.' | '第' | '-' | '/')
        {
            return None;
        }
        let year = self
            .year(i)
            .map(|it| it.1)
            .filter(|_| self.at(i + 4) == '年')
            .or_else(|| {
                let digits = (0..4).map_while(|n| han_digit(self.at(i + n)));
                let (count, year) =
                    digits.fold((0, 0), |(n, sum), digit| (n + 1, sum * 10 + digit));
                (count == 4 && self.at(i + 4) == '年').then_some(year as i64)
            });
        let today = clock.map(Clock::today);
        match year {
            Some(year) => self.month_chinese(i + 5, Some(year), today),
            None => self.month_chinese(i, None, today),
        }
    }

    /// `3月5日`; `3月份`, or `3月` behind its year.
    fn month_chinese(&self, i: usize, year: Option<i64>, today: Option<Date>) -> Found {
        let (to, month) = self
            .whole(self.skip(i))
            .filter(|(_, month)| (1..=12).contains(month))?;
        let (to, month) = (self.skip(to), month as u32);
        if self.at(to) != '月' {
            return None;
        }
        let near = |day: u32| match (year, today) {
            (Some(year), _) => Date::new(year, month, day),
            (None, Some(today)) => {
                today.nearest(years(today).filter_map(|year| Date::new(year, month, day)))
            }
            (None, None) => None,
        };
        let at = self.skip(to + 1);
        if let Some((end, day)) = self
            .whole(at)
            .filter(|(end, _)| matches!(self.at(*end), '日' | '号' | '號'))
        {
            return Some((end + 1, When::Day(near(u32::try_from(day).ok()?)?)));
        }
        let named = self.at(to + 1) == '份';
        (named || year.is_some() && !"初底中上下".contains(self.at(to + 1))).then(|| {
            let month = near(1)?.month(0)?;
            Some((to + 1 + usize::from(named), month))
        })?
    }
}
