//! A ranking: from the bytes of a request to the bytes of its answer. The
//! browser and the edge both come through here, so both give the same bytes.

use shelfedge_commerce::fault::{Fault, Faults, quote};
use shelfedge_commerce::{
    EXPOSURE_VERSION, Event, Exposure, ExposureEntry, ExposureId, ListId, ProductId, SessionId,
    ShopperId, Timestamp, sort,
};
use shelfedge_ranking::{
    Context, Device, MAX_CANDIDATES, MAX_EVENTS, MAX_EXCLUDED, MAX_LIMIT, Query, RankError, Ranked,
    Ranker, Workspace, distinct,
};

use crate::answers::{self, Replies};
use crate::codes;
use crate::events;
use crate::explain::sentence;
use crate::explore::{self, Explore};
use crate::hash::Hash128;
use crate::json::{Decoder, Malformed, Path, Unknown, Writer};
use crate::limits::Limits;
use crate::manifest::hex;
use crate::policy::{self, ListPolicy};
use crate::problem::{self, Problem, check_size};
use crate::rerank::{self, Diversity, Sponsored};

/// The version of the response's form.
pub const VERSION: u32 = 1;
/// The length of a list when the request names none.
pub const DEFAULT_LIMIT: u32 = 12;
/// The list when the request names none.
pub const DEFAULT_LIST: &str = "default";
/// The arm of a list without exploration.
pub const DEFAULT_ARM: &str = "default";

/// The largest seed: the largest whole number that JavaScript counts exactly.
const MAX_SEED: i64 = 9_007_199_254_740_991;
/// Clocks are at most 14 hours from UTC; 18 is the bound of ISO 8601 libraries.
const MAX_OFFSET: i64 = 18 * 60;

/// A ranking request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The time to rank at; a boundary with a clock fills it in.
    pub now: Option<Timestamp>,
    /// Who asks.
    pub shopper: Option<ShopperId>,
    /// In which visit.
    pub session: Option<SessionId>,
    /// Where the list will be shown.
    pub list: Option<ListId>,
    /// How many products, at most.
    pub limit: u32,
    /// Whether to leave out what the shopper bought before.
    pub new_only: bool,
    /// Whether to give reasons.
    pub explain: bool,
    /// What decides where chance does, such as exploration.
    pub seed: Option<u64>,
    /// Device and clock of the shopper.
    pub context: Context,
    /// What to rank; `None` lets recall find it.
    pub candidates: Option<Vec<ProductId>>,
    /// What must not be in the list; [`parse`] sorts it and names each once.
    pub exclude: Vec<ProductId>,
    /// What the shopper did, in any order.
    pub events: Vec<Event>,
    /// What the shopper answered.
    pub answers: Option<Replies>,
    /// What keeps the list from showing the same over and over.
    pub diversity: Option<Diversity>,
    /// Sponsored places and who bids for them.
    pub sponsored: Option<Sponsored>,
    /// Places that try out what little is known of.
    pub explore: Option<Explore>,
    /// What a policy for whole lists needs to know, to choose how this one is made.
    pub policy: Option<ListPolicy>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            now: None,
            shopper: None,
            session: None,
            list: None,
            limit: DEFAULT_LIMIT,
            new_only: false,
            explain: false,
            seed: None,
            context: Context::default(),
            candidates: None,
            exclude: Vec::new(),
            events: Vec::new(),
            answers: None,
            diversity: None,
            sponsored: None,
            explore: None,
            policy: None,
        }
    }
}

const FIELDS: [&str; 17] = [
    "now",
    "shopper",
    "session_id",
    "list_id",
    "limit",
    "explain",
    "new_only",
    "seed",
    "context",
    "candidates",
    "events",
    "diversity",
    "sponsored",
    "exclude",
    "explore",
    "answers",
    "policy",
];

const DEVICES: [(&str, Device); 4] = [
    ("desktop", Device::Desktop),
    ("mobile", Device::Mobile),
    ("tablet", Device::Tablet),
    ("unknown", Device::Unknown),
];

/// Reads a request. Fields that aren't known are passed over, because pages of
/// last week will talk to services of today and the other way round.
///
/// # Errors
/// Every fault, with its path; or, when the text isn't JSON, that alone.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Request, Faults> {
    check_size(bytes, limits)?;
    Decoder::run(bytes, limits.depth, |decoder| read(decoder, limits))
}

