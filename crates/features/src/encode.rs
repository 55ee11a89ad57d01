//! From a shopper, a moment and candidates to the model's inputs. This is the
//! only code that does it, for training and for serving.

use shelfedge_commerce::{Timestamp, sort, time};
use shelfedge_engine::math::{ln, ln_1p};

use crate::hash::Hash;
use crate::shopper::Shopper;
use crate::spec::{Cross, Numeric, Source, Spec};
use crate::tables::{Stats, Tables};
use crate::text::title_buckets;

/// Purchases that count for the affinity with the history, newest first.
const HISTORY_PRODUCTS: usize = 60;

/// What a shopper looks through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// A computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// Not known.
    #[default]
    Unknown,
}

/// When and where a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// The shopper's distance from UTC.
    pub utc_offset_minutes: i32,
    /// The device.
    pub device: Device,
}

/// How close each product is to what a shopper looks at and has bought.
#[derive(Clone, Debug, Default)]
pub struct Affinity {
    cells: Vec<Cell>,
    touched: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    session: f32,
    session_best: f32,
    history: f32,
    history_best: f32,
}

impl Affinity {
    /// Computes the affinities for a shopper. The buffers are kept for the next
    /// call; only what the last call touched is cleared.
    pub fn fill(&mut self, tables: &Tables<'_>, shopper: &Shopper) {
        for product in self.touched.drain(..) {
            if let Some(cell) = self.cells.get_mut(product as usize) {
                *cell = Cell::default();
            }
        }
        self.cells.resize(tables.len(), Cell::default());
        for (position, product) in shopper.session.iter().enumerate() {
            let weight = 1.0 / (1.0 + 0.5 * position as f32);
            for (other, similarity) in tables.similar(*product) {
                let cell = &mut self.cells[other as usize];
                cell.session += weight * similarity;
                if similarity > cell.session_best {
                    cell.session_best = similarity;
                }
                self.touched.push(other);
            }
        }
        let mut recent: Vec<(Timestamp, u32)> =
            shopper.bought.iter().map(|b| (b.last, b.product)).collect();
        sort::by(&mut recent, |a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        recent.truncate(HISTORY_PRODUCTS);
        let n = recent.len() as f32;
        for (position, (_, product)) in recent.iter().enumerate() {
            let weight = 1.0 - 0.5 * position as f32 / n;
            for (other, similarity) in tables.similar(*product) {
                let cell = &mut self.cells[other as usize];
                cell.history += weight * similarity;
                if similarity > cell.history_best {
                    cell.history_best = similarity;
                }
                self.touched.push(other);
            }
        }
        sort::by(&mut self.touched, Ord::cmp);
        self.touched.dedup();
    }

    fn of(&self, product: u32) -> Cell {
        self.cells
            .get(product as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Products with any affinity, by index, with those to the session and to
    /// the history.
    pub fn products(&self) -> impl Iterator<Item = (u32, f32, f32)> + '_ {
        self.touched.iter().map(|p| {
            let cell = self.of(*p);
            (*p, cell.session, cell.history)
        })
    }
}

/// The model's inputs for one request, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Number of candidates.
    pub rows: usize,
    /// `[1, context features]`.
    pub context: Vec<f32>,
    /// `[rows, candidate features]`.
    pub candidate: Vec<f32>,
    /// `[rows, 1]`; 0 is a product without an embedding of its own.
    pub product: Vec<i32>,
    /// `[rows, title tokens]`; 0 is padding.
    pub title: Vec<i32>,
    /// `[rows, crosses]`.
    pub wide: Vec<i32>,
    /// `[1, session products]`, most recent first; 0 is padding.
    pub session: Vec<i32>,
    /// What a log says of each row; empty for a model without one.
    pub logged: Vec<f32>,
}

/// Everything that a feature may be computed from.
struct View<'a> {
    shopper: &'a Shopper,
    moment: Moment,
    /// Minor units in a major unit.
    unit: f32,
    mean_price: f32,
    interval: f32,
}

fn days(from: Timestamp, to: Timestamp) -> f32 {
    // A clock that went backwards gives 0, not a negative age.
    (to.since(from).max(0) as f64 / time::DAY as f64) as f32
}

fn count(n: u32) -> f32 {
    n as f32
}

