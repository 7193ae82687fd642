//! One transaction on an account: two round trips, to load and to write.

use futures_util::future::join_all;
use futures_util::join;
use tgscan_core::store::{
    AccountRow, Answer, Call, CallId, Changes, JournalEntry, Loaded, Needs, OwnerId, QuestionRow, StoreError,
};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

use super::connection::{Connection, Parameters};
use super::error::Failure;
use super::version::check_version;
use super::{number, unsigned};
use crate::answer;

const LOCK: &str = "SELECT row FROM {schema}.accounts WHERE number = $1 FOR UPDATE";
/// Separate from [`LOCK`], because the server computes the columns of a row before it waits for the lock.
const TIME: &str = "SELECT {now}, (SELECT lease_until - {now} FROM {schema}.owners WHERE id = $1),
    (SELECT version FROM {schema}.meta)";
/// Loads calls and questions. Only rows of questions have a name.
///
/// The owner's number is compared twice, so that the index skips the owner's calls, of which there are many. A lease
/// that lasts for more than an hour was written while the clock was ahead, and counts as expired. `OFFSET 0` keeps
/// the planner from reading whole tables for a join.
const ROWS: &str = "
    WITH lost AS MATERIALIZED (
        SELECT c.id, c.key FROM (
            SELECT id, key, owner FROM {schema}.calls WHERE account = $1 AND owner < $2
            UNION ALL SELECT id, key, owner FROM {schema}.calls WHERE account = $1 AND owner > $2
        ) c LEFT JOIN {schema}.owners o ON o.id = c.owner
        WHERE o.id IS NULL OR o.lease_until NOT BETWEEN {now} AND {now} + 3600000
    )
    SELECT c.id, c.row, NULL::bytea, c.id IN (SELECT id FROM lost) FROM (
        SELECT unnest($3::bigint[])
        UNION SELECT q.blocking FROM unnest($4::bytea[]) k(key), LATERAL (
            SELECT blocking FROM {schema}.questions WHERE account = $1 AND key = k.key OFFSET 0
        ) q
        UNION SELECT id FROM lost
        UNION SELECT id FROM {schema}.calls WHERE $5 AND account = $1 AND is_unresolved
    ) wanted(id), LATERAL (
        SELECT id, row FROM {schema}.calls WHERE account = $1 AND id = wanted.id OFFSET 0
    ) c
    UNION ALL SELECT NULL, q.row, q.name, false FROM (
        SELECT unnest($4::bytea[])
        UNION SELECT c.key FROM unnest($3::bigint[]) k(id), LATERAL (
            SELECT key FROM {schema}.calls WHERE account = $1 AND id = k.id OFFSET 0
        ) c
        UNION SELECT key FROM lost
    ) wanted(key), LATERAL (
        SELECT row, name FROM {schema}.questions WHERE account = $1 AND key = wanted.key OFFSET 0
    ) q";
const JOURNAL: &str = "SELECT number, row FROM {schema}.journal WHERE account = $1 AND number = ANY ($2)";
/// Writes the tables that most transactions change in one statement, because each statement costs a message and a
/// reply.
const SET: &str = "
    WITH account AS (UPDATE {schema}.accounts SET row = $2 WHERE number = $1),
    calls AS (
        INSERT INTO {schema}.calls (account, id, row, key, owner, is_unresolved, is_answered, due_at)
        SELECT $1, * FROM unnest($3::bigint[], $4::bytea[], $5::bytea[], $6::bigint[], $7::boolean[], $8::boolean[], $9::bigint[])
        ON CONFLICT (account, id) DO UPDATE SET row = excluded.row, key = excluded.key, owner = excluded.owner,
        is_unresolved = excluded.is_unresolved, is_answered = excluded.is_answered, due_at = excluded.due_at
    ), questions AS (
        INSERT INTO {schema}.questions (account, key, name, row, blocking, answered)
        SELECT $1, * FROM unnest($10::bytea[], $11::bytea[], $12::bytea[], $13::bigint[], $14::bigint[])
        ON CONFLICT (account, key)
        DO UPDATE SET row = excluded.row, blocking = excluded.blocking, answered = excluded.answered
    ), answers AS (
        INSERT INTO {schema}.answers (account, id, answer) SELECT $1, * FROM unnest($15::bigint[], $16::bytea[])
        ON CONFLICT (account, id) DO UPDATE SET answer = excluded.answer
    )
    INSERT INTO {schema}.people (account, person, id) SELECT $1, * FROM unnest($17::bytea[], $18::bigint[])
    ON CONFLICT DO NOTHING";
const REMOVE_CALLS: &str = "DELETE FROM {schema}.calls WHERE account = $1 AND id = ANY ($2)";
const REMOVE_QUESTIONS: &str = "DELETE FROM {schema}.questions WHERE account = $1 AND key = ANY ($2)";
const REMOVE_ANSWERS: &str = "DELETE FROM {schema}.answers WHERE account = $1 AND id = ANY ($2)";
const REMOVE_PEOPLE: &str = "DELETE FROM {schema}.people WHERE account = $1 AND id = ANY ($2)";
const SET_JOURNAL: &str = "INSERT INTO {schema}.journal (account, number, row)
    SELECT $1, * FROM unnest($2::bigint[], $3::bytea[]) ON CONFLICT (account, number) DO UPDATE SET row = excluded.row";

