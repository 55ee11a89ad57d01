//! Requests against a small compiled model with a log of orders.

use crate::common::{PRODUCTS, REFERENCE, Stump, event, id};
use shelfedge_commerce::{Event, EventKind, ProductId, Timestamp};
use shelfedge_features::Group;
use shelfedge_features::basket::fit::{Learnt, Line, Order, Sources as Leads, write};
use shelfedge_features::basket::{Reading, SECTION, Signal, TABLES, WIDTH};
use shelfedge_ranking::{
    Context, MAX_EVENTS, OpenError, Query, Ranked, Ranker, Sources, Workspace,
};

const DAY: i64 = 24 * 60;
/// The request's minute, a day after the shop's last order.
const NOW: i64 = 400 * DAY;

/// Which list a row is of.
const WHICH: u32 = WIDTH as u32 - 1;
const STUMPS: [Stump; 4] = [
    (Signal::Own as u32, 0.0, 0.0, 8.0),
    (Signal::Similar as u32, 0.0, 0.0, 4.0),
    (Signal::NeighboursNow as u32, 0.0, 0.0, 2.0),
    (WHICH, 0.5, 0.0, 0.5),
];

/// Each product leads to the next; customers buy pairs of them. All have one
/// price.
fn model() -> Vec<u8> {
    model_of(PRODUCTS)
}

fn model_of(products: u32) -> Vec<u8> {
    let orders: Vec<Order> = (0..products)
        .map(|customer| Order {
            customer,
            age: 11.0 - customer as f32 / 2.0,
            lines: [customer, (customer + 2) % products][..products.min(2) as usize]
                .iter()
                .map(|product| Line {
                    product: *product,
                    pieces: 0.7,
                    price: 250.0,
                })
                .collect(),
        })
        .collect();
    let ring: Leads = (0..products)
        .map(|to| vec![((to + products - 1) % products, 0.5)])
        .collect();
    let section = write(&Learnt {
        reading: Reading {
            neighbours: 3,
            places: 4,
            candidates: 6,
        },
        products: products as usize,
        orders: &orders,
        tables: [(); TABLES].map(|()| ring.clone()),
        newcomers: &[],
        photos: &[],
        titles: &vec![Some("a cup of tea"); products as usize],
        customers_bytes: 10_000,
    });
    let log = [(SECTION, section)];
    crate::common::model(products, "basket", WIDTH as u32, &STUMPS, &log, 1)
}

fn buy(days: i64, products: &[u32]) -> Event {
    event(EventKind::Purchase, NOW - days * DAY, products)
}

fn query<'a>(events: &'a [Event], candidates: Option<&'a [ProductId]>) -> Query<'a> {
    Query {
        now: Timestamp(NOW * 60_000),
        events,
        candidates,
        exclude: &[],
        limit: 4,
        new_only: false,
        context: Context::default(),
        explain: true,
        answered: &[],
    }
}

fn rank(query: &Query<'_>) -> Ranked {
    let ranker = Ranker::open(model()).unwrap();
    ranker.rank(query, &mut Workspace::default()).unwrap()
}

fn products(ranked: &Ranked) -> Vec<u32> {
    ranked.items.iter().map(|item| item.product).collect()
}

#[test]
fn what_was_bought_and_what_goes_with_it_come_first() {
    let events = [buy(9, &[5]), buy(2, &[8])];
    let all = rank(&query(&events, None));
    let mut first = products(&all);
    first.sort_unstable();
    assert_eq!(first, [5, 6, 8, 9]);
    assert_eq!(
        all.items[0].sources,
        Sources::SIMILAR.with(Sources::BOUGHT_AGAIN)
    );
    let new = rank(&Query {
        new_only: true,
        ..query(&events, None)
    });
    assert_eq!(products(&new)[..2], [6, 9]);
    assert!(!products(&new).contains(&5) && !products(&new).contains(&8));
    assert_eq!(new.items.len(), 4);
}

#[cfg(feature = "answers")]
#[test]
fn answers_are_an_order_until_there_is_one() {
    let answered = |events: &[Event], answered: &[u32]| {
        rank(&Query {
            answered,
            ..query(events, None)
        })
    };
    let of_answers = answered(&[], &[5, 8]);
    let of_order = answered(&[buy(0, &[5, 8])], &[]);
    assert_eq!(products(&of_answers), products(&of_order));
    assert_ne!(products(&of_answers), products(&answered(&[], &[])));
    // But nobody bought anything, and nobody is told so.
    let reasons = || of_answers.items.iter().flat_map(|item| &item.reasons);
    assert!(reasons().all(|reason| reason.group != Group::BoughtBefore));
    let mut history = reasons().filter(|reason| reason.group == Group::History);
    assert!(history.clone().count() > 0);
    assert!(history.all(|reason| reason.detail == shelfedge_ranking::Detail::Answers));
    let is_again = |s: Sources| s.contains(Sources::BOUGHT_AGAIN);
    assert!(of_answers.items.iter().all(|item| !is_again(item.sources)));

    // Looks at what the answers led to take nothing from them.
    let look = [event(EventKind::ViewItem, NOW - DAY, &[5, 3, 8])];
    assert_eq!(products(&answered(&look, &[5, 8])), products(&of_answers));

    let bought = [buy(9, &[1])];
    assert_eq!(answered(&bought, &[5, 8]), answered(&bought, &[]));
}

