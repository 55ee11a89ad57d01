//! The description of the HTTP interface: written from the tables of codes and
//! names, and held to real requests and responses by a small checker of JSON
//! Schema that shares nothing with the parsers.

use std::collections::BTreeSet;

use expect_test::expect_file;
use serde_json::{Map, Value, json};
use shelfedge_commerce::{Currency, EventKind};
use shelfedge_features::questions::{MAX_ANSWERS, MAX_QUESTIONS};
use shelfedge_ranking::explore::{self, Kind};
use shelfedge_ranking::policy::{self, Action};
use shelfedge_ranking::rerank::{Attribute, LeftOut, Rule};
use shelfedge_ranking::{Group, MAX_BIDS, MAX_EXCLUDED, MAX_LIMIT, MAX_PLACES, Workspace};
use shelfedge_wire::problem::{Code, Progress};
use shelfedge_wire::{Limits, Problem, codes, events, intent, models, rank, stored};

#[cfg(feature = "answers")]
use crate::answers::ANSWERS;
use crate::events::CLOUDEVENT;
#[cfg(feature = "explore")]
use crate::explore::EXPLORE;
use crate::intent::INTENT;
use crate::model::{DIGEST, ranker};
#[cfg(feature = "explore")]
use crate::policy::{POLICY, on::with_policy};
use crate::rank::REQUEST;
#[cfg(feature = "rerank")]
use crate::rerank::RERANK;
use crate::stored::STORED;

fn text(max: u32, about: &str) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": max, "description": about})
}

fn whole(least: i64, most: i64, about: &str) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most, "description": about})
}

