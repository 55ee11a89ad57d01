//! Any image-embedding ONNX: what it takes, what it gives, and running it.

use std::path::Path;

use shelfedge_onnx::reference::{Reference, Tensor};

use super::{Settings, read};
use crate::error::{Error, Result};

/// Bytes of an encoder's file, at most.
const MOST_BYTES: u64 = 256 << 20;
/// Pixels of a side.
const SIDES: std::ops::RangeInclusive<usize> = 8..=1_024;
/// Photos that are run at once, where the file doesn't say.
const BATCH: usize = 8;
const MOST_BATCH: usize = 64;
/// Numbers of an embedding, at most.
const MOST_WIDTH: usize = 8_192;

/// An image-embedding network, ready to run.
#[derive(Debug)]
pub(super) struct Encoder {
    reference: Reference,
    /// What faults name.
    file: String,
    input: String,
    /// Whether the channels stand before height and width.
    planes: bool,
    /// Width and height of a photo.
    pub(super) size: [usize; 2],
    /// How many photos are run at once, and whether they must be so many.
    batch: usize,
    is_fixed: bool,
    mean: [f32; 3],
    std: [f32; 3],
}

impl Encoder {
    /// Reads a file.
    pub(super) fn load(path: &Path, settings: &Settings) -> Result<Self> {
        let io = |e| Error::io("read", path, e);
        let file = path.display().to_string();
        let Some(bytes) = read::bytes(path, MOST_BYTES).map_err(io)? else {
            return Err(Error::fault(
                "encoder_too_large",
                file,
                format!("more than {MOST_BYTES} bytes"),
                "give a smaller encoder, or store its weights in half precision",
            ));
        };
        Self::open(&bytes, file, settings)
    }

    /// Opens the bytes of a file, which faults call `file`.
    pub(super) fn open(bytes: &[u8], file: String, settings: &Settings) -> Result<Self> {
        let reference = Reference::load(bytes).map_err(|e| {
            Error::fault(
                "encoder_unreadable",
                file.clone(),
                e.to_string(),
                "export the encoder again as one ONNX file with its weights inside",
            )
        })?;
        let refuse = |cause: String| {
            Error::fault(
                "encoder_input",
                file.clone(),
                cause,
                "export an encoder with one float input [batch, 3, height, width] or [batch, height, width, 3]",
            )
        };
        let [input] = reference.inputs() else {
            let names = reference.inputs().join(", ");
            return Err(refuse(format!("it has the inputs [{names}], not one")));
        };
        let input = input.clone();
        let Some(shape) = reference.shape(&input) else {
            return Err(refuse(format!(
                "its input {input:?} is no tensor of floats with a known rank"
            )));
        };
        let [batch, rest @ ..] = shape else {
            return Err(refuse(format!("its input {input:?} is a single number")));
        };
        let (planes, sides) = match rest {
            [Some(3), height, width] => (true, [*width, *height]),
            [height, width, Some(3)] => (false, [*width, *height]),
            _ => {
                let shape: Vec<String> = shape
                    .iter()
                    .map(|d| d.map_or_else(|| "?".to_owned(), |d| d.to_string()))
                    .collect();
                let shape = shape.join(", ");
                return Err(refuse(format!(
                    "its input {input:?} has the shape [{shape}], without three channels in the second or the last place"
                )));
            }
        };
        let size = sides.map(|side| side.unwrap_or(settings.side));
        if let Some(side) = size.iter().find(|side| !SIDES.contains(side)) {
            return Err(refuse(format!(
                "its photos have a side of {side} pixels, not of 8 to 1024"
            )));
        }
        if batch.is_some_and(|batch| batch == 0 || batch > MOST_BATCH) {
            return Err(refuse(format!(
                "it takes {} photos at once, not 1 to {MOST_BATCH}",
                batch.unwrap_or(0)
            )));
        }
        Ok(Self {
            input,
            planes,
            size,
            batch: batch.unwrap_or(BATCH),
            is_fixed: batch.is_some(),
            mean: settings.mean,
            std: settings.std,
            file,
            reference,
        })
    }

