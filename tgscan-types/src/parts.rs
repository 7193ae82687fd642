//! Answers and their parts: constructors for tests and mocks, links, and groups by date.

use std::cmp::Reverse;

use crate::values::link;
use crate::{IdEntry, SearchAnswer, SearchGroup, SearchUser, SimilarGroup, UsernameEntry, unix_millis};

impl SearchUser {
    /// Creates a user without names.
    pub fn new(id: i64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Sets the username.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Returns the link to the user, `https://t.me/NAME`, or `None` without a username.
    pub fn link(&self) -> Option<String> {
        link(self.username.as_deref()?)
    }
}

impl UsernameEntry {
    /// Creates an entry of the username history.
    pub fn new(username: impl Into<String>, date: impl Into<String>) -> Self {
        Self { username: username.into(), date: date.into() }
    }
}

impl IdEntry {
    /// Creates an entry of the id history.
    pub fn new(id: i64, date: impl Into<String>) -> Self {
        Self { id, date: date.into() }
    }
}

impl SearchGroup {
    /// Creates a group without username and date.
    ///
    /// ```
    /// use tgscan_types::{SearchAnswer, SearchGroup};
    ///
    /// let mut answer = SearchAnswer::default();
    /// answer.groups = vec![
    ///     SearchGroup::new(-1001, "Rust").with_username("rust_lang"),
    ///     SearchGroup::new(-1002, "A private group").with_date_updated("2026-01-01"),
    /// ];
    /// assert_eq!(answer.groups[0].link().as_deref(), Some("https://t.me/rust_lang"));
    /// assert_eq!(answer.newest_first()[0].title, "A private group");
    /// ```
    pub fn new(id: i64, title: impl Into<String>) -> Self {
        Self { id: Some(id), title: title.into(), ..Self::default() }
    }

    /// Sets the username.
    #[must_use]
    pub fn with_username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets when the service last saw the user in the group.
    #[must_use]
    pub fn with_date_updated(mut self, date: impl Into<String>) -> Self {
        self.date_updated = date.into();
        self
    }

    /// Returns the link to the group, `https://t.me/NAME`, or `None` without a username, e.g. for a private group.
    pub fn link(&self) -> Option<String> {
        link(self.username.as_deref()?)
    }
}

impl SimilarGroup {
    /// Creates a group.
    pub fn new(username: impl Into<String>, title: impl Into<String>, num_users: u64) -> Self {
        Self { username: username.into(), title: title.into(), num_users }
    }

    /// Returns the link to the group, `https://t.me/NAME`, or `None` without a username.
    pub fn link(&self) -> Option<String> {
        link(&self.username)
    }
}

impl SearchAnswer {
    /// Returns the groups by their `date_updated`, the newest first.
    ///
    /// Dates are parsed by [`unix_millis`]. Groups with an unreadable date come last; those and groups with the same
    /// date stay in the order of the answer.
    pub fn newest_first(&self) -> Vec<&SearchGroup> {
        let mut groups: Vec<&SearchGroup> = self.groups.iter().collect();
        groups.sort_by_cached_key(|group| Reverse(unix_millis(&group.date_updated)));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_as_documented() {
        for (part, written) in [
            (
                serde_json::to_string(&SearchUser::new(7).with_username("alice")),
                r#"{"id":7,"username":"alice","first_name":"","last_name":null}"#,
            ),
            (
                serde_json::to_string(&UsernameEntry::new("alice", "2026-01-01")),
                r#"{"username":"alice","date":"2026-01-01"}"#,
            ),
            (serde_json::to_string(&IdEntry::new(7, "2026-01-01")), r#"{"id":"7","date":"2026-01-01"}"#),
            (
                serde_json::to_string(&SearchGroup::new(-1001, "A").with_username("group_a")),
                r#"{"id":-1001,"username":"group_a","title":"A","date_updated":""}"#,
            ),
            (
                serde_json::to_string(&SimilarGroup::new("group_a", "A", 5)),
                r#"{"username":"group_a","title":"A","num_users":5}"#,
            ),
        ] {
            assert_eq!(part.unwrap(), written);
        }
    }

    #[test]
    fn links_to_users_and_groups_with_a_username() {
        let link = |username: Option<&str>| {
            let username = username.map(str::to_owned);
            let user = SearchUser { username: username.clone(), ..SearchUser::default() }.link();
            let similar =
                SimilarGroup { username: username.clone().unwrap_or_default(), ..SimilarGroup::default() };
            assert_eq!(similar.link(), user);
            assert_eq!(SearchGroup { username, ..SearchGroup::default() }.link(), user);
            user
        };
        assert_eq!(link(Some("Book_Club")).as_deref(), Some("https://t.me/Book_Club"));
        assert_eq!(link(Some("gif")).as_deref(), Some("https://t.me/gif"));
        let long = "a".repeat(33);
        for none in
            [None, Some(""), Some(&*long), Some("a b"), Some("../login"), Some("+49"), Some("name?boost")]
        {
            assert_eq!(link(none), None, "{none:?}");
        }
    }

    #[test]
    fn groups_sort_newest_first_with_unreadable_dates_last() {
        let dates = ["x", "2023-05-06", "", "07.05.2023", "2023-05-06 00:00", "May 8, 2023", "yesterday"];
        let groups = dates.map(|date| SearchGroup { date_updated: date.into(), ..SearchGroup::default() });
        let answer = SearchAnswer { groups: groups.into(), ..SearchAnswer::default() };
        let sorted: Vec<&str> =
            answer.newest_first().iter().map(|group| group.date_updated.as_str()).collect();
        assert_eq!(
            sorted,
            ["May 8, 2023", "07.05.2023", "2023-05-06", "2023-05-06 00:00", "x", "", "yesterday"]
        );
    }
}