fn optional(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What `wire::assist` takes at most, which isn't there without its feature: longest state,
/// facts, items, bytes of a fact, lines of a transcript.
const ASSIST: [usize; 5] = [21_928, 50, 50, 2_000, 500];

fn assist_request() -> Value {
    let [state, facts, items, fact, lines] = ASSIST.map(|most| most as u32);
    let said = |about| text(intent::MAX_TEXT_BYTES as u32, about);
    let any = |about: &str| json!({"type": "string", "maxLength": fact, "description": about});
    json!({
        "type": "object",
        "description": "Of text, outcome, silence, handover and ask there is one.",
        "properties": {
            "now": {"type": ["string", "null"], "format": "date-time", "description": "The time at the customer's: its offset is the zone in which dates such as tomorrow are meant. The component's clock, in UTC, when missing."},
            "state": optional(json!({"type": "string", "maxLength": state, "description": "The state of the last answer, as it came, each once. None begins a conversation."})),
            "text": optional(said("What the customer wrote; at most as many bytes, and not blank.")),
            "outcome": {
                "type": ["object", "null"],
                "description": "What a call brought.",
                "required": ["call", "name"],
                "properties": {
                    "call": whole(0, u32::MAX.into(), "The call's id."),
                    "name": any("One of the outcomes that the flows give the action."),
                    "facts": {"type": ["object", "null"], "maxProperties": facts, "description": "The facts that the outcome brings, by name.", "additionalProperties": any("A fact, as it is told.")},
                    "items": {"type": ["array", "null"], "maxItems": items, "description": "What the fact `items` lists; the first ten are shown.", "items": {
                        "type": "object",
                        "required": ["kind", "value", "label"],
                        "properties": {
                            "kind": any("The kind of entity, such as order_number."),
                            "value": any("Its value."),
                            "label": any("How it is shown."),
                        },
                    }},
                },
            },
            "silence": {"type": ["boolean", "null"], "enum": [true, null], "description": "Nobody wrote for nudge_ms."},
            "handover": {"type": ["array", "null"], "maxItems": lines, "description": "Asks for what a person who takes over should see; the transcript goes into it, masked.", "items": {
                "type": "object",
                "required": ["who", "text"],
                "properties": {
                    "who": {"type": "string", "enum": ["customer", "assistant"]},
                    "text": {"type": "string", "maxLength": intent::MAX_TEXT_BYTES},
                },
            }},
            "again": {"type": ["boolean", "null"], "description": "With handover: tells who answers again, under the same id, of a conversation that they were told of."},
            "ask": optional(said("A question to what the shop knows; it is no part of the conversation.")),
        },
    })
}

/// Of a turn, of a handover, of a question.
fn assist_responses() -> [Value; 3] {
    let strings =
        |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    let share =
        |about: &str| json!({"type": "number", "minimum": 0, "maximum": 1, "description": about});
    let object = |names: &[&str], properties: Value| json!({"type": "object", "additionalProperties": false, "required": names, "properties": properties});
    let or_null = |mut schema: Value, about: &str| {
        schema["description"] = json!(about);
        optional(schema)
    };
    let string = || json!({"type": "string"});
    let named = |names: &[&str]| {
        let properties: Map<_, _> = names
            .iter()
            .map(|it| ((*it).to_owned(), string()))
            .collect();
        object(names, Value::Object(properties))
    };
    let list =
        |items: Value, about: &str| json!({"type": "array", "items": items, "description": about});
    let head = json!({
        "version": {"type": "integer", "const": 1},
        "model": {"type": "string", "description": "The digest of the assistant."},
    });
    let with = |properties: Value| {
        let mut all = head.clone();
        for (name, schema) in properties.as_object().into_iter().flatten() {
            all[name] = schema.clone();
        }
        all
    };
    let turn = object(
        &[
            "version",
            "model",
            "intent",
            "sentiment",
            "replies",
            "language",
            "call",
            "expects",
            "quick",
            "person",
            "place",
            "satisfaction",
            "ended",
            "nudge_ms",
            "state",
        ],
        with(json!({
            "intent": or_null(object(&["label", "probability"], json!({"label": string(), "probability": share("Of all labels together 1.")})), "What the text is most probably about; null where it is out of scope, or nothing was said."),
            "sentiment": or_null(object(&["level", "confidence"], json!({"level": whole(-2, 2, "From very bad to very good."), "confidence": share("How sure it is.")})), "How the text sounds; null without a model for that."),
            "replies": strings("What is said, in order: plain text, in which markup means nothing."),
            "language": {"type": "string", "enum": ["en", "zh"]},
            "call": or_null(object(&["id", "action", "inputs", "commits"], json!({
                "id": whole(0, u32::MAX.into(), "Its number in this conversation."),
                "action": string(),
                "inputs": {"type": "object", "additionalProperties": {"type": "string"}},
                "commits": {"type": "boolean", "description": "Whether it changes something; the customer has said yes to its required inputs."},
            })), "What the shop is to do; its outcome is the next request."),
            "expects": {
                "type": "object",
                "additionalProperties": false,
                "required": ["kind"],
                "properties": {
                    "kind": {"type": "string", "enum": ["anything", "slot", "yes_no", "outcome", "person"]},
                    "slot": string(),
                    "entity": string(),
                },
            },
            "quick": strings("Short answers to offer."),
            "person": {"type": ["string", "null"], "description": "Why a person should take over."},
            "place": or_null(named(&["flow", "state"]), "Where the conversation waits; null between flows."),
            "satisfaction": share("How satisfied the customer seems: an estimate by fixed weights."),
            "ended": {"type": "boolean", "description": "Whether the customer said goodbye."},
            "nudge_ms": {"type": ["integer", "null"], "minimum": 0, "description": "Milliseconds of silence after which silence should be sent."},
            "state": {"type": "string", "maxLength": ASSIST[0], "description": "What the next request must bring: signed, not secret."},
        })),
    );
    let mut delivery = object(
        &["status", "id", "attempts"],
        json!({
            "status": {"type": "string", "enum": ["delivered", "already_delivered", "not_needed", "failed"]},
            "id": {"type": "string", "description": "The event's id (webhook-id): one for a conversation."},
            "attempts": whole(0, 3, "Attempts of this request."),
            "code": {"type": "string", "enum": ["handover_denied", "handover_refused", "handover_unreachable"], "description": "Of a failure."},
            "cause": {"type": "string", "description": "Of a failure: what it was this time."},
            "action": {"type": "string", "description": "Of a failure: what to do."},
        }),
    );
    delivery["description"] =
        json!("What became of telling who answers, where the variable handover_url is set.");
    let packet = object(
        &["version", "model", "packet"],
        with(json!({"delivery": delivery, "packet": object(
            &["reason", "summary", "language", "satisfaction", "flows", "slots", "facts", "transcript", "suggested"],
            json!({
                "reason": {"type": "string", "description": "Why a person is needed; empty where nobody asked for one."},
                "summary": {"type": "string", "description": "A few sentences in English."},
                "language": {"type": "string", "enum": ["en", "zh"]},
                "satisfaction": share("How satisfied the customer seems."),
                "flows": list(named(&["flow", "state"]), "Flows under way, the newest last."),
                "slots": list(object(&["flow", "slot", "value", "belief", "confirmed"], json!({
                    "flow": string(), "slot": string(), "value": string(), "belief": share("How sure the value is."), "confirmed": {"type": "boolean"},
                })), "What is known."),
                "facts": list(named(&["name", "value"]), "What the shop's actions returned."),
                "transcript": list(named(&["who", "text"]), "The newest lines, masked."),
                "suggested": strings("Replies to begin with, in the customer's language."),
            }),
        )})),
    );
    let answer = object(
        &["version", "model", "answer", "facts", "products"],
        with(json!({
            "answer": {"type": ["string", "null"], "description": "Null where what the shop knows says nothing."},
            "facts": list(named(&["subject", "relation", "object"]), "What the answer says."),
            "products": list(named(&["item_id", "name", "label"]), "Products that were looked for, with what makes each of them one."),
        })),
    );
    [turn, packet, answer]
}

fn event_schemas(limits: &Limits) -> Vec<(&'static str, Value)> {
    let time = json!({"type": "string", "format": "date-time", "description": "RFC 3339."});
    let micros = whole(
        0,
        9_007_199_254_740_991,
        "Microseconds since 1970 (GA4); instead of time.",
    );
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    let currencies: Vec<_> = Currency::all().map(Currency::code).collect();
    vec![
        (
            "EventName",
            json!({"type": "string", "enum": names, "description": "GA4 e-commerce events."}),
        ),
        (
            "Currency",
            json!({"type": "string", "enum": currencies, "description": "ISO 4217."}),
        ),
        (
            "Item",
            json!({
                "type": "object",
                "required": ["item_id"],
                "properties": {
                    "item_id": text(64, "The product."),
                    "quantity": optional(whole(1, u32::MAX.into(), "How many; 1 when missing.")),
                    "price": optional(json!({"type": "number", "minimum": 0, "description":
                        "The price of one, in major units; no more decimals than the currency has."})),
                    "index": optional(whole(0, u32::MAX.into(), "Where it stood in its list, from 0.")),
                    "currency": reference("Currency"),
                    "item_list_id": optional(text(64, "The list, when the event names none.")),
                    "tried": optional(tried(&["fit", "price"], "In view_item_list: what the ranking's item has here, as it came; exploration learns from it.")),
                },
            }),
        ),
        (
            "EventParams",
            json!({
                "type": "object",
                "properties": {
                    "transaction_id": optional(text(64, "The order.")),
                    "currency": reference("Currency"),
                    "item_list_id": optional(text(64, "The list in which it happened.")),
                    "session_id": optional(text(64, "The visit.")),
                    "exposure_id": optional(text(64, "The exposure_id of the ranking that led to it.")),
                    "items": {"type": "array", "maxItems": limits.items, "items": reference("Item")},
                },
            }),
        ),
        (
            "Event",
            json!({
                "type": "object",
                "required": ["name"],
                "anyOf": [{"required": ["time"]}, {"required": ["timestamp_micros"]}],
                "properties": {
                    "name": reference("EventName"),
                    "time": time,
                    "timestamp_micros": micros,
                    "id": optional(text(64, "The same id twice is the same event twice.")),
                    "params": reference("EventParams"),
                },
            }),
        ),
        (
            "CloudEvent",
            json!({
                "type": "object",
                "description": "CloudEvents 1.0, JSON format, structured mode. Without a time of its own the data takes the envelope's.",
                "required": ["specversion", "id", "source", "type", "data"],
                "properties": {
                    "specversion": {"type": "string", "const": "1.0"},
                    "id": text(64, "Unique among the events of its source: the same source and id twice is the same event twice."),
                    "source": text(events::MAX_SOURCE_BYTES as u32, "Where it happened, such as /web."),
                    "type": {"type": "string", "const": events::CLOUDEVENT_TYPE},
                    "time": time,
                    "subject": text(64, "The shopper; required where profiles are stored."),
                    "datacontenttype": {"type": "string"},
                    "data": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": reference("EventName"),
                            "time": time,
                            "timestamp_micros": micros,
                            "params": reference("EventParams"),
                        },
                    },
                },
            }),
        ),
    ]
}

fn share(about: &str) -> Value {
    json!({"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": about})
}

fn amount(about: &str) -> Value {
    json!({"type": "number", "minimum": 0, "description": about})
}

fn diversity() -> Value {
    let caps: Map<_, _> = Attribute::ALL
        .iter()
        .map(|attribute| {
            let about = format!(
                "At most so many with the same {}; those without one are free.",
                attribute.name()
            );
            (
                attribute.name().to_owned(),
                optional(whole(1, MAX_LIMIT as i64, &about)),
            )
        })
        .collect();
    json!({
        "type": "object",
        "description": "What keeps the list from showing the same over and over. The engine in the npm package's default build refuses it.",
        "properties": {
            "caps": {"type": ["object", "null"], "description": "They are never exceeded: where they block all that is left, the list ends.", "properties": caps},
            "trade_off": share("Maximal marginal relevance: 0 orders by score alone, 1 by unlikeness alone. At most four decimals."),
            "long_tail": share("The share of products from outside the head in every prefix of the list, rounded down. The head is the most bought products with 80 % of the buyers of the model's last 30 days. At most four decimals."),
        },
    })
}

