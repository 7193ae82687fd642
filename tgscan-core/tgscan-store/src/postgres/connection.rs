//! A connection to the server, and the statements prepared on it.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tgscan_core::bytes::BytesMut;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, SimpleQueryRow, Statement};

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
const BEGIN_ANYWHERE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout TO {limit}; SET LOCAL lock_timeout TO {limit};
    SET LOCAL idle_in_transaction_session_timeout TO {idle}; SET LOCAL synchronous_commit TO on";
/// The maximum number of times that a message is sent if a time limit of the session cancels it.
const ATTEMPTS: usize = 10;

/// A parameter of a statement.
pub(super) type Parameter = (Box<dyn ToSql + Send + Sync>, Type);

/// A value without a text. tokio-postgres logs the values of a statement at the level `debug`, and they contain questions
/// and answers.
struct Hidden<'a>(&'a (dyn ToSql + Sync));

impl ToSql for Hidden<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql_checked(kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, kind: &Type) -> Format {
        self.0.encode_format(kind)
    }

    to_sql_checked!();
}

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// A connection to the server, and the task that drives it. Dropping this closes the connection, even if the network is
/// silent, so that the server ends its transaction.
pub(super) struct Connection {
    client: Client,
    driver: AbortHandle,
    /// A number that no other connection of this process has.
    pub(super) number: u64,
    /// The quoted schema of the tables.
    schema: String,
    /// The time limit of a statement.
    limit: Duration,
    /// Whether the connection is to the server itself, and not to a pooler, which may give each transaction another session.
    is_direct: bool,
    /// The statements prepared on the server, if it prepares statements.
    prepared: Option<Mutex<HashMap<&'static str, Statement>>>,
    /// Whether a statement was not answered in time. The client does not notice if the network is silent.
    is_silent: AtomicBool,
    /// The end of the last transaction.
    pub(super) used: Instant,
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

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) fn new(client: Client, driver: AbortHandle, schema: &str, limit: Duration) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let (number, is_silent) = (LAST.fetch_add(1, Ordering::Relaxed), AtomicBool::new(false));
        Self {
            client,
            driver,
            number,
            schema: format!("\"{schema}\""),
            limit,
            is_direct: false,
            prepared: None,
            is_silent,
            used: Instant::now(),
        }
    }

    /// Returns whether the server accepts writes, unlike a standby. Also finds out whether the connection is to the server
    /// itself. Uses one message, so that short time limits of the session do not matter.
    pub(super) async fn greet(&mut self) -> Result<bool, Error> {
        let select = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout TO {limit};
             SELECT pg_is_in_recovery(), pg_backend_pid(); COMMIT";
        let messages = self.set_up(select).await?;
        let row = first_row(&messages);
        let process = row.and_then(|row| row.get(1)?.parse().ok()).unwrap_or_default();
        self.is_direct = is_direct(&self.client, process).await;
        Ok(row.and_then(|row| row.get(0)) == Some("f"))
    }

    /// If the connection is to the server itself and not to a pooler, sets up the session and prepares `statements`.
    pub(super) async fn prepare_all(&mut self, statements: &[&'static str]) -> Result<(), Error> {
        if self.is_direct {
            self.set_up(SESSION).await?;
            self.prepared = Some(Mutex::default());
            try_join_all(statements.iter().map(|sql| self.prepare(sql))).await?;
        }
        Ok(())
    }

    /// Runs statements, the first of which set time limits. Repeats all if the server cancels one: until the limits
    /// are set, the defaults of the database or the role apply, which can be too short.
    async fn set_up(&self, statements: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        let statements = self.text(statements);
        let mut result = self.client.simple_query(&statements).await;
        for _ in 1..ATTEMPTS {
            if result.as_ref().err().and_then(Error::code) != Some(&SqlState::QUERY_CANCELED) {
                break;
            }
            result = self.client.simple_query(&format!("ROLLBACK; {statements}")).await;
        }
        result
    }

    /// Returns whether the connection is to the server itself, so that the settings of its session apply.
    pub(super) fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Begins a transaction.
    pub(super) async fn begin_anywhere(&self) -> Result<(), Error> {
        self.set_up(BEGIN_ANYWHERE).await.map(drop)
    }

    /// Begins a transaction, and locks an account. Returns whether statements that were sent together with this ran in
    /// the transaction.
    pub(super) async fn begin(&self, account: i32) -> Result<bool, Error> {
        let begin = if self.is_direct { BEGIN } else { BEGIN_ANYWHERE };
        let lock = format!("{begin}; SELECT FROM {{schema}}.accounts WHERE number = {account} FOR UPDATE");
        match self.client.simple_query(&self.text(&lock)).await {
            Err(error) if !self.is_direct && error.code() == Some(&SqlState::QUERY_CANCELED) => {
                self.set_up(&format!("ROLLBACK; {lock}")).await.map(|_| false)
            }
            result => result.map(|_| true),
        }
    }

    pub(super) async fn commit(&self) -> Result<(), Error> {
        self.client.batch_execute("COMMIT").await
    }

    pub(super) async fn roll_back(&self) -> Result<(), Error> {
        self.client.batch_execute("ROLLBACK").await
    }

    /// Runs statements without parameters, in the current transaction if there is one.
    pub(super) async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(&self.text(sql)).await
    }

    /// Runs a statement without parameters in a separate transaction, in one message. Returns the number in its first
    /// row, if there is one.
    pub(super) async fn change(&self, sql: &str) -> Result<Option<i64>, Error> {
        let mut running = Running(Some(&self.is_silent));
        // If it fails, the transaction is not ended, so the connection is not used again.
        let messages = self.text(&format!("{BEGIN_ANYWHERE}; {sql}; COMMIT"));
        let messages = self.client.simple_query(&messages).await?;
        running.0 = None;
        Ok(first_row(&messages).and_then(|row| row.get(0)?.parse().ok()))
    }

    /// Runs a statement and returns its rows. In the text, `{schema}`, `{account}` and `{now}` stand for the schema, the
    /// number of the account with the name `$1`, and the time in milliseconds since 1970, by the server's clock.
    ///
    /// Statements that run concurrently on a connection run in the order in which they are polled first, provided that
    /// they were prepared by [`prepare_all`](Self::prepare_all).
    pub(super) async fn query(&self, sql: &'static str, parameters: &[Parameter]) -> Result<Vec<Row>, Error> {
        let mut running = Running(Some(&self.is_silent));
        let result = self.run(sql, parameters).await;
        running.0 = None;
        result
    }

    async fn run(&self, sql: &'static str, parameters: &[Parameter]) -> Result<Vec<Row>, Error> {
        let values: Vec<_> = parameters.iter().map(|(value, _)| Hidden(&**value)).collect();
        let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
        let Some(prepared) = &self.prepared else {
            let types = parameters.iter().map(|(_, kind)| kind.clone());
            return self.client.query_typed(&self.text(sql), &values.zip(types).collect::<Vec<_>>()).await;
        };
        let known = prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => self.prepare(sql).await?,
        };
        self.client.query(&statement, &values.collect::<Vec<_>>()).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.is_silent.load(Ordering::Relaxed)
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, Error> {
        let statement = self.client.prepare(&self.text(sql)).await?;
        if let Some(prepared) = &self.prepared {
            prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        }
        Ok(statement)
    }

    fn text(&self, sql: &str) -> String {
        let now = "((extract(epoch FROM clock_timestamp()) * 1000)::bigint + coalesce((SELECT clock_offset FROM {schema}.meta), 0))";
        let account = "(SELECT number FROM {schema}.accounts WHERE name = $1)";
        let (limit, idle) = (self.limit.as_millis(), idle_limit(self.limit).as_millis());
        sql.replace("{now}", now)
            .replace("{account}", account)
            .replace("{schema}", &self.schema)
            .replace("{limit}", &limit.to_string())
            .replace("{idle}", &idle.to_string())
    }
}

