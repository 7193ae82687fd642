//! A network that is divided: several stores lose the server together, and find it again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::Request;
use tgscan_core::store::{Account, AccountName, Call, OwnerId, Store, StoreRefusal};
use tgscan_core::types::SearchAnswer;
use tgscan_core::{Client, Credits, Error, Reply, Storage, Transport, transport_fn};
use tgscan_mock::Mock;
use tgscan_mock::types::Search;
use tgscan_transport_hyper::TokioTimer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::postgres::{open_with_short_lease, runtime};
use crate::proxy::Proxy;
use crate::server::server;
use crate::support::{policy, refusal};

/// The stores that lose the server.
const STORES: usize = 4;
/// Waits of a call are limited to two thirds of a lease each. The rest is for a busy machine.
const BUSY: Duration = Duration::from_secs(30);

type Answered = Result<Reply<SearchAnswer>, Error>;

/// Stores behind a network that can be divided, and one on the other side of it, all with one account.
struct Divided {
    proxy: Proxy,
    mock: Mock,
    cut_off: Vec<Client>,
    other: Client,
    direct: Account,
    /// Whether answers about names that begin with `slow` arrive.
    answers: watch::Sender<bool>,
    /// The number of calls that wait for it.
    charged: watch::Receiver<usize>,
    limit: Duration,
}

impl Divided {
    async fn begin(schema: &str, lease: Duration) -> Self {
        let proxy = Proxy::start(server().directory.join(".s.PGSQL.5432")).await;
        let mock = Mock::builder().seed(7).credits(10_000).cost::<Search>(2).build().unwrap();
        let (answers, is_answering) = watch::channel(false);
        let (arrive, charged) = watch::channel(0);
        let service = mock.clone();
        let transport = transport_fn(move |request: Request<Bytes>| {
            let (service, mut is_answering, arrive) = (service.clone(), is_answering.clone(), arrive.clone());
            async move {
                let is_slow = request.body().starts_with(b"query=slow");
                let reply = service.send(request).await;
                if is_slow {
                    arrive.send_modify(|charged| *charged += 1);
                    is_answering.wait_for(|is_answering| *is_answering).await.unwrap();
                }
                reply
            }
        });
        let transport: Arc<dyn Transport> = Arc::new(transport);
        let open = async |url: String| {
            let store: Arc<dyn Store> = Arc::new(open_with_short_lease(&url, schema, lease).await);
            let client = mock.client().with_transport(transport.clone()).with_timer(TokioTimer::new());
            (client.with_store(store.clone(), policy()), store)
        };
        let (other, store) = open(server().url()).await;
        let mut cut_off = Vec::new();
        for _ in 0..STORES {
            cut_off.push(open(proxy.url()).await.0);
        }
        let direct = Account::new(store, AccountName::new("main", "mock"));
        Self { proxy, mock, cut_off, other, direct, answers, charged, limit: lease * 2 + BUSY }
    }

    /// Asks a question through each of the stores that are cut off. No call takes longer than its limit.
    fn ask(&self, name: &str) -> Vec<JoinHandle<Answered>> {
        let ask = |(at, client): (usize, &Client)| {
            let (client, name, limit) = (client.clone(), format!("{name}_{at}"), self.limit);
            tokio::spawn(async move {
                let began = Instant::now();
                let reply = client.search(name.as_str()).await;
                assert!(began.elapsed() < limit, "{name} took {:?}", began.elapsed());
                reply
            })
        };
        self.cut_off.iter().enumerate().map(ask).collect()
    }

    /// Begins calls whose answers do not arrive yet.
    async fn begin_slow(&self) -> Vec<JoinHandle<Answered>> {
        let slow = self.ask("slow");
        self.charged.clone().wait_for(|charged| *charged == STORES).await.unwrap();
        slow
    }