fn sponsored() -> Value {
    json!({
        "type": "object",
        "description": "Places that are sold, by a second-price auction weighted by quality, to products among the candidates. Whoever may send this field decides what is sold: let the shop's server add it.",
        "required": ["currency", "places"],
        "properties": {
            "currency": reference("Currency"),
            "places": {"type": "array", "maxItems": MAX_PLACES, "items": whole(1, MAX_LIMIT as i64, "A place, from 1."), "description": "Which places may be sponsored, each once."},
            "reserve": optional(amount("The least price; 0 when missing. Amounts are in major units, with no more decimals than the currency has.")),
            "frequency_cap": optional(whole(1, u32::MAX.into(), "A product that the shopper saw sponsored so often isn't sponsored again.")),
            "pacing": share("With what probability, over seeds, a bid takes part; 1 when missing. Less than 1 needs seed. At most four decimals."),
            "bids": {"type": ["array", "null"], "maxItems": MAX_BIDS, "description": "Each product once.", "items": {
                "type": "object",
                "required": ["item_id", "bid"],
                "properties": {
                    "item_id": text(64, "The product."),
                    "bid": amount("The most that is paid."),
                    "budget_left": optional(amount("What is left to spend; without it there is no limit.")),
                    "impressions_of_shopper": optional(whole(0, u32::MAX.into(), "How often the shopper saw it sponsored; 0 when missing.")),
                },
            }},
        },
    })
}

/// What was sold, on an item of the response.
fn sale() -> Value {
    let quality = json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "How well the product fits, with four decimals: 2 / (1 + exp(4 - 4 r)), where r is its score scaled to 0..1 over the candidates."});
    json!({
        "type": "object",
        "description": "The product has its place by bidding. Show the label.",
        "additionalProperties": false,
        "required": ["label", "price", "currency", "bid_rank", "quality", "runner_up"],
        "properties": {
            "label": {
                "type": "object",
                "additionalProperties": false,
                "required": ["en", "zh"],
                "properties": {"en": {"type": "string"}, "zh": {"type": "string"}},
            },
            "price": amount("The smallest amount that keeps the place: the runner-up's bid (or what is left of its budget) times its quality, divided by quality and rounded up to the minor unit, one more where a tie would lose, and the reserve at least."),
            "currency": reference("Currency"),
            "bid_rank": whole(1, MAX_BIDS as i64, "The bid's rank by bid times quality among those that took part."),
            "quality": quality,
            "runner_up": {
                "type": ["object", "null"],
                "description": "The next bid for the same place.",
                "additionalProperties": false,
                "required": ["item_id", "quality"],
                "properties": {"item_id": text(64, "The product."), "quality": quality},
            },
        },
    })
}

fn explore() -> Value {
    let policies: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    json!({
        "type": "object",
        "description": "Places that try out candidates of which little is known, and that the list would not show otherwise. The whole request decides what is drawn. The engine in the npm package's default build refuses it.",
        "required": ["policy", "places"],
        "properties": {
            "policy": {"type": "string", "enum": policies, "description": "thompson draws a rate from what is believed of each product; linucb takes the largest upper bounds of a linear model of how well products fit and how dear they are."},
            "places": {"type": "array", "maxItems": explore::MAX_PLACES, "items": whole(1, MAX_LIMIT as i64, "A place, from 1."), "description": "Which places explore: 1 to 4, each once. A place that is sold doesn't, nor one beyond the list's end."},
            "share": share("The share of lists whose places are filled evenly, above 0; 0.1 when missing. At most four decimals."),
            "pool": optional(whole(1, explore::MAX_POOL as i64, "How many products are drawn from, at most; 16 when missing.")),
            "prior_rate": share("The share of trials that are rewarded of a product that was never tried, such as the shop's clicks over impressions; 0.01 when missing. At most four decimals."),
            "prior_strength": optional(whole(1, explore::MAX_TRIALS.into(), "How many trials that is worth; 100 when missing. It makes at least half a reward.")),
            "alpha": share("How many standard deviations the bounds of linucb lie above what is expected; 0.3 when missing. At most four decimals."),
            "state": optional(json!({"type": "string", "description": "What is known, in hexadecimal digits, as GET /v1/explore/{list} shows it. When missing, an edge component takes what it learnt from events; elsewhere all is unknown. After 90 days without a lesson it counts as unknown."})),
        },
    })
}

fn list_policy() -> Value {
    let actions = Action::ALL.map(Action::name);
    let shown = json!({
        "type": "object",
        "required": ["item_id"],
        "properties": {
            "item_id": text(64, "The product."),
            "group": optional(json!({"type": "string", "maxLength": policy::MAX_GROUP_BYTES, "description": "Its category, or what the log that taught the policy called a group; its own when missing."})),
            "clicked": {"type": ["boolean", "null"], "description": "Whether the shopper opened it from the list."},
            "ordered": {"type": ["boolean", "null"], "description": "Whether the shopper ordered it from the list."},
        },
    });
    json!({
        "type": "object",
        "description": "Asks the model's policy how this list is made, by what the shopper was shown before: with the request's own rules alone (exploit), with places that explore, or diversified. Not together with explore. The engine in the npm package's default build refuses it.",
        "required": ["explore", "diversify"],
        "properties": {
            "explore": explore(),
            "diversify": diversity(),
            "visits": {
                "type": ["array", "null"],
                "maxItems": policy::MAX_VISITS,
                "description": "The lists that the shopper was shown before, in any order: what the log of the policy has of them. Of two at one moment the first counts, and none at now or later.",
                "items": {
                    "type": "object",
                    "required": ["at", "action", "items"],
                    "properties": {
                        "at": {"type": "string", "format": "date-time", "description": "RFC 3339."},
                        "action": {"type": "string", "enum": actions, "description": "How the list was made, as the answer told it; exploit for lists without a policy."},
                        "items": {"type": "array", "maxItems": MAX_LIMIT, "items": shown, "description": "Its places."},
                    },
                },
            },
        },
    })
}

/// What chance put there, on an item of the response and of an event.
fn tried(required: &[&str], about: &str) -> Value {
    let standing =
        |about: &str| json!({"type": "number", "minimum": 0, "maximum": 1, "description": about});
    json!({
        "type": "object",
        "description": about,
        "required": required,
        "properties": {
            "arm": {"type": "string", "description": "The policy that chose it."},
            "fit": standing("The share of the other candidates that come after it by score."),
            "price": standing("The share of the other candidates that cost less."),
        },
    })
}

