//! The Spin boundary: WASI HTTP in and out, the key-value store, variables and
//! clocks, each behind the small trait that the handlers know.
//!
//! Bodies are read and written with blocking calls: an instance serves one
//! request, so there is nothing else to do meanwhile.

// The SDK's macro writes conversions between its own and the exported handles
// with `unsafe`; there is none of ours here.
#![allow(unsafe_code, reason = "the SDK's entry point macro needs it")]

use crate::handler::{Clock, Edge, Profiles, StoreFault};
use crate::handover::Outbound;
use crate::http::{Body, BodyBroken, Head, Response};
use crate::settings::Variables;
use shelfedge_wire::handover::{Call, MAX_REPLY, Reply, Target, Unsent};
use spin_sdk::http::{
    Headers, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use spin_sdk::http_component;
use spin_sdk::key_value::{Error, Store};
use spin_sdk::wit::wasi::http0_2_0::types::IncomingBody;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wasi::clocks::monotonic_clock::subscribe_duration;
use wasi::http::outgoing_handler;
use wasi::http::types as outgoing;
use wasi::io::poll::poll;
use wasi::io::streams::{InputStream, StreamError};
use wasi::random::random::get_random_u64;

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let clock = HostClock {
        #[expect(
            clippy::disallowed_methods,
            reason = "the boundary is where time comes from"
        )]
        begun: Instant::now(),
    };
    let head = head(&request);
    let mut body = HostBody {
        request,
        open: None,
    };
    let mut profiles = HostProfiles { store: None };
    let edge = Edge {
        models: crate::model::EMBEDDED,
        variables: &HostVariables,
        clock: &clock,
        outbound: &HostOutbound,
    };
    let response = edge.answer(&head, &mut body, &mut profiles);
    drop(body);
    send(response, out);
}

fn head(request: &IncomingRequest) -> Head {
    let method = match request.method() {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    };
    let target = request.path_with_query().unwrap_or_default();
    let path = target
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned();
    Head {
        method,
        path,
        headers: request.headers().entries(),
    }
}

/// Most bytes that one read asks for.
const PIECE: u64 = 64 * 1024;

struct HostBody {
    request: IncomingRequest,
    open: Option<OpenBody>,
}

/// The stream is a child of the body and must be dropped before it, which the
/// order of these fields does.
struct OpenBody {
    stream: InputStream,
    _body: IncomingBody,
}

impl HostBody {
    fn open(request: &IncomingRequest) -> Result<OpenBody, BodyBroken> {
        let body = request
            .consume()
            .map_err(|()| BodyBroken("the body was taken already".to_owned()))?;
        let stream = body
            .stream()
            .map_err(|()| BodyBroken("the body has no stream".to_owned()))?;
        Ok(OpenBody {
            stream,
            _body: body,
        })
    }
}

impl Body for HostBody {
    fn read(&mut self) -> Result<Option<Vec<u8>>, BodyBroken> {
        let open = match &self.open {
            Some(open) => open,
            None => self.open.insert(Self::open(&self.request)?),
        };
        match open.stream.blocking_read(PIECE) {
            Ok(piece) => Ok(Some(piece)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(error)) => {
                Err(BodyBroken(error.to_debug_string()))
            }
        }
    }
}

fn send(response: Response, out: ResponseOutparam) {
    let headers = Headers::new();
    for (name, value) in &response.headers {
        // Names are ours and values are checked where they come from outside;
        // a host that forbids one of them must not cost the whole answer.
        let _ = headers.append(name, value.as_bytes());
    }
    let outgoing = OutgoingResponse::new(headers);
    let _ = outgoing.set_status_code(response.status);
    let Ok(body) = outgoing.body() else { return };
    out.set(outgoing);
    {
        let Ok(stream) = body.write() else { return };
        let mut rest: &[u8] = &response.body;
        while !rest.is_empty() {
            match stream.check_write() {
                Ok(0) => stream.subscribe().block(),
                Ok(most) => {
                    let most = usize::try_from(most).unwrap_or(usize::MAX);
                    let (now, later) = rest.split_at(rest.len().min(most));
                    if stream.write(now).is_err() {
                        return;
                    }
                    rest = later;
                }
                // The client went away.
                Err(_) => return,
            }
        }
        let _ = stream.blocking_flush();
    }
    let _ = OutgoingBody::finish(body, None);
}

struct HostVariables;

