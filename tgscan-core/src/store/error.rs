//! Why a store fails, and why it refuses a call.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{CallId, StoreCapReached};

/// A store that failed. Its text must not quote the query.
#[derive(Clone)]
pub struct StoreError {
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// Creates an error from a text that says what happened and what to do.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    /// Adds the cause, whose text must not quote the query either.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreError").field("text", &self.text).field("source", &self.source).finish()
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Why a store let a paid call not be sent. Nothing was sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreRefusal {
    /// The store failed.
    Failed(StoreError),
    /// Another call with the same question is in flight, and it did not end before the deadline.
    InFlight {
        /// How long it has been.
        age: Duration,
    },
    /// An earlier call with the same question may have been charged, and brought no answer.
    Uncertain {
        /// That call, for [`Store::resolve`](super::Store::resolve).
        call: CallId,
        /// How long ago it was claimed.
        age: Duration,
        /// What it cost, if that is known.
        charged: Option<u64>,
    },
    /// The cap of all who share the store leaves no room.
    CapReached(StoreCapReached),
    /// Only a stored answer was asked for, and there is none that is young enough.
    NotStored,
}

impl fmt::Display for StoreRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "not sent, because the store failed: {error}"),
            Self::InFlight { age } => {
                write!(f, "not sent, because the same question has been in flight for {} s", age.as_secs())
            }
            Self::Uncertain { call, age, charged } => {
                write!(f, "not sent, because call {call} asked the same {} s ago and ", age.as_secs())?;
                match charged {
                    Some(credits) => write!(f, "cost {credits} credits without an answer")?,
                    None => f.write_str("may have been charged")?,
                }
                f.write_str("; settle it with `Client::reconcile_store` or `Store::resolve`")
            }
            Self::CapReached(refused) => refused.fmt(f),
            Self::NotStored => f.write_str("not sent, because only a stored answer was asked for"),
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
