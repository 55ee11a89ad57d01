//! Exploration: a few places of a list, given beforehand, go to products about
//! which little is known, and each choice is logged with its propensity.
//!
//! A pool of candidates, the least shown first ([`Counts::pool`]), is ordered by a
//! [`Policy`]: [`Thompson`] (Chapelle and Li 2011) or [`Bounds`], the upper
//! confidence bounds of a [`Linear`] model (LinUCB: Li, Chu, Langford and Schapire
//! 2010). With probability epsilon the order is thrown away and the places are
//! filled evenly from the pool, so every member has a propensity of at least
//! epsilon over the size of the pool at every place.
//!
//! Propensities are sums over what could have been drawn, not frequencies of
//! simulated draws: beliefs are distributions over a grid of 256 log odds, and the
//! policy draws from those. Off-policy estimates divide by propensities, and one
//! that is itself an estimate would bias them.
//!
//! The same state, pool and seed give the same choice and the same bits on every
//! target. [`arrange`] makes a list that explores beside the shop's rules, of what
//! [`Explore`] asks for; [`Learner`] learns the [`State`] that it draws by from what
//! shoppers did. Neither keeps anything: bytes and times come in as arguments.

use std::collections::BTreeMap;

use shelfedge_commerce::codes::VERSION_UNKNOWN;
use shelfedge_commerce::exposure::{Exposure, ExposureEntry, Joined};
use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{OutcomeKind, ProductId, Timestamp, sort};
use shelfedge_engine::math;

use crate::{MAX_LIMIT, codes};

mod learn;
mod serve;

pub use learn::{Chosen, Learner, Lesson, MAX_LEARNER_BYTES, Shown, WINDOW_MS};
pub use serve::{Explore, Kind, MAX_AGE_MS, State, arrange};

/// Members of a pool, at most.
pub const MAX_POOL: usize = 64;
/// Places of a list that explore, at most.
pub const MAX_PLACES: usize = 4;
/// Products that [`Counts`] keeps, at most.
pub const MAX_PRODUCTS: usize = 50_000;
/// Bytes of a stored state, at most: [`MAX_PRODUCTS`] with the longest ids.
pub const MAX_STATE_BYTES: usize = 20 + MAX_PRODUCTS * (1 + 64 + 12);
/// Numbers of a context, at most.
pub const MAX_DIMENSIONS: usize = 8;
/// A belief is never narrower than so many trials make it, so that a product whose
/// rate changes is found out.
pub const MAX_TRIALS: u32 = 100_000;
/// The version of the stored forms.
pub const STATE_VERSION: u16 = 1;

/// Keeps what is drawn here apart from everything else that a seed fixes.
const PURPOSE: u64 = 0xE791;
/// Points of the grid of log odds.
const GRID: usize = 256;
/// Cells of a triangle of [`MAX_DIMENSIONS`] rows.
const TRIANGLE: usize = MAX_DIMENSIONS * (MAX_DIMENSIONS + 1) / 2;

/// Which places explore, and how evenly.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    places: Vec<u32>,
    epsilon: f64,
}

impl Plan {
    /// Places are counted from 0 and ascend; epsilon is the share of requests
    /// whose places are filled evenly from the pool.
    ///
    /// # Errors
    /// Places that are none, too many, out of order or beyond a list's end; an
    /// epsilon that isn't above 0 and at most 1.
    pub fn new(places: Vec<u32>, epsilon: f64) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let ascend = places.windows(2).all(|pair| pair[0] < pair[1]);
        let within = places.iter().all(|place| (*place as usize) < MAX_LIMIT);
        if places.is_empty() || places.len() > MAX_PLACES || !ascend || !within {
            let cause = format!("the places are {places:?}");
            faults.push(Fault::new(&codes::EXPLORE_PLACES, "places", cause));
        }
        // The comparison is false for NaN, which is what we want.
        if !(epsilon > 0.0 && epsilon <= 1.0) {
            let cause = format!("it is {epsilon}");
            faults.push(Fault::new(&codes::EXPLORE_SHARE, "epsilon", cause));
        }
        faults.into_result(Self { places, epsilon })
    }

    /// The places, ascending.
    #[must_use]
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// The propensity that a member has at least, at each place.
    #[must_use]
    pub fn floor(&self, members: usize) -> f64 {
        self.epsilon / members.max(1) as f64
    }

    /// What a member's propensity is, when the policy alone gives it `chance`.
    fn mix(&self, members: usize, chance: f64) -> f64 {
        (1.0 - self.epsilon) * chance + self.floor(members)
    }
}

/// Orders a pool by chance, and knows the chances.
pub trait Policy {
    /// How many members the pool has.
    fn members(&self) -> usize;

    /// Draws the first `count` of an order; fewer when there are no more members.
    fn draw(&self, count: usize, rng: &mut Rng) -> Vec<usize>;

    /// With what probability a member is drawn as the one of this rank, from 0; none
    /// for ranks beyond [`MAX_PLACES`], which no plan has.
    fn chance(&self, member: usize, rank: usize) -> f64;
}

/// A member of the pool at a place of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Where it stands, from 0.
    pub place: u32,
    /// Which member of the pool.
    pub member: usize,
    /// With what probability this member stands at this place; above 0, at most 1.
    pub propensity: f32,
}

/// Fills the places of a plan, each with another member; fewer when the pool is
/// smaller. The seed should be the request's own, such as a hash of its exposure's
/// id: with one seed for all, chance decides once.
pub fn choose(policy: &impl Policy, plan: &Plan, seed: u64) -> Vec<Choice> {
    let members = policy.members();
    let count = plan.places.len().min(members);
    let mut rng = Rng::new(seed, PURPOSE);
    let order = if rng.unit64() < plan.epsilon {
        let mut all: Vec<usize> = (0..members).collect();
        for at in 0..count {
            all.swap(at, at + rng.below(members - at));
        }
        all.truncate(count);
        all
    } else {
        policy.draw(count, &mut rng)
    };
    let places = plan.places.iter().zip(order).enumerate();
    places
        .map(|(rank, (&place, member))| Choice {
            place,
            member,
            propensity: plan.mix(members, policy.chance(member, rank)) as f32,
        })
        .collect()
}

