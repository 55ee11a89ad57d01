//! What a shopper did: GA4 e-commerce events.

use std::fmt;
use std::str::FromStr;

use crate::codes;
use crate::fault::{Fault, Faults, Invalid, quote};
use crate::id::{EventId, ListId, ProductId};
use crate::money::{Currency, Money};
use crate::time::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $items:literal;)*) => {
        /// The kinds of events, by the names that GA4 gives them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $kind,)*
        }

        impl EventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The GA4 name, such as `view_item`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// True when an event of this kind says nothing without items.
            pub const fn needs_items(self) -> bool {
                match self {
                    $(Self::$kind => $items,)*
                }
            }

            /// The kind of a GA4 name.
            ///
            /// # Errors
            /// When the name isn't one of GA4's e-commerce events.
            pub fn parse(name: &str) -> Result<Self, Invalid> {
                match name {
                    $($name => Ok(Self::$kind),)*
                    _ => Err(Invalid::new(
                        &codes::EVENT_NAME_UNKNOWN,
                        format!("{} is not an e-commerce event of GA4", quote(name)),
                    )),
                }
            }
        }
    };
}

kinds! {
    /// Products were shown in a list.
    ViewItemList = "view_item_list", true;
    /// A product was chosen from a list.
    SelectItem = "select_item", true;
    /// A product's page was opened.
    ViewItem = "view_item", true;
    /// Put into the cart.
    AddToCart = "add_to_cart", true;
    /// Taken out of the cart.
    RemoveFromCart = "remove_from_cart", true;
    /// Put on the wish list.
    AddToWishlist = "add_to_wishlist", true;
    /// The cart was opened; it may be empty.
    ViewCart = "view_cart", false;
    /// Checkout was begun.
    BeginCheckout = "begin_checkout", true;
    /// A way of delivery was chosen.
    AddShippingInfo = "add_shipping_info", true;
    /// A way of payment was chosen.
    AddPaymentInfo = "add_payment_info", true;
    /// Bought.
    Purchase = "purchase", true;
    /// Given back; a refund of the whole order may name no items.
    Refund = "refund", false;
    /// A promotion was shown.
    ViewPromotion = "view_promotion", false;
    /// A promotion was chosen.
    SelectPromotion = "select_promotion", false;
    /// Something was searched for.
    Search = "search", false;
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventKind {
    type Err = Invalid;
    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::parse(name)
    }
}

/// A product in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventItem {
    /// Which product.
    pub product: ProductId,
    /// How many; at least 1.
    pub quantity: u32,
    /// The price of one, when it was sent.
    pub price: Option<Money>,
    /// Where it stood in its list, from 0, when it was sent.
    pub index: Option<u32>,
}

/// Something a shopper did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same id twice is the same event twice.
    pub id: Option<EventId>,
    /// When.
    pub time: Timestamp,
    /// What kind of thing.
    pub kind: EventKind,
    /// The order's number (GA4 `transaction_id`).
    pub transaction: Option<String>,
    /// The currency of all prices in the event.
    pub currency: Option<Currency>,
    /// The list in which it happened (GA4 `item_list_id`).
    pub list: Option<ListId>,
    /// The products concerned.
    pub items: Vec<EventItem>,
}

impl Event {
    /// Checks what no single field shows.
    ///
    /// # Errors
    /// All of: items missing where the kind needs them, a zero quantity, a
    /// negative price, a price in another currency than the event's or without
    /// one. Paths are relative to the event, such as `items[0].price`.
    pub fn check(&self) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if self.items.is_empty() && self.kind.needs_items() {
            faults.push(Fault::new(
                &codes::EVENT_ITEMS_MISSING,
                "items",
                format!("{} has no items", self.kind),
            ));
        }
        for (index, item) in self.items.iter().enumerate() {
            if item.quantity == 0 {
                faults.push(Fault::new(
                    &codes::QUANTITY_OUT_OF_RANGE,
                    format!("items[{index}].quantity"),
                    "the quantity is 0",
                ));
            }
            let Some(price) = item.price else { continue };
            let path = || format!("items[{index}].price");
            if price.minor < 0 {
                faults.push(Fault::new(
                    &codes::MONEY_NEGATIVE,
                    path(),
                    format!("the price is {price}"),
                ));
            }
            match self.currency {
                None => faults.push(Fault::new(
                    &codes::CURRENCY_MISSING,
                    path(),
                    "the event names no currency",
                )),
                Some(currency) if currency != price.currency => faults.push(Fault::new(
                    &codes::CURRENCY_MIXED,
                    path(),
                    format!(
                        "the event is in {currency} and the price in {}",
                        price.currency
                    ),
                )),
                Some(_) => {}
            }
        }
        faults.into_result(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_round_trip() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Ok(*kind));
        }
        assert_eq!(EventKind::ALL.len(), 15);
        for name in ["", "View_Item", "page_view", "purchase "] {
            assert!(EventKind::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_fault_at_once() {
        let item = |price, quantity| EventItem {
            product: ProductId::new("85123A").expect("an id"),
            quantity,
            price,
            index: None,
        };
        let mut event = Event {
            id: None,
            time: Timestamp(0),
            kind: EventKind::AddToCart,
            transaction: None,
            currency: Some(Currency::GBP),
            list: None,
            items: vec![
                item(Some(Money::new(255, Currency::EUR)), 0),
                item(Some(Money::new(-255, Currency::GBP)), 1),
                item(None, 1),
            ],
        };
        expect![[r#"
            items[0].quantity: the quantity is 0 [quantity_out_of_range]. Send whole quantities of 1 or more; use remove_from_cart or refund for less.
            items[0].price: the event is in GBP and the price in EUR [currency_mixed]. Send one event for each currency, or convert the prices first.
            items[1].price: the price is -2.55 GBP [money_negative]. Send prices as zero or more; a refund is an event of its own."#]]
        .assert_eq(&event.check().expect_err("three faults").to_string());
        event.currency = None;
        assert_eq!(event.check().expect_err("faults").len(), 4);
        event.items.clear();
        assert_eq!(event.check().expect_err("no items").len(), 1);
        event.kind = EventKind::ViewCart;
        assert_eq!(event.check(), Ok(()));
    }
}
