//! Writing a shop's past orders: what they say of each product, what each
//! customer bought, the titles, and the flat form of it all.

use std::collections::BTreeMap;

use shelfedge_engine::math::{f16_to_f32, f32_to_f16, ln};

use super::{
    COLUMNS, Column, HALF_LIVES, LARGEST, MOST_OF_PHOTO, MOST_TERMS, NOW, PHOTOS, Reading, STEPS,
    TABLES, VERSION, WIDE, fade,
};
use crate::flat::{self, Halves, Numbers};
use crate::text::tokens;

/// Days of an order that is compared with the newest weeks'.
const BEFORE: f32 = 60.0;
const LONG_BEFORE: f32 = 120.0;
/// Days of the newest prices.
const NEWEST_PRICES: f32 = 21.0;
/// Customers by whom a product's share of returning buyers is drawn to the
/// shop's.
const SHRINK_AGAIN: f32 = 2.0;
/// Intervals by which a product's mean interval is drawn to the shop's.
const SHRINK_INTERVAL: f32 = 5.0;
/// Days between two orders where no customer ever came back.
const USUAL_INTERVAL: f32 = 30.0;
/// Products of a customer, at most.
const MOST_OF_CUSTOMER: usize = 2_000;
/// Bytes of a customer beside those of the products.
const OF_CUSTOMER: usize = 6;

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Which product.
    pub product: u32,
    /// ln(1 + pieces).
    pub pieces: f32,
    /// Of a piece, in minor units.
    pub price: f32,
}

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Whose.
    pub customer: u32,
    /// Days since.
    pub age: f32,
    /// Each product once.
    pub lines: Vec<Line>,
}

/// Weights of a table: what leads to each product, with its weight.
pub type Sources = Vec<Vec<(u32, f32)>>;

/// Everything that a section is made of.
#[derive(Clone, Debug)]
pub struct Learnt<'a> {
    /// How much a query finds.
    pub reading: Reading,
    /// The products.
    pub products: usize,
    /// Oldest first.
    pub orders: &'a [Order],
    /// In the order of [`super::Table`].
    pub tables: [Sources; TABLES],
    /// A title for each product; none for what the shop doesn't have yet.
    pub titles: &'a [Option<&'a str>],
    /// Embeddings of the products' photos in 8 bits, all equally wide, 64 numbers at most;
    /// empty for a product without one. Nothing at all where there are no photos.
    pub photos: &'a [&'a [i8]],
    /// What nobody bought yet, each with products that stand for it.
    pub newcomers: &'a [Newcomer],
    /// Bytes of all customers, at most: the newest customers stay.
    pub customers_bytes: usize,
}

/// A product that nobody bought yet, and those that stand for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Newcomer {
    /// Which.
    pub product: u32,
    /// Products with their shares, which need not sum up to 1.
    pub shares: Vec<(u32, f32)>,
}

/// Gives newcomers what is to be expected of them: the mean of those that stand for
/// them, by their shares, but for the days since their sales.
fn expect(columns: &mut [Vec<f32>; COLUMNS], newcomers: &[Newcomer]) {
    for newcomer in newcomers {
        let all: f32 = newcomer.shares.iter().map(|(_, share)| share).sum();
        for (number, column) in columns.iter_mut().enumerate() {
            let others = newcomer.shares.iter();
            let sum: f32 = others.map(|(p, share)| share * column[*p as usize]).sum();
            let is_age = [Column::First as usize, Column::Last as usize].contains(&number);
            column[newcomer.product as usize] = match is_age || all <= 0.0 {
                true => 0.0,
                false => sum / all,
            };
        }
    }
}

/// What a customer did with a product.
struct Pair<'a> {
    customer: u32,
    product: u32,
    /// Days since each order with it, the oldest first.
    ages: &'a [f32],
}

/// What every customer did, by customer, then by product.
struct Pairs {
    /// Customer, product, and where its ages end.
    keys: Vec<(u32, u32, usize)>,
    ages: Vec<f32>,
}

impl Pairs {
    fn of(orders: &[Order]) -> Self {
        // A large shop has a hundred million lines: nothing here takes room twice.
        let lines = orders.iter().map(|order| order.lines.len()).sum();
        let mut all: Vec<(u32, u32, f32)> = Vec::with_capacity(lines);
        for order in orders {
            let lines = order.lines.iter();
            all.extend(lines.map(|line| (order.customer, line.product, order.age)));
        }
        all.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
        let same = |a: &(u32, u32, f32), b: &(u32, u32, f32)| (a.0, a.1) == (b.0, b.1);
        let mut pairs = Self {
            keys: Vec::with_capacity(all.chunk_by(same).count()),
            ages: Vec::with_capacity(all.len()),
        };
        for same in all.chunk_by(same) {
            pairs.ages.extend(same.iter().map(|(_, _, age)| *age));
            pairs.keys.push((same[0].0, same[0].1, pairs.ages.len()));
        }
        pairs
    }

