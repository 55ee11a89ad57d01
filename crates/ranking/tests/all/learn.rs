//! What lists learn from what shoppers did: once, in whatever order it comes.

use proptest::prelude::*;
use shelfedge_commerce::{ProductId, Timestamp};
use shelfedge_ranking::explore::{
    Chosen, Learner, Lesson, MAX_LEARNER_BYTES, Shown, State, WINDOW_MS,
};
use shelfedge_ranking::rerank::Standing;

fn product(number: usize) -> ProductId {
    format!("p{number}").parse().unwrap()
}

fn shown(id: u128, time: i64, viewer: u64, products: &[usize]) -> (u128, Shown) {
    let standing = Standing {
        fit: 7_500,
        price: 2_000,
    };
    let tried = products.iter().map(|it| (product(*it), standing));
    let shown = Shown {
        time: Timestamp(time),
        viewer,
        tried: tried.collect(),
    };
    (id, shown)
}

fn chosen(exposure: Option<u128>, time: i64, viewer: u64, number: usize) -> Chosen {
    Chosen {
        exposure,
        viewer,
        time: Timestamp(time),
        product: product(number),
    }
}

fn lesson(shown: Vec<(u128, Shown)>, chosen: Vec<Chosen>) -> Lesson {
    Lesson { shown, chosen }
}

/// Lets a window pass.
fn after_all(learner: &mut Learner, time: i64) -> &State {
    learner.learn(&Lesson::default(), Timestamp(time + WINDOW_MS));
    learner.state()
}

fn counts(state: &State, number: usize) -> (u32, u32) {
    let count = state.of(product(number).as_str());
    (count.tried, count.rewarded)
}

#[test]
fn trials_count_with_their_rewards_when_the_window_has_closed() {
    let mut learner = Learner::default();
    let first = lesson(
        vec![shown(1, 1_000, 7, &[0, 1]), shown(2, 1_100, 8, &[0, 2])],
        vec![
            chosen(Some(1), 2_000, 7, 0),
            // Twice, and also without a word of the exposure: one reward.
            chosen(Some(1), 2_500, 7, 0),
            chosen(None, 2_600, 7, 0),
            // Not shown there; another's; of the last list that showed it.
            chosen(Some(2), 2_000, 8, 1),
            chosen(Some(2), 2_000, 7, 2),
            chosen(None, 2_000, 8, 0),
        ],
    );
    assert!(learner.learn(&first, Timestamp(3_000)));
    assert_eq!(counts(learner.state(), 0), (0, 0));
    let state = after_all(&mut learner, 3_000).clone();
    assert_eq!(
        [0, 1, 2].map(|it| counts(&state, it)),
        [(2, 2), (1, 0), (1, 0)]
    );
    // All of it again, while it was open and now: nothing.
    for time in [3_000, 3_000 + WINDOW_MS] {
        assert!(!learner.learn(&first, Timestamp(time)), "{time}");
    }
    assert_eq!(*after_all(&mut learner, 3 * WINDOW_MS), state);
}

#[test]
fn the_linear_model_learns_from_the_same() {
    let mut learner = Learner::default();
    let lists = (0..10).map(|id| shown(id, 1_000, id as u64, &[0]));
    let clicks = (0..4).map(|id| chosen(Some(id), 1_500, id as u64, 0));
    learner.learn(&lesson(lists.collect(), clicks.collect()), Timestamp(2_000));
    let bytes = after_all(&mut learner, 2_000).to_bytes();
    // The head, six cells of the triangle, three sums of rewarded contexts.
    let numbers: Vec<f64> = bytes[16..88]
        .as_chunks()
        .0
        .iter()
        .map(|it| f64::from_le_bytes(*it))
        .collect();
    let expected = [11.0, 7.5, 6.625, 2.0, 1.5, 1.4, 4.0, 3.0, 0.8];
    for (number, expected) in numbers.iter().zip(expected) {
        assert!((number - expected).abs() < 1e-9, "{numbers:?}");
    }
}

