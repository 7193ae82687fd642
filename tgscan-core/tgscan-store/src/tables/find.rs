//! Finds calls by an index.

use tgscan_core::store::{CallId, Selection};

use super::{Pairs, Reads, Result, Table, calls, id_of, key, pair_key, question, text_id_key};

/// The number of rows that a search reads at a time.
const SCAN: usize = 1024;

/// Finds the calls of an index.
pub(super) fn find(tables: &impl Reads, number: u32, index: &Selection, now: u64) -> Result<Vec<CallId>> {
    match index {
        Selection::Due { limit } => {
            let due = |at| pair_key(Table::Due, number, at, 0);
            ids_of(&tables.range(&due(0), &due(now.saturating_add(1)), *limit, false)?)
        }
        Selection::Unresolved => unresolved(tables, number),
        Selection::People(people) => naming(tables, number, people),
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

/// Returns the calls that name one of these people. Reads the rows of all calls.
fn naming(tables: &impl Reads, number: u32, people: &[String]) -> Result<Vec<CallId>> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let calls = calls(tables, number, after, SCAN)?;
        let Some(last) = calls.last() else { return Ok(found) };
        after = last.id;
        let named = calls.iter().filter(|call| call.people.iter().any(|name| people.contains(name)));
        found.extend(named.map(|call| call.id));
    }
}

fn ids_of(rows: &Pairs) -> Result<Vec<CallId>> {
    rows.iter().map(|(key, _)| id_of(key)).collect()
}
