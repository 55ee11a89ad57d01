//! What is measured, natively and in wasm.

use std::ops::Bound;

use shelfedge_assistant::graph::{Bounds, Constraint, Entity, Graph, Query, Relation, Step, Value};
use shelfedge_commerce::{Currency, Money};

/// What one unit of work is.
#[allow(dead_code, reason = "the script has them, too")]
pub(crate) const WORKS: [&str; 6] = [
    "entity by key",
    "all facts of an entity",
    "entities by name",
    "two hops: bought with what was bought with it",
    "two hops: what shares a category",
    "query: category and brand, price and order if any",
];

/// The same numbers everywhere: SplitMix64's finaliser.
const fn mix(at: u32) -> u32 {
    let mut x = at as u64 + 0x9e37_79b9_7f4a_7c15;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 33) as u32
}

/// What is asked of a graph, looked up once.
pub(crate) struct Asked<B> {
    pub(crate) graph: Graph<B>,
    also: Relation,
    brand: Relation,
    category: Relation,
    price: Option<Relation>,
    /// Keys of entities and names, so that no work measures their making.
    keys: Vec<(Entity, String)>,
}

impl<B: AsRef<[u8]>> Asked<B> {
    pub(crate) fn new(graph: Graph<B>) -> Self {
        let link = |name| graph.relation(name).expect("a relation");
        let products = graph.of_type(graph.type_named("Product").expect("products"));
        let any = |at| Entity(products.start + mix(at) % products.len() as u32);
        Self {
            also: link("also_bought"),
            brand: link("brand"),
            category: link("category"),
            price: graph.relation("price"),
            keys: (0..4096).map(any).map(|it| (it, graph.key(it))).collect(),
            graph,
        }
    }

    /// The product that a number stands for.
    #[allow(dead_code, reason = "the baseline runs natively alone")]
    pub(crate) fn product(&self, at: u32) -> Entity {
        self.keys[at as usize % self.keys.len()].0
    }

    /// Works once, on a product that depends on the number. How much it found.
    pub(crate) fn work(&self, work: usize, at: u32) -> u32 {
        let graph = &self.graph;
        let (product, key) = &self.keys[at as usize % self.keys.len()];
        // None that leaves anything out on the way.
        let bounds = Bounds {
            breadth: usize::MAX,
            visits: usize::MAX,
            ..Bounds::default()
        };
        match work {
            0 => {
                let kind = graph.type_of(*product).expect("a type");
                graph.entity(kind, key).map_or(0, |it| it.0)
            }
            1 => graph.facts(*product).count() as u32,
            2 => graph.named(key).len() as u32,
            3 => {
                let steps = [self.also.into(), Step::back(self.also)];
                graph.reach(*product, &steps, bounds).all as u32
            }
            4 => {
                let steps = [self.category.into(), Step::back(self.category)];
                graph.reach(*product, &steps, bounds).all as u32
            }
            _ => {
                let mut constraints: Vec<Constraint<'_>> = [self.category, self.brand]
                    .into_iter()
                    .filter_map(|it| Some(Constraint::To(it, graph.objects(*product, it).last()?)))
                    .collect();
                if let Some(price) = self.price {
                    let most = Value::Money(Money::new(2000, Currency::GBP));
                    constraints.push(Constraint::Within(
                        price,
                        Bound::Unbounded,
                        Bound::Excluded(most),
                    ));
                }
                let query = Query {
                    named: Vec::new(),
                    kind: graph.type_of(*product),
                    constraints,
                    order: self.price.map(|it| (it, false)),
                    limit: 10,
                };
                graph.find(&query).map_or(0, |found| found.all as u32)
            }
        }
    }
}
