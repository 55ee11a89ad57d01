//! Whole numbers in digits, English words and Chinese numerals, and how many of what.

use super::{Buffers, Value};

/// Most that is counted: what is larger is a number of something else.
const MOST: u64 = 999_999;
/// Most that a bare number counts.
const MOST_BARE: u64 = 999;

const SMALL: &[(&str, u64)] = &[
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
];

const TENS: &[(&str, u64)] = &[
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
];

/// What is counted in: the word for one and for several, and what it is called.
const UNITS: &[(&str, &str, &str)] = &[
    ("pair", "pairs", "pair"),
    ("pair", "pair", "pair"),
    ("piece", "pieces", "piece"),
    ("pc", "pcs", "piece"),
    ("item", "items", "piece"),
    ("unit", "units", "piece"),
    ("box", "boxes", "box"),
    ("pack", "packs", "pack"),
    ("packet", "packets", "pack"),
    ("set", "sets", "set"),
    ("bottle", "bottles", "bottle"),
    ("bag", "bags", "bag"),
    ("jar", "jars", "jar"),
    ("tin", "tins", "tin"),
    ("roll", "rolls", "roll"),
    ("copy", "copies", "copy"),
];

const MEASURE: &[(&str, &str)] = &[
    ("个", "piece"),
    ("個", "piece"),
    ("件", "piece"),
    ("只", "piece"),
    ("条", "piece"),
    ("張", "piece"),
    ("张", "piece"),
    ("台", "piece"),
    ("部", "piece"),
    ("把", "piece"),
    ("支", "piece"),
    ("份", "piece"),
    ("顶", "piece"),
    ("双", "pair"),
    ("雙", "pair"),
    ("对", "pair"),
    ("套", "set"),
    ("组", "set"),
    ("箱", "box"),
    ("盒", "box"),
    ("包", "pack"),
    ("袋", "bag"),
    ("瓶", "bottle"),
    ("罐", "tin"),
    ("卷", "roll"),
    ("本", "copy"),
];

/// Behind a number that counts time, measures or grades: `2 weeks`, `5 star`, `3 piece`.
const NO_COUNT: &str = " day days week weeks weekend month months year years yr yrs hour hours hr \
    hrs minute minutes min mins second seconds am pm o'clock star stars percent inch inches in cm \
    mm m km kg g lb lbs oz ml l litre litres liter liters gb tb mb mah w watt watts v volt volts hz \
    amp amps people person persons working business way ply piece seater door core time times th \
    question questions problem problems issue issues thing things reason reasons kid kids child \
    children account accounts order orders email emails message messages call calls point points \
    page pages degree degrees pound pounds pence dollar dollars euro euros cent cents yuan size \
    k p x month's ";

/// Before a number that counts.
const COUNTS: &str = " want need take buy bought get got have had ordered send sent only just \
    received return returned returning keep kept exchange missing quantity qty another add added \
    remove plus other both all about with x ";

/// Before 一 that counts, and isn't an article.
const TAKES: &str = "买要来订拿退到发只加剩少多寄送装购共还下";
/// Before a number that picks out or numbers.
const PICKS: &str = "第这那哪每另上下某前后双零〇一二两三四五六七八九十百千万";
/// Behind 个 and 件 where they count no goods.
const NO_GOODS: &str = "月小星礼人工问字办方原点建说事钟季学年周天";

impl Buffers {
    /// A whole number that begins at a place: where it ends, and its value.
    pub(super) fn whole(&self, i: usize) -> Option<(usize, u64)> {
        if self.at(i).is_ascii_digit() {
            self.written(i)
        } else if self.at(i).is_ascii_alphabetic() {
            self.spelt(i)
        } else {
            self.han(i)
        }
    }

    /// `12`, `1,200`, `3万`, `1.5万`.
    fn written(&self, i: usize) -> Option<(usize, u64)> {
        let (mut to, mut value, mut digits) = (i, 0_u64, 0);
        loop {
            let c = self.at(to);
            let grouped = c == ','
                && (0..3).all(|n| self.at(to + 1 + n).is_ascii_digit())
                && !self.at(to + 4).is_ascii_digit();
            if let Some(digit) = c.to_digit(10) {
                (value, digits) = (value * 10 + u64::from(digit), digits + 1);
            } else if !grouped || digits == 0 {
                break;
            }
            if digits > 9 {
                return None;
            }
            to += 1;
        }
        let half = self.at(to) == '.' && self.at(to + 1).is_ascii_digit();
        let unit = big(self.at(to + 2 * usize::from(half)));
        match (unit, half) {
            (Some(unit), true) => {
                let tenths = u64::from(self.at(to + 1).to_digit(10)?);
                Some((to + 3, value * unit + tenths * unit / 10))
            }
            (Some(unit), false) => Some((to + 1, value * unit)),
            (None, _) => Some((to, value)),
        }
    }

