//! `shelfedge-train images`: the encoder and the embeddings by themselves.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int8Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::{By, Embedded, Named, Photos, WIDTH, embed};
use crate::bundle::{CARD, check_files, write_files};
use crate::error::{Error, Result};
use crate::export::internal;
use crate::import;
use crate::watch::Watch;

/// The files that are written.
const ONNX: &str = "photos.onnx";
const TABLE: &str = "embeddings.parquet";

/// What the command prints.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Where the files were written.
    pub out: String,
    /// Products of the shop, and those that have a photo.
    pub products: usize,
    /// See `products`.
    pub with_photo: usize,
    /// Frames of all of them.
    pub frames: usize,
    /// Photos of what the shop doesn't have.
    pub of_others: usize,
    /// Files that are no photos by their names.
    pub no_photos: usize,
    /// Numbers of an embedding.
    pub width: usize,
    /// Bytes of the encoder that was learnt; none where one was given.
    pub onnx_bytes: Option<usize>,
    /// Bytes of the embeddings.
    pub table_bytes: usize,
}

impl Outcome {
    /// For a person.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["what", "how many"]);
        let encoder = match self.onnx_bytes {
            Some(bytes) => bytes.to_string(),
            None => "given".to_owned(),
        };
        for (what, many) in [
            ("products of the shop", self.products.to_string()),
            ("products with a photo", self.with_photo.to_string()),
            ("photos and frames of them", self.frames.to_string()),
            ("photos of other products", self.of_others.to_string()),
            ("files that are no photos", self.no_photos.to_string()),
            ("numbers of an embedding", self.width.to_string()),
            ("bytes of the encoder", encoder),
            ("bytes of the embeddings", self.table_bytes.to_string()),
        ] {
            table.add_row([what.to_owned(), many]);
        }
        format!("{table}\n{}", self.out)
    }
}

/// Learns an encoder from the photos of a shop's products, or takes the one that is
/// given, and writes it beside the embeddings and a card.
///
/// # Errors
/// Tables, photos or an encoder that can't be read; an output that can't be written.
pub fn run(asked: &Asked<'_>, out: &Path, watch: &mut dyn Watch) -> Result<Outcome> {
    check_files(out, &[ONNX, TABLE, CARD], "an encoder by itself")?;
    // The next command would take the embeddings for a table of orders.
    import::outside(asked.shop, &out.join(TABLE))?;
    let [onnx_path, table_path, card_path] = [ONNX, TABLE, CARD].map(|name| out.join(name));
    let imported = import::import(asked.shop, asked.mapping, watch)?;
    let named = asked.named(imported.photos.as_ref())?;
    let mut found = Photos::list(&named.folder)?;
    let of_others = found.of_shop(&imported.shop, imported.upper_case, &named.folder)?;
    let by = named.encoder.as_deref().map_or(By::Learnt, By::Given);
    let embedded = embed(&found, by, &named.settings, watch)?;
    let table = parquet(&embedded)?;
    let outcome = Outcome {
        out: out.display().to_string(),
        products: imported.shop.products.len(),
        with_photo: found.products.len(),
        frames: found.products.iter().map(|shown| shown.frames.len()).sum(),
        of_others,
        no_photos: found.others,
        width: embedded.width,
        onnx_bytes: embedded.onnx.as_ref().map(Vec::len),
        table_bytes: table.len(),
    };
    let card = card(&named, &outcome);
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    write_files(&[
        (&onnx_path, embedded.onnx.as_deref()),
        (&table_path, Some(&table)),
        (&card_path, Some(card.as_bytes())),
    ])?;
    Ok(outcome)
}

/// What is asked for; what it names goes before what the mapping file does.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The shop whose products' photos count.
    pub shop: &'a Path,
    /// Its mapping file, if it isn't in the folder.
    pub mapping: Option<&'a Path>,
    /// The folder of photos.
    pub photos: Option<&'a Path>,
    /// An encoder that the shop brings.
    pub encoder: Option<&'a Path>,
    /// A file of how to read photos; what it doesn't name is as the mapping says.
    pub settings: Option<&'a Path>,
    /// The seed, before that of the settings.
    pub seed: Option<u64>,
}

