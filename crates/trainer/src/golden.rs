//! Golden cases: requests with what every runtime must make of them.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use shelfedge_engine::Input;
use shelfedge_ranking::{Encoded, Ranker, Workspace};
use shelfedge_wire::rank;

use shelfedge_commerce::Currency;
use shelfedge_commerce::time::{DAY, MINUTE, Timestamp};

use crate::error::Result;
use crate::export::internal;
use crate::request::quoted;

/// The part of a bundle.
pub(crate) const FILE: &str = "golden.json";
/// How many cases a bundle has.
pub const CASES: usize = 32;
/// What shoppers of most shops do most.
pub(crate) const LOOK: &str = "view_item";
/// How far another f32 runtime may be from the learner.
pub const TOLERANCE: f64 = 1e-4;

/// What kind of cases a bundle has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind<'a> {
    /// What shoppers did, beside buying.
    pub(crate) event: &'a str,
    /// Candidates of most cases, so that the file stays small.
    pub(crate) candidates: usize,
    /// Whether some cases have rules for the list: the engine that the model needs
    /// must know them.
    pub(crate) has_rules: bool,
}

/// The file.
#[derive(Debug, Serialize)]
struct File<'a, C> {
    format: u32,
    task: &'static str,
    model: &'a str,
    tolerance: f64,
    cases: Vec<C>,
}

