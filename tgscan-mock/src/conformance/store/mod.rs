//! A conformance suite for stores: random orders of claims, settlements, drops, deaths and clock steps, compared with a
//! model after each step.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use tgscan_mock::core::store::Store;
//! # use tgscan_mock::conformance::store::StoreUnderTest;
//! # struct MyStore;
//! # impl MyStore { fn empty() -> Self { Self } }
//! # impl StoreUnderTest for MyStore {
//! #     fn open(&mut self) -> Arc<dyn Store> { unimplemented!() }
//! #     fn crash(&mut self) {}
//! #     fn advance(&mut self, _: i64) {}
//! # }
//! # async fn test() {
//! let report = tgscan_mock::conformance::store::run(1, 100, MyStore::empty).await;
//! println!("{report}");
//! report.assert_passed();
//! # }
//! ```

mod model;
mod run;
mod step;

use std::fmt;
use std::sync::Arc;

use tgscan_core::store::Store;

use super::Report;
use run::play;
use step::{Rng, Step};

/// How many steps a course has.
const STEPS: usize = 40;

/// A store that the suite can open, and whose owner it can let die.
pub trait StoreUnderTest {
    /// Opens the store: an empty one at first, and after a crash what is left of it. The last one is dropped before.
    fn open(&mut self) -> Arc<dyn Store>;

    /// Ends the owner as a crash would: what was in flight belongs to a dead one when the store is opened again.
    fn crash(&mut self);

    /// Moves the store's clock by so many hours; back, if they are negative.
    fn advance(&mut self, hours: i64);
}

/// What a store must hold; see [`tgscan_core::store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A granted claim survives a crash.
    DurableClaim,
    /// An answer survives a crash, byte for byte.
    DurableAnswer,
    /// One claim per question.
    OneClaim,
    /// A claim whose owner died, or which was dropped in flight, is uncertain until it is settled.
    DeadOwner,
    /// The cap counts charged, in flight and uncertain calls of everyone.
    Cap,
    /// Answers above `max_age` are not used, and nothing outlives `keep_for`.
    Expiry,
    /// Accounts do not mix, nor do live and test.
    Isolation,
    /// A call costs what its settlement says; totals and bill are the sums of the calls.
    Accounting,
    /// What is uncertain is settled by the balance, also after a purchase, and by hand.
    Settling,
    /// Erasing removes questions and answers, and leaves the bill.
    Erasing,
    /// A claim that cost nothing, or was never received, leaves nothing.
    Release,
}

impl Rule {
    const ALL: [Self; 11] = [
        Self::DurableClaim,
        Self::DurableAnswer,
        Self::OneClaim,
        Self::DeadOwner,
        Self::Cap,
        Self::Expiry,
        Self::Isolation,
        Self::Accounting,
        Self::Settling,
        Self::Erasing,
        Self::Release,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DurableClaim => "a granted claim survives a crash",
            Self::DurableAnswer => "an answer survives a crash, byte for byte",
            Self::OneClaim => "one claim per question",
            Self::DeadOwner => "a dead owner leaves an uncertain call",
            Self::Cap => "the cap counts everyone",
            Self::Expiry => "nothing outlives its time",
            Self::Isolation => "accounts, live and test do not mix",
            Self::Accounting => "totals and bill are the sums of the calls",
            Self::Settling => "balance, purchase and hand settle what is uncertain",
            Self::Erasing => "erasing leaves the bill and nothing else",
            Self::Release => "a claim that cost nothing leaves nothing",
        })
    }
}

/// A rule that a store broke.
pub(super) struct Broken {
    pub(super) rule: Rule,
    pub(super) what: String,
}

/// Runs so many random courses from a seed, each on a new, empty store. For each rule that is broken, the report has the
/// shortest course that was found.
pub async fn run<S: StoreUnderTest>(seed: u64, courses: u64, new: impl Fn() -> S) -> Report {
    let mut found: Vec<(Rule, String)> = Vec::new();
    for course in 0..courses {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(course));
        let steps: Vec<Step> = (0..STEPS).map(|_| Step::random(&mut rng)).collect();
        let Err(broken) = play(&mut new(), &steps).await else { continue };
        if found.iter().any(|(rule, _)| *rule == broken.rule) {
            continue;
        }
        let (steps, broken) = shorten(&new, steps, broken).await;
        let course: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        found.push((broken.rule, format!("{}; after {}", broken.what, course.join(", "))));
    }
    let mut report = Report::default();
    for rule in Rule::ALL {
        let problem = found.iter().find(|(found, _)| *found == rule).map(|(_, what)| what.clone());
        report.add(rule.to_string(), problem.map_or(Ok(()), |problem| Err(problem.into())));
    }
    report
}

/// Leaves out steps as long as the same rule is broken.
async fn shorten<S: StoreUnderTest>(
    new: &impl Fn() -> S,
    mut steps: Vec<Step>,
    mut broken: Broken,
) -> (Vec<Step>, Broken) {
    let mut at = steps.len();
    while at > 0 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        match play(&mut new(), &fewer).await {
            Err(still) if still.rule == broken.rule => (steps, broken) = (fewer, still),
            _ => {}
        }
    }
    (steps, broken)
}
