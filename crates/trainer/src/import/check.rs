//! Whether a shop's data can teach anything, told before anything is learnt.

use std::path::Path;

use serde::Serialize;
use shelfedge_commerce::Fault;
use shelfedge_commerce::time::{DAY, Timestamp};

use super::impressions::NO_EVENTS;
use super::report::{Report, Rule};
use super::sequences::{self, SequenceReport};
use super::{Imported, ImpressionReport, Place, impressions, no_orders, open, read};
use crate::basket;
use crate::error::{Error, Result, fault};
use crate::plan::{LastMonth, Plan};
use crate::shop::Shop;
use crate::watch::Watch;

/// What was found while nothing was written.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Of the orders.
    pub report: Report,
    /// Of what was shown, where there are streams of events.
    pub impressions: Option<ImpressionReport>,
    /// Of sequences, where the mapping has a section for them.
    pub sequences: Option<SequenceReport>,
    /// What is remarkable.
    pub findings: Vec<Finding>,
    /// The commands that nothing found is in the way of.
    pub usable_by: Vec<&'static str>,
}

/// Something about the data that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable.
    pub code: &'static str,
    /// What was found.
    pub cause: String,
    /// What to do about it.
    pub action: String,
    /// The commands that it is in the way of; none where it only costs quality.
    pub stops: Vec<&'static str>,
}

/// The commands that learn from orders.
const OF_ORDERS: [&str; 2] = ["ranking", "basket"];
const OF_SEQUENCES: &str = "next";

/// Reads everything that an import would, and writes nothing.
///
/// # Errors
/// What an import can't go on from: a mapping with faults, columns that aren't
/// there, files that can't be read. That nothing usable is left is a finding.
pub fn check(shop: &Path, mapping: Option<&Path>, watch: &mut dyn Watch) -> Result<Check> {
    let (parsed, source) = open(&Place::of(shop)?, mapping)?;
    let Imported {
        shop: orders,
        report,
        ..
    } = read(&source, &parsed, watch)?;
    let mut findings = of_orders(&orders, &report);
    let mut commands = OF_ORDERS.to_vec();

    let impressions = match parsed.window {
        Some(_) => match impressions(shop, mapping, None, watch) {
            Err(Error::Invalid(faults)) if faults.iter().all(|it| it.code == NO_EVENTS) => {
                let found = |fault: Fault| Finding {
                    code: fault.code,
                    cause: fault.cause,
                    action: fault.action,
                    stops: Vec::new(),
                };
                findings.extend(faults.into_iter().map(found));
                None
            }
            found => Some(found?),
        },
        None => None,
    };
    let sequences = match parsed.sequences {
        true => {
            let (_, log) = sequences::import(shop, mapping, watch)?;
            Some(log.report)
        }
        false => None,
    };
    if let Some(found) = &sequences {
        commands.push(OF_SEQUENCES);
        if found.sequences == 0 {
            findings.push(Finding {
                code: "no_sequences",
                cause: format!("of {} rows none is a place of a sequence", found.rows),
                action: "check the section [sequences] of the mapping file".to_owned(),
                stops: vec![OF_SEQUENCES],
            });
        }
    }
    commands.retain(|command| findings.iter().all(|f| !f.stops.contains(command)));
    Ok(Check {
        report,
        impressions,
        sequences,
        findings,
        usable_by: commands,
    })
}

fn of_orders(shop: &Shop, report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |stops: &[&'static str], faults: &[Fault]| {
        findings.extend(faults.iter().map(|fault| Finding {
            code: fault.code,
            cause: fault.cause.clone(),
            action: fault.action.clone(),
            stops: stops.to_vec(),
        }));
    };
    let note = |code, cause: String, action: &str| [fault(code, "orders", cause, action)];
    let Some(first) = shop.orders.first() else {
        add(&OF_ORDERS, no_orders(report).faults());
        return findings;
    };
    if let Err(error) = Plan::of(shop, LastMonth::Scored) {
        add(&["ranking"], error.faults());
    }
    let mut orders = vec![0u32; shop.customers.len()];
    for order in &shop.orders {
        orders[order.customer as usize] += 1;
    }
    let come_back = orders.iter().filter(|orders| **orders > 1).count();
    let days = (shop.end() - first.time) / DAY;
    if days < basket::FEWEST_DAYS || come_back < basket::FEWEST_LISTS {
        let cause = format!(
            "the orders go from {} to {}, and {come_back} customers come back",
            Timestamp(first.time),
            Timestamp(shop.end())
        );
        let action =
            "give at least three months of orders, and at least 20 customers who come back";
        add(&["basket"], &note("too_little_history", cause, action));
    }
    if let Some(fault) = shop.dated_ahead() {
        add(&["basket"], &[fault]);
    }
    if let [product] = shop.products.as_slice() {
        let cause = format!("all that was sold is {}", product.code);
        let action = "there is nothing to rank; check columns.product in the mapping file";
        add(&OF_ORDERS, &note("one_product", cause, action));
    }
    let mut prices = shop
        .orders
        .iter()
        .flat_map(|o| &o.lines)
        .map(|line| line.unit_price);
    if let Some(price) = prices
        .next()
        .filter(|price| prices.all(|other| other == *price))
    {
        let cause = format!("every price is {price} minor units of {}", shop.currency);
        let action = "learning goes on without what prices tell; check columns.unit_price";
        add(&[], &note("equal_prices", cause, action));
    }
    let flooded = report.rows_of(Rule::Flood);
    if flooded > 0 {
        let cause = format!("{flooded} rows are of customers who have too many to be shoppers");
        let action = "they are left out; if they are real, give each buyer a number of their own";
        add(&[], &note("flood", cause, action));
    }
    if report.refused * 2 > report.rows {
        let cause = format!("{} of {} rows are refused", report.refused, report.rows);
        let action = "look at the rule that refuses most; the mapping may be wrong";
        add(&[], &note("mostly_refused", cause, action));
    }
    findings
}

impl Check {
    /// For a person: the reports, and what follows from them.
    pub fn table(&self) -> String {
        let mut text = self.report.table();
        if let Some(impressions) = &self.impressions {
            text += &format!("\n\nWhat was shown:\n{}", impressions.table());
        }
        if let Some(found) = &self.sequences {
            text += &format!(
                "\n\n{} sequences of {} products, from {} of {} rows",
                found.sequences, found.products, found.kept, found.rows
            );
        }
        for finding in &self.findings {
            let weight = match finding.stops.as_slice() {
                [] => "note".to_owned(),
                stops => format!("in the way of {}", stops.join(", ")),
            };
            // A report that stands in a cause stands above already.
            let cause = finding.cause.lines().next().unwrap_or_default();
            text += &format!(
                "\n\n{} ({weight})\n  cause:  {}\n  action: {}",
                finding.code,
                cause.trim_end_matches(':'),
                finding.action
            );
        }
        let verdict = match self.usable_by.as_slice() {
            [] => "not usable".to_owned(),
            commands => format!("usable by: {}", commands.join(", ")),
        };
        format!("{text}\n\n{verdict}")
    }
}
