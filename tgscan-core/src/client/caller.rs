//! The caller of a call that runs in a separate task.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use tgscan_types::ApiMethod;

use crate::call::machine::Action;
use crate::call::{Call, Next};
use crate::store::Sender;
use crate::{Error, Reply};

const GIVEN_UP: u32 = u32::MAX;

/// The caller of a call that runs in a separate task.
pub(super) struct Caller<M: ApiMethod> {
    pub(super) sender: Sender<Result<Reply<M::Answer>, Error>>,
    pub(super) progress: Arc<Progress>,
}

/// The progress of a call in a separate task, for the error of a caller that stops waiting.
#[derive(Default)]
pub(super) struct Progress {
    /// The number of attempts, or [`GIVEN_UP`] if the caller stopped waiting before the first one.
    attempts: AtomicU32,
    /// Whether the last attempt has ended.
    is_ending: AtomicBool,
    /// The responses that may have been charged.
    responses: Mutex<Vec<Response<Bytes>>>,
}

impl Progress {
    /// Records that an attempt is sent.
    pub(super) fn sent<M: ApiMethod>(&self, call: &Call<M>) {
        self.attempts.store(call.machine.attempts, Ordering::Relaxed);
    }

    /// Records the responses of the attempts so far, and whether the last one has ended.
    pub(super) fn received(&self, responses: Vec<Response<Bytes>>, next: Next) {
        *self.responses() = responses;
        let is_ending = matches!(next, Next::Ask(Action::Settle) | Next::Done);
        self.is_ending.store(is_ending, Ordering::Relaxed);
    }

    /// Returns whether the last attempt has ended.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Records that the first attempt is sent. Returns whether the caller still waits.
    pub(super) fn start(&self) -> bool {
        self.attempts.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Keeps the call from sending its first attempt, because the caller stops waiting. Returns the number of attempts.
    pub(super) fn give_up(&self) -> u32 {
        self.attempts
            .compare_exchange(0, GIVEN_UP, Ordering::Relaxed, Ordering::Relaxed)
            .err()
            .unwrap_or_default()
    }

    /// Returns the responses that may have been charged.
    pub(super) fn take_responses(&self) -> Vec<Response<Bytes>> {
        std::mem::take(&mut *self.responses())
    }

    fn responses(&self) -> MutexGuard<'_, Vec<Response<Bytes>>> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
