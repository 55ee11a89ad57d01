//! Real, anonymous customers of varied kinds for a demonstration: their orders
//! as the events of a rank request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;
use shelfedge_commerce::time::{DAY, Timestamp};

use crate::request::{purchase, quoted};
use crate::shop::{Shop, ShopOrder};

/// No more lines than this for one customer, so that the file stays small.
const MAX_LINES: usize = 420;

/// What sort of customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Twelve orders or more, the last within 60 days.
    Frequent,
    /// Five to eleven orders, the last within 60 days.
    Regular,
    /// Two to four orders, the last within 90 days.
    Occasional,
    /// One order, within 30 days.
    New,
    /// No order for more than 120 days.
    Lapsed,
}

impl Sort {
    const ALL: [(Self, usize); 5] = [
        (Self::Frequent, 5),
        (Self::Regular, 6),
        (Self::Occasional, 5),
        (Self::New, 5),
        (Self::Lapsed, 3),
    ];

    fn of(orders: usize, age_days: i64) -> Option<Self> {
        match (orders, age_days) {
            (12.., ..=60) => Some(Self::Frequent),
            (5..=11, ..=60) => Some(Self::Regular),
            (2..=4, ..=90) => Some(Self::Occasional),
            (1, ..=30) => Some(Self::New),
            (_, 121..) => Some(Self::Lapsed),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Frequent => "frequent",
            Self::Regular => "regular",
            Self::Occasional => "occasional",
            Self::New => "new",
            Self::Lapsed => "lapsed",
        }
    }
}

struct Candidate<'a> {
    customer: u32,
    country: &'a str,
    lines: usize,
    orders: Vec<&'a ShopOrder>,
}

/// Chooses about 24 customers and writes them as JSON.
pub fn shoppers(shop: &Shop) -> String {
    let end = shop.end();
    let mut histories: BTreeMap<u32, Vec<&ShopOrder>> = BTreeMap::new();
    for order in &shop.orders {
        histories.entry(order.customer).or_default().push(order);
    }
    let mut sorts: BTreeMap<Sort, Vec<Candidate<'_>>> = BTreeMap::new();
    for (customer, orders) in histories {
        let lines: usize = orders.iter().map(|o| o.lines.len()).sum();
        let age = (end - orders.last().map_or(end, |o| o.time)) / DAY;
        if let Some(sort) = Sort::of(orders.len(), age)
            && (8..=MAX_LINES).contains(&lines)
        {
            sorts.entry(sort).or_default().push(Candidate {
                customer,
                country: &shop.customers[customer as usize].country,
                lines,
                orders,
            });
        }
    }

    let mut countries: BTreeSet<&str> = BTreeSet::new();
    let mut out = format!(
        r#"{{"version":1,"now":"{}","currency":"{}","shoppers":["#,
        Timestamp(end),
        shop.currency.code()
    );
    let mut first = true;
    for (sort, wanted) in Sort::ALL {
        let Some(mut pool) = sorts.remove(&sort) else {
            continue;
        };
        // The typical ones first: those whose number of lines is nearest to the
        // median of their sort.
        let mut sizes: Vec<usize> = pool.iter().map(|c| c.lines).collect();
        sizes.sort_unstable();
        let median = sizes[sizes.len() / 2];
        pool.sort_by_key(|c| (c.lines.abs_diff(median), c.customer));
        let mut chosen: Vec<&Candidate<'_>> = Vec::new();
        // Half of them from countries that have not appeared yet.
        for candidate in &pool {
            if chosen.len() < wanted.div_ceil(2) && countries.insert(candidate.country) {
                chosen.push(candidate);
            }
        }
        for candidate in &pool {
            if chosen.len() < wanted && !chosen.iter().any(|c| c.customer == candidate.customer) {
                chosen.push(candidate);
            }
        }
        for candidate in chosen {
            if !first {
                out.push(',');
            }
            first = false;
            let events: Vec<String> = candidate.orders.iter().map(|o| purchase(shop, o)).collect();
            let id = quoted(&format!(
                "c{}",
                shop.customers[candidate.customer as usize].id
            ));
            let _ = write!(
                out,
                "\n{{\"shopper\":{id},\"country\":{},\"kind\":\"{}\",\"orders\":{},\"lines\":{},\"events\":[{}]}}",
                quoted(candidate.country),
                sort.name(),
                candidate.orders.len(),
                candidate.lines,
                events.join(",")
            );
        }
    }
    out.push_str("\n]}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::import;
    use crate::watch::Silent;

    #[test]
    fn varied_customers_in_a_small_file() {
        let demo =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail");
        let shop = import(&demo, None, &mut Silent).expect("readable").shop;
        let text = shoppers(&shop);
        assert!(text.len() < 300_000, "{} bytes", text.len());
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let list = value["shoppers"].as_array().expect("a list");
        assert_eq!(list.len(), 24);
        let distinct = |key: &str| {
            list.iter()
                .map(|s| s[key].to_string())
                .collect::<BTreeSet<_>>()
                .len()
        };
        assert_eq!(distinct("shopper"), 24);
        assert_eq!(distinct("kind"), 5);
        assert!(distinct("country") >= 6);
        assert_eq!(text, shoppers(&shop), "the same every time");
    }
}
