//! Random data in the shape of the API's answers: proptest strategies, one file per API method.
//!
//! Use them in your property tests (in `proptest!`, where answers shrink part by part), or draw single values from a
//! seed with [`sample`]. `Debug` of answers hides their texts and ids. To see those of a minimal failure, add
//! `.prop_map(Revealed)` ([`Revealed`](crate::types::Revealed)) to the strategy.
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
//! The mock answers from a consistent set of people and groups, which the seed determines. A person has the same id,
//! names, histories and groups for every method, by name in any case or by id; a group has one id, name and title. Every
//! other username is also a person. Its id finds the same person until the mock has seen 100,000 such usernames.
//!
#![doc = include_str!("shapes.md")]

mod balance;
mod date;
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
use serde::Deserialize;
use tgscan_core::types::ApiMethod;

#[doc(hidden)]
pub use crate::engine::visit_all;
pub(crate) use date::{TODAY, date, parse_date};
#[cfg(feature = "conformance")]
pub(crate) use seed::Rng;
pub(crate) use seed::Seed;
pub(crate) use wire::{ids_as_numbers, unusual_form};
#[doc(hidden)]
pub use world::World;

/// The kind of random data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
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
pub trait Generate: ApiMethod<Answer: fmt::Debug + Default> + fmt::Debug {
    /// Returns a strategy for valid requests.
    fn requests() -> SBoxedStrategy<Self>;

    /// Returns a strategy for valid answers with consistent counts.
    fn answers(profile: Profile) -> SBoxedStrategy<Self::Answer>;

    /// Returns the answer to this request, or `None` if the world has no data for its query.
    #[doc(hidden)]
    fn answer_in(&self, world: &World) -> Option<Self::Answer>;

    /// Returns the number of groups in an answer, on which its cost can depend.
    #[doc(hidden)]
    fn num_groups(_: &Self::Answer) -> usize {
        0
    }

    /// Makes a random answer the answer to this request: sets its query, its cost, and the balance after the call.
    #[doc(hidden)]
    fn apply_billing(&self, answer: &mut Self::Answer, op_cost: u64, num_credits: i64);
}

/// A generic callback for [`visit_all`], which calls it once for each API method.
#[doc(hidden)]
pub trait GenerateVisitor {
    /// Visits the API method `M`.
    fn visit<M: Generate>(&mut self);
}

/// Draws one value from a strategy. The same seed gives the same value on every machine.
///
/// # Panics
/// If the strategy rejects too many values; those of this crate reject none.
pub fn sample<S: Strategy>(strategy: &S, seed: u64) -> S::Value {
    // Built once, since `Config::default` reads the environment. None of those settings affects the values.
    static CONFIG: LazyLock<Config> =
        LazyLock::new(|| Config { failure_persistence: None, ..Config::default() });
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &Seed::new(seed).bytes());
    let mut runner = TestRunner::new_with_rng(CONFIG.clone(), rng);
    strategy.new_tree(&mut runner).expect("the strategy rejects no values").current()
}
