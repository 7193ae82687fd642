//! Rows and their indexes in ordered tables of bytes: the same for memory and for a file.

use tgscan_core::store::{
    AccountName, AccountRow, Answer, Call, CallId, Changes, Index, JournalEntry, Loaded, Needs, OwnerId,
    QuestionRow, StoreError,
};

use crate::answer;

/// A table. Keys begin with the number of the account, except in [`Table::Accounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Table {
    /// By label and service, as JSON: the number of the account, and its row.
    Accounts,
    /// By key: its row.
    Questions,
    /// By id: the call.
    Calls,
    /// By the id of the call: the answer.
    Answers,
    /// By number: the entry.
    Journal,
    /// Calls in flight by id: the owner.
    InFlight,
    /// Unresolved calls by id.
    Unresolved,
    /// Calls by the time at which they are due, and id.
    Due,
    /// Calls by a person that they name, and id.
    People,
    /// Answered calls by the key of their question, and id.
    History,
}

impl Table {
    #[cfg(feature = "redb")]
    pub(crate) const ALL: [Self; 10] = [
        Self::Accounts,
        Self::Questions,
        Self::Calls,
        Self::Answers,
        Self::Journal,
        Self::InFlight,
        Self::Unresolved,
        Self::Due,
        Self::People,
        Self::History,
    ];
}

type Result<T> = std::result::Result<T, StoreError>;
/// Keys and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads tables, in one snapshot.
pub(crate) trait Reads {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Up to `limit` rows with keys from `from` (inclusive) to `to` (exclusive), ascending, or descending from the end.
    fn range(&self, table: Table, from: &[u8], to: &[u8], limit: usize, is_descending: bool)
    -> Result<Pairs>;
}

/// Writes tables, in one transaction.
pub(crate) trait Writes: Reads {
    fn set(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<()>;
}

/// The number of an account, and its row.
pub(crate) fn account(tables: &impl Reads, name: &AccountName) -> Result<Option<(u32, AccountRow)>> {
    let Some(value) = tables.get(Table::Accounts, &account_key(name))? else { return Ok(None) };
    let (number, row) = value.split_first_chunk().ok_or_else(damaged)?;
    Ok(Some((u32::from_be_bytes(*number), AccountRow::from_bytes(row)?)))
}

pub(crate) fn accounts(tables: &impl Reads) -> Result<Vec<AccountName>> {
    let rows = tables.range(Table::Accounts, &[], &[0xff], usize::MAX, false)?;
    let name = |(key, _): (Vec<u8>, Vec<u8>)| {
        let (label, service): (String, String) = serde_json::from_slice(&key).ok()?;
        Some(AccountName::new(label, service))
    };
    rows.into_iter().map(|row| name(row).ok_or_else(damaged)).collect()
}

/// Loads the rows for a decision. Calls in flight of other owners are lost: there is one owner at a time.
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
        if let Some(row) = question(tables, number, key)? {
            ids.extend(row.blocking);
            loaded.questions.push((key.clone(), row));
        }
    }
    if needs.unresolved {
        ids.extend(find(tables, number, &Index::Unresolved, usize::MAX, now)?);
    }
    for (key, value) in
        tables.range(Table::InFlight, &prefix(number), &prefix(number + 1), usize::MAX, false)?
    {
        if value != owner.to_be_bytes() {
            loaded.lost.push(id_of(&key)?);
        }
    }
    ids.extend(&loaded.lost);
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let Some(call) = call(tables, number, id)? else { continue };
        if let Some(key) = call.question.as_ref().map(tgscan_core::store::Question::key) {
            if !loaded.questions.iter().any(|(known, _)| *known == key) {
                loaded.questions.extend(question(tables, number, &key)?.map(|row| (key, row)));
            }
        }
        loaded.calls.push(call);
    }
    for entry in &needs.journal {
        let value = tables.get(Table::Journal, &key(number, *entry))?;
        loaded.journal.extend(
            value.map(|value| JournalEntry::from_bytes(&value)).transpose()?.map(|row| (*entry, row)),
        );
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
    tables.set(Table::Accounts, &account_key(name), Some(&value))?;
    for (key, row) in &changes.questions {
        let row = row.as_ref().map(QuestionRow::to_bytes);
        tables.set(Table::Questions, &text_key(number, key), row.as_deref())?;
    }
    for (before, after) in &changes.calls {
        let Some(id) = after.as_ref().or(before.as_ref()).map(|call| call.id) else { continue };
        let (old, new) = (entries(number, before.as_ref()), entries(number, after.as_ref()));
        for (table, key, _) in old.iter().filter(|entry| !new.contains(entry)) {
            tables.set(*table, key, None)?;
        }
        for (table, key, value) in new.iter().filter(|entry| !old.contains(entry)) {
            tables.set(*table, key, Some(value))?;
        }
        let value = after.as_ref().map(Call::to_bytes);
        tables.set(Table::Calls, &key(number, id), value.as_deref())?;
    }
    for (call, answer) in &changes.answers {
        let value = answer.as_ref().map(answer::encode);
        tables.set(Table::Answers, &key(number, *call), value.as_deref())?;
    }
    for (entry, row) in &changes.journal {
        tables.set(Table::Journal, &key(number, *entry), Some(&row.to_bytes()))?;
    }
    Ok(())
}

