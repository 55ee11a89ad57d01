//! Re-ranked lists, held to their rules by checkers that share nothing with the
//! code that makes them.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use shelfedge_commerce::{Currency, Faults, ProductId, Timestamp};
use shelfedge_features::attributes::{self, AttributeRow};
use shelfedge_features::tables::{self, ProductRow, Stats, Written};
use shelfedge_features::{Attributes, Meta, Tables};
use shelfedge_ranking::explore::{self, Explore, Kind};
use shelfedge_ranking::rerank::{
    Attribute, Bid, Caps, Diversity, LeftOut, Placement, Rule, Rules, Scored, Shortfall, Sponsored,
    arrange,
};
use shelfedge_ranking::{Candidate, Notes, Sources};

/// A product: title, category and brand (empty is none), buyers in 30 days and
/// ever.
#[derive(Clone, Debug, Default)]
struct Product {
    title: &'static str,
    category: &'static str,
    brand: &'static str,
    seller: &'static str,
    buyers: [u32; 2],
}

/// Tables of products with the ids `p00`, `p01`, ...
struct Shop {
    products: Vec<Product>,
    meta: Vec<u8>,
    written: Written,
    attributes: Vec<u8>,
}

fn id(product: usize) -> String {
    format!("p{product:02}")
}

impl Shop {
    fn new(products: Vec<Product>) -> Self {
        let rows: Vec<ProductRow> = products
            .iter()
            .enumerate()
            .map(|(at, product)| ProductRow {
                id: id(at),
                title: product.title.to_owned(),
                stats: Stats {
                    // All prices are equal: no rule looks at them.
                    price: 250,
                    buyers: [0, product.buyers[0], 0, product.buyers[1]],
                    ..Stats::default()
                },
                similar: Vec::new(),
            })
            .collect();
        let known: Vec<AttributeRow> = products
            .iter()
            .map(|product| AttributeRow {
                category: Some(product.category.to_owned()),
                brand: Some(product.brand.to_owned()),
                seller: Some(product.seller.to_owned()),
            })
            .collect();
        let meta = Meta {
            spec: [1; 32],
            onnx: [2; 32],
            data: [3; 32],
            as_of: Timestamp(0),
            currency: Currency::GBP,
        };
        Self {
            written: tables::write(&rows, 0, &[]),
            meta: meta.write(),
            attributes: attributes::write(&known),
            products,
        }
    }

    fn tables(&self) -> Tables<'_> {
        Tables::open(|name| match name {
            "meta" => Some(self.meta.as_slice()),
            "products" => Some(&self.written.products),
            "similar" => Some(&self.written.similar),
            "popular" => Some(&self.written.popular),
            _ => None,
        })
        .unwrap()
    }

    fn arrange(
        &self,
        scored: Vec<Scored>,
        rules: &Rules<'_>,
        limit: usize,
    ) -> Result<(Vec<usize>, Notes), Faults> {
        let attributes = Attributes::open(&self.attributes, self.products.len()).unwrap();
        let (list, notes) = arrange(&self.tables(), Some(&attributes), scored, rules, limit)?;
        let products = list.iter().map(|(_, it)| it.product as usize);
        Ok((products.collect(), notes))
    }

    /// The list with places that explore, with that seed.
    fn explore(
        &self,
        scores: &[f32],
        rules: &Rules<'_>,
        limit: usize,
        explore: &Explore,
        seed: u64,
    ) -> (Vec<usize>, Notes) {
        let attributes = Attributes::open(&self.attributes, self.products.len()).unwrap();
        let (tables, explore) = (self.tables(), (explore, Timestamp(0), seed));
        let scored = scored(scores);
        let arranged = explore::arrange(&tables, Some(&attributes), scored, rules, limit, explore);
        let (list, notes) = arranged.unwrap();
        let products = list.iter().map(|(_, it)| it.product as usize);
        (products.collect(), notes)
    }

    fn diverse(&self, scores: &[f32], diversity: &Diversity, limit: usize) -> (Vec<usize>, Notes) {
        let rules = Rules {
            diversity: Some(diversity),
            ..Rules::default()
        };
        self.arrange(scored(scores), &rules, limit).unwrap()
    }

    fn names(&self, attribute: Attribute) -> Vec<&'static str> {
        let name = |product: &Product| match attribute {
            Attribute::Category => product.category,
            Attribute::Brand => product.brand,
            Attribute::Seller => product.seller,
        };
        self.products.iter().map(name).collect()
    }

    /// Whether each product is outside the head, by sorting.
    fn tail(&self) -> Vec<bool> {
        let window = usize::from(self.products.iter().all(|it| it.buyers[0] == 0));
        let buyers = |at: usize| u64::from(self.products[at].buyers[window]);
        let total: u64 = (0..self.products.len()).map(buyers).sum();
        let mut order: Vec<usize> = (0..self.products.len()).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(buyers(*at)), *at));
        let mut tail = vec![true; self.products.len()];
        let mut sum = 0;
        for at in order {
            if sum * 10 >= total * 8 {
                break;
            }
            tail[at] = false;
            sum += buyers(at);
        }
        tail
    }

    /// Whether a list holds the rules but where its notes say that it doesn't.
    fn check(
        &self,
        scores: &[f32],
        list: &[usize],
        notes: &Notes,
        rules: &Rules<'_>,
        limit: usize,
    ) {
        let mut distinct = list.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), list.len(), "a product twice");
        assert!(list.len() <= limit);
        let diversity = rules.diversity.copied().unwrap_or_default();
        let mut ended = false;
        for attribute in Attribute::ALL {
            let Some(cap) = diversity.caps.of(attribute) else {
                continue;
            };
            let names = self.names(attribute);
            let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
            for at in list.iter().filter(|at| !names[**at].is_empty()) {
                *counts.entry(names[*at]).or_default() += 1;
            }
            assert!(counts.values().all(|count| *count <= cap), "{counts:?}");
            ended |= notes
                .shortfalls
                .iter()
                .any(|it| it.rule == Rule::Cap(attribute));
        }
        assert_eq!(list.len() < limit.min(scores.len()), ended, "{notes:?}");
        let tail = self.tail();
        let floor = (f64::from(diversity.long_tail) * 10_000.0).round() as usize;
        let (mut have, mut missed) = (0, Vec::new());
        for (place, at) in (1..).zip(list) {
            have += usize::from(tail[*at]);
            let needed = floor * place / 10_000;
            if have < needed {
                missed.push((place as u32, (needed - have) as u32));
            }
        }
        let expected = missed.first().map(|(place, _)| Shortfall {
            rule: Rule::LongTail,
            place: *place,
            missing: missed.iter().map(|(_, missing)| *missing).max().unwrap(),
        });
        let told = notes.shortfalls.iter().find(|it| it.rule == Rule::LongTail);
        assert_eq!(told, expected.as_ref());
    }
}

