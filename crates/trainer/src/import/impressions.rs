//! What was shown, joined with what came of it: a row for each place of each list
//! that a stream of events says was shown, with its position, its propensity and
//! whether and when it was clicked, put into the cart and bought.
//!
//! The join is `shelfedge_commerce::join`, which is asked viewer by viewer, so that
//! only a compact record of each place and outcome stays in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    Float32Builder, Int64Builder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_schema::{DataType, Field};
use comfy_table::{CellAlignment, Table as Lines, presets};
use serde::Serialize;
use shelfedge_commerce::exposure::{Credit, ExposureEntry, Uncredited};
use shelfedge_commerce::{
    EXPOSURE_VERSION, EventId, EventKind, Exposure, ExposureId, ListId, Outcome, OutcomeKind,
    ProductId, SessionId, ShopperId, Timestamp, join,
};
use shelfedge_wire::manifest::{hex, sha256};
use shelfedge_wire::rank::DEFAULT_LIST;

use super::parquet::{BATCH, Writer};
use super::report::{Example, Rule, RuleCount, count, counts, example, thousands};
use super::row::Cell;
use super::store::utc;
use super::table::{Format, Head, LeftOut, Rows};
use super::{MOST_ROWS, Mapping, Names, Place, open, open_all, product_code};
use crate::error::{Error, Result};
use crate::watch::Watch;

/// The columns that are read.
const COLUMNS: [&str; 10] = [
    "time",
    "viewer",
    "session",
    "product",
    "list",
    "position",
    "exposure",
    "model",
    "arm",
    "propensity",
];
/// What is told of a place, in the order of the table's columns.
const KINDS: [OutcomeKind; 3] = [
    OutcomeKind::Click,
    OutcomeKind::AddToCart,
    OutcomeKind::Purchase,
];
/// The rules that apply, in the order in which they are tried.
const RULES: [Rule; 9] = [
    Rule::Consent,
    Rule::Again,
    Rule::Unparsable,
    Rule::OutOfRange,
    Rule::MissingCustomer,
    Rule::NotAProduct,
    Rule::Id,
    Rule::Flood,
    Rule::Exposure,
];
const NONE: u32 = u32::MAX;
pub(super) const NO_EVENTS: &str = "no_events";

/// How often something was done, and how often with what a list had shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// What, as `click`.
    pub kind: &'static str,
    /// How often it was done: once for each event and product.
    pub all: u64,
    /// How often it is credited to a place of a list.
    pub joined: u64,
    /// Places that it is credited to.
    pub places: u64,
}

/// Why outcomes belong to nothing that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// The reason.
    pub reason: &'static str,
    /// How many.
    pub outcomes: u64,
}

/// What was found in streams of events.
#[derive(Clone, Debug, Serialize)]
pub struct ImpressionReport {
    /// Products of events that show or do something.
    pub rows: u64,
    /// Those that count for nothing, by rule, in the order in which they are tried.
    pub rules: Vec<RuleCount>,
    /// Lists that were shown.
    pub lists: u64,
    /// Lists that were told again, of which the earliest counts.
    pub repeated: u64,
    /// Places of the lists.
    pub shown: u64,
    /// Places whose propensity was logged.
    pub with_propensity: u64,
    /// What was done.
    pub done: Vec<Done>,
    /// What was done with nothing that was shown.
    pub orphans: Vec<Orphans>,
}