/// With what probability each member stands at the plan's place of this rank, from
/// 0: what an off-policy estimate of this policy asks for. They add up to 1.
pub fn chances(policy: &impl Policy, plan: &Plan, rank: usize) -> Vec<f64> {
    let members = policy.members();
    (0..members)
        .map(|member| plan.mix(members, policy.chance(member, rank)))
        .collect()
}

/// The list with the choices at their places, and every entry's propensity.
///
/// The rest keeps its order. Members of the pool, chosen or not, stand nowhere
/// else, so that no other entry depends on chance and all of them have propensity
/// 1: a pool should hold no product that the list can't do without. In a list that
/// is too short for a place, the choice stands at its end.
pub fn fill<T: Copy + PartialEq>(
    ranked: &[T],
    pool: &[T],
    choices: &[Choice],
    limit: usize,
) -> Vec<(T, f32)> {
    let fits = |choice: &&Choice| (choice.place as usize) < limit && choice.member < pool.len();
    let count = choices.iter().filter(fits).count();
    let rest = ranked.iter().filter(|item| !pool.contains(item));
    let rest = rest.take(limit.saturating_sub(count));
    let mut list: Vec<(T, f32)> = rest.map(|item| (*item, 1.0)).collect();
    for choice in choices.iter().filter(fits) {
        let place = (choice.place as usize).min(list.len());
        list.insert(place, (pool[choice.member], choice.propensity));
    }
    list
}

/// What is believed of a product's rate: a Beta distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Rewards, with those of the prior; at least 0.5.
    rewards: f64,
    /// Trials without a reward, with those of the prior; at least 0.5.
    others: f64,
}

impl Belief {
    /// What is believed of a product that was never tried: the shop's rate, such
    /// as clicks over impressions, and how many trials that is worth. 100 trials
    /// at a rate of 0.01 let a new product pass for one of 0.03 now and then.
    ///
    /// # Errors
    /// When either side is worth less than half a trial, or both more than
    /// [`MAX_TRIALS`].
    pub fn prior(rate: f64, strength: f64) -> Result<Self, Fault> {
        let (rewards, others) = (rate * strength, (1.0 - rate) * strength);
        // The comparisons are false for NaN, which is what we want.
        if rewards >= 0.5 && others >= 0.5 && strength <= f64::from(MAX_TRIALS) {
            return Ok(Self { rewards, others });
        }
        let cause = format!("a rate of {rate} with the strength of {strength} trials");
        Err(Fault::new(&codes::EXPLORE_PRIOR, "prior", cause))
    }

    /// After trials, of which some were rewarded.
    #[must_use]
    pub fn after(self, tried: u32, rewarded: u32) -> Self {
        let (tried, rewarded) = (f64::from(tried), f64::from(rewarded.min(tried)));
        let scale = f64::from(MAX_TRIALS) / tried.max(f64::from(MAX_TRIALS));
        Self {
            rewards: self.rewards + scale * rewarded,
            others: self.others + scale * (tried - rewarded),
        }
    }

    /// The expected rate.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.rewards / (self.rewards + self.others)
    }

    /// The rate that it may still have: the expected one plus two standard
    /// deviations.
    #[must_use]
    pub fn optimistic(&self) -> f64 {
        let (mean, trials) = (self.mean(), self.rewards + self.others);
        mean + 2.0 * (mean * (1.0 - mean) / (trials + 1.0)).sqrt()
    }
}

/// Thompson sampling: each member gets a rate drawn from what is believed of it,
/// and the largest come first.
///
/// Rates are drawn from a grid of 256 log odds that reaches six standard
/// deviations beyond the outermost beliefs; what lies beyond counts at its ends.
/// Equal rates keep the order of the pool or its reverse, as a coin decides.
#[derive(Clone, Debug)]
pub struct Thompson {
    /// For each member and point, the probability of a rate at most this one.
    at_most: Vec<f64>,
}

impl Thompson {
    /// From what is believed of each member, of which the first [`MAX_POOL`]
    /// count.
    #[must_use]
    pub fn new(beliefs: &[Belief]) -> Self {
        let beliefs = &beliefs[..beliefs.len().min(MAX_POOL)];
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for belief in beliefs {
            let middle = f64::from(math::ln((belief.rewards / belief.others) as f32));
            let reach = 6.0 * (1.0 / belief.rewards + 1.0 / belief.others).sqrt();
            (low, high) = (low.min(middle - reach), high.max(middle + reach));
        }
        let (low, high) = (low.max(-20.0), high.min(20.0));
        let step = (high - low) / (GRID - 1) as f64;
        // Log odds, and the logarithm of one plus the odds.
        let points: [(f64, f64); GRID] = core::array::from_fn(|point| {
            let odds = low + step * point as f64;
            (odds, ln_1p_exp(odds))
        });
        let mut at_most = Vec::with_capacity(GRID * beliefs.len());
        for belief in beliefs {
            let trials = belief.rewards + belief.others;
            // The density of the log odds, which is that of the rate times the
            // rate times one minus the rate.
            let density = points.map(|(odds, ln)| belief.rewards * odds - trials * ln);
            let largest = density.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
            let mut mass = density.map(|d| f64::from(math::exp((d - largest) as f32)));
            // Towards the ends the density falls exponentially, at these rates.
            mass[0] += mass[0] / (belief.rewards * step);
            mass[GRID - 1] += mass[GRID - 1] / (belief.others * step);
            let sum: f64 = mass.iter().sum();
            let mut so_far = 0.0;
            at_most.extend(mass.iter().map(|mass| {
                so_far += mass;
                so_far / sum
            }));
        }
        Self { at_most }
    }

    fn of(&self, member: usize) -> &[f64] {
        &self.at_most[member * GRID..(member + 1) * GRID]
    }
}

impl Policy for Thompson {
    fn members(&self) -> usize {
        self.at_most.len() / GRID
    }

