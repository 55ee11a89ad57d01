//! Requests and responses as the handlers see them: no WASI, no SDK, so that
//! the same handlers run in a native test.

use std::borrow::Cow;
use std::fmt;

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The method, in upper case.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// Names and values of headers; names may be in any case.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The first header of that name, if its value is plain text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
            .map(str::trim)
    }
}

/// A request's body, read piece by piece, so that a body that is too large is
/// refused before it is in memory.
pub trait Body {
    /// The next piece, or none at the end. A piece may be empty.
    ///
    /// # Errors
    /// When the body broke off.
    fn read(&mut self) -> Result<Option<Vec<u8>>, BodyBroken>;
}

/// The body ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyBroken(pub String);

impl fmt::Display for BodyBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BodyBroken {}

/// Why there is no whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// It has more bytes than it may have.
    TooLarge,
    /// It broke off.
    Broken(BodyBroken),
}

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// When it is larger, by its announced length or in fact, or breaks off.
pub fn read_body(head: &Head, body: &mut dyn Body, most: usize) -> Result<Vec<u8>, BodyError> {
    let announced = head
        .header("content-length")
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(BodyError::TooLarge);
    }
    // The announced length is at most the cap, so it may be trusted with memory.
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0) as usize);
    while let Some(piece) = body.read().map_err(BodyError::Broken)? {
        if bytes.len() + piece.len() > most {
            return Err(BodyError::TooLarge);
        }
        if bytes.is_empty() && bytes.capacity() < piece.len() {
            bytes = piece;
        } else {
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes)
}

/// A part of a path as it was before it was percent-encoded. A `+` stays one:
/// it stands for a space in forms only.
///
/// # Errors
/// With the cause, when a `%` isn't followed by two hexadecimal digits, or when
/// the decoded bytes aren't UTF-8.
pub fn percent_decoded(part: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.ok_or("a % isn't followed by two hexadecimal digits")
        };
        let value = digit()? * 16 + digit()?;
        bytes.push(value as u8);
    }
    String::from_utf8(bytes).map_err(|_| "the decoded bytes aren't UTF-8")
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names (in lower case) and values of headers, in the order of sending.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Cow<'static, [u8]>,
}

impl Response {
    /// A response with a body of the given media type.
    #[must_use]
    pub fn new(status: u16, media_type: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Response {
            status,
            headers: vec![("content-type", media_type.to_owned())],
            body: body.into(),
        }
    }

    /// A response without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Response {
            status,
            headers: Vec::new(),
            body: Cow::Borrowed(&[]),
        }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<Result<Vec<u8>, BodyBroken>>);

    impl Body for Pieces {
        fn read(&mut self) -> Result<Option<Vec<u8>>, BodyBroken> {
            if self.0.is_empty() {
                return Ok(None);
            }
            self.0.remove(0).map(Some)
        }
    }

    fn read(length: Option<&str>, pieces: &[&[u8]], most: usize) -> Result<Vec<u8>, BodyError> {
        let head = Head {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: length
                .map(|l| ("Content-Length".to_owned(), l.as_bytes().to_vec()))
                .into_iter()
                .collect(),
        };
        let mut body = Pieces(pieces.iter().map(|p| Ok(p.to_vec())).collect());
        read_body(&head, &mut body, most)
    }

    #[test]
    fn a_body_is_joined_up_to_the_cap() {
        assert_eq!(read(None, &[b"ab", b"", b"cd"], 4).unwrap(), b"abcd");
        assert_eq!(read(Some("4"), &[b"ab", b"cd"], 4).unwrap(), b"abcd");
        assert_eq!(read(None, &[], 4).unwrap(), b"");
        assert_eq!(read(None, &[b"ab", b"cde"], 4), Err(BodyError::TooLarge));
        // Refused by its announcement, before a byte is read.
        assert_eq!(read(Some("5"), &[], 4), Err(BodyError::TooLarge));
        assert_eq!(
            read(Some("18446744073709551615"), &[], 4),
            Err(BodyError::TooLarge)
        );
        // A length that is no number is the host's matter; the cap still holds.
        assert_eq!(read(Some("x"), &[b"abcde"], 4), Err(BodyError::TooLarge));
    }

    #[test]
    fn parts_of_a_path_are_decoded() {
        for (part, text) in [
            ("c17850", "c17850"),
            ("", ""),
            ("a%2Fb%2fc", "a/b/c"),
            ("%E8%8C%B6", "茶"),
            ("茶", "茶"),
            ("100%25", "100%"),
            ("%2525", "%25"),
            ("a+b%20c", "a+b c"),
            ("%00", "\0"),
        ] {
            assert_eq!(percent_decoded(part).as_deref(), Ok(text), "{part}");
        }
        for bad in [
            "%", "%2", "a%", "%zz", "%2z", "%+1", "% 1", "%茶", "%ff", "%C3%28", "%E8%8C",
        ] {
            assert!(percent_decoded(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broken_body_is_an_error() {
        let head = Head {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: vec![],
        };
        let broken = BodyBroken("reset".to_owned());
        let mut body = Pieces(vec![Ok(b"ab".to_vec()), Err(broken.clone())]);
        assert_eq!(
            read_body(&head, &mut body, 9),
            Err(BodyError::Broken(broken))
        );
    }
}
