//! A customer as the shop's books know one.

use crate::id::ShopperId;

/// A customer. Only what an order history holds: no name, no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The shop's number for this customer.
    pub id: ShopperId,
    /// The country as the shop writes it, when known.
    pub country: Option<String>,
}
