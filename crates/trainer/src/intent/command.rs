//! The command: texts to a bundle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_assistant::{Buffers, Classifier};
use shelfedge_wire::intent;
use shelfedge_wire::manifest::{hex, sha256};

use super::{Bundle, Correction, Dispute, Effect, Feedback, Settings, Teacher, Trial, build};
use crate::bundle::{self, Staging};
use crate::error::{Error, Result};
use crate::export::internal;
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
    /// SHA-256 of the teacher's model, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// What people put right, where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Heard>,
    /// Bytes of the compiled model.
    pub shelf_bytes: usize,
}

/// What people put right.
#[derive(Clone, Debug, Serialize)]
pub struct Heard {
    /// Texts that taught, each once.
    pub corrections: usize,
    /// Rows with a label.
    pub rows: usize,
    /// Rows that nobody has labelled yet.
    pub unlabelled: usize,
    /// Rows in which a person agreed with the engine.
    pub confirmed: usize,
    /// Texts that people disagree about.
    pub disputes: Vec<Dispute>,
    /// What they made of it; none where no correction was left.
    pub effect: Option<Effect>,
}

impl Heard {
    fn table(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "{} corrections of {} rows, {} of which agree with the engine",
            self.corrections, self.rows, self.confirmed
        );
        if self.unlabelled > 0 {
            let _ = writeln!(out, "{} rows without a label yet", self.unlabelled);
        }
        for dispute in &self.disputes {
            let _ = match &dispute.taken {
                Some(label) => writeln!(out, "people disagree, {label} is taken: {}", dispute.text),
                None => writeln!(out, "people disagree, so it is left out: {}", dispute.text),
            };
            let wide = dispute.votes.iter().map(|(label, _)| label.chars().count());
            let wide = wide.max().unwrap_or(0);
            for (label, rows) in &dispute.votes {
                let _ = writeln!(out, "  {label:<wide$}  {}", rows.join(", "));
            }
        }
        if let Some(effect) = &self.effect {
            let _ = writeln!(
                out,
                "{} texts of the data have another label",
                effect.changed
            );
            let _ = writeln!(out, "right answers, held back     count  without     with");
            for (name, asked) in [("texts", effect.texts), ("corrections", effect.corrections)] {
                let _ = writeln!(
                    out,
                    "  {name:<22} {:>9} {:>8.4} {:>8.4}",
                    asked.count, asked.without, asked.with
                );
            }
        }
    }
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
        if let Some(feedback) = &self.feedback {
            feedback.table(&mut out);
        }
        if self.threshold > 0.0 {
            let _ = writeln!(out, "out of scope below probability {:.3}", self.threshold);
        }
        let _ = write!(out, "{}: {} bytes", self.out, self.shelf_bytes);
        out
    }
}

#[derive(Serialize)]
struct Case<'a> {
    request: Asked<'a>,
    probabilities: Vec<f32>,
    /// The exact response, as text.
    response: String,
}

#[derive(Serialize)]
struct Asked<'a> {
    text: &'a str,
}

impl Bundle {
    /// Puts the bundle in the place of what is at `out`.
    pub(crate) fn write(
        &self,
        texts: &Texts,
        feedback: Option<&Feedback>,
        out: &Path,
    ) -> Result<()> {
        let step = texts.texts.len().div_ceil(CASES).max(1);
        let classifier =
            Classifier::open(&self.shelf[..]).map_err(|e| internal("open", e.to_string()))?;
        let digest = format!("sha256:{}", hex(&sha256(&self.shelf)));
        let mut buffers = Buffers::default();
        let cases: Vec<Case<'_>> = (texts.texts.iter().step_by(step))
            .filter(|text| text.len() <= intent::MAX_TEXT_BYTES)
            .map(|text| {
                let request = intent::Request::of(text.clone());
                let response = intent::respond(&classifier, &request, &digest, &mut buffers);
                Case {
                    request: Asked { text },
                    probabilities: classifier
                        .classify(text, &mut buffers)
                        .probabilities
                        .to_vec(),
                    response: String::from_utf8_lossy(&response).into_owned(),
                }
            })
            .collect();
        let golden = serde_json::to_vec_pretty(&serde_json::json!({ "format": 1, "cases": cases }))
            .map_err(|e| internal("golden", e.to_string()))?;
        let corrections = feedback.map_or(&[][..], |it| &it.corrections);
        let corrections = corrections
            .iter()
            .map(|Correction { text, label }| (text, label));
        let pairs = texts.texts.iter().zip(&texts.labels).chain(corrections);
        let card = self.card(texts, feedback);
        let bundle = bundle::OfTexts {
            task: "intent",
            shelf: &self.shelf,
            onnx: &self.onnx,
            spec: &self.spec,
            golden: &golden,
            card: &card,
        };
        bundle.write(pairs.flat_map(|(text, label)| [&text[..], label]), out)
    }