#[test]
fn clocks_may_be_off_by_a_window_and_no_more() {
    let now = 10 * WINDOW_MS;
    for (time, counts) in [
        (now - WINDOW_MS, false),
        (now - WINDOW_MS + 1, true),
        (now + WINDOW_MS - 1, true),
        (now + WINDOW_MS, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let mut learner = Learner::default();
        let one = lesson(vec![shown(1, time, 1, &[0])], vec![]);
        assert_eq!(learner.learn(&one, Timestamp(now)), counts, "{time}");
    }
    // Where the clock went back, nothing that counted counts again.
    let mut learner = Learner::default();
    let one = lesson(vec![shown(1, now, 1, &[0])], vec![]);
    learner.learn(&one, Timestamp(now));
    let state = after_all(&mut learner, now).clone();
    assert!(!learner.learn(&one, Timestamp(now)));
    assert_eq!(learner.state(), &state);
}

#[test]
fn a_product_is_tried_once_in_a_list_however_often_it_is_told() {
    let mut learner = Learner::default();
    // The repeated ones must not push out the others either.
    let list = shown(1, 1_000, 7, &[0, 0, 0, 0, 1, 2, 3]);
    let one = lesson(vec![list], vec![chosen(Some(1), 1_500, 7, 0)]);
    learner.learn(&one, Timestamp(2_000));
    let state = after_all(&mut learner, 2_000);
    assert_eq!(
        [0, 1, 2, 3].map(|it| counts(state, it)),
        [(1, 1), (1, 0), (1, 0), (1, 0)]
    );
}

#[test]
fn a_clock_that_was_ahead_does_not_stop_the_learning() {
    const TEN_YEARS: i64 = 10 * 365 * 86_400_000;
    let mut learner = Learner::default();
    let one = |id, time| lesson(vec![shown(id, time, 1, &[0])], vec![]);
    let now = 10 * WINDOW_MS;
    learner.learn(&one(1, now), Timestamp(now));
    // Counts the first and the second; the third waits for what is not to come.
    learner.learn(&one(2, now + TEN_YEARS), Timestamp(now + TEN_YEARS));
    let last = now + TEN_YEARS + WINDOW_MS;
    learner.learn(&one(3, last), Timestamp(last));
    let count = counts(learner.state(), 0);
    assert_eq!(count, (2, 0));
    // The true clock again. What counted before does not count again.
    assert!(learner.learn(&one(1, now), Timestamp(now + 1)));
    assert!(learner.state().until() <= Timestamp(now + 1));
    assert_eq!(counts(after_all(&mut learner, now), 0), count);
    for at in 2..4 {
        let time = now + at * WINDOW_MS;
        assert!(learner.learn(&one(10 + at as u128, time), Timestamp(time)));
    }
    let state = after_all(&mut learner, now + 3 * WINDOW_MS);
    assert_eq!(counts(state, 0), (4, 0));
    assert!(learner.to_bytes().len() < 300, "nothing waits any more");
}

#[test]
fn nobody_teaches_alone_and_nothing_outgrows_its_value() {
    // A million events of one shopper: twenty lists and twenty choices.
    let mut learner = Learner::default();
    for part in 0..1_000u32 {
        let ids = (0..500).map(|at| part * 500 + at);
        let lists = ids.clone().map(|id| shown(id.into(), 1_000, 1, &[0]));
        let clicks = ids.map(|id| chosen(Some(id.into()), 1_000 + i64::from(id), 1, 0));
        learner.learn(&lesson(lists.collect(), clicks.collect()), Timestamp(2_000));
    }
    let state = after_all(&mut learner, 2_000);
    let count = state.of("p0");
    assert_eq!(count.tried, 20);
    // Many shoppers, each with products of the longest ids that nobody tried.
    let mut learner = Learner::default();
    let long = |number: usize| -> ProductId { format!("{number:064}").parse().unwrap() };
    let tried = |round: usize, id: usize| {
        let tried = (0..4).map(|at| (long(round * 10_000 + id * 4 + at), Standing::default()));
        (
            (round * 10_000 + id) as u128,
            Shown {
                time: Timestamp(round as i64 * 2 * WINDOW_MS),
                viewer: id as u64,
                tried: tried.collect(),
            },
        )
    };
    for round in 0..4 {
        let lists = (0..1_500).map(|id| tried(round, id)).collect();
        let clicks = (0..3_000).map(|id| Chosen {
            product: long(id),
            ..chosen(None, round as i64 * 2 * WINDOW_MS, id as u64, 0)
        });
        let now = Timestamp(round as i64 * 2 * WINDOW_MS);
        learner.learn(&lesson(lists, clicks.collect()), now);
        let bytes = learner.to_bytes();
        assert!(bytes.len() <= MAX_LEARNER_BYTES, "{}", bytes.len());
        assert_eq!(Learner::from_bytes(&bytes).as_ref(), Ok(&learner));
    }
    let state = after_all(&mut learner, 8 * WINDOW_MS);
    assert!(state.counts().iter().len() <= 5_000);
}

fn lessons() -> impl Strategy<Value = Lesson> {
    let lists = (0..6u128, 0..40i64, prop::collection::vec(0..4usize, 1..4));
    let clicks = (prop::option::of(0..7u128), 0..40i64, 0..3u64, 0..4usize);
    (
        prop::collection::vec(lists, 0..10),
        prop::collection::vec(clicks, 0..15),
    )
        .prop_map(|(lists, clicks)| {
            // One id is one list: all of it follows from the id.
            let lists = lists.into_iter().map(|(id, time, mut products)| {
                products.sort_unstable();
                products.dedup();
                (id, shown(id, time, id as u64 % 3, &products))
            });
            let by_id: std::collections::BTreeMap<u128, _> = lists.collect();
            let clicks = clicks.into_iter();
            lesson(
                by_id.into_values().collect(),
                clicks
                    .map(|(id, time, who, what)| chosen(id, time, who, what))
                    .collect(),
            )
        })
}

proptest! {
    #[test]
    fn order_parts_and_replays_make_no_difference(
        whole in lessons(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        is_late in any::<bool>(),
    ) {
        let now = Timestamp(1_000);
        let mut learner = Learner::default();
        learner.learn(&whole, now);
        let expected = after_all(&mut learner, 1_000).clone();

        let mut parts = Vec::new();
        let (mut lists, mut clicks) = (whole.shown.clone(), whole.chosen.clone());
        for cut in cuts {
            let at = if lists.is_empty() { 0 } else { cut.index(lists.len()) };
            let of = if clicks.is_empty() { 0 } else { cut.index(clicks.len()) };
            parts.push(lesson(lists.split_off(at), clicks.split_off(of)));
        }
        parts.push(lesson(lists, clicks));
        if is_late {
            // All choices come before the lists that they were made from.
            let lists = lesson(whole.shown.clone(), vec![]);
            parts = vec![lesson(vec![], whole.chosen.clone()), lists];
        }
        let mut learner = Learner::default();
        for part in parts.iter().chain(&parts) {
            // Stored and read back between any two.
            learner = Learner::from_bytes(&learner.to_bytes()).unwrap();
            learner.learn(part, now);
        }
        prop_assert_eq!(after_all(&mut learner, 1_000), &expected);
        prop_assert!(!learner.learn(&whole, now));
    }
}
