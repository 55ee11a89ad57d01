//! Shoppers who come again, or don't: a generator of visits, fitted to a shop's orders
//! ([`super::fit`]) where orders can tell, and assumed where they can't ([`Assumed`]).
//!
//! | part | source |
//! |---|---|
//! | groups of products, how much each is bought | orders: k-means over an embedding of what customers bought |
//! | a shopper's taste for the groups, lines of a visit | orders: those of a customer drawn with replacement, shrunk to the shop's |
//! | days to the next visit, whether there is one | orders: product-limit curves by visits so far and the mean pause |
//! | what is ordered of a list's new and known products | orders: how much of the list that [`Ranker`] would have made was in the next order |
//! | how shoppers tire of lists, take to new groups, and come again for it | assumed |
//!
//! Lists are not made by the engine: a run asks for a million of them. [`Ranker`] is a
//! stand-in that knows of a shopper what the engine's would, the earlier orders, and
//! scores by the same two sources that matter most there: what the shopper ordered
//! before, and what sells in the groups that they buy from.

use serde::{Deserialize, Serialize};
use shelfedge_commerce::time::{DAY, Timestamp};
use shelfedge_features::visits::{Action, Place, Visits};

use super::fit::{Catalogue, Counted, Fitted, Pattern, STAGES, Tally, stage};
use super::log::{Decision, Trajectory};
use super::rules::Policy;
use crate::boost::shared;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::watch::Watch;

/// Random numbers of a shopper, at most: where the next one's begin.
const DRAWS: u64 = 1 << 24;
/// Visits of a shopper while the fit is made, at most.
const MOST_VISITS: usize = 300;
/// Shoppers that are simulated together, and of one thread's share.
const TOGETHER: usize = 4_096;
const SHARE: usize = 256;
/// Rounds of the fit, and shoppers of each.
const ROUNDS: usize = 8;
const FITTED_ON: usize = 6_000;
/// What is drawn for the fit, and to hold it against the shop.
const OF_FIT: u64 = 0x51F1;
const OF_CHECK: u64 = 0x51F2;
/// How much a shopper's satisfaction changes whether they come again, at most.
const HAZARD: f64 = 5.0;

/// What no order tells: the section `[assumed]` of a settings file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assumed {
    /// By what share a product's chance falls with each time it was shown and left.
    pub fatigue: f32,
    /// How fast a group's chance falls with what was just ordered of it: a half at
    /// the inverse.
    pub satiation: f32,
    /// Days after which a shopper has forgotten half of that.
    pub recovery_days: f32,
    /// By what share the taste for a group grows when something of it is ordered for
    /// the first time from a list.
    pub discovery: f32,
    /// How much the hazard of coming again grows with each unit of satisfaction, as a
    /// logarithm. A product that is ordered from the list is a unit.
    pub returning: f64,
    /// Satisfaction by a group that is new to the shopper.
    pub delight: f64,
    /// Satisfaction that a list costs which was shown before and left as a whole.
    pub boredom: f64,
    /// Clicks for each product that is ordered from a list.
    pub clicks: f32,
}

impl Default for Assumed {
    fn default() -> Self {
        Self {
            fatigue: 0.3,
            satiation: 0.1,
            recovery_days: 45.0,
            discovery: 0.5,
            returning: 0.15,
            delight: 1.0,
            boredom: 2.0,
            clicks: 3.0,
        }
    }
}

impl Assumed {
    pub(super) fn check(&self, check: &mut dyn FnMut(&str, bool, &str)) {
        let mut within = |key: &str, x: f64, low: f64, high: f64| {
            let key = format!("assumed.{key}");
            check(
                &key,
                (low..=high).contains(&x),
                &format!("in {low} to {high}"),
            );
        };
        within("fatigue", self.fatigue.into(), 0.0, 1.0);
        within("satiation", self.satiation.into(), 0.0, 10.0);
        within("recovery_days", self.recovery_days.into(), 1.0, 1_000.0);
        within("discovery", self.discovery.into(), 0.0, 10.0);
        within("returning", self.returning, 0.0, 2.0);
        within("delight", self.delight, 0.0, 10.0);
        within("boredom", self.boredom, 0.0, 10.0);
        within("clicks", self.clicks.into(), 1.0, 100.0);
    }
}

