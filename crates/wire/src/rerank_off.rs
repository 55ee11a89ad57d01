//! In a build without re-ranking (feature `rerank`) nobody has settings for it: a
//! request with any is refused, and all that is done with them falls away.

use core::convert::Infallible;

use shelfedge_ranking::{Query, Ranked, Ranker, Workspace};

use crate::Problem;
use crate::explore::refuse;
use crate::hash::Hash128;
use crate::json::{Decoder, Malformed, Path, Writer};
use crate::rank::{Request, refused};

/// Settings of diversity, of which there are none.
pub type Diversity = Infallible;
/// Sponsored places, of which there are none.
pub type Sponsored = Infallible;

pub(crate) fn diversity(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Diversity>, Malformed> {
    refuse(decoder, path)
}

pub(crate) fn sponsored(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Sponsored>, Malformed> {
    refuse(decoder, path)
}

pub(crate) fn check(_: &mut Decoder<'_>, _: &Request) {}

pub(crate) fn write_request(_: &mut Writer, _: &Request) {}

pub(crate) fn hash(_: &mut Hash128, _: &Request) {}

pub(crate) fn rank<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    _: &Request,
    query: &Query<'_>,
    workspace: &mut Workspace,
) -> Result<Ranked, Problem> {
    ranker.rank(query, workspace).map_err(refused)
}

pub(crate) fn write_item<B>(_: &mut Writer, _: &Ranker<B>, _: &Ranked, _: usize) {}

pub(crate) fn write_notes(_: &mut Writer, _: &Request, _: &Ranked) {}
