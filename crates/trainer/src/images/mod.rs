//! Photos of products: which files they are, an encoder that is learnt from them without
//! labels or brought as ONNX, and the embeddings that it gives.
//!
//! Whoever learns, what is run is ONNX ([`shelfedge_onnx::reference`]), so that what is
//! shipped and what was measured are one. A video is its frames, whose embeddings are
//! added up. An encoder of more than 64 numbers is compressed to the 64 principal
//! components of the shop's own photos. Nothing here knows orders.

mod command;
mod encoder;
mod export;
mod learn;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use shelfedge_commerce::Fault;

use crate::boost::shared;
use crate::error::{Error, Result};
use crate::import::Imported;
use crate::linear::{components, dot, unit};
use crate::rng::Rng;
use crate::watch::Watch;

pub use command::{Asked, Outcome, run};
pub use read::{Photos, Shown};
pub use settings::Settings;

use encoder::Encoder;
use learn::Network;

/// Numbers of an embedding, at most.
pub const WIDTH: usize = learn::WIDTH;
/// Photos that teach an encoder, or what it is compressed to.
const TAUGHT: usize = 1_024;
/// Photos that are decoded before they are run.
const CHUNK: usize = 64;

/// The photos that a mapping file names.
#[derive(Clone, Debug)]
pub struct Named {
    /// Where they are.
    pub folder: PathBuf,
    /// An encoder that the shop brings.
    pub encoder: Option<PathBuf>,
    /// What it expects.
    pub settings: Settings,
}

/// Embeddings of products.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// The products' codes, sorted as their photos are.
    pub codes: Vec<String>,
    /// Numbers of each.
    pub width: usize,
    /// One after the other, each of length 1.
    pub values: Vec<f32>,
    /// The encoder that was learnt; none where the shop brought one.
    pub onnx: Option<Vec<u8>>,
}

impl Embedded {
    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// Each row in 8 bits: 127 steps to either side of its largest number, and a step's
    /// size.
    pub fn int8(&self) -> Vec<(Vec<i8>, f32)> {
        self.rows()
            .map(|row| {
                let largest = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let step = largest.max(1e-9) / 127.0;
                let cells = row.iter().map(|x| (x / step).round() as i8);
                (cells.collect(), step)
            })
            .collect()
    }
}

/// What embeddings are compressed by.
struct Projection {
    mean: Vec<f32>,
    directions: Vec<f32>,
}

impl Projection {
    /// The principal components of some embeddings.
    fn of(rows: &[Vec<f32>], seed: u64) -> Self {
        let (mean, directions) = components(rows, WIDTH, seed);
        Self { mean, directions }
    }

    fn apply(&self, row: &[f32]) -> Vec<f32> {
        let centred: Vec<f32> = row.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let directions = self.directions.chunks_exact(self.mean.len());
        let mut out: Vec<f32> = directions.map(|row| dot(row, &centred)).collect();
        unit(&mut out);
        out
    }
}

/// Decodes photos on all threads; those that can't be are faults.
fn decode(files: &[&PathBuf], size: [usize; 2], faults: &mut Vec<Fault>) -> Vec<Vec<u8>> {
    let mut made: Vec<core::result::Result<Vec<u8>, Fault>> =
        files.iter().map(|_| Ok(Vec::new())).collect();
    shared(files.iter().zip(&mut made).collect(), |(file, out)| {
        *out = read::pixels(file, size);
    });
    let mut photos = Vec::with_capacity(made.len());
    for photo in made {
        match photo {
            Ok(photo) => photos.push(photo),
            Err(fault) => faults.push(fault),
        }
    }
    photos
}

/// Runs photos on all threads, each in an encoder's batches.
fn run_all(encoder: &Encoder, photos: &[Vec<u8>]) -> Result<Vec<Vec<f32>>> {
    let parts: Vec<&[Vec<u8>]> = photos.chunks(CHUNK / 4).collect();
    let mut made: Vec<Result<Vec<Vec<f32>>>> = parts.iter().map(|_| Ok(Vec::new())).collect();
    shared(parts.into_iter().zip(&mut made).collect(), |(part, out)| {
        *out = encoder.embed(part);
    });
    made.into_iter()
        .try_fold(Vec::with_capacity(photos.len()), |mut all, part| {
            all.extend(part?);
            Ok(all)
        })
}

/// What [`embed`] runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// An encoder that is learnt from the photos.
    Learnt,
    /// The same with weights that are drawn.
    Untrained,
    /// An encoder that the shop brings.
    Given(&'a Path),
}

