//! Logs of lists: trajectories of shoppers, from JSON lines that a shop writes of its
//! own exposures or from the simulator, with the states that `shelfedge_features` sees
//! in them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shelfedge_commerce::Fault;
use shelfedge_commerce::id::{ProductId, ShopperId};
use shelfedge_commerce::time::{DAY, Timestamp};
use shelfedge_features::visits::{Action, OWN_GROUP, Place, Visits, WIDTH};

use shelfedge_insight::policy::SMALLEST_PROPENSITY;

use super::simulate::Span;
use crate::error::{Error, Result, fault};
use crate::watch::Watch;

/// Bytes of a line, lines of a log, and places of a list, at most.
const LONGEST: u64 = 1 << 20;
const MOST_LINES: usize = 5_000_000;
const MOST_PLACES: usize = 200;
/// What a list earns, at most, to either side.
const MOST_VALUE: f64 = 1e9;
/// Faults told in full.
const TOLD: usize = 100;

/// One list of a shopper, and what it earned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision {
    /// What was known before.
    pub(super) state: [f32; WIDTH],
    pub(super) action: Action,
    /// With what probability the action was chosen.
    pub(super) propensity: f64,
    pub(super) reward: f64,
}

/// A shopper's lists, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trajectory {
    pub(super) decisions: Vec<Decision>,
}

/// A line of a log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    shopper: String,
    at: String,
    action: String,
    propensity: f64,
    list: Vec<Entry>,
    /// What the list earned; as many as were ordered of it unless it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    product: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default)]
    clicked: bool,
    #[serde(default)]
    ordered: bool,
}

