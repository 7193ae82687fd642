//! The query of the methods about one user.

use std::borrow::Cow;
use std::str::FromStr;

use super::pasted::{self, Pasted};
use super::{InvalidQuery, UserId, Username, deserialize_from_wire};

/// A user to look up: "a username (without `@`) or Telegram numeric ID".
///
/// A string of digits only is an id, any other string a username; see [`Username`] for the accepted forms. Usernames
/// are compared without regard to case. An argument of type `impl TryInto<UserQuery, Error: Into<InvalidQuery>>`
/// accepts a string, a [`Username`], a [`UserId`], an `i64` and a `UserQuery`.
///
/// ```
/// use tgscan_types::UserQuery;
///
/// assert!(matches!("@some_username".parse()?, UserQuery::Username(_)));
/// assert!(matches!("136817688".parse()?, UserQuery::Id(_)));
/// assert_eq!(UserQuery::try_from("t.me/Some_Username")?.as_str(), "Some_Username");
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserQuery {
    /// By username.
    Username(Username),
    /// By Telegram numeric id.
    Id(UserId),
}

impl UserQuery {
    /// Returns the query in its wire form: a username without `@`, or the digits of the id.
    pub fn as_str(&self) -> Cow<'_, str> {
        match self {
            Self::Username(username) => Cow::Borrowed(username.as_str()),
            Self::Id(id) => Cow::Owned(id.as_i64().to_string()),
        }
    }

    /// Reads the exact wire form: no `@`, no link.
    fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(InvalidQuery::new("the query is empty; use a username or a Telegram numeric id"));
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
            return UserId::from_wire(text).map(Self::Id);
        }
        Username::from_wire(text).map(Self::Username)
    }

    /// Returns the query with its username in lower case.
    pub(crate) fn folded(&self) -> Self {
        match self {
            Self::Username(username) => Self::Username(username.folded()),
            Self::Id(id) => Self::Id(*id),
        }
    }

    /// Returns whether an answer's `search_query` is this query, without regard to case, a leading `@` and surrounding
    /// white space.
    ///
    /// An empty one matches: it does not contradict the query.
    pub(crate) fn is_echoed_by(&self, echo: &str) -> bool {
        let echo = echo.trim();
        let echo = echo.strip_prefix('@').unwrap_or(echo);
        echo.is_empty()
            || match self {
                Self::Username(username) => username.as_str().eq_ignore_ascii_case(echo),
                Self::Id(id) => echo.parse() == Ok(id.as_i64()),
            }
    }
}

impl FromStr for UserQuery {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        match pasted::read(text)? {
            Pasted::Plain(text) => Self::from_wire(text),
            Pasted::Name(name) => Username::from_wire(name).map(Self::Username),
            Pasted::Id(id) => UserId::from_wire(id).map(Self::Id),
        }
    }
}

impl From<Username> for UserQuery {
    fn from(username: Username) -> Self {
        Self::Username(username)
    }
}

impl From<&Username> for UserQuery {
    fn from(username: &Username) -> Self {
        Self::Username(username.clone())
    }
}

impl From<UserId> for UserQuery {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

impl From<&UserQuery> for UserQuery {
    fn from(query: &UserQuery) -> Self {
        query.clone()
    }
}

super::try_from_text!(UserQuery);

impl TryFrom<i64> for UserQuery {
    type Error = InvalidQuery;

    fn try_from(id: i64) -> Result<Self, InvalidQuery> {
        UserId::new(id).map(Self::Id)
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

deserialize_from_wire!(UserQuery);
crate::debug::opaque_debug!(UserQuery);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_the_rest_is_a_username() {
        assert_eq!("77".parse(), Ok(UserQuery::Id(UserId::new(77).unwrap())));
        assert_eq!("a777".parse(), Ok(UserQuery::Username("a777".parse().unwrap())));
        assert_eq!("t.me/a777".parse(), Ok(UserQuery::Username("a777".parse().unwrap())));
        assert_eq!(UserQuery::from("a777".parse::<Username>().unwrap()), "a777".parse().unwrap());
        assert_eq!(UserQuery::from(UserId::new(77).unwrap()), "77".parse().unwrap());
    }

    #[test]
    fn returns_the_error_of_the_username_or_id() {
        for (wrong, says) in [
            ("", "the query is empty"),
            ("0", "is 0"),
            ("-4", "negative"),
            ("@77", "digits only"),
            ("+5", "phone number"),
            ("-", "a hyphen"),
        ] {
            let error = wrong.parse::<UserQuery>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn accepts_every_form_of_a_query_as_argument() {
        fn search(
            query: impl TryInto<UserQuery, Error: Into<InvalidQuery>>,
        ) -> Result<UserQuery, InvalidQuery> {
            query.try_into().map_err(Into::into)
        }
        let alice: UserQuery = "alice".parse().unwrap();
        let name: Username = "alice".parse().unwrap();
        assert_eq!(search("@alice"), Ok(alice.clone()));
        let link = "t.me/alice".to_owned();
        assert_eq!(search(&link), Ok(alice.clone()));
        assert_eq!(search(link), Ok(alice.clone()));
        assert_eq!(search(&name), Ok(alice.clone()));
        assert_eq!(search(name), Ok(alice.clone()));
        assert_eq!(search(&alice), Ok(alice.clone()));
        assert_eq!(search(alice.clone()), Ok(alice));
        let id = UserId::new(77).unwrap();
        assert_eq!(search(id), Ok(UserQuery::Id(id)));
        assert_eq!(search(77_i64), Ok(UserQuery::Id(id)));
        assert_eq!(search(0_i64), Err(UserId::new(0).unwrap_err()));
        assert!(search("+49 170 1234567").is_err());
    }

    #[test]
    fn displays_and_compares_queries() {
        let query = |text: &str| text.parse::<UserQuery>().unwrap();
        assert_eq!((query("@Alice").as_str(), query("77").as_str()), ("Alice".into(), "77".into()));
        assert_eq!(query("Alice"), query("aLICE"));
    }

    #[test]
    fn the_wire_form_is_exact() {
        serde_json::from_str::<UserQuery>(r#""@name""#).unwrap_err();
        assert_eq!(serde_json::from_str::<UserQuery>(r#""name""#).unwrap(), "name".parse().unwrap());
        assert_eq!(serde_json::to_string(&"77".parse::<UserQuery>().unwrap()).unwrap(), r#""77""#);
    }
}
