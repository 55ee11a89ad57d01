//! A policy for whole lists as a request asks for it and a response tells of it: what
//! the shopper was shown before, and what exploring and diversifying mean to the shop.
//!
//! `policy_off.rs` takes the place of this file in a build without the feature
//! `explore`.

use shelfedge_commerce::fault::{Fault, Faults, quote};
use shelfedge_commerce::{ProductId, Timestamp, sort};
use shelfedge_ranking::policy::{
    Action, Chosen, MAX_GROUP_BYTES, MAX_VISITS, OWN_GROUP, Place, Visits,
};
use shelfedge_ranking::rerank::{Attribute, Diversity, Rules};
use shelfedge_ranking::{MAX_LIMIT, Query, Ranked, Ranker, Workspace};

use crate::Problem;
use crate::codes;
use crate::explore::{self, Explore};
use crate::hash::Hash128;
use crate::json::{Decoder, Kind, Malformed, Path, Unknown, Writer};
use crate::rank::Request;
use crate::rerank;

/// What a request asks a policy for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPolicy {
    /// What a list that explores does.
    pub explore: Explore,
    /// What a list that is diversified holds beside the request's own rules.
    pub diversify: Diversity,
    /// What the shopper was shown before, in any order.
    pub visits: Vec<Visit>,
}

/// A list that was shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// When.
    pub at: Timestamp,
    /// How it was made.
    pub action: Action,
    /// Its places.
    pub items: Vec<Shown>,
}

/// A product in a list that was shown, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which product.
    pub product: ProductId,
    /// Its group, as the log that taught the policy named it; a group of its own when
    /// missing.
    pub group: Option<String>,
    /// Whether it was clicked.
    pub clicked: bool,
    /// Whether it was ordered.
    pub ordered: bool,
}

const FIELDS: [&str; 3] = ["explore", "diversify", "visits"];

