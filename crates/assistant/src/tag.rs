//! A tag for each token of a turn: slots and entities, by emissions of a compiled model and
//! the best path through them.

use core::ops::Range;

use shelfedge_engine::file::u32_at;
use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Best, Input, MAX_ROWS, Model, Workspace, viterbi};
use shelfedge_features::text::{Features, MAX_TOKENS, MOST_FEATURES, Text};

use crate::OpenError;
use crate::marginal::Marginals;

/// Most tags of a model.
pub const MOST_TAGS: usize = 256;
/// What has no tag.
pub const OUTSIDE: &str = "O";
const VERSION: u32 = 1;
/// What a transition costs that BIO doesn't allow: an inside that nothing of its kind
/// comes before.
const NEVER: f32 = -1e9;

/// The section `tags` of a compiled tagger.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    /// Their names, one for each of the model's emissions.
    pub names: Vec<String>,
    /// `[tags + 1, tags]`: scores from each tag to each, and from the beginning.
    pub transitions: Vec<f32>,
}

impl Tags {
    /// The section's name.
    pub const SECTION: &'static str = "tags";

    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let head = [VERSION, self.names.len() as u32];
        let lengths = self.names.iter().map(|name| name.len() as u32);
        let scores = self.transitions.iter().map(|score| score.to_bits());
        let numbers = head.into_iter().chain(lengths).chain(scores);
        let mut out: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        for name in &self.names {
            out.extend(name.as_bytes());
        }
        out
    }

    /// Reads the section; none if it isn't one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| u32_at(bytes, 4 * index);
        let count = number(1)? as usize;
        if number(0)? != VERSION || !(1..=MOST_TAGS).contains(&count) {
            return None;
        }
        let scores = 2 + count;
        let cells = (count + 1) * count;
        let mut at = 4 * (scores + cells);
        let mut names = Vec::with_capacity(count);
        let mut transitions = Vec::new();
        for cell in 0..cells {
            let score = f32::from_bits(number(scores + cell)?);
            if !score.is_finite() {
                return None;
            }
            transitions.push(score);
        }
        for i in 0..count {
            let end = at.checked_add(number(2 + i)? as usize)?;
            names.push(core::str::from_utf8(bytes.get(at..end)?).ok()?.to_owned());
            at = end;
        }
        (at == bytes.len()).then_some(Self { names, transitions })
    }

    /// Whether the names begin with `B-` and `I-`.
    fn is_bio(&self) -> bool {
        self.names.iter().any(|name| name.starts_with("B-"))
    }

    /// The transitions, without those that BIO doesn't allow.
    fn allowed(&self) -> Vec<f32> {
        let mut scores = self.transitions.clone();
        if self.is_bio() {
            let count = self.names.len();
            for (row, cells) in scores.chunks_exact_mut(count).enumerate() {
                let before = self.names.get(row).and_then(|name| name.get(2..));
                for (cell, name) in cells.iter_mut().zip(&self.names) {
                    if name.starts_with("I-") && name.get(2..) != before {
                        *cell = NEVER;
                    }
                }
            }
        }
        scores
    }
}

/// A run of tokens with one tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Span<'a> {
    /// What it is.
    pub tag: &'a str,
    /// Bytes of the original text.
    pub bytes: Range<usize>,
    /// The model's probability that its tokens have these tags, from 0 to 1.
    pub confidence: f32,
}

/// Buffers for turns, used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct TagBuffers {
    rows: Vec<i32>,
    emissions: Vec<f32>,
    best: Best,
    marginals: Marginals,
    workspace: Workspace,
}

/// A compiled tagger, read in place.
#[derive(Clone, Debug)]
pub struct Tagger<B> {
    model: Model<B>,
    tags: Tags,
    allowed: Vec<f32>,
}

