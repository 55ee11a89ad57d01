//! The Amazon product graph of cell phones, from a folder that isn't the project's.

use std::path::Path;
use std::process::Command;

use shelfedge_assistant::graph::ValueKind;
use shelfedge_assistant::graph::compile::{Draft, Object};

/// A relation's file, name and labels, and the file of its objects' names.
const RELATIONS: [(&str, &str, [&str; 2], usize); 5] = [
    (
        "also_bought_p_p",
        "also_bought",
        ["product also bought", "同时购买的商品"],
        3,
    ),
    (
        "also_viewed_p_p",
        "also_viewed",
        ["product also viewed", "同时浏览的商品"],
        3,
    ),
    (
        "bought_together_p_p",
        "bought_together",
        ["product bought together with it", "一起购买的商品"],
        3,
    ),
    ("brand_p_b", "brand", ["brand", "品牌"], 0),
    ("category_p_c", "category", ["category", "类别"], 1),
];

const TYPES: [(&str, &str); 4] = [
    ("brand", "Brand"),
    ("category", "Category"),
    ("product", "Product"),
    ("related_product", "RelatedProduct"),
];

fn read(folder: &Path, name: &str) -> String {
    let file = folder.join(format!("{name}.txt.gz"));
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output();
    let unpacked = unpacked.unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    String::from_utf8(unpacked.stdout).expect("UTF-8")
}

/// All of it: an entity a line, then for each product a line of its objects' lines.
pub(crate) fn draft(folder: &Path) -> Draft {
    let mut draft = Draft::default();
    let nodes = TYPES.map(|(file, kind)| {
        let text = read(folder, file);
        let lines = text.lines().enumerate();
        let named = lines.map(|(at, name)| match name {
            // One brand has no name.
            "" => draft
                .entity(kind, &format!("line {at}"))
                .expect("an entity"),
            _ => draft.entity(kind, name).expect("an entity"),
        });
        named.collect::<Vec<_>>()
    });
    for (file, name, labels, objects) in RELATIONS {
        let link = draft
            .relation(name, ValueKind::Entity, labels)
            .expect("a relation");
        for (subject, line) in nodes[2].iter().zip(read(folder, file).lines()) {
            for object in line.split_ascii_whitespace() {
                let object = nodes[objects][object.parse::<usize>().expect("a line's number")];
                draft
                    .add(*subject, link, Object::Entity(object))
                    .expect("a fact");
            }
        }
    }
    draft
}
