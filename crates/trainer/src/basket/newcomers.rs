//! What leads to a product that nobody bought yet: what leads to those with titles
//! like its own, or photos.

use std::collections::BTreeMap;

use shelfedge_features::basket::TABLES;
use shelfedge_features::basket::fit::{Newcomer, Sources, titles};

use super::tables::strongest;
use crate::protocol::Window;
use crate::shop::Shop;

/// Likeness of two titles, as a cosine, that says something.
const ALIKE: f32 = 0.2;
/// The same of two photos. Embeddings are told from the mean photo, so that most pairs
/// are at 0 or below.
const LOOKS_ALIKE: f32 = 0.5;
/// Products that stand for a new one, at most.
const MOST_ALIKE: usize = 10;

/// The products that the shop has and never sold.
pub(super) fn never_sold(shop: &Shop) -> Vec<bool> {
    let sold = shop.sold(i64::MAX).into_iter();
    sold.map(|sold| !sold).collect()
}

/// The products that were new as a window began, of a shop that has new ones: what was
/// first sold in it. What was never sold teaches nothing.
pub(super) fn of_window(shop: &Shop, window: Window) -> Vec<bool> {
    if !never_sold(shop).contains(&true) {
        return vec![false; shop.products.len()];
    }
    let before = shop.sold(window.from);
    let until = shop.sold(window.to);
    let both = before.into_iter().zip(until);
    both.map(|(before, until)| until && !before).collect()
}

/// The products that stand for each new one that has some: those whose titles or photos
/// are most alike, by the larger of the two likenesses. `photos` may be empty. All shares together are the likeness of the most alike.
pub(super) fn stand_ins(
    of: &[Option<&str>],
    photos: &[&[i8]],
    newcomers: &[bool],
) -> Vec<Newcomer> {
    let (terms, titles) = titles(of);
    let unit = |title: &[(u16, u8)]| {
        let square: f32 = title.iter().map(|(_, w)| f32::from(*w).powi(2)).sum();
        let length = square.sqrt().max(1.0);
        let weights = title
            .iter()
            .map(|(term, w)| (*term, f32::from(*w) / length));
        weights.collect::<Vec<_>>()
    };
    let titles: Vec<Vec<(u16, f32)>> = titles.iter().map(|title| unit(title)).collect();
    let mut with: Vec<Vec<(u32, f32)>> = vec![Vec::new(); terms];
    let all = (0u32..).zip(&titles).zip(newcomers);
    for ((product, title), _) in all.clone().filter(|(_, new)| !**new) {
        for (term, weight) in title {
            with[usize::from(*term)].push((product, *weight));
        }
    }
    let looks: Vec<(u32, &[i8], f32)> = (0u32..)
        .zip(photos)
        .zip(newcomers)
        .filter(|(_, new)| !**new)
        .filter_map(|((product, photo), _)| Some((product, *photo, scale(photo)?)))
        .collect();
    let alike = |product: u32, title: &[(u16, f32)]| {
        let mut sums: BTreeMap<u32, f32> = BTreeMap::new();
        for (term, weight) in title {
            for (other, theirs) in &with[usize::from(*term)] {
                *sums.entry(*other).or_default() += weight * theirs;
            }
        }
        sums.retain(|_, likeness| *likeness >= ALIKE);
        let photo = photos.get(product as usize).copied().unwrap_or_default();
        if let Some(own) = scale(photo) {
            for (other, theirs, scale) in &looks {
                let likeness = both(photo, theirs) as f32 * own * scale;
                if likeness >= LOOKS_ALIKE {
                    let most = sums.entry(*other).or_default();
                    *most = most.max(likeness);
                }
            }
        }
        let mut all: Vec<(u32, f32)> = sums.into_iter().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(MOST_ALIKE);
        let sum: f32 = all.iter().map(|(_, likeness)| likeness).sum();
        let largest = all.first().map_or(0.0, |(_, likeness)| *likeness);
        all.iter_mut()
            .for_each(|(_, share)| *share *= largest / sum);
        all
    };
    all.filter(|(_, new)| **new)
        .map(|((product, title), _)| Newcomer {
            product,
            shares: alike(product, title),
        })
        .filter(|found| !found.shares.is_empty())
        .collect()
}

