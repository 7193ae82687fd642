//! Random user checks.

use proptest::bool;
use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{UserCheck, UserCheckAnswer};

use super::search::text;
use super::values::{count, user_query, username};
use super::{Generate, Profile, World};

impl Generate for UserCheck {
    fn requests() -> SBoxedStrategy<Self> {
        user_query().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<UserCheckAnswer> {
        ((bool::ANY, bool::ANY, bool::ANY), username(profile), count(profile, 0))
            .prop_map(|((username, first_name, last_name), search_query, known_num_groups)| {
                let mut answer = UserCheckAnswer::default();
                let user = answer.user.get_or_insert_default();
                user.username = username;
                user.first_name = first_name;
                user.last_name = last_name;
                answer.meta.search_query = search_query;
                answer.meta.known_num_groups = known_num_groups;
                answer
            })
            .sboxed()
    }

    fn answer_in(&self, world: &World) -> Option<UserCheckAnswer> {
        let person = world.find(&self.query)?;
        let mut answer = UserCheckAnswer::default();
        let user = answer.user.get_or_insert_default();
        user.username = person.username.is_some();
        user.first_name = true;
        user.last_name = person.last_name.is_some();
        answer.meta.known_num_groups = person.num_groups + person.unlisted;
        Some(answer)
    }

    fn apply_billing(&self, answer: &mut UserCheckAnswer, op_cost: u64, _: i64) {
        answer.meta.search_query = text(&self.query);
        answer.meta.op_cost = op_cost;
    }
}
