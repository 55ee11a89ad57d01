//! A running shop in this process, and a plain HTTP client for it.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use shelfedge_host::guest::{Guest, Limits, engine};
use shelfedge_host::key_value::KeyValue;
use shelfedge_host::server::{Shop, listen, serve};
use shelfedge_host::static_files::StaticFiles;
use shelfedge_host::variables::Variables;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A built component: named by the environment, or where a build from the
/// workspace's root puts it; none (with a message) when it is not there.
pub fn component(variable: &str, default: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from);
    if path.is_file() {
        return Some(path);
    }
    println!(
        "SKIPPED: there is no component at {}; build it with `cargo build --profile wasm \
         --target wasm32-wasip2 -p shelfedge-edge --lib --examples`, or name it in {variable}",
        path.display()
    );
    None
}

pub fn edge() -> Option<PathBuf> {
    component(
        "SHELFEDGE_EDGE_WASM",
        "target/wasm32-wasip2/wasm/shelfedge_edge.wasm",
    )
}

pub fn unruly() -> Option<PathBuf> {
    component(
        "SHELFEDGE_UNRULY_WASM",
        "target/wasm32-wasip2/wasm/examples/unruly.wasm",
    )
}

pub fn echo() -> Option<PathBuf> {
    component(
        "SHELFEDGE_ECHO_WASM",
        "target/wasm32-wasip2/wasm/examples/echo.wasm",
    )
}

/// A folder with a page, a package and a bundle's place.
pub fn site(folder: &Path) {
    for name in ["www", "package", "models/ranking"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    fs::write(folder.join("www/index.html"), "<!doctype html>").unwrap();
}

pub struct Running {
    pub address: SocketAddr,
    pub store: Arc<KeyValue>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Serves the component from this process; `folder` keeps its state.
pub fn start(component: &Path, folder: &Path, limits: Limits, variables: &[&str]) -> Running {
    site(folder);
    let store = Arc::new(KeyValue::open(&folder.join("key-value.redb")).unwrap());
    let mut settings = Variables::default();
    for variable in variables {
        settings.add(variable).unwrap();
    }
    // All tests of a machine share the compiled code.
    let cache = std::env::temp_dir().join("shelfedge-host-tests-compiled");
    let engine = engine(&limits, Some(&cache)).unwrap();
    let settings = Arc::new(settings);
    let guest = Guest::load(&engine, component, limits, store.clone(), settings).unwrap();
    let files = StaticFiles::new(
        &folder.join("www"),
        &folder.join("package"),
        &folder.join("models"),
    )
    .unwrap();
    let (told, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], 0)).into();
            let listener = listen(&address).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let stop = async {
                let _ = stopped.await;
            };
            serve(listener, Arc::new(Shop { guest, files }), stop).await;
        });
    });
    Running {
        address: address.recv().unwrap(),
        store,
        stop: Some(stop),
        thread: Some(thread),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// One request on a connection of its own.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    try_send(address, method, path, headers, body).unwrap()
}

/// The same for a host that may go away in the middle of it.
pub fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    try_read(stream)
}

/// Reads one whole reply.
pub fn read(stream: TcpStream) -> Reply {
    try_read(stream).unwrap()
}

fn try_read(mut stream: TcpStream) -> std::io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers
        .iter()
        .any(|(n, v)| n == "transfer-encoding" && v == "chunked")
    {
        body = unchunk(&body);
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
}

pub fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, "GET", path, &[], b"")
}

pub fn post(address: SocketAddr, path: &str, body: &[u8]) -> Reply {
    let kind = [("content-type", "application/json")];
    send(address, "POST", path, &kind, body)
}