fn rank_schemas(limits: &Limits) -> Vec<(&'static str, Value)> {
    let groups: Vec<_> = Group::EXPLAINING.iter().map(|group| group.code()).collect();
    let rules: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    let left_out: Vec<_> = LeftOut::ALL.iter().map(|why| why.code()).collect();
    vec![
        (
            "RankRequest",
            json!({
                "type": "object",
                "description": "Unknown fields are passed over.",
                "properties": {
                    "now": {"type": ["string", "null"], "format": "date-time", "description":
                        "The time to rank at; the service's clock when missing. The same request with the same now has the same answer, byte for byte."},
                    "shopper": optional(text(64, "Who asks; with stored profiles, whose events are added.")),
                    "session_id": optional(text(64, "The visit.")),
                    "list_id": optional(text(64, "Where the list will be shown.")),
                    "limit": optional(whole(1, MAX_LIMIT as i64, "Length of the list, at most; 12 when missing.")),
                    "explain": {"type": ["boolean", "null"], "description": "Whether to give reasons."},
                    "new_only": {"type": ["boolean", "null"], "description": "Whether to leave out what the shopper bought before."},
                    "seed": optional(whole(0, 9_007_199_254_740_991, "What decides where chance does.")),
                    "context": {
                        "type": ["object", "null"],
                        "properties": {
                            "device": {"type": ["string", "null"], "enum": ["desktop", "mobile", "tablet", "unknown", null]},
                            "utc_offset_minutes": optional(whole(-1_080, 1_080, "The shopper's clock ahead of UTC.")),
                        },
                    },
                    "candidates": {"type": ["array", "null"], "maxItems": limits.candidates,
                        "items": text(64, "A product."),
                        "description": "What to rank; the service finds candidates when missing."},
                    "exclude": {"type": ["array", "null"], "maxItems": MAX_EXCLUDED,
                        "items": text(64, "A product."),
                        "description": "What must not be in the list, such as products that are sold out. Ids that the model doesn't know exclude nothing."},
                    "events": {"type": ["array", "null"], "maxItems": limits.events,
                        "items": reference("Event"), "description": "What the shopper did, in any order."},
                    "answers": {"type": ["array", "null"], "maxItems": MAX_QUESTIONS * MAX_ANSWERS, "items": reference("Answer"),
                        "description": "What the shopper answered to /v1/questions, any number of answers to each. It stands for what a new shopper might have looked at before; it counts until they order something. The engine in the npm package's default build refuses it."},
                    "diversity": optional(diversity()),
                    "sponsored": optional(sponsored()),
                    "explore": optional(explore()),
                    "policy": optional(list_policy()),
                },
            }),
        ),
        (
            "Answer",
            json!({
                "type": "object",
                "required": ["question", "answer"],
                "properties": {
                    "question": {"type": "string", "description": "The question's id."},
                    "answer": {"type": "string", "description": "The id of one of its answers."},
                },
            }),
        ),
        (
            "Reason",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["code", "contribution", "en", "zh"],
                "properties": {
                    "code": {"type": "string", "enum": groups},
                    "contribution": {"type": "number", "description": "What the score loses without this group of features; negative when they lower it."},
                    "en": {"type": "string", "description": "The sentence in English."},
                    "zh": {"type": "string", "description": "The sentence in Chinese."},
                },
            }),
        ),
        (
            "RankedItem",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["item_id", "index", "score", "propensity", "sources"],
                "properties": {
                    "item_id": text(64, "The product."),
                    "index": whole(0, MAX_LIMIT as i64 - 1, "Its place."),
                    "score": {"type": "number", "description": "Only the order has a meaning."},
                    "propensity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "With what probability it stands at this place."},
                    "sources": {"type": "array", "items": {"type": "string", "enum": ["bought_again", "similar", "popular", "given"]}},
                    "reasons": {"type": "array", "items": reference("Reason"), "description": "The largest contribution first; when explain was asked."},
                    "sponsored": sale(),
                    "tried": tried(&["arm", "fit", "price"], "Chance put it there. Send it with the item of view_item_list, as params.items[].tried."),
                },
            }),
        ),
        (
            "RankResponse",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["version", "exposure_id", "model", "list_id", "arm", "candidates", "items", "unknown", "ignored_events"],
                "properties": {
                    "version": {"type": "integer", "const": rank::VERSION},
                    "exposure_id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Send it with the events that follow, as params.exposure_id."},
                    "model": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                    "list_id": text(64, "Where the list will be shown."),
                    "arm": text(64, "What decides where chance does: default, the policy of exploration, or policy_exploit, policy_explore and policy_diversify."),
                    "policy": {
                        "type": "object",
                        "description": "How the model's policy chose that the list be made; when policy was asked. Keep both with what was shown: the log that judges the next policy needs them.",
                        "additionalProperties": false,
                        "required": ["action", "propensity"],
                        "properties": {
                            "action": {"type": "string", "enum": Action::ALL.map(Action::name)},
                            "propensity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "With what probability it chose the action. Propensities of items are given the action."},
                        },
                    },
                    "candidates": whole(0, 4_294_967_295, "How many products were scored."),
                    "items": {"type": "array", "maxItems": MAX_LIMIT, "items": reference("RankedItem")},
                    "unknown": {"type": "array", "items": {"type": "string"}, "description": "Candidates that the model doesn't know."},
                    "ignored_events": whole(0, 4_294_967_295, "Items that the model doesn't know, and events later than now."),
                    "shortfalls": {"type": "array", "maxItems": Rule::ALL.len(), "description": "The rules that the list misses; when diversity, sponsored, explore or policy was asked.", "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["rule", "place", "missing"],
                        "properties": {
                            "rule": {"type": "string", "enum": rules},
                            "place": whole(1, MAX_LIMIT as i64, "The first place that shows it, from 1."),
                            "missing": whole(1, MAX_LIMIT as i64, "How many products of the long tail the worst prefix lacks, or how many places a cap left empty."),
                        },
                    }},
                    "bids_left_out": {"type": "array", "maxItems": MAX_BIDS, "description": "The bids without a place, in the request's order; when sponsored was asked.", "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["item_id", "reason"],
                        "properties": {
                            "item_id": text(64, "The product."),
                            "reason": {"type": "string", "enum": left_out},
                        },
                    }},
                },
            }),
        ),
    ]
}

fn questions() -> Value {
    let asked = |about: &str, more: Value| {
        let mut properties = json!({
            "id": {"type": "string", "description": about},
            "en": {"type": "string", "description": "The text in English."},
            "zh": {"type": "string", "description": "The text in Chinese."},
        });
        let mut required = vec!["id", "en", "zh"];
        if !more.is_null() {
            properties["answers"] = more;
            required.push("answers");
        }
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": required,
            "properties": properties,
        })
    };
    let answer = asked(
        "Stays the same as long as the answer means the same.",
        Value::Null,
    );
    let answers = json!({"type": "array", "maxItems": MAX_ANSWERS, "items": answer});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["questions"],
        "properties": {"questions": {
            "type": "array",
            "maxItems": MAX_QUESTIONS,
            "description": "In the order in which to ask them. A shopper may leave any of them open. Words of the catalogue stand as they are, in both languages.",
            "items": asked("Goes into answers of /v1/rank.", answers),
        }},
    })
}

fn shoppers(about: &str) -> Value {
    json!({"type": "array", "items": text(64, "A shopper."), "description": about})
}

