//! Photos of products: which files they are, and their pixels.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::imageops::{FilterType, overlay, resize};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use shelfedge_commerce::Fault;

use crate::error::{Error, Result, fault};
use crate::shop::{Shop, ShopProduct};

/// Bytes of a file, and pixels of a photo, at most.
const MOST_BYTES: u64 = 32 << 20;
const MOST_PIXELS: u64 = 50_000_000;
/// Bytes that decoding may take.
const MOST_MEMORY: u64 = 512 << 20;
/// Products of a folder, and frames of a video that are looked at, at most.
const MOST_PRODUCTS: usize = 200_000;
const MOST_FRAMES: usize = 64;
/// Faults that are told one by one.
const MOST_TOLD: usize = 100;
/// How files of photos end.
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// A product's photo, or the frames of its video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The product's code.
    pub code: String,
    /// The files, in the order of their names.
    pub frames: Vec<PathBuf>,
}

/// Photos in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Photos {
    /// By code.
    pub products: Vec<Shown>,
    /// Files that are no photos by their names.
    pub others: usize,
}

impl Photos {
    /// Looks which photos a folder holds: `CODE.jpg` is a product's photo, and the files
    /// of a folder `CODE` are the frames of its video, of which 64 at most are looked at,
    /// evenly. Names that begin with a dot are passed over.
    ///
    /// # Errors
    /// A folder that can't be read, that has no photo or too many, or in which a product
    /// has two: every such product is named.
    pub fn list(folder: &Path) -> Result<Self> {
        let mut of: BTreeMap<String, Vec<Shown>> = BTreeMap::new();
        let mut others = 0;
        for (path, name) in entries(folder)? {
            let (code, frames) = match path.is_dir() {
                true => {
                    let files: Vec<(PathBuf, String)> = entries(&path)?;
                    let all = files.len();
                    let frames: Vec<PathBuf> = files
                        .into_iter()
                        .filter(|(_, name)| is_photo(name))
                        .map(|(path, _)| path)
                        .collect();
                    others += all - frames.len();
                    (name, evenly(frames))
                }
                false if is_photo(&name) => {
                    let stem = path.file_stem().unwrap_or_default();
                    (stem.to_string_lossy().into_owned(), vec![path])
                }
                false => {
                    others += 1;
                    continue;
                }
            };
            if !frames.is_empty() {
                let shown = Shown {
                    code: code.clone(),
                    frames,
                };
                of.entry(code).or_default().push(shown);
            }
        }
        let twice = of.iter().filter(|(_, all)| all.len() > 1);
        let faults: Vec<Fault> = twice
            .map(|(code, all)| {
                let names = all.iter().filter_map(|shown| shown.frames.first());
                let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
                fault(
                    "photo_twice",
                    folder.display().to_string(),
                    format!(
                        "the product {code:?} has more than one: {}",
                        names.join(", ")
                    ),
                    "keep one photo of it, or put all as frames into a folder of its name",
                )
            })
            .collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(some(faults, "photo_twice", folder)));
        }
        let products: Vec<Shown> = of.into_values().flatten().collect();
        let wrong = match products.len() {
            0 => "it holds no file that ends in .jpg, .jpeg, .png or .webp".to_owned(),
            many if many > MOST_PRODUCTS => {
                format!("it holds photos of {many} products; {MOST_PRODUCTS} are the most")
            }
            _ => return Ok(Self { products, others }),
        };
        Err(Error::fault(
            "photos_count",
            folder.display().to_string(),
            wrong,
            "name the folder whose files are called after the products' codes, as 85123A.jpg",
        ))
    }
}

impl Photos {
    /// Keeps the photos of a shop's products, and tells of how many others there were.
    pub(super) fn of_shop(
        &mut self,
        shop: &Shop,
        upper_case: bool,
        folder: &Path,
    ) -> Result<usize> {
        let all = self.products.len();
        let mut twice = Vec::new();
        let mut of: BTreeMap<String, Shown> = BTreeMap::new();
        for mut shown in std::mem::take(&mut self.products) {
            if upper_case {
                shown.code = shown.code.to_uppercase();
            }
            let known = |product: &ShopProduct| product.code.cmp(&shown.code);
            if shop.products.binary_search_by(known).is_err() {
                continue;
            }
            if let Some(other) = of.insert(shown.code.clone(), shown) {
                twice.push(other.code);
            }
        }
        if !twice.is_empty() {
            return Err(Error::fault(
                "photo_twice",
                folder.display().to_string(),
                format!("in upper case, more than one is of {}", twice.join(", ")),
                "keep one photo of each product, or put all as frames into a folder of its name",
            ));
        }
        self.products = of.into_values().collect();
        if self.products.is_empty() {
            return Err(Error::fault(
                "photos_unmatched",
                folder.display().to_string(),
                format!("none of its {all} photos is called after a product of the shop"),
                "call the files after the products' codes, as 85123A.jpg",
            ));
        }
        Ok(all - self.products.len())
    }
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let read = |e| Error::io("read", folder, e);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            all.push((entry.path(), name));
        }
    }
    all.sort();
    Ok(all)
}

