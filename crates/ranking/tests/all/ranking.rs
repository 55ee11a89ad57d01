//! Requests against a small compiled model.

use proptest::prelude::*;
use shelfedge_commerce::{Currency, Event, EventItem, EventKind, ProductId, Timestamp};
use shelfedge_engine::program::{Data, Kind, Mode, Op, Program, Rows, Unary};
use shelfedge_features::fit::{Named, Sale, TableOptions, tables};
use shelfedge_features::{Group, Meta, Source, Spec};
use shelfedge_ranking::{
    Context, Detail, MAX_CANDIDATES, MAX_EXCLUDED, OpenError, Query, RankError, Ranker, Sources,
    Workspace,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn id(text: &str) -> ProductId {
    ProductId::new(text).unwrap()
}

/// Forty products; those with numbers next to each other are bought together.
fn sales() -> impl Iterator<Item = Sale<impl Iterator<Item = (u32, i64)>>> {
    (0..120u32).map(|i| Sale {
        customer: Some(i % 11),
        time: at("2011-11-01T00:00:00Z").plus(i64::from(i) * 3_600_000),
        lines: (0..3).map(move |k| ((i * 7 + k) % 40, 100 + i64::from(i % 7))),
    })
}

/// A model that adds up a few features with hand-set weights.
fn model(weight: f32) -> Vec<u8> {
    let spec = Spec::unfitted(0);
    let mut p = Program::default();
    let x = p.input(
        "candidate",
        Kind::F32,
        Rows::PerRow,
        1,
        spec.candidate.len() as u32,
    );
    let w = p.input("wide", Kind::I32, Rows::PerRow, spec.wide.len() as u32, 1);
    let weights: Vec<f32> = spec
        .candidate
        .iter()
        .map(|n| match n.source {
            Source::TimesBought => 2.0 * weight,
            Source::SessionAffinity => 3.0,
            Source::Buyers30 => 0.1,
            _ => 0.0,
        })
        .collect();
    let dense = p.tensor(1, spec.candidate.len() as u32, Data::F32(weights));
    let a = p
        .push(Op::Dense {
            x,
            weight: dense,
            bias: None,
            addend: None,
            activation: Unary::Identity,
        })
        .unwrap();
    let table = p.tensor(
        spec.wide_buckets + 1,
        1,
        Data::F32(vec![0.0; spec.wide_buckets as usize + 1]),
    );
    let b = p
        .push(Op::Bag {
            table,
            ids: w,
            weights: None,
            mode: Mode::Sum,
            padding: Some(0),
        })
        .unwrap();
    let y = p
        .push(Op::Binary {
            a,
            b,
            f: shelfedge_engine::program::Binary::Add,
        })
        .unwrap();
    p.output("score", y);

    let names: Vec<(String, String)> = (0..40)
        .map(|i| (format!("p{i:02}"), format!("Product {i}")))
        .collect();
    let products: Vec<Named<'_>> = names
        .iter()
        .map(|(id, title)| Named {
            id,
            title,
            slot: 0,
            is_new: false,
        })
        .collect();
    let as_of = at("2011-11-10T00:00:00Z");
    let options = TableOptions {
        popular: 30,
        ..TableOptions::default()
    };
    let fitted = tables(sales(), &products, as_of, options);
    let written =
        shelfedge_features::tables::write(&fitted.rows, fitted.neighbours, &fitted.popular);
    let meta = Meta {
        spec: [1; 32],
        onnx: [2; 32],
        data: [3; 32],
        as_of,
        currency: Currency::parse("GBP").unwrap(),
    };
    p.compile(&[
        ("meta", meta.write()),
        ("spec", spec.write()),
        ("products", written.products),
        ("similar", written.similar),
        ("popular", written.popular),
    ])
    .unwrap()
}

fn event(kind: EventKind, time: &str, products: &[&str]) -> Event {
    Event {
        id: None,
        time: at(time),
        kind,
        transaction: None,
        currency: None,
        list: None,
        items: products
            .iter()
            .map(|p| EventItem {
                product: id(p),
                quantity: 1,
                price: None,
                index: None,
            })
            .collect(),
    }
}

fn query<'a>(events: &'a [Event], candidates: Option<&'a [ProductId]>, limit: usize) -> Query<'a> {
    Query {
        now: at("2011-11-10T12:00:00Z"),
        events,
        candidates,
        exclude: &[],
        limit,
        context: Context::default(),
        new_only: false,
        explain: true,
        answered: &[],
    }
}

#[test]
fn a_click_moves_what_goes_with_it_up() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let mut workspace = Workspace::default();
    let history = [event(
        EventKind::Purchase,
        "2011-11-05T00:00:00Z",
        &["p05", "p20"],
    )];
    let before = ranker
        .rank(&query(&history, None, 10), &mut workspace)
        .unwrap();
    let name = |p: u32| ranker.product(p).unwrap().id.to_owned();
    assert!(["p05", "p20"].contains(&name(before.items[0].product).as_str()));
    assert!(before.items[0].sources.contains(Sources::BOUGHT_AGAIN));
    let reason = before.items[0].reasons[0];
    assert_eq!(
        (reason.group, reason.detail),
        (Group::BoughtBefore, Detail::Times(1))
    );

    let mut events = history.to_vec();
    events.push(event(EventKind::ViewItem, "2011-11-10T11:59:00Z", &["p33"]));
    let after = ranker
        .rank(&query(&events, None, 10), &mut workspace)
        .unwrap();
    assert_ne!(
        before.items.iter().map(|i| i.product).collect::<Vec<_>>(),
        after.items.iter().map(|i| i.product).collect::<Vec<_>>()
    );
    let viewed = ranker.find("p33").unwrap();
    let moved = after
        .items
        .iter()
        .find(|i| i.reasons.first().is_some_and(|r| r.group == Group::Session))
        .expect("something goes with the click");
    assert_eq!(moved.reasons[0].detail, Detail::GoesWith(viewed));
}

