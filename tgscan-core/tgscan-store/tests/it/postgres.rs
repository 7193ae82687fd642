//! What only PostgreSQL has: several processes, connections that break, versions.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use tgscan_core::Reserve;
use tgscan_core::bytes::Bytes;
use tgscan_core::http::{Request, Response};
use tgscan_core::store::{
    Account, AccountName, AccountRow, CallState, Changes, Loaded, Needs, Store, StoreError, StoreRefusal,
};
use tgscan_core::{Api, ApiKey, Client, Credits, ErrorKind, transport_fn};
use tgscan_mock::types::Search;
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::TokioTimer;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::server::{Server, run, server};
use crate::support::{mock, policy, searches};

const LEASE: Duration = Duration::from_secs(15);

/// A schema on the test's server.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) schema: String,
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

/// Opens a store with a lease that is short, and so are its time limits. On a busy machine, opening may take longer.
pub(crate) async fn open_with_short_lease(url: &str, schema: &str, lease: Duration) -> PostgresStore {
    for _ in 0..9 {
        if let Ok(store) = PostgresStore::connect_with(url, schema, lease).await {
            return store;
        }
    }
    PostgresStore::connect_with(url, schema, lease).await.unwrap()
}

impl Database {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        Self { schema: format!("test_{}", LAST.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(crate) fn open(&self) -> PostgresStore {
        self.try_open().unwrap()
    }

    /// Opens it over another connection string.
    pub(crate) fn open_at(&self, url: &str) -> PostgresStore {
        runtime().block_on(PostgresStore::connect_with(url, &self.schema, LEASE)).unwrap()
    }

    fn try_open(&self) -> Result<PostgresStore, StoreError> {
        runtime().block_on(PostgresStore::connect_with(&server().url(), &self.schema, LEASE))
    }

    /// Moves the clock of the store's server. Leases go with it, as if they had been renewed.
    pub(crate) fn advance(&self, duration: Duration) {
        self.move_clock(i64::try_from(duration.as_millis()).unwrap());
    }

    pub(crate) fn set_back(&self, duration: Duration) {
        self.move_clock(-i64::try_from(duration.as_millis()).unwrap());
    }

    fn move_clock(&self, millis: i64) {
        self.execute(&format!(
            "BEGIN; UPDATE meta SET clock_offset = clock_offset + {millis};
             UPDATE owners SET lease_until = lease_until + {millis}; COMMIT"
        ));
    }

    /// Ends the leases of all owners.
    pub(crate) fn lose_owners(&self) {
        self.execute("UPDATE owners SET lease_until = 0");
    }

    /// Cuts the connections whose last statement named this schema.
    fn cut(&self) {
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE application_name = 'tgscan-store' AND query LIKE '%\"{}\".%'",
            self.schema
        ));
    }

    pub(crate) fn execute(&self, sql: &str) {
        runtime().block_on(async {
            let connected = tokio_postgres::connect(&server().url(), tokio_postgres::NoTls).await;
            let (client, connection) = connected.unwrap();
            let driving = tokio::spawn(connection);
            client.batch_execute(&format!("SET search_path TO {}", self.schema)).await.unwrap();
            client.batch_execute(sql).await.unwrap();
            drop(client);
            driving.await.unwrap().unwrap();
        });
    }

    /// A client whose searches are answered when this is notified.
    pub(crate) fn slow_client(&self) -> (Client, Arc<Notify>) {
        let answer = Arc::new(Notify::new());
        let notified = answer.clone();
        let transport = transport_fn(move |_: Request<Bytes>| {
            let notified = notified.clone();
            async move {
                notified.notified().await;
                Ok(Response::new(Bytes::from_static(
                    br#"{"status":"ok","result":{"user":{"id":1},"meta":{"search_query":"alice_1","known_num_groups":0,"num_groups":0,"op_cost":2}}}"#,
                )))
            }
        });
        let api = Api::new(ApiKey::live("k3y").unwrap()).with_service("mock");
        let client = Client::new(api, transport, TokioTimer::new());
        (client.with_store(Arc::new(self.open()), policy()), answer)
    }
}

