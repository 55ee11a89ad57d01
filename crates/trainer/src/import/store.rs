//! What was imported before, kept so that an import reads new files only.
//!
//! A store is a folder with `import.json` and a part for each file that was read:
//! the wanted columns of its rows as Parquet, without the rows of who was erased
//! and of who did not consent. A part depends on its file, the mapping and who was
//! erased, and on no other file; the mapping's rules are applied, and what came
//! before is passed over, whenever the store is read. So increments in any order
//! leave the bytes that one import of everything leaves.
//!
//! Parts are named by their digests and are on the disk before `import.json`,
//! which is replaced as a whole: an import that is stopped at any moment leaves
//! what was there, and parts that nobody names, which the next one removes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_schema::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shelfedge_commerce::Fault;
use shelfedge_wire::manifest::{hex, sha256};

use super::mapping::{COLUMNS, Mapping, TimeRule};
use super::parquet::{BATCH, HEAD, Writer};
use super::report::thousands;
use super::row::Cell;
use super::table::{Format, Head, Input, LeftOut, Rows, Table};
use super::{PURCHASE, Place, Source, hash_file, instant};
use crate::bundle::{sync_folder, write_file};
use crate::error::{Error, Result, fault};
use crate::watch::Watch;

/// The file that makes a folder a store.
pub const STORE: &str = "import.json";
/// The version of stores: of their files, and of how cells become those of parts.
const FORMAT: u32 = 1;
const LOCK: &str = ".lock";
const PART: &str = "part";
const PARTIAL: &str = ".partial";

/// What `import.json` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    /// The text of the mapping file.
    mapping: String,
    attribution: Option<String>,
    titles: Option<KeptTitles>,
    /// By their first names, which is the order in which they are read.
    files: Vec<KeptFile>,
    /// SHA-256 of the ids of who was erased.
    erased: BTreeSet<String>,
}

/// The table of titles as it was read last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptTitles {
    name: String,
    part: String,
}

/// A file that was read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    /// A copy under another name is the same file.
    names: BTreeSet<String>,
    sha256: String,
    /// Whether it held events.
    events: bool,
    part: String,
    rows: u64,
    /// Rows of who was erased.
    erased: u64,
}

impl KeptFile {
    fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    fn format(&self) -> Format {
        match self.events {
            true => Format::KeptEvents,
            false => Format::Parquet,
        }
    }
}

impl Kept {
    /// What is to be read; every part that isn't as it was written is a fault.
    fn source(&self, folder: &Path, delimiter: u8) -> Result<Source> {
        let mut faults = Vec::new();
        let mut input = |name: &str, part: &str, format| -> Result<Input> {
            faults.extend(check_part(folder, part, name)?);
            Ok(Input {
                path: folder.join(part),
                name: name.to_owned(),
                format,
            })
        };
        let mut files = Vec::new();
        for file in &self.files {
            files.push(input(file.name(), &file.part, file.format())?);
        }
        let titles = match &self.titles {
            Some(titles) => {
                let format = Format::of(Path::new(&titles.name), delimiter);
                let format = format.unwrap_or(Format::Parquet);
                Some(input(&titles.name, &titles.part, format)?)
            }
            None => None,
        };
        match faults.is_empty() {
            true => Ok(Source {
                files,
                titles,
                attribution: self.attribution.clone(),
                store: None,
            }),
            false => Err(Error::Invalid(faults)),
        }
    }
}

/// What an import added to a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Files that were read now.
    pub read: Vec<String>,
    /// Files that were there already, under these names or others.
    pub known: Vec<String>,
    /// Rows that the store holds.
    pub rows: u64,
    /// Rows of who was erased that it left out, now and before.
    pub erased: u64,
    /// What was asked to be erased, if anything was.
    pub asked: Option<Asked>,
}

/// The customers that an import was asked to erase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// How many ids were given, each once.
    pub ids: u64,
    /// Of those, how many were erased before.
    pub before: u64,
    /// Of the others, how many stand in no row that was read now: perhaps a typing
    /// error, perhaps somebody who never came. What comes of them later stays out.
    pub unmet: u64,
}

impl Update {
    /// For a person.
    pub fn text(&self) -> String {
        let names = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let mut text = format!(
            "read now: {}\nknown already: {}\nthe store holds {} rows; {} of erased customers are left out",
            names(&self.read),
            names(&self.known),
            thousands(self.rows),
            thousands(self.erased)
        );
        if let Some(Asked { ids, before, unmet }) = self.asked {
            text += &format!(
                "\nasked to erase {} customers: {} were erased before, {} stand in no row",
                thousands(ids),
                thousands(before),
                thousands(unmet)
            );
        }
        text
    }
}

