//! Rows and their indexes in ordered tables of bytes, shared by the stores in memory and in a file.

use tgscan_core::store::{
    AccountName, AccountRow, Answer, Call, CallId, Changes, Found, Index, JournalEntry, Loaded, Needs,
    OwnerId, Question, QuestionRow, Row, RowKey, StoreError,
};

use crate::answer;

/// A table: the first byte of its keys. The number of the account follows, except in [`Table::Accounts`].
///
/// All tables are in one tree. The newest calls, the small tables and the newest answers are adjacent, so that a transaction
/// changes few pages.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    /// By key: the row of the question. Then its answered calls, by key and id.
    Questions,
    /// Calls by a person that they name, and id.
    People,
    /// Calls by the time at which they are due, and id.
    Due,
    /// By number: the entry.
    Journal,
    /// By id: the call.
    Calls,
    /// Calls in flight by owner and id.
    InFlight,
    /// Unresolved calls by id.
    Unresolved,
    /// By label and service, as JSON: the number of the account, and its row.
    Accounts,
    /// By the inverted id of the call, so that the newest is first: the answer.
    Answers,
}

type Result<T> = std::result::Result<T, StoreError>;
/// Keys and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads tables, in one snapshot.
pub(crate) trait Reads {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Returns up to `limit` rows with keys from `from` (inclusive) to `to` (exclusive), ascending, or descending from
    /// the end.
    fn range(&self, from: &[u8], to: &[u8], limit: usize, is_descending: bool) -> Result<Pairs>;
}

/// Writes tables, in one transaction.
pub(crate) trait Writes: Reads {
    /// Sets or removes a row.
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()>;
}

/// Returns the number of an account, and its row.
pub(crate) fn account(tables: &impl Reads, name: &AccountName) -> Result<Option<(u32, AccountRow)>> {
    let Some(value) = tables.get(&account_key(name))? else { return Ok(None) };
    let (number, row) = value.split_first_chunk().ok_or_else(damaged)?;
    Ok(Some((u32::from_be_bytes(*number), AccountRow::from_bytes(row)?)))
}

/// Returns the number of an account.
pub(crate) fn number(tables: &impl Reads, name: &AccountName) -> Result<Option<u32>> {
    let Some(value) = tables.get(&account_key(name))? else { return Ok(None) };
    value.first_chunk().map(|number| Some(u32::from_be_bytes(*number))).ok_or_else(damaged)
}

pub(crate) fn accounts(tables: &impl Reads) -> Result<Vec<AccountName>> {
    let rows = tables.range(&[Table::Accounts as u8], &[Table::Accounts as u8 + 1], usize::MAX, false)?;
    rows.iter().map(|(key, _)| account_name(key).ok_or_else(damaged)).collect()
}

/// Returns the name in a key of [`Table::Accounts`].
fn account_name(key: &[u8]) -> Option<AccountName> {
    let (label, service): (String, String) = serde_json::from_slice(key.get(1..)?).ok()?;
    Some(AccountName::new(label, service))
}

/// Returns the number and the name in a row of [`Table::Accounts`].
#[cfg(feature = "redb")]
pub(crate) fn account_of_row(key: &[u8], value: &[u8]) -> Option<(u32, AccountName)> {
    let number = value.first_chunk().map(|number| u32::from_be_bytes(*number))?;
    Some((number, account_name(key)?))
}

/// Returns the number of the account and the id in a key of [`Table::Calls`] or [`Table::Answers`].
#[cfg(feature = "redb")]
pub(crate) fn call_of_key(key: &[u8]) -> Option<(u32, CallId)> {
    let (number, id) = key.get(1..)?.split_first_chunk()?;
    let id = CallId::from_be_bytes(id.try_into().ok()?);
    let id = if key.first() == Some(&(Table::Answers as u8)) { !id } else { id };
    Some((u32::from_be_bytes(*number), id))
}

/// Reads a row outside of a transaction.
pub(crate) fn read(tables: &impl Reads, name: &AccountName, row: &RowKey, now: u64) -> Result<Found> {
    let mut found = Found { now, ..Found::default() };
    if *row == RowKey::Account {
        found.account = account(tables, name)?.map(|(_, row)| row).unwrap_or_default();
        return Ok(found);
    }
    let Some(number) = number(tables, name)? else { return Ok(found) };
    let answered = match row {
        RowKey::Question(key) => {
            found.question = question(tables, number, key)?.unwrap_or_default();
            found.question.answered.map(|(call, ..)| call)
        }
        RowKey::Call(id) => {
            found.call = call(tables, number, *id)?;
            found.call.as_ref().map(|call| call.id)
        }
        _ => None,
    };
    found.answer = answered.map(|call| answer(tables, number, call)).transpose()?.flatten();
    Ok(found)
}

