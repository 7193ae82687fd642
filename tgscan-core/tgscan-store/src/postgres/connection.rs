//! A connection to the server, and the statements prepared on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::direct::is_direct;

/// What sessions of this store rely on. Plain index scans serve its statements whatever the tables' statistics say, and
/// skip entries of old rows that an earlier scan has found.
const SESSION: &str = "
    SET statement_timeout TO {limit}; SET lock_timeout TO {limit};
    SET idle_in_transaction_session_timeout TO {idle};
    SET synchronous_commit TO on; SET jit TO off; SET enable_seqscan TO off; SET enable_bitmapscan TO off;
    SELECT set_config('plan_cache_mode', 'force_generic_plan', false)
    WHERE current_setting('server_version_num')::integer >= 120000";

/// The values and types of a statement's parameters.
pub(super) type Parameters<'a> = Vec<(&'a (dyn ToSql + Sync), Type)>;

/// A connection to the server.
pub(super) struct Connection {
    client: Client,
    /// The schema of the tables.
    schema: String,
    /// The statements prepared on the server. `None` behind a pooler, which may give each transaction another session.
    prepared: Option<Mutex<HashMap<&'static str, Statement>>>,
}

impl Connection {
    /// Takes over a new connection. If it leads to the server and not to a pooler, sets up the session and prepares
    /// `statements`.
    pub(super) async fn new(
        client: Client,
        schema: &str,
        statements: &[&'static str],
    ) -> Result<Self, Error> {
        let is_direct = is_direct(&client).await?;
        let connection = Self { client, schema: schema.to_owned(), prepared: is_direct.then(Mutex::default) };
        if is_direct {
            connection.client.batch_execute(&with_limits(SESSION)).await?;
            try_join_all(statements.iter().map(|sql| connection.prepare(sql))).await?;
        }
        Ok(connection)
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        if self.prepared.is_some() {
            return self.client.batch_execute(begin).await;
        }
        // A pooler's session belongs to others before and after the transaction.
        let settings = "SET LOCAL statement_timeout TO {limit}; SET LOCAL lock_timeout TO {limit};
            SET LOCAL idle_in_transaction_session_timeout TO {idle}; SET LOCAL synchronous_commit TO on";
        self.client.batch_execute(&format!("{begin}; {}", with_limits(settings))).await
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
        self.client.is_closed()
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
        let now = "((extract(epoch FROM clock_timestamp()) * 1000)::bigint + (SELECT clock_offset FROM {schema}.meta))";
        sql.replace("{now}", now).replace("{schema}", &self.schema)
    }
}

fn with_limits(sql: &str) -> String {
    // A suspended process holds an account's lock for less time than others wait for it.
    sql.replace("{limit}", &super::LIMIT.as_millis().to_string()).replace("{idle}", "3000")
}
