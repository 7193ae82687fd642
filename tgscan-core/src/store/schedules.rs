//! The queue of operations under many schedules of threads.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;

use super::explore::Tables;
use super::operation::{Claim, Done, Operation, Settlement, next_token};
use super::writer::Writer;
use super::{AccountName, CallId, Decide, Erased, Found, Needs, Selection, Store, StoreError, Task};
use crate::account::Cost;
use crate::sync::Mutex;
use crate::sync::schedules::{block_on, check, thread};

const HOUR: Duration = Duration::from_secs(3600);

/// A store in memory. Its transactions fail as configured.
#[derive(Default)]
struct Memory {
    tables: Mutex<Tables>,
    /// The failures of the next transactions, last first. `Some(true)` fails after the write.
    failures: Mutex<Vec<Option<bool>>>,
    /// The error of failures before the write, if these are not in doubt.
    error: Option<StoreError>,
    /// Whether each transaction runs again after its commit.
    repeats: bool,
    /// The number of transactions that report success without a decision.
    skipped: Mutex<u32>,
    fault: Fault,
    /// The number of reads and pauses that panicked.
    panics: Mutex<(u32, u32)>,
}

/// A fault of the store.
#[derive(Default, PartialEq)]
enum Fault {
    #[default]
    None,
    DropsTasks,
    /// Long pauses never end.
    Pauses,
    /// Transactions never end. A task is dropped after its first poll.
    Hangs,
    /// Reads and pauses panic.
    Panics,
}

#[async_trait]
impl Store for Memory {
    async fn transact(&self, _: &AccountName, needs: Needs, mut decide: Decide) -> Result<(), StoreError> {
        if self.fault == Fault::Hangs {
            pending::<()>().await;
        }
        let failure = self.failures.lock().unwrap().pop().flatten();
        if failure == Some(false) {
            return Err(self.error.clone().unwrap_or_else(|| StoreError::new("failed").in_doubt()));
        }
        let mut skipped = self.skipped.lock().unwrap();
        if *skipped > 0 {
            *skipped -= 1;
            return Ok(());
        }
        let mut tables = self.tables.lock().unwrap();
        let changes = decide(tables.load(&needs, 1, 1, |_| true));
        tables.write(changes);
        if self.repeats {
            let changes = decide(tables.load(&needs, 1, 1, |_| true));
            tables.write(changes);
        }
        if failure.is_some() { Err(StoreError::new("failed").in_doubt()) } else { Ok(()) }
    }

    async fn read(&self, _: &AccountName, _: Selection) -> Result<Found, StoreError> {
        if self.fault == Fault::Panics {
            self.panics.lock().unwrap().0 += 1;
            panic!("a read panics");
        }
        Ok(Found { account: self.tables.lock().unwrap().account.clone(), ..Found::default() })
    }

    async fn accounts(&self) -> Result<Vec<AccountName>, StoreError> {
        Ok(Vec::new())
    }

