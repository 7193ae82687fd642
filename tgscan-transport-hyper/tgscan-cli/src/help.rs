//! Formats the commands to type next.

use crate::args::Global;
use crate::location::hidden;

/// Returns a command, ready to paste, with the flags of this one that it needs.
pub(crate) fn command(global: &Global, subcommand: &str) -> String {
    let mut command = format!("tgscan {subcommand}");
    for (flag, value) in &global.given {
        command += &format!(" {flag} {}", quoted(value));
    }
    command
}

/// Returns this command, ready to paste.
pub(crate) fn again() -> String {
    let words = std::env::args_os().skip(1).map(|word| match word.into_string() {
        Ok(word) => quoted(&hidden(&word)),
        Err(word) => printed(word.as_encoded_bytes()),
    });
    std::iter::once("tgscan".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
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
    use super::{printed, quoted};

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
}
