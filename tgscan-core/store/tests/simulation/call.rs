//! One call as its driver sees it: what it waits for, and what is known of its cost.

use std::time::Duration;

use tgscan_core::Credits;
use tgscan_core::bytes::Bytes;
use tgscan_core::call::{Backoff, InFlight, Step};
use tgscan_core::http::Request;
use tgscan_core::store::{
    CallId, ClaimBackoff, GrantedCall, Lookup, PendingClaim, PendingSettlement, RunningCall, Settlement,
};
use tgscan_core::types::{Search, SearchAnswer};

/// A call, by what it waits for.
pub(crate) enum Call {
    Asking(PendingClaim<Search>, Asked),
    Waiting(Duration, ClaimBackoff<Search>, Asked),
    Granted(GrantedCall<Search>, Asked),
    Sending(Request<Bytes>, InFlight<Search>, Owned),
    Backoff(Duration, Backoff<Search>, Owned),
    Settling(CallId, Settlement, PendingSettlement<SearchAnswer>, Asked),
}

/// What a call asks, and how.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) lookup: Lookup,
}

/// A claimed call.
pub(crate) struct Owned {
    pub(crate) call: CallId,
    pub(crate) running: RunningCall,
    pub(crate) asked: Asked,
}

impl Call {
    /// The call after a step of the machine.
    pub(crate) fn after(step: Step<Search>, owned: Owned, now: Duration) -> Self {
        match step {
            Step::Send(request, in_flight) => Self::Sending(request, in_flight, owned),
            Step::Backoff(backoff) => Self::Backoff(now + backoff.duration(), backoff, owned),
            Step::Done(result) => {
                let (call, settlement, settling) = owned.running.finished(result);
                Self::Settling(call, settlement, settling, owned.asked)
            }
        }
    }

    /// What a driver tells the store when it drops the call.
    pub(crate) fn abandoned(&self) -> Option<(CallId, Settlement)> {
        match self {
            Self::Asking(..) | Self::Waiting(..) => None,
            Self::Granted(granted, _) => Some((granted.call(), Settlement::NotCharged)),
            Self::Sending(_, _, owned) => Some((owned.call, Settlement::without_answer(Credits::Uncertain))),
            Self::Backoff(_, backoff, owned) => {
                Some((owned.call, Settlement::without_answer(backoff.error().credits())))
            }
            Self::Settling(call, settlement, ..) => Some((*call, settlement.clone())),
        }
    }
}
