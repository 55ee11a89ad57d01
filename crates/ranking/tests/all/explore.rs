//! Exploration from end to end: what it logs lets other policies be judged, and
//! its stored states survive whatever is done to their bytes.

use std::path::Path;

use proptest::prelude::*;
use shelfedge_commerce::exposure::{Outcome, join};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{
    EXPOSURE_VERSION, Exposure, ExposureEntry, OutcomeKind, ProductId, Timestamp,
};
use shelfedge_insight::{Log, Options, Rates, Terms};
use shelfedge_ranking::explore::{
    Belief, Chosen, Counts, Learner, Lesson, Linear, Plan, Shown, Thompson, WINDOW_MS, chances,
    choose, fill,
};
use shelfedge_ranking::rerank::Standing;

/// Click rates of the pool at the first place; those below are looked at less.
const RATES: [f64; 6] = [0.05, 0.08, 0.1, 0.15, 0.2, 0.3];
const PLACES: [u32; 2] = [1, 3];
const BATCH: u32 = 400;
const BATCHES: u32 = 15;

fn rate(member: usize, place: u32) -> f64 {
    RATES[member] / (1.0 + 0.2 * f64::from(place))
}

fn id(text: &str) -> ProductId {
    text.parse().unwrap()
}

/// A shop that explores, learning from what its window has closed over; all that
/// it logged.
fn logged() -> (Vec<Exposure>, Vec<Outcome>, Counts) {
    let plan = Plan::new(PLACES.to_vec(), 0.2).unwrap();
    let ranked: Vec<ProductId> = ["r0", "r1", "r2", "r3"].map(id).to_vec();
    let candidates: Vec<ProductId> = (0..RATES.len()).map(|n| id(&format!("n{n}"))).collect();
    let prior = Belief::prior(0.1, 20.0).unwrap();
    let mut rng = Rng::new(21, 0);
    let (mut exposures, mut outcomes) = (Vec::new(), Vec::new());
    let mut counts = Counts::default();
    for batch in 0..BATCHES {
        for at in 0..BATCH {
            let number = batch * BATCH + at;
            let time = Timestamp(i64::from(number) * 10);
            let pool = counts.pool(candidates.iter(), u32::MAX, 64);
            let beliefs: Vec<Belief> = pool.iter().map(|id| counts.belief(id, prior)).collect();
            let choices = choose(&Thompson::new(&beliefs), &plan, number.into());
            let ranked: Vec<&ProductId> = ranked.iter().collect();
            let list = fill(&ranked, &pool, &choices, 4);
            let exposure = Exposure {
                version: EXPOSURE_VERSION,
                id: format!("x{number}").parse().unwrap(),
                time,
                list: "home".parse().unwrap(),
                shopper: None,
                session: None,
                model: String::new(),
                arm: String::new(),
                entries: (0..)
                    .zip(list)
                    .map(|(position, (product, propensity))| ExposureEntry {
                        product: product.clone(),
                        position,
                        propensity,
                        score: None,
                    })
                    .collect(),
            };
            for place in PLACES {
                let product = &exposure.entries[place as usize].product;
                let member = candidates.iter().position(|c| c == product).unwrap();
                if rng.unit64() < rate(member, place) {
                    outcomes.push(Outcome {
                        version: EXPOSURE_VERSION,
                        event: format!("e{number}-{place}").parse().unwrap(),
                        kind: OutcomeKind::Click,
                        time,
                        product: product.clone(),
                        shopper: None,
                        session: None,
                        exposure: Some(exposure.id.clone()),
                        list: None,
                        value: None,
                    });
                }
            }
            exposures.push(exposure);
        }
        let joined = join(&exposures, &outcomes, 5);
        let until = exposures.last().unwrap().time;
        let updated = counts.update(&joined, &PLACES, OutcomeKind::Click, until);
        assert_eq!(updated.exposures, BATCH as usize);
    }
    (exposures, outcomes, counts)
}

