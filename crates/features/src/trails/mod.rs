//! What followed what: the sequences of a shop's past (a session's looks, a
//! customer's purchases), and what they say of a product's place in a sequence
//! that goes on.
//!
//! The log of sequences itself is shipped, instead of tables made from it: one
//! pass over the sequences that share a product with the query gives every
//! count at once. Transitions over several steps (Markov chains),
//! co-occurrence (item-based neighbours), and the votes of the most similar
//! sequences: V-SKNN (Ludewig and Jannach, "Evaluation of session-based
//! recommendation algorithms", UMUAI 2018) and STAN (Garg et al., "Sequence and
//! time aware neighborhood for session-based recommendations", SIGIR 2019).
//! Beside the counts stands an embedding of the products, from the spectrum of
//! their weighted co-occurrence, for what never met in one sequence.

mod encode;
pub mod fit;

pub use encode::Origin;
use shelfedge_commerce::sort;
use shelfedge_engine::file::u32_at;
use shelfedge_engine::math::{exp, ln, pow};

use crate::flat::{Cut, Halves, Numbers, best};
use crate::shopper::Trail;
use crate::tables::TableError;

/// The section of the compiled model.
pub const SECTION: &str = "trails";

/// Products of a query that are looked at, the newest ones.
pub const QUERY: usize = 50;
/// Longest sequence of a log.
pub const LONGEST: usize = 255;

const VERSION: u32 = 1;
const FIXED_WORDS: usize = 17;
const MAX_PARTS: usize = 8;
const MAX_DIMS: usize = 64;
/// Newest places of a product that are looked at, at most.
const MAX_MOST: u32 = 100_000;
/// Weight of a part of the score that finds candidates, at most.
const MAX_WEIGHT: f32 = 1e6;
/// Candidates, and products near to a query, at most.
const MAX_FOUND: u32 = 1_000;

const CLOCK: u32 = 1;
const REPEATS: u32 = 2;
const WIDE: u32 = 4;
const SESSION: u32 = 8;
const ATTENTION: u32 = 16;

macro_rules! sums {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A sum over the sequences that share a product with the query.
        ///
        /// `a` is how many steps back a product of the query stands (the last has 0),
        /// `d` the signed distance in a sequence from that product to the counted one,
        /// `w` falls with `a`, `p` is the number of sequences with the query's product.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Sum {
            $($(#[$doc])* $name,)*
        }

        impl Sum {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; SUMS] = [$(Self::$name,)*];
        }

        /// Number of [`Sum`]s.
        pub const SUMS: usize = [$(Sum::$name,)*].len();
    };
}

sums! {
    /// Came directly after the last product.
    Next,
    /// After the last product, 1/d.
    After,
    /// Came directly before the last product.
    Previous,
    /// Before the last product, 1/|d|.
    Before,
    /// Sequences with the last product.
    Together,
    /// After the last but one, 1/d.
    AfterSecond,
    /// Before the last but one, 1/|d|.
    BeforeSecond,
    /// Sequences with the last but one.
    TogetherSecond,
    /// After any product, w/(d sqrt p).
    AllAfter,
    /// Before any product, w/(|d| sqrt p).
    AllBefore,
    /// A step of a random walk by way of a sequence, 1/(p n).
    Walk,
    /// Sequences with any product, w/sqrt p.
    Cosine,
    /// As `After`, newer sequences weighing more.
    AfterRecent,
    /// w/|d| of any product, half of it for what came before, newer weighing more.
    Recent,
    /// Votes of similar sequences.
    Votes,
    /// The same, sharper and newer.
    VotesRecent,
    /// Votes that fade with the distance from the match.
    VotesNear,
    /// Votes of sequences with both of the last two products.
    VotesBoth,
    /// The most similar sequence.
    VoteBest,
    /// One more than the newest sequence with the last product; 0 without one.
    Latest,
    /// After the third last, 1/d.
    AfterThird,
    /// Products of the query that it was ever seen with.
    Linked,
    /// Largest co-occurrence with one product of the query, shrunk.
    CosineBest,
    /// Largest `After` from one product of the query, over sqrt p.
    AfterBest,
    /// w ln(1 + after) from each product of the query.
    AfterLog,
}

/// What a log says of a product by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// Sequences with it.
    Sequences,
    /// Of these, among the newest tenth of all.
    Newest10,
    /// Of these, among the newest three hundredths of all.
    Newest3,
    /// Age of the newest one, as a share of all.
    Last,
    /// Age of the oldest one, as a share of all.
    First,
    /// How often it was one of the last two of a sequence.
    AtEnd,
    /// Mean of 0.7 to the steps from the end.
    NearEnd,
    /// Mean steps from the end, at most 20 each.
    FromEnd,
    /// Its place on a line on which what follows stands to the right.
    Order,
    /// One over the length of its embedding.
    Length,
}

/// Number of [`Column`]s.
pub const COLUMNS: usize = Column::Length as usize + 1;

/// A part of the score by which candidates are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Over which sum.
    pub sum: Sum,
    /// Its weight, after division by the largest.
    pub weight: f32,
    /// It is divided by (sequences + 1) to this many quarters, at most 4.
    pub quarters: u32,
}

