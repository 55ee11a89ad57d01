//! How well spans are found, and a dictionary to compare with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use serde::Serialize;
use shelfedge_features::text::Text;

use super::texts::tokens;
use crate::import::marked::Example;

/// Longest span that the dictionary knows, in tokens.
const LONGEST: usize = 12;
/// Confusions that are shown.
const SHOWN: usize = 10;
/// Confidence, from which on spans are counted by themselves.
const STEPS: [f32; 4] = [0.95, 0.8, 0.5, 0.0];

/// A slot's value that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) slot: String,
    pub(super) bytes: Range<usize>,
    pub(super) confidence: f32,
}

/// Spans that are marked, found, and both: the same slot and the same bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Count {
    /// Spans that people marked.
    pub marked: usize,
    /// Spans that were found.
    pub found: usize,
    /// Spans found as marked.
    pub right: usize,
}

impl Count {
    /// The harmonic mean of the shares of what was found, and of what is marked, that is
    /// right; 0 to 1.
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.right as f64 / ((self.marked + self.found) as f64).max(1.0)
    }
}

/// A slot by what found it.
#[derive(Clone, Debug, Serialize)]
pub struct OfSlot {
    /// The slot; empty for all of them.
    pub slot: String,
    /// By the tagger.
    pub tagger: Count,
    /// By the dictionary.
    pub dictionary: Count,
}

/// Something that the tagger gets wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    /// What is marked; none where nothing is.
    pub marked: Option<String>,
    /// What was found there; none where nothing was. The same slot has other bounds.
    pub found: Option<String>,
    /// How often.
    pub count: usize,
}

impl Confusion {
    fn shown(&self) -> String {
        match (&self.marked, &self.found) {
            (Some(marked), Some(found)) if marked == found => {
                format!("{marked} with other bounds")
            }
            (Some(marked), Some(found)) => format!("{marked} taken for {found}"),
            (Some(marked), None) => format!("{marked} missed"),
            (None, found) => format!("{} where nothing is", found.as_deref().unwrap_or("")),
        }
    }
}

/// Spans of a confidence.
#[derive(Clone, Debug, Serialize)]
pub struct Sure {
    /// The least confidence.
    pub from: f32,
    /// Spans that were found, up to the next step.
    pub found: usize,
    /// Of them, as marked.
    pub right: usize,
}

/// What texts that were kept aside say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Texts that were kept aside.
    pub texts: usize,
    /// All slots, then each by name.
    pub slots: Vec<OfSlot>,
    /// The most frequent ones first.
    pub confusions: Vec<Confusion>,
    /// The surest first.
    pub confidence: Vec<Sure>,
}

/// Compares what is marked with what the tagger and the dictionary find.
pub(super) fn figures(
    asked: &[&Example],
    mut tagger: impl FnMut(&str) -> Vec<Found>,
    dictionary: &Dictionary,
) -> Figures {
    let mut slots: BTreeMap<String, [Count; 2]> = BTreeMap::new();
    let mut wrong: BTreeMap<(Option<String>, Option<String>), usize> = BTreeMap::new();
    let mut confidence = STEPS.map(|from| Sure {
        from,
        found: 0,
        right: 0,
    });
    for example in asked {
        let of_tagger = tagger(&example.text);
        let of_dictionary = dictionary.find(&example.text);
        let is_marked = |found: &Found| {
            let mut marks = example.marks.iter();
            marks.any(|mark| mark.slot == found.slot && mark.bytes == found.bytes)
        };
        for mark in &example.marks {
            for side in slots.entry(mark.slot.clone()).or_default() {
                side.marked += 1;
            }
        }
        for (side, found) in [&of_tagger, &of_dictionary].into_iter().enumerate() {
            for one in found {
                let count = &mut slots.entry(one.slot.clone()).or_default()[side];
                count.found += 1;
                count.right += usize::from(is_marked(one));
            }
        }
        for one in &of_tagger {
            let step = confidence.iter_mut().find(|it| one.confidence >= it.from);
            if let Some(step) = step {
                step.found += 1;
                step.right += usize::from(is_marked(one));
            }
        }
        let over = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        for mark in &example.marks {
            let there = of_tagger.iter();
            let there = there.filter(|it| over(&it.bytes, &mark.bytes));
            let there: Vec<&Found> = there.collect();
            let is_right = |it: &&Found| it.slot == mark.slot && it.bytes == mark.bytes;
            if !there.iter().any(is_right) {
                let found = there.first().map(|it| it.slot.clone());
                *wrong.entry((Some(mark.slot.clone()), found)).or_default() += 1;
            }
        }
        for one in &of_tagger {
            if !example
                .marks
                .iter()
                .any(|mark| over(&mark.bytes, &one.bytes))
            {
                *wrong.entry((None, Some(one.slot.clone()))).or_default() += 1;
            }
        }
    }
    let mut all = [Count::default(); 2];
    for (sum, side) in slots
        .values()
        .flat_map(|sides| [0, 1].map(|at| (at, sides[at])))
    {
        all[sum].marked += side.marked;
        all[sum].found += side.found;
        all[sum].right += side.right;
    }
    let first = (String::new(), all);
    let slots = core::iter::once(first).chain(slots);
    let mut confusions: Vec<Confusion> = (wrong.into_iter())
        .map(|((marked, found), count)| Confusion {
            marked,
            found,
            count,
        })
        .collect();
    // Stable, so equal ones are in the order of their names.
    confusions.sort_by_key(|it| core::cmp::Reverse(it.count));
    confusions.truncate(SHOWN);
    Figures {
        texts: asked.len(),
        slots: slots
            .map(|(slot, [tagger, dictionary])| OfSlot {
                slot,
                tagger,
                dictionary,
            })
            .collect(),
        confusions,
        confidence: confidence.into(),
    }
}

