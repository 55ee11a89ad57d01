//! The typed feature spec: which numbers a model sees, and how each is scaled.
//!
//! A spec is fitted by the trainer and travels with the model in two forms: as
//! JSON in the ONNX file (for people and tools) and flat in the compiled model
//! (for the runtime).

use shelfedge_engine::file::u32_at;

use crate::tables::TableError;

/// What a feature tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// The shopper, whatever the product.
    Shopper,
    /// The moment and the device.
    Context,
    /// The product, whoever looks.
    Product,
    /// Shopper and product together.
    Crossing,
}

/// Which part of an explanation a feature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The same for every candidate of a request: explains no order.
    Request,
    /// The shopper bought this product before.
    BoughtBefore,
    /// It goes with what the shopper looks at now.
    Session,
    /// It goes with what the shopper bought before.
    History,
    /// Many buy it now.
    Popularity,
    /// Its price.
    Price,
    /// How long it has been on sale.
    Age,
    /// The product itself: its name and what was learned about it.
    Product,
}

impl Group {
    /// All that can explain an order, in a fixed sequence.
    pub const EXPLAINING: [Self; 7] = [
        Self::BoughtBefore,
        Self::Session,
        Self::History,
        Self::Popularity,
        Self::Price,
        Self::Age,
        Self::Product,
    ];

    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::BoughtBefore => "bought_before",
            Self::Session => "session",
            Self::History => "history",
            Self::Popularity => "popularity",
            Self::Price => "price",
            Self::Age => "age",
            Self::Product => "product",
        }
    }
}

/// Declares an enum whose values have a number, a name, a meaning and a group.
macro_rules! table {
    (
        $(#[$about:meta])*
        $type:ident
        $($name:ident = $id:literal, $text:literal, $group:ident, $doc:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type {
            $(#[doc = $doc] $name,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number that stands for it in a compiled model.
            #[must_use]
            pub const fn id(self) -> u32 {
                match self { $(Self::$name => $id,)* }
            }

            /// The one of a number in a compiled model.
            #[must_use]
            pub fn from_id(id: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|x| x.id() == id)
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The one of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|x| x.name() == name)
            }

            /// What it means, with its unit if it has one.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $doc,)* }
            }

            /// Which part of an explanation it belongs to.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }
        }
    };
}

macro_rules! sources {
    ($($name:ident = $id:literal, $text:literal, $domain:ident, $group:ident, $doc:literal;)*) => {
        table! {
            /// A number that the encoder can compute.
            Source
            $($name = $id, $text, $group, $doc;)*
        }

        impl Source {
            /// What it tells of.
            #[must_use]
            pub const fn domain(self) -> Domain {
                match self { $(Self::$name => Domain::$domain,)* }
            }
        }
    };
}

