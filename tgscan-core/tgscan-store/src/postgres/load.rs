//! Loads the rows that a transaction needs.

use std::time::Instant;

use futures_util::join;
use tgscan_core::store::{
    AccountRow, Answer, Call, JournalEntry, Loaded, Needs, OwnerId, QuestionRow, StoreError,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

use super::conditions::Version;
use super::connection::{Connection, Parameters};
use super::error::Failure;
use super::version::check_version;
use super::{hash, number, unsigned};
use crate::answer;

/// Loads the account, and calls and questions: those with the given ids and keys, the questions of these calls, and the
/// calls that block these questions. Only the account's row has the last column.
///
/// The owner's number is compared twice, so that the index skips the owner's calls, of which there are many. A lease
/// that lasts for more than an hour was written while the clock was ahead, and counts as expired. `OFFSET 0` keeps
/// the planner from reading whole tables for a join.
pub(super) const LOAD: &str = "
    SELECT NULL::bigint, NULL::bytea, NULL::bytea, a.row, a.xmin::text, t.now, o.lease_until - t.now,
        (SELECT version FROM {schema}.meta), EXISTS (
            SELECT FROM (
                SELECT owner FROM {schema}.calls WHERE account = $1 AND owner < $2
                UNION ALL SELECT owner FROM {schema}.calls WHERE account = $1 AND owner > $2
            ) c LEFT JOIN {schema}.owners o ON o.id = c.owner
            WHERE o.id IS NULL OR o.lease_until NOT BETWEEN t.now AND t.now + 3600000
        )
    FROM (SELECT {now} OFFSET 0) t(now) LEFT JOIN {schema}.accounts a ON a.number = $1
        LEFT JOIN {schema}.owners o ON o.id = $2
    UNION ALL SELECT c.id, c.row, q.name, q.row, NULL, NULL, NULL, NULL, NULL
    FROM unnest($3::bigint[]) k(id), LATERAL (
        SELECT id, row, key FROM {schema}.calls WHERE account = $1 AND id = k.id OFFSET 0
    ) c LEFT JOIN LATERAL (
        SELECT name, row FROM {schema}.questions WHERE account = $1 AND key = c.key OFFSET 0
    ) q ON true
    UNION ALL SELECT c.id, c.row, q.name, q.row, NULL, NULL, NULL, NULL, NULL
    FROM unnest($4::bytea[]) k(key), LATERAL (
        SELECT name, row, blocking FROM {schema}.questions WHERE account = $1 AND key = k.key OFFSET 0
    ) q LEFT JOIN LATERAL (
        SELECT id, row FROM {schema}.calls WHERE account = $1 AND id = q.blocking OFFSET 0
    ) c ON true";
/// Loads the calls of lost owners with their questions, and unresolved calls if `$3`.
pub(super) const LOAD_OPEN: &str = "
    WITH lost AS (
        SELECT c.id, c.key, c.row FROM {schema}.calls c LEFT JOIN {schema}.owners o ON o.id = c.owner
        WHERE c.account = $1 AND c.owner IS NOT NULL AND c.owner <> $2
        AND (o.id IS NULL OR o.lease_until NOT BETWEEN {now} AND {now} + 3600000)
    )
    SELECT l.id, l.row, q.name, q.row, true FROM lost l LEFT JOIN LATERAL (
        SELECT name, row FROM {schema}.questions WHERE account = $1 AND key = l.key OFFSET 0
    ) q ON true
    UNION ALL SELECT id, row, NULL, NULL, false FROM {schema}.calls WHERE $3 AND account = $1 AND is_unresolved";
pub(super) const JOURNAL: &str =
    "SELECT number, row FROM {schema}.journal WHERE account = $1 AND number = ANY ($2)";

/// The loaded rows of an account.
pub(super) struct Snapshot {
    pub(super) loaded: Loaded,
    /// The remaining time of the owner's lease, in milliseconds.
    pub(super) lease_left: i64,
    pub(super) version: Version,
}

/// Loads the needed rows without a lock. Returns `None` if owners are lost.
pub(super) async fn load_unlocked(
    connection: &Connection,
    account: i32,
    owner: OwnerId,
    needs: &Needs,
) -> Result<Option<Snapshot>, Failure> {
    let (wanted, since) = (Wanted::new(account, owner, needs)?, Instant::now());
    let (snapshot, has_lost) = snapshot(&connection.query(LOAD, &wanted.rows()).await?, owner, since)?;
    Ok((!has_lost).then_some(snapshot))
}

/// Begins a transaction, locks the account, and loads the needed rows, in one round trip unless owners are lost.
pub(super) async fn load_locked(
    connection: &Connection,
    account: i32,
    owner: OwnerId,
    needs: &Needs,
) -> Result<Snapshot, Failure> {
    let (wanted, since) = (Wanted::new(account, owner, needs)?, Instant::now());
    // Sent in this order, without waiting for replies.
    let (begun, mut read) = join!(connection.begin(account), wanted.read(connection));
    if !begun? {
        read = wanted.read(connection).await;
    }
    let (rows, mut open, journal) = read?;
    let (mut snapshot, has_lost) = snapshot(&rows, owner, since)?;
    if has_lost && !needs.unresolved {
        open = wanted.open(connection).await?;
    }
    let loaded = &mut snapshot.loaded;
    for row in open {
        add(loaded, &row)?;
        if row.get(4) {
            loaded.lost.push(unsigned(row.get(0)));
        }
    }
    for row in journal {
        let entry = JournalEntry::from_bytes(row.get(1)).map_err(Failure::Store)?;
        loaded.journal.push((unsigned(row.get(0)), entry));
    }
    Ok(snapshot)
}

/// The needed rows as parameters.
struct Wanted {
    account: i32,
    owner: i64,
    calls: Vec<i64>,
    keys: Vec<Vec<u8>>,
    unresolved: bool,
    journal: Vec<i64>,
}

impl Wanted {
    fn new(account: i32, owner: OwnerId, needs: &Needs) -> Result<Self, Failure> {
        Ok(Self {
            account,
            owner: number(owner)?,
            calls: needs.calls.iter().map(|call| number(*call)).collect::<Result<_, _>>()?,
            keys: needs.questions.iter().map(|key| hash(key)).collect(),
            unresolved: needs.unresolved,
            journal: needs.journal.iter().map(|entry| number(*entry)).collect::<Result<_, _>>()?,
        })
    }

    fn rows(&self) -> Parameters<'_> {
        vec![
            (&self.account, Type::INT4),
            (&self.owner, Type::INT8),
            (&self.calls, Type::INT8_ARRAY),
            (&self.keys, Type::BYTEA_ARRAY),
        ]
    }

    /// Reads the rows, unresolved calls, and entries of the journal.
    async fn read(&self, connection: &Connection) -> Result<(Vec<Row>, Vec<Row>, Vec<Row>), Error> {
        let rows = self.rows();
        let open = async { if self.unresolved { self.open(connection).await } else { Ok(Vec::new()) } };
        let journal = async {
            if self.journal.is_empty() {
                return Ok(Vec::new());
            }
            let parameters: Parameters<'_> =
                vec![(&self.account, Type::INT4), (&self.journal, Type::INT8_ARRAY)];
            connection.query(JOURNAL, &parameters).await
        };
        let (rows, open, journal) = join!(connection.query(LOAD, &rows), open, journal);
        Ok((rows?, open?, journal?))
    }

    async fn open(&self, connection: &Connection) -> Result<Vec<Row>, Error> {
        let parameters: Parameters<'_> =
            vec![(&self.account, Type::INT4), (&self.owner, Type::INT8), (&self.unresolved, Type::BOOL)];
        connection.query(LOAD_OPEN, &parameters).await
    }
}

