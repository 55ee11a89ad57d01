//! Typed recognisers with validation: what a text names, where, and what it is worth.
//!
//! A text is read once, folded in width as the tokeniser folds it, and what nobody sees
//! is left out; spans are of the original. What is found first keeps its place: e-mail
//! addresses, then the shop's numbers (patterns in their order), days and times, runs of
//! digits (identity numbers, cards, phones; the longest first), addresses, money,
//! quantities.
//!
//! What it does not do: names of people. Names of products, the
//! [`graph`](crate::graph::Graph::products) knows.

mod address;
mod date;
mod number;
mod pattern;
mod time;
mod when;

pub use address::{AddressPart, PartKind};
pub(crate) use address::{join_addresses, names_a_place, whole_address};
pub use pattern::{MOST_PLACES, Pattern, PatternError};
pub use when::{Clock, Date, Time, When};

use shelfedge_commerce::{Currency, Money};
use shelfedge_features::text::{MAX_TEXT_BYTES, fold, is_unseen};

/// Most pieces between separators that one number is written in.
const MOST_PIECES: usize = 6;
/// Digits that are masked whatever they are.
const LONG: usize = 7;
/// Marks in a row that long numbers are written with.
const MOST_MARKS: usize = 3;

/// Where a phone number without a country code is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Country {
    /// China.
    Cn,
    /// The United Kingdom.
    Gb,
    /// The United States, and who shares their plan.
    Us,
}

/// What recognisers know of the shop and the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Where phone numbers without a country code are from. Chinese mobiles are known anyway.
    pub country: Option<Country>,
    /// What the shop's order numbers look like.
    pub orders: &'a [Pattern],
    /// What the numbers of its articles look like.
    pub skus: &'a [Pattern],
    /// When the text was written, and where. Without it `tomorrow` is no date.
    pub clock: Option<Clock>,
    /// The shop's currency: decides which dollar `$` is, and whether `¥` is yuan or yen.
    pub currency: Option<Currency>,
}

impl Context<'_> {
    /// The shop's currency if its sign is this one, else the one that the sign mostly means.
    fn shared(&self, sign: &[&str], mostly: Currency) -> Currency {
        self.currency
            .filter(|own| sign.contains(&own.code()))
            .unwrap_or(mostly)
    }

    fn dollar(&self) -> Currency {
        let sign = ["AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "TWD", "USD"];
        self.shared(&sign, Currency::USD)
    }
}

/// What was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An order number in capitals, and its pattern's place in the context.
    Order(String, usize),
    /// The number of an article in capitals, and its pattern's place in the context.
    Sku(String, usize),
    /// An amount.
    Money(Money),
    /// How many, and of what: `pair`, `box`, `piece`; empty where that isn't said.
    Quantity(u64, &'static str),
    /// A day, a time, or both.
    When(When),
    /// An e-mail address in lower case.
    Email(String),
    /// A postal address, by its parts in their order.
    Address(Vec<AddressPart>),
    /// A phone number in E.164.
    Phone(String),
    /// A payment card's number (Luhn); it is not kept.
    Card,
    /// A Chinese identity number (ISO 7064 mod 11-2); it is not kept.
    Identity,
    /// Many digits in a row that nothing validates. Only masking finds it.
    Digits,
}

/// Something named in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its first byte in the original text.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// What it is.
    pub value: Value,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    c: char,
    start: u32,
    end: u32,
    taken: bool,
}

/// Buffers for texts, used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    places: Vec<Place>,
    found: Vec<Entity>,
}

/// What a text names, in order and without overlaps. The first 16 KiB are read.
pub fn recognise<'a>(text: &str, context: &Context<'_>, buffers: &'a mut Buffers) -> &'a [Entity] {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    buffers.read(&text[..end]);
    buffers.emails();
    buffers.numbered(context.orders, context.country, Value::Order);
    buffers.numbered(context.skus, context.country, Value::Sku);
    buffers.dates(context);
    buffers.digits(context.country);
    buffers.addresses();
    buffers.money(context);
    buffers.quantities();
    buffers.found.sort_by_key(|entity| entity.start);
    &buffers.found
}

