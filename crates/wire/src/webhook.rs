//! Signed webhooks by the specification Standard Webhooks: an event's body is signed with
//! HMAC-SHA-256 (RFC 2104) over `id.timestamp.body`, under a secret that both sides have.
//!
//! | header | value |
//! |---|---|
//! | `webhook-id` | the event's id, the same when it is sent again |
//! | `webhook-timestamp` | when this attempt was made, in seconds since 1970 |
//! | `webhook-signature` | `v1,` and the signature in base64, several parted by spaces |

use std::fmt;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Fewest bytes of a secret.
pub const MIN_SECRET: usize = 24;
/// Most bytes of a secret.
pub const MAX_SECRET: usize = 64;
/// Seconds by which an attempt may be old, or ahead, of whoever verifies it.
pub const TOLERANCE_S: i64 = 5 * 60;
/// Longest value of a header, in bytes.
pub const MAX_HEADER: usize = 2000;
/// Signatures that are looked at; there is one for each secret in use.
const MAX_SIGNATURES: usize = 16;

/// What both sides know. It is shown nowhere, not even by `Debug`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadSecret {
    /// It doesn't begin with `whsec_`.
    Prefix,
    /// The rest isn't base64 with padding.
    Base64,
    /// It has too few or too many bytes.
    Length(usize),
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadSecret::Prefix => f.write_str("must begin with whsec_"),
            BadSecret::Base64 => f.write_str("must be base64 with padding after whsec_"),
            BadSecret::Length(bytes) => write!(
                f,
                "has {bytes} bytes and must have {MIN_SECRET} to {MAX_SECRET}, as base64 after whsec_"
            ),
        }
    }
}

impl std::error::Error for BadSecret {}

impl Secret {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// A text of another form, or of too few or too many bytes.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let rest = text.strip_prefix("whsec_").ok_or(BadSecret::Prefix)?;
        let bytes = Base64::decode_vec(rest).map_err(|_| BadSecret::Base64)?;
        match bytes.len() {
            MIN_SECRET..=MAX_SECRET => Ok(Self(bytes)),
            other => Err(BadSecret::Length(other)),
        }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }

    /// The three headers of an attempt, `seconds` since 1970.
    pub fn headers(&self, id: &str, seconds: i64, body: &[u8]) -> [(&'static str, String); 3] {
        let timestamp = seconds.to_string();
        let mac = self.mac(id, &timestamp, body);
        let signature = mac.map(|mac| Base64::encode_string(&mac.finalize().into_bytes()));
        [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp),
            (
                "webhook-signature",
                ["v1,", &signature.unwrap_or_default()].concat(),
            ),
        ]
    }
}

/// The headers of a webhook as they came, none where one is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received<'a> {
    /// `webhook-id`.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub signature: Option<&'a str>,
}

/// Why a webhook isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unverified {
    /// A header is missing, by its name.
    Missing(&'static str),
    /// A header is longer than [`MAX_HEADER`], by its name.
    TooLong(&'static str),
    /// The id is empty, or has a character that isn't printable ASCII, or a full stop.
    Id,
    /// The time isn't a whole number of seconds.
    Timestamp,
    /// It is older than [`TOLERANCE_S`], by these seconds.
    Old(i64),
    /// It is ahead by more than [`TOLERANCE_S`], by these seconds.
    Early(i64),
    /// There is no signature of a version that is known here: `v1`.
    Version,
    /// None of the signatures is of this body under one of the secrets.
    Signature,
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unverified::Missing(name) => write!(f, "the header {name} is missing"),
            Unverified::TooLong(name) => {
                write!(f, "the header {name} has more than {MAX_HEADER} bytes")
            }
            Unverified::Id => {
                f.write_str("webhook-id is empty, or isn't printable ASCII without full stops")
            }
            Unverified::Timestamp => f.write_str("webhook-timestamp isn't a number of seconds"),
            Unverified::Old(by) => {
                write!(f, "it was sent {by} seconds ago, of at most {TOLERANCE_S}")
            }
            Unverified::Early(by) => write!(
                f,
                "it was sent {by} seconds ahead of this clock, of at most {TOLERANCE_S}"
            ),
            Unverified::Version => f.write_str("webhook-signature has no signature of version v1"),
            Unverified::Signature => f.write_str("no signature is of this body under this secret"),
        }
    }
}

