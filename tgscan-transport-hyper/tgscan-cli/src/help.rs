//! Formats the commands to type next.

use std::ffi::OsString;

use crate::args::Global;
use crate::location::hidden;
use crate::settings::MAX_AGE;

/// Returns a command, ready to paste, with the flags of this one that it needs.
pub(crate) fn command(global: &Global, subcommand: &str) -> String {
    let mut command = format!("tgscan {subcommand}");
    for (flag, value) in &global.given {
        command += &format!(" {flag} {}", quoted(value));
    }
    command
}

/// Returns the command that replaces the key in the configuration.
pub(crate) fn init_again(global: &Global) -> String {
    command(global, "init --force")
}

/// Returns this command, ready to paste. With `uses_stored`, without the flags that refuse stored answers.
pub(crate) fn again(global: &Global, uses_stored: bool) -> String {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if uses_stored {
        words = accepting_stored(words, global.has_no_max_age());
    }
    let words = words.into_iter().map(|word| match word.into_string() {
        Ok(word) => quoted(&hidden(&word)),
        Err(word) => printed(word.as_encoded_bytes()),
    });
    std::iter::once("tgscan".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Removes `--fresh`, and replaces a `--max-age` of zero, which may be in the environment.
fn accepting_stored(words: Vec<OsString>, has_no_max_age: bool) -> Vec<OsString> {
    let mut kept = Vec::new();
    if has_no_max_age {
        kept = ["--max-age".to_owned(), usual_max_age()].map(OsString::from).to_vec();
    }
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--fresh") => {}
            Some("--max-age") if has_no_max_age => drop(words.next()),
            Some(word) if has_no_max_age && word.starts_with("--max-age=") => {}
            _ => kept.push(word),
        }
    }
    kept
}

/// Returns the default of `--max-age`.
pub(crate) fn usual_max_age() -> String {
    humantime::format_duration(MAX_AGE).to_string()
}

/// Quotes a word that is not UTF-8, such as a path, for a shell.
fn printed(word: &[u8]) -> String {
    let mut text = String::new();
    for byte in word {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'/' | b'_' => text.push(char::from(*byte)),
            _ => text += &format!("\\{byte:03o}"),
        }
    }
    format!("\"$(printf '{text}')\"")
}

/// Quotes a word for a shell, if necessary.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, is) in [
            ("a/b.c", "a/b.c"),
            ("", "''"),
            ("my store", "'my store'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(word), is);
        }
        assert_eq!(printed(b"-a%/\xff.x"), r#""$(printf '\055a\045/\377.x')""#);
    }

    #[test]
    fn flags_that_refuse_stored_answers_are_left_out() {
        let left = |words: &str, has_no_max_age| {
            let left = accepting_stored(words.split(' ').map(OsString::from).collect(), has_no_max_age);
            left.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(left("batch a --fresh --max-age 1day", false), "batch a --max-age 1day");
        for words in ["batch a --max-age 0s", "--max-age=0s batch --fresh a", "batch a"] {
            assert_eq!(left(words, true), "--max-age 7days batch a");
        }
    }
}
