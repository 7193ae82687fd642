//! Random similar groups.

use proptest::collection::vec;
use proptest::prop_oneof;
use proptest::strategy::{Just, SBoxedStrategy, Strategy};
use tgscan_core::types::{SimilarGroup, SimilarGroups, SimilarGroupsAnswer};

use super::values::{answer_usernames, lengths};
use super::{Generate, Profile, Terms, group_queries, titles};

fn groups(profile: Profile) -> impl Strategy<Value = SimilarGroup> {
    let users = match profile {
        Profile::Typical => (1_u64..200_000).sboxed(),
        Profile::Hostile => prop_oneof![Just(0), Just(u64::MAX), 1_u64..10].sboxed(),
    };
    (answer_usernames(profile), titles(profile), users).prop_map(|(username, title, num_users)| {
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
        let queried = vec(answer_usernames(profile), 1..=10);
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

    fn fit(&self, answer: &mut SimilarGroupsAnswer, terms: &Terms) {
        answer.meta.search_query = self.query.usernames().map(str::to_owned).collect();
        answer.meta.op_cost = terms.op_cost;
    }
}
