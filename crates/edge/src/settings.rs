//! The component's variables: names, defaults, and what a bad value means.
//!
//! `spin.toml` lists the same names with the same defaults (a test compares
//! them). A host that defines none of them runs the component with the
//! defaults. A value that can't be read is an error of whoever runs the shop,
//! so it stops the request that needs it and says which variable is wrong: a
//! mistyped limit must not silently become no limit.

use std::fmt;

/// Where variables come from.
pub trait Variables {
    /// The value, or none when the host does not define the variable.
    ///
    /// # Errors
    /// When the host's provider failed, with its reason.
    fn get(&self, name: &str) -> Result<Option<String>, String>;
}

/// One variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name, as in `spin.toml`.
    pub name: &'static str,
    /// Its value when the host defines none.
    pub default: &'static str,
    /// Whether it must not be shown.
    pub secret: bool,
    /// What it does.
    pub about: &'static str,
}

/// Bearer token.
pub const API_TOKEN: Variable = Variable {
    name: "api_token",
    default: "",
    secret: true,
    about: "Bearer token that /v1 asks for; empty asks for none.",
};
/// Allowed origins.
pub const CORS_ORIGINS: Variable = Variable {
    name: "cors_origins",
    default: "",
    secret: false,
    about: "Origins whose pages may call, comma-separated; * allows all; empty allows none but the own.",
};
/// Whether events are stored.
pub const STORE_PROFILES: Variable = Variable {
    name: "store_profiles",
    default: "true",
    secret: false,
    about: "Whether events are stored per shopper and used by later rankings.",
};
/// Body cap.
pub const MAX_BODY_BYTES: Variable = Variable {
    name: "max_body_bytes",
    default: "1048576",
    secret: false,
    about: "Longest request body, in bytes.",
};
/// Deadline.
pub const DEADLINE_MS: Variable = Variable {
    name: "deadline_ms",
    default: "1000",
    secret: false,
    about: "Time for one request, checked between its phases, in milliseconds.",
};
/// Kept events.
pub const MAX_STORED_EVENTS: Variable = Variable {
    name: "max_stored_events",
    default: "500",
    secret: false,
    about: "Newest events that are kept per shopper.",
};
/// Write budget of a batch.
pub const MAX_WRITES_PER_BATCH: Variable = Variable {
    name: "max_writes_per_batch",
    default: "20",
    secret: false,
    about: "Shoppers, and so writes, in one batch of events; more are refused.",
};
/// Write budget of a shopper.
pub const MIN_WRITE_INTERVAL_MS: Variable = Variable {
    name: "min_write_interval_ms",
    default: "500",
    secret: false,
    about: "Least time between two writes for one shopper or list; sooner ones are shed.",
};
/// Who teaches exploration.
pub const EXPLORE_LEARNERS: Variable = Variable {
    name: "explore_learners",
    default: "100",
    secret: false,
    about: "Of a hundred shoppers, how many teach lists that explore; 0 stops the learning.",
};

/// Key of the assistant's states.
pub const STATE_KEY: Variable = Variable {
    name: "state_key",
    default: "",
    secret: true,
    about: "Key that signs the states of conversations, 32 characters or more; without it /v1/assist is off.",
};
/// Whether states are taken once.
pub const REFUSE_REPLAYS: Variable = Variable {
    name: "refuse_replays",
    default: "true",
    secret: false,
    about: "Whether a conversation's state is taken once only; needs the store.",
};
/// Who is told of hand-overs.
pub const HANDOVER_URL: Variable = Variable {
    name: "handover_url",
    default: "",
    secret: true,
    about: "Address that is told when a conversation needs a person, https only; empty tells nobody.",
};
/// What they speak.
pub const HANDOVER_KIND: Variable = Variable {
    name: "handover_kind",
    default: "webhook",
    secret: false,
    about: "What handover_url is: webhook, or chatwoot, an inbox of a desk that speaks Chatwoot's API.",
};
/// How they know that it was the shop.
pub const HANDOVER_SECRET: Variable = Variable {
    name: "handover_secret",
    default: "",
    secret: true,
    about: "Secret that signs hand-overs, whsec_ and 24 to 64 bytes in base64; of a desk, its access token.",
};
/// Time for a hand-over.
pub const HANDOVER_DEADLINE_MS: Variable = Variable {
    name: "handover_deadline_ms",
    default: "5000",
    secret: false,
    about: "Time for all attempts of one hand-over, 100 to 10000 milliseconds.",
};

