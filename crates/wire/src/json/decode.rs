//! The reader with a memory for faults: what has the wrong type is noted with
//! its path and passed over, so that one reading reports everything.

use std::borrow::Cow;

use shelfedge_commerce::codes::Code;
use shelfedge_commerce::fault::{Fault, Faults, Invalid, quote};
use shelfedge_commerce::money::parse_whole;

use super::read::{Kind, Malformed, Reader, What};
use crate::codes;

type Result<T> = std::result::Result<T, Malformed>;

/// Where in the input we are; written out only when there is a fault.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'static str),
    /// A field whose name is the input's own, such as a part of a bundle.
    Named(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn push_to(&self, text: &mut String) {
        let (parent, name) = match *self {
            Self::Root => return,
            Self::Index(parent, index) => {
                parent.push_to(text);
                text.push_str(&format!("[{index}]"));
                return;
            }
            Self::Field(parent, name) => (parent, name),
            Self::Named(parent, name) => (parent, name),
        };
        parent.push_to(text);
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(
            name.chars()
                .filter(|character| !character.is_control())
                .take(64),
        );
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.push_to(&mut text);
        text
    }
}

/// What to do with a field whose name isn't known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Pass over it: input from the public web.
    Pass,
    /// A fault: our own files, where it is a slip of the pen.
    Refuse,
}

/// Reads values, notes faults.
pub(crate) struct Decoder<'a> {
    reader: Reader<'a>,
    pub(crate) faults: Faults,
}