/// How a log is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Sequences stand in the order of time, and age with it. Without a clock
    /// what stands near the end of its sequence counts as new.
    pub clock: bool,
    /// A product of the query may be a candidate.
    pub repeats: bool,
    /// A sequence is a session, so that of a shopper's events only those of the
    /// newest session are the query.
    pub session: bool,
    /// What a step back in the query leaves of a product's weight.
    pub decay: f32,
    /// Half-lives of sequences, as shares of all: of votes, and of what is recent.
    pub half_lives: [f32; 2],
    /// Newest places of a product that are looked at.
    pub most: u32,
    /// Candidates that are found.
    pub candidates: u32,
    /// The score that finds them.
    pub parts: Vec<Part>,
    /// Products nearest to the query by the embedding that may become candidates.
    pub near: u32,
    /// The weight of that nearness.
    pub near_weight: f32,
    /// What a step back leaves of a product's weight in it.
    pub near_decay: f32,
    /// Candidates also have the score of a sequence model.
    pub attention: bool,
}

/// A log, read in place.
#[derive(Clone, Debug)]
pub struct Trails<'a> {
    reading: Reading,
    sequences: usize,
    places: usize,
    products: usize,
    dims: usize,
    lengths: &'a [u8],
    log: Numbers<'a>,
    columns: [Option<Halves<'a>>; COLUMNS],
    embedding: &'a [u8],
}

impl<'a> Trails<'a> {
    /// Opens the section of a model with this many products: checks its sizes,
    /// copies nothing.
    ///
    /// # Errors
    /// Another version, or sizes that contradict each other.
    pub fn open(bytes: &'a [u8], products: usize) -> Result<Self, TableError> {
        let bad = TableError {
            section: SECTION,
            missing: false,
        };
        let word = |i: usize| u32_at(bytes, i * 4).ok_or(bad);
        let number = |i: usize| {
            let f = f32::from_bits(word(i)?);
            if f.is_finite() { Ok(f) } else { Err(bad) }
        };
        let (flags, mask) = (word(1)?, word(6)?);
        let parts_count = word(16)? as usize;
        let dims = word(5)? as usize;
        if word(0)? != VERSION
            || word(4)? as usize != products
            || parts_count > MAX_PARTS
            || dims > MAX_DIMS
            || mask >> COLUMNS != 0
            || word(7)?.max(word(9)?) > MAX_FOUND
            || word(8)? > MAX_MOST
            || flags & !(CLOCK | REPEATS | WIDE | SESSION | ATTENTION) != 0
            || word(15)? != 0
        {
            return Err(bad);
        }
        let mut parts = Vec::with_capacity(parts_count);
        for i in 0..parts_count {
            let at = FIXED_WORDS + i * 3;
            let part = Part {
                sum: *Sum::ALL.get(word(at)? as usize).ok_or(bad)?,
                weight: number(at + 1)?,
                quarters: word(at + 2)?,
            };
            if part.weight.abs() > MAX_WEIGHT || part.quarters > 4 {
                return Err(bad);
            }
            parts.push(part);
        }
        let share =
            |i: usize| number(i).and_then(|x| ((0.0..=1.0).contains(&x)).then_some(x).ok_or(bad));
        let near_weight = number(13)?;
        if near_weight.abs() > MAX_WEIGHT {
            return Err(bad);
        }
        let mut at = FIXED_WORDS + parts_count * 3;
        let mut scales = [0.0; COLUMNS];
        for (i, scale) in scales.iter_mut().enumerate() {
            if mask >> i & 1 == 1 {
                *scale = number(at)?;
                at += 1;
            }
        }
        let mut cut = Cut::new(bytes, at * 4);
        let (sequences, places) = (word(2)? as usize, word(3)? as usize);
        let wide = flags & WIDE != 0;
        let lengths = cut.take(1, sequences).ok_or(bad)?;
        let log = Numbers::take(&mut cut, wide, places).ok_or(bad)?;
        let mut columns = [None; COLUMNS];
        for (i, column) in columns.iter_mut().enumerate() {
            if mask >> i & 1 == 1 {
                *column = Some(Halves::take(&mut cut, products, scales[i]).ok_or(bad)?);
            }
        }
        let embedding = cut.take(dims, products).ok_or(bad)?;
        if !cut.is_done() {
            return Err(bad);
        }
        Ok(Self {
            reading: Reading {
                clock: flags & CLOCK != 0,
                repeats: flags & REPEATS != 0,
                session: flags & SESSION != 0,
                decay: share(10)?,
                half_lives: [number(11)?, number(12)?],
                most: word(8)?,
                candidates: word(7)?,
                parts,
                near: word(9)?,
                near_weight,
                near_decay: share(14)?,
                attention: flags & ATTENTION != 0,
            },
            sequences,
            places,
            products,
            dims,
            lengths,
            log,
            columns,
            embedding,
        })
    }

