//! The cold benchmark: what a fresh instance of the edge component costs
//! beside one that only echoes, in the same host and the same run.
//!
//! Rounds alternate between the two and swap who goes first, so that a busy
//! machine slows both. The figure is the ratio of medians of
//! `instantiate + call`, where the edge component's call opens the embedded
//! model (`GET /healthz` answers with its digest), and the echo's call returns
//! its request's body. The ranking's compute time is reported apart, from
//! `Server-Timing`, since it is work and not start.

use crate::guest::{Answer, Guest, GuestFailure};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Measured rounds.
    pub rounds: usize,
    /// Rounds before those, to fill caches.
    pub warm_up: usize,
    /// The body of the ranking request.
    pub rank_body: Bytes,
}

/// Medians of one kind of request, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Medians {
    /// Store and instance.
    pub instantiate_us: f64,
    /// The call, to the whole answer.
    pub call_us: f64,
    /// Both together, per request.
    pub total_us: f64,
    /// The slowest twentieth begins here (both together).
    pub p95_us: f64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Measured rounds.
    pub rounds: usize,
    /// The echo component.
    pub echo: Medians,
    /// The edge component, `GET /healthz`.
    pub edge: Medians,
    /// Edge over echo, instantiation and access to the model together.
    pub ratio: f64,
    /// The edge component, `POST /v1/rank`.
    pub rank: Medians,
    /// The ranking alone, as the component measured it (`Server-Timing: rank`).
    pub rank_compute_us: f64,
    /// How many candidates that ranking had.
    pub rank_candidates: u64,
}

/// Why there is no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum BenchError {
    /// A request got no answer.
    Guest {
        /// Whose.
        component: &'static str,
        /// Why not.
        source: GuestFailure,
    },
    /// A request got an answer that is not the expected one.
    Unexpected {
        /// Whose.
        component: &'static str,
        /// What came.
        found: String,
    },
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Guest { component, source } => {
                write!(f, "the {component} component gave no answer: {source}")
            }
            BenchError::Unexpected { component, found } => {
                write!(
                    f,
                    "the {component} component answered unexpectedly: {found}"
                )
            }
        }
    }
}

impl std::error::Error for BenchError {}

fn request(method: Method, path: &str, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    let headers = request.headers_mut();
    headers.insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    request
}

async fn ask(
    guest: &Guest,
    component: &'static str,
    request: Request<Bytes>,
) -> Result<Answer, BenchError> {
    let answer = guest
        .handle(request)
        .await
        .map_err(|source| BenchError::Guest { component, source })?;
    if answer.response.status() != StatusCode::OK {
        return Err(BenchError::Unexpected {
            component,
            found: format!(
                "{} {}",
                answer.response.status(),
                String::from_utf8_lossy(answer.response.body())
            ),
        });
    }
    Ok(answer)
}

/// Runs the benchmark.
///
/// # Errors
/// When a component fails or answers with anything but success.
pub async fn run(edge: &Guest, echo: &Guest, plan: &Plan) -> Result<Report, BenchError> {
    let mut echoes = Vec::with_capacity(plan.rounds);
    let mut opens = Vec::with_capacity(plan.rounds);
    let mut ranks = Vec::with_capacity(plan.rounds);
    let mut computes = Vec::with_capacity(plan.rounds);
    let mut candidates = 0;
    let word = Bytes::from_static(b"{\"echo\":true}");
    for round in 0..plan.warm_up + plan.rounds {
        let measured = round >= plan.warm_up;
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                let answer = ask(echo, "echo", request(Method::POST, "/", word.clone())).await?;
                if answer.response.body() != &word {
                    return Err(BenchError::Unexpected {
                        component: "echo",
                        found: String::from_utf8_lossy(answer.response.body()).into_owned(),
                    });
                }
                if measured {
                    echoes.push(answer.timing);
                }
            } else {
                let healthz = request(Method::GET, "/healthz", Bytes::new());
                let answer = ask(edge, "edge", healthz).await?;
                if measured {
                    opens.push(answer.timing);
                }
            }
        }
        let rank = request(Method::POST, "/v1/rank", plan.rank_body.clone());
        let answer = ask(edge, "edge", rank).await?;
        if measured {
            ranks.push(answer.timing);
            computes.push(server_timing(&answer, "rank").ok_or_else(|| {
                BenchError::Unexpected {
                    component: "edge",
                    found: "no Server-Timing with `rank`".to_owned(),
                }
            })?);
            candidates = serde_json::from_slice::<serde_json::Value>(answer.response.body())
                .ok()
                .and_then(|body| body.get("candidates")?.as_u64())
                .unwrap_or(0);
        }
    }
    let echo = medians(&echoes);
    let edge = medians(&opens);
    Ok(Report {
        rounds: plan.rounds,
        echo,
        edge,
        ratio: edge.total_us / echo.total_us,
        rank: medians(&ranks),
        rank_compute_us: quantile(&mut computes, 0.5),
        rank_candidates: candidates,
    })
}

/// One entry of `Server-Timing`, in microseconds.
fn server_timing(answer: &Answer, name: &str) -> Option<f64> {
    let header = answer.response.headers().get("server-timing")?;
    header.to_str().ok()?.split(',').find_map(|entry| {
        let mut parts = entry.trim().split(';');
        if parts.next()?.trim() != name {
            return None;
        }
        let duration = parts.find_map(|part| part.trim().strip_prefix("dur="))?;
        duration.parse::<f64>().ok().map(|ms| ms * 1_000.0)
    })
}

fn medians(timings: &[crate::guest::Timing]) -> Medians {
    let column = |take: fn(&crate::guest::Timing) -> Duration| -> Vec<f64> {
        timings
            .iter()
            .map(|timing| take(timing).as_secs_f64() * 1e6)
            .collect()
    };
    let mut totals = column(|t| t.instantiate + t.call);
    Medians {
        instantiate_us: quantile(&mut column(|t| t.instantiate), 0.5),
        call_us: quantile(&mut column(|t| t.call), 0.5),
        total_us: quantile(&mut totals, 0.5),
        p95_us: quantile(&mut totals, 0.95),
    }
}

fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        // In range: `at` is at most one and the length at least one.
        n => values[((n - 1) as f64 * at).round() as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let mut values = [5.0, 1.0, 3.0];
        assert_eq!(quantile(&mut values, 0.5), 3.0);
        assert_eq!(quantile(&mut values, 0.95), 5.0);
        assert_eq!(quantile(&mut [7.0], 0.5), 7.0);
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