    async fn compact(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn spawn(&self, mut task: Task) {
        if self.fault == Fault::Hangs {
            assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        } else if self.fault != Fault::DropsTasks {
            thread::spawn(move || block_on(task));
        }
    }

    async fn pause(&self, duration: Duration) {
        if self.fault == Fault::Panics {
            self.panics.lock().unwrap().1 += 1;
            panic!("a pause panics");
        }
        if self.fault == Fault::Pauses && duration > Duration::from_millis(50) {
            pending::<()>().await;
        }
    }
}

fn writer(store: Memory) -> (Arc<Memory>, Arc<Writer>) {
    let store = Arc::new(store);
    (store.clone(), Writer::new(store, AccountName::new("main", "service")))
}

fn claim() -> Operation {
    Operation::Claim(Claim::of("query=a", next_token()))
}

fn in_flight(store: &Memory) -> usize {
    let tables = store.tables.lock().unwrap();
    tables.calls.values().filter(|call| call.entry.is_in_flight()).count()
}

fn granted(done: Option<&Result<Done, StoreError>>) -> Option<CallId> {
    match done {
        Some(Ok(Done::Granted(call))) => Some(*call),
        _ => None,
    }
}

#[test]
fn schedules_release_claims_of_dropped_callers() {
    check(|| {
        let (store, queue) = writer(Memory::default());
        let dropped = queue.clone();
        let dropped = thread::spawn(move || drop(dropped.submit(claim())));
        let granted = granted(block_on(queue.submit(claim())).as_ref());
        dropped.join().unwrap();
        queue.wait_until_idle(HOUR);
        assert_eq!(in_flight(&store), usize::from(granted.is_some()));
        assert_eq!(queue.unwritten(), (0, 0));
    });
}

#[test]
fn schedules_release_claims_in_doubt() {
    for is_written in [false, true] {
        check(move || {
            let failures = Mutex::new(vec![None, Some(is_written)]);
            let (store, queue) = writer(Memory { failures, ..Memory::default() });
            let other = queue.clone();
            let other = thread::spawn(move || granted(block_on(other.submit(claim())).as_ref()).is_some());
            let is_mine = granted(block_on(queue.submit(claim())).as_ref()).is_some();
            let is_other = other.join().unwrap();
            queue.wait_until_idle(HOUR);
            assert!(!(is_mine && is_other), "the question is granted twice");
            assert_eq!(in_flight(&store), usize::from(is_mine || is_other));
            assert_eq!(queue.unwritten(), (0, 0));
        });
    }
}

#[test]
fn schedules_write_every_settlement() {
    check(|| {
        let (store, queue) = writer(Memory { failures: Mutex::new(vec![Some(true)]), ..Memory::default() });
        let settle = |queue: &Arc<Writer>| {
            queue.submit_alone(Operation::Charge {
                method: "search",
                cost: Cost { charged: 1, uncertain: 0 },
                began: 0,
                token: next_token(),
            });
        };
        let other = queue.clone();
        let other = thread::spawn(move || settle(&other));
        settle(&queue);
        other.join().unwrap();
        queue.wait_until_idle(HOUR);
        assert_eq!(queue.unwritten(), (0, 0));
        assert_eq!(store.tables.lock().unwrap().account.book.totals().charged, 2);
    });
}

/// Reads the number of unwritten operations when it is woken.
struct AtWake {
    queue: Arc<Writer>,
    unwritten: Mutex<Option<u64>>,
}

impl Wake for AtWake {
    fn wake(self: Arc<Self>) {
        *self.unwritten.lock().unwrap() = Some(self.queue.unwritten().0);
    }
}

#[test]
fn schedules_count_a_failed_settlement_before_its_caller_continues() {
    check(|| {
        let (store, queue) = writer(Memory { failures: Mutex::new(vec![Some(true)]), ..Memory::default() });
        let at_wake = Arc::new(AtWake { queue: queue.clone(), unwritten: Mutex::new(None) });
        // The transaction waits until its caller does.
        let tables = store.tables.lock().unwrap();
        let mut charge = queue.submit(Operation::Charge {
            method: "search",
            cost: Cost { charged: 1, uncertain: 0 },
            began: 0,
            token: next_token(),
        });
        let waker = Waker::from(at_wake.clone());
        assert!(Pin::new(&mut charge).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(tables);
        queue.wait_until_idle(HOUR);
        assert_eq!(*at_wake.unwritten.lock().unwrap(), Some(1));
        assert_eq!(queue.unwritten(), (0, 0));
    });
}

#[test]
fn schedules_wake_callers_that_wait_for_a_call_to_end() {
    check(|| {
        let (store, queue) = writer(Memory::default());
        let claim = claim();
        let token = claim.token();
        let call = granted(block_on(queue.submit(claim)).as_ref()).unwrap();
        let seen = queue.watch(Waker::noop());
        let other = queue.clone();
        let other = thread::spawn(move || {
            block_on(poll_fn(|context| {
                if other.watch(context.waker()) == seen { Poll::Pending } else { Poll::Ready(()) }
            }));
        });
        let settle = Operation::Settle { call, settlement: Settlement::without_response(Cost::NONE, token) };
        assert!(matches!(block_on(queue.submit(settle)), Some(Ok(Done::Settled { .. }))));
        other.join().unwrap();
        assert_eq!(in_flight(&store), 0);
    });
}

#[test]
fn schedules_repeat_settlements_after_a_transaction_without_a_decision() {
    check(|| {
        let (store, queue) = writer(Memory { skipped: Mutex::new(1), ..Memory::default() });
        let cost = Cost { charged: 1, uncertain: 0 };
        queue.submit_alone(Operation::Charge { method: "a", cost, began: 0, token: next_token() });
        queue.wait_until_idle(HOUR);
        assert_eq!(queue.unwritten(), (0, 0));
        assert_eq!(store.tables.lock().unwrap().account.book.totals().charged, 1);
    });
}

#[test]
fn schedules_leave_no_caller_waiting_for_a_dropped_task() {
    check(|| {
        let (_, queue) = writer(Memory { fault: Fault::DropsTasks, ..Memory::default() });
        let other = queue.clone();
        let other = thread::spawn(move || block_on(other.submit(claim())).is_none());
        assert!(block_on(queue.submit(claim())).is_none() && other.join().unwrap());
        queue.wait_until_idle(HOUR);
    });
}

#[test]
fn schedules_count_settlements_whose_task_is_dropped_during_their_transaction() {
    check(|| {
        let (_, queue) = writer(Memory { fault: Fault::Hangs, ..Memory::default() });
        let settlement = Settlement::without_response(Cost::NONE, 1);
        let settled = queue.submit(Operation::Settle { call: 1, settlement });
        assert!(block_on(settled).is_none());
        queue.submit_alone(Operation::EndComparison { token: 1 });
        assert_eq!(queue.unwritten(), (0, 2));
    });
}

#[test]
fn panics_of_the_store_lose_no_settlement() {
    let failures = Mutex::new(vec![None, Some(false)]);
    let (store, queue) = writer(Memory { failures, fault: Fault::Panics, ..Memory::default() });
    // They wait in the queue while the first transactions end.
    let tables = store.tables.lock().unwrap();
    let charges = 400;
    for _ in 0..charges {
        let cost = Cost { charged: 1, uncertain: 0 };
        queue.submit_alone(Operation::Charge { method: "a", cost, began: 0, token: next_token() });
    }
    drop(tables);
    queue.wait_until_idle(HOUR);
    assert_eq!(queue.unwritten(), (0, 0));
    assert_eq!(store.tables.lock().unwrap().account.book.totals().charged, charges);
    let (reads, pauses) = *store.panics.lock().unwrap();
    assert!(reads > 0 && pauses > 0, "{reads} reads and {pauses} pauses panicked");
}

#[test]
fn schedules_report_changes_by_hand_if_their_transaction_runs_again_after_its_commit() {
    check(|| {
        let (store, queue) = writer(Memory { repeats: true, ..Memory::default() });
        let run = |operation| block_on(queue.submit(operation)).unwrap().unwrap();
        let claim = claim();
        let token = claim.token();
        let Done::Granted(call) = run(claim) else { panic!("not granted") };
        let cost = Cost { charged: 2, uncertain: 0 };
        let settlement = Settlement { is_answered: true, ..Settlement::without_response(cost, token) };
        run(Operation::Settle { call, settlement });
        assert!(matches!(run(Operation::Resolve { call, credits: 3 }), Done::Changed(Some(2))));
        let price = Operation::SetPrice { method: "search".into(), price: Some(9) };
        assert!(matches!(run(price), Done::Changed(Some(2))));
        let removed = run(Operation::Remove { calls: vec![call], is_erasing: true });
        assert!(matches!(removed, Done::Removed(Erased { questions: 1, answers: 1 })), "{removed:?}");
        assert_eq!(store.tables.lock().unwrap().account.book.totals().charged, 3);
    });
}

#[test]
fn schedules_run_operations_of_callers_during_the_pause_after_a_failure() {
    check(|| {
        let cost = Cost { charged: 1, uncertain: 0 };
        let charge = Operation::Charge { method: "a", cost, began: 0, token: next_token() };
        for operation in [Operation::EndComparison { token: 1 }, charge] {
            // More than the failures after which an operation without callers is dropped.
            let failures = Mutex::new(vec![Some(false); 400]);
            let store = Memory {
                failures,
                error: Some(StoreError::new("failed")),
                fault: Fault::Pauses,
                ..Memory::default()
            };
            let (_, queue) = writer(store);
            queue.submit_alone(operation);
            // The claims may share the transactions that fail.
            while granted(block_on(queue.submit(claim())).as_ref()).is_none() {}
            queue.wait_until_idle(HOUR);
            assert_eq!(queue.unwritten(), (0, 0));
        }
    });
}
