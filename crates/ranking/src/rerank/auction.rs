//! Sponsored places: a generalised second-price auction (Edelman, Ostrovsky and
//! Schwarz 2007; Varian 2007) in which a bid counts by what it offers times how
//! well the product fits.
//!
//! From the first place to the last, the bid with the largest amount * quality
//! wins that the caps allow beside the winners before it. It pays the smallest
//! amount with which it would still have won: what it takes to stay before the
//! next bid that could have had the place, and the reserve at least. So the price
//! never depends on the winner's own bid, and no higher bid has a worse place in a
//! list that holds as many products as it may. Where a cap or the floor for the long
//! tail ends a list early, other winners may end it at another product, and a place
//! that it doesn't reach is not sold.
//!
//! A bid counts as no more than what is left of its budget. Quality is a whole
//! number of basis points and all comparisons are of whole numbers, so that
//! anyone can compute the prices again.

use shelfedge_commerce::assign::{BUCKETS, stable_hash};
use shelfedge_commerce::{Money, sort};
use shelfedge_engine::math::sigmoid;
use shelfedge_features::Tables;

use super::{Bid, Counts, LeftOut, Placement, Pool, Rules, Sponsored, WHOLE, basis_points};

/// A place that is sold.
pub(super) struct Slot {
    /// From 1.
    pub(super) place: usize,
    /// The candidate.
    pub(super) entry: usize,
    bid: usize,
    pub(super) placement: Placement,
}

/// A bid that takes part.
struct Offer {
    bid: usize,
    entry: usize,
    product: u32,
    /// Minor units, above 0 and within the budget.
    amount: u64,
    /// Basis points, above 0.
    quality: u32,
}

impl Offer {
    fn weight(&self) -> u128 {
        u128::from(self.amount) * u128::from(self.quality)
    }

    /// The smallest amount, from `reserve` on, with which this is before another;
    /// of equal weights the product with the lower index is.
    fn price_before(&self, other: Option<&Self>, reserve: u64) -> u64 {
        let Some(other) = other else { return reserve };
        let (weight, quality) = (other.weight(), u128::from(self.quality));
        let level = weight.div_ceil(quality);
        let loses = level * quality == weight && self.product > other.product;
        // This offer is before the other, so what keeps it there is within it.
        let price = u64::try_from(level + u128::from(loses)).unwrap_or(u64::MAX);
        price.min(self.amount).max(reserve)
    }
}

/// How well a product fits, in basis points from 1 to 10,000: the best-scored
/// candidate counts fully, one half-way to the lowest score about a quarter, the
/// lowest 4 %. It is 2 * sigmoid(4 * (relevance - 1)).
fn quality(relevance: f64) -> u32 {
    let fit = 2.0 * sigmoid(4.0 * (relevance as f32 - 1.0));
    basis_points(fit).clamp(1, WHOLE)
}

/// What came of the bids.
#[derive(Default)]
pub(super) struct Auction {
    /// What is sold, from the top.
    pub(super) slots: Vec<Slot>,
    /// The bids that took part, best first.
    offers: Vec<Offer>,
    left_out: Vec<(usize, LeftOut)>,
    /// Why an offer got no place that no cap forbids.
    otherwise: Option<LeftOut>,
}

