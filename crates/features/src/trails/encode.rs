//! The numbers that a model sees of candidates, from the sums of a query.

use shelfedge_commerce::sort;

use super::{Column, Context, SUMS, Sum, Sums, Trails, newest};
use crate::spec::Group;

/// Sums that are seen as shares of the largest among the candidates.
const OF_LARGEST: [Sum; 9] = [
    Sum::After,
    Sum::Before,
    Sum::AllAfter,
    Sum::AllBefore,
    Sum::Cosine,
    Sum::Votes,
    Sum::VotesRecent,
    Sum::VotesNear,
    Sum::Recent,
];
/// Sums that are seen so after division by the root of the product's sequences.
const OF_LARGEST_RARE: [Sum; 9] = [
    Sum::After,
    Sum::Together,
    Sum::AllAfter,
    Sum::Cosine,
    Sum::Votes,
    Sum::VotesNear,
    Sum::Walk,
    Sum::AfterBest,
    Sum::AfterLog,
];
/// Sums by which candidates have a rank.
const RANKED: [Sum; 5] = [
    Sum::After,
    Sum::Recent,
    Sum::Cosine,
    Sum::Votes,
    Sum::VotesNear,
];
/// What a step back leaves of a product's weight in the three contexts whose
/// nearness is seen; by the second there is a rank, too.
const NEARNESS: [f32; 3] = [0.0, 0.6, 0.9];
/// The age of a product in the query that isn't in it.
const NOT_THERE: f32 = 50.0;
/// The age of the newest sequence with the last product, where there is none.
const NEVER: f32 = 2.0;

/// Numbers of every model: sums, shares, ranks, found and its rank, and six of
/// popularity and the query.
const ALWAYS: usize = SUMS + OF_LARGEST.len() + OF_LARGEST_RARE.len() + RANKED.len() + 2 + 6;
const WITH_CLOCK: usize = 7;
const WITH_REPEATS: usize = 2;
const WITH_ENDS: usize = 6;
const WITH_ORDER: usize = 2;
const WITH_EMBEDDING: usize = NEARNESS.len() + 1;
const WITH_ATTENTION: usize = 3;

/// Where a number that a model sees comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A sum, as it is, as a share or as a rank.
    Sum(Sum),
    /// The score that found the candidate.
    Found,
    /// How popular the product is.
    Popularity,
    /// The query, the same for all candidates.
    Query,
    /// When the product was seen, in a log with a clock.
    Clock,
    /// The product's own places in the query.
    Repeats,
    /// How near to the ends of sequences it stands.
    Ends,
    /// What comes before what.
    Order,
    /// Nearness by the embedding.
    Embedding,
    /// The score of a sequence model.
    Attention,
}

impl Trails<'_> {
    /// Where each number comes from, in their order.
    #[must_use]
    pub fn origins(&self) -> Vec<Origin> {
        let sums = Sum::ALL.iter().chain(&OF_LARGEST).chain(&OF_LARGEST_RARE);
        let sums = sums.chain(&RANKED).map(|sum| Origin::Sum(*sum));
        let mut origins: Vec<Origin> = sums.collect();
        let mut add = |there: bool, origin, count| {
            origins.extend(core::iter::repeat_n(origin, if there { count } else { 0 }));
        };
        add(true, Origin::Found, 2);
        add(true, Origin::Popularity, 3);
        add(true, Origin::Query, 3);
        add(self.has(Column::Newest10), Origin::Clock, WITH_CLOCK);
        add(self.reading.repeats, Origin::Repeats, WITH_REPEATS);
        add(self.has(Column::AtEnd), Origin::Ends, WITH_ENDS);
        add(self.has(Column::Order), Origin::Order, WITH_ORDER);
        add(self.has(Column::Length), Origin::Embedding, WITH_EMBEDDING);
        add(self.reading.attention, Origin::Attention, WITH_ATTENTION);
        origins
    }

    /// How many numbers a candidate has.
    #[must_use]
    pub fn width(&self) -> usize {
        let with = |column, width| if self.has(column) { width } else { 0 };
        ALWAYS
            + with(Column::Newest10, WITH_CLOCK)
            + if self.reading.repeats {
                WITH_REPEATS
            } else {
                0
            }
            + with(Column::AtEnd, WITH_ENDS)
            + with(Column::Order, WITH_ORDER)
            + with(Column::Length, WITH_EMBEDDING)
            + if self.reading.attention {
                WITH_ATTENTION
            } else {
                0
            }
    }

    /// Which part of an explanation each number belongs to, in their order.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let together = match self.reading.session {
            true => Group::Session,
            false => Group::History,
        };
        let mut groups = vec![together; ALWAYS];
        // The query's length and its last product's popularity are the same for
        // every candidate; so is the sum of all votes.
        let at = ALWAYS - 6;
        groups[at..at + 3].fill(Group::Popularity);
        groups[at + 3..].fill(Group::Request);
        let mut add = |there: bool, more: &[Group]| {
            if there {
                groups.extend_from_slice(more);
            }
        };
        let (p, a, r, s) = (Group::Popularity, Group::Age, Group::Request, together);
        add(self.has(Column::Newest10), &[p, p, p, a, a, r, p]);
        add(self.reading.repeats, &[s, s]);
        add(self.has(Column::AtEnd), &[p, p, p, p, s, r]);
        add(self.has(Column::Order), &[p, s]);
        add(self.has(Column::Length), &[s, s, s, s]);
        add(self.reading.attention, &[s, s, s]);
        groups
    }
}

