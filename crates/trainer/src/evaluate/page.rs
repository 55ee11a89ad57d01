//! The report for a person: as one page of HTML that loads nothing and runs no
//! script, and in short for a terminal.

use base64::prelude::{BASE64_STANDARD, Engine};
use comfy_table::presets;
use minijinja::{Environment, context};
use serde::Serialize;
use shelfedge_wire::manifest::sha256;

use super::charts::{Point, Series, plane, rows};
use super::{Comparison, Evaluation, List, MeanAndDeviation, Report, Segment, Task};
use crate::error::Result;
use crate::export::internal;
use crate::metrics::{Estimate, Metrics};

/// A table; the first cell of a row names it.
#[derive(Debug, Default, Serialize)]
struct Table {
    caption: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A chart with what it says in words.
#[derive(Debug, Serialize)]
struct Chart {
    title: String,
    about: String,
    /// The inside of its SVG.
    svg: String,
    legend: Vec<String>,
}

/// A part of the page.
#[derive(Debug, Default, Serialize)]
struct Section {
    title: &'static str,
    text: &'static str,
    charts: Vec<Chart>,
    tables: Vec<Table>,
}

const TEMPLATE: &str = include_str!("report.html");
const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn html(report: &Report) -> Result<String> {
    let evaluation = &report.evaluation;
    let mut sections = vec![
        quality(evaluation)?,
        exposure(evaluation),
        segments(evaluation),
        calibration(evaluation)?,
        importance(evaluation)?,
        learning(evaluation)?,
        diversity(evaluation)?,
        splits(report)?,
    ];
    sections.retain(|section| !section.tables.is_empty());
    let mut environment = Environment::new();
    let failed = |e: minijinja::Error| internal("report.html", e.to_string());
    environment
        .add_template("report.html", TEMPLATE)
        .map_err(failed)?;
    let page = environment.get_template("report.html").map_err(failed)?;
    page.render(context! {
        style => STYLE,
        style_digest => BASE64_STANDARD.encode(sha256(STYLE.as_bytes())),
        facts => facts(report),
        footing => evaluation.footing.sentence(),
        doubtful => evaluation.footing.is_doubtful(),
        sections,
    })
    .map_err(failed)
}

/// For a terminal.
pub(super) fn terminal(report: &Report) -> String {
    let show = |table: &Table| {
        let mut shown = comfy_table::Table::new();
        shown.load_style(presets::UTF8_HORIZONTAL_ONLY);
        shown.set_header(table.head.clone());
        for row in &table.rows {
            shown.add_row(row.clone());
        }
        format!("{}\n{shown}\n", table.caption)
    };
    let evaluation = &report.evaluation;
    let mut out = format!("{}\n\n", evaluation.footing.sentence());
    for list in &evaluation.lists {
        out.push_str(&show(&summary(evaluation, list)));
    }
    if !report.spread.is_empty() {
        out.push_str(&show(&spread(report)));
    }
    out
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let (bundle, evaluation) = (&report.bundle, &report.evaluation);
    let command = match bundle.task {
        Task::Ranking => "ranking",
        Task::Basket => "basket",
        Task::Next => "next",
    };
    let mut facts = vec![
        ("Asked about", evaluation.asked.clone()),
        (
            "Command that makes such bundles",
            format!("shelfedge-train {command}"),
        ),
        ("Compiled model", bundle.digest.clone()),
        ("Made by", bundle.producer.clone()),
        ("Learnt from (SHA-256)", bundle.data.clone()),
    ];
    facts.extend(bundle.as_of.clone().map(|at| ("Its tables end", at)));
    facts.push(("Seed of the bootstrap", report.seed.to_string()));
    facts
}

fn list_name(list: &str) -> &'static str {
    match list {
        "new" => "what is new to the shopper",
        _ => "everything",
    }
}

