//! The `shelfedge` command: serves the shop on this machine.

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use hyper::body::Bytes;
use shelfedge_assistant::entities::Clock;
use shelfedge_commerce::Currency;
use shelfedge_host::ask;
use shelfedge_host::bench;
use shelfedge_host::bundles;
use shelfedge_host::chat::{self, Answers, Terminal};
use shelfedge_host::flows::{self, Form};
use shelfedge_host::guest::{Guest, Limits, engine};
use shelfedge_host::key_value::KeyValue;
use shelfedge_host::server::{Address, Shop, listen, serve};
use shelfedge_host::start;
use shelfedge_host::static_files::StaticFiles;
use shelfedge_host::variables::Variables;
use shelfedge_wire::assist;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Serves an online shop whose ranking runs in a WebAssembly component.
#[derive(Debug, Parser)]
#[command(name = "shelfedge", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the storefront, the npm package, the models and the edge component.
    ///
    /// The first line on stdout is the address, once it answers.
    Serve(Serve),
    /// Check that every part of the model bundles is the one of its manifest.
    Check(Check),
    /// Check or draw the assistant's flows.
    #[command(subcommand)]
    Flows(FlowsCommand),
    /// Converse with the assistant, as a customer would.
    ///
    /// Nothing is sent or kept. What the flows ask of the shop is answered by a file of answers;
    /// questions about products by what the assistant knows; the rest by you, if you like.
    Chat(ChatCommand),
    /// Ask what the shop knows: a compiled graph, or the one of an assistant.
    ///
    /// "how much is X", "cases for Y under 20 by Z", or a product's name, in English or Chinese.
    Ask(AskCommand),
    /// Measure a fresh instance of the edge component against one that only echoes.
    BenchEdge(BenchEdge),
}

#[derive(Debug, Args)]
struct Check {
    /// The folder with one folder per bundle.
    #[arg(long, default_value = "models", value_name = "DIR")]
    models: PathBuf,
}

#[derive(Debug, Args)]
struct AskCommand {
    /// The question.
    question: String,
    /// A file of `shelfedge-train graph`, or an assistant's model.
    #[arg(long, default_value = "models/chat/model.shelf", value_name = "FILE")]
    graph: PathBuf,
    /// The currency of amounts that name none.
    #[arg(long, default_value = "GBP", value_parser = currency)]
    currency: Currency,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn currency(text: &str) -> Result<Currency, String> {
    Currency::parse(text).map_err(|invalid| invalid.cause)
}

#[derive(Debug, Args)]
struct ChatCommand {
    /// The bundle of the assistant.
    #[arg(long, default_value = "models/chat", value_name = "DIR")]
    model: PathBuf,
    /// What the shop answers calls.
    #[arg(
        long,
        default_value = "models/assistant/shop.toml",
        value_name = "FILE"
    )]
    shop: PathBuf,
    /// Play the shop: every call is answered by you.
    #[arg(long, conflicts_with = "shop")]
    operator: bool,
    /// The time at the customer's, with an offset, such as 2026-03-04T18:00:00+08:00; instead of
    /// this machine's clock, in UTC.
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Read requests as POST /v1/assist has them, one a line, and print its answers; the state
    /// goes on by itself.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum FlowsCommand {
    /// List every fault of a file of flows, with line and column; exit 1 where there is one.
    Check {
        /// The file.
        #[arg(default_value = "models/assistant/flows.toml", value_name = "FILE")]
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Draw a flow as a graph, on stdout.
    Draw {
        /// The flow's name.
        flow: String,
        /// The file.
        #[arg(default_value = "models/assistant/flows.toml", value_name = "FILE")]
        file: PathBuf,
        /// What to write it for.
        #[arg(long, default_value = "mermaid")]
        form: Form,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// The edge component.
    #[arg(long, default_value = "target/edge.wasm", value_name = "FILE")]
    component: PathBuf,
    /// The storefront, served under /.
    #[arg(long, default_value = "www/storefront", value_name = "DIR")]
    www: PathBuf,
    /// The built npm package, served under /package/.
    #[arg(long, default_value = "www/package/dist", value_name = "DIR")]
    package: PathBuf,
    /// The model bundles, served under /models/.
    #[arg(long, default_value = "models", value_name = "DIR")]
    models: PathBuf,
    /// Where to listen; port 0 takes any free one.
    ///
    /// The default and localhost are for this machine alone.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "HOST:PORT")]
    addr: Address,
    /// Where stored profiles and compiled code are kept.
    #[arg(long, default_value = ".shelfedge", value_name = "DIR")]
    state: PathBuf,
    #[command(flatten)]
    guest: GuestOptions,
}

#[derive(Debug, Args)]
struct GuestOptions {
    /// Set a variable of the component (again for more); SPIN_VARIABLE_NAME in
    /// the environment does it too, and this option wins.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// From the call to the whole answer.
    #[arg(long, default_value_t = 2_000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline_ms: u64,
    /// Linear memory of an instance.
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    memory_mib: u32,
    /// Instances at once.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    instances: u32,
}

#[derive(Debug, Args)]
struct BenchEdge {
    /// The edge component.
    #[arg(long, default_value = "target/edge.wasm", value_name = "FILE")]
    component: PathBuf,
    /// The component that only echoes.
    #[arg(
        long,
        default_value = "target/wasm32-wasip2/wasm/examples/echo.wasm",
        value_name = "FILE"
    )]
    echo: PathBuf,
    /// Measured rounds.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// A file with the ranking request's body; without it, a fresh shopper's.
    #[arg(long, value_name = "FILE")]
    rank: Option<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl GuestOptions {
    fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.memory_mib as usize * (1 << 20),
            deadline: Duration::from_millis(self.deadline_ms),
            instances: self.instances,
            ..Limits::default()
        }
    }

    #[expect(clippy::print_stderr, reason = "a command reports on stderr")]
    fn variables(&self) -> anyhow::Result<Variables> {
        let mut variables = Variables::default();
        let others =
            variables.add_environment(std::env::vars_os().filter_map(|(key, value)| {
                Some((key.into_string().ok()?, value.into_string().ok()?))
            }))?;
        for other in others {
            eprintln!("shelfedge: {other}; it is left out");
        }
        for assignment in &self.variables {
            variables.add(assignment)?;
        }
        Ok(variables)
    }
}

