//! The real component with its embedded model, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says why it was skipped"
)]

mod common;

use common::{Reply, Running, edge, get, post, send, start, try_send};
use shelfedge_host::guest::Limits;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const NOW: &str = "2011-12-10T10:00:00Z";

fn shop(folder: &Path, variables: &[&str]) -> Option<Running> {
    Some(start(&edge()?, folder, Limits::default(), variables))
}

fn rank(address: SocketAddr, shopper: &str, events: &str) -> Reply {
    let body = format!(
        r#"{{"now":"{NOW}","shopper":"{shopper}","limit":10,"explain":true,"events":[{events}]}}"#
    );
    let reply = post(address, "/v1/rank", body.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn items(reply: &Reply) -> serde_json::Value {
    reply.json()["items"].clone()
}

const BOUGHT: &str = r#"{"name":"purchase","time":"2011-12-01T10:00:00Z","id":"e1","params":{"transaction_id":"t1","items":[{"item_id":"85123A","quantity":6}]}}"#;

/// The same event for the store.
fn stored(shopper: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"/web","type":"shelfedge.event.v1","time":"2011-12-01T10:00:00Z","subject":"{shopper}","data":{{"name":"purchase","params":{{"transaction_id":"t1","items":[{{"item_id":"85123A","quantity":6}}]}}}}}}"#
    )
}

#[test]
fn the_routes_answer() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(folder.path(), &[]) else {
        return;
    };
    let health = get(shop.address, "/healthz");
    assert_eq!(health.status, 200, "{}", health.text());
    let models = get(shop.address, "/v1/models");
    assert_eq!(models.json()["models"][0]["digest"], health.json()["model"]);
    let document = get(shop.address, "/openapi.json").json();
    assert!(document["paths"]["/v1/rank"].is_object());
    let reply = rank(shop.address, "anyone", "");
    let answer = reply.json();
    assert_eq!(answer["model"], health.json()["model"]);
    assert_eq!(answer["items"].as_array().unwrap().len(), 10);
    let timing = reply.header("server-timing").unwrap();
    assert!(
        timing.contains("rank;dur=") && timing.contains("total;dur="),
        "{timing}"
    );
    let missing = get(shop.address, "/v1/nothing");
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (404, "not_found")
    );
    assert_eq!(
        missing.header("content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn the_same_request_is_the_same_bytes_in_every_instance() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(folder.path(), &[]) else {
        return;
    };
    let first = rank(shop.address, "a", BOUGHT);
    for _ in 0..20 {
        assert_eq!(rank(shop.address, "a", BOUGHT).body, first.body);
    }
    let address = shop.address;
    let threads: Vec<_> = (0..8)
        .map(|_| std::thread::spawn(move || rank(address, "a", BOUGHT).body))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), first.body);
    }
}

#[test]
fn stored_events_outlive_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let Some(running) = shop(folder.path(), &[]) else {
        return;
    };
    let fresh = items(&rank(running.address, "a", ""));
    let sent = items(&rank(running.address, "a", BOUGHT));
    assert_ne!(sent, fresh);
    let receipt = post(running.address, "/v1/events", stored("a").as_bytes());
    assert_eq!(receipt.status, 202, "{}", receipt.text());
    assert_eq!(items(&rank(running.address, "a", "")), sent);
    drop(running);

    let running = shop(folder.path(), &[]).unwrap();
    assert_eq!(items(&rank(running.address, "a", "")), sent);
    assert_eq!(items(&rank(running.address, "b", "")), fresh);
    // Known by its id: nothing is stored twice.
    let receipt = post(running.address, "/v1/events", stored("a").as_bytes());
    assert_eq!(receipt.json()["repeated"], 1);
}

/// One more event of a shopper.
fn numbered(shopper: &str, id: &str) -> String {
    stored(shopper).replace("\"e1\"", &format!("\"{id}\""))
}

