//! The people and groups of a seed: whichever method asks for somebody, by name in any case or by id, there is one answer.
//!
//! Nothing is stored. All that is known of a person follows from the seed and the id, and the id from the username: those
//! that the world gave out end with it, and any other one is mixed into one.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tgscan_core::types::{
    IdEntry, SearchAnswer, SearchGroup, SearchUser, SimilarGroup, UserQuery, UsernameEntry,
};

use super::date::{Date, FIRST_DAY};
use super::leaf::Dice;
use super::seed::Seed;
use super::values::{
    FIRST_NAMES, LEAST_GROUP_ID, LEAST_USER_ID, MOST_USER_ID, PLACES, TITLES, WORDS, push_number,
};

/// How many groups there are.
const GROUPS: u64 = 20_000;
/// The ids of groups: each has this many to itself.
const IDS_PER_GROUP: u64 = 90_001;
/// The ids of people who were first asked for by a username of their own.
const NAMED_IDS: (u64, u64) = (5_000_000_000, 8_999_999_999);
/// Ids above have no username, which would be too long.
const MOST_NAMED_ID: i64 = 9_999_999_999_999_999;

/// How many usernames of their own callers are remembered, to find them by id.
const MOST_NAMES: usize = 100_000;

/// All that follows from a seed. Cheap to clone; clones are the same world.
#[derive(Clone)]
pub struct World {
    seed: u64,
    today: Date,
    /// Of a hundred people, how many nobody knows anything about.
    unknown_percent: u64,
    /// The usernames that callers brought along, by the ids that they were given.
    names: Arc<Mutex<HashMap<i64, String>>>,
}

/// Somebody, as every method knows them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) username: Option<String>,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: Option<&'static str>,
    /// In how many groups, beyond those that a search lists.
    pub(crate) unlisted: u64,
    pub(crate) num_groups: u64,
}

/// A group.
struct Group {
    id: i64,
    username: Option<String>,
    title: String,
    num_users: u64,
}

impl World {
    pub(crate) fn new(seed: u64, today: Date, unknown_percent: u64) -> Self {
        Self { seed, today, unknown_percent, names: Arc::default() }
    }

    /// The same day in the world of another seed.
    #[cfg(feature = "server")]
    pub(crate) fn with_seed(&self, seed: u64) -> Self {
        Self { seed, names: Arc::default(), ..self.clone() }
    }

    /// Another world for each number.
    pub(crate) fn other(&self, number: u64) -> Self {
        if number == 0 {
            return self.clone();
        }
        Self { seed: Seed::new(self.seed).and(number).value(), names: Arc::default(), ..self.clone() }
    }

    /// Whoever is asked for, unless nobody knows anything about them.
    pub(crate) fn find(&self, query: &UserQuery) -> Option<Person> {
        let person = match query {
            UserQuery::Username(username) => self.named(username.as_str()),
            UserQuery::Id(id) => {
                let name = self.names().get(&id.as_i64()).cloned();
                self.person(id.as_i64(), name)
            }
        };
        let is_unknown = self.dice("unknown", bits(person.id)).between(1, 100) <= self.unknown_percent;
        (!is_unknown).then_some(person)
    }

    /// One of all people.
    pub(super) fn anybody(&self, dice: &mut Dice) -> Person {
        self.person(dice.between_signed(LEAST_USER_ID, MOST_USER_ID), None)
    }

    /// The username of one of the groups that have one.
    pub(super) fn group_username(&self, dice: &mut Dice) -> String {
        loop {
            if let Some(username) = self.group(popular(dice)).username {
                return username;
            }
        }
    }

    /// The title of one of the groups.
    pub(super) fn group_title(&self, dice: &mut Dice) -> String {
        group_title(&mut self.dice("group", popular(dice)))
    }

