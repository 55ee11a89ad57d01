//! Times of the day. An hour of 1 to 6 that neither `am` nor a word such as 早上 places is
//! one of the afternoon, when people shop and parcels come, unless it is written with a 0.

use super::Buffers;
use super::when::Time;

/// Half of the day: (`am`, 0), (`pm`, 12).
const HALVES: &[(&str, u32)] = &[
    ("am", 0),
    ("a.m.", 0),
    ("a.m", 0),
    ("pm", 12),
    ("p.m.", 12),
    ("p.m", 12),
];

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Morning,
    Noon,
    Evening,
}

const PARTS: &[(&str, Part)] = &[
    ("凌晨", Part::Morning),
    ("清晨", Part::Morning),
    ("早上", Part::Morning),
    ("早晨", Part::Morning),
    ("上午", Part::Morning),
    ("早", Part::Morning),
    ("中午", Part::Noon),
    ("下午", Part::Evening),
    ("午后", Part::Evening),
    ("傍晚", Part::Evening),
    ("晚上", Part::Evening),
    ("晚间", Part::Evening),
    ("夜里", Part::Evening),
    ("晚", Part::Evening),
];

const NAMED: &[(&str, u32)] = &[("noon", 12), ("midday", 12), ("midnight", 0)];
const PAST: &[(&str, i32)] = &[("half past", 30), ("quarter past", 15), ("quarter to", -15)];
/// Behind an hour that digits and 点 write.
const AFTER_HOUR: &str = "前之以后左右到送发来取开关";

fn daytime(hour: u32) -> u32 {
    if (1..=6).contains(&hour) {
        hour + 12
    } else {
        hour
    }
}

impl Buffers {
    /// A time that begins at a place, and where it ends.
    pub(super) fn time(&self, i: usize) -> Option<(usize, Time)> {
        let c = self.at(i);
        if c.is_ascii_alphabetic() {
            return self.time_in_words(i);
        }
        if c.is_ascii_digit()
            && let Some(found) = self.time_in_digits(i)
        {
            return Some(found);
        }
        self.time_in_chinese(i)
    }

    fn time_in_words(&self, i: usize) -> Option<(usize, Time)> {
        if let Some((to, hour)) = self.one_of(i, NAMED) {
            return Some((to, Time::new(hour, 0)?));
        }
        let (to, minutes) = self.one_of(i, PAST)?;
        let (to, hour) = self.whole(self.skip(to))?;
        let hour = u32::try_from(hour)
            .ok()
            .filter(|it| (1..=12).contains(it))?;
        let half = self.one_of(self.skip(to), HALVES);
        let (to, hour) = match half {
            Some((to, half)) => (to, hour % 12 + half),
            None => (to, daytime(hour)),
        };
        let minutes = (hour * 60).checked_add_signed(minutes)?;
        Some((to, Time::new(minutes / 60, minutes % 60)?))
    }

    /// Up to two digits: where they end, and their value.
    pub(super) fn two(&self, i: usize) -> Option<(usize, u32)> {
        let first = self.at(i).to_digit(10)?;
        match self.at(i + 1).to_digit(10) {
            Some(second) if !self.at(i + 2).is_ascii_digit() => Some((i + 2, first * 10 + second)),
            Some(_) => None,
            None => Some((i + 1, first)),
        }
    }

    /// `17:30`, `5pm`, `5.30 p.m.`, `5 o'clock`.
    fn time_in_digits(&self, i: usize) -> Option<(usize, Time)> {
        let before = self.before(i);
        // 2026-03-01T09:30
        let iso = before == 'T' && i >= 2 && self.at(i - 2).is_ascii_digit();
        if matches!(before, '.' | ':' | '-' | '/') || before.is_ascii_alphanumeric() && !iso {
            return None;
        }
        let (mut to, mut hour) = self.two(i)?;
        let colon = self.at(to) == ':';
        let mut minute = None;
        if (colon || self.at(to) == '.')
            && let Some((end, value)) = self.two(to + 1).filter(|(end, _)| *end == to + 3)
        {
            (minute, to) = (Some(value), end);
            // Seconds.
            if colon && self.at(to) == ':' {
                (to, _) = self.two(to + 1).filter(|it| it.1 < 60)?;
            }
        }
        let half = self.one_of(self.skip(to), HALVES);
        if let Some((end, half)) = half {
            if !(1..=12).contains(&hour) {
                return None;
            }
            return Some((end, Time::new(hour % 12 + half, minute.unwrap_or(0))?));
        }
        if minute.is_none()
            && let Some((end, ())) = self.one_of(self.skip(to), &[("o'clock", ())])
        {
            return Some((end, Time::new(daytime(hour), 0).filter(|_| hour <= 12)?));
        }
        let after = self.at(to);
        if !colon || after.is_ascii_alphanumeric() || matches!(after, ':' | '-' | '/' | '%') {
            return None;
        }
        if self.at(i) != '0' {
            hour = daytime(hour);
        }
        Some((to, Time::new(hour, minute?)?))
    }

    /// `下午三点半`, `晚上8点`, `9点15分`, `下午3:30`.
    fn time_in_chinese(&self, i: usize) -> Option<(usize, Time)> {
        let part = self.one_of(i, PARTS);
        let at = part.map_or(i, |it| it.0);
        if part.is_none() && super::number::han_digit(self.before(i)).is_some()
            || matches!(self.before(i), '第' | '.' | '十')
        {
            return None;
        }
        let is_digit = self.at(at).is_ascii_digit();
        let (mut to, hour) = match is_digit {
            true => self.two(at)?,
            false => self.whole(at).map(|(to, hour)| (to, hour as u32))?,
        };
        if hour > 24 || !matches!(self.at(to), '点' | '點' | '时' | '時' | ':') {
            return None;
        }
        let colon = self.at(to) == ':';
        to += 1;
        let (mut minute, mut sure) = (0, part.is_some());
        if let Some((end, value)) = self.one_of(to, &[("半", 30), ("一刻", 15), ("三刻", 45)])
        {
            (to, minute, sure) = (end, value, true);
        } else if let Some((end, ())) = self.one_of(to, &[("整", ()), ("钟", ()), ("鐘", ())]) {
            (to, sure) = (end, true);
        } else if colon {
            (to, minute) = self.two(to).filter(|(end, _)| sure && *end == to + 2)?;
        } else if let Some((end, value)) = self.whole(to).filter(|it| it.1 < 60) {
            let written = self.at(end) == '分';
            if !written && value < 10 {
                return None;
            }
            (to, minute) = (end + usize::from(written), value as u32);
            sure |= written || is_digit;
        }
        sure |= is_digit && AFTER_HOUR.contains(self.at(to));
        let hour = match part.map(|it| it.1) {
            _ if hour > 12 => hour,
            Some(Part::Morning) => hour % 12,
            Some(Part::Noon) if hour >= 10 => hour,
            // Twelve in the evening is midnight.
            Some(Part::Evening) if hour == 12 => match self.at(i) {
                '下' | '午' => 12,
                _ => 0,
            },
            Some(_) => hour + 12,
            None if self.at(at) == '0' => hour,
            None => daytime(hour),
        };
        let time = Time::new(hour % 24, minute)?;
        sure.then_some((to, time))
    }
}
