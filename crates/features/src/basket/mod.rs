//! What a customer orders next: signals from a shop's past orders for one
//! customer's own.
//!
//! Four tables from product to product (bought by the same customers: cosines of
//! item-based neighbours, Sarwar et al., WWW 2001, over the whole past and over
//! the newest weeks; in the same order; and the closed-form weights of EASE,
//! Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019), the
//! customers most alike with what they bought (as in TIFU-KNN, Hu et al., "Modeling
//! personalized item frequency information for next-basket recommendation", SIGIR
//! 2020), and the customer's own habits. Everything fades with its age.

mod encode;
pub mod fit;
#[cfg(test)]
mod tests;

pub use encode::{PHOTO_LIKENESS, TITLE_LIKENESS, WIDTH, groups};
use shelfedge_engine::file::u32_at;
use shelfedge_engine::math::{exp, f16_to_f32};

use crate::flat::{Best, Cut, Halves, Numbers, best};
use crate::shopper::Past;
use crate::tables::TableError;

/// The section of the compiled model.
pub const SECTION: &str = "basket";

/// Days in which the weight of an order halves: what is newest, what counts for
/// others' tables, and what is habit.
pub const HALF_LIVES: [f32; 3] = [30.0, 120.0, 360.0];
/// Days of what counts as now.
pub const NOW: f32 = 30.0;

const VERSION: u32 = 1;
const FIXED_WORDS: usize = 12;
const WIDE: u32 = 1;
/// Photos stand behind the titles, and word 10 says how wide their embeddings are.
const PHOTOS: u32 = 2;
/// Numbers of an embedding of a photo, at most.
pub const MOST_OF_PHOTO: usize = 64;
/// Place of what isn't among the first by a signal.
const FAR: u16 = 256;
/// Customers that a query may look at, candidates, and places of a signal, at
/// most.
const MAX_FOUND: u32 = 1_000;
/// Terms of a title, at most.
const MOST_TERMS: usize = 16;
/// Products of a shopper whose titles candidates are compared with, at most.
const COMPARED: usize = 256;
/// Steps in which a customer's weight of a product halves, and the largest.
const STEPS: f32 = 16.0;
const LARGEST: f32 = 64.0;

/// A table from what was bought to what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// Cosine of the customers who ever bought both.
    Similar,
    /// Weights of EASE.
    Weights,
    /// Cosine of the customers who bought both in the newest weeks.
    Recent,
    /// Cosine of the orders with both.
    SameOrder,
}

/// Number of [`Table`]s.
pub const TABLES: usize = Table::SameOrder as usize + 1;

/// What speaks for a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Signal {
    /// The shopper's own orders with it.
    Own,
    /// [`Table::Similar`] from all that was bought, newer weighing more.
    Similar,
    /// [`Table::Weights`], newer weighing more.
    Weights,
    /// [`Table::Weights`], each product once.
    WeightsOnce,
    /// [`Table::Recent`], newer weighing more.
    Recent,
    /// [`Table::SameOrder`] from the newest order.
    SameOrder,
    /// What the customers most alike order.
    Neighbours,
    /// What they ordered of late.
    NeighboursNow,
    /// What they ordered of late for the first time.
    NeighboursFirst,
}

/// Number of [`Signal`]s.
pub const SIGNALS: usize = Signal::NeighboursFirst as usize + 1;
/// The place among the popular stands behind those by signals.
const POPULAR: usize = SIGNALS;
const PLACES: usize = SIGNALS + 1;

/// What is known of a product by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// Buyers of the newest 7 days.
    Buyers7,
    /// Of the newest 14.
    Buyers14,
    /// Of the newest 30.
    Buyers30,
    /// Of the newest 60.
    Buyers60,
    /// Of the newest 90.
    Buyers90,
    /// Of all time.
    Buyers,
    /// Of the 30 days before the newest 30.
    BuyersBefore,
    /// First-time buyers of the newest 30 days.
    FirstBuyers,
    /// Days since its last sale.
    Last,
    /// Days since its first sale.
    First,
    /// Orders with it a buyer.
    Orders,
    /// Share of the buyers of 30 to 120 days ago who bought it again since.
    Again,
    /// Mean days between two orders with it of one customer.
    Interval,
    /// Mean of ln(1 + pieces) of an order.
    Pieces,
    /// Median price, in minor units.
    Price,
    /// Median price of the newest three weeks over that of all time.
    Promotion,
}

