//! The ledger under many schedules of threads.

use crate::Ledger;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::*;
use crate::account::LedgerTime;
use crate::sync::schedules::{block_on, check, thread};

/// Waits until the ledger has changed since `seen`.
fn wait_for_change(ledger: &Ledger, seen: u64) {
    block_on(poll_fn(
        |context| {
            if ledger.watch(context.waker()) == seen { Poll::Pending } else { Poll::Ready(()) }
        },
    ));
}

#[test]
fn schedules_never_lose_the_wake_up_of_a_waiting_call() {
    check(|| {
        let ledger = Ledger::new();
        let call = |ledger: &Ledger| {
            loop {
                let seen = ledger.watch(Waker::noop());
                match ledger.admit(METHOD, &capped(1, 1), 0, None) {
                    Ok(mut reservation) => return drop(reservation.settle(Cost::NONE, None, None)),
                    Err(_) => wait_for_change(ledger, seen),
                }
            }
        };
        let others = [ledger.clone(), ledger.clone()].map(|ledger| thread::spawn(move || call(&ledger)));
        call(&ledger);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(amounts(ledger.book().totals()), (0, 0, 0, 0));
    });
}

#[test]
fn schedules_never_exceed_the_cap() {
    check(|| {
        let ledger = Ledger::new();
        let call = |ledger: &Ledger| {
            if let Ok(mut reservation) = ledger.admit(METHOD, &capped(2, 1), 0, None) {
                reservation.pause();
                if reservation.renew(0, &capped(2, 1), 0).is_ok() {
                    reservation.settle(charged(1), None, None);
                }
            }
        };
        let others = [ledger.clone(), ledger.clone()].map(|ledger| thread::spawn(move || call(&ledger)));
        call(&ledger);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(amounts(ledger.book().totals()), (2, 0, 0, 0));
    });
}

#[test]
fn schedules_of_comparisons_and_calls_agree_with_the_balance() {
    check(|| {
        let ledger = Ledger::new();
        let ComparisonStart::Started(first) = ledger.start_comparison(1, Duration::ZERO, 0) else {
            panic!("busy")
        };
        ledger.finish_comparison(first, 9, 0);
        // The real cost is known after the call has ended.
        let lost = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        let (other, spent) = (ledger.clone(), lost.clone());
        let caller = thread::spawn(move || {
            if let Ok(mut reservation) = other.admit(METHOD, &Limits::default(), 0, None) {
                spent.store(1, std::sync::atomic::Ordering::SeqCst);
                reservation.settle(uncertain(1), Some(LedgerTime { origin: 0, millis: 0 }), None);
            }
        });
        let outcome = match ledger.start_comparison(2, Duration::ZERO, 0) {
            ComparisonStart::Started(comparison) => {
                let balance = 9 - lost.load(std::sync::atomic::Ordering::SeqCst);
                Some(ledger.finish_comparison(comparison, balance, 0).outcome)
            }
            _ => None,
        };
        caller.join().unwrap();
        let lost = u64::try_from(lost.load(std::sync::atomic::Ordering::SeqCst)).unwrap();
        let now = ledger.book().totals();
        let known = now.charged + now.unexplained;
        assert!((known..=now.committed()).contains(&lost), "{lost} lost, {now:?}, {outcome:?}");
        assert_eq!(now.unexplained, 0, "{outcome:?}");
    });
}
