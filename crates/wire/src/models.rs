//! What `GET /v1/models` and `GET /healthz` answer.

use shelfedge_commerce::{Currency, Timestamp};
use shelfedge_ranking::Ranker;

use crate::json::Writer;

/// A model that is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// What it does, such as `ranking` or `assistant`.
    pub task: &'a str,
    /// `sha256:` and the digest of `model.shelf`.
    pub digest: &'a str,
    /// The size of `model.shelf`.
    pub bytes: u64,
    /// What it was learnt from; none where it knows no orders.
    pub orders: Option<Orders>,
}

impl<'a> Model<'a> {
    /// A ranking model that is open, by its digest.
    #[inline(never)]
    pub fn ranking<B: AsRef<[u8]>>(ranker: &Ranker<B>, digest: &'a str) -> Self {
        let info = ranker.info();
        Self {
            task: "ranking",
            digest,
            bytes: ranker.bytes().len() as u64,
            orders: Some(Orders {
                products: ranker.product_count(),
                currency: info.currency,
                data_end: info.as_of,
            }),
        }
    }
}

/// The orders that a model was learnt from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// How many products it knows.
    pub products: u32,
    /// The currency of its prices.
    pub currency: Currency,
    /// The end of the data.
    pub data_end: Timestamp,
}

/// The body of `GET /v1/models`.
#[inline(never)]
pub fn write(models: &[Model<'_>]) -> Vec<u8> {
    let mut json = Writer::with_capacity(256 * (1 + models.len()));
    json.open(b'{');
    json.key("models");
    json.open(b'[');
    for model in models {
        json.open(b'{');
        json.key("task");
        json.string(model.task);
        json.key("digest");
        json.string(model.digest);
        if let Some(orders) = &model.orders {
            json.key("products");
            json.unsigned(orders.products.into());
            json.key("currency");
            json.string(orders.currency.code());
            json.key("data_end");
            json.string(&orders.data_end.to_string());
        }
        json.key("bytes");
        json.unsigned(model.bytes);
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
    json.finish()
}

/// The body of `GET /healthz` of a service that can answer, with the program's
/// version and the digest of the model it serves.
pub fn health(version: &str, model: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(128);
    json.open(b'{');
    for (name, value) in [("status", "ok"), ("version", version), ("model", model)] {
        json.key(name);
        json.string(value);
    }
    json.close(b'}');
    json.finish()
}

/// The body of a `POST /v1/events` that was accepted: how many events were new
/// and how many had been received before.
pub fn accepted(new: usize, repeated: usize) -> Vec<u8> {
    let mut json = Writer::with_capacity(64);
    json.open(b'{');
    json.key("accepted");
    json.unsigned(new as u64);
    json.key("repeated");
    json.unsigned(repeated as u64);
    json.close(b'}');
    json.finish()
}
