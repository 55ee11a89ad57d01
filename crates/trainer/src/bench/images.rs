//! `bench images`: how well photos find others of their category.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use serde::Serialize;
use shelfedge_commerce::Fault;
use shelfedge_insight::bootstrap::{Clusters, DRAWS};

use crate::error::{Error, Result, fault};
use crate::images::{self, By, Photos, Settings, Shown, embed};
use crate::linear::{dot, unit};
use crate::metrics::Estimate;
use crate::watch::Watch;

/// Labels, at most: each photo is compared with each.
const MOST_LABELS: usize = 20_000;
/// Labels that are told of one by one.
const MOST_TOLD: usize = 20;
/// Bytes of the file, at most.
const MOST_BYTES: u64 = 64 << 20;

/// A CSV of photos with their categories.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its column of paths.
    pub photo: &'a str,
    /// Its column of categories.
    pub category: &'a str,
}

/// What is found.
#[derive(Clone, Debug, Serialize)]
pub struct Retrieval {
    /// Of the learning and the intervals.
    pub seed: u64,
    /// Photos with a label, all of which are searched.
    pub photos: usize,
    /// Their categories.
    pub categories: usize,
    /// Photos that ask: those whose category has another one.
    pub queries: usize,
    /// How good each way to compare is, the one that is learnt first.
    pub by: Vec<Scored>,
}

/// How good one way to compare photos is.
#[derive(Clone, Debug, Serialize)]
pub struct Scored {
    /// Which.
    pub by: &'static str,
    /// Numbers of an embedding.
    pub width: usize,
    /// Share of the photos whose nearest one is of their category.
    pub accuracy1: Estimate,
    /// Mean over the photos of the mean precision at the places of their category.
    pub map: Estimate,
    /// What is learnt, less this one, paired.
    pub learnt_over: [Estimate; 2],
}

impl Retrieval {
    /// For a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "photos by",
            "numbers",
            "accuracy@1",
            "mean average precision",
            "learnt over it, accuracy@1",
            "mean average precision",
        ]);
        for scored in &self.by {
            let mut row = vec![scored.by.to_owned(), scored.width.to_string()];
            let [first, map] = &scored.learnt_over;
            let all = [&scored.accuracy1, &scored.map, first, map];
            row.extend(all.map(ToString::to_string));
            table.add_row(row);
        }
        format!(
            "{table}\n{} of {} photos in {} categories have another of their category, and ask; in brackets 95 % \
             intervals from a bootstrap over them",
            self.queries, self.photos, self.categories
        )
    }
}

