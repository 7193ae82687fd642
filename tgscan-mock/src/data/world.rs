//! The people and groups of a seed. Every method gives the same answer about a person, by name in any case or by id.
//!
//! Only usernames from callers are stored. A person is derived from the seed and the id. The id is derived from the
//! username: usernames of the world end with it; for others it is a hash.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tgscan_core::types::{
    IdEntry, SearchAnswer, SearchGroup, SearchUser, SimilarGroup, UserQuery, UsernameEntry,
};

use super::date::{FIRST_DAY, date};
use super::seed::{Rng, Seed};
use super::values::{FIRST_NAMES, LEAST_GROUP_ID, PLACES, TITLES, WORDS};

const GROUPS: u64 = 20_000;
/// Distance between the ids of two groups.
const IDS_PER_GROUP: u64 = 90_001;
/// The range of ids for usernames from callers.
const NAMED_IDS: (u64, u64) = (5_000_000_000, 8_999_999_999);
/// The largest id with a username; longer numbers would make the username too long.
const MOST_NAMED_ID: i64 = 9_999_999_999_999_999;

/// How many of the callers' usernames are remembered, to find them by id.
const MOST_NAMES: usize = 100_000;

/// The people and groups of a seed. Cheap to clone; clones share the callers' usernames.
#[derive(Clone)]
pub struct World {
    pub(crate) seed: u64,
    /// The last day of the data, counted from 1970-01-01.
    pub(crate) today: u64,
    /// Percentage of unknown people.
    pub(crate) unknown_percent: u64,
    /// The callers' usernames by id.
    names: Arc<Mutex<HashMap<i64, String>>>,
}

/// A person, with the same data for every method.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) username: Option<String>,
    pub(crate) first_name: &'static str,
    pub(crate) last_name: Option<&'static str>,
    /// Number of groups beyond those that a search lists.
    pub(crate) unlisted: u64,
    pub(crate) num_groups: u64,
}

struct Group {
    id: i64,
    username: Option<String>,
    title: String,
    num_users: u64,
}

impl World {
    pub(crate) fn new(seed: u64, today: u64, unknown_percent: u64) -> Self {
        Self { seed, today, unknown_percent, names: Arc::default() }
    }

    /// Returns another world for each number, and this one for 0.
    pub(crate) fn other(&self, number: u64) -> Self {
        let seed = Seed::new(self.seed).and(number).value();
        if number == 0 { self.clone() } else { Self::new(seed, self.today, self.unknown_percent) }
    }

    /// Finds a person, or returns `None` if the person is unknown.
    pub(crate) fn find(&self, query: &UserQuery) -> Option<Person> {
        let person = match query {
            UserQuery::Username(username) => self.named(username.as_str()),
            UserQuery::Id(id) => {
                let name = self.names().get(&id.as_i64()).cloned();
                self.person(id.as_i64(), name)
            }
        };
        let is_unknown = self.rng("unknown", bits(person.id)).between(1, 100) <= self.unknown_percent;
        (!is_unknown).then_some(person)
    }

