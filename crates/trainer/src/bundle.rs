//! Writing a bundle so that it is either there or not.
//!
//! All parts go into a hidden folder beside the target, are flushed to the
//! disk, and the folder is renamed. A process that is stopped at any moment
//! leaves the old bundle, the new one, or a hidden folder that the next run
//! removes; never a mixture.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::manifest::{Digests, Manifest, Part, sha256};

use crate::error::{Error, Result};
use crate::golden;

/// The file that makes a folder a bundle.
pub const MANIFEST: &str = "manifest.json";
/// What a bundle holds beside its manifest and the parts that this names.
pub const CARD: &str = "CARD.md";

/// A bundle that is being written.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    partial: PathBuf,
    previous: PathBuf,
    /// Folders above the target that were made for it, the innermost first.
    made: Vec<PathBuf>,
}

/// What a bundle's folder may hold while it is written.
const PARTS: [&str; 5] = ["model.shelf", "model.onnx", "golden.json", CARD, MANIFEST];

impl Staging {
    /// Prepares to replace the bundle at `target`. A folder that holds
    /// something else than a bundle is refused: replacing it would lose that.
    pub fn begin(target: &Path) -> Result<Self> {
        // A link stays one, and the folder that it leads to is replaced.
        let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        let name = target.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
            Error::fault(
                "out_invalid",
                target.display().to_string(),
                "not a folder name",
                "name a folder to write the bundle to, as models/ranking",
            )
        })?;
        let above = target.ancestors().skip(1);
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let staging = Self {
            target: target.to_path_buf(),
            partial: target.with_file_name(format!(".{name}.partial")),
            previous: target.with_file_name(format!(".{name}.previous")),
            made: above.take_while(missing).map(Path::to_path_buf).collect(),
        };
        if let Some(parent) = target.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        }
        // A run that was stopped between the two renames of `commit`.
        if !target.exists() && staging.previous.exists() {
            fs::rename(&staging.previous, target).map_err(|e| Error::io("restore", target, e))?;
        }
        if target.exists() {
            only_a_bundle(target)?;
        }
        remove_partial(&staging.partial, &PARTS)?;
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
        // After a commit there is nothing left to remove, and a folder that holds
        // something stays.
        let _ = fs::remove_dir_all(&self.partial);
        for folder in &self.made {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The bundle of a model that was learnt from texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfTexts<'a> {
    /// What the model does, as the manifest names it.
    pub(crate) task: &'a str,
    pub(crate) shelf: &'a [u8],
    pub(crate) onnx: &'a [u8],
    /// What turns a text into the model's inputs.
    pub(crate) spec: &'a [u8],
    pub(crate) golden: &'a [u8],
    pub(crate) card: &'a str,
}

impl OfTexts<'_> {
    /// Puts the bundle in the place of what is at `out`; `data` is what taught it.
    pub(crate) fn write<'t>(&self, data: impl Iterator<Item = &'t str>, out: &Path) -> Result<()> {
        let mut of_data = Sha256::new();
        for part in data {
            of_data.update((part.len() as u64).to_le_bytes());
            of_data.update(part.as_bytes());
        }
        let digests = Digests {
            spec: sha256(self.spec),
            onnx: sha256(self.onnx),
            data: of_data.finalize().into(),
        };
        let parts = [
            ("model.shelf", self.shelf),
            ("model.onnx", self.onnx),
            (golden::FILE, self.golden),
        ];
        let of = |(name, bytes): (&str, &[u8])| (name.to_owned(), Part::of(bytes));
        let manifest = Manifest {
            task: self.task.to_owned(),
            producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
            created: Timestamp(0),
            parts: parts.into_iter().map(of).collect(),
            digests,
            shelf: digests,
        };
        let staging = Staging::begin(out)?;
        for (name, bytes) in parts {
            staging.write(name, bytes)?;
        }
        staging.write(CARD, self.card.as_bytes())?;
        staging.write(MANIFEST, &manifest.to_json())?;
        staging.commit()
    }
}

/// A bundle that was written before.
#[derive(Debug)]
pub struct Opened {
    /// What belongs together.
    pub manifest: Manifest,
    /// The compiled model.
    pub shelf: Vec<u8>,
    /// The reference.
    pub onnx: Vec<u8>,
    /// The model card; empty where there is none.
    pub card: String,
}

