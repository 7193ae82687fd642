//! Finds calls by an index.

use tgscan_core::store::{AccountName, CallId, Selection};

use super::{
    Account, Pairs, Reads, Result, Table, account, call, id_of, key, pair_key, question, text_id_key,
};

/// The number of rows that a search reads at a time.
const SCAN: usize = 1024;

/// Finds the calls of an index.
pub(super) fn find(
    tables: &impl Reads,
    name: &AccountName,
    number: u32,
    index: &Selection,
    now: u64,
) -> Result<Vec<CallId>> {
    match index {
        Selection::Due { limit } => {
            let due = |at| pair_key(Table::Due, number, at, 0);
            ids_of(&tables.range(&due(0), &due(now.saturating_add(1)), *limit, false)?)
        }
        Selection::Unresolved => unresolved(tables, number),
        Selection::People(people) => naming(tables, name, people),
        Selection::History(key) => {
            let of = |id| text_id_key(Table::Questions, number, key, id);
            let mut found = ids_of(&tables.range(&of(0), &of(CallId::MAX), usize::MAX, true)?)?;
            found.extend(question(tables, number, key)?.and_then(|row| row.answered).map(|(call, ..)| call));
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.dedup();
            Ok(found)
        }
        _ => Ok(Vec::new()),
    }
}

/// Returns the unresolved calls.
pub(super) fn unresolved(tables: &impl Reads, number: u32) -> Result<Vec<CallId>> {
    let id = |id| key(Table::Unresolved, number, id);
    ids_of(&tables.range(&id(0), &id(CallId::MAX), usize::MAX, false)?)
}

/// Returns the calls that name one of these people.
fn naming(tables: &impl Reads, name: &AccountName, people: &[String]) -> Result<Vec<CallId>> {
    let Some(Account { number, in_flight, .. }) = account(tables, name)? else { return Ok(Vec::new()) };
    let is_named = |name: &[u8]| people.iter().any(|person| person.as_bytes() == name);
    let mut found = Vec::new();
    for (_, id) in in_flight {
        let people = call(tables, number, id)?.map(|call| call.people).unwrap_or_default();
        found.extend(people.iter().any(|name| is_named(name.as_bytes())).then_some(id));
    }
    for table in [Table::Unresolved, Table::Due] {
        let (mut from, to) = (key(table, number, 0), key(table, number, CallId::MAX));
        loop {
            let rows = tables.range(&from, &to, SCAN, false)?;
            for (key, names) in &rows {
                if names.split(|byte| *byte == 0xff).any(is_named) {
                    found.push(id_of(key)?);
                }
            }
            let Some((last, _)) = rows.into_iter().next_back() else { break };
            from = [&last[..], &[0]].concat();
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn ids_of(rows: &Pairs) -> Result<Vec<CallId>> {
    rows.iter().map(|(key, _)| id_of(key)).collect()
}
