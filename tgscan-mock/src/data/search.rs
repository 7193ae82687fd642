//! Random searches.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{IdEntry, Search, SearchAnswer, SearchGroup, SearchUser, UserQuery, UsernameEntry};

use super::values::{
    date, first_name, group_id, lengths, more, optional_name, optional_username, title, user_id, username,
};
use super::{Generate, Profile, Terms, World, user_queries};

fn users(profile: Profile) -> impl Strategy<Value = SearchUser> {
    let names = (optional_username(profile), first_name(profile), optional_name(profile));
    (user_id(profile), names).prop_map(|(id, (username, first_name, last_name))| {
        let mut user = SearchUser::default();
        user.id = id;
        user.username = username;
        user.first_name = first_name;
        user.last_name = last_name;
        user
    })
}

fn username_entries(profile: Profile) -> impl Strategy<Value = UsernameEntry> {
    (username(profile), date(profile)).prop_map(|(username, date)| {
        let mut entry = UsernameEntry::default();
        entry.username = username;
        entry.date = date;
        entry
    })
}

fn id_entries(profile: Profile) -> impl Strategy<Value = IdEntry> {
    (user_id(profile), date(profile)).prop_map(|(id, date)| {
        let mut entry = IdEntry::default();
        entry.id = id;
        entry.date = date;
        entry
    })
}

fn groups(profile: Profile) -> impl Strategy<Value = SearchGroup> {
    (group_id(profile), optional_username(profile), title(profile), date(profile)).prop_map(
        |(id, username, title, date_updated)| {
            let mut group = SearchGroup::default();
            group.id = Some(id);
            group.username = username;
            group.title = title;
            group.date_updated = date_updated;
            group
        },
    )
}

impl Generate for Search {
    fn requests() -> SBoxedStrategy<Self> {
        user_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SearchAnswer> {
        let histories = (
            vec(username_entries(profile), lengths(profile, 3)),
            vec(id_entries(profile), lengths(profile, 2)),
        );
        let groups = vec(groups(profile), lengths(profile, 12));
        (users(profile), histories, groups, more(profile))
            .prop_map(|(user, (username_history, id_history), groups, unlisted)| {
                let mut answer = SearchAnswer::default();
                // The query by which a caller would have found this account.
                answer.meta.search_query = match &user.username {
                    Some(username) => username.clone(),
                    None => user.id.to_string(),
                };
                // Nobody has the id 0, so that it reads as nobody.
                answer.user = Some(user).filter(|user| user.id != 0);
                answer.username_history = username_history;
                answer.id_history = id_history;
                answer.meta.num_groups = u64::try_from(groups.len()).unwrap_or(u64::MAX);
                answer.meta.known_num_groups = answer.meta.num_groups.saturating_add(unlisted);
                answer.meta.op_cost = 1;
                answer.groups = groups;
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, world: &World) -> SearchAnswer {
        world.find(&self.query).map(|person| world.search(&person)).unwrap_or_default()
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        world.find(&self.query).map(|person| person.num_groups)
    }

    fn fit(&self, answer: &mut SearchAnswer, terms: &Terms) {
        answer.meta.search_query = match &self.query {
            UserQuery::Username(username) => username.as_str().to_owned(),
            UserQuery::Id(id) => id.as_i64().to_string(),
        };
        answer.meta.op_cost = terms.op_cost;
    }
}
