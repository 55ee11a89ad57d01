//! The card of a policy for whole lists.

use std::fmt::Write;

use super::command::{Outcome, TOLERANCE, told};
use crate::card::{data, licence};

/// Writes the card.
pub(super) fn card(outcome: &Outcome, attribution: Option<&str>) -> String {
    let settings = &outcome.settings;
    let mut out = format!(
        "# A policy for whole lists\n\n\
         Chooses how a shopper's next list is made: exploit what is known, explore what isn't, or diversify.\n\n\
         Producer: shelfedge-train {}. Seed {}.\n\n\
         **{}: {}.**\n\n\
         The network that this card tells of has the SHA-256 `{}` (ONNX, {} bytes; compiled {} bytes).\n\n\
         ## Purpose and limits\n\n\
         For choosing among three ways to make a list, for what is ordered from a shopper's first {} lists within {} \
         days, each worth {} of the one before. Not for prices, credit, or any decision about a person.\n\n\
         - It knows earlier lists of the shopper, what was clicked and ordered of them, and when.\n\
         - It was learnt and judged with lists as they were made then; another ranking under it asks for another run.\n\
         - With the share {} it chooses evenly, and the probability of its choice has to be logged.\n",
        env!("CARGO_PKG_VERSION"),
        settings.seed,
        if outcome.shipped {
            "Ships"
        } else {
            "Does not ship"
        },
        outcome.reason,
        outcome.onnx_sha256,
        outcome.bytes[0],
        outcome.bytes[1],
        settings.visits,
        settings.days,
        settings.discount,
        settings.even,
    );
    if let Some(report) = &outcome.orders {
        out.push_str(
            "- **Unproven on real data: its log, and every figure below, are of simulated shoppers.** What orders \
             can't tell of them was assumed. An experiment, or a log of the shop's own lists, is what proves it.\n\n",
        );
        data(&mut out, report, attribution);
        simulator(&mut out, outcome);
    }
    if let Some(log) = &outcome.log {
        let _ = writeln!(
            out,
            "\n## Data\n\n{} lists of {} shoppers, {} to {}; {} lists at a moment that another has, too, and {} \
             shoppers who came too late to be followed. {} lists count. SHA-256: `{}`.\n",
            log.lines,
            log.shoppers,
            log.first,
            log.last,
            log.again,
            log.too_late,
            log.lists,
            log.sha256
        );
    }
    quality(&mut out, outcome);
    let _ = writeln!(
        out,
        "## How it was learnt\n\n\
         Double deep Q-learning from the log alone, with a conservative part in the loss; {} numbers of a shopper's \
         visits, two hidden layers of {} units.\n\n```toml\n{}```\n\nThe same seed gives the same bytes on the same machine.",
        shelfedge_features::visits::WIDTH,
        settings.hidden,
        toml::to_string(settings).unwrap_or_default()
    );
    licence(&mut out, attribution);
    out
}

fn simulator(out: &mut String, outcome: &Outcome) {
    let _ = writeln!(
        out,
        "## The generator\n\n\
         Shoppers follow customers of the orders, drawn with replacement: their tastes for groups of products (k-means \
         over an embedding of what customers bought), lines of a visit; when they come again is drawn from product-limit \
         curves. Lists are made by a stand-in of the ranking that scores by earlier orders and by what sells in the \
         groups a shopper buys from. Statistics of shoppers who are shown exploiting lists, followed as the shop's \
         customers were; a difference of more than {:.0} % keeps a policy from being written:\n\n\
         | | the shop's | simulated | |\n|---|---:|---:|---|",
        100.0 * TOLERANCE
    );
    for fit in &outcome.fit {
        let met = if fit.is_met() { "" } else { "**not met**" };
        let _ = writeln!(
            out,
            "| {} | {:.3} | {:.3} | {met} |",
            fit.name, fit.shop, fit.simulated
        );
    }
    let _ = writeln!(
        out,
        "\nAssumed, because no order tells it: how shoppers tire of products that they leave (`fatigue`) and of what they \
         just bought (`satiation`, `recovery_days`), how they take to a new group (`discovery`), what satisfies them \
         (`delight`, `boredom`) and how much that brings them back (`returning`), clicks for each order (`clicks`); that \
         they order from a list as much of it as their next order held anyway. The values stand below under \
         `[assumed]`; other values can turn the order of the policies.\n"
    );
}

fn quality(out: &mut String, outcome: &Outcome) {
    let _ = writeln!(
        out,
        "## Quality\n\n\
         Products ordered from a shopper's lists, or what the log says that they earned, discounted, a shopper. One half \
         of the shoppers taught, the other half judges: sequentially doubly robust and self-normalised per-decision \
         estimates with 95 % bootstrap intervals over shoppers. A true value, where there is one, is that of simulated \
         shoppers who were shown the policy's lists, with its standard error.\n\n\
         | seed | policy | true value | visits | doubly robust | self-normalised | effective shoppers |\n\
         |---|---|---:|---:|---:|---:|---:|"
    );
    for run in &outcome.runs {
        for line in &run.lines {
            let judged = &line.judged;
            let (truth, visits) = line.truth.as_ref().map_or_else(
                || ("-".to_owned(), "-".to_owned()),
                |t| {
                    (
                        format!("{:.3} ± {:.3}", t.value, t.error),
                        format!("{:.2}", t.visits),
                    )
                },
            );
            let _ = writeln!(
                out,
                "| {} | {} | {truth} | {visits} | {} | {} | {:.0} |",
                run.seed,
                judged.policy,
                told(&judged.dr),
                told(&judged.snips),
                judged.effective_shoppers
            );
        }
    }
    let _ = writeln!(
        out,
        "\n| seed | shoppers that taught, judged | exploits, explores, diversifies | learnt less what runs, truly | \
         doubly robust | self-normalised | margin | answer |\n|---|---|---|---:|---:|---:|---:|---|"
    );
    for run in &outcome.runs {
        let [exploits, explores, diversifies] = run.actions.map(|share| 100.0 * share);
        let decided = &run.decided;
        let _ = writeln!(
            out,
            "| {} | {}, {} | {exploits:.0}, {explores:.0}, {diversifies:.0} % | {} | {} | {} | {:.3} | {} |",
            run.seed,
            run.taught[0],
            run.judging[0],
            run.gain()
                .map_or("-".to_owned(), |gain| format!("{gain:+.3}")),
            told(&decided.dr),
            told(&decided.snips),
            decided.margin,
            decided.answer.replace('_', " ")
        );
    }
    out.push('\n');
}
