//! The routes, from a request's head to a whole response.
//!
//! Order of checks: path and method, origin, token, media type, size, content,
//! work. Nothing of a body is read before its sender may send it, and no phase
//! begins after the deadline.

use crate::access::{Origin, is_authorized, origin, traceparent};
use crate::handover::{Outbound, Receiver, With};
use crate::http::{Body, BodyError, Head, Response, percent_decoded, read_body};
use crate::learn;
use crate::model::{EmbeddedModel, Models};
use crate::profile::{MAX_PROFILE_BYTES, Profile, key};
use crate::settings::{self, BadVariable, Variables};
use shelfedge_assistant::{Assistant, Buffers, TurnBuffers};
use shelfedge_commerce::codes::TIME_OUT_OF_RANGE;
use shelfedge_commerce::event::Event;
use shelfedge_commerce::fault::{Fault, Faults, Invalid};
use shelfedge_commerce::id::{ListId, ShopperId};
use shelfedge_commerce::time::Timestamp;
use shelfedge_ranking::explore::{Learner, Lesson};
use shelfedge_ranking::{MAX_EVENTS, Ranker, Workspace};
use shelfedge_wire::assist::{self, Around, Asked};
use shelfedge_wire::manifest::hex;
use shelfedge_wire::problem::{CONTENT_TYPE as PROBLEM_JSON, Code, Problem, Progress};
use shelfedge_wire::seal::{Conversation, MIN_KEY, Seal};
use shelfedge_wire::stored::StoredEvent;
use shelfedge_wire::{Limits, answers, codes, events, explore, handover, intent, models, rank};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Where stored profiles are.
pub trait Profiles {
    /// The value under a key.
    ///
    /// # Errors
    /// When the store can't be read now.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Sets the value under a key.
    ///
    /// # Errors
    /// When the store can't be written now.
    fn set(&mut self, key: &str, value: &[u8]) -> Result<(), StoreFault>;

    /// Removes a key with its value; that there is none is no fault.
    ///
    /// # Errors
    /// When the store can't be written now.
    fn delete(&mut self, key: &str) -> Result<(), StoreFault>;
}

/// The store failed, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault(pub String);

/// Where time and chance come from.
pub trait Clock {
    /// Milliseconds since 1970, UTC.
    fn unix_ms(&self) -> i64;
    /// Microseconds since the request came in.
    fn elapsed_us(&self) -> u64;
    /// Bytes that nobody can guess, others each time.
    fn random(&self) -> [u8; 16];
}

/// How many seconds a client should wait after it was shed.
const RETRY_AFTER_SECONDS: &str = "1";

const JSON: &str = "application/json";

/// What is accepted. The body's size was checked while it was read, against a
/// variable.
const LIMITS: Limits = Limits {
    body_bytes: usize::MAX,
    ..Limits::DEFAULT
};

