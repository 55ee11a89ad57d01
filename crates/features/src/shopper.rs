//! What a shopper's events add up to at a moment.

use shelfedge_commerce::{Event, EventKind, Timestamp, sort, time};
use shelfedge_engine::math::ln_1p;

use crate::tables::Tables;

/// A session ends after half an hour without an event, as in GA4.
pub const SESSION_GAP: i64 = 30 * time::MINUTE;
/// Products of a session that are remembered, most recent first.
pub const SESSION_PRODUCTS: usize = 20;

/// A product that a shopper has bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// Its index in the tables.
    pub product: u32,
    /// In how many orders.
    pub times: u32,
    /// How many pieces in all.
    pub quantity: u32,
    /// When last.
    pub last: Timestamp,
}

/// The sum of a shopper's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shopper {
    /// By product index.
    pub bought: Vec<Bought>,
    /// Orders placed.
    pub orders: u32,
    /// Time of the first order.
    pub first_order: Option<Timestamp>,
    /// Time of the last order.
    pub last_order: Option<Timestamp>,
    /// Minor units spent.
    pub spend: i64,
    /// Pieces bought.
    pub pieces: i64,
    /// Distinct products of the running session, most recent first.
    pub session: Vec<u32>,
    /// How many of these, the oldest, nobody looked at: answers led to them.
    answered: usize,
    /// Products in the cart, sorted by index.
    pub cart: Vec<u32>,
    /// Items that are not in the tables.
    pub unknown_items: u32,
    /// Events later than the moment, which are ignored.
    pub future_events: u32,
}

impl Shopper {
    /// Adds up events as of `now`.
    ///
    /// Events may come in any order, and each counts once ([`distinct`]). Events
    /// after `now` are counted and ignored. An item without a price counts at the
    /// tables' price, and so does a price in another currency. Refunds change
    /// nothing: what was bought was wanted. Takes n log n for n items, whatever
    /// they are.
    #[must_use]
    pub fn fold(tables: &Tables<'_>, events: &[Event], now: Timestamp) -> Self {
        let (order, future_events) = until(events, now);
        let mut shopper = Self {
            future_events,
            ..Self::default()
        };
        let touched = shopper.read(tables, &order);
        for touches in touched.chunk_by(|a, b| a.0 == b.0) {
            shopper.touched(&order, touches);
        }
        shopper.session(tables, &order, now);
        shopper
    }

    /// Adds up what doesn't depend on the product, and lists the products that were
    /// bought, put into the cart or taken out: product, event and pieces, sorted.
    fn read(&mut self, tables: &Tables<'_>, order: &[&Event]) -> Vec<(u32, u32, u32)> {
        let currency = tables.meta().currency;
        let mut touched = Vec::new();
        for (at, event) in (0..).zip(order) {
            let is_purchase = event.kind == EventKind::Purchase;
            if is_purchase {
                self.orders += 1;
                self.first_order = self.first_order.or(Some(event.time));
                self.last_order = Some(event.time);
            } else if !is_interest(event.kind) && event.kind != EventKind::RemoveFromCart {
                continue;
            }
            for item in &event.items {
                let Some(product) = tables.find(item.product.as_str()) else {
                    self.unknown_items += 1;
                    continue;
                };
                if is_purchase {
                    let price = match item.price {
                        Some(price) if price.currency == currency => price.minor,
                        _ => tables.stats(product).price.cast_signed(),
                    };
                    let pieces = i64::from(item.quantity);
                    self.spend = self.spend.saturating_add(price.saturating_mul(pieces));
                    self.pieces = self.pieces.saturating_add(pieces);
                }
                if is_purchase || is_of_cart(event.kind) {
                    touched.push((product, at, item.quantity));
                }
            }
        }
        sort::by(&mut touched, Ord::cmp);
        touched
    }

