//! Bundles of models that look at nothing but a log: trees, the log's section,
//! and the shop's products.

use std::path::Path;

use shelfedge_commerce::money::Currency;
use shelfedge_commerce::time::{HOUR, Timestamp};
use shelfedge_features::Spec;
use shelfedge_features::tables::{self, Meta, ProductRow};
use shelfedge_onnx::{Options, lower};
use shelfedge_wire::manifest::{Digests, Manifest, Part, hex, sha256};

use crate::boost::Forest;
use crate::bundle::{CARD, MANIFEST, Staging};
use crate::error::Result;
use crate::export::{forest as forest_onnx, internal};
use crate::golden;

/// What such a model is made of.
pub(crate) struct Content<'a> {
    /// The name of the trees' input, and how many numbers it has.
    pub(crate) input: (&'static str, usize),
    /// The trees.
    pub(crate) forest: &'a Forest,
    /// The log.
    pub(crate) section: (&'static str, Vec<u8>),
    /// What stands for an unknown row, one after the other.
    pub(crate) reference: Vec<u8>,
    /// The products, with so many neighbours each.
    pub(crate) products: &'a [ProductRow],
    /// Neighbours of a product.
    pub(crate) neighbours: usize,
    /// The popular ones.
    pub(crate) popular: &'a [u32],
    /// What the products have in common, where that is known.
    pub(crate) attributes: Option<(&'static str, Vec<u8>)>,
    /// What to ask new shoppers, where that is wanted.
    pub(crate) questions: Option<(&'static str, Vec<u8>)>,
    /// The sequence model beside the log, where there is one.
    pub(crate) attention: Option<(&'static str, Vec<u8>)>,
    /// When its log ends, where it has a clock.
    pub(crate) as_of: Option<Timestamp>,
    /// The shop's currency.
    pub(crate) currency: Currency,
    /// SHA-256 of what it was learnt from.
    pub(crate) data: [u8; 32],
}

/// A compiled model.
pub(crate) struct Compiled {
    pub(crate) onnx: Vec<u8>,
    pub(crate) shelf: Vec<u8>,
    digests: Digests,
    width: usize,
}

impl Content<'_> {
    pub(crate) fn compile(self) -> Result<Compiled> {
        let spec = Spec::empty();
        let spec_json = spec.to_json();
        let spec_digest = sha256(spec_json.as_bytes());
        let mut metadata = vec![
            ("shelfedge.task", "ranking".to_owned()),
            ("shelfedge.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("shelfedge.spec_sha256", hex(&spec_digest)),
            ("shelfedge.data_sha256", hex(&self.data)),
        ];
        metadata.extend(self.as_of.map(|at| ("shelfedge.as_of", at.to_string())));
        metadata.extend([
            (
                "shelfedge.licence",
                "weights and tables under the licence of the training data; see CARD.md".to_owned(),
            ),
            ("shelfedge.spec", spec_json),
        ]);
        let (input, width) = self.input;
        let onnx = forest_onnx(input, self.forest, width, &metadata)?;
        let digests = Digests {
            spec: spec_digest,
            onnx: sha256(&onnx),
            data: self.data,
        };
        let meta = Meta {
            spec: digests.spec,
            onnx: digests.onnx,
            data: self.data,
            as_of: self.as_of.unwrap_or(Timestamp(0)),
            currency: self.currency,
        };
        let written = tables::write(self.products, self.neighbours, self.popular);
        let mut sections = vec![
            ("meta", meta.write()),
            ("spec", spec.write()),
            ("products", written.products),
            ("similar", written.similar),
            ("popular", written.popular),
            self.section,
            ("reference", self.reference),
        ];
        sections.extend(self.attributes);
        sections.extend(self.questions);
        sections.extend(self.attention);
        let shelf = lower(&onnx, &Options::default())
            .map_err(|e| internal("lowering", e.to_string()))?
            .compile(&sections)
            .map_err(|e| internal("compile", e.to_string()))?;
        Ok(Compiled {
            onnx,
            shelf,
            digests,
            width,
        })
    }
}

impl Compiled {
    /// With its card, manifest and golden cases, ready to be written. The cases'
    /// shoppers did what `event` names, up to `end`.
    pub(crate) fn bundle(
        self,
        end: Timestamp,
        forest: &Forest,
        event: &str,
        card: String,
    ) -> Result<Parts> {
        let shelf = Part::of(&self.shelf);
        let kind = golden::Kind {
            event,
            candidates: 8,
            has_rules: true,
        };
        let requests = golden::made_up(&self.shelf, Timestamp(end.0 + HOUR), kind)?;
        let golden = golden::golden(
            requests,
            &self.shelf,
            &format!("sha256:{}", hex(&shelf.sha256)),
            |encoded| {
                let rows = encoded.logged.chunks_exact(self.width);
                rows.map(|row| forest.score(row)).collect()
            },
        )?;
        let manifest = Manifest {
            task: "ranking".to_owned(),
            producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
            created: end,
            parts: [
                ("model.shelf".to_owned(), shelf),
                ("model.onnx".to_owned(), Part::of(&self.onnx)),
                (golden::FILE.to_owned(), Part::of(&golden.bytes)),
            ]
            .into_iter()
            .collect(),
            digests: self.digests,
            shelf: self.digests,
        };
        Ok(Parts([
            ("model.shelf", self.shelf),
            ("model.onnx", self.onnx),
            (golden::FILE, golden.bytes),
            (CARD, card.into_bytes()),
            (MANIFEST, manifest.to_json()),
        ]))
    }
}

/// The parts of a bundle that isn't written yet, the compiled model first.
#[derive(Debug)]
pub(crate) struct Parts([(&'static str, Vec<u8>); 5]);

impl Parts {
    pub(crate) fn shelf(&self) -> &[u8] {
        &self.0[0].1
    }

    /// Adds to what the card tells.
    pub(crate) fn tell(&mut self, text: &str) {
        self.0[3].1.extend_from_slice(text.as_bytes());
    }

    /// Puts the bundle in the place of what is at `out`.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        let staging = Staging::begin(out)?;
        for (name, bytes) in &self.0 {
            staging.write(name, bytes)?;
        }
        staging.commit()
    }
}
