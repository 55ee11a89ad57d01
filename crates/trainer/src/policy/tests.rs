//! The generator, held against the shop that it is fitted to.

use std::collections::BTreeSet;

use shelfedge_commerce::money::Currency;
use shelfedge_commerce::time::{DAY, HOUR};
use shelfedge_features::visits::Action;

use super::Settings;
use super::command::simulator;
use super::fit;
use super::log::{self, Trajectory, tests::lines};
use super::rules::Policy;
use super::simulate::{Known, List, Ranker, Simulator, Span};
use crate::rng::Rng;
use crate::shop::{Line, Shop, ShopCustomer, ShopOrder, ShopProduct};
use crate::watch::Silent;

const SHELVES: usize = 6;
const SHELF: usize = 20;

/// A shop whose customers buy from one shelf or two, some every other week, some twice a
/// year, some once; who buys often buys much again.
fn shop(customers: u32) -> Shop {
    let mut rng = Rng::new(12, 0);
    let mut orders = Vec::new();
    for customer in 0..customers {
        let own = [rng.below(SHELVES), rng.below(SHELVES)];
        let pause = [9, 25, 80][rng.below(3)];
        let mut day = rng.below(300) as i64;
        let mut favourite = None;
        while day < 360 {
            let mut products = BTreeSet::new();
            for _ in 0..3 + rng.below(5) {
                let shelf = own[usize::from(rng.unit() < 0.3)];
                // The first of a shelf sell most.
                let place = rng.below(SHELF).min(rng.below(SHELF));
                products.insert((shelf * SHELF + place) as u32);
            }
            products.extend(favourite.filter(|_| rng.unit() < 0.5));
            favourite = favourite.or(products.first().copied());
            let lines = products.into_iter().map(|product| Line {
                product,
                quantity: 1,
                unit_price: 100,
            });
            orders.push(ShopOrder {
                id: format!("{customer}-{day}"),
                customer,
                time: (19_000 + day) * DAY + 10 * HOUR,
                lines: lines.collect(),
            });
            if rng.unit() < 0.25 {
                break;
            }
            day += 1 + (pause as f32 * 2.0 * rng.unit()) as i64;
        }
    }
    orders.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    Shop {
        currency: "EUR".parse::<Currency>().expect("a currency"),
        products: (0..SHELVES * SHELF)
            .map(|number| ShopProduct {
                photo: Vec::new(),
                code: format!("p{number:03}"),
                title: String::new(),
                attributes: Default::default(),
            })
            .collect(),
        customers: (0..customers)
            .map(|number| ShopCustomer {
                id: format!("c{number:04}"),
                country: String::new(),
            })
            .collect(),
        orders,
    }
}

fn small() -> Settings {
    Settings {
        visits: 4,
        places: 8,
        tries: 3,
        ..Settings::default()
    }
}

#[test]
fn simulated_shoppers_are_those_of_the_shop() {
    let settings = small();
    let (_, fit) = simulator(&shop(500), &settings, &mut Silent).expect("a simulator");
    assert_eq!(fit.len(), 5);
    for fit in &fit {
        assert!(fit.shop > 0.0, "{fit:?}");
        assert!(fit.is_met(), "{fit:?}");
    }
}

#[test]
fn shoppers_who_care_come_more_often_when_lists_are_better() {
    let settings = Settings {
        tried: 4_000,
        ..small()
    };
    let (simulator, _) = simulator(&shop(400), &settings, &mut Silent).expect("a simulator");
    let span = Span {
        visits: 4,
        days: Some(180),
    };
    let policy = Policy::Uniform;
    let follow = |seed| {
        simulator
            .trajectories("trying", &policy, 1_500, span, seed, &mut Silent)
            .expect("trajectories")
    };
    let (one, again, other) = (follow(1), follow(1), follow(2));
    assert_eq!(one, again, "one seed, the same shoppers");
    assert_ne!(one, other);
    // Who ordered from the first list comes again more often than who did not.
    let mut came = [[0.0f64; 2]; 2];
    for trajectory in &one {
        assert!((1..=4).contains(&trajectory.decisions.len()));
        let ordered = usize::from(trajectory.decisions[0].reward >= 2.0);
        came[ordered][0] += 1.0;
        came[ordered][1] += f64::from(u8::from(trajectory.decisions.len() > 1));
    }
    let [few, many] = came.map(|[n, again]| again / n);
    assert!(many > few + 0.05, "{few} {many}");
}

