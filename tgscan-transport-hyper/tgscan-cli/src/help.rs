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
    let words = std::env::args().skip(1).map(|word| quoted(&hidden(&word)));
    std::iter::once("tgscan".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
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
    use super::quoted;

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
    }
}
