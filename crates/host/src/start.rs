//! The host's own first questions to a component, before anybody else may ask.
//!
//! A component reads its variables when a request needs them, so a value that it
//! can't use would be found by the first shopper. The host asks for each thing
//! once; nothing of it is stored.

use crate::guest::{Answer, Guest, GuestFailure};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, ORIGIN};
use hyper::{Method, Request};
use std::fmt;

/// What a component that may be served said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The digest of the model inside, if it names one.
    pub model: Option<String>,
    /// What whoever runs the host should know, one line each.
    pub notes: Vec<String>,
}

/// A component that can't be served as it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// Variables have values that the component can't use; its own words.
    Misconfigured(Vec<String>),
    /// It wants more memory than it may have for the simplest request.
    OutOfMemory(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Misconfigured(causes) => write!(
                f,
                "{}: set it with --variable name=value or SPIN_VARIABLE_NAME",
                causes.join("; ")
            ),
            StartError::OutOfMemory(cause) => {
                write!(f, "{cause}: start the host with a larger --memory-mib")
            }
        }
    }
}

impl std::error::Error for StartError {}

/// The code of the component's problem for a variable that it can't use.
const MISCONFIGURED: &str = "misconfigured";

/// Asks the component once for everything that reads variables.
///
/// # Errors
/// When it names variables that it can't use, or has too little memory.
pub async fn ask(guest: &Guest) -> Result<Start, StartError> {
    let mut start = Start::default();
    let mut causes: Vec<String> = Vec::new();
    for (method, path, body) in [
        (Method::GET, "/healthz", ""),
        (Method::GET, "/v1/models", ""),
        // Reads a profile, which is of nobody.
        (
            Method::POST,
            "/v1/rank",
            r#"{"shopper":"shelfedge-start","limit":1}"#,
        ),
        // A batch of no events: nothing to write.
        (Method::POST, "/v1/events", "[]"),
    ] {
        let request = request(
            method.clone(),
            path,
            body,
            guest.variables().get("api_token"),
        );
        let answer = match guest.handle(request).await {
            Ok(answer) => answer,
            Err(failure @ GuestFailure::OutOfMemory { .. }) => {
                return Err(StartError::OutOfMemory(format!(
                    "{method} {path}: {}",
                    failure.detail()
                )));
            }
            Err(failure) => {
                start
                    .notes
                    .push(format!("{method} {path} fails: {}", failure.detail()));
                continue;
            }
        };
        let said: serde_json::Value =
            serde_json::from_slice(answer.response.body()).unwrap_or_default();
        let text = |field: &str| said.get(field)?.as_str().map(str::to_owned);
        if text("code").as_deref() == Some(MISCONFIGURED) {
            let cause = text("detail").unwrap_or_else(|| MISCONFIGURED.to_owned());
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        } else if path == "/healthz" {
            start.model = text("model");
            start.notes.extend(unwell(&answer, text("detail")));
        }
    }
    if causes.is_empty() {
        Ok(start)
    } else {
        Err(StartError::Misconfigured(causes))
    }
}

fn unwell(answer: &Answer, detail: Option<String>) -> Option<String> {
    let status = answer.response.status();
    (!status.is_success()).then(|| {
        format!(
            "the component is not well (GET /healthz: {status}): {}",
            detail.as_deref().unwrap_or("it does not say why")
        )
    })
}

fn request(
    method: Method,
    path: &'static str,
    body: &'static str,
    token: Option<&str>,
) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from_static(body.as_bytes()));
    *request.method_mut() = method;
    *request.uri_mut() = hyper::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Any: with one the component reads the list of origins.
    headers.insert(ORIGIN, HeaderValue::from_static("http://localhost"));
    let bearer =
        token.and_then(|token| HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok());
    if let Some(bearer) = bearer {
        headers.insert(AUTHORIZATION, bearer);
    }
    request
}
