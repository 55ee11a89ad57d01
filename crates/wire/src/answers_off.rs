//! In a build without questions (feature `answers`) a request with answers is
//! refused, and all that is done with them falls away.

use core::convert::Infallible;

use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_ranking::Ranker;

use crate::Problem;
use crate::codes;
use crate::hash::Hash128;
use crate::json::{Decoder, Kind, Malformed, Path, Writer};

/// The answers of a request, of which there are none.
pub type Replies = Infallible;

const CAUSE: &str = "this engine asks no questions";

/// Null is the same as leaving the field out.
pub(crate) fn read(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Replies>, Malformed> {
    if decoder.kind()? != Kind::Null {
        decoder.fault(&codes::ANSWERS_UNAVAILABLE, path, CAUSE);
    }
    decoder.skip()?;
    Ok(None)
}

pub(crate) fn write_request(_: &mut Writer, _: &Option<Replies>) {}

pub(crate) fn hash(_: &mut Hash128, _: &Option<Replies>) {}

pub(crate) fn answered<B>(_: &Ranker<B>, _: &Option<Replies>) -> Result<[u32; 0], Problem> {
    Ok([])
}

/// There are no questions to be had.
///
/// # Errors
/// Always: this engine was built without them.
pub fn questions<B>(_: &Ranker<B>) -> Result<Vec<u8>, Problem> {
    Err(Faults::from(Fault::new(&codes::ANSWERS_UNAVAILABLE, "", CAUSE)).into())
}
