//! Requests against a small compiled model with a log of sequences.

use crate::common::{PRODUCTS, event, id};
use shelfedge_commerce::{Event, EventKind, ProductId, Timestamp};
use shelfedge_engine::program::{Axis, Binary, Data, Kind, Op, Program, Rows};
use shelfedge_features::Group;
use shelfedge_features::trails::fit::{Learnt, Sequences, write};
use shelfedge_features::trails::{Origin, Part, Reading, SECTION, Sum, Trails};
use shelfedge_ranking::attention;
use shelfedge_ranking::{Context, OpenError, Query, Ranked, Ranker, Sources, Workspace};

/// A ring: after each product comes the next, `step` further.
fn log(products: u32, step: u32) -> Sequences {
    let mut log = Sequences::default();
    for start in 0..products {
        let at = |n: u32| (start + n * step) % products;
        log.push(&[at(0), at(1), at(2)]);
    }
    log
}

fn reading(repeats: bool) -> Reading {
    Reading {
        clock: true,
        repeats,
        session: true,
        decay: 0.6,
        half_lives: [0.6, 0.15],
        most: 1_000,
        candidates: 6,
        parts: vec![Part {
            sum: Sum::After,
            weight: 1.0,
            quarters: 0,
        }],
        near: 0,
        near_weight: 0.0,
        near_decay: 0.6,
        attention: false,
    }
}

/// A forest of stumps: what came next most often, then what is newest.
fn model(step: u32, repeats: bool) -> Vec<u8> {
    model_of(PRODUCTS, step, repeats)
}

fn model_of(products: u32, step: u32, repeats: bool) -> Vec<u8> {
    let log = log(products, step);
    let section = write(
        &reading(repeats),
        &log,
        products as usize,
        &Learnt::default(),
    );
    let trails = Trails::open(&section, products as usize).unwrap();
    let (width, groups) = (trails.width() as u32, trails.groups());
    let age = groups.iter().position(|g| *g == Group::Age).unwrap() as u32;
    let stumps = [
        (Sum::Next as u32, 0.5, 0.0, 4.0),
        (Sum::After as u32, 0.25, 0.0, 2.0),
        (age, 0.5, 0.25, 0.0),
    ];
    let log = [(SECTION, section)];
    crate::common::model(products, "trail", width, &stumps, &log, step as u8)
}

fn look(minute: i64, product: u32) -> Event {
    event(EventKind::ViewItem, minute, &[product])
}

fn query<'a>(events: &'a [Event], candidates: Option<&'a [ProductId]>) -> Query<'a> {
    Query {
        now: Timestamp(1_000 * 60_000),
        events,
        candidates,
        exclude: &[],
        limit: 4,
        context: Context::default(),
        new_only: false,
        explain: true,
        answered: &[],
    }
}

fn rank(
    ranker: &Ranker<Vec<u8>>,
    workspace: &mut Workspace,
    events: &[Event],
    candidates: Option<&[ProductId]>,
) -> Ranked {
    ranker.rank(&query(events, candidates), workspace).unwrap()
}

fn products(ranked: &Ranked) -> Vec<u32> {
    ranked.items.iter().map(|item| item.product).collect()
}

#[test]
fn what_comes_next_is_first_in_each_of_two_models_with_one_workspace() {
    let (one, five) = (
        Ranker::open(model(1, false)).unwrap(),
        Ranker::open(model(5, false)).unwrap(),
    );
    let mut workspace = Workspace::default();
    // The first request of a model scans its log, later ones have an index.
    for _ in 0..3 {
        for last in 0..PRODUCTS {
            let events = [look(900, last)];
            for (ranker, step) in [(&one, 1), (&five, 5)] {
                let ranked = rank(ranker, &mut workspace, &events, None);
                assert_eq!(products(&ranked)[0], (last + step) % PRODUCTS);
                assert_eq!(products(&ranked)[1], (last + 2 * step) % PRODUCTS);
                assert!(!products(&ranked).contains(&last), "it may not come again");
            }
        }
        for ranker in [&one, &five, &one, &five, &one] {
            rank(ranker, &mut workspace, &[look(900, 3)], None);
        }
    }
}

#[cfg(feature = "answers")]
#[test]
fn answers_are_the_oldest_steps_of_the_newest_session() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    let mut workspace = Workspace::default();
    let mut answered = |events: &[Event], answered: &[u32]| {
        let asked = Query {
            answered,
            ..query(events, None)
        };
        ranker.rank(&asked, &mut workspace).unwrap()
    };
    // The best of them is the newest step. What they are can't come again here.
    let ranked = answered(&[], &[4, 8]);
    assert_eq!(products(&ranked)[0], 5);
    assert!(!products(&ranked).contains(&4) && !products(&ranked).contains(&8));
    let looked = |looks: &[Event]| rank(&ranker, &mut Workspace::default(), looks, None);
    let of_looks = looked(&[look(900, 8), look(901, 4)]);
    assert_eq!(products(&ranked), products(&of_looks));
    // A look is newer, and a session before the newest is older.
    let newest = answered(&[look(900, 10)], &[4, 8]);
    assert_eq!(products(&newest)[0], 11);
    let of_looks = looked(&[look(898, 8), look(899, 4), look(900, 10)]);
    assert_eq!(products(&newest), products(&of_looks));
    let all = answered(&[look(100, 7), look(900, 10)], &[4, 8]);
    assert_eq!(products(&all), products(&newest));
    // No answers for whoever ordered.
    let bought = [event(EventKind::Purchase, 900, &[2])];
    assert_eq!(answered(&bought, &[4]), answered(&bought, &[]));
}