/// The whole text with e-mail addresses, phone, card and identity numbers, and order
/// numbers where the context has patterns, as inert labels: `[phone]`. Masking errs on
/// the safe side: so are seven digits and more that no recogniser validates, `[digits]`,
/// also with single marks between them. Masking again changes nothing.
#[must_use]
pub fn mask(text: &str, context: &Context<'_>) -> String {
    let mut buffers = Buffers::default();
    buffers.read(text);
    buffers.emails();
    buffers.numbered(context.orders, context.country, Value::Order);
    buffers.digits(context.country);
    buffers.addresses();
    buffers.long_numbers();
    buffers.found.sort_by_key(|entity| entity.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for entity in &buffers.found {
        out.push_str(&text[at..entity.start]);
        out.push_str(match entity.value {
            Value::Order(..) => "[order]",
            Value::Address(_) => "[address]",
            Value::Email(_) => "[email]",
            Value::Phone(_) => "[phone]",
            Value::Card => "[card]",
            Value::Identity => "[identity]",
            // Nothing else is looked for.
            _ => "[digits]",
        });
        at = entity.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Pieces of a text that are read as one number.
const MOST_SPELLED: usize = 40;

/// A number of the shop's that a text writes in its own way: "100-421", "1 0 0 4 2 1",
/// 一零零四二一. Where a number is what was asked for.
pub(crate) fn spelled(text: &str, patterns: &[Pattern]) -> Option<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut goes_on = false;
    for c in text.chars().filter(|c| !is_unseen(*c)).map(fold) {
        let digit = number::han_digit(c).and_then(|it| char::from_digit(it as u32, 10));
        match digit.or_else(|| c.is_ascii_alphanumeric().then_some(c)) {
            Some(c) => match pieces.last_mut().filter(|_| goes_on) {
                Some(piece) => piece.push(c),
                None => pieces.push(c.to_string()),
            },
            None if matches!(c, ' ' | '-' | '/' | '_' | '.' | '#') => {}
            // Nothing is read across another sign.
            None => pieces.push(String::new()),
        }
        goes_on = c.is_ascii_alphanumeric() || digit.is_some();
        if pieces.len() > MOST_SPELLED {
            return None;
        }
    }
    for from in 0..pieces.len() {
        let mut bare = String::new();
        for piece in pieces[from..].iter().take_while(|piece| !piece.is_empty()) {
            bare += piece;
            if let Some(number) = patterns.iter().find_map(|pattern| pattern.complete(&bare)) {
                let ends = !pieces
                    .get(from.wrapping_sub(1))
                    .is_some_and(|before| is_digits(before));
                return ends.then_some(number);
            }
        }
    }
    None
}

fn is_digits(piece: &str) -> bool {
    !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_digit())
}

/// The first number of a text as an amount, though no currency is named; `exact` takes none
/// but those with hundredths.
pub(crate) fn bare_amount(text: &str, currency: Currency, exact: bool) -> Option<Money> {
    let folded: String = text.chars().map(fold).collect();
    let signs = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let mut at = 0;
    while let Some(from) = folded[at..]
        .find(|c: char| c.is_ascii_digit())
        .map(|i| at + i)
    {
        let to = folded[from..]
            .find(|c| !signs(c))
            .map_or(folded.len(), |i| from + i);
        let written = folded[from..to].trim_end_matches(['.', ',']);
        let before = folded[..from].chars().next_back();
        let after = folded[from + written.len()..].chars().next();
        let joined = |c: Option<char>| {
            c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | ':' | '%' | '.'))
        };
        let hundredths = written.len() > 3 && written[written.len() - 3..].starts_with(['.', ',']);
        let dotted = after == Some('.') && !folded[to..].starts_with(|c: char| c.is_ascii_digit());
        if !joined(before) && (dotted || !joined(after)) && (hundredths || !exact) {
            let money = decimal(written).and_then(|it| Money::parse_decimal(&it, currency).ok());
            if money.is_some() {
                return money;
            }
        }
        at = to;
    }
    None
}

impl Buffers {
    fn read(&mut self, text: &str) {
        self.found.clear();
        self.places.clear();
        let seen = text.char_indices().filter(|(_, c)| !is_unseen(*c));
        self.places.extend(seen.map(|(at, c)| Place {
            c: fold(c),
            start: at as u32,
            end: (at + c.len_utf8()) as u32,
            taken: false,
        }));
    }

    /// The character at a place; a blank where the text ends, and NUL where something was
    /// found, so that nothing reaches across it.
    fn at(&self, i: usize) -> char {
        match self.places.get(i) {
            Some(place) if !place.taken => place.c,
            Some(_) => '\0',
            None => ' ',
        }
    }

    /// Past a blank.
    fn skip(&self, i: usize) -> usize {
        i + usize::from(self.at(i) == ' ' && i < self.places.len())
    }

