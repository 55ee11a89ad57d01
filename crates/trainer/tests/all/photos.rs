//! A shop whose photos say what its titles don't.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;
use shelfedge_trainer::{basket, bench, images, import};

const KINDS: u32 = 5;
const PRODUCTS: u32 = 150;
const CUSTOMERS: u32 = 120;
const DAYS: u32 = 200;

/// A shape and a colour for each kind, somewhere on white.
fn photo(product: u32) -> RgbImage {
    let mut rng = Rng::new(product.into(), 5);
    let kind = product % KINDS;
    let colour = [
        [200, 40, 40],
        [40, 60, 200],
        [60, 170, 60],
        [210, 190, 50],
        [90, 90, 90],
    ][kind as usize];
    let colour = colour.map(|x: i32| (x + rng.below(30) as i32 - 15) as u8);
    let middle = [(); 2].map(|()| 24.0 + rng.below(16) as f32);
    let size = 12.0 + rng.below(8) as f32;
    RgbImage::from_fn(64, 64, |x, y| {
        let [dx, dy] = [x as f32 - middle[0], y as f32 - middle[1]].map(f32::abs);
        let inside = match kind {
            0 | 3 => dx * dx + dy * dy < size * size,
            1 => dx < size && dy < size,
            2 => dx < size / 3.0 && dy < size,
            _ => dx + dy < size,
        };
        Rgb(if inside { colour } else { [255; 3] })
    })
}

/// Customers who buy what is of their kind, of products that come one by one. Titles
/// are all different words.
fn shop(folder: &Path, photos: bool) {
    let mut rng = Rng::new(11, 1);
    let mut lines = String::from("order,product,title,quantity,time,unit_price,customer\n");
    let word = |mut n: u32| {
        let letters = (0..4).map(|_| {
            let letter = char::from(b'a' + (n % 26) as u8);
            n = n / 26 + 7 * (n % 26);
            letter
        });
        letters.collect::<String>()
    };
    let mut order = 0;
    for customer in 0..CUSTOMERS {
        let kind = customer % KINDS;
        let mut day = rng.below(9) as u32;
        while day < DAYS {
            order += 1;
            for _ in 0..3 {
                // The later ones are on sale only later.
                let on_sale = PRODUCTS / 3 + day * (PRODUCTS - PRODUCTS / 3) / DAYS;
                let mut product = rng.below(on_sale as usize) as u32;
                if rng.unit() < 0.9 {
                    product = (product / KINDS * KINDS + kind).min(on_sale - 1);
                }
                let (month, date) = (1 + day / 28, 1 + day % 28);
                let _ = writeln!(
                    lines,
                    "{order},p{product:03},{} {product:03},1,2024-{month:02}-{date:02}T10:00:00Z,5.00,{customer}",
                    word(product)
                );
            }
            day += 6 + rng.below(9) as u32;
        }
    }
    fs::write(folder.join("orders.csv"), lines).expect("written");
    let mut mapping =
        "format = 1\ncurrency = \"EUR\"\n\n[columns]\norder = \"order\"\nproduct = \"product\"\n\
         title = \"title\"\nquantity = \"quantity\"\ntime = \"time\"\nunit_price = \"unit_price\"\n\
         customer = \"customer\"\n"
            .to_owned();
    if photos {
        mapping.push_str("\n[photos]\nfolder = \"photos\"\n");
        fs::create_dir(folder.join("photos")).expect("made");
        for product in 0..PRODUCTS {
            let path = folder.join(format!("photos/p{product:03}.png"));
            photo(product).save(path).expect("written");
        }
    }
    fs::write(folder.join("mapping.toml"), mapping).expect("written");
}

fn settings() -> basket::Settings {
    basket::Settings {
        trees: 40,
        windows: 4,
        min_rows: 40,
        ..basket::Settings::default()
    }
}

/// NDCG at 10 of the lists of new products, by who makes them.
fn new_products(folder: &Path) -> Vec<(String, f64)> {
    let mut imported = import::import(folder, None, &mut Silent).expect("a shop");
    images::give(&mut imported, 1, &mut Silent).expect("photos");
    let found = bench::new_products(&imported, 0.25, &settings(), &mut Silent);
    let found = serde_json::to_value(found.expect("measured")).expect("JSON");
    let lists = found["lists"].as_array().expect("lists").iter();
    lists
        .map(|list| {
            let by = list["by"].as_str().expect("a name").to_owned();
            (by, list["ndcg10"]["value"].as_f64().expect("a number"))
        })
        .collect()
}

