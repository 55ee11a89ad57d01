//! One component, ready to answer requests: loaded once, instantiated per
//! request, with limits on memory, tables, time and sizes.

use crate::bindings::fermyon::spin::{key_value, variables};
use crate::key_value::{
    DEFAULT_STORE, KeyValue, KeyValueError, MAX_OPEN_STORES, OpenStore, Seen, Turn,
};
use crate::outbound::Outbound;
use crate::problem::HostProblem;
use crate::variables::{Variables, is_valid_name};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Response};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use wasmtime::component::{Component, HasData, Linker, Resource, ResourceTable};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    ResourceLimiter, Store, Trap, UpdateDeadline,
};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// How often a running guest is looked at: the grain of the deadline.
const TICK: Duration = Duration::from_millis(5);

/// How many ticks a guest keeps its thread before others get a turn. A ranking
/// is done before; giving the thread away on a busy machine costs more than it
/// takes.
const TURN: u64 = 4;

/// How much of what a guest writes to its stderr is kept for the log.
const GUEST_LOG_BYTES: usize = 64 * 1024;

/// What a conversation may wait longer, where hand-overs are sent: the longest that the
/// component's variable for it can be.
const HANDOVER: Duration = Duration::from_secs(10);

/// What one request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, in bytes.
    pub memory_bytes: usize,
    /// Elements of all tables of an instance.
    pub table_elements: usize,
    /// From the call to the whole answer.
    pub deadline: Duration,
    /// The longest request body that is read at all; the component has a
    /// smaller limit of its own.
    pub request_bytes: usize,
    /// The longest answer that is passed on.
    pub response_bytes: usize,
    /// Instances at once; more requests wait up to the deadline.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            deadline: Duration::from_secs(2),
            request_bytes: 8 << 20,
            response_bytes: 8 << 20,
            instances: 32,
        }
    }
}

/// Why a component can't be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// This machine or these limits don't make an engine.
    Engine(wasmtime::Error),
    /// The file is not a component that Wasmtime can compile.
    Compile {
        /// The file.
        path: PathBuf,
        /// Why not, in one line.
        cause: String,
    },
    /// The component's memory is at the start larger than it may become.
    Memory {
        /// The file.
        path: PathBuf,
        /// What it begins with, in bytes.
        needed: u64,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// The component wants what this host doesn't provide.
    Imports {
        /// The file.
        path: PathBuf,
        /// Names of the imports.
        names: Vec<String>,
    },
    /// The component does not export an HTTP handler, or one of its imports
    /// has another type than this host's.
    World {
        /// The file.
        path: PathBuf,
        /// What differs.
        source: wasmtime::Error,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Read { path, source } => write!(
                f,
                "the component {} can't be read: {source}; `cargo xtask demo` builds it",
                path.display()
            ),
            LoadError::Engine(source) => write!(f, "Wasmtime can't start: {source:#}"),
            LoadError::Compile { path, cause } => write!(
                f,
                "{} is no component: {cause}; build it again with `cargo xtask demo`, or name \
                 another with --component",
                path.display()
            ),
            LoadError::Memory {
                path,
                needed,
                limit,
            } => write!(
                f,
                "{} begins with {needed} bytes of memory and may have {limit}: start the host \
                 with a larger --memory-mib, {} at the very least",
                path.display(),
                needed.div_ceil(1 << 20)
            ),
            LoadError::Imports { path, names } => {
                writeln!(
                    f,
                    "{} imports what this host does not provide:",
                    path.display()
                )?;
                for name in names {
                    writeln!(f, "  {name}")?;
                }
                write!(
                    f,
                    "this host provides WASI 0.2 (without files and network) and \
                     fermyon:spin@2.0.0 key-value and variables"
                )
            }
            LoadError::World { path, source } => write!(
                f,
                "{} is not an HTTP component of WASI 0.2: {source:#}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a request has no answer from the component.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuestFailure {
    /// The request can't be given to a component, with what is wrong with it;
    /// there was no instance.
    Malformed(&'static str),
    /// No instance became free within the deadline.
    Overloaded,
    /// The deadline passed.
    Deadline(Duration),
    /// A growth of memory or of a table was denied before the guest failed.
    OutOfMemory {
        /// What is allowed, in bytes of memory.
        limit: usize,
        /// What the guest wanted, in bytes; none when it was a table.
        wanted: Option<usize>,
    },
    /// The guest trapped: a panic, an index out of bounds, a full stack.
    Trapped(wasmtime::Error),
    /// The guest gave no answer, or only a part of it.
    NoResponse(String),
    /// The answer is larger than allowed.
    ResponseTooLarge(usize),
}

impl GuestFailure {
    /// The problem that a client gets for it.
    #[must_use]
    pub fn problem(&self) -> HostProblem {
        match self {
            GuestFailure::Malformed(_) => HostProblem::MalformedRequest,
            GuestFailure::Overloaded => HostProblem::Overloaded,
            GuestFailure::Deadline(_) => HostProblem::DeadlineExceeded,
            GuestFailure::OutOfMemory { .. } => HostProblem::OutOfMemory,
            GuestFailure::Trapped(_) => HostProblem::ComponentFailed,
            GuestFailure::NoResponse(_) => HostProblem::NoResponse,
            GuestFailure::ResponseTooLarge(_) => HostProblem::ResponseTooLarge,
        }
    }

    /// What a client may know about it: not the guest's stack.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            GuestFailure::Malformed(why) => (*why).to_owned(),
            GuestFailure::Overloaded => "no instance became free before the deadline".to_owned(),
            GuestFailure::Deadline(limit) => {
                format!("the deadline of {} ms passed", limit.as_millis())
            }
            GuestFailure::OutOfMemory {
                limit,
                wanted: Some(wanted),
            } => format!("the component wanted {wanted} bytes of memory and may have {limit}"),
            GuestFailure::OutOfMemory { wanted: None, .. } => {
                "the component wanted a larger table than it may have".to_owned()
            }
            GuestFailure::Trapped(_) => "the component trapped".to_owned(),
            GuestFailure::NoResponse(why) => why.clone(),
            GuestFailure::ResponseTooLarge(limit) => {
                format!("the answer has more than {limit} bytes")
            }
        }
    }
}

impl fmt::Display for GuestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuestFailure::Trapped(source) => write!(f, "the component trapped: {source:?}"),
            other => f.write_str(&other.detail()),
        }
    }
}

