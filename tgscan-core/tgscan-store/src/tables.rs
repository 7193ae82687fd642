//! Rows and their indexes in ordered tables of bytes, shared by the stores in memory and in a file.

mod find;

use std::collections::HashSet;

use tgscan_core::store::{
    AccountName, AccountRow, Answer, Call, CallId, Changes, Found, JournalEntry, Loaded, Needs, OwnerId,
    Question, QuestionRow, Row, Selection, StoreError,
};

use crate::answer;

/// A table: the first byte of its keys. The number of the account follows, except in [`Table::Accounts`].
///
/// All tables are in one tree. The newest calls, the small tables and the newest answers are adjacent, so that a transaction
/// changes few pages.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    /// By key: the row of the question. Then its answered calls except the latest, by key and id.
    Questions,
    /// Calls by the time at which they are due, and id.
    Due,
    /// By number: the entry.
    Journal,
    /// By id: the call.
    Calls,
    /// Unresolved calls by id.
    Unresolved,
    /// By label and service, as JSON: the account as an [`Account`].
    Accounts,
    /// By the inverted id of the call, so that the newest is first: the answer.
    Answers,
}

/// The row of an account.
struct Account {
    number: u32,
    /// The calls in flight, with their owners. In this row, because it is written by each transaction anyway.
    in_flight: Vec<(OwnerId, CallId)>,
    row: AccountRow,
}

