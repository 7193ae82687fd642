//! Compares a store with the service.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::Outcome;
use tgscan_core::store::{Account, Call, CallState, Question, Selection};
use tgscan_mock::Mock;
use tgscan_transport_hyper::TokioTimer;

use crate::backend::open;
use crate::broken::Fault;
use crate::child::{account, digest, name, policy};
use crate::over::Over;

/// The problem, in a sentence.
pub(crate) struct Violation(String);

pub(crate) struct Audit {
    mock: Mock,
    location: String,
    cap: Option<u64>,
    fault: Fault,
    /// How many of the mock's requests were looked at.
    seen: u64,
    /// How often a question was paid for since it was last free to be asked.
    paid: HashMap<String, u32>,
    /// The answers that children were given.
    answers: HashMap<u64, u64>,
    questions: usize,
    resolved: u64,
}

impl Audit {
    pub(crate) fn new(mock: Mock, location: String, cap: Option<u64>, fault: Fault) -> Self {
        Self {
            mock,
            location,
            cap,
            fault,
            seen: 0,
            paid: HashMap::new(),
            answers: HashMap::new(),
            questions: 0,
            resolved: 0,
        }
    }

    /// How many questions were paid for, answers given, and attempts resolved.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        (self.questions, self.answers.len(), self.resolved)
    }

    /// Checks what children left behind that said these lines; `are_dead` if none of them runs any more.
    pub(crate) fn check(&mut self, said: &[String], are_dead: bool) -> Result<(), Violation> {
        let account = self.account()?;
        self.count_requests(&account)?;
        for line in said {
            let (number, digest) = line.split_once(' ').unwrap_or_else(|| panic!("the child said {line:?}"));
            let (number, digest) = (number.parse().unwrap(), digest.parse().unwrap());
            if self.answers.insert(number, digest).is_some_and(|before| before != digest) {
                return Err(Violation("a question was given two different answers".into()));
            }
            read_back(&account, number, digest)?;
        }
        let totals = block_on(account.book()).map_err(failed)?.totals();
        let truth = self.mock.account().spent;
        if are_dead && totals.in_flight_calls > 0 {
            return Err(Violation("calls of a dead process are in flight".into()));
        }
        if !(totals.charged..=totals.committed()).contains(&truth) {
            return Err(Violation(format!("{truth} credits spent, and the book has {totals:?}")));
        }
        if self.cap.is_some_and(|cap| truth > cap) {
            return Err(Violation(format!("the cap was passed: {truth} credits spent")));
        }
        Ok(())
    }

    /// The account, after a transaction that notices dead owners.
    fn account(&self) -> Result<Account, Violation> {
        let store = Over::new(open(&self.location), self.fault);
        let account = Account::new(Arc::new(store), account());
        block_on(account.set_price("", None)).map_err(failed)?;
        Ok(account)
    }

    fn count_requests(&mut self, account: &Account) -> Result<(), Violation> {
        let (requests, dropped) = (self.mock.requests(), self.mock.dropped_requests());
        let skip = self.seen.checked_sub(dropped).and_then(|skip| usize::try_from(skip).ok());
        let skip = skip.ok_or_else(|| Violation("the mock lost requests".into()))?;
        for request in requests.iter().skip(skip).filter(|request| request.charged > 0) {
            self.questions += 1;
            let times = self.paid.entry(request.form.clone()).or_default();
            *times += 1;
            if *times > 1 {
                let calls = all_calls(account)?;
                let calls: Vec<_> =
                    calls.iter().filter(|call| form_of(call) == Some(&request.form)).collect();
                return Err(Violation(format!("a question was paid for twice; the store has {calls:?}")));
            }
        }
        self.seen = dropped + requests.len() as u64;
        Ok(())
    }

    /// Resolves uncertain calls by the balance, which must then agree to the credit.
    pub(crate) fn reconcile(&mut self) -> Result<(), Violation> {
        let account = self.account()?;
        self.count_requests(&account)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let client = self
            .mock
            .client()
            .with_timer(TokioTimer::new())
            .with_late_charge_window(Duration::ZERO)
            .with_store(account.store().clone(), policy());
        let report = runtime.block_on(client.reconcile()).map_err(failed)?;
        match report.outcome {
            Outcome::Baseline | Outcome::Agrees | Outcome::Resolved(_) => {}
            other => return Err(Violation(format!("the balance showed {other:?}"))),
        }
        self.resolved += report.resolved_attempts;
        let totals = block_on(account.book()).map_err(failed)?.totals();
        let (calls, truth) = (all_calls(&account)?, self.mock.account().spent);
        if (totals.charged, totals.uncertain_attempts) != (truth, 0) {
            return Err(Violation(format!(
                "compared, but {truth} credits spent, and the book has {totals:?}"
            )));
        }
        let bill = block_on(account.bill()).map_err(failed)?;
        let billed = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
        if billed != (calls.len() as u64, totals.charged) {
            return Err(Violation(format!("{billed:?} calls and credits on the bill, and {totals:?}")));
        }
        // A resolved question may be asked again.
        let blocked: HashSet<_> =
            calls.iter().filter(|call| call.state() != CallState::Resolved).filter_map(form_of).collect();
        self.paid.retain(|form, _| blocked.contains(form));
        Ok(())
    }

    /// Reads every answer that was ever given back from the store.
    pub(crate) fn read_all_back(&self) -> Result<(), Violation> {
        let account = self.account()?;
        self.answers.iter().try_for_each(|(number, digest)| read_back(&account, *number, *digest))
    }
}

fn failed(error: impl fmt::Display) -> Violation {
    Violation(format!("the store failed: {error}"))
}

fn read_back(account: &Account, number: u64, expected: u64) -> Result<(), Violation> {
    let key = Question::new(true, "search", format!("query={}", name(number))).key();
    let found = block_on(account.store().read(account.name(), Selection::Question(key)));
    match found.map_err(failed)?.answer {
        Some(answer) if digest(&answer.body) == expected => Ok(()),
        Some(_) => Err(Violation("an answer reads back as another one".into())),
        None => Err(Violation("an answer that was given is lost".into())),
    }
}

fn form_of(call: &Call) -> Option<&String> {
    Some(&call.question.as_ref()?.form)
}

fn all_calls(account: &Account) -> Result<Vec<Call>, Violation> {
    let mut calls: Vec<Call> = Vec::new();
    loop {
        let after = calls.last().map_or(0, |call| call.id);
        let page = block_on(account.calls(after, 1000)).map_err(failed)?;
        if page.is_empty() {
            return Ok(calls);
        }
        calls.extend(page);
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
