//! Compares what a store says with what the service knows.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;
use tgscan_core::ledger::ReconcileOutcome;
use tgscan_core::store::{CallState, Claim, ClaimRequest, Question, Store, StoredCall};
use tgscan_mock::Mock;

use crate::backend::open;
use crate::child::{digest, name, policy};
use crate::run::PRICE;

/// What is wrong, in a sentence.
pub(crate) struct Violation(String);

pub(crate) struct Audit {
    mock: Mock,
    location: String,
    cap: Option<u64>,
    /// How many of the mock's requests were looked at.
    seen: u64,
    /// How often a question was processed since it was last free to be asked.
    processed: HashMap<String, u32>,
    /// The answers that children were given.
    answers: HashMap<u64, u64>,
    questions: usize,
    uncertain: u64,
}

impl Audit {
    pub(crate) fn new(mock: Mock, location: String, cap: Option<u64>) -> Self {
        Self {
            mock,
            location,
            cap,
            seen: 0,
            processed: HashMap::new(),
            answers: HashMap::new(),
            questions: 0,
            uncertain: 0,
        }
    }

    /// How many questions were processed, answers given, and calls uncertain.
    pub(crate) fn counts(&self) -> (usize, usize, u64) {
        (self.questions, self.answers.len(), self.uncertain)
    }

    /// Checks what a child left behind that said these lines.
    pub(crate) fn check(&mut self, said: &[String]) -> Result<(), Violation> {
        let requests = self.mock.requests();
        let dropped = self.mock.dropped_requests();
        let skip =
            usize::try_from(self.seen - dropped).map_err(|_| Violation("the mock lost requests".into()))?;
        let store = open(&self.location);
        for request in requests.iter().skip(skip).filter(|request| request.charged > 0) {
            self.questions += 1;
            let times = self.processed.entry(request.form.clone()).or_default();
            *times += 1;
            if *times > 1 {
                let rows = rows_of(&store, &request.form);
                return Err(Violation(format!(
                    "a paid question was processed twice; the store has {rows:?}"
                )));
            }
        }
        self.seen = dropped + requests.len() as u64;
        for line in said {
            let (number, digest) = line.split_once(' ').unwrap_or_else(|| panic!("the child said {line:?}"));
            let (number, digest) = (number.parse().unwrap(), digest.parse().unwrap());
            if self.answers.insert(number, digest).is_some_and(|before| before != digest) {
                return Err(Violation("a question was given two different answers".into()));
            }
            read_back(&store, number, digest)?;
        }
        let book = block_on(store.book("main")).unwrap();
        let truth = self.mock.account().spent;
        let most = book.charged + book.uncertain_calls() * PRICE;
        if book.in_flight_calls() > 0 {
            return Err(Violation("calls of a dead process are in flight".into()));
        }
        if !(book.charged..=most).contains(&truth) {
            return Err(Violation(format!("{} charged, at most {most}, but {truth} spent", book.charged)));
        }
        if self.cap.is_some_and(|cap| truth > cap) {
            return Err(Violation(format!("the cap was passed: {truth} spent")));
        }
        Ok(())
    }

    /// Settles what is uncertain by the balance, which must then agree to the credit.
    pub(crate) fn reconcile(&mut self) -> Result<(), Violation> {
        let store = open(&self.location);
        let client = self
            .mock
            .client()
            .with_late_charge_window(Duration::ZERO)
            .with_store(store.clone(), policy(None));
        let seen = block_on(client.reconcile_store()).unwrap();
        match seen.outcome {
            ReconcileOutcome::Baseline | ReconcileOutcome::Agrees | ReconcileOutcome::Settled(_) => {}
            other => return Err(Violation(format!("the balance showed {other:?}"))),
        }
        self.uncertain += seen.uncertain - seen.uncertain_left;
        // Reads every row, so not after each child.
        audit_rows(&store, &block_on(store.book("main")).unwrap())?;
        let (charged, truth) = (block_on(store.book("main")).unwrap().charged, self.mock.account().spent);
        if charged != truth {
            return Err(Violation(format!("settled, but {charged} charged and {truth} spent")));
        }
        // What was settled may be asked again; what was answered may not.
        let mut after = 0;
        let mut answered = HashSet::new();
        loop {
            let page = block_on(store.calls(after, 1000)).unwrap();
            let Some(last) = page.last() else { break };
            after = last.id;
            let kept = page.into_iter().filter(|call| call.state != CallState::Settled);
            answered.extend(kept.filter_map(|call| call.question).map(|question| question.form));
        }
        self.processed.retain(|form, _| answered.contains(form));
        Ok(())
    }

    /// Reads every answer that was ever given back from the store.
    pub(crate) fn read_all_back(&self) -> Result<(), Violation> {
        let store = open(&self.location);
        self.answers.iter().try_for_each(|(number, digest)| read_back(&store, *number, *digest))
    }
}

fn read_back(store: &Arc<dyn Store>, number: u64, expected: u64) -> Result<(), Violation> {
    let question = Question::new("main", true, "search", format!("query={}", name(number)));
    let mut request = ClaimRequest::new(question, Duration::MAX);
    request.stored_only = true;
    match block_on(store.claim(&request)).unwrap() {
        Claim::Stored(answer) if digest(&answer.body) == expected => Ok(()),
        Claim::Stored(_) => Err(Violation("an answer reads back as another one".into())),
        other => Err(Violation(format!("an answer that was given is lost: {other:?}"))),
    }
}

/// The calls with a question.
fn rows_of(store: &Arc<dyn Store>, form: &str) -> Vec<StoredCall> {
    let (mut after, mut rows) = (0, Vec::new());
    loop {
        let page = block_on(store.calls(after, 1000)).unwrap();
        let Some(last) = page.last() else { return rows };
        after = last.id;
        rows.extend(page.into_iter().filter(|call| call.question.as_ref().is_some_and(|it| it.form == form)));
    }
}

/// The totals are the sums of the rows.
fn audit_rows(store: &Arc<dyn Store>, book: &tgscan_core::store::AccountBook) -> Result<(), Violation> {
    let (mut after, mut charged, mut uncertain, mut calls) = (0, 0, 0, 0);
    loop {
        let page = block_on(store.calls(after, 1000)).unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        for call in &page {
            charged += call.charged;
            calls += 1;
            uncertain += u64::from(matches!(call.state, CallState::Uncertain | CallState::AnsweredUncertain));
        }
    }
    let bill = block_on(store.bill()).unwrap();
    let billed = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
    if (charged, uncertain) != (book.charged, book.uncertain_calls()) || billed != (calls, charged) {
        return Err(Violation(format!(
            "rows say {charged} charged, {uncertain} uncertain, {calls} calls; the book {} and {}; the bill {billed:?}",
            book.charged,
            book.uncertain_calls()
        )));
    }
    Ok(())
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