impl Figures {
    /// Of all slots.
    #[must_use]
    pub fn all(&self) -> Option<&OfSlot> {
        self.slots.first()
    }

    /// Whether the dictionary alone does as well or better.
    #[must_use]
    pub fn dictionary_wins(&self) -> bool {
        let all = self.all();
        all.is_some_and(|all| all.dictionary.right > 0 && all.dictionary.f1() >= all.tagger.f1())
    }

    fn cells(of: &OfSlot) -> [String; 6] {
        let share = |a: usize, b: usize| match b {
            0 => "-".to_owned(),
            b => format!("{:.3}", a as f64 / b as f64),
        };
        let Count {
            marked,
            found,
            right,
        } = of.tagger;
        let name = if of.slot.is_empty() { "all" } else { &of.slot };
        [
            name.to_owned(),
            marked.to_string(),
            share(right, found),
            share(right, marked),
            format!("{:.3}", of.tagger.f1()),
            format!("{:.3}", of.dictionary.f1()),
        ]
    }

    /// For people.
    pub(super) fn table(&self, out: &mut String) {
        let rows: Vec<[String; 6]> = self.slots.iter().map(Self::cells).collect();
        let wide = rows.iter().map(|row| row[0].chars().count()).max();
        let wide = wide.unwrap_or(0).max(4);
        let _ = writeln!(
            out,
            "{:<wide$} {:>7} {:>9} {:>7} {:>6} {:>14}",
            "slot", "marked", "precision", "recall", "F1", "dictionary F1"
        );
        for [slot, marked, precision, recall, f1, dictionary] in rows {
            let _ = writeln!(
                out,
                "{slot:<wide$} {marked:>7} {precision:>9} {recall:>7} {f1:>6} {dictionary:>14}"
            );
        }
        if !self.confusions.is_empty() {
            let _ = writeln!(out, "most often wrong");
        }
        for confusion in &self.confusions {
            let _ = writeln!(out, "{:>7}  {}", confusion.count, confusion.shown());
        }
    }

    /// For the card.
    pub(super) fn markdown(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "| slot | marked | precision | recall | F1 | F1 of the dictionary |\n|---|---:|---:|---:|---:|---:|"
        );
        for row in &self.slots {
            let _ = writeln!(out, "| {} |", Self::cells(row).join(" | "));
        }
        if !self.confusions.is_empty() {
            let _ = writeln!(out, "\n| most often wrong | count |\n|---|---:|");
        }
        for confusion in &self.confusions {
            let _ = writeln!(out, "| {} | {} |", confusion.shown(), confusion.count);
        }
        let _ = writeln!(
            out,
            "\n| confidence from | spans found | right |\n|---|---:|---:|"
        );
        for sure in &self.confidence {
            let _ = writeln!(out, "| {} | {} | {} |", sure.from, sure.found, sure.right);
        }
    }
}