    fn draw(&self, count: usize, rng: &mut Rng) -> Vec<usize> {
        let backwards = rng.below(2) == 1;
        let mut drawn: Vec<(usize, usize)> = (0..self.members())
            .map(|member| {
                let u = rng.unit64();
                (self.of(member).partition_point(|p| *p <= u), member)
            })
            .collect();
        sort::by(&mut drawn, |a, b| {
            let by_pool = a.1.cmp(&b.1);
            let by_pool = if backwards {
                by_pool.reverse()
            } else {
                by_pool
            };
            b.0.cmp(&a.0).then(by_pool)
        });
        drawn.truncate(count);
        drawn.into_iter().map(|(_, member)| member).collect()
    }

    fn chance(&self, member: usize, rank: usize) -> f64 {
        if rank >= MAX_PLACES {
            return 0.0;
        }
        let (mut chance, mut below) = (0.0, 0.0);
        for (point, at_most) in self.of(member).iter().enumerate() {
            let mass = at_most - below;
            below = *at_most;
            if mass <= 0.0 {
                continue;
            }
            for backwards in [false, true] {
                // The probabilities that 0, 1, ... of the others come before.
                let mut before = [0.0; MAX_PLACES];
                before[0] = 1.0;
                for other in (0..self.members()).filter(|other| *other != member) {
                    let of = self.of(other);
                    let behind = if (other < member) == backwards {
                        of[point]
                    } else {
                        point.checked_sub(1).map_or(0.0, |point| of[point])
                    };
                    for count in (1..=rank).rev() {
                        before[count] = before[count] * behind + before[count - 1] * (1.0 - behind);
                    }
                    before[0] *= behind;
                }
                chance += 0.5 * mass * before[rank];
            }
        }
        chance
    }
}

/// The logarithm of one plus e to the power of x, in f64 but for the exponential,
/// whose error only moves a point of the grid.
fn ln_1p_exp(x: f64) -> f64 {
    let e = f64::from(math::exp(-x.abs() as f32));
    // ln(1 + e) = 2 artanh(e / (2 + e)), and e is at most 1.
    let s = e / (2.0 + e);
    let square = s * s;
    let mut sum = 0.0;
    for odd in (0..18).rev() {
        sum = sum * square + 1.0 / f64::from(2 * odd + 1);
    }
    x.max(0.0) + 2.0 * s * sum
}

/// How often a product was shown, and tried where lists explore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Anywhere in a list.
    pub shown: u32,
    /// At a place that explores, where all products are seen alike.
    pub tried: u32,
    /// Of these, with a reward.
    pub rewarded: u32,
}

/// What an update counted, and what it passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Exposures counted.
    pub exposures: usize,
    /// Exposures no later than those of an earlier update: counted then, or too
    /// late now.
    pub earlier: usize,
    /// Exposures later than this update's end.
    pub open: usize,
    /// Entries that weren't counted: of more than [`MAX_PRODUCTS`] products, or
    /// without a context.
    pub passed_over: usize,
}

impl Updated {
    /// The exposures of an update: later than the last one's end, up to its own.
    fn exposures<'a>(
        &mut self,
        joined: &Joined<'a>,
        after: Timestamp,
        until: Timestamp,
    ) -> Vec<&'a Exposure> {
        let mut counted = Vec::new();
        for exposure in &joined.exposures {
            if exposure.time <= after {
                self.earlier += 1;
            } else if exposure.time > until {
                self.open += 1;
            } else {
                counted.push(*exposure);
            }
        }
        self.exposures = counted.len();
        counted
    }
}

/// Counts of products: what Thompson sampling learns from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    products: BTreeMap<ProductId, Count>,
    /// Exposures up to here were counted.
    until: Timestamp,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            products: BTreeMap::new(),
            until: Timestamp(i64::MIN),
        }
    }
}

const COUNTS: [u8; 4] = *b"SXPC";

impl Counts {
    /// Counts exposures later than the last update's end, up to `until`, so that a
    /// replay counts nothing twice. `until` should lie a window in the past:
    /// what is rewarded later is not seen any more. Entries at `places` are
    /// trials, rewarded when an outcome of this kind is credited to them.
    pub fn update(
        &mut self,
        joined: &Joined<'_>,
        places: &[u32],
        kind: OutcomeKind,
        until: Timestamp,
    ) -> Updated {
        let mut updated = Updated::default();
        let rewarded = joined.rewarded(kind);
        for exposure in updated.exposures(joined, self.until, until) {
            for entry in &exposure.entries {
                if !self.products.contains_key(&entry.product) {
                    if self.products.len() >= MAX_PRODUCTS {
                        updated.passed_over += 1;
                        continue;
                    }
                    let count = Count::default();
                    self.products.insert(entry.product.clone(), count);
                }
                let Some(count) = self.products.get_mut(&entry.product) else {
                    continue;
                };
                let tried = places.contains(&entry.position);
                let rewarded = tried && rewarded.contains(&(&exposure.id, &entry.product));
                count.shown = count.shown.saturating_add(1);
                count.tried = count.tried.saturating_add(tried.into());
                count.rewarded = count.rewarded.saturating_add(rewarded.into());
            }
        }
        self.until = self.until.max(until);
        updated
    }

    /// The counts of a product; zeros when nothing is known of it.
    #[must_use]
    pub fn of(&self, product: &ProductId) -> Count {
        self.products.get(product).copied().unwrap_or_default()
    }