impl std::error::Error for GuestFailure {}

/// How long the two parts of a request took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Making the store and the instance.
    pub instantiate: Duration,
    /// The call, to the whole answer.
    pub call: Duration,
}

/// A component's answer.
#[derive(Debug)]
pub struct Answer {
    /// The whole response.
    pub response: Response<Bytes>,
    /// How long it took.
    pub timing: Timing,
}

/// A component that answers requests.
pub struct Guest {
    pre: ProxyPre<State>,
    limits: Limits,
    store: Arc<KeyValue>,
    variables: Arc<Variables>,
    outbound: Outbound,
    free: Semaphore,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Makes an engine with these limits, and the thread that ticks its clock.
///
/// `cache` is a folder for compiled code, keyed by the component's digest, the
/// engine's version and its settings.
///
/// # Errors
/// When this machine or the limits don't allow it.
pub fn engine(limits: &Limits, cache: Option<&Path>) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Nothing here runs two calls in one instance, and stores are cheaper without it.
    config.concurrency_support(false);
    // Relaxed operations must give the same bits on every machine, if a guest has any.
    config.relaxed_simd_deterministic(true);
    let mut pool = PoolingAllocationConfig::new();
    // A component of the Rust toolchain is a handful of core instances (the
    // program and the shims that wit-component puts around it) and one memory.
    let instances = limits.instances.max(1);
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(8))
        .max_core_instances_per_component(8)
        .total_memories(instances.saturating_mul(2))
        .max_memories_per_component(2)
        .total_tables(instances.saturating_mul(4))
        .max_tables_per_component(4)
        .table_elements(limits.table_elements)
        .max_memory_size(limits.memory_bytes)
        .max_unused_warm_slots(instances)
        // Pages that nearly every request touches stay mapped between requests.
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if let Some(folder) = cache {
        let mut settings = CacheConfig::new();
        settings.with_directory(folder);
        config.cache(Some(Cache::new(settings).map_err(LoadError::Engine)?));
    }
    // The pool reserves addresses, not memory, but by the hundred gigabytes; a
    // process that may not reserve them gets its instances one by one.
    let engine = Engine::new(&config)
        .or_else(|_| {
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        })
        .map_err(LoadError::Engine)?;
    let ticking = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            // Ends when the last engine is dropped.
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map_err(|error| LoadError::Engine(wasmtime::Error::from(error)))?;
    Ok(engine)
}

