//! `manifest.json`: what a model's bundle consists of, and that its parts belong
//! together.

use std::fmt;

use sha2::{Digest as _, Sha256};
use shelfedge_commerce::Timestamp;
use shelfedge_commerce::fault::{Fault, Faults, Invalid, quote};

use crate::codes;
use crate::json::{Decoder, Malformed, Path, Unknown, Writer};

/// The version of the manifest's form.
pub const FORMAT: u32 = 1;

/// The parts of a bundle; more would be a mistake.
const MAX_PARTS: usize = 64;
/// A manifest has about a thousand bytes.
const MAX_BYTES: usize = 64 * 1024;

/// A SHA-256 digest.
pub type Sha = [u8; 32];

/// The SHA-256 digest of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// A digest as 64 lower-case hexadecimal digits.
pub fn hex(digest: &[u8]) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

fn parse_hex(text: &str) -> Result<Sha, Invalid> {
    let invalid = || Invalid {
        code: &codes::DIGEST_MALFORMED,
        cause: format!("{} isn't 64 hexadecimal digits", quote(text)),
    };
    let nibble = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(invalid()),
    };
    if text.len() != 64 {
        return Err(invalid());
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(digest)
}

/// A file of the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The digest of its bytes.
    pub sha256: Sha,
    /// How many bytes.
    pub bytes: u64,
}

impl Part {
    /// The entry of a file with this content.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
        }
    }
}

/// The files of a bundle, sorted by name. (A sorted list rather than a
/// `BTreeMap`, whose code would be ten kilobytes of what a shopper downloads.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Vec<(String, Part)>);

impl Parts {
    /// Adds a part; gives back the one that had the same name.
    pub fn insert(&mut self, name: String, part: Part) -> Option<Part> {
        let at = self.0.partition_point(|(other, _)| *other < name);
        match self.0.get_mut(at) {
            Some((other, old)) if *other == name => Some(std::mem::replace(old, part)),
            _ => {
                self.0.insert(at, (name, part));
                None
            }
        }
    }

    /// A part by its name.
    pub fn get(&self, name: &str) -> Option<&Part> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, part)| part)
    }

    /// The names, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Names and parts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.0.iter().map(|(name, part)| (name.as_str(), part))
    }
}

impl FromIterator<(String, Part)> for Parts {
    fn from_iter<I: IntoIterator<Item = (String, Part)>>(parts: I) -> Self {
        let mut all = Self::default();
        for (name, part) in parts {
            all.insert(name, part);
        }
        all
    }
}

/// What a model was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// The feature spec.
    pub spec: Sha,
    /// `model.onnx`.
    pub onnx: Sha,
    /// The training data.
    pub data: Sha,
}

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What the model does, such as `ranking`.
    pub task: String,
    /// The program and version that made it.
    pub producer: String,
    /// The end of the training data, so that the same data gives the same
    /// bytes.
    pub created: Timestamp,
    /// The files by name.
    pub parts: Parts,
    /// What the trainer made the bundle of.
    pub digests: Digests,
    /// What the compiled model says it was made of; the same.
    pub shelf: Digests,
}

/// A bundle whose parts don't belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartError {
    /// The manifest doesn't list the part.
    NotListed {
        /// The part.
        part: String,
    },
    /// The part has another size than the manifest says.
    Size {
        /// The part.
        part: String,
        /// By the manifest.
        expected: u64,
        /// In fact.
        found: u64,
    },
    /// The part has another digest than the manifest says.
    Digest {
        /// The part, or `model.shelf: spec` for a digest inside it.
        part: String,
        /// By the manifest, in hexadecimal.
        expected: String,
        /// In fact, in hexadecimal.
        found: String,
    },
}

impl PartError {
    /// The part concerned.
    pub fn part(&self) -> &str {
        match self {
            Self::NotListed { part } | Self::Size { part, .. } | Self::Digest { part, .. } => part,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotListed { .. } => codes::PART_MISSING.id,
            Self::Size { .. } | Self::Digest { .. } => codes::PART_SWAPPED.id,
        }
    }

    /// The same as a fault, with the part for its path.
    pub fn to_fault(&self) -> Fault {
        let code = match self {
            Self::NotListed { .. } => &codes::PART_MISSING,
            Self::Size { .. } | Self::Digest { .. } => &codes::PART_SWAPPED,
        };
        Fault::new(code, self.part(), self.to_string())
    }
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed { part } => write!(f, "{part} isn't listed in manifest.json"),
            Self::Size {
                part,
                expected,
                found,
            } => write!(
                f,
                "{part} has {found} bytes, and manifest.json says {expected}"
            ),
            Self::Digest {
                part,
                expected,
                found,
            } => write!(
                f,
                "{part} has the digest {found}, and manifest.json says {expected}"
            ),
        }
    }
}

