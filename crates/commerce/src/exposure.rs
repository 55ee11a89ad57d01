//! What was shown, what came of it, and which belongs to which.
//!
//! An [`Exposure`] is one ranking that a shopper saw, with the probability
//! (propensity) with which each entry stood where it stood. An [`Outcome`] is
//! something a shopper then did with a product. [`join`] credits outcomes to
//! exposures; off-policy estimates, experiments and training all read its
//! result. Records outlive programs, so each carries a version.

use std::collections::{BTreeMap, BTreeSet};

use crate::codes;
use crate::event::{Event, EventKind};
use crate::fault::{Fault, Faults, Invalid, quote};
use crate::id::{EventId, ExposureId, ListId, ProductId, SessionId, ShopperId};
use crate::money::Money;
use crate::time::Timestamp;

/// The version of the records in this module.
pub const EXPOSURE_VERSION: u16 = 1;

/// One product in a ranking that was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ExposureEntry {
    /// Which product.
    pub product: ProductId,
    /// Where it stood, from 0.
    pub position: u32,
    /// With what probability the policy puts this product at this position;
    /// 1 for a policy without chance. Above 0, at most 1.
    pub propensity: f32,
    /// The model's score, when the policy had one.
    pub score: Option<f32>,
}

/// One ranking that was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposure {
    /// [`EXPOSURE_VERSION`] when the record was written.
    pub version: u16,
    /// The same id twice is the same exposure twice.
    pub id: ExposureId,
    /// When it was shown.
    pub time: Timestamp,
    /// In which list.
    pub list: ListId,
    /// Who saw it, when that is known.
    pub shopper: Option<ShopperId>,
    /// In which visit, when that is known.
    pub session: Option<SessionId>,
    /// The model that ranked, such as `sha256:...`.
    pub model: String,
    /// The experiment's arm.
    pub arm: String,
    /// What was shown, at least one entry.
    pub entries: Vec<ExposureEntry>,
}

impl Exposure {
    /// Checks the record before it is stored or joined.
    ///
    /// # Errors
    /// All of: an unknown version, no entries, a position or product that
    /// occurred before, a propensity that isn't above 0 and at most 1. Paths are
    /// relative to the exposure, such as `entries[2].propensity`.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.version != EXPOSURE_VERSION {
            faults.push(unknown_version(self.version));
        }
        if self.entries.is_empty() {
            faults.push(Fault::new(
                &codes::EVENT_ITEMS_MISSING,
                "entries",
                "the exposure has no entries",
            ));
        }
        let mut positions = BTreeMap::new();
        let mut products = BTreeMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            // The comparison is false for NaN, which is what we want.
            if !(entry.propensity > 0.0 && entry.propensity <= 1.0) {
                faults.push(Fault::new(
                    &codes::PROPENSITY_OUT_OF_RANGE,
                    format!("entries[{index}].propensity"),
                    format!("the propensity is {}", entry.propensity),
                ));
            }
            if let Some(first) = positions.insert(entry.position, index) {
                faults.push(Fault::new(
                    &codes::POSITION_REPEATED,
                    format!("entries[{index}].position"),
                    format!("entries[{first}] has position {} too", entry.position),
                ));
            }
            if let Some(first) = products.insert(&entry.product, index) {
                faults.push(Fault::new(
                    &codes::POSITION_REPEATED,
                    format!("entries[{index}].product"),
                    format!("entries[{first}] is {} too", quote(entry.product.as_str())),
                ));
            }
        }
        faults.into_result(())
    }

    /// Where a product stood first.
    pub fn entry(&self, product: &ProductId) -> Option<&ExposureEntry> {
        self.entries
            .iter()
            .filter(|entry| entry.product == *product)
            .min_by_key(|entry| entry.position)
    }
}

fn unknown_version(version: u16) -> Fault {
    Fault::new(
        &codes::VERSION_UNKNOWN,
        "version",
        format!("the version is {version}, and this program knows {EXPOSURE_VERSION}"),
    )
}

