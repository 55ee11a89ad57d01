//! The writer: fields in the order of the calls, no blanks, so that the same
//! values are the same bytes.

use super::float::push_f32;

/// Writes one JSON value from front to back. The caller keeps the grammar; a
/// comma is put where the last byte calls for one.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty text with room for some bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// The text so far.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A value follows: after a value comes a comma, after a bracket or a colon
    /// none.
    fn separate(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':')) {
            self.bytes.push(b',');
        }
    }

    /// An opening bracket, `{` or `[`.
    pub fn open(&mut self, bracket: u8) {
        self.separate();
        self.bytes.push(bracket);
    }

    /// A closing bracket, `}` or `]`.
    pub fn close(&mut self, bracket: u8) {
        self.bytes.push(bracket);
    }

    /// A field's name; its value is to follow.
    pub fn key(&mut self, name: &str) {
        self.string(name);
        self.bytes.push(b':');
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw("null");
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// Text that is JSON already, such as a decimal amount.
    pub fn raw(&mut self, text: &str) {
        self.separate();
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A whole number.
    pub fn unsigned(&mut self, value: u64) {
        self.separate();
        self.bytes.extend_from_slice(decimal(&mut [0; 20], value));
    }

    /// A whole number.
    pub fn signed(&mut self, value: i64) {
        self.separate();
        if value < 0 {
            self.bytes.push(b'-');
        }
        let digits = &mut [0; 20];
        self.bytes
            .extend_from_slice(decimal(digits, value.unsigned_abs()));
    }

    /// A list of whole numbers.
    pub fn wholes(&mut self, values: &[u32]) {
        self.open(b'[');
        for value in values {
            self.unsigned((*value).into());
        }
        self.close(b']');
    }

    /// The shortest text that reads back as the same `f32`; `null` when it isn't
    /// finite.
    pub fn float(&mut self, value: f32) {
        self.separate();
        push_f32(&mut self.bytes, value);
    }

    /// Text, escaped.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.bytes.push(b'"');
        let mut start = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x8 => b'b',
                0xc => b'f',
                0..=0x1f => b'u',
                _ => continue,
            };
            self.bytes.extend_from_slice(&text.as_bytes()[start..at]);
            self.bytes.extend_from_slice(&[b'\\', escape]);
            if escape == b'u' {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                self.bytes
                    .extend_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            start = at + 1;
        }
        self.bytes.extend_from_slice(&text.as_bytes()[start..]);
        self.bytes.push(b'"');
    }
}

/// The decimal digits of a number, at the end of the buffer.
pub(super) fn decimal(buffer: &mut [u8; 20], mut value: u64) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_come_by_themselves() {
        let mut json = Writer::default();
        json.open(b'{');
        json.key("a");
        json.open(b'[');
        json.unsigned(0);
        json.signed(i64::MIN);
        json.null();
        json.open(b'[');
        json.close(b']');
        json.boolean(true);
        json.close(b']');
        json.key("b");
        json.raw("2.50");
        json.key("c");
        json.open(b'{');
        json.close(b'}');
        json.close(b'}');
        let text = String::from_utf8(json.finish()).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"a":[0,-9223372036854775808,null,[],true],"b":2.50,"c":{}}"#
        );
    }

    proptest! {
        #[test]
        fn strings_and_numbers_are_written_as_serde_json_writes_them(
            text in any::<String>(),
            whole in any::<u64>(),
        ) {
            let mut json = Writer::default();
            json.open(b'[');
            json.string(&text);
            json.unsigned(whole);
            json.close(b']');
            prop_assert_eq!(json.finish(), serde_json::to_vec(&(text, whole)).expect("text"));
        }
    }
}