/// Looks for each labelled photo which others are most like it.
///
/// # Errors
/// Labels or photos that can't be read, or of which no two are of one category; an
/// encoder that doesn't fit.
pub fn images(
    folder: &Path,
    labels: Labels<'_>,
    encoder: Option<&Path>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Retrieval> {
    let (paths, of) = read(folder, labels)?;
    let count = of.iter().max().map_or(0, |most| most + 1);
    let mut sizes = vec![0usize; count];
    of.iter().for_each(|category| sizes[*category] += 1);
    let queries: Vec<usize> = (0..of.len()).filter(|i| sizes[of[*i]] > 1).collect();
    if queries.is_empty() {
        return Err(Error::fault(
            "too_few",
            labels.file.display().to_string(),
            "no two photos are of one category",
            "label more photos, or coarser",
        ));
    }
    let photos = Photos {
        products: paths
            .iter()
            .map(|path| Shown {
                code: path.display().to_string(),
                frames: vec![path.clone()],
            })
            .collect(),
        others: 0,
    };
    let mut ways = Vec::new();
    for (name, by) in [("learnt", By::Learnt), ("untrained", By::Untrained)]
        .into_iter()
        .chain(encoder.map(|path| ("encoder", By::Given(path))))
    {
        let found = embed(&photos, by, settings, watch)?;
        ways.push((name, found.width, found.values));
    }
    let histograms = images::histograms(&paths)?;
    ways.push(("histogram of colours", images::BINS, histograms));

    let scores: Vec<Vec<[f64; 2]>> = ways
        .iter()
        .map(|(_, width, values)| score(values, *width, &of, &queries))
        .collect();
    let estimates = |rows: &mut dyn Iterator<Item = [f64; 2]>| {
        let n = queries.len() as f64;
        let clusters = Clusters::new((0..).zip(rows));
        let means = clusters.estimates(DRAWS, settings.seed, |sums| sums.map(|sum| sum / n));
        means.map(Estimate::from)
    };
    let by = ways.iter().zip(&scores).map(|((by, width, _), rows)| {
        let [accuracy1, map] = estimates(&mut rows.iter().copied());
        let less = scores[0].iter().zip(rows);
        let mut less = less.map(|(a, b)| [a[0] - b[0], a[1] - b[1]]);
        Scored {
            by,
            width: *width,
            accuracy1,
            map,
            learnt_over: estimates(&mut less),
        }
    });
    Ok(Retrieval {
        seed: settings.seed,
        photos: of.len(),
        categories: count,
        queries: queries.len(),
        by: by.collect(),
    })
}

/// Whether the nearest photo is of a photo's category, and the average precision of all
/// others in the order of likeness, by number where they are equally alike.
fn score(values: &[f32], width: usize, of: &[usize], queries: &[usize]) -> Vec<[f64; 2]> {
    let mut rows: Vec<Vec<f32>> = values.chunks_exact(width).map(<[f32]>::to_vec).collect();
    rows.iter_mut().for_each(|row| unit(row));
    let of_query = |query: &usize| {
        let others = (0..rows.len()).filter(|other| other != query);
        let mut others: Vec<(f32, usize)> = others
            .map(|other| (dot(&rows[*query], &rows[other]), other))
            .collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let (mut hits, mut sum) = (0.0, 0.0);
        for (place, (_, other)) in (1u32..).zip(&others) {
            if of[*other] == of[*query] {
                hits += 1.0;
                sum += hits / f64::from(place);
            }
        }
        let first = others
            .first()
            .is_some_and(|(_, other)| of[*other] == of[*query]);
        [f64::from(u8::from(first)), sum / f64::max(hits, 1.0)]
    };
    queries.iter().map(of_query).collect()
}

/// The photos that labels name, and the number of each one's category.
fn read(folder: &Path, labels: Labels<'_>) -> Result<(Vec<PathBuf>, Vec<usize>)> {
    let file = labels.file.display().to_string();
    let unreadable = |e: csv::Error| {
        Error::fault(
            "labels_unreadable",
            file.clone(),
            e.to_string(),
            "write the labels as CSV in UTF-8, with a header",
        )
    };
    let size = std::fs::metadata(labels.file).map_err(|e| Error::io("read", labels.file, e))?;
    if size.len() > MOST_BYTES {
        return Err(too_many(&file, format!("{} bytes", size.len())));
    }
    let mut reader = csv::Reader::from_path(labels.file).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?.clone();
    let column = |name: &str, argument: &str| {
        header
            .iter()
            .position(|own| own.trim() == name)
            .ok_or_else(|| {
                let all: Vec<&str> = header.iter().map(str::trim).collect();
                fault(
                    "column_missing",
                    file.clone(),
                    format!("there is no column {name:?}; there are: {}", all.join(", ")),
                    format!("name it with {argument}"),
                )
            })
    };
    let columns = [
        column(labels.photo, "--photo-column"),
        column(labels.category, "--category-column"),
    ];
    let [photo, category] = match columns {
        [Ok(photo), Ok(category)] => [photo, category],
        columns => {
            let faults = columns.into_iter().filter_map(core::result::Result::err);
            return Err(Error::Invalid(faults.collect()));
        }
    };
    let mut faults: Vec<Fault> = Vec::new();
    let mut missing = 0;
    let mut found: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (row, record) in (2u64..).zip(reader.records()) {
        let record = record.map_err(unreadable)?;
        let cell = |column: usize| record.get(column).unwrap_or("").trim();
        let (name, category) = (cell(photo), cell(category));
        let cause = match find(folder, name) {
            _ if category.is_empty() => "has no category".to_owned(),
            None => format!("there is no photo {name:?} in {}", folder.display()),
            Some(path) => match found.insert(path, category.to_owned()) {
                Some(other) if other != category => format!("{name:?} has another category before"),
                _ => continue,
            },
        };
        missing += 1;
        if faults.len() < MOST_TOLD {
            let place = format!("{file}: row {row}");
            faults.push(fault(
                "label_invalid",
                place,
                cause,
                "correct the row, or remove it",
            ));
        }
        if found.len() > MOST_LABELS {
            return Err(too_many(&file, format!("more than {MOST_LABELS} photos")));
        }
    }
    if missing > faults.len() {
        let more = format!("{} more rows are at fault", missing - faults.len());
        faults.push(fault(
            "label_invalid",
            file.clone(),
            more,
            "correct these first",
        ));
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let names: BTreeMap<&str, usize> = {
        let mut names: Vec<&str> = found.values().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().zip(0..).collect()
    };
    let of = found.values().map(|name| names[name.as_str()]).collect();
    Ok((found.into_keys().collect(), of))
}

fn too_many(file: &str, cause: String) -> Error {
    Error::fault(
        "labels_too_many",
        file,
        cause,
        "give a sample of the labels",
    )
}

/// The photo of a path, of which leading folders may be missing: those of the place that
/// the labels were written for. It lies in the folder in any case.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = name
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return None;
    }
    let paths = (0..parts.len()).map(|from| {
        let mut path = folder.to_path_buf();
        path.extend(&parts[from..]);
        path
    });
    let mut paths = paths.filter(|path| path.is_file());
    paths.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_by_hand() {
        // On a line of angles: 0 and 1 are of one category, 3 is nearer to 0 than 2.
        let of = [0, 0, 0, 1];
        let angles = [0.0f32, 0.1, 1.0, 0.5];
        let values: Vec<f32> = angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect();
        let scores = score(&values, 2, &of, &[0, 1, 2]);
        // 1, 3, 2: hits at the places 1 and 3.
        assert_eq!(scores[0], [1.0, (1.0 + 2.0 / 3.0) / 2.0]);
        assert_eq!(scores[1], scores[0]);
        // 3, 1, 0: hits at the places 2 and 3.
        assert_eq!(scores[2], [0.0, (0.5 + 2.0 / 3.0) / 2.0]);
    }

    #[test]
    fn labels_are_found_whatever_folders_they_were_written_for() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("Fruit")).expect("made");
        let photo = folder.path().join("Fruit/a.jpg");
        std::fs::write(&photo, b"1").expect("written");
        let found = |name: &str| find(folder.path(), name);
        assert_eq!(found("/elsewhere/Fruit/a.jpg"), Some(photo.clone()));
        assert_eq!(found("Fruit\\a.jpg"), Some(photo));
        assert_eq!(found("Fruit"), None);
        assert_eq!(found("Fruit/../Fruit/a.jpg"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn every_fault_of_the_labels_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("labels.csv");
        let labels = Labels {
            file: &file,
            photo: "photo",
            category: "category",
        };
        let codes = |text: &str| {
            std::fs::write(&file, text).expect("written");
            let error = read(folder.path(), labels).expect_err("refused");
            let faults = error.faults().iter();
            faults.map(|fault| fault.code).collect::<Vec<_>>()
        };
        assert_eq!(codes("a,b\n"), ["column_missing", "column_missing"]);
        let rows = "photo,category\nnone.jpg,x\nlabels.csv,\nlabels.csv,x\nlabels.csv,y\n";
        assert_eq!(codes(rows), ["label_invalid"; 3]);
        assert_eq!(codes("photo,category\na\n"), ["labels_unreadable"]);
    }
}