impl Variables for HostVariables {
    fn get(&self, name: &str) -> Result<Option<String>, String> {
        match spin_sdk::variables::get(name) {
            Ok(value) => Ok(Some(value)),
            Err(spin_sdk::variables::Error::Undefined(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

struct HostClock {
    begun: Instant,
}

impl Clock for HostClock {
    fn unix_ms(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "the boundary is where time comes from"
        )]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|age| i64::try_from(age.as_millis()).ok())
            .unwrap_or(0)
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> [u8; 16] {
        let (a, b) = (get_random_u64(), get_random_u64());
        (u128::from(a) << 64 | u128::from(b)).to_le_bytes()
    }
}

struct HostProfiles {
    store: Option<Store>,
}

impl HostProfiles {
    fn store(&mut self) -> Result<&Store, StoreFault> {
        if self.store.is_none() {
            self.store = Some(Store::open_default().map_err(fault)?);
        }
        self.store
            .as_ref()
            .ok_or_else(|| StoreFault("the store did not open".to_owned()))
    }
}

fn fault(error: Error) -> StoreFault {
    StoreFault(match error {
        Error::NoSuchStore => "the application has no store `default`".to_owned(),
        Error::AccessDenied => "the component may not use the store `default`".to_owned(),
        Error::StoreTableFull => "too many stores are open".to_owned(),
        Error::Other(why) => why,
    })
}

impl Profiles for HostProfiles {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        self.store()?.get(key).map_err(fault)
    }

    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), StoreFault> {
        self.store()?.set(key, value).map_err(fault)
    }

    fn delete(&mut self, key: &str) -> Result<(), StoreFault> {
        self.store()?.delete(key).map_err(fault)
    }
}

struct HostOutbound;

const NS_PER_MS: u64 = 1_000_000;

impl Outbound for HostOutbound {
    fn call(&self, target: &Target, call: &Call, within_ms: u64) -> Result<Reply, Unsent> {
        let end = subscribe_duration(within_ms.saturating_mul(NS_PER_MS));
        let request = outgoing_request(target, call).ok_or(Unsent::Denied)?;
        let body = request.body().map_err(|()| Unsent::Denied)?;
        let options = outgoing::RequestOptions::new();
        let most = Some(within_ms.saturating_mul(NS_PER_MS));
        let _ = options.set_connect_timeout(most);
        let _ = options.set_first_byte_timeout(most);
        let _ = options.set_between_bytes_timeout(most);
        let future = outgoing_handler::handle(request, Some(options)).map_err(unsent)?;
        {
            let stream = body.write().map_err(|()| Unsent::Unreachable)?;
            // As much as a call may write at once.
            for piece in call.body.chunks(4096) {
                (stream.blocking_write_and_flush(piece)).map_err(|_| Unsent::Unreachable)?;
            }
        }
        outgoing::OutgoingBody::finish(body, None).map_err(|_| Unsent::Unreachable)?;
        // The second is the deadline.
        let ready = poll(&[&future.subscribe(), &end]);
        if !ready.contains(&0) {
            return Err(Unsent::Timeout);
        }
        let response = match future.get() {
            Some(Ok(Ok(response))) => response,
            Some(Ok(Err(code))) => return Err(unsent(code)),
            _ => return Err(Unsent::Unreachable),
        };
        let values = response.headers().get(&"retry-after".to_owned());
        let mut reply = Reply {
            status: response.status(),
            retry_after: (values.first())
                .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok()),
            body: Vec::new(),
        };
        let body = response.consume().map_err(|()| Unsent::Unreachable)?;
        let stream = body.stream().map_err(|()| Unsent::Unreachable)?;
        loop {
            let ready = poll(&[&stream.subscribe(), &end]);
            if !ready.contains(&0) {
                return Err(Unsent::Timeout);
            }
            match stream.read(PIECE) {
                Ok(piece) => reply.body.extend_from_slice(&piece),
                Err(StreamError::Closed) => return Ok(reply),
                Err(StreamError::LastOperationFailed(_)) => return Err(Unsent::Unreachable),
            }
            if reply.body.len() > MAX_REPLY {
                return Err(Unsent::TooLarge);
            }
        }
    }

    fn wait(&self, ms: u64) {
        subscribe_duration(ms.saturating_mul(NS_PER_MS)).block();
    }

    #[expect(clippy::print_stderr, reason = "a component's log is its stderr")]
    fn log(&self, line: &str) {
        eprintln!("{line}");
    }
}

fn outgoing_request(target: &Target, call: &Call) -> Option<outgoing::OutgoingRequest> {
    let headers = outgoing::Fields::new();
    for (name, value) in &call.headers {
        headers
            .append(&(*name).to_owned(), &value.as_bytes().to_vec())
            .ok()?;
    }
    let length = call.body.len().to_string().into_bytes();
    headers.append(&"content-length".to_owned(), &length).ok()?;
    let request = outgoing::OutgoingRequest::new(headers);
    let method = match call.method {
        "GET" => outgoing::Method::Get,
        _ => outgoing::Method::Post,
    };
    let scheme = match target.is_https {
        true => outgoing::Scheme::Https,
        false => outgoing::Scheme::Http,
    };
    request.set_method(&method).ok()?;
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(&target.authority)).ok()?;
    request.set_path_with_query(Some(&call.path)).ok()?;
    Some(request)
}

fn unsent(code: outgoing::ErrorCode) -> Unsent {
    use outgoing::ErrorCode as E;
    match code {
        E::HttpRequestDenied | E::DestinationIpProhibited => Unsent::Denied,
        E::ConnectionTimeout | E::HttpResponseTimeout | E::ConnectionReadTimeout => Unsent::Timeout,
        _ => Unsent::Unreachable,
    }
}
