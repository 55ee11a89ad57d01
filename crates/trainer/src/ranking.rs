//! From a shop to a ranking bundle: learn, compile, measure, write.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use comfy_table::{Table, presets};
use serde::Serialize;
use shelfedge_commerce::time::{HOUR, SECOND, Timestamp};
use shelfedge_engine::program::Program;
use shelfedge_features::Spec;
use shelfedge_ranking::{Context, MAX_EVENTS, Query as RankQuery, Ranker, Workspace};
use shelfedge_wire::manifest::{Digests, Manifest, Part, hex, sha256};

use crate::bundle::{CARD, MANIFEST, Staging};
use crate::card::{self, Comparison, Facts};
use crate::error::{Error, Result};
use crate::examples::{History, Snapshot, examples};
use crate::export::{self, internal};
use crate::golden;
use crate::import::{Imported, import};
use crate::learn::{Epoch, Settings, learn};
use crate::model::{Dims, Net, Weights};
use crate::plan::{LastMonth, Plan};
use crate::protocol::{self, Case, Lists, Window, cases, evaluate, lists};
use crate::questions;
use crate::shop::Shop;
use crate::watch::Watch;

/// The key of a reference's metadata under which both windows' metrics stand.
pub(crate) const METRICS: &str = "shelfedge.metrics";

/// A learnt model, before it is bound to tables.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it sees.
    pub spec: Spec,
    /// Sizes.
    pub dims: Dims,
    /// Rounded weights.
    pub weights: Weights,
    /// Embedding slots by product id.
    pub slots: BTreeMap<String, u32>,
    /// The validation curve.
    pub curve: Vec<Epoch>,
    /// Rankings that taught.
    pub examples: usize,
    /// Questions for shoppers of whom nothing is known, at most.
    pub questions: usize,
}

/// Learns from train windows, stopping by the valid window.
pub fn train(
    shop: &Shop,
    history: &History,
    windows: &[Window],
    valid: Window,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Model> {
    let made = examples(shop, history, windows, valid, settings.seed, watch)?;
    let dims = Dims::of(&made.spec);
    let count = made.train.len();
    let learnt = learn(&dims, made.train, &made.valid, settings, watch)?;
    Ok(Model {
        spec: made.spec,
        dims,
        weights: learnt.weights,
        slots: made.slots,
        curve: learnt.curve,
        examples: count,
        questions: settings.questions,
    })
}

/// A model bound to tables: what is shipped.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// The compiled model.
    pub shelf: Vec<u8>,
    /// SHA-256 of the spec's JSON.
    pub spec_digest: [u8; 32],
    /// SHA-256 of the ONNX file.
    pub onnx_digest: [u8; 32],
}

/// Binds a model to the tables as of a moment.
pub fn compile(
    shop: &Shop,
    model: &Model,
    as_of: i64,
    data: [u8; 32],
    metrics: Option<&str>,
) -> Result<Compiled> {
    let spec_json = model.spec.to_json();
    let spec_digest = sha256(spec_json.as_bytes());
    let mut metadata = vec![
        ("shelfedge.task", "ranking".to_owned()),
        ("shelfedge.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("shelfedge.spec_sha256", hex(&spec_digest)),
        ("shelfedge.data_sha256", hex(&data)),
        ("shelfedge.as_of", Timestamp(as_of).to_string()),
        (
            "shelfedge.licence",
            "weights and tables under the licence of the training data; see CARD.md".to_owned(),
        ),
        ("shelfedge.spec", spec_json),
    ];
    if let Some(metrics) = metrics {
        metadata.push((METRICS, metrics.to_owned()));
    }
    let onnx = export::onnx(&model.dims, &model.weights, &metadata)?;
    let onnx_digest = sha256(&onnx);
    let program = export::program(&onnx)?;
    let snapshot = Snapshot::fit(shop, &model.slots, as_of, [spec_digest, onnx_digest, data]);
    let asked = match model.questions {
        0 => None,
        most => questions::section(&shop.until(as_of), most),
    };
    let shelf = bind(&program, &model.spec, snapshot, asked)?;
    Ok(Compiled {
        onnx,
        shelf,
        spec_digest,
        onnx_digest,
    })
}

/// A compiled model with the network that it has, and tables as of another
/// moment: what the network is worth on orders that its tables may not know.
pub(crate) fn as_of(shop: &Shop, shelf: &[u8], onnx: &[u8], as_of: i64) -> Result<Vec<u8>> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    let tables = ranker.tables();
    let slots: BTreeMap<String, u32> = (0..ranker.product_count())
        .filter_map(|at| Some((tables.product(at)?.id.to_owned(), tables.stats(at).slot)))
        .filter(|(_, slot)| *slot > 0)
        .collect();
    let meta = ranker.info();
    let digests = [meta.spec, meta.onnx, meta.data];
    let snapshot = Snapshot::fit(shop, &slots, as_of, digests);
    bind(&export::program(onnx)?, ranker.spec(), snapshot, None)
}