    fn iter(&self) -> impl Iterator<Item = Pair<'_>> {
        let starts = core::iter::once(0).chain(self.keys.iter().map(|(_, _, end)| *end));
        let pairs = self.keys.iter().zip(starts);
        pairs.map(|((customer, product, end), start)| Pair {
            customer: *customer,
            product: *product,
            ages: &self.ages[start..*end],
        })
    }
}

impl Pair<'_> {
    fn first(&self) -> f32 {
        self.ages.first().copied().unwrap_or(0.0)
    }

    fn last(&self) -> f32 {
        self.ages.last().copied().unwrap_or(0.0)
    }

    fn within(&self, from: f32, to: f32) -> bool {
        self.ages.iter().any(|age| (from..to).contains(age))
    }
}

fn columns(products: usize, orders: &[Order], pairs: &Pairs) -> [Vec<f32>; COLUMNS] {
    let mut columns: [Vec<f32>; COLUMNS] = core::array::from_fn(|_| vec![0.0; products]);
    let span = orders.iter().map(|order| order.age).fold(0.0, f32::max);
    columns[Column::Last as usize].fill(span);
    columns[Column::Promotion as usize].fill(1.0);
    let (mut regulars, mut returned) = (vec![0.0f32; products], vec![0.0f32; products]);
    let (mut gaps, mut intervals) = (vec![0.0f32; products], vec![0.0f32; products]);
    for pair in pairs.iter() {
        let p = pair.product as usize;
        let (first, last) = (pair.first(), pair.last());
        let mut count = |column: Column, yes: bool| {
            columns[column as usize][p] += f32::from(u8::from(yes));
        };
        count(Column::Buyers7, last < 7.0);
        count(Column::Buyers14, last < 14.0);
        count(Column::Buyers30, last < NOW);
        count(Column::Buyers60, last < BEFORE);
        count(Column::Buyers90, last < 90.0);
        count(Column::Buyers, true);
        count(Column::BuyersBefore, pair.within(NOW, BEFORE));
        count(Column::FirstBuyers, first < NOW);
        columns[Column::Orders as usize][p] += pair.ages.len() as f32;
        let newest = &mut columns[Column::Last as usize][p];
        *newest = newest.min(last);
        let oldest = &mut columns[Column::First as usize][p];
        *oldest = oldest.max(first);
        if pair.within(NOW, LONG_BEFORE) {
            regulars[p] += 1.0;
            returned[p] += f32::from(u8::from(last < NOW));
        }
        gaps[p] += first - last;
        intervals[p] += (pair.ages.len() - 1) as f32;
    }
    let mean = |sum: &[f32], count: &[f32], none: f32| match count.iter().sum::<f32>() {
        0.0 => none,
        all => sum.iter().sum::<f32>() / all,
    };
    let again = mean(&returned, &regulars, 0.0);
    let interval = mean(&gaps, &intervals, USUAL_INTERVAL);
    let mut prices: Vec<Vec<(f32, bool)>> = vec![Vec::new(); products];
    let mut pieces = vec![0.0f32; products];
    for order in orders {
        for line in &order.lines {
            let p = line.product as usize;
            prices[p].push((line.price, order.age < NEWEST_PRICES));
            pieces[p] += line.pieces;
        }
    }
    for (p, prices) in prices.iter().enumerate() {
        let median = |newest: bool| {
            let of = prices.iter().filter(|(_, new)| *new || !newest);
            let mut all: Vec<f32> = of.map(|(price, _)| *price).collect();
            all.sort_by(f32::total_cmp);
            match all.len() {
                0 => None,
                n => Some((all[(n - 1) / 2] + all[n / 2]) / 2.0),
            }
        };
        let mut set = |column: Column, value: f32| columns[column as usize][p] = value;
        if let Some(price) = median(false) {
            set(Column::Price, price);
            let newest = median(true).unwrap_or(price);
            set(Column::Promotion, newest / price.max(1.0));
        }
        set(Column::Pieces, pieces[p] / (prices.len() as f32).max(1.0));
        set(
            Column::Again,
            (returned[p] + SHRINK_AGAIN * again) / (regulars[p] + SHRINK_AGAIN),
        );
        set(
            Column::Interval,
            (gaps[p] + SHRINK_INTERVAL * interval) / (intervals[p] + SHRINK_INTERVAL),
        );
        let orders = columns[Column::Orders as usize][p];
        columns[Column::Orders as usize][p] = orders / columns[Column::Buyers as usize][p].max(1.0);
    }
    columns
}

/// A customer's products, as they are written.
#[derive(Default)]
struct Customer {
    last: f32,
    first_now: u16,
    now: u16,
    products: Vec<(u32, u8)>,
}

