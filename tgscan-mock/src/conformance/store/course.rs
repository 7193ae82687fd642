//! Runs a course on a store.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::call::InFlight;
use tgscan_core::store::{Account, AccountName, CallState, Lookup, Store};
use tgscan_core::types::Search;

use super::model::{ACCOUNTS, Call, Model, Question};
use super::process::Process;
use super::step::{Action, Step};
use super::{BrokenRule, Result, Rule, StoreUnderTest};
use crate::Mock;
use crate::outcome::Wire;

/// A cap that courses reach, and one that they cannot reach.
pub(super) const CAPS: [u64; 2] = [12, 1_000_000];

pub(super) const PRICE: u64 = 2;
pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn failed(error: impl std::fmt::Display) -> BrokenRule {
    BrokenRule { rule: Rule::Accounting, what: format!("the store failed: {error}") }
}

/// A sent question, with its pending response.
pub(super) struct Sent {
    pub(super) account: usize,
    pub(super) id: u64,
    /// The account handle of the call.
    pub(super) handle: Account,
    pub(super) in_flight: InFlight<Search>,
    pub(super) wire: Wire,
}

pub(super) struct Course {
    pub(super) process: Arc<Process>,
    pub(super) accounts: Vec<Account>,
    pub(super) mocks: Vec<Mock>,
    pub(super) model: Model,
    pub(super) sent: Vec<Sent>,
    /// The rule that the last step tests.
    pub(super) rule: Rule,
    /// The account that the last step changes, if it is only one.
    account: Option<usize>,
}

/// Runs a course on an empty store. Returns the broken rule, and the number of steps so far.
pub(super) async fn play(
    subject: &mut impl StoreUnderTest,
    steps: &[Step],
) -> std::result::Result<(), (usize, BrokenRule)> {
    let mut course = Course::new(subject.open()).map_err(|broken| (0, broken))?;
    for (index, step) in steps.iter().enumerate() {
        let taken = async {
            course.take(subject, step).await?;
            // Comparing the indexes takes long.
            let compares_indexes = index % 8 == 7 || index + 1 == steps.len();
            course.compare_with_store(compares_indexes).await
        };
        taken.await.map_err(|broken| (index + 1, broken))?;
    }
    Ok(())
}

pub(super) fn accounts(process: &Arc<Process>) -> Vec<Account> {
    let account = |(label, service, _)| {
        Account::new(process.clone() as Arc<dyn Store>, AccountName::new(label, service))
    };
    ACCOUNTS.into_iter().map(account).collect()
}

/// Waits until the earlier operations of a handle are written. Operations run in order.
pub(super) async fn flush(account: &Account) -> Result {
    account.set_price("", None).await.map(drop).map_err(failed)
}

impl Course {
    fn new(store: Arc<dyn Store>) -> Result<Self> {
        let process = Arc::new(Process::new(store));
        let mock = |seed| Mock::builder().seed(seed).cost::<Search>(PRICE).credits(1_000_000).build();
        let mocks = (1..).take(ACCOUNTS.len()).map(mock).collect::<std::result::Result<_, _>>();
        Ok(Self {
            accounts: accounts(&process),
            process,
            mocks: mocks.map_err(failed)?,
            model: Model::default(),
            sent: Vec::new(),
            rule: Rule::Accounting,
            account: None,
        })
    }

    /// Returns the rule that is broken if an account differs from the model after the last step.
    pub(super) fn rule_for(&self, account: usize) -> Rule {
        if self.account.is_some_and(|about| about != account) { Rule::Isolation } else { self.rule }
    }

    async fn take(&mut self, subject: &mut impl StoreUnderTest, step: &Step) -> Result {
        let Step { ref action, account, person, call } = *step;
        (self.rule, self.account) = (Rule::Accounting, step.changed_account());
        let question = |lookup, is_capped: bool| {
            let cap = CAPS[usize::from(!is_capped)];
            Question { account, person, lookup, cap }
        };
        match action {
            Action::Ask { lookup, is_capped, fault } => {
                self.ask(question(*lookup, *is_capped), fault.clone()).await
            }
            Action::AskTwice => self.ask_twice(question(Lookup::StoredOrNew, false)).await,
            Action::DropAsking => self.drop_asking(question(Lookup::New, false)).await,
            Action::Deliver | Action::Drop if self.sent.is_empty() => Ok(()),
            Action::Deliver => {
                let sent = self.sent.remove(call % self.sent.len());
                self.deliver(sent).await
            }
            Action::Drop => {
                let Sent { account, id, handle, in_flight, .. } = self.sent.remove(call % self.sent.len());
                drop(in_flight);
                self.rule = Rule::Uncertain;
                self.model.ended(account, id, Some(CallState::Uncertain), None);
                flush(&handle).await
            }
            Action::Crash => self.crash(subject).await,
            Action::AdvanceHours(hours) => {
                subject.advance(HOUR * *hours);
                self.model.now += HOUR * *hours;
                Ok(())
            }
            Action::Expire => {
                self.rule = Rule::Expiry;
                self.expire(account).await
            }
            Action::Erase => self.erase(account, person).await,
            Action::Resolve => self.resolve(call).await,
            Action::Purchase => self.purchase(account).await,
            Action::Compare => {
                self.rule = Rule::Resolving;
                let is_busy = |call: &Call| call.account == account && call.state == CallState::InFlight;
                if self.model.calls.iter().any(is_busy) {
                    return Ok(());
                }
                // After this time, no lost call can be charged.
                subject.advance(HOUR);
                self.model.now += HOUR;
                self.compare_with_balance(account).await
            }
        }
    }
}