    /// The longest word of a table that stands at a place, and ends there: where it ends.
    fn one_of<T: Copy>(&self, i: usize, table: &[(&str, T)]) -> Option<(usize, T)> {
        let first = self.at(i).to_ascii_lowercase();
        let mut best: Option<(usize, T)> = None;
        for (word, value) in table {
            if !word.starts_with(first) || !self.is(i, word) {
                continue;
            }
            let to = i + word.chars().count();
            let whole = !word.ends_with(|c: char| c.is_ascii_alphanumeric())
                || !self.at(to).is_ascii_alphanumeric();
            if whole && best.is_none_or(|it| it.0 < to) {
                best = Some((to, *value));
            }
        }
        best
    }

    fn before(&self, i: usize) -> char {
        i.checked_sub(1).map_or(' ', |i| self.at(i))
    }

    fn string(&self, from: usize, to: usize) -> String {
        self.places[from..to].iter().map(|place| place.c).collect()
    }

    fn take(&mut self, from: usize, to: usize, value: Value) {
        let (start, end) = (self.places[from].start, self.places[to - 1].end);
        self.places[from..to]
            .iter_mut()
            .for_each(|p| p.taken = true);
        self.found.push(Entity {
            start: start as usize,
            end: end as usize,
            value,
        });
    }

    fn emails(&mut self) {
        let local = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
        for i in 0..self.places.len() {
            if self.at(i) != '@' {
                continue;
            }
            let mut from = i;
            // RFC 5321: 64 octets before the sign, 255 after it.
            while i - from < 64 && local(self.before(from)) {
                from -= 1;
            }
            while from < i && self.at(from) == '.' {
                from += 1;
            }
            let (mut to, mut label, mut letters, mut dots) = (0, i + 1, true, 0);
            let mut j = i + 1;
            while j - i <= 256 {
                let c = self.at(j);
                if c.is_ascii_alphanumeric() || c == '-' {
                    letters &= c.is_ascii_alphabetic();
                } else {
                    if j == label {
                        break;
                    }
                    if dots > 0 && letters && j - label >= 2 {
                        to = j;
                    }
                    if c != '.' {
                        break;
                    }
                    (dots, label, letters) = (dots + 1, j + 1, true);
                }
                j += 1;
            }
            if from < i && to > 0 {
                let address = self.string(from, to).to_ascii_lowercase();
                self.take(from, to, Value::Email(address));
            }
        }
    }

    /// Numbers of the shop's, but those inside a longer number that is valid, as a phone's.
    fn numbered(
        &mut self,
        patterns: &[Pattern],
        country: Option<Country>,
        value: fn(String, usize) -> Value,
    ) {
        let longer: Vec<(usize, usize)> = match patterns.is_empty() {
            true => Vec::new(),
            false => (0..self.places.len())
                .filter(|i| {
                    self.at(*i).is_ascii_digit() && !self.before(*i).is_ascii_alphanumeric()
                })
                .filter_map(|i| self.longest(i, country))
                .map(|(from, to, _)| (from, to))
                .collect(),
        };
        for (index, pattern) in patterns.iter().enumerate() {
            for from in 0..self.places.len() {
                let to = from + pattern.len();
                let mut longer = longer.iter();
                if longer.any(|it| it.0 <= from && to <= it.1 && it.1 - it.0 > to - from) {
                    continue;
                }
                let whole = !self.before(from).is_ascii_alphanumeric()
                    && !self.at(to).is_ascii_alphanumeric();
                if whole && pattern.fits((from..to).map(|i| self.at(i))) {
                    let number = self.string(from, to).to_ascii_uppercase();
                    self.take(from, to, value(number, index));
                }
            }
        }
    }

    fn digits(&mut self, country: Option<Country>) {
        let mut i = 0;
        while i < self.places.len() {
            let begins = self.at(i).is_ascii_digit() && !self.before(i).is_ascii_alphanumeric();
            match begins.then(|| self.longest(i, country)).flatten() {
                Some((from, to, value)) => {
                    self.take(from, to, value);
                    i = to;
                }
                None => i += 1,
            }
        }
    }

    /// The longest number that begins here and is valid.
    fn longest(&self, first: usize, country: Option<Country>) -> Option<(usize, usize, Value)> {
        let plus = self.before(first) == '+';
        let from = first - usize::from(plus);
        let mut digits = String::new();
        let mut best = None;
        let mut i = first;
        for _ in 0..MOST_PIECES {
            while self.at(i).is_ascii_digit() && digits.len() < 20 {
                digits.push(self.at(i));
                i += 1;
            }
            let check = matches!(self.at(i), 'x' | 'X') && digits.len() == 17;
            let end = i + usize::from(check);
            if check {
                digits.push('X');
            }
            if !self.at(end).is_ascii_alphanumeric()
                && let Some(value) = number(&digits, plus, country)
            {
                best = Some((from, end, value));
            }
            let marks =
                (0..2).take_while(|n| matches!(self.at(i + n), ' ' | '-' | '.' | '(' | ')'));
            let marks = marks.count();
            if check || marks == 0 || !self.at(i + marks).is_ascii_digit() {
                break;
            }
            i += marks;
        }
        best
    }

