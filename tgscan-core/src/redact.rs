//! Removes the query and the API key from untrusted texts.

use bytes::Bytes;

use crate::ApiKey;

/// The maximum length of the text that `clean` returns, in characters.
const MAX_CHARS: usize = 300;

/// The length from which a secret is also removed within words, in bytes.
const LONG: usize = 8;

/// The length from which a part of a secret next to an ellipsis is removed, in bytes.
const MIN_CUT: usize = 3;

/// Marks of cut or masked text.
const CUTS: [&str; 3] = ["…", "..", "**"];

/// The secrets of one call.
pub(crate) struct Redactor<'a> {
    key: &'a ApiKey,
    /// The form body of the call, which holds the query.
    form: &'a Bytes,
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(key: &'a ApiKey, form: &'a Bytes) -> Self {
        Self { key, form }
    }

    /// Returns the text without the key and the parts of the query, on one line of bounded length.
    pub(crate) fn clean(&self, text: &str) -> String {
        // A character has at most four bytes.
        let mut clean = self.replace(text, ["<query>", "<API key>"], 4 * MAX_CHARS);
        if let Some((end, _)) = clean.char_indices().nth(MAX_CHARS) {
            clean.truncate(end);
            clean.push('…');
        }
        clean
    }

    /// Returns the text with a meaningless word in place of the key and the parts of the query.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        self.replace(text, ["x", "x"], usize::MAX)
    }

    /// Replaces the parts of the query and the key, until the result is longer than `max` bytes.
    ///
    /// Replaces whole words in any case, and unambiguous parts of them where a text was cut (`some_user…`).
    fn replace(&self, text: &str, [query, key]: [&str; 2], max: usize) -> String {
        let values: Vec<_> = form_urlencoded::parse(self.form).map(|(_, value)| value).collect();
        // A service may name one of several usernames.
        let parts = values.iter().flat_map(|value| value.split(','));
        let secrets: Vec<_> = parts
            .map(|part| (part, query))
            .chain([(self.key.reveal(), key)])
            .filter(|(secret, _)| !secret.is_empty())
            .collect();

        let mut clean = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            // The longest match, because one username can be a prefix of another.
            let here = secrets.iter().map(|(secret, marker)| (secret_len(text, at, secret), marker));
            match here.max_by_key(|(length, _)| *length) {
                Some((length, marker)) if length > 0 => {
                    clean.push_str(marker);
                    at += length;
                }
                _ => {
                    clean.push(if c.is_control() { ' ' } else { c });
                    at += c.len_utf8();
                }
            }
            if clean.len() > max {
                break;
            }
        }
        clean
    }
}

/// Returns the number of bytes from `at` that are the secret or an identifying part of it; 0 if there is no match.
fn secret_len(text: &str, at: usize, secret: &str) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let is_start = starts_word(text, at);
    // Starts at each byte of the secret, because a text can be cut at both ends. Usually the first byte already differs.
    let parts = (0..secret.len()).filter_map(|from| {
        let secret = &secret.as_bytes()[from..];
        let length = rest.iter().zip(secret).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
        if length == 0 || !text.is_char_boundary(at + length) {
            return None;
        }
        let (before, after) = (&text[..at], &text[at + length..]);
        let is_word = is_start && !after.as_bytes().first().copied().is_some_and(is_word_byte);
        let is_secret = if from == 0 && length == secret.len() {
            is_word || length >= LONG
        } else {
            let is_cut_before = from > 0 && CUTS.iter().any(|cut| before.ends_with(cut));
            let is_cut_after = length < secret.len() && CUTS.iter().any(|cut| after.starts_with(cut));
            let is_at_end = from == 0 && after.is_empty() || from > 0 && before.is_empty();
            is_word && (length >= LONG && is_at_end || length >= MIN_CUT && (is_cut_before || is_cut_after))
        };
        is_secret.then_some(length)
    });
    parts.max().unwrap_or(0)
}

/// Returns whether a word can start at this position: not after a letter, a digit or an underscore, except after an escape
/// of a form (`%2C`).
fn starts_word(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    let is_escape = matches!(before, [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    is_escape || !before.last().copied().is_some_and(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        clean_of("s3cret-of-the-account", "query=Some_Username%2Cother", text)
    }

    fn clean_of(key: &str, form: &'static str, text: &str) -> String {
        Redactor::new(&ApiKey::live(key).unwrap(), &Bytes::from_static(form.as_bytes())).clean(text)
    }

    #[test]
    fn removes_key_and_query_in_any_case() {
        let text = "key S3CRET-of-the-account: user some_username not found";
        assert_eq!(clean(text), "key <API key>: user <query> not found");
        assert_eq!(clean("Some_Username,other"), "<query>,<query>");
        assert_eq!(clean("query=some_username%2cOTHER&x"), "query=<query>%2c<query>&x");
        assert_eq!(clean("öOTHERö (other)"), "ö<query>ö (<query>)");
        assert_eq!(clean("nothing here"), "nothing here");
    }

    #[test]
    fn removes_long_secrets_within_words_and_short_ones_as_words() {
        assert_eq!(clean("xsome_usernamex"), "x<query>x");
        assert_eq!(clean("another, mother, other_1, others"), "another, mother, other_1, others");
        assert_eq!(
            clean_of("k3y", "query=77", "user 77 of 1770, k3y_1, k3y"),
            "user <query> of 1770, k3y_1, <API key>"
        );
    }

    #[test]
    fn removes_parts_of_secrets_that_were_cut() {
        assert_eq!(clean("user some_… is unknown"), "user <query>… is unknown");
        assert_eq!(clean("user …me_username"), "user …<query>");
        assert_eq!(clean("user ...rname, user som..."), "user ...<query>, user <query>...");
        assert_eq!(clean("key s3cr****ount"), "key <API key>****<API key>");
        assert_eq!(
            (clean("user some_usern"), clean("username is unknown")),
            ("user <query>".into(), "<query> is unknown".into())
        );
    }

    #[test]
    fn leaves_words_that_begin_like_a_secret() {
        assert_eq!(clean("some username of the account: s3cret"), "some username of the account: s3cret");
        assert_eq!(clean_of("test-key-of-the-mock", "query=alice", "the test's key"), "the test's key");
        assert_eq!(clean_of("key", "query=message", "a mess of keys..."), "a mess of keys...");
    }

    #[test]
    fn returns_one_line_of_bounded_length() {
        assert_eq!(clean("a\r\n\u{1b}[31mb"), "a   [31mb");
        let long = clean(&"ж".repeat(1000));
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with('…'));
        let widest = clean(&"😀".repeat(1000));
        assert_eq!((widest.chars().count(), widest.ends_with('…')), (301, true));
        assert_eq!(clean(&"a".repeat(300)), "a".repeat(300));
    }
}
