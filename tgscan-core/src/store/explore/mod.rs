//! A model checker for the rules of calls and accounts: explores every order in which two processes ask questions, crash,
//! are suspended, lose replies of the store and compare, and in which the service charges.
//!
//! Runs the production code: [`decide`](super::decide), [`Machine`](crate::call::machine::Machine) and the book. A [`World`]
//! surrounds it with tables in memory, a service that records the actual charges, and a clock. A [`Scenario`] limits the events,
//! so that all of its states can be visited. The [`promises`] are checked in each state, from the actual charges and the
//! results that callers receive, independently of the rules.

mod calls;
mod fingerprint;
mod promises;
mod scenarios;
mod state;
mod steps;
mod tables;
mod tests;
mod world;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use fingerprint::fingerprint;
use scenarios::Scenario;
use state::BrokenPromise;
use steps::Event;
use tables::Shared;
pub(super) use tables::Tables;
use world::World;

use super::Done;

/// A fault that is injected. The exploration must detect that it breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    FreesCallsOfLostOwners,
    FreesDroppedCalls,
    ComparesBeforeLateCharges,
    KeepsOneAnswer,
    IgnoresCap,
    SendsWithoutRenewing,
    DropsLateSettlements,
    /// The cap is checked before the transaction of the claim.
    ChecksCapBeforeLock,
    /// Answers are reported as stored before they are durable.
    StoresAnswersLater,
    /// A new process gets the owner number of the previous one.
    ReusesOwners,
    ReadsBalanceFirst,
    LosesPurchases,
    /// Midnight counts as part of the previous day.
    CountsMidnightToTheDayBefore,
    ForgetsCommitsInDoubt,
    LosesReserveInBackoff,
    /// A call that pays again for an uncertain question is the only one that blocks it.
    ForgetsReplacedCalls,
}

/// A scenario, with an injected fault.
#[derive(Clone, Copy)]
struct Case<'a> {
    scenario: &'a Scenario,
    fault: Fault,
    /// The results of transactions.
    known: &'a RefCell<HashMap<u64, (Shared, Done)>>,
}

/// A broken promise, and the events that led to it.
struct Violation {
    broken: BrokenPromise,
    events: Vec<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BrokenPromise(promise, text) = &self.broken;
        write!(f, "{promise:?} is broken: {text}; events: {:?}", self.events)
    }
}

/// Visits the states of a scenario, those after few events first. Returns their number, or the first broken promise.
fn explore(scenario: &Scenario, fault: Fault) -> Result<usize, Violation> {
    let case = Case { scenario, fault, known: &RefCell::default() };
    let start = Box::new(World::new(case));
    let (mut seen, mut seen_at_rest) = (HashSet::from([fingerprint(&start)]), HashSet::new());
    // The event that led to each state, and the previous state.
    let mut steps: Vec<(usize, Option<Event>)> = vec![(0, None)];
    let mut queue = VecDeque::from([(0, start)]);
    while let Some((number, world)) = queue.pop_front() {
        for (event, next, mut checked) in world.steps(case) {
            let is_new = seen.insert(fingerprint(&next));
            if is_new {
                checked = checked.and_then(|()| next.check(case, &mut seen_at_rest));
            }
            if let Err(broken) = checked {
                let earlier = std::iter::successors(Some(number), |at| Some(steps[*at].0));
                let earlier = earlier.map_while(|at| steps[at].1);
                let mut events: Vec<Event> = std::iter::once(event).chain(earlier).collect();
                events.reverse();
                return Err(Violation { broken, events });
            }
            if is_new {
                steps.push((number, Some(event)));
                queue.push_back((steps.len() - 1, next));
            }
        }
        if seen.len() >= case.scenario.max_states {
            break;
        }
    }
    Ok(seen.len())
}
