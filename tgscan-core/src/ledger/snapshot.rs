//! What a ledger says at one moment, and how it refuses a call.

use std::fmt;

/// What a [`Ledger`](super::Ledger) says at one moment. All amounts are credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerSnapshot {
    /// The most that may be spent, if there is a cap.
    pub cap: Option<u64>,
    /// Certainly spent: what answers said in `op_cost`, and what comparing with the balance or a person settled.
    pub charged: u64,
    /// How many calls were charged, by their own answers.
    pub charged_calls: u64,
    /// Set aside for attempts that have not ended, at the prices of their methods.
    pub in_flight: u64,
    /// How many paid attempts have not ended.
    pub in_flight_calls: u64,
    /// Set aside for attempts that ended without saying what they cost, at the prices of their methods.
    pub uncertain: u64,
    /// How many attempts ended so, and are not settled.
    pub uncertain_calls: u64,
    /// Gone from the account's balance beyond what calls explain; see
    /// [`ReconcileOutcome::Differs`](super::ReconcileOutcome::Differs).
    pub unexplained: u64,
    /// How many paid attempts ended without cost.
    pub not_charged_calls: u64,
    /// How many attempts the cap refused.
    pub refused_calls: u64,
    /// Whether a call in flight has no known price, and so may cost anything.
    pub(super) in_flight_is_open: bool,
    /// Whether an uncertain call has no known price.
    pub(super) uncertain_is_open: bool,
}

impl LedgerSnapshot {
    /// Returns everything that the cap counts: charged, in flight, uncertain and unexplained.
    pub fn committed(&self) -> u64 {
        self.spent().saturating_add(self.in_flight).saturating_add(self.uncertain)
    }

    /// Returns how many credits the cap has left for further calls, or `None` without a cap. It is 0 while a call of
    /// unknown price is in flight or uncertain.
    pub fn remaining(&self) -> Option<u64> {
        let is_open = self.in_flight_is_open || self.uncertain_is_open;
        self.cap.map(|cap| if is_open { 0 } else { cap.saturating_sub(self.committed()) })
    }

    fn spent(&self) -> u64 {
        self.charged.saturating_add(self.unexplained)
    }
}

/// A call that the cap refused before anything was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapReached {
    /// The ledger at that moment.
    pub ledger: LedgerSnapshot,
    /// What the call would have set aside; `None` if nothing is known about the price of its method.
    pub price: Option<u64>,
}

impl CapReached {
    /// Returns whether waiting can help: there may be room when the calls in flight have ended.
    pub fn is_transient(&self) -> bool {
        let ended = LedgerSnapshot { in_flight: 0, in_flight_is_open: false, ..self.ledger };
        self.ledger.in_flight_calls > 0 && self.fits(&ended)
    }

    /// Returns whether settling what is uncertain can help; see [`Client::reconcile`](crate::Client::reconcile).
    pub fn would_fit_if_settled(&self) -> bool {
        let settled = LedgerSnapshot { uncertain: 0, uncertain_is_open: false, ..self.ledger };
        self.ledger.uncertain_calls > 0 && self.fits(&settled)
    }

    pub(super) fn fits(&self, ledger: &LedgerSnapshot) -> bool {
        ledger.remaining().is_none_or(|room| room >= self.price.unwrap_or(1))
    }
}

impl std::error::Error for CapReached {}

impl fmt::Display for CapReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = &self.ledger;
        write!(
            f,
            "not sent, because it could pass the cap of {} credits: {} charged, {} in flight, {} uncertain",
            now.cap.unwrap_or(u64::MAX),
            now.charged,
            now.in_flight,
            now.uncertain,
        )?;
        if now.unexplained > 0 {
            write!(f, ", {} gone without an explanation", now.unexplained)?;
        }
        if now.in_flight_is_open || now.uncertain_is_open {
            f.write_str(", and the price of an earlier call is not known")?;
        } else {
            write!(f, ", and this call sets {} aside", self.price.unwrap_or(1))?;
        }
        f.write_str(if self.is_transient() {
            "; wait for the calls in flight"
        } else if self.would_fit_if_settled() {
            "; settle what is uncertain with `Client::reconcile` or `Ledger::settle_uncertain`"
        } else {
            "; raise the cap with `Ledger::set_cap` to spend more"
        })
    }
}
