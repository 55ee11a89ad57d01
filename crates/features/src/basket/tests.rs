//! Signals and columns of a small shop; the numbers come from another
//! implementation, in Python.

use proptest::prelude::*;
use shelfedge_engine::math::ln_1p;

use super::fit::{Learnt, Line, Order, Sources, write};
use super::*;

const PRODUCTS: usize = 7;

fn order(customer: u32, age: f32, lines: &[(u32, u32)]) -> Order {
    Order {
        customer,
        age,
        lines: lines
            .iter()
            .map(|(product, pieces)| Line {
                product: *product,
                pieces: ln_1p(*pieces as f32),
                price: (100 * (product + 1)) as f32 * if age < 21.0 { 0.5 } else { 1.0 },
            })
            .collect(),
    }
}

fn orders() -> Vec<Order> {
    vec![
        order(0, 100.0, &[(0, 1), (1, 2)]),
        order(1, 90.0, &[(0, 1), (2, 1)]),
        order(2, 70.0, &[(1, 3), (3, 1)]),
        order(0, 50.0, &[(0, 2), (3, 1)]),
        order(1, 40.0, &[(2, 5)]),
        order(3, 20.0, &[(0, 1), (4, 1)]),
        order(2, 10.0, &[(3, 1), (4, 2)]),
        order(1, 5.0, &[(0, 1), (5, 1)]),
    ]
}

/// Each product leads to the next and to the one after that.
fn ring(weight: f32) -> Sources {
    let all = PRODUCTS as u32;
    (0..all)
        .map(|to| {
            let back = |steps: u32| (to + all - steps) % all;
            vec![(back(1), weight), (back(2), -weight / 2.0)]
        })
        .collect()
}

fn section_of(orders: &[Order], products: usize, tables: [Sources; TABLES]) -> Vec<u8> {
    section_with(orders, products, tables, &[])
}

/// Photos of all products but 1: those of 0 and 4 are alike, that of 5 is the opposite
/// of 3's.
const LOOKS: [&[i8]; PRODUCTS] = [
    &[127, 0, 0],
    &[],
    &[0, 0, -90],
    &[0, 127, 0],
    &[120, 40, 0],
    &[0, -127, 0],
    &[10, 10, 127],
];

fn section_with(
    orders: &[Order],
    products: usize,
    tables: [Sources; TABLES],
    photos: &[&[i8]],
) -> Vec<u8> {
    let titles: Vec<Option<&str>> = (0..products)
        .map(|product| {
            Some(match product {
                0 => "Red cup",
                3 => "red CUP large 12",
                4 => "Blue plate",
                5 => "plate",
                _ => "lonely-once",
            })
            .filter(|_| product != 6)
        })
        .collect();
    write(&Learnt {
        reading: Reading {
            neighbours: 300,
            places: 60,
            candidates: 200,
        },
        products,
        orders,
        tables,
        newcomers: &[],
        photos,
        titles: &titles,
        customers_bytes: 10_000,
    })
}

fn section() -> Vec<u8> {
    section_of(&orders(), PRODUCTS, [0.8, 0.4, 0.2, 0.1].map(ring))
}

fn past(orders: &[(i64, &[(u32, u64)])]) -> Past {
    let mut past = Past::default();
    for (age, lines) in orders {
        past.add(age * shelfedge_commerce::time::DAY, lines.to_vec());
    }
    past
}

fn shopper() -> Past {
    past(&[(60, &[(0, 1)]), (8, &[(3, 1), (0, 1), (0, 1)])])
}

fn near(found: f32, expected: f32) -> bool {
    (found - expected).abs() <= 0.03 * expected.abs() + 1e-4
}

