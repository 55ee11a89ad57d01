//! Recall: which products are worth scoring.

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

/// The candidates for a shopper, sorted by product, at most `limit`: what they
/// bought before (up to two fifths of the list), what is similar to this session
/// (three tenths) and to their purchases (three tenths), filled up with popular
/// products.
#[must_use]
pub fn recall(
    tables: &Tables<'_>,
    shopper: &Shopper,
    affinity: &Affinity,
    limit: usize,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::with_capacity(limit * 2);
    let mut take = |list: &[u32], quota: usize, source: Sources| {
        found.extend(list.iter().take(quota).map(|p| Candidate {
            product: *p,
            sources: source,
        }));
    };

    let mut bought: Vec<_> = shopper.bought.iter().collect();
    bought.sort_unstable_by(|a, b| {
        b.times
            .cmp(&a.times)
            .then(b.last.cmp(&a.last))
            .then(a.product.cmp(&b.product))
    });
    let bought: Vec<u32> = bought.iter().map(|b| b.product).collect();
    take(&bought, limit * 2 / 5, Sources::BOUGHT_AGAIN);

    for by_session in [true, false] {
        let mut similar: Vec<(f32, u32)> = affinity
            .products()
            .map(|(product, session, history)| {
                (if by_session { session } else { history }, product)
            })
            .filter(|(strength, _)| *strength > 0.0)
            .collect();
        similar.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let similar: Vec<u32> = similar.iter().map(|(_, p)| *p).collect();
        take(&similar, limit * 3 / 10, Sources::SIMILAR);
    }
    // What the shopper looks at is a candidate too.
    take(&shopper.session, limit, Sources::SIMILAR);

    let mut candidates = merge(found);
    candidates.truncate(limit);
    for product in tables.popular() {
        match candidates.binary_search_by_key(&product, |c| c.product) {
            Ok(at) => candidates[at].sources = candidates[at].sources.with(Sources::POPULAR),
            Err(at) if candidates.len() < limit => {
                candidates.insert(
                    at,
                    Candidate {
                        product,
                        sources: Sources::POPULAR,
                    },
                );
            }
            Err(_) => {}
        }
    }
    candidates
}

/// Joins equal products and sorts by product.
pub(crate) fn merge(mut found: Vec<Candidate>) -> Vec<Candidate> {
    found.sort_unstable_by_key(|c| c.product);
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