/// What a shopper did with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// Chosen from the list or opened.
    Click,
    /// Put into the cart.
    AddToCart,
    /// Put on the wish list.
    AddToWishlist,
    /// Bought.
    Purchase,
    /// Given back.
    Refund,
}

impl OutcomeKind {
    /// The name in stored records, such as `add_to_cart`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::AddToCart => "add_to_cart",
            Self::AddToWishlist => "add_to_wishlist",
            Self::Purchase => "purchase",
            Self::Refund => "refund",
        }
    }

    /// The outcome that an event is, if it is one.
    pub const fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::SelectItem => Some(Self::Click),
            EventKind::AddToCart => Some(Self::AddToCart),
            EventKind::AddToWishlist => Some(Self::AddToWishlist),
            EventKind::Purchase => Some(Self::Purchase),
            EventKind::Refund => Some(Self::Refund),
            _ => None,
        }
    }
}

/// Something a shopper did with one product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// [`EXPOSURE_VERSION`] when the record was written.
    pub version: u16,
    /// The event it came from. One event with several products makes several
    /// outcomes, so an outcome is identified by event, kind and product.
    pub event: EventId,
    /// What was done.
    pub kind: OutcomeKind,
    /// When.
    pub time: Timestamp,
    /// With which product.
    pub product: ProductId,
    /// Who, when that is known.
    pub shopper: Option<ShopperId>,
    /// In which visit, when that is known.
    pub session: Option<SessionId>,
    /// The ranking it came from, when the page kept its id.
    pub exposure: Option<ExposureId>,
    /// The list it came from, when the event says so.
    pub list: Option<ListId>,
    /// What it was worth, when prices were sent: price times quantity.
    pub value: Option<Money>,
}

impl Outcome {
    /// The outcomes of an event: one for each product, lines of the same
    /// product taken together. None when the event's kind is no outcome.
    ///
    /// # Errors
    /// When a value doesn't fit, or one product has prices in two currencies.
    pub fn of_event(
        event: &Event,
        id: &EventId,
        shopper: Option<&ShopperId>,
        session: Option<&SessionId>,
        exposure: Option<&ExposureId>,
    ) -> Result<Vec<Self>, Invalid> {
        let Some(kind) = OutcomeKind::of(event.kind) else {
            return Ok(Vec::new());
        };
        let mut outcomes: Vec<Self> = Vec::new();
        for item in &event.items {
            let value = match item.price {
                Some(price) => Some(price.times(item.quantity)?),
                None => None,
            };
            if let Some(same) = outcomes
                .iter_mut()
                .find(|outcome| outcome.product == item.product)
            {
                same.value = match (same.value, value) {
                    (Some(one), Some(other)) => Some(one.plus(other)?),
                    (one, other) => one.or(other),
                };
                continue;
            }
            outcomes.push(Self {
                version: EXPOSURE_VERSION,
                event: id.clone(),
                kind,
                time: event.time,
                product: item.product.clone(),
                shopper: shopper.cloned(),
                session: session.cloned(),
                exposure: exposure.cloned(),
                list: event.list.clone(),
                value,
            });
        }
        Ok(outcomes)
    }
}

/// An outcome and the shown entry that it is credited to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Credit<'a> {
    /// What was done.
    pub outcome: &'a Outcome,
    /// The ranking it is credited to.
    pub exposure: &'a Exposure,
    /// The entry of that ranking.
    pub entry: &'a ExposureEntry,
}

/// Why an outcome is credited to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Uncredited {
    /// The outcome's version is unknown.
    Version,
    /// It names an exposure that isn't among the records.
    ExposureMissing,
    /// It names an exposure that belongs to another shopper or visit.
    OtherViewer,
    /// It names an exposure in which the product wasn't shown.
    ProductNotShown,
    /// It names an exposure that was shown later.
    BeforeExposure,
    /// It names an exposure whose window has ended.
    AfterWindow,
    /// It names no exposure, and none of the list, product and viewer was shown
    /// within the window before it.
    NothingShown,
}

