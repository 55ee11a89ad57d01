//! What the class does, without JavaScript, so that it can be tested natively.

use shelfedge_commerce::codes::Code as FaultCode;
use shelfedge_commerce::{EventId, Fault, Faults, Money, ProductId};
use shelfedge_engine::RunError;
use shelfedge_engine::program::{Kind, Rows};
use shelfedge_ranking::{Input, MAX_CANDIDATES, OpenError, Ranker, Workspace};
use shelfedge_wire::json::Writer;
use shelfedge_wire::manifest::{Digests, Manifest};
use shelfedge_wire::models::{self, Model};
use shelfedge_wire::problem::Code;
use shelfedge_wire::rank::{self, Request};
use shelfedge_wire::{Limits, Problem, answers, codes, events};

use crate::bundle::{self, unusable};
use crate::profile::Profile;

static INDEX_UNKNOWN: FaultCode = FaultCode {
    id: "product_index_unknown",
    action: "Use indices into the list that products() returns.",
};
static INPUT_MISSING: FaultCode = FaultCode {
    id: "input_missing",
    action: "Give every input that inputs() lists.",
};
static INPUT_UNKNOWN: FaultCode = FaultCode {
    id: "input_unknown",
    action: "Give the inputs that inputs() lists and no others.",
};
static INPUT_KIND: FaultCode = FaultCode {
    id: "input_kind",
    action: "Give a Float32Array where inputs() says f32 and an Int32Array where it says i32.",
};
static INPUT_SIZE: FaultCode = FaultCode {
    id: "input_size",
    action: "Give len x width elements for a shared input and rows x len x width for one per row.",
};
static INPUT_VALUE: FaultCode = FaultCode {
    id: "input_value",
    action: "Give indices within the model's tables.",
};

static LABEL_MISSING: FaultCode = FaultCode {
    id: "label_missing",
    action: "Call rank, whose items carry their labels.",
};
static PROPENSITY_MISSING: FaultCode = FaultCode {
    id: "propensity_missing",
    action: "Call rank, whose items carry their propensities.",
};

/// One raw input in the engine's memory.
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
    staged: Vec<(String, Raw)>,
}

type Result<T> = core::result::Result<T, Problem>;

impl Session {
    /// Checks that the parts belong together and opens the model.
    pub(crate) fn open(manifest: &[u8], shelf: Vec<u8>, digest: Option<&[u8]>) -> Result<Self> {
        let manifest = Manifest::parse(manifest).map_err(bundle::unreadable)?;
        bundle::check(&manifest, &shelf, digest)?;
        let digest = manifest.model_digest();
        let ranker = Ranker::open(shelf).map_err(|error| {
            let hint = match error {
                OpenError::Log => ": import from shelfedge/full",
                _ => "",
            };
            Problem::new(Code::MODEL_UNUSABLE)
                .with_detail(["model.shelf: ", &error.to_string(), hint].concat())
        })?;
        let info = ranker.info();
        let inside = Digests {
            spec: info.spec,
            onnx: info.onnx,
            data: info.data,
        };
        manifest
            .check_digests(&inside)
            .map_err(|error| unusable(&error))?;
        Ok(Self {
            ranker,
            digest,
            profile: Profile::default(),
            workspace: Workspace::default(),
            staged: Vec::new(),
        })
    }

    /// `{"models":[..]}` with the one that is open.
    pub(crate) fn info(&self) -> Vec<u8> {
        models::write(&[Model::ranking(&self.ranker, &self.digest)])
    }

    /// Adds events to the profile: all, or none when one is faulty.
    pub(crate) fn observe(&mut self, json: &[u8]) -> Result<Vec<u8>> {
        let change = self.profile.add(events::decode(json, &Limits::DEFAULT)?);
        let mut out = Writer::with_capacity(256);
        out.open(b'{');
        out.key("added");
        out.raw(&crate::text(events::encode(&change.added)));
        out.key("evicted");
        out.open(b'[');
        for id in change.evicted.iter().map(EventId::as_str) {
            out.string(id);
        }
        out.close(b']');
        out.close(b'}');
        Ok(out.finish())
    }

    /// The profile's events.
    pub(crate) fn events(&self) -> Vec<u8> {
        events::encode(self.profile.events())
    }

    /// Forgets the profile.
    pub(crate) fn erase(&mut self) {
        self.profile.erase();
    }

