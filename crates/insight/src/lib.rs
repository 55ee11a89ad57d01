//! What a policy is worth, from what was logged under another: off-policy
//! estimates with their intervals, and a verdict on whether a candidate may ship.
//!
//! This crate does not choose or rank anything (that is `ranking`), reads no
//! file, knows no clock, and draws no random number that its seed doesn't fix.

pub mod affinity;
pub mod bootstrap;
pub mod codes;
pub mod policy;
pub mod sequence;
pub mod verdict;

pub use affinity::Affine;
pub use bootstrap::Estimate;
pub use policy::{Decision, Evaluation, Log, Options, Rates, Terms};
pub use verdict::{Answer, Rule, Verdict};
