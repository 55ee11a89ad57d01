//! `bench bandit`: a policy and click probabilities for a log with propensities,
//! both fitted on another log of the same shop.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int32Array};
use shelfedge_insight::affinity::soften;
use shelfedge_insight::{Affine, Decision, Log};

use super::{Line, cpu_seconds, parquet, peak_bytes};
use crate::bundle::{check_writable, write_file};
use crate::error::{Error, Result};
use crate::import::feedback::{import_affinities, import_table};
use crate::watch::Watch;

/// Pseudo-impressions that shrink an item's rate to that of all; a click is one
/// impression in two hundred. Chosen with `POWER` on the logs of the set `men`,
/// among 500, 1,000 and 2,000 and among 2, 3 and 4, and not the best of them by
/// what that log earns: it has too few clicks to tell.
const PRIOR: f64 = 1_000.0;
/// The power of the rates that makes the policy.
const POWER: u32 = 3;
/// The share of the policy that is spread evenly.
const EPSILON: f64 = 0.1;

/// Which of the two logs is scored; the other one teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// The log of the uniform policy.
    Random,
    /// The log of Thompson sampling.
    Bts,
}

/// Choosing with logged propensities: learns from one log and writes, for each row
/// of the other, the probability that the policy shows each item, and that of a
/// click on the item that was shown. What was clicked in the scored log is read
/// with the rest of its table and looked at nowhere.
pub fn bandit(
    data: &Path,
    out: &Path,
    scored: Scored,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Line> {
    check_writable(out)?;
    let path = |name| data.join(format!("log_{name}.parquet"));
    let (scored, teaching) = match scored {
        Scored::Random => (path("random"), path("bts")),
        Scored::Bts => (path("bts"), path("random")),
    };
    let taught = import_table(&teaching, watch)?;
    let asked = import_table(&scored, watch)?;
    let items = taught.actions().max(asked.actions());
    // Before as many columns are looked for as the largest item says.
    let log = Log::new(taught.decisions, items)
        .map_err(|faults| Error::Invalid(faults.iter().cloned().collect()))?;
    let likes = import_affinities(&teaching, items, watch)?;
    let affine = Affine::fit(&log, |row| &likes[row], PRIOR);

    let likes = import_affinities(&scored, items, watch)?;
    let mut shown = vec![Vec::with_capacity(asked.rows.len()); items as usize];
    let mut clicked = Vec::with_capacity(asked.rows.len());
    let mut rewards = vec![0.0; items as usize];
    for (
        Decision {
            action, position, ..
        },
        likes,
    ) in asked.decisions.iter().zip(&likes)
    {
        affine.fill(*position, likes, &mut rewards);
        clicked.push(rewards[*action as usize] as f32);
        soften(&mut rewards, POWER, EPSILON);
        for (column, probability) in shown.iter_mut().zip(&rewards) {
            column.push(*probability as f32);
        }
    }
    let row: ArrayRef = Arc::new(Int32Array::from(asked.rows));
    let shown = (0..)
        .zip(shown)
        .map(|(item, column)| -> (String, ArrayRef) {
            (format!("p{item}"), Arc::new(Float32Array::from(column)))
        });
    let clicked: ArrayRef = Arc::new(Float32Array::from(clicked));
    let columns = [("row".to_owned(), row)].into_iter().chain(shown);
    let predictions = parquet(columns.chain([("p_click".to_owned(), clicked)]))?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    write_file(out, &predictions)?;
    Ok(Line {
        task: "bandit",
        seed,
        cpu_s: cpu_seconds(),
        peak_bytes: peak_bytes(),
        // In 32 bits each.
        shipped_bytes: 4 * affine.numbers(),
    })
}