#[cfg(feature = "answers")]
#[test]
fn what_answers_lead_to_moves_up_until_the_session_moves_it() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let mut workspace = Workspace::default();
    let mut rank = |events: &[Event], answered: &[u32]| {
        let asked = Query {
            answered,
            ..query(events, None, 40)
        };
        ranker.rank(&asked, &mut workspace).unwrap()
    };
    // Places of what goes with a product, added up; not listed is last.
    let near = |ranked: &shelfedge_ranking::Ranked, product: &str| -> usize {
        let place = |(product, _)| ranked.items.iter().position(|item| item.product == product);
        let neighbours = ranker.tables().similar(ranker.find(product).unwrap());
        neighbours
            .map(|neighbour| place(neighbour).unwrap_or(40))
            .sum()
    };
    let exemplar = ranker.find("p33").unwrap();
    let (before, after) = (rank(&[], &[]), rank(&[], &[exemplar]));
    assert!(near(&after, "p33") < near(&before, "p33"));
    // The reason is the answer; nobody looked at anything.
    let reasons = after.items.iter().flat_map(|item| &item.reasons);
    let session: Vec<Detail> = reasons
        .filter(|reason| reason.group == Group::Session)
        .map(|reason| reason.detail)
        .collect();
    assert!(!session.is_empty());
    assert!(session.iter().all(|detail| *detail == Detail::Answers));

    // A look counts for more than an answer, and twenty leave nothing of it.
    let look = |minute: u32, product: u32| {
        let time = format!("2011-11-10T11:{minute}:00Z");
        event(EventKind::ViewItem, &time, &[&format!("p{product:02}")])
    };
    let moved = rank(&[look(59, 5)], &[exemplar]);
    assert!(near(&moved, "p05") < near(&moved, "p33"));
    assert!(near(&moved, "p33") < near(&rank(&[look(59, 5)], &[]), "p33"));
    let looks: Vec<Event> = (0..20).map(|n| look(39 + n, n)).collect();
    assert_eq!(rank(&looks, &[exemplar]), rank(&looks, &[]));

    // Whoever ordered has said more.
    let bought = [event(EventKind::Purchase, "2011-11-05T00:00:00Z", &["p20"])];
    assert_eq!(rank(&bought, &[exemplar]), rank(&bought, &[]));
}

#[test]
fn a_shopper_nobody_knows_gets_the_popular_list() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let ranked = ranker
        .rank(&query(&[], None, 5), &mut Workspace::default())
        .unwrap();
    assert_eq!(ranked.items.len(), 5);
    assert!(
        ranked
            .items
            .iter()
            .all(|i| i.sources.names().eq(["popular"]))
    );
    let unknown = [Group::Session, Group::History, Group::BoughtBefore];
    let mut reasons = ranked.items.iter().flat_map(|i| &i.reasons);
    assert!(
        reasons.all(|r| !unknown.contains(&r.group)),
        "nothing is said of a session or orders that aren't there"
    );
    assert!(ranked.items.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.product < b.product)));
}

#[test]
fn new_only_leaves_out_what_was_bought_and_fills_its_place() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let mut workspace = Workspace::default();
    let bought = ["p05", "p20"];
    let events = [
        event(EventKind::Purchase, "2011-11-05T00:00:00Z", &bought),
        event(EventKind::ViewItem, "2011-11-10T11:59:00Z", &["p20"]),
    ];
    let new = Query {
        new_only: true,
        ..query(&events, None, 10)
    };
    let ranked = ranker.rank(&new, &mut workspace).unwrap();
    assert_eq!(ranked.items.len(), 10);
    let known = bought.map(|id| ranker.find(id).unwrap());
    assert!(ranked.items.iter().all(|i| !known.contains(&i.product)));
    let given = [id("p05"), id("p01")];
    let new = Query {
        candidates: Some(&given),
        ..new
    };
    let ranked = ranker.rank(&new, &mut workspace).unwrap();
    assert_eq!(ranked.items.len(), 1);
    assert_eq!(Some(ranked.items[0].product), ranker.find("p01"));
}

