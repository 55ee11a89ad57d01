//! The graph that the targets are for: its size, and what is looked up in it.
#![cfg(feature = "compile")]

#[path = "../examples/graph/cellphones.rs"]
mod cellphones;

use std::path::Path;

use shelfedge_assistant::graph::{Graph, Value};

#[test]
fn the_graph_of_cell_phones_fits_in_ten_megabytes() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/graph/cellphones");
    if !folder.is_dir() {
        eprintln!("skipped: there is no {}", folder.display());
        return;
    }
    let bytes = cellphones::draft(&folder).compile().expect("a graph");
    assert!(bytes.len() <= 10_000_000, "{}", bytes.len());
    let graph = Graph::open(&bytes[..]).expect("a graph");
    assert_eq!((graph.entities(), graph.facts_in_all()), (112_877, 652_689));
    // The first and the second product of the folder's files.
    let product = graph.type_named("Product").expect("products");
    let category = graph.relation("category").expect("a relation");
    let names = |key: &str| -> Vec<String> {
        let entity = graph.entity(product, key).expect("a product");
        let values = graph.values(entity, category);
        let names = values.map(|value| match value {
            Value::Entity(it) => graph.name(it),
            other => panic!("{other:?}"),
        });
        names.collect()
    };
    assert_eq!(
        names("B00B4O7GIA"),
        [
            "Accessories",
            "Basic Cases",
            "Batteries",
            "Battery Charger Cases",
            "Cases",
            "Cell Phones & Accessories"
        ]
    );
    assert_eq!(names("B003ES5ATQ").len(), 3);
    // A product by its key: as a product, and as what is related to some.
    assert_eq!(graph.named("b00b4o7gia").len(), 1);
}
