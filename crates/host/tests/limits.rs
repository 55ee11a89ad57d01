//! A guest that misbehaves costs its own request a problem with a code, and
//! nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

mod common;

use common::{get, post, send, start, unruly};
use shelfedge_host::guest::{Guest, Limits, LoadError, engine};
use shelfedge_host::key_value::KeyValue;
use shelfedge_host::variables::Variables;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn small() -> Limits {
    Limits {
        memory_bytes: 16 << 20,
        deadline: Duration::from_millis(400),
        request_bytes: 1 << 20,
        instances: 4,
        ..Limits::default()
    }
}

#[test]
fn every_failure_is_a_problem_and_the_host_lives() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &[]);
    // More rounds than instances: none of them may leak a slot of the pool.
    for _ in 0..3 {
        for (path, status, code) in [
            ("/v1/loop", 504, "host_deadline_exceeded"),
            ("/v1/allocate", 500, "out_of_memory"),
            ("/v1/panic", 500, "component_failed"),
            ("/v1/recurse", 500, "component_failed"),
            ("/v1/silent", 500, "component_no_response"),
            ("/v1/half", 500, "component_failed"),
        ] {
            let reply = get(shop.address, path);
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
            assert_eq!(reply.code(), code, "{path}");
            assert_eq!(
                reply.header("content-type"),
                Some("application/problem+json")
            );
            let well = get(shop.address, "/v1/anything");
            assert_eq!((well.status, well.text()), (200, "well behaved"), "{path}");
        }
    }
}

#[test]
fn a_guest_has_no_network_files_environment_or_other_store() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &["api_token=secret"]);
    for (path, begins) in [
        ("/v1/outbound", "denied"),
        ("/v1/files", "denied"),
        ("/v1/environment", "0 variables"),
        ("/v1/large-value", "denied"),
        ("/v1/other-store", "denied"),
    ] {
        let reply = get(shop.address, path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(reply.text().starts_with(begins), "{path}: {}", reply.text());
    }
}

#[test]
fn busy_guests_do_not_keep_others_waiting() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        deadline: Duration::from_secs(4),
        ..small()
    };
    let shop = start(&component, folder.path(), limits, &[]);
    // As many endless loops as the server has threads, and one more.
    let address = shop.address;
    let loops: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"GET /v1/loop HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    // Answered while those are still running: none of them has its reply yet.
    assert_eq!(get(address, "/v1/anything").status, 200);
    for stream in &loops {
        stream.set_nonblocking(true).unwrap();
        let waiting = stream.peek(&mut [0]).unwrap_err();
        assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
    }
    for stream in loops {
        assert_eq!(common::read(stream).status, 504);
    }
}

#[test]
fn a_full_house_sheds() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        instances: 1,
        deadline: Duration::from_millis(300),
        ..small()
    };
    let shop = start(&component, folder.path(), limits, &[]);
    let address = shop.address;
    let threads: Vec<_> = (0..6)
        .map(|_| std::thread::spawn(move || get(address, "/v1/loop")))
        .collect();
    let replies: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(replies.iter().any(|r| r.status == 504));
    let shed = replies.iter().find(|r| r.status == 503).unwrap();
    assert_eq!(shed.code(), "host_overloaded");
    assert_eq!(shed.header("retry-after"), Some("1"));
    assert_eq!(get(address, "/v1/anything").status, 200);
}

#[test]
fn bodies_are_capped_before_the_component() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &[]);
    // By its announcement.
    let reply = post(shop.address, "/v1/anything", &vec![b'x'; 5 << 20]);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "host_body_too_large")
    );
    // Without one.
    let mut stream = TcpStream::connect(shop.address).unwrap();
    stream
        .write_all(
            b"POST /v1/anything HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
              transfer-encoding: chunked\r\n\r\n",
        )
        .unwrap();
    let piece = vec![b'x'; 0x10000];
    for _ in 0..40 {
        stream.write_all(b"10000\r\n").unwrap();
        stream.write_all(&piece).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let reply = common::read(stream);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (413, "host_body_too_large")
    );
    // A broken one.
    let mut stream = TcpStream::connect(shop.address).unwrap();
    stream
        .write_all(
            b"POST /v1/anything HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
              content-length: 10\r\n\r\nabc",
        )
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    drop(stream);
    assert_eq!(get(shop.address, "/v1/anything").status, 200);
}

/// Sends these bytes as they are and reads the reply.
fn raw(address: std::net::SocketAddr, request: &[u8]) -> common::Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    common::read(stream)
}