/// The sum of products of two embeddings.
fn both(a: &[i8], b: &[i8]) -> i32 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// One over an embedding's length; nothing where there is none.
fn scale(photo: &[i8]) -> Option<f32> {
    let square = both(photo, photo);
    (square > 0).then(|| 1.0 / (square as f32).sqrt())
}

/// Gives newcomers, to whom nothing leads, the weights of those that stand for them,
/// and a weight from each of those itself: as large as the largest that leads to it.
pub(super) fn introduce(tables: &mut [Sources; TABLES], newcomers: &[Newcomer], keep: usize) {
    for table in tables {
        let columns = newcomers.iter().map(|newcomer| {
            let mut sums: BTreeMap<u32, f32> = BTreeMap::new();
            for (other, share) in &newcomer.shares {
                let column = &table[*other as usize];
                let largest = column.iter().fold(0.0f32, |most, (_, w)| most.max(*w));
                for (from, weight) in column.iter().chain([&(*other, largest)]) {
                    *sums.entry(*from).or_default() += share * weight;
                }
            }
            strongest(sums.into_iter().collect(), keep)
        });
        for (newcomer, column) in newcomers.iter().zip(columns.collect::<Vec<_>>()) {
            table[newcomer.product as usize] = column;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: [Option<&str>; 5] = [
        Some("red lunch bag"),
        Some("blue lunch bag"),
        Some("oak chair"),
        Some("green lunch bag"),
        Some("velvet sofa"),
    ];
    const NEW: [bool; 5] = [false, false, false, true, true];

    #[test]
    fn titles_say_who_stands_for_a_newcomer() {
        let found = stand_ins(&TITLES, &[], &NEW);
        assert_eq!(found.len(), 1, "nothing is like a sofa");
        let Newcomer { product, shares } = &found[0];
        assert_eq!(*product, 3);
        let others: Vec<u32> = shares.iter().map(|(other, _)| *other).collect();
        assert_eq!(others, [0, 1]);
        // Colours are in one title each, and say nothing: both are alike in all that is left.
        for (_, share) in shares {
            assert!((share - 0.5).abs() < 0.01, "{shares:?}");
        }
    }

    #[test]
    fn photos_stand_for_a_newcomer_whose_title_is_like_none() {
        let photos: [&[i8]; 5] = [&[127, 0], &[], &[100, 90], &[-1, 127], &[0, 127]];
        let found = stand_ins(&TITLES, &photos, &NEW);
        let of = |product: u32| found.iter().find(|newcomer| newcomer.product == product);
        let sofa = of(4).expect("by its photo");
        // 3 has the same photo, and is new itself.
        let likeness = 90.0 / (100.0f32 * 100.0 + 90.0 * 90.0).sqrt();
        assert_eq!(sofa.shares.len(), 1);
        assert_eq!(sofa.shares[0].0, 2);
        assert!((sofa.shares[0].1 - likeness).abs() < 1e-5, "{sofa:?}");
        let bag: Vec<u32> = of(3).expect("by both").shares.iter().map(|s| s.0).collect();
        assert_eq!(bag, [0, 1, 2], "titles say all, the photo adds the chair");
    }

    #[test]
    fn a_newcomer_is_led_to_by_what_leads_to_its_like_and_by_those() {
        let one: Sources = vec![
            vec![(2, 0.4)],
            vec![(0, 0.2), (2, 0.2)],
            vec![(0, 0.3)],
            vec![],
            vec![],
        ];
        let mut tables: [Sources; TABLES] = std::array::from_fn(|_| one.clone());
        introduce(&mut tables, &stand_ins(&TITLES, &[], &NEW), 3);
        for table in tables {
            assert_eq!(table[..3], one[..3], "what is known stays");
            assert!(table[4].is_empty());
            let expected = [(0, 0.3), (1, 0.1), (2, 0.3)];
            assert_eq!(table[3].len(), 3, "{table:?}");
            for (found, expected) in table[3].iter().zip(expected) {
                assert_eq!(found.0, expected.0);
                assert!((found.1 - expected.1).abs() < 0.01, "{table:?}");
            }
        }
    }
}