/// Number of [`Column`]s.
pub const COLUMNS: usize = Column::Promotion as usize + 1;

/// How many of everything a query finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Customers most alike.
    pub neighbours: u32,
    /// Places of each signal that are candidates.
    pub places: u32,
    /// Candidates in all.
    pub candidates: u32,
}

/// Weights from one product to others, row by row.
#[derive(Clone, Copy, Debug)]
struct Rows<'a> {
    /// A scale for each product that is led to.
    scales: &'a [u8],
    ends: &'a [u8],
    to: Numbers<'a>,
    weights: &'a [u8],
}

impl<'a> Rows<'a> {
    fn take(cut: &mut Cut<'a>, wide: bool, products: usize, cells: usize) -> Option<Self> {
        Some(Self {
            scales: cut.take(2, products)?,
            ends: cut.take(4, products)?,
            to: Numbers::take(cut, wide, cells)?,
            weights: cut.take(1, cells)?,
        })
    }

    fn range(ends: &[u8], row: u32, cells: usize) -> core::ops::Range<usize> {
        let end = |i: usize| u32_at(ends, i * 4).map_or(0, |end| (end as usize).min(cells));
        let i = row as usize;
        let end_of = end(i);
        i.checked_sub(1).map_or(0, end).min(end_of)..end_of
    }

    fn all_scales(self) -> impl Iterator<Item = f32> + 'a {
        let (scales, _) = self.scales.as_chunks::<2>();
        scales
            .iter()
            .map(|scale| f16_to_f32(u16::from_le_bytes(*scale)))
    }

    /// Calls with what a product leads to, and its weight. Scales that are at hand
    /// need not be made of their halves. `left` is how many cells the query may still
    /// read: at first all that there are, which different products never exceed, but
    /// rows of a damaged table, which overlap, would.
    fn from(
        self,
        product: u32,
        at_hand: Option<&[f32]>,
        left: &mut usize,
        mut of: impl FnMut(u32, f32),
    ) {
        let mut cells = Self::range(self.ends, product, self.weights.len());
        cells.end = cells.end.min(cells.start.saturating_add(*left));
        *left -= cells.len();
        let weight = |weight: u8, scale: f32| f32::from(weight.cast_signed()) * scale;
        if let Some(scales) = at_hand {
            self.to.each(cells, self.weights, |to, cell| {
                if let Some(scale) = scales.get(to as usize) {
                    of(to, weight(cell, *scale));
                }
            });
            return;
        }
        let (scales, _) = self.scales.as_chunks::<2>();
        self.to.each(cells, self.weights, |to, cell| {
            if let Some(scale) = scales.get(to as usize) {
                of(to, weight(cell, f16_to_f32(u16::from_le_bytes(*scale))));
            }
        });
    }
}

/// What a customer of the past bought.
#[derive(Clone, Copy, Debug)]
struct Customer {
    /// Cells of the log; those bought of late come first, and of these those
    /// bought for the first time.
    start: usize,
    first: usize,
    now: usize,
    end: usize,
}