    /// The query that a shopper's trail is: all of it, or its newest session.
    #[must_use]
    pub fn query<'t>(&self, trail: &'t Trail) -> &'t [u32] {
        let start = match self.reading.session {
            true => trail.session,
            false => 0,
        };
        trail.products.get(start..).unwrap_or(&[])
    }

    /// Candidates of a query, at most.
    #[must_use]
    pub fn most_candidates(&self) -> usize {
        self.reading.candidates as usize
    }

    /// Whether candidates also have the score of a sequence model.
    #[must_use]
    pub const fn attends(&self) -> bool {
        self.reading.attention
    }

    /// What of a query may not come again, sorted.
    #[must_use]
    pub fn barred(&self, query: &[u32]) -> Vec<u32> {
        if self.reading.repeats {
            return Vec::new();
        }
        let mut barred = query.to_vec();
        sort::by(&mut barred, Ord::cmp);
        barred
    }

    /// Which product of a query is closest to a product by the embedding.
    #[must_use]
    pub fn closest(&self, query: &[u32], product: u32) -> Option<u32> {
        let mut closest: Option<(f32, u32)> = None;
        for &other in newest(query).iter().filter(|other| **other != product) {
            let near = Context::of(self, &[other], 1.0).nearness(self, product);
            if near > closest.map_or(0.0, |c| c.0) {
                closest = Some((near, other));
            }
        }
        closest.map(|(_, other)| other)
    }

    #[inline]
    fn product(&self, place: u32) -> u32 {
        self.log.get(place as usize)
    }

    /// What is known of a product by itself; 0 where nothing is.
    #[must_use]
    pub fn column(&self, column: Column, product: u32) -> f32 {
        self.columns[column as usize].map_or(0.0, |cells| cells.get(product as usize))
    }

    fn has(&self, column: Column) -> bool {
        self.columns[column as usize].is_some()
    }

    fn row(&self, product: u32) -> &'a [u8] {
        let start = product as usize * self.dims;
        self.embedding.get(start..start + self.dims).unwrap_or(&[])
    }

    /// Calls with every sequence's number and its places.
    fn each(&self, mut of: impl FnMut(u32, u32, u32)) {
        let (mut start, places) = (0u32, self.places as u32);
        for (sequence, length) in (0u32..).zip(self.lengths) {
            let end = (start + u32::from(*length)).min(places);
            of(sequence, start, end);
            start = end;
        }
    }
}

/// Where a product stands in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spot {
    place: u32,
    sequence: u32,
    /// The places of the sequence.
    start: u32,
    end: u32,
}

/// Every product's places. Without one a query reads the log once from its
/// beginning to its end: the better choice where an instance answers a single
/// request.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Products, sequences and places of its log.
    of: [usize; 3],
    /// The place after each product's last one in `spots`.
    ends: Vec<u32>,
    spots: Vec<Spot>,
}

impl Index {
    /// Indexes a log.
    #[must_use]
    pub fn new(trails: &Trails<'_>) -> Self {
        let mut ends = vec![0u32; trails.products + 1];
        // Only what a sequence holds, as below.
        trails.each(|_, start, end| {
            for place in start..end {
                let product = trails.product(place) as usize;
                if product < trails.products {
                    ends[product + 1] += 1;
                }
            }
        });
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut spots = vec![Spot::default(); ends[trails.products] as usize];
        trails.each(|sequence, start, end| {
            for place in start..end {
                let product = trails.product(place) as usize;
                if product < trails.products {
                    spots[ends[product] as usize] = Spot {
                        place,
                        sequence,
                        start,
                        end,
                    };
                    ends[product] += 1;
                }
            }
        });
        Self {
            of: [trails.products, trails.sequences, trails.places],
            ends,
            spots,
        }
    }

    /// Whether it can be of this log.
    fn fits(&self, trails: &Trails<'_>) -> bool {
        self.of == [trails.products, trails.sequences, trails.places]
    }

    fn places(&self, product: u32) -> &[Spot] {
        let end = |i: usize| self.ends.get(i).map_or(0, |end| *end as usize);
        let i = product as usize;
        let start = i.checked_sub(1).map_or(0, end);
        self.spots.get(start..end(i)).unwrap_or(&[])
    }
}

/// A sequence that shares a product with the query.
#[derive(Clone, Copy, Debug)]
struct Met {
    spot: Spot,
    weight: f32,
    /// Which of the query's last two products it holds.
    last_two: u32,
}

/// The sums of a query, and the buffers for them, which the next query uses
/// again.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// One more than a product's row.
    slots: Vec<u32>,
    products: Vec<u32>,
    rows: Vec<[f32; SUMS]>,
    /// The score that finds candidates, a row.
    found: Vec<f32>,
    /// From one product of the query: sequences with both, and 1/d.
    single: Vec<(f32, f32)>,
    touched: Vec<u32>,
    sequence_slots: Vec<u32>,
    met: Vec<Met>,
    spots: Vec<Vec<Spot>>,
    marks: Vec<u8>,
    /// Powers of 0.8.
    fading: Vec<f32>,
}

/// A direction in the embedding.
#[derive(Clone, Debug, Default)]
struct Context {
    values: Vec<i16>,
    /// One over its length.
    scale: f32,
}