impl Account {
    fn parse(value: &[u8]) -> Option<Self> {
        let (number, rest) = value.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        let (in_flight, row) = rest.split_at_checked(count.checked_mul(16)?)?;
        let call = |bytes: &[u8]| {
            let (owner, id) = bytes.split_first_chunk()?;
            Some((u64::from_be_bytes(*owner), CallId::from_be_bytes(id.try_into().ok()?)))
        };
        let in_flight = in_flight.chunks_exact(16).map(call).collect::<Option<_>>()?;
        Some(Self { number: u32::from_be_bytes(*number), in_flight, row: AccountRow::from_bytes(row).ok()? })
    }
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

fn account(tables: &impl Reads, name: &AccountName) -> Result<Option<Account>> {
    let value = tables.get(&account_key(name))?;
    value.map(|value| Account::parse(&value).ok_or_else(damaged)).transpose()
}

/// Returns the number of an account.
fn number(tables: &impl Reads, name: &AccountName) -> Result<Option<u32>> {
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

/// Reads rows outside of a transaction.
pub(crate) fn read(tables: &impl Reads, name: &AccountName, rows: &Selection, now: u64) -> Result<Found> {
    let mut found = Found { now, ..Found::default() };
    if *rows == Selection::Account {
        found.account = account(tables, name)?.map(|account| account.row).unwrap_or_default();
        return Ok(found);
    }
    let Some(number) = number(tables, name)? else { return Ok(found) };
    let mut answered = None;
    match rows {
        Selection::Question(key) => {
            found.question = question(tables, number, key)?.unwrap_or_default();
            answered = found.question.answered.map(|(call, ..)| call);
        }
        Selection::Call(id) => {
            found.calls.extend(call(tables, number, *id)?);
            answered = Some(*id);
        }
        Selection::Calls { after, limit } => found.calls = calls(tables, number, *after, *limit)?,
        Selection::Journal { after, limit } => found.journal = journal(tables, number, *after, *limit)?,
        index => {
            for id in find::find(tables, number, index, now)? {
                match call(tables, number, id) {
                    Ok(call) => found.calls.extend(call),
                    // A damaged row delays only its own expiry.
                    Err(_) if matches!(index, Selection::Due { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    found.answer = answered.map(|call| answer(tables, number, call)).transpose()?.flatten();
    Ok(found)
}

/// Loads the rows for a decision, and writes its changes. Returns whether there are any.
pub(crate) fn transact(
    tables: &mut impl Writes,
    name: &AccountName,
    needs: &Needs,
    owner: OwnerId,
    now: u64,
    decide: impl FnOnce(Loaded) -> Changes,
) -> Result<bool> {
    let account = account(tables, name)?;
    let changes = decide(load(tables, account.as_ref(), needs, owner, now)?);
    apply(tables, name, account, &changes)?;
    Ok(!changes.is_empty())
}

/// Loads the rows for a decision. Calls in flight of other owners are lost, because only one owner is alive at a time.
fn load(
    tables: &impl Reads,
    account: Option<&Account>,
    needs: &Needs,
    owner: OwnerId,
    now: u64,
) -> Result<Loaded> {
    let mut loaded = Loaded { now, owner, ..Loaded::default() };
    let Some(Account { number, in_flight, row }) = account else { return Ok(loaded) };
    let number = *number;
    loaded.account = row.clone();
    let mut ids = needs.calls.clone();
    for key in &needs.questions {
        if let Some(row) = tables.get(&text_key(Table::Questions, number, key))? {
            ids.extend(loaded.add_question(key.clone(), &row).and_then(|row| row.blocking));
        }
    }
    if needs.unresolved {
        ids.extend(find::unresolved(tables, number)?);
    }
    loaded.lost = in_flight.iter().filter(|(other, _)| *other < owner).map(|(_, id)| *id).collect();
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
fn apply(
    tables: &mut impl Writes,
    name: &AccountName,
    account: Option<Account>,
    changes: &Changes,
) -> Result<()> {
    let Some(row) = &changes.account else { return Ok(()) };
    let (number, mut in_flight) = match account {
        Some(account) => (account.number, account.in_flight),
        None => (u32::try_from(accounts(tables)?.len()).map_err(|_| too_many())?, Vec::new()),
    };
    let claim = |call: &Option<Call>| {
        call.as_ref().filter(|call| call.entry.is_in_flight()).map(|call| (call.owner, call.id))
    };
    let ended: HashSet<_> = changes.calls.iter().filter_map(|(before, _)| claim(before)).collect();
    in_flight.retain(|claim| !ended.contains(claim));
    in_flight.extend(changes.calls.iter().filter_map(|(_, after)| claim(after)));
    let count = u32::try_from(in_flight.len()).map_err(|_| too_many())?;
    let mut value = [number.to_be_bytes(), count.to_be_bytes()].concat();
    value.extend(in_flight.iter().flat_map(|(owner, id)| [owner.to_be_bytes(), id.to_be_bytes()]).flatten());
    value.extend(row.to_bytes());
    tables.set(&account_key(name), Some(&value))?;
    let mut latest = Vec::new();
    for (question, row) in &changes.questions {
        let key = text_key(Table::Questions, number, question);
        let answered = |row: QuestionRow| row.answered.map(|(call, ..)| call);
        let before = tables.get(&key)?.and_then(|row| QuestionRow::from_bytes(&row).ok()).and_then(answered);
        let after = row.clone().and_then(answered);
        if let Some(earlier) = before.filter(|before| after != Some(*before)) {
            tables.set(&text_id_key(Table::Questions, number, question, earlier), Some(&[]))?;
        }
        latest.extend(after);
        let row = row.as_ref().map(QuestionRow::to_bytes);
        tables.set(&key, row.as_deref())?;
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
        let entry = |question: &Question| text_id_key(Table::Questions, number, &question.key(), id);
        match (answers(before.as_ref()), answers(after.as_ref())) {
            (Some(question), None) => tables.set(&entry(question), None)?,
            (None, Some(question)) if !latest.contains(&id) => tables.set(&entry(question), Some(&[]))?,
            _ => {}
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
    let unresolved = call.is_unresolved().then(|| key(Table::Unresolved, number, call.id));
    let due = call.due_at().map(|due| pair_key(Table::Due, number, due, call.id));
    unresolved.into_iter().chain(due).collect()
}

/// Returns the question that a call answers.
fn answers(call: Option<&Call>) -> Option<&Question> {
    call.filter(|call| call.is_answered)?.question.as_ref()
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

fn calls(tables: &impl Reads, number: u32, after: CallId, limit: usize) -> Result<Vec<Call>> {
    let (from, to) =
        (key(Table::Calls, number, after.saturating_add(1)), key(Table::Calls, number, CallId::MAX));
    let rows = tables.range(&from, &to, limit, false)?;
    rows.iter().map(|(key, value)| Call::from_bytes(id_of(key)?, value)).collect()
}

fn journal(tables: &impl Reads, number: u32, after: u64, limit: usize) -> Result<Vec<(u64, JournalEntry)>> {
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

/// Returns the id at the end of a key.
fn id_of(key: &[u8]) -> Result<CallId> {
    key.last_chunk().map(|id| CallId::from_be_bytes(*id)).ok_or_else(damaged)
}

fn too_many() -> StoreError {
    StoreError::new("there are too many accounts or calls in flight")
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
        let account = Account { number: 0, in_flight: Vec::new(), row: AccountRow::default() };
        let loaded = load(&memory, Some(&account), &needs, 1, 0).unwrap();
        assert_eq!((loaded.damaged_questions, loaded.damaged_calls), (needs.questions, needs.calls));
    }
    #[test]
    fn damaged_call_delays_only_its_own_expiry() {
        let name = AccountName::new("main", "mock");
        let row = [&[0; 8][..], &AccountRow::default().to_bytes()].concat();
        let memory = std::collections::BTreeMap::from([
            (account_key(&name), row),
            (key(Table::Calls, 0, 1), b"damaged".to_vec()),
            (pair_key(Table::Due, 0, 5, 1), Vec::new()),
        ]);
        let due = read(&memory, &name, &Selection::Due { limit: 10 }, 5).unwrap();
        assert!(due.calls.is_empty());
        let person = Selection::People(vec!["alice".to_owned()]);
        assert!(read(&memory, &name, &person, 5).is_err(), "its data may name anyone");
    }
}