/// The past orders of a shop, read in place.
#[derive(Clone, Debug)]
pub struct Basket<'a> {
    reading: Reading,
    products: usize,
    terms: usize,
    columns: [Halves<'a>; COLUMNS],
    tables: [Rows<'a>; TABLES],
    /// Three numbers of two bytes a customer.
    counts: &'a [u8],
    log: Numbers<'a>,
    weights: &'a [u8],
    title_ends: &'a [u8],
    title_terms: &'a [u8],
    title_weights: &'a [u8],
    /// Numbers of an embedding of a photo in 8 bits, 0 where the shop has no photos, and
    /// those of all products; nothing but zeros for a product without.
    photo_width: usize,
    photos: &'a [u8],
}

impl<'a> Basket<'a> {
    /// Opens the section of a model with this many products: checks its sizes,
    /// copies nothing.
    ///
    /// # Errors
    /// Another version, or sizes that contradict each other.
    pub fn open(bytes: &'a [u8], products: usize) -> Result<Self, TableError> {
        Self::read(bytes, products).ok_or(TableError {
            section: SECTION,
            missing: false,
        })
    }

    fn read(bytes: &'a [u8], products: usize) -> Option<Self> {
        let word = |i: usize| u32_at(bytes, i * 4);
        let size = |i: usize| word(i).map(|n| n as usize);
        let reading = Reading {
            neighbours: word(5)?,
            places: word(6)?,
            candidates: word(7)?,
        };
        let flags = word(1)?;
        let largest = reading.neighbours.max(reading.places);
        if word(0)? != VERSION
            || flags & !(WIDE | PHOTOS) != 0
            || size(2)? != products
            || largest.max(reading.candidates) > MAX_FOUND
            || word(11)? != 0
        {
            return None;
        }
        let photo_width = size(10)?;
        let has_photos = flags & PHOTOS != 0;
        if has_photos != (photo_width > 0) || photo_width > MOST_OF_PHOTO {
            return None;
        }
        let wide = flags & WIDE != 0;
        let (customers, cells) = (size(3)?, size(4)?);
        let (terms, title_cells) = (size(8)?, size(9)?);
        if terms > usize::from(u16::MAX) + 1 {
            return None;
        }
        let words = FIXED_WORDS + TABLES + COLUMNS;
        let mut cut = Cut::new(bytes, words * 4);
        let mut columns = [None; COLUMNS];
        for (i, column) in columns.iter_mut().enumerate() {
            let scale = f32::from_bits(word(FIXED_WORDS + TABLES + i)?);
            if !scale.is_finite() {
                return None;
            }
            *column = Some(Halves::take(&mut cut, products, scale)?);
        }
        let mut tables = [None; TABLES];
        for (i, table) in tables.iter_mut().enumerate() {
            *table = Some(Rows::take(
                &mut cut,
                wide,
                products,
                size(FIXED_WORDS + i)?,
            )?);
        }
        let [Some(c0), ..] = columns else {
            return None;
        };
        let [Some(t0), ..] = tables else {
            return None;
        };
        let basket = Self {
            reading,
            products,
            terms,
            columns: columns.map(|column| column.unwrap_or(c0)),
            tables: tables.map(|table| table.unwrap_or(t0)),
            counts: cut.take(6, customers)?,
            log: Numbers::take(&mut cut, wide, cells)?,
            weights: cut.take(1, cells)?,
            title_ends: cut.take(4, products)?,
            title_terms: cut.take(2, title_cells)?,
            title_weights: cut.take(1, title_cells)?,
            photo_width,
            photos: match has_photos {
                true => cut.take(photo_width, products)?,
                false => &[],
            },
        };
        cut.is_done().then_some(basket)
    }

    /// How many numbers a candidate has.
    #[must_use]
    pub const fn width(&self) -> usize {
        encode::width(self.has_photos())
    }

    /// Whether the shop's photos are known.
    #[must_use]
    pub const fn has_photos(&self) -> bool {
        self.photo_width > 0
    }

    /// The embedding of a product's photo; empty where no photos are known.
    fn photo(&self, product: u32) -> &'a [u8] {
        let at = product as usize * self.photo_width;
        self.photos.get(at..at + self.photo_width).unwrap_or(&[])
    }

    /// What is known of a product by itself; 0 where nothing is.
    #[must_use]
    pub fn column(&self, column: Column, product: u32) -> f32 {
        self.columns[column as usize].get(product as usize)
    }

    /// Buyers of the newest fortnight, and for equal ones those of two months.
    fn popularity(&self, product: u32) -> f32 {
        self.column(Column::Buyers14, product) + 0.01 * self.column(Column::Buyers60, product)
    }

    /// The most popular of the products that are allowed.
    fn popular(&self, keep: usize, allowed: impl Fn(u32) -> bool) -> Vec<u32> {
        let newest = self.columns[Column::Buyers14 as usize];
        let older = self.columns[Column::Buyers60 as usize];
        let mut found = Best::new(keep);
        // With so few buyers, in half precision, a product isn't among them for sure:
        // neither count is half of what that takes. Most products of a large shop end here.
        let (mut few, mut few_older) = (0, 0);
        for (product, (of_14, of_60)) in (0u32..).zip(newest.bits().zip(older.bits())) {
            if of_14 <= few && of_60 <= few_older {
                continue;
            }
            let popularity = self.popularity(product);
            if popularity > 0.0 && allowed(product) {
                found.push(popularity, product);
                if let Some(worst) = found.worst() {
                    few = newest.up_to(0.49 * worst);
                    few_older = older.up_to(0.49 * 100.0 * worst);
                }
            }
        }
        let found = found.sorted().into_iter();
        found.map(|(_, product)| product).collect()
    }

    fn customers(&self) -> impl Iterator<Item = Customer> + '_ {
        let (counts, _) = self.counts.as_chunks::<6>();
        let mut start = 0usize;
        counts.iter().map(move |count| {
            let [a, b, c, d, e, f] = *count;
            let all = usize::from(u16::from_le_bytes([e, f]));
            let end = (start + all).min(self.weights.len());
            let at = |low, high| (start + usize::from(u16::from_le_bytes([low, high]))).min(end);
            let customer = Customer {
                start,
                first: at(a, b),
                now: at(c, d),
                end,
            };
            start = end;
            customer
        })
    }

    /// Calls with each product of a customer and its step.
    fn each_of(&self, customer: &Customer, of: impl FnMut(u32, u8)) {
        self.log
            .each(customer.start..customer.end, self.weights, of);
    }

    /// A product's title as terms with their weights.
    fn title(&self, product: u32) -> impl Iterator<Item = (u16, f32)> + '_ {
        let (terms, _) = self.title_terms.as_chunks::<2>();
        let cells = self.title_weights.len();
        let title = Rows::range(self.title_ends, product, cells);
        title.take(MOST_TERMS).filter_map(move |i| {
            let term = u16::from_le_bytes(*terms.get(i)?);
            Some((term, f32::from(self.title_weights[i])))
        })
    }
}

