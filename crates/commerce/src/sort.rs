//! Sorting in little code.
//!
//! The standard library's sorts are compiled anew, at 5 to 15 kilobytes each,
//! for every type and order; in a bundle that a shopper downloads, that was a
//! fifth of all code. This one takes a few hundred bytes for each.

use core::cmp::Ordering;

/// Sorts by heapsort: in place, never worse than n log n, not stable. Callers
/// break their ties, so that the result is one.
pub fn by<T>(items: &mut [T], mut order: impl FnMut(&T, &T) -> Ordering) {
    let mut end = items.len();
    let mut start = end / 2;
    while end > 1 {
        if start > 0 {
            start -= 1;
        } else {
            end -= 1;
            items.swap(0, end);
        }
        let mut root = start;
        loop {
            let mut child = 2 * root + 1;
            if child >= end {
                break;
            }
            if child + 1 < end && order(&items[child], &items[child + 1]).is_lt() {
                child += 1;
            }
            if order(&items[root], &items[child]).is_ge() {
                break;
            }
            items.swap(root, child);
            root = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(mut items in prop::collection::vec(0u8..50, 0..200)) {
            let mut expected = items.clone();
            expected.sort_unstable();
            by(&mut items, Ord::cmp);
            prop_assert_eq!(items, expected);
        }
    }

    #[test]
    fn takes_n_log_n_comparisons_at_worst() {
        for shape in [
            |i: u32| i,
            |i| 1_024 - i,
            |_| 7,
            |i| i % 3,
            |i| i * 7_919 % 1_024,
        ] {
            let mut items: Vec<u32> = (0..1_024).map(shape).collect();
            let mut comparisons = 0;
            by(&mut items, |one, other| {
                comparisons += 1;
                one.cmp(other)
            });
            assert!(items.is_sorted());
            // Two comparisons a level, ten levels, each item once down the heap
            // and once while it is built.
            assert!(comparisons <= 2 * 11 * 1_024, "{comparisons}");
        }
    }
}
