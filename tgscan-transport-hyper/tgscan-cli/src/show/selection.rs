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
