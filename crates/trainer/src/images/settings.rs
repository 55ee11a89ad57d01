//! How photos become embeddings.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How photos become embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Fixes all sampling.
    pub seed: u64,
    /// Pixels of a photo's side, for an encoder that takes any.
    pub side: usize,
    /// What an encoder expects red, green and blue to be less of, from 0 to 1, and then
    /// over.
    pub mean: [f32; 3],
    /// See `mean`.
    pub std: [f32; 3],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            side: 224,
            mean: [0.0; 3],
            std: [1.0; 3],
        }
    }
}

impl Settings {
    /// Reads a settings file; what it doesn't name keeps its default.
    pub fn load(path: &Path) -> Result<Self> {
        crate::settings::load(path, |s: &Self, check| s.check(check))
    }

    /// The same with what a settings file names.
    pub(crate) fn with(self, path: &Path) -> Result<Self> {
        #[derive(Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Named {
            seed: Option<u64>,
            side: Option<usize>,
            mean: Option<[f32; 3]>,
            std: Option<[f32; 3]>,
        }
        let merged = |named: &Named| Self {
            seed: named.seed.unwrap_or(self.seed),
            side: named.side.unwrap_or(self.side),
            mean: named.mean.unwrap_or(self.mean),
            std: named.std.unwrap_or(self.std),
        };
        let named = crate::settings::load(path, |named: &Named, check| merged(named).check(check))?;
        Ok(merged(&named))
    }

    /// Tells `check` of each key, whether its value is right, and what is.
    pub(crate) fn check(&self, check: &mut dyn FnMut(&str, bool, &str)) {
        check("side", (8..=1_024).contains(&self.side), "in 8 to 1024");
        let within = |x: &f32| (0.0..=1.0).contains(x);
        check("mean", self.mean.iter().all(within), "in 0 to 1, each");
        let above = |x: &f32| (0.001..=10.0).contains(x);
        check("std", self.std.iter().all(above), "in 0.001 to 10, each");
    }
}
