//! The component's only way out: calls to the origin of the variable `handover_url`, and to
//! no other. Without that variable there is no way out at all.
//!
//! HTTPS only, but for this machine's own addresses where they were configured. A name that
//! leads to a private address is refused, for it is the shop's network that would be
//! called; redirects aren't followed; answers have a time and a size.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use shelfedge_wire::handover::{MAX_REPLY, Target};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The longest call, whatever the component asks for.
const LONGEST: Duration = Duration::from_secs(10);

/// Calls at once; more are refused, so that a slow receiver takes no more than so many
/// instances from the shop.
const CALLS: usize = 8;

/// Where calls may go.
struct Way {
    target: Target,
    free: Semaphore,
    tls: TlsConnector,
}

/// The way out of one component's instances; refuses every call where there is none.
#[derive(Clone, Default)]
pub(crate) struct Outbound(Option<Arc<Way>>);

impl Outbound {
    /// To this address' origin. One that can't be an address opens nothing: the component
    /// says what is wrong with it.
    pub(crate) fn to(url: Option<&str>) -> Self {
        let target = url.and_then(|url| Target::parse(url.trim()).ok());
        Self(target.map(|target| {
            let mut roots = RootCertStore::empty();
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            let config = ClientConfig::builder()
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(Way {
                target,
                free: Semaphore::new(CALLS),
                tls: TlsConnector::from(Arc::new(config)),
            })
        }))
    }

    /// Whether there is a way.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }
}

type Sent = Result<
    (
        Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _written: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let way = self.0.clone();
        Box::new(async move {
            let way = way.ok_or(Error::HttpRequestDenied)?;
            let asked = options.and_then(|options| options.first_byte_timeout);
            let limit = asked.map_or(LONGEST, |asked| asked.min(LONGEST));
            let response = tokio::time::timeout(limit, way.call(request))
                .await
                .map_err(|_| Error::HttpResponseTimeout)??;
            let response = response.map(|body| {
                let body = Full::new(body).map_err(|never| match never {});
                WasiBody::new(body)
            });
            let nothing: Box<dyn Future<Output = Result<(), Error>> + Send> =
                Box::new(async { Ok(()) });
            Ok((response, nothing))
        })
    }
}

/// Host and port, with the scheme's own port where none is named.
fn place(authority: &Authority, is_https: bool) -> (String, u16) {
    let port = authority.port_u16();
    let port = port.unwrap_or(if is_https { 443 } else { 80 });
    (authority.host().to_ascii_lowercase(), port)
}

/// Whether an address is one of the internet's, and not of a network of its own.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || v4.octets()[..3] == [192, 0, 0])
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            // Global unicast is 2000::/3; of it, 2002::/16 and 2001::/32 carry addresses of
            // version 4 inside, and 2001:db8::/32 is for documents.
            let [a, b, ..] = v6.segments();
            (a & 0xe000) == 0x2000 && a != 0x2002 && !(a == 0x2001 && (b == 0 || b == 0x0db8))
        }
    }
}

impl Way {
    /// Whether the request goes where it may.
    fn allows(&self, uri: &Uri) -> Option<(String, u16)> {
        let is_https = self.target.is_https;
        let scheme = if is_https {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        let ours: Authority = self.target.authority.parse().ok()?;
        let ours = place(&ours, is_https);
        let theirs = uri.authority()?;
        let is_plain = !theirs.as_str().contains('@');
        let is_ours = uri.scheme() == Some(&scheme) && place(theirs, is_https) == ours;
        (is_ours && is_plain).then_some(ours)
    }

    /// A connection to one of the name's addresses that may be called: any that was
    /// configured as an address, and public ones of a name.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_configured = bare.parse::<IpAddr>().is_ok() || bare == "localhost";
        let found = tokio::net::lookup_host((bare, port))
            .await
            .map_err(|_| Error::DestinationNotFound)?;
        let allowed: Vec<SocketAddr> = found
            .filter(|address| is_configured || is_public(address.ip()))
            .collect();
        if allowed.is_empty() {
            return Err(Error::DestinationIpProhibited);
        }
        TcpStream::connect(&allowed[..])
            .await
            .map_err(Error::Connect)
    }

    async fn call(&self, request: Request<WasiBody>) -> Result<Response<Bytes>, Error> {
        let (host, port) = self.allows(request.uri()).ok_or(Error::HttpRequestDenied)?;
        let _permit = (self.free.try_acquire()).map_err(|_| Error::ConnectionLimitReached)?;
        let stream = self.connect(&host, port).await?;
        if !self.target.is_https {
            return exchange(stream, request).await;
        }
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Error::DestinationNotFound)?;
        let stream = self.tls.connect(name, stream).await.map_err(Error::Tls)?;
        exchange(stream, request).await
    }
}

/// One request and its whole answer.
async fn exchange<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    mut request: Request<WasiBody>,
) -> Result<Response<Bytes>, Error> {
    // The authority is in the header; the line has the path alone.
    let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    // WASI's bodies can't be shared among threads, so it is taken whole before.
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request::from_parts(parts, Full::new(body));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let talk = async {
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_REPLY + 1).collect().await;
        let body = body.map_err(|_| Error::HttpResponseBodySize(None))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::pin!(talk);
    tokio::select! {
        answer = &mut talk => answer,
        _ = connection => talk.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_configured_origin_is_let_through() {
        let way = |url| Outbound::to(Some(url)).0;
        assert!(Outbound::to(None).0.is_none() && way("").is_none());
        assert!(way("http://help.example/").is_none());
        let way = way("https://help.example/in/7").expect("a way");
        let allows = |uri: &str| way.allows(&uri.parse().expect("a URI")).is_some();
        assert!(allows("https://help.example/other") && allows("https://HELP.example:443/"));
        for other in [
            "http://help.example/",
            "https://help.example:8443/",
            "https://help.example.evil/",
            "https://evil@help.example/",
            "https://127.0.0.1/",
            "/in/7",
        ] {
            assert!(!allows(other), "{other}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "198.18.0.1",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
        ] {
            assert!(
                !is_public(private.parse().expect("an address")),
                "{private}"
            );
        }
        for public in ["93.184.216.34", "8.8.8.8", "2606:4700::1111"] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }
}
