//! The file-backed key-value store behind `fermyon:spin/key-value`.
//!
//! One file (redb: transactional, copy-on-write), one store called `default`.
//! A `set` is on the disk when it returns, so a host that is killed keeps all
//! that it acknowledged. Limits are those that the hosts of Spin applications
//! publish, so that a component that fits here fits there.
//!
//! After a failure of the disk (it is full, say) redb refuses everything until
//! the file is opened again. This store does that by itself: it closes its only
//! handle and opens the file anew, which recovers what was acknowledged. That
//! reads the whole file, so it is done at most once per [`PAUSE`]; and writes
//! are refused for a [`PAUSE`] after one failed, so that a full disk costs one
//! failed write a second, and reads go on.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

/// The largest value.
pub const MAX_VALUE_BYTES: usize = 1_000_000;
/// The longest key.
pub const MAX_KEY_BYTES: usize = 255;
/// How many stores one instance may hold open.
pub const MAX_OPEN_STORES: usize = 16;
/// The label of the only store.
pub const DEFAULT_STORE: &str = "default";
/// How long writes are refused after one failed, and how long the file is left
/// alone after it was opened again.
pub const PAUSE: Duration = Duration::from_secs(1);

const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("default");

/// How many causes are remembered as reported.
const MAX_TOLD: usize = 16;

/// A store that a guest has opened; the host's side of the WIT resource.
#[derive(Debug)]
pub struct OpenStore;

/// How many counters of writes there are. Keys share them: two keys with one
/// counter cost a request that is run again for nothing, now and then.
const COUNTERS: usize = 1024;

/// What a request has read, by the counters that its keys have and how far these
/// were: as large as there are counters, whatever a guest reads.
#[derive(Debug, Default)]
pub struct Seen(BTreeMap<usize, u64>);

/// The turn to write: one request has it, from its first write to its end, and
/// so long nobody else's writes come between. Clones are the same turn, so that
/// a write whose request was given up still has it until it is done.
pub type Turn = Arc<tokio::sync::OwnedMutexGuard<()>>;

/// A key-value store in one file.
pub struct KeyValue {
    path: PathBuf,
    outside: Outside,
    /// Shared by all that read and write, exclusive to who opens it again.
    file: RwLock<File>,
    trouble: Mutex<Trouble>,
    /// Writes per counter; the last one counts all.
    writes: Vec<AtomicU64>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct File {
    /// The only handle; none when the file could not be opened again.
    database: Option<Database>,
    /// How often it was opened again: who saw it fail knows by this whether
    /// somebody has opened it since.
    times: u64,
    /// Not to be opened again before, and why the last opening failed.
    rests: Option<(Instant, String)>,
}

#[derive(Default)]
struct Trouble {
    /// Until when writes are refused, and the failure that it was for.
    refused: Option<(Instant, String)>,
    /// The causes that were reported since all was well.
    told: Vec<String>,
}

type Opening = dyn Fn(&Path) -> Result<Database, redb::DatabaseError> + Send + Sync;

/// What the store takes from outside, so that a test can give it a full disk.
struct Outside {
    /// Opens the file, which must be there: a lost one is no empty store.
    open: Box<Opening>,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    /// Tells whoever runs the host.
    report: Box<dyn Fn(&str) + Send + Sync>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the host is where time comes from"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "the host logs on stderr")]
fn report(line: &str) {
    eprintln!("shelfedge: {line}");
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Why the store could not do what it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyValueError {
    /// Another process has the file.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be opened.
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: redb::DatabaseError,
    },
    /// The key is empty or longer than [`MAX_KEY_BYTES`].
    KeyLength(usize),
    /// The value is longer than [`MAX_VALUE_BYTES`].
    ValueLength(usize),
    /// Reading or writing failed. After a write, whether it was done is unknown.
    Storage(Box<redb::Error>),
    /// The file failed less than a [`PAUSE`] ago, and nothing was tried.
    Pausing {
        /// How it failed.
        cause: String,
    },
}

impl fmt::Display for KeyValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyValueError::InUse { path } => write!(
                f,
                "{} is in use by another host: stop it, or give this one another --state folder",
                path.display()
            ),
            KeyValueError::Open { path, source } => write!(
                f,
                "{} can't be opened as a key-value store: {source}",
                path.display()
            ),
            KeyValueError::KeyLength(length) => write!(
                f,
                "a key has 1 to {MAX_KEY_BYTES} bytes, and this one has {length}"
            ),
            KeyValueError::ValueLength(length) => write!(
                f,
                "a value has at most {MAX_VALUE_BYTES} bytes, and this one has {length}"
            ),
            KeyValueError::Storage(source) => write!(f, "the key-value store failed: {source}"),
            KeyValueError::Pausing { cause } => write!(
                f,
                "the key-value store failed a moment ago and is left alone for {} s: {cause}",
                PAUSE.as_secs()
            ),
        }
    }
}