/// The statements of a transaction.
pub(super) const STATEMENTS: [&str; 10] = [
    LOCK,
    TIME,
    ROWS,
    JOURNAL,
    SET,
    REMOVE_CALLS,
    REMOVE_QUESTIONS,
    REMOVE_ANSWERS,
    REMOVE_PEOPLE,
    SET_JOURNAL,
];

/// Begins a transaction, locks the account, and loads the needed rows, in one round trip. Also returns the remaining
/// time of the owner's lease, in milliseconds.
pub(super) async fn load(
    connection: &Connection,
    account: i32,
    owner: OwnerId,
    needs: &Needs,
) -> Result<(Loaded, i64), Failure> {
    let keys: Vec<Vec<u8>> = needs.questions.iter().map(|key| hash(key)).collect();
    let calls: Vec<i64> = needs.calls.iter().map(|call| number(*call)).collect::<Result<_, _>>()?;
    let journal: Vec<i64> = needs.journal.iter().map(|entry| number(*entry)).collect::<Result<_, _>>()?;
    let owner_id = number(owner)?;
    let lock: Parameters<'_> = vec![(&account, Type::INT4)];
    let time: Parameters<'_> = vec![(&owner_id, Type::INT8)];
    let mut of_rows = [lock.clone(), time.clone()].concat();
    of_rows.extend([
        (&calls as _, Type::INT8_ARRAY),
        (&keys as _, Type::BYTEA_ARRAY),
        (&needs.unresolved as _, Type::BOOL),
    ]);
    let of_journal: Parameters<'_> = vec![(&account, Type::INT4), (&journal, Type::INT8_ARRAY)];
    // Sent in this order, without waiting for replies.
    let (begun, locked, time, rows, journal) = join!(
        connection.begin(),
        connection.query(LOCK, &lock),
        connection.query(TIME, &time),
        connection.query(ROWS, &of_rows),
        async {
            if journal.is_empty() {
                return Ok(Vec::new());
            }
            connection.query(JOURNAL, &of_journal).await
        }
    );
    begun?;
    let (locked, time) = (locked?, time?);
    let ([locked], [time]) = (&locked[..], &time[..]) else {
        return Err(Failure::Store(StoreError::new("the account's row was removed")));
    };
    check_version(time.get(2)).map_err(Failure::Store)?;
    let mut loaded = Loaded { now: unsigned(time.get(0)), owner, ..Loaded::default() };
    loaded.account = AccountRow::from_bytes(locked.get(0)).map_err(Failure::Store)?;
    for row in rows? {
        let Some(name) = row.get::<_, Option<&[u8]>>(2) else {
            let id = unsigned(row.get(0));
            loaded.calls.push(Call::from_bytes(id, row.get(1)).map_err(Failure::Store)?);
            if row.get(3) {
                loaded.lost.push(id);
            }
            continue;
        };
        let name = String::from_utf8_lossy(name).into_owned();
        loaded.questions.push((name, QuestionRow::from_bytes(row.get(1)).map_err(Failure::Store)?));
    }
    for row in journal? {
        let entry = JournalEntry::from_bytes(row.get(1)).map_err(Failure::Store)?;
        loaded.journal.push((unsigned(row.get(0)), entry));
    }
    Ok((loaded, time.get::<_, Option<i64>>(1).unwrap_or(-1)))
}

/// Writes changes and commits, in one round trip.
pub(super) async fn write(connection: &Connection, account: i32, changes: &Changes) -> Result<(), Failure> {
    let rows = Rows::new(changes)?;
    let Some(row) = &changes.account else {
        connection.roll_back().await?;
        return Ok(());
    };
    let row = row.to_bytes();
    let run = |sql, count, parameters| run(connection, sql, account, count, parameters);
    let statements = [
        run(
            SET,
            1,
            vec![
                (&row, Type::BYTEA),
                (&rows.ids, Type::INT8_ARRAY),
                (&rows.calls, Type::BYTEA_ARRAY),
                (&rows.keys, Type::BYTEA_ARRAY),
                (&rows.owners, Type::INT8_ARRAY),
                (&rows.uncertain, Type::BOOL_ARRAY),
                (&rows.answered, Type::BOOL_ARRAY),
                (&rows.due, Type::INT8_ARRAY),
                (&rows.question_keys, Type::BYTEA_ARRAY),
                (&rows.question_names, Type::BYTEA_ARRAY),
                (&rows.questions, Type::BYTEA_ARRAY),
                (&rows.blocking, Type::INT8_ARRAY),
                (&rows.latest, Type::INT8_ARRAY),
                (&rows.answer_ids, Type::INT8_ARRAY),
                (&rows.answers, Type::BYTEA_ARRAY),
                (&rows.people, Type::BYTEA_ARRAY),
                (&rows.people_ids, Type::INT8_ARRAY),
            ],
        ),
        run(REMOVE_PEOPLE, rows.unnamed.len(), vec![(&rows.unnamed, Type::INT8_ARRAY)]),
        run(REMOVE_CALLS, rows.removed_calls.len(), vec![(&rows.removed_calls, Type::INT8_ARRAY)]),
        run(REMOVE_QUESTIONS, rows.removed_keys.len(), vec![(&rows.removed_keys, Type::BYTEA_ARRAY)]),
        run(REMOVE_ANSWERS, rows.removed_answers.len(), vec![(&rows.removed_answers, Type::INT8_ARRAY)]),
        run(
            SET_JOURNAL,
            rows.journal_numbers.len(),
            vec![(&rows.journal_numbers, Type::INT8_ARRAY), (&rows.journal, Type::BYTEA_ARRAY)],
        ),
    ];
    // Sent in this order, without waiting for replies.
    let (written, committed) = join!(join_all(statements), connection.commit());
    // A commit after a statement that failed is a rollback, and reports no error.
    written.into_iter().try_for_each(|result| result.map_err(Failure::in_doubt))?;
    committed.map_err(Failure::in_doubt)
}

