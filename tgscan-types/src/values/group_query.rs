//! The query of the similar-groups method.

use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::username::hash_ignoring_case;
use super::{InvalidQuery, Username, deserialize_from_wire};

/// Groups to compare with: 1 to 10 usernames ("May be multiple usernames, delimited with comma. Maximum 10").
///
/// Usernames are compared without regard to case, and a repeated username is kept once. Queries are equal if they list
/// the same usernames in the same order. An argument of type `impl TryInto<GroupQuery, Error: Into<InvalidQuery>>`
/// accepts a comma-separated string, arrays, slices and vectors of strings or [`Username`]s, a [`Username`] and a
/// `GroupQuery`.
///
/// ```
/// use tgscan_types::GroupQuery;
///
/// let query = GroupQuery::parse(["@some_group", "t.me/another_group"])?;
/// assert_eq!(query.usernames().collect::<Vec<_>>(), ["some_group", "another_group"]);
/// assert_eq!(query, "some_group,another_group".parse()?);
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
// Stored in the wire form, so that building a request copies it once.
#[derive(Clone)]
pub struct GroupQuery(String);

impl GroupQuery {
    /// The largest number of usernames in one call. Source: "Similar Groups Method".
    pub const MAX_USERNAMES: usize = 10;

    /// Creates a query from usernames.
    ///
    /// # Errors
    /// If there are no usernames, or more than [`MAX_USERNAMES`](Self::MAX_USERNAMES) different ones.
    pub fn new(usernames: impl IntoIterator<Item = Username>) -> Result<Self, InvalidQuery> {
        Self::join(usernames.into_iter().map(Ok))
    }

    /// Parses one username per item, in any form that [`Username`] accepts.
    ///
    /// # Errors
    /// If an item is not a [`Username`] (the error has its position), or if the number of usernames is not allowed.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, InvalidQuery> {
        Self::join(texts.into_iter().map(|text| text.as_ref().parse()))
    }

    /// Returns the usernames in the given order.
    pub fn usernames(&self) -> impl Iterator<Item = &str> {
        self.0.split(',')
    }

    /// Returns the query with its usernames in lower case and in alphabetical order.
    ///
    /// Assumption: the order does not matter to the service, since the documentation speaks of a list of groups.
    pub(crate) fn folded(&self) -> Self {
        let lower = self.0.to_ascii_lowercase();
        let mut names: Vec<&str> = lower.split(',').collect();
        names.sort_unstable();
        Self(names.join(","))
    }

    /// Returns whether an answer's `search_query` lists the same groups in any order, compared as
    /// `UserQuery::is_echoed_by` does.
    ///
    /// An empty list matches, and an empty name matches any group: neither contradicts the query.
    pub(crate) fn is_echoed_by(&self, echo: &[String]) -> bool {
        let names = || echo.iter().map(|name| bare(name));
        let is_vague = echo.is_empty() || names().any(str::is_empty);
        names().filter(|name| !name.is_empty()).all(|name| self.contains(name))
            && (is_vague
                || self.usernames().all(|asked| names().any(|name| name.eq_ignore_ascii_case(asked))))
    }

    fn contains(&self, name: &str) -> bool {
        self.usernames().any(|username| username.eq_ignore_ascii_case(name))
    }

    fn join(usernames: impl Iterator<Item = Result<Username, InvalidQuery>>) -> Result<Self, InvalidQuery> {
        let mut query = Self(String::new());
        let (mut given, mut count) = (0, 0);
        let mut first_wrong = None;
        for username in usernames {
            given += 1;
            match username {
                // A repeated username does not count towards the limit.
                Ok(username) if query.contains(username.as_str()) => {}
                Ok(username) => {
                    count += 1;
                    if count > Self::MAX_USERNAMES {
                        continue;
                    }
                    if !query.0.is_empty() {
                        query.0.push(',');
                    }
                    query.0.push_str(username.as_str());
                }
                Err(error) => {
                    count += 1;
                    first_wrong = first_wrong.or(Some((given, error)));
                }
            }
        }
        match first_wrong {
            _ if count > Self::MAX_USERNAMES => Err(too_many(count)),
            _ if count == 0 => Err(no_usernames()),
            Some((number, error)) => Err(error.at(number, given)),
            None => Ok(query),
        }
    }

    /// Reads the exact wire form: usernames without `@`, delimited with commas.
    fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(no_usernames());
        }
        // The documented limit is on the text that is sent, so here repeated usernames count.
        let count = text.split(',').count();
        if count > Self::MAX_USERNAMES {
            return Err(too_many(count));
        }
        Self::join(text.split(',').map(Username::from_wire))
    }
}