    fn card(&self, texts: &Texts, feedback: Option<&Feedback>) -> String {
        let mut out = String::from("# What customers mean\n\n");
        let _ = writeln!(
            out,
            "A classifier of texts, learnt from {} texts with {} labels by `shelfedge-train intent`. The compiled model has {} \
             bytes.\n",
            texts.texts.len(),
            self.names.len(),
            self.shelf.len()
        );
        if let Some(teacher) = &self.teacher {
            let _ = writeln!(
                out,
                "The network learnt from a teacher as well (a model with the SHA-256 {teacher}), whose licence may bind what is \
                 learnt from it.\n"
            );
        }
        let _ = writeln!(
            out,
            "On texts that were held back (a tenth; of fewer than 5,000 texts each fifth in turn), before the model was learnt again \
             from all of them; the smallest of what is nearly best was chosen:\n\n\
             | what | cost of a mistake | accuracy | mean -ln p | calibration error | |\n|---|---|---|---|---|---|"
        );
        for (i, trial) in self.trials.iter().enumerate() {
            let chosen = if i == self.chosen { "chosen" } else { "" };
            let _ = writeln!(
                out,
                "| {} | {} | {:.4} | {:.3} | {:.3} | {chosen} |",
                trial.form(),
                trial.cost,
                trial.accuracy,
                trial.loss,
                trial.calibration
            );
        }
        let _ = writeln!(
            out,
            "\nThe calibration error is how far the probability of an answer is from the share of right ones, in the mean of ten bins."
        );
        if let Some(feedback) = feedback {
            self.of_feedback(feedback, &mut out);
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

    fn of_feedback(&self, feedback: &Feedback, out: &mut String) {
        let _ = writeln!(
            out,
            "\nPeople put {} texts right, in {} rows, {} of which agree with what the engine had understood.",
            feedback.corrections.len(),
            feedback.rows,
            feedback.confirmed
        );
        let disputes = feedback.disputes.len();
        if disputes > 0 {
            let left_out = feedback.disputes.iter().filter(|it| it.taken.is_none());
            let _ = writeln!(
                out,
                "They disagree about {disputes} texts: most of them decide, and where they are even, as of {}, the text is left \
                 out.",
                left_out.count()
            );
        }
        let Some(effect) = &self.effect else {
            return;
        };
        let _ = writeln!(
            out,
            "{} texts of the data got another label. Right answers on what was held back, out of scope counted; a correction that \
             is but for its numbers a text that is asked for didn't teach:\n\n\
             | asked | count | from the data alone | with the corrections |\n|---|---|---|---|",
            effect.changed
        );
        for (name, asked) in [
            ("texts of the data", effect.texts),
            ("corrections", effect.corrections),
        ]
        .into_iter()
        .filter(|(_, asked)| asked.count > 0)
        {
            let _ = writeln!(
                out,
                "| {name} | {} | {:.4} | {:.4} |",
                asked.count, asked.without, asked.with
            );
        }
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

/// What the command reads.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Tables of texts with labels.
    pub data: &'a [PathBuf],
    /// Their columns of texts and of labels.
    pub columns: [&'a str; 2],
    /// What people put right: columns `text`, `label` and perhaps `was`.
    pub feedback: &'a [PathBuf],
}

/// Reads texts, learns, and writes the bundle.
pub fn run(
    sources: Sources<'_>,
    out: &Path,
    teacher: Option<&Teacher>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost minutes to find.
    drop(Staging::begin(out)?);
    let texts = texts::import(sources.data, sources.columns, watch)?;
    let feedback = match sources.feedback {
        [] => None,
        files => Some(Feedback::import(files, &texts.labels, watch)?),
    };
    let corrections = feedback.as_ref().map_or(&[][..], |it| &it.corrections);
    let bundle = build(&texts, corrections, teacher, settings, watch)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let bytes = bundle.shelf.len();
    if bytes > settings.max_bytes {
        return Err(Error::fault(
            "model_too_large",
            "--max-bytes",
            format!(
                "the smallest model of these labels has {bytes} bytes, more than {}",
                settings.max_bytes
            ),
            "allow more bytes, or give fewer labels",
        ));
    }
    bundle.write(&texts, feedback.as_ref(), out)?;
    Ok(Outcome {
        out: out.display().to_string(),
        texts: texts.texts.len(),
        left_out: texts.left_out,
        labels: bundle.names.len(),
        threshold: bundle.threshold,
        shelf_bytes: bundle.shelf.len(),
        teacher: bundle.teacher,
        chosen: bundle.chosen,
        trials: bundle.trials,
        feedback: feedback.map(|it| Heard {
            corrections: it.corrections.len(),
            rows: it.rows,
            unlabelled: it.unlabelled,
            confirmed: it.confirmed,
            disputes: it.disputes,
            effect: bundle.effect,
        }),
    })
}
