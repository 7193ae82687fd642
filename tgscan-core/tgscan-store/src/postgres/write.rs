//! Writes the changes of a transaction.

use std::time::Instant;

use futures_util::join;
use tgscan_core::store::{AccountRow, Answer, Call, CallId, Changes, QuestionRow, Row as _};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::connection::{Connection, Parameter};
use super::error::Failure;
use super::known::{Assumed, Version};
use super::version::{VERSION, check_tables};
use super::{hash, signed};
use crate::answer;

/// Writes the changes of most transactions in one statement, because each statement costs a message and a reply. Returns
/// the writer of the account's row and the time.
///
/// Writes only if the tables still have the supported version. Without a writer in `$3`, the transaction has locked the
/// account. With one, also writes only if the account's row is still the known one, the time is about the expected one,
/// the owner's lease lasts long enough, questions are new, and no owner is lost. The statement may then wait for the lock
/// of the row.
pub(super) const WRITE: &str = "
    WITH account AS (
        UPDATE {schema}.accounts SET row = $2
        WHERE number = $1 AND (SELECT version FROM {schema}.meta) = $6 AND ($3::text IS NULL OR (
            xmin::text = $3 AND {now} BETWEEN $4 AND $5
            AND EXISTS (SELECT FROM {schema}.owners WHERE id = $7 AND lease_until >= $8::bigint + {now})
            AND NOT EXISTS (SELECT FROM {schema}.questions WHERE account = $1 AND key = ANY ($9))
            AND NOT EXISTS (
                SELECT FROM (
                    SELECT owner FROM {schema}.calls WHERE account = $1 AND owner < $7
                    UNION ALL SELECT owner FROM {schema}.calls WHERE account = $1 AND owner > $7
                ) c LEFT JOIN {schema}.owners o ON o.id = c.owner
                WHERE o.id IS NULL OR o.lease_until NOT BETWEEN {now} AND {now} + 3600000
            )
        ))
        RETURNING xmin::text AS writer, {now} AS now
    ), calls AS (
        INSERT INTO {schema}.calls (account, id, row, key, owner, is_unresolved, is_answered, due_at)
        SELECT $1, * FROM unnest($10::bigint[], $11::bytea[], $12::bytea[], $13::bigint[], $14::boolean[], $15::boolean[], $16::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, id) DO UPDATE SET row = excluded.row, key = excluded.key, owner = excluded.owner,
        is_unresolved = excluded.is_unresolved, is_answered = excluded.is_answered, due_at = excluded.due_at
    ), questions AS (
        INSERT INTO {schema}.questions (account, key, name, row, blocking, answered)
        SELECT $1, * FROM unnest($17::bytea[], $18::bytea[], $19::bytea[], $20::bigint[], $21::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, key)
        DO UPDATE SET row = excluded.row, blocking = excluded.blocking, answered = excluded.answered
    ), answers AS (
        INSERT INTO {schema}.answers (account, id, answer) SELECT $1, * FROM unnest($22::bigint[], $23::bytea[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, id) DO UPDATE SET answer = excluded.answer
    ), people AS (
        INSERT INTO {schema}.people (account, person, id) SELECT $1, * FROM unnest($24::bytea[], $25::bigint[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT DO NOTHING
    )
    SELECT writer, now FROM account";
/// Writes the other changes, after [`WRITE`] in the same transaction and only if that wrote the account's row. Separate,
/// because each table takes time even without changes.
pub(super) const REMOVE: &str = "
    WITH account AS (
        SELECT FROM {schema}.accounts WHERE number = $1 AND xmin::text = (txid_current() % 4294967296)::text
    ), journal AS (
        INSERT INTO {schema}.journal (account, number, row) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])
        WHERE EXISTS (SELECT FROM account)
        ON CONFLICT (account, number) DO UPDATE SET row = excluded.row
    ), calls AS (
        DELETE FROM {schema}.calls WHERE account = $1 AND id = ANY ($4) AND EXISTS (SELECT FROM account)
    ), people AS (
        DELETE FROM {schema}.people WHERE account = $1 AND id = ANY ($5) AND EXISTS (SELECT FROM account)
    ), questions AS (
        DELETE FROM {schema}.questions WHERE account = $1 AND key = ANY ($6) AND EXISTS (SELECT FROM account)
    )
    DELETE FROM {schema}.answers WHERE account = $1 AND id = ANY ($7) AND EXISTS (SELECT FROM account)";

/// Writes changes and commits, in one round trip. Returns the new version of the account's row, if it changed.
pub(super) async fn write_locked(
    connection: &Connection,
    account: i32,
    changes: &Changes,
) -> Result<Option<Version>, Failure> {
    let Some(row) = &changes.account else {
        connection.roll_back().await?;
        return Ok(None);
    };
    let (parameters, since) = (parameters(account, row, changes, None), Instant::now());
    let removing = async {
        match removals(account, changes) {
            Some(parameters) => connection.query(REMOVE, &parameters).await,
            None => Ok(Vec::new()),
        }
    };
    // Sent in this order, without waiting for replies.
    let (written, removed, committed) =
        join!(connection.query(WRITE, &parameters), removing, connection.commit());
    // A commit after a statement that failed is a rollback, and reports no error.
    let written = written.map_err(Failure::in_doubt)?;
    removed.map_err(Failure::in_doubt)?;
    committed.map_err(Failure::in_doubt)?;
    if written.is_empty() {
        check_tables(connection).await?;
        return Err(Failure::NoAccount);
    }
    Ok(version(&written, since))
}

/// Writes changes in one statement, which is a transaction. Returns the new version of the account's row, or `None` if
/// nothing was written because the statement does not write all changes, or an assumption is wrong.
pub(super) async fn write_assumed(
    connection: &Connection,
    account: i32,
    row: &AccountRow,
    changes: &Changes,
    assumed: Assumed,
) -> Result<Option<Version>, Failure> {
    if removals(account, changes).is_some() {
        return Ok(None);
    }
    let (parameters, since) = (parameters(account, row, changes, Some(assumed)), Instant::now());
    let written = connection.query(WRITE, &parameters).await.map_err(Failure::in_doubt)?;
    Ok(version(&written, since))
}

/// Returns the version of the account's row that a statement wrote.
fn version(rows: &[Row], since: Instant) -> Option<Version> {
    rows.first().map(|row| Version { writer: row.get(0), at: row.get(1), since })
}

/// Returns the parameters of [`WRITE`].
fn parameters(account: i32, row: &AccountRow, changes: &Changes, assumed: Option<Assumed>) -> Vec<Parameter> {
    let (from, until) = assumed.as_ref().map(|assumed| (assumed.from, assumed.until)).unzip();
    let (owner, lease) = assumed.as_ref().map(|assumed| (assumed.owner, assumed.lease)).unzip();
    let (writer, keys) = assumed.map(|assumed| (assumed.writer, assumed.keys)).unzip();
    let calls: Vec<&Call> = changes.calls.iter().filter_map(|(_, after)| after.as_ref()).collect();
    let questions: Vec<(&String, &QuestionRow)> =
        changes.questions.iter().filter_map(|(key, row)| Some((key, row.as_ref()?))).collect();
    let answers: Vec<(CallId, &Answer)> =
        changes.answers.iter().filter_map(|(call, answer)| Some((*call, answer.as_ref()?))).collect();
    let mut people = Vec::new();
    for (before, after) in &changes.calls {
        let Some(call) = after else { continue };
        let new = |name: &&String| before.as_ref().is_none_or(|before| !before.people.contains(name));
        people.extend(call.people.iter().filter(new).map(|name| (name.as_bytes(), signed(call.id))));
    }
    vec![
        (Box::new(account), Type::INT4),
        (Box::new(row.to_bytes()), Type::BYTEA),
        (Box::new(writer), Type::TEXT),
        (Box::new(from), Type::INT8),
        (Box::new(until), Type::INT8),
        (Box::new(VERSION), Type::INT4),
        (Box::new(owner), Type::INT8),
        (Box::new(lease), Type::INT8),
        (Box::new(keys), Type::BYTEA_ARRAY),
        column(Type::INT8_ARRAY, &calls, |call| signed(call.id)),
        column(Type::BYTEA_ARRAY, &calls, |call| call.to_bytes()),
        column(Type::BYTEA_ARRAY, &calls, |call| {
            call.question.as_ref().map(|question| hash(&question.key()))
        }),
        column(Type::INT8_ARRAY, &calls, |call| call.entry.is_in_flight().then_some(signed(call.owner))),
        column(Type::BOOL_ARRAY, &calls, |call| call.is_unresolved()),
        column(Type::BOOL_ARRAY, &calls, |call| call.is_answered),
        column(Type::INT8_ARRAY, &calls, |call| call.due_at().map(signed)),
        column(Type::BYTEA_ARRAY, &questions, |(key, _)| hash(key)),
        column(Type::BYTEA_ARRAY, &questions, |(key, _)| key.as_bytes().to_vec()),
        column(Type::BYTEA_ARRAY, &questions, |(_, row)| row.to_bytes()),
        column(Type::INT8_ARRAY, &questions, |(_, row)| row.blocking.map(signed)),
        column(Type::INT8_ARRAY, &questions, |(_, row)| row.answered.map(|(call, ..)| signed(call))),
        column(Type::INT8_ARRAY, &answers, |(call, _)| signed(*call)),
        column(Type::BYTEA_ARRAY, &answers, |(_, answer)| answer::encode(answer)),
        column(Type::BYTEA_ARRAY, &people, |(name, _)| name.to_vec()),
        column(Type::INT8_ARRAY, &people, |(_, id)| *id),
    ]
}

/// Returns the parameters of [`REMOVE`], or `None` if it has nothing to write.
fn removals(account: i32, changes: &Changes) -> Option<Vec<Parameter>> {
    let (mut calls, mut unnamed) = (Vec::new(), Vec::new());
    for (before, after) in &changes.calls {
        let Some(before) = before else { continue };
        if after.is_none() {
            calls.push(signed(before.id));
        }
        if !before.people.is_empty() && after.as_ref().is_none_or(|call| call.people.is_empty()) {
            unnamed.push(signed(before.id));
        }
    }
    let keys = changes.questions.iter().filter(|(_, row)| row.is_none());
    let keys: Vec<_> = keys.map(|(key, _)| hash(key)).collect();
    let answers = changes.answers.iter().filter(|(_, answer)| answer.is_none());
    let answers: Vec<_> = answers.map(|(call, _)| signed(*call)).collect();
    if calls.is_empty()
        && unnamed.is_empty()
        && keys.is_empty()
        && answers.is_empty()
        && changes.journal.is_empty()
    {
        return None;
    }
    Some(vec![
        (Box::new(account), Type::INT4),
        column(Type::INT8_ARRAY, &changes.journal, |(number, _)| signed(*number)),
        column(Type::BYTEA_ARRAY, &changes.journal, |(_, entry)| entry.to_bytes()),
        (Box::new(calls), Type::INT8_ARRAY),
        (Box::new(unnamed), Type::INT8_ARRAY),
        (Box::new(keys), Type::BYTEA_ARRAY),
        (Box::new(answers), Type::INT8_ARRAY),
    ])
}

/// Returns a column of rows.
fn column<T, V: ToSql + Send + Sync + 'static>(kind: Type, rows: &[T], value: impl Fn(&T) -> V) -> Parameter {
    (Box::new(rows.iter().map(value).collect::<Vec<_>>()), kind)
}
