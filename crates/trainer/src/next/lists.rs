//! The lists that teach the trees: candidates of questions, encoded.

use shelfedge_features::trails::{Index, Sums, Trails};
use shelfedge_ranking::attention::{Attention, Buffers};

use super::{Ingredient, Question, Settings};
use crate::boost::{Lists, shared};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::rng::Rng;
use crate::watch::Watch;

/// Of how many questions one is also asked without its beginning.
const UNKNOWN: usize = 100;
/// Lists that are encoded between two looks at the clock.
const CHUNK: usize = 2_048;

/// What lists are made from: a log's section, its sequence model and its popular
/// products.
pub(super) struct Source<'a> {
    trails: Trails<'a>,
    index: Index,
    attention: Option<Attention<'a>>,
    popular: Vec<u32>,
    /// Numbers that are left out.
    left_out: Vec<usize>,
}

impl<'a> Source<'a> {
    /// Opens a log's section and the sequence model beside it.
    pub(super) fn open(
        section: &'a [u8],
        attention: Option<&'a [u8]>,
        popular: Vec<u32>,
        products: usize,
        settings: &Settings,
    ) -> Result<Self> {
        let trails =
            Trails::open(section, products).map_err(|e| internal("trails", e.to_string()))?;
        let attention = attention.map(Attention::open).transpose();
        let origins = trails.origins().into_iter().map(Ingredient::of);
        let left_out = origins
            .enumerate()
            .filter(|(_, of)| of.is_some_and(|of| settings.without.contains(&of)))
            .map(|(number, _)| number)
            .collect();
        Ok(Self {
            index: Index::new(&trails),
            trails,
            attention: attention.map_err(|e| internal("attention", e.to_string()))?,
            popular,
            left_out,
        })
    }

    /// Encodes the candidates of every question whose answer is among them, and a
    /// sample of the others, each with the same chance; questions are numbered from
    /// `first`.
    fn lists(
        &self,
        questions: &[Question<'_>],
        first: usize,
        settings: &Settings,
    ) -> Result<Lists> {
        let keep = settings.negatives as f32 / settings.candidates as f32;
        let (trails, width) = (&self.trails, self.trails.width());
        let mut out = Lists::default();
        let (mut sums, mut encoded) = (Sums::default(), Vec::new());
        let mut buffers = Buffers::default();
        // Of some it is asked, too, as if nothing had begun: so do most visits.
        let asked = (first..).zip(questions).flat_map(|(number, question)| {
            let unknown = Question {
                begins: &[],
                ..*question
            };
            let unknown = (number % UNKNOWN == 0).then_some(unknown);
            std::iter::once(*question)
                .chain(unknown)
                .map(move |q| (number, q))
        });
        for (number, question) in asked {
            let barred = trails.barred(question.begins);
            sums.fill(trails, Some(&self.index), question.begins);
            let mut found = sums.candidates(trails, question.begins, &barred);
            if question.begins.is_empty() {
                found.extend(self.popular.iter().take(trails.most_candidates()));
            }
            // As a ranking has them.
            found.sort_unstable();
            if !found.contains(&question.follows) {
                continue;
            }
            if let Some(attention) = &self.attention {
                attention
                    .score(question.begins, found.iter().copied(), &mut buffers)
                    .map_err(|e| internal("attention", e.to_string()))?;
            }
            let told = buffers.scores();
            sums.encode(trails, question.begins, &found, told, &mut encoded);
            let mut rng = Rng::new(settings.seed ^ (number as u64) << 20, 0x11575);
            for (product, row) in found.iter().zip(encoded.chunks_exact(width)) {
                let right = *product == question.follows;
                if right || rng.unit() < keep {
                    let start = out.features.len();
                    out.features.extend_from_slice(row);
                    // No tree asks for what is the same everywhere.
                    for number in &self.left_out {
                        out.features[start + number] = 0.0;
                    }
                    out.gains.push(if right { 1.0 } else { 0.0 });
                }
            }
            out.ends.push(out.gains.len());
        }
        Ok(out)
    }
}

/// Makes lists of all questions, on all cores, and adds them to `lists`.
pub(super) fn lists(
    source: &Source<'_>,
    questions: &[Question<'_>],
    settings: &Settings,
    lists: &mut Lists,
    watch: &mut dyn Watch,
) -> Result<()> {
    let width = source.trails.width();
    lists.width = width;
    let rows = questions.len() * (settings.negatives as usize + 1);
    lists.features.reserve(rows * width);
    let mut done = 0;
    for chunk in questions.chunks(CHUNK) {
        let parts = chunk.chunks(CHUNK / 8);
        let mut made: Vec<Result<Lists>> = parts.clone().map(|_| Ok(Lists::default())).collect();
        let numbered = (done..).step_by(CHUNK / 8).zip(parts);
        shared(numbered.zip(&mut made).collect(), |((first, part), out)| {
            *out = source.lists(part, first, settings);
        });
        for part in made {
            let part = part?;
            let start = lists.gains.len();
            lists.features.extend(part.features);
            lists.gains.extend(part.gains);
            lists.ends.extend(part.ends.iter().map(|end| start + end));
        }
        done += chunk.len();
        watch.step("lists", done as u64, questions.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(())
}