#[test]
fn a_host_header_that_is_none_is_the_clients_fault() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &[]);
    for host in [
        &b"host: caf\xe9\r\n"[..],
        "host: b\u{fc}cher.example\r\n".as_bytes(),
        b"host: a b\r\n",
        b"host: a\r\nhost: b\r\n",
        b"",
    ] {
        let mut request = b"GET /v1/anything HTTP/1.1\r\nconnection: close\r\n".to_vec();
        request.extend(host);
        request.extend(b"\r\n");
        let reply = raw(shop.address, &request);
        let host = String::from_utf8_lossy(host);
        assert_eq!(reply.status, 400, "{host}: {}", reply.text());
        assert_eq!(reply.code(), "malformed_request", "{host}");
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
    }
    // An empty one is allowed, and HTTP/1.0 has none.
    for request in [
        &b"GET /v1/anything HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n"[..],
        b"GET /v1/anything HTTP/1.1\r\nhost: [::1]:80\r\nconnection: close\r\n\r\n",
        b"GET /v1/anything HTTP/1.0\r\n\r\n",
    ] {
        assert_eq!(raw(shop.address, request).status, 200);
    }
}

#[test]
fn a_body_in_bad_chunks_is_malformed_and_one_that_breaks_off_incomplete() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &[]);
    let head = b"POST /v1/anything HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in [
        &b"zz\r\n"[..],
        b"2\r\nabcd\r\n",
        b"fffffffffffffffff\r\n",
        b"\r\n\r\n",
    ] {
        let reply = raw(shop.address, &[&head[..], chunks].concat());
        let chunks = String::from_utf8_lossy(chunks);
        assert_eq!(reply.status, 400, "{chunks}: {}", reply.text());
        assert_eq!(reply.code(), "malformed_request", "{chunks}");
        assert_eq!(reply.header("connection"), Some("close"), "{chunks}");
    }
    let mut stream = TcpStream::connect(shop.address).unwrap();
    stream.write_all(&[&head[..], b"5\r\nab"].concat()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = common::read(stream);
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (408, "body_incomplete")
    );
}

#[test]
fn files_are_served_beside_the_component() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shop = start(&component, folder.path(), small(), &[]);
    let page = get(shop.address, "/");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("script-src 'self' 'wasm-unsafe-eval'")
    );
    assert_eq!(get(shop.address, "/../key-value.redb").status, 400);
    assert_eq!(get(shop.address, "/key-value.redb").status, 404);
    let reply = send(shop.address, "DELETE", "/", &[], b"");
    assert_eq!(reply.status, 405);
}

fn load(path: &Path, folder: &Path) -> Result<Guest, LoadError> {
    let limits = small();
    let store = Arc::new(KeyValue::open(&folder.join("kv")).unwrap());
    let engine = engine(&limits, None).unwrap();
    Guest::load(&engine, path, limits, store, Arc::new(Variables::default()))
}

#[test]
fn what_is_no_component_for_this_host_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("component.wasm");
    let error = load(&path, folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }));
    assert!(error.to_string().contains("cargo xtask demo"), "{error}");

    for (bytes, cause) in [
        (&b"not wasm"[..], "not WebAssembly"),
        (b"", "not WebAssembly"),
        (b"(component)", "not WebAssembly"),
        (&[0x8f; 4096], "not WebAssembly"),
        (b"\0asm\x01\0\0\0", "a module"),
        (b"\0asm\x0d\0\x01\0\xff\xff\xff", "can't be compiled"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = load(&path, folder.path()).unwrap_err();
        assert!(matches!(error, LoadError::Compile { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(cause), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.len() < 400, "{text}");
    }

    // A component that imports two instances that this host does not have.
    let names = [
        "wasi:keyvalue/store@0.2.0-draft2",
        "fermyon:spin/sqlite@2.0.0",
    ];
    std::fs::write(&path, importing(&names)).unwrap();
    let error = load(&path, folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::Imports { .. }), "{error}");
    for name in names {
        assert!(error.to_string().contains(name), "{error}");
    }

    // One that imports nothing and exports nothing.
    std::fs::write(&path, importing(&[])).unwrap();
    let error = load(&path, folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::World { .. }), "{error}");
}

#[test]
fn a_memory_that_is_too_small_is_told_by_the_option_that_makes_it_larger() {
    let Some(component) = unruly() else { return };
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..small()
    };
    let store = Arc::new(KeyValue::open(&folder.path().join("kv")).unwrap());
    let engine = engine(&limits, None).unwrap();
    let error = Guest::load(
        &engine,
        &component,
        limits,
        store,
        Arc::new(Variables::default()),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("--memory-mib"), "{text}");
    assert!(!text.contains("build it again"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// The bytes of a component that imports empty instances of these names:
/// preamble, a type section with one empty instance type, an import section.
fn importing(names: &[&str]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\x00\x01\x00".to_vec();
    bytes.extend([7, 3, 1, 0x42, 0]);
    let mut section = vec![u8::try_from(names.len()).unwrap()];
    for name in names {
        section.extend([0, u8::try_from(name.len()).unwrap()]);
        section.extend(name.as_bytes());
        section.extend([5, 0]);
    }
    bytes.push(10);
    bytes.push(u8::try_from(section.len()).unwrap());
    bytes.extend(section);
    bytes
}
