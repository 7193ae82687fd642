//! Random data in the shape of the API's answers: proptest strategies, one file per API method.
//!
//! Use them in your property tests (in `proptest!`, where answers shrink part by part), or draw single values from a
//! seed with [`sample`]. Typical answers are those of a mock with seed 0, so its client finds the same people.
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
//! The mock answers from one world per seed. A person has the same id, names, histories and groups for every method, by
//! name in any case or by id; a group has one id, name and title. Any other username is a person too, with an id that
//! finds the same person as long as the mock lives.
//!
#![doc = include_str!("shapes.md")]

mod balance;
mod counts;
mod date;
mod draw_strategy;
mod rng;
mod search;
mod seed;
mod similar_groups;
mod user_check;
mod values;
mod wire;
mod with_debug;
mod world;

use std::fmt;
use std::sync::LazyLock;

use proptest::strategy::{SBoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tgscan_core::types::ApiMethod;

pub use crate::engine::visit_all;
pub(crate) use date::Date;
#[cfg(feature = "conformance")]
pub(crate) use rng::Rng;
pub(crate) use seed::Seed;
pub use values::{
    dates, first_names, group_ids, group_queries, titles, user_ids, user_queries, usernames, valid_usernames,
};
pub(crate) use wire::unusual_form;
pub use with_debug::{WithDebug, with_debug};
pub use world::World;

/// The kind of random data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Like real Telegram data: usernames, titles in many scripts and with emoji, plausible ids, counts and dates.
    #[default]
    Typical,
    /// As unusual as the documentation allows: empty and huge lists, empty strings, right-to-left and zero-width
    /// characters, extreme ids, odd dates.
    Extreme,
    /// Beyond the documentation, but accepted by a tolerant reader: like `Extreme`, with unknown fields, null or
    /// missing lists and strings, ids as numbers or strings, and `result` before `status`. Violates the mock's OpenAPI
    /// document.
    Undocumented,
}

/// Random requests and answers of an API method.
pub trait Generate: ApiMethod<Answer: fmt::Debug> + fmt::Debug {
    /// Returns a strategy for valid requests.
    fn requests() -> SBoxedStrategy<Self>;

    /// Returns a strategy for valid answers with consistent counts.
    fn answers(profile: Profile) -> SBoxedStrategy<Self::Answer>;

    /// Returns the answer to this request in a world, where a person is the same for every method.
    fn answer_in(&self, world: &World) -> Self::Answer;

    /// Returns the number of groups in that answer, or `None` if the world has no data for this query.
    fn num_groups_in(&self, world: &World) -> Option<u64>;

    /// Makes a random answer the answer to this request: sets its query, cost and balance.
    fn apply_billing(&self, answer: &mut Self::Answer, billing: &Billing);
}

/// A generic callback for [`visit_all`], which calls it once for each API method.
pub trait GenerateVisitor {
    /// Visits the API method `M`.
    fn visit<M: Generate>(&mut self);
}

/// The credits that the account is charged for one answer, and those that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Billing {
    /// Cost of the call in credits.
    pub op_cost: u64,
    /// Credits left on the balance after the call.
    pub num_credits: i64,
}

impl Billing {
    /// Creates a billing with this cost and this balance after the call.
    pub fn new(op_cost: u64, num_credits: i64) -> Self {
        Self { op_cost, num_credits }
    }
}

/// Draws one value from a strategy. The same seed gives the same value on every machine.
///
/// # Panics
/// If the strategy rejects too many values; those of this crate reject none.
pub fn sample<S: Strategy>(strategy: &S, seed: u64) -> S::Value {
    strategy.new_tree(&mut runner(seed)).expect("the strategy rejects no values").current()
}

/// Creates a runner whose randomness depends only on the seed.
fn runner(seed: u64) -> TestRunner {
    // Built once, since `Config::default` reads the environment. None of those settings affects the values.
    static CONFIG: LazyLock<Config> =
        LazyLock::new(|| Config { failure_persistence: None, ..Config::default() });
    let bytes = Seed::new(seed).bytes();
    TestRunner::new_with_rng(CONFIG.clone(), TestRng::from_seed(RngAlgorithm::XorShift, &bytes))
}
