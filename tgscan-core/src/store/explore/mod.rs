//! A model checker for the rules of calls and accounts: explores every order in which two processes ask questions, crash,
//! are suspended, lose replies of the store and compare, and in which the service charges.
//!
//! Runs the production code: [`decide`](super::decide), [`Machine`](crate::call::machine::Machine) and the book. A [`World`]
//! surrounds it with tables in memory, a service that records the actual charges, and a clock. A [`Scenario`] limits the events,
//! so that all of its states can be visited. The [`promises`] are checked in each state, from the actual charges and the
//! results that callers receive, independently of the rules.
//!
//! States are equal if they differ only in past times, in the numbers of owners and revisions, or in the order of attempts:
//! times are relative to a clock that stands still, and lost owners share a number.

mod callers;
mod events;
mod promises;
mod scenarios;
mod service;
mod state;
mod tables;
mod tests;
mod world;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};

use events::Event;
use promises::BrokenPromise;
use scenarios::Scenario;
use tables::Shared;
pub(super) use tables::Tables;
use world::World;

use super::Done;

/// A fault that is injected. The exploration must detect that it breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Calls in flight of a lost owner are considered free.
    FreesCallsOfLostOwners,
    /// Dropped calls with a running attempt are considered free.
    FreesDroppedCalls,
    /// A comparison does not wait for late charges.
    ComparesBeforeLateCharges,
    /// The store keeps only the last answer.
    KeepsOneAnswer,
    /// Claims are not checked against the cap.
    IgnoresCap,
    /// A call sends an attempt after a backoff without renewing its claim.
    SendsWithoutRenewing,
    /// Settlements of calls that have ended are dropped.
    DropsLateSettlements,
    /// The cap is checked before the transaction of the claim.
    ChecksCapBeforeLock,
    /// Answers are reported as stored before they are durable.
    StoresAnswersLater,
    /// A new process gets the owner number of the previous one.
    ReusesOwners,
    /// The balance is read before the comparison has started.
    ReadsBalanceFirst,
    /// A purchase is not recorded.
    LosesPurchases,
    /// Midnight counts as part of the previous day.
    CountsMidnightToTheDayBefore,
    /// Commits in doubt are not repeated.
    ForgetsCommitsInDoubt,
    /// A call in a backoff loses its reserve.
    LosesReserveInBackoff,
}

/// A scenario, with an injected fault.
#[derive(Clone, Copy)]
struct Case<'a> {
    scenario: &'a Scenario,
    fault: Fault,
    /// A cache of the results of transactions.
    known: &'a RefCell<HashMap<u64, (Shared, Done)>>,
}

/// A broken promise, and the events that led to it.
struct Violation {
    broken: BrokenPromise,
    events: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BrokenPromise(promise, text) = &self.broken;
        write!(f, "{promise:?} is broken: {text}; events: {}", self.events.join(", "))
    }
}

/// The order in which states are visited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Keeps the queue short.
    DepthFirst,
    /// Finds the shortest sequence of events that breaks a promise.
    BreadthFirst,
}

/// Visits the states of a scenario. Returns their number, or the first broken promise.
fn explore(scenario: &Scenario, fault: Fault, order: Order) -> Result<usize, Violation> {
    let case = Case { scenario, fault, known: &RefCell::default() };
    let start = World::new(case);
    let (mut seen, mut seen_at_rest) = (HashSet::new(), HashSet::new());
    seen.insert(fingerprint(&start));
    // The event that led to each state, and the previous state.
    let mut steps: Vec<(u32, Option<Event>)> = vec![(0, None)];
    let mut queue = VecDeque::from([(0, Box::new(start))]);
    let next_state = |queue: &mut VecDeque<_>| {
        if order == Order::DepthFirst { queue.pop_back() } else { queue.pop_front() }
    };
    while let Some((number, world)) = next_state(&mut queue) {
        let world: Box<World> = world;
        for event in world.events(case) {
            let mut next = world.clone();
            let applied = next.apply(case, event);
            let is_new = seen.insert(fingerprint(&next));
            let checked =
                applied.and_then(|()| if is_new { next.check(case, &mut seen_at_rest) } else { Ok(()) });
            if let Err(broken) = checked {
                let mut events = vec![format!("{event:?}")];
                let mut at = number;
                while let (before, Some(event)) = &steps[at as usize] {
                    events.push(format!("{event:?}"));
                    at = *before;
                }
                events.reverse();
                return Err(Violation { broken, events });
            }
            if is_new {
                steps.push((number, Some(event)));
                let number = u32::try_from(steps.len() - 1).expect("fewer states than this fit into memory");
                queue.push_back((number, next));
            }
        }
        if seen.len() >= scenario.max_states {
            break;
        }
    }
    Ok(seen.len())
}

/// Returns a hash. Collisions among a few million states are negligible.
fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = Mix(0x6c62_272e_07bb_0142);
    state.hash(&mut hasher);
    hasher.finish()
}

/// A hasher that is faster than the standard one.
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // Multiplied by an odd number and folded, like FNV.
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}
