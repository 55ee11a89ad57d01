//! The file-backed key-value store behind `fermyon:spin/key-value`.
//!
//! One file (redb: transactional, copy-on-write), one store called `default`.
//! A `set` is on the disk when it returns, so a host that is killed keeps all
//! that it acknowledged. Limits are those that the hosts of Spin applications
//! publish, so that a component that fits here fits there.

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::fmt;
use std::path::{Path, PathBuf};

/// The largest value.
pub const MAX_VALUE_BYTES: usize = 1_000_000;
/// The longest key.
pub const MAX_KEY_BYTES: usize = 255;
/// How many stores one instance may hold open.
pub const MAX_OPEN_STORES: usize = 16;
/// The label of the only store.
pub const DEFAULT_STORE: &str = "default";

const TABLE: TableDefinition<&str, &[u8]> = TableDefinition::new("default");

/// A store that a guest has opened; the host's side of the WIT resource.
#[derive(Debug)]
pub struct OpenStore;

/// A key-value store in one file.
#[derive(Debug)]
pub struct KeyValue {
    database: Database,
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
    /// Reading or writing failed.
    Storage(Box<redb::Error>),
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

fn storage(error: impl Into<redb::Error>) -> KeyValueError {
    KeyValueError::Storage(Box::new(error.into()))
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
        // The table exists from here on, so a reader never meets a store without it.
        let write = database.begin_write().map_err(storage)?;
        write.open_table(TABLE).map_err(storage)?;
        write.commit().map_err(storage)?;
        Ok(KeyValue { database })
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be read.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        check_key(key)?;
        let read = self.database.begin_read().map_err(storage)?;
        let table = read.open_table(TABLE).map_err(storage)?;
        let value = table.get(key).map_err(storage)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    /// Whether there is a value under `key`.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be read.
    pub fn exists(&self, key: &str) -> Result<bool, KeyValueError> {
        check_key(key)?;
        let read = self.database.begin_read().map_err(storage)?;
        let table = read.open_table(TABLE).map_err(storage)?;
        Ok(table.get(key).map_err(storage)?.is_some())
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
        let write = self.database.begin_write().map_err(storage)?;
        write
            .open_table(TABLE)
            .map_err(storage)?
            .insert(key, value)
            .map_err(storage)?;
        write.commit().map_err(storage)
    }

    /// Removes `key`, if it is there.
    ///
    /// # Errors
    /// When the key's length is wrong or the file can't be written.
    pub fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        check_key(key)?;
        let write = self.database.begin_write().map_err(storage)?;
        write
            .open_table(TABLE)
            .map_err(storage)?
            .remove(key)
            .map_err(storage)?;
        write.commit().map_err(storage)
    }

    /// All keys, in order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn keys(&self) -> Result<Vec<String>, KeyValueError> {
        let read = self.database.begin_read().map_err(storage)?;
        let table = read.open_table(TABLE).map_err(storage)?;
        table
            .iter()
            .map_err(storage)?
            .map(|entry| Ok(entry.map_err(storage)?.0.value().to_owned()))
            .collect()
    }
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
}
