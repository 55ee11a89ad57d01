//! Learning from what shoppers did: trials wait until their window has closed, and
//! then count once, with their rewards.
//!
//! The order in which trials and rewards come, and how often, makes no difference,
//! as long as they come within the window.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_commerce::exposure::{Outcome, join};
use shelfedge_commerce::fault::Fault;
use shelfedge_commerce::{
    EXPOSURE_VERSION, EventId, Exposure, ExposureEntry, ExposureId, ListId, OutcomeKind, ProductId,
    SessionId, Timestamp, sort,
};

use super::serve::{State, context};
use super::{MAX_PLACES, Rest, head, malformed, write_product};
use crate::rerank::Standing;

/// A reward counts until so many milliseconds (30 minutes) after its trial, and so
/// far may an event's clock be off.
pub const WINDOW_MS: i64 = 30 * 60_000;
/// Products of which something is known, at most. The least tried are forgotten
/// first: least is known of them.
const MAX_PRODUCTS: usize = 5_000;
/// Lists whose window is open, at most; later ones don't count.
const MAX_SHOWN: usize = 1_000;
/// Rewards that wait for their window's end, at most; later ones don't count.
const MAX_CHOSEN: usize = 2_000;
/// Of one shopper, as many of either at most, so that nobody teaches alone.
const MAX_OF_VIEWER: usize = 20;

const MAX_PRODUCT_BYTES: usize = 1 + 64;
/// Bytes of the stored form, at most.
pub const MAX_LEARNER_BYTES: usize = 16
    + 4
    + 108
    + MAX_PRODUCTS * (MAX_PRODUCT_BYTES + 12)
    + 4
    + MAX_SHOWN * (16 + 8 + 8 + 1 + MAX_PLACES * (MAX_PRODUCT_BYTES + 4))
    + 4
    + MAX_CHOSEN * (17 + 8 + 8 + MAX_PRODUCT_BYTES);

const LEARNER: [u8; 4] = *b"SXPQ";

/// A list that was shown, by what it tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub time: Timestamp,
    /// Who saw it: a hash, which is all that is kept of a shopper.
    pub viewer: u64,
    /// The products that chance put there, at most [`MAX_PLACES`].
    pub tried: Vec<(ProductId, Standing)>,
}

/// A product that was chosen: a reward, if a list tried it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chosen {
    /// The exposure it was chosen from; none is the last one that showed it.
    pub exposure: Option<u128>,
    /// Who chose.
    pub viewer: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub product: ProductId,
}

/// What a batch of events says of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// The lists that were shown, by the number that their exposures' ids are.
    pub shown: Vec<(u128, Shown)>,
    /// What was chosen.
    pub chosen: Vec<Chosen>,
}

/// What is known of one list, and what will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Learner {
    /// When it was last stored.
    pub written: Timestamp,
    state: State,
    shown: BTreeMap<u128, Shown>,
    chosen: BTreeSet<Chosen>,
}

/// How many are of each viewer.
fn tally(viewers: impl Iterator<Item = u64>) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for viewer in viewers {
        *counts.entry(viewer).or_default() += 1;
    }
    counts
}

impl Default for Learner {
    fn default() -> Self {
        Self {
            written: Timestamp(i64::MIN),
            state: State::default(),
            shown: BTreeMap::new(),
            chosen: BTreeSet::new(),
        }
    }
}

impl Learner {
    /// What is known: from trials whose window has closed.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes a lesson, and counts what has waited long enough. Whether there was
    /// anything new: not in a lesson that came before, nor in one that is older than
    /// the window, further ahead, or beyond the limits.
    pub fn learn(&mut self, lesson: &Lesson, now: Timestamp) -> bool {
        let mut is_changed = self.go_back(now);
        let closed = now.plus(-WINDOW_MS);
        is_changed |= self.settle(closed);
        let after = closed.max(self.state.until());
        let in_time = |time| time > after && time < now.plus(WINDOW_MS);
        let mut own = tally(self.shown.values().map(|it| it.viewer));
        for (id, shown) in &lesson.shown {
            if !in_time(shown.time) || self.shown.contains_key(id) {
                continue;
            }
            let own = own.entry(shown.viewer).or_default();
            if self.shown.len() < MAX_SHOWN && *own < MAX_OF_VIEWER {
                let mut shown = shown.clone();
                // A product is tried once in a list, however often it is told.
                let mut told = BTreeSet::new();
                shown.tried.retain(|(it, _)| told.insert(it.clone()));
                shown.tried.truncate(MAX_PLACES);
                self.shown.insert(*id, shown);
                *own += 1;
                is_changed = true;
            }
        }
        let mut own = tally(self.chosen.iter().map(|it| it.viewer));
        for chosen in &lesson.chosen {
            if !in_time(chosen.time) {
                continue;
            }
            let own = own.entry(chosen.viewer).or_default();
            let has_room = self.chosen.len() < MAX_CHOSEN && *own < MAX_OF_VIEWER;
            // What chance had no part in says nothing here.
            let shown = chosen.exposure.and_then(|id| self.shown.get(&id));
            let tried = |shown: &Shown| shown.tried.iter().any(|it| it.0 == chosen.product);
            if has_room && shown.is_none_or(tried) && self.chosen.insert(chosen.clone()) {
                *own += 1;
                is_changed = true;
            }
        }
        is_changed
    }

