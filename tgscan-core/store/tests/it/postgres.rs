//! What only PostgreSQL has: several processes, connections that break, versions.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_executor::block_on;
use futures_util::future::join_all;
use tgscan_core::store::{Claim, ClaimRequest, Question, Settlement, Store, StoreError};
use tgscan_core::{Credits, Reserve};
use tgscan_mock::types::Search;
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::TokioTimer;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::server::server;
use crate::support::{HOUR, mock, policy, searches};

/// A schema of its own on the test's server.
#[derive(Clone)]
pub(crate) struct Database {
    schema: String,
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

impl Database {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        Self { schema: format!("test_{}", LAST.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(crate) fn open(&self) -> PostgresStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<PostgresStore, StoreError> {
        runtime().block_on(PostgresStore::connect_to_schema(&server().url(), &self.schema))
    }

    /// Moves the clock of the store's server.
    pub(crate) fn advance(&self, duration: Duration) {
        self.execute(&format!("UPDATE meta SET clock_offset = clock_offset + {}", duration.as_millis()));
    }

    pub(crate) fn set_back(&self, duration: Duration) {
        self.execute(&format!("UPDATE meta SET clock_offset = clock_offset - {}", duration.as_millis()));
    }

    /// Cuts every connection of a store with this schema, and waits until the server has noticed.
    pub(crate) fn cut(&self) {
        self.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'
             AND classid::bigint = (lock_class()::bigint & 4294967295) AND pid <> pg_backend_pid()",
        );
    }

    fn execute(&self, sql: &str) {
        runtime().block_on(async {
            let (client, driving) = self.connect().await;
            client.batch_execute(sql).await.unwrap();
            drop(client);
            driving.await.unwrap().unwrap();
        });
    }