#[expect(clippy::print_stderr, reason = "a command reports on stderr")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("shelfedge: the runtime can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match cli.command {
        Command::Serve(options) => runtime.block_on(run_server(&options)),
        Command::Check(options) => check(&options.models),
        Command::Flows(command) => run_flows(&command),
        Command::Chat(command) => run_chat(&command),
        Command::Ask(command) => run_ask(&command),
        Command::BenchEdge(options) => runtime.block_on(run_bench(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shelfedge: {}", in_full(&error));
            ExitCode::FAILURE
        }
    }
}

/// Answers on stdout.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("the answer can't be written to stdout")
}

/// The error and its causes. Most errors of this crate say their cause in their
/// own sentence, before what to do; those causes are not said a second time.
fn in_full(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[expect(clippy::print_stderr, reason = "a command reports on stderr")]
async fn run_server(options: &Serve) -> anyhow::Result<()> {
    // Signals are watched from here on: one that comes during the start stops
    // the server as soon as it runs.
    let stop = stop_signal().context("signals can't be watched")?;
    if !options.component.is_file() {
        bail!(
            "there is no component at {}: `cargo xtask demo` builds it, or name another with \
             --component",
            options.component.display()
        );
    }
    let files = StaticFiles::new(&options.www, &options.package, &options.models).map_err(
        |(folder, error)| {
            anyhow::anyhow!(
                "the folder {} can't be served: {error}; `cargo xtask demo` builds what is missing",
                folder.display()
            )
        },
    )?;
    let variables = options.guest.variables()?;
    let bundles = bundles::check(&options.models)?;
    // The port first: whether it is free is known at once, compiling takes a while.
    let listener = listen(&options.addr).await?;
    let address = listener.local_addr().context("the address is unknown")?;
    std::fs::create_dir_all(&options.state)
        .with_context(|| format!("the folder {} can't be made", options.state.display()))?;
    let store = KeyValue::open(&options.state.join("key-value.redb"))?;
    let limits = options.guest.limits();
    let cache = absolute(&options.state.join("compiled"))?;
    let engine = engine(&limits, Some(&cache))?;
    let guest = Guest::load(
        &engine,
        &options.component,
        limits,
        Arc::new(store),
        Arc::new(variables),
    )?;
    let start = start::ask(&guest).await?;
    let differs = start
        .model
        .as_deref()
        .and_then(|inside| compare_models(inside, &bundles));
    for note in start.notes.into_iter().chain(differs) {
        eprintln!("shelfedge: {note}");
    }
    let shop = Arc::new(Shop { guest, files });
    say(&format!("http://{address}"))?;
    serve(listener, shop, stop).await;
    eprintln!("shelfedge: stopped");
    Ok(())
}

fn check(models: &Path) -> anyhow::Result<()> {
    let bundles = bundles::check(models)?;
    if bundles.is_empty() {
        bail!("{} holds no bundle", models.display());
    }
    for bundle in bundles {
        say(&format!(
            "{} is whole: {}",
            bundle.folder.display(),
            bundle.digest
        ))?;
    }
    Ok(())
}

fn run_flows(command: &FlowsCommand) -> anyhow::Result<()> {
    match command {
        FlowsCommand::Check { file, json } => {
            let report = flows::check(file, &[])?;
            if *json {
                say(&report.json.to_string())?;
            } else {
                say(&report.text)?;
            }
            if !report.is_sound {
                bail!("{} has faults", file.display());
            }
        }
        FlowsCommand::Draw { flow, file, form } => say(&flows::draw(file, flow, *form)?)?,
    }
    Ok(())
}

fn run_ask(command: &AskCommand) -> anyhow::Result<()> {
    let mapped = ask::map(&command.graph)?;
    let graph = ask::graph(&mapped, &command.graph)?;
    let answer = ask::answer(&graph, &command.question, command.currency)?;
    match command.json {
        true => say(&answer.json.to_string()),
        false => say(&answer.text),
    }
}

#[expect(clippy::disallowed_methods, reason = "a conversation's time is now")]
fn run_chat(command: &ChatCommand) -> anyhow::Result<()> {
    let (bytes, digest) = chat::bundle(&command.model)?;
    let answers = match command.operator {
        true => Answers::default(),
        false => Answers::read(&command.shop)?,
    };
    let fixed = match &command.now {
        Some(text) => Some(assist::clock(text).map_err(|error| anyhow::anyhow!("--now: {error}"))?),
        None => None,
    };
    let clock = || {
        fixed.unwrap_or_else(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Clock::from(since.map_or(0, |since| since.as_millis() as i64))
        })
    };
    let mut chat = chat::Chat::new(&bytes, digest, answers, &clock)?;
    let input = std::io::stdin().lock();
    let is_terminal = input.is_terminal();
    let mut terminal = Terminal {
        input,
        output: std::io::stdout().lock(),
        is_person: is_terminal || command.operator,
        echoes: !is_terminal && !command.json,
    };
    let ended = match command.json {
        true => chat.answer(&mut terminal),
        false => chat.converse(&mut terminal),
    };
    match ended {
        // Whoever read it has gone, as `head` does.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        ended => ended,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whether the component has another model inside than the bundles that pages
/// load. Both work, so it is no error; but their rankings differ.
fn compare_models(inside: &str, bundles: &[bundles::Bundle]) -> Option<String> {
    let ranking = bundles.iter().find(|b| b.folder.ends_with("ranking"))?;
    (ranking.digest != inside).then(|| {
        format!(
            "the component has the model {inside} inside and {} holds {}: pages and edge will \
             rank differently; build the component again",
            ranking.folder.display(),
            ranking.digest
        )
    })
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} has no absolute path", path.display()))
}

/// Ready when the process is told to stop (SIGINT, SIGTERM, Ctrl-C).
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ready when the process is told to stop (Ctrl-C).
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

async fn run_bench(options: &BenchEdge) -> anyhow::Result<()> {
    // Nothing is kept: the store lives in a folder that goes away, the code is
    // compiled here and now.
    let folder = std::env::temp_dir().join(format!("shelfedge-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("the folder {} can't be made", folder.display()))?;
    let result = bench_in(&folder, options).await;
    let _ = std::fs::remove_dir_all(&folder);
    let report = result?;
    if options.json {
        return say(&serde_json::to_string(&report)?);
    }
    let row = |name: &str, m: &bench::Medians| {
        format!(
            "{name:<28} {:>12.1} {:>12.1} {:>12.1} {:>12.1}",
            m.instantiate_us, m.call_us, m.total_us, m.p95_us
        )
    };
    let lines = [
        format!(
            "{:<28} {:>12} {:>12} {:>12} {:>12}",
            "microseconds, medians", "instantiate", "call", "total", "total p95"
        ),
        row("echo", &report.echo),
        row("edge, opens the model", &report.edge),
        row("edge, ranks", &report.rank),
        format!(
            "edge over echo: {:.2} (instantiation and access to the model, {} rounds)",
            report.ratio, report.rounds
        ),
        format!(
            "ranking {} candidates takes {:.1} us of that itself",
            report.rank_candidates, report.rank_compute_us
        ),
    ];
    say(&lines.join("\n"))
}

async fn bench_in(folder: &Path, options: &BenchEdge) -> anyhow::Result<bench::Report> {
    let limits = Limits::default();
    let engine = engine(&limits, None)?;
    let store = Arc::new(KeyValue::open(&folder.join("key-value.redb"))?);
    let variables = Arc::new(Variables::default());
    let load = |path: &Path| Guest::load(&engine, path, limits, store.clone(), variables.clone());
    let edge = load(&options.component)?;
    let echo = load(&options.echo)?;
    let rank_body = match &options.rank {
        Some(file) => Bytes::from(
            std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?,
        ),
        None => Bytes::from_static(b"{\"limit\":12}"),
    };
    let plan = bench::Plan {
        rounds: options.rounds as usize,
        warm_up: 20,
        rank_body,
    };
    Ok(bench::run(&edge, &echo, &plan).await?)
}