sources! {
    Orders = 1, "orders", Shopper, Request, "ln(1 + orders placed)";
    DaysSinceOrder = 2, "days_since_order", Shopper, Request, "ln(1 + days since the last order); of 365 days without one";
    DaysSinceFirstOrder = 3, "days_since_first_order", Shopper, Request, "ln(1 + days since the first order); 0 without one";
    Spend = 4, "spend", Shopper, Request, "ln(1 + money spent, in major units)";
    DistinctProducts = 5, "distinct_products", Shopper, Request, "ln(1 + distinct products bought)";
    OrderInterval = 6, "order_interval", Shopper, Request, "ln(1 + mean days between orders); of 90 days with fewer than two";
    HasHistory = 7, "has_history", Shopper, Request, "1 when there is an order, else 0";
    SessionLength = 8, "session_length", Shopper, Request, "ln(1 + distinct products looked at in this session)";
    HourFromNoon = 20, "hour_from_noon", Context, Request, "hours between the local time and noon, over 12";
    HourFromSix = 21, "hour_from_six", Context, Request, "hours between the local time and 18:00, around the clock, over 12";
    Monday = 22, "monday", Context, Request, "1 on a Monday, local time";
    Tuesday = 23, "tuesday", Context, Request, "1 on a Tuesday";
    Wednesday = 24, "wednesday", Context, Request, "1 on a Wednesday";
    Thursday = 25, "thursday", Context, Request, "1 on a Thursday";
    Friday = 26, "friday", Context, Request, "1 on a Friday";
    Saturday = 27, "saturday", Context, Request, "1 on a Saturday";
    Sunday = 28, "sunday", Context, Request, "1 on a Sunday";
    Desktop = 29, "desktop", Context, Request, "1 on a desktop computer";
    Mobile = 30, "mobile", Context, Request, "1 on a phone";
    Tablet = 31, "tablet", Context, Request, "1 on a tablet";
    Price = 40, "price", Product, Price, "ln(1 + price in major units)";
    Buyers14 = 41, "buyers_14", Product, Popularity, "ln(1 + buyers in the last 14 days of the tables)";
    Buyers30 = 42, "buyers_30", Product, Popularity, "ln(1 + buyers in the last 30 days of the tables)";
    Buyers90 = 43, "buyers_90", Product, Popularity, "ln(1 + buyers in the last 90 days of the tables)";
    BuyersEver = 44, "buyers_ever", Product, Popularity, "ln(1 + buyers ever)";
    Trend = 45, "trend", Product, Popularity, "ln of (buyers in 14 days + 1) over (their share of 90 days + 1)";
    ProductAge = 46, "product_age", Product, Age, "ln(1 + days since its first sale)";
    DaysSinceSold = 47, "days_since_sold", Product, Age, "ln(1 + days since its last sale)";
    RepeatShare = 48, "repeat_share", Product, Popularity, "share of its buyers who bought it again";
    PriceRatio = 60, "price_ratio", Crossing, Price, "ln of its price over the mean price the shopper pays; 0 without orders";
    TimesBought = 61, "times_bought", Crossing, BoughtBefore, "ln(1 + orders of this shopper with it)";
    DaysSinceBought = 62, "days_since_bought", Crossing, BoughtBefore, "ln(1 + days since this shopper bought it); of 500 days when never";
    Bought = 63, "bought", Crossing, BoughtBefore, "1 when this shopper bought it before, else 0";
    TimesPerOrder = 64, "times_per_order", Crossing, BoughtBefore, "share of this shopper's orders with it";
    InLastOrder = 65, "in_last_order", Crossing, BoughtBefore, "1 when it was in the shopper's last order, else 0";
    QuantityBought = 66, "quantity_bought", Crossing, BoughtBefore, "ln(1 + pieces this shopper bought)";
    OrdersSinceBought = 67, "orders_since_bought", Crossing, BoughtBefore, "days between its last purchase and the shopper's last order, over the mean days between orders, at most 10; 10 when never";
    HistoryAffinity = 80, "history_affinity", Crossing, History, "sum of its similarities with the shopper's last purchases, newer ones weighing more";
    HistoryBest = 81, "history_best", Crossing, History, "largest similarity with one of the shopper's last purchases";
    SessionAffinity = 82, "session_affinity", Crossing, Session, "sum of its similarities with the products of this session, newer ones weighing more";
    SessionBest = 83, "session_best", Crossing, Session, "largest similarity with a product of this session";
    InSession = 84, "in_session", Crossing, Session, "1 when the shopper looked at it in this session, else 0";
    InCart = 85, "in_cart", Crossing, Session, "1 when it is in the cart, else 0";
}

impl Source {
    /// Whether it is the same for all candidates of a request.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        matches!(self.domain(), Domain::Shopper | Domain::Context)
    }
}

table! {
    /// A hashed crossing of coarse steps of features, for the wide part; its
    /// number also seeds its hash.
    Cross
    Product = 1, "product", Product, "the product by itself";
    BoughtRecency = 2, "times_bought x days_since_bought", BoughtBefore, "how often and how long ago";
    BoughtRate = 3, "times_bought x orders", BoughtBefore, "how often, of how many orders";
    PopularFor = 4, "buyers_30 x orders", Popularity, "how popular, for how loyal a shopper";
    SessionFor = 5, "session_affinity x in_session", Session, "how close to this session";
    HistoryFor = 6, "history_affinity x bought", History, "how close to the history, if new";
    PriceFor = 7, "price x mean price", Price, "how dear, for what a shopper spends";
}

/// A scaled number: `clamp((raw - mean) * scale, -limit, limit)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numeric {
    /// Which number.
    pub source: Source,
    /// Mean over the training examples: what the model sees as 0, also for a
    /// value that is missing or not finite.
    pub mean: f32,
    /// One over the standard deviation; 0 for a number that never changed in
    /// training, which the model must not react to.
    pub scale: f32,
    /// Largest magnitude after scaling.
    pub limit: f32,
}

/// Which features a model sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Numbers that are the same for all candidates: input `context`.
    pub context: Vec<Numeric>,
    /// Numbers of each candidate: input `candidate`.
    pub candidate: Vec<Numeric>,
    /// Hashed crossings: input `wide`, indices in `1..=wide_buckets`.
    pub wide: Vec<Cross>,
    /// Buckets of the crossings.
    pub wide_buckets: u32,
    /// Tokens of a title: the width of input `title`.
    pub title_tokens: u32,
    /// Buckets of the tokens.
    pub title_buckets: u32,
    /// Products of the session that the model sees: the width of input
    /// `session`.
    pub session_products: u32,
    /// Products with an embedding of their own: input `product` lies in
    /// `0..=product_slots`.
    pub product_slots: u32,
}

const VERSION: u32 = 1;
const MAX_FEATURES: usize = 256;
const MAX_TOKENS: u32 = 64;

