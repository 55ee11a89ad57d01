//! Problems: RFC 9457 JSON with our codes.

use shelfedge_commerce::ShopperId;
use shelfedge_commerce::fault::{Fault, Faults};

use crate::codes;
use crate::json::Writer;
use crate::limits::Limits;

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// One way in which a request fails as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Code {
    /// The stable name, such as `invalid_request`.
    pub id: &'static str,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// What went wrong, the same for every occurrence.
    pub title: &'static str,
    /// What the caller can do.
    pub action: &'static str,
}

macro_rules! problems {
    ($($name:ident = $id:literal, $status:literal, $title:literal, $action:literal;)*) => {
        // Constants and not an enum with tables: a browser that fails in four of
        // these ways downloads the texts of those four.
        impl Code {
            $(#[doc = $title] pub const $name: Self = Self {
                id: $id,
                status: $status,
                title: $title,
                action: $action,
            };)*

            /// All of them, in the order of this file.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

problems! {
    MALFORMED_JSON = "malformed_json", 400, "The body isn't JSON in UTF-8.", "Build the body with a JSON library.";
    TOO_DEEP = "too_deep", 400, "The body is nested too deeply.", "Flatten the body.";
    BODY_INCOMPLETE = "body_incomplete", 400, "The body broke off.", "Send the whole body again.";
    UNAUTHORIZED = "unauthorized", 401, "The request carries no valid key.", "Send the shop's key in the Authorization header.";
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", 403, "The page's origin may not call this shop.", "Add the origin to the application's allowed origins.";
    PROFILES_OFF = "profiles_off", 403, "This shop stores no profiles.", "Send the events with the ranking request.";
    NOT_FOUND = "not_found", 404, "There is nothing at this path.", "See /openapi.json for the paths.";
    PROFILE_NOT_FOUND = "profile_not_found", 404, "Nothing is stored of this shopper.", "Nothing has to be done; the shopper's next events begin a profile.";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This path doesn't answer this method.", "Use a method that the Allow header names.";
    BODY_TOO_LARGE = "body_too_large", 413, "The body is larger than the limit.", "Send fewer events or candidates in one request.";
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", 415, "The body has a media type that isn't read here.", "Set Content-Type to the type that /openapi.json names.";
    INVALID_REQUEST = "invalid_request", 422, "The request has faults.", "Correct every fault in the list.";
    INTERNAL = "internal", 500, "The service failed; the request may be right.", "Try again; if it stays, report the detail.";
    MISCONFIGURED = "misconfigured", 500, "A setting of the service can't be used.", "Correct the setting that the detail names.";
    COMPONENT_FAILED = "component_failed", 500, "The component stopped without an answer.", "Try again; if it stays, see the host's log.";
    OUT_OF_MEMORY = "out_of_memory", 500, "The component needed more memory than it may have.", "Send a smaller request, or raise the memory limit.";
    MODEL_UNUSABLE = "model_unusable", 500, "The model can't be used.", "Deploy a whole bundle from one run of the trainer.";
    PROFILE_UNREADABLE = "profile_unreadable", 500, "What is stored of this shopper can't be read.", "Erase it with DELETE at the same path, or send events of the shopper: they replace it.";
    DEADLINE_EXCEEDED = "deadline_exceeded", 503, "The answer took longer than allowed.", "Send a smaller request, or raise the deadline.";
    WRITE_BUDGET_EXCEEDED = "write_budget_exceeded", 503, "The store's writes are used up for now.", "Wait as long as Retry-After says, and send the same events again.";
    STORE_UNAVAILABLE = "store_unavailable", 503, "The store failed.", "Send the same request again later; what a batch has stored by now, as its progress says, isn't stored twice.";
    HOST_DEADLINE_EXCEEDED = "host_deadline_exceeded", 504, "The component didn't answer in time and was stopped.", "Send a smaller request, or raise the host's deadline.";
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// What went wrong in general.
    pub title: &'static str,
    /// What went wrong this time.
    pub detail: String,
    /// What the caller can do.
    pub action: &'static str,
    /// The faults of the input, when it is at fault.
    pub faults: Faults,
    /// How far a batch came that failed while it was being stored. Boxed: most
    /// problems have none.
    pub progress: Option<Box<Progress>>,
}

/// How far a batch came before the store failed. Every shopper of the batch is
/// in one of the lists, once, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whose events are stored, by this request or before, as far as they are
    /// new enough to be kept.
    pub stored: Vec<ShopperId>,
    /// Whose write failed. A store may fail after it has written, so their
    /// events are stored or not, and never some of them.
    pub unsure: Vec<ShopperId>,
    /// Of whose new events none is stored.
    pub not_stored: Vec<ShopperId>,
}

impl Problem {
    /// A problem of some kind, with its title for a detail.
    pub fn new(code: Code) -> Self {
        Self {
            status: code.status,
            code: code.id,
            title: code.title,
            detail: code.title.to_owned(),
            action: code.action,
            faults: Faults::default(),
            progress: None,
        }
    }

    /// The same problem with what happened this time.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The JSON of `application/problem+json`, fields in a fixed order.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Writer::with_capacity(512);
        json.open(b'{');
        json.key("type");
        json.string(&format!("urn:shelfedge:problem:{}", self.code));
        json.key("title");
        json.string(self.title);
        json.key("status");
        json.unsigned(self.status.into());
        json.key("detail");
        json.string(&self.detail);
        json.key("code");
        json.string(self.code);
        json.key("action");
        json.string(self.action);
        if !self.faults.is_empty() {
            json.key("faults");
            json.open(b'[');
            for fault in &self.faults {
                write_fault(&mut json, fault);
            }
            json.close(b']');
            json.key("more_faults");
            json.unsigned(self.faults.more() as u64);
        }
        if let Some(progress) = &self.progress {
            json.key("progress");
            json.open(b'{');
            for (name, shoppers) in [
                ("stored", &progress.stored),
                ("unsure", &progress.unsure),
                ("not_stored", &progress.not_stored),
            ] {
                json.key(name);
                json.open(b'[');
                for shopper in shoppers {
                    json.string(shopper.as_str());
                }
                json.close(b']');
            }
            json.close(b'}');
        }
        json.close(b'}');
        json.finish()
    }
}

