//! The model card of a ranking that was learnt from sequences.

use std::fmt::Write;

use super::{ASKED, Model, Outcome, Settings};
use crate::attention::Kind as Network;
use crate::import::sequences::{Kind, SequenceMapping};

/// Writes the card.
pub(super) fn card(
    mapping: &SequenceMapping,
    model: &Model,
    settings: &Settings,
    outcome: &Outcome,
) -> String {
    let mut out = String::new();
    let report = &outcome.report;
    let kind = match mapping.of {
        Kind::Sessions => "sessions of nobody known",
        Kind::Shoppers => "sequences of shoppers",
    };
    let _ = write!(
        out,
        "# What comes next\n\n\
         Ranks the product that follows a sequence of products. Learnt from {} {kind} over {} \
         products ({} of {} rows were usable).\n\n\
         ## Is it any good?\n\n",
        report.sequences, report.products, report.kept, report.rows
    );
    match &outcome.measured {
        None => out.push_str("Not measured: nothing was held back.\n"),
        Some(measured) => {
            let asked = match mapping.of {
                Kind::Sessions => {
                    format!(
                        "every step of the newest {} % of the sessions",
                        100.0 * ASKED
                    )
                }
                Kind::Shoppers => "the last product of every sequence".to_owned(),
            };
            let _ = write!(
                out,
                "Asked for {asked} ({} questions), a model that was learnt without them, compiled \
                 and run in the engine that the shop runs:\n\n\
                 | ranking | hit rate@20 | MRR@20 | hit rate@10 | NDCG@10 |\n|---|---:|---:|---:|---:|\n",
                measured.model.questions
            );
            for (name, score) in measured.rows() {
                let _ = writeln!(
                    out,
                    "| {name} | {:.4} | {:.4} | {:.4} | {:.4} |",
                    score.hit20, score.mrr20, score.hit10, score.ndcg10
                );
            }
        }
    }
    attention(&mut out, model, settings.attention.network, outcome);
    let _ = write!(
        out,
        "\n## What is in it\n\n\
         The log of sequences, an embedding of {} dimensions in 8 bits, and {} trees (LambdaMART) \
         over {} numbers of each candidate, learnt from {} lists with {} rows. {} bytes.\n\n\
         **The log holds what was looked at or bought, sequence by sequence, without names, times or \
         prices. Who downloads the model can read it. Ship it to browsers only where that is \
         acceptable; at the edge it stays with the shop.**\n\n\
         ## How it was learnt\n\n```toml\n{}```\n\n\
         The same seed gives the same bytes on the same machine. `golden.json` holds rankings for made-up \
         shoppers, with the learner's own scores.\n",
        outcome.dims,
        model.forest.trees.len(),
        model.reference.len(),
        model.lists,
        model.rows,
        outcome.shelf_bytes,
        toml::to_string(settings).unwrap_or_default(),
    );
    out
}

/// The sequence model: whether there is one, why, and how it was learnt.
fn attention(out: &mut String, model: &Model, network: Network, outcome: &Outcome) {
    let untried = outcome.attention_untried.as_ref();
    if outcome.attention.is_none() && model.attention.is_none() && untried.is_none() {
        return;
    }
    out.push_str("\n## The sequence model\n\n");
    if let Some(why) = untried {
        let _ = write!(
            out,
            "None was tried: of what came before the newest part, {why}.\n\n"
        );
    }
    if let Some(trial) = &outcome.attention {
        let _ = write!(
            out,
            "Both rankings were asked the same {} questions about what neither had seen: {trial}. \
             The better of two on these questions looks a little better there than it is.\n\n",
            trial.with.model.questions
        );
    }
    let Some((shelf, curve)) = &model.attention else {
        return;
    };
    let what = match network {
        Network::SelfAttention => "Self-attention over the newest products of a sequence",
        Network::Interest => {
            "A shopper's interest in the long run, learnt first, and what of the session's products \
             a candidate attends to (DIN)"
        }
    };
    let _ = write!(
        out,
        "{what}; its score of a candidate, that \
         less the best candidate's, and its rank are three of the numbers that the trees see. {} \
         bytes, compiled. Pass {} of the first log was the best:\n\n\
         | pass | loss | NDCG@10 among all products |\n|---:|---:|---:|\n",
        shelf.len(),
        curve.best
    );
    for epoch in &curve.epochs {
        let _ = writeln!(
            out,
            "| {} | {:.4} | {:.4} |",
            epoch.epoch, epoch.train_loss, epoch.valid_ndcg10
        );
    }
}
