//! How satisfied a customer seems.

use shelfedge_engine::math::sigmoid;

/// What is left of a turn's weight at the next one.
const FADE: f32 = 0.8;

/// Sums over the turns, the newest weighing most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mood {
    pub(super) sentiment: f32,
    pub(super) failed: f32,
    pub(super) repeated: f32,
    pub(super) silent: f32,
    pub(super) swore: f32,
}

impl Mood {
    pub(super) fn fade(&mut self) {
        for sum in self.sums_mut() {
            *sum *= FADE;
        }
    }

    pub(super) const fn sums(&self) -> [f32; 5] {
        [
            self.sentiment,
            self.failed,
            self.repeated,
            self.silent,
            self.swore,
        ]
    }

    pub(super) const fn sums_mut(&mut self) -> [&mut f32; 5] {
        [
            &mut self.sentiment,
            &mut self.failed,
            &mut self.repeated,
            &mut self.silent,
            &mut self.swore,
        ]
    }

    /// 0 to 1. The weights are set by hand: a calm customer begins at 0.88; two failed
    /// turns and a bad mood, or an angry one who swears, come below 0.2.
    pub(super) fn satisfaction(&self) -> f32 {
        let bad = 0.8 * self.failed + 0.7 * self.repeated + 0.4 * self.silent + 1.2 * self.swore;
        sigmoid(2.0 + 0.7 * self.sentiment - bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn satisfaction_falls_with_each_thing_that_goes_wrong_and_comes_back() {
        let calm = Mood::default().satisfaction();
        assert!((calm - 0.8808).abs() < 1e-3, "{calm}");
        for i in 0..5 {
            let mut mood = Mood::default();
            *mood.sums_mut()[i] = if i == 0 { -1.0 } else { 1.0 };
            let bad = mood.satisfaction();
            assert!(bad < calm);
            mood.fade();
            assert!((bad..calm).contains(&mood.satisfaction()) && mood.satisfaction() > bad);
        }
        let angry = Mood {
            sentiment: -3.6,
            swore: 1.0,
            ..Mood::default()
        };
        assert!(angry.satisfaction() < 0.2);
    }
}
