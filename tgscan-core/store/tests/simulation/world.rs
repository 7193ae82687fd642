//! A process that asks, its store, the service, and the checks.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use futures_executor::block_on;
use tgscan_core::bytes::Bytes;
use tgscan_core::ledger::ReconcileOutcome;
use tgscan_core::store::{
    CallId, Claim, ClaimStep as Next, Lookup, PendingClaim, Settlement, Store, StoreError, StorePolicy,
};
use tgscan_core::types::Search;
use tgscan_core::{Api, ApiKey, Reserve};
use tgscan_mock::Mock;
use tgscan_store::{Clock, MemoryStore};

use crate::call::{Asked, Call, Owned};
use crate::service::{LATE, PRICE, Service};
use fastrand::Rng;

const ACCOUNT: &str = "main";
const CONCURRENCY: u64 = 8;
/// How many questions are asked in turn. After some time, others are.
const QUESTIONS: u64 = 12;
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A rule that is broken on purpose, to see it caught.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    Nothing,
    /// A crash sets the questions of calls in flight free.
    DeathIsFree,
    /// A dropped call in flight is taken for one that cost nothing.
    DropIsFree,
    /// The balance is compared while late charges are still to come.
    NoWaitForLateCharges,
    /// Answers are not kept.
    AnswersAreLost,
    /// The cap is not part of the claim.
    NoCap,
}

impl Broken {
    pub(crate) const ALL: [Self; 5] =
        [Self::DeathIsFree, Self::DropIsFree, Self::NoWaitForLateCharges, Self::AnswersAreLost, Self::NoCap];
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    paid: u64,
    stored: u64,
    joined: u64,
    refused_uncertain: u64,
    refused_by_cap: u64,
    drops: u64,
    crashes: u64,
    deaths_in_flight: u64,
    failed_claims: u64,
    failed_settlements: u64,
    settled_by_balance: u64,
    settled_by_hand: u64,
    late_settlements: u64,
}

impl Counts {
    fn all(&mut self) -> [&mut u64; 14] {
        [
            &mut self.calls,
            &mut self.paid,
            &mut self.stored,
            &mut self.joined,
            &mut self.refused_uncertain,
            &mut self.refused_by_cap,
            &mut self.drops,
            &mut self.crashes,
            &mut self.deaths_in_flight,
            &mut self.failed_claims,
            &mut self.failed_settlements,
            &mut self.settled_by_balance,
            &mut self.settled_by_hand,
            &mut self.late_settlements,
        ]
    }

    pub(crate) fn is_varied(mut self) -> bool {
        self.all().iter().all(|count| **count > 0)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, mut other: Self) {
        for (sum, count) in self.all().into_iter().zip(other.all()) {
            *sum += *count;
        }
    }
}

pub(crate) struct World {
    rng: Rng,
    broken: Broken,
    now: Duration,
    clock: Arc<AtomicU64>,
    api: Api,
    policy: StorePolicy,
    cap: Option<u64>,
    /// Whether the balance settles what is uncertain, or a person.
    reconciles: bool,
    store: MemoryStore,
    service: Service,
    calls: Vec<Option<Call>>,
    /// Settlements that failed, and are tried again.
    unsettled: VecDeque<(CallId, Settlement, String)>,
    /// How often each question may have been paid for by now.
    allowed: HashMap<String, u32>,
    /// The questions whose answer the store has, and the answer.
    answers: HashMap<String, Bytes>,
    /// Purchases that the store has not heard of.
    bought: u64,
    pub(crate) counts: Counts,
}