    /// Ranks for the profile.
    pub(crate) fn rank(&mut self, json: &[u8], candidates: Option<&[u32]>) -> Result<Vec<u8>> {
        self.asked(json, candidates, |session, request| {
            session.respond(request)
        })
    }

    /// The same ranking as indices, then the bits of the scores.
    pub(crate) fn rank_bulk(
        &mut self,
        json: &[u8],
        candidates: Option<&[u32]>,
    ) -> Result<Vec<u32>> {
        self.asked(json, candidates, |session, request| {
            if request.sponsored.is_some() {
                let cause = "a bulk ranking has no room for the labels of sponsored products";
                let fault = Fault::new(&LABEL_MISSING, "sponsored", cause);
                return Err(Faults::from(fault).into());
            }
            // Constants in the default engine, which has neither.
            let field = match request.explore.is_some() {
                true => Some("explore"),
                false if request.policy.is_some() => Some("policy"),
                false => None,
            };
            if let Some(field) = field {
                let cause = "a bulk ranking has no room for propensities";
                let fault = Fault::new(&PROPENSITY_MISSING, field, cause);
                return Err(Faults::from(fault).into());
            }
            let ranked = rank::rank(&session.ranker, request, &mut session.workspace)?;
            let products = ranked.items.iter().map(|item| item.product);
            let scores = ranked.items.iter().map(|item| item.score.to_bits());
            Ok(products.chain(scores).collect())
        })
    }

    /// The request with the profile in it.
    pub(crate) fn request(&mut self, json: &[u8], candidates: Option<&[u32]>) -> Result<Vec<u8>> {
        self.asked(json, candidates, |_, request| {
            Ok(rank::write_request(request))
        })
    }

    /// Answers a request that brings its own events.
    pub(crate) fn answer(&mut self, json: &[u8]) -> Result<Vec<u8>> {
        let request = rank::parse(json, &Limits::DEFAULT)?;
        self.respond(&request)
    }

    fn respond(&mut self, request: &Request) -> Result<Vec<u8>> {
        rank::respond(&self.ranker, request, &self.digest, &mut self.workspace)
    }

    /// Completes a request with the profile's events, which are lent to it and
    /// not copied, and with candidates that are given by index.
    fn asked<T>(
        &mut self,
        json: &[u8],
        candidates: Option<&[u32]>,
        run: impl FnOnce(&mut Self, &Request) -> Result<T>,
    ) -> Result<T> {
        let mut request = rank::parse(json, &Limits::DEFAULT)?;
        if let Some(indices) = candidates {
            request.candidates = Some(self.ids(indices)?);
        }
        request.events = self.profile.take();
        let answer = run(self, &request);
        self.profile.put_back(request.events);
        answer
    }

    fn ids(&self, indices: &[u32]) -> Result<Vec<ProductId>> {
        let mut faults = Faults::default();
        if indices.len() > MAX_CANDIDATES {
            let cause = [
                &indices.len().to_string(),
                " candidates are more than ",
                &MAX_CANDIDATES.to_string(),
            ]
            .concat();
            return Err(Faults::from(Fault::new(&codes::TOO_MANY, "candidates", cause)).into());
        }
        let tables = self.ranker.tables();
        let mut ids = Vec::with_capacity(indices.len());
        for (at, index) in indices.iter().enumerate() {
            match tables
                .product(*index)
                .map(|product| ProductId::new(product.id))
            {
                Some(Ok(id)) => ids.push(id),
                _ => faults.push(Fault::new(
                    &INDEX_UNKNOWN,
                    ["candidates[", &at.to_string(), "]"].concat(),
                    ["there is no product ", &index.to_string()].concat(),
                )),
            }
        }
        faults.into_result(ids).map_err(Problem::from)
    }

    /// The products, in the order of their indices.
    pub(crate) fn products(&self) -> Vec<u8> {
        let tables = self.ranker.tables();
        let currency = self.ranker.info().currency;
        let count = self.ranker.product_count();
        let mut out = Writer::with_capacity(96 * count as usize);
        out.open(b'[');
        for product in (0..count).filter_map(|index| tables.product(index)) {
            out.open(b'{');
            out.key("item_id");
            out.string(product.id);
            out.key("title");
            out.string(product.title);
            out.key("price");
            out.raw(&Money::new(product.price_minor, currency).to_decimal());
            out.key("currency");
            out.string(currency.code());
            out.close(b'}');
        }
        out.close(b']');
        out.finish()
    }

