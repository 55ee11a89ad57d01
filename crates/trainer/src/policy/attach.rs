//! `shelfedge-train attach-policy`: a bundle that carries a policy which may ship.

use std::fs;
use std::path::Path;

use serde::Serialize;
use shelfedge_commerce::fault::quote;
use shelfedge_engine::file::{self, Directory};
use shelfedge_ranking::policy::{ListPolicy, SECTION};
use shelfedge_wire::manifest::{Part, hex, sha256};

use super::command::{CARD, SHELF};
use crate::bundle::{self, MANIFEST, Staging};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::golden;

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Attached {
    /// The bundle that was written.
    pub out: String,
    /// Whether the bundle carried another policy before.
    pub replaced: bool,
    /// Bytes of its compiled model, and of the policy in it.
    pub bytes: [usize; 2],
    /// The compiled model's digest.
    pub model: String,
}

impl Attached {
    /// For a person.
    pub fn table(&self) -> String {
        let what = if self.replaced { "another" } else { "a" };
        format!(
            "{}: carries {what} policy for whole lists; {} bytes, of which the policy has {}; {}",
            self.out, self.bytes[0], self.bytes[1], self.model
        )
    }
}

/// Writes a bundle that is `bundle` with the policy of the folder `policy`.
///
/// # Errors
/// A bundle whose parts don't belong together, a folder without a policy that may
/// ship, an output that can't be written.
pub fn attach(bundle: &Path, policy: &Path, out: &Path) -> Result<Attached> {
    let path = policy.join(SHELF);
    let shelf = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::fault(
                "policy_not_shipped",
                path.display().to_string(),
                "the folder holds no policy that may ship",
                "read the verdict in its CARD.md; `shelfedge-train policy` writes the file when there is a \
                 proof that it is no worse",
            ));
        }
        Err(e) => return Err(Error::io("read", &path, e)),
    };
    ListPolicy::open(&shelf).map_err(|_| {
        Error::fault(
            "policy_malformed",
            path.display().to_string(),
            "it isn't a policy that this program can serve",
            "learn it again with `shelfedge-train policy` of this version",
        )
    })?;
    let mut opened = bundle::open(bundle)?;
    let cases = bundle.join(golden::FILE);
    let cases = fs::read(&cases).map_err(|e| Error::io("read", &cases, e))?;
    opened
        .manifest
        .check_part(golden::FILE, &cases)
        .map_err(|e| Error::Invalid(vec![e.to_fault()]))?;
    let carried = Directory::read(&opened.shelf).map_err(|e| internal("model", e.to_string()))?;
    let replaced = carried.find(SECTION).is_some();
    let sections = carried
        .sections()
        .filter(|(name, _)| *name != SECTION)
        .map(|(name, place)| (name, &opened.shelf[place]));
    let sections: Vec<_> = sections.chain([(SECTION, &shelf[..])]).collect();
    let model = file::write(&sections).map_err(|e| internal("model", e.to_string()))?;
    let part = Part::of(&model);
    let digest = format!("sha256:{}", hex(&part.sha256));
    let cases = golden::answered_by(&cases, &model, &digest)?;
    let about = fs::read_to_string(policy.join(CARD)).unwrap_or_default();
    let card = with_policy(&opened.card, &about, &hex(&sha256(&shelf)));
    let parts = &mut opened.manifest.parts;
    parts.insert("model.shelf".to_owned(), part);
    parts.insert(golden::FILE.to_owned(), Part::of(&cases));
    let staging = Staging::begin(out)?;
    for (name, bytes) in [
        ("model.shelf", &model[..]),
        ("model.onnx", &opened.onnx),
        (golden::FILE, &cases),
        (bundle::CARD, card.as_bytes()),
        (MANIFEST, &opened.manifest.to_json()),
    ] {
        staging.write(name, bytes)?;
    }
    staging.commit()?;
    Ok(Attached {
        out: out.display().to_string(),
        replaced,
        bytes: [model.len(), shelf.len()],
        model: digest,
    })
}

/// Begins the part of a card that tells of a policy.
const HEADING: &str = "\n## The policy that this bundle carries\n";

/// A bundle's card with that of a policy, a level lower, in the place of an earlier one.
fn with_policy(card: &str, about: &str, digest: &str) -> String {
    let own = card.split(HEADING).next().unwrap_or_default();
    let lines = about.lines().map(|line| match line.starts_with('#') {
        true => format!("##{line}\n"),
        false => format!("{line}\n"),
    });
    let about: String = lines.collect();
    format!(
        "{own}{HEADING}\nSection {} of the compiled model, SHA-256 `{digest}`.\n\n{about}",
        quote(SECTION)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_tells_of_one_policy() {
        let once = with_policy("# Ranking\n", "# A policy\n\n## Data\n", "aa");
        assert_eq!(
            once,
            "# Ranking\n\n## The policy that this bundle carries\n\nSection \"policy\" of the compiled model, \
             SHA-256 `aa`.\n\n### A policy\n\n#### Data\n"
        );
        let again = with_policy(&once, "# Another\n", "bb");
        assert!(again.starts_with("# Ranking\n\n## The policy"));
        assert!(again.ends_with("`bb`.\n\n### Another\n"));
    }
}
