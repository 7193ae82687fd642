//! Compares what the SDK says with what the engine's account knows.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::{Book, Credits, Ledger};
use tgscan_mock::{
    Fault, FaultKind, Mock,
    outcome::{Class, Outcome, Wire},
};

use super::call::Seen;
use super::violation::Promise;

/// What is known from outside about one world. A broken promise is an error, with the call that it is about.
pub(super) struct Audit {
    pub(super) mock: Mock,
    pub(super) ledger: Ledger,
    /// Check only this promise; to show that each can be broken.
    only: Option<Promise>,
    /// Whether no call costs more than its reserve.
    pub(super) is_strict: bool,
    pub(super) calls: Vec<Record>,
    /// The cap of the calls that begin now.
    pub(super) cap: Option<u64>,
    /// The cap when an attempt was last admitted.
    admitted_cap: Option<u64>,
    /// Credits bought since the last comparison and not recorded.
    pub(super) unrecorded: u64,
    /// What other programs spent.
    pub(super) elsewhere: u64,
    /// What other programs spent that no comparison has shown yet.
    pub(super) unseen: u64,
    pub(super) has_baseline: bool,
}

pub(super) type Checked<T = ()> = Result<T, (Promise, String, Option<usize>)>;

/// One call as its caller means it, however often it is sent.
pub(super) struct Record {
    is_paid: bool,
    may_resend: bool,
    pub(super) attempts: Vec<Attempt>,
    /// What was delivered last.
    delivered: Option<Response<Bytes>>,
    story: Vec<(Duration, String)>,
}

#[derive(Default)]
pub(super) struct Attempt {
    is_processed: bool,
    charged: u64,
    /// What the caller was told. Uncertain as well if the caller did not wait for it.
    told: Option<Credits>,
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
            elsewhere: 0,
            unseen: 0,
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

    pub(super) fn story(&self, call: usize) -> Vec<(Duration, String)> {
        self.calls[call].story.clone()
    }

    pub(super) fn tell(&mut self, call: usize, now: Duration, what: impl Into<String>) {
        self.calls[call].story.push((now, what.into()));
    }

    /// A caller wants an answer. Returns the call's number.
    pub(super) fn wanted(&mut self, is_paid: bool, may_resend: bool) -> usize {
        let (attempts, story) = (Vec::new(), Vec::new());
        self.calls.push(Record { is_paid, may_resend, attempts, delivered: None, story });
        self.calls.len() - 1
    }

    /// An attempt was admitted. Returns its number within the call.
    pub(super) fn sent(&mut self, call: usize, before: &Book) -> Checked<usize> {
        let record = &mut self.calls[call];
        let number = record.attempts.len();
        record.attempts.push(Attempt::default());
        let now = self.ledger.book();
        if !record.is_paid {
            self.check(now == *before, Promise::LedgerBrackets, Some(call), || {
                "a free call is booked".into()
            })?;
        } else if number == 0 {
            self.admitted_cap = self.cap;
            let (totals, cap) = (now.totals(), self.cap.unwrap_or(u64::MAX));
            self.check(totals.committed() <= cap, Promise::CapHolds, Some(call), || {
                format!("admitted under a cap of {cap} with {totals:?}")
            })?;
        }
        Ok(number)
    }

    /// The cap refused a call.
    pub(super) fn refused(&self, call: usize, seen: &Seen, before: &Book) -> Checked {
        let Some(cap) = &seen.cap_reached else { return Ok(()) };
        let is_right = self.calls[call].is_paid
            && cap.limit == self.cap.unwrap_or(u64::MAX)
            && cap.totals == before.totals()
            && before.totals().remaining(cap.limit) < cap.reserve.unwrap_or(1);
        self.check(is_right, Promise::CapHolds, Some(call), || format!("refused although it fits: {cap:?}"))
    }

    /// A request reached the service. Returns whether it was one too many, as the caller asked for.
    pub(super) fn arrived(
        &mut self,
        call: usize,
        number: usize,
        fault: Option<&Fault>,
        outcome: &Outcome,
    ) -> Checked<bool> {
        let record = &mut self.calls[call];
        let attempt = &mut record.attempts[number];
        // An error envelope that no fault asked for refuses a request that is wrong in itself.
        let is_envelope_fault = matches!(fault.map(Fault::kind), Some(FaultKind::ErrorEnvelope(_)));
        let is_refused = outcome.class == Class::Api && !(is_envelope_fault && outcome.charged > 0);
        attempt.is_processed = fault.is_none_or(Fault::is_charged) && !is_refused;
        attempt.charged = outcome.charged;
        let told = attempt.told;
        let record = &self.calls[call];
        let processed = record.attempts.iter().filter(|attempt| attempt.is_processed).count();
        let is_twice = record.is_paid && processed > 1;
        let may_resend = record.may_resend;
        self.check(!is_twice || may_resend, Promise::ProcessedOnce, Some(call), || {
            format!("a paid call was processed {processed} times")
        })?;
        self.check_told(call, number, told)?;
        Ok(is_twice)
    }

