//! The model card of a ranking that was learnt from orders alone.

use std::fmt::Write;

use shelfedge_features::basket::groups;
use shelfedge_features::spec::Group;

use super::{Model, Outcome, Settings, WINDOW};
use crate::card::{data, licence, scores, span};
use crate::import::Imported;
use crate::protocol::Window;

/// Writes the card.
pub(super) fn card(
    imported: &Imported,
    model: &Model,
    settings: &Settings,
    measured: Option<Window>,
    outcome: &Outcome,
) -> String {
    let mut out = format!(
        "# What customers order next\n\n\
         Ranks a shop's products for a shopper from the orders of that shopper and of others: one list of \
         everything, and one of what is new to the shopper.\n\n\
         Producer: shelfedge-train {}. Seed {}.\n\n\
         ## Purpose and limits\n\n\
         For ordering products on a page of the shop whose orders it was learnt from. Not for prices, \
         credit, or any decision about a person.\n\n\
         - It knows orders only; what a shopper looks at changes nothing.\n\
         - Without orders of the shopper's own the candidates are what is popular.\n\
         - What is new to the shopper is what none of the orders holds that a request tells.\n\
         - Popularity, prices and ages are as of the newest order that it knows: make it again every few weeks.\n\
         - Titles are the newest ones, in the windows that teach, too.\n\
         - It is measured on who bought what, under whatever the shop showed at the time. That is not the \
         same as the effect of showing these rankings; only an experiment tells that.\n\n",
        env!("CARGO_PKG_VERSION"),
        settings.seed
    );
    data(&mut out, &imported.report, imported.attribution.as_deref());
    out.push_str("## Quality\n\n");
    match (measured, &outcome.measured) {
        (Some(window), Some(measured)) => {
            let _ = writeln!(
                out,
                "A model that was learnt from the orders before the newest {WINDOW} days, compiled and run in the \
                 engine that the shop runs, was asked for those. In brackets 95 % bootstrap intervals over \
                 customers. What is shipped was learnt again, from all orders.\n"
            );
            scores(&mut out, &span(&window), measured);
        }
        _ => out.push_str("Not measured: nothing was held back.\n\n"),
    }
    let _ = writeln!(
        out,
        "## What is in it\n\n\
         Four tables from product to product with {} weights each at most (cosines of customers, of the newest \
         customers and of orders; EASE), what customers bought (at most {} bytes, the newest customers first), titles as TF-IDF{}, and {} trees (LambdaMART) over {} numbers of each candidate, learnt from \
         {} windows of {WINDOW} days: {} lists of everything, {} of what was new, {} rows. It has {} products, of which {} were never sold, and asks \
         new shoppers {} questions. {} bytes.\n\n\
         **It holds what each customer bought, without names, and when, to within days. Who downloads the model can read \
         it, and with it the prices. Ship it to browsers only where that is acceptable; at the edge it stays with the \
         shop.**\n\n\
         | what the trees look at | share of what they gained |\n|---|---:|",
        model.room.weights,
        model.room.customers,
        match model.room.photo {
            0 => String::new(),
            width => format!(", photos as {width} numbers of 8 bits"),
        },
        model.forest.trees.len(),
        model.reference[0].len(),
        outcome.windows,
        outcome.lists[0],
        outcome.lists[1],
        outcome.rows,
        outcome.products[0],
        outcome.products[1],
        outcome.questions,
        outcome.shelf_bytes
    );
    let all: f64 = model.forest.gain.iter().sum();
    for (group, name) in [
        (
            Group::BoughtBefore,
            "the shopper's own orders of the product",
        ),
        (Group::History, "what goes with the shopper's orders"),
        (Group::Popularity, "how many buy it"),
        (Group::Age, "how long it has been on sale"),
        (Group::Product, "how it is bought"),
        (Group::Price, "its price"),
        (Group::Request, "the shopper's habits"),
    ] {
        let gains = model.forest.gain.iter().zip(groups(model.room.photo > 0));
        let gain: f64 = gains
            .filter(|(_, g)| *g == group)
            .map(|(gain, _)| gain)
            .sum();
        let _ = writeln!(out, "| {name} | {:.1} % |", 100.0 * gain / all.max(1e-9));
    }
    let _ = writeln!(
        out,
        "\n## How it was learnt\n\n```toml\n{}```\n\nThe same seed gives the same bytes on the same machine. `golden.json` holds rankings for made-up \
         shoppers, with the learner's own scores.\n",
        toml::to_string(settings).unwrap_or_default(),
    );
    licence(&mut out, imported.attribution.as_deref());
    out
}