/// Joins what a shop's events say was shown with what they say was done. `out` is
/// the Parquet file to write; the README of the command lists its columns.
///
/// # Errors
/// Also: a folder without streams of events.
pub fn impressions(
    shop: &Path,
    mapping: Option<&Path>,
    out: Option<&Path>,
    watch: &mut dyn Watch,
) -> Result<ImpressionReport> {
    if let Some(out) = out {
        outside(shop, out)?;
    }
    let (mapping, mut source) = open(&Place::of(shop)?, mapping)?;
    let streams = [Format::Events, Format::KeptEvents];
    source.files.retain(|f| streams.contains(&f.format));
    let Some(window) = mapping.window.filter(|_| !source.files.is_empty()) else {
        return Err(Error::fault(
            NO_EVENTS,
            shop.display().to_string(),
            "what was shown is told by streams of events, and there are none",
            "give a folder of .jsonl files, and a mapping with [events]",
        ));
    };
    let wanted = COLUMNS.map(Some);
    let mut faults = Vec::new();
    let tables = open_all(&source.files, "", &wanted, &mut faults)?;
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let mut intake = Intake::new(&mapping);
    for table in tables {
        intake.files.push(table.input.name.clone());
        table.read(wanted, &mut intake, watch)?;
    }
    let mut sheet = match out {
        Some(out) => Some(Sheet::create(out)?),
        None => None,
    };
    let report = intake.join(window, sheet.as_mut(), watch)?;
    if let (Some(out), Some(sheet)) = (out, sheet) {
        let partial = sheet.finish()?;
        if let Err(e) = std::fs::rename(&partial, out) {
            let _ = std::fs::remove_file(&partial);
            return Err(Error::io("write", out, e));
        }
    }
    Ok(report)
}

/// Refuses to write among what is read, or over it: the next command would take the
/// table for a part of the shop.
///
/// # Errors
/// A file in the shop's folder, or the shop itself.
pub fn outside(shop: &Path, out: &Path) -> Result<()> {
    let Ok(shop) = std::fs::canonicalize(shop) else {
        return Ok(());
    };
    let out_of = resolved(out);
    if out_of == shop || out_of.parent() == Some(&shop) {
        return Err(Error::fault(
            "out_in_shop",
            out.display().to_string(),
            "it would lie among the shop's files, and be read as one of them",
            "name a file in another folder",
        ));
    }
    Ok(())
}

/// Where a file will lie whose folders may not be there yet.
fn resolved(path: &Path) -> PathBuf {
    let there = |path: &Path| match path.as_os_str().is_empty() {
        true => std::fs::canonicalize("."),
        false => std::fs::canonicalize(path),
    };
    let found = path
        .ancestors()
        .find_map(|above| Some((above, there(above).ok()?)));
    let Some((above, mut out)) = found else {
        return path.to_path_buf();
    };
    for part in path.strip_prefix(above).unwrap_or(path).components() {
        match part {
            Component::ParentDir => _ = out.pop(),
            part => out.push(part),
        }
    }
    out
}

/// A list that was shown, without its places.
struct Shown {
    who: [u32; 2],
    time: i64,
    key: u64,
    /// The event's lists before this one, in the order in which they begin.
    part: u32,
    exposure: u32,
    list: u32,
    model: u32,
    arm: u32,
    /// Its places end here, and begin where those of the list before it end.
    end: usize,
    file: u32,
    line: u64,
}

/// A place of a list. A propensity that was not logged is no number.
struct Entry {
    product: u32,
    position: u32,
    propensity: f32,
}

/// Something that was done with a product.
struct Act {
    who: [u32; 2],
    time: i64,
    key: u64,
    kind: OutcomeKind,
    product: u32,
    exposure: u32,
    list: u32,
}

/// A list of the event that is read, with its places.
struct Open {
    shown: Shown,
    entries: Vec<Entry>,
}

struct Intake<'a> {
    mapping: &'a Mapping,
    files: Vec<String>,
    line: u64,
    /// The event that rows are of.
    event: Option<(EventKind, u64)>,
    /// Its lists, whose products may come in any order.
    open: Vec<Open>,
    seen: BTreeSet<u64>,
    rows: u64,
    rules: Vec<RuleCount>,
    /// Shoppers and visits, which begin with `u` and `v`.
    viewers: Names,
    /// Rows of each.
    of_viewer: Vec<u64>,
    products: Names,
    /// Lists, exposures, models and arms.
    texts: Names,
    shown: Vec<Shown>,
    entries: Vec<Entry>,
    acts: Vec<Act>,
}