    /// This is about to be given to the call.
    pub(super) fn delivers(&mut self, call: usize, wire: Option<&Wire>, max_body_size: usize) {
        let cut = |response: &Response<Bytes>, at: usize| {
            response.clone().map(|body| body.slice(..at.min(body.len()).min(max_body_size)))
        };
        self.calls[call].delivered = match wire {
            Some(Wire::Whole(response) | Wire::Slow(response)) => Some(cut(response, max_body_size)),
            Some(Wire::Partial(response, at, _)) => Some(cut(response, *at)),
            Some(Wire::Nothing(_) | Wire::Refused) | None => None,
        };
    }

    /// The caller sees the end of an attempt, perhaps for the second time.
    pub(super) fn saw(&mut self, call: usize, seen: &Seen) -> Checked {
        let record = &self.calls[call];
        let is_kept = match (&record.delivered, &seen.response) {
            (None, None) => true,
            (Some(sent), Some(kept)) => {
                (sent.status(), sent.headers(), sent.body()) == (kept.status(), kept.headers(), kept.body())
            }
            _ => false,
        };
        self.check(is_kept, Promise::BytesKept, Some(call), || {
            let len = |response: &Option<Response<Bytes>>| response.as_ref().map(|r| r.body().len());
            format!("{:?} bytes came, {:?} are kept", len(&record.delivered), len(&seen.response))
        })?;
        let number = record.attempts.len() - 1;
        let was_uncertain =
            record.attempts[..number].iter().any(|attempt| attempt.told == Some(Credits::Uncertain));
        let is_known = seen.credits != Credits::Uncertain;
        let may_be_uncertain = record.is_paid && (!seen.is_reply || was_uncertain);
        self.check(is_known || may_be_uncertain, Promise::CreditsTrue, Some(call), || {
            "uncertain, although the call is free or its answer says what it cost".into()
        })?;
        match self.calls[call].attempts[number].told {
            None => self.calls[call].attempts[number].told = Some(seen.credits),
            told => self.check(told == Some(seen.credits), Promise::CreditsTrue, Some(call), || {
                format!("first {told:?}, then {:?}", seen.credits)
            })?,
        }
        self.check_told(call, number, Some(seen.credits))
    }

    /// The caller went away while an attempt was in flight.
    pub(super) fn left(&mut self, call: usize) {
        if let Some(attempt) = self.calls[call].attempts.last_mut() {
            attempt.told = Some(Credits::Uncertain);
        }
    }

    fn check_told(&self, call: usize, number: usize, told: Option<Credits>) -> Checked {
        let charged = self.calls[call].attempts[number].charged;
        let is_true = match told {
            None | Some(Credits::Uncertain) => true,
            Some(Credits::NotCharged) => charged == 0,
            Some(Credits::Charged(credits)) => charged == credits,
        };
        self.check(is_true, Promise::CreditsTrue, Some(call), || {
            format!("the account lost {charged}, and the caller was told {told:?}")
        })
    }

    /// What the account lost, by its calls and by other programs.
    pub(super) fn lost(&self) -> u64 {
        self.mock.account().spent + self.elsewhere
    }

    /// Checks that charged ≤ lost ≤ charged + in flight + uncertain, exactly if nothing is in flight or uncertain. Calls
    /// that cost more than their reserve can pass the upper bound until they end, and other programs' spending until a
    /// comparison shows it.
    pub(super) fn bracket(&self, promise: Promise) -> Checked {
        let (now, lost) = (self.ledger.book().totals(), self.lost());
        let known = now.charged + now.unexplained;
        let is_certain = now.in_flight_calls == 0 && now.uncertain_attempts == 0;
        let most = if self.is_strict || is_certain { now.committed() + self.unseen } else { u64::MAX };
        self.check((known..=most).contains(&lost), promise, None, || {
            format!("the account lost {lost}, and the ledger has {now:?}")
        })
    }

    /// What must hold at any moment. Returns whether the cap is passed, as calls above their reserve may.
    pub(super) fn at_any_moment(&self) -> Checked<bool> {
        self.bracket(Promise::LedgerBrackets)?;
        let (cap, lost) = (self.admitted_cap.unwrap_or(u64::MAX), self.mock.account().spent);
        self.check(!self.is_strict || lost <= cap, Promise::CapHolds, None, || {
            format!("the account lost {lost} with a cap of {cap}")
        })?;
        Ok(lost > cap)
    }

    /// What must hold when no call and no request is left.
    pub(super) fn at_rest(&self) -> Checked {
        let now = self.ledger.book().totals();
        let is_empty = (now.in_flight, now.in_flight_calls) == (0, 0);
        self.check(is_empty, Promise::NothingHeld, None, || format!("no call is left: {now:?}"))
    }
}