impl Spec {
    /// Of a model that looks at nothing but a log.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            context: Vec::new(),
            candidate: Vec::new(),
            wide: Vec::new(),
            wide_buckets: 0,
            title_tokens: 0,
            title_buckets: 0,
            session_products: 0,
            product_slots: 0,
        }
    }

    /// Every feature, unscaled: what the trainer computes to fit the scaling.
    #[must_use]
    pub fn unfitted(product_slots: u32) -> Self {
        let raw = |source: &Source| Numeric {
            source: *source,
            mean: 0.0,
            scale: 1.0,
            limit: f32::MAX,
        };
        Self {
            context: Source::ALL
                .iter()
                .filter(|s| s.is_shared())
                .map(raw)
                .collect(),
            candidate: Source::ALL
                .iter()
                .filter(|s| !s.is_shared())
                .map(raw)
                .collect(),
            wide: Cross::ALL.to_vec(),
            wide_buckets: 4096,
            title_tokens: 8,
            title_buckets: 2048,
            session_products: 8,
            product_slots,
        }
    }

    /// The section `spec`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut words = vec![
            VERSION,
            self.wide_buckets,
            self.title_tokens,
            self.title_buckets,
            self.session_products,
            self.product_slots,
        ];
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        words.extend([
            count(self.context.len()),
            count(self.candidate.len()),
            count(self.wide.len()),
        ]);
        for n in self.context.iter().chain(&self.candidate) {
            words.extend([
                n.source.id(),
                n.mean.to_bits(),
                n.scale.to_bits(),
                n.limit.to_bits(),
            ]);
        }
        words.extend(self.wide.iter().map(|c| c.id()));
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Reads the section `spec`.
    ///
    /// # Errors
    /// Another version, an unknown feature, a number that is not finite, sizes
    /// beyond what a model may have.
    pub fn read(bytes: &[u8]) -> Result<Self, TableError> {
        let bad = TableError {
            section: "spec",
            missing: false,
        };
        let word = |i: usize| u32_at(bytes, i * 4).ok_or(bad);
        if word(0)? != VERSION {
            return Err(bad);
        }
        let (n_context, n_candidate, n_wide) =
            (word(6)? as usize, word(7)? as usize, word(8)? as usize);
        if n_context > MAX_FEATURES || n_candidate > MAX_FEATURES || n_wide > MAX_FEATURES {
            return Err(bad);
        }
        let numeric = |i: usize, shared: bool| -> Result<Numeric, TableError> {
            let at = 9 + i * 4;
            let source = Source::from_id(word(at)?).ok_or(bad)?;
            let f = |i| Ok::<f32, TableError>(f32::from_bits(word(i)?));
            let n = Numeric {
                source,
                mean: f(at + 1)?,
                scale: f(at + 2)?,
                limit: f(at + 3)?,
            };
            let finite = n.mean.is_finite() && n.scale.is_finite() && n.limit >= 0.0;
            if finite && source.is_shared() == shared {
                Ok(n)
            } else {
                Err(bad)
            }
        };
        let context = (0..n_context)
            .map(|i| numeric(i, true))
            .collect::<Result<_, _>>()?;
        let candidate = (n_context..n_context + n_candidate)
            .map(|i| numeric(i, false))
            .collect::<Result<_, _>>()?;
        let first = 9 + (n_context + n_candidate) * 4;
        let wide = (0..n_wide)
            .map(|i| Cross::from_id(word(first + i)?).ok_or(bad))
            .collect::<Result<_, _>>()?;
        if bytes.len() != (first + n_wide) * 4 {
            return Err(bad);
        }
        let spec = Self {
            context,
            candidate,
            wide,
            wide_buckets: word(1)?,
            title_tokens: word(2)?,
            title_buckets: word(3)?,
            session_products: word(4)?,
            product_slots: word(5)?,
        };
        let sizes = [spec.wide_buckets, spec.title_buckets, spec.product_slots];
        if spec.title_tokens > MAX_TOKENS
            || spec.session_products > MAX_TOKENS
            || sizes.iter().any(|n| *n > 1 << 24)
        {
            return Err(bad);
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        macro_rules! check {
            ($type:ident) => {
                for (i, a) in $type::ALL.iter().enumerate() {
                    for b in &$type::ALL[i + 1..] {
                        assert!(a.id() != b.id() && a.name() != b.name(), "{a:?} {b:?}");
                    }
                    assert_eq!($type::from_id(a.id()), Some(*a));
                    assert_eq!($type::from_name(a.name()), Some(*a));
                }
                assert_eq!($type::from_id(u32::MAX), None);
                assert_eq!($type::from_name(""), None);
            };
        }
        check!(Source);
        check!(Cross);
    }

    #[test]
    fn the_flat_form_round_trips_and_refuses_damage() {
        let mut spec = Spec::unfitted(3000);
        spec.candidate[3].mean = 1.5;
        let bytes = spec.write();
        assert_eq!(Spec::read(&bytes), Ok(spec));
        for n in 0..bytes.len() {
            assert!(Spec::read(&bytes[..n]).is_err());
        }
        let mut bad = bytes.clone();
        bad[9 * 4] = 0xff;
        assert!(Spec::read(&bad).is_err(), "an unknown feature");
    }
}