/// A store that can be read.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    kept: Kept,
    /// Keeps others from writing to it.
    lock: Option<Arc<File>>,
}

/// What of a store isn't as it was written.
fn damaged(path: &Path, cause: impl Into<String>) -> Fault {
    fault(
        "store_damaged",
        path.display().to_string(),
        cause,
        "restore the folder, or import everything into a new one",
    )
}

/// Says that a part isn't what was written of a file.
fn check_part(folder: &Path, part: &str, name: &str) -> Result<Option<Fault>> {
    let path = folder.join(part);
    match digest(&path) {
        Ok(digest) if part == named(&digest) => Ok(None),
        Ok(_) => {
            let cause = format!("it is not what was written of {name}");
            Ok(Some(damaged(&path, cause)))
        }
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let cause = format!("it is gone; it was written of {name}");
            Ok(Some(damaged(&path, cause)))
        }
        Err(other) => Err(other),
    }
}

impl Store {
    /// The store in a folder, if there is one, to be read: nobody writes to it
    /// meanwhile.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        // Where the lock can't be opened, nobody who could write to it is known of.
        let Ok(file) = File::open(folder.join(LOCK)) else {
            return Self::read(folder);
        };
        locked(file.try_lock_shared(), folder)?;
        let store = Self::read(folder)?;
        Ok(store.map(|store| Self {
            lock: Some(Arc::new(file)),
            ..store
        }))
    }

    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(STORE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        let damaged = |cause: String| Error::Invalid(vec![damaged(&path, cause)]);
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if kept.format != FORMAT {
            return Err(damaged(format!(
                "its format is {}, and this program knows {FORMAT}",
                kept.format
            )));
        }
        Ok(Some(Self {
            folder: folder.to_path_buf(),
            kept,
            lock: None,
        }))
    }

    /// The text of the mapping file.
    pub(super) fn mapping(&self) -> &str {
        &self.kept.mapping
    }

    /// What is to be read; every part that isn't as it was written is a fault.
    pub(super) fn source(&self, delimiter: u8) -> Result<Source> {
        let source = self.kept.source(&self.folder, delimiter)?;
        Ok(Source {
            store: self.lock.clone(),
            ..source
        })
    }
}

/// Reads the files of a shop's folder that a store doesn't know, and keeps their
/// rows in it. `erase` names a file of customers' ids, one a line: what the store
/// holds of them is removed, and what comes of them later is left out. Where `shop`
/// is the store itself, nothing new is read.
///
/// # Errors
/// Also: a file that was read before with other contents, a store that was made
/// with another mapping, and a folder that is none; the store is then as it was.
pub fn update(
    shop: &Path,
    mapping: Option<&Path>,
    into: &Path,
    erase: Option<&Path>,
    watch: &mut dyn Watch,
) -> Result<Update> {
    let mut place = Place::of(shop)?;
    let same =
        |one: &Path, other: &Path| fs::canonicalize(one).ok() == fs::canonicalize(other).ok();
    if place.is_store() && !same(shop, into) {
        return Err(Error::fault(
            "shop_is_a_store",
            shop.display().to_string(),
            "what is in a store was imported already",
            "give the folder with the shop's own files as --shop, or the same store as both to erase only",
        ));
    }
    let (text, file) = place.mapping(mapping, "order lines")?;
    let mapping = Mapping::parse(&text, &file)?;
    let new_ids = match erase {
        Some(path) => fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?,
        None => String::new(),
    };

    // Who reads a store keeps others from writing to it, also oneself.
    if let Some(store) = &mut place.store {
        store.lock = None;
    }
    let _lock = lock(into)?;
    let kept = match Store::read(into)? {
        Some(store) if store.kept.mapping != mapping.text => {
            return Err(Error::fault(
                "store_mapping_changed",
                into.display().to_string(),
                format!("it was made with another mapping than {file}"),
                "restore the mapping file, or import everything into a new folder",
            ));
        }
        Some(store) => store.kept,
        None => Kept {
            format: FORMAT,
            mapping: mapping.text.clone(),
            attribution: None,
            titles: None,
            files: Vec::new(),
            erased: BTreeSet::new(),
        },
    };
    let source = match place.is_store() {
        true => Source::default(),
        false => place.source(mapping.csv_delimiter, mapping.titles.as_ref())?,
    };
    let mut keeper = Keeper {
        into,
        mapping: &mapping,
        kept,
        met: BTreeSet::new(),
        update: Update::default(),
    };
    let fresh = keeper.sort_out(source.files)?;
    // Titles that aren't there any more are those that were.
    let titles = source
        .titles
        .filter(|titles| keeper.kept.titles.is_none() || titles.path.exists());
    let has_new_titles = match &titles {
        Some(titles) => keeper.titles(titles)?,
        None => false,
    };
    let asked = erase.map(|_| keeper.ask(&new_ids));
    if keeper.update.asked.is_some_and(|it| it.ids > it.before) {
        keeper.erase(watch)?;
    }
    for (sha256, new) in fresh {
        keeper.add(sha256, new, watch)?;
    }
    keeper.told(asked);
    if let Some(titles) = titles.filter(|_| has_new_titles) {
        keeper.check_titles(&titles, watch)?;
    }
    keeper.kept.attribution = source.attribution.or(keeper.kept.attribution);
    keeper.commit()
}

