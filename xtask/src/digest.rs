//! Digests of what a step reads, so that a step with nothing new is skipped.
//!
//! Cargo judges the freshness of what cargo builds; this is for the other
//! tools (wasm-bindgen, npm, pip).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::context::{Context, write_whole};

/// The hex digest of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hex digest of files and folders, by relative name and content. A path
/// that is absent counts as absent, which differs from empty.
pub(crate) fn of(root: &Path, paths: &[&Path], skip: &[&str]) -> Result<String> {
    let mut files = Vec::new();
    let mut hash = Sha256::new();
    for path in paths {
        let full = root.join(path);
        if full.is_dir() {
            walk(&full, skip, &mut files)?;
        } else if full.is_file() {
            files.push(full);
        } else {
            hash.update(format!("absent {}\n", path.display()));
        }
    }
    files.sort();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        hash.update(format!(
            "{} {} {}\n",
            name.display(),
            bytes.len(),
            sha256(&bytes)
        ));
    }
    Ok(hex(&hash.finalize()))
}

/// All files below a folder, except in folders of the given names.
pub(crate) fn walk(folder: &Path, skip: &[&str], into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if skip.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), skip, into)?;
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
    Ok(())
}

/// A finished step's digest, remembered under `target/xtask`.
#[derive(Debug)]
pub(crate) struct Stamp {
    path: PathBuf,
    digest: String,
}

impl Stamp {
    pub(crate) fn new(context: &Context, step: &str, digest: String) -> Self {
        Self {
            path: context.stamps().join(step),
            digest,
        }
    }

    /// Whether the step was finished with the same inputs.
    pub(crate) fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.digest)
    }

    /// Forgets the step before it runs, so that a failure is not taken for a
    /// success.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// Remembers the step once it is done.
    pub(crate) fn remember(&self) -> Result<()> {
        write_whole(&self.path, self.digest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_sees_names_contents_and_absence() {
        let folder = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        fs::create_dir_all(folder.join("skipped")).unwrap();
        fs::write(folder.join("a"), "one").unwrap();
        let of_folder = || of(&folder, &[Path::new(".")], &["skipped"]).unwrap();
        let first = of_folder();
        fs::write(folder.join("skipped/b"), "two").unwrap();
        assert_eq!(first, of_folder(), "a skipped folder is not read");
        fs::write(folder.join("a"), "two").unwrap();
        assert_ne!(first, of_folder(), "content counts");
        fs::write(folder.join("a"), "one").unwrap();
        assert_eq!(first, of_folder());
        fs::rename(folder.join("a"), folder.join("c")).unwrap();
        assert_ne!(first, of_folder(), "names count");
        assert_ne!(
            of(&folder, &[Path::new("c")], &[]).unwrap(),
            of(&folder, &[Path::new("c"), Path::new("d")], &[]).unwrap(),
            "absence counts"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
