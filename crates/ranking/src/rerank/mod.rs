//! From scores to a list that holds the shop's rules: caps, diversity, the long
//! tail, and sponsored places.
//!
//! One pass from the first place to the last, each place taking the best product
//! that the rules allow. It looks no further ahead than the sponsored places, so
//! a better list may exist; the same input gives the same list.
//!
//! What can't be had gives way in this order. The floor of the long tail gives
//! way to the list's length, and is said to be missed. Caps never give way: where
//! they block everything that is left, the list ends. A sponsored place without a
//! bid is an ordinary one.
//!
//! It does not score, charge, count impressions or know the time.

mod auction;
mod head;
mod titles;

use core::fmt;

use shelfedge_commerce::fault::{Fault, Faults, quote};
use shelfedge_commerce::{Currency, Money, ProductId, codes as commerce, sort};
pub use shelfedge_features::Attribute;
use shelfedge_features::attributes;
use shelfedge_features::{Attributes, TableError, Tables};

use crate::{
    Candidate, MAX_BIDS, MAX_LIMIT, MAX_PLACES, Query, RankError, Ranked, Ranker, Workspace, codes,
};
use auction::{Auction, Slot};
use head::Head;
use titles::Titles;

/// The attributes that make products alike.
const ALIKE: [Attribute; 2] = [Attribute::Category, Attribute::Brand];

/// One in a share: shares are kept to the basis point.
const WHOLE: u32 = 10_000;

/// How many products of a list may share an attribute, at least 1. Products that
/// don't have it are free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Of one category.
    pub category: Option<u32>,
    /// Of one brand.
    pub brand: Option<u32>,
    /// Of one seller.
    pub seller: Option<u32>,
}

impl Caps {
    /// The cap on an attribute.
    #[must_use]
    pub const fn of(&self, attribute: Attribute) -> Option<u32> {
        match attribute {
            Attribute::Category => self.category,
            Attribute::Brand => self.brand,
            Attribute::Seller => self.seller,
        }
    }
}

/// What keeps a list from showing the same over and over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diversity {
    /// How many alike there may be.
    pub caps: Caps,
    /// From 0 to 1, maximal marginal relevance (Carbonell and Goldstein, SIGIR
    /// 1998): each place takes the largest (1 - t) * relevance - t * similarity.
    /// Relevance is the score, scaled so that the candidates' lowest is 0 and
    /// their highest 1; similarity is the largest to any product placed before.
    pub trade_off: f32,
    /// From 0 to 1, to the basis point: the first n products have at least
    /// floor(share * n) from outside the head. The head is the smallest set of
    /// products, most bought first, with 80 % of the buyers of the tables' last
    /// 30 days; of all buyers, when nobody bought in those days.
    pub long_tail: f32,
}

/// An offer for a sponsored place. Amounts are minor units of
/// [`Sponsored::currency`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// The product.
    pub product: ProductId,
    /// The most that is paid; 0 bids nothing.
    pub amount: i64,
    /// What is left to spend, where there is a limit. Nobody is asked for more.
    pub budget_left: Option<i64>,
    /// How often the shopper saw it sponsored.
    pub impressions: u32,
}

/// Sponsored places and who bids for them. Amounts are minor units.
#[derive(Clone, Debug, PartialEq)]
pub struct Sponsored {
    /// The currency of all amounts.
    pub currency: Currency,
    /// Which places may be sponsored, from 1; at most [`MAX_PLACES`].
    pub places: Vec<u32>,
    /// Nothing is sold for less.
    pub reserve: i64,
    /// A product that the shopper saw sponsored so often isn't shown so again.
    pub frequency_cap: Option<u32>,
    /// From 0 to 1, to the basis point: with what probability, over seeds, a bid
    /// takes part.
    pub pacing: f32,
    /// At most [`MAX_BIDS`], each product once.
    pub bids: Vec<Bid>,
}

