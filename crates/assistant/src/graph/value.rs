//! What a fact says of an entity: another entity or a literal, with its type.

use core::cmp::Ordering;
use core::fmt;

use shelfedge_commerce::{Currency, Money};

use super::lists::{Cursor, Rising};

/// Most bytes of a text.
pub const MOST_TEXT_BYTES: usize = 16 * 1024;
/// Decimals of a number.
const DECIMALS: u32 = 6;
const ONE: i64 = 10_i64.pow(DECIMALS);

/// An entity's number in its graph, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity(pub u32);

/// A relation's number in its graph, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation(pub u16);

/// The number of a type of entities in its graph, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type(pub u16);

/// A decimal number, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub i64);

impl Number {
    /// Reads `-12`, `6.1`; at most six decimals. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || part.len() > DECIMALS as usize {
            return None;
        }
        let scale = 10_i64.pow(DECIMALS - part.len() as u32);
        let part = part.parse::<i64>().ok()? * scale;
        let whole = whole.parse::<i64>().ok()?.checked_mul(ONE)?;
        let value = whole.checked_add(part)?;
        Some(Self(if negative { -value } else { value }))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, one) = (self.0.unsigned_abs(), ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", value / one)?;
        match value % one {
            0 => Ok(()),
            part => {
                let part = format!("{part:0width$}", width = DECIMALS as usize);
                write!(f, ".{}", part.trim_end_matches('0'))
            }
        }
    }
}

macro_rules! availabilities {
    ($($name:ident $en:literal $zh:literal;)*) => {
        /// Whether an offer can be had: `ItemAvailability` of schema.org.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Availability { $(#[doc = $en] $name),* }

        impl Availability {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name at schema.org, without its address.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// For a customer, in English and in Chinese.
            #[must_use]
            pub const fn label(self) -> [&'static str; 2] {
                match self { $(Self::$name => [$en, $zh]),* }
            }
        }
    };
}

// In the order of their codes in a file: new ones come last.
availabilities! {
    InStock "in stock" "有货";
    OutOfStock "out of stock" "缺货";
    SoldOut "sold out" "已售完";
    LimitedAvailability "in stock, but few are left" "库存紧张";
    PreOrder "available for pre-order" "可预订";
    PreSale "on sale to some customers ahead of the rest" "预售中";
    BackOrder "on back order" "可订货，到货后发出";
    MadeToOrder "made to order" "按订单制作";
    Reserved "reserved" "已被预留";
    InStoreOnly "only sold in the store" "仅限门店";
    OnlineOnly "only sold online" "仅限网上";
    Discontinued "discontinued" "已停产";
}

impl Availability {
    /// Reads a name with or without the address of schema.org, in any case, and as
    /// `in_stock` or `out of stock`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
        let letters = || name.bytes().filter(|it| !b" _-".contains(it));
        let same = |it: &&Self| {
            let wanted = it.name().bytes().map(|it| it.to_ascii_lowercase());
            letters().map(|it| it.to_ascii_lowercase()).eq(wanted)
        };
        Self::ALL.iter().find(same).copied()
    }

    /// Whether it can be ordered now.
    #[must_use]
    pub const fn can_be_ordered(self) -> bool {
        !matches!(
            self,
            Self::OutOfStock
                | Self::SoldOut
                | Self::Reserved
                | Self::InStoreOnly
                | Self::Discontinued
        )
    }
}

/// What all values of a relation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueKind {
    /// Entities.
    Entity,
    /// Texts.
    Text,
    /// Numbers.
    Number,
    /// Amounts of money.
    Money,
    /// Whether it can be had.
    Availability,
}

impl ValueKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Entity,
        Self::Text,
        Self::Number,
        Self::Money,
        Self::Availability,
    ];

    /// As it is written in a file of triples.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::Text => "text",
            Self::Number => "number",
            Self::Money => "money",
            Self::Availability => "availability",
        }
    }
}

/// The object of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Another entity.
    Entity(Entity),
    /// A text of 1 byte to 16 KiB.
    Text(&'a str),
    /// A number.
    Number(Number),
    /// Money.
    Money(Money),
    /// Whether it can be had.
    Availability(Availability),
}

impl Value<'_> {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Entity(_) => ValueKind::Entity,
            Self::Text(_) => ValueKind::Text,
            Self::Number(_) => ValueKind::Number,
            Self::Money(_) => ValueKind::Money,
            Self::Availability(_) => ValueKind::Availability,
        }
    }
}

/// By kind, then by value; money by currency first.
impl Ord for Value<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let money = |it: &Money| (it.currency, it.minor);
        match (self, other) {
            (Self::Entity(a), Self::Entity(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Money(a), Self::Money(b)) => money(a).cmp(&money(b)),
            (Self::Availability(a), Self::Availability(b)) => a.cmp(b),
            _ => (self.kind() as u8).cmp(&(other.kind() as u8)),
        }
    }
}

impl PartialOrd for Value<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triple<'a> {
    /// Of what it is.
    pub subject: Entity,
    /// What it says of it.
    pub relation: Relation,
    /// Its value.
    pub object: Value<'a>,
}

/// The values that an entity has by a relation, in rising order.
#[derive(Clone, Debug)]
pub struct Values<'a>(Encoded<'a>);

#[derive(Clone, Debug)]
enum Encoded<'a> {
    Entities(Rising<'a>),
    Literals(ValueKind, Cursor<'a>, &'a [Currency]),
}

impl<'a> Values<'a> {
    pub(super) const fn new(
        kind: ValueKind,
        list: &'a [u8],
        base: u32,
        currencies: &'a [Currency],
    ) -> Self {
        Self(match kind {
            ValueKind::Entity => Encoded::Entities(Rising::new(list, base)),
            _ => Encoded::Literals(kind, Cursor::new(list), currencies),
        })
    }

    /// How many values a list of literals has; `None` where some can't be read or they
    /// don't rise.
    pub(super) fn checked(mut self) -> Option<u32> {
        let (mut count, mut last) = (0, None);
        while matches!(&self.0, Encoded::Literals(_, cursor, _) if !cursor.is_done()) {
            let value = Some(self.next()?);
            if last >= value {
                return None;
            }
            (count, last) = (count + 1, value);
        }
        Some(count)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (kind, cursor, currencies) = match &mut self.0 {
            Encoded::Entities(rising) => return rising.next().map(Entity).map(Value::Entity),
            Encoded::Literals(kind, cursor, currencies) => (*kind, cursor, *currencies),
        };
        Some(match kind {
            ValueKind::Entity => return None,
            ValueKind::Text => {
                let text = cursor.text()?;
                let fits = (1..=MOST_TEXT_BYTES).contains(&text.len());
                Value::Text(fits.then_some(text)?)
            }
            ValueKind::Number => Value::Number(Number(cursor.i64()?)),
            ValueKind::Money => {
                let currency = *currencies.get(cursor.u32()? as usize)?;
                Value::Money(Money::new(cursor.i64()?, currency))
            }
            ValueKind::Availability => {
                Value::Availability(*Availability::ALL.get(cursor.u32()? as usize)?)
            }
        })
    }
}