/// The weight that a step of a customer's log stands for.
fn step(step: u8) -> f32 {
    LARGEST * exp(-core::f32::consts::LN_2 * f32::from(step) / STEPS)
}

/// A weight as a whole number: sums of products of two such numbers are the same
/// in whatever order they are added, so that an index changes no bit.
fn whole(weight: f32) -> u32 {
    ((weight * 1024.0) as u32).clamp(1, 1 << 24)
}

/// Who bought each product, by whom customers like a shopper are found without
/// reading everybody's orders.
#[derive(Clone, Debug)]
pub struct Index {
    /// Products and cells of its log.
    of: [usize; 2],
    customers: Vec<Customer>,
    /// The sum of squares of each customer's weights.
    squares: Vec<u64>,
    /// The place after each product's last one in `buyers`.
    ends: Vec<u32>,
    /// Customers by their number, with their step.
    buyers: Vec<(u32, u8)>,
    /// The tables' scales.
    scales: [Vec<f32>; TABLES],
    /// What is popular, the most popular first.
    popular: Vec<u32>,
}

impl Index {
    /// Indexes a log.
    #[must_use]
    pub fn new(basket: &Basket<'_>) -> Self {
        let wholes = wholes();
        let customers: Vec<Customer> = basket.customers().collect();
        let mut squares = Vec::with_capacity(customers.len());
        let mut ends = vec![0u32; basket.products + 1];
        for customer in &customers {
            let mut square = 0u64;
            basket.each_of(customer, |product, step| {
                square += wholes[usize::from(step)] * wholes[usize::from(step)];
                if let Some(end) = ends.get_mut(product as usize + 1) {
                    *end += 1;
                }
            });
            squares.push(square);
        }
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut buyers = vec![(0, 0); ends[basket.products] as usize];
        for (number, customer) in (0u32..).zip(&customers) {
            basket.each_of(customer, |product, step| {
                if (product as usize) < basket.products {
                    let place = &mut ends[product as usize];
                    buyers[*place as usize] = (number, step);
                    *place += 1;
                }
            });
        }
        Self {
            of: [basket.products, basket.weights.len()],
            customers,
            squares,
            ends,
            buyers,
            scales: basket.tables.map(|table| table.all_scales().collect()),
            popular: basket.popular(basket.products, |_| true),
        }
    }

