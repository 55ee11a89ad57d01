//! The command: texts to a bundle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_commerce::time::Timestamp;
use shelfedge_wire::manifest::{Digests, Manifest, Part, sha256};

use super::{Bundle, Settings, Trial, build, predict};
use crate::bundle::{CARD, MANIFEST, Staging};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::golden;
use crate::import::texts::{self, Texts};
use crate::watch::Watch;

/// Texts that any target can be asked for the compiled model's own answers.
const CASES: usize = 32;

/// What the command did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The bundle's folder.
    pub out: String,
    /// Texts that taught.
    pub texts: usize,
    /// Rows without a text or a label.
    pub left_out: u64,
    /// Labels.
    pub labels: usize,
    /// What was tried on texts that were held back, and what it was worth.
    pub trials: Vec<Trial>,
    /// The trial that was chosen.
    pub chosen: usize,
    /// The probability below which a text is out of scope; 0 where no text is.
    pub threshold: f32,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let chosen = &self.trials[self.chosen];
        let mut out = String::new();
        let _ = writeln!(out, "{} texts with {} labels", self.texts, self.labels);
        if self.left_out > 0 {
            let _ = writeln!(out, "{} rows without a text or a label", self.left_out);
        }
        let _ = writeln!(
            out,
            "on texts that were held back: accuracy {:.4}, by {}",
            chosen.accuracy,
            chosen.form()
        );
        if self.threshold > 0.0 {
            let _ = writeln!(out, "out of scope below probability {:.3}", self.threshold);
        }
        let _ = write!(out, "{}: {} bytes", self.out, self.shelf_bytes);
        out
    }
}

#[derive(Serialize)]
struct Case<'a> {
    text: &'a str,
    label: Option<String>,
    probabilities: Vec<f32>,
}

impl Bundle {
    /// Puts the bundle in the place of what is at `out`.
    pub(crate) fn write(&self, texts: &Texts, out: &Path) -> Result<()> {
        let step = texts.texts.len().div_ceil(CASES).max(1);
        let asked: Vec<&str> = texts
            .texts
            .iter()
            .step_by(step)
            .map(String::as_str)
            .collect();
        let mut cases = Vec::new();
        let mut left = asked.iter();
        predict(
            &self.shelf,
            asked.iter().copied(),
            |label, probabilities| {
                cases.push(Case {
                    text: left.next().copied().unwrap_or_default(),
                    label: label.map(str::to_owned),
                    probabilities: probabilities.to_vec(),
                });
            },
        )?;
        let golden = serde_json::to_vec_pretty(&serde_json::json!({ "format": 1, "cases": cases }))
            .map_err(|e| internal("golden", e.to_string()))?;
        let mut data = Vec::new();
        for (text, label) in texts.texts.iter().zip(&texts.labels) {
            for part in [text, label] {
                data.extend((part.len() as u64).to_le_bytes());
                data.extend(part.as_bytes());
            }
        }
        let digests = Digests {
            spec: sha256(&self.spec),
            onnx: sha256(&self.onnx),
            data: sha256(&data),
        };
        let manifest = Manifest {
            task: "intent".to_owned(),
            producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
            created: Timestamp(0),
            parts: [
                ("model.shelf".to_owned(), Part::of(&self.shelf)),
                ("model.onnx".to_owned(), Part::of(&self.onnx)),
                (golden::FILE.to_owned(), Part::of(&golden)),
            ]
            .into_iter()
            .collect(),
            digests,
            shelf: digests,
        };
        let card = self.card(texts);
        let staging = Staging::begin(out)?;
        for (name, bytes) in [
            ("model.shelf", &self.shelf[..]),
            ("model.onnx", &self.onnx),
            (golden::FILE, &golden),
            (CARD, card.as_bytes()),
            (MANIFEST, &manifest.to_json()),
        ] {
            staging.write(name, bytes)?;
        }
        staging.commit()
    }

    fn card(&self, texts: &Texts) -> String {
        let mut out = String::from("# What customers mean\n\n");
        let _ = writeln!(
            out,
            "A classifier of texts, learnt from {} texts with {} labels by `shelfedge-train intent`. The compiled model has {} \
             bytes.\n",
            texts.texts.len(),
            self.names.len(),
            self.shelf.len()
        );
        let _ = writeln!(
            out,
            "On texts that were held back (a tenth; of fewer than 2,000 texts each fifth in turn), before the model was learnt again \
             from all of them; the smallest of what is nearly best was chosen:\n\n\
             | what | cost of a mistake | accuracy | mean -ln p | |\n|---|---|---|---|---|"
        );
        for (i, trial) in self.trials.iter().enumerate() {
            let chosen = if i == self.chosen { "chosen" } else { "" };
            let _ = writeln!(
                out,
                "| {} | {} | {:.4} | {:.3} | {chosen} |",
                trial.form(),
                trial.cost,
                trial.accuracy,
                trial.loss
            );
        }
        let _ = match self.threshold > 0.0 {
            true => writeln!(
                out,
                "\nA text whose best label has a probability below {:.3} is out of scope: right most often among the texts \
                 that were held back, if a fifth of what customers write is out of scope.",
                self.threshold
            ),
            false => writeln!(
                out,
                "\nNo text of the data is out of scope, so none is taken to be."
            ),
        };
        crate::card::licence(&mut out, None);
        out
    }
}

impl Trial {
    /// What it is made of.
    #[must_use]
    pub fn form(&self) -> String {
        match self.share {
            share if share <= 0.0 => "linear scores".to_owned(),
            share if share >= 1.0 => "network".to_owned(),
            share => format!("linear scores and {:.0} % network", 100.0 * share),
        }
    }
}

/// Reads texts, learns, and writes the bundle.
pub fn run(
    files: &[PathBuf],
    columns: [&str; 2],
    out: &Path,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    drop(Staging::begin(out)?);
    let texts = texts::import(files, columns, watch)?;
    let bundle = build(&texts, settings, watch)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    bundle.write(&texts, out)?;
    Ok(Outcome {
        out: out.display().to_string(),
        texts: texts.texts.len(),
        left_out: texts.left_out,
        labels: bundle.names.len(),
        threshold: bundle.threshold,
        shelf_bytes: bundle.shelf.len(),
        chosen: bundle.chosen,
        trials: bundle.trials,
    })
}