impl<'a> Intake<'a> {
    fn new(mapping: &'a Mapping) -> Self {
        Self {
            mapping,
            files: Vec::new(),
            line: 0,
            event: None,
            open: Vec::new(),
            seen: BTreeSet::new(),
            rows: 0,
            rules: counts(&RULES),
            viewers: Names::default(),
            of_viewer: Vec::new(),
            products: Names::default(),
            texts: Names::default(),
            shown: Vec::new(),
            entries: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Keeps the lists of an event that was read.
    fn close(&mut self) {
        for Open { mut shown, entries } in self.open.drain(..) {
            self.entries.extend(entries);
            shown.end = self.entries.len();
            self.shown.push(shown);
        }
    }

    fn refuse(&mut self, rule: Rule, fields: impl FnOnce() -> Vec<String>) {
        self.rows += 1;
        let (file, row) = (self.files.last().cloned(), self.line);
        count(&mut self.rules, rule, 1, || Example {
            file: file.unwrap_or_default(),
            row,
            fields: fields(),
        });
    }

    /// The number of a viewer, whose rows are counted.
    fn viewer(&mut self, kind: char, id: &str) -> u32 {
        if id.is_empty() {
            return NONE;
        }
        let number = self.viewers.intern(&format!("{kind}{id}"));
        if self.of_viewer.len() <= number as usize {
            self.of_viewer.push(0);
        }
        self.of_viewer[number as usize] += 1;
        number
    }

    fn text(&mut self, text: &str) -> u32 {
        match text.is_empty() {
            true => NONE,
            false => self.texts.intern(text),
        }
    }

    fn is_flood(&self, viewer: u32) -> bool {
        let rows = self.of_viewer.get(viewer as usize);
        rows.is_some_and(|rows| *rows > MOST_ROWS)
    }

    fn named(&self, text: u32) -> &str {
        let name = self.texts.names.get(text as usize);
        name.map_or("", String::as_str)
    }
}

impl Rows<10> for Intake<'_> {
    fn row(&mut self, cells: [Cell<'_>; 10]) {
        let Some((event, key)) = self.event else {
            return;
        };
        let done = OutcomeKind::of(event).filter(|kind| KINDS.contains(kind));
        if done.is_none() && event != EventKind::ViewItemList {
            return;
        }
        let [time, cells @ ..] = cells;
        let texts = cells.each_ref().map(Cell::text);
        let [
            viewer,
            session,
            product,
            list,
            position,
            exposure,
            model,
            arm,
            propensity,
        ] = texts.each_ref().map(|text| &**text);
        let fields = |wrong: &[(&str, &str, bool)]| {
            let wrong = wrong.iter().filter(|(.., wrong)| *wrong);
            let fields = wrong.map(|(name, text, _)| format!("{name}={text}"));
            fields.collect::<Vec<_>>()
        };

        // Only what was shown has a place and a propensity.
        let place = match done {
            Some(_) => Some((0, f32::NAN)),
            None => place(position, propensity),
        };
        let (Cell::Time(time, _), Some((position, propensity)), false) =
            (&time, place, product.is_empty())
        else {
            return self.refuse(Rule::Unparsable, || {
                fields(&[
                    ("time", "", !matches!(time, Cell::Time(..))),
                    ("product", product, product.is_empty()),
                    ("position", position, place.is_none()),
                    ("propensity", propensity, place.is_none()),
                ])
            });
        };
        if !self.mapping.time.holds(*time) {
            let text = Timestamp(*time).to_string();
            return self.refuse(Rule::OutOfRange, || fields(&[("time", &text, true)]));
        }
        if viewer.is_empty() && session.is_empty() {
            return self.refuse(Rule::MissingCustomer, Vec::new);
        }
        let rules = &self.mapping.rules;
        let product = product_code(product.into(), rules.upper_case_products);
        let product = product.as_str();
        let code = rules.product_code.as_ref();
        if code.is_some_and(|code| !code.is_match(product)) {
            return self.refuse(Rule::NotAProduct, || fields(&[("product", product, true)]));
        }
        let bad = |text: &str, ok: bool| !text.is_empty() && !ok;
        let ids = [
            ("product", product, ProductId::new(product).is_err()),
            (
                "viewer",
                viewer,
                bad(viewer, ShopperId::new(viewer).is_ok()),
            ),
            (
                "session",
                session,
                bad(session, SessionId::new(session).is_ok()),
            ),
            ("list", list, bad(list, ListId::new(list).is_ok())),
            (
                "exposure",
                exposure,
                bad(exposure, ExposureId::new(exposure).is_ok()),
            ),
        ];
        if ids.iter().any(|(.., wrong)| *wrong) {
            return self.refuse(Rule::Id, || fields(&ids));
        }
        let who = [self.viewer('u', viewer), self.viewer('v', session)];
        if who.iter().any(|viewer| self.is_flood(*viewer)) {
            let shown = [("viewer", viewer, true), ("session", session, true)];
            return self.refuse(Rule::Flood, || fields(&shown));
        }

        self.rows += 1;
        let product = self.products.intern(product);
        let exposure = self.text(exposure);
        if let Some(kind) = done {
            let list = self.text(list);
            self.acts.push(Act {
                who,
                time: *time,
                key,
                kind,
                product,
                exposure,
                list,
            });
            return;
        }
        let list = self.text(if list.is_empty() { DEFAULT_LIST } else { list });
        let [model, arm] = [model, arm].map(|text| self.text(text));
        let entry = Entry {
            product,
            position,
            propensity,
        };
        // The products of one event may stand in several lists.
        if let Some(open) = self.open.iter_mut().find(|open| open.shown.list == list) {
            open.entries.push(entry);
            return;
        }
        let shown = Shown {
            who,
            time: *time,
            key,
            part: self.open.len() as u32,
            exposure,
            list,
            model,
            arm,
            end: 0,
            file: self.files.len() as u32 - 1,
            line: self.line,
        };
        self.open.push(Open {
            shown,
            entries: vec![entry],
        });
    }

    fn broken(&mut self, why: String) {
        self.refuse(Rule::Unparsable, || vec![why]);
    }

    fn line(&mut self, number: u64) {
        self.line = number;
    }

    fn event(&mut self, head: Head<'_>) -> bool {
        self.close();
        let kind = EventKind::parse(head.kind).ok();
        self.event = kind.map(|kind| (kind, head.key));
        self.seen.insert(head.key)
    }

    fn left_out(&mut self, why: LeftOut, kind: &str) {
        let kind = EventKind::parse(kind).ok();
        let done = kind.and_then(OutcomeKind::of);
        if done.is_some_and(|done| KINDS.contains(&done)) || kind == Some(EventKind::ViewItemList) {
            self.refuse(why.rule(), Vec::new);
        }
    }
}

/// A place's position and propensity.
fn place(position: &str, propensity: &str) -> Option<(u32, f32)> {
    let propensity = match propensity {
        "" => f32::NAN,
        // Whether it lies in its range is for the list's check.
        text => text.parse().ok().filter(|p: &f32| p.is_finite())?,
    };
    Some((position.parse().ok()?, propensity))
}

/// The number of the group that each viewer belongs to: those that one record
/// names together are one, and so are those that share another with them.
struct Groups(Vec<u32>);

impl Groups {
    fn root(&mut self, mut viewer: u32) -> u32 {
        while self.0[viewer as usize] != viewer {
            let above = self.0[viewer as usize];
            self.0[viewer as usize] = self.0[above as usize];
            viewer = above;
        }
        viewer
    }

    fn unite(&mut self, [one, other]: [u32; 2]) {
        if one != NONE && other != NONE {
            let (one, other) = (self.root(one), self.root(other));
            self.0[one.max(other) as usize] = one.min(other);
        }
    }
}

/// A list or an act of a group, by its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Shown(u32),
    Act(u32),
}

impl Intake<'_> {
    fn is_flooded(&self, who: [u32; 2]) -> bool {
        who.into_iter().any(|viewer| self.is_flood(viewer))
    }

