//! A random configuration: an account, prices, callers, and a network.

use std::time::Duration;

use tgscan_mock::core::{Api, ApiKey, Ledger, Reserve, RetryPolicy};
use tgscan_mock::data::{Generate, GenerateVisitor, Profile, sample};
use tgscan_mock::{ErrorStatus, Fault, FaultKind, Mock, MockBuilder, Repeat, data::visit_all};

use super::call::{Form, Query};
use super::rng::Rng;

const REVOKED_KEY: &str = "revoked-key";

pub(super) struct World {
    pub(super) mock: Mock,
    pub(super) ledger: Ledger,
    /// Callers with different keys and policies, which share the ledger.
    pub(super) callers: Vec<Api>,
    pub(super) queries: Vec<Box<dyn Query>>,
    /// Whether no call costs more than its reserve, so that the cap must hold exactly.
    pub(super) is_strict: bool,
    pub(super) reserve: Reserve,
    /// The maximum room under the cap; `None` without a cap.
    pub(super) allowance: Option<u64>,
    pub(super) concurrency: u64,
    pub(super) max_body_size: usize,
    pub(super) network: Network,
    /// The percentage of calls that are given up at a random time.
    pub(super) give_up_percent: u64,
}

/// The behaviour of the network.
pub(super) struct Network {
    /// The maximum transit time in each direction, in milliseconds.
    pub(super) latency: u64,
    /// The time limit of the caller's transport, even if the request is still in transit.
    pub(super) timeout: Duration,
    faults: Vec<Fault>,
    /// The percentage of requests with a fault.
    fault_percent: u64,
}

impl Network {
    pub(super) fn fault(&self, rng: &mut Rng) -> Option<Fault> {
        if !rng.percent(self.fault_percent) {
            return None;
        }
        // The listed faults cut near the start, so others cut anywhere.
        let at = rng.index(800);
        Some(match rng.between(0, 9) {
            0 => FaultKind::CutBody { at }.into(),
            1 => FaultKind::StallBody { at }.into(),
            2 => FaultKind::CutJson { at }.into(),
            _ => rng.pick(&self.faults),
        })
    }
}

impl World {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let highest_cost = rng.pick(&[1, 2, 5, 40, 150]);
        let max_body_size = if rng.percent(25) { 100 + rng.index(1500) } else { 30_000 };
        let credits = if rng.percent(60) { 1_000_000 } else { price(rng, highest_cost, 60) };
        let builder = Mock::builder()
            .seed(rng.number())
            // Undocumented answers are long, and take most of the time of a run.
            .profile(if rng.percent(4) { Profile::Undocumented } else { Profile::Typical })
            .repeat(rng.pick(&[Repeat::Same, Repeat::Varied]))
            .error_status(rng.pick(&[ErrorStatus::ByCause, ErrorStatus::AlwaysOk]))
            .credits(i64::try_from(credits).unwrap())
            .revoked_key(REVOKED_KEY)
            .max_body_size(max_body_size);
        let (builder, queries) = queries(rng, builder, highest_cost);
        let is_strict = rng.percent(35);
        let too_little = rng.between(1, highest_cost);
        let reserve = if is_strict {
            Reserve::PerCall(highest_cost)
        } else {
            rng.pick(&[Reserve::PerCall(1), Reserve::PerCall(too_little), Reserve::OneAtATime])
        };
        let allowance = rng.percent(75).then(|| price(rng, highest_cost, 80));
        let ledger = Ledger::new();
        let mock = builder.build().unwrap();
        let callers = (0..rng.between(1, 4)).map(|_| caller(rng, &mock, &ledger)).collect();
        let latency = rng.pick(&[0, 10, 200, 5000]);
        let network = Network {
            latency,
            // From too short for many answers to sufficient for all.
            timeout: Duration::from_millis(10 + latency * rng.pick(&[1, 2, 2, 5])),
            faults: Fault::all(max_body_size),
            fault_percent: rng.pick(&[0, 5, 30, 60, 95]),
        };
        Self {
            mock,
            ledger,
            callers,
            queries,
            is_strict,
            reserve,
            allowance,
            concurrency: rng.between(1, 64),
            max_body_size,
            network,
            give_up_percent: rng.pick(&[0, 3, 25]),
        }
    }
}

/// Returns random credits for up to `calls` calls.
fn price(rng: &mut Rng, highest_cost: u64, calls: u64) -> u64 {
    rng.between(0, calls * highest_cost)
}

/// Creates a few requests of every API method, each with a random cost.
fn queries(rng: &mut Rng, builder: MockBuilder, highest_cost: u64) -> (MockBuilder, Vec<Box<dyn Query>>) {
    struct QueryVisitor<'a> {
        rng: &'a mut Rng,
        builder: MockBuilder,
        highest_cost: u64,
        queries: Vec<Box<dyn Query>>,
    }
    impl GenerateVisitor for QueryVisitor<'_> {
        fn visit<M: Generate>(&mut self) {
            for _ in 0..4 {
                let request = sample(&M::requests(), self.rng.number());
                if M::CAN_COST {
                    // A paid method can be free sometimes.
                    let least = u64::from(self.rng.percent(95));
                    let cost = self.rng.between(least, self.highest_cost);
                    self.builder = self.builder.clone().cost_of(&request, cost);
                }
                self.queries.push(Box::new(Form::of(&request)));
            }
        }
    }
    let mut visitor = QueryVisitor { rng, builder, highest_cost, queries: Vec::new() };
    visit_all(&mut visitor);
    (visitor.builder, visitor.queries)
}

fn caller(rng: &mut Rng, mock: &Mock, ledger: &Ledger) -> Api {
    let key = match rng.between(1, 20) {
        1 => ApiKey::live(REVOKED_KEY).unwrap(),
        2 => ApiKey::live(Mock::TEST_KEY).unwrap(),
        3 => ApiKey::test(Mock::LIVE_KEY).unwrap(),
        4..=6 => mock.test_key(),
        _ => mock.live_key(),
    };
    let mut policy = RetryPolicy::default();
    policy.max_attempts = u32::try_from(rng.between(0, 6)).unwrap();
    policy.base_backoff = rng.millis(1000);
    policy.max_backoff = rng.millis(5000);
    policy.max_elapsed = rng.millis(60_000);
    policy.seed = rng.number();
    policy.resend_uncertain = rng.percent(25);
    Api::new(key).with_retry(policy).with_ledger(ledger.clone())
}