#[test]
fn new_products_are_ranked_better_with_photos() {
    let [with, without] = [true, false].map(|photos| {
        let folder = tempfile::tempdir().expect("a folder");
        shop(folder.path(), photos);
        new_products(folder.path())
    });
    let names: Vec<&str> = with.iter().map(|(by, _)| by.as_str()).collect();
    assert_eq!(names[5..], ["photos, all", "photos, most alike"]);
    assert_eq!(without.len(), 5);
    assert_eq!(with[2], without[2], "chance is the same");
    let (with, without, chance) = (with[0].1, without[0].1, without[2].1);
    assert!(
        with > without + 0.1 && with > chance + 0.1,
        "{with} {without} {chance}"
    );
}

#[test]
fn a_bundle_with_photos_is_the_same_bytes_again_and_one_without_knows_none() {
    let folder = tempfile::tempdir().expect("a folder");
    shop(folder.path(), true);
    let shelf = |name: &str, settings: &basket::Settings| {
        let out = folder.path().join("models").join(name);
        basket::run(folder.path(), None, &out, false, settings, &mut Silent).expect("a bundle");
        fs::read(out.join("model.shelf")).expect("a model")
    };
    let few = basket::Settings {
        trees: 5,
        windows: 2,
        ..settings()
    };
    let first = shelf("a", &few);
    assert!(first == shelf("b", &few));
    let none = basket::Settings {
        without: vec![basket::Ingredient::Photos],
        ..few
    };
    let without = shelf("c", &none);
    // 64 bytes a product, and the numbers that the trees see.
    assert!(first.len() > without.len() + 50 * PRODUCTS as usize);
    fs::remove_dir_all(folder.path().join("photos")).expect("removed");
    assert!(without == shelf("d", &none), "they are not looked for");
    let error = basket::run(
        folder.path(),
        None,
        &folder.path().join("models/e"),
        false,
        &settings(),
        &mut Silent,
    );
    assert!(error.is_err(), "no photos");
}

#[test]
fn the_command_writes_encoder_table_and_card() {
    let folder = tempfile::tempdir().expect("a folder");
    shop(folder.path(), true);
    fs::rename(
        folder.path().join("photos/p000.png"),
        folder.path().join("photos/unknown.png"),
    )
    .expect("renamed");
    let out = folder.path().join("out");
    let asked = images::Asked {
        shop: folder.path(),
        mapping: None,
        photos: None,
        encoder: None,
        settings: None,
        seed: Some(3),
    };
    let outcome = images::run(&asked, &out, &mut Silent).expect("written");
    let outcome = serde_json::to_value(outcome).expect("JSON");
    // Some were never bought, and one has lost its name.
    let count = |key: &str| outcome[key].as_u64().expect("a number");
    assert!(count("products") > 100);
    assert_eq!(count("with_photo"), count("products") - 1);
    assert_eq!(
        count("with_photo") + count("of_others"),
        u64::from(PRODUCTS)
    );
    assert_eq!(outcome["width"], 64);
    let card = fs::read_to_string(out.join("CARD.md")).expect("a card");
    assert!(card.contains("Seed 3."), "{card}");
    let first = fs::read(out.join("photos.onnx")).expect("an encoder");
    // What was written serves as an encoder, and gives the same embeddings.
    let table = fs::read(out.join("embeddings.parquet")).expect("a table");
    let encoder = folder.path().join("mine.onnx");
    fs::write(&encoder, &first).expect("written");
    let again = images::Asked {
        encoder: Some(&encoder),
        ..asked.clone()
    };
    images::run(&again, &out, &mut Silent).expect("written");
    assert!(fs::read(out.join("embeddings.parquet")).expect("a table") == table);
    assert!(!out.join("photos.onnx").exists(), "it was another run's");
    let nowhere = images::Asked {
        photos: Some(Path::new("/nowhere/at/all")),
        ..asked
    };
    assert!(images::run(&nowhere, &out, &mut Silent).is_err());
}
