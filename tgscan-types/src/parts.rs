//! Constructors for the parts of answers, for tests and mocks.

use crate::{IdEntry, SearchGroup, SearchUser, SimilarGroup, UsernameEntry};

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

    /// Sets when the service last saw the account in the group.
    #[must_use]
    pub fn with_date_updated(mut self, date: impl Into<String>) -> Self {
        self.date_updated = date.into();
        self
    }
}

impl SimilarGroup {
    /// Creates a group.
    pub fn new(username: impl Into<String>, title: impl Into<String>, num_users: u64) -> Self {
        Self { username: username.into(), title: title.into(), num_users }
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
}
