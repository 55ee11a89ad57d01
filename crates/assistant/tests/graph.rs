//! Compiled graphs: against a plain list of facts, against damage, and what they answer.
#![cfg(feature = "compile")]

#[path = "../fuzz/src/graph.rs"]
mod body;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use shelfedge_assistant::graph::compile::{Draft, Object, catalogue, triples};
use shelfedge_assistant::graph::{
    Bounds, Constraint, Entity, Graph, Language, Number, Query, Question, Relation, Step, Value,
    ValueKind,
};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{Currency, Money, Product, ProductId};

const SHOP: &str = include_str!("../fuzz/seeds/triples");

fn shop() -> Vec<u8> {
    let mut draft = Draft::default();
    triples::read(&mut draft, &[("shop.tsv", SHOP)]).expect("triples");
    draft.compile().expect("a graph")
}

fn product(graph: &Graph<&[u8]>, key: &str) -> Entity {
    let kind = graph.type_named("Product").expect("a type");
    graph.entity(kind, key).expect("a product")
}

fn link(graph: &Graph<&[u8]>, name: &str) -> Relation {
    graph.relation(name).expect("a relation")
}

#[test]
fn looks_up_by_key_name_and_relation() {
    let bytes = shop();
    let graph = Graph::open(&bytes[..]).expect("a graph");
    assert_eq!((graph.entities(), graph.facts_in_all()), (5, 16));
    let types: Vec<_> = graph.types().map(|it| it.1).collect();
    assert_eq!(types, ["Brand", "Product"]);
    let case = product(&graph, "a1");
    assert_eq!(graph.key(case), "a1");
    assert_eq!(graph.name(case), "Leather Case");
    assert_eq!(graph.named("leather  CASE!"), [case]);
    assert_eq!(graph.named("皮套pro"), [product(&graph, "a2")]);
    assert_eq!(graph.named("A1"), [case]);
    assert!(graph.named("case").is_empty() && graph.named("!").is_empty());
    let acme = graph.named("acme")[0];
    let made: Vec<_> = graph.subjects(acme, link(&graph, "brand")).collect();
    assert_eq!(made, [case, product(&graph, "a2")]);
    assert_eq!(graph.degree(acme, Step::back(link(&graph, "brand"))), 2);
    let prices: Vec<_> = graph.values(made[1], link(&graph, "price")).collect();
    let money = |minor, currency| Value::Money(Money::new(minor, currency));
    assert_eq!(
        prices,
        [money(2900, Currency::EUR), money(2500, Currency::GBP)]
    );
    let widths: Vec<_> = graph.values(made[1], link(&graph, "width")).collect();
    assert_eq!(widths, [Value::Number(Number(-6_250_000))]);
    assert_eq!(graph.facts_to(acme).count(), 2);
    assert_eq!(
        graph.entity(graph.type_named("Brand").expect("one"), "a1"),
        None
    );
    assert_eq!(
        (graph.key(Entity(5)), graph.type_of(Entity(5))),
        (String::new(), None)
    );
}

#[test]
fn queries_have_constraints_an_order_and_a_limit() {
    let bytes = shop();
    let graph = Graph::open(&bytes[..]).expect("a graph");
    let (brand, price) = (link(&graph, "brand"), link(&graph, "price"));
    let acme = graph.named("acme")[0];
    let pounds = |minor| Value::Money(Money::new(minor, Currency::GBP));
    let under = |minor| Constraint::Within(price, Bound::Unbounded, Bound::Excluded(pounds(minor)));
    let ask = |query: Query<'_>| -> Vec<String> {
        let found = graph.find(&query).expect("a query");
        assert!(found.all >= found.hits.len());
        found.hits.iter().map(|hit| graph.key(hit.entity)).collect()
    };
    let by_acme = Query {
        constraints: vec![Constraint::To(brand, acme), under(2000)],
        ..Query::default()
    };
    assert_eq!(ask(by_acme), ["a1"]);
    let cheapest = Query {
        named: Vec::new(),
        kind: graph.type_named("Product"),
        constraints: vec![under(2501)],
        order: Some((price, false)),
        limit: 2,
    };
    assert_eq!(ask(cheapest.clone()), ["b1", "a1"]);
    assert_eq!(graph.find(&cheapest).expect("a query").all, 3);
    let of_brands = Query {
        kind: graph.type_named("Brand"),
        constraints: vec![Constraint::From(brand, product(&graph, "b1"))],
        ..Query::default()
    };
    assert_eq!(ask(of_brands), ["Volt"]);
    for (bad, why) in [
        (Query::default(), "the query has neither"),
        (
            Query {
                constraints: vec![Constraint::To(price, acme)],
                ..Query::default()
            },
            "constraints[0] isn't one for the kind",
        ),
        (
            Query {
                constraints: vec![Constraint::To(brand, Entity(99))],
                ..Query::default()
            },
            "constraints[0] names a relation or an entity",
        ),
        (
            Query {
                kind: graph.type_named("Brand"),
                order: Some((brand, true)),
                ..Query::default()
            },
            "the query's order",
        ),
    ] {
        let refused = graph.find(&bad).expect_err(why).to_string();
        assert!(refused.starts_with(why), "{refused}");
    }
}