#[test]
fn lists_are_what_their_names_say() {
    let settings = small();
    let ranker = Ranker {
        places: 8,
        tries: 3,
        of_one: 1,
        prior: fit::PRIOR,
    };
    let shop = shop(400);
    let fitted = fit::fit(&shop, ranker, 4, 1, &mut Silent).expect("a fit");
    let catalogue = &fitted.catalogue;
    let shares: f32 = catalogue.share.iter().sum();
    assert!((shares - 1.0).abs() < 1e-4);
    // A shelf's products are bought by the same customers, and so in one group.
    let mut pure = 0;
    for shelf in 0..SHELVES {
        let groups = (0..SHELF).filter_map(|at| Some(catalogue.place[shelf * SHELF + at]?.0));
        let groups: Vec<u32> = groups.collect();
        let most = groups
            .iter()
            .map(|g| groups.iter().filter(|o| *o == g).count());
        pure += most.max().unwrap_or(0);
    }
    assert!(pure > SHELVES * SHELF / 3, "{pure}");
    let (simulator, _) = self::simulator(&shop, &settings, &mut Silent).expect("a simulator");
    let span = Span {
        visits: 3,
        days: Some(365),
    };
    for action in Action::ALL {
        for shopper in 0..200 {
            let policy = Policy::Always(action);
            let visits = simulator.visits(shopper, &policy, span, 5);
            let mut seen = BTreeSet::new();
            for (number, shown) in visits.iter().enumerate() {
                let products: BTreeSet<u32> = shown.list.iter().map(|p| p.product).collect();
                assert_eq!(products.len(), shown.list.len(), "none twice");
                if action == Action::Diversify {
                    let groups: BTreeSet<u32> = shown.list.iter().map(|p| p.group).collect();
                    assert_eq!(groups.len(), shown.list.len());
                }
                if number > 0 {
                    let new = products.difference(&seen).count();
                    if action == Action::Explore {
                        assert!(new >= 3, "three places try what wasn't shown");
                    }
                }
                seen.extend(products);
                for place in &shown.list {
                    assert!(
                        place.clicked || !place.ordered,
                        "what is ordered is clicked"
                    );
                }
            }
        }
    }
    // Who bought one shelf is shown it.
    let mut known = Known::new(catalogue);
    let mut list = List::default();
    ranker.exploit(&fitted, &known, &mut list);
    let popular = list.products.clone();
    for product in 20..30 {
        known.bought(catalogue, product);
    }
    ranker.exploit(&fitted, &known, &mut list);
    assert_ne!(list.products, popular);
    assert!(
        list.products
            .iter()
            .filter(|p| (20..40).contains(*p))
            .count()
            >= 4
    );
    known.clear();
    ranker.exploit(&fitted, &known, &mut list);
    assert_eq!(list.products, popular, "forgotten");
}

#[test]
fn what_the_simulator_makes_reads_as_a_log() {
    let (simulator, _) = simulator(&shop(300), &small(), &mut Silent).expect("a simulator");
    let span = log::tests::SPAN;
    let mut text = String::new();
    let make =
        |simulator: &Simulator, shopper| simulator.visits(shopper, &Policy::Uniform, span, 3);
    for shopper in 0..80 {
        text += &lines(&format!("s{shopper:03}"), &make(&simulator, shopper));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.jsonl");
    std::fs::write(&path, text).expect("written");
    let (read, report) = log::read(&path, span, &mut Silent).expect("a log");
    assert_eq!(report.shoppers, 80);
    let made = simulator
        .trajectories("trying", &Policy::Uniform, 80, span, 3, &mut Silent)
        .expect("trajectories");
    // Those who came first too shortly before the log's end are left out.
    assert_eq!(read.len() + report.too_late, 80);
    assert!(read.len() > 60);
    // A propensity is read within a bit of what was written; all else is the same.
    let same = |a: &Trajectory, b: &Trajectory| {
        let mut pairs = a.decisions.iter().zip(&b.decisions);
        a.decisions.len() == b.decisions.len()
            && pairs.all(|(a, b)| {
                let near = (a.propensity - b.propensity).abs() < 1e-12;
                near && (a.state, a.action, a.reward) == (b.state, b.action, b.reward)
            })
    };
    for trajectory in &read {
        assert!(made.iter().any(|made| same(made, trajectory)));
    }
}

#[test]
fn too_few_customers_are_refused() {
    let error = simulator(&shop(50), &small(), &mut Silent).expect_err("too few");
    assert_eq!(error.faults()[0].code, "too_little_history");
}
