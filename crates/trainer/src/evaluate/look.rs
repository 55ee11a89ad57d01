//! How a model comes to its lists: whether its scores tell how likely a hit is,
//! which features speak, what each tree or pass brought, and what rules for a list
//! cost.

use serde::Serialize;
use shelfedge_engine::Model;
use shelfedge_features::{attributes, basket, tables, trails};
use shelfedge_insight::bootstrap::{Clusters, DRAWS};
use shelfedge_onnx::{Options, lower};
use shelfedge_ranking::attention;
use shelfedge_ranking::rerank::{Attribute, Caps, Diversity, Rules, Scored, arrange};
use shelfedge_ranking::{Candidate, Context, Group, MAX_LIMIT, Query, Ranked, Ranker, Workspace};

use super::measure::PLACES;
use super::source::{Scene, open, own_products};
use super::{LISTS, Task};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::learn::Epoch;
use crate::metrics::{Estimate, round, score};
use crate::protocol::Case;
use crate::watch::Watch;

/// Questions that are looked at, at most; of more, every n-th is.
const LOOKED_AT: usize = 1_000;
/// Parts of equally many candidates.
const BINS: usize = 10;
/// Parts of the trees.
const STAGES: usize = 8;
/// Groups of features that can explain an order.
const GROUPS: usize = Group::EXPLAINING.len();

/// Candidates of about equal scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// The lowest score in it.
    pub lowest: f32,
    /// The highest.
    pub highest: f32,
    /// How many candidates.
    pub candidates: usize,
    /// Share of them that were bought.
    pub hit_rate: Estimate,
}

/// A group of features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// Which.
    pub group: &'static str,
    /// Its share of the sum of all groups' absolute contributions to the scores of
    /// the first 10 places.
    pub share: Estimate,
}

/// A part of the trees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// The first so many trees; of each list's trees, where lists have their own.
    pub trees: usize,
    /// NDCG at 10 of the list of everything.
    pub all: f64,
    /// NDCG at 10 of the list of what is new, where it has trees of its own.
    pub new: Option<f64>,
}

/// A rule for lists, and what it costs and brings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Which rule; "none" for the model's own order.
    pub rule: &'static str,
    /// Its value, as a request names it.
    pub value: f64,
    /// NDCG at 10.
    pub ndcg10: f64,
    /// What it loses against the model's own order, over the same resampled shoppers.
    pub cost: Estimate,
    /// Share of the catalogue that is shown to anybody.
    pub coverage10: f64,
    /// Gini coefficient of how often each product is shown.
    pub gini10: f64,
    /// Share of the places that show none of the fifth that is bought most.
    pub long_tail10: f64,
    /// Share of the lists that miss the rule.
    pub missed: f64,
}

/// What was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Look {
    /// Questions that were looked at.
    pub looked_at: usize,
    /// By score, the lowest first.
    pub calibration: Vec<Bin>,
    /// The largest share first.
    pub importance: Vec<Importance>,
    /// Passes of the learning: on what taught and what stopped it.
    pub passes: Vec<Epoch>,
    /// Parts of the trees, on the questions that were looked at.
    pub stages: Vec<Stage>,
    /// Rules for lists; the first is none.
    pub diversity: Vec<Setting>,
}

/// A model with its own numbers of the products.
struct Asker<'s> {
    ranker: Ranker<&'s [u8]>,
    own: Vec<u32>,
    workspace: Workspace,
}

impl<'s> Asker<'s> {
    fn open(shelf: &'s [u8], scene: &Scene<'_>) -> Result<Self> {
        let ranker = open(shelf)?;
        Ok(Self {
            own: own_products(&ranker, &scene.ids)?,
            ranker,
            workspace: Workspace::default(),
        })
    }

    fn ask(
        &mut self,
        scene: &Scene<'_>,
        case: &Case,
        limit: usize,
        new_only: bool,
        explain: bool,
    ) -> Result<Ranked> {
        let (now, events) = (scene.request)(case);
        let query = Query {
            now,
            events: &events,
            candidates: None,
            exclude: &[],
            limit,
            new_only,
            context: Context::default(),
            explain,
            answered: &[],
        };
        self.ranker
            .rank(&query, &mut self.workspace)
            .map_err(|e| internal("rank", e.to_string()))
    }

    fn own(&self, product: u32) -> u32 {
        self.own[product as usize]
    }
}

/// A question with the scores of its candidates, best first.
struct Answer<'c> {
    case: &'c Case,
    scored: Vec<Scored>,
    /// Absolute contributions of the groups to the first places.
    spoken: [f64; GROUPS],
}

