//! The command `assistant`: models, flows and facts to one bundle.

mod golden;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;
use shelfedge_assistant::flow::{ENTITY_KINDS, Flows, compile};
use shelfedge_assistant::{Assistant, Classifier, SECTIONS, Shop, Tagger, country, unfit_tags};
use shelfedge_commerce::{Currency, Timestamp};
use shelfedge_engine::file;
use shelfedge_wire::manifest::{Digests, Manifest, Part, sha256};

use crate::bundle::{self, CARD, MANIFEST, Opened, Staging};
use shelfedge_commerce::fault::Fault;

use crate::error::{Error, Result, fault};
use crate::export::internal;

/// What an assistant is made of.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The bundle of the model of intents.
    pub intent: &'a Path,
    /// The bundle of a model of sentiment.
    pub sentiment: Option<&'a Path>,
    /// The bundle of a tagger of slots.
    pub slots: Option<&'a Path>,
    /// The file of flows.
    pub flows: &'a Path,
    /// A compiled graph.
    pub graph: Option<&'a Path>,
    /// The dialogue's policy.
    pub policy: Option<&'a Path>,
    /// What order numbers look like.
    pub orders: Vec<String>,
    /// What the numbers of its articles look like.
    pub skus: Vec<String>,
    /// The shop's currency.
    pub currency: Option<&'a str>,
    /// Where phone numbers without a country code are from.
    pub country: Option<&'a str>,
}

/// What the command did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The bundle's folder.
    pub out: String,
    /// Bytes of each part.
    pub parts: Vec<(&'static str, usize)>,
    /// Bytes of all.
    pub bytes: usize,
    /// Conversations that any target can be asked for.
    pub conversations: usize,
    /// Their turns.
    pub turns: usize,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (name, bytes) in &self.parts {
            let _ = writeln!(out, "  {name:<12}{bytes:>12}");
        }
        let _ = write!(
            out,
            "{}: {} bytes, {} conversations of {} turns to replay",
            self.out, self.bytes, self.conversations, self.turns
        );
        out
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::io("read", path, e))
}

/// The flows, compiled; every fault with its line.
fn flows(path: &Path, intents: &[&str]) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    let source = String::from_utf8(read(path)?).map_err(|_| {
        Error::fault(
            "flows_not_utf8",
            name.clone(),
            "it isn't UTF-8",
            "save it as UTF-8",
        )
    })?;
    compile::compile(&source, intents).map_err(|faults| {
        let each = |it: &compile::Fault| {
            let at = format!("{name}:{}:{}", it.line, it.column);
            fault(it.code, at, it.cause.clone(), it.action)
        };
        Error::Invalid(faults.iter().map(each).collect())
    })
}

/// What the recognisers know; every fault at once.
pub(crate) fn shop(
    [orders, skus]: [&[String]; 2],
    currency: Option<&str>,
    of_country: Option<&str>,
    intent: String,
) -> Result<Shop> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut shop = Shop {
        intent,
        orders: orders.to_vec(),
        skus: skus.to_vec(),
        ..Shop::default()
    };
    let orders = orders.iter().map(|it| ("--orders", it));
    let skus = skus.iter().map(|it| ("--skus", it));
    for (option, pattern) in orders.chain(skus) {
        let found = shelfedge_assistant::entities::Pattern::new(pattern).err();
        for error in found.into_iter().flatten() {
            let at = format!("{option} {pattern}");
            let action = "as ###### or AB-####";
            faults.push(fault("pattern_invalid", at, error.to_string(), action));
        }
    }
    if let Some(code) = currency {
        match Currency::parse(code) {
            Ok(currency) => shop.currency = Some(currency),
            Err(invalid) => faults.push(invalid.at("--currency")),
        }
    }
    if let Some(code) = of_country {
        shop.country = country(code);
        if shop.country.is_none() {
            let cause = format!("{code:?} isn't known");
            let action = "name CN, GB or US, or leave it out";
            faults.push(fault("country_unknown", "--country", cause, action));
        }
    }
    match faults.is_empty() {
        true => Ok(shop),
        false => Err(Error::Invalid(faults)),
    }
}