fn no_usernames() -> InvalidQuery {
    InvalidQuery::new("there are no usernames; use 1 to 10")
}

fn too_many(count: usize) -> InvalidQuery {
    InvalidQuery::new(format!(
        "there are {count} usernames; one call takes at most 10, so split them into several calls"
    ))
}

/// Removes white space and `@` around a username.
fn bare(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix('@').unwrap_or(name)
}

impl PartialEq for GroupQuery {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for GroupQuery {}

impl Hash for GroupQuery {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(&self.0, state);
    }
}

impl FromStr for GroupQuery {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(no_usernames());
        }
        Self::parse(text.split(','))
    }
}

impl From<Username> for GroupQuery {
    fn from(username: Username) -> Self {
        Self(username.as_str().to_owned())
    }
}

impl From<&Username> for GroupQuery {
    fn from(username: &Username) -> Self {
        Self(username.as_str().to_owned())
    }
}

impl From<&GroupQuery> for GroupQuery {
    fn from(query: &GroupQuery) -> Self {
        query.clone()
    }
}

super::try_from_text!(GroupQuery);

/// Implements `TryFrom` for a list of usernames.
macro_rules! try_from_list {
    ($($list:ty $(, $N:ident)?;)+) => {$(
        impl<T: AsRef<str> $(, const $N: usize)?> TryFrom<$list> for GroupQuery {
            type Error = InvalidQuery;

            fn try_from(texts: $list) -> Result<Self, InvalidQuery> {
                Self::parse(texts)
            }
        }
    )+};
}
try_from_list! { Vec<T>; &Vec<T>; &[T]; [T; N], N; &[T; N], N; }

impl serde::Serialize for GroupQuery {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

deserialize_from_wire!(GroupQuery);
crate::debug::opaque_debug!(GroupQuery);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_to_ten_usernames() {
        assert_eq!("@group".parse(), Ok(GroupQuery::from("group".parse::<Username>().unwrap())));
        let ten: Vec<String> = (0..10).map(|n| format!("group{n}")).collect();
        let query = GroupQuery::parse(&ten).unwrap();
        assert_eq!(query.usernames().collect::<Vec<_>>(), ten);
        assert_eq!(GroupQuery::new(ten.iter().map(|name| name.parse().unwrap())), Ok(query));
    }

