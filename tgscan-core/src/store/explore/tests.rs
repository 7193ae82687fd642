//! Checks that the promises hold in every state of every scenario, and that injected faults break them.

use super::events::Event;
use super::promises::BrokenPromise;
use super::promises::Promise::{self, Accounted, AnswerStored, CapHolds, NoPermanentLock, PaidOnce};
use super::scenarios::{self, End, Scenario};
use super::world::{Commit, World};
use super::{Case, Fault, HashSet, Order, RefCell, explore};

fn assert_promises_hold(scenario: &Scenario) {
    let is_limited = scenario.max_states < usize::MAX;
    let order = if is_limited { Order::BreadthFirst } else { Order::DepthFirst };
    let violation = match explore(scenario, Fault::None, order) {
        Ok(states) => return println!("{scenario}: {states} states"),
        Err(violation) => violation,
    };
    let shortest = explore(scenario, Fault::None, Order::BreadthFirst).err().unwrap_or(violation);
    panic!("{scenario}: {shortest}");
}

#[test]
fn promises_hold_if_a_process_is_suspended() {
    assert_promises_hold(&scenarios::SUSPENDED);
}

#[test]
fn promises_hold_if_a_process_compares() {
    assert_promises_hold(&scenarios::COMPARED);
}

#[test]
fn promises_hold_if_a_budget_ends_at_midnight() {
    assert_promises_hold(&scenarios::MIDNIGHT);
}

#[test]
fn promises_hold_if_commits_are_in_doubt() {
    assert_promises_hold(&scenarios::IN_DOUBT);
}

#[test]
fn promises_hold_if_credits_are_bought() {
    assert_promises_hold(&scenarios::PURCHASE);
}

#[test]
fn promises_hold_if_prices_are_unknown() {
    assert_promises_hold(&scenarios::UNPRICED);
}

#[test]
fn promises_hold_if_calls_are_resolved_by_hand() {
    assert_promises_hold(&scenarios::RESOLVED);
}

#[test]
fn promises_hold_if_callers_share_a_cap() {
    assert_promises_hold(&scenarios::CAP);
}

#[test]
fn promises_hold_if_attempts_wait_for_their_turn() {
    assert_promises_hold(&scenarios::POSTPONED);
}

#[test]
fn promises_hold_if_all_events_combine() {
    assert_promises_hold(&scenarios::ALL);
}

/// Each fault, a scenario that detects it, and the promises that it breaks.
const FAULTS: [(Fault, &Scenario, &[Promise]); 15] = [
    (Fault::FreesCallsOfLostOwners, &scenarios::SUSPENDED, &[PaidOnce, Accounted]),
    (Fault::FreesDroppedCalls, &scenarios::CAP, &[PaidOnce, Accounted]),
    (Fault::ComparesBeforeLateCharges, &scenarios::COMPARED, &[Accounted]),
    (Fault::KeepsOneAnswer, &scenarios::RESOLVED, &[AnswerStored]),
    (Fault::IgnoresCap, &scenarios::CAP, &[CapHolds]),
    (Fault::SendsWithoutRenewing, &scenarios::SUSPENDED, &[PaidOnce, Accounted]),
    (Fault::DropsLateSettlements, &scenarios::SUSPENDED, &[AnswerStored]),
    (Fault::ChecksCapBeforeLock, &scenarios::CAP, &[CapHolds]),
    (Fault::StoresAnswersLater, &scenarios::CAP, &[AnswerStored]),
    (Fault::ReusesOwners, &scenarios::CAP, &[NoPermanentLock]),
    (Fault::ReadsBalanceFirst, &scenarios::COMPARED, &[Accounted]),
    (Fault::LosesPurchases, &scenarios::PURCHASE, &[Accounted]),
    (Fault::CountsMidnightToTheDayBefore, &scenarios::MIDNIGHT, &[CapHolds, Accounted]),
    (Fault::ForgetsCommitsInDoubt, &scenarios::IN_DOUBT, &[NoPermanentLock]),
    (Fault::LosesReserveInBackoff, &scenarios::CAP, &[CapHolds, Accounted]),
];

/// The other tests show that the scenarios pass without faults.
#[test]
fn every_fault_is_detected() {
    for (fault, scenario, promises) in FAULTS {
        match explore(scenario, fault, Order::BreadthFirst) {
            Ok(states) => panic!("{fault:?} is not detected in {states} states of {scenario}"),
            Err(violation) => {
                println!("{fault:?} in {scenario}: {violation}");
                assert!(promises.contains(&violation.broken.0), "{fault:?} in {scenario}: {violation}");
            }
        }
    }
}

fn replay(scenario: &Scenario, events: &[Event]) -> Result<(), BrokenPromise> {
    let case = Case { scenario, fault: Fault::None, known: &RefCell::default() };
    let mut world = World::new(case);
    for event in events {
        assert!(world.events(case).contains(event), "{event:?} is not possible now");
        world.apply(case, *event)?;
        world.check(case, &mut HashSet::new())?;
    }
    Ok(())
}

#[test]
fn claim_in_doubt_is_released_although_its_question_was_answered_since() {
    let events = [
        Event::Asks(0, Commit::Done),
        Event::Sends(0),
        Event::Charges(0),
        Event::AttemptEnds(0, End::Answered),
        // The other process may pay again, but the commit of its claim is in doubt. Then the first one stores its answer.
        Event::TimePasses(61_000, [true, false]),
        Event::Asks(1, Commit::InDoubt(true)),
    ];
    let scenario = Scenario { passes: &[(61_000, [true, false])], ..scenarios::ALL };
    replay(&scenario, &events).unwrap();
}