/// Keeps others from writing to a store until the file is closed, and refuses a
/// folder that holds something else.
fn lock(into: &Path) -> Result<File> {
    fs::create_dir_all(into).map_err(|e| Error::io("create", into, e))?;
    if !into.join(STORE).exists() {
        for entry in fs::read_dir(into).map_err(|e| Error::io("read", into, e))? {
            let name = entry.map_err(|e| Error::io("read", into, e))?.file_name();
            if !is_ours(&name.to_string_lossy()) {
                return Err(Error::fault(
                    "into_not_a_store",
                    into.display().to_string(),
                    format!("it holds {} but no {STORE}", name.to_string_lossy()),
                    "name an empty or a new folder for --into",
                ));
            }
        }
    }
    let path = into.join(LOCK);
    let file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
    locked(file.try_lock(), into)?;
    Ok(file)
}

fn locked(outcome: core::result::Result<(), TryLockError>, folder: &Path) -> Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::fault(
            "store_busy",
            folder.display().to_string(),
            "another command writes to it, or reads it",
            "wait until it has ended",
        )),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &folder.join(LOCK), e)),
    }
}

/// Whether a store has files of this name, as long as it is written to or ever.
fn is_ours(name: &str) -> bool {
    let is_part = |name: &str| {
        let digest = name.strip_suffix(".part").unwrap_or_default();
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        digest.len() == 32 && digest.bytes().all(is_hex)
    };
    let unfinished = name.strip_prefix('.').and_then(|n| n.strip_suffix(PARTIAL));
    name == LOCK
        || name == PARTIAL
        || is_part(name)
        || unfinished.is_some_and(|name| name == STORE || is_part(name))
}

fn digest(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    hash_file(path, &mut digest)?;
    Ok(hex(&digest.finalize()))
}

/// The name of a part with this digest.
fn named(digest: &str) -> String {
    format!("{}.{PART}", &digest[..32])
}

/// A file that isn't in the store yet, with the names of its copies.
struct New {
    input: Input,
    names: BTreeSet<String>,
}

/// A store that is being written.
struct Keeper<'a> {
    into: &'a Path,
    mapping: &'a Mapping,
    kept: Kept,
    /// Of who is erased, who stands in rows that were read.
    met: BTreeSet<String>,
    update: Update,
}