    /// All products of which something is known, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ProductId, Count)> {
        self.products
            .iter()
            .map(|(product, count)| (product, *count))
    }

    /// Forgets products, such as those that aren't sold any more.
    pub fn retain(&mut self, mut keep: impl FnMut(&ProductId) -> bool) {
        self.products.retain(|product, _| keep(product));
    }

    /// A pool: those candidates that were shown at most so often, the least shown
    /// first, then by id; at most `members` of them, and [`MAX_POOL`].
    #[must_use]
    pub fn pool<'a>(
        &self,
        candidates: impl Iterator<Item = &'a ProductId>,
        most_shown: u32,
        members: usize,
    ) -> Vec<&'a ProductId> {
        let shown = candidates.map(|product| (self.of(product).shown, product));
        let mut pool: Vec<(u32, &ProductId)> =
            shown.filter(|(shown, _)| *shown <= most_shown).collect();
        sort::by(&mut pool, Ord::cmp);
        pool.dedup();
        pool.truncate(members.min(MAX_POOL));
        pool.into_iter().map(|(_, product)| product).collect()
    }

    /// What is believed of a product.
    #[must_use]
    pub fn belief(&self, product: &ProductId, prior: Belief) -> Belief {
        let count = self.of(product);
        prior.after(count.tried, count.rewarded)
    }

    /// The stored form: always the same bytes, at most [`MAX_STATE_BYTES`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = head(COUNTS, 0, self.until);
        bytes.extend((self.products.len() as u32).to_le_bytes());
        for (product, count) in &self.products {
            write_product(&mut bytes, product);
            for number in [count.shown, count.tried, count.rewarded] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads what [`Counts::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that it didn't write: too many, cut off, of another version, ids that
    /// aren't ascending, counts that contradict each other.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let (mut rest, until) = Rest::open(bytes, COUNTS, 0)?;
        let mut state = Self {
            products: BTreeMap::new(),
            until,
        };
        let products = rest.u32()? as usize;
        if products > MAX_PRODUCTS {
            return Err(malformed("products", "there are too many"));
        }
        for index in 0..products {
            let path = || format!("products[{index}]");
            let id = rest.product(&path)?;
            let count = Count {
                shown: rest.u32()?,
                tried: rest.u32()?,
                rewarded: rest.u32()?,
            };
            if count.tried > count.shown || count.rewarded > count.tried {
                return Err(malformed(path(), "its counts contradict each other"));
            }
            if state
                .products
                .last_key_value()
                .is_some_and(|last| *last.0 >= id)
            {
                return Err(malformed(path(), "the ids don't ascend"));
            }
            state.products.insert(id, count);
        }
        rest.end()?;
        Ok(state)
    }
}

/// A linear model of rewards for LinUCB, one for all products: each comes with a
/// context of a few numbers from -1 to 1, such as 1, its price among its shelf's,
/// and the shopper's liking of that shelf; so that it says something of products
/// that were never shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    dimensions: usize,
    /// The ridge plus the sum of the contexts' outer products; rows of the lower
    /// triangle.
    precision: [f64; TRIANGLE],
    /// The sum of the contexts, each times its reward.
    response: [f64; MAX_DIMENSIONS],
    until: Timestamp,
}

const LINEAR_STATE: [u8; 4] = *b"SXPL";

/// The place of a cell of a lower triangle.
const fn cell(row: usize, column: usize) -> usize {
    row * (row + 1) / 2 + column
}

fn is_context(context: &[f64]) -> bool {
    context.iter().all(|x| (-1.0..=1.0).contains(x))
}

impl Linear {
    /// A model that knows nothing. The ridge is what a context's square must come
    /// to before it outweighs the belief that nothing matters; 1 is usual.
    ///
    /// # Errors
    /// Dimensions that aren't 1 to [`MAX_DIMENSIONS`], a ridge that isn't 0.001 to
    /// 1,000.
    pub fn new(dimensions: usize, ridge: f64) -> Result<Self, Fault> {
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) || !(0.001..=1_000.0).contains(&ridge) {
            let cause = format!("{dimensions} numbers and a ridge of {ridge}");
            return Err(Fault::new(&codes::EXPLORE_LINEAR, "linear", cause));
        }
        Ok(Self::ridge(dimensions, ridge))
    }

    fn ridge(dimensions: usize, ridge: f64) -> Self {
        let mut precision = [0.0; TRIANGLE];
        for row in 0..dimensions {
            precision[cell(row, row)] = ridge;
        }
        Self {
            dimensions,
            precision,
            response: [0.0; MAX_DIMENSIONS],
            until: Timestamp(i64::MIN),
        }
    }

    /// Learns from entries at `places`, with the same rules as [`Counts::update`].
    /// `context` fills in what was known of an entry when it was shown, or says
    /// false; a context that isn't one is passed over too.
    pub fn update(
        &mut self,
        joined: &Joined<'_>,
        places: &[u32],
        kind: OutcomeKind,
        until: Timestamp,
        mut context: impl FnMut(&Exposure, &ExposureEntry, &mut [f64]) -> bool,
    ) -> Updated {
        let mut updated = Updated::default();
        let rewarded = joined.rewarded(kind);
        for exposure in updated.exposures(joined, self.until, until) {
            let entries = exposure.entries.iter();
            for entry in entries.filter(|entry| places.contains(&entry.position)) {
                let mut of_entry = [0.0; MAX_DIMENSIONS];
                let of_entry = &mut of_entry[..self.dimensions];
                let known = context(exposure, entry, of_entry) && is_context(of_entry);
                if known {
                    let rewarded = rewarded.contains(&(&exposure.id, &entry.product));
                    self.learn(of_entry, rewarded);
                } else {
                    updated.passed_over += 1;
                }
            }
        }
        self.until = self.until.max(until);
        updated
    }

    fn learn(&mut self, context: &[f64], rewarded: bool) {
        for (row, x) in context.iter().enumerate() {
            for (column, y) in context[..=row].iter().enumerate() {
                self.precision[cell(row, column)] += x * y;
            }
            self.response[row] += if rewarded { *x } else { 0.0 };
        }
    }

    /// Cholesky's factor of the precision; none when that isn't positive definite.
    fn factor(&self) -> Option<[f64; TRIANGLE]> {
        let mut factor = [0.0; TRIANGLE];
        for row in 0..self.dimensions {
            for column in 0..=row {
                let mut rest = self.precision[cell(row, column)];
                for k in 0..column {
                    rest -= factor[cell(row, k)] * factor[cell(column, k)];
                }
                factor[cell(row, column)] = if row == column {
                    // The comparison is false for NaN, which is what we want.
                    if !(rest > 0.0 && rest.is_finite()) {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / factor[cell(column, column)]
                };
            }
        }
        Some(factor)
    }

    /// Solves the factor's lower triangle.
    fn solve(&self, factor: &[f64; TRIANGLE], of: &[f64]) -> [f64; MAX_DIMENSIONS] {
        let mut solved = [0.0; MAX_DIMENSIONS];
        for row in 0..self.dimensions {
            let mut rest = of[row];
            for column in 0..row {
                rest -= factor[cell(row, column)] * solved[column];
            }
            solved[row] = rest / factor[cell(row, row)];
        }
        solved
    }

    /// Upper confidence bounds of products with these contexts: the expected reward
    /// plus alpha standard deviations. Contexts follow each other; the first
    /// [`MAX_POOL`] count.
    ///
    /// # Errors
    /// Contexts that aren't whole or leave -1 to 1; an alpha that leaves 0 to 100; a
    /// state that only hostile bytes can make.
    pub fn bounds(&self, contexts: &[f64], alpha: f64) -> Result<Bounds, Fault> {
        let whole = contexts.len().is_multiple_of(self.dimensions);
        if !whole || !is_context(contexts) || !(0.0..=100.0).contains(&alpha) {
            let cause = format!("{} numbers, alpha {alpha}", contexts.len());
            return Err(Fault::new(&codes::EXPLORE_CONTEXT, "contexts", cause));
        }
        let Some(factor) = self.factor() else {
            return Err(malformed("", "the precision isn't positive definite"));
        };
        let response = self.solve(&factor, &self.response);
        let bound = |context: &[f64]| {
            let solved = self.solve(&factor, context);
            let mean: f64 = solved.iter().zip(&response).map(|(x, y)| x * y).sum();
            let variance: f64 = solved.iter().map(|x| x * x).sum();
            mean + alpha * variance.sqrt()
        };
        let contexts = contexts.chunks_exact(self.dimensions).take(MAX_POOL);
        Ok(Bounds {
            bounds: contexts.map(bound).collect(),
        })
    }

    /// The stored form: always the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = head(LINEAR_STATE, self.dimensions as u16, self.until);
        let cells = &self.precision[..cell(self.dimensions, 0)];
        for number in cells.iter().chain(&self.response[..self.dimensions]) {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Linear::to_bytes`] wrote, with as many dimensions.
    ///
    /// # Errors
    /// Bytes that it didn't write: cut off, of another version or dimension, or no
    /// positive definite precision.
    pub fn from_bytes(bytes: &[u8], dimensions: usize) -> Result<Self, Fault> {
        let mut state = Self::new(dimensions, 1.0)?;
        let (mut rest, until) = Rest::open(bytes, LINEAR_STATE, dimensions as u16)?;
        state.until = until;
        let cells = &mut state.precision[..cell(dimensions, 0)];
        for number in cells.iter_mut().chain(&mut state.response[..dimensions]) {
            *number = f64::from_le_bytes(rest.take()?);
            // A sum of products of at most 1. False for NaN, which is what we want.
            let counts = number.abs() <= 1e15;
            if !counts {
                return Err(malformed("", "a sum is out of range"));
            }
        }
        rest.end()?;
        let smallest = (0..dimensions).map(|row| state.precision[cell(row, row)]);
        if state.factor().is_none() || smallest.fold(f64::INFINITY, f64::min) < 0.001 {
            return Err(malformed("", "the precision isn't positive definite"));
        }
        Ok(state)
    }
}