impl Context {
    /// The sum of the query's products, each step back weighing `decay` as much.
    fn of(trails: &Trails<'_>, query: &[u32], decay: f32) -> Self {
        let mut sum = vec![0.0f32; trails.dims];
        let mut weight = 1.0;
        for &product in query.iter().rev() {
            let length = weight * trails.column(Column::Length, product);
            for (sum, cell) in sum.iter_mut().zip(trails.row(product)) {
                *sum += length * f32::from(cell.cast_signed());
            }
            weight *= decay;
            if weight == 0.0 {
                break;
            }
        }
        let largest = sum.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        if largest == 0.0 {
            return Self::default();
        }
        let values: Vec<i16> = sum
            .iter()
            .map(|x| {
                let scaled = x / largest * 4096.0;
                (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i16
            })
            .collect();
        let square: i32 = values.iter().map(|x| i32::from(*x) * i32::from(*x)).sum();
        Self {
            values,
            scale: 1.0 / (square as f32).sqrt(),
        }
    }

    /// The cosine with a product.
    fn nearness(&self, trails: &Trails<'_>, product: u32) -> f32 {
        let row = trails.row(product);
        // Eight at a time, as many as a vector register takes, whatever the width.
        let (eights, rest) = row.as_chunks::<8>();
        let (values, last) = self.values.as_chunks::<8>();
        let multiply = |cells: &[u8], values: &[i16]| -> i32 {
            let pairs = cells.iter().zip(values);
            // Whole numbers: any order of addition gives the same sum.
            pairs
                .map(|(cell, x)| i32::from(cell.cast_signed()) * i32::from(*x))
                .sum()
        };
        let eights = eights.iter().zip(values);
        let dot = eights
            .map(|(cells, values)| multiply(cells, values))
            .sum::<i32>()
            + multiply(rest, last);
        dot as f32 * self.scale * trails.column(Column::Length, product)
    }
}

impl Sums {
    fn row(&mut self, product: u32) -> Option<usize> {
        let slot = self.slots.get_mut(product as usize)?;
        if *slot == 0 {
            self.products.push(product);
            self.rows.push([0.0; SUMS]);
            self.single.push((0.0, 0.0));
            *slot = self.products.len() as u32;
        }
        Some(*slot as usize - 1)
    }

    fn find(&self, product: u32) -> Option<usize> {
        let slot = *self.slots.get(product as usize)?;
        (slot as usize).checked_sub(1)
    }

    /// Finds the places of the query's products, the newest product first.
    fn locate(&mut self, trails: &Trails<'_>, index: Option<&Index>, query: &[u32]) {
        self.spots.iter_mut().for_each(Vec::clear);
        self.spots.resize(query.len(), Vec::new());
        let most = trails.reading.most as usize;
        let shorten = |spots: &mut Vec<Spot>| drop(spots.drain(..spots.len().saturating_sub(most)));
        if let Some(index) = index.filter(|index| index.fits(trails)) {
            for (back, &product) in query.iter().rev().enumerate() {
                if !query[query.len() - back..].contains(&product) {
                    let all = index.places(product);
                    let latest = &all[all.len().saturating_sub(most)..];
                    self.spots[back].extend_from_slice(latest);
                }
            }
            return;
        }
        self.marks.clear();
        self.marks.resize(trails.products, 0);
        for (mark, &product) in (1u8..).zip(query.iter().rev()) {
            if let Some(place) = self.marks.get_mut(product as usize)
                && *place == 0
            {
                *place = mark;
            }
        }
        let (marks, spots) = (&self.marks, &mut self.spots);
        trails.each(|sequence, start, end| {
            for place in start..end {
                let product = trails.product(place);
                let mark = marks.get(product as usize).copied().unwrap_or(0);
                if mark != 0 {
                    spots[usize::from(mark) - 1].push(Spot {
                        place,
                        sequence,
                        start,
                        end,
                    });
                }
            }
        });
        self.spots.iter_mut().for_each(shorten);
    }

