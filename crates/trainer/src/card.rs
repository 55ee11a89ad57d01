//! The model card: what a model is for, what it is worth and where it stops.

use std::fmt::Write;

use serde::Serialize;
use shelfedge_commerce::time::Timestamp;

use crate::import::Report;
use crate::learn::{Epoch, Settings};
use crate::metrics::{Estimate, Metrics};
use crate::model::Dims;
use crate::plan::Plan;
use crate::protocol::{Scores, Window};

/// The model beside the two baselines in one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The compiled model in the engine.
    pub model: Scores,
    /// What most customers bought in the last 14 days.
    pub popularity: Scores,
    /// What the customer bought most often.
    pub personal_frequency: Scores,
    /// Share of the bought products that recall offered as candidates.
    pub candidates_hold: f64,
}

impl Comparison {
    /// What is shown of it: list, ranking and metrics.
    pub fn rows(&self) -> [(&'static str, &'static str, &Metrics<Estimate>); 6] {
        let rankings = [
            ("this model", &self.model),
            ("personal frequency", &self.personal_frequency),
            ("popularity, 14 days", &self.popularity),
        ];
        let [a, b, c] = rankings.map(|(name, s)| ("all products", name, &s.all.metrics));
        let [d, e, f] = rankings.map(|(name, s)| ("new to the customer", name, &s.new.metrics));
        [a, b, c, d, e, f]
    }
}

/// What the card tells.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The import's report.
    pub report: &'a Report,
    /// Attribution of the data, if the shop's folder names one.
    pub attribution: Option<&'a str>,
    /// The split.
    pub plan: &'a Plan,
    /// Sizes of the network.
    pub dims: &'a Dims,
    /// How it was learnt.
    pub settings: &'a Settings,
    /// The validation curve.
    pub curve: &'a [Epoch],
    /// Rankings that taught.
    pub examples: usize,
    /// The window that stopped the learning.
    pub valid: &'a Comparison,
    /// The window that was held back and scored; settings were chosen on the
    /// month before.
    pub test: Option<&'a Comparison>,
    /// Largest difference between the learner's and the engine's scores over
    /// the golden cases.
    pub parity: f64,
    /// Number of golden cases.
    pub golden: usize,
    /// Time of the last order in the shipped tables.
    pub as_of: Timestamp,
    /// Parts with their bytes.
    pub sizes: &'a [(&'static str, usize)],
}

fn day(ms: i64) -> String {
    Timestamp(ms).to_string().chars().take(10).collect()
}

pub(crate) fn span(window: &Window) -> String {
    format!("{} to {}", day(window.from), day(window.to - 1))
}

/// A window's scores as a section.
pub(crate) fn scores(out: &mut String, title: &str, c: &Comparison) {
    let _ = writeln!(
        out,
        "### {title}: {} customers, {} of them with new products\n",
        c.model.all.queries, c.model.new.queries
    );
    let _ = writeln!(
        out,
        "| list | ranking | NDCG@10 | recall@10 | recall@20 | hit rate@10 |\n|---|---|---|---|---|---|"
    );
    for (list, name, m) in c.rows() {
        let _ = writeln!(
            out,
            "| {list} | {name} | {} | {} | {} | {} |",
            m.ndcg10, m.recall10, m.recall20, m.hit10
        );
    }
    let _ = writeln!(
        out,
        "\nRecall offered {:.1} % of the products that were bought; no ranking of its candidates can find the rest.\n",
        100.0 * c.candidates_hold
    );
}

/// What a model was learnt from.
pub(crate) fn data(out: &mut String, report: &Report, attribution: Option<&str>) {
    let _ = writeln!(
        out,
        "## Data\n\n\
         {} rows of {}, {} kept: {} orders of {} customers, {} products, {} to {}. SHA-256 over the mapping and the \
         tables: `{}`.\n",
        report.rows,
        report.files.join(", "),
        report.kept,
        report.orders,
        report.customers,
        report.products,
        report.first.as_deref().unwrap_or("-"),
        report.last.as_deref().unwrap_or("-"),
        report.digest
    );
    if let Some(attribution) = attribution {
        // Its heading would be a second title in the middle of the card.
        for line in attribution.trim().lines().filter(|l| !l.starts_with('#')) {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out);
    }
}

/// What its data's licence says of the model.
pub(crate) fn licence(out: &mut String, attribution: Option<&str>) {
    let _ = writeln!(
        out,
        "\n## Licence\n\n\
         The weights and tables are derived from the data named above and may be used under the data's licence with its \
         attribution{}.",
        if attribution.is_some() {
            ""
        } else {
            "; the shop's folder names none, so they are the shop's own"
        }
    );
}

/// The validation curve that stands in a card.
pub(crate) fn curve(card: &str) -> Vec<Epoch> {
    card.lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let (epoch, kind) = (cells.next()?.parse().ok()?, cells.next()?);
            // Whoever edits a card can write anything, and a chart must not try to
            // show that.
            let mut number = || -> Option<f64> {
                let number = cells.next()?.parse().ok();
                number.filter(|number: &f64| number.abs() < 1e6)
            };
            Some(Epoch {
                epoch,
                tuning: match kind {
                    "rounded" => true,
                    "learnt" => false,
                    _ => return None,
                },
                train_loss: number()?,
                valid_loss: number()?,
                valid_ndcg10: number()?,
            })
        })
        .collect()
}

