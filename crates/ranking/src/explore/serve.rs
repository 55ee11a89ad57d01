//! Exploration in a list that is served: what a request may ask for, what is known,
//! and the list that comes of both.

use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::{Timestamp, sort};
use shelfedge_features::{Attributes, Tables};

use super::{
    Belief, Bounds, Count, Counts, Linear, MAX_PLACES, MAX_POOL, Plan, Thompson, choose, malformed,
};
use crate::rerank::{
    self, Chance, Drawn, Notes, RerankError, Rules, Scored, Standing, are_places, arrange_with,
    is_share,
};
use crate::{Query, Ranked, Ranker, Workspace, codes};

/// What was learnt longer ago than this many milliseconds (90 days) counts as
/// unknown.
pub const MAX_AGE_MS: i64 = 90 * 86_400_000;

/// The numbers of a context: 1, how well the product fits, how dear it is.
const DIMENSIONS: usize = 3;
/// The bytes of a linear model's stored form.
const LINEAR_BYTES: usize = 16 + 8 * (DIMENSIONS * (DIMENSIONS + 1) / 2 + DIMENSIONS);

/// By what a pool is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rates drawn from what is believed of each product.
    Thompson,
    /// Upper bounds of a linear model of where products stand.
    LinUcb,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Thompson, Self::LinUcb];

    /// The name in requests, and of the arm in what is logged.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thompson => "thompson",
            Self::LinUcb => "linucb",
        }
    }
}

/// What a list tries out, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Explore {
    /// By what.
    pub policy: Kind,
    /// At which places, from 1; 1 to [`MAX_PLACES`], each once.
    pub places: Vec<u32>,
    /// The share of lists whose places are filled evenly; above 0, at most 1.
    pub share: f32,
    /// How many products are drawn from, at most; 1 to [`MAX_POOL`].
    pub pool: u32,
    /// The rate of rewards of a product that was never tried; see [`Belief::prior`].
    pub prior_rate: f32,
    /// How many trials that is worth.
    pub prior_strength: u32,
    /// How many standard deviations the bounds of LinUCB lie above what is expected;
    /// 0 to 1.
    pub alpha: f32,
    /// What is known; nothing when there is none.
    pub state: Option<State>,
}

impl Default for Explore {
    fn default() -> Self {
        Self {
            policy: Kind::Thompson,
            places: Vec::new(),
            share: 0.1,
            pool: 16,
            prior_rate: 0.01,
            prior_strength: 100,
            alpha: 0.3,
            state: None,
        }
    }
}

impl Explore {
    /// Whether the settings can be used.
    ///
    /// # Errors
    /// All of: no places or too many, a place that no list has or that is named
    /// twice, a share, pool, prior or alpha out of its range. Paths are those of the
    /// ranking request, such as `explore.places[1]`.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        let count = self.places.len();
        if !(1..=MAX_PLACES).contains(&count) {
            let cause = format!("there are {count} places, and 1 to {MAX_PLACES} explore");
            faults.push(Fault::new(&codes::EXPLORE_PLACES, "explore.places", cause));
        }
        are_places(&mut faults, &self.places, "explore.places");
        is_share(&mut faults, self.share, "explore.share");
        if self.share == 0.0 {
            let fault = Fault::new(&codes::EXPLORE_SHARE, "explore.share", "the share is 0");
            faults.push(fault);
        }
        if !(1..=MAX_POOL).contains(&(self.pool as usize)) {
            let cause = format!("{} isn't a whole number from 1 to {MAX_POOL}", self.pool);
            faults.push(Fault::new(&codes::EXPLORE_POOL, "explore.pool", cause));
        }
        if self.prior().is_err() {
            let (rate, strength) = (self.prior_rate, self.prior_strength);
            let cause = format!("a rate of {rate} with the strength of {strength} trials");
            faults.push(Fault::new(
                &codes::EXPLORE_PRIOR,
                "explore.prior_rate",
                cause,
            ));
        }
        is_share(&mut faults, self.alpha, "explore.alpha");
        faults.into_result(())
    }

    fn prior(&self) -> Result<Belief, Fault> {
        Belief::prior(self.prior_rate.into(), self.prior_strength.into())
    }
}

/// What both policies learnt in one list.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// How often each product was tried and rewarded.
    pub(super) counts: Counts,
    /// What a product's standing says of its rewards.
    pub(super) linear: Linear,
}

impl Default for State {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            linear: Linear::ridge(DIMENSIONS, 1.0),
        }
    }
}

impl State {
    /// How often each product was tried and rewarded.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How often a product was tried and rewarded.
    #[must_use]
    pub fn of(&self, product: &str) -> Count {
        self.counts
            .products
            .get(product)
            .copied()
            .unwrap_or_default()
    }

    /// The end of what it learnt from.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.counts.until
    }

    /// The stored form: always the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.linear.to_bytes(), self.counts.to_bytes()].concat()
    }

    /// Reads what [`State::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that it didn't write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let parts = bytes.split_at_checked(LINEAR_BYTES);
        let (linear, counts) = parts.ok_or_else(|| malformed("", "it is cut off"))?;
        Ok(Self {
            linear: Linear::from_bytes(linear, DIMENSIONS)?,
            counts: Counts::from_bytes(counts)?,
        })
    }
}

/// A standing as the context of a linear model.
pub(super) fn context(standing: Standing) -> [f64; DIMENSIONS] {
    let share = |basis_points: u16| f64::from(basis_points) / 10_000.0;
    [1.0, share(standing.fit), share(standing.price)]
}

