//! A ranking request, from raw events to a list.
//!
//! Recall finds candidates, `features` encodes them, the engine scores them; the
//! list is sorted, cut and explained here, and with the feature `rerank` made to
//! hold the shop's rules. A request and a model decide the answer alone: no clock,
//! no randomness, ties by product id.
//!
//! This crate does not read JSON or HTTP (that is `wire` and the boundary
//! crates), does not train, does no I/O and keeps nothing between calls but
//! buffers.

pub mod attention;
pub mod codes;
pub mod explain;
#[cfg(feature = "explore")]
pub mod explore;
#[cfg(feature = "explore")]
pub mod policy;
pub mod recall;
#[cfg(feature = "rerank")]
pub mod rerank;

use core::fmt;

use shelfedge_commerce::{Event, ProductId, Timestamp, sort};
use shelfedge_engine::program::{Kind as Number, Rows};
pub use shelfedge_engine::{Input, PortInfo};
use shelfedge_engine::{LoadError, Model, RunError};
use shelfedge_features::basket::{self, Basket, Signals};
#[cfg(feature = "answers")]
pub use shelfedge_features::questions;
use shelfedge_features::trails::{self, Sums, Trails};
use shelfedge_features::{
    Affinity, Moment, Past, Shopper, Spec, TableError, Tables, Trail, encode,
};
pub use shelfedge_features::{Device, Encoded, Group, Meta, ProductRef, distinct};

pub use explain::{Detail, Reason};
pub use recall::{Candidate, RECALL, Sources};

/// What re-ranking has to say of a list.
#[cfg(feature = "rerank")]
pub use rerank::Notes;
/// What re-ranking has to say of a list: in this build (feature `rerank`),
/// nothing.
#[cfg(not(feature = "rerank"))]
pub type Notes = core::convert::Infallible;

/// Candidates of a request, at most.
pub const MAX_CANDIDATES: usize = 2_000;
/// Products that a request leaves out, at most.
pub const MAX_EXCLUDED: usize = 5_000;
/// Events of a request, at most.
pub const MAX_EVENTS: usize = 5_000;
/// Length of a list, at most.
pub const MAX_LIMIT: usize = 200;
/// Bids for sponsored places, at most.
pub const MAX_BIDS: usize = 100;
/// Sponsored places of a list, at most.
pub const MAX_PLACES: usize = 24;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The device.
    pub device: Device,
    /// The shopper's distance from UTC, in minutes.
    pub utc_offset_minutes: i32,
}

/// A ranking request.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The time of the request.
    pub now: Timestamp,
    /// What the shopper did, in any order.
    pub events: &'a [Event],
    /// What to rank; `None` ranks what recall finds.
    pub candidates: Option<&'a [ProductId]>,
    /// What must not be in the list, in any order; ids that the model doesn't know
    /// exclude nothing.
    pub exclude: &'a [ProductId],
    /// Length of the list, at most.
    pub limit: usize,
    /// Whether to leave out what the shopper bought before.
    pub new_only: bool,
    /// Where the request comes from.
    pub context: Context,
    /// Whether to give reasons.
    pub explain: bool,
    /// Products that the shopper's answers lead to, the best first (see
    /// [`shelfedge_features::questions::exemplars`]): looked at, as far as the model
    /// can tell, before all else of the session. They count as long as the shopper
    /// ordered nothing, and in builds with the feature `answers`.
    pub answered: &'a [u32],
}

/// One place of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedItem {
    /// Index in the product table.
    pub product: u32,
    /// The model's score; only its order has a meaning.
    pub score: f32,
    /// How the product became a candidate.
    pub sources: Sources,
    /// Why it stands here, the largest contribution first; empty unless asked
    /// for.
    pub reasons: Vec<Reason>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The list, best first.
    pub items: Vec<RankedItem>,
    /// Candidates of the request that the model doesn't know, in its order,
    /// each once.
    pub unknown: Vec<ProductId>,
    /// Items of events that the model doesn't know, and events later than `now`.
    pub ignored_events: u32,
    /// How many candidates were scored.
    pub candidates: u32,
    /// Which rules of a re-ranking it misses, and what was sold; only where it was
    /// re-ranked. The list is then no longer in the order of the scores.
    pub notes: Option<Box<Notes>>,
}

