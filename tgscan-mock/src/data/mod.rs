//! Random data in the shape of the API's answers: proptest strategies, one file per API method.
//!
//! They are for your property tests (in `proptest!`, where answers shrink part by part) and for values of your own (through
//! [`sample`], with a seed). Typical answers are those of a mock with seed 0: whoever is drawn, its client finds.
//!
//! ```
//! use proptest::prelude::*;
//! use tgscan_mock::data::{Generate, Profile};
//! use tgscan_mock::types::Search;
//!
//! proptest!(|(answer in Search::answers(Profile::Typical))| {
//!     prop_assert!(answer.meta.num_groups <= answer.meta.known_num_groups);
//! });
//!
//! // Pin a field, and keep the rest random.
//! let unnamed = Search::answers(Profile::Typical).prop_map(|mut answer| {
//!     answer.user.get_or_insert_default().username = None;
//!     answer
//! });
//! let answer = tgscan_mock::data::sample(&unnamed, 7);
//! assert_eq!(answer, tgscan_mock::data::sample(&unnamed, 7), "the same seed gives the same data");
//! ```
//!
//! # The mock's world
//!
//! The mock itself answers from one world per seed: a person has one id, names, histories and groups, whichever method
//! asks, by name in any case or by id, and a group has one id, name and title. A username of your own is a person too;
//! the id that it was given leads back to it as long as the mock lives.
//!
#![doc = include_str!("shapes.md")]

mod balance;
mod date;
mod drawn;
mod leaf;
mod revealed;
mod search;
mod seed;
mod similar_groups;
mod user_check;
mod values;
mod wire;
mod world;

use std::fmt;
use std::sync::LazyLock;

use proptest::strategy::{SBoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tgscan_core::types::ApiMethod;

pub use crate::engine::visit_all;
pub(crate) use date::Date;
pub use revealed::{Revealed, revealed};
pub(crate) use seed::Seed;
pub use values::{
    dates, first_names, group_ids, group_queries, titles, user_ids, user_queries, usernames, valid_usernames,
};
pub(crate) use wire::hostile_form;
pub use world::World;

/// What the data looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Like real Telegram data: usernames, titles in many scripts and with emoji, plausible ids, counts and dates.
    #[default]
    Typical,
    /// As the documentation allows it, and as unpleasant as that allows: empty and huge lists, empty texts, right-to-left
    /// and zero-width characters, extreme ids, odd dates.
    Extreme,
    /// Beyond the documentation, which a tolerant reader accepts: as `Extreme`, and written in odd forms: unknown fields,
    /// null or nothing for empty lists and texts, ids as number or text, `result` before `status`. Breaks the mock's
    /// own OpenAPI document.
    Undocumented,
}

/// Random requests and answers of an API method.
pub trait Generate: ApiMethod<Answer: fmt::Debug> + fmt::Debug {
    /// Legal requests.
    fn requests() -> SBoxedStrategy<Self>;

    /// Legal answers, whose counts agree with each other.
    fn answers(profile: Profile) -> SBoxedStrategy<Self::Answer>;

    /// The answer to this request in a world, where a person is the same whichever method asks.
    fn answer_in(&self, world: &World) -> Self::Answer;

    /// How many groups that answer lists; `None` if the world knows nobody under this query.
    fn num_groups_in(&self, world: &World) -> Option<u64>;

    /// Makes a random answer the answer to this request: echoes the query, states cost and balance.
    fn apply_billing(&self, answer: &mut Self::Answer, billing: &Billing);
}

/// Called once per API method by [`visit_all`], with the method's type.
pub trait GenerateVisitor {
    /// Visits the API method `M`.
    fn visit<M: Generate>(&mut self);
}

/// What the account charges for one answer, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Billing {
    /// What the call costs, in credits.
    pub op_cost: u64,
    /// Credits left on the balance after the call.
    pub num_credits: i64,
}

impl Billing {
    /// Creates one.
    pub fn new(op_cost: u64, num_credits: i64) -> Self {
        Self { op_cost, num_credits }
    }
}

/// Draws one value of a strategy. The same seed gives the same value, on every machine.
///
/// # Panics
/// If the strategy rejects too many values; those of this crate reject none.
pub fn sample<S: Strategy>(strategy: &S, seed: u64) -> S::Value {
    strategy.new_tree(&mut runner(seed)).expect("the strategy rejects no values").current()
}

/// A runner whose randomness comes from the seed alone.
fn runner(seed: u64) -> TestRunner {
    // Read once: building it asks the environment for proptest's settings, none of which changes what is drawn here.
    static CONFIG: LazyLock<Config> =
        LazyLock::new(|| Config { failure_persistence: None, ..Config::default() });
    let bytes = Seed::new(seed).bytes();
    TestRunner::new_with_rng(CONFIG.clone(), TestRng::from_seed(RngAlgorithm::XorShift, &bytes))
}
