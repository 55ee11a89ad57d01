//! Random numbers: those of the shop's vocabulary, which every room shares.

pub use shelfedge_commerce::rng::Rng;
