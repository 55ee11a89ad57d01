//! The reader: values one after another off the text, nothing stored.

use std::borrow::Cow;

/// Where and why the text isn't JSON that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The byte.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Not UTF-8.
    Utf8,
    /// Something else was expected.
    Expected(&'static str),
    /// Lists and objects within one another beyond the limit.
    TooDeep,
}

/// What kind of value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    /// `NaN`, `Infinity` or `-Infinity`: not JSON, but what careless programs
    /// write. Where a number belongs it gets a fault of its own.
    NotFinite,
    String,
    Array,
    Object,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Number => "a number",
            Self::NotFinite => "NaN or an infinity",
            Self::String => "text",
            Self::Array => "a list",
            Self::Object => "an object",
        }
    }
}

const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A place in a JSON text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    max_depth: u32,
}

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], max_depth: u32) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self {
                text,
                at: 0,
                depth: 0,
                max_depth,
            }),
            Err(error) => Err(Malformed {
                at: error.valid_up_to(),
                what: What::Utf8,
            }),
        }
    }

    /// The text from `start` to here. Both are at character boundaries, so the
    /// default is never taken; it is cheaper than indexing, whose panic brings
    /// several kilobytes of text formatting into the wasm.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn expected<T>(&self, what: &'static str) -> Result<T> {
        Err(Malformed {
            at: self.at,
            what: What::Expected(what),
        })
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    /// The kind of the next value, which stays unread.
    pub(crate) fn kind(&mut self) -> Result<Kind> {
        self.skip_blank();
        match self.byte() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            Some(b'N' | b'I') => Ok(Kind::NotFinite),
            Some(b'-') if self.text.as_bytes().get(self.at + 1) == Some(&b'I') => {
                Ok(Kind::NotFinite)
            }
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => self.expected("a value"),
        }
    }

    pub(crate) fn null(&mut self) -> Result<()> {
        if self.take_word("null") {
            Ok(())
        } else {
            self.expected("null")
        }
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        if self.take_word("true") {
            Ok(true)
        } else if self.take_word("false") {
            Ok(false)
        } else {
            self.expected("true or false")
        }
    }

    /// The text of a number that is no number.
    pub(crate) fn not_finite(&mut self) -> Result<&'static str> {
        for word in NOT_FINITE {
            if self.take_word(word) {
                return Ok(word);
            }
        }
        self.expected("a value")
    }

    /// The text of a number, in JSON's grammar.
    pub(crate) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start {
            self.expected("a digit")
        } else {
            Ok(())
        }
    }

    /// A string; borrowed unless it has escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if !self.take(b'"') {
            return self.expected("text in quotes");
        }
        let mut start = self.at;
        let mut owned: Option<String> = None;
        loop {
            match self.byte() {
                Some(b'"') => {
                    let rest = self.since(start);
                    self.at += 1;
                    return Ok(match owned {
                        None => Cow::Borrowed(rest),
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                    });
                }
                Some(b'\\') => {
                    let rest = self.since(start);
                    let text = owned.get_or_insert_default();
                    text.push_str(rest);
                    self.at += 1;
                    let character = self.escape()?;
                    if let Some(text) = &mut owned {
                        text.push(character);
                    }
                    start = self.at;
                }
                Some(0..=0x1f) => return self.expected("an escaped control character"),
                Some(_) => self.at += 1,
                None => return self.expected("the end of the text in quotes"),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char> {
        let Some(byte) = self.byte() else {
            return self.expected("an escape");
        };
        let character = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return self.expected("an escape"),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let start = self.at;
        let high = self.hex()?;
        let code = if (0xd800..0xdc00).contains(&high) {
            // The upper half of a pair; the lower must follow.
            let low = if self.take_word("\\u") {
                self.hex()?
            } else {
                0
            };
            if (0xdc00..0xe000).contains(&low) {
                0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            } else {
                high
            }
        } else {
            high
        };
        char::from_u32(code).ok_or(Malformed {
            at: start,
            what: What::Expected("a pair of surrogates"),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = match self.byte() {
                Some(byte @ b'0'..=b'9') => byte - b'0',
                Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
                Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
                _ => return self.expected("four hexadecimal digits"),
            };
            value = value << 4 | u32::from(digit);
            self.at += 1;
        }
        Ok(value)
    }

    /// Enters a list (`[`) or an object (`{`).
    pub(crate) fn open(&mut self, bracket: u8) -> Result<()> {
        if !self.take(bracket) {
            return self.expected(if bracket == b'[' {
                "a list"
            } else {
                "an object"
            });
        }
        if self.depth == self.max_depth {
            return Err(Malformed {
                at: self.at - 1,
                what: What::TooDeep,
            });
        }
        self.depth += 1;
        Ok(())
    }

    /// True when another element follows; otherwise the bracket is closed.
    pub(crate) fn more(&mut self, first: bool, bracket: u8) -> Result<bool> {
        self.skip_blank();
        if self.take(bracket) {
            self.depth -= 1;
            return Ok(false);
        }
        if !first {
            if !self.take(b',') {
                return self.expected(if bracket == b']' {
                    "a comma or ]"
                } else {
                    "a comma or }"
                });
            }
            self.skip_blank();
        }
        Ok(true)
    }

    /// A field's name and the colon after it.
    pub(crate) fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.byte() != Some(b'"') {
            return self.expected("a field's name in quotes");
        }
        let key = self.string()?;
        self.skip_blank();
        if self.take(b':') {
            Ok(key)
        } else {
            self.expected("a colon")
        }
    }

    /// Passes over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        match self.kind()? {
            Kind::Null => self.null(),
            Kind::Bool => self.boolean().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::String => self.string().map(drop),
            Kind::NotFinite => self.expected("a value"),
            Kind::Array => {
                self.open(b'[')?;
                let mut first = true;
                while self.more(first, b']')? {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            Kind::Object => {
                self.open(b'{')?;
                let mut first = true;
                while self.more(first, b'}')? {
                    first = false;
                    self.key()?;
                    self.skip()?;
                }
                Ok(())
            }
        }
    }

    /// Nothing but blanks may follow the value.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.skip_blank();
        if self.at == self.text.len() {
            Ok(())
        } else {
            self.expected("the end")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(text: &[u8]) -> Result<()> {
        let mut reader = Reader::new(text, 100)?;
        reader.skip()?;
        reader.end()
    }

    /// Builds the tree that serde_json builds, numbers as text.
    fn tree(reader: &mut Reader<'_>) -> Result<Value> {
        Ok(match reader.kind()? {
            Kind::Null => {
                reader.null()?;
                Value::Null
            }
            Kind::Bool => Value::Bool(reader.boolean()?),
            Kind::Number => Value::String(format!("number {}", reader.number()?)),
            Kind::NotFinite => return reader.expected("a value"),
            Kind::String => Value::String(reader.string()?.into_owned()),
            Kind::Array => {
                reader.open(b'[')?;
                let mut list = Vec::new();
                while reader.more(list.is_empty(), b']')? {
                    list.push(tree(reader)?);
                }
                Value::Array(list)
            }
            Kind::Object => {
                reader.open(b'{')?;
                let mut map = serde_json::Map::new();
                let mut first = true;
                while reader.more(first, b'}')? {
                    first = false;
                    let key = reader.key()?.into_owned();
                    map.insert(key, tree(reader)?);
                }
                Value::Object(map)
            }
        })
    }

    /// serde_json's numbers in the same form, for whole numbers.
    fn spelled(value: Value) -> Value {
        match value {
            Value::Number(number) => Value::String(format!("number {number}")),
            Value::Array(list) => list.into_iter().map(spelled).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, spelled(value)))
                .collect(),
            other => other,
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn agrees_with_serde_json_on_corner_cases() {
        for text in [
            "",
            " ",
            "null",
            " null ",
            "nul",
            "nulll",
            "true",
            "tru",
            "0",
            "-0",
            "00",
            "01",
            "-",
            "1.",
            ".1",
            "1.0",
            "1e5",
            "1e",
            "1E+5",
            "1e-05",
            "+1",
            "0x1",
            "1_0",
            "\"\"",
            "\"",
            "\"\\\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\\u12\"",
            "\"\\x\"",
            "\"\n\"",
            "\"\t\"",
            "\"\u{7f}\"",
            "[]",
            "[",
            "]",
            "[,]",
            "[1,]",
            "[1 2]",
            "[1,2]",
            "[[[]]]",
            "{}",
            "{",
            "}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{1:1}",
            "{\"a\":1,\"a\":2}",
            "[1]]",
            "1 2",
            "\u{feff}1",
            "NaN",
            "Infinity",
            "-Infinity",
            "[NaN]",
            "'a'",
            "// c\n1",
            "[1]\u{0}",
        ] {
            let theirs = serde_json::from_str::<Value>(text).is_ok();
            assert_eq!(read(text.as_bytes()).is_ok(), theirs, "{text:?}");
        }
        assert_eq!(
            read(b"\"\xff\"").map_err(|error| error.what),
            Err(What::Utf8)
        );
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert_eq!(read(&nested(100)), Ok(()));
        let error = read(&nested(101)).expect_err("too deep");
        assert_eq!((error.at, error.what), (100, What::TooDeep));
        // A million brackets neither overflow the stack nor take memory.
        let error = read(&nested(1_000_000)).expect_err("too deep");
        assert_eq!(error.what, What::TooDeep);
        // Depth counts nesting, not brackets.
        let flat = format!("[{}[]]", "[],{},".repeat(1_000));
        assert_eq!(read(flat.as_bytes()), Ok(()));
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value)
            } else {
                serde_json::to_string(&value)
            }
            .expect("text");
            let mut reader = Reader::new(text.as_bytes(), 100).expect("UTF-8");
            prop_assert_eq!(tree(&mut reader), Ok(spelled(value)));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn agrees_with_serde_json_on_mutated_text(
            value in json(),
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b"{}[]\",:0-1.eE\\u tfnN\n\x00\xc3".to_vec()),
            what in 0..3,
        ) {
            let mut text = serde_json::to_vec(&value).expect("text");
            let at = at.index(text.len());
            match what {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => text.truncate(at),
            }
            let ours = read(&text);
            let theirs = serde_json::from_slice::<Value>(&text);
            // serde_json also refuses numbers beyond f64, which we pass as text.
            let number = theirs.as_ref().is_err_and(|error| error.to_string().contains("number out of range"));
            prop_assert!(number || ours.is_ok() == theirs.is_ok(), "{:?} {:?} {:?}", String::from_utf8_lossy(&text), ours, theirs);
        }
    }
}
