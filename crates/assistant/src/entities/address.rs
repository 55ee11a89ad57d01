//! Postal addresses of the United Kingdom, the United States and China, by their parts.
//! Precision before recall: a street needs its house number, a district its city, and a
//! postcode must be one (the form and areas of British ones, the state of an American one,
//! a word such as 邮编 before a Chinese one).

use super::date::contains_word;
use super::{Buffers, Context, Value, recognise};

/// What a part of an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// A flat, a room, a staircase.
    Unit,
    /// A house with several flats, or an estate.
    Building,
    /// The number of a house.
    Number,
    /// A street; a post office box.
    Street,
    /// A district, a county, a town.
    District,
    /// A city or a locality.
    City,
    /// A state or a province.
    Region,
    /// A postcode.
    Postcode,
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPart {
    /// What it is.
    pub kind: PartKind,
    /// Its first byte in the original text.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
}

const AREAS: &str = "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG \
    DH DL DN DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW \
    KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA \
    SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO \
    ZE";
/// States with the first digit of their ZIP codes.
const STATES: &str = "AL3 AK9 AZ8 AR7 CA9 CO8 CT0 DE1 DC2 FL3 GA3 HI9 ID8 IL6 IN4 IA5 KS6 KY4 LA7 \
    ME0 MD2 MA0 MI4 MN5 MS3 MO6 MT5 NE6 NV8 NH0 NJ0 NM8 NY1 NC2 ND5 OH4 OK7 OR9 PA1 RI0 SC2 SD5 TN3 \
    TX7 UT8 VT0 VA2 WA9 WV2 WI5 WY8";
/// Kinds of streets, in any case of letters.
const STREETS: &str = "street road avenue boulevard crescent rd ave blvd";
/// Those that are other words too: in capitals, or with a postcode.
const CAPITAL_STREETS: &str = "st lane ln drive dr close court ct place pl way terrace gardens \
    square row grove mews hill parade walk rise parkway highway";
/// Words that no street has in its name.
const NO_STREET: &str = "a an of for in on at off to my your his her the is are was were it and or \
    with from by this that hour hours day days week weeks pair pairs piece pieces x per";
const UNITS: &[(&str, ())] = &[
    ("flat", ()),
    ("apt", ()),
    ("apt.", ()),
    ("apartment", ()),
    ("unit", ()),
    ("suite", ()),
    ("ste", ()),
    ("room", ()),
];
const BOXES: &[(&str, ())] = &[("po box ", ()), ("p.o. box ", ())];

const PROVINCES: &[(&str, bool)] = &[
    ("北京", true),
    ("上海", true),
    ("天津", true),
    ("重庆", true),
    ("河北", false),
    ("山西", false),
    ("辽宁", false),
    ("吉林", false),
    ("黑龙江", false),
    ("江苏", false),
    ("浙江", false),
    ("安徽", false),
    ("福建", false),
    ("江西", false),
    ("山东", false),
    ("河南", false),
    ("湖北", false),
    ("湖南", false),
    ("广东", false),
    ("海南", false),
    ("四川", false),
    ("贵州", false),
    ("云南", false),
    ("陕西", false),
    ("甘肃", false),
    ("青海", false),
    ("台湾", false),
    ("内蒙古", false),
    ("广西", false),
    ("西藏", false),
    ("宁夏", false),
    ("新疆", false),
    ("香港", true),
    ("澳门", true),
];
const DISTRICTS: &[(&str, PartKind)] = &[
    ("街道", PartKind::District),
    ("自治州", PartKind::City),
    ("地区", PartKind::City),
    ("市", PartKind::City),
    ("区", PartKind::District),
    ("县", PartKind::District),
    ("旗", PartKind::District),
    ("镇", PartKind::District),
    ("乡", PartKind::District),
];
const ROADS: &[(&str, ())] = &[
    ("路", ()),
    ("街", ()),
    ("大道", ()),
    ("大街", ()),
    ("巷", ()),
    ("胡同", ()),
];
const ESTATES: &[(&str, ())] = &[
    ("小区", ()),
    ("花园", ()),
    ("公寓", ()),
    ("大厦", ()),
    ("家园", ()),
    ("新村", ()),
    ("苑", ()),
];
const ROOMS: &[(&str, PartKind)] = &[
    ("号楼", PartKind::Building),
    ("栋", PartKind::Building),
    ("幢", PartKind::Building),
    ("座", PartKind::Building),
    ("号院", PartKind::Building),
    ("单元", PartKind::Unit),
    ("层", PartKind::Unit),
    ("楼", PartKind::Unit),
    ("室", PartKind::Unit),
    ("房", PartKind::Unit),
    ("户", PartKind::Unit),
];
/// Characters that no name of a place has, and that stand before one.
const NO_PLACE: &str =
    "请寄到送在是给往改至址住于换把从了我你您他她的这那条走能吗什么哪个没不很说想收买货";
