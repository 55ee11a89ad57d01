//! The HTTP server: files from disk, everything under `/v1`, `/healthz` and
//! `/openapi.json` from the component.

use crate::guest::Guest;
use crate::problem::HostProblem;
use crate::static_files::StaticFiles;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 512;
/// How long a client may take for a request's head, and again for its body.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a shutdown waits for requests in progress.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// How much of a refused body is read and thrown away, so that the client sees
/// the answer and not a broken connection.
const DRAIN_BYTES: usize = 64 << 20;

/// What answers requests.
#[derive(Debug)]
pub struct Shop {
    /// The edge component.
    pub guest: Guest,
    /// The files beside it.
    pub files: StaticFiles,
}

/// Where to listen: a host and a port, as they are written in a URL.
///
/// The host is always named, so that nobody opens a shop to the network by
/// leaving something out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// An IP address (of version 6 without its brackets) or a name.
    host: String,
    port: u16,
}

/// A text that is no [`Address`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAddress(&'static str);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: write HOST:PORT, such as 127.0.0.1:3000 or localhost:3000 (for this machine \
             alone), 0.0.0.0:3000 (for its network) or [::1]:3000",
            self.0
        )
    }
}

impl std::error::Error for BadAddress {}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or(BadAddress("there is no port"))?;
        let port = port
            .parse()
            .map_err(|_| BadAddress("the port is no number from 0 to 65535"))?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner
                .parse::<Ipv6Addr>()
                .map_err(|_| BadAddress("what is in brackets is no IPv6 address"))?
                .to_string(),
            None if host.is_empty() => return Err(BadAddress("there is no host")),
            None if host.contains([':', '[', ']']) => {
                return Err(BadAddress("an IPv6 address needs brackets"));
            }
            None => host.to_owned(),
        };
        Ok(Address { host, port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    /// The addresses to try, in order.
    async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        // By its definition (RFC 6761) always this machine, whatever a resolver
        // says; the version that every client tries comes first.
        if self.host.eq_ignore_ascii_case("localhost") {
            return Ok(vec![
                (Ipv4Addr::LOCALHOST, self.port).into(),
                (Ipv6Addr::LOCALHOST, self.port).into(),
            ]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        Ok(found.collect())
    }
}

/// Why the server can't listen.
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub address: Address,
    /// Why not.
    pub source: std::io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.kind() {
            std::io::ErrorKind::AddrInUse => write!(
                f,
                "{} is in use: stop what listens there, or choose another --addr (port 0 takes \
                 any free one)",
                self.address
            ),
            std::io::ErrorKind::PermissionDenied => write!(
                f,
                "{} may not be used by this user: choose a port above 1023",
                self.address
            ),
            _ => write!(f, "{} can't be listened on: {}", self.address, self.source),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Listens on `address`: on the first of those that a name stands for which can
/// be listened on.
///
/// # Errors
/// When the name is not known, or the address in use or not ours.
pub async fn listen(address: &Address) -> Result<TcpListener, ListenError> {
    let failed = |source| ListenError {
        address: address.clone(),
        source,
    };
    let candidates = address.resolve().await.map_err(failed)?;
    let mut first = None;
    for candidate in candidates {
        match TcpListener::bind(candidate).await {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(failed(first.unwrap_or_else(|| {
        std::io::Error::other("the name stands for no address")
    })))
}

/// Serves until `stop` is ready, then finishes the requests in progress.
pub async fn serve(listener: TcpListener, shop: Arc<Shop>, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = std::pin::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = free.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    // Out of file descriptors, or a client that is gone already:
                    // the next one may do better, but not at once.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Answers are written whole; waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let shop = shop.clone();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CLIENT_PATIENCE)
            .max_buf_size(64 << 10)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let shop = shop.clone();
                    async move { Ok::<_, Infallible>(answer(&shop, request).await) }
                }),
            );
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A client that goes away is no concern of the host.
            let _ = connection.await;
            drop(permit);
        });
    }
    let _ = tokio::time::timeout(SHUTDOWN_PATIENCE, connections.shutdown()).await;
}

/// Whether the component answers this path.
#[must_use]
pub fn is_component_path(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path == "/healthz" || path == "/openapi.json"
}

async fn answer(shop: &Arc<Shop>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let response = if is_component_path(request.uri().path()) {
        component(shop, request).await
    } else {
        file(shop, request).await
    };
    response.map(Full::new)
}

