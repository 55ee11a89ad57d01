//! What crosses the boundary, seen from outside.

mod answers;
#[cfg(feature = "assistant")]
mod assist;
mod bad_input;
#[cfg(feature = "assistant")]
mod chatwoot;
#[cfg(feature = "assistant")]
mod conversations;
mod events;
mod explore;
mod intent;
mod manifest;
mod model;
mod mutations;
mod openapi;
mod policy;
mod profile;
mod rank;
mod rerank;
mod stored;