/// Those that stand before one and in one: 改成, 成都.
const NO_START: &str = "成家和来都为发有去要与就";
const LONGEST_NAME: usize = 8;

type Parts = Vec<(PartKind, usize, usize)>;

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

impl Buffers {
    pub(super) fn addresses(&mut self) {
        let mut i = 0;
        while i < self.places.len() {
            let c = self.at(i);
            let found = if c.is_ascii_alphanumeric() && !self.before(i).is_ascii_alphanumeric() {
                self.western(i).or_else(|| self.postcode_alone(i))
            } else if is_han(c) && !self.is_inside(i) {
                self.eastern(i)
            } else {
                None
            };
            let Some(mut parts) = found else {
                i += 1;
                continue;
            };
            if is_han(c)
                && let Some((from, to)) = self.code_behind(self.tail(parts[parts.len() - 1].2))
            {
                parts.push((PartKind::Postcode, from, to));
            }
            let (from, to) = (parts[0].1, parts[parts.len() - 1].2);
            let part = |(kind, from, to): (PartKind, usize, usize)| AddressPart {
                kind,
                start: self.places[from].start as usize,
                end: self.places[to - 1].end as usize,
            };
            let parts = parts.into_iter().map(part).collect();
            self.take(from, to, Value::Address(parts));
            i = to;
        }
    }

    /// Past what goes on without a mark behind an address: a building, a floor.
    fn tail(&self, i: usize) -> usize {
        let goes_on = |i: &usize| {
            let c = self.at(*i);
            *i < self.places.len()
                && (is_han(c) && !NO_PLACE.contains(c) || c.is_ascii_alphanumeric())
        };
        i + (i..i + LONGEST_MORE).take_while(goes_on).count()
    }

    /// The six digits of a Chinese postcode behind an address, which a pattern may have
    /// taken for a number of the shop's: from where to where.
    fn code_behind(&mut self, i: usize) -> Option<(usize, usize)> {
        let at = |i: usize| self.places.get(i).map_or(' ', |place| place.c);
        let gap = (i..i + 3)
            .take_while(|i| matches!(at(*i), ' ' | ','))
            .count();
        let from = i + gap;
        let digits = (from..from + 7).map_while(|i| at(i).to_digit(10));
        let (count, code) = digits.fold((0, 0), |(n, sum), digit| (n + 1, sum * 10 + digit));
        let to = from + 6;
        let valid = gap > 0 && count == 6 && (10_000..860_000).contains(&code);
        if !valid || at(to).is_ascii_alphanumeric() {
            return None;
        }
        let (start, end) = (
            self.places[from].start as usize,
            self.places[to - 1].end as usize,
        );
        let of_shop = self.found.iter().position(|it| {
            matches!(it.value, Value::Order(..) | Value::Sku(..))
                && (it.start, it.end) == (start, end)
        });
        if let Some(of_shop) = of_shop {
            self.found.remove(of_shop);
            self.places[from..to]
                .iter_mut()
                .for_each(|it| it.taken = false);
        }
        (from..to)
            .all(|i| !self.places[i].taken)
            .then_some((from, to))
    }

