//! Compares a store with the model.

use std::collections::BTreeSet;

use tgscan_core::store::{Account, Call, CallState, Question, Selection};

use super::course::{Course, failed};
use super::model::{self, ACCOUNTS};
use super::{Result, Rule, check};

impl Course {
    /// Compares every account, with its indexes or without. Due questions and answers may already be removed.
    pub(super) async fn compare_with_store(&mut self, compares_indexes: bool) -> Result {
        for number in 0..ACCOUNTS.len() {
            let account = self.accounts[number].clone();
            let calls = self.compare_calls(number, &account).await?;
            self.compare_totals(number, &account, &calls).await?;
            if !compares_indexes {
                continue;
            }
            check_indexes(&account, &calls).await?;
            let listed = account.store().accounts().await.map_err(failed)?;
            let count = listed.iter().filter(|name| *name == account.name()).count();
            check(count == 1 || count == 0 && calls.is_empty(), Rule::Isolation, || {
                format!("an account with {} calls is listed {count} times", calls.len())
            })?;
        }
        Ok(())
    }

    async fn compare_calls(&mut self, number: usize, account: &Account) -> Result<Vec<Call>> {
        let (rule, now) = (self.rule_for(number), self.model.now);
        let calls = read_in_pages(account).await?;
        let expected: Vec<&mut model::Call> =
            self.model.calls.iter_mut().filter(|call| call.account == number).collect();
        let ids = (calls.iter().map(|call| call.id), expected.iter().map(|call| call.id));
        check(ids.0.clone().eq(ids.1.clone()), rule, || {
            format!("calls {:?} instead of {:?}", ids.0.collect::<Vec<_>>(), ids.1.collect::<Vec<_>>())
        })?;
        for (call, expected) in calls.iter().zip(expected) {
            let state = call.state();
            check(state == expected.state, rule, || {
                format!("call {} is {state:?} instead of {:?}", call.id, expected.state)
            })?;
            let is_asked = |key: &str| key.contains(model::PEOPLE[expected.person]);
            let question = call.question.as_ref();
            check(question.is_none_or(|question| is_asked(&question.form)), Rule::Isolation, || {
                format!("call {} has another question", call.id)
            })?;
            if question.is_none() && expected.is_due(now) {
                (expected.is_removed, expected.answer) = (true, None);
            }
            check(question.is_none() == expected.is_removed, rule, || {
                format!("the question of call {} is wrongly present or missing", call.id)
            })?;
            let read = account.call(call.id).await.map_err(failed)?;
            let answer = read.and_then(|(_, answer)| answer).map(|answer| answer.body);
            let must = expected.answer.as_ref().map(|(body, _)| body);
            let is_right = match state {
                CallState::Answered => answer.as_ref() == must,
                _ => !expected.is_removed || answer.is_none(),
            };
            let rule = if expected.is_removed { rule } else { Rule::DurableAnswer };
            check(is_right, rule, || format!("call {} has another answer", call.id))?;
        }
        Ok(calls)
    }

    async fn compare_totals(&self, number: usize, account: &Account, calls: &[Call]) -> Result {
        let book = account.book().await.map_err(failed)?;
        let (totals, lost) = (book.totals(), self.mocks[number].account().spent);
        let known = totals.charged + totals.unexplained;
        check(known <= lost && lost <= totals.committed(), Rule::Accounting, || {
            format!("the account lost {lost}, but the book has {totals:?}")
        })?;
        let count = |state| calls.iter().filter(|call| call.state() == state).count() as u64;
        let counted = (totals.in_flight_calls, totals.uncertain_attempts);
        let must = (count(CallState::InFlight), count(CallState::Uncertain));
        check(counted == must, Rule::Accounting, || {
            format!("{counted:?} calls in flight and uncertain attempts instead of {must:?}")
        })?;
        let bill = account.bill().await.map_err(failed)?;
        let billed = bill.iter().fold((0, 0), |sum, row| (sum.0 + row.calls, sum.1 + row.charged));
        let must = (calls.len() as u64, totals.charged);
        check(billed == must, Rule::Accounting, || {
            format!("the bill has calls and credits {billed:?} instead of {must:?}")
        })?;
        let must = 1..=self.model.journal[number] as u64;
        for (after, limit) in [(0, 1), (1, 1000)] {
            let page = account.journal(after, limit).await.map_err(failed)?;
            let numbers: Vec<_> = page.iter().map(|(number, _)| *number).collect();
            let must: Vec<_> = must.clone().filter(|number| *number > after).take(limit).collect();
            check(numbers == must, Rule::Accounting, || {
                format!("the journal after {after} has {numbers:?} instead of {must:?}")
            })?;
        }
        Ok(())
    }
}

async fn read_in_pages(account: &Account) -> Result<Vec<Call>> {
    let mut calls: Vec<Call> = Vec::new();
    loop {
        let page = account.calls(calls.last().map_or(0, |call| call.id), 3).await.map_err(failed)?;
        check(page.len() <= 3, Rule::Indexes, || "a page of calls is longer than its limit".into())?;
        if page.is_empty() {
            return Ok(calls);
        }
        calls.extend(page);
    }
}

/// Checks that each index returns the matching calls.
async fn check_indexes(account: &Account, calls: &[Call]) -> Result {
    let now = account.store().read(account.name(), Selection::Account).await.map_err(failed)?.now;
    let ids = |matches: &dyn Fn(&Call) -> bool| -> Vec<u64> {
        calls.iter().filter(|call| matches(call)).map(|call| call.id).collect()
    };
    let mut due: Vec<&Call> =
        calls.iter().filter(|call| call.due_at().is_some_and(|due| due <= now)).collect();
    due.sort_by_key(|call| (call.due_at(), call.id));
    let due: Vec<u64> = due.iter().map(|call| call.id).collect();
    let first_due = due.iter().take(1).copied().collect();
    let mut indexes = vec![
        (Selection::Unresolved, ids(&|call| call.is_unresolved())),
        (Selection::Due { limit: usize::MAX }, due),
        (Selection::Due { limit: 1 }, first_due),
    ];
    let people: BTreeSet<_> = calls.iter().flat_map(|call| &call.people).collect();
    for person in people {
        indexes.push((Selection::People(vec![person.clone()]), ids(&|call| call.people.contains(person))));
    }
    let keys: BTreeSet<_> = calls.iter().filter_map(|call| Some(call.question.as_ref()?.key())).collect();
    for key in keys {
        let is_same = |question: &Question| question.key() == key;
        let mut answered = ids(&|call| call.is_answered && call.question.as_ref().is_some_and(is_same));
        answered.reverse();
        indexes.push((Selection::History(key), answered));
    }
    for (index, must) in indexes {
        let found = account.store().read(account.name(), index.clone()).await.map_err(failed)?;
        let found: Vec<u64> = found.calls.iter().map(|call| call.id).collect();
        check(found == must, Rule::Indexes, || {
            // `Debug` of the index is not printed, because it contains the query.
            let name = match index {
                Selection::Unresolved => "unresolved calls",
                Selection::Due { .. } => "due calls",
                Selection::People(_) => "people",
                _ => "questions",
            };
            format!("the index of {name} finds {found:?} instead of {must:?}")
        })?;
    }
    Ok(())
}
