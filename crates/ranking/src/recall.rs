//! Recall: which products are worth scoring.

use shelfedge_commerce::sort;
use shelfedge_features::{Affinity, Shopper, Tables};

/// Where a candidate came from; a candidate may have several sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources(u8);

impl Sources {
    /// The shopper bought it before.
    pub const BOUGHT_AGAIN: Self = Self(1);
    /// It is similar to what the shopper looks at or has bought.
    pub const SIMILAR: Self = Self(2);
    /// It is on the popular list.
    pub const POPULAR: Self = Self(4);
    /// The request named it.
    pub const GIVEN: Self = Self(8);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::BOUGHT_AGAIN, "bought_again"),
        (Self::SIMILAR, "similar"),
        (Self::POPULAR, "popular"),
        (Self::GIVEN, "given"),
    ];

    /// Whether all of the other's sources are among these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Their names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(s, _)| self.contains(*s))
            .map(|(_, name)| name)
    }
}

/// A product to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the tables.
    pub product: u32,
    /// Where it came from.
    pub sources: Sources,
}

/// Candidates without a list from the request, at most.
pub const RECALL: usize = 200;

/// The candidates for a shopper, sorted by product, at most `limit`.
///
/// In order of worth, until the list is full: the products of this session, what
/// the shopper bought before (up to two fifths of the list), what is similar to
/// the session (a quarter) and to the purchases (a fifth), and popular products
/// for all the rest; of each, only those that are `allowed`.
#[must_use]
pub fn recall(
    tables: &Tables<'_>,
    shopper: &Shopper,
    affinity: &Affinity,
    limit: usize,
    allowed: impl Fn(u32) -> bool,
) -> Vec<Candidate> {
    // In order of worth; `merge` joins the repeats.
    let mut found: Vec<Candidate> = Vec::with_capacity(limit * 2);
    let mut distinct: Vec<u32> = Vec::with_capacity(limit);
    let mut take = |list: &mut dyn Iterator<Item = u32>, quota: usize, source: Sources| {
        for product in list.filter(|product| allowed(*product)).take(quota) {
            match distinct.binary_search(&product) {
                Ok(_) => {}
                Err(_) if distinct.len() == limit => continue,
                Err(at) => distinct.insert(at, product),
            }
            found.push(Candidate {
                product,
                sources: source,
            });
        }
    };

    take(
        &mut shopper.session.iter().copied(),
        limit,
        Sources::SIMILAR,
    );
    let mut bought: Vec<_> = shopper.bought.iter().collect();
    sort::by(&mut bought, |a, b| {
        b.times
            .cmp(&a.times)
            .then(b.last.cmp(&a.last))
            .then(a.product.cmp(&b.product))
    });
    take(
        &mut bought.iter().map(|b| b.product),
        limit * 2 / 5,
        Sources::BOUGHT_AGAIN,
    );
    let mut similar: Vec<(f32, u32)> = Vec::new();
    for (by_session, quota) in [(true, limit / 4), (false, limit / 5)] {
        similar.clear();
        similar.extend(
            affinity
                .products()
                .map(|(product, session, history)| {
                    (if by_session { session } else { history }, product)
                })
                .filter(|(strength, _)| *strength > 0.0),
        );
        sort::by(&mut similar, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        take(
            &mut similar.iter().map(|(_, p)| *p),
            quota,
            Sources::SIMILAR,
        );
    }
    take(&mut tables.popular(), usize::MAX, Sources::POPULAR);
    merge(found)
}

/// The candidates that a log gave, best first, as [`recall`] would give them:
/// those that are `allowed`, of which `similar` tells those that more than their
/// popularity speaks for. Where they are fewer than the list's places, popular
/// products join that are allowed.
pub(crate) fn followers(
    tables: &Tables<'_>,
    shopper: &Shopper,
    mut found: Vec<u32>,
    similar: impl Fn(u32) -> bool,
    allowed: impl Fn(u32) -> bool,
    places: usize,
) -> Vec<Candidate> {
    found.retain(|product| allowed(*product));
    let mut list: Vec<Candidate> = found
        .iter()
        .map(|&product| {
            let source = match similar(product) {
                true => Sources::SIMILAR,
                false => Sources::POPULAR,
            };
            Candidate {
                product,
                sources: match shopper.of(product) {
                    Some(_) => source.with(Sources::BOUGHT_AGAIN),
                    None => source,
                },
            }
        })
        .collect();
    let missing = places.saturating_sub(found.len());
    let more = tables
        .popular()
        .filter(|product| !found.contains(product) && allowed(*product));
    list.extend(more.take(missing).map(|product| Candidate {
        product,
        sources: Sources::POPULAR,
    }));
    merge(list)
}

/// Joins equal products and sorts by product.
pub(crate) fn merge(mut found: Vec<Candidate>) -> Vec<Candidate> {
    sort::by(&mut found, |a, b| a.product.cmp(&b.product));
    let mut merged: Vec<Candidate> = Vec::with_capacity(found.len());
    for candidate in found {
        match merged.last_mut() {
            Some(last) if last.product == candidate.product => {
                last.sources = last.sources.with(candidate.sources)
            }
            _ => merged.push(candidate),
        }
    }
    merged
}