fn read(decoder: &mut Decoder<'_>, limits: &Limits) -> Result<Request, Malformed> {
    let mut request = Request::default();
    decoder.object(
        &Path::Root,
        &FIELDS,
        Unknown::Pass,
        &mut |decoder, field, path| {
            match field {
                0 => request.now = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?,
                1 => request.shopper = decoder.parsed(path, ShopperId::new)?,
                2 => request.session = decoder.parsed(path, SessionId::new)?,
                3 => request.list = decoder.parsed(path, ListId::new)?,
                4 => {
                    let most = MAX_LIMIT as i64;
                    if let Some(limit) = decoder.whole(path, &codes::OUT_OF_RANGE, 1, most)? {
                        request.limit = limit as u32;
                    }
                }
                5 => request.explain = decoder.boolean(path)?.unwrap_or_default(),
                6 => request.new_only = decoder.boolean(path)?.unwrap_or_default(),
                7 => {
                    let seed = decoder.whole(path, &codes::OUT_OF_RANGE, 0, MAX_SEED)?;
                    request.seed = seed.map(i64::unsigned_abs);
                }
                8 => request.context = context(decoder, path)?,
                9 => request.candidates = products(decoder, path, limits.candidates)?,
                10 => request.events = events::list(decoder, path, limits)?,
                11 => request.diversity = rerank::diversity(decoder, path)?,
                12 => request.sponsored = rerank::sponsored(decoder, path)?,
                13 => {
                    let exclude = products(decoder, path, MAX_EXCLUDED)?;
                    request.exclude = exclude.unwrap_or_default();
                    sort::by(&mut request.exclude, Ord::cmp);
                    request.exclude.dedup();
                }
                14 => request.explore = explore::explore(decoder, path)?,
                15 => request.answers = answers::read(decoder, path)?,
                _ => request.policy = policy::policy(decoder, path)?,
            }
            Ok(())
        },
    )?;
    rerank::check(decoder, &request);
    explore::check(decoder, &request);
    policy::check(decoder, &request);
    Ok(request)
}

fn context(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Context, Malformed> {
    let mut context = Context::default();
    decoder.object(
        path,
        &["device", "utc_offset_minutes"],
        Unknown::Pass,
        &mut |decoder, field, path| {
            if field == 0 {
                if let Some(name) = decoder.string(path)? {
                    match DEVICES.iter().find(|(known, _)| *known == name) {
                        Some((_, device)) => context.device = *device,
                        None => {
                            let cause = format!("{} is not a device", quote(&name));
                            decoder.fault(&codes::DEVICE_UNKNOWN, path, cause);
                        }
                    }
                }
            } else {
                let code = &codes::OUT_OF_RANGE;
                if let Some(minutes) = decoder.whole(path, code, -MAX_OFFSET, MAX_OFFSET)? {
                    context.utc_offset_minutes = minutes as i32;
                }
            }
            Ok(())
        },
    )?;
    Ok(context)
}

/// `None` when the field is null, which is the same as leaving it out.
fn products(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    most: usize,
) -> Result<Option<Vec<ProductId>>, Malformed> {
    let mut products = Vec::new();
    let is_list = decoder.array(path, most, &mut |decoder, _, path| {
        products.extend(decoder.parsed(path, ProductId::new)?);
        Ok(())
    })?;
    Ok(is_list.then_some(products))
}

/// The request as JSON in a fixed form: [`parse`] gives back an equal request.
pub fn write_request(request: &Request) -> Vec<u8> {
    let mut json = Writer::with_capacity(256 + 160 * request.events.len());
    json.open(b'{');
    let text = |json: &mut Writer, name: &str, value: Option<&str>| {
        if let Some(value) = value {
            json.key(name);
            json.string(value);
        }
    };
    let now = request.now.map(|now| now.to_string());
    text(&mut json, "now", now.as_deref());
    let shopper = request.shopper.as_ref().map(ShopperId::as_str);
    text(&mut json, "shopper", shopper);
    let session = request.session.as_ref().map(SessionId::as_str);
    text(&mut json, "session_id", session);
    let list = request.list.as_ref().map(ListId::as_str);
    text(&mut json, "list_id", list);
    json.key("limit");
    json.unsigned(request.limit.into());
    json.key("explain");
    json.boolean(request.explain);
    if request.new_only {
        json.key("new_only");
        json.boolean(true);
    }
    if let Some(seed) = request.seed {
        json.key("seed");
        json.unsigned(seed);
    }
    json.key("context");
    json.open(b'{');
    json.key("device");
    json.string(device_name(request.context.device));
    json.key("utc_offset_minutes");
    json.signed(request.context.utc_offset_minutes.into());
    json.close(b'}');
    let excluded = (!request.exclude.is_empty()).then_some(&request.exclude);
    for (name, products) in [
        ("candidates", request.candidates.as_ref()),
        ("exclude", excluded),
    ] {
        let Some(products) = products else { continue };
        json.key(name);
        json.open(b'[');
        for product in products {
            json.string(product.as_str());
        }
        json.close(b']');
    }
    json.key("events");
    events::write(&mut json, &request.events);
    answers::write_request(&mut json, &request.answers);
    rerank::write_request(&mut json, request);
    explore::write_request(&mut json, request);
    policy::write_request(&mut json, request);
    json.close(b'}');
    json.finish()
}

fn device_name(device: Device) -> &'static str {
    DEVICES
        .iter()
        .find(|(_, known)| *known == device)
        .map_or("unknown", |(name, _)| name)
}

