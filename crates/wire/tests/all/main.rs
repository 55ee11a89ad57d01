//! What crosses the boundary, seen from outside.

mod answers;
mod bad_input;
mod events;
mod explore;
mod manifest;
mod model;
mod mutations;
mod openapi;
mod policy;
mod profile;
mod rank;
mod rerank;
mod stored;
