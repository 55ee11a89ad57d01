//! Reads a shop's order history, reports what is in it, learns a ranking from
//! it and writes the bundle that the browser and the edge serve.
//!
//! It doesn't serve: nothing depends on this crate. It computes no feature of
//! its own either: training and serving call the same `shelfedge_features`.

pub mod assistant;
pub mod attention;
pub mod basket;
pub mod bench;
pub mod best;
pub mod boost;
pub mod bundle;
pub mod card;
pub mod error;
pub mod evaluate;
pub mod examples;
pub mod export;
pub mod generate;
pub mod golden;
pub mod graph;
pub mod images;
pub mod import;
pub mod intent;
pub mod learn;
mod linear;
mod logged;
pub mod metrics;
pub mod model;
pub mod next;
pub mod plan;
pub mod policy;
pub mod protocol;
mod questions;
pub mod ranking;
pub mod request;
pub mod rng;
pub mod round;
pub mod settings;
pub mod shop;
pub mod shoppers;
pub mod slots;
pub mod watch;