    #[test]
    fn the_error_names_the_wrong_username_and_the_reason() {
        let eleven = (0..11).map(|n| format!("group{n}")).collect::<Vec<_>>().join(",");
        for (wrong, says) in [
            ("", "there are no usernames; use 1 to 10"),
            (eleven.as_str(), "there are 11 usernames; one call takes at most 10"),
            ("aaaa,,bbbb", "username 2 of 3: the username is empty"),
            ("aaaa,AAAA,b c", "username 3 of 3: character 2 of the username is a space"),
            ("aaaa,77", "username 2 of 2: a username of digits only"),
            ("aaaa,+49 170 1234567", "username 2 of 2: this looks like a phone number"),
        ] {
            let error = wrong.parse::<GroupQuery>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
        let comma = GroupQuery::parse(["a,b"]).unwrap_err().to_string();
        assert!(comma.starts_with("username 1 of 1: character 2 of the username is a comma"), "{comma}");
        assert!(GroupQuery::parse::<&str>([]).is_err() && GroupQuery::new([]).is_err());
    }

    #[test]
    fn keeps_repeated_usernames_once_without_regard_to_case() {
        let query: GroupQuery = "Some_Group, other_group,some_group,@SOME_GROUP".parse().unwrap();
        assert_eq!(query.usernames().collect::<Vec<_>>(), ["Some_Group", "other_group"]);
        let twelve = (0..12).map(|n| format!("group{}", n % 10)).collect::<Vec<_>>();
        assert_eq!(GroupQuery::parse(&twelve).unwrap().usernames().count(), 10);
        let wire: GroupQuery = serde_json::from_str(r#""aaaa,AAAA""#).unwrap();
        assert_eq!(wire.usernames().collect::<Vec<_>>(), ["aaaa"]);
        serde_json::from_value::<GroupQuery>(twelve.join(",").into()).expect_err("12 on the wire");
    }

    #[test]
    fn compares_without_regard_to_case() {
        use std::collections::HashSet;
        let queries = ["aaaa,bbbb", "AAAA,bbbB", "bbbb,aaaa"].map(|text| text.parse::<GroupQuery>().unwrap());
        assert!(queries[0] == queries[1] && queries[0] != queries[2]);
        assert_eq!(queries.iter().collect::<HashSet<_>>().len(), 2);
    }

    #[test]
    fn accepts_every_form_of_a_list_as_argument() {
        fn similar(
            query: impl TryInto<GroupQuery, Error: Into<InvalidQuery>>,
        ) -> Result<GroupQuery, InvalidQuery> {
            query.try_into().map_err(Into::into)
        }
        let both: GroupQuery = "aaaa,bbbb".parse().unwrap();
        let names = ["aaaa", "bbbb"].map(|name| name.parse::<Username>().unwrap());
        let texts = ["aaaa", "bbbb"].map(str::to_owned);
        assert_eq!(similar("aaaa, @bbbb"), Ok(both.clone()));
        let text = "aaaa,bbbb".to_owned();
        assert_eq!(similar(&text), Ok(both.clone()));
        assert_eq!(similar(text), Ok(both.clone()));
        assert_eq!(similar(["aaaa", "bbbb"]), Ok(both.clone()));
        assert_eq!(similar(&["aaaa", "bbbb"]), Ok(both.clone()));
        assert_eq!(similar(&texts[..]), Ok(both.clone()));
        let listed = texts.to_vec();
        assert_eq!(similar(&listed), Ok(both.clone()));
        assert_eq!(similar(listed), Ok(both.clone()));
        assert_eq!(similar(texts), Ok(both.clone()));
        assert_eq!(similar(vec!["aaaa", "bbbb"]), Ok(both.clone()));
        assert_eq!(similar(&names), Ok(both.clone()));
        assert_eq!(similar(names.to_vec()), Ok(both.clone()));
        assert_eq!(similar(&both), Ok(both.clone()));
        assert_eq!(similar(both.clone()), Ok(both));
        let [one, _] = names;
        assert_eq!(similar(&one).unwrap().usernames().collect::<Vec<_>>(), ["aaaa"]);
        assert!(similar(Vec::<String>::new()).is_err() && similar(["+49 170 1234567"]).is_err());
    }

    #[test]
    fn the_wire_form_is_exact() {
        serde_json::from_str::<GroupQuery>(r#""aaaa,@bbbb""#).unwrap_err();
        serde_json::from_str::<GroupQuery>(r#""aaaa, bbbb""#).unwrap_err();
        serde_json::from_str::<GroupQuery>(r#""""#).unwrap_err();
        assert_eq!(
            serde_json::to_string(&"aaaa,@bbbb".parse::<GroupQuery>().unwrap()).unwrap(),
            r#""aaaa,bbbb""#
        );
    }
}