pub(super) fn look(scene: &Scene<'_>, seed: u64, watch: &mut dyn Watch) -> Result<Look> {
    let every = scene.known.div_ceil(LOOKED_AT).max(1);
    let sample: Vec<&Case> = scene.cases[..scene.known].iter().step_by(every).collect();
    let mut asker = Asker::open(&scene.shelf, scene)?;
    let mut answers = Vec::new();
    for (done, case) in (1..).zip(&sample) {
        let ranked = asker.ask(scene, case, MAX_LIMIT, false, false)?;
        let candidate = |item: &shelfedge_ranking::RankedItem| {
            let (product, sources) = (item.product, item.sources);
            (item.score, Candidate { product, sources })
        };
        let explained = asker.ask(scene, case, PLACES, false, true)?;
        let reasons = explained.items.iter().flat_map(|item| &item.reasons);
        let mut spoken = [0.0; GROUPS];
        for reason in reasons {
            let group = Group::EXPLAINING.iter().position(|g| *g == reason.group);
            if let Some(group) = group {
                spoken[group] += f64::from(reason.contribution.abs());
            }
        }
        answers.push(Answer {
            case,
            scored: ranked.items.iter().map(candidate).collect(),
            spoken,
        });
        tell(watch, "looking", done, sample.len())?;
    }
    Ok(Look {
        looked_at: sample.len(),
        calibration: calibration(&asker, &answers, seed),
        importance: importance(&answers, seed),
        passes: scene.passes.clone(),
        stages: stages(scene, &sample, watch)?,
        diversity: diversity(scene, &asker, &answers, seed, watch)?,
    })
}

