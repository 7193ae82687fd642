//! A connection to the server, and the statements prepared on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, SimpleQueryMessage, Statement};

use super::client::Session;
use super::direct::is_direct;

/// The settings that the store needs in its sessions. Plain index scans suit its statements for any statistics of the
/// tables, and skip entries of old rows that an earlier scan has found. The server waits for the rest of a
/// transaction's messages without a limit, so keepalives make it notice a silent network after 11 s.
const SESSION: &str = "
    SET statement_timeout TO {limit}; SET lock_timeout TO {limit};
    SET idle_in_transaction_session_timeout TO {idle}; SET search_path TO pg_catalog;
    SET default_transaction_isolation TO 'read committed'; SET default_transaction_read_only TO off;
    SET default_transaction_deferrable TO off;
    SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2; SET tcp_keepalives_count TO 3;
    SET synchronous_commit TO on; SET jit TO off; SET enable_seqscan TO off; SET enable_bitmapscan TO off;
    SELECT set_config('plan_cache_mode', 'force_generic_plan', false)
    WHERE current_setting('server_version_num')::integer >= 120000";

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// Begins a transaction that relies on no setting of its session, which may be that of a pooler.
pub(super) fn begin_anywhere(limit: Duration) -> String {
    let settings = "SET LOCAL statement_timeout TO {limit}; SET LOCAL lock_timeout TO {limit};
        SET LOCAL idle_in_transaction_session_timeout TO {idle}; SET LOCAL synchronous_commit TO on";
    format!("{BEGIN}; {}", with_limits(settings, limit))
}

/// The values and types of a statement's parameters.
pub(super) type Parameters<'a> = Vec<(&'a (dyn ToSql + Sync), Type)>;

/// A connection to the server.
pub(super) struct Connection {
    client: Session,
    /// The schema of the tables.
    schema: String,
    /// The time limit of a statement.
    limit: Duration,
    /// The statements prepared on the server. `None` behind a pooler, which may give each transaction another session.
    prepared: Option<Mutex<HashMap<&'static str, Statement>>>,
    /// Whether a statement was not answered in time. The client does not notice if the network is silent.
    is_silent: AtomicBool,
}

/// A running statement. If it is dropped, its connection is not used again.
struct Running<'a>(Option<&'a AtomicBool>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(is_silent) = self.0 {
            is_silent.store(true, Ordering::Relaxed);
        }
    }
}

impl Connection {
    /// Wraps a new connection. If it is to the server itself and not to a pooler, sets up the session and prepares
    /// `statements`.
    pub(super) async fn new(
        client: Session,
        schema: &str,
        limit: Duration,
        statements: &[&'static str],
    ) -> Result<Self, Error> {
        let is_direct = is_direct(&client).await;
        let prepared = is_direct.then(Mutex::default);
        let connection =
            Self { client, schema: schema.to_owned(), limit, prepared, is_silent: AtomicBool::new(false) };
        if is_direct {
            connection.client.set_up(&with_limits(SESSION, limit)).await?;
            try_join_all(statements.iter().map(|sql| connection.prepare(sql))).await?;
        }
        Ok(connection)
    }

    /// Returns whether the connection is to the server itself, so that the settings of its session apply.
    pub(super) fn is_direct(&self) -> bool {
        self.prepared.is_some()
    }

    /// Begins a transaction, and locks an account. Returns whether statements that were sent together with this ran in
    /// the transaction.
    pub(super) async fn begin(&self, account: i32) -> Result<bool, Error> {
        let lock = self.text(&format!("SELECT FROM {{schema}}.accounts WHERE number = {account} FOR UPDATE"));
        if self.is_direct() {
            return self.client.batch_execute(&format!("{BEGIN}; {lock}")).await.map(|()| true);
        }
        let begin = format!("{}; {lock}", begin_anywhere(self.limit));
        match self.client.simple_query(&begin).await {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                self.client.set_up(&format!("ROLLBACK; {begin}")).await.map(|_| false)
            }
            result => result.map(|_| true),
        }
    }

    /// Runs a statement without parameters in a separate transaction, in one message. Returns the number in its first
    /// row, if there is one.
    pub(super) async fn change(&self, sql: &str) -> Result<Option<i64>, Error> {
        let mut running = Running(Some(&self.is_silent));
        let begin = begin_anywhere(self.limit);
        // If it fails, the transaction is not ended, so the connection is not used again.
        let messages = self.client.simple_query(&format!("{begin}; {}; COMMIT", self.text(sql))).await?;
        running.0 = None;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        }))
    }

    pub(super) async fn commit(&self) -> Result<(), Error> {
        self.client.batch_execute("COMMIT").await
    }

    pub(super) async fn roll_back(&self) -> Result<(), Error> {
        self.client.batch_execute("ROLLBACK").await
    }

    /// Runs a statement and returns its rows. In the text, `{schema}` and `{now}` stand for the schema and the time in
    /// milliseconds since 1970, by the server's clock.
    ///
    /// Statements that run concurrently on a connection run in the order in which they are polled first, provided that
    /// they were prepared by [`new`](Self::new).
    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        let mut running = Running(Some(&self.is_silent));
        let result = self.run(sql, parameters).await;
        running.0 = None;
        result
    }

    async fn run(
        &self,
        sql: &'static str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        if self.prepared.is_none() {
            return self.client.query_typed(&self.text(sql), parameters).await;
        }
        let prepared = self.prepared(sql);
        let statement = match prepared {
            Some(statement) => statement,
            None => self.prepare(sql).await?,
        };
        let values: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|(value, _)| *value).collect();
        self.client.query(&statement, &values).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_silent.load(Ordering::Relaxed)
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, Error> {
        let statement = self.client.prepare(&self.text(sql)).await?;
        if let Some(mut statements) = self.statements() {
            statements.insert(sql, statement.clone());
        }
        Ok(statement)
    }

    fn prepared(&self, sql: &'static str) -> Option<Statement> {
        self.statements()?.get(sql).cloned()
    }

    fn statements(&self) -> Option<MutexGuard<'_, HashMap<&'static str, Statement>>> {
        let prepared = self.prepared.as_ref()?;
        Some(prepared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn text(&self, sql: &str) -> String {
        let now = "((extract(epoch FROM clock_timestamp()) * 1000)::bigint + coalesce((SELECT clock_offset FROM {schema}.meta), 0))";
        sql.replace("{now}", now).replace("{schema}", &self.schema)
    }
}

/// Returns the time between load and write after which a transaction is not committed. A suspended process holds an
/// account's lock for less time than others wait for it.
pub(super) fn idle_limit(limit: Duration) -> Duration {
    limit * 3 / 10
}

fn with_limits(sql: &str, limit: Duration) -> String {
    let (limit, idle) = (limit.as_millis(), idle_limit(limit).as_millis());
    sql.replace("{limit}", &limit.to_string()).replace("{idle}", &idle.to_string())
}
