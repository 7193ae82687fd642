//! Steps of a course other than questions: crashes, expiry, erasing, purchases and comparisons.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::Api;
use tgscan_core::Outcome;
use tgscan_core::store::{CallState, StorePolicy};

use super::course::{Course, accounts, failed, flush};
use super::model::{ACCOUNTS, MAX_AGE, PEOPLE};
use super::process::Process;
use super::{Result, Rule, StoreUnderTest, check};

impl Course {
    pub(super) async fn crash(&mut self, subject: &mut impl StoreUnderTest) -> Result {
        self.rule = Rule::DurableClaim;
        self.process.kill();
        self.accounts.clear();
        self.sent.clear();
        subject.crash();
        self.process = Arc::new(Process::new(subject.open()));
        self.accounts = accounts(&self.process);
        self.model.crash();
        for account in &self.accounts {
            // Each transaction marks the calls of lost owners.
            flush(account).await?;
        }
        Ok(())
    }

    pub(super) async fn expire(&mut self, account: usize) -> Result {
        let removed = self.accounts[account].expire(ACCOUNTS[account].2).await.map_err(failed)?;
        let now = self.model.now;
        // Other operations may have removed some of them.
        let due = self.model.remove(|call| call.account == account && call.is_due(now));
        check(removed <= due, Rule::Expiry, || format!("{removed} questions expired instead of {due}"))
    }

    pub(super) async fn erase(&mut self, account: usize, person: usize) -> Result {
        self.expire(account).await?;
        self.rule = Rule::Erasing;
        let query = PEOPLE[person].parse().map_err(failed)?;
        let erased = self.accounts[account].erase(&query).await.map_err(failed)?;
        let due = self.model.remove(|call| (call.account, call.person) == (account, person));
        check(erased.questions == due, Rule::Erasing, || format!("{erased:?} instead of {due} questions"))
    }

    pub(super) async fn purchase(&mut self, account: usize) -> Result {
        self.rule = Rule::Resolving;
        let mock = &self.mocks[account];
        mock.set_credits(mock.account().credits + 1000);
        self.model.journal[account] += 1;
        self.accounts[account].record_purchase(1000).await.map_err(failed)
    }

    pub(super) async fn resolve(&mut self, call: usize) -> Result {
        self.rule = Rule::Resolving;
        let open: Vec<_> =
            self.model.calls.iter_mut().filter(|call| call.state == CallState::Uncertain).collect();
        let count = open.len().max(1);
        let Some(call) = open.into_iter().nth(call % count) else { return Ok(()) };
        call.state = CallState::Resolved;
        self.model.journal[call.account] += 1;
        let (account, id, cost) = (call.account, call.id, call.cost);
        let was = self.accounts[account].resolve(id, cost).await.map_err(failed)?;
        check(was.is_some(), Rule::Resolving, || "an uncertain call cannot be resolved by hand".into())
    }

    pub(super) async fn compare_with_balance(&mut self, account: usize) -> Result {
        let (label, service, keep_for) = ACCOUNTS[account];
        let mock = &self.mocks[account];
        let client = tgscan_core::Client::new(
            Api::new(mock.live_key()).with_service(service),
            mock.clone(),
            mock.timer().clone(),
        )
        .with_store(self.process.clone(), StorePolicy::new(label, MAX_AGE, keep_for))
        .with_late_charge_window(Duration::ZERO);
        let report = client.reconcile().await.map_err(failed)?;
        let is_right = match report.outcome {
            Outcome::Baseline => !self.model.has_baseline[account],
            Outcome::Agrees | Outcome::Resolved(_) => self.model.has_baseline[account],
            _ => false,
        };
        self.model.compared(account);
        check(is_right, Rule::Resolving, || format!("a comparison reported {report:?}"))
    }
}