    /// Where the clock was ahead and isn't any more, what it said must not stop the
    /// learning: trials count again from now on, and those that wait for a time that
    /// is not to come are forgotten. Whether it was ahead.
    fn go_back(&mut self, now: Timestamp) -> bool {
        let ahead = now.plus(2 * WINDOW_MS);
        let waiting = (self.shown.len(), self.chosen.len());
        self.shown.retain(|_, it| it.time < ahead);
        self.chosen.retain(|it| it.time < ahead);
        let is_ahead = self.state.until() > now.plus(WINDOW_MS);
        if is_ahead {
            self.state.counts.until = now;
            self.state.linear.until = now;
        }
        is_ahead || waiting != (self.shown.len(), self.chosen.len())
    }

    /// Counts the trials up to a time, and forgets what belongs to them. Whether
    /// there were any.
    fn settle(&mut self, until: Timestamp) -> bool {
        let is_due = self.shown.values().any(|it| it.time <= until)
            || self.chosen.iter().any(|it| it.time <= until);
        if !is_due {
            return false;
        }
        let session = |viewer: u64| SessionId::new(format!("{viewer:016x}")).ok();
        let exposure_id = |id: u128| ExposureId::new(format!("{id:032x}")).ok();
        // All records are of one list.
        let Ok(list) = ListId::new("-") else {
            return false;
        };
        let exposures: Vec<Exposure> = self
            .shown
            .iter()
            .filter_map(|(id, shown)| {
                let entry =
                    |(position, (product, _)): (u32, &(ProductId, Standing))| ExposureEntry {
                        product: product.clone(),
                        position,
                        propensity: 1.0,
                        score: None,
                    };
                Some(Exposure {
                    version: EXPOSURE_VERSION,
                    id: exposure_id(*id)?,
                    time: shown.time,
                    list: list.clone(),
                    shopper: None,
                    session: session(shown.viewer),
                    model: String::new(),
                    arm: String::new(),
                    entries: (0..).zip(&shown.tried).map(entry).collect(),
                })
            })
            .collect();
        let outcomes: Vec<Outcome> = (0..)
            .zip(&self.chosen)
            .filter_map(|(at, chosen): (u32, _)| {
                Some(Outcome {
                    version: EXPOSURE_VERSION,
                    event: EventId::new(at.to_string()).ok()?,
                    kind: OutcomeKind::Click,
                    time: chosen.time,
                    product: chosen.product.clone(),
                    shopper: None,
                    session: session(chosen.viewer),
                    exposure: chosen.exposure.and_then(exposure_id),
                    list: None,
                    value: None,
                })
            })
            .collect();
        let joined = join(&exposures, &outcomes, WINDOW_MS);
        let places: [u32; MAX_PLACES] = core::array::from_fn(|place| place as u32);
        let State { counts, linear } = &mut self.state;
        counts.update(&joined, &places, OutcomeKind::Click, until);
        let kind = OutcomeKind::Click;
        linear.update(&joined, &places, kind, until, |exposure, entry, numbers| {
            let id = u128::from_str_radix(exposure.id.as_str(), 16).ok();
            let shown = id.and_then(|id| self.shown.get(&id));
            let tried = shown.and_then(|shown| shown.tried.get(entry.position as usize));
            tried.is_some_and(|(_, standing)| {
                numbers.copy_from_slice(&context(*standing));
                true
            })
        });
        self.shown.retain(|_, it| it.time > until);
        self.chosen.retain(|it| it.time > until);
        self.forget();
        true
    }

