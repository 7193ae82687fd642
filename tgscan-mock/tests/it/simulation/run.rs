//! Runs concurrent calls in one world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tgscan_mock::core::transport::TransportErrorKind;
use tgscan_mock::core::{Api, Book, Ledger, TransportError};
use tgscan_mock::{Fault, outcome::Wire};

use super::Stats;
use super::audit::{Audit, Checked};
use super::call::{Call, NextStep, Reported};
use super::driver::Driver;
use super::event_queue::EventQueue;
use super::reconcile::PendingComparison;
use super::rng::Rng;
use super::violation::Promise;
use super::world::World;

enum Event {
    Begin,
    /// A request reaches the service.
    Arrive(Attempt, Request<Bytes>),
    /// A response reaches the caller.
    Deliver(Attempt, Wire),
    /// The caller's transport times out.
    TimeOut(Attempt),
    /// A backoff is over.
    WaitOver(Attempt),
    /// The caller gives up the call.
    GiveUp(usize),
    /// A comparison starts. Its balance is used later.
    Reconcile,
    EndReconcile(PendingComparison),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Attempt {
    call: usize,
    number: usize,
}

/// A call that has not ended.
struct ActiveCall {
    call: Box<dyn Call>,
    caller: usize,
    query: usize,
    /// The last attempt.
    attempt: Attempt,
    /// The number of requests that the state machine returned.
    sends: u32,
    is_waiting: bool,
}

pub(super) struct Run<'a> {
    world: World,
    driver: Driver,
    rng: Rng,
    events: EventQueue<Event>,
    live: BTreeMap<usize, ActiveCall>,
    /// Calls whose requests were cancelled before they arrived.
    withdrawn: BTreeSet<usize>,
    /// The number of calls to begin in this round.
    to_begin: u64,
    audit: Audit,
    stats: &'a mut Stats,
}

impl<'a> Run<'a> {
    pub(super) fn new(seed: u64, driver: Driver, only: Option<Promise>, stats: &'a mut Stats) -> Self {
        let mut rng = Rng::new(seed);
        let world = World::new(&mut rng);
        let mut audit = Audit::new(world.mock.clone(), world.ledger.clone(), world.is_strict, only);
        audit.cap = world.allowance;
        let (live, withdrawn) = (BTreeMap::new(), BTreeSet::new());
        Self { world, driver, rng, events: EventQueue::new(), live, withdrawn, to_begin: 0, audit, stats }
    }

    /// Returns the events of a call.
    pub(super) fn log(&self, call: Option<usize>) -> Vec<(Duration, String)> {
        call.map_or_else(Vec::new, |call| self.audit.log(call))
    }

    /// Makes `calls` calls, in rounds.
    pub(super) fn calls(&mut self, calls: u64) -> Checked {
        if self.rng.percent(80) {
            self.reconcile()?;
        }
        let mut left = calls;
        while left > 0 {
            self.to_begin = left.min(self.rng.pick(&[3, 3, 20, 100, 200]));
            left -= self.to_begin;
            for _ in 0..self.to_begin.min(self.world.concurrency) {
                self.begin_later();
            }
            while let Some(event) = self.events.next() {
                self.handle(event)?;
                if self.audit.check_invariants()? {
                    self.stats.count("cap exceeded by calls above their reserve");
                }
            }
            self.audit.check_at_rest()?;
            self.between_rounds()?;
        }
        Ok(())
    }

    fn between_rounds(&mut self) -> Checked {
        if self.rng.percent(30) {
            // More than the cost of all calls of a world, so that it cannot look like less spending.
            let (bought, is_recorded) = (self.rng.between(10_000_000, 20_000_000), self.rng.percent(50));
            self.audit.purchase(bought, is_recorded);
            self.stats.count(if is_recorded { "purchase: recorded" } else { "purchase: not recorded" });
        }
        if self.rng.percent(70) {
            // After this time, no request is in transit.
            self.events.advance(self.late_charge());
            if self.audit.has_baseline && self.audit.unrecorded == 0 && self.rng.percent(5) {
                let credits = self.rng.between(1, 100);
                self.audit.spend_by_others(credits);
                self.stats.count("spent by another program");
            }
            self.reconcile()?;
        }
        if self.audit.unrecorded > 0 && self.audit.has_baseline {
            self.audit.record_late();
            self.stats.count("purchase: recorded later");
        }
        if self.world.ledger.book().totals().uncertain_attempts > 0 && self.rng.percent(20) {
            self.audit.resolve_by_hand()?;
            self.stats.count("resolved by hand");
        }
        if self.world.allowance.is_some() {
            self.set_cap();
        }
        self.audit.check_invariants().map(drop)
    }

    /// Sets a random cap: usually with room, sometimes without, or no cap.
    fn set_cap(&mut self) {
        let now = self.world.ledger.book().totals();
        let room = self.rng.between(0, self.world.allowance.unwrap_or(0));
        self.audit.cap = match self.rng.between(1, 10) {
            1 => Some(now.committed() / 2),
            2 => None,
            _ => Some(now.committed() + room),
        };
    }