/// Why a model can't be used for ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is no compiled model.
    Load(LoadError),
    /// A table is missing or contradicts itself.
    Table(TableError),
    /// It has a log, and this build opens none (feature `logs`).
    Log,
    /// The model's inputs or output are not what its feature spec says.
    Port {
        /// Which.
        name: String,
    },
}

impl OpenError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Load(error) => error.code(),
            Self::Table(_) => "model_table",
            Self::Log => "model_log",
            Self::Port { .. } => "model_ports",
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Table(error) => error.fmt(f),
            Self::Log => {
                f.write_str("it has a log of orders or of sequences, and this engine opens none")
            }
            Self::Port { name } => write!(
                f,
                "the model's port {name} is not what its feature spec says"
            ),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<LoadError> for OpenError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<TableError> for OpenError {
    fn from(error: TableError) -> Self {
        Self::Table(error)
    }
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RankError {
    /// More than [`MAX_CANDIDATES`].
    TooManyCandidates {
        /// In the request.
        found: usize,
    },
    /// More than [`MAX_EXCLUDED`].
    TooManyExcluded {
        /// In the request.
        found: usize,
    },
    /// More than [`MAX_EVENTS`].
    TooManyEvents {
        /// In the request.
        found: usize,
    },
    /// Not in `1..=`[`MAX_LIMIT`].
    Limit {
        /// In the request.
        found: usize,
    },
    /// The engine refused; only a damaged model does that.
    Run(RunError),
    /// The model gave a score that is not a number.
    Score {
        /// For which product (index).
        product: u32,
    },
}

impl RankError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooManyCandidates { .. } => "too_many_candidates",
            Self::TooManyExcluded { .. } => "too_many_excluded",
            Self::TooManyEvents { .. } => "too_many_events",
            Self::Limit { .. } => "limit_out_of_range",
            Self::Run(_) => "model_run",
            Self::Score { .. } => "score_not_finite",
        }
    }
}

impl fmt::Display for RankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCandidates { found } => {
                write!(
                    f,
                    "{found} candidates; at most {MAX_CANDIDATES} are ranked at once"
                )
            }
            Self::TooManyExcluded { found } => {
                write!(
                    f,
                    "{found} products to leave out; at most {MAX_EXCLUDED} are read"
                )
            }
            Self::TooManyEvents { found } => {
                write!(f, "{found} events; at most {MAX_EVENTS} are read")
            }
            Self::Limit { found } => write!(
                f,
                "a list has between 1 and {MAX_LIMIT} places, not {found}"
            ),
            Self::Run(error) => error.fmt(f),
            Self::Score { product } => write!(f, "the score of product {product} is not a number"),
        }
    }
}

impl core::error::Error for RankError {}

impl From<RunError> for RankError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

/// Buffers that are kept between calls.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    engine: shelfedge_engine::Workspace,
    affinity: Affinity,
    encoded: Encoded,
    occluded: Encoded,
    products: Vec<u32>,
    logs: Option<Log<Logs>>,
}

/// What is kept for models with logs.
#[derive(Clone, Debug, Default)]
struct Logs {
    trail: Trail,
    sums: Sums,
    past: Past,
    signals: Signals,
    attention: attention::Buffers,
    index: Option<trails::Index>,
    buyers: Option<basket::Index>,
    /// Which model's log the index is of, and how many requests it has had.
    indexed: ([u8; 32], [u8; 32], u32),
}

impl Workspace {
    fn logs(&mut self, permit: Permit) -> &mut Logs {
        let logs = self.logs.get_or_insert_with(|| Log(Box::default(), permit));
        &mut logs.0
    }
}