/// The largest bounds come first; chance decides between equal ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    bounds: Vec<f64>,
}

impl Bounds {
    /// Each member's bound.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }
}

impl Policy for Bounds {
    fn members(&self) -> usize {
        self.bounds.len()
    }

    fn draw(&self, count: usize, rng: &mut Rng) -> Vec<usize> {
        let bounds = self.bounds.iter().enumerate();
        let mut order: Vec<(f64, u64, usize)> = bounds
            .map(|(member, bound)| (*bound, rng.next_u64(), member))
            .collect();
        sort::by(&mut order, |a, b| {
            let by_chance = (a.1, a.2).cmp(&(b.1, b.2));
            b.0.total_cmp(&a.0).then(by_chance)
        });
        order.truncate(count);
        order.into_iter().map(|(_, _, member)| member).collect()
    }

    fn chance(&self, member: usize, rank: usize) -> f64 {
        let of = |order: core::cmp::Ordering| {
            let bounds = self.bounds.iter();
            bounds
                .filter(|bound| bound.total_cmp(&self.bounds[member]) == order)
                .count()
        };
        let (larger, equal) = (
            of(core::cmp::Ordering::Greater),
            of(core::cmp::Ordering::Equal),
        );
        if (larger..larger + equal).contains(&rank) {
            1.0 / equal as f64
        } else {
            0.0
        }
    }
}