    /// Waits until everything is settled, and compares the book and the answers with the service.
    async fn audit(&self) -> Vec<Call> {
        for client in self.cut_off.iter().chain([&self.other]) {
            let left = client.drain(self.limit).await;
            assert_eq!((left.calls, left.unwritten, left.lost), (0, 0, 0));
        }
        let totals = self.direct.book().await.unwrap().totals();
        let expected = (self.mock.account().spent, 0, 0);
        assert_eq!((totals.charged, totals.in_flight_calls, totals.uncertain_attempts), expected);
        let mut charged = BTreeSet::new();
        for request in self.mock.requests().iter().filter(|request| request.charged > 0) {
            assert!(charged.insert(request.form.clone()), "{} was paid for twice", request.form);
        }
        let calls = self.direct.calls(0, 1000).await.unwrap();
        for call in &calls {
            let (_, answer) = self.direct.call(call.id).await.unwrap().unwrap();
            assert!(answer.is_some(), "{call:?} has no answer");
            assert!(charged.remove(&call.question.as_ref().unwrap().form));
        }
        assert!(charged.is_empty(), "lost: {charged:?}");
        calls
    }
}

async fn all(calls: Vec<JoinHandle<Answered>>) -> Vec<Answered> {
    join_all(calls).await.into_iter().map(Result::unwrap).collect()
}

fn owners(calls: &[Call], name: &str) -> Vec<OwnerId> {
    let of = |at| {
        let form = format!("query={name}_{at}");
        calls.iter().find(|call| call.question.as_ref().is_some_and(|question| question.form == form))
    };
    (0..STORES).map(|at| of(at).unwrap().owner).collect()
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn stores_that_are_back_within_their_lease_keep_their_calls() {
    runtime().block_on(async {
        let divided = Divided::begin("back_in_time", Duration::from_secs(15)).await;
        all(divided.ask("before")).await.into_iter().for_each(|reply| drop(reply.unwrap()));
        let slow = divided.begin_slow().await;
        divided.proxy.silence();
        let during = divided.ask("during");
        divided.answers.send(true).unwrap();
        // Each store has lost a transaction and, after at most a third of its lease, a renewal.
        divided.proxy.lost(2 * STORES).await;
        // The other side continues, and leaves their calls alone.
        assert_eq!(divided.other.search("direct").await.unwrap().credits, Credits::Charged(2));
        divided.proxy.clear();
        for reply in all(slow).await.into_iter().chain(all(during).await) {
            let reply = reply.unwrap();
            assert_eq!(reply.credits, Credits::Charged(2));
            assert!(matches!(reply.storage(), Some(Storage::Stored)), "{:?}", reply.storage());
        }
        let calls = divided.audit().await;
        let before = owners(&calls, "before");
        assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), STORES);
        assert_eq!((owners(&calls, "slow"), owners(&calls, "during")), (before.clone(), before));
    });
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn stores_that_are_away_for_longer_than_their_lease_pay_nothing_twice() {
    runtime().block_on(async {
        let divided = Divided::begin("away_too_long", Duration::from_secs(9)).await;
        all(divided.ask("before")).await.into_iter().for_each(|reply| drop(reply.unwrap()));
        let slow = divided.begin_slow().await;
        divided.proxy.silence();
        // Neither a claim nor a stored answer waits without a limit, and nothing is sent.
        for reply in all(divided.ask("during")).await.into_iter().chain(all(divided.ask("before")).await) {
            let error = reply.unwrap_err();
            assert_eq!(error.credits(), Credits::NotCharged, "{error}");
        }
        // The other side continues, and finds their calls uncertain when their lease has passed.
        assert_eq!(divided.other.search("direct").await.unwrap().credits, Credits::Charged(2));
        for at in 0..STORES {
            let error = divided.other.search(format!("slow_{at}").as_str()).await.unwrap_err();
            assert!(matches!(refusal(&error), StoreRefusal::Uncertain { .. }), "{error}");
        }
        // The answers are delivered although they cannot be stored.
        divided.answers.send(true).unwrap();
        for reply in all(slow).await {
            let reply = reply.unwrap();
            assert_eq!(reply.credits, Credits::Charged(2));
            assert!(matches!(reply.storage(), Some(Storage::NotStored(_))), "{:?}", reply.storage());
        }
        divided.proxy.clear();
        let calls = divided.audit().await;
        assert_eq!(calls.len(), 2 * STORES + 1);
    });
}