#[test]
fn nothing_acknowledged_is_lost_when_batches_for_one_shopper_come_together() {
    // Without a pause between writes every batch can be taken; with the usual
    // one most are shed, which is no loss, since they are not acknowledged.
    for (variables, all) in [(&["min_write_interval_ms=0"][..], true), (&[], false)] {
        let folder = tempfile::tempdir().unwrap();
        let Some(shop) = shop(folder.path(), variables) else {
            return;
        };
        let address = shop.address;
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                std::thread::spawn(move || {
                    let ids = (0..12).map(|n| format!("e{sender}-{n}"));
                    ids.filter(|id| {
                        let reply = post(address, "/v1/events", numbered("s", id).as_bytes());
                        if reply.status == 202 {
                            assert_eq!(reply.json()["accepted"], 1, "{}", reply.text());
                        } else {
                            assert_eq!(reply.code(), "write_budget_exceeded");
                        }
                        reply.status == 202
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        let acknowledged: Vec<String> = senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap())
            .collect();
        assert!(!acknowledged.is_empty());
        assert!(
            !all || acknowledged.len() == 8 * 12,
            "{}",
            acknowledged.len()
        );
        let lost: Vec<&String> = acknowledged
            .iter()
            .filter(|id| {
                // Known ones are repeated, and never shed.
                let reply = post(address, "/v1/events", numbered("s", id).as_bytes());
                reply.status != 202 || reply.json()["repeated"] != 1
            })
            .collect();
        assert!(
            lost.is_empty(),
            "{} of {}: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
    }
}

#[test]
fn who_waits_to_write_waits_to_the_deadline_and_readers_do_not() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        deadline: std::time::Duration::from_millis(900),
        ..Limits::default()
    };
    let shop = start(&component, folder.path(), limits, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let turn = runtime.block_on(shop.store.turn());
    let reply = post(shop.address, "/v1/events", stored("a").as_bytes());
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "host_deadline_exceeded")
    );
    let fresh = items(&rank(shop.address, "a", ""));
    drop(turn);
    // Given up for good: it does not write behind the client's back.
    assert_eq!(items(&rank(shop.address, "a", "")), fresh);
    let reply = post(shop.address, "/v1/events", stored("a").as_bytes());
    assert_eq!((reply.status, &reply.json()["accepted"]), (202, &1.into()));
}

#[test]
fn what_is_erased_does_not_come_back_with_a_batch_that_had_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(folder.path(), &["min_write_interval_ms=0"]) else {
        return;
    };
    let address = shop.address;
    let send = move |id: &str| post(address, "/v1/events", numbered("a", id).as_bytes());
    assert_eq!(send("erased").status, 202);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let turn = runtime.block_on(shop.store.turn());
    let batch = std::thread::spawn(move || send("late"));
    // Time enough to read the profile. When it isn't, the batch reads none, and
    // the test proves less, but doesn't fail.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let keys = shop.store.keys().unwrap();
    assert_eq!(keys.len(), 1);
    shop.store.delete(&keys[0]).unwrap();
    drop(turn);
    let reply = batch.join().unwrap();
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(send("late").json()["repeated"], 1);
    assert_eq!(send("erased").json()["accepted"], 1);
}

#[test]
fn bad_input_is_answered_by_the_component() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(folder.path(), &[]) else {
        return;
    };
    let huge = vec![b' '; 5 << 20];
    let many: Vec<_> = (0..10_000).map(|n| format!("\"p{n}\"")).collect();
    let many = format!("{{\"candidates\":[{}]}}", many.join(","));
    let price = |price: &str| {
        format!(
            r#"{{"events":[{{"name":"purchase","time":"{NOW}","id":"e","params":{{"transaction_id":"t","currency":"GBP","items":[{{"item_id":"85123A","price":{price}}}]}}}}]}}"#
        )
    };
    for (body, status, code) in [
        (&huge[..], 413, "body_too_large"),
        (b"{", 400, "malformed_json"),
        (many.as_bytes(), 422, "invalid_request"),
        (price("NaN").as_bytes(), 422, "invalid_request"),
        (price("1e999").as_bytes(), 422, "invalid_request"),
        (price("-1").as_bytes(), 422, "invalid_request"),
    ] {
        let reply = post(shop.address, "/v1/rank", body);
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(reply.status, status, "{start}: {}", reply.text());
        assert_eq!(reply.code(), code, "{start}");
    }
    assert_eq!(rank(shop.address, "a", "").status, 200);
}