/// Spans as they stood in the texts that taught: what is marked at least every other time
/// it stands there is found wherever it stands, the longest first.
pub(super) struct Dictionary {
    slots: BTreeMap<Vec<String>, String>,
    longest: usize,
}

impl Dictionary {
    pub(super) fn learn(taught: &[&Example]) -> Self {
        let mut seen: BTreeMap<Vec<String>, (BTreeMap<&str, usize>, usize)> = BTreeMap::new();
        for example in taught {
            for mark in &example.marks {
                let words = tokens(&Text::new(&example.text[mark.bytes.clone()]));
                if (1..=LONGEST).contains(&words.len()) {
                    let slots = &mut seen.entry(words).or_default().0;
                    *slots.entry(&mark.slot).or_default() += 1;
                }
            }
        }
        for example in taught {
            let words = tokens(&Text::new(&example.text));
            for start in 0..words.len() {
                for end in start + 1..=words.len().min(start + LONGEST) {
                    if let Some((_, all)) = seen.get_mut(&words[start..end]) {
                        *all += 1;
                    }
                }
            }
        }
        let slots = seen.into_iter().filter_map(|(words, (slots, all))| {
            // Of equal ones the first by name.
            let (slot, count) = slots.into_iter().rev().max_by_key(|(_, count)| *count)?;
            (2 * count >= all).then(|| (words, slot.to_owned()))
        });
        let slots: BTreeMap<Vec<String>, String> = slots.collect();
        let longest = slots.keys().map(Vec::len).max().unwrap_or(0);
        Self { slots, longest }
    }

    pub(super) fn find(&self, text: &str) -> Vec<Found> {
        let text = Text::new(text);
        let words = tokens(&text);
        let mut found = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let lengths = (1..=self.longest.min(words.len() - at)).rev();
            let mut known = lengths.filter_map(|length| {
                let slot = self.slots.get(&words[at..at + length])?;
                Some((slot, length))
            });
            let Some((slot, length)) = known.next() else {
                at += 1;
                continue;
            };
            let [first, last] = [at, at + length - 1].map(|at| &text.tokens()[at]);
            found.push(Found {
                slot: slot.clone(),
                bytes: first.start as usize..last.end as usize,
                confidence: 1.0,
            });
            at += length;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::read;

    fn of(marked: &str) -> Example {
        let read = read::marked(marked).expect("marks");
        Example {
            text: read.text,
            marks: read.marks,
            conversation: None,
        }
    }

    #[test]
    fn the_dictionary_finds_what_was_marked_mostly() {
        let taught = [
            "[green tea](drink) please",
            "[tea](drink), [green](colour)",
            "i like to go",
            "[to go](how)",
            "nothing to go for",
        ];
        let taught = taught.map(of);
        let dictionary = Dictionary::learn(&taught.each_ref());
        let text = "to go: Green TEA, green";
        let found = dictionary.find(text);
        let found: Vec<(&str, &str)> = (found.iter())
            .map(|it| (it.slot.as_str(), &text[it.bytes.clone()]))
            .collect();
        assert_eq!(found, [("drink", "Green TEA"), ("colour", "green")]);
    }

    #[test]
    fn right_is_the_same_slot_with_the_same_bounds() {
        let asked = of("[a b](x) [c](y) [d](z) e");
        let found = |slot: &str, bytes: Range<usize>, confidence| Found {
            slot: slot.to_owned(),
            bytes,
            confidence,
        };
        let tagger = |_: &str| {
            vec![
                found("x", 0..1, 0.4),
                found("y", 4..5, 0.96),
                found("x", 8..9, 0.5),
            ]
        };
        let figures = figures(&[&asked], tagger, &Dictionary::learn(&[]));
        let all = figures.all().expect("all").tagger;
        assert_eq!((all.marked, all.found, all.right), (3, 3, 1));
        assert!((all.f1() - 1.0 / 3.0).abs() < 1e-9);
        let told: Vec<String> = figures.confusions.iter().map(Confusion::shown).collect();
        assert_eq!(
            told,
            ["x where nothing is", "x with other bounds", "z missed"]
        );
        let sure = figures.confidence.iter();
        let sure: Vec<(usize, usize)> = sure.map(|it| (it.found, it.right)).collect();
        assert_eq!(sure, [(1, 1), (0, 0), (1, 0), (1, 0)]);
        assert!(!figures.dictionary_wins());
    }
}