/// Reads the object `policy`; `None` also when it has faults, which are noted.
pub(crate) fn policy(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<ListPolicy>, Malformed> {
    let faults = decoder.faults.len();
    let mut policy = ListPolicy::default();
    let mut present = [false; 2];
    let is_object = decoder.object(path, &FIELDS, Unknown::Pass, &mut |decoder, field, path| {
        match field {
            0 => {
                let found = explore::explore(decoder, path)?;
                present[0] = found.is_some();
                policy.explore = found.unwrap_or_default();
            }
            1 => {
                let found = rerank::diversity(decoder, path)?;
                present[1] = found.is_some();
                policy.diversify = found.unwrap_or_default();
            }
            _ => {
                decoder.array(path, MAX_VISITS, &mut |decoder, _, path| {
                    policy.visits.extend(visit(decoder, path)?);
                    Ok(())
                })?;
            }
        }
        Ok(())
    })?;
    let has_faults = decoder.faults.len() > faults;
    for (name, present) in FIELDS.into_iter().zip(present) {
        if is_object && !present && !has_faults {
            decoder.missing(&Path::Field(path, name));
        }
    }
    Ok((is_object && decoder.faults.len() == faults).then_some(policy))
}

fn visit(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<Visit>, Malformed> {
    let (mut at, mut action, mut items) = (None, None, Vec::new());
    let fields = ["at", "action", "items"];
    let mut present = [false; 3];
    let is_object = decoder.object(path, &fields, Unknown::Pass, &mut |decoder, field, path| {
        present[field] = decoder.kind()? != Kind::Null;
        match field {
            0 => at = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?,
            1 => {
                if let Some(name) = decoder.string(path)? {
                    action = Action::parse(&name);
                    if action.is_none() {
                        let cause = format!("{} is no kind of list", quote(&name));
                        decoder.fault(&codes::LIST_ACTION_UNKNOWN, path, cause);
                    }
                }
            }
            _ => {
                decoder.array(path, MAX_LIMIT, &mut |decoder, _, path| {
                    items.extend(shown(decoder, path)?);
                    Ok(())
                })?;
            }
        }
        Ok(())
    })?;
    for (name, present) in fields.into_iter().zip(present) {
        if is_object && !present {
            decoder.missing(&Path::Field(path, name));
        }
    }
    Ok(at
        .zip(action)
        .map(|(at, action)| Visit { at, action, items }))
}

fn shown(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<Shown>, Malformed> {
    let (mut product, mut group) = (None, None);
    let (mut clicked, mut ordered, mut named) = (false, false, false);
    let fields = ["item_id", "group", "clicked", "ordered"];
    let is_object = decoder.object(path, &fields, Unknown::Pass, &mut |decoder, field, path| {
        match field {
            0 => {
                named = decoder.kind()? != Kind::Null;
                product = decoder.parsed(path, ProductId::new)?;
            }
            1 => {
                group = decoder.string(path)?.map(|name| name.into_owned());
                let bytes = group.as_ref().map_or(0, String::len);
                if bytes > MAX_GROUP_BYTES {
                    let cause = format!("it has {bytes} bytes, at most {MAX_GROUP_BYTES} are read");
                    decoder.fault(&codes::TEXT_TOO_LONG, path, cause);
                }
            }
            2 => clicked = decoder.boolean(path)?.unwrap_or_default(),
            _ => ordered = decoder.boolean(path)?.unwrap_or_default(),
        }
        Ok(())
    })?;
    if is_object && !named {
        decoder.missing(&Path::Field(path, fields[0]));
    }
    Ok(product.map(|product| Shown {
        product,
        group,
        clicked,
        ordered,
    }))
}

/// Notes the faults that only show when all settings are read.
pub(crate) fn check(decoder: &mut Decoder<'_>, request: &Request) {
    let Some(policy) = &request.policy else {
        return;
    };
    let field = |name| Path::Field(&Path::Root, name);
    if request.explore.is_some() {
        let cause = "a policy decides whether the list explores";
        decoder.fault(&codes::FIELDS_CONTRADICT, &field("explore"), cause);
    }
    let rules = Rules {
        diversity: Some(&policy.diversify),
        ..Rules::default()
    };
    for faults in [policy.explore.check(), rules.check()] {
        for fault in faults.err().iter().flat_map(Faults::iter) {
            let path = fault.path.replacen("diversity", "diversify", 1);
            let path = ["policy.", &path].concat();
            if !decoder.faults.iter().any(|it| it.path == path) {
                decoder.faults.push(Fault {
                    path,
                    ..fault.clone()
                });
            }
        }
    }
}

/// The field of a request, in a fixed form.
pub(crate) fn write_request(json: &mut Writer, request: &Request) {
    let Some(policy) = &request.policy else {
        return;
    };
    json.key("policy");
    json.open(b'{');
    explore::write_settings(json, &policy.explore);
    json.key("diversify");
    rerank::write_diversity(json, &policy.diversify);
    json.key("visits");
    json.open(b'[');
    for visit in &policy.visits {
        json.open(b'{');
        json.key("at");
        json.string(&visit.at.to_string());
        json.key("action");
        json.string(visit.action.name());
        json.key("items");
        json.open(b'[');
        for shown in &visit.items {
            json.open(b'{');
            json.key("item_id");
            json.string(shown.product.as_str());
            if let Some(group) = &shown.group {
                json.key("group");
                json.string(group);
            }
            for (name, is) in [("clicked", shown.clicked), ("ordered", shown.ordered)] {
                if is {
                    json.key(name);
                    json.boolean(true);
                }
            }
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
}

/// Adds the settings, and what was shown, to the hash that names the exposure.
pub(crate) fn hash(hash: &mut Hash128, request: &Request) {
    let Some(policy) = &request.policy else {
        return;
    };
    explore::hash_settings(hash, &policy.explore);
    rerank::hash_diversity(hash, &policy.diversify);
    let visits = policy.in_order();
    hash.word(visits.len() as u64);
    for visit in visits {
        hash.word(visit.at.millis() as u64);
        hash.text(visit.action.name());
        hash.word(visit.items.len() as u64);
        for shown in &visit.items {
            hash.text(shown.product.as_str());
            hash.optional(shown.group.as_deref());
            hash.word(u64::from(shown.clicked) | u64::from(shown.ordered) << 1);
        }
    }
}

impl ListPolicy {
    /// The visits by time; of two at one moment the first that was told, as where the
    /// policy was learnt.
    fn in_order(&self) -> Vec<&Visit> {
        let mut visits: Vec<(usize, &Visit)> = self.visits.iter().enumerate().collect();
        sort::by(&mut visits, |a, b| a.1.at.cmp(&b.1.at).then(a.0.cmp(&b.0)));
        visits.dedup_by_key(|visit| visit.1.at);
        visits.into_iter().map(|(_, visit)| visit).collect()
    }

    /// What was known of the shopper at a moment.
    fn known(&self, now: Timestamp) -> Visits {
        fn number<'a>(names: &mut Vec<(&'a str, u32)>, name: &'a str) -> u32 {
            let next = names.len() as u32;
            match names.binary_search_by(|known| known.0.cmp(name)) {
                Ok(at) => names[at].1,
                Err(at) => {
                    names.insert(at, (name, next));
                    next
                }
            }
        }
        let (mut products, mut groups) = (Vec::new(), Vec::new());
        let mut known = Visits::default();
        for visit in self.in_order() {
            if visit.at >= now {
                break;
            }
            let items = visit.items.iter().map(|shown| {
                let product = number(&mut products, shown.product.as_str());
                let group = shown.group.as_deref();
                Place {
                    product,
                    group: group.map_or(OWN_GROUP | product, |it| number(&mut groups, it)),
                    clicked: shown.clicked,
                    ordered: shown.ordered,
                }
            });
            known.push(visit.at, visit.action, &items.collect::<Vec<_>>());
        }
        known
    }

    /// The rules of a diversified list: the stricter of the request's and the policy's.
    fn diversified(&self, own: Option<&Diversity>) -> Diversity {
        let mut both = self.diversify;
        let Some(own) = own else {
            return both;
        };
        for attribute in Attribute::ALL {
            let cap = match (both.caps.of(attribute), own.caps.of(attribute)) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            match attribute {
                Attribute::Category => both.caps.category = cap,
                Attribute::Brand => both.caps.brand = cap,
                Attribute::Seller => both.caps.seller = cap,
            }
        }
        both.trade_off = both.trade_off.max(own.trade_off);
        both.long_tail = both.long_tail.max(own.long_tail);
        both
    }
}

/// The ranking as the policy chooses that it be made. The whole request decides, but
/// for the model.
pub(crate) fn rank<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    policy: &ListPolicy,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    let Some(learnt) = ranker.list_policy() else {
        let cause = "the model carries no policy for whole lists";
        return Err(Faults::from(Fault::new(&codes::POLICY_MISSING, "policy", cause)).into());
    };
    let seed = explore::seed(request);
    let chosen = learnt.choose(&policy.known(query.now), query.now, seed);
    let diversified = policy.diversified(request.diversity.as_ref());
    let mut rules = rerank::rules(request);
    if chosen.action == Action::Diversify {
        rules.diversity = Some(&diversified);
    }
    let ranked = match chosen.action {
        Action::Explore => explore::by(ranker, &rules, &policy.explore, seed, query, workspace),
        Action::Exploit | Action::Diversify => rerank::by(ranker, &rules, query, workspace),
    };
    let mut ranked = ranked?;
    if let Some(notes) = &mut ranked.notes {
        notes.chosen = Some(chosen);
    }
    Ok(ranked)
}

fn chosen(ranked: &Ranked) -> Option<Chosen> {
    ranked.notes.as_ref().and_then(|notes| notes.chosen)
}

/// The arm of a list that a policy made.
pub(crate) fn arm(ranked: &Ranked) -> Option<&'static str> {
    chosen(ranked).map(|chosen| match chosen.action {
        Action::Exploit => "policy_exploit",
        Action::Explore => "policy_explore",
        Action::Diversify => "policy_diversify",
    })
}

/// What the response says of the choice.
pub(crate) fn write_choice(json: &mut Writer, ranked: &Ranked) {
    let Some(chosen) = chosen(ranked) else {
        return;
    };
    json.key("policy");
    json.open(b'{');
    json.key("action");
    json.string(chosen.action.name());
    json.key("propensity");
    json.float(chosen.propensity);
    json.close(b'}');
}
