//! Writes to PostgreSQL whose outcome is unknown, because the connection ended before their reply.

use std::sync::Arc;
use std::time::Duration;

use tgscan_core::Credits;
use tgscan_core::store::{AccountName, Changes, Decide, Needs, Store};
use tgscan_transport_hyper::TokioTimer;
use tokio_postgres::{Client as Admin, NoTls};

use crate::postgres::{Database, open_with_short_lease, runtime};
use crate::proxy::{Fault, Proxy};
use crate::server::server;
use crate::support::{mock, policy, searches};

fn proxy() -> Proxy {
    runtime().block_on(Proxy::start(server().directory.join(".s.PGSQL.5432")))
}

async fn connect() -> Admin {
    let (client, connection) = tokio_postgres::connect(&server().url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Writes the account's row.
fn change() -> Decide {
    Box::new(|loaded| {
        let mut changes = Changes::default();
        changes.account = Some(loaded.account);
        changes
    })
}

/// Waits until this number of transactions wait for the lock of a row, directly or behind each other.
async fn waiting(watcher: &Admin, count: i64, schema: &str, mut check: impl FnMut()) {
    let select = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND state = 'active' AND query LIKE '%\"{schema}\".accounts%'"
    );
    while watcher.query_one(&select, &[]).await.unwrap().get::<_, i64>(0) != count {
        check();
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn write_in_doubt_does_not_take_effect_after_a_later_transaction() {
    let (proxy, database) = (proxy(), Database::new());
    let store: Arc<dyn Store> = Arc::new(database.open_at(&proxy.url()));
    let account = AccountName::new("main", "mock");
    runtime().block_on(async {
        store.transact(&account, Needs::default(), change()).await.unwrap();
        // A transaction sees the activity as of its first look.
        let (admin, watcher) = (connect().await, connect().await);
        let schema = &database.schema;
        admin.batch_execute(&format!("BEGIN; SELECT FROM {schema}.accounts FOR UPDATE")).await.unwrap();
        let begin = |decide| {
            let (store, account) = (store.clone(), account.clone());
            tokio::spawn(async move { store.transact(&account, Needs::default(), decide).await })
        };
        let first = begin(change());
        waiting(&watcher, 1, schema, || {}).await;
        proxy.disconnect();
        let error = first.await.unwrap().unwrap_err();
        assert!(error.is_in_doubt(), "{error}");
        proxy.clear();
        let second = begin(Box::new(|_| Changes::default()));
        waiting(&watcher, 2, schema, || assert!(!second.is_finished(), "it ignores the write in doubt"))
            .await;
        admin.batch_execute("ROLLBACK").await.unwrap();
        second.await.unwrap().unwrap();
        let select = format!("SELECT xmin::text, row FROM {schema}.accounts");
        let row = async || {
            let row = admin.query_one(&select, &[]).await.unwrap();
            (row.get::<_, String>(0), row.get::<_, Vec<u8>>(1))
        };
        let after = row().await;
        waiting(&watcher, 0, schema, || {}).await;
        assert_eq!(row().await, after);
    });
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn transaction_after_a_lost_write_writes_the_account_even_without_changes() {
    let (proxy, database) = (proxy(), Database::new());
    let account = AccountName::new("main", "mock");
    runtime().block_on(async {
        // A short lease makes the time limits short.
        let lease = Duration::from_secs(6);
        let store = open_with_short_lease(&proxy.url(), &database.schema, lease).await;
        // The dropped message may be that of a renewed lease.
        let error = loop {
            store.transact(&account, Needs::default(), change()).await.unwrap();
            proxy.set(0, Fault::Dropped);
            if let Err(error) = store.transact(&account, Needs::default(), change()).await {
                break error;
            }
        };
        assert!(error.is_in_doubt(), "{error}");
        proxy.clear();
        let admin = connect().await;
        let select = format!("SELECT xmin::text FROM {}.accounts", database.schema);
        let writer = async || admin.query_one(&select, &[]).await.unwrap().get::<_, String>(0);
        let mut writers = vec![writer().await];
        for _ in 0..2 {
            store.transact(&account, Needs::default(), Box::new(|_| Changes::default())).await.unwrap();
            writers.push(writer().await);
        }
        assert_ne!(writers[0], writers[1]);
        assert_eq!(writers[1], writers[2], "nothing is in doubt any more");
    });
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn claim_whose_connection_ended_is_repeated_and_sent_once() {
    for fault in [Fault::Cut, Fault::CutAfter] {
        // The write is one message of three, and is applied if all of them arrive.
        for number in 0..3 {
            let (proxy, database, mock) = (proxy(), Database::new(), mock());
            let store = Arc::new(database.open_at(&proxy.url()));
            let client = mock.client().with_timer(TokioTimer::new()).with_store(store, policy());
            for number in 0..10 {
                runtime().block_on(client.search(format!("name_{number}").as_str())).unwrap();
            }
            proxy.set(number, fault);
            let reply = runtime().block_on(client.search("alice_1")).unwrap();
            assert!(proxy.clear().1, "{fault:?} at message {number} did not happen");
            assert_eq!((reply.credits, searches(&mock)), (Credits::Charged(2), 11), "{fault:?} {number}");
            let totals = runtime().block_on(client.book()).unwrap().totals();
            assert_eq!((totals.charged, totals.in_flight_calls), (22, 0), "{fault:?} {number}");
        }
    }
}
