//! The split by time: which months teach, which stops the learning, which is
//! scored once.

use shelfedge_commerce::time::Timestamp;

use crate::error::{Error, Result};
use crate::protocol::{DAY, Window};
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
    /// The last window, scored once.
    pub test: Window,
}

impl Plan {
    /// Splits a shop's history.
    pub fn of(shop: &Shop) -> Result<Self> {
        let first = shop.orders.first().map_or(0, |o| o.time);
        let windows = months(first, shop.end() + 1);
        let Some(([train @ .., valid], test)) = windows
            .split_last()
            .map(|(test, rest)| (rest, *test))
            .and_then(|(rest, test)| (!rest.is_empty()).then_some((rest, test)))
        else {
            return Err(too_short(shop));
        };
        let train: Vec<Window> = train
            .iter()
            .copied()
            .filter(|w| w.from >= first + WARM_UP * DAY)
            .collect();
        if train.is_empty() {
            return Err(too_short(shop));
        }
        let skip = train.len().saturating_sub(MOST_MONTHS);
        Ok(Self {
            train: train[skip..].to_vec(),
            valid: *valid,
            test,
        })
    }

    /// Splits a history of which nothing is held back for a test: the last
    /// month stops the learning. For predicting what comes after it.
    pub fn without_test(shop: &Shop) -> Result<(Vec<Window>, Window)> {
        let first = shop.orders.first().map_or(0, |o| o.time);
        let windows = months(first, shop.end() + 1);
        let train: Vec<Window> = windows
            .iter()
            .copied()
            .filter(|w| w.from >= first + WARM_UP * DAY)
            .collect();
        let Some((valid, train)) = train.split_last().filter(|(_, rest)| !rest.is_empty()) else {
            return Err(too_short(shop));
        };
        let skip = train.len().saturating_sub(MOST_MONTHS);
        Ok((train[skip..].to_vec(), *valid))
    }
}

fn too_short(shop: &Shop) -> Error {
    Error::fault(
        "too_little_history",
        "orders",
        format!(
            "the orders go from {} to {}",
            Timestamp(shop.orders.first().map_or(0, |o| o.time)),
            Timestamp(shop.end())
        ),
        "give at least five calendar months: two to know customers from, one to learn from, \
         one to stop the learning and one to measure it",
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
    use expect_test::expect;

    fn show(windows: &[Window]) -> String {
        windows
            .iter()
            .map(|w| format!("{} {}\n", Timestamp(w.from), Timestamp(w.to)))
            .collect()
    }

    fn at(text: &str) -> i64 {
        Timestamp::parse_rfc3339(text).expect("a time").millis()
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