/// The result of [`join`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joined<'a> {
    /// The exposures that count, each id once, in the order of their ids: with
    /// those that nothing came of, which estimates need as much.
    pub exposures: Vec<&'a Exposure>,
    /// Each credited outcome once, by time, then event id, product and kind.
    pub credits: Vec<Credit<'a>>,
    /// The other outcomes with the reason, in the same order.
    pub uncredited: Vec<(&'a Outcome, Uncredited)>,
    /// Exposure records that repeated an id and were passed over.
    pub repeated_exposures: usize,
    /// Outcome records that repeated an event, kind and product.
    pub repeated_outcomes: usize,
    /// Exposure records of an unknown version, passed over.
    pub unknown_exposures: usize,
}

impl<'a> Joined<'a> {
    /// What was rewarded: the exposures and their products that an outcome of
    /// this kind is credited to, each once however often it was done.
    pub fn rewarded(&self, kind: OutcomeKind) -> BTreeSet<(&'a ExposureId, &'a ProductId)> {
        self.credits
            .iter()
            .filter(|credit| credit.outcome.kind == kind)
            .map(|credit| (&credit.exposure.id, &credit.entry.product))
            .collect()
    }
}

/// True when nothing speaks against both records being of the same viewer: the
/// shoppers agree where both are known; else the sessions agree where both are
/// known; else neither record knows any viewer, as in one device's own memory.
fn same_viewer(exposure: &Exposure, outcome: &Outcome) -> bool {
    match (
        &exposure.shopper,
        &outcome.shopper,
        &exposure.session,
        &outcome.session,
    ) {
        (Some(one), Some(other), _, _) => one == other,
        (_, _, Some(one), Some(other)) => one == other,
        (None, None, None, None) => true,
        _ => false,
    }
}

/// One of the ways in which a record knows its viewer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Viewer<'a> {
    Shopper(&'a ShopperId),
    Session(&'a SessionId),
    /// A session in which no shopper is known.
    SessionAlone(&'a SessionId),
    Nobody,
}

/// By what an exposure's viewer is found: what [`same_viewer`] says, the other way
/// round.
fn seen_by(exposure: &Exposure) -> impl Iterator<Item = Viewer<'_>> {
    let session = exposure.session.as_ref();
    let ways = match &exposure.shopper {
        Some(shopper) => [
            Some(Viewer::Shopper(shopper)),
            session.map(Viewer::Session),
            None,
        ],
        None => [
            session.map(Viewer::Session),
            session.map(Viewer::SessionAlone),
            session.is_none().then_some(Viewer::Nobody),
        ],
    };
    ways.into_iter().flatten()
}

/// By what the viewer of an outcome is sought.
fn sought_by(outcome: &Outcome) -> impl Iterator<Item = Viewer<'_>> {
    let session = outcome.session.as_ref();
    let ways = match &outcome.shopper {
        Some(shopper) => [
            Some(Viewer::Shopper(shopper)),
            session.map(Viewer::SessionAlone),
        ],
        None => [Some(session.map_or(Viewer::Nobody, Viewer::Session)), None],
    };
    ways.into_iter().flatten()
}