#[test]
fn variables_reach_the_component() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shop) = shop(
        folder.path(),
        &["api_token=secret", "cors_origins=https://shop.example"],
    ) else {
        return;
    };
    assert_eq!(post(shop.address, "/v1/rank", b"{}").status, 401);
    let reply = send(
        shop.address,
        "GET",
        "/v1/models",
        &[
            ("authorization", "Bearer secret"),
            ("origin", "https://shop.example"),
        ],
        b"",
    );
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://shop.example")
    );
}

/// The command itself, so that it can be killed.
struct Process {
    child: Child,
    address: SocketAddr,
}

fn spawn(component: &Path, folder: &Path) -> Process {
    spawn_with(&serving(component, folder, &[]))
}

fn spawn_with(arguments: &[String]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shelfedge"));
    command.args(arguments);
    spawn_command(command)
}

fn spawn_command(mut command: Command) -> Process {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("the first line is {line:?}"))
        .parse()
        .unwrap();
    Process { child, address }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let process = spawn(&component, folder.path());
        let address = process.address;
        // One after another until the host is gone, so that the kill comes in
        // the middle of a write.
        let sender = std::thread::spawn(move || {
            let kind = [("content-type", "application/json")];
            let mut acknowledged = Vec::new();
            for n in 0..10_000 {
                let shopper = format!("s{round}-{n}");
                let event = stored(&shopper);
                match try_send(address, "POST", "/v1/events", &kind, event.as_bytes()) {
                    Ok(reply) if reply.status == 202 => acknowledged.push(shopper),
                    Ok(reply) => panic!("{}", reply.text()),
                    Err(_) => break,
                }
            }
            acknowledged
        });
        std::thread::sleep(std::time::Duration::from_millis(300));
        // Dropping kills it with SIGKILL.
        drop(process);
        acknowledged.extend(sender.join().unwrap());
    }
    assert!(acknowledged.len() > 3, "{}", acknowledged.len());
    let process = spawn(&component, folder.path());
    let expected = items(&rank(process.address, "nobody", BOUGHT));
    for shopper in &acknowledged {
        assert_eq!(items(&rank(process.address, shopper, "")), expected);
    }
}

/// Lets a process write files of so many bytes and no more (all of them: none).
#[cfg(target_os = "linux")]
fn limit_files(process: u32, bytes: Option<u64>) -> bool {
    let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    Command::new("prlimit")
        .args([format!("--pid={process}"), format!("--fsize={bytes}:")])
        .status()
        .is_ok_and(|status| status.success())
}

