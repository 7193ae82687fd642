//! The username of an account or group.

use std::str::FromStr;

use super::invalid::Reason;
use super::{InvalidQuery, deserialize_from_wire};

/// Username of an account or group, without `@`: 1 to 32 ASCII letters, digits and underscores.
///
/// Parsing accepts what people paste: one leading `@`, and links such as `https://t.me/some_username`. The case of
/// letters is kept.
///
/// Assumption: the characters and the length are Telegram's own rules; the documentation of the API only says
/// "username (without `@`)". A username of digits only is refused because the service would read it as a numeric id.
///
/// ```
/// use tgscan_types::Username;
///
/// let pasted: Username = "https://t.me/some_username".parse()?;
/// assert_eq!(pasted.as_str(), "some_username");
/// assert_eq!(
///     "some-username".parse::<Username>().unwrap_err().to_string(),
///     "character 5 of the username is a hyphen; only ASCII letters, digits and underscores are allowed",
/// );
/// # Ok::<(), tgscan_types::InvalidQuery>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

impl Username {
    /// The longest username, in characters. Source: Telegram's own limit.
    pub const MAX_CHARS: usize = 32;

    /// The username, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the exact wire form: no `@`, no link.
    pub(super) fn from_wire(text: &str) -> Result<Self, InvalidQuery> {
        if text.is_empty() {
            return Err(Reason::EmptyUsername.into());
        }
        if let Some((index, wrong)) = text.chars().enumerate().find(|(_, c)| !is_allowed(*c)) {
            return Err(Reason::UsernameCharacter { position: index + 1, what: describe(wrong) }.into());
        }
        if text.len() > Self::MAX_CHARS {
            return Err(Reason::UsernameTooLong { chars: text.len() }.into());
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::UsernameOnlyDigits.into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Username {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        if text == "@" {
            return Err(Reason::OnlyAt.into());
        }
        let name = match path_of_link(text) {
            Some(path) => {
                let name = path.strip_suffix('/').unwrap_or(path);
                if name.is_empty() || name.contains(['/', '?', '+']) {
                    return Err(Reason::Link.into());
                }
                name
            }
            None => text.strip_prefix('@').unwrap_or(text),
        };
        Self::from_wire(name)
    }
}

/// What follows the host, if the text is a link to one of Telegram's own link hosts.
fn path_of_link(text: &str) -> Option<&str> {
    let rest = strip_prefix_ignoring_case(text, "https://")
        .or_else(|| strip_prefix_ignoring_case(text, "http://"))
        .unwrap_or(text);
    ["t.me/", "telegram.me/"].iter().find_map(|host| strip_prefix_ignoring_case(rest, host))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
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

deserialize_from_wire!(Username, "a username without `@`");
crate::opaque::opaque_debug!(Username);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_paste() {
        for pasted in [
            "Some_Name1",
            "@Some_Name1",
            "t.me/Some_Name1",
            "https://t.me/Some_Name1",
            "http://t.me/Some_Name1/",
            "HTTPS://T.me/Some_Name1",
            "https://telegram.me/Some_Name1",
        ] {
            assert_eq!(pasted.parse::<Username>().unwrap().as_str(), "Some_Name1", "{pasted}");
        }
        assert_eq!("a".repeat(32).parse::<Username>().unwrap().as_str().len(), 32);
    }

    #[test]
    fn refuses_the_rest_saying_why() {
        for (wrong, says) in [
            ("", "is empty"),
            ("@", "after the `@`"),
            ("@@name", "an `@`"),
            (" name", "character 1 of the username is a space"),
            ("na me", "character 3 of the username is a space"),
            ("name\n", "a line break"),
            ("na,me", "a comma"),
            ("näme", "not ASCII"),
            ("имя", "not ASCII"),
            ("na\u{200b}me", "not ASCII"),
            ("na\0me", "a control character"),
            ("12345", "digits only"),
            ("https://t.me/", "does not name a username"),
            ("https://t.me/+AbCdEf", "does not name a username"),
            ("https://t.me/joinchat/AbCdEf", "does not name a username"),
            ("https://t.me/name?start=1", "does not name a username"),
            ("https://example.com/name", "a special character"),
            ("na/me", "a slash"),
            ("na.me", "a full stop"),
            ("na-me", "a hyphen"),
            ("na\rme", "a line break"),
        ] {
            let error = wrong.parse::<Username>().expect_err(wrong).to_string();
            assert!(error.contains(says), "{wrong:?}: {error}");
        }
        let long = "a".repeat(33).parse::<Username>().unwrap_err().to_string();
        assert_eq!(long, "the username has 33 characters; Telegram allows at most 32");
    }

    #[test]
    fn the_wire_form_is_exact() {
        for lenient in [r#""@name""#, r#""t.me/name""#, r#""""#, "7", "null"] {
            serde_json::from_str::<Username>(lenient).expect_err(lenient);
        }
        assert_eq!(serde_json::from_str::<Username>(r#""name""#).unwrap().as_str(), "name");
    }
}