    async fn connect(&self) -> (Client, JoinHandle<Result<(), tokio_postgres::Error>>) {
        let connected = tokio_postgres::connect(&server().url(), tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        let driving = tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {}", self.schema)).await.unwrap();
        (client, driving)
    }
}

fn request(form: &str) -> ClaimRequest {
    ClaimRequest::new(Question::new("main", true, "search", form), HOUR)
}

/// Claims, with one more attempt for a connection that is found broken.
fn claim(store: &PostgresStore, form: &str) -> Claim {
    block_on(store.claim(&request(form))).or_else(|_| block_on(store.claim(&request(form)))).unwrap()
}

fn granted(claim: &Claim) -> u64 {
    match claim {
        Claim::Granted(call) => *call,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn eight_stores_ask_one_question_once() {
    let (database, mock) = (Database::new(), mock());
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let client = mock.client().with_timer(TokioTimer::new());
            client.with_store(Arc::new(database.open()), policy())
        })
        .collect();
    let replies = runtime().block_on(join_all(clients.iter().map(|client| client.search("alice_1"))));
    let charged: u64 = replies.iter().map(|reply| reply.as_ref().unwrap().credits.charged()).sum();
    assert_eq!((charged, searches(&mock), mock.account().spent), (2, 1, 2));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn cap_holds_over_eight_stores() {
    let database = Database::new();
    let mock = tgscan_mock::Mock::builder().seed(3).cost::<Search>(1).build().unwrap();
    let capped = || policy().with_cap(100, Reserve::PerCall(1));
    let clients: Vec<_> =
        (0..8).map(|_| mock.client().with_store(Arc::new(database.open()), capped())).collect();
    let replies = runtime().block_on(join_all((0..1000).map(|number| {
        let client = clients[number % clients.len()].clone();
        async move { client.search(format!("name_{number}").as_str()).await }
    })));
    let (answers, refusals): (Vec<_>, Vec<_>) = replies.into_iter().partition(Result::is_ok);
    assert_eq!((answers.len(), mock.account().spent), (100, 100));
    assert!(
        refusals.iter().all(|refusal| refusal.as_ref().is_err_and(|error| error.store_refusal().is_some()))
    );
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn whoever_finds_dead_owners_waits_for_the_account_before_any_call() {
    let database = Database::new();
    let (one, other) = (database.open(), Arc::new(database.open()));
    granted(&claim(&one, "query=a"));
    block_on(other.book("main")).unwrap();
    // Only the one that claimed is cut off.
    drop(one);
    runtime().block_on(async {
        let (client, _driving) = database.connect().await;
        client.batch_execute("BEGIN; SELECT FROM accounts WHERE account = 'main' FOR UPDATE").await.unwrap();
        let opening = {
            let database = database.clone();
            tokio::spawn(async move {
                PostgresStore::connect_to_schema(&server().url(), &database.schema).await.map(drop)
            })
        };
        let booking = tokio::spawn(async move { other.book("main").await.map(drop) });
        // As a claim does, which has the account's lock: it must not meet those who wait for that.
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks
                       WHERE relation = 'accounts'::regclass AND pg_blocking_pids(pid) <> '{}'";
        while client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < 2 {}
        client.batch_execute("UPDATE calls SET state = state; COMMIT").await.unwrap();
        opening.await.unwrap().unwrap();
        booking.await.unwrap().unwrap();
    });
    let book = block_on(database.open().book("main")).unwrap();
    assert_eq!((book.in_flight_calls(), book.uncertain_calls()), (0, 1));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn dead_owner_leaves_uncertain_calls_that_it_can_still_settle() {
    let database = Database::new();
    let (one, other) = (database.open(), database.open());
    let call = granted(&claim(&one, "query=a"));
    assert!(matches!(claim(&other, "query=a"), Claim::InFlight { .. }));
    assert_eq!(block_on(other.book("main")).unwrap().in_flight_calls(), 1);
    database.cut();
    // Both connect anew, as other owners.
    assert!(matches!(claim(&one, "query=a"), Claim::Uncertain { .. }));
    assert!(matches!(claim(&other, "query=a"), Claim::Uncertain { .. }));
    let settlement = Settlement::Answered { status: 200, body: "late".into(), credits: Credits::Charged(1) };
    block_on(one.settle(call, settlement)).unwrap();
    assert!(matches!(claim(&other, "query=a"), Claim::Stored(_)));
    let book = block_on(other.book("main")).unwrap();
    assert_eq!((book.charged, book.uncertain_calls(), book.in_flight_calls()), (1, 0, 0));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn settlement_of_a_broken_connection_is_made_up_for() {
    let database = Database::new();
    let store = database.open();
    let call = granted(&claim(&store, "query=a"));
    database.cut();
    store.abandon(
        call,
        Settlement::Answered { status: 200, body: "an answer".into(), credits: Credits::Charged(1) },
    );
    let other = database.open();
    loop {
        match claim(&other, "query=a") {
            Claim::Stored(answer) => return assert_eq!(answer.body, "an answer"),
            Claim::Uncertain { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn dropped_claim_is_given_back() {
    let database = Database::new();
    let store = database.open();
    for _ in 0..50 {
        let request = request("query=a");
        let mut claim = Box::pin(store.claim(&request));
        let _ = claim.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    }
    loop {
        match claim(&store, "query=a") {
            Claim::Granted(_) => return,
            Claim::InFlight { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn server_that_restarts_leaves_uncertain_calls_and_is_found_again() {
    // A server of its own, because the others' would be gone.
    let server = crate::server::Server::start();
    let open = || runtime().block_on(PostgresStore::connect(&server.url())).unwrap();
    let store = open();
    let settled = granted(&claim(&store, "query=b"));
    let answer = Settlement::Answered { status: 200, body: "kept".into(), credits: Credits::Charged(2) };
    block_on(store.settle(settled, answer)).unwrap();
    granted(&claim(&store, "query=a"));
    server.restart();
    assert!(matches!(claim(&store, "query=a"), Claim::Uncertain { .. }));
    assert!(matches!(claim(&store, "query=b"), Claim::Stored(answer) if answer.body == "kept"));
    assert!(matches!(claim(&open(), "query=a"), Claim::Uncertain { .. }));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn empty_database_is_set_up_by_one_of_many() {
    let database = Database::new();
    let url = server().url();
    let opening = (0..8).map(|_| PostgresStore::connect_to_schema(&url, &database.schema));
    for store in runtime().block_on(join_all(opening)) {
        store.unwrap();
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn newer_tables_and_wrong_settings_are_refused_in_words() {
    let database = Database::new();
    drop(database.open());
    database.execute("UPDATE meta SET version = 9");
    let error = database.try_open().unwrap_err().to_string();
    assert!(error.contains("has version 9 of the store's tables"), "{error}");
    let connect = |url: &str, schema: &str| {
        runtime().block_on(PostgresStore::connect_to_schema(url, schema)).unwrap_err().to_string()
    };
    let error = connect("postgres://user:s3cret@nowhere.invalid:port/db", "tgscan");
    assert!(error.contains("the database URL is invalid") && !error.contains("s3cret"), "{error}");
    let error = connect("postgres://user:s3cret@127.0.0.1:1/db", "tgscan");
    assert!(error.contains("127.0.0.1") && error.contains("refused") && !error.contains("s3cret"), "{error}");
    let error = connect(&server().url(), "drop table");
    assert!(error.contains("lower-case letters"), "{error}");
    let error = connect(&server().url().replace("user=postgres", "user=nobody_here"), "tgscan");
    assert!(error.contains("nobody_here") || error.contains("refuses"), "{error}");
}

/// A listener that passes everything on to the server, and counts what asks it for an answer: each is a round trip.
fn counting_proxy() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let url = server().url();
    let directory = url.strip_prefix("host=").unwrap().split(' ').next().unwrap().to_owned();
    let counted = asked.clone();
    std::thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = UnixStream::connect(format!("{directory}/.s.PGSQL.5432")).unwrap();
        let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
        let (mut client, mut server) = (client, server);
        // The first message has no type.
        let mut head = 0;
        loop {
            let mut start = vec![0; head + 4];
            if client.read_exact(&mut start).is_err() {
                return;
            }
            let length = u32::from_be_bytes(start[head..].try_into().unwrap());
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            client.read_exact(&mut body).unwrap();
            // `Sync` and `Query` are what the server answers with that it is ready.
            if head == 1 && matches!(start[0], b'S' | b'Q') {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            head = 1;
            server.write_all(&start).and_then(|()| server.write_all(&body)).unwrap();
        }
    });
    (address, asked)
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn paid_call_takes_two_round_trips_and_a_stored_answer_one() {
    let (address, asked) = counting_proxy();
    let url = format!(
        "host={} port={} user=postgres dbname=postgres sslmode=disable",
        address.ip(),
        address.port()
    );
    let store = runtime().block_on(PostgresStore::connect_to_schema(&url, "round_trips")).unwrap();
    let paid = |form: &str| {
        let Claim::Granted(call) = claim(&store, form) else { panic!("not granted") };
        let body = tgscan_core::bytes::Bytes::from_static(b"{}");
        let answered = Settlement::Answered { status: 200, body, credits: Credits::Charged(1) };
        block_on(store.settle(call, answered)).unwrap();
    };
    // The statements are prepared once.
    paid("query=first");
    assert!(matches!(claim(&store, "query=first"), Claim::Stored(_)));
    let before = asked.load(Ordering::Relaxed);
    for number in 0..10 {
        paid(&format!("query=name_{number}"));
    }
    let after_paid = asked.load(Ordering::Relaxed);
    for number in 0..10 {
        assert!(matches!(claim(&store, &format!("query=name_{number}")), Claim::Stored(_)));
    }
    assert_eq!((after_paid - before, asked.load(Ordering::Relaxed) - after_paid), (20, 10));
}