/// A limit on the size of files stands for the full disk; it needs no rights.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_was_full_needs_no_restart() {
    use std::io::Read;
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The limit's signal is ignored, so that a write fails as it does when the
    // disk is full, and does not end the process.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_shelfedge"))
        .args(serving(&component, folder.path(), &[]))
        .stderr(Stdio::piped());
    let mut process = spawn_command(command);
    let address = process.address;
    let store = |shopper: &str| post(address, "/v1/events", stored(shopper).as_bytes());
    assert_eq!(store("before").status, 202);
    let expected = items(&rank(address, "before", ""));
    assert_ne!(expected, items(&rank(address, "nobody", "")));
    if !limit_files(process.child.id(), Some(0)) {
        println!("SKIPPED: prlimit (util-linux) can't be run");
        return;
    }
    for n in 0..5 {
        let reply = store(&format!("full{n}"));
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.code(), "store_unavailable");
        // A shop without its profiles is a shop.
        assert_eq!(rank(address, "before", "").status, 200);
    }
    assert!(limit_files(process.child.id(), None));
    let again = (0..50).any(|_| {
        std::thread::sleep(shelfedge_host::key_value::PAUSE / 5);
        store("after").status == 202
    });
    assert!(again, "nothing is stored after there is room again");
    for shopper in ["before", "after"] {
        assert_eq!(items(&rank(address, shopper, "")), expected, "{shopper}");
    }
    process.child.kill().unwrap();
    let mut said = String::new();
    let stderr = process.child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    for part in ["can't be written", "can't be opened", "is written again"] {
        assert_eq!(said.matches(part).count(), 1, "{part} in {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_termination_ends_it_in_order() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut process = spawn(&component, folder.path());
        assert_eq!(get(process.address, "/healthz").status, 200);
        let killed = Command::new("kill")
            .args([signal, &process.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        assert_eq!(process.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

fn refused(arguments: &[impl AsRef<OsStr>]) -> String {
    refused_in(arguments, &[])
}

/// The same with variables in the environment.
fn refused_in(arguments: &[impl AsRef<OsStr>], environment: &[(&str, &str)]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_shelfedge"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Ends with the process, or with the address of one that does serve.
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "", "it is not refused");
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_command_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    common::site(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = refused(&["serve", "--component", &at("none.wasm")]);
    assert!(text.contains("cargo xtask demo"), "{text}");

    std::fs::write(folder.path().join("bad.wasm"), b"bad").unwrap();
    let bad = at("bad.wasm");
    let (www, package, models, state) = (at("www"), at("package"), at("models"), at("state"));
    let nothing = at("nothing");
    let mut arguments = vec![
        "serve",
        "--component",
        &bad,
        "--package",
        &package,
        "--models",
        &models,
        "--state",
        &state,
        "--addr",
        "127.0.0.1:0",
        "--www",
        &nothing,
    ];
    let text = refused(&arguments);
    assert!(text.contains(&nothing), "{text}");
    // A cause is said once.
    assert_eq!(text.matches("os error").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");

    arguments[12] = &www;
    let text = refused(&arguments);
    assert!(text.contains("not WebAssembly"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    arguments[10] = &address;
    let text = refused(&arguments);
    assert!(text.contains("is in use"), "{text}");

    for (address, says) in [
        ("3000", "127.0.0.1:3000"),
        (":3000", "127.0.0.1:3000"),
        ("localhost", "127.0.0.1:3000"),
        ("localhost:99999", "127.0.0.1:3000"),
        ("::1:3000", "[::1]:3000"),
        ("no host name:3000", "no host name"),
        // An address of nobody (RFC 5737).
        ("192.0.2.1:3000", "192.0.2.1:3000"),
    ] {
        arguments[10] = address;
        let text = refused(&arguments);
        assert!(text.contains(says), "{address}: {text}");
        assert!(text.contains(address), "{address}: {text}");
        assert!(text.matches("os error").count() <= 1, "{text}");
    }

    arguments[10] = "127.0.0.1:0";
    arguments.extend(["--variable", "Bad-Name=1"]);
    assert!(!refused(&arguments).is_empty());
}

#[test]
fn a_host_name_is_listened_on() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = serving(&component, folder.path(), &[]);
    arguments[2] = "localhost:0".to_owned();
    let process = spawn_with(&arguments);
    assert!(process.address.ip().is_loopback(), "{}", process.address);
    assert_eq!(get(process.address, "/healthz").status, 200);
}

/// Arguments with which the edge component would be served.
fn serving(component: &Path, folder: &Path, more: &[&str]) -> Vec<String> {
    common::site(folder);
    let mut arguments: Vec<String> = ["serve", "--addr", "127.0.0.1:0"].map(str::to_owned).into();
    arguments.extend(["--component".to_owned(), component.display().to_string()]);
    for (option, name) in [
        ("--www", "www"),
        ("--package", "package"),
        ("--models", "models"),
        ("--state", "state"),
    ] {
        arguments.push(option.to_owned());
        arguments.push(folder.join(name).display().to_string());
    }
    arguments.extend(more.iter().map(|&text| text.to_owned()));
    arguments
}

#[test]
fn a_variable_that_the_component_does_not_know_is_refused() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (assignment, wrong, near) in [
        ("api_tokn=secret", "api_tokn", "api_token"),
        ("cors_origin=*", "cors_origin", "cors_origins"),
        (
            "min_write_interval=0",
            "min_write_interval",
            "min_write_interval_ms",
        ),
    ] {
        let arguments = serving(&component, folder.path(), &["--variable", assignment]);
        let text = refused(&arguments);
        assert!(text.contains(&format!("`{wrong}`")), "{text}");
        assert!(text.contains(&format!("`{near}`")), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    // The same from the environment.
    let arguments = serving(&component, folder.path(), &[]);
    let text = refused_in(&arguments, &[("SPIN_VARIABLE_API_TOKN", "secret")]);
    assert!(text.contains("SPIN_VARIABLE_API_TOKN"), "{text}");
    assert!(text.contains("SPIN_VARIABLE_API_TOKEN"), "{text}");
}

#[test]
fn a_value_that_the_component_can_not_use_is_refused_at_the_start() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    for assignment in [
        "store_profiles=maybe",
        "max_body_bytes=1MB",
        "deadline_ms=0",
        "max_stored_events=x",
        "max_writes_per_batch=-1",
        "min_write_interval_ms=1e9",
    ] {
        // A token must not keep the host itself from asking.
        let more = ["--variable", assignment, "--variable", "api_token=secret"];
        let arguments = serving(&component, folder.path(), &more);
        let text = refused(&arguments);
        let (name, _) = assignment.split_once('=').unwrap();
        assert!(text.contains(name), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn asking_at_the_start_stores_nothing() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    drop(spawn(&component, folder.path()));
    let store = folder.path().join("state/key-value.redb");
    let store = shelfedge_host::key_value::KeyValue::open(&store).unwrap();
    assert_eq!(store.keys().unwrap(), [""; 0]);
}

#[test]
fn too_little_memory_is_told_with_its_option() {
    let Some(component) = edge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let arguments = serving(&component, folder.path(), &["--memory-mib", "1"]);
    let text = refused(&arguments);
    assert!(text.contains("--memory-mib"), "{text}");
    assert!(!text.contains("build it again"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_swapped_part_is_named_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    common::site(folder.path());
    let bundle = folder.path().join("models/ranking");
    std::fs::write(bundle.join("model.shelf"), b"swapped").unwrap();
    let digest = "0".repeat(64);
    let digests = format!(r#"{{"spec":"{digest}","data":"{digest}","onnx":"{digest}"}}"#);
    std::fs::write(
        bundle.join("manifest.json"),
        format!(
            r#"{{"format":1,"task":"ranking","producer":"test","created":"2011-12-09T12:50:00Z",
                "parts":{{"model.shelf":{{"sha256":"{digest}","bytes":7}}}},
                "digests":{digests},"shelf":{digests}}}"#
        ),
    )
    .unwrap();
    std::fs::write(folder.path().join("component.wasm"), b"").unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = refused(&["check", "--models", &at("models")]);
    assert!(text.contains("model.shelf has the digest"), "{text}");
    let text = refused(&[
        "serve",
        "--component",
        &at("component.wasm"),
        "--www",
        &at("www"),
        "--package",
        &at("package"),
        "--models",
        &at("models"),
        "--state",
        &at("state"),
        "--addr",
        "127.0.0.1:0",
    ]);
    assert!(text.contains("model.shelf has the digest"), "{text}");
}

#[test]
fn help_and_version() {
    for (argument, word) in [("--version", "shelfedge 0."), ("--help", "serve")] {
        let output = Command::new(env!("CARGO_BIN_EXE_shelfedge"))
            .arg(argument)
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn the_cold_benchmark_runs() {
    let (Some(component), Some(echo)) = (edge(), common::echo()) else {
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_shelfedge"))
        .args(["bench-edge", "--json", "--rounds", "5"])
        .arg("--component")
        .arg(component)
        .arg("--echo")
        .arg(echo)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["rounds"], 5);
    for figure in [
        "/ratio",
        "/echo/total_us",
        "/edge/total_us",
        "/rank_compute_us",
    ] {
        assert!(
            report.pointer(figure).unwrap().as_f64().unwrap() > 0.0,
            "{figure}"
        );
    }
}
