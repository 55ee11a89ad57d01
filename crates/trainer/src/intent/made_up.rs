//! Texts that nobody wrote: the beginning of one with the end of another of the same
//! label, words left out, words replaced by ones that the teacher finds alike. They carry
//! a teacher's opinion to where no text was (as data augmentation does in distillation of
//! sentence models: Jiao et al., TinyBERT, 2020).

use std::collections::BTreeMap;

use shelfedge_features::text::{Kind, Text};

use super::teacher::Embedded;
use crate::rng::Rng;

/// Share of the texts that are made of two.
const SPLICED: f32 = 0.4;
/// Share of the second halves that are of a text of the same label.
const SAME_LABEL: f32 = 0.8;
/// Share of the words that are left out, and of those that are replaced.
const LEFT_OUT: f32 = 0.08;
const REPLACED: f32 = 0.15;
/// Words that are alike.
const NEAR: usize = 8;
const PURPOSE: u64 = 0x4D_ADE;

/// Normalised tokens of texts; whether each follows the one before without a space.
type Tokens = Vec<(String, bool)>;

pub(super) fn tokens(text: &str, buffer: &mut Text) -> Tokens {
    buffer.read(text);
    let all = buffer.tokens().iter();
    all.map(|token| (buffer.normal(token).to_owned(), token.kind == Kind::Han))
        .collect()
}

/// Words of at least two texts, in order.
pub(super) fn words(texts: &[Tokens]) -> Vec<String> {
    let mut of: BTreeMap<&str, (u32, usize)> = BTreeMap::new();
    for (i, text) in texts.iter().enumerate() {
        for (word, _) in text
            .iter()
            .filter(|(word, _)| word.chars().any(char::is_alphabetic))
        {
            let (count, last) = of.entry(word).or_insert((0, usize::MAX));
            if *last != i {
                (*count, *last) = (*count + 1, i);
            }
        }
    }
    let often = of.into_iter().filter(|(_, (count, _))| *count >= 2);
    often.map(|(word, _)| word.to_owned()).collect()
}

/// For each word, the words most alike.
pub(super) struct Near {
    near: BTreeMap<String, Vec<u32>>,
    words: Vec<String>,
}

impl Near {
    pub(super) fn of(words: Vec<String>, vectors: &Embedded) -> Self {
        let near = (0..words.len()).map(|i| {
            let own = vectors.of(i);
            let mut alike: Vec<(f32, u32)> = (0..words.len())
                .filter(|j| *j != i)
                .map(|j| {
                    let dot = own
                        .iter()
                        .zip(vectors.of(j))
                        .map(|(a, b)| a * b)
                        .sum::<f32>();
                    (dot, j as u32)
                })
                .collect();
            let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            if alike.len() > NEAR {
                alike.select_nth_unstable_by(NEAR - 1, order);
                alike.truncate(NEAR);
            }
            alike.sort_by(order);
            alike.into_iter().map(|(_, j)| j).collect()
        });
        let near: Vec<Vec<u32>> = near.collect();
        Self {
            near: words.iter().cloned().zip(near).collect(),
            words,
        }
    }

    fn one(&self, word: &str, rng: &mut Rng) -> Option<&str> {
        let near = self.near.get(word).filter(|near| !near.is_empty())?;
        Some(&self.words[near[rng.below(near.len())] as usize])
    }
}

/// So many texts for each of them, with the text that each began as. Texts are spliced
/// within a part alone, so that a part that is held back teaches nothing.
pub(super) fn make_up(
    texts: &[Tokens],
    of: &[u32],
    part: &[u64],
    near: Option<&Near>,
    times: usize,
    seed: u64,
) -> (Vec<String>, Vec<usize>) {
    let mut rng = Rng::new(seed, PURPOSE);
    let mut alike: BTreeMap<(u64, u32), Vec<usize>> = BTreeMap::new();
    let mut parts: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, (part, class)) in part.iter().zip(of).enumerate() {
        alike.entry((*part, *class)).or_default().push(i);
        parts.entry(*part).or_default().push(i);
    }
    let (mut made, mut sources) = (Vec::new(), Vec::new());
    for _ in 0..times {
        for (i, text) in texts.iter().enumerate() {
            let from = match rng.unit() < SAME_LABEL {
                true => &alike[&(part[i], of[i])],
                false => &parts[&part[i]],
            };
            let other = &texts[from[rng.below(from.len())]];
            let mut tokens: Vec<&(String, bool)> = text.iter().collect();
            if rng.unit() < SPLICED && text.len() > 2 && other.len() > 2 {
                tokens.truncate(1 + rng.below(text.len() - 1));
                tokens.extend(&other[1 + rng.below(other.len() - 1)..]);
            }
            let mut out = String::new();
            let mut last_joins = true;
            for (word, joins) in tokens {
                if rng.unit() < LEFT_OUT {
                    continue;
                }
                let other = match near {
                    Some(near) if rng.unit() < REPLACED => near.one(word, &mut rng),
                    _ => None,
                };
                let apart = !(last_joins && *joins);
                if apart && !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(other.unwrap_or(word));
                last_joins = *joins;
            }
            if !out.is_empty() {
                made.push(out);
                sources.push(i);
            }
        }
    }
    (made, sources)
}