impl Request {
    /// The request as the ranking takes it, but for what its answers lead to, which
    /// only the model knows.
    ///
    /// # Errors
    /// When there is no time to rank at.
    pub fn query(&self) -> Result<Query<'_>, Problem> {
        let Some(now) = self.now else {
            let fault = Fault::new(&codes::NOW_MISSING, "now", "the field is missing");
            return Err(Faults::from(fault).into());
        };
        Ok(Query {
            now,
            events: &self.events,
            candidates: self.candidates.as_deref(),
            exclude: &self.exclude,
            limit: self.limit as usize,
            new_only: self.new_only,
            context: self.context,
            explain: self.explain,
            answered: &[],
        })
    }

    /// The id of the exposure that this request leads to with this model: the
    /// same for the same request, however it was spelled, wherever it is
    /// answered, in whatever order and how often its events are told.
    pub fn exposure_id(&self, model_digest: &str) -> String {
        hex(&self.digest(model_digest))
    }

    pub(crate) fn digest(&self, model_digest: &str) -> [u8; 16] {
        let mut hash = Hash128::new();
        hash.word(VERSION.into());
        hash.text(model_digest);
        hash.word(self.now.map_or(i64::MIN, Timestamp::millis) as u64);
        hash.optional(self.shopper.as_ref().map(ShopperId::as_str));
        hash.optional(self.session.as_ref().map(SessionId::as_str));
        hash.optional(self.list.as_ref().map(ListId::as_str));
        hash.word(self.limit.into());
        hash.word(
            u64::from(self.explain)
                | u64::from(self.new_only) << 1
                | u64::from(self.diversity.is_some()) << 2
                | u64::from(self.sponsored.is_some()) << 3
                | u64::from(self.answers.is_some()) << 4
                | u64::from(self.policy.is_some()) << 5
                | (self.exclude.len() as u64) << 8,
        );
        hash.word(self.seed.unwrap_or(u64::MAX));
        hash.text(device_name(self.context.device));
        hash.word(i64::from(self.context.utc_offset_minutes) as u64);
        match &self.candidates {
            None => hash.word(u64::MAX),
            Some(candidates) => {
                hash.word(candidates.len() as u64);
                for product in candidates {
                    hash.text(product.as_str());
                }
            }
        }
        let events = distinct(&self.events);
        hash.word(events.len() as u64);
        for event in events {
            hash.optional(event.id.as_ref().map(|id| id.as_str()));
            hash.word(event.time.millis() as u64);
            hash.text(event.kind.name());
            hash.optional(event.transaction.as_deref());
            hash.optional(event.currency.map(|currency| currency.code()));
            hash.optional(event.list.as_ref().map(ListId::as_str));
            hash.word(event.items.len() as u64);
            for item in &event.items {
                hash.text(item.product.as_str());
                hash.word(item.quantity.into());
                hash.word(item.price.map_or(i64::MIN, |price| price.minor) as u64);
                hash.word(item.index.map_or(u64::MAX, u64::from));
            }
        }
        rerank::hash(&mut hash, self);
        for product in &self.exclude {
            hash.text(product.as_str());
        }
        explore::hash(&mut hash, self);
        policy::hash(&mut hash, self);
        answers::hash(&mut hash, &self.answers);
        hash.finish()
    }

    /// Where the list will be shown; [`DEFAULT_LIST`] when the request doesn't say.
    pub fn list_id(&self) -> &str {
        self.list.as_ref().map_or(DEFAULT_LIST, ListId::as_str)
    }
}

/// Answers a request with the bytes of the response.
///
/// # Errors
/// A request without a time or beyond the ranking's limits, a cap on an attribute
/// or an answer that the model doesn't know, or a model that doesn't work.
pub fn respond<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    model_digest: &str,
    workspace: &mut Workspace,
) -> Result<Vec<u8>, Problem> {
    let ranked = rank(ranker, request, workspace)?;
    Ok(write_response(ranker, request, model_digest, &ranked))
}