impl std::error::Error for KeyValueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KeyValueError::Open { source, .. } => Some(source),
            KeyValueError::Storage(source) => Some(source),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl KeyValue {
    /// Opens the file, making it when it is not there.
    ///
    /// # Errors
    /// When the file is in use or is not a store.
    pub fn open(path: &Path) -> Result<Self, KeyValueError> {
        let database = Database::create(path).map_err(|source| match source {
            redb::DatabaseError::DatabaseAlreadyOpen => KeyValueError::InUse {
                path: path.to_owned(),
            },
            source => KeyValueError::Open {
                path: path.to_owned(),
                source,
            },
        })?;
        let outside = Outside {
            open: Box::new(|path| Database::open(path)),
            now: Box::new(now),
            report: Box::new(report),
        };
        Self::with(path, database, outside)
    }

    fn with(path: &Path, database: Database, outside: Outside) -> Result<Self, KeyValueError> {
        // The table exists from here on, so a reader never meets a store without it.
        make_table(&database).map_err(|error| KeyValueError::Storage(Box::new(error)))?;
        Ok(KeyValue {
            path: path.to_owned(),
            outside,
            file: RwLock::new(File {
                database: Some(database),
                times: 0,
                rests: None,
            }),
            trouble: Mutex::default(),
            writes: (0..=COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            turn: Arc::default(),
        })
    }

    /// Waits for the turn to write.
    pub async fn turn(&self) -> Turn {
        Arc::new(self.turn.clone().lock_owned().await)
    }

    /// Notes that `key` is about to be read, or all keys. Only the first time
    /// counts: what was read then is what a later write relies on.
    pub fn note(&self, seen: &mut Seen, key: Option<&str>) {
        let counter = key.map_or(COUNTERS, counter);
        let writes = &self.writes[counter];
        seen.0
            .entry(counter)
            .or_insert_with(|| writes.load(Ordering::SeqCst));
    }

    /// Whether all that was noted is still as it was read. Whoever has the turn
    /// may rely on it.
    #[must_use]
    pub fn is_current(&self, seen: &Seen) -> bool {
        let now = |counter: usize| self.writes[counter].load(Ordering::SeqCst);
        seen.0.iter().all(|(&counter, &then)| now(counter) == then)
    }

    /// After a write, whether it failed or not, and before the turn ends: who
    /// notes a key from here on reads what was written.
    fn wrote(&self, key: &str) {
        for counter in [counter(key), COUNTERS] {
            self.writes[counter].fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        check_key(key)?;
        self.attempt(Access::Read, |database| get(database, key))
    }

    /// The same for a thread that may not wait: none while the file fails or is
    /// opened again, and then [`KeyValue::get`] knows more.
    #[must_use]
    pub fn get_at_once(&self, key: &str) -> Option<Result<Option<Vec<u8>>, KeyValueError>> {
        if let Err(error) = check_key(key) {
            return Some(Err(error));
        }
        let file = match self.file.try_read() {
            Ok(file) => file,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        get(file.database.as_ref()?, key).ok().map(Ok)
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be read.
    pub fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        check_key(key)?;
        self.attempt(Access::Read, |database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            Ok(table.get(key)?.is_some())
        })
    }

    /// Sets the value under `key`; it is on the disk when this returns.
    ///
    /// # Errors
    /// When a length is wrong or the file can't be written.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), KeyValueError> {
        check_key(key)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(KeyValueError::ValueLength(value.len()));
        }
        let result = self.attempt(Access::Write, |database| {
            let write = database.begin_write()?;
            write.open_table(TABLE)?.insert(key, value)?;
            Ok(write.commit()?)
        });
        self.wrote(key);
        result
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be written.
    pub fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        check_key(key)?;
        let result = self.attempt(Access::Write, |database| {
            let write = database.begin_write()?;
            write.open_table(TABLE)?.remove(key)?;
            Ok(write.commit()?)
        });
        self.wrote(key);
        result
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn keys(&self) -> Result<Vec<String>, KeyValueError> {
        self.attempt(Access::Read, |database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut keys = Vec::new();
            for entry in table.iter()? {
                keys.push(entry?.0.value().to_owned());
            }
            Ok(keys)
        })
    }

    /// Does the work, and when the file failed, once more with the file opened
    /// again. A write that met the failure itself is not repeated: the disk that
    /// was full is full.
    fn attempt<T>(
        &self,
        access: Access,
        work: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, KeyValueError> {
        if access == Access::Write {
            self.check_pause()?;
        }
        let (times, error) = match self.try_once(&work) {
            Ok(value) => {
                self.went_well(access);
                return Ok(value);
            }
            Err(failure) => failure,
        };
        self.failed(access, &error);
        if !is_mended_by_opening(&error) {
            return Err(KeyValueError::Storage(Box::new(error)));
        }
        let reopened = self.reopen(times);
        if access == Access::Write && is_first_hand(&error) {
            return Err(KeyValueError::Storage(Box::new(error)));
        }
        reopened?;
        match self.try_once(&work) {
            Ok(value) => {
                self.went_well(access);
                Ok(value)
            }
            Err((_, error)) => {
                self.failed(access, &error);
                Err(KeyValueError::Storage(Box::new(error)))
            }
        }
    }

    /// One attempt; a failure comes with the file's `times` at that moment.
    fn try_once<T>(
        &self,
        work: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, (u64, redb::Error)> {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        match &file.database {
            Some(database) => work(database),
            None => Err(redb::Error::DatabaseClosed),
        }
        .map_err(|error| (file.times, error))
    }

    /// Closes the file and opens it again, unless somebody did since `times` or
    /// it rests.
    fn reopen(&self, times: u64) -> Result<(), KeyValueError> {
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        if file.times != times {
            return Ok(());
        }
        let now = (self.outside.now)();
        if let Some((until, cause)) = &file.rests
            && now < *until
        {
            return Err(KeyValueError::Pausing {
                cause: cause.clone(),
            });
        }
        file.times += 1;
        let resting = |cause: &str| Some((now + PAUSE, cause.to_owned()));
        file.rests = resting("the file fails again and again");
        // Closed first: the file can have one handle. Nobody else holds this
        // one, since whoever works with it shares the lock.
        file.database = None;
        match (self.outside.open)(&self.path) {
            Ok(database) => {
                file.database = Some(database);
                Ok(())
            }
            Err(source) => {
                let error = KeyValueError::Open {
                    path: self.path.clone(),
                    source,
                };
                file.rests = resting(&error.to_string());
                self.tell(&format!(
                    "{error}; it is tried again every {} s while there are requests for it",
                    PAUSE.as_secs()
                ));
                Err(error)
            }
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_pause(&self) -> Result<(), KeyValueError> {
        match &self.trouble().refused {
            Some((until, cause)) if (self.outside.now)() < *until => Err(KeyValueError::Pausing {
                cause: cause.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn failed(&self, access: Access, error: &redb::Error) {
        if !is_first_hand(error) {
            return;
        }
        let (done, then) = match access {
            Access::Read => ("read", ""),
            Access::Write => (
                "written",
                "; writes are refused for a second at a time until one succeeds",
            ),
        };
        if access == Access::Write {
            let until = (self.outside.now)() + PAUSE;
            self.trouble().refused = Some((until, error.to_string()));
        }
        self.tell(&format!(
            "{} can't be {done}: {error}{then}; what was acknowledged is kept",
            self.path.display()
        ));
    }

    /// Reports a cause, if it was not since all was well.
    fn tell(&self, cause: &str) {
        let mut trouble = self.trouble();
        if trouble.told.len() < MAX_TOLD && !trouble.told.iter().any(|told| told == cause) {
            trouble.told.push(cause.to_owned());
            (self.outside.report)(cause);
        }
    }

    /// All is well when something was written.
    fn went_well(&self, access: Access) {
        if access == Access::Read {
            return;
        }
        let mut trouble = self.trouble();
        trouble.refused = None;
        if !trouble.told.is_empty() {
            trouble.told.clear();
            (self.outside.report)(&format!("{} is written again", self.path.display()));
        }
    }
}

fn get(database: &Database, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    let table = database.begin_read()?.open_table(TABLE)?;
    let value = table.get(key)?;
    Ok(value.map(|value| value.value().to_vec()))
}

/// A key's counter (FNV-1a of its bytes).
fn counter(key: &str) -> usize {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // The low bits are the best mixed ones, and fewer than a `usize` has.
    (hash % COUNTERS as u64) as usize
}

fn make_table(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(TABLE)?;
    Ok(write.commit()?)
}

/// Whether the disk failed here and now, and not before.
fn is_first_hand(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(_) | redb::Error::LockPoisoned(_))
}

/// Whether the file answers so until it is opened again.
fn is_mended_by_opening(error: &redb::Error) -> bool {
    is_first_hand(error) || matches!(error, redb::Error::PreviousIo | redb::Error::DatabaseClosed)
}

fn check_key(key: &str) -> Result<(), KeyValueError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(KeyValueError::KeyLength(key.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::BackendError;
    use std::ops::Bound;

    #[test]
    fn values_outlive_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv");
        {
            let store = KeyValue::open(&path).unwrap();
            store.set("a", b"1").unwrap();
            store.set("b", b"2").unwrap();
            store.set("a", b"3").unwrap();
            store.delete("b").unwrap();
            store.delete("never there").unwrap();
        }
        let store = KeyValue::open(&path).unwrap();
        assert_eq!(store.get("a").unwrap().as_deref(), Some(&b"3"[..]));
        assert_eq!(store.get("b").unwrap(), None);
        assert!(store.exists("a").unwrap());
        assert_eq!(store.keys().unwrap(), ["a"]);
    }

    #[test]
    fn a_write_outdates_what_was_read_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyValue::open(&folder.path().join("kv")).unwrap();
        let noted = |key| {
            let mut seen = Seen::default();
            store.note(&mut seen, key);
            seen
        };
        assert_ne!(counter("a"), counter("b"));
        let (mut a, b, all) = (noted(Some("a")), noted(Some("b")), noted(None));
        store.set("a", b"1").unwrap();
        // Reading again does not make the first reading newer.
        store.note(&mut a, Some("a"));
        let current = |seen: &[&Seen]| -> Vec<bool> {
            seen.iter().map(|seen| store.is_current(seen)).collect()
        };
        assert_eq!(current(&[&a, &b, &all]), [false, true, false]);
        assert!(store.is_current(&Seen::default()));
        let (a, all) = (noted(Some("a")), noted(None));
        assert_eq!(current(&[&a, &b, &all]), [true; 3]);
        store.delete("b").unwrap();
        assert_eq!(current(&[&a, &b, &all]), [true, false, false]);
    }

    #[test]
    fn limits_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyValue::open(&folder.path().join("kv")).unwrap();
        store.set("a", &vec![0; MAX_VALUE_BYTES]).unwrap();
        assert!(matches!(
            store.set("a", &vec![0; MAX_VALUE_BYTES + 1]),
            Err(KeyValueError::ValueLength(_))
        ));
        for key in [String::new(), "x".repeat(MAX_KEY_BYTES + 1)] {
            assert!(matches!(store.get(&key), Err(KeyValueError::KeyLength(_))));
            assert!(matches!(
                store.set(&key, b""),
                Err(KeyValueError::KeyLength(_))
            ));
        }
    }

    #[test]
    fn a_second_host_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv");
        let _first = KeyValue::open(&path).unwrap();
        let error = KeyValue::open(&path).unwrap_err();
        assert!(matches!(error, KeyValueError::InUse { .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_no_store_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv");
        std::fs::write(&path, b"not a store at all").unwrap();
        let error = KeyValue::open(&path).unwrap_err();
        assert!(matches!(error, KeyValueError::Open { .. }), "{error}");
    }

    /// A disk that can be full, behind the store's file.
    #[derive(Debug)]
    struct Disk {
        file: redb::backends::FileBackend,
        room: Arc<AtomicU64>,
    }

    impl Disk {
        fn open(path: &Path, room: &Arc<AtomicU64>) -> Result<Database, redb::DatabaseError> {
            let mut options = std::fs::OpenOptions::new();
            let file = options.read(true).write(true).create(true).open(path)?;
            Database::builder().create_with_backend(Disk {
                file: redb::backends::FileBackend::new(file)?,
                room: room.clone(),
            })
        }

        fn check(&self, end: u64) -> std::io::Result<()> {
            if end <= self.room.load(Ordering::SeqCst) {
                return Ok(());
            }
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }

    impl redb::StorageBackend for Disk {
        fn len(&self) -> std::io::Result<u64> {
            self.file.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
            self.file.read(offset, out)
        }
        fn set_len(&self, len: u64) -> std::io::Result<()> {
            // As a file system does: room is taken when it is written.
            self.file.set_len(len)
        }
        fn sync_data(&self) -> std::io::Result<()> {
            self.file.sync_data()
        }
        fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
            self.check(offset + data.len() as u64)?;
            self.file.write(offset, data)
        }
        fn close(&self) -> std::io::Result<()> {
            self.file.close()
        }
        fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.file.try_lock_range(start, end)
        }
        fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
            self.file.unlock_range(start, end)
        }
    }

    /// A store on such a disk, a clock that stands until it is moved, and what
    /// was reported.
    struct Rig {
        store: KeyValue,
        room: Arc<AtomicU64>,
        elapsed: Arc<AtomicU64>,
        openings: Arc<AtomicU64>,
        reports: Arc<Mutex<Vec<String>>>,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    const ALL: u64 = u64::MAX;

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("kv");
            let room = Arc::new(AtomicU64::new(ALL));
            let elapsed = Arc::new(AtomicU64::new(0));
            let openings = Arc::new(AtomicU64::new(0));
            let reports = Arc::new(Mutex::new(Vec::new()));
            let begun = now();
            let outside = Outside {
                open: {
                    let (room, openings) = (room.clone(), openings.clone());
                    Box::new(move |path| {
                        openings.fetch_add(1, Ordering::SeqCst);
                        Disk::open(path, &room)
                    })
                },
                now: {
                    let elapsed = elapsed.clone();
                    Box::new(move || begun + Duration::from_millis(elapsed.load(Ordering::SeqCst)))
                },
                report: {
                    let reports = reports.clone();
                    Box::new(move |line| reports.lock().unwrap().push(line.to_owned()))
                },
            };
            let database = Disk::open(&path, &room).unwrap();
            let store = KeyValue::with(&path, database, outside).unwrap();
            Rig {
                store,
                room,
                elapsed,
                openings,
                reports,
                path,
                _folder: folder,
            }
        }

        fn room(&self, bytes: u64) {
            self.room.store(bytes, Ordering::SeqCst);
        }

        fn wait(&self) {
            let pause = u64::try_from(PAUSE.as_millis()).unwrap();
            self.elapsed.fetch_add(pause, Ordering::SeqCst);
        }

        fn length(&self) -> u64 {
            std::fs::metadata(&self.path).unwrap().len()
        }

        fn openings(&self) -> u64 {
            self.openings.load(Ordering::SeqCst)
        }

        fn reports(&self) -> Vec<String> {
            self.reports.lock().unwrap().clone()
        }
    }

    #[test]
    fn a_full_disk_costs_the_writes_that_met_it_and_nothing_else() {
        let rig = Rig::new();
        rig.store.set("kept", b"1").unwrap();
        rig.room(rig.length());
        let large = vec![7; MAX_VALUE_BYTES];
        let fill = |n: usize| rig.store.set(&format!("large{n}"), &large);
        let stored = (0..1_000).find(|&n| fill(n).is_err()).unwrap();
        // Refused without being tried: the next one would fail as well.
        let error = rig.store.set("refused", b"1").unwrap_err();
        assert!(matches!(error, KeyValueError::Pausing { .. }), "{error}");
        for _ in 0..3 {
            rig.wait();
            let error = fill(stored).unwrap_err();
            assert!(matches!(error, KeyValueError::Storage(_)), "{error}");
            // Reads go on.
            assert_eq!(rig.store.get("kept").unwrap().as_deref(), Some(&b"1"[..]));
            assert!(rig.store.exists("kept").unwrap());
            assert_eq!(rig.store.keys().unwrap().len(), 1 + stored);
        }
        // Once per failed write, and said once.
        assert_eq!(rig.openings(), 4);
        let reports = rig.reports();
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert!(reports[0].contains("can't be written"), "{reports:?}");

        rig.room(ALL);
        rig.wait();
        fill(stored).unwrap();
        assert_eq!(rig.openings(), 4);
        assert_eq!(rig.reports().len(), 2, "{:?}", rig.reports());
        for n in 0..=stored {
            let value = rig.store.get(&format!("large{n}")).unwrap();
            assert_eq!(value.as_ref(), Some(&large), "{n}");
        }

        // The same trouble later is news again.
        rig.room(0);
        rig.store.set("kept", b"2").unwrap_err();
        assert!(rig.reports().len() > 2);
    }

    #[test]
    fn a_disk_that_fails_altogether_is_tried_again_and_not_at_every_request() {
        let rig = Rig::new();
        rig.store.set("kept", b"1").unwrap();
        rig.room(0);
        rig.store.set("lost", b"1").unwrap_err();
        // To open it after a failure is to write its header, which fails too.
        for round in 1..4 {
            for _ in 0..5 {
                assert!(rig.store.get("kept").is_err());
                assert!(rig.store.set("lost", b"1").is_err());
                assert!(rig.store.get_at_once("kept").is_none());
            }
            assert_eq!(rig.openings(), round);
            rig.wait();
        }
        assert_eq!(rig.reports().len(), 2, "{:?}", rig.reports());
        rig.room(ALL);
        assert_eq!(rig.store.get("kept").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(rig.store.get("lost").unwrap(), None);
        rig.store.set("kept", b"2").unwrap();
        drop(rig.store);
        let store = KeyValue::open(&rig.path).unwrap();
        assert_eq!(store.get("kept").unwrap().as_deref(), Some(&b"2"[..]));
    }

    #[test]
    fn a_file_that_is_gone_is_no_empty_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv");
        let store = KeyValue::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (times, _) = store
            .try_once(|_| Err::<(), _>(redb::Error::PreviousIo))
            .unwrap_err();
        let error = store.reopen(times).unwrap_err();
        assert!(matches!(error, KeyValueError::Open { .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn many_that_meet_one_failure_open_the_file_once_and_lose_nothing() {
        let rig = Rig::new();
        let acknowledged = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (rig, acknowledged) = (&rig, &acknowledged);
                scope.spawn(move || {
                    for n in 0..40 {
                        let key = format!("{thread}-{n}");
                        if thread == 0 {
                            rig.room(if n % 8 == 7 { 0 } else { ALL });
                            rig.wait();
                        }
                        if rig.store.set(&key, key.as_bytes()).is_ok() {
                            acknowledged.lock().unwrap().push(key);
                        }
                        let _ = rig.store.get("0-0");
                    }
                });
            }
        });
        rig.room(ALL);
        rig.wait();
        let acknowledged = acknowledged.into_inner().unwrap();
        assert!(acknowledged.len() > 8, "{}", acknowledged.len());
        assert!(rig.openings() > 0);
        for key in acknowledged {
            let value = rig.store.get(&key).unwrap();
            assert_eq!(value.as_deref(), Some(key.as_bytes()), "{key}");
        }
    }
}
