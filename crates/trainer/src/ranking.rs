//! From a shop to a ranking bundle: learn, compile, measure, write.

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shelfedge_commerce::time::Timestamp;
use shelfedge_features::Spec;
use shelfedge_ranking::{Context, Query as RankQuery, Ranker, Workspace};
use shelfedge_wire::manifest::{self, Digests, Manifest, Part};

use crate::bundle::{MANIFEST, Staging};
use crate::card::{self, Comparison, Facts};
use crate::error::{Error, Result};
use crate::examples::{History, Snapshot, examples};
use crate::export::{self, internal};
use crate::golden;
use crate::import::{Imported, hex, import};
use crate::learn::{Epoch, Settings, learn};
use crate::metrics::Estimate;
use crate::model::{Dims, Weights};
use crate::plan::Plan;
use crate::protocol::{self, Case, Lists, Window, cases, evaluate, lists};
use crate::shop::Shop;
use crate::watch::Watch;

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
    history: &History,
    model: &Model,
    as_of: i64,
    data: [u8; 32],
    metrics: Option<&str>,
) -> Result<Compiled> {
    let spec_json = model.spec.to_json();
    let spec_digest: [u8; 32] = Sha256::digest(spec_json.as_bytes()).into();
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
        metadata.push(("shelfedge.metrics", metrics.to_owned()));
    }
    let onnx = export::onnx(&model.dims, &model.weights, &metadata)?;
    let onnx_digest: [u8; 32] = Sha256::digest(&onnx).into();
    let program = export::program(&onnx)?;
    let snapshot = Snapshot::fit(
        shop,
        history,
        &model.slots,
        as_of,
        [spec_digest, onnx_digest, data],
    );
    let shelf = program
        .compile(&[
            ("meta", snapshot.meta),
            ("spec", model.spec.write()),
            ("products", snapshot.written.products),
            ("similar", snapshot.written.similar),
            ("popular", snapshot.written.popular),
        ])
        .map_err(|e| internal("compile", e.to_string()))?;
    Ok(Compiled {
        onnx,
        shelf,
        spec_digest,
        onnx_digest,
    })
}