/// What a ranking knows of a shopper: what they ordered before, of whatever list.
#[derive(Clone, Debug)]
pub(super) struct Known {
    times: Vec<u16>,
    /// Products that were ordered, in the order of the first time.
    before: Vec<u32>,
    /// Lines of each group.
    groups: Vec<f32>,
    lines: f32,
    /// How often each product was shown and left, and which those are.
    left: Vec<u16>,
    shown: Vec<u32>,
    /// Places that each group had.
    places: Vec<u32>,
}

impl Known {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            times: vec![0; catalogue.place.len()],
            before: Vec::new(),
            groups: vec![0.0; catalogue.groups.len()],
            lines: 0.0,
            left: vec![0; catalogue.place.len()],
            shown: Vec::new(),
            places: vec![0; catalogue.groups.len()],
        }
    }

    pub(super) fn clear(&mut self) {
        for product in self.before.drain(..) {
            self.times[product as usize] = 0;
        }
        for product in self.shown.drain(..) {
            self.left[product as usize] = 0;
        }
        self.groups.fill(0.0);
        self.places.fill(0);
        self.lines = 0.0;
    }

    /// At how many visits a product was ordered.
    pub(super) fn times(&self, product: u32) -> u16 {
        self.times[product as usize]
    }

    pub(super) fn bought(&mut self, catalogue: &Catalogue, product: u32) {
        let Some((group, _)) = catalogue.place[product as usize] else {
            return;
        };
        let times = &mut self.times[product as usize];
        if *times == 0 {
            self.before.push(product);
        }
        *times = times.saturating_add(1);
        self.groups[group as usize] += 1.0;
        self.lines += 1.0;
    }

    fn left(&mut self, product: u32) {
        let times = &mut self.left[product as usize];
        if *times == 0 {
            self.shown.push(product);
        }
        *times = times.saturating_add(1);
    }
}

/// A list that is being made, with what is used for it.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) products: Vec<u32>,
    scored: Vec<(f32, u32, u32)>,
    heads: Vec<usize>,
    of_group: Vec<usize>,
}

/// How lists are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ranker {
    /// Places of a list.
    pub(super) places: usize,
    /// Places that explore, when a list does.
    pub(super) tries: usize,
    /// Products of one group, at most, when a list is diversified.
    pub(super) of_one: usize,
    /// Orders' lines that the shop's shares of the groups count for.
    pub(super) prior: f32,
}

impl Ranker {
    /// What is most likely to be ordered.
    pub(super) fn exploit(&self, fitted: &Fitted, known: &Known, list: &mut List) {
        self.best(fitted, known, usize::MAX, list);
    }

    /// The best products with at most `of_one` of a group.
    fn best(&self, fitted: &Fitted, known: &Known, of_one: usize, list: &mut List) {
        let catalogue = &fitted.catalogue;
        list.products.clear();
        // What was ordered before, best first.
        list.scored.clear();
        for product in &known.before {
            if let Some((group, at)) = catalogue.place[*product as usize] {
                let times = usize::from(known.times(*product) > 1);
                let own = self.score(fitted, known, group, at as usize);
                list.scored
                    .push((fitted.again[times] + own, *product, group));
            }
        }
        list.scored
            .sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        list.heads.clear();
        list.heads.resize(catalogue.groups.len(), 0);
        list.of_group.clear();
        list.of_group.resize(catalogue.groups.len(), 0);
        let mut again = 0;
        while list.products.len() < self.places {
            while list
                .scored
                .get(again)
                .is_some_and(|(.., group)| list.of_group[*group as usize] >= of_one)
            {
                again += 1;
            }
            let mut best = list.scored.get(again).map(|(score, ..)| (*score, None));
            for (number, group) in catalogue.groups.iter().enumerate() {
                if list.of_group[number] >= of_one {
                    continue;
                }
                let head = &mut list.heads[number];
                while group
                    .products
                    .get(*head)
                    .is_some_and(|product| known.times(*product) > 0)
                {
                    *head += 1;
                }
                if *head < group.products.len() {
                    let score = self.score(fitted, known, number as u32, *head);
                    if best.is_none_or(|(most, _)| score > most) {
                        best = Some((score, Some(number)));
                    }
                }
            }
            let (product, group) = match best {
                Some((_, Some(number))) => {
                    let head = &mut list.heads[number];
                    *head += 1;
                    (catalogue.groups[number].products[*head - 1], number)
                }
                Some((_, None)) => {
                    again += 1;
                    let (_, product, group) = list.scored[again - 1];
                    (product, group as usize)
                }
                None => break,
            };
            list.products.push(product);
            list.of_group[group] += 1;
        }
    }