/// Runs a statement on an account, if it has rows to change.
async fn run(
    connection: &Connection,
    sql: &'static str,
    account: i32,
    rows: usize,
    mut parameters: Parameters<'_>,
) -> Result<(), Error> {
    if rows > 0 {
        parameters.insert(0, (&account, Type::INT4));
        connection.query(sql, &parameters).await?;
    }
    Ok(())
}

/// Changes as columns.
#[derive(Default)]
struct Rows {
    ids: Vec<i64>,
    calls: Vec<Vec<u8>>,
    keys: Vec<Option<Vec<u8>>>,
    owners: Vec<Option<i64>>,
    uncertain: Vec<bool>,
    answered: Vec<bool>,
    due: Vec<Option<i64>>,
    removed_calls: Vec<i64>,
    question_keys: Vec<Vec<u8>>,
    question_names: Vec<Vec<u8>>,
    questions: Vec<Vec<u8>>,
    blocking: Vec<Option<i64>>,
    latest: Vec<Option<i64>>,
    removed_keys: Vec<Vec<u8>>,
    answer_ids: Vec<i64>,
    answers: Vec<Vec<u8>>,
    removed_answers: Vec<i64>,
    people: Vec<Vec<u8>>,
    people_ids: Vec<i64>,
    /// Calls that no longer name a person.
    unnamed: Vec<i64>,
    journal_numbers: Vec<i64>,
    journal: Vec<Vec<u8>>,
}

impl Rows {
    fn new(changes: &Changes) -> Result<Self, Failure> {
        let mut rows = Self::default();
        let optional = |id: Option<CallId>| id.map(number).transpose();
        for (before, after) in &changes.calls {
            let named = before.as_ref().map_or(&[][..], |call| &call.people);
            match after {
                Some(call) => {
                    let id = number(call.id)?;
                    rows.ids.push(id);
                    rows.calls.push(call.to_bytes());
                    rows.keys.push(call.question.as_ref().map(|question| hash(&question.key())));
                    rows.owners.push(call.entry.is_in_flight().then(|| number(call.owner)).transpose()?);
                    rows.uncertain.push(call.is_unresolved());
                    rows.answered.push(call.is_answered);
                    rows.due.push(call.due_at().map(|due| number(due).unwrap_or(i64::MAX)));
                    if call.people.is_empty() && !named.is_empty() {
                        rows.unnamed.push(id);
                    }
                    for person in call.people.iter().filter(|person| !named.contains(person)) {
                        rows.people.push(person.clone().into_bytes());
                        rows.people_ids.push(id);
                    }
                }
                None => {
                    if let Some(call) = before {
                        rows.removed_calls.push(number(call.id)?);
                        rows.unnamed.push(number(call.id)?);
                    }
                }
            }
        }
        for (key, row) in &changes.questions {
            let Some(row) = row else {
                rows.removed_keys.push(hash(key));
                continue;
            };
            rows.question_keys.push(hash(key));
            rows.question_names.push(key.clone().into_bytes());
            rows.questions.push(row.to_bytes());
            rows.blocking.push(optional(row.blocking)?);
            rows.latest.push(optional(row.answered.map(|(call, ..)| call))?);
        }
        for (call, answer) in &changes.answers {
            match answer {
                Some(answer) => {
                    rows.answer_ids.push(number(*call)?);
                    rows.answers.push(answer::encode(answer));
                }
                None => rows.removed_answers.push(number(*call)?),
            }
        }
        for (entry, row) in &changes.journal {
            rows.journal_numbers.push(number(*entry)?);
            rows.journal.push(row.to_bytes());
        }
        Ok(rows)
    }
}

/// Returns the key of a question in the database: a hash, so that long questions fit into an index.
pub(super) fn hash(key: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref().to_vec()
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