impl Logs {
    /// Whether a log is worth indexing: one request reads it from end to end, for
    /// more of them an index is worth its making. A workspace may serve several
    /// models in turn.
    fn repeats(&mut self, meta: &Meta) -> bool {
        let (onnx, data, requests) = &mut self.indexed;
        if (&*onnx, &*data) != (&meta.onnx, &meta.data) {
            (self.index, self.buyers) = (None, None);
            (*onnx, *data, *requests) = (meta.onnx, meta.data, 0);
        }
        *requests = requests.saturating_add(1);
        *requests > 1
    }
}

/// A request after recall and encoding, before scoring.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The candidates, sorted by product: one row each.
    pub candidates: Vec<Candidate>,
    /// Candidates that the model doesn't know.
    pub unknown: Vec<ProductId>,
    /// The sum of the shopper's events.
    pub shopper: Shopper,
}

/// An input that the encoder fills.
#[derive(Clone, Copy, Debug)]
enum Feed {
    Context,
    Candidate,
    Product,
    Title,
    Wide,
    Session,
    Logged,
}

/// Who has one may open models with a log, of sequences or of orders. Without the
/// feature nobody can, so that the compiler leaves out all that is done with logs.
#[cfg(feature = "logs")]
#[derive(Clone, Copy, Debug)]
struct Permit;
#[cfg(not(feature = "logs"))]
type Permit = core::convert::Infallible;

#[cfg(feature = "logs")]
const PERMIT: Option<Permit> = Some(Permit);
#[cfg(not(feature = "logs"))]
const PERMIT: Option<Permit> = None;

/// A log, opened with permission.
#[derive(Clone, Debug)]
struct Log<T>(Box<T>, Permit);

impl<T> core::ops::Deref for Log<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a model looks at.
#[derive(Clone, Debug)]
enum Kind<'a> {
    /// The shop's tables.
    Tables,
    /// A log of sequences.
    Trails(Log<Trails<'a>>),
    /// A log of orders.
    Basket(Log<Basket<'a>>),
}

impl<'a> Kind<'a> {
    /// The input that a log fills.
    const fn port(&self) -> Option<&'static str> {
        match self {
            Self::Tables => None,
            Self::Trails(_) => Some("trail"),
            Self::Basket(_) => Some("basket"),
        }
    }

    fn open(
        section: impl Fn(&str) -> Option<&'a [u8]>,
        products: usize,
    ) -> Result<Self, TableError> {
        let Some(permit) = PERMIT else {
            return Ok(Self::Tables);
        };
        Ok(match (section(trails::SECTION), section(basket::SECTION)) {
            (Some(log), _) => Self::Trails(Log(Box::new(Trails::open(log, products)?), permit)),
            (None, Some(log)) => Self::Basket(Log(Box::new(Basket::open(log, products)?), permit)),
            (None, None) => Self::Tables,
        })
    }

    fn width(&self) -> usize {
        match self {
            Self::Tables => 0,
            Self::Trails(trails) => trails.width(),
            Self::Basket(basket) => basket.0.width(),
        }
    }
}

/// A compiled ranking model with its tables.
#[derive(Clone, Debug)]
pub struct Ranker<B> {
    model: Model<B>,
    spec: Spec,
    feeds: Vec<Feed>,
}

/// What answers lead to, of a shopper who has not ordered: whoever ordered has said
/// more than answers can.
fn answered<'q>(query: &Query<'q>, shopper: &Shopper) -> &'q [u32] {
    match cfg!(feature = "answers") && shopper.orders == 0 {
        true => query.answered,
        false => &[],
    }
}

