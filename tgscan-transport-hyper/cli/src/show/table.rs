//! Columns for people, and strangers' texts on a terminal.

use std::fmt;

use unicode_width::UnicodeWidthChar;

/// How wide a column gets at most.
const WIDEST: usize = 48;

/// Rows of texts, in columns. Only the last column is not cut.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(|cell| cut(&escape(cell), WIDEST)).to_vec());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0))
            .collect();
        let head = anstyle::Style::new().bold();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(wide - width(cell) + 2));
            }
            let line = line.trim_end();
            if number == 0 {
                writeln!(f, "{head}{line}{head:#}")?;
            } else {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

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
fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The text in at most so many columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
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