/// Returns the time between load and write after which a transaction is not committed. A suspended process holds an
/// account's lock for less time than others wait for it.
fn idle_limit(limit: Duration) -> Duration {
    limit * 3 / 10
}

fn first_row(messages: &[SimpleQueryMessage]) -> Option<&SimpleQueryRow> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_postgres::{Config, NoTls};

    use super::*;

    /// Answers a connection as a server does, and returns the received statements. Cancels those whose numbers are in
    /// `cancelled`.
    async fn serve(mut stream: DuplexStream, cancelled: std::ops::Range<usize>) -> Vec<String> {
        let length = stream.read_u32().await.unwrap() as usize;
        stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
        stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
        let mut statements = Vec::new();
        while let Ok(b'Q') = stream.read_u8().await {
            let length = stream.read_u32().await.unwrap() as usize;
            let mut text = vec![0; length - 4];
            stream.read_exact(&mut text).await.unwrap();
            text.pop();
            let (kind, body): (u8, &[u8]) = if cancelled.contains(&statements.len()) {
                (b'E', b"SERROR\0VERROR\0C57014\0Mcanceling statement\0\0")
            } else {
                (b'C', b"SET\0")
            };
            statements.push(String::from_utf8(text).unwrap());
            stream.write_u8(kind).await.unwrap();
            stream.write_u32(u32::try_from(body.len()).unwrap() + 4).await.unwrap();
            stream.write_all(body).await.unwrap();
            stream.write_all(b"Z\0\0\0\x05I").await.unwrap();
        }
        statements
    }

    #[tokio::test]
    async fn setting_limits_is_repeated_while_the_limit_of_the_role_ends_it() {
        for (count, succeeds) in [(0, true), (3, true), (ATTEMPTS, false)] {
            let (near, far) = duplex(4096);
            let server = tokio::spawn(serve(far, 0..count));
            let (client, connection) = Config::new().user("tgscan").connect_raw(near, NoTls).await.unwrap();
            let driver = tokio::spawn(connection).abort_handle();
            let connection = Connection::new(client, driver, "", Duration::ZERO);
            assert_eq!(connection.set_up("SET a TO 1").await.is_ok(), succeeds);
            drop(connection);
            let mut expected = vec!["ROLLBACK; SET a TO 1"; (count + 1).min(ATTEMPTS)];
            expected[0] = "SET a TO 1";
            assert_eq!(server.await.unwrap(), expected);
        }
    }
}
