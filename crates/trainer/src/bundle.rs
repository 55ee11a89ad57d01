//! Writing a bundle so that it is either there or not.
//!
//! All parts go into a hidden folder beside the target, are flushed to the
//! disk, and the folder is renamed. A process that is stopped at any moment
//! leaves the old bundle, the new one, or a hidden folder that the next run
//! removes; never a mixture.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The file that makes a folder a bundle.
pub const MANIFEST: &str = "manifest.json";

/// A bundle that is being written.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    partial: PathBuf,
    previous: PathBuf,
}

impl Staging {
    /// Prepares to replace the bundle at `target`. A folder that holds
    /// something else than a bundle is refused.
    pub fn begin(target: &Path) -> Result<Self> {
        let name = target.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
            Error::fault(
                "out_invalid",
                target.display().to_string(),
                "not a folder name",
                "name a folder to write the bundle to, as models/ranking",
            )
        })?;
        let staging = Self {
            target: target.to_path_buf(),
            partial: target.with_file_name(format!(".{name}.partial")),
            previous: target.with_file_name(format!(".{name}.previous")),
        };
        if let Some(parent) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        }
        // A run that was stopped between the two renames of `commit`.
        if !target.exists() && staging.previous.exists() {
            fs::rename(&staging.previous, target).map_err(|e| Error::io("restore", target, e))?;
        }
        if target.exists() {
            let mut entries = fs::read_dir(target).map_err(|e| Error::io("read", target, e))?;
            if entries.next().is_some() && !target.join(MANIFEST).exists() {
                return Err(Error::fault(
                    "out_not_a_bundle",
                    target.display().to_string(),
                    "the folder holds files but no manifest.json, so it is not a bundle",
                    "name an empty or a new folder",
                ));
            }
        }
        remove(&staging.partial)?;
        fs::create_dir(&staging.partial).map_err(|e| Error::io("create", &staging.partial, e))?;
        Ok(staging)
    }

    /// Writes a part.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.partial.join(name);
        let mut file = File::create(&path).map_err(|e| Error::io("write", &path, e))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|e| Error::io("write", &path, e))
    }

    /// Puts the new bundle in the place of the old one.
    pub fn commit(self) -> Result<()> {
        sync_folder(&self.partial)?;
        remove(&self.previous)?;
        if self.target.exists() {
            fs::rename(&self.target, &self.previous)
                .map_err(|e| Error::io("replace", &self.target, e))?;
        }
        fs::rename(&self.partial, &self.target).map_err(|e| Error::io("write", &self.target, e))?;
        if let Some(parent) = self.target.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        remove(&self.previous)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a commit there is nothing left to remove.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("remove", path, e)),
    }
}

/// Makes a folder's entries durable, where the system can.
fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|f| f.sync_all())
            .map_err(|e| Error::io("flush", path, e))?;
    }
    Ok(())
}

/// Writes one file atomically.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path
        .file_name()
        .map_or_else(|| "out".to_owned(), |n| n.to_string_lossy().into_owned());
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
    }
    let partial = path.with_file_name(format!(".{name}.partial"));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(e) = written.and_then(|()| fs::rename(&partial, path)) {
        let _ = fs::remove_file(&partial);
        return Err(Error::io("write", path, e));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("a folder")
            .map(|e| {
                e.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_bundle_replaces_the_old_one_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("models/ranking");
        let first = Staging::begin(&target).expect("begun");
        first.write(MANIFEST, b"1").expect("written");
        first.write("only-in-the-first", b"1").expect("written");
        assert!(!target.exists(), "nothing is visible before the commit");
        first.commit().expect("committed");
        let second = Staging::begin(&target).expect("begun");
        second.write(MANIFEST, b"2").expect("written");
        second.commit().expect("committed");
        assert_eq!(names(&target), [MANIFEST]);
        assert_eq!(fs::read(target.join(MANIFEST)).expect("read"), b"2");
        assert_eq!(names(&folder.path().join("models")), ["ranking"]);
    }

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("ranking");
        let staging = Staging::begin(&target).expect("begun");
        staging.write("model.shelf", b"half").expect("written");
        drop(staging);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_run_killed_between_the_renames_is_repaired() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("ranking");
        fs::create_dir(folder.path().join(".ranking.previous")).expect("made");
        fs::write(
            folder.path().join(".ranking.previous").join(MANIFEST),
            b"old",
        )
        .expect("written");
        let staging = Staging::begin(&target).expect("begun");
        assert_eq!(fs::read(target.join(MANIFEST)).expect("read"), b"old");
        drop(staging);
    }

    #[test]
    fn a_folder_with_other_files_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("thesis.txt"), b"years").expect("written");
        let error = Staging::begin(folder.path()).expect_err("refused");
        assert_eq!(error.faults()[0].code, "out_not_a_bundle");
    }
}
