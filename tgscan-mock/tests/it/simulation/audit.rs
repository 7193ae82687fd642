//! Compares the results of the SDK with the engine's account.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::{Book, Credits, Ledger};
use tgscan_mock::{
    Fault, FaultKind, Mock,
    outcome::{Class, Outcome, Wire},
};

use super::call::Reported;
use super::violation::Promise;

/// The external view of one world. A broken promise is an error, with its call if it has one.
pub(super) struct Audit {
    pub(super) mock: Mock,
    pub(super) ledger: Ledger,
    /// Checks only this promise, to show that each promise can be broken.
    only: Option<Promise>,
    /// Whether no call costs more than its reserve.
    pub(super) is_strict: bool,
    pub(super) calls: Vec<CallRecord>,
    /// The cap of new calls.
    pub(super) cap: Option<u64>,
    /// The cap at the last admission.
    admitted_cap: Option<u64>,
    /// Credits bought since the last comparison, but not recorded.
    pub(super) unrecorded: u64,
    /// Credits spent by other programs.
    pub(super) spent_by_others: u64,
    /// Credits spent by other programs since the last comparison.
    pub(super) spent_since_comparison: u64,
    pub(super) has_baseline: bool,
}

pub(super) type Checked<T = ()> = Result<T, (Promise, String, Option<usize>)>;

/// One call, with all its attempts.
pub(super) struct CallRecord {
    is_paid: bool,
    may_resend: bool,
    is_admitted: bool,
    pub(super) attempts: Vec<Attempt>,
    /// The delivered responses, with the numbers of their attempts.
    delivered: Vec<(usize, Response<Bytes>)>,
    log: Vec<(Duration, String)>,
}

#[derive(Default)]
pub(super) struct Attempt {
    is_processed: bool,
    charged: u64,
    /// The cost that was reported to the caller. Uncertain if the caller dropped the call.
    reported_credits: Option<Credits>,
}

impl Audit {
    pub(super) fn new(mock: Mock, ledger: Ledger, is_strict: bool, only: Option<Promise>) -> Self {
        Self {
            mock,
            ledger,
            only,
            is_strict,
            calls: Vec::new(),
            cap: None,
            admitted_cap: None,
            unrecorded: 0,
            spent_by_others: 0,
            spent_since_comparison: 0,
            has_baseline: false,
        }
    }

    pub(super) fn check(
        &self,
        holds: bool,
        promise: Promise,
        call: Option<usize>,
        detail: impl FnOnce() -> String,
    ) -> Checked {
        if holds || self.only.is_some_and(|only| only != promise) {
            return Ok(());
        }
        Err((promise, detail(), call))
    }

    pub(super) fn log(&self, call: usize) -> Vec<(Duration, String)> {
        self.calls[call].log.clone()
    }

    pub(super) fn log_event(&mut self, call: usize, now: Duration, what: impl Into<String>) {
        self.calls[call].log.push((now, what.into()));
    }

    /// Adds a call. Returns its number.
    pub(super) fn add_call(&mut self, is_paid: bool, may_resend: bool) -> usize {
        let (attempts, log) = (Vec::new(), Vec::new());
        self.calls.push(CallRecord {
            is_paid,
            may_resend,
            is_admitted: false,
            attempts,
            delivered: Vec::new(),
            log,
        });
        self.calls.len() - 1
    }

    /// Records an admitted attempt. Returns its number within the call.
    pub(super) fn sent(&mut self, call: usize, before: &Book) -> Checked<usize> {
        self.admitted(call, before)?;
        let record = &mut self.calls[call];
        record.attempts.push(Attempt::default());
        Ok(record.attempts.len() - 1)
    }

    /// Records that the call was admitted, before its first attempt or before it waits for its turn.
    pub(super) fn admitted(&mut self, call: usize, before: &Book) -> Checked {
        let record = &mut self.calls[call];
        let is_first = !std::mem::replace(&mut record.is_admitted, true);
        let now = self.ledger.book();
        if !record.is_paid {
            self.check(now == *before, Promise::LedgerBounds, Some(call), || "a free call is booked".into())?;
        } else if is_first {
            self.admitted_cap = self.cap;
            let (totals, cap) = (now.totals(), self.cap.unwrap_or(u64::MAX));
            self.check(totals.committed() <= cap, Promise::CapHolds, Some(call), || {
                format!("admitted under a cap of {cap} with {totals:?}")
            })?;
        }
        Ok(())
    }