impl Keeper<'_> {
    /// The files that are not in the store, with their digests. A file that
    /// changed, or lacks columns, is a fault.
    fn sort_out(&mut self, files: Vec<Input>) -> Result<BTreeMap<String, New>> {
        let wanted = self.mapping.columns.wanted();
        let mut fresh: BTreeMap<String, New> = BTreeMap::new();
        let mut faults = Vec::new();
        for input in files {
            let sha256 = digest(&input.path)?;
            let known = &mut self.kept.files;
            if let Some(file) = known.iter().find(|file| file.names.contains(&input.name)) {
                match file.sha256 == sha256 {
                    true => self.update.known.push(input.name),
                    false => faults.push(fault(
                        "file_changed",
                        input.path.display().to_string(),
                        "it was read before, with other contents",
                        "put new rows into a file of their own and restore this one, or import everything into a new folder",
                    )),
                }
            } else if let Some(file) = known.iter_mut().find(|file| file.sha256 == sha256) {
                file.names.insert(input.name.clone());
                self.update.known.push(input.name);
            } else if let Some(new) = fresh.get_mut(&sha256) {
                new.names.insert(input.name.clone());
                self.update.known.push(input.name);
            } else {
                match Table::open(&input, PURCHASE, &wanted).map(drop) {
                    Ok(()) => {
                        let names = BTreeSet::from([input.name.clone()]);
                        fresh.insert(sha256, New { input, names });
                    }
                    Err(Error::Invalid(found)) => faults.extend(found),
                    Err(other) => return Err(other),
                }
            }
        }
        match faults.is_empty() {
            true => Ok(fresh),
            false => Err(Error::Invalid(faults)),
        }
    }

    /// Notes who is to be erased; the new ones' hashes.
    fn ask(&mut self, ids: &str) -> BTreeSet<String> {
        // Editors put a mark at the beginning, which is no part of an id.
        let ids = ids.trim_start_matches('\u{feff}').lines().map(str::trim);
        let ids = ids.filter(|id| !id.is_empty());
        let asked: BTreeSet<String> = ids.map(|id| hex(&sha256(id.as_bytes()))).collect();
        let new: BTreeSet<String> = asked.difference(&self.kept.erased).cloned().collect();
        self.update.asked = Some(Asked {
            ids: asked.len() as u64,
            before: (asked.len() - new.len()) as u64,
            unmet: 0,
        });
        self.kept.erased.extend(new.iter().cloned());
        new
    }

    /// Says how many of those that are newly erased stand in no row.
    fn told(&mut self, new: Option<BTreeSet<String>>) {
        if let (Some(asked), Some(new)) = (&mut self.update.asked, new) {
            asked.unmet = new.difference(&self.met).count() as u64;
        }
    }

    /// Makes the parts again without the rows of who is erased.
    fn erase(&mut self, watch: &mut dyn Watch) -> Result<()> {
        // A part that is made again would pass for what was written.
        let mut faults = Vec::new();
        for file in &self.kept.files {
            faults.extend(check_part(self.into, &file.part, file.name())?);
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        for mut file in std::mem::take(&mut self.kept.files) {
            let input = Input {
                path: self.into.join(&file.part),
                name: file.name().to_owned(),
                format: file.format(),
            };
            let (part, rows, erased) = self.part(&input, watch)?;
            (file.part, file.rows) = (part, rows);
            file.erased += erased;
            self.kept.files.push(file);
        }
        Ok(())
    }

    fn add(&mut self, sha256: String, new: New, watch: &mut dyn Watch) -> Result<()> {
        let (part, rows, erased) = self.part(&new.input, watch)?;
        self.update.read.push(new.input.name);
        self.kept.files.push(KeptFile {
            names: new.names,
            sha256,
            events: new.input.format == Format::Events,
            part,
            rows,
            erased,
        });
        Ok(())
    }

    /// Writes the part of a file, or of what was kept of it; its name, its rows,
    /// and how many were left out because their customers are erased.
    fn part(&mut self, input: &Input, watch: &mut dyn Watch) -> Result<(String, u64, u64)> {
        let mapping = self.mapping;
        let columns = &mapping.columns;
        match input.format {
            Format::Events | Format::KeptEvents => {
                let who = ["customer", "viewer"];
                self.write(input, COLUMNS.map(Some), OF_EVENTS, &who, true, watch)
            }
            _ => {
                let who = [columns.customer.as_str()];
                self.write(input, columns.wanted(), OF_TABLES, &who, false, watch)
            }
        }
    }

    fn write<const N: usize>(
        &mut self,
        input: &Input,
        wanted: [Option<&str>; N],
        roles: [Role; N],
        who: &[&str],
        events: bool,
        watch: &mut dyn Watch,
    ) -> Result<(String, u64, u64)> {
        let mut fields = Vec::new();
        if events {
            let [line, event, key] = HEAD;
            fields.push(Field::new(line, DataType::Int64, false));
            fields.push(Field::new(event, DataType::Utf8, true));
            fields.push(Field::new(key, DataType::Int64, true));
        }
        let named_columns = wanted.into_iter().zip(roles);
        fields.extend(named_columns.filter_map(|(name, role)| {
            let kind = match role {
                Role::Time => utc(),
                _ => DataType::Utf8,
            };
            Some(Field::new(name?, kind, true))
        }));
        let mut part = Part {
            writer: Writer::create(self.into.join(PARTIAL), fields)?,
            time: &self.mapping.time,
            who: wanted.map(|name| name.is_some_and(|name| who.contains(&name))),
            gone: &self.kept.erased,
            met: &mut self.met,
            head: events.then(Heads::default),
            columns: wanted
                .map(|name| name.is_some())
                .into_iter()
                .zip(roles)
                .map(|(named, role)| named.then(|| Values::of(role)))
                .collect(),
            pending: 0,
            rows: 0,
            erased: 0,
            failed: None,
        };
        Table::open(input, "", &wanted)?.read(wanted, &mut part, watch)?;
        part.flush();
        if let Some(error) = part.failed {
            return Err(error);
        }
        let (rows, erased) = (part.rows, part.erased);
        let partial = part.writer.finish()?;
        let name = named(&digest(&partial)?);
        let path = self.into.join(&name);
        fs::rename(&partial, &path).map_err(|e| Error::io("write", &path, e))?;
        Ok((name, rows, erased))
    }

    /// Copies the table of titles. Whether it is another than before.
    fn titles(&mut self, titles: &Input) -> Result<bool> {
        if let Some(columns) = &self.mapping.titles {
            Table::open(titles, "", &[Some(&columns.product), Some(&columns.title)])?;
        }
        let bytes = fs::read(&titles.path).map_err(|e| Error::io("read", &titles.path, e))?;
        let part = named(&hex(&sha256(&bytes)));
        write_file(&self.into.join(&part), &bytes)?;
        let before = self.kept.titles.replace(KeptTitles {
            name: titles.name.clone(),
            part: part.clone(),
        });
        Ok(before.is_none_or(|before| before.part != part))
    }

    /// Refuses titles with which the store couldn't be read.
    fn check_titles(&mut self, titles: &Input, watch: &mut dyn Watch) -> Result<()> {
        self.kept.files.sort_by(|a, b| a.name().cmp(b.name()));
        let source = self.kept.source(self.into, self.mapping.csv_delimiter)?;
        let kept = source
            .titles
            .as_ref()
            .map(|it| it.path.display().to_string());
        match super::read(&source, self.mapping, watch) {
            Ok(_) => Ok(()),
            Err(Error::Invalid(mut faults)) => {
                // The file that can be mended is the shop's.
                for fault in &mut faults {
                    if Some(&fault.path) == kept.as_ref() {
                        fault.path = titles.path.display().to_string();
                    }
                }
                Err(Error::Invalid(faults))
            }
            Err(other) => Err(other),
        }
    }

    /// Makes the new parts the store's, and removes what it doesn't name.
    fn commit(mut self) -> Result<Update> {
        let files = &mut self.kept.files;
        files.sort_by(|a, b| a.name().cmp(b.name()));
        self.update.read.sort();
        self.update.rows = files.iter().map(|file| file.rows).sum();
        self.update.erased = files.iter().map(|file| file.erased).sum();
        sync_folder(self.into)?;
        let mut json = serde_json::to_vec_pretty(&self.kept)
            .map_err(|e| crate::export::internal(STORE, e.to_string()))?;
        json.push(b'\n');
        write_file(&self.into.join(STORE), &json)?;
        sync_folder(self.into)?;

        let titles = self.kept.titles.iter().map(|titles| &titles.part);
        let parts = self.kept.files.iter().map(|file| &file.part).chain(titles);
        let parts: BTreeSet<&str> = parts.map(String::as_str).collect();
        for entry in fs::read_dir(self.into).map_err(|e| Error::io("read", self.into, e))? {
            let path = entry.map_err(|e| Error::io("read", self.into, e))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if is_ours(&name) && name != LOCK && !parts.contains(&*name) {
                fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            }
        }
        Ok(self.update)
    }
}

