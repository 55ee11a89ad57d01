//! In a build without policies for whole lists (feature `explore`) nobody asks for
//! one: a request that does is refused, and all that is done with it falls away.

use core::convert::Infallible;

use shelfedge_ranking::Ranked;

use crate::explore::refuse;
use crate::hash::Hash128;
use crate::json::{Decoder, Malformed, Path, Writer};
use crate::rank::Request;

/// What a request asks a policy for, which is nothing.
pub type ListPolicy = Infallible;

pub(crate) fn policy(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<ListPolicy>, Malformed> {
    refuse(decoder, path)
}

pub(crate) fn check(_: &mut Decoder<'_>, _: &Request) {}

pub(crate) fn write_request(_: &mut Writer, _: &Request) {}

pub(crate) fn hash(_: &mut Hash128, _: &Request) {}

pub(crate) fn write_choice(_: &mut Writer, _: &Ranked) {}
