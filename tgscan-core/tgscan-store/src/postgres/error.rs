//! The failures of the database.

use tgscan_core::store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// The failure of a transaction.
pub(super) enum Failure {
    Database(Error),
    Store(StoreError),
    /// The reply to the commit was lost.
    InDoubt(Error),
    /// The lease has expired, or expires too soon.
    Lease,
    /// The account has no row, or its row has another number.
    NoAccount,
}

impl Failure {
    /// Converts the error of a statement that was sent together with a commit. The transaction was rolled back if the
    /// server reported the error and kept the connection; otherwise it is in doubt.
    pub(super) fn in_doubt(error: Error) -> Self {
        if has_ended(&error) { Self::InDoubt(error) } else { Self::Database(error) }
    }

    /// Returns whether the server is starting or recovering.
    pub(super) fn is_starting(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::CANNOT_CONNECT_NOW))
    }

    /// Describes the failure, without the password and the parameters.
    pub(super) fn explain(self, name: &str) -> StoreError {
        match self {
            Self::Database(error) => explain(name, &error),
            Self::InDoubt(error) => explain(name, &error).in_doubt(),
            Self::Lease => StoreError::new("the store's lease cannot be renewed in time"),
            Self::NoAccount => StoreError::new("the account's row was removed"),
            Self::Store(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Returns whether the connection ended, so that its last statements may have taken effect.
fn has_ended(error: &Error) -> bool {
    error.as_db_error().is_none_or(|refused| refused.parsed_severity() != Some(Severity::Error))
}

/// Returns whether a transaction that failed with this error before its commit can be run again.
pub(super) fn may_repeat(error: &Error) -> bool {
    has_ended(error)
        || error.code().is_some_and(|code| {
            *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
        })
}

/// Describes an error, without the password and the parameters.
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
            "the server refuses the user or the password".to_owned()
        } else if *code == SqlState::DISK_FULL {
            "the server's disk is full".to_owned()
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            format!("the role lacks a privilege: {}", refused.message())
        } else {
            // The message names tables and settings; details, which may quote a row, are left out.
            format!("{} ({})", refused.message(), code.code())
        };
    StoreError::new(format!("{name}: {what}"))
}
