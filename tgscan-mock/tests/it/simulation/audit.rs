//! Compares what the SDK says with what the engine's account knows.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::{Credits, Ledger, ledger::LedgerSnapshot};
use tgscan_mock::{
    Account, Fault, FaultKind, Mock,
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
    is_strict: bool,
    pub(super) calls: Vec<Record>,
    /// The reserve as it must be: raised to the highest cost seen.
    reserve: u64,
    /// The cap when an attempt was last allowed.
    cap: Option<u64>,
    /// What attempts took beyond their reserve, of which the ledger does not know what they took...
    beyond_unknown: u64,
    /// ...or of which it learned that after an attempt was last allowed, too late to refuse that one.
    beyond_learned_since: u64,
    /// Attempts that ended uncertain since ledger and balance were last compared.
    pub(super) uncertain: Vec<(usize, usize)>,
    /// Account and ledger at that time.
    pub(super) compared: Option<(Account, LedgerSnapshot)>,
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
    held: u64,
    is_processed: bool,
    charged: u64,
    /// What the caller was told. Uncertain as well if the caller did not wait for it.
    told: Option<Credits>,
}

impl Attempt {
    pub(super) fn beyond(&self) -> u64 {
        self.charged.saturating_sub(self.held)
    }
}

impl Audit {
    pub(super) fn new(mock: Mock, ledger: Ledger, is_strict: bool, only: Option<Promise>) -> Self {
        let reserve = ledger.snapshot().reserve;
        Self {
            mock,
            ledger,
            only,
            is_strict,
            calls: Vec::new(),
            reserve,
            cap: None,
            beyond_unknown: 0,
            beyond_learned_since: 0,
            uncertain: Vec::new(),
            compared: None,
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

    /// An attempt was allowed. Returns its number within the call.
    pub(super) fn sent(&mut self, call: usize, before: &LedgerSnapshot) -> Checked<usize> {
        let now = self.ledger.snapshot();
        let held = now.in_flight.saturating_sub(before.in_flight);
        self.calls[call].attempts.push(Attempt { held, ..Attempt::default() });
        if self.calls[call].is_paid {
            self.cap = now.cap;
            self.beyond_learned_since = 0;
            self.check(held == before.reserve, Promise::LedgerBrackets, Some(call), || {
                format!("{held} credits are held where the reserve is {}", before.reserve)
            })?;
            let fits = now.cap.is_none_or(|cap| now.committed() <= cap);
            self.check(fits, Promise::CapHolds, Some(call), || format!("allowed with {now:?}"))?;
        } else {
            let is_same = now == *before;
            self.check(is_same, Promise::LedgerBrackets, Some(call), || "a free call is held for".into())?;
        }
        Ok(self.calls[call].attempts.len() - 1)
    }

    /// The cap refused an attempt.
    pub(super) fn refused(&self, call: usize, before: &LedgerSnapshot) -> Checked {
        let room = before.cap.map_or(u64::MAX, |cap| cap.saturating_sub(before.committed()));
        let is_right = self.calls[call].is_paid && before.reserve > room;
        self.check(is_right, Promise::CapHolds, Some(call), || format!("refused for nothing at {before:?}"))
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
        self.beyond_unknown += attempt.beyond();
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
            Some(Wire::Whole(response) | Wire::Drip(response)) => Some(cut(response, max_body_size)),
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
        let is_known = seen.credits != Credits::Uncertain;
        self.check(is_known || record.is_paid && !seen.is_reply, Promise::CreditsTrue, Some(call), || {
            "uncertain, although the call is free or its answer says what it cost".into()
        })?;
        match self.calls[call].attempts[number].told {
            None => self.told(call, number, seen.credits)?,
            told => self.check(told == Some(seen.credits), Promise::CreditsTrue, Some(call), || {
                format!("first {told:?}, then {:?}", seen.credits)
            })?,
        }
        self.check_told(call, number, Some(seen.credits))
    }

    /// The caller went away while an attempt was under way.
    pub(super) fn left(&mut self, call: usize) -> Checked {
        self.told(call, self.calls[call].attempts.len() - 1, Credits::Uncertain)
    }

    fn told(&mut self, call: usize, number: usize, credits: Credits) -> Checked {
        let is_paid = self.calls[call].is_paid;
        self.calls[call].attempts[number].told = Some(credits);
        match credits {
            Credits::Uncertain if is_paid => self.uncertain.push((call, number)),
            Credits::Uncertain | Credits::NotCharged => {}
            Credits::Charged(credits) => self.reserve = self.reserve.max(credits),
        }
        if credits != Credits::Uncertain {
            self.learned(call, number);
        }
        let reserve = self.ledger.snapshot().reserve;
        self.check(reserve == self.reserve, Promise::CapHolds, Some(call), || {
            format!("the reserve is {reserve}, and the highest cost seen {}", self.reserve)
        })
    }

    /// From now on the ledger knows what an attempt took.
    pub(super) fn learned(&mut self, call: usize, number: usize) {
        let beyond = self.calls[call].attempts[number].beyond();
        self.beyond_unknown = self.beyond_unknown.saturating_sub(beyond);
        self.beyond_learned_since += beyond;
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

    /// What must hold at any moment. Returns whether the cap is passed, as expensive calls may.
    pub(super) fn at_any_moment(&self) -> Checked<bool> {
        let (now, lost) = (self.ledger.snapshot(), self.mock.account().spent);
        let most = now.committed() + self.beyond_unknown;
        self.check((now.charged..=most).contains(&lost), Promise::LedgerBrackets, None, || {
            format!("the account lost {lost}, {} of it beyond reserves: {now:?}", self.beyond_unknown)
        })?;
        let is_certain = now.in_flight_calls == 0 && now.uncertain_calls == 0;
        self.check(!is_certain || lost == now.charged, Promise::LedgerBrackets, None, || {
            format!("the account lost {lost}, and nothing is uncertain: {now:?}")
        })?;
        let beyond = self.beyond_unknown + self.beyond_learned_since;
        let cap = self.cap.unwrap_or(u64::MAX);
        self.check(lost <= cap.saturating_add(beyond), Promise::CapHolds, None, || {
            format!("the account lost {lost} with a cap of {cap}, and {beyond} was beyond reserves")
        })?;
        self.check(beyond == 0 || !self.is_strict, Promise::CapHolds, None, || {
            format!("{beyond} beyond reserves that no call can pass")
        })?;
        Ok(lost > cap)
    }

    /// What must hold when no call and no request is left.
    pub(super) fn at_rest(&self) -> Checked {
        let now = self.ledger.snapshot();
        let is_empty = (now.in_flight, now.in_flight_calls) == (0, 0);
        self.check(is_empty, Promise::NothingHeld, None, || format!("no call is left: {now:?}"))
    }
}