    /// Returns the maximum transit time of a request after its caller gave it up.
    fn late_charge(&self) -> Duration {
        Duration::from_millis(self.world.network.latency + 10)
    }

    fn begin_reconcile(&mut self) -> Option<PendingComparison> {
        let token = self.rng.number();
        if self.driver == Driver::UsesOldBalances {
            return Some(self.audit.read_balance(token));
        }
        let pending = self.audit.begin_reconcile(token, self.late_charge(), self.events.now());
        pending.map_err(|why| self.stats.count(why)).ok()
    }

    fn reconcile(&mut self) -> Checked {
        match self.begin_reconcile() {
            Some(pending) => self.end_reconcile(&pending),
            None => Ok(()),
        }
    }

    fn end_reconcile(&mut self, pending: &PendingComparison) -> Checked {
        let outcome = self.audit.end_reconcile(pending, self.events.now(), self.driver)?;
        self.stats.count(outcome);
        self.audit.check_invariants().map(drop)
    }

    fn begin_later(&mut self) {
        let wait = self.rng.millis(self.world.network.latency);
        self.put(wait, Event::Begin);
    }

    fn put(&mut self, wait: Duration, event: Event) {
        self.events.after(wait, self.rng.number(), event);
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Begin if self.to_begin > 0 => {
                self.to_begin -= 1;
                let caller = self.rng.index(self.world.callers.len());
                let query = self.rng.index(self.world.queries.len());
                self.begin(caller, query, None)
            }
            Event::Begin => Ok(()),
            Event::Arrive(attempt, request) => self.arrive(attempt, &request),
            Event::Deliver(attempt, wire) => self.deliver(attempt, Some(wire)),
            Event::TimeOut(attempt) => self.deliver(attempt, None),
            Event::WaitOver(attempt) => self.wait_over(attempt),
            Event::GiveUp(call) => self.give_up(call),
            Event::Reconcile => {
                if let Some(pending) = self.begin_reconcile() {
                    if self.rng.percent(10) {
                        self.audit.purchase(1, true);
                        self.stats.count("purchase: during a comparison");
                    }
                    let wait = self.rng.millis(2 * self.world.network.latency);
                    self.put(wait, Event::EndReconcile(pending));
                }
                Ok(())
            }
            Event::EndReconcile(pending) => self.end_reconcile(&pending),
        }
    }

    /// Begins a call, or with `again` repeats an earlier one.
    fn begin(&mut self, caller: usize, query: usize, again: Option<usize>) -> Checked {
        let api = self.api(caller);
        let is_paid = self.world.queries[query].is_paid(&api);
        let name = self.world.queries[query].name();
        let number = again.unwrap_or_else(|| self.audit.add_call(is_paid, api.retry().resend_uncertain));
        self.audit.log_event(number, self.events.now(), format!("{name}, {:?} key", api.key_kind()));
        self.stats.count(if is_paid { "paid calls" } else { "free calls" });
        self.stats.count("calls");
        let before = self.world.ledger.book();
        let (call, next) = self.world.queries[query].begin(&api, self.events.now());
        if again.is_none() && self.rng.percent(self.world.give_up_percent) {
            let wait = self.rng.millis(3 * self.world.network.latency);
            self.put(wait, Event::GiveUp(number));
        }
        if self.rng.percent(5) {
            let wait = self.rng.millis(self.world.network.latency);
            self.put(wait, Event::Reconcile);
        }
        let attempt = Attempt { call: number, number: 0 };
        let live = ActiveCall { call, caller, query, attempt, sends: 0, is_waiting: false };
        self.live.insert(number, live);
        self.follow(number, next, &before)
    }

    fn api(&mut self, caller: usize) -> Api {
        let cap = if self.driver == Driver::IgnoresCap { None } else { self.audit.cap };
        let api = self.world.callers[caller].clone().with_cap(cap.unwrap_or(u64::MAX), self.world.reserve);
        if self.driver == Driver::BypassesLedger && self.rng.percent(10) {
            return api.with_ledger(Ledger::new());
        }
        api
    }

    /// Performs the next step of a call. `before` is the ledger before the step.
    fn follow(&mut self, call: usize, next: NextStep, before: &Book) -> Checked {
        let live = self.live.get_mut(&call).unwrap();
        match next {
            NextStep::Send(request) => {
                live.sends += 1;
                live.is_waiting = false;
                live.attempt = Attempt { call, number: self.audit.sent(call, before)? };
                let attempt = live.attempt;
                let way = self.rng.millis(self.world.network.latency);
                self.put(way, Event::Arrive(attempt, request));
                self.put(self.world.network.timeout, Event::TimeOut(attempt));
                self.stats.count(if attempt.number == 0 { "first attempts" } else { "further attempts" });
                Ok(())
            }
            NextStep::Wait(wait, reported) => {
                live.is_waiting = true;
                let attempt = live.attempt;
                let credits = reported.as_ref().map(|reported| reported.credits);
                self.audit.log_event(call, self.events.now(), format!("{credits:?}, waits"));
                match reported.filter(|_| live.sends > 0) {
                    Some(reported) => self.audit.check_report(call, &reported)?,
                    None if credits.is_none() => {
                        self.stats.count("waits for its turn before the first attempt");
                        self.audit.admitted(call, before)?;
                    }
                    None => {}
                }
                // Timers fire slightly late.
                let delay = self.rng.millis(2);
                self.put(wait + delay, Event::WaitOver(attempt));
                Ok(())
            }
            NextStep::Done(reported) => self.done(call, &reported, before),
        }
    }

    fn done(&mut self, call: usize, reported: &Reported, before: &Book) -> Checked {
        let live = self.live.remove(&call).unwrap();
        assert_eq!(reported.attempts, live.sends, "attempts are counted right");
        if live.is_waiting || reported.is_refused {
            self.stats.count(if live.is_waiting { "refused after a wait" } else { "refused immediately" });
            self.audit.refused(call, reported, before)?;
        }
        if live.sends == 0 && !reported.is_refused {
            self.stats.count("its turn comes too late");
        } else if !reported.is_refused {
            self.audit.log_event(call, self.events.now(), format!("{:?}, done", reported.credits));
            self.audit.check_report(call, reported)?;
        }
        self.stats.count(if reported.is_reply { "replies" } else { "errors" });
        let is_unanswered = reported.is_timeout && live.sends > 0;
        if self.driver == Driver::RetriesTimeouts && is_unanswered && live.attempt.number < 3 {
            return self.begin(live.caller, live.query, Some(call));
        }
        self.begin_later();
        Ok(())
    }

    fn arrive(&mut self, attempt: Attempt, request: &Request<Bytes>) -> Checked {
        if self.withdrawn.contains(&attempt.call) {
            return Ok(());
        }
        let fault = self.world.network.fault(&mut self.rng);
        let outcome = self.world.mock.respond_with(request, fault.as_ref());
        let name = fault.as_ref().map_or_else(|| "no fault".into(), name);
        self.stats.count(&name);
        let what = format!("attempt {} arrives: {name}, {} charged", attempt.number + 1, outcome.charged);
        self.audit.log_event(attempt.call, self.events.now(), what);
        if self.audit.arrived(attempt.call, attempt.number, fault.as_ref(), &outcome)? {
            self.stats.count("processed twice with `resend_uncertain`");
        }
        if !self.is_awaited(attempt) {
            self.stats.count("arrived after the call was dropped");
        }
        let way = self.rng.millis(self.world.network.latency);
        self.put(way, Event::Deliver(attempt, outcome.wire));
        Ok(())
    }

    fn is_awaited(&self, attempt: Attempt) -> bool {
        self.live.get(&attempt.call).is_some_and(|live| live.attempt == attempt && !live.is_waiting)
    }

    /// Delivers a response or a timeout to a call.
    fn deliver(&mut self, attempt: Attempt, wire: Option<Wire>) -> Checked {
        if !self.is_awaited(attempt) {
            return Ok(());
        }
        let max_body_size = self.world.max_body_size;
        self.audit.delivers(attempt.call, wire.as_ref(), max_body_size);
        if wire.is_none() {
            self.stats.count("timed out");
        }
        let timed_out =
            || Err(TransportError::new("it takes too long").with_kind(TransportErrorKind::Timeout));
        let result = wire.map_or_else(timed_out, |wire| wire.into_result(max_body_size));
        let result = self.driver.corrupt(result);
        let before = self.world.ledger.book();
        let live = self.live.get_mut(&attempt.call).unwrap();
        let next = live.call.received(result, self.events.now());
        self.follow(attempt.call, next, &before)
    }

    fn wait_over(&mut self, attempt: Attempt) -> Checked {
        let Some(live) = self.live.get_mut(&attempt.call).filter(|live| live.attempt == attempt) else {
            return Ok(());
        };
        let before = self.world.ledger.book();
        let next = live.call.wait_over(self.events.now());
        self.follow(attempt.call, next, &before)
    }

    fn give_up(&mut self, call: usize) -> Checked {
        let Some(mut live) = self.live.remove(&call) else { return Ok(()) };
        self.audit.log_event(call, self.events.now(), "the caller gives up");
        if live.is_waiting {
            self.stats.count("given up while waiting");
            if self.rng.percent(50) {
                let reported = live.call.give_up(self.events.now());
                assert_eq!(reported.attempts, live.sends, "attempts are counted right");
                if live.sends > 0 {
                    self.audit.check_report(call, &reported)?;
                }
            }
        } else {
            self.stats.count("given up while sent");
            if self.rng.percent(50) {
                self.withdrawn.insert(call);
            }
            if self.driver == Driver::LeaksCalls {
                std::mem::forget(live);
            } else {
                drop(live);
            }
            self.audit.dropped(call);
        }
        self.begin_later();
        Ok(())
    }
}

/// Returns a fault's name without its numbers.
pub(super) fn name(fault: &Fault) -> String {
    let kind = format!("{:?}", fault.kind());
    let kind = kind.split(" {").next().unwrap();
    format!("fault: {kind}{}", if fault.is_charged() { ", charged" } else { "" })
}