impl<'a> View<'a> {
    fn new(tables: &Tables<'_>, shopper: &'a Shopper, moment: Moment) -> Self {
        let unit = 10u32.pow(tables.meta().currency.exponent().min(6)) as f32;
        let mean_price = if shopper.pieces > 0 && shopper.spend > 0 {
            (shopper.spend as f64 / shopper.pieces as f64) as f32
        } else {
            0.0
        };
        let interval = match (shopper.first_order, shopper.last_order) {
            (Some(first), Some(last)) if shopper.orders > 1 => {
                days(first, last) / count(shopper.orders - 1)
            }
            _ => 90.0,
        };
        Self {
            shopper,
            moment,
            unit,
            mean_price,
            interval,
        }
    }

    fn shared(&self, source: Source) -> f32 {
        let s = self.shopper;
        let flag = |yes: bool| if yes { 1.0 } else { 0.0 };
        let hour = count(self.moment.now.hour(self.moment.utc_offset_minutes));
        let weekday = |d: u32| flag(self.moment.now.weekday(self.moment.utc_offset_minutes) == d);
        match source {
            Source::Orders => ln_1p(count(s.orders)),
            Source::DaysSinceOrder => {
                ln_1p(s.last_order.map_or(365.0, |t| days(t, self.moment.now)))
            }
            Source::DaysSinceFirstOrder => {
                ln_1p(s.first_order.map_or(0.0, |t| days(t, self.moment.now)))
            }
            Source::Spend => ln_1p(s.spend.max(0) as f32 / self.unit),
            Source::DistinctProducts => ln_1p(s.bought.len() as f32),
            Source::OrderInterval => ln_1p(self.interval),
            Source::HasHistory => flag(s.orders > 0),
            Source::SessionLength => ln_1p(s.session.len() as f32),
            Source::HourFromNoon => (hour - 12.0).abs() / 12.0,
            Source::HourFromSix => {
                let distance = (hour - 18.0).abs();
                (if distance > 12.0 {
                    24.0 - distance
                } else {
                    distance
                }) / 12.0
            }
            Source::Monday => weekday(0),
            Source::Tuesday => weekday(1),
            Source::Wednesday => weekday(2),
            Source::Thursday => weekday(3),
            Source::Friday => weekday(4),
            Source::Saturday => weekday(5),
            Source::Sunday => weekday(6),
            Source::Desktop => flag(self.moment.device == Device::Desktop),
            Source::Mobile => flag(self.moment.device == Device::Mobile),
            Source::Tablet => flag(self.moment.device == Device::Tablet),
            _ => 0.0,
        }
    }
}

/// One candidate's raw numbers.
struct Candidate<'a> {
    view: &'a View<'a>,
    stats: Stats,
    cell: Cell,
    /// Days of the tables' date since the epoch.
    today: u32,
    times: u32,
    quantity: u32,
    last: Option<Timestamp>,
    in_session: bool,
    in_cart: bool,
}

