//! `shelfedge-train policy`: learns, judges, and writes what may ship.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use shelfedge_features::visits::{Action, WIDTH};
use shelfedge_ranking::policy;
use shelfedge_wire::manifest::{hex, sha256};

use super::card::card;
use super::fit::{self, Counted};
use super::judge::{Decided, Interval, Judge, Judged};
use super::learn::learn;
use super::log::{self, LogReport, Trajectory};
use super::net::Weights;
use super::rules::Policy;
use super::simulate::{Ranker, Simulator, Span};
use super::{Settings, export};
use crate::bundle::{check_files, write_files};
use crate::error::{Error, Result};
use crate::import::{Imported, Report, import};
use crate::rng::Rng;
use crate::watch::Watch;

/// The network as ONNX.
pub const ONNX: &str = "policy.onnx";
/// The same, compiled.
pub const SHELF: &str = "policy.shelf";
/// What a person reads.
pub const CARD: &str = "CARD.md";
/// The same for a program.
pub const REPORT: &str = "report.json";

/// By what share a statistic of the simulated shoppers may miss the shop's.
pub(super) const TOLERANCE: f64 = 0.1;
/// Shoppers below which a half of a log neither teaches nor judges.
const FEWEST: usize = 50;
/// Shoppers that the simulator is held against the shop with.
const CHECKED: usize = 20_000;
/// Keeps these draws apart.
const OF_LOG: u64 = 0x1065;
const OF_TRUTH: u64 = 0x7217;
const OF_SPLIT: u64 = 0x5917;

/// Where lists come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A shop's orders: shoppers are fitted to them and make logs.
    Shop {
        /// A folder, a table or a store.
        path: &'a Path,
        /// Which column means what.
        mapping: Option<&'a Path>,
    },
    /// A shop's log of lists.
    Log(&'a Path),
}

/// A fitted statistic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// What it is.
    pub name: &'static str,
    /// In the shop's orders.
    pub shop: f64,
    /// Of simulated shoppers who are shown exploiting lists.
    pub simulated: f64,
}

impl Fit {
    /// Whether it is near enough.
    #[must_use]
    pub fn is_met(&self) -> bool {
        (self.simulated - self.shop).abs() <= TOLERANCE * self.shop.abs().max(1e-9)
    }
}

/// A policy's value a shopper in the simulator, by trying it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// The policy.
    pub policy: String,
    /// Mean of the discounted sum.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Visits of a shopper, of those that count.
    pub visits: f64,
}

/// A policy: what it is worth in the simulator, where there is one, and what the log
/// says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// In the simulator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// By the log.
    pub judged: Judged,
}

/// One run: a log, a policy and its judgement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// The seed of all of it.
    pub seed: u64,
    /// Shoppers that taught, and their lists.
    pub taught: [usize; 2],
    /// Shoppers that judged, and their lists.
    pub judging: [usize; 2],
    /// The share of each action in what the learnt policy does on the judging log's
    /// states, greedily.
    pub actions: [f64; 3],
    /// The learnt policy, what runs, and the others.
    pub lines: Vec<Line>,
    /// May the learnt policy take the place of what runs?
    pub decided: Decided,
}

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What the figures were made with: a simulator, or a log.
    pub generator: &'static str,
    /// Whether the policy was written.
    pub shipped: bool,
    /// Why, or why not.
    pub reason: String,
    /// How it was learnt.
    pub settings: Settings,
    /// What was read of the shop's orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<Report>,
    /// What was read of a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogReport>,
    /// How the simulated shoppers compare with the shop's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fit: Vec<Fit>,
    /// The runs; the first is the one that may ship.
    pub runs: Vec<Run>,
    /// SHA-256 of the ONNX file that was judged.
    pub onnx_sha256: String,
    /// Bytes of the ONNX file and the compiled model.
    pub bytes: [usize; 2],
    /// The folder.
    pub out: String,
}

