//! A customer's history as the events of a rank request.
//!
//! Written as text by hand: money must stand there as its exact decimal, which
//! a float would not keep.

use std::fmt::Write;

use shelfedge_commerce::money::{Currency, Money};
use shelfedge_commerce::time::Timestamp;

use crate::shop::{Shop, ShopOrder};

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A purchase as a GA4 event in the request's short form.
pub fn purchase(shop: &Shop, order: &ShopOrder) -> String {
    let mut out = format!(
        r#"{{"name":"purchase","time":"{}","id":{id},"params":{{"transaction_id":{id},"currency":"{}","items":["#,
        Timestamp(order.time),
        shop.currency.code(),
        id = quoted(&order.id),
    );
    for (i, line) in order.lines.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let code = quoted(&shop.products[line.product as usize].code);
        let price = decimal(line.unit_price, shop.currency);
        let _ = write!(
            out,
            r#"{comma}{{"item_id":{code},"quantity":{},"price":{price}}}"#,
            line.quantity
        );
    }
    out.push_str("]}}");
    out
}

fn decimal(minor: i64, currency: Currency) -> String {
    Money::new(minor, currency).to_decimal()
}
