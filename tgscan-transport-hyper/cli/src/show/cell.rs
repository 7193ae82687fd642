//! Strangers' texts on a terminal.

use unicode_width::UnicodeWidthChar;

/// The text with everything that could steer a terminal, or turn its direction, written out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().min(4096));
    for c in text.chars().take(4096) {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_steering(c) => escaped.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of direction; line and paragraph separators; a byte order mark;
            // tags, which nobody sees.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text in at most so many columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    // Marks above and below take no column, and pile up.
    let most = columns * 4;
    if width(text) <= columns && text.chars().count() <= most {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let mut kept = String::new();
    for c in text.chars().take(most) {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_written_out_and_cut() {
        assert_eq!(escape("a\u{1b}[2J\nb\0"), "a\\u{1b}[2J\\nb\\u{0}");
        assert_eq!(escape("\u{202e}txt.exe\u{2066}"), "\\u{202e}txt.exe\\u{2066}");
        assert_eq!(escape("Пример 例 👩‍👩‍👧"), "Пример 例 👩‍👩‍👧");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("例例例", 4), "例…");
        assert_eq!(width("例a"), 3);
        assert!(width(&cut(&escape(&"\u{1b}".repeat(1_000_000)), 60)) <= 60);
    }
}
