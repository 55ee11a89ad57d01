//! Which of the allowed actions follows a text: a small network's choice, or the rules'.
//!
//! The network only ranks what the dialogue allows. What an action then does keeps every
//! rule of the flows: no choice makes a call without its confirmed slots.

use shelfedge_engine::file::u32_at;
use shelfedge_engine::math::{exp, tanh};

/// What the dialogue may do with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes it as an answer to what is asked. Where nothing is under way, it isn't
    /// understood.
    Follow,
    /// Begins or resumes the flow that it means most probably.
    Begin,
    /// Begins or resumes the flow that it means with the second probability.
    BeginSecond,
    /// Asks which of two flows it means.
    Clarify,
}

impl Action {
    /// All of them, in the order of the network's outputs.
    pub const ALL: [Self; 4] = [Self::Follow, Self::Begin, Self::BeginSecond, Self::Clarify];
}

/// What the network reads, in its order. Shares and probabilities are 0 to 1, what is or
/// isn't is 0 or 1.
pub const FEATURES: [&str; 18] = [
    // Probabilities of the two best flows other than the one under way, and their distance.
    "first",
    "second",
    "margin",
    // Probability of the flow under way.
    "under_way",
    // Probability of an answer: a yes, a no, a correction, what was asked.
    "answer",
    // Whether the text is out of scope.
    "out_of_scope",
    // Whether a flow is under way, and whether it asks an open question, a choice, or for
    // a yes or a no.
    "in_flow",
    "asks_text",
    "asks_choice",
    "asks_yes_no",
    // Whether the text names what is asked, something, or a product.
    "names_asked",
    "names_any",
    "names_product",
    // Tokens in twenties, at most 2; failed turns in thirds of those that are allowed.
    "length",
    "failed",
    "satisfaction",
    // Whether it was just asked which flow is meant; whether the customer writes Chinese.
    "was_asked_which",
    "chinese",
];

/// A text, as the choice of what to do with it sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// By [`FEATURES`].
    pub features: [f32; FEATURES.len()],
    /// By [`Action::ALL`].
    pub allowed: [bool; Action::ALL.len()],
    /// What the fixed rules do.
    pub rule: Action,
}

/// A choice among what is allowed; none leaves it to the rules.
pub type Choose<'a> = dyn FnMut(&Moment) -> Option<Action> + 'a;

const VERSION: u32 = 1;
const HEAD: usize = 20;
const MOST_HIDDEN: u32 = 64;

/// A network with one hidden layer of hyperbolic tangents, which scores the actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Probability below which the rules decide.
    pub least: f32,
    hidden: usize,
    weights: Vec<f32>,
}

impl Policy {
    /// How many weights a network of so many hidden units has: for each of these its bias
    /// and its inputs' weights, then for each action the same.
    #[must_use]
    pub const fn size(hidden: usize) -> usize {
        hidden * (FEATURES.len() + 1) + Action::ALL.len() * (hidden + 1)
    }

    /// A network; none where its size or a weight is wrong.
    #[must_use]
    pub fn new(least: f32, hidden: usize, weights: Vec<f32>) -> Option<Self> {
        let sound = (1..=MOST_HIDDEN as usize).contains(&hidden)
            && weights.len() == Self::size(hidden)
            && (0.0..=1.0).contains(&least)
            && weights.iter().all(|it| it.is_finite());
        sound.then_some(Self {
            least,
            hidden,
            weights,
        })
    }

