//! Removes the query and the API key from texts that others wrote.

use bytes::Bytes;

use crate::ApiKey;

/// Longest text that `clean` returns, in characters: an error message is a line, not a page.
const MAX_CHARS: usize = 300;

/// How much of a secret is removed where only its beginning stands, in bytes. Less says nothing about whose it is.
const MIN_PREFIX: usize = 4;

/// What must not be printed of one call.
pub(crate) struct Redactor<'a> {
    key: &'a ApiKey,
    /// The form body of the call, which holds the query.
    form: &'a Bytes,
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(key: &'a ApiKey, form: &'a Bytes) -> Self {
        Self { key, form }
    }

    /// The text without the key and the query's parts, on one line, and not longer than a line should be.
    pub(crate) fn clean(&self, text: &str) -> String {
        let values: Vec<_> = form_urlencoded::parse(self.form).map(|(_, value)| value).collect();
        // A service may name one of several usernames.
        let parts = values.iter().flat_map(|value| value.split(',').chain([&**value]));
        let secrets: Vec<_> =
            parts.map(|part| (part, "<query>")).chain([(self.key.reveal(), "<API key>")]).collect();

        let mut clean = String::new();
        let mut hidden_to = 0;
        for (at, c) in text.char_indices() {
            // The longest, because one username can be how another one begins.
            let here = secrets.iter().map(|(secret, marker)| (shown(&text[at..], secret), marker));
            if let Some((length, marker)) =
                here.max_by_key(|(length, _)| *length).filter(|(length, _)| *length > 0)
            {
                if at >= hidden_to {
                    clean.push_str(marker);
                }
                hidden_to = hidden_to.max(at + length);
            }
            if at >= hidden_to {
                clean.push(if c.is_control() { ' ' } else { c });
            }
            // A character has at most four bytes, so this is more than is shown.
            if clean.len() > 4 * MAX_CHARS {
                break;
            }
        }
        if let Some((end, _)) = clean.char_indices().nth(MAX_CHARS) {
            clean.truncate(end);
            clean.push('…');
        }
        clean
    }
}

/// How many bytes at the start of a text show a secret, whatever the case of ASCII letters: all of it, or its beginning,
/// because texts are cut (`some_user…`).
fn shown(text: &str, secret: &str) -> usize {
    let same = text.bytes().zip(secret.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    if same < secret.len().min(MIN_PREFIX) {
        return 0;
    }
    // Not inside a character.
    (0..=same).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let key = ApiKey::live("s3cret").unwrap();
        Redactor::new(&key, &Bytes::from_static(b"query=Some_Name%2Cother")).clean(text)
    }

    #[test]
    fn removes_key_and_query_in_any_case() {
        assert_eq!(clean("key S3CRET: user some_name not found"), "key <API key>: user <query> not found");
        assert_eq!(clean("Some_Name,other"), "<query>");
        assert_eq!(clean("öOTHERö"), "ö<query>ö");
        assert_eq!(clean("nothing here"), "nothing here");
    }

    #[test]
    fn removes_the_beginning_of_key_and_query() {
        assert_eq!(clean("user some_… is unknown"), "user <query>… is unknown");
        assert_eq!(clean("SOME, s3cr, oth, som"), "<query>, <API key>, oth, som");
    }

    #[test]
    fn stays_on_one_line_of_bounded_length() {
        assert_eq!(clean("a\r\n\u{1b}[31mb"), "a   [31mb");
        let long = clean(&"ж".repeat(1000));
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with('…'));
        let widest = clean(&"😀".repeat(1000));
        assert_eq!((widest.chars().count(), widest.ends_with('…')), (301, true));
        assert_eq!(clean(&"a".repeat(300)), "a".repeat(300));
    }
}