/// What a list has to hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// Diversity; without it only scores order the list.
    pub diversity: Option<&'a Diversity>,
    /// Sponsored places.
    pub sponsored: Option<&'a Sponsored>,
    /// What decides pacing, with the shopper and the product.
    pub seed: Option<u64>,
    /// Who looks at the list.
    pub shopper: Option<&'a str>,
}

impl Rules<'_> {
    /// Whether the settings can be used, but for attributes that a model lacks.
    ///
    /// # Errors
    /// All of: a cap below 1, a share that isn't from 0 to 1, more bids or places
    /// than the limits, a place that no list has or that is named twice, a negative
    /// amount, a product that bids twice, pacing without a seed. Paths are those of
    /// the ranking request, such as `sponsored.bids[3].bid`.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if let Some(diversity) = self.diversity {
            for attribute in Attribute::ALL {
                let path = ["diversity.caps.", attribute.name()].concat();
                at_least_one(&mut faults, diversity.caps.of(attribute), path);
            }
            is_share(&mut faults, diversity.trade_off, "diversity.trade_off");
            is_share(&mut faults, diversity.long_tail, "diversity.long_tail");
        }
        if let Some(sponsored) = self.sponsored {
            sponsored.check(self.seed, &mut faults);
        }
        faults.into_result(())
    }

    /// Whether the model knows what the caps are on.
    fn check_attributes(&self, attributes: Option<&Attributes<'_>>) -> Result<(), Faults> {
        let mut faults = Faults::default();
        let caps = self.diversity.map_or(Caps::default(), |it| it.caps);
        for attribute in Attribute::ALL {
            let known = attributes.is_some_and(|it| it.knows(attribute));
            if caps.of(attribute).is_some() && !known {
                let name = attribute.name();
                faults.push(unknown(&["caps.", name].concat(), name));
            }
        }
        faults.into_result(())
    }

    /// Whether the model knows anything of its products by which one can be in the
    /// long tail, or like another.
    fn check_known(
        &self,
        tables: &Tables<'_>,
        attributes: Option<&Attributes<'_>>,
    ) -> Result<(), Faults> {
        let mut faults = Faults::default();
        let Some(diversity) = self.diversity else {
            return Ok(());
        };
        let any = |known: &dyn Fn(u32) -> bool| (0..tables.len() as u32).any(known);
        let titled = |product| {
            tables
                .product(product)
                .is_some_and(|it| !it.title.is_empty())
        };
        let bought = |product| tables.stats(product).buyers != [0; 4];
        if diversity.trade_off > 0.0 && attributes.is_none() && !any(&titled) {
            faults.push(unknown("trade_off", "title or attributes"));
        }
        if diversity.long_tail > 0.0 && !any(&bought) {
            faults.push(unknown("long_tail", "buyers"));
        }
        faults.into_result(())
    }
}

fn unknown(rule: &str, what: &str) -> Fault {
    let path = ["diversity.", rule].concat();
    let cause = ["the model knows the ", what, " of no product"].concat();
    Fault::new(&codes::ATTRIBUTE_UNKNOWN, path, cause)
}

impl Sponsored {
    fn check(&self, seed: Option<u64>, faults: &mut Faults) {
        for (path, found, most) in [
            ("sponsored.places", self.places.len(), MAX_PLACES),
            ("sponsored.bids", self.bids.len(), MAX_BIDS),
        ] {
            if found > most {
                let cause = format!("there are more than {most}");
                faults.push(Fault::new(&codes::SPONSORED_TOO_MANY, path, cause));
            }
        }
        are_places(faults, &self.places, "sponsored.places");
        self.not_negative(faults, self.reserve, || "sponsored.reserve".to_owned());
        let path = "sponsored.frequency_cap".to_owned();
        at_least_one(faults, self.frequency_cap, path);
        is_share(faults, self.pacing, "sponsored.pacing");
        if self.pacing < 1.0 && seed.is_none() {
            let cause = "pacing is below 1 and there is no seed";
            faults.push(Fault::new(&codes::SEED_MISSING, "seed", cause));
        }
        for (at, bid) in self.bids.iter().take(MAX_BIDS).enumerate() {
            let path = |field: &str| format!("sponsored.bids[{at}].{field}");
            self.not_negative(faults, bid.amount, || path("bid"));
            if let Some(budget) = bid.budget_left {
                self.not_negative(faults, budget, || path("budget_left"));
            }
            if self.bids[..at].iter().any(|it| it.product == bid.product) {
                let cause = format!("{} bids twice", quote(bid.product.as_str()));
                faults.push(Fault::new(&commerce::DUPLICATE_ID, path("item_id"), cause));
            }
        }
    }

