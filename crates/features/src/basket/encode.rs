//! The numbers that a model sees of candidates, from a shopper's signals.

use shelfedge_commerce::sort;
use shelfedge_engine::math::ln;

use super::{Basket, COMPARED, Column, FAR, Own, PLACES, SIGNALS, Signal, Signals};
use crate::flat::best;
use crate::shopper::Past;
use crate::spec::Group;

/// Products of a shopper whose photos candidates are compared with, at most.
const LOOKED_AT: usize = 64;
/// Signals that are seen as shares of the largest, too.
const OF_LARGEST: [Signal; 3] = [Signal::Similar, Signal::Weights, Signal::Neighbours];
/// Likeness of two titles that are of one kind.
const ALIKE: f32 = 0.5;
/// Days since the newest order of what was never bought, and so its interval;
/// longer ones count as [`LONGEST`].
const NEVER: f32 = 999.0;
const LONGEST: f32 = 998.0;
/// Orders since.
const NEVER_ORDERS: f32 = 99.0;
/// Prices of one customer differ by this much at least, as a variance of ln.
const NARROWEST: f32 = 0.04;

/// Which part of an explanation the numbers belong to, in their order.
const GROUPS: [(Group, usize); 13] = [
    (Group::BoughtBefore, 1),
    (Group::History, SIGNALS - 1),
    (Group::BoughtBefore, 1),
    (Group::History, SIGNALS - 1),
    (Group::Popularity, 1),
    (Group::History, OF_LARGEST.len() + TITLES),
    (Group::Popularity, 7 + 5),
    (Group::Age, 3),
    (Group::Product, 4),
    (Group::Price, 4),
    (Group::Request, OF_SHOPPER),
    (Group::BoughtBefore, OF_OWN),
    (Group::Request, 1),
];
const TITLES: usize = 3;
const OF_SHOPPER: usize = 11;
const OF_OWN: usize = 21;

/// The numbers that say how alike a candidate's title is: to all that was bought, by
/// what is left of it, and to the most alike.
pub const TITLE_LIKENESS: [usize; 2] = {
    let first = SIGNALS + PLACES + OF_LARGEST.len();
    [first, first + 1]
};

/// Numbers that say how alike a candidate's photo is, where photos are known: to all
/// that was bought, by what is left of it, and to the most alike. They stand behind all
/// others, so that a shop without photos has those alone.
pub const PHOTO_LIKENESS: [usize; 2] = [WIDTH, WIDTH + 1];

/// How many numbers a candidate has, but for photos.
pub const WIDTH: usize = {
    let (mut sum, mut i) = (0, 0);
    while i < GROUPS.len() {
        sum += GROUPS[i].1;
        i += 1;
    }
    sum
};

/// How many numbers a candidate has, with photos or without.
pub(super) const fn width(photos: bool) -> usize {
    match photos {
        true => WIDTH + PHOTO_LIKENESS.len(),
        false => WIDTH,
    }
}

/// Which part of an explanation each number belongs to, in their order, with photos or
/// without.
#[must_use]
pub fn groups(photos: bool) -> Vec<Group> {
    let of_photos = (Group::History, width(photos) - WIDTH);
    let groups = GROUPS.iter().chain([&of_photos]);
    groups
        .flat_map(|(group, count)| core::iter::repeat_n(*group, *count))
        .collect()
}

/// What a shopper's orders say of the shopper.
struct Habits {
    orders: f32,
    products: f32,
    /// Days since the newest and the oldest order.
    last: f32,
    first: f32,
    /// Mean days between orders.
    rhythm: f32,
    lines: f32,
    orders_90: f32,
    products_90: f32,
    /// Of what was bought, in minor units.
    median_price: f32,
    /// Of its ln: mean, and spread.
    price: (f32, f32),
    /// Sum of what is left of all lines.
    lately: f32,
}