    /// The records by group, without those of viewers beyond their limit.
    fn members(&mut self) -> Vec<(u32, Member)> {
        let mut groups = Groups((0..self.viewers.names.len() as u32).collect());
        let shown = self.shown.iter().zip(0..);
        let shown = shown.map(|(shown, at)| (shown.who, Member::Shown(at)));
        let acts = self.acts.iter().zip(0..);
        let acts = acts.map(|(act, at)| (act.who, Member::Act(at)));
        let all: Vec<([u32; 2], Member)> = shown.chain(acts).collect();
        let mut flooded = 0;
        let mut members = Vec::with_capacity(all.len());
        for (who, member) in all {
            match (self.is_flooded(who), member) {
                (false, _) => {
                    groups.unite(who);
                    members.push((who[usize::from(who[0] == NONE)], member));
                }
                (true, Member::Act(_)) => flooded += 1,
                (true, Member::Shown(at)) => flooded += self.places(at).len() as u64,
            }
        }
        for (viewer, _) in &mut members {
            *viewer = groups.root(*viewer);
        }
        members.sort_unstable();
        let flood = self
            .rules
            .iter_mut()
            .find(|count| count.rule == Rule::Flood);
        flood.into_iter().for_each(|count| count.rows += flooded);
        members
    }

    fn places(&self, at: u32) -> &[Entry] {
        let at = at as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.shown[before].end);
        &self.entries[start..self.shown[at].end]
    }

    fn shopper(&self, who: [u32; 2]) -> Option<ShopperId> {
        let id = self.viewers.names.get(who[0] as usize)?;
        ShopperId::new(id.get(1..)?).ok()
    }

    fn session(&self, who: [u32; 2]) -> Option<SessionId> {
        let id = self.viewers.names.get(who[1] as usize)?;
        SessionId::new(id.get(1..)?).ok()
    }

    /// The id of a list as it is joined. Of the lists that were shown under one id,
    /// the first one has it, and the others have one of their own that is the same
    /// when they are told again.
    fn id(&self, at: u32) -> Option<ExposureId> {
        let shown = &self.shown[at as usize];
        let id = match (self.named(shown.exposure), shown.part) {
            ("", part) => format!("{:016x}.{part}", shown.key),
            (id, 0) => id.to_owned(),
            // No id holds a line's end.
            (id, _) => {
                let both = format!("{id}\n{}", self.named(shown.list));
                hex(&sha256(both.as_bytes()))[..32].to_owned()
            }
        };
        ExposureId::new(id).ok()
    }

    /// Of a group's lists those that were shown under one id, by that.
    fn divided(&self, group: &[(u32, Member)]) -> BTreeMap<u32, Vec<u32>> {
        let mut all: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (_, member) in group {
            if let Member::Shown(at) = *member {
                let exposure = self.shown[at as usize].exposure;
                all.entry(exposure).or_default().push(at);
            }
        }
        let is_divided = |at: &u32| self.shown[*at as usize].part > 0;
        all.retain(|exposure, lists| *exposure != NONE && lists.iter().any(is_divided));
        all
    }

    /// The id of the list that an act names: of those of one event the list that it
    /// names, too, or else the first that shows the product.
    fn meant(&self, act: &Act, divided: &BTreeMap<u32, Vec<u32>>) -> Option<ExposureId> {
        let lists = divided.get(&act.exposure).map_or(&[][..], Vec::as_slice);
        let is_named = |at: &&u32| self.shown[**at as usize].list == act.list;
        let shows = |at: &&u32| self.places(**at).iter().any(|it| it.product == act.product);
        let meant = lists.iter().find(is_named);
        match meant.or_else(|| lists.iter().find(shows)) {
            Some(at) => self.id(*at),
            None => ExposureId::new(self.named(act.exposure)).ok(),
        }
    }

    /// The list as it is joined. A propensity that isn't known is 1 there, which
    /// the join doesn't look at.
    fn exposure(&self, at: u32) -> Option<Exposure> {
        let shown = &self.shown[at as usize];
        let entry = |entry: &Entry| {
            Some(ExposureEntry {
                product: ProductId::new(&*self.products.names[entry.product as usize]).ok()?,
                position: entry.position,
                propensity: match entry.propensity.is_nan() {
                    true => 1.0,
                    false => entry.propensity,
                },
                score: None,
            })
        };
        Some(Exposure {
            version: EXPOSURE_VERSION,
            id: self.id(at)?,
            time: Timestamp(shown.time),
            list: ListId::new(self.named(shown.list)).ok()?,
            shopper: self.shopper(shown.who),
            session: self.session(shown.who),
            model: self.named(shown.model).to_owned(),
            arm: self.named(shown.arm).to_owned(),
            entries: self.places(at).iter().map(entry).collect::<Option<_>>()?,
        })
    }

    fn outcome(&self, at: u32, divided: &BTreeMap<u32, Vec<u32>>) -> Option<Outcome> {
        let act = &self.acts[at as usize];
        Some(Outcome {
            version: EXPOSURE_VERSION,
            event: EventId::new(format!("{:016x}", act.key)).ok()?,
            kind: act.kind,
            time: Timestamp(act.time),
            product: ProductId::new(&*self.products.names[act.product as usize]).ok()?,
            shopper: self.shopper(act.who),
            session: self.session(act.who),
            exposure: self.meant(act, divided),
            list: ListId::new(self.named(act.list)).ok(),
            value: None,
        })
    }

    fn join(
        mut self,
        window: i64,
        mut sheet: Option<&mut Sheet>,
        watch: &mut dyn Watch,
    ) -> Result<ImpressionReport> {
        self.close();
        let ranks = self.products.ranks();
        let members = self.members();
        let mut report = ImpressionReport {
            rows: self.rows,
            rules: Vec::new(),
            lists: 0,
            repeated: 0,
            shown: 0,
            with_propensity: 0,
            done: KINDS.map(Done::of).into(),
            orphans: Vec::new(),
        };
        let mut orphans: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut joined_members = 0;
        for (number, group) in members.chunk_by(|a, b| a.0 == b.0).enumerate() {
            if number.is_multiple_of(1_024) {
                if watch.cancelled() {
                    return Err(Error::Cancelled);
                }
                watch.step("joining", joined_members, members.len() as u64, "");
            }
            joined_members += group.len() as u64;

            let (mut exposures, mut outcomes) = (Vec::new(), Vec::new());
            let mut shown = Vec::new();
            let divided = self.divided(group);
            for (_, member) in group {
                match *member {
                    Member::Act(at) => outcomes.extend(self.outcome(at, &divided)),
                    Member::Shown(at) => {
                        let Some(exposure) = self.exposure(at) else {
                            continue;
                        };
                        if let Err(faults) = exposure.check() {
                            let shown = &self.shown[at as usize];
                            let example = Example {
                                file: self.files[shown.file as usize].clone(),
                                row: shown.line,
                                fields: vec![faults.to_string()],
                            };
                            let places = exposure.entries.len() as u64;
                            count(&mut self.rules, Rule::Exposure, places, || example);
                            continue;
                        }
                        exposures.push(exposure);
                        shown.push(at);
                    }
                }
            }
            let joined = join(&exposures, &outcomes, window);
            report.repeated += joined.repeated_exposures as u64;
            for (_, reason) in &joined.uncredited {
                *orphans.entry(name(*reason)).or_default() += 1;
            }
            for (outcome, _) in &joined.uncredited {
                report.done[column(outcome.kind)].all += 1;
            }
            // When each thing was done first, after the list was shown.
            let mut first: BTreeMap<(&ExposureId, &ProductId), [Option<i64>; 3]> = BTreeMap::new();
            for Credit {
                outcome,
                exposure,
                entry,
            } in &joined.credits
            {
                let column = column(outcome.kind);
                let done = &mut report.done[column];
                (done.all, done.joined) = (done.all + 1, done.joined + 1);
                let after = first.entry((&exposure.id, &entry.product)).or_default();
                if after[column].is_none() {
                    done.places += 1;
                    // Credits come in the order of time.
                    after[column] = Some(outcome.time.since(exposure.time));
                }
            }
            // The join says which records count, and only ours say what was logged.
            let ours = exposures.iter().map(std::ptr::from_ref).zip(shown);
            let ours: BTreeMap<*const Exposure, u32> = ours.collect();
            let mut lists = joined.exposures;
            lists.sort_by_key(|exposure| (exposure.time, &exposure.id));
            for exposure in lists {
                let at = ours.get(&std::ptr::from_ref(exposure));
                let known = at.map(|at| self.places(*at));
                for (place, entry) in exposure.entries.iter().enumerate() {
                    let logged = known.and_then(|places| places.get(place));
                    let propensity = logged.map(|l| l.propensity).filter(|p| !p.is_nan());
                    report.with_propensity += u64::from(propensity.is_some());
                    if let Some(sheet) = &mut sheet {
                        let product = self.products.index.get(entry.product.as_str());
                        let item = product.map_or(0, |product| ranks[*product as usize]);
                        let done = first.get(&(&exposure.id, &entry.product));
                        let done = done.copied().unwrap_or_default();
                        sheet.push(report.lists, item, exposure, entry, propensity, done)?;
                    }
                    report.shown += 1;
                }
                report.lists += 1;
            }
        }
        report.rules = self.rules;
        report.orphans = orphans
            .into_iter()
            .map(|(reason, outcomes)| Orphans { reason, outcomes })
            .collect();
        Ok(report)
    }
}

