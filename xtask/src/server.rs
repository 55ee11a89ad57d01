//! A running `shelfedge serve`, stopped when it is dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::context::Context;

/// How long a host may take from its start to its first line with an address.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The variable of the key that signs states of conversations.
const STATE_KEY: &str = "SPIN_VARIABLE_STATE_KEY";

/// The command that serves the shop, with a key of this run unless there is one.
pub(crate) fn command(
    context: &Context,
    host: &Path,
    address: &str,
    state: &Path,
) -> Result<Command> {
    let mut command = Command::new(host);
    if std::env::var_os(STATE_KEY).is_none() {
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("this machine has no random numbers")?;
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        command.env(STATE_KEY, key);
    }
    command
        .current_dir(&context.root)
        .arg("serve")
        .arg("--component")
        .arg(context.edge_wasm())
        .args(["--www", "www/storefront"])
        .args(["--package", "www/package/dist"])
        .args(["--models", "models"])
        .args(["--addr", address])
        .arg("--state")
        .arg(state);
    Ok(command)
}

/// A host that answers.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
}

impl Server {
    /// Starts a host on a free port and waits until it says where it is.
    pub(crate) fn start(context: &Context, host: &Path) -> Result<Self> {
        // Profiles of an earlier run are forgotten, compiled code is kept.
        let state = context.stamps().join("state");
        let _ = std::fs::remove_file(state.join("key-value.redb"));
        let mut child = command(context, host, "127.0.0.1:0", &state)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", host.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that the host never waits for a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = address(&line) {
                    let _ = sender.send(url);
                }
            }
        });
        let mut server = Self {
            child,
            url: String::new(),
        };
        match receiver.recv_timeout(READY_WITHIN) {
            Ok(url) => server.url = url,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = server.child.wait()?;
                bail!("the host stopped before it was ready ({status}); its last words are above");
            }
            Err(mpsc::RecvTimeoutError::Timeout) => bail!(
                "the host named no address within {} s",
                READY_WITHIN.as_secs()
            ),
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first `http://host:port` of a line.
fn address(line: &str) -> Option<String> {
    let start = line.find("http://")?;
    let rest = &line[start..];
    let end = rest["http://".len()..]
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || ".:[]-".contains(letter)))
        .map_or(rest.len(), |end| end + "http://".len());
    let url = rest[..end].trim_end_matches(['.', ':']);
    (url.matches(':').count() >= 2).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_a_line() {
        for (line, expected) in [
            (
                "shop: http://127.0.0.1:3000/ (Ctrl-C stops)",
                Some("http://127.0.0.1:3000"),
            ),
            (
                "listening on http://127.0.0.1:41875",
                Some("http://127.0.0.1:41875"),
            ),
            ("see http://localhost for more", None),
            ("starting", None),
        ] {
            assert_eq!(address(line).as_deref(), expected, "{line}");
        }
    }
}
