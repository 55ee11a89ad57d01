//! Problems that the host itself answers with (RFC 9457): the component was
//! not reached, or failed. Those that a client of the component's own interface
//! can meet have the codes that the interface's description lists.

use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use std::fmt;

/// What the host can answer instead of the component or of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostProblem {
    /// The component did not finish before its deadline.
    DeadlineExceeded,
    /// The component wanted more memory than the host gives.
    OutOfMemory,
    /// The component trapped or panicked.
    ComponentFailed,
    /// The component returned without an answer, or with a broken one.
    NoResponse,
    /// The component's answer is larger than the host allows.
    ResponseTooLarge,
    /// The request is not well-formed HTTP, where hyper lets it pass.
    MalformedRequest,
    /// The request's body is larger than the host reads.
    BodyTooLarge,
    /// The request's body did not arrive completely or in time.
    BodyIncomplete,
    /// All instances are busy.
    Overloaded,
    /// No such file.
    NotFound,
    /// A file can only be read.
    MethodNotAllowed,
    /// The path is not one of a file that may be served.
    ForbiddenPath,
    /// The host could not read its own file.
    Unreadable,
}

impl HostProblem {
    /// All of them, for documentation and tests.
    pub const ALL: [HostProblem; 13] = [
        HostProblem::DeadlineExceeded,
        HostProblem::OutOfMemory,
        HostProblem::ComponentFailed,
        HostProblem::NoResponse,
        HostProblem::ResponseTooLarge,
        HostProblem::MalformedRequest,
        HostProblem::BodyTooLarge,
        HostProblem::BodyIncomplete,
        HostProblem::Overloaded,
        HostProblem::NotFound,
        HostProblem::MethodNotAllowed,
        HostProblem::ForbiddenPath,
        HostProblem::Unreadable,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// What it is, in one line.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// What to do about it.
    #[must_use]
    pub fn action(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        match self {
            HostProblem::DeadlineExceeded => (
                StatusCode::GATEWAY_TIMEOUT,
                "host_deadline_exceeded",
                "The component did not answer in time",
                "Send fewer candidates or events, or start the host with a longer --deadline-ms.",
            ),
            HostProblem::OutOfMemory => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "out_of_memory",
                "The component wanted more memory than it may have",
                "Send a smaller request, or start the host with a larger --memory-mib.",
            ),
            HostProblem::ComponentFailed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "component_failed",
                "The component failed",
                "The host's stderr has the cause; report it with the request that did it.",
            ),
            HostProblem::NoResponse => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "component_no_response",
                "The component ended without a whole answer",
                "The host's stderr has the cause; report it with the request that did it.",
            ),
            HostProblem::ResponseTooLarge => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "component_response_too_large",
                "The component's answer is larger than the host passes on",
                "Ask for fewer items.",
            ),
            HostProblem::MalformedRequest => (
                StatusCode::BAD_REQUEST,
                "malformed_request",
                "The request is not well-formed HTTP",
                "Send the request with an HTTP library; the detail says what is wrong with it.",
            ),
            HostProblem::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "host_body_too_large",
                "The request's body is larger than the host reads",
                "Send a smaller body.",
            ),
            HostProblem::BodyIncomplete => (
                StatusCode::REQUEST_TIMEOUT,
                "body_incomplete",
                "The request's body did not arrive completely",
                "Send the whole body at once, with its Content-Length.",
            ),
            HostProblem::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "host_overloaded",
                "All instances are busy",
                "Wait as long as Retry-After says and repeat the request.",
            ),
            HostProblem::NotFound => (
                StatusCode::NOT_FOUND,
                "file_not_found",
                "There is no such file",
                "Check the path; files that are built appear after `cargo xtask demo`.",
            ),
            HostProblem::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "file_method_not_allowed",
                "A file can only be read",
                "Use GET or HEAD.",
            ),
            HostProblem::ForbiddenPath => (
                StatusCode::BAD_REQUEST,
                "file_path_refused",
                "The path leads outside of the served folders",
                "Use a path without `..`, hidden names and encoded separators.",
            ),
            HostProblem::Unreadable => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "file_unreadable",
                "The host could not read the file",
                "The host's stderr has the cause.",
            ),
        }
    }

    /// The problem as a response; `detail` says what happened this time.
    #[must_use]
    pub fn response(self, detail: impl fmt::Display) -> Response<Bytes> {
        let (status, code, title, action) = self.row();
        let body = serde_json::json!({
            "type": format_args!("urn:shelfedge:problem:{code}").to_string(),
            "title": title,
            "status": status.as_u16(),
            "detail": detail.to_string(),
            "code": code,
            "action": action,
        });
        let mut response = Response::new(Bytes::from(format!("{body}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            HostProblem::Overloaded => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            HostProblem::MethodNotAllowed => {
                headers.insert(hyper::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::HostProblem;
    use shelfedge_wire::problem::Code;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_the_published_ones_agree() {
        let ids: BTreeSet<_> = HostProblem::ALL.iter().map(|p| p.code()).collect();
        assert_eq!(ids.len(), HostProblem::ALL.len());
        for (host, published) in [
            (HostProblem::DeadlineExceeded, Code::HOST_DEADLINE_EXCEEDED),
            (HostProblem::OutOfMemory, Code::OUT_OF_MEMORY),
            (HostProblem::ComponentFailed, Code::COMPONENT_FAILED),
        ] {
            assert_eq!(host.code(), published.id);
            assert_eq!(host.status().as_u16(), published.status);
        }
    }

    #[test]
    fn a_problem_says_what_to_do() {
        for problem in HostProblem::ALL {
            let response = problem.response("it happened");
            assert_eq!(response.status(), problem.status());
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["code"], problem.code());
            assert_eq!(body["title"], problem.title());
            assert_eq!(body["action"], problem.action());
            assert_eq!(body["detail"], "it happened");
        }
    }
}
