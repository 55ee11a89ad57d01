//! What the class does, without JavaScript, so that it can be tested natively.

use shelfedge_commerce::codes::Code as FaultCode;
use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_commerce::id::ProductId;
use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Input, RunError};
use shelfedge_ranking::{MAX_CANDIDATES, Ranker, Workspace};
use shelfedge_wire::json::Writer;
use shelfedge_wire::manifest::Manifest;
use shelfedge_wire::problem::{Code, Problem};
use shelfedge_wire::rank::{self, Request};
use shelfedge_wire::{Limits, events};

use crate::profile::Profile;

static UNKNOWN_INDEX: FaultCode = FaultCode {
    id: "product_index_unknown",
    meaning: "A candidate's index is no product's.",
    action: "Use indices into the list that products() returns.",
};
static TOO_MANY: FaultCode = FaultCode {
    id: "candidates_too_many",
    meaning: "More candidates than a ranking may have.",
    action: "Send at most 2,000 candidates, or none and let the model recall its own.",
};
static INPUT_MISSING: FaultCode = FaultCode {
    id: "input_missing",
    meaning: "The model needs an input that wasn't given.",
    action: "Give every input that inputs() lists.",
};
static INPUT_UNKNOWN: FaultCode = FaultCode {
    id: "input_unknown",
    meaning: "The model has no input of this name.",
    action: "Give the inputs that inputs() lists and no others.",
};
static INPUT_KIND: FaultCode = FaultCode {
    id: "input_kind",
    meaning: "An input is of the wrong array type.",
    action: "Give a Float32Array where inputs() says f32 and an Int32Array where it says i32.",
};
static INPUT_VALUE: FaultCode = FaultCode {
    id: "input_value",
    meaning: "The model can't run on these inputs.",
    action: "Give rows times len times width elements as inputs() describes them, and indices within the model's tables.",
};

/// One raw input in the engine's memory.
#[derive(Debug)]
pub(crate) enum Raw {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

/// An open model, the profile, and what is reused between calls.
pub(crate) struct Session {
    ranker: Ranker<Vec<u8>>,
    digest: String,
    profile: Profile,
    workspace: Workspace,
    raw: Vec<Raw>,
    scores: Vec<f32>,
}

type Result<T> = core::result::Result<T, Problem>;

impl Session {
    /// Checks that the parts belong together and opens the model.
    pub(crate) fn open(manifest: &[u8], shelf: Vec<u8>) -> Result<Self> {
        let manifest = Manifest::parse(manifest).map_err(|faults| Problem::from(faults).with_code(Code::BundleInvalid))?;
        manifest.check_part("model.shelf", &shelf).map_err(|error| mismatch(&error))?;
        let digest = manifest.model_digest();
        let ranker = Ranker::open(shelf)
            .map_err(|error| Problem::new(Code::BundleInvalid).with_detail(format!("model.shelf: {error}")))?;
        manifest.check_shelf(&ranker.info()).map_err(|error| mismatch(&error))?;
        let raw = ranker
            .inputs()
            .iter()
            .map(|port| match port.kind {
                Kind::F32 => Raw::F32(Vec::new()),
                Kind::I32 => Raw::I32(Vec::new()),
            })
            .collect();
        Ok(Self {
            ranker,
            digest,
            profile: Profile::default(),
            workspace: Workspace::default(),
            raw,
            scores: Vec::new(),
        })
    }
}
