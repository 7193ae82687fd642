//! Random sequences of changes of a book, checked against a simulated service.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;

/// How long after its end an uncertain attempt may be charged, in milliseconds.
const LATE: u64 = 1_000;
const CAP: u64 = 40;
const LIMITS: [u64; 2] = [25, 17];
const LABELS: [&str; 2] = ["first", "second"];
const METHODS: [&str; 3] = ["search", "similar_groups", "user_check"];
const BALANCE: i64 = 1_000;

/// A step. Each index selects among the calls in a suitable state, modulo their number.
#[derive(Clone, Copy, Debug)]
enum Op {
    Begin {
        budgets: usize,
        method: usize,
        charges: bool,
    },
    Answer(usize),
    Refuse(usize),
    /// The connection breaks, and the charge follows after a delay.
    Break(usize, u64),
    /// The request was never sent, and is retried later.
    Pause(usize),
    /// The attempt fails, and is retried later.
    Resend(usize, u64),
    Renew(usize, bool),
    /// The owner of the call is lost.
    Lose(usize, u64),
    /// A late settlement, possibly after the call was resolved.
    SettleLate(usize),
    ResolveByHand(usize),
    ResolveAll,
    Compare,
    Purchase(u64),
    Pass(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let delay = || 0..=LATE;
    let op = prop_oneof![
        8 => (0..4_usize, 0..3_usize, any::<bool>())
            .prop_map(|(budgets, method, charges)| Op::Begin { budgets, method, charges }),
        4 => any::<usize>().prop_map(Op::Answer),
        1 => any::<usize>().prop_map(Op::Refuse),
        3 => (any::<usize>(), delay()).prop_map(|(call, delay)| Op::Break(call, delay)),
        1 => any::<usize>().prop_map(Op::Pause),
        2 => (any::<usize>(), delay()).prop_map(|(call, delay)| Op::Resend(call, delay)),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(call, charges)| Op::Renew(call, charges)),
        3 => (any::<usize>(), delay()).prop_map(|(call, delay)| Op::Lose(call, delay)),
        3 => any::<usize>().prop_map(Op::SettleLate),
        1 => any::<usize>().prop_map(Op::ResolveByHand),
        1 => Just(Op::ResolveAll),
        4 => Just(Op::Compare),
        1 => (0..50_u64).prop_map(Op::Purchase),
        2 => (0..2 * LATE).prop_map(Op::Pass),
    ];
    prop::collection::vec(op, 1..60)
}

struct Attempt {
    cost: u64,
    /// The time of the charge; `None` after the charge.
    due: Option<u64>,
}

struct Call {
    entry: Entry,
    method: usize,
    budgets: usize,
    attempts: Vec<Attempt>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sending,
    /// Between two attempts.
    Waiting,
    Ended,
    /// Its owner was lost, and may still settle it.
    Lost,
}

impl Call {
    /// Returns the number of uncertain attempts, without the running one.
    fn uncertain(&self) -> u32 {
        let ended = if self.state == State::Sending { &self.attempts[1..] } else { &self.attempts[..] };
        u32::try_from(ended.len()).unwrap()
    }
}

/// The service, the book, and the actual costs.
struct World {
    book: Book,
    /// Whether entries are kept, as in a store, or dropped at the end of a call, as in a ledger.
    keeps_entries: bool,
    calls: Vec<Call>,
    joints: HashMap<u64, JointResolution>,
    comparisons: u64,
    balance: i64,
    now: u64,
}

fn limits(budgets: usize) -> Limits {
    let mut limits = capped(CAP, 4);
    for at in (0..2).filter(|at| budgets & (1 << at) != 0) {
        limits.add(Budget::new(LABELS[at], LIMITS[at], Period::Total, Reserve::PerCall(3)));
    }
    limits
}

impl World {
    fn new(keeps_entries: bool) -> Self {
        Self {
            book: Book::default(),
            keeps_entries,
            calls: Vec::new(),
            joints: HashMap::new(),
            comparisons: 0,
            balance: BALANCE,
            now: 0,
        }
    }

    /// Selects a call in one of these states.
    fn pick(&self, number: usize, states: &[State]) -> Option<usize> {
        let fits: Vec<_> =
            (0..self.calls.len()).filter(|at| states.contains(&self.calls[*at].state)).collect();
        (!fits.is_empty()).then(|| fits[number % fits.len()])
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        for attempt in self.calls.iter_mut().flat_map(|call| &mut call.attempts) {
            if attempt.due.is_some_and(|due| due <= self.now) {
                attempt.due = None;
                self.balance -= i64::try_from(attempt.cost).unwrap();
            }
        }
    }

    /// Ends the running attempt of a call. Its charge, if any, follows after `delay`.
    fn end_attempt(&mut self, at: usize, delay: u64) {
        if let Some(last) = self.calls[at].attempts.first_mut() {
            last.due = last.due.map(|_| self.now + delay);
        }
        self.pass(0);
    }