    /// The ASCII word at a place, with apostrophes: where it ends. None for none.
    fn word(&self, i: usize) -> Option<usize> {
        let letters = |i: &usize| {
            self.at(*i).is_ascii_alphabetic()
                || self.at(*i) == '\'' && self.at(i + 1).is_ascii_alphabetic()
        };
        let to = i + (i..i + 24).take_while(letters).count();
        (to > i && !self.at(to).is_ascii_digit() && self.at(i) != '\'').then_some(to)
    }

    fn in_list(&self, from: usize, to: usize, list: &str) -> bool {
        contains_word(list, &self.string(from, to).to_ascii_lowercase())
    }

    /// Past `, ` or a blank.
    fn comma(&self, i: usize) -> usize {
        let comma = i + usize::from(self.at(i) == ',');
        self.skip(comma)
    }

    /// `Flat 3`, `Apt 12B`, `#4`.
    fn flat(&self, i: usize) -> Option<usize> {
        let at = match self.at(i) {
            '#' => i + 1,
            _ => self.one_of(i, UNITS).filter(|it| self.at(it.0) == ' ')?.0 + 1,
        };
        let alnum = |i: &usize| self.at(*i).is_ascii_alphanumeric();
        let long = (at..at + 6).take_while(alnum).count();
        let digit = (at..at + long).any(|i| self.at(i).is_ascii_digit());
        ((1..=5).contains(&long) && (digit || long == 1)).then_some(at + long)
    }

    /// `12`, `221B`, `10-12`.
    fn house(&self, i: usize) -> Option<usize> {
        let digits = |i: usize| {
            (i..i + 6)
                .take_while(|i| self.at(*i).is_ascii_digit())
                .count()
        };
        let long = digits(i);
        if !(1..=5).contains(&long)
            || matches!(self.before(i), '.' | '/' | ':' | '-' | '$' | '£' | '€')
        {
            return None;
        }
        let mut to = i + long;
        let more = digits(to + 1);
        if self.at(to) == '-' && (1..=5).contains(&more) {
            to += 1 + more;
        }
        to += usize::from(self.at(to).is_ascii_alphabetic());
        (self.at(to) == ' ').then_some(to)
    }

    /// The name of a street: where it ends, and whether it must be one.
    fn street(&self, i: usize) -> Option<(usize, bool)> {
        let (mut at, mut capitals) = (i, true);
        for place in 0..5 {
            let ordinal = self.at(at).is_ascii_digit().then(|| {
                let digits = (at..at + 4)
                    .take_while(|i| self.at(*i).is_ascii_digit())
                    .count();
                self.one_of(
                    at + digits,
                    &[("st", ()), ("nd", ()), ("rd", ()), ("th", ())],
                )
            });
            let to = match ordinal {
                Some(found) => found?.0,
                None => self.word(at)?,
            };
            capitals &= !self.at(at).is_ascii_lowercase();
            if place > 0 {
                if self.in_list(at, to, STREETS) {
                    return Some((to, true));
                }
                // A street's name may go on: `Hill Close`, `Park Way Road`.
                if self.in_list(at, to, CAPITAL_STREETS) {
                    let longer = self.word(self.skip(to)).filter(|end| {
                        let next = self.skip(to);
                        self.in_list(next, *end, STREETS)
                            || self.in_list(next, *end, CAPITAL_STREETS)
                    });
                    if longer.is_none() {
                        return Some((to + usize::from(self.at(to) == '.'), capitals));
                    }
                }
            }
            let the = place == 0 && self.in_list(at, to, "the");
            if self.in_list(at, to, NO_STREET) && !the {
                return None;
            }
            let dot = usize::from(self.at(to) == '.' && to - at <= 2);
            if self.at(to + dot) != ' ' {
                return None;
            }
            at = to + dot + 1;
        }
        None
    }