    /// Whether it can be of this log.
    fn fits(&self, basket: &Basket<'_>) -> bool {
        self.of == [basket.products, basket.weights.len()]
    }

    fn buyers(&self, product: u32) -> &[(u32, u8)] {
        let end = |i: usize| self.ends.get(i).map_or(0, |end| *end as usize);
        let i = product as usize;
        let start = i.checked_sub(1).map_or(0, end);
        self.buyers.get(start..end(i)).unwrap_or(&[])
    }
}

/// The steps' weights as whole numbers.
fn wholes() -> [u64; 256] {
    core::array::from_fn(|i| whole(step(i as u8)).into())
}

/// How a customer is like the shopper.
#[derive(Clone, Copy, Debug, Default)]
struct Alike {
    /// The sum of products of both's weights.
    dot: u64,
    /// How many of the customer's products the shopper bought.
    shared: u32,
}

impl Alike {
    /// The cosine, but for the shopper's own length.
    fn likeness(self, square: u64) -> f32 {
        self.dot as f32 / (square as f32).sqrt()
    }
}

/// The shopper's own orders with a product.
#[derive(Clone, Copy, Debug, Default)]
struct Own {
    orders: f32,
    /// Days since the newest and the oldest of them.
    last: f32,
    first: f32,
    /// Orders since the newest, and since the oldest.
    since: f32,
    since_first: f32,
    /// How many of the newest four orders, and of those of 90 days, hold it.
    of_four: f32,
    of_90_days: f32,
    pieces: f32,
    newest_pieces: f32,
    /// Days between the newest two orders with it; 0 without a second.
    newest_interval: f32,
    /// By [`HALF_LIVES`].
    faded: [f32; 3],
}

/// The signals of a shopper, and the buffers for them, which the next query uses
/// again.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// One more than a product's row.
    slots: Vec<u32>,
    products: Vec<u32>,
    rows: Vec<[f32; SIGNALS]>,
    places: Vec<[u16; PLACES]>,
    /// Of the first rows.
    own: Vec<Own>,
    /// How much of it was bought, a product, as a whole number.
    bought: Vec<u32>,
    alike: Vec<Alike>,
}

impl Signals {
    fn row(&mut self, product: u32) -> Option<usize> {
        let slot = self.slots.get_mut(product as usize)?;
        if *slot == 0 {
            self.products.push(product);
            self.rows.push([0.0; SIGNALS]);
            *slot = self.products.len() as u32;
        }
        Some(*slot as usize - 1)
    }

    fn find(&self, product: u32) -> Option<usize> {
        let slot = *self.slots.get(product as usize)?;
        (slot as usize).checked_sub(1)
    }

    /// Whether more than being popular speaks for a product, after
    /// [`Signals::candidates`].
    #[must_use]
    pub fn speak_for(&self, product: u32) -> bool {
        let places = self.find(product).and_then(|row| self.places.get(row));
        places.is_some_and(|of| of[..POPULAR].iter().any(|place| *place < FAR))
    }

    /// Whether the shopper ever bought it.
    fn is_own(&self, row: usize) -> bool {
        row < self.own.len()
    }

