//! The label of a text, with a calibrated probability, or none where the text is about
//! something that the model was never taught.

use core::fmt;

use shelfedge_engine::file::u32_at;
use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Input, Model, PortInfo, Workspace};
use shelfedge_features::text::{self, Known, Text, Vocabulary};

/// Most labels of a model.
pub const MOST_LABELS: usize = 1000;
/// Most grams of a text that a model reads.
const MOST_PLACES: usize = 4096;
const VERSION: u32 = 1;

/// The section `labels` of a compiled classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// Their names, one for each of the model's probabilities.
    pub names: Vec<String>,
    /// The largest probability below which a text is out of scope; 0 to 1.
    pub threshold: f32,
    /// Grams of a text that are read, at most.
    pub places: u32,
}

impl Labels {
    /// The section's name.
    pub const SECTION: &'static str = "labels";

    /// The section.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let head = [
            VERSION,
            self.threshold.to_bits(),
            self.places,
            self.names.len() as u32,
        ];
        let lengths = self.names.iter().map(|name| name.len() as u32);
        let mut out: Vec<u8> = (head.into_iter().chain(lengths))
            .flat_map(u32::to_le_bytes)
            .collect();
        for name in &self.names {
            out.extend(name.as_bytes());
        }
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |index: usize| u32_at(bytes, 4 * index);
        let count = number(3)? as usize;
        if number(0)? != VERSION || !(1..=MOST_LABELS).contains(&count) {
            return None;
        }
        let mut at = 4 * (4 + count);
        let mut names = Vec::with_capacity(count);
        for i in 0..count {
            let end = at.checked_add(number(4 + i)? as usize)?;
            names.push(core::str::from_utf8(bytes.get(at..end)?).ok()?.to_owned());
            at = end;
        }
        let labels = Self {
            names,
            threshold: f32::from_bits(number(1)?),
            places: number(2)?,
        };
        let sound = at == bytes.len()
            && (0.0..=1.0).contains(&labels.threshold)
            && (1..=MOST_PLACES).contains(&(labels.places as usize));
        sound.then_some(labels)
    }
}

/// A file that is no classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// It is no compiled model.
    Model(String),
    /// A section is missing or damaged.
    Section(&'static str),
    /// Its ports aren't those of a classifier.
    Ports,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(why) => f.write_str(why),
            Self::Section(name) => write!(f, "the section {name:?} is missing or damaged"),
            Self::Ports => f.write_str("its inputs and outputs aren't those of a classifier"),
        }
    }
}

impl core::error::Error for OpenError {}

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The most probable label; `None` where the text is out of scope.
    pub label: Option<&'a str>,
    /// The most probable label's place among the model's.
    pub best: usize,
    /// A probability for each of the model's labels, in their order; they add up to 1.
    pub probabilities: &'a [f32],
    /// How much of the text the model knows.
    pub known: Known,
}

/// Buffers for texts, used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    text: Text,
    grams: text::Buffers,
    rows: Vec<i32>,
    weights: Vec<f32>,
    workspace: Workspace,
}

/// A compiled classifier of texts, read in place.
#[derive(Clone, Debug)]
pub struct Classifier<B> {
    model: Model<B>,
    labels: Labels,
}

impl<B: AsRef<[u8]>> Classifier<B> {
    /// Opens a compiled model: checks offsets, sizes and ports.
    ///
    /// # Errors
    /// A file that isn't one, lacks a section, or whose ports don't fit.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let model = Model::open(bytes).map_err(|error| OpenError::Model(error.to_string()))?;
        let labels = model.section(Labels::SECTION).and_then(Labels::read);
        let labels = labels.ok_or(OpenError::Section(Labels::SECTION))?;
        if !vocabulary(&model)?.is_sound() {
            return Err(OpenError::Section(Vocabulary::SECTION));
        }
        let is = |port: Option<PortInfo<'_>>, name: &str, kind: Kind, elements: usize| {
            port.is_some_and(|port| {
                let size = port.shape.len as usize * port.shape.width as usize;
                (port.name, port.kind, port.shape.rows, size)
                    == (name, kind, Rows::Shared, elements)
            })
        };
        let places = labels.places as usize;
        let (mut inputs, mut outputs) = (model.inputs(), model.outputs());
        let fits = is(inputs.next(), "gram", Kind::I32, places)
            && is(inputs.next(), "weight", Kind::F32, places)
            && is(outputs.next(), "probability", Kind::F32, labels.names.len())
            && inputs.next().is_none()
            && outputs.next().is_none();
        drop((inputs, outputs));
        match fits {
            true => Ok(Self { model, labels }),
            false => Err(OpenError::Ports),
        }
    }

    /// What it knows.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Says what a text is about.
    pub fn classify<'a>(&'a self, text: &str, buffers: &'a mut Buffers) -> Answer<'a> {
        let places = self.labels.places as usize;
        buffers.text.read(text);
        buffers.rows.clear();
        buffers.weights.clear();
        let (rows, weights) = (&mut buffers.rows, &mut buffers.weights);
        let known = vocabulary(&self.model).map_or(Known::default(), |vocabulary| {
            vocabulary.encode(&buffers.text, places, &mut buffers.grams, |row, weight| {
                rows.push(row as i32);
                weights.push(weight);
            })
        });
        rows.resize(places, 0);
        weights.resize(places, 0.0);
        let inputs = [Input::I32(rows), Input::F32(weights)];
        let ran = self.model.run(&mut buffers.workspace, 1, &inputs);
        debug_assert!(ran.is_ok(), "the ports were checked: {ran:?}");
        let probabilities = buffers.workspace.output(0);
        let mut best = 0;
        for (i, probability) in probabilities.iter().enumerate() {
            if *probability > probabilities[best] {
                best = i;
            }
        }
        let sure = probabilities
            .get(best)
            .is_some_and(|p| *p >= self.labels.threshold);
        let names = &self.labels.names;
        Answer {
            label: names.get(best).filter(|_| sure).map(String::as_str),
            best,
            probabilities,
            known,
        }
    }
}

fn vocabulary<B: AsRef<[u8]>>(model: &Model<B>) -> Result<Vocabulary<'_>, OpenError> {
    let section = model.section(Vocabulary::SECTION);
    section
        .and_then(|bytes| Vocabulary::open(bytes).ok())
        .ok_or(OpenError::Section(Vocabulary::SECTION))
}