/// Ranks the queries of a window with the compiled model, as the shop would at
/// its first moment.
pub fn predict(
    shop: &Shop,
    history: &History,
    shelf: &[u8],
    window: Window,
    queries: &[Case],
    watch: &mut dyn Watch,
) -> Result<Lists> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    let mut to_shop = vec![0_u32; shop.products.len()];
    for (i, product) in shop.products.iter().enumerate() {
        if let Some(index) = ranker.find(&product.code) {
            to_shop[index as usize] = i as u32;
        }
    }
    let popular = protocol::popular(shop, window.from, 14);
    let mut workspace = Workspace::default();
    let mut failed = None;
    let mut done = 0_u64;
    let lists = lists(queries, |case| {
        if failed.is_some() {
            return Vec::new();
        }
        done += 1;
        if done.is_multiple_of(64) {
            watch.step("scoring", done, queries.len() as u64, "");
            if watch.cancelled() {
                failed = Some(Error::Cancelled);
            }
        }
        let query = RankQuery {
            now: Timestamp(window.from),
            events: history.before(case.customer, window.from),
            candidates: None,
            limit: shelfedge_ranking::MAX_LIMIT,
            context: Context::default(),
            explain: false,
        };
        match ranker.rank(&query, &mut workspace) {
            Ok(ranked) => {
                let mut order: Vec<u32> = ranked
                    .items
                    .iter()
                    .map(|item| to_shop[item.product as usize])
                    .collect();
                // A list that recall couldn't fill goes on with what is popular.
                let rest: Vec<u32> = popular
                    .iter()
                    .copied()
                    .filter(|p| !order.contains(p))
                    .take(220)
                    .collect();
                order.extend(rest);
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
        None => Ok(lists),
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
    let compiled = compile(shop, history, model, window.from, [0; 32], None)?;
    let predicted = predict(shop, history, &compiled.shelf, window, &queries, watch)?;
    Ok(Comparison {
        model: evaluate(&queries, &predicted, seed),
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
        candidates_hold: held(shop, history, &compiled.shelf, window, &queries)?,
    })
}

/// Share of the truth that the model's own candidates hold.
fn held(
    shop: &Shop,
    history: &History,
    shelf: &[u8],
    window: Window,
    queries: &[Case],
) -> Result<f64> {
    let ranker = Ranker::open(shelf).map_err(|e| internal("model.shelf", e.to_string()))?;
    let mut workspace = Workspace::default();
    let (mut hits, mut all) = (0_usize, 0_usize);
    for case in queries {
        let query = RankQuery {
            now: Timestamp(window.from),
            events: history.before(case.customer, window.from),
            candidates: None,
            limit: shelfedge_ranking::MAX_LIMIT,
            context: Context::default(),
            explain: false,
        };
        let ranked = ranker
            .rank(&query, &mut workspace)
            .map_err(|e| internal("rank", e.to_string()))?;
        let mut offered: Vec<u32> = ranked.items.iter().map(|i| i.product).collect();
        offered.sort_unstable();
        all += case.truth.len();
        hits += case
            .truth
            .iter()
            .filter_map(|&p| ranker.find(&shop.products[p as usize].code))
            .filter(|p| offered.binary_search(p).is_ok())
            .count();
    }
    Ok(hits as f64 / all.max(1) as f64)
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
    /// The window scored once.
    pub test: Comparison,
    /// The validation curve.
    pub curve: Vec<Epoch>,
    /// Largest difference between learner and engine.
    pub parity: f64,
    /// Parts and their bytes.
    pub parts: BTreeMap<String, usize>,
}

/// Reads a shop, learns, measures and writes the bundle.
pub fn run(
    shop_path: &Path,
    mapping: Option<&Path>,
    out: &Path,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Outcome> {
    // An output that can't be written should not cost three minutes to find.
    drop(Staging::begin(out)?);
    let Imported {
        shop,
        report,
        digest: data,
    } = import(shop_path, mapping, watch)?;
    let plan = Plan::of(&shop)?;
    let history = History::of(&shop)?;
    let model = train(&shop, &history, &plan.train, plan.valid, settings, watch)?;
    let valid = measure(&shop, &history, &model, plan.valid, settings.seed, watch)?;
    let test = measure(&shop, &history, &model, plan.test, settings.seed, watch)?;

    // What is shipped knows all orders.
    let as_of = shop.end() + 1_000;
    let metrics = serde_json::json!({ "valid": valid, "test": test }).to_string();
    let compiled = compile(&shop, &history, &model, as_of, data, Some(&metrics))?;
    let digest = format!("sha256:{}", hex(&manifest::sha256(&compiled.shelf)));
    let golden = golden::golden(
        &shop,
        &history,
        &plan,
        &model.dims,
        &model.weights,
        &compiled.shelf,
        &digest,
    )?;
    let sizes = [
        ("model.shelf", compiled.shelf.len()),
        ("model.onnx", compiled.onnx.len()),
        ("golden.json", golden.bytes.len()),
    ];
    let attribution = std::fs::read_to_string(if shop_path.is_dir() {
        shop_path.join("ATTRIBUTION.md")
    } else {
        shop_path.with_file_name("ATTRIBUTION.md")
    })
    .ok();
    let card = card::card(&Facts {
        report: &report,
        attribution: attribution.as_deref(),
        plan: &plan,
        dims: &model.dims,
        settings,
        curve: &model.curve,
        examples: model.examples,
        valid: &valid,
        test: &test,
        parity: golden.parity,
        golden: golden.cases,
        as_of: Timestamp(shop.end()),
        sizes: &sizes,
    });
    let digests = Digests {
        spec: compiled.spec_digest,
        onnx: compiled.onnx_digest,
        data,
    };
    let manifest = Manifest {
        task: "ranking".to_owned(),
        producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
        created: Timestamp(shop.end()),
        parts: [
            ("model.shelf".to_owned(), Part::of(&compiled.shelf)),
            ("model.onnx".to_owned(), Part::of(&compiled.onnx)),
            ("golden.json".to_owned(), Part::of(&golden.bytes)),
        ]
        .into_iter()
        .collect(),
        digests,
        shelf: digests,
    };
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let staging = Staging::begin(out)?;
    staging.write("model.shelf", &compiled.shelf)?;
    staging.write("model.onnx", &compiled.onnx)?;
    staging.write("golden.json", &golden.bytes)?;
    staging.write("CARD.md", card.as_bytes())?;
    staging.write(MANIFEST, &manifest.to_json())?;
    staging.commit()?;
    Ok(Outcome {
        out: out.display().to_string(),
        examples: model.examples,
        embedded: model.slots.len(),
        valid,
        test,
        curve: model.curve,
        parity: golden.parity,
        parts: sizes
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), *bytes))
            .collect(),
    })
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
        for (window, c) in [("valid", &self.valid), ("test", &self.test)] {
            for (list, new) in [("all products", false), ("new to the customer", true)] {
                for (name, scores) in [
                    ("this model", &c.model),
                    ("personal frequency", &c.personal_frequency),
                    ("popularity, 14 days", &c.popularity),
                ] {
                    let m = if new { &scores.new } else { &scores.all };
                    let cell =
                        |e: &Estimate| format!("{:.3} [{:.3}, {:.3}]", e.value, e.low, e.high);
                    table.add_row([
                        window.to_owned(),
                        list.to_owned(),
                        name.to_owned(),
                        cell(&m.ndcg10),
                        cell(&m.recall20),
                        cell(&m.hit10),
                    ]);
                }
            }
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(name, bytes)| format!("{name} {bytes} bytes"))
            .collect();
        format!(
            "{table}\n{}: {}\n{} examples, {} products with an embedding, candidates hold {:.1} % (valid) and {:.1} % (test) of what was bought, engine within {:.1e} of the learner",
            self.out,
            parts.join(", "),
            self.examples,
            self.embedded,
            100.0 * self.valid.candidates_hold,
            100.0 * self.test.candidates_hold,
            self.parity
        )
    }
}