    /// Adds up what the log says of every product that it has seen with one of
    /// the query's. The query is oldest first; its newest [`QUERY`] products
    /// count, each at its newest place.
    pub fn fill(&mut self, trails: &Trails<'_>, index: Option<&Index>, query: &[u32]) {
        for product in self.products.drain(..) {
            self.slots[product as usize] = 0;
        }
        for met in self.met.drain(..) {
            self.sequence_slots[met.spot.sequence as usize] = 0;
        }
        self.rows.clear();
        self.single.clear();
        self.found.clear();
        self.slots.resize(trails.products, 0);
        self.sequence_slots.resize(trails.sequences, 0);
        if self.fading.is_empty() {
            self.fading = core::iter::successors(Some(1.0f32), |power| Some(power * 0.8))
                .take(LONGEST + 1)
                .collect();
        }
        let query = newest(query);
        self.locate(trails, index, query);

        let reading = &trails.reading;
        let all = trails.sequences as f32;
        let fade = |sequence: u32, half: f32| {
            if !reading.clock || half <= 0.0 {
                return 1.0;
            }
            let age = (trails.sequences as u32).saturating_sub(sequence) as f32 / all;
            exp(-core::f32::consts::LN_2 * age / half)
        };
        let mut weight = 1.0f32;
        for back in 0..query.len() {
            let product = query[query.len() - 1 - back];
            let spots = core::mem::take(&mut self.spots[back]);
            let popularity = trails.column(Column::Sequences, product).max(1.0);
            let rarity = ln((all + 1.0) / (popularity + 1.0));
            let root = 1.0 / popularity.sqrt();
            let mut previous = u32::MAX;
            self.touched.clear();
            for spot in &spots {
                let fresh = spot.sequence != previous;
                previous = spot.sequence;
                if fresh {
                    self.meet(*spot, weight * rarity, back);
                }
                let recent = fade(spot.sequence, reading.half_lives[1]);
                for place in spot.start..spot.end {
                    if place == spot.place {
                        continue;
                    }
                    let Some(row) = self.row(trails.product(place)) else {
                        continue;
                    };
                    let recent = if reading.clock {
                        recent
                    } else {
                        self.fading[(spot.end - 1 - place) as usize]
                    };
                    let single = &mut self.single[row];
                    if single.0 == 0.0 {
                        self.touched.push(row as u32);
                    }
                    // A product seen again in a sequence counts there once; the
                    // crumb only marks that it was met.
                    single.0 += if fresh { 1.0 } else { 1e-9 };
                    let mut add = |sum: Sum, x: f32| self.rows[row][sum as usize] += x;
                    if place > spot.place {
                        let near = 1.0 / (place - spot.place) as f32;
                        single.1 += near;
                        match back {
                            0 => {
                                if place - spot.place == 1 {
                                    add(Sum::Next, 1.0);
                                }
                                add(Sum::After, near);
                                add(Sum::AfterRecent, near * recent);
                            }
                            1 => add(Sum::AfterSecond, near),
                            2 => add(Sum::AfterThird, near),
                            _ => {}
                        }
                        add(Sum::AllAfter, weight * near * root);
                        add(Sum::Recent, weight * near * recent);
                    } else {
                        let near = 1.0 / (spot.place - place) as f32;
                        match back {
                            0 => {
                                if spot.place - place == 1 {
                                    add(Sum::Previous, 1.0);
                                }
                                add(Sum::Before, near);
                            }
                            1 => add(Sum::BeforeSecond, near),
                            _ => {}
                        }
                        add(Sum::AllBefore, weight * near * root);
                        add(Sum::Recent, 0.5 * weight * near * recent);
                    }
                    if fresh {
                        match back {
                            0 => add(Sum::Together, 1.0),
                            1 => add(Sum::TogetherSecond, 1.0),
                            _ => {}
                        }
                        let length = (spot.end - spot.start) as f32;
                        add(Sum::Walk, 1.0 / (popularity * length));
                        add(Sum::Cosine, weight * root);
                        if back == 0 {
                            let latest = &mut self.rows[row][Sum::Latest as usize];
                            *latest = latest.max((spot.sequence + 1) as f32);
                        }
                    }
                }
            }
            for row in &self.touched {
                let row = *row as usize;
                let (together, after) = core::mem::take(&mut self.single[row]);
                let other = trails
                    .column(Column::Sequences, self.products[row])
                    .max(1.0);
                let sums = &mut self.rows[row];
                let cosine = together / ((popularity * other).sqrt() + 3.0);
                let best = &mut sums[Sum::CosineBest as usize];
                *best = best.max(cosine);
                let best = &mut sums[Sum::AfterBest as usize];
                *best = best.max(after * root);
                sums[Sum::Linked as usize] += 1.0;
                sums[Sum::AfterLog as usize] += weight * ln(1.0 + after);
            }
            self.spots[back] = spots;
            weight *= reading.decay;
        }
        self.vote(trails, fade);
        if reading.repeats {
            for &product in query {
                self.row(product);
            }
        }
    }

    fn meet(&mut self, spot: Spot, weight: f32, back: usize) {
        let slot = &mut self.sequence_slots[spot.sequence as usize];
        if *slot == 0 {
            self.met.push(Met {
                spot,
                weight: 0.0,
                last_two: 0,
            });
            *slot = self.met.len() as u32;
        }
        let met = &mut self.met[*slot as usize - 1];
        met.weight += weight;
        met.last_two += u32::from(back <= 1);
    }

    /// The votes of the sequences that were met.
    fn vote(&mut self, trails: &Trails<'_>, fade: impl Fn(u32, f32) -> f32) {
        let reading = &trails.reading;
        for i in 0..self.met.len() {
            let Met {
                spot,
                weight,
                last_two,
            } = self.met[i];
            let length = (spot.end - spot.start) as f32;
            let alike = (weight / length.sqrt()).max(0.0);
            let aged = alike * fade(spot.sequence, reading.half_lives[0]);
            let vote = if aged > 0.0 { pow(aged, 0.7) } else { 0.0 };
            let recent = fade(spot.sequence, reading.half_lives[1]);
            for place in spot.start..spot.end {
                let Some(row) = self.row(trails.product(place)) else {
                    continue;
                };
                let recent = if reading.clock {
                    recent
                } else {
                    self.fading[(spot.end - 1 - place) as usize]
                };
                let sums = &mut self.rows[row];
                let near = 1.0 / (1.0 + place.abs_diff(spot.place) as f32);
                sums[Sum::Votes as usize] += vote;
                sums[Sum::VotesRecent as usize] += alike * alike * recent;
                sums[Sum::VotesNear as usize] += aged * near;
                if last_two == 2 {
                    sums[Sum::VotesBoth as usize] += near;
                }
                let best = &mut sums[Sum::VoteBest as usize];
                *best = best.max(weight);
            }
        }
    }