fn column(kind: OutcomeKind) -> usize {
    KINDS.iter().position(|known| *known == kind).unwrap_or(0)
}

fn name(reason: Uncredited) -> &'static str {
    match reason {
        // Another viewer's list is in another group.
        Uncredited::ExposureMissing | Uncredited::OtherViewer => {
            "the list it names was not shown to this viewer"
        }
        Uncredited::ProductNotShown => "the list it names did not show the product",
        Uncredited::BeforeExposure => "the list it names was shown later",
        Uncredited::AfterWindow => "the list it names was shown too long before",
        _ => "no list had shown the product to this viewer in time",
    }
}

impl Done {
    fn of(kind: OutcomeKind) -> Self {
        Self {
            kind: kind.name(),
            all: 0,
            joined: 0,
            places: 0,
        }
    }
}

impl ImpressionReport {
    /// As an aligned table for a person.
    pub fn table(&self) -> String {
        let mut table = Lines::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["rows", "", "what", "examples"]);
        let mut add = |n: u64, what: &str, title: &str, note: String| {
            table.add_row([thousands(n), what.into(), title.into(), note]);
        };
        add(
            self.rows,
            "read",
            "products shown, clicked, put into carts and bought",
            String::new(),
        );
        for rule in &self.rules {
            let examples = rule.examples.iter().map(example).collect::<Vec<_>>();
            add(rule.rows, "refused", rule.rule.title(), examples.join("\n"));
        }
        let lists = format!(
            "in {} lists; {} told again",
            thousands(self.lists),
            thousands(self.repeated)
        );
        add(self.shown, "kept", "places of lists", lists);
        add(self.with_propensity, "", "with a propensity", String::new());
        for done in &self.done {
            let share = 100.0 * done.joined as f64 / done.all.max(1) as f64;
            let note = format!(
                "{} with what a list had shown ({share:.1} %), at {} places",
                thousands(done.joined),
                thousands(done.places)
            );
            add(done.all, "kept", done.kind, note);
        }
        for orphans in &self.orphans {
            add(orphans.outcomes, "orphans", orphans.reason, String::new());
        }
        if let Some(column) = table.column_mut(0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

/// The table of joined places, as it is written.
struct Sheet {
    writer: Writer,
    rows: i64,
    /// `row`, `cluster`, `item`, `position` and what was done.
    numbers: [Int64Builder; 7],
    propensity: Float32Builder,
    /// After how many milliseconds it was.
    after: [Int64Builder; 3],
    /// `exposure`, `list`, `product`, `model` and `arm`.
    texts: [StringBuilder; 5],
    shown: TimestampMillisecondBuilder,
}

impl Sheet {
    fn create(out: &Path) -> Result<Self> {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        if let Some(parent) = out.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        }
        let number = |name: &&str| Field::new(*name, DataType::Int64, false);
        let text = |name: &&str| Field::new(*name, DataType::Utf8, true);
        let after = |name: &&str| Field::new(*name, DataType::Int64, true);
        let mut fields: Vec<Field> = Vec::new();
        fields.extend(
            [
                "row", "cluster", "item", "position", "click", "cart", "purchase",
            ]
            .iter()
            .map(number),
        );
        fields.push(Field::new("propensity", DataType::Float32, true));
        fields.extend(
            ["click_after_ms", "cart_after_ms", "purchase_after_ms"]
                .iter()
                .map(after),
        );
        fields.extend(
            ["exposure", "list", "product", "model", "arm"]
                .iter()
                .map(text),
        );
        fields.push(Field::new("shown", utc(), false));
        Ok(Self {
            writer: Writer::create(out.with_file_name(format!(".{name}.partial")), fields)?,
            rows: 0,
            numbers: Default::default(),
            propensity: Float32Builder::new(),
            after: Default::default(),
            texts: Default::default(),
            shown: TimestampMillisecondBuilder::new().with_data_type(utc()),
        })
    }

    fn push(
        &mut self,
        cluster: u64,
        item: u32,
        exposure: &Exposure,
        entry: &ExposureEntry,
        propensity: Option<f32>,
        done: [Option<i64>; 3],
    ) -> Result<()> {
        let [click, cart, purchase] = done.map(|after| i64::from(after.is_some()));
        let numbers = [
            self.rows,
            cluster as i64,
            item.into(),
            entry.position.into(),
            click,
            cart,
            purchase,
        ];
        for (values, number) in self.numbers.iter_mut().zip(numbers) {
            values.append_value(number);
        }
        self.propensity.append_option(propensity);
        for (values, after) in self.after.iter_mut().zip(done) {
            values.append_option(after);
        }
        let texts = [
            exposure.id.as_str(),
            exposure.list.as_str(),
            entry.product.as_str(),
            &exposure.model,
            &exposure.arm,
        ];
        for (values, text) in self.texts.iter_mut().zip(texts) {
            values.append_option(Some(text).filter(|text| !text.is_empty()));
        }
        self.shown.append_value(exposure.time.millis());
        self.rows += 1;
        match (self.rows as usize).is_multiple_of(BATCH) {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        arrays.extend(
            self.numbers
                .iter_mut()
                .map(|v| Arc::new(v.finish()) as ArrayRef),
        );
        arrays.push(Arc::new(self.propensity.finish()));
        arrays.extend(
            self.after
                .iter_mut()
                .map(|v| Arc::new(v.finish()) as ArrayRef),
        );
        arrays.extend(
            self.texts
                .iter_mut()
                .map(|v| Arc::new(v.finish()) as ArrayRef),
        );
        arrays.push(Arc::new(self.shown.finish()));
        self.writer.write(arrays)
    }

    fn finish(mut self) -> Result<std::path::PathBuf> {
        self.flush()?;
        self.writer.finish()
    }
}