/// Loads the rows for a decision. Calls in flight of other owners are lost, because only one owner is alive at a time.
pub(crate) fn load(
    tables: &impl Reads,
    account: Option<(u32, AccountRow)>,
    needs: &Needs,
    owner: OwnerId,
    now: u64,
) -> Result<Loaded> {
    let mut loaded = Loaded { now, owner, ..Loaded::default() };
    let Some((number, row)) = account else { return Ok(loaded) };
    loaded.account = row;
    let mut ids = needs.calls.clone();
    for key in &needs.questions {
        if let Some(row) = tables.get(&text_key(Table::Questions, number, key))? {
            ids.extend(loaded.add_question(key.clone(), &row).and_then(|row| row.blocking));
        }
    }
    if needs.unresolved {
        ids.extend(find(tables, number, &Index::Unresolved, usize::MAX, now)?);
    }
    let (from, to) = (pair_key(Table::InFlight, number, 0, 0), pair_key(Table::InFlight, number, owner, 0));
    loaded.lost = ids_of(&tables.range(&from, &to, usize::MAX, false)?)?;
    ids.extend(&loaded.lost);
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let Some(row) = tables.get(&key(Table::Calls, number, id))? else { continue };
        let question = loaded.add_call(id, &row).and_then(|call| call.question.as_ref().map(Question::key));
        if let Some(key) = question.filter(|key| !loaded.questions.iter().any(|(known, _)| known == key)) {
            if let Some(row) = tables.get(&text_key(Table::Questions, number, &key))? {
                loaded.add_question(key, &row);
            }
        }
    }
    for entry in &needs.journal {
        if let Some(row) = tables.get(&key(Table::Journal, number, *entry))? {
            loaded.add_journal(*entry, &row);
        }
    }
    Ok(loaded)
}

/// Writes the changes of a decision.
pub(crate) fn apply(
    tables: &mut impl Writes,
    name: &AccountName,
    number: Option<u32>,
    changes: &Changes,
) -> Result<()> {
    let Some(row) = &changes.account else { return Ok(()) };
    let number = match number {
        Some(number) => number,
        None => u32::try_from(accounts(tables)?.len())
            .map_err(|_| StoreError::new("there are too many accounts"))?,
    };
    let mut value = number.to_be_bytes().to_vec();
    value.extend(row.to_bytes());
    tables.set(&account_key(name), Some(&value))?;
    for (key, row) in &changes.questions {
        let row = row.as_ref().map(QuestionRow::to_bytes);
        tables.set(&text_key(Table::Questions, number, key), row.as_deref())?;
    }
    for (before, after) in &changes.calls {
        let Some(id) = after.as_ref().or(before.as_ref()).map(|call| call.id) else { continue };
        let (old, new) = (entries(number, before.as_ref()), entries(number, after.as_ref()));
        for key in old.iter().filter(|key| !new.contains(key)) {
            tables.set(key, None)?;
        }
        for key in new.iter().filter(|key| !old.contains(key)) {
            tables.set(key, Some(&[]))?;
        }
        let value = after.as_ref().map(Call::to_bytes);
        tables.set(&key(Table::Calls, number, id), value.as_deref())?;
    }
    for (call, answer) in &changes.answers {
        let value = answer.as_ref().map(answer::encode);
        tables.set(&key(Table::Answers, number, !call), value.as_deref())?;
    }
    for (entry, row) in &changes.journal {
        tables.set(&key(Table::Journal, number, *entry), Some(&row.to_bytes()))?;
    }
    Ok(())
}

/// Returns the keys of a call in the indexes.
fn entries(number: u32, call: Option<&Call>) -> Vec<Vec<u8>> {
    let Some(call) = call else { return Vec::new() };
    let mut entries = Vec::new();
    if call.entry.is_in_flight() {
        entries.push(pair_key(Table::InFlight, number, call.owner, call.id));
    }
    if call.is_unresolved() {
        entries.push(key(Table::Unresolved, number, call.id));
    }
    if let Some(due) = call.due_at() {
        entries.push(pair_key(Table::Due, number, due, call.id));
    }
    for person in &call.people {
        entries.push(text_id_key(Table::People, number, person, call.id));
    }
    if let (true, Some(question)) = (call.is_answered, &call.question) {
        entries.push(text_id_key(Table::Questions, number, &question.key(), call.id));
    }
    entries
}