    fn not_negative(&self, faults: &mut Faults, minor: i64, path: impl FnOnce() -> String) {
        if minor < 0 {
            let cause = format!("the amount is {}", Money::new(minor, self.currency));
            faults.push(Fault::new(&commerce::MONEY_NEGATIVE, path(), cause));
        }
    }
}

fn at_least_one(faults: &mut Faults, cap: Option<u32>, path: String) {
    if cap == Some(0) {
        faults.push(Fault::new(&codes::CAP_OUT_OF_RANGE, path, "the cap is 0"));
    }
}

/// Notes places that no list has, and those named twice, among the first
/// [`MAX_PLACES`].
pub(crate) fn are_places(faults: &mut Faults, places: &[u32], path: &str) {
    for (at, place) in places.iter().take(MAX_PLACES).enumerate() {
        let path = || format!("{path}[{at}]");
        if !(1..=MAX_LIMIT).contains(&(*place as usize)) {
            let cause = format!("{place} isn't a whole number from 1 to {MAX_LIMIT}");
            faults.push(Fault::new(&codes::PLACE_OUT_OF_RANGE, path(), cause));
        }
        if places[..at].contains(place) {
            let cause = format!("{place} was named before");
            faults.push(Fault::new(&codes::PLACE_REPEATED, path(), cause));
        }
    }
}

pub(crate) fn is_share(faults: &mut Faults, share: f32, path: &str) {
    // NaN is in no range.
    if !(0.0..=1.0).contains(&share) {
        let cause = match share.is_finite() {
            true => "the share isn't from 0 to 1",
            false => "the share isn't a number",
        };
        faults.push(Fault::new(&codes::SHARE_OUT_OF_RANGE, path, cause));
    }
}

/// A checked share in basis points.
fn basis_points(share: f32) -> u32 {
    (share * WHOLE as f32 + 0.5) as u32
}

/// A rule that a list may miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The floor of the long tail gave way.
    LongTail,
    /// The list ended because of a cap.
    Cap(Attribute),
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::LongTail,
        Self::Cap(Attribute::Category),
        Self::Cap(Attribute::Brand),
        Self::Cap(Attribute::Seller),
    ];

    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LongTail => "long_tail",
            Self::Cap(Attribute::Category) => "category_cap",
            Self::Cap(Attribute::Brand) => "brand_cap",
            Self::Cap(Attribute::Seller) => "seller_cap",
        }
    }
}

/// What a list is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// By which rule.
    pub rule: Rule,
    /// The first place that shows it, from 1: where the floor was first missed, or
    /// the first place that stayed empty.
    pub place: u32,
    /// How many products: of the long tail, in the prefix that lacks most of them;
    /// or places that stayed empty.
    pub missing: u32,
}

/// A sponsored place, with what an auditor needs to compute its price again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The place, from 1.
    pub place: u32,
    /// The product (index).
    pub product: u32,
    /// The bid's rank by amount * quality among those that took part, from 1.
    pub bid_rank: u32,
    /// The product's quality in basis points, 1 to 10,000.
    pub quality: u32,
    /// The smallest amount that keeps the place.
    pub price: Money,
    /// The next bid for the same place: its product (index) and quality in basis
    /// points.
    pub runner_up: Option<(u32, u32)>,
}

