//! Repairs JSON that is almost valid.

use std::ops::RangeInclusive;

/// Repairs a body that did not parse as JSON, or returns `None` if there is nothing to repair.
///
/// Call it only after parsing failed. It repairs these faults, which some JSON writers make and `serde_json` rejects:
///
/// - a byte order mark at the start, which RFC 8259 (8.1) lets a reader ignore, becomes white space;
/// - the escape of a lone surrogate (`\ud83d` without its second half, from a string that was cut inside an emoji)
///   becomes that of U+FFFD, as in `String::from_utf8_lossy`;
/// - a control character in a string, such as a raw tab, becomes a space;
/// - a byte that is not UTF-8 becomes `?`.
///
/// The length stays the same, so error positions also hold for the received body. Nothing else changes: a body that is
/// not JSON does not become JSON.
///
/// ```
/// let body = b"\xef\xbb\xbf{\"title\":\"cut \\ud83d\"}";
/// let repaired = tgscan_types::repair_json(body).expect("a mark and a lone surrogate");
/// assert_eq!(repaired, b"   {\"title\":\"cut \\ufffd\"}");
/// assert_eq!(tgscan_types::repair_json(&repaired), None);
/// ```
pub fn repair_json(body: &[u8]) -> Option<Vec<u8>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";

    let mut repaired = body.to_vec();
    if body.starts_with(MARK) {
        repaired[..MARK.len()].fill(b' ');
    }
    let mut start = 0;
    for chunk in body.utf8_chunks() {
        start += chunk.valid().len();
        let end = start + chunk.invalid().len();
        repaired[start..end].fill(b'?');
        start = end;
    }
    let (mut at, mut is_in_text) = (0, false);
    while let Some(byte) = repaired.get(at).copied() {
        match byte {
            b'"' => is_in_text = !is_in_text,
            0..=0x1f if is_in_text => repaired[at] = b' ',
            b'\\' if is_in_text => {
                at += repair_escape(&mut repaired, at);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    (repaired != body).then_some(repaired)
}

/// Replaces the escape that begins here if it is a lone surrogate. Returns its length.
fn repair_escape(body: &mut [u8], at: usize) -> usize {
    const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
    const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;

    let is_low = |unit: u16| LOW.contains(&unit);
    match escaped_unit(body, at) {
        Some(high) if HIGH.contains(&high) && escaped_unit(body, at + 6).is_some_and(is_low) => 12,
        Some(lone) if HIGH.contains(&lone) || is_low(lone) => {
            body[at..at + 6].copy_from_slice(br"\ufffd");
            6
        }
        // Skips the escaped character, which can be a backslash or a quote.
        _ => 2,
    }
}

/// Returns the UTF-16 unit of the escape `\uXXXX` that begins here.
fn escaped_unit(body: &[u8], at: usize) -> Option<u16> {
    let digits = body.get(at..at + 6)?.strip_prefix(br"\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<String> {
        let repaired = repair_json(body.as_bytes()).unwrap_or_else(|| body.into());
        assert_eq!(repaired.len(), body.len(), "positions stay the same");
        serde_json::from_slice(&repaired).ok()
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        for (body, text) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""cut \uD83D!""#, "cut \u{fffd}!"),
            (r#""\ude00 tail""#, "\u{fffd} tail"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\ud83d\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
        ] {
            serde_json::from_str::<String>(body).expect_err(body);
            assert_eq!(read(body).as_deref(), Some(text), "{body}");
        }
    }

    #[test]
    fn a_byte_order_mark_becomes_white_space() {
        assert_eq!(read("\u{feff}\"x\"").as_deref(), Some("x"));
        // Inside a text, the mark is a character.
        assert_eq!(repair_json("\"\u{feff}\"".as_bytes()), None);
    }

    #[test]
    fn control_characters_within_texts_become_spaces() {
        for (body, text) in
            [("\"a\tb\"", "a b"), ("\"a\u{0}\nb\"", "a  b"), ("\"\\\"\t\"", "\" "), ("\t\"a\"\n", "a")]
        {
            assert_eq!(read(body).as_deref(), Some(text), "{body:?}");
        }
        assert_eq!(repair_json(b"{\t\"a\":\n1}"), None, "white space between values is JSON");
    }

    #[test]
    fn bytes_that_are_not_utf8_become_question_marks() {
        let body = b"{\"title\":\"caf\xe9 \xff\xe2\x82\"}";
        assert_eq!(repair_json(body).unwrap(), b"{\"title\":\"caf? ???\"}");
    }

    #[test]
    fn leaves_valid_json_and_other_bodies_unchanged() {
        for body in [
            r#""\ud83d\ude00 \uD83D\uDE00 \u00e9 \\ud83d \\\\ud83d \"""#,
            r#""\u12"#,
            r#""\ud8"#,
            r#""\"#,
            r"\",
            r#""\uzzzz""#,
            "",
            "{}",
            "<html>",
        ] {
            assert_eq!(repair_json(body.as_bytes()), None, "{body}");
        }
    }
}
