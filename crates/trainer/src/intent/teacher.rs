//! A teacher: a large model of sentences that the user points to, asked natively while the
//! small one learns. Its knowledge of which words are alike goes into the labels of
//! made-up texts (distillation, Hinton, Vinyals and Dean, 2015).

use std::path::{Path, PathBuf};

use shelfedge_onnx::reference::{Reference, Tensor};
use shelfedge_wire::manifest::{hex, sha256};
use tokenizers::Tokenizer;

use crate::error::{Error, Result};
use crate::watch::Watch;

/// Tokens of a text that a teacher reads.
const MOST_TOKENS: usize = 128;
/// Texts that it is asked for at once, and what their number of tokens is filled up to a
/// multiple of: few shapes, for each of which tract makes a plan.
const BATCH: usize = 16;
const STEP: usize = 8;
const THREADS: usize = 2;

/// A model of sentences in ONNX with the tokenizer that belongs to it.
pub struct Teacher {
    reference: Reference,
    tokenizer: Tokenizer,
    ids: String,
    mask: String,
    kinds: Option<String>,
    output: String,
    /// SHA-256 of the model.
    pub(super) digest: String,
}

impl std::fmt::Debug for Teacher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teacher").finish_non_exhaustive()
    }
}

fn refused(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::fault(
        "teacher_unusable",
        path.display().to_string(),
        why.to_string(),
        "give an ONNX model of sentences (inputs input_ids, attention_mask and perhaps token_type_ids; output of a vector a \
         token, or one a text) and its tokenizer.json",
    )
}