/// The ranking alone, for a caller that measures or records it apart from the
/// writing.
///
/// # Errors
/// The same as [`respond`].
pub fn rank<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    let answered = answers::answered(ranker, &request.answers)?;
    let query = Query {
        answered: &answered,
        ..request.query()?
    };
    explore::rank(ranker, request, &query, workspace)
}

pub(crate) fn refused(error: RankError) -> Problem {
    let too_many = |path: &str, found: usize, most: usize| {
        let cause = format!("there are {found} entries, and at most {most} are read");
        Faults::from(Fault::new(&codes::TOO_MANY, path, cause)).into()
    };
    match error {
        RankError::TooManyCandidates { found } => too_many("candidates", found, MAX_CANDIDATES),
        RankError::TooManyExcluded { found } => too_many("exclude", found, MAX_EXCLUDED),
        RankError::TooManyEvents { found } => too_many("events", found, MAX_EVENTS),
        RankError::Limit { found } => {
            let cause = format!("{found} isn't a whole number from 1 to {MAX_LIMIT}");
            Faults::from(Fault::new(&codes::OUT_OF_RANGE, "limit", cause)).into()
        }
        error => Problem::new(problem::Code::MODEL_UNUSABLE)
            .with_detail(format!("{error} [{}]", error.code())),
    }
}

/// The bytes of the response to a request and its ranking.
pub fn write_response<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    model_digest: &str,
    ranked: &Ranked,
) -> Vec<u8> {
    let per_item = if request.explain { 1_024 } else { 128 };
    let mut json = Writer::with_capacity(256 + per_item * ranked.items.len());
    let tables = ranker.tables();
    json.open(b'{');
    json.key("version");
    json.unsigned(VERSION.into());
    json.key("exposure_id");
    json.string(&request.exposure_id(model_digest));
    json.key("model");
    json.string(model_digest);
    json.key("list_id");
    json.string(request.list_id());
    json.key("arm");
    json.string(explore::arm(request, ranked));
    policy::write_choice(&mut json, ranked);
    json.key("candidates");
    json.unsigned(ranked.candidates.into());
    json.key("items");
    json.open(b'[');
    for (index, item) in ranked.items.iter().enumerate() {
        json.open(b'{');
        json.key("item_id");
        json.string(
            tables
                .product(item.product)
                .map_or("", |product| product.id),
        );
        json.key("index");
        json.unsigned(index as u64);
        json.key("score");
        json.float(item.score);
        json.key("propensity");
        json.float(explore::propensity(ranked, index));
        json.key("sources");
        json.open(b'[');
        for name in item.sources.names() {
            json.string(name);
        }
        json.close(b']');
        if request.explain {
            json.key("reasons");
            json.open(b'[');
            for reason in &item.reasons {
                let sentence = sentence(reason, |index| tables.product(index));
                json.open(b'{');
                json.key("code");
                json.string(reason.group.code());
                json.key("contribution");
                json.float(reason.contribution);
                json.key("en");
                json.string(&sentence.en);
                json.key("zh");
                json.string(&sentence.zh);
                json.close(b'}');
            }
            json.close(b']');
        }
        rerank::write_item(&mut json, ranker, ranked, index);
        explore::write_item(&mut json, request, ranked, index);
        json.close(b'}');
    }
    json.close(b']');
    json.key("unknown");
    json.open(b'[');
    for product in &ranked.unknown {
        json.string(product.as_str());
    }
    json.close(b']');
    json.key("ignored_events");
    json.unsigned(ranked.ignored_events.into());
    rerank::write_notes(&mut json, request, ranked);
    json.close(b'}');
    json.finish()
}

/// The record of showing this ranking. Without exploration each product has its place
/// for certain. (Where sponsored places are paced, that is so for the request's seed.) `None` when the request has no time or
/// the ranking is empty: then nothing was shown.
pub fn exposure<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    model_digest: &str,
    ranked: &Ranked,
) -> Option<Exposure> {
    let tables = ranker.tables();
    let entry = |(position, item): (u32, &shelfedge_ranking::RankedItem)| {
        Some(ExposureEntry {
            product: ProductId::new(tables.product(item.product)?.id).ok()?,
            position,
            propensity: explore::propensity(ranked, position as usize),
            score: Some(item.score),
        })
    };
    let entries: Vec<_> = (0..).zip(&ranked.items).filter_map(entry).collect();
    if entries.is_empty() {
        return None;
    }
    Some(Exposure {
        version: EXPOSURE_VERSION,
        id: ExposureId::new(request.exposure_id(model_digest)).ok()?,
        time: request.now?,
        list: ListId::new(request.list_id()).ok()?,
        shopper: request.shopper.clone(),
        session: request.session.clone(),
        model: model_digest.to_owned(),
        arm: explore::arm(request, ranked).to_owned(),
        entries,
    })
}
