//! The conformance suite on each store, and on stores that are broken on purpose.

use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::Book;
use tgscan_core::store::{AccountName, Changes, Loaded, Needs, Selection, Store};
use tgscan_mock::conformance::store::{Rule, StoreUnderTest, run};

use crate::over::{Change, Over};
use crate::support::Subject;

impl StoreUnderTest for Subject {
    fn open(&mut self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn crash(&mut self) {
        self.reopen();
    }

    fn advance(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }
}

#[test]
fn memory_store_conforms() {
    block_on(run(1, 100, Subject::memory)).assert_passed();
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
const FAULTS: [(Fault, Rule); 16] = [
    (Fault::LosesEverything, Rule::DurableClaim),
    (Fault::LosesAnswers, Rule::DurableAnswer),
    (Fault::CutsAnswers, Rule::DurableAnswer),
    (Fault::LosesQuestions, Rule::OneClaim),
    (Fault::IgnoresLostOwners, Rule::DurableClaim),
    (Fault::MixesAccounts, Rule::Isolation),
    (Fault::LosesTotals, Rule::Accounting),
    (Fault::LosesJournal, Rule::Accounting),
    (Fault::RepeatsJournal, Rule::Accounting),
    (Fault::ReadsWholeJournal, Rule::Accounting),
    (Fault::ListsNoAccounts, Rule::Isolation),
    (Fault::FindsNothingDue, Rule::Indexes),
    (Fault::FindsNoPerson, Rule::Indexes),
    (Fault::KeepsErasedQuestions, Rule::Erasing),
    (Fault::KeepsErasedAnswers, Rule::Erasing),
    (Fault::ComparesNothing, Rule::Resolving),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LosesEverything,
    LosesAnswers,
    CutsAnswers,
    LosesQuestions,
    IgnoresLostOwners,
    MixesAccounts,
    LosesTotals,
    LosesJournal,
    RepeatsJournal,
    ReadsWholeJournal,
    ListsNoAccounts,
    FindsNothingDue,
    FindsNoPerson,
    KeepsErasedQuestions,
    KeepsErasedAnswers,
    ComparesNothing,
}

#[test]
fn suite_finds_every_store_that_is_broken_on_purpose() {
    for (fault, rule) in FAULTS {
        let report = block_on(run(7, 24, || BrokenSubject { subject: Subject::memory(), fault }));
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
        Arc::new(Over::new(self.subject.open(), self.fault))
    }

    fn crash(&mut self) {
        if self.fault == Fault::LosesEverything {
            self.subject = Subject::memory();
        } else {
            self.subject.crash();
        }
    }

    fn advance(&mut self, duration: Duration) {
        self.subject.advance(duration);
    }
}

impl Change for Fault {
    fn name(&self, account: &AccountName) -> AccountName {
        if *self == Self::MixesAccounts { AccountName::new("main", "mock") } else { account.clone() }
    }

    fn needs(&self, needs: &mut Needs) {
        if *self == Self::ComparesNothing {
            needs.unresolved = false;
        }
    }

    fn loaded(&self, loaded: &mut Loaded) {
        if *self == Self::IgnoresLostOwners {
            loaded.lost.clear();
        }
    }

    fn changes(&self, changes: &mut Changes) {
        match self {
            Self::LosesAnswers => changes.answers.retain(|(_, answer)| answer.is_none()),
            Self::CutsAnswers => {
                for answer in changes.answers.iter_mut().filter_map(|(_, answer)| answer.as_mut()) {
                    answer.body = answer.body.slice(1..);
                }
            }
            Self::LosesQuestions => changes.questions.clear(),
            Self::LosesTotals => {
                changes.account.iter_mut().for_each(|account| account.book = Book::default());
            }
            Self::LosesJournal => changes.journal.clear(),
            Self::KeepsErasedQuestions => {
                for (before, after) in &mut changes.calls {
                    if let (Some(before), Some(after)) = (before, after) {
                        after.question = after.question.take().or_else(|| before.question.clone());
                    }
                }
            }
            Self::KeepsErasedAnswers => changes.answers.retain(|(_, answer)| answer.is_some()),
            _ => {}
        }
    }

    fn select(&self, rows: Selection) -> Selection {
        match (self, rows) {
            (Self::RepeatsJournal, Selection::Journal { limit, .. }) => {
                Selection::Journal { after: 0, limit }
            }
            (Self::ReadsWholeJournal, Selection::Journal { after, .. }) => {
                Selection::Journal { after, limit: usize::MAX }
            }
            (_, rows) => rows,
        }
    }

    fn accounts(&self, accounts: &mut Vec<AccountName>) {
        if *self == Self::ListsNoAccounts {
            accounts.clear();
        }
    }

    fn hides(&self, rows: &Selection) -> bool {
        match rows {
            Selection::Due { .. } => *self == Self::FindsNothingDue,
            Selection::People(_) => *self == Self::FindsNoPerson,
            _ => false,
        }
    }
}