impl Outcome {
    /// For a person.
    pub fn table(&self) -> String {
        let mut parts = Vec::new();
        if !self.fit.is_empty() {
            let mut table = Table::new();
            table.load_style(presets::UTF8_HORIZONTAL_ONLY);
            table.set_header(["of shoppers", "the shop's", "simulated", ""]);
            for fit in &self.fit {
                let met = if fit.is_met() { "" } else { "not met" };
                table.add_row([
                    fit.name.to_owned(),
                    format!("{:.3}", fit.shop),
                    format!("{:.3}", fit.simulated),
                    met.to_owned(),
                ]);
            }
            right(&mut table, 1..3);
            parts.push(table.to_string());
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "seed",
            "policy",
            "true value",
            "doubly robust",
            "self-normalised",
            "effective shoppers",
        ]);
        for run in &self.runs {
            for (number, line) in run.lines.iter().enumerate() {
                let judged = &line.judged;
                table.add_row([
                    match number {
                        0 => run.seed.to_string(),
                        _ => String::new(),
                    },
                    judged.policy.clone(),
                    line.truth.as_ref().map_or("-".to_owned(), |t| {
                        format!("{:.3} ± {:.3}", t.value, t.error)
                    }),
                    judged.dr.to_string(),
                    judged.snips.to_string(),
                    format!("{:.0}", judged.effective_shoppers),
                ]);
            }
            let decided = &run.decided;
            table.add_row([
                String::new(),
                "learnt less what runs".to_owned(),
                run.gain()
                    .map_or("-".to_owned(), |gain| format!("{gain:+.3}")),
                decided.dr.to_string(),
                decided.snips.to_string(),
                decided.answer.replace('_', " "),
            ]);
        }
        right(&mut table, 2..6);
        parts.push(table.to_string());
        parts.push(format!("figures of {}", self.generator));
        let written = match self.shipped {
            true => format!("{ONNX}, {SHELF}, {CARD} and {REPORT}"),
            false => format!("{CARD} and {REPORT} alone"),
        };
        parts.push(format!(
            "{}: {}\n{}: {written}",
            if self.shipped {
                "ships"
            } else {
                "does not ship"
            },
            self.reason,
            self.out
        ));
        parts.join("\n")
    }
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

impl Run {
    /// By how much the learnt policy is better than what runs, truly.
    pub(super) fn gain(&self) -> Option<f64> {
        let value = |line: usize| Some(self.lines.get(line)?.truth.as_ref()?.value);
        Some(value(0)? - value(1)?)
    }
}

impl Settings {
    fn span(&self) -> Span {
        Span {
            visits: self.visits,
            days: Some(self.days),
        }
    }

    fn ranker(&self) -> Ranker {
        Ranker {
            places: self.places,
            tries: self.tries,
            of_one: self.of_one_group,
            prior: fit::PRIOR,
        }
    }

    fn current(&self) -> Policy {
        let action = self.current.action();
        action.map_or(Policy::Uniform, Policy::Always)
    }

    /// What runs, then the others that could be better.
    fn baselines(&self) -> Vec<Policy> {
        let current = self.current();
        let mut all = vec![current];
        let others = Action::ALL.map(Policy::Always).into_iter().chain([
            Policy::Uniform,
            Policy::ExploreFirst { visits: 1 },
            Policy::ExploreFirst { visits: 2 },
        ]);
        for policy in others {
            if policy != all[0] {
                all.push(policy);
            }
        }
        all
    }
}