    /// Adds up what speaks for every product that the shopper's past leads to. An
    /// index of the log makes it faster, and changes nothing else.
    pub fn fill(&mut self, basket: &Basket<'_>, index: Option<&Index>, past: &Past) {
        let index = index.filter(|index| index.fits(basket));
        for product in self.products.drain(..) {
            self.slots[product as usize] = 0;
            self.bought[product as usize] = 0;
        }
        self.rows.clear();
        self.places.clear();
        self.own.clear();
        self.slots.resize(basket.products, 0);
        self.bought.resize(basket.products, 0);
        self.remember(past);
        let bought = self.own.len();
        let mut left = basket.tables.map(|table| table.weights.len());
        for row in 0..bought {
            let product = self.products[row];
            let [_, lately, habit] = self.own[row].faded;
            self.rows[row][Signal::Own as usize] = habit + 0.3 * lately;
            self.bought[product as usize] = whole(lately);
            let since = self.own[row].since;
            let mut from = |table: Table, of: &mut dyn FnMut(&mut [f32; SIGNALS], f32)| {
                let at_hand = index.map(|index| &index.scales[table as usize][..]);
                let left = &mut left[table as usize];
                basket.tables[table as usize].from(product, at_hand, left, |to, weight| {
                    if let Some(row) = self.row(to) {
                        of(&mut self.rows[row], weight);
                    }
                });
            };
            from(Table::Similar, &mut |row, weight| {
                row[Signal::Similar as usize] += lately * weight;
            });
            from(Table::Recent, &mut |row, weight| {
                row[Signal::Recent as usize] += lately * weight;
            });
            from(Table::Weights, &mut |row, weight| {
                row[Signal::Weights as usize] += lately * weight;
                row[Signal::WeightsOnce as usize] += weight;
            });
            if since == 0.0 {
                from(Table::SameOrder, &mut |row, weight| {
                    row[Signal::SameOrder as usize] += weight;
                });
            }
        }
        self.meet(basket, index);
    }

    /// The shopper's own orders, product by product.
    fn remember(&mut self, past: &Past) {
        // Orders of one moment, whose order nobody knows, are one.
        let (mut since, mut age) = (0usize, None);
        for order in past.orders.iter().rev() {
            since += usize::from(age.is_some_and(|age| age != order.age));
            age = Some(order.age);
            let faded = HALF_LIVES.map(|half| fade(order.age, half));
            for line in &order.lines {
                let Some(row) = self.row(line.product) else {
                    continue;
                };
                if row == self.own.len() {
                    self.own.push(Own {
                        last: order.age,
                        since: since as f32,
                        newest_pieces: line.pieces,
                        ..Own::default()
                    });
                }
                let own = &mut self.own[row];
                if own.orders == 1.0 {
                    own.newest_interval = order.age - own.last;
                }
                own.orders += 1.0;
                own.since_first = since as f32;
                own.of_four += f32::from(u8::from(since < 4));
                own.of_90_days += f32::from(u8::from(order.age < 90.0));
                own.first = order.age;
                own.pieces += line.pieces;
                for (sum, faded) in own.faded.iter_mut().zip(faded) {
                    *sum += faded;
                }
            }
        }
    }

