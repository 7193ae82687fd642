//! Compares what the SDK says with what the engine's account knows.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tgscan_mock::core::{Credits, Ledger, Reserve, ledger::LedgerSnapshot};
use tgscan_mock::{
    Fault, FaultKind, Mock,
    outcome::{Class, Outcome, Wire},
};

use super::call::Seen;
use super::model::{Held, Model};
use super::violation::Promise;

/// What is known from outside about one world. A broken promise is an error, with the call that it is about.
pub(super) struct Audit {
    pub(super) mock: Mock,
    pub(super) ledger: Ledger,
    /// Check only this promise; to show that each can be broken.
    only: Option<Promise>,
    is_strict: bool,
    pub(super) calls: Vec<Record>,
    /// What the ledger must say.
    pub(super) model: Model,
    /// The cap when an attempt was last allowed.
    cap: Option<u64>,
    /// What attempts took beyond what was counted for them, of which the ledger learned after an attempt was last allowed,
    /// too late to refuse that one.
    beyond_learned_since: u64,
    /// Late charges that a comparison showed after an attempt was last allowed.
    late_learned_since: u64,
    /// Charges that came after their attempts were settled, by the number of the arrival.
    late: Vec<(u64, u64)>,
    /// Late charges that no comparison can show any more, because the ledger was not told of a purchase or began anew.
    forgotten: u64,
    /// When the last balance was read that was compared with.
    pub(super) read: u64,
    /// What was bought since the last comparison without telling the ledger.
    pub(super) unseen: u64,
    /// Requests that arrived.
    pub(super) arrivals: u64,
    /// Paid attempts begun or ended, and comparisons that concluded something.
    pub(super) activity: u64,
    pub(super) conclusions: u64,
}

pub(super) type Checked<T = ()> = Result<T, (Promise, String, Option<usize>)>;