/// Reads a bundle, and checks that the compiled model and the reference are those
/// that its manifest names.
pub fn open(folder: &Path) -> Result<Opened> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).map_err(|e| Error::io("read", &path, e))
    };
    let manifest = Manifest::parse(&read(MANIFEST)?)
        .map_err(|faults| Error::Invalid(faults.iter().cloned().collect()))?;
    let (shelf, onnx) = (read("model.shelf")?, read("model.onnx")?);
    let parts = [("model.shelf", &shelf), ("model.onnx", &onnx)];
    let faults: Vec<_> = parts
        .into_iter()
        .filter_map(|(name, bytes)| manifest.check_part(name, bytes).err())
        .map(|error| error.to_fault())
        .collect();
    match faults.is_empty() {
        true => Ok(Opened {
            manifest,
            shelf,
            onnx,
            card: fs::read_to_string(folder.join(CARD)).unwrap_or_default(),
        }),
        false => Err(Error::Invalid(faults)),
    }
}

/// Refuses a folder with anything in it that a bundle doesn't have.
fn only_a_bundle(folder: &Path) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        let entry = entry.map_err(|e| Error::io("read", folder, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    let refuse = |cause: String| {
        Err(Error::fault(
            "out_not_a_bundle",
            folder.display().to_string(),
            cause,
            "name an empty or a new folder, or move these files away",
        ))
    };
    let parts = match fs::read(folder.join(MANIFEST)).map(|json| Manifest::parse(&json)) {
        Ok(Ok(manifest)) => manifest.parts,
        Ok(Err(_)) => return refuse("its manifest.json is not a bundle's".to_owned()),
        Err(_) => return refuse("the folder holds files but no manifest.json".to_owned()),
    };
    names.retain(|name| name != MANIFEST && name != CARD && parts.get(name).is_none());
    names.sort();
    match names.as_slice() {
        [] => Ok(()),
        [one] => refuse(format!("{one} is no part of the bundle and would be lost")),
        [one, others @ ..] => refuse(format!(
            "{one} and {} more are no parts of the bundle and would be lost",
            others.len()
        )),
    }
}

/// Removes what a run left that was stopped, and refuses a folder that holds
/// something else than our parts.
pub(crate) fn remove_partial(partial: &Path, ours: &[&str]) -> Result<()> {
    let entries = match fs::read_dir(partial) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("read", partial, e)),
    };
    for entry in entries {
        let name = entry
            .map_err(|e| Error::io("read", partial, e))?
            .file_name();
        let name = name.to_string_lossy();
        if !ours.contains(&&*name) {
            return Err(Error::fault(
                "partial_not_ours",
                partial.display().to_string(),
                format!("it holds {name}, which would be lost"),
                "move the folder away, or name another with --out",
            ));
        }
    }
    fs::remove_dir_all(partial).map_err(|e| Error::io("remove", partial, e))
}

/// Removes a folder, its manifest first: a half-removed bundle is none.
fn remove(path: &Path) -> Result<()> {
    let _ = fs::remove_file(path.join(MANIFEST));
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("remove", path, e)),
    }
}

/// Makes a folder's entries durable, where the system can.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|f| f.sync_all())
            .map_err(|e| Error::io("flush", path, e))?;
    }
    Ok(())
}

/// Makes sure that files which are no part of a bundle can be written to a folder, before
/// they cost minutes to make: `what` they are, in the plural or with its article.
///
/// # Errors
/// A folder that holds a bundle, and a file that can't be written.
pub(crate) fn check_files(folder: &Path, names: &[&str], what: &str) -> Result<()> {
    if folder.join(MANIFEST).exists() {
        return Err(Error::fault(
            "out_is_a_bundle",
            folder.display().to_string(),
            format!("the folder holds a bundle's manifest.json, of which {what} can be no part"),
            format!("name another folder for {what}"),
        ));
    }
    names
        .iter()
        .try_for_each(|name| check_writable(&folder.join(name)))
}

/// Makes sure that a file can be written, before the work of hours that goes into it.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::fault(
            "out_is_a_folder",
            path.display().to_string(),
            "a file is to be written there, and it is a folder",
            "name a file",
        ));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folders = path.ancestors().skip(1);
    let missing: Vec<&Path> = folders
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    if let Some(parent) = missing.first() {
        fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
    }
    let partial = path.with_file_name(format!(".{name}.partial"));
    let tried = File::create(&partial).and_then(|_| fs::remove_file(&partial));
    // What only the trial needed goes again: the work may fail.
    for folder in missing {
        let _ = fs::remove_dir(folder);
    }
    tried.map_err(|e| Error::io("write", path, e))
}

/// Writes one file atomically.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_files(&[(path, Some(bytes))])
}

