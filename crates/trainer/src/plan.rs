//! The split by time: which months teach, which stops the learning, and which
//! is held back to be scored.

use shelfedge_commerce::time::{DAY, Timestamp};

use crate::error::{Error, Result};
use crate::protocol::Window;
use crate::shop::Shop;

/// Most months that teach: customers' habits of longer ago help little.
const MOST_MONTHS: usize = 6;
/// Days of history that the first of them needs.
const WARM_UP: i64 = 60;
/// A shorter rest of a month at the end joins the month before.
const SHORTEST: i64 = 15;

/// A split by calendar months. Every window's features come only from the
/// orders before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Windows that teach, by time.
    pub train: Vec<Window>,
    /// The window that stops the learning.
    pub valid: Window,
    /// The window after it, which learning never sees; none where nothing was
    /// held back.
    pub test: Option<Window>,
}

/// What the last month of a history is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastMonth {
    /// It is held back, and scored: this tells what a model is worth.
    Scored,
    /// It stops the learning: for a model that knows the newest month too, as
    /// one that predicts what comes after it.
    StopsLearning,
}

impl Plan {
    /// Splits a shop's history.
    pub fn of(shop: &Shop, last: LastMonth) -> Result<Self> {
        let first = shop.orders.first().map_or(0, |o| o.time);
        let mut windows = months(first, shop.end() + 1);
        let test = match last {
            LastMonth::Scored => windows.pop(),
            LastMonth::StopsLearning => None,
        };
        let valid = windows.pop();
        windows.retain(|w| w.from >= first + WARM_UP * DAY);
        let Some(valid) = valid.filter(|_| !windows.is_empty()) else {
            return Err(too_short(shop, last));
        };
        windows.drain(..windows.len().saturating_sub(MOST_MONTHS));
        Ok(Self {
            train: windows,
            valid,
            test,
        })
    }
}

fn too_short(shop: &Shop, last: LastMonth) -> Error {
    Error::fault(
        "too_little_history",
        "orders",
        match shop.orders.first() {
            None => "there is no order".to_owned(),
            Some(first) => format!(
                "the orders go from {} to {}",
                Timestamp(first.time),
                Timestamp(shop.end())
            ),
        },
        match last {
            LastMonth::Scored => {
                "give at least five calendar months: two to know customers from, one to learn \
                 from, one to stop the learning and one to measure it"
            }
            LastMonth::StopsLearning => {
                "give at least four calendar months: two to know customers from, one to learn \
                 from and one to stop the learning"
            }
        },
    )
}

/// The calendar months that begin within a span; the last ends with the span.
fn months(first: i64, end: i64) -> Vec<Window> {
    let (mut year, mut month, _) = Timestamp(first).date();
    let mut starts = Vec::new();
    loop {
        month += 1;
        if month > 12 {
            month = 1;
            year += 1;
        }
        match Timestamp::from_civil(year, month, 1) {
            Some(start) if start.millis() < end => starts.push(start.millis()),
            _ => break,
        }
    }
    if starts.len() > 1 && starts.last().is_some_and(|s| end - s < SHORTEST * DAY) {
        starts.pop();
    }
    starts
        .iter()
        .enumerate()
        .map(|(i, &from)| Window {
            from,
            to: starts.get(i + 1).copied().unwrap_or(end),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::ShopOrder;
    use expect_test::expect;
    use shelfedge_commerce::money::Currency;

    fn show(windows: &[Window]) -> String {
        windows
            .iter()
            .map(|w| format!("{} {}\n", Timestamp(w.from), Timestamp(w.to)))
            .collect()
    }

    fn at(text: &str) -> i64 {
        Timestamp::parse_rfc3339(text).expect("a time").millis()
    }

    /// A shop with an order on each of these days.
    fn shop(days: &[&str]) -> Shop {
        Shop {
            currency: Currency::parse("EUR").expect("a currency"),
            products: Vec::new(),
            customers: Vec::new(),
            orders: days
                .iter()
                .map(|day| ShopOrder {
                    id: String::new(),
                    customer: 0,
                    time: at(&format!("{day}T12:00:00Z")),
                    lines: Vec::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn the_last_month_is_scored_or_stops_the_learning() {
        let plan = |days: &[&str], last| {
            Plan::of(&shop(days), last).map(|p| {
                format!(
                    "{}stops {}tests {}",
                    show(&p.train),
                    show(&[p.valid]),
                    show(p.test.as_slice())
                )
            })
        };
        let days = ["2011-01-05", "2011-06-20"];
        expect![[r#"
            2011-04-01T00:00:00Z 2011-05-01T00:00:00Z
            stops 2011-05-01T00:00:00Z 2011-06-01T00:00:00Z
            tests 2011-06-01T00:00:00Z 2011-06-20T12:00:00.001Z
        "#]]
        .assert_eq(&plan(&days, LastMonth::Scored).expect("long enough"));
        expect![[r#"
            2011-04-01T00:00:00Z 2011-05-01T00:00:00Z
            2011-05-01T00:00:00Z 2011-06-01T00:00:00Z
            stops 2011-06-01T00:00:00Z 2011-06-20T12:00:00.001Z
            tests "#]]
        .assert_eq(&plan(&days, LastMonth::StopsLearning).expect("long enough"));
        // A month less: enough for learning, not for scoring too.
        let days = ["2011-01-05", "2011-05-20"];
        let error = plan(&days, LastMonth::Scored).expect_err("too short");
        assert!(
            error.to_string().contains("five calendar months"),
            "{error}"
        );
        plan(&days, LastMonth::StopsLearning).expect("long enough");
        let days = ["2011-01-05", "2011-04-20"];
        let error = plan(&days, LastMonth::StopsLearning).expect_err("too short");
        assert!(
            error.to_string().contains("four calendar months"),
            "{error}"
        );
        plan(&[], LastMonth::StopsLearning).expect_err("nothing");
    }

    #[test]
    fn a_short_rest_joins_the_month_before() {
        let windows = months(at("2011-08-17T10:00:00Z"), at("2011-12-09T12:50:00Z"));
        expect![[r#"
            2011-09-01T00:00:00Z 2011-10-01T00:00:00Z
            2011-10-01T00:00:00Z 2011-11-01T00:00:00Z
            2011-11-01T00:00:00Z 2011-12-09T12:50:00Z
        "#]]
        .assert_eq(&show(&windows));
        let windows = months(at("2011-11-17T10:00:00Z"), at("2012-01-20T00:00:00Z"));
        expect![[r#"
            2011-12-01T00:00:00Z 2012-01-01T00:00:00Z
            2012-01-01T00:00:00Z 2012-01-20T00:00:00Z
        "#]]
        .assert_eq(&show(&windows));
    }
}