impl World {
    pub(crate) fn new(seed: u64, broken: Broken) -> Self {
        let mut rng = Rng::with_seed(seed);
        let clock = Arc::new(AtomicU64::new(0));
        let told = clock.clone();
        let clock_of_store =
            Clock::new(move || SystemTime::UNIX_EPOCH + Duration::from_millis(told.load(Relaxed)));
        let cap = (rng.u64(..2) == 0).then(|| 50 + rng.u64(..500));
        let mut policy = StorePolicy::new(ACCOUNT, YEAR, YEAR);
        if let Some(cap) = cap.filter(|_| broken != Broken::NoCap) {
            policy = policy.with_cap(cap, Reserve::PerCall(PRICE));
        }
        let answers = if broken == Broken::AnswersAreLost { 5 } else { usize::MAX };
        let mut world = Self {
            broken,
            now: Duration::ZERO,
            clock,
            api: Api::new(ApiKey::live(Mock::LIVE_KEY).unwrap()),
            policy,
            cap,
            reconciles: rng.u64(..3) > 0,
            store: MemoryStore::new().with_clock(clock_of_store).with_max_answers(answers),
            service: Service::with_balance(100 + rng.u64(..2000)),
            calls: (0..CONCURRENCY).map(|_| None).collect(),
            unsettled: VecDeque::new(),
            allowed: HashMap::new(),
            answers: HashMap::new(),
            bought: 0,
            counts: Counts::default(),
            rng,
        };
        // The first balance, before anything is spent.
        let _ = world.reconcile();
        world
    }

