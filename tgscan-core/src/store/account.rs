//! An account in a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tgscan_types::UserQuery;

use super::operation::{Done, Operation, next_token};
use super::record::{date, millis};
use super::writer::Writer;
use super::{
    AccountName, Answer, BillRow, Call, CallId, Erased, Found, JournalEntry, Question, Selection, Store,
    StoreError, people,
};
use crate::account::{Book, CLOCK_SLACK};

/// The number of rows that are read or removed together.
const PAGE: usize = 256;
/// The maximum number of searches for new calls while erasing.
const MAX_ROUNDS: u32 = 100;
/// How long dropping the last handle waits for unwritten operations.
const CLOSE: Duration = Duration::from_secs(5);

/// An account in a store: looks up, resolves and erases calls. [`Client::account`](crate::Client::account) returns the
/// account of a client.
///
/// Clones share one queue of operations, and so do clones of a client. Dropping the last clone blocks the thread for up
/// to 5 s, until all operations are written.
#[derive(Clone)]
pub struct Account {
    writer: Arc<Writer>,
    _close: Arc<Close>,
}

struct Close(Arc<Writer>);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.wait_until_idle(CLOSE);
    }
}

impl Account {
    /// Creates a handle to an account.
    pub fn new(store: Arc<dyn Store>, name: AccountName) -> Self {
        let writer = Writer::new(store, name);
        Self { _close: Arc::new(Close(writer.clone())), writer }
    }

    /// Returns the account's name.
    pub fn name(&self) -> &AccountName {
        self.writer.account()
    }