impl Guest {
    /// Loads a component, checks that this host provides all of its imports,
    /// and makes it ready.
    ///
    /// # Errors
    /// When the file is missing, no component, or not one for this host.
    pub fn load(
        engine: &Engine,
        path: &Path,
        limits: Limits,
        store: Arc<KeyValue>,
        variables: Arc<Variables>,
    ) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|source| LoadError::Read {
            path: path.to_owned(),
            source,
        })?;
        let component = compile(engine, &bytes, limits.memory_bytes).map_err(|fault| {
            let path = path.to_owned();
            match fault {
                CompileFault::Other(cause) => LoadError::Compile { path, cause },
                CompileFault::Memory(needed) => LoadError::Memory {
                    path,
                    needed,
                    limit: limits.memory_bytes,
                },
            }
        })?;
        let linker = linker(engine).map_err(LoadError::Engine)?;
        let missing = missing_imports(&linker, &component);
        if !missing.is_empty() {
            return Err(LoadError::Imports {
                path: path.to_owned(),
                names: missing,
            });
        }
        let world = |source| LoadError::World {
            path: path.to_owned(),
            source,
        };
        let pre = linker.instantiate_pre(&component).map_err(world)?;
        let pre = ProxyPre::new(pre).map_err(world)?;
        let outbound = Outbound::to(variables.get("handover_url"));
        Ok(Guest {
            pre,
            limits,
            store,
            variables,
            outbound,
            free: Semaphore::new(limits.instances.max(1) as usize),
        })
    }

    /// The variables that the component may ask for.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The limits that requests have.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers one request in a fresh instance.
    ///
    /// A request that writes what it read before (a profile, with an event more)
    /// is run as if no other one wrote meanwhile. It reads without waiting; with
    /// its first write it waits for its turn, and keeps that to its end. When
    /// somebody else wrote what it had read, nothing of it is written yet: it is
    /// run again, once, and with the turn from its beginning, so that it can't
    /// happen to it again. There is one turn, and who has it waits for nobody
    /// else's, so nobody waits for ever.
    ///
    /// # Errors
    /// When the request's `Host` is none, or the component did not give a whole
    /// answer within its limits.
    pub async fn handle(&self, mut request: Request<Bytes>) -> Result<Answer, GuestFailure> {
        check_host(&request).map_err(GuestFailure::Malformed)?;
        let mut limit = self.limits.deadline;
        if self.outbound.is_open() && request.uri().path() == "/v1/assist" {
            limit += HANDOVER;
        }
        let deadline = now() + limit;
        let _permit = tokio::time::timeout(limit, self.free.acquire())
            .await
            .map_err(|_| GuestFailure::Overloaded)?
            .map_err(|_| GuestFailure::Overloaded)?;
        if !request.headers().contains_key(HOST) {
            // WASI wants an authority; HTTP/1.0 does not, and neither do the
            // host's own requests.
            request
                .headers_mut()
                .insert(HOST, hyper::header::HeaderValue::from_static("localhost"));
        }
        let mut turn = None;
        loop {
            let log = MemoryOutputPipe::new(GUEST_LOG_BYTES);
            let run = self.run(request.clone(), limit, deadline, log.clone(), turn);
            let result = tokio::time::timeout(deadline.saturating_duration_since(now()), run)
                .await
                .unwrap_or(Err(Ended::Failed(GuestFailure::Deadline(limit))));
            turn = match result {
                Err(Ended::Outdated(turn)) => Some(turn),
                Err(Ended::Failed(failure)) => {
                    report_guest_log(&log);
                    return Err(failure);
                }
                Ok(answer) => {
                    report_guest_log(&log);
                    return Ok(answer);
                }
            };
        }
    }

    async fn run(
        &self,
        request: Request<Bytes>,
        limit: Duration,
        deadline: Instant,
        log: MemoryOutputPipe,
        turn: Option<Turn>,
    ) -> Result<Answer, Ended> {
        let begun = now();
        let state = State {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder()
                .stderr(log.clone())
                .stdout(log)
                .allow_tcp(false)
                .allow_udp(false)
                .build(),
            http: WasiHttpCtx::new(),
            hooks: self.outbound.clone(),
            limiter: Limiter {
                memory_bytes: self.limits.memory_bytes,
                table_elements: self.limits.table_elements,
                denied: None,
            },
            spin: SpinState {
                store: self.store.clone(),
                variables: self.variables.clone(),
                open: 0,
                seen: Seen::default(),
                turn,
            },
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_epoch_deadline(TURN);
        store.epoch_deadline_callback(move |_| {
            if now() >= deadline {
                Ok(UpdateDeadline::Interrupt)
            } else {
                Ok(UpdateDeadline::Yield(TURN))
            }
        });
        let request = request.map(Full::new);
        let prepared = {
            let mut http = store.data_mut().http();
            let (sender, receiver) = oneshot::channel();
            http.new_incoming_request(Scheme::Http, request)
                .and_then(|request| {
                    let out = http.new_response_outparam(sender)?;
                    Ok((request, out, receiver))
                })
        };
        let (incoming, out, receiver) = prepared.map_err(GuestFailure::Trapped)?;

        // The guest writes its answer while this end reads it. The store is
        // dropped when the call ends, so that an answer that was never begun or
        // never finished ends the reading too.
        let call = async move {
            let proxy = self.pre.instantiate_async(&mut store).await;
            let instantiated = now();
            let result = match proxy {
                Ok(proxy) => {
                    proxy
                        .wasi_http_incoming_handler()
                        .call_handle(&mut store, incoming, out)
                        .await
                }
                Err(error) => Err(error),
            };
            let State { limiter, spin, .. } = store.into_data();
            (result, instantiated, limiter.denied, spin.turn)
        };
        let most = self.limits.response_bytes;
        let read = async move {
            let response = receiver
                .await
                .map_err(|_| GuestFailure::NoResponse("the component set no answer".to_owned()))?
                .map_err(|code| {
                    GuestFailure::NoResponse(format!("the component answered with {code:?}"))
                })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, most).collect().await.map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    GuestFailure::ResponseTooLarge(most)
                } else {
                    GuestFailure::NoResponse(format!("the answer broke off: {error}"))
                }
            })?;
            Ok::<_, GuestFailure>(Response::from_parts(parts, body.to_bytes()))
        };
        let ((called, instantiated, denied, turn), response) = tokio::join!(call, read);
        if let Err(error) = called {
            if let (true, Some(turn)) = (error.is::<Outdated>(), turn) {
                return Err(Ended::Outdated(turn));
            }
            return Err(Ended::Failed(
                match (error.downcast_ref::<Trap>(), denied) {
                    (Some(Trap::Interrupt), _) => GuestFailure::Deadline(limit),
                    // Whatever the guest did after it was denied memory, that was the cause.
                    (_, Some(wanted)) => GuestFailure::OutOfMemory {
                        limit: self.limits.memory_bytes,
                        wanted,
                    },
                    _ => GuestFailure::Trapped(error),
                },
            ));
        }
        Ok(Answer {
            response: response?,
            timing: Timing {
                instantiate: instantiated - begun,
                call: now() - instantiated,
            },
        })
    }
}

