//! One transaction on an account: two round trips, to load and to write.

use futures_util::future::join_all;
use futures_util::join;
use tgscan_core::store::{
    AccountRow, Answer, Call, CallId, Changes, JournalEntry, Loaded, Needs, OwnerId, QuestionRow, StoreError,
};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::error::Failure;
use super::{number, unsigned};
use crate::answer;

/// The time in milliseconds since 1970, by the server's clock.
pub(super) const NOW: &str =
    "((extract(epoch FROM clock_timestamp()) * 1000)::bigint + (SELECT clock_offset FROM {schema}.meta))";

/// How long a lease may last at most: one that lasts longer was written while the clock was ahead. In milliseconds.
const MAX_LEASE: i64 = 3_600_000;

/// How long a suspended process may hold an account's lock, in milliseconds: shorter than others wait for it.
const IDLE: u32 = 3_000;

/// The statements, with the schema's name. None is prepared on the server or depends on the session, so that they work
/// behind poolers.
pub(super) struct Statements {
    begin: String,
    lock: String,
    time: String,
    calls: String,
    questions: String,
    journal: String,
    set_account: String,
    set_calls: String,
    remove_calls: String,
    set_questions: String,
    remove_questions: String,
    set_answers: String,
    remove_answers: String,
    add_people: String,
    remove_people: String,
    set_journal: String,
}

impl Statements {
    pub(super) fn new(schema: &str, limit: u128) -> Self {
        let sql = |text: &str| text.replace("{now}", NOW).replace("{schema}", schema);
        let is_lost = format!(
            "(c.owner IS NOT NULL AND c.owner <> $2 AND (o.id IS NULL OR o.lease_until NOT BETWEEN {{now}} AND {{now}} + {MAX_LEASE}))"
        );
        let lost = format!(
            "{{schema}}.calls c LEFT JOIN {{schema}}.owners o ON o.id = c.owner WHERE c.account = $1 AND {is_lost}"
        );
        Self {
            begin: sql(&format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
                 SET LOCAL statement_timeout TO {limit}; SET LOCAL lock_timeout TO {limit};
                 SET LOCAL idle_in_transaction_session_timeout TO {IDLE};
                 SET LOCAL synchronous_commit TO on; SET LOCAL bytea_output TO hex"
            )),
            lock: sql("SELECT row FROM {schema}.accounts WHERE number = $1 FOR UPDATE"),
            // Apart, because the columns of a row are computed before its lock is waited for.
            time: sql("SELECT {now}, (SELECT lease_until - {now} FROM {schema}.owners WHERE id = $1)"),
            calls: sql(&format!(
                "SELECT c.id, c.row, {is_lost} FROM {{schema}}.calls c LEFT JOIN {{schema}}.owners o ON o.id = c.owner
                 WHERE c.account = $1 AND c.id IN (
                     SELECT unnest($3::bigint[])
                     UNION SELECT blocking FROM {{schema}}.questions WHERE account = $1 AND key = ANY ($4)
                     UNION SELECT c.id FROM {lost}
                     UNION SELECT id FROM {{schema}}.calls WHERE $5 AND account = $1 AND is_unresolved
                 )"
            )),
            questions: sql(&format!(
                "SELECT q.name, q.row FROM {{schema}}.questions q WHERE q.account = $1 AND q.key IN (
                     SELECT unnest($4::bytea[])
                     UNION SELECT key FROM {{schema}}.calls WHERE account = $1 AND id = ANY ($3)
                     UNION SELECT c.key FROM {lost}
                 )"
            )),
            journal: sql("SELECT number, row FROM {schema}.journal WHERE account = $1 AND number = ANY ($2)"),
            set_account: sql("UPDATE {schema}.accounts SET row = $2 WHERE number = $1"),
            set_calls: sql(
                "INSERT INTO {schema}.calls (account, id, row, key, owner, is_unresolved, is_answered, due_at)
                 SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bigint[], $6::boolean[], $7::boolean[], $8::bigint[])
                 ON CONFLICT (account, id) DO UPDATE SET row = excluded.row, key = excluded.key, owner = excluded.owner,
                 is_unresolved = excluded.is_unresolved, is_answered = excluded.is_answered, due_at = excluded.due_at",
            ),
            remove_calls: sql("DELETE FROM {schema}.calls WHERE account = $1 AND id = ANY ($2)"),
            set_questions: sql(
                "INSERT INTO {schema}.questions (account, key, name, row, blocking, answered)
                 SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[])
                 ON CONFLICT (account, key) DO UPDATE SET row = excluded.row, blocking = excluded.blocking,
                 answered = excluded.answered",
            ),
            remove_questions: sql("DELETE FROM {schema}.questions WHERE account = $1 AND key = ANY ($2)"),
            set_answers: sql(
                "INSERT INTO {schema}.answers (account, id, answer) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])
                 ON CONFLICT (account, id) DO UPDATE SET answer = excluded.answer",
            ),
            remove_answers: sql("DELETE FROM {schema}.answers WHERE account = $1 AND id = ANY ($2)"),
            add_people: sql(
                "INSERT INTO {schema}.people (account, person, id) SELECT $1, * FROM unnest($2::bytea[], $3::bigint[])
                 ON CONFLICT DO NOTHING",
            ),
            remove_people: sql("DELETE FROM {schema}.people WHERE account = $1 AND id = ANY ($2)"),
            set_journal: sql(
                "INSERT INTO {schema}.journal (account, number, row) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])
                 ON CONFLICT (account, number) DO UPDATE SET row = excluded.row",
            ),
        }
    }
}

