//! The groups of several accounts.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tgscan_core::types::{SearchGroup, unix_millis};

use super::Known;

/// A group, and the accounts that are known to be in it.
pub(crate) struct Group {
    /// The group as the newest answer has it.
    pub(crate) group: SearchGroup,
    /// The accounts by index, ascending, each with the date on which it was last seen in the group.
    pub(crate) members: Vec<(usize, String)>,
}

impl Group {
    /// Returns whether several accounts are in the group.
    pub(crate) fn is_shared(&self) -> bool {
        self.members.len() > 1
    }

    /// Returns the username, unless it is missing or empty.
    pub(crate) fn username(&self) -> Option<&str> {
        self.group.username.as_deref().filter(|username| !username.is_empty())
    }
}

/// The identity of a group.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Id(i64),
    Username(String),
    /// A group without both. Titles repeat, so it equals no other group.
    Alone(usize),
}

/// Merges the groups of all accounts, sorted by number of accounts (largest first), then by title.
pub(crate) fn groups(known: &[Known]) -> Vec<Group> {
    let listed = || known.iter().flat_map(|known| &known.answer.groups);
    // Older answers have no ids of groups. `None` if several ids had the username.
    let mut ids: HashMap<String, Option<i64>> = HashMap::new();
    for (username, id) in listed().filter_map(|group| Some((folded(group)?, group.id?))) {
        ids.entry(username)
            .and_modify(|known| *known = known.filter(|known| *known == id))
            .or_insert(Some(id));
    }
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (member, known) in known.iter().enumerate() {
        for group in &known.answer.groups {
            let username = folded(group);
            let id = group
                .id
                .or_else(|| username.as_ref().and_then(|username| ids.get(username).copied().flatten()));
            let key = match (id, username) {
                (Some(id), _) => Key::Id(id),
                (None, Some(username)) => Key::Username(username),
                (None, None) => Key::Alone(groups.len()),
            };
            match places.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(groups.len());
                    let mut group = group.clone();
                    group.id = id;
                    let members = vec![(member, group.date_updated.clone())];
                    groups.push(Group { group, members });
                }
                Entry::Occupied(place) => groups[*place.get()].add(member, group),
            }
        }
    }
    groups.sort_by_cached_key(|group| {
        (Reverse(group.members.len()), group.group.title.to_lowercase(), group.group.id)
    });
    groups
}

impl Group {
    fn add(&mut self, member: usize, listed: &SearchGroup) {
        if unix_millis(&listed.date_updated) > unix_millis(&self.group.date_updated) {
            let id = self.group.id;
            self.group = listed.clone();
            self.group.id = id;
        }
        match self.members.last_mut() {
            // The answer lists the group twice.
            Some((last, date)) if *last == member => {
                if unix_millis(&listed.date_updated) > unix_millis(date) {
                    date.clone_from(&listed.date_updated);
                }
            }
            _ => self.members.push((member, listed.date_updated.clone())),
        }
    }
}

fn folded(group: &SearchGroup) -> Option<String> {
    group.username.as_deref().filter(|username| !username.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tgscan_core::types::SearchAnswer;

    use super::*;
    use crate::answers::Origin;

    fn known(query: &str, groups: Vec<SearchGroup>) -> Known {
        let mut answer = SearchAnswer::default();
        answer.groups = groups;
        Known { query: query.parse().unwrap(), answer, origin: Origin::Store(SystemTime::UNIX_EPOCH) }
    }

    fn seen(known: &[Known]) -> Vec<(String, Vec<usize>)> {
        let members = |group: &Group| group.members.iter().map(|(member, _)| *member).collect();
        groups(known).iter().map(|group| (group.group.title.clone(), members(group))).collect()
    }

    #[test]
    fn groups_are_joined_by_id_else_by_username_and_never_by_title() {
        let untitled = |title: &str, username: Option<&str>| {
            let mut group = SearchGroup::default();
            (group.title, group.username) = (title.to_owned(), username.map(str::to_owned));
            group
        };
        let all = [
            known(
                "alice_1",
                vec![SearchGroup::new(-1, "b"), untitled("Chat", None), untitled("club", Some("Club"))],
            ),
            known(
                "bob_1",
                vec![SearchGroup::new(-2, "b"), untitled("Chat", None), SearchGroup::new(-1, "b")],
            ),
            known(
                "carol_1",
                vec![SearchGroup::new(-7, "club").with_username("club"), SearchGroup::new(-1, "b")],
            ),
        ];
        let expected = [
            ("b", vec![0, 1, 2]),
            ("club", vec![0, 2]),
            ("b", vec![1]),
            ("Chat", vec![0]),
            ("Chat", vec![1]),
        ];
        let mut found = seen(&all);
        found[2..].sort();
        let mut expected = expected.map(|(title, members)| (title.to_owned(), members));
        expected[2..].sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn newest_title_is_shown_and_a_repeated_group_counts_once() {
        let group = |title: &str, date: &str| SearchGroup::new(-1, title).with_date_updated(date);
        let all = [
            known("alice_1", vec![group("old", "2026-01-01"), group("older", "2025-01-01")]),
            known("bob_1", vec![group("new", "2026-02-01")]),
        ];
        assert_eq!(seen(&all), [("new".to_owned(), vec![0, 1])]);
        assert_eq!(groups(&all)[0].members[0].1, "2026-01-01");
    }

    #[test]
    fn username_that_moved_between_groups_joins_neither() {
        let mut nameless = SearchGroup::default();
        nameless.username = Some("moved".to_owned());
        let all = [
            known("alice_1", vec![SearchGroup::new(-1, "a").with_username("moved")]),
            known("bob_1", vec![SearchGroup::new(-2, "b").with_username("moved")]),
            known("carol_1", vec![nameless]),
        ];
        assert!(groups(&all).iter().all(|group| !group.is_shared()));
    }
}
