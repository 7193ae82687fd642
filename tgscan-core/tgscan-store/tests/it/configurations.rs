//! Servers as administrators configure them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tgscan_core::Credits;
use tgscan_core::store::{Account, AccountName, Lookup, Store, StoreError};
use tgscan_mock::Mock;
use tgscan_mock::types::Search;
use tgscan_store::PostgresStore;
use tgscan_transport_hyper::TokioTimer;

use crate::postgres::{open_with_short_lease, runtime};
use crate::proxy::Proxy;
use crate::server::server;
use crate::servers::{Pooler, primary};
use crate::support::{HOUR, mock, policy, searches};

const LEASE: Duration = Duration::from_secs(15);

pub(crate) fn open(url: &str, schema: &str) -> Result<PostgresStore, StoreError> {
    runtime().block_on(PostgresStore::connect_with(url, schema, LEASE))
}

/// Runs statements as an administrator, each in its own transaction.
pub(crate) fn execute(url: &str, statements: &[&str]) {
    runtime().block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        let driving = tokio::spawn(connection);
        for statement in statements {
            client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        drop(client);
        driving.await.unwrap().unwrap();
    });
}

/// Uses all that a store does: paid and stored answers, uncertain calls, expiry and erasing.
pub(crate) fn use_store(url: &str, schema: &str) {
    let mock = mock();
    let store = Arc::new(open(url, schema).unwrap_or_else(|error| panic!("{error}")));
    let client = mock.client().with_timer(TokioTimer::new()).with_store(store, policy());
    let account = client.account().unwrap().clone();
    runtime().block_on(async {
        let paid = client.search("alice_1").await.unwrap();
        assert_eq!(paid.credits, Credits::Charged(2));
        let again = client.search("alice_1").await.unwrap();
        assert_eq!((again.credits, again.raw()), (Credits::NotCharged, paid.raw()));
        client.reconcile().await.unwrap();
        account.record_purchase(5).await.unwrap();
        assert_eq!(account.set_price("search", Some(3)).await.unwrap(), Some(2));
        client.search("bob_1").await.unwrap();
        assert!(account.erase(&"bob_1".parse().unwrap()).await.unwrap().questions >= 1);
        assert_eq!(account.expire(10 * HOUR).await.unwrap(), 0);
        assert_eq!(account.calls(0, 10).await.unwrap().len(), 2);
        assert_eq!(account.book().await.unwrap().totals().charged, 4);
    });
    assert_eq!(searches(&mock), 2);
}

/// Eight stores ask a thousand questions, with two connections of the pooler to the server.
fn share_pooler(mode: &str, connections: u32) {
    let pooler = Pooler::start(server(), mode, connections);
    let schema = format!("pooled_{mode}");
    use_store(&pooler.url(), &format!("{schema}_alone"));
    let mock = Mock::builder().seed(3).cost::<Search>(1).build().unwrap();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::new(open(&pooler.url(), &schema).unwrap());
            mock.client().with_timer(TokioTimer::new()).with_store(store, policy())
        })
        .collect();
    let ask = async |lookup| {
        let asked = (0..400).map(|number| {
            let client = clients[number % clients.len()].clone().with_lookup(lookup);
            // Each question is asked by two stores.
            async move { client.search(format!("name_{}", number / 2).as_str()).await }
        });
        join_all(asked).await.into_iter().map(|reply| reply.unwrap().credits.charged()).sum::<u64>()
    };
    let charged = runtime().block_on(ask(Lookup::StoredOrNew));
    assert_eq!((charged, searches(&mock), mock.account().spent), (200, 200, 200), "{mode}");
    assert_eq!(runtime().block_on(ask(Lookup::Stored)), 0);
}

#[test]
#[ignore = "needs PgBouncer and the programs of a PostgreSQL server"]
fn pooler_in_transaction_mode_works() {
    share_pooler("transaction", 3);
}

