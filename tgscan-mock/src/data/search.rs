//! Random searches.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{IdEntry, Search, SearchAnswer, SearchGroup, SearchUser, UserQuery, UsernameEntry};

use super::counts::{lengths, more};
use super::draw_strategy::{
    DrawStrategy, Part, WORLD, each, first_char, items, keep_back, keep_chars, keep_front, none, one, to,
};
use super::rng::Rng;
use super::values::{
    LEAST_GROUP_ID, LEAST_USER_ID, date, first_name, group_id, optional_name, optional_username, title,
    user_id, username,
};
use super::{Billing, Date, Generate, Profile, World, user_queries};

/// Searches of people in the world.
const TYPICAL: DrawStrategy<SearchAnswer> =
    DrawStrategy { profile: Profile::Typical, draw, parts: PARTS, settle };

/// A field of the user.
macro_rules! user {
    ($field:ident, $simplify:expr) => {
        one!(|answer: &mut SearchAnswer| {
            answer.user.as_mut().is_some_and(|user| $simplify(&mut user.$field))
        })
    };
}

/// The longest first, so that the others have less to do.
const PARTS: &[Part<SearchAnswer>] = &[
    one!(|answer: &mut SearchAnswer| keep_front(&mut answer.groups)),
    one!(|answer: &mut SearchAnswer| keep_back(&mut answer.groups)),
    items!(groups),
    items!(username_history),
    items!(id_history),
    one!(|answer: &mut SearchAnswer| {
        let listed = answer.meta.num_groups;
        to(&mut answer.meta.known_num_groups, listed)
    }),
    user!(username, none),
    user!(last_name, none),
    user!(first_name, first_char),
    user!(id, |id: &mut _| to(id, LEAST_USER_ID)),
    user!(username, |name: &mut Option<_>| name.as_mut().is_some_and(keep_chars::<5>)),
    user!(last_name, |name: &mut Option<_>| name.as_mut().is_some_and(first_char)),
    each!(groups, username, none),
    each!(groups, title, first_char),
    each!(groups, id, |id: &mut _| to(id, Some(LEAST_GROUP_ID))),
    each!(groups, date_updated, |date: &mut _| to(date, Date::first())),
    each!(username_history, username, keep_chars::<5>),
    each!(username_history, date, |date: &mut _| to(date, Date::first())),
    each!(id_history, id, |id: &mut _| to(id, LEAST_USER_ID)),
    each!(id_history, date, |date: &mut _| to(date, Date::first())),
];

fn draw(_: Profile, rng: &mut Rng) -> SearchAnswer {
    let mut answer = WORLD.search(&WORLD.any_person(rng));
    answer.meta.op_cost = 1;
    settle(&mut answer);
    answer
}

fn users(profile: Profile) -> impl Strategy<Value = SearchUser> {
    let names = (optional_username(profile), first_name(profile), optional_name(profile));
    (user_id(profile), names).prop_map(|(id, (username, first_name, last_name))| {
        let mut user = SearchUser::new(id);
        user.username = username;
        user.first_name = first_name;
        user.last_name = last_name;
        user
    })
}

fn username_entries(profile: Profile) -> impl Strategy<Value = UsernameEntry> {
    (username(profile), date(profile)).prop_map(|(username, date)| UsernameEntry::new(username, date))
}

fn id_entries(profile: Profile) -> impl Strategy<Value = IdEntry> {
    (user_id(profile), date(profile)).prop_map(|(id, date)| IdEntry::new(id, date))
}

fn groups(profile: Profile) -> impl Strategy<Value = SearchGroup> {
    (group_id(profile), optional_username(profile), title(profile), date(profile)).prop_map(
        |(id, username, title, date_updated)| {
            let mut group = SearchGroup::new(id, title).with_date_updated(date_updated);
            group.username = username;
            group
        },
    )
}

fn extreme(profile: Profile) -> impl Strategy<Value = SearchAnswer> {
    let histories = (vec(username_entries(profile), lengths(3)), vec(id_entries(profile), lengths(2)));
    let groups = vec(groups(profile), lengths(12));
    (users(profile), histories, groups, more(profile)).prop_map(
        |(user, (username_history, id_history), groups, unlisted)| {
            let mut answer = SearchAnswer::default();
            answer.username_history = username_history;
            answer.id_history = id_history;
            answer.meta.known_num_groups =
                u64::try_from(groups.len()).unwrap_or(u64::MAX).saturating_add(unlisted);
            answer.meta.op_cost = 1;
            answer.groups = groups;
            answer.user = Some(user);
            settle(&mut answer);
            // An id of 0 means an unknown account.
            answer.user = answer.user.filter(|user| user.id != 0);
            answer
        },
    )
}

/// Makes counts and query consistent with the rest of the answer.
fn settle(answer: &mut SearchAnswer) {
    let Some(user) = &answer.user else { return };
    // The query that finds this account.
    answer.meta.search_query = user.username.clone().unwrap_or_else(|| user.id.to_string());
    answer.meta.num_groups = u64::try_from(answer.groups.len()).unwrap_or(u64::MAX);
    answer.meta.known_num_groups = answer.meta.known_num_groups.max(answer.meta.num_groups);
}

impl Generate for Search {
    fn requests() -> SBoxedStrategy<Self> {
        user_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SearchAnswer> {
        match profile {
            Profile::Typical => TYPICAL.sboxed(),
            Profile::Extreme | Profile::Undocumented => extreme(profile).sboxed(),
        }
    }

    fn answer_in(&self, world: &World) -> SearchAnswer {
        world.find(&self.query).map(|person| world.search(&person)).unwrap_or_default()
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        world.find(&self.query).map(|person| person.num_groups)
    }

    fn apply_billing(&self, answer: &mut SearchAnswer, billing: &Billing) {
        answer.meta.search_query = match &self.query {
            UserQuery::Username(username) => username.as_str().to_owned(),
            UserQuery::Id(id) => id.as_i64().to_string(),
        };
        answer.meta.op_cost = billing.op_cost;
    }
}