impl<B: AsRef<[u8]>> Ranker<B> {
    /// Opens a compiled model: checks offsets and sizes, copies nothing.
    ///
    /// # Errors
    /// A file that isn't one, lacks a table, or whose ports don't fit its spec.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let model = Model::open(bytes)?;
        let spec = Spec::read(model.section("spec").ok_or(TableError {
            section: "spec",
            missing: true,
        })?)?;
        let tables = Tables::open(|name| model.section(name))?;
        #[cfg(feature = "rerank")]
        rerank::check(
            model.section(shelfedge_features::attributes::SECTION),
            tables.len(),
        )?;
        #[cfg(feature = "answers")]
        if let Some(section) = model.section(questions::SECTION) {
            questions::read(section, tables.len())?;
        }
        #[cfg(feature = "explore")]
        if let Some(section) = model.section(policy::SECTION) {
            policy::ListPolicy::open(section)?;
        }
        let is_log = |name| model.section(name).is_some();
        if PERMIT.is_none() && (is_log(trails::SECTION) || is_log(basket::SECTION)) {
            return Err(OpenError::Log);
        }
        // A model with a log sees nothing else.
        let kind = Kind::open(|name| model.section(name), tables.len())?;
        if let Kind::Trails(trails) = &kind
            && trails.attends()
        {
            attention::open(|name| model.section(name))?;
        }
        let expected = |name: &str| match kind.port() {
            Some(port) => name == port,
            None => name != "trail" && name != "basket",
        };
        if let Some(port) = model.inputs().find(|port| !expected(port.name)) {
            return Err(OpenError::Port {
                name: port.name.to_owned(),
            });
        }
        let mut feeds = Vec::new();
        for port in model.inputs() {
            let (feed, number, rows, width) = match port.name {
                "context" => (Feed::Context, Number::F32, Rows::Shared, spec.context.len()),
                "candidate" => (
                    Feed::Candidate,
                    Number::F32,
                    Rows::PerRow,
                    spec.candidate.len(),
                ),
                "product" => (Feed::Product, Number::I32, Rows::PerRow, 1),
                "title" => (
                    Feed::Title,
                    Number::I32,
                    Rows::PerRow,
                    spec.title_tokens as usize,
                ),
                "wide" => (Feed::Wide, Number::I32, Rows::PerRow, spec.wide.len()),
                "session" => (
                    Feed::Session,
                    Number::I32,
                    Rows::Shared,
                    spec.session_products as usize,
                ),
                "trail" | "basket" => (Feed::Logged, Number::F32, Rows::PerRow, kind.width()),
                name => {
                    return Err(OpenError::Port {
                        name: name.to_owned(),
                    });
                }
            };
            let shape = port.shape;
            let elements = shape.len as usize * shape.width as usize;
            if port.kind != number || shape.rows != rows || elements != width {
                return Err(OpenError::Port {
                    name: port.name.to_owned(),
                });
            }
            feeds.push(feed);
        }
        match model.outputs().next() {
            Some(PortInfo {
                kind: Number::F32,
                shape,
                ..
            }) if shape.rows == Rows::PerRow && shape.len == 1 && shape.width == 1 => {}
            _ => {
                return Err(OpenError::Port {
                    name: "score".to_owned(),
                });
            }
        }
        Ok(Self { model, spec, feeds })
    }

    /// What the model says of itself: digests, date of its tables, currency.
    #[must_use]
    pub fn info(&self) -> Meta {
        self.tables().meta()
    }

    /// The feature spec.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The compiled model's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.model.bytes()
    }

    /// The shop's tables.
    #[must_use]
    pub fn tables(&self) -> Tables<'_> {
        Tables::open(|name| self.model.section(name))
            .unwrap_or_else(|_| unreachable!("the tables were opened before"))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::open(|name| self.model.section(name), self.tables().len())
            .unwrap_or_else(|_| unreachable!("the log was opened before"))
    }

    /// The log of sequences, of a model that has one.
    #[must_use]
    pub fn trails(&self) -> Option<Trails<'_>> {
        match self.kind() {
            Kind::Trails(trails) => Some(*trails.0),
            _ => None,
        }
    }

    /// The log of orders, of a model that has one.
    #[must_use]
    pub fn basket(&self) -> Option<Basket<'_>> {
        match self.kind() {
            Kind::Basket(basket) => Some(*basket.0),
            _ => None,
        }
    }

    /// What to ask a shopper of whom nothing is known, in this order; nothing where
    /// the model has no questions.
    #[cfg(feature = "answers")]
    #[must_use]
    pub fn questions(&self) -> Vec<questions::Question> {
        let section = self.model.section(questions::SECTION);
        let read = |section| questions::read(section, self.tables().len()).ok();
        section.and_then(read).unwrap_or_default()
    }

    /// Number of products.
    #[must_use]
    pub fn product_count(&self) -> u32 {
        u32::try_from(self.tables().len()).unwrap_or(u32::MAX)
    }

    /// A product by its index.
    #[must_use]
    pub fn product(&self, index: u32) -> Option<ProductRef<'_>> {
        self.tables().product(index)
    }

    /// The index of a product.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        self.tables().find(id)
    }

    /// The model's inputs, in the order in which [`Ranker::score`] takes them.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = PortInfo<'_>> {
        self.model.inputs()
    }

    /// Runs the model on raw inputs. The scores are in the workspace until its
    /// next use.
    ///
    /// # Errors
    /// Inputs that don't fit.
    pub fn score<'w>(
        &self,
        rows: usize,
        inputs: &[Input<'_>],
        workspace: &'w mut Workspace,
    ) -> Result<&'w [f32], RunError> {
        self.model.run(&mut workspace.engine, rows, inputs)?;
        Ok(workspace.engine.output(0))
    }

    /// Recall and encoding alone: what [`Ranker::rank`] gives to the model.
    ///
    /// # Errors
    /// A request beyond the limits.
    pub fn prepare(
        &self,
        query: &Query<'_>,
        workspace: &mut Workspace,
    ) -> Result<Prepared, RankError> {
        if query.events.len() > MAX_EVENTS {
            return Err(RankError::TooManyEvents {
                found: query.events.len(),
            });
        }
        if query.exclude.len() > MAX_EXCLUDED {
            return Err(RankError::TooManyExcluded {
                found: query.exclude.len(),
            });
        }
        if query.limit == 0 || query.limit > MAX_LIMIT {
            return Err(RankError::Limit { found: query.limit });
        }
        let tables = self.tables();
        let excluded = query.exclude.iter();
        let mut excluded: Vec<u32> = excluded.filter_map(|id| tables.find(id.as_str())).collect();
        sort::by(&mut excluded, Ord::cmp);
        let mut unknown: Vec<(usize, &ProductId)> = Vec::new();
        let mut given = None;
        if let Some(ids) = query.candidates {
            if ids.len() > MAX_CANDIDATES {
                return Err(RankError::TooManyCandidates { found: ids.len() });
            }
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                match tables.find(id.as_str()) {
                    Some(product) => found.push(Candidate {
                        product,
                        sources: Sources::GIVEN,
                    }),
                    None => unknown.push((unknown.len(), id)),
                }
            }
            // Each once, in the request's order.
            sort::by(&mut unknown, |a, b| a.1.cmp(b.1).then(a.0.cmp(&b.0)));
            unknown.dedup_by(|later, first| later.1 == first.1);
            sort::by(&mut unknown, |a, b| a.0.cmp(&b.0));
            given = Some(recall::merge(found));
        }
        let mut shopper = Shopper::fold(&tables, query.events, query.now);
        let answered = answered(query, &shopper);
        shopper.answer(answered);
        let shopper = shopper;
        let answers = shopper.answers();
        let kind = self.kind();
        let is_allowed = |product| {
            let is_new = !query.new_only || shopper.of(product).is_none();
            is_new && excluded.binary_search(&product).is_err()
        };
        let mut candidates = match &kind {
            Kind::Tables => {
                workspace.affinity.fill(&tables, &shopper);
                given.unwrap_or_else(|| {
                    recall::recall(&tables, &shopper, &workspace.affinity, RECALL, is_allowed)
                })
            }
            Kind::Trails(trails) => {
                let logs = workspace.logs(trails.1);
                if logs.repeats(&tables.meta()) {
                    logs.index.get_or_insert_with(|| trails::Index::new(trails));
                }
                logs.trail = Trail::of(&tables, query.events, query.now);
                logs.trail.answer(answers);
                let steps = trails.query(&logs.trail);
                let mut barred = trails.barred(steps);
                barred.extend_from_slice(&excluded);
                if query.new_only {
                    barred.extend(shopper.bought.iter().map(|bought| bought.product));
                }
                sort::by(&mut barred, Ord::cmp);
                logs.sums.fill(trails, logs.index.as_ref(), steps);
                let found = logs.sums.candidates(trails, steps, &barred);
                // As many whatever the limit, which only cuts the list.
                let places = trails.most_candidates();
                given.unwrap_or_else(|| {
                    let allowed = |product| barred.binary_search(&product).is_err();
                    recall::followers(&tables, &shopper, found, |_| true, allowed, places)
                })
            }
            Kind::Basket(basket) => {
                let logs = workspace.logs(basket.1);
                if logs.repeats(&tables.meta()) {
                    logs.buyers
                        .get_or_insert_with(|| basket::Index::new(basket));
                }
                logs.past = Past::of(&tables, query.events, query.now);
                // Such a model knows shoppers by their orders alone: looks take nothing
                // from the answers.
                let lines = answered.iter().map(|product| (*product, 1));
                logs.past.add(0, lines.collect());
                let signals = &mut logs.signals;
                let index = logs.buyers.as_ref();
                signals.fill(basket, index, &logs.past);
                let found = signals.candidates(basket, index, query.new_only);
                let similar = |product| signals.speak_for(product);
                given.unwrap_or_else(|| {
                    recall::followers(&tables, &shopper, found, similar, is_allowed, MAX_LIMIT)
                })
            }
        };
        candidates.retain(|candidate| is_allowed(candidate.product));
        workspace.products.clear();
        workspace
            .products
            .extend(candidates.iter().map(|c| c.product));
        if let (Kind::Trails(trails), Some(Log(logs, _))) = (&kind, &mut workspace.logs)
            && trails.attends()
        {
            let attention = attention::open(|name| self.model.section(name))
                .unwrap_or_else(|_| unreachable!("the network was opened before"));
            let steps = trails.query(&logs.trail);
            let products = workspace.products.iter().copied();
            attention.score(steps, products, &mut logs.attention)?;
        }
        self.encode(&tables, &kind, &shopper, query, workspace);
        Ok(Prepared {
            candidates,
            unknown: unknown.into_iter().map(|(_, id)| id.clone()).collect(),
            shopper,
        })
    }

    fn encode(
        &self,
        tables: &Tables<'_>,
        kind: &Kind<'_>,
        shopper: &Shopper,
        query: &Query<'_>,
        workspace: &mut Workspace,
    ) {
        let Workspace {
            affinity,
            encoded,
            products,
            logs,
            ..
        } = workspace;
        encoded.rows = products.len();
        let logged = &mut encoded.logged;
        match (kind, logs) {
            (Kind::Trails(trails), Some(Log(logs, _))) => {
                let steps = trails.query(&logs.trail);
                let told = match trails.attends() {
                    true => logs.attention.scores(),
                    false => &[],
                };
                return logs.sums.encode(trails, steps, products, told, logged);
            }
            (Kind::Basket(basket), Some(Log(logs, _))) => {
                let new = query.new_only;
                return logs
                    .signals
                    .encode(basket, &logs.past, new, products, logged);
            }
            _ => logged.clear(),
        }
        let moment = Moment {
            now: query.now,
            utc_offset_minutes: query.context.utc_offset_minutes,
            device: query.context.device,
        };
        encode(
            &self.spec, tables, shopper, affinity, moment, products, encoded,
        );
    }

    /// The inputs that the last [`Ranker::prepare`] or [`Ranker::rank`] encoded.
    #[must_use]
    pub fn encoded<'w>(&self, workspace: &'w Workspace) -> &'w Encoded {
        &workspace.encoded
    }

    fn run(
        &self,
        encoded: &Encoded,
        engine: &mut shelfedge_engine::Workspace,
    ) -> Result<(), RunError> {
        let inputs: Vec<Input<'_>> = self
            .feeds
            .iter()
            .map(|feed| match feed {
                Feed::Context => Input::F32(&encoded.context),
                Feed::Candidate => Input::F32(&encoded.candidate),
                Feed::Product => Input::I32(&encoded.product),
                Feed::Title => Input::I32(&encoded.title),
                Feed::Wide => Input::I32(&encoded.wide),
                Feed::Session => Input::I32(&encoded.session),
                Feed::Logged => Input::F32(&encoded.logged),
            })
            .collect();
        self.model.run(engine, encoded.rows, &inputs)
    }

    /// Answers a request. Scores descend; equal scores are ordered by product
    /// id. A candidate named twice counts once.
    ///
    /// # Errors
    /// A request beyond the limits, or a damaged model.
    pub fn rank(&self, query: &Query<'_>, workspace: &mut Workspace) -> Result<Ranked, RankError> {
        let (prepared, mut order) = self.order(query, workspace)?;
        order.truncate(query.limit);
        self.list(query, prepared, order, workspace)
    }

    /// All candidates with their scores, best first.
    // Where only one function calls it, it costs a shopper nothing to be apart.
    #[cfg_attr(not(feature = "rerank"), inline(always))]
    fn order(
        &self,
        query: &Query<'_>,
        workspace: &mut Workspace,
    ) -> Result<(Prepared, Vec<(f32, Candidate)>), RankError> {
        let prepared = self.prepare(query, workspace)?;
        let candidates = &prepared.candidates;
        self.run(&workspace.encoded, &mut workspace.engine)?;
        let scores = workspace.engine.output(0);
        if let Some((candidate, _)) = candidates.iter().zip(scores).find(|(_, s)| !s.is_finite()) {
            return Err(RankError::Score {
                product: candidate.product,
            });
        }
        let mut order: Vec<(f32, Candidate)> = scores
            .iter()
            .copied()
            .zip(candidates.iter().copied())
            .collect();
        // Products are sorted by id, so the index breaks ties by id.
        sort::by(&mut order, |a, b| {
            b.0.total_cmp(&a.0).then(a.1.product.cmp(&b.1.product))
        });
        Ok((prepared, order))
    }

    /// The answer, with these candidates as its list.
    #[cfg_attr(not(feature = "rerank"), inline(always))]
    fn list(
        &self,
        query: &Query<'_>,
        prepared: Prepared,
        order: Vec<(f32, Candidate)>,
        workspace: &mut Workspace,
    ) -> Result<Ranked, RankError> {
        let Prepared {
            candidates,
            unknown,
            shopper,
        } = prepared;
        let mut items: Vec<RankedItem> = order
            .into_iter()
            .map(|(score, c)| RankedItem {
                product: c.product,
                score,
                sources: c.sources,
                reasons: Vec::new(),
            })
            .collect();
        if query.explain && !items.is_empty() {
            self.explain(query, &shopper, &mut items, workspace)?;
        }
        Ok(Ranked {
            items,
            unknown,
            ignored_events: shopper.unknown_items.saturating_add(shopper.future_events),
            candidates: u32::try_from(candidates.len()).unwrap_or(u32::MAX),
            notes: None,
        })
    }

    fn explain(
        &self,
        query: &Query<'_>,
        shopper: &Shopper,
        items: &mut [RankedItem],
        workspace: &mut Workspace,
    ) -> Result<(), RankError> {
        // The same numbers as when the list was ranked: shares and ranks are among
        // all its candidates.
        let (tables, kind) = (self.tables(), self.kind());
        match &kind {
            Kind::Tables => {}
            Kind::Trails(trails) => {
                let steps = workspace
                    .logs
                    .as_ref()
                    .map_or(&[][..], |logs| trails.query(&logs.trail));
                let known = !steps.is_empty();
                self.attribute(
                    &trails.groups(),
                    |group| known || !matches!(group, Group::Session | Group::History),
                    |product, group| match group {
                        Group::Session | Group::History => {
                            explain::session(shopper, trails.closest(steps, product))
                        }
                        _ => Detail::None,
                    },
                    0,
                    items,
                    workspace,
                );
                return Ok(());
            }
            Kind::Basket(basket) => {
                self.attribute(
                    &basket::groups(basket.0.has_photos()),
                    |group| match group {
                        Group::History if !answered(query, shopper).is_empty() => true,
                        Group::BoughtBefore if query.new_only => false,
                        _ => explain::applies(shopper, group),
                    },
                    |product, group| explain::detail(&tables, shopper, product, group),
                    usize::from(query.new_only),
                    items,
                    workspace,
                );
                return Ok(());
            }
        }
        workspace.products.clear();
        workspace.products.extend(items.iter().map(|i| i.product));
        self.encode(&tables, &kind, shopper, query, workspace);
        for group in Group::EXPLAINING {
            if !explain::applies(shopper, group) {
                continue;
            }
            workspace.occluded.clone_from(&workspace.encoded);
            explain::occlude(&self.spec, &mut workspace.occluded, group);
            if workspace.occluded == workspace.encoded {
                continue;
            }
            self.run(&workspace.occluded, &mut workspace.engine)?;
            for (item, without) in items.iter_mut().zip(workspace.engine.output(0)) {
                let contribution = item.score - without;
                if contribution.is_finite() && contribution != 0.0 {
                    let detail = explain::detail(&tables, shopper, item.product, group);
                    item.reasons.push(Reason {
                        group,
                        contribution,
                        detail,
                    });
                }
            }
        }
        items.iter_mut().for_each(explain::sort_reasons);
        Ok(())
    }

    /// Explains by the Shapley values of the numbers of the groups that apply,
    /// against one of the model's reference rows. A model that isn't a sum of trees
    /// explains nothing.
    fn attribute(
        &self,
        groups: &[Group],
        applies: impl Fn(Group) -> bool,
        detail: impl Fn(u32, Group) -> Detail,
        reference: usize,
        items: &mut [RankedItem],
        workspace: &Workspace,
    ) {
        let width = groups.len();
        let (cells, _) = self
            .model
            .section(explain::REFERENCE)
            .unwrap_or(&[])
            .as_chunks::<4>();
        let Some(reference) = cells.chunks_exact(width).nth(reference) else {
            return;
        };
        for item in items {
            let row = workspace.products.binary_search(&item.product);
            let rows = workspace.encoded.logged.chunks_exact(width);
            let Some(row) = row.ok().and_then(|at| rows.clone().nth(at)) else {
                continue;
            };
            // What doesn't apply is as it is, whatever is left out.
            let parts = row.iter().zip(groups).zip(reference);
            let reference: Vec<f32> = parts
                .map(|((own, group), known)| match applies(*group) {
                    true => f32::from_le_bytes(*known),
                    false => *own,
                })
                .collect();
            let Some(of_numbers) = self.model.contributions(row, &reference) else {
                return;
            };
            for group in Group::EXPLAINING {
                let of_group = groups.iter().zip(&of_numbers).filter(|(g, _)| **g == group);
                let contribution = of_group.map(|(_, part)| part).sum::<f64>() as f32;
                if contribution.is_finite() && contribution != 0.0 {
                    item.reasons.push(Reason {
                        group,
                        contribution,
                        detail: detail(item.product, group),
                    });
                }
            }
            explain::sort_reasons(item);
        }
    }
}
