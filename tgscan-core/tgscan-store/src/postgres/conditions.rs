//! The conditions under which changes are written without a lock.

use std::time::Instant;

use tgscan_core::store::OwnerId;

/// A version of an account's row.
pub(super) struct Version {
    /// The transaction that wrote it.
    pub(super) writer: String,
    /// The server's time when it was loaded or written.
    pub(super) at: i64,
    /// A time in this process that is not later than `at`.
    pub(super) since: Instant,
}

impl Version {
    /// Returns the conditions of a write of changes to this version, at most `idle` milliseconds later.
    pub(super) fn unchanged(&self, idle: i64) -> Unchanged<'_> {
        let until = self.at.saturating_add(idle);
        Unchanged { writer: &self.writer, from: self.at, until, assumed: None }
    }
}

/// Conditions under which changes are written without a lock.
pub(super) struct Unchanged<'a> {
    /// The transaction that wrote the account's row.
    pub(super) writer: &'a str,
    /// The server's time.
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) assumed: Option<Assumed>,
}

/// Assumptions of a transaction without a load.
pub(super) struct Assumed {
    pub(super) owner: OwnerId,
    /// The least remaining time of the owner's lease, in milliseconds.
    pub(super) lease: i64,
    /// The keys of new questions.
    pub(super) keys: Vec<Vec<u8>>,
    /// The server's time.
    pub(super) now: i64,
}