/// Why a bid got no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The model doesn't know the product.
    Unknown,
    /// The product isn't among the candidates that were scored.
    NotACandidate,
    /// The shopper saw it as often as is allowed.
    FrequencyCap,
    /// It bids nothing, or less than the reserve.
    BelowReserve,
    /// Less is left of its budget than the reserve, or nothing.
    Budget,
    /// Pacing left it out.
    Paced,
    /// A cap forbids it beside the other sponsored products.
    Capped,
    /// Others bid more for the places.
    Outbid,
    /// The list ended before a place for it.
    NoPlace,
}

impl LeftOut {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::NotACandidate,
        Self::FrequencyCap,
        Self::BelowReserve,
        Self::Budget,
        Self::Paced,
        Self::Capped,
        Self::Outbid,
        Self::NoPlace,
    ];

    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotACandidate => "not_a_candidate",
            Self::FrequencyCap => "frequency_cap",
            Self::BelowReserve => "below_reserve",
            Self::Budget => "budget",
            Self::Paced => "paced",
            Self::Capped => "capped",
            Self::Outbid => "outbid",
            Self::NoPlace => "no_place",
        }
    }
}

/// Where a product stands among the candidates: shares in basis points, 0 to 10,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// How well it fits: the share of the others that come after it by score.
    pub fit: u16,
    /// How dear it is: the share of the others that cost less.
    pub price: u16,
}

/// A product that chance put at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The place, from 1.
    pub place: u32,
    /// With what probability this product stands at this place; above 0, at most 1.
    pub propensity: f32,
    /// Where it stood among the candidates.
    pub standing: Standing,
}

/// What re-ranking has to say of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// The rules that the list misses, each at most once.
    pub shortfalls: Vec<Shortfall>,
    /// The sponsored places, from the top.
    pub placements: Vec<Placement>,
    /// The bids without a place, by their index in [`Sponsored::bids`], in that
    /// order.
    pub left_out: Vec<(usize, LeftOut)>,
    /// What chance put where it is, from the top; every other product has its place
    /// for certain.
    pub drawn: Vec<Drawn>,
    /// How a policy for whole lists chose that it be made, where one did.
    #[cfg(feature = "explore")]
    pub chosen: Option<crate::policy::Chosen>,
}

impl Notes {
    /// What chance put at a place, from 1.
    #[must_use]
    pub fn drawn(&self, place: usize) -> Option<&Drawn> {
        self.drawn.iter().find(|it| it.place as usize == place)
    }

    /// The sponsorship of a place, from 1.
    #[must_use]
    pub fn sponsor(&self, place: usize) -> Option<&Placement> {
        self.placements.iter().find(|it| it.place as usize == place)
    }
}

/// A product with its score.
pub type Scored = (f32, Candidate);

/// Fills a few places by chance. They are kept open while the others are filled, so
/// that nothing else depends on it.
pub(crate) trait Chance {
    /// The places, from 1.
    fn places(&self) -> &[u32];

    /// Orders candidates, named by their rank among all by score, from 0: those that
    /// are drawn from come first.
    fn sort(&self, candidates: &mut [usize]);

    /// How many are drawn from, at most.
    fn most(&self) -> usize;

    /// Another one of the members for each place, of which there are no more.
    ///
    /// # Errors
    /// When what was learnt can't be used.
    fn draw(&self, members: &[usize], places: &[u32]) -> Result<Vec<(usize, Drawn)>, Faults>;
}

/// The list of at most `limit` products, in whatever order they come. Equal
/// values keep the order of the scores, and equal scores that of the products.
/// `attributes` are those of the model, if it has any.
///
/// # Errors
/// Settings that can't be used ([`Rules::check`]), and caps on an attribute that
/// the model doesn't know.
pub fn arrange(
    tables: &Tables<'_>,
    attributes: Option<&Attributes<'_>>,
    mut scored: Vec<Scored>,
    rules: &Rules<'_>,
    limit: usize,
) -> Result<(Vec<Scored>, Notes), Faults> {
    best_first(&mut scored);
    arrange_with(tables, attributes, &scored, rules, limit, None)
}