impl std::error::Error for Unverified {}

fn header<'a>(value: Option<&'a str>, name: &'static str) -> Result<&'a str, Unverified> {
    match value {
        None => Err(Unverified::Missing(name)),
        Some(value) if value.len() > MAX_HEADER => Err(Unverified::TooLong(name)),
        Some(value) => Ok(value),
    }
}

/// Verifies a webhook as it came, at `now`, in seconds since 1970; its id is to be kept for
/// [`TOLERANCE_S`] at least, to know one that comes again. Several secrets are for the time
/// in which one takes the place of another.
///
/// Signatures are compared in constant time.
///
/// # Errors
/// Every reason for which it must not be taken.
pub fn verify<'a>(
    secrets: &[Secret],
    received: &Received<'a>,
    body: &[u8],
    now: i64,
) -> Result<&'a str, Unverified> {
    let id = header(received.id, "webhook-id")?;
    let timestamp = header(received.timestamp, "webhook-timestamp")?;
    let signature = header(received.signature, "webhook-signature")?;
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic() && b != b'.') {
        return Err(Unverified::Id);
    }
    let is_whole = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let sent =
        (is_whole.then(|| timestamp.parse::<i64>().ok()).flatten()).ok_or(Unverified::Timestamp)?;
    let age = now.saturating_sub(sent);
    if age > TOLERANCE_S {
        return Err(Unverified::Old(age));
    }
    if age < -TOLERANCE_S {
        return Err(Unverified::Early(age.saturating_neg()));
    }
    let mut of_version = (signature.split(' '))
        .filter_map(|one| one.strip_prefix("v1,"))
        .take(MAX_SIGNATURES)
        .peekable();
    if of_version.peek().is_none() {
        return Err(Unverified::Version);
    }
    let mut tag = [0; 32];
    for given in of_version {
        let Ok(given) = Base64::decode(given, &mut tag) else {
            continue;
        };
        for secret in secrets {
            let mac = secret.mac(id, timestamp, body);
            if mac.is_some_and(|mac| mac.verify_slice(given).is_ok()) {
                return Ok(id);
            }
        }
    }
    Err(Unverified::Signature)
}

