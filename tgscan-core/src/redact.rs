//! Removes the query and the API key from texts that others wrote.

use bytes::Bytes;

use crate::ApiKey;

/// Longest text that `clean` returns, in characters: an error message is a line, not a page.
const MAX_CHARS: usize = 300;

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
        let mut text = replace_ignoring_case(text, self.key.reveal(), "<API key>");
        for (_, value) in form_urlencoded::parse(self.form) {
            text = replace_ignoring_case(&text, &value, "<query>");
            // A single username is its own only part, and is gone already.
            for part in value.split(',').filter(|part| *part != value) {
                text = replace_ignoring_case(&text, part, "<query>");
            }
        }
        let mut clean: String =
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect();
        if text.chars().nth(MAX_CHARS).is_some() {
            clean.push('…');
        }
        clean
    }
}

/// Replaces every occurrence, whatever the case of its ASCII letters: a service may echo a username in lower case.
fn replace_ignoring_case(text: &str, secret: &str, with: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let (low_text, low_secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut replaced = String::with_capacity(text.len());
    let mut rest = 0;
    // Lowering ASCII letters keeps every byte in its place, so the indices fit both texts.
    for (at, found) in low_text.match_indices(&low_secret) {
        replaced.push_str(&text[rest..at]);
        replaced.push_str(with);
        rest = at + found.len();
    }
    replaced.push_str(&text[rest..]);
    replaced
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
    fn stays_on_one_line_of_bounded_length() {
        assert_eq!(clean("a\r\n\u{1b}[31mb"), "a   [31mb");
        let long = clean(&"ж".repeat(1000));
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with('…'));
    }
}