/// Best first; equal scores in the order of the products.
pub(crate) fn best_first(scored: &mut [Scored]) {
    sort::by(scored, |a, b| {
        b.0.total_cmp(&a.0).then(a.1.product.cmp(&b.1.product))
    });
}

/// The same for candidates that are sorted, with places that chance fills.
///
/// A place that is sold isn't one of them, nor is one beyond the list's end. Chance
/// draws from candidates that any draw may take without breaking a cap; where there
/// are fewer of them than places, the first places have them.
pub(crate) fn arrange_with(
    tables: &Tables<'_>,
    attributes: Option<&Attributes<'_>>,
    scored: &[Scored],
    rules: &Rules<'_>,
    limit: usize,
    chance: Option<&dyn Chance>,
) -> Result<(Vec<Scored>, Notes), Faults> {
    rules.check()?;
    rules.check_attributes(attributes)?;
    let pool = Pool::new(tables, attributes, scored, rules.diversity);
    let mut auction = match rules.sponsored {
        Some(sponsored) => Auction::hold(tables, &pool, sponsored, rules, limit),
        None => Auction::default(),
    };
    let mut open: Vec<u32> = chance.map_or_else(Vec::new, |it| it.places().to_vec());
    open.retain(|place| {
        let sold = auction
            .slots
            .iter()
            .any(|slot| slot.placement.place == *place);
        *place as usize <= limit && !sold
    });
    sort::by(&mut open, Ord::cmp);
    let mut titles = pool.titles(tables);
    let (mut list, members) = loop {
        let list = pool.fill(titles.as_mut(), &auction.slots, &open, limit);
        // A place beyond the list's end can't be sold: its product goes back among
        // the others, and the list is made again.
        if auction.take_back(list.len()) {
            continue;
        }
        open.retain(|place| *place as usize <= list.len());
        let members = chance.map_or_else(Vec::new, |it| pool.members(it, &list, open.len()));
        if members.len() >= open.len() {
            break (list, members);
        }
        open.truncate(members.len());
    };
    let mut notes = Notes::default();
    if let Some(chance) = chance.filter(|_| !open.is_empty()) {
        for (entry, drawn) in chance.draw(&members, &open)? {
            list[drawn.place as usize - 1] = Some(entry);
            notes.drawn.push(drawn);
        }
    }
    let list: Vec<usize> = list.into_iter().flatten().collect();
    notes.shortfalls = pool.shortfalls(&list, limit);
    (notes.placements, notes.left_out) = auction.finish(&pool);
    Ok((list.into_iter().map(|at| scored[at]).collect(), notes))
}

/// A candidate as the rules see it.
struct Entry {
    product: u32,
    /// The score between the candidates' lowest, 0, and highest, 1.
    relevance: f64,
    /// Category, brand and seller, by index.
    values: [Option<u32>; Attribute::ALL.len()],
    /// Whether it is outside the head.
    tail: bool,
}

/// The candidates, best first, and what the list of them has to hold.
struct Pool {
    entries: Vec<Entry>,
    caps: Caps,
    /// How many names each attribute has.
    names: [usize; Attribute::ALL.len()],
    trade_off: f64,
    /// The floor of the long tail, in basis points.
    floor: u32,
}

/// How many placed products have each name of each attribute.
#[derive(Clone)]
struct Counts([Vec<u32>; Attribute::ALL.len()]);

impl Counts {
    fn new(pool: &Pool) -> Self {
        Self(
            Attribute::ALL.map(|attribute| match pool.caps.of(attribute) {
                Some(_) => vec![0; pool.names[attribute as usize]],
                None => Vec::new(),
            }),
        )
    }

    fn add(&mut self, entry: &Entry) {
        for (counts, value) in self.0.iter_mut().zip(entry.values) {
            if let Some(count) = value.and_then(|value| counts.get_mut(value as usize)) {
                *count += 1;
            }
        }
    }