impl Habits {
    fn of(basket: &Basket<'_>, past: &Past, products: &[u32], own: &[Own]) -> Self {
        let orders = past.orders.len() as f32;
        let last = past.orders.last().map_or(NEVER, |order| order.age);
        let first = past.orders.first().map_or(NEVER, |order| order.age);
        let price = |product: u32| basket.column(Column::Price, product);
        let mut prices: Vec<f32> = Vec::new();
        let (mut weight, mut sum, mut squares) = (0.0f32, 0.0f32, 0.0f32);
        for (own, product) in own.iter().zip(products) {
            let price = price(*product);
            prices.extend(core::iter::repeat_n(price, own.orders as usize));
            let (x, w) = (ln(price.max(1.0)), own.faded[1]);
            weight += w;
            sum += w * x;
            squares += w * x * x;
        }
        sort::by(&mut prices, f32::total_cmp);
        let weight = weight.max(1e-9);
        let mean = sum / weight;
        let variance = (squares / weight - mean * mean).max(NARROWEST);
        Self {
            orders,
            products: own.len() as f32,
            last,
            first,
            rhythm: (first - last) / (orders - 1.0).max(1.0),
            lines: prices.len() as f32,
            orders_90: past.orders.iter().filter(|o| o.age < 90.0).count() as f32,
            products_90: own.iter().filter(|own| own.first < 90.0).count() as f32,
            median_price: prices.get(prices.len() / 2).copied().unwrap_or(0.0),
            price: (mean, variance.sqrt()),
            lately: own.iter().map(|own| own.faded[1]).sum(),
        }
    }
}

/// The titles of what was bought.
struct Titles {
    /// The sum of all, by what is left of them, a term.
    profile: Vec<f32>,
    length: f32,
    /// Those that candidates are compared with.
    products: Vec<u32>,
    /// Where each term's cells end: its weight in the titles of `products`, by
    /// their place there.
    ends: Vec<u32>,
    cells: Vec<(u16, f32)>,
    /// Likeness of each of `products` to the candidate.
    likeness: Vec<f32>,
}

/// A title as terms of length one.
fn unit(basket: &Basket<'_>, product: u32) -> impl Iterator<Item = (u16, f32)> {
    let square: f32 = basket.title(product).map(|(_, w)| w * w).sum();
    let scale = if square > 0.0 {
        1.0 / square.sqrt()
    } else {
        0.0
    };
    basket
        .title(product)
        .map(move |(term, w)| (term, w * scale))
}

impl Titles {
    fn of(basket: &Basket<'_>, products: &[u32], own: &[Own]) -> Self {
        let mut profile = vec![0.0; basket.terms];
        for (own, product) in own.iter().zip(products) {
            for (term, weight) in unit(basket, *product) {
                if let Some(sum) = profile.get_mut(usize::from(term)) {
                    *sum += own.faded[2] * weight;
                }
            }
        }
        let square: f32 = profile.iter().map(|x| x * x).sum();
        let weighed = own.iter().map(|own| own.faded[1]);
        let compared = best(weighed.zip(products.iter().copied()), COMPARED);
        let products: Vec<u32> = compared.into_iter().map(|(_, product)| product).collect();
        let mut ends = vec![0u32; basket.terms + 1];
        for product in &products {
            for (term, _) in basket.title(*product) {
                if let Some(end) = ends.get_mut(usize::from(term) + 1) {
                    *end += 1;
                }
            }
        }
        for term in 1..ends.len() {
            ends[term] += ends[term - 1];
        }
        let mut cells = vec![(0, 0.0); ends[basket.terms] as usize];
        for (place, product) in (0u16..).zip(&products) {
            for (term, weight) in unit(basket, *product) {
                if usize::from(term) < basket.terms {
                    let end = &mut ends[usize::from(term)];
                    cells[*end as usize] = (place, weight);
                    *end += 1;
                }
            }
        }
        Self {
            profile,
            length: square.sqrt().max(1e-9),
            likeness: vec![0.0; products.len()],
            products,
            ends,
            cells,
        }
    }

    /// The titles with a term, by their place, and its weight there.
    fn with(&self, term: usize) -> &[(u16, f32)] {
        let end = |i: usize| self.ends.get(i).map_or(0, |end| *end as usize);
        let start = term.checked_sub(1).map_or(0, end);
        self.cells.get(start..end(term)).unwrap_or(&[])
    }