    /// How many lines of the next order are expected to be this product, by what is
    /// known: lines, times the group's share, times the product's of the group.
    fn score(&self, fitted: &Fitted, known: &Known, group: u32, at: usize) -> f32 {
        let group = group as usize;
        let share = fitted.catalogue.share[group];
        let believed = (known.groups[group] + self.prior * share) / (known.lines + self.prior);
        fitted.lines * believed * fitted.catalogue.groups[group].appeal[at]
    }

    fn make(&self, fitted: &Fitted, known: &Known, action: Action, rng: &mut Rng, list: &mut List) {
        match action {
            Action::Exploit => self.exploit(fitted, known, list),
            Action::Diversify => self.best(fitted, known, self.of_one, list),
            Action::Explore => {
                self.exploit(fitted, known, list);
                let kept = list.products.len().saturating_sub(self.tries);
                list.products.truncate(kept);
                for _ in 0..self.tries {
                    self.tried(fitted, known, rng, list);
                }
            }
        }
    }

    /// Adds a product that was neither shown nor ordered, of a group drawn by how much
    /// it sells over how often it was shown.
    fn tried(&self, fitted: &Fitted, known: &Known, rng: &mut Rng, list: &mut List) {
        let catalogue = &fitted.catalogue;
        let weight =
            |group: usize| f64::from(catalogue.share[group]) / f64::from(1 + known.places[group]);
        let groups = 0..catalogue.groups.len();
        let mut left = rng.unit64() * groups.clone().map(weight).sum::<f64>();
        let drawn = groups.clone().find(|group| {
            left -= weight(*group);
            left < 0.0
        });
        let drawn = drawn.unwrap_or(0);
        // Where the group has nothing left, the next one.
        for group in groups.clone().cycle().skip(drawn).take(groups.len()) {
            let fresh = catalogue.groups[group].products.iter().find(|product| {
                known.times(**product) == 0
                    && known.left[**product as usize] == 0
                    && !list.products.contains(product)
            });
            if let Some(product) = fresh {
                list.products.push(*product);
                return;
            }
        }
    }
}

/// A visit of a simulated shopper.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) at: Timestamp,
    pub(super) action: Action,
    pub(super) propensity: f64,
    pub(super) list: Vec<Place>,
    /// Products that were ordered from the list.
    pub(super) value: f64,
}

/// The generator.
#[derive(Clone, Debug)]
pub(super) struct Simulator {
    pub(super) fitted: Fitted,
    pub(super) ranker: Ranker,
    assumed: Assumed,
    /// Factors on the chances of products that are new and known to a shopper, so that
    /// what is ordered from exploiting lists is what the shop's orders say.
    taken: [f32; 2],
    /// A factor on the hazard of coming again, by stage, so that shoppers who are shown
    /// exploiting lists come again as the shop's did.
    pace: [f64; STAGES],
}

/// How long a shopper is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Visits, at most.
    pub(super) visits: usize,
    /// Days after the first visit; none for the end of the shop's data.
    pub(super) days: Option<i64>,
}

/// What is used for one shopper after the other.
struct Room {
    known: Known,
    list: List,
    taste: Vec<f32>,
    sated: Vec<f32>,
}

