//! Why the database failed.

use tgscan_core::store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// Why a transaction failed.
pub(super) enum Failure {
    Database(Error),
    Store(StoreError),
    /// The reply to the commit was lost.
    InDoubt(Error),
    /// The lease ends too soon, or has passed.
    Lease,
}

impl Failure {
    /// The error of a statement that was sent together with a commit. Only a server that continues reports a rollback.
    pub(super) fn in_doubt(error: Error) -> Self {
        if has_ended(&error) { Self::InDoubt(error) } else { Self::Database(error) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// Whether the connection ended, so that its last statements may have taken effect.
fn has_ended(error: &Error) -> bool {
    error.as_db_error().is_none_or(|refused| refused.parsed_severity() != Some(Severity::Error))
}

/// Whether a transaction that failed so before its commit can be run again.
pub(super) fn may_repeat(error: &Error) -> bool {
    has_ended(error)
        || error.code().is_some_and(|code| {
            *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
        })
}

/// Describes an error, without the password and without parameters.
pub(super) fn explain(name: &str, error: &Error) -> StoreError {
    let Some(refused) = error.as_db_error() else {
        // Its text describes the connection, and never quotes a statement.
        let mut text = format!("{name}: {error}");
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        return StoreError::new(text);
    };
    let code = refused.code();
    let what =
        if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            "the server refuses user or password".to_owned()
        } else if *code == SqlState::DISK_FULL {
            "the server's disk is full".to_owned()
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            format!("a right is missing: {}", refused.message())
        } else {
            // The message names tables and settings; details, which may quote a row, are left out.
            format!("{} ({})", refused.message(), code.code())
        };
    StoreError::new(format!("{name}: {what}"))
}
