//! What the compiler cannot check: who may know whom, which folders exist,
//! how manifests are written, which licences come in.
//!
//! Everything wrong is listed at once. The rules are data (`rules`), the
//! checks are functions over a small graph (`graph`), so that each has a bad
//! example among its tests.

mod graph;
mod licences;
mod rules;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::context::{Context, capture};
use graph::Graph;

/// Runs every check on the repository.
pub(crate) fn run(context: &Context) -> Result<()> {
    let count = check(context)?;
    println!("tidy: {count} crates in order");
    Ok(())
}

/// Runs every check and returns the number of our crates.
pub(crate) fn check(context: &Context) -> Result<usize> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(context.path("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .context("`cargo metadata --locked` failed: is Cargo.lock up to date?")?;
    let graph = Graph::from_metadata(&metadata);
    let mut faults = graph::edges(&graph, rules::ROOMS);
    faults.extend(graph::gates(&graph, rules::GATES));
    faults.extend(graph::closures(&graph, rules::CLOSURES));
    faults.extend(graph::releases(&graph));

    let deny = fs::read_to_string(context.path("deny.toml")).context("reading deny.toml")?;
    faults.extend(licences::check(&graph, &deny));

    let files = files(context)?;
    faults.extend(top_level(&files, rules::TOP_LEVEL));
    for name in rules::REQUIRED {
        if !context.path(name).is_file() {
            faults.push(format!("{name} is missing"));
        }
    }
    for package in graph.ours() {
        faults.extend(room_files(package));
    }
    for file in &files {
        if let Ok(text) = fs::read_to_string(context.path(file)) {
            faults.extend(workplace_names(file, &text));
        }
    }
    if !faults.is_empty() {
        for fault in &faults {
            eprintln!("tidy: {fault}");
        }
        bail!("tidy found {} faults", faults.len());
    }
    Ok(graph.ours().count())
}

/// The files of the repository: tracked, or new and not ignored.
fn files(context: &Context) -> Result<Vec<String>> {
    let listed = capture(context.tool("git", ".").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("tidy lists the repository's files with git")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Only the listed names at the top of the repository.
fn top_level(files: &[String], allowed: &[&str]) -> Vec<String> {
    let mut names: Vec<&str> = files
        .iter()
        .map(|file| file.split('/').next().unwrap_or(file))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter(|name| !allowed.contains(name))
        .map(|name| {
            format!(
                "{name}: not a name of the top folder; put it in a room, or list it in xtask/src/tidy/rules.rs"
            )
        })
        .collect()
}

/// What each crate's folder and manifest must hold.
fn room_files(package: &graph::Package) -> Vec<String> {
    let mut faults = Vec::new();
    let folder = Path::new(&package.folder);
    if !folder.join("README.md").is_file() {
        faults.push(format!("{}: has no README.md", package.name));
    }
    match fs::read_to_string(folder.join("Cargo.toml")) {
        Ok(text) => faults.extend(manifest(&package.name, &text)),
        Err(error) => faults.push(format!("{}: Cargo.toml: {error}", package.name)),
    }
    match fs::read_to_string(&package.source) {
        Ok(text) => faults.extend(crate_docs(&package.name, &text)),
        Err(error) => faults.push(format!("{}: {}: {error}", package.name, package.source)),
    }
    faults
}

/// A manifest takes lints, licence and every version from the workspace.
fn manifest(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut section = "";
    let mut lints = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if section.contains("dependencies.") {
                faults.push(format!(
                    "{name}: [{section}]: write the dependency on one line, with workspace = true"
                ));
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if section == "lints" && line.replace(' ', "") == "workspace=true" {
            lints = true;
        }
        if section.ends_with("dependencies")
            && line.contains('=')
            && !line.replace(' ', "").contains("workspace=true")
        {
            faults.push(format!(
                "{name}: `{line}`: versions live in the root table; write `workspace = true`"
            ));
        }
    }
    if !lints {
        faults.push(format!("{name}: Cargo.toml lacks [lints] workspace = true"));
    }
    for key in ["license", "edition", "rust-version", "version"] {
        if !text.contains(&format!("{key}.workspace = true")) {
            faults.push(format!("{name}: Cargo.toml lacks {key}.workspace = true"));
        }
    }
    faults
}

/// Crate docs come first and say also what the crate does not do.
fn crate_docs(name: &str, text: &str) -> Vec<String> {
    let docs: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .collect();
    if docs.is_empty() {
        return vec![format!("{name}: the crate does not begin with //! docs")];
    }
    let words = docs.join(" ").to_lowercase();
    let absence = ["not", "no", "never", "nothing", "without"];
    let says_absence = words
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| absence.contains(&word));
    if says_absence {
        Vec::new()
    } else {
        vec![format!(
            "{name}: the crate docs say what it does, but not what it does not do"
        )]
    }
}

/// Nothing names the place where it was written.
fn workplace_names(file: &str, text: &str) -> Vec<String> {
    // Spelt in halves, so that this file passes its own check.
    let names = [concat!("/wo", "rk/"), concat!(".lib", "rary/")];
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for name in names {
            let Some(at) = line.find(name) else { continue };
            // A longer path (`./network/`, `https://host/work/`) is not ours.
            let before = line[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || "./-_".contains(letter)) {
                continue;
            }
            faults.push(format!(
                "{file}:{}: names {name}, which exists only where this was written",
                number + 1
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_stranger_at_the_top() {
        let files = ["Cargo.toml", "crates/a/Cargo.toml", "notes/todo.txt"].map(str::to_owned);
        let faults = top_level(&files, &["Cargo.toml", "crates"]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("notes:"), "{faults:?}");
    }

    #[test]
    fn refuses_a_manifest_with_a_version_of_its_own() {
        let good = "version.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n[dependencies]\nserde = { workspace = true, features = [\"rc\"] }\nsha2.workspace = true\n";
        assert_eq!(manifest("x", good), Vec::<String>::new());
        let own_version = good.replace("sha2.workspace = true", "sha2 = \"0.11\"");
        assert_eq!(manifest("x", &own_version).len(), 1);
        let long = format!("{good}[dependencies.csv]\nversion = \"1\"\n");
        assert_eq!(manifest("x", &long).len(), 1);
        let no_lints = good.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(manifest("x", &no_lints).len(), 1);
        let no_licence = good.replace("license.workspace = true\n", "");
        assert_eq!(manifest("x", &no_licence).len(), 1);
    }

    #[test]
    fn refuses_docs_without_an_absence() {
        assert_eq!(crate_docs("x", "fn main() {}").len(), 1);
        assert_eq!(crate_docs("x", "//! Counts apples.\n").len(), 1);
        let good = "//! Counts apples.\n//!\n//! It does not count pears.\n";
        assert_eq!(crate_docs("x", good), Vec::<String>::new());
    }

    #[test]
    fn refuses_names_of_the_workplace() {
        let path = format!("see {}main/notes", concat!("/wo", "rk/"));
        assert_eq!(workplace_names("a.md", &path).len(), 1);
        let other = format!("https://example.org{}", concat!("/wo", "rk/"));
        assert_eq!(workplace_names("a.md", &other), Vec::<String>::new());
    }
}
