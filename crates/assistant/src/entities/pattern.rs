//! The shop's own numbers, by a small language of patterns.

use core::fmt;

/// Most characters of a pattern.
pub const MOST_PLACES: usize = 64;

/// Why a pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty or has more than [`MOST_PLACES`] characters.
    Length(usize),
    /// The character at this place (from 0) is none of `#`, `?`, `-`, `/`, `_`, an ASCII letter or a digit.
    Character(usize, char),
    /// Fewer than three `#`: it would match ordinary words and numbers.
    TooLoose,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(places) => write!(
                f,
                "the pattern has {places} characters; write 1 to {MOST_PLACES}"
            ),
            Self::Character(at, c) => write!(
                f,
                "character {at} of the pattern is {c:?}; use # for a digit, ? for a letter, or - / _, letters and digits as they are"
            ),
            Self::TooLoose => f.write_str(
                "the pattern has fewer than three digits (#) and would match ordinary text; add more",
            ),
        }
    }
}

impl core::error::Error for PatternError {}

/// What a number of the shop looks like: `#` is a digit, `?` an ASCII letter; letters,
/// digits, `-`, `/` and `_` are themselves, in any case. Every pattern has one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, Vec<PatternError>> {
        let places = pattern.chars().count();
        if !(1..=MOST_PLACES).contains(&places) {
            return Err(vec![PatternError::Length(places)]);
        }
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '?' | '-' | '/' | '_');
        let mut faults: Vec<PatternError> = (pattern.chars().enumerate())
            .filter(|(_, c)| !known(*c))
            .map(|(at, c)| PatternError::Character(at, c))
            .collect();
        if pattern.chars().filter(|c| *c == '#').count() < 3 {
            faults.push(PatternError::TooLoose);
        }
        match faults.is_empty() {
            true => Ok(Self(pattern.to_ascii_uppercase().chars().collect())),
            false => Err(faults),
        }
    }

    /// The number that these letters and digits are, which may leave out its marks.
    pub(super) fn complete(&self, bare: &str) -> Option<String> {
        let is_mark = |place: char| matches!(place, '-' | '/' | '_');
        let mut signs = bare.chars();
        let mut number = String::with_capacity(self.0.len());
        for place in &self.0 {
            number.push(if is_mark(*place) {
                *place
            } else {
                signs.next()?
            });
        }
        (signs.next().is_none() && self.fits(number.chars())).then(|| number.to_ascii_uppercase())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn fits(&self, text: impl Iterator<Item = char>) -> bool {
        let mut places = 0;
        for (place, c) in self.0.iter().zip(text) {
            let fits = match place {
                '#' => c.is_ascii_digit(),
                '?' => c.is_ascii_alphabetic(),
                _ => c.to_ascii_uppercase() == *place,
            };
            if !fits {
                return false;
            }
            places += 1;
        }
        places == self.0.len()
    }
}