/// The component, with what its host gives it.
pub struct Edge<'a> {
    /// The embedded models.
    pub models: Models,
    /// Settings.
    pub variables: &'a dyn Variables,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The way to who is told of hand-overs.
    pub outbound: &'a dyn Outbound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'p> {
    Rank,
    Intent,
    Assist,
    Events,
    /// A shopper's stored profile, by the path's last part as it came.
    Profile(&'p str),
    /// What is known of a list that explores, by the path's last part as it came.
    Explore(&'p str),
    Models,
    Questions,
    Health,
    OpenApi,
}

impl<'p> Route<'p> {
    fn find(path: &'p str) -> Option<Self> {
        match path {
            "/v1/rank" => Some(Route::Rank),
            "/v1/intent" => Some(Route::Intent),
            "/v1/assist" => Some(Route::Assist),
            "/v1/events" => Some(Route::Events),
            "/v1/models" => Some(Route::Models),
            "/v1/questions" => Some(Route::Questions),
            "/healthz" => Some(Route::Health),
            "/openapi.json" => Some(Route::OpenApi),
            _ => {
                let of = |prefix| {
                    let part: Option<&'p str> = path.strip_prefix(prefix);
                    part.filter(|part| !part.is_empty() && !part.contains('/'))
                };
                let profile = of("/v1/profiles/").map(Route::Profile);
                profile.or_else(|| of("/v1/explore/").map(Route::Explore))
            }
        }
    }

    /// What the route answers, beside `OPTIONS`.
    fn methods(self) -> &'static [&'static str] {
        match self {
            Route::Rank | Route::Intent | Route::Assist | Route::Events => &["POST"],
            Route::Profile(_) | Route::Explore(_) => &["GET", "HEAD", "DELETE"],
            Route::Models | Route::Questions | Route::Health | Route::OpenApi => &["GET", "HEAD"],
        }
    }

    /// The value of the header that lists the methods.
    fn allow(self) -> String {
        let mut allow = self.methods().join(", ");
        allow.push_str(", OPTIONS");
        allow
    }

    /// What is under `/v1` belongs to the shop; the rest only says that the
    /// component is there and what it can do.
    fn needs_token(self) -> bool {
        match self {
            Route::Rank | Route::Intent | Route::Assist | Route::Events => true,
            Route::Models | Route::Questions | Route::Profile(_) | Route::Explore(_) => true,
            Route::Health | Route::OpenApi => false,
        }
    }
}

/// How long the phases took, and which of them had to do without the store.
#[derive(Debug, Default)]
struct Phases {
    done: Vec<(&'static str, u64)>,
    without_store: Vec<&'static str>,
}

impl Phases {
    fn add(&mut self, name: &'static str, us: u64) {
        self.done.push((name, us));
    }

    fn header(&self, total: u64) -> String {
        let mut text = String::new();
        for (name, us) in self.done.iter().chain([&("total", total)]) {
            if !text.is_empty() {
                text.push_str(", ");
            }
            // Milliseconds with three decimals, without going through a float.
            let _ = write!(text, "{name};dur={}.{:03}", us / 1_000, us % 1_000);
            if self.without_store.contains(name) {
                text.push_str(";desc=\"unavailable\"");
            }
        }
        text
    }
}

/// A refusal: a problem, and headers that belong to it.
struct Refusal {
    problem: Box<Problem>,
    headers: Vec<(&'static str, String)>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal {
            problem: Box::new(problem),
            headers: Vec::new(),
        }
    }
}

impl From<BadVariable> for Refusal {
    fn from(bad: BadVariable) -> Self {
        problem(Code::MISCONFIGURED, bad.to_string()).into()
    }
}

impl Refusal {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// For a client that should come back.
    fn later(problem: Problem) -> Self {
        Refusal::from(problem).with("retry-after", RETRY_AFTER_SECONDS)
    }

    fn response(self) -> Response {
        let status = self.problem.status;
        let mut response = Response::new(status, PROBLEM_JSON, self.problem.to_json());
        response.headers.extend(self.headers);
        response
    }
}

fn problem(code: Code, detail: impl Into<String>) -> Problem {
    Problem::new(code).with_detail(detail)
}

fn store_failed(fault: &StoreFault) -> Refusal {
    Refusal::later(problem(Code::STORE_UNAVAILABLE, fault.0.clone()))
}

/// The store failed while a batch was being stored.
fn store_failed_at(fault: &StoreFault, progress: Progress) -> Refusal {
    let detail = format!(
        "{}; the events of {} shoppers are stored, of {} perhaps, of {} not",
        fault.0,
        progress.stored.len(),
        progress.unsure.len(),
        progress.not_stored.len()
    );
    Refusal::later(Problem {
        progress: Some(Box::new(progress)),
        ..problem(Code::STORE_UNAVAILABLE, detail)
    })
}

/// The id that a path names, such as a shopper's.
fn id_in_path<T>(
    part: &str,
    name: &'static str,
    id: impl FnOnce(String) -> Result<T, Invalid>,
) -> Result<T, Refusal> {
    let fault = match percent_decoded(part) {
        Err(cause) => Fault::new(&codes::PATH_MALFORMED, name, cause),
        Ok(text) => match id(text) {
            Ok(id) => return Ok(id),
            Err(invalid) => invalid.at(name),
        },
    };
    Err(Problem::from(Faults::from(fault)).into())
}

/// Takes a state once: the store knows the newest turn of each conversation. Two requests
/// at the same moment may both come through, for a store can't compare and set.
fn once(conversation: &Conversation, store: &mut dyn Profiles) -> Result<(), Refusal> {
    let key = ["conversation:", &hex(&conversation.id)].concat();
    let known = store.get(&key).map_err(|fault| store_failed(&fault))?;
    let known = known.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    if known.is_some_and(|turn| conversation.turn <= turn) {
        let cause = "its conversation has gone on since";
        let fault = Fault::new(&codes::STATE_REPLAYED, "state", cause);
        return Err(Problem::from(Faults::from(fault)).into());
    }
    let turn = conversation.turn.to_le_bytes();
    store.set(&key, &turn).map_err(|fault| store_failed(&fault))
}

impl Edge<'_> {
    /// Answers a request.
    pub fn answer(
        &self,
        head: &Head,
        body: &mut dyn Body,
        profiles: &mut dyn Profiles,
    ) -> Response {
        let mut phases = Phases::default();
        let allowed = match self.origin(head) {
            Ok(allowed) => allowed,
            Err(refusal) => return self.finish(head, &Origin::Absent, &phases, refusal.response()),
        };
        let response = self
            .route(head, body, profiles, &allowed, &mut phases)
            .unwrap_or_else(Refusal::response);
        self.finish(head, &allowed, &phases, response)
    }

    fn origin(&self, head: &Head) -> Result<Origin, Refusal> {
        let Some(from) = head.header("origin") else {
            return Ok(Origin::Absent);
        };
        let list = settings::CORS_ORIGINS.text(self.variables)?;
        Ok(origin(Some(from), &list))
    }

    /// Adds what every answer has.
    fn finish(
        &self,
        head: &Head,
        allowed: &Origin,
        phases: &Phases,
        mut response: Response,
    ) -> Response {
        if head.method == "HEAD" {
            response.body = (&[]).into();
        }
        if let Some(trace) = traceparent(head.header("traceparent")) {
            response = response.with("traceparent", trace);
        }
        if let Origin::Allowed(value) = allowed {
            response = response
                .with("access-control-allow-origin", value.clone())
                .with(
                    "access-control-expose-headers",
                    "server-timing, traceparent, retry-after",
                )
                .with("timing-allow-origin", value.clone());
        }
        if response.header("cache-control").is_none() {
            response = response.with("cache-control", "no-store");
        }
        response
            // The answer differs by origin, whatever it is for this one.
            .with("vary", "origin")
            .with("x-content-type-options", "nosniff")
            .with("server-timing", phases.header(self.clock.elapsed_us()))
    }

    fn route(
        &self,
        head: &Head,
        body: &mut dyn Body,
        profiles: &mut dyn Profiles,
        allowed: &Origin,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let Some(route) = Route::find(&head.path) else {
            let path: String = head.path.chars().take(100).collect();
            return Err(problem(Code::NOT_FOUND, format!("there is nothing at {path:?}")).into());
        };
        match head.method.as_str() {
            "OPTIONS" => return preflight(head, route, allowed),
            method if route.methods().contains(&method) => {}
            _ => {
                let method: String = head.method.chars().take(20).collect();
                return Err(Refusal::from(problem(
                    Code::METHOD_NOT_ALLOWED,
                    format!("{} does not take {method:?}", head.path),
                ))
                .with("allow", route.allow()));
            }
        }
        if route.needs_token() {
            let token = settings::API_TOKEN.text(self.variables)?;
            if !is_authorized(head.header("authorization"), &token) {
                return Err(Refusal::from(problem(
                    Code::UNAUTHORIZED,
                    "the request has no valid bearer token",
                ))
                .with("www-authenticate", "Bearer realm=\"shelfedge\""));
            }
        }
        match route {
            Route::Rank => self.rank(head, body, profiles, phases),
            Route::Intent => self.intent(head, body, phases),
            Route::Assist => self.assist(head, body, profiles, phases),
            Route::Events => self.events(head, body, profiles, phases),
            Route::Profile(part) => {
                let shopper = id_in_path(part, "shopper", ShopperId::new)?;
                match head.method.as_str() {
                    "DELETE" => self.erase(&key(&shopper), profiles, phases),
                    _ => self.show(&shopper, profiles, phases),
                }
            }
            Route::Explore(part) => {
                let list = id_in_path(part, "list", ListId::new)?;
                match head.method.as_str() {
                    "DELETE" => self.erase(&learn::key(list.as_str()), profiles, phases),
                    _ => self.known(&list, profiles, phases),
                }
            }
            Route::Models => self.models(),
            Route::Questions => self.questions(),
            Route::Health => self.health(),
            Route::OpenApi => Ok(
                Response::new(200, JSON, shelfedge_wire::openapi().as_bytes())
                    .with("cache-control", "public, max-age=300"),
            ),
        }
    }

    fn body(&self, head: &Head, body: &mut dyn Body, types: &[&str]) -> Result<Vec<u8>, Refusal> {
        let given = head.header("content-type").unwrap_or("");
        let media_type = given.split(';').next().unwrap_or("").trim();
        let known = types.iter().any(|t| media_type.eq_ignore_ascii_case(t));
        if !known || !shelfedge_wire::events::is_utf8(given) {
            let given: String = given.chars().take(100).collect();
            return Err(Refusal::from(problem(
                Code::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "the content-type is {given:?} and must be one of these, in UTF-8: {}",
                    types.join(", ")
                ),
            ))
            .with("accept-post", types.join(", ")));
        }
        if let Some(coding) = head.header("content-encoding")
            && !coding.eq_ignore_ascii_case("identity")
        {
            return Err(problem(
                Code::UNSUPPORTED_MEDIA_TYPE,
                "bodies are taken without a content-encoding",
            )
            .into());
        }
        let most = settings::MAX_BODY_BYTES.number(self.variables, 1, 16 << 20)? as usize;
        read_body(head, body, most).map_err(|error| match error {
            BodyError::TooLarge => problem(
                Code::BODY_TOO_LARGE,
                format!("the body may have at most {most} bytes"),
            )
            .into(),
            BodyError::Broken(why) => {
                problem(Code::BODY_INCOMPLETE, format!("the body broke off: {why}")).into()
            }
        })
    }

    /// Refuses to begin another phase after the deadline.
    fn in_time(&self, deadline_ms: u64, next: &str) -> Result<(), Refusal> {
        if self.clock.elapsed_us() / 1_000 < deadline_ms {
            return Ok(());
        }
        Err(Refusal::later(problem(
            Code::DEADLINE_EXCEEDED,
            format!("the deadline of {deadline_ms} ms passed before: {next}"),
        )))
    }

    fn deadline(&self) -> Result<u64, Refusal> {
        Ok(settings::DEADLINE_MS.number(self.variables, 1, 60_000)?)
    }

    fn open(&self) -> Result<(Ranker<&'static [u8]>, EmbeddedModel), Refusal> {
        let model = self.models.ranking.ok_or_else(|| {
            problem(
                Code::MODEL_UNUSABLE,
                "the component was built without a model",
            )
        })?;
        let ranker = Ranker::open(model.bytes)
            .map_err(|error| problem(Code::MODEL_UNUSABLE, error.to_string()))?;
        Ok((ranker, model))
    }

    fn rank(
        &self,
        head: &Head,
        body: &mut dyn Body,
        profiles: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        let bytes = self.body(head, body, &[JSON])?;
        self.in_time(deadline, "reading the request")?;
        let begun = self.clock.elapsed_us();
        let mut request = rank::parse(&bytes, &LIMITS).map_err(Problem::from)?;
        if request.now.is_none() {
            request.now = Some(Timestamp(self.clock.unix_ms()));
        }
        let parsed = self.clock.elapsed_us();
        phases.add("parse", parsed - begun);

        if let Some(shopper) = request.shopper.clone()
            && settings::STORE_PROFILES.switch(self.variables)?
        {
            self.in_time(deadline, "reading the stored profile")?;
            // A shop shows a ranking without the stored events rather than none;
            // the answer's headers tell that they are missing.
            match load(profiles, &shopper) {
                Ok(stored) => add_stored(&mut request.events, stored.into_events()),
                Err(_) => phases.without_store.push("store"),
            }
            phases.add("store", self.clock.elapsed_us() - parsed);
        }
        let list = learn::key(request.list_id());
        if let Some(explore) = explore::settings_mut(&mut request).filter(|it| it.state.is_none()) {
            self.in_time(deadline, "reading what is known of the list")?;
            let begun = self.clock.elapsed_us();
            // Without what is known, or where it can't be read, all is unknown.
            match profiles.get(&list) {
                Ok(value) => {
                    let state = value.map(|bytes| Learner::read_state(&bytes));
                    explore.state = state.and_then(Result::ok);
                }
                Err(_) => phases.without_store.push("explore"),
            }
            phases.add("explore", self.clock.elapsed_us() - begun);
        }

        self.in_time(deadline, "ranking")?;
        let begun = self.clock.elapsed_us();
        let (ranker, model) = self.open()?;
        let mut workspace = Workspace::default();
        let answer = rank::respond(&ranker, &request, model.digest, &mut workspace)?;
        phases.add("rank", self.clock.elapsed_us() - begun);
        self.in_time(deadline, "answering")?;
        Ok(Response::new(200, JSON, answer))
    }

    fn assistant(&self) -> Result<(Assistant<&'static [u8]>, EmbeddedModel), Refusal> {
        let model = self.models.assistant.ok_or_else(|| {
            problem(
                Code::NOT_FOUND,
                "the component was built without an assistant",
            )
        })?;
        let assistant = Assistant::open(model.bytes)
            .map_err(|error| problem(Code::MODEL_UNUSABLE, error.to_string()))?;
        Ok((assistant, model))
    }

    fn intent(
        &self,
        head: &Head,
        body: &mut dyn Body,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        let bytes = self.body(head, body, &[JSON])?;
        self.in_time(deadline, "reading the request")?;
        let begun = self.clock.elapsed_us();
        let request = intent::parse(&bytes, &LIMITS).map_err(Problem::from)?;
        let parsed = self.clock.elapsed_us();
        phases.add("parse", parsed - begun);
        self.in_time(deadline, "reading the text")?;
        let (assistant, _) = self.assistant()?;
        let digest = &assistant.shop().intent;
        let buffers = &mut Buffers::default();
        let answer = intent::respond(assistant.intent(), &request, digest, buffers);
        phases.add("intent", self.clock.elapsed_us() - parsed);
        self.in_time(deadline, "answering")?;
        Ok(Response::new(200, JSON, answer))
    }

    /// The key that signs states; none where the shop has none.
    fn state_key(&self) -> Result<Option<String>, BadVariable> {
        let key = settings::STATE_KEY.text(self.variables)?;
        match key.len() {
            0 => Ok(None),
            MIN_KEY.. => Ok(Some(key)),
            _ => Err(BadVariable {
                name: settings::STATE_KEY.name,
                cause: format!("must have {MIN_KEY} characters or more"),
            }),
        }
    }

    /// What the assistant's settings are, before a customer needs them.
    ///
    /// # Errors
    /// Every one that can't be used.
    fn check_assistant(&self) -> Result<(), BadVariable> {
        let checks = [
            self.state_key().map(drop),
            settings::REFUSE_REPLAYS.switch(self.variables).map(drop),
            Receiver::of(self.variables).map(drop),
            settings::HANDOVER_DEADLINE_MS
                .number(self.variables, 100, 10_000)
                .map(drop),
        ];
        let mut bad = checks.into_iter().filter_map(Result::err);
        let Some(mut first) = bad.next() else {
            return Ok(());
        };
        for other in bad.filter(|other| other.name != first.name) {
            first.cause = format!("{}; {other}", first.cause);
        }
        Err(first)
    }

    fn assist(
        &self,
        head: &Head,
        body: &mut dyn Body,
        store: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        let key = self.state_key()?.ok_or(BadVariable {
            name: settings::STATE_KEY.name,
            cause: format!(
                "is empty: conversations are off until it has {MIN_KEY} characters or more"
            ),
        })?;
        let bytes = self.body(head, body, &[JSON])?;
        self.in_time(deadline, "reading the request")?;
        let begun = self.clock.elapsed_us();
        let request = assist::parse(&bytes, &LIMITS).map_err(Problem::from)?;
        let (assistant, model) = self.assistant()?;
        let around = Around {
            model: model.digest,
            seal: Seal::Signed(key.as_bytes()),
            now: self.clock.unix_ms(),
        };
        let conversation =
            (request.conversation(&around, self.clock.random())).map_err(Problem::from)?;
        phases.add("parse", self.clock.elapsed_us() - begun);
        self.in_time(deadline, "reading the text")?;
        let begun = self.clock.elapsed_us();
        if let Asked::Handover(lines) = &request.asked
            && let Some(receiver) = Receiver::of(self.variables)?
        {
            let packet = assist::packet(&assistant, &conversation, lines).map_err(Problem::from)?;
            let with = With {
                clock: self.clock,
                outbound: self.outbound,
            };
            let delivery = with.deliver(&receiver, &conversation, &packet, request.again, store);
            phases.add("handover", self.clock.elapsed_us() - begun);
            let id = handover::id(&conversation);
            let answer = assist::handed_over(model.digest, &packet, &delivery, &id);
            return Ok(Response::new(200, JSON, answer));
        }
        let buffers = &mut TurnBuffers::default();
        let answer = assist::respond(&assistant, &request, &conversation, &around, buffers)
            .map_err(Problem::from)?;
        let answered = self.clock.elapsed_us();
        phases.add("assist", answered - begun);
        // What is refused leaves the state as it was.
        let goes_on = !matches!(request.asked, Asked::Ask(_) | Asked::Handover(_));
        if goes_on && settings::REFUSE_REPLAYS.switch(self.variables)? {
            self.in_time(deadline, "reading where the conversation is")?;
            once(&conversation, store)?;
            phases.add("store", self.clock.elapsed_us() - answered);
        }
        Ok(Response::new(200, JSON, answer))
    }

    fn events(
        &self,
        head: &Head,
        body: &mut dyn Body,
        profiles: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        let bytes = self.body(
            head,
            body,
            &[
                "application/cloudevents+json",
                "application/cloudevents-batch+json",
                JSON,
            ],
        )?;
        if !settings::STORE_PROFILES.switch(self.variables)? {
            return Err(problem(Code::PROFILES_OFF, "the variable store_profiles is false").into());
        }
        self.in_time(deadline, "reading the events")?;
        let begun = self.clock.elapsed_us();
        let received =
            events::parse(&bytes, head.header("content-type"), &LIMITS).map_err(Problem::from)?;
        let parsed = self.clock.elapsed_us();
        phases.add("parse", parsed - begun);
        let is_batch = bytes.trim_ascii_start().starts_with(b"[");
        let learners = settings::EXPLORE_LEARNERS.number(self.variables, 0, 100)? as u32;
        let lessons = learn::lessons(&received, learners);
        let by_shopper =
            by_shopper(received, is_batch, self.clock.unix_ms()).map_err(Problem::from)?;
        let receipt = self.store(deadline, by_shopper, profiles)?;
        let stored = self.clock.elapsed_us();
        phases.add("store", stored - parsed);
        if !lessons.is_empty() {
            if !self.learn(deadline, &lessons, profiles)? {
                phases.without_store.push("explore");
            }
            phases.add("explore", self.clock.elapsed_us() - stored);
        }
        let body = models::accepted(receipt.new, receipt.known);
        Ok(Response::new(202, JSON, body))
    }

    /// Adds events to profiles: one read and at most one write per shopper. The
    /// whole batch is refused before the first write, if it is refused for its
    /// size or pace, so that it can be sent again as it is.
    fn store(
        &self,
        deadline: u64,
        by_shopper: BTreeMap<ShopperId, Vec<StoredEvent>>,
        profiles: &mut dyn Profiles,
    ) -> Result<Receipt, Refusal> {
        let writes = settings::MAX_WRITES_PER_BATCH.number(self.variables, 1, 1_000)?;
        let interval = settings::MIN_WRITE_INTERVAL_MS.number(self.variables, 0, 3_600_000)? as i64;
        let most = settings::MAX_STORED_EVENTS.number(self.variables, 1, 5_000)? as usize;
        let now = self.clock.unix_ms();
        let mut receipt = Receipt::default();
        if by_shopper.len() as u64 > writes {
            // The same batch would be too large tomorrow: it has to be split,
            // and waiting would not help.
            return Err(Problem::from(Faults::from(Fault::new(
                &codes::TOO_MANY,
                "",
                format!(
                    "the batch is for {} shoppers, each a write, and may be for {writes}",
                    by_shopper.len()
                ),
            )))
            .into());
        }
        let shoppers: Vec<ShopperId> = by_shopper.keys().cloned().collect();
        let mut changed = Vec::new();
        for (shopper, events) in by_shopper {
            self.in_time(deadline, "reading stored profiles")?;
            let mut profile = load(profiles, &shopper).map_err(|fault| {
                // Reads come before all writes.
                let progress = Progress {
                    not_stored: shoppers.clone(),
                    ..Progress::default()
                };
                store_failed_at(&fault, progress)
            })?;
            let since = now.saturating_sub(profile.written_ms());
            let added = profile.add(events, most);
            receipt.new += added.new;
            receipt.known += added.known;
            if !added.is_changed {
                // Sent again, or older than all that is kept. Nothing to write.
                continue;
            }
            // A clock that went back must not shut a shopper out.
            if (0..interval).contains(&since) {
                return Err(Refusal::from(problem(
                    Code::WRITE_BUDGET_EXCEEDED,
                    format!(
                        "the shopper's profile was written {since} ms ago and is written at most \
                         every {interval} ms"
                    ),
                ))
                .with(
                    "retry-after",
                    ((interval - since + 999) / 1_000).to_string(),
                ));
            }
            profile.set_written_ms(now);
            changed.push((shopper, profile.encode_within(MAX_PROFILE_BYTES)));
        }
        self.in_time(deadline, "writing stored profiles")?;
        for (done, (shopper, bytes)) in changed.iter().enumerate() {
            profiles.set(&key(shopper), bytes).map_err(|fault| {
                let waiting = || changed.iter().skip(done + 1).map(|(shopper, _)| shopper);
                let is_stored =
                    |it: &ShopperId| it != shopper && waiting().all(|other| other != it);
                let progress = Progress {
                    stored: shoppers
                        .iter()
                        .filter(|it| is_stored(it))
                        .cloned()
                        .collect(),
                    unsure: vec![shopper.clone()],
                    not_stored: waiting().cloned().collect(),
                };
                store_failed_at(&fault, progress)
            })?;
        }
        Ok(receipt)
    }

    /// Learns from events that are stored already: one read and at most one write per
    /// list. What can't be learnt now is passed over: the lists learn more slowly, of
    /// all products alike, and nobody's events are refused for it. False when the store
    /// failed.
    fn learn(
        &self,
        deadline: u64,
        lessons: &BTreeMap<String, Lesson>,
        profiles: &mut dyn Profiles,
    ) -> Result<bool, Refusal> {
        let writes = settings::MAX_WRITES_PER_BATCH.number(self.variables, 1, 1_000)?;
        let interval = settings::MIN_WRITE_INTERVAL_MS.number(self.variables, 0, 3_600_000)? as i64;
        let now = Timestamp(self.clock.unix_ms());
        let learn = |list: &str, lesson: &Lesson, profiles: &mut dyn Profiles| {
            let key = learn::key(list);
            let stored = profiles.get(&key)?;
            // A list that never tried anything has nothing to learn from choices: an
            // ordinary select_item names its list as well.
            if stored.is_none() && lesson.shown.is_empty() {
                return Ok(());
            }
            let known = stored.map(|bytes| Learner::from_bytes(&bytes));
            let mut learner = known.and_then(Result::ok).unwrap_or_default();
            // A clock that went back must not stop the writing, nor in `learn` the rest.
            let is_soon = (0..interval).contains(&now.since(learner.written));
            if is_soon || !learner.learn(lesson, now) {
                return Ok(());
            }
            learner.written = now;
            profiles.set(&key, &learner.to_bytes())
        };
        let mut is_there = true;
        for (list, lesson) in lessons.iter().take(writes as usize) {
            if self.in_time(deadline, "learning").is_ok() {
                is_there &= learn(list, lesson, profiles).is_ok();
            }
        }
        Ok(is_there)
    }

    /// Shows what is stored of a shopper, as it is stored: one read. Whether the
    /// shop stores anything now doesn't matter; what it stored is shown.
    fn show(
        &self,
        shopper: &ShopperId,
        profiles: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        self.in_time(deadline, "reading the stored profile")?;
        let begun = self.clock.elapsed_us();
        let value = profiles.get(&key(shopper));
        phases.add("store", self.clock.elapsed_us() - begun);
        let Some(bytes) = value.map_err(|fault| store_failed(&fault))? else {
            return Err(Problem::new(Code::PROFILE_NOT_FOUND).into());
        };
        match Profile::decode(&bytes, shopper) {
            Ok(_) => Ok(Response::new(200, JSON, bytes)),
            Err(bad) => Err(problem(Code::PROFILE_UNREADABLE, bad.to_string()).into()),
        }
    }

    /// Shows what is known of a list that explores: one read. Nothing stored, or
    /// nothing that can be read, is nothing known.
    fn known(
        &self,
        list: &ListId,
        profiles: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        self.in_time(deadline, "reading what is known of the list")?;
        let begun = self.clock.elapsed_us();
        let value = profiles.get(&learn::key(list.as_str()));
        phases.add("store", self.clock.elapsed_us() - begun);
        let value = value.map_err(|fault| store_failed(&fault))?;
        let state = value.and_then(|bytes| Learner::read_state(&bytes).ok());
        let body = explore::known(list, &state.unwrap_or_default());
        Ok(Response::new(200, JSON, body))
    }

    /// Erases what is stored under a key: one write, and none is read before,
    /// so that what can't be read is erased as well. Never shed: who wants to be
    /// forgotten doesn't wait for a budget.
    fn erase(
        &self,
        key: &str,
        profiles: &mut dyn Profiles,
        phases: &mut Phases,
    ) -> Result<Response, Refusal> {
        let deadline = self.deadline()?;
        self.in_time(deadline, "erasing the stored value")?;
        let begun = self.clock.elapsed_us();
        let erased = profiles.delete(key);
        phases.add("store", self.clock.elapsed_us() - begun);
        erased.map_err(|fault| {
            Refusal::later(problem(
                Code::STORE_UNAVAILABLE,
                format!("{}; the value may be erased or not", fault.0),
            ))
        })?;
        Ok(Response::empty(204))
    }

    fn models(&self) -> Result<Response, Refusal> {
        let (ranker, ranking) = self.open()?;
        let mut all = vec![models::Model::ranking(&ranker, ranking.digest)];
        if self.models.assistant.is_some() {
            let (_, assistant) = self.assistant()?;
            all.push(models::Model {
                task: "assistant",
                digest: assistant.digest,
                bytes: assistant.bytes.len() as u64,
                orders: None,
            });
        }
        let body = models::write(&all);
        Ok(Response::new(200, JSON, body))
    }

    fn questions(&self) -> Result<Response, Refusal> {
        let (ranker, _) = self.open()?;
        Ok(Response::new(200, JSON, answers::questions(&ranker)?))
    }

    /// Healthy means that the embedded model opens.
    fn health(&self) -> Result<Response, Refusal> {
        self.check_assistant()?;
        let (_, model) = self.open()?;
        let body = models::health(env!("CARGO_PKG_VERSION"), model.digest);
        Ok(Response::new(200, JSON, body))
    }
}