/// The type of times.
pub(super) fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// What a column's cells mean.
#[derive(Clone, Copy)]
enum Role {
    Id,
    Text,
    Whole,
    Decimal,
    Time,
}

/// Of the columns of order lines, in the order of [`super::Columns::wanted`].
const OF_TABLES: [Role; 12] = [
    Role::Id,
    Role::Id,
    Role::Text,
    Role::Whole,
    Role::Time,
    Role::Decimal,
    Role::Id,
    Role::Text,
    Role::Text,
    Role::Text,
    Role::Text,
    Role::Text,
];

/// Of the columns of events.
const OF_EVENTS: [Role; COLUMNS.len()] = {
    let mut roles = [Role::Text; COLUMNS.len()];
    roles[0] = Role::Time;
    roles
};

/// The cells of a column that aren't written yet. They are kept as what the
/// import makes of them, so that it makes the same of what is read back; what
/// it can't use is missing.
enum Values {
    Text(Role, StringBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Values {
    fn of(role: Role) -> Self {
        match role {
            Role::Time => Self::Time(TimestampMillisecondBuilder::new().with_data_type(utc())),
            _ => Self::Text(role, StringBuilder::new()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>, rule: &TimeRule) {
        match self {
            Self::Time(values) => values.append_option(instant(cell, rule)),
            Self::Text(role, values) => {
                let text = match role {
                    Role::Id => cell.id(),
                    Role::Whole => cell.int().map(|n| Cow::Owned(n.to_string())),
                    Role::Decimal => cell.decimal(),
                    Role::Text | Role::Time => Some(cell.text()),
                };
                values.append_option(text.filter(|text| !text.is_empty()));
            }
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Time(values) => Arc::new(values.finish()),
            Self::Text(_, values) => Arc::new(values.finish()),
        }
    }
}

/// What events have besides their columns ([`HEAD`]).
#[derive(Default)]
struct Heads {
    line: i64,
    kind: String,
    key: i64,
    lines: Int64Builder,
    kinds: StringBuilder,
    keys: Int64Builder,
}

/// A part that is being written.
struct Part<'a, const N: usize> {
    writer: Writer,
    time: &'a TimeRule,
    /// The columns that say whose a row is.
    who: [bool; N],
    gone: &'a BTreeSet<String>,
    /// Who of them stands in a row.
    met: &'a mut BTreeSet<String>,
    head: Option<Heads>,
    /// None where the mapping names no column.
    columns: Vec<Option<Values>>,
    pending: usize,
    rows: u64,
    erased: u64,
    failed: Option<Error>,
}

impl<const N: usize> Part<'_, N> {
    fn push(&mut self, cells: &[Cell<'_>; N], kind: Option<&str>, key: Option<i64>) {
        if let Some(head) = &mut self.head {
            head.lines.append_value(head.line);
            head.kinds.append_option(kind);
            head.keys.append_option(key);
        }
        for (values, cell) in self.columns.iter_mut().zip(cells) {
            if let Some(values) = values {
                values.push(cell, self.time);
            }
        }
        self.rows += 1;
        self.pending += 1;
        if self.pending == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.pending = 0;
        let mut arrays: Vec<ArrayRef> = Vec::new();
        if let Some(head) = &mut self.head {
            arrays.push(Arc::new(head.lines.finish()));
            arrays.push(Arc::new(head.kinds.finish()));
            arrays.push(Arc::new(head.keys.finish()));
        }
        arrays.extend(self.columns.iter_mut().flatten().map(Values::take));
        // The first failure is told when the table has been read.
        if self.failed.is_none() {
            self.failed = self.writer.write(arrays).err();
        }
    }

    fn is_erased(&mut self, cells: &[Cell<'_>; N]) -> bool {
        if self.gone.is_empty() {
            return false;
        }
        let mut is_erased = false;
        for (_, cell) in self.who.iter().zip(cells).filter(|(who, _)| **who) {
            let hash = cell.id().map(|id| hex(&sha256(id.as_bytes())));
            if let Some(hash) = hash.filter(|hash| self.gone.contains(hash)) {
                self.met.insert(hash);
                is_erased = true;
            }
        }
        is_erased
    }
}

impl<const N: usize> Rows<N> for Part<'_, N> {
    fn row(&mut self, cells: [Cell<'_>; N]) {
        if self.is_erased(&cells) {
            self.erased += 1;
            return;
        }
        let head = self.head.as_ref().map(|head| (head.kind.clone(), head.key));
        let kind = head.as_ref().map(|(kind, _)| kind.as_str());
        self.push(&cells, kind, head.as_ref().map(|(_, key)| *key));
    }

    fn broken(&mut self, _: String) {
        self.push(&std::array::from_fn(|_| Cell::Missing), None, None);
    }

    fn line(&mut self, number: u64) {
        if let Some(head) = &mut self.head {
            head.line = number as i64;
        }
    }

    fn event(&mut self, head: Head<'_>) -> bool {
        if let Some(ours) = &mut self.head {
            head.kind.clone_into(&mut ours.kind);
            ours.key = head.key.cast_signed();
        }
        // Which one is the first is told when all are read.
        true
    }

    fn left_out(&mut self, _: LeftOut, kind: &str) {
        self.push(&std::array::from_fn(|_| Cell::Missing), Some(kind), None);
    }
}