fn check(question: impl Fn(&Graph<&[u8]>) -> Question<'static>, expected: Expect) {
    let bytes = shop();
    let graph = Graph::open(&bytes[..]).expect("a graph");
    let mut all = String::new();
    for language in [Language::En, Language::Zh] {
        let answer = graph
            .answer(&question(&graph), language)
            .expect("an answer");
        all.push_str(&answer.text);
        all.push('\n');
        for fact in &answer.facts {
            let about = graph.about(fact.relation).expect("a relation");
            let mut held = graph.facts(fact.subject);
            assert!(held.any(|it| it == *fact), "{fact:?} is in the graph");
            let told = match fact.object {
                Value::Entity(entity) => graph.name(entity),
                Value::Text(text) => text.to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Money(money) => money.to_string(),
                Value::Availability(it) => it.name().to_owned(),
            };
            let said = if answer.text.contains(&told) {
                ""
            } else {
                " (not said)"
            };
            if language == Language::En {
                let subject = graph.key(fact.subject);
                all.push_str(&format!("  {subject} {} {told}{said}\n", about.name));
            }
        }
    }
    expected.assert_eq(&all);
}

#[test]
fn answers_are_made_of_facts() {
    let of = |key: &'static str, relation: &'static str| {
        move |graph: &Graph<&[u8]>| Question::Of(product(graph, key), link(graph, relation))
    };
    check(
        of("a1", "price"),
        expect![[r#"
        Leather Case costs 19.99 GBP.
          a1 price 19.99 GBP
        Leather Case的价格是19.99 GBP。
    "#]],
    );
    check(
        of("a2", "price"),
        expect![[r#"
        皮套 Pro costs 29.00 EUR, 25.00 GBP.
          a2 price 29.00 EUR
          a2 price 25.00 GBP
        皮套 Pro的价格是29.00 EUR、25.00 GBP。
    "#]],
    );
    check(
        of("b1", "availability"),
        expect![[r#"
        Charger is sold out.
          b1 availability SoldOut (not said)
        Charger：已售完。
    "#]],
    );
    check(
        of("a2", "brand"),
        expect![[r#"
        The brand of 皮套 Pro is Acme.
          a2 brand Acme
        皮套 Pro的品牌是Acme。
    "#]],
    );
    check(
        of("a2", "availability"),
        expect![[r#"
        I don't know the availability of 皮套 Pro.
        我不知道皮套 Pro的供货情况。
    "#]],
    );
    check(
        |graph| Question::About(product(graph, "a2")),
        expect![[r#"
            The related product of 皮套 Pro is Charger. The brand of 皮套 Pro is Acme. 皮套 Pro costs 29.00 EUR, 25.00 GBP. The width of 皮套 Pro is -6.25.
              a2 also Charger
              a2 brand Acme
              a2 price 29.00 EUR
              a2 price 25.00 GBP
              a2 width -6.25
            皮套 Pro的相关商品是Charger。皮套 Pro的品牌是Acme。皮套 Pro的价格是29.00 EUR、25.00 GBP。皮套 Pro的width是-6.25。
        "#]],
    );
    check(
        |graph| Question::About(graph.named("volt")[0]),
        expect![[r#"
        I know nothing more of Volt.
        关于Volt，我没有更多信息。
    "#]],
    );
    let below = |minor: i64| {
        move |graph: &Graph<&[u8]>| {
            let most = Value::Money(Money::new(minor, Currency::GBP));
            let price = link(graph, "price");
            let acme = graph.named("acme")[0];
            Question::Which(Query {
                named: Vec::new(),
                kind: graph.type_named("Product"),
                constraints: vec![
                    Constraint::To(link(graph, "brand"), acme),
                    Constraint::Within(price, Bound::Unbounded, Bound::Included(most)),
                ],
                order: Some((price, false)),
                limit: 1,
            })
        }
    };
    check(
        below(2500),
        expect![[r#"
            I found 2: Leather Case (19.99 GBP) and 1 more.
              a1 name Leather Case
              a1 brand Acme (not said)
              a1 price 19.99 GBP
            找到 2 个：Leather Case（19.99 GBP），另有 1 个。
        "#]],
    );
    check(
        below(100),
        expect![[r#"
        I know of nothing like that.
        没有找到符合条件的结果。
    "#]],
    );
    let between = |to: &'static str| {
        move |graph: &Graph<&[u8]>| {
            let to = graph.named(to)[0];
            Question::Between(product(graph, "a1"), to, Bounds::default())
        }
    };
    check(
        between("volt"),
        expect![[r#"
            The related product of Leather Case is 皮套 Pro. The related product of 皮套 Pro is Charger. The brand of Charger is Volt.
              a1 also 皮套 Pro
              a2 also Charger
              b1 brand Volt
            Leather Case的相关商品是皮套 Pro。皮套 Pro的相关商品是Charger。Charger的品牌是Volt。
        "#]],
    );
    check(
        between("a1"),
        expect![[r#"
        I know of nothing between Leather Case and Leather Case.
        我不知道Leather Case与Leather Case有什么关系。
    "#]],
    );
}

#[test]
fn every_fault_of_triples_at_once() {
    let mut draft = Draft::default();
    let text = "@relation\tprice\tmoney\n@relation\tprice\ttext\n@relation\tx\tcolour\nno tabs\n\
        Product\tprice\t1 GBP\nProduct:a\tprice\t1.999 GBP\nProduct:a\tweight\t3\nProduct:\tprice\t1 GBP\n\
        Product:a\tprice\t5 XXX\nProduct:a\tprice\tcheap\n";
    let faults = triples::read(&mut draft, &[("t.tsv", text)]).expect_err("faults");
    expect![[r#"
        t.tsv line 2: "price" was money and is text [graph_relation_kind]. Keep one kind, or give the other one a name of its own.
        t.tsv line 3: "colour" is none of entity, text, number, money, availability [graph_value]. Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock.
        t.tsv line 4: "no tabs" has fewer than two tabs [graph_line]. Write subject, relation and object with a tab between each.
        t.tsv line 5: the subject "Product" isn't Type:key [graph_line]. Write subject, relation and object with a tab between each.
        t.tsv line 6: 1.999 has more than the 2 decimals of GBP [money_surplus_digits]. Round to the currency's minor unit where the price is made.
        t.tsv line 7: "weight" isn't declared [graph_relation_unknown]. Declare it with its kind: @relation, its name, its kind.
        t.tsv line 8: a key is "" [graph_key]. Give a key of 1 to 512 bytes without tabs and line breaks.
        t.tsv line 9: "XXX" is not a currency of ISO 4217 [currency_unknown]. Use the three capital letters of ISO 4217, such as GBP.
        t.tsv line 10: "cheap" is no money [graph_value]. Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock."#]].assert_eq(&faults.to_string());
}

fn item(id: &str) -> catalogue::Item {
    catalogue::Item {
        at: format!("shop.csv line {}", id.len() + 1),
        id: id.to_owned(),
        name: format!("Case {id}"),
        price: Some("9.50".to_owned()),
        currency: Some("GBP".to_owned()),
        ..catalogue::Item::default()
    }
}

#[test]
fn a_catalogue_becomes_a_graph() {
    let mut one = item("a");
    one.categories = vec!["Phones".to_owned(), "Cases".to_owned()];
    // As in feeds; at schema.org it is http://schema.org/InStock.
    one.availability = Some("in_stock".to_owned());
    one.properties = vec![
        ("height".to_owned(), "12.5".to_owned()),
        ("color".to_owned(), "红".to_owned()),
    ];
    one.related = vec![
        (catalogue::FITS.to_owned(), "iPhone 5".to_owned()),
        ("isSimilarTo".to_owned(), "bb".to_owned()),
    ];
    let mut draft = Draft::default();
    catalogue::add(&mut draft, &[one.clone(), item("bb")]).expect("a catalogue");
    let bytes = draft.compile().expect("a graph");
    let graph = Graph::open(&bytes[..]).expect("a graph");
    let cases = graph.named("cases")[0];
    assert_eq!(graph.key(cases), "Phones > Cases");
    let answer = graph.answer(&Question::About(product(&graph, "a")), Language::En);
    expect!["Case a is in stock. Case a, category: Phones, Cases. The color of Case a is 红. The height of Case a is 12.5. The compatible device of Case a is iPhone 5. The similar product of Case a is Case bb. Case a costs 9.50 GBP."].assert_eq(&answer.expect("an answer").text);

    let (mut bad, mut worse) = (item("bb"), item("a"));
    bad.currency = None;
    bad.availability = Some("Soon".to_owned());
    bad.name = " ".to_owned();
    bad.related = vec![
        ("isSimilarTo".to_owned(), "zz".to_owned()),
        ("likes".to_owned(), "a".to_owned()),
    ];
    bad.properties = vec![("brand".to_owned(), "x".to_owned())];
    worse.price = Some("-1".to_owned());
    worse.brand = Some(String::new());
    let faults = catalogue::add(&mut Draft::default(), &[one, bad, worse]).expect_err("faults");
    expect![[r#"
        shop.csv line 2: id: "a" was there before [duplicate_id]. Keep one of them.
        shop.csv line 3: name: a text has 0 bytes, not 1 to 16,384 [graph_value]. Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock.
        shop.csv line 3: price: a price has no currency [currency_missing]. Set params.currency on every event with prices.
        shop.csv line 3: availability: "Soon" is no availability [graph_value]. Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock.
        shop.csv line 3: brand: its name is one of the catalogue's own [graph_relation_kind]. Keep one kind, or give the other one a name of its own.
        shop.csv line 3: isSimilarTo: there is no product "zz" [graph_value]. Write entities as Type:key, numbers as -1.5 with at most six decimals, money as 19.99 GBP, availability as InStock.
        shop.csv line 3: likes: "likes" isn't a relation between products [graph_relation_unknown]. Declare it with its kind: @relation, its name, its kind.
        shop.csv line 2: brand: a key is "" [graph_key]. Give a key of 1 to 512 bytes without tabs and line breaks.
        shop.csv line 2: price: the price is -1.00 GBP [money_negative]. Send prices as zero or more; a refund is an event of its own."#]].assert_eq(&faults.to_string());

    let mut known = Product::new(
        ProductId::new("c").expect("an id"),
        "Charger",
        Money::new(1200, Currency::GBP),
    );
    known.brand = Some("Volt".to_owned());
    let mut draft = Draft::default();
    catalogue::add(&mut draft, &[(&known).into()]).expect("a catalogue");
    assert_eq!(draft.size(), (2, 3));
}

/// What is understood of a text, and what is answered.
fn ask(text: &str) -> String {
    let mut draft = Draft::default();
    let mut items = [item("a"), item("bb"), item("ccc")];
    let names = ["Leather Case", "Silicone Case", "Wall Charger"];
    for (item, (name, brand)) in
        items
            .iter_mut()
            .zip(names.into_iter().zip(["Acme", "诺基亚", "Acme"]))
    {
        item.name = name.to_owned();
        item.brand = Some(brand.to_owned());
        item.categories = vec!["Phone Accessories".to_owned(), "Phone Cases".to_owned()];
        item.availability = Some("InStock".to_owned());
        item.related = vec![(catalogue::FITS.to_owned(), "iPhone 5".to_owned())];
    }
    items[1].price = Some("25".to_owned());
    items[1].availability = Some("SoldOut".to_owned());
    items[2].categories = vec!["Phone Accessories".to_owned(), "Chargers".to_owned()];
    items[2].related = Vec::new();
    catalogue::add(&mut draft, &items).expect("a catalogue");
    let bytes = draft.compile().expect("a graph");
    let graph = Graph::open(&bytes[..]).expect("a graph");
    let Some(reading) = graph.read(text, Currency::GBP) else {
        return "no question".to_owned();
    };
    let read: Vec<&str> = reading
        .understood
        .iter()
        .map(|it| &text[it.clone()])
        .collect();
    let language = if text.is_ascii() {
        Language::En
    } else {
        Language::Zh
    };
    let answer = graph
        .answer(&reading.question, language)
        .expect("an answer");
    format!("{} -> {}", read.join("|"), answer.text)
}

#[test]
fn reads_what_a_customer_writes() {
    let texts = [
        "phone cases for iPhone 5 under 20 by brand Acme",
        "Do you have a phone case for the iphone 5?",
        "the most expensive phone accessories in stock",
        "cheapest from ACME between 5 and 10.50 pounds",
        "phone accessories over 1,000",
        "how much is the leather case",
        "is Silicone Case available?",
        "which brand is the wall charger",
        "Wall Charger",
        "what do the leather case and the silicone case have to do with each other",
        "诺基亚有没有30元以下的",
        "适用iPhone 5、不超过20的phone cases",
        "Silicone Case多少钱",
        "phone cases under 9.50",
        "phone cases up to 9.50",
        "Phone Cases 不低于25元",
        "the in of",
        "hello",
        "",
        "<script>alert(1)</script> 20 20 20",
    ];
    let all: Vec<String> = texts
        .iter()
        .map(|it| format!("{it}\n  {}\n", ask(it)))
        .collect();
    expect![[r#"
        phone cases for iPhone 5 under 20 by brand Acme
          phone|cases|for|iPhone|5|under|20|Acme -> I found 1: Leather Case (9.50 GBP).
        Do you have a phone case for the iphone 5?
          phone|case|for|iphone|5 -> I found 2: Leather Case (9.50 GBP), Silicone Case (25.00 GBP).
        the most expensive phone accessories in stock
          most|expensive|phone|accessories|in|stock -> I found 2: Leather Case (in stock, 9.50 GBP), Wall Charger (in stock, 9.50 GBP).
        cheapest from ACME between 5 and 10.50 pounds
          cheapest|ACME|5|and|10.50|pounds -> I found 2: Leather Case (9.50 GBP), Wall Charger (9.50 GBP).
        phone accessories over 1,000
          phone|accessories|over|1,000 -> I know of nothing like that.
        how much is the leather case
          how|much|leather|case -> Leather Case costs 9.50 GBP.
        is Silicone Case available?
          Silicone|Case|available -> Silicone Case is sold out.
        which brand is the wall charger
          brand|wall|charger -> The brand of Wall Charger is Acme.
        Wall Charger
          Wall|Charger -> Wall Charger is in stock. The brand of Wall Charger is Acme. Wall Charger, category: Phone Accessories, Chargers. Wall Charger costs 9.50 GBP.
        what do the leather case and the silicone case have to do with each other
          leather|case|silicone|case -> The category of Leather Case is Phone Accessories. The category of Silicone Case is Phone Accessories.
        诺基亚有没有30元以下的
          诺|基|亚|30|元|以|下 -> 找到 1 个：Silicone Case（25.00 GBP）。
        适用iPhone 5、不超过20的phone cases
          适|用|iPhone|5|不|超|过|20|phone|cases -> 找到 1 个：Leather Case（9.50 GBP）。
        Silicone Case多少钱
          Silicone|Case|多|少|钱 -> Silicone Case的价格是25.00 GBP。
        phone cases under 9.50
          phone|cases|under|9.50 -> I know of nothing like that.
        phone cases up to 9.50
          phone|cases|up|to|9.50 -> I found 1: Leather Case (9.50 GBP).
        Phone Cases 不低于25元
          Phone|Cases|不|低|于|25|元 -> 找到 1 个：Silicone Case（25.00 GBP）。
        the in of
          no question
        hello
          no question

          no question
        <script>alert(1)</script> 20 20 20
          no question
    "#]].assert_eq(&all.concat());
    // As long as you like.
    assert_eq!(ask(&"leather ".repeat(20_000)), "no question");
}

/// A graph of two types with random facts; between entities, and their numbers.
type MadeUp = (Vec<u8>, BTreeSet<(u32, u32)>, BTreeMap<u32, i64>);

fn made_up(seed: u64, size: usize) -> MadeUp {
    let mut rng = Rng::new(seed, 1);
    let mut draft = Draft::default();
    let (mut facts, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    let likes = draft
        .relation("likes", ValueKind::Entity, ["likes", "喜欢"])
        .expect("one");
    let weighs = draft
        .relation("weighs", ValueKind::Number, ["weight", "重量"])
        .expect("one");
    let nodes: Vec<_> = (0..size)
        .map(|i| {
            let kind = if i.is_multiple_of(3) { "A" } else { "B" };
            // Such that their order is that of their keys.
            let number = if i.is_multiple_of(3) {
                i / 3
            } else {
                i - i / 3 - 1
            };
            draft
                .entity(kind, &format!("{number:06}"))
                .expect("an entity")
        })
        .collect();
    let of_a = size.div_ceil(3);
    let number = |i: usize| {
        (if i.is_multiple_of(3) {
            i / 3
        } else {
            of_a + i - i / 3 - 1
        }) as u32
    };
    for _ in 0..size * 4 {
        // A few are liked by many.
        let (a, b) = (rng.below(size), rng.below(size) * rng.below(size) / size);
        facts.insert((number(a), number(b)));
        draft
            .add(nodes[a], likes, Object::Entity(nodes[b]))
            .expect("a fact");
        numbers.entry(number(a)).or_insert_with(|| {
            let value = rng.below(1000) as i64 - 500;
            let object = Object::Number(Number(value));
            draft.add(nodes[a], weighs, object).expect("a fact");
            value
        });
    }
    (draft.compile().expect("a graph"), facts, numbers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn agrees_with_a_list_of_facts(seed in any::<u64>(), size in 1_usize..300, low in -500_i64..500) {
        let (bytes, facts, numbers) = made_up(seed, size);
        let graph = Graph::open(&bytes[..]).expect("a graph");
        let (likes, weighs) = (Relation(0), Relation(1));
        prop_assert_eq!(graph.facts_in_all() as usize, facts.len() + numbers.len());
        let one = |a: u32| facts.range((a, 0)..=(a, u32::MAX)).map(|it| it.1);
        for a in 0..size as u32 {
            let objects: Vec<_> = graph.objects(Entity(a), likes).map(|it| it.0).collect();
            prop_assert_eq!(objects, one(a).collect::<Vec<_>>());
            let subjects: Vec<_> = graph.subjects(Entity(a), likes).map(|it| it.0).collect();
            let expected: Vec<_> = facts.iter().filter(|it| it.1 == a).map(|it| it.0).collect();
            prop_assert_eq!(subjects, expected);
            let kind = graph.type_of(Entity(a)).expect("a type");
            prop_assert_eq!(graph.entity(kind, &graph.key(Entity(a))), Some(Entity(a)));
        }
        // Two hops, in how many ways.
        let start = (seed % size as u64) as u32;
        let mut ways = BTreeMap::new();
        for to in one(start).flat_map(one) {
            *ways.entry(Entity(to)).or_insert(0_u32) += 1;
        }
        let bounds = Bounds { ends: usize::MAX, ..Bounds::default() };
        let reached = graph.reach(Entity(start), &[likes.into(), likes.into()], bounds);
        let first = Bounds { ends: 3, ..bounds };
        let first = graph.reach(Entity(start), &[likes.into(), likes.into()], first);
        prop_assert_eq!(&first.entities[..], &reached.entities[..reached.all.min(3)]);
        prop_assert_eq!(first.all, reached.entities.len());
        prop_assert!(reached.complete);
        for (to, _) in reached.entities.iter().take(5) {
            let path = graph.along(Entity(start), &[likes.into(), likes.into()], *to, Bounds::default());
            let path = path.expect("a path");
            prop_assert_eq!((path.entities[0], path.entities[2]), (Entity(start), *to));
            for ends in path.entities.windows(2) {
                prop_assert!(facts.contains(&(ends[0].0, ends[1].0)));
            }
        }
        prop_assert_eq!(reached.entities.into_iter().collect::<BTreeMap<_, _>>(), ways);
        // Who likes one, weighs at least so much, lightest first.
        let liked = facts.iter().next().map_or(0, |it| it.1);
        let mut expected: Vec<(i64, u32)> = facts
            .iter()
            .filter(|it| it.1 == liked && numbers[&it.0] >= low)
            .map(|it| (numbers[&it.0], it.0))
            .collect();
        expected.sort_unstable();
        let query = Query { named: Vec::new(),
            kind: None,
            constraints: vec![
                Constraint::Within(weighs, Bound::Included(Value::Number(Number(low))), Bound::Unbounded),
                Constraint::To(likes, Entity(liked)),
            ],
            order: Some((weighs, false)),
            limit: 5,
        };
        let found = graph.find(&query).expect("a query");
        prop_assert_eq!(found.all, expected.len());
        let hits: Vec<_> = found.hits.iter().map(|it| it.entity.0).collect();
        prop_assert_eq!(hits, expected.iter().take(5).map(|it| it.1).collect::<Vec<_>>());
        // The shortest path is as long as a search over the plain facts says.
        let (from, to) = (start, liked);
        let (paths, complete) = graph.paths(Entity(from), Entity(to), &[], Bounds::default());
        let mut seen = BTreeSet::from([from]);
        let mut hops = 0;
        while !seen.contains(&to) && hops < 3 {
            let next: Vec<u32> = facts
                .iter()
                .flat_map(|(a, b)| [(*a, *b), (*b, *a)])
                .filter(|it| seen.contains(&it.0))
                .map(|it| it.1)
                .collect();
            seen.extend(next);
            hops += 1;
        }
        prop_assert!(complete || !paths.is_empty());
        prop_assert_eq!(paths.is_empty(), from == to || !seen.contains(&to));
        for path in &paths {
            prop_assert_eq!(path.facts.len(), hops);
            for fact in &path.facts {
                let Value::Entity(object) = fact.object else { panic!("a literal") };
                prop_assert!(facts.contains(&(fact.subject.0, object.0)));
            }
        }
    }
}

#[test]
fn the_same_facts_are_the_same_bytes() {
    let mut lines: Vec<&str> = SHOP.lines().collect();
    lines.reverse();
    let mut draft = Draft::default();
    let turned = lines.join("\r\n");
    triples::read(&mut draft, &[("a", &turned), ("b", SHOP)]).expect("triples");
    assert_eq!(draft.compile().expect("a graph"), shop());
    let empty = Draft::default().compile().expect("a graph");
    assert_eq!(Graph::open(&empty[..]).map(|it| it.entities()), Ok(0));
}

#[test]
fn damaged_files_are_an_error_or_a_graph_but_never_a_panic() {
    let bytes = shop();
    // What a fuzzer begins with; other bytes mean another version of the format.
    assert_eq!(bytes, include_bytes!("../fuzz/seeds/graph"));
    assert!(body::graph(&bytes) && body::triples(SHOP.as_bytes()));
    for cut in 0..bytes.len() {
        assert!(!body::graph(&bytes[..cut]), "{cut}");
    }
    // Every byte of what isn't padding, turned in every bit.
    let mut refused = 0;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            refused += usize::from(!body::graph(&bad));
        }
    }
    assert!(
        refused * 2 > bytes.len() * 8,
        "{refused} of {}",
        bytes.len() * 8
    );
    let (large, ..) = made_up(7, 200);
    let mut rng = Rng::new(3, 0);
    for _ in 0..3000 {
        let mut bad = large.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bad.len());
            bad[at] = rng.next_u64() as u8;
        }
        body::graph(&bad);
    }
    for _ in 0..3000 {
        let mut bad = SHOP.as_bytes().to_vec();
        for _ in 0..=rng.below(4) {
            let (at, from) = (rng.below(bad.len()), rng.below(bad.len()));
            match rng.below(3) {
                0 => bad[at] = rng.next_u64() as u8,
                1 => bad[at] = bad[from],
                _ => drop(bad.remove(at)),
            }
        }
        body::triples(&bad);
    }
}
