//! What `GET /v1/models` and `GET /healthz` answer.

use shelfedge_commerce::{Currency, Timestamp};

use crate::json::Writer;

/// A model that is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What it does, such as `ranking`.
    pub task: String,
    /// `sha256:` and the digest of `model.shelf`.
    pub digest: String,
    /// How many products it knows.
    pub products: u32,
    /// The currency of its prices.
    pub currency: Currency,
    /// The end of the data it was trained on.
    pub data_end: Timestamp,
    /// The size of `model.shelf`.
    pub bytes: u64,
}

/// The body of `GET /v1/models`.
pub fn write(models: &[Model]) -> Vec<u8> {
    let mut json = Writer::with_capacity(256 * (1 + models.len()));
    json.open(b'{');
    json.key("models");
    json.open(b'[');
    for model in models {
        json.open(b'{');
        json.key("task");
        json.string(&model.task);
        json.key("digest");
        json.string(&model.digest);
        json.key("products");
        json.unsigned(model.products.into());
        json.key("currency");
        json.string(model.currency.code());
        json.key("data_end");
        json.string(&model.data_end.to_string());
        json.key("bytes");
        json.unsigned(model.bytes);
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
    json.finish()
}

/// The body of `GET /healthz` of a service that can answer, with the digest of
/// the model it serves.
pub fn health(model: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(128);
    json.open(b'{');
    for (name, value) in [("status", "ok"), ("model", model)] {
        json.key(name);
        json.string(value);
    }
    json.close(b'}');
    json.finish()
}

/// What became of a batch of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events in the request.
    pub received: u64,
    /// Events that were stored.
    pub stored: u64,
    /// Events that had been stored before.
    pub known: u64,
    /// Events that were left out, by the rule for a full profile.
    pub dropped: u64,
    /// Shoppers concerned.
    pub shoppers: u64,
}

impl Receipt {
    /// The body of `POST /v1/events`.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Writer::with_capacity(128);
        json.open(b'{');
        for (name, count) in [
            ("received", self.received),
            ("stored", self.stored),
            ("known", self.known),
            ("dropped", self.dropped),
            ("shoppers", self.shoppers),
        ] {
            json.key(name);
            json.unsigned(count);
        }
        json.close(b'}');
        json.finish()
    }
}