fn caption(evaluation: &Evaluation, list: &List) -> String {
    format!(
        "{}, {}: {} questions",
        capital(list_name(list.list)),
        evaluation.asked,
        list.comparison.questions
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn scores(caption: String, comparison: &Comparison) -> Table {
    let row = |ranking: &super::Ranking| {
        let cells = ranking.metrics.values().map(|cell| cell.to_string());
        std::iter::once(ranking.name.to_owned())
            .chain(cells)
            .collect()
    };
    Table {
        caption,
        head: std::iter::once("Ranking")
            .chain(Metrics::<Estimate>::NAMES)
            .collect(),
        rows: comparison.rankings.iter().map(row).collect(),
    }
}

/// The metrics that most ask for, and by how much the model is better.
fn summary(evaluation: &Evaluation, list: &List) -> Table {
    let rows = list.comparison.rankings.iter().zip(&list.exposure);
    let rows = rows.map(|(ranking, shown)| {
        let Metrics {
            ndcg10,
            recall20,
            hit10,
            ..
        } = ranking.metrics;
        let mut row = vec![ranking.name.to_owned()];
        row.extend([ndcg10, recall20, hit10].map(|cell| cell.to_string()));
        row.push(share(shown.coverage10));
        let less = ranking.model_less_this.map(|less| signed(less.ndcg10));
        row.push(less.unwrap_or_default());
        row
    });
    Table {
        caption: caption(evaluation, list),
        head: vec![
            "Ranking",
            "NDCG@10",
            "Recall@20",
            "Hit rate@10",
            "Coverage@10",
            "This model's NDCG@10 less it",
        ],
        rows: rows.collect(),
    }
}

fn signed(it: Estimate) -> String {
    format!("{:+.3} [{:+.3}, {:+.3}]", it.value, it.low, it.high)
}

/// Of fewer shoppers a bootstrap's interval says too little: of one it has no width.
const FEWEST_SHOPPERS: usize = 20;

/// What an interval says of a difference, over so many shoppers.
fn verdict(difference: Estimate, shoppers: usize) -> &'static str {
    match difference {
        _ if shoppers < FEWEST_SHOPPERS => "too few to tell",
        Estimate { low, .. } if low > 0.0 => "better",
        Estimate { high, .. } if high < 0.0 => "worse",
        _ => "can't tell",
    }
}

fn differences(list: &List) -> Table {
    let rows = list.comparison.rankings.iter().filter_map(|ranking| {
        let less = ranking.model_less_this?;
        let shown = [less.ndcg10, less.recall20, less.hit10, less.mrr20];
        let name = format!(
            "{}: {}",
            ranking.name,
            verdict(less.ndcg10, list.comparison.shoppers)
        );
        let cells = shown.map(signed);
        Some(std::iter::once(name).chain(cells).collect())
    });
    Table {
        caption: format!("This model less each baseline, {}", list_name(list.list)),
        head: vec!["Than", "NDCG@10", "Recall@20", "Hit rate@10", "MRR@20"],
        rows: rows.collect(),
    }
}

fn point(x: f64, y: f64) -> Point {
    Point {
        x,
        y,
        between: None,
    }
}

fn quality(evaluation: &Evaluation) -> Result<Section> {
    let mut section = Section {
        title: "Is it any good?",
        text: "Every question is a shopper at the first moment of the window; what they take in it is the answer. Brackets \
               and bars are 95 % intervals from 1,000 resamples of the shoppers. Differences are of the same resamples, so \
               one whose interval lies above zero is a real gain on shoppers like these, even where the intervals of \
               both rankings overlap. Whoever evaluates many models on one window and keeps the best has chosen on it.",
        ..Section::default()
    };
    for list in &evaluation.lists {
        let rankings = &list.comparison.rankings;
        let points: Vec<(String, Point)> = rankings
            .iter()
            .map(|ranking| {
                let Estimate { value, low, high } = ranking.metrics.ndcg10;
                let between = Some((low, high));
                let point = Point {
                    between,
                    ..point(value, 0.0)
                };
                (ranking.name.to_owned(), point)
            })
            .collect();
        let told: Vec<String> = rankings
            .iter()
            .map(|ranking| format!("{} {}", ranking.name, ranking.metrics.ndcg10))
            .collect();
        section.charts.push(Chart {
            title: format!("NDCG@10 of {}", list_name(list.list)),
            about: format!("{}.", told.join(", ")),
            svg: rows("NDCG@10", &points)?,
            legend: Vec::new(),
        });
        section
            .tables
            .push(scores(caption(evaluation, list), &list.comparison));
        section.tables.push(differences(list));
    }
    Ok(section)
}

fn share(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

fn exposure(evaluation: &Evaluation) -> Section {
    let table = |list: &List| {
        let parts = list.comparison.rankings.iter().zip(&list.exposure);
        let row = parts.map(|(ranking, shown)| {
            vec![
                ranking.name.to_owned(),
                share(shown.coverage10),
                format!("{:.3}", shown.gini10),
                shown.long_tail10.to_string(),
            ]
        });
        Table {
            caption: format!("What is shown, {}", list_name(list.list)),
            head: vec!["Ranking", "Coverage@10", "Gini@10", "Long tail@10"],
            rows: row.collect(),
        }
    };
    Section {
        title: "What of the catalogue is shown?",
        text: "Coverage is the share of the catalogue that stands in anybody's first 10 places; Gini is 0 when all products \
               are shown equally often and near 1 when a few have it all; long tail is the share of places without the \
               fifth of products that is bought most. Coverage and Gini have no interval: every resample has fewer \
               shoppers, and fewer shoppers see fewer products.",
        tables: evaluation.lists.iter().map(table).collect(),
        ..Section::default()
    }
}

fn segments(evaluation: &Evaluation) -> Section {
    let table = |caption: &str, segments: &[Segment]| {
        let rows = segments.iter().map(|segment| {
            let rankings = &segment.comparison.rankings;
            // The baseline that is nearest, by NDCG.
            let baselines = rankings
                .iter()
                .filter_map(|r| Some((r, r.model_less_this?)));
            let nearest = baselines.min_by(|a, b| a.1.ndcg10.value.total_cmp(&b.1.ndcg10.value));
            let own = rankings.first().map(|ranking| &ranking.metrics);
            let mut row = vec![
                segment.segment.to_owned(),
                segment.list.to_owned(),
                segment.comparison.questions.to_string(),
            ];
            row.extend(own.into_iter().flat_map(|own| {
                [own.ndcg10, own.recall20, own.hit10].map(|cell| cell.to_string())
            }));
            row.extend(nearest.into_iter().flat_map(|(ranking, less)| {
                [
                    format!("{} {:.3}", ranking.name, ranking.metrics.ndcg10.value),
                    verdict(less.ndcg10, segment.comparison.shoppers).to_owned(),
                ]
            }));
            row
        });
        Table {
            caption: caption.to_owned(),
            head: vec![
                "Segment",
                "List",
                "Questions",
                "NDCG@10",
                "Recall@20",
                "Hit rate@10",
                "Best baseline, NDCG@10",
                "This model is",
            ],
            rows: rows.collect(),
        }
    };
    let mut tables = vec![
        table("By what is known of the shopper", &evaluation.shoppers),
        table(
            "By what is wanted, in the list of everything",
            &evaluation.products,
        ),
    ];
    tables.retain(|table| !table.rows.is_empty());
    Section {
        title: "For whom, and for which products?",
        text: "A segment of products asks for its own products only: a list of everything can't be full of them, so its \
               figures are lower than those above. Thirds are of the catalogue by buyers before the window.",
        tables,
        ..Section::default()
    }
}

fn calibration(evaluation: &Evaluation) -> Result<Section> {
    let bins = &evaluation.look.calibration;
    let number = |at: usize| at as f64 + 1.0;
    let points = bins.iter().enumerate().map(|(at, bin)| Point {
        between: Some((bin.hit_rate.low, bin.hit_rate.high)),
        ..point(number(at), bin.hit_rate.value)
    });
    let series = [Series {
        name: "candidates".to_owned(),
        points: points.collect(),
    }];
    let mut section = Section {
        title: "Do scores mean what they say?",
        text: "All candidates of the shoppers that were looked at, in ten parts of rising score. A score only orders one \
               shopper's candidates; where the hit rate rises from part to part it can be compared between shoppers too.",
        ..Section::default()
    };
    if let (Some(first), Some(last)) = (bins.first(), bins.last()) {
        section.charts.push(Chart {
            title: "Hit rate by score".to_owned(),
            about: format!(
                "Of the candidates with the lowest scores {} were taken, of those with the highest {}.",
                share(first.hit_rate.value),
                share(last.hit_rate.value)
            ),
            svg: plane(("part, by score", "hit rate"), &series, true, true)?,
            legend: Vec::new(),
        });
        section.tables.push(Table {
            caption: format!("Hit rate by score, {} questions", evaluation.look.looked_at),
            head: vec!["Part", "Scores", "Candidates", "Hit rate"],
            rows: bins
                .iter()
                .enumerate()
                .map(|(at, bin)| {
                    vec![
                        number(at).to_string(),
                        format!("{:.3} to {:.3}", bin.lowest, bin.highest),
                        bin.candidates.to_string(),
                        bin.hit_rate.to_string(),
                    ]
                })
                .collect(),
        });
    }
    Ok(section)
}

fn importance(evaluation: &Evaluation) -> Result<Section> {
    let list = &evaluation.look.importance;
    let mut section = Section {
        title: "What does it go by?",
        text: "The groups' shares of all contributions to the scores of the first 10 places, whatever their sign: exact \
               Shapley values of trees; of a network, what the score loses without the group. They tell what the model \
               goes by, not what makes shoppers buy.",
        ..Section::default()
    };
    if let Some(first) = list.first() {
        let points: Vec<(String, Point)> = list
            .iter()
            .map(|importance| {
                let Estimate { value, low, high } = importance.share;
                let point = Point {
                    between: Some((low, high)),
                    ..point(value, 0.0)
                };
                (importance.group.replace('_', " "), point)
            })
            .collect();
        section.charts.push(Chart {
            title: "Share of the contributions".to_owned(),
            about: format!(
                "{} has the largest share, {}.",
                capital(&first.group.replace('_', " ")),
                share(first.share.value)
            ),
            svg: rows("share", &points)?,
            legend: Vec::new(),
        });
        section.tables.push(Table {
            caption: format!(
                "Share of the contributions, {} questions",
                evaluation.look.looked_at
            ),
            head: vec!["Group of features", "Share"],
            rows: list
                .iter()
                .map(|i| vec![i.group.replace('_', " "), i.share.to_string()])
                .collect(),
        });
    }
    Ok(section)
}

fn learning(evaluation: &Evaluation) -> Result<Section> {
    let look = &evaluation.look;
    let mut section = Section {
        title: "How did it learn?",
        ..Section::default()
    };
    let line = |name: &str, points: &mut dyn Iterator<Item = (f64, f64)>| Series {
        name: name.to_owned(),
        points: points.map(|(x, y)| point(x, y)).collect(),
    };
    let legend = |series: &[Series]| series.iter().map(|s| s.name.clone()).collect();
    if let (Some(first), Some(last)) = (look.stages.first(), look.stages.last()) {
        section.text = "The model with a part of its trees, on the shoppers that were looked at. Where the line still \
                        rises at its end more trees may help; where it falls fewer do.";
        let x = |stage: &super::Stage| stage.trees as f64;
        let mut series = vec![line(
            "everything",
            &mut look.stages.iter().map(|stage| (x(stage), stage.all)),
        )];
        if first.new.is_some() {
            let new = |stage: &super::Stage| Some((x(stage), stage.new?));
            let name = list_name("new");
            series.push(line(name, &mut look.stages.iter().filter_map(new)));
        }
        section.charts.push(Chart {
            title: "NDCG@10 by trees".to_owned(),
            about: format!(
                "With {} trees {:.3} of everything, with {} trees {:.3}.",
                first.trees, first.all, last.trees, last.all
            ),
            svg: plane(("trees", "NDCG@10"), &series, true, false)?,
            legend: legend(&series),
        });
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |x| format!("{x:.4}"));
        section.tables.push(Table {
            caption: format!("NDCG@10 by trees, {} questions", look.looked_at),
            head: vec!["Trees", "Everything", "New to the shopper"],
            rows: look
                .stages
                .iter()
                .map(|s| vec![s.trees.to_string(), cell(Some(s.all)), cell(s.new)])
                .collect(),
        });
    }
    if let (Some(first), Some(last)) = (look.passes.first(), look.passes.last()) {
        section.text = "The passes of its training: the loss on what taught and on the month that stopped the learning, and \
                        NDCG@10 of the candidates of that month. The last passes adapt the dense layers to tables that \
                        were rounded to 8 bits, from the best pass before.";
        let series = [
            line(
                "on what taught",
                &mut (1..)
                    .zip(&look.passes)
                    .map(|(n, e)| (f64::from(n), e.train_loss)),
            ),
            line(
                "on the month that stopped it",
                &mut (1..)
                    .zip(&look.passes)
                    .map(|(n, e)| (f64::from(n), e.valid_loss)),
            ),
        ];
        section.charts.push(Chart {
            title: "Loss by pass".to_owned(),
            about: format!(
                "From {:.4} to {:.4} on what taught, from {:.4} to {:.4} on the month that stopped it.",
                first.train_loss, last.train_loss, first.valid_loss, last.valid_loss
            ),
            svg: plane(("pass", "loss"), &series, true, false)?,
            legend: legend(&series),
        });
        let series = [line(
            "valid",
            &mut (1..)
                .zip(&look.passes)
                .map(|(n, e)| (f64::from(n), e.valid_ndcg10)),
        )];
        section.charts.push(Chart {
            title: "NDCG@10 by pass".to_owned(),
            about: format!(
                "From {:.4} to {:.4}.",
                first.valid_ndcg10, last.valid_ndcg10
            ),
            svg: plane(("pass", "NDCG@10"), &series, true, false)?,
            legend: Vec::new(),
        });
        section.tables.push(Table {
            caption: "Passes of the training".to_owned(),
            head: vec![
                "Pass",
                "Epoch",
                "Tables",
                "Loss, taught",
                "Loss, stopped",
                "NDCG@10",
            ],
            rows: look
                .passes
                .iter()
                .enumerate()
                .map(|(at, e)| {
                    vec![
                        (at + 1).to_string(),
                        e.epoch.to_string(),
                        if e.tuning { "rounded" } else { "learnt" }.to_owned(),
                        format!("{:.4}", e.train_loss),
                        format!("{:.4}", e.valid_loss),
                        format!("{:.4}", e.valid_ndcg10),
                    ]
                })
                .collect(),
        });
    }
    Ok(section)
}

fn diversity(evaluation: &Evaluation) -> Result<Section> {
    let settings = &evaluation.look.diversity;
    let mut section = Section {
        title: "What do rules for a list cost?",
        text: "The same candidates and scores, ordered under a rule that a request can ask for, one at a time. Cost is the \
               NDCG@10 that the rule loses against the model's own order, on the same shoppers. The rule long_tail \
               counts by the buyers of the tables' last 30 days, the column by all before the window. Each line of a \
               chart begins with the model's own order and goes to the strictest setting.",
        ..Section::default()
    };
    let Some(none) = settings.first() else {
        return Ok(section);
    };
    let mut names: Vec<&str> = settings[1..].iter().map(|setting| setting.rule).collect();
    names.dedup();
    // A chart tells four lines apart.
    names.truncate(4);
    type Gain = fn(&super::Setting) -> f64;
    let charts: [(&str, &str, Gain); 2] = [
        ("Coverage by cost", "coverage@10", |setting| {
            setting.coverage10
        }),
        ("Gini by cost", "Gini@10", |setting| setting.gini10),
    ];
    for (title, axis, gain) in charts {
        let of = |name: &&str| {
            let own = settings[1..].iter().filter(|setting| setting.rule == *name);
            let points = std::iter::once(none).chain(own);
            Series {
                name: (*name).to_owned(),
                points: points.map(|s| point(s.cost.value, gain(s))).collect(),
            }
        };
        let series: Vec<Series> = names.iter().map(of).collect();
        let ends = series.iter().filter_map(|series| {
            let last = series.points.last()?;
            Some(format!(
                "{} costs {:.3} and gives {:.3}",
                series.name, last.x, last.y
            ))
        });
        section.charts.push(Chart {
            title: title.to_owned(),
            about: format!(
                "The model's own order has {:.3}. At its strictest, {}.",
                gain(none),
                ends.collect::<Vec<_>>().join(", ")
            ),
            svg: plane(("NDCG@10 lost", axis), &series, true, false)?,
            legend: series.iter().map(|series| series.name.clone()).collect(),
        });
    }
    section.tables.push(Table {
        caption: format!("Rules for a list, {} questions", evaluation.look.looked_at),
        head: vec![
            "Rule",
            "Value",
            "NDCG@10",
            "Cost",
            "Coverage@10",
            "Gini@10",
            "Long tail@10",
            "Lists that miss it",
        ],
        rows: settings
            .iter()
            .map(|s| {
                vec![
                    s.rule.to_owned(),
                    if s.rule == "none" {
                        "-".to_owned()
                    } else {
                        s.value.to_string()
                    },
                    format!("{:.4}", s.ndcg10),
                    format!(
                        "{:.4} [{:.4}, {:.4}]",
                        s.cost.value, s.cost.low, s.cost.high
                    ),
                    share(s.coverage10),
                    format!("{:.3}", s.gini10),
                    share(s.long_tail10),
                    share(s.missed),
                ]
            })
            .collect(),
    });
    Ok(section)
}

fn spread(report: &Report) -> Table {
    let cell = |it: MeanAndDeviation| format!("{:.3} ± {:.3}", it.mean, it.deviation);
    let rows = report.spread.iter().map(|spread| {
        vec![
            spread.name.to_owned(),
            spread.list.to_owned(),
            cell(spread.ndcg10),
            cell(spread.recall20),
            cell(spread.hit10),
        ]
    });
    Table {
        caption: format!(
            "Mean and standard deviation over {} models that were trained again",
            report.splits.len()
        ),
        head: vec!["Ranking", "List", "NDCG@10", "Recall@20", "Hit rate@10"],
        rows: rows.collect(),
    }
}

fn splits(report: &Report) -> Result<Section> {
    let splits = &report.splits;
    let mut section = Section {
        title: "How much does it vary from window to window?",
        text: "For each window a model was trained again from what came before it, with the same settings. How much a \
               figure varies between windows says what to expect of the next one; the intervals above only speak of \
               other shoppers in the same window.",
        ..Section::default()
    };
    let Some(first) = splits.first() else {
        return Ok(section);
    };
    for (number, list) in first.lists.iter().enumerate() {
        let rankings = list.comparison.rankings.iter().enumerate();
        let series: Vec<Series> = rankings
            .map(|(at, ranking)| {
                // The oldest window first.
                let points = (1..).zip(splits.iter().rev()).map(|(window, split)| {
                    let of = split.lists[number].comparison.rankings[at].metrics.ndcg10;
                    Point {
                        between: Some((of.low, of.high)),
                        ..point(f64::from(window), of.value)
                    }
                });
                Series {
                    name: ranking.name.to_owned(),
                    points: points.collect(),
                }
            })
            .collect();
        if splits.len() > 1 {
            section.charts.push(Chart {
                title: format!("NDCG@10 of {} by window", list_name(list.list)),
                about: "The table of windows tells the figures; the oldest window is 1.".to_owned(),
                svg: plane(("window", "NDCG@10"), &series, true, true)?,
                legend: series.iter().map(|series| series.name.clone()).collect(),
            });
        }
    }
    if !report.spread.is_empty() {
        section.tables.push(spread(report));
    }
    let rows = (1..).zip(splits.iter().rev()).flat_map(|(window, split)| {
        split.lists.iter().map(move |list| {
            let rankings = &list.comparison.rankings;
            let mut row = vec![
                format!("{window}: {}", split.asked),
                list.list.to_owned(),
                list.comparison.questions.to_string(),
            ];
            row.extend(rankings.iter().map(|r| r.metrics.ndcg10.to_string()));
            row
        })
    });
    let names = first.lists.iter().take(1);
    let mut head = vec!["Window", "List", "Questions"];
    head.extend(names.flat_map(|list| list.comparison.rankings.iter().map(|r| r.name)));
    section.tables.push(Table {
        caption: "NDCG@10 by window".to_owned(),
        head,
        rows: rows.collect(),
    });
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interval_beside_zero_is_a_verdict() {
        let by = |low, high, shoppers| {
            let value = (low + high) / 2.0;
            verdict(Estimate { value, low, high }, shoppers)
        };
        let of = |low, high| by(low, high, 20);
        // The interval of one shopper is a point.
        for shoppers in [0, 1, 19] {
            assert_eq!(by(-0.4, -0.4, shoppers), "too few to tell");
        }
        assert_eq!(of(0.1, 0.2), "better");
        assert_eq!(of(-0.2, -0.1), "worse");
        assert_eq!(of(-0.1, 0.2), "can't tell");
        assert_eq!(of(0.0, 0.0), "can't tell");
    }
}