    /// Checks the refusal of a call by the cap.
    pub(super) fn refused(&self, call: usize, reported: &Reported, before: &Book) -> Checked {
        let Some(cap) = &reported.cap_reached else { return Ok(()) };
        let is_correct = self.calls[call].is_paid
            && cap.limit == self.cap.unwrap_or(u64::MAX)
            && cap.totals == before.totals()
            && before.totals().remaining(cap.limit) < cap.reserve.unwrap_or(1);
        self.check(is_correct, Promise::CapHolds, Some(call), || format!("refused although it fits: {cap:?}"))
    }

    /// Records a request at the service. Returns whether a paid call was processed twice, as its caller allows.
    pub(super) fn arrived(
        &mut self,
        call: usize,
        number: usize,
        fault: Option<&Fault>,
        outcome: &Outcome,
    ) -> Checked<bool> {
        let record = &mut self.calls[call];
        let attempt = &mut record.attempts[number];
        // An error envelope without a fault refuses an invalid request.
        let is_envelope_fault = matches!(fault.map(Fault::kind), Some(FaultKind::ErrorEnvelope { .. }));
        let is_refused = outcome.class == Class::Api && !(is_envelope_fault && outcome.charged > 0);
        attempt.is_processed = fault.is_none_or(Fault::is_charged) && !is_refused;
        attempt.charged = outcome.charged;
        let reported_credits = attempt.reported_credits;
        let record = &self.calls[call];
        let processed = record.attempts.iter().filter(|attempt| attempt.is_processed).count();
        let is_twice = record.is_paid && processed > 1;
        let may_resend = record.may_resend;
        self.check(!is_twice || may_resend, Promise::ProcessedOnce, Some(call), || {
            format!("a paid call was processed {processed} times")
        })?;
        self.check_credits(call, number, reported_credits)?;
        Ok(is_twice)
    }

    /// Records the response that the call receives next.
    pub(super) fn delivers(&mut self, call: usize, wire: Option<&Wire>, max_body_size: usize) {
        let cut = |response: &Response<Bytes>, at: usize| {
            response.clone().map(|body| body.slice(..at.min(body.len()).min(max_body_size)))
        };
        let response = match wire {
            Some(Wire::Whole(response) | Wire::Slow(response)) => cut(response, max_body_size),
            Some(Wire::Partial(response, at, _)) => cut(response, *at),
            Some(Wire::Nothing(_) | Wire::Refused) | None => return,
        };
        let record = &mut self.calls[call];
        record.delivered.push((record.attempts.len() - 1, response));
    }

    /// Checks that a report has the last response, or else an earlier one, and that an error has the paid responses of all
    /// earlier attempts.
    fn check_bytes(&self, call: usize, reported: &Reported) -> Checked {
        let record = &self.calls[call];
        let last_attempt = record.attempts.len() - 1;
        let is_equal = |sent: &Response<Bytes>, kept: &Response<Bytes>| {
            (sent.status(), sent.headers(), sent.body()) == (kept.status(), kept.headers(), kept.body())
        };
        let last = record.delivered.iter().find(|(at, _)| *at == last_attempt).map(|(_, sent)| sent);
        let expected = last.or(reported.earlier.last());
        let is_kept = match (expected, &reported.response) {
            (None, None) => true,
            (Some(sent), Some(kept)) => is_equal(sent, kept),
            _ => false,
        };
        self.check(is_kept, Promise::BytesKept, Some(call), || {
            let len = |response: Option<&Response<Bytes>>| response.map(|response| response.body().len());
            let kept = len(reported.response.as_ref());
            format!("{:?} bytes were received, but {kept:?} are kept", len(expected))
        })?;
        let is_paid = |at: usize, sent: &Response<Bytes>| {
            at < last_attempt && record.attempts[at].charged > 0 && !sent.body().is_empty()
        };
        let mut paid = record.delivered.iter().filter(|(at, sent)| is_paid(*at, sent));
        let all_are_kept = reported.is_reply
            || !record.is_paid
            || paid.all(|(_, sent)| reported.earlier.iter().any(|kept| is_equal(sent, kept)));
        self.check(all_are_kept, Promise::BytesKept, Some(call), || {
            "the bytes of an earlier paid attempt are lost".into()
        })
    }

