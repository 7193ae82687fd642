//! A conformance suite for stores: random courses of questions, answers, crashes, erasures and comparisons, checked after
//! each step against what the service and the callers know.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! # use tgscan_mock::core::store::Store;
//! # use tgscan_mock::conformance::store::StoreUnderTest;
//! # struct MyStore;
//! # impl MyStore { fn empty() -> Self { Self } }
//! # impl StoreUnderTest for MyStore {
//! #     fn open(&mut self) -> Arc<dyn Store> { unimplemented!() }
//! #     fn crash(&mut self) {}
//! #     fn advance(&mut self, _: Duration) {}
//! # }
//! # async fn test() {
//! let report = tgscan_mock::conformance::store::run(1, 100, MyStore::empty).await;
//! println!("{report}");
//! report.assert_passed();
//! # }
//! ```

mod ask;
mod change;
mod check;
mod course;
mod model;
mod process;
mod step;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tgscan_core::store::Store;

use super::Report;
use course::play;
use step::{Rng, Step};

/// Steps of a course.
const STEPS: usize = 40;

/// A store that the suite can open, and whose owner it can lose.
pub trait StoreUnderTest {
    /// Opens the store: an empty one first, and after a crash what is left of it. The suite drops the last one before.
    fn open(&mut self) -> Arc<dyn Store>;

    /// Ends the owner as a crash does: its calls in flight belong to a lost owner when the store is opened again.
    fn crash(&mut self);

    /// Moves the store's clock forward.
    fn advance(&mut self, duration: Duration);
}

/// What a store must hold; see [`tgscan_core::store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A claim is on record before its request is sent, and survives a crash.
    DurableClaim,
    /// An answer survives a crash, byte for byte.
    DurableAnswer,
    /// Equal questions that are asked concurrently are sent once.
    OneClaim,
    /// A call whose owner was lost, or which ended without an answer, blocks its question until it is resolved.
    Uncertain,
    /// A cap counts the calls of all owners.
    Cap,
    /// Answers above `max_age` are not used, and questions and answers are removed when they are due.
    Expiry,
    /// Accounts do not mix.
    Isolation,
    /// Charged credits are at most what the account lost, and that is at most charged and uncertain credits. The calls and
    /// the journal explain the totals.
    Accounting,
    /// A comparison, a purchase and a person can resolve uncertain calls.
    Resolving,
    /// Erasing a person removes questions and answers, and leaves what they cost.
    Erasing,
    /// A claim whose caller is gone is given back.
    Release,
    /// Indexes follow from the rows.
    Indexes,
}

impl Rule {
    const ALL: [Self; 12] = [
        Self::DurableClaim,
        Self::DurableAnswer,
        Self::OneClaim,
        Self::Uncertain,
        Self::Cap,
        Self::Expiry,
        Self::Isolation,
        Self::Accounting,
        Self::Resolving,
        Self::Erasing,
        Self::Release,
        Self::Indexes,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DurableClaim => "a claim survives a crash",
            Self::DurableAnswer => "an answer survives a crash, byte for byte",
            Self::OneClaim => "equal questions are sent once",
            Self::Uncertain => "an uncertain call blocks its question",
            Self::Cap => "a cap counts all owners",
            Self::Expiry => "questions and answers expire",
            Self::Isolation => "accounts do not mix",
            Self::Accounting => "totals, calls and journal agree with the service",
            Self::Resolving => "comparison, purchase and person resolve uncertain calls",
            Self::Erasing => "erasing removes questions and answers only",
            Self::Release => "an abandoned claim is given back",
            Self::Indexes => "indexes follow from the rows",
        })
    }
}

/// A rule that a store broke.
struct Broken {
    rule: Rule,
    what: String,
}

type Result<T = ()> = std::result::Result<T, Broken>;

/// Returns an error with this rule, unless it holds.
fn check(holds: bool, rule: Rule, what: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(Broken { rule, what: what() }) }
}

/// Runs random courses from a seed, each on a new, empty store. For each rule that is broken, the report has the shortest
/// course that was found.
pub async fn run<S: StoreUnderTest>(seed: u64, courses: u64, new: impl Fn() -> S) -> Report {
    let mut found: Vec<(Rule, String)> = Vec::new();
    for course in 0..courses {
        let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(course));
        let mut steps: Vec<Step> = (0..STEPS).map(|_| Step::random(&mut rng)).collect();
        let Err((length, broken)) = play(&mut new(), &steps).await else { continue };
        if found.iter().any(|(rule, _)| *rule == broken.rule) {
            continue;
        }
        steps.truncate(length);
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
    // The last step is the one that shows it.
    let mut at = steps.len().saturating_sub(1);
    while at > 0 {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        match play(&mut new(), &fewer).await {
            Err((length, still)) if still.rule == broken.rule => {
                (steps, broken) = (fewer, still);
                steps.truncate(length);
                at = at.min(length);
            }
            _ => {}
        }
    }
    (steps, broken)
}