    fn western(&self, i: usize) -> Option<Parts> {
        let mut parts = Parts::new();
        let (mut at, sure);
        if let Some((to, ())) = self.one_of(i, BOXES) {
            let digits = (to..to + 8)
                .take_while(|i| self.at(*i).is_ascii_digit())
                .count();
            if !(1..=7).contains(&digits) {
                return None;
            }
            (at, sure) = (to + digits, true);
            parts.push((PartKind::Street, i, at));
        } else {
            at = i;
            if let Some(to) = self.flat(i) {
                parts.push((PartKind::Unit, i, to));
                at = self.comma(to);
            }
            let Some(to) = self.house(at) else {
                return self.city_and_state(i);
            };
            let (end, known) = self.street(to + 1)?;
            sure = known || !parts.is_empty();
            parts.push((PartKind::Number, at, to));
            parts.push((PartKind::Street, to + 1, end));
            at = end;
            let next = self.comma(at);
            if let Some(to) = self.flat(next).filter(|_| next > at) {
                parts.push((PartKind::Unit, next, to));
                at = to;
            }
        }
        // Localities are sure behind commas and in capitals, or before a postcode.
        let mut known = if sure { parts.len() } else { 0 };
        for _ in 0..6 {
            let comma = self.at(at) == ',';
            let next = self.comma(at);
            if next == at {
                break;
            }
            if let Some(end) = self.postcode(next) {
                parts.push((PartKind::Postcode, next, end));
                known = parts.len();
                break;
            }
            if let Some((state, end)) = self.state(next) {
                parts.push((PartKind::Region, next, state));
                parts.push((PartKind::Postcode, state + 1, end));
                known = parts.len();
                break;
            }
            let Some(mut to) = self.word(next) else { break };
            let capital = |i: usize| self.at(i).is_ascii_uppercase();
            let mut capitals = capital(next);
            while self.at(to) == ' '
                && capital(to + 1) == capitals
                && let Some(end) = self.word(to + 1)
                && self.state(to + 1).is_none()
                && end - next < 32
            {
                capitals &= capital(to + 1);
                to = end;
                if !capitals {
                    break;
                }
            }
            parts.push((PartKind::City, next, to));
            if comma && capitals && known == parts.len() - 1 {
                known = parts.len();
            }
            at = to;
        }
        parts.truncate(known);
        (!parts.is_empty()).then_some(parts)
    }

    /// `Portland, OR 97205`.
    fn city_and_state(&self, i: usize) -> Option<Parts> {
        let mut to = i;
        for _ in 0..3 {
            if !self.at(to).is_ascii_uppercase() {
                return None;
            }
            to = self.word(to)?;
            if self.at(to) != ' ' {
                break;
            }
            to += 1;
        }
        let next = self.comma(to);
        let (state, end) = self.state(next).filter(|_| self.at(to) == ',')?;
        Some(vec![
            (PartKind::City, i, to),
            (PartKind::Region, next, state),
            (PartKind::Postcode, state + 1, end),
        ])
    }

    /// A state in capitals with a ZIP code that it may have: where each ends.
    fn state(&self, i: usize) -> Option<(usize, usize)> {
        let digit = |at: usize| self.at(at).is_ascii_digit();
        let capitals = self.at(i).is_ascii_uppercase() && self.at(i + 1).is_ascii_uppercase();
        if !capitals || self.at(i + 2) != ' ' || !(3..8).all(|n| digit(i + n)) {
            return None;
        }
        let state = [self.string(i, i + 2), self.at(i + 3).to_string()].concat();
        if !STATES.split_ascii_whitespace().any(|it| it == state) {
            return None;
        }
        let more = self.at(i + 8) == '-' && (9..13).all(|n| digit(i + n));
        let end = i + if more { 13 } else { 8 };
        (!self.at(end).is_ascii_alphanumeric()).then_some((i + 2, end))
    }