/// Tells how far it is, and stops where that is asked for.
fn tell(watch: &mut dyn Watch, stage: &'static str, done: usize, all: usize) -> Result<()> {
    if done.is_multiple_of(32) || done == all {
        watch.step(stage, done as u64, all as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(())
}

fn calibration(asker: &Asker<'_>, answers: &[Answer<'_>], seed: u64) -> Vec<Bin> {
    let mut scores: Vec<f32> = answers
        .iter()
        .flat_map(|answer| answer.scored.iter().map(|(score, _)| *score))
        .collect();
    if scores.is_empty() {
        return Vec::new();
    }
    scores.sort_by(f32::total_cmp);
    let starts: [f32; BINS] = core::array::from_fn(|bin| scores[bin * scores.len() / BINS]);
    let mut bins = [(f32::INFINITY, f32::NEG_INFINITY, 0_usize); BINS];
    let rows: Vec<(u32, [f64; 2 * BINS])> = answers
        .iter()
        .map(|answer| {
            let mut columns = [0.0; 2 * BINS];
            for (score, candidate) in &answer.scored {
                let bin = starts.partition_point(|start| start <= score).max(1) - 1;
                let (lowest, highest, count) = &mut bins[bin];
                (*lowest, *highest) = (lowest.min(*score), highest.max(*score));
                *count += 1;
                let bought = &answer.case.truth;
                let hit = bought.binary_search(&asker.own(candidate.product)).is_ok();
                columns[2 * bin] += f64::from(u8::from(hit));
                columns[2 * bin + 1] += 1.0;
            }
            (answer.case.customer, columns)
        })
        .collect();
    let rates: [_; BINS] = Clusters::new(rows.into_iter()).estimates(DRAWS, seed, |sums| {
        core::array::from_fn(|bin| sums[2 * bin] / sums[2 * bin + 1].max(1.0))
    });
    // Where many scores are equal, a part may have none.
    bins.into_iter()
        .zip(rates)
        .filter(|((_, _, candidates), _)| *candidates > 0)
        .map(|((lowest, highest, candidates), rate)| Bin {
            lowest,
            highest,
            candidates,
            hit_rate: rate.into(),
        })
        .collect()
}

fn importance(answers: &[Answer<'_>], seed: u64) -> Vec<Importance> {
    let rows = answers.iter().map(|a| (a.case.customer, a.spoken));
    let shares: [_; GROUPS] = Clusters::new(rows).estimates(DRAWS, seed, |sums| {
        let all: f64 = sums.iter().sum();
        sums.map(|sum| if all > 0.0 { sum / all } else { 0.0 })
    });
    let mut list: Vec<Importance> = Group::EXPLAINING
        .into_iter()
        .zip(shares)
        .map(|(group, share)| Importance {
            group: group.code(),
            share: share.into(),
        })
        .filter(|importance| importance.share.value > 0.0)
        .collect();
    list.sort_by(|a, b| b.share.value.total_cmp(&a.share.value));
    list
}

/// The model with a part of its trees, in the engine; nothing for another model.
fn stages(scene: &Scene<'_>, sample: &[&Case], watch: &mut dyn Watch) -> Result<Vec<Stage>> {
    let whole = lower(&scene.onnx, &Options::default())
        .map_err(|e| internal("model.onnx", e.to_string()))?;
    let [forest] = whole.forests.as_slice() else {
        return Ok(Vec::new());
    };
    let model =
        Model::open(scene.shelf.as_slice()).map_err(|e| internal("model.shelf", e.to_string()))?;
    let logged = [
        trails::SECTION,
        basket::SECTION,
        "reference",
        attributes::SECTION,
        attention::SECTION,
    ];
    let sections: Vec<(&str, Vec<u8>)> = tables::SECTIONS
        .into_iter()
        .chain(logged)
        .filter_map(|name| Some((name, model.section(name)?.to_vec())))
        .collect();
    // The trees of what is new stand after those of everything.
    let each = match scene.task {
        Task::Basket => forest.trees.len() / LISTS.len(),
        _ => forest.trees.len(),
    };
    let mut out: Vec<Stage> = Vec::new();
    for stage in 1..=STAGES {
        let trees = each * stage / STAGES;
        if trees == 0 || out.last().is_some_and(|before| before.trees == trees) {
            continue;
        }
        let mut program = whole.clone();
        let mut at = 0..;
        program.forests[0]
            .trees
            .retain(|_| at.next().is_some_and(|at: usize| at % each < trees));
        let shelf = program
            .compile(&sections)
            .map_err(|e| internal("compile", e.to_string()))?;
        let mut asker = Asker::open(&shelf, scene)?;
        let mut ndcg = |new: bool| -> Result<f64> {
            let (mut sum, mut count) = (0.0, 0_usize);
            for case in sample {
                let truth = if new { &case.fresh } else { &case.truth };
                if truth.is_empty() {
                    continue;
                }
                let ranked = asker.ask(scene, case, PLACES, new, false)?;
                let list: Vec<u32> = ranked.items.iter().map(|i| asker.own(i.product)).collect();
                sum += score(&list, truth).ndcg10;
                count += 1;
            }
            Ok(round(sum / count.max(1) as f64))
        };
        out.push(Stage {
            trees,
            all: ndcg(false)?,
            new: match scene.task {
                Task::Basket => Some(ndcg(true)?),
                _ => None,
            },
        });
        watch.step("trees", stage as u64, STAGES as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(out)
}

/// The rules that are tried: none first.
fn rules(knows: impl Fn(Attribute) -> bool) -> Vec<(&'static str, f64, Diversity)> {
    let none = Diversity::default();
    let mut list = vec![("none", 0.0, none)];
    for trade_off in [0.1, 0.2, 0.3, 0.5, 0.7] {
        let rule = Diversity { trade_off, ..none };
        list.push(("trade_off", f64::from(trade_off), rule));
    }
    for long_tail in [0.1, 0.2, 0.3, 0.5] {
        let rule = Diversity { long_tail, ..none };
        list.push(("long_tail", f64::from(long_tail), rule));
    }
    for attribute in Attribute::ALL.into_iter().filter(|it| knows(*it)) {
        for cap in [5, 3, 2, 1] {
            let mut caps = Caps::default();
            let (name, of) = match attribute {
                Attribute::Category => ("caps.category", &mut caps.category),
                Attribute::Brand => ("caps.brand", &mut caps.brand),
                Attribute::Seller => ("caps.seller", &mut caps.seller),
            };
            *of = Some(cap);
            list.push((name, f64::from(cap), Diversity { caps, ..none }));
        }
    }
    list
}

fn diversity(
    scene: &Scene<'_>,
    asker: &Asker<'_>,
    answers: &[Answer<'_>],
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Vec<Setting>> {
    let (tables, attributes) = (asker.ranker.tables(), asker.ranker.attributes());
    let rules = rules(|a| attributes.as_ref().is_some_and(|known| known.knows(a)));
    let mut own_order = Vec::new();
    let mut out = Vec::new();
    for (done, (rule, value, diversity)) in rules.iter().enumerate() {
        let rules_of_list = Rules {
            diversity: Some(diversity),
            ..Rules::default()
        };
        let (mut lists, mut missed) = (Vec::new(), 0_usize);
        for answer in answers {
            let scored = answer.scored.clone();
            let (list, notes) =
                arrange(&tables, attributes.as_ref(), scored, &rules_of_list, PLACES)
                    .map_err(|faults| internal("rules", faults.to_string()))?;
            missed += usize::from(!notes.shortfalls.is_empty());
            lists.push(
                list.iter()
                    .map(|(_, c)| asker.own(c.product))
                    .collect::<Vec<u32>>(),
            );
        }
        let ndcg: Vec<f64> = lists
            .iter()
            .zip(answers)
            .map(|(list, answer)| score(list, &answer.case.truth).ndcg10)
            .collect();
        if own_order.is_empty() {
            own_order.clone_from(&ndcg);
        }
        let shoppers = answers.iter().map(|answer| answer.case.customer);
        let rows = shoppers.clone().zip(ndcg.iter().zip(&own_order));
        let rows = rows.map(|(shopper, (with, without))| (shopper, [*with, without - with, 1.0]));
        let [ndcg10, cost] = Clusters::new(rows).estimates(DRAWS, seed, |[with, lost, n]| {
            [with / n.max(1.0), lost / n.max(1.0)]
        });
        let shown = lists.iter().map(Vec::as_slice);
        let exposure = scene.catalogue.exposure(shoppers.zip(shown), seed);
        out.push(Setting {
            rule,
            value: round(*value),
            ndcg10: round(ndcg10.value),
            cost: cost.into(),
            coverage10: exposure.coverage10,
            gini10: exposure.gini10,
            long_tail10: exposure.long_tail10.value,
            missed: round(missed as f64 / answers.len().max(1) as f64),
        });
        watch.step("rules", done as u64 + 1, rules.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
    }
    Ok(out)
}
