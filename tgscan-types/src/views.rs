//! Views of answers: links, and groups by date.

use std::cmp::Reverse;

use crate::values::link;
use crate::{SearchAnswer, SearchGroup, SearchUser, SimilarGroup, unix_millis};

impl SearchUser {
    /// Returns the link to the account, `https://t.me/NAME`, or `None` without a username.
    pub fn link(&self) -> Option<String> {
        link(self.username.as_deref()?)
    }
}

impl SearchGroup {
    /// Returns the link to the group, `https://t.me/NAME`, or `None` without a username, e.g. for a private group.
    pub fn link(&self) -> Option<String> {
        link(self.username.as_deref()?)
    }
}

impl SimilarGroup {
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
