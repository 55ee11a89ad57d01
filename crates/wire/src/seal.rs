//! A conversation's state, as text that travels with it: signed where it leaves the hands
//! of who made it, so that one that was made up or changed is refused.
//!
//! ```text
//! 0   1 plain, 2 signed
//! 1   conversation    16 bytes
//! 17  turn            u32
//! 21  given out       i64, milliseconds since 1970
//! 29  the dialogue's state; then HMAC-SHA-256 of all before it (RFC 2104), where signed
//! ```
//!
//! Numbers are little-endian; the whole is base64url without padding (RFC 4648, section 5).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use shelfedge_assistant::dialogue::MAX_STATE;
use shelfedge_commerce::fault::Fault;
use shelfedge_commerce::time::DAY;

use crate::codes;

const HEAD: usize = 29;
const MAC: usize = 32;
/// Longest text of a state, in bytes.
pub const MAX_SEALED: usize = (HEAD + MAX_STATE + MAC).div_ceil(3) * 4;
/// Fewest bytes of a key.
pub const MIN_KEY: usize = 32;
/// Milliseconds after which a state that isn't used any more is refused.
pub const MAX_AGE_MS: i64 = 7 * DAY;
/// A clock may be late by that much.
const SKEW_MS: i64 = 60_000;

/// How states are kept from being made up.
#[derive(Clone, Copy)]
pub enum Seal<'a> {
    /// They aren't: they never leave the customer's own device.
    Plain,
    /// By a key of at least [`MIN_KEY`] bytes.
    Signed(&'a [u8]),
}

/// A conversation, and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// Tells conversations apart.
    pub id: [u8; 16],
    /// Its turn, from 0.
    pub turn: u32,
    /// The dialogue's state; empty where it begins.
    pub state: Vec<u8>,
}

fn mac(key: &[u8], bytes: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(bytes);
    Some(mac)
}

impl Conversation {
    /// As text, given out now.
    pub fn seal(&self, seal: Seal<'_>, now: i64) -> String {
        let mut bytes = Vec::with_capacity(HEAD + self.state.len() + MAC);
        bytes.push(match seal {
            Seal::Plain => 1,
            Seal::Signed(_) => 2,
        });
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.turn.to_le_bytes());
        bytes.extend_from_slice(&now.to_le_bytes());
        bytes.extend_from_slice(&self.state);
        if let Seal::Signed(key) = seal
            && let Some(mac) = mac(key, &bytes)
        {
            bytes.extend_from_slice(&mac.finalize().into_bytes());
        }
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// Reads a text that was given out.
    ///
    /// # Errors
    /// One that wasn't given out under this seal, or too long ago.
    pub fn unseal(text: &str, seal: Seal<'_>, now: i64) -> Result<Self, Fault> {
        let invalid = |cause: &str| Fault::new(&codes::STATE_INVALID, "state", cause);
        if text.len() > MAX_SEALED {
            return Err(invalid("it is longer than any state"));
        }
        let all = Base64UrlUnpadded::decode_vec(text)
            .map_err(|_| invalid("it isn't base64url without padding"))?;
        let kind = all.first().copied();
        let body = match seal {
            Seal::Plain if kind == Some(1) => &all[..],
            Seal::Signed(key) if kind == Some(2) && all.len() >= HEAD + MAC => {
                let (body, tag) = all.split_at(all.len() - MAC);
                // Compared in constant time.
                let is_ours = mac(key, body).is_some_and(|mac| mac.verify_slice(tag).is_ok());
                is_ours
                    .then_some(body)
                    .ok_or_else(|| invalid("its signature isn't ours"))?
            }
            _ => return Err(invalid("it isn't sealed as it should be")),
        };
        let (Some(id), Some(turn), Some(given), Some(state)) = (
            body.get(1..17).and_then(|it| it.try_into().ok()),
            body.get(17..21).and_then(|it| it.try_into().ok()),
            body.get(21..HEAD).and_then(|it| it.try_into().ok()),
            body.get(HEAD..),
        ) else {
            return Err(invalid("it is cut"));
        };
        let given = i64::from_le_bytes(given);
        if matches!(seal, Seal::Signed(_)) {
            let age = now.saturating_sub(given);
            if age > MAX_AGE_MS {
                let cause = "it was given out more than seven days ago";
                return Err(Fault::new(&codes::STATE_EXPIRED, "state", cause));
            }
            if age < -SKEW_MS {
                return Err(invalid("it was given out in the future"));
            }
        }
        Ok(Self {
            id,
            turn: u32::from_le_bytes(turn),
            state: state.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

    #[test]
    fn what_was_given_out_comes_back_and_nothing_else() {
        let given = Conversation {
            id: [7; 16],
            turn: 3,
            state: vec![1, 2, 3, 250],
        };
        for seal in [Seal::Plain, Seal::Signed(KEY)] {
            let text = given.seal(seal, 1000);
            assert_eq!(Conversation::unseal(&text, seal, 2000), Ok(given.clone()));
        }
        let signed = given.seal(Seal::Signed(KEY), 1000);
        let refused = |text: &str, seal, now| {
            let fault = Conversation::unseal(text, seal, now).expect_err("a refusal");
            fault.code
        };
        // Each character in turn is another one.
        for at in 0..signed.len() {
            let mut other = signed.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert_eq!(
                refused(&other, Seal::Signed(KEY), 1000),
                "state_invalid",
                "{at}"
            );
        }
        for cut in 0..signed.len() {
            assert_eq!(
                refused(&signed[..cut], Seal::Signed(KEY), 1000),
                "state_invalid"
            );
        }
        let other = b"0123456789abcdef0123456789abcdeF";
        assert_eq!(refused(&signed, Seal::Signed(other), 1000), "state_invalid");
        assert_eq!(refused(&signed, Seal::Plain, 1000), "state_invalid");
        let plain = given.seal(Seal::Plain, 1000);
        assert_eq!(refused(&plain, Seal::Signed(KEY), 1000), "state_invalid");
        assert_eq!(
            refused(&signed, Seal::Signed(KEY), -60_000),
            "state_invalid"
        );
        assert_eq!(
            refused(&signed, Seal::Signed(KEY), 1001 + MAX_AGE_MS),
            "state_expired"
        );
        assert_eq!(
            refused(&"A".repeat(MAX_SEALED + 1), Seal::Plain, 0),
            "state_invalid"
        );
        assert_eq!(refused("", Seal::Plain, 0), "state_invalid");
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_signature_is_hmac_with_sha_256() {
        let found = mac(b"Jefe", b"what do ya want for nothing?").expect("a key");
        assert_eq!(
            crate::manifest::hex(&found.finalize().into_bytes()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