/// Parses the rows of [`LOAD`]. Also returns whether owners are lost.
fn snapshot(rows: &[Row], owner: OwnerId, since: Instant) -> Result<(Snapshot, bool), Failure> {
    let removed = || Failure::Store(StoreError::new("the account's row was removed"));
    let is_first = |row: &&Row| row.get::<_, Option<bool>>(8).is_some();
    let first = rows.iter().find(is_first).ok_or_else(removed)?;
    check_version(first.get(7)).map_err(Failure::Store)?;
    let (row, writer): (Option<&[u8]>, Option<String>) = (first.get(3), first.get(4));
    let (row, writer) = row.zip(writer).ok_or_else(removed)?;
    let at = first.get(5);
    let mut loaded = Loaded { now: unsigned(at), owner, ..Loaded::default() };
    loaded.account = AccountRow::from_bytes(row).map_err(Failure::Store)?;
    for row in rows.iter().filter(|row| !is_first(row)) {
        add(&mut loaded, row)?;
    }
    let lease_left = first.get::<_, Option<i64>>(6).unwrap_or(-1);
    Ok((Snapshot { loaded, lease_left, version: Version { writer, at, since } }, first.get(8)))
}

/// Adds a call and a question from the columns `id`, `row`, `name` and `row`.
fn add(loaded: &mut Loaded, row: &Row) -> Result<(), Failure> {
    if let Some(bytes) = row.get::<_, Option<&[u8]>>(1) {
        loaded.calls.push(Call::from_bytes(unsigned(row.get(0)), bytes).map_err(Failure::Store)?);
    }
    if let Some(name) = row.get::<_, Option<&[u8]>>(2) {
        let name = String::from_utf8_lossy(name).into_owned();
        loaded.questions.push((name, QuestionRow::from_bytes(row.get(3)).map_err(Failure::Store)?));
    }
    Ok(())
}

/// Returns a call and its answer from the columns `row`, `id` and `answer`.
pub(super) fn call_of(row: &Row) -> Result<(Call, Option<Answer>), StoreError> {
    Ok((Call::from_bytes(unsigned(row.get("id")), row.get("row"))?, answer_of(row)?))
}

/// Returns the answer in the column `answer`.
pub(super) fn answer_of(row: &Row) -> Result<Option<Answer>, StoreError> {
    let answer: Option<Vec<u8>> = row.get("answer");
    let damaged = || StoreError::new("an answer in the store is damaged");
    answer.map(|bytes| answer::decode(bytes).ok_or_else(damaged)).transpose()
}
