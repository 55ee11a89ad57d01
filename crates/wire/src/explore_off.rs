//! In a build without exploration (feature `explore`) nobody has settings for it: a
//! request with any is refused, and all that is done with them falls away.

use core::convert::Infallible;

use shelfedge_ranking::Ranked;

use crate::codes;
use crate::hash::Hash128;
use crate::json::{Decoder, Kind, Malformed, Path, Writer};
use crate::rank::{DEFAULT_ARM, Request};

pub(crate) use crate::rerank::rank;

/// Settings of exploration, of which there are none.
pub type Explore = Infallible;
/// A product that was tried, of which nothing is read.
pub type Tried = Infallible;

/// The fields of an event's item that are known.
pub(crate) const ITEM_FIELDS: usize = 6;

pub(crate) fn explore(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Explore>, Malformed> {
    refuse(decoder, path)
}

/// Null is the same as leaving the field out.
pub(crate) fn refuse<T>(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<T>, Malformed> {
    if decoder.kind()? != Kind::Null {
        let cause = "this engine has no re-ranking";
        decoder.fault(&codes::RERANK_UNAVAILABLE, path, cause);
    }
    decoder.skip()?;
    Ok(None)
}

pub(crate) fn tried(decoder: &mut Decoder<'_>, _: &Path<'_>) -> Result<Option<Tried>, Malformed> {
    decoder.skip()?;
    Ok(None)
}

pub(crate) fn check(_: &mut Decoder<'_>, _: &Request) {}

pub(crate) fn write_request(_: &mut Writer, _: &Request) {}

pub(crate) fn hash(_: &mut Hash128, _: &Request) {}

pub(crate) const fn arm(_: &Request, _: &Ranked) -> &'static str {
    DEFAULT_ARM
}

pub(crate) const fn propensity(_: &Ranked, _: usize) -> f32 {
    1.0
}

pub(crate) fn write_item(_: &mut Writer, _: &Request, _: &Ranked, _: usize) {}
