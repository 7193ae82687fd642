//! What administrators of PostgreSQL do: locks, other versions, and people who ask for their data to be removed.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use tgscan_core::Credits;
use tgscan_core::store::{AccountName, Question, Selection, Store, StorePolicy};
use tgscan_mock::Mock;
use tgscan_mock::types::Search;
use tgscan_transport_hyper::TokioTimer;

use crate::configurations::{execute, open};
use crate::postgres::runtime;
use crate::server::{Server, server};
use crate::support::{HOUR, mock, policy, searches};

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn stores_that_open_with_thousands_of_due_calls_do_not_deadlock() {
    let (url, schema) = (server().url(), "many_due");
    let mock = Mock::builder().seed(3).credits(1_000_000).cost::<Search>(1).build().unwrap();
    let client = |store| mock.client().with_timer(TokioTimer::new()).with_store(store, policy());
    let first = client(Arc::new(open(&url, schema).unwrap()));
    runtime().block_on(async {
        let asked = (0..2000).map(|number| {
            let client = first.clone();
            async move { client.search(format!("name_{number}").as_str()).await.unwrap() }
        });
        join_all(asked).await;
    });
    drop(first);
    execute(
        &url,
        &[
            &format!(
                "UPDATE {schema}.calls SET due_at = 1, row = convert_to(regexp_replace(convert_from(row, 'UTF8'), '\"x\":[0-9]+', '\"x\":1'), 'UTF8')"
            ),
            &format!(
                "UPDATE {schema}.questions SET row = convert_to(regexp_replace(convert_from(row, 'UTF8'), ',[0-9]+\\]', ',1]'), 'UTF8')"
            ),
        ],
    );
    let stores: Vec<_> = (0..16).map(|_| Arc::new(open(&url, schema).unwrap())).collect();
    // All expire and ask concurrently, in the same account.
    let removed: u64 = runtime().block_on(async {
        let work = stores.into_iter().enumerate().map(|(at, store)| {
            let client = client(store);
            tokio::spawn(async move {
                let account = client.account().unwrap().clone();
                let asking = join_all((0..20).map(|number| {
                    let (client, name) = (client.clone(), format!("new_{at}_{number}"));
                    async move { client.search(name.as_str()).await.unwrap() }
                }));
                let (removed, replies) = futures_util::join!(account.expire(10 * HOUR), asking);
                assert!(replies.iter().all(|reply| reply.credits == Credits::Charged(1)));
                removed.unwrap()
            })
        });
        join_all(work).await.into_iter().map(Result::unwrap).sum()
    });
    // Some are removed by the transactions of the calls.
    assert!(removed <= 2000, "{removed}");
    let account = client(Arc::new(open(&url, schema).unwrap())).account().unwrap().clone();
    let calls = runtime().block_on(account.calls(0, 5000)).unwrap();
    assert_eq!(calls.iter().filter(|call| call.question.is_some()).count(), 320);
    assert_eq!(runtime().block_on(account.book()).unwrap().totals().charged, 2320);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn open_transaction_on_one_account_does_not_stop_the_others() {
    let (url, schema, mock) = (server().url(), "locked", mock());
    let store = Arc::new(open(&url, schema).unwrap());
    let client = |label: &str| {
        let client = mock.client().with_timer(TokioTimer::new());
        client.with_store(store.clone(), StorePolicy::new(label, HOUR, HOUR))
    };
    runtime().block_on(async {
        for label in ["one", "other"] {
            client(label).search("alice_1").await.unwrap();
        }
        let (admin, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let name = r#"convert_to('["one","mock"]', 'UTF8')"#;
        admin
            .batch_execute(&format!("BEGIN; SELECT * FROM {schema}.accounts WHERE name = {name} FOR UPDATE"))
            .await
            .unwrap();
        let locked = tokio::spawn({
            let client = client("one");
            async move { client.search("bob_1").await }
        });
        let began = Instant::now();
        for number in 0..20 {
            client("other").search(format!("name_{number}").as_str()).await.unwrap();
        }
        // Stored answers of the locked account too.
        assert_eq!(client("one").search("alice_1").await.unwrap().credits, Credits::NotCharged);
        assert!(began.elapsed() < store.fence() * 2, "they waited: {:?}", began.elapsed());
        assert!(!locked.is_finished());
        admin.batch_execute("COMMIT").await.unwrap();
        locked.await.unwrap().unwrap();
    });
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn other_versions_of_the_tables_are_refused_and_left_alone() {
    let (url, schema, mock) = (server().url(), "versions", mock());
    let store = Arc::new(open(&url, schema).unwrap());
    let client = mock.client().with_timer(TokioTimer::new()).with_store(store, policy());
    runtime().block_on(client.search("alice_1")).unwrap();
    for version in [1, 3] {
        execute(&url, &[&format!("UPDATE {schema}.meta SET version = {version}")]);
        let error = open(&url, schema).unwrap_err().to_string();
        assert!(error.contains(&format!("version {version}")) && error.contains("version 2"), "{error}");
        // A store that was open when another program changed the tables.
        let error = runtime().block_on(client.search("bob_1")).unwrap_err();
        assert!(error.to_string().contains(&format!("version {version}")), "{error}");
        assert_eq!((error.credits(), searches(&mock)), (Credits::NotCharged, 1));
    }
    execute(&url, &[&format!("UPDATE {schema}.meta SET version = 2")]);
    assert!(runtime().block_on(client.search("bob_1")).is_ok());
}

/// The statements of the page on retention.
const CLEAN: [&str; 3] = ["ANALYZE", "VACUUM FULL", "CHECKPOINT"];

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn erased_name_is_in_no_file_of_the_tables() {
    // Its own server, so that nothing else keeps old row versions.
    let server = Server::start();
    let (url, mock) = (server.url(), mock());
    mock.set_credits(10_000);
    let store = Arc::new(open(&url, "tgscan").unwrap());
    let client = mock.client().with_timer(TokioTimer::new()).with_store(store.clone(), policy());
    runtime().block_on(async {
        for number in 0..50 {
            client.search(format!("other_{number}").as_str()).await.unwrap();
        }
        // Common enough for the statistics.
        for _ in 0..20 {
            client.clone().with_lookup(tgscan_core::store::Lookup::New).search("erased_name").await.unwrap();
        }
    });
    execute(&url, &["ANALYZE", "CHECKPOINT"]);
    let (tables, wal) = (server.directory.join("data/base"), server.directory.join("data/pg_wal"));
    assert!(contains(&tables, b"erased_name"));
    assert!(runtime().block_on(statistics(&url)).contains(&hex(b"erased_name")), "statistics have the name");
    let account = client.account().unwrap().clone();
    let erased = runtime().block_on(account.erase(&"erased_name".parse().unwrap())).unwrap();
    assert_eq!((erased.questions, erased.answers), (20, 20));
    execute(&url, &CLEAN);
    assert!(!contains(&tables, b"erased_name"));
    assert!(!runtime().block_on(statistics(&url)).contains(&hex(b"erased_name")));
    assert!(contains(&tables, b"other_7"), "the others are left");
    assert!(contains(&wal, b"erased_name"), "the write-ahead log keeps it, as the page says");
    let key = Question::new(true, "search", "query=other_7").key();
    let found = runtime().block_on(store.read(&AccountName::new("main", "mock"), Selection::Question(key)));
    assert!(found.unwrap().answer.is_some());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// All statistics of the store's columns, as text.
async fn statistics(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let select = "SELECT string_agg(concat(most_common_vals, histogram_bounds), ' ') FROM pg_stats WHERE schemaname = 'tgscan'";
    let rows = client.query(select, &[]).await.unwrap();
    rows[0].get::<_, Option<String>>(0).unwrap_or_default()
}

/// Returns whether a file below a directory contains some bytes.
fn contains(directory: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, bytes);
        }
        // Files of dropped tables may go in the meantime.
        std::fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}