/// A list as it was read.
struct Shown {
    at: Timestamp,
    action: Action,
    propensity: f64,
    value: f64,
    list: Vec<Place>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogReport {
    /// Lines that were read.
    pub lines: usize,
    /// Lines of a shopper at a moment that another line has, too: they count once.
    pub again: usize,
    /// Shoppers who were seen.
    pub shoppers: usize,
    /// Those of them who came first too shortly before the log ends to be followed.
    pub too_late: usize,
    /// Lists that count: the first ones of those who are followed.
    pub lists: usize,
    /// The first and the last moment.
    pub first: String,
    /// The last moment.
    pub last: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Reads a log. Every line that can't be used is a fault.
pub(super) fn read(
    path: &Path,
    span: Span,
    watch: &mut dyn Watch,
) -> Result<(Vec<Trajectory>, LogReport)> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let total = file.metadata().map_or(0, |m| m.len());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut reader = BufReader::new(file);
    let mut intake = Intake::default();
    let mut digest = Sha256::new();
    let (mut line, mut done, mut number) = (Vec::new(), 0u64, 0u64);
    loop {
        if number.is_multiple_of(4_096) {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            watch.step("reading", done, total, "");
        }
        number += 1;
        line.clear();
        let read = (&mut reader)
            .take(LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io("read", path, e))?;
        if read == 0 {
            break;
        }
        digest.update(&line);
        done += read as u64;
        let place = format!("{name} line {number}");
        if read as u64 > LONGEST && line.last() != Some(&b'\n') {
            return Err(Error::fault(
                "log_too_large",
                place,
                format!("the line has more than {LONGEST} bytes"),
                "write one list a line (JSON lines)",
            ));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if intake.report.lines == MOST_LINES {
            return Err(Error::fault(
                "log_too_large",
                place,
                format!("there are more than {MOST_LINES} lists"),
                "give the lists of a part of the shoppers, all of each",
            ));
        }
        intake.report.lines += 1;
        match serde_json::from_slice::<Line>(&line) {
            Ok(read) => intake.line(&place, read),
            Err(_) if number == 1 && line.starts_with(b"\xEF\xBB\xBF") => {
                intake.refuse(place, "it begins with a byte order mark".to_owned());
            }
            Err(e) => intake.refuse(place, e.to_string()),
        }
        if intake.faults.len() >= TOLD {
            break;
        }
    }
    let sha256: [u8; 32] = digest.finalize().into();
    intake.report.sha256 = shelfedge_wire::manifest::hex(&sha256);
    intake.trajectories(&name, span)
}

#[derive(Default)]
struct Intake {
    shoppers: BTreeMap<String, Vec<Shown>>,
    products: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
    faults: Vec<Fault>,
    report: LogReport,
}

/// The number of a name: as many as there were before it was first met.
fn number(names: &mut BTreeMap<String, u32>, name: String) -> u32 {
    let next = names.len() as u32;
    *names.entry(name).or_insert(next)
}

impl Intake {
    fn refuse(&mut self, place: String, cause: String) {
        let action = "correct the log where it is made; the README shows a line";
        self.faults.push(fault("log_invalid", place, cause, action));
    }

    fn line(&mut self, place: &str, line: Line) {
        let before = self.faults.len();
        let mut check = |field: &str, cause: Option<String>| {
            if let Some(cause) = cause {
                self.refuse(format!("{place}: {field}"), cause);
            }
        };
        let cause = |e: shelfedge_commerce::fault::Invalid| e.to_string();
        check(
            "shopper",
            line.shopper.parse::<ShopperId>().err().map(cause),
        );
        let at = Timestamp::parse_rfc3339(&line.at);
        check("at", at.as_ref().err().map(ToString::to_string));
        let action = Action::parse(&line.action);
        check(
            "action",
            action.is_none().then(|| {
                format!(
                    "{:?} is none of exploit, explore and diversify",
                    line.action
                )
            }),
        );
        let p = line.propensity;
        check(
            "propensity",
            (!(SMALLEST_PROPENSITY..=1.0).contains(&p))
                .then(|| format!("{p:e} is not from {SMALLEST_PROPENSITY:e} to 1")),
        );
        check(
            "list",
            (line.list.len() > MOST_PLACES)
                .then(|| format!("it has {} places, at most {MOST_PLACES}", line.list.len())),
        );
        for (at, entry) in line.list.iter().enumerate() {
            let wrong = entry.product.parse::<ProductId>().err().map(cause);
            check(&format!("list[{at}].product"), wrong);
        }
        if let Some(value) = line.value {
            let wrong = !(-MOST_VALUE..=MOST_VALUE).contains(&value);
            let wrong = wrong.then(|| format!("{value} is not within {MOST_VALUE:e}"));
            check("value", wrong);
        }
        let (Ok(at), Some(action)) = (at, action) else {
            return;
        };
        if self.faults.len() > before {
            return;
        }
        let ordered = line.list.iter().filter(|entry| entry.ordered).count();
        let list = line.list.into_iter().map(|entry| {
            let product = number(&mut self.products, entry.product);
            let group = entry
                .group
                .map_or(OWN_GROUP | product, |group| number(&mut self.groups, group));
            Place {
                product,
                group,
                clicked: entry.clicked,
                ordered: entry.ordered,
            }
        });
        let shown = Shown {
            at,
            action,
            propensity: line.propensity,
            value: line.value.unwrap_or(ordered as f64),
            list: list.collect(),
        };
        self.shoppers.entry(line.shopper).or_default().push(shown);
    }

    /// The first lists of every shopper who could be followed for long enough.
    fn trajectories(mut self, name: &str, span: Span) -> Result<(Vec<Trajectory>, LogReport)> {
        if !self.faults.is_empty() {
            return Err(Error::Invalid(self.faults));
        }
        let times = || self.shoppers.values().flatten().map(|shown| shown.at);
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return Err(Error::fault(
                "log_empty",
                name.to_owned(),
                "the log has no list",
                "write a line for each list that was shown; the README shows one",
            ));
        };
        let days = span.days.unwrap_or(0);
        let mut all = Vec::new();
        self.report.shoppers = self.shoppers.len();
        for lists in self.shoppers.values_mut() {
            // Of two at one moment the first that was read.
            lists.sort_by_key(|shown| shown.at);
            let count = lists.len();
            lists.dedup_by_key(|shown| shown.at);
            self.report.again += count - lists.len();
            let end = lists[0].at.plus(days.saturating_mul(DAY));
            if end > last {
                self.report.too_late += 1;
                continue;
            }
            let mut visits = Visits::default();
            let mut trajectory = Trajectory::default();
            for shown in lists.iter().take(span.visits).filter(|s| s.at <= end) {
                trajectory.decisions.push(Decision {
                    state: visits.state(shown.at),
                    action: shown.action,
                    propensity: shown.propensity,
                    reward: shown.value,
                });
                visits.push(shown.at, shown.action, &shown.list);
            }
            self.report.lists += trajectory.decisions.len();
            all.push(trajectory);
        }
        (self.report.first, self.report.last) = (first.to_string(), last.to_string());
        if all.is_empty() {
            return Err(Error::fault(
                "log_too_short",
                name.to_owned(),
                format!(
                    "it goes from {first} to {last}, and no shopper can be followed for {days} days"
                ),
                "give a longer log, or follow shoppers for fewer days: `days` in a settings file",
            ));
        }
        Ok((all, self.report))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::policy::simulate;
    use crate::watch::Silent;
    use std::fmt::Write;

    pub(in crate::policy) const SPAN: Span = Span {
        visits: 3,
        days: Some(10),
    };

    /// What the simulator made as a shop would log it.
    pub(in crate::policy) fn lines(shopper: &str, visits: &[simulate::Shown]) -> String {
        let mut out = String::new();
        for shown in visits {
            let line = Line {
                shopper: shopper.to_owned(),
                at: shown.at.to_string(),
                action: shown.action.name().to_owned(),
                propensity: shown.propensity,
                list: shown
                    .list
                    .iter()
                    .map(|place| Entry {
                        product: format!("p{}", place.product),
                        group: Some(format!("g{}", place.group)),
                        clicked: place.clicked,
                        ordered: place.ordered,
                    })
                    .collect(),
                value: None,
            };
            writeln!(out, "{}", serde_json::to_string(&line).expect("a line")).expect("text");
        }
        out
    }

    fn read_text(text: &str) -> Result<(Vec<Trajectory>, LogReport)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, text).expect("written");
        read(&path, SPAN, &mut Silent)
    }