impl<'a> Decoder<'a> {
    /// Reads a whole text with the given function and reports all faults. When
    /// the text isn't JSON, that alone is reported: faults before that point
    /// would be half a list.
    pub(crate) fn run<T>(
        bytes: &'a [u8],
        max_depth: u32,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, Faults> {
        let malformed = |error: Malformed| Faults::from(describe(bytes, error));
        let mut decoder = Self {
            reader: Reader::new(bytes, max_depth).map_err(malformed)?,
            faults: Faults::default(),
        };
        if decoder.reader.kind().map_err(malformed)? == Kind::Null {
            let cause = "null stands for the whole input";
            decoder.fault(&codes::WRONG_TYPE, &Path::Root, cause);
        }
        let value = read(&mut decoder).map_err(malformed)?;
        decoder.reader.end().map_err(malformed)?;
        decoder.faults.into_result(value)
    }

    pub(crate) fn fault(&mut self, code: &'static Code, path: &Path<'_>, cause: impl Into<String>) {
        self.faults.push(Fault::new(code, path.text(), cause));
    }

    /// Takes a valid value; notes an invalid one.
    pub(crate) fn valid<T>(
        &mut self,
        path: &Path<'_>,
        result: std::result::Result<T, Invalid>,
    ) -> Option<T> {
        self.faults.take(result, || path.text())
    }

    pub(crate) fn missing(&mut self, path: &Path<'_>) {
        self.fault(&codes::FIELD_MISSING, path, "the field is missing");
    }

    pub(crate) fn skip(&mut self) -> Result<()> {
        self.reader.skip()
    }

    pub(crate) fn kind(&mut self) -> Result<Kind> {
        self.reader.kind()
    }

    /// True when the next value is of the kind. Null is passed over as if the
    /// field were absent; any other kind is noted and passed over.
    fn expect(&mut self, path: &Path<'_>, kind: Kind) -> Result<bool> {
        let found = self.reader.kind()?;
        if found == kind {
            return Ok(true);
        }
        if found == Kind::NotFinite {
            self.reader.not_finite()?;
        } else {
            self.reader.skip()?;
        }
        if found != Kind::Null {
            self.fault(
                &codes::WRONG_TYPE,
                path,
                format!("{} was expected and {} found", kind.name(), found.name()),
            );
        }
        Ok(false)
    }

    pub(crate) fn string(&mut self, path: &Path<'_>) -> Result<Option<Cow<'a, str>>> {
        Ok(if self.expect(path, Kind::String)? {
            Some(self.reader.string()?)
        } else {
            None
        })
    }

    /// A string that some type's parser accepts.
    pub(crate) fn parsed<T>(
        &mut self,
        path: &Path<'_>,
        parse: impl FnOnce(Cow<'a, str>) -> std::result::Result<T, Invalid>,
    ) -> Result<Option<T>> {
        let text = self.string(path)?;
        Ok(text.and_then(|text| self.valid(path, parse(text))))
    }

    pub(crate) fn boolean(&mut self, path: &Path<'_>) -> Result<Option<bool>> {
        Ok(if self.expect(path, Kind::Bool)? {
            Some(self.reader.boolean()?)
        } else {
            None
        })
    }

    /// The text of a number; also of the tokens `NaN` and `Infinity`, for a
    /// caller that has its own fault for them.
    pub(crate) fn number_text(&mut self, path: &Path<'_>) -> Result<Option<&'a str>> {
        if self.reader.kind()? == Kind::NotFinite {
            return self.reader.not_finite().map(Some);
        }
        Ok(if self.expect(path, Kind::Number)? {
            Some(self.reader.number()?)
        } else {
            None
        })
    }

    /// A whole number within bounds, both included.
    pub(crate) fn whole(
        &mut self,
        path: &Path<'_>,
        code: &'static Code,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>> {
        let Some(text) = self.number_text(path)? else {
            return Ok(None);
        };
        match parse_whole(text).filter(|value| (least..=most).contains(value)) {
            Some(value) => Ok(Some(value)),
            None => {
                // A number's text is ASCII; only its length can be hostile.
                let text = text.get(..40).unwrap_or(text);
                let cause = if least == most {
                    format!("{text} was found and {least} expected")
                } else {
                    format!("{text} isn't a whole number from {least} to {most}")
                };
                self.fault(code, path, cause);
                Ok(None)
            }
        }
    }

    /// Reads the fields of an object. `field` gets the name's place in `names`
    /// and must read the value. False when it wasn't an object.
    pub(crate) fn object(
        &mut self,
        path: &Path<'_>,
        names: &[&'static str],
        unknown: Unknown,
        field: &mut dyn FnMut(&mut Self, usize, &Path<'_>) -> Result<()>,
    ) -> Result<bool> {
        if !self.expect(path, Kind::Object)? {
            return Ok(false);
        }
        self.reader.open(b'{')?;
        let mut first = true;
        let mut seen = 0u32;
        while self.reader.more(first, b'}')? {
            first = false;
            let key = self.reader.key()?;
            let Some(index) = names.iter().position(|name| *name == key) else {
                if unknown == Unknown::Refuse {
                    self.fault(
                        &codes::FIELD_UNKNOWN,
                        path,
                        format!("there is no field {}", quote(&key)),
                    );
                }
                self.reader.skip()?;
                continue;
            };
            let path = Path::Field(path, names[index]);
            if seen >> index & 1 == 1 {
                self.fault(&codes::FIELD_REPEATED, &path, "the field occurs twice");
                self.reader.skip()?;
                continue;
            }
            seen |= 1 << index;
            field(self, index, &path)?;
        }
        Ok(true)
    }

    /// Reads an object whose names are the input's own, at most `most` of them.
    pub(crate) fn map(
        &mut self,
        path: &Path<'_>,
        most: usize,
        field: &mut dyn FnMut(&mut Self, &str, &Path<'_>) -> Result<()>,
    ) -> Result<bool> {
        if !self.expect(path, Kind::Object)? {
            return Ok(false);
        }
        self.reader.open(b'{')?;
        let mut count = 0;
        while self.reader.more(count == 0, b'}')? {
            let key = self.reader.key()?;
            if count < most {
                field(self, &key, &Path::Named(path, &key))?;
            } else {
                self.reader.skip()?;
            }
            count += 1;
        }
        self.too_many(path, count, most);
        Ok(true)
    }

    /// Reads the elements of a list. Those beyond `most` are counted and not
    /// read, and their number is a fault; so is a null in the place of an
    /// element. False when it wasn't a list.
    pub(crate) fn array(
        &mut self,
        path: &Path<'_>,
        most: usize,
        element: &mut dyn FnMut(&mut Self, usize, &Path<'_>) -> Result<()>,
    ) -> Result<bool> {
        if !self.expect(path, Kind::Array)? {
            return Ok(false);
        }
        self.reader.open(b'[')?;
        let mut count = 0;
        while self.reader.more(count == 0, b']')? {
            let path = Path::Index(path, count);
            if count >= most {
                self.reader.skip()?;
            } else if self.reader.kind()? == Kind::Null {
                self.reader.null()?;
                self.fault(&codes::WRONG_TYPE, &path, "null stands for an element");
            } else {
                element(self, count, &path)?;
            }
            count += 1;
        }
        self.too_many(path, count, most);
        Ok(true)
    }

    fn too_many(&mut self, path: &Path<'_>, count: usize, most: usize) {
        if count > most {
            self.fault(
                &codes::TOO_MANY,
                path,
                format!("there are {count} entries, and at most {most} are read"),
            );
        }
    }
}

/// The fault of a text that isn't JSON, with line and column from 1.
fn describe(bytes: &[u8], error: Malformed) -> Fault {
    let before = &bytes[..error.at.min(bytes.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    // Columns are counted in characters: bytes that continue one don't count.
    let column = before[line_start..]
        .iter()
        .filter(|byte| **byte & 0xc0 != 0x80)
        .count()
        + 1;
    let place = format!("at line {line}, column {column}");
    match error.what {
        What::Utf8 => Fault::new(
            &codes::MALFORMED_JSON,
            "",
            format!("the text isn't UTF-8 {place}"),
        ),
        What::Expected(what) => Fault::new(
            &codes::MALFORMED_JSON,
            "",
            format!("{what} was expected {place}"),
        ),
        What::TooDeep => Fault::new(
            &codes::TOO_DEEP,
            "",
            format!("lists and objects are nested too deeply {place}"),
        ),
    }
}
