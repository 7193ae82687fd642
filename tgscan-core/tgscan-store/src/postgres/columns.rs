//! The changes of a transaction, as columns of tables.

use tgscan_core::store::{CallId, Changes};

use super::error::Failure;
use super::{hash, number};
use crate::answer;

/// Changes as columns.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) ids: Vec<i64>,
    pub(super) calls: Vec<Vec<u8>>,
    pub(super) keys: Vec<Option<Vec<u8>>>,
    pub(super) owners: Vec<Option<i64>>,
    pub(super) uncertain: Vec<bool>,
    pub(super) answered: Vec<bool>,
    pub(super) due: Vec<Option<i64>>,
    pub(super) removed_calls: Vec<i64>,
    pub(super) question_keys: Vec<Vec<u8>>,
    pub(super) question_names: Vec<Vec<u8>>,
    pub(super) questions: Vec<Vec<u8>>,
    pub(super) blocking: Vec<Option<i64>>,
    pub(super) latest: Vec<Option<i64>>,
    pub(super) removed_keys: Vec<Vec<u8>>,
    pub(super) answer_ids: Vec<i64>,
    pub(super) answers: Vec<Vec<u8>>,
    pub(super) removed_answers: Vec<i64>,
    pub(super) people: Vec<Vec<u8>>,
    pub(super) people_ids: Vec<i64>,
    /// Calls that no longer name a person.
    pub(super) unnamed: Vec<i64>,
    pub(super) journal_numbers: Vec<i64>,
    pub(super) journal: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn new(changes: &Changes) -> Result<Self, Failure> {
        let mut columns = Self::default();
        let optional = |id: Option<CallId>| id.map(number).transpose();
        for (before, after) in &changes.calls {
            let named = before.as_ref().map_or(&[][..], |call| &call.people);
            match after {
                Some(call) => {
                    let id = number(call.id)?;
                    columns.ids.push(id);
                    columns.calls.push(call.to_bytes());
                    columns.keys.push(call.question.as_ref().map(|question| hash(&question.key())));
                    columns.owners.push(call.entry.is_in_flight().then(|| number(call.owner)).transpose()?);
                    columns.uncertain.push(call.is_unresolved());
                    columns.answered.push(call.is_answered);
                    columns.due.push(call.due_at().map(|due| number(due).unwrap_or(i64::MAX)));
                    if call.people.is_empty() && !named.is_empty() {
                        columns.unnamed.push(id);
                    }
                    for person in call.people.iter().filter(|person| !named.contains(person)) {
                        columns.people.push(person.clone().into_bytes());
                        columns.people_ids.push(id);
                    }
                }
                None => {
                    if let Some(call) = before {
                        columns.removed_calls.push(number(call.id)?);
                        columns.unnamed.push(number(call.id)?);
                    }
                }
            }
        }
        for (key, row) in &changes.questions {
            let Some(row) = row else {
                columns.removed_keys.push(hash(key));
                continue;
            };
            columns.question_keys.push(hash(key));
            columns.question_names.push(key.clone().into_bytes());
            columns.questions.push(row.to_bytes());
            columns.blocking.push(optional(row.blocking)?);
            columns.latest.push(optional(row.answered.map(|(call, ..)| call))?);
        }
        for (call, answer) in &changes.answers {
            match answer {
                Some(answer) => {
                    columns.answer_ids.push(number(*call)?);
                    columns.answers.push(answer::encode(answer));
                }
                None => columns.removed_answers.push(number(*call)?),
            }
        }
        for (entry, row) in &changes.journal {
            columns.journal_numbers.push(number(*entry)?);
            columns.journal.push(row.to_bytes());
        }
        Ok(columns)
    }

    /// Returns whether [`SET`](super::write::SET) writes all changes.
    pub(super) fn fit_one_statement(&self) -> bool {
        self.unnamed.is_empty()
            && self.removed_calls.is_empty()
            && self.removed_keys.is_empty()
            && self.removed_answers.is_empty()
            && self.journal.is_empty()
    }
}
