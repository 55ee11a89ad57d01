//! A small shop from orders to the model's inputs.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shelfedge_commerce::{
    Currency, Event, EventId, EventItem, EventKind, Money, ProductId, Timestamp, time,
};
use shelfedge_features::fit::{Fitter, Named, Sale, TableOptions, tables};
use shelfedge_features::tables::{Written, write};
use shelfedge_features::{
    Affinity, Device, Encoded, Meta, Moment, Shopper, Source, Spec, Tables, encode,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn gbp(minor: i64) -> Money {
    Money::new(minor, Currency::parse("GBP").unwrap())
}

struct Bought {
    customer: Option<u32>,
    time: Timestamp,
    lines: Vec<(&'static str, i64)>,
}

fn order(customer: Option<u32>, time: &str, products: &[&'static str]) -> Bought {
    Bought {
        customer,
        time: at(time),
        lines: products.iter().map(|product| (*product, 150)).collect(),
    }
}

fn orders() -> Vec<Bought> {
    let mut list = Vec::new();
    for (i, day) in (0u32..).zip(1..10) {
        list.push(order(
            Some(i % 3),
            &format!("2011-11-{day:02}T10:00:00Z"),
            if i % 2 == 0 {
                &["cup", "saucer"]
            } else {
                &["lamp", "bulb", "cup"]
            },
        ));
    }
    list.push(order(
        None,
        "2011-11-10T10:00:00Z",
        &["cup", "saucer", "rare"],
    ));
    list.push(order(Some(9), "2011-12-01T10:00:00Z", &["future"]));
    list
}

fn named(id: &'static str, title: &'static str, slot: u32) -> Named<'static> {
    Named {
        id,
        title,
        slot,
        is_new: false,
    }
}

/// Products that aren't named are left out.
fn fit(orders: &[Bought], products: &[Named<'_>], as_of: &str) -> Written {
    let place = |id: &str| products.iter().position(|named| named.id == id);
    let sales = orders.iter().map(|order| Sale {
        customer: order.customer,
        time: order.time,
        lines: order
            .lines
            .iter()
            .filter_map(|(id, price)| Some((place(id)? as u32, *price))),
    });
    let fitted = tables(sales, products, at(as_of), TableOptions::default());
    write(&fitted.rows, fitted.neighbours, &fitted.popular)
}

struct Shop {
    meta: Vec<u8>,
    sections: Written,
}

impl Shop {
    fn new() -> Self {
        let products = [
            named("bulb", "The bulb", 4),
            named("cup", "The cup", 1),
            named("future", "The future", 0),
            named("lamp", "The lamp", 3),
            named("rare", "The rare", 0),
            named("saucer", "The saucer", 2),
        ];
        let as_of = "2011-11-15T00:00:00Z";
        let meta = Meta {
            spec: [1; 32],
            onnx: [2; 32],
            data: [3; 32],
            as_of: at(as_of),
            currency: Currency::parse("GBP").unwrap(),
        };
        Self {
            meta: meta.write(),
            sections: fit(&orders(), &products, as_of),
        }
    }

    fn tables(&self) -> Tables<'_> {
        Tables::open(|name| match name {
            "meta" => Some(self.meta.as_slice()),
            "products" => Some(&self.sections.products),
            "similar" => Some(&self.sections.similar),
            "popular" => Some(&self.sections.popular),
            _ => None,
        })
        .unwrap()
    }
}

fn event(kind: EventKind, time: &str, id: Option<&str>, products: &[&str]) -> Event {
    Event {
        id: id.map(|id| EventId::new(id).unwrap()),
        time: at(time),
        kind,
        transaction: None,
        currency: None,
        list: None,
        items: products
            .iter()
            .map(|p| EventItem {
                product: ProductId::new(*p).unwrap(),
                quantity: 1,
                price: None,
                index: None,
            })
            .collect(),
    }
}

/// Thirty customers buy lamps with bulbs, one buys them with cups again and again.
#[test]
fn one_customer_does_not_decide_what_goes_with_what() {
    let products = ["bulb", "cup", "lamp"].map(|id| named(id, id, 0));
    let day = "2011-11-05T10:00:00Z";
    let mut list: Vec<Bought> = (0..30)
        .map(|customer| order(Some(customer), day, &["bulb", "lamp"]))
        .collect();
    list.extend((0..2_000).map(|_| order(Some(99), day, &["cup", "lamp"])));
    let sales = list.iter().map(|order| Sale {
        customer: order.customer,
        time: order.time,
        lines: order.lines.iter().map(|(id, price)| {
            let place = products.iter().position(|named| named.id == *id);
            (place.unwrap() as u32, *price)
        }),
    });
    let fitted = tables(
        sales,
        &products,
        at("2011-11-15T00:00:00Z"),
        TableOptions::default(),
    );
    // Of 30 and 50 orders: 30 / sqrt(80 * 30), damped by 30 / 36.
    let (product, similarity) = fitted.rows[2].similar[1];
    assert_eq!(product, 0);
    assert!((similarity - 0.5103).abs() < 1e-3, "{similarity}");
}

#[test]
fn tables_hold_what_was_sold_before_their_date() {
    let shop = Shop::new();
    let t = shop.tables();
    assert_eq!(t.len(), 5);
    assert!(t.find("future").is_none(), "a later sale is unknown");
    let cup = t.find("cup").unwrap();
    let p = t.product(cup).unwrap();
    assert_eq!((p.id, p.title, p.price_minor), ("cup", "The cup", 150));
    let stats = t.stats(cup);
    assert_eq!(
        stats.buyers,
        [3, 3, 3, 3],
        "the guest's order has no buyer to come back"
    );
    assert_eq!(stats.slot, 1);
    assert_eq!(
        stats.last_day,
        at("2011-11-10T00:00:00Z").day() as u32,
        "but it is a sale"
    );
    let popular: Vec<&str> = t.popular().map(|i| t.product(i).unwrap().id).collect();
    assert_eq!(
        popular,
        ["bulb", "cup", "lamp", "saucer", "rare"],
        "ties go by id"
    );
    let neighbours: Vec<&str> = t
        .similar(t.find("lamp").unwrap())
        .map(|(i, _)| t.product(i).unwrap().id)
        .collect();
    assert_eq!(neighbours[0], "bulb");
    assert!(t.similar(cup).all(|(i, s)| i != cup && s > 0.0 && s <= 1.0));
    assert!(t.product(99).is_none());
    assert_eq!(t.similar(99).count(), 0);
}

#[test]
fn a_damaged_table_is_an_error_or_reads_as_empty() {
    let shop = Shop::new();
    let open = |products: &[u8], similar: &[u8], popular: &[u8]| {
        let read = |t: Tables<'_>| {
            for i in 0..8 {
                let _ = (t.product(i), t.stats(i), t.similar(i).count());
            }
            let _ = (t.find("cup"), t.popular().count());
        };
        let t = Tables::open(|name| match name {
            "meta" => Some(shop.meta.as_slice()),
            "products" => Some(products),
            "similar" => Some(similar),
            "popular" => Some(popular),
            _ => None,
        });
        if let Ok(t) = t {
            read(t);
            true
        } else {
            false
        }
    };
    let s = &shop.sections;
    for n in 0..s.products.len() {
        assert!(!open(&s.products[..n], &s.similar, &s.popular));
    }
    for n in 0..s.similar.len() {
        assert!(!open(&s.products, &s.similar[..n], &s.popular));
    }
    for byte in 0..s.products.len() {
        for bit in [0, 3, 7] {
            let mut bad = s.products.clone();
            bad[byte] ^= 1 << bit;
            open(&bad, &s.similar, &s.popular);
        }
    }
}

#[test]
fn events_add_up_in_any_order_and_once() {
    let shop = Shop::new();
    let t = shop.tables();
    let now = at("2011-11-20T12:00:00Z");
    let mut events = vec![
        event(
            EventKind::Purchase,
            "2011-11-01T10:00:00Z",
            Some("e1"),
            &["cup", "saucer", "cup"],
        ),
        event(
            EventKind::Purchase,
            "2011-11-05T10:00:00Z",
            Some("e2"),
            &["cup", "nothing"],
        ),
        event(
            EventKind::ViewItem,
            "2011-11-20T11:50:00Z",
            Some("e3"),
            &["lamp"],
        ),
        event(
            EventKind::AddToCart,
            "2011-11-20T11:55:00Z",
            Some("e4"),
            &["bulb", "saucer"],
        ),
        event(
            EventKind::RemoveFromCart,
            "2011-11-20T11:56:00Z",
            Some("e5"),
            &["saucer"],
        ),
        event(
            EventKind::ViewItem,
            "2011-11-20T12:30:00Z",
            Some("e6"),
            &["cup"],
        ),
        event(
            EventKind::ViewItem,
            "2011-11-20T09:00:00Z",
            Some("e7"),
            &["rare"],
        ),
    ];
    let shopper = Shopper::fold(&t, &events, now);
    let cup = shopper.of(t.find("cup").unwrap()).unwrap();
    assert_eq!((cup.times, cup.quantity), (2, 3));
    assert_eq!((shopper.orders, shopper.spend, shopper.pieces), (2, 600, 4));
    assert_eq!((shopper.unknown_items, shopper.future_events), (1, 1));
    let ids = |list: &[u32]| {
        list.iter()
            .map(|i| t.product(*i).unwrap().id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&shopper.session),
        ["saucer", "bulb", "lamp"],
        "half an hour ends a session"
    );
    assert_eq!(ids(&shopper.cart), ["bulb"]);

    events.reverse();
    let again: Vec<Event> = events.iter().chain(&events).cloned().collect();
    assert_eq!(Shopper::fold(&t, &again, now), shopper);

    // The same order under two event ids counts once.
    let mut a = event(
        EventKind::Purchase,
        "2011-11-01T10:00:00Z",
        Some("x"),
        &["cup"],
    );
    a.transaction = Some("t1".to_owned());
    let mut b = a.clone();
    b.id = Some(EventId::new("y").unwrap());
    assert_eq!(Shopper::fold(&t, &[a, b], now).orders, 1);
}

proptest! {
    #[test]
    fn what_was_bought_and_is_in_the_cart_is_what_one_event_after_another_leaves(
        told in prop::collection::vec((0usize..4, prop::collection::vec(0u32..5, 1..4), 0i64..20), 0..40),
    ) {
        let shop = Shop::new();
        let t = shop.tables();
        let kinds = [
            EventKind::Purchase,
            EventKind::AddToCart,
            EventKind::RemoveFromCart,
            EventKind::ViewItem,
        ];
        let name = |product: &u32| t.product(*product).unwrap().id;
        let mut events: Vec<Event> = told
            .iter()
            .map(|(kind, products, minute)| {
                let products: Vec<&str> = products.iter().map(name).collect();
                let mut event = event(kinds[*kind], "2011-11-20T11:00:00Z", None, &products);
                event.time = event.time.plus(minute * 60_000);
                event
            })
            .collect();
        let shopper = Shopper::fold(&t, &events, at("2011-11-20T12:00:00Z"));
        events.sort_by_key(|event| event.time);
        let mut cart = BTreeSet::new();
        let mut bought: BTreeMap<u32, (u32, u32, Timestamp)> = BTreeMap::new();
        for event in &events {
            let products = event.items.iter().map(|item| t.find(item.product.as_str()).unwrap());
            let distinct: BTreeSet<u32> = products.clone().collect();
            match event.kind {
                EventKind::AddToCart => cart.extend(distinct),
                EventKind::RemoveFromCart => cart.retain(|product| !distinct.contains(product)),
                EventKind::Purchase => {
                    cart.retain(|product| !distinct.contains(product));
                    for product in products {
                        bought.entry(product).or_insert((0, 0, event.time)).1 += 1;
                    }
                    for product in distinct {
                        let sum = bought.get_mut(&product).unwrap();
                        (sum.0, sum.2) = (sum.0 + 1, event.time);
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(shopper.cart, Vec::from_iter(cart));
        let sums = shopper.bought.iter().map(|b| (b.product, (b.times, b.quantity, b.last)));
        prop_assert!(sums.eq(bought));
    }
}

#[test]
fn a_clock_that_went_backwards_ages_nothing() {
    let shop = Shop::new();
    let t = shop.tables();
    let events = [event(
        EventKind::Purchase,
        "2011-11-01T10:00:00Z",
        None,
        &["cup"],
    )];
    let shopper = Shopper::fold(&t, &events, at("1990-01-01T00:00:00Z"));
    assert_eq!((shopper.orders, shopper.future_events), (0, 1));
}

fn encoded(spec: &Spec, t: &Tables<'_>, events: &[Event], now: Timestamp) -> Encoded {
    let shopper = Shopper::fold(t, events, now);
    let mut affinity = Affinity::default();
    affinity.fill(t, &shopper);
    let mut out = Encoded::default();
    let moment = Moment {
        now,
        utc_offset_minutes: 60,
        device: Device::Mobile,
    };
    let candidates: Vec<u32> = (0..5).chain([77]).collect();
    encode(spec, t, &shopper, &affinity, moment, &candidates, &mut out);
    out
}

#[test]
fn features_mean_what_their_names_say() {
    let shop = Shop::new();
    let t = shop.tables();
    let spec = Spec::unfitted(4);
    let now = at("2011-11-20T12:00:00Z");
    let events = [
        event(EventKind::Purchase, "2011-11-01T12:00:00Z", None, &["cup"]),
        event(
            EventKind::Purchase,
            "2011-11-11T12:00:00Z",
            None,
            &["cup", "saucer"],
        ),
        event(EventKind::ViewItem, "2011-11-20T11:50:00Z", None, &["lamp"]),
    ];
    let e = encoded(&spec, &t, &events, now);
    assert_eq!(e.rows, 6);
    assert_eq!(e.candidate.len(), 6 * spec.candidate.len());
    assert_eq!(e.title.len(), 6 * spec.title_tokens as usize);
    let context = |s: Source| e.context[spec.context.iter().position(|n| n.source == s).unwrap()];
    let of = |id: &str, s: Source| {
        let row = t.find(id).map_or(5, |i| i as usize);
        e.candidate[row * spec.candidate.len()
            + spec.candidate.iter().position(|n| n.source == s).unwrap()]
    };
    let near = |got: f32, want: f64| assert!((f64::from(got) - want).abs() < 1e-5, "{got} {want}");
    near(context(Source::Orders), 3f64.ln());
    near(context(Source::DaysSinceOrder), 10f64.ln());
    near(context(Source::OrderInterval), 11f64.ln());
    near(context(Source::HourFromNoon), 1.0 / 12.0);
    assert_eq!(
        (
            context(Source::Sunday),
            context(Source::Monday),
            context(Source::Mobile)
        ),
        (1.0, 0.0, 1.0)
    );
    near(of("cup", Source::TimesBought), 3f64.ln());
    near(of("cup", Source::DaysSinceBought), 10f64.ln());
    near(of("lamp", Source::DaysSinceBought), 501f64.ln());
    assert_eq!(
        (
            of("saucer", Source::InLastOrder),
            of("saucer", Source::TimesPerOrder)
        ),
        (1.0, 0.5)
    );
    assert_eq!(
        (of("lamp", Source::InSession), of("cup", Source::InSession)),
        (1.0, 0.0)
    );
    assert!(of("bulb", Source::SessionAffinity) > of("saucer", Source::SessionAffinity));
    near(of("cup", Source::Price), 2.5f64.ln());
    near(of("cup", Source::PriceRatio), 0.0);
    assert_eq!(
        of("nothing", Source::Buyers14),
        0.0,
        "a product outside the tables"
    );
    let slots: Vec<i32> = e.product.clone();
    assert_eq!(slots[t.find("cup").unwrap() as usize], 1);
    assert_eq!(slots[t.find("rare").unwrap() as usize], 0);
    assert_eq!(e.session[..2], [3, 0]);
    assert!(e.wide.iter().all(|w| (1..=4096).contains(w)));
}

#[test]
fn scaling_centres_limits_and_silences_constants() {
    let shop = Shop::new();
    let t = shop.tables();
    let raw = Spec::unfitted(4);
    let now = at("2011-11-20T12:00:00Z");
    let events = [event(
        EventKind::Purchase,
        "2011-11-01T12:00:00Z",
        None,
        &["cup"],
    )];
    let mut fitter = Fitter::new(raw.clone());
    fitter.add(&encoded(&raw, &t, &events, now));
    fitter.add(&encoded(&raw, &t, &[], now));
    let spec = fitter.finish();
    assert_eq!(Spec::read(&spec.write()), Ok(spec.clone()));
    let mobile = spec
        .context
        .iter()
        .position(|n| n.source == Source::Mobile)
        .unwrap();
    assert_eq!(spec.context[mobile].scale, 0.0);
    let e = encoded(&spec, &t, &events, now.plus(400 * time::DAY));
    assert_eq!(e.context[mobile], 0.0);
    assert!(e.context.iter().chain(&e.candidate).all(|x| x.abs() <= 5.0));
    // A broken price in the data can't reach the model.
    let mut huge = events[0].clone();
    huge.items[0].price = Some(gbp(i64::MAX));
    huge.items[0].quantity = u32::MAX;
    let e = encoded(&spec, &t, &[huge], now);
    assert!(e.context.iter().chain(&e.candidate).all(|x| x.is_finite()));
}

#[test]
fn prices_beyond_32_bits_are_kept_to_the_unit() {
    let shop = |cup: i64, other: i64| {
        let mut orders = orders();
        for (id, price) in orders.iter_mut().flat_map(|order| &mut order.lines) {
            *price = if *id == "cup" { cup } else { other };
        }
        let products = ["bulb", "cup", "lamp", "saucer"].map(|id| named(id, id, 0));
        fit(&orders, &products, "2011-11-11T00:00:00Z")
    };
    let meta = Shop::new().meta;
    let prices = |written: &Written| -> Vec<i64> {
        let tables = Tables::open(|name| match name {
            "meta" => Some(&meta),
            "products" => Some(&written.products),
            "similar" => Some(&written.similar),
            "popular" => Some(&written.popular),
            _ => None,
        })
        .unwrap();
        (0..)
            .map_while(|i| tables.product(i))
            .map(|product| product.price_minor)
            .collect()
    };
    // An ordinary laptop in rupiah, whose minor unit is a hundredth.
    let (laptop, bag) = (4_500_000_000_i64, 15_000_001);
    let narrow = shop(bag, bag);
    let count = prices(&narrow).len();
    assert_eq!(prices(&narrow), vec![bag; count]);
    // By id, the cup is the second.
    let wide = shop(laptop, bag);
    let mut expected = vec![bag; count];
    expected[1] = laptop;
    assert_eq!(prices(&wide), expected);
    // Only a shop that needs it pays for the second half.
    assert_eq!(wide.products.len(), narrow.products.len() + count * 4);
    // A flag that nobody knows is a fault, not a guess.
    let mut odd = narrow;
    odd.products[12] = 2;
    let opened = Tables::open(|name| match name {
        "meta" => Some(&meta),
        "products" => Some(&odd.products),
        "similar" => Some(&odd.similar),
        "popular" => Some(&odd.popular),
        _ => None,
    });
    assert_eq!(opened.err().map(|e| e.section), Some("products"));
}
