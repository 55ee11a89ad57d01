//! `shelfedge-train`: see the README beside this crate's manifest.
//!
//! The command only parses arguments, shows progress and prints; the work is
//! in the library.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use shelfedge_trainer::error::Error;
use shelfedge_trainer::import;
use shelfedge_trainer::watch::Watch;

#[derive(Parser)]
#[command(name = "shelfedge-train", version, about = "Learns a shop's ranking from its order history")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read a shop's order lines and report what was kept and what was refused
    Import {
        /// A folder of .parquet and .csv tables, or one table
        #[arg(long)]
        shop: PathBuf,
        /// The column mapping; mapping.toml beside the tables by default
        #[arg(long)]
        mapping: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Without a handler the process just ends, which is safe too: a bundle
    // appears only by a rename.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    match run(Arguments::parse(), stop) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cancelled = matches!(error.downcast_ref::<Error>(), Some(Error::Cancelled));
            complain(&error);
            ExitCode::from(if cancelled { 130 } else { 1 })
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command says on stderr why it failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("shelfedge-train: {error:#}");
}

#[expect(clippy::print_stdout, reason = "a command answers on stdout")]
fn say(text: &str) {
    println!("{text}");
}

fn run(arguments: Arguments, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut watch = Terminal::new(stop);
    match arguments.command {
        Command::Import {
            shop,
            mapping,
            json,
        } => {
            let imported = import::import(&shop, mapping.as_deref(), &mut watch)?;
            watch.clear();
            if json {
                say(&serde_json::to_string_pretty(&imported.report)
                    .context("the report as JSON")?);
            } else {
                say(&imported.report.table());
            }
        }
    }
    Ok(())
}

/// Progress bars on stderr; hidden where stderr is not a terminal.
struct Terminal {
    stop: Arc<AtomicBool>,
    bar: Option<(&'static str, ProgressBar)>,
}

impl Terminal {
    fn new(stop: Arc<AtomicBool>) -> Self {
        Self { stop, bar: None }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Terminal {
    fn step(&mut self, stage: &'static str, done: u64, total: u64, note: &str) {
        if self.bar.as_ref().is_none_or(|(name, _)| *name != stage) {
            if let Some((_, bar)) = self.bar.take() {
                bar.finish();
            }
            let bar = ProgressBar::new(total);
            bar.set_style(
                ProgressStyle::with_template("{prefix:>12} {wide_bar} {pos}/{len} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(stage);
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some((stage, bar));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(note.to_owned());
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
