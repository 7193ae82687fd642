//! Random user checks.

use proptest::strategy::{SBoxedStrategy, Strategy};
use tgscan_core::types::{UserCheck, UserCheckAnswer, UserQuery};

use super::counts::more;
use super::draw_strategy::{DrawStrategy, Part, WORLD, keep_chars, one, to};
use super::rng::Rng;
use super::values;
use super::world::Person;
use super::{Billing, Generate, Profile, World, user_queries};

/// Checks of people in the world.
const TYPICAL: DrawStrategy<UserCheckAnswer> =
    DrawStrategy { profile: Profile::Typical, draw, parts: PARTS, settle: |_| {} };

/// A field of the user.
macro_rules! user {
    ($field:ident) => {
        one!(|answer: &mut UserCheckAnswer| {
            answer.user.as_mut().is_some_and(|user| to(&mut user.$field, false))
        })
    };
}

const PARTS: &[Part<UserCheckAnswer>] = &[
    one!(|answer: &mut UserCheckAnswer| to(&mut answer.meta.known_num_groups, 0)),
    user!(username),
    user!(first_name),
    user!(last_name),
    one!(|answer: &mut UserCheckAnswer| keep_chars::<5>(&mut answer.meta.search_query)),
];

fn draw(_: Profile, rng: &mut Rng) -> UserCheckAnswer {
    let person = WORLD.any_person(rng);
    let mut answer = check(&person);
    answer.meta.search_query = person.username.unwrap_or_else(|| person.id.to_string());
    answer
}

fn check(person: &Person) -> UserCheckAnswer {
    let mut answer = UserCheckAnswer::default();
    let user = answer.user.get_or_insert_default();
    user.username = person.username.is_some();
    user.first_name = true;
    user.last_name = person.last_name.is_some();
    answer.meta.known_num_groups = person.num_groups + person.unlisted;
    answer
}

fn extreme(profile: Profile) -> impl Strategy<Value = UserCheckAnswer> {
    let known = (proptest::bool::ANY, proptest::bool::ANY, proptest::bool::ANY);
    (known, values::username(profile), more(profile)).prop_map(
        |((username, first_name, last_name), search_query, known_num_groups)| {
            let mut answer = UserCheckAnswer::default();
            let user = answer.user.get_or_insert_default();
            user.username = username;
            user.first_name = first_name;
            user.last_name = last_name;
            answer.meta.search_query = search_query;
            answer.meta.known_num_groups = known_num_groups;
            answer
        },
    )
}

impl Generate for UserCheck {
    fn requests() -> SBoxedStrategy<Self> {
        user_queries().prop_map(|query| Self { query }).sboxed()
    }

    fn answers(profile: Profile) -> SBoxedStrategy<UserCheckAnswer> {
        match profile {
            Profile::Typical => TYPICAL.sboxed(),
            Profile::Extreme | Profile::Undocumented => extreme(profile).sboxed(),
        }
    }

    fn answer_in(&self, world: &World) -> UserCheckAnswer {
        world.find(&self.query).map(|person| check(&person)).unwrap_or_default()
    }

    fn num_groups_in(&self, world: &World) -> Option<u64> {
        world.find(&self.query).map(|_| 0)
    }

    fn apply_billing(&self, answer: &mut UserCheckAnswer, billing: &Billing) {
        answer.meta.search_query = match &self.query {
            UserQuery::Username(username) => username.as_str().to_owned(),
            UserQuery::Id(id) => id.as_i64().to_string(),
        };
        answer.meta.op_cost = billing.op_cost;
    }
}