fn other_schemas(limits: &Limits) -> Vec<(&'static str, Value)> {
    let problem_codes: Vec<_> = Code::ALL.iter().map(|code| code.id).collect();
    let fault_codes: Vec<_> = codes::all().iter().map(|(code, _)| code.id).collect();
    let [turn, packet, answer] = assist_responses();
    vec![
        (
            "Fault",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["code", "path", "cause", "action"],
                "properties": {
                    "code": {"type": "string", "enum": fault_codes},
                    "path": {"type": "string", "description": "Where, such as events[3].params.items[0].price; empty for the whole."},
                    "cause": {"type": "string"},
                    "action": {"type": "string"},
                },
            }),
        ),
        (
            "Problem",
            json!({
                "type": "object",
                "description": "RFC 9457.",
                "additionalProperties": false,
                "required": ["type", "title", "status", "detail", "code", "action"],
                "properties": {
                    "type": {"type": "string", "pattern": "^urn:shelfedge:problem:[a-z_]+$"},
                    "title": {"type": "string"},
                    "status": {"type": "integer", "minimum": 400, "maximum": 599},
                    "detail": {"type": "string"},
                    "code": {"type": "string", "enum": problem_codes},
                    "action": {"type": "string"},
                    "faults": {"type": "array", "maxItems": 100, "items": reference("Fault"), "description": "All that is wrong with the input."},
                    "more_faults": {"type": "integer", "minimum": 0, "description": "How many more there are than the list holds."},
                    "progress": {
                        "type": "object",
                        "description": "How far a batch of events came before the store failed; each of its shoppers is in one of the lists.",
                        "additionalProperties": false,
                        "required": ["stored", "unsure", "not_stored"],
                        "properties": {
                            "stored": shoppers("Whose events are stored, by this request or before."),
                            "unsure": shoppers("Whose write failed: their events are stored or not, and never some of them."),
                            "not_stored": shoppers("Of whose new events none is stored."),
                        },
                    },
                },
            }),
        ),
        (
            "Models",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["models"],
                "properties": {"models": {"type": "array", "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["task", "digest", "bytes"],
                    "properties": {
                        "task": {"type": "string", "description": "ranking, which has all of the fields, or assistant."},
                        "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                        "products": {"type": "integer", "minimum": 0},
                        "currency": reference("Currency"),
                        "data_end": {"type": "string", "format": "date-time"},
                        "bytes": {"type": "integer", "minimum": 0},
                    },
                }}},
            }),
        ),
        ("Questions", questions()),
        (
            "IntentRequest",
            json!({
                "type": "object",
                "required": ["text"],
                "properties": {
                    "text": text(intent::MAX_TEXT_BYTES as u32, "What the customer wrote; at most as many bytes, and not blank."),
                    "top": optional(whole(1, intent::MAX_TOP.into(), "How many labels with their probabilities, at most; 3 when missing.")),
                },
            }),
        ),
        (
            "IntentResponse",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["version", "model", "label", "labels", "grams_known", "grams"],
                "properties": {
                    "version": {"type": "integer", "const": intent::VERSION},
                    "model": {"type": "string", "description": "The digest of the model."},
                    "label": {"type": ["string", "null"], "description": "What the text is about; null where it is out of scope."},
                    "labels": {"type": "array", "maxItems": intent::MAX_TOP, "description": "The most probable labels first, in scope or not.", "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["label", "probability"],
                        "properties": {
                            "label": {"type": "string"},
                            "probability": {"type": "number", "minimum": 0, "maximum": 1, "description": "Of all labels together 1."},
                        },
                    }},
                    "grams_known": whole(0, u32::MAX.into(), "Different sequences of words and letters of the text that the model knows."),
                    "grams": whole(0, u32::MAX.into(), "All different ones of the text."),
                },
            }),
        ),
        ("AssistRequest", assist_request()),
        ("AssistTurn", turn),
        ("AssistPacket", packet),
        ("AssistAnswer", answer),
        (
            "AssistResponse",
            json!({"anyOf": [reference("AssistTurn"), reference("AssistPacket"), reference("AssistAnswer")]}),
        ),
        (
            "Accepted",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["accepted", "repeated"],
                "properties": {
                    "accepted": {"type": "integer", "minimum": 0, "description": "Events that were new. Of a shopper's events the newest are kept."},
                    "repeated": {"type": "integer", "minimum": 0, "description": "Events whose source and id were known."},
                },
            }),
        ),
        (
            "StoredEvent",
            json!({
                "type": "object",
                "description": "An event of a ranking request, with where it came from.",
                "required": ["source", "name", "time", "id", "params"],
                "properties": {
                    "source": text(events::MAX_SOURCE_BYTES as u32, "The source of the CloudEvent."),
                    "name": reference("EventName"),
                    "time": {"type": "string", "format": "date-time", "description": "RFC 3339."},
                    "id": text(64, "The id of the CloudEvent."),
                    "params": reference("EventParams"),
                },
            }),
        ),
        (
            "StoredProfile",
            json!({
                "type": "object",
                "description": "The stored value itself.",
                "additionalProperties": false,
                "required": ["kind", "version", "shopper", "written", "events"],
                "properties": {
                    "kind": {"type": "string", "const": "shelfedge.stored_profile"},
                    "version": {"type": "integer", "const": stored::VERSION},
                    "shopper": text(64, "Whose it is."),
                    "written": {"type": "string", "format": "date-time", "description": "When it was last written."},
                    "events": {"type": "array", "maxItems": limits.events, "items": reference("StoredEvent"), "description": "The newest events, oldest first."},
                },
            }),
        ),
        (
            "Explored",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["list_id", "products", "state"],
                "properties": {
                    "list_id": text(64, "The list."),
                    "products": {"type": "array", "description": "What was tried, by id.", "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["item_id", "tried", "rewarded"],
                        "properties": {
                            "item_id": text(64, "The product."),
                            "tried": whole(0, u32::MAX.into(), "How many lists tried it."),
                            "rewarded": whole(0, u32::MAX.into(), "From how many of these it was chosen."),
                        },
                    }},
                    "state": {"type": "string", "description": "All that is known, in hexadecimal digits, for explore.state of a ranking request."},
                },
            }),
        ),
        (
            "Health",
            json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["status", "version", "model"],
                "properties": {
                    "status": {"type": "string", "const": "ok"},
                    "version": {"type": "string"},
                    "model": {"type": "string"},
                },
            }),
        ),
    ]
}

/// The problems of a status, by their codes.
fn problems(statuses: &[u16]) -> Map<String, Value> {
    let mut responses = Map::new();
    for status in statuses {
        let lines: Vec<_> = Code::ALL
            .iter()
            .filter(|code| code.status == *status)
            .map(|code| format!("`{}`: {} {}", code.id, code.title, code.action))
            .collect();
        assert!(!lines.is_empty(), "no problem has the status {status}");
        responses.insert(
            status.to_string(),
            json!({
                "description": lines.join("\n\n"),
                "content": {"application/problem+json": {"schema": reference("Problem")}},
            }),
        );
    }
    responses
}

fn responses(status: &str, about: &str, schema: &Value, failures: &[u16]) -> Value {
    let mut all = problems(failures);
    all.insert(status.to_owned(), json!({
        "description": about,
        "headers": {"Server-Timing": {"description": "How long each phase took.", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schema}},
    }));
    Value::Object(all)
}

fn erased(about: &str, failures: &[u16]) -> Value {
    let mut all = problems(failures);
    all.insert("204".to_owned(), json!({"description": about}));
    Value::Object(all)
}

/// Statuses that everything under /v1 may have. What the host in front of the
/// component answers (500, 504) is among them.
const COMMON: [u16; 6] = [401, 403, 405, 500, 503, 504];