#[derive(Debug, Default)]
struct Receipt {
    new: usize,
    known: usize,
}

/// How far ahead of this clock an event may be: a browser's clock may be wrong,
/// but events are kept by their time, and one from next year would stay for a
/// year.
const MOST_AHEAD_MS: i64 = 24 * 3_600_000;

/// Sorts events by shopper, each with its source. An event that is stored needs a shopper, and a time
/// that is not in the future.
fn by_shopper(
    received: Vec<events::Received>,
    is_batch: bool,
    now_ms: i64,
) -> Result<BTreeMap<ShopperId, Vec<StoredEvent>>, Faults> {
    let mut faults = Faults::default();
    let mut sorted: BTreeMap<ShopperId, Vec<StoredEvent>> = BTreeMap::new();
    for (index, item) in received.into_iter().enumerate() {
        let place = |field: &str| {
            if is_batch {
                format!("[{index}].{field}")
            } else {
                field.to_owned()
            }
        };
        if item.event.time.0.saturating_sub(now_ms) > MOST_AHEAD_MS {
            faults.push(Fault::new(
                &TIME_OUT_OF_RANGE,
                place("time"),
                "the event is more than a day in the future",
            ));
        }
        match item.shopper {
            Some(shopper) => sorted.entry(shopper).or_default().push(StoredEvent {
                source: item.source,
                event: item.event,
            }),
            None => faults.push(Fault::new(
                &codes::FIELD_MISSING,
                place("subject"),
                "the event names no shopper, and events are stored by shopper",
            )),
        }
    }
    faults.into_result(sorted)
}