    /// Scores every product that may be a candidate, after [`Sums::fill`], and
    /// gives the best, best first; equal scores by product. None of those that are
    /// `barred`, sorted, is among them.
    pub fn candidates(&mut self, trails: &Trails<'_>, query: &[u32], barred: &[u32]) -> Vec<u32> {
        let query = newest(query);
        let reading = &trails.reading;
        let near = self.near(trails, query, barred);
        for &(product, _) in &near {
            self.row(product);
        }
        self.found.clear();
        self.found.resize(self.products.len(), 0.0);
        let nearest = near.first().map_or(1.0, |n| n.1).max(1e-9);
        for &(product, nearness) in &near {
            if let Some(row) = self.find(product) {
                self.found[row] += reading.near_weight * nearness / nearest;
            }
        }
        for part in &reading.parts {
            let value = |sums: &Self, row: usize| {
                let sequences = trails.column(Column::Sequences, sums.products[row]);
                let root = (sequences.max(0.0) + 1.0).sqrt();
                let below = match part.quarters {
                    0 => 1.0,
                    1 => root.sqrt(),
                    2 => root,
                    3 => root * root.sqrt(),
                    _ => root * root,
                };
                sums.rows[row][part.sum as usize] / below
            };
            let allowed =
                |sums: &Self, row: usize| barred.binary_search(&sums.products[row]).is_err();
            let values: Vec<f32> = (0..self.products.len())
                .map(|row| {
                    if allowed(self, row) {
                        value(self, row)
                    } else {
                        0.0
                    }
                })
                .collect();
            let most = values.iter().copied().fold(0.0, f32::max);
            if most > 0.0 {
                for (found, value) in self.found.iter_mut().zip(values) {
                    *found += part.weight * value / most;
                }
            }
        }
        let all = self
            .found
            .iter()
            .copied()
            .zip(self.products.iter().copied());
        let allowed = all.filter(|(_, product)| barred.binary_search(product).is_err());
        let order = best(allowed, reading.candidates as usize);
        order.into_iter().map(|(_, product)| product).collect()
    }

    /// The products nearest to the query by the embedding, with their cosine.
    fn near(&self, trails: &Trails<'_>, query: &[u32], barred: &[u32]) -> Vec<(u32, f32)> {
        let reading = &trails.reading;
        if reading.near == 0 || trails.dims == 0 || query.is_empty() {
            return Vec::new();
        }
        let context = Context::of(trails, query, reading.near_decay);
        if context.values.is_empty() {
            return Vec::new();
        }
        let all = (0..trails.products as u32)
            .filter(|product| barred.binary_search(product).is_err())
            .map(|product| (context.nearness(trails, product), product))
            .filter(|(nearness, _)| *nearness > 0.0);
        let order = best(all, reading.near as usize);
        order.into_iter().map(|(n, product)| (product, n)).collect()
    }
}

/// The newest products of a query.
fn newest(query: &[u32]) -> &[u32] {
    &query[query.len().saturating_sub(QUERY)..]
}

#[cfg(test)]
mod tests {
    use super::fit::{Learnt, Sequences, write};
    use super::*;
    use proptest::prelude::*;

    fn reading(clock: bool) -> Reading {
        Reading {
            clock,
            repeats: clock,
            session: clock,
            decay: 0.6,
            half_lives: [0.6, 0.15],
            most: 1_000,
            candidates: 150,
            parts: vec![
                Part {
                    sum: Sum::Votes,
                    weight: 1.0,
                    quarters: 1,
                },
                Part {
                    sum: Sum::VotesNear,
                    weight: 0.5,
                    quarters: 1,
                },
                Part {
                    sum: Sum::Recent,
                    weight: 0.3,
                    quarters: 1,
                },
            ],
            near: 0,
            near_weight: 0.5,
            near_decay: 0.6,
            attention: false,
        }
    }

    fn log(sequences: &[&[u32]]) -> Sequences {
        let mut log = Sequences::default();
        sequences.iter().for_each(|s| log.push(s));
        log
    }

    fn sums(trails: &Trails<'_>, index: Option<&Index>, query: &[u32]) -> Vec<(u32, [f32; SUMS])> {
        let mut sums = Sums::default();
        sums.fill(trails, index, query);
        let mut rows: Vec<_> = sums.products.iter().copied().zip(sums.rows).collect();
        rows.sort_by_key(|(product, _)| *product);
        rows
    }

