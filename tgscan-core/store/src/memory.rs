//! A store in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tgscan_core::store::{
    AccountBook, BillRow, CallId, Claim, ClaimRequest, Erased, ReconcileStart, Settlement, Store, StoreError,
    StoreReconciliation, StoredCall,
};
use tgscan_core::types::UserQuery;

use crate::tables::{Answer, Reads, Row, Tables};
use crate::{Clock, logic};

/// A store in memory: joins equal questions that are asked at once, and answers repeated ones, in one process.
///
/// Nothing survives the process. Clones share what is stored. Holds at most as many answers as
/// [`with_max_answers`](Self::with_max_answers) says; each call's row in the bill (about 200 bytes) stays.
#[derive(Clone)]
pub struct MemoryStore {
    tables: Arc<Mutex<Memory>>,
    clock: Clock,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Creates an empty store that holds at most 10,000 answers.
    pub fn new() -> Self {
        let memory = Memory { max_answers: 10_000, ..Memory::default() };
        Self { tables: Arc::new(Mutex::new(memory)), clock: Clock::default() }
    }

    /// Sets how many answers are held; the oldest goes when there is one more, and is paid for if asked again.
    #[must_use]
    pub fn with_max_answers(self, answers: usize) -> Self {
        self.lock().max_answers = answers;
        self
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Turns every call in flight into an uncertain one, as if its owner had died: for tests.
    pub fn simulate_crash(&self) {
        let Ok(calls) = self.lock().open();
        let Ok(()) = logic::bury(&mut *self.lock(), &calls, self.clock.now());
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic in between may leave a call half booked, which is as uncertain as the call itself.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, work: impl FnOnce(&mut Memory, u64) -> Result<T, Infallible>) -> T {
        let Ok(done) = work(&mut self.lock(), self.clock.now());
        done
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claim, StoreError> {
        Ok(self.run(|tables, now| {
            logic::expire(tables, now, 10)?;
            logic::claim(tables, request, now)
        }))
    }

    async fn settle(&self, call: CallId, settlement: Settlement) -> Result<(), StoreError> {
        self.run(|tables, now| logic::settle(tables, call, &settlement, now));
        Ok(())
    }

    fn abandon(&self, call: CallId, settlement: Settlement) {
        self.run(|tables, now| logic::settle(tables, call, &settlement, now));
    }

    async fn book(&self, account: &str) -> Result<AccountBook, StoreError> {
        Ok(self.run(|tables, _| tables.book(account)))
    }

    async fn uncertain(&self, account: &str) -> Result<Vec<StoredCall>, StoreError> {
        Ok(self.run(|tables, _| logic::uncertain(tables, account)))
    }

    async fn resolve(&self, call: CallId, credits: u64) -> Result<bool, StoreError> {
        Ok(self.run(|tables, _| logic::resolve(tables, call, credits)))
    }

    async fn start_reconcile(&self, account: &str) -> Result<ReconcileStart, StoreError> {
        Ok(self.run(|tables, now| logic::start_reconcile(tables, account, now)))
    }

    async fn finish_reconcile(
        &self,
        account: &str,
        start: ReconcileStart,
        balance: i64,
    ) -> Result<StoreReconciliation, StoreError> {
        Ok(self.run(|tables, _| logic::finish_reconcile(tables, account, start, balance)))
    }

    async fn record_top_up(&self, account: &str, credits: u64) -> Result<(), StoreError> {
        self.run(|tables, _| logic::record_top_up(tables, account, credits));
        Ok(())
    }

    async fn bill(&self) -> Result<Vec<BillRow>, StoreError> {
        Ok(self.run(|tables, _| tables.bill()))
    }

    async fn calls(&self, after: CallId, limit: usize) -> Result<Vec<StoredCall>, StoreError> {
        Ok(self.run(|tables, now| logic::calls(tables, after, limit, now)))
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        Ok(self.run(|tables, now| logic::expire(tables, now, usize::MAX)))
    }

    async fn erase(&self, person: &UserQuery) -> Result<Erased, StoreError> {
        Ok(self.run(|tables, now| logic::erase(tables, person, now)))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.lock();
        f.debug_struct("MemoryStore")
            .field("calls", &tables.rows.len())
            .field("answers", &tables.answers.len())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Memory {
    last: CallId,
    holders: HashMap<Vec<u8>, CallId>,
    rows: BTreeMap<CallId, Row>,
    answers: BTreeMap<CallId, Answer>,
    open: BTreeSet<CallId>,
    expiries: BTreeSet<(u64, CallId)>,
    books: HashMap<String, AccountBook>,
    bill: BTreeMap<(String, i64, String), (u64, u64)>,
    max_answers: usize,
}

impl Reads for Memory {
    type Error = Infallible;

    fn holder(&mut self, key: &[u8]) -> Result<Option<CallId>, Infallible> {
        Ok(self.holders.get(key).copied())
    }

    fn row(&mut self, call: CallId) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(&call).cloned())
    }

    fn answer(&mut self, call: CallId) -> Result<Option<Answer>, Infallible> {
        Ok(self.answers.get(&call).cloned())
    }
}

impl Tables for Memory {
    fn next_id(&mut self) -> Result<CallId, Infallible> {
        self.last += 1;
        Ok(self.last)
    }

    fn set_holder(&mut self, key: &[u8], call: Option<CallId>) -> Result<(), Infallible> {
        match call {
            Some(call) => self.holders.insert(key.to_owned(), call),
            None => self.holders.remove(key),
        };
        Ok(())
    }

    fn set_row(&mut self, call: CallId, row: Option<&Row>) -> Result<(), Infallible> {
        match row {
            Some(row) => self.rows.insert(call, row.clone()),
            None => self.rows.remove(&call),
        };
        Ok(())
    }

    fn rows(&mut self, after: CallId, limit: usize) -> Result<Vec<(CallId, Row)>, Infallible> {
        let rows = self.rows.range(after.saturating_add(1)..).take(limit);
        Ok(rows.map(|(call, row)| (*call, row.clone())).collect())
    }

    fn set_answer(&mut self, call: CallId, answer: Option<&Answer>) -> Result<(), Infallible> {
        match answer {
            Some(answer) => {
                self.answers.insert(call, answer.clone());
                while self.answers.len() > self.max_answers {
                    self.answers.pop_first();
                }
            }
            None => {
                self.answers.remove(&call);
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Vec<CallId>, Infallible> {
        Ok(self.open.iter().copied().collect())
    }

    fn set_open(&mut self, call: CallId, is_open: bool) -> Result<(), Infallible> {
        if is_open {
            self.open.insert(call);
        } else {
            self.open.remove(&call);
        }
        Ok(())
    }

    fn expired(&mut self, now: u64, limit: usize) -> Result<Vec<(u64, CallId)>, Infallible> {
        Ok(self.expiries.range(..=(now, CallId::MAX)).take(limit).copied().collect())
    }

    fn set_expiry(&mut self, at: u64, call: CallId, is_due: bool) -> Result<(), Infallible> {
        if is_due {
            self.expiries.insert((at, call));
        } else {
            self.expiries.remove(&(at, call));
        }
        Ok(())
    }

    fn book(&mut self, account: &str) -> Result<AccountBook, Infallible> {
        Ok(self.books.get(account).cloned().unwrap_or_default())
    }

    fn set_book(&mut self, account: &str, book: &AccountBook) -> Result<(), Infallible> {
        self.books.insert(account.to_owned(), book.clone());
        Ok(())
    }

    fn add_to_bill(
        &mut self,
        account: &str,
        day: i64,
        method: &str,
        calls: i64,
        charged: i64,
    ) -> Result<(), Infallible> {
        let key = (account.to_owned(), day, method.to_owned());
        let row = self.bill.entry(key.clone()).or_default();
        *row = (row.0.saturating_add_signed(calls), row.1.saturating_add_signed(charged));
        if row.0 == 0 {
            self.bill.remove(&key);
        }
        Ok(())
    }

    fn bill(&mut self) -> Result<Vec<BillRow>, Infallible> {
        let row = |((account, day, method), (calls, charged)): (&(String, i64, String), &(u64, u64))| {
            BillRow::new(account, *day, method, *calls, *charged)
        };
        Ok(self.bill.iter().map(row).collect())
    }
}
