//! Mends JSON that is one step from what a reader takes.

use std::ops::RangeInclusive;

/// Mends a body that did not read as JSON, if it has what this knows to mend; `None` where nothing would change.
///
/// For a second pass only: after a body failed to read, and before it is given up. It mends two things that other
/// programs write and `serde_json` refuses, and that leave no doubt about what is meant:
///
/// - a byte order mark at the start, which RFC 8259 (8.1) lets a reader ignore, becomes white space;
/// - the escape of a lone surrogate (`\ud83d` without its second half, from a text that was cut inside an emoji) becomes
///   that of U+FFFD, as `String::from_utf8_lossy` has it.
///
/// The length stays the same, so a position in the mended body is one in the body that was received. Everything else is
/// left as it is: what is no JSON stays none.
///
/// ```
/// let body = b"\xef\xbb\xbf{\"title\":\"cut \\ud83d\"}";
/// let mended = tgscan_types::repair_json(body).expect("there is something to mend");
/// assert_eq!(mended, b"   {\"title\":\"cut \\ufffd\"}");
/// assert_eq!(tgscan_types::repair_json(&mended), None);
/// ```
pub fn repair_json(body: &[u8]) -> Option<Vec<u8>> {
    const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
    const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;
    const MARK: &[u8] = b"\xef\xbb\xbf";

    let mut mended: Option<Vec<u8>> = None;
    let mut replace = |at: usize, with: &[u8]| {
        let mended = mended.get_or_insert_with(|| body.to_vec());
        if let Some(place) = mended.get_mut(at..at + with.len()) {
            place.copy_from_slice(with);
        }
    };
    if body.starts_with(MARK) {
        replace(0, b"   ");
    }
    let mut at = 0;
    while let Some(backslash) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += backslash;
        match escaped_unit(body, at) {
            Some(high) if HIGH.contains(&high) => {
                if escaped_unit(body, at + 6).is_some_and(|low| LOW.contains(&low)) {
                    at += 12;
                } else {
                    replace(at, br"\ufffd");
                    at += 6;
                }
            }
            Some(low) if LOW.contains(&low) => {
                replace(at, br"\ufffd");
                at += 6;
            }
            // Past what is escaped, which can be a backslash.
            _ => at += 2,
        }
    }
    mended
}

/// The UTF-16 unit whose escape `\uXXXX` begins here.
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
        let mended = repair_json(body.as_bytes()).unwrap_or_else(|| body.into());
        assert_eq!(mended.len(), body.len(), "positions stay what they were");
        serde_json::from_slice(&mended).ok()
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
        // Within a text it is a character.
        assert_eq!(repair_json("\"\u{feff}\"".as_bytes()), None);
    }

    #[test]
    fn what_is_right_or_is_no_json_is_left_alone() {
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
        assert_eq!(repair_json(b"\xff\xfe"), None);
    }
}
