//! The query of the method that looks for similar groups.

use std::str::FromStr;

use super::invalid::Reason;
use super::{InvalidQuery, Username, deserialize_from_wire};

/// Groups to compare with: 1 to 10 usernames ("May be multiple usernames, delimited with comma. Maximum 10").
///
/// ```
/// use tgscan_types::GroupQuery;
///
/// let query = GroupQuery::parse(["@some_group", "t.me/another_group"])?;
/// assert_eq!(query.usernames().collect::<Vec<_>>(), ["some_group", "another_group"]);
/// assert_eq!(query, "some_group,another_group".parse()?);
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
// Kept joined, in the form that goes over the wire, so that building a request copies it once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GroupQuery(String);

impl GroupQuery {
    /// How many usernames one call takes. Source: "Similar Groups Method".
    pub const MAX_USERNAMES: usize = 10;

    /// Checks the number of usernames.
    ///
    /// # Errors
    /// If there are none, or more than [`MAX_USERNAMES`](Self::MAX_USERNAMES).
    pub fn new(usernames: impl IntoIterator<Item = Username>) -> Result<Self, InvalidQuery> {
        Self::join(usernames.into_iter().map(Ok))
    }

    /// Parses usernames as people write and paste them, one per item.
    ///
    /// # Errors
    /// If one of them is not a [`Username`] (the error says which), or if their number is wrong.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, InvalidQuery> {
        Self::join(texts.into_iter().map(|text| text.as_ref().parse()))
    }

    /// The usernames, in the order given.
    pub fn usernames(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    fn join(usernames: impl Iterator<Item = Result<Username, InvalidQuery>>) -> Result<Self, InvalidQuery> {
        let mut joined = String::new();
        let mut count = 0;
        let mut first_wrong = None;
        for username in usernames {
            count += 1;
            match username {
                Ok(username) if count <= Self::MAX_USERNAMES => {
                    if count > 1 {
                        joined.push(',');
                    }
                    joined.push_str(username.as_str());
                }
                Ok(_) => {}
                Err(error) => first_wrong = first_wrong.or(Some((count, error))),
            }
        }
        match first_wrong {
            _ if count > Self::MAX_USERNAMES => Err(Reason::TooManyUsernames { count }.into()),
            _ if count == 0 => Err(Reason::NoUsernames.into()),
            Some((number, error)) => Err(InvalidQuery { place: Some((number, count)), ..error }),
            None => Ok(Self(joined)),
        }
    }

    /// Reads the exact wire form: usernames without `@`, delimited with commas.
    fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(Reason::NoUsernames.into());
        }
        Self::join(text.split(',').map(Username::from_wire))
    }
}

impl FromStr for GroupQuery {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(Reason::NoUsernames.into());
        }
        Self::parse(text.split(','))
    }
}

impl From<Username> for GroupQuery {
    fn from(username: Username) -> Self {
        Self(username.as_str().to_owned())
    }
}

impl serde::Serialize for GroupQuery {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

deserialize_from_wire!(GroupQuery, "1 to 10 usernames without `@`, delimited with commas");
crate::opaque::opaque_debug!(GroupQuery);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_to_ten_usernames() {
        assert_eq!("@a".parse(), Ok(GroupQuery::from("a".parse::<Username>().unwrap())));
        let ten: Vec<String> = (0..10).map(|n| format!("g{n}")).collect();
        let query = GroupQuery::parse(&ten).unwrap();
        assert_eq!(query.usernames().collect::<Vec<_>>(), ten);
        assert_eq!(GroupQuery::new(ten.iter().map(|name| name.parse().unwrap())), Ok(query));
    }

    #[test]
    fn refuses_the_rest_saying_which_and_why() {
        let eleven = ["g"; 11].join(",");
        for (wrong, says) in [
            ("", "there are no usernames; give 1 to 10"),
            (eleven.as_str(), "there are 11 usernames; one call takes at most 10"),
            ("a,,b", "username 2 of 3: the username is empty"),
            ("a,b, c", "username 3 of 3: character 1 of the username is a space"),
            ("a,77", "username 2 of 2: a username of digits only"),
        ] {
            let error = wrong.parse::<GroupQuery>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
        let comma = GroupQuery::parse(["a,b"]).unwrap_err().to_string();
        assert!(comma.starts_with("username 1 of 1: character 2 of the username is a comma"), "{comma}");
        assert!(GroupQuery::parse::<&str>([]).is_err() && GroupQuery::new([]).is_err());
    }

    #[test]
    fn the_wire_form_is_exact() {
        serde_json::from_str::<GroupQuery>(r#""a,@b""#).unwrap_err();
        serde_json::from_str::<GroupQuery>(r#""""#).unwrap_err();
        assert_eq!(serde_json::to_string(&"a,@b".parse::<GroupQuery>().unwrap()).unwrap(), r#""a,b""#);
    }
}
