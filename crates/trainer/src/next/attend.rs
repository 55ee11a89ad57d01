//! The sequence model of a ranking: learnt from the same logs as its lists, so
//! that what it says of a lesson's questions is not what it was told of them.

use shelfedge_features::trails::fit::Sequences;

use super::{ASKED, Lesson, Settings, embed, newest_sessions};
use crate::attention::{self, Course, Epoch, Interest, Kind as Which, Network, SelfAttention};
use crate::error::{Error, Result};
use crate::import::sequences::Kind;
use crate::watch::Watch;

/// Compiled networks.
pub(super) struct Networks {
    /// For each lesson one that has seen its log alone.
    pub(super) lessons: Vec<Vec<u8>>,
    /// One that has seen everything.
    pub(super) whole: Vec<u8>,
    pub(super) curve: Curve,
}

/// How the first of them was learnt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) epochs: Vec<Epoch>,
    pub(super) best: usize,
}

/// Learns a network from the oldest of the lessons' logs, and goes on with each
/// newer one. What stops the first is asked of shoppers about what comes after
/// that log, and of sessions about the newest of its own.
pub(super) fn networks(
    log: &Sequences,
    lessons: &[Lesson<'_>],
    products: usize,
    of: (Kind, bool),
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Networks> {
    match settings.attention.network {
        Which::SelfAttention => learn::<SelfAttention>(log, lessons, products, of, settings, watch),
        Which::Interest => learn::<Interest>(log, lessons, products, of, settings, watch),
    }
}

fn learn<N: Network>(
    log: &Sequences,
    lessons: &[Lesson<'_>],
    products: usize,
    (kind, repeats): (Kind, bool),
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Networks> {
    let how = attention::Settings {
        seed: settings.seed,
        ..settings.attention
    };
    // Lessons stand newest first.
    let mut newer = lessons.iter().rev();
    let inner;
    let (oldest, is_lesson) = match kind {
        Kind::Sessions => {
            inner = lessons
                .last()
                .map(|lesson| newest_sessions(&lesson.log, ASKED));
            (inner.as_ref(), false)
        }
        Kind::Shoppers => (newer.next(), true),
    };
    let Some(oldest) = oldest else {
        return Err(Error::Cancelled);
    };
    let mut step = |share: f64| {
        watch.step("embedding", (share * 10.0) as u64, 10, "");
        !watch.cancelled()
    };
    let width = how.width.min(products);
    let embedding = embed::embedding(&oldest.log, products, width, how.seed, &mut step)
        .ok_or(Error::Cancelled)?;
    let stop = &oldest.questions;
    let mut course = Course::<N>::begin(
        &oldest.log,
        products,
        &embedding,
        stop,
        repeats,
        &how,
        watch,
    )?;
    let mut made = Vec::new();
    if is_lesson {
        made.push(course.export(&[])?.1);
    }
    for lesson in newer {
        course.go_on(&lesson.log, watch)?;
        made.push(course.export(&[])?.1);
    }
    made.reverse();
    course.go_on(log, watch)?;
    Ok(Networks {
        lessons: made,
        whole: course.export(&[])?.1,
        curve: Curve {
            epochs: course.curve,
            best: course.best,
        },
    })
}
