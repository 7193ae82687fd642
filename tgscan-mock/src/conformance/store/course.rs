//! Plays a course on a store.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::call::InFlight;
use tgscan_core::store::{Account, AccountName, CallState, Store};
use tgscan_core::types::Search;

use super::ask::CAPS;
use super::model::{ACCOUNTS, Call, Model};
use super::process::Process;
use super::step::Step;
use super::{Broken, Result, Rule, StoreUnderTest};
use crate::Mock;
use crate::outcome::Wire;

/// What a question costs.
pub(super) const PRICE: u64 = 2;
pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn failed(error: impl std::fmt::Display) -> Broken {
    Broken { rule: Rule::Accounting, what: format!("the store failed: {error}") }
}

/// A question that was sent, with the reply that it gets.
pub(super) struct Sent {
    pub(super) account: usize,
    pub(super) id: u64,
    /// The handle by which it was asked.
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
    /// The rule that the last step is about.
    pub(super) rule: Rule,
    /// The account that the last step is about, if it is about one.
    account: Option<usize>,
}

/// Plays a course on an empty store. Returns the rule that was broken, and after how many steps.
pub(super) async fn play(
    subject: &mut impl StoreUnderTest,
    steps: &[Step],
) -> std::result::Result<(), (usize, Broken)> {
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

/// Returns when the store has written what was asked of a handle before: operations run in their order.
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

    /// The rule that is broken if an account is not as it should be after the last step.
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
                // Until no lost call can be charged any more.
                subject.advance(HOUR);
                self.model.now += HOUR;
                self.compare_with_balance(account).await
            }
            Step::Deliver { .. } | Step::Drop { .. } => Ok(()),
        }
    }
}
