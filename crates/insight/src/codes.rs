//! Every code with which this crate refuses a log, besides those of `commerce`.

use shelfedge_commerce::codes::Code;

/// A log has no decision.
pub static LOG_EMPTY: Code = Code {
    id: "log_empty",
    action: "Wait until something was shown, or widen the time that is read.",
};
/// A decision names an action beyond those of the log.
pub static ACTION_UNKNOWN: Code = Code {
    id: "action_unknown",
    action: "Number the actions from 0, and count all that either policy can choose.",
};
/// A reward, or a predicted one, is NaN or infinite.
pub static REWARD_NOT_FINITE: Code = Code {
    id: "reward_not_finite",
    action: "Find the division that made it; send 0 for what wasn't rewarded.",
};
/// What a policy does with one decision is no probability distribution.
pub static NOT_A_DISTRIBUTION: Code = Code {
    id: "not_a_distribution",
    action: "Give each action a probability of 0 or more; together they make 1.",
};
/// Actions times positions don't fit the table of rates.
pub static TABLE_TOO_LARGE: Code = Code {
    id: "table_too_large",
    action: "Estimate one list at a time, or number actions and positions without gaps.",
};
/// Two policies were judged on different logs.
pub static LOGS_DIFFER: Code = Code {
    id: "logs_differ",
    action: "Compare two policies on the same decisions.",
};
/// The bootstrap has too few draws for an interval.
pub static DRAWS_TOO_FEW: Code = Code {
    id: "draws_too_few",
    action: "Ask for at least 100 draws; 1,000 are usual.",
};
/// A propensity is so small that its weight drowns all others.
pub static PROPENSITY_TINY: Code = Code {
    id: "propensity_tiny",
    action: "Leave out what is shown once in a million million times; let every choice keep a larger chance.",
};
/// A trajectory has no decision, or too many.
pub static TRAJECTORY_LENGTH: Code = Code {
    id: "trajectory_length",
    action: "Give 1 to 12 decisions of each shopper: the first ones.",
};
/// The discount is no share.
pub static DISCOUNT: Code = Code {
    id: "discount",
    action: "Give what a decision is worth of the one before, in 0 to 1; 0.9 is usual.",
};