fn is_photo(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ENDINGS.iter().any(|e| ending.eq_ignore_ascii_case(e)))
}

/// As many frames as are looked at, spread over all.
fn evenly(frames: Vec<PathBuf>) -> Vec<PathBuf> {
    let all = frames.len();
    match all > MOST_FRAMES {
        true => (0..MOST_FRAMES)
            .map(|i| frames[i * all / MOST_FRAMES].clone())
            .collect(),
        false => frames,
    }
}

/// The first of many faults, and how many more there are.
pub(super) fn some(mut faults: Vec<Fault>, code: &'static str, place: &Path) -> Vec<Fault> {
    if faults.len() > MOST_TOLD {
        let more = faults.len() - MOST_TOLD;
        faults.truncate(MOST_TOLD);
        faults.push(fault(
            code,
            place.display().to_string(),
            format!("{more} more files are at fault"),
            "correct these first",
        ));
    }
    faults
}

/// A photo, scaled to fit into so many pixels (width and height) and put into their
/// middle on white; what is transparent is white, too. Red, green, blue, each row by
/// row.
pub(super) fn pixels(path: &Path, size: [usize; 2]) -> core::result::Result<Vec<u8>, Fault> {
    let refused = |cause: String, action: &str| {
        fault(
            "photo_unreadable",
            path.display().to_string(),
            cause,
            action,
        )
    };
    let io = |e: std::io::Error| refused(e.to_string(), "make the file readable, or remove it");
    let Some(bytes) = bytes(path, MOST_BYTES).map_err(io)? else {
        let cause = format!("more than {MOST_BYTES} bytes");
        return Err(refused(cause, "give a smaller photo"));
    };
    decode(&bytes, size).map_err(|(cause, action)| refused(cause, action))
}

/// A file's bytes; none where there are more than so many. What is no ordinary file, as
/// a pipe, may never end and is refused.
pub(super) fn bytes(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no ordinary file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(most + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// The pixels of a file's bytes; else what is wrong with them, and what to do.
fn decode(bytes: &[u8], size: [usize; 2]) -> core::result::Result<Vec<u8>, (String, &'static str)> {
    let broken =
        |e: image::ImageError| (e.to_string(), "give the photo again, as JPEG, PNG or WebP");
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let reader = reader.map_err(|e| (e.to_string(), "give the photo again"))?;
    let known = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
    if !reader
        .format()
        .is_some_and(|format| known.contains(&format))
    {
        let cause = "its contents are neither JPEG nor PNG nor WebP".to_owned();
        return Err((cause, "convert it to one of them"));
    }
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MOST_PIXELS {
        let cause = format!("{width} x {height} pixels; {MOST_PIXELS} in all are the most");
        return Err((cause, "give a smaller photo"));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    decoder.set_limits(limits).map_err(broken)?;
    // What the camera says of how it was held; without it the photo stands upright.
    let orientation = decoder.orientation().map_err(broken)?;
    let mut photo = DynamicImage::from_decoder(decoder).map_err(broken)?;
    photo.apply_orientation(orientation);
    Ok(fit(&on_white(photo), size))
}

fn on_white(photo: DynamicImage) -> RgbImage {
    if !photo.color().has_alpha() {
        return photo.into_rgb8();
    }
    let photo = photo.into_rgba8();
    RgbImage::from_fn(photo.width(), photo.height(), |x, y| {
        let [red, green, blue, alpha] = photo.get_pixel(x, y).0;
        let alpha = u32::from(alpha);
        let mixed = |x: u8| ((u32::from(x) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        Rgb([red, green, blue].map(mixed))
    })
}

/// Scales a photo to fit, and puts it on white.
fn fit(photo: &RgbImage, [width, height]: [usize; 2]) -> Vec<u8> {
    let (w, h) = (f64::from(photo.width()), f64::from(photo.height()));
    let scale = (width as f64 / w).min(height as f64 / h);
    let side = |of: f64, most: usize| ((of * scale).round() as u32).clamp(1, most as u32);
    let small = resize(photo, side(w, width), side(h, height), FilterType::Triangle);
    let mut page = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    let middle = |all: usize, own: u32| (all as i64 - i64::from(own)) / 2;
    let (x, y) = (middle(width, small.width()), middle(height, small.height()));
    overlay(&mut page, &small, x, y);
    let plane = width * height;
    let mut out = vec![0; 3 * plane];
    for (at, pixel) in page.pixels().enumerate() {
        for (channel, value) in pixel.0.into_iter().enumerate() {
            out[channel * plane + at] = value;
        }
    }
    out
}
