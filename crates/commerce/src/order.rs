//! Orders: what was sold, to whom, when and at what price.

use crate::codes;
use crate::event::{Event, EventItem, EventKind};
use crate::fault::{Fault, Faults, Invalid};
use crate::id::{OrderId, ProductId, ShopperId};
use crate::money::Money;
use crate::time::Timestamp;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// What was bought.
    pub product: ProductId,
    /// How many; at least 1.
    pub quantity: u32,
    /// The price of one.
    pub unit_price: Money,
}

/// An order that was placed and not cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's or invoice's number.
    pub id: OrderId,
    /// Who bought, when it is known; a guest's order has none.
    pub customer: Option<ShopperId>,
    /// When.
    pub time: Timestamp,
    /// What; at least one line, all in one currency.
    pub lines: Vec<OrderLine>,
}

impl Order {
    /// Checks the order as a whole.
    ///
    /// # Errors
    /// All of: no line, a zero quantity, a negative price, more than one
    /// currency. Paths are relative to the order, such as `lines[2].quantity`.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.lines.is_empty() {
            faults.push(Fault::new(&codes::ORDER_EMPTY, "lines", "there is no line"));
        }
        for (index, line) in self.lines.iter().enumerate() {
            if line.quantity == 0 {
                faults.push(Fault::new(
                    &codes::QUANTITY_OUT_OF_RANGE,
                    format!("lines[{index}].quantity"),
                    "the quantity is 0",
                ));
            }
            if line.unit_price.minor < 0 {
                faults.push(Fault::new(
                    &codes::MONEY_NEGATIVE,
                    format!("lines[{index}].unit_price"),
                    format!("the price is {}", line.unit_price),
                ));
            }
            if line.unit_price.currency != self.lines[0].unit_price.currency {
                faults.push(Fault::new(
                    &codes::CURRENCY_MIXED,
                    format!("lines[{index}].unit_price"),
                    format!(
                        "the order began in {} and goes on in {}",
                        self.lines[0].unit_price.currency, line.unit_price.currency
                    ),
                ));
            }
        }
        faults.into_result(())
    }

    /// What the order costs; `None` when it has no line.
    ///
    /// # Errors
    /// When the currencies differ or the total doesn't fit.
    pub fn total(&self) -> Result<Option<Money>, Invalid> {
        let Some(first) = self.lines.first() else {
            return Ok(None);
        };
        let mut total = Money::zero(first.unit_price.currency);
        for line in &self.lines {
            total = total.plus(line.unit_price.times(line.quantity)?)?;
        }
        Ok(Some(total))
    }

    /// The order as the event that a storefront would have sent. The trainer
    /// learns from these and the shopper's device sends the like, so the same
    /// features come from both.
    pub fn to_event(&self) -> Event {
        Event {
            id: None,
            time: self.time,
            kind: EventKind::Purchase,
            transaction: Some(self.id.as_str().to_owned()),
            currency: self.lines.first().map(|line| line.unit_price.currency),
            list: None,
            items: self
                .lines
                .iter()
                .map(|line| EventItem {
                    product: line.product.clone(),
                    quantity: line.quantity,
                    price: Some(line.unit_price),
                    index: None,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;
    use expect_test::expect;

    fn line(product: &str, quantity: u32, minor: i64, currency: Currency) -> OrderLine {
        OrderLine {
            product: ProductId::new(product).expect("an id"),
            quantity,
            unit_price: Money::new(minor, currency),
        }
    }

    fn order(lines: Vec<OrderLine>) -> Order {
        Order {
            id: OrderId::new("536365").expect("an id"),
            customer: None,
            time: Timestamp(0),
            lines,
        }
    }

    #[test]
    fn every_fault_at_once() {
        let bad = order(vec![
            line("a", 0, 255, Currency::GBP),
            line("b", 1, -1, Currency::GBP),
            line("c", 1, 100, Currency::EUR),
        ]);
        let faults = bad.check().expect_err("three faults");
        expect![[r#"
            lines[0].quantity: the quantity is 0 [quantity_out_of_range]. Send whole quantities of 1 or more; use remove_from_cart or refund for less.
            lines[1].unit_price: the price is -0.01 GBP [money_negative]. Send prices as zero or more; a refund is an event of its own.
            lines[2].unit_price: the order began in GBP and goes on in EUR [currency_mixed]. Send one event for each currency, or convert the prices first."#]]
        .assert_eq(&faults.to_string());
        assert!(bad.total().is_err());
        assert_eq!(order(vec![]).check().expect_err("empty").len(), 1);
    }

    #[test]
    fn total_and_event() {
        let order = order(vec![
            line("a", 6, 255, Currency::GBP),
            line("b", 2, 100, Currency::GBP),
        ]);
        assert_eq!(order.total(), Ok(Some(Money::new(1_730, Currency::GBP))));
        let event = order.to_event();
        assert_eq!(event.check(), Ok(()));
        assert_eq!(event.items.len(), 2);
        assert_eq!(event.transaction.as_deref(), Some("536365"));
    }
}
