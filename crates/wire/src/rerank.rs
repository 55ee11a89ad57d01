//! Re-ranking as a request asks for it and a response tells of it: diversity and
//! the long tail, and sponsored places with their labels.
//!
//! `rerank_off.rs` takes the place of this file in a build without the feature.

use shelfedge_commerce::money::parse_basis_points;
use shelfedge_commerce::{Currency, Fault, Money, ProductId, ShopperId, codes as commerce};
use shelfedge_ranking::rerank::{Attribute, Bid, Caps, Placement, RerankError, Rules};
pub use shelfedge_ranking::rerank::{Diversity, Sponsored};
use shelfedge_ranking::{
    MAX_BIDS, MAX_LIMIT, MAX_PLACES, Query, Ranked, Ranker, Workspace, codes as ranking,
};

use crate::Problem;
use crate::codes;
use crate::hash::Hash128;
use crate::json::{Decoder, Kind, Malformed, Path, Unknown, Writer};
use crate::rank::{Request, refused};

/// What stands at a sponsored product, in English and Chinese. In China a product
/// that has its place by bidding has to be marked 广告 (Measures for the
/// Administration of Internet Advertising, 2023, article 9).
pub const LABEL: (&str, &str) = ("Sponsored", "广告");

/// Reads the object `diversity`; `None` also when it has faults, which are noted.
pub(crate) fn diversity(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Diversity>, Malformed> {
    let faults = decoder.faults.len();
    let mut diversity = Diversity::default();
    let is_object = decoder.object(
        path,
        &["caps", "trade_off", "long_tail"],
        Unknown::Pass,
        &mut |decoder, field, path| {
            match field {
                0 => diversity.caps = caps(decoder, path)?,
                1 => diversity.trade_off = share(decoder, path)?.unwrap_or_default(),
                _ => diversity.long_tail = share(decoder, path)?.unwrap_or_default(),
            }
            Ok(())
        },
    )?;
    Ok((is_object && decoder.faults.len() == faults).then_some(diversity))
}

fn caps(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Caps, Malformed> {
    let mut caps = Caps::default();
    decoder.object(
        path,
        &Attribute::ALL.map(Attribute::name),
        Unknown::Pass,
        &mut |decoder, field, path| {
            let code = &ranking::CAP_OUT_OF_RANGE;
            let cap = decoder.whole(path, code, 1, MAX_LIMIT as i64)?;
            let cap = cap.map(|cap| cap as u32);
            match Attribute::ALL[field] {
                Attribute::Category => caps.category = cap,
                Attribute::Brand => caps.brand = cap,
                Attribute::Seller => caps.seller = cap,
            }
            Ok(())
        },
    )?;
    Ok(caps)
}

/// A share in basis points, as a number that is exact for each of them.
pub(crate) fn share_of(basis_points: i64) -> f32 {
    basis_points as f32 / 10_000.0
}

pub(crate) fn basis_points(share: f32) -> i64 {
    (share * 10_000.0 + 0.5) as i64
}

pub(crate) fn share(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<f32>, Malformed> {
    let Some(text) = decoder.number_text(path)? else {
        return Ok(None);
    };
    let found = parse_basis_points(text).filter(|share| (0..=10_000).contains(share));
    if found.is_none() {
        let text = text.get(..40).unwrap_or(text);
        let cause = format!("{text} isn't a number from 0 to 1 with at most four decimals");
        decoder.fault(&ranking::SHARE_OUT_OF_RANGE, path, cause);
    }
    Ok(found.map(share_of))
}

const SPONSORED_FIELDS: [&str; 6] = [
    "currency",
    "places",
    "reserve",
    "frequency_cap",
    "pacing",
    "bids",
];

/// A bid half read: amounts stay text until the currency is known, which may come
/// after them.
#[derive(Default)]
struct Draft<'a> {
    product: Option<ProductId>,
    amount: Option<&'a str>,
    budget_left: Option<&'a str>,
    impressions: u32,
}

/// Reads the object `sponsored`, with what could be read of one that has faults,
/// which are noted: [`check`] may find more.
pub(crate) fn sponsored(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Sponsored>, Malformed> {
    let (mut currency, mut reserve, mut frequency_cap) = (None, None, None);
    let (mut places, mut pacing) = (Vec::new(), 1.0);
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut present = [false; SPONSORED_FIELDS.len()];
    let is_object = decoder.object(
        path,
        &SPONSORED_FIELDS,
        Unknown::Pass,
        &mut |decoder, field, path| {
            present[field] = decoder.kind()? != Kind::Null;
            match field {
                0 => currency = decoder.parsed(path, |text| Currency::parse(&text))?,
                1 => {
                    // One more than is allowed is kept, for `check` to see; the rest
                    // isn't read.
                    decoder.array(path, usize::MAX, &mut |decoder, index, path| {
                        if index > MAX_PLACES {
                            return decoder.skip();
                        }
                        let code = &ranking::PLACE_OUT_OF_RANGE;
                        let place = decoder.whole(path, code, 1, MAX_LIMIT as i64)?;
                        places.extend(place.map(|place| place as u32));
                        Ok(())
                    })?;
                }
                2 => reserve = decoder.number_text(path)?,
                3 => {
                    let code = &ranking::CAP_OUT_OF_RANGE;
                    let cap = decoder.whole(path, code, 1, u32::MAX.into())?;
                    frequency_cap = cap.map(|cap| cap as u32);
                }
                4 => pacing = share(decoder, path)?.unwrap_or(1.0),
                _ => {
                    decoder.array(path, usize::MAX, &mut |decoder, index, path| {
                        if index > MAX_BIDS {
                            return decoder.skip();
                        }
                        // A null was noted and passed over; its place counts.
                        drafts.resize_with(index, Draft::default);
                        drafts.push(draft(decoder, path)?);
                        Ok(())
                    })?;
                }
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    for required in [0, 1] {
        if !present[required] {
            decoder.missing(&Path::Field(path, SPONSORED_FIELDS[required]));
        }
    }
    let Some(currency) = currency else {
        return Ok(None);
    };
    let reserve = reserve.and_then(|text| {
        let path = &Path::Field(path, SPONSORED_FIELDS[2]);
        amount(decoder, path, text, currency)
    });
    let mut bids = Vec::with_capacity(drafts.len());
    let mut is_whole = true;
    let path = &Path::Field(path, SPONSORED_FIELDS[5]);
    for (index, draft) in drafts.into_iter().enumerate() {
        let path = &Path::Index(path, index);
        let mut read = |field, text: Option<&str>| {
            text.and_then(|text| amount(decoder, &Path::Field(path, field), text, currency))
        };
        let offered = read("bid", draft.amount);
        let budget_left = read("budget_left", draft.budget_left);
        if let (Some(product), Some(amount)) = (draft.product, offered) {
            bids.push(Bid {
                product,
                amount,
                budget_left,
                impressions: draft.impressions,
            });
        } else {
            is_whole = false;
        }
    }
    if !is_whole {
        // Their places in the list would say another bid than it does.
        bids.clear();
    }
    let sponsored = Sponsored {
        currency,
        places,
        reserve: reserve.unwrap_or_default(),
        frequency_cap,
        pacing,
        bids,
    };
    Ok(Some(sponsored))
}

fn draft<'a>(decoder: &mut Decoder<'a>, path: &Path<'_>) -> Result<Draft<'a>, Malformed> {
    let mut draft = Draft::default();
    let fields = ["item_id", "bid", "budget_left", "impressions_of_shopper"];
    let mut present = [false; 4];
    let is_object = decoder.object(path, &fields, Unknown::Pass, &mut |decoder, field, path| {
        present[field] = decoder.kind()? != Kind::Null;
        match field {
            0 => draft.product = decoder.parsed(path, ProductId::new)?,
            1 => draft.amount = decoder.number_text(path)?,
            2 => draft.budget_left = decoder.number_text(path)?,
            _ => {
                let code = &codes::OUT_OF_RANGE;
                let seen = decoder.whole(path, code, 0, u32::MAX.into())?;
                draft.impressions = seen.unwrap_or_default() as u32;
            }
        }
        Ok(())
    })?;
    for required in [0, 1] {
        if is_object && !present[required] {
            decoder.missing(&Path::Field(path, fields[required]));
        }
    }
    Ok(draft)
}

/// Minor units of an amount that isn't negative.
fn amount(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    text: &str,
    currency: Currency,
) -> Option<i64> {
    let money = decoder.valid(path, Money::parse_decimal(text, currency))?;
    if money.minor < 0 {
        let cause = format!("the amount is {money}");
        decoder.fault(&commerce::MONEY_NEGATIVE, path, cause);
    }
    Some(money.minor)
}

/// Notes the faults that only show when all settings are read, but for those of
/// fields that have one already.
pub(crate) fn check(decoder: &mut Decoder<'_>, request: &Request) {
    if let Err(faults) = rules(request).check() {
        let known = |fault: &Fault| decoder.faults.iter().any(|it| it.path == fault.path);
        let more = faults.iter().filter(|fault| !known(fault)).cloned();
        for fault in more.collect::<Vec<_>>() {
            decoder.faults.push(fault);
        }
    }
}

pub(crate) fn rules(request: &Request) -> Rules<'_> {
    Rules {
        diversity: request.diversity.as_ref(),
        sponsored: request.sponsored.as_ref(),
        seed: request.seed,
        shopper: request.shopper.as_ref().map(ShopperId::as_str),
    }
}

/// The fields of a request, in a fixed form.
pub(crate) fn write_request(json: &mut Writer, request: &Request) {
    if let Some(diversity) = &request.diversity {
        json.key("diversity");
        write_diversity(json, diversity);
    }
    let Some(sponsored) = &request.sponsored else {
        return;
    };
    let money = |minor| Money::new(minor, sponsored.currency).to_decimal();
    json.key("sponsored");
    json.open(b'{');
    json.key("currency");
    json.string(sponsored.currency.code());
    json.key("places");
    json.wholes(&sponsored.places);
    json.key("reserve");
    json.raw(&money(sponsored.reserve));
    if let Some(cap) = sponsored.frequency_cap {
        json.key("frequency_cap");
        json.unsigned(cap.into());
    }
    json.key("pacing");
    json.float(share_of(basis_points(sponsored.pacing)));
    json.key("bids");
    json.open(b'[');
    for bid in &sponsored.bids {
        json.open(b'{');
        json.key("item_id");
        json.string(bid.product.as_str());
        json.key("bid");
        json.raw(&money(bid.amount));
        if let Some(left) = bid.budget_left {
            json.key("budget_left");
            json.raw(&money(left));
        }
        json.key("impressions_of_shopper");
        json.unsigned(bid.impressions.into());
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
}

/// The settings as a JSON object.
pub(crate) fn write_diversity(json: &mut Writer, diversity: &Diversity) {
    json.open(b'{');
    json.key("caps");
    json.open(b'{');
    for attribute in Attribute::ALL {
        if let Some(cap) = diversity.caps.of(attribute) {
            json.key(attribute.name());
            json.unsigned(cap.into());
        }
    }
    json.close(b'}');
    for (name, share) in [
        ("trade_off", diversity.trade_off),
        ("long_tail", diversity.long_tail),
    ] {
        json.key(name);
        json.float(share_of(basis_points(share)));
    }
    json.close(b'}');
}

pub(crate) fn hash_diversity(hash: &mut Hash128, diversity: &Diversity) {
    for attribute in Attribute::ALL {
        hash.word(diversity.caps.of(attribute).map_or(u64::MAX, u64::from));
    }
    hash.word(basis_points(diversity.trade_off) as u64);
    hash.word(basis_points(diversity.long_tail) as u64);
}

/// Adds the settings to the hash that names the exposure.
pub(crate) fn hash(hash: &mut Hash128, request: &Request) {
    if let Some(diversity) = &request.diversity {
        hash_diversity(hash, diversity);
    }
    if let Some(sponsored) = &request.sponsored {
        hash.text(sponsored.currency.code());
        hash.wholes(&sponsored.places);
        hash.word(sponsored.reserve as u64);
        hash.word(sponsored.frequency_cap.map_or(u64::MAX, u64::from));
        hash.word(basis_points(sponsored.pacing) as u64);
        hash.word(sponsored.bids.len() as u64);
        for bid in &sponsored.bids {
            hash.text(bid.product.as_str());
            hash.word(bid.amount as u64);
            hash.word(bid.budget_left.map_or(u64::MAX, |left| left as u64));
            hash.word(bid.impressions.into());
        }
    }
}

/// The ranking, re-ranked when the request asks for it.
pub(crate) fn rank<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    request: &Request,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    if request.diversity.is_none() && request.sponsored.is_none() {
        return ranker.rank(query, workspace).map_err(refused);
    }
    by(ranker, &rules(request), query, workspace)
}

/// The ranking, re-ranked by rules, of which there may be none. All requests come
/// through here, so that it is compiled once.
#[inline(never)]
pub(crate) fn by<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    rules: &Rules<'_>,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    ranker.rerank(query, rules, workspace).map_err(problem)
}

pub(crate) fn problem(error: RerankError) -> Problem {
    match error {
        RerankError::Rank(error) => refused(error),
        RerankError::Rules(faults) => faults.into(),
    }
}

/// What a sponsored item of the response has beside the others' fields.
pub(crate) fn write_item<B: AsRef<[u8]>>(
    json: &mut Writer,
    ranker: &Ranker<B>,
    ranked: &Ranked,
    index: usize,
) {
    let notes = ranked.notes.as_deref();
    let Some(placement) = notes.and_then(|notes| notes.sponsor(index + 1)) else {
        return;
    };
    let Placement {
        bid_rank,
        quality,
        price,
        runner_up,
        ..
    } = placement;
    json.key("sponsored");
    json.open(b'{');
    json.key("label");
    json.open(b'{');
    json.key("en");
    json.string(LABEL.0);
    json.key("zh");
    json.string(LABEL.1);
    json.close(b'}');
    json.key("price");
    json.raw(&price.to_decimal());
    json.key("currency");
    json.string(price.currency.code());
    json.key("bid_rank");
    json.unsigned((*bid_rank).into());
    json.key("quality");
    json.float(share_of((*quality).into()));
    json.key("runner_up");
    match runner_up {
        None => json.null(),
        Some((product, quality)) => {
            json.open(b'{');
            json.key("item_id");
            json.string(ranker.product(*product).map_or("", |product| product.id));
            json.key("quality");
            json.float(share_of((*quality).into()));
            json.close(b'}');
        }
    }
    json.close(b'}');
}

/// What the response says of a re-ranked list.
pub(crate) fn write_notes(json: &mut Writer, request: &Request, ranked: &Ranked) {
    let Some(notes) = &ranked.notes else {
        return;
    };
    json.key("shortfalls");
    json.open(b'[');
    for shortfall in &notes.shortfalls {
        json.open(b'{');
        json.key("rule");
        json.string(shortfall.rule.code());
        json.key("place");
        json.unsigned(shortfall.place.into());
        json.key("missing");
        json.unsigned(shortfall.missing.into());
        json.close(b'}');
    }
    json.close(b']');
    let Some(sponsored) = &request.sponsored else {
        return;
    };
    json.key("bids_left_out");
    json.open(b'[');
    for (bid, why) in &notes.left_out {
        json.open(b'{');
        json.key("item_id");
        let bid = sponsored.bids.get(*bid);
        json.string(bid.map_or("", |bid| bid.product.as_str()));
        json.key("reason");
        json.string(why.code());
        json.close(b'}');
    }
    json.close(b']');
}