    /// How many have this name; none when there is no name or no cap.
    fn of(&self, attribute: Attribute, entry: &Entry) -> Option<u32> {
        let value = entry.values[attribute as usize]?;
        self.0[attribute as usize].get(value as usize).copied()
    }

    /// Whether a cap forbids one more with this name.
    fn is_full(&self, caps: &Caps, attribute: Attribute, entry: &Entry) -> bool {
        caps.of(attribute)
            .zip(self.of(attribute, entry))
            .is_some_and(|(cap, count)| count >= cap)
    }

    fn allow(&self, caps: &Caps, entry: &Entry) -> bool {
        !Attribute::ALL
            .iter()
            .any(|attribute| self.is_full(caps, *attribute, entry))
    }
}

impl Pool {
    /// `scored` is sorted, best first.
    fn new(
        tables: &Tables<'_>,
        attributes: Option<&Attributes<'_>>,
        scored: &[Scored],
        diversity: Option<&Diversity>,
    ) -> Self {
        let diversity = diversity.copied().unwrap_or_default();
        let highest = scored.first().map_or(0.0, |it| f64::from(it.0));
        let lowest = scored.last().map_or(0.0, |it| f64::from(it.0));
        let span = highest - lowest;
        let floor = basis_points(diversity.long_tail);
        let head = (floor > 0).then(|| Head::of(tables));
        let entries = scored
            .iter()
            .map(|(score, Candidate { product, .. })| Entry {
                product: *product,
                relevance: match span > 0.0 {
                    true => (f64::from(*score) - lowest) / span,
                    false => 1.0,
                },
                values: Attribute::ALL.map(|it| attributes.and_then(|of| of.of(it, *product))),
                tail: head.is_none_or(|head| !head.holds(tables, *product)),
            })
            .collect();
        Self {
            entries,
            caps: diversity.caps,
            names: Attribute::ALL.map(|it| attributes.map_or(0, |of| of.names(it))),
            trade_off: f64::from(diversity.trade_off),
            floor,
        }
    }

    /// The candidates' titles, where similarity counts.
    fn titles(&self, tables: &Tables<'_>) -> Option<Titles> {
        (self.trade_off > 0.0).then(|| {
            Titles::new(self.entries.iter().map(|entry| {
                let product = tables.product(entry.product);
                product.map_or("", |product| product.title)
            }))
        })
    }

    /// What two candidates share of category and brand, each known of both counting
    /// one half.
    fn shared(&self, one: usize, other: usize) -> f64 {
        let (a, b) = (&self.entries[one].values, &self.entries[other].values);
        let shared = ALIKE
            .into_iter()
            .filter(|at| a[*at as usize].is_some() && a[*at as usize] == b[*at as usize])
            .count();
        0.5 * shared as f64
    }

    /// How many of the first `places` products must be from outside the head.
    fn needed(&self, places: usize) -> usize {
        self.floor as usize * places / WHOLE as usize
    }

    /// Whether `place` must go to the long tail, given how many before it did, so
    /// that the floor can still hold up to the last place that is settled: a sponsored
    /// one, or an open one, which may go to the head.
    fn needs_tail(&self, slots: &[Slot], open: &[u32], place: usize, before: usize) -> bool {
        let last_open = open.last().map_or(0, |place| *place as usize);
        let last = slots.last().map_or(0, |slot| slot.place).max(last_open);
        let mut most = before;
        (place..=last.max(place)).any(|at| {
            let slot = slots.iter().find(|slot| slot.place == at);
            most += usize::from(match slot {
                Some(slot) => self.entries[slot.entry].tail,
                None => !open.contains(&(at as u32)),
            });
            most - 1 < self.needed(at)
        })
    }