    /// What to ask a shopper of whom nothing is known.
    pub(crate) fn questions(&self) -> Result<Vec<u8>> {
        answers::questions(&self.ranker)
    }

    /// The model's raw inputs.
    pub(crate) fn inputs(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(512);
        out.open(b'[');
        for port in self.ranker.inputs() {
            out.open(b'{');
            out.key("name");
            out.string(port.name);
            out.key("kind");
            out.string(match port.kind {
                Kind::F32 => "f32",
                Kind::I32 => "i32",
            });
            out.key("rows");
            out.string(match port.shape.rows {
                Rows::Shared => "shared",
                Rows::PerRow => "per_row",
            });
            out.key("len");
            out.unsigned(port.shape.len.into());
            out.key("width");
            out.unsigned(port.shape.width.into());
            out.close(b'}');
        }
        out.close(b']');
        out.finish()
    }

    /// Keeps a raw input for the next call of [`Session::score`].
    pub(crate) fn stage(&mut self, name: String, raw: Raw) {
        self.staged.push((name, raw));
    }

    /// Runs the model on the inputs that were staged, and forgets them.
    pub(crate) fn score(&mut self, rows: f64) -> Result<Vec<f32>> {
        let staged = std::mem::take(&mut self.staged);
        let mut faults = Faults::default();
        for (name, _) in &staged {
            if !self.ranker.inputs().any(|port| port.name == name) {
                faults.push(Fault::new(
                    &INPUT_UNKNOWN,
                    input_path(name),
                    "the model has no such input",
                ));
            }
        }
        let mut inputs = Vec::new();
        for port in self.ranker.inputs() {
            match (staged.iter().find(|(name, _)| name == port.name), port.kind) {
                (Some((_, Raw::F32(values))), Kind::F32) => inputs.push(Input::F32(values)),
                (Some((_, Raw::I32(values))), Kind::I32) => inputs.push(Input::I32(values)),
                (Some(_), _) => {
                    faults.push(Fault::new(
                        &INPUT_KIND,
                        input_path(port.name),
                        "the array is of another type",
                    ));
                }
                (None, _) => faults.push(Fault::new(
                    &INPUT_MISSING,
                    input_path(port.name),
                    "the input is missing",
                )),
            }
        }
        let count = rows as usize;
        if count as f64 != rows {
            faults.push(Fault::new(
                &codes::OUT_OF_RANGE,
                "rows",
                "the number of rows isn't a whole number",
            ));
        }
        faults.into_result(())?;
        let run = self.ranker.score(count, &inputs, &mut self.workspace);
        run.map(<[f32]>::to_vec).map_err(|error| {
            let (code, path) = match error {
                RunError::InputLength { input, .. } => (
                    &INPUT_SIZE,
                    self.ranker
                        .inputs()
                        .nth(input)
                        .map_or_else(String::new, |port| input_path(port.name)),
                ),
                RunError::TooManyRows { .. } => (&codes::OUT_OF_RANGE, "rows".to_owned()),
                _ => (&INPUT_VALUE, "inputs".to_owned()),
            };
            Problem::from(Faults::from(Fault::new(code, path, error.to_string())))
        })
    }
}

fn input_path(name: &str) -> String {
    ["inputs.", name].concat()
}