    /// `two`, `twenty-five`, `three hundred and ten`.
    fn spelt(&self, i: usize) -> Option<(usize, u64)> {
        let below_hundred = |i: usize| {
            if let Some((to, tens)) = self.one_of(i, TENS) {
                let next = to + usize::from(matches!(self.at(to), '-' | ' '));
                let one = self.one_of(next, &SMALL[..9]).filter(|_| next > to);
                return Some(one.map_or((to, tens), |(to, one)| (to, tens + one)));
            }
            self.one_of(i, SMALL)
        };
        let (mut to, mut value) = below_hundred(i)?;
        for (word, scale) in [("hundred", 100), ("thousand", 1000)] {
            let at = self.skip(to);
            if at > to && self.one_of(at, &[(word, ())]).is_some() && value < scale {
                (to, value) = (at + word.len(), value * scale);
                let and = self.one_of(self.skip(to), &[("and", ())]);
                let next = self.skip(and.map_or(to, |it| it.0));
                if let Some((end, rest)) = below_hundred(next).filter(|_| next > to) {
                    (to, value) = (end, value + rest);
                }
            }
        }
        Some((to, value))
    }

    /// `二十五`, `两百`, `三万五`. Digits in a row, such as a year's, are none.
    fn han(&self, i: usize) -> Option<(usize, u64)> {
        let (mut to, mut total, mut section) = (i, 0_u64, 0_u64);
        // The digit that waits for its unit, and the unit before it.
        let (mut digit, mut unit) = (None, 10_u64);
        let mut least = 10_000;
        loop {
            let c = self.at(to);
            if let Some(value) = han_digit(c) {
                if digit.is_some_and(|it| it > 0) || value > 0 && digit == Some(0) && to == i + 1 {
                    return None;
                }
                digit = Some(value);
                if value == 0 {
                    unit = 10;
                }
            } else if let Some(scale) = small(c) {
                // A bare 十 is ten; a bare 百 is none.
                let times = digit.take().filter(|it| *it > 0);
                let times = times.or((scale == 10 && section == 0 && total == 0).then_some(1))?;
                if scale >= least {
                    return None;
                }
                (section, least, unit) = (section + times * scale, scale, scale);
            } else if let Some(scale) = big(c).filter(|it| *it >= 10_000) {
                let value = section + digit.take().unwrap_or(0);
                if value == 0 || total > 0 {
                    return None;
                }
                (total, section, least, unit) = (value * scale, 0, 10_000, scale);
            } else {
                break;
            }
            to += 1;
            if to - i > 12 {
                return None;
            }
        }
        let last = match digit {
            // 两百五 is 250, 十五 is 15, 一百零五 is 105.
            Some(digit) => digit * (unit / 10).max(1),
            None => 0,
        };
        let zero = digit == Some(0) && (to > i + 1);
        (to > i && !zero).then_some((to, total + section + last))
    }

    /// Quantities: a number with what it counts, or by itself where it clearly counts.
    pub(super) fn quantities(&mut self) {
        let mut i = 0;
        while i < self.places.len() {
            let found = self.starts(i).then(|| self.quantity(i)).flatten();
            match found.filter(|(_, count, _)| (1..=MOST).contains(count)) {
                Some((to, count, unit)) => {
                    self.take(i, to, Value::Quantity(count, unit));
                    i = to;
                }
                None => i += 1,
            }
        }
    }

    /// Where a word or a number may begin.
    pub(super) fn starts(&self, i: usize) -> bool {
        let (before, c) = (self.before(i), self.at(i));
        let joins = matches!(
            before,
            '.' | ',' | ':' | '/' | '-' | '#' | '$' | '£' | '€' | '+' | '\''
        );
        let joined = joins && i >= 2 && !matches!(self.at(i - 2), ' ');
        if c.is_ascii_alphanumeric() {
            !before.is_ascii_alphanumeric() && !joined && !matches!(before, '#' | '-' | '第' | 'é')
        } else {
            han_digit(c).is_some() || c == '十'
        }
    }