#[test]
fn only_the_newest_session_counts() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    let mut workspace = Workspace::default();
    let old = look(100, 7);
    let both = rank(&ranker, &mut workspace, &[look(900, 2), old.clone()], None);
    let alone = rank(&ranker, &mut workspace, &[look(900, 2)], None);
    assert_eq!(both, alone);
    // A cart of the product that was looked at last is the same step.
    let cart = Event {
        kind: EventKind::AddToCart,
        ..look(901, 2)
    };
    assert_eq!(
        rank(&ranker, &mut workspace, &[look(900, 2), cart], None),
        alone
    );
    // Days later the newest session is still what is known.
    assert_eq!(products(&rank(&ranker, &mut workspace, &[old], None))[0], 8);
}

#[test]
fn nobody_gets_what_is_popular() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    let mut workspace = Workspace::default();
    for events in [
        &[][..],
        &[Event {
            items: Vec::new(),
            ..look(900, 0)
        }],
    ] {
        let ranked = rank(&ranker, &mut workspace, events, None);
        assert_eq!((ranked.candidates, ranked.items.len()), (6, 4));
        assert!(products(&ranked).iter().all(|product| *product >= 6));
        assert!(
            ranked
                .items
                .iter()
                .all(|item| item.sources == Sources::POPULAR)
        );
    }
}

#[test]
fn a_shorter_list_is_the_beginning_of_a_longer_one() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    let mut workspace = Workspace::default();
    let bought = Event {
        kind: EventKind::Purchase,
        ..look(800, 4)
    };
    for events in [&[][..], &[look(900, 3)], &[bought, look(900, 3)]] {
        for new_only in [false, true] {
            let mut list = |limit| {
                let query = Query {
                    limit,
                    new_only,
                    explain: false,
                    ..query(events, None)
                };
                products(&ranker.rank(&query, &mut workspace).unwrap())
            };
            let longest = list(200);
            assert_eq!(longest.len(), 6);
            assert!(!(new_only && events.len() == 2 && longest.contains(&4)));
            for limit in 1..=longest.len() {
                assert_eq!(list(limit), longest[..limit]);
            }
        }
    }
}

#[test]
fn one_product_is_a_list_unless_it_may_not_come_again() {
    for (repeats, events, expected) in [
        (true, &[look(900, 0)][..], &[0][..]),
        (false, &[look(900, 0)], &[]),
        (false, &[], &[0]),
    ] {
        let ranker = Ranker::open(model_of(1, 1, repeats)).unwrap();
        let ranked = rank(&ranker, &mut Workspace::default(), events, None);
        assert_eq!(products(&ranked), expected);
    }
}

#[test]
fn what_is_popular_takes_the_places_of_what_is_left_out() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    // The log leads from 2 to 0, 1, 3 and 4; who bought 3 has it.
    let events = [
        event(EventKind::Purchase, 100, &[3]),
        look(900, 2),
        event(EventKind::Purchase, 901, &[2]),
    ];
    let exclude = [id(4), id(77)];
    let query = Query {
        now: Timestamp(1_000 * 60_000),
        events: &events,
        candidates: None,
        exclude: &exclude,
        limit: 6,
        context: Context::default(),
        new_only: true,
        explain: false,
        answered: &[],
    };
    let ranked = ranker.rank(&query, &mut Workspace::default()).unwrap();
    let mut found = products(&ranked);
    found.sort_unstable();
    assert_eq!(found, [0, 1, 8, 9, 10, 11]);
    assert_eq!(ranked.unknown, [], "what is unknown excludes nothing");
}

#[test]
fn given_candidates_are_ranked_and_no_others() {
    let ranker = Ranker::open(model(1, false)).unwrap();
    let mut workspace = Workspace::default();
    let given = [id(9), id(4), id(77), id(3), id(4)];
    let ranked = rank(&ranker, &mut workspace, &[look(900, 3)], Some(&given));
    assert_eq!(products(&ranked)[0], 4);
    assert_eq!(ranked.candidates, 3);
    assert_eq!(ranked.unknown, [id(77)]);
    let none = rank(&ranker, &mut workspace, &[look(900, 3)], Some(&[]));
    assert!(none.items.is_empty());
}

#[test]
fn reasons_add_up_to_the_distance_from_the_reference() {
    let ranker = Ranker::open(model(1, true)).unwrap();
    let mut workspace = Workspace::default();
    let ranked = rank(&ranker, &mut workspace, &[look(899, 6), look(900, 3)], None);
    // The reference row of tenths: no sum above its threshold, and old.
    let reference = 0.25;
    for item in &ranked.items {
        let sum: f32 = item.reasons.iter().map(|reason| reason.contribution).sum();
        assert!((item.score - reference - sum).abs() < 1e-5, "{item:?}");
    }
    let first = &ranked.items[0].reasons[0];
    assert_eq!(first.group, Group::Session);
    assert!(first.contribution > 5.0, "{first:?}");
}