impl Candidate<'_> {
    fn price(&self) -> f32 {
        self.stats.price as f32 / self.view.unit
    }

    fn raw(&self, source: Source) -> f32 {
        let flag = |yes: bool| if yes { 1.0 } else { 0.0 };
        let [b14, b30, b90, ever] = self.stats.buyers.map(count);
        let now = self.view.moment.now;
        let shopper = self.view.shopper;
        match source {
            Source::Price => ln_1p(self.price()),
            Source::Buyers14 => ln_1p(b14),
            Source::Buyers30 => ln_1p(b30),
            Source::Buyers90 => ln_1p(b90),
            Source::BuyersEver => ln_1p(ever),
            Source::Trend => ln((b14 + 1.0) / (b90 * (14.0 / 90.0) + 1.0)),
            Source::ProductAge => ln_1p(count(self.today.saturating_sub(self.stats.first_day))),
            Source::DaysSinceSold => ln_1p(count(self.today.saturating_sub(self.stats.last_day))),
            Source::RepeatShare => count(self.stats.repeat) / 1000.0,
            Source::PriceRatio if self.view.mean_price > 0.0 && self.stats.price > 0 => {
                ln(self.stats.price as f32 / self.view.mean_price)
            }
            Source::TimesBought => ln_1p(count(self.times)),
            Source::DaysSinceBought => ln_1p(self.last.map_or(500.0, |t| days(t, now))),
            Source::Bought => flag(self.times > 0),
            Source::TimesPerOrder => count(self.times) / count(shopper.orders.max(1)),
            Source::InLastOrder => flag(self.last.is_some() && self.last == shopper.last_order),
            Source::QuantityBought => ln_1p(count(self.quantity)),
            Source::OrdersSinceBought => match (self.last, shopper.last_order) {
                (Some(last), Some(order)) => {
                    let gap = days(last, order)
                        / if self.view.interval < 1.0 {
                            1.0
                        } else {
                            self.view.interval
                        };
                    if gap > 10.0 { 10.0 } else { gap }
                }
                _ => 10.0,
            },
            Source::HistoryAffinity => ln_1p(self.cell.history),
            Source::HistoryBest => self.cell.history_best,
            Source::SessionAffinity => ln_1p(self.cell.session),
            Source::SessionBest => self.cell.session_best,
            Source::InSession => flag(self.in_session),
            Source::InCart => flag(self.in_cart),
            _ => 0.0,
        }
    }

    fn cross(&self, cross: Cross, buckets: u32) -> i32 {
        let hash = Hash::new(cross.id());
        let step = |x: f32, per_unit: f32| (x * per_unit).clamp(0.0, 31.0) as u32;
        let shopper = self.view.shopper;
        let hash = match cross {
            Cross::Product => hash.number(self.stats.slot),
            Cross::BoughtRecency => hash
                .number(self.times.min(10))
                .number(step(self.raw(Source::DaysSinceBought), 2.0)),
            Cross::BoughtRate => hash
                .number(self.times.min(10))
                .number(step(ln_1p(count(shopper.orders)), 3.0)),
            Cross::PopularFor => hash
                .number(step(self.raw(Source::Buyers30), 2.0))
                .number(step(ln_1p(count(shopper.orders)), 1.5)),
            Cross::SessionFor => hash
                .number(step(self.cell.session, 20.0))
                .number(u32::from(self.in_session) + u32::from(!shopper.session.is_empty())),
            Cross::HistoryFor => hash
                .number(step(self.raw(Source::HistoryAffinity), 8.0))
                .number(u32::from(self.times > 0)),
            Cross::PriceFor => hash
                .number(step(self.raw(Source::Price), 3.0))
                .number(step(ln_1p(self.view.mean_price / self.view.unit), 3.0)),
        };
        hash.bucket(buckets)
    }
}

fn scaled(n: &Numeric, raw: f32) -> f32 {
    let x = (raw - n.mean) * n.scale;
    if !x.is_finite() {
        0.0
    } else if x > n.limit {
        n.limit
    } else if x < -n.limit {
        -n.limit
    } else {
        x
    }
}

/// Computes the inputs for candidates (indices in the tables; one outside them
/// reads as an unknown product of price 0).
pub fn encode(
    spec: &Spec,
    tables: &Tables<'_>,
    shopper: &Shopper,
    affinity: &Affinity,
    moment: Moment,
    candidates: &[u32],
    out: &mut Encoded,
) {
    let view = View::new(tables, shopper, moment);
    let today = u32::try_from(tables.meta().as_of.day()).unwrap_or(0);
    out.rows = candidates.len();
    out.context.clear();
    out.context.extend(
        spec.context
            .iter()
            .map(|n| scaled(n, view.shared(n.source))),
    );
    let slot = |product: u32| {
        let slot = tables.stats(product).slot;
        if slot <= spec.product_slots {
            i32::try_from(slot).unwrap_or(0)
        } else {
            0
        }
    };
    out.session.clear();
    out.session.extend(
        shopper
            .session
            .iter()
            .take(spec.session_products as usize)
            .map(|p| slot(*p)),
    );
    out.session.resize(spec.session_products as usize, 0);
    out.candidate.clear();
    out.product.clear();
    out.title.clear();
    out.wide.clear();
    for product in candidates {
        let bought = shopper.of(*product);
        let candidate = Candidate {
            view: &view,
            stats: tables.stats(*product),
            cell: affinity.of(*product),
            today,
            times: bought.map_or(0, |b| b.times),
            quantity: bought.map_or(0, |b| b.quantity),
            last: bought.map(|b| b.last),
            in_session: shopper.session.contains(product),
            in_cart: shopper.cart.binary_search(product).is_ok(),
        };
        out.candidate.extend(
            spec.candidate
                .iter()
                .map(|n| scaled(n, candidate.raw(n.source))),
        );
        out.product.push(slot(*product));
        let first = out.title.len();
        out.title.resize(first + spec.title_tokens as usize, 0);
        let title = tables.product(*product).map_or("", |p| p.title);
        title_buckets(title, spec.title_buckets, &mut out.title[first..]);
        out.wide.extend(
            spec.wide
                .iter()
                .map(|c| candidate.cross(*c, spec.wide_buckets)),
        );
    }
}