    /// Adds up what was done with one product.
    fn touched(&mut self, order: &[&Event], touches: &[(u32, u32, u32)]) {
        let (mut bought, mut newest): (Option<Bought>, _) = (None, None);
        let mut in_cart = false;
        for &(product, at, pieces) in touches {
            let event = order[at as usize];
            // What was bought has left the cart.
            in_cart = event.kind == EventKind::AddToCart;
            if event.kind != EventKind::Purchase {
                continue;
            }
            let sum = bought.get_or_insert(Bought {
                product,
                times: 0,
                quantity: 0,
                last: event.time,
            });
            sum.times += u32::from(newest != Some(at));
            sum.quantity = sum.quantity.saturating_add(pieces);
            sum.last = event.time;
            newest = Some(at);
        }
        self.bought.extend(bought);
        if in_cart {
            self.cart.extend(touches.first().map(|touch| touch.0));
        }
    }

    fn session(&mut self, tables: &Tables<'_>, order: &[&Event], now: Timestamp) {
        let mut end = now;
        for event in order.iter().rev() {
            if end.since(event.time) > SESSION_GAP {
                break;
            }
            end = event.time;
            if !is_interest(event.kind) {
                continue;
            }
            for item in event.items.iter().rev() {
                if let Some(product) = tables.find(item.product.as_str())
                    && !self.session.contains(&product)
                {
                    self.session.push(product);
                    if self.session.len() == SESSION_PRODUCTS {
                        return;
                    }
                }
            }
        }
    }

    /// Takes what answers led to, the best first, for products of the session, older
    /// than all that the shopper looked at.
    pub fn answer(&mut self, products: &[u32]) {
        for product in products {
            if self.session.len() < SESSION_PRODUCTS && !self.session.contains(product) {
                self.session.push(*product);
                self.answered += 1;
            }
        }
    }

    /// What of the session answers led to.
    #[must_use]
    pub fn answers(&self) -> &[u32] {
        &self.session[self.session.len() - self.answered..]
    }

    /// What the shopper bought of a product.
    #[must_use]
    pub fn of(&self, product: u32) -> Option<&Bought> {
        self.bought
            .binary_search_by_key(&product, |b| b.product)
            .ok()
            .map(|i| &self.bought[i])
    }
}

/// Each event once, in the order of time.
///
/// What is told again, by its id or, of an order, by its GA4 `transaction_id`,
/// counts where it is told to have happened first. An event that has neither
/// counts as often as it is told. Ids order what happened in the same
/// millisecond, so that the order of delivery doesn't matter.
#[must_use]
pub fn distinct(events: &[Event]) -> Vec<&Event> {
    let mut order: Vec<(usize, &Event)> = events.iter().enumerate().collect();
    sort::by(&mut order, |(i, a), (j, b)| {
        a.time
            .cmp(&b.time)
            .then_with(|| a.id.cmp(&b.id))
            .then(i.cmp(j))
    });
    let order: Vec<&Event> = order.into_iter().map(|(_, event)| event).collect();
    let mut repeated = vec![false; order.len()];
    let ids = (0..).zip(&order);
    let ids = ids.filter_map(|(at, event)| Some((event.id.as_ref()?.as_str(), at)));
    mark_repeats(ids.collect(), &mut repeated);
    let orders = (0..).zip(&order);
    let orders = orders
        .filter(|(at, event)| event.kind == EventKind::Purchase && !repeated[*at])
        .filter_map(|(at, event)| Some((event.transaction.as_deref()?, at)));
    mark_repeats(orders.collect(), &mut repeated);
    let once = order.into_iter().zip(repeated).filter(|(_, again)| !again);
    once.map(|(event, _)| event).collect()
}

/// What happened up to a moment, and how many events are later.
fn until(events: &[Event], now: Timestamp) -> (Vec<&Event>, u32) {
    let mut order = distinct(events);
    let past = order.partition_point(|event| event.time <= now);
    let later = u32::try_from(order.len() - past).unwrap_or(u32::MAX);
    order.truncate(past);
    (order, later)
}

/// The products that a shopper came by, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Looked at, put into the cart or onto a list, and bought; more than once
    /// when the shopper came back. What is only done to the product before, in
    /// the same session (a look, then the cart), is no step of its own.
    pub products: Vec<u32>,
    /// Where in the products the newest session with one begins.
    pub session: usize,
}