    /// A British postcode (BS 7666): where it ends.
    fn postcode(&self, i: usize) -> Option<usize> {
        let letter = |at: usize| self.at(at).is_ascii_alphabetic();
        let digit = |at: usize| self.at(at).is_ascii_digit();
        let long = if letter(i + 1) { 2 } else { 1 };
        if !letter(i) || !digit(i + long) || self.before(i).is_ascii_alphanumeric() {
            return None;
        }
        let area = self.string(i, i + long).to_ascii_uppercase();
        if !AREAS.split_ascii_whitespace().any(|it| it == area) {
            return None;
        }
        let inward = |at: usize| {
            let fits = |i: usize| letter(i) && !"CIKMOV".contains(self.at(i).to_ascii_uppercase());
            digit(at) && fits(at + 1) && fits(at + 2) && !self.at(at + 3).is_ascii_alphanumeric()
        };
        let at = i + long + 1;
        let longer = usize::from(self.at(at).is_ascii_alphanumeric());
        [at + longer, at].into_iter().find_map(|at| {
            let at = self.skip(at);
            inward(at).then_some(at + 3)
        })
    }

    fn postcode_alone(&self, i: usize) -> Option<Parts> {
        let end = self.postcode(i)?;
        // S21 8GB is a phone and its memory.
        let unit = self.string(end - 2, end).to_ascii_lowercase();
        (!matches!(unit.as_str(), "gb" | "tb")).then(|| vec![(PartKind::Postcode, i, end)])
    }

    /// A name of some characters, up to a word that says what it names: where it ends.
    fn place<T: Copy>(&self, i: usize, table: &[(&str, T)]) -> Option<(usize, T)> {
        let mut at = i;
        while at - i <= LONGEST_NAME && is_han(self.at(at)) && !NO_PLACE.contains(self.at(at)) {
            if at - i >= 2
                && let Some(found) = self.one_of(at, table)
            {
                return Some(found);
            }
            at += 1;
        }
        None
    }

    /// Whether no name of a place begins here: 成 in 改成, not in 寄到成都.
    fn is_inside(&self, i: usize) -> bool {
        let before = self.before(i);
        NO_START.contains(self.at(i)) && is_han(before) && !"到在至是址".contains(before)
    }