/// The embeddings of photos.
///
/// # Errors
/// Every photo that can't be read; an encoder that doesn't fit.
pub fn embed(
    photos: &Photos,
    by: By<'_>,
    settings: &Settings,
    watch: &mut dyn Watch,
) -> Result<Embedded> {
    let all: Vec<&PathBuf> = photos.products.iter().flat_map(|p| &p.frames).collect();
    let place = all.first().and_then(|file| file.parent());
    let place = place.unwrap_or(Path::new("photos")).to_path_buf();
    let mut faults = Vec::new();
    // What teaches: a frame, the middle one, of products that are drawn.
    let mut drawn: Vec<usize> = (0..photos.products.len()).collect();
    Rng::new(settings.seed, 0x9405).shuffle(&mut drawn);
    drawn.truncate(TAUGHT);
    drawn.sort_unstable();
    let taught: Vec<&PathBuf> = drawn
        .into_iter()
        .filter_map(|at| {
            let frames = &photos.products[at].frames;
            frames.get(frames.len() / 2)
        })
        .collect();
    let own = [learn::SIDE; 2];
    let (mut onnx, mut projection) = (None, None);
    watch.step("encoder", 0, 1, "");
    let encoder = match by {
        By::Given(path) => {
            let encoder = Encoder::load(path, settings)?;
            let sample = decode(&taught, encoder.size, &mut faults);
            if faults.is_empty() {
                let rows = run_all(&encoder, &sample)?;
                if sample.windows(2).any(|pair| pair[0] != pair[1]) {
                    encoder.tells(&rows)?;
                }
                let wide = rows.first().is_some_and(|row| row.len() > WIDTH);
                projection = wide.then(|| Projection::of(&rows, settings.seed));
            }
            Some(encoder)
        }
        By::Learnt | By::Untrained => {
            let sample = decode(&taught, own, &mut faults);
            match faults.is_empty() {
                true => {
                    let network = match by {
                        By::Untrained => Network::untrained(settings.seed),
                        _ => Network::learn(&sample, settings.seed),
                    };
                    let metadata = [
                        ("shelfedge.task", "photos".to_owned()),
                        ("shelfedge.version", env!("CARGO_PKG_VERSION").to_owned()),
                    ];
                    let bytes = export::onnx(&network, &metadata)?;
                    let plain = Settings::default();
                    let encoder = Encoder::open(&bytes, "photos.onnx".to_owned(), &plain)?;
                    onnx = Some(bytes);
                    Some(encoder)
                }
                // Only to find what else can't be read.
                false => None,
            }
        }
    };
    watch.step("encoder", 1, 1, "");
    faults.clear();
    let size = encoder.as_ref().map_or(own, |encoder| encoder.size);
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for (number, files) in all.chunks(CHUNK).enumerate() {
        watch.step("photos", (number * CHUNK) as u64, all.len() as u64, "");
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let decoded = decode(files, size, &mut faults);
        if let Some(encoder) = encoder.as_ref().filter(|_| faults.is_empty()) {
            let found = run_all(encoder, &decoded)?;
            match &projection {
                Some(projection) => rows.extend(found.iter().map(|row| projection.apply(row))),
                None => rows.extend(found),
            }
        }
    }
    watch.step("photos", all.len() as u64, all.len() as u64, "");
    if !faults.is_empty() {
        return Err(Error::Invalid(read::some(
            faults,
            "photo_unreadable",
            &place,
        )));
    }
    let width = rows.first().map_or(1, Vec::len);
    let mut values = Vec::with_capacity(photos.products.len() * width);
    let mut left = rows.iter();
    for product in &photos.products {
        values.extend(pooled(left.by_ref().take(product.frames.len()), width));
    }
    Ok(Embedded {
        codes: photos.products.iter().map(|p| p.code.clone()).collect(),
        width,
        values,
        onnx,
    })
}

/// The mean of frames, of length 1.
fn pooled<'a>(frames: impl Iterator<Item = &'a Vec<f32>>, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; width];
    for frame in frames {
        sum.iter_mut().zip(frame).for_each(|(sum, x)| *sum += x);
    }
    unit(&mut sum);
    sum
}

/// Gives a shop's products the embeddings of the photos that its mapping names; nothing
/// where it names none. The data's digest covers the mapping and the tables, as before.
///
/// # Errors
/// As [`embed`]; photos none of which is of a product of the shop.
pub fn give(imported: &mut Imported, seed: u64, watch: &mut dyn Watch) -> Result<()> {
    let Some(named) = imported.photos.clone() else {
        return Ok(());
    };
    let mut photos = Photos::list(&named.folder)?;
    photos.of_shop(&imported.shop, imported.upper_case, &named.folder)?;
    let by = named.encoder.as_deref().map_or(By::Learnt, By::Given);
    let settings = Settings {
        seed,
        ..named.settings
    };
    let found = embed(&photos, by, &settings, watch)?;
    for (code, (cells, _)) in found.codes.iter().zip(found.int8()) {
        let products = &mut imported.shop.products;
        if let Ok(at) = products.binary_search_by(|product| product.code.cmp(code)) {
            products[at].photo = cells;
        }
    }
    Ok(())
}

/// Steps of a colour's channel in a histogram, and its bins.
const STEPS: usize = 4;
/// Bins of a histogram of colours.
pub(crate) const BINS: usize = STEPS * STEPS * STEPS;

/// What a photo can be told by without learning: the root of the share of its pixels in
/// each bin of colours (Hellinger's kernel), one photo after the other.
pub(crate) fn histograms(files: &[PathBuf]) -> Result<Vec<f32>> {
    let mut out = Vec::with_capacity(files.len() * BINS);
    let mut faults = Vec::new();
    for files in files.chunks(CHUNK) {
        let files: Vec<&PathBuf> = files.iter().collect();
        for photo in decode(&files, [learn::SIDE; 2], &mut faults) {
            let plane = photo.len() / 3;
            let mut bins = [0.0f32; BINS];
            for at in 0..plane {
                let step = |channel: usize| usize::from(photo[channel * plane + at]) * STEPS / 256;
                bins[(step(0) * STEPS + step(1)) * STEPS + step(2)] += 1.0;
            }
            out.extend(bins.map(|count| (count / plane as f32).sqrt()));
        }
    }
    match faults.is_empty() {
        true => Ok(out),
        false => Err(Error::Invalid(faults)),
    }
}