    /// Likeness to all that was bought, to the most alike, and how many are alike.
    fn compare(&mut self, basket: &Basket<'_>, product: u32) -> [f32; TITLES] {
        let mut likeness = core::mem::take(&mut self.likeness);
        likeness.fill(0.0);
        let mut whole = 0.0;
        for (term, weight) in unit(basket, product) {
            let term = usize::from(term);
            whole += self.profile.get(term).unwrap_or(&0.0) * weight;
            for (place, other) in self.with(term) {
                likeness[usize::from(*place)] += weight * other;
            }
        }
        // A product is not compared with itself.
        if let Some(own) = self.products.iter().position(|other| *other == product) {
            likeness[own] = 0.0;
        }
        let (mut most, mut alike) = (0.0f32, 0.0f32);
        for likeness in &likeness {
            // Plain comparisons, which take many at once.
            most = if *likeness > most { *likeness } else { most };
            alike += if *likeness > ALIKE { 1.0 } else { 0.0 };
        }
        self.likeness = likeness;
        [whole / self.length, most, alike]
    }
}

/// The photos of what was bought.
struct Looks<'a> {
    /// The sum of all, each of length 1, by what is left of them; nothing without
    /// photos.
    profile: Vec<f32>,
    length: f32,
    /// Those that candidates are compared with: product, embedding, and one over its
    /// length.
    photos: Vec<(u32, &'a [u8], f32)>,
}

fn cell(cell: u8) -> i32 {
    i32::from(cell.cast_signed())
}

/// The sum of products of two embeddings: a whole number, whatever the order of adding.
fn both(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| cell(*a) * cell(*b)).sum()
}

/// One over an embedding's length; nothing where there is no photo.
fn scale(photo: &[u8]) -> Option<f32> {
    let square = both(photo, photo);
    (square > 0).then(|| 1.0 / (square as f32).sqrt())
}

impl<'a> Looks<'a> {
    fn of(basket: &Basket<'a>, products: &[u32], own: &[Own]) -> Self {
        let mut looks = Self {
            profile: vec![0.0; basket.photo_width],
            length: 1.0,
            photos: Vec::new(),
        };
        if !basket.has_photos() {
            return looks;
        }
        for (own, product) in own.iter().zip(products) {
            let photo = basket.photo(*product);
            if let Some(scale) = scale(photo) {
                for (sum, x) in looks.profile.iter_mut().zip(photo) {
                    *sum += own.faded[2] * cell(*x) as f32 * scale;
                }
            }
        }
        let square: f32 = looks.profile.iter().map(|x| x * x).sum();
        looks.length = square.sqrt().max(1e-9);
        let weighed = own.iter().map(|own| own.faded[1]);
        let first = best(weighed.zip(products.iter().copied()), LOOKED_AT);
        looks.photos = first
            .into_iter()
            .filter_map(|(_, product)| {
                let photo = basket.photo(product);
                Some((product, photo, scale(photo)?))
            })
            .collect();
        looks
    }

    /// Likeness to all that was bought, and to the most alike of the others; 0 where
    /// nothing is known.
    fn compare(&self, basket: &Basket<'_>, product: u32) -> [f32; PHOTO_LIKENESS.len()] {
        let photo = basket.photo(product);
        let Some(own) = scale(photo) else {
            return [0.0; PHOTO_LIKENESS.len()];
        };
        let all = self.profile.iter().zip(photo);
        let whole: f32 = all.map(|(sum, x)| sum * cell(*x) as f32).sum();
        let others = self.photos.iter().filter(|(other, ..)| *other != product);
        let most = others
            .map(|(_, other, scale)| both(photo, other) as f32 * scale)
            .fold(0.0f32, f32::max);
        [whole * own / self.length, most * own]
    }
}