/// The standings of candidates that are sorted by score.
fn standings(tables: &Tables<'_>, scored: &[Scored]) -> Vec<Standing> {
    let price = |scored: &Scored| tables.product(scored.1.product).map(|it| it.price_minor);
    let mut prices: Vec<_> = scored.iter().map(price).collect();
    sort::by(&mut prices, Ord::cmp);
    let others = scored.len().max(2) - 1;
    let share = |count: usize| (count * 10_000 / others) as u16;
    (0..)
        .zip(scored)
        .map(|(at, of): (usize, _)| Standing {
            fit: share(scored.len() - 1 - at),
            price: share(prices.partition_point(|it| *it < price(of))),
        })
        .collect()
}

/// Candidates, in the order of their scores, and what is thought of each.
struct Trial<'a> {
    explore: &'a Explore,
    seed: u64,
    standings: Vec<Standing>,
    beliefs: Vec<Belief>,
    /// What each may be worth, at best.
    worth: Vec<f64>,
}

impl<'a> Trial<'a> {
    fn new(
        tables: &Tables<'_>,
        scored: &[Scored],
        explore: &'a Explore,
        now: Timestamp,
        seed: u64,
    ) -> Result<Self, Faults> {
        let unknown = State::default();
        let known = explore.state.as_ref();
        let known = known.filter(|state| now.since(state.until()) <= MAX_AGE_MS);
        let State { linear, .. } = known.unwrap_or(&unknown);
        let prior = explore.prior()?;
        let standings = standings(tables, scored);
        let believed = |scored: &Scored| {
            let product = tables.product(scored.1.product);
            let count = known
                .zip(product)
                .map(|(state, product)| state.of(product.id));
            count.map_or(prior, |count| prior.after(count.tried, count.rewarded))
        };
        let beliefs: Vec<Belief> = scored.iter().map(believed).collect();
        let mut worth: Vec<f64> = beliefs.iter().map(Belief::optimistic).collect();
        if explore.policy == Kind::LinUcb {
            let parts = worth.chunks_mut(MAX_POOL).zip(standings.chunks(MAX_POOL));
            for (worth, standings) in parts {
                let contexts: Vec<f64> = standings.iter().copied().flat_map(context).collect();
                let Bounds { bounds } = linear.bounds(&contexts, explore.alpha.into())?;
                worth.copy_from_slice(&bounds);
            }
        }
        Ok(Self {
            explore,
            seed,
            standings,
            beliefs,
            worth,
        })
    }
}

impl Chance for Trial<'_> {
    fn places(&self) -> &[u32] {
        &self.explore.places
    }

    fn sort(&self, candidates: &mut [usize]) {
        sort::by(candidates, |a, b| {
            self.worth[*b].total_cmp(&self.worth[*a]).then(a.cmp(b))
        });
    }

    fn most(&self) -> usize {
        self.explore.pool as usize
    }

    fn draw(&self, members: &[usize], places: &[u32]) -> Result<Vec<(usize, Drawn)>, Faults> {
        let places = places.iter().map(|place| place - 1).collect();
        let plan = Plan::new(places, self.explore.share.into())?;
        let choices = match self.explore.policy {
            Kind::Thompson => {
                let beliefs: Vec<_> = members.iter().map(|at| self.beliefs[*at]).collect();
                choose(&Thompson::new(&beliefs), &plan, self.seed)
            }
            Kind::LinUcb => {
                let bounds = members.iter().map(|at| self.worth[*at]).collect();
                choose(&Bounds { bounds }, &plan, self.seed)
            }
        };
        let drawn = choices.into_iter().map(|choice| {
            let entry = members[choice.member];
            let drawn = Drawn {
                place: choice.place + 1,
                propensity: choice.propensity,
                standing: self.standings[entry],
            };
            (entry, drawn)
        });
        Ok(drawn.collect())
    }
}

/// The list of [`rerank::arrange`] with a few places that explore, drawn from those
/// candidates that it would not show otherwise: the ones that may be worth most
/// first, equal ones by score. What stands elsewhere doesn't depend on chance, the
/// caps hold whatever is drawn, and a place that is sold doesn't explore.
///
/// # Errors
/// Those of [`rerank::arrange`] and [`Explore::check`].
pub fn arrange(
    tables: &Tables<'_>,
    attributes: Option<&Attributes<'_>>,
    mut scored: Vec<Scored>,
    rules: &Rules<'_>,
    limit: usize,
    (explore, now, seed): (&Explore, Timestamp, u64),
) -> Result<(Vec<Scored>, Notes), Faults> {
    explore.check()?;
    rerank::best_first(&mut scored);
    let trial = Trial::new(tables, &scored, explore, now, seed)?;
    arrange_with(tables, attributes, &scored, rules, limit, Some(&trial))
}

impl<B: AsRef<[u8]>> Ranker<B> {
    /// Answers a request as [`Ranker::rerank`] does, with a few places that explore;
    /// `seed` decides what is drawn, and [`Notes::drawn`] says it.
    ///
    /// # Errors
    /// Those of [`Ranker::rerank`], and settings that can't be used.
    pub fn explore(
        &self,
        query: &Query<'_>,
        rules: &Rules<'_>,
        explore: &Explore,
        seed: u64,
        workspace: &mut Workspace,
    ) -> Result<Ranked, RerankError> {
        self.rearrange(query, rules, workspace, |tables, attributes, scored| {
            let explore = (explore, query.now, seed);
            arrange(tables, attributes, scored, rules, query.limit, explore)
        })
    }
}