impl Auction {
    /// Sells the places of a list of at most `limit`, from the top.
    pub(super) fn hold(
        tables: &Tables<'_>,
        pool: &Pool,
        sponsored: &Sponsored,
        rules: &Rules<'_>,
        limit: usize,
    ) -> Self {
        let reserve = sponsored.reserve.unsigned_abs();
        let mut this = Self::default();
        for (at, bid) in sponsored.bids.iter().enumerate() {
            match offer(tables, pool, sponsored, rules, at, bid) {
                Ok(offer) => this.offers.push(offer),
                Err(why) => this.left_out.push((at, why)),
            }
        }
        sort::by(&mut this.offers, |a, b| {
            b.weight().cmp(&a.weight()).then(a.product.cmp(&b.product))
        });
        let mut places = sponsored.places.clone();
        places.retain(|place| *place as usize <= limit);
        sort::by(&mut places, Ord::cmp);
        this.otherwise = Some(match places.is_empty() {
            true => LeftOut::NoPlace,
            false => LeftOut::Outbid,
        });
        let mut counts = Counts::new(pool);
        for place in places {
            let mut able = (1..).zip(&this.offers).filter(|(_, offer)| {
                let won = this.slots.iter().any(|slot| slot.bid == offer.bid);
                !won && counts.allow(&pool.caps, &pool.entries[offer.entry])
            });
            let Some((bid_rank, winner)) = able.next() else {
                break;
            };
            let runner_up = able.next().map(|(_, offer)| offer);
            let price = winner.price_before(runner_up, reserve);
            let slot = Slot {
                place: place as usize,
                entry: winner.entry,
                bid: winner.bid,
                placement: Placement {
                    place,
                    product: winner.product,
                    bid_rank,
                    quality: winner.quality,
                    price: Money::new(price.cast_signed(), sponsored.currency),
                    runner_up: runner_up.map(|offer| (offer.product, offer.quality)),
                },
            };
            counts.add(&pool.entries[slot.entry]);
            this.slots.push(slot);
        }
        this
    }

    /// Takes back what is sold beyond a list's end, one place at a time, the last
    /// first. Whether there was any. The prices above stand: they depend on the
    /// bids alone.
    pub(super) fn take_back(&mut self, length: usize) -> bool {
        let beyond = self.slots.last().is_some_and(|slot| slot.place > length);
        if beyond {
            self.slots.pop();
            self.otherwise = Some(LeftOut::NoPlace);
        }
        beyond
    }

    /// The sponsored places, and why each other bid has none.
    pub(super) fn finish(self, pool: &Pool) -> (Vec<Placement>, Vec<(usize, LeftOut)>) {
        let mut counts = Counts::new(pool);
        for slot in &self.slots {
            counts.add(&pool.entries[slot.entry]);
        }
        let mut left_out = self.left_out;
        for offer in &self.offers {
            if self.slots.iter().any(|slot| slot.bid == offer.bid) {
                continue;
            }
            let why = match counts.allow(&pool.caps, &pool.entries[offer.entry]) {
                true => self.otherwise.unwrap_or(LeftOut::NoPlace),
                false => LeftOut::Capped,
            };
            left_out.push((offer.bid, why));
        }
        sort::by(&mut left_out, |a, b| a.0.cmp(&b.0));
        let placements = self.slots.into_iter().map(|slot| slot.placement);
        (placements.collect(), left_out)
    }
}

/// A bid's part in the auction, or why it has none.
fn offer(
    tables: &Tables<'_>,
    pool: &Pool,
    sponsored: &Sponsored,
    rules: &Rules<'_>,
    at: usize,
    bid: &Bid,
) -> Result<Offer, LeftOut> {
    let product = tables.find(bid.product.as_str()).ok_or(LeftOut::Unknown)?;
    let entry = pool.entries.iter().position(|it| it.product == product);
    let entry = entry.ok_or(LeftOut::NotACandidate)?;
    if sponsored
        .frequency_cap
        .is_some_and(|cap| bid.impressions >= cap)
    {
        return Err(LeftOut::FrequencyCap);
    }
    let least = sponsored.reserve.max(1);
    if bid.amount < least {
        return Err(LeftOut::BelowReserve);
    }
    let amount = bid
        .budget_left
        .map_or(bid.amount, |left| left.min(bid.amount));
    if amount < least {
        return Err(LeftOut::Budget);
    }
    if chance(rules, bid) >= basis_points(sponsored.pacing) {
        return Err(LeftOut::Paced);
    }
    Ok(Offer {
        bid: at,
        entry,
        product,
        amount: amount.unsigned_abs(),
        quality: quality(pool.entries[entry].relevance),
    })
}

/// From 0 to 9,999, evenly over seeds: the same for the same seed, shopper and
/// product, whatever else bids.
fn chance(rules: &Rules<'_>, bid: &Bid) -> u32 {
    let seed = rules.seed.unwrap_or_default().to_string();
    let shopper = rules.shopper.unwrap_or_default();
    let hash = stable_hash(&["pacing", &seed, shopper, bid.product.as_str()]);
    ((u128::from(hash) * u128::from(BUCKETS)) >> 64) as u32
}