impl Trail {
    /// Follows events as of `now`, in any order and each once ([`distinct`]); those
    /// after `now` count for nothing.
    #[must_use]
    pub fn of(tables: &Tables<'_>, events: &[Event], now: Timestamp) -> Self {
        let (order, _) = until(events, now);
        let mut trail = Self::default();
        let mut last: Option<(EventKind, u32)> = None;
        let mut before: Option<Timestamp> = None;
        let mut ended = false;
        for event in order {
            if before.is_some_and(|before| event.time.since(before) > SESSION_GAP) {
                // The next product begins a session, whenever it comes.
                (ended, last) = (true, None);
            }
            before = Some(event.time);
            if !(is_interest(event.kind) || event.kind == EventKind::Purchase) {
                continue;
            }
            for item in &event.items {
                let Some(product) = tables.find(item.product.as_str()) else {
                    continue;
                };
                if last.is_some_and(|(kind, same)| same == product && kind != event.kind) {
                    continue;
                }
                if core::mem::take(&mut ended) {
                    trail.session = trail.products.len();
                }
                trail.products.push(product);
                last = Some((event.kind, product));
            }
        }
        trail
    }

    /// Takes what answers led to, the best first, for the oldest steps of the newest
    /// session, the best last.
    pub fn answer(&mut self, products: &[u32]) {
        let steps = products.iter().rev().copied();
        self.products.splice(self.session..self.session, steps);
    }
}

/// A line of a past order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastLine {
    /// Its index in the tables.
    pub product: u32,
    /// ln(1 + pieces).
    pub pieces: f32,
}

/// A past order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastOrder {
    /// Days since.
    pub age: f32,
    /// By product, each once; not empty.
    pub lines: Vec<PastLine>,
}

/// A shopper's orders as of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Oldest first.
    pub orders: Vec<PastOrder>,
    /// Days from the tables' date to the moment.
    pub stale: f32,
}

impl Past {
    /// Follows events as of `now`, in any order and each once ([`distinct`]); those
    /// after `now` count for nothing.
    #[must_use]
    pub fn of(tables: &Tables<'_>, events: &[Event], now: Timestamp) -> Self {
        let (order, _) = until(events, now);
        let mut past = Self {
            stale: days(now.since(tables.meta().as_of)).max(0.0),
            ..Self::default()
        };
        let purchases = order.into_iter();
        for event in purchases.filter(|event| event.kind == EventKind::Purchase) {
            let known = event.items.iter().filter_map(|item| {
                let product = tables.find(item.product.as_str())?;
                Some((product, u64::from(item.quantity)))
            });
            past.add(now.since(event.time), known.collect());
        }
        past
    }

    /// Adds an order that is newer than all before: its age in milliseconds, and
    /// products with pieces.
    pub fn add(&mut self, age: i64, mut lines: Vec<(u32, u64)>) {
        sort::by(&mut lines, |a, b| a.0.cmp(&b.0));
        lines.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        if !lines.is_empty() {
            self.orders.push(PastOrder {
                age: days(age),
                lines: lines
                    .into_iter()
                    .map(|(product, pieces)| PastLine {
                        product,
                        pieces: ln_1p(pieces as f32),
                    })
                    .collect(),
            });
        }
    }
}

/// Milliseconds as days.
fn days(milliseconds: i64) -> f32 {
    (milliseconds as f64 / time::DAY as f64) as f32
}

/// Whether an event tells what a shopper is interested in now.
fn is_interest(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::ViewItem
            | EventKind::SelectItem
            | EventKind::AddToCart
            | EventKind::AddToWishlist
    )
}

/// Whether an event changes what is in the cart.
fn is_of_cart(kind: EventKind) -> bool {
    matches!(kind, EventKind::AddToCart | EventKind::RemoveFromCart)
}

/// Marks all but the earliest of equal keys.
fn mark_repeats(mut keys: Vec<(&str, usize)>, repeated: &mut [bool]) {
    sort::by(&mut keys, Ord::cmp);
    for pair in keys.windows(2) {
        if pair[0].0 == pair[1].0 {
            repeated[pair[1].1] = true;
        }
    }
}
