//! Injected faults: the exploration must detect that each breaks a promise.

use super::fault::Fault;
use super::promise::Promise::{self, Accounted, AnswerStored, CapHolds, NoPermanentLock, PaidOnce};
use super::scenarios::{self, Scenario};
use super::{Order, explore};

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