/// How a run ended that gave no answer.
enum Ended {
    Failed(GuestFailure),
    /// Before its first write, since what it had read is no longer so. It has
    /// the turn now.
    Outdated(Turn),
}

impl From<GuestFailure> for Ended {
    fn from(failure: GuestFailure) -> Self {
        Ended::Failed(failure)
    }
}

/// Ends the instance of such a run: a guest can't catch it and go on.
#[derive(Debug)]
struct Outdated;

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the request had read was written by another one")
    }
}

impl std::error::Error for Outdated {}

/// WASI takes the authority as text, so a `Host` that is no authority would be
/// an error of the host; and of two, nobody knows which one is meant (RFC 9112
/// wants 400 for each of these).
fn check_host<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return match request.headers().contains_key(HOST) {
            true => Err("the request has several Host headers"),
            false => Ok(()),
        };
    };
    // An empty one means that there is no authority.
    if host.is_empty() || Authority::try_from(host.as_bytes()).is_ok() {
        Ok(())
    } else {
        Err("the Host header is no host name with an optional port, in ASCII")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the host is where time comes from"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "the host logs on stderr")]
fn report_guest_log(log: &MemoryOutputPipe) {
    let text = log.contents();
    for line in String::from_utf8_lossy(&text).lines() {
        eprintln!("component: {line}");
    }
}

/// How many bytes a page of linear memory has.
const WASM_PAGE: u64 = 64 << 10;

enum CompileFault {
    /// It begins with so many bytes of memory, more than allowed.
    Memory(u64),
    /// Anything else, in one line.
    Other(String),
}

fn compile(engine: &Engine, bytes: &[u8], memory_bytes: usize) -> Result<Component, CompileFault> {
    // Wasmtime says these at length, with the bytes.
    if !bytes.starts_with(b"\0asm") {
        return Err(CompileFault::Other("it is not WebAssembly".to_owned()));
    }
    if bytes.get(6..8) == Some(&[0, 0]) {
        return Err(CompileFault::Other(
            "it is a module of WebAssembly, and not yet a component".to_owned(),
        ));
    }
    let compiled = Component::new(engine, bytes);
    // The pool refuses what begins larger than its slots, in words of its own;
    // an engine without one compiles it, and then it can be asked.
    let asked = match &compiled {
        Ok(component) => Some(component.clone()),
        Err(_) => Component::new(&Engine::default(), bytes).ok(),
    };
    let needed = asked
        .and_then(|component| component.resources_required())
        .and_then(|resources| resources.max_initial_memory_size)
        .map(|pages| pages.saturating_mul(WASM_PAGE));
    if let Some(needed) = needed
        && needed > memory_bytes as u64
    {
        return Err(CompileFault::Memory(needed));
    }
    compiled.map_err(|error| {
        let text = format!("{error:#}");
        let lines: Vec<&str> = text.split_whitespace().collect();
        CompileFault::Other(format!("it can't be compiled: {}", lines.join(" ")))
    })
}

/// Everything that a component may import.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    key_value::add_to_linker::<_, Spin>(&mut linker, State::spin)?;
    variables::add_to_linker::<_, Spin>(&mut linker, State::spin)?;
    Ok(linker)
}

