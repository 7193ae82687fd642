//! Random user checks.

use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{UserCheck, UserCheckAnswer, UserQuery};

use super::values::{self, more};
use super::{Generate, Profile, Terms, World, user_queries};

impl Generate for UserCheck {
    fn requests() -> SBoxedStrategy<Self> {
        user_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<UserCheckAnswer> {
        let known = (proptest::bool::ANY, proptest::bool::ANY, proptest::bool::ANY);
        (known, values::username(profile), more(profile))
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

    fn answer_in(&self, world: &World) -> UserCheckAnswer {
        let mut answer = UserCheckAnswer::default();
        if let Some(person) = world.find(&self.query) {
            let user = answer.user.get_or_insert_default();
            user.username = person.username.is_some();
            user.first_name = true;
            user.last_name = person.last_name.is_some();
            answer.meta.known_num_groups = person.num_groups + person.unlisted;
        }
        answer
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        world.find(&self.query).map(|_| 0)
    }

    fn fit(&self, answer: &mut UserCheckAnswer, terms: &Terms) {
        answer.meta.search_query = match &self.query {
            UserQuery::Username(username) => username.as_str().to_owned(),
            UserQuery::Id(id) => id.as_i64().to_string(),
        };
        answer.meta.op_cost = terms.op_cost;
    }
}