impl std::error::Error for PartError {}

impl Manifest {
    /// Reads a manifest. Unlike a request it may hold nothing unknown.
    ///
    /// # Errors
    /// Every fault: JSON, types, missing and unknown fields, an unknown format,
    /// malformed digests, a part's name that leaves the folder, and digests that
    /// contradict each other.
    pub fn parse(bytes: &[u8]) -> Result<Self, Faults> {
        if bytes.len() > MAX_BYTES {
            let cause = format!(
                "manifest.json has {} bytes, and at most {MAX_BYTES} are read",
                bytes.len()
            );
            return Err(Fault::new(&codes::MANIFEST_TOO_LARGE, "", cause).into());
        }
        let manifest = Decoder::run(bytes, 8, read)?;
        // Without faults nothing can be missing.
        manifest.ok_or_else(|| {
            Fault::new(&codes::WRONG_TYPE, "", "manifest.json isn't an object").into()
        })
    }

    /// The manifest's JSON, in one line, always the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Writer::with_capacity(1024);
        json.open(b'{');
        json.key("format");
        json.unsigned(FORMAT.into());
        json.key("task");
        json.string(&self.task);
        json.key("producer");
        json.string(&self.producer);
        json.key("created");
        json.string(&self.created.to_string());
        json.key("parts");
        json.open(b'{');
        for (name, part) in self.parts.iter() {
            json.key(name);
            json.open(b'{');
            json.key("sha256");
            json.string(&hex(&part.sha256));
            json.key("bytes");
            json.unsigned(part.bytes);
            json.close(b'}');
        }
        json.close(b'}');
        for (name, digests) in [("digests", &self.digests), ("shelf", &self.shelf)] {
            json.key(name);
            json.open(b'{');
            for (name, digest) in digests.named() {
                json.key(name);
                json.string(&hex(&digest));
            }
            json.close(b'}');
        }
        json.close(b'}');
        let mut bytes = json.finish();
        bytes.push(b'\n');
        bytes
    }

    /// Checks that a part is the one that the manifest names.
    ///
    /// # Errors
    /// When it isn't listed, or its size or digest differs.
    pub fn check_part(&self, name: &str, bytes: &[u8]) -> Result<(), PartError> {
        let part = || name.to_owned();
        let expected = self
            .parts
            .get(name)
            .ok_or_else(|| PartError::NotListed { part: part() })?;
        if expected.bytes != bytes.len() as u64 {
            return Err(PartError::Size {
                part: part(),
                expected: expected.bytes,
                found: bytes.len() as u64,
            });
        }
        let found = sha256(bytes);
        if found != expected.sha256 {
            return Err(PartError::Digest {
                part: part(),
                expected: hex(&expected.sha256),
                found: hex(&found),
            });
        }
        Ok(())
    }

    /// Checks what a compiled model says it was made of.
    ///
    /// # Errors
    /// The first digest that differs: of the spec, the ONNX, the data.
    pub fn check_digests(&self, inside: &Digests) -> Result<(), PartError> {
        for ((name, expected), (_, found)) in self.shelf.named().into_iter().zip(inside.named()) {
            if expected != found {
                return Err(PartError::Digest {
                    part: format!("model.shelf: {name}"),
                    expected: hex(&expected),
                    found: hex(&found),
                });
            }
        }
        Ok(())
    }

    /// The same for an opened model.
    ///
    /// # Errors
    /// The same as [`Manifest::check_digests`].
    pub fn check_shelf(&self, meta: &shelfedge_ranking::Meta) -> Result<(), PartError> {
        self.check_digests(&Digests {
            spec: meta.spec,
            onnx: meta.onnx,
            data: meta.data,
        })
    }

    /// The digest by which responses and exposures name the model:
    /// `sha256:` and the digest of `model.shelf`.
    pub fn model_digest(&self) -> String {
        // `parse` refuses a manifest without this part.
        let digest = self.parts.get("model.shelf").map(|part| part.sha256);
        format!("sha256:{}", hex(&digest.unwrap_or_default()))
    }
}

