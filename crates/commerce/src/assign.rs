//! Stable assignment of units (shoppers, sessions) to experiment arms.
//!
//! The hash is written here, so that a shopper is in the same arm in the
//! browser, at the edge and in next year's analysis. It is not cryptographic:
//! someone who may choose their own id can choose their arm.

use crate::codes;
use crate::fault::{Fault, Faults, quote};

/// The number of buckets: shares are in basis points.
pub const BUCKETS: u32 = 10_000;

/// A stable 64-bit hash of some parts. `["ab", "c"]` and `["a", "bc"]` differ.
///
/// FNV-1a over each part followed by the byte 0xFF (which UTF-8 never
/// contains), then the three-step finaliser of MurmurHash3, because the high
/// bits of FNV-1a alone are poor on short keys. The values are fixed by tests
/// and never change; another hash would be another function.
pub fn stable_hash(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The bucket of a unit, from 0 to 9,999. The salt is the experiment's name:
/// another experiment shuffles the units anew.
pub fn bucket(salt: &str, unit: &str) -> u32 {
    // The high half of the product maps the hash evenly onto the buckets.
    let wide = u128::from(stable_hash(&[salt, unit])) * u128::from(BUCKETS);
    (wide >> 64) as u32
}

/// An experiment: its salt, and its arms with their shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    salt: String,
    arms: Vec<(String, u32)>,
}

impl Split {
    /// Arms with their shares in basis points. Arms take consecutive buckets in
    /// the order given, so appending an arm at the expense of the last one
    /// moves no other unit.
    ///
    /// # Errors
    /// When the shares don't add up to 10,000, or an arm has no name or the
    /// name of another.
    pub fn new(salt: impl Into<String>, arms: Vec<(String, u32)>) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let total: u64 = arms.iter().map(|(_, share)| u64::from(*share)).sum();
        if total != u64::from(BUCKETS) {
            faults.push(Fault::new(
                &codes::SHARES_INVALID,
                "arms",
                format!("the shares add up to {total}"),
            ));
        }
        for (index, (name, _)) in arms.iter().enumerate() {
            if name.is_empty() {
                faults.push(Fault::new(
                    &codes::TEXT_EMPTY,
                    format!("arms[{index}].name"),
                    "the arm has no name",
                ));
            }
            if arms[..index].iter().any(|(other, _)| other == name) {
                faults.push(Fault::new(
                    &codes::DUPLICATE_ID,
                    format!("arms[{index}].name"),
                    format!("{} is the name of an earlier arm", quote(name)),
                ));
            }
        }
        faults.into_result(Self {
            salt: salt.into(),
            arms,
        })
    }

    /// The arm of a unit.
    pub fn arm(&self, unit: &str) -> &str {
        let bucket = bucket(&self.salt, unit);
        let mut end = 0;
        for (name, share) in &self.arms {
            end += share;
            if bucket < end {
                return name;
            }
        }
        unreachable!("the shares add up to {BUCKETS}")
    }

    /// The share of an arm between 0 and 1: the propensity with which a unit
    /// got it.
    pub fn propensity(&self, arm: &str) -> f32 {
        let share = self.arms.iter().find(|(name, _)| name == arm);
        share.map_or(0.0, |(_, share)| *share as f32 / BUCKETS as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // The values come from a Python transcription of the definition above.
        assert_eq!(stable_hash(&[]), 0xefd0_1f60_ba99_2926);
        assert_eq!(bucket("", ""), 373);
        assert_eq!(bucket("home", "c17850"), 7_184);
        assert_eq!(bucket("茶", "12346"), 179);
        assert_ne!(stable_hash(&["ab", "c"]), stable_hash(&["a", "bc"]));
        assert_ne!(stable_hash(&["a", ""]), stable_hash(&["a"]));
    }

    #[test]
    fn buckets_are_even_and_salts_independent() {
        const UNITS: u32 = 100_000;
        let (mut halves, mut both, mut tenths) = ([0u32; 2], 0u32, [0u32; 10]);
        for unit in 0..UNITS {
            let unit = format!("c{unit}");
            let (first, second) = (bucket("one", &unit), bucket("two", &unit));
            assert!(first < BUCKETS);
            halves[usize::from(first < BUCKETS / 2)] += 1;
            both += u32::from(first < BUCKETS / 2 && second < BUCKETS / 2);
            tenths[(first / 1_000) as usize] += 1;
        }
        // Four standard deviations of a binomial: 2,530 for p = 1/2 would be
        // 632, for a tenth 380, for a quarter 548.
        assert!(halves[0].abs_diff(UNITS / 2) < 632, "{halves:?}");
        assert!(both.abs_diff(UNITS / 4) < 548, "{both}");
        for count in tenths {
            assert!(count.abs_diff(UNITS / 10) < 380, "{tenths:?}");
        }
    }

    #[test]
    fn splits() {
        let arms = |shares: &[(&str, u32)]| {
            shares
                .iter()
                .map(|(name, share)| ((*name).to_owned(), *share))
                .collect::<Vec<_>>()
        };
        let split = Split::new("home", arms(&[("a", 9_000), ("b", 1_000)])).expect("a split");
        let wider =
            Split::new("home", arms(&[("a", 9_000), ("b", 500), ("c", 500)])).expect("a split");
        let mut seen = [0, 0];
        for unit in 0..1_000 {
            let unit = unit.to_string();
            let arm = split.arm(&unit);
            seen[usize::from(arm == "b")] += 1;
            if arm == "a" {
                assert_eq!(wider.arm(&unit), "a");
            }
        }
        assert!(seen[0] > 850 && seen[1] > 50, "{seen:?}");
        assert_eq!(split.propensity("b"), 0.1);
        assert_eq!(split.propensity("z"), 0.0);
        let faults = Split::new("home", arms(&[("a", 1), ("a", 2), ("", 3)])).expect_err("faults");
        assert_eq!(faults.len(), 3);
    }
}