    /// Returns the account's store.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.writer.store()
    }

    /// Returns the account's book.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn book(&self) -> Result<Book, StoreError> {
        Ok(self.read(Selection::Account).await?.account.book)
    }

    /// Lists unresolved calls, oldest first: uncertain calls, and calls that were charged but not answered.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn unresolved(&self) -> Result<Vec<Call>, StoreError> {
        Ok(self.read(Selection::Unresolved).await?.calls)
    }

    /// Marks the calls in flight of dead owners as uncertain. Every transaction on the account also does this.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn mark_lost(&self) -> Result<(), StoreError> {
        self.perform(Operation::EndComparison { token: next_token() }).await.map(drop)
    }

    /// Lists the answered calls of a question with their stored answers, latest first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn history(&self, question: &Question) -> Result<Vec<(Call, Answer)>, StoreError> {
        let mut history = Vec::new();
        for call in self.read(Selection::History(question.key())).await?.calls {
            if let Some((call, Some(answer))) = self.call(call.id).await? {
                history.push((call, answer));
            }
        }
        Ok(history)
    }

    /// Returns a call, and its answer if one is stored. `None` if there is no such call.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn call(&self, call: CallId) -> Result<Option<(Call, Option<Answer>)>, StoreError> {
        let mut found = self.read(Selection::Call(call)).await?;
        Ok(found.calls.pop().map(|call| (call, found.answer)))
    }

    /// Lists up to `limit` calls with ids above `after`, in ascending order. Calls that ended as not charged are not
    /// listed.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<Call>, StoreError> {
        let calls = self.read(Selection::Calls { after, limit }).await?.calls;
        check_order(after, calls.iter().map(|call| call.id))?;
        Ok(calls)
    }

    /// Lists up to `limit` entries of the journal with numbers above `after`, in ascending order: comparisons,
    /// purchases, and changes by hand.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn journal(&self, after: u64, limit: usize) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        let journal = self.read(Selection::Journal { after, limit }).await?.journal;
        check_order(after, journal.iter().map(|(number, _)| *number))?;
        Ok(journal)
    }

    /// Lists calls and charged credits by day (in UTC) and API method.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        let mut rows: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        let mut add = |time, method: &str, calls, charged| {
            let row = rows.entry((date(time), method.to_owned())).or_default();
            *row = (row.0 + calls, row.1.saturating_add(charged));
        };
        let mut after = 0;
        loop {
            let page = self.calls(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for call in &page {
                add(call.claimed_at, call.entry.method(), 1, call.entry.charged());
            }
        }
        after = 0;
        loop {
            let page = self.journal(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let shared = page.iter().map(|(_, entry)| (entry.at, entry.shared_credits()));
            shared.filter(|(_, credits)| *credits > 0).for_each(|(at, credits)| add(at, "", 0, credits));
        }
        let row = |((date, method), (calls, charged))| BillRow { date, method, calls, charged };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Resolves or corrects a call by hand: sets its total cost to `credits`, so that it no longer blocks its question.
    /// Returns the credits that were booked as charged before. If there is no such call or it is in flight, changes
    /// nothing and returns `None`.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn resolve(&self, call: CallId, credits: u64) -> Result<Option<u64>, StoreError> {
        match self.perform(Operation::Resolve { call, credits }).await? {
            Done::Changed(was) => Ok(was),
            _ => Ok(None),
        }
    }

    /// Records a purchase of `credits`, so that comparisons with the balance stay exact.
    ///
    /// # Errors
    /// If the store fails. If the error [is in doubt](StoreError::is_in_doubt), the store keeps trying: do not record
    /// the purchase again.
    pub async fn record_purchase(&self, credits: u64) -> Result<(), StoreError> {
        self.perform(Operation::Purchase { credits, token: next_token() }).await.map(drop)
    }

    /// Replaces the price of an API method, given its `ApiMethod::NAME`, for example after a wrong `op_cost`. `None`
    /// means unknown. Returns the old price.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn set_price(&self, method: &str, price: Option<u64>) -> Result<Option<u64>, StoreError> {
        match self.perform(Operation::SetPrice { method: method.to_owned(), price }).await? {
            Done::Changed(was) => Ok(was),
            _ => Ok(None),
        }
    }

    /// Removes expired questions and answers, and those whose calls ended more than `keep_for` ago. Keeps questions
    /// that a call blocks. Returns the number of removed questions.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn expire(&self, keep_for: Duration) -> Result<u64, StoreError> {
        let Found { account: row, now, .. } = self.read(Selection::Account).await?;
        let keep_for = millis(keep_for);
        // Only if `keep_for` was longer before, or a wrong clock set the expiry too late.
        if keep_for < row.keep_for || row.clock > now.saturating_add(CLOCK_SLACK) {
            let mut after = 0;
            loop {
                let page = self.calls(after, PAGE).await?;
                let (calls, is_last) = (ids(&page), page.len() < PAGE);
                after = calls.last().copied().unwrap_or(after);
                self.perform(Operation::LimitExpiry { calls, keep_for, is_last }).await?;
                if is_last {
                    break;
                }
            }
        }
        let (mut removed, mut last) = (0, Vec::new());
        loop {
            let calls = ids(&self.read(Selection::Due { limit: PAGE }).await?.calls);
            if calls.is_empty() {
                return Ok(removed);
            }
            if calls == last {
                return Err(StoreError::new(
                    "the store did not remove questions and answers; their rows are damaged, or its implementation is wrong",
                ));
            }
            last.clone_from(&calls);
            let remove = Operation::Remove { calls, is_erasing: false };
            if let Done::Removed(erased) = self.perform(remove).await? {
                removed += erased.questions;
            }
        }
    }

    /// Counts the questions and answers that [`erase`](Self::erase) would remove.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn find_person(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        let calls = self.calls_of(person).await?;
        let answers = calls.iter().filter(|call| call.is_answered).count() as u64;
        Ok(Erased { questions: calls.len() as u64, answers })
    }

    /// Removes every question about a person and every answer that names the person. Follows all usernames and ids that
    /// these answers connect. Also removes them from the disk, as far as the store can. The bill keeps its rows.
    ///
    /// # Errors
    /// If the store fails, or concurrent calls keep naming the person.
    pub async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        // Repeated until no calls are found, because concurrent calls continue.
        let mut rounds = 0;
        while let Some(calls) = Some(self.calls_of(person).await?).filter(|calls| !calls.is_empty()) {
            if rounds == MAX_ROUNDS {
                return Err(StoreError::new(
                    "concurrent calls keep naming the person; erase again when no calls are being made",
                ));
            }
            rounds += 1;
            for page in calls.chunks(PAGE) {
                let forget = Operation::Remove { calls: ids(page), is_erasing: true };
                if let Done::Removed(removed) = self.perform(forget).await? {
                    erased.questions += removed.questions;
                    erased.answers += removed.answers;
                }
            }
        }
        // Also if nothing was found, since an earlier erasure may have failed after the removal.
        self.store().compact().await?;
        Ok(erased)
    }

    /// Returns the calls that name a person, by all usernames and ids that these calls connect.
    async fn calls_of(&self, person: &UserQuery) -> Result<Vec<Call>, StoreError> {
        let mut names: BTreeSet<_> = people::fold(&person.as_str()).into_iter().collect();
        loop {
            let calls = self.read(Selection::People(names.iter().cloned().collect())).await?.calls;
            let known = names.len();
            names.extend(calls.iter().flat_map(|call| &call.people).filter_map(|name| people::fold(name)));
            if names.len() == known {
                return Ok(calls);
            }
        }
    }

    pub(super) async fn read(&self, rows: Selection) -> Result<Found, StoreError> {
        self.store().read(self.name(), rows).await
    }

    /// Runs an operation.
    pub(crate) async fn perform(&self, operation: Operation) -> Result<Done, StoreError> {
        let done = self.writer.submit(operation).await;
        done.unwrap_or_else(|| Err(StoreError::new("the store dropped the task of its operations")))
    }

    pub(crate) fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

/// Refuses a page that repeats rows or is not in ascending order, because reading all pages might never end.
fn check_order(mut after: u64, rows: impl IntoIterator<Item = u64>) -> Result<(), StoreError> {
    for row in rows {
        if row <= after {
            return Err(StoreError::new("the store returns rows that were not requested, or out of order"));
        }
        after = row;
    }
    Ok(())
}

fn ids(calls: &[Call]) -> Vec<CallId> {
    calls.iter().map(|call| call.id).collect()
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_pages_that_repeat_rows_or_are_not_in_order() {
        for (rows, expected) in
            [(&[][..], true), (&[4, 6, 7], true), (&[3], false), (&[4, 4], false), (&[5, 3], false)]
        {
            assert_eq!(check_order(3, rows.iter().copied()).is_ok(), expected, "{rows:?}");
        }
    }
}
