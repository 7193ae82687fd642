//! Makes untrusted texts safe for a terminal.

use std::borrow::Cow;

/// The longest text that is shown.
const LONGEST: usize = 4096;

/// Escapes the characters that could control a terminal or change the direction of its text.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars().take(LONGEST) {
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

/// Prepares data for a terminal: unchanged, except for characters that could control it, which are escaped as in JSON.
pub(crate) fn for_terminal(data: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(data);
    let is_harmless = |c: char| matches!(c, '\n' | '\t') || !is_steering(c);
    if text.chars().all(is_harmless) && matches!(text, Cow::Borrowed(_)) {
        return Cow::Borrowed(data);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(escaped.into_bytes())
}

fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of direction; line and paragraph separators; a byte order mark;
            // tags, which are invisible.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Puts a right-to-left text into an isolate; otherwise terminals would reverse the whole row (Unicode Standard Annex
/// 9, P2).
pub(crate) fn isolate(text: &str) -> Cow<'_, str> {
    let is_right_to_left = |c: char| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}')
    };
    if text.contains(is_right_to_left) {
        Cow::Owned(format!("\u{2068}{text}\u{2069}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_texts_are_written_out() {
        assert_eq!(escape("a\u{1b}[2J\nb\0"), "a\\u{1b}[2J\\nb\\u{0}");
        assert_eq!(escape("\u{202e}txt.exe\u{2066}"), "\\u{202e}txt.exe\\u{2066}");
        assert_eq!(escape("Пример 例 👩‍👩‍👧"), "Пример 例 👩‍👩‍👧");
    }

    #[test]
    fn json_for_a_terminal_stays_json_with_equal_values() {
        let json = "{\"title\":\"\u{9b}2J\u{202e}\u{e0041}\u{7f}例\"}\n";
        let shown = for_terminal(json.as_bytes());
        let shown = std::str::from_utf8(&shown).unwrap();
        assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{shown}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(shown), value(json));
        assert!(matches!(for_terminal("plain\n\tx".as_bytes()), Cow::Borrowed(_)));
    }
}