/// What each customer bought; the newest customers, as many as there is room for,
/// by what they bought: their place says nothing of who they are.
fn customers(pairs: &Pairs, cell: usize, bytes: usize) -> Vec<Customer> {
    let mut customers: Vec<Customer> = Vec::new();
    let mut of: Vec<(u8, f32, u32)> = Vec::new();
    let mut last = f32::MAX;
    let mut pairs = pairs.iter().peekable();
    while let Some(pair) = pairs.next() {
        let class = match (pair.first() < NOW, pair.last() < NOW) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        let weight = pair.ages.iter().map(|age| fade(*age, HALF_LIVES[1])).sum();
        of.push((class, weight, pair.product));
        last = last.min(pair.last());
        if pairs
            .peek()
            .is_none_or(|next| next.customer != pair.customer)
        {
            of.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
            of.truncate(MOST_OF_CUSTOMER);
            let up_to = |class: u8| of.partition_point(|p| p.0 <= class) as u16;
            let (first_now, now) = (up_to(0), up_to(1));
            let products = of.drain(..);
            customers.push(Customer {
                last,
                first_now,
                now,
                products: products
                    .map(|(_, w, product)| (product, nearest_step(w)))
                    .collect(),
            });
            last = f32::MAX;
        }
    }
    // One product alone tells nothing of others.
    customers.retain(|customer| customer.products.len() > 1);
    customers.sort_by(|a, b| {
        a.last
            .total_cmp(&b.last)
            .then_with(|| a.products.cmp(&b.products))
    });
    let mut left = bytes;
    customers.retain(|customer| {
        let size = OF_CUSTOMER + cell * customer.products.len();
        let fits = size <= left;
        left = if fits { left - size } else { 0 };
        fits
    });
    customers.sort_by(|a, b| a.products.cmp(&b.products));
    customers
}

fn nearest_step(weight: f32) -> u8 {
    let steps = STEPS * ln(LARGEST / weight.max(1e-9)) / core::f32::consts::LN_2;
    steps.round().clamp(0.0, 255.0) as u8
}

/// Titles as terms with weights: TF-IDF (Salton and Buckley, "Term-weighting
/// approaches in automatic text retrieval", 1988), the logarithm of a term's
/// count times its rarity. What occurs in one title only says nothing of others.
///
/// Returns how many terms there are, and the terms of each title by their number,
/// with weights whose squares sum up to about 255².
#[must_use]
pub fn titles(titles: &[Option<&str>]) -> (usize, Vec<Vec<(u16, u8)>>) {
    let mut counted: Vec<BTreeMap<String, f32>> = Vec::with_capacity(titles.len());
    let mut frequency: BTreeMap<String, f32> = BTreeMap::new();
    for title in titles {
        let mut terms: BTreeMap<String, f32> = BTreeMap::new();
        tokens(title.unwrap_or(""), |token| {
            let is_word = !token.chars().any(|c| c.is_ascii_digit());
            if is_word && token.len() > 1 {
                *terms.entry(token.to_owned()).or_default() += 1.0;
            }
        });
        for term in terms.keys() {
            *frequency.entry(term.clone()).or_default() += 1.0;
        }
        counted.push(terms);
    }
    let mut common: Vec<(String, f32)> = frequency.into_iter().filter(|f| f.1 > 1.0).collect();
    // The most common ones where there are more than two bytes number.
    common.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    common.truncate(usize::from(u16::MAX) + 1);
    let described = counted.iter().filter(|terms| !terms.is_empty()).count() as f32;
    let terms: BTreeMap<&str, (u16, f32)> = common
        .iter()
        .zip(0u16..=u16::MAX)
        .map(|((term, titles), number)| {
            let rarity = ln((1.0 + described) / (1.0 + titles)) + 1.0;
            (term.as_str(), (number, rarity))
        })
        .collect();
    let written = counted
        .iter()
        .map(|counts| {
            let mut title: Vec<(u16, f32)> = counts
                .iter()
                .filter_map(|(term, count)| {
                    let (number, rarity) = terms.get(term.as_str())?;
                    Some((*number, (1.0 + ln(*count)) * rarity))
                })
                .collect();
            title.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            title.truncate(MOST_TERMS);
            let square: f32 = title.iter().map(|(_, w)| w * w).sum();
            let scale = 255.0 / square.sqrt().max(1e-9);
            let mut title: Vec<(u16, u8)> = title
                .into_iter()
                .map(|(term, w)| (term, (w * scale).round().clamp(1.0, 255.0) as u8))
                .collect();
            title.sort_unstable();
            title
        })
        .collect();
    (common.len(), written)
}

/// A table, row by row of what leads to others, in 8 bits with a scale for each
/// product that is led to.
struct Written {
    scales: Vec<u16>,
    ends: Vec<u32>,
    to: Vec<u32>,
    weights: Vec<u8>,
}

