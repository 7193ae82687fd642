//! Selects and sorts the groups of an answer.

use clap::{Args, ValueEnum};
use tgscan_core::types::{SearchGroup, unix_millis};

/// The groups in tables and CSV; JSON has all.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Selection {
    /// In tables and CSV, hide groups where the user was last seen before this date; groups with an unreadable date stay
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<i64>,
    /// Order of the groups in tables and CSV [default: seen, newest first]
    #[arg(long, value_name = "ORDER", value_enum)]
    sort: Option<Sort>,
}

/// An order of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Date on which the account was last seen there, newest first
    Seen,
    Title,
    Id,
}

fn date(text: &str) -> Result<i64, String> {
    unix_millis(text).ok_or_else(|| "use a date such as 2026-01-31".to_owned())
}

impl Selection {
    /// Selects from groups that are sorted newest first. Keeps groups whose date cannot be read.
    pub(super) fn of<'a>(&self, mut groups: Vec<&'a SearchGroup>) -> Vec<&'a SearchGroup> {
        if let Some(since) = self.since {
            groups.retain(|group| unix_millis(&group.date_updated).is_none_or(|seen| seen >= since));
        }
        match self.sort {
            Some(Sort::Title) => groups.sort_by_cached_key(|group| group.title.to_lowercase()),
            Some(Sort::Id) => groups.sort_by_key(|group| group.id),
            Some(Sort::Seen) | None => {}
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_selected_by_date_and_sorted() {
        let group = |id, title: &str, date: &str| SearchGroup::new(id, title).with_date_updated(date);
        let groups = [group(-1, "b", "2026-02-01"), group(-3, "A", "2026-01-01"), group(-2, "c", "once")];
        let titles = |selection: Selection| -> Vec<&str> {
            selection.of(groups.iter().collect()).into_iter().map(|group| &*group.title).collect()
        };
        let since = date("2026-01-15").ok();
        assert_eq!(titles(Selection::default()), ["b", "A", "c"]);
        assert_eq!(titles(Selection { since, sort: None }), ["b", "c"], "a date that cannot be read");
        assert_eq!(titles(Selection { since: None, sort: Some(Sort::Title) }), ["A", "b", "c"]);
        assert_eq!(titles(Selection { since: None, sort: Some(Sort::Id) }), ["A", "c", "b"]);
        assert!(date("soon").is_err());
    }
}