impl<'a, C: Serialize> File<'a, C> {
    fn bytes(model: &'a str, cases: Vec<C>) -> Result<Vec<u8>> {
        let file = Self {
            format: 1,
            task: "ranking",
            model,
            tolerance: TOLERANCE,
            cases,
        };
        let mut bytes = serde_json::to_vec(&file).map_err(|e| internal("golden", e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// A case.
#[derive(Debug, Serialize)]
struct Golden {
    name: String,
    /// The body of a rank request.
    request: Box<RawValue>,
    /// The candidates' ids, in the order of the rows.
    products: Vec<String>,
    rows: usize,
    /// What the encoder makes of the request: the model's inputs.
    #[serde(serialize_with = "by_name")]
    inputs: Vec<(&'static str, Values)>,
    /// The learner's own scores of the rows.
    scores: Vec<f32>,
    /// The exact answer of our own targets.
    response: String,
}

/// An input's numbers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Values {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

fn by_name<S: Serializer>(
    inputs: &[(&'static str, Values)],
    serializer: S,
) -> core::result::Result<S::Ok, S::Error> {
    serializer.collect_map(inputs.iter().map(|(name, values)| (name, values)))
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

/// Makes golden cases of requests for a compiled model; `learner` gives the
/// learner's own scores of what is encoded.
pub(crate) fn golden(
    requests: Vec<(String, String)>,
    shelf: &[u8],
    digest: &str,
    learner: impl Fn(&Encoded) -> Vec<f32>,
) -> Result<Written> {
    let ranker = open(shelf)?;
    let mut workspace = Workspace::default();
    let mut list = Vec::new();
    let mut parity = 0.0_f64;
    for (name, request) in requests {
        let parsed = parse(&request)?;
        let prepared = ranker
            .prepare(&query(&parsed)?, &mut workspace)
            .map_err(|e| internal("golden request", e.to_string()))?;
        let products = prepared
            .candidates
            .iter()
            .filter_map(|c| ranker.product(c.product).map(|p| p.id.to_owned()))
            .collect();
        let encoded = ranker.encoded(&workspace).clone();
        let scores = learner(&encoded);
        let inputs = inputs(&ranker, encoded.clone())?;
        let given: Vec<Input<'_>> = ranker
            .inputs()
            .filter_map(|port| inputs.iter().find(|(name, _)| *name == port.name))
            .map(|(_, values)| match values {
                Values::F32(values) => Input::F32(values),
                Values::I32(values) => Input::I32(values),
            })
            .collect();
        let ours = ranker
            .score(encoded.rows, &given, &mut workspace)
            .map_err(|e| internal("golden case", e.to_string()))?;
        for (a, b) in scores.iter().zip(ours) {
            parity = parity.max(f64::from((a - b).abs()));
        }
        let response = rank::respond(&ranker, &parsed, digest, &mut workspace)
            .map_err(|e| internal("golden case", format!("{e:?}")))?;
        list.push(Golden {
            name,
            request: RawValue::from_string(request)
                .map_err(|e| internal("golden request", e.to_string()))?,
            products,
            rows: encoded.rows,
            inputs,
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
    let bytes = File::bytes(digest, list)?;
    Ok(Written {
        bytes,
        parity,
        cases: count,
    })
}

/// A case as it is read again: what doesn't depend on the answer stays as it is.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    name: String,
    request: Box<RawValue>,
    products: Box<RawValue>,
    rows: usize,
    inputs: Box<RawValue>,
    scores: Box<RawValue>,
    response: String,
}

/// The same cases as another compiled model answers them: one that scores alike and
/// has another digest.
pub(crate) fn answered_by(cases: &[u8], shelf: &[u8], digest: &str) -> Result<Vec<u8>> {
    #[derive(Deserialize)]
    struct Read {
        cases: Vec<Kept>,
    }
    let mut read: Read =
        serde_json::from_slice(cases).map_err(|e| internal("golden", e.to_string()))?;
    let ranker = open(shelf)?;
    let mut workspace = Workspace::default();
    for case in &mut read.cases {
        let request = parse(case.request.get())?;
        let response = rank::respond(&ranker, &request, digest, &mut workspace)
            .map_err(|e| internal("golden case", format!("{e:?}")))?;
        case.response =
            String::from_utf8(response).map_err(|e| internal("golden case", e.to_string()))?;
    }
    File::bytes(digest, read.cases)
}

fn open(shelf: &[u8]) -> Result<Ranker<&[u8]>> {
    Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))
}

fn parse(request: &str) -> Result<rank::Request> {
    rank::parse(request.as_bytes(), &shelfedge_wire::Limits::default())
        .map_err(|e| internal("golden request", e.to_string()))
}

fn query(request: &rank::Request) -> Result<shelfedge_ranking::Query<'_>> {
    request
        .query()
        .map_err(|e| internal("golden request", format!("{e:?}")))
}

/// The engine's inputs, by name.
fn inputs(ranker: &Ranker<&[u8]>, encoded: Encoded) -> Result<Vec<(&'static str, Values)>> {
    let mut all = vec![
        ("context", Values::F32(encoded.context)),
        ("candidate", Values::F32(encoded.candidate)),
        ("product", Values::I32(encoded.product)),
        ("title", Values::I32(encoded.title)),
        ("wide", Values::I32(encoded.wide)),
        ("session", Values::I32(encoded.session)),
    ];
    let logged = ["basket", "trail"];
    if let Some(port) = ranker.inputs().find(|port| logged.contains(&port.name)) {
        let name = if port.name == "basket" {
            "basket"
        } else {
            "trail"
        };
        all.push((name, Values::F32(encoded.logged)));
    }
    all.retain(|(name, _)| ranker.inputs().any(|port| port.name == *name));
    match ranker
        .inputs()
        .find(|port| !all.iter().any(|(name, _)| *name == port.name))
    {
        Some(port) => Err(internal(
            "model.shelf",
            format!("unknown input {}", port.name),
        )),
        None => Ok(all),
    }
}

/// A part of what recall finds for a request, spread over it.
fn some_found(
    ranker: &Ranker<&[u8]>,
    request: &str,
    keep: usize,
    workspace: &mut Workspace,
) -> Result<Vec<String>> {
    let parsed = parse(request)?;
    let prepared = ranker
        .prepare(&query(&parsed)?, workspace)
        .map_err(|e| internal("golden request", e.to_string()))?;
    let found = &prepared.candidates;
    let step = (found.len() / keep).max(1);
    Ok(found
        .iter()
        .step_by(step)
        .take(keep)
        .filter_map(|c| ranker.product(c.product).map(|p| quoted(p.id)))
        .collect())
}

fn is_answered(ranker: &Ranker<&[u8]>, request: &str, workspace: &mut Workspace) -> Result<bool> {
    Ok(rank::rank(ranker, &parse(request)?, workspace).is_ok())
}

/// The cases that have rules for the list.
const RULED: [usize; 4] = [6, 12, 18, 24];

/// The rules for a list that a made-up case has, and their fields.
fn rules(number: usize, ids: &[String], currency: Currency) -> Option<(&'static str, String)> {
    let [first, second, third, ..] = ids else {
        return None;
    };
    Some(match number {
        6 => ("diverse", r#""diversity":{"trade_off":0.4}"#.to_owned()),
        12 => (
            "sponsored",
            format!(
                r#""sponsored":{{"currency":"{currency}","places":[1,3],"reserve":1,"bids":[{{"item_id":{third},"bid":5}},{{"item_id":{first},"bid":4}},{{"item_id":{second},"bid":3}}]}}"#,
            ),
        ),
        18 => (
            "explores",
            r#""seed":7,"explore":{"policy":"thompson","places":[2,4],"share":0.5}"#.to_owned(),
        ),
        24 => (
            "explores, without one",
            format!(
                r#""seed":8,"exclude":[{second}],"explore":{{"policy":"linucb","places":[1,5]}}"#
            ),
        ),
        _ => return None,
    })
}

/// Requests of shoppers who are made up: a bundle is learnt from customers, and none
/// of them need be in the open for a test.
pub(crate) fn made_up(
    shelf: &[u8],
    now: Timestamp,
    kind: Kind<'_>,
) -> Result<Vec<(String, String)>> {
    let ranker = open(shelf)?;
    let mut workspace = Workspace::default();
    let products = ranker.product_count() as usize;
    let mut list = Vec::new();
    for number in 0..CASES {
        let mut events = Vec::new();
        let mut seen = None;
        for k in (0..number % 7).rev() {
            let items: Vec<String> = (0..1 + (number + k) % 4)
                .map(|j| (number / 2 * 131 + k / 2 * 977 + j * 53) % products)
                .filter_map(|product| ranker.product(product as u32))
                .map(|product| {
                    seen = Some(quoted(product.id));
                    format!(
                        r#"{{"item_id":{},"quantity":{}}}"#,
                        quoted(product.id),
                        1 + k
                    )
                })
                .collect();
            let time = match k == 0 && number % 2 == 1 {
                true => now.0 - 5 * MINUTE,
                false => now.0 - (1 + k as i64 * 19) * DAY,
            };
            // Something is bought in any case.
            let event = match k % 3 {
                2 => "purchase",
                1 if kind.event == LOOK && number % 4 == 3 => "add_to_cart",
                _ => kind.event,
            };
            events.push(format!(
                r#"{{"name":"{event}","id":"golden-{number}-{k}","time":"{}","params":{{"items":[{}]}}}}"#,
                Timestamp(time),
                items.join(",")
            ));
        }
        let head = format!(
            r#"{{"now":"{now}","shopper":"golden-{number}","list_id":"home","limit":{},"explain":{},"new_only":{},"context":{{"device":"{}","utc_offset_minutes":{}}}"#,
            // Places explore with what the list would not show.
            if kind.has_rules && RULED.contains(&number) {
                5
            } else {
                12
            },
            number % 2 == 0,
            number % 3 == 1,
            ["desktop", "mobile", "tablet"][number % 3],
            if number % 5 == 4 { 60 } else { 0 },
        );
        let tail = format!(r#","events":[{}]}}"#, events.join(","));
        let whole = format!("{head}{tail}");
        // A few cases rank what recall finds, two of them what is new; the others a
        // part of it, with what the shopper knows.
        let mut name = format!("{number:02} made up");
        let request = if [0, 3, 4, 10].contains(&number) {
            whole
        } else {
            let mut ids = some_found(&ranker, &whole, kind.candidates, &mut workspace)?;
            if number == 1 {
                ids.push(quoted("NO-SUCH-PRODUCT"));
            }
            ids.extend(seen.filter(|id| !ids.contains(id)));
            let head = format!(r#"{head},"candidates":[{}]"#, ids.join(","));
            let ruled = rules(number, &ids, ranker.info().currency)
                .filter(|_| kind.has_rules)
                .map(|(what, rules)| (what, format!("{head},{rules}{tail}")));
            match ruled {
                // A model may not know what a rule is about.
                Some((what, ruled)) if is_answered(&ranker, &ruled, &mut workspace)? => {
                    name = format!("{name}, {what}");
                    ruled
                }
                _ => head + &tail,
            }
        };
        list.push((name, request));
    }
    Ok(list)
}