    fn quantity(&self, i: usize) -> Option<(usize, u64, &'static str)> {
        const ARTICLES: &[(&str, ())] = &[("a", ()), ("an", ())];
        const LOTS: &[(&str, u64)] = &[("dozen", 12), ("couple", 2), ("half a dozen", 6)];
        if let Some((to, count)) = self.one_of(i, &LOTS[2..]) {
            return Some((to, count, ""));
        }
        if let Some((to, ())) = self.one_of(i, ARTICLES) {
            let (at, last) = (self.skip(to), self.last_word(i));
            if let Some((to, count)) = self.one_of(at, &LOTS[..2]) {
                let of = self.one_of(self.skip(to), &[("of", ())]);
                let next = self.skip(of.map_or(to, |it| it.0));
                let counts = !self.next_is(next, NO_COUNT) && last != "half";
                let couple = count == 12 || of.is_some();
                return (counts && couple).then_some((to, count, ""));
            }
            let (to, ()) = self.one_of(at, &[("pair of", ())])?;
            return Some((to - " of".len(), 1, "pair"));
        }
        let (to, count) = self.whole(i)?;
        let next = self.at(to);
        let han = !self.at(i).is_ascii_alphanumeric();
        let after = self.at(to + 1);
        let broken = next.is_ascii_alphanumeric() && !matches!(next, 'x')
            || matches!(next, '-' | '/' | '%' | '\'' | '"' | '_' | '°' | '+')
            || matches!(next, '.' | ',' | ':') && after.is_ascii_alphanumeric();
        if broken {
            return None;
        }
        if next == 'x' {
            // 2x
            let alone = !after.is_ascii_alphanumeric() && self.at(i).is_ascii_digit();
            return (alone && count <= MOST_BARE).then_some((to, count, ""));
        }
        if let Some(found) = self.measured(i, to, count) {
            return Some(found);
        }
        let last = self.last_word(i);
        if han {
            return (self.alone(i, to)).then_some((to, count, ""));
        }
        let at = self.skip(to);
        if let Some((end, ())) = self.one_of(at, &[("dozen", ())]) {
            return Some((end, count * 12, ""));
        }
        for (one, several, unit) in UNITS {
            let word = if count == 1 { one } else { several };
            if let Some((end, ())) = self.one_of(at, &[(word, ())]).filter(|_| at > to) {
                return Some((end, count, unit));
            }
        }
        const OF: &[(&str, ())] = &[("of them", ()), ("of these", ()), ("of those", ())];
        if let Some((end, ())) = self.one_of(at, OF) {
            let picks = count == 1 || last == "all" || last == "other";
            return (!picks).then_some((end, count, ""));
        }
        // `one` is a pronoun.
        let digits = self.at(i).is_ascii_digit();
        let counts = contains(COUNTS, &last)
            || matches!(last.as_str(), "it" | "that") && self.two_before(i) == "make"
            || self.alone(i, to);
        let sound = counts && !self.next_is(at, NO_COUNT) && count <= MOST_BARE;
        (sound && (digits || count > 1)).then_some((to, count, ""))
    }

    /// A Chinese quantity: a number with its measure word.
    fn measured(&self, i: usize, to: usize, count: u64) -> Option<(usize, u64, &'static str)> {
        let at = to + usize::from(self.at(i).is_ascii_digit() && self.at(to) == ' ');
        let (end, unit) = (MEASURE.iter())
            .find(|(word, _)| word.starts_with(self.at(at)))
            .map(|(_, unit)| (at + 1, *unit))?;
        let (before, after) = (self.before(i), self.at(end));
        let article = self.at(i) == '一' && to == i + 1 && !TAKES.contains(before);
        let goods = !(NO_GOODS.contains(after) && matches!(unit, "piece" | "copy"));
        // 只有, 对不起, 把它: no measure words.
        let word = match self.at(at) {
            '只' => matches!(after, '有' | '能' | '是' | '要' | '好' | '会'),
            '对' => matches!(after, '不' | '于' | '我' | '方'),
            '部' => matches!(after, '分' | '门'),
            '组' | '包' => matches!(after, '合' | '成' | '邮' | '括' | '装'),
            _ => false,
        };
        let picks = PICKS.contains(before) && !TAKES.contains(before);
        (!article && goods && !word && !picks).then_some((end, count, unit))
    }

    /// Whether nothing else is written but marks.
    fn alone(&self, from: usize, to: usize) -> bool {
        let others = self.places[..from].iter().chain(&self.places[to..]);
        let mut words = others.filter(|place| place.taken || place.c.is_alphanumeric());
        let rest: String = words.by_ref().take(8).map(|place| place.c).collect();
        matches!(
            rest.to_ascii_lowercase().as_str(),
            "" | "please" | "吧" | "谢谢"
        )
    }

    /// The ASCII word before a place, in lower case.
    pub(super) fn last_word(&self, i: usize) -> String {
        let (from, to) = self.word_before(i);
        self.string(from, to).to_ascii_lowercase()
    }

    fn two_before(&self, i: usize) -> String {
        self.last_word(self.word_before(i).0)
    }

    pub(super) fn word_before(&self, i: usize) -> (usize, usize) {
        let to = i - usize::from(i > 0 && self.before(i) == ' ');
        let mut from = to;
        while to - from < 16 && self.before(from).is_ascii_alphabetic() {
            from -= 1;
        }
        (from, to)
    }

    /// Whether the word at a place is one of a list, in lower case between blanks.
    pub(super) fn next_is(&self, i: usize, list: &str) -> bool {
        let mut to = i;
        while to - i < 16 && (self.at(to).is_ascii_alphabetic() || self.at(to) == '\'') {
            to += 1;
        }
        to > i && contains(list, &self.string(i, to).to_ascii_lowercase())
    }
}

fn contains(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split_ascii_whitespace().any(|it| it == word)
}

pub(super) fn han_digit(c: char) -> Option<u64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' => 1,
        '二' | '两' | '兩' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

fn small(c: char) -> Option<u64> {
    match c {
        '十' => Some(10),
        '百' => Some(100),
        '千' => Some(1000),
        _ => None,
    }
}

/// Units of Chinese numbers that stand behind digits too.
pub(super) fn big(c: char) -> Option<u64> {
    match c {
        '百' | '千' => small(c),
        '万' | '萬' => Some(10_000),
        '亿' | '億' => Some(100_000_000),
        _ => None,
    }
}