#[test]
fn what_is_popular_and_new_fills_a_list() {
    // The first of the popular list, and what everything leads to.
    let events = [buy(2, &[11, 10, 9, 8])];
    let asked = |new_only, limit| {
        rank(&Query {
            new_only,
            limit,
            ..query(&events, None)
        })
    };
    let new = asked(true, 8);
    let mut found = products(&new);
    found.sort_unstable();
    assert_eq!(
        found,
        [0, 1, 2, 3, 4, 5, 6, 7],
        "six candidates, and two more"
    );
    assert_eq!(asked(true, 12).items.len(), 8, "there are no more");
    assert_eq!(asked(false, 12).items.len(), 12);
    for item in &new.items {
        assert!(item.sources == Sources::SIMILAR || item.sources == Sources::POPULAR);
    }
    let nobody = rank(&query(&[], None));
    assert!(
        nobody
            .items
            .iter()
            .all(|item| item.sources == Sources::POPULAR)
    );
}

#[test]
fn told_twice_or_in_another_order_it_is_the_same() {
    let mut told = buy(9, &[5, 3]);
    told.transaction = Some("o-1".to_owned());
    let events = [told.clone(), buy(2, &[8])];
    let once = rank(&query(&events, None));
    let again = [buy(2, &[8]), told.clone(), told];
    assert_eq!(rank(&query(&again, None)), once);
    // Looks, unknown products and the future change nothing but the count.
    let mut more = events.to_vec();
    more.push(event(EventKind::ViewItem, NOW - 5, &[1]));
    more.push(buy(-3, &[2]));
    more.push(event(EventKind::Purchase, NOW - 7, &[99]));
    let ranked = rank(&query(&more, None));
    assert_eq!(products(&ranked), products(&once));
    assert_eq!(ranked.ignored_events, 2);
}

#[test]
fn nobody_gets_what_is_popular_and_who_has_everything_nothing_new() {
    let nobody = rank(&query(&[], None));
    assert_eq!(nobody.items.len(), 4);
    let everything: Vec<u32> = (0..PRODUCTS).collect();
    let events = [buy(3, &everything)];
    let new = Query {
        new_only: true,
        ..query(&events, None)
    };
    assert!(rank(&new).items.is_empty());
    assert_eq!(rank(&query(&events, None)).items.len(), 4);
    let many = vec![buy(3, &everything); MAX_EVENTS];
    assert_eq!(rank(&query(&many, None)).items.len(), 4);
}

#[test]
fn one_product_is_a_list_unless_only_new_ones_are_asked() {
    let ranker = Ranker::open(model_of(1)).unwrap();
    let bought = [buy(2, &[0])];
    for (events, new_only, expected) in [
        (&[][..], false, &[0][..]),
        (&[], true, &[0]),
        (&bought, false, &[0]),
        (&bought, true, &[]),
    ] {
        let query = Query {
            new_only,
            ..query(events, None)
        };
        let ranked = ranker.rank(&query, &mut Workspace::default()).unwrap();
        assert_eq!(products(&ranked), expected);
    }
}

#[test]
fn given_candidates_are_ranked_and_no_others() {
    let given = [id(9), id(4), id(77), id(3), id(4)];
    let events = [buy(2, &[3])];
    let ranked = rank(&query(&events, Some(&given)));
    assert_eq!(products(&ranked), [3, 4, 9]);
    assert_eq!(ranked.unknown, [id(77)]);
    let new = rank(&Query {
        new_only: true,
        ..query(&events, Some(&given))
    });
    assert_eq!(products(&new), [4, 9]);
    assert_eq!(new.candidates, 2);
}

#[test]
fn reasons_add_up_to_the_distance_from_the_reference() {
    let events = [buy(9, &[5]), buy(2, &[8])];
    for new_only in [false, true] {
        let ranked = rank(&Query {
            new_only,
            ..query(&events, None)
        });
        // The reference row is above every threshold but that of the list, which
        // is the request's own.
        let own = Signal::Own as u32;
        let reference: f32 = STUMPS
            .iter()
            .map(|(feature, threshold, low, high)| match *feature {
                WHICH if new_only => *high,
                WHICH => *low,
                // What is new was never bought; that is no reason.
                feature if feature == own && new_only => *low,
                _ if REFERENCE > *threshold => *high,
                _ => *low,
            })
            .sum();
        for item in &ranked.items {
            let sum: f32 = item.reasons.iter().map(|reason| reason.contribution).sum();
            assert!((item.score - reference - sum).abs() < 1e-5, "{item:?}");
            let groups = item.reasons.iter().map(|reason| reason.group);
            let known = |g: Group| g == Group::History || (g == Group::BoughtBefore && !new_only);
            assert!(groups.into_iter().all(known));
        }
    }
}

#[test]
fn a_log_of_another_name_or_version_is_refused() {
    let whole = model();
    let at = whole
        .windows(SECTION.len())
        .position(|window| window == SECTION.as_bytes())
        .unwrap();
    let mut renamed = whole.clone();
    renamed[at] = b'x';
    let error = Ranker::open(renamed).unwrap_err();
    assert!(
        matches!(error, OpenError::Port { ref name } if name == "basket"),
        "{error}"
    );
    let offset = u64::from_le_bytes(whole[at + 24..at + 32].try_into().unwrap()) as usize;
    let mut damaged = whole;
    damaged[offset] = 9;
    let error = Ranker::open(damaged).unwrap_err();
    assert!(
        matches!(error, OpenError::Table(bad) if bad.section == SECTION && !bad.missing),
        "{error}"
    );
}
