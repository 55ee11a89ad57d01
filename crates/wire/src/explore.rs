//! Exploration as a request asks for it, a response tells of it, and the events that
//! follow bring it back: which places try what, and with what propensity.
//!
//! `explore_off.rs` takes the place of this file in a build without the feature.

use shelfedge_commerce::ListId;
pub use shelfedge_ranking::explore::{Explore, Kind, State};
use shelfedge_ranking::explore::{MAX_PLACES, MAX_POOL};
use shelfedge_ranking::rerank::Rules;
pub use shelfedge_ranking::rerank::Standing as Tried;
use shelfedge_ranking::{MAX_LIMIT, Query, Ranked, Ranker, Workspace, codes as ranking};

use crate::Problem;
use crate::codes;
use crate::hash::Hash128;
use crate::json::{Decoder, Kind as Type, Malformed, Path, Unknown, Writer};
use crate::manifest::hex;
use crate::policy;
use crate::rank::{DEFAULT_ARM, Request};
use crate::rerank::{self, basis_points, share, share_of};

const FIELDS: [&str; 8] = [
    "policy",
    "places",
    "share",
    "pool",
    "prior_rate",
    "prior_strength",
    "alpha",
    "state",
];

/// The fields of an event's item that are known.
pub(crate) const ITEM_FIELDS: usize = 7;

/// Reads the object `explore`; `None` also when it has faults, which are noted.
pub(crate) fn explore(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Explore>, Malformed> {
    let faults = decoder.faults.len();
    let mut explore = Explore::default();
    let mut present = [false; FIELDS.len()];
    let pass = Unknown::Pass;
    let is_object = decoder.object(path, &FIELDS, pass, &mut |decoder, field, path| {
        present[field] = decoder.kind()? != Type::Null;
        match field {
            0 => {
                if let Some(name) = decoder.string(path)? {
                    match Kind::ALL.into_iter().find(|it| it.name() == name) {
                        Some(policy) => explore.policy = policy,
                        None => {
                            let cause = "it is neither thompson nor linucb";
                            decoder.fault(&codes::POLICY_UNKNOWN, path, cause);
                        }
                    }
                }
            }
            1 => {
                decoder.array(path, MAX_PLACES, &mut |decoder, _, path| {
                    let code = &ranking::PLACE_OUT_OF_RANGE;
                    let place = decoder.whole(path, code, 1, MAX_LIMIT as i64)?;
                    explore.places.extend(place.map(|place| place as u32));
                    Ok(())
                })?;
            }
            2 => explore.share = share(decoder, path)?.unwrap_or(explore.share),
            3 => {
                let pool = decoder.whole(path, &ranking::EXPLORE_POOL, 1, MAX_POOL as i64)?;
                explore.pool = pool.map_or(explore.pool, |pool| pool as u32);
            }
            4 => explore.prior_rate = share(decoder, path)?.unwrap_or(explore.prior_rate),
            5 => {
                let strength = decoder.whole(path, &ranking::EXPLORE_PRIOR, 1, u32::MAX.into())?;
                explore.prior_strength =
                    strength.map_or(explore.prior_strength, |strength| strength as u32);
            }
            6 => explore.alpha = share(decoder, path)?.unwrap_or(explore.alpha),
            _ => {
                if let Some(text) = decoder.string(path)? {
                    let bytes = unhex(text.as_bytes());
                    let bytes = bytes.ok_or("it isn't made of pairs of hexadecimal digits");
                    let state = bytes
                        .map_err(String::from)
                        .and_then(|bytes| State::from_bytes(&bytes).map_err(|fault| fault.cause));
                    match state {
                        Ok(state) => explore.state = Some(state),
                        Err(cause) => decoder.fault(&ranking::STATE_MALFORMED, path, cause),
                    }
                }
            }
        }
        Ok(())
    })?;
    for required in [0, 1] {
        if is_object && !present[required] {
            decoder.missing(&Path::Field(path, FIELDS[required]));
        }
    }
    Ok((is_object && decoder.faults.len() == faults).then_some(explore))
}

/// The bytes of pairs of hexadecimal digits.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| (digit as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect()
}

