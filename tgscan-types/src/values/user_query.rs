//! The query of the methods that look for an account.

use std::str::FromStr;

use super::invalid::Reason;
use super::{InvalidQuery, UserId, Username, deserialize_from_wire};

/// An account to look for: "a username (without `@`) or Telegram numeric ID".
///
/// Text of digits only is an id, everything else a username; see [`Username`] for what may be pasted.
///
/// ```
/// use tgscan_types::UserQuery;
///
/// assert!(matches!("@some_username".parse()?, UserQuery::Username(_)));
/// assert!(matches!("136817688".parse()?, UserQuery::Id(_)));
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum UserQuery {
    /// By username.
    Username(Username),
    /// By Telegram numeric id.
    Id(UserId),
}

impl UserQuery {
    fn read(text: &str, username: fn(&str) -> Result<Username, InvalidQuery>) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(Reason::EmptyQuery.into());
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            return UserId::from_wire(text).map(Self::Id);
        }
        username(text).map(Self::Username)
    }

    /// Reads the exact wire form: no `@`, no link.
    fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        Self::read(text, Username::from_wire)
    }
}

impl FromStr for UserQuery {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        Self::read(text, Username::from_str)
    }
}

impl From<Username> for UserQuery {
    fn from(username: Username) -> Self {
        Self::Username(username)
    }
}

impl From<UserId> for UserQuery {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

impl serde::Serialize for UserQuery {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Username(username) => username.serialize(serializer),
            Self::Id(id) => id.serialize(serializer),
        }
    }
}

deserialize_from_wire!(UserQuery, "a username without `@`, or a Telegram numeric id");
crate::opaque::opaque_debug!(UserQuery);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_the_rest_is_a_username() {
        assert_eq!("77".parse(), Ok(UserQuery::Id(UserId::new(77).unwrap())));
        assert_eq!("a77".parse(), Ok(UserQuery::Username("a77".parse().unwrap())));
        assert_eq!("t.me/a77".parse(), Ok(UserQuery::Username("a77".parse().unwrap())));
        assert_eq!(UserQuery::from("a77".parse::<Username>().unwrap()), "a77".parse().unwrap());
        assert_eq!(UserQuery::from(UserId::new(77).unwrap()), "77".parse().unwrap());
    }

    #[test]
    fn errors_are_those_of_the_part() {
        for (wrong, says) in [
            ("", "the query is empty"),
            ("0", "is 0"),
            ("-4", "negative"),
            ("@77", "digits only"),
            ("-", "a hyphen"),
        ] {
            let error = wrong.parse::<UserQuery>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn the_wire_form_is_exact() {
        serde_json::from_str::<UserQuery>(r#""@name""#).unwrap_err();
        assert_eq!(serde_json::from_str::<UserQuery>(r#""name""#).unwrap(), "name".parse().unwrap());
        assert_eq!(serde_json::to_string(&"77".parse::<UserQuery>().unwrap()).unwrap(), r#""77""#);
    }
}