impl<B: AsRef<[u8]>> Tagger<B> {
    /// Opens a compiled model: checks offsets, sizes and ports.
    ///
    /// # Errors
    /// A file that isn't one, lacks a section, or whose ports don't fit.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let model = Model::open(bytes).map_err(|error| OpenError::Model(error.to_string()))?;
        let tags = model.section(Tags::SECTION).and_then(Tags::read);
        let tags = tags.ok_or(OpenError::Section(Tags::SECTION))?;
        if !features(&model).is_some_and(|features| features.is_sound()) {
            return Err(OpenError::Section(Features::SECTION));
        }
        let mut inputs = model.inputs().map(|p| (p.name, p.kind, p.shape));
        let mut outputs = model.outputs().map(|p| (p.name, p.kind, p.shape));
        let (input, output) = (inputs.next(), outputs.next());
        let fits = input.is_some_and(|(name, kind, shape)| {
            let size = shape.len as usize * shape.width as usize;
            (name, kind, shape.rows, size) == ("feature", Kind::I32, Rows::PerRow, MOST_FEATURES)
        }) && output.is_some_and(|(name, kind, shape)| {
            let size = shape.len as usize * shape.width as usize;
            (name, kind, shape.rows, size)
                == ("emission", Kind::F32, Rows::PerRow, tags.names.len())
        }) && inputs.next().is_none()
            && outputs.next().is_none();
        drop((inputs, outputs));
        let allowed = tags.allowed();
        match fits {
            true => Ok(Self {
                model,
                tags,
                allowed,
            }),
            false => Err(OpenError::Ports),
        }
    }

    /// What it knows.
    #[must_use]
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// What its spans can be, each once, in the order of the tags.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        let names = self.tags.names.iter().enumerate();
        let kinds = names.filter_map(|(at, name)| {
            let kind = self.kind(name);
            let mut before = self.tags.names[..at].iter();
            let again = before.any(|name| self.kind(name) == kind);
            (!again && kind != OUTSIDE).then_some(kind)
        });
        kinds.filter(|kind| !kind.is_empty())
    }

    fn kind<'n>(&self, name: &'n str) -> &'n str {
        match self.tags.is_bio() {
            true => name.get(2..).unwrap_or(OUTSIDE),
            false => name,
        }
    }

    /// Calls with the tag of each token, in order; those after the first [`MAX_TOKENS`] are
    /// [`OUTSIDE`]. `before` is what the same person wrote last, or nothing.
    pub fn tag<S: AsRef<str>>(
        &self,
        before: &[S],
        tokens: &[S],
        buffers: &mut TagBuffers,
        mut of: impl FnMut(&str),
    ) {
        self.best(before, tokens, buffers);
        for at in 0..tokens.len() {
            let tag = buffers.best.path.get(at);
            let name = tag.and_then(|tag| self.tags.names.get(*tag as usize));
            of(name.map_or(OUTSIDE, String::as_str));
        }
    }

    /// Finds the best path.
    fn best<S: AsRef<str>>(&self, before: &[S], tokens: &[S], buffers: &mut TagBuffers) {
        let read = &tokens[..tokens.len().min(MAX_TOKENS)];
        let TagBuffers {
            rows,
            emissions,
            best,
            workspace,
            ..
        } = buffers;
        rows.clear();
        emissions.clear();
        if let Some(features) = features(&self.model) {
            features.encode(before, read, rows);
        }
        for block in rows.chunks(MAX_ROWS * MOST_FEATURES) {
            let count = block.len() / MOST_FEATURES;
            // A damaged table may be shorter than its features: then nothing is found.
            match self.model.run(workspace, count, &[Input::I32(block)]) {
                Ok(()) => emissions.extend(workspace.output(0)),
                Err(_) => emissions.resize(emissions.len() + count * self.tags.names.len(), 0.0),
            }
        }
        viterbi(emissions, &self.allowed, self.tags.names.len(), best);
    }

    /// The spans of a text, which is read up to 16 KiB, in order; none lies over another.
    /// `before` is what the same person wrote last, or nothing.
    pub fn spans(&self, before: &str, text: &str, buffers: &mut TagBuffers) -> Vec<Span<'_>> {
        let (before, text) = (Text::new(before), Text::new(text));
        self.best(&normals(&before), &normals(&text), buffers);
        let bio = self.tags.is_bio();
        let tokens = text.tokens();
        let mut spans: Vec<(&str, Range<usize>)> = Vec::new();
        let mut last = OUTSIDE;
        for (at, tag) in buffers.best.path.iter().enumerate() {
            let name = self.tags.names.get(*tag as usize);
            let name = name.map_or(OUTSIDE, String::as_str);
            let kind = self.kind(name);
            let goes_on = kind == last && !(bio && name.starts_with("B-"));
            last = kind;
            if kind == OUTSIDE {
                continue;
            }
            match spans.last_mut().filter(|_| goes_on) {
                Some((_, own)) => own.end = at + 1,
                None => spans.push((kind, at..at + 1)),
            }
        }
        let TagBuffers {
            emissions,
            best,
            marginals,
            ..
        } = buffers;
        if !spans.is_empty() {
            marginals.read(emissions, &self.allowed, self.tags.names.len());
        }
        let of = |(tag, own): (_, Range<usize>)| Span {
            tag,
            bytes: tokens[own.start].start as usize..tokens[own.end - 1].end as usize,
            confidence: marginals.of(&best.path, own),
        };
        spans.into_iter().map(of).collect()
    }
}

/// The tokens of a text as taggers read them.
fn normals(text: &Text) -> Vec<&str> {
    let tokens = text.tokens().iter();
    tokens.map(|token| text.normal(token)).collect()
}

fn features<B: AsRef<[u8]>>(model: &Model<B>) -> Option<Features<'_>> {
    let section = model.section(Features::SECTION)?;
    Features::open(section).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags {
            names: ["O", "B-brand", "I-brand"].map(str::to_owned).into(),
            transitions: (0..12).map(|n| n as f32 / 4.0).collect(),
        }
    }

    #[test]
    fn the_section_is_read_as_written_and_damage_is_no_crash() {
        let bytes = tags().write();
        assert_eq!(Tags::read(&bytes), Some(tags()));
        for cut in 0..bytes.len() {
            assert_eq!(Tags::read(&bytes[..cut]), None, "{cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Some(read) = Tags::read(&damaged) {
                    assert_eq!(read.write(), damaged);
                }
            }
        }
    }

    #[test]
    fn an_inside_follows_its_own_kind() {
        let allowed = tags().allowed();
        assert_eq!(allowed[2], NEVER, "after O");
        assert_eq!(allowed[3 * 3 + 2], NEVER, "at the beginning");
        assert_eq!(allowed[3 + 2], 1.25, "after its beginning");
        let mut best = Best::default();
        viterbi(&[0.0, 0.0, 9.0, 0.0, 0.0, 9.0], &allowed, 3, &mut best);
        assert_eq!(best.path, [1, 2]);
    }
}
