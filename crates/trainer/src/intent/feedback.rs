//! What people put right: texts that the engine understood wrongly, with the labels that
//! they have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use shelfedge_features::text::{MAX_TEXT_BYTES, Text};

use super::{OUT_OF_SCOPE, alike};
use crate::error::{Error, Result, fault};
use crate::import::texts::{self, Judged};
use crate::watch::Watch;

/// Faults told in full.
const TOLD: usize = 100;

/// A text that was put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// What the customer wrote, with made-up numbers for what was masked.
    pub text: String,
    /// What it is about.
    pub label: String,
}

impl Correction {
    /// Of what a person saw, and what it is about.
    #[must_use]
    pub fn of(text: &str, label: &str) -> Self {
        Self {
            text: alike::unmasked(text.trim(), &mut Text::default()),
            label: label.to_owned(),
        }
    }
}

/// Corrections, each text once.
#[derive(Clone, Debug, Default)]
pub struct Feedback {
    /// In the order of the files.
    pub corrections: Vec<Correction>,
    /// Rows with a label.
    pub rows: usize,
    /// Rows that nobody has labelled yet.
    pub unlabelled: usize,
    /// Rows in which a person agreed with the engine.
    pub confirmed: usize,
    /// Texts that people disagree about.
    pub disputes: Vec<Dispute>,
}

/// A text that people disagree about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dispute {
    /// The text, as the first row has it.
    pub text: String,
    /// Each label, with the rows that give it.
    pub votes: Vec<(String, Vec<String>)>,
    /// The label that most rows give; none where several are even, and the text is left
    /// out.
    pub taken: Option<String>,
}

impl Feedback {
    /// Reads files. The labels are those of the data; out of scope is one, too.
    pub fn import(files: &[PathBuf], known: &[String], watch: &mut dyn Watch) -> Result<Self> {
        let mut rows = Vec::new();
        for file in files {
            rows.extend(texts::judged(file, true, watch)?);
        }
        Self::of(&rows, known)
    }

    /// Of rows.
    pub(crate) fn of(rows: &[Judged], known: &[String]) -> Result<Self> {
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        let mut faults = Vec::new();
        let mut out = Self::default();
        let mut buffer = Text::default();
        // By the normal text: its first row, and the rows of each label.
        let mut votes: BTreeMap<String, (usize, BTreeMap<&str, Vec<usize>>)> = BTreeMap::new();
        for (i, row) in rows.iter().enumerate() {
            let text = row.text.trim();
            if text.is_empty() || text.len() > MAX_TEXT_BYTES {
                faults.push(match text.len() {
                    0 => fault(
                        "text_missing",
                        row.place.clone(),
                        "it has no text",
                        "take the row out, or give the text that the label is for",
                    ),
                    bytes => fault(
                        "text_too_long",
                        row.place.clone(),
                        format!("{bytes} bytes, of at most {MAX_TEXT_BYTES}"),
                        "give what the customer wrote in one go, not the conversation",
                    ),
                });
                continue;
            }
            let Some(label) = row.label.as_deref() else {
                out.unlabelled += 1;
                continue;
            };
            if label != OUT_OF_SCOPE && !known.contains(label) {
                let names: Vec<&str> = known.iter().copied().collect();
                faults.push(fault(
                    "label_unknown",
                    row.place.clone(),
                    format!("the data has no label {label:?}; it has {}", names.join(", ")),
                    format!(
                        "correct the label, give {OUT_OF_SCOPE} for what has none of them, or add at least ten texts of a new \
                         label to the data"
                    ),
                ));
                continue;
            }
            out.rows += 1;
            out.confirmed += usize::from(row.was.as_deref() == Some(label));
            let (_, of_text) = (votes.entry(alike::normal(text, &mut buffer)))
                .or_insert_with(|| (i, BTreeMap::new()));
            of_text.entry(label).or_default().push(i);
        }
        if !faults.is_empty() {
            faults.truncate(TOLD);
            return Err(Error::Invalid(faults));
        }
        let mut texts: Vec<_> = votes.into_values().collect();
        texts.sort_unstable_by_key(|(first, _)| *first);
        for (first, votes) in texts {
            let most = votes.values().map(Vec::len).max().unwrap_or(0);
            let mut leading = votes.iter().filter(|(_, rows)| rows.len() == most);
            let taken = match (leading.next(), leading.next()) {
                (Some((label, _)), None) => Some((*label).to_owned()),
                _ => None,
            };
            if votes.len() > 1 {
                let place = |i: &usize| rows[*i].place.clone();
                out.disputes.push(Dispute {
                    text: rows[first].text.trim().to_owned(),
                    votes: (votes.iter())
                        .map(|(label, which)| {
                            ((*label).to_owned(), which.iter().map(place).collect())
                        })
                        .collect(),
                    taken: taken.clone(),
                });
            }
            if let Some(label) = taken {
                out.corrections
                    .push(Correction::of(&rows[first].text, &label));
            }
        }
        Ok(out)
    }
}