/// Writes files that belong together, and removes those that have no content: a disk
/// that is full leaves all of them as they were.
pub(crate) fn write_files(files: &[(&Path, Option<&[u8]>)]) -> Result<()> {
    let partial = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!(".{name}.partial"))
    };
    let written = |(path, bytes): &(&Path, Option<&[u8]>)| {
        let Some(bytes) = bytes else { return Ok(()) };
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        }
        File::create(partial(path))
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .map_err(|e| Error::io("write", path, e))
    };
    // What an earlier run wrote would stand beside another one's.
    let placed = |(path, bytes): &(&Path, Option<&[u8]>)| match bytes {
        Some(_) => fs::rename(partial(path), path).map_err(|e| Error::io("write", path, e)),
        None => match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
            _ => Ok(()),
        },
    };
    let all = files.iter().try_for_each(written);
    let all = all.and_then(|()| files.iter().try_for_each(placed));
    if all.is_err() {
        for (path, _) in files {
            let _ = fs::remove_file(partial(path));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use shelfedge_commerce::time::Timestamp;
    use shelfedge_wire::manifest::{Digests, Part};

    use super::*;

    /// A manifest that names these parts beside the one that every bundle has.
    fn manifest(parts: &[&str]) -> Vec<u8> {
        let digests = Digests {
            spec: [1; 32],
            onnx: [2; 32],
            data: [3; 32],
        };
        Manifest {
            task: "ranking".to_owned(),
            producer: "a test".to_owned(),
            created: Timestamp(0),
            parts: parts
                .iter()
                .chain(&["model.shelf"])
                .map(|name| ((*name).to_owned(), Part::of(b"1")))
                .collect(),
            digests,
            shelf: digests,
        }
        .to_json()
    }

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
        first
            .write(MANIFEST, &manifest(&["only-in-the-first"]))
            .expect("written");
        first.write("only-in-the-first", b"1").expect("written");
        assert!(!target.exists(), "nothing is visible before the commit");
        first.commit().expect("committed");
        let second = Staging::begin(&target).expect("begun");
        second.write(MANIFEST, &manifest(&[])).expect("written");
        second.commit().expect("committed");
        assert_eq!(names(&target), [MANIFEST]);
        assert_eq!(
            fs::read(target.join(MANIFEST)).expect("read"),
            manifest(&[])
        );
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
        let old = manifest(&[]);
        fs::write(folder.path().join(".ranking.previous").join(MANIFEST), &old).expect("written");
        let staging = Staging::begin(&target).expect("begun");
        assert_eq!(fs::read(target.join(MANIFEST)).expect("read"), old);
        drop(staging);
    }

    #[test]
    fn a_folder_with_other_files_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |found: &[(&str, &[u8])]| {
            for (name, bytes) in found {
                fs::write(folder.path().join(name), bytes).expect("written");
            }
            let error = Staging::begin(folder.path()).expect_err("refused");
            assert_eq!(error.faults()[0].code, "out_not_a_bundle");
            error.faults()[0].cause.clone()
        };
        refused(&[("thesis.txt", b"years")]);
        // A web app's manifest has the same name.
        refused(&[(MANIFEST, br#"{"name":"My app"}"#)]);
        // A real bundle in which somebody keeps notes.
        let cause = refused(&[(MANIFEST, &manifest(&[])), ("model.shelf", b"1")]);
        assert!(cause.starts_with("thesis.txt is no part"), "{cause}");
        fs::remove_file(folder.path().join("thesis.txt")).expect("removed");
        drop(Staging::begin(folder.path()).expect("a bundle alone is replaced"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_bundle_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(&real).expect("made");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        let staging = Staging::begin(&link).expect("begun");
        staging.write(MANIFEST, &manifest(&[])).expect("written");
        staging.commit().expect("committed");
        assert!(link.is_symlink());
        assert_eq!(names(&real), [MANIFEST]);
    }

    #[test]
    fn files_that_belong_together_are_all_written_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, two, old] = ["deep/one", "two", "old"].map(|name| folder.path().join(name));
        fs::write(one.with_file_name("x"), "").expect_err("no folder yet");
        fs::write(&old, "old").expect("written");
        let files: [(&Path, Option<&[u8]>); 3] =
            [(&one, Some(b"1")), (&two, Some(b"2")), (&old, None)];
        // What is in the way of the second is found before the first has its place.
        let blocked = folder.path().join(".two.partial");
        fs::create_dir(&blocked).expect("made");
        let error = write_files(&files).expect_err("a folder is in the way");
        assert!(error.to_string().starts_with("file_failed at "), "{error}");
        assert!(!one.exists() && !two.exists() && old.exists());
        assert!(names(&folder.path().join("deep")).is_empty());
        fs::remove_dir(&blocked).expect("removed");
        write_files(&files).expect("written");
        assert_eq!(fs::read(&one).expect("read"), b"1");
        assert_eq!(names(folder.path()), ["deep", "two"]);
    }

    #[test]
    fn folders_that_were_made_for_nothing_go_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a/b/bundle");
        drop(Staging::begin(&target).expect("begun"));
        assert!(names(folder.path()).is_empty());
        let staging = Staging::begin(&target).expect("begun");
        staging.write(MANIFEST, &manifest(&[])).expect("written");
        staging.commit().expect("committed");
        assert_eq!(names(&target), [MANIFEST]);
    }
}