    /// Looks for the customers most alike. Who bought nothing that the shopper
    /// didn't has nothing to tell; the shopper's own past, which may be in the log,
    /// is such a customer.
    fn meet(&mut self, basket: &Basket<'_>, index: Option<&Index>) {
        if self.own.is_empty() {
            return;
        }
        let wholes = wholes();
        let all: Vec<Customer>;
        let customers = match index {
            Some(index) => &index.customers,
            None => {
                all = basket.customers().collect();
                &all
            }
        };
        let mut met: Vec<(f32, u32)> = Vec::new();
        let mut meet = |number: usize, alike: Alike, customer: &Customer, square| {
            let all = customer.end - customer.start;
            if alike.shared > 0 && (alike.shared as usize) < all {
                met.push((alike.likeness(square), number as u32));
            }
        };
        if let Some(index) = index {
            self.alike.clear();
            self.alike.resize(customers.len(), Alike::default());
            for row in 0..self.own.len() {
                let product = self.products[row];
                let weight = u64::from(self.bought[product as usize]);
                for (customer, step) in index.buyers(product) {
                    let alike = &mut self.alike[*customer as usize];
                    alike.dot += weight * wholes[usize::from(*step)];
                    alike.shared += 1;
                }
            }
            for (number, square) in index.squares.iter().enumerate() {
                meet(number, self.alike[number], &customers[number], *square);
            }
        } else {
            for (number, customer) in customers.iter().enumerate() {
                let (mut alike, mut square) = (Alike::default(), 0u64);
                basket.each_of(customer, |product, step| {
                    let weight = wholes[usize::from(step)];
                    let own = self.bought.get(product as usize).copied().unwrap_or(0);
                    alike.dot += u64::from(own) * weight;
                    alike.shared += u32::from(own > 0);
                    square += weight * weight;
                });
                meet(number, alike, customer, square);
            }
        }
        let nearest = best(met.into_iter(), basket.reading.neighbours as usize);
        let total: f32 = nearest.iter().map(|(likeness, _)| likeness).sum();
        let steps: [f32; 256] = core::array::from_fn(|i| step(i as u8));
        for (likeness, number) in nearest {
            let share = likeness / total;
            let customer = customers[number as usize];
            let Customer {
                start, first, now, ..
            } = customer;
            // What was bought of late for the first time, of late, and before.
            for (bought, of_late) in [
                (start..first, 2),
                (first.max(start)..now, 1),
                (now.max(first)..customer.end, 0),
            ] {
                basket.log.each(bought, basket.weights, |product, step| {
                    let Some(row) = self.row(product) else {
                        return;
                    };
                    let row = &mut self.rows[row];
                    row[Signal::Neighbours as usize] += share * steps[usize::from(step)];
                    if of_late > 0 {
                        row[Signal::NeighboursNow as usize] += share;
                    }
                    if of_late > 1 {
                        row[Signal::NeighboursFirst as usize] += share;
                    }
                });
            }
        }
    }

    /// The candidates, best first, after [`Signals::fill`]: what is among the
    /// first by any signal, or popular now; with `new`, only what the shopper
    /// never bought.
    pub fn candidates(
        &mut self,
        basket: &Basket<'_>,
        index: Option<&Index>,
        new: bool,
    ) -> Vec<u32> {
        let index = index.filter(|index| index.fits(basket));
        let allowed = |product: u32| {
            let own = || self.find(product).is_some_and(|row| self.is_own(row));
            !(new && own())
        };
        let popular: Vec<u32> = match index {
            Some(index) => {
                let popular = index.popular.iter().copied();
                popular
                    .filter(|product| allowed(*product))
                    .take(FAR.into())
                    .collect()
            }
            None => basket.popular(FAR.into(), allowed),
        };
        let listed: Vec<usize> = popular
            .into_iter()
            .filter_map(|product| self.row(product))
            .collect();
        self.places.clear();
        self.places.resize(self.rows.len(), [FAR; PLACES]);
        for (place, row) in (0u16..).zip(listed) {
            self.places[row][POPULAR] = place;
        }
        let open = if new { self.own.len() } else { 0 };
        let mut lists: [Vec<(f32, u32)>; SIGNALS] = Default::default();
        for (values, product) in self.rows.iter().zip(&self.products).skip(open) {
            for (list, value) in lists.iter_mut().zip(values) {
                if *value > 0.0 {
                    list.push((*value, *product));
                }
            }
        }
        for (signal, list) in lists.into_iter().enumerate() {
            let first = best(list.into_iter(), usize::from(FAR));
            for (place, (_, product)) in (0u16..).zip(first) {
                if let Some(row) = self.find(product) {
                    self.places[row][signal] = place;
                }
            }
        }
        let places = basket.reading.places as u16;
        let all = self.places.iter().zip(&self.products).skip(open);
        let all = all.filter_map(|(of, product)| {
            let first = *of.iter().min()?;
            (first < places).then_some((-f32::from(first), *product))
        });
        let found = best(all, basket.reading.candidates as usize);
        found.into_iter().map(|(_, product)| product).collect()
    }
}

/// What is left of a weight after so many days.
fn fade(age: f32, half_life: f32) -> f32 {
    exp(-core::f32::consts::LN_2 * age / half_life)
}
