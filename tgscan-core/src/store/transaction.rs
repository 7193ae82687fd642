//! The input and output of a store's transaction.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Answer, Call, CallId, JournalEntry, OwnerId, QuestionRow, Row as _};
use crate::account::Book;

/// The rows that operations need.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Questions, by [key](super::Question::key). Load their rows, and the calls in [`QuestionRow::blocking`].
    pub questions: Vec<String>,
    /// Calls. Load them, and the rows of their questions.
    pub calls: Vec<CallId>,
    /// Whether to load all unresolved calls of the account.
    pub unresolved: bool,
    /// Entries of the journal, by number.
    pub journal: Vec<u64>,
    /// Whether [`Loaded::now`] must not be an estimate, because other owners compare it with their time: comparisons
    /// start and end, or attempts become uncertain. Other times may differ by a second.
    pub exact_time: bool,
}

/// The row of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AccountRow {
    /// The account's book.
    pub book: Book,
    /// The last call that was claimed.
    pub(crate) last_call: CallId,
    /// The last entry of the journal.
    pub(crate) last_journal: u64,
    /// The latest time seen, in milliseconds since 1970. If it is in the future, the clock was wrong.
    pub(crate) clock: u64,
    /// The maximum time that questions and answers are kept, in milliseconds.
    pub(crate) keep_for: u64,
    /// The last operations that must not be booked twice.
    pub(crate) tokens: Vec<(OwnerId, u64)>,
    /// The last transaction that wrote this row.
    pub(crate) written: (OwnerId, u64),
    /// Lost calls whose rows are damaged, and that the book counts as uncertain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) damaged: Vec<CallId>,
}

/// Rows to read outside of a transaction.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The row of the account.
    Account,
    /// The row of the question with this [key](super::Question::key), and the answer of its latest answered call.
    Question(String),
    /// A call, and its answer.
    Call(CallId),
    /// Up to `limit` calls with ids above `after`, by ascending id.
    Calls {
        /// The id before the first call.
        after: CallId,
        /// The maximum number of calls.
        limit: usize,
    },
    /// Up to `limit` calls whose [`due_at`](Call::due_at) has passed, earliest first.
    Due {
        /// The maximum number of calls.
        limit: usize,
    },
    /// Calls whose [`people`](Call::people) include one of these usernames or ids, by ascending id.
    People(Vec<String>),
    /// [Unresolved](Call::is_unresolved) calls, by ascending id.
    Unresolved,
    /// Answered calls of the question with this [key](super::Question::key), latest first.
    History(String),
    /// Up to `limit` entries of the journal with numbers above `after`, in ascending order.
    Journal {
        /// The number before the first entry.
        after: u64,
        /// The maximum number of entries.
        limit: usize,
    },
}

/// The result of [`Store::read`](super::Store::read). Rows that do not exist, or were not selected, are the default.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The time, in milliseconds since 1970, if the account or a question is selected.
    pub now: u64,
    /// The row of the account.
    pub account: AccountRow,
    /// The row of the question.
    pub question: QuestionRow,
    /// The answer.
    pub answer: Option<Answer>,
    /// The calls.
    pub calls: Vec<Call>,
    /// The entries of the journal, with their numbers.
    pub journal: Vec<(u64, JournalEntry)>,
}

/// The loaded rows of an account, within a transaction that holds its lock.
#[derive(Clone, Default)]
pub struct Loaded {
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// The owner of new claims, which is alive during this transaction.
    pub owner: OwnerId,
    /// The account's row; the default if it does not exist.
    pub account: AccountRow,
    /// The existing question rows in [`Needs`].
    pub questions: Vec<(String, QuestionRow)>,
    /// The calls in [`Needs`].
    pub calls: Vec<Call>,
    /// The ids of all calls in flight whose owners are dead. The calls are in `calls` or `damaged_calls`, and the rows of
    /// their questions in `questions`.
    pub lost: Vec<CallId>,
    /// The entries of the journal in [`Needs`].
    pub journal: Vec<(u64, JournalEntry)>,
    /// The keys of the questions in [`Needs`] whose rows are damaged. Only the operations on them fail.
    pub damaged_questions: Vec<String>,
    /// The ids of the calls in [`Needs`] whose rows are damaged. Only the operations on them fail.
    pub damaged_calls: Vec<CallId>,
}

impl Loaded {
    /// Parses and adds a question. Returns `None` if its row is damaged.
    pub fn add_question(&mut self, key: String, row: &[u8]) -> Option<&QuestionRow> {
        let Ok(row) = QuestionRow::from_bytes(row) else {
            self.damaged_questions.push(key);
            return None;
        };
        self.questions.push((key, row));
        self.questions.last().map(|(_, row)| row)
    }

    /// Parses and adds a call. Returns `None` if its row is damaged.
    pub fn add_call(&mut self, id: CallId, row: &[u8]) -> Option<&Call> {
        let Ok(call) = Call::from_bytes(id, row) else {
            self.damaged_calls.push(id);
            return None;
        };
        self.calls.push(call);
        self.calls.last()
    }

    /// Parses and adds an entry of the journal, unless its row is damaged.
    pub fn add_journal(&mut self, number: u64, row: &[u8]) {
        self.journal.extend(JournalEntry::from_bytes(row).ok().map(|entry| (number, entry)));
    }
}

/// The rows to write. A store writes all of them durably, or nothing.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The account's row, if it changed.
    pub account: Option<AccountRow>,
    /// Rows of questions; `None` removes one.
    pub questions: Vec<(String, Option<QuestionRow>)>,
    /// Calls before and after the change. `None` before adds a call; `None` after removes it, together with its answer.
    pub calls: Vec<(Option<Call>, Option<Call>)>,
    /// Answers; `None` removes one.
    pub answers: Vec<(CallId, Option<Answer>)>,
    /// New or changed entries of the journal.
    pub journal: Vec<(u64, JournalEntry)>,
}

impl Changes {
    /// Returns whether there is nothing to write, so that the transaction can be rolled back.
    pub fn is_empty(&self) -> bool {
        self.account.is_none()
    }
}

// These omit names, questions and answers.
impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection").finish_non_exhaustive()
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needs").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("account", &self.account)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("account", &self.account)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}
