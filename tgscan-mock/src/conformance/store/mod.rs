//! A conformance suite for stores: random sequences of questions, answers, crashes, erasures and comparisons. After each step,
//! the store is compared with the service's charges and with a model of the calls.
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
use crate::data::Rng;
use course::play;
use step::Step;

const STEPS: usize = 40;

/// A store that the suite can open and crash.
pub trait StoreUnderTest {
    /// Opens the store: empty the first time, with its durable data after a crash. The suite drops the previous handle
    /// first.
    fn open(&mut self) -> Arc<dyn Store>;

    /// Simulates a crash of the owner: when the store is opened again, its calls in flight belong to a lost owner.
    fn crash(&mut self);

    /// Moves the store's clock forward.
    fn advance(&mut self, duration: Duration);
}

/// A requirement on stores; see [`tgscan_core::store`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    DurableClaim,
    DurableAnswer,
    OneClaim,
    Uncertain,
    Cap,
    Expiry,
    Isolation,
    Accounting,
    Resolving,
    Erasing,
    Release,
    Indexes,
}

/// The rules with their texts, in the order of the report.
const RULES: [(Rule, &str); 12] = [
    (Rule::DurableClaim, "a claim is stored before its request is sent, and survives a crash"),
    (Rule::DurableAnswer, "an answer survives a crash, byte for byte"),
    (Rule::OneClaim, "equal questions that are asked concurrently are sent once"),
    (Rule::Uncertain, "an uncertain or unanswered call blocks its question until it is resolved"),
    (Rule::Cap, "a cap counts the calls of all owners"),
    (Rule::Expiry, "questions and answers expire"),
    (Rule::Isolation, "accounts do not mix"),
    (Rule::Accounting, "totals, calls and journal agree with the service"),
    (Rule::Resolving, "uncertain calls can be resolved by comparison and by hand"),
    (Rule::Erasing, "erasing a person removes questions and answers, and keeps their cost"),
    (Rule::Release, "the claim of a dropped caller is released"),
    (Rule::Indexes, "indexes agree with the rows"),
];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RULES.iter().filter(|(rule, _)| rule == self).try_for_each(|(_, text)| f.write_str(text))
    }
}

/// A rule that a store broke.
struct BrokenRule {
    rule: Rule,
    what: String,
}

type Result<T = ()> = std::result::Result<T, BrokenRule>;

/// Returns an error with this rule, unless it holds.
fn check(holds: bool, rule: Rule, what: impl FnOnce() -> String) -> Result {
    if holds { Ok(()) } else { Err(BrokenRule { rule, what: what() }) }
}

/// Runs `courses` random sequences of steps, each on a new, empty store. The report has a shortened sequence for each
/// broken rule. The same seed gives the same sequences.
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
    for (rule, text) in RULES {
        let problem = found.iter().find(|(found, _)| *found == rule).map(|(_, what)| what.clone());
        report.add(text, problem.map_or(Ok(()), |problem| Err(problem.into())));
    }
    report
}

/// Removes steps as long as the same rule is broken.
async fn shorten<S: StoreUnderTest>(
    new: &impl Fn() -> S,
    mut steps: Vec<Step>,
    mut broken: BrokenRule,
) -> (Vec<Step>, BrokenRule) {
    // The last step breaks the rule, so it stays.
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
