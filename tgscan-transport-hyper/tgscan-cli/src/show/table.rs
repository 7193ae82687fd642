//! Tables for the terminal.

use std::fmt;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::{escape, isolate};

/// The maximum width of a column, except the last one.
const WIDEST: usize = 48;
/// Columns up to this width are not cut to fit the terminal: dates, ids, numbers. Wider ones get at least as much.
const NARROWEST: usize = 16;
/// The number of spaces between columns.
const GAP: usize = 2;

/// Rows of texts, in columns. The last column is not cut: links are copied.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self::with_head(head.map(str::to_owned).to_vec())
    }

    pub(crate) fn with_head(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    /// Adds a row of texts that are escaped already.
    pub(crate) fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(escape).to_vec());
    }

    /// Returns the width of each column, for a total of at most `screen` if possible.
    fn widths(&self, screen: Option<usize>) -> Vec<usize> {
        let count = self.rows.first().map_or(0, Vec::len);
        let widest = |column: usize| {
            let widest = self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
            if column + 1 < count { widest.min(WIDEST) } else { widest }
        };
        let mut widths: Vec<usize> = (0..count).map(widest).collect();
        let Some(screen) = screen else { return widths };
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * count.saturating_sub(1);
        while total(&widths) > screen {
            let cut = &mut widths[..count.saturating_sub(1)];
            let Some(widest) = cut.iter_mut().filter(|width| **width > NARROWEST).max() else { break };
            *widest -= 1;
        }
        widths
    }

    fn text(&self, screen: Option<usize>) -> String {
        let widths = self.widths(screen);
        let head = anstyle::Style::new().bold();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, wide) in row.iter().zip(&widths) {
                let cell = cut(cell, *wide);
                line.push_str(&isolate(&cell));
                line.push_str(&" ".repeat(wide.saturating_sub(width(&cell)) + GAP));
            }
            let line = line.trim_end();
            if number == 0 {
                text += &format!("{head}{line}{head:#}\n");
            } else {
                text += &format!("{line}\n");
            }
        }
        text
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(super::screen_width()))
    }
}

/// Returns the number of terminal columns that a text takes: an emoji of several code points takes two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `columns` columns, cut between the characters that people see.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    // Marks above and below take no column, and pile up.
    let most = columns.saturating_mul(4);
    if width(text) <= columns && text.chars().count() <= most {
        return text.to_owned();
    }
    let left = columns.saturating_sub(1);
    let mut kept = String::new();
    for part in text.graphemes(true) {
        if width(&kept) + width(part) > left || kept.chars().count() + part.chars().count() > most {
            break;
        }
        kept.push_str(part);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_that_people_see() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("例例例", 4), "例…");
        assert_eq!(cut("👩‍👩‍👧👩‍👩‍👧", 3), "👩‍👩‍👧…", "a family stays together");
        assert_eq!((width("例a"), width("👩‍👩‍👧"), width("❤️")), (3, 2, 2));
        assert!(width(&cut(&escape(&"\u{1b}".repeat(1_000_000)), 60)) <= 60);
        assert!(cut(&format!("a{}", "\u{301}".repeat(1000)), 10).chars().count() < 50);
    }

    #[test]
    fn columns_fit_the_screen_and_the_last_one_is_whole() {
        let link = "https://t.me/some_long_name";
        let mut table = Table::new(["SEEN", "TITLE", "LINK"]);
        table.row(["2026-01-01", &"word ".repeat(20), link]);
        for screen in [60, 80, 120] {
            let text = table.text(Some(screen));
            assert!(text.lines().all(|line| width(line) <= screen), "{screen}: {text}");
            assert!(text.contains(link), "{text}");
        }
        assert!(table.text(Some(10)).contains(link), "links are copied");
    }

    #[test]
    fn right_to_left_cells_are_isolated_and_keep_their_columns() {
        let mut table = Table::new(["TITLE", "LINK"]);
        table.row(["חדשות", "https://t.me/a"]);
        table.row(["plain", "https://t.me/b"]);
        let text = table.text(None);
        assert!(text.contains("\u{2068}חדשות\u{2069}  https"), "{text:?}");
        assert!(!text.lines().nth(2).unwrap().contains('\u{2068}'));
    }
}