/// Begins a transaction, locks the account, and loads what is needed, in one round trip. Returns how much longer the
/// owner's lease lasts, in milliseconds.
pub(super) async fn load(
    client: &Client,
    statements: &Statements,
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
    let mut of_questions = [lock.clone(), time.clone()].concat();
    of_questions.extend([(&calls as _, Type::INT8_ARRAY), (&keys as _, Type::BYTEA_ARRAY)]);
    let mut of_calls = of_questions.clone();
    of_calls.push((&needs.unresolved, Type::BOOL));
    let of_journal: Parameters<'_> = vec![(&account, Type::INT4), (&journal, Type::INT8_ARRAY)];
    // One after the other on the connection, and all of them before the first answer comes.
    let (begun, locked, time, calls, questions, journal) = join!(
        client.batch_execute(&statements.begin),
        client.query_typed_opt(&statements.lock, &lock),
        client.query_typed_one(&statements.time, &time),
        client.query_typed(&statements.calls, &of_calls),
        client.query_typed(&statements.questions, &of_questions),
        async {
            if journal.is_empty() {
                return Ok(Vec::new());
            }
            client.query_typed(&statements.journal, &of_journal).await
        }
    );
    begun?;
    let Some(locked) = locked? else {
        return Err(Failure::Store(StoreError::new("the account's row is gone")));
    };
    let time = time?;
    let mut loaded = Loaded { now: unsigned(time.get(0)), owner, ..Loaded::default() };
    loaded.account = AccountRow::from_bytes(locked.get(0)).map_err(Failure::Store)?;
    for row in calls? {
        let id = unsigned(row.get(0));
        loaded.calls.push(Call::from_bytes(id, row.get(1)).map_err(Failure::Store)?);
        if row.get(2) {
            loaded.lost.push(id);
        }
    }
    for row in questions? {
        let name = String::from_utf8_lossy(row.get(0)).into_owned();
        loaded.questions.push((name, QuestionRow::from_bytes(row.get(1)).map_err(Failure::Store)?));
    }
    for row in journal? {
        let entry = JournalEntry::from_bytes(row.get(1)).map_err(Failure::Store)?;
        loaded.journal.push((unsigned(row.get(0)), entry));
    }
    Ok((loaded, time.get::<_, Option<i64>>(1).unwrap_or(-1)))
}