    /// The list as indices of candidates, none at an open place. It ends before a
    /// place for which the caps leave nothing, or when there are no more candidates.
    fn fill(
        &self,
        mut titles: Option<&mut Titles>,
        slots: &[Slot],
        open: &[u32],
        limit: usize,
    ) -> Vec<Option<usize>> {
        let mut counts = Counts::new(self);
        let mut free = vec![true; self.entries.len()];
        for slot in slots {
            counts.add(&self.entries[slot.entry]);
            free[slot.entry] = false;
        }
        let mut nearest = vec![0.0f64; self.entries.len()];
        let mut list = Vec::with_capacity(limit.min(self.entries.len()));
        let mut tail = 0;
        for place in 1..=limit {
            if open.contains(&(place as u32)) {
                list.push(None);
                continue;
            }
            let slot = slots.iter().find(|slot| slot.place == place);
            let next = slot.map(|slot| slot.entry).or_else(|| {
                let best = |tail_only| self.best(&free, &nearest, &counts, tail_only);
                let narrow = self.floor > 0 && self.needs_tail(slots, open, place, tail);
                narrow.then(|| best(true)).flatten().or_else(|| best(false))
            });
            let Some(next) = next else { break };
            if slot.is_none() {
                counts.add(&self.entries[next]);
                free[next] = false;
            }
            tail += usize::from(self.entries[next].tail);
            list.push(Some(next));
            // How alike each is to what is placed: the larger of the cosine of the
            // titles' tokens and what they share of category and brand.
            let Some(titles) = &mut titles else { continue };
            titles.like(next, |at, cosine| nearest[at] = nearest[at].max(cosine));
            if ALIKE
                .iter()
                .any(|at| self.entries[next].values[*at as usize].is_some())
            {
                for (at, nearest) in nearest.iter_mut().enumerate() {
                    *nearest = nearest.max(self.shared(at, next));
                }
            }
        }
        list
    }

    /// The candidates without a place of which any `places` hold the caps beside the
    /// list, in the order of `chance`.
    fn members(&self, chance: &dyn Chance, list: &[Option<usize>], places: usize) -> Vec<usize> {
        let mut counts = Counts::new(self);
        let mut free: Vec<usize> = (0..self.entries.len()).collect();
        free.retain(|at| !list.contains(&Some(*at)));
        for at in list.iter().flatten() {
            counts.add(&self.entries[*at]);
        }
        chance.sort(&mut free);
        // Of one name there may be at most as many members as it has room in the
        // list, or any number where all places may go to it.
        let roomy = |attribute, entry: &Entry| {
            let (cap, count) = self.caps.of(attribute).zip(counts.of(attribute, entry))?;
            Some(u64::from(count) + places as u64 <= u64::from(cap))
        };
        let mut members = Vec::new();
        let mut taken = counts.clone();
        for at in free {
            let entry = &self.entries[at];
            let fits = |attribute: &Attribute| {
                roomy(*attribute, entry) != Some(false)
                    || !taken.is_full(&self.caps, *attribute, entry)
            };
            if members.len() < chance.most() && Attribute::ALL.iter().all(fits) {
                taken.add(entry);
                members.push(at);
            }
        }
        members
    }

