//! Runs a course on a store.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::call::InFlight;
use tgscan_core::store::{Account, AccountName, CallState, Store};
use tgscan_core::types::Search;

use super::model::{ACCOUNTS, Call, Model};
use super::process::Process;
use super::step::Step;
use super::{BrokenRule, Result, Rule, StoreUnderTest};
use crate::Mock;
use crate::outcome::Wire;

/// A cap that courses reach, and one that they cannot reach.
pub(super) const CAPS: [u64; 2] = [12, 1_000_000];

/// The cost of a question, in credits.
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
            course.take(subject, *step).await?;
            course.compare_with_store().await
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

    async fn take(&mut self, subject: &mut impl StoreUnderTest, step: Step) -> Result {
        (self.rule, self.account) = (Rule::Accounting, step.account());
        match step {
            Step::Ask { account, person, answers, is_capped, reply } => {
                self.ask(account, person, answers, CAPS[usize::from(!is_capped)], reply).await
            }
            Step::AskTwice { account, person } => self.ask_twice(account, person).await,
            Step::DropAsking { account, person } => self.drop_asking(account, person).await,
            Step::Deliver { call } if !self.sent.is_empty() => {
                let sent = self.sent.remove(call % self.sent.len());
                self.deliver(sent).await
            }
            Step::Drop { call } if !self.sent.is_empty() => {
                let Sent { account, id, handle, in_flight, .. } = self.sent.remove(call % self.sent.len());
                drop(in_flight);
                self.rule = Rule::Uncertain;
                self.model.ended(account, id, Some(CallState::Uncertain), None);
                flush(&handle).await
            }
            Step::Crash => self.crash(subject).await,
            Step::AdvanceHours(hours) => {
                let duration = HOUR * u32::try_from(hours).unwrap_or_default();
                subject.advance(duration);
                self.model.now += duration;
                Ok(())
            }
            Step::Expire { account } => {
                self.rule = Rule::Expiry;
                self.expire(account).await
            }
            Step::Erase { account, person } => self.erase(account, person).await,
            Step::Resolve { call } => self.resolve(call).await,
            Step::Purchase { account } => self.purchase(account).await,
            Step::Compare { account } => {
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
            Step::Deliver { .. } | Step::Drop { .. } => Ok(()),
        }
    }
}