    fn joint(&self, at: usize) -> Option<JointResolution> {
        self.joints.get(&self.calls[at].entry.comparison?).cloned()
    }

    fn put_joint(&mut self, at: usize, joint: Option<JointResolution>) {
        if let (Some(number), Some(joint)) = (self.calls[at].entry.comparison, joint) {
            self.joints.insert(number, joint);
        }
    }

    fn settle(&mut self, at: usize, cost: Cost) {
        let mut joint = self.joint(at);
        self.book.settle(&mut self.calls[at].entry, cost, joint.as_mut(), Some(self.now));
        self.put_joint(at, joint);
        self.calls[at].state = State::Ended;
    }

    fn send(&mut self, at: usize, charges: bool) {
        let call = &mut self.calls[at];
        let cost = if charges { call.method as u64 + 1 } else { 0 };
        // The first attempt is the running one. It is charged at its end or later.
        call.attempts.insert(0, Attempt { cost, due: Some(u64::MAX) });
        call.state = State::Sending;
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Begin { budgets, method, charges } => {
                if self.book.blocks_attempts(self.now) {
                    return;
                }
                if let Ok(entry) = self.book.admit(METHODS[method].into(), &limits(budgets), None) {
                    let call = Call { entry, method, budgets, attempts: Vec::new(), state: State::Sending };
                    self.calls.push(call);
                    self.send(self.calls.len() - 1, charges);
                }
            }
            Op::Answer(number) => {
                let Some(at) = self.pick(number, &[State::Sending]) else { return };
                self.end_attempt(at, 0);
                let cost =
                    Cost { charged: self.calls[at].attempts[0].cost, uncertain: self.calls[at].uncertain() };
                self.settle(at, cost);
            }
            Op::Refuse(number) => {
                let Some(at) = self.pick(number, &[State::Sending]) else { return };
                self.calls[at].attempts.remove(0);
                let left = u32::try_from(self.calls[at].attempts.len()).unwrap();
                self.settle(at, uncertain(left));
            }
            Op::Break(number, delay) => {
                let Some(at) = self.pick(number, &[State::Sending]) else { return };
                let cost = uncertain(self.calls[at].uncertain() + 1);
                self.end_attempt(at, delay);
                self.settle(at, cost);
            }
            Op::Pause(number) => {
                let Some(at) = self.pick(number, &[State::Sending]) else { return };
                self.calls[at].attempts.remove(0);
                self.calls[at].state = State::Waiting;
                if self.calls[at].attempts.is_empty() {
                    self.book.pause(&mut self.calls[at].entry);
                }
            }
            Op::Resend(number, delay) => {
                let Some(at) = self.pick(number, &[State::Sending]) else { return };
                self.end_attempt(at, delay);
                self.calls[at].state = State::Waiting;
            }
            Op::Renew(number, charges) => {
                let Some(at) = self.pick(number, &[State::Waiting]) else { return };
                if self.book.blocks_attempts(self.now) {
                    return;
                }
                let (left, limits) = (self.calls[at].uncertain(), limits(self.calls[at].budgets));
                match self.book.renew(&mut self.calls[at].entry, left, &limits) {
                    Ok(()) => self.send(at, charges),
                    Err(_) => self.settle(at, uncertain(left)),
                }
            }
            Op::Lose(number, delay) => {
                let Some(at) = self.pick(number, &[State::Sending, State::Waiting]) else { return };
                if self.calls[at].state == State::Sending {
                    self.end_attempt(at, delay);
                }
                self.book.lose_owner(&mut self.calls[at].entry, Some(self.now));
                self.calls[at].state = State::Lost;
            }
            Op::SettleLate(number) => {
                let Some(at) = self.pick(number, &[State::Lost]).filter(|_| self.keeps_entries) else {
                    return;
                };
                self.charge_now(at);
                let total = self.calls[at].attempts.iter().map(|attempt| attempt.cost).sum();
                self.settle(at, charged(total));
            }
            Op::ResolveByHand(number) => {
                let Some(at) = self.pick(number, &[State::Lost, State::Ended]).filter(|_| self.keeps_entries)
                else {
                    return;
                };
                self.charge_now(at);
                let total = self.calls[at].attempts.iter().map(|attempt| attempt.cost).sum();
                let mut joint = self.joint(at);
                self.book.resolve(&mut self.calls[at].entry, total, joint.as_mut());
                self.put_joint(at, joint);
            }
            Op::ResolveAll => {
                if !self.keeps_entries {
                    self.pass(LATE);
                    let now = self.book.totals();
                    let known = now.charged + now.unexplained;
                    // The cost of calls in flight is still unknown to the person who resolves the others.
                    let running = |call: &&Call| matches!(call.state, State::Sending | State::Waiting);
                    let open: u64 = self.calls.iter().filter(running).map(Self::lost_by).sum();
                    self.book.resolve_all(self.lost() - open - known);
                }
            }
            Op::Compare => self.compare(),
            Op::Purchase(credits) => {
                self.balance += i64::try_from(credits).unwrap();
                self.book.purchase(credits);
            }
            Op::Pass(time) => self.pass(time),
        }
    }

    /// Lets the service charge the attempts of a call that has ended.
    fn charge_now(&mut self, at: usize) {
        let now = self.now;
        self.calls[at].attempts.iter_mut().for_each(|attempt| attempt.due = attempt.due.map(|_| now));
        self.pass(0);
    }

    fn compare(&mut self) {
        let late = Duration::from_millis(LATE);
        let mut start = self.book.start_comparison(7, late, self.now);
        if let ComparisonStart::TooEarly(wait) = start {
            self.pass(u64::try_from(wait.as_millis()).unwrap());
            start = self.book.start_comparison(7, late, self.now);
        }
        let ComparisonStart::Started(comparison) = start else { return self.book.end_comparison(7) };
        self.comparisons += 1;
        let number = self.comparisons;
        let mut open: Vec<_> =
            self.calls.iter_mut().map(|call| &mut call.entry).filter(|entry| entry.is_comparable()).collect();
        if !self.keeps_entries {
            open.clear();
        }
        let (report, joint) =
            self.book.finish_comparison(comparison, self.balance, self.now, number, &mut open);
        let joint = joint.inspect(|joint| {
            // A store serialises it.
            let bytes = serde_json::to_vec(joint).unwrap();
            assert_eq!(serde_json::from_slice::<JointResolution>(&bytes).unwrap(), *joint);
        });
        self.joints.extend(joint.map(|joint| (number, joint)));
        let expected = matches!(report.outcome, Outcome::Baseline | Outcome::Agrees | Outcome::Resolved(_));
        assert!(expected, "no other program uses the account: {report:?}");
    }

    fn lost_by(call: &Call) -> u64 {
        call.attempts.iter().filter(|attempt| attempt.due.is_none()).map(|attempt| attempt.cost).sum()
    }

    fn lost(&self) -> u64 {
        self.calls.iter().map(Self::lost_by).sum()
    }

    /// Returns the final cost of calls, without further attempts.
    fn cost(calls: impl Iterator<Item = impl std::ops::Deref<Target = Call>>) -> u64 {
        calls.map(|call| call.attempts.iter().map(|attempt| attempt.cost).sum::<u64>()).sum()
    }

    fn check(&self) {
        let now = self.book.totals();
        let (lost, cost) = (self.lost(), Self::cost(self.calls.iter()));
        assert!(now.charged + now.unexplained <= lost, "{now:?}, but {lost} were lost");
        assert!(!now.is_in_flight_open && !now.is_uncertain_open, "{now:?}");
        assert!(cost <= now.committed(), "{now:?}, but the calls cost {cost}");
        assert!(now.committed() <= CAP, "{now:?}");
        for (at, label) in LABELS.iter().enumerate() {
            let totals = self.book.budget(label, Period::Total);
            let cost = Self::cost(self.calls.iter().filter(|call| call.budgets & (1 << at) != 0));
            assert!(cost <= totals.committed(), "{label}: {totals:?}, but the calls cost {cost}");
            assert!(cost <= LIMITS[at], "{label}: {totals:?}, but the calls cost {cost}");
        }
    }

    /// Ends all calls and compares twice. Afterwards only calls from before the first balance are uncertain.
    fn finish(&mut self) {
        while let Some(at) = self.pick(0, &[State::Sending]) {
            let cost = uncertain(self.calls[at].uncertain() + 1);
            self.end_attempt(at, LATE);
            self.settle(at, cost);
        }
        while let Some(at) = self.pick(0, &[State::Waiting]) {
            let left = self.calls[at].uncertain();
            self.settle(at, uncertain(left));
        }
        let bytes = serde_json::to_vec(&self.book).unwrap();
        assert_eq!(serde_json::from_slice::<Book>(&bytes).unwrap(), self.book);
        let had_baseline = self.book.balance().is_some();
        self.compare();
        self.compare();
        self.check();
        let now = self.book.totals();
        let calls = (self.book.in_flight, self.book.sending);
        assert_eq!((now.in_flight, now.in_flight_calls, calls), (0, 0, (0, 0)));
        if had_baseline && now.uncertain_attempts == 0 {
            assert_eq!(now.charged + now.unexplained, self.lost());
        }
        assert_eq!(self.book.balance(), Some(self.balance.into()));
    }
}

fn config() -> Config {
    Config { cases: 1_000, failure_persistence: None, rng_seed: RngSeed::Fixed(0x7675), ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn book_brackets_what_the_account_lost_and_no_limit_is_exceeded(ops in ops(), keeps_entries: bool) {
        let mut world = World::new(keeps_entries);
        for op in ops {
            world.run(op);
            world.check();
        }
        world.finish();
    }
}
