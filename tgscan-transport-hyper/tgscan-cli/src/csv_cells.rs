//! CSV cells that spreadsheets do not run as formulas.

use std::borrow::Cow;

/// Characters that make a spreadsheet read a cell as a formula (OWASP, "CSV Injection"), also in full width.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Puts an apostrophe before a text that a spreadsheet would run as a formula. Integers stay unchanged.
pub(crate) fn neutralised(text: &str) -> Cow<'_, str> {
    if is_formula(text) && text.parse::<i64>().is_err() {
        return Cow::Owned(format!("'{text}"));
    }
    Cow::Borrowed(text)
}

/// Returns the text of a cell that [`neutralised`] wrote.
pub(crate) fn original(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

/// Includes texts with apostrophes before a formula, so that every text is read back as it was.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_neutralised_and_read_back() {
        for text in
            ["=1+1", "+7 999", "-cmd|' /C calc'!A0", "@alice_1", "\tx", "\rx", "\nx", "＝1+1", "'=1", "''-5"]
        {
            let cell = neutralised(text);
            assert_eq!(cell, format!("'{text}"));
            assert_eq!(original(&cell), text);
        }
        for text in ["", "alice_1", "-1001234567", "'quoted'", "a=b"] {
            assert_eq!(neutralised(text), text);
            assert_eq!(original(text), text);
        }
    }
}