    /// Whoever has a username, in any case.
    fn named(&self, username: &str) -> Person {
        let name = username.to_ascii_lowercase();
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let own = name[name.len() - digits..].parse().ok();
        if let Some(id) = own.filter(|id| self.username_of(*id).as_ref() == Some(&name)) {
            return self.person(id, Some(name));
        }
        let mut dice = Dice::new(Seed::new(self.seed).and_text("name").and_text(&name).value());
        let mut id = i64::try_from(dice.between(NAMED_IDS.0, NAMED_IDS.1)).unwrap_or_default();
        let mut names = self.names();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        // Of two with one id, which is rare, the later one has the next that is free.
        while names.get(&id).is_some_and(|other| *other != name) {
            id += 1;
        }
        names.insert(id, name.clone());
        drop(names);
        self.person(id, Some(name))
    }

    fn names(&self) -> MutexGuard<'_, HashMap<i64, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dice(&self, kind: &str, of: u64) -> Dice {
        Dice::new(Seed::new(self.seed).and_text(kind).and(of).value())
    }

    /// The username that the world gave to an id.
    fn username_of(&self, id: i64) -> Option<String> {
        let number = u64::try_from(id).ok().filter(|_| (1..=MOST_NAMED_ID).contains(&id))?;
        let mut dice = self.dice("username", number);
        dice.in_ten(8).then(|| numbered(&mut dice, "", number))
    }

    /// Whoever has an id, and this username, or the one that the world gives.
    fn person(&self, id: i64, name: Option<String>) -> Person {
        let mut dice = self.dice("person", bits(id));
        let first_name = dice.one_of(&FIRST_NAMES);
        let last_name = dice.in_ten(6).then(|| dice.one_of(&FIRST_NAMES));
        // Most are in few groups, and some in hundreds.
        let num_groups = match dice.between(1, 1000) {
            1..=80 => 0,
            81..=600 => dice.between(1, 6),
            601..=900 => dice.between(7, 25),
            901..=985 => dice.between(26, 90),
            _ => dice.between(91, 500),
        };
        let unlisted = if num_groups == 0 { 0 } else { dice.between(0, num_groups / 2) };
        let username = name.or_else(|| self.username_of(id));
        Person { id, username, first_name, last_name, unlisted, num_groups }
    }

    /// What a search tells of somebody.
    pub(crate) fn search(&self, person: &Person) -> SearchAnswer {
        let mut answer = SearchAnswer::default();
        let mut user = SearchUser::new(person.id);
        user.username.clone_from(&person.username);
        person.first_name.clone_into(&mut user.first_name);
        user.last_name = person.last_name.map(str::to_owned);
        answer.user = Some(user);
        let mut dice = self.dice("history", bits(person.id));
        let dates = |dice: &mut Dice, most| {
            let mut days: Vec<u64> = (0..dice.between(0, most)).map(|_| self.day(dice)).collect();
            // The latest first.
            days.sort_unstable_by(|a, b| b.cmp(a));
            days
        };
        for day in dates(&mut dice, 3) {
            let number = dice.between(1, 9999);
            let username = numbered(&mut dice, "", number);
            answer.username_history.push(UsernameEntry::new(username, Date::of_day(day).text()));
        }
        for day in dates(&mut dice, 1) {
            answer.id_history.push(IdEntry::new(person.id, Date::of_day(day).text()));
        }
        answer.groups = self.groups_of(person);
        answer.meta.num_groups = person.num_groups;
        answer.meta.known_num_groups = person.num_groups + person.unlisted;
        answer
    }

    /// The groups of somebody, the latest first.
    fn groups_of(&self, person: &Person) -> Vec<SearchGroup> {
        let mut dice = self.dice("groups", bits(person.id));
        let count = usize::try_from(person.num_groups).unwrap_or(usize::MAX);
        let mut taken = HashSet::with_capacity(count);
        let mut memberships = Vec::with_capacity(count);
        while memberships.len() < count {
            let group = popular(&mut dice);
            if taken.insert(group) {
                memberships.push((self.day(&mut dice), group));
            }
        }
        memberships.sort_unstable_by(|a, b| b.cmp(a));
        let entry = |(day, group)| {
            let Group { id, username, title, .. } = self.group(group);
            let mut entry = SearchGroup::new(id, title).with_date_updated(Date::of_day(day).text());
            entry.username = username;
            entry
        };
        memberships.into_iter().map(entry).collect()
    }

    /// Groups that are similar to those with these usernames, the largest first.
    pub(crate) fn similar<'a>(&self, usernames: impl Iterator<Item = &'a str>) -> Vec<SimilarGroup> {
        let mut names: Vec<String> = usernames.map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        let seed =
            names.iter().fold(Seed::new(self.seed).and_text("similar"), |seed, name| seed.and_text(name));
        let mut dice = Dice::new(seed.value());
        let most = match dice.between(1, 100) {
            1..=10 => 0,
            11..=80 => dice.between(1, 15),
            _ => dice.between(16, 100),
        };
        let mut numbers: Vec<u64> = (0..most).map(|_| popular(&mut dice)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut groups: Vec<Group> = numbers.into_iter().map(|number| self.group(number)).collect();
        groups.sort_by_key(|group| Reverse(group.num_users));
        let entry = |group: Group| {
            let username = group.username.filter(|username| !names.contains(username))?;
            Some(SimilarGroup::new(username, group.title, group.num_users))
        };
        groups.into_iter().filter_map(entry).collect()
    }

    fn group(&self, number: u64) -> Group {
        let mut dice = self.dice("group", number);
        let title = group_title(&mut dice);
        let own = number * IDS_PER_GROUP + dice.between(0, IDS_PER_GROUP - 1);
        let username = dice.in_ten(6).then(|| numbered(&mut dice, "_chat", number));
        let size = dice.between(3, 17);
        let num_users = dice.between(1, 1 << size);
        Group { id: LEAST_GROUP_ID.saturating_add_unsigned(own), username, title, num_users }
    }

    /// A day of which something is known.
    pub(super) fn day(&self, dice: &mut Dice) -> u64 {
        dice.between(FIRST_DAY, self.today.day().max(FIRST_DAY))
    }
}

