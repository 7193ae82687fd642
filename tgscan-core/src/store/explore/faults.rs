//! Rules that are broken on purpose: each breaks a promise that the exploration finds.

use super::promises::Promise::{self, Accounted, AnswerKept, CapHolds, NothingLocked, PaidOnce};
use super::scenarios::{self, Scenario};
use super::{Order, explore};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Calls in flight of a lost owner are taken for free.
    FreesCallsOfLostOwners,
    /// Dropped calls are taken for free, although their attempt is running.
    FreesDroppedCalls,
    /// A comparison does not wait for late charges.
    ComparesBeforeLateCharges,
    /// The store keeps the last answer only.
    KeepsOneAnswer,
    /// Claims are not checked against the cap.
    IgnoresCap,
    /// A call that has waited for its next attempt sends it without asking the store.
    SendsWithoutRenewing,
    /// Settlements of calls that have ended are dropped.
    DropsLateSettlements,
    /// The cap is checked before the transaction of the claim.
    ChecksCapBeforeLock,
    /// Answers are reported as stored before they are durable.
    StoresAnswersLater,
    /// A process gets the owner number of the one before.
    ReusesOwners,
    /// The balance is read before the comparison has started.
    ReadsBalanceFirst,
    /// A purchase is not recorded.
    LosesPurchases,
    /// Midnight belongs to the day before.
    CountsMidnightToTheDayBefore,
    /// Commits in doubt are not repeated.
    ForgetsCommitsInDoubt,
    /// What a call reserves is free for others while it waits for its next attempt.
    LosesReserveInBackoff,
}

/// Each fault, a scenario in which it is found, and the promises that it breaks.
const FAULTS: [(Fault, &Scenario, &[Promise]); 15] = [
    (Fault::FreesCallsOfLostOwners, &scenarios::SUSPENDED, &[PaidOnce, Accounted]),
    (Fault::FreesDroppedCalls, &scenarios::CAP, &[PaidOnce, Accounted]),
    (Fault::ComparesBeforeLateCharges, &scenarios::COMPARED, &[Accounted]),
    (Fault::KeepsOneAnswer, &scenarios::RESOLVED, &[AnswerKept]),
    (Fault::IgnoresCap, &scenarios::CAP, &[CapHolds]),
    (Fault::SendsWithoutRenewing, &scenarios::SUSPENDED, &[PaidOnce, Accounted]),
    (Fault::DropsLateSettlements, &scenarios::SUSPENDED, &[AnswerKept]),
    (Fault::ChecksCapBeforeLock, &scenarios::CAP, &[CapHolds]),
    (Fault::StoresAnswersLater, &scenarios::CAP, &[AnswerKept]),
    (Fault::ReusesOwners, &scenarios::CAP, &[NothingLocked]),
    (Fault::ReadsBalanceFirst, &scenarios::COMPARED, &[Accounted]),
    (Fault::LosesPurchases, &scenarios::PURCHASE, &[Accounted]),
    (Fault::CountsMidnightToTheDayBefore, &scenarios::MIDNIGHT, &[CapHolds, Accounted]),
    (Fault::ForgetsCommitsInDoubt, &scenarios::IN_DOUBT, &[NothingLocked]),
    (Fault::LosesReserveInBackoff, &scenarios::CAP, &[CapHolds, Accounted]),
];

/// The tests of the scenarios show that they are clean without the fault.
#[test]
fn every_rule_broken_on_purpose_is_found() {
    for (fault, scenario, promises) in FAULTS {
        match explore(scenario, fault, Order::BreadthFirst) {
            Ok(states) => panic!("{fault:?} is not found in {states} states of {scenario}"),
            Err(violation) => {
                println!("{fault:?} in {scenario}: {violation}");
                assert!(promises.contains(&violation.broken.0), "{fault:?} in {scenario}: {violation}");
            }
        }
    }
}
