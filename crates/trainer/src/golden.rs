//! Golden cases: requests with what every runtime must make of them.

use serde::Serialize;
use shelfedge_engine::Input;
use shelfedge_ranking::{Encoded, Ranker, Workspace};
use shelfedge_wire::rank;

use burn::tensor::Device;
use shelfedge_commerce::time::{HOUR, MINUTE, Timestamp};

use crate::error::Result;
use crate::examples::History;
use crate::export::internal;
use crate::model::{Dims, Net, Weights};
use crate::plan::Plan;
use crate::protocol::cases;
use crate::request::{interest, purchase, quoted};
use crate::shop::Shop;

/// How many cases a bundle has.
pub const CASES: usize = 32;
/// Candidates of most cases, so that the file stays small.
const CANDIDATES: usize = 16;
/// Order lines of a golden customer, at most.
const LINES: usize = 120;
/// How far another f32 runtime may be from the learner.
pub const TOLERANCE: f64 = 1e-4;

/// The file.
#[derive(Debug, Serialize)]
struct File<'a> {
    format: u32,
    task: &'static str,
    model: &'a str,
    tolerance: f64,
    cases: Vec<Golden>,
}

/// A case.
#[derive(Debug, Serialize)]
struct Golden {
    name: String,
    /// The body of a rank request.
    request: Box<serde_json::value::RawValue>,
    /// The candidates' ids, in the order of the rows.
    products: Vec<String>,
    rows: usize,
    /// What the encoder makes of the request: the model's inputs.
    inputs: Inputs,
    /// The learner's own scores of the rows.
    scores: Vec<f32>,
    /// The exact answer of our own targets.
    response: String,
}

#[derive(Debug, Serialize)]
struct Inputs {
    context: Vec<f32>,
    candidate: Vec<f32>,
    product: Vec<i32>,
    title: Vec<i32>,
    wide: Vec<i32>,
    session: Vec<i32>,
}

/// Golden cases and how far the engine is from the learner on them.
#[derive(Debug)]
pub struct Written {
    /// `golden.json`.
    pub bytes: Vec<u8>,
    /// Largest difference of a score.
    pub parity: f64,
    /// How many.
    pub cases: usize,
}

/// Makes the golden cases for a compiled model, from customers of the valid
/// window and from shoppers without a history.
pub fn golden(
    shop: &Shop,
    history: &History,
    plan: &Plan,
    dims: &Dims,
    weights: &Weights,
    shelf: &[u8],
    digest: &str,
) -> Result<Written> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    let mut workspace = Workspace::default();
    let device = Device::flex();
    let net = Net::new(dims, weights, true, &device);
    let mut list = Vec::new();
    let mut parity = 0.0_f64;
    for (name, request) in requests(shop, history, plan, &ranker, &mut workspace)? {
        let parsed = rank::parse(request.as_bytes(), &shelfedge_wire::Limits::default())
            .map_err(|e| internal("golden request", e.to_string()))?;
        let prepared = ranker
            .prepare(&query(&parsed)?, &mut workspace)
            .map_err(|e| internal("golden request", e.to_string()))?;
        let products = prepared
            .candidates
            .iter()
            .filter_map(|c| ranker.product(c.product).map(|p| p.id.to_owned()))
            .collect();
        let encoded = ranker.encoded(&workspace).clone();
        let scores = net.score(dims, &encoded, &device);
        let inputs = inputs(&ranker, &encoded)?;
        let ours = ranker
            .score(encoded.rows, &inputs, &mut workspace)
            .map_err(|e| internal("golden case", e.to_string()))?;
        for (a, b) in scores.iter().zip(ours) {
            parity = parity.max(f64::from((a - b).abs()));
        }
        let response = rank::respond(&ranker, &parsed, digest, &mut workspace)
            .map_err(|e| internal("golden case", format!("{e:?}")))?;
        list.push(Golden {
            name,
            request: serde_json::value::RawValue::from_string(request)
                .map_err(|e| internal("golden request", e.to_string()))?,
            products,
            rows: encoded.rows,
            inputs: Inputs {
                context: encoded.context,
                candidate: encoded.candidate,
                product: encoded.product,
                title: encoded.title,
                wide: encoded.wide,
                session: encoded.session,
            },
            scores,
            response: String::from_utf8(response)
                .map_err(|e| internal("golden case", e.to_string()))?,
        });
    }
    if parity > TOLERANCE {
        return Err(internal(
            "golden",
            format!("the engine is {parity} from the learner, more than {TOLERANCE}"),
        ));
    }
    let count = list.len();
    let mut bytes = serde_json::to_vec(&File {
        format: 1,
        task: "ranking",
        model: digest,
        tolerance: TOLERANCE,
        cases: list,
    })
    .map_err(|e| internal("golden", e.to_string()))?;
    bytes.push(b'\n');
    Ok(Written {
        bytes,
        parity,
        cases: count,
    })
}