/// Names of imports that the linker has nothing for. The linker itself would
/// only name the first one.
fn missing_imports(linker: &Linker<State>, component: &Component) -> Vec<String> {
    let engine = linker.engine();
    component
        .component_type()
        .imports(engine)
        .map(|(name, _)| name)
        .filter(|name| !is_provided(name))
        .map(str::to_owned)
        .collect()
}

/// Whether this host provides the interface, at any 0.2 version of WASI.
fn is_provided(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    match interface {
        "fermyon:spin/key-value" | "fermyon:spin/variables" => version == "2.0.0",
        _ => {
            let package = interface.split('/').next().unwrap_or_default();
            let known = matches!(
                package,
                "wasi:io"
                    | "wasi:clocks"
                    | "wasi:random"
                    | "wasi:cli"
                    | "wasi:http"
                    | "wasi:filesystem"
                    | "wasi:sockets"
            );
            known
                && version
                    .strip_prefix("0.2.")
                    .is_some_and(|patch| patch.bytes().all(|b| b.is_ascii_digit()))
        }
    }
}

/// What an instance has beside its memory.
struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Outbound,
    limiter: Limiter,
    spin: SpinState,
}

struct SpinState {
    store: Arc<KeyValue>,
    variables: Arc<Variables>,
    open: usize,
    /// What this request has read; of no use once it has the turn.
    seen: Seen,
    /// The turn to write, from the first write on.
    turn: Option<Turn>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.hooks,
        }
    }
}

/// Denies growth past the limits and remembers that it did, so that running
/// out of memory can be told from any other trap.
struct Limiter {
    memory_bytes: usize,
    table_elements: usize,
    denied: Option<Option<usize>>,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes;
        if !allowed {
            self.denied = Some(Some(desired));
        }
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.table_elements;
        if !allowed {
            self.denied = Some(None);
        }
        Ok(allowed)
    }
}

/// The Spin interfaces' view of an instance.
struct SpinView<'a> {
    table: &'a mut ResourceTable,
    spin: &'a mut SpinState,
}

struct Spin;

impl HasData for Spin {
    type Data<'a> = SpinView<'a>;
}