/// A program with its tables, and with what it asks.
fn bind(
    program: &Program,
    spec: &Spec,
    snapshot: Snapshot,
    questions: Option<(&'static str, Vec<u8>)>,
) -> Result<Vec<u8>> {
    let mut sections = vec![
        ("meta", snapshot.meta),
        ("spec", spec.write()),
        ("products", snapshot.written.products),
        ("similar", snapshot.written.similar),
        ("popular", snapshot.written.popular),
    ];
    sections.extend(snapshot.attributes);
    sections.extend(questions);
    program
        .compile(&sections)
        .map_err(|e| internal("compile", e.to_string()))
}

/// What a compiled model ranks for the queries of a window.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// Two lists for each query.
    pub lists: Lists,
    /// Share of the truth that the model's own candidates hold; 0 where there
    /// is no truth.
    pub candidates_hold: f64,
}

/// Ranks the queries of a window with the compiled model, as the shop would at
/// its first moment; with `new_only`, asks for nothing that was bought before.
pub fn predict(
    shop: &Shop,
    history: &History,
    shelf: &[u8],
    window: Window,
    queries: &[Case],
    new_only: bool,
    watch: &mut dyn Watch,
) -> Result<Predicted> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    // A product that the shop doesn't know has its place, and is never wanted.
    let own = shop.products.len() as u32;
    let mut to_shop: Vec<u32> = (own..own + ranker.product_count()).collect();
    for (i, product) in shop.products.iter().enumerate() {
        if let Some(index) = ranker.find(&product.code) {
            to_shop[index as usize] = i as u32;
        }
    }
    let popular = protocol::popular(shop, window.from, 14);
    let mut listed = vec![false; shop.products.len() + to_shop.len()];
    let mut workspace = Workspace::default();
    let mut failed = None;
    let mut done = 0_u64;
    let (mut hits, mut wanted) = (0_usize, 0_usize);
    let lists = lists(queries, |case| {
        if failed.is_some() {
            return Vec::new();
        }
        done += 1;
        if done.is_multiple_of(64) || done == queries.len() as u64 {
            watch.step("scoring", done, queries.len() as u64, "");
            if watch.cancelled() {
                failed = Some(Error::Cancelled);
            }
        }
        let events = history.before(shop, case.customer, window.from);
        let query = RankQuery {
            now: Timestamp(window.from),
            events: &events[events.len().saturating_sub(MAX_EVENTS)..],
            candidates: None,
            exclude: &[],
            limit: shelfedge_ranking::MAX_LIMIT,
            new_only,
            context: Context::default(),
            explain: false,
            answered: &[],
        };
        match ranker.rank(&query, &mut workspace) {
            Ok(ranked) => {
                let mut order: Vec<u32> = ranked
                    .items
                    .iter()
                    .map(|item| to_shop[item.product as usize])
                    .collect();
                wanted += case.truth.len();
                hits += order
                    .iter()
                    .filter(|p| case.truth.binary_search(p).is_ok())
                    .count();
                // A list that recall couldn't fill goes on with what is popular.
                listed.fill(false);
                for &product in &order {
                    listed[product as usize] = true;
                }
                order.extend(popular.iter().filter(|&&p| !listed[p as usize]));
                order
            }
            Err(e) => {
                failed = Some(internal("rank", e.to_string()));
                Vec::new()
            }
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(Predicted {
            lists,
            candidates_hold: hits as f64 / wanted.max(1) as f64,
        }),
    }
}

/// Measures a model in a window: tables as of its beginning, scored by the
/// compiled model, beside both baselines.
pub fn measure(
    shop: &Shop,
    history: &History,
    model: &Model,
    window: Window,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Comparison> {
    let queries = cases(shop, window);
    let compiled = compile(shop, model, window.from, [0; 32], None)?;
    let predicted = predict(
        shop,
        history,
        &compiled.shelf,
        window,
        &queries,
        false,
        watch,
    )?;
    Ok(Comparison {
        model: evaluate(&queries, &predicted.lists, seed),
        popularity: evaluate(
            &queries,
            &protocol::popularity(shop, &queries, window),
            seed,
        ),
        personal_frequency: evaluate(
            &queries,
            &protocol::personal_frequency(shop, &queries, window),
            seed,
        ),
        candidates_hold: predicted.candidates_hold,
    })
}

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the bundle was written.
    pub out: String,
    /// Rankings that taught.
    pub examples: usize,
    /// Products with an embedding.
    pub embedded: usize,
    /// The window that stopped the learning.
    pub valid: Comparison,
    /// The window that was held back, if one was.
    pub test: Option<Comparison>,
    /// The validation curve.
    pub curve: Vec<Epoch>,
    /// Largest difference between learner and engine.
    pub parity: f64,
    /// Parts and their bytes.
    pub parts: BTreeMap<String, usize>,
}

/// A bundle that isn't written yet, and what was found on the way to it.
#[derive(Debug)]
pub struct Bundle {
    /// The parts, in the order in which they are written.
    parts: [(&'static str, Vec<u8>); 5],
    examples: usize,
    embedded: usize,
    valid: Comparison,
    test: Option<Comparison>,
    curve: Vec<Epoch>,
    parity: f64,
}

/// Learns by a plan, measures, and makes the bundle whose tables know all
/// orders.
pub fn build(
    imported: &Imported,
    history: &History,
    plan: &Plan,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Bundle> {
    let Imported {
        shop,
        report,
        digest: data,
        attribution,
        ..
    } = imported;
    let model = train(shop, history, &plan.train, plan.valid, settings, watch)?;
    let mut measured = |window| measure(shop, history, &model, window, settings.seed, watch);
    let valid = measured(plan.valid)?;
    let test = plan.test.map(measured).transpose()?;

    // What is shipped knows all orders.
    let as_of = shop.end() + SECOND;
    let metrics = serde_json::json!({ "valid": valid, "test": test }).to_string();
    let compiled = compile(shop, &model, as_of, *data, Some(&metrics))?;
    let shelf = Part::of(&compiled.shelf);
    let device = Device::flex();
    let net = Net::new(&model.dims, &model.weights, true, &device);
    let golden = golden::golden(
        golden::made_up(
            &compiled.shelf,
            Timestamp(shop.end() + HOUR),
            golden::Kind {
                event: golden::LOOK,
                candidates: 16,
                has_rules: false,
            },
        )?,
        &compiled.shelf,
        &format!("sha256:{}", hex(&shelf.sha256)),
        |encoded| net.score(&model.dims, encoded, &device),
    )?;
    let card = card::card(&Facts {
        report,
        attribution: attribution.as_deref(),
        plan,
        dims: &model.dims,
        settings,
        curve: &model.curve,
        examples: model.examples,
        valid: &valid,
        test: test.as_ref(),
        parity: golden.parity,
        golden: golden.cases,
        as_of: Timestamp(shop.end()),
        sizes: &[
            (SHELF, compiled.shelf.len()),
            (ONNX, compiled.onnx.len()),
            (golden::FILE, golden.bytes.len()),
        ],
    });
    let digests = Digests {
        spec: compiled.spec_digest,
        onnx: compiled.onnx_digest,
        data: *data,
    };
    let manifest = Manifest {
        task: "ranking".to_owned(),
        producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
        created: Timestamp(shop.end()),
        parts: [
            (SHELF.to_owned(), shelf),
            (ONNX.to_owned(), Part::of(&compiled.onnx)),
            (golden::FILE.to_owned(), Part::of(&golden.bytes)),
        ]
        .into_iter()
        .collect(),
        digests,
        shelf: digests,
    };
    Ok(Bundle {
        parts: [
            (SHELF, compiled.shelf),
            (ONNX, compiled.onnx),
            (golden::FILE, golden.bytes),
            (CARD, card.into_bytes()),
            (MANIFEST, manifest.to_json()),
        ],
        examples: model.examples,
        embedded: model.slots.len(),
        valid,
        test,
        curve: model.curve,
        parity: golden.parity,
    })
}

const SHELF: &str = "model.shelf";
const ONNX: &str = "model.onnx";

impl Bundle {
    /// The compiled model with its tables.
    pub fn shelf(&self) -> &[u8] {
        &self.parts[0].1
    }

    /// Adds to what its card tells.
    pub(crate) fn tell(&mut self, text: &str) {
        self.parts[3].1.extend_from_slice(text.as_bytes());
    }

    /// Puts the bundle in the place of what is at `out`.
    pub fn write(self, out: &Path) -> Result<Outcome> {
        let staging = Staging::begin(out)?;
        for (name, bytes) in &self.parts {
            staging.write(name, bytes)?;
        }
        staging.commit()?;
        Ok(Outcome {
            out: out.display().to_string(),
            examples: self.examples,
            embedded: self.embedded,
            valid: self.valid,
            test: self.test,
            curve: self.curve,
            parity: self.parity,
            parts: self.parts[..3]
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), bytes.len()))
                .collect(),
        })
    }
}

/// Reads a shop, learns, measures and writes the bundle.
pub fn run(
    shop: &Path,
    mapping: Option<&Path>,
    out: &Path,
    last: LastMonth,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost a minute to find.
    drop(Staging::begin(out)?);
    let imported = import(shop, mapping, watch)?;
    let plan = Plan::of(&imported.shop, last)?;
    let history = History::of(&imported.shop)?;
    let bundle = build(&imported, &history, &plan, settings, watch)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    bundle.write(out)
}

impl Outcome {
    /// For a person: the test window beside the baselines, and the parts.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "window",
            "list",
            "ranking",
            "NDCG@10",
            "recall@20",
            "hit rate@10",
        ]);
        let windows = [("valid", Some(&self.valid)), ("test", self.test.as_ref())];
        for (window, c) in windows {
            for (list, name, m) in c.iter().flat_map(|c| c.rows()) {
                table.add_row([
                    window.to_owned(),
                    list.to_owned(),
                    name.to_owned(),
                    m.ndcg10.to_string(),
                    m.recall20.to_string(),
                    m.hit10.to_string(),
                ]);
            }
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(name, bytes)| format!("{name} {bytes} bytes"))
            .collect();
        let held: Vec<String> = windows
            .iter()
            .filter_map(|(window, c)| {
                let share = 100.0 * c.as_ref()?.candidates_hold;
                Some(format!("{share:.1} % ({window})"))
            })
            .collect();
        format!(
            "{table}\n{}\n{}: {}\n{} examples, {} products with an embedding, candidates hold {} of what was bought, engine within {:.1e} of the learner",
            match self.test {
                Some(_) =>
                    "valid stopped the learning, so it flatters the model; test had no part in it",
                None =>
                    "valid stopped the learning, so it flatters the model; nothing unseen was scored",
            },
            self.out,
            parts.join(", "),
            self.examples,
            self.embedded,
            held.join(" and "),
            self.parity
        )
    }
}
