//! Transactions of a PostgreSQL store that do not lock the account, because no other store changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tgscan_core::store::{
    Account, AccountName, Call, CallState, Changes, Loaded, Lookup, Needs, Selection, Store, StorePolicy,
};
use tgscan_core::{Client, Credits, Storage};
use tgscan_mock::types::Search;
use tgscan_mock::{Fault, FaultKind, Mock};
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::TokioTimer;

use crate::postgres::{Database, claimed, runtime};
use crate::proxy::Proxy;
use crate::server::server;
use crate::support::{mock, policy};

fn client(mock: &Mock, store: PostgresStore) -> Client {
    mock.client().with_timer(TokioTimer::new()).with_store(Arc::new(store), policy())
}

fn ask(client: &Client, name: &str) {
    let reply = runtime().block_on(client.search(name)).unwrap();
    assert_eq!(reply.credits, Credits::Charged(2), "{name}");
}

/// Asks ten new questions, after which the next one is expected to be new, too.
fn ask_new(client: &Client) {
    for number in 0..10 {
        ask(client, &format!("name_{number}"));
    }
}

fn ids(client: &Client) -> Vec<u64> {
    let calls = runtime().block_on(client.account().unwrap().calls(0, 100)).unwrap();
    calls.iter().map(|call| call.id).collect()
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn paid_call_takes_two_statements() {
    let proxy = runtime().block_on(Proxy::start(server().directory.join(".s.PGSQL.5432")));
    let database = Database::new();
    let client = client(&mock(), database.open_at(&proxy.url()));
    ask_new(&client);
    // Some calls also renew the lease, look for expired answers, or begin before the last task has ended.
    let mut counts = (0..32).map(|number| {
        proxy.clear();
        ask(&client, &format!("other_{number}"));
        proxy.clear().0
    });
    // Bind, execute and sync, and their replies, a row, and the result of the statement.
    let least = 2 * (3 + 4);
    assert_eq!(counts.find(|count| *count <= least), Some(least));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn changes_of_another_store_between_two_transactions_are_kept() {
    let (database, mock) = (Database::new(), mock());
    let (slow, answer) = database.slow_client();
    let other = client(&mock, database.open());
    let search = claimed(&slow, &other);
    let account = other.account().unwrap();
    runtime().block_on(account.record_purchase(5)).unwrap();
    ask(&other, "bob_1");
    answer.notify_one();
    runtime().block_on(search).unwrap().unwrap();
    ask(&other, "carol_1");
    runtime().block_on(account.record_purchase(7)).unwrap();
    assert_eq!(ids(&other), [1, 2, 3]);
    assert_eq!(runtime().block_on(account.journal(0, 10)).unwrap().len(), 2);
    let totals = runtime().block_on(other.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.in_flight_calls), (6, 0));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn open_transaction_that_changes_the_account_is_waited_for() {
    let (database, mock) = (Database::new(), mock());
    let client = client(&mock, database.open());
    ask_new(&client);
    runtime().block_on(async {
        let (admin, connection) =
            tokio_postgres::connect(&server().url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let change = "jsonb_set(convert_from(row, 'UTF8')::jsonb, '{last_call}', '100')";
        let update = format!("UPDATE accounts SET row = convert_to({change}::text, 'UTF8')");
        admin
            .batch_execute(&format!("SET search_path TO {}; BEGIN; {update}", database.schema))
            .await
            .unwrap();
        let searching = client.clone();
        let search = tokio::spawn(async move { searching.search("alice_1").await });
        let is_waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
            AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))";
        while !admin.query_one(is_waiting, &[]).await.unwrap().get::<_, bool>(0) {}
        admin.batch_execute("COMMIT").await.unwrap();
        search.await.unwrap().unwrap();
    });
    assert_eq!(ids(&client).last(), Some(&101));
    ask(&client, "bob_1");
    assert_eq!(ids(&client).last(), Some(&102));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn question_that_is_taken_for_new_keeps_its_answer() {
    let (database, mock) = (Database::new(), mock());
    let client = client(&mock, database.open());
    ask(&client, "alice_1");
    ask_new(&client);
    let again = client.clone().with_lookup(Lookup::New);
    mock.script::<Search>([Fault::new(FaultKind::ErrorEnvelope { status: 400 })]);
    assert_eq!(runtime().block_on(again.search("alice_1")).unwrap_err().credits(), Credits::NotCharged);
    mock.clear_script();
    let stored = client.clone().with_lookup(Lookup::Stored);
    assert_eq!(runtime().block_on(stored.search("alice_1")).unwrap().credits, Credits::NotCharged);
    ask(&again, "alice_1");
    // Not taken for new after a surprise, but found.
    assert_eq!(runtime().block_on(client.search("alice_1")).unwrap().credits, Credits::NotCharged);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn calls_of_an_owner_that_is_lost_between_two_transactions_become_uncertain() {
    let (database, mock) = (Database::new(), mock());
    let (slow, answer) = database.slow_client();
    let other = client(&mock, database.open());
    let search = claimed(&slow, &other);
    ask_new(&other);
    database.execute(
        "UPDATE owners SET lease_until = 0 WHERE id = (SELECT owner FROM calls WHERE owner IS NOT NULL)",
    );
    ask(&other, "bob_1");
    let calls = runtime().block_on(other.account().unwrap().calls(0, 1)).unwrap();
    assert_eq!(calls.iter().map(Call::state).collect::<Vec<_>>(), [CallState::Uncertain]);
    answer.notify_one();
    runtime().block_on(search).unwrap().unwrap();
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn clock_that_is_moved_between_two_transactions_is_followed() {
    let (database, mock) = (Database::new(), mock());
    let client = client(&mock, database.open());
    ask_new(&client);
    let hour = Duration::from_secs(3600);
    for _ in 0..2 {
        database.advance(hour);
        ask(&client, if ids(&client).len() == 10 { "alice_1" } else { "bob_1" });
    }
    let calls = runtime().block_on(client.account().unwrap().calls(9, 100)).unwrap();
    let times: Vec<u64> = calls.iter().map(|call| call.claimed_at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 3_599_000), "{times:?}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn exact_time_is_not_estimated() {
    let database = Database::new();
    let (store, account) = (database.open(), AccountName::new("main", "mock"));
    let transact = |exact_time| {
        let (now, mut needs) = (Arc::new(AtomicU64::new(0)), Needs::default());
        needs.exact_time = exact_time;
        let seen = now.clone();
        let decide = move |loaded: Loaded| {
            seen.store(loaded.now, Ordering::Relaxed);
            let mut changes = Changes::default();
            changes.account = Some(loaded.account);
            changes
        };
        runtime().block_on(store.transact(&account, needs, Box::new(decide))).unwrap();
        now.load(Ordering::Relaxed)
    };
    transact(false);
    // So little that an estimate would be accepted.
    database.set_back(Duration::from_millis(900));
    let now = transact(true);
    let after = runtime().block_on(store.read(&account, Selection::Account)).unwrap().now;
    assert!(now <= after, "{now} is later than {after}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn tables_that_change_their_version_after_the_load_are_not_written() {
    let database = Database::new();
    let (store, account) = (database.open(), AccountName::new("main", "mock"));
    let update = move |loaded: Loaded| {
        let database = database.clone();
        let updating = std::thread::spawn(move || database.execute("UPDATE meta SET version = 9"));
        updating.join().unwrap();
        let mut changes = Changes::default();
        changes.account = Some(loaded.account);
        changes
    };
    let written = runtime().block_on(store.transact(&account, Needs::default(), Box::new(update)));
    let error = written.unwrap_err().to_string();
    assert!(error.contains("version 9"), "{error}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn accounts_are_not_mixed_if_the_tables_are_replaced() {
    let (database, mock) = (Database::new(), mock());
    let client = client(&mock, database.open());
    ask(&client, "alice_1");
    // As an administrator restores a backup, in which the accounts have other numbers.
    database.execute(&format!("DROP SCHEMA {} CASCADE", database.schema));
    let store = Arc::new(database.open());
    let policy = StorePolicy::new("other", Duration::from_secs(3600), Duration::from_secs(36_000));
    let other = mock.client().with_timer(TokioTimer::new()).with_store(store, policy);
    ask(&other, "bob_1");
    let _ = runtime().block_on(client.search("carol_1"));
    assert_eq!(ids(&other), [1]);
    ask(&client, "dave_1");
    assert_eq!(ids(&other), [1]);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn owner_in_a_restored_database_has_another_number_than_one_that_it_lacks() {
    let database = Database::new();
    let _alive = database.open();
    // A backup or a standby may lack this owner and the state of the sequence.
    database.execute("CREATE TABLE alive AS SELECT id FROM owners; TRUNCATE owners RESTART IDENTITY");
    let _new = database.open();
    database.execute("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM owners JOIN alive USING (id)); END $$");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn owners_whose_lease_expired_long_ago_are_removed() {
    let database = Database::new();
    drop(database.open());
    database.execute(
        "UPDATE owners SET lease_until = 5000;
         INSERT INTO owners VALUES (1, 5000), (2, 5000);
         INSERT INTO calls (account, id, row, owner, is_unresolved, is_answered) VALUES (1, 1, '{}', 2, true, false)",
    );
    let hour_ago = "((extract(epoch FROM now()) - 3600) * 1000)::bigint";
    database.execute(&format!("UPDATE owners SET lease_until = {hour_ago} WHERE id = 1"));
    drop(database.open());
    // The first one expired an hour ago, the second one has a call in flight, and the third one is new.
    database.execute(
        "DO $$ BEGIN ASSERT (SELECT array_agg(id) FROM owners WHERE id < 3) = '{1,2}' AND (SELECT count(*) FROM owners) = 3; END $$",
    );
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn opening_again_uses_up_no_number_of_an_account() {
    let database = Database::new();
    let purchase = |label: &str| {
        let account = Account::new(Arc::new(database.open()), AccountName::new(label, "mock"));
        runtime().block_on(account.record_purchase(1)).unwrap();
    };
    ["main", "main", "main", "other"].into_iter().for_each(purchase);
    database.execute("DO $$ BEGIN ASSERT (SELECT max(number) FROM accounts) = 2; END $$");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn settlement_of_a_call_that_a_restored_database_lacks_is_not_booked_on_another_call() {
    for is_reused in [false, true] {
        let (database, mock) = (Database::new(), mock());
        let (slow, answer) = database.slow_client();
        let other = client(&mock, database.open());
        let search = claimed(&slow, &other);
        database.execute("DELETE FROM calls; DELETE FROM questions; UPDATE accounts SET row = '{}'");
        if is_reused {
            ask(&other, "bob_1");
            assert_eq!(ids(&other), [1]);
        }
        answer.notify_one();
        let reply = runtime().block_on(search).unwrap().unwrap();
        assert!(matches!(reply.storage(), Some(Storage::NotStored(_))), "{:?}", reply.storage());
        if is_reused {
            let stored = other.clone().with_lookup(Lookup::Stored);
            assert!(!runtime().block_on(stored.search("bob_1")).unwrap().is_mismatched());
        }
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn damaged_row_of_a_lost_call_blocks_only_its_question() {
    let (database, mock) = (Database::new(), mock());
    let (slow, _answer) = database.slow_client();
    let other = client(&mock, database.open());
    let _search = claimed(&slow, &other);
    database.execute("UPDATE calls SET row = 'damaged', owner = 0");
    ask(&other, "bob_1");
    let error = runtime().block_on(other.search("alice_1")).unwrap_err().to_string();
    assert!(error.contains("the row of call 1 is damaged"), "{error}");
    let totals = runtime().block_on(other.book()).unwrap().totals();
    assert_eq!((totals.charged, totals.in_flight_calls, totals.uncertain_attempts), (2, 0, 1));
}