impl Written {
    fn of(sources: &Sources) -> Self {
        let mut rows: Vec<Vec<(u32, i8)>> = vec![Vec::new(); sources.len()];
        let mut scales = Vec::with_capacity(sources.len());
        for (to, of) in (0u32..).zip(sources) {
            let largest = of.iter().fold(0.0f32, |m, (_, w)| m.max(w.abs()));
            let scale = f32_to_f16(largest / 127.0);
            scales.push(scale);
            let scale = f16_to_f32(scale);
            for (from, weight) in of {
                let cell = (weight / scale.max(1e-12)).round().clamp(-127.0, 127.0) as i8;
                if scale > 0.0 && cell != 0 {
                    rows[*from as usize].push((to, cell));
                }
            }
        }
        let mut written = Self {
            scales,
            ends: Vec::with_capacity(rows.len()),
            to: Vec::new(),
            weights: Vec::new(),
        };
        for row in rows {
            written.to.extend(row.iter().map(|(to, _)| *to));
            let weights = row.iter().map(|(_, weight)| weight.cast_unsigned());
            written.weights.extend(weights);
            written.ends.push(written.to.len() as u32);
        }
        written
    }
}

/// Writes the section.
///
/// # Panics
/// With a product beyond the catalogue, tables, titles or photos of another number
/// of products, or photos that are not equally wide.
#[must_use]
pub fn write(learnt: &Learnt<'_>) -> Vec<u8> {
    let products = learnt.products;
    assert!(learnt.tables.iter().all(|table| table.len() == products));
    assert_eq!(learnt.titles.len(), products);
    let pairs = Pairs::of(learnt.orders);
    let mut columns = columns(products, learnt.orders, &pairs);
    expect(&mut columns, learnt.newcomers);
    let columns = columns.map(|column| Halves::of(&column));
    let wide = flat::is_wide(products);
    let cell = if wide { 5 } else { 3 };
    let customers = customers(&pairs, cell, learnt.customers_bytes);
    drop(pairs);
    let tables = learnt.tables.each_ref().map(Written::of);
    let (terms, titles) = titles(learnt.titles);
    let cells: usize = customers.iter().map(|c| c.products.len()).sum();
    let photo_width = learnt.photos.iter().map(|photo| photo.len()).max();
    let photo_width = photo_width.unwrap_or(0);
    assert!(photo_width == 0 || learnt.photos.len() == products);
    assert!(photo_width <= MOST_OF_PHOTO);
    let flags = if wide { WIDE } else { 0 } | if photo_width > 0 { PHOTOS } else { 0 };
    let mut words = vec![
        VERSION,
        flags,
        products as u32,
        customers.len() as u32,
        cells as u32,
        learnt.reading.neighbours,
        learnt.reading.places,
        learnt.reading.candidates,
        terms as u32,
        titles.iter().map(Vec::len).sum::<usize>() as u32,
        photo_width as u32,
        0,
    ];
    words.extend(tables.iter().map(|table| table.to.len() as u32));
    words.extend(columns.iter().map(|(scale, _)| scale.to_bits()));
    let mut out: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    for (_, cells) in &columns {
        Halves::add(&mut out, cells);
    }
    for table in tables {
        Halves::add(&mut out, &table.scales);
        flat::add(
            &mut out,
            table.ends.iter().flat_map(|end| end.to_le_bytes()),
        );
        Numbers::add(&mut out, wide, table.to.into_iter());
        flat::add(&mut out, table.weights.into_iter());
    }
    flat::add(
        &mut out,
        customers.iter().flat_map(|customer| {
            let all = customer.products.len() as u16;
            [customer.first_now, customer.now, all]
                .into_iter()
                .flat_map(u16::to_le_bytes)
        }),
    );
    let log = || customers.iter().flat_map(|customer| &customer.products);
    Numbers::add(&mut out, wide, log().map(|(product, _)| *product));
    flat::add(&mut out, log().map(|(_, step)| *step));
    let ends = titles.iter().scan(0u32, |end, title| {
        *end += title.len() as u32;
        Some(*end)
    });
    flat::add(&mut out, ends.flat_map(u32::to_le_bytes));
    let cells = || titles.iter().flatten();
    flat::add(&mut out, cells().flat_map(|(term, _)| term.to_le_bytes()));
    flat::add(&mut out, cells().map(|(_, weight)| *weight));
    let nothing = vec![0i8; photo_width];
    let photos = learnt.photos.iter().flat_map(|photo| match photo.len() {
        0 => &nothing[..],
        width => {
            assert_eq!(width, photo_width);
            photo
        }
    });
    if photo_width > 0 {
        flat::add(&mut out, photos.map(|x| x.cast_unsigned()));
    }
    out
}