    /// The free candidate of the largest marginal relevance that the caps allow;
    /// the better-scored one of equals.
    fn best(
        &self,
        free: &[bool],
        nearest: &[f64],
        counts: &Counts,
        tail_only: bool,
    ) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (at, entry) in self.entries.iter().enumerate() {
            if !free[at] || (tail_only && !entry.tail) {
                continue;
            }
            let value = (1.0 - self.trade_off) * entry.relevance - self.trade_off * nearest[at];
            if best.is_none_or(|(_, most)| value > most) && counts.allow(&self.caps, entry) {
                best = Some((at, value));
                if self.trade_off == 0.0 {
                    break;
                }
            }
        }
        best.map(|(at, _)| at)
    }

    /// What the list is short of, from the list alone.
    fn shortfalls(&self, list: &[usize], limit: usize) -> Vec<Shortfall> {
        let mut shortfalls = Vec::new();
        let (mut tail, mut missed) = (0, None);
        for (place, at) in (1..).zip(list) {
            tail += usize::from(self.entries[*at].tail);
            let missing = self.needed(place).saturating_sub(tail) as u32;
            if missing > 0 {
                let (first, most) = missed.unwrap_or((place as u32, 0));
                missed = Some((first, missing.max(most)));
            }
        }
        if let Some((place, missing)) = missed {
            shortfalls.push(Shortfall {
                rule: Rule::LongTail,
                place,
                missing,
            });
        }
        let missing = limit.min(self.entries.len()) - list.len();
        if missing > 0 {
            let mut counts = Counts::new(self);
            let mut free = vec![true; self.entries.len()];
            for at in list {
                counts.add(&self.entries[*at]);
                free[*at] = false;
            }
            for attribute in Attribute::ALL {
                let left = self.entries.iter().zip(&free).filter(|(_, free)| **free);
                if left
                    .map(|(entry, _)| entry)
                    .any(|entry| counts.is_full(&self.caps, attribute, entry))
                {
                    shortfalls.push(Shortfall {
                        rule: Rule::Cap(attribute),
                        place: list.len() as u32 + 1,
                        missing: missing as u32,
                    });
                }
            }
        }
        shortfalls
    }
}

/// Why a request has no re-ranked answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RerankError {
    /// It has no answer at all.
    Rank(RankError),
    /// Its rules can't be used.
    Rules(Faults),
}

impl fmt::Display for RerankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rank(error) => error.fmt(f),
            Self::Rules(faults) => faults.fmt(f),
        }
    }
}

impl core::error::Error for RerankError {}

impl From<RankError> for RerankError {
    fn from(error: RankError) -> Self {
        Self::Rank(error)
    }
}

impl From<Faults> for RerankError {
    fn from(faults: Faults) -> Self {
        Self::Rules(faults)
    }
}

/// Checks the attributes of a model that has any.
pub(crate) fn check(section: Option<&[u8]>, products: usize) -> Result<(), TableError> {
    let Some(section) = section else {
        return Ok(());
    };
    match Attributes::open(section, products)?.is_sound() {
        true => Ok(()),
        false => Err(TableError {
            section: attributes::SECTION,
            missing: false,
        }),
    }
}

impl<B: AsRef<[u8]>> Ranker<B> {
    /// The products' attributes, of a model that has them.
    #[must_use]
    pub fn attributes(&self) -> Option<Attributes<'_>> {
        let section = self.model.section(attributes::SECTION)?;
        Attributes::open(section, self.tables().len()).ok()
    }

    /// Answers a request as [`Ranker::rank`] does, with a list that holds the
    /// rules; [`Ranked::notes`] says which it misses and what was sold.
    ///
    /// # Errors
    /// Those of [`Ranker::rank`], and rules that can't be used.
    pub fn rerank(
        &self,
        query: &Query<'_>,
        rules: &Rules<'_>,
        workspace: &mut Workspace,
    ) -> Result<Ranked, RerankError> {
        self.rearrange(query, rules, workspace, |tables, attributes, scored| {
            arrange(tables, attributes, scored, rules, query.limit)
        })
    }

    pub(crate) fn rearrange(
        &self,
        query: &Query<'_>,
        rules: &Rules<'_>,
        workspace: &mut Workspace,
        arrange: impl FnOnce(
            &Tables<'_>,
            Option<&Attributes<'_>>,
            Vec<Scored>,
        ) -> Result<(Vec<Scored>, Notes), Faults>,
    ) -> Result<Ranked, RerankError> {
        let (prepared, order) = self.order(query, workspace)?;
        let (tables, attributes) = (self.tables(), self.attributes());
        rules.check_known(&tables, attributes.as_ref())?;
        let (order, notes) = arrange(&tables, attributes.as_ref(), order)?;
        let mut ranked = self.list(query, prepared, order, workspace)?;
        ranked.notes = Some(Box::new(notes));
        Ok(ranked)
    }
}
