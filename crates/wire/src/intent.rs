//! What a text is about: from the bytes of a request to the bytes of its answer, the same
//! in the browser and at the edge. The text is in no answer and in no problem.

#[cfg(feature = "assistant")]
use shelfedge_assistant::{Buffers, Classifier};
use shelfedge_commerce::codes::TEXT_EMPTY;
use shelfedge_commerce::fault::Faults;

use crate::codes;
#[cfg(feature = "assistant")]
use crate::json::Writer;
use crate::json::{Decoder, Malformed, Path, Unknown};
use crate::limits::Limits;
use crate::problem::check_size;

/// The version of the response's form.
pub const VERSION: u32 = 1;
/// The longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 100_000;
/// Labels of a response, at most.
pub const MAX_TOP: u32 = 20;
/// Labels of a response when the request names no number.
pub const DEFAULT_TOP: u32 = 3;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the customer wrote.
    pub text: String,
    /// How many labels with their probabilities, at most.
    pub top: u32,
}

impl Request {
    /// Asks about a text, for as many labels as by default.
    #[must_use]
    pub const fn of(text: String) -> Self {
        Self {
            text,
            top: DEFAULT_TOP,
        }
    }
}

/// Reads a request. Fields that aren't known are passed over.
///
/// # Errors
/// Every fault, with its path; or, when the text isn't JSON, that alone.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Request, Faults> {
    check_size(bytes, limits)?;
    Decoder::run(bytes, limits.depth, read)
}

fn read(decoder: &mut Decoder<'_>) -> Result<Request, Malformed> {
    let mut request = Request::of(String::new());
    let mut present = false;
    let fields = ["text", "top"];
    let is_object = decoder.object(
        &Path::Root,
        &fields,
        Unknown::Pass,
        &mut |decoder, field, path| {
            if field == 1 {
                let top = decoder.whole(path, &codes::OUT_OF_RANGE, 1, MAX_TOP.into())?;
                request.top = top.map_or(DEFAULT_TOP, |top| top as u32);
                return Ok(());
            }
            present = true;
            let Some(text) = decoder.string(path)? else {
                return Ok(());
            };
            if text.len() > MAX_TEXT_BYTES {
                let cause = format!("{} bytes, of at most {MAX_TEXT_BYTES}", text.len());
                decoder.fault(&codes::TEXT_TOO_LONG, path, cause);
            } else if text.trim().is_empty() {
                decoder.fault(&TEXT_EMPTY, path, "nothing is written in it");
            }
            request.text = text.into_owned();
            Ok(())
        },
    )?;
    if is_object && !present {
        decoder.missing(&Path::Field(&Path::Root, "text"));
    }
    Ok(request)
}

/// The model with this digest and its labels, `{"model":..,"labels":[..]}`.
#[cfg(feature = "assistant")]
pub fn labels<B: AsRef<[u8]>>(classifier: &Classifier<B>, digest: &str) -> Vec<u8> {
    let mut json = Writer::with_capacity(1024);
    json.open(b'{');
    json.key("model");
    json.string(digest);
    json.key("labels");
    json.open(b'[');
    for name in &classifier.labels().names {
        json.string(name);
    }
    json.close(b']');
    json.close(b'}');
    json.finish()
}

/// Answers a request by a model with this digest.
#[cfg(feature = "assistant")]
pub fn respond<B: AsRef<[u8]>>(
    classifier: &Classifier<B>,
    request: &Request,
    digest: &str,
    buffers: &mut Buffers,
) -> Vec<u8> {
    let answer = classifier.classify(&request.text, buffers);
    let names = &classifier.labels().names;
    let mut order: Vec<usize> = (0..answer.probabilities.len()).collect();
    order.sort_by(|a, b| {
        let [a_p, b_p] = [a, b].map(|i| answer.probabilities[*i]);
        b_p.total_cmp(&a_p).then(a.cmp(b))
    });
    let mut json = Writer::with_capacity(256 + 64 * request.top as usize);
    json.open(b'{');
    json.key("version");
    json.unsigned(VERSION.into());
    json.key("model");
    json.string(digest);
    json.key("label");
    match answer.label {
        Some(label) => json.string(label),
        None => json.null(),
    }
    json.key("labels");
    json.open(b'[');
    for i in order.into_iter().take(request.top as usize) {
        json.open(b'{');
        json.key("label");
        json.string(&names[i]);
        json.key("probability");
        json.float(answer.probabilities[i]);
        json.close(b'}');
    }
    json.close(b']');
    for (name, count) in [
        ("grams_known", answer.known.known),
        ("grams", answer.known.all),
    ] {
        json.key(name);
        json.unsigned(count.into());
    }
    json.close(b'}');
    json.finish()
}