/// Four letters, the version, a number of the kind's own, and the time up to which
/// it counted.
fn head(kind: [u8; 4], number: u16, until: Timestamp) -> Vec<u8> {
    let mut bytes = kind.to_vec();
    bytes.extend(STATE_VERSION.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(until.millis().to_le_bytes());
    bytes
}

fn write_product(bytes: &mut Vec<u8>, product: &ProductId) {
    // Ids have 1 to 64 bytes.
    bytes.push(product.as_str().len() as u8);
    bytes.extend(product.as_str().as_bytes());
}

fn malformed(path: impl Into<String>, cause: &str) -> Fault {
    Fault::new(&codes::STATE_MALFORMED, path, cause)
}

/// What is still to be read of a state.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn open(bytes: &'a [u8], kind: [u8; 4], number: u16) -> Result<(Self, Timestamp), Fault> {
        if bytes.len() > MAX_STATE_BYTES {
            let found = bytes.len();
            let cause = format!("it has {found} bytes, and at most {MAX_STATE_BYTES} are read");
            return Err(Fault::new(&codes::STATE_TOO_LARGE, "", cause));
        }
        let mut rest = Self(bytes);
        if rest.take::<4>()? != kind {
            return Err(malformed("", "it doesn't begin like such a state"));
        }
        let version = u16::from_le_bytes(rest.take()?);
        if version != STATE_VERSION {
            let cause = format!("it is {version}, and this program knows {STATE_VERSION}");
            return Err(Fault::new(&VERSION_UNKNOWN, "version", cause));
        }
        if u16::from_le_bytes(rest.take()?) != number {
            return Err(malformed("", "it is of another shape"));
        }
        let until = Timestamp(i64::from_le_bytes(rest.take()?));
        Ok((rest, until))
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or_else(|| malformed("", "it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut taken = [0; N];
        taken.copy_from_slice(self.slice(N)?);
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn product(&mut self, path: &dyn Fn() -> String) -> Result<ProductId, Fault> {
        let [length] = self.take()?;
        let id = core::str::from_utf8(self.slice(length.into())?);
        let id = id.ok().and_then(|id| ProductId::new(id).ok());
        id.ok_or_else(|| malformed(path(), "the id can't be used"))
    }

    fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(malformed("", "there is more than such a state has"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use shelfedge_commerce::EXPOSURE_VERSION;
    use shelfedge_commerce::exposure::{Outcome, join};

    fn belief(rewards: f64, others: f64) -> Belief {
        Belief { rewards, others }
    }

    /// Of varied width: new, tried a little, known well.
    fn beliefs() -> Vec<Belief> {
        vec![
            belief(0.5, 9.5),
            belief(2.0, 30.0),
            belief(4.0, 100.0),
            belief(30.0, 500.0),
            belief(0.5, 9.5),
            belief(1.0, 60.0),
        ]
    }

    fn plan(places: &[u32]) -> Plan {
        Plan::new(places.to_vec(), 0.2).expect("a plan")
    }

    // An independent sampler: a gamma variate by Marsaglia and Tsang (2000), with
    // the normal variates of Marsaglia's polar method, and a beta as the share of
    // one gamma in two. It uses the platform's logarithm, as the policy may not.

    fn normal(rng: &mut Rng) -> f64 {
        loop {
            let (x, y) = (2.0 * rng.unit64() - 1.0, 2.0 * rng.unit64() - 1.0);
            let s = x * x + y * y;
            if s > 0.0 && s < 1.0 {
                return x * (-2.0 * s.ln() / s).sqrt();
            }
        }
    }

    fn gamma(shape: f64, rng: &mut Rng) -> f64 {
        if shape < 1.0 {
            // A gamma of one more, times a uniform to the power of 1 / shape.
            let u = 1.0 - rng.unit64();
            return gamma(shape + 1.0, rng) * (u.ln() / shape).exp();
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = normal(rng);
            let v = (1.0 + c * x).powi(3);
            let u = 1.0 - rng.unit64();
            if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    fn beta(belief: &Belief, rng: &mut Rng) -> f64 {
        let (a, b) = (gamma(belief.rewards, rng), gamma(belief.others, rng));
        a / (a + b)
    }

    #[test]
    fn propensities_agree_with_an_independent_sampler() {
        const DRAWS: u32 = 40_000;
        let beliefs = beliefs();
        let policy = Thompson::new(&beliefs);
        let mut rng = Rng::new(1, 1);
        let mut counts = vec![[0u32; 3]; beliefs.len()];
        for _ in 0..DRAWS {
            let drawn = beliefs.iter().map(|b| beta(b, &mut rng)).enumerate();
            let mut drawn: Vec<(usize, f64)> = drawn.collect();
            drawn.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (rank, (member, _)) in drawn.iter().take(3).enumerate() {
                counts[*member][rank] += 1;
            }
        }
        for (member, counts) in counts.iter().enumerate() {
            for (rank, count) in counts.iter().enumerate() {
                let exact = policy.chance(member, rank);
                let seen = f64::from(*count) / f64::from(DRAWS);
                // Four standard errors, and what the grid may be off.
                let error = (exact * (1.0 - exact) / f64::from(DRAWS)).sqrt();
                let off = (exact - seen).abs();
                assert!(off < 4.0 * error + 0.003, "{member} {rank}: {exact} {seen}");
            }
        }
    }

    /// Draws often, and compares with the propensities.
    fn frequencies(policy: &impl Policy, plan: &Plan) {
        const DRAWS: u32 = 20_000;
        let mut counts = vec![vec![0u32; policy.members()]; plan.places().len()];
        for seed in 0..DRAWS {
            for (rank, choice) in choose(policy, plan, seed.into()).iter().enumerate() {
                assert_eq!(choice.place, plan.places()[rank]);
                counts[rank][choice.member] += 1;
                let expected = chances(policy, plan, rank)[choice.member];
                assert_eq!(choice.propensity, expected as f32);
                if seed > 50 {
                    continue;
                }
                assert!(f64::from(choice.propensity) >= 0.999 * plan.floor(policy.members()));
            }
        }
        for (rank, counts) in counts.iter().enumerate() {
            let chances = chances(policy, plan, rank);
            let sum: f64 = chances.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
            for (count, chance) in counts.iter().zip(chances) {
                let seen = f64::from(*count) / f64::from(DRAWS);
                let error = (chance * (1.0 - chance) / f64::from(DRAWS)).sqrt();
                assert!(
                    (seen - chance).abs() < 4.5 * error,
                    "{rank}: {seen} {chance}"
                );
            }
        }
    }

    #[test]
    fn what_is_drawn_is_drawn_as_often_as_its_propensity_says() {
        // Few members and places, because every draw computes its propensities.
        frequencies(&Thompson::new(&beliefs()[..4]), &plan(&[2, 7]));
        let bounds = vec![0.5, 0.7, 0.5, 0.5, 0.1];
        frequencies(&Bounds { bounds }, &plan(&[0, 1, 5]));
    }

    #[test]
    fn the_same_seed_chooses_the_same_on_every_target() {
        let policy = Thompson::new(&beliefs());
        let of = |seed| {
            let choices = choose(&policy, &plan(&[3, 8]), seed);
            let short = choices.iter().map(|c| {
                let bits = c.propensity.to_bits();
                format!("{} at {}: {bits:08x}", c.member, c.place)
            });
            short.collect::<Vec<_>>().join(", ")
        };
        expect![[r#"
            1 at 3: 3e8b2279, 3 at 8: 3eb2a5ea
            0 at 3: 3e4c671a, 2 at 8: 3e1ce796
            3 at 3: 3e5239c1, 5 at 8: 3d62315d
            1 at 3: 3e8b2279, 5 at 8: 3d62315d"#]]
        .assert_eq(&[of(1), of(2), of(3), of(4)].join("\n"));
    }

    #[test]
    fn pools_smaller_than_the_plan() {
        for members in 0..4 {
            let policy = Thompson::new(&beliefs()[..members]);
            let choices = choose(&policy, &plan(&[1, 2, 3]), 5);
            assert_eq!(choices.len(), members.min(3));
            if members == 1 {
                assert_eq!(choices[0].propensity, 1.0);
            }
        }
        let same = vec![belief(1.0, 10.0); 200];
        assert_eq!(Thompson::new(&same).members(), MAX_POOL);
    }

    #[test]
    fn every_fault_of_a_plan_at_once() {
        let faults = Plan::new(vec![3, 3], f64::NAN).expect_err("faults");
        assert_eq!(faults.len(), 2);
        for places in [vec![], vec![0, 1, 2, 3, 4], vec![200], vec![2, 1]] {
            assert!(Plan::new(places, 0.1).is_err());
        }
        for epsilon in [0.0, 1.1, -0.1] {
            assert!(Plan::new(vec![0], epsilon).is_err());
        }
        for (rate, strength) in [(0.001, 100.0), (1.0, 10.0), (0.5, 1e9), (f64::NAN, 10.0)] {
            assert!(Belief::prior(rate, strength).is_err());
        }
        assert!((Belief::prior(0.01, 100.0).expect("a prior").mean() - 0.01).abs() < 1e-15);
    }

    #[test]
    fn the_rest_of_the_list_keeps_its_order_and_does_not_depend_on_chance() {
        let choice = |place, member, propensity| Choice {
            place,
            member,
            propensity,
        };
        let ranked = [10, 11, 12, 13, 14, 15];
        let choices = [choice(1, 2, 0.25), choice(4, 0, 0.5)];
        let list = fill(&ranked, &[14, 90, 91], &choices, 6);
        let expected = [
            (10, 1.0),
            (91, 0.25),
            (11, 1.0),
            (12, 1.0),
            (14, 0.5),
            (13, 1.0),
        ];
        assert_eq!(list, expected);
        // 14 is in the pool, so it stands nowhere else when it isn't chosen.
        let list = fill(&ranked, &[14, 90, 91], &choices[..1], 6);
        assert!(list.iter().all(|(item, _)| *item != 14));
        // A short list, and one whose end comes before the place.
        let list = fill(&ranked[..1], &[90, 91], &[choice(5, 0, 0.5)], 6);
        assert_eq!(list, [(10, 1.0), (90, 0.5)]);
        let list = fill(&ranked, &[90, 91], &[choice(5, 0, 0.5)], 2);
        assert_eq!(list, [(10, 1.0), (11, 1.0)]);
    }

    fn exposure(id: u32, time: i64, products: &[&str]) -> Exposure {
        Exposure {
            version: EXPOSURE_VERSION,
            id: format!("x{id}").parse().expect("an id"),
            time: Timestamp(time),
            list: "home".parse().expect("a list"),
            shopper: None,
            session: None,
            model: String::new(),
            arm: String::new(),
            entries: (0..)
                .zip(products)
                .map(|(position, product)| ExposureEntry {
                    product: product.parse().expect(product),
                    position,
                    propensity: 0.5,
                    score: None,
                })
                .collect(),
        }
    }

    fn click(exposure: u32, time: i64, product: &str) -> Outcome {
        Outcome {
            version: EXPOSURE_VERSION,
            event: format!("e{exposure}").parse().expect("an id"),
            kind: OutcomeKind::Click,
            time: Timestamp(time),
            product: product.parse().expect(product),
            shopper: None,
            session: None,
            exposure: Some(format!("x{exposure}").parse().expect("an id")),
            list: None,
            value: None,
        }
    }

    fn id(text: &str) -> ProductId {
        text.parse().expect(text)
    }

    #[test]
    fn counts_are_of_trials_and_a_replay_counts_nothing() {
        let exposures = [
            exposure(1, 100, &["a", "b", "c"]),
            exposure(2, 200, &["a", "c", "b"]),
            exposure(3, 900, &["a", "d", "b"]),
        ];
        let clicks = [click(1, 150, "a"), click(2, 250, "c")];
        let joined = join(&exposures, &clicks, 100);
        let mut counts = Counts::default();
        let until = Timestamp(500);
        let updated = counts.update(&joined, &[1], OutcomeKind::Click, until);
        assert_eq!((updated.exposures, updated.open), (2, 1));
        let count = |shown, tried, rewarded| Count {
            shown,
            tried,
            rewarded,
        };
        // The click on a was at no place that explores.
        assert_eq!(counts.of(&id("a")), count(2, 0, 0));
        assert_eq!(counts.of(&id("b")), count(2, 1, 0));
        assert_eq!(counts.of(&id("c")), count(2, 1, 1));
        let before = counts.clone();
        let updated = counts.update(&joined, &[1], OutcomeKind::Click, until);
        assert_eq!((updated.exposures, updated.earlier), (0, 2));
        assert_eq!(counts, before);
        counts.update(&joined, &[1], OutcomeKind::Click, Timestamp(1_000));
        assert_eq!(counts.of(&id("d")), count(1, 1, 0));

        let candidates = ["d", "c", "z", "a", "z"].map(id);
        let pool = counts.pool(candidates.iter(), 2, 3);
        assert_eq!(pool, [&id("z"), &id("d"), &id("c")]);
        let prior = Belief::prior(0.1, 10.0).expect("a prior");
        assert_eq!(counts.belief(&id("c"), prior), belief(2.0, 9.0));
    }

    #[test]
    fn beliefs_stay_open_to_change() {
        let prior = belief(0.5, 0.5);
        let long = prior.after(4_000_000_000, 40_000_000);
        assert!((long.mean() - 0.01).abs() < 1e-5);
        assert!(long.rewards + long.others < 100_002.0);
        assert_eq!(prior.after(5, 9), belief(5.5, 0.5));
    }

    fn counts() -> Counts {
        let names: Vec<String> = (0..30).map(|i| format!("p{i:02}-\u{e9}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let exposures = [exposure(1, 100, &names), exposure(2, 200, &names[..9])];
        let clicks = [click(1, 150, names[2]), click(2, 250, names[3])];
        let mut counts = Counts::default();
        let joined = join(&exposures, &clicks, 100);
        counts.update(&joined, &[2, 3], OutcomeKind::Click, Timestamp(500));
        counts
    }

    fn linear() -> Linear {
        let mut linear = Linear::new(3, 1.0).expect("a model");
        let mut rng = Rng::new(4, 4);
        for _ in 0..200 {
            let context = [1.0, rng.unit64(), 2.0 * rng.unit64() - 1.0];
            linear.learn(&context, rng.unit64() < 0.3 * context[1]);
        }
        linear
    }

    #[test]
    fn stored_states_are_read_back() {
        let counts = counts();
        let bytes = counts.to_bytes();
        assert_eq!(Counts::from_bytes(&bytes), Ok(counts));
        assert_eq!(bytes.len(), 20 + 30 * (1 + 6 + 12));
        let linear = linear();
        assert_eq!(Linear::from_bytes(&linear.to_bytes(), 3), Ok(linear));
        let empty = Counts::default();
        assert_eq!(Counts::from_bytes(&empty.to_bytes()), Ok(empty));
    }

    #[test]
    fn hostile_states_are_errors_and_nothing_worse() {
        let (counts, linear) = (counts().to_bytes(), linear().to_bytes());
        for length in 0..counts.len() {
            assert!(Counts::from_bytes(&counts[..length]).is_err());
        }
        for length in 0..linear.len() {
            assert!(Linear::from_bytes(&linear[..length], 3).is_err());
        }
        assert!(Linear::from_bytes(&linear, 2).is_err());
        assert!(Linear::from_bytes(&counts, 3).is_err());
        assert!(Counts::from_bytes(&linear).is_err());
        let long = vec![0; MAX_STATE_BYTES + 1];
        assert_eq!(
            Counts::from_bytes(&long).map_err(|f| f.code),
            Err("state_too_large")
        );
    }

    #[test]
    fn thompson_sampling_finds_what_is_clicked() {
        const RATES: [f64; 4] = [0.02, 0.05, 0.1, 0.2];
        let prior = Belief::prior(0.05, 20.0).expect("a prior");
        let plan = Plan::new(vec![0], 0.05).expect("a plan");
        let mut rng = Rng::new(8, 8);
        let mut tried = [(0u32, 0u32); 4];
        // What the logs say a policy is worth that always shows the second.
        let mut weighed = 0.0;
        const ROUNDS: u32 = 3_000;
        for round in 0..ROUNDS {
            let beliefs = tried.map(|(tried, rewarded)| prior.after(tried, rewarded));
            let choice = choose(&Thompson::new(&beliefs), &plan, round.into())[0];
            let rewarded = rng.unit64() < RATES[choice.member];
            tried[choice.member].0 += 1;
            tried[choice.member].1 += u32::from(rewarded);
            if choice.member == 1 && rewarded {
                weighed += 1.0 / f64::from(choice.propensity);
            }
        }
        assert!(tried[3].0 > ROUNDS * 3 / 4, "{tried:?}");
        // Unbiased, though the policy changed as it learnt; the standard error is
        // at most sqrt(0.05 / floor / ROUNDS) = 0.037.
        let value = weighed / f64::from(ROUNDS);
        assert!((value - 0.05).abs() < 0.08, "{value}");
    }

    #[test]
    fn bounds_by_hand_and_as_they_narrow() {
        let mut linear = Linear::new(2, 1.0).expect("a model");
        let context = [1.0, 0.0, 0.6, 0.8];
        let bounds = linear.bounds(&context, 2.0).expect("bounds");
        // Nothing is known: alpha times the context's length.
        for bound in bounds.bounds() {
            assert!((bound - 2.0).abs() < 1e-12);
        }
        // The precision becomes diag(4, 1), the response (3, 0).
        for _ in 0..3 {
            linear.learn(&[1.0, 0.0], true);
        }
        let bounds = linear.bounds(&context, 2.0).expect("bounds");
        let expected = [
            0.75 + 2.0 * 0.5,
            0.6 * 0.75 + 2.0 * (0.36_f64 / 4.0 + 0.64).sqrt(),
        ];
        for (bound, expected) in bounds.bounds().iter().zip(expected) {
            assert!((bound - expected).abs() < 1e-12, "{bound} {expected}");
        }
        assert!(linear.bounds(&[1.0], 1.0).is_err());
        assert!(linear.bounds(&[1.0, 1.5], 1.0).is_err());
        assert!(linear.bounds(&[1.0, f64::NAN], 1.0).is_err());
        assert!(linear.bounds(&context, f64::NAN).is_err());
        assert!(Linear::new(9, 1.0).is_err() && Linear::new(2, 0.0).is_err());
    }

    #[test]
    fn a_linear_model_learns_from_exposures() {
        let exposures: Vec<Exposure> = (0..400)
            .map(|n| {
                exposure(
                    n,
                    i64::from(n),
                    if n % 2 == 0 { &["a", "b"] } else { &["b", "a"] },
                )
            })
            .collect();
        let clicks: Vec<Outcome> = (0..400)
            .filter(|n| n % 4 == 0)
            .map(|n| click(n, i64::from(n), "a"))
            .collect();
        let joined = join(&exposures, &clicks, 10);
        let mut linear = Linear::new(2, 1.0).expect("a model");
        let updated = linear.update(
            &joined,
            &[0],
            OutcomeKind::Click,
            Timestamp(1_000),
            |_, entry, out| {
                out.copy_from_slice(if entry.product == id("a") {
                    &[1.0, 0.0]
                } else {
                    &[0.0, 1.0]
                });
                true
            },
        );
        assert_eq!((updated.exposures, updated.passed_over), (400, 0));
        let bounds = linear.bounds(&[1.0, 0.0, 0.0, 1.0], 0.0).expect("bounds");
        // 100 clicks in 200 trials and none in 200, beside a ridge of 1.
        assert!((bounds.bounds()[0] - 100.0 / 201.0).abs() < 1e-12);
        assert_eq!(bounds.bounds()[1], 0.0);
    }
}
