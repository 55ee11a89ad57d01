//! What exploration learns from events: one stored value per list, which rankings of
//! the list draw by.
//!
//! An event teaches when it names its exposure or its list: `view_item_list` with the
//! items that chance put there (`tried`), as they were in the ranking's answer, and
//! then `select_item`, `add_to_cart`, `add_to_wishlist` or `purchase` of one of them.
//! Each counts once, when half an hour has passed; see
//! [`Learner`](shelfedge_ranking::explore::Learner).

use shelfedge_commerce::assign::{bucket, stable_hash};
use shelfedge_commerce::{EventKind, ExposureId, ListId, OutcomeKind, ShopperId};
use shelfedge_ranking::explore::{Chosen, Lesson, MAX_LEARNER_BYTES, Shown};
use shelfedge_wire::events::Received;
use shelfedge_wire::rank::DEFAULT_LIST;
use std::collections::BTreeMap;

use crate::profile::MAX_PROFILE_BYTES;

// One bound for all that is stored.
const _: () = assert!(MAX_LEARNER_BYTES <= MAX_PROFILE_BYTES);

/// The key under which is stored what is known of a list.
#[must_use]
pub fn key(list: &str) -> String {
    format!("explore/{list}")
}

/// Whether a shopper is among those, this many in a hundred, whose events teach. It is
/// decided by shopper, so that trials and rewards are of the same ones.
#[must_use]
pub fn is_learner(shopper: &ShopperId, percent: u32) -> bool {
    bucket("explore", shopper.as_str()) < percent * 100
}

/// The number that an exposure's id is; none for an id that no ranking has.
fn number(exposure: &ExposureId) -> Option<u128> {
    let id = exposure.as_str();
    let is_ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(id, 16).ok().filter(|_| is_ours)
}

/// What events teach, by list, of this many shoppers in a hundred.
#[must_use]
pub fn lessons(received: &[Received], percent: u32) -> BTreeMap<String, Lesson> {
    let mut lessons: BTreeMap<String, Lesson> = BTreeMap::new();
    for item in received {
        let Some(shopper) = item.shopper.as_ref().filter(|it| is_learner(it, percent)) else {
            continue;
        };
        let (event, exposure) = (&item.event, item.exposure.as_ref().and_then(number));
        if exposure.is_none() && event.list.is_none() {
            continue;
        }
        let list = event.list.as_ref().map_or(DEFAULT_LIST, ListId::as_str);
        let viewer = stable_hash(&["viewer", shopper.as_str()]);
        let time = event.time;
        if event.kind == EventKind::ViewItemList
            && let Some(exposure) = exposure
            && !item.tried.is_empty()
        {
            let tried = item.tried.clone();
            let shown = Shown {
                time,
                viewer,
                tried,
            };
            lessons
                .entry(list.to_owned())
                .or_default()
                .shown
                .push((exposure, shown));
        }
        if OutcomeKind::of(event.kind).is_some_and(|kind| kind != OutcomeKind::Refund) {
            let chosen = event.items.iter().map(|item| Chosen {
                exposure,
                viewer,
                time,
                product: item.product.clone(),
            });
            lessons
                .entry(list.to_owned())
                .or_default()
                .chosen
                .extend(chosen);
        }
    }
    lessons
}
