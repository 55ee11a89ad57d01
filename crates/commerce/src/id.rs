//! Identifiers: text of 1 to 64 bytes without control characters.
//!
//! A shop's ids are the shop's own; nothing is trimmed, folded or parsed here,
//! so `85123A` and `85123a` are two products.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::codes;
use crate::fault::Invalid;

/// The longest id, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 64;

fn check(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(&codes::ID_EMPTY, "the id is empty"));
    }
    if text.len() > MAX_ID_BYTES {
        return Err(Invalid::new(
            &codes::ID_TOO_LONG,
            format!("the id has {} bytes", text.len()),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(
            &codes::ID_CONTROL_CHARACTER,
            "the id contains a control character",
        ));
    }
    Ok(())
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the text and keeps it as it is.
            ///
            /// # Errors
            /// When it is empty, longer than 64 bytes, or contains a control
            /// character.
            pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }

            /// The id as the shop wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text without the guarantee.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        /// Lets a map keyed by ids be asked with a `&str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;
            fn try_from(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }
    )*};
}

id! {
    /// A product (GA4 `item_id`, the SKU).
    ProductId;
    /// A shopper: a customer number or a device's own random id.
    ShopperId;
    /// An event; the same id twice is the same event twice.
    EventId;
    /// A list in which products are shown (GA4 `item_list_id`).
    ListId;
    /// A visit.
    SessionId;
    /// An order or invoice (GA4 `transaction_id`).
    OrderId;
    /// One ranking that was shown.
    ExposureId;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits() {
        assert!(ProductId::new("x".repeat(64)).is_ok());
        let code = |text: &str| ProductId::new(text).map_err(|invalid| invalid.code.id);
        assert_eq!(code(""), Err("id_empty"));
        assert_eq!(code(&"x".repeat(65)), Err("id_too_long"));
        // 22 characters of three bytes are 66 bytes.
        assert_eq!(code(&"茶".repeat(22)), Err("id_too_long"));
        assert_eq!(code("a\nb"), Err("id_control_character"));
        assert_eq!(code("a\u{85}b"), Err("id_control_character"));
        assert!(code("85123A 茶").is_ok());
    }

    proptest! {
        #[test]
        fn accepted_text_comes_back_unchanged(text in any::<String>()) {
            if let Ok(id) = ShopperId::new(text.clone()) {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert!(!text.is_empty() && text.len() <= MAX_ID_BYTES);
            }
        }
    }
}