impl Sums {
    /// Encodes candidates for a query, after [`Sums::fill`] and
    /// [`Sums::candidates`]: [`Trails::width`] numbers each, candidate by
    /// candidate. `attention` is the score that a sequence model gives each, where
    /// there is one and it has an opinion.
    pub fn encode(
        &mut self,
        trails: &Trails<'_>,
        query: &[u32],
        candidates: &[u32],
        attention: &[f32],
        out: &mut Vec<f32>,
    ) {
        let query = newest(query);
        let width = trails.width();
        out.clear();
        out.resize(candidates.len() * width, 0.0);
        let rows: Vec<Option<usize>> = candidates.iter().map(|p| self.find(*p)).collect();
        let of = |sum: Sum| -> Vec<f32> {
            rows.iter()
                .map(|row| row.map_or(0.0, |row| self.rows[row][sum as usize]))
                .collect()
        };
        let column = |column: Column| -> Vec<f32> {
            candidates
                .iter()
                .map(|p| trails.column(column, *p))
                .collect()
        };
        let mut filled = 0;
        let mut put = |values: &mut dyn Iterator<Item = f32>| {
            for (row, value) in out.chunks_exact_mut(width).zip(values) {
                row[filled] = value;
            }
            filled += 1;
        };

        let sequences = trails.sequences as f32;
        for sum in Sum::ALL {
            let values = of(sum);
            if sum == Sum::Latest {
                put(&mut values.iter().map(|latest| {
                    if *latest > 0.0 {
                        (sequences + 1.0 - latest) / sequences
                    } else {
                        NEVER
                    }
                }));
            } else {
                put(&mut values.into_iter());
            }
        }
        for sum in OF_LARGEST {
            put(&mut shares(of(sum)).into_iter());
        }
        let mut popularity = column(Column::Sequences);
        popularity.iter_mut().for_each(|p| *p = p.max(0.0));
        for sum in OF_LARGEST_RARE {
            let mut values = of(sum);
            for (value, popularity) in values.iter_mut().zip(&popularity) {
                *value /= (popularity + 1.0).sqrt();
            }
            put(&mut shares(values).into_iter());
        }
        let found: Vec<f32> = rows
            .iter()
            .map(|row| row.map_or(0.0, |row| self.found.get(row).copied().unwrap_or(0.0)))
            .collect();
        let places = ranks(&found, candidates.iter().map(|p| *p as f32));
        for sum in RANKED {
            put(&mut ranks(&of(sum), places.iter().copied()).into_iter());
        }
        put(&mut found.iter().copied());
        put(&mut places.iter().copied());

        let (newest, rare) = (column(Column::Newest10), |p: &f32| p + 1.0);
        put(&mut popularity.iter().copied());
        put(&mut newest.iter().copied());
        put(&mut newest.iter().zip(&popularity).map(|(n, p)| n / rare(p)));
        let last = query.last().copied();
        let of_last = |column| last.map_or(0.0, |last| trails.column(column, last));
        let votes: f32 = of(Sum::Votes).iter().sum();
        for same in [query.len() as f32, of_last(Column::Sequences), votes] {
            put(&mut core::iter::repeat(same));
        }
        if trails.has(Column::Newest10) {
            let newer = column(Column::Newest3);
            put(&mut newer.iter().copied());
            put(&mut newer.iter().zip(&popularity).map(|(n, p)| n / rare(p)));
            put(&mut newer.iter().zip(&newest).map(|(n, m)| (n + 0.3) / rare(m)));
            put(&mut column(Column::Last).into_iter());
            put(&mut column(Column::First).into_iter());
            put(&mut core::iter::repeat(of_last(Column::Last)));
            put(&mut column(Column::First)
                .iter()
                .zip(&popularity)
                .map(|(f, p)| p / (f + 0.01)));
        }
        if trails.reading.repeats {
            put(&mut candidates.iter().map(|product| {
                let back = query.iter().rev().position(|q| q == product);
                back.map_or(NOT_THERE, |back| back as f32)
            }));
            put(&mut candidates
                .iter()
                .map(|product| query.iter().filter(|q| *q == product).count() as f32));
        }
        if trails.has(Column::AtEnd) {
            let at_end = column(Column::AtEnd);
            put(&mut at_end.iter().copied());
            put(&mut at_end.iter().zip(&popularity).map(|(n, p)| n / p.max(1.0)));
            put(&mut column(Column::NearEnd).into_iter());
            let from_end = column(Column::FromEnd);
            // The query itself may stand in the log, with its last product at
            // the end; that says nothing of the product.
            let popular = of_last(Column::Sequences);
            let last = of_last(Column::FromEnd) * popular / (popular - 1.0).max(1.0);
            put(&mut from_end.iter().copied());
            put(&mut from_end.iter().map(|f| f - last));
            put(&mut core::iter::repeat(last));
        }
        if trails.has(Column::Order) {
            let order = column(Column::Order);
            let last = of_last(Column::Order);
            put(&mut order.iter().copied());
            put(&mut order.iter().map(|o| o - last));
        }
        if trails.has(Column::Length) {
            for (i, decay) in NEARNESS.into_iter().enumerate() {
                let context = Context::of(trails, query, decay);
                let near: Vec<f32> = candidates
                    .iter()
                    .map(|product| context.nearness(trails, *product))
                    .collect();
                put(&mut near.iter().copied());
                if i == 1 {
                    put(&mut ranks(&near, places.iter().copied()).into_iter());
                }
            }
        }
        if trails.reading.attention {
            let mut scores = attention.to_vec();
            scores.resize(candidates.len(), 0.0);
            let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            put(&mut scores.iter().copied());
            put(&mut scores.iter().map(|score| score - best));
            put(&mut ranks(&scores, places.iter().copied()).into_iter());
        }
        debug_assert_eq!(filled, width);
    }
}

/// Divides by the largest.
fn shares(mut values: Vec<f32>) -> Vec<f32> {
    let largest = values.iter().copied().fold(1e-9, f32::max);
    values.iter_mut().for_each(|value| *value /= largest);
    values
}

/// The place of each by falling value, from 0; equal values by the other number.
fn ranks(values: &[f32], ties: impl Iterator<Item = f32>) -> Vec<f32> {
    let mut order: Vec<(f32, f32, usize)> = values
        .iter()
        .zip(ties)
        .enumerate()
        .map(|(i, (value, tie))| (*value, tie, i))
        .collect();
    sort::by(&mut order, |a, b| {
        b.0.total_cmp(&a.0)
            .then(a.1.total_cmp(&b.1))
            .then(a.2.cmp(&b.2))
    });
    let mut ranks = vec![0.0; values.len()];
    for (place, (_, _, i)) in order.into_iter().enumerate() {
        ranks[i] = place as f32;
    }
    ranks
}
