//! The errors and refusals of stores.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::CallId;

/// An error of a store. Its text must not contain the query.
#[derive(Clone)]
pub struct StoreError {
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
    is_in_doubt: bool,
}

impl StoreError {
    /// Creates an error of an operation that wrote nothing. The text should state the problem and its remedy.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None, is_in_doubt: false }
    }

    /// Sets the cause, whose text must not contain the query either.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Marks the transaction as possibly written, for example because the reply to its commit was lost.
    #[must_use]
    pub fn in_doubt(mut self) -> Self {
        self.is_in_doubt = true;
        self
    }

    /// Returns whether the transaction may have been written.
    pub fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreError")
            .field("text", &self.text)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The reason for which a store refused a paid call, or a further attempt of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreRefusal {
    /// The store failed.
    Failed(StoreError),
    /// Another call with the same question is in flight, and did not end within the time limit of this call.
    InFlight {
        /// The other call.
        call: CallId,
        /// The time since the other call was claimed.
        age: Duration,
    },
    /// An earlier call with the same question was not answered, and was or may have been charged.
    Uncertain {
        /// The earlier call, for [`Account::resolve`](super::Account::resolve).
        call: CallId,
        /// The time since the earlier call was claimed.
        age: Duration,
        /// The cost of the earlier call, if it is known.
        charged: Option<u64>,
    },
    /// A comparison with the balance did not end within the time limit of this call.
    ComparisonRunning,
    /// No recent answer is stored, and [`Lookup::Stored`](super::Lookup::Stored) accepts no new one.
    NotStored,
    /// The call lost its claim while it waited, because its owner was considered dead. Another process may have sent the
    /// question.
    ClaimLost,
}

impl fmt::Display for StoreRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "not sent, because the store failed: {error}"),
            Self::InFlight { call, age } => write!(
                f,
                "not sent, because call {call} asked the same question {} s ago and is still in flight; try again later",
                age.as_secs()
            ),
            Self::Uncertain { call, age, charged } => {
                write!(
                    f,
                    "not sent, because call {call} asked the same question {} s ago and ",
                    age.as_secs()
                )?;
                match charged {
                    Some(credits) => {
                        write!(
                            f,
                            "cost {credits} credits without an answer; resolve it with `Account::resolve`"
                        )
                    }
                    None => f.write_str(
                        "may have been charged; resolve it with `Client::reconcile` or `Account::resolve`",
                    ),
                }
            }
            Self::ComparisonRunning => f.write_str(
                "not sent, because a comparison with the balance did not end in time; try again later",
            ),
            Self::NotStored => {
                f.write_str("not sent, because only a stored answer was accepted and no recent one is stored")
            }
            Self::ClaimLost => f.write_str(
                "not sent again, because the call lost its claim while it waited; repeat the call",
            ),
        }
    }
}

impl Error for StoreRefusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}