fn query(request: &rank::Request) -> Result<shelfedge_ranking::Query<'_>> {
    request
        .query()
        .map_err(|e| internal("golden request", format!("{e:?}")))
}

/// The engine's inputs, in the model's own order.
fn inputs<'a>(ranker: &Ranker<&[u8]>, encoded: &'a Encoded) -> Result<Vec<Input<'a>>> {
    ranker
        .inputs()
        .map(|port| {
            Ok(match port.name {
                "context" => Input::F32(&encoded.context),
                "candidate" => Input::F32(&encoded.candidate),
                "product" => Input::I32(&encoded.product),
                "title" => Input::I32(&encoded.title),
                "wide" => Input::I32(&encoded.wide),
                "session" => Input::I32(&encoded.session),
                other => return Err(internal("model.shelf", format!("unknown input {other}"))),
            })
        })
        .collect()
}

/// Requests with their names.
fn requests(
    shop: &Shop,
    history: &History,
    plan: &Plan,
    ranker: &Ranker<&[u8]>,
    workspace: &mut Workspace,
) -> Result<Vec<(String, String)>> {
    // An hour after the last order.
    let now = shop.end() + HOUR;
    let customers: Vec<u32> = cases(shop, plan.valid)
        .iter()
        .map(|c| c.customer)
        .filter(|&c| {
            let lines: usize = history.events[c as usize]
                .iter()
                .map(|e| e.items.len())
                .sum();
            lines <= LINES
        })
        .collect();
    let sold: Vec<u32> = (0..shop.products.len() as u32)
        .filter(|&p| ranker.find(&shop.products[p as usize].code).is_some())
        .collect();
    let mut list = Vec::new();
    for number in 0..CASES {
        // The first three are nobody's; the others are spread over the window.
        let customer = (number >= 3 && !customers.is_empty())
            .then(|| customers[(number - 3) * customers.len() / (CASES - 3)]);
        let mut events: Vec<String> = Vec::new();
        if let Some(customer) = customer {
            events.extend(
                shop.orders
                    .iter()
                    .filter(|o| o.customer == customer)
                    .map(|o| purchase(shop, o)),
            );
        }
        // Every third looks around, every sixth has something in the cart.
        let looks = if number % 3 == 2 { 1 + number % 4 } else { 0 };
        for look in 0..looks {
            let product = sold[(number * 131 + look * 977) % sold.len()];
            let name = if number % 6 == 5 && look == 0 {
                "add_to_cart"
            } else {
                "view_item"
            };
            let time = now - (looks - look) as i64 * MINUTE;
            events.push(interest(shop, name, time, product));
        }
        let device = ["desktop", "mobile", "tablet"][number % 3];
        let head = format!(
            r#"{{"now":"{}","shopper":{},"list_id":"home","limit":12,"explain":{},"context":{{"device":"{device}","utc_offset_minutes":{}}}"#,
            Timestamp(now),
            quoted(&format!("golden-{number}")),
            number % 2 == 0,
            if number % 5 == 4 { 60 } else { 0 },
        );
        let tail = format!(r#","events":[{}]}}"#, events.join(","));
        // Two cases rank what recall finds, the others a part of it.
        let whole = format!("{head}{tail}");
        let request = if number == 0 || number == 3 {
            whole
        } else {
            let parsed = rank::parse(whole.as_bytes(), &shelfedge_wire::Limits::default())
                .map_err(|e| internal("golden request", e.to_string()))?;
            let prepared = ranker
                .prepare(&query(&parsed)?, workspace)
                .map_err(|e| internal("golden request", e.to_string()))?;
            let found = &prepared.candidates;
            let step = (found.len() / CANDIDATES).max(1);
            let mut ids: Vec<String> = found
                .iter()
                .step_by(step)
                .take(CANDIDATES)
                .filter_map(|c| ranker.product(c.product).map(|p| quoted(p.id)))
                .collect();
            if number == 1 {
                ids.push(quoted("NO-SUCH-PRODUCT"));
            }
            format!(r#"{head},"candidates":[{}]{tail}"#, ids.join(","))
        };
        let name = match customer {
            None => format!("{number:02} nobody"),
            Some(customer) => format!(
                "{number:02} customer {}",
                shop.customers[customer as usize].id
            ),
        };
        list.push((name, request));
    }
    Ok(list)
}
