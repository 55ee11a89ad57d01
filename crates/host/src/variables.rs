//! The application's settings, as the component asks for them by name.

use std::collections::BTreeMap;
use std::fmt;

/// Names and values of variables. A name that is not here is undefined, and
/// the component then uses its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// A setting that can't be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableError {
    /// Not of the form `name=value`.
    NoEquals(String),
    /// The name has a character that Spin doesn't allow in one.
    InvalidName(String),
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VariableError::NoEquals(text) => {
                write!(f, "`{text}` is no variable: write it as name=value")
            }
            VariableError::InvalidName(name) => write!(
                f,
                "`{name}` is no variable name: begin with a lower-case letter and go on with \
                 lower-case letters, digits and single underscores"
            ),
        }
    }
}

impl std::error::Error for VariableError {}

impl Variables {
    /// Adds one `name=value`, replacing an earlier one of that name.
    ///
    /// # Errors
    /// When there is no `=`, or the name is not a valid one.
    pub fn add(&mut self, assignment: &str) -> Result<(), VariableError> {
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| VariableError::NoEquals(assignment.to_owned()))?;
        self.set(name, value)
    }

    /// Sets one variable.
    ///
    /// # Errors
    /// When the name is not a valid one.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), VariableError> {
        if !is_valid_name(name) {
            return Err(VariableError::InvalidName(name.to_owned()));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes over what Spin's environment provider would: `SPIN_VARIABLE_NAME`
    /// sets `name`. Names that are not valid are not ours and are skipped.
    pub fn add_environment(&mut self, environment: impl Iterator<Item = (String, String)>) {
        for (key, value) in environment {
            if let Some(name) = key.strip_prefix("SPIN_VARIABLE_") {
                let name = name.to_ascii_lowercase();
                if is_valid_name(&name) {
                    self.0.insert(name, value);
                }
            }
        }
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Spin's rule for names: words of lower-case letters and digits, joined by
/// single underscores, the first one beginning with a letter.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_spins_rule() {
        for name in ["a", "api_token", "x1_y2"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "_a", "a_", "a__b", "A", "a-b", "1a", "a b"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn assignments_and_environment_are_read() {
        let mut variables = Variables::default();
        variables.add("api_token=a=b").unwrap();
        variables.add_environment(
            [
                ("SPIN_VARIABLE_DEADLINE_MS", "5"),
                ("PATH", "/bin"),
                ("SPIN_VARIABLE_", "x"),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into_iter(),
        );
        assert_eq!(variables.get("api_token"), Some("a=b"));
        assert_eq!(variables.get("deadline_ms"), Some("5"));
        assert_eq!(variables.get("path"), None);
        assert_eq!(
            variables.add("Nope=1"),
            Err(VariableError::InvalidName("Nope".to_owned()))
        );
        assert!(variables.add("nope").is_err());
    }
}
