//! Random searches.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{IdEntry, Search, SearchAnswer, SearchGroup, SearchUser, UserQuery, UsernameEntry};

use super::values::{count, date, group_id, lengths, name, optional, title, user_id, user_query, username};
use super::{Generate, Profile, World};

fn users(profile: Profile) -> impl Strategy<Value = SearchUser> {
    let names = (optional(username(profile)), name(profile), optional(name(profile)));
    (user_id(profile), names).prop_map(|(id, (username, first_name, last_name))| {
        let mut user = SearchUser::new(id);
        user.username = username;
        user.first_name = first_name;
        user.last_name = last_name;
        user
    })
}

fn groups(profile: Profile) -> impl Strategy<Value = SearchGroup> {
    (group_id(profile), optional(username(profile)), title(profile), date(profile)).prop_map(
        |(id, username, title, date_updated)| {
            let mut group = SearchGroup::new(id, title).with_date_updated(date_updated);
            group.username = username;
            group
        },
    )
}

impl Generate for Search {
    fn requests() -> SBoxedStrategy<Self> {
        user_query().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SearchAnswer> {
        let usernames =
            (username(profile), date(profile)).prop_map(|(name, date)| UsernameEntry::new(name, date));
        let ids = (user_id(profile), date(profile)).prop_map(|(id, date)| IdEntry::new(id, date));
        let histories = (vec(usernames, lengths(profile, 3)), vec(ids, lengths(profile, 2)));
        let groups = vec(groups(profile), lengths(profile, 30));
        (users(profile), histories, groups, count(profile, 0))
            .prop_map(|(user, (username_history, id_history), groups, unlisted)| {
                let mut answer = SearchAnswer::default();
                answer.username_history = username_history;
                answer.id_history = id_history;
                // The query that finds this account.
                answer.meta.search_query = user.username.clone().unwrap_or_else(|| user.id.to_string());
                answer.meta.num_groups = u64::try_from(groups.len()).unwrap_or(u64::MAX);
                answer.meta.known_num_groups = answer.meta.num_groups.saturating_add(unlisted);
                answer.meta.op_cost = 1;
                answer.groups = groups;
                // An id of 0 means an unknown account.
                answer.user = Some(user).filter(|user| user.id != 0);
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, world: &World) -> Option<SearchAnswer> {
        world.find(&self.query).map(|person| world.search(&person))
    }

    fn num_groups(answer: &SearchAnswer) -> usize {
        answer.groups.len()
    }

    fn apply_billing(&self, answer: &mut SearchAnswer, op_cost: u64, _: i64) {
        answer.meta.search_query = text(&self.query);
        answer.meta.op_cost = op_cost;
    }
}

/// Returns a query as answers repeat it.
pub(super) fn text(query: &UserQuery) -> String {
    match query {
        UserQuery::Username(username) => username.as_str().to_owned(),
        UserQuery::Id(id) => id.as_i64().to_string(),
    }
}