    /// The embeddings of photos of [`Encoder::size`], each of length 1; all have the
    /// same width.
    pub(super) fn embed(&self, photos: &[Vec<u8>]) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::with_capacity(photos.len());
        for chunk in photos.chunks(self.batch) {
            let rows = match self.is_fixed {
                true => self.batch,
                false => chunk.len(),
            };
            let mut data = Vec::with_capacity(rows * 3 * self.size[0] * self.size[1]);
            // A last batch that isn't full is filled with its last photo.
            let last = chunk.last().into_iter().cycle();
            for photo in chunk.iter().chain(last).take(rows) {
                self.values(photo, &mut data);
            }
            let [width, height] = self.size;
            let dims = match self.planes {
                true => vec![rows, 3, height, width],
                false => vec![rows, height, width, 3],
            };
            let given = [(self.input.as_str(), Tensor::F32 { dims, data })];
            let found = self.reference.run(&given).map_err(|e| {
                Error::fault(
                    "encoder_failed",
                    self.file.clone(),
                    e.to_string(),
                    "export the encoder with operators that tract knows, or with a fixed size of photos",
                )
            })?;
            let Some((name, tensor)) = found.into_iter().next() else {
                return Err(self.output("it gives nothing out".to_owned()));
            };
            let mut vectors = self.vectors(&name, tensor, rows)?;
            vectors.truncate(chunk.len());
            out.extend(vectors);
        }
        Ok(out)
    }

    fn values(&self, photo: &[u8], data: &mut Vec<f32>) {
        let plane = self.size[0] * self.size[1];
        let value = |channel: usize, at: usize| {
            let x = f32::from(photo[channel * plane + at]) / 255.0;
            (x - self.mean[channel]) / self.std[channel]
        };
        match self.planes {
            true => data.extend(
                (0..3)
                    .flat_map(|c| (0..plane).map(move |at| (c, at)))
                    .map(|(c, at)| value(c, at)),
            ),
            false => data.extend((0..plane).flat_map(|at| [0, 1, 2].map(|c| value(c, at)))),
        }
    }

    /// What comes out, as one vector of length 1 a photo: where it has places (the
    /// pixels of a map, or the tokens of a transformer), their mean.
    fn vectors(&self, name: &str, tensor: Tensor, rows: usize) -> Result<Vec<Vec<f32>>> {
        let refuse = |cause: String| self.output(cause);
        let Tensor::F32 { dims, data } = tensor else {
            return Err(refuse(format!("its output {name:?} is of integers")));
        };
        // Width, places, and steps from one number to the next and from place to place.
        let (width, places, of_number, of_place) = match dims[..] {
            [n, d] if n == rows => (d, 1, 1, 0),
            [n, tokens, d] if n == rows => (d, tokens, 1, d),
            [n, d, h, w] if n == rows && self.planes => (d, h * w, h * w, 1),
            [n, h, w, d] if n == rows => (d, h * w, 1, d),
            _ => {
                return Err(refuse(format!(
                    "its output {name:?} has the shape {dims:?} for {rows} photos"
                )));
            }
        };
        if width == 0 || width > MOST_WIDTH || places == 0 {
            return Err(refuse(format!(
                "its output {name:?} of shape {dims:?} makes vectors of {width} numbers; {MOST_WIDTH} are the most"
            )));
        }
        if data.iter().any(|x| !x.is_finite()) {
            return Err(refuse(format!(
                "its output {name:?} holds numbers that are none or infinite"
            )));
        }
        let vectors = data.chunks_exact(width * places).map(|of| {
            let number = |i: usize| {
                let sum: f32 = (0..places)
                    .map(|place| of[i * of_number + place * of_place])
                    .sum();
                sum / places as f32
            };
            let mut vector: Vec<f32> = (0..width).map(number).collect();
            // Squares of large numbers are infinite, and of small ones nothing.
            let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            if largest > 0.0 {
                vector.iter_mut().for_each(|x| *x /= largest);
            }
            crate::linear::unit(&mut vector);
            vector
        });
        Ok(vectors.collect())
    }

    fn output(&self, cause: String) -> Error {
        Error::fault(
            "encoder_output",
            self.file.clone(),
            cause,
            "export an encoder whose first output is one vector of floats a photo",
        )
    }

    /// Refuses embeddings that tell no two photos apart.
    pub(super) fn tells(&self, vectors: &[Vec<f32>]) -> Result<()> {
        let is_zero = |vector: &Vec<f32>| vector.iter().all(|x| *x == 0.0);
        if !vectors.is_empty() && vectors.iter().all(is_zero) {
            return Err(self.output("it gives nothing but zeros for every photo".to_owned()));
        }
        let alike = |pair: &[Vec<f32>]| crate::linear::dot(&pair[0], &pair[1]) > 1.0 - 1e-6;
        if vectors.len() > 2 && vectors.windows(2).all(alike) {
            return Err(self.output(format!(
                "it gives the same for all {} photos",
                vectors.len()
            )));
        }
        Ok(())
    }
}