impl State {
    fn spin(&mut self) -> SpinView<'_> {
        SpinView {
            table: &mut self.table,
            spin: &mut self.spin,
        }
    }
}

impl SpinState {
    /// Before a read.
    fn note(&mut self, key: Option<&str>) {
        if self.turn.is_none() {
            self.store.note(&mut self.seen, key);
        }
    }

    /// Before a write.
    async fn turn(&mut self) -> wasmtime::Result<Turn> {
        if let Some(turn) = &self.turn {
            return Ok(turn.clone());
        }
        let turn = self.store.turn().await;
        self.turn = Some(turn.clone());
        if !self.store.is_current(&self.seen) {
            return Err(wasmtime::Error::new(Outdated));
        }
        Ok(turn)
    }
}

fn other(error: KeyValueError) -> key_value::Error {
    key_value::Error::Other(error.to_string())
}

/// Writes wait for the disk, so they run where waiting is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeyValueError> + Send + 'static,
) -> Result<T, key_value::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(other),
        Err(_) => Err(key_value::Error::Other(
            "the key-value store's task was stopped".to_owned(),
        )),
    }
}

impl key_value::Host for SpinView<'_> {}

impl key_value::HostStore for SpinView<'_> {
    async fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, key_value::Error>> {
        if label != DEFAULT_STORE {
            return Ok(Err(key_value::Error::NoSuchStore));
        }
        if self.spin.open >= MAX_OPEN_STORES {
            return Ok(Err(key_value::Error::StoreTableFull));
        }
        self.spin.open += 1;
        Ok(Ok(self.table.push(OpenStore)?))
    }

    async fn get(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, key_value::Error>> {
        self.table.get(&store)?;
        self.spin.note(Some(&key));
        // A read comes from the page cache; handing it to another thread would
        // take longer than it does, unless the file has to be mended first.
        if let Some(result) = self.spin.store.get_at_once(&key) {
            return Ok(result.map_err(other));
        }
        let file = self.spin.store.clone();
        Ok(blocking(move || file.get(&key)).await)
    }

    async fn set(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        self.table.get(&store)?;
        let turn = self.spin.turn().await?;
        let file = self.spin.store.clone();
        // Also when the request is given up meanwhile, the turn ends after it.
        let set = move || {
            let result = file.set(&key, &value);
            drop(turn);
            result
        };
        Ok(blocking(set).await)
    }

    async fn delete(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), key_value::Error>> {
        self.table.get(&store)?;
        let turn = self.spin.turn().await?;
        let file = self.spin.store.clone();
        let delete = move || {
            let result = file.delete(&key);
            drop(turn);
            result
        };
        Ok(blocking(delete).await)
    }

    async fn exists(
        &mut self,
        store: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, key_value::Error>> {
        self.table.get(&store)?;
        self.spin.note(Some(&key));
        let file = self.spin.store.clone();
        Ok(blocking(move || file.exists(&key)).await)
    }

    async fn get_keys(
        &mut self,
        store: Resource<OpenStore>,
    ) -> wasmtime::Result<Result<Vec<String>, key_value::Error>> {
        self.table.get(&store)?;
        self.spin.note(None);
        let file = self.spin.store.clone();
        Ok(blocking(move || file.keys()).await)
    }

    async fn drop(&mut self, store: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        self.spin.open -= 1;
        Ok(())
    }
}

impl variables::Host for SpinView<'_> {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        if !is_valid_name(&name) {
            return Ok(Err(variables::Error::InvalidName(name)));
        }
        Ok(match self.spin.variables.get(&name) {
            Some(value) => Ok(value.to_owned()),
            None => Err(variables::Error::Undefined(name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_provided;

    #[test]
    fn only_what_is_linked_counts_as_provided() {
        for name in [
            "wasi:http/types@0.2.0",
            "wasi:io/streams@0.2.6",
            "fermyon:spin/key-value@2.0.0",
        ] {
            assert!(is_provided(name), "{name}");
        }
        for name in [
            "wasi:http/types@0.3.0",
            "wasi:http/types@0.2.0-rc-2023-11-10",
            "wasi:keyvalue/store@0.2.0-draft2",
            "fermyon:spin/sqlite@2.0.0",
            "fermyon:spin/key-value",
            "env",
        ] {
            assert!(!is_provided(name), "{name}");
        }
    }
}
