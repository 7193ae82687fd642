//! The error of an invalid query.

use std::convert::Infallible;
use std::fmt;

/// An invalid query. Nothing was sent. The message states the fault and how to correct it.
///
/// It does not contain the input, which is personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuery {
    pub(super) reason: Reason,
    /// The position of the invalid username, counted from 1, and the number of usernames.
    pub(super) place: Option<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    EmptyUsername,
    OnlyAt,
    UsernameTooShort {
        chars: usize,
    },
    UsernameTooLong {
        chars: usize,
    },
    UsernameCharacter {
        position: usize,
        name: &'static str,
    },
    UsernameOnlyDigits,
    UsernameLeadingDigit,
    UsernameLeadingUnderscore,
    UsernameTrailingUnderscore,
    UsernameDoubledUnderscore {
        position: usize,
    },
    PhoneNumber,
    LinkWithoutName,
    LinkToNumber,
    LinkToId,
    LinkElsewhere,
    /// The kind of link.
    OtherLink(&'static str),
    EmptyQuery,
    IdZero,
    IdNegative,
    IdTooLarge,
    IdNotDigits,
    IdLeadingZero,
    NoUsernames,
    TooManyUsernames {
        count: usize,
    },
}

const GIVE_A_LINK: &str = "give a link like `https://t.me/some_username` or the username itself";

/// Lets `impl TryInto<UserQuery, Error: Into<InvalidQuery>>` accept a value that already is a query.
impl From<Infallible> for InvalidQuery {
    fn from(never: Infallible) -> Self {
        match never {}
    }
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
            Reason::EmptyUsername => f.write_str("the username is empty; give 4 to 32 letters, digits and underscores"),
            Reason::OnlyAt => f.write_str("there is no username after the `@`; give one, like `@some_username`"),
            Reason::UsernameTooShort { chars } => {
                write!(f, "the username has {chars} of at least 4 characters; give the whole username")
            }
            Reason::UsernameTooLong { chars } => {
                write!(f, "the username has {chars} characters; Telegram allows at most 32")
            }
            Reason::UsernameCharacter { position, name } => write!(
                f,
                "character {position} of the username is {name}; only ASCII letters, digits and underscores are allowed"
            ),
            Reason::UsernameOnlyDigits => f.write_str(
                "a username of digits only would be read as a Telegram numeric id; \
                 give a username with a letter in it, or a user id where the method takes one",
            ),
            Reason::UsernameLeadingDigit => f.write_str(
                "the username begins with a digit, which Telegram does not allow; give one that begins with a letter",
            ),
            Reason::UsernameLeadingUnderscore => f.write_str(
                "the username begins with an underscore, which Telegram does not allow; \
                 give one that begins with a letter",
            ),
            Reason::UsernameTrailingUnderscore => f.write_str(
                "the username ends with an underscore, which Telegram does not allow; \
                 give one that ends with a letter or digit",
            ),
            Reason::UsernameDoubledUnderscore { position } => write!(
                f,
                "character {position} of the username is a second underscore in a row, which Telegram does not allow; \
                 check it against the original"
            ),
            Reason::PhoneNumber => f.write_str(
                "this looks like a phone number, and TgScan does not search by phone number; its digits alone would be \
                 read as another account's numeric id, so give a username or the account's own numeric id",
            ),
            Reason::LinkWithoutName => {
                write!(f, "the link does not name a username; {GIVE_A_LINK}")
            }
            Reason::LinkToNumber => write!(f, "the link has a number where a username belongs; {GIVE_A_LINK}"),
            Reason::LinkToId => {
                f.write_str("the link names an account by its numeric id; give a username here")
            }
            Reason::LinkElsewhere => write!(f, "the link does not lead to Telegram; {GIVE_A_LINK}"),
            Reason::OtherLink(kind) => write!(f, "this is {kind}, which does not name a username; {GIVE_A_LINK}"),
            Reason::EmptyQuery => f.write_str("the query is empty; give a username or a Telegram numeric id"),
            Reason::IdZero => f.write_str("the user id is 0; Telegram ids are 1 and above"),
            Reason::IdNegative => f.write_str("the user id is negative; ids of users are 1 and above"),
            Reason::IdTooLarge => write!(f, "the user id is too large; the largest possible one is {}", i64::MAX),
            Reason::IdNotDigits => f.write_str("the user id is not a whole number; give decimal digits only"),
            Reason::IdLeadingZero => f.write_str(
                "the number begins with 0, as a phone number may and a Telegram id never does; \
                 give a username or the account's own numeric id",
            ),
            Reason::NoUsernames => f.write_str("there are no usernames; give 1 to 10"),
            Reason::TooManyUsernames { count } => {
                write!(f, "there are {count} usernames; one call takes at most 10, so split them into several calls")
            }
        }
    }
}
