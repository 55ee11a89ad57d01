//! What a shopper has agreed to.

/// Three separate agreements, all withheld until given.
///
/// This type only records them. Who stores, sends or personalises anything must
/// ask it first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// The shopper's own events may shape what is shown.
    pub personalisation: bool,
    /// The profile may outlive the page, on the device.
    pub storage: bool,
    /// Events may be sent to the shop for measurement and learning.
    pub analytics: bool,
}

impl Consent {
    /// Nothing agreed to.
    pub const NONE: Self = Self {
        personalisation: false,
        storage: false,
        analytics: false,
    };
    /// Everything agreed to.
    pub const ALL: Self = Self {
        personalisation: true,
        storage: true,
        analytics: true,
    };
}