/// All of them, in the order of `spin.toml`.
pub const ALL: [Variable; 15] = [
    API_TOKEN,
    CORS_ORIGINS,
    STORE_PROFILES,
    MAX_BODY_BYTES,
    DEADLINE_MS,
    MAX_STORED_EVENTS,
    MAX_WRITES_PER_BATCH,
    MIN_WRITE_INTERVAL_MS,
    EXPLORE_LEARNERS,
    STATE_KEY,
    REFUSE_REPLAYS,
    HANDOVER_URL,
    HANDOVER_KIND,
    HANDOVER_SECRET,
    HANDOVER_DEADLINE_MS,
];

/// A variable that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadVariable {
    /// Which one.
    pub name: &'static str,
    /// Why not; never the value of a secret.
    pub cause: String,
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {} {}", self.name, self.cause)
    }
}

impl std::error::Error for BadVariable {}

impl Variable {
    /// Its text.
    ///
    /// # Errors
    /// When the host's provider failed.
    pub fn text(&self, variables: &dyn Variables) -> Result<String, BadVariable> {
        match variables.get(self.name) {
            Ok(Some(value)) => Ok(value.trim().to_owned()),
            Ok(None) => Ok(self.default.to_owned()),
            Err(why) => Err(BadVariable {
                name: self.name,
                cause: format!("can't be had: {why}"),
            }),
        }
    }

    /// Its value as a number in the range.
    ///
    /// # Errors
    /// When the host's provider failed or the value is no such number.
    pub fn number(
        &self,
        variables: &dyn Variables,
        least: u64,
        most: u64,
    ) -> Result<u64, BadVariable> {
        let text = self.text(variables)?;
        text.parse()
            .ok()
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| BadVariable {
                name: self.name,
                cause: format!("is `{text}` and must be a whole number from {least} to {most}"),
            })
    }

    /// Its value as yes or no.
    ///
    /// # Errors
    /// When the host's provider failed or the value is neither.
    pub fn switch(&self, variables: &dyn Variables) -> Result<bool, BadVariable> {
        let text = self.text(variables)?;
        match text.as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(BadVariable {
                name: self.name,
                cause: format!("is `{text}` and must be true or false"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Result<Option<&'static str>, &'static str>);

    impl Variables for One {
        fn get(&self, _name: &str) -> Result<Option<String>, String> {
            match self.0 {
                Ok(value) => Ok(value.map(str::to_owned)),
                Err(why) => Err(why.to_owned()),
            }
        }
    }

    #[test]
    fn defaults_are_valid() {
        let none = One(Ok(None));
        assert_eq!(MAX_BODY_BYTES.number(&none, 1, 1 << 30), Ok(1 << 20));
        assert_eq!(DEADLINE_MS.number(&none, 1, 60_000), Ok(1_000));
        assert_eq!(STORE_PROFILES.switch(&none), Ok(true));
        assert_eq!(API_TOKEN.text(&none).as_deref(), Ok(""));
    }

    #[test]
    fn a_bad_value_is_an_error_and_not_a_default() {
        for bad in ["", "x", "-1", "0", "99999999999999999999", "1e3", "1 000"] {
            let error = DEADLINE_MS
                .number(&One(Ok(Some(bad))), 1, 60_000)
                .unwrap_err();
            assert_eq!(error.name, "deadline_ms", "{bad}");
        }
        assert!(STORE_PROFILES.switch(&One(Ok(Some("maybe")))).is_err());
        assert_eq!(STORE_PROFILES.switch(&One(Ok(Some(" off ")))), Ok(false));
        assert!(API_TOKEN.text(&One(Err("vault is down"))).is_err());
    }
}