    /// Returns the person with a username, in any case.
    fn named(&self, username: &str) -> Person {
        let name = username.to_ascii_lowercase();
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let own = name[name.len() - digits..].parse().ok();
        if let Some(id) = own.filter(|id| self.username_of(*id).as_ref() == Some(&name)) {
            return self.person(id, Some(name));
        }
        let mut rng = Rng::new(Seed::new(self.seed).and_text("name").and_text(&name).value());
        let mut id = i64::try_from(rng.between(NAMED_IDS.0, NAMED_IDS.1)).unwrap_or_default();
        let mut names = self.names();
        if names.len() >= MOST_NAMES {
            names.clear();
        }
        // If two names have the same id, which is rare, the later one gets the next free id.
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

    fn rng(&self, kind: &str, of: u64) -> Rng {
        Rng::new(Seed::new(self.seed).and_text(kind).and(of).value())
    }

    /// Returns the username of an id in this world.
    fn username_of(&self, id: i64) -> Option<String> {
        let number = u64::try_from(id).ok().filter(|_| (1..=MOST_NAMED_ID).contains(&id))?;
        let mut rng = self.rng("username", number);
        rng.in_ten(8).then(|| numbered(&mut rng, "", number))
    }

    /// Returns the person with an id and a username.
    fn person(&self, id: i64, name: Option<String>) -> Person {
        let mut rng = self.rng("person", bits(id));
        let first_name = rng.one_of(&FIRST_NAMES);
        let last_name = rng.in_ten(6).then(|| rng.one_of(&FIRST_NAMES));
        // Most people are in few groups, some in hundreds.
        let num_groups = match rng.between(1, 1000) {
            1..=80 => 0,
            81..=600 => rng.between(1, 6),
            601..=900 => rng.between(7, 25),
            901..=985 => rng.between(26, 90),
            _ => rng.between(91, 500),
        };
        let unlisted = if num_groups == 0 { 0 } else { rng.between(0, num_groups / 2) };
        let username = name.or_else(|| self.username_of(id));
        Person { id, username, first_name, last_name, unlisted, num_groups }
    }

    /// Returns the answer to a search of a person.
    pub(crate) fn search(&self, person: &Person) -> SearchAnswer {
        let mut answer = SearchAnswer::default();
        let mut user = SearchUser::new(person.id);
        user.username.clone_from(&person.username);
        person.first_name.clone_into(&mut user.first_name);
        user.last_name = person.last_name.map(str::to_owned);
        answer.user = Some(user);
        let mut rng = self.rng("history", bits(person.id));
        let dates = |rng: &mut Rng, most| {
            let mut days: Vec<u64> = (0..rng.between(0, most)).map(|_| self.day(rng)).collect();
            // The latest first.
            days.sort_unstable_by(|a, b| b.cmp(a));
            days
        };
        for day in dates(&mut rng, 3) {
            let number = rng.between(1, 9999);
            let username = numbered(&mut rng, "", number);
            answer.username_history.push(UsernameEntry::new(username, date(day)));
        }
        for day in dates(&mut rng, 1) {
            answer.id_history.push(IdEntry::new(person.id, date(day)));
        }
        answer.groups = self.groups_of(person);
        answer.meta.num_groups = person.num_groups;
        answer.meta.known_num_groups = person.num_groups + person.unlisted;
        answer
    }

    /// Returns the groups of a person, the latest first.
    fn groups_of(&self, person: &Person) -> Vec<SearchGroup> {
        let mut rng = self.rng("groups", bits(person.id));
        let count = usize::try_from(person.num_groups).unwrap_or(usize::MAX);
        let mut taken = HashSet::with_capacity(count);
        let mut memberships = Vec::with_capacity(count);
        while memberships.len() < count {
            let group = popular(&mut rng);
            if taken.insert(group) {
                memberships.push((self.day(&mut rng), group));
            }
        }
        memberships.sort_unstable_by(|a, b| b.cmp(a));
        let entry = |(day, group)| {
            let Group { id, username, title, .. } = self.group(group);
            let mut entry = SearchGroup::new(id, title).with_date_updated(date(day));
            entry.username = username;
            entry
        };
        memberships.into_iter().map(entry).collect()
    }

    /// Returns groups that are similar to those with these usernames, the largest first.
    pub(crate) fn similar<'a>(&self, usernames: impl Iterator<Item = &'a str>) -> Vec<SimilarGroup> {
        let mut names: Vec<String> = usernames.map(str::to_ascii_lowercase).collect();
        names.sort_unstable();
        let seed =
            names.iter().fold(Seed::new(self.seed).and_text("similar"), |seed, name| seed.and_text(name));
        let mut rng = Rng::new(seed.value());
        let most = match rng.between(1, 100) {
            1..=10 => 0,
            11..=80 => rng.between(1, 15),
            _ => rng.between(16, 100),
        };
        let mut numbers: Vec<u64> = (0..most).map(|_| popular(&mut rng)).collect();
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
        let mut rng = self.rng("group", number);
        let title = group_title(&mut rng);
        let own = number * IDS_PER_GROUP + rng.between(0, IDS_PER_GROUP - 1);
        let username = rng.in_ten(6).then(|| numbered(&mut rng, "_chat", number));
        let size = rng.between(3, 17);
        let num_users = rng.between(1, 1 << size);
        Group { id: LEAST_GROUP_ID.saturating_add_unsigned(own), username, title, num_users }
    }

    /// Draws a day on which something happened.
    fn day(&self, rng: &mut Rng) -> u64 {
        rng.between(FIRST_DAY, self.today)
    }
}

/// Returns the bits of an id as an unsigned number.
fn bits(id: i64) -> u64 {
    u64::from_le_bytes(id.to_le_bytes())
}

/// Returns a username that ends with a number.
fn numbered(rng: &mut Rng, suffix: &str, number: u64) -> String {
    format!("{}_{}{suffix}{number}", rng.one_of(&WORDS), rng.one_of(&WORDS))
}

fn group_title(rng: &mut Rng) -> String {
    let (start, place) = (rng.one_of(&TITLES), rng.one_of(&PLACES));
    if rng.in_ten(7) { format!("{start} {place}") } else { start.to_owned() }
}

/// Draws a group, popular groups more often.
fn popular(rng: &mut Rng) -> u64 {
    let most = rng.between(1, GROUPS);
    rng.between(0, most - 1)
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).finish_non_exhaustive()
    }
}