    /// Something happens.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        let pause = Duration::from_millis(self.rng.u64(..40));
        self.pass(pause);
        match self.rng.u64(..4000) {
            0..10 => self.crash(),
            // The store takes the owner for dead, which lives and settles later.
            10..14 => self.store.simulate_crash(),
            14..24 => self.retry_settlements(),
            24..34 if self.reconciles => self.reconcile()?,
            24..34 => self.settle_one_by_hand(),
            34..38 => {
                let credits = 1 + self.rng.u64(..200);
                self.service.balance += credits;
                self.bought += credits;
            }
            _ => self.go_on()?,
        }
        self.check()
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.clock.store(u64::try_from(self.now.as_millis()).unwrap(), Relaxed);
        self.service.catch_up(self.now, &mut self.rng);
    }

    /// One of the calls takes a step.
    fn go_on(&mut self) -> Result<(), String> {
        let at = usize::try_from(self.rng.u64(..CONCURRENCY)).unwrap();
        let Some(call) = self.calls[at].take() else {
            self.counts.calls += 1;
            let first = self.counts.calls / 5;
            let asked = Asked {
                name: format!("name_{}", 1000 + first + self.rng.u64(..QUESTIONS)),
                lookup: match self.rng.u64(..10) {
                    0 => Lookup::New,
                    1 => Lookup::Stored,
                    _ => Lookup::StoredOrNew,
                },
            };
            let search = Search { query: asked.name.parse().unwrap() };
            let asking = PendingClaim::new(&self.api, &self.policy, asked.lookup, search, self.now);
            self.calls[at] = Some(Call::Asking(asking, asked));
            return Ok(());
        };
        if self.rng.u64(..100) == 0 {
            self.drop_call(&call);
            return Ok(());
        }
        self.calls[at] = match call {
            Call::Asking(asking, asked) => self.claim(asking, asked)?,
            Call::Waiting(until, waiting, asked) if until <= self.now => {
                Some(Call::Asking(waiting.resume(), asked))
            }
            Call::Granted(granted, asked) => {
                let call = granted.call();
                let (step, running) = granted.begin(self.now);
                Some(Call::after(step, Owned { call, running, asked }, self.now))
            }
            Call::Sending(request, in_flight, owned) => {
                let outcome = self.service.deliver(&request, owned.call, self.now, &mut self.rng);
                Some(Call::after(in_flight.received(outcome, self.now), owned, self.now))
            }
            Call::Backoff(until, backoff, owned) if until <= self.now => {
                Some(Call::after(backoff.resume(), owned, self.now))
            }
            Call::Settling(call, settlement, settling, asked) => {
                if self.rng.u64(..50) == 0 {
                    self.counts.failed_settlements += 1;
                    let _ = settling.settled(Err(StoreError::new("full")));
                    // A store that writes it again.
                    self.unsettled.push_back((call, settlement, asked.name));
                } else {
                    self.settle(call, settlement, &asked.name);
                    let _ = settling.settled(Ok(()));
                }
                None
            }
            waiting => Some(waiting),
        };
        Ok(())
    }

    fn claim(&mut self, asking: PendingClaim<Search>, asked: Asked) -> Result<Option<Call>, String> {
        let fault = self.rng.u64(..100);
        if fault == 0 {
            self.counts.failed_claims += 1;
            let _ = asking.claimed(Err(StoreError::new("no connection")));
            return Ok(None);
        }
        let claim = block_on(self.store.claim(&asking.request(self.now))).unwrap();
        if fault == 1 {
            // The answer is lost. What was written is given back, or stays until its owner is dead.
            self.counts.failed_claims += 1;
            let _ = asking.claimed(Err(StoreError::new("connection lost")));
            if let (Claim::Granted(call), 0) = (claim, self.rng.u64(..2)) {
                self.store.abandon(call, Settlement::NotCharged);
            }
            return Ok(None);
        }
        let question = format!("query={}", asked.name);
        match &claim {
            Claim::Stored(stored) => {
                self.counts.stored += 1;
                if self.answers.get(&question).is_some_and(|answer| *answer != stored.body) {
                    return Err("a stored answer is not the one that was stored last".into());
                }
            }
            Claim::InFlight { .. } => self.counts.joined += 1,
            Claim::Uncertain { .. } => self.counts.refused_uncertain += 1,
            Claim::CapReached(_) => self.counts.refused_by_cap += 1,
            Claim::Granted(_) if asked.lookup == Lookup::New => self.allow_once_more(&question),
            Claim::Granted(_) => {
                if self.answers.contains_key(&question) {
                    return Err("a question is sent again whose answer was stored".into());
                }
                self.allowed.entry(question).or_insert(1);
            }
            _ => {}
        }
        Ok(match asking.claimed(Ok(claim)) {
            Next::Granted(granted) => Some(Call::Granted(granted, asked)),
            Next::Backoff(duration, waiting) => Some(Call::Waiting(self.now + duration, waiting, asked)),
            Next::Done(_) => None,
        })
    }

    fn settle(&mut self, call: CallId, settlement: Settlement, name: &str) {
        let uncertain = block_on(self.store.uncertain(ACCOUNT)).unwrap();
        self.counts.late_settlements += u64::from(uncertain.iter().any(|row| row.id == call));
        let answer = match &settlement {
            Settlement::Answered { body, .. } => Some(body.clone()),
            _ => None,
        };
        block_on(self.store.settle(call, settlement)).unwrap();
        if let Some(answer) = answer {
            self.answers.insert(format!("query={name}"), answer);
        }
    }

    fn retry_settlements(&mut self) {
        while let Some((call, settlement, name)) = self.unsettled.pop_front() {
            self.settle(call, settlement, &name);
        }
    }

    fn drop_call(&mut self, call: &Call) {
        self.counts.drops += 1;
        let Some((id, settlement)) = call.abandoned() else { return };
        if let Call::Sending(request, ..) = call {
            self.service.lose(request, id, self.now, &mut self.rng);
        }
        let name = match call {
            Call::Granted(_, asked) | Call::Settling(.., asked) => asked.name.clone(),
            Call::Sending(_, _, owned) | Call::Backoff(_, _, owned) => owned.asked.name.clone(),
            Call::Asking(..) | Call::Waiting(..) => return,
        };
        let is_sent = matches!(call, Call::Sending(..));
        let settlement =
            if self.broken == Broken::DropIsFree && is_sent { Settlement::NotCharged } else { settlement };
        self.settle(id, settlement, &name);
    }

    /// The process dies, and another one opens the store.
    fn crash(&mut self) {
        self.counts.crashes += 1;
        for call in self.calls.iter_mut().filter_map(Option::take) {
            let Some((id, _)) = call.abandoned() else { continue };
            self.counts.deaths_in_flight += 1;
            if let Call::Sending(request, ..) = &call {
                self.service.lose(request, id, self.now, &mut self.rng);
            }
            if self.broken == Broken::DeathIsFree {
                self.store.abandon(id, Settlement::NotCharged);
            }
        }
        self.unsettled.clear();
        self.store.simulate_crash();
    }

    /// Compares with the balance, as `Client::reconcile_store` does.
    fn reconcile(&mut self) -> Result<(), String> {
        block_on(self.store.record_top_up(ACCOUNT, std::mem::take(&mut self.bought))).unwrap();
        let start = block_on(self.store.start_reconcile(ACCOUNT)).unwrap();
        let is_early = start.last_uncertain.is_some_and(|age| age < LATE);
        if start.in_flight > 0 || (is_early && self.broken != Broken::NoWaitForLateCharges) {
            return Ok(());
        }
        let before = block_on(self.store.uncertain(ACCOUNT)).unwrap();
        let balance = i64::try_from(self.service.balance).unwrap();
        let seen = block_on(self.store.finish_reconcile(ACCOUNT, start, balance)).unwrap();
        let left: HashSet<_> =
            block_on(self.store.uncertain(ACCOUNT)).unwrap().iter().map(|call| call.id).collect();
        for call in before.iter().filter(|call| !left.contains(&call.id)) {
            self.counts.settled_by_balance += 1;
            self.allow_once_more(&call.question.as_ref().unwrap().form);
        }
        if matches!(seen.outcome, ReconcileOutcome::ToppedUp(_)) {
            return Err("the account gained credits that were recorded".into());
        }
        Ok(())
    }

    /// Somebody looks at an uncertain call and says what it has cost, when nothing more can come.
    fn settle_one_by_hand(&mut self) {
        let calls = block_on(self.store.uncertain(ACCOUNT)).unwrap();
        let now = SystemTime::UNIX_EPOCH + self.now;
        let Some(call) = calls.first() else { return };
        let is_old = now.duration_since(call.claimed_at).is_ok_and(|age| age > 2 * LATE);
        if !is_old
            || self.calls.iter().flatten().any(|other| other.abandoned().is_some_and(|it| it.0 == call.id))
        {
            return;
        }
        let cost = self.service.costs.get(&call.id).copied().unwrap_or(0);
        if block_on(self.store.resolve(call.id, cost)).unwrap() {
            self.counts.settled_by_hand += 1;
            self.allow_once_more(&call.question.as_ref().unwrap().form);
        }
    }

    /// Somebody who knows what it means has set a question free.
    fn allow_once_more(&mut self, question: &str) {
        let paid = self.service.paid.get(question).copied().unwrap_or(0);
        self.allowed.insert(question.to_owned(), paid + 1);
    }

    fn check(&mut self) -> Result<(), String> {
        let paid = self.service.paid.values().map(|&times| u64::from(times)).sum::<u64>();
        if paid == self.counts.paid {
            return Ok(());
        }
        self.counts.paid = paid;
        for (question, &times) in &self.service.paid {
            if times > self.allowed.get(question).copied().unwrap_or(0) {
                return Err(format!("{question} was paid for {times} times"));
            }
        }
        if let Some(cap) = self.cap.filter(|&cap| self.service.spent > cap) {
            return Err(format!("{} credits spent under a cap of {cap}", self.service.spent));
        }
        let book = block_on(self.store.book(ACCOUNT)).unwrap();
        let most =
            book.charged + book.unexplained + PRICE * (book.in_flight_calls() + book.uncertain_calls());
        if book.charged > self.service.spent || self.service.spent > most {
            return Err(format!("{} charged, {} spent, {most} at most", book.charged, self.service.spent));
        }
        Ok(())
    }

    /// All ends, and nothing stays uncertain.
    pub(crate) fn come_to_rest(&mut self) -> Result<(), String> {
        self.crash();
        self.pass(2 * LATE);
        self.check()?;
        self.reconcile()?;
        for call in block_on(self.store.uncertain(ACCOUNT)).unwrap() {
            // Its cost is known; only its question waits for a decision.
            let cost = self.service.costs.get(&call.id).copied().unwrap_or(0);
            block_on(self.store.resolve(call.id, cost)).unwrap();
        }
        let book = block_on(self.store.book(ACCOUNT)).unwrap();
        let spent = self.service.spent;
        if book.uncertain_calls() > 0
            || book.in_flight_calls() > 0
            || book.charged + book.unexplained != spent
        {
            return Err(format!("at rest: {book:?}, and {spent} spent"));
        }
        let billed: u64 = block_on(self.store.bill()).unwrap().iter().map(|row| row.charged).sum();
        if billed != book.charged {
            return Err(format!("the bill says {billed}, the book {}", book.charged));
        }
        for (question, answer) in &self.answers {
            let asked = tgscan_core::store::Question::new(ACCOUNT, true, "search", question);
            let mut request = tgscan_core::store::ClaimRequest::new(asked, LATE);
            request.stored_only = true;
            match block_on(self.store.claim(&request)).unwrap() {
                Claim::Stored(stored) if stored.body == *answer => {}
                other => return Err(format!("an answer was lost: {other:?}")),
            }
        }
        Ok(())
    }
}