    fn eastern(&self, i: usize) -> Option<Parts> {
        const CODES: &[(&str, ())] = &[("邮编", ()), ("邮政编码", ()), ("邮編", ())];
        if let Some((to, ())) = self.one_of(i, CODES) {
            let mut at = to;
            while at < to + 2 && matches!(self.at(at), '是' | '为' | ':' | ' ') {
                at += 1;
            }
            let digits = (at..at + 7).map_while(|i| self.at(i).to_digit(10));
            let (count, code) = digits.fold((0, 0), |(n, sum), digit| (n + 1, sum * 10 + digit));
            let valid = count == 6 && (10_000..860_000).contains(&code);
            return (valid && !self.at(at + 6).is_ascii_alphanumeric())
                .then(|| vec![(PartKind::Postcode, at, at + 6)]);
        }
        let mut parts = Parts::new();
        let mut at = i;
        let mut cities = 0;
        if let Some((to, is_city)) = self.one_of(i, PROVINCES) {
            const SUFFIXES: &[(&str, ())] = &[
                ("省", ()),
                ("市", ()),
                ("自治区", ()),
                ("壮族自治区", ()),
                ("回族自治区", ()),
                ("维吾尔自治区", ()),
                ("特别行政区", ()),
            ];
            let kind = if is_city {
                PartKind::City
            } else {
                PartKind::Region
            };
            at = self.one_of(to, SUFFIXES).map_or(to, |it| it.0);
            parts.push((kind, i, at));
            cities += 1;
        }
        let mut districts = 0;
        while parts.len() < 6
            && let Some((to, kind)) = self.place(at, DISTRICTS)
            && self.at(to - 2) != '小'
        {
            // 天府大道: a road within reach comes first.
            let road = self.place(at, ROADS);
            if road.is_some_and(|(end, ())| end < to && self.at(end) != '道') {
                break;
            }
            cities += usize::from(kind == PartKind::City);
            districts += usize::from(kind == PartKind::District);
            parts.push((kind, at, to));
            at = to;
        }
        let mut is_whole = cities > 0 && districts > 0 || cities > 1;
        if let Some((to, ())) = self.place(at, ROADS)
            && self.at(to) != '道'
        {
            const WAYS: &[(&str, ())] = &[
                ("东段", ()),
                ("南段", ()),
                ("西段", ()),
                ("北段", ()),
                ("中段", ()),
            ];
            let to = self.one_of(to, WAYS).map_or(to, |it| it.0);
            let number = self
                .whole(to)
                .filter(|(end, _)| matches!(self.at(*end), '号' | '號' | '弄'));
            let house = number.filter(|(end, value)| {
                *value < 100_000 && !matches!(self.at(end + 1), '楼' | '线' | '院')
            });
            if house.is_some() || districts + cities > 0 {
                parts.push((PartKind::Street, at, to));
                at = to;
                is_whole |= districts + cities > 0;
            }
            if let Some((end, _)) = house {
                parts.push((PartKind::Number, at, end + 1));
                (at, is_whole) = (end + 1, true);
            }
        }
        let estate = self.place(at, ESTATES).map(|it| it.0);
        let estate = estate.filter(|to| is_whole || self.rooms(*to).is_some());
        if let Some(to) = estate {
            parts.push((PartKind::Building, at, to));
            (at, is_whole) = (to, true);
        }
        while is_whole
            && parts.len() < 12
            && let Some((kind, from, to)) = self.rooms(at)
        {
            parts.push((kind, from, to));
            at = to;
        }
        // 2单元301: the last number needs no word.
        let tail = self.skip(at + usize::from(self.at(at) == '-'));
        let digits = (tail..tail + 5)
            .take_while(|i| self.at(*i).is_ascii_digit())
            .count();
        let inside = parts
            .last()
            .is_some_and(|it| matches!(it.0, PartKind::Unit | PartKind::Building));
        let is_room = (3..=4).contains(&digits) && !self.at(tail + digits).is_alphanumeric();
        if is_whole && inside && is_room {
            parts.push((PartKind::Unit, tail, tail + digits));
        }
        is_whole.then_some(parts)
    }

    /// `3栋`, `2单元`, `501室`.
    fn rooms(&self, i: usize) -> Option<(PartKind, usize, usize)> {
        let letter = self.at(i).is_ascii_uppercase().then_some(i + 1);
        let to = letter.or_else(|| self.whole(i).filter(|it| it.1 < 10_000).map(|it| it.0))?;
        let (end, kind) = self.one_of(to, ROOMS)?;
        Some((kind, i, end))
    }
}

/// The parts of an address by itself.
fn parts(address: &str) -> Vec<AddressPart> {
    let mut buffers = Buffers::default();
    let found = recognise(address, &Context::default(), &mut buffers);
    let parts = found.iter().filter_map(|it| match &it.value {
        Value::Address(parts) => Some(parts.as_slice()),
        _ => None,
    });
    parts.flatten().copied().collect()
}

const fn is_place(kind: PartKind) -> bool {
    matches!(
        kind,
        PartKind::City | PartKind::District | PartKind::Region | PartKind::Postcode
    )
}

/// Whether an address says in which place it is; true of what no recogniser reads.
pub(crate) fn names_a_place(address: &str) -> bool {
    let parts = parts(address);
    parts.is_empty() || parts.iter().any(|it| is_place(it.kind))
}