/// Credits outcomes to exposures.
///
/// - An outcome that names an exposure is credited to that exposure or to none:
///   it must have been shown to the same viewer, with the product, no later
///   than the outcome and at most `window` milliseconds before it.
/// - An outcome that names none is credited to the last exposure of its product
///   to the same viewer in its list (in any list when it names none) that was
///   shown no later than it and at most `window` milliseconds before it. Of two
///   at the same moment the one with the larger id counts.
/// - The end of the window belongs to it: an outcome exactly `window`
///   milliseconds after the exposure is credited.
/// - Records may come in any order and any number of times. The same exposure
///   id counts once (the earliest record of it), and so does the same event,
///   kind and product. The result doesn't depend on the order of the input.
///
/// Viewers agree when their shoppers agree; where one shopper is unknown, when
/// their sessions agree; and when neither record knows any viewer.
pub fn join<'a>(exposures: &'a [Exposure], outcomes: &'a [Outcome], window: i64) -> Joined<'a> {
    let mut joined = Joined::default();

    let mut shown: BTreeMap<&ExposureId, &Exposure> = BTreeMap::new();
    for exposure in exposures {
        if exposure.version != EXPOSURE_VERSION {
            joined.unknown_exposures += 1;
            continue;
        }
        let kept = shown.entry(&exposure.id).or_insert(exposure);
        if !std::ptr::eq(*kept, exposure) {
            joined.repeated_exposures += 1;
            if exposure_key(exposure) < exposure_key(kept) {
                *kept = exposure;
            }
        }
    }

    let mut done: BTreeMap<(&EventId, OutcomeKind, &ProductId), &Outcome> = BTreeMap::new();
    for outcome in outcomes {
        let key = (&outcome.event, outcome.kind, &outcome.product);
        let kept = done.entry(key).or_insert(outcome);
        if !std::ptr::eq(*kept, outcome) {
            joined.repeated_outcomes += 1;
            if outcome_key(outcome) < outcome_key(kept) {
                *kept = outcome;
            }
        }
    }
    let mut outcomes: Vec<&Outcome> = done.into_values().collect();
    outcomes.sort_by_key(|outcome| (outcome.time, &outcome.event, &outcome.product, outcome.kind));

    // What outcomes ask for, by product and viewer, then by list: each with the
    // exposures by time and id, so that the last one before an outcome is found at
    // once.
    let mut places: BTreeMap<(&ProductId, Viewer<'_>), ByList<'_>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.exposure.is_none()) {
        for viewer in sought_by(outcome) {
            let of = places.entry((&outcome.product, viewer)).or_default();
            of.entry(outcome.list.as_ref()).or_default();
        }
    }
    for exposure in shown.values() {
        for entry in &exposure.entries {
            for viewer in seen_by(exposure) {
                let Some(of) = places.get_mut(&(&entry.product, viewer)) else {
                    continue;
                };
                for list in [None, Some(&exposure.list)] {
                    if let Some(exposures) = of.get_mut(&list) {
                        exposures.push(exposure);
                    }
                }
            }
        }
    }
    for exposures in places.values_mut().flat_map(BTreeMap::values_mut) {
        exposures.sort_by_key(|exposure| (exposure.time, &exposure.id));
    }

    for outcome in outcomes {
        let found = if outcome.version != EXPOSURE_VERSION {
            Err(Uncredited::Version)
        } else if let Some(id) = &outcome.exposure {
            named(shown.get(id).copied(), outcome, window)
        } else {
            sought_by(outcome)
                .filter_map(|viewer| places.get(&(&outcome.product, viewer)))
                .filter_map(|of| of.get(&outcome.list.as_ref()))
                .filter_map(|exposures| last_shown(exposures, outcome.time, window))
                .max_by_key(|exposure| (exposure.time, &exposure.id))
                .and_then(|exposure| Some((exposure, exposure.entry(&outcome.product)?)))
                .ok_or(Uncredited::NothingShown)
        };
        match found {
            Ok((exposure, entry)) => joined.credits.push(Credit {
                outcome,
                exposure,
                entry,
            }),
            Err(reason) => joined.uncredited.push((outcome, reason)),
        }
    }
    joined.exposures = shown.into_values().collect();
    joined
}

/// What decides between two exposure records of the same id: the earlier one,
/// and then an order by content, so that the input's order never matters.
fn exposure_key(exposure: &Exposure) -> impl Ord + '_ {
    (
        exposure.time,
        &exposure.list,
        &exposure.shopper,
        &exposure.session,
        &exposure.model,
        &exposure.arm,
        exposure
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.position,
                    &entry.product,
                    entry.propensity.to_bits(),
                    entry.score.map(f32::to_bits),
                )
            })
            .collect::<Vec<_>>(),
    )
}

