//! The application's settings, as the component asks for them by name.

use std::collections::BTreeMap;
use std::fmt;

/// Names and values of variables. A name that is not here is undefined, and
/// the component then uses its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// What the edge component asks for. `spin.toml` has the same names (a test
/// compares them), and the component's README says what they do.
pub const KNOWN: [&str; 15] = [
    "api_token",
    "cors_origins",
    "store_profiles",
    "max_body_bytes",
    "deadline_ms",
    "max_stored_events",
    "max_writes_per_batch",
    "min_write_interval_ms",
    "explore_learners",
    "state_key",
    "refuse_replays",
    "handover_url",
    "handover_kind",
    "handover_secret",
    "handover_deadline_ms",
];

/// How Spin's environment provider names a variable, before its name in capitals.
const ENVIRONMENT: &str = "SPIN_VARIABLE_";

/// A setting that can't be one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VariableError {
    /// Not of the form `name=value`.
    NoEquals(String),
    /// The name has a character that Spin doesn't allow in one.
    InvalidName(String),
    /// The component does not ask for it, so whoever set it meant another.
    Unknown(String),
    /// The same, by its name in the environment.
    UnknownInEnvironment(String),
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
            VariableError::Unknown(name) => match nearest(name) {
                Some(near) => write!(
                    f,
                    "the component knows no variable `{name}`: did you mean `{near}`?"
                ),
                None => write!(
                    f,
                    "the component knows no variable `{name}`, but {}",
                    KNOWN.join(", ")
                ),
            },
            VariableError::UnknownInEnvironment(key) => {
                let name = key.strip_prefix(ENVIRONMENT).unwrap_or(key);
                write!(
                    f,
                    "the component knows no variable {key} of the environment"
                )?;
                match nearest(&name.to_ascii_lowercase()) {
                    Some(near) => {
                        write!(
                            f,
                            ": did you mean {ENVIRONMENT}{}?",
                            near.to_ascii_uppercase()
                        )
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for VariableError {}

impl Variables {
    /// Adds one `name=value` of whoever starts the host, replacing an earlier one
    /// of that name.
    ///
    /// # Errors
    /// When there is no `=`, or the component knows no such name: a mistyped
    /// token must not be no token.
    pub fn add(&mut self, assignment: &str) -> Result<(), VariableError> {
        let (name, value) = assignment
            .split_once('=')
            .ok_or_else(|| VariableError::NoEquals(assignment.to_owned()))?;
        if is_valid_name(name) && !KNOWN.contains(&name) {
            return Err(VariableError::Unknown(name.to_owned()));
        }
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
    /// sets `name`. Another application's variables may be there too; they are
    /// left out and given back, to be told.
    ///
    /// # Errors
    /// When a name is nearly one that the component knows, and so is meant for it.
    pub fn add_environment(
        &mut self,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Vec<VariableError>, VariableError> {
        let mut others = Vec::new();
        for (key, value) in environment {
            let Some(name) = key.strip_prefix(ENVIRONMENT) else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            if KNOWN.contains(&name.as_str()) {
                self.0.insert(name, value);
                continue;
            }
            let unknown = VariableError::UnknownInEnvironment(key);
            if nearest(&name).is_some() {
                return Err(unknown);
            }
            others.push(unknown);
        }
        Ok(others)
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The known name that was probably meant: a quarter of the letters may be wrong
/// or missing, and one more. Of several the first in the order of [`KNOWN`].
fn nearest(name: &str) -> Option<&'static str> {
    KNOWN
        .into_iter()
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many bytes must be put in, taken out or replaced to make `b` of `a`
/// (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
        let environment = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            pairs.iter().map(owned).collect()
        };
        let others = variables
            .add_environment(
                environment(&[
                    ("SPIN_VARIABLE_DEADLINE_MS", "5"),
                    ("PATH", "/bin"),
                    ("SPIN_VARIABLE_", "x"),
                    ("SPIN_VARIABLE_WEATHER_KEY", "another application's"),
                ])
                .into_iter(),
            )
            .unwrap();
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        assert_eq!(others.len(), 2, "{others:?}");
        assert!(others[1].contains("SPIN_VARIABLE_WEATHER_KEY"));
        assert!(!others[1].contains("another application's"));
        let misspelt = environment(&[("SPIN_VARIABLE_API__TOKEN", "secret")]);
        let error = variables.add_environment(misspelt.into_iter()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("SPIN_VARIABLE_API_TOKEN?"), "{text}");
        assert_eq!(variables.get("api_token"), Some("a=b"));
        assert_eq!(variables.get("deadline_ms"), Some("5"));
        assert_eq!(variables.get("path"), None);
        assert_eq!(
            variables.add("Nope=1"),
            Err(VariableError::InvalidName("Nope".to_owned()))
        );
        assert!(variables.add("nope").is_err());
    }

    #[test]
    fn a_name_that_nobody_asks_for_is_an_error_with_the_nearest() {
        let mut variables = Variables::default();
        for (name, near) in [
            ("api_tokn", "api_token"),
            ("api_tokens", "api_token"),
            ("apitoken", "api_token"),
            ("cors_origin", "cors_origins"),
            ("deadline", "deadline_ms"),
            ("max_stored_event", "max_stored_events"),
            ("min_write_interval", "min_write_interval_ms"),
        ] {
            let error = variables.add(&format!("{name}=x")).unwrap_err();
            assert_eq!(error, VariableError::Unknown(name.to_owned()));
            let text = error.to_string();
            assert!(text.contains(&format!("did you mean `{near}`?")), "{text}");
        }
        let error = variables.add("colour=red").unwrap_err().to_string();
        assert!(error.contains("api_token, cors_origins"), "{error}");
        assert_eq!(variables, Variables::default());
        for name in KNOWN {
            variables.add(&format!("{name}=x")).unwrap();
        }
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("abc", "bc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn the_manifest_of_spin_has_the_same_names() {
        let manifest = include_str!("../../../spin.toml");
        let names: Vec<&str> = manifest
            .lines()
            .skip_while(|line| *line != "[variables]")
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(" = ")?.0))
            // The manifest's own: it is what Spin lets the component out to.
            .filter(|name| *name != "handover_origin")
            .collect();
        assert_eq!(names, KNOWN);
    }
}
