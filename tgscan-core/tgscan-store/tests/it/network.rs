//! A network that fails at every message of a paid call: nothing waits longer than its limit, nothing is paid for twice, and no
//! answer is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tgscan_core::bytes::Bytes;
use tgscan_core::store::{Account, AccountName, Question, Selection, Store};
use tgscan_core::{Client, Credits, Storage};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault as Reply, FaultKind, Mock};
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::TokioTimer;

use crate::postgres::{open_with_short_lease, runtime};
use crate::proxy::{Fault, Proxy};
use crate::server::server;
use crate::support::policy;

/// The number of faults; a long run has 10,000.
const COUNT: &str = "TGSCAN_NETWORK_FAULTS";
/// The number of stores that have them concurrently.
const STORES: u64 = 16;
/// A short lease, and with it short limits: 2 s for connecting, a transaction or a read.
const LEASE: Duration = Duration::from_secs(3);
/// A call that is claimed, renewed once and settled waits three times at most. The rest is for a busy machine.
const CALL: Duration = Duration::from_secs(3 * 2 + 10);
/// How long settling may take when the network is whole.
const SETTLED: Duration = Duration::from_secs(60);
/// How many calls may fail afterwards, because the connections that lost a message are found one after the other.
const FAILURES: usize = 4;

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn fault_at_any_message_of_a_paid_call_loses_nothing() {
    let count = std::env::var(COUNT).map_or(160, |count| count.parse().unwrap());
    let began = Instant::now();
    let counts = runtime().block_on(async {
        let runs = (0..STORES)
            .map(|number| tokio::spawn(async move { Run::begin(number).await.fail(count / STORES).await }));
        join_all(runs).await.into_iter().map(Result::unwrap).fold(HashMap::new(), |mut sum, counts| {
            for (what, count) in counts {
                *sum.entry(what).or_insert(0) += count;
            }
            sum
        })
    });
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    println!("{:.1} s: {counts:?}", began.elapsed().as_secs_f64());
}

/// A store behind a proxy, and a service.
struct Run {
    rng: Rng,
    proxy: Proxy,
    mock: Mock,
    store: Arc<PostgresStore>,
    /// The same account, through no proxy.
    direct: Account,
    /// The number of messages of a call.
    messages: u64,
    asked: u64,
    counts: HashMap<&'static str, u64>,
}

impl Run {
    async fn begin(number: u64) -> Self {
        let proxy = Proxy::start(server().directory.join(".s.PGSQL.5432")).await;
        let mock = Mock::builder().seed(number).credits(10_000_000).cost::<Search>(2).build().unwrap();
        let schema = format!("network_{number}");
        let direct: Arc<dyn Store> =
            Arc::new(open_with_short_lease(&server().url(), &schema, 5 * LEASE).await);
        let store = Arc::new(open_with_short_lease(&proxy.url(), &schema, LEASE).await);
        let direct = Account::new(direct, AccountName::new("main", "mock"));
        let rng = Rng::with_seed(number);
        let mut run = Self { rng, proxy, mock, store, direct, messages: 0, asked: 0, counts: HashMap::new() };
        // The first call makes connections, the second one is counted.
        for _ in 0..2 {
            run.proxy.clear();
            run.call(&run.client(), true).await;
            run.messages = run.proxy.clear().0;
        }
        run
    }

    /// Makes calls with a fault each.
    async fn fail(mut self, count: u64) -> HashMap<&'static str, u64> {
        for at in 0..count {
            let fault = match self.rng.u8(..16) {
                0..=2 => Fault::Dropped,
                3 | 4 => Fault::Delayed(Duration::from_millis(self.rng.u64(1..300))),
                5..=7 => Fault::Cut,
                8..=10 => Fault::CutWithin,
                11..=13 => Fault::CutAfter,
                _ => Fault::Silent,
            };
            let number = self.rng.u64(..self.messages + 4);
            self.proxy.set(number, fault);
            let is_renewed = at % 3 == 0;
            let client = self.client();
            let (name, answer) = self.call(&client, is_renewed).await;
            let (_, has_happened) = self.proxy.clear();
            *self.counts.entry(if has_happened { "faults" } else { "whole" }).or_default() += 1;
            let left = client.drain(SETTLED).await;
            assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 0), "{fault:?}");
            self.check(&name, answer.as_ref(), fault).await;
        }
        self.counts
    }

    /// A client with its own queue of operations.
    fn client(&self) -> Client {
        self.mock.client().with_timer(TokioTimer::new()).with_store(self.store.clone(), policy())
    }

    /// Asks a new question, which is refused once before it is answered if the claim is to be renewed. Returns its name.
    async fn call(&mut self, client: &Client, is_renewed: bool) -> (String, Option<Bytes>) {
        self.asked += 1;
        let name = format!("name_{}", self.asked);
        if is_renewed {
            self.mock.script::<Search>([Reply::new(FaultKind::TooManyRequests { retry_after: Some(0) })]);
        }
        let began = Instant::now();
        let reply = client.search(name.as_str()).await;
        let took = began.elapsed();
        assert!(took < CALL, "a call took {took:?}: {reply:?}");
        self.mock.clear_script();
        let (what, answer) = match reply {
            Ok(reply) => {
                assert_eq!(reply.credits, Credits::Charged(2));
                let is_stored = matches!(reply.storage(), Some(Storage::Stored));
                (if is_stored { "stored" } else { "not stored" }, Some(reply.raw().clone()))
            }
            Err(error) => {
                assert_eq!(error.credits(), Credits::NotCharged, "{error}");
                ("not sent", None)
            }
        };
        *self.counts.entry(what).or_default() += 1;
        (name, answer)
    }

    /// Checks a call that has been settled.
    async fn check(&mut self, name: &str, answer: Option<&Bytes>, fault: Fault) {
        let key = Question::new(true, "search", format!("query={name}")).key();
        let totals = self.direct.book().await.unwrap().totals();
        let truth = self.mock.account().spent;
        assert_eq!(
            (totals.charged, totals.in_flight_calls, totals.uncertain_attempts),
            (truth, 0, 0),
            "{fault:?}: {totals:?}"
        );
        let found = self.direct.store().read(self.direct.name(), Selection::Question(key)).await;
        let stored = found.unwrap().answer;
        assert_eq!(stored.as_ref().map(|stored| &stored.body), answer, "{fault:?}");
        // Asked again, it is paid for only if it was not before.
        let client = self.client();
        let mut failures = 0;
        let again = loop {
            match client.search(name).await {
                Ok(reply) => break reply,
                Err(error) => {
                    assert_eq!(error.credits(), Credits::NotCharged, "{error}");
                    failures += 1;
                    assert!(failures <= FAILURES, "{fault:?}: {error}");
                }
            }
        };
        assert_eq!(again.credits.charged(), if answer.is_some() { 0 } else { 2 }, "{fault:?}");
        let charged = self.mock.requests();
        let charged =
            charged.iter().filter(|request| request.charged > 0 && request.form == format!("query={name}"));
        assert_eq!(charged.count(), 1, "{fault:?}");
        assert_eq!(client.drain(SETTLED).await.unwritten, 0, "{fault:?}");
    }
}