    /// Checks the reported end of an attempt. May be called twice for one attempt.
    pub(super) fn check_report(&mut self, call: usize, reported: &Reported) -> Checked {
        self.check_bytes(call, reported)?;
        let record = &self.calls[call];
        let number = record.attempts.len() - 1;
        let was_uncertain = record.attempts[..number]
            .iter()
            .any(|attempt| attempt.reported_credits == Some(Credits::Uncertain));
        let is_known = reported.credits != Credits::Uncertain;
        let may_be_uncertain = record.is_paid && (!reported.is_reply || was_uncertain);
        self.check(is_known || may_be_uncertain, Promise::CreditsCorrect, Some(call), || {
            "uncertain, although the call is free or its answer states the cost".into()
        })?;
        match self.calls[call].attempts[number].reported_credits {
            None => self.calls[call].attempts[number].reported_credits = Some(reported.credits),
            reported_credits => self.check(
                reported_credits == Some(reported.credits),
                Promise::CreditsCorrect,
                Some(call),
                || format!("first {reported_credits:?}, then {:?}", reported.credits),
            )?,
        }
        self.check_credits(call, number, Some(reported.credits))
    }

    /// Records that the call was dropped with an attempt in flight.
    pub(super) fn dropped(&mut self, call: usize) {
        if let Some(attempt) = self.calls[call].attempts.last_mut() {
            attempt.reported_credits = Some(Credits::Uncertain);
        }
    }

    fn check_credits(&self, call: usize, number: usize, reported_credits: Option<Credits>) -> Checked {
        let charged = self.calls[call].attempts[number].charged;
        let is_true = match reported_credits {
            None | Some(Credits::Uncertain) => true,
            Some(Credits::NotCharged) => charged == 0,
            Some(Credits::Charged(credits)) => charged == credits,
        };
        self.check(is_true, Promise::CreditsCorrect, Some(call), || {
            format!("the account lost {charged}, but the call reported {reported_credits:?}")
        })
    }

    /// Returns the credits that the account lost, by its calls and by other programs.
    pub(super) fn lost(&self) -> u64 {
        self.mock.account().spent + self.spent_by_others
    }

    /// Checks that charged ≤ lost ≤ charged + in flight + uncertain, with equality if nothing is in flight or uncertain. The
    /// upper bound can be exceeded by calls that cost more than their reserve, until they end, and by other programs, until the
    /// next comparison.
    pub(super) fn check_bounds(&self, promise: Promise) -> Checked {
        let (now, lost) = (self.ledger.book().totals(), self.lost());
        let known = now.charged + now.unexplained;
        let is_certain = now.in_flight_calls == 0 && now.uncertain_attempts == 0;
        let most = if self.is_strict || is_certain {
            now.committed() + self.spent_since_comparison
        } else {
            u64::MAX
        };
        self.check((known..=most).contains(&lost), promise, None, || {
            format!("the account lost {lost}, but the ledger has {now:?}")
        })
    }

    /// Checks the invariants after an event. Returns whether calls above their reserve exceeded the cap.
    pub(super) fn check_invariants(&self) -> Checked<bool> {
        self.check_bounds(Promise::LedgerBounds)?;
        let (cap, lost) = (self.admitted_cap.unwrap_or(u64::MAX), self.mock.account().spent);
        self.check(!self.is_strict || lost <= cap, Promise::CapHolds, None, || {
            format!("the account lost {lost} with a cap of {cap}")
        })?;
        Ok(lost > cap)
    }

    /// Checks the ledger when no call and no request is left.
    pub(super) fn check_at_rest(&self) -> Checked {
        let now = self.ledger.book().totals();
        let is_empty = (now.in_flight, now.in_flight_calls) == (0, 0);
        self.check(is_empty, Promise::NothingReserved, None, || format!("no call is left: {now:?}"))
    }
}