/// Writes the card as Markdown.
pub fn card(f: &Facts<'_>) -> String {
    let mut out = String::new();
    let o = &mut out;
    let _ = writeln!(
        o,
        "# Ranking model\n\n\
         Ranks a shop's products for a shopper from their purchases, what they look at in this session, and the hour, \
         weekday and device. It runs in the shopper's browser or at the edge.\n\n\
         Producer: shelfedge-train {}. Seed {}.\n",
        env!("CARGO_PKG_VERSION"),
        f.settings.seed
    );

    let _ = writeln!(
        o,
        "## Purpose and limits\n\n\
         For ordering products on a page of the shop whose orders it was learnt from. Not for prices, credit, or any \
         decision about a person.\n\n\
         - It knows purchases only. Looks and additions to the cart are imitated in learning by showing a random part of \
         an order as if it had been looked at; how real clicks relate to purchases was not measured.\n\
         - It is measured on who bought what, under whatever the shop showed at the time. That is not the same as the \
         effect of showing these rankings; only an experiment tells that.\n\
         - Products that were never sold before the tables' date can't be recommended.\n\
         - The customers of the demo shop are mostly wholesalers, who buy the same things again and again. Shops with \
         other customers will see other gains.\n"
    );

    data(o, f.report, f.attribution);

    let train: Vec<String> = f.plan.train.iter().map(span).collect();
    let (test, measured) = match &f.plan.test {
        Some(test) => (
            span(test),
            "The network that is shipped is the one that was measured.",
        ),
        None => (
            "nothing".to_owned(),
            "No month was held back, so nothing says how good this network is on orders that it had no part in: the \
             month that stopped the learning flatters it.",
        ),
    };
    let _ = writeln!(
        o,
        "## Split\n\n\
         By time. The tables (popularity, neighbours, prices) for a window are made from the orders before it.\n\n\
         | part | window |\n|---|---|\n| teaches ({} rankings) | {} |\n| stops the learning | {} |\n| scored; settings were chosen on the month before | {} |\n\n\
         {measured} The tables that are shipped were made again from all \
         orders up to {}, so they know more than those that were measured.\n",
        f.examples,
        train.join("<br>"),
        span(&f.plan.valid),
        test,
        f.as_of
    );

    let _ = writeln!(
        o,
        "## Quality\n\n\
         Next-basket ranking: for every customer with orders before the window and a known product bought in it, the \
         products bought in the window are the answer. No session is shown. Scored with the compiled model in the \
         engine that ships. In brackets 95 % bootstrap intervals over customers.\n"
    );
    if let (Some(window), Some(test)) = (&f.plan.test, f.test) {
        scores(o, &format!("Test, {}", span(window)), test);
    }
    scores(o, &format!("Valid, {}", span(&f.plan.valid)), f.valid);

    let _ = writeln!(
        o,
        "## Learning\n\n\
         Wide & Deep: {} inputs, hidden layers of {} and {}, embeddings of {} numbers for {} product slots and {} for {} \
         title tokens, {} hashed crosses. Listwise softmax loss with several positives, AdamW. The tables were rounded to 8 bits and \
         fixed, the dense layers tuned after that and rounded to half precision; the scores above are those of the \
         rounded network.\n\n\
         | pass | tables | train loss | valid loss | valid NDCG@10 of candidates |\n|---|---|---|---|---|",
        f.dims.inputs(),
        f.dims.hidden[0],
        f.dims.hidden[1],
        f.dims.product_width,
        f.dims.products,
        f.dims.token_width,
        f.dims.tokens,
        f.dims.slots
    );
    for e in f.curve {
        let _ = writeln!(
            o,
            "| {} | {} | {:.4} | {:.4} | {:.4} |",
            e.epoch,
            if e.tuning { "rounded" } else { "learnt" },
            e.train_loss,
            e.valid_loss,
            e.valid_ndcg10
        );
    }

    let _ = writeln!(
        o,
        "\n## Parity\n\n\
         `golden.json` holds {} rankings for made-up shoppers, with the learner's own scores. The native engine repeats them within {:.1e}; \
         the other targets (tract, onnxruntime, Node, browsers, the edge component) replay the same file in their tests, \
         and our own targets must agree with the native engine to the bit.\n",
        f.golden, f.parity
    );
    let _ = writeln!(o, "## Sizes\n\n| part | bytes |\n|---|---|");
    for (name, bytes) in f.sizes {
        let _ = writeln!(o, "| {name} | {bytes} |");
    }
    licence(o, f.attribution);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_a_chart_can_show_are_read_from_a_card() {
        let card = "| 1 | learnt | 1e308 | -1e308 | 0.1 |\n\
                    | 2 | learnt | nan | 0.2 | 0.1 |\n\
                    | 3 | learnt | inf | 0.2 | 0.1 |\n\
                    | 4 | learnt | 1000000 | 0.2 | 0.1 |\n\
                    | 5 | rounded | 0.3 | 0.2 | 0.1 |\n";
        let epochs: Vec<usize> = curve(card).iter().map(|it| it.epoch).collect();
        assert_eq!(epochs, [5]);
    }
}