impl Simulator {
    /// Fits what only simulating tells: how much is ordered from exploiting lists, and
    /// how often shoppers come again after them.
    pub(super) fn fit(
        fitted: Fitted,
        ranker: Ranker,
        assumed: Assumed,
        visits: usize,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let mut simulator = Self {
            fitted,
            ranker,
            assumed,
            taken: [1.0; 2],
            pace: [1.0; STAGES],
        };
        for round in 0..ROUNDS {
            watch.step("calibrating", round as u64, ROUNDS as u64, "");
            let tally = simulator.observed(FITTED_ON, visits, seed ^ OF_FIT, watch)?;
            let counted = tally.counted();
            let wanted = simulator.fitted.counted;
            for at in 0..2 {
                let ratio = wanted.taken[at] / counted.taken[at].max(1e-9);
                let factor = simulator.taken[at] * (ratio as f32).clamp(0.2, 5.0);
                simulator.taken[at] = factor.clamp(1e-3, 1e3);
            }
            // Of a share that stays away, left, the hazard is -ln(left).
            let hazard = |back: f64| -(1.0 - back.clamp(0.005, 0.995)).ln();
            let shares = wanted.back.into_iter().zip(counted.back);
            for (pace, (wanted, found)) in simulator.pace.iter_mut().zip(shares) {
                // Of a stage that nobody came to nothing is known.
                if wanted > 0.0 && found > 0.0 {
                    *pace = (*pace * hazard(wanted) / hazard(found)).clamp(0.1, 10.0);
                }
            }
        }
        Ok(simulator)
    }