fn write_fault(json: &mut Writer, fault: &Fault) {
    json.open(b'{');
    json.key("code");
    json.string(fault.code);
    json.key("path");
    json.string(&fault.path);
    json.key("cause");
    json.string(&fault.cause);
    json.key("action");
    json.string(&fault.action);
    json.close(b'}');
}

impl From<Faults> for Problem {
    /// What isn't JSON or is too large has only that fault and its own status;
    /// all else is an invalid request.
    fn from(faults: Faults) -> Self {
        let only = faults.iter().next().map(|fault| fault.code);
        let code = match only {
            Some(id) if id == codes::MALFORMED_JSON.id => Code::MALFORMED_JSON,
            Some(id) if id == codes::TOO_DEEP.id => Code::TOO_DEEP,
            Some(id) if id == codes::BODY_TOO_LARGE.id => Code::BODY_TOO_LARGE,
            Some(id) if id == codes::MEDIA_TYPE.id => Code::UNSUPPORTED_MEDIA_TYPE,
            _ => Code::INVALID_REQUEST,
        };
        let mut problem = Self::new(code);
        problem.detail = match faults.len() {
            1 => faults
                .iter()
                .next()
                .map_or_else(String::new, |fault| fault.cause.clone()),
            count => format!("{count} faults were found"),
        };
        problem.faults = faults;
        problem
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.detail, self.code)?;
        if !self.faults.is_empty() {
            write!(f, "\n{}", self.faults)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Refuses a body beyond the limit before it is looked at.
pub(crate) fn check_size(bytes: &[u8], limits: &Limits) -> Result<(), Faults> {
    if bytes.len() <= limits.body_bytes {
        return Ok(());
    }
    Err(Fault::new(
        &codes::BODY_TOO_LARGE,
        "",
        format!(
            "the body has {} bytes, and at most {} are read",
            bytes.len(),
            limits.body_bytes
        ),
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let ids: BTreeSet<_> = Code::ALL.iter().map(|code| code.id).collect();
        assert_eq!(ids.len(), Code::ALL.len());
        assert!(
            Code::ALL
                .iter()
                .all(|code| (400..600).contains(&code.status))
        );
    }

    #[test]
    fn json() {
        let mut faults = Faults::default();
        faults.push(Fault::new(
            &codes::WRONG_TYPE,
            "limit",
            "a number was expected and text found",
        ));
        faults.push(Fault::new(
            &codes::FIELD_MISSING,
            "now",
            "the field is missing",
        ));
        let json = Problem::from(faults).to_json();
        let value: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        expect![[r#"
            {
              "action": "Correct every fault in the list.",
              "code": "invalid_request",
              "detail": "2 faults were found",
              "faults": [
                {
                  "action": "Send the type that the description of the field names.",
                  "cause": "a number was expected and text found",
                  "code": "wrong_type",
                  "path": "limit"
                },
                {
                  "action": "Add the field.",
                  "cause": "the field is missing",
                  "code": "field_missing",
                  "path": "now"
                }
              ],
              "more_faults": 0,
              "status": 422,
              "title": "The request has faults.",
              "type": "urn:shelfedge:problem:invalid_request"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&value).expect("text"));
        expect![[r#"{"type":"urn:shelfedge:problem:not_found","title":"There is nothing at this path.","status":404,"detail":"no such \"path\"","code":"not_found","action":"See /openapi.json for the paths."}"#]]
        .assert_eq(&String::from_utf8_lossy(
            &Problem::new(Code::NOT_FOUND)
                .with_detail("no such \"path\"")
                .to_json(),
        ));
    }
}