impl Digests {
    fn named(&self) -> [(&'static str, Sha); 3] {
        [
            ("spec", self.spec),
            ("onnx", self.onnx),
            ("data", self.data),
        ]
    }
}

const FIELDS: [&str; 7] = [
    "format", "task", "producer", "created", "parts", "digests", "shelf",
];

fn read(decoder: &mut Decoder<'_>) -> Result<Option<Manifest>, Malformed> {
    let (mut task, mut producer, mut created) = (None, None, None);
    let (mut made_of, mut inside) = (None, None);
    let mut parts = Parts::default();
    let mut present = [false; FIELDS.len()];
    let is_object = decoder.object(
        &Path::Root,
        &FIELDS,
        Unknown::Refuse,
        &mut |decoder, field, path| {
            present[field] = true;
            match field {
                0 => {
                    let format = FORMAT.into();
                    decoder.whole(path, &codes::FORMAT_UNKNOWN, format, format)?;
                }
                1 => task = decoder.string(path)?,
                2 => producer = decoder.string(path)?,
                3 => created = decoder.parsed(path, |text| Timestamp::parse_rfc3339(&text))?,
                4 => {
                    decoder.map(path, MAX_PARTS, &mut |decoder, name, path| {
                        if name.is_empty()
                            || name.starts_with('.')
                            || name.contains(['/', '\\', ':', '?', '#', '%'])
                        {
                            let cause = "the name doesn't name a file in the bundle's folder";
                            decoder.fault(&codes::PART_NAME, path, cause);
                        }
                        if let Some(part) = part(decoder, path)?
                            && parts.insert(name.to_owned(), part).is_some()
                        {
                            decoder.fault(&codes::FIELD_REPEATED, path, "the part occurs twice");
                        }
                        Ok(())
                    })?;
                }
                5 => made_of = digests(decoder, path)?,
                _ => inside = digests(decoder, path)?,
            }
            Ok(())
        },
    )?;
    if !is_object {
        return Ok(None);
    }
    for (name, present) in FIELDS.iter().zip(present) {
        if !present {
            decoder.missing(&Path::Field(&Path::Root, name));
        }
    }
    if present[4] && parts.get("model.shelf").is_none() {
        let parts = Path::Field(&Path::Root, "parts");
        decoder.fault(
            &codes::PART_MISSING,
            &Path::Field(&parts, "model.shelf"),
            "the bundle has no compiled model",
        );
    }
    if let (Some(made_of), Some(inside)) = (&made_of, &inside) {
        let shelf = Path::Field(&Path::Root, "shelf");
        for ((name, one), (_, other)) in made_of.named().into_iter().zip(inside.named()) {
            if one != other {
                let cause = format!("digests.{name} differs");
                decoder.fault(&codes::DIGESTS_DISAGREE, &Path::Field(&shelf, name), cause);
            }
        }
    }
    if let (Some(made_of), Some(onnx)) = (&made_of, parts.get("model.onnx"))
        && made_of.onnx != onnx.sha256
    {
        let digests = Path::Field(&Path::Root, "digests");
        decoder.fault(
            &codes::DIGESTS_DISAGREE,
            &Path::Field(&digests, "onnx"),
            "the part model.onnx has another digest",
        );
    }
    let (Some(task), Some(producer), Some(created), Some(made_of), Some(inside)) =
        (task, producer, created, made_of, inside)
    else {
        return Ok(None);
    };
    Ok(Some(Manifest {
        task: task.into_owned(),
        producer: producer.into_owned(),
        created,
        parts,
        digests: made_of,
        shelf: inside,
    }))
}

fn part(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<Part>, Malformed> {
    let (mut sha, mut bytes) = (None, None);
    let mut present = [false; 2];
    let names = ["sha256", "bytes"];
    let is_object = decoder.object(
        path,
        &names,
        Unknown::Refuse,
        &mut |decoder, field, path| {
            present[field] = true;
            match field {
                0 => sha = decoder.parsed(path, |text| parse_hex(&text))?,
                _ => bytes = decoder.whole(path, &codes::OUT_OF_RANGE, 0, 1 << 40)?,
            }
            Ok(())
        },
    )?;
    if is_object {
        for (name, present) in names.into_iter().zip(present) {
            if !present {
                decoder.missing(&Path::Field(path, name));
            }
        }
    }
    Ok(sha.zip(bytes).map(|(sha256, bytes)| Part {
        sha256,
        bytes: bytes.unsigned_abs(),
    }))
}

fn digests(decoder: &mut Decoder<'_>, path: &Path<'_>) -> Result<Option<Digests>, Malformed> {
    let names = ["spec", "onnx", "data"];
    let mut found: [Option<Sha>; 3] = [None; 3];
    let mut present = [false; 3];
    let is_object = decoder.object(
        path,
        &names,
        Unknown::Refuse,
        &mut |decoder, field, path| {
            present[field] = true;
            found[field] = decoder.parsed(path, |text| parse_hex(&text))?;
            Ok(())
        },
    )?;
    if is_object {
        for (name, present) in names.into_iter().zip(present) {
            if !present {
                decoder.missing(&Path::Field(path, name));
            }
        }
    }
    Ok(match found {
        [Some(spec), Some(onnx), Some(data)] => Some(Digests { spec, onnx, data }),
        _ => None,
    })
}
