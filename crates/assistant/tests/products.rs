//! Products by names that are written wrongly or in part: of the demo shop's catalogue, with
//! mistakes that a seed makes; and texts that name none.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use expect_test::expect_file;
use shelfedge_assistant::graph::Graph;
use shelfedge_commerce::rng::Rng;

mod rows;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/");
/// From which score on an assistant takes a text to name a product.
const LIKE: f32 = 0.75;

fn read(name: &str) -> String {
    fs::read_to_string(format!("{MODELS}assistant/data/{name}.csv")).unwrap()
}

/// What people do to a word: a letter left out, doubled, changed or swapped with the next.
fn mistyped(word: &str, rng: &mut Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = 1 + rng.below(letters.len() - 2);
    match rng.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        2 => letters[at] = (b'a' + rng.below(26) as u8) as char,
        _ => letters.swap(at, at + 1),
    }
    letters.into_iter().collect()
}

/// A name as a customer may write it; `None` where there is nothing to get wrong.
fn written(name: &str, how: &str, rng: &mut Rng) -> Option<String> {
    let mut words: Vec<String> = name.split_whitespace().map(str::to_owned).collect();
    let long: Vec<usize> = (0..words.len())
        .filter(|i| words[*i].len() >= 4 && words[*i].chars().all(|c| c.is_ascii_alphabetic()))
        .collect();
    let pick = |rng: &mut Rng| long[rng.below(long.len())];
    match how {
        "a letter wrong" if !long.is_empty() => {
            let at = pick(rng);
            words[at] = mistyped(&words[at], rng);
        }
        "a letter wrong in two words" if long.len() > 1 => {
            let one = rng.below(long.len() - 1);
            for at in [long[one], long[one + 1]] {
                words[at] = mistyped(&words[at], rng);
            }
        }
        "a word left out" if words.len() > 2 => {
            words.remove(rng.below(words.len()));
        }
        "a letter wrong, in a question" if !long.is_empty() => {
            let at = pick(rng);
            words[at] = mistyped(&words[at], rng);
            words.insert(0, "how much is the".to_owned());
        }
        _ => return None,
    }
    Some(words.join(" ").to_lowercase())
}

/// A baseline: trigrams of letters, by their Jaccard index, as pg_trgm has it.
fn trigrams(text: &str) -> BTreeSet<[char; 3]> {
    let words = text.to_lowercase();
    let words = words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|it| !it.is_empty());
    words
        .flat_map(|word| {
            let padded: Vec<char> = format!("  {word} ").chars().collect();
            let all: Vec<[char; 3]> = padded.windows(3).map(|it| [it[0], it[1], it[2]]).collect();
            all
        })
        .collect()
}

#[test]
fn mistyped_names() {
    let bytes = fs::read(format!("{MODELS}chat/model.shelf")).unwrap();
    let directory = shelfedge_engine::file::Directory::read(&bytes).unwrap();
    let graph = Graph::open(&bytes[directory.find("graph").unwrap()]).unwrap();
    let names: Vec<String> = (read("catalogue").lines().skip(1))
        .map(|line| rows::fields(line)[1].clone())
        .collect();
    let index: Vec<BTreeSet<[char; 3]>> = names.iter().map(|name| trigrams(name)).collect();
    let mut out = format!(
        "{:<32}{:>8}{:>12}{:>10}{:>10}{:>10}\n",
        "", "names", "trigrams", "first", "of three", "taken"
    );
    for how in [
        "a letter wrong",
        "a letter wrong in two words",
        "a word left out",
        "a letter wrong, in a question",
    ] {
        let mut rng = Rng::new(7, 0);
        let (mut count, mut base, mut first, mut three, mut taken) = (0, 0, 0, 0, 0);
        for (i, name) in names.iter().enumerate().step_by(17) {
            let Some(text) = written(name, how, &mut rng) else {
                continue;
            };
            // What is another product's name by now says nothing.
            if names.iter().any(|it| it.to_lowercase() == text) {
                continue;
            }
            count += 1;
            let wanted = trigrams(&text);
            let jaccard = |it: &BTreeSet<[char; 3]>| {
                let both = it.intersection(&wanted).count();
                both as f64 / (it.len() + wanted.len() - both) as f64
            };
            let best =
                (0..index.len()).max_by(|a, b| jaccard(&index[*a]).total_cmp(&jaccard(&index[*b])));
            base += usize::from(best.is_some_and(|it| names[it] == names[i]));
            let found = graph.like(&text, 3);
            let is = |at: usize| {
                found
                    .get(at)
                    .is_some_and(|it| graph.name(it.entity) == *name)
            };
            first += usize::from(is(0));
            three += usize::from((0..3).any(is));
            taken += usize::from(is(0) && found[0].score >= LIKE);
        }
        let share = |of: usize| of as f64 / count as f64;
        writeln!(
            out,
            "{how:<32}{count:>8}{:>12.3}{:>10.3}{:>10.3}{:>10.3}",
            share(base),
            share(first),
            share(three),
            share(taken),
        )
        .unwrap();
    }
    let texts = read("held_out");
    let texts: Vec<String> = texts
        .lines()
        .skip(1)
        .map(|line| rows::fields(line)[0].clone())
        .collect();
    let names_one = |text: &&String| {
        graph
            .like(text, 1)
            .first()
            .is_some_and(|it| it.score >= LIKE)
    };
    let mistaken: Vec<&String> = texts.iter().filter(names_one).collect();
    writeln!(
        out,
        "\ntexts that name no product of the shop, taken for one: {} of {}",
        mistaken.len(),
        texts.len()
    )
    .unwrap();
    for text in mistaken {
        let found = &graph.like(text, 1)[0];
        writeln!(
            out,
            "  {text} | {} {:.2}",
            graph.name(found.entity),
            found.score
        )
        .unwrap();
    }
    expect_file!["../../../tests/ratchet/products.txt"].assert_eq(&out);
}

#[test]
fn whatever_the_text_products_are_found_or_not() {
    let bytes = fs::read(format!("{MODELS}chat/model.shelf")).unwrap();
    let directory = shelfedge_engine::file::Directory::read(&bytes).unwrap();
    let graph = Graph::open(&bytes[directory.find("graph").unwrap()]).unwrap();
    for text in [
        "",
        "🙂",
        &"night light ".repeat(10_000),
        &"x".repeat(100_000),
        "茶壶",
        "\u{202e}thgil",
    ] {
        for found in graph.like(text, 5) {
            assert!(text.get(found.span.clone()).is_some() && (0.0..=1.0).contains(&found.score));
        }
    }
}