/// One call as its caller means it, however often it is sent.
pub(super) struct Record {
    is_paid: bool,
    method: &'static str,
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
    pub(super) fn new(
        mock: Mock,
        ledger: Ledger,
        (cap, reserve): (Option<u64>, Reserve),
        is_strict: bool,
        only: Option<Promise>,
    ) -> Self {
        Self {
            mock,
            ledger,
            only,
            is_strict,
            calls: Vec::new(),
            model: Model::new(cap, reserve),
            cap: None,
            beyond_learned_since: 0,
            late_learned_since: 0,
            late: Vec::new(),
            forgotten: 0,
            read: 0,
            unseen: 0,
            arrivals: 0,
            activity: 0,
            conclusions: 0,
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
    pub(super) fn wanted(&mut self, method: &'static str, is_paid: bool, may_resend: bool) -> usize {
        let (attempts, story) = (Vec::new(), Vec::new());
        self.calls.push(Record { is_paid, method, may_resend, attempts, delivered: None, story });
        self.calls.len() - 1
    }

    /// An attempt was allowed. Returns its number within the call.
    pub(super) fn sent(&mut self, call: usize, before: &LedgerSnapshot) -> Checked<usize> {
        let record = &mut self.calls[call];
        let (number, method) = (record.attempts.len(), record.method);
        record.attempts.push(Attempt::default());
        if record.is_paid {
            let is_right = self.model.allows(method);
            self.check(is_right, Promise::CapHolds, Some(call), || format!("allowed at {before:?}"))?;
            self.cap = self.model.cap;
            (self.beyond_learned_since, self.late_learned_since) = (0, 0);
            self.activity += 1;
            self.model.begin(call, number, method);
            self.agrees(Some(call))?;
        } else {
            let is_same = self.ledger.snapshot() == *before;
            self.check(is_same, Promise::LedgerBrackets, Some(call), || "a free call is held for".into())?;
        }
        Ok(number)
    }

    /// The cap refused an attempt.
    pub(super) fn refused(&self, call: usize, before: &LedgerSnapshot) -> Checked {
        let record = &self.calls[call];
        let is_right = record.is_paid && !self.model.allows(record.method);
        self.check(is_right, Promise::CapHolds, Some(call), || format!("refused for nothing at {before:?}"))
    }

    /// The ledger says what it must say.
    pub(super) fn agrees(&self, call: Option<usize>) -> Checked {
        let (now, model) = (self.ledger.snapshot(), &self.model);
        let says = (
            now.charged,
            now.unexplained,
            now.in_flight,
            now.in_flight_calls,
            now.uncertain,
            now.uncertain_calls,
        );
        let must = (
            model.charged,
            model.unexplained,
            model.in_flight_credits(),
            model.in_flight.len() as u64,
            model.uncertain_credits(),
            model.uncertain_calls() as u64,
        );
        let room = model.cap.map(|_| model.room());
        let is_right = says == must && now.remaining() == room;
        self.check(is_right, Promise::LedgerBrackets, call, || {
            format!("charged, unexplained, in flight, uncertain are {must:?} with room for {room:?}, and {now:?} is told")
        })
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
        self.arrivals += 1;
        if !self.model.lose(call, number, outcome.charged, self.arrivals) && outcome.charged > 0 {
            self.late.push((self.arrivals, outcome.charged));
        }
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
            None => self.told(call, number, seen.credits, was_uncertain)?,
            told => self.check(told == Some(seen.credits), Promise::CreditsTrue, Some(call), || {
                format!("first {told:?}, then {:?}", seen.credits)
            })?,
        }
        self.check_told(call, number, Some(seen.credits))
    }

    /// The caller went away while an attempt was under way.
    pub(super) fn left(&mut self, call: usize) -> Checked {
        self.told(call, self.calls[call].attempts.len() - 1, Credits::Uncertain, false)
    }

    fn told(&mut self, call: usize, number: usize, credits: Credits, was_uncertain: bool) -> Checked {
        self.calls[call].attempts[number].told = Some(credits);
        if !self.calls[call].is_paid {
            return Ok(());
        }
        self.activity += 1;
        let held = self.model.end(call, number);
        // A call with an earlier uncertain attempt is uncertain, whatever became of its last one: ask the ledger which.
        let is_uncertain = credits == Credits::Uncertain
            && (!was_uncertain
                || self.ledger.snapshot().uncertain_calls > self.model.uncertain_calls() as u64);
        match credits {
            Credits::Charged(credits) => self.model.charge(held.method, credits),
            _ if is_uncertain => self.model.uncertain.push(held),
            _ => {}
        }
        if !is_uncertain {
            self.beyond_learned_since += held.lost.saturating_sub(held.counted);
        }
        let (price, must) = (self.ledger.price(held.method), self.model.price(held.method));
        self.check(price == must, Promise::CapHolds, Some(call), || {
            format!("the price is {price:?}, and the highest cost told of {must:?}")
        })?;
        self.agrees(Some(call))
    }

    /// These are settled by a balance that was read at this arrival: from now on the ledger knows what they took until
    /// then. What they took later is late.
    pub(super) fn settled(&mut self, held: &[Held], arrivals: u64) {
        let late = held.iter().filter(|held| held.lost_at > arrivals);
        self.late.extend(late.map(|held| (held.lost_at, held.lost)));
        self.beyond_learned_since +=
            held.iter().map(|held| held.lost.saturating_sub(held.counted)).sum::<u64>();
    }

    /// A balance that was read at this arrival was compared with; charges before it show in it, or never will.
    pub(super) fn seen_until(&mut self, arrivals: u64, is_shown: bool) {
        self.read = arrivals;
        let (old, late): (Vec<_>, Vec<_>) = self.late.iter().partition(|(at, _)| *at <= arrivals);
        self.late = late;
        let credits: u64 = old.iter().map(|(_, credits)| credits).sum();
        if is_shown {
            // Too late to refuse what was allowed before.
            self.late_learned_since += credits;
        } else {
            self.forgotten += credits;
        }
    }

    /// Charges that came late and will show in the next balance.
    pub(super) fn late_unseen(&self) -> u64 {
        self.late.iter().map(|(_, credits)| credits).sum()
    }

    /// What came too late to be counted anywhere yet.
    pub(super) fn late(&self) -> u64 {
        self.forgotten + self.late_unseen()
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
        let most = now.committed() + self.model.beyond() + self.late();
        self.check((now.charged..=most).contains(&lost), Promise::LedgerBrackets, None, || {
            let (beyond, late) = (self.model.beyond(), self.late());
            format!("the account lost {lost}, {beyond} of it beyond what is set aside, {late} late: {now:?}")
        })?;
        let is_certain = now.in_flight_calls == 0 && now.uncertain_calls == 0;
        let known = now.charged + now.unexplained;
        self.check(
            !is_certain || known <= lost && lost <= known + self.late(),
            Promise::LedgerBrackets,
            None,
            || {
                format!(
                    "the account lost {lost}, {} of it late, and nothing is uncertain: {now:?}",
                    self.late()
                )
            },
        )?;
        let late = self.late_learned_since + self.late();
        let beyond = self.model.beyond_counted() + self.beyond_learned_since + late;
        let cap = self.cap.unwrap_or(u64::MAX);
        self.check(lost <= cap.saturating_add(beyond), Promise::CapHolds, None, || {
            format!("the account lost {lost} with a cap of {cap}, and {beyond} was beyond what was counted: {now:?}")
        })?;
        let is_beyond = self.is_strict && self.model.beyond_counted() + self.beyond_learned_since > 0;
        self.check(!is_beyond, Promise::CapHolds, None, || {
            format!("{beyond} beyond what is set aside, which no call can pass")
        })?;
        Ok(lost > cap)
    }

    /// What must hold when no call and no request is left.
    pub(super) fn at_rest(&self) -> Checked {
        let now = self.ledger.snapshot();
        let is_empty = (now.in_flight, now.in_flight_calls) == (0, 0);
        self.check(is_empty, Promise::NothingHeld, None, || format!("no call is left: {now:?}"))?;
        self.agrees(None)
    }
}
