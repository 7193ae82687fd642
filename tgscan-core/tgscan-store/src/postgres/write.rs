//! Writes the changes of a transaction.

use std::time::Instant;

use futures_util::future::join_all;
use futures_util::join;
use tgscan_core::store::{AccountRow, Changes};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

use super::columns::Columns;
use super::conditions::{Unchanged, Version};
use super::connection::{Connection, Parameters};
use super::error::Failure;
use super::number;
use super::version::VERSION;

/// Writes the tables that most transactions change in one statement, because each statement costs a message and a
/// reply. Returns the writer of the account's row and the time.
macro_rules! set {
    ($condition:literal) => {
        concat!(
            "
    WITH account AS (
        UPDATE {schema}.accounts SET row = $2
        WHERE number = $1 ",
            $condition,
            "
        RETURNING xmin::text AS writer, {now} AS now
    ), calls AS (
        INSERT INTO {schema}.calls (account, id, row, key, owner, is_unresolved, is_answered, due_at)
        SELECT $1, * FROM unnest($3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[], $7::boolean[], $8::boolean[], $9::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, id) DO UPDATE SET row = excluded.row, key = excluded.key, owner = excluded.owner,
        is_unresolved = excluded.is_unresolved, is_answered = excluded.is_answered, due_at = excluded.due_at
    ), questions AS (
        INSERT INTO {schema}.questions (account, key, name, row, blocking, answered)
        SELECT $1, * FROM unnest($10::bytea[], $11::bytea[], $12::bytea[], $13::bigint[], $14::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, key)
        DO UPDATE SET row = excluded.row, blocking = excluded.blocking, answered = excluded.answered
    ), answers AS (
        INSERT INTO {schema}.answers (account, id, answer) SELECT $1, * FROM unnest($15::bigint[], $16::bytea[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, id) DO UPDATE SET answer = excluded.answer
    ), people AS (
        INSERT INTO {schema}.people (account, person, id) SELECT $1, * FROM unnest($17::bytea[], $18::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT DO NOTHING
    )
    SELECT writer, now FROM account"
        )
    };
}

/// Writes in a transaction that locks the account.
pub(super) const SET: &str = set!("");
/// Writes only if the account's row is still the one that was loaded, and the tables have the same version. The
/// statement must start a short time after the load, but may then wait for a lock.
pub(super) const SET_UNCHANGED: &str =
    set!("AND xmin::text = $19 AND {now} BETWEEN $20 AND $21 AND (SELECT version FROM {schema}.meta) = $22");
/// As [`SET_UNCHANGED`], and only if the owner's lease lasts long enough, questions are new, and no owner is lost.
pub(super) const SET_ASSUMED: &str = set!(
    "AND xmin::text = $19 AND {now} BETWEEN $20 AND $21 AND (SELECT version FROM {schema}.meta) = $22
        AND EXISTS (SELECT FROM {schema}.owners WHERE id = $23 AND lease_until >= $24 + {now})
        AND NOT EXISTS (SELECT FROM {schema}.questions WHERE account = $1 AND key = ANY ($25))
        AND NOT EXISTS (
            SELECT FROM (
                SELECT owner FROM {schema}.calls WHERE account = $1 AND owner < $23
                UNION ALL SELECT owner FROM {schema}.calls WHERE account = $1 AND owner > $23
            ) c LEFT JOIN {schema}.owners o ON o.id = c.owner
            WHERE o.id IS NULL OR o.lease_until NOT BETWEEN {now} AND {now} + 3600000
        )"
);
pub(super) const REMOVE_CALLS: &str = "DELETE FROM {schema}.calls WHERE account = $1 AND id = ANY ($2)";
pub(super) const REMOVE_QUESTIONS: &str =
    "DELETE FROM {schema}.questions WHERE account = $1 AND key = ANY ($2)";
pub(super) const REMOVE_ANSWERS: &str = "DELETE FROM {schema}.answers WHERE account = $1 AND id = ANY ($2)";
pub(super) const REMOVE_PEOPLE: &str = "DELETE FROM {schema}.people WHERE account = $1 AND id = ANY ($2)";
pub(super) const SET_JOURNAL: &str = "INSERT INTO {schema}.journal (account, number, row)
    SELECT $1, * FROM unnest($2::bigint[], $3::bytea[]) ON CONFLICT (account, number) DO UPDATE SET row = excluded.row";

/// Writes changes and commits, in one round trip. Returns the new version of the account's row, if it changed.
pub(super) async fn write_locked(
    connection: &Connection,
    account: i32,
    changes: &Changes,
) -> Result<Option<Version>, Failure> {
    let Some(row) = changes.account.as_ref().map(AccountRow::to_bytes) else {
        connection.roll_back().await?;
        return Ok(None);
    };
    let since = Instant::now();
    let columns = Columns::new(changes)?;
    let run = |sql, count, parameters| run(connection, sql, account, count, parameters);
    let statements = [
        run(SET, 1, set(&row, &columns)),
        run(REMOVE_PEOPLE, columns.unnamed.len(), vec![(&columns.unnamed, Type::INT8_ARRAY)]),
        run(REMOVE_CALLS, columns.removed_calls.len(), vec![(&columns.removed_calls, Type::INT8_ARRAY)]),
        run(REMOVE_QUESTIONS, columns.removed_keys.len(), vec![(&columns.removed_keys, Type::BYTEA_ARRAY)]),
        run(
            REMOVE_ANSWERS,
            columns.removed_answers.len(),
            vec![(&columns.removed_answers, Type::INT8_ARRAY)],
        ),
        run(
            SET_JOURNAL,
            columns.journal_numbers.len(),
            vec![(&columns.journal_numbers, Type::INT8_ARRAY), (&columns.journal, Type::BYTEA_ARRAY)],
        ),
    ];
    // Sent in this order, without waiting for replies.
    let (written, committed) = join!(join_all(statements), connection.commit());
    // A commit after a statement that failed is a rollback, and reports no error.
    let written: Result<Vec<_>, _> = written.into_iter().collect();
    let written = written.map_err(Failure::in_doubt)?;
    committed.map_err(Failure::in_doubt)?;
    Ok(written.first().and_then(|rows| version(rows, since)))
}

/// Returns the version of the account's row that a statement wrote.
fn version(rows: &[Row], since: Instant) -> Option<Version> {
    rows.first().map(|row| Version { writer: row.get(0), at: row.get(1), since })
}

/// Writes changes in one statement, which is a transaction. Returns the new version of the account's row, or `None` if
/// nothing was written because a condition is not met.
pub(super) async fn write_unlocked(
    connection: &Connection,
    account: i32,
    unchanged: &Unchanged<'_>,
    row: &AccountRow,
    columns: &Columns,
) -> Result<Option<Version>, Failure> {
    let (row, since) = (row.to_bytes(), Instant::now());
    let Unchanged { writer, from, until, assumed } = unchanged;
    let mut parameters: Parameters<'_> = vec![(&account, Type::INT4)];
    parameters.extend(set(&row, columns));
    parameters.extend([
        (writer as _, Type::TEXT),
        (from as _, Type::INT8),
        (until as _, Type::INT8),
        (&VERSION as _, Type::INT4),
    ]);
    let (owner, mut statement) =
        (assumed.as_ref().map(|assumed| number(assumed.owner)).transpose()?, SET_UNCHANGED);
    if let Some(assumed) = assumed {
        statement = SET_ASSUMED;
        parameters.extend([
            (&owner as _, Type::INT8),
            (&assumed.lease as _, Type::INT8),
            (&assumed.keys as _, Type::BYTEA_ARRAY),
        ]);
    }
    let written = connection.query(statement, &parameters).await.map_err(Failure::in_doubt)?;
    Ok(version(&written, since))
}

/// Returns the parameters of [`SET`] after the account's number.
fn set<'a>(row: &'a Vec<u8>, columns: &'a Columns) -> Parameters<'a> {
    vec![
        (row, Type::BYTEA),
        (&columns.ids, Type::INT8_ARRAY),
        (&columns.calls, Type::BYTEA_ARRAY),
        (&columns.keys, Type::BYTEA_ARRAY),
        (&columns.owners, Type::INT8_ARRAY),
        (&columns.uncertain, Type::BOOL_ARRAY),
        (&columns.answered, Type::BOOL_ARRAY),
        (&columns.due, Type::INT8_ARRAY),
        (&columns.question_keys, Type::BYTEA_ARRAY),
        (&columns.question_names, Type::BYTEA_ARRAY),
        (&columns.questions, Type::BYTEA_ARRAY),
        (&columns.blocking, Type::INT8_ARRAY),
        (&columns.latest, Type::INT8_ARRAY),
        (&columns.answer_ids, Type::INT8_ARRAY),
        (&columns.answers, Type::BYTEA_ARRAY),
        (&columns.people, Type::BYTEA_ARRAY),
        (&columns.people_ids, Type::INT8_ARRAY),
    ]
}

/// Runs a statement on an account, if it has rows to change.
async fn run(
    connection: &Connection,
    sql: &'static str,
    account: i32,
    rows: usize,
    mut parameters: Parameters<'_>,
) -> Result<Vec<Row>, Error> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    parameters.insert(0, (&account, Type::INT4));
    connection.query(sql, &parameters).await
}