impl Asked<'_> {
    fn named(&self, mapped: Option<&Named>) -> Result<Named> {
        let folder = self.photos.or(mapped.map(|named| named.folder.as_path()));
        let Some(folder) = folder else {
            return Err(Error::fault(
                "photos_unnamed",
                self.shop.display().to_string(),
                "neither --photos nor a section [photos] of the mapping file names a folder of photos",
                "name it",
            ));
        };
        let own = mapped.and_then(|named| named.encoder.as_deref());
        let of_mapping = mapped.map(|named| &named.settings);
        let mut settings = of_mapping.cloned();
        if let Some(path) = self.settings {
            settings = Some(settings.unwrap_or_default().with(path)?);
        }
        if let Some(seed) = self.seed {
            settings.get_or_insert_default().seed = seed;
        }
        Ok(Named {
            folder: folder.to_path_buf(),
            encoder: self.encoder.or(own).map(Path::to_path_buf),
            settings: settings.unwrap_or_default(),
        })
    }
}

/// The table: product, the size of a step, and as many 8-bit numbers of such steps.
fn parquet(embedded: &Embedded) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| internal(TABLE, e.to_string());
    let rows = embedded.int8();
    let cells: Vec<i8> = rows.iter().flat_map(|(cells, _)| cells.clone()).collect();
    let number = Arc::new(Field::new("item", DataType::Int8, false));
    let width = i32::try_from(embedded.width).map_err(|e| failed(&e))?;
    let vectors =
        FixedSizeListArray::try_new(number, width, Arc::new(Int8Array::from(cells)), None);
    let vectors = vectors.map_err(|e| failed(&e))?;
    let scales: Vec<f32> = rows.iter().map(|(_, step)| *step).collect();
    let columns: [(&str, ArrayRef); 3] = [
        (
            "product",
            Arc::new(StringArray::from_iter_values(&embedded.codes)),
        ),
        ("scale", Arc::new(Float32Array::from(scales))),
        ("vector", Arc::new(vectors)),
    ];
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| failed(&e))?;
    let mut out = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut out, batch.schema(), None).map_err(|e| failed(&e))?;
    writer.write(&batch).map_err(|e| failed(&e))?;
    writer.close().map_err(|e| failed(&e))?;
    Ok(out)
}

fn card(named: &Named, outcome: &Outcome) -> String {
    let mut out = format!(
        "# Photos of products\n\n\
         Embeddings of the photos of a shop\'s products: the cosine of two says how alike the photos are.\n\n\
         Producer: shelfedge-train {}. Seed {}.\n\n\
         {} of {} products have a photo, with {} photos and frames in all. `{TABLE}` has a row each: `product`, \
         `scale` and `vector`, {} numbers of 8 bits which are to be multiplied with the scale.\n\n",
        env!("CARGO_PKG_VERSION"),
        named.settings.seed,
        outcome.with_photo,
        outcome.products,
        outcome.frames,
        outcome.width,
    );
    let _ = match &named.encoder {
        None => write!(
            out,
            "`{ONNX}` is the encoder: input `pixels`, [n, 3, 64, 64], from 0 to 1, the whole photo scaled to fit into \
             the middle of a white square; output `embedding`, of length 1. It was learnt from these photos alone, \
             without labels: a palette of colours, and filters on whitened patches, both by k-means, compressed to \
             their principal components.\n\n\
             - It knows colours, edges and textures, and where in the photo they are; what a thing is called or is \
             good for it doesn\'t.\n\
             - Background, light and crop count as much as the product: photos of one style compare best.\n\
             - What it is worth in this shop was not measured: `shelfedge-train bench images` does, with labels.\n"
        ),
        Some(path) => writeln!(
            out,
            "The encoder is `{}`, with mean {:?} and deviation {:?}; of a wider embedding the {WIDTH} principal \
             components over these photos are kept. Its own licence and limits hold.",
            path.file_name().unwrap_or_default().to_string_lossy(),
            named.settings.mean,
            named.settings.std,
        ),
    };
    out.push_str("\nThe same photos and seed give the same bytes on the same machine.\n");
    out
}