/// The same for two outcome records of the same event, kind and product.
fn outcome_key(outcome: &Outcome) -> impl Ord + '_ {
    (
        outcome.version != EXPOSURE_VERSION,
        outcome.time,
        outcome.version,
        &outcome.exposure,
        &outcome.list,
        &outcome.shopper,
        &outcome.session,
        outcome
            .value
            .map(|value| (value.currency.code(), value.minor)),
    )
}

/// Exposures of one product to one viewer, by list; by none, those in any list.
type ByList<'a> = BTreeMap<Option<&'a ListId>, Vec<&'a Exposure>>;

type Found<'a> = Result<(&'a Exposure, &'a ExposureEntry), Uncredited>;

fn named<'a>(exposure: Option<&'a Exposure>, outcome: &Outcome, window: i64) -> Found<'a> {
    let exposure = exposure.ok_or(Uncredited::ExposureMissing)?;
    if !same_viewer(exposure, outcome) {
        return Err(Uncredited::OtherViewer);
    }
    let entry = exposure
        .entry(&outcome.product)
        .ok_or(Uncredited::ProductNotShown)?;
    let age = outcome.time.since(exposure.time);
    if age < 0 {
        Err(Uncredited::BeforeExposure)
    } else if age > window {
        Err(Uncredited::AfterWindow)
    } else {
        Ok((exposure, entry))
    }
}