/// The entries of a call in the indexes.
fn entries(number: u32, call: Option<&Call>) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let Some(call) = call else { return Vec::new() };
    let mut entries = Vec::new();
    let mut add = |table, key, value| entries.push((table, key, value));
    if call.entry.is_in_flight() {
        add(Table::InFlight, key(number, call.id), call.owner.to_be_bytes().to_vec());
    }
    if call.is_unresolved() {
        add(Table::Unresolved, key(number, call.id), Vec::new());
    }
    if let Some(due) = call.due_at() {
        add(Table::Due, due_key(number, due, call.id), Vec::new());
    }
    for person in &call.people {
        add(Table::People, text_id_key(number, person, call.id), Vec::new());
    }
    if let (true, Some(question)) = (call.is_answered, &call.question) {
        add(Table::History, text_id_key(number, &question.key(), call.id), Vec::new());
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
    let all = |table, from: Vec<u8>, to: Vec<u8>, is_descending| {
        let rows = tables.range(table, &from, &to, limit, is_descending)?;
        rows.iter().map(|(key, _)| id_of(key)).collect::<Result<Vec<_>>>()
    };
    match index {
        Index::Due => all(Table::Due, prefix(number), due_key(number, now.saturating_add(1), 0), false),
        Index::Unresolved => all(Table::Unresolved, prefix(number), prefix(number + 1), false),
        Index::People(people) => {
            let mut found = Vec::new();
            for person in people {
                found.extend(all(
                    Table::People,
                    text_id_key(number, person, 0),
                    text_id_key(number, person, CallId::MAX),
                    false,
                )?);
            }
            found.sort_unstable();
            found.dedup();
            found.truncate(limit);
            Ok(found)
        }
        Index::Question(key) => {
            all(Table::History, text_id_key(number, key, 0), text_id_key(number, key, CallId::MAX), true)
        }
        _ => Ok(Vec::new()),
    }
}

pub(crate) fn question(tables: &impl Reads, number: u32, key: &str) -> Result<Option<QuestionRow>> {
    tables
        .get(Table::Questions, &text_key(number, key))?
        .map(|value| QuestionRow::from_bytes(&value))
        .transpose()
}

pub(crate) fn call(tables: &impl Reads, number: u32, id: CallId) -> Result<Option<Call>> {
    tables.get(Table::Calls, &key(number, id))?.map(|value| Call::from_bytes(id, &value)).transpose()
}

pub(crate) fn answer(tables: &impl Reads, number: u32, id: CallId) -> Result<Option<Answer>> {
    tables
        .get(Table::Answers, &key(number, id))?
        .map(|value| answer::decode(&value).ok_or_else(damaged))
        .transpose()
}

pub(crate) fn calls(tables: &impl Reads, number: u32, after: CallId, limit: usize) -> Result<Vec<Call>> {
    let from = key(number, after.saturating_add(1));
    let rows = tables.range(Table::Calls, &from, &prefix(number + 1), limit, false)?;
    rows.iter().map(|(key, value)| Call::from_bytes(id_of(key)?, value)).collect()
}

pub(crate) fn journal(
    tables: &impl Reads,
    number: u32,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, JournalEntry)>> {
    let from = key(number, after.saturating_add(1));
    let rows = tables.range(Table::Journal, &from, &prefix(number + 1), limit, false)?;
    rows.iter().map(|(key, value)| Ok((id_of(key)?, JournalEntry::from_bytes(value)?))).collect()
}

fn account_key(name: &AccountName) -> Vec<u8> {
    serde_json::to_vec(&(&name.label, &name.service)).unwrap_or_default()
}

fn prefix(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn key(number: u32, id: u64) -> Vec<u8> {
    [&number.to_be_bytes()[..], &id.to_be_bytes()].concat()
}

fn due_key(number: u32, at: u64, id: CallId) -> Vec<u8> {
    [&number.to_be_bytes()[..], &at.to_be_bytes(), &id.to_be_bytes()].concat()
}

fn text_key(number: u32, text: &str) -> Vec<u8> {
    [&number.to_be_bytes()[..], text.as_bytes()].concat()
}

/// No text is the beginning of another one here, because a zero byte ends it.
fn text_id_key(number: u32, text: &str, id: CallId) -> Vec<u8> {
    let text = text.replace('\0', "");
    [&number.to_be_bytes()[..], text.as_bytes(), &[0], &id.to_be_bytes()].concat()
}

/// The id at the end of a key.
fn id_of(key: &[u8]) -> Result<CallId> {
    key.last_chunk().map(|id| CallId::from_be_bytes(*id)).ok_or_else(damaged)
}

pub(crate) fn damaged() -> StoreError {
    StoreError::new("a row of the store is damaged")
}