    /// The statistics of shoppers who are shown exploiting lists, followed as the
    /// shop's customers were: from the first visit of the one that they are drawn
    /// after, to the end of the data.
    pub(super) fn check(
        &self,
        shoppers: usize,
        visits: usize,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Counted> {
        let tally = self.observed(shoppers, visits, seed ^ OF_CHECK, watch)?;
        Ok(tally.counted())
    }

    fn observed(
        &self,
        shoppers: usize,
        visits: usize,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Tally> {
        let span = Span {
            visits: MOST_VISITS,
            days: None,
        };
        let mut all = Tally::default();
        let each = |tally: Tally| all.add(&tally);
        self.each(
            "calibrating",
            shoppers,
            watch,
            |shopper, room| {
                let mut sums = Tally::default();
                let policy = Policy::Always(Action::Exploit);
                self.follow(
                    shopper,
                    &policy,
                    span,
                    seed,
                    room,
                    visits,
                    &mut sums,
                    |_, _| {},
                );
                sums
            },
            each,
        )?;
        Ok(all)
    }

    /// Trajectories of shoppers under a policy.
    pub(super) fn trajectories(
        &self,
        stage: &'static str,
        policy: &Policy,
        shoppers: usize,
        span: Span,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Trajectory>> {
        let mut all = Vec::with_capacity(shoppers);
        self.each(
            stage,
            shoppers,
            watch,
            |shopper, room| {
                let mut trajectory = Trajectory::default();
                let mut sums = Tally::default();
                self.follow(
                    shopper,
                    policy,
                    span,
                    seed,
                    room,
                    0,
                    &mut sums,
                    |state, shown| {
                        trajectory.decisions.push(Decision {
                            state: *state,
                            action: shown.action,
                            propensity: shown.propensity,
                            reward: shown.value,
                        });
                    },
                );
                trajectory
            },
            |trajectory| all.push(trajectory),
        )?;
        Ok(all)
    }

    /// The visits of one shopper under a policy, as a shop would log them.
    #[cfg(test)]
    pub(super) fn visits(
        &self,
        shopper: usize,
        policy: &Policy,
        span: Span,
        seed: u64,
    ) -> Vec<Shown> {
        let mut room = self.room();
        let mut out = Vec::new();
        let mut sums = Tally::default();
        self.follow(
            shopper,
            policy,
            span,
            seed,
            &mut room,
            0,
            &mut sums,
            |_, shown| out.push(shown.clone()),
        );
        out
    }

    fn room(&self) -> Room {
        Room {
            known: Known::new(&self.fitted.catalogue),
            list: List::default(),
            taste: Vec::new(),
            sated: Vec::new(),
        }
    }

    /// Follows shoppers, in parallel, and takes what each gives in their order.
    fn each<T: Send>(
        &self,
        stage: &'static str,
        shoppers: usize,
        watch: &mut dyn Watch,
        work: impl Fn(usize, &mut Room) -> T + Sync,
        mut take: impl FnMut(T),
    ) -> Result<()> {
        let mut first = 0;
        while first < shoppers {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            if stage != "calibrating" {
                watch.step(stage, first as u64, shoppers as u64, "");
            }
            let end = shoppers.min(first + TOGETHER);
            let numbers: Vec<usize> = (first..end).collect();
            let parts = numbers.chunks(SHARE);
            let mut made: Vec<Vec<T>> = parts.clone().map(|_| Vec::new()).collect();
            shared(parts.zip(&mut made).collect(), |(part, made)| {
                let mut room = self.room();
                made.extend(part.iter().map(|shopper| work(*shopper, &mut room)));
            });
            made.into_iter().flatten().for_each(&mut take);
            first = end;
        }
        Ok(())
    }

    /// One shopper, visit by visit. Exploiting lists of the first `compared` visits
    /// are counted.
    #[expect(
        clippy::too_many_arguments,
        reason = "one loop, with what each caller looks at"
    )]
    fn follow(
        &self,
        shopper: usize,
        policy: &Policy,
        span: Span,
        seed: u64,
        room: &mut Room,
        compared: usize,
        tally: &mut Tally,
        mut each: impl FnMut(&[f32; shelfedge_features::visits::WIDTH], &Shown),
    ) {
        let mut rng = Rng::at(seed, 0x5403, (shopper as u64).wrapping_mul(DRAWS));
        let patterns = &self.fitted.patterns;
        let pattern = &patterns[rng.below(patterns.len())];
        let Room {
            known,
            list,
            taste,
            sated,
        } = room;
        known.clear();
        taste.clone_from(&pattern.taste);
        sated.clear();
        sated.resize(taste.len(), 0.0);
        let end = span.days.map_or(self.fitted.last_day, |days| {
            pattern.first_day.saturating_add(days)
        });
        let mut visits = Visits::default();
        let mut day = pattern.first_day;
        tally.shoppers += 1;
        for count in 1..=span.visits {
            let now = Timestamp(day * DAY + DAY / 2);
            let state = visits.state(now);
            let chances = policy.probabilities(&state);
            let action = drawn(&chances, &mut rng);
            self.ranker
                .make(&self.fitted, known, action, &mut rng, list);
            let shown = self.shown(
                now,
                action,
                chances[action as usize],
                pattern,
                known,
                taste,
                sated,
                &list.products,
                &mut rng,
            );
            each(&state, &shown);
            visits.push(now, action, &shown.list);
            tally.visits += 1;
            if count <= compared {
                for place in &shown.list {
                    let at = usize::from(known.times(place.product) > 0);
                    tally.shown[at] += 1;
                    tally.taken[at] += u64::from(place.ordered);
                }
            }
            let satisfied = self.learnt(&shown, pattern, count, known, taste, sated, &mut rng);
            let of_stage = stage(count);
            let pleased = (self.assumed.returning * satisfied).exp();
            let hazard = (self.pace[of_stage] * pleased).clamp(1.0 / HAZARD, HAZARD);
            tally.back[of_stage][0] += 1;
            let pause = (day - pattern.first_day) as f64 / (count.max(2) - 1) as f64;
            let curve = self.fitted.returns.curve(count, pause);
            let next = curve.draw(rng.unit64(), hazard);
            let Some(days) = next.filter(|days| day + i64::from(*days) <= end) else {
                tally.once += u64::from(count == 1);
                return;
            };
            tally.back[of_stage][1] += 1;
            if count < span.visits {
                tally.pauses += 1;
                tally.days += u64::from(days);
            }
            day += i64::from(days);
            let forgotten = 0.5f32.powf(days as f32 / self.assumed.recovery_days);
            sated.iter_mut().for_each(|s| *s *= forgotten);
        }
    }

    /// What the shopper does with a list.
    #[expect(clippy::too_many_arguments, reason = "all that a choice depends on")]
    fn shown(
        &self,
        at: Timestamp,
        action: Action,
        propensity: f64,
        pattern: &Pattern,
        known: &Known,
        taste: &[f32],
        sated: &[f32],
        products: &[u32],
        rng: &mut Rng,
    ) -> Shown {
        let catalogue = &self.fitted.catalogue;
        let mut value = 0.0;
        let places = products.iter().filter_map(|product| {
            let (group, place) = catalogue.place[*product as usize]?;
            let of_group = group as usize;
            let new = pattern.lines
                * taste[of_group]
                * catalogue.groups[of_group].appeal[place as usize]
                * self.taken[0];
            let expected = match known.times(*product) {
                0 => new,
                1 => self.fitted.again[0] * self.taken[1],
                _ => self.fitted.again[1] * self.taken[1],
            };
            let left = known.left[*product as usize];
            let tired = (1.0 - self.assumed.fatigue).powi(i32::from(left));
            let expected = expected * tired / (1.0 + self.assumed.satiation * sated[of_group]);
            let orders = 1.0 - (-expected).exp();
            let clicks = (orders * self.assumed.clicks).min(1.0);
            let draw = rng.unit();
            let ordered = draw < orders;
            value += f64::from(u8::from(ordered));
            Some(Place {
                product: *product,
                group,
                clicked: draw < clicks,
                ordered,
            })
        });
        let list = places.collect();
        Shown {
            at,
            action,
            propensity,
            list,
            value,
        }
    }

    /// What a visit changes in the shopper and in what is known of them, and how
    /// satisfied they leave.
    #[expect(clippy::too_many_arguments, reason = "all that a visit changes")]
    fn learnt(
        &self,
        shown: &Shown,
        pattern: &Pattern,
        count: usize,
        known: &mut Known,
        taste: &mut [f32],
        sated: &mut [f32],
        rng: &mut Rng,
    ) -> f64 {
        let catalogue = &self.fitted.catalogue;
        let (mut found, mut stale) = (0.0, 0.0);
        for place in &shown.list {
            let group = place.group as usize;
            known.places[group] += 1;
            if place.ordered {
                // At a first visit every group is new.
                if known.groups[group] == 0.0 && count > 1 {
                    found += 1.0;
                    taste[group] *= 1.0 + self.assumed.discovery;
                }
                sated[group] += 1.0;
            } else {
                stale += f64::from(u8::from(known.left[place.product as usize] > 0));
                known.left(place.product);
            }
        }
        let sum: f32 = taste.iter().sum();
        taste.iter_mut().for_each(|share| *share /= sum);
        // What else the order holds, which no list had a part in.
        let mut ordered: Vec<u32> = shown
            .list
            .iter()
            .filter(|place| place.ordered)
            .map(|place| place.product)
            .collect();
        let others = (pattern.lines.round() as usize).saturating_sub(ordered.len());
        for _ in 0..others {
            let group = at(taste, rng.unit());
            let running = &catalogue.groups[group].running;
            let draw = rng.unit() * running.last().copied().unwrap_or(0.0);
            let place = running.partition_point(|sum| *sum <= draw);
            let place = place.min(running.len().saturating_sub(1));
            ordered.push(catalogue.groups[group].products[place]);
        }
        ordered.sort_unstable();
        ordered.dedup();
        ordered
            .iter()
            .for_each(|product| known.bought(catalogue, *product));
        let stale = stale / shown.list.len().max(1) as f64;
        shown.value + self.assumed.delight * found - self.assumed.boredom * stale
    }
}

/// The place of a draw among shares that make 1.
fn at(shares: &[f32], draw: f32) -> usize {
    let mut left = draw;
    let found = shares.iter().position(|share| {
        left -= share;
        left < 0.0
    });
    found.unwrap_or(shares.len().saturating_sub(1))
}

fn drawn(chances: &[f64; 3], rng: &mut Rng) -> Action {
    let mut left = rng.unit64();
    let found = Action::ALL.into_iter().find(|action| {
        left -= chances[*action as usize];
        left < 0.0
    });
    // Chances make 1 within what is lost by adding them.
    let possible = |action: &Action| chances[*action as usize] > 0.0;
    found
        .or_else(|| Action::ALL.into_iter().rev().find(possible))
        .unwrap_or(Action::Exploit)
}
