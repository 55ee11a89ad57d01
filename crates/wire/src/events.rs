//! Events: GA4 e-commerce objects, alone or in CloudEvents envelopes.

use std::borrow::Cow;

use shelfedge_commerce::codes as commerce;
use shelfedge_commerce::fault::{Fault, Faults, quote};
use shelfedge_commerce::{
    Currency, Event, EventId, EventItem, EventKind, ExposureId, ListId, Money, OrderId, ProductId,
    SessionId, ShopperId, Timestamp,
};

use crate::codes;
use crate::explore::{self, Tried};
use crate::json::{Decoder, Kind, Malformed, Path, Unknown, Writer};
use crate::limits::Limits;
use crate::problem::check_size;

/// The `type` of the CloudEvents that are received.
pub const CLOUDEVENT_TYPE: &str = "shelfedge.event.v1";

/// The longest `source`, in bytes of UTF-8. CloudEvents sets no bound, but a
/// source is stored with every event.
pub const MAX_SOURCE_BYTES: usize = 256;

/// An event as it was received: with who did it and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The CloudEvent's `source`, such as `/web`; 1 to [`MAX_SOURCE_BYTES`]
    /// bytes. With the event's id it makes the idempotency key.
    pub source: String,
    /// The CloudEvent's `subject`.
    pub shopper: Option<ShopperId>,
    /// The visit (`params.session_id`).
    pub session: Option<SessionId>,
    /// The ranking that the shopper acted on (`params.exposure_id`).
    pub exposure: Option<ExposureId>,
    /// The items that say they were tried there.
    pub tried: Vec<(ProductId, Tried)>,
    /// What happened; `id` is always there.
    pub event: Event,
}

/// Reads CloudEvents 1.0 in JSON: one object, or a list of them.
///
/// The content type decides when it is one of CloudEvents' own; with
/// `application/json` or none the text itself does. The data is a GA4 event;
/// its id and time come from the envelope unless it has its own, and then they
/// must agree.
///
/// # Errors
/// Every fault of every event, with its path: `[2].data.params.items[0].price`
/// in a batch, `data.name` alone.
pub fn parse(
    bytes: &[u8],
    content_type: Option<&str>,
    limits: &Limits,
) -> Result<Vec<Received>, Faults> {
    check_size(bytes, limits)?;
    let form = form(content_type)?;
    Decoder::run(bytes, limits.depth, |decoder| {
        let mut received = Vec::new();
        let batch = match form {
            Form::Single => false,
            Form::Batch => true,
            Form::Either => decoder.kind()? == Kind::Array,
        };
        if batch {
            decoder.array(&Path::Root, limits.batch, &mut |decoder, _, path| {
                received.extend(cloud_event(decoder, path, limits)?);
                Ok(())
            })?;
        } else {
            received.extend(cloud_event(decoder, &Path::Root, limits)?);
        }
        Ok(received)
    })
}

/// Whether a content type leaves the text's encoding at UTF-8, the only one that
/// JSON is exchanged in (RFC 8259, 8.1).
pub fn is_utf8(content_type: &str) -> bool {
    content_type
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

enum Form {
    Single,
    Batch,
    Either,
}

fn form(content_type: Option<&str>) -> Result<Form, Faults> {
    let Some(content_type) = content_type else {
        return Ok(Form::Either);
    };
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let utf8 = is_utf8(content_type);
    let is = |name: &str| media.eq_ignore_ascii_case(name) && utf8;
    if is("application/cloudevents+json") {
        Ok(Form::Single)
    } else if is("application/cloudevents-batch+json") {
        Ok(Form::Batch)
    } else if is("application/json") {
        Ok(Form::Either)
    } else {
        let cause = format!("{} isn't read here", quote(content_type));
        Err(Fault::new(&codes::MEDIA_TYPE, "", cause).into())
    }
}

const CLOUDEVENT_FIELDS: [&str; 9] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "data",
    "data_base64",
    "datacontenttype",
];

