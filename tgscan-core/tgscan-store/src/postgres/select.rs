//! Reads rows outside of transactions.

use tgscan_core::store::{
    AccountName, AccountRow, Call, Found, JournalEntry, QuestionRow, Row as _, Selection, StoreError,
};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::Parameter;
use super::{account_bytes, hash, signed, unsigned};
use crate::answer;

/// Returns the statement that reads a selection, and its parameters.
pub(super) fn statement(account: &AccountName, rows: Selection) -> (&'static str, Vec<Parameter>) {
    let number = |value: u64| -> Parameter { (Box::new(signed(value)), Type::INT8) };
    let count = |limit: usize| number(limit.try_into().unwrap_or(u64::MAX));
    let key = |key: &str| -> Parameter { (Box::new(hash(key)), Type::BYTEA) };
    let (sql, others) = match rows {
        Selection::Question(question) => (
            "SELECT {now} AS now, q.row AS question, a.answer FROM {schema}.meta
            LEFT JOIN {schema}.questions q ON q.account = {account} AND q.key = $2
            LEFT JOIN {schema}.answers a ON a.account = q.account AND a.id = q.answered",
            vec![key(&question)],
        ),
        Selection::Call(call) => (
            "SELECT c.id, c.row AS call, a.answer FROM {schema}.calls c
            LEFT JOIN {schema}.answers a ON a.account = c.account AND a.id = c.id
            WHERE c.account = {account} AND c.id = $2",
            vec![number(call)],
        ),
        Selection::Calls { after, limit } => (
            "SELECT id, row AS call FROM {schema}.calls WHERE account = {account} AND id > $2
            ORDER BY id LIMIT $3",
            vec![number(after), count(limit)],
        ),
        Selection::Due { limit } => (
            "SELECT id, row AS due FROM {schema}.calls WHERE account = {account} AND due_at <= (SELECT {now})
            ORDER BY due_at, id LIMIT $2",
            vec![count(limit)],
        ),
        Selection::People(people) => {
            let people: Vec<Vec<u8>> = people.into_iter().map(String::into_bytes).collect();
            (
                "SELECT id, row AS call FROM {schema}.calls WHERE account = {account} AND id = ANY (ARRAY(
                    SELECT id FROM {schema}.people WHERE account = {account} AND person = ANY ($2)
                )) ORDER BY id",
                vec![(Box::new(people) as _, Type::BYTEA_ARRAY)],
            )
        }
        Selection::Unresolved => (
            "SELECT id, row AS call FROM {schema}.calls WHERE account = {account} AND is_unresolved ORDER BY id",
            Vec::new(),
        ),
        Selection::History(question) => (
            "SELECT id, row AS call FROM {schema}.calls WHERE account = {account} AND key = $2 AND is_answered
            ORDER BY id DESC",
            vec![key(&question)],
        ),
        Selection::Journal { after, limit } => (
            "SELECT number AS id, row AS entry FROM {schema}.journal WHERE account = {account} AND number > $2
            ORDER BY number LIMIT $3",
            vec![number(after), count(limit)],
        ),
        _ => (
            "SELECT {now} AS now, a.row AS account FROM {schema}.meta
            LEFT JOIN {schema}.accounts a ON a.name = $1",
            Vec::new(),
        ),
    };
    let name: Parameter = (Box::new(account_bytes(account)), Type::BYTEA);
    (sql, std::iter::once(name).chain(others).collect())
}

/// Parses the rows of a selection by the names of their columns.
pub(super) fn found(rows: &[Row]) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for row in rows {
        let number = |column: &str| row.try_get::<_, i64>(column).ok().map(unsigned);
        let bytes = |column: &str| row.try_get::<_, &[u8]>(column).ok();
        found.now = number("now").unwrap_or_default();
        if let Some(row) = bytes("account") {
            found.account = AccountRow::from_bytes(row)?;
        }
        if let Some(row) = bytes("question") {
            found.question = QuestionRow::from_bytes(row)?;
        }
        if let Some(answer) = bytes("answer") {
            let damaged = || StoreError::new("an answer in the store is damaged");
            found.answer = Some(answer::decode(answer.to_vec()).ok_or_else(damaged)?);
        }
        let id = number("id").unwrap_or_default();
        if let Some(row) = bytes("call") {
            found.calls.push(Call::from_bytes(id, row)?);
        }
        if let Some(row) = bytes("due") {
            // A damaged row delays only its own expiry.
            found.calls.extend(Call::from_bytes(id, row));
        }
        if let Some(row) = bytes("entry") {
            found.journal.push((id, JournalEntry::from_bytes(row)?));
        }
    }
    Ok(found)
}
