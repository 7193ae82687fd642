//! The conformance suite on each store, and on stores that are broken on purpose.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::store::{CallId, CallState, Claim, ClaimRequest, Erased, Settlement, Store, StoreError};
use tgscan_core::types::UserQuery;
use tgscan_core::{Credits, async_trait};
use tgscan_mock::conformance::store::{Rule, StoreUnderTest, run};

use crate::over::{Change, Over};
use crate::support::{HOUR, Subject};

impl StoreUnderTest for Subject {
    fn open(&mut self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn crash(&mut self) {
        self.reopen();
    }

    fn advance(&mut self, hours: i64) {
        let by = HOUR * u32::try_from(hours.abs()).unwrap();
        if hours < 0 { self.clock.set_back(by) } else { self.clock.advance(by) }
    }
}

#[test]
fn memory_store_conforms() {
    block_on(run(1, 300, Subject::memory)).assert_passed();
}

#[cfg(feature = "redb")]
#[test]
fn file_store_conforms() {
    block_on(run(2, 12, Subject::file)).assert_passed();
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn postgres_store_conforms() {
    block_on(run(3, 12, Subject::postgres)).assert_passed();
}

/// A way to be broken, and a rule that this breaks.
const FAULTS: [(Fault, Rule); 15] = [
    (Fault::LosesEverything, Rule::DurableClaim),
    (Fault::GrantsTwice, Rule::OneClaim),
    (Fault::FreesDeadClaims, Rule::DeadOwner),
    (Fault::IgnoresCap, Rule::Cap),
    (Fault::CapForgetsUncertain, Rule::Cap),
    (Fault::IgnoresMaxAge, Rule::Expiry),
    (Fault::NeverExpires, Rule::Expiry),
    (Fault::MixesAccounts, Rule::Isolation),
    (Fault::MixesLiveAndTest, Rule::Isolation),
    (Fault::LosesCredits, Rule::Accounting),
    (Fault::CutsAnswers, Rule::DurableAnswer),
    (Fault::DropsLateEnds, Rule::DeadOwner),
    (Fault::IgnoresAbandoned, Rule::Release),
    (Fault::ResolvesForFree, Rule::Settling),
    (Fault::ErasesNothing, Rule::Erasing),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LosesEverything,
    GrantsTwice,
    FreesDeadClaims,
    IgnoresCap,
    CapForgetsUncertain,
    IgnoresMaxAge,
    NeverExpires,
    MixesAccounts,
    MixesLiveAndTest,
    LosesCredits,
    CutsAnswers,
    DropsLateEnds,
    IgnoresAbandoned,
    ResolvesForFree,
    ErasesNothing,
}

#[test]
fn suite_finds_every_store_that_is_broken_on_purpose() {
    for (fault, rule) in FAULTS {
        let report = block_on(run(7, 40, || BrokenSubject { subject: Subject::memory(), fault }));
        let failures: Vec<_> = report.failures().collect();
        assert!(
            failures.iter().any(|case| case.name == rule.to_string()),
            "{fault:?} should break {rule:?}: {report}"
        );
        for case in failures {
            assert!(case.problem.as_ref().is_some_and(|problem| problem.lines().count() == 1), "{case:?}");
        }
    }
}

struct BrokenSubject {
    subject: Subject,
    fault: Fault,
}

impl StoreUnderTest for BrokenSubject {
    fn open(&mut self) -> Arc<dyn Store> {
        let (store, fault) = (self.subject.open(), self.fault);
        Arc::new(Over(Broken { store, fault, fake: Mutex::new(1 << 40), is_quiet: AtomicBool::new(false) }))
    }

    fn crash(&mut self) {
        if self.fault == Fault::LosesEverything {
            self.subject = Subject::memory();
        } else {
            self.subject.crash();
        }
    }

    fn advance(&mut self, hours: i64) {
        self.subject.advance(hours);
    }
}

struct Broken {
    store: Arc<dyn Store>,
    fault: Fault,
    fake: Mutex<CallId>,
    is_quiet: AtomicBool,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn spoil(&self, settlement: Settlement) -> Settlement {
        match settlement {
            Settlement::Answered { status, body, credits: Credits::Charged(_) }
                if self.is(Fault::LosesCredits) =>
            {
                Settlement::Answered { status, body, credits: Credits::NotCharged }
            }
            Settlement::Answered { status, body, credits } if self.is(Fault::CutsAnswers) => {
                Settlement::Answered { status, body: body.slice(..body.len() - 1), credits }
            }
            other => other,
        }
    }
}

#[async_trait]
impl Change for Broken {
    fn below(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        let mut request = request.clone();
        match self.fault {
            Fault::FreesDeadClaims => request.pay_again_after = Some(Duration::ZERO),
            Fault::IgnoresCap => request.cap = None,
            Fault::IgnoresMaxAge => request.max_age = request.max_age.map(|_| Duration::MAX),
            Fault::NeverExpires => request.keep_for = Duration::MAX,
            Fault::MixesAccounts => request.question.account = "first".into(),
            Fault::MixesLiveAndTest => request.question.is_live = true,
            _ => {}
        }
        let claim = self.store.claim(&request).await?;
        Ok(match claim {
            Claim::InFlight { .. } if self.is(Fault::GrantsTwice) => {
                let mut fake = self.fake.lock().unwrap();
                *fake += 1;
                Claim::Granted(*fake)
            }
            Claim::CapReached(refused)
                if self.is(Fault::CapForgetsUncertain) && refused.would_fit_if_settled() =>
            {
                request.cap = None;
                self.store.claim(&request).await?
            }
            other => other,
        })
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        if self.is(Fault::DropsLateEnds) {
            let row = self.store.calls(call - 1, 1).await?;
            if row.first().is_some_and(|row| row.id == call && row.state != CallState::InFlight) {
                return Ok(());
            }
        }
        self.store.settle(call, self.spoil(settlement)).await
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        if self.is(Fault::IgnoresAbandoned) {
            self.is_quiet.store(true, Ordering::Relaxed);
        } else {
            self.store.abandon(call, self.spoil(settlement));
        }
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        self.store.resolve(call, if self.is(Fault::ResolvesForFree) { 0 } else { credits }).await
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        if self.is(Fault::ErasesNothing) { Ok(Erased::default()) } else { self.store.erase(person).await }
    }
}
