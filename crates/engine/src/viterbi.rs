//! The best sequence of tags (Viterbi, 1967).

/// Buffers, used again by the next sequence.
#[derive(Clone, Debug, Default)]
pub struct Best {
    from: Vec<u32>,
    now: Vec<f32>,
    next: Vec<f32>,
    /// The tag of each token.
    pub path: Vec<u32>,
}

/// Finds the sequence whose scores add up to most; of equal ones the lowest tags.
///
/// `emissions` is `[tokens, tags]` and `transitions` `[tags + 1, tags]`: from each tag to
/// each, and in the last row from the beginning. A transition of minus infinity is never
/// taken where another one exists. Empty where the sizes don't fit.
pub fn viterbi(emissions: &[f32], transitions: &[f32], tags: usize, best: &mut Best) {
    best.path.clear();
    if tags == 0 || transitions.len() != (tags + 1) * tags || !emissions.len().is_multiple_of(tags)
    {
        return;
    }
    let mut tokens = emissions.chunks_exact(tags);
    let Some(first) = tokens.next() else {
        return;
    };
    let begin = &transitions[tags * tags..];
    best.from.clear();
    best.now.clear();
    best.now.extend(first.iter().zip(begin).map(|(a, b)| a + b));
    for emission in tokens {
        best.next.clear();
        for (to, own) in emission.iter().enumerate() {
            let (mut from, mut most) = (0, best.now[0] + transitions[to]);
            for (tag, score) in best.now.iter().enumerate().skip(1) {
                let score = score + transitions[tag * tags + to];
                if score > most {
                    (from, most) = (tag, score);
                }
            }
            best.from.push(from as u32);
            best.next.push(most + own);
        }
        core::mem::swap(&mut best.now, &mut best.next);
    }
    let mut at = (0..tags).fold(0, |a, b| if best.now[b] > best.now[a] { b } else { a });
    best.path.push(at as u32);
    for from in best.from.chunks_exact(tags).rev() {
        at = from[at] as usize;
        best.path.push(at as u32);
    }
    best.path.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_sequence_has_more() {
        let (tags, tokens) = (3usize, 5usize);
        let mut state = 7u32;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let mut best = Best::default();
        for _ in 0..50 {
            let emissions: Vec<f32> = (0..tokens * tags).map(|_| number()).collect();
            let transitions: Vec<f32> = (0..(tags + 1) * tags).map(|_| number()).collect();
            let score = |path: &[usize]| {
                let mut sum = 0.0f32;
                let mut last = tags;
                for (at, tag) in path.iter().enumerate() {
                    sum += emissions[at * tags + tag] + transitions[last * tags + tag];
                    last = *tag;
                }
                sum
            };
            viterbi(&emissions, &transitions, tags, &mut best);
            let found: Vec<usize> = best.path.iter().map(|tag| *tag as usize).collect();
            assert_eq!(found.len(), tokens);
            for n in 0..tags.pow(tokens as u32) {
                let other: Vec<usize> = (0..tokens)
                    .map(|at| n / tags.pow(at as u32) % tags)
                    .collect();
                assert!(score(&other) <= score(&found) + 1e-5);
            }
        }
        viterbi(&[], &[0.0; 12], tags, &mut best);
        assert!(best.path.is_empty());
        viterbi(&[0.0; 4], &[0.0; 12], tags, &mut best);
        assert!(best.path.is_empty());
    }
}
