//! Why a query was refused.

use std::fmt;

/// A query that was refused before anything was sent: says what is wrong and what would be right.
///
/// It never repeats the input, which is personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuery {
    pub(super) reason: Reason,
    /// Which of several usernames is wrong, counted from 1, and how many there are.
    pub(super) place: Option<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    EmptyUsername,
    OnlyAt,
    UsernameTooLong { chars: usize },
    UsernameCharacter { position: usize, what: &'static str },
    UsernameOnlyDigits,
    Link,
    EmptyQuery,
    IdZero,
    IdNegative,
    IdTooLarge,
    IdNotDigits,
    IdLeadingZero,
    NoUsernames,
    TooManyUsernames { count: usize },
}

impl From<Reason> for InvalidQuery {
    fn from(reason: Reason) -> Self {
        Self { reason, place: None }
    }
}

impl std::error::Error for InvalidQuery {}

impl fmt::Display for InvalidQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((number, count)) = self.place {
            write!(f, "username {number} of {count}: ")?;
        }
        match &self.reason {
            Reason::EmptyUsername => f.write_str("the username is empty; give 1 to 32 letters, digits and underscores"),
            Reason::OnlyAt => f.write_str("there is no username after the `@`; give one, like `@some_username`"),
            Reason::UsernameTooLong { chars } => {
                write!(f, "the username has {chars} characters; Telegram allows at most 32")
            }
            Reason::UsernameCharacter { position, what } => write!(
                f,
                "character {position} of the username is {what}; only ASCII letters, digits and underscores are allowed"
            ),
            Reason::UsernameOnlyDigits => f.write_str(
                "a username of digits only would be read as a Telegram numeric id; \
                 give a username with a letter in it, or a user id where the method takes one",
            ),
            Reason::Link => f.write_str(
                "the link does not name a username; give a link like `https://t.me/some_username` or the username itself",
            ),
            Reason::EmptyQuery => f.write_str("the query is empty; give a username or a Telegram numeric id"),
            Reason::IdZero => f.write_str("the user id is 0; Telegram ids are 1 and above"),
            Reason::IdNegative => f.write_str("the user id is negative; ids of users are 1 and above"),
            Reason::IdTooLarge => write!(f, "the user id is too large; the largest possible one is {}", i64::MAX),
            Reason::IdNotDigits => f.write_str("the user id is not a whole number; give decimal digits only"),
            Reason::IdLeadingZero => f.write_str("the user id has a leading zero or plus sign; give its digits only"),
            Reason::NoUsernames => f.write_str("there are no usernames; give 1 to 10"),
            Reason::TooManyUsernames { count } => {
                write!(f, "there are {count} usernames; one call takes at most 10, so split them into several calls")
            }
        }
    }
}