impl Signals {
    /// Encodes candidates, after [`Signals::fill`] and [`Signals::candidates`]:
    /// [`Basket::width`] numbers each, candidate by candidate. `new` as for those.
    pub fn encode(
        &self,
        basket: &Basket<'_>,
        past: &Past,
        new: bool,
        candidates: &[u32],
        out: &mut Vec<f32>,
    ) {
        out.clear();
        out.reserve(candidates.len() * basket.width());
        let habits = Habits::of(basket, past, &self.products, &self.own);
        let mut titles = Titles::of(basket, &self.products, &self.own);
        let looks = Looks::of(basket, &self.products, &self.own);
        let largest = OF_LARGEST.map(|signal| {
            let rows = self.rows.iter().enumerate();
            rows.filter(|(row, _)| !(new && self.is_own(*row)))
                .map(|(_, values)| values[signal as usize])
                .fold(1e-9f32, f32::max)
        });
        for &product in candidates {
            let start = out.len();
            let row = self.find(product);
            let values = row.map_or([0.0; SIGNALS], |row| self.rows[row]);
            let places = row.and_then(|row| self.places.get(row));
            out.extend(values);
            out.extend(places.unwrap_or(&[FAR; PLACES]).map(f32::from));
            for (signal, largest) in OF_LARGEST.iter().zip(largest) {
                out.push(values[*signal as usize] / largest);
            }
            out.extend(titles.compare(basket, product));
            of_product(basket, product, &habits, past.stale, out);
            out.extend([
                habits.orders,
                habits.products,
                habits.last,
                habits.first,
                habits.rhythm,
                1.0 - habits.products / habits.lines.max(1.0),
                habits.lines / habits.orders.max(1.0),
                habits.orders_90,
                habits.last / habits.rhythm.max(1.0),
                habits.products_90,
                habits.median_price,
            ]);
            let own = row.and_then(|row| self.own.get(row));
            let interval = basket.column(Column::Interval, product);
            out.extend(of_own(own, &habits, interval));
            out.push(f32::from(u8::from(new)));
            if basket.has_photos() {
                out.extend(looks.compare(basket, product));
            }
            debug_assert_eq!(out.len() - start, basket.width());
        }
    }
}

/// `stale` are the days since the log's end.
fn of_product(basket: &Basket<'_>, product: u32, habits: &Habits, stale: f32, out: &mut Vec<f32>) {
    let column = |column| basket.column(column, product);
    let buyers = [
        Column::Buyers7,
        Column::Buyers14,
        Column::Buyers30,
        Column::Buyers60,
        Column::Buyers90,
        Column::Buyers,
    ];
    let [of_7, of_14, of_30, of_60, of_90, ever] = buyers.map(column);
    let first_buyers = column(Column::FirstBuyers);
    out.extend([
        of_7,
        of_14,
        of_30,
        of_60,
        of_90,
        ever,
        basket.popularity(product),
        4.0 * of_7 / (of_30 + 1.0),
        3.0 * of_30 / (of_90 + 1.0),
        of_30 / (column(Column::BuyersBefore) + 1.0),
        first_buyers,
        first_buyers / (of_30 + 1.0),
    ]);
    let (first, last) = (column(Column::First) + stale, column(Column::Last) + stale);
    out.extend([last, first, first - habits.last]);
    out.extend(
        [
            Column::Orders,
            Column::Again,
            Column::Interval,
            Column::Pieces,
        ]
        .map(column),
    );
    let price = column(Column::Price);
    let (mean, spread) = habits.price;
    out.extend([
        price,
        price / habits.median_price.max(1.0),
        column(Column::Promotion),
        (ln(price.max(1.0)) - mean) / spread,
    ]);
}

/// The shopper's own orders with a product; `interval` is that of other customers.
fn of_own(own: Option<&Own>, habits: &Habits, interval: f32) -> [f32; OF_OWN] {
    let (last, own_interval) = match own {
        None => (NEVER, NEVER),
        Some(own) if own.orders > 1.0 => {
            let interval = (own.first - own.last) / (own.orders - 1.0);
            (own.last.min(LONGEST), interval.min(LONGEST))
        }
        Some(own) => (own.last.min(LONGEST), NEVER),
    };
    let usual = if own_interval < NEVER {
        own_interval
    } else {
        interval
    };
    let Own {
        orders,
        first,
        since,
        since_first,
        of_four,
        of_90_days,
        pieces,
        newest_pieces,
        newest_interval,
        faded,
        ..
    } = own.copied().unwrap_or(Own {
        since: NEVER_ORDERS,
        ..Own::default()
    });
    [
        orders,
        last,
        first,
        orders / habits.orders.max(1.0),
        faded[0],
        faded[1],
        faded[2],
        last - habits.last,
        since,
        own_interval,
        last / usual.max(1.0),
        last / habits.rhythm.max(1.0),
        pieces / orders.max(1.0),
        orders / first.max(7.0),
        faded[1] / habits.lately.max(1e-9),
        since_first,
        orders / (since_first + 1.0),
        of_four,
        of_90_days / habits.orders_90.max(1.0),
        newest_pieces - pieces / orders.max(1.0),
        if orders > 1.0 {
            newest_interval.min(LONGEST)
        } else {
            NEVER
        },
    ]
}
