//! Reading a file of settings.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result, fault, line};

/// The settings of a file, or the defaults; a seed that is given goes before theirs.
pub fn chosen<S: Default>(
    path: Option<&Path>,
    given: Option<u64>,
    load: fn(&Path) -> Result<S>,
    seed: fn(&mut S) -> &mut u64,
) -> Result<S> {
    let mut settings = path.map_or_else(|| Ok(S::default()), load)?;
    if let Some(given) = given {
        *seed(&mut settings) = given;
    }
    Ok(settings)
}

/// Reads settings and checks every value: `check` is given a key, whether its
/// value is right, and what is.
pub(crate) fn load<S: DeserializeOwned>(
    path: &Path,
    checks: impl FnOnce(&S, &mut dyn FnMut(&str, bool, &str)),
) -> Result<S> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    let file = path.display().to_string();
    let invalid = |place: String, cause: String| {
        fault(
            "settings_invalid",
            place,
            cause,
            "correct the settings; the README lists them",
        )
    };
    let settings: S = toml::from_str(&text).map_err(|e| {
        let line = e.span().map_or(1, |span| line(&text, span.start));
        let place = format!("{file}: line {line}");
        Error::Invalid(vec![invalid(place, e.message().to_owned())])
    })?;
    let mut faults = Vec::new();
    checks(&settings, &mut |key, right, range| {
        if !right {
            faults.push(invalid(
                format!("{file}: {key}"),
                format!("must be {range}"),
            ));
        }
    });
    if faults.is_empty() {
        Ok(settings)
    } else {
        Err(Error::Invalid(faults))
    }
}

/// For a setting that isn't worth a line where it asks for nothing.
pub(crate) fn is_none(count: &usize) -> bool {
    *count == 0
}
