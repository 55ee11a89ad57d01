//! Which texts are worth a person's time: those that the model can't tell, and that speak
//! for many others of the kind.
//!
//! Of ten times as many texts as are wanted (2,000 at least), those of the least margin
//! between the two most probable labels, the wanted ones are picked that cover the others best (filtered active
//! submodular selection: Wei, Iyer and Bilmes, 2015). How well a text covers another is the
//! square of their cosine, over tf-idf of words, their pairs and their parts; the objective
//! is a facility location, of which a greedy choice has at least 63 % of the best (Nemhauser,
//! Wolsey and Fisher, 1978), with lazy evaluation (Minoux, 1978).

use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfedge_assistant::entities::{Context, Pattern, mask};
use shelfedge_assistant::{Buffers, Classifier, country};
use shelfedge_features::text::{Grams, MAX_TEXT_BYTES, Text};

use super::rows::Lexicon;
use super::{OUT_OF_SCOPE, alike};
use crate::error::{Error, Result, fault};
use crate::export::internal;
use crate::import::texts;
use crate::watch::Watch;
use crate::{assistant, bundle};

/// Texts that can be asked for at once.
pub const MOST_WANTED: usize = 1000;
/// Candidates for each text that is wanted.
const CANDIDATES: usize = 10;
/// Candidates, at least.
const LEAST_CANDIDATES: usize = 2000;
/// Two texts whose cosine is larger are near duplicates: one of them is asked for.
const NEAR: f32 = 0.8;
/// A cosine that is smaller counts for nothing.
const FAR: f32 = 0.1;
/// Most grams of a text that are read.
const MOST_PLACES: usize = 512;
/// Faults told in full.
const TOLD: usize = 100;
const GRAMS: Grams = Grams {
    words: 2,
    han: 4,
    chars: (3, 3),
};

/// A text that should be labelled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wanted {
    /// Its place among the texts that were given: the first of those that are the same.
    pub at: usize,
    /// What it is taken to be about; out of scope too.
    pub guess: String,
    /// The most probable label's probability.
    pub probability: f32,
    /// By how much that is more than the next one's.
    pub margin: f32,
    /// How often it was written, but for case, marks and masked numbers.
    pub count: usize,
    /// For how many unsure texts it speaks that none before it speaks for.
    pub covers: f32,
}

struct Candidate {
    at: usize,
    count: usize,
    guess: String,
    probability: f32,
    margin: f32,
}