/// Puts an assistant together, and writes the bundle.
///
/// # Errors
/// A part that can't be read or used, with every fault of the flows and of what is known of
/// the shop; a folder that can't be written.
pub fn run(parts: Parts<'_>, out: &Path) -> Result<Outcome> {
    let staging = Staging::begin(out)?;
    let intent = bundle::open(parts.intent)?;
    let sentiment = parts.sentiment.map(bundle::open).transpose()?;
    let classifier = Classifier::open(&intent.shelf[..]).map_err(|error| {
        let at = parts.intent.display().to_string();
        let action = "name a bundle that `shelfedge-train intent` wrote";
        Error::fault("not_a_classifier", at, error.to_string(), action)
    })?;
    let intents: Vec<&str> = (classifier.labels().names.iter())
        .map(String::as_str)
        .collect();
    let flows = flows(parts.flows, &intents)?;
    let slots = parts.slots.map(bundle::open).transpose()?;
    if let (Some(path), Some(slots)) = (parts.slots, &slots) {
        fit(path, slots, &flows)?;
    }
    let shop = shop(
        [&parts.orders, &parts.skus],
        parts.currency,
        parts.country,
        intent.manifest.model_digest(),
    )?
    .write();
    let graph = parts.graph.map(read).transpose()?;
    let policy = parts.policy.map(read).transpose()?;
    let sections: Vec<(&'static str, &[u8])> = SECTIONS
        .into_iter()
        .zip([
            Some(&shop),
            Some(&flows),
            Some(&intent.shelf),
            sentiment.as_ref().map(|it| &it.shelf),
            graph.as_ref(),
            slots.as_ref().map(|it| &it.shelf),
            policy.as_ref(),
        ])
        .filter_map(|(name, bytes)| Some((name, &bytes?[..])))
        .collect();
    let shelf = file::write(&sections).map_err(|e| internal("assistant", e.to_string()))?;
    let assistant = Assistant::open(&shelf[..]).map_err(|error| {
        let action = "make this part again with this version of the program";
        Error::fault("part_unusable", error.section, error.cause, action)
    })?;
    let digest = format!("sha256:{}", shelfedge_wire::manifest::hex(&sha256(&shelf)));
    let golden = golden::write(&assistant, &digest)?;
    let models = [Some(&intent), sentiment.as_ref(), slots.as_ref()];
    let digests = Digests {
        spec: sha256(&flows),
        onnx: of_all(models, |it| it.manifest.digests.onnx),
        data: of_all(models, |it| it.manifest.digests.data),
    };
    let manifest = Manifest {
        task: "assistant".to_owned(),
        producer: format!("shelfedge-train {}", env!("CARGO_PKG_VERSION")),
        created: Timestamp(0),
        parts: [
            ("model.shelf".to_owned(), Part::of(&shelf)),
            (crate::golden::FILE.to_owned(), Part::of(&golden.bytes)),
        ]
        .into_iter()
        .collect(),
        digests,
        shelf: digests,
    };
    let card = card(&parts, &sections, models);
    for (name, bytes) in [
        ("model.shelf", &shelf[..]),
        (crate::golden::FILE, &golden.bytes),
        (CARD, card.as_bytes()),
        (MANIFEST, &manifest.to_json()),
    ] {
        staging.write(name, bytes)?;
    }
    staging.commit()?;
    Ok(Outcome {
        out: out.display().to_string(),
        parts: sections.iter().map(|(n, b)| (*n, b.len())).collect(),
        bytes: shelf.len(),
        conversations: golden.conversations,
        turns: golden.turns,
    })
}

/// One digest of the models'.
fn of_all(models: [Option<&Opened>; 3], of: impl Fn(&Opened) -> [u8; 32]) -> [u8; 32] {
    let digests: Vec<u8> = models.into_iter().flatten().flat_map(of).collect();
    sha256(&digests)
}

/// Whether the flows have a use for each tag of the tagger; every one that they haven't is a
/// fault.
fn fit(path: &Path, slots: &Opened, flows: &[u8]) -> Result<()> {
    let at = path.display().to_string();
    let tagger = Tagger::open(&slots.shelf[..]).map_err(|error| {
        let action = "name a bundle that `shelfedge-train slots` wrote";
        Error::fault("not_a_tagger", at.clone(), error.to_string(), action)
    })?;
    let flows = Flows::open(flows).map_err(|e| internal("flows", e.to_string()))?;
    let kinds = ENTITY_KINDS.iter().copied();
    let kinds: Vec<&str> = kinds
        .filter(|it| !["choice", "text"].contains(it))
        .collect();
    let free = (0..flows.slots()).map(|slot| flows.slot(slot));
    let free: Vec<&str> = free
        .filter(|it| it.entity == "text")
        .map(|it| it.name)
        .collect();
    let free = match free.is_empty() {
        true => "(there are none)".to_owned(),
        false => free.join(", "),
    };
    let faults: Vec<Fault> = unfit_tags(&tagger, &flows)
        .map(|tag| {
            fault(
                "tag_unknown",
                format!("{at}: {tag}"),
                "it is no entity and no slot of the flows for text",
                format!(
                    "name it in the texts as an entity ({}), or as a slot of the flows whose entity is text: {free}; or leave it unmarked",
                    kinds.join(", ")
                ),
            )
        })
        .collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(faults)),
    }
}

fn card(parts: &Parts<'_>, sections: &[(&str, &[u8])], models: [Option<&Opened>; 3]) -> String {
    let mut out = String::from("# A shop's assistant\n\n");
    let _ = writeln!(
        out,
        "Put together by `shelfedge-train assistant`. What it says stands in its flows (`{}`); what orders, prices and \
         answers are, the shop's own actions and its facts say.\n\n| part | bytes |\n|---|---:|",
        parts.flows.file_name().unwrap_or_default().display()
    );
    for (name, bytes) in sections {
        let _ = writeln!(out, "| {name} | {} |", bytes.len());
    }
    let orders = parts.orders.iter().map(|it| format!("`{it}`"));
    let _ = writeln!(
        out,
        "\nOrder numbers look like {}.",
        orders.collect::<Vec<_>>().join(", ")
    );
    if parts.policy.is_some() {
        out.push_str(
            "\nWhere its rules leave open what a text means for the flows, a network chooses (`policy`), learnt \
             from simulated customers with the texts that the model of intents was taught with. It is unproven on \
             real chats.\n",
        );
    }
    let titles = [
        "The model of intents",
        "The model of sentiment",
        "The tagger of slots",
    ];
    for (title, model) in titles.into_iter().zip(models) {
        if let Some(Opened { card, .. }) = model {
            let _ = write!(out, "\n## {title}\n");
            // Its own title is this one.
            for line in card.lines().skip(1) {
                let deeper = if line.starts_with('#') { "#" } else { "" };
                let _ = writeln!(out, "{deeper}{line}");
            }
        }
    }
    out
}