#[test]
fn what_exploration_logs_says_what_other_policies_are_worth() {
    let (exposures, outcomes, counts) = logged();
    let joined = join(&exposures, &outcomes, 5);
    // The best was found: it is tried at the first place or the second.
    let best = counts.of(&id("n5"));
    assert!(best.tried > BATCH * BATCHES * 3 / 4, "{best:?}");

    let explored = |_: &Exposure, entry: &ExposureEntry| PLACES.contains(&entry.position);
    let (log, products) = Log::of_joined(&joined, OutcomeKind::Click, explored).unwrap();
    assert_eq!(products.len(), RATES.len());
    let rates = Rates::fit(&log, 200.0);
    let plan = Plan::new(PLACES.to_vec(), 0.2).unwrap();
    let fixed = Linear::new(1, 1.0)
        .unwrap()
        .bounds(&[0.2, 0.4, 0.4, 1.0, 0.1, 0.3], 1.0);
    let fixed = fixed.unwrap();
    let policies = [
        [vec![1.0 / 6.0; 6], vec![1.0 / 6.0; 6]],
        [0, 1].map(|rank| chances(&fixed, &plan, rank)),
    ];
    for policy in policies {
        let at = |place: u32| &policy[usize::from(place == PLACES[1])];
        let truth = PLACES.map(|place| -> f64 {
            let chances = at(place).iter().enumerate();
            chances.map(|(member, p)| p * rate(member, place)).sum()
        });
        let truth = (truth[0] + truth[1]) / 2.0;
        let terms = Terms::new(
            &log,
            |_, decision, out| out.copy_from_slice(at(decision.position)),
            |_, decision, out| out.copy_from_slice(rates.at(decision.position)),
        );
        let found = terms.unwrap().evaluate(&Options::default());
        for estimate in [found.ips, found.snips, found.dr] {
            let holds = (estimate.low..=estimate.high).contains(&truth);
            assert!(holds, "{estimate} {truth} {found:?}");
            assert!(estimate.high - estimate.low < 0.08, "{estimate}");
        }
    }
}

/// Of a list with some trials that counted, and some that wait.
fn learner() -> Learner {
    let mut learner = Learner::default();
    for time in [0, 2 * WINDOW_MS].map(Timestamp) {
        let shown = (0..5u16).map(|at| {
            let tried = (0..=at % 4).map(|other| {
                let [fit, price] = [at * 2_000, other * 3_000];
                (id(&format!("n{other}")), Standing { fit, price })
            });
            let shown = Shown {
                time,
                viewer: at.into(),
                tried: tried.collect(),
            };
            (u128::from(at) << 64, shown)
        });
        let chosen = (0..3u16).map(|at| Chosen {
            exposure: (at > 0).then_some(u128::from(at) << 64),
            viewer: at.into(),
            time,
            product: id("n0"),
        });
        let lesson = Lesson {
            shown: shown.collect(),
            chosen: chosen.collect(),
        };
        assert!(learner.learn(&lesson, time));
    }
    learner.written = Timestamp(2 * WINDOW_MS);
    assert_eq!(learner.state().of("n0").rewarded, 3);
    learner
}

fn states() -> [(&'static str, Vec<u8>); 3] {
    let (exposures, outcomes, _) = logged();
    let joined = join(&exposures[..200], &outcomes, 5);
    let until = Timestamp(1_990);
    let mut counts = Counts::default();
    counts.update(&joined, &PLACES, OutcomeKind::Click, until);
    let mut linear = Linear::new(2, 1.0).unwrap();
    linear.update(
        &joined,
        &PLACES,
        OutcomeKind::Click,
        until,
        |_, entry, out| {
            let last = entry.product.as_str().as_bytes()[1] - b'0';
            out.copy_from_slice(&[1.0, f64::from(last) / 5.0]);
            true
        },
    );
    [
        ("counts", counts.to_bytes()),
        ("linear", linear.to_bytes()),
        ("learner", learner().to_bytes()),
    ]
}

/// The fuzz target begins with them; `UPDATE_EXPECT=1` writes them again.
#[test]
fn the_committed_seeds_are_these_states() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, bytes) in states() {
        assert!(crate::body::state(&bytes), "{name}");
        let file = folder.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &bytes).expect("a file");
        }
        assert!(std::fs::read(file).expect("a seed") == bytes, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_changed_is_an_error_or_another_state(
        changes in prop::collection::vec((0usize..512, any::<u8>()), 1..5),
        cut in 0usize..64,
        name in prop::sample::select(vec!["counts", "linear", "learner"]),
    ) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let mut bytes = std::fs::read(folder.join(name)).expect("a seed");
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let kept = bytes.len() - if cut < 8 { cut } else { 0 };
        crate::body::state(&bytes[..kept]);
    }
}
