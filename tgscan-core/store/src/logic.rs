//! What claims, settlements and the rest do to the tables: the same for every store that runs in this process.

use std::time::Duration;

use tgscan_core::store::{
    CallId, CallState, Claim, ClaimRequest, Erased, Person, ReconcileStart, Settlement, StoreCapReached,
    StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;

use crate::tables::{Answer, Reads, Row, State, Tables};

/// How many rows are held in memory at once.
const PAGE: usize = 1000;

/// The answer of a claim that changes nothing; `None` if the claim must be granted. Reads only, so that a store can ask
/// it outside of its writing transaction first.
pub(crate) fn look<T: Reads>(
    tables: &mut T,
    request: &ClaimRequest,
    now: u64,
) -> Result<Option<Claim>, T::Error> {
    let mut next = tables.holder(&request.question.key())?;
    let mut standing = None;
    // From the last call with this question to the first. What expired is taken out of them.
    while let Some(call) = next {
        // First, because mostly this is all that must be read. What was erased has none.
        let answer = if request.max_age.is_some() { tables.answer(call)? } else { None };
        if let Some(answer) = answer.filter(|answer| now < answer.expires_at) {
            let answer = answer.stored(now);
            if request.max_age.is_some_and(|max_age| answer.age <= max_age) {
                return Ok(Some(Claim::Stored(answer)));
            }
        }
        let Some(row) = tables.row(call)? else { break };
        next = row.previous;
        // What expired or was erased leaves the question free.
        if row.form.is_none() {
            continue;
        }
        if standing.is_none() && row.state.is_standing() {
            standing = Some((call, row));
        }
    }
    if request.stored_only {
        return Ok(Some(Claim::NotStored));
    }
    let Some((call, row)) = standing else { return Ok(None) };
    let age = Duration::from_millis(now.saturating_sub(row.claimed_at));
    Ok(match row.state {
        State::InFlight => Some(Claim::InFlight { age }),
        state if request.pay_again_after.is_none_or(|least| age < least) => {
            let charged = (state == State::Unanswered).then_some(row.charged);
            Some(Claim::Uncertain { call, age, charged })
        }
        _ => None,
    })
}

/// Claims a question.
pub(crate) fn claim<T: Tables>(tables: &mut T, request: &ClaimRequest, now: u64) -> Result<Claim, T::Error> {
    if let Some(claim) = look(tables, request, now)? {
        return Ok(claim);
    }
    let question = &request.question;
    let mut book = tables.book(&question.account)?;
    if let Some(refused) =
        request.cap.as_ref().and_then(|cap| StoreCapReached::check(&book, &question.method, cap))
    {
        return Ok(Claim::CapReached(refused));
    }
    let key = question.key();
    let previous = tables.holder(&key)?;
    let call = tables.next_id()?;
    let row = Row {
        account: question.account.clone(),
        is_live: question.is_live,
        method: question.method.clone(),
        form: Some(question.form.clone()),
        claimed_at: now,
        expires_at: now.saturating_add(u64::try_from(request.keep_for.as_millis()).unwrap_or(u64::MAX)),
        state: State::InFlight,
        charged: 0,
        previous,
    };
    book.claim(call, &question.method);
    tables.set_book(&question.account, &book)?;
    tables.set_holder(&key, Some(call))?;
    tables.set_open(call, true)?;
    tables.set_expiry(row.expires_at, call, true)?;
    tables.add_to_bill(&row.account, row.day(), &row.method, 1, 0)?;
    tables.set_row(call, Some(&row))?;
    Ok(Claim::Granted(call))
}

/// Books how a call ended.
pub(crate) fn settle<T: Tables>(
    tables: &mut T,
    call: CallId,
    settlement: &Settlement,
    now: u64,
) -> Result<(), T::Error> {
    // A call that is gone was settled as not charged.
    let Some(mut row) = tables.row(call)? else { return Ok(()) };
    let mut book = tables.book(&row.account)?;
    let ended = book.settle(&row.call(call), settlement, now);
    tables.set_book(&row.account, &book)?;
    let Some((state, charged)) = ended else { return remove(tables, call, &row) };
    let was = row.state;
    change(tables, call, &mut row, state, charged)?;
    let Settlement::Answered { status, body, credits } = settlement else { return Ok(()) };
    let is_late = was == State::Settled && tables.answer(call)?.is_none();
    if row.form.is_some() && (is_late || was == State::InFlight || was == State::Uncertain) {
        let (expires_at, credits, body) = (row.expires_at, *credits, body.clone());
        let answer = Answer { status: *status, at: now, expires_at, credits, body };
        tables.set_answer(call, Some(&answer))?;
    }
    Ok(())
}

/// Settles an uncertain call by hand.
pub(crate) fn resolve<T: Tables>(tables: &mut T, call: CallId, credits: u64) -> Result<bool, T::Error> {
    let Some(mut row) = tables.row(call)? else { return Ok(false) };
    let mut book = tables.book(&row.account)?;
    let Some((state, charged)) = book.resolve(&row.call(call), credits) else { return Ok(false) };
    tables.set_book(&row.account, &book)?;
    change(tables, call, &mut row, state, charged)?;
    Ok(true)
}

/// Turns calls in flight into uncertain ones, because their owner died.
pub(crate) fn bury<T: Tables>(tables: &mut T, calls: &[CallId], now: u64) -> Result<(), T::Error> {
    for &call in calls {
        let Some(mut row) = tables.row(call)?.filter(|row| row.state == State::InFlight) else { continue };
        let mut book = tables.book(&row.account)?;
        book.owner_died(&row.method, now);
        tables.set_book(&row.account, &book)?;
        change(tables, call, &mut row, CallState::Uncertain, 0)?;
    }
    Ok(())
}

pub(crate) fn uncertain<T: Tables>(tables: &mut T, account: &str) -> Result<Vec<StoredCall>, T::Error> {
    let mut calls = Vec::new();
    for call in tables.open()? {
        let row = tables.row(call)?.filter(|row| row.account == account && row.state != State::InFlight);
        calls.extend(row.map(|row| row.call(call)));
    }
    Ok(calls)
}

pub(crate) fn start_reconcile<T: Tables>(
    tables: &mut T,
    account: &str,
    now: u64,
) -> Result<ReconcileStart, T::Error> {
    Ok(ReconcileStart::new(&tables.book(account)?, now))
}

pub(crate) fn finish_reconcile<T: Tables>(
    tables: &mut T,
    account: &str,
    start: ReconcileStart,
    balance: i64,
) -> Result<StoreReconciliation, T::Error> {
    let mut book = tables.book(account)?;
    let report = book.reconcile(start, balance);
    tables.set_book(account, &book)?;
    let Some(spent) = report.settled() else { return Ok(report) };
    let mut ended = Vec::new();
    for call in tables.open()? {
        let row = tables.row(call)?.filter(|row| row.account == account && call > book.stranded_up_to);
        let row = row.filter(|row| matches!(row.state, State::Uncertain | State::AnsweredUncertain));
        ended.extend(row.map(|row| (call, row)));
    }
    let last = ended.len().saturating_sub(1);
    for (index, (call, mut row)) in ended.into_iter().enumerate() {
        let charged = if index == last { spent } else { 0 };
        let state = if row.state == State::Uncertain { CallState::Settled } else { CallState::Answered };
        change(tables, call, &mut row, state, charged)?;
    }
    Ok(report)
}

pub(crate) fn record_top_up<T: Tables>(tables: &mut T, account: &str, credits: u64) -> Result<(), T::Error> {
    let mut book = tables.book(account)?;
    book.record_top_up(credits);
    tables.set_book(account, &book)
}

pub(crate) fn calls<T: Tables>(
    tables: &mut T,
    after: CallId,
    limit: usize,
    now: u64,
) -> Result<Vec<StoredCall>, T::Error> {
    let mut calls = Vec::new();
    for (id, row) in tables.rows(after, limit)? {
        let mut call = row.call(id);
        call.answer = tables.answer(id)?.map(|answer| answer.stored(now));
        calls.push(call);
    }
    Ok(calls)
}

/// Removes up to `limit` questions and answers whose time is over. Returns how many.
pub(crate) fn expire<T: Tables>(tables: &mut T, now: u64, limit: usize) -> Result<u64, T::Error> {
    let mut removed = 0;
    for (at, call) in tables.expired(now, limit)? {
        let Some(row) = tables.row(call)? else {
            tables.set_expiry(at, call, false)?;
            continue;
        };
        // What is still to come needs the question; and its answer comes under the same expiry.
        if row.state == State::InFlight || row.state.is_unanswered() {
            continue;
        }
        tables.set_expiry(at, call, false)?;
        // Unless it was erased before.
        if row.form.is_some() {
            forget(tables, call, row)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes every question about a person and every answer with that person in it.
pub(crate) fn erase<T: Tables>(tables: &mut T, person: &UserQuery, now: u64) -> Result<Erased, T::Error> {
    let mut person = Person::new(person);
    loop {
        let mut has_learned = false;
        each_call(tables, now, |_, call| {
            has_learned |= person.learn(call);
            Ok(())
        })?;
        if !has_learned {
            break;
        }
    }
    let mut erased = Erased::default();
    each_call(tables, now, |tables, call| {
        if person.mentions(call) {
            erased.questions += u64::from(call.question.is_some());
            erased.answers += u64::from(call.answer.is_some());
            if let Some(row) = tables.row(call.id)? {
                forget(tables, call.id, row)?;
            }
        }
        Ok(())
    })?;
    Ok(erased)
}

fn each_call<T: Tables>(
    tables: &mut T,
    now: u64,
    mut visit: impl FnMut(&mut T, &StoredCall) -> Result<(), T::Error>,
) -> Result<(), T::Error> {
    let mut after = 0;
    loop {
        let page = calls(tables, after, PAGE, now)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        for call in &page {
            visit(tables, call)?;
        }
    }
}

/// Writes a call's new state and credits.
fn change<T: Tables>(
    tables: &mut T,
    call: CallId,
    row: &mut Row,
    state: CallState,
    charged: u64,
) -> Result<(), T::Error> {
    let more = i64::try_from(i128::from(charged) - i128::from(row.charged)).unwrap_or(i64::MAX);
    if more != 0 {
        tables.add_to_bill(&row.account, row.day(), &row.method, 0, more)?;
    }
    (row.state, row.charged) = (State::from(state), charged);
    tables.set_open(call, row.state.is_open())?;
    tables.set_row(call, Some(row))
}

/// Removes a call that was free.
fn remove<T: Tables>(tables: &mut T, call: CallId, row: &Row) -> Result<(), T::Error> {
    release(tables, call, row)?;
    tables.set_open(call, false)?;
    tables.set_expiry(row.expires_at, call, false)?;
    tables.add_to_bill(&row.account, row.day(), &row.method, -1, 0)?;
    tables.set_row(call, None)
}

/// Takes a call out of those with its question.
fn release<T: Tables>(tables: &mut T, call: CallId, row: &Row) -> Result<(), T::Error> {
    let Some(key) = row.question().map(|question| question.key()) else { return Ok(()) };
    let Some(holder) = tables.holder(&key)? else { return Ok(()) };
    if holder == call {
        // The key holds the query, so that it goes with the last call that has it.
        let mut next = row.previous;
        while let Some(call) = next {
            match tables.row(call)? {
                Some(row) if row.form.is_some() => break,
                Some(row) => next = row.previous,
                None => next = None,
            }
        }
        return tables.set_holder(&key, next);
    }
    let mut later = holder;
    while let Some(mut later_row) = tables.row(later)? {
        match later_row.previous {
            Some(previous) if previous == call => {
                later_row.previous = row.previous;
                return tables.set_row(later, Some(&later_row));
            }
            Some(previous) => later = previous,
            None => break,
        }
    }
    Ok(())
}

/// Removes question and answer of a call, and leaves what it cost.
fn forget<T: Tables>(tables: &mut T, call: CallId, mut row: Row) -> Result<(), T::Error> {
    release(tables, call, &row)?;
    row.form = None;
    tables.set_answer(call, None)?;
    tables.set_row(call, Some(&row))
}