fn document() -> Value {
    let limits = Limits::default();
    let with = |more: &[u16]| [&COMMON[..], more].concat();
    let example = |text: &str| serde_json::from_str::<Value>(text).expect("an example");
    let fault_table: String = codes::all()
        .iter()
        .map(|(code, meaning)| format!("| `{}` | {meaning} | {} |\n", code.id, code.action))
        .collect();
    let mut schemas = Map::new();
    for (name, schema) in event_schemas(&limits)
        .into_iter()
        .chain(rank_schemas(&limits))
        .chain(other_schemas(&limits))
    {
        assert!(
            schemas.insert(name.to_owned(), schema).is_none(),
            "{name} twice"
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "shelfedge edge",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description": format!(
                "Rankings and events of a shop, answered at the edge.\n\nBodies of at most {} bytes are read, nested at most {} deep. Every fault of an input is reported at once.\n\n## Fault codes\n\n| code | meaning | action |\n|---|---|---|\n{fault_table}",
                limits.body_bytes, limits.depth
            ),
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": {
            "/v1/rank": {"post": {
                "operationId": "rank",
                "summary": "Ranks products for a shopper.",
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": reference("RankRequest"), "example": example(REQUEST)}}},
                "responses": responses("200", "The ranking, the same bytes for the same request and model.", &reference("RankResponse"), &with(&[400, 413, 415, 422])),
            }},
            "/v1/intent": {"post": {
                "operationId": "intent",
                "summary": "Says what a text of a customer is about. The text is neither stored nor told again.",
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": reference("IntentRequest"), "example": example(INTENT)}}},
                "responses": responses("200", "What it is about, the same bytes for the same request and model.", &reference("IntentResponse"), &with(&[400, 404, 413, 415, 422])),
            }},
            "/v1/assist": {"post": {
                "operationId": "assist",
                "summary": "Goes on with a conversation: text, a call's outcome or silence in, replies and what the shop is to do out. Also tells a person who takes over what was said, and answers questions by what the shop knows.",
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": reference("AssistRequest"), "example": {"text": "Please cancel my order 481516"}}}},
                "responses": responses("200", "What comes of it.", &reference("AssistResponse"), &with(&[400, 404, 413, 415, 422])),
            }},
            "/v1/events": {"post": {
                "operationId": "events",
                "summary": "Stores what shoppers did. A batch that is refused stores nothing. One during which the store fails may be stored for some of its shoppers: progress says for whom. Sending it again stores nothing twice.",
                "requestBody": {"required": true, "content": {
                    "application/cloudevents+json": {"schema": reference("CloudEvent"), "example": example(CLOUDEVENT)},
                    "application/cloudevents-batch+json": {"schema": {"type": "array", "maxItems": limits.batch, "items": reference("CloudEvent")}},
                    "application/json": {"schema": {"oneOf": [reference("CloudEvent"), {"type": "array", "maxItems": limits.batch, "items": reference("CloudEvent")}]}},
                }},
                "responses": responses("202", "Stored.", &reference("Accepted"), &with(&[400, 413, 415, 422])),
            }},
            "/v1/profiles/{shopper}": {
                "parameters": [{
                    "name": "shopper",
                    "in": "path",
                    "required": true,
                    "description": "The shopper's id, percent-encoded.",
                    "schema": text(64, "The shopper."),
                }],
                "get": {
                    "operationId": "profile",
                    "summary": "What is stored of a shopper: all of it, as it is stored.",
                    "responses": responses("200", "What is stored.", &reference("StoredProfile"), &with(&[404, 422])),
                },
                "delete": {
                    "operationId": "eraseProfile",
                    "summary": "Erases what is stored of a shopper; also when there is nothing. Events that come later begin a new profile.",
                    "responses": erased("Nothing is stored of the shopper any more.", &with(&[422])),
                },
            },
            "/v1/explore/{list}": {
                "parameters": [{
                    "name": "list",
                    "in": "path",
                    "required": true,
                    "description": "The list's id, percent-encoded.",
                    "schema": text(64, "The list."),
                }],
                "get": {
                    "operationId": "explored",
                    "summary": "What exploration of a list learnt from events; nothing when there is nothing.",
                    "responses": responses("200", "What is known.", &reference("Explored"), &with(&[422])),
                },
                "delete": {
                    "operationId": "forgetExplored",
                    "summary": "Forgets what exploration of a list learnt; also when there is nothing. Events that come later begin anew.",
                    "responses": erased("Nothing is known of the list any more.", &with(&[422])),
                },
            },
            "/v1/models": {"get": {
                "operationId": "models",
                "summary": "The models that are served.",
                "responses": responses("200", "The models.", &reference("Models"), &COMMON),
            }},
            "/v1/questions": {"get": {
                "operationId": "questions",
                "summary": "What to ask a shopper of whom nothing is known; nothing where the model has no questions.",
                "responses": responses("200", "The questions.", &reference("Questions"), &COMMON),
            }},
            "/healthz": {"get": {
                "operationId": "health",
                "summary": "Whether the service can answer.",
                "security": [{}],
                "responses": responses("200", "It can.", &reference("Health"), &[405, 500, 503, 504]),
            }},
            "/openapi.json": {"get": {
                "operationId": "openapi",
                "summary": "This document.",
                "security": [{}],
                "responses": responses("200", "This document.", &json!({"type": "object"}), &[405]),
            }},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "When the shop has set one."}},
            "schemas": schemas,
        },
    })
}

#[test]
fn the_file_is_what_the_tables_make() {
    let text = serde_json::to_string_pretty(&document()).expect("text") + "\n";
    expect_file!["../../openapi.json"].assert_eq(&text);
}

fn published() -> Value {
    serde_json::from_str(shelfedge_wire::openapi()).expect("JSON")
}