/// For fuzzing and for tests with changed bytes: the parts of the input, parted by line
/// feeds, are the headers and the body, verified at the time that the second names.
/// A webhook that is verified must be one that its own headers sign.
pub fn fuzz(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |&b| b == b'\n');
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let received = Received {
        id: text(),
        timestamp: text(),
        signature: text(),
    };
    let body = parts.next().unwrap_or_default();
    let now = received.timestamp.and_then(|it| it.parse().ok());
    let secret = Secret(vec![7; MIN_SECRET]);
    if let Ok(id) = verify(
        std::slice::from_ref(&secret),
        &received,
        body,
        now.unwrap_or(0),
    ) {
        let [_, _, (_, ours)] = secret.headers(id, now.unwrap_or(0), body);
        let given = received.signature.unwrap_or_default();
        let is_plain = received.timestamp == now.map(|now: i64| now.to_string()).as_deref();
        assert!(!is_plain || given.split(' ').any(|one| one == ours));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector that the libraries of the specification share.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        Secret::parse(SECRET).expect("a secret")
    }

    fn checked(id: &str, timestamp: &str, signature: &str, now: i64) -> Result<(), Unverified> {
        let received = Received {
            id: Some(id),
            timestamp: Some(timestamp),
            signature: Some(signature),
        };
        verify(&[secret()], &received, BODY, now).map(|_| ())
    }

    #[test]
    fn the_vector_of_the_specification_is_signed_and_verified() {
        let [id, timestamp, signature] = secret().headers(ID, SECONDS, BODY);
        assert_eq!(id, ("webhook-id", ID.to_owned()));
        assert_eq!(timestamp.1, "1614265330");
        assert_eq!(signature.1, SIGNATURE);
        assert_eq!(checked(ID, "1614265330", SIGNATURE, SECONDS), Ok(()));
        // Beside others: of another version, of another secret.
        let several = format!("v1a,abc v1,{} {SIGNATURE} v2,x", "A".repeat(44));
        assert_eq!(checked(ID, "1614265330", &several, SECONDS), Ok(()));
        // While a secret takes another's place.
        let other = Secret(vec![1; MIN_SECRET]);
        let received = Received {
            id: Some(ID),
            timestamp: Some("1614265330"),
            signature: Some(SIGNATURE),
        };
        assert_eq!(
            verify(&[other.clone(), secret()], &received, BODY, SECONDS),
            Ok(ID)
        );
        assert_eq!(
            verify(&[other], &received, BODY, SECONDS),
            Err(Unverified::Signature)
        );
        let more = [BODY, b" "].concat();
        assert_eq!(
            verify(&[secret()], &received, &more, SECONDS),
            Err(Unverified::Signature)
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let (time, now) = ("1614265330", SECONDS);
        let cases = [
            ("msg_other", time, SIGNATURE, now, Unverified::Signature),
            ("", time, SIGNATURE, now, Unverified::Id),
            ("a.b", time, SIGNATURE, now, Unverified::Id),
            (ID, "1614265331", SIGNATURE, now, Unverified::Signature),
            (ID, "", SIGNATURE, now, Unverified::Timestamp),
            (ID, "+1614265330", SIGNATURE, now, Unverified::Timestamp),
            (
                ID,
                "99999999999999999999",
                SIGNATURE,
                now,
                Unverified::Timestamp,
            ),
            (ID, time, SIGNATURE, now + 301, Unverified::Old(301)),
            (ID, time, SIGNATURE, now - 301, Unverified::Early(301)),
            (ID, time, "", now, Unverified::Version),
            (ID, time, &SIGNATURE[3..], now, Unverified::Version),
            (ID, time, "v1,", now, Unverified::Signature),
            (ID, time, &SIGNATURE[..46], now, Unverified::Signature),
        ];
        for (id, timestamp, signature, now, expected) in cases {
            assert_eq!(
                checked(id, timestamp, signature, now),
                Err(expected),
                "{id} {timestamp} {signature}"
            );
        }
        assert_eq!(checked(ID, time, SIGNATURE, now + 300), Ok(()));
        assert_eq!(checked(ID, time, SIGNATURE, now - 300), Ok(()));
        let long = "x".repeat(MAX_HEADER + 1);
        assert_eq!(
            checked(ID, time, &long, now),
            Err(Unverified::TooLong("webhook-signature"))
        );
        assert_eq!(
            verify(&[secret()], &Received::default(), BODY, now),
            Err(Unverified::Missing("webhook-id"))
        );
    }

    #[test]
    fn secrets_have_a_form_and_a_length_and_are_not_shown() {
        let of = |bytes: usize| format!("whsec_{}", Base64::encode_string(&vec![9; bytes]));
        assert!(Secret::parse(&of(24)).is_ok() && Secret::parse(&of(64)).is_ok());
        let bad = |text: &str| Secret::parse(text).expect_err("a refusal");
        assert_eq!(bad(&of(23)), BadSecret::Length(23));
        assert_eq!(bad(&of(65)), BadSecret::Length(65));
        assert_eq!(bad("whsec_*"), BadSecret::Base64);
        assert_eq!(bad(&SECRET[6..]), BadSecret::Prefix);
        assert_eq!(format!("{:?}", secret()), "Secret");
    }

    #[test]
    fn changed_bytes_are_refused_and_never_a_crash() {
        let secret = Secret(vec![7; MIN_SECRET]);
        let [(_, id), (_, time), (_, signature)] = secret.headers(ID, SECONDS, BODY);
        let whole = [id.as_bytes(), time.as_bytes(), signature.as_bytes(), BODY].join(&b'\n');
        fuzz(&whole);
        for at in 0..whole.len() {
            fuzz(&whole[..at]);
            for byte in [0, b'\n', b' ', b'.', b',', b'=', b'9', 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                fuzz(&other);
            }
        }
    }
}