    fn long_numbers(&mut self) {
        let mark = |c: char| matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
        let mut i = 0;
        while i < self.places.len() {
            let (mut to, mut count) = (i, 0);
            loop {
                if self.at(to).is_ascii_digit() {
                    (to, count) = (to + 1, count + 1);
                    continue;
                }
                let marks = (0..MOST_MARKS).take_while(|n| mark(self.at(to + n)));
                let marks = marks.count();
                if to == i || marks == 0 || !self.at(to + marks).is_ascii_digit() {
                    break;
                }
                to += marks;
            }
            if count >= LONG {
                // With the letters that touch them, lest what is left begins a number.
                let mut from = i;
                while self.before(from).is_ascii_alphanumeric() {
                    from -= 1;
                }
                while self.at(to).is_ascii_alphanumeric() {
                    to += 1;
                }
                self.take(from, to, Value::Digits);
            }
            i = to.max(i + 1);
        }
    }

    fn money(&mut self, context: &Context<'_>) {
        let mut i = 0;
        while i < self.places.len() {
            let before = self.before(i);
            let joined = before.is_ascii_alphanumeric() && !self.code_before(i);
            let han = !self.at(i).is_ascii() && self.starts(i);
            let han = self
                .whole(i)
                .filter(|_| han && number::han_digit(before).is_none());
            if let Some((to, value)) = han {
                i = self.amount(i, to, &value.to_string(), context);
                continue;
            }
            if !self.at(i).is_ascii_digit() || joined || matches!(before, '.' | ',' | '-' | '/') {
                i += 1;
                continue;
            }
            let mut to = i;
            while self.at(to).is_ascii_digit()
                || matches!(self.at(to), '.' | ',') && self.at(to + 1).is_ascii_digit()
            {
                to += 1;
            }
            let mut written = self.string(i, to);
            if number::big(self.at(to)).is_some()
                && let Some((end, value)) = self.whole(i)
            {
                (to, written) = (end, value.to_string());
            }
            i = self.amount(i, to, &written, context);
        }
    }

    /// Takes a number as an amount where a currency stands beside it: where to go on.
    fn amount(&mut self, from: usize, to: usize, written: &str, context: &Context<'_>) -> usize {
        let found = self.currency(from, to, context);
        let found = found.and_then(|(from, end, currency)| {
            let money = Money::parse_decimal(&decimal(written)?, currency).ok()?;
            Some((from, end, money))
        });
        let Some((from, end, money)) = found else {
            return to;
        };
        self.take(from, end, Value::Money(money));
        end
    }

    fn code_before(&self, i: usize) -> bool {
        i >= 3
            && CODES.iter().any(|(code, _)| self.is(i - 3, code))
            && !self.before(i - 3).is_ascii_alphanumeric()
    }

    fn is(&self, from: usize, word: &str) -> bool {
        (word.chars().enumerate()).all(|(i, c)| self.at(from + i).to_ascii_lowercase() == c)
    }

    /// The currency beside an amount, with where both begin and end.
    fn currency(
        &self,
        from: usize,
        to: usize,
        context: &Context<'_>,
    ) -> Option<(usize, usize, Currency)> {
        let sign = match self.before(from) {
            '$' => Some(context.dollar()),
            '£' => Some(Currency::GBP),
            '€' => Some(Currency::EUR),
            '¥' | '￥' => Some(context.shared(&["JPY"], Currency::CNY)),
            _ => None,
        };
        if let Some(currency) = sign {
            return Some((from - 1, to, currency));
        }
        let blank = usize::from(self.before(from) == ' ' && from > 0);
        let code = from.checked_sub(blank + 3);
        if let Some(at) = code.filter(|at| !self.before(*at).is_ascii_alphanumeric())
            && let Some((_, currency)) = CODES.iter().find(|(code, _)| self.is(at, code))
        {
            return Some((at, to, *currency));
        }
        let at = to + usize::from(self.at(to) == ' ');
        let words = CODES.iter().chain(WORDS);
        words.into_iter().find_map(|(word, currency)| {
            let end = at + word.chars().count();
            let whole = match *word {
                // "1 元月份" is January, "2 元素" are elements.
                "元" => !matches!(self.at(end), '月' | '素' | '旦' | '宵' | '件' | '组'),
                // "3 块钱" is money, "3 块蛋糕" are pieces.
                "块" => {
                    let next = self.at(end);
                    !next.is_alphabetic() || "钱以左多的吧呢吗到内".contains(next)
                }
                _ => !word.is_ascii() || !self.at(end).is_ascii_alphanumeric(),
            };
            let currency = match word.starts_with("dollar") || *word == "bucks" {
                true => context.dollar(),
                false => *currency,
            };
            (whole && self.is(at, word)).then_some((from, end, currency))
        })
    }
}

