//! Checks the model bundles that are served: every part is the one that its
//! manifest names. A browser checks what it loads too; the host says it at the
//! start, and names every part that is wrong.

use shelfedge_wire::manifest::Manifest;
use std::fmt;
use std::path::{Path, PathBuf};

/// A bundle that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its folder.
    pub folder: PathBuf,
    /// The digest by which answers name its model.
    pub digest: String,
}

/// What is wrong with the bundles, each with its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadBundles(pub Vec<(PathBuf, String)>);

impl fmt::Display for BadBundles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the models can't be used:")?;
        for (file, cause) in &self.0 {
            writeln!(f, "  {}: {cause}", file.display())?;
        }
        write!(f, "take all parts of a bundle from one run of the trainer")
    }
}

impl std::error::Error for BadBundles {}

/// Checks every folder below `models` that has a manifest. Hidden ones are
/// passed over, as the file server does: the trainer works in them, and one that
/// is killed leaves them behind.
///
/// # Errors
/// All parts of all bundles that are missing, unreadable or not the ones of
/// their manifest.
pub fn check(models: &Path) -> Result<Vec<Bundle>, BadBundles> {
    let mut bundles = Vec::new();
    let mut faults = Vec::new();
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(models) {
        Ok(entries) => entries
            .flatten()
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|entry| entry.path())
            .collect(),
        Err(error) => return Err(BadBundles(vec![(models.to_owned(), error.to_string())])),
    };
    folders.sort();
    for folder in folders {
        let file = folder.join("manifest.json");
        if !file.is_file() {
            continue;
        }
        match check_one(&folder, &file) {
            Ok(bundle) => bundles.push(bundle),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() {
        Ok(bundles)
    } else {
        Err(BadBundles(faults))
    }
}

/// Checks one folder.
///
/// # Errors
/// All of its parts that are missing, unreadable or not the ones of its manifest.
pub fn check_folder(folder: &Path) -> Result<Bundle, BadBundles> {
    check_one(folder, &folder.join("manifest.json")).map_err(BadBundles)
}

fn check_one(folder: &Path, file: &Path) -> Result<Bundle, Vec<(PathBuf, String)>> {
    let bytes = std::fs::read(file).map_err(|e| vec![(file.to_owned(), e.to_string())])?;
    let manifest = Manifest::parse(&bytes).map_err(|e| vec![(file.to_owned(), e.to_string())])?;
    let mut faults = Vec::new();
    for name in manifest.parts.keys() {
        let part = folder.join(name);
        match std::fs::read(&part) {
            Ok(bytes) => {
                if let Err(error) = manifest.check_part(name, &bytes) {
                    faults.push((part, error.to_string()));
                }
            }
            Err(error) => faults.push((part, error.to_string())),
        }
    }
    if faults.is_empty() {
        Ok(Bundle {
            folder: folder.to_owned(),
            digest: manifest.model_digest(),
        })
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shelfedge_wire::manifest::{Digests, Part};

    fn write(folder: &Path, parts: &[(&str, &[u8])]) {
        std::fs::create_dir_all(folder).unwrap();
        let onnx = parts.iter().find(|(name, _)| *name == "model.onnx");
        let digests = Digests {
            spec: [1; 32],
            onnx: onnx.map_or([2; 32], |(_, bytes)| Part::of(bytes).sha256),
            data: [3; 32],
        };
        let manifest = Manifest {
            task: "ranking".to_owned(),
            producer: "test".to_owned(),
            created: shelfedge_commerce::Timestamp(0),
            parts: parts
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), Part::of(bytes)))
                .collect(),
            digests,
            shelf: digests,
        };
        std::fs::write(folder.join("manifest.json"), manifest.to_json()).unwrap();
        for (name, bytes) in parts {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    #[test]
    fn what_a_killed_trainer_left_is_no_bundle() {
        let models = tempfile::tempdir().unwrap();
        let parts = [("model.shelf", &b"shelf"[..]), ("model.onnx", b"onnx")];
        write(&models.path().join("ranking"), &parts);
        // The last step renames; whoever is killed in it leaves the old bundle
        // whole beside the new one, or the new one with a part missing.
        write(&models.path().join(".ranking.previous"), &parts);
        let staging = models.path().join(".ranking.staging-1");
        write(&staging, &parts);
        std::fs::remove_file(staging.join("model.onnx")).unwrap();
        let bundles = check(models.path()).unwrap();
        let folders: Vec<_> = bundles.iter().map(|b| b.folder.clone()).collect();
        assert_eq!(folders, [models.path().join("ranking")]);
    }

    #[test]
    fn whole_bundles_pass_and_swapped_parts_are_all_named() {
        let models = tempfile::tempdir().unwrap();
        let one = models.path().join("one");
        let parts = [("model.shelf", &b"shelf"[..]), ("model.onnx", b"onnx")];
        write(&one, &parts);
        std::fs::create_dir(models.path().join("no-bundle")).unwrap();
        let bundles = check(models.path()).unwrap();
        assert_eq!(bundles.len(), 1);
        assert!(bundles[0].digest.starts_with("sha256:"));

        let two = models.path().join("two");
        write(&two, &parts);
        std::fs::write(one.join("model.onnx"), b"xnno").unwrap();
        std::fs::remove_file(two.join("model.shelf")).unwrap();
        let error = check(models.path()).unwrap_err();
        let files: Vec<_> = error.0.iter().map(|(file, _)| file.clone()).collect();
        assert_eq!(files, [one.join("model.onnx"), two.join("model.shelf")]);

        std::fs::write(two.join("manifest.json"), b"{").unwrap();
        let error = check(models.path()).unwrap_err();
        assert!(
            error
                .0
                .iter()
                .any(|(file, _)| file.ends_with("two/manifest.json"))
        );
    }
}