impl Teacher {
    /// Opens a model and its tokenizer; without one, the `tokenizer.json` beside the model.
    pub fn open(model: &Path, tokenizer: Option<&Path>) -> Result<Self> {
        let beside: PathBuf = model.with_file_name("tokenizer.json");
        let words = tokenizer.unwrap_or(&beside);
        let bytes = std::fs::read(model).map_err(|e| refused(model, e))?;
        let reference = Reference::load(&bytes).map_err(|e| refused(model, e))?;
        let mut tokenizer = Tokenizer::from_file(words).map_err(|e| refused(words, e))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| refused(words, e))?;
        let input = |name: &str| reference.inputs().iter().find(|i| *i == name).cloned();
        let kinds = input("token_type_ids");
        let found = input("input_ids").zip(input("attention_mask"));
        let known = 2 + usize::from(kinds.is_some());
        let (ids, mask) = found
            .filter(|_| reference.inputs().len() == known)
            .ok_or_else(|| refused(model, format!("its inputs are {:?}", reference.inputs())))?;
        let output = reference.outputs().first().cloned();
        let output = output.ok_or_else(|| refused(model, "it has no output"))?;
        Ok(Self {
            reference,
            tokenizer,
            ids,
            mask,
            kinds,
            output,
            digest: hex(&sha256(&bytes)),
        })
    }

    /// A vector of length 1 for each text, `[texts, width]`.
    pub(super) fn embed(&self, texts: &[String], watch: &mut dyn Watch) -> Result<Embedded> {
        let mut tokens: Vec<Vec<i64>> = Vec::with_capacity(texts.len());
        for text in texts {
            let encoded = self.tokenizer.encode_fast(text.as_str(), true);
            let encoded = encoded.map_err(|e| refused(Path::new("tokenizer.json"), e))?;
            let ids = encoded.get_ids();
            let ids = match ids.split_last() {
                Some((last, _)) if ids.len() > MOST_TOKENS => {
                    [&ids[..MOST_TOKENS - 1], &[*last]].concat()
                }
                _ => ids.to_vec(),
            };
            tokens.push(ids.into_iter().map(i64::from).collect());
        }
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|i| (tokens[*i].len(), *i));
        let batches: Vec<&[usize]> = order
            .chunk_by(|a, b| tokens[*a].len().div_ceil(STEP) == tokens[*b].len().div_ceil(STEP))
            .flat_map(|same| same.chunks(BATCH))
            .collect();
        let mut all = Embedded::default();
        let mut done = 0u64;
        for some in batches.chunks(THREADS * 8) {
            let parts: Vec<Result<Vec<Vec<f32>>>> = std::thread::scope(|scope| {
                let threads: Vec<_> = some
                    .chunks(some.len().div_ceil(THREADS))
                    .map(|batches| {
                        let tokens = &tokens;
                        scope.spawn(move || {
                            let ask = |batch: &&[usize]| self.ask(batch, tokens);
                            batches.iter().map(ask).collect::<Result<Vec<_>>>()
                        })
                    })
                    .collect();
                let joined = threads.into_iter().map(|thread| thread.join());
                joined
                    .map(|part| {
                        part.unwrap_or_else(|_| Err(refused(Path::new("teacher"), "it panicked")))
                    })
                    .collect()
            });
            let vectors = parts.into_iter().collect::<Result<Vec<_>>>()?;
            for (batch, vectors) in some.iter().zip(vectors.into_iter().flatten()) {
                all.width = vectors.len() / batch.len().max(1);
                all.vectors.resize(texts.len() * all.width, 0.0);
                for (i, vector) in batch.iter().zip(vectors.chunks_exact(all.width.max(1))) {
                    all.vectors[i * all.width..(i + 1) * all.width].copy_from_slice(vector);
                }
                done += batch.len() as u64;
            }
            watch.step("teacher", done, texts.len() as u64, "");
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        Ok(all)
    }

    /// Texts of about as many tokens each, together.
    fn ask(&self, batch: &[usize], tokens: &[Vec<i64>]) -> Result<Vec<f32>> {
        let most = batch.iter().map(|i| tokens[*i].len()).max().unwrap_or(0);
        let length = most.max(1).next_multiple_of(STEP);
        let count = BATCH * length;
        let (mut ids, mut mask) = (vec![0; count], vec![0; count]);
        for (at, i) in batch.iter().enumerate() {
            let own = at * length..at * length + tokens[*i].len();
            ids[own.clone()].copy_from_slice(&tokens[*i]);
            mask[own].fill(1);
        }
        // Places of the batch that no text takes still look at something.
        for at in batch.len()..BATCH {
            mask[at * length] = 1;
        }
        let of = |data: &[i64]| Tensor::I64 {
            dims: vec![BATCH, length],
            data: data.to_vec(),
        };
        let mut inputs = vec![(self.ids.as_str(), of(&ids)), (&self.mask, of(&mask))];
        if let Some(kinds) = &self.kinds {
            inputs.push((kinds, of(&vec![0; count])));
        }
        let model = Path::new("teacher");
        let outputs = self.reference.run(&inputs).map_err(|e| refused(model, e))?;
        let found = outputs.into_iter().find(|(name, _)| *name == self.output);
        let Some((_, Tensor::F32 { dims, data })) = found else {
            return Err(refused(model, "its first output isn't numbers"));
        };
        let mut vectors = match dims[..] {
            [BATCH, places, width] if places == length => {
                let mut means = vec![0.0; batch.len() * width];
                let rows = data.chunks_exact(places * width);
                let rows = rows.zip(mask.chunks_exact(length));
                for (mean, (row, mask)) in means.chunks_exact_mut(width).zip(rows) {
                    let places = row.chunks_exact(width).zip(mask);
                    for (place, _) in places.filter(|(_, mask)| **mask == 1) {
                        mean.iter_mut().zip(place).for_each(|(m, x)| *m += x);
                    }
                }
                means
            }
            [BATCH, width] => data[..batch.len() * width].to_vec(),
            _ => {
                return Err(refused(
                    model,
                    format!("its first output has the shape {dims:?}"),
                ));
            }
        };
        let width = vectors.len() / batch.len();
        for vector in vectors.chunks_exact_mut(width.max(1)) {
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            vector.iter_mut().for_each(|x| *x /= length);
        }
        Ok(vectors)
    }
}

/// Vectors of length 1, one a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Embedded {
    pub(super) width: usize,
    pub(super) vectors: Vec<f32>,
}

impl Embedded {
    pub(super) fn of(&self, i: usize) -> &[f32] {
        &self.vectors[i * self.width..(i + 1) * self.width]
    }
}