/// What of JSON Schema 2020-12 the document uses. An unknown keyword is an
/// error, so that nothing in the document goes unchecked.
fn violations(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut note = |what: String| found.push(format!("{path}: {what}"));
    let schema = schema.as_object().expect("a schema");
    let mut nested = Vec::new();
    for (keyword, rule) in schema {
        let number = || value.as_f64().zip(rule.as_f64());
        let length = |size: Option<usize>| size.zip(rule.as_u64().map(|most| most as usize));
        let characters = value.as_str().map(|text| text.chars().count());
        match keyword.as_str() {
            "description" | "format" => {}
            "$ref" => {
                let pointer = rule
                    .as_str()
                    .and_then(|text| text.strip_prefix('#'))
                    .expect("local");
                nested.push((
                    root.pointer(pointer).expect("a schema"),
                    value,
                    path.to_owned(),
                ));
            }
            "type" => {
                let names = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                let is = |name: &Value| match name.as_str().expect("a type") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                if !names.iter().any(is) {
                    note(format!("not {rule}"));
                }
            }
            "enum" => {
                if !rule.as_array().expect("a list").contains(value) {
                    note(format!("{value} is not in the list"));
                }
            }
            "const" => {
                if value != rule {
                    note(format!("not {rule}"));
                }
            }
            "minimum" if number().is_some_and(|(value, least)| value < least) => {
                note("too small".into())
            }
            "maximum" if number().is_some_and(|(value, most)| value > most) => {
                note("too large".into())
            }
            "exclusiveMinimum" if number().is_some_and(|(value, least)| value <= least) => {
                note("too small".into())
            }
            "minLength" if length(characters).is_some_and(|(size, least)| size < least) => {
                note("too short".into())
            }
            "maxLength" if length(characters).is_some_and(|(size, most)| size > most) => {
                note("too long".into())
            }
            "maxItems"
                if length(value.as_array().map(Vec::len))
                    .is_some_and(|(size, most)| size > most) =>
            {
                note("too many".into());
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "minLength" | "maxLength" | "maxItems" => {
            }
            "pattern" => {
                // The few patterns that occur are a prefix and a class.
                let text = value.as_str().expect("text");
                let hex = |text: &str, digits| {
                    text.len() == digits
                        && text
                            .bytes()
                            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                };
                let fits = match rule.as_str().expect("a pattern") {
                    "^[0-9a-f]{32}$" => hex(text, 32),
                    "^sha256:[0-9a-f]{64}$" => text
                        .strip_prefix("sha256:")
                        .is_some_and(|text| hex(text, 64)),
                    "^urn:shelfedge:problem:[a-z_]+$" => text
                        .strip_prefix("urn:shelfedge:problem:")
                        .is_some_and(|text| {
                            !text.is_empty()
                                && text
                                    .bytes()
                                    .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
                        }),
                    other => panic!("pattern {other}"),
                };
                if !fits {
                    note(format!("{text} doesn't fit {rule}"));
                }
            }
            "required" => {
                for name in rule.as_array().expect("names") {
                    if value.is_object() && value.get(name.as_str().expect("a name")).is_none() {
                        note(format!("{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in rule.as_object().expect("properties") {
                    if let Some(value) = value.get(name) {
                        nested.push((schema, value, format!("{path}.{name}")));
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                let known = schema["properties"].as_object().expect("properties");
                for name in value.as_object().into_iter().flat_map(Map::keys) {
                    if !known.contains_key(name) {
                        note(format!("{name} is unknown"));
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    nested.push((rule, value, format!("{path}[{index}]")));
                }
            }
            "anyOf" | "oneOf" => {
                let fitting = rule.as_array().expect("schemas").iter().filter(|schema| {
                    let mut inner = Vec::new();
                    violations(root, schema, value, path, &mut inner);
                    inner.is_empty()
                });
                let count = fitting.count();
                if count == 0 || (keyword == "oneOf" && count > 1) {
                    note(format!("{count} of {keyword} fit"));
                }
            }
            other => panic!("keyword {other}"),
        }
    }
    for (schema, value, path) in nested {
        violations(root, schema, value, &path, found);
    }
}

fn check(schema: &str, json: &[u8]) -> Vec<String> {
    let root = published();
    let value: Value = serde_json::from_slice(json).expect("JSON");
    let mut found = Vec::new();
    violations(&root, &reference(schema), &value, "", &mut found);
    found
}

#[test]
fn real_bodies_fit_their_schemas() {
    let ranker = ranker();
    let limits = Limits::default();
    let request = rank::parse(REQUEST.as_bytes(), &limits).expect("a request");
    let mut workspace = Workspace::default();
    let respond = |request: &rank::Request, workspace: &mut Workspace| {
        rank::respond(&ranker, request, DIGEST, workspace).expect("an answer")
    };
    let answer = respond(&request, &mut workspace);
    let empty = rank::Request {
        now: request.now,
        ..rank::Request::default()
    };
    let plain = respond(&empty, &mut workspace);
    let served = [
        models::Model::ranking(&ranker, DIGEST),
        models::Model {
            task: "assistant",
            digest: DIGEST,
            bytes: 1,
            orders: None,
        },
    ];
    for (schema, json) in [
        ("RankRequest", REQUEST.as_bytes().to_vec()),
        ("RankRequest", rank::write_request(&request)),
        ("RankRequest", b"{}".to_vec()),
        ("RankRequest", br#"{"exclude":["20725"]}"#.to_vec()),
        ("RankResponse", answer),
        ("RankResponse", plain),
        ("CloudEvent", CLOUDEVENT.as_bytes().to_vec()),
        ("Models", models::write(&served)),
        ("Accepted", models::accepted(3, 1)),
        ("StoredProfile", STORED.as_bytes().to_vec()),
        ("Health", models::health("0.1.0", DIGEST)),
        ("IntentRequest", INTENT.as_bytes().to_vec()),
    ] {
        assert_eq!(check(schema, &json), Vec::<String>::new(), "{schema}");
    }
    #[cfg(feature = "rerank")]
    {
        let request = rank::parse(RERANK.as_bytes(), &limits).expect("a request");
        let answer = respond(&request, &mut workspace);
        for (schema, json) in [
            ("RankRequest", RERANK.as_bytes().to_vec()),
            ("RankRequest", rank::write_request(&request)),
            ("RankResponse", answer),
        ] {
            assert_eq!(check(schema, &json), Vec::<String>::new(), "{schema}");
        }
    }
    #[cfg(feature = "assistant")]
    {
        let answer = crate::intent::answer(INTENT);
        assert_eq!(check("IntentResponse", &answer), Vec::<String>::new());
        let limits = [
            shelfedge_wire::seal::MAX_SEALED,
            shelfedge_wire::assist::MAX_FACTS,
            shelfedge_wire::assist::MAX_ITEMS,
            shelfedge_wire::assist::MAX_FACT_BYTES,
            shelfedge_wire::assist::MAX_LINES,
        ];
        assert_eq!(limits, ASSIST);
    }
    #[cfg(feature = "answers")]
    {
        let request = rank::parse(ANSWERS.as_bytes(), &limits).expect("a request");
        let answer = respond(&request, &mut workspace);
        let questions = shelfedge_wire::answers::questions(&ranker).expect("questions");
        for (schema, json) in [
            ("RankRequest", ANSWERS.as_bytes().to_vec()),
            ("RankRequest", rank::write_request(&request)),
            ("RankResponse", answer),
            ("Questions", questions),
        ] {
            assert_eq!(check(schema, &json), Vec::<String>::new(), "{schema}");
        }
    }
    #[cfg(feature = "explore")]
    {
        let mut request = rank::parse(EXPLORE.as_bytes(), &limits).expect("a request");
        let answer = respond(&request, &mut workspace);
        let state = shelfedge_wire::explore::State::default();
        let list = "home".parse().expect("an id");
        let shown = shelfedge_wire::explore::known(&list, &state);
        if let Some(explore) = &mut request.explore {
            explore.state = Some(state);
        }
        for (schema, json) in [
            ("RankRequest", EXPLORE.as_bytes().to_vec()),
            ("RankRequest", rank::write_request(&request)),
            ("RankResponse", answer),
            ("Explored", shown),
        ] {
            assert_eq!(check(schema, &json), Vec::<String>::new(), "{schema}");
        }
    }
    #[cfg(feature = "explore")]
    {
        let request = rank::parse(POLICY.as_bytes(), &limits).expect("a request");
        let answer = rank::respond(&with_policy(), &request, DIGEST, &mut workspace);
        for (schema, json) in [
            ("RankRequest", POLICY.as_bytes().to_vec()),
            ("RankRequest", rank::write_request(&request)),
            ("RankResponse", answer.expect("an answer")),
        ] {
            assert_eq!(check(schema, &json), Vec::<String>::new(), "{schema}");
        }
    }
    for code in Code::ALL {
        assert_eq!(
            check("Problem", &Problem::new(*code).to_json()),
            Vec::<String>::new()
        );
    }
    let shopper = |id: &str| vec![id.parse().expect("an id")];
    let problem = Problem {
        progress: Some(Box::new(Progress {
            stored: shopper("a"),
            unsure: shopper("b"),
            not_stored: shopper("c"),
        })),
        ..Problem::new(Code::STORE_UNAVAILABLE)
    };
    assert_eq!(check("Problem", &problem.to_json()), Vec::<String>::new());
    let faults = rank::parse(br#"{"limit":0,"now":7}"#, &limits).expect_err("faults");
    assert_eq!(
        check("Problem", &Problem::from(faults).to_json()),
        Vec::<String>::new()
    );
}

/// With one text in the place of another, both say no.
fn both_refuse(text: &str, (from, to): (&str, &str), schema: &str, parses: impl Fn(&[u8]) -> bool) {
    assert!(text.contains(from), "{from}");
    let text = text.replacen(from, to, 1);
    assert!(!check(schema, text.as_bytes()).is_empty(), "schema: {to}");
    assert!(!parses(text.as_bytes()), "parser: {to}");
}

#[test]
fn what_the_schema_refuses_the_parser_refuses() {
    let limits = Limits::default();
    let ranked = |text: &[u8]| rank::parse(text, &limits).is_ok();
    let event = |text: &[u8]| events::parse(text, None, &limits).is_ok();
    let stored = |text: &[u8]| stored::StoredProfile::parse(text, &limits).is_ok();
    // One wrong value for each field: both must say no.
    for (from, to) in [
        ("\"limit\": 3", "\"limit\": 0"),
        ("\"limit\": 3", "\"limit\": 201"),
        ("\"limit\": 3", "\"limit\": 2.5"),
        ("\"explain\": true", "\"explain\": 1"),
        ("\"seed\": 7", "\"seed\": -7"),
        ("\"seed\": 7", "\"exclude\": [\"\"]"),
        ("\"mobile\"", "\"fridge\""),
        ("\"utc_offset_minutes\": 0", "\"utc_offset_minutes\": 2000"),
        ("\"c17850\"", "\"\""),
        ("\"home\"", "5"),
        ("\"71053\"", "null"),
        ("\"purchase\"", "\"buy\""),
        ("\"GBP\"", "\"gbp\""),
        ("\"quantity\": 6", "\"quantity\": 0"),
        ("\"price\": 2.55", "\"price\": -2.55"),
        ("\"price\": 2.55", "\"price\": \"2.55\""),
        ("\"index\": 0", "\"index\": -1"),
        ("\"item_id\": \"20727\", ", ""),
        ("\"timestamp_micros\": 1323510900000000, ", ""),
        ("\"536365\"", "536365"),
    ] {
        both_refuse(REQUEST, (from, to), "RankRequest", ranked);
    }
    #[cfg(feature = "rerank")]
    for (from, to) in [
        ("\"category\": 1", "\"category\": 0"),
        ("\"brand\": 2", "\"brand\": 201"),
        ("\"trade_off\": 0.3", "\"trade_off\": 1.1"),
        ("\"long_tail\": 0.2", "\"long_tail\": \"much\""),
        ("\"currency\": \"GBP\", ", ""),
        ("[2, 4]", "[0]"),
        ("[2, 4]", "4"),
        ("\"places\": [2, 4], ", ""),
        ("\"reserve\": 0.05", "\"reserve\": -0.05"),
        ("\"frequency_cap\": 5", "\"frequency_cap\": 0"),
        ("\"pacing\": 0.9", "\"pacing\": -1"),
        ("\"bid\": 0.60, ", ""),
        ("\"item_id\": \"22423\", ", ""),
        ("\"budget_left\": 12.50", "\"budget_left\": -1"),
        (
            "\"impressions_of_shopper\": 1",
            "\"impressions_of_shopper\": 1.5",
        ),
    ] {
        both_refuse(RERANK, (from, to), "RankRequest", ranked);
    }
    #[cfg(feature = "explore")]
    for (from, to) in [
        ("\"thompson\"", "\"greedy\""),
        ("\"policy\": \"thompson\", ", ""),
        ("\"places\": [2, 4], ", ""),
        ("[2, 4]", "[0]"),
        ("[2, 4]", "[1, 2, 3, 4, 5]"),
        ("\"share\": 0.2", "\"share\": 1.2"),
        ("\"pool\": 3", "\"pool\": 65"),
        ("\"prior_rate\": 0.05", "\"prior_rate\": -0.05"),
        ("\"prior_strength\": 40", "\"prior_strength\": 0"),
        ("\"alpha\": 0.5", "\"alpha\": \"0.5\""),
        ("\"alpha\": 0.5", "\"alpha\": 0.5, \"state\": 7"),
    ] {
        both_refuse(EXPLORE, (from, to), "RankRequest", ranked);
    }
    #[cfg(feature = "explore")]
    for (from, to) in [
        ("\"places\": [2, 4]", "\"places\": [0]"),
        ("\"category\": 1", "\"category\": 0"),
        ("\"diversify\": ", "\"spread\": "),
        ("\"at\": ", "\"when\": "),
        ("\"explore\", ", "\"try\", "),
        ("\"item_id\": \"20727\", ", ""),
        ("\"clicked\": true", "\"clicked\": 1"),
        ("\"bags\"", "7"),
        ("\"visits\": [", "\"visits\": 3, \"_\": ["),
    ] {
        both_refuse(POLICY, (from, to), "RankRequest", ranked);
    }
    let long_source = format!("{:?}", "w".repeat(events::MAX_SOURCE_BYTES + 1));
    for (from, to) in [
        ("\"1.0\"", "\"0.3\""),
        ("\"7f1c\"", "7"),
        ("\"/web\"", "\"\""),
        ("\"/web\"", long_source.as_str()),
        ("shelfedge.event.v1", "other"),
        ("\"c17850\"", "\"\""),
        ("\"select_item\"", "\"select\""),
        ("\"id\": \"7f1c\", ", ""),
    ] {
        both_refuse(CLOUDEVENT, (from, to), "CloudEvent", event);
    }
    for (from, to) in [
        ("shelfedge.stored_profile", "shelfedge.profile"),
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":\"1\""),
        ("\"c17850\"", "\"\""),
        ("\"source\":\"/web\",", ""),
        ("\"/web\"", long_source.as_str()),
        ("\"view_item\"", "\"view\""),
        ("\"quantity\":1", "\"quantity\":0"),
        ("{\"kind\"", "{\"more\":1,\"kind\""),
    ] {
        both_refuse(STORED, (from, to), "StoredProfile", stored);
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let root = published();
    let mut used = BTreeSet::new();
    let mut open = vec![&root];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    assert!(root.pointer(&target[1..]).is_some(), "{target}");
                    used.insert(target.rsplit('/').next().expect("a name").to_owned());
                }
                open.extend(map.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    let schemas = root["components"]["schemas"].as_object().expect("schemas");
    let all: BTreeSet<_> = schemas.keys().cloned().collect();
    assert_eq!(used, all);
}
