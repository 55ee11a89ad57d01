//! How large graphs are and how fast they answer, beside sorted lists of triples:
//! `graph_bench FILE.shelf FOLDER` compiles the graph of cell phones in a folder into a
//! file, opens and asks it; `graph_bench FILE.shelf ENTITIES` does so with a made-up shop.
#![expect(clippy::print_stdout, reason = "it is a command")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

mod cellphones;
mod work;

use std::path::Path;
use std::time::Instant;

use shelfedge_assistant::graph::compile::{Draft, Object};
use shelfedge_assistant::graph::{Availability, Entity, Graph, ValueKind};
use shelfedge_commerce::rng::Rng;
use shelfedge_commerce::{Currency, Money};

/// A shop of so many entities and five times as many facts: products with a brand, a
/// category, a price, an availability and what was also bought, all drawn with a skew
/// towards few (the square of a uniform number), from one seed.
fn made_up(entities: usize, seed: u64) -> Draft {
    let mut rng = Rng::new(seed, 0x6772_6170_6867_656e);
    let mut draft = Draft::default();
    let mut link = |name, kind| draft.relation(name, kind, [name, name]).expect("one");
    let brand = link("brand", ValueKind::Entity);
    let category = link("category", ValueKind::Entity);
    let also = link("also_bought", ValueKind::Entity);
    let price = link("price", ValueKind::Money);
    let availability = link("availability", ValueKind::Availability);
    let mut named = |kind: &str, count: usize, rng: &mut Rng| -> Vec<_> {
        (0..count)
            .map(|i| {
                let key = format!("{}{:05}{i}", &kind[..1], rng.below(100_000));
                draft.entity(kind, &key).expect("an entity")
            })
            .collect()
    };
    let brands = named("Brand", entities / 50, &mut rng);
    let categories = named("Category", entities / 500, &mut rng);
    let products = named(
        "Product",
        entities - brands.len() - categories.len(),
        &mut rng,
    );
    let few = |rng: &mut Rng, count: usize| ((rng.unit64() * rng.unit64()) * count as f64) as usize;
    for product in &products {
        let mut add = |link, object| draft.add(*product, link, object).expect("a fact");
        add(brand, Object::Entity(brands[few(&mut rng, brands.len())]));
        add(
            category,
            Object::Entity(categories[few(&mut rng, categories.len())]),
        );
        let pounds = Money::new(99 + 100 * few(&mut rng, 200) as i64, Currency::GBP);
        add(price, Object::Money(pounds));
        if rng.below(10) > 0 {
            add(availability, Object::Availability(Availability::InStock));
        }
    }
    while draft.size().1 < 5 * entities {
        let (a, b) = (few(&mut rng, products.len()), few(&mut rng, products.len()));
        draft
            .add(products[a], also, Object::Entity(products[b]))
            .expect("a fact");
    }
    draft
}

/// The memory that the process has held at most, in MB; on Linux.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}

/// The least of three times of each of many, in microseconds: median, 99th of a hundred,
/// most; and how much was found.
fn time(count: u32, mut work: impl FnMut(u32) -> u32) -> ([f64; 3], u32) {
    let mut found = 0_u32;
    let mut times: Vec<f64> = (0..count)
        .map(|at| {
            let mut once = || {
                let start = Instant::now();
                found = found.wrapping_add(work(at));
                start.elapsed().as_secs_f64() * 1e6
            };
            once().min(once()).min(once())
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let of = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    ([of(0.5), of(0.99), of(1.0)], found)
}

fn row(name: &str, ([median, p99, most], found): ([f64; 3], u32)) {
    println!("{name:52} {median:9.2} {p99:9.2} {most:9.2} {found:9}");
}

/// All facts between entities as sorted lists of twelve bytes each, by subject and by
/// object: the baseline.
struct Sorted {
    by_subject: Vec<(u32, u32, u32)>,
    by_object: Vec<(u32, u32, u32)>,
}

impl Sorted {
    fn of(graph: &Graph<&[u8]>) -> Self {
        let mut by_subject = Vec::new();
        for (relation, _) in graph.relations() {
            for entity in 0..graph.entities() {
                let objects = graph.objects(Entity(entity), relation);
                by_subject.extend(objects.map(|it| (entity, u32::from(relation.0), it.0)));
            }
        }
        by_subject.sort_unstable();
        let mut by_object: Vec<_> = by_subject.iter().map(|it| (it.2, it.1, it.0)).collect();
        by_object.sort_unstable();
        Self {
            by_subject,
            by_object,
        }
    }

    fn range(list: &[(u32, u32, u32)], one: u32, relation: u32) -> impl Iterator<Item = u32> {
        let from = list.partition_point(|it| (it.0, it.1) < (one, relation));
        let rest = list[from..].iter();
        rest.take_while(move |it| (it.0, it.1) == (one, relation))
            .map(|it| it.2)
    }

    fn two_hops(&self, from: u32, relation: u32) -> u32 {
        let mut found: Vec<u32> = Self::range(&self.by_subject, from, relation)
            .flat_map(|it| Self::range(&self.by_object, it, relation))
            .collect();
        found.sort_unstable();
        let mut ways: Vec<(u32, u32)> = found
            .chunk_by(|a, b| a == b)
            .map(|same| (same[0], same.len() as u32))
            .collect();
        ways.sort_unstable_by_key(|it| (core::cmp::Reverse(it.1), it.0));
        ways.len() as u32
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("the file to write");
    let from = arguments.next().expect("a folder, or how many entities");
    let start = Instant::now();
    let draft = match from.parse() {
        Ok(entities) => made_up(entities, 11),
        Err(_) => cellphones::draft(Path::new(&from)),
    };
    println!("gathered in {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let bytes = draft.compile().expect("a graph");
    println!(
        "compiled in {:.2} s, {} MB at most",
        start.elapsed().as_secs_f64(),
        peak()
    );
    std::fs::write(&file, &bytes).expect("written");
    let graph = Graph::open(&bytes[..]).expect("a graph");
    let ([opened, ..], _) = time(5, |_| u32::from(Graph::open(&bytes[..]).is_ok()));
    println!("opened and checked in {:.1} ms", opened / 1e3);
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "{} entities, {} facts, {:.2} MB, {:.1} bytes a fact",
        graph.entities(),
        graph.facts_in_all(),
        megabytes(bytes.len()),
        bytes.len() as f64 / graph.facts_in_all() as f64,
    );
    println!(
        "{:52} {:>9} {:>9} {:>9} {:>9}",
        "us", "median", "p99", "most", "found"
    );
    let asked = work::Asked::new(graph.clone());
    for (which, name) in work::WORKS.into_iter().enumerate() {
        row(name, time(4096, |at| asked.work(which, at)));
    }
    let sorted = Sorted::of(&graph);
    let also = graph.relation("also_bought").expect("a relation");
    let products: Vec<u32> = (0..4096).map(|at| asked.product(at).0).collect();
    row(
        "sorted lists, two hops: bought with what was bought",
        time(4096, |at| {
            sorted.two_hops(products[at as usize], also.0.into())
        }),
    );
    let facts = sorted.by_subject.len();
    println!(
        "sorted lists: {:.2} MB without keys, literals and names",
        megabytes(24 * facts)
    );
}