/// The stored profile, or an empty one. A value that can't be read counts as
/// none: it is replaced by the next write, and must not cost every later
/// ranking of this shopper.
fn load(profiles: &mut dyn Profiles, shopper: &ShopperId) -> Result<Profile, StoreFault> {
    let value = profiles.get(&key(shopper))?;
    Ok(value
        .and_then(|bytes| Profile::decode(&bytes, shopper).ok())
        .unwrap_or_else(|| Profile::new(shopper.clone())))
}

/// Adds the stored events to those of the request: the ranking skips ids that
/// come twice, and the newest stored ones fit into what the request leaves of
/// the ranking's limit.
fn add_stored(events: &mut Vec<Event>, mut stored: Vec<Event>) {
    let room = MAX_EVENTS.saturating_sub(events.len());
    let excess = stored.len().saturating_sub(room);
    events.extend(stored.drain(excess..));
}

/// Answers a browser's question whether its page may ask.
fn preflight(head: &Head, route: Route<'_>, allowed: &Origin) -> Result<Response, Refusal> {
    match allowed {
        Origin::Allowed(_) if head.header("access-control-request-method").is_some() => {
            Ok(Response::empty(204)
                .with("access-control-allow-methods", route.allow())
                .with(
                    "access-control-allow-headers",
                    "authorization, content-type, traceparent",
                )
                .with("access-control-max-age", "600"))
        }
        Origin::Refused => Err(problem(
            Code::ORIGIN_NOT_ALLOWED,
            "the variable cors_origins does not name this origin",
        )
        .into()),
        _ => Ok(Response::empty(204).with("allow", route.allow())),
    }
}
