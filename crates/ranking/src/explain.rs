//! Why a product stands where it stands.
//!
//! The contribution of a group of features is what the score loses when the
//! group is set to its mean over the training data (occlusion, Zeiler and Fergus
//! 2014, applied to inputs). It is exact for what it says, works for any model,
//! and does not add up to the score: groups that act together are each given
//! their joint effect.
//!
//! Of a model with a log, which is a sum of trees, they are the sums of the exact
//! Shapley values of a group's numbers (interventional TreeSHAP, Lundberg et al.
//! 2020), where the numbers that are left out are those of a reference row. They
//! add up to the difference between the score and the reference's.

use shelfedge_commerce::sort;
use shelfedge_features::{Encoded, Group, Shopper, Spec, Tables};

use crate::RankedItem;

/// What makes a reason concrete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing more to say.
    None,
    /// In how many orders the shopper bought it.
    Times(u32),
    /// The product (index) of the session or history that it goes with most.
    GoesWith(u32),
    /// Buyers in the last 30 days of the tables.
    Buyers(u32),
    /// What the shopper answered speaks for it, not what they did.
    Answers,
}

/// A group's part in a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// Which features.
    pub group: Group,
    /// What the score loses without them; negative when they lower it.
    pub contribution: f32,
    /// What makes it concrete.
    pub detail: Detail,
}

/// The section with the row that stands for what is left out.
pub(crate) const REFERENCE: &str = "reference";

/// The largest contribution first; equal ones keep the order of the groups.
pub(crate) fn sort_reasons(item: &mut RankedItem) {
    sort::by(&mut item.reasons, |a, b| {
        b.contribution
            .total_cmp(&a.contribution)
            .then(a.group.cmp(&b.group))
    });
}

/// Whether anything is known that a group could speak of. Without a session or
/// an order the model still reads something into their absence, the same for
/// every product of a kind; that explains nothing to a shopper.
pub(crate) fn applies(shopper: &Shopper, group: Group) -> bool {
    match group {
        Group::Session => !(shopper.session.is_empty() && shopper.cart.is_empty()),
        Group::BoughtBefore | Group::History => !shopper.bought.is_empty(),
        _ => true,
    }
}

/// Sets a group of features to what the model knows as nothing: the mean, or
/// padding.
pub(crate) fn occlude(spec: &Spec, encoded: &mut Encoded, group: Group) {
    let width = spec.candidate.len();
    for (i, feature) in spec.candidate.iter().enumerate() {
        if feature.source.group() == group {
            for row in encoded.candidate.chunks_exact_mut(width) {
                row[i] = 0.0;
            }
        }
    }
    let width = spec.wide.len();
    for (i, cross) in spec.wide.iter().enumerate() {
        if cross.group() == group {
            for row in encoded.wide.chunks_exact_mut(width) {
                row[i] = 0;
            }
        }
    }
    match group {
        Group::Session => encoded.session.fill(0),
        Group::Product => {
            encoded.product.fill(0);
            encoded.title.fill(0);
        }
        _ => {}
    }
}

/// The fact behind a reason.
pub(crate) fn detail(tables: &Tables<'_>, shopper: &Shopper, product: u32, group: Group) -> Detail {
    let strongest = |of: &mut dyn Iterator<Item = u32>| {
        let mut best: Option<(f32, u32)> = None;
        for from in of {
            for (other, similarity) in tables.similar(from) {
                if other == product && best.is_none_or(|(s, _)| similarity > s) {
                    best = Some((similarity, from));
                }
            }
        }
        best.map(|(_, from)| from)
    };
    match group {
        Group::BoughtBefore => Detail::Times(shopper.of(product).map_or(0, |b| b.times)),
        Group::Session => session(shopper, strongest(&mut shopper.session.iter().copied())),
        Group::History if shopper.bought.is_empty() => Detail::Answers,
        Group::History => strongest(&mut shopper.bought.iter().map(|b| b.product))
            .map_or(Detail::None, Detail::GoesWith),
        Group::Popularity => Detail::Buyers(tables.stats(product).buyers[1]),
        _ => Detail::None,
    }
}

/// The fact behind what a session says: the product of it that speaks most.
pub(crate) fn session(shopper: &Shopper, strongest: Option<u32>) -> Detail {
    match strongest {
        Some(product) if shopper.answers().contains(&product) => Detail::Answers,
        Some(product) => Detail::GoesWith(product),
        None if !shopper.session.is_empty() && shopper.answers() == shopper.session => {
            Detail::Answers
        }
        None => Detail::None,
    }
}
