//! The username of a user or group.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::pasted::{self, Pasted};
use super::{InvalidQuery, deserialize_from_wire};

/// Username of a user or group, without `@`: 4 to 32 ASCII letters, digits and underscores.
///
/// It begins with a letter, does not end with an underscore, and has no two underscores in a row. The case is kept, but
/// ignored in comparisons, as Telegram does.
///
/// Parsing accepts white space and invisible characters around the username, one leading `@`, and links such as
/// `https://t.me/some_username/123`, `some_username.t.me` or `tg://resolve?domain=some_username`. It rejects phone
/// numbers and links without a username (invites, sticker sets, proxies, …), with an error that names the kind of link.
///
/// Assumption: the service accepts the usernames that Telegram allows; the API's documentation only says "username
/// (without `@`)". Telegram's rules are from `account.checkUsername` (characters, at most 32), its FAQ (at least 5,
/// fewer for collectible ones, which Fragment sells from 4) and `is_valid_username` of its library (first letter,
/// underscores).
///
/// ```
/// use tgscan_types::Username;
///
/// let pasted: Username = "https://t.me/Some_Username?start=1".parse()?;
/// assert_eq!(pasted.as_str(), "Some_Username");
/// assert_eq!(pasted, "@some_username".parse()?);
/// assert_eq!(
///     "some-username".parse::<Username>().unwrap_err().to_string(),
///     "character 5 of the username is a hyphen; only ASCII letters, digits and underscores are allowed",
/// );
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
#[derive(Clone)]
pub struct Username(String);

impl Username {
    /// The shortest username, in characters. Source: Fragment, which sells usernames shorter than Telegram's usual 5.
    pub(crate) const MIN_CHARS: usize = 4;

    /// The longest username, in characters. Source: Telegram's limit.
    pub(crate) const MAX_CHARS: usize = 32;

    /// Returns the username without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the username in lower case.
    pub(super) fn folded(&self) -> Self {
        Self(self.0.to_ascii_lowercase())
    }

    /// Reads the exact wire form: no `@`, no link.
    pub(super) fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        let fail = |fault: &'static str| Err(InvalidQuery::new(fault));
        if let Some((index, wrong)) = text.chars().enumerate().find(|(_, c)| !is_allowed(*c)) {
            return Err(InvalidQuery::new(format!(
                "character {} of the username is {}; only ASCII letters, digits and underscores are allowed",
                index + 1,
                describe(wrong)
            )));
        }
        match text.as_bytes() {
            [] => return fail("the username is empty; use 4 to 32 letters, digits and underscores"),
            digits if digits.iter().all(u8::is_ascii_digit) => {
                return fail(
                    "a username of digits only would be read as a Telegram numeric id; \
                     use a username with a letter in it, or a user id where the method takes one",
                );
            }
            [b'0'..=b'9', ..] => {
                return fail(
                    "the username begins with a digit, which Telegram does not allow; \
                     use one that begins with a letter",
                );
            }
            [b'_', ..] => {
                return fail(
                    "the username begins with an underscore, which Telegram does not allow; \
                     use one that begins with a letter",
                );
            }
            [.., b'_'] => {
                return fail(
                    "the username ends with an underscore, which Telegram does not allow; \
                     use one that ends with a letter or digit",
                );
            }
            _ => {}
        }
        if let Some(index) = text.find("__") {
            return Err(InvalidQuery::new(format!(
                "character {} of the username is a second underscore in a row, which Telegram does not allow; \
                 check it against the original",
                index + 2
            )));
        }
        match text.len() {
            ..Self::MIN_CHARS => fail("the username is too short; Telegram requires at least 4 characters"),
            Self::MIN_CHARS..=Self::MAX_CHARS => Ok(Self(text.to_owned())),
            chars => Err(InvalidQuery::new(format!(
                "the username has {chars} characters; Telegram allows at most 32"
            ))),
        }
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Username {}

impl Ord for Username {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

impl PartialOrd for Username {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Username {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ignoring_case(&self.0, state);
    }
}

pub(super) fn hash_ignoring_case(text: &str, state: &mut impl Hasher) {
    text.bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
    // Ends the text as `str` does, so that ("a", "bc") and ("ab", "c") hash differently.
    state.write_u8(0xff);
}

/// Returns the link to a user or group in an answer, or `None` if its name is empty, longer than any name, or has
/// characters that names cannot have.
///
/// Answers can contain names that are no longer allowed, so this checks only the length and the characters.
pub(crate) fn link(name: &str) -> Option<String> {
    let is_name = (1..=Username::MAX_CHARS).contains(&name.len()) && name.chars().all(is_allowed);
    is_name.then(|| format!("https://t.me/{name}"))
}

impl AsRef<str> for Username {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        match pasted::read(text)? {
            Pasted::Plain(text) | Pasted::Name(text) => Self::from_wire(text),
            Pasted::Id(_) => {
                Err(InvalidQuery::new("the link names a user by numeric id; use a username here"))
            }
        }
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Names a character that is not allowed, without repeating the input.
fn describe(c: char) -> &'static str {
    match c {
        '@' => "an `@`",
        ',' => "a comma",
        '-' => "a hyphen",
        '.' => "a full stop",
        '/' => "a slash",
        '\n' | '\r' => "a line break",
        c if c.is_whitespace() => "a space",
        c if c.is_control() => "a control character",
        c if !c.is_ascii() => "not ASCII",
        _ => "a special character",
    }
}

impl serde::Serialize for Username {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

deserialize_from_wire!(Username);
crate::debug::opaque_debug!(Username);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserQuery;