/// Finds calls by an index.
pub(crate) fn find(
    tables: &impl Reads,
    number: u32,
    index: &Index,
    limit: usize,
    now: u64,
) -> Result<Vec<CallId>> {
    let all = |from: Vec<u8>, to: Vec<u8>| ids_of(&tables.range(&from, &to, limit, false)?);
    let with_text = |table, text: &str, is_descending| {
        let of = |id| text_id_key(table, number, text, id);
        ids_of(&tables.range(&of(0), &of(CallId::MAX), limit, is_descending)?)
    };
    match index {
        Index::Due => {
            let due = |at| pair_key(Table::Due, number, at, 0);
            all(due(0), due(now.saturating_add(1)))
        }
        Index::Unresolved => {
            let id = |id| key(Table::Unresolved, number, id);
            all(id(0), id(CallId::MAX))
        }
        Index::People(people) => {
            let mut found = Vec::new();
            for person in people {
                found.extend(with_text(Table::People, person, false)?);
            }
            found.sort_unstable();
            found.dedup();
            found.truncate(limit);
            Ok(found)
        }
        Index::Question(key) => with_text(Table::Questions, key, true),
        _ => Ok(Vec::new()),
    }
}

fn question(tables: &impl Reads, number: u32, key: &str) -> Result<Option<QuestionRow>> {
    tables
        .get(&text_key(Table::Questions, number, key))?
        .map(|value| QuestionRow::from_bytes(&value))
        .transpose()
}

fn call(tables: &impl Reads, number: u32, id: CallId) -> Result<Option<Call>> {
    tables.get(&key(Table::Calls, number, id))?.map(|value| Call::from_bytes(id, &value)).transpose()
}

fn answer(tables: &impl Reads, number: u32, id: CallId) -> Result<Option<Answer>> {
    tables
        .get(&key(Table::Answers, number, !id))?
        .map(|value| answer::decode(value).ok_or_else(damaged))
        .transpose()
}

pub(crate) fn calls(tables: &impl Reads, number: u32, after: CallId, limit: usize) -> Result<Vec<Call>> {
    let (from, to) =
        (key(Table::Calls, number, after.saturating_add(1)), key(Table::Calls, number, CallId::MAX));
    let rows = tables.range(&from, &to, limit, false)?;
    rows.iter().map(|(key, value)| Call::from_bytes(id_of(key)?, value)).collect()
}

pub(crate) fn journal(
    tables: &impl Reads,
    number: u32,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, JournalEntry)>> {
    let (from, to) =
        (key(Table::Journal, number, after.saturating_add(1)), key(Table::Journal, number, CallId::MAX));
    let rows = tables.range(&from, &to, limit, false)?;
    rows.iter().map(|(key, value)| Ok((id_of(key)?, JournalEntry::from_bytes(value)?))).collect()
}

fn account_key(name: &AccountName) -> Vec<u8> {
    let mut key = vec![Table::Accounts as u8];
    key.extend(serde_json::to_vec(&(&name.label, &name.service)).unwrap_or_default());
    key
}

fn key(table: Table, number: u32, id: u64) -> Vec<u8> {
    [&[table as u8][..], &number.to_be_bytes(), &id.to_be_bytes()].concat()
}

fn pair_key(table: Table, number: u32, first: u64, id: CallId) -> Vec<u8> {
    [&[table as u8][..], &number.to_be_bytes(), &first.to_be_bytes(), &id.to_be_bytes()].concat()
}

/// Returns the key of a text. No such key is a prefix of another, because it ends with 0xff, which no text contains.
fn text_key(table: Table, number: u32, text: &str) -> Vec<u8> {
    [&[table as u8][..], &number.to_be_bytes(), text.as_bytes(), &[0xff]].concat()
}

fn text_id_key(table: Table, number: u32, text: &str, id: CallId) -> Vec<u8> {
    let mut key = text_key(table, number, text);
    key.extend(id.to_be_bytes());
    key
}

fn ids_of(rows: &Pairs) -> Result<Vec<CallId>> {
    rows.iter().map(|(key, _)| id_of(key)).collect()
}

/// Returns the id at the end of a key.
fn id_of(key: &[u8]) -> Result<CallId> {
    key.last_chunk().map(|id| CallId::from_be_bytes(*id)).ok_or_else(damaged)
}

pub(crate) fn damaged() -> StoreError {
    StoreError::new("a row of the store is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_rows_of_calls_and_questions_do_not_fail_the_transaction() {
        let mut memory = std::collections::BTreeMap::new();
        for key in [key(Table::Calls, 0, 1), text_key(Table::Questions, 0, "question")] {
            memory.insert(key, b"damaged".to_vec());
        }
        let mut needs = Needs::default();
        (needs.questions, needs.calls) = (vec!["question".to_owned()], vec![1]);
        let loaded = load(&memory, Some((0, AccountRow::default())), &needs, 1, 0).unwrap();
        assert_eq!((loaded.damaged_questions, loaded.damaged_calls), (needs.questions, needs.calls));
    }
}
