//! Conversations that any target can be asked for: a customer who says the title of each
//! flow, and answers what is asked until it ends.

use serde::Serialize;
use serde_json::{Value, json};
use shelfedge_assistant::{Assistant, TurnBuffers};
use shelfedge_wire::Limits;
use shelfedge_wire::assist::{self, Around};
use shelfedge_wire::seal::Seal;

use crate::error::Result;
use crate::export::internal;

/// Turns of a conversation, at most.
const MOST_TURNS: usize = 14;
/// 2026-01-15T09:00:00Z.
const BEGIN: i64 = 1_768_467_600_000;

/// The golden cases of an assistant.
pub(super) struct Golden {
    pub(super) bytes: Vec<u8>,
    pub(super) conversations: usize,
    pub(super) turns: usize,
}

/// A request, whose state is that of the response before it in its conversation.
#[derive(Serialize)]
struct Case {
    conversation: String,
    request: Value,
    /// The exact response, as text.
    response: String,
}

/// What a customer answers.
fn answer(expects: &Value, orders: &[String], is_chinese: bool) -> String {
    let pick = |en: &str, zh: &str| (if is_chinese { zh } else { en }).to_owned();
    match expects["kind"].as_str() {
        Some("yes_no") => pick("yes please", "对"),
        Some("slot") => match expects["entity"].as_str() {
            Some("order_number") => {
                let pattern = orders.first().map_or("", String::as_str);
                let number = pattern.replace('#', "4").replace('?', "K");
                pick(&format!("it's {number}"), &format!("订单号{number}"))
            }
            Some("address") => pick("12 Mill Lane, York YO1 7EP", "浙江省杭州市西湖区文三路12号"),
            Some("money") => pick("£18.99", "199元"),
            Some("email") => "anna@example.com".to_owned(),
            Some("phone") => "+44 20 7946 0958".to_owned(),
            Some("product") => pick("the steel kettle", "不锈钢水壶"),
            Some("choice") => pick("the first one", "第一个"),
            _ => pick("it came with a scratch on the lid", "盖子上有一道划痕"),
        },
        _ => pick("where is my parcel?", "我的包裹到哪里了？"),
    }
}

pub(super) fn write<B: AsRef<[u8]>>(assistant: &Assistant<B>, model: &str) -> Result<Golden> {
    let flows = assistant.flows();
    let mut cases = Vec::new();
    let mut buffers = TurnBuffers::default();
    let mut conversations = 0;
    for flow in 0..flows.len() {
        for is_chinese in [false, true] {
            let about = flows.flow(flow);
            let [en, zh] = flows.title(flow);
            let mut said = if is_chinese { zh } else { en };
            let mut outcome = None;
            let name = format!("{} {}", about.name, if is_chinese { "zh" } else { "en" });
            conversations += 1;
            let mut state = None;
            for turn in 0..MOST_TURNS {
                let now = shelfedge_commerce::Timestamp(BEGIN + 20_000 * turn as i64);
                let mut request = match outcome.take() {
                    Some(outcome) => json!({ "outcome": outcome }),
                    None => json!({ "text": said }),
                };
                request["now"] = json!(now.to_string());
                let mut sent = request.clone();
                if let Some(state) = &state {
                    sent["state"] = json!(state);
                }
                let response = respond(assistant, &sent, model, &mut buffers)?;
                let found: Value = serde_json::from_str(&response)
                    .map_err(|e| internal("golden", e.to_string()))?;
                cases.push(Case {
                    conversation: name.clone(),
                    request,
                    response,
                });
                state = Some(found["state"].clone());
                if let Some(action) = found["call"]["action"].as_str() {
                    outcome = Some(brought(assistant, action, &found["call"]["id"], turn));
                } else if found["ended"] == true
                    || !found["person"].is_null()
                    || (turn > 0 && found["place"].is_null())
                {
                    break;
                } else {
                    said = answer(&found["expects"], &assistant.shop().orders, is_chinese);
                }
            }
        }
    }
    let turns = cases.len();
    let bytes = serde_json::to_vec_pretty(&json!({ "format": 1, "cases": cases }))
        .map_err(|e| internal("golden", e.to_string()))?;
    Ok(Golden {
        bytes,
        conversations,
        turns,
    })
}

/// The outcomes of an action in turn, with facts that are named as they are.
fn brought<B: AsRef<[u8]>>(
    assistant: &Assistant<B>,
    action: &str,
    call: &Value,
    turn: usize,
) -> Value {
    let flows = assistant.flows();
    let row = (0..flows.actions()).find(|row| flows.action_name(*row) == action);
    let outcomes: Vec<_> = row.map_or_else(Vec::new, |row| flows.outcomes(row).collect());
    let Some((name, facts)) = outcomes.get(turn % outcomes.len().max(1)) else {
        return json!({ "call": call, "name": "failed" });
    };
    let names = facts.iter().map(|fact| flows.fact(fact));
    let values = names.map(|name| (name.to_owned(), json!(format!("<{name}>"))));
    let order = (assistant.shop().orders.first())
        .map_or_else(String::new, |it| it.replace('#', "7").replace('?', "K"));
    json!({
        "call": call,
        "name": name,
        "facts": Value::Object(values.collect()),
        "items": [{ "kind": "order_number", "value": order, "label": order }],
    })
}

fn respond<B: AsRef<[u8]>>(
    assistant: &Assistant<B>,
    request: &Value,
    model: &str,
    buffers: &mut TurnBuffers,
) -> Result<String> {
    let refused = |faults: shelfedge_commerce::Faults| internal("golden", faults.to_string());
    let request =
        assist::parse(request.to_string().as_bytes(), &Limits::DEFAULT).map_err(refused)?;
    let around = Around {
        model,
        seal: Seal::Plain,
        now: request.now.map_or(BEGIN, |clock| clock.now.millis()),
    };
    let conversation = (request.conversation(&around, [0; 16])).map_err(refused)?;
    let response =
        assist::respond(assistant, &request, &conversation, &around, buffers).map_err(refused)?;
    String::from_utf8(response).map_err(|e| internal("golden", e.to_string()))
}