/// An address that corrects another or completes it: of a house in the same street, the rest
/// is as before; a place without a house belongs to the house before.
pub(crate) fn join_addresses(old: &str, new: &str) -> String {
    let (before, after) = (parts(old), parts(new));
    let text = |of: &str, it: &AddressPart| of[it.start..it.end].to_lowercase();
    let street = |of: &str, parts: &[AddressPart]| {
        let mut parts = parts.iter();
        parts
            .find(|it| it.kind == PartKind::Street)
            .map(|it| text(of, it))
    };
    let has_place = after.iter().any(|it| is_place(it.kind));
    let is_house = |it: &&AddressPart| matches!(it.kind, PartKind::Street | PartKind::Number);
    let house = |parts: &[AddressPart]| {
        let from = parts.iter().filter(is_house).map(|it| it.start).min()?;
        let to = parts.iter().filter(is_house).map(|it| it.end).max()?;
        Some((from, to))
    };
    if !has_place
        && street(old, &before).is_some()
        && street(old, &before) == street(new, &after)
        && let (Some((from, to)), Some((new_from, new_to))) = (house(&before), house(&after))
    {
        return [&old[..from], &new[new_from..new_to], &old[to..]].concat();
    }
    if after.is_empty() || !after.iter().all(|it| is_place(it.kind)) {
        return new.to_owned();
    }
    let mut joined = old.to_owned();
    let mut more: Vec<&str> = Vec::new();
    for part in &after {
        let written = &new[part.start..part.end];
        match before.iter().find(|it| it.kind == part.kind) {
            // What it had of that kind is another now.
            Some(was) => joined = joined.replacen(&old[was.start..was.end], written, 1),
            None => more.push(written),
        }
    }
    if more.is_empty() {
        return joined;
    }
    match joined.chars().any(is_han) && more.iter().any(|it| it.chars().any(is_han)) {
        true => [&more.concat(), &*joined].concat(),
        false => format!("{joined}, {}", more.join(" ")),
    }
}

/// Letters of what a recogniser leaves out of an address, at most.
const LONGEST_MORE: usize = 60;
/// Whom it is for, before an address.
const FOR_WHOM: [&str; 5] = ["c/o ", "care of ", "attn ", "attn: ", "fao "];
/// What ends a Chinese text behind an address.
const ENDS: [&str; 12] = [
    "谢谢",
    "可以吗",
    "行吗",
    "好吗",
    "吧",
    "呢",
    "哦",
    "啊",
    "了",
    "那里",
    "就行",
    "就可以",
];

/// An address with what its text has around it that no recogniser knows: whom it is for, the
/// name of a building, a floor.
pub(crate) fn whole_address(text: &str, start: usize, end: usize) -> &str {
    let before = &text[..start];
    let lower = before.to_ascii_lowercase();
    let whom = FOR_WHOM.iter().filter_map(|word| lower.rfind(word)).max();
    let begins = |at: usize| {
        before[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric())
    };
    let whom = whom.filter(|at| {
        let name = &before[*at..];
        let goes_on = name.trim_end().ends_with(',') && !name.contains(['.', ';', '?', '!', '\n']);
        begins(*at) && goes_on && name.len() <= LONGEST_MORE
    });
    let rest = &text[end..];
    let more = match text[start..end].chars().any(is_han) {
        true => {
            let stop = |c: char| {
                !(is_han(c)
                    || c.is_ascii_alphanumeric()
                    || matches!(c, '-' | '#' | '(' | ')' | '（' | '）'))
            };
            let mut more = &rest[..rest.find(stop).unwrap_or(rest.len())];
            while let Some(shorter) = ENDS.iter().find_map(|it| more.strip_suffix(it)) {
                more = shorter;
            }
            let first = more.chars().next();
            match first.is_some_and(|c| NO_PLACE.contains(c)) {
                true => "",
                false => more,
            }
        }
        // `, The Old Mill`: parts behind commas that begin with capitals or figures.
        false => {
            let mut to = 0;
            while let Some(part) = rest[to..].strip_prefix(", ") {
                let long = part
                    .find([',', '.', ';', '?', '!', '\n'])
                    .unwrap_or(part.len());
                let part = part[..long].trim_end();
                let named = part.split(' ').all(|word| {
                    word.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
                });
                if part.is_empty() || !named {
                    break;
                }
                to += 2 + part.len();
            }
            &rest[..to]
        }
    };
    match more.chars().count() <= LONGEST_MORE {
        true => &text[whom.unwrap_or(start)..end + more.len()],
        false => &text[whom.unwrap_or(start)..end],
    }
}