/// A part that isn't the bundle's.
#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The shop's bundle. Everything here also runs in Chromium on the built
    /// package; natively it runs with the first `cargo test`.
    fn session() -> Option<Session> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/ranking");
        let (Ok(manifest), Ok(shelf)) = (
            std::fs::read(folder.join("manifest.json")),
            std::fs::read(folder.join("model.shelf")),
        ) else {
            eprintln!("skipped: models/ranking is missing; `cargo xtask demo` makes it");
            return None;
        };
        Some(Session::open(&manifest, shelf, None).expect("the bundle"))
    }

    fn codes(problem: &Problem) -> Vec<&str> {
        problem.faults.iter().map(|fault| fault.code).collect()
    }

    const REQUEST: &[u8] =
        br#"{"now":"2011-12-10T10:00:00Z","shopper":"ann","limit":7,"explain":true}"#;
    const EVENTS: &[u8] = br#"[
        {"name":"purchase","id":"b","time":"2011-11-02T10:00:00Z","params":{"currency":"GBP","items":[{"item_id":"71053","quantity":2,"price":3.39}]}},
        {"name":"view_item","id":"a","time":"2011-11-01T10:00:00Z","params":{"items":[{"item_id":"85123A"}]}}]"#;

    #[test]
    fn what_is_no_bundle_is_refused_with_its_faults() {
        let problem = Session::open(b"{", Vec::new(), None)
            .err()
            .expect("a problem");
        assert_eq!(problem.code, "model_unusable");
        assert_eq!(codes(&problem), ["malformed_json"]);
        let problem = Session::open(b"{}", Vec::new(), None)
            .err()
            .expect("a problem");
        assert!(problem.faults.len() > 1, "{problem}");
    }

    #[test]
    fn the_profile_ranks_as_its_request_does() {
        let Some(mut session) = session() else { return };
        session.observe(EVENTS).expect("events");
        let ranked = session.rank(REQUEST, None).expect("a ranking");
        let body = session.request(REQUEST, None).expect("a request");
        // The events are still in the profile, and the answer without it is the same.
        assert_eq!(session.request(REQUEST, None).expect("a request"), body);
        session.erase();
        assert_eq!(session.answer(&body).expect("an answer"), ranked);
        assert_ne!(session.rank(REQUEST, None).expect("a ranking"), ranked);
    }

    #[test]
    fn a_bulk_ranking_is_the_ranking() {
        let Some(mut session) = session() else { return };
        session.observe(EVENTS).expect("events");
        let candidates: Vec<u32> = (0..200).collect();
        let bulk = session
            .rank_bulk(REQUEST, Some(&candidates))
            .expect("a ranking");
        assert_eq!(bulk.len(), 14);
        let text = crate::text(session.rank(REQUEST, Some(&candidates)).expect("a ranking"));
        let mut rest = text.as_str();
        for index in &bulk[..7] {
            let id = session.ranker.product(*index).expect("a product").id;
            let at = rest
                .find(&format!("\"item_id\":\"{id}\""))
                .expect("the product in its place");
            rest = &rest[at + 1..];
        }
        let scores: Vec<f32> = bulk[7..].iter().map(|bits| f32::from_bits(*bits)).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    }

    #[test]
    fn a_bulk_ranking_refuses_what_it_has_no_room_for() {
        let Some(mut session) = session() else { return };
        for (asked, code) in [
            (
                r#""sponsored":{"currency":"GBP","places":[2],"bids":[]}"#,
                "label_missing",
            ),
            (
                r#""explore":{"policy":"thompson","places":[2]}"#,
                "propensity_missing",
            ),
        ] {
            let asked = format!(r#"{{"now":"2011-12-10T10:00:00Z",{asked}}}"#);
            let problem = session
                .rank_bulk(asked.as_bytes(), None)
                .expect_err("a problem");
            // Without the feature `full` the request itself is refused, unless another
            // crate of the same build needs what it asks for.
            let found = codes(&problem);
            assert!(
                found.len() == 1 && [code, "rerank_unavailable"].contains(&found[0]),
                "{problem}"
            );
            assert!(!cfg!(feature = "full") || found == [code]);
        }
    }

    #[test]
    fn a_refused_ranking_loses_no_event() {
        let Some(mut session) = session() else { return };
        session.observe(EVENTS).expect("events");
        let before = session.events();
        for (body, candidates, code) in [
            (&br#"{"limit":3}"#[..], None, "now_missing"),
            (REQUEST, Some(vec![0, u32::MAX]), "product_index_unknown"),
            (REQUEST, Some(vec![0; MAX_CANDIDATES + 1]), "too_many"),
            (
                &br#"{"now":"2011-12-10T10:00:00Z","limit":0}"#[..],
                None,
                "out_of_range",
            ),
        ] {
            let problem = session
                .rank(body, candidates.as_deref())
                .expect_err("a problem");
            assert_eq!(codes(&problem), [code]);
            assert_eq!(session.events(), before);
        }
    }

    #[test]
    fn every_fault_of_raw_inputs_at_once() {
        let Some(mut session) = session() else { return };
        session.stage("colour".into(), Raw::F32(vec![1.0]));
        session.stage("product".into(), Raw::F32(vec![1.0]));
        let problem = session.score(1.5).expect_err("a problem");
        let found = codes(&problem);
        for code in [
            "input_unknown",
            "input_kind",
            "input_missing",
            "out_of_range",
        ] {
            assert!(found.contains(&code), "{problem}");
        }
        // What was staged is forgotten, also after a refusal.
        assert!(session.staged.is_empty());
    }
}
