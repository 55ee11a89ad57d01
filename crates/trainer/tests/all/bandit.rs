//! `bench bandit` on a made-up shop: what it writes, and that it doesn't look at
//! what it may not know.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use crate::common::write;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use shelfedge_trainer::bench::{Scored, bandit};
use shelfedge_trainer::rng::Rng;
use shelfedge_trainer::watch::Silent;

const ITEMS: usize = 4;
const ROWS: usize = 3_000;

/// A log of the uniform policy. The last item is clicked three times as often, and
/// who likes an item clicks on it most.
fn log(path: &Path, seed: u64, clicks: bool) {
    let mut rng = Rng::new(seed, 0);
    let (mut item, mut position, mut click) = (Vec::new(), Vec::new(), Vec::new());
    let mut likes = vec![Vec::new(); ITEMS];
    for _ in 0..ROWS {
        let (shown, place) = (rng.below(ITEMS), rng.below(3));
        let liked = (rng.below(10) == 0).then(|| rng.below(ITEMS));
        let rate = if shown == 3 { 0.15 } else { 0.05 };
        let rate = match liked {
            None => rate,
            Some(liked) if liked == shown => 0.6,
            Some(_) => 0.2,
        };
        let clicked = rng.unit64() < rate;
        item.push(shown as i64);
        position.push(place as i64 + 1);
        click.push(i64::from(clicked && clicks));
        for (number, column) in likes.iter_mut().enumerate() {
            column.push(f32::from(u8::from(liked == Some(number))));
        }
    }
    let whole = |numbers: Vec<i64>| -> ArrayRef { Arc::new(Int64Array::from(numbers)) };
    let names: Vec<String> = (0..ITEMS).map(|number| format!("a{number}")).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("row", whole((0..ROWS as i64).collect())),
        ("cluster", whole((0..ROWS as i64).collect())),
        ("item", whole(item)),
        ("position", whole(position)),
        ("click", whole(click)),
        ("propensity", Arc::new(Float64Array::from(vec![0.25; ROWS]))),
    ];
    for (name, column) in names.iter().zip(likes) {
        columns.push((name, Arc::new(Float32Array::from(column))));
    }
    write(path, columns);
}

#[test]
fn a_policy_is_learnt_from_the_other_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (random, bts) = (
        folder.path().join("log_random.parquet"),
        folder.path().join("log_bts.parquet"),
    );
    let out = folder.path().join("policy.parquet");
    let run = || {
        let line = bandit(folder.path(), &out, Scored::Random, 1, &mut Silent).unwrap();
        assert_eq!(
            (line.task, line.shipped_bytes),
            ("bandit", 4 * (3 * ITEMS + 2))
        );
        fs::read(&out).unwrap()
    };
    log(&random, 1, true);
    log(&bts, 2, true);
    let written = run();

    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&out).unwrap());
    let mut rows = 0;
    let mut shown = [0.0; ITEMS];
    for batch in reader.unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let row = batch["row"].as_primitive::<Int32Type>();
        let number = |name: &str, at| batch[name].as_primitive::<Float32Type>().value(at);
        for at in 0..batch.num_rows() {
            assert_eq!(row.value(at), rows);
            rows += 1;
            let policy: Vec<f32> = (0..ITEMS).map(|i| number(&format!("p{i}"), at)).collect();
            assert!(
                (policy.iter().sum::<f32>() - 1.0).abs() < 1e-5,
                "{policy:?}"
            );
            // A tenth is spread evenly.
            assert!(policy.iter().all(|p| *p > 0.0249), "{policy:?}");
            let click = number("p_click", at);
            assert!(click > 0.0 && click < 1.0, "{click}");
            for (sum, p) in shown.iter_mut().zip(&policy) {
                *sum += f64::from(*p);
            }
        }
    }
    assert_eq!(rows as usize, ROWS);
    assert!(shown[3] > 1.5 * shown[0], "{shown:?}");

    // Other clicks in the log that is scored change nothing; in the other they do.
    log(&random, 1, false);
    assert!(run() == written);
    log(&bts, 3, true);
    assert!(run() != written);
}