#[test]
fn a_damaged_log_is_refused_by_its_name() {
    let whole = model(1, true);
    let at = whole
        .windows(6)
        .position(|window| window == SECTION.as_bytes())
        .unwrap();
    let mut renamed = whole.clone();
    renamed[at] = b'x';
    let error = Ranker::open(renamed).unwrap_err();
    assert!(
        matches!(error, OpenError::Port { ref name } if name == "trail"),
        "{error}"
    );
    // The log's own first word, its version.
    let offset = u64::from_le_bytes(whole[at + 24..at + 32].try_into().unwrap());
    let mut damaged = whole;
    damaged[offset as usize] = 9;
    let error = Ranker::open(damaged).unwrap_err();
    assert!(
        matches!(error, OpenError::Table(bad) if bad.section == SECTION && !bad.missing),
        "{error}"
    );
}

/// A network whose score of a product is its number, times that of the last of two
/// places; numbers begin with 1.
fn network(score: &str) -> Vec<u8> {
    let mut program = Program::default();
    let items = program.input("items", Kind::I32, Rows::Shared, 2, 1);
    let product = program.input("product", Kind::I32, Rows::PerRow, 1, 1);
    let rows = PRODUCTS + 1;
    let numbers = (0..rows).map(|row| row as f32).collect();
    let table = program.tensor(rows, 1, Data::F32(numbers));
    let mut push = |op| program.push(op).unwrap();
    let x = push(Op::Gather { table, ids: items });
    let axis = Axis::Len;
    let last = push(Op::Slice {
        x,
        axis,
        start: 1,
        size: 1,
    });
    let own = push(Op::Gather {
        table,
        ids: product,
    });
    let f = Binary::Mul;
    let both = push(Op::Binary { a: last, b: own, f });
    program.output(score, both);
    program.compile(&[]).unwrap()
}

/// A model that ranks by what its network says.
fn attentive(network: Option<Vec<u8>>) -> Vec<u8> {
    let reading = Reading {
        attention: true,
        ..reading(true)
    };
    let section = write(
        &reading,
        &log(PRODUCTS, 1),
        PRODUCTS as usize,
        &Learnt::default(),
    );
    let trails = Trails::open(&section, PRODUCTS as usize).unwrap();
    let width = trails.width() as u32;
    assert_eq!(trails.groups().len(), trails.width());
    assert_eq!(
        trails.origins()[trails.width() - 3..],
        [Origin::Attention; 3]
    );
    // Its score, that less the best one, and its rank.
    let stumps = [
        (width - 3, 30.5, 0.0, 1.0),
        (width - 2, -0.5, 0.0, 2.0),
        (width - 1, 1.5, 4.0, 0.0),
    ];
    let mut logs = vec![(SECTION, section)];
    logs.extend(network.map(|network| (attention::SECTION, network)));
    crate::common::model(PRODUCTS, "trail", width, &stumps, &logs, 1)
}

#[test]
fn a_network_speaks_for_each_candidate() {
    let ranker = Ranker::open(attentive(Some(network("score")))).unwrap();
    let mut workspace = Workspace::default();
    let given: Vec<ProductId> = [2, 8, 5].map(id).to_vec();
    // Twice, because the first request scans the log and later ones have an index.
    for _ in 0..2 {
        let events = [look(899, 9), look(900, 3)];
        let ranked = rank(&ranker, &mut workspace, &events, Some(&given));
        // 4 x 9, 4 x 6 and 4 x 3; the model's other numbers count for nothing.
        let scored: Vec<(u32, f32)> = ranked.items.iter().map(|i| (i.product, i.score)).collect();
        assert_eq!(scored, [(8, 7.0), (5, 4.0), (2, 0.0)]);
        // After nothing it says nothing: all are equal, and stand by their numbers.
        let ranked = rank(&ranker, &mut workspace, &[], Some(&given));
        let scored: Vec<(u32, f32)> = ranked.items.iter().map(|i| (i.product, i.score)).collect();
        assert_eq!(scored, [(2, 6.0), (5, 6.0), (8, 2.0)]);
    }
    let ranked = rank(&ranker, &mut workspace, &[look(900, 3)], Some(&given));
    let group = ranked.items[0].reasons[0].group;
    assert_eq!(group, Group::Session, "it is what the session leads to");
}

#[test]
fn a_network_that_is_missing_or_another_is_refused_by_its_name() {
    for (network, missing) in [
        (None, true),
        (Some(network("state")), false),
        (Some(b"no model".to_vec()), false),
    ] {
        let error = Ranker::open(attentive(network)).unwrap_err();
        assert!(
            matches!(error, OpenError::Table(bad) if bad.section == attention::SECTION && bad.missing == missing),
            "{error}"
        );
    }
}
