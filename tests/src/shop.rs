//! A running `shelfedge serve`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{RANKING, Response, root, variable};

/// A shop on a free port, with a state of its own, stopped when dropped.
#[derive(Debug)]
pub struct Shop {
    child: Child,
    state: PathBuf,
    /// `127.0.0.1:<port>`.
    pub authority: String,
}

static STARTED: AtomicU32 = AtomicU32::new(0);

impl Shop {
    /// Starts the real host with the real component; `None` (and a word) when
    /// they were not built.
    ///
    /// # Panics
    ///
    /// When the host stops before it answers.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_with("SHELFEDGE_EDGE_WASM", arguments)
    }

    /// The same, with the component that has a bundle in it.
    ///
    /// # Panics
    ///
    /// The same as [`Shop::start`].
    pub fn of(bundle: &str) -> Option<Self> {
        if bundle == RANKING {
            return Self::start(&[]);
        }
        let variable = format!("SHELFEDGE_EDGE_WASM_{}", bundle.replace('/', "_"));
        Self::start_with(&variable, &[])
    }

    fn start_with(named: &str, arguments: &[&str]) -> Option<Self> {
        let (Some(host), Some(component)) = (variable("SHELFEDGE_BIN"), variable(named)) else {
            crate::skip(&format!(
                "SHELFEDGE_BIN and {named} name no built host and component"
            ));
            return None;
        };
        let state = std::env::temp_dir().join(format!(
            "shelfedge-tests-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        ));
        let mut child = Command::new(&host)
            .current_dir(root())
            .args(["serve", "--component", &component])
            .args(["--models", "models", "--addr", "127.0.0.1:0", "--state"])
            .arg(&state)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{host}: {error}"));
        let stdout = child.stdout.take().expect("a pipe");
        let first = BufReader::new(stdout).lines().next();
        let Some(Ok(line)) = first else {
            let status = child.wait();
            panic!("the host stopped before it answered ({status:?})");
        };
        let authority = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        Some(Self {
            child,
            state,
            authority,
        })
    }

    /// Asks the shop.
    pub fn ask(&self, method: &str, path: &str, body: &[u8]) -> Response {
        crate::request(
            &self.authority,
            method,
            path,
            &[("content-type", "application/json")],
            body,
        )
    }

    /// `POST /v1/rank`.
    pub fn rank(&self, body: &[u8]) -> Response {
        self.ask("POST", "/v1/rank", body)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.state);
    }
}
