//! That a manifest and a compiled model belong together.

use shelfedge_commerce::Faults;
use shelfedge_wire::Problem;
use shelfedge_wire::manifest::{Manifest, PartError};
use shelfedge_wire::problem::Code;

/// Checks that a model is its manifest's. `digest` is the model's SHA-256 where somebody
/// has computed it already.
#[inline(always)]
pub(crate) fn check(
    manifest: &Manifest,
    shelf: &[u8],
    digest: Option<&[u8]>,
) -> Result<(), Problem> {
    let known = manifest.parts.get("model.shelf").is_some_and(|part| {
        part.bytes == shelf.len() as u64 && digest.is_some_and(|digest| digest == part.sha256)
    });
    if !known {
        // Also where the digest differs: this says what is wrong.
        manifest
            .check_part("model.shelf", shelf)
            .map_err(|error| unusable(&error))?;
    }
    Ok(())
}

/// What is wrong with a manifest.
#[inline(always)]
pub(crate) fn unreadable(faults: Faults) -> Problem {
    Problem {
        faults,
        ..Problem::new(Code::MODEL_UNUSABLE).with_detail("manifest.json can't be used:")
    }
}

pub(crate) fn unusable(error: &PartError) -> Problem {
    let fault = error.to_fault();
    let detail = fault.cause.clone();
    Problem {
        faults: fault.into(),
        ..Problem::new(Code::MODEL_UNUSABLE).with_detail(detail)
    }
}