/// What corrections made of it, by texts that were held back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Texts of the data whose label a correction changed.
    pub changed: usize,
    /// Of the data's texts that were held back.
    pub texts: Asked,
    /// Of the corrections that were held back.
    pub corrections: Asked,
}

/// Texts that were asked for, and the share of right answers, out of scope counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Asked {
    /// How many.
    pub count: usize,
    /// Learnt from the data alone.
    pub without: f64,
    /// Learnt from the data and the corrections.
    pub with: f64,
}

impl Asked {
    pub(super) fn of(answers: impl Iterator<Item = [bool; 2]>) -> Self {
        let (mut count, mut right) = (0usize, [0usize; 2]);
        for answer in answers {
            count += 1;
            (right.iter_mut().zip(answer)).for_each(|(n, right)| *n += usize::from(right));
        }
        let [without, with] = right.map(|right| right as f64 / count.max(1) as f64);
        Self {
            count,
            without,
            with,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[(&str, &str, &str)]) -> Vec<Judged> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (1..)
            .zip(of)
            .map(|(n, (text, label, was))| Judged {
                place: format!("desk.csv row {n}"),
                text: (*text).to_owned(),
                label: given(label),
                was: given(was),
            })
            .collect()
    }

    fn known() -> Vec<String> {
        ["human", "refund", "refund"].map(str::to_owned).to_vec()
    }

    #[test]
    fn people_who_agree_count_once_and_those_who_do_not_are_told() {
        let feedback = Feedback::of(
            &rows(&[
                ("My money back!", "refund", "human"),
                ("my money BACK", "refund", ""),
                ("hm", "oos", "oos"),
                ("what about it", "refund", "human"),
                ("What about it?", "human", ""),
                ("what about it", "refund", ""),
                ("even", "refund", ""),
                ("even", "human", ""),
                ("later", "", "human"),
            ]),
            &known(),
        )
        .unwrap();
        let all: Vec<(&str, &str)> = (feedback.corrections.iter())
            .map(|it| (it.text.as_str(), it.label.as_str()))
            .collect();
        assert_eq!(
            all,
            [
                ("My money back!", "refund"),
                ("hm", "oos"),
                ("what about it", "refund")
            ]
        );
        assert_eq!((feedback.rows, feedback.unlabelled), (8, 1));
        assert_eq!(feedback.confirmed, 1);
        let [split, even] = &feedback.disputes[..] else {
            panic!("{:?}", feedback.disputes);
        };
        assert_eq!(split.taken.as_deref(), Some("refund"));
        assert_eq!(split.votes[0].1, ["desk.csv row 5"]);
        assert_eq!(split.votes[1].1, ["desk.csv row 4", "desk.csv row 6"]);
        assert_eq!((even.text.as_str(), &even.taken), ("even", &None));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let long = "long ".repeat(MAX_TEXT_BYTES);
        let rows = rows(&[
            ("fine", "human", ""),
            (" ", "human", ""),
            (&long, "human", ""),
            ("typo", "humna", ""),
            ("and", "Refund", ""),
        ]);
        let error = Feedback::of(&rows, &known()).unwrap_err();
        let codes: Vec<&str> = error.faults().iter().map(|it| it.code).collect();
        assert_eq!(
            codes,
            [
                "text_missing",
                "text_too_long",
                "label_unknown",
                "label_unknown"
            ]
        );
        let told = error.to_string();
        assert!(told.contains("desk.csv row 4"), "{told}");
        assert!(told.contains("human, refund"), "{told}");
    }
}
