//! What a slot's value probably is.

use super::state::clip;

/// Values that are kept of a slot.
pub(super) const MOST: usize = 3;
/// Longest value, in bytes.
pub(super) const LONGEST: usize = 400;
/// What is left of a belief that was denied.
const DENIED: f32 = 0.1;

/// A slot's values with the belief in each, the largest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Belief {
    pub(super) slot: u32,
    pub(super) confirmed: bool,
    pub(super) values: Vec<(String, f32)>,
}

impl Belief {
    pub(super) const fn new(slot: u32) -> Self {
        Self {
            slot,
            confirmed: false,
            values: Vec::new(),
        }
    }

    pub(super) fn best(&self) -> Option<(&str, f32)> {
        let (value, belief) = self.values.first()?;
        Some((value, *belief))
    }

    pub(super) fn value_above(&self, least: f32) -> Option<&str> {
        let (value, belief) = self.best()?;
        (belief >= least).then_some(value)
    }

    /// Takes evidence for a value: the chance that every piece of it errs is their product,
    /// and what speaks for one value speaks against the others.
    pub(super) fn observe(&mut self, value: &str, confidence: f32) {
        let value = clip(value, LONGEST);
        let c = confidence.clamp(0.0, 0.999);
        let mut known = false;
        for (other, belief) in &mut self.values {
            if *other == value {
                known = true;
                *belief = 1.0 - (1.0 - *belief) * (1.0 - c);
            } else {
                *belief *= 1.0 - c;
            }
        }
        if !known {
            self.values.push((value, c));
        }
        self.order();
    }

    /// Puts a value in the place of all others.
    pub(super) fn replace(&mut self, value: &str, confidence: f32) {
        self.values = vec![(clip(value, LONGEST), confidence.clamp(0.0, 0.999))];
        self.confirmed = false;
    }

    /// Takes a no to the best value.
    pub(super) fn deny(&mut self) {
        if let Some((_, belief)) = self.values.first_mut() {
            *belief *= DENIED;
        }
        self.confirmed = false;
        self.order();
    }

    fn order(&mut self) {
        let before = self.values.first().map(|(value, _)| value.clone());
        // Stable, so that of equals the older stays first.
        self.values.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.values.truncate(MOST);
        if self.values.first().map(|(value, _)| value) != before.as_ref() {
            self.confirmed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_adds_up_and_corrections_replace() {
        let mut order = Belief::new(0);
        order.observe("10024", 0.5);
        order.observe("10042", 0.4);
        assert_eq!(order.best().map(|(v, _)| v), Some("10042"));
        order.observe("10024", 0.5);
        let (value, belief) = order.best().unwrap();
        // 1 - (1 - .5 * .6) * (1 - .5)
        assert_eq!(value, "10024");
        assert!((belief - 0.65).abs() < 1e-6, "{belief}");
        order.confirmed = true;
        order.deny();
        assert!(!order.confirmed);
        assert_eq!(order.best().map(|(v, _)| v), Some("10042"));
        order.replace("10099", 0.9);
        assert_eq!(order.values, [("10099".to_owned(), 0.9)]);
    }
}