/// Writes changes and commits, in one round trip.
pub(super) async fn write(
    client: &Client,
    statements: &Statements,
    account: i32,
    changes: &Changes,
) -> Result<(), Failure> {
    let rows = Rows::new(changes)?;
    let Some(row) = &changes.account else {
        client.batch_execute("ROLLBACK").await?;
        return Ok(());
    };
    let row = row.to_bytes();
    let account_only: Parameters<'_> = vec![(&row, Type::BYTEA)];
    let run = |sql, count, parameters| run(client, sql, account, count, parameters);
    let statements = [
        run(&statements.set_account, 1, account_only),
        run(&statements.remove_people, rows.unnamed.len(), vec![(&rows.unnamed, Type::INT8_ARRAY)]),
        run(
            &statements.remove_calls,
            rows.removed_calls.len(),
            vec![(&rows.removed_calls, Type::INT8_ARRAY)],
        ),
        run(
            &statements.set_calls,
            rows.ids.len(),
            vec![
                (&rows.ids, Type::INT8_ARRAY),
                (&rows.calls, Type::BYTEA_ARRAY),
                (&rows.keys, Type::BYTEA_ARRAY),
                (&rows.owners, Type::INT8_ARRAY),
                (&rows.uncertain, Type::BOOL_ARRAY),
                (&rows.answered, Type::BOOL_ARRAY),
                (&rows.due, Type::INT8_ARRAY),
            ],
        ),
        run(
            &statements.remove_questions,
            rows.removed_keys.len(),
            vec![(&rows.removed_keys, Type::BYTEA_ARRAY)],
        ),
        run(
            &statements.set_questions,
            rows.question_keys.len(),
            vec![
                (&rows.question_keys, Type::BYTEA_ARRAY),
                (&rows.question_names, Type::BYTEA_ARRAY),
                (&rows.questions, Type::BYTEA_ARRAY),
                (&rows.blocking, Type::INT8_ARRAY),
                (&rows.latest, Type::INT8_ARRAY),
            ],
        ),
        run(
            &statements.set_answers,
            rows.answer_ids.len(),
            vec![(&rows.answer_ids, Type::INT8_ARRAY), (&rows.answers, Type::BYTEA_ARRAY)],
        ),
        run(
            &statements.remove_answers,
            rows.removed_answers.len(),
            vec![(&rows.removed_answers, Type::INT8_ARRAY)],
        ),
        run(
            &statements.add_people,
            rows.people.len(),
            vec![(&rows.people, Type::BYTEA_ARRAY), (&rows.people_ids, Type::INT8_ARRAY)],
        ),
        run(
            &statements.set_journal,
            rows.journal_numbers.len(),
            vec![(&rows.journal_numbers, Type::INT8_ARRAY), (&rows.journal, Type::BYTEA_ARRAY)],
        ),
    ];
    // In this order on the connection, and all of them before the first answer comes.
    let (written, committed) = join!(join_all(statements), client.batch_execute("COMMIT"));
    // A commit after a statement that failed is a rollback, and reports no error.
    written.into_iter().try_for_each(|result| result.map_err(Failure::in_doubt))?;
    committed.map_err(Failure::in_doubt)
}

type Parameters<'a> = Vec<(&'a (dyn ToSql + Sync), Type)>;

/// Runs a statement on an account, if it has rows to change.
async fn run(
    client: &Client,
    sql: &str,
    account: i32,
    rows: usize,
    mut parameters: Parameters<'_>,
) -> Result<(), Error> {
    if rows > 0 {
        parameters.insert(0, (&account, Type::INT4));
        client.execute_typed(sql, &parameters).await?;
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
    /// Calls that no longer name anyone.
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

/// The key of a question in the database: of one length, however long the question is.
pub(super) fn hash(key: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, key.as_bytes()).as_ref().to_vec()
}

/// A call and its answer, from columns `row`, `id` and `answer`.
pub(super) fn call_of(row: &Row) -> Result<(Call, Option<Answer>), StoreError> {
    Ok((Call::from_bytes(unsigned(row.get("id")), row.get("row"))?, answer_of(row)?))
}

/// An answer, from a column of that name.
pub(super) fn answer_of(row: &Row) -> Result<Option<Answer>, StoreError> {
    let answer: Option<&[u8]> = row.get("answer");
    let damaged = || StoreError::new("an answer in the store is damaged");
    answer.map(|bytes| answer::decode(bytes).ok_or_else(damaged)).transpose()
}
