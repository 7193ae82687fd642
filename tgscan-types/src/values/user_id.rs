//! The numeric id of a user.

use std::str::FromStr;

use super::pasted::{self, Pasted};
use super::{InvalidQuery, deserialize_from_wire};

/// Telegram numeric id of a user: 1 to [`i64::MAX`].
///
/// Parsing accepts white space around the digits, and links with an id such as `tg://user?id=…`. It rejects phone numbers.
///
/// Assumption: ids of users are positive, as in Telegram's API, where negative ids are chats.
///
/// ```
/// use tgscan_types::UserId;
///
/// assert_eq!(UserId::new(136_817_688)?.as_i64(), 136_817_688);
/// assert_eq!(UserId::new(0).unwrap_err().to_string(), "the user id is 0; Telegram ids are 1 and above");
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(i64);

impl UserId {
    /// Creates an id.
    ///
    /// # Errors
    /// If it is zero or negative.
    pub fn new(id: i64) -> Result<Self, InvalidQuery> {
        match id {
            0 => Err(InvalidQuery::new("the user id is 0; Telegram ids are 1 and above")),
            ..0 => Err(InvalidQuery::new("the user id is negative; ids of users are 1 and above")),
            1.. => Ok(Self(id)),
        }
    }

    /// Returns the id as a number.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// Reads the exact wire form: decimal digits only.
    pub(super) fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(not_digits());
        }
        if digits.bytes().all(|b| b == b'0') {
            return Self::new(0);
        }
        if text.starts_with('-') {
            return Self::new(-1);
        }
        if text.starts_with('+') {
            return Err(InvalidQuery::phone_number());
        }
        if text.starts_with('0') {
            return Err(InvalidQuery::new(
                "Telegram ids do not begin with 0, and phone numbers are not supported; \
                 use a username or the user's numeric id",
            ));
        }
        // Only digits are left, so parsing fails only if the number is too large.
        let id = digits.parse().map_err(|_| {
            InvalidQuery::new(format!("the user id is too large; the largest possible one is {}", i64::MAX))
        })?;
        Self::new(id)
    }
}

fn not_digits() -> InvalidQuery {
    InvalidQuery::new("the user id is not a whole number; use decimal digits only")
}

impl FromStr for UserId {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        match pasted::read(text)? {
            Pasted::Plain(text) | Pasted::Id(text) => Self::from_wire(text),
            Pasted::Name(_) => Err(not_digits()),
        }
    }
}

impl serde::Serialize for UserId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

deserialize_from_wire!(UserId);
crate::debug::opaque_debug!(UserId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_whole_range() {
        assert_eq!("1".parse(), UserId::new(1));
        assert_eq!("9223372036854775807".parse(), UserId::new(i64::MAX));
        assert_eq!("77".parse().map(UserId::as_i64), Ok(77));
    }

    #[test]
    fn refuses_other_ids_with_the_reason() {
        for (wrong, says) in [
            ("0", "is 0"),
            ("-0", "is 0"),
            ("000", "is 0"),
            ("-5", "negative"),
            ("+5", "phone number"),
            ("007", "do not begin with 0"),
            ("9223372036854775808", "the largest possible one is 9223372036854775807"),
            ("99999999999999999999999999", "too large"),
            ("", "not a whole number"),
            ("1.5", "not a whole number"),
            ("٣", "not a whole number"),
        ] {
            let error = wrong.parse::<UserId>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
        assert_eq!(UserId::new(0), "0".parse());
        assert!(UserId::new(-5).unwrap_err().to_string().contains("negative"));
    }
}