async fn file(shop: &Arc<Shop>, request: Request<Incoming>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    drain(body).await;
    let shop = shop.clone();
    let read = tokio::task::spawn_blocking(move || {
        shop.files
            .answer(&parts.method, parts.uri.path(), &parts.headers)
    });
    read.await
        .unwrap_or_else(|_| HostProblem::Unreadable.response("reading the file was stopped"))
}

async fn component(shop: &Arc<Shop>, request: Request<Incoming>) -> Response<Bytes> {
    let most = shop.guest.limits().request_bytes;
    let (parts, mut body) = request.into_parts();
    if parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST) {
        return closing(HostProblem::MalformedRequest.response("the request has no Host header"));
    }
    let announced = body.size_hint().lower();
    if announced > most as u64 {
        drain(body).await;
        return closing(HostProblem::BodyTooLarge.response(format_args!(
            "the body has {announced} bytes and may have {most}"
        )));
    }
    // The whole body is here before there is an instance: a slow client holds
    // a buffer and not an instance, and the deadline is the component's alone.
    let collected =
        tokio::time::timeout(CLIENT_PATIENCE, Limited::new(&mut body, most).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            drain(body).await;
            return closing(
                HostProblem::BodyTooLarge
                    .response(format_args!("the body has more than {most} bytes")),
            );
        }
        Ok(Err(error)) => {
            return closing(match malformation(&*error) {
                Some(cause) => HostProblem::MalformedRequest
                    .response(format_args!("the body's chunks can't be read: {cause}")),
                None => HostProblem::BodyIncomplete
                    .response(format_args!("the body broke off: {error}")),
            });
        }
        Err(_) => {
            return closing(
                HostProblem::BodyIncomplete.response("the body did not arrive in time"),
            );
        }
    };
    let method = parts.method.clone();
    let path = parts.uri.path().to_owned();
    match shop.guest.handle(Request::from_parts(parts, bytes)).await {
        Ok(answer) => answer.response,
        Err(failure) => {
            // What a client does wrong is no concern of the host's log.
            if !failure.problem().status().is_client_error() {
                report_failure(&method, &path, &failure);
            }
            failure.problem().response(failure.detail())
        }
    }
}

/// What is wrong with a body that came and can't be decoded; none when it
/// stopped coming.
fn malformation<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source()).find(|error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::InvalidInput
            )
        })
    })
}

/// Reads what the client still sends, within limits, and forgets it.
async fn drain(mut body: Incoming) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN_BYTES {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(CLIENT_PATIENCE, reading).await;
}

fn closing(mut response: Response<Bytes>) -> Response<Bytes> {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[expect(clippy::print_stderr, reason = "the host logs on stderr")]
fn report_failure(method: &hyper::Method, path: &str, failure: &crate::guest::GuestFailure) {
    eprintln!(
        "shelfedge: {method} {path}: {}: {failure}",
        failure.problem().code()
    );
}

#[cfg(test)]
mod tests {
    use super::{Address, is_component_path};

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (text, shown) in [
            ("127.0.0.1:3000", "127.0.0.1:3000"),
            ("localhost:0", "localhost:0"),
            ("shop.example:80", "shop.example:80"),
            ("[::1]:3000", "[::1]:3000"),
            ("[0:0:0:0:0:0:0:1]:3000", "[::1]:3000"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
        }
        for text in [
            "",
            "3000",
            ":3000",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:-1",
            "::1:3000",
            "[::1]",
            "[localhost]:3000",
            "a]:3000",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("127.0.0.1:3000"), "{text}");
        }
    }

    #[test]
    fn localhost_is_this_machine() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for text in ["localhost:3000", "LocalHost:3000"] {
            let address: Address = text.parse().unwrap();
            let found = runtime.block_on(address.resolve()).unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback()));
            assert_eq!(found[0].to_string(), "127.0.0.1:3000");
        }
    }

    #[test]
    fn the_component_has_its_paths_and_no_others() {
        for path in ["/v1", "/v1/", "/v1/rank", "/healthz", "/openapi.json"] {
            assert!(is_component_path(path), "{path}");
        }
        for path in ["/", "/v1x", "/v2/rank", "/healthz/", "/package/v1/"] {
            assert!(!is_component_path(path), "{path}");
        }
    }
}