    /// The numbers come from another implementation, in Python.
    #[test]
    fn sums_and_candidates_of_a_small_log() {
        let log = log(&[
            &[1, 2, 3],
            &[2, 3, 4, 2],
            &[1, 3, 5],
            &[4, 5, 1, 2],
            &[3, 2, 6],
        ]);
        for (clock, expected) in [
            (
                true,
                vec![
                    (
                        2,
                        1.56881,
                        [
                            0.0, 0.33333, 0.0, 0.33333, 1.0, 2.0, 0.0, 2.0, 0.85949, 0.16667,
                            0.25694, 1.1928, 0.0082677, 0.1128, 0.78352, 0.012536, 0.34022, 2.0,
                            0.4256, 2.0, 0.0, 2.0, 0.3094, 1.1547, 0.94685,
                        ],
                    ),
                    (
                        3,
                        1.12583,
                        [
                            2.0, 2.0, 1.0, 1.5, 3.0, 1.5, 0.0, 2.0, 1.5196, 0.75, 0.45139, 2.1928,
                            0.034646, 0.27973, 0.59643, 0.0064307, 0.13368, 0.5, 0.4256, 5.0, 0.0,
                            2.0, 0.42857, 1.0, 1.6484,
                        ],
                    ),
                    (
                        1,
                        1.09349,
                        [
                            0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.14583, 1.0, 0.0,
                            0.083667, 0.56753, 0.0089591, 0.17596, 1.0, 0.4256, 4.0, 0.0, 1.0,
                            0.3094, 0.0, 0.0,
                        ],
                    ),
                    (
                        5,
                        0.76684,
                        [
                            0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 1.0, 2.0, 0.17321, 0.59641, 0.25694,
                            1.1928, 0.0, 0.10537, 0.40076, 0.0083648, 0.068095, 0.33333, 0.4256,
                            4.0, 0.0, 2.0, 0.36701, 0.28868, 0.24328,
                        ],
                    ),
                    (
                        6,
                        0.65955,
                        [
                            1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.083333, 0.5,
                            0.39685, 0.39685, 0.17594, 0.0043973, 0.041774, 0.0, 0.18232, 5.0, 0.0,
                            1.0, 0.2, 0.5, 0.69316,
                        ],
                    ),
                    (
                        4,
                        0.62435,
                        [
                            0.0, 0.5, 1.0, 1.3333, 2.0, 0.0, 0.5, 1.0, 0.25, 0.83987, 0.20833,
                            1.3464, 0.012402, 0.074675, 0.34289, 0.0073379, 0.045573, 0.25, 0.4256,
                            4.0, 0.0, 2.0, 0.34315, 0.25, 0.40547,
                        ],
                    ),
                ],
            ),
            (
                false,
                vec![
                    (
                        3,
                        1.80000,
                        [
                            2.0, 2.0, 1.0, 1.5, 3.0, 1.5, 0.0, 2.0, 1.5196, 0.75, 0.45139, 2.1928,
                            1.64, 2.9, 1.0213, 0.088571, 0.2913, 0.5, 0.4256, 5.0, 0.0, 2.0,
                            0.42857, 1.0, 1.6484,
                        ],
                    ),
                    (
                        5,
                        0.96446,
                        [
                            0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 1.0, 2.0, 0.17321, 0.59641, 0.25694,
                            1.1928, 0.0, 0.652, 0.59161, 0.04871, 0.11775, 0.33333, 0.4256, 4.0,
                            0.0, 2.0, 0.36701, 0.28868, 0.24328,
                        ],
                    ),
                    (
                        4,
                        0.86076,
                        [
                            0.0, 0.5, 1.0, 1.3333, 2.0, 0.0, 0.5, 1.0, 0.25, 0.83987, 0.20833,
                            1.3464, 0.4, 0.96213, 0.52553, 0.029834, 0.083587, 0.25, 0.4256, 4.0,
                            0.0, 2.0, 0.34315, 0.25, 0.40547,
                        ],
                    ),
                    (
                        6,
                        0.49831,
                        [
                            1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.083333, 0.5, 1.0,
                            1.0, 0.20682, 0.01108, 0.052632, 0.0, 0.18232, 5.0, 0.0, 1.0, 0.2, 0.5,
                            0.69316,
                        ],
                    ),
                ],
            ),
        ] {
            let section = write(&reading(clock), &log, 7, &Learnt::default());
            let trails = Trails::open(&section, 7).expect("a log");
            let mut sums = Sums::default();
            sums.fill(&trails, None, &[1, 2]);
            let found = sums.candidates(&trails, &[1, 2], &trails.barred(&[1, 2]));
            let products: Vec<u32> = expected.iter().map(|(product, ..)| *product).collect();
            assert_eq!(found, products);
            for (product, score, row) in expected {
                let at = sums.find(product).expect("a row");
                let near =
                    |found: f32, expected: f32| (found - expected).abs() < 1e-4 * expected.max(1.0);
                for (sum, expected) in Sum::ALL.iter().zip(row) {
                    let found = sums.rows[at][*sum as usize];
                    assert!(
                        near(found, expected),
                        "{product} {sum:?} {found} {expected}"
                    );
                }
                // Repeats had a crumb added there, for ties.
                assert!(
                    (sums.found[at] - score).abs() < 1.1e-3,
                    "{product} {} {score}",
                    sums.found[at]
                );
            }
        }
    }

