//! Random similar groups.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{SimilarGroup, SimilarGroups, SimilarGroupsAnswer};

use super::values::{lengths, num_users, title, username};
use super::{Generate, Profile, Terms, World, group_queries};

fn groups(profile: Profile) -> impl Strategy<Value = SimilarGroup> {
    (username(profile), title(profile), num_users(profile)).prop_map(|(username, title, num_users)| {
        let mut group = SimilarGroup::default();
        group.username = username;
        group.title = title;
        group.num_users = num_users;
        group
    })
}

impl Generate for SimilarGroups {
    fn requests() -> SBoxedStrategy<Self> {
        group_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SimilarGroupsAnswer> {
        let queried = vec(username(profile), 1..=10);
        (queried, vec(groups(profile), lengths(profile, 20)))
            .prop_map(|(search_query, groups)| {
                let mut answer = SimilarGroupsAnswer::default();
                answer.meta.search_query = search_query;
                answer.meta.op_cost = 1;
                answer.groups = groups;
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, world: &World) -> SimilarGroupsAnswer {
        let mut answer = SimilarGroupsAnswer::default();
        answer.groups = world.similar(self.query.usernames());
        answer
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        Some(u64::try_from(world.similar(self.query.usernames()).len()).unwrap_or(u64::MAX))
    }

    fn fit(&self, answer: &mut SimilarGroupsAnswer, terms: &Terms) {
        answer.meta.search_query = self.query.usernames().map(str::to_owned).collect();
        answer.meta.op_cost = terms.op_cost;
    }
}