/// Learns a policy, judges it and writes it if it may ship; the card and the report
/// always.
pub fn run(
    source: Source<'_>,
    out: &Path,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    check_files(out, &[ONNX, SHELF, CARD, REPORT], "a policy")?;
    let paths = [ONNX, SHELF, CARD, REPORT].map(|name| out.join(name));
    let (mut outcome, weights, attribution) = match source {
        Source::Log(path) => of_log(path, settings, watch)?,
        Source::Shop { path, mapping } => of_shop(path, mapping, settings, watch)?,
    };
    let data = match (&outcome.orders, &outcome.log) {
        (Some(report), _) => report.digest.clone(),
        (_, Some(log)) => log.sha256.clone(),
        _ => String::new(),
    };
    let onnx = export::onnx(
        &weights,
        &[
            ("shelfedge.task", "policy".to_owned()),
            ("shelfedge.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("shelfedge.data_sha256", data),
            ("shelfedge.actions", Action::ALL.map(Action::name).join(",")),
            (
                "shelfedge.state",
                shelfedge_features::visits::NAMES.join(","),
            ),
        ],
    )?;
    let judged = policy::Judged {
        even: settings.even as f32,
        visits: settings.visits as u32,
        days: settings.days as u32,
        current: settings.current.action(),
    };
    let shelf = crate::export::compile(&onnx, &[(policy::JUDGED, judged.write())])?;
    outcome.onnx_sha256 = hex(&sha256(&onnx));
    outcome.bytes = [onnx.len(), shelf.len()];
    outcome.out = out.display().to_string();
    let report = serde_json::to_vec_pretty(&outcome)
        .map_err(|e| crate::export::internal("report", e.to_string()))?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let [onnx_path, shelf_path, card_path, report_path] = &paths;
    let card = card(&outcome, attribution.as_deref());
    let ships = |bytes| outcome.shipped.then_some(bytes);
    write_files(&[
        (onnx_path, ships(&onnx[..])),
        (shelf_path, ships(&shelf[..])),
        (card_path, Some(card.as_bytes())),
        (report_path, Some(&report)),
    ])?;
    Ok(outcome)
}

type Found = (Outcome, Weights, Option<String>);

fn of_log(path: &Path, settings: &Settings, watch: &mut dyn Watch) -> Result<Found> {
    let (log, report) = log::read(path, settings.span(), watch)?;
    let (run, weights) = one(&log, settings, settings.seed, None, watch)?;
    let shipped = run.decided.may_ship();
    let reason = reason(&run.decided);
    let outcome = Outcome {
        generator: "a shop's log of lists",
        shipped,
        reason,
        settings: settings.clone(),
        orders: None,
        log: Some(report),
        fit: Vec::new(),
        runs: vec![run],
        onnx_sha256: String::new(),
        bytes: [0; 2],
        out: String::new(),
    };
    Ok((outcome, weights, None))
}

fn of_shop(
    path: &Path,
    mapping: Option<&Path>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Found> {
    let Imported {
        shop,
        report,
        attribution,
        ..
    } = import(path, mapping, watch)?;
    let (simulator, fit) = simulator(&shop, settings, watch)?;
    let truths: Vec<Truth> = settings
        .baselines()
        .iter()
        .map(|policy| truth(&simulator, policy, settings, watch))
        .collect::<Result<_>>()?;
    let mut runs = Vec::new();
    let mut first = None;
    for number in 0..settings.runs as u64 {
        let seed = settings.seed.wrapping_add(number);
        let log = simulator.trajectories(
            "simulating",
            &Policy::Uniform,
            settings.shoppers,
            settings.span(),
            seed ^ OF_LOG << 32,
            watch,
        )?;
        let (run, weights) = one(&log, settings, seed, Some((&simulator, &truths)), watch)?;
        runs.push(run);
        first.get_or_insert(weights);
    }
    let (Some(weights), Some(run)) = (first, runs.first()) else {
        return Err(crate::export::internal("runs", "there was none"));
    };
    let missed: Vec<&str> = fit
        .iter()
        .filter(|fit| !fit.is_met())
        .map(|fit| fit.name)
        .collect();
    let shipped = run.decided.may_ship() && missed.is_empty();
    let reason = match missed.is_empty() {
        true => reason(&run.decided),
        false => format!(
            "the simulated shoppers are not the shop's: {} differ by more than {:.0} %",
            missed.join(", "),
            100.0 * TOLERANCE
        ),
    };
    let outcome = Outcome {
        generator: "shoppers that were simulated; unproven on real data",
        shipped,
        reason,
        settings: settings.clone(),
        orders: Some(report),
        log: None,
        fit,
        runs,
        onnx_sha256: String::new(),
        bytes: [0; 2],
        out: String::new(),
    };
    Ok((outcome, weights, attribution))
}

/// Fits the simulator, and holds it against the shop.
pub(super) fn simulator(
    shop: &crate::shop::Shop,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<(Simulator, Vec<Fit>)> {
    let ranker = settings.ranker();
    let fitted = fit::fit(shop, ranker, settings.visits, settings.seed, watch)?;
    let counted = fitted.counted;
    let simulator = Simulator::fit(
        fitted,
        ranker,
        settings.assumed,
        settings.visits,
        settings.seed,
        watch,
    )?;
    let found = simulator.check(CHECKED, settings.visits, settings.seed, watch)?;
    Ok((simulator, compared(&counted, &found)))
}

fn compared(shop: &Counted, simulated: &Counted) -> Vec<Fit> {
    let of = |name, value: fn(&Counted) -> f64| Fit {
        name,
        shop: value(shop),
        simulated: value(simulated),
    };
    vec![
        of("days between two visits", |c| c.pause),
        of("visits of a shopper", |c| c.visits),
        of("share who came once", |c| c.once),
        of("ordered of a list's new products", |c| c.taken[0]),
        of("ordered of what was ordered before", |c| c.taken[1]),
    ]
}

fn truth(
    simulator: &Simulator,
    policy: &Policy,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Truth> {
    // The same shoppers for every policy.
    let all = simulator.trajectories(
        "trying",
        policy,
        settings.tried,
        settings.span(),
        settings.seed ^ OF_TRUTH << 32,
        watch,
    )?;
    let n = all.len().max(1) as f64;
    let worth = |t: &Trajectory| -> f64 {
        let mut factor = 1.0;
        let earned = t.decisions.iter().map(|d| {
            let earned = factor * d.reward;
            factor *= settings.discount;
            earned
        });
        earned.sum()
    };
    let sum: f64 = all.iter().map(worth).sum();
    let squares: f64 = all.iter().map(|t| worth(t).powi(2)).sum();
    let visits: usize = all.iter().map(|t| t.decisions.len()).sum();
    let value = sum / n;
    Ok(Truth {
        policy: policy.name(),
        value,
        error: ((squares / n - value * value).max(0.0) / n).sqrt(),
        visits: visits as f64 / n,
    })
}

/// Splits a log, learns from one part and judges on the other.
fn one(
    log: &[Trajectory],
    settings: &Settings,
    seed: u64,
    simulated: Option<(&Simulator, &[Truth])>,
    watch: &mut dyn Watch,
) -> Result<(Run, Weights)> {
    let mut rng = Rng::new(seed, OF_SPLIT);
    let (teaching, judging): (Vec<&Trajectory>, Vec<&Trajectory>) =
        log.iter().partition(|_| rng.unit64() < 0.5);
    if teaching.len() < FEWEST || judging.len() < FEWEST {
        return Err(Error::fault(
            "too_few_shoppers",
            "log",
            format!(
                "{} shoppers teach and {} judge; {FEWEST} of each are needed",
                teaching.len(),
                judging.len()
            ),
            "give a longer log, or follow shoppers for fewer days: `days` in a settings file",
        ));
    }
    let weights = learn(&teaching, settings, seed, watch)?;
    let policy = Policy::Learnt {
        weights: weights.clone(),
        even: settings.even,
    };
    let judge = Judge::new(&teaching, &judging, settings, seed)?;
    let candidate = judge.terms(&policy)?;
    let mut lines = vec![Line {
        truth: match simulated {
            Some((simulator, _)) => Some(truth(simulator, &policy, settings, watch)?),
            None => None,
        },
        judged: judge.judged(&policy, &candidate),
    }];
    let baselines = settings.baselines();
    let mut decided = None;
    for (number, baseline) in baselines.iter().enumerate() {
        watch.step("judging", number as u64, baselines.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let terms = judge.terms(baseline)?;
        if number == 0 {
            decided = Some(judge.decided(&candidate, &terms)?);
        }
        lines.push(Line {
            truth: simulated.and_then(|(_, truths)| truths.get(number).cloned()),
            judged: judge.judged(baseline, &terms),
        });
    }
    let Some(decided) = decided else {
        return Err(crate::export::internal("baselines", "there is none"));
    };
    let count = |part: &[&Trajectory]| {
        let lists: usize = part.iter().map(|t| t.decisions.len()).sum();
        [part.len(), lists]
    };
    let run = Run {
        seed,
        taught: count(&teaching),
        judging: count(&judging),
        actions: actions(&weights, &judging),
        lines,
        decided,
    };
    Ok((run, weights))
}

fn actions(weights: &Weights, log: &[&Trajectory]) -> [f64; 3] {
    let mut counts = [0.0f64; 3];
    let states = log.iter().flat_map(|t| &t.decisions).map(|d| &d.state);
    for state in states {
        let state: &[f32; WIDTH] = state;
        counts[Action::best(&weights.values(state)) as usize] += 1.0;
    }
    let all: f64 = counts.iter().sum();
    counts.map(|n| n / all.max(1.0))
}

fn reason(decided: &Decided) -> String {
    let Decided {
        dr,
        snips,
        margin,
        effective_shoppers,
        needed,
        rewarded,
        shoppers,
        covered,
        ..
    } = decided;
    match decided.answer {
        "ship" => format!(
            "no part of the intervals of learnt less what runs, {dr} and {snips}, lies below -{margin:.3}"
        ),
        "worse" => format!(
            "an interval of learnt less what runs, {dr} or {snips}, lies below -{margin:.3} as a whole"
        ),
        "unproven" => format!(
            "a part of an interval of learnt less what runs, {dr} or {snips}, lies below -{margin:.3}"
        ),
        _ => {
            let mut missing = Vec::new();
            if !covered {
                missing.push(
                    "it never made lists that the learnt policy or what runs would make, or its propensities are not \
                     those with which they were made"
                        .to_owned(),
                );
            }
            if effective_shoppers < needed {
                missing.push(format!(
                    "{effective_shoppers:.0} effective shoppers of {needed:.0} that are needed"
                ));
            }
            for ([found, needed], of) in [
                (rewarded, "lists that earned something"),
                (shoppers, "shoppers"),
            ] {
                if found < needed {
                    missing.push(format!("{found} {of} of {needed} that are needed"));
                }
            }
            format!(
                "the log says too little of one of the two: {}",
                missing.join("; ")
            )
        }
    }
}

/// An interval as a card tells it.
pub(super) fn told(interval: &Interval) -> String {
    interval.to_string()
}
