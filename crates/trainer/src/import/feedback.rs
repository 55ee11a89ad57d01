//! Reads logged choices with their propensities from Parquet or CSV: a row for
//! each choice.

use std::path::Path;

use shelfedge_insight::Decision;

use super::row::Cell;
use super::table::{Input, Rows, Table};
use crate::error::{Error, Result, fault};
use crate::watch::{Quiet, Watch};

/// The columns of such a table: the row's number, what was shown together, what
/// was chosen, where, whether it was clicked, and with what probability it was
/// chosen.
const COLUMNS: [&str; 6] = ["row", "cluster", "item", "position", "click", "propensity"];
/// Faults told in full.
const TOLD: usize = 100;

/// Logged choices, in the order of the table.
#[derive(Debug, Default)]
pub struct Feedback {
    /// The rows' numbers.
    pub rows: Vec<i32>,
    /// The choices.
    pub decisions: Vec<Decision>,
}

impl Feedback {
    /// Items there were to choose from: one more than the largest.
    pub fn actions(&self) -> u32 {
        let largest = self.decisions.iter().map(|d| d.action).max();
        largest.map_or(0, |largest| largest.saturating_add(1))
    }
}

/// Reads which items the shopper of each row has something to do with: those with
/// a number above 0 in the columns `a0`, `a1` and so on, one for each item.
pub fn import_affinities(path: &Path, items: u32, watch: &mut dyn Watch) -> Result<Vec<Vec<u32>>> {
    let names: Vec<String> = (0..items).map(|item| format!("a{item}")).collect();
    let wanted: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    let input = Input::of(path, b',')?;
    let table = Table::open(&input, "", &wanted)?;
    let mut liked = Liked::default();
    for (item, name) in (0u32..).zip(wanted) {
        (liked.item, liked.row) = (item, 0);
        watch.step("affinities", item.into(), items.into(), "");
        table.read([name], &mut liked, &mut Quiet(watch))?;
    }
    Ok(liked.items)
}

/// The items of each row, ascending, because the columns are read in that order.
#[derive(Default)]
struct Liked {
    item: u32,
    row: usize,
    items: Vec<Vec<u32>>,
}

impl Rows<1> for Liked {
    fn row(&mut self, [cell]: [Cell<'_>; 1]) {
        if self.row == self.items.len() {
            self.items.push(Vec::new());
        }
        // What is no number says nothing.
        let number = cell.decimal().and_then(|text| text.parse().ok());
        if number.is_some_and(|number: f64| number > 0.0) {
            self.items[self.row].push(self.item);
        }
        self.row += 1;
    }

    fn broken(&mut self, _: String) {
        // The choices of this table were read before, and it was a fault then.
    }
}

/// Reads a table. Every cell that is no number of its column's range is a fault.
pub fn import_table(path: &Path, watch: &mut dyn Watch) -> Result<Feedback> {
    let rows = Intake::default();
    read(path, COLUMNS.map(Some), rows, watch)
}

/// Reads what `impressions` joined. The reward is its column `click`, `cart` or
/// `purchase`. Places of which no propensity is known are left out, and those of
/// propensity 1, because where chance had no part nothing is told of other policies.
pub fn import_impressions(path: &Path, reward: &str, watch: &mut dyn Watch) -> Result<Feedback> {
    let rows = Intake {
        chance_only: true,
        ..Intake::default()
    };
    let [row, cluster, item, position, _, propensity] = COLUMNS;
    let wanted = [row, cluster, item, position, reward, propensity];
    read(path, wanted.map(Some), rows, watch)
}

fn read(
    path: &Path,
    wanted: [Option<&str>; 6],
    mut intake: Intake,
    watch: &mut dyn Watch,
) -> Result<Feedback> {
    let input = Input::of(path, b',')?;
    let table = Table::open(&input, "", &wanted)?;
    intake.table.clone_from(&input.name);
    table.read(wanted, &mut intake, watch)?;
    if intake.faults.is_empty() {
        Ok(intake.feedback)
    } else {
        Err(Error::Invalid(intake.faults))
    }
}

#[derive(Default)]
struct Intake {
    table: String,
    /// Whether rows without chance are left out.
    chance_only: bool,
    read: u64,
    feedback: Feedback,
    faults: Vec<shelfedge_commerce::Fault>,
}

impl Intake {
    fn refuse(&mut self, column: &str, cause: String) {
        if self.faults.len() < TOLD {
            self.faults.push(fault(
                "cell_invalid",
                format!("{} row {}: {column}", self.table, self.read),
                cause,
                "correct the table where it is made",
            ));
        }
    }
}

impl Rows<6> for Intake {
    fn row(&mut self, cells: [Cell<'_>; 6]) {
        self.read += 1;
        if self.chance_only && cells[5] == Cell::Missing {
            return;
        }
        let whole = |at: usize, most: i64| cells[at].int().filter(|n| (0..=most).contains(n));
        let whole = [
            whole(0, i32::MAX.into()),
            whole(1, u32::MAX.into()),
            whole(2, i32::MAX.into()),
            whole(3, u32::MAX.into()),
            whole(4, 1),
        ];
        let propensity = cells[5].decimal().and_then(|text| text.parse().ok());
        let propensity = propensity.filter(|p: &f64| *p > 0.0 && *p <= 1.0);
        if let (
            [
                Some(row),
                Some(cluster),
                Some(item),
                Some(position),
                Some(click),
            ],
            Some(p),
        ) = (whole, propensity)
        {
            if self.chance_only && p >= 1.0 {
                return;
            }
            self.feedback.rows.push(row as i32);
            self.feedback.decisions.push(Decision {
                cluster: cluster as u32,
                action: item as u32,
                position: position as u32,
                reward: click as f64,
                propensity: p,
            });
            return;
        }
        let missing = whole.map(|n| n.is_none()).into_iter();
        let missing = missing.chain([propensity.is_none()]);
        for ((column, cell), _) in COLUMNS.iter().zip(&cells).zip(missing).filter(|(_, m)| *m) {
            self.refuse(column, format!("{:?} is out of its range", cell.text()));
        }
    }

    fn broken(&mut self, why: String) {
        self.read += 1;
        self.refuse("", why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Silent;

    #[test]
    fn choices_are_read_and_every_bad_cell_is_a_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.csv");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        write("row,cluster,item,position,click,propensity\n0,4,2,1,1,0.25\n1,4,0,3,0,1\n");
        let read = import_table(&path, &mut Silent).expect("a log");
        assert_eq!((read.rows.len(), read.actions()), (2, 3));
        assert_eq!(read.decisions[0].propensity, 0.25);
        write("a1,row,a0\n0.5,0,\n0,1,2\n3,2,1\n");
        let liked = import_affinities(&path, 2, &mut Silent).expect("affinities");
        assert_eq!(liked, [vec![1], vec![0], vec![0, 1]]);
        assert!(import_affinities(&path, 3, &mut Silent).is_err());
        write("row,cluster,item,position,click,propensity\n0,4,-2,1,2,0\n1,x,0,3,0,0.5\n");
        let faults = import_table(&path, &mut Silent).expect_err("faults");
        let places: Vec<_> = faults.faults().iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "log.csv row 1: item",
                "log.csv row 1: click",
                "log.csv row 1: propensity",
                "log.csv row 2: cluster"
            ]
        );
    }
}