/// Picks at most `count` texts, the most valuable first.
///
/// # Errors
/// A file that is no classifier; the user's wish to stop.
pub fn pick(
    shelf: &[u8],
    texts: &[String],
    known: &[String],
    count: usize,
    watch: &mut dyn Watch,
) -> Result<Vec<Wanted>> {
    let mut candidates = asked(shelf, texts, known, watch)?;
    candidates.sort_by(|a, b| a.margin.total_cmp(&b.margin).then(a.at.cmp(&b.at)));
    candidates.truncate(count.saturating_mul(CANDIDATES).max(LEAST_CANDIDATES));
    let of = |it: &Candidate| texts[it.at].as_str();
    let lexicon = Lexicon::of(candidates.iter().map(of), GRAMS, 1, |_| true);
    let near = neighbours(&lexicon, candidates.iter().map(of), watch)?;
    let mut covered = vec![0.0f32; candidates.len()];
    let gain = |i: usize, covered: &[f32]| -> f32 {
        let more = near[i].iter().map(|(j, cosine)| {
            let j = *j as usize;
            (cosine * cosine - covered[j]).max(0.0) * candidates[j].count as f32
        });
        more.sum()
    };
    // A gain can only shrink, so one that is newly reckoned and still the largest is.
    let mut waiting: BinaryHeap<Gain> = (0..candidates.len())
        .map(|i| Gain {
            gain: gain(i, &covered),
            i,
            reckoned: 0,
        })
        .collect();
    let mut near_picked = vec![false; candidates.len()];
    let mut picked = Vec::new();
    while picked.len() < count
        && let Some(next) = waiting.pop()
    {
        if near_picked[next.i] {
            continue;
        }
        if next.reckoned < picked.len() {
            waiting.push(Gain {
                gain: gain(next.i, &covered),
                reckoned: picked.len(),
                ..next
            });
            continue;
        }
        for (j, cosine) in &near[next.i] {
            let j = *j as usize;
            covered[j] = covered[j].max(cosine * cosine);
            near_picked[j] |= *cosine > NEAR;
        }
        let own = &candidates[next.i];
        picked.push(Wanted {
            at: own.at,
            guess: own.guess.clone(),
            probability: own.probability,
            margin: own.margin,
            count: own.count,
            covers: next.gain,
        });
        if picked.len().is_multiple_of(16) {
            watch.step("picking", picked.len() as u64, count as u64, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(picked)
}

/// Each text once, with what the model takes it for; none that is known.
fn asked(
    shelf: &[u8],
    texts: &[String],
    known: &[String],
    watch: &mut dyn Watch,
) -> Result<Vec<Candidate>> {
    let classifier = Classifier::open(shelf).map_err(|e| internal("open", e.to_string()))?;
    let (mut buffer, mut buffers) = (Text::default(), Buffers::default());
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (at, text) in texts.iter().enumerate() {
        if !text.trim().is_empty() {
            let normal = alike::normal(text, &mut buffer);
            counts.entry(normal).or_insert((at, 0)).1 += 1;
        }
    }
    for text in known {
        counts.remove(&alike::normal(text, &mut buffer));
    }
    let mut out = Vec::with_capacity(counts.len());
    let all = counts.len() as u64;
    for (done, (at, count)) in (0u64..).zip(counts.into_values()) {
        if done.is_multiple_of(1024) {
            watch.step("understanding", done, all, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        let answer = classifier.classify(&alike::unmasked(&texts[at], &mut buffer), &mut buffers);
        let probability = answer.probabilities[answer.best];
        let others = answer.probabilities.iter().enumerate();
        let next = others.filter(|(i, _)| *i != answer.best);
        let next = next.map(|(_, p)| *p).fold(0.0, f32::max);
        out.push(Candidate {
            at,
            count,
            guess: answer.label.unwrap_or(OUT_OF_SCOPE).to_owned(),
            probability,
            margin: probability - next,
        });
    }
    Ok(out)
}

/// Of each text, those that are like it, and their cosines; it is like itself.
fn neighbours<'t>(
    lexicon: &Lexicon,
    texts: impl Iterator<Item = &'t str>,
    watch: &mut dyn Watch,
) -> Result<Vec<Vec<(u32, f32)>>> {
    let rows = lexicon.encode(texts, MOST_PLACES);
    let mut holders: Vec<Vec<(u32, f32)>> = vec![Vec::new(); lexicon.size];
    for i in 0..rows.len() {
        for (gram, weight) in rows.row(i) {
            holders[*gram as usize].push((i as u32, *weight));
        }
    }
    let mut near = Vec::with_capacity(rows.len());
    let mut cosines = vec![0.0f32; rows.len()];
    for i in 0..rows.len() {
        cosines.fill(0.0);
        for (gram, own) in rows.row(i) {
            for (j, weight) in &holders[*gram as usize] {
                cosines[*j as usize] += own * weight;
            }
        }
        cosines[i] = 1.0;
        let like = cosines.iter().enumerate().filter(|(_, it)| **it > FAR);
        near.push(like.map(|(j, it)| (j as u32, it.min(1.0))).collect());
        if i.is_multiple_of(256) {
            watch.step("comparing", i as u64, rows.len() as u64, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(near)
}

/// What a text would add, when so many were picked.
struct Gain {
    gain: f32,
    i: usize,
    reckoned: usize,
}

impl Ord for Gain {
    /// The largest gain; of equals the one of the smaller margin, which stands before.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.gain.total_cmp(&other.gain)).then(other.i.cmp(&self.i))
    }
}

impl PartialOrd for Gain {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Gain {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Gain {}

/// What the command reads, and how many texts it picks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The bundle of the model.
    pub model: &'a Path,
    /// Tables with a column `text`.
    pub unlabelled: &'a [PathBuf],
    /// Tables of texts that are labelled already.
    pub labelled: &'a [PathBuf],
    /// Texts that are wanted, 1 to [`MOST_WANTED`].
    pub count: usize,
    /// What order numbers look like: they are masked.
    pub orders: &'a [String],
    /// Where phone numbers without a country code are from.
    pub country: Option<&'a str>,
}

/// What the command did.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The file.
    pub out: String,
    /// Texts that were read.
    pub texts: usize,
    /// Texts that were picked.
    pub picked: usize,
    /// How often these were written.
    pub written: usize,
}

impl Listed {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        format!(
            "{} texts read\n{}: {} to label, which were written {} times",
            self.texts, self.out, self.picked, self.written
        )
    }
}

/// Reads texts, picks those that are worth a label, and writes them as CSV, masked, with an
/// empty column for it.
///
/// # Errors
/// What can't be read or written, with every fault; a number of texts out of range.
pub fn label_next(asking: Asking<'_>, out: &Path, watch: &mut dyn Watch) -> Result<Listed> {
    bundle::check_writable(out)?;
    let same = |file: &PathBuf| match (fs::canonicalize(file), fs::canonicalize(out)) {
        (Ok(file), Ok(out)) => file == out,
        _ => false,
    };
    if asking.unlabelled.iter().chain(asking.labelled).any(same) {
        return Err(Error::fault(
            "out_is_an_input",
            out.display().to_string(),
            "the texts are read from that file, and would be lost",
            "name another file to write",
        ));
    }
    if !(1..=MOST_WANTED).contains(&asking.count) {
        return Err(Error::fault(
            "count_out_of_range",
            "--count",
            format!("{} texts are wanted", asking.count),
            format!(
                "ask for 1 to {MOST_WANTED}; after some hundred labels, learn again and ask anew"
            ),
        ));
    }
    let shop = assistant::shop([asking.orders, &[]], None, asking.country, String::new())?;
    let orders: Vec<Pattern> = (shop.orders.iter())
        .filter_map(|pattern| Pattern::new(pattern).ok())
        .collect();
    let context = Context {
        country: asking.country.and_then(country),
        orders: &orders,
        ..Context::default()
    };
    let opened = bundle::open(asking.model)?;
    Classifier::open(&opened.shelf[..]).map_err(|e| {
        Error::fault(
            "not_a_classifier",
            asking.model.display().to_string(),
            e.to_string(),
            "name a bundle that shelfedge-train intent wrote",
        )
    })?;
    let mut faults = Vec::new();
    let mut read = |files: &[PathBuf]| -> Result<Vec<String>> {
        let mut all = Vec::new();
        for file in files {
            for row in texts::judged(file, false, watch)? {
                let bytes = row.text.len();
                if bytes > MAX_TEXT_BYTES && faults.len() < TOLD {
                    faults.push(fault(
                        "text_too_long",
                        row.place,
                        format!("{bytes} bytes, of at most {MAX_TEXT_BYTES}"),
                        "give what the customer wrote in one go, not the conversation",
                    ));
                }
                all.push(mask(row.text.trim(), &context));
            }
        }
        Ok(all)
    };
    let (said, known) = (read(asking.unlabelled)?, read(asking.labelled)?);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let picked = pick(&opened.shelf, &said, &known, asking.count, watch)?;
    bundle::write_file(out, table(&said, &picked).as_bytes())?;
    Ok(Listed {
        out: out.display().to_string(),
        texts: said.len(),
        picked: picked.len(),
        written: picked.iter().map(|it| it.count).sum(),
    })
}

/// CSV with the columns that `--feedback` reads.
fn table(texts: &[String], picked: &[Wanted]) -> String {
    let mut out = String::from("text,label,was,probability,margin,count,covers\n");
    for it in picked {
        let text = &texts[it.at];
        // A spreadsheet would take it for a formula.
        let inert = if text.starts_with(['=', '+', '-', '@']) {
            "'"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "\"{inert}{}\",,{},{:.3},{:.3},{},{:.1}",
            text.replace('"', "\"\""),
            field(&it.guess),
            it.probability,
            it.margin,
            it.count,
            it.covers
        );
    }
    out
}

fn field(name: &str) -> String {
    match name.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}
