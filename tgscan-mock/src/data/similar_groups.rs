//! Random similar groups.

use proptest::collection::vec;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{GroupQuery, SimilarGroup, SimilarGroups, SimilarGroupsAnswer};

use super::counts::{lengths, num_users};
use super::draw_strategy::{
    DrawStrategy, Part, WORLD, each, first_char, items, keep_back, keep_chars, keep_front, one, to,
};
use super::rng::Rng;
use super::values::{title, username};
use super::{Billing, Generate, Profile, World, group_queries};

/// Similar groups of a few groups in the world.
const TYPICAL: DrawStrategy<SimilarGroupsAnswer> =
    DrawStrategy { profile: Profile::Typical, draw, parts: PARTS, settle: |_| {} };

/// The longest first, so that the others have less to do.
const PARTS: &[Part<SimilarGroupsAnswer>] = &[
    one!(|answer: &mut SimilarGroupsAnswer| keep_front(&mut answer.groups)),
    one!(|answer: &mut SimilarGroupsAnswer| keep_back(&mut answer.groups)),
    items!(groups),
    // A query has at least one group.
    Part {
        places: |answer| answer.meta.search_query.len() - 1,
        simplify: |answer, place| {
            answer.meta.search_query.remove(place);
            true
        },
    },
    each!(groups, num_users, |count: &mut _| to(count, 1)),
    each!(groups, title, first_char),
    each!(groups, username, keep_chars::<5>),
];

fn draw(_: Profile, rng: &mut Rng) -> SimilarGroupsAnswer {
    let mut answer = SimilarGroupsAnswer::default();
    let most = u64::try_from(GroupQuery::MAX_USERNAMES).unwrap_or(u64::MAX);
    let mut names: Vec<String> = (0..rng.between(1, most)).map(|_| WORLD.group_username(rng)).collect();
    names.sort_unstable();
    names.dedup();
    answer.groups = WORLD.similar(names.iter().map(String::as_str));
    answer.meta.search_query = names;
    answer.meta.op_cost = 1;
    answer
}

fn extreme(profile: Profile) -> impl Strategy<Value = SimilarGroupsAnswer> {
    let queried = vec(username(profile), 1..=GroupQuery::MAX_USERNAMES);
    (queried, vec(groups(profile), lengths(20))).prop_map(|(search_query, groups)| {
        let mut answer = SimilarGroupsAnswer::default();
        answer.meta.search_query = search_query;
        answer.meta.op_cost = 1;
        answer.groups = groups;
        answer
    })
}

fn groups(profile: Profile) -> impl Strategy<Value = SimilarGroup> {
    (username(profile), title(profile), num_users(profile))
        .prop_map(|(username, title, num_users)| SimilarGroup::new(username, title, num_users))
}

impl Generate for SimilarGroups {
    fn requests() -> SBoxedStrategy<Self> {
        group_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<SimilarGroupsAnswer> {
        match profile {
            Profile::Typical => TYPICAL.sboxed(),
            Profile::Extreme | Profile::Undocumented => extreme(profile).sboxed(),
        }
    }

    fn answer_in(&self, world: &World) -> SimilarGroupsAnswer {
        let mut answer = SimilarGroupsAnswer::default();
        answer.groups = world.similar(self.query.usernames());
        answer
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        Some(u64::try_from(world.similar(self.query.usernames()).len()).unwrap_or(u64::MAX))
    }

    fn apply_billing(&self, answer: &mut SimilarGroupsAnswer, billing: &Billing) {
        answer.meta.search_query = self.query.usernames().map(str::to_owned).collect();
        answer.meta.op_cost = billing.op_cost;
    }
}