/// Scores of the products in their order.
fn scored(scores: &[f32]) -> Vec<Scored> {
    (0..)
        .zip(scores)
        .map(|(product, score)| {
            let sources = Sources::GIVEN;
            (*score, Candidate { product, sources })
        })
        .collect()
}

fn by_score(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    order
}

fn bid(product: usize, amount: i64) -> Bid {
    Bid {
        product: ProductId::new(id(product)).unwrap(),
        amount,
        budget_left: None,
        impressions: 0,
    }
}

fn sponsored(places: &[u32], reserve: i64, bids: Vec<Bid>) -> Sponsored {
    Sponsored {
        currency: Currency::GBP,
        places: places.to_vec(),
        reserve,
        frequency_cap: None,
        pacing: 1.0,
        bids,
    }
}

fn selling(sponsored: &Sponsored) -> Rules<'_> {
    Rules {
        sponsored: Some(sponsored),
        ..Rules::default()
    }
}

fn in_category(cap: u32) -> Diversity {
    Diversity {
        caps: Caps {
            category: Some(cap),
            ..Caps::default()
        },
        ..Diversity::default()
    }
}

fn check_faults(rules: &Rules<'_>, expected: &Expect) {
    let shop = Shop::new(vec![Product::default()]);
    let faults = shop.arrange(scored(&[1.0]), rules, 1).unwrap_err();
    let lines: Vec<String> = faults
        .iter()
        .map(|it| format!("{} {}: {}", it.path, it.code, it.cause))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn every_fault_of_the_settings_at_once() {
    let diversity = Diversity {
        caps: Caps {
            category: Some(0),
            brand: Some(1),
            seller: Some(0),
        },
        trade_off: f32::NAN,
        long_tail: 1.5,
    };
    let mut wrong = sponsored(&[0, 3, 201, 3], -1, vec![bid(0, -5), bid(1, 5), bid(0, 5)]);
    wrong.bids[1].budget_left = Some(-7);
    wrong.frequency_cap = Some(0);
    wrong.pacing = -0.5;
    let rules = Rules {
        diversity: Some(&diversity),
        sponsored: Some(&wrong),
        ..Rules::default()
    };
    check_faults(
        &rules,
        &expect![[r#"
        diversity.caps.category cap_out_of_range: the cap is 0
        diversity.caps.seller cap_out_of_range: the cap is 0
        diversity.trade_off share_out_of_range: the share isn't a number
        diversity.long_tail share_out_of_range: the share isn't from 0 to 1
        sponsored.places[0] place_out_of_range: 0 isn't a whole number from 1 to 200
        sponsored.places[2] place_out_of_range: 201 isn't a whole number from 1 to 200
        sponsored.places[3] place_repeated: 3 was named before
        sponsored.reserve money_negative: the amount is -0.01 GBP
        sponsored.frequency_cap cap_out_of_range: the cap is 0
        sponsored.pacing share_out_of_range: the share isn't from 0 to 1
        seed seed_missing: pacing is below 1 and there is no seed
        sponsored.bids[0].bid money_negative: the amount is -0.05 GBP
        sponsored.bids[1].budget_left money_negative: the amount is -0.07 GBP
        sponsored.bids[2].item_id duplicate_id: "p00" bids twice"#]],
    );
    let many = sponsored(&[1; 25], 0, vec![bid(0, 1); 101]);
    let faults = selling(&many).check().unwrap_err();
    assert_eq!(
        faults
            .iter()
            .filter(|it| it.code == "sponsored_too_many")
            .count(),
        2
    );
    let infinite = Diversity {
        trade_off: f32::NEG_INFINITY,
        ..Diversity::default()
    };
    let rules = Rules {
        diversity: Some(&infinite),
        ..Rules::default()
    };
    check_faults(
        &rules,
        &expect!["diversity.trade_off share_out_of_range: the share isn't a number"],
    );
}

#[test]
fn a_cap_on_what_the_model_does_not_know_is_a_fault() {
    let diversity = Diversity {
        caps: Caps {
            brand: Some(2),
            category: Some(2),
            seller: None,
        },
        ..Diversity::default()
    };
    let rules = Rules {
        diversity: Some(&diversity),
        ..Rules::default()
    };
    check_faults(
        &rules,
        &expect![[r#"
        diversity.caps.category attribute_unknown: the model knows the category of no product
        diversity.caps.brand attribute_unknown: the model knows the brand of no product"#]],
    );
    // So it is in a model without any attributes.
    let shop = Shop::new(vec![Product::default()]);
    let faults = arrange(&shop.tables(), None, scored(&[1.0]), &rules, 1).unwrap_err();
    assert_eq!(faults.len(), 2);
}

#[test]
fn caps_that_block_all_that_is_left_end_the_list() {
    let mug = Product {
        category: "mugs",
        ..Product::default()
    };
    let shop = Shop::new(vec![mug; 5]);
    let (list, notes) = shop.diverse(&[0.5; 5], &in_category(2), 4);
    assert_eq!(list, [0, 1]);
    assert_eq!(
        notes.shortfalls,
        [Shortfall {
            rule: Rule::Cap(Attribute::Category),
            place: 3,
            missing: 2,
        }]
    );
}

#[test]
fn products_without_a_category_are_free() {
    let mut products = vec![Product::default(); 4];
    products[0].category = "mugs";
    products[2].category = "mugs";
    let shop = Shop::new(products);
    let (list, notes) = shop.diverse(&[4.0, 3.0, 2.0, 1.0], &in_category(1), 3);
    assert_eq!(list, [0, 1, 3]);
    assert_eq!(notes, Notes::default());
}

#[test]
fn one_product_and_none() {
    let shop = Shop::new(vec![Product::default()]);
    let diversity = Diversity {
        trade_off: 1.0,
        long_tail: 1.0,
        ..Diversity::default()
    };
    let (list, notes) = shop.diverse(&[-3.0], &diversity, 200);
    assert_eq!((list, notes), (vec![0], Notes::default()));
    let (list, notes) = shop.diverse(&[], &diversity, 200);
    assert_eq!((list, notes), (vec![], Notes::default()));
    let alone = sponsored(&[1], 10, vec![bid(0, 30)]);
    let (list, notes) = shop.arrange(scored(&[-3.0]), &selling(&alone), 5).unwrap();
    assert_eq!(list, [0]);
    assert_eq!(notes.placements[0].price.minor, 10);
    assert_eq!(notes.placements[0].quality, 10_000);
}

/// The best score wins, then each place weighs a score of 0 to 1 against the
/// likeness of titles.
#[test]
fn marginal_relevance_by_hand() {
    let titled = |title| Product {
        title,
        ..Product::default()
    };
    let shop = Shop::new(vec![
        titled("red mug"),
        titled("RED, mug!"),
        titled("red lamp"),
        titled("spade"),
    ]);
    let scores = [1.0, 0.9, 0.5, 0.0];
    let list = |trade_off| {
        let diversity = Diversity {
            trade_off,
            ..Diversity::default()
        };
        shop.diverse(&scores, &diversity, 4).0
    };
    assert_eq!(list(0.0), [0, 1, 2, 3]);
    // 0.7 * 0.9 - 0.3 = 0.33 against 0.7 * 0.5 - 0.3 * 0.5 = 0.2 and 0.
    assert_eq!(list(0.3), [0, 1, 2, 3]);
    // 0.45 - 0.5 against 0.25 - 0.25 and 0: the better-scored of equals.
    assert_eq!(list(0.5), [0, 2, 3, 1]);
    // Only likeness counts, and the first of all has none yet.
    assert_eq!(list(1.0), [0, 3, 2, 1]);
}

#[test]
fn category_and_brand_make_products_alike() {
    let of = |category, brand| Product {
        category,
        brand,
        ..Product::default()
    };
    let shop = Shop::new(vec![
        of("mugs", "Acme"),
        of("mugs", "Acme"),
        of("mugs", "Other"),
        of("", "Acme"),
        of("", ""),
    ]);
    let diversity = Diversity {
        trade_off: 1.0,
        ..Diversity::default()
    };
    let (list, _) = shop.diverse(&[5.0, 4.0, 3.0, 2.0, 1.0], &diversity, 5);
    assert_eq!(list, [0, 4, 2, 3, 1]);
}

#[test]
fn the_long_tail_has_its_share_in_every_prefix() {
    let sold = |month, ever| Product {
        buyers: [month, ever],
        ..Product::default()
    };
    // 80 of 100: the first two.
    let month: Vec<Product> = [50, 30, 15, 5, 0].map(|n| sold(n, 1)).to_vec();
    let scores = [5.0, 4.0, 3.0, 2.0, 1.0];
    let diversity = Diversity {
        long_tail: 0.5,
        ..Diversity::default()
    };
    let (list, notes) = Shop::new(month).diverse(&scores, &diversity, 5);
    assert_eq!(list, [0, 2, 1, 3, 4]);
    assert_eq!(notes, Notes::default());
    // Nobody bought in 30 days: the buyers of all time decide, here for the last.
    let ever: Vec<Product> = [1, 1, 1, 1, 60].map(|n| sold(0, n)).to_vec();
    let (list, notes) = Shop::new(ever).diverse(&scores, &diversity, 5);
    assert_eq!(list, [0, 1, 2, 3, 4]);
    assert_eq!(notes, Notes::default());
    // Nobody ever bought: nothing is in the head.
    let never = vec![Product::default(); 5];
    let all = Diversity {
        long_tail: 1.0,
        ..Diversity::default()
    };
    assert_eq!(
        Shop::new(never).diverse(&scores, &all, 5).1,
        Notes::default()
    );
}

#[test]
fn the_floor_gives_way_where_the_tail_is_used_up() {
    let mut products = vec![Product::default(); 4];
    for product in &mut products[..3] {
        product.buyers = [10, 10];
    }
    let diversity = Diversity {
        long_tail: 1.0,
        ..Diversity::default()
    };
    let (list, notes) = Shop::new(products).diverse(&[4.0, 3.0, 2.0, 1.0], &diversity, 3);
    assert_eq!(list, [3, 0, 1]);
    assert_eq!(
        notes.shortfalls,
        [Shortfall {
            rule: Rule::LongTail,
            place: 2,
            missing: 2,
        }]
    );
}

/// Qualities by hand: 2 / (1 + e^(4 - 4r)) is 1 at r = 1, .2384 at r = 1/2 and
/// .0360 at r = 0.
#[test]
fn an_auction_by_hand() {
    let shop = Shop::new(vec![Product::default(); 5]);
    let scores = [4.0, 3.0, 2.0, 1.0, 0.0];
    let mut offers = sponsored(
        &[2, 4],
        5,
        vec![
            bid(2, 100), // 100 * .2384 = 23.84
            bid(0, 20),  // 20
            bid(4, 300), // 300 * .0360 = 10.8
            bid(3, 4),   // below the reserve
            bid(9, 50),  // unknown
        ],
    );
    let (list, notes) = shop.arrange(scored(&scores), &selling(&offers), 5).unwrap();
    // Their own copies are gone from the places they would have had.
    assert_eq!(list, [1, 2, 3, 0, 4]);
    let short: Vec<_> = notes
        .placements
        .iter()
        .map(|it| {
            (
                it.place,
                it.product,
                it.bid_rank,
                it.quality,
                it.price.minor,
                it.runner_up,
            )
        })
        .collect();
    assert_eq!(
        short,
        [
            // 20 / .2384 = 83.89
            (2, 2, 1, 2_384, 84, Some((0, 10_000))),
            // 10.8 / 1
            (4, 0, 2, 10_000, 11, Some((4, 360))),
        ]
    );
    assert_eq!(
        notes.left_out,
        [
            (2, LeftOut::Outbid),
            (3, LeftOut::BelowReserve),
            (4, LeftOut::Unknown)
        ]
    );
    // With less left than it would take, the first makes way and is asked for no
    // more than it has.
    offers.bids[0].budget_left = Some(50);
    let (list, notes) = shop.arrange(scored(&scores), &selling(&offers), 5).unwrap();
    assert_eq!(list, [1, 0, 3, 2, 4]);
    // 50 * .2384 = 11.92 and 300 * .0360 / .2384 = 45.3.
    let prices: Vec<_> = notes.placements.iter().map(|it| it.price.minor).collect();
    assert_eq!(prices, [12, 46]);
    offers.bids[0].budget_left = Some(4);
    offers.bids[1].impressions = 3;
    offers.frequency_cap = Some(3);
    let (_, notes) = shop.arrange(scored(&scores), &selling(&offers), 5).unwrap();
    assert_eq!(
        notes.left_out[..2],
        [(0, LeftOut::Budget), (1, LeftOut::FrequencyCap)]
    );
    assert_eq!(notes.placements.len(), 1);
    assert_eq!(
        (notes.placements[0].place, notes.placements[0].price.minor),
        (2, 5)
    );
}

#[test]
fn only_candidates_are_sponsored() {
    let shop = Shop::new(vec![Product::default(); 3]);
    let offers = sponsored(&[1], 1, vec![bid(2, 50)]);
    let candidates = scored(&[1.0, 0.5]);
    let (list, notes) = shop.arrange(candidates, &selling(&offers), 3).unwrap();
    assert_eq!(list, [0, 1]);
    assert_eq!(notes.left_out, [(0, LeftOut::NotACandidate)]);
}

#[test]
fn caps_hold_for_sponsored_products_too() {
    let mug = Product {
        category: "mugs",
        ..Product::default()
    };
    let mut products = vec![mug; 3];
    products.push(Product::default());
    let shop = Shop::new(products);
    let diversity = in_category(1);
    let offers = sponsored(&[1, 2], 1, vec![bid(0, 50), bid(1, 40), bid(3, 30)]);
    let rules = Rules {
        diversity: Some(&diversity),
        ..selling(&offers)
    };
    let (list, notes) = shop.arrange(scored(&[1.0; 4]), &rules, 4).unwrap();
    assert_eq!(list, [0, 3]);
    // The second mug is what the first has to beat; the last has no rival.
    let prices: Vec<_> = notes.placements.iter().map(|it| it.price.minor).collect();
    assert_eq!(prices, [40, 1]);
    assert_eq!(notes.left_out, [(1, LeftOut::Capped)]);
}

#[test]
fn a_place_beyond_the_lists_end_is_not_sold() {
    let shop = Shop::new(vec![Product::default(); 3]);
    let offers = sponsored(&[2, 9], 1, vec![bid(0, 50), bid(1, 40)]);
    let (list, notes) = shop
        .arrange(scored(&[3.0, 2.0, 1.0]), &selling(&offers), 20)
        .unwrap();
    assert_eq!(list, [1, 0, 2]);
    assert_eq!(notes.placements.len(), 1);
    assert_eq!(notes.left_out, [(1, LeftOut::NoPlace)]);
    // Nor is one beyond the limit, from the start.
    let (list, notes) = shop
        .arrange(scored(&[3.0, 2.0, 1.0]), &selling(&offers), 1)
        .unwrap();
    assert_eq!(list, [0]);
    assert_eq!(
        notes.left_out,
        [(0, LeftOut::NoPlace), (1, LeftOut::NoPlace)]
    );
}

#[test]
fn equal_bids_are_ordered_by_product() {
    let shop = Shop::new(vec![Product::default(); 4]);
    let offers = sponsored(&[1, 2], 1, vec![bid(3, 40), bid(1, 40), bid(2, 40)]);
    let (list, notes) = shop
        .arrange(scored(&[1.0; 4]), &selling(&offers), 4)
        .unwrap();
    assert_eq!(list, [1, 2, 0, 3]);
    // With the same weight the lower index is before, so nobody pays more.
    let prices: Vec<_> = notes.placements.iter().map(|it| it.price.minor).collect();
    assert_eq!(prices, [40, 40]);
    assert_eq!(notes.placements[0].runner_up, Some((2, 10_000)));
}

#[test]
fn pacing_lets_the_share_of_seeds_through() {
    let shop = Shop::new(vec![Product::default(); 2]);
    let mut offers = sponsored(&[1], 1, vec![bid(1, 40)]);
    offers.pacing = 0.3;
    let shown = |shopper: &str| {
        let seeds = 0..4_000u64;
        let shown = seeds.filter(|seed| {
            let rules = Rules {
                seed: Some(*seed),
                shopper: Some(shopper),
                ..selling(&offers)
            };
            let (_, notes) = shop.arrange(scored(&[1.0, 0.0]), &rules, 2).unwrap();
            assert!(notes.placements.len() == 1 || notes.left_out == [(0, LeftOut::Paced)]);
            notes.placements.len() == 1
        });
        shown.collect::<Vec<_>>()
    };
    let (ann, bob) = (shown("ann"), shown("bob"));
    assert_ne!(ann, bob);
    // Four standard deviations of a binomial with p = .3 are 116.
    assert!(ann.len().abs_diff(1_200) < 116, "{}", ann.len());
    offers.pacing = 0.0;
    let rules = Rules {
        seed: Some(7),
        ..selling(&offers)
    };
    let (_, notes) = shop.arrange(scored(&[1.0, 0.0]), &rules, 2).unwrap();
    assert!(notes.placements.is_empty());
}

#[test]
fn the_floor_of_the_tail_looks_ahead_to_sponsored_places() {
    // Places 3 and 4 are sold to the head; three of four must be from the tail by
    // then, which can't be; two of four can.
    let mut products = vec![Product::default(); 8];
    for product in &mut products[..4] {
        product.buyers = [10, 10];
    }
    let shop = Shop::new(products);
    let offers = sponsored(&[3, 4], 1, vec![bid(0, 50), bid(1, 40)]);
    let scores = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
    let with = |long_tail| {
        let diversity = Diversity {
            long_tail,
            ..Diversity::default()
        };
        let rules = Rules {
            diversity: Some(&diversity),
            ..selling(&offers)
        };
        shop.arrange(scored(&scores), &rules, 6).unwrap()
    };
    let (list, notes) = with(0.5);
    assert_eq!(list, [4, 5, 0, 1, 2, 6]);
    assert!(notes.shortfalls.is_empty());
    let (list, notes) = with(0.75);
    assert_eq!(list[..4], [4, 5, 0, 1]);
    assert_eq!(
        (notes.shortfalls[0].place, notes.shortfalls[0].missing),
        (4, 1)
    );
}

fn exploring(policy: Kind, places: &[u32]) -> Explore {
    Explore {
        policy,
        places: places.to_vec(),
        pool: 4,
        share: 0.4,
        ..Explore::default()
    }
}

#[test]
fn a_place_explores_what_the_list_would_not_show() {
    let shop = Shop::new(vec![Product::default(); 9]);
    let scores: Vec<f32> = (0..9).map(|at| 9.0 - at as f32).collect();
    let explore = exploring(Kind::Thompson, &[2]);
    let mut seen: BTreeMap<usize, (u32, f32)> = BTreeMap::new();
    const LISTS: u32 = 4_000;
    for seed in 0..LISTS {
        let rules = Rules::default();
        let (list, notes) = shop.explore(&scores, &rules, 4, &explore, seed.into());
        assert_eq!([list[0], list[2], list[3]], [0, 1, 2]);
        let (count, propensity) = seen.entry(list[1]).or_default();
        (*count, *propensity) = (*count + 1, notes.drawn[0].propensity);
    }
    // The four best of the others, of which the same is believed: nothing.
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [3, 4, 5, 6]);
    for (count, propensity) in seen.values() {
        // Rates that are equal on the grid go to the pool's ends.
        assert!((propensity - 0.25).abs() < 1e-4, "{propensity}");
        let share = f64::from(*count) / f64::from(LISTS);
        // Four standard errors of a quarter in 4,000.
        assert!((share - 0.25).abs() < 0.0275, "{share}");
    }
    // Nothing is known of LinUCB's model either, whose bounds are then the contexts'
    // lengths: the best-fitting are the least certain.
    let (_, notes) = shop.explore(
        &scores,
        &Rules::default(),
        4,
        &exploring(Kind::LinUcb, &[2]),
        1,
    );
    let drawn = notes.drawn[0];
    let propensity = if drawn.standing.fit == 6_250 {
        0.7
    } else {
        0.1
    };
    assert_eq!((drawn.propensity, drawn.standing.price), (propensity, 0));
}

#[test]
fn where_there_is_nothing_to_try_nothing_is_tried() {
    let shop = Shop::new(vec![Product::default(); 3]);
    let scores = [3.0, 2.0, 1.0];
    let explore = |places: &[u32], limit| {
        let explore = exploring(Kind::Thompson, places);
        shop.explore(&scores, &Rules::default(), limit, &explore, 5)
    };
    // All are shown anyway; a place beyond the end; one product for two places.
    assert_eq!(explore(&[1], 5), (vec![0, 1, 2], Notes::default()));
    assert_eq!(explore(&[9], 2), (vec![0, 1], Notes::default()));
    let (list, notes) = explore(&[3, 1], 3);
    assert_eq!((list.len(), notes.drawn.len()), (3, 2));
    assert_eq!(list[1], 0);
    let (list, notes) = explore(&[1, 2], 2);
    assert_eq!((list.len(), notes.drawn.len()), (2, 2));
}

#[test]
fn every_fault_of_an_exploration_at_once() {
    let explore = Explore {
        places: vec![0, 3, 3, 201, 5],
        share: 0.0,
        pool: 65,
        prior_rate: 0.001,
        alpha: f32::NAN,
        ..Explore::default()
    };
    let faults = explore.check().unwrap_err();
    let lines: Vec<String> = faults
        .iter()
        .map(|it| format!("{} {}: {}", it.path, it.code, it.cause))
        .collect();
    expect![[r#"
        explore.places explore_places: there are 5 places, and 1 to 4 explore
        explore.places[0] place_out_of_range: 0 isn't a whole number from 1 to 200
        explore.places[2] place_repeated: 3 was named before
        explore.places[3] place_out_of_range: 201 isn't a whole number from 1 to 200
        explore.share explore_share: the share is 0
        explore.pool explore_pool: 65 isn't a whole number from 1 to 64
        explore.prior_rate explore_prior: a rate of 0.001 with the strength of 100 trials
        explore.alpha share_out_of_range: the share isn't a number"#]]
    .assert_eq(&lines.join("\n"));
}

const TITLES: [&str; 6] = [
    "red mug",
    "blue mug",
    "red lamp",
    "garden spade",
    "",
    "茶 mug",
];
const NAMES: [&str; 4] = ["", "a", "b", "c"];

prop_compose! {
    fn product()(
        title in 0..TITLES.len(),
        category in 0..NAMES.len(),
        brand in 0..NAMES.len(),
        seller in 0..NAMES.len(),
        buyers in [0u32..6, 0u32..6],
    ) -> Product {
        Product {
            title: TITLES[title],
            category: NAMES[category],
            brand: NAMES[brand],
            seller: NAMES[seller],
            buyers,
        }
    }
}

/// Products with coarse scores, so that many are equal. The first has all
/// attributes, so that every cap is known.
fn shop() -> impl Strategy<Value = (Vec<Product>, Vec<f32>)> {
    prop::collection::vec((product(), 0u8..6), 1..24).prop_map(|list| {
        let (mut products, scores): (Vec<_>, Vec<_>) = list.into_iter().unzip();
        products[0].category = "a";
        products[0].brand = "a";
        products[0].seller = "a";
        (products, scores.into_iter().map(f32::from).collect())
    })
}

prop_compose! {
    fn diversity()(
        caps in [prop::option::of(1u32..4), prop::option::of(1u32..4), prop::option::of(1u32..4)],
        trade_off in 0u8..=10,
        long_tail in 0u8..=20,
    ) -> Diversity {
        let [category, brand, seller] = caps;
        Diversity {
            caps: Caps { category, brand, seller },
            trade_off: f32::from(trade_off) / 10.0,
            long_tail: f32::from(long_tail) / 20.0,
        }
    }
}

prop_compose! {
    fn market()(
        places in prop::collection::btree_set(1u32..12, 0..5),
        reserve in 0i64..20,
        frequency_cap in prop::option::of(1u32..4),
        pacing in prop::sample::select(vec![0.0f32, 0.5, 1.0, 1.0]),
        bids in prop::collection::btree_map(
            0usize..26,
            (0i64..60, prop::option::of(0i64..60), 0u32..4),
            0..10,
        ),
    ) -> Sponsored {
        Sponsored {
            currency: Currency::GBP,
            places: places.into_iter().collect(),
            reserve,
            frequency_cap,
            pacing,
            bids: bids
                .into_iter()
                .map(|(product, (amount, budget_left, impressions))| Bid {
                    budget_left,
                    impressions,
                    ..bid(product, amount)
                })
                .collect(),
        }
    }
}

prop_compose! {
    fn exploration()(
        linucb in any::<bool>(),
        places in prop::collection::btree_set(1u32..14, 1..4),
        share in 1u8..=10,
        pool in 1u32..12,
    ) -> Explore {
        Explore {
            policy: Kind::ALL[usize::from(linucb)],
            places: places.into_iter().rev().collect(),
            share: f32::from(share) / 10.0,
            pool,
            ..Explore::default()
        }
    }
}

fn all<'a>(diversity: &'a Diversity, sponsored: &'a Sponsored) -> Rules<'a> {
    Rules {
        diversity: Some(diversity),
        sponsored: Some(sponsored),
        seed: Some(7),
        shopper: Some("ann"),
    }
}

/// The placement of a product, if it is sponsored.
fn placed(notes: &Notes, product: &ProductId) -> Option<Placement> {
    let mut placements = notes.placements.iter();
    placements
        .find(|it| id(it.product as usize) == product.as_str())
        .copied()
}

proptest! {
    #[test]
    fn lists_hold_their_rules_or_say_so(
        (products, scores) in shop(),
        diversity in diversity(),
        market in market(),
        limit in 1usize..30,
    ) {
        let shop = Shop::new(products);
        let rules = all(&diversity, &market);
        let (list, notes) = shop.arrange(scored(&scores), &rules, limit).unwrap();
        shop.check(&scores, &list, &notes, &rules, limit);
        // Every bid is placed or left out, once.
        prop_assert_eq!(notes.placements.len() + notes.left_out.len(), market.bids.len());
        for placement in &notes.placements {
            prop_assert!(market.places.contains(&placement.place));
            prop_assert_eq!(list[placement.place as usize - 1], placement.product as usize);
        }
        // Without the bids the rules hold as well.
        let rules = Rules { sponsored: None, ..rules };
        let (list, notes) = shop.arrange(scored(&scores), &rules, limit).unwrap();
        shop.check(&scores, &list, &notes, &rules, limit);
    }

    #[test]
    fn whatever_is_drawn_the_rules_hold_and_the_rest_stays(
        (products, scores) in shop(),
        diversity in diversity(),
        market in market(),
        limit in 1usize..30,
        exploration in exploration(),
    ) {
        let shop = Shop::new(products);
        let rules = all(&diversity, &market);
        let with = |seed| shop.explore(&scores, &rules, limit, &exploration, seed);
        let (first, before) = with(0);
        let open = |notes: &Notes| notes.drawn.iter().map(|it| it.place).collect::<Vec<_>>();
        for seed in 0..20 {
            let (list, notes) = with(seed);
            prop_assert_eq!(&with(seed), &(list.clone(), notes.clone()));
            shop.check(&scores, &list, &notes, &rules, limit);
            // Chance has the same places, none that is sold, and changes no other.
            prop_assert_eq!(open(&notes), open(&before));
            prop_assert_eq!(&notes.placements, &before.placements);
            prop_assert_eq!(&notes.left_out, &before.left_out);
            prop_assert_eq!(list.len(), first.len());
            for (place, (at, was)) in (1..).zip(list.iter().zip(&first)) {
                match notes.drawn(place) {
                    None => prop_assert_eq!(at, was),
                    Some(drawn) => {
                        prop_assert!(exploration.places.contains(&drawn.place));
                        prop_assert!(notes.sponsor(place).is_none());
                        prop_assert!(drawn.propensity > 0.0 && drawn.propensity <= 1.0);
                    }
                }
            }
        }
    }

    #[test]
    fn without_rules_it_is_the_models_order(
        (products, scores) in shop(),
        limit in 1usize..30,
        exact in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 24),
    ) {
        let shop = Shop::new(products);
        for scores in [&scores, &exact[..scores.len()].to_vec()] {
            let (list, notes) = shop.diverse(scores, &Diversity::default(), limit);
            let mut expected = by_score(scores);
            expected.truncate(limit);
            prop_assert_eq!(list, expected);
            prop_assert_eq!(notes, Notes::default());
        }
    }

    #[test]
    fn the_candidates_order_changes_nothing(
        (products, scores) in shop(),
        diversity in diversity(),
        market in market(),
        limit in 1usize..30,
        keys in prop::collection::vec(any::<u32>(), 24),
    ) {
        let shop = Shop::new(products);
        let rules = all(&diversity, &market);
        let mut other: Vec<(u32, Scored)> = keys.into_iter().zip(scored(&scores)).collect();
        other.sort_by_key(|(key, _)| *key);
        let other = other.into_iter().map(|(_, it)| it).collect();
        prop_assert_eq!(
            shop.arrange(scored(&scores), &rules, limit),
            shop.arrange(other, &rules, limit)
        );
    }

    #[test]
    fn a_price_lies_between_reserve_and_bid_and_is_the_least_that_keeps_the_place(
        (products, scores) in shop(),
        diversity in diversity(),
        market in market(),
    ) {
        let shop = Shop::new(products);
        let (_, notes) = shop.arrange(scored(&scores), &all(&diversity, &market), 20).unwrap();
        for bid in &market.bids {
            let Some(placement) = placed(&notes, &bid.product) else { continue };
            let price = placement.price.minor;
            prop_assert!((market.reserve..=bid.amount).contains(&price));
            prop_assert!(bid.budget_left.is_none_or(|left| price <= left));
            // As the response lets anyone compute it.
            let rival = placement.runner_up.map_or(0, |(product, quality)| {
                let mut bids = market.bids.iter();
                let rival = bids.find(|it| it.product.as_str() == id(product as usize)).unwrap();
                let amount = rival.budget_left.map_or(rival.amount, |left| left.min(rival.amount));
                amount * i64::from(quality)
            });
            let level = (rival + i64::from(placement.quality) - 1) / i64::from(placement.quality);
            prop_assert!([level, level + 1, market.reserve].contains(&price));
            prop_assert!(price >= level);
            // What it pays with any other bid.
            let with = |amount: i64| {
                let mut market = market.clone();
                let own = market.bids.iter_mut().find(|it| it.product == bid.product).unwrap();
                own.amount = amount;
                let rules = all(&diversity, &market);
                let (_, notes) = shop.arrange(scored(&scores), &rules, 20).unwrap();
                placed(&notes, &bid.product)
            };
            for amount in price.max(market.reserve).max(1)..=bid.amount {
                let same = with(amount).map(|it| (it.place, it.price));
                prop_assert_eq!(same, Some((placement.place, placement.price)), "{}", amount);
            }
            if price > 1 {
                let below = with(price - 1).map(|it| it.place);
                prop_assert!(below.is_none_or(|place| place > placement.place));
            }
        }
    }

    #[test]
    fn a_higher_bid_has_no_worse_place_in_a_full_list(
        (products, scores) in shop(),
        diversity in diversity(),
        market in market(),
        raise in 1i64..80,
    ) {
        let shop = Shop::new(products);
        let (listed, before) = shop.arrange(scored(&scores), &all(&diversity, &market), 20).unwrap();
        for at in 0..market.bids.len() {
            let product = &market.bids[at].product;
            let Some(old) = placed(&before, product) else { continue };
            let mut raised = market.clone();
            raised.bids[at].amount += raise;
            let rules = all(&diversity, &raised);
            let (relisted, after) = shop.arrange(scored(&scores), &rules, 20).unwrap();
            if listed.len().min(relisted.len()) < scores.len().min(20) {
                // The list ends early, and not always with the same product.
                continue;
            }
            let new = placed(&after, product);
            prop_assert!(new.is_some_and(|new| new.place <= old.place), "{:?} {:?}", old, new);
            if let Some(new) = new.filter(|new| new.place == old.place) {
                prop_assert_eq!(new.price, old.price);
            }
        }
    }
}
