//! What a user got wrong: code, path, cause, action; and all of it at once.

use std::fmt;

use crate::codes::Code;

/// One thing wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Stable, machine-readable, from the table in [`crate::codes`] or from the
    /// table of the crate that reports it.
    pub code: &'static str,
    /// Where in the input, such as `events[3].params.items[0].price`; empty for
    /// the input as a whole.
    pub path: String,
    /// What was found and why it can't be used, for a person.
    pub cause: String,
    /// What to do about it.
    pub action: String,
}

impl Fault {
    /// A fault of the given kind at the given place.
    pub fn new(code: &Code, path: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            code: code.id,
            path: path.into(),
            cause: cause.into(),
            action: code.action.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]. {}", self.cause, self.code, self.action)
    }
}

impl std::error::Error for Fault {}

/// A value that can't be used, before it is known where in an input it stood.
/// The parsers of single values return this; whoever walks the input adds the
/// path with [`Invalid::at`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The kind of fault.
    pub code: &'static Code,
    /// What was found and why it can't be used.
    pub cause: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static Code, cause: impl Into<String>) -> Self {
        Self {
            code,
            cause: cause.into(),
        }
    }

    /// The same fault with its place in the input.
    pub fn at(self, path: impl Into<String>) -> Fault {
        Fault::new(self.code, path, self.cause)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]. {}", self.cause, self.code.id, self.code.action)
    }
}

impl std::error::Error for Invalid {}

/// Text from outside, fit to be shown in a cause: in quotes, control characters
/// replaced, cut after 40 characters. (`{:?}` would do nearly the same, but its
/// Unicode tables are several kilobytes of wasm.)
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        if index == 40 {
            quoted.push('\u{2026}');
            break;
        }
        quoted.push(if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        });
    }
    quoted.push('"');
    quoted
}

/// How many faults [`Faults`] keeps in full. A hostile input of a million bad
/// items must not become an answer of a million sentences; the rest is counted.
pub const MAX_KEPT: usize = 100;

/// Every fault of one input, in the order of discovery.
///
/// ```
/// use shelfedge_commerce::{codes, Fault, Faults};
/// let mut faults = Faults::default();
/// faults.push(Fault::new(&codes::ID_EMPTY, "products[0].id", "the id is empty"));
/// assert_eq!(faults.len(), 1);
/// assert!(faults.into_result(()).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    kept: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// Adds a fault; past [`MAX_KEPT`] it is only counted.
    pub fn push(&mut self, fault: Fault) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(fault);
        } else {
            self.more += 1;
        }
    }

    /// Takes the value, or notes why it is missing at the path. The path is
    /// built only when there is a fault.
    pub fn take<T>(
        &mut self,
        result: Result<T, Invalid>,
        path: impl FnOnce() -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.push(invalid.at(path()));
                None
            }
        }
    }

    /// Adds all faults of another collection.
    pub fn extend(&mut self, other: Faults) {
        for fault in other.kept {
            self.push(fault);
        }
        self.more += other.more;
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The number of faults found, including those beyond [`MAX_KEPT`].
    pub fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    /// The number of faults that were counted and not kept.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The faults kept, in the order of discovery.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.kept.iter()
    }

    /// The value when nothing is wrong, or else all the faults.
    pub fn into_result<T>(self, value: T) -> Result<T, Faults> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self {
            kept: vec![fault],
            more: 0,
        }
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.kept.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use expect_test::expect;

    #[test]
    fn all_faults_are_shown_and_the_surplus_is_counted() {
        let mut faults = Faults::default();
        for index in 0..MAX_KEPT + 3 {
            faults.push(Fault::new(
                &codes::ID_EMPTY,
                format!("products[{index}].id"),
                "the id is empty",
            ));
        }
        assert_eq!(faults.len(), MAX_KEPT + 3);
        assert_eq!(faults.more(), 3);
        let text = faults.to_string();
        assert_eq!(text.lines().count(), MAX_KEPT + 1);
        expect!["products[0].id: the id is empty [id_empty]. Give an id of 1 to 64 bytes."]
            .assert_eq(text.lines().next().unwrap_or_default());
        expect!["and 3 more"].assert_eq(text.lines().last().unwrap_or_default());
    }

    #[test]
    fn extending_keeps_the_count() {
        let mut all = Faults::default();
        for _ in 0..3 {
            let mut part = Faults::default();
            for _ in 0..60 {
                part.push(Fault::new(&codes::ID_EMPTY, "x", "empty"));
            }
            all.extend(part);
        }
        assert_eq!(all.len(), 180);
        assert_eq!(all.iter().count(), MAX_KEPT);
    }
}