    fn forget(&mut self) {
        let products = &mut self.state.counts.products;
        if products.len() <= MAX_PRODUCTS {
            return;
        }
        let mut least: Vec<(u32, ProductId)> = products
            .iter()
            .map(|(product, count)| (count.tried, product.clone()))
            .collect();
        sort::by(&mut least, Ord::cmp);
        // A tenth at a time.
        for (_, product) in &least[..least.len() - MAX_PRODUCTS * 9 / 10] {
            products.remove(product);
        }
    }

    /// The stored form: always the same bytes, at most [`MAX_LEARNER_BYTES`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = head(LEARNER, 0, self.written);
        let state = self.state.to_bytes();
        bytes.extend((state.len() as u32).to_le_bytes());
        bytes.extend(state);
        bytes.extend((self.shown.len() as u32).to_le_bytes());
        for (id, shown) in &self.shown {
            bytes.extend(id.to_le_bytes());
            bytes.extend(shown.time.millis().to_le_bytes());
            bytes.extend(shown.viewer.to_le_bytes());
            bytes.push(shown.tried.len() as u8);
            for (product, standing) in &shown.tried {
                write_product(&mut bytes, product);
                bytes.extend(standing.fit.to_le_bytes());
                bytes.extend(standing.price.to_le_bytes());
            }
        }
        bytes.extend((self.chosen.len() as u32).to_le_bytes());
        for chosen in &self.chosen {
            bytes.push(chosen.exposure.is_some().into());
            bytes.extend(chosen.exposure.unwrap_or_default().to_le_bytes());
            bytes.extend(chosen.viewer.to_le_bytes());
            bytes.extend(chosen.time.millis().to_le_bytes());
            write_product(&mut bytes, &chosen.product);
        }
        bytes
    }

    fn open(bytes: &[u8]) -> Result<(Rest<'_>, Timestamp, State), Fault> {
        let (mut rest, written) = Rest::open(bytes, LEARNER, 0)?;
        let length = rest.u32()? as usize;
        let state = State::from_bytes(rest.slice(length)?)?;
        Ok((rest, written, state))
    }

    /// What is known alone, of what [`Learner::to_bytes`] wrote.
    ///
    /// # Errors
    /// Those of [`Learner::from_bytes`], as far as it reads.
    pub fn read_state(bytes: &[u8]) -> Result<State, Fault> {
        Self::open(bytes).map(|(_, _, state)| state)
    }

    /// Reads what [`Learner::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that it didn't write: cut off, of another version, beyond the limits,
    /// not in their order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let (mut rest, written, state) = Self::open(bytes)?;
        let mut learner = Self {
            written,
            state,
            ..Self::default()
        };
        let count = |rest: &mut Rest<'_>, most: usize, path: &str| match rest.u32()? as usize {
            count if count <= most => Ok(count),
            _ => Err(malformed(path, "there are too many")),
        };
        for index in 0..count(&mut rest, MAX_SHOWN, "shown")? {
            let path = || format!("shown[{index}]");
            let id = u128::from_le_bytes(rest.take()?);
            let time = Timestamp(i64::from_le_bytes(rest.take()?));
            let viewer = u64::from_le_bytes(rest.take()?);
            let [products] = rest.take()?;
            let mut tried = Vec::new();
            for _ in 0..products {
                let product = rest.product(&path)?;
                let [fit, price] = [rest.take()?, rest.take()?].map(u16::from_le_bytes);
                tried.push((product, Standing { fit, price }));
                if tried.len() > MAX_PLACES || fit.max(price) > 10_000 {
                    return Err(malformed(path(), "it can't have been shown"));
                }
            }
            if learner
                .shown
                .last_key_value()
                .is_some_and(|last| *last.0 >= id)
            {
                return Err(malformed(path(), "the ids don't ascend"));
            }
            let shown = Shown {
                time,
                viewer,
                tried,
            };
            learner.shown.insert(id, shown);
        }
        for index in 0..count(&mut rest, MAX_CHOSEN, "chosen")? {
            let path = || format!("chosen[{index}]");
            let [named] = rest.take()?;
            let id = u128::from_le_bytes(rest.take()?);
            let chosen = Chosen {
                exposure: (named == 1).then_some(id),
                viewer: u64::from_le_bytes(rest.take()?),
                time: Timestamp(i64::from_le_bytes(rest.take()?)),
                product: rest.product(&path)?,
            };
            if named > 1 || (named == 0 && id != 0) {
                return Err(malformed(path(), "its exposure can't be used"));
            }
            if learner.chosen.last().is_some_and(|last| *last >= chosen) {
                return Err(malformed(path(), "they don't ascend"));
            }
            learner.chosen.insert(chosen);
        }
        rest.end()?;
        Ok(learner)
    }
}