    #[test]
    fn refuses_characters_that_are_not_allowed() {
        for (wrong, says) in [
            ("", "is empty"),
            (" \u{feff}\n", "is empty"),
            ("@", "after the `@`"),
            ("@@name", "an `@`"),
            ("na me", "character 3 of the username is a space"),
            ("na\nme", "a line break"),
            ("na,me", "a comma"),
            ("n\u{e4}me", "not ASCII"),
            ("\u{438}\u{43c}\u{44f}", "not ASCII"),
            ("na\u{200b}me", "not ASCII"),
            ("na\0me", "a control character"),
            ("example.com/name", "a full stop"),
            ("na/me", "a slash"),
            ("na.me", "a full stop"),
            ("na-me", "a hyphen"),
            ("na\rme", "a line break"),
            ("t.me/na-me", "a hyphen"),
        ] {
            let error = wrong.parse::<Username>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn refuses_names_that_telegram_cannot_have() {
        let long = "a".repeat(33);
        for (wrong, says) in [
            ("12345", "digits only"),
            ("1name", "begins with a digit"),
            ("_name", "begins with an underscore"),
            ("____", "begins with an underscore"),
            ("name_", "ends with an underscore"),
            ("some__name", "character 6 of the username is a second underscore in a row"),
            ("abc", "too short; Telegram requires at least 4 characters"),
            ("t.me/gif", "too short; Telegram requires at least 4 characters"),
            (&long, "has 33 characters; Telegram allows at most 32"),
        ] {
            let error = wrong.parse::<Username>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
            assert!(!error.contains("link"), "{error}");
            // Reading a request is equally strict.
            let wire = wrong.strip_prefix("t.me/").unwrap_or(wrong);
            serde_json::from_value::<Username>(wire.into()).expect_err(wire);
        }
        for right in ["abcd", "a1_2", "a_b_c_d", "A9999", &long[1..]] {
            assert_eq!(right.parse::<Username>().expect(right).as_str(), right);
        }
    }

    #[test]
    fn compares_without_regard_to_case() {
        use std::collections::HashSet;
        let names = ["Some_Name", "some_name", "SOME_NAME", "other_name"]
            .map(|name| name.parse::<Username>().unwrap());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 2);
        assert!(names[0] == names[1] && names[0] != names[3]);
        assert!(names[0].cmp(&names[2]).is_eq() && names[3] < names[0]);
        assert_eq!(names[0].as_str(), "Some_Name", "the case is kept");
        let queries = names.map(UserQuery::from);
        assert!(queries[3] < queries[2] && queries[1].cmp(&queries[2]).is_eq());
    }

    #[test]
    fn the_wire_form_is_exact() {
        for lenient in [r#""@name""#, r#""t.me/name""#, r#""""#, "7", "null"] {
            serde_json::from_str::<Username>(lenient).expect_err(lenient);
        }
        assert_eq!(serde_json::from_str::<Username>(r#""name""#).unwrap().as_str(), "name");
    }
}
