//! Checks that the promises hold in every state of every scenario, and that injected faults break them.

use std::cell::RefCell;
use std::collections::HashSet;

use super::scenarios::{self, End, SCENARIOS, Scenario};
use super::state::Commit;
use super::state::Promise::{self, Accounted, AnswerStored, CapHolds, NoPermanentLock, PaidOnce};
use super::steps::Event;
use super::world::World;
use super::{Case, Fault, explore};

#[test]
fn promises_hold_in_every_state() {
    let explore = |scenario: &'static Scenario| match explore(scenario, Fault::None) {
        Ok(states) => println!("{}: {states} states", scenario.name),
        Err(violation) => panic!("{}: {violation}", scenario.name),
    };
    let threads = SCENARIOS.map(|scenario| std::thread::spawn(move || explore(scenario)));
    let results = threads.map(std::thread::JoinHandle::join);
    assert!(results.iter().all(Result::is_ok));
}

/// Each fault, a scenario that detects it, and the promises that it breaks.
const FAULTS: [(Fault, &Scenario, &[Promise]); 16] = [
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
    (Fault::ForgetsReplacedCalls, &scenarios::REPLACED, &[PaidOnce]),
];

/// The other test shows that the scenarios pass without faults.
#[test]
fn every_fault_is_detected() {
    for (fault, scenario, promises) in FAULTS {
        match explore(scenario, fault) {
            Ok(states) => panic!("{fault:?} is not detected in {states} states of {}", scenario.name),
            Err(violation) => {
                println!("{fault:?} in {}: {violation}", scenario.name);
                assert!(promises.contains(&violation.broken.0), "{fault:?}: {violation}");
            }
        }
    }
}

#[test]
fn claim_in_doubt_is_released_although_its_question_was_answered_since() {
    let case = Case { scenario: &scenarios::ALL, fault: Fault::None, known: &RefCell::default() };
    let mut world = Box::new(World::new(case));
    for event in [
        Event::Asks(0, Commit::Done),
        Event::Sends(0),
        Event::Charges(0),
        Event::AttemptEnds(0, End::Answered),
        // The other process may pay again, but the commit of its claim is in doubt. Then the first one stores its answer.
        Event::TimePasses(61_000, true),
        Event::Asks(1, Commit::InDoubt(true)),
    ] {
        if let Event::TimePasses(by, is_suspended) = event {
            world.pass(by, is_suspended);
            continue;
        }
        let step = world.steps(case).into_iter().find(|(possible, ..)| *possible == event);
        world = step.unwrap_or_else(|| panic!("{event:?} is not possible now")).1;
        world.check(case, &mut HashSet::new()).unwrap();
    }
}