    proptest! {
        #[test]
        fn an_index_changes_nothing(
            sequences in prop::collection::vec(prop::collection::vec(0u32..12, 1..8), 1..20),
            query in prop::collection::vec(0u32..12, 0..6),
            most in 1u32..5,
            clock: bool,
        ) {
            let mut log = Sequences::default();
            sequences.iter().for_each(|s| log.push(s));
            let section = write(&Reading { most, ..reading(clock) }, &log, 12, &Learnt::default());
            let trails = Trails::open(&section, 12).expect("a log");
            let index = Index::new(&trails);
            let scanned = sums(&trails, None, &query);
            prop_assert_eq!(&scanned, &sums(&trails, Some(&index), &query));
            for (_, row) in scanned {
                prop_assert!(row.iter().all(|x| x.is_finite()));
            }
        }

        #[test]
        fn what_is_changed_in_a_section_is_an_error_or_harmless(
            at in 0usize..400,
            byte: u8,
            query in prop::collection::vec(0u32..6, 1..4),
        ) {
            let log = log(&[&[1, 2, 3], &[2, 3, 1, 4], &[4, 2], &[3, 5], &[2, 4, 3]]);
            let learnt = Learnt { dims: 4, embedding: vec![0.5; 24], order: vec![0.25; 6] };
            let mut section = write(&Reading { near: 3, ..reading(true) }, &log, 6, &learnt);
            let at = at % section.len();
            section[at] = byte;
            if let Ok(trails) = Trails::open(&section, 6) {
                let index = Index::new(&trails);
                let [scanned, indexed] = [None, Some(&index)].map(|index| {
                    let (mut sums, mut out) = (Sums::default(), Vec::new());
                    sums.fill(&trails, index, &query);
                    let found = sums.candidates(&trails, &query, &trails.barred(&query));
                    sums.encode(&trails, &query, &found, &[], &mut out);
                    assert_eq!(out.len(), found.len() * trails.width());
                    let bits: Vec<u32> = out.iter().map(|x| x.to_bits()).collect();
                    (found, bits)
                });
                prop_assert_eq!(scanned, indexed);
            }
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let log = log(&[&[1, 2, 3], &[2, 3]]);
        let section = write(&reading(true), &log, 4, &Learnt::default());
        Trails::open(&section, 4).expect("a log");
        for length in 0..section.len() {
            assert!(Trails::open(&section[..length], 4).is_err());
        }
        assert!(Trails::open(&section, 5).is_err(), "another catalogue");
    }

    #[test]
    fn places_outside_of_all_sequences_are_nobodys() {
        let log = log(&[&[1, 1], &[0, 1]]);
        let mut section = write(&reading(true), &log, 2, &Learnt::default());
        // The lengths lie after the header; now they hold less than there is.
        let at = section.len() - 4 * 3 - 8 - 4;
        let lengths = (0..section.len())
            .find(|at| section[*at..].starts_with(&[2, 2, 0, 0]))
            .unwrap_or(at);
        for (one, other) in [(0, 0), (1, 0), (0, 2), (255, 255)] {
            (section[lengths], section[lengths + 1]) = (one, other);
            let trails = Trails::open(&section, 2).expect("a log");
            let index = Index::new(&trails);
            assert_eq!(sums(&trails, None, &[1]), sums(&trails, Some(&index), &[1]));
        }
    }

    #[test]
    fn more_products_than_two_bytes_number() {
        let many = 70_000;
        let log = log(&[&[69_999, 5, 66_000], &[69_999, 66_000]]);
        let section = write(&reading(true), &log, many, &Learnt::default());
        let trails = Trails::open(&section, many).expect("a log");
        let index = Index::new(&trails);
        let found = sums(&trails, Some(&index), &[69_999]);
        assert_eq!(found, sums(&trails, None, &[69_999]));
        let products: Vec<u32> = found.iter().map(|(product, _)| *product).collect();
        assert_eq!(products, [5, 66_000, 69_999]);
        // An index of another log is not looked at, nor a product beyond all.
        let other = write(&reading(true), &log, many + 1, &Learnt::default());
        let other = Trails::open(&other, many + 1).expect("a log");
        assert_eq!(sums(&other, Some(&index), &[69_999]), found);
        assert!(sums(&trails, None, &[many as u32 + 9]).len() <= 1);
    }

    #[test]
    fn the_nearest_come_first() {
        let log = log(&[&[0, 1], &[2]]);
        let embedding = vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.7, 0.7];
        let learnt = Learnt {
            dims: 2,
            embedding,
            order: Vec::new(),
        };
        let near = Reading {
            near: 4,
            parts: Vec::new(),
            repeats: false,
            ..reading(false)
        };
        let section = write(&near, &log, 4, &learnt);
        let trails = Trails::open(&section, 4).expect("a log");
        let mut sums = Sums::default();
        sums.fill(&trails, None, &[0]);
        assert_eq!(sums.candidates(&trails, &[0], &trails.barred(&[0])), [1, 3]);
        assert_eq!(trails.groups().len(), trails.width());
    }
}