/// The last of some exposures in the order of their times before a moment, if it was
/// shown within the window.
fn last_shown<'a>(
    exposures: &[&'a Exposure],
    time: Timestamp,
    window: i64,
) -> Option<&'a Exposure> {
    let end = exposures.partition_point(|exposure| exposure.time <= time);
    let last = exposures[..end].last().copied();
    last.filter(|exposure| time.since(exposure.time) <= window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventItem;
    use crate::money::Currency;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    const WINDOW: i64 = 1_000;

    /// `id time list viewer product,product,...`; a viewer of `-` is unknown,
    /// one that begins with `s` is a shopper, any other is a session.
    fn exposure(text: &str) -> Exposure {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [id, time, list, viewer, products] = words[..] else {
            panic!("five words: {text}")
        };
        let (shopper, session) = who(viewer);
        Exposure {
            version: EXPOSURE_VERSION,
            id: id.parse().expect(id),
            time: Timestamp(time.parse().expect(time)),
            list: list.parse().expect(list),
            shopper,
            session,
            model: "sha256:00".to_owned(),
            arm: "default".to_owned(),
            entries: products
                .split(',')
                .zip(0..)
                .map(|(product, position)| ExposureEntry {
                    product: product.parse().expect(product),
                    position,
                    propensity: 1.0,
                    score: None,
                })
                .collect(),
        }
    }

    /// `event time list viewer product exposure`; `-` is unknown.
    fn outcome(text: &str) -> Outcome {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [event, time, list, viewer, product, exposure] = words[..] else {
            panic!("six words: {text}")
        };
        let (shopper, session) = who(viewer);
        Outcome {
            version: EXPOSURE_VERSION,
            event: event.parse().expect(event),
            kind: OutcomeKind::Click,
            time: Timestamp(time.parse().expect(time)),
            product: product.parse().expect(product),
            shopper,
            session,
            exposure: (exposure != "-").then(|| exposure.parse().expect(exposure)),
            list: (list != "-").then(|| list.parse().expect(list)),
            value: None,
        }
    }

    fn who(text: &str) -> (Option<ShopperId>, Option<SessionId>) {
        match text {
            "-" => (None, None),
            text if text.starts_with('s') => (Some(text.parse().expect(text)), None),
            text => (None, Some(text.parse().expect(text))),
        }
    }

    fn show(joined: &Joined<'_>) -> String {
        let mut text = String::new();
        for credit in &joined.credits {
            text += &format!(
                "{} {} -> {}[{}]\n",
                credit.outcome.event,
                credit.outcome.product,
                credit.exposure.id,
                credit.entry.position
            );
        }
        for (outcome, reason) in &joined.uncredited {
            text += &format!("{} {} -> {reason:?}\n", outcome.event, outcome.product);
        }
        if joined.repeated_exposures + joined.repeated_outcomes + joined.unknown_exposures > 0 {
            text += &format!(
                "repeated {} {} unknown {}\n",
                joined.repeated_exposures, joined.repeated_outcomes, joined.unknown_exposures
            );
        }
        text
    }

    fn check(exposures: &[&str], outcomes: &[&str], expected: &Expect) {
        let exposures: Vec<_> = exposures.iter().map(|text| exposure(text)).collect();
        let outcomes: Vec<_> = outcomes.iter().map(|text| outcome(text)).collect();
        let forward = show(&join(&exposures, &outcomes, WINDOW));
        expected.assert_eq(&forward);
        // Out of order gives the same.
        let exposures: Vec<_> = exposures.into_iter().rev().collect();
        let outcomes: Vec<_> = outcomes.into_iter().rev().collect();
        assert_eq!(show(&join(&exposures, &outcomes, WINDOW)), forward);
    }

    #[test]
    fn by_exposure_id_before_all_else() {
        check(
            &["x1 100 home s1 a,b", "x2 200 home s1 b,a"],
            &["e1 300 home s1 a x1", "e2 300 home s1 a -"],
            &expect![[r#"
                e1 a -> x1[0]
                e2 a -> x2[1]
            "#]],
        );
    }

    #[test]
    fn a_named_exposure_is_never_replaced_by_a_guess() {
        check(
            &["x1 100 home s1 a", "x2 200 home s2 a", "x3 900 home s1 a"],
            &[
                "missing 300 home s1 a x9",
                "viewer 300 home s1 a x2",
                "product 300 home s1 b x1",
                "early 300 home s1 a x3",
                "late 1101 home s1 a x1",
            ],
            &expect![[r#"
                early a -> BeforeExposure
                missing a -> ExposureMissing
                product b -> ProductNotShown
                viewer a -> OtherViewer
                late a -> AfterWindow
            "#]],
        );
    }

    #[test]
    fn the_window_includes_both_ends() {
        check(
            &["x1 100 home s1 a"],
            &[
                "at 100 home s1 a -",
                "before 99 home s1 a -",
                "end 1100 home s1 a -",
                "after 1101 home s1 a -",
                "named-at 100 home s1 a x1",
                "named-end 1100 home s1 a x1",
            ],
            &expect![[r#"
                at a -> x1[0]
                named-at a -> x1[0]
                end a -> x1[0]
                named-end a -> x1[0]
                before a -> NothingShown
                after a -> NothingShown
            "#]],
        );
    }

    #[test]
    fn the_last_of_two_exposures_counts_and_ties_go_to_the_larger_id() {
        check(
            &[
                "x1 100 home s1 a",
                "x2 200 home s1 b,a",
                "x3 200 home s1 a,b",
                "x4 250 search s1 a",
            ],
            &[
                "e1 150 home s1 a -",
                "e2 240 home s1 a -",
                "e3 260 - s1 a -",
                "e4 260 home s1 a -",
            ],
            &expect![[r#"
                e1 a -> x1[0]
                e2 a -> x3[0]
                e3 a -> x4[0]
                e4 a -> x3[0]
            "#]],
        );
    }

    #[test]
    fn viewers_must_agree() {
        check(
            &["x1 100 home s1 a", "x2 110 home v1 a", "x3 120 home - a"],
            &[
                "e1 200 home s1 a -",
                "e2 200 home s2 a -",
                "e3 200 home v1 a -",
                "e4 200 home - a -",
            ],
            &expect![[r#"
                e1 a -> x1[0]
                e3 a -> x2[0]
                e4 a -> x3[0]
                e2 a -> NothingShown
            "#]],
        );
    }

    #[test]
    fn one_viewer_of_very_many_lists_takes_no_longer_than_many() {
        // A search through the others' lists would take 1.6 thousand million steps.
        let exposures: Vec<Exposure> = (0..40_000)
            .map(|i| exposure(&format!("x{i} {i} shelf s1 mug")))
            .collect();
        let outcomes: Vec<Outcome> = (0..40_000)
            .map(|i| outcome(&format!("e{i} {} home s1 mug -", 40_000 + i)))
            .collect();
        let joined = join(&exposures, &outcomes, i64::MAX);
        assert_eq!(joined.uncredited.len(), 40_000);
        let last = outcome("e 39999 shelf s1 mug -");
        let joined = join(&exposures, std::slice::from_ref(&last), 0);
        assert_eq!(joined.credits[0].exposure.id.as_str(), "x39999");
    }

    #[test]
    fn replays_change_nothing_but_the_counts() {
        check(
            &[
                "x1 100 home s1 a,b",
                "x1 100 home s1 a,b",
                "x1 500 home s1 b",
            ],
            &[
                "e1 200 home s1 a -",
                "e1 200 home s1 a -",
                "e1 200 home s1 b -",
                "e1 900 home s1 b -",
            ],
            &expect![[r#"
                e1 a -> x1[0]
                e1 b -> x1[1]
                repeated 2 2 unknown 0
            "#]],
        );
    }

    #[test]
    fn exposures_without_outcomes_count_and_rewards_count_once() {
        let exposures = [
            exposure("x2 100 home s1 a,b"),
            exposure("x1 100 home s1 c"),
            exposure("x2 500 home s1 b"),
        ];
        let clicks = ["e1 200 home s1 a -", "e2 300 home s1 a -"].map(outcome);
        let joined = join(&exposures, &clicks, WINDOW);
        let ids: Vec<_> = joined.exposures.iter().map(|x| x.id.as_str()).collect();
        assert_eq!(ids, ["x1", "x2"]);
        assert_eq!(joined.credits.len(), 2);
        assert_eq!(joined.rewarded(OutcomeKind::Click).len(), 1);
        assert!(joined.rewarded(OutcomeKind::Purchase).is_empty());
    }

    #[test]
    fn unknown_versions_are_told_apart() {
        let mut old = exposure("x1 100 home s1 a");
        old.version = 9;
        let mut late = outcome("e1 200 home s1 a -");
        late.version = 9;
        let records = [old, exposure("x2 100 home s1 a")];
        let outcomes = [late, outcome("e2 200 home s1 a -")];
        expect![[r#"
            e2 a -> x2[0]
            e1 a -> Version
            repeated 0 0 unknown 1
        "#]]
        .assert_eq(&show(&join(&records, &outcomes, WINDOW)));
        assert_eq!(records[0].check().expect_err("version").len(), 1);
    }

    #[test]
    fn every_fault_of_an_exposure_at_once() {
        let mut bad = exposure("x1 100 home s1 a,b,a");
        bad.entries[0].propensity = 0.0;
        bad.entries[1].propensity = f32::NAN;
        bad.entries[1].position = 0;
        let short: Vec<_> = bad
            .check()
            .expect_err("faults")
            .iter()
            .map(|fault| format!("{} {}", fault.path, fault.code))
            .collect();
        expect![[r#"
            entries[0].propensity propensity_out_of_range
            entries[1].propensity propensity_out_of_range
            entries[1].position position_repeated
            entries[2].product position_repeated"#]]
        .assert_eq(&short.join("\n"));
    }

    #[test]
    fn outcomes_of_an_event() {
        let item = |product: &str, quantity, minor: Option<i64>| EventItem {
            product: product.parse().expect(product),
            quantity,
            price: minor.map(|minor| Money::new(minor, Currency::GBP)),
            index: None,
        };
        let mut event = Event {
            id: None,
            time: Timestamp(5),
            kind: EventKind::Purchase,
            transaction: None,
            currency: Some(Currency::GBP),
            list: None,
            items: vec![
                item("a", 2, Some(255)),
                item("b", 1, None),
                item("a", 1, Some(200)),
            ],
        };
        let id: EventId = "e1".parse().expect("an id");
        let outcomes = Outcome::of_event(&event, &id, None, None, None).expect("outcomes");
        let short: Vec<_> = outcomes
            .iter()
            .map(|it| (it.product.as_str(), it.value.map(|value| value.minor)))
            .collect();
        assert_eq!(short, [("a", Some(710)), ("b", None)]);
        event.kind = EventKind::ViewItemList;
        assert_eq!(Outcome::of_event(&event, &id, None, None, None), Ok(vec![]));
    }

    fn records() -> impl Strategy<Value = (Vec<Exposure>, Vec<Outcome>)> {
        let viewer = prop::sample::select(vec!["-", "s1", "s2", "v1"]);
        let exposure = (
            0..6,
            0..40i64,
            0..2,
            viewer.clone(),
            prop::sample::select(vec!["a", "b,a", "a,b,c", "c"]),
        )
            .prop_map(|(id, time, list, viewer, products)| {
                exposure(&format!("x{id} {} l{list} {viewer} {products}", time * 100))
            });
        let named = prop::sample::select(vec!["-", "-", "x1", "x2", "x9"]);
        let outcome = (
            0..6,
            0..50i64,
            0..3,
            viewer,
            prop::sample::select(vec!["a", "b", "c"]),
            named,
        )
            .prop_map(|(id, time, list, viewer, product, named)| {
                let list = if list == 2 {
                    "-".to_owned()
                } else {
                    format!("l{list}")
                };
                outcome(&format!(
                    "e{id} {} {list} {viewer} {product} {named}",
                    time * 100
                ))
            });
        (
            prop::collection::vec(exposure, 0..12),
            prop::collection::vec(outcome, 0..12),
        )
    }

    proptest! {
        #[test]
        fn the_order_of_records_and_replays_never_matter(
            (exposures, outcomes) in records(),
            turn in any::<prop::sample::Index>(),
        ) {
            let first = join(&exposures, &outcomes, WINDOW);
            let (mut moved, mut later) = (exposures.clone(), outcomes.clone());
            if !moved.is_empty() {
                let by = turn.index(moved.len());
                moved.rotate_left(by);
            }
            moved.extend(exposures.clone());
            later.reverse();
            later.extend(outcomes.clone());
            let second = join(&moved, &later, WINDOW);
            prop_assert_eq!(&first.credits, &second.credits);
            prop_assert_eq!(&first.uncredited, &second.uncredited);
        }

        #[test]
        fn credits_keep_the_rules((exposures, outcomes) in records()) {
            let joined = join(&exposures, &outcomes, WINDOW);
            let last = |outcome: &Outcome| {
                let all = joined.exposures.iter().filter(|exposure| {
                    let list = outcome.list.as_ref();
                    same_viewer(exposure, outcome)
                        && exposure.entry(&outcome.product).is_some()
                        && list.is_none_or(|list| *list == exposure.list)
                        && (0..=WINDOW).contains(&outcome.time.since(exposure.time))
                });
                all.max_by_key(|exposure| (exposure.time, &exposure.id)).copied()
            };
            for (outcome, reason) in &joined.uncredited {
                if *reason == Uncredited::NothingShown {
                    prop_assert_eq!(last(outcome), None);
                }
            }
            let mut seen = std::collections::BTreeSet::new();
            for credit in &joined.credits {
                let Credit { outcome, exposure, entry } = credit;
                prop_assert!(seen.insert((&outcome.event, outcome.kind, &outcome.product)));
                prop_assert_eq!(&entry.product, &outcome.product);
                let age = outcome.time.since(exposure.time);
                prop_assert!((0..=WINDOW).contains(&age));
                prop_assert!(same_viewer(exposure, outcome));
                if let Some(named) = &outcome.exposure {
                    prop_assert_eq!(named, &exposure.id);
                } else {
                    prop_assert_eq!(Some(*exposure), last(outcome));
                }
            }
            prop_assert_eq!(
                joined.credits.len() + joined.uncredited.len() + joined.repeated_outcomes,
                outcomes.len()
            );
        }
    }
}