#[test]
#[ignore = "needs PgBouncer and the programs of a PostgreSQL server"]
fn pooler_in_session_mode_works() {
    // Each store has up to three connections.
    share_pooler("session", 30);
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn list_of_hosts_may_begin_with_a_standby() {
    let (primary, standby) = primary();
    let (first, second) = (standby.directory.display(), primary.directory.display());
    use_store(&format!("host={first},{second} user=postgres dbname=postgres"), "standby_first");
    use_store(&format!("host={second},{first} user=postgres dbname=postgres"), "standby_last");
    let error = open(&standby.url(), "standby_alone").unwrap_err().to_string();
    assert!(error.contains("accepts no writes") && error.contains("standby"), "{error}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn server_that_is_starting_is_waited_for() {
    let proxy = runtime().block_on(Proxy::start(server().directory.join(".s.PGSQL.5432")));
    proxy.refuse(3);
    use_store(&proxy.url(), "starting");
    // Not without a limit.
    proxy.refuse(u32::MAX);
    let short = Duration::from_secs(1);
    let error = runtime().block_on(PostgresStore::connect_with(&proxy.url(), "starting", short));
    assert!(error.unwrap_err().to_string().contains("the database system is starting up"));
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn host_that_does_not_answer_leaves_time_for_the_others() {
    let silent = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = runtime().block_on(Proxy::start(server().directory.join(".s.PGSQL.5432")));
    let (first, second) = (silent.local_addr().unwrap().port(), proxy.address().port());
    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres");
    // Two thirds are the limit of connecting: 10 s for each host. A busy machine makes the tables in that time.
    let lease = Duration::from_secs(30);
    runtime().block_on(PostgresStore::connect_with(&url, "silent_first", lease)).unwrap();
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn every_form_of_a_connection_string_is_used() {
    let proxy = runtime().block_on(Proxy::start(server().directory.join(".s.PGSQL.5432")));
    let (socket, port) = (server().directory.display().to_string(), proxy.address().port());
    let escaped = socket.replace('/', "%2F");
    for url in [
        format!("postgres://postgres@{escaped}/postgres"),
        format!("postgresql://postgres@{escaped}:5432/postgres?application_name=any"),
        format!("postgres:///postgres?host={escaped}&user=postgres"),
        format!("postgres://postgres:any%40%2F@localhost:{port}/postgres?sslmode=disable&connect_timeout=5"),
        format!("postgres://postgres@localhost:{port}/postgres?hostaddr=127.0.0.1"),
        format!("  hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=prefer  "),
        format!("host={socket} user=postgres dbname=postgres target_session_attrs=read-write"),
    ] {
        drop(open(&url, "forms").unwrap_or_else(|error| panic!("{url}: {error}")));
    }
}

#[test]
fn wrong_connection_strings_are_refused_without_being_quoted() {
    for url in [
        "postgres://user:s3cret@host:port/db",
        "postgres://user:s3cret@word@host/db",
        "postgres://user:a@s3cret/word@host/db",
        "postgres://user:s3?cret@host/db",
        "postgres://user:s3cret@host/db?sslmode",
        "postgres://user:s3cret@host/db?sslmode=allow",
        "postgres://user:s3cret@host/db?sslcert=/file",
        "postgres://user:s3cret@host/db?service=any",
        "postgres://user:s3cret@host/db?passfile=any",
        "mysql://user:s3cret@host/db",
        "http://user:s3cret@host/db",
        "user=postgres password=s3cret",
        "host=host password='s3 cret'",
        "user:s3cret@host/db",
        "s3cret",
        "",
    ] {
        let error = open(url, "refused").expect_err(url).to_string();
        assert!(error.starts_with("the connection string is invalid"), "{url}: {error}");
        for part in ["s3", "cret", "word"] {
            assert!(
                !error.replace("user:password", "").replace("in a password", "").contains(part),
                "{url}: {error}"
            );
        }
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn role_with_few_rights_uses_a_schema_of_an_administrator() {
    let admin = server().url();
    execute(&admin, &["CREATE ROLE few LOGIN NOSUPERUSER", "REVOKE CREATE ON DATABASE postgres FROM PUBLIC"]);
    let url = admin.replace("user=postgres", "user=few");
    let error = open(&url, "few_rights").unwrap_err().to_string();
    assert!(error.contains("the role lacks a privilege: permission denied for database"), "{error}");
    drop(open(&admin, "few_rights").unwrap());
    let error = open(&url, "few_rights").unwrap_err().to_string();
    assert!(error.contains("the role lacks a privilege: permission denied for schema few_rights"), "{error}");
    // The statements of the page on production.
    execute(
        &admin,
        &[
            "GRANT USAGE ON SCHEMA few_rights TO few",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA few_rights TO few",
        ],
    );
    use_store(&url, "few_rights");
    // Or an empty schema that the role owns.
    execute(&admin, &["CREATE SCHEMA of_few AUTHORIZATION few"]);
    use_store(&url, "of_few");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn role_that_could_claim_but_not_settle_is_refused() {
    let admin = server().url();
    drop(open(&admin, "settling").unwrap());
    let rights = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA settling";
    execute(
        &admin,
        &[
            "CREATE ROLE keeper LOGIN NOSUPERUSER",
            "GRANT USAGE ON SCHEMA settling TO keeper",
            &format!("GRANT {rights} TO keeper"),
            "REVOKE DELETE ON settling.accounts, settling.journal FROM keeper",
        ],
    );
    let url = admin.replace("user=postgres", "user=keeper");
    drop(open(&url, "settling").unwrap());
    for (privilege, table) in [("DELETE", "answers"), ("INSERT", "journal"), ("UPDATE", "owners")] {
        execute(&admin, &[&format!("REVOKE {privilege} ON settling.{table} FROM keeper")]);
        let error = open(&url, "settling").unwrap_err().to_string();
        let expected = format!("schema settling: the role lacks a privilege: {privilege} on {table}");
        assert!(error.ends_with(&expected), "{error}");
        execute(&admin, &[&format!("GRANT {privilege} ON settling.{table} TO keeper")]);
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn connections_of_a_peak_are_closed_after_it() {
    let admin = server().url();
    execute(&admin, &["CREATE ROLE peak LOGIN SUPERUSER"]);
    let (url, lease) = (admin.replace("user=postgres", "user=peak"), Duration::from_secs(3));
    runtime().block_on(async {
        let store: Arc<dyn Store> = Arc::new(open_with_short_lease(&url, "peak", lease).await);
        let account = |number: u32| Account::new(store.clone(), AccountName::new(number.to_string(), "mock"));
        let accounts: Vec<_> = (0..20).map(account).collect();
        let purchases = join_all(accounts.iter().map(|account| account.record_purchase(1))).await;
        assert!(purchases.iter().all(Result::is_ok), "{purchases:?}");
        let (client, connection) = tokio_postgres::connect(&admin, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let count = "SELECT count(*) FROM pg_sleep(0.1), pg_stat_activity WHERE usename = 'peak'";
        let count = async || client.query_one(count, &[]).await.unwrap().get::<_, i64>(0);
        assert!(count().await > 2);
        let began = Instant::now();
        // One for reads, and one for the next call.
        while count().await > 2 {
            assert!(began.elapsed() < 20 * lease, "they stay open");
        }
        assert_eq!(count().await, 2);
        accounts[0].record_purchase(1).await.unwrap();
    });
}

/// Settings that would break a store that relied on the server's defaults.
const SETTINGS: [&str; 14] = [
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "default_transaction_read_only = on",
    "idle_in_transaction_session_timeout = '1ms'",
    "statement_timeout = '1ms'",
    "search_path = 'nowhere'",
    "lock_timeout = '1ms'",
    "client_encoding = 'LATIN1'",
    "bytea_output = 'escape'",
    "standard_conforming_strings = off",
    "synchronous_commit = off",
    "TimeZone = 'Pacific/Chatham'",
    "DateStyle = 'SQL, DMY'",
    "enable_indexscan = off",
];

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn defaults_of_database_and_role_have_no_effect() {
    let (admin, mut failed) = (server().url(), Vec::new());
    for (at, setting) in SETTINGS.iter().enumerate() {
        execute(
            &admin,
            &[&format!("CREATE DATABASE odd_{at}"), &format!("CREATE ROLE odd_{at} SUPERUSER LOGIN")],
        );
        execute(
            &admin,
            &[
                &format!("ALTER DATABASE odd_{at} SET {setting}"),
                &format!("ALTER ROLE odd_{at} SET {setting}"),
            ],
        );
        let url = admin.replace("=postgres", &format!("=odd_{at}"));
        if std::panic::catch_unwind(|| use_store(&url, "tgscan")).is_err() {
            failed.push(setting);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn database_may_have_another_encoding() {
    let admin = server().url();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("of_{}", encoding.to_lowercase());
        let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'");
        execute(&admin, &[&create]);
        use_store(&admin.replace("dbname=postgres", &format!("dbname={name}")), "tgscan");
    }
}

#[test]
#[ignore = "needs the programs of a PostgreSQL server"]
fn name_of_the_schema_may_be_a_keyword() {
    for schema in ["user", "table"] {
        use_store(&server().url(), schema);
    }
}
