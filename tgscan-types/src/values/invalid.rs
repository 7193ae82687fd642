//! The error of an invalid query.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;

/// An invalid query. Nothing was sent. The message states the fault and how to correct it.
///
/// It does not contain the input, which is personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuery {
    message: Cow<'static, str>,
    /// The position of the invalid username, counted from 1, and the number of usernames.
    place: Option<(usize, usize)>,
}

impl InvalidQuery {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), place: None }
    }

    /// Adds the position of the invalid username in a list.
    pub(super) fn at(self, number: usize, count: usize) -> Self {
        Self { place: Some((number, count)), ..self }
    }

    pub(super) fn phone_number() -> Self {
        Self::new(
            "this looks like a phone number, and TgScan does not search by phone number; its digits alone would be read \
             as another user's numeric id, so use a username or the user's own numeric id",
        )
    }

    /// Describes an invalid link.
    pub(super) fn link(fault: &str) -> Self {
        Self::new(format!("{fault}; use a link like `https://t.me/some_username` or the username itself"))
    }
}

/// Lets `impl TryInto<UserQuery, Error: Into<InvalidQuery>>` accept a value that already is a query.
impl From<Infallible> for InvalidQuery {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl std::error::Error for InvalidQuery {}

impl fmt::Display for InvalidQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((number, count)) = self.place {
            write!(f, "username {number} of {count}: ")?;
        }
        f.write_str(&self.message)
    }
}