#[test]
fn columns_of_a_small_shop() {
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let expected: [(Column, [f32; PRODUCTS]); 13] = [
        (Column::Buyers7, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
        (Column::Buyers14, [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
        (Column::Buyers30, [2.0, 0.0, 0.0, 1.0, 2.0, 1.0, 0.0]),
        (Column::Buyers60, [3.0, 0.0, 1.0, 2.0, 2.0, 1.0, 0.0]),
        (Column::Buyers90, [3.0, 1.0, 1.0, 2.0, 2.0, 1.0, 0.0]),
        (Column::BuyersBefore, [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        (Column::FirstBuyers, [1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 0.0]),
        // What was never sold was last sold when the history begins.
        (Column::Last, [5.0, 70.0, 40.0, 10.0, 10.0, 5.0, 100.0]),
        (Column::First, [100.0, 100.0, 90.0, 70.0, 20.0, 5.0, 0.0]),
        (Column::Orders, [1.6667, 1.0, 2.0, 1.5, 1.0, 1.0, 0.0]),
        (
            Column::Again,
            [
                0.39286, 0.14286, 0.19048, 0.39286, 0.28571, 0.28571, 0.28571,
            ],
        ),
        (
            Column::Interval,
            [63.0357, 61.25, 59.375, 61.0417, 61.25, 61.25, 61.25],
        ),
        (
            Column::Pieces,
            [0.77424, 1.24245, 1.24245, 0.693, 0.89588, 0.693, 0.0],
        ),
    ];
    for (column, values) in expected {
        for (product, value) in (0u32..).zip(values) {
            let found = basket.column(column, product);
            assert!(
                (found - value).abs() < 1e-3 * value.max(1.0),
                "{column:?} {product} {found}"
            );
        }
    }
    // The median of all prices, and the newest over it.
    assert_eq!(basket.column(Column::Price, 2), 300.0);
    assert_eq!(basket.column(Column::Price, 3), 400.0);
    assert_eq!(basket.column(Column::Promotion, 3), 0.5);
    assert_eq!(basket.column(Column::Promotion, 6), 1.0);
    assert_eq!(basket.column(Column::Price, 99), 0.0);
}

#[test]
fn signals_of_a_small_shop() {
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let mut signals = Signals::default();
    // What an earlier query left behind changes nothing.
    signals.fill(&basket, None, &past(&[(3, &[(5, 1), (6, 2)])]));
    signals.fill(&basket, None, &shopper());
    let expected: [(Signal, [f32; PRODUCTS]); 4] = [
        (Signal::Own, [2.3742, 0.0, 0.0, 1.27117, 0.0, 0.0, 0.0]),
        (
            Signal::Neighbours,
            [1.05993, 0.313, 0.32121, 0.53244, 0.36493, 0.22478, 0.0],
        ),
        (
            Signal::NeighboursNow,
            [0.4724, 0.0, 0.0, 0.15912, 0.40016, 0.23137, 0.0],
        ),
        (
            Signal::NeighboursFirst,
            [0.24103, 0.0, 0.0, 0.0, 0.40016, 0.23137, 0.0],
        ),
    ];
    let value = |product: u32, signal: Signal| {
        signals
            .find(product)
            .map_or(0.0, |row| signals.rows[row][signal as usize])
    };
    for (signal, values) in expected {
        for (product, expected) in (0u32..).zip(values) {
            let found = value(product, signal);
            assert!(
                near(found, expected),
                "{signal:?} {product} {found} {expected}"
            );
        }
    }
    // From 0 and 3 by the ring: the newest order held both, 0 twice in all.
    let lately = |days: &[f32]| -> f32 { days.iter().map(|age| fade(*age, 120.0)).sum() };
    for (signal, weight) in [(Signal::Similar, 0.8), (Signal::Recent, 0.2)] {
        assert!(near(value(1, signal), weight * lately(&[60.0, 8.0])));
        assert!(near(value(2, signal), -weight / 2.0 * lately(&[60.0, 8.0])));
        assert!(near(value(4, signal), weight * lately(&[8.0])));
    }
    assert!(near(value(1, Signal::Weights), 0.4 * lately(&[60.0, 8.0])));
    assert!(near(value(1, Signal::WeightsOnce), 0.4));
    assert!(near(value(5, Signal::WeightsOnce), -0.2));
    assert!(near(value(1, Signal::SameOrder), 0.1));
    assert!(near(value(4, Signal::SameOrder), 0.1));
}

#[test]
fn rows_that_overlap_are_read_no_longer_than_there_are_cells() {
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let table = basket.tables[Table::Similar as usize];
    let cells = table.weights.len();
    let read = |ends: [u32; PRODUCTS]| {
        let ends: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        let damaged = Rows {
            ends: &ends,
            ..table
        };
        let (mut left, mut read) = (cells, 0);
        for product in 0..PRODUCTS as u32 {
            damaged.from(product, None, &mut left, |_, _| read += 1);
        }
        (read, left)
    };
    let all = cells as u32;
    assert_eq!(read([all, 0, all, 0, all, 0, all]), (cells, 0));
    assert_eq!(read([u32::MAX; PRODUCTS]), (cells, 0));
    assert_eq!(read([all, all - 1, 0, 0, 1, 0, 0]), (cells, 0));
    assert_eq!(read([2, 1, 3, 0, 0, 0, 0]), (4, cells - 4));
}

#[test]
fn the_popular_are_found_without_reading_all_of_them() {
    // Buyers of 14 and of 60 days of 4,000 products.
    let mut rng = 7u32;
    let mut orders = Vec::new();
    for customer in 0..6_000u32 {
        rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let product = (rng >> 16) * (rng >> 20 & 15) % 4_000;
        let age = if rng & 256 == 0 { 5.0 } else { 30.0 };
        orders.push(order(customer, age, &[(product, 1)]));
    }
    let tables = [(); TABLES].map(|()| vec![Vec::new(); 4_000]);
    let section = section_of(&orders, 4_000, tables);
    let basket = Basket::open(&section, 4_000).expect("a section");
    let mut all: Vec<u32> = (0..4_000).collect();
    all.retain(|product| basket.popularity(*product) > 0.0 && product % 3 > 0);
    all.sort_by(|a, b| basket.popularity(*b).total_cmp(&basket.popularity(*a)));
    assert!(all.len() > 500, "{}", all.len());
    for keep in [0, 1, 7, 40, 200, all.len(), 4_000] {
        let found = basket.popular(keep, |product| product % 3 > 0);
        assert_eq!(found, all[..keep.min(all.len())], "{keep}");
    }
}

#[test]
fn candidates_are_led_to_or_popular_and_new_ones_never_bought() {
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let mut signals = Signals::default();
    signals.fill(&basket, None, &shopper());
    let mut all = signals.candidates(&basket, None, false);
    assert_eq!(all[..3], [0, 1, 4], "the first by a signal, by number");
    all.sort_unstable();
    assert_eq!(
        all,
        [0, 1, 2, 3, 4, 5],
        "6 was never sold and is led away from"
    );
    let mut new = signals.candidates(&basket, None, true);
    new.sort_unstable();
    assert_eq!(new, [1, 2, 4, 5]);

    signals.fill(&basket, None, &Past::default());
    assert_eq!(signals.candidates(&basket, None, true), [0, 3, 4, 5, 2]);
    let mut out = Vec::new();
    signals.encode(&basket, &Past::default(), true, &[6, 0], &mut out);
    assert_eq!(out.len(), 2 * WIDTH);
    assert!(out.iter().all(|x| x.is_finite()));
}

#[test]
fn encoded_numbers_have_a_group_each_and_tell_what_they_should() {
    assert_eq!(groups(false).len(), WIDTH);
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let (mut signals, mut out) = (Signals::default(), Vec::new());
    let past = shopper();
    signals.fill(&basket, None, &past);
    signals.candidates(&basket, None, false);
    signals.encode(&basket, &past, false, &[0, 3, 4], &mut out);
    let rows: Vec<&[f32]> = out.chunks_exact(WIDTH).collect();
    // After the signals, their places and their shares stand the titles: 0 and 3
    // are both red cups, and neither is compared with itself.
    let titles = SIGNALS + PLACES + 3;
    assert!(rows[0][titles] > 0.9 && rows[1][titles] > 0.9);
    assert!((rows[0][titles + 1] - 1.0).abs() < 1e-2 && rows[0][titles + 2] == 1.0);
    assert_eq!(rows[2][titles..titles + 3], [0.0; 3]);
    // The last ones: what the shopper did with it, and which list it is.
    let own = |row: usize| &rows[row][WIDTH - 22..];
    assert_eq!(own(0)[..4], [2.0, 8.0, 60.0, 1.0]);
    assert_eq!(own(0)[7..10], [0.0, 0.0, 52.0]);
    assert_eq!(own(1)[..4], [1.0, 8.0, 8.0, 0.5]);
    assert_eq!(own(2)[..4], [0.0, 999.0, 0.0, 0.0]);
    let repeated = [1.0, 1.0, 2.0, 1.0];
    assert_eq!(own(0)[15..19], repeated);
    assert_eq!(own(0)[20..], [52.0, 0.0]);
    assert_eq!(own(1)[15..19], [0.0, 1.0, 1.0, 0.5]);
}

#[test]
fn photos_are_two_more_numbers_behind_the_others() {
    let tables = || [0.8, 0.4, 0.2, 0.1].map(ring);
    let [without, section] =
        [&[][..], &LOOKS].map(|photos| section_with(&orders(), PRODUCTS, tables(), photos));
    assert_eq!(without, self::section());
    // Three numbers a product, in whole words.
    assert_eq!(section.len(), without.len() + 24);
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let plain = Basket::open(&without, PRODUCTS).expect("a section");
    assert_eq!((plain.width(), basket.width()), (WIDTH, WIDTH + 2));
    assert_eq!(groups(true).len(), WIDTH + 2);
    let (mut signals, mut out, mut before) = (Signals::default(), Vec::new(), Vec::new());
    let past = shopper();
    let all: Vec<u32> = (0..PRODUCTS as u32).collect();
    for (basket, out) in [(&plain, &mut before), (&basket, &mut out)] {
        signals.fill(basket, None, &past);
        signals.candidates(basket, None, false);
        signals.encode(basket, &past, false, &all, out);
    }
    let rows: Vec<&[f32]> = out.chunks_exact(WIDTH + 2).collect();
    for (row, before) in rows.iter().zip(before.chunks_exact(WIDTH)) {
        assert_eq!(row[..WIDTH], *before, "photos change nothing else");
    }
    let [whole, most] = PHOTO_LIKENESS;
    // 0 was bought three times, 3 once: neither is compared with itself.
    let fading = |ages: &[f32]| -> f32 { ages.iter().map(|age| fade(*age, 360.0)).sum() };
    let (zero, three) = (fading(&[60.0, 8.0]), fading(&[8.0]));
    let length = (zero * zero + three * three).sqrt();
    assert!(
        (rows[0][whole] - zero / length).abs() < 1e-2,
        "{:?}",
        &rows[0][whole..]
    );
    assert_eq!((rows[0][most], rows[3][most]), (0.0, 0.0));
    let of_four = 120.0 / (120.0f32 * 120.0 + 40.0 * 40.0).sqrt();
    assert!((rows[4][most] - of_four).abs() < 1e-5);
    assert!(rows[4][whole] > 0.95 && rows[5][whole] < 0.0 && rows[5][most] == 0.0);
    assert_eq!(rows[1][whole..], [0.0, 0.0], "no photo");
    // Nobody's past says nothing.
    signals.fill(&basket, None, &Past::default());
    signals.candidates(&basket, None, false);
    signals.encode(&basket, &Past::default(), false, &all, &mut out);
    assert!(
        out.chunks_exact(WIDTH + 2)
            .all(|row| row[whole..] == [0.0, 0.0])
    );
}

#[test]
fn ones_own_past_in_the_log_is_nobody_alike() {
    let section = section();
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    let mut signals = Signals::default();
    // Customer 2, who later bought 5 too.
    let own = past(&[
        (70, &[(1, 3), (3, 1)]),
        (10, &[(3, 1), (4, 2)]),
        (1, &[(5, 1)]),
    ]);
    signals.fill(&basket, None, &own);
    let with = of_neighbours(&signals);
    assert!(with.iter().any(|(_, signals)| signals[0] > 0.0));
    let others: Vec<Order> = orders().into_iter().filter(|o| o.customer != 2).collect();
    let section = section_of(&others, PRODUCTS, [0.8, 0.4, 0.2, 0.1].map(ring));
    let basket = Basket::open(&section, PRODUCTS).expect("a section");
    signals.fill(&basket, None, &own);
    assert_eq!(of_neighbours(&signals), with);
}

/// What customers alike say of each product.
fn of_neighbours(signals: &Signals) -> Vec<(u32, Vec<f32>)> {
    let rows = signals.products.iter().zip(&signals.rows);
    let mut all: Vec<(u32, Vec<f32>)> = rows
        .map(|(product, row)| (*product, row[Signal::Neighbours as usize..].to_vec()))
        .collect();
    all.sort_by_key(|(product, _)| *product);
    all
}

#[test]
fn the_newest_customers_stay_where_room_is_short() {
    let titles = vec![None; PRODUCTS];
    let orders = orders();
    let of = |customers_bytes: usize| {
        let section = write(&Learnt {
            reading: Reading {
                neighbours: 1,
                places: 1,
                candidates: 1,
            },
            products: PRODUCTS,
            orders: &orders,
            tables: [0.0; TABLES].map(ring),
            newcomers: &[],
            photos: &[],
            titles: &titles,
            customers_bytes,
        });
        let basket = Basket::open(&section, PRODUCTS).expect("a section");
        basket
            .customers()
            .map(|c| {
                (c.start..c.end)
                    .map(|i| basket.log.get(i))
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of(100).len(), 4);
    assert!(of(100).is_sorted(), "who they are decides no place");
    // Six bytes for a customer, three for a product.
    assert_eq!(of(15), [[5, 0, 2]], "customer 1 alone, who came last");
    assert!(of(14).is_empty());
}

#[test]
fn more_products_than_two_bytes_number() {
    let many = 70_000;
    let orders = [
        order(0, 9.0, &[(69_999, 1), (5, 1)]),
        order(1, 2.0, &[(69_999, 1), (66_000, 1)]),
    ];
    let mut table: Sources = vec![Vec::new(); many];
    table[66_001] = vec![(5, 0.5)];
    let section = section_of(&orders, many, core::array::from_fn(|_| table.clone()));
    let basket = Basket::open(&section, many).expect("a section");
    let mut signals = Signals::default();
    signals.fill(&basket, None, &past(&[(3, &[(5, 1)])]));
    let mut found = signals.candidates(&basket, None, true);
    found.sort_unstable();
    assert_eq!(found, [66_000, 66_001, 69_999]);
}

#[test]
fn every_truncation_is_an_error() {
    let tables = [0.8, 0.4, 0.2, 0.1].map(ring);
    let with_photos = section_with(&orders(), PRODUCTS, tables, &LOOKS);
    for section in [&section(), &with_photos] {
        for length in 0..section.len() {
            assert!(Basket::open(&section[..length], PRODUCTS).is_err());
        }
    }
    // A width without photos, and photos without a width.
    for (at, byte) in [(4, 0), (40, 0), (40, 65)] {
        let mut changed = with_photos.clone();
        changed[at] = byte;
        assert!(Basket::open(&changed, PRODUCTS).is_err());
    }
    let section = section();
    assert!(
        Basket::open(&section, PRODUCTS + 1).is_err(),
        "another catalogue"
    );
}

proptest! {
    #[test]
    fn what_is_changed_in_a_section_is_an_error_or_harmless(
        at in 0usize..4_000,
        byte: u8,
        photos: bool,
        bought in prop::collection::vec((0u32..9, 0u64..4), 0..6),
    ) {
        let tables = [0.8, 0.4, 0.2, 0.1].map(ring);
        let looks: &[&[i8]] = if photos { &LOOKS } else { &[] };
        let mut section = section_with(&orders(), PRODUCTS, tables, looks);
        let at = at % section.len();
        section[at] = byte;
        if let Ok(basket) = Basket::open(&section, PRODUCTS) {
            let past = past(&[(40, &bought), (2, &bought)]);
            let index = Index::new(&basket);
            let [scanned, indexed] = [None, Some(&index)].map(|index| {
                let (mut signals, mut out) = (Signals::default(), Vec::new());
                signals.fill(&basket, index, &past);
                [false, true].map(|new| {
                    let found = signals.candidates(&basket, index, new);
                    signals.encode(&basket, &past, new, &found, &mut out);
                    let bits: Vec<u32> = out.iter().map(|number| number.to_bits()).collect();
                    assert_eq!(bits.len(), found.len() * basket.width());
                    (found, bits)
                })
            });
            prop_assert_eq!(scanned, indexed);
        }
    }
}