    fn line(shopper: &str, day: u32, more: &str) -> String {
        format!(
            "{{\"shopper\":\"{shopper}\",\"at\":\"2026-01-{day:02}T09:00:00Z\",\"action\":\"explore\",\
             \"propensity\":0.5,\"list\":[{{\"product\":\"a\",\"clicked\":true,\"ordered\":true}},\
             {{\"product\":\"b\",\"group\":\"g\"}}]{more}}}\n"
        )
    }

    #[test]
    fn lines_in_any_order_are_trajectories() {
        let mut text = line("x", 5, ",\"value\":2.5");
        text += &line("x", 1, "");
        text += &line("x", 5, ",\"value\":7");
        // Beyond the days, and a shopper who came too late.
        text += &line("x", 12, "");
        text += "\n";
        text += &line("y", 20, "");
        let (all, report) = read_text(&text).expect("a log");
        let rewards: Vec<f64> = all[0].decisions.iter().map(|d| d.reward).collect();
        assert_eq!(rewards, [1.0, 2.5]);
        let counts = (report.lines, report.again, report.shoppers, report.too_late);
        assert_eq!(counts, (5, 1, 2, 1));
        assert_eq!((all.len(), report.lists), (1, 2));
        // The state before the second: one visit, four days ago, half of it clicked.
        let state = all[0].decisions[1].state;
        assert_eq!((state[0], state[7]), (0.25, 0.5));
    }

    #[test]
    fn every_bad_field_is_a_fault() {
        let bad = "{\"shopper\":\"\",\"at\":\"yesterday\",\"action\":\"show\",\"propensity\":0,\
                   \"list\":[{\"product\":\"\"}],\"value\":1e300}\n";
        let text = format!("{bad}{{\"shoper\":1}}\n{}", line("x", 1, ""));
        let error = read_text(&text).expect_err("faults");
        let places: Vec<_> = error.faults().iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "log.jsonl line 1: shopper",
                "log.jsonl line 1: at",
                "log.jsonl line 1: action",
                "log.jsonl line 1: propensity",
                "log.jsonl line 1: list[0].product",
                "log.jsonl line 1: value",
                "log.jsonl line 2"
            ]
        );
        let code = |text: &str| read_text(text).expect_err("a fault").faults()[0].code;
        assert_eq!(code("\n"), "log_empty");
        assert_eq!(code(&line("x", 1, "")), "log_too_short");
        let long = format!("{}\n", "x".repeat(1 << 21));
        assert_eq!(code(&long), "log_too_large");
    }
}
