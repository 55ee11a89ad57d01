//! Who may ask: bearer token, origins, and the trace header.

/// What the `Origin` of a request is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The request has no `Origin`: not a page of another site.
    Absent,
    /// The origin is on the list; this is the value of
    /// `Access-Control-Allow-Origin`.
    Allowed(String),
    /// The origin is not on the list.
    Refused,
}

/// Looks an origin up in a comma-separated list; `*` allows all.
///
/// Origins are compared as whole strings: `https://shop.example` does not
/// allow `https://shop.example.evil` nor another port.
#[must_use]
pub fn origin(origin: Option<&str>, allowed: &str) -> Origin {
    let Some(origin) = origin else {
        return Origin::Absent;
    };
    for entry in allowed.split(',').map(str::trim) {
        if entry == "*" {
            return Origin::Allowed("*".to_owned());
        }
        // As people copy it from the address bar.
        let entry = entry.strip_suffix('/').unwrap_or(entry);
        if !entry.is_empty() && entry == origin {
            return Origin::Allowed(origin.to_owned());
        }
    }
    Origin::Refused
}

/// Whether the `Authorization` header carries the token. An empty token means
/// that no token is asked for.
#[must_use]
pub fn is_authorized(header: Option<&str>, token: &str) -> bool {
    if token.is_empty() {
        return true;
    }
    let Some(header) = header else { return false };
    let Some((scheme, given)) = header.split_once(' ') else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer") && equal(given.trim().as_bytes(), token.as_bytes())
}

/// Compares in a time that depends on the lengths alone, so that the answer's
/// delay does not tell how much of a guess was right.
fn equal(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != expected.len());
    for (index, &byte) in given.iter().enumerate() {
        // Wraps round, so that every byte given is compared with something.
        let other = expected[index % expected.len()];
        difference |= std::hint::black_box(byte ^ other);
    }
    std::hint::black_box(difference) == 0
}

/// The `traceparent` header, if it is a valid one of W3C Trace Context.
#[must_use]
pub fn traceparent(header: Option<&str>) -> Option<&str> {
    let header = header?;
    let mut parts = header.split('-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length
                && part
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let version = hex(2)?;
    let trace = hex(32)?;
    let parent = hex(16)?;
    hex(2)?;
    let all_zero = |part: &str| part.bytes().all(|b| b == b'0');
    // Version ff is never valid; a later version may append fields, 00 may not.
    if version == "ff" || all_zero(trace) || all_zero(parent) {
        return None;
    }
    if version == "00" && parts.next().is_some() {
        return None;
    }
    (header.len() <= 128).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole() {
        let list = "https://shop.example/, http://127.0.0.1:3000";
        let allowed = |text: &str| Origin::Allowed(text.to_owned());
        assert_eq!(origin(None, list), Origin::Absent);
        assert_eq!(
            origin(Some("https://shop.example"), list),
            allowed("https://shop.example")
        );
        assert_eq!(
            origin(Some("http://127.0.0.1:3000"), list),
            allowed("http://127.0.0.1:3000")
        );
        for bad in [
            "https://shop.example.evil",
            "https://shop.example:444",
            "http://shop.example",
            "null",
            "",
        ] {
            assert_eq!(origin(Some(bad), list), Origin::Refused, "{bad}");
        }
        assert_eq!(origin(Some("https://any"), ""), Origin::Refused);
        assert_eq!(origin(Some("https://any"), "*"), allowed("*"));
    }

    #[test]
    fn a_token_must_be_the_whole_token() {
        assert!(is_authorized(None, ""));
        assert!(is_authorized(Some("Bearer secret"), "secret"));
        assert!(is_authorized(Some("bearer  secret "), "secret"));
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Bearer secretsecret",
            "Bearer Secret",
            "Basic secret",
            "secret",
            "",
        ] {
            assert!(!is_authorized(Some(bad), "secret"), "{bad}");
        }
        assert!(!is_authorized(None, "secret"));
    }

    #[test]
    fn only_valid_trace_headers_are_echoed() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(Some(good)), Some(good));
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(traceparent(Some(later)), Some(later));
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nx: y",
        ] {
            assert_eq!(traceparent(Some(bad)), None, "{bad}");
        }
    }
}