/// Reads what an item of `view_item_list` brings back of the ranking's.
pub(crate) fn tried(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Tried>, Malformed> {
    let faults = decoder.faults.len();
    let mut tried = Tried::default();
    let fields = ["fit", "price"];
    let mut present = [false; 2];
    let is_object = decoder.object(path, &fields, Unknown::Pass, &mut |decoder, field, path| {
        present[field] = decoder.kind()? != Type::Null;
        let share = share(decoder, path)?.unwrap_or_default();
        *[&mut tried.fit, &mut tried.price][field] = basis_points(share) as u16;
        Ok(())
    })?;
    for (field, present) in fields.into_iter().zip(present) {
        if is_object && !present {
            decoder.missing(&Path::Field(path, field));
        }
    }
    Ok((is_object && decoder.faults.len() == faults).then_some(tried))
}

/// Notes the faults that only show when all settings are read.
pub(crate) fn check(decoder: &mut Decoder<'_>, request: &Request) {
    if let Some(Err(faults)) = request.explore.as_ref().map(Explore::check) {
        decoder.faults.extend(faults);
    }
}

/// The field of a request, in a fixed form.
pub(crate) fn write_request(json: &mut Writer, request: &Request) {
    if let Some(explore) = &request.explore {
        write_settings(json, explore);
    }
}

/// The field `explore`.
pub(crate) fn write_settings(json: &mut Writer, explore: &Explore) {
    let rounded = |share| share_of(basis_points(share));
    json.key("explore");
    json.open(b'{');
    json.key("policy");
    json.string(explore.policy.name());
    json.key("places");
    json.wholes(&explore.places);
    json.key("share");
    json.float(rounded(explore.share));
    json.key("pool");
    json.unsigned(explore.pool.into());
    json.key("prior_rate");
    json.float(rounded(explore.prior_rate));
    json.key("prior_strength");
    json.unsigned(explore.prior_strength.into());
    json.key("alpha");
    json.float(rounded(explore.alpha));
    if let Some(state) = &explore.state {
        json.key("state");
        json.string(&hex(&state.to_bytes()));
    }
    json.close(b'}');
}

/// Adds the settings, and what is known, to the hash that names the exposure.
pub(crate) fn hash(hash: &mut Hash128, request: &Request) {
    if let Some(explore) = &request.explore {
        hash_settings(hash, explore);
    }
}

pub(crate) fn hash_settings(hash: &mut Hash128, explore: &Explore) {
    hash.text(explore.policy.name());
    hash.wholes(&explore.places);
    for share in [explore.share, explore.prior_rate, explore.alpha] {
        hash.word(basis_points(share) as u64);
    }
    hash.word(explore.pool.into());
    hash.word(explore.prior_strength.into());
    match &explore.state {
        None => hash.word(u64::MAX),
        Some(state) => hash.bytes(&state.to_bytes()),
    }
}

/// The body of `GET /v1/explore/{list}`.
pub fn known(list: &ListId, state: &State) -> Vec<u8> {
    let products = state.counts().iter();
    let mut json = Writer::with_capacity(512 + 128 * products.len());
    json.open(b'{');
    json.key("list_id");
    json.string(list.as_str());
    json.key("products");
    json.open(b'[');
    for (product, count) in products {
        json.open(b'{');
        json.key("item_id");
        json.string(product.as_str());
        json.key("tried");
        json.unsigned(count.tried.into());
        json.key("rewarded");
        json.unsigned(count.rewarded.into());
        json.close(b'}');
    }
    json.close(b']');
    json.key("state");
    json.string(&hex(&state.to_bytes()));
    json.close(b'}');
    json.finish()
}

/// The ranking, with places that explore when the request asks for them. The whole
/// request decides what is drawn: what names the exposure, but for the model.
pub(crate) fn rank<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    if let Some(policy) = &request.policy {
        return policy::rank(ranker, request, policy, query, workspace);
    }
    let Some(explore) = &request.explore else {
        return rerank::rank(ranker, request, query, workspace);
    };
    by(
        ranker,
        &rerank::rules(request),
        explore,
        seed(request),
        query,
        workspace,
    )
}

/// The ranking with places that explore. All requests come through here, so that it is
/// compiled once.
#[inline(never)]
pub(crate) fn by<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    rules: &Rules<'_>,
    explore: &Explore,
    seed: u64,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    let explored = ranker.explore(query, rules, explore, seed, workspace);
    explored.map_err(rerank::problem)
}

/// The whole request, but for the model, as the seed of what is drawn.
pub(crate) fn seed(request: &Request) -> u64 {
    u128::from_be_bytes(request.digest("")) as u64
}

/// What a list that may explore draws by, also where a policy chooses whether it does.
#[must_use]
pub fn settings(request: &Request) -> Option<&Explore> {
    let of_policy = request.policy.as_ref().map(|policy| &policy.explore);
    request.explore.as_ref().or(of_policy)
}

/// The same, to fill in what is known.
pub fn settings_mut(request: &mut Request) -> Option<&mut Explore> {
    let of_policy = request.policy.as_mut().map(|policy| &mut policy.explore);
    request.explore.as_mut().or(of_policy)
}

/// The arm of a list: what decides where chance does.
pub(crate) fn arm(request: &Request, ranked: &Ranked) -> &'static str {
    let explore = request.explore.as_ref();
    let explored = || explore.map_or(DEFAULT_ARM, |explore| explore.policy.name());
    policy::arm(ranked).unwrap_or_else(explored)
}

/// With what probability the product at an index stands there.
pub(crate) fn propensity(ranked: &Ranked, index: usize) -> f32 {
    let notes = ranked.notes.as_deref();
    let drawn = notes.and_then(|notes| notes.drawn(index + 1));
    drawn.map_or(1.0, |drawn| drawn.propensity)
}

/// What an item that chance put there has beside the others' fields.
pub(crate) fn write_item(json: &mut Writer, request: &Request, ranked: &Ranked, index: usize) {
    let notes = ranked.notes.as_deref();
    let Some(drawn) = notes.and_then(|notes| notes.drawn(index + 1)) else {
        return;
    };
    json.key("tried");
    json.open(b'{');
    json.key("arm");
    json.string(settings(request).map_or(DEFAULT_ARM, |it| it.policy.name()));
    json.key("fit");
    json.float(share_of(drawn.standing.fit.into()));
    json.key("price");
    json.float(share_of(drawn.standing.price.into()));
    json.close(b'}');
}