/// An id as a number of as many bits.
fn bits(id: i64) -> u64 {
    u64::from_le_bytes(id.to_le_bytes())
}

/// A username that ends with a number.
fn numbered(dice: &mut Dice, suffix: &str, number: u64) -> String {
    let mut name = String::with_capacity(32);
    name.push_str(dice.one_of(&WORDS));
    name.push('_');
    name.push_str(dice.one_of(&WORDS));
    name.push_str(suffix);
    push_number(&mut name, number, 1);
    name
}

/// What a group's dice give first.
fn group_title(dice: &mut Dice) -> String {
    let (start, place) = (dice.one_of(&TITLES), dice.one_of(&PLACES));
    let mut title = String::with_capacity(start.len() + 1 + place.len());
    title.push_str(start);
    if dice.in_ten(7) {
        title.push(' ');
        title.push_str(place);
    }
    title
}

/// A group, popular ones more often.
fn popular(dice: &mut Dice) -> u64 {
    let most = dice.between(1, GROUPS);
    dice.between(0, most - 1)
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World::new(7, Date::DEFAULT, 0)
    }

    #[test]
    fn usernames_that_the_world_gave_lead_back_to_their_ids() {
        let mut named = 0;
        for id in (1..2000).chain([9_999_999_999_999_999, i64::MAX, i64::MIN, 0, -1]) {
            let Some(name) = world().username_of(id) else { continue };
            assert!(name.parse::<tgscan_core::types::Username>().is_ok(), "{name}");
            assert_eq!((world().named(&name).id, world().named(&name.to_uppercase()).id), (id, id), "{name}");
            named += 1;
        }
        assert!((1400..1800).contains(&named), "{named}");
    }

    #[test]
    fn groups_have_ids_of_their_own_and_dates_are_past() {
        let ids: std::collections::BTreeSet<i64> =
            (0..GROUPS).map(|number| world().group(number).id).collect();
        assert_eq!(ids.len() as u64, GROUPS);
        let person =
            (0..10_000).map(|id| world().person(id, None)).find(|person| person.num_groups > 100).unwrap();
        let groups = world().groups_of(&person);
        assert!(groups.is_sorted_by(|a, b| a.date_updated >= b.date_updated));
        assert!(groups.iter().all(|group| *group.date_updated <= *Date::DEFAULT.text()));
    }
}