/// Starts a search of `alice_1`, and waits until it is claimed.
pub(crate) fn claimed(
    client: &Client,
    other: &Client,
) -> tokio::task::JoinHandle<Result<tgscan_core::Reply<tgscan_core::types::SearchAnswer>, tgscan_core::Error>>
{
    let searching = client.clone();
    let search = runtime().spawn(async move { searching.search("alice_1").await });
    while runtime().block_on(other.book()).unwrap().totals().in_flight_calls == 0 {}
    search
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
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let client = mock.client().with_store(Arc::new(database.open()), policy());
            client.with_cap(100, Reserve::PerCall(1))
        })
        .collect();
    let replies = runtime().block_on(join_all((0..1000).map(|number| {
        let client = clients[number % clients.len()].clone();
        async move { client.search(format!("name_{number}").as_str()).await }
    })));
    let (answers, refusals): (Vec<_>, Vec<_>) = replies.into_iter().partition(Result::is_ok);
    assert_eq!((answers.len(), mock.account().spent), (100, 100));
    assert!(refusals.iter().all(|refusal| refusal.as_ref().is_err_and(tgscan_core::Error::is_cap_reached)));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn lost_owner_leaves_an_uncertain_call_that_its_late_answer_settles() {
    let (database, mock) = (Database::new(), mock());
    let (client, answer) = database.slow_client();
    let other = mock.client().with_store(Arc::new(database.open()), policy());
    let search = claimed(&client, &other);
    database.lose_owners();
    let refused = runtime().block_on(other.search("alice_1")).unwrap_err();
    assert!(matches!(refused.store_refusal(), Some(StoreRefusal::Uncertain { .. })), "{refused}");
    answer.notify_one();
    let reply = runtime().block_on(search).unwrap().unwrap();
    assert_eq!(reply.credits, Credits::Charged(2));
    let again = runtime().block_on(other.search("alice_1")).unwrap();
    assert_eq!((again.credits, searches(&mock)), (Credits::NotCharged, 0));
    let totals = runtime().block_on(other.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.uncertain_attempts, totals.in_flight_calls), (2, 0, 0));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn connection_that_breaks_during_a_call_loses_neither_claim_nor_answer() {
    let (database, mock) = (Database::new(), mock());
    let (client, answer) = database.slow_client();
    let other = mock.client().with_store(Arc::new(database.open()), policy());
    let search = claimed(&client, &other);
    database.cut();
    let totals = || loop {
        // The first use of a broken connection fails.
        if let Ok(book) = runtime().block_on(other.book()) {
            break book.totals();
        }
    };
    assert_eq!(totals().in_flight_calls, 1, "its owner is back in time");
    answer.notify_one();
    runtime().block_on(search).unwrap().unwrap();
    while totals().in_flight_calls > 0 {}
    let again = runtime().block_on(other.search("alice_1")).unwrap();
    assert_eq!((again.credits, totals().charged, searches(&mock)), (Credits::NotCharged, 2, 0));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn server_that_restarts_is_found_again_with_everything_paid() {
    // Not the shared one, because other tests use that.
    let server = crate::server::Server::start();
    let open = || Arc::new(runtime().block_on(PostgresStore::connect(&server.url())).unwrap());
    let mock = mock();
    let client = mock.client().with_store(open(), policy());
    let reply = runtime().block_on(client.search("alice_1")).unwrap();
    server.restart();
    let again = loop {
        match runtime().block_on(client.search("alice_1")) {
            Ok(again) => break again,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Store(_)), "{error}"),
        }
    };
    assert_eq!((again.raw(), again.credits, searches(&mock)), (reply.raw(), Credits::NotCharged, 1));
    let account = mock.client().with_store(open(), policy()).account().unwrap().clone();
    let calls = runtime().block_on(account.calls(0, 10)).unwrap();
    assert_eq!(calls.iter().map(tgscan_core::store::Call::state).collect::<Vec<_>>(), [CallState::Answered]);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn damaged_answer_is_an_error_and_is_not_paid_for_again() {
    let (database, mock) = (Database::new(), mock());
    let client = mock.client().with_store(Arc::new(database.open()), policy());
    runtime().block_on(client.search("alice_1")).unwrap();
    database.execute("UPDATE answers SET answer = '\\x00'");
    let error = runtime().block_on(client.search("alice_1")).unwrap_err();
    assert!(error.to_string().contains("an answer in the store is damaged"), "{error}");
    assert_eq!((error.credits(), searches(&mock)), (Credits::NotCharged, 1));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn store_whose_lease_has_passed_goes_on_as_a_new_owner() {
    let (database, mock) = (Database::new(), mock());
    let client = mock.client().with_store(Arc::new(database.open()), policy());
    for name in ["alice_1", "bob_1"] {
        assert_eq!(runtime().block_on(client.search(name)).unwrap().credits, Credits::Charged(2));
        database.lose_owners();
    }
    let calls = runtime().block_on(client.account().unwrap().calls(0, 10)).unwrap();
    assert!(matches!(&calls[..], [first, second] if first.owner != second.owner), "{calls:?}");
}

#[test]
fn lease_outside_of_its_range_is_refused_before_connecting() {
    let connect = |lease| {
        let connecting = PostgresStore::connect_with("postgres://user@127.0.0.1:1/db", "tgscan", lease);
        runtime().block_on(connecting).unwrap_err().to_string()
    };
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for lease in
        [Duration::ZERO, Duration::from_millis(999), minutes(30) + Duration::from_nanos(1), Duration::MAX]
    {
        let error = connect(lease);
        assert!(error.contains("1 s to 1800 s"), "{lease:?}: {error}");
    }
    for lease in [Duration::from_secs(1), minutes(30)] {
        let error = connect(lease);
        assert!(error.contains("127.0.0.1") && error.contains("refused"), "{lease:?}: {error}");
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn empty_database_is_set_up_by_one_of_many() {
    let database = Database::new();
    let url = server().url();
    let opening = (0..8).map(|_| PostgresStore::connect_with(&url, &database.schema, LEASE));
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
    assert!(error.contains("version 9"), "{error}");
    let connect = |url: &str, schema: &str| {
        runtime().block_on(PostgresStore::connect_with(url, schema, LEASE)).unwrap_err().to_string()
    };
    let error = connect("postgres://user:s3cret@nowhere.invalid:port/db", "tgscan");
    assert!(error.contains("the connection string is invalid") && !error.contains("s3cret"), "{error}");
    let error = connect("postgres://user:s3cret@127.0.0.1:1/db", "tgscan");
    assert!(error.contains("127.0.0.1") && error.contains("refused") && !error.contains("s3cret"), "{error}");
    let error = connect(&server().url(), "drop table");
    assert!(error.contains("lower-case letters"), "{error}");
    let error = connect(&server().url().replace("user=postgres", "user=unknown"), "tgscan");
    assert!(error.contains("unknown") || error.contains("refuses"), "{error}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn rows_are_loaded_again_after_the_server_was_restored() {
    // A long lease, so that no renewal uses the number of a transaction.
    let (server, lease) = (Server::start(), Duration::from_secs(30 * 60));
    let url = server.url();
    let store = runtime().block_on(PostgresStore::connect_with(&url, "restored", lease)).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let name = AccountName::new("main", "mock");
    let account = Account::new(store.clone(), name.clone());
    let purchase = |credits| runtime().block_on(account.record_purchase(credits)).unwrap();
    let (data, backup) = (server.directory.join("data"), server.directory.join("backup"));

    purchase(1);
    server.stop();
    run(Command::new("cp").arg("-a").args([&data, &backup]));
    server.restart();
    purchase(50);
    let connect = || runtime().block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls));
    let (admin, connection) = connect().unwrap();
    runtime().spawn(connection);
    let writer = "SELECT xmin::text::bigint FROM restored.accounts";
    let writer: i64 = runtime().block_on(admin.query_one(writer, &[])).unwrap().get(0);
    server.stop();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&backup, &data).unwrap();
    server.restart();

    // A transaction with the number of the lost one writes other rows.
    let (admin, connection) = connect().unwrap();
    runtime().spawn(connection);
    runtime().block_on(async {
        let mut number = 0;
        while number < writer {
            admin.batch_execute("BEGIN").await.unwrap();
            number = admin.query_one("SELECT txid_current()", &[]).await.unwrap().get(0);
            let update = "UPDATE restored.accounts SET row = '{}'";
            let end = if number == writer { format!("{update}; COMMIT") } else { "ROLLBACK".into() };
            admin.batch_execute(&end).await.unwrap();
        }
        assert_eq!(number, writer);
        let row = Arc::new(Mutex::new(None));
        let loaded = row.clone();
        let decide = move |rows: Loaded| {
            *loaded.lock().unwrap() = Some(rows.account.clone());
            let mut changes = Changes::default();
            changes.account = Some(rows.account);
            changes
        };
        store.transact(&name, Needs::default(), Box::new(decide)).await.unwrap();
        assert_eq!(row.lock().unwrap().take(), Some(AccountRow::default()));
    });
}
