//! Lets calls happen in one world, many at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tgscan_mock::core::transport::TransportErrorKind;
use tgscan_mock::core::{Api, Book, Ledger, TransportError};
use tgscan_mock::{Fault, outcome::Wire};

use super::Stats;
use super::agenda::Agenda;
use super::audit::{Audit, Checked};
use super::call::{Call, Next, Seen};
use super::driver::Driver;
use super::reconcile::Begun;
use super::rng::Rng;
use super::violation::Promise;
use super::world::World;

enum Event {
    Begin,
    /// A request reaches the service.
    Arrive(Attempt, Request<Bytes>),
    /// What came back reaches the caller.
    Deliver(Attempt, Wire),
    /// The caller's transport waits no longer.
    TimeOut(Attempt),
    /// A pause between two attempts is over.
    WaitOver(Attempt),
    /// The caller wants the answer no more.
    GiveUp(usize),
    /// A comparison begins, whose balance is used later.
    Reconcile,
    EndReconcile(Begun),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Attempt {
    call: usize,
    number: usize,
}

/// A call that has not ended.
struct Live {
    call: Box<dyn Call>,
    caller: usize,
    query: usize,
    /// The last attempt.
    attempt: Attempt,
    /// How many requests the state machine handed out.
    sends: u32,
    is_waiting: bool,
}

pub(super) struct Run<'a> {
    world: World,
    driver: Driver,
    rng: Rng,
    agenda: Agenda<Event>,
    live: BTreeMap<usize, Live>,
    /// Calls whose requests were taken back on their way.
    withdrawn: BTreeSet<usize>,
    /// Calls still to begin before the world comes to rest.
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
        Self { world, driver, rng, agenda: Agenda::new(), live, withdrawn, to_begin: 0, audit, stats }
    }

    /// What happened to a call.
    pub(super) fn story(&self, call: Option<usize>) -> Vec<(Duration, String)> {
        call.map_or_else(Vec::new, |call| self.audit.story(call))
    }

    /// Makes so many calls, with a rest in between now and then.
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
            while let Some(event) = self.agenda.next() {
                self.happen(event)?;
                if self.audit.at_any_moment()? {
                    self.stats.count("cap passed by calls above their reserve");
                }
            }
            self.audit.at_rest()?;
            self.between_rounds()?;
        }
        Ok(())
    }

    fn between_rounds(&mut self) -> Checked {
        if self.rng.percent(30) {
            // More than all calls of a world can cost, so that it is never mistaken for less spending.
            let (bought, is_recorded) = (self.rng.between(10_000_000, 20_000_000), self.rng.percent(50));
            self.audit.purchase(bought, is_recorded);
            self.stats.count(if is_recorded { "purchase: recorded" } else { "purchase: not recorded" });
        }
        if self.rng.percent(70) {
            // Until no request is on its way any more.
            self.agenda.rest(self.late());
            if self.audit.has_baseline && self.audit.unrecorded == 0 && self.rng.percent(5) {
                let credits = self.rng.between(1, 100);
                self.audit.spend_elsewhere(credits);
                self.stats.count("spent elsewhere");
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
        self.audit.at_any_moment().map(drop)
    }

    /// Mostly leaves room for more, now and then none or all.
    fn set_cap(&mut self) {
        let now = self.world.ledger.book().totals();
        let room = self.rng.between(0, self.world.allowance.unwrap_or(0));
        self.audit.cap = match self.rng.between(1, 10) {
            1 => Some(now.committed() / 2),
            2 => None,
            _ => Some(now.committed() + room),
        };
    }

    /// How long a request can be on its way after its caller gave it up.
    fn late(&self) -> Duration {
        Duration::from_millis(self.world.line.latency + 10)
    }

    fn begin_reconcile(&mut self) -> Option<Begun> {
        let token = self.rng.number();
        if self.driver == Driver::BelievesOldBalances {
            return Some(self.audit.read_balance(token));
        }
        let begun = self.audit.begin_reconcile(token, self.late(), self.agenda.now());
        begun.map_err(|why| self.stats.count(why)).ok()
    }

    fn reconcile(&mut self) -> Checked {
        match self.begin_reconcile() {
            Some(begun) => self.end_reconcile(&begun),
            None => Ok(()),
        }
    }

    fn end_reconcile(&mut self, begun: &Begun) -> Checked {
        let outcome = self.audit.end_reconcile(begun, self.agenda.now(), self.driver)?;
        self.stats.count(outcome);
        self.audit.at_any_moment().map(drop)
    }

    fn begin_later(&mut self) {
        let wait = self.rng.millis(self.world.line.latency);
        self.put(wait, Event::Begin);
    }

    fn put(&mut self, wait: Duration, event: Event) {
        self.agenda.after(wait, self.rng.number(), event);
    }

    fn happen(&mut self, event: Event) -> Checked {
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
                if let Some(begun) = self.begin_reconcile() {
                    if self.rng.percent(10) {
                        self.audit.purchase(1, true);
                        self.stats.count("purchase: during a comparison");
                    }
                    let wait = self.rng.millis(2 * self.world.line.latency);
                    self.put(wait, Event::EndReconcile(begun));
                }
                Ok(())
            }
            Event::EndReconcile(begun) => self.end_reconcile(&begun),
        }
    }

    /// Begins a call, or makes one again that its caller means as the same.
    fn begin(&mut self, caller: usize, query: usize, again: Option<usize>) -> Checked {
        let api = self.api(caller);
        let is_paid = self.world.queries[query].is_paid(&api);
        let name = self.world.queries[query].name();
        let number = again.unwrap_or_else(|| self.audit.wanted(is_paid, api.retry().resend_uncertain));
        self.audit.tell(number, self.agenda.now(), format!("{name}, {:?} key", api.key_kind()));
        self.stats.count(if is_paid { "paid calls" } else { "free calls" });
        self.stats.count("calls");
        let before = self.world.ledger.book();
        let (call, next) = self.world.queries[query].begin(&api, self.agenda.now());
        if again.is_none() && self.rng.percent(self.world.impatience) {
            let wait = self.rng.millis(3 * self.world.line.latency);
            self.put(wait, Event::GiveUp(number));
        }
        if self.rng.percent(5) {
            let wait = self.rng.millis(self.world.line.latency);
            self.put(wait, Event::Reconcile);
        }
        let attempt = Attempt { call: number, number: 0 };
        let live = Live { call, caller, query, attempt, sends: 0, is_waiting: false };
        self.live.insert(number, live);
        self.follow(number, next, &before)
    }

    fn api(&mut self, caller: usize) -> Api {
        let cap = if self.driver == Driver::IgnoresCap { None } else { self.audit.cap };
        let api = self.world.callers[caller].clone().with_cap(cap.unwrap_or(u64::MAX), self.world.reserve);
        if self.driver == Driver::SpendsElsewhere && self.rng.percent(10) {
            return api.with_ledger(Ledger::new());
        }
        api
    }

    /// Does what a call wants next; `before` is the ledger before it was asked.
    fn follow(&mut self, call: usize, next: Next, before: &Book) -> Checked {
        let live = self.live.get_mut(&call).unwrap();
        match next {
            Next::Send(request) => {
                live.sends += 1;
                live.is_waiting = false;
                live.attempt = Attempt { call, number: self.audit.sent(call, before)? };
                let attempt = live.attempt;
                let way = self.rng.millis(self.world.line.latency);
                self.put(way, Event::Arrive(attempt, request));
                self.put(self.world.line.timeout, Event::TimeOut(attempt));
                self.stats.count(if attempt.number == 0 { "first attempts" } else { "further attempts" });
                Ok(())
            }
            Next::Wait(wait, seen) => {
                live.is_waiting = true;
                let attempt = live.attempt;
                self.audit.tell(call, self.agenda.now(), format!("{:?}, waits", seen.credits));
                if live.sends > 0 {
                    self.audit.saw(call, &seen)?;
                }
                // Sleeping takes a little longer than asked for.
                let late = self.rng.millis(2);
                self.put(wait + late, Event::WaitOver(attempt));
                Ok(())
            }
            Next::Done(seen) => self.done(call, &seen, before),
        }
    }

    fn done(&mut self, call: usize, seen: &Seen, before: &Book) -> Checked {
        let live = self.live.remove(&call).unwrap();
        assert_eq!(seen.attempts, live.sends, "attempts are counted right");
        if live.is_waiting || seen.is_refused {
            self.stats.count(if live.is_waiting { "refused after a wait" } else { "refused immediately" });
            self.audit.refused(call, seen, before)?;
        }
        if !seen.is_refused {
            self.audit.tell(call, self.agenda.now(), format!("{:?}, done", seen.credits));
            self.audit.saw(call, seen)?;
        }
        self.stats.count(if seen.is_reply { "replies" } else { "errors" });
        if self.driver == Driver::RetriesTimeouts && seen.is_timeout && live.attempt.number < 3 {
            return self.begin(live.caller, live.query, Some(call));
        }
        self.begin_later();
        Ok(())
    }

    fn arrive(&mut self, attempt: Attempt, request: &Request<Bytes>) -> Checked {
        if self.withdrawn.contains(&attempt.call) {
            return Ok(());
        }
        let fault = self.world.line.fault(&mut self.rng);
        let outcome = self.world.mock.respond_with(request, fault.as_ref());
        let name = fault.as_ref().map_or_else(|| "no fault".into(), name);
        self.stats.count(&name);
        let what = format!("attempt {} arrives: {name}, {} charged", attempt.number + 1, outcome.charged);
        self.audit.tell(attempt.call, self.agenda.now(), what);
        if self.audit.arrived(attempt.call, attempt.number, fault.as_ref(), &outcome)? {
            self.stats.count("processed again, as asked for");
        }
        if !self.is_awaited(attempt) {
            self.stats.count("arrived after the caller had gone");
        }
        let way = self.rng.millis(self.world.line.latency);
        self.put(way, Event::Deliver(attempt, outcome.wire));
        Ok(())
    }

    fn is_awaited(&self, attempt: Attempt) -> bool {
        self.live.get(&attempt.call).is_some_and(|live| live.attempt == attempt && !live.is_waiting)
    }

    /// Gives a call what came back, or a timeout.
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
        let result = self.driver.distort(result);
        let before = self.world.ledger.book();
        let live = self.live.get_mut(&attempt.call).unwrap();
        let next = live.call.received(result, self.agenda.now());
        self.follow(attempt.call, next, &before)
    }

    fn wait_over(&mut self, attempt: Attempt) -> Checked {
        let Some(live) = self.live.get_mut(&attempt.call).filter(|live| live.attempt == attempt) else {
            return Ok(());
        };
        let before = self.world.ledger.book();
        let next = live.call.wait_over(self.agenda.now());
        self.follow(attempt.call, next, &before)
    }

    fn give_up(&mut self, call: usize) -> Checked {
        let Some(mut live) = self.live.remove(&call) else { return Ok(()) };
        self.audit.tell(call, self.agenda.now(), "the caller gives up");
        if live.is_waiting {
            self.stats.count("given up while waiting");
            if self.rng.percent(50) {
                let seen = live.call.give_up(self.agenda.now());
                assert_eq!(seen.attempts, live.sends, "attempts are counted right");
                if live.sends > 0 {
                    self.audit.saw(call, &seen)?;
                }
            }
        } else {
            self.stats.count("given up while sent");
            if self.rng.percent(50) {
                self.withdrawn.insert(call);
            }
            if self.driver == Driver::Leaks {
                std::mem::forget(live);
            } else {
                drop(live);
            }
            self.audit.left(call);
        }
        self.begin_later();
        Ok(())
    }
}

/// A fault's name without its numbers.
pub(super) fn name(fault: &Fault) -> String {
    let kind = format!("{:?}", fault.kind());
    let kind = kind.split('(').next().unwrap();
    format!("fault: {kind}{}", if fault.is_charged() { ", charged" } else { "" })
}
