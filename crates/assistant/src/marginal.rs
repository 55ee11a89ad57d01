//! How sure a run of tags is: its marginal probability in a linear-chain conditional random
//! field, by forward and backward sums (Lafferty, McCallum and Pereira, 2001).

use core::ops::Range;

use shelfedge_engine::math::exp;

/// Sums over all sequences of tags, used again by the next text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marginals {
    tags: usize,
    /// `[tags + 1, tags]`, as factors.
    moves: Vec<f64>,
    /// `[tokens, tags]`, as factors.
    tokens: Vec<f64>,
    /// `[tokens, tags]`, each row adds up to 1.
    forward: Vec<f64>,
    /// `[tokens, tags]`
    backward: Vec<f64>,
    /// What each row of `forward` was divided by.
    scales: Vec<f64>,
}

/// Scores to factors, the largest of them 1. What costs e^80 is as good as forbidden, and
/// not 0, so that no sum is.
fn factors(scores: &[f32], out: &mut Vec<f64>) {
    let most = scores.iter().fold(f32::MIN, |a, b| a.max(*b));
    out.extend(
        scores
            .iter()
            .map(|score| f64::from(exp((score - most).max(-80.0)))),
    );
}

impl Marginals {
    /// Reads emissions `[tokens, tags]` and transitions `[tags + 1, tags]`, the last row from
    /// the beginning; all of them finite.
    pub(crate) fn read(&mut self, emissions: &[f32], transitions: &[f32], tags: usize) {
        self.tags = tags;
        for buffer in [
            &mut self.moves,
            &mut self.tokens,
            &mut self.forward,
            &mut self.backward,
            &mut self.scales,
        ] {
            buffer.clear();
        }
        factors(transitions, &mut self.moves);
        for row in emissions.chunks_exact(tags) {
            factors(row, &mut self.tokens);
        }
        let (from_tags, from_start) = self.moves.split_at(tags * tags);
        self.forward.resize(self.tokens.len(), 0.0);
        for (at, own) in self.tokens.chunks_exact(tags).enumerate() {
            let (done, now) = self.forward.split_at_mut(at * tags);
            let now = &mut now[..tags];
            match done.rchunks_exact(tags).next() {
                None => now.copy_from_slice(from_start),
                Some(before) => {
                    for (p, row) in before.iter().zip(from_tags.chunks_exact(tags)) {
                        for (sum, factor) in now.iter_mut().zip(row) {
                            *sum += p * factor;
                        }
                    }
                }
            }
            now.iter_mut().zip(own).for_each(|(p, x)| *p *= x);
            let sum: f64 = now.iter().sum();
            now.iter_mut().for_each(|p| *p /= sum);
            self.scales.push(sum);
        }
        self.backward.resize(self.tokens.len(), 1.0);
        for at in (1..self.scales.len()).rev() {
            let (before, now) = self.backward.split_at_mut(at * tags);
            let own = &self.tokens[at * tags..];
            let rows = from_tags.chunks_exact(tags);
            for (sum, row) in before[(at - 1) * tags..].iter_mut().zip(rows) {
                let parts = row.iter().zip(own).zip(&now[..tags]);
                *sum = parts.map(|((m, x), b)| m * x * b).sum::<f64>() / self.scales[at];
            }
        }
    }

    /// The probability that these tokens have the tags of this path, from 0 to 1.
    pub(crate) fn of(&self, path: &[u32], tokens: Range<usize>) -> f32 {
        let tags = self.tags;
        let cell = |at: usize| Some(at * tags + *path.get(at)? as usize);
        let all = || {
            let last = tokens.end.checked_sub(1)?;
            let mut p = *self.forward.get(cell(tokens.start)?)?;
            for at in tokens.start + 1..tokens.end {
                let own = self.tokens.get(cell(at)?)?;
                let step = path[at - 1] as usize * tags + path[at] as usize;
                p *= self.moves.get(step)? * own / self.scales[at];
            }
            Some(p * self.backward.get(cell(last)?)?)
        };
        (all().unwrap_or(0.0) as f32).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_all_sequences_added_up() {
        const TAGS: usize = 3;
        const TOKENS: usize = 4;
        let mut state = 7_u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 4_194_304.0 - 2.0
        };
        let emissions: Vec<f32> = (0..TOKENS * TAGS).map(|_| number()).collect();
        let transitions: Vec<f32> = (0..(TAGS + 1) * TAGS).map(|_| number()).collect();
        let sequences: Vec<(Vec<u32>, f64)> = (0..TAGS.pow(TOKENS as u32))
            .map(|mut code| {
                let (mut path, mut score, mut before) = (Vec::new(), 0.0, TAGS);
                for at in 0..TOKENS {
                    let tag = code % TAGS;
                    code /= TAGS;
                    score += emissions[at * TAGS + tag] + transitions[before * TAGS + tag];
                    path.push(tag as u32);
                    before = tag;
                }
                (path, f64::from(exp(score)))
            })
            .collect();
        let all: f64 = sequences.iter().map(|(_, p)| p).sum();
        let mut marginals = Marginals::default();
        marginals.read(&emissions, &transitions, TAGS);
        let path = [2, 0, 1, 1];
        for start in 0..TOKENS {
            for end in start + 1..=TOKENS {
                let with = sequences.iter();
                let with = with.filter(|(own, _)| own[start..end] == path[start..end]);
                let counted = with.map(|(_, p)| p).sum::<f64>() / all;
                let summed = f64::from(marginals.of(&path, start..end));
                assert!((counted - summed).abs() < 1e-5, "{counted} {summed}");
            }
        }
        assert!(marginals.of(&path, 0..0) <= 0.0, "no token");
        assert!(marginals.of(&path, 3..9) <= 0.0, "more than there are");
    }

    #[test]
    fn scores_of_any_size_give_a_probability() {
        let emissions = [f32::MAX, f32::MIN, -1e9, 1e9];
        let transitions = [f32::MIN, f32::MAX, 0.0, -1e9, 1e30, -1e30];
        let mut marginals = Marginals::default();
        marginals.read(&emissions, &transitions, 2);
        for path in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            let p = marginals.of(&path, 0..2);
            assert!((0.0..=1.0).contains(&p), "{p}");
        }
    }
}