#[test]
fn given_candidates_count_once_and_unknown_ones_are_named() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let given = [
        id("p01"),
        id("nothing"),
        id("p02"),
        id("p01"),
        id("nothing"),
    ];
    let ranked = ranker
        .rank(&query(&[], Some(&given), 10), &mut Workspace::default())
        .unwrap();
    assert_eq!((ranked.items.len(), ranked.candidates), (2, 2));
    assert_eq!(ranked.unknown, [id("nothing")]);
    let none = ranker
        .rank(&query(&[], Some(&[]), 10), &mut Workspace::default())
        .unwrap();
    assert!(none.items.is_empty());
}

#[test]
fn limits_are_errors_and_cut_nothing_silently() {
    let ranker = Ranker::open(model(1.0)).unwrap();
    let mut workspace = Workspace::default();
    let excluded = vec![id("p01"); MAX_EXCLUDED + 1];
    let query_without = |exclude| Query {
        exclude,
        ..query(&[], None, 10)
    };
    assert_eq!(
        ranker.rank(&query_without(&excluded), &mut workspace),
        Err(RankError::TooManyExcluded {
            found: MAX_EXCLUDED + 1
        })
    );
    let many = vec![id("p01"); MAX_CANDIDATES + 1];
    assert_eq!(
        ranker.rank(&query(&[], Some(&many), 10), &mut workspace),
        Err(RankError::TooManyCandidates {
            found: MAX_CANDIDATES + 1
        })
    );
    assert_eq!(
        ranker.rank(&query(&[], None, 0), &mut workspace),
        Err(RankError::Limit { found: 0 })
    );
    assert_eq!(
        ranker.rank(&query(&[], None, 201), &mut workspace),
        Err(RankError::Limit { found: 201 })
    );
    let events = vec![event(EventKind::ViewItem, "2011-11-10T11:59:00Z", &["p01"]); 5_001];
    assert_eq!(
        ranker.rank(&query(&events, None, 10), &mut workspace),
        Err(RankError::TooManyEvents { found: 5_001 })
    );
}

#[test]
fn a_model_that_gives_infinity_is_an_error() {
    let ranker = Ranker::open(model(f32::MAX / 2.0)).unwrap();
    let buy = |time| event(EventKind::Purchase, time, &["p05"]);
    let events = [buy("2011-11-05T00:00:00Z"), buy("2011-11-06T00:00:00Z")];
    let given = [id("p05")];
    let result = ranker.rank(&query(&events, Some(&given), 10), &mut Workspace::default());
    assert!(matches!(result, Err(RankError::Score { .. })), "{result:?}");
}

#[test]
fn ports_must_fit_the_spec() {
    let mut p = Program::default();
    let x = p.input("candidate", Kind::F32, Rows::PerRow, 1, 3);
    let y = p
        .push(Op::Reduce {
            x,
            axis: shelfedge_engine::program::Axis::Width,
            mode: Mode::Sum,
            mask: None,
        })
        .unwrap();
    p.output("score", y);
    let file = p.compile(&[("spec", Spec::unfitted(0).write())]).unwrap();
    assert!(matches!(Ranker::open(file), Err(OpenError::Table(_))));
    assert!(matches!(
        Ranker::open(vec![0u8; 64]),
        Err(OpenError::Load(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_list_is_sorted_distinct_and_repeatable(
        clicks in prop::collection::vec((0usize..40, 0u8..4, 0i64..900_000), 0..30),
        limit in 1usize..40,
    ) {
        let ranker = Ranker::open(model(1.0)).unwrap();
        let kinds = [EventKind::ViewItem, EventKind::AddToCart, EventKind::Purchase, EventKind::RemoveFromCart];
        let mut events: Vec<Event> = clicks
            .iter()
            .map(|(p, k, s)| {
                let mut e = event(kinds[*k as usize], "2011-11-01T00:00:00Z", &[&format!("p{p:02}")]);
                e.time = e.time.plus(s * 1_000);
                e
            })
            .collect();
        let mut workspace = Workspace::default();
        let one = ranker.rank(&query(&events, None, limit), &mut workspace).unwrap();
        let mut seen: Vec<u32> = one.items.iter().map(|i| i.product).collect();
        prop_assert!(one.items.is_sorted_by(|a, b| a.score > b.score || (a.score == b.score && a.product < b.product)));
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), one.items.len());
        // A fresh workspace and another order of distinct times change nothing.
        events.sort_by_key(|e| e.time);
        if events.windows(2).all(|p| p[0].time != p[1].time) {
            events.reverse();
            let two = ranker.rank(&query(&events, None, limit), &mut Workspace::default()).unwrap();
            prop_assert_eq!(one, two);
        }
    }
}