    /// Its section: version, features, hidden units, actions (u32 each), the least
    /// probability and the weights (f32), little-endian.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let counts = [FEATURES.len(), self.hidden, Action::ALL.len()].map(|n| n as u32);
        let head = [VERSION].into_iter().chain(counts);
        let numbers = [self.least].into_iter().chain(self.weights.iter().copied());
        head.chain(numbers.map(f32::to_bits))
            .flat_map(u32::to_le_bytes)
            .collect()
    }

    /// Reads its section; none where it is damaged, or of other features.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let word = |i: usize| u32_at(bytes, 4 * i);
        let counts = [FEATURES.len() as u32, Action::ALL.len() as u32];
        let hidden = word(2)?;
        if word(0)? != VERSION || [word(1)?, word(3)?] != counts || hidden > MOST_HIDDEN {
            return None;
        }
        let least = f32::from_bits(word(4)?);
        let weights = bytes.get(HEAD..)?;
        if weights.len() != 4 * Self::size(hidden as usize) {
            return None;
        }
        let weights = weights.chunks_exact(4);
        let weights = weights.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Self::new(least, hidden as usize, weights.collect())
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The hidden units' values at a moment, and the probability of each action; what isn't
    /// allowed has none.
    #[must_use]
    pub fn run(&self, moment: &Moment) -> (Vec<f32>, [f32; Action::ALL.len()]) {
        let (inner, outer) = (self.weights).split_at(self.hidden * (FEATURES.len() + 1));
        let sum = |row: &[f32], of: &[f32]| {
            let mut sum = row[0];
            for (weight, value) in row[1..].iter().zip(of) {
                sum += weight * value;
            }
            sum
        };
        let hidden: Vec<f32> = (inner.chunks_exact(FEATURES.len() + 1))
            .map(|row| tanh(sum(row, &moment.features)))
            .collect();
        let mut chances = [f32::MIN; Action::ALL.len()];
        let rows = outer.chunks_exact(self.hidden + 1);
        for ((score, row), allowed) in chances.iter_mut().zip(rows).zip(moment.allowed) {
            if allowed {
                *score = sum(row, &hidden);
            }
        }
        let largest = chances.iter().copied().fold(f32::MIN, f32::max);
        let mut total = 0.0;
        for (score, allowed) in chances.iter_mut().zip(moment.allowed) {
            *score = if allowed { exp(*score - largest) } else { 0.0 };
            total += *score;
        }
        chances.iter_mut().for_each(|it| *it /= total);
        (hidden, chances)
    }

    /// The most probable action, where it is probable enough.
    #[must_use]
    pub fn choose(&self, moment: &Moment) -> Option<Action> {
        let (_, chances) = self.run(moment);
        let mut best = 0;
        for (i, chance) in chances.iter().enumerate() {
            if *chance > chances[best] {
                best = i;
            }
        }
        (chances[best] >= self.least).then_some(Action::ALL[best])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_comes_back_and_a_damaged_one_does_not() {
        let weights: Vec<f32> = (0..Policy::size(3))
            .map(|i| i as f32 / 50.0 - 1.0)
            .collect();
        let policy = Policy::new(0.4, 3, weights).unwrap();
        let bytes = policy.write();
        assert_eq!(Policy::read(&bytes), Some(policy.clone()));
        for end in 0..bytes.len() {
            assert_eq!(Policy::read(&bytes[..end]), None);
        }
        for at in 0..HEAD {
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            assert_ne!(Policy::read(&other), Some(policy.clone()));
        }
        let mut endless = bytes;
        endless[HEAD..HEAD + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert_eq!(Policy::read(&endless), None);
    }

    #[test]
    fn only_what_is_allowed_is_chosen() {
        let weights = (0..Policy::size(2)).map(|i| (i % 7) as f32 - 3.0).collect();
        let policy = Policy::new(0.0, 2, weights).unwrap();
        for mask in 1..16_u8 {
            let moment = Moment {
                features: [0.5; FEATURES.len()],
                allowed: [0, 1, 2, 3].map(|i| mask >> i & 1 == 1),
                rule: Action::Follow,
            };
            let (_, chances) = policy.run(&moment);
            assert!((chances.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let chosen = policy.choose(&moment).unwrap();
            assert!(moment.allowed[chosen as usize], "{mask} {chosen:?}");
        }
    }
}