const CODES: &[(&str, Currency)] = &[
    ("usd", Currency::USD),
    ("gbp", Currency::GBP),
    ("eur", Currency::EUR),
    ("cny", Currency::CNY),
    ("rmb", Currency::CNY),
];

const WORDS: &[(&str, Currency)] = &[
    ("dollars", Currency::USD),
    ("dollar", Currency::USD),
    ("bucks", Currency::USD),
    ("pounds", Currency::GBP),
    ("quid", Currency::GBP),
    ("euros", Currency::EUR),
    ("euro", Currency::EUR),
    ("yuan", Currency::CNY),
    ("美元", Currency::USD),
    ("英镑", Currency::GBP),
    ("欧元", Currency::EUR),
    ("元", Currency::CNY),
    ("块", Currency::CNY),
];

fn number(digits: &str, plus: bool, country: Option<Country>) -> Option<Value> {
    let bytes = digits.as_bytes();
    if !plus && is_identity(bytes) {
        return Some(Value::Identity);
    }
    if !plus && (13..=19).contains(&bytes.len()) && matches!(bytes[0], b'3'..=b'6') && luhn(bytes) {
        return Some(Value::Card);
    }
    let high = |at: usize| bytes.get(at).is_some_and(|b| (b'2'..=b'9').contains(b));
    let phone = match bytes.len() {
        8..=15 if plus && bytes[0] != b'0' => format!("+{digits}"),
        11 if bytes[0] == b'1'
            && (b'3'..=b'9').contains(&bytes[1])
            && country != Some(Country::Us) =>
        {
            format!("+86{digits}")
        }
        10 if country == Some(Country::Us) && high(0) && high(3) => format!("+1{digits}"),
        11 if country == Some(Country::Us) && bytes[0] == b'1' && high(1) && high(4) => {
            format!("+{digits}")
        }
        10 | 11 if country == Some(Country::Gb) && bytes[0] == b'0' && bytes[1] != b'0' => {
            format!("+44{}", &digits[1..])
        }
        _ => return None,
    };
    Some(Value::Phone(phone))
}

/// An amount with a point for its decimals and nothing else: `1,299.50` and `1.299,50`
/// are the same, `12,50` is twelve and a half. None where the marks make no sense.
fn decimal(written: &str) -> Option<String> {
    let Some(last) = written.rfind(['.', ',']) else {
        return Some(written.to_owned());
    };
    let (whole, mark, rest) = (
        &written[..last],
        &written[last..=last],
        &written[last + 1..],
    );
    let other = if mark == "." { "," } else { "." };
    let is_grouped = |text: &str, mark: &str| {
        let mut groups = text.split(mark);
        let first = groups.next().map_or(0, str::len);
        (1..=3).contains(&first) && groups.all(|group| group.len() == 3)
    };
    // One mark alone: a comma before three digits groups them, as in English.
    let is_decimal =
        whole.contains(other) || !whole.contains(mark) && (mark == "." || rest.len() < 3);
    if !is_decimal {
        return is_grouped(written, mark).then(|| written.replace(mark, ""));
    }
    let sound = !whole.contains(mark) && (!whole.contains(other) || is_grouped(whole, other));
    sound.then(|| format!("{}.{rest}", whole.replace(other, "")))
}

fn luhn(digits: &[u8]) -> bool {
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = (digits.iter().rev().enumerate())
        .map(|(i, digit)| {
            let value = u32::from(digit.saturating_sub(b'0')) << (i % 2);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_identity(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if digits.len() != 18 || digits[0] == b'0' {
        return false;
    }
    let sum: u32 = (digits.iter().zip(WEIGHTS))
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    b"10X98765432"[(sum % 11) as usize] == digits[17]
}

#[cfg(test)]
mod tests;