/// `None` when something is missing, which then is among the faults.
fn cloud_event(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<Option<Received>, Malformed> {
    let (mut version, mut kind, mut source) = (None, None, None);
    let (mut id, mut time, mut shopper) = (None, None, None);
    let mut data: Option<Draft> = None;
    let mut base64 = false;
    let mut present = [false; CLOUDEVENT_FIELDS.len()];
    let is_object = decoder.object(
        path,
        &CLOUDEVENT_FIELDS,
        Unknown::Pass,
        &mut |decoder, field, path| {
            present[field] = decoder.kind()? != Kind::Null;
            match field {
                0 => version = decoder.string(path)?,
                1 => id = decoder.parsed(path, EventId::new)?,
                2 => source = read_source(decoder, path)?,
                3 => kind = decoder.string(path)?,
                4 => time = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?,
                5 => shopper = decoder.parsed(path, ShopperId::new)?,
                6 => data = draft(decoder, path, limits, None)?,
                7 => {
                    base64 = true;
                    decoder.skip()?;
                }
                _ => {
                    // Any JSON type will do, with or without parameters.
                    if let Some(text) = decoder.string(path)? {
                        let media = text.split(';').next().unwrap_or_default().trim();
                        if !media.eq_ignore_ascii_case("application/json")
                            && !media.to_ascii_lowercase().ends_with("+json")
                        {
                            let cause = format!("the data is {} instead of JSON", quote(&text));
                            decoder.fault(&codes::CLOUDEVENT_DATA, path, cause);
                        }
                    }
                }
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    for required in [0, 1, 2, 3] {
        if !present[required] {
            decoder.missing(&Path::Field(path, CLOUDEVENT_FIELDS[required]));
        }
    }
    if version.is_some_and(|version| version != "1.0") {
        decoder.fault(
            &codes::CLOUDEVENT_VERSION,
            &Path::Field(path, "specversion"),
            "the version isn't 1.0",
        );
    }
    if let Some(kind) = kind.filter(|kind| kind != CLOUDEVENT_TYPE) {
        let cause = format!("{} isn't received here", quote(&kind));
        decoder.fault(&codes::CLOUDEVENT_TYPE, &Path::Field(path, "type"), cause);
    }
    let data_path = Path::Field(path, "data");
    if !present[6] {
        if base64 {
            decoder.fault(
                &codes::CLOUDEVENT_DATA,
                &data_path,
                "the data is in data_base64",
            );
        } else {
            decoder.missing(&data_path);
        }
    }
    let Some(mut data) = data else {
        return Ok(None);
    };
    contradiction(decoder, &Path::Field(&data_path, "id"), &data.id, &id);
    contradiction(decoder, &Path::Field(&data_path, "time"), &data.time, &time);
    data.id = id;
    if data.time.is_none() && !data.time_faulty {
        // The envelope's time was noted as faulty or is missing altogether.
        data.time = time;
        if data.time.is_none() && !present[4] {
            decoder.missing(&Path::Field(path, "time"));
        }
    }
    let (session, exposure) = (data.session.take(), data.exposure.take());
    let tried = std::mem::take(&mut data.tried);
    let Some(event) = data.event() else {
        return Ok(None);
    };
    Ok(source.map(|source| Received {
        source,
        shopper,
        session,
        exposure,
        tried,
        event,
    }))
}

/// A `source`, noted as a fault when it is empty or too long.
fn read_source(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<String>, Malformed> {
    let Some(source) = decoder.string(path)? else {
        return Ok(None);
    };
    if source.is_empty() {
        decoder.fault(&commerce::TEXT_EMPTY, path, "the source is empty");
    } else if source.len() > MAX_SOURCE_BYTES {
        let cause = format!(
            "the source has {} bytes, and at most {MAX_SOURCE_BYTES} are kept",
            source.len()
        );
        decoder.fault(&codes::TEXT_TOO_LONG, path, cause);
    }
    Ok(Some(source.into_owned()))
}

fn contradiction<T: PartialEq>(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    one: &Option<T>,
    other: &Option<T>,
) {
    if let (Some(one), Some(other)) = (one, other)
        && one != other
    {
        decoder.fault(
            &codes::FIELDS_CONTRADICT,
            path,
            "the event and its envelope differ",
        );
    }
}

/// An event half read: what its envelope may still add is optional.
struct Draft {
    id: Option<EventId>,
    time: Option<Timestamp>,
    time_faulty: bool,
    kind: Option<EventKind>,
    transaction: Option<OrderId>,
    currency: Option<Currency>,
    list: Option<ListId>,
    session: Option<SessionId>,
    exposure: Option<ExposureId>,
    tried: Vec<(ProductId, Tried)>,
    items: Vec<EventItem>,
}

impl Draft {
    fn event(self) -> Option<Event> {
        Some(Event {
            id: self.id,
            time: self.time?,
            kind: self.kind?,
            transaction: self.transaction.map(OrderId::into_string),
            currency: self.currency,
            list: self.list,
            items: self.items,
        })
    }
}

/// Reads one GA4 event that must have a time of its own.
pub(crate) fn event(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<Option<Event>, Malformed> {
    let draft = draft(decoder, path, limits, None)?;
    Ok(draft.and_then(|draft| timed(decoder, path, draft)))
}

/// Reads one GA4 event with a time and the `source` that it was received from.
pub(crate) fn sourced(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<Option<(String, Event)>, Malformed> {
    let (mut present, mut source) = (false, None);
    let mut read = |decoder: &mut Decoder<'_>, path: &Path<'_>| {
        present = decoder.kind()? != Kind::Null;
        source = read_source(decoder, path)?;
        Ok(())
    };
    let Some(draft) = draft(decoder, path, limits, Some(&mut read))? else {
        return Ok(None);
    };
    if !present {
        decoder.missing(&Path::Field(path, "source"));
    }
    let event = timed(decoder, path, draft);
    Ok(source.zip(event))
}

/// The event, when it has a time.
fn timed(decoder: &mut Decoder<'_>, path: &Path<'_>, draft: Draft) -> Option<Event> {
    if draft.time.is_none() && !draft.time_faulty {
        decoder.missing(&Path::Field(path, "time"));
    }
    draft.event()
}

/// The largest number of microseconds that a JSON number carries exactly in
/// every language; it lies in the year 2255.
const MAX_MICROS: i64 = 9_007_199_254_740_991;

const EVENT_FIELDS: [&str; 6] = ["name", "time", "timestamp_micros", "id", "params", "source"];

/// What reads the field `source`. It is a parameter because the browser, which
/// never reads one, shall not carry the code.
type ReadSource<'r> = &'r mut dyn FnMut(&mut Decoder<'_>, &Path<'_>) -> Result<(), Malformed>;

/// `source` is a field of stored events; elsewhere it is an unknown one.
fn draft(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    limits: &Limits,
    mut source: Option<ReadSource<'_>>,
) -> Result<Option<Draft>, Malformed> {
    let (mut id, mut time, mut micros, mut kind) = (None, None, None, None);
    let (mut named, mut timed) = (false, false);
    let mut params = Params::default();
    let known = EVENT_FIELDS.len() - usize::from(source.is_none());
    let is_object = decoder.object(
        path,
        EVENT_FIELDS.get(..known).unwrap_or_default(),
        Unknown::Pass,
        &mut |decoder, field, path| {
            let present = decoder.kind()? != Kind::Null;
            match field {
                0 => {
                    named = present;
                    kind = decoder.parsed(path, |text| EventKind::parse(&text))?;
                }
                1 => {
                    timed |= present;
                    time = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?;
                }
                2 => {
                    timed |= present;
                    let found = decoder.whole(path, &codes::OUT_OF_RANGE, 0, MAX_MICROS)?;
                    micros = found.map(Timestamp::from_micros);
                }
                3 => id = decoder.parsed(path, EventId::new)?,
                4 => params = Params::read(decoder, path, limits)?,
                _ => {
                    if let Some(source) = &mut source {
                        source(decoder, path)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    if !named {
        decoder.missing(&Path::Field(path, "name"));
    }
    if let (Some(time), Some(micros)) = (time, micros)
        && time != micros
    {
        decoder.fault(
            &codes::FIELDS_CONTRADICT,
            &Path::Field(path, "timestamp_micros"),
            "time and timestamp_micros differ",
        );
    }
    let items = params.items(decoder, &Path::Field(path, "params"), kind);
    let time = time.or(micros);
    Ok(Some(Draft {
        id,
        time,
        time_faulty: timed && time.is_none(),
        kind,
        transaction: params.transaction,
        currency: params.currency,
        list: params.list,
        session: params.session,
        exposure: params.exposure,
        tried: params.tried,
        items,
    }))
}

/// The `params` of an event. Prices stay text until the currency is known,
/// which may come after them.
#[derive(Default)]
struct Params<'a> {
    transaction: Option<OrderId>,
    currency: Option<Currency>,
    currency_faulty: bool,
    list: Option<ListId>,
    session: Option<SessionId>,
    exposure: Option<ExposureId>,
    tried: Vec<(ProductId, Tried)>,
    /// False when `items` has another type, which is a fault of its own.
    items_faulty: bool,
    items: Vec<Item<'a>>,
}

#[derive(Default)]
struct Item<'a> {
    product: Option<ProductId>,
    quantity: Option<u32>,
    price: Option<&'a str>,
    index: Option<u32>,
    currency: Option<Currency>,
    tried: Option<Tried>,
}

impl<'a> Params<'a> {
    fn read(
        decoder: &mut Decoder<'a>,
        path: &Path<'_>,
        limits: &Limits,
    ) -> Result<Self, Malformed> {
        let mut params = Self::default();
        let mut item_list = None;
        decoder.object(
            path,
            &[
                "transaction_id",
                "currency",
                "item_list_id",
                "session_id",
                "exposure_id",
                "items",
            ],
            Unknown::Pass,
            &mut |decoder, field, path| {
                match field {
                    0 => params.transaction = decoder.parsed(path, OrderId::new)?,
                    1 => {
                        let present = decoder.kind()? != Kind::Null;
                        params.currency = decoder.parsed(path, |text| Currency::parse(&text))?;
                        params.currency_faulty = present && params.currency.is_none();
                    }
                    2 => params.list = decoder.parsed(path, ListId::new)?,
                    3 => params.session = decoder.parsed(path, SessionId::new)?,
                    4 => params.exposure = decoder.parsed(path, ExposureId::new)?,
                    _ => {
                        let present = decoder.kind()? != Kind::Null;
                        let items = &mut params.items;
                        let is_list =
                            decoder.array(path, limits.items, &mut |decoder, index, path| {
                                // A null was passed over; its place counts.
                                items.resize_with(index, Item::default);
                                items.push(item(decoder, path, &mut item_list)?);
                                Ok(())
                            })?;
                        params.items_faulty = present && !is_list;
                    }
                }
                Ok(())
            },
        )?;
        params.list = params.list.or(item_list);
        Ok(params)
    }

    /// Checks the items against the event and its currency.
    fn items(
        &mut self,
        decoder: &mut Decoder<'_>,
        path: &Path<'_>,
        kind: Option<EventKind>,
    ) -> Vec<EventItem> {
        let path = &Path::Field(path, "items");
        if self.items.is_empty()
            && !self.items_faulty
            && let Some(kind) = kind.filter(|kind| kind.needs_items())
        {
            let cause = format!("{} has no items", kind.name());
            decoder.fault(&commerce::EVENT_ITEMS_MISSING, path, cause);
        }
        // Some shops send the currency with each item only.
        if self.currency.is_none() && !self.currency_faulty {
            self.currency = self.items.iter().find_map(|item| item.currency);
        }
        let mut items = Vec::with_capacity(self.items.len());
        for (index, item) in std::mem::take(&mut self.items).into_iter().enumerate() {
            let path = &Path::Index(path, index);
            if let (Some(own), Some(common)) = (item.currency, self.currency)
                && own != common
            {
                let cause = format!("the event is in {common} and the item in {own}");
                decoder.fault(
                    &commerce::CURRENCY_MIXED,
                    &Path::Field(path, "currency"),
                    cause,
                );
            }
            let price = item
                .price
                .and_then(|text| self.price(decoder, &Path::Field(path, "price"), text));
            if let Some(product) = item.product {
                let tried = item.tried.map(|tried| (product.clone(), tried));
                self.tried.extend(tried);
                items.push(EventItem {
                    product,
                    quantity: item.quantity.unwrap_or(1),
                    price,
                    index: item.index,
                });
            }
        }
        items
    }

    fn price(&self, decoder: &mut Decoder<'_>, path: &Path<'_>, text: &str) -> Option<Money> {
        let Some(currency) = self.currency else {
            if text.ends_with(['N', 'y']) {
                let cause = format!("{text} is not a finite amount");
                decoder.fault(&commerce::MONEY_NOT_FINITE, path, cause);
            }
            if !self.currency_faulty {
                decoder.fault(
                    &commerce::CURRENCY_MISSING,
                    path,
                    "the event names no currency",
                );
            }
            return None;
        };
        let price = decoder.valid(path, Money::parse_decimal(text, currency))?;
        if price.minor < 0 {
            decoder.fault(
                &commerce::MONEY_NEGATIVE,
                path,
                format!("the price is {price}"),
            );
        }
        Some(price)
    }
}

/// `tried` is known where exploration is.
const ITEM_FIELDS: [&str; 7] = [
    "item_id",
    "quantity",
    "price",
    "index",
    "currency",
    "item_list_id",
    "tried",
];

fn item<'a>(
    decoder: &mut Decoder<'a>,
    path: &Path<'_>,
    list: &mut Option<ListId>,
) -> Result<Item<'a>, Malformed> {
    let mut item = Item::default();
    let mut identified = false;
    let whole = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let is_object = decoder.object(
        path,
        &ITEM_FIELDS[..explore::ITEM_FIELDS],
        Unknown::Pass,
        &mut |decoder, field, path| {
            match field {
                0 => {
                    identified = decoder.kind()? != Kind::Null;
                    item.product = decoder.parsed(path, ProductId::new)?;
                }
                1 => {
                    let code = &commerce::QUANTITY_OUT_OF_RANGE;
                    item.quantity = whole(decoder.whole(path, code, 1, u32::MAX.into())?);
                }
                2 => item.price = decoder.number_text(path)?,
                3 => {
                    let code = &codes::OUT_OF_RANGE;
                    item.index = whole(decoder.whole(path, code, 0, u32::MAX.into())?);
                }
                4 => item.currency = decoder.parsed(path, |text| Currency::parse(&text))?,
                5 => {
                    let found = decoder.parsed(path, ListId::new)?;
                    if list.is_none() {
                        *list = found;
                    }
                }
                _ => item.tried = explore::tried(decoder, path)?,
            }
            Ok(())
        },
    )?;
    if is_object && !identified {
        decoder.missing(&Path::Field(path, "item_id"));
    }
    Ok(item)
}

/// Events as the JSON list that a ranking request carries, in a fixed form:
/// [`decode`] gives back equal events.
pub fn encode(events: &[Event]) -> Vec<u8> {
    let mut json = Writer::with_capacity(16 + 160 * events.len());
    write(&mut json, events);
    json.finish()
}

/// Reads what [`encode`] wrote, or the like: a list of GA4 events, each with its
/// time.
///
/// # Errors
/// Every fault, with paths such as `[3].params.items[0].price`.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Vec<Event>, Faults> {
    check_size(bytes, limits)?;
    Decoder::run(bytes, limits.depth, |decoder| {
        list(decoder, &Path::Root, limits)
    })
}

/// A list of events within a larger text.
pub(crate) fn list(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
    limits: &Limits,
) -> Result<Vec<Event>, Malformed> {
    let mut events = Vec::new();
    decoder.array(path, limits.events, &mut |decoder, _, path| {
        events.extend(event(decoder, path, limits)?);
        Ok(())
    })?;
    Ok(events)
}

pub(crate) fn write(json: &mut Writer, events: &[Event]) {
    json.open(b'[');
    for event in events {
        json.open(b'{');
        write_fields(json, event);
        json.close(b'}');
    }
    json.close(b']');
}

/// The fields of an event, within an object that is open.
pub(crate) fn write_fields(json: &mut Writer, event: &Event) {
    json.key("name");
    json.string(event.kind.name());
    json.key("time");
    json.string(&event.time.to_string());
    if let Some(id) = &event.id {
        json.key("id");
        json.string(id.as_str());
    }
    json.key("params");
    json.open(b'{');
    let text = |json: &mut Writer, name: &str, value: Option<Cow<'_, str>>| {
        if let Some(value) = value {
            json.key(name);
            json.string(&value);
        }
    };
    text(
        json,
        "transaction_id",
        event.transaction.as_deref().map(Cow::from),
    );
    text(
        json,
        "currency",
        event.currency.map(|currency| currency.code().into()),
    );
    text(
        json,
        "item_list_id",
        event.list.as_ref().map(|list| list.as_str().into()),
    );
    json.key("items");
    json.open(b'[');
    for item in &event.items {
        json.open(b'{');
        json.key("item_id");
        json.string(item.product.as_str());
        json.key("quantity");
        json.unsigned(item.quantity.into());
        if let Some(price) = item.price {
            json.key("price");
            json.raw(&price.to_decimal());
        }
        if let Some(index) = item.index {
            json.key("index");
            json.unsigned(index.into());
        }
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
}
