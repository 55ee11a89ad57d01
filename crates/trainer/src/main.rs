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
use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use shelfedge_trainer::error::Error;
use shelfedge_trainer::learn::Settings;
use shelfedge_trainer::watch::Watch;
use shelfedge_trainer::{bench, bundle, import, ranking, shoppers};

#[derive(Parser)]
#[command(
    name = "shelfedge-train",
    version,
    about = "Learns a shop's ranking from its order history"
)]
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
    /// Learn a ranking and write its bundle
    Ranking {
        /// A folder of .parquet and .csv tables, or one table
        #[arg(long)]
        shop: PathBuf,
        /// The column mapping; mapping.toml beside the tables by default
        #[arg(long)]
        mapping: Option<PathBuf>,
        /// The bundle's folder; replaced as a whole
        #[arg(long)]
        out: PathBuf,
        /// Fixes initial weights, order and sampling; 1 by default
        #[arg(long)]
        seed: Option<u64>,
        /// Settings of the learning, as TOML; the README lists them
        #[arg(long)]
        settings: Option<PathBuf>,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run a task on a prepared folder with the product's own learning
    Bench {
        #[command(subcommand)]
        task: Task,
    },
    /// Write about two dozen anonymous customers for a demonstration
    Shoppers {
        /// A folder of .parquet and .csv tables, or one table
        #[arg(long)]
        shop: PathBuf,
        /// The column mapping; mapping.toml beside the tables by default
        #[arg(long)]
        mapping: Option<PathBuf>,
        /// The JSON file to write
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
enum Task {
    /// Rank what each customer buys next
    NextBasket {
        /// The prepared folder: train, valid and items as Parquet
        #[arg(long)]
        data: PathBuf,
        /// The prediction file to write
        #[arg(long)]
        out: PathBuf,
        /// Which part to predict
        #[arg(long, value_enum, default_value_t = Part::Test)]
        window: Part,
        /// Fixes initial weights, order and sampling
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    Valid,
    Test,
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

#[expect(
    clippy::print_stderr,
    reason = "a command says on stderr why it failed"
)]
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
        Command::Ranking {
            shop,
            mapping,
            out,
            seed,
            settings,
            json,
        } => {
            let mut settings = match settings {
                None => Settings::default(),
                Some(path) => {
                    let text = std::fs::read_to_string(&path)
                        .with_context(|| format!("cannot read {}", path.display()))?;
                    Settings::parse(&text, &path.display().to_string())?
                }
            };
            if let Some(seed) = seed {
                settings.seed = seed;
            }
            let outcome = ranking::run(&shop, mapping.as_deref(), &out, &settings, &mut watch)?;
            watch.clear();
            if json {
                say(&serde_json::to_string_pretty(&outcome).context("the outcome as JSON")?);
            } else {
                say(&outcome.table());
            }
        }
        Command::Bench {
            task:
                Task::NextBasket {
                    data,
                    out,
                    window,
                    seed,
                },
        } => {
            let target = match window {
                Part::Valid => bench::Target::Valid,
                Part::Test => bench::Target::Test,
            };
            let settings = Settings {
                seed,
                ..Settings::default()
            };
            let line = bench::next_basket(&data, &out, target, &settings, &mut watch)?;
            watch.clear();
            say(&serde_json::to_string(&line).context("the outcome as JSON")?);
        }
        Command::Shoppers { shop, mapping, out } => {
            let imported = import::import(&shop, mapping.as_deref(), &mut watch)?;
            watch.clear();
            let text = shoppers::shoppers(&imported.shop);
            bundle::write_file(&out, text.as_bytes())?;
            say(&format!("{} ({} bytes)", out.display(), text.len()));
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
