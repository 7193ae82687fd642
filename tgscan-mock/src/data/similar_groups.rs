//! Random similar groups.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{GroupQuery, SimilarGroup, SimilarGroups, SimilarGroupsAnswer};

use super::values::{count, group_query, lengths, title, username};
use super::{Generate, Profile, World};

impl Generate for SimilarGroups {
    fn requests() -> SBoxedStrategy<Self> {
        group_query().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SimilarGroupsAnswer> {
        let groups = (username(profile), title(profile), count(profile, 1))
            .prop_map(|(username, title, num_users)| SimilarGroup::new(username, title, num_users));
        (vec(username(profile), 1..=GroupQuery::MAX_USERNAMES), vec(groups, lengths(profile, 20)))
            .prop_map(|(search_query, groups)| {
                let mut answer = SimilarGroupsAnswer::default();
                answer.meta.search_query = search_query;
                answer.meta.op_cost = 1;
                answer.groups = groups;
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, world: &World) -> Option<SimilarGroupsAnswer> {
        let mut answer = SimilarGroupsAnswer::default();
        answer.groups = world.similar(self.query.usernames());
        Some(answer)
    }

    fn num_groups(answer: &SimilarGroupsAnswer) -> usize {
        answer.groups.len()
    }

    fn apply_billing(&self, answer: &mut SimilarGroupsAnswer, op_cost: u64, _: i64) {
        answer.meta.search_query = self.query.usernames().map(str::to_owned).collect();
        answer.meta.op_cost = op_cost;
    }
}
